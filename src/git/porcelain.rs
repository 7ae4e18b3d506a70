//! What `git push --porcelain` says, parsed. Pure.
//!
//! Source: git-push(1), OUTPUT: `<flag>\t<from>:<to>\t<summary> (<reason>)`.

use super::subprocess::sanitise;

/// One line about one ref of the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushLine {
    /// A space, `+`, `-`, `*`, `=` or `!`.
    pub flag: char,
    /// Full name of the ref on the remote.
    pub to: String,
    /// The summary and reason, safe for a terminal.
    pub summary: String,
}

/// What a push did to one ref, as far as the lines tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The remote reported that the ref is at the new value.
    Done,
    /// The ref was not moved: our side saw another value there.
    RefusedHere(String),
    /// The ref was not moved: the remote refused.
    RefusedThere(String),
    /// No line settles it.
    Nothing(String),
}

/// Returns the lines about refs; all others (`To …`, `Done`, a hook's chatter) are left out.
pub fn parse_push(stdout: &[u8]) -> Vec<PushLine> {
    stdout.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<PushLine> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut fields = line.splitn(3, |byte| *byte == b'\t');
    let flag = match fields.next()? {
        [flag @ (b' ' | b'+' | b'-' | b'*' | b'=' | b'!')] => char::from(*flag),
        _ => return None,
    };
    // Object names and refs hold no colon, so the last one parts them.
    let refs = std::str::from_utf8(fields.next()?).ok()?;
    let (_, to) = refs.rsplit_once(':')?;
    Some(PushLine { flag, to: to.to_owned(), summary: sanitise(fields.next()?) })
}

/// Returns what the lines say about the ref called `to`.
///
/// `[remote failure]` has the flag of a refusal, but means that the remote never reported on the ref: nothing is
/// settled by it. A remote with several push addresses gives several lines; a refusal by one outweighs.
pub fn said(lines: &[PushLine], to: &str) -> Said {
    let mut result = Said::Nothing("the remote did not report on it".to_owned());
    for line in lines.iter().filter(|line| line.to == to) {
        result = match line.flag {
            '!' if line.summary.starts_with("[rejected]") => return Said::RefusedHere(line.summary.clone()),
            '!' if line.summary.starts_with("[remote rejected]") => return Said::RefusedThere(line.summary.clone()),
            '!' => return Said::Nothing(line.summary.clone()),
            _ => Said::Done,
        };
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_line_is_read_for_what_it_settles() {
        let oid = "0123456789abcdef0123456789abcdef01234567";
        let board = "refs/heads/board";
        let here = |text: &str| Said::RefusedHere(text.to_owned());
        let there = |text: &str| Said::RefusedThere(text.to_owned());
        let nothing = |text: &str| Said::Nothing(text.to_owned());
        let silent = || nothing("the remote did not report on it");
        let cases: Vec<(String, Said)> = vec![
            (format!("To /r\n \t{oid}:{board}\t1234567..89abcde\nDone\n"), Said::Done),
            (format!("To /r\n*\t{oid}:{board}\t[new branch]\nDone\n"), Said::Done),
            (format!("=\t{oid}:{board}\t[up to date]\n"), Said::Done),
            (format!("+\t{oid}:{board}\t123...456 (forced update)\n"), Said::Done),
            (format!("!\t{oid}:{board}\t[rejected] (stale info)\nDone\n"), here("[rejected] (stale info)")),
            (format!("!\t{oid}:{board}\t[rejected] (fetch first)\n"), here("[rejected] (fetch first)")),
            (
                format!("!\t{oid}:{board}\t[remote rejected] (pre-receive hook declined)\n"),
                there("[remote rejected] (pre-receive hook declined)"),
            ),
            (
                format!("!\t{oid}:{board}\t[remote failure] (remote failed to report status)\n"),
                nothing("[remote failure] (remote failed to report status)"),
            ),
            ("Done\n".to_owned(), silent()),
            (String::new(), silent()),
            (format!(" \t{oid}:refs/heads/board2\t1..2\n"), silent()),
            (format!(" \t{oid}:refs/heads/x/board\t1..2\n"), silent()),
            (format!("remote: !\t{oid}:{board}\t[rejected]\n"), silent()),
            (format!("!!\t{oid}:{board}\t[rejected]\n"), silent()),
            (format!("!\t{oid}:{board}"), silent()),
            (
                format!(" \t{oid}:{board}\t1..2\n!\t{oid}:{board}\t[rejected] (stale info)\n"),
                here("[rejected] (stale info)"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(said(&parse_push(text.as_bytes()), board), expected, "{text:?}");
        }
    }

    #[test]
    fn a_reason_with_escape_codes_is_made_safe() {
        let text = b"!\tabc:refs/heads/board\t[remote rejected] (\x1b[2Jgone \xe2\x80\xae)\n";
        let lines = parse_push(text);
        assert_eq!(lines[0].summary, "[remote rejected] (\\u{1b}[2Jgone \\u{202e})");
    }
}
