//! What counts for an agent, and each time that decides: just below and just above.

use serde_json::{Value, json};

use super::*;

const NOW: Millis = Millis(1_800_000_000_000);

fn ago(ms: i64) -> i64 {
    NOW.0 - ms
}

fn config() -> BoardConfig {
    let text = json!({
        "schemaVersion": 1,
        "board": {"branch": "main"},
        "agents": [{"name": "scout", "role": "executor"}, {"name": "olga", "role": "owner", "kind": "human"}],
    });
    serde_json::from_value(text).expect("a configuration")
}

fn scout(config: &BoardConfig) -> &Agent {
    config.agent(&AgentName::new("scout").expect("a name")).expect("a member")
}

fn task(fields: &Value) -> Task {
    let mut task = json!({
        "id": "t", "title": "T", "status": "backlog", "priority": "medium", "createdAt": 1, "updatedAt": 2, "chat": [],
        "assigned": "scout",
    });
    let fields = fields.as_object().expect("fields").clone();
    task.as_object_mut().expect("a task").extend(fields);
    serde_json::from_value(task).expect("a task")
}

fn entered(status: &str, at: i64) -> Task {
    let entry = json!({"state": status, "timestamp": at, "actor": "olga", "trigger": "new"});
    task(&json!({"status": status, "stateHistory": [entry]}))
}

#[test]
fn a_task_is_unattended_after_its_time_in_the_backlog_and_no_sooner() {
    let config = config();
    assert_eq!(config.timing.unattended_seconds, 300);
    let standing = |at| unattended(&entered("backlog", at), &config, NOW);
    assert!(standing(ago(300_000)).is_none());
    assert_eq!(standing(ago(300_001)).expect("it stands there").since, Millis(ago(300_001)));
    assert!(unattended(&entered("ready", ago(400_000)), &config, NOW).is_none(), "only the backlog");
    // An edit does not set the time back: what counts is when it came there.
    let mut edited = entered("backlog", ago(300_001));
    edited.updated_at = NOW;
    assert!(unattended(&edited, &config, NOW).is_some());
}

#[test]
fn a_block_is_told_after_a_day_and_no_sooner() {
    let day = 24 * 3600 * 1000;
    let blocked = |at| task(&json!({"status": "blocked", "blockedAt": at, "blockedBy": "why"}));
    assert!(blocked_too_long(&blocked(ago(day)), NOW).is_none());
    let standing = blocked_too_long(&blocked(ago(day + 1)), NOW).expect("it is told");
    assert_eq!(standing.blocked_by.as_deref(), Some("why"));
    assert!(blocked_too_long(&entered("backlog", ago(2 * day)), NOW).is_none());
}

#[test]
fn what_is_due_within_two_days_is_one_step_more_urgent_and_no_sooner() {
    let two_days = 48 * 3600 * 1000;
    let due = |at: i64| effective_priority(&task(&json!({"due": at})), NOW);
    assert_eq!(due(NOW.0 + two_days), Priority::Medium);
    assert_eq!(due(NOW.0 + two_days - 1), Priority::Medium.raised());
    assert_eq!(due(ago(1)), Priority::Medium.raised(), "what is overdue as well");
}

#[test]
fn a_pause_between_two_attempts_ends_on_time() {
    let config = config();
    let at = |at: i64| is_runnable(&task(&json!({"retryAt": at})), scout(&config), NOW);
    assert!(!at(NOW.0 + 1));
    assert!(at(NOW.0));
}

#[test]
fn each_status_and_each_sort_of_block_is_runnable_or_not() {
    let config = config();
    let held = json!({"agent": "scout", "epoch": 1, "at": 1, "leaseSeconds": 900});
    let others = json!({"agent": "olga", "epoch": 1, "at": 1, "leaseSeconds": 900});
    let blocks = [
        json!({"kind": "human", "needs": ["a"], "question": "q", "options": ["x", "y"]}),
        json!({"kind": "external", "retryAt": 1}),
        json!({"kind": "dependency", "on": ["other"]}),
        json!({"kind": "conflict", "paths": ["src"], "holder": "other"}),
        json!({"kind": "failure"}),
    ];
    let mut cases = vec![
        (json!({"status": "backlog"}), true),
        (json!({"status": "backlog", "assigned": "olga"}), false),
        (json!({"status": "ready"}), true),
        (json!({"status": "in-progress", "claim": held}), true),
        (json!({"status": "in-progress", "claim": others}), false),
        (json!({"status": "review"}), false),
        (json!({"status": "completed"}), false),
        (json!({"status": "archived"}), false),
    ];
    cases.extend(blocks.map(|block| (json!({"status": "blocked", "blockedBy": "b", "block": block}), false)));
    for (fields, expected) in cases {
        assert_eq!(is_runnable(&task(&fields), scout(&config), NOW), expected, "{fields}");
    }
}
