//! `import`: a whole board of another kind, in one file, becomes tasks of this one.

use serde_json::json;

use crate::kit::{Checkout, Room, ids, race, strings, violations};

/// A board as a server for several agents has written it.
const PLURAL: &str = r#"[
  {"id": "t-1", "title": "Write the post", "description": "A long one.", "status": "inbox",
   "assignee_ids": ["scout", "aria"], "priority": "high", "created_at": "2026-02-03T10:00:00Z",
   "updated_at": "2026-02-04T10:00:00Z", "due_date": "2030-12-24", "tags": ["blog"]},
  {"id": "t-2", "title": "Mend the lamp", "status": "in_progress", "assignee_ids": ["scout"], "priority": "urgent"},
  {"id": "t-3", "title": "Ask the vendor", "status": "blocked", "assignee_ids": ["aria"], "last_error": "no answer in 30 s",
   "retry_count": 3},
  {"id": "t-4", "title": "Paint the door", "status": "done", "assignee_ids": ["aria"], "result": "the door is red",
   "completed_at": "2026-02-05T00:00:00Z", "created_at": "2026-02-01T00:00:00Z"},
  {"id": "t-5", "title": "Show the plan", "status": "review", "assignee_ids": ["scout"], "depends_on": ["t-4"]}
]"#;

/// A board as a control loop with lanes keeps it.
const LANES: &str = r#"{
  "version": 12, "updated_by": "bot", "lanes": {"bot_queue": ["mc-1"], "human": ["mc-2"], "trash": ["mc-4"]},
  "tasks": {
    "mc-1": {"title": "Count the lamps", "status": "NEW"},
    "mc-2": {"title": "Choose a colour", "status": "WAITING_HUMAN", "question": "Which?", "options": ["red", "blue"], "needs": ["a colour"]},
    "mc-3": {"title": "Wait for paint", "status": "WAITING_EXTERNAL"},
    "mc-4": {"title": "Paint the roof", "status": "trash"},
    "mc-5": {"title": "Order paint", "status": "FAILED", "error": "out of stock"}
  }
}"#;

fn board_with(files: &[(&str, &str)]) -> (Room, Checkout) {
    let room = Room::board();
    let clone = room.clone_as("olga");
    files.iter().for_each(|(name, text)| clone.write(name, text));
    (room, clone)
}

fn statuses(clone: &Checkout) -> Vec<(String, String)> {
    let tasks = clone.ok("list --all")["tasks"].clone();
    let of = |task: &serde_json::Value, key: &str| task[key].as_str().unwrap().to_owned();
    let mut all: Vec<_> = tasks.as_array().unwrap().iter().map(|task| (of(task, "id"), of(task, "status"))).collect();
    all.sort();
    all
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, status)| ((*id).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn an_array_of_tasks_becomes_one_file_each_in_one_commit_with_its_status() {
    let (room, clone) = board_with(&[("plural.json", PLURAL)]);
    let before = room.head();
    let answer = clone.ok("import plural.json");
    assert_eq!(ids(&answer["tasks"]).len(), 5, "{answer}");
    assert_eq!(room.commits_since(&before).len(), 1);
    let files = room.git("ls-tree --name-only main squad/tasks/json/");
    assert_eq!(files.lines().count(), 5, "{files}");
    let expected =
        [("t-1", "backlog"), ("t-2", "in-progress"), ("t-3", "blocked"), ("t-4", "completed"), ("t-5", "review")];
    // Another clone sees it, and every gate accepts what is there.
    let other = room.clone_as("scout");
    assert_eq!(statuses(&other), pairs(&expected));
    assert_eq!(room.task("t-2")["claim"]["agent"], "scout");
    assert_eq!(room.task("t-3")["block"]["kind"], "failure");
    assert_eq!(room.task("t-4")["completedAt"], 1_770_249_600_000_i64);
    assert_eq!(room.task("t-1")["createdAt"], 1_770_112_800_000_i64);
    assert_eq!(room.task("t-1")["imported"]["fields"], json!({"updated_at": "2026-02-04T10:00:00Z"}));
    other.ok("audit");
    other.ok("check");
    other.ok(&format!("review {before}..origin/main"));
    // It is scout's to go on with, under the claim that the import has made.
    let answer = other.ok("complete t-2 --agent scout --deliverable x --summary y --evidence url:https://example.test");
    assert_eq!(answer["task"]["status"], "completed");
}

#[test]
fn a_board_with_lanes_becomes_tasks_by_their_ids() {
    let (_room, clone) = board_with(&[("lanes.json", LANES)]);
    let answer = clone.ok("import lanes.json");
    assert_eq!(strings(&answer["left"]), ["version", "updated_by", "lanes"]);
    let expected =
        [("mc-1", "backlog"), ("mc-2", "blocked"), ("mc-3", "blocked"), ("mc-4", "archived"), ("mc-5", "blocked")];
    assert_eq!(statuses(&clone), pairs(&expected));
    let asked = clone.ok("show mc-2")["task"]["block"].clone();
    assert_eq!(
        asked,
        json!({"kind": "human", "needs": ["a colour"], "question": "Which?", "options": ["red", "blue"]})
    );
    assert_eq!(clone.ok("show mc-5")["task"]["lastError"]["message"], "out of stock");
    let found = violations(&clone.ok("check"));
    assert!(found.iter().all(|violation| violation["severity"] != "error"), "{found:?}");
}

#[test]
fn of_two_assignees_the_first_has_the_task_the_other_takes_part_and_everybody_is_told() {
    let (room, clone) = board_with(&[("plural.json", PLURAL)]);
    let text = clone.squad("import plural.json").ok().stdout;
    let note = "several were assigned: here it is scout's, with aria taking part";
    assert!(text.contains(&format!("t-1: {note}")), "{text}");
    assert!(text.contains("imported 5 tasks: 1 blocked, 1 in-progress, 1 review, 1 backlog, 1 completed"), "{text}");
    let task = room.task("t-1");
    assert_eq!((&task["assigned"], &task["participants"]), (&json!("scout"), &json!(["aria"])));
    assert_eq!(task["imported"]["note"], note);
    let shown = clone.squad("show t-1").ok().stdout;
    assert!(shown.contains(&format!("imported: {note}")), "{shown}");
    // Nobody is asked anything by it.
    assert_eq!(clone.ok("scan --agent aria")["mentions"], json!([]));
    // What the board never uses stays as it is through every later change.
    clone.ok("comment t-1 hello");
    assert_eq!(room.task("t-1")["imported"], task["imported"]);
}

#[test]
fn what_only_the_user_can_decide_is_told_at_once_and_changes_nothing() {
    let (room, clone) = board_with(&[]);
    let before = room.refs();
    clone.write(
        "own.json",
        r#"[{"id": "a", "title": "a", "status": "wip", "assignee_ids": ["turing"]},
            {"id": "b", "title": "b", "status": "wip", "assignee_ids": ["two words"]}]"#,
    );
    let failure = clone.refused("import own.json", 4, "invalid");
    assert_eq!(failure["pointer"], "/0/status", "{failure}");
    assert_eq!(failure["problems"].as_array().map(Vec::len), Some(3), "{failure}");
    let text = clone.squad("import own.json").exits(4).stderr.clone();
    assert!(text.contains("\"wip\" means is not known (2 times)") && text.contains("--status"), "{text}");
    let line = "import own.json --status wip=working --as 'two words='";
    let failure = clone.refused(line, 4, "invalid");
    assert!(failure["message"].as_str().unwrap().contains("not in the roster: turing"), "{failure}");
    assert!(failure["hint"].as_str().unwrap().contains("squad agents add turing"), "{failure}");
    assert_eq!(room.refs(), before);
    let answer = clone.ok(&format!("{line} --as turing=Scout"));
    assert_eq!(answer["tasks"], json!([{"id": "a", "status": "in-progress"}, {"id": "b", "status": "backlog"}]));
    assert_eq!(room.task("a")["assigned"], "scout");
}

#[test]
fn a_family_of_words_can_be_named_and_a_wrong_one_is_refused() {
    let (room, clone) = board_with(&[("q.json", r#"[{"id": "q", "title": "q", "status": "pending_user_review"}]"#)]);
    clone.refused("import q.json --vocab lanes", 4, "invalid");
    clone.refused("import q.json --vocab nope", 4, "invalid");
    clone.refused("import q.json --status wip", 4, "invalid");
    clone.ok("import q.json --vocab queue");
    assert_eq!(room.task("q")["status"], "review");
}

#[test]
fn two_who_import_the_same_file_at_once_bring_each_task_once() {
    let (room, _) = board_with(&[]);
    let before = room.head();
    let clones = ["one", "two", "three"].map(|name| {
        let clone = room.clone_as(name);
        clone.write("plural.json", PLURAL);
        clone
    });
    let answers = race(3, |nth| clones[nth].ok("import plural.json --agent olga"));
    let made: usize = answers.iter().map(|answer| answer["tasks"].as_array().unwrap().len()).sum();
    assert_eq!(made, 5, "{answers:?}");
    let told = answers.iter().filter(|answer| answer["unchanged"].is_string()).count();
    assert_eq!((told, room.commits_since(&before).len()), (2, 1), "{answers:?}");
    clones[0].ok("sync");
    clones[0].ok("audit");
}

#[test]
fn files_that_are_no_boards_are_refused_by_their_place() {
    let (room, clone) = board_with(&[]);
    let before = room.refs();
    for (text, pointer) in [
        ("", ""),
        ("{\"tasks\": 7}", "/tasks"),
        ("[1]", "/0"),
        ("[{\"title\": \"a\", \"title\": \"b\"}]", "/0/title"),
        ("{\"lanes\": {}}", ""),
    ] {
        clone.write("bad.json", text);
        assert_eq!(clone.refused("import bad.json", 4, "invalid")["pointer"], pointer, "{text}");
    }
    clone.refused("import nothing.json", 3, "not-found");
    assert_eq!(room.refs(), before);
    // Text that would move a cursor becomes text that does not; a byte order mark is no fault of the tasks.
    let hostile =
        json!([{"id": "h", "title": "a\u{1b}[2Jb\u{202e}c", "description": "x\u{7}\r\ny", "x\u{1b}": "\u{1b}[31m"}]);
    let ran = clone.squad_with(&["import", "-"], format!("\u{feff}{hostile}").as_bytes(), &[]).ok();
    assert!(!ran.stdout.contains('\u{1b}'), "{ran}");
    let task = room.task("h");
    assert_eq!((&task["title"], &task["description"]), (&json!("a [2Jb c"), &json!("x\ny")));
    assert!(!clone.squad("show h").ok().stdout.contains('\u{1b}'));
}

#[test]
fn work_that_was_done_elsewhere_is_a_managers_to_bring() {
    let (room, clone) = board_with(&[("plural.json", PLURAL)]);
    let before = room.refs();
    let refusal = clone.refused("import plural.json --agent scout", 9, "not-permitted");
    assert!(refusal["message"].as_str().unwrap().contains("import"), "{refusal}");
    assert_eq!(room.refs(), before);
    clone.write("inbox.json", r#"[{"id": "i", "title": "i", "status": "inbox"}]"#);
    clone.ok("import inbox.json --agent scout");
}
