//! Merges of tasks and locks: one table of cases, and the laws for whatever two sides do.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::config::{Agent, BoardConfig};
use crate::model::id::{AgentName, Millis, OpId, TaskId};
use crate::model::operation::{Action, Basis, FieldChange, HandIn, Operation};
use crate::model::ordered::IndexMap;
use crate::model::requirement::Findings;
use crate::model::task::{Block, EvidenceBody};
use crate::model::transition::{Authority, authorize};
use crate::model::vocabulary::{AgentKind, Cause, Domain, Gate, Priority, Role, SubtaskStatus};
use crate::schema::render_task;

const PATH: &str = "squad/tasks/json/t-1.json";

fn live() -> FileRole {
    FileRole::Live { stem: "t-1".to_owned() }
}

/// Returns a task with these fields laid over the fewest that it can have; `null` takes one out.
fn file(fields: Value) -> Vec<u8> {
    let mut task = json!({
        "id": "t-1", "title": "Work", "status": "backlog", "priority": "medium", "createdAt": 1, "updatedAt": 10, "chat": [],
    });
    over(&mut task, fields);
    (serde_json::to_string_pretty(&task).expect("JSON") + "\n").into_bytes()
}

fn over(task: &mut Value, fields: Value) {
    let (Value::Object(members), Value::Object(fields)) = (task, fields) else { panic!("objects") };
    for (key, value) in fields {
        if value.is_null() { drop(members.shift_remove(&key)) } else { drop(members.insert(key, value)) }
    }
}

fn tried(base: Option<&[u8]>, ours: &[u8], theirs: &[u8]) -> Result<Merged, Unmergeable> {
    merge(PATH, &live(), base, ours, theirs)
}

/// Merges, and returns the document and what was lost.
#[track_caller]
fn both(base: &[u8], ours: &[u8], theirs: &[u8]) -> (Value, Vec<String>) {
    let merged = tried(Some(base), ours, theirs).unwrap_or_else(|why| panic!("{why}"));
    let lost = merged.lost.iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&merged.bytes).expect("JSON"), lost)
}

/// Merges in both ways, and returns the document, which is the same, when nothing was lost.
#[track_caller]
fn whole(base: &[u8], ours: &[u8], theirs: &[u8]) -> Value {
    let ((one, lost), (other, _)) = (both(base, ours, theirs), both(base, theirs, ours));
    assert_eq!(one, other, "whichever side is called ours");
    assert_eq!(lost, Vec::<String>::new());
    one
}

fn message(id: &str, at: i64) -> Value {
    json!({"id": id, "author": "scout", "content": format!("says {id}"), "timestamp": at})
}

fn entry(state: &str, at: i64, actor: &str, trigger: &str) -> Value {
    json!({"state": state, "timestamp": at, "actor": actor, "trigger": trigger})
}

fn claim(agent: &str, epoch: u64, at: i64) -> Value {
    json!({"agent": agent, "epoch": epoch, "at": at, "leaseSeconds": 900})
}

#[test]
fn different_fields_are_both_taken_and_everything_else_stays_as_ours_spells_it() {
    let base = file(json!({"x-own": {"n": 1.50, "z": 1}, "tags": ["a"]}));
    let ours = file(json!({"x-own": {"n": 1.50, "z": 2}, "tags": ["a"], "title": "Other", "updatedAt": 20}));
    let theirs = file(json!({"x-own": {"n": 1.50, "z": 1, "new": []}, "priority": "high", "updatedAt": 30, "due": 5}));
    let (merged, lost) = both(&base, &ours, &theirs);
    let wanted = file(
        json!({"x-own": {"n": 1.50, "z": 2, "new": []}, "title": "Other", "priority": "high", "updatedAt": 30, "due": 5}),
    );
    assert_eq!(merged, serde_json::from_slice::<Value>(&wanted).expect("JSON"));
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn a_field_that_both_changed_is_that_of_the_later_side_and_the_other_is_told() {
    let base = file(json!({}));
    let ours = file(json!({"title": "One", "updatedAt": 20}));
    let theirs = file(json!({"title": "Two", "updatedAt": 30}));
    assert_eq!(both(&base, &ours, &theirs).1, ["/title of ours was \"One\"; it is \"Two\" now"]);
    assert_eq!(both(&base, &theirs, &ours).1, ["/title of theirs was \"One\"; it is \"Two\" now"]);
    assert_eq!(both(&base, &ours, &theirs).0, both(&base, &theirs, &ours).0);
    // At the same time, the one whose text is the greater.
    let theirs = file(json!({"title": "Two", "updatedAt": 20}));
    assert_eq!(both(&base, &ours, &theirs).0["title"], "Two");
    assert_eq!(both(&base, &theirs, &ours).0["title"], "Two");
}

#[test]
fn messages_of_both_are_kept_in_the_order_of_time() {
    let base = file(json!({"chat": [message("a", 1)]}));
    let ours = file(json!({"chat": [message("a", 1), message("c", 30)], "updatedAt": 30}));
    let theirs = file(json!({"chat": [message("a", 1), message("b", 20), message("d", 40)], "updatedAt": 40}));
    let merged = whole(&base, &ours, &theirs);
    let ids: Vec<_> = merged["chat"].as_array().expect("a list").iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
    // Nobody takes a message back.
    let without = file(json!({"chat": [], "title": "Silent", "updatedAt": 50}));
    assert_eq!(both(&base, &without, &theirs).0["chat"].as_array().expect("a list").len(), 3);
}

#[test]
fn a_message_that_one_edits_is_edited_and_of_one_that_both_edit_both_are_kept() {
    let edited = |text: &str| json!({"id": "a", "author": "scout", "content": text, "timestamp": 1});
    let base = file(json!({"chat": [message("a", 1)]}));
    let ours = file(json!({"chat": [edited("x")], "updatedAt": 20}));
    let theirs = file(json!({"title": "Other", "chat": [message("a", 1)], "updatedAt": 30}));
    assert_eq!(whole(&base, &ours, &theirs)["chat"], json!([edited("x")]));
    let theirs = file(json!({"chat": [edited("y")], "updatedAt": 30}));
    assert_eq!(whole(&base, &ours, &theirs)["chat"], json!([edited("x"), edited("y")]));
}

#[test]
fn lists_of_texts_are_merged_as_sets() {
    let base = file(json!({"tags": ["a", "b", "c"], "files": ["x"], "effects": ["send"]}));
    let ours = file(json!({"tags": ["a", "c", "o"], "files": [], "effects": ["send", "browser"], "updatedAt": 20}));
    let theirs = file(json!({"tags": ["b", "t", "a"], "files": ["x", "y"], "effects": null, "updatedAt": 30}));
    let (merged, lost) = both(&base, &ours, &theirs);
    assert_eq!((&merged["tags"], &merged["files"]), (&json!(["a", "o", "t"]), &json!(["y"])));
    // What is unknown is no empty list.
    assert_eq!((merged.get("effects"), lost.len()), (None, 1), "{lost:?}");
    assert_eq!(both(&base, &theirs, &ours).0, merged);
}

#[test]
fn subtasks_are_merged_by_their_ids_and_fields() {
    let sub = |id: &str, status: &str| json!({"id": id, "title": id, "status": status});
    let base = file(json!({"subtasks": [sub("a", "backlog"), sub("b", "backlog"), sub("c", "backlog")]}));
    let ours =
        file(json!({"subtasks": [sub("a", "active"), sub("b", "backlog"), sub("o", "backlog")], "updatedAt": 20}));
    let mut given = sub("a", "backlog");
    given["assigned"] = json!("aria");
    let theirs = file(json!({"subtasks": [given.clone(), sub("c", "backlog"), sub("t", "backlog")], "updatedAt": 30}));
    given["status"] = json!("active");
    let merged = whole(&base, &ours, &theirs);
    assert_eq!(merged["subtasks"], json!([given, sub("o", "backlog"), sub("t", "backlog")]));
}

#[test]
fn moves_that_are_legal_one_after_the_other_are_both_made() {
    let held = json!({"status": "in-progress", "assigned": "scout", "claim": claim("scout", 1, 5), "epoch": 1});
    let base = file(held.clone());
    let begun = entry("in-progress", 5, "scout", "claim");
    let with = |more: Value| {
        let mut all = held.clone();
        all["stateHistory"] = json!([begun]);
        over(&mut all, more);
        file(all)
    };
    // The later in the way of things, though the earlier by the clock: the owner lifts a gate, and the holder hands in.
    let lifted = json!({"authorizedBy": "olga", "gate": "approval", "reason": "r", "timestamp": 50});
    let ours = with(json!({
        "emergencyOverride": lifted, "stateHistory": [begun, entry("in-progress", 50, "olga", "override")], "updatedAt": 50,
    }));
    let theirs = with(json!({
        "status": "review", "claim": null, "epoch": 2, "submittedBy": "scout", "submittedAt": 40, "deliverable": "d",
        "stateHistory": [begun, entry("review", 40, "scout", "submit")], "updatedAt": 40,
    }));
    let merged = whole(&base, &ours, &theirs);
    assert_eq!(merged["status"], "review");
    assert_eq!((merged.get("claim"), &merged["epoch"]), (None, &json!(2)));
    assert_eq!((&merged["emergencyOverride"], &merged["submittedBy"]), (&lifted, &json!("scout")));
    assert_eq!(merged["stateHistory"].as_array().expect("a list").len(), 3);

    // One can follow, the other cannot: the history is in the order of the moves, whatever the clocks say.
    let ours = with(json!({
        "status": "backlog", "claim": null, "epoch": 2, "stateHistory": [begun, entry("backlog", 60, "scout", "release")], "updatedAt": 60,
    }));
    let theirs = with(json!({
        "status": "archived", "claim": null, "epoch": 2, "archivedReason": "cancelled",
        "stateHistory": [begun, entry("archived", 40, "olga", "cancel")], "updatedAt": 40,
    }));
    let path = "squad/tasks/archived/2026-11/t-1.json";
    let role = FileRole::Archived { stem: "t-1".to_owned() };
    let merged = merge(path, &role, Some(&base), &ours, &theirs).expect("merged");
    let document: Value = serde_json::from_slice(&merged.bytes).expect("JSON");
    assert_eq!((&document["status"], &document["epoch"]), (&json!("archived"), &json!(3)), "every rise counts");
    let states: Vec<_> =
        document["stateHistory"].as_array().expect("a list").iter().map(|e| e["state"].clone()).collect();
    assert_eq!(states, ["in-progress", "backlog", "archived"]);
    assert_eq!(merged.lost, []);
    // At the place of a task that is worked on, the result would be in the wrong folder.
    let refused = tried(Some(&base), &ours, &theirs).expect_err("the wrong folder");
    assert!(matches!(&refused, Unmergeable::Breaks { violation } if violation.code == "wrong-folder"), "{refused}");
}

#[test]
fn an_answer_to_a_request_is_no_end_of_a_review() {
    let asked = json!({"by": "olga", "at": 5});
    let request = entry("backlog", 5, "olga", "request-complete");
    let base = file(json!({"assigned": "scout", "completionRequest": asked, "stateHistory": [request]}));
    let answered = |more: Value| {
        let mut fields = json!({
            "assigned": "scout", "stateHistory": [request, entry("backlog", 40, "aria", "reject")], "updatedAt": 40,
        });
        over(&mut fields, more);
        file(fields)
    };
    let ours = file(json!({
        "assigned": "scout", "completionRequest": asked, "status": "in-progress", "claim": claim("scout", 1, 30),
        "epoch": 1, "stateHistory": [request, entry("in-progress", 30, "scout", "claim")], "updatedAt": 30,
    }));
    let merged = whole(&base, &ours, &answered(json!({})));
    assert_eq!((&merged["status"], merged.get("completionRequest")), (&json!("in-progress"), None), "{merged}");
    let states: Vec<_> = merged["stateHistory"].as_array().expect("a list").iter().map(|e| &e["trigger"]).collect();
    assert_eq!(states.len(), 3, "{merged}");

    // A rejection out of a review does not follow another: the second finds no review, and is no answer to a request.
    let handed_in = entry("review", 5, "scout", "submit");
    let review = json!({"status": "review", "assigned": "scout", "submittedBy": "scout", "submittedAt": 5, "epoch": 2});
    let with = |more: Value| {
        let mut fields = review.clone();
        over(&mut fields, more);
        file(fields)
    };
    let back = |by: &str, at: i64| {
        with(json!({
            "status": "in-progress", "claim": claim("scout", 3, at), "epoch": 3, "submittedBy": null, "submittedAt": null,
            "reviewRound": 1, "updatedAt": at,
            "stateHistory": [handed_in, entry("in-progress", at, by, "reject")],
        }))
    };
    let (_, lost) = both(&with(json!({"stateHistory": [handed_in]})), &back("aria", 40), &back("knox", 50));
    assert!(!lost.is_empty(), "one of the two gives way, and that is told");
}

fn claimed(agent: &str, at: i64) -> Vec<u8> {
    file(json!({
        "status": "in-progress", "assigned": agent, "claim": claim(agent, 1, at), "epoch": 1,
        "stateHistory": [entry("in-progress", at, agent, "claim")], "chat": [message(agent, at)], "updatedAt": at,
    }))
}

#[test]
fn of_two_claims_the_one_on_the_board_stays_and_the_other_is_told_with_its_messages_kept() {
    let (base, ours, theirs) = (file(json!({})), claimed("scout", 30), claimed("aria", 20));
    let (merged, lost) = both(&base, &ours, &theirs);
    assert_eq!(merged["claim"]["agent"], "scout");
    assert_eq!(merged["assigned"], "scout");
    assert_eq!((&merged["epoch"], &merged["claim"]["epoch"]), (&json!(2), &json!(2)), "1 was given away twice");
    assert_eq!(merged["stateHistory"], json!([entry("in-progress", 30, "scout", "claim")]));
    assert_eq!(merged["chat"], json!([message("aria", 20), message("scout", 30)]));
    let pointers: Vec<_> = lost.iter().map(|lost| lost.split(" was ").next().expect("a beginning")).collect();
    assert_eq!(pointers, ["/assigned of theirs", "/claim of theirs", "/stateHistory/0 of theirs"]);
    assert_eq!(both(&base, &theirs, &ours).0["claim"]["agent"], "aria");
    // Merged once more, nothing changes.
    let once = tried(Some(&base), &ours, &theirs).expect("merged").bytes;
    assert_eq!(tried(Some(&theirs), &once, &theirs).expect("merged").bytes, once);
}

#[test]
fn a_holder_that_was_overtaken_does_not_come_back_by_a_merge() {
    let held = json!({"status": "in-progress", "assigned": "aria", "claim": claim("aria", 1, 5), "epoch": 1});
    let base = file(held.clone());
    let ours = file(json!({
        "status": "in-progress", "assigned": "scout", "claim": claim("scout", 3, 30), "epoch": 3, "recoveries": 1,
        "stateHistory": [entry("backlog", 20, "knox", "recover"), entry("in-progress", 30, "scout", "claim")], "updatedAt": 30,
    }));
    let theirs = file(json!({
        "status": "review", "assigned": "aria", "epoch": 2, "submittedBy": "aria", "submittedAt": 40, "deliverable": "d",
        "stateHistory": [entry("review", 40, "aria", "submit")], "updatedAt": 40,
    }));
    let (merged, lost) = both(&base, &ours, &theirs);
    assert_eq!((&merged["claim"]["agent"], &merged["status"]), (&json!("scout"), &json!("in-progress")));
    assert_eq!(merged["epoch"], json!(4));
    assert!(lost.iter().any(|lost| lost.starts_with("/status of theirs was \"review\"")), "{lost:?}");
    // Nor behind a move that anybody may make, and nor does who says that another holder has gone.
    let asks = entry("in-progress", 35, "hex", "request-complete");
    let recovers = entry("backlog", 40, "knox", "recover");
    for more in [
        json!({"status": "review", "deliverable": "d", "stateHistory": [asks, entry("review", 40, "aria", "submit")]}),
        json!({"status": "backlog", "stateHistory": [recovers]}),
    ] {
        let mut theirs = json!({"assigned": "aria", "epoch": 2, "updatedAt": 40});
        over(&mut theirs, more);
        let (merged, _) = both(&base, &ours, &file(theirs));
        assert_eq!((&merged["claim"]["agent"], &merged["status"]), (&json!("scout"), &json!("in-progress")));
    }
}

#[test]
fn work_that_began_on_both_sides_began_once() {
    let held = |started: Option<i64>, more: Value| {
        let mut task = json!({"status": "in-progress", "assigned": "scout", "claim": claim("scout", 1, 5), "epoch": 1});
        if let Some(at) = started {
            task["claim"]["startedAt"] = json!(at);
        }
        over(&mut task, more);
        file(task)
    };
    let base = held(None, json!({}));
    let ours = held(Some(20), json!({"chat": [message("o", 20)], "updatedAt": 20}));
    let theirs = held(Some(30), json!({"chat": [message("t", 30)], "updatedAt": 30}));
    let merged = whole(&base, &ours, &theirs);
    assert_eq!(merged["claim"]["startedAt"], 20);
    // Where the holder has gone on from there, that is how it went on.
    let theirs = file(json!({
        "status": "review", "assigned": "scout", "epoch": 2, "submittedBy": "scout", "submittedAt": 40, "deliverable": "d",
        "stateHistory": [entry("in-progress", 30, "scout", "start"), entry("review", 40, "scout", "submit")], "updatedAt": 40,
    }));
    assert_eq!(whole(&base, &ours, &theirs)["status"], "review");
}

#[test]
fn whoever_holds_a_task_is_whose_it_is() {
    let base = file(json!({"assigned": "scout"}));
    let theirs = file(json!({"assigned": "aria", "updatedAt": 40}));
    let (merged, lost) = both(&base, &claimed("scout", 30), &theirs);
    assert_eq!((&merged["assigned"], &merged["claim"]["agent"]), (&json!("scout"), &json!("scout")));
    assert_eq!(lost, ["/assigned of theirs was \"aria\"; it is \"scout\" now"]);
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let (base, ours) = (file(json!({})), file(json!({"title": "Other"})));
    let large = file(json!({"description": "x".repeat(1 << 20)}));
    let cases: [(&[u8], &str); 5] = [
        (b"{", "invalid-json"),
        (b"<<<<<<< ours\n", "invalid-json"),
        (&large, "too-large"),
        (&file(json!({"schemaVersion": 2})), "newer-schema"),
        (&file(json!({"status": "done"})), "unknown-word"),
    ];
    for (broken, code) in cases {
        for (base, ours, theirs) in [(&base[..], &ours[..], broken), (&base, broken, &ours), (broken, &base, &ours)] {
            match tried(Some(base), ours, theirs) {
                Err(Unmergeable::Broken { violation, .. }) => assert_eq!(violation.code, code),
                other => panic!("{code}: {other:?}"),
            }
        }
    }
    let other = file(json!({"id": "t-2"}));
    assert!(matches!(tried(Some(&base), &ours, &other), Err(Unmergeable::OtherTask { .. })));
    // Two halves of a limit are more than the limit.
    let half = |key: &str| file(json!({key: "x".repeat(600_000)}));
    let refused = tried(Some(&base), &half("x-a"), &half("x-b")).expect_err("too large");
    assert!(matches!(&refused, Unmergeable::Breaks { violation } if violation.code == "too-large"), "{refused}");
}

#[test]
fn a_file_that_one_side_alone_has_changed_stays_as_it_is_to_the_byte() {
    let base = file(json!({}));
    let by_hand = b"{\"title\": \"t\", \"id\": \"t-1\", \"status\": \"backlog\", \"priority\": \"low\",\n\"createdAt\": 1.0, \"updatedAt\": 2}";
    for (base, ours, theirs) in
        [(&base[..], &base[..], &by_hand[..]), (&base, by_hand, &base), (&base, by_hand, by_hand)]
    {
        assert_eq!(tried(Some(base), ours, theirs).expect("merged").bytes, by_hand);
    }
}

#[test]
fn a_task_that_both_have_made_is_merged_without_a_base() {
    let ours = file(json!({"tags": ["a"], "chat": [message("o", 1)], "updatedAt": 20}));
    let theirs = file(json!({"tags": ["b"], "chat": [message("t", 2)], "title": "Other", "updatedAt": 30}));
    let merged = tried(None, &ours, &theirs).expect("merged");
    let document: Value = serde_json::from_slice(&merged.bytes).expect("JSON");
    assert_eq!(document["tags"], json!(["a", "b"]));
    assert_eq!(document["chat"].as_array().expect("a list").len(), 2);
    assert_eq!(document["title"], "Other");
}

fn locks(fields: Value) -> Vec<u8> {
    let mut file = json!({
        "version": "1.0", "lastUpdated": "2026-11-27T10:00:00.000Z", "currentWork": {}, "sharedResources": {}, "notes": "",
    });
    over(&mut file, fields);
    (serde_json::to_string_pretty(&file).expect("JSON") + "\n").into_bytes()
}

#[test]
fn the_locks_are_merged_by_the_task_and_ours_is_what_stays_of_one_that_both_moved() {
    let work = |id: &str, agent: &str, mode: &str, files: &[&str]| json!({"taskId": id, "files": files, "agent": agent, "since": 1, "mode": mode});
    let path = ".claude/coordination.json";
    let run = |base: &[u8], ours: &[u8], theirs: &[u8]| {
        let merged = merge(path, &FileRole::Locks, Some(base), ours, theirs).expect("merged");
        (serde_json::from_slice::<Value>(&merged.bytes).expect("JSON"), merged.lost.len())
    };
    let base = locks(
        json!({"currentWork": {"b": work("b", "scout", "hard", &["x"]), "f": work("f", "scout", "hard", &["x"])}}),
    );
    let ours = locks(json!({
        "currentWork": {"b": work("b", "scout", "hard", &["x", "o"]), "c": work("c", "olga", "hard", &["o"]), "f": work("f", "scout", "hard", &["y"])},
        "notes": "hello", "lastUpdated": "2026-11-27T11:00:00.000Z",
    }));
    let theirs = locks(json!({
        "currentWork": {"a": work("a", "aria", "hard", &["t"]), "b": work("b", "scout", "advisory", &["x"])},
        "sharedResources": {"db": "aria"}, "lastUpdated": "2026-11-27T12:00:00.000Z",
    }));
    let (merged, lost) = run(&base, &ours, &theirs);
    let wanted = locks(json!({
        "currentWork": {"a": work("a", "aria", "hard", &["t"]), "b": work("b", "scout", "advisory", &["x", "o"]), "c": work("c", "olga", "hard", &["o"])},
        "sharedResources": {"db": "aria"}, "notes": "hello", "lastUpdated": "2026-11-27T12:00:00.000Z",
    }));
    assert_eq!(merged, serde_json::from_slice::<Value>(&wanted).expect("JSON"));
    assert_eq!(lost, 1, "f is free, whatever else it was to touch");
    let ids: Vec<_> = merged["currentWork"].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(ids, ["a", "b", "c"]);

    let claim = |agent: &str| locks(json!({"currentWork": {"a": work("a", agent, "hard", &["x"])}}));
    let (merged, lost) = run(&locks(json!({})), &claim("scout"), &claim("aria"));
    assert_eq!((&merged["currentWork"]["a"]["agent"], lost), (&json!("scout"), 1));

    let foreign = merge(path, &FileRole::Locks, None, b"{\"sessions\": []}", &ours);
    assert!(matches!(foreign, Err(Unmergeable::Broken { version: "ours", .. })), "{foreign:?}");
}

#[test]
fn files_made_to_keep_squad_busy_are_merged_all_the_same() {
    let list =
        |prefix: &str, from: i64| (from..from + 4000).map(|n| message(&format!("{prefix}{n}"), n)).collect::<Vec<_>>();
    let own =
        |prefix: &str| (0..9000).map(|n| (format!("x-{prefix}{n}"), json!([n]))).collect::<serde_json::Map<_, _>>();
    let side = |prefix: &str, at: i64| {
        let mut fields =
            json!({"updatedAt": at, "chat": list(prefix, at), "tags": own(prefix).keys().collect::<Vec<_>>()});
        over(&mut fields, Value::Object(own(prefix)));
        file(fields)
    };
    let begun = std::time::Instant::now();
    let (ours, theirs) = (side("a", 20), side("b", 30));
    let merged = tried(Some(&file(json!({}))), &ours, &theirs);
    assert!(
        merged.is_ok() || matches!(&merged, Err(Unmergeable::Breaks { violation }) if violation.code == "too-large")
    );
    // Takes seconds without optimisation.
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it took {:?}", begun.elapsed());
}

/// Everybody who acts in what follows.
const ACTORS: [(&str, Role); 5] = [
    ("olga", Role::Owner),
    ("hex", Role::Chief),
    ("knox", Role::Manager),
    ("scout", Role::Executor),
    ("aria", Role::Executor),
];

fn name(text: &str) -> AgentName {
    AgentName::new(text).expect("a name")
}

fn actions() -> Vec<Action> {
    let hand_in = || HandIn {
        deliverable: Some("d".to_owned()),
        summary: Some("s".to_owned()),
        evidence: vec![EvidenceBody::Url { url: "https://example.org".to_owned() }],
        ..HandIn::default()
    };
    let text = || "text".to_owned();
    let human = Block::Human { needs: vec![text()], question: text(), options: vec![text(), text()] };
    let tags = |add: &str, remove: &str| Action::Edit {
        changes: vec![FieldChange::Tags { add: vec![add.to_owned()], remove: vec![remove.to_owned()] }],
    };
    let title = |to: &str| Action::Edit { changes: vec![FieldChange::Title { from: text(), to: to.to_owned() }] };
    let priority = |to| Action::Edit { changes: vec![FieldChange::Priority { from: Priority::Low, to }] };
    vec![
        Action::Claim { plan: None },
        Action::Claim { plan: Some(text()) },
        Action::Start {},
        Action::Comment { text: text(), also: Vec::new() },
        Action::Progress { step: Some(text()), percent: Some(5) },
        Action::Submit(hand_in()),
        Action::Complete(hand_in()),
        Action::Approve {},
        Action::Reject { missing: vec![text()] },
        Action::Verify { comment: None, hand_in: HandIn::default() },
        Action::Block { reason: text(), block: human },
        Action::Block { reason: text(), block: Block::External { retry_at: Millis(1), backoff_level: 0 } },
        Action::Unblock { comment: text() },
        Action::Retry {},
        Action::Release { note: text(), unassign: true },
        Action::Release { note: text(), unassign: false },
        Action::Fail { error: text(), cause: Cause::Unknown, process: None },
        Action::Restart { reason: text() },
        Action::Cancel { reason: text() },
        Action::Restore { reason: None },
        Action::Reopen { reason: text() },
        Action::RequestComplete { note: None },
        Action::Override { gate: Gate::Approval, reason: text() },
        Action::Assign { to: name("aria") },
        Action::Assign { to: name("scout") },
        Action::SubtaskAdd { title: text(), assigned: None },
        Action::SubtaskSet { subtask: "sub-1".to_owned(), status: SubtaskStatus::Active, comment: None },
        Action::SubtaskAssign { subtask: "sub-1".to_owned(), to: name("aria") },
        Action::FilesAdd { paths: vec!["src/a".to_owned()] },
        Action::FilesRemove { paths: vec!["src/b".to_owned()] },
        Action::DepAdd { on: TaskId::new("t-2").expect("an id") },
        tags("new", "old"),
        tags("old", "new"),
        title("one"),
        title("two"),
        priority(Priority::High),
        priority(Priority::Critical),
        Action::Edit { changes: vec![FieldChange::Category { from: None, to: Some(Domain::Dev) }] },
    ]
}

/// What somebody tries: who, what, and how long after the last.
type Step = (usize, usize, i64);

/// Does these steps as squad does them, and returns the file: of each, the first of the actions from there on that is
/// legal. `lane` keeps the instants of two sides apart, as operations are.
fn played(from: &[u8], steps: &[Step], lane: i64) -> Vec<u8> {
    let config: BoardConfig = serde_json::from_value(json!({
        "schemaVersion": 1, "board": {"branch": "b"}, "agents": [], "policy": {"gate": {"approvals": 2}},
    }))
    .expect("a configuration");
    let all = actions();
    let mut bytes = from.to_vec();
    let mut now = load_task(PATH, &bytes).expect("a task").0.updated_at.0 / 10 * 10 + lane;
    for (who, what, wait) in steps {
        now += wait * 10;
        let (task, _) = load_task(PATH, &bytes).expect("a task");
        let (actor, role) = ACTORS[who % ACTORS.len()];
        let actor = Agent { domain: Some(Domain::Both), ..Agent::new(name(actor), role, AgentKind::Agent) };
        let mut random = [0; 10];
        random[0] = u8::try_from(lane).expect("a small number");
        let operation = |action: &Action| Operation {
            id: OpId::from_parts(Millis(now), random),
            action: action.clone(),
            task: Some(task.id.clone()),
            actor: actor.name.clone(),
            basis: Basis { head: None, epoch: None },
            at: Millis(now),
            signature: None,
        };
        let legal = all.iter().cycle().skip(*what).take(all.len()).find_map(|action| {
            let operation = operation(action);
            // What an edge needs beyond the right actor is not looked at here, but for what a completed task must have.
            let lacks = matches!(action, Action::Verify { .. }) && task.deliverable.is_none();
            match authorize(&task, &operation, &actor) {
                Ok(Authority::Granted(permit)) if !lacks => Some((operation, permit)),
                _ => None,
            }
        });
        let Some((operation, permit)) = legal else { continue };
        let after = crate::model::apply::apply(&task, permit.edge, &operation, &actor, &config, &Findings::default());
        bytes = render_task(Some(&bytes), &after, &IndexMap::default()).expect("a document");
    }
    bytes
}

fn ids(document: &Value, list: &str) -> Vec<Value> {
    document[list].as_array().into_iter().flatten().map(|item| item["id"].clone()).collect()
}

/// A pointer of something that only a clash loses.
fn is_of_a_move(lost: &Lost) -> bool {
    let field = lost.pointer[1..].split('/').next().expect("a field");
    state::is_state(field) || matches!(field, "stateHistory" | "approvals" | "assigned")
}

fn steps(n: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..ACTORS.len(), 0..actions().len(), 1i64..9), 0..n)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_sides_do_a_merge_keeps_its_laws(before in steps(7), one in steps(6), other in steps(6)) {
        let start = file(json!({
            "assigned": "scout", "tags": ["old"], "files": ["src/b"], "title": "text", "priority": "low", "x-own": {"n": 1},
            "subtasks": [{"id": "sub-1", "title": "part", "status": "backlog"}],
        }));
        let base = played(&start, &before, 1);
        let (ours, theirs) = (played(&base, &one, 2), played(&base, &other, 3));
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let is_archived = |bytes: &[u8]| read(bytes)["status"] == "archived";
        let role = |a: &[u8], b: &[u8]| if is_archived(a) || is_archived(b) {
            FileRole::Archived { stem: "t-1".to_owned() }
        } else {
            live()
        };
        let run = |base: &[u8], ours: &[u8], theirs: &[u8]| merge(PATH, &role(ours, theirs), Some(base), ours, theirs);

        for side in [&ours, &theirs] {
            for (a, b) in [(side, side), (side, &base), (&base, side)] {
                prop_assert_eq!(&run(&base, a, b).expect("merged").bytes, side);
            }
        }
        let merged = match run(&base, &ours, &theirs) {
            Ok(merged) => merged,
            Err(Unmergeable::Breaks { violation }) if violation.code == "wrong-folder" => {
                prop_assert_ne!(is_archived(&ours), is_archived(&theirs));
                return Ok(());
            }
            Err(why) => panic!("{why}"),
        };
        let (document, mine, yours, old) = (read(&merged.bytes), read(&ours), read(&theirs), read(&base));
        for side in [&mine, &yours] {
            for list in ["chat", "evidence", "subtasks"] {
                for id in ids(side, list) {
                    prop_assert!(ids(&document, list).contains(&id), "{} of {}", id, list);
                }
            }
            prop_assert!(document["updatedAt"].as_i64() >= side["updatedAt"].as_i64());
            prop_assert!(document["epoch"].as_u64() >= side["epoch"].as_u64());
        }
        let moves = |side: &Value| side["stateHistory"].as_array().cloned().unwrap_or_default();
        let told: Vec<Value> = merged.lost.iter().filter_map(|lost| lost.value.as_ref().map(Json::to_value)).collect();
        for entry in moves(&mine).into_iter().chain(moves(&yours)) {
            prop_assert!(moves(&document).contains(&entry) || told.contains(&entry), "{}", entry);
        }
        prop_assert!([&mine, &yours].iter().any(|side| side["status"] == document["status"]));
        prop_assert_eq!(&document["x-own"], &json!({"n": 1}));
        let rose = |side: &Value| side["epoch"].as_u64() > old["epoch"].as_u64();
        if rose(&mine) && rose(&yours) && mine["claim"] != yours["claim"] {
            prop_assert!(document["epoch"].as_u64() > mine["epoch"].as_u64().max(yours["epoch"].as_u64()), "no number names two claims");
        }
        // The other way round the same comes out, but where one side has to give way because it is not on the board.
        let swapped = run(&base, &theirs, &ours);
        let clashed = merged.lost.iter().any(is_of_a_move);
        if !clashed {
            let swapped = swapped.expect("merged");
            prop_assert_eq!(&read(&swapped.bytes), &document);
            prop_assert_eq!(swapped.lost.len(), merged.lost.len());
            // What has been merged already changes nothing.
            for side in [&ours, &theirs] {
                prop_assert_eq!(&read(&run(&base, &merged.bytes, side).expect("merged").bytes), &document);
            }
        } else if let Ok(swapped) = swapped {
            prop_assert!(swapped.lost.iter().any(is_of_a_move));
        }
    }

    #[test]
    fn no_three_files_make_squad_panic(
        edits in prop::collection::vec((0usize..3, prop::sample::select(vec![
            "status", "claim", "epoch", "chat", "stateHistory", "tags", "subtasks", "approvals", "x", "schemaVersion", "id", "block",
        ]), prop::sample::select(vec![
            json!(null), json!([]), json!({}), json!(1), json!("archived"), json!("in-progress"), json!("completed"), json!(["a"]),
            json!([{"id": "a"}]), json!([{"id": "a", "author": "x", "content": "c", "timestamp": 1}]),
            json!([{"id": "a", "title": "t", "status": "active"}, {"id": "a", "title": "u", "status": "active"}]),
            json!([{"state": "backlog", "timestamp": 1, "actor": "x"}]), json!({"agent": "x", "epoch": 7, "at": 1, "leaseSeconds": 1}),
        ])), 0..9),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut files = [json!({"updatedAt": 1}), json!({"updatedAt": 2}), json!({"updatedAt": 3})];
        for (which, key, value) in edits {
            files[which][key] = value;
        }
        let [base, ours, theirs] = files.map(file);
        if let Ok(merged) = tried(Some(&base), &ours, &theirs) {
            let (task, document) = load_task(PATH, &merged.bytes).expect("a task");
            prop_assert!(!validate_task(PATH, &document).iter().any(Violation::is_error));
            prop_assert!(task.epoch.0 <= 8);
        }
        prop_assert!(tried(Some(&base), &bytes, &theirs).is_err());
        prop_assert!(merge("locks.json", &FileRole::Locks, None, &bytes, &bytes).is_err());
    }
}
