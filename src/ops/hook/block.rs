//! squad's lines in a hook script: how they read, and how they go into a script and out of it again.
//!
//! Works on bytes, pure: what is not squad's comes out as it went in.

use std::path::Path;

/// First line of squad's lines.
pub const BEGIN: &str = "# >>> squad >>>";

/// Last line of squad's lines.
pub const END: &str = "# <<< squad <<<";

/// Says that nobody wrote a script before squad did, so that it goes with squad's lines.
const ALONE: &str = "# squad made this file.";

/// What a script begins with that squad makes.
const SHEBANG: &str = "#!/bin/sh\n";

/// Shells that read squad's lines.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

/// What a hook says where there is no squad any more. A commit goes through: nobody is to be locked out by a program
/// that is missing.
const GONE: &str = "echo 'squad: the program is gone, so this commit was not checked' >&2";

/// Returns squad's lines for the start of a script.
fn lines(program: Option<&Path>, alone: bool) -> String {
    let mut out =
        format!("{BEGIN}\n# Refuses a commit that would break the board. `squad hook uninstall` takes this out.\n");
    if alone {
        out += &format!("{ALONE}\n");
    }
    let mut word = "if";
    if let Some(program) = program.and_then(quoted) {
        out += &format!("if [ -x {program} ]; then\n    {program} hook pre-commit || exit $?\n");
        word = "elif";
    }
    out += &format!("{word} command -v squad >/dev/null 2>&1; then\n    squad hook pre-commit || exit $?\n");
    out += &format!("else\n    {GONE}\nfi\n{END}\n");
    out
}

/// Returns the same as one line, for git's configuration.
pub fn one_line(program: Option<&Path>) -> String {
    let path = "command -v squad >/dev/null 2>&1; then squad hook pre-commit";
    match program.and_then(quoted) {
        Some(program) => {
            format!("if [ -x {program} ]; then {program} hook pre-commit; elif {path}; else {GONE}; fi")
        }
        None => format!("if {path}; else {GONE}; fi"),
    }
}

/// Quotes a path for a shell; nothing where it is not text of one line.
fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control))?;
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() };
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Returns the program that squad's lines, or the one line, call first; nothing where they leave it to `PATH`.
pub fn program_in(text: &str) -> Option<String> {
    let after = text.split_once("[ -x '")?.1;
    Some(after.split_once("' ];")?.0.replace(r"'\''", "'"))
}

/// Returns where squad's lines are in a script, to the end of their last line; nothing where they are not, or have no
/// end.
pub fn find(script: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut begin = None;
    let mut at = 0;
    for line in script.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        let is = |mark: &str| line.trim_ascii() == mark.as_bytes();
        match begin {
            None if is(BEGIN) => begin = Some(at),
            Some(begin) if is(END) => return Some(begin..end),
            _ => {}
        }
        at = end;
    }
    None
}

/// Returns a script that is squad's alone.
pub fn new_script(program: Option<&Path>) -> Vec<u8> {
    format!("{SHEBANG}{}", lines(program, true)).into_bytes()
}

/// Returns a shell script with squad's lines: those that are there made new, else behind the first line.
pub fn with_lines(script: &[u8], program: Option<&Path>) -> Vec<u8> {
    let (range, lines) = match find(script) {
        Some(range) => {
            let alone = contains(&script[range.clone()], ALONE);
            (range, lines(program, alone))
        }
        None => {
            let first = script.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let at = first.unwrap_or(script.len());
            (at..at, lines(program, false))
        }
    };
    // A line break that was missing is added before squad's lines and not after them, so that it goes with them.
    let (before, after) = (&script[..range.start], &script[range.end..]);
    let unended = !before.is_empty() && !before.ends_with(b"\n");
    let bare = after.is_empty() && (unended || (!range.is_empty() && !script.ends_with(b"\n")));
    let lines = if bare { lines.trim_end() } else { &lines };
    [before, if unended { b"\n" } else { b"" }, lines.as_bytes(), after].concat()
}

/// Returns a script without squad's lines; nothing where nothing but squad's own was in it.
pub fn without_lines(script: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut alone) = (script.to_vec(), false);
    while let Some(range) = find(&rest) {
        alone |= contains(&rest[range.clone()], ALONE);
        let bare = range.end == rest.len() && !rest.ends_with(b"\n");
        let begin = if bare { range.start.saturating_sub(1) } else { range.start };
        rest.drain(begin..range.end);
    }
    (!alone || rest != SHEBANG.as_bytes()).then_some(rest)
}

/// Tells whether a script is run by a shell that reads squad's lines.
pub fn is_shell(script: &[u8]) -> bool {
    let first = script.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(line) = first.strip_prefix(b"#!").and_then(|line| std::str::from_utf8(line).ok()) else { return false };
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let mut words = line.split_whitespace();
    let Some(program) = words.next().map(name) else { return false };
    let shell = if program == "env" {
        words.find(|word| !word.starts_with('-') && !word.contains('=')).map(name)
    } else {
        Some(program)
    };
    shell.is_some_and(|shell| SHELLS.contains(&shell.as_str()))
}

/// Returns the line of a hook, or of a hook manager's file, that asks squad about a commit.
pub fn asks_squad(text: &str) -> Option<&str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("//")).find(|line| {
        let asks = line.contains("hook pre-commit") || line.contains("check --staged");
        asks && line.contains("squad") || line.contains("squad-check")
    })
}

/// Tells whether a program in another language than a shell's names the words that ask squad one after the other, as it
/// hands them to a process.
pub fn asks_as_process(text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("//"));
    let words: Vec<String> = lines.map(|line| line.replace(['"', '\'', ',', '[', ']', '(', ')'], " ")).collect();
    let words: Vec<&str> = words.iter().flat_map(|line| line.split_whitespace()).collect();
    words.windows(3).any(|three| three[0].ends_with("squad") && three[1..] == ["hook", "pre-commit"])
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "/opt/it's here/squad";

    fn put(script: &[u8]) -> Vec<u8> {
        with_lines(script, Some(Path::new(PROGRAM)))
    }

    #[test]
    fn what_goes_in_comes_out_and_the_rest_is_as_it_was() {
        for script in [
            &b"#!/bin/sh\n"[..],
            b"#!/bin/sh",
            b"#!/bin/sh\nexit 1\n",
            b"#!/bin/sh\nexit 1",
            b"#!/usr/bin/env bash\r\nmake\r\n",
            b"#!/bin/sh\n\xff\xfe\n",
        ] {
            let with = put(script);
            assert!(with.starts_with(b"#!") && find(&with).is_some(), "{}", String::from_utf8_lossy(&with));
            assert_eq!(put(&with), with, "a second time changes nothing");
            assert_eq!(without_lines(&with).as_deref(), Some(script));
            let other = with_lines(&with, None);
            assert_eq!((put(&other) == with, without_lines(&other).as_deref()), (true, Some(script)));
        }
    }

    #[test]
    fn a_script_that_squad_made_goes_with_its_lines_unless_somebody_wrote_in_it() {
        let made = new_script(None);
        assert_eq!(without_lines(&made), None);
        assert_eq!(without_lines(&put(&made)), None, "also after another program was written in");
        let grown = [&made[..], b"make\n"].concat();
        assert_eq!(without_lines(&grown).as_deref(), Some(&b"#!/bin/sh\nmake\n"[..]));
    }

    #[test]
    fn lines_without_an_end_are_nobodys() {
        let script = format!("#!/bin/sh\n{BEGIN}\nexit 1\n");
        assert_eq!(find(script.as_bytes()), None);
    }

    #[test]
    fn shells_are_told_from_other_programs() {
        for (line, shell) in [
            ("#!/bin/sh", true),
            ("#! /usr/bin/env bash", true),
            ("#!/usr/bin/env -S LANG=C zsh -e", true),
            ("#!/bin/sh -e\r", true),
            ("#!/usr/bin/python3", false),
            ("#!/usr/bin/env node", false),
            ("#!/usr/bin/fish", false),
            ("#!", false),
            ("exit 1", false),
            ("\u{7f}ELF", false),
            ("", false),
        ] {
            assert_eq!(is_shell(format!("{line}\nrest\n").as_bytes()), shell, "{line}");
        }
    }

    #[test]
    fn the_program_is_read_back_as_it_was_quoted() {
        let program = Some(Path::new(PROGRAM));
        assert_eq!(program_in(&one_line(program)).as_deref(), Some(PROGRAM));
        assert_eq!(program_in(&lines(program, false)).as_deref(), Some(PROGRAM));
        assert_eq!(program_in(&one_line(None)), None);
        assert_eq!(program_in(&one_line(Some(Path::new("/a\nb")))), None, "no line is broken");
    }

    #[test]
    fn who_asks_squad_is_told_by_a_line_that_is_no_comment() {
        assert!(asks_squad("#!/bin/sh\nexec squad check --staged --quiet\n").is_some());
        assert!(asks_squad("  - id: squad-check\n").is_some());
        assert!(asks_squad("# squad hook pre-commit\n").is_none());
        assert!(asks_squad("echo squad\n").is_none());
        assert!(asks_as_process("run([\"squad\",\n  'hook', 'pre-commit'])\n"));
        assert!(!asks_as_process("# run(['squad', 'hook', 'pre-commit'])\nrun(['squad', 'hook'])\n"));
    }
}
