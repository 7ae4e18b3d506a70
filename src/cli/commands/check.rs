//! `check`

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::args::CheckArgs;
use crate::cli::report::text::{lines, sound, told};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, plural};
use crate::model::code::ErrorCode;
use crate::ops::check::{Subject, check_files};
use crate::ops::failure::Failure;
use crate::review::check::Report;

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
    if let Some(failure) = verdict(&report) {
        if !cx.ui.is_json() {
            told(&report.violations, cx.ui.verbosity() > 0, "-v").into_iter().for_each(|line| cx.ui.line(line));
        }
        return Err(failure);
    }
    let answer = Answer::new("check").with("violations", json!(report.violations)).with("checked", report.checked);
    cx.ui.answer(&answer, |ui| {
        report.violations.iter().flat_map(lines).for_each(|line| ui.line(line));
        ui.line(format!("{} checked, {}", plural(report.checked, "file"), sound(&report.violations)));
    });
    Ok(0)
}

/// Returns the failure that a report is, where anything in it is an error.
fn verdict(report: &Report) -> Option<Failure> {
    let errors = || report.violations.iter().filter(|v| v.is_error());
    let files: BTreeSet<&str> = errors().map(|v| v.file.as_str()).collect();
    let failure = Failure::new(
        ErrorCode::Invalid,
        format!("{} in {}", plural(errors().count(), "violation"), plural(files.len(), "file")),
    );
    let failure = failure
        .why(format!("{} checked", plural(report.checked, "file")))
        .hint("correct the files and check again; each violation says how")
        .with("violations", json!(report.violations))
        .with("checked", report.checked);
    report.has_errors().then_some(failure)
}
