//! The short way to a verdict, beside the long one that it stands for.

use serde_json::{Map, Value, json};

use super::*;

const AT: i64 = 1_795_230_851_000;

fn path(id: &str) -> String {
    format!("squad/tasks/json/{id}.json")
}

fn task(id: &str, fields: Value) -> Value {
    let mut task = json!({
        "id": id, "title": id, "status": "backlog", "priority": "low", "createdAt": AT, "updatedAt": AT, "chat": [],
    });
    let Value::Object(fields) = fields else { panic!("no object: {fields}") };
    task.as_object_mut().expect("an object").extend(fields);
    task
}

/// A board on which a few things are odd or wrong already.
fn board() -> Map<String, Value> {
    let work = json!({"taskId": "held", "files": ["src"], "agent": "scout", "since": AT, "mode": "hard"});
    let agents = json!([
        {"name": "olga", "role": "owner", "kind": "human"}, {"name": "scout", "role": "executor", "kind": "agent"},
    ]);
    let claim = json!({"agent": "scout", "epoch": 1, "at": AT, "startedAt": AT, "leaseSeconds": 900});
    let mut files = Map::new();
    let mut put = |path: String, value: Value| drop(files.insert(path, value));
    put(CONFIG.to_owned(), json!({"schemaVersion": 1, "board": {"branch": "main"}, "agents": agents}));
    put(
        ".claude/coordination.json".to_owned(),
        json!({"version": "1.0", "lastUpdated": "2026-01-01T00:00:00.000Z", "currentWork": {"held": work}, "sharedResources": {}, "notes": ""}),
    );
    put(path("plain"), task("plain", json!({})));
    put(path("odd"), task("odd", json!({"assigned": "nobody", "dependsOn": ["gone"], "blockedBy": "a rule"})));
    put(
        path("held"),
        task(
            "held",
            json!({"status": "in-progress", "assigned": "scout", "files": ["src"], "epoch": 1, "claim": claim}),
        ),
    );
    files
}

fn snapshot(files: &Map<String, Value>) -> Snapshot {
    let bytes = |value: &Value| match value {
        Value::String(text) => text.clone().into_bytes(),
        value => (serde_json::to_string_pretty(value).expect("JSON") + "\n").into_bytes(),
    };
    Snapshot::new(Box::new(Overlay::new(files.iter().map(|(path, value)| (path.clone(), bytes(value))))))
}

/// What is done to one task, and whether the rest of the board can be left aside for it.
fn changes() -> Vec<(&'static str, &'static str, Value, bool)> {
    vec![
        ("plain", "/title", json!("another title"), true),
        ("plain", "/title", json!(7), false),
        ("plain", "/title", json!("ghp_Zz9Qk3Lm8Vn2Bx7Rt5Yw1Pd6Hs4Jf0Gc"), true),
        ("plain", "/status", json!("completed"), true),
        ("plain", "/status", json!("in-progress"), true),
        ("plain", "/epoch", json!(9), true),
        ("plain", "/updatedAt", json!(AT - 1), true),
        ("plain", "/id", json!("other"), true),
        ("plain", "/assigned", json!("stranger"), true),
        ("plain", "/participants", json!(["stranger", "scout"]), true),
        ("plain", "/blockedBy", json!("nothing"), true),
        ("plain", "/files", json!(["src"]), true),
        ("plain", "/no such field", json!({"a": [1]}), true),
        ("plain", "/schemaVersion", json!(99), true),
        ("plain", "/dependsOn", json!(["odd"]), false),
        ("plain", "/dependsOn", json!(["plain"]), false),
        ("plain", "/parent", json!("gone"), false),
        ("odd", "/title", json!("odder"), true),
        ("odd", "/blockedBy", json!("another rule"), true),
        ("odd", "/assigned", json!("stranger"), true),
        ("odd", "/dependsOn", json!([]), false),
        ("odd", "", json!("{ broken"), false),
        ("held", "/title", json!("better"), true),
        ("held", "/claim/epoch", json!(2), true),
        ("held", "/claim/agent", json!("olga"), false),
        ("held", "/files", json!(["src", "docs"]), false),
        ("held", "/status", json!("review"), false),
        ("held", "/status", json!("backlog"), false),
    ]
}

fn set(task: &mut Value, pointer: &str, value: Value) {
    match pointer.rsplit_once('/') {
        None => *task = value,
        Some((parent, key)) => {
            let parent = task.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
            parent.insert(key.to_owned(), value);
        }
    }
}

#[test]
fn what_is_said_of_a_change_without_the_rest_of_the_board_is_what_is_said_with_it() {
    let before = board();
    for (id, pointer, value, alone) in changes() {
        for (second, by) in [(None, Some("scout")), (Some("plain"), Some("olga")), (Some("odd"), None)] {
            let mut after = before.clone();
            set(after.get_mut(&path(id)).expect("a task"), pointer, value.clone());
            let mut paths = vec![path(id)];
            if let Some(second) = second.filter(|second| *second != id) {
                set(after.get_mut(&path(second)).expect("a task"), "/description", json!("told at length"));
                paths.push(path(second));
            }
            paths.sort();
            let what = format!("{pointer} of {id} to {value} by {by:?} with {paths:?}");
            let by = By::one(by.map(|name| AgentName::new(name).expect("a name")).as_ref(), None, None);
            let (before, after) = (snapshot(&before), snapshot(&after));
            let long = compared(std::slice::from_ref(&before), &[], &after, &by).expect("it can be read");
            let short = apart(&before, &after, &paths.iter().collect::<Vec<_>>(), &by).expect("it can be read");
            assert_eq!(short.is_some(), alone, "{what}");
            if let Some(short) = short {
                assert_eq!(short.violations, long.violations, "{what}");
                assert_eq!(json!(short.changes), json!(long.changes), "{what}");
            }
        }
    }
}

#[test]
fn what_is_no_live_task_on_both_sides_is_judged_with_the_rest_of_the_board() {
    let before = board();
    for (what, edit) in [
        ("a new task", (path("new"), Some(task("new", json!({}))))),
        ("a task that is gone", (path("plain"), None)),
        ("the configuration", (CONFIG.to_owned(), Some(json!({})))),
        ("the locks", (".claude/coordination.json".to_owned(), Some(json!({})))),
        ("an archived task", ("squad/tasks/archived/2026-01/x.json".to_owned(), Some(task("x", json!({}))))),
        ("a file below", ("squad/tasks/json/below/plain.json".to_owned(), Some(task("plain", json!({}))))),
    ] {
        let mut after = before.clone();
        let (path, value) = edit;
        match value {
            Some(value) => drop(after.insert(path.clone(), value)),
            None => drop(after.remove(&path)),
        }
        let judged = apart(&snapshot(&before), &snapshot(&after), &[&path], &By::nobody()).expect("it can be read");
        assert!(judged.is_none(), "{what}");
    }
}
