//! Fields that squad does not know, and spellings that it would not choose, survive every change.

use crate::kit::Room;

/// A task as another program wrote it: its own order of keys, keys of its own at every level, and numbers in
/// spellings that a parse into a double would lose.
const ODD: &str = r#"{
  "zodiac": "hare",
  "id": "odd",
  "title": "Keep me as I am",
  "estimate": 1.50,
  "huge": 12345678901234567890123,
  "tiny": 1e-400,
  "spelled": 1E3,
  "negative": -0,
  "priority": "medium",
  "status": "backlog",
  "participants": [
    "Olga"
  ],
  "nested": {
    "b": [
      1.0,
      {
        "deep": null
      }
    ],
    "a": "ü ☃ \u0001"
  },
  "assigned": "Scout",
  "updatedAt": 1767225600000,
  "createdAt": 1767225600000,
  "chat": [
    {
      "id": "msg-1",
      "author": "Olga",
      "content": "first",
      "timestamp": 1767225600000,
      "reactions": {
        "+1": 2.0
      }
    }
  ],
  "subtasks": [
    {
      "id": "sub-001",
      "title": "part",
      "status": "backlog",
      "weight": 0.10
    }
  ],
  "tail": true
}
"#;

fn odd() -> Room {
    let room = Room::board();
    room.put(&[("squad/tasks/json/odd.json", Some(ODD))]);
    room
}

#[test]
fn a_comment_changes_the_chat_and_the_time_and_no_other_line() {
    let room = odd();
    room.clone_as("olga").ok("comment odd 'second'");
    let diff = room.git("diff --no-color -U0 main~1 main -- squad/tasks/json/odd.json");
    let gone: Vec<_> = diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
    let come: Vec<_> = diff.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).collect();
    // The message before the new one gains a comma.
    let mut replaced: Vec<_> = gone.iter().map(|line| line.trim_start_matches('-').trim()).collect();
    replaced.retain(|line| *line != "}");
    assert_eq!(replaced, ["\"updatedAt\": 1767225600000,"], "{diff}");
    assert!(gone.len() <= 2, "{diff}");
    let known = [
        "\"updatedAt\":",
        "\"id\": \"msg-",
        "\"author\": \"olga\"",
        "\"content\": \"second\"",
        "\"timestamp\":",
        "{",
        "}",
    ];
    for line in &come {
        let line = line.trim_start_matches('+').trim();
        assert!(known.iter().any(|start| line.starts_with(start)), "{line:?} in {diff}");
    }
    assert_eq!(come.len(), gone.len() + 6, "one message of six lines: {diff}");
}

#[test]
fn every_spelling_survives_a_whole_life() {
    let room = odd();
    let clone = room.clone_as("olga");
    clone.ok("claim odd --agent scout");
    clone.ok("subtask set odd sub-001 complete --agent scout");
    clone.ok("complete odd --agent scout --deliverable x --summary y --evidence url:https://example.test");
    let text = room.task_text("odd");
    for line in [
        "  \"zodiac\": \"hare\",",
        "  \"estimate\": 1.50,",
        "  \"huge\": 12345678901234567890123,",
        "  \"tiny\": 1e-400,",
        "  \"spelled\": 1E3,",
        "  \"negative\": -0,",
        "      1.0,",
        "        \"+1\": 2.0",
        "      \"weight\": 0.10",
        "    \"a\": \"ü ☃ \\u0001\"",
        "  \"assigned\": \"Scout\",",
        "    \"Olga\"",
    ] {
        assert!(
            text.lines().any(|l| l.trim_end_matches(',') == line.trim_end_matches(',')),
            "{line:?} is gone:\n{text}"
        );
    }
    let order = |key: &str| text.find(&format!("\n  \"{key}\":")).unwrap_or_else(|| panic!("{key} is gone:\n{text}"));
    let keys = [
        "zodiac",
        "id",
        "title",
        "estimate",
        "huge",
        "priority",
        "status",
        "nested",
        "assigned",
        "updatedAt",
        "chat",
        "tail",
    ];
    assert!(
        keys.windows(2).all(|pair| order(pair[0]) < order(pair[1])),
        "the order of keys is the file's own:\n{text}"
    );
    assert!(text.ends_with("}\n"));
}

#[test]
fn an_unknown_field_is_a_warning_and_no_violation() {
    let room = Room::board();
    room.put_tasks(&[crate::kit::hand_task("plain", serde_json::json!({"zodiac": "hare"}))]);
    let clone = room.clone_as("olga");
    let answer = clone.ok("check");
    assert!(answer.to_string().contains("zodiac"), "it is said: {answer}");
}

#[test]
fn a_file_of_a_newer_version_is_read_and_never_written() {
    let room = Room::board();
    room.put_tasks(&[crate::kit::hand_task("newer", serde_json::json!({"schemaVersion": 99, "assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    assert_eq!(clone.ok("show newer")["task"]["title"], "Work on newer");
    let before = room.refs();
    clone.refused("claim newer --agent scout", 4, "invalid");
    clone.refused("comment newer hello", 4, "invalid");
    assert_eq!(room.refs(), before);
}

#[test]
fn imported_extra_fields_are_kept_as_they_came() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    clone.write("in.json", r#"{"id": "in", "title": "With more", "zodiac": {"b": 1, "a": [true]}}"#);
    clone.ok("new --from in.json");
    assert_eq!(room.task("in")["zodiac"], serde_json::json!({"b": 1, "a": [true]}));
}
