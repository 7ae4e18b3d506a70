//! Commands that squad runs for somebody: how they start, what they say, how they end.
//!
//! Knows nothing of tasks. `start` begins a run that is kept: its whole tree of processes ends when the command does,
//! when its time is over, when it is told to stop, and when whoever started it dies; see `docs/running.md`. `command`
//! is for what needs none of that.

pub mod command;
mod ended;
mod output;
pub mod process;
#[cfg(unix)]
mod running;
#[cfg(not(unix))]
#[path = "unkept.rs"]
mod running;
mod spec;
pub mod tell;

#[cfg(unix)]
mod orphan;
#[cfg(unix)]
mod report;
#[cfg(unix)]
pub mod shim;
#[cfg(unix)]
pub mod signal;
#[cfg(unix)]
mod tree;

pub use ended::{Ended, Outcome, Stop, Usage};
#[cfg(unix)]
pub use orphan::{Orphans, end_orphan};
pub use output::{Kept, OutputLimits};
pub use running::{Running, start};
pub use spec::{Identity, NotStarted, Spec, TAG, YIELD_FILE};
