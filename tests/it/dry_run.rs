//! `--dry-run`: every writing verb says what it would do and moves nothing.

use serde_json::json;

use crate::kit::{Room, hand_task};

const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

#[test]
fn no_writing_verb_moves_anything_on_a_dry_run() {
    let subtasks = json!([{"id": "sub-1", "title": "part", "status": "backlog"}]);
    let request = json!({"by": "olga", "at": crate::kit::hours_ago(1)});
    let room = Room::with_tasks(&[
        hand_task("back", json!({"assigned": "scout", "subtasks": subtasks.clone(), "dependsOn": ["dep"]})),
        hand_task("dep", json!({"status": "completed"})),
        hand_task(
            "doing",
            json!({"status": "in-progress", "assigned": "scout", "subtasks": subtasks, "files": ["src/a"]}),
        ),
        hand_task("done-doing", json!({"status": "in-progress", "assigned": "scout"})),
        hand_task("stuck", json!({"status": "blocked", "assigned": "scout"})),
        hand_task("failed", json!({"status": "blocked", "assigned": "scout", "block": {"kind": "failure"}})),
        hand_task(
            "limited",
            json!({"status": "blocked", "assigned": "aria", "block": {"kind": "external", "retryAt": 1, "backoffLevel": 0}}),
        ),
        hand_task(
            "looked",
            json!({
                "status": "review", "assigned": "scout", "submittedBy": "scout", "submittedAt": crate::kit::hours_ago(1), "deliverable": "x",
                "evidence": [{"id": "ev-1", "kind": "url", "url": "https://example.test", "by": "scout", "at": crate::kit::hours_ago(1), "epoch": 0}],
            }),
        ),
        hand_task("asked", json!({"completionRequest": request})),
        hand_task("done", json!({"status": "completed", "assigned": "scout"})),
    ]);
    room.configure(|config| config["limits"] = json!({"claimsPerAgent": 100}));
    let clone = room.clone_as("olga");
    clone.ok("list");
    let before = (room.refs(), clone.git("for-each-ref"), clone.status(), clone.git("rev-parse HEAD"));
    for line in [
        "agents add slate --role executor",
        "agents remove vault",
        "new title --id fresh",
        "edit back --title other",
        "assign back aria",
        "comment back hello",
        "claim back --agent scout",
        "subtask add doing another --agent scout",
        "subtask set doing sub-1 complete --agent scout",
        "subtask assign doing sub-1 aria --agent scout",
        "files add doing src/b --agent scout",
        "files remove doing src/a --agent scout",
        "dep add back asked",
        "dep remove back dep",
        "start doing --agent scout",
        "progress doing --pct 5 --agent scout",
        "release doing --note n --agent scout",
        "fail doing --error e --cause unknown --agent scout",
        "block doing --kind external --reason r --retry-after 5m --agent scout",
        &format!("submit done-doing --agent scout {HAND_IN}"),
        &format!("complete done-doing --agent scout {HAND_IN}"),
        "unblock stuck --comment c",
        "retry limited --agent knox",
        "restart failed --reason r",
        "reject looked --missing m",
        "approve looked --agent knox",
        "verify looked --agent aria",
        "request-complete back",
        "override back --gate limit --reason r",
        "archive done",
        "cancel back --reason r",
        "reopen done --reason r",
    ] {
        let answer = clone.ok(&format!("{line} --dry-run"));
        assert_eq!(answer["dryRun"], true, "`{line}` says that nothing was published: {answer}");
        let after = (room.refs(), clone.git("for-each-ref"), clone.status(), clone.git("rev-parse HEAD"));
        assert_eq!(after, before, "`{line}`");
    }
}

#[test]
fn a_dry_run_refuses_what_the_real_one_would() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"status": "in-progress", "assigned": "aria"}))]);
    let clone = room.clone_as("olga");
    clone.refused("claim t-1 --agent scout --dry-run", 6, "lost-race");
    clone.refused("claim nope --agent scout --dry-run", 3, "not-found");
}

#[test]
fn a_dry_run_shows_the_change() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let ran = room.clone_as("olga").squad("claim t-1 --agent scout --dry-run").ok();
    assert!(ran.stdout.contains("squad(claim): t-1 by scout"), "the commit it would make: {ran}");
    let line = |sign: char, what: &str| ran.stdout.lines().any(|line| line.starts_with(sign) && line.contains(what));
    assert!(line('-', "\"status\": \"backlog\"") && line('+', "\"status\": \"in-progress\""), "{ran}");
}

#[test]
fn a_dry_run_of_init_makes_no_board() {
    let room = Room::code();
    let before = room.refs();
    let clone = room.clone_as("olga");
    clone.ok("init --dry-run");
    assert_eq!(room.refs(), before);
    assert_eq!(clone.status(), "");
    clone.refused("list", 3, "not-found");
}
