//! What the two ends of a run tell each other: the shim in lines of JSON, the runner in single bytes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ended::Usage;
use super::process::Process;

/// The runner asks to end the run. That the line closes means the same: then the runner has died.
pub(super) const STOP: u8 = b'T';

/// The runner asks to wait no longer for those who were asked to end.
pub(super) const KILL: u8 = b'K';

/// What the shim has to say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Report {
    /// The command runs.
    Started(Process),
    /// The command could not be started; the shim ends.
    NotStarted { errno: i32 },
    /// The command has ended.
    Exited { code: Option<i32>, signal: Option<i32>, core: bool, after: Duration },
    /// Nobody is left, but those named; the shim ends.
    Over { told: Option<Told>, leaked: Vec<u32>, left: Vec<u32>, usage: Usage },
}

/// What made the shim end a run whose command would have gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Told {
    /// Its time was over.
    Time,
    /// The runner asked for it, or is gone.
    Runner,
    /// A signal to the shim.
    Signal,
}
