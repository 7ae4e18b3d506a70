//! A runner that dies at every step of a run: what it has left is ended, its task is done once more and no more.

use std::time::Duration;

use serde_json::{Value, json};
use squad::failpoint::Step;

use crate::kit::{Checkout, Room, hand_task};
use crate::running::{DONE, begin, lives, outcomes, run, until, worktrees};

/// Notes who begins with which claim, and with which process.
fn noting(clone: &Checkout, script: &str) -> String {
    format!("echo $SQUAD_TASK $SQUAD_EPOCH $$ >> {}/begun; {script}", clone.dir.display())
}

fn begun(clone: &Checkout) -> Vec<Vec<String>> {
    let lines = std::fs::read_to_string(clone.dir.join("begun")).unwrap_or_default();
    lines.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn dies_at(clone: &Checkout, step: &str, script: &str) {
    let args = ["run", "--until-idle", "--agent", "scout", "--json", "--", "sh", "-c", script];
    let ran = clone.squad_with(&args, b"", &[("SQUAD_FAIL_POINT", step)]).0;
    assert_eq!(ran.code, -1, "{step} is reached: {ran}");
}

/// Nothing is left of any run, no claim is begun twice, and the history decides itself again.
#[track_caller]
fn is_clean(room: &Room, clone: &Checkout, step: &str) {
    let mut claims: Vec<_> = begun(clone).into_iter().map(|line| line[..2].to_vec()).collect();
    for line in begun(clone) {
        assert!(!lives(&line[2]), "{step}: {line:?}");
    }
    let all = claims.len();
    claims.sort();
    claims.dedup();
    assert_eq!(claims.len(), all, "{step}: one claim, one run: {claims:?}");
    let state = clone.dir.join(".git/squad");
    let files = |folder: &str| {
        let entries = std::fs::read_dir(state.join(folder)).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_file()).map(|entry| entry.path()).collect::<Vec<_>>()
    };
    assert_eq!((files("runs"), files("runs/locks"), files("presence/scout")), (vec![], vec![], vec![]), "{step}");
    assert_eq!(worktrees(clone), 1, "{step}");
    assert_eq!(clone.ok("audit")["violations"], json!([]), "{step}");
    room.git("fsck --strict --no-dangling --no-progress");
}

/// A claim that nobody was seen to leave is free once its time without a sign of life is over.
fn impatient() -> Room {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    room.configure(|config| {
        config["timing"] = json!({"unstartedSeconds": 1, "leaseSeconds": 1, "graceSeconds": 0, "fetchSeconds": 1,
            "beatSeconds": 1, "remoteBeatSeconds": 1});
    });
    room
}

/// A runner dies at a step; those that follow bring its task to its end.
#[track_caller]
fn comes_through(step: &str) {
    let room = impatient();
    let clone = room.clone_as("olga");
    let script = noting(&clone, DONE);
    dies_at(&clone, step, &script);
    until(step, || {
        run(&clone, "--until-idle", &script);
        room.task("t-1")["status"] == "completed"
    });
    is_clean(&room, &clone, step);
}

#[test]
fn a_runner_that_dies_at_any_step_of_a_run_leaves_nobody_and_its_task_is_done() {
    for (_, step) in Step::RUN {
        comes_through(step);
    }
}

#[test]
fn a_runner_that_dies_as_it_publishes_is_no_different() {
    // The claim, its beginning, and what came of the run.
    for (time, step) in
        [(1, "remembered"), (1, "pushed"), (2, "sealed"), (2, "pushed"), (3, "remembered"), (3, "pushed")]
    {
        comes_through(&format!("{step}:{time}"));
    }
}

#[test]
fn whoever_recovers_ends_the_command_first_even_where_it_is_found_by_its_tag_alone() {
    for step in ["started", "recorded"] {
        let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
        let clone = room.clone_as("olga");
        // It does not end when it is asked to, and its runner dies before it can say so.
        let script = noting(&clone, "trap '' TERM; while :; do sleep 0.1; done");
        dies_at(&clone, step, &script);
        until("it has begun", || begun(&clone).len() == 1);
        let tick: Value = clone.ok("heartbeat --agent olga");
        assert!(tick.to_string().contains("t-1"), "{tick}");
        assert_eq!(room.task("t-1")["status"], "backlog", "{step}");
        assert!(!lives(&begun(&clone)[0][2]), "{step}: by then it has ended");
        is_clean(&room, &clone, step);
    }
}

#[test]
fn whoever_dies_between_the_beginning_and_its_first_sign_of_life_is_seen_to_have_ended_at_once() {
    for step in ["taken", "pushed:2"] {
        let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
        let clone = room.clone_as("olga");
        dies_at(&clone, step, DONE);
        assert_eq!(room.task("t-1")["status"], "in-progress", "{step}");
        let tick = clone.ok("recover --agent olga");
        assert_eq!(tick["recovered"][0]["trigger"], "orphaned", "{step}: {tick}");
        assert_eq!(outcomes(&run(&clone, "--until-idle", &noting(&clone, DONE))), ["completed"], "{step}");
        is_clean(&room, &clone, step);
    }
}

#[test]
fn whoever_died_of_asking_for_leave_is_not_taken_for_the_one_who_got_it() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let (here, there) = (room.clone_as("olga"), room.clone_as("knox"));
    here.ok("claim t-1 --agent scout");
    // It had kept its operation, and had not sent it.
    dies_at(&here, "remembered", DONE);
    let runner = begin(&there, "--once", &format!("echo x > {}/begun; sleep 8; {DONE}", there.dir.display()));
    until("another begins", || there.dir.join("begun").exists());
    for _ in 0..2 {
        let tick = here.ok("recover --agent olga");
        assert_eq!((&tick["recovered"], &room.task("t-1")["status"]), (&json!([]), &json!("in-progress")), "{tick}");
    }
    let output = runner.wait_with_output().unwrap();
    assert_eq!(outcomes(&serde_json::from_slice(&output.stdout).unwrap()), ["completed"]);
}

#[test]
fn another_worktree_does_not_begin_before_the_command_of_a_dead_runner_has_ended() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let here = clone.dir.display();
    let stubborn = format!("trap 'echo asked >> {here}/asked' TERM; echo $$ > {here}/pid; while :; do sleep 0.1; done");
    let mut runner = begin(&clone, "--until-idle", &stubborn);
    until("it runs", || clone.dir.join("pid").exists());
    std::thread::sleep(Duration::from_millis(100));
    let pid = clone.read("pid");
    runner.kill().unwrap();
    runner.wait().unwrap();
    let script = format!("kill -0 {} && echo beside >> {here}/beside; {DONE}", pid.trim());
    let answer = run(&clone, "--until-idle", &script);
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    assert!(!clone.dir.join("beside").exists(), "one after the other");
    assert!(!lives(&pid));
}
