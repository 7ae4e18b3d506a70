//! Which task comes next, and the right to it: what this agent has claimed goes before what is free.
//!
//! Of several processes of one clone one has the right to a task; of several that hold one claim in one name, in whatever
//! clone, the board lets one begin.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::super::act::Done;
use super::super::claim::{is_lost, next_but};
use super::super::failure::Failure;
use super::super::session::{Freshness, Options, Session};
use super::Dispatcher;
use super::room::{self, Mine};
use super::signs::Signs;
use crate::model::board::Board;
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, Epoch, TaskId};
use crate::model::operation::Action;
use crate::model::presence::Held;
use crate::model::task::Task;
use crate::model::vocabulary::Phase;

/// How many tasks in a row may go to somebody else before the board is looked at no more in this tick.
const TRIES: usize = 64;

/// A task that this process has the right to run.
pub(super) struct Taken {
    pub task: Task,
    pub document: serde_json::Value,
    pub mine: Mine,
}

/// What came of looking for a task.
enum Found {
    /// One that is begun.
    Task(Box<Taken>),
    /// None.
    Nothing,
    /// The board's answer to a process of this agent that has died since; what it was told does not hold any more.
    Old,
}

impl Dispatcher<'_> {
    /// Takes a task and begins it on the board; nothing where there is none. `lost` are those that are left alone.
    pub fn pick(&self, lost: &mut BTreeSet<TaskId>, signs: &mut Signs<'_>) -> Result<Option<Taken>, Failure> {
        for _ in 0..=TRIES {
            // Answers that were heard leave the queue with the session that asked.
            match self.take(&self.session()?, lost, signs)? {
                Found::Task(taken) => return Ok(Some(*taken)),
                Found::Nothing => break,
                Found::Old => {}
            }
        }
        Ok(None)
    }

    /// Takes a task: one that this agent has claimed and nobody works on, else the best that is free.
    fn take(&self, session: &Session, lost: &mut BTreeSet<TaskId>, signs: &mut Signs<'_>) -> Result<Found, Failure> {
        let view = session.view_of_member(Freshness::Now)?.or_fault()?;
        let agent = session.actor(view.config()?)?.name.clone();
        let claimed = view.snapshot.live()?.iter().filter(|t| begun(t, &agent) && !lost.contains(&t.id));
        let claimed: Vec<(TaskId, Epoch)> = claimed.map(|t| (t.id.clone(), t.epoch)).collect();
        for (id, epoch) in claimed {
            let Some(mine) = room::take(session, &id)? else { continue };
            match self.start(&id, epoch, mine, signs)? {
                Found::Nothing => lost.insert(id),
                found => return Ok(found),
            };
        }
        for _ in 0..TRIES {
            let mut mine = None;
            let mut trouble = None;
            let found = next_but(session, Freshness::Seen, |id| {
                if lost.contains(id) {
                    return true;
                }
                match room::take(session, id) {
                    Ok(taken) => mine = taken,
                    Err(failure) => trouble = Some(failure),
                }
                mine.is_none()
            })?;
            if let Some(failure) = trouble {
                return Err(failure);
            }
            let (Some(id), Some(mine)) = (found.task.map(|card| card.id.clone()), mine) else {
                return Ok(Found::Nothing);
            };
            let claimed = session.act(Some(&id), &Action::Claim { plan: plan(&self.command) });
            let started = match claimed {
                Ok(done) if !holds(session, &done)? => return Ok(Found::Old),
                Ok(done) => match done.task() {
                    Some(task) => self.start(&id, task.epoch, mine, signs),
                    None => Ok(Found::Nothing),
                },
                Err(failure) => Err(failure),
            };
            match started {
                Ok(Found::Nothing) => {}
                Ok(found) => return Ok(found),
                // Another process of this agent has taken as many as it may hold.
                Err(failure) if failure.code == ErrorCode::LimitReached && !failure.retryable => {
                    return Ok(Found::Nothing);
                }
                // Others were faster, or have run it meanwhile so that it waits for its next try or another task.
                Err(failure)
                    if is_lost(&failure)
                        || matches!(failure.code, ErrorCode::LimitReached | ErrorCode::DependencyOpen) => {}
                Err(failure) => return Err(failure),
            }
            lost.insert(id);
            session.view(Freshness::Now)?;
        }
        Ok(Found::Nothing)
    }

    /// Begins the work. Of several processes that hold one claim in one name, in whatever clone, the board lets one begin.
    fn start(&self, id: &TaskId, epoch: Epoch, mine: Mine, signs: &mut Signs<'_>) -> Result<Found, Failure> {
        for _ in 0..TRIES {
            // What a worktree has noted of an earlier claim does not count, and an old answer goes with its session.
            let options = Options { epoch: Some(epoch), ..self.options.clone() };
            let session = Session::open(options, self.clock.clone())?;
            signs.announce(Held { task: id.clone(), epoch }, session.id_ahead()?)?;
            let done = match session.act(Some(id), &Action::Start {}) {
                Ok(done) => done,
                Err(failure) if is_lost(&failure) => return Ok(Found::Nothing),
                Err(failure) => return Err(failure),
            };
            if done.unchanged.is_some() {
                return Ok(Found::Nothing);
            }
            if holds(&session, &done)? {
                let begun = done.tasks.into_iter().next().zip(done.document);
                let taken = |(task, document)| Found::Task(Box::new(Taken { task, document, mine }));
                return Ok(begun.map_or(Found::Nothing, taken));
            }
        }
        Ok(Found::Nothing)
    }
}

/// Tells whether an agent has claimed a task and not begun with it.
fn begun(task: &Task, agent: &AgentName) -> bool {
    task.phase() == Phase::Claimed && task.claim.as_ref().is_some_and(|claim| claim.agent == *agent)
}

/// What a runner means to do is to run its command; a board that wants a plan is told so.
fn plan(command: &[OsString]) -> Option<String> {
    let program = command.first().map(|program| program.to_string_lossy().into_owned())?;
    let line = if program == "sh" { "the runner of this clone".to_owned() } else { program };
    Some(format!("have it done by {line}").chars().filter(|c| !c.is_control()).take(200).collect())
}

/// Tells whether the claim that an answer names is the one on the board. An operation that a dead process has asked for
/// is answered with what it has done then, and much may have happened since.
fn holds(session: &Session, done: &Done) -> Result<bool, Failure> {
    let Some(told) = done.task() else { return Ok(false) };
    let view = session.view(Freshness::Seen)?;
    let now = view.snapshot.task(&told.id)?.map(|placed| placed.task);
    Ok(now.is_some_and(|now| now.claim.is_some() && now.epoch == told.epoch))
}
