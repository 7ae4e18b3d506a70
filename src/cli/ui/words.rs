//! Small words of messages: counts, ages, instants.
//!
//! Pure: an age is computed from two instants that the caller has.

use chrono::{DateTime, SecondsFormat};

use crate::model::id::Millis;

/// Returns the first digits of a commit, enough to find it.
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Returns a count with its noun: `1 task`, `3 tasks`, `2 entries`, `4 branches`.
pub fn plural(n: usize, noun: &str) -> String {
    if n == 1 {
        return format!("1 {noun}");
    }
    let ends = |tails: &[&str]| tails.iter().any(|t| noun.ends_with(t));
    if noun.ends_with('y') && !ends(&["ay", "ey", "oy", "uy"]) {
        format!("{n} {}ies", &noun[..noun.len() - 1])
    } else if ends(&["s", "x", "ch", "sh"]) {
        format!("{n} {noun}es")
    } else {
        format!("{n} {noun}s")
    }
}

/// Returns how long ago something was, in one unit, rounded down: `12s`, `3m`, `2h`, `5d`.
///
/// An instant in the future, as another machine's clock may have it, is `0s` ago.
pub fn age(now: Millis, then: Millis) -> String {
    let seconds = now.since(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns the instant as RFC 3339 in UTC, to the second: `2026-12-01T09:00:00Z`.
///
/// An instant that no calendar has, which only a broken file can hold, is shown as its number.
pub fn rfc3339(at: Millis) -> String {
    DateTime::from_timestamp_millis(at.0)
        .map_or_else(|| format!("{} ms", at.0), |t| t.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_two_tasks() {
        for (n, noun, text) in [
            (0, "task", "0 tasks"),
            (1, "task", "1 task"),
            (2, "task", "2 tasks"),
            (2, "entry", "2 entries"),
            (2, "day", "2 days"),
            (2, "branch", "2 branches"),
            (2, "pass", "2 passes"),
        ] {
            assert_eq!(plural(n, noun), text);
        }
    }

    #[test]
    fn an_age_has_one_unit_and_is_rounded_down() {
        let now = Millis(1_000_000_000_000);
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (7200, "2h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (864_000, "10d"),
            (-5, "0s"),
        ] {
            assert_eq!(age(now, Millis(now.0 - seconds * 1000)), text);
        }
    }

    #[test]
    fn instants_are_shown_in_utc_to_the_second() {
        assert_eq!(rfc3339(Millis(1_796_115_600_999)), "2026-12-01T09:00:00Z");
        assert_eq!(rfc3339(Millis(i64::MAX)), "9223372036854775807 ms");
    }
}
