//! The locks file: who works on which paths, for tools that read nothing else of the board.
//!
//! Owns its format, how it follows from the tasks, and how a file of the same name from another tool is told apart.
//! That one is never touched. Does not know where the file is kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::id::{AgentName, Millis, TaskId};
use crate::model::ordered::{self, IndexMap};
use crate::model::task::Task;
use crate::model::time::rfc3339;
use crate::model::vocabulary::{LockMode, Status};

/// The version of the format that squad writes; it reads every `1.…`.
const VERSION: &str = "1.0";

/// The keys that squad owns, in the order of the file.
const KEYS: [&str; 5] = ["version", "lastUpdated", "currentWork", "sharedResources", "notes"];

/// The locks file. The order of the fields is that of the file; keys that squad does not know follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coordination {
    /// Version of the format.
    #[serde(default = "version")]
    pub version: String,
    /// When the locks last changed, as RFC 3339 in UTC with milliseconds.
    #[serde(default)]
    pub last_updated: String,
    /// Tasks that have paths, by id.
    #[serde(default)]
    pub current_work: IndexMap<TaskId, Arc<Work>>,
    /// What else is shared; people and other tools write it, squad keeps it.
    #[serde(default = "empty_object")]
    pub shared_resources: Value,
    /// Free text; squad keeps it.
    #[serde(default)]
    pub notes: String,
    /// Keys that squad does not know, in their order.
    #[serde(flatten)]
    pub extra: IndexMap<String, Value>,
}

/// The paths of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Work {
    /// The task.
    pub task_id: TaskId,
    /// Its paths and globs, as the task spells them.
    pub files: Vec<String>,
    /// Who holds the task, or for a task that nobody holds whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// When it was claimed.
    pub since: Millis,
    /// How strong the lock is; tools that know one kind only mean the hard one.
    #[serde(default = "hard")]
    pub mode: LockMode,
}

fn version() -> String {
    VERSION.to_owned()
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

const fn hard() -> LockMode {
    LockMode::Hard
}

/// Returns how strongly a task in this status locks its paths, if it does.
pub const fn mode_of(status: Status) -> Option<LockMode> {
    match status {
        Status::InProgress => Some(LockMode::Hard),
        Status::Blocked | Status::Review => Some(LockMode::Advisory),
        Status::Ready | Status::Backlog | Status::Completed | Status::Archived => None,
    }
}

impl Work {
    /// Tells whether two are written alike: names compare without regard to case.
    pub fn is_spelled_like(&self, other: &Self) -> bool {
        self == other && spelling(self.agent.as_ref()) == spelling(other.agent.as_ref())
    }

    /// Returns what the locks file says about the task.
    pub(super) fn of(task: &Task, mode: LockMode) -> Self {
        let (agent, since) = (agent_of(task).cloned(), since_of(task));
        Self { task_id: task.id.clone(), files: task.files.clone(), agent, since, mode }
    }

    /// Tells whether this is [`Work::of`] the task, to the letter.
    fn says(&self, task: &Task, mode: LockMode) -> bool {
        self.task_id == task.id
            && self.files == task.files
            && spelling(self.agent.as_ref()) == spelling(agent_of(task))
            && self.since == since_of(task)
            && self.mode == mode
    }
}

fn agent_of(task: &Task) -> Option<&AgentName> {
    task.holder().or(task.assigned.as_ref())
}

/// A task that is blocked or in review keeps the time of the claim that led there.
fn since_of(task: &Task) -> Millis {
    task.held_since().or_else(|| task.last_claim_at()).unwrap_or_else(|| task.entered_at())
}

fn spelling(agent: Option<&AgentName>) -> Option<&str> {
    agent.map(AgentName::as_str)
}

/// Returns the locks that follow from the tasks, sorted by id.
pub fn derive<'a>(tasks: impl Iterator<Item = &'a Task>) -> IndexMap<TaskId, Arc<Work>> {
    derive_beside(&LocksFile::Absent, tasks)
}

/// Returns the same; what a file says already is shared with it, which costs less than to say it again.
pub fn derive_beside<'a>(file: &LocksFile, tasks: impl Iterator<Item = &'a Task>) -> IndexMap<TaskId, Arc<Work>> {
    let none = IndexMap::default();
    let said = if let LocksFile::Ours(file) = file { &file.current_work } else { &none };
    // Both mostly stand in the same order, so the next entry is mostly that of the next task.
    let mut next = 0;
    let mut of = |task: &Task, mode: LockMode| {
        let at = match said.get_index(next) {
            Some((id, _)) if *id == task.id => Some(next),
            _ => said.get_index_of(&task.id),
        };
        let found = at.and_then(|at| said.get_index(at)).filter(|(_, work)| work.says(task, mode));
        next = at.map_or(next, |at| at + 1);
        found.map_or_else(|| Arc::new(Work::of(task, mode)), |(_, work)| work.clone())
    };
    let mut work = ordered::with_capacity(said.len() + 1);
    for task in tasks.filter(|task| !task.files.is_empty()) {
        if let Some(mode) = mode_of(task.status) {
            work.insert(task.id.clone(), of(task, mode));
        }
    }
    if !work.keys().is_sorted() {
        work.sort_unstable_keys();
    }
    work
}

impl Coordination {
    /// Returns the file of a new board.
    pub fn new(work: IndexMap<TaskId, Arc<Work>>, at: Millis) -> Self {
        Self {
            version: version(),
            last_updated: rfc3339(at),
            current_work: work,
            shared_resources: empty_object(),
            notes: String::new(),
            extra: IndexMap::default(),
        }
    }

    /// Returns the file's text: two spaces of indentation, a newline at the end.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("it holds nothing that JSON cannot");
        text.push('\n');
        text
    }
}

/// What was found in the place of the locks file.
#[derive(Debug, Clone, PartialEq)]
pub enum LocksFile {
    /// Nothing.
    Absent,
    /// The locks of a board.
    Ours(Coordination),
    /// A file of another tool, which must be left alone.
    Foreign {
        /// What it looks like, as the end of a sentence; holds none of its values.
        looks_like: String,
    },
    /// A file that nothing can be made of.
    Broken {
        /// What is wrong with it.
        why: String,
        /// The members that can still be read, for when the locks are built anew.
        kept: IndexMap<String, Value>,
    },
}

impl LocksFile {
    /// Reads the file; `None` means that there is none.
    pub fn read(text: Option<&[u8]>) -> Self {
        let Some(text) = text else { return Self::Absent };
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let broken = |why: String| Self::Broken { why, kept: IndexMap::default() };
        if text.trim_ascii().is_empty() {
            return broken("it is empty".to_owned());
        }
        let members = match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(members)) => members,
            Ok(Value::Array(rows)) => return Self::Foreign { looks_like: describe_list(&rows) },
            Ok(_) => return broken("it holds no JSON object".to_owned()),
            Err(error) => return broken(error.to_string()),
        };
        if let Some(looks_like) = foreign(&members) {
            return Self::Foreign { looks_like };
        }
        match Coordination::deserialize(&Value::Object(members.clone())) {
            Ok(file) => match file.current_work.iter().find(|(id, work)| **id != work.task_id) {
                Some((id, work)) => Self::Broken {
                    why: format!("the entry of task {id} is about task {}", work.task_id),
                    kept: members.into_iter().collect(),
                },
                None => Self::Ours(file),
            },
            Err(error) => Self::Broken { why: error.to_string(), kept: members.into_iter().collect() },
        }
    }
}

/// Describes an object that is no locks file of a board; `None` for one that is.
fn foreign(members: &serde_json::Map<String, Value>) -> Option<String> {
    if members.contains_key("currentWork") || members.keys().all(|key| KEYS.contains(&key.as_str())) {
        let version = members.get("version").and_then(Value::as_str).unwrap_or(VERSION);
        let known = version == "1" || version.starts_with("1.");
        return (!known).then(|| "the locks of a board in a newer format".to_owned());
    }
    let has = |keys: &[&str]| keys.iter().any(|key| members.contains_key(*key));
    Some(if has(&["file_locks", "fileLocks"]) || (has(&["agents"]) && has(&["tasks", "completed", "remaining"])) {
        "a list of agents, tasks and file locks".to_owned()
    } else if has(&["serverUrl", "server_url", "url", "apiKey", "api_key", "token"]) {
        "the address of a server and a key for it".to_owned()
    } else if has(&["claims"]) {
        "a list of claims".to_owned()
    } else if has(&["sessions"]) {
        "a list of sessions".to_owned()
    } else {
        "an object without the key 'currentWork'".to_owned()
    })
}

fn describe_list(rows: &[Value]) -> String {
    let marks = ["session", "sessionId", "session_id", "severity", "branch", "worktree", "heartbeat"];
    let is_session = |row: &Value| marks.iter().any(|mark| row.get(mark).is_some());
    if rows.iter().any(is_session) { "a list of sessions".to_owned() } else { "a list".to_owned() }
}

/// Returns the file as it should be after the locks have become `work`, or `None` where it is to be left as it is:
/// the locks in it are these already, there are none and no file, or it belongs to another tool.
///
/// `at` becomes `lastUpdated`, which is not compared. Whatever squad does not own is kept.
pub fn updated(old: &LocksFile, work: IndexMap<TaskId, Arc<Work>>, at: Millis) -> Option<Coordination> {
    let (version, shared_resources, notes, extra) = match old {
        LocksFile::Absent if work.is_empty() => return None,
        LocksFile::Ours(file) if file.current_work == work => return None,
        LocksFile::Foreign { .. } => return None,
        LocksFile::Absent => (version(), empty_object(), String::new(), IndexMap::default()),
        LocksFile::Ours(file) => {
            (file.version.clone(), file.shared_resources.clone(), file.notes.clone(), file.extra.clone())
        }
        LocksFile::Broken { kept, .. } => {
            let notes = match kept.get("notes") {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            let extra = kept.iter().filter(|(key, _)| !KEYS.contains(&key.as_str()));
            let extra = extra.map(|(key, value)| (key.clone(), value.clone())).collect();
            (version(), kept.get("sharedResources").cloned().unwrap_or_else(empty_object), notes, extra)
        }
    };
    Some(Coordination { version, last_updated: rfc3339(at), current_work: work, shared_resources, notes, extra })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::id::Epoch;
    use crate::model::task::{Claim, HistoryEntry};
    use serde_json::json;

    const AT: Millis = Millis(1_795_230_851_000);

    /// Returns a task of vault: claimed by scout at 5000 while in progress, made by hand otherwise.
    pub(in crate::model::locks) fn task(status: &str, id: &str, files: &[&str]) -> Task {
        let mut task: Task = serde_json::from_value(json!({
            "id": id, "title": "t", "status": status, "priority": "high", "assigned": "vault", "files": files,
            "createdAt": 1000, "updatedAt": 9000, "chat": [],
        }))
        .expect("a task");
        if task.status == Status::InProgress {
            let agent = AgentName::new("scout").expect("a name");
            task.claim = Some(Claim { agent, epoch: Epoch(1), at: Millis(5000), started_at: None, lease_seconds: 900 });
        }
        task
    }

    fn entered(state: Status, at: i64) -> HistoryEntry {
        let actor = AgentName::new("scout").expect("a name");
        HistoryEntry { state, timestamp: Millis(at), actor, trigger: None, op: None, reason: None, completion: None }
    }

    fn read(text: &str) -> LocksFile {
        LocksFile::read(Some(text.as_bytes()))
    }

    fn work_of(tasks: &[Task]) -> IndexMap<TaskId, Arc<Work>> {
        derive(tasks.iter())
    }

    #[test]
    fn locks_follow_from_the_tasks_in_the_order_of_their_ids() {
        let mut review = task("review", "t-2", &["src\\a", "./b/"]);
        review.state_history = vec![entered(Status::InProgress, 2000), entered(Status::Review, 3000)];
        let mut by_hand = task("in-progress", "t-4", &["c"]);
        by_hand.claim = None;
        let tasks = [
            task("in-progress", "t-9", &["d"]),
            by_hand,
            review,
            task("blocked", "t-3", &["e"]),
            task("in-progress", "t-0", &[]),
            task("backlog", "t-5", &["f"]),
            task("ready", "t-6", &["f"]),
            task("completed", "t-7", &["f"]),
            task("archived", "t-8", &["f"]),
        ];
        assert_eq!(
            serde_json::to_string(&work_of(&tasks)).expect("it is plain"),
            concat!(
                r#"{"t-2":{"taskId":"t-2","files":["src\\a","./b/"],"agent":"vault","since":2000,"mode":"advisory"},"#,
                r#""t-3":{"taskId":"t-3","files":["e"],"agent":"vault","since":9000,"mode":"advisory"},"#,
                r#""t-4":{"taskId":"t-4","files":["c"],"agent":"vault","since":9000,"mode":"hard"},"#,
                r#""t-9":{"taskId":"t-9","files":["d"],"agent":"scout","since":5000,"mode":"hard"}}"#,
            )
        );
    }

    #[test]
    fn the_statuses_that_lock_are_those_that_hold_locks() {
        for &status in Status::ALL {
            assert_eq!(mode_of(status).is_some(), status.holds_locks(), "{status}");
        }
    }

    #[test]
    fn a_new_file_has_every_key_in_its_order() {
        let file = updated(&LocksFile::Absent, work_of(&[task("in-progress", "t-1", &["src"])]), AT).expect("locks");
        let text = r#"{
  "version": "1.0",
  "lastUpdated": "2026-11-21T03:14:11.000Z",
  "currentWork": {
    "t-1": {
      "taskId": "t-1",
      "files": [
        "src"
      ],
      "agent": "scout",
      "since": 5000,
      "mode": "hard"
    }
  },
  "sharedResources": {},
  "notes": ""
}
"#;
        assert_eq!(file.to_text(), text);
        assert_eq!(read(text), LocksFile::Ours(file));
    }

    #[test]
    fn unchanged_locks_leave_the_file_untouched() {
        let work = work_of(&[task("in-progress", "t-1", &["src"])]);
        let old = LocksFile::Ours(updated(&LocksFile::Absent, work.clone(), AT).expect("locks"));
        assert_eq!(updated(&old, work, Millis(0)), None);
        assert_eq!(updated(&LocksFile::Absent, IndexMap::default(), AT), None);
        // The last lock is gone: the file stays, without it.
        assert!(updated(&old, IndexMap::default(), AT).is_some_and(|file| file.current_work.is_empty()));
    }

    #[test]
    fn a_file_written_by_another_tool_in_the_same_format_is_read_and_what_is_not_ours_is_kept() {
        let old = read(
            r#"{"x-first": [1], "notes": "ask before you touch the schema", "version": "1.0",
                "currentWork": {"t-1": {"taskId": "t-1", "files": ["src"], "since": 5000, "agent": "Scout", "pid": 4}},
                "sharedResources": {"port": 8080, "db": {"by": "vault"}}, "lastUpdated": "2026-01-01T00:00:00.000Z",
                "x-last": null}"#,
        );
        // Its writer knows one kind of lock and spells the agent differently: the same locks.
        assert_eq!(updated(&old, work_of(&[task("in-progress", "t-1", &["src"])]), AT), None);
        let new = updated(&old, IndexMap::default(), AT).expect("a lock is gone");
        assert_eq!(
            serde_json::to_string(&new).expect("it is plain"),
            concat!(
                r#"{"version":"1.0","lastUpdated":"2026-11-21T03:14:11.000Z","currentWork":{},"#,
                r#""sharedResources":{"port":8080,"db":{"by":"vault"}},"notes":"ask before you touch the schema","#,
                r#""x-first":[1],"x-last":null}"#,
            )
        );
    }

    #[test]
    fn a_file_of_another_tool_is_recognised_and_left_alone() {
        for (text, looks_like) in [
            (
                r#"{"agents": {}, "tasks": [], "file_locks": {}, "completed": [], "remaining": []}"#,
                "a list of agents, tasks and file locks",
            ),
            (r#"{"version": "1.0", "agents": [], "tasks": []}"#, "a list of agents, tasks and file locks"),
            (r#"[{"severity": "high", "branch": "x", "worktree": "y", "heartbeat": 1}]"#, "a list of sessions"),
            (r#"{"sessions": [{"branch": "x"}]}"#, "a list of sessions"),
            ("[]", "a list"),
            (r#"{"serverUrl": "https://example.org", "apiKey": "s3cret"}"#, "the address of a server and a key for it"),
            (r#"{"claims": [], "staleAfterMinutes": 30}"#, "a list of claims"),
            (r#"{"s3cret": 1}"#, "an object without the key 'currentWork'"),
            (r#"{"version": "2.0", "currentWork": []}"#, "the locks of a board in a newer format"),
        ] {
            let file = read(text);
            assert_eq!(file, LocksFile::Foreign { looks_like: looks_like.to_owned() }, "{text}");
            assert_eq!(updated(&file, work_of(&[task("in-progress", "t-1", &["src"])]), AT), None, "{text}");
        }
    }

    #[test]
    fn a_file_with_few_keys_or_a_byte_order_mark_is_still_ours() {
        for text in ["{}", r#"{"version": "1.0"}"#, "\u{feff}{\"currentWork\": {}}", r#"{"currentWork":{},"tasks":[]}"#]
        {
            assert!(matches!(read(text), LocksFile::Ours(_)), "{text}");
        }
    }

    #[test]
    fn a_broken_file_is_built_anew_from_what_can_still_be_read() {
        for text in ["", " \n", "{", "null", "\"x\"", "<<<<<<< HEAD\n{}", "\u{0}"] {
            let file = read(text);
            assert!(matches!(file, LocksFile::Broken { .. }), "{text:?}");
            assert!(updated(&file, IndexMap::default(), AT).is_some(), "{text:?}");
        }
        assert!(matches!(LocksFile::read(Some(b"{\"notes\": \"\xFF\"}")), LocksFile::Broken { .. }));
        for current_work in [
            r#"[]"#,
            r#"{"../x": {"taskId": "../x", "files": [], "since": 1}}"#,
            r#"{"t-1": {"taskId": "t-2", "files": [], "since": 1}}"#,
            r#"{"t-1": {"taskId": "t-1", "since": 1}}"#,
        ] {
            let text =
                format!(r#"{{"currentWork": {current_work}, "sharedResources": {{"a": 1}}, "notes": 7, "x": 2}}"#);
            let file = read(&text);
            assert!(matches!(file, LocksFile::Broken { .. }), "{text}");
            let new = updated(&file, IndexMap::default(), AT).expect("built anew");
            assert_eq!((new.shared_resources, new.notes.as_str()), (json!({"a": 1}), "7"));
            assert_eq!(new.extra, IndexMap::from_iter([("x".to_owned(), json!(2))]));
        }
    }
}
