//! The verbs that need no more than their arguments as they stand: each is one action on one task.

use super::answers;
use crate::cli::args::{Command, DepCommand, FilesCommand, SubtaskCommand};
use crate::cli::run::Context;
use crate::model::id::TaskId;
use crate::model::operation::Action;
use crate::model::vocabulary::Cause;
use crate::ops::failure::Failure;
use crate::ops::missing;

/// Runs one of them.
///
/// # Errors
/// [`Failure`], when it did not happen.
pub(in crate::cli) fn run(cx: &mut Context<'_>, name: &'static str, command: Command) -> Result<u8, Failure> {
    let queue = matches!(&command, Command::Progress(args) if args.queueing.queue);
    let (task, action, dry_run) = action(command)?;
    let session = cx.session_with(|o| {
        o.dry_run = dry_run;
        o.queue = queue;
    })?;
    let adds_part = matches!(action, Action::SubtaskAdd { .. });
    let named_part = match &action {
        Action::SubtaskSet { subtask, .. } | Action::SubtaskAssign { subtask, .. } => Some(subtask.clone()),
        _ => None,
    };
    let done = session.act(Some(&task), &action)?;
    let parts = done.document.as_ref().and_then(|d| d.get("subtasks")?.as_array()).cloned().unwrap_or_default();
    let part = match named_part {
        Some(id) => parts.into_iter().find(|p| p.get("id").and_then(|i| i.as_str()) == Some(&id)),
        None if adds_part => parts.into_iter().next_back(),
        None => None,
    };
    Ok(answers::done(cx, name, &done, part.map(|part| ("subtask", part)).into_iter().collect()))
}

/// Returns what the verb does. A text that was not given is blank, and refused by the rule that asks for it.
fn action(command: Command) -> Result<(TaskId, Action, bool), Failure> {
    let text = Option::unwrap_or_default;
    Ok(match command {
        Command::Assign(a) => (a.task, Action::Assign { to: a.to }, a.writing.dry_run),
        Command::Progress(a) => (a.task, Action::Progress { step: a.step, percent: a.pct }, a.writing.dry_run),
        Command::Subtask(SubtaskCommand::Add(a)) => {
            (a.task, Action::SubtaskAdd { title: a.title, assigned: a.assigned }, a.writing.dry_run)
        }
        Command::Subtask(SubtaskCommand::Set(a)) => {
            let action = Action::SubtaskSet { subtask: a.subtask, status: a.status, comment: a.comment };
            (a.task, action, a.writing.dry_run)
        }
        Command::Subtask(SubtaskCommand::Assign(a)) => {
            (a.task, Action::SubtaskAssign { subtask: a.subtask, to: a.to }, a.writing.dry_run)
        }
        Command::Files(FilesCommand::Add(a)) => (a.task, Action::FilesAdd { paths: a.paths }, a.writing.dry_run),
        Command::Files(FilesCommand::Remove(a)) => (a.task, Action::FilesRemove { paths: a.paths }, a.writing.dry_run),
        Command::Dep(DepCommand::Add(a)) => (a.task, Action::DepAdd { on: a.on }, a.writing.dry_run),
        Command::Dep(DepCommand::Remove(a)) => (a.task, Action::DepRemove { on: a.on }, a.writing.dry_run),
        Command::Restore(a) => (a.task, Action::Restore { reason: a.reason }, a.writing.dry_run),
        Command::Cancel(a) => (a.task, Action::Cancel { reason: text(a.reason) }, a.writing.dry_run),
        Command::Reopen(a) => (a.task, Action::Reopen { reason: text(a.reason) }, a.writing.dry_run),
        Command::Restart(a) => (a.task, Action::Restart { reason: text(a.reason) }, a.writing.dry_run),
        Command::Start(a) => (a.task, Action::Start {}, a.writing.dry_run),
        Command::Retry(a) => (a.task, Action::Retry {}, a.writing.dry_run),
        Command::Approve(a) => (a.task, Action::Approve {}, a.writing.dry_run),
        Command::Unblock(a) => (a.task, Action::Unblock { comment: text(a.comment) }, a.writing.dry_run),
        Command::Reject(a) => (a.task, Action::Reject { missing: a.missing }, a.writing.dry_run),
        Command::Release(a) => {
            (a.task, Action::Release { note: text(a.note), unassign: a.unassign }, a.writing.dry_run)
        }
        Command::Fail(a) => {
            let cause = a.cause.unwrap_or(Cause::Unknown);
            (a.task, Action::Fail { error: text(a.error), cause, process: None }, a.writing.dry_run)
        }
        Command::RequestComplete(a) => (a.task, Action::RequestComplete { note: a.note }, a.writing.dry_run),
        Command::Override(a) => {
            let gate = a.gate.ok_or_else(|| {
                missing(
                    "override",
                    "gate",
                    "one gate must be named",
                    "add `--gate approval|review|locks|dependency|limit`",
                )
            })?;
            (a.task, Action::Override { gate, reason: text(a.reason) }, a.writing.dry_run)
        }
        other => unreachable!("BUG: {} has a file of its own", other.name()),
    })
}
