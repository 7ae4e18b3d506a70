//! Single values of other boards: instants, priorities, ids, and text with characters that have no place here.

use chrono::{NaiveDate, NaiveDateTime};
use serde_json::Value;

use crate::model::id::{Millis, SAFE_INTEGER, TaskId};
use crate::model::text::{is_plain, multi_line_fault};
use crate::model::time::parse_rfc3339;
use crate::model::vocabulary::{Priority, plain};

/// A number below this counts seconds, and one from it on milliseconds: it is the year 5138 in seconds, and March 1973 in
/// milliseconds.
const FIRST_IN_MS: i64 = 100_000_000_000;

/// Returns an instant: RFC 3339, the same without an offset, which is taken for UTC, a date, or seconds or milliseconds
/// since 1970.
pub(super) fn instant(value: &Value) -> Option<Millis> {
    let ms = match value {
        Value::Number(number) => {
            let number = number.as_i64()?;
            if number < FIRST_IN_MS { number.saturating_mul(1_000) } else { number }
        }
        Value::String(text) => spelled(text.trim())?.0,
        _ => return None,
    };
    (0..=SAFE_INTEGER).contains(&ms).then_some(Millis(ms))
}

fn spelled(text: &str) -> Option<Millis> {
    if let Ok(at) = parse_rfc3339(text) {
        return Some(at);
    }
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y%m%dT%H%M%SZ"];
    let at = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let at = at.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(Millis(at.and_utc().timestamp_millis()))
}

/// Returns the priority that a word means.
pub(super) fn priority(word: &str) -> Option<Priority> {
    Some(match plain(word).as_str() {
        "critical" | "urgent" | "highest" | "blocker" | "p0" => Priority::Critical,
        "high" | "important" | "h" | "p1" => Priority::High,
        "medium" | "normal" | "default" | "m" | "p2" => Priority::Medium,
        "low" | "lowest" | "minor" | "l" | "p3" | "p4" => Priority::Low,
        _ => return None,
    })
}

/// Returns an id as it stands here: in lower case, with a dash for each run of what it may not hold.
pub(super) fn id(text: &str) -> Option<TaskId> {
    let text = text.to_ascii_lowercase();
    if let Ok(id) = TaskId::new(&text) {
        return Some(id);
    }
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    TaskId::new(slug.trim_matches(|c| matches!(c, '-' | '.' | '_'))).ok()
}

/// Returns one line: what would end it, move a cursor or hide a word becomes a blank.
pub(super) fn line(text: &str) -> String {
    let line: String = text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    line.trim().to_owned()
}

/// Returns text of several lines, without the controls that have no place in it.
pub(super) fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    match multi_line_fault(&text) {
        None => text,
        Some(_) => text.chars().filter(|c| multi_line_fault(c.encode_utf8(&mut [0; 4])).is_none()).collect(),
    }
}
