//! Asking a remote again that could not be reached: how often, and after which pauses.
//!
//! Knows nothing of what is asked. A push is never tried again here: whether one landed is for others to find out.

use std::thread;
use std::time::{Duration, Instant};

/// Longest pauses before the second, third and fourth attempt: together 1.3 s, so that a dead remote is told soon.
const PAUSES: [Duration; 3] = [Duration::from_millis(150), Duration::from_millis(350), Duration::from_millis(800)];

/// The least part of a pause that is waited. Even so each pause is longer than the one before.
const LEAST_PART: f64 = 0.7;

/// The attempts that are left.
#[derive(Debug)]
pub(super) struct Attempts {
    made: usize,
    deadline: Instant,
}

impl Attempts {
    /// Begins with an attempt that has failed.
    pub fn after_the_first(deadline: Instant) -> Self {
        Self { made: 1, deadline }
    }

    /// Waits before another attempt; false where none is left, or the time is up before it could begin.
    pub fn another(&mut self) -> bool {
        let Some(longest) = PAUSES.get(self.made - 1) else { return false };
        let pause = longest.mul_f64(LEAST_PART + (1.0 - LEAST_PART) * chance());
        if self.deadline.saturating_duration_since(Instant::now()) <= pause {
            return false;
        }
        thread::sleep(pause);
        self.made += 1;
        true
    }
}

/// Returns a random number from 0 up to and without 1. Without randomness the pauses are merely alike.
fn chance() -> f64 {
    let bits = getrandom::u64().unwrap_or(1 << 63);
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_attempts_with_pauses_that_grow_and_are_soon_over() {
        let begun = Instant::now();
        let mut attempts = Attempts::after_the_first(begun + Duration::from_secs(60));
        let (mut last, mut at, mut made) = (Duration::ZERO, begun, 1);
        while attempts.another() {
            let pause = at.elapsed();
            made += 1;
            assert!(pause > last, "{pause:?} after {last:?}");
            (last, at) = (pause, Instant::now());
        }
        assert_eq!(made, 4);
        assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    }

    #[test]
    fn no_attempt_begins_behind_the_deadline() {
        let begun = Instant::now();
        let mut attempts = Attempts::after_the_first(begun + Duration::from_millis(50));
        assert!(!attempts.another());
        assert!(begun.elapsed() < Duration::from_millis(50), "and nobody waits for nothing");
    }
}
