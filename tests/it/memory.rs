//! How much memory a look at a large board takes.
//!
//! Too slow for every run: `just memory` runs it on a release build.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use crate::board;
use crate::kit::Room;

/// What a look at 50,000 tasks may take at most, in KiB.
const MOST: i64 = 300 * 1024;

/// Runs a command to its end and returns its exit code and the most memory that it, or a child of it, has held, in KiB.
#[expect(clippy::zombie_processes, reason = "`wait4` waits for it")]
fn peak(command: &mut Command) -> (i32, i64) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("squad starts");
    let pid = libc::pid_t::try_from(child.id()).expect("a process has a small number");
    let mut status = 0;
    // SAFETY: all bytes zero are a value of this plain structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to variables that live until the call is over, and the child is ours and not yet reaped.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert_eq!(reaped, pid, "the child is waited for once");
    (libc::WEXITSTATUS(status), usage.ru_maxrss)
}

#[test]
#[ignore = "a board of 50,000 tasks takes a while to make: `just memory`"]
fn a_look_at_fifty_thousand_tasks_stays_below_300_mib() {
    let room = Room::empty();
    std::fs::remove_dir_all(room.remote()).expect("an empty remote");
    board::write(&room.remote(), board::Shape { tasks: 50_000, seed: 1 }).expect("a board");
    let clone = room.clone_with("scout", "--no-checkout remote.git");
    let mut above = Vec::new();
    // The first look fetches as well; what git holds for that counts.
    for line in ["sync", "scan --agent scout --json", "scan --agent scout", "next --agent scout", "list"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squad"));
        clone.prepare(&mut command);
        let (code, peak) = peak(command.args(line.split(' ')));
        println!("{line}: {} MiB", peak / 1024);
        assert_eq!(code, 0, "{line}");
        if peak >= MOST {
            above.push(format!("{line}: {} MiB", peak / 1024));
        }
    }
    assert!(above.is_empty(), "{above:?}");
}
