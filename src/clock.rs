//! The one place that asks what time it is.
//!
//! Everything else is handed an instant, so that a test can hand it another one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::id::Millis;

/// Tells the time.
pub trait Clock {
    /// Returns now.
    fn now(&self) -> Millis;
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
}
