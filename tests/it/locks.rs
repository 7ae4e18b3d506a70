//! Path locks: the file that shows them, what conflicts with what, and when they end.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, ids};

const LOCKS: &str = ".claude/coordination.json";
const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

fn two_tasks(first: Value, second: Value) -> (Room, Checkout) {
    let room =
        Room::with_tasks(&[hand_task("t-1", json!({"files": first})), hand_task("t-2", json!({"files": second}))]);
    let clone = room.clone_as("scout");
    (room, clone)
}

#[test]
fn a_claim_writes_the_lock_in_its_own_commit_and_a_completion_removes_it_in_its_own() {
    let (room, clone) = two_tasks(json!(["src/a", "docs/a.md"]), json!([]));
    let answer = clone.ok("claim t-1 --agent scout");
    let claim = answer["receipt"]["commit"].as_str().unwrap();
    let touched = room.git(&format!("show --name-only --format= {claim}"));
    assert_eq!(touched.lines().collect::<Vec<_>>(), [LOCKS, "squad/tasks/json/t-1.json"]);
    assert_eq!(answer["locks"].as_array().map(Vec::len), Some(2), "{answer}");

    let locks = room.locks();
    assert_eq!(locks["version"], "1.0");
    assert!(locks["lastUpdated"].as_str().is_some_and(|at| at.ends_with('Z') && at.contains('T')), "{locks}");
    assert!(locks["sharedResources"].is_object(), "{locks}");
    assert!(locks["notes"].is_string(), "{locks}");
    let entry = &locks["currentWork"]["t-1"];
    assert_eq!(entry["taskId"], "t-1");
    assert_eq!(entry["files"], json!(["src/a", "docs/a.md"]));
    assert_eq!(entry["agent"], "scout");
    assert_eq!(entry["since"], room.task("t-1")["claim"]["at"]);
    assert_eq!(entry["mode"], "hard");

    let answer = clone.ok(&format!("complete t-1 --agent scout {HAND_IN}"));
    let done = answer["receipt"]["commit"].as_str().unwrap();
    assert_eq!(
        room.git(&format!("show --name-only --format= {done}")).lines().collect::<Vec<_>>(),
        [LOCKS, "squad/tasks/json/t-1.json"]
    );
    assert_eq!(room.locks()["currentWork"], json!({}));
    clone.ok("check");
}

#[test]
fn a_block_and_a_review_leave_the_lock_as_advice() {
    let (room, clone) = two_tasks(json!(["src/a"]), json!(["src/a/b.rs"]));
    clone.ok("claim t-1 --agent scout");
    clone.ok("block t-1 --agent scout --kind external --reason wait --retry-after 2h");
    assert_eq!(room.locks()["currentWork"]["t-1"]["mode"], "advisory");
    let claimed = clone.ok("claim t-2 --agent aria");
    assert_eq!(claimed["task"]["status"], "in-progress", "advice is in nobody's way");
    assert_eq!(room.locks()["currentWork"]["t-2"]["mode"], "hard");
    clone.ok(&format!("submit t-2 --agent aria {HAND_IN}"));
    assert_eq!(room.locks()["currentWork"]["t-2"]["mode"], "advisory");
}

#[test]
fn unblocking_onto_a_path_that_was_taken_meanwhile_stays_blocked_as_a_conflict() {
    let (room, clone) = two_tasks(json!(["src/a"]), json!(["src/a/b.rs"]));
    clone.ok("claim t-1 --agent scout");
    clone.ok("block t-1 --agent scout --kind human --reason r --need n --question q --option a --option b");
    clone.ok("claim t-2 --agent aria");
    let ran = clone.json("unblock t-1 --comment 'a' --agent knox").0;
    let task = room.task("t-1");
    assert_eq!(task["status"], "blocked", "{ran}");
    match ran.code {
        0 => assert_eq!(task["block"]["kind"], "conflict", "{ran}"),
        code => assert_eq!(code, 7, "{ran}"),
    }
}

#[test]
fn overlapping_paths_conflict_and_mere_prefixes_of_names_do_not() {
    for (held, wanted, conflict) in [
        ("src/a", "src/a/b.rs", true),
        ("src/a/b.rs", "src/a", true),
        ("src/a", "src/ab", false),
        ("src/a.rs", "src/a.rs", true),
        ("./src//a/", "src/a", true),
        ("src\\a", "src/a/b.rs", true),
        ("src/*.rs", "src/main.rs", true),
        ("src/*.rs", "src/deep/main.rs", false),
        ("src/**/*.rs", "src/deep/main.rs", true),
        ("src/**", "docs/a.md", false),
        ("src/*.rs", "src/m*", true),
        ("src/*.rs", "src/*.md", false),
        ("src/Main.rs", "src/main.rs", false),
    ] {
        let (_room, clone) = two_tasks(json!([held]), json!([wanted]));
        clone.ok("claim t-1 --agent scout");
        let code = clone.json("claim t-2 --agent aria").0.code;
        assert_eq!(code, if conflict { 7 } else { 0 }, "{held} against {wanted}");
    }
}

#[test]
fn a_refusal_names_how_to_ask_the_holder_and_that_asks_on_both_tasks_at_once() {
    let (room, clone) = two_tasks(json!(["src/a"]), json!(["src/a"]));
    clone.ok("claim t-1 --agent scout");
    let error = clone.refused("claim t-2 --agent aria", 7, "path-locked");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("squad comment t-2 \"@scout …\" --also t-1"), "{error}");

    let before = room.head();
    let refs = room.refs();
    clone.refused("comment t-2 '@scout may I?' --also nope --agent aria", 3, "not-found");
    clone.ok("comment t-2 '@scout may I?' --also t-1 --agent aria --dry-run");
    assert_eq!(room.refs(), refs, "on both or on none");
    let answer = clone.ok("comment t-2 '@scout may I?' --also t-1 --also t-2 --agent aria");
    let commits = room.commits_since(&before);
    assert_eq!(commits.len(), 1, "{commits:#?}");
    assert_eq!(answer["receipt"]["commit"], commits[0].oid.as_str());
    for id in ["t-1", "t-2"] {
        let task = room.task(id);
        assert_eq!(task["chat"].as_array().map(Vec::len), Some(1), "{task}");
        assert_eq!(
            (&task["chat"][0]["author"], &task["chat"][0]["content"]),
            (&json!("aria"), &json!("@scout may I?"))
        );
        assert!(!clone.ok(&format!("log {id}"))["receipts"].as_array().unwrap().is_empty());
        assert_eq!(clone.ok(&format!("log {id}"))["receipts"][0]["commit"], commits[0].oid.as_str(), "{id}");
    }
    let asked = clone.ok("scan --agent scout --fresh");
    let mentioned: Vec<_> = asked["mentions"].as_array().unwrap().iter().map(|m| m["task"].clone()).collect();
    assert_eq!(mentioned.len(), 2, "{asked}");
    assert_eq!(clone.ok("audit")["violations"], json!([]));
    clone.git("pull --quiet");
    assert_eq!(clone.ok(&format!("review {before}..HEAD"))["verdict"], "pass");
}

#[test]
fn where_case_does_not_count_the_board_says_so() {
    let (room, clone) = two_tasks(json!(["src/Main.rs"]), json!(["SRC/main.rs"]));
    room.configure(|config| config["locks"] = json!({"ignoreCase": true}));
    clone.ok("claim t-1 --agent scout");
    clone.refused("claim t-2 --agent aria", 7, "path-locked");
}

#[test]
fn files_added_during_the_work_are_locked_and_conflict_like_the_first() {
    let (room, clone) = two_tasks(json!(["src/a"]), json!(["src/b"]));
    clone.ok("claim t-1 --agent scout");
    clone.ok("claim t-2 --agent aria");
    clone.ok("files add t-1 src/c src/d --agent scout");
    assert_eq!(room.locks()["currentWork"]["t-1"]["files"], json!(["src/a", "src/c", "src/d"]));
    clone.refused("files add t-2 src/c/x.rs --agent aria", 7, "path-locked");
    clone.ok("files remove t-1 src/c --agent scout");
    clone.ok("files add t-2 src/c/x.rs --agent aria");
    clone.ok("check");
}

#[test]
fn a_policy_of_warn_lets_a_claim_through_and_off_asks_nothing() {
    for policy in ["warn", "off"] {
        let (room, clone) = two_tasks(json!(["src/a"]), json!(["src/a"]));
        room.configure(|config| config["policy"] = json!({"locks": policy}));
        clone.ok("claim t-1 --agent scout");
        clone.ok("claim t-2 --agent aria");
    }
}

#[test]
fn what_other_programs_keep_in_the_file_stays() {
    let (room, clone) = two_tasks(json!(["src/a"]), json!([]));
    let mut locks = room.file(LOCKS).map_or_else(
        || json!({"version": "1.0", "lastUpdated": "2026-02-01T00:00:00.000Z", "currentWork": {}, "sharedResources": {}, "notes": ""}),
        |text| serde_json::from_str(&text).unwrap(),
    );
    locks["sharedResources"] = json!({"port 8080": {"agent": "aria"}});
    locks["notes"] = json!("ask before you touch the port");
    locks["custom"] = json!({"kept": true});
    room.put(&[(LOCKS, Some(serde_json::to_string_pretty(&locks).unwrap() + "\n"))]);
    clone.ok("claim t-1 --agent scout");
    let after = room.locks();
    for key in ["sharedResources", "notes", "custom", "version"] {
        assert_eq!(after[key], locks[key], "{key}");
    }
    assert_eq!(after["currentWork"]["t-1"]["agent"], "scout");
}

#[test]
fn a_file_of_another_dialect_is_left_byte_for_byte_and_locks_hold_all_the_same() {
    for foreign in [
        "{\"agents\": {\"x\": {}}, \"tasks\": [], \"file_locks\": {\"src/a\": \"x\"}, \"completed\": [], \"remaining\": []}",
        "[{\"session\": \"x\", \"severity\": 1, \"branch\": \"b\", \"worktree\": \"w\", \"heartbeat\": 1}]\n",
    ] {
        let (room, clone) = two_tasks(json!(["src/a"]), json!(["src/a"]));
        room.put(&[(LOCKS, Some(foreign))]);
        clone.ok("claim t-1 --agent scout");
        assert_eq!(room.file(LOCKS).as_deref(), Some(foreign));
        clone.refused("claim t-2 --agent aria", 7, "path-locked");
    }
}

#[test]
fn lock_check_answers_for_paths_and_lock_list_shows_all() {
    let (_room, clone) = two_tasks(json!(["src/a"]), json!(["docs"]));
    clone.ok("claim t-1 --agent scout");
    clone.ok("claim t-2 --agent aria");
    let ran = clone.json("lock check src/a/b.rs src/ab README.md --agent vault").0;
    assert!(matches!(ran.code, 0 | 7), "{ran}");
    let answer = ran.json();
    let conflicts =
        [&answer["conflicts"], &answer["error"]["conflicts"]].into_iter().find_map(Value::as_array).unwrap();
    assert_eq!(conflicts.len(), 1, "{ran}");
    assert_eq!(conflicts[0]["path"], "src/a/b.rs");
    assert_eq!(conflicts[0]["task"], "t-1");
    assert_eq!(conflicts[0]["agent"], "scout");
    assert!(!conflicts[0]["since"].is_null() && !conflicts[0]["lock"].is_null(), "{ran}");

    let own = clone.ok("lock check src/a/b.rs --agent scout");
    assert_eq!(own["conflicts"], json!([]), "one's own lock is in nobody's way");
    assert_eq!(ids(&clone.ok("lock list")["locks"]), ["t-1", "t-2"]);
}

#[test]
fn check_finds_a_locks_file_that_does_not_say_what_the_tasks_say() {
    let (room, clone) = two_tasks(json!(["src/a"]), json!([]));
    clone.ok("claim t-1 --agent scout");
    clone.ok("check");
    let mut locks = room.locks();
    locks["currentWork"] = json!({});
    room.put(&[(LOCKS, Some(serde_json::to_string_pretty(&locks).unwrap() + "\n"))]);
    let ran = clone.json("check").exits(4);
    assert!(crate::kit::violations(&ran.json()).iter().any(|violation| violation["file"] == LOCKS), "{ran}");
}

#[test]
fn a_task_without_files_leaves_the_locks_file_untouched() {
    let (room, clone) = two_tasks(json!([]), json!([]));
    let answer = clone.ok("claim t-1 --agent scout");
    let commit = answer["receipt"]["commit"].as_str().unwrap();
    assert_eq!(room.git(&format!("show --name-only --format= {commit}")), "squad/tasks/json/t-1.json");
}
