//! `run`: takes tasks for an agent and has a command do each, until none is left.
//!
//! Owns the order: what earlier runs have left is ended, what this agent has begun goes before what is new, and one
//! process of this clone runs a task at a time. Which task is the best is the model's to say; how a command is kept
//! together, the runner's.

mod child;
mod room;
mod verdict;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::act::Done;
use super::claim::{is_lost, next_but};
use super::ears::{Ears, end_left};
use super::failure::Failure;
use super::missing;
use super::recover::recover;
use super::session::{Freshness, Options, Session};
use super::wait::{Asked as Awaited, Ended as WaitEnded, wait_with};
use crate::clock::Clock;
use crate::model::board::Board;
use crate::model::config::Timing;
use crate::model::id::{AgentName, Epoch, TaskId};
use crate::model::operation::Action;
use crate::model::task::Task;
use crate::model::vocabulary::{Cause, Phase, words};
use room::Mine;

/// How long a command may take to end once it is asked to.
const GRACE: Duration = Duration::from_secs(10);

/// How many tasks in a row may go to somebody else before the board is looked at no more in this tick.
const TRIES: usize = 64;

/// Until when tasks are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// One task has been run.
    Once,
    /// There is none that this agent may take.
    Idle,
    /// Somebody asks it to end.
    Stopped,
}

/// What is to be run, and for how long.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The command; empty where the clone's settings name it.
    pub command: Vec<OsString>,
    /// Until when.
    pub until: Until,
    /// Longest time for one task; the board's, where there is none.
    pub timeout: Option<Duration>,
    /// The program that keeps a run together: squad itself.
    pub shim: PathBuf,
    /// What the command finds in its environment.
    pub env: Vec<(OsString, OsString)>,
}

words! {
    /// What has become of a task that was run.
    Outcome, "outcome of a run" {
        /// It is completed.
        Completed = "completed",
        /// It waits for a review.
        Review = "review",
        /// It is blocked.
        Blocked = "blocked",
        /// The run failed.
        Failed = "failed",
        /// The task was no longer this run's: nothing was written.
        Lost = "lost",
        /// The run was stopped, and the task given back.
        Released = "released",
        /// The command has moved the task by itself.
        Settled = "settled",
    }
}

/// What came of one run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ran {
    /// The task.
    pub task: TaskId,
    /// What has become of it.
    pub outcome: Outcome,
    /// What the command exited with.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// How long it ran.
    pub duration_ms: u64,
    /// Which run of the task it was.
    pub attempt: u32,
    /// Where its output is.
    pub log: PathBuf,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Which sort of error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Its worktree, where that was kept since it holds work that is nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
}

/// A task that this process has the right to run.
struct Taken {
    task: Task,
    document: serde_json::Value,
    mine: Mine,
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

struct Dispatcher<'a> {
    options: &'a Options,
    clock: &'a Rc<dyn Clock>,
    asked: &'a Asked,
    command: Vec<OsString>,
    ears: Ears,
}

/// Runs tasks, and returns what came of each. `told` hears of each as soon as it is over.
///
/// # Errors
/// [`Failure`] when no command is named, or the board cannot be used. That a task failed is none.
pub fn run(
    options: &Options,
    clock: &Rc<dyn Clock>,
    asked: &Asked,
    told: &mut dyn FnMut(&Ran),
) -> Result<Vec<Ran>, Failure> {
    // Each task has a claim of its own, whatever one the environment names.
    let options = &Options { epoch: None, ..options.clone() };
    let session = Session::open(options.clone(), clock.clone())?;
    let command = command(&session, asked)?;
    session.agree_to_push()?;
    drop(session);
    let dispatcher = Dispatcher { options, clock, asked, command, ears: Ears::open()? };
    let mut results = Vec::new();
    let mut lost = BTreeSet::new();
    dispatcher.tidy()?;
    while dispatcher.ears.count() == 0 {
        let Some(ran) = dispatcher.one(&mut lost)? else {
            if asked.until != Until::Stopped || !dispatcher.wait()? {
                break;
            }
            lost.clear();
            dispatcher.tidy()?;
            continue;
        };
        told(&ran);
        results.push(ran);
        if asked.until == Until::Once {
            break;
        }
    }
    Ok(results)
}

/// Returns the command: the one that was typed, else the one of this clone's settings. Never one of the board.
fn command(session: &Session, asked: &Asked) -> Result<Vec<OsString>, Failure> {
    if !asked.command.is_empty() {
        return Ok(asked.command.clone());
    }
    let line = session.board.settings.get("squad.runner").filter(|line| !line.trim().is_empty());
    let line = line.ok_or_else(|| {
        let hint = "say `squad run -- CMD`, or set `git config squad.runner CMD`";
        missing("run", "command", "nothing says what is to do the tasks; the board never does", hint)
    })?;
    Ok(["sh", "-c", line].map(OsString::from).to_vec())
}

impl Dispatcher<'_> {
    /// A session for one step: what it has asked for leaves the queue when it ends.
    fn session(&self) -> Result<Session, Failure> {
        Session::open(self.options.clone(), self.clock.clone())
    }

    /// Ends what dead runners have left running, and takes back what they held.
    fn tidy(&self) -> Result<(), Failure> {
        let session = self.session()?;
        for (file, record) in room::records(&session) {
            // Whoever has the right to it is alive, and ends it by itself.
            let Some(_mine) = room::take(&session, &record.task)? else { continue };
            end_left(&record.run, GRACE);
            let _ = std::fs::remove_file(file);
        }
        recover(&session).map(drop)
    }

    /// Waits for a task; tells whether there is one.
    fn wait(&self) -> Result<bool, Failure> {
        let session = self.session()?;
        let waited = wait_with(&session, &Awaited::default(), &self.ears)?;
        Ok(waited.ended == WaitEnded::Found)
    }

    /// Runs one task to its end; nothing where there is none.
    fn one(&self, lost: &mut BTreeSet<TaskId>) -> Result<Option<Ran>, Failure> {
        let mut session = self.session()?;
        let mut found = self.take(&session, lost)?;
        // Its answers have been heard now, and leave the queue with the session that asked.
        for _ in 0..TRIES {
            if !matches!(found, Found::Old) {
                break;
            }
            drop(session);
            session = self.session()?;
            found = self.take(&session, lost)?;
        }
        let Found::Task(taken) = found else { return Ok(None) };
        let Taken { task, document, mine } = *taken;
        let ran = child::run(self, &session, &task, &document)?;
        // The right goes last: by then the board says what has become of the task, and the queue has forgotten it.
        drop(session);
        drop(mine);
        if matches!(ran.outcome, Outcome::Lost | Outcome::Released) {
            lost.insert(ran.task.clone());
        }
        Ok(Some(ran))
    }

    /// Takes a task: one that this agent has claimed and nobody works on, else the best that is free.
    fn take(&self, session: &Session, lost: &mut BTreeSet<TaskId>) -> Result<Found, Failure> {
        let view = session.view_of_member(Freshness::Now)?.or_fault()?;
        let agent = session.actor(view.config()?)?.name.clone();
        let claimed = view.snapshot.live()?.iter().filter(|t| begun(t, &agent) && !lost.contains(&t.id));
        let claimed: Vec<(TaskId, Epoch)> = claimed.map(|t| (t.id.clone(), t.epoch)).collect();
        for (id, epoch) in claimed {
            let Some(mine) = room::take(session, &id)? else { continue };
            match self.start(&id, epoch, mine)? {
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
                    Some(task) => self.start(&id, task.epoch, mine),
                    None => Ok(Found::Nothing),
                },
                Err(failure) => Err(failure),
            };
            match started {
                Ok(Found::Nothing) => {}
                Ok(found) => return Ok(found),
                Err(failure) if is_lost(&failure) => {}
                Err(failure) => return Err(failure),
            }
            lost.insert(id);
            session.view(Freshness::Now)?;
        }
        Ok(Found::Nothing)
    }
    /// Begins the work. Of several processes that hold one claim in one name, in whatever clone, the board lets one begin.
    fn start(&self, id: &TaskId, epoch: Epoch, mine: Mine) -> Result<Found, Failure> {
        for _ in 0..TRIES {
            // What a worktree has noted of an earlier claim does not count, and an old answer goes with its session.
            let options = Options { epoch: Some(epoch), ..self.options.clone() };
            let session = Session::open(options, self.clock.clone())?;
            let done = match session.act(Some(id), &Action::Start {}) {
                Ok(done) => done,
                Err(failure) if is_lost(&failure) => return Ok(Found::Nothing),
                Err(failure) => return Err(failure),
            };
            if done.unchanged.is_some() {
                return Ok(Found::Nothing);
            }
            if holds(&session, &done)? {
                let begun = done.tasks.into_iter().next().zip(done.documents.into_iter().next());
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

/// Returns the longest time that a run may take.
fn longest(asked: &Asked, timing: &Timing) -> Duration {
    asked.timeout.unwrap_or(Duration::from_secs(timing.run_timeout_seconds))
}
