//! The rules within one file that a schema cannot say.
//!
//! Knows the task alone, not its neighbours.

use std::collections::HashSet;

use crate::model::config::{BoardConfig, DEFAULT_LOCKS_FILE};
use crate::model::id::Millis;
use crate::model::operation::Verb;
use crate::model::task::Task;
use crate::model::vocabulary::Status;
use crate::schema::Violation;

/// Looks at one task.
pub(super) fn rules(path: &str, task: &Task, archived: bool, found: &mut Vec<Violation>) {
    folder(path, task, archived, found);
    claim(path, task, found);
    block(path, task, found);
    completion(path, task, found);
    history(path, task, found);
    order(path, task, found);
}

/// Finds members whose names differ in case at most.
pub(super) fn roster(path: &str, config: &BoardConfig) -> Vec<Violation> {
    let mut seen = HashSet::new();
    let twice = config.agents.iter().enumerate().filter(|(_, agent)| !seen.insert(agent.name.folded()));
    let violation = |(i, agent): (usize, &crate::model::config::Agent)| {
        let message = format!("{} is in the roster twice; names do not differ by case", agent.name);
        Violation::error("duplicate-agent", path, format!("/agents/{i}/name"), message, "keep one of the two")
    };
    twice.map(violation).collect()
}

/// Finds a locks file in a place that already means something else, to squad or to git.
pub fn locks_place(path: &str, config: &BoardConfig) -> Option<Violation> {
    let file = config.locks.file.to_lowercase();
    let of_the_board = file == "squad" || file.starts_with("squad/");
    let of_git = file.rsplit('/').next().is_some_and(|name| name.starts_with(".git"));
    let owner = match (of_the_board, of_git) {
        (true, _) => "the board's own files",
        (_, true) => "what git reads",
        _ => return None,
    };
    let message = format!("{:?} is among {owner}, and the locks would be written over it", config.locks.file);
    let hint = format!("name another file, for example {DEFAULT_LOCKS_FILE}");
    Some(Violation::error("locks-place", path, "/locks/file", message, hint))
}

fn folder(path: &str, task: &Task, archived: bool, found: &mut Vec<Violation>) {
    let message = match (archived, task.status == Status::Archived) {
        (true, false) => format!("the task is {} and its file is in the archive", task.status),
        (false, true) => "the task is archived and its file is with the tasks that are worked on".to_owned(),
        _ => return,
    };
    let hint = "move the file to where its status belongs, or correct the status";
    found.push(Violation::error("wrong-folder", path, "/status", message, hint));
}

fn claim(path: &str, task: &Task, found: &mut Vec<Violation>) {
    let Some(claim) = &task.claim else { return };
    if task.status != Status::InProgress {
        let message = format!("the task is {} and {} still has a claim on it", task.status, claim.agent);
        let hint = "take `claim` out: only a task in progress has a holder";
        found.push(Violation::error("claim-status", path, "/claim", message, hint));
    } else if claim.epoch != task.epoch {
        let message = format!("the claim is of epoch {} and the task is at epoch {}", claim.epoch, task.epoch);
        let hint = "take the last good version from the history: every write of the holder would be refused";
        found.push(Violation::error("claim-epoch", path, "/claim/epoch", message, hint));
    }
}

fn block(path: &str, task: &Task, found: &mut Vec<Violation>) {
    if task.status == Status::Blocked {
        return;
    }
    let key = match (&task.blocked_by, &task.block, task.blocked_at) {
        (Some(_), _, _) => "blockedBy",
        (None, Some(_), _) => "block",
        (None, None, Some(_)) => "blockedAt",
        (None, None, None) => return,
    };
    let message = format!("the task is {} and has {key}, which says that it is blocked", task.status);
    let hint = format!("take {key} out, or block the task with `squad block`");
    found.push(Violation::error("not-blocked", path, format!("/{key}"), message, hint).warning());
}

fn completion(path: &str, task: &Task, found: &mut Vec<Violation>) {
    if task.status != Status::Completed {
        return;
    }
    let lacks = [
        (task.completed_by.is_none(), "completedBy"),
        (task.deliverable.as_ref().is_none_or(|d| d.trim().is_empty()), "deliverable"),
        (task.evidence.is_empty(), "evidence"),
    ];
    let lacking: Vec<&str> = lacks.iter().filter(|(lacks, _)| *lacks).map(|(_, key)| *key).collect();
    if lacking.is_empty() {
        return;
    }
    let by_squad = task.state_history.iter().rev().find(|h| h.state == Status::Completed).is_some_and(|entry| {
        let trigger = entry.trigger.as_deref();
        trigger == Some(Verb::Complete.as_str()) || trigger == Some(Verb::Verify.as_str())
    });
    let message = format!("the task is completed without {}", lacking.join(", "));
    let hint = if by_squad {
        "take the last good version from the history: squad completes no task without them"
    } else {
        "say what came out, who did it and what proves it, or reopen the task with `squad reopen`"
    };
    let violation = Violation::error("incomplete-completion", path, "/status", message, hint);
    found.push(if by_squad { violation } else { violation.warning() });
}

fn history(path: &str, task: &Task, found: &mut Vec<Violation>) {
    let Some(last) = task.state_history.last().filter(|last| last.state != task.status) else { return };
    let message = format!("the status is {} and the history ends with {}", task.status, last.state);
    let hint = "change the status with squad's verbs, which write the history; correct the one that is wrong";
    let pointer = format!("/stateHistory/{}/state", task.state_history.len() - 1);
    let violation = Violation::error("history-status", path, pointer, message, hint);
    // A history that people write by hand need not be complete.
    found.push(if last.op.is_some() { violation } else { violation.warning() });
}

fn order(path: &str, task: &Task, found: &mut Vec<Violation>) {
    let mut odd = |pointer: String, message: &str| {
        let hint = "correct the instant: integer milliseconds since 1970-01-01T00:00:00Z";
        found.push(Violation::error("time-order", path, pointer, message, hint).warning());
    };
    if task.updated_at < task.created_at {
        odd("/updatedAt".to_owned(), "the task was last changed before it was made");
    }
    if let Some(i) = first_fall(task.chat.iter().map(|message| message.timestamp)) {
        odd(format!("/chat/{i}/timestamp"), "the message is older than the one before it");
    }
    if let Some(i) = first_fall(task.state_history.iter().map(|entry| entry.timestamp)) {
        odd(format!("/stateHistory/{i}/timestamp"), "the entry is older than the one before it");
    }
}

/// Returns the place of the first instant that lies before the one that it follows.
fn first_fall(instants: impl Iterator<Item = Millis> + Clone) -> Option<usize> {
    instants.clone().skip(1).zip(instants).position(|(next, previous)| next < previous).map(|i| i + 1)
}
