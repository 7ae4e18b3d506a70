//! `review`

use serde_json::json;

use crate::cli::args::{ReportFormat, ReviewArgs};
use crate::cli::report::{github, markdown, sarif, text};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, plural};
use crate::model::code::ErrorCode;
use crate::ops::failure::Failure;
use crate::ops::hook::find_repository;
use crate::ops::review::{Reviewed, review};

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &ReviewArgs) -> Result<u8, Failure> {
    let repository = find_repository(&cx.dir()?)?;
    let reviewed = review(&repository, &args.range, "review")?;
    tell(cx, &reviewed, args.format)
}

/// Shows a verdict in a format; the exit code is that of a failure where the change is refused.
fn tell(cx: &mut Context<'_>, reviewed: &Reviewed, format: ReportFormat) -> Result<u8, Failure> {
    let json = cx.ui.is_json();
    if !json {
        match format {
            ReportFormat::Markdown => cx.ui.verbatim(&markdown::document(reviewed)),
            ReportFormat::Github => cx.ui.verbatim(&github::annotations(reviewed)),
            ReportFormat::Sarif => cx.ui.verbatim(&sarif::document(reviewed)),
            ReportFormat::Text | ReportFormat::Json => {
                text::changes(cx.ui, &reviewed.changes);
                let all = cx.ui.verbosity() > 0;
                text::told(&reviewed.violations, all, "-v").into_iter().for_each(|line| cx.ui.line(line));
            }
        }
    }
    let errors = reviewed.violations.iter().filter(|v| v.is_error()).count();
    let keys = [
        ("base", json!(reviewed.base)),
        ("head", json!(reviewed.head)),
        ("commits", json!(reviewed.commits)),
        ("changes", json!(reviewed.changes)),
        ("violations", json!(reviewed.violations)),
        ("verdict", json!(reviewed.verdict())),
    ];
    if errors > 0 {
        // What is wrong may be in the roster or the locks alone.
        let tasks = match reviewed.changes.len() {
            0 => String::new(),
            tasks => format!(" in a change of {}", plural(tasks, "task")),
        };
        let message = format!("{}{tasks}", plural(errors, "violation"));
        let failure = Failure::new(ErrorCode::Invalid, message)
            .why("the change breaks the rules of the board")
            .hint("each violation says what to do");
        return Err(keys.into_iter().fold(failure, |failure, (key, value)| failure.with(key, value)));
    }
    let answer = keys.into_iter().fold(Answer::new("review"), |answer, (key, value)| answer.with(key, value));
    if json || format == ReportFormat::Text {
        cx.ui.answer(&answer, |ui| {
            let what = plural(reviewed.changes.len(), "task");
            let commits = plural(reviewed.commits, "commit");
            ui.line(format!("{what} touched in {commits}, {}", text::sound(&reviewed.violations)));
        });
    }
    Ok(0)
}
