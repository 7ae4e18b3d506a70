//! A verdict for a terminal.

use super::{difference, foremost, happened};
use crate::cli::ui::{BAD, DIM, GOOD, Line, Ui, WARN, plural, short};
use crate::review::judge::{TaskChange, Verdict};
use crate::schema::Violation;

/// Violations that are shown unless `-v` asks for all.
const SHOWN: usize = 5;

/// Lines of one field that are shown unless `-v` asks for all.
const LINES: usize = 6;

/// Prints what happened to each task.
pub(in crate::cli) fn changes(ui: &mut Ui, changes: &[TaskChange]) {
    let all = ui.verbosity() > 0;
    for change in changes {
        let (style, mark) = match change.verdict {
            Verdict::Pass => (GOOD, "pass"),
            Verdict::Warn => (WARN, "warn"),
            Verdict::Fail => (BAD, "fail"),
        };
        ui.line(Line::new().styled(style, mark).text(&format!(" {}  {}", change.task, happened(change))));
        for field in &change.fields {
            let lines = difference(field);
            ui.line(Line::new().styled(DIM, &format!("  {}", field.name)));
            let shown = if all { lines.len() } else { LINES };
            for (sign, text) in lines.iter().take(shown) {
                let style = match sign {
                    '-' => BAD,
                    '+' => GOOD,
                    _ => DIM,
                };
                ui.line(Line::new().text("    ").styled(style, &format!("{sign} {text}")));
            }
            if lines.len() > shown {
                ui.line(
                    Line::new()
                        .styled(DIM, &format!("    {} more; `-v` shows them", plural(lines.len() - shown, "line"))),
                );
            }
        }
    }
}

/// Tells what is wrong, what a file is refused for first, and no more than a reader wants to pay for; `verbose` is what
/// to say for more.
pub(in crate::cli) fn told(violations: &[Violation], all: bool, verbose: &str) -> Vec<Line> {
    let shown = if all { violations.len() } else { SHOWN };
    let (errors, warnings): (Vec<_>, Vec<_>) = foremost(violations, shown).into_iter().partition(|v| v.is_error());
    let mut told: Vec<Line> = errors.into_iter().chain(warnings).flat_map(lines).collect();
    if violations.len() > shown {
        told.push(format!("{} more; `{verbose}` shows them, `--json` has all", violations.len() - shown).into());
    }
    told
}

/// Says how it stands where nothing is an error.
pub(in crate::cli) fn sound(violations: &[Violation]) -> String {
    match violations.len() {
        0 => "nothing wrong".to_owned(),
        odd => format!("no error, {}", plural(odd, "warning")),
    }
}

/// Returns the lines for one violation: what is wrong where, and for an error what to do.
pub(in crate::cli) fn lines(violation: &Violation) -> Vec<Line> {
    let style = if violation.is_error() { BAD } else { WARN };
    let line = violation.line.map(|n| format!(":{n}")).unwrap_or_default();
    let commit = violation.commit.as_deref().map(short);
    let file = format!("{}{line}", violation.file);
    let place: Vec<&str> =
        [commit.unwrap_or_default(), &file, &violation.pointer].into_iter().filter(|part| !part.is_empty()).collect();
    let first = Line::new()
        .styled(style, violation.severity.as_str())
        .text(&format!(" {}: ", place.join(" ")))
        .text(&violation.message)
        .styled(DIM, &format!(" [{}]", violation.code));
    let mut lines = vec![first];
    if violation.is_error() {
        lines.push(Line::new().styled(DIM, "  ").text(&violation.hint));
    }
    lines
}
