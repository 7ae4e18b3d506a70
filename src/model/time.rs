//! Instants as text: RFC 3339 in UTC, with milliseconds.
//!
//! Owns the one spelling in which an instant leaves squad as text. Does not know what time it is.

use chrono::{DateTime, SecondsFormat};

use super::id::Millis;

/// 0000-01-01T00:00:00.000Z, the first instant that RFC 3339 can spell.
const FIRST: i64 = -62_167_219_200_000;

/// 9999-12-31T23:59:59.999Z, the last instant that RFC 3339 can spell.
const LAST: i64 = 253_402_300_799_999;

/// A text that is not an instant in the form of RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an instant such as 2026-11-21T03:14:11.000Z")]
pub struct BadInstant {
    /// The text as it was given, cut short where it is long.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub source: chrono::ParseError,
}

/// Returns the instant as `2026-11-21T03:14:11.000Z`.
///
/// An instant outside the years 0 to 9999, which nobody can have meant, is written as the nearest one inside.
pub fn rfc3339(at: Millis) -> String {
    DateTime::from_timestamp_millis(at.0.clamp(FIRST, LAST))
        .expect("the years 0 to 9999 lie within the range of chrono")
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Returns the instant that the text spells, in any offset; what is finer than a millisecond is cut off.
///
/// # Errors
/// [`BadInstant`] when the text is not a full date and time with an offset.
pub fn parse_rfc3339(text: &str) -> Result<Millis, BadInstant> {
    DateTime::parse_from_rfc3339(text)
        .map(|at| Millis(at.timestamp_millis()))
        .map_err(|source| BadInstant { text: text.chars().take(60).collect(), source })
}

/// Returns the month of the instant, as `2026-11`.
pub fn month(at: Millis) -> String {
    rfc3339(at)[..7].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_instant_is_written_in_utc_with_milliseconds() {
        for (at, text) in [
            (1_795_230_851_000, "2026-11-21T03:14:11.000Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_709_210_096_007, "2024-02-29T12:34:56.007Z"),
            (FIRST, "0000-01-01T00:00:00.000Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(Millis(at)), text);
        }
    }

    #[test]
    fn other_spellings_of_an_instant_are_read() {
        for text in [
            "2026-11-21T03:14:11Z",
            "2026-11-21T03:14:11.000000Z",
            "2026-11-21T04:14:11+01:00",
            "2026-11-20T22:14:11.0009-05:00",
        ] {
            assert_eq!(parse_rfc3339(text), Ok(Millis(1_795_230_851_000)), "{text}");
        }
    }

    #[test]
    fn a_text_that_names_no_instant_is_refused() {
        for text in ["", "now", "2026-11-21", "2026-11-21T03:14:11", "2026-02-30T00:00:00Z", "1795230851000"] {
            assert!(parse_rfc3339(text).is_err(), "{text:?} was read");
        }
    }

    proptest! {
        #[test]
        fn every_instant_that_can_be_spelled_reads_back(at in FIRST..=LAST) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(Millis(at))), Ok(Millis(at)));
        }
    }
}
