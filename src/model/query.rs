//! Questions to the board: what is mine, what comes first, what may I take.
//!
//! Owns the order of `scan` and every rule of discovery. Pure: the time comes in as an argument.

use std::cmp::Ordering;

use serde::Serialize;

use super::board::{Board, BoardFault};
use super::card::{Call, Card};
use super::config::{Agent, BoardConfig};
use super::id::{AgentName, Millis, TaskId};
use super::locks::{Pattern, conflicts};
use super::operation::{Action, Basis, Operation};
use super::refusal::Refusal;
use super::requirement::{Context, check};
use super::task::Task;
use super::transition::{Authority, authorize};
use super::vocabulary::{AgentKind, Effect, Priority, Role, Status, words};

/// A blocked task is flagged after this long.
pub const BLOCKED_FLAG_MS: u64 = 24 * 3600 * 1000;

/// A task that is due within this long counts as one class more urgent.
pub const DUE_SOON_MS: u64 = 48 * 3600 * 1000;

words! {
    /// Why a task is shown to an agent.
    Why, "reason" {
        /// It is theirs.
        Assigned = "assigned",
        /// A part of it is theirs.
        Subtask = "subtask",
        /// Somebody called them in its chat.
        Mention = "mention",
        /// A person has spoken last on it, and they are the one to answer.
        Unanswered = "unanswered",
        /// It is nobody's, and they hand out work.
        Unassigned = "unassigned",
        /// It is in the domain that they decide on.
        Domain = "domain",
        /// They had a hand in it.
        Participant = "participant",
    }
}

/// One task that concerns an agent.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// The task.
    pub task: &'a Card,
    /// Why it is shown, most pressing first.
    pub why: Vec<Why>,
    /// Its priority, raised by one when it is due soon.
    pub effective_priority: Priority,
    /// The agent's own parts of it.
    pub subtasks: Vec<&'a str>,
    /// Whether the agent could work on it now.
    pub runnable: bool,
}

/// Somebody called the agent, or a person spoke last on a task of theirs, and has had no answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mention {
    /// The task.
    pub task: TaskId,
    /// The message.
    pub message: String,
    /// Who wrote it.
    pub author: AgentName,
    /// What they wrote.
    pub content: String,
    /// Whether it called the agent by name, or was a person's last word.
    pub why: Why,
}

/// Something that is due soon.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obligation {
    /// The task.
    pub task: TaskId,
    /// When it is due.
    pub due: Millis,
    /// Whether that has passed.
    pub overdue: bool,
}

/// A task that has stood still for too long.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The task.
    pub task: TaskId,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<AgentName>,
    /// Since when.
    pub since: Millis,
    /// What it waits for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
}

/// Everything that concerns an agent now.
#[derive(Debug, Clone, Default)]
pub struct Scan<'a> {
    /// Tasks, in the order in which they want attention.
    pub hits: Vec<Hit<'a>>,
    /// Unanswered calls.
    pub mentions: Vec<Mention>,
    /// For those who hand out work: blocked for more than a day.
    pub blocked_over_24h: Vec<Standing>,
    /// For those who hand out work: in the backlog and nobody has come.
    pub unattended: Vec<Standing>,
    /// Own tasks that are due soon.
    pub obligations: Vec<Obligation>,
}

impl Scan<'_> {
    /// Tells whether there is anything to do.
    pub fn has_work(&self) -> bool {
        !self.mentions.is_empty()
            || !self.obligations.is_empty()
            || self.hits.iter().any(|hit| hit.why.iter().any(|why| *why != Why::Participant))
    }
}

/// What a scan is asked for.
#[derive(Clone, Copy)]
pub struct ScanQuery<'a> {
    /// Who asks.
    pub agent: &'a Agent,
    /// The configuration.
    pub config: &'a BoardConfig,
    /// When.
    pub now: Millis,
    /// Whether to leave out tasks that touch the world or do not say.
    pub safe: bool,
    /// Tells whether something that a task waits for is open.
    pub waits: &'a dyn Fn(&Task) -> bool,
    /// Returns the calls of the agent on a task whose card does not hold them.
    pub calls: &'a dyn Fn(&Card) -> Vec<Call>,
    /// Returns the last word on a task, where the agent has not answered it.
    pub last_word: &'a dyn Fn(&Card) -> Option<Call>,
}

/// Returns everything that concerns the agent.
pub fn scan<'a>(tasks: &'a [Card], query: ScanQuery<'_>) -> Scan<'a> {
    let ScanQuery { agent, config, now, safe, waits, calls, last_word } = query;
    let boss = agent.role != Role::Executor;
    let in_view = |task: &Task| match agent.role {
        Role::Executor => false,
        Role::Manager => agent.manages(task),
        Role::Chief | Role::Owner => true,
    };
    let mut found = Scan::default();
    for task in tasks.iter().filter(|t| t.status.is_open()) {
        if safe && !is_safe(task) {
            continue;
        }
        let calls = task.calls_of(&agent.name).unwrap_or_else(|| calls(task));
        let unanswered = may_be_unanswered(task, agent, config).then(|| last_word(task)).flatten();
        // What calls by name is told as that, and once.
        let unanswered = unanswered.filter(|word| calls.iter().all(|call| call.message != word.message));
        let spoken = [(!calls.is_empty()).then_some(Why::Mention), unanswered.is_some().then_some(Why::Unanswered)];
        let why = reasons(task, agent, spoken, in_view(task));
        if !why.is_empty() {
            found.hits.push(Hit {
                task,
                effective_priority: effective_priority(task, now),
                subtasks: own_subtasks(task, &agent.name).collect(),
                runnable: is_runnable(task, agent, now) && !(task.status != Status::InProgress && waits(task)),
                why,
            });
        }
        let mention = |call: Call, why| Mention {
            task: task.id.clone(),
            message: call.message,
            author: call.author,
            content: call.content,
            why,
        };
        found.mentions.extend(calls.into_iter().map(|call| mention(call, Why::Mention)));
        found.mentions.extend(unanswered.map(|word| mention(word, Why::Unanswered)));
        if boss && in_view(task) {
            if let Some(standing) = blocked_too_long(task, now) {
                found.blocked_over_24h.push(standing);
            }
            if let Some(standing) = unattended(task, config, now) {
                found.unattended.push(standing);
            }
        }
        if let Some(due) = task.due.filter(|_| task.is_assigned_to(&agent.name))
            && is_due_soon(due, now)
        {
            found.obligations.push(Obligation { task: task.id.clone(), due, overdue: due < now });
        }
    }
    found.hits.sort_by(|a, b| order((a.task, a.effective_priority), (b.task, b.effective_priority)));
    found.blocked_over_24h.sort_by(|a, b| (a.since, &a.task).cmp(&(b.since, &b.task)));
    found.unattended.sort_by(|a, b| (a.since, &a.task).cmp(&(b.since, &b.task)));
    found.obligations.sort_by(|a, b| (a.due, &a.task).cmp(&(b.due, &b.task)));
    found
}

/// The order of work: status, then priority, then the one that has waited longest, then id.
pub fn order(a: (&Task, Priority), b: (&Task, Priority)) -> Ordering {
    (a.0.status, a.1, a.0.updated_at, &a.0.id).cmp(&(b.0.status, b.1, b.0.updated_at, &b.0.id))
}

/// Tells whether a person of the roster has spoken last on a task that the agent has a hand in.
fn may_be_unanswered(task: &Card, agent: &Agent, config: &BoardConfig) -> bool {
    let name = &agent.name;
    let theirs = task.is_assigned_to(name) || task.participants.contains(name);
    let speaker = task.last_speaker().filter(|speaker| theirs && *speaker != name);
    speaker.and_then(|speaker| config.agent(speaker)).is_some_and(|speaker| speaker.kind == AgentKind::Human)
}

fn reasons(task: &Task, agent: &Agent, spoken: [Option<Why>; 2], in_view: bool) -> Vec<Why> {
    let name = &agent.name;
    let mut why = Vec::new();
    if task.is_assigned_to(name) || task.holder() == Some(name) {
        why.push(Why::Assigned);
    }
    if own_subtasks(task, name).next().is_some() {
        why.push(Why::Subtask);
    }
    why.extend(spoken.into_iter().flatten());
    if in_view && task.assigned.is_none() {
        why.push(Why::Unassigned);
    }
    if in_view {
        why.push(Why::Domain);
    }
    if task.participants.contains(name) {
        why.push(Why::Participant);
    }
    why
}

fn own_subtasks<'a>(task: &'a Task, name: &AgentName) -> impl Iterator<Item = &'a str> {
    task.open_subtasks().filter(|s| s.owner() == Some(name)).map(|s| s.id.as_str())
}

fn is_due_soon(due: Millis, now: Millis) -> bool {
    due < now.plus_ms(DUE_SOON_MS)
}

/// Returns the priority, raised by one when the task is due soon. The file keeps its own.
pub fn effective_priority(task: &Task, now: Millis) -> Priority {
    match task.due {
        Some(due) if is_due_soon(due, now) => task.priority.raised(),
        _ => task.priority,
    }
}

/// Tells whether a task is known to leave the world alone. One that does not say is not.
fn is_safe(task: &Task) -> bool {
    const KEPT_OUT: &[Effect] = &[Effect::Browser, Effect::Send, Effect::Destructive, Effect::Persist];
    task.effects.as_ref().is_some_and(|effects| !effects.iter().any(|e| KEPT_OUT.contains(e)))
}

/// Tells whether the agent could work on the task now, as far as the task itself shows.
pub fn is_runnable(task: &Task, agent: &Agent, now: Millis) -> bool {
    match task.status {
        Status::Backlog | Status::Ready => {
            let mine = task.is_assigned_to(&agent.name) || task.assigned.is_none() && agent.takes(task);
            mine && task.retry_at.is_none_or(|at| at <= now)
        }
        Status::InProgress => task.holder() == Some(&agent.name),
        // Only what ends the block brings it back: `unblock`, `retry`, `restart`.
        Status::Blocked | Status::Review | Status::Completed | Status::Archived => false,
    }
}

fn blocked_too_long(task: &Task, now: Millis) -> Option<Standing> {
    let since = (task.status == Status::Blocked).then(|| task.blocked_at.unwrap_or_else(|| task.entered_at()))?;
    (now.since(since) > BLOCKED_FLAG_MS).then(|| Standing {
        task: task.id.clone(),
        assigned: task.assigned.clone(),
        since,
        blocked_by: task.blocked_by.clone(),
    })
}

/// Returns since when a task has stood in the backlog, where that is longer than anything should.
pub fn unattended(task: &Task, config: &BoardConfig, now: Millis) -> Option<Standing> {
    let since = (task.status == Status::Backlog).then(|| task.entered_at())?;
    (now.since(since) > config.timing.unattended_seconds * 1000).then(|| Standing {
        task: task.id.clone(),
        assigned: task.assigned.clone(),
        since,
        blocked_by: None,
    })
}

/// A task that an agent may not claim now, and why.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// The task.
    pub id: TaskId,
    /// Why not.
    pub refusal: Refusal,
}

/// Returns the best task that the agent may claim now, and those that would have come before it.
///
/// A task in the agent's own hands comes first: what was begun is finished before anything new. A task that `leave_out`
/// names is passed over without a word; it is asked only about those that could be the answer.
///
/// # Errors
/// [`BoardFault::Unreadable`] when the board cannot be read.
pub fn next<'a>(
    board: &'a dyn Board,
    config: &BoardConfig,
    agent: &Agent,
    probe: &Operation,
    mut leave_out: impl FnMut(&TaskId) -> bool,
) -> Result<(Option<&'a Card>, Vec<Skipped>), BoardFault> {
    let now = probe.at;
    let mut candidates: Vec<&Card> = board
        .live()?
        .iter()
        .filter(|t| match t.status {
            Status::InProgress => t.holder() == Some(&agent.name),
            Status::Backlog | Status::Ready => t.is_assigned_to(&agent.name) || t.assigned.is_none() && agent.takes(t),
            _ => false,
        })
        .collect();
    // Own unfinished work, then what is assigned, then what is free; within each the order of `scan`.
    let rank = |t: &Task| match t.status {
        Status::InProgress => 0,
        _ if t.is_assigned_to(&agent.name) => 1,
        _ => 2,
    };
    candidates.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then_with(|| order((a, effective_priority(a, now)), (b, effective_priority(b, now))))
    });
    let mut skipped = Vec::new();
    for task in candidates {
        let refusal =
            if task.status == Status::InProgress { None } else { would_claim(board, config, agent, task, probe)? };
        match refusal {
            None if leave_out(&task.id) => {}
            None => return Ok((Some(task), skipped)),
            Some(refusal) => skipped.push(Skipped { id: task.id.clone(), refusal }),
        }
    }
    Ok((None, skipped))
}

/// Returns why the agent could not claim the task now.
fn would_claim(
    board: &dyn Board,
    config: &BoardConfig,
    agent: &Agent,
    task: &Task,
    probe: &Operation,
) -> Result<Option<Refusal>, BoardFault> {
    let operation = Operation {
        // A plan is asked for when the claim is made, not when somebody looks around.
        action: Action::Claim { plan: Some("look".to_owned()) },
        task: Some(task.id.clone()),
        basis: Basis { head: None, epoch: Some(task.epoch) },
        ..probe.clone()
    };
    match authorize(task, &operation, agent) {
        Err(refusal) => Ok(Some(refusal)),
        Ok(Authority::Repeat) => Ok(None),
        Ok(Authority::Granted(permit)) => {
            let cx = Context { board, config, actor: agent, operation: &operation, at: probe.at };
            Ok(check(task, permit, &cx)?.err())
        }
    }
}

/// Returns the locks that any of the paths runs into.
///
/// # Errors
/// The first path that is no path, with the reason.
pub fn lock_conflicts(
    paths: &[String],
    tasks: &[Card],
    ignore_case: bool,
) -> Result<Vec<super::locks::Conflict>, (String, String)> {
    let mut mine = Vec::with_capacity(paths.len());
    for path in paths {
        mine.push(Pattern::new(path, ignore_case).map_err(|bad| (path.clone(), bad.to_string()))?);
    }
    Ok(conflicts(&mine, None, tasks.iter().map(|card| &**card), ignore_case))
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
