//! Threats that no other test is about: files that others could read, and a process that stands still with a lock.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::kit::{Room, hand_task};

/// Whatever the umask, what squad keeps of its own is closed to others.
#[test]
fn with_an_open_umask_nobody_else_reads_or_writes_what_a_clone_keeps() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    let script = "umask 000; exec \"$0\" \"$@\"";
    for line in ["list", "claim t-1 --agent scout", "scan --agent scout", "comment t-1 hello --agent scout"] {
        let mut command = clone.command("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_squad")]).args(line.split(' ')).stdout(Stdio::null());
        assert!(command.status().expect("a shell starts").success(), "{line}");
    }
    let state = clone.dir.join(".git/squad");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700, "nobody comes past this folder");
    assert_eq!(mode(&state.join("board.git")), 0o700);
}

/// A process that leads and is stopped holds nobody up for longer than is set, and is named.
#[test]
fn a_stopped_process_that_publishes_is_passed_over_and_named() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout"})),
        hand_task("t-2", json!({"assigned": "aria"})),
    ]);
    let clone = room.clone_as("scout");
    clone.git("config squad.turnSeconds 1");
    clone.ok("list");
    // The remote takes its time, so that the first is met in the middle.
    let (begun, over) = (room.path().join("begun"), room.path().join("over"));
    let wait = format!("touch {0}; while [ ! -e {1} ]; do sleep 0.02; done", begun.display(), over.display());
    room.hook("pre-receive", &format!("if mkdir {}/first 2>/dev/null; then {wait}; fi\n", room.path().display()));
    let mut first = clone.command(env!("CARGO_BIN_EXE_squad"));
    first.args(["claim", "t-1", "--agent", "scout", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let first = first.spawn().expect("squad starts");
    let until = Instant::now() + Duration::from_secs(60);
    while !begun.exists() {
        assert!(Instant::now() < until, "it never pushed");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = Pid::from_raw(i32::try_from(first.id()).expect("a process id")).expect("one");
    kill_process(pid, Signal::STOP).expect("it is ours");
    let ran = clone.json("claim t-2 --agent aria").0;
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains(&format!("process {}", first.id())), "{ran}");
    assert_eq!(room.task("t-2")["claim"]["agent"], "aria");
    std::fs::write(&over, "").expect("a file");
    kill_process(pid, Signal::CONT).expect("it is ours");
    let output = first.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout", "and both are won");
    clone.ok("audit");
}
