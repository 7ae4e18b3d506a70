//! A verdict on a change, in the words of whoever reads it: people, pull requests, other tools.
//!
//! Owns how much is shown and how each format is escaped; what is said comes from the review.

pub(in crate::cli) mod github;
pub(in crate::cli) mod guide;
pub(in crate::cli) mod markdown;
pub(in crate::cli) mod sarif;
pub(in crate::cli) mod text;

use super::task_text::date;
use crate::model::vocabulary::Status;
use crate::review::judge::{Field, TaskChange};
use crate::review::rules::rank;
use crate::schema::Violation;
use serde_json::Value;

/// Returns the violations that there is room for: where that is not all of them, those that matter most, the worst
/// first.
fn foremost(violations: &[Violation], room: usize) -> Vec<&Violation> {
    let mut foremost: Vec<&Violation> = violations.iter().collect();
    if foremost.len() > room {
        foremost.sort_by_key(|violation| (!violation.is_error(), rank(violation.code)));
        foremost.truncate(room);
    }
    foremost
}

/// Returns what happened to a task in one line: who moved it from where to where, and what came with it.
fn happened(change: &TaskChange) -> String {
    let mut parts = Vec::new();
    match (change.from, change.to) {
        (None, Some(to)) => parts.push(format!("new, {to}")),
        (Some(from), None) => parts.push(format!("{from} → gone")),
        (Some(from), Some(to)) if from == to => parts.push(to.to_string()),
        (from, to) => parts.push(format!("{} → {}", word(from), word(to))),
    }
    if !change.steps.is_empty() {
        let steps: Vec<String> = change
            .steps
            .iter()
            .map(|step| format!("{} by {}", step.verb.as_deref().unwrap_or("a step"), step.actor))
            .collect();
        parts.push(steps.join(", "));
    }
    if !change.evidence.is_empty() {
        parts.push(format!("evidence: {}", change.evidence.join(", ")));
    }
    if change.chat > 0 {
        parts.push(super::ui::plural(change.chat, "message"));
    }
    let fields: Vec<&str> = change.fields.iter().map(|field| field.name.as_str()).collect();
    if !fields.is_empty() {
        parts.push(format!("changed: {}", fields.join(", ")));
    }
    parts.join("; ")
}

fn word(status: Option<Status>) -> String {
    status.map_or_else(|| "nothing".to_owned(), |status| status.to_string())
}

/// Returns a value as a person reads it: texts as they are, instants as dates, the rest as JSON.
fn value(key: &str, value: Option<&Value>) -> String {
    match value.map(|value| dated(key, value)) {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => serde_json::to_string_pretty(&other).unwrap_or_default(),
    }
}

/// Returns a value with dates in the place of instants, as the text of a task shows them.
fn dated(key: &str, value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            number.as_i64().and_then(|ms| date(key, ms)).map_or_else(|| value.clone(), Value::from)
        }
        Value::Array(items) => items.iter().map(|item| dated("", item)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), dated(key, value))).collect(),
        other => other.clone(),
    }
}

/// Returns the difference of a field, line by line: `-` for what was, `+` for what is.
fn difference(field: &Field) -> Vec<(char, String)> {
    let (old, new) = (value(&field.name, field.from.as_ref()), value(&field.name, field.to.as_ref()));
    let diff = similar::TextDiff::from_lines(&old, &new);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(1) {
        for op in group {
            for change in diff.iter_changes(&op) {
                let sign = match change.tag() {
                    similar::ChangeTag::Delete => '-',
                    similar::ChangeTag::Insert => '+',
                    similar::ChangeTag::Equal => ' ',
                };
                lines.push((sign, change.value().trim_end_matches('\n').to_owned()));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn instants_are_shown_as_dates_and_other_numbers_as_they_are() {
        let field = |name: &str, to: Value| Field { name: name.to_owned(), from: None, to: Some(to) };
        let shown = |field: Field| difference(&field).into_iter().map(|(_, line)| line).collect::<Vec<_>>().concat();
        assert_eq!(shown(field("completedAt", json!(1_700_000_000_000_i64))), "2023-11-14T22:13:20.000Z");
        assert_eq!(shown(field("position", json!(1_700_000_000_000_i64))), "1700000000000");
        assert_eq!(shown(field("completedAt", json!(-1))), "-1");
        let claim = shown(field("claim", json!({"at": 1_700_000_000_000_i64, "epoch": 3})));
        assert!(claim.contains("\"at\": \"2023-11-14T22:13:20.000Z\"") && claim.contains("\"epoch\": 3"), "{claim}");
    }

    #[test]
    fn what_somebody_has_done_is_shown_before_slips_and_only_where_there_is_no_room_for_all() {
        let of = |code: &'static str| Violation::error(code, "f", "", "m", "h");
        let all = [of("wrong-type"), of("secret").warning(), of("wrong-value"), of("foreign-actor"), of("secret")];
        let codes = |room| foremost(&all, room).into_iter().map(|v| (v.code, v.is_error())).collect::<Vec<_>>();
        assert_eq!(codes(3), [("secret", true), ("foreign-actor", true), ("wrong-type", true)]);
        assert_eq!(codes(5)[0], ("wrong-type", true));
    }
}
