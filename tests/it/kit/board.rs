//! Boards made by hand: task files as a person or an old script would write them, with chosen times.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Returns the time as the files spell it.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("the clock is before the year 292,000,000")
}

/// Returns the instant that many minutes ago.
pub fn minutes_ago(minutes: i64) -> i64 {
    now_ms() - minutes * 60_000
}

/// Returns the instant that many hours ago.
pub fn hours_ago(hours: i64) -> i64 {
    minutes_ago(hours * 60)
}

/// Returns the instant that many seconds from now.
pub fn seconds_from_now(seconds: i64) -> i64 {
    now_ms() + seconds * 1000
}

/// Returns a task with the fewest fields that a board made by hand has, an hour old, with `fields` laid over it.
/// What a status needs to be believed comes with it.
pub fn hand_task(id: &str, fields: Value) -> Value {
    let at = fields.get("updatedAt").and_then(Value::as_i64).unwrap_or_else(|| hours_ago(1));
    let mut task = json!({
        "id": id, "title": format!("Work on {id}"), "status": "backlog", "priority": "medium",
        "createdAt": at, "updatedAt": at, "chat": [],
    });
    let map = task.as_object_mut().expect("an object");
    let Value::Object(fields) = fields else { panic!("fields of {id} are no object") };
    map.extend(fields);
    let status = map["status"].as_str().unwrap_or_default().to_owned();
    let assigned = map.get("assigned").cloned().unwrap_or_else(|| json!("scout"));
    let mut needs = |key: &str, value: Value| {
        map.entry(key).or_insert(value);
    };
    match status.as_str() {
        "in-progress" => needs("assigned", assigned),
        "blocked" => {
            needs("blockedBy", json!("waiting for an answer"));
            needs("blockedAt", json!(at));
        }
        "completed" => {
            needs("completedBy", assigned);
            needs("completedAt", json!(at));
            needs("deliverable", json!("done"));
        }
        _ => {}
    }
    task
}

/// Returns a task file's path and bytes, written as squad writes it.
pub fn task_json(task: &Value) -> (String, Vec<u8>) {
    let id = task["id"].as_str().expect("a task has an id");
    let text = serde_json::to_string_pretty(task).expect("a value is JSON") + "\n";
    (format!("squad/tasks/json/{id}.json"), text.into_bytes())
}

/// Runs git in a folder with a clean environment and this standard input, and returns its standard output.
#[track_caller]
pub fn git_in(dir: &Path, args: &[String], stdin: &[u8], env: impl Fn(&mut Command)) -> Result<String, String> {
    let mut command = Command::new("git");
    env(&mut command);
    command.current_dir(dir).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    let mut pipe = child.stdin.take().expect("it was piped");
    let output = std::thread::scope(|scope| {
        // A git that fails early closes the pipe; its exit code tells more than the broken pipe.
        scope.spawn(move || drop(pipe.write_all(stdin)));
        child.wait_with_output().expect("git ends")
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("git {}: {}\n{}{}", args.join(" "), output.status, text(&output.stdout), text(&output.stderr)))
    }
}
