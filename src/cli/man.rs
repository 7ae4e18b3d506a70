//! Manual pages, made from the same description as the parser.

use clap_mangen::Man;

use super::args::command;

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
    // clap keeps a name for as long as the program runs only where it is given one that does.
    let man = Man::new(cmd).title(name.to_uppercase());
    let mut text = Vec::new();
    man.render(&mut text).expect("memory takes everything");
    let text = String::from_utf8(text).expect("verbs, flags and their help are text");
    pages.push(Page { file_name: format!("{name}.1"), text });
    for verb in verbs {
        let name = format!("{name}-{}", verb.get_name());
        push_pages(pages, &name, verb);
    }
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
}
