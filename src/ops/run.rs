//! `run`: takes tasks for an agent and has a command do each, until none is left.
//!
//! Owns what is asked for and what is answered; `crew` has the loop, `pick` takes tasks, `child` has one of them in hand,
//! and `close` writes what came of it. Which task is the best is the model's to say; how a command is kept together, the
//! runner's.

mod child;
mod close;
mod crew;
mod left;
mod over;
mod parked;
mod pick;
mod room;
mod signs;
mod slots;
mod verdict;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::ears::Ears;
use super::failure::Failure;
use super::missing;
use super::schedule::put_away_logs;
use super::session::{Options, Session};
use crate::clock::Clock;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::model::vocabulary::{Cause, words};
use crew::Crew;
pub(super) use left::end_what_is_left;
use slots::Slots;

/// How long a command may take to end once it is asked to.
const GRACE: Duration = Duration::from_secs(10);

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
    /// Longest time for one task, over all its slices; the board's, where there is none.
    pub timeout: Option<Duration>,
    /// After how long a command is asked to let others have a turn; the board's, where there is none.
    pub slice: Option<Duration>,
    /// How many tasks are run at once.
    pub limit: usize,
    /// Where the runs of this machine are counted, over all clones; nothing where the machine has no place for it.
    pub slots: Option<PathBuf>,
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
        /// Its slice is over; the task is held, and goes on when others have had their turn.
        Yielded = "yielded",
    }
}

/// What is heard of a dispatcher while it is at work.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A command has begun on a task.
    Begun {
        /// The task.
        task: &'a Task,
        /// Where its output goes.
        log: &'a Path,
    },
    /// A run is over.
    Over(&'a Ran),
    /// As many commands run on this machine as may.
    Full,
    /// The remote does not answer; it is asked again.
    Unreachable(&'a Failure),
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
    /// How many processes it left behind, which were ended.
    #[serde(skip_serializing_if = "is_none")]
    pub leaked: usize,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// What every part of a dispatcher needs.
struct Dispatcher<'a> {
    options: &'a Options,
    clock: &'a Rc<dyn Clock>,
    asked: &'a Asked,
    command: Vec<OsString>,
    ears: Ears,
    slots: Slots,
    /// For looks at the board and signs of life. What asks for a change has a session of its own.
    home: &'a Session,
}

/// Runs tasks, and returns what came of each. `told` hears of it as it happens.
///
/// # Errors
/// [`Failure`] when no command is named, or the board cannot be used. That a task failed is none.
pub fn run(
    options: &Options,
    clock: &Rc<dyn Clock>,
    asked: &Asked,
    told: &mut dyn FnMut(Heard<'_>),
) -> Result<Vec<Ran>, Failure> {
    // Each task has a claim of its own, whatever one the environment names.
    let options = &Options { epoch: None, ..options.clone() };
    let home = &Session::open(options.clone(), clock.clone())?;
    let command = command(home, asked)?;
    let slots = Slots::of(home, asked.slots.as_deref())?;
    home.agree_to_push()?;
    put_away_logs(home);
    let dispatcher = Dispatcher { options, clock, asked, command, ears: Ears::open()?, slots, home };
    Crew::new(&dispatcher)?.work(told)
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
}
