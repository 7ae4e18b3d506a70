//! A task file as text for people: what git compares when it shows them a change.
//!
//! Owns the layout: one field a line, one message a block, instants as dates. Fields stand in the order of the file, the
//! ones that squad does not know among them, and nothing is left out: what is not shown could change unseen. What comes
//! out can be printed as it is.

use std::fmt::Write as _;

use super::ui::{escape_block, escape_line};
use crate::model::id::Millis;
use crate::model::time::rfc3339;
use crate::model::vocabulary::Status;
use crate::schema::Json;
use crate::schema::canonical::write_line;

/// Keys whose numbers are instants.
const INSTANTS: [&str; 6] = ["at", "timestamp", "due", "since", "createdAt", "updatedAt"];

/// The instants that have a date: those of the years 1970 to 9999.
const DATED: std::ops::Range<i64> = 0..253_402_300_800_000;

/// Returns the file as text that cannot steer a terminal; what is no task is shown as it is.
pub(super) fn task_text(bytes: &[u8]) -> String {
    let Ok(Json::Object(members)) = Json::parse(bytes) else { return as_it_is(bytes) };
    let document = Json::Object(members);
    let mut out = String::new();
    for key in ["title", "status"] {
        if let Some(value) = document.get(key) {
            push_field(&mut out, 0, key, value);
        }
    }
    if let Some(holder) = holder(&document) {
        push_line(&mut out, 0, &format!("holder: {}", escape_line(holder)));
    }
    for (key, value) in document.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "title" | "status") {
            push_field(&mut out, 0, key, value);
        }
    }
    out
}

/// Returns who holds the task, as the model has it.
fn holder(document: &Json) -> Option<&str> {
    let status = document.get("status").and_then(Json::as_str);
    match document.get("claim") {
        Some(claim) => claim.get("agent").and_then(Json::as_str),
        None if status == Some(Status::InProgress.as_str()) => document.get("assigned").and_then(Json::as_str),
        None => None,
    }
}

/// Returns bytes that are no task: their text, and each byte that is none spelled out.
fn as_it_is(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape_block(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}"); // writing to a string cannot fail
        }
    }
    out
}

fn push_line(out: &mut String, level: usize, line: &str) {
    out.extend(std::iter::repeat_n("  ", level));
    out.push_str(line);
    out.push('\n');
}

fn push_field(out: &mut String, level: usize, key: &str, value: &Json) {
    let name = escape_line(key);
    match value {
        Json::String(text) if text.contains('\n') => {
            push_line(out, level, &format!("{name}:"));
            push_text(out, level + 1, text);
        }
        Json::Object(members) if !members.is_empty() => {
            push_line(out, level, &format!("{name}:"));
            members.iter().for_each(|(key, value)| push_field(out, level + 1, key, value));
        }
        Json::Array(items) if !items.is_empty() => {
            push_line(out, level, &format!("{name}:"));
            items.iter().for_each(|item| push_item(out, level + 1, key, item));
        }
        one => push_line(out, level, &format!("{name}: {}", on_one_line(key, one))),
    }
}

/// A text of several lines, each behind a mark, so that no line of it can pass for a field.
fn push_text(out: &mut String, level: usize, text: &str) {
    for line in text.split('\n') {
        push_line(out, level, &format!("| {}", escape_line(line)));
    }
}

fn push_item(out: &mut String, level: usize, list: &str, item: &Json) {
    let Json::Object(members) = item else {
        return match item {
            Json::String(text) if text.contains('\n') => {
                push_line(out, level, "-");
                push_text(out, level + 1, text);
            }
            Json::Array(_) => push_line(out, level, &format!("- {}", escape_line(&write_line(item)))),
            one => push_line(out, level, &format!("- {}", on_one_line("", one))),
        };
    };
    // What a reader looks for comes first, on one line; the rest follows below it.
    let head: &[&str] = match list {
        "chat" => &["author", "timestamp", "id"],
        "stateHistory" => &["state", "trigger", "actor", "timestamp"],
        "evidence" => &["kind", "by", "at", "id"],
        "subtasks" => &["status", "title", "id"],
        "approvals" => &["by", "role", "at"],
        _ => &[],
    };
    let is_short = |value: &Json| !matches!(value, Json::Object(_) | Json::Array(_));
    let shown: Vec<(&str, &Json)> =
        head.iter().filter_map(|key| Some((*key, members.get(*key)?))).filter(|(_, value)| is_short(value)).collect();
    let line: Vec<String> = shown.iter().map(|(key, value)| on_one_line(key, value)).collect();
    push_line(out, level, &format!("- {}", line.join("  ")));
    for (key, value) in members.iter().filter(|(key, _)| !shown.iter().any(|(known, _)| known == key)) {
        match value {
            Json::String(text) if list == "chat" && key == "content" => push_text(out, level + 1, text),
            value => push_field(out, level + 1, key, value),
        }
    }
}

/// Returns the date that the number under a key stands for; nothing where it is no instant, or one that has none.
pub(super) fn date(key: &str, ms: i64) -> Option<String> {
    let is_instant = INSTANTS.contains(&key) || key.ends_with("At");
    (is_instant && DATED.contains(&ms)).then(|| rfc3339(Millis(ms)))
}

/// Returns a value on one line: a text without its quotes, an instant as a date, anything else as JSON.
fn on_one_line(key: &str, value: &Json) -> String {
    match value {
        // What would look like another value keeps its quotes.
        Json::String(text) if Json::parse(text.as_bytes()).is_ok() => escape_line(&write_line(value)),
        Json::String(text) => escape_line(text),
        Json::Number(_) => value.as_integer().and_then(|ms| date(key, ms)).unwrap_or_else(|| write_line(value)),
        other => escape_line(&write_line(other)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_one_field_a_line_and_one_message_a_block() {
        let text = r#"{
            "id": "t-1", "title": "Fix it", "status": "in-progress", "priority": "high", "x-own": {"a": [1.50, null, "2"]},
            "tags": ["one", "two"], "files": [], "claim": {"agent": "scout", "epoch": 3, "at": 1700000000000, "leaseSeconds": 900},
            "description": "one\nstatus: completed", "createdAt": 1700000000000, "updatedAt": "never",
            "chat": [{"id": "m-1", "author": "scout", "content": "hello\nthere", "timestamp": 1700000000000, "mood": "☀"}],
            "stateHistory": [{"state": "in-progress", "timestamp": 1700000000000, "actor": "scout", "trigger": "claim"}]
        }"#;
        insta::assert_snapshot!(task_text(text.as_bytes()), @r#"
        title: Fix it
        status: in-progress
        holder: scout
        id: t-1
        priority: high
        x-own:
          a:
            - 1.50
            - null
            - "2"
        tags:
          - one
          - two
        files: []
        claim:
          agent: scout
          epoch: 3
          at: 2023-11-14T22:13:20.000Z
          leaseSeconds: 900
        description:
          | one
          | status: completed
        createdAt: 2023-11-14T22:13:20.000Z
        updatedAt: never
        chat:
          - scout  2023-11-14T22:13:20.000Z  m-1
            | hello
            | there
            mood: ☀
        stateHistory:
          - in-progress  claim  scout  2023-11-14T22:13:20.000Z
        "#);
    }

    #[test]
    fn what_is_no_task_is_shown_as_it_is() {
        assert_eq!(task_text(b"{\"a\": 1"), "{\"a\": 1");
        assert_eq!(task_text(b"<<<<<<< ours\n[]\n\xff\xfe"), "<<<<<<< ours\n[]\n\\xff\\xfe");
        assert_eq!(task_text(b"[1]"), "[1]");
        assert_eq!(task_text(b"{}"), "");
        assert_eq!(task_text(b""), "");
    }

    #[track_caller]
    fn assert_harmless(text: &str) {
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        let hides = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        assert!(!text.chars().any(|c| steers(c) || hides(c)), "{text:?}");
    }

    proptest! {
        #[test]
        fn nothing_in_a_file_can_steer_the_terminal_or_pass_for_a_field(
            hostile in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{200b}-\\u{202e}\\u{2066}\\u{feff}a:\\\\\"{}\\n-]{0,12}",
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let task = json!({
                "title": &hostile, "status": "in-progress", "assigned": &hostile, &hostile: &hostile, "tags": [&hostile, [&hostile]],
                "claim": {"agent": &hostile, "at": 1e300, &hostile: {&hostile: 1}},
                "chat": [{"id": &hostile, "author": &hostile, "content": format!("{hostile}\nstatus: done"), "timestamp": &hostile}],
                "stateHistory": [&hostile, {"state": [&hostile], "reason": &hostile}], "x": {"y": [{"z": &hostile}, null, []]},
            });
            let text = task_text(task.to_string().as_bytes());
            assert_harmless(&text);
            prop_assert!(!text.lines().any(|line| line == "status: done"));
            assert_harmless(&task_text(&bytes));
        }
    }
}
