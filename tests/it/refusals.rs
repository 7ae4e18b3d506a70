//! What squad refuses, with the exit code and the JSON of each refusal, and that nothing is written then.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, ids};

const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

/// Asserts that a verb is refused with this exit and code and that no ref of the remote moves.
#[track_caller]
fn refused(room: &Room, clone: &Checkout, line: &str, exit: i32, code: &str) -> Value {
    let before = room.refs();
    let error = clone.refused(line, exit, code);
    assert_eq!(room.refs(), before, "`{line}` left something on the remote");
    error
}

#[test]
fn an_illegal_edge_names_every_legal_one() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    let error = refused(&room, &clone, &format!("complete t-1 --agent scout {HAND_IN}"), 5, "illegal-transition");
    assert_eq!(error["from"], "backlog");
    assert_eq!(error["action"], "complete");
    let legal = ids(&error["legal"]);
    assert!(legal.iter().any(|verb| verb == "claim"), "{error}");
    assert!(legal.iter().any(|verb| verb == "request-complete"), "{error}");
    assert!(legal.iter().all(|verb| verb != "complete" && verb != "approve"), "{error}");
    assert_eq!(error["retryable"], false);
}

#[test]
fn every_state_refuses_the_verbs_that_do_not_leave_it() {
    let room = Room::with_tasks(&[
        hand_task("in-backlog", json!({"assigned": "scout"})),
        hand_task("in-blocked", json!({"status": "blocked", "assigned": "scout"})),
        hand_task("in-review", json!({"status": "review", "assigned": "scout"})),
        hand_task("in-ready", json!({"status": "ready", "assigned": "scout"})),
        hand_task("in-completed", json!({"status": "completed", "assigned": "scout"})),
    ]);
    let clone = room.clone_as("scout");
    for (task, verbs) in [
        ("in-backlog", &["start", "approve", "unblock --comment x", "reopen --reason x", "archive"][..]),
        ("in-blocked", &["claim", "approve", "reopen --reason x"]),
        ("in-review", &["claim", "unblock --comment x", "restart --reason x"]),
        ("in-ready", &["approve", "unblock --comment x", "reject --missing x"]),
        ("in-completed", &["claim", "approve", "cancel --reason x", "unblock --comment x"]),
    ] {
        for verb in verbs {
            let (name, rest) = verb.split_once(' ').unwrap_or((verb, ""));
            let error = refused(&room, &clone, &format!("{name} {task} {rest} --agent hex"), 5, "illegal-transition");
            assert_eq!(error["from"], task.strip_prefix("in-").unwrap(), "{verb}");
            assert!(!ids(&error["legal"]).is_empty(), "{verb}: {error}");
        }
    }
}

#[test]
fn a_missing_field_is_named() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let evidence = "--evidence url:https://example.test";
    for (line, field) in [
        (format!("complete t-1 --deliverable x {evidence}"), "summary"),
        (format!("complete t-1 --summary x {evidence}"), "deliverable"),
        (format!("submit t-1 --deliverable x --summary '' {evidence}"), "summary"),
    ] {
        let error = refused(&room, &clone, &format!("{line} --agent scout"), 5, "missing-field");
        assert_eq!(error["field"], field, "{line}");
    }
    for line in [
        "block t-1 --kind human --reason '' --need a --question q --option a --option b",
        "block t-1 --kind human --reason r --question q --option a --option b",
        "block t-1 --kind human --reason r --need a --need b --need c --need d --question q --option a --option b",
        "block t-1 --kind human --reason r --need a --question q --option a",
        "block t-1 --kind human --reason r --need a --question q --option a --option b --option c",
        "block t-1 --kind human --reason r --need a --option a --option b",
        "block t-1 --kind external --reason r",
        "block t-1 --kind dependency --reason r",
        "block t-1 --kind conflict --reason r",
        "release t-1 --note ''",
    ] {
        refused(&room, &clone, &format!("{line} --agent scout"), 5, "missing-field");
    }
}

#[test]
fn a_claim_waits_for_what_the_task_depends_on() {
    let room = Room::with_tasks(&[
        hand_task("t-a", json!({"assigned": "scout"})),
        hand_task("t-b", json!({"assigned": "scout", "dependsOn": ["t-a"]})),
    ]);
    let clone = room.clone_as("scout");
    let error = refused(&room, &clone, "claim t-b --agent scout", 5, "dependency-open");
    assert!(error.to_string().contains("t-a"), "it names the task that is open: {error}");
    clone.ok("claim t-a --agent scout");
    refused(&room, &clone, "claim t-b --agent scout", 5, "dependency-open");
    clone.ok(&format!("complete t-a --agent scout {HAND_IN}"));
    clone.ok("claim t-b --agent scout");
}

#[test]
fn a_completion_without_evidence_is_refused() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    refused(&room, &clone, "complete t-1 --agent scout --deliverable x --summary y", 5, "evidence-missing");
    refused(&room, &clone, "submit t-1 --agent scout --deliverable x --summary y", 5, "evidence-missing");
}

#[test]
fn evidence_of_an_older_claim_does_not_count() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok(&format!("submit t-1 --agent scout {HAND_IN}"));
    clone.ok("reject t-1 --agent knox --missing 'a test'");
    refused(&room, &clone, "submit t-1 --agent scout --deliverable x --summary y", 5, "evidence-missing");
}

#[test]
fn an_agent_holds_no_more_than_its_limit() {
    let room = Room::with_tasks(&["t-1", "t-2", "t-3", "t-4"].map(|id| hand_task(id, json!({"assigned": "scout"}))));
    let clone = room.clone_as("scout");
    for id in ["t-1", "t-2", "t-3"] {
        clone.ok(&format!("claim {id} --agent scout"));
    }
    let error = refused(&room, &clone, "claim t-4 --agent scout", 5, "limit-reached");
    assert!(error.to_string().contains("t-1"), "it names what is held: {error}");
    clone.ok("release t-2 --agent scout --note later");
    clone.ok("claim t-4 --agent scout");
}

#[test]
fn a_lost_claim_names_holder_time_and_commit() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let (scout, aria) = (room.clone_as("scout"), room.clone_as("aria"));
    let won = scout.ok("claim t-1 --agent scout");
    let error = refused(&room, &aria, "claim t-1 --agent aria", 6, "lost-race");
    assert_eq!(error["task"], "t-1");
    assert_eq!(error["holder"], "scout");
    assert_eq!(error["commit"], won["receipt"]["commit"]);
    assert!(!error["at"].is_null(), "{error}");
    assert_eq!(error["retryable"], false);
    assert!(error["hint"].is_string(), "{error}");
}

#[test]
fn an_old_epoch_may_not_write() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok("release t-1 --agent scout --note again");
    clone.ok("claim t-1 --agent scout");
    let error = refused(&room, &clone, "progress t-1 --pct 5 --agent scout --epoch 1", 6, "stale-epoch");
    assert!(error.to_string().contains('3'), "it names the epoch of now: {error}");
    refused(&room, &clone, &format!("complete t-1 --agent scout --epoch 1 {HAND_IN}"), 6, "stale-epoch");
    clone.ok("progress t-1 --pct 5 --agent scout --epoch 3");
}

#[test]
fn the_epoch_may_come_from_the_environment() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let line = ["progress", "t-1", "--pct", "5", "--json"];
    clone.squad_with(&line, b"", &[("SQUAD_AGENT", "scout"), ("SQUAD_EPOCH", "0")]).fails(6, "stale-epoch");
    clone.squad_with(&line, b"", &[("SQUAD_AGENT", "scout"), ("SQUAD_EPOCH", "1")]).ok();
}

#[test]
fn only_the_holder_hands_in() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    for line in
        [&format!("complete t-1 {HAND_IN}"), "progress t-1 --pct 5", "start t-1", &format!("submit t-1 {HAND_IN}")]
    {
        let error = refused(&room, &clone, &format!("{line} --agent aria"), 6, "not-holder");
        assert_eq!(error["holder"], "scout", "{line}");
    }
}

#[test]
fn a_path_that_another_task_holds_is_in_the_way_of_a_claim() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"files": ["src/parser"]})),
        hand_task("t-2", json!({"files": ["src/parser/lexer.rs", "docs/a.md"]})),
    ]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let error = refused(&room, &clone, "claim t-2 --agent aria", 7, "path-locked");
    let conflicts = error["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1, "{error}");
    assert_eq!(conflicts[0]["task"], "t-1");
    assert_eq!(conflicts[0]["agent"], "scout");
    assert_eq!(conflicts[0]["path"], "src/parser/lexer.rs");
    assert!(!conflicts[0]["since"].is_null(), "{error}");
}

#[test]
fn an_executor_does_not_manage() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"category": "dev"})),
        hand_task("t-2", json!({"status": "blocked", "assigned": "aria", "category": "dev"})),
        hand_task("t-3", json!({"category": "marketing"})),
    ]);
    let clone = room.clone_as("scout");
    for line in [
        "assign t-1 aria --agent scout",
        "cancel t-1 --reason x --agent scout",
        "edit t-1 --priority high --agent scout",
        "unblock t-2 --comment x --agent scout",
        "assign t-3 aria --agent knox",
    ] {
        refused(&room, &clone, line, 9, "not-permitted");
    }
    clone.ok("assign t-1 aria --agent knox");
    clone.ok("assign t-3 aria --agent sterling");
    clone.ok("unblock t-2 --comment x --agent knox");
}

#[test]
fn nobody_approves_their_own_work() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "knox"}))]);
    let clone = room.clone_as("knox");
    clone.ok("claim t-1 --agent knox");
    clone.ok(&format!("submit t-1 --agent knox {HAND_IN}"));
    refused(&room, &clone, "approve t-1 --agent knox", 9, "not-permitted");
    refused(&room, &clone, "approve t-1 --agent scout", 9, "not-permitted");
    clone.ok("approve t-1 --agent hex");
}

#[test]
fn a_name_outside_the_roster_is_unknown() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    refused(&room, &clone, "claim t-1 --agent mallory", 9, "unknown-agent");
    refused(&room, &clone, "assign t-1 mallory", 3, "not-found");
}

#[test]
fn without_a_name_a_writing_verb_asks_for_one() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let stranger = room.clone_as("stranger");
    let error = refused(&room, &stranger, "claim t-1", 9, "unknown-agent");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--agent")), "{error}");
    assert_eq!(stranger.ok("list")["total"], 1, "reading needs no name");
}

#[test]
fn what_is_not_there_is_not_found() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    for line in
        ["show nope", "claim nope --agent scout", "comment nope hello", "show nope --at HEAD", "agents remove nobody"]
    {
        refused(&room, &clone, line, 3, "not-found");
    }
}

#[test]
fn a_word_outside_its_set_is_invalid_and_the_set_is_named() {
    let room = Room::with_tasks(&[hand_task(
        "t-1",
        json!({"subtasks": [{"id": "sub-1", "title": "s", "status": "backlog"}]}),
    )]);
    let clone = room.clone_as("olga");
    let error = refused(&room, &clone, "new X --priority urgent", 4, "invalid");
    assert!(error.to_string().contains("critical"), "{error}");
    refused(&room, &clone, "list --status doing", 4, "invalid");
    refused(&room, &clone, "subtask set t-1 sub-1 done", 4, "invalid");
    refused(&room, &clone, "edit t-1 --category sales", 4, "invalid");
    clone.ok("claim t-1 --agent scout");
    refused(&room, &clone, "complete t-1 --agent scout --deliverable x --summary y --evidence rumour:x", 4, "invalid");
    refused(&room, &clone, "fail t-1 --agent scout --error x --cause gremlins", 4, "invalid");
}

#[test]
fn wrong_usage_is_exit_2_in_json_too() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    for line in ["frobnicate", "list --frobnicate", "claim"] {
        refused(&room, &clone, line, 2, "usage");
    }
}

#[test]
fn a_failure_in_text_has_its_three_parts_on_standard_error() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let ran = clone.squad("claim t-1 --agent aria").exits(6);
    assert!(ran.stderr.starts_with("error: "), "{ran}");
    assert!(ran.stderr.contains("scout"), "{ran}");
    assert!(ran.stderr.lines().any(|line| line.starts_with("hint: ")), "{ran}");
    assert!(!ran.stdout.contains("claimed"), "no word of success: {ran}");
}

#[test]
fn refusals_are_looked_for_in_one_order() {
    let room =
        Room::with_tasks(&[hand_task("t-1", json!({"dependsOn": ["t-2"]})), hand_task("t-2", json!({"files": ["a"]}))]);
    let clone = room.clone_as("scout");
    refused(&room, &clone, "claim nope --agent mallory", 3, "not-found");
    clone.ok("claim t-2 --agent scout");
    refused(&room, &clone, "claim t-2 --agent mallory", 9, "unknown-agent");
    refused(&room, &clone, "start t-2 --agent aria", 6, "not-holder");
    refused(&room, &clone, "approve t-1 --agent aria", 5, "illegal-transition");
}
