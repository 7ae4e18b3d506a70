//! A process that dies at a named step of a publish: afterwards everything works, and what was asked for happens once.
#![cfg(unix)]

use serde_json::{Value, json};
use squad::failpoint::Step;

use crate::kit::{Checkout, Room, hand_task};

/// A clone in which the user is in the middle of something: a staged change, a dirty file, a file of their own.
fn busy_clone(room: &Room) -> Checkout {
    let clone = room.clone_as("scout");
    clone.ok("comment t-2 'I was here' --agent scout");
    clone.write("src/main.txt", "staged\n");
    clone.git("add src/main.txt");
    clone.write("src/main.txt", "dirty\n");
    clone.write("notes.txt", "mine\n");
    clone
}

fn of_the_user(clone: &Checkout) -> (String, String, String, String) {
    let index = clone.git("ls-files --stage src");
    (index, clone.git("diff src"), clone.git("diff --cached src"), clone.read("notes.txt"))
}

fn two_tasks() -> Room {
    Room::with_tasks(&[hand_task("t-1", json!({"files": ["src/a"]})), hand_task("t-2", json!({}))])
}

/// Everything that must hold after a death at any step.
#[track_caller]
fn is_whole(room: &Room, clone: &Checkout) {
    clone.ok("list");
    clone.ok("check");
    room.git("fsck --strict --no-dangling --no-progress");
    clone.git("fsck --strict --no-dangling --no-progress");
    clone.git("--git-dir=.git/squad/board.git fsck --strict --no-dangling --no-progress");
}

fn dies_at(clone: &Checkout, step: &str, line: &str) {
    let args = crate::kit::words(line);
    let ran = clone.squad_with(&args, b"", &[("SQUAD_FAIL_POINT", step)]).0;
    assert_eq!(ran.code, -1, "{step} is reached: {ran}");
    assert_eq!(ran.stdout, "", "a dead process has told nothing: {ran}");
}

/// Steps that a publish by whoever leads comes past.
fn led() -> impl Iterator<Item = &'static str> {
    Step::PUBLISH.iter().filter(|(step, _)| *step != Step::Queued).map(|(_, name)| *name)
}

#[test]
fn a_claim_that_died_at_any_step_is_made_once_when_it_is_asked_for_again() {
    for step in led() {
        let room = two_tasks();
        let clone = busy_clone(&room);
        let before = of_the_user(&clone);
        let base = room.head();
        dies_at(&clone, step, "claim t-1 --agent scout --plan p");
        is_whole(&room, &clone);
        let answer = clone.ok("claim t-1 --agent scout --plan p");
        assert_eq!(answer["task"]["claim"]["agent"], "scout", "{step}: {answer}");
        assert_eq!(room.claims_of("t-1", &base).len(), 1, "{step}");
        assert_eq!(clone.ok("sync")["provisional"], json!([]), "{step}");
        assert_eq!(of_the_user(&clone), before, "{step}");
        assert_eq!(clone.ok("audit")["violations"], json!([]), "{step}");
        is_whole(&room, &clone);
    }
}

#[test]
fn a_comment_that_died_at_any_step_is_said_once_when_it_is_said_again() {
    for step in led() {
        let room = two_tasks();
        let clone = busy_clone(&room);
        dies_at(&clone, step, "comment t-1 hello --agent scout");
        clone.ok("comment t-1 hello --agent scout");
        let chat = room.task("t-1")["chat"].as_array().map(Vec::len);
        // Nothing was announced before it was written down, so a new comment is a new one.
        assert_eq!(chat, Some(1), "{step}: {}", room.task("t-1")["chat"]);
        is_whole(&room, &clone);
    }
}

#[test]
fn what_a_dead_process_had_announced_is_settled_by_sync() {
    for step in ["remembered", "pushed", "confirmed", "followed", "answered"] {
        let room = two_tasks();
        let clone = busy_clone(&room);
        dies_at(&clone, step, "comment t-1 hello --agent scout");
        let open = clone.ok("status")["provisional"].as_array().map(Vec::len);
        assert_eq!(open, Some(1), "{step}: it is shown as open");
        let synced = clone.ok("sync");
        assert_eq!(synced["published"].as_array().map(Vec::len), Some(1), "{step}: {synced}");
        assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1), "{step}");
        assert_eq!(clone.ok("status")["provisional"], json!([]), "{step}");
    }
}

#[test]
fn what_waits_in_the_queue_of_a_dead_process_is_published_by_the_next_and_a_claim_is_not() {
    let room = two_tasks();
    let clone = busy_clone(&room);
    dies_at(&clone, "queued", "comment t-1 'from the train' --agent scout --offline --queue");
    clone.ok("comment t-2 'on the way' --agent scout");
    assert_eq!(
        room.task("t-1")["chat"][0]["content"],
        "from the train",
        "the next publish of the clone takes it along"
    );
    let answers: Value = clone.ok("sync");
    assert_eq!(answers["provisional"], json!([]), "{answers}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_asked_of_a_newer_board_than_the_leader_has_fetched_is_decided_all_the_same() {
    use std::time::{Duration, Instant};
    let room = two_tasks();
    let (clone, other) = (room.clone_as("scout"), room.clone_as("knox"));
    clone.ok("list");
    let mut slow = clone.command(env!("CARGO_BIN_EXE_squad"));
    slow.args(["comment", "t-1", "slow", "--agent", "scout", "--json"]).env("SQUAD_FAIL_POINT", "stop:fetched");
    let mut slow = slow.stdout(std::process::Stdio::null()).spawn().expect("squad starts");
    let pid = rustix::process::Pid::from_child(&slow);
    let stat = format!("/proc/{}/stat", slow.id());
    let stands = || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        stat.contains(") T ")
    };
    let queued = || {
        let entries = std::fs::read_dir(clone.dir.join(".git/squad/queue")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "json")).count()
    };
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    std::thread::scope(|scope| {
        // First at the head that it came with: then it loses its push, and has to fetch while it leads.
        until("it has fetched", &stands);
        other.ok("comment t-2 'before' --agent knox");
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
        until("it goes on", &|| !stands());
        until("it has fetched again", &stands);
        other.ok("comment t-2 'meanwhile' --agent knox");
        // Whoever only looks has seen that already.
        clone.ok("recover --agent hex");
        let clone = &clone;
        let waiting = queued();
        scope.spawn(move || clone.ok("comment t-1 'of what was done meanwhile' --agent aria"));
        until("another waits for the leader", &|| queued() > waiting);
        // From here on it only has to be told to go on.
        let end = Instant::now() + Duration::from_secs(60);
        while slow.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end");
            rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    assert!(slow.wait().unwrap().success());
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(2));
}
