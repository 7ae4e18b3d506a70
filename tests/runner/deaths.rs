//! The death of who runs, of who keeps, of both, and records of runs that nobody runs any more.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use squad::runner::process::Process;
use squad::runner::{Identity, Orphans, Outcome, Stop, end_orphan, start};

use crate::endings::DAEMON;
use crate::kit::{Room, end, kill, lives, until};
use crate::stand_in::{StandIn, identity};

const GRACE: Duration = Duration::from_millis(200);

/// A command that ignores TERM, with a child of its group, one in a session of its own, and a daemon without a tag.
fn family() -> String {
    format!("trap '' TERM; sleep 1000 & setsid sleep 1000 & {DAEMON}; echo $$ >command; while :; do sleep 0.05; done")
}

#[test]
fn when_the_runner_is_killed_its_whole_tree_ends_within_seconds() {
    let room = Room::new();
    let runner = StandIn::new(&room, "run", &family());
    let (run, daemon) = (identity(&room), room.pid_in("daemon"));
    room.pid_in("command");
    assert!(room.left().len() >= 4 && lives(daemon), "all are there");
    kill(runner.0.id(), Signal::KILL);
    let killed = Instant::now();
    until("all are gone", || room.left().is_empty() && !lives(daemon) && !run.shim.is_alive());
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(end_orphan(&run, GRACE), Orphans::default(), "nothing is left to do");
}

#[test]
fn when_the_runner_stands_still_its_run_goes_on_and_keeps_its_limits() {
    let room = Room::new();
    let mut spec = room.spec("sleep 1000");
    spec.timeout = Duration::from_millis(100);
    // Nobody asks after it: the shim keeps the time alone.
    let mut running = start(spec).expect("it starts");
    let pid = running.identity().command.pid;
    until("it was ended", || !lives(pid));
    assert_eq!(end(&mut running).outcome, Outcome::TimedOut);
}

#[test]
fn when_the_shim_is_killed_the_runner_ends_the_run() {
    let room = Room::new();
    let mut running = start(room.spec("trap '' TERM; setsid sleep 1000 & sleep 1000 & wait")).expect("it starts");
    until("all are there", || room.left().len() >= 4);
    kill(running.identity().shim.pid, Signal::KILL);
    let ended = end(&mut running);
    assert_eq!((ended.outcome, ended.left), (Outcome::Signalled { signal: 9 }, vec![]));
    assert!(ended.usage.is_none(), "nobody could tell");
}

#[test]
fn when_the_shim_stands_still_the_runner_ends_the_run_in_its_place() {
    let room = Room::new();
    let mut running = start(room.spec(&family())).expect("it starts");
    let daemon = room.pid_in("daemon");
    kill(running.identity().shim.pid, Signal::STOP);
    running.stop(Stop::LeaseLost);
    running.kill();
    let ended = end(&mut running);
    assert_eq!((ended.outcome, ended.left), (Outcome::LeaseLost, vec![]));
    assert!(!lives(daemon), "it descended from the shim");
}

#[test]
fn what_outlived_runner_and_shim_is_found_by_the_record() {
    let room = Room::new();
    let script = "trap '' TERM; setsid sleep 1000 & env -i sleep 1000 & echo $! >bare; wait; sleep 1000";
    let runner = StandIn::new(&room, "run", script);
    let run = identity(&room);
    let bare = room.pid_in("bare");
    until("all are there", || room.left().len() >= 3);
    // Stood still, the shim cannot act on the end of the runner before it is killed as well.
    kill(run.shim.pid, Signal::STOP);
    kill(runner.0.id(), Signal::KILL);
    kill(run.shim.pid, Signal::KILL);
    until("the shim is gone", || !run.shim.is_alive());
    assert!(run.command.is_alive() && lives(bare), "the others are not");
    let orphans = end_orphan(&run, GRACE);
    assert!(orphans.ended.len() >= 3 && orphans.ended.contains(&bare), "{orphans:?}");
    assert!(orphans.ended.contains(&run.command.pid) && orphans.left.is_empty(), "{orphans:?}");
    assert!(!lives(bare) && room.left().is_empty());
}

#[test]
fn a_run_that_was_put_on_record_before_it_began_is_found_by_its_tag() {
    let room = Room::new();
    let mut running = start(room.spec(&family())).expect("it starts");
    room.pid_in("command");
    let run = running.identity().clone();
    let daemon = room.pid_in("daemon");
    let orphans = end_orphan(&Identity::to_come(&room.tag), GRACE);
    assert!(!lives(daemon), "the shim has found it");
    assert!(orphans.ended.contains(&run.command.pid) && orphans.left.is_empty(), "{orphans:?}");
    assert!(room.left().is_empty() && !run.shim.is_alive());
    assert_eq!(end(&mut running).outcome, Outcome::Stopped);
    assert_eq!(end_orphan(&Identity::to_come("nobody-has-this"), GRACE), Orphans::default());
}

#[test]
fn a_shim_whose_runner_is_dead_when_it_comes_begins_nothing() {
    let room = Room::new();
    let spec = room.spec("echo x >begun");
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a line");
    drop(ours);
    let mut command = std::process::Command::new(&spec.shim);
    command.args(["__shim", "60000", "100", &room.tag]).args(&spec.argv).current_dir(&spec.dir);
    command.env_clear().envs(spec.env).stdin(std::os::fd::OwnedFd::from(theirs));
    let ended = command.output().expect("it starts");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(!room.path("begun").exists());
}

#[test]
fn a_run_on_record_whose_shim_lives_is_ended_by_it() {
    let room = Room::new();
    let mut running = start(room.spec(&family())).expect("it starts");
    let daemon = room.pid_in("daemon");
    let run = running.identity().clone();
    let orphans = end_orphan(&run, GRACE);
    assert!(orphans.ended.contains(&daemon) && orphans.ended.contains(&run.shim.pid), "{orphans:?}");
    assert_eq!(orphans.left, [0u32; 0]);
    assert_eq!(end(&mut running).outcome, Outcome::Stopped);
}

#[test]
fn a_stranger_with_the_id_of_a_process_on_record_is_never_touched() {
    // It leads a group and has a child, as a command does.
    let mut command = std::process::Command::new("sh");
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut stranger = command.args(["-c", "sleep 1000 & wait"]).spawn().expect("it starts");
    let there = Process::with_id(stranger.id());
    let child = format!("/proc/{0}/task/{0}/children", stranger.id());
    until("it has a child", || std::fs::read_to_string(&child).is_ok_and(|text| !text.is_empty()));
    let child: u32 = std::fs::read_to_string(&child).expect("a list").trim().parse().expect("a pid");
    let earlier = Process { start: "1".to_owned(), ..there.clone() };
    let unknown = Process { start: String::new(), ..there.clone() };
    let before = Process { boot: "another".to_owned(), ..there.clone() };
    for process in [earlier, unknown, before] {
        let run = Identity { shim: process.clone(), command: process, tag: "nobody-has-this".to_owned() };
        assert_eq!(end_orphan(&run, GRACE), Orphans::default(), "{run:?}");
        assert!(there.is_alive() && lives(child), "{run:?}");
    }
    kill(child, Signal::KILL);
    stranger.kill().expect("it is ours");
    stranger.wait().expect("it is ours");
}

#[test]
fn who_asks_the_shim_itself_to_end_ends_the_run() {
    let room = Room::new();
    let mut running = start(room.spec("exec sleep 1000")).expect("it starts");
    kill(running.identity().shim.pid, Signal::TERM);
    let ended = end(&mut running);
    assert_eq!((ended.outcome, ended.signal), (Outcome::Stopped, Some(15)));
}
