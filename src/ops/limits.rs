//! How long a command waits for the remote and for other processes, and how long it goes on trying to publish.

use std::time::Duration;

use super::failure::Failure;
use super::session::NETWORK_LIMIT;
use crate::model::code::ErrorCode;

/// Longest time that one operation is tried for. It bounds contention, not one slow network call.
pub const PUBLISH_LIMIT: Duration = Duration::from_secs(60);

/// Longest wait for a process that leads and does not come to an end: it may have been stopped. After that whoever
/// waits leads as well.
const TURN_LIMIT: Duration = Duration::from_secs(30);

/// Longest time that one command takes to tell others, all of them together: the change is made, and its actor waits.
const NOTIFY_LIMIT: Duration = Duration::from_secs(10);

/// Longest that any may be set to: a command that waits for more than a day is one that hangs.
const LONGEST: u64 = 86_400;

/// The limits of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for one answer of the remote.
    pub network: Duration,
    /// Longest time that one operation is tried for.
    pub publish: Duration,
    /// Longest wait for another process of this clone that publishes.
    pub turn: Duration,
    /// Longest time that others are told for.
    pub notify: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { network: NETWORK_LIMIT, publish: PUBLISH_LIMIT, turn: TURN_LIMIT, notify: NOTIFY_LIMIT }
    }
}

impl Limits {
    /// Reads the limits from git's settings, as `get` finds them.
    ///
    /// # Errors
    /// [`Failure`] `invalid` for a value that is no number of seconds from 1 to a day.
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Failure> {
        let usual = Self::default();
        let seconds = |key: &str, usual: Duration| match get(key) {
            None => Ok(usual),
            Some(text) => match text.parse::<u64>() {
                Ok(seconds @ 1..=LONGEST) => Ok(Duration::from_secs(seconds)),
                _ => {
                    Err(Failure::new(ErrorCode::Invalid, format!("git config {key}: {text:?} is no number of seconds"))
                        .why(format!("a whole number from 1 to {LONGEST} is one"))
                        .hint(format!("`git config {key} {}` sets what holds without it", usual.as_secs())))
                }
            },
        };
        Ok(Self {
            network: seconds("squad.networkSeconds", usual.network)?,
            publish: seconds("squad.publishSeconds", usual.publish)?,
            turn: seconds("squad.turnSeconds", usual.turn)?,
            notify: seconds("squad.notifySeconds", usual.notify)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_whole_seconds_and_the_usual_ones_where_nothing_is_set() {
        assert_eq!(Limits::read(|_| None).unwrap(), Limits::default());
        let set = Limits::read(|key| (key == "squad.networkSeconds").then_some("3")).unwrap();
        assert_eq!(set, Limits { network: Duration::from_secs(3), ..Limits::default() });
        for bad in ["", "0", "-1", "1.5", "3s", "86401", "99999999999999999999"] {
            let failure = Limits::read(|key| (key == "squad.publishSeconds").then_some(bad)).unwrap_err();
            assert_eq!(failure.code, ErrorCode::Invalid, "{bad:?}");
            assert!(failure.message.contains("squad.publishSeconds"), "{}", failure.message);
        }
    }
}
