//! Whether somebody wants squad to end: once to end after what runs, twice at once.

use std::time::Duration;

use super::failure::Failure;
#[cfg(unix)]
use crate::model::code::ErrorCode;
use crate::runner::Identity;
#[cfg(unix)]
use crate::runner::signal::Interrupts;

/// What listens to signals, and to the end of whoever talks to squad.
pub(super) struct Ears {
    #[cfg(unix)]
    heard: Interrupts,
}

impl Ears {
    /// Begins to listen: no signal that asks to end ends squad by itself any more.
    #[cfg(unix)]
    pub fn open() -> Result<Self, Failure> {
        let heard = Interrupts::install();
        let heard = heard.map_err(|e| Failure::new(ErrorCode::Internal, "cannot listen to signals").caused_by(&e))?;
        Ok(Self { heard })
    }

    /// Waits for one more, at most so long; returns how often somebody has asked.
    #[cfg(unix)]
    pub fn wait(&self, time: Duration) -> usize {
        self.heard.wait(time)
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "as where there are signals")]
    pub fn open() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "as where there are signals")]
    pub fn wait(&self, time: Duration) -> usize {
        std::thread::sleep(time);
        0
    }

    /// Takes the end of standard input for one as well, from now on.
    pub fn watch_stdin(&self) {
        #[cfg(unix)]
        self.heard.watch_stdin_closed();
    }

    /// Returns how often somebody has asked.
    pub fn count(&self) -> usize {
        self.wait(Duration::ZERO)
    }
}

/// Ends what is left of a run whose runner is gone.
#[cfg(unix)]
pub(super) fn end_left(run: &Identity, grace: Duration) {
    crate::runner::end_orphan(run, grace);
}

/// Nothing runs there that could be left.
#[cfg(not(unix))]
pub(super) fn end_left(_run: &Identity, _grace: Duration) {}
