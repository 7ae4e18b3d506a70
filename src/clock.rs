//! The one place that asks what time it is.
//!
//! Everything else is handed an instant, so that a test can hand it another one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::id::Millis;

/// Tells the time.
pub trait Clock {
    /// Returns now, by the calendar: for people. It may be wrong by years, and jump.
    fn now(&self) -> Millis;

    /// Returns the time since the machine was started, for ages: it never jumps, every process of the machine sees the
    /// same, and it stands still while the machine sleeps.
    fn steady(&self) -> Duration;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the file that owns the call")]
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Source: clock_gettime(2), `CLOCK_MONOTONIC`.
    #[cfg(unix)]
    fn steady(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let nanoseconds = u32::try_from(now.tv_nsec).expect("the kernel counts less than a second here");
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanoseconds)
    }

    /// Where the system has no such clock that processes share, the calendar's stands in.
    #[cfg(not(unix))]
    fn steady(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().0).unwrap_or(0))
    }
}
