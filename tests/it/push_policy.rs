//! `git config squad.push`: whether this clone may publish anything.

use serde_json::json;

use crate::kit::{Checkout, Room, hand_task};

fn clone_that(room: &Room, push: &str) -> Checkout {
    let clone = room.clone_as("olga");
    clone.ok("list");
    clone.git(&format!("config squad.push {push}"));
    clone
}

fn one_task() -> Room {
    Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))])
}

#[test]
fn with_never_every_writing_verb_is_refused_and_nothing_is_kept() {
    let room = one_task();
    let clone = clone_that(&room, "never");
    let before = room.refs();
    let lines = [
        "claim t-1 --agent scout",
        "comment t-1 hello",
        "new later",
        "agents add slate --role executor",
        "init",
        "comment t-1 x --queue",
    ];
    for line in lines {
        let error = clone.refused(line, 9, "not-permitted");
        assert!(error["why"].as_str().unwrap().contains("squad.push is never"), "{line}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("git config squad.push"), "{line}: {error}");
        assert_eq!(error["setting"], "squad.push");
        clone.refused(&format!("{line} --yes"), 9, "not-permitted");
    }
    assert_eq!(room.refs(), before);
    assert_eq!(clone.ok("status")["provisional"], json!([]));
    for line in ["list", "scan --agent scout", "status", "sync", "comment t-1 hello --dry-run"] {
        clone.ok(line);
    }
    assert_eq!(room.refs(), before);
}

#[test]
fn with_ask_and_nobody_to_ask_it_is_refused_unless_the_command_line_says_yes() {
    let room = one_task();
    let clone = clone_that(&room, "ask");
    let before = room.refs();
    let error = clone.refused("comment t-1 hello", 9, "not-permitted");
    assert!(error["hint"].as_str().unwrap().contains("--yes"), "{error}");
    assert_eq!(room.refs(), before);
    clone.ok("list");
    clone.ok("comment t-1 hello --yes");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1));
}

#[test]
fn auto_is_what_counts_without_the_setting() {
    let room = one_task();
    clone_that(&room, "auto").ok("comment t-1 hello");
}

#[test]
fn a_word_that_it_cannot_be_is_named_and_stops_only_who_writes() {
    let room = one_task();
    let clone = clone_that(&room, "sometimes");
    let error = clone.refused("comment t-1 hello", 4, "invalid");
    assert!(error["message"].as_str().unwrap().contains("squad.push"), "{error}");
    assert!(error["why"].as_str().unwrap().contains("auto, ask, never"), "{error}");
    clone.ok("list");
    clone.ok("scan --agent scout");
}

#[test]
fn what_waits_is_not_published_where_nothing_may_be() {
    let room = one_task();
    let clone = room.clone_as("olga");
    clone.ok("list");
    clone.ok("comment t-1 'from the train' --offline --queue");
    clone.git("config squad.push never");
    let before = room.refs();
    let answer = clone.ok("sync");
    assert_eq!((&answer["published"], &answer["lost"]), (&json!([]), &json!([])), "{answer}");
    assert_eq!(answer["provisional"].as_array().map(Vec::len), Some(1));
    assert_eq!(room.refs(), before);
    clone.git("config squad.push auto");
    assert_eq!(clone.ok("sync")["published"].as_array().map(Vec::len), Some(1));
}
