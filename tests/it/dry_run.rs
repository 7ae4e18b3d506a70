//! `--dry-run`: every writing verb says what it would do and moves nothing. And: every verb answers by the schema.

use std::collections::BTreeSet;

use serde_json::json;

use crate::kit::{Room, hand_task};

/// Every verb that writes, in a line that works on the board of [`no_writing_verb_moves_anything_on_a_dry_run`].
/// `init` has a test of its own.
const WRITING: &[&str] = &[
    "agents add slate --role executor",
    "agents remove vault",
    "new title --id fresh",
    "new --from in.json",
    "import foreign.json",
    "edit back --title other",
    "assign back aria",
    "comment back hello",
    "claim back --agent scout",
    "claim --next --agent scout",
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
    "submit done-doing --agent scout --deliverable x --summary y --evidence url:https://example.test",
    "complete done-doing --agent scout --deliverable x --summary y --evidence url:https://example.test",
    "unblock stuck --comment c",
    "retry limited --agent knox",
    "restart failed --reason r",
    "reject looked --missing m",
    "approve looked --agent knox",
    "verify looked --agent aria",
    "request-complete back",
    "override back --gate limit --reason r",
    "archive done",
    "archive --older-than 1m",
    "restore old",
    "cancel back --reason r",
    "reopen done --reason r",
    "backup",
    "backup before-migration",
    "backup restore kept",
    "recover",
    "heartbeat --agent scout",
    "wake scout",
    "hook install",
    "hook uninstall",
    // The timers of the machine are left alone; `install`, which asks `doctor` first, has a test of its own.
    "schedule uninstall --format launchd",
];

/// Every verb that only reads.
const READING: &[&str] = &[
    "agents",
    "agents guide",
    "show t-1",
    "list --all",
    "dep tree",
    "scan --agent scout",
    "next --agent scout -v",
    "sync",
    "status",
    "log t-1",
    "activity --limit 50",
    "stats --since 7d",
    "diff",
    "diff HEAD~1..HEAD",
    "diff --textconv squad/tasks/json/t-1.json",
    "check",
    "review HEAD~1..HEAD",
    "audit",
    "backup list",
    "doctor",
    "schema",
    "schema task",
    "lock check src/a --agent aria",
    "lock list",
    "beat --leave --agent scout",
    "wait --timeout 1s --agent scout",
    "schedule print",
    "schedule status",
    "hook status",
    "hook pre-commit",
    "completions bash",
    "man",
];

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
    let old = hand_task("old", json!({"status": "archived", "assigned": "scout", "archivedReason": "done"}));
    room.put(&[("squad/tasks/archived/2026-01/old.json", Some(serde_json::to_string_pretty(&old).unwrap() + "\n"))]);
    let clone = room.clone_as("olga");
    clone.write("in.json", r#"[{"title": "One"}, {"title": "Two"}]"#);
    clone.write("foreign.json", r#"[{"id": "f-1", "title": "Theirs", "status": "done"}]"#);
    clone.ok("backup kept");
    clone.ok("comment back since");
    let before = (room.refs(), clone.git("for-each-ref"), clone.status(), clone.git("rev-parse HEAD"));
    for line in WRITING {
        let answer = clone.ok(&format!("{line} --dry-run"));
        assert_eq!(answer["dryRun"], true, "`{line}` says that nothing was published: {answer}");
        let after = (room.refs(), clone.git("for-each-ref"), clone.status(), clone.git("rev-parse HEAD"));
        assert_eq!(after, before, "`{line}`");
    }
}

#[test]
fn every_reading_verb_answers_by_the_schema_and_moves_nothing() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "files": ["src/b"]})),
        hand_task("t-2", json!({"assigned": "aria", "dependsOn": ["t-1"]})),
    ]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    let before = (room.refs(), clone.git("for-each-ref"), clone.status());
    for line in READING {
        // The harness holds every answer to the schema.
        let answer = clone.ok(line);
        assert!(line.starts_with(answer["command"].as_str().unwrap()), "`{line}`: {answer}");
        assert_eq!((room.refs(), clone.git("for-each-ref"), clone.status()), before, "`{line}`");
    }
}

#[test]
fn no_verb_is_left_out_of_these_tests() {
    let help = Room::empty().at("home").squad("--help").ok().stdout;
    let sections = help.split_once("Board:").unwrap().1.split_once("`squad VERB").unwrap().0;
    let verbs = sections.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let shown: BTreeSet<_> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(shown.len() > 40, "{shown:?}");
    let tried = WRITING.iter().chain(READING).filter_map(|line| line.split_whitespace().next());
    // `init`, `demo` and `selftest` make boards of their own, `merge-driver` knows none; `run` is tried in running.rs.
    let tried: BTreeSet<_> = tried.chain(["init", "demo", "selftest", "merge-driver", "run"]).collect();
    assert_eq!(tried, shown);
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
