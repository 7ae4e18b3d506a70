//! A change of one task, read as what the machine did: each new entry of its history is one operation, and is decided again.
//!
//! Whether an operation may happen and what it does are asked of `model`, so nothing of the machine is said a second
//! time here. `actions` tells what an entry may have been, `search` which of that holds together.

mod actions;
mod broken;
mod search;

use super::judge::World;
use crate::model::board::BoardFault;
use crate::model::id::{AgentName, Millis, OpId};
use crate::model::operation::{Action, Basis, Operation, Verb};
use crate::model::refusal::Refusal;
use crate::model::task::Task;
use crate::model::transition::{To, edges_from, legal_verbs};
use crate::model::vocabulary::Status;
use crate::schema::Violation;
use search::Search;

/// How a task came from one version to another.
#[derive(Debug)]
pub(super) struct Replay {
    /// The task before the first entry, and after each that could be followed.
    pub stations: Vec<Task>,
    /// To whom it must have been assigned between two entries, since the later one could not be without.
    pub assigned: Vec<AgentName>,
}

impl Replay {
    /// Returns the task as the machine leaves it, after the entries that could be followed.
    pub fn state(&self) -> &Task {
        self.stations.last().expect("there is the first one")
    }
}

/// Follows the new entries of a task's history, and finds the first that cannot be; else what they leave unexplained.
///
/// # Errors
/// [`BoardFault`] where the board cannot be read, or the file of another task that a step depends on is broken.
pub(super) fn replay(
    world: &World<'_>,
    before: &Task,
    after: &Task,
    path: &str,
    found: &mut Vec<Violation>,
) -> Result<Replay, BoardFault> {
    if before.status != after.status && before.state_history.len() == after.state_history.len() {
        found.push(unrecorded(before, after, path));
        return Ok(Replay { stations: vec![before.clone()], assigned: Vec::new() });
    }
    let way = Search::new(world, before, after, path).run()?;
    found.extend(way.violations);
    Ok(Replay { stations: way.stations, assigned: way.assigned })
}

fn unrecorded(before: &Task, after: &Task, path: &str) -> Violation {
    let (task, from) = (before.id.clone(), before.phase());
    let verbs = legal_to(before, after.status);
    let verb = verbs.first().copied().unwrap_or(Verb::Complete);
    let hint = if verbs.is_empty() || (verb, after.status) == (Verb::Verify, Status::Completed) {
        let refusal = Refusal::IllegalTransition { task, from, verb: Verb::Complete, legal: legal_verbs(from) };
        refusal.hint().unwrap_or_default()
    } else {
        format!("take it back and say `squad {} {task}`", verb.command())
    };
    let message = format!("the status goes from {} to {} without an entry in the history", before.status, after.status);
    Violation::error("unrecorded-transition", path, "/status", message, hint)
}

/// Returns the verbs that lead from where a task is to a status.
fn legal_to(task: &Task, status: Status) -> Vec<Verb> {
    let mut verbs: Vec<Verb> =
        edges_from(task.phase()).filter(|e| e.to == To::Status(status)).map(|e| e.verb).collect();
    verbs.dedup();
    verbs
}

/// Returns the operation that an action by somebody would have been at an instant, under the claim that there is.
pub(in crate::review) fn operation(
    id: Option<OpId>,
    action: Action,
    task: &Task,
    actor: &AgentName,
    at: Millis,
) -> Operation {
    Operation {
        id: id.unwrap_or_else(|| OpId::from_parts(at, [0; 10])),
        action,
        task: Some(task.id.clone()),
        actor: actor.clone(),
        basis: Basis { head: None, epoch: Some(task.epoch) },
        at,
        signature: None,
    }
}

/// Returns the task as the machine would have made it: before anything happened to it.
pub(in crate::review) fn newborn(after: &Task) -> Task {
    let mut task = after.clone();
    let first = task.state_history.first();
    let made =
        first.filter(|e| e.trigger.as_deref().is_none_or(|t| t == Verb::New.as_str()) && e.state == Status::Backlog);
    let entries = usize::from(made.is_some());
    task.state_history.truncate(entries);
    task.status = Status::Backlog;
    task.epoch = crate::model::id::Epoch(0);
    task.updated_at = task.created_at;
    (task.attempt, task.recoveries, task.backoff_level, task.review_round) = (0, 0, 0, 0);
    (task.claim, task.last_error, task.retry_at) = (None, None, None);
    (task.block, task.blocked_by, task.blocked_at) = (None, None, None);
    (task.deliverable, task.progress) = (None, None);
    (task.submitted_by, task.submitted_at, task.verified_by, task.verified_at) = (None, None, None, None);
    (task.completed_by, task.completed_at) = (None, None);
    (task.completion_request, task.emergency_override, task.archived_reason) = (None, None, None);
    task.evidence.clear();
    task.approvals.clear();
    task.chat.clear();
    task
}
