//! Where processes have no groups and no parents to watch over them, nothing is run that would have to be kept.

use std::io;
use std::time::Instant;

use super::ended::{Ended, Stop};
use super::spec::{Identity, NotStarted, Spec};

/// Refuses to run.
///
/// # Errors
/// [`NotStarted`], always.
#[expect(clippy::needless_pass_by_value, reason = "as where it can run")]
pub fn start(spec: Spec) -> Result<Running, NotStarted> {
    Err(NotStarted::new(&spec, "keep a run together on this system", io::ErrorKind::Unsupported.into()))
}

/// What there never is.
pub enum Running {}

impl Running {
    /// Returns by what the run is found again.
    pub fn identity(&self) -> &Identity {
        match *self {}
    }

    /// Returns the end of the run, if it has ended.
    pub fn poll(&mut self) -> Option<Ended> {
        match *self {}
    }

    /// Waits for the end of the run, until that instant.
    pub fn wait_until(&mut self, _until: Instant) -> Option<Ended> {
        match *self {}
    }

    /// Returns at most so many of the last bytes of its output so far.
    pub fn output_tail(&self, _max: usize) -> Vec<u8> {
        match *self {}
    }

    /// Asks the command to put its work away and end.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ask_to_yield(&self, _reason: &str) -> io::Result<()> {
        match *self {}
    }

    /// Begins to end the run.
    pub fn stop(&mut self, _why: Stop) {
        match *self {}
    }

    /// Cuts short the grace of a run that was told to stop.
    pub fn kill(&mut self) {
        match *self {}
    }
}
