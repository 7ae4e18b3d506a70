//! `scan` and `next`: what an agent is shown, in which order, and why.

use serde_json::{Value, json};

use crate::kit::{Room, hand_task, hours_ago, ids, minutes_ago, seconds_from_now, strings};

/// Returns the row of a task in a scan.
#[track_caller]
fn row<'a>(scan: &'a Value, id: &str) -> &'a Value {
    let rows = scan["tasks"].as_array().unwrap();
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("{id} is not in {scan}"))
}

#[test]
fn tasks_come_by_status_then_priority_then_age_then_id() {
    let statuses = ["blocked", "in-progress", "review", "ready", "backlog"];
    let priorities = ["critical", "high", "medium", "low"];
    let ages = [72, 48, 48];
    let (mut tasks, mut wanted) = (Vec::new(), Vec::new());
    let at = |hours: i64| hours_ago(0) / 1000 * 1000 - hours * 3_600_000;
    let instants = ages.map(at);
    for (s, status) in statuses.iter().enumerate() {
        for (p, priority) in priorities.iter().enumerate() {
            for (a, updated) in instants.iter().enumerate() {
                let id = format!("t-{s}{p}{a}");
                tasks.push(hand_task(
                    &id,
                    json!({"status": status, "priority": priority, "updatedAt": updated, "assigned": "scout"}),
                ));
                wanted.push(id);
            }
        }
    }
    // The order of the files says nothing about the order of the answer.
    tasks.reverse();
    let room = Room::with_tasks(&tasks);
    let scan = room.clone_as("scout").ok("scan --agent scout --limit 1000");
    assert_eq!(ids(&scan["tasks"]), wanted);
    assert_eq!(scan["status"], "WORK");
    assert_eq!(scan["agent"], "scout");
}

#[test]
fn a_task_is_found_by_assignee_participant_subtask_and_mention_once_each_with_every_reason() {
    let message = |text: &str| json!([{"id": "msg-1", "author": "knox", "content": text, "timestamp": hours_ago(1)}]);
    let subtask = json!([
        {"id": "sub-001", "title": "a", "status": "backlog", "assigned": "scout"},
        {"id": "sub-002", "title": "b", "status": "backlog", "assigned": "aria"},
    ]);
    let room = Room::with_tasks(&[
        hand_task("mine", json!({"assigned": "Scout"})),
        hand_task("beside", json!({"assigned": "aria", "participants": ["aria", "SCOUT"]})),
        hand_task("part", json!({"assigned": "aria", "subtasks": subtask.clone()})),
        hand_task("asked", json!({"assigned": "aria", "chat": message("what do you think, @scout?")})),
        hand_task(
            "all",
            json!({"assigned": "scout", "participants": ["scout"], "subtasks": subtask, "chat": message("@scout")}),
        ),
        hand_task("foreign", json!({"assigned": "aria", "chat": message("mail me: me@scouting.test")})),
        hand_task("nobodys", json!({})),
    ]);
    let scan = room.clone_as("scout").ok("scan --agent scout");
    let mut found = ids(&scan["tasks"]);
    found.sort();
    assert_eq!(found, ["all", "asked", "beside", "mine", "part"]);
    assert_eq!(strings(&row(&scan, "mine")["why"]), ["assigned"]);
    assert_eq!(strings(&row(&scan, "beside")["why"]), ["participant"]);
    assert_eq!(strings(&row(&scan, "part")["why"]), ["subtask"]);
    assert_eq!(ids(&row(&scan, "part")["subtasks"]), ["sub-001"]);
    assert_eq!(strings(&row(&scan, "asked")["why"]), ["mention"]);
    let mut why = strings(&row(&scan, "all")["why"]);
    why.sort();
    assert_eq!(why, ["assigned", "mention", "participant", "subtask"]);
    let mentions = scan["mentions"].as_array().unwrap();
    assert_eq!(mentions.len(), 2, "{scan}");
    let asked = mentions.iter().find(|mention| mention["task"] == "asked").unwrap();
    assert_eq!(asked["author"], "knox");
    assert_eq!(asked["message"], "msg-1");
    assert_eq!(asked["content"], "what do you think, @scout?");
}

#[test]
fn a_mention_is_read_once_the_agent_has_answered() {
    let chat = json!([{"id": "msg-1", "author": "knox", "content": "@scout?", "timestamp": hours_ago(1)}]);
    let room = Room::with_tasks(&[hand_task("asked", json!({"assigned": "aria", "chat": chat}))]);
    let clone = room.clone_as("scout");
    assert_eq!(clone.ok("scan --agent scout")["mentions"].as_array().map(Vec::len), Some(1));
    clone.ok("comment asked 'yes' --agent scout");
    let scan = clone.ok("scan --agent scout");
    assert_eq!(scan["mentions"], json!([]));
    assert_eq!(scan["status"], "HEARTBEAT_OK", "what is left is only being a participant");
}

#[test]
fn a_persons_last_word_wants_an_answer_of_those_who_have_a_hand_in_it() {
    let said = |author: &str, text: &str| json!([{"id": "msg-1", "author": author, "content": text, "timestamp": hours_ago(1)}]);
    let room = Room::with_tasks(&[
        hand_task("mine", json!({"assigned": "scout", "chat": said("olga", "which glass?")})),
        hand_task("beside", json!({"assigned": "aria", "participants": ["scout"], "chat": said("olga", "well?")})),
        hand_task("called", json!({"assigned": "scout", "chat": said("olga", "@scout, well?")})),
        hand_task("machine", json!({"assigned": "scout", "chat": said("aria", "which glass?")})),
        hand_task("stranger", json!({"assigned": "scout", "chat": said("passer-by", "hello")})),
        hand_task("done", json!({"assigned": "scout", "status": "completed", "chat": said("olga", "thanks")})),
        hand_task("foreign", json!({"assigned": "aria", "chat": said("olga", "which glass?")})),
    ]);
    let clone = room.clone_as("scout");
    let told = |scan: &Value| -> Vec<String> {
        let all = scan["mentions"].as_array().unwrap().iter();
        let mut all: Vec<_> = all.map(|m| format!("{} {}", m["task"], m["why"]).replace('"', "")).collect();
        all.sort();
        all
    };
    let scan = clone.ok("scan --agent scout");
    assert_eq!(told(&scan), ["beside unanswered", "called mention", "mine unanswered"]);
    assert_eq!(strings(&row(&scan, "mine")["why"]), ["assigned", "unanswered"]);
    let text = clone.squad("scan --agent scout").ok().stdout;
    assert!(text.contains("unanswered mine by olga: which glass?"), "{text}");
    assert_eq!(told(&clone.ok("scan --agent olga")), Vec::<String>::new(), "nobody answers themselves");

    clone.ok("comment mine 'the green one' --agent scout");
    clone.ok("comment beside 'yes' --agent aria");
    clone.ok("claim called --agent scout");
    let scan = clone.ok("scan --agent scout");
    assert_eq!(told(&scan), Vec::<String>::new(), "a word is an answer, anybody's, and so is a deed of one's own");
    clone.ok("comment mine 'and the frame?' --agent olga");
    assert_eq!(told(&clone.ok("scan --agent scout")), ["mine unanswered"]);
    // The index tells the same as the files.
    assert_eq!(told(&clone.ok("scan --agent scout")), ["mine unanswered"]);
}

#[test]
fn heartbeat_ok_is_the_last_line_when_there_is_nothing_to_do() {
    let room = Room::board();
    let clone = room.clone_as("scout");
    assert_eq!(clone.squad("scan --agent scout").ok().last_line(), "HEARTBEAT_OK");
    assert_eq!(clone.ok("scan --agent scout")["status"], "HEARTBEAT_OK");
}

#[test]
fn being_a_participant_alone_is_no_work() {
    let room = Room::with_tasks(&[hand_task("beside", json!({"assigned": "aria", "participants": ["scout"]}))]);
    let clone = room.clone_as("scout");
    let scan = clone.ok("scan --agent scout");
    assert_eq!(scan["status"], "HEARTBEAT_OK");
    assert_eq!(ids(&scan["tasks"]), ["beside"], "it is listed all the same");
    assert_eq!(clone.squad("scan --agent scout").ok().last_line(), "HEARTBEAT_OK");
}

#[test]
fn with_work_the_last_line_is_not_heartbeat_ok() {
    let room = Room::with_tasks(&[hand_task("mine", json!({"assigned": "scout"}))]);
    let ran = room.clone_as("scout").squad("scan --agent scout").ok();
    assert!(!ran.stdout.contains("HEARTBEAT_OK"), "{ran}");
    assert!(ran.stdout.contains("mine"), "{ran}");
}

#[test]
fn completed_and_archived_tasks_are_never_listed() {
    let archived = hand_task("old", json!({"status": "archived", "assigned": "scout", "archivedReason": "done"}));
    let room = Room::with_tasks(&[hand_task("done", json!({"status": "completed", "assigned": "scout"}))]);
    let text = serde_json::to_string_pretty(&archived).unwrap() + "\n";
    room.put(&[("squad/tasks/archived/2026-01/old.json", Some(text))]);
    let clone = room.clone_as("scout");
    for agent in ["scout", "knox", "hex", "olga"] {
        let scan = clone.ok(&format!("scan --agent {agent}"));
        assert_eq!(scan["tasks"], json!([]), "{agent}");
        assert_eq!(scan["status"], "HEARTBEAT_OK", "{agent}");
    }
}

#[test]
fn a_broken_file_is_listed_and_stops_nothing() {
    let room = Room::with_tasks(&[hand_task("mine", json!({"assigned": "scout"}))]);
    room.put(&[
        ("squad/tasks/json/broken.json", Some("{\"id\": \"broken\",")),
        ("squad/tasks/json/notes.txt", Some("not a task\n")),
    ]);
    let clone = room.clone_as("scout");
    let scan = clone.ok("scan --agent scout");
    assert_eq!(ids(&scan["tasks"]), ["mine"]);
    let invalid = scan["invalid"].as_array().unwrap();
    assert_eq!(invalid.len(), 1, "{scan}");
    assert_eq!(invalid[0]["file"], "squad/tasks/json/broken.json");
    assert!(invalid[0]["code"].is_string() && invalid[0]["message"].is_string(), "{scan}");
    assert!(clone.squad("scan --agent scout").ok().stdout.contains("broken.json"));
    clone.ok("claim mine --agent scout");
    clone.json("check").exits(4);
}

#[test]
fn a_manager_sees_their_domain_and_what_nobody_has() {
    let room = Room::with_tasks(&[
        hand_task("d", json!({"category": "dev", "assigned": "scout"})),
        hand_task("m", json!({"category": "marketing", "assigned": "aria"})),
        hand_task("b", json!({"category": "both", "assigned": "scout"})),
        hand_task("u", json!({"category": "dev"})),
        hand_task("n", json!({"category": "marketing"})),
    ]);
    let clone = room.clone_as("olga");
    let seen = |agent: &str| {
        let mut seen = ids(&clone.ok(&format!("scan --agent {agent}"))["tasks"]);
        seen.sort();
        seen
    };
    assert_eq!(seen("knox"), ["b", "d", "u"]);
    assert_eq!(seen("sterling"), ["b", "m", "n"]);
    assert_eq!(seen("hex"), ["b", "d", "m", "n", "u"]);
    assert_eq!(seen("scout"), ["b", "d"]);
}

#[test]
fn the_chief_is_shown_what_has_been_blocked_for_more_than_a_day() {
    let blocked = |id: &str, minutes: i64| {
        // A comment of a moment ago must not reset the clock.
        hand_task(
            id,
            json!({"status": "blocked", "assigned": "scout", "blockedAt": minutes_ago(minutes), "updatedAt": minutes_ago(1)}),
        )
    };
    let room = Room::with_tasks(&[blocked("not-yet", 23 * 60 + 59), blocked("too-long", 24 * 60 + 1)]);
    let clone = room.clone_as("olga");
    assert_eq!(ids(&clone.ok("scan --agent hex")["blockedOver24h"]), ["too-long"]);
    clone.ok("comment too-long 'any news?' --agent hex");
    assert_eq!(ids(&clone.ok("scan --agent hex")["blockedOver24h"]), ["too-long"], "a comment does not reset it");
    assert!(clone.squad("scan --agent hex").ok().stdout.contains("too-long"));
}

#[test]
fn a_manager_is_shown_what_was_given_and_never_taken() {
    let room = Room::with_tasks(&[
        hand_task("left", json!({"assigned": "scout", "category": "dev", "updatedAt": hours_ago(24)})),
        hand_task("new", json!({"assigned": "scout", "category": "dev", "updatedAt": minutes_ago(1)})),
        hand_task(
            "taken",
            json!({"assigned": "aria", "category": "dev", "status": "in-progress", "updatedAt": hours_ago(24)}),
        ),
    ]);
    let scan = room.clone_as("olga").ok("scan --agent knox");
    assert_eq!(ids(&scan["unattended"]), ["left"]);
}

#[test]
fn what_is_due_within_two_days_is_one_step_more_urgent() {
    let soon = seconds_from_now(47 * 3600);
    let later = seconds_from_now(49 * 3600);
    let room = Room::with_tasks(&[
        hand_task("plain", json!({"assigned": "scout", "priority": "high", "updatedAt": hours_ago(1)})),
        hand_task("soon", json!({"assigned": "scout", "priority": "medium", "due": soon, "updatedAt": hours_ago(2)})),
        hand_task("later", json!({"assigned": "scout", "priority": "medium", "due": later, "updatedAt": hours_ago(3)})),
    ]);
    let before = room.task_text("soon");
    let clone = room.clone_as("scout");
    let scan = clone.ok("scan --agent scout");
    assert_eq!(ids(&scan["tasks"]), ["soon", "plain", "later"], "as high it is the older one");
    assert_eq!(row(&scan, "soon")["priority"], "medium");
    assert_eq!(row(&scan, "soon")["effectivePriority"], "high");
    assert_eq!(row(&scan, "later")["effectivePriority"], "medium");
    assert_eq!(room.task_text("soon"), before, "the file keeps its priority");
}

#[test]
fn a_blocked_task_is_listed_first_and_never_runnable() {
    let room = Room::with_tasks(&[
        hand_task("stuck", json!({"assigned": "scout", "status": "blocked", "priority": "low"})),
        hand_task("free", json!({"assigned": "scout", "priority": "critical"})),
        hand_task("waits", json!({"assigned": "scout", "priority": "low", "dependsOn": ["stuck"]})),
    ]);
    let clone = room.clone_as("scout");
    let scan = clone.ok("scan --agent scout");
    assert_eq!(ids(&scan["tasks"]), ["stuck", "free", "waits"]);
    assert_eq!(row(&scan, "stuck")["runnable"], false);
    assert_eq!(row(&scan, "free")["runnable"], true);
    assert_eq!(row(&scan, "waits")["runnable"], false);
}

#[test]
fn a_scan_makes_no_commit_and_two_of_them_say_the_same() {
    let room = Room::with_tasks(&[
        hand_task("mine", json!({"assigned": "scout"})),
        hand_task("beside", json!({"assigned": "aria", "participants": ["scout"]})),
    ]);
    let clone = room.clone_as("scout");
    let (refs, local, status) = (room.refs(), clone.git("rev-parse HEAD"), clone.status());
    let first = clone.ok("scan --agent scout");
    let second = clone.ok("scan --agent scout");
    for key in [
        "agent",
        "status",
        "tasks",
        "mentions",
        "blockedOver24h",
        "unattended",
        "obligations",
        "activity",
        "invalid",
        "head",
        "degraded",
    ] {
        assert!(first.get(key).is_some(), "no {key} in {first}");
        assert_eq!(first[key], second[key], "{key}");
    }
    assert_eq!(first["degraded"], false);
    assert_eq!(first["head"], room.head());
    assert_eq!(room.refs(), refs);
    assert_eq!(clone.git("rev-parse HEAD"), local);
    assert_eq!(clone.status(), status);
}

#[test]
fn the_text_of_ten_tasks_is_short() {
    let tasks: Vec<_> = (0..10)
        .map(|i| {
            let title = format!("Teach the importer to keep the order of columns, part {i}");
            hand_task(&format!("mc-{i:03}"), json!({"assigned": "scout", "title": title, "updatedAt": hours_ago(i)}))
        })
        .collect();
    let ran = Room::with_tasks(&tasks).clone_as("scout").squad("scan --agent scout").ok();
    for task in &tasks {
        assert!(ran.stdout.contains(task["id"].as_str().unwrap()), "{ran}");
    }
    assert!(ran.stdout.len() <= 1200, "{} bytes: {ran}", ran.stdout.len());
}

#[test]
fn since_last_marks_what_has_changed() {
    let room = Room::with_tasks(&["t-1", "t-2"].map(|id| hand_task(id, json!({"assigned": "scout"}))));
    let clone = room.clone_as("scout");
    clone.ok("scan --agent scout --since-last");
    let olga = room.clone_as("olga");
    olga.ok("comment t-2 'look here'");
    let scan = clone.ok("scan --agent scout --since-last --fresh");
    assert_eq!(row(&scan, "t-1")["new"], false);
    assert_eq!(row(&scan, "t-2")["new"], true);
}

#[test]
fn safe_leaves_out_tasks_whose_effects_reach_outside_or_are_unknown() {
    let room = Room::with_tasks(&[
        hand_task("harmless", json!({"assigned": "scout", "effects": []})),
        hand_task("sends", json!({"assigned": "scout", "effects": ["send"]})),
        hand_task("unknown", json!({"assigned": "scout"})),
    ]);
    let scan = room.clone_as("scout").ok("scan --agent scout --safe");
    assert_eq!(ids(&scan["tasks"]), ["harmless"]);
}

#[test]
fn next_is_the_best_task_that_may_be_claimed_now() {
    let room = Room::with_tasks(&[
        hand_task("later", json!({"assigned": "scout", "priority": "critical", "retryAt": seconds_from_now(3600)})),
        hand_task("waits", json!({"assigned": "scout", "priority": "critical", "dependsOn": ["best"]})),
        hand_task("best", json!({"assigned": "scout", "priority": "high"})),
        hand_task("other", json!({"assigned": "scout", "priority": "low"})),
    ]);
    let clone = room.clone_as("scout");
    let next = clone.ok("next --agent scout -v");
    assert_eq!(next["task"]["id"], "best");
    let skipped = ids(&next["skipped"]);
    assert!(skipped.contains(&"later".to_owned()) && skipped.contains(&"waits".to_owned()), "{next}");
    assert!(next["skipped"].as_array().unwrap().iter().all(|skip| skip["reason"].is_string()), "{next}");
    let claimed = clone.ok("claim --next --agent scout");
    assert_eq!(claimed["task"]["id"], "best");
    assert_eq!(room.task("best")["status"], "in-progress");
}

#[test]
fn next_with_nothing_to_claim_is_null() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "aria"}))]);
    assert_eq!(room.clone_as("scout").ok("next --agent scout")["task"], Value::Null);
}

#[test]
fn who_was_entered_a_moment_ago_is_no_stranger() {
    let room = Room::board();
    let (olga, scout) = (room.clone_as("olga"), room.clone_as("scout"));
    scout.ok("scan --agent scout");
    // Each time the board was fetched a moment ago, without them.
    olga.ok("agents add late --role executor");
    assert_eq!(scout.ok("scan --agent late")["agent"], "late");
    olga.ok("agents add later --role executor");
    olga.ok("new Work --id t-1 --file src/a");
    assert_eq!(scout.ok("next --agent later")["task"]["id"], "t-1");
}

#[test]
fn a_scan_tells_what_the_agent_comes_back_to() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({}))]);
    let clone = room.clone_as("scout");
    assert_eq!(clone.ok("scan --agent scout")["context"], json!({"working": null, "current": []}));
    clone.write("memory/scout/WORKING.md", "half way\n");
    let epoch = clone.ok("claim t-2 --agent scout")["epoch"].clone();
    clone.ok("claim t-1 --agent aria");
    clone.ok("start t-2 --agent scout");
    let context = clone.ok("scan --agent scout")["context"].clone();
    assert_eq!(context["working"], json!({"path": "memory/scout/WORKING.md", "bytes": 9}));
    let claim = room.task("t-2")["claim"].clone();
    let held = json!([{"task": "t-2", "epoch": epoch, "at": claim["at"], "startedAt": claim["startedAt"]}]);
    assert_eq!(context["current"], held, "only its own, as the board has it");
    let agents = clone.ok("agents");
    let scout = agents["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "scout").unwrap();
    assert_eq!(ids(&scout["claims"]), ["t-2"], "and as the roster shows it");
    clone.ok("release t-2 --note n --agent scout");
    assert_eq!(clone.ok("scan --agent scout")["context"]["current"], json!([]));
    assert_eq!(clone.ok("scan --agent aria")["context"]["working"], json!(null), "each has its own");
}
