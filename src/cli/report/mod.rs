//! A verdict on a change, in the words of whoever reads it: people, pull requests, other tools.
//!
//! Owns how much is shown and how each format is escaped; what is said comes from the review.

pub(in crate::cli) mod github;
pub(in crate::cli) mod guide;
pub(in crate::cli) mod markdown;
pub(in crate::cli) mod sarif;
pub(in crate::cli) mod text;

use crate::model::vocabulary::Status;
use crate::review::judge::{Field, TaskChange};
use serde_json::Value;

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

/// Returns a value as a person reads it: texts as they are, the rest as JSON.
fn value(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// Returns the difference of a field, line by line: `-` for what was, `+` for what is.
fn difference(field: &Field) -> Vec<(char, String)> {
    let (old, new) = (value(field.from.as_ref()), value(field.to.as_ref()));
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
