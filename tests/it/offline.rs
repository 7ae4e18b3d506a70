//! `--offline`: reading from what is here, and no claim that nobody can confirm.

use serde_json::json;

use crate::kit::{Room, hand_task, ids};

#[test]
fn reading_works_offline_and_does_not_ask_the_remote() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    room.put_tasks(&[hand_task("t-2", json!({"assigned": "scout"}))]);
    assert_eq!(ids(&clone.ok("list --offline")["tasks"]), ["t-1"]);
    assert_eq!(ids(&clone.ok("scan --agent scout --offline")["tasks"]), ["t-1"]);
    assert_eq!(clone.ok("show t-1 --offline")["task"]["status"], "backlog");
    assert_eq!(ids(&clone.ok("scan --agent scout --fresh")["tasks"]).len(), 2);
}

#[test]
fn a_clone_that_never_asked_reads_what_git_brought() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    assert_eq!(ids(&room.clone_as("scout").ok("list --offline")["tasks"]), ["t-1"]);
}

#[test]
fn a_claim_is_refused_offline_and_nothing_is_kept_of_it() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    let before = room.refs();
    clone.refused("claim t-1 --agent scout --offline", 8, "remote-unreachable");
    clone.refused("comment t-1 hello --agent scout --offline", 8, "remote-unreachable");
    clone.ok("sync");
    assert_eq!(room.refs(), before);
}

#[test]
fn what_cannot_be_refused_may_be_queued_offline() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"status": "in-progress", "assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    let before = room.refs();
    clone.ok("comment t-1 'from the train' --agent scout --offline --queue");
    clone.ok("progress t-1 --pct 30 --agent scout --offline --queue");
    clone.ok("new 'An idea' --id idea --agent scout --offline --queue");
    assert_eq!(room.refs(), before);
    assert_eq!(clone.ok("status --offline")["provisional"].as_array().map(Vec::len), Some(3));
    let answer = clone.ok("sync");
    assert_eq!(answer["published"].as_array().map(Vec::len), Some(3), "{answer}");
    let task = room.task("t-1");
    assert_eq!(task["chat"][0]["content"], "from the train");
    assert_eq!(task["progress"]["percent"], 30);
    assert_eq!(room.task("idea")["title"], "An idea");
    assert_eq!(clone.ok("status")["provisional"], json!([]));
}

#[test]
fn a_claim_cannot_be_queued() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    room.clone_as("scout").json("claim t-1 --agent scout --offline --queue").exits(2);
}
