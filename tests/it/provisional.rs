//! What waits in a clone is shown wherever it could be missed, and never as if it had happened.

use serde_json::{Value, json};

use crate::kit::{Room, hand_task, ids};

#[test]
fn what_waits_stands_beside_the_board_in_every_answer_and_changes_nothing_of_it() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"status": "in-progress", "assigned": "scout", "updatedAt": crate::kit::hours_ago(2)})),
        hand_task("t-2", json!({"assigned": "scout"})),
    ]);
    let clone = room.clone_as("scout");
    let before = clone.ok("show t-1")["task"].clone();
    clone.ok("comment t-1 'from the train' --agent scout --offline --queue");
    clone.ok("progress t-1 --pct 30 --agent scout --offline --queue");
    clone.ok("comment t-2 more --agent scout --offline --queue");
    clone.ok("new 'An idea' --id idea --agent scout --offline --queue");
    let all = ["t-1", "t-1", "t-2", "idea"];
    for (line, wanted) in [
        ("scan --agent scout", &all[..]),
        ("list", &all[..]),
        ("status", &all[..]),
        ("next --agent scout", &all[..]),
        ("show t-1", &all[..2]),
        ("show t-2", &all[2..3]),
    ] {
        let answer = clone.ok(line);
        assert_eq!(ids(&answer["provisional"]), wanted, "{line}: {answer}");
        let ran = clone.squad(line).ok();
        let told: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("provisional: ")).collect();
        assert_eq!(told.len(), 1, "{ran}");
        assert!(told[0].contains("not on the board before `squad sync`"), "{ran}");
    }
    let verbs: Vec<_> = clone.ok("list")["provisional"].as_array().unwrap().iter().map(|p| p["verb"].clone()).collect();
    assert_eq!(verbs, ["comment", "progress", "comment", "new"]);
    assert_eq!(clone.ok("show t-1")["task"], before, "nothing of it has happened");
    assert_eq!(ids(&clone.ok("list")["tasks"]), ["t-1", "t-2"]);
    for line in ["scan --agent scout", "list"] {
        let ran = clone.squad(line).ok();
        let row = |id: &str| ran.stdout.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
        assert!(row("t-1").contains("[provisional: comment, progress] "), "{ran}");
        assert!(row("t-2").contains("[provisional: comment] Work on t-2"), "{ran}");
    }
    clone.ok("sync");
    for line in ["scan --agent scout", "list", "status", "next --agent scout", "show t-1"] {
        assert_eq!(clone.ok(line)["provisional"], json!([]), "{line}");
        assert!(!clone.squad(line).ok().stdout.contains("provisional"), "{line}");
    }
    assert_eq!(clone.ok("show t-1")["task"]["progress"]["percent"], 30);
}

#[test]
fn what_was_queued_is_called_provisional_and_never_done() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    let ran = clone.squad("comment t-1 hello --agent scout --offline --queue").ok();
    assert!(ran.stdout.starts_with("provisional") && !ran.stdout.contains("commit "), "{ran}");
    let answer = clone.ok("comment t-1 again --agent scout --offline --queue");
    assert_eq!((&answer["provisional"], &answer["receipt"]), (&json!(true), &Value::Null));
}

#[test]
fn nothing_that_could_be_refused_can_be_queued() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    for line in [
        "claim t-1",
        "start t-1",
        "release t-1 --note n",
        "fail t-1 --error e",
        "edit t-1 --title x",
        "assign t-1 aria",
        "cancel t-1 --reason r",
        "files add t-1 src/a",
        "dep add t-1 t-2",
        "archive t-1",
        "approve t-1",
        "retry t-1",
        "complete t-1 --deliverable d --summary s",
        "block t-1 --kind external --reason r --retry-after 5m",
        "agents add slate --role executor",
        "override t-1 --gate limit --reason r",
    ] {
        let _ = clone.json(&format!("{line} --agent scout --queue")).exits(2);
        clone.refused(&format!("{line} --agent scout --offline"), 8, "remote-unreachable");
    }
    assert_eq!(clone.ok("status")["provisional"], json!([]));
}
