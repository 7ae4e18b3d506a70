//! `edit`

use super::answers;
use crate::cli::args::EditArgs;
use crate::cli::run::Context;
use crate::model::id::Millis;
use crate::model::operation::{Action, FieldChange, Verb};
use crate::model::task::Task;
use crate::ops::failure::Failure;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &EditArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let id = args.task.clone();
    let now = session.now();
    let done = session.act_on(Some(&id), Verb::Edit, |view| {
        let (task, _) = view.task(&args.task)?;
        Ok(Action::Edit { changes: changes(&task, args.clone(), now) })
    })?;
    Ok(answers::done(cx, "edit", &done, Vec::new()))
}

/// Returns the changes, each with the value that it replaces.
fn changes(task: &Task, args: EditArgs, now: Millis) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if let Some(to) = args.title {
        changes.push(FieldChange::Title { from: task.title.clone(), to });
    }
    if let Some(to) = args.description {
        changes.push(FieldChange::Description { from: task.description.clone(), to: Some(to) });
    }
    if let Some(to) = args.priority {
        changes.push(FieldChange::Priority { from: task.priority, to });
    }
    if let Some(to) = args.category {
        changes.push(FieldChange::Category { from: task.category, to: Some(to) });
    }
    if let Some(due) = args.due {
        changes.push(FieldChange::Due { from: task.due, to: Some(due.resolve(now)) });
    }
    if let Some(to) = args.position {
        changes.push(FieldChange::Position { from: task.position, to: Some(to) });
    }
    if !args.tag.is_empty() || !args.untag.is_empty() {
        changes.push(FieldChange::Tags { add: args.tag, remove: args.untag });
    }
    changes
}
