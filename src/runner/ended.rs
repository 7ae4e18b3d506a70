//! How a run ended: exactly one of a few ways, with what was measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::output::Kept;

/// The one way in which a run ended. What its command did once it was told to stop does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The command exited with 0, and nothing of it was left.
    Passed,
    /// The command exited with another code.
    Failed {
        /// That code.
        code: i32,
    },
    /// A signal ended the command, and it was not squad that sent it. Also where the process that keeps the run was
    /// killed: what the command would have said is unknown then.
    Signalled {
        /// The number of the signal; 0 where nobody could tell.
        signal: i32,
    },
    /// Its time was over.
    TimedOut,
    /// The command exited with 0, and left processes behind or somebody who holds its output.
    Leaked,
    /// It never ran.
    NotStarted {
        /// What was in the way.
        why: String,
    },
    /// It was stopped because it worked on what it no longer held.
    LeaseLost,
    /// It was stopped for another reason.
    Stopped,
}

/// Why a run is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// What it works on is held by somebody else, or by nobody.
    LeaseLost,
    /// Somebody wants it so: a person, or squad that is to end itself.
    Asked,
}

/// What a run took from the machine: the command and whatever it started, as far as somebody waited for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Most memory that one of its processes has held at once, in bytes.
    pub max_rss: u64,
    /// Time of the processor, outside the kernel.
    pub user: Duration,
    /// Time of the processor, within the kernel.
    pub system: Duration,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// What the command exited with, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended the command, whoever sent it.
    pub signal: Option<i32>,
    /// Whether it left a memory image.
    pub core: bool,
    /// Whether its time was over.
    pub timed_out: bool,
    /// From its start until the command was gone, by a clock that nobody sets.
    pub duration: Duration,
    /// What it took; `None` where nobody was left to tell.
    pub usage: Option<Usage>,
    /// What it said.
    pub output: Kept,
    /// The processes that were still there after the command had ended by itself. They have been ended, except those
    /// in `left`.
    pub leaked: Vec<u32>,
    /// The processes that could not be ended.
    pub left: Vec<u32>,
}
