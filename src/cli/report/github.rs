//! A verdict as annotations of a workflow run.
//!
//! Source: the documentation of workflow commands: `%`, carriage return and line feed are escaped in a message, and
//! in a property `:` and `,` as well. A step shows ten annotations of each kind; those that matter most come first.

use super::foremost;
use crate::cli::ui::escape_block;
use crate::ops::review::Reviewed;
use crate::schema::Violation;

/// Annotations of one kind that a step shows.
const SHOWN: usize = 10;

/// Returns the annotations, one a line.
pub(in crate::cli) fn annotations(reviewed: &Reviewed) -> String {
    let (errors, warnings): (Vec<_>, Vec<_>) = reviewed.violations.iter().cloned().partition(Violation::is_error);
    let mut text = String::new();
    for (kind, mut of_a_kind) in [("error", errors), ("warning", warnings)] {
        of_a_kind.sort();
        for violation in foremost(&of_a_kind, SHOWN) {
            text.push_str(&annotation(kind, violation));
        }
        if of_a_kind.len() > SHOWN {
            let more = format!("{} more of this kind; the log of `squad review` has all", of_a_kind.len() - SHOWN);
            text.push_str(&format!("::notice title=squad::{}\n", message(&more)));
        }
    }
    text
}

fn annotation(kind: &str, violation: &Violation) -> String {
    let mut place = format!("file={}", property(&violation.file));
    if let Some(line) = violation.line {
        place.push_str(&format!(",line={line}"));
    }
    let text = format!("{} {}. {}", violation.pointer, violation.message, violation.hint);
    format!(
        "::{kind} {place},title={}::{}\n",
        property(&format!("squad {}", violation.code)),
        message(text.trim_start())
    )
}

/// A log of a run is shown as a terminal shows it, and what is written to one is stripped of codes: one that has no end
/// would take every annotation behind it along.
fn message(text: &str) -> String {
    escape_block(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_begins_another_command() {
        let violation = Violation::error("x", "a,b:c\n::error::no", "/p", "50 % done\r\n::set-output name=x::y", "h")
            .at_line(Some(3));
        let line = annotation("error", &violation);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.starts_with("::error file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ano,line=3,title=squad x::/p 50 %25 done%0A")
        );
    }

    #[test]
    fn nothing_in_a_text_hides_what_is_behind_it() {
        let violation = Violation::error("x", "a\u{9b}b", "/p", "t\u{1b}]0;\u{202e}\u{200b}\r", "h");
        let line = annotation("error", &violation);
        assert_eq!(line, "::error file=a\\u{9b}b,title=squad x::/p t\\u{1b}]0;\\u{202e}\\u{200b}\\r. h\n");
    }
}
