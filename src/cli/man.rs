//! Manual pages, made from the same description as the parser.

use std::io;

use clap_mangen::Man;

use super::args::command;

/// What stands at the foot of every page.
const SOURCE: &str = concat!("squad ", env!("CARGO_PKG_VERSION"));

/// A manual page in roff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The file name: `squad.1`, `squad-claim.1`, `squad-subtask-add.1`.
    pub file_name: String,
    /// The text.
    pub text: String,
}

/// Returns the pages: squad as a whole first, then one for each verb.
pub fn pages() -> Vec<Page> {
    let mut cmd = command().disable_help_subcommand(true);
    cmd.build();
    let mut pages = Vec::new();
    push_pages(&mut pages, "squad", cmd);
    pages
}

fn push_pages(pages: &mut Vec<Page>, name: &str, cmd: clap::Command) {
    let verbs: Vec<_> = cmd.get_subcommands().cloned().collect();
    let examples = examples(&cmd);
    let text = render(&Man::new(cmd).title(name.to_uppercase()).source(SOURCE), !verbs.is_empty(), &examples)
        .expect("memory takes everything");
    pages.push(Page {
        file_name: format!("{name}.1"),
        text: String::from_utf8(text).expect("verbs, flags and their help are text"),
    });
    for verb in verbs {
        let name = format!("{name}-{}", verb.get_name());
        push_pages(pages, &name, verb);
    }
}

fn render(man: &Man, has_verbs: bool, examples: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_verbs {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend_from_slice(examples.as_bytes());
    Ok(page)
}

/// Returns the examples as a section of their own, line by line: the generator would run them together.
fn examples(cmd: &clap::Command) -> String {
    let after = cmd.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: String = after.lines().filter_map(|line| line.strip_prefix("  ")).map(verbatim).collect();
    if lines.is_empty() { lines } else { format!(".SH EXAMPLES\n.nf\n{lines}.fi\n") }
}

/// Returns a line that roff prints as it is: `\&` keeps a leading dot or quote from being a request.
fn verbatim(line: &str) -> String {
    format!("\\&{}\n", line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_squad_and_for_every_verb() {
        let pages = pages();
        assert_eq!(pages[0].file_name, "squad.1");
        for name in ["squad-claim.1", "squad-subtask-add.1", "squad-lock-list.1"] {
            assert!(pages.iter().any(|p| p.file_name == name), "{name} is missing");
        }
        assert!(pages.iter().all(|p| p.text.contains(".SH NAME") && !p.text.contains('\u{1b}')));
    }

    #[test]
    fn examples_stand_line_by_line_and_as_they_are_typed() {
        let page = pages().into_iter().find(|p| p.file_name == "squad-files-add.1").expect("the page");
        let examples = page.text.split(".SH EXAMPLES\n").nth(1).expect("the section");
        insta::assert_snapshot!(examples, @r"
        .nf
        \&squad files add mc\-042 src/login.rs \(aqsrc/session/**\(aq
        .fi
        ");
    }
}
