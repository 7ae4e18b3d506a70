//! A task from the backlog to the archive, with the receipt of every step.

use serde_json::{Value, json};

use crate::kit::{Checkout, Commit, Room, hand_task, now_ms, strings};

/// Runs a verb and returns its answer with the one commit that it put on the board.
#[track_caller]
fn step(room: &Room, clone: &Checkout, line: &str) -> (Value, Commit) {
    let before = room.head();
    let answer = clone.ok(line);
    let commits = room.commits_since(&before);
    assert_eq!(commits.len(), 1, "`{line}` is one commit: {commits:#?}");
    assert_eq!(answer["receipt"]["commit"], commits[0].oid.as_str(), "{answer}");
    (answer, commits[0].clone())
}

/// Asserts what every receipt of an edge says.
#[track_caller]
fn assert_receipt(commit: &Commit, verb: &str, actor: &str, from: &str, to: &str, epoch: u64) {
    assert_eq!(commit.subject, format!("squad({verb}): t-1 by {actor}"));
    assert!(commit.author.starts_with(&format!("{actor} <")), "{}", commit.author);
    assert_eq!(commit.trailer("Squad-Task"), "t-1");
    assert_eq!(commit.trailer("Squad-Actor"), actor);
    assert_eq!(commit.trailer("Squad-From"), from);
    assert_eq!(commit.trailer("Squad-To"), to);
    assert_eq!(commit.trailer("Squad-Epoch"), epoch.to_string());
    let op = commit.trailer("Squad-Op");
    assert_eq!(op.len(), 26, "a ULID: {op:?}");
    let operation: Value = serde_json::from_str(commit.trailer("Squad-Operation")).expect("the operation is JSON");
    assert_eq!(operation["id"], op);
    assert_eq!(operation["verb"], verb);
    assert_eq!(operation["task"], "t-1");
    assert_eq!(operation["actor"], actor);
}

#[test]
fn a_task_goes_through_every_state_and_leaves_a_receipt_for_each() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    let begun = now_ms();
    let (answer, commit) = step(&room, &clone, "new 'Mend the lamp' --id t-1 --priority high --assigned scout");
    assert_eq!(answer["task"]["id"], "t-1");
    assert_eq!(answer["task"]["status"], "backlog");
    assert_eq!(commit.subject, "squad(new): t-1 by olga");

    let (answer, commit) = step(&room, &clone, "claim t-1 --agent scout --plan 'new wick'");
    assert_receipt(&commit, "claim", "scout", "backlog", "in-progress", 1);
    assert_eq!(commit.author, "scout <scout@squad.invalid>");
    assert_eq!(answer["epoch"], 1);
    assert!(answer["pushes"].as_u64().is_some_and(|n| (1..=3).contains(&n)), "{answer}");
    let task = room.task("t-1");
    assert_eq!(task["status"], "in-progress");
    assert_eq!(task["claim"]["agent"], "scout");
    assert_eq!(task["claim"]["epoch"], 1);
    assert!(task["claim"].get("startedAt").is_none(), "claimed is not started");
    assert_eq!(task["chat"].as_array().unwrap().len(), 1, "the plan is in the same commit");
    assert_eq!(task["chat"][0]["content"], "new wick");

    step(&room, &clone, "start t-1 --agent scout");
    assert!(room.task("t-1")["claim"]["startedAt"].is_i64());
    step(&room, &clone, "progress t-1 --agent scout --step 'cutting' --pct 40");

    let (_, commit) = step(
        &room,
        &clone,
        "block t-1 --agent scout --kind human --reason 'which oil' --need 'the oil' --question 'Which oil?' --option olive --option whale",
    );
    assert_receipt(&commit, "block", "scout", "in-progress", "blocked", 2);
    let task = room.task("t-1");
    assert_eq!(task["blockedBy"], "which oil");
    assert!(task["blockedAt"].as_i64().is_some_and(|at| at >= begun));
    assert_eq!(task["block"]["kind"], "human");
    assert!(task.get("claim").is_none(), "a block ends the claim");

    let (_, commit) = step(&room, &clone, "unblock t-1 --agent knox --comment 'olive'");
    assert_receipt(&commit, "unblock", "knox", "blocked", "in-progress", 3);
    let task = room.task("t-1");
    for gone in ["blockedBy", "blockedAt", "block"] {
        assert!(task.get(gone).is_none(), "{gone} is absent, not null: {task}");
    }
    assert_eq!(task["claim"]["agent"], "scout", "the claim is the assignee's");
    assert!(task["claim"].get("startedAt").is_none());

    let hand_in = "--deliverable 'a lamp' --summary 'it burns' --evidence url:https://example.test/lamp";
    let (_, commit) = step(&room, &clone, &format!("submit t-1 --agent scout {hand_in}"));
    assert_receipt(&commit, "submit", "scout", "in-progress", "review", 4);
    assert_eq!(room.task("t-1")["submittedBy"], "scout");

    let (_, commit) = step(&room, &clone, "reject t-1 --agent knox --missing 'a glass'");
    assert_receipt(&commit, "reject", "knox", "review", "in-progress", 5);
    assert_eq!(room.task("t-1")["reviewRound"], 1);

    let (_, commit) = step(&room, &clone, &format!("submit t-1 --agent scout {hand_in}"));
    assert_receipt(&commit, "submit", "scout", "in-progress", "review", 6);

    let (_, commit) = step(&room, &clone, "approve t-1 --agent knox");
    assert_receipt(&commit, "approve", "knox", "review", "ready", 6);
    assert_eq!(room.task("t-1")["approvals"][0]["by"], "knox");

    let (_, commit) = step(&room, &clone, "claim t-1 --agent scout");
    assert_receipt(&commit, "claim", "scout", "ready", "in-progress", 7);

    let (answer, commit) = step(&room, &clone, &format!("complete t-1 --agent scout {hand_in}"));
    assert_receipt(&commit, "complete", "scout", "in-progress", "completed", 8);
    assert_eq!(answer["evidence"].as_array().map(Vec::len), Some(1), "{answer}");
    let task = room.task("t-1");
    assert_eq!(task["completedBy"], "scout");
    assert_eq!(task["deliverable"], "a lamp");
    assert!(task["completedAt"].as_i64().is_some_and(|at| at >= begun));
    assert!(task.get("claim").is_none());
    let last = task["chat"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["author"], &last["content"]), (&json!("scout"), &json!("it burns")));

    let states: Vec<_> = task["stateHistory"].as_array().unwrap().iter().map(|entry| entry["state"].clone()).collect();
    let mut changes = states;
    changes.dedup();
    assert_eq!(
        changes,
        [
            "backlog",
            "in-progress",
            "blocked",
            "in-progress",
            "review",
            "in-progress",
            "review",
            "ready",
            "in-progress",
            "completed"
        ]
    );
    let newest = task["stateHistory"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(newest["trigger"], "complete");
    assert_eq!(newest["actor"], "scout");
    assert_eq!(newest["op"], commit.trailer("Squad-Op"));
    assert_eq!(clone.ok("show t-1")["phase"], "completed");
}

#[test]
fn the_shortest_way_is_claim_and_complete_by_hand() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    let before = room.head();
    clone.ok("claim t-1 --agent scout");
    clone.ok("comment t-1 'half way' --agent scout");
    clone.ok("complete t-1 --agent scout --deliverable x --summary y --evidence url:https://example.test");
    let subjects: Vec<_> = room.commits_since(&before).into_iter().map(|commit| commit.subject).collect();
    assert_eq!(
        subjects,
        ["squad(claim): t-1 by scout", "squad(comment): t-1 by scout", "squad(complete): t-1 by scout"]
    );
    assert_eq!(room.task("t-1")["epoch"], 2, "a board made by hand begins at 0");
}

#[test]
fn updated_at_never_falls_even_when_the_file_is_from_the_future() {
    let ahead = now_ms() + 3_600_000;
    let room = Room::with_tasks(&[hand_task("t-1", json!({"updatedAt": ahead}))]);
    room.clone_as("olga").ok("comment t-1 hello");
    assert!(room.task("t-1")["updatedAt"].as_i64().is_some_and(|at| at >= ahead));
}

#[test]
fn the_holder_asking_again_changes_nothing_and_succeeds() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let head = room.head();
    let again = clone.ok("claim t-1 --agent scout");
    assert_eq!(again["epoch"], 1, "{again}");
    assert_eq!(room.head(), head);
    room.clone_as("other").ok("claim t-1 --agent scout");
    assert_eq!(room.head(), head, "nor from another clone");
}

#[test]
fn the_first_work_of_the_holder_starts_the_task() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    assert_eq!(clone.ok("show t-1")["phase"], "claimed");
    clone.ok("progress t-1 --agent scout --pct 10");
    assert_eq!(clone.ok("show t-1")["phase"], "working");
    assert!(room.task("t-1")["claim"]["startedAt"].is_i64());
}

#[test]
fn a_failing_task_goes_back_twice_and_is_blocked_the_third_time() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    // The waiting time between two attempts is the rule's; here it is struck by hand.
    let strike = || {
        let mut task = room.task("t-1");
        task.as_object_mut().unwrap().shift_remove("retryAt");
        room.put_tasks(&[task]);
    };
    let clone = room.clone_as("scout");
    for attempt in 1..=2 {
        clone.ok("claim t-1 --agent scout");
        clone.ok("fail t-1 --agent scout --error 'no route to host' --cause network");
        let task = room.task("t-1");
        assert_eq!(task["status"], "backlog");
        assert_eq!(task["attempt"], attempt);
        assert_eq!(task["lastError"]["cause"], "network");
        assert_eq!(task["assigned"], "scout", "a failure keeps the assignee");
        assert!(task["retryAt"].is_i64());
        strike();
    }
    clone.ok("claim t-1 --agent scout");
    clone.ok("fail t-1 --agent scout --error 'no route to host'");
    let task = room.task("t-1");
    assert_eq!(task["status"], "blocked");
    assert_eq!(task["block"]["kind"], "failure");
    assert!(task["blockedBy"].as_str().is_some_and(|text| text.contains("no route to host")), "{task}");

    clone.refused("restart t-1 --agent scout --reason 'please'", 9, "not-permitted");
    clone.ok("restart t-1 --agent hex --reason 'the cable is in'");
    let task = room.task("t-1");
    assert_eq!(task["status"], "backlog");
    assert_eq!(task.get("attempt").and_then(Value::as_u64).unwrap_or(0), 0);
    assert!(task.get("blockedBy").is_none());
}

#[test]
fn a_released_task_keeps_its_assignee_unless_told_otherwise() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok("release t-1 --agent scout --note 'half of it is in the branch'");
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["assigned"]), (&json!("backlog"), &json!("scout")));
    clone.ok("claim t-1 --agent scout");
    clone.ok("release t-1 --agent scout --note 'not for me' --unassign");
    let task = room.task("t-1");
    assert!(task.get("assigned").is_none(), "{task}");
    assert_eq!(task["epoch"], 4, "each claim and each end of one counts");
}

#[test]
fn an_external_block_waits_longer_each_time() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok("block t-1 --agent scout --kind external --reason 'rate limit' --retry-after 15m");
    let first = room.task("t-1");
    assert_eq!(first["block"]["kind"], "external");
    assert!(first["block"]["retryAt"].as_i64().unwrap() - now_ms() > 14 * 60_000, "{first}");
    clone.ok("retry t-1 --agent knox");
    clone.ok("block t-1 --agent scout --kind external --reason 'rate limit' --retry-after 15m");
    let second = room.task("t-1");
    let level = |task: &Value| task["block"]["backoffLevel"].as_u64().unwrap_or(0);
    assert!(level(&second) > level(&first), "{second}");
    let wait = |task: &Value| task["block"]["retryAt"].as_i64().unwrap() - task["blockedAt"].as_i64().unwrap();
    assert!(wait(&second) > wait(&first), "{second}");
}

#[test]
fn work_done_outside_the_board_is_completed_by_request_and_verification() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.ok("request-complete t-1 --note 'done by phone'");
    let task = room.task("t-1");
    assert_eq!(task["status"], "backlog", "a request is not a verdict");
    assert_eq!(task["completionRequest"]["by"], "olga");
    clone.refused(
        "complete t-1 --agent scout --deliverable x --summary y --evidence url:https://example.test",
        5,
        "illegal-transition",
    );
    let hand_in = "--deliverable x --summary y --evidence url:https://example.test";
    clone.refused(&format!("verify t-1 --agent olga {hand_in}"), 9, "not-permitted");
    clone.refused(&format!("verify t-1 --agent scout {hand_in}"), 9, "not-permitted");
    clone.refused("verify t-1 --agent aria --deliverable x --summary y", 5, "evidence-missing");
    let (_, commit) = step(&room, &clone, &format!("verify t-1 --agent aria {hand_in}"));
    assert_receipt(&commit, "verify", "aria", "backlog", "completed", 0);
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["verifiedBy"]), (&json!("completed"), &json!("aria")));
    assert!(task.get("completionRequest").is_none(), "the request is gone in the same commit: {task}");
}

#[test]
fn a_request_that_is_not_granted_is_answered_with_what_is_missing() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    let base = room.head();
    let error = clone.refused("reject t-1 --agent aria --missing 'a glass'", 5, "illegal-transition");
    assert!(!strings(&error["legal"]).contains(&"reject".to_owned()), "{error}");
    for (status, verb) in [("backlog", None), ("in-progress", Some("claim t-1 --agent scout"))] {
        verb.inspect(|verb| drop(clone.ok(verb)));
        clone.ok("request-complete t-1 --note 'done by phone'");
        for own in ["olga", "scout"] {
            clone.refused(&format!("reject t-1 --agent {own} --missing 'a glass'"), 9, "not-permitted");
        }
        assert_eq!(clone.refused("reject t-1 --agent aria", 5, "missing-field")["field"], "missing");
        let epoch = room.task("t-1")["epoch"].as_u64().unwrap_or(0);
        let line = "reject t-1 --agent aria --missing 'a glass' --missing 'a test'";
        let (_, commit) = step(&room, &clone, line);
        assert_receipt(&commit, "reject", "aria", status, status, epoch);
        let task = room.task("t-1");
        let last = task["chat"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["author"], &last["content"]), (&json!("aria"), &json!("Missing: a glass; a test")));
        assert!(task.get("completionRequest").is_none(), "the request is gone: {task}");
        assert_eq!(
            (&task["status"], task.get("reviewRound")),
            (&json!(status), None),
            "nothing else has moved: {task}"
        );
        let again = clone.ok(line);
        assert_eq!(again["receipt"]["commit"], commit.oid.as_str(), "the same again is no second answer");
    }
    clone.ok("request-complete t-1");
    let (_, commit) = step(&room, &clone, "reject t-1 --agent aria --missing 'still a glass'");
    let audit = clone.ok("audit");
    assert_eq!(audit["violations"], json!([]), "{audit}");
    clone.git("pull --quiet");
    let squashed = clone.ok(&format!("review {base}..{}", commit.oid));
    assert_eq!(squashed["verdict"], "pass", "{squashed}");
}

#[test]
fn where_a_plan_is_required_a_claim_without_one_is_refused() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    room.configure(|config| config["policy"] = json!({"plan": "required"}));
    let clone = room.clone_as("scout");
    let error = clone.refused("claim t-1 --agent scout", 5, "missing-field");
    assert_eq!(error["field"], "plan");
    clone.refused("claim t-1 --agent scout --plan '  '", 5, "missing-field");
    clone.ok("claim t-1 --agent scout --plan 'wick first'");
    assert_eq!(room.task("t-1")["chat"][0]["content"], "wick first");
}

#[test]
fn what_others_wait_for_opens_the_way_when_it_is_done() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout"})),
        hand_task("t-0", json!({"assigned": "aria"})),
    ]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok("block t-1 --agent scout --kind dependency --reason 'the oil first' --on t-0");
    assert_eq!(room.task("t-1")["block"]["on"], json!(["t-0"]));
    clone.refused("unblock t-1 --comment 'is it?' --agent vault", 9, "not-permitted");
    clone.ok("claim t-0 --agent aria");
    clone.ok("complete t-0 --agent aria --deliverable x --summary y --evidence url:https://example.test");
    clone.ok("unblock t-1 --comment 'it is done' --agent vault");
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["claim"]["agent"]), (&json!("in-progress"), &json!("scout")));
}

#[test]
fn a_reviewer_other_than_the_claimant_verifies() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("submit t-1 --agent scout --deliverable x --summary y --evidence url:https://example.test");
    clone.refused("verify t-1 --agent scout", 9, "not-permitted");
    clone.ok("verify t-1 --agent aria --comment 'looked at it'");
    let task = room.task("t-1");
    assert_eq!(task["status"], "completed");
    assert_eq!(task["verifiedBy"], "aria");
    assert_eq!(task["completedBy"], "scout");
}

#[test]
fn where_review_is_required_the_claimant_cannot_complete_alone() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    room.configure(|config| config["policy"] = json!({"review": "required"}));
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let hand_in = "--deliverable x --summary y --evidence url:https://example.test";
    let ran = clone.json(&format!("complete t-1 --agent scout {hand_in}")).exits(5);
    assert!(ran.stdout.contains("submit"), "it names the way that is open: {ran}");
    clone.ok(&format!("submit t-1 --agent scout {hand_in}"));
}

#[test]
fn an_override_by_the_owner_opens_one_gate_once() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "dependsOn": ["t-0"]})),
        hand_task("t-0", json!({})),
    ]);
    let clone = room.clone_as("olga");
    clone.refused("override t-1 --gate dependency --reason 'hurry' --agent knox", 9, "not-permitted");
    clone.ok("override t-1 --gate dependency --reason 'hurry'");
    clone.ok("claim t-1 --agent scout");
    assert!(room.task("t-1").get("emergencyOverride").is_none(), "it is used up");
    clone.ok("release t-1 --agent scout --note 'no'");
    clone.refused("claim t-1 --agent scout", 5, "dependency-open");
}

/// The gate of a board that wants everybody heard: owner, chief and a manager, and four who had a hand in it.
fn gated(min_participants: u64) -> (Room, Checkout) {
    let listed = json!(["aria", "vault", "sterling", "knox", "hex", "olga"]);
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout", "participants": listed}))]);
    room.configure(|config| {
        config["policy"] = json!({
            "review": "required",
            "gate": {"approvals": 3, "roles": ["manager", "chief", "owner"], "everyRole": true, "minParticipants": min_participants},
        });
    });
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("submit t-1 --agent scout --deliverable x --summary y --evidence url:https://example.test");
    (room, clone)
}

#[test]
fn a_gate_counts_roles_and_those_who_had_a_hand_in_it_and_not_who_is_listed() {
    let (room, clone) = gated(4);
    for (agent, status) in [("knox", "review"), ("hex", "review"), ("olga", "ready")] {
        clone.ok(&format!("approve t-1 --agent {agent}"));
        assert_eq!(room.task("t-1")["status"], status, "after {agent}");
    }
    let (room, clone) = gated(5);
    for agent in ["knox", "hex", "olga"] {
        clone.ok(&format!("approve t-1 --agent {agent}"));
    }
    assert_eq!(room.task("t-1")["status"], "review", "six are listed, four had a hand in it");
    let head = room.head();
    clone.ok("approve t-1 --agent knox");
    assert_eq!(room.head(), head, "the same approval again is nothing new");
    clone.ok("comment t-1 'it looks well' --agent aria");
    clone.ok("approve t-1 --agent knox");
    assert_eq!(room.task("t-1")["status"], "ready", "the fifth has spoken, and the gate is asked again");
    clone.refused("complete t-1 --agent aria --summary y --deliverable x", 9, "not-permitted");
    clone.ok("claim t-1 --agent scout");
    clone.ok("complete t-1 --agent scout --deliverable x --summary y --evidence url:https://example.test");
}

#[test]
fn an_override_of_the_gate_lets_one_approval_through_even_of_one_who_has_approved() {
    let (room, clone) = gated(4);
    clone.ok("approve t-1 --agent knox");
    clone.ok("override t-1 --gate approval --reason 'the lamp is out'");
    clone.ok("approve t-1 --agent knox");
    let task = room.task("t-1");
    assert_eq!(task["status"], "ready");
    assert!(task.get("emergencyOverride").is_none(), "it is used up: {task}");
    assert_eq!(task["approvals"].as_array().map(Vec::len), Some(1), "{task}");
}

#[test]
fn work_in_review_may_be_blocked_and_comes_back_to_its_assignee() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("submit t-1 --agent scout --deliverable x --summary y --evidence url:https://example.test");
    let (_, commit) = step(
        &room,
        &clone,
        "block t-1 --agent aria --kind human --reason 'who pays' --need 'a budget' --question 'Whose?' --option ours --option theirs",
    );
    assert_receipt(&commit, "block", "aria", "review", "blocked", 2);
    clone.ok("unblock t-1 --agent knox --comment ours");
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["claim"]["agent"]), (&json!("in-progress"), &json!("scout")));
}

#[test]
fn what_was_learned_of_a_failure_is_said_on_the_task_until_it_is_put_away() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("start t-1 --agent scout");
    clone.ok("fail t-1 --error 'timeout: the mirror is slow' --cause timeout --agent scout");
    let mut said = Vec::new();
    let mut learn = |status: &str, words: &str| {
        assert_eq!(room.task("t-1")["status"], status);
        step(&room, &clone, &format!("comment t-1 '{words}' --agent aria"));
        let task = room.task("t-1");
        assert_eq!(task["status"], status, "a word moves nothing");
        said.push(words.to_owned());
        let chat: Vec<String> = task["chat"]
            .as_array()
            .expect("a chat")
            .iter()
            .filter(|message| message["author"] == "aria")
            .map(|message| message["content"].as_str().expect("words").to_owned())
            .collect();
        assert_eq!(chat, said, "it stands beside the error: {task}");
    };
    learn("backlog", "the other mirror is faster");
    assert_eq!(room.task("t-1")["lastError"]["cause"], "timeout", "and takes nothing away");
    // The pause after a failure is over.
    let mut task = room.task("t-1");
    task.as_object_mut().expect("an object").remove("retryAt");
    room.put_tasks(&[task]);
    clone.ok("claim t-1 --agent scout");
    learn("in-progress", "and needs no key");
    clone.ok("complete t-1 --deliverable d --summary s --evidence url:https://example.test --agent scout");
    learn("completed", "next time from the start");
    clone.ok("archive t-1 --agent olga");
    clone.refused("comment t-1 'too late' --agent aria", 5, "illegal-transition");
}
