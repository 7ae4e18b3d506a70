//! `recover`: takes back what is held by somebody who is gone, and brings back what waited for something that came.
//!
//! Owns the order (who is there first, then the tasks) and that each step is an operation with a receipt. Whether
//! somebody is gone is the model's to say; whether a step may happen, the machine's.

use std::collections::BTreeSet;

use serde::Serialize;

use super::failure::Failure;
use super::presence::{Lookout, note_silence, sweep};
use super::run::end_what_is_left;
use super::session::{Freshness, Session, View};
use super::signing::sign;
use crate::model::board::Board;
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, Epoch, TaskId};
use crate::model::operation::{Action, Operation};
use crate::model::presence::recovery;
use crate::model::requirement::is_done;
use crate::model::task::{Block, Task};
use crate::model::vocabulary::{AgentKind, Status};

/// Something that was brought back into motion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovered {
    /// The task.
    pub task: TaskId,
    /// What brought it back: `unstarted`, `orphaned`, `retry` or `dependency`.
    pub trigger: &'static str,
    /// Whose it was, or is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// What was observed.
    pub seen: String,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What came of a recovery.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Recoveries {
    /// What was brought back.
    pub recovered: Vec<Recovered>,
    /// What should have been and was not, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// What the actor should know though it was no reason to fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One step that is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Due {
    task: Task,
    action: Action,
    trigger: &'static str,
    seen: String,
}

/// Looks who is there and brings back whatever can be.
///
/// # Errors
/// [`Failure`] when the remote does not answer: then nothing may be taken from anybody, and nothing could be.
pub fn recover(session: &Session) -> Result<Recoveries, Failure> {
    if session.options.offline {
        return Err(Failure::new(ErrorCode::RemoteUnreachable, "cannot recover offline")
            .why("who gives no sign of life here may give one elsewhere, and --offline forbids to ask the remote")
            .hint("leave --offline out"));
    }
    let view = session.view(Freshness::WithSigns)?;
    if view.degraded.is_some() {
        note_silence(session);
    }
    let view = view.or_fault()?;
    let lookout = Lookout::of(session, &view, true)?;
    recover_on(session, &view, &lookout)
}

/// The same, on a board and signs of life that were looked at already.
///
/// # Errors
/// As [`recover`].
pub(super) fn recover_on(session: &Session, view: &View, lookout: &Lookout) -> Result<Recoveries, Failure> {
    // First what they have left running: whoever gets the task next may be on another host, and sees none of it.
    let busy = if session.options.dry_run { BTreeSet::new() } else { end_what_is_left(session)? };
    let mut due = due(session, view, lookout)?;
    due.retain(|due| !busy.contains(&due.task.id));
    let mut recoveries = Recoveries::default();
    if !due.is_empty() {
        session.agree_to_push()?;
        let operations = operations(session, view, &due)?;
        for (due, done) in due.iter().zip(session.publish_together(&operations)?) {
            match done {
                // Nothing to do any more: another observer was faster, or the holder came back in time.
                Ok(done) if done.unchanged.is_some() => {}
                Ok(done) => {
                    recoveries.warnings.extend(done.warnings);
                    recoveries.recovered.push(Recovered {
                        task: due.task.id.clone(),
                        trigger: due.trigger,
                        agent: due.task.assigned.clone(),
                        seen: due.seen.clone(),
                        commit: done.receipt.map(|receipt| receipt.commit),
                    });
                }
                Err(failure) if was_overtaken(failure.code) => {}
                Err(failure) => recoveries.failed.push(format!("{}: {}", due.task.id, failure.message)),
            }
        }
    }
    // On the board as it is now: what was just taken back holds nothing any more.
    sweep(session, &session.view(Freshness::Seen)?)?;
    Ok(recoveries)
}

fn was_overtaken(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::StaleEpoch
            | ErrorCode::LostRace
            | ErrorCode::NotHolder
            | ErrorCode::IllegalTransition
            | ErrorCode::NotFound
    )
}

fn operations(session: &Session, view: &View, due: &[Due]) -> Result<Vec<Operation>, Failure> {
    let config = view.config()?;
    let actor = session.actor(config)?.name.clone();
    let one = |due: &Due| {
        let operation = session.operation(Some(view.head), actor.clone(), Some(&due.task), due.action.clone())?;
        // What was seen was seen of this claim, whatever a worktree has noted of its own.
        let epoch: Epoch = due.task.epoch;
        let operation =
            Operation { basis: crate::model::operation::Basis { epoch: Some(epoch), ..operation.basis }, ..operation };
        sign(operation, config, &session.board.settings, session.board.place.run_dir())
    };
    due.iter().map(one).collect()
}

/// Returns what is due, in the order in which it is done.
fn due(session: &Session, view: &View, lookout: &Lookout) -> Result<Vec<Due>, Failure> {
    let config = view.config()?;
    let now = session.now();
    let (mut taken, mut brought) = (Vec::new(), Vec::new());
    for task in view.snapshot.live()? {
        match task.status {
            Status::InProgress => {
                let holder = task.claim.as_ref().map(|claim| &claim.agent);
                // A person gives no signs of life while at work, and is asked before anything is taken away.
                let person = holder.and_then(|name| config.agent(name)).is_some_and(|a| a.kind == AgentKind::Human);
                let Some(holder) = holder.filter(|_| !person) else { continue };
                let signs = lookout.signs_of(holder);
                if let Some(found) = recovery(task, &signs, lookout.held_for(task), &config.timing) {
                    let action = Action::Recover { trigger: found.trigger, seen: found.seen.clone() };
                    let (trigger, seen) = (found.trigger.as_str(), found.seen);
                    taken.push(Due { task: (**task).clone(), action, trigger, seen });
                }
            }
            Status::Blocked => {
                let (action, trigger, seen) = match &task.block {
                    Some(Block::External { retry_at, .. }) if *retry_at <= now => {
                        (Action::Retry {}, "retry", "the time to wait is over".to_owned())
                    }
                    Some(Block::Dependency { on }) if all_done(view, on)? => {
                        let seen = format!("done: {}", on.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", "));
                        (Action::Unblock { comment: seen.clone() }, "dependency", seen)
                    }
                    _ => continue,
                };
                brought.push(Due { task: (**task).clone(), action, trigger, seen });
            }
            _ => {}
        }
    }
    taken.append(&mut brought);
    Ok(taken)
}

fn all_done(view: &View, on: &[TaskId]) -> Result<bool, Failure> {
    for id in on {
        let done = view.snapshot.task(id)?.is_some_and(|placed| is_done(&placed.task));
        if !done {
            return Ok(false);
        }
    }
    Ok(true)
}
