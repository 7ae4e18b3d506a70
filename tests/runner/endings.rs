//! The ways in which a run ends, and that it ends whole.

use std::io;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use squad::runner::{Outcome, Stop, start};

use crate::kit::{PATIENCE, Room, end, kill, lives, said, until};

#[test]
fn a_command_that_exits_with_0_has_passed() {
    let room = Room::new();
    let ended = room.run("echo out; echo err >&2; sleep 0.05; echo out again");
    assert_eq!(ended.outcome, Outcome::Passed, "{ended:?}");
    assert_eq!((ended.exit_code, ended.signal, ended.timed_out), (Some(0), None, false));
    assert_eq!(said(&ended), "out\nerr\nout again\n");
    assert!(ended.duration >= Duration::from_millis(50) && ended.duration < PATIENCE, "{:?}", ended.duration);
    assert!(ended.usage.expect("the shim has told").max_rss > 100 << 10, "{:?}", ended.usage);
}

#[test]
fn another_exit_code_is_a_failure() {
    let ended = Room::new().run("exit 7");
    assert_eq!((ended.outcome, ended.exit_code), (Outcome::Failed { code: 7 }, Some(7)));
}

#[test]
fn a_signal_that_squad_did_not_send_is_told() {
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        let ended = Room::new().run(&format!("kill -{name} $$; sleep 1000"));
        assert_eq!(ended.outcome, Outcome::Signalled { signal: number });
        assert_eq!((ended.exit_code, ended.signal), (None, Some(number)));
    }
}

#[test]
fn a_command_that_is_killed_is_noticed_within_two_seconds() {
    let room = Room::new();
    let mut running = start(room.spec("sleep 1000 & wait")).expect("it starts");
    let killed = Instant::now();
    kill(running.identity().command.pid, Signal::KILL);
    assert_eq!(end(&mut running).outcome, Outcome::Signalled { signal: 9 });
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
}

#[test]
fn what_cannot_be_executed_does_not_start_and_says_why() {
    let room = Room::new();
    std::fs::write(room.path("text"), "no program").expect("a file");
    let mut missing = room.spec("");
    missing.argv = vec!["a-program-that-is-not-there".into()];
    let mut forbidden = room.spec("");
    (forbidden.argv, forbidden.log) = (vec!["./text".into()], room.path("logs/second.log"));
    let mut nowhere = room.spec("true");
    (nowhere.dir, nowhere.log) = (room.path("nowhere"), room.path("logs/third.log"));
    let mut shimless = room.spec("true");
    (shimless.shim, shimless.log) = (room.path("no-shim"), room.path("logs/fourth.log"));
    let again = room.spec("true");
    for (spec, kind, word) in [
        (missing, io::ErrorKind::NotFound, "a-program-that-is-not-there"),
        (forbidden, io::ErrorKind::PermissionDenied, "./text"),
        (nowhere, io::ErrorKind::NotFound, "nowhere"),
        (shimless, io::ErrorKind::NotFound, "keeps a run together"),
        (again, io::ErrorKind::AlreadyExists, "run.log"),
    ] {
        let error = start(spec).err().expect("it does not start");
        assert_eq!(error.kind(), kind, "{error:?}");
        let Outcome::NotStarted { why } = error.into_ended().outcome else { panic!("another end") };
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn a_tag_that_could_be_anybodys_is_refused() {
    for tag in ["", "short", "with a blank", "new\nline-tag"] {
        let room = Room::new();
        let mut spec = room.spec("true");
        spec.tag = tag.to_owned();
        assert_eq!(start(spec).err().expect("refused").kind(), io::ErrorKind::InvalidInput, "{tag:?}");
    }
}

#[test]
fn a_command_whose_time_is_over_is_asked_to_end_and_may_clean_up() {
    let room = Room::new();
    let mut spec = room.spec("trap 'echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.02; done");
    (spec.timeout, spec.grace) = (Duration::from_millis(500), PATIENCE);
    let ended = room.end(spec);
    assert_eq!((&ended.outcome, ended.timed_out, ended.exit_code), (&Outcome::TimedOut, true, Some(0)));
    // The shell may say as well what the signal did to its child.
    assert!(said(&ended).starts_with("ready\n") && said(&ended).ends_with("cleaned up\n"), "{}", said(&ended));
}

#[test]
fn a_command_that_ignores_term_is_killed_after_the_grace() {
    let room = Room::new();
    let mut spec = room.spec("trap '' TERM; while :; do sleep 0.02; done");
    spec.timeout = Duration::from_millis(200);
    let ended = room.end(spec);
    assert_eq!((ended.outcome, ended.signal), (Outcome::TimedOut, Some(9)));
    assert!(ended.duration >= Duration::from_millis(500), "it had its grace: {:?}", ended.duration);
}

#[test]
fn a_command_that_stands_still_is_woken_to_end() {
    let room = Room::new();
    let mut spec = room.spec("trap 'echo woken; exit 4' TERM; kill -STOP $$; sleep 1000");
    spec.grace = PATIENCE;
    let mut running = start(spec).expect("it starts");
    let stat = format!("/proc/{}/stat", running.identity().command.pid);
    until("it stands still", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")));
    running.stop(Stop::Asked);
    let ended = end(&mut running);
    assert_eq!((&ended.outcome, ended.exit_code), (&Outcome::Stopped, Some(4)), "{}", said(&ended));
}

#[test]
fn why_a_run_was_stopped_is_how_it_ended() {
    for (why, outcome) in [(Stop::Asked, Outcome::Stopped), (Stop::LeaseLost, Outcome::LeaseLost)] {
        let room = Room::new();
        let mut running = start(room.spec("exec sleep 1000")).expect("it starts");
        assert_eq!(running.poll(), None);
        running.stop(why);
        // What comes second does not change it.
        running.stop(Stop::Asked);
        let ended = end(&mut running);
        assert_eq!((ended.outcome, ended.signal, ended.timed_out), (outcome, Some(15), false));
        assert!(running.poll().is_some(), "an end is told again");
    }
}

#[test]
fn a_command_that_had_ended_before_it_was_stopped_has_passed() {
    let room = Room::new();
    let mut running = start(room.spec("true")).expect("it starts");
    let pid = running.identity().command.pid;
    until("it has ended", || !lives(pid));
    // Gone from the list, so the shim has waited for it.
    until("it was waited for", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    running.stop(Stop::LeaseLost);
    let ended = end(&mut running);
    assert_eq!(ended.outcome, Outcome::Passed, "{ended:?}");
}

#[test]
fn in_a_hurry_nobody_has_a_grace() {
    let room = Room::new();
    let mut spec = room.spec("trap '' TERM; echo ready; while :; do sleep 0.02; done");
    spec.grace = Duration::from_secs(600);
    let mut running = start(spec).expect("it starts");
    until("it ignores TERM", || running.output_tail(99) == b"ready\n");
    running.stop(Stop::LeaseLost);
    assert_eq!(running.wait_until(Instant::now() + Duration::from_millis(200)), None, "it ignores TERM");
    running.kill();
    let ended = end(&mut running);
    assert_eq!((ended.outcome, ended.signal), (Outcome::LeaseLost, Some(9)));
}

#[test]
fn a_background_process_that_holds_the_output_is_named_and_ended() {
    let room = Room::new();
    let ended = room.run("sleep 1000 & echo $! >pid; echo done");
    assert_eq!((&ended.outcome, ended.exit_code), (&Outcome::Leaked, Some(0)));
    assert_eq!((ended.leaked, ended.left), (vec![room.pid_in("pid")], vec![]));
    assert!(ended.duration < PATIENCE && String::from_utf8_lossy(&ended.output.head) == "done\n");
}

#[test]
fn a_background_process_that_ends_soon_is_none_that_was_left() {
    let ended = Room::new().run("(sleep 0.1; echo late) & echo done");
    assert_eq!((&ended.outcome, said(&ended).as_str()), (&Outcome::Passed, "done\nlate\n"));
}

#[test]
fn a_failure_stays_a_failure_whatever_it_leaves() {
    let room = Room::new();
    let ended = room.run("(trap '' TERM; echo x >ready; exec sleep 1000) & until [ -e ready ]; do :; done; exit 3");
    assert_eq!(ended.outcome, Outcome::Failed { code: 3 });
    assert_eq!((ended.leaked.len(), ended.left.len()), (1, 0));
}

/// A daemon: a session of its own, a parent that is gone, no output, no tag, and no ear for TERM.
pub const DAEMON: &str = "env -i PATH=\"$PATH\" setsid sh -c \
    '(trap \"\" TERM; exec >/dev/null 2>&1 </dev/null; sh -c \"echo \\$\\$ >daemon; exec sleep 1000\") &'; \
    until [ -s daemon ]; do sleep 0.02; done";

#[test]
fn a_daemon_that_nothing_ties_to_its_run_is_ended_with_it() {
    for script in [format!("{DAEMON}; exit 0"), format!("{DAEMON}; exec sleep 1000")] {
        let room = Room::new();
        let mut running = start(room.spec(&script)).expect("it starts");
        let daemon = room.pid_in("daemon");
        running.stop(Stop::Asked);
        let ended = end(&mut running);
        assert!(!lives(daemon), "{ended:?}");
        assert_eq!(ended.left, [0u32; 0]);
    }
}

#[test]
fn a_crowd_that_keeps_forking_is_ended() {
    let room = Room::new();
    let script =
        "trap '' TERM; f() { while :; do (sleep 0.03; sleep 0.03) & sleep 0.03; done; }; f & f & f & echo up; f";
    let mut running = start(room.spec(script)).expect("it starts");
    until("it forks", || room.left().len() > 8);
    running.stop(Stop::Asked);
    let ended = end(&mut running);
    assert_eq!((ended.outcome, ended.left), (Outcome::Stopped, vec![]));
}

#[test]
fn a_run_that_is_asked_to_yield_finds_the_file_and_ends_as_it_likes() {
    let room = Room::new();
    let script = "until [ -e \"$SQUAD_YIELD_FILE\" ]; do sleep 0.02; done; cat \"$SQUAD_YIELD_FILE\"; exit 75";
    let spec = room.spec(script);
    let file = spec.yield_file();
    let mut running = start(spec).expect("it starts");
    running.ask_to_yield("somebody needs the machine").expect("a file");
    let ended = end(&mut running);
    assert_eq!(ended.outcome, Outcome::Failed { code: 75 });
    assert_eq!(said(&ended), "somebody needs the machine\n");
    assert!(!file.exists(), "it goes with the run");
}

#[test]
fn a_run_that_is_dropped_ends() {
    let room = Room::new();
    drop(start(room.spec("exec sleep 1000")).expect("it starts"));
    until("nobody is left", || room.left().is_empty());
}
