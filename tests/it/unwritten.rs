//! Runs that are over while the remote is away or takes no push: what they have come to is not lost.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task};
use crate::running::{DONE, begin, outcomes, run, until, worktrees};

/// Does the task, and lets the remote take no push from then on.
fn done_and_shut(room: &Room, clone: &Checkout) -> String {
    let hook = room.remote().join("hooks/pre-receive");
    format!(
        "echo x >> {}/begun; echo text > file; {DONE}; printf '#!/bin/sh\\nexit 1\\n' > {hook}; chmod +x {hook}",
        clone.dir.display(),
        hook = hook.display()
    )
}

fn open_again(room: &Room) {
    std::fs::remove_file(room.remote().join("hooks/pre-receive")).unwrap();
}

fn refused(clone: &Checkout, script: &str) -> Value {
    let mut runner = begin(clone, "--once", script);
    // It would go on trying for a minute; a second interrupt cuts that short.
    until("it tries", || {
        let runs = std::fs::read_dir(clone.dir.join(".git/squad/runs")).into_iter().flatten().flatten();
        runs.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|e| e == "over"))
    });
    for _ in 0..2 {
        crate::running::interrupt(&runner);
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = runner.wait().unwrap();
    assert_eq!(status.code(), Some(8));
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut runner.stdout.take().unwrap(), &mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn the_next_run_hands_in_what_the_last_one_could_not_and_does_nothing_twice() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let answer = refused(&clone, &done_and_shut(&room, &clone));
    assert_eq!(answer["error"]["code"], "remote-refused", "{answer}");
    assert_eq!(room.task("t-1")["status"], "in-progress");
    open_again(&room);
    let answer = run(&clone, "--once", "echo y >> begun-again; exit 1");
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    assert_eq!(clone.read("begun"), "x\n", "its command ran once");
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["deliverable"]), (&json!("completed"), &json!("x")), "{task}");
    let argv = task["evidence"][0]["argv"].to_string();
    assert!(argv.contains("echo text"), "the proof names the command that did it: {argv}");
    assert_eq!(worktrees(&clone), 2, "its work is kept");
}

#[test]
fn what_somebody_else_has_by_then_is_not_handed_in() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    refused(&clone, &done_and_shut(&room, &clone).replace("echo text > file", "true"));
    open_again(&room);
    room.clone_as("knox").ok("release t-1 --note long --unassign --agent scout");
    clone.ok("claim t-1 --agent aria");
    let answer = run(&clone, "--until-idle", DONE);
    assert_eq!(outcomes(&answer), Vec::<String>::new(), "{answer}");
    assert_eq!(room.task("t-1")["claim"]["agent"], "aria");
    assert_eq!(worktrees(&clone), 1, "nothing is left of it");
}

#[test]
fn a_runner_that_goes_on_hands_in_once_the_remote_is_back() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let script = format!("{DONE}; mv {} {}", room.remote().join("HEAD").display(), room.lost_head().display());
    let mut runner = begin(&clone, "", &script);
    until("the remote is away", || room.lost_head().exists());
    std::thread::sleep(Duration::from_secs(4));
    assert!(runner.try_wait().unwrap().is_none(), "it does not give up");
    room.regain_remote();
    until("it is handed in", || room.task("t-1")["status"] == "completed");
    crate::running::interrupt(&runner);
    let output = runner.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("it is asked again").count(), 1, "it is said once: {said}");
}
