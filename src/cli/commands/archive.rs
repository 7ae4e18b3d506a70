//! `archive`

use serde_json::json;

use super::answers;
use crate::cli::args::ArchiveArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, DIM, Line, plural, short};
use crate::model::operation::Action;
use crate::ops::failure::Failure;
use crate::ops::look::completed_before;
use crate::ops::session::Freshness;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &ArchiveArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    if let Some(task) = &args.task {
        let done = session.act(None, &Action::Archive { tasks: vec![task.clone()] })?;
        return Ok(answers::done(cx, "archive", &done, Vec::new()));
    }
    let age = args.older_than.unwrap_or_default();
    let tasks = completed_before(&session.view(Freshness::Due)?, session.now(), age)?;
    let done = session.act(None, &Action::Archive { tasks })?;
    let ids: Vec<_> = done.tasks.iter().map(|t| json!({"id": t.id})).collect();
    let answer = answers::with_outcome(Answer::new("archive").with("tasks", ids), &done);
    cx.ui.answer(&answer, |ui| {
        let commit = done.receipt.as_ref().map_or("", |r| short(&r.commit));
        let verb = if done.preview.is_some() { "would put away" } else { "put away" };
        ui.line(Line::new().text(&format!("{verb} {}  ", plural(done.tasks.len(), "task"))).styled(DIM, commit));
    });
    Ok(0)
}
