//! `audit`

use serde_json::json;

use crate::cli::args::AuditArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, DIM, Line, plural};
use crate::model::code::ErrorCode;
use crate::ops::audit::audit;
use crate::ops::failure::Failure;
use crate::schema::Violation;

/// Violations that text shows, unless `-v` asks for all.
const SHOWN: usize = 5;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &AuditArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let found = audit(&session, args.task.as_ref(), args.since.as_deref())?;
    let counts = format!("{}, {}", plural(found.commits, "commit"), plural(found.operations, "operation"));
    if !found.violations.is_empty() {
        if !cx.ui.is_json() {
            let shown = if cx.ui.verbosity() > 0 { found.violations.len() } else { SHOWN };
            found.violations.iter().take(shown).for_each(|violation| cx.ui.line(line(violation)));
            if found.violations.len() > shown {
                cx.ui.line(format!("{} more; `-v` shows them, `--json` has all", found.violations.len() - shown));
            }
        }
        let first = found.violations[0].commit.as_deref().unwrap_or_default();
        let failure = Failure::new(
            ErrorCode::Invalid,
            format!("{} in the history of the board", plural(found.violations.len(), "violation")),
        )
        .why(format!("the first is commit {first}; {counts} looked at"))
        .hint(format!("`git show {first}` shows it"));
        return Err(failure
            .with("violations", json!(found.violations))
            .with("commits", found.commits)
            .with("operations", found.operations));
    }
    let answer = Answer::new("audit")
        .with("commits", found.commits)
        .with("operations", found.operations)
        .with("violations", json!(found.violations));
    cx.ui.answer(&answer, |ui| ui.line(format!("{counts} decided again, nothing wrong")));
    Ok(0)
}

fn line(violation: &Violation) -> Line {
    let commit = violation.commit.as_deref().and_then(|commit| commit.get(..10)).unwrap_or_default();
    let file = if violation.file.is_empty() { String::new() } else { format!(" {}", violation.file) };
    Line::new()
        .styled(BAD, "error")
        .text(&format!(" {commit}{file}: {}", violation.message))
        .styled(DIM, &format!(" [{}]", violation.code))
}
