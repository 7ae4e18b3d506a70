//! A verdict as Markdown, for the summary of a step or a comment on a pull request.
//!
//! Every text comes from a file that anybody may have written: nothing of it becomes markup.

use super::{difference, foremost, happened};
use crate::cli::ui::plural;
use crate::ops::review::Reviewed;
use crate::review::judge::Verdict;
use crate::schema::Violation;

/// Rows of a table that are shown: a summary of a step has a limit of 1 MiB.
const ROWS: usize = 200;

/// Stands between two characters that would be a link or a mention together, and is not shown. An entity is none of
/// either only where it is read: links are sought again in the text that comes of it.
const BREAK: &str = "<!-- -->";

/// Longest text of one cell, in characters.
const CELL: usize = 300;

/// Lines of one field that are shown.
const LINES: usize = 40;

/// Returns the verdict as a document.
pub(in crate::cli) fn document(reviewed: &Reviewed) -> String {
    let verdict = match reviewed.verdict() {
        Verdict::Pass => "✅ passes",
        Verdict::Warn => "⚠️ passes with warnings",
        Verdict::Fail => "❌ fails",
    };
    let mut text = format!("## squad: the change of the board {verdict}\n\n");
    if reviewed.changes.is_empty() && reviewed.violations.is_empty() {
        text.push_str("No task is touched.\n");
        return text;
    }
    if !reviewed.changes.is_empty() {
        text.push_str("| | task | title | what happened |\n|---|---|---|---|\n");
        for change in reviewed.changes.iter().take(ROWS) {
            let mark = match change.verdict {
                Verdict::Pass => "✅",
                Verdict::Warn => "⚠️",
                Verdict::Fail => "❌",
            };
            text.push_str(&format!(
                "| {mark} | {} | {} | {} |\n",
                cell(&change.task),
                cell(&change.title),
                cell(&happened(change))
            ));
        }
        rest(&mut text, reviewed.changes.len(), "task");
    }
    if !reviewed.violations.is_empty() {
        text.push_str("\n| | where | what is wrong | what to do | rule |\n|---|---|---|---|---|\n");
        for violation in foremost(&reviewed.violations, ROWS) {
            text.push_str(&row(violation));
        }
        rest(&mut text, reviewed.violations.len(), "violation");
    }
    for change in reviewed.changes.iter().take(ROWS).filter(|change| !change.fields.is_empty()) {
        text.push_str(&format!("\n<details><summary>{}</summary>\n", cell(&change.task)));
        for field in &change.fields {
            let lines = difference(field);
            let fence = fence(&lines);
            text.push_str(&format!("\n{}\n\n{fence}diff\n", cell(&field.name)));
            for (sign, line) in lines.iter().take(LINES) {
                text.push_str(&format!("{sign} {}\n", shown(line)));
            }
            text.push_str(&format!("{fence}\n"));
        }
        text.push_str("\n</details>\n");
    }
    text
}

fn rest(text: &mut String, count: usize, noun: &str) {
    if count > ROWS {
        text.push_str(&format!("\n{} more.\n", plural(count - ROWS, noun)));
    }
}

fn row(violation: &Violation) -> String {
    let mark = if violation.is_error() { "❌" } else { "⚠️" };
    let line = violation.line.map(|n| format!(":{n}")).unwrap_or_default();
    format!(
        "| {mark} | {}{line} {} | {} | {} | {} |\n",
        cell(&violation.file),
        cell(&violation.pointer),
        cell(&violation.message),
        cell(&violation.hint),
        violation.code
    )
}

/// Returns a text for a cell of a table: no markup, no mention, no link, no line end.
pub(super) fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let shown: Vec<char> = shown(text).chars().take(CELL).collect();
    for (at, &c) in shown.iter().enumerate() {
        match c {
            '.' if at >= 3 && shown[at - 3..at].iter().all(|c| c.eq_ignore_ascii_case(&'w')) => {
                safe.push_str(BREAK);
                safe.push('.');
            }
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // Each has a meaning somewhere: as a number it has none.
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '@' | '~' | '$' | ':' | '{' | '}' => {
                safe.push_str(&format!("&#{};", u32::from(c)));
                let links = match c {
                    '@' | '#' => true,
                    ':' => shown.get(at + 1) == Some(&'/'),
                    _ => false,
                };
                if links {
                    safe.push_str(BREAK);
                }
            }
            c => safe.push(c),
        }
    }
    if text.chars().count() > CELL {
        safe.push('…');
    }
    safe
}

fn shown(text: &str) -> String {
    crate::cli::ui::escape_line(text)
}

/// Returns a fence that is longer than any run of backticks within.
fn fence(lines: &[(char, String)]) -> String {
    let longest = lines.iter().flat_map(|(_, line)| line.split(|c| c != '`').map(str::len)).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_markup_mention_or_table_survives_a_cell() {
        let hostile = "a|b `c` <img src=x onerror=1> [x](http://e) @all **b**\n| row |\u{202e}";
        let safe = cell(hostile);
        for bad in ["|", "`", "<img", "[x]", "@all", "**", "\n", "\u{202e}"] {
            assert!(!safe.contains(bad), "{bad:?} in {safe}");
        }
    }

    #[test]
    fn no_address_and_no_name_in_a_cell_becomes_a_link() {
        let cases = [
            ("www.evil.example", "www<!-- -->.evil.example"),
            ("WWW.evil.example", "WWW<!-- -->.evil.example"),
            ("a@evil.example", "a&#64;<!-- -->evil.example"),
            ("@all", "&#64;<!-- -->all"),
            ("https://evil.example", "https&#58;<!-- -->//evil.example"),
            ("fixes #1", "fixes &#35;<!-- -->1"),
            ("src/w.rs at 12:30", "src/w.rs at 12&#58;30"),
        ];
        for (text, safe) in cases {
            assert_eq!(cell(text), safe);
        }
    }

    #[test]
    fn a_fence_outlasts_what_it_encloses() {
        assert_eq!(fence(&[('+', "```` and ```".to_owned())]), "`````");
        assert_eq!(fence(&[]), "```");
    }
}
