//! What a run reads and says, in any amount, on any disk.

use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use squad::runner::{Outcome, OutputLimits, Stop, start};

use crate::kit::{PATIENCE, Room, end, said, text, until};
use crate::mount::Mount;

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_flood_is_drained_counted_and_kept_at_both_ends() {
    let room = Room::new();
    const MIB: usize = 256;
    let mut spec = room.spec(&format!("echo first; head -c {} /dev/zero; echo last", MIB << 20));
    spec.limits = OutputLimits { head: 4 << 10, tail: 8 << 10, ..OutputLimits::default() };
    let begun = Instant::now();
    let ended = room.end(spec);
    assert_eq!(ended.outcome, Outcome::Passed);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let output = &ended.output;
    assert_eq!(output.total, (MIB as u64 * (1 << 20)) + 11);
    assert!(output.truncated && output.fault.is_none());
    assert!(output.head.starts_with(b"first\n") && output.head.len() == 4 << 10);
    assert!(output.tail.ends_with(b"\0last\n") && output.tail.len() == 8 << 10);
    let all = [b"first\n".as_slice(), &vec![0; MIB << 20], b"last\n"].concat();
    assert_eq!(output.sha256, hex(&all));
    let log = text(&output.file);
    assert!(log.contains(&format!("\n[squad: {} bytes left out]\n", output.left_out())));
    assert!(log.len() < 13 << 10, "{}", log.len());
}

#[test]
fn a_flood_does_not_hold_up_the_end() {
    let room = Room::new();
    let mut spec = room.spec("trap '' TERM; while :; do head -c 1000000 /dev/zero; done");
    spec.timeout = Duration::from_millis(300);
    let ended = room.end(spec);
    assert_eq!(ended.outcome, Outcome::TimedOut);
    assert!(ended.output.total > 1_000_000, "it was drained to the end: {}", ended.output.total);
}

#[test]
fn what_is_said_while_it_is_ended_is_kept() {
    let room = Room::new();
    let script =
        "trap 'head -c 3000000 /dev/zero; echo goodbye; exit 1' TERM; echo ready; while :; do sleep 0.02; done";
    let mut spec = room.spec(script);
    spec.grace = PATIENCE;
    let mut running = start(spec).expect("it starts");
    until("it is ready", || running.output_tail(99) == b"ready\n");
    running.stop(Stop::Asked);
    let ended = end(&mut running);
    // The shell may say as well what the signal did to its child.
    assert!(ended.output.total >= 3_000_014, "{}", ended.output.total);
    assert!(ended.output.tail.ends_with(b"goodbye\n"));
    assert_eq!(running.output_tail(8), b"goodbye\n");
}

#[test]
fn a_large_input_arrives_whole() {
    let room = Room::new();
    let mut spec = room.spec("sha256sum");
    spec.stdin = (0..20_000_000u32).flat_map(|n| [u8::try_from(n % 253).expect("it is small")]).collect();
    let wanted = hex(&spec.stdin);
    assert!(said(&room.end(spec)).starts_with(&wanted));
}

#[test]
fn nobody_has_to_read_a_large_input() {
    for script in ["exit 0", "exec <&-; sleep 0.1", "head -c 1 >/dev/null; sleep 0.1", "sleep 0.1"] {
        let room = Room::new();
        let mut spec = room.spec(script);
        spec.stdin = vec![7; 30_000_000];
        assert_eq!(room.end(spec).outcome, Outcome::Passed, "{script}");
    }
}

#[test]
fn without_input_there_is_the_end_of_it() {
    assert_eq!(said(&Room::new().run("cat; echo over")), "over\n");
}

#[test]
fn a_full_disk_neither_ends_nor_holds_up_a_command() {
    let room = Room::new();
    let disk = room.path("disk");
    let Some(_disk) = Mount::small(&disk, 256) else {
        eprintln!("SKIPPED: a small disk cannot be mounted here");
        return;
    };
    let mut spec = room.spec("head -c 20000000 /dev/zero; echo last");
    spec.log = disk.join("logs/run.log");
    // More than the disk holds.
    spec.limits = OutputLimits { head: 1 << 20, tail: 1 << 20, ..OutputLimits::default() };
    let ended = room.end(spec);
    assert_eq!(ended.outcome, Outcome::Passed);
    assert_eq!(ended.output.total, 20_000_005);
    assert!(ended.output.truncated && ended.output.fault.is_some(), "{:?}", ended.output.fault);
    assert!(ended.output.tail.ends_with(b"last\n"), "in memory it is whole");
}

#[test]
fn with_room_again_at_the_end_the_log_is_whole() {
    let room = Room::new();
    let disk = room.path("disk");
    let Some(_disk) = Mount::small(&disk, 256) else {
        eprintln!("SKIPPED: a small disk cannot be mounted here");
        return;
    };
    let script = "head -c 200000 /dev/zero >disk/ballast; head -c 100000 /dev/zero; echo last; rm disk/ballast";
    let mut spec = room.spec(script);
    spec.log = disk.join("logs/run.log");
    let ended = room.end(spec);
    assert_eq!((ended.output.truncated, ended.output.fault), (false, None));
    assert_eq!(text(&ended.output.file).len(), 100_005);
}

#[test]
fn a_folder_of_logs_keeps_to_its_number() {
    let room = Room::new();
    for n in 0..5 {
        let mut spec = room.spec("echo x");
        spec.log = room.path(&format!("logs/{n}.log"));
        spec.limits.logs = 2;
        room.end(spec);
    }
    let mut names: Vec<_> = std::fs::read_dir(room.path("logs")).expect("a folder").flatten().collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    let names: Vec<_> = names.iter().map(std::fs::DirEntry::file_name).collect();
    assert_eq!(names, ["3.log", "4.log"]);
}
