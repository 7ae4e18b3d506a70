//! `audit`

use serde_json::json;

use crate::cli::args::AuditArgs;
use crate::cli::report::text::{lines, sound};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, plural};
use crate::model::code::ErrorCode;
use crate::ops::audit::audit;
use crate::ops::failure::Failure;

/// Violations that text shows, unless `-v` asks for all.
const SHOWN: usize = 5;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &AuditArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let found = audit(&session, args.task.as_ref(), args.since.as_deref())?;
    let counts = format!("{}, {}", plural(found.commits, "commit"), plural(found.operations, "operation"));
    let errors = found.violations.iter().filter(|violation| violation.is_error()).count();
    if let Some(bad) = found.violations.iter().find(|violation| violation.is_error()) {
        if !cx.ui.is_json() {
            let shown = if cx.ui.verbosity() > 0 { found.violations.len() } else { SHOWN };
            found.violations.iter().take(shown).flat_map(lines).for_each(|line| cx.ui.line(line));
            if found.violations.len() > shown {
                cx.ui.line(format!("{} more; `-v` shows them, `--json` has all", found.violations.len() - shown));
            }
        }
        let first = bad.commit.as_deref().unwrap_or_default();
        let failure =
            Failure::new(ErrorCode::Invalid, format!("{} in the history of the board", plural(errors, "violation")))
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
    cx.ui.answer(&answer, |ui| {
        found.violations.iter().flat_map(lines).for_each(|line| ui.line(line));
        ui.line(format!("{counts} decided again, {}", sound(&found.violations)));
    });
    Ok(0)
}
