//! Durations and instants as they are typed: `90s`, `2h`, `2026-12-01`, `2026-12-01T09:00:00Z`.
//!
//! Pure: the present comes in as an argument, so that a `When` can be read before anybody asks for the time.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};

use crate::model::id::{Millis, SAFE_INTEGER};

/// The units of a duration, with how many seconds each has.
const UNITS: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];

/// Longest duration that is accepted: a century. More is a typing error, and would leave the years of RFC 3339.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A text that is no duration or no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}; accepted: {accepted}")]
pub struct BadTime {
    what: &'static str,
    text: String,
    accepted: &'static str,
}

/// Reads a duration: a whole number and one of `s`, `m`, `h`, `d`, `w`.
///
/// # Errors
/// [`BadTime`] for anything else, and for more than a century.
pub fn duration(text: &str) -> Result<Duration, BadTime> {
    let bad = || BadTime {
        what: "duration",
        text: text.chars().take(60).collect(),
        accepted: "a whole number with s, m, h, d or w, such as 90s, 15m, 2h, 7d, up to a hundred years",
    };
    let (number, seconds) = UNITS
        .iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|number| (number, *seconds)))
        .ok_or_else(bad)?;
    // `parse` alone would take a leading plus.
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(seconds))
        .map(Duration::from_secs)
        .filter(|d| *d <= LONGEST)
        .ok_or_else(bad)
}

/// An instant as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A fixed instant. A bare date is the start of that day in UTC.
    At(Millis),
    /// So much later than now.
    In(Duration),
}

impl When {
    /// Returns the instant that is meant, given the present.
    pub fn resolve(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::In(later) => now.plus_ms(u64::try_from(later.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl FromStr for When {
    type Err = BadTime;

    /// Reads an RFC 3339 instant with its offset, a date, or a duration from now.
    fn from_str(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime {
            what: "time",
            text: text.chars().take(60).collect(),
            accepted: "RFC 3339 with an offset (2026-12-01T09:00:00Z), a date (2026-12-01, its start in UTC), or a \
                       duration from now (90s, 15m, 2h, 7d, 2w)",
        };
        if let Ok(later) = duration(text) {
            return Ok(Self::In(later));
        }
        let ms = if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            instant.timestamp_millis()
        } else if is_date(text) {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| bad())?;
            date.and_hms_opt(0, 0, 0).ok_or_else(bad)?.and_utc().timestamp_millis()
        } else {
            return Err(bad());
        };
        // The board's instants count from 1970 and stay exact in every JSON reader.
        if (0..=SAFE_INTEGER).contains(&ms) { Ok(Self::At(Millis(ms))) } else { Err(bad()) }
    }
}

/// Tells whether the text has the shape `NNNN-NN-NN`; chrono alone would take blanks and short numbers.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_number_and_one_unit() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800), ("2w", 1_209_600), ("007m", 420)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "s",
            "5",
            "+5s",
            "-5s",
            "1.5h",
            "1h30m",
            "5 m",
            " 5m",
            "5M",
            "5min",
            "5ms",
            "٣s",
            "99999999999999999999d",
            "200000000000w",
            "36601d",
        ] {
            assert!(duration(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_time_is_an_instant_a_date_or_a_duration_from_now() {
        let now = Millis(1_700_000_000_000);
        for (text, ms) in [
            ("2026-12-01T09:00:00Z", 1_796_115_600_000),
            ("2026-12-01T10:00:00+01:00", 1_796_115_600_000),
            ("2026-12-01T09:00:00.250Z", 1_796_115_600_250),
            ("2026-12-01", 1_796_083_200_000),
            ("2028-02-29", 1_835_395_200_000),
            ("1970-01-01", 0),
            ("90s", 1_700_000_090_000),
            ("2h", 1_700_007_200_000),
        ] {
            assert_eq!(text.parse::<When>().map(|w| w.resolve(now)), Ok(Millis(ms)), "{text}");
        }
        for bad in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-02-29",
            "2026-1-1",
            "26-12-01",
            "2026-12-01T09:00:00",
            "1969-12-31",
            "2026-12-01 ",
            "1796115600000",
        ] {
            assert!(bad.parse::<When>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_bad_time_says_what_is_accepted() {
        insta::assert_snapshot!("5".parse::<When>().expect_err("no unit"), @r#""5" is not a time; accepted: RFC 3339 with an offset (2026-12-01T09:00:00Z), a date (2026-12-01, its start in UTC), or a duration from now (90s, 15m, 2h, 7d, 2w)"#);
        insta::assert_snapshot!(duration("1h30m").expect_err("two units"), @r#""1h30m" is not a duration; accepted: a whole number with s, m, h, d or w, such as 90s, 15m, 2h, 7d, up to a hundred years"#);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_either_reader_panic(text in "\\PC{0,24}") {
            let _ = duration(&text);
            let _ = text.parse::<When>().map(|w| w.resolve(Millis(i64::MAX)));
        }
    }
}
