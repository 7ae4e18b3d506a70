//! `check`

use std::path::PathBuf;

use serde_json::json;

use crate::cli::args::CheckArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, DIM, Line, Ui, WARN, plural};
use crate::model::code::ErrorCode;
use crate::ops::check::{Subject, check_files};
use crate::ops::failure::Failure;
use crate::schema::Violation;

/// Violations that text shows of a board that fails, unless `-v` asks for all.
const SHOWN: usize = 5;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &CheckArgs) -> Result<u8, Failure> {
    let subject = match (&args.path, args.staged, &args.at) {
        (Some(path), _, _) => Subject::Path(cx.dir()?.join(path)),
        (None, true, _) => Subject::Staged { index: std::env::var_os("GIT_INDEX_FILE").map(PathBuf::from) },
        (None, false, Some(revision)) => Subject::At(revision.clone()),
        (None, false, None) => Subject::Board,
    };
    let mut stale = None;
    let report = check_files(|| cx.session(), &subject, &mut stale)?;
    super::blocked(cx, stale.as_deref());
    let errors = report.violations.iter().filter(|v| v.is_error()).count();
    if errors > 0 {
        if !cx.ui.is_json() {
            print_failing(cx.ui, &report.violations);
        }
        let files: std::collections::BTreeSet<&str> =
            report.violations.iter().filter(|v| v.is_error()).map(|v| v.file.as_str()).collect();
        return Err(Failure::new(
            ErrorCode::Invalid,
            format!("{} in {}", plural(errors, "violation"), plural(files.len(), "file")),
        )
        .why(format!("{} checked", plural(report.checked, "file")))
        .hint("correct the files and check again; each violation says how")
        .with("violations", json!(report.violations))
        .with("checked", report.checked));
    }
    let answer = Answer::new("check").with("violations", json!(report.violations)).with("checked", report.checked);
    cx.ui.answer(&answer, |ui| {
        report.violations.iter().for_each(|v| print(ui, v));
        ui.line(format!("{} checked, nothing wrong", plural(report.checked, "file")));
    });
    Ok(0)
}

/// Prints what is wrong, what a file is refused for first, and no more than a reader wants to pay for.
fn print_failing(ui: &mut Ui, violations: &[Violation]) {
    let (errors, warnings): (Vec<_>, Vec<_>) = violations.iter().partition(|v| v.is_error());
    let shown = if ui.verbosity() > 0 { violations.len() } else { SHOWN };
    errors.iter().chain(&warnings).take(shown).for_each(|v| print(ui, v));
    if violations.len() > shown {
        ui.line(format!("{} more; `-v` shows them, `--json` has all", violations.len() - shown));
    }
}

fn print(ui: &mut Ui, violation: &Violation) {
    let style = if violation.is_error() { BAD } else { WARN };
    let line = violation.line.map(|n| format!(":{n}")).unwrap_or_default();
    let pointer = if violation.pointer.is_empty() { String::new() } else { format!(" {}", violation.pointer) };
    ui.line(
        Line::new()
            .styled(style, violation.severity.as_str())
            .text(&format!(" {}{line}{pointer}: ", violation.file))
            .text(&violation.message)
            .styled(DIM, &format!(" [{}]", violation.code)),
    );
    if violation.is_error() {
        ui.line(Line::new().styled(DIM, "  ").text(&violation.hint));
    }
}
