//! Disks that are full, and folders that cannot be written to: a plain failure, nothing half done, and on again after.
#![cfg(target_os = "linux")]

use serde_json::json;

use crate::kit::{Checkout, Mount, Room, assert_sound, hand_task, skip};

const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

/// A board with a task that scout holds and one that is free.
fn board() -> Room {
    let room = Room::with_tasks(&[
        hand_task("t-held", json!({"assigned": "scout"})),
        hand_task("t-free", json!({"assigned": "scout"})),
    ]);
    room.clone_as("before").ok("claim t-held --agent scout");
    room
}

/// The verbs that are tried, each with the subject that its commit has.
fn verbs() -> [(String, Option<&'static str>); 4] {
    [
        ("claim t-free --agent scout".to_owned(), Some("squad(claim): t-free by scout")),
        (format!("complete t-held --agent scout {HAND_IN}"), Some("squad(complete): t-held by scout")),
        ("scan --agent scout --fresh".to_owned(), None),
        ("sync".to_owned(), None),
    ]
}

/// Runs every verb and holds its answer against the board; returns how many failed.
#[track_caller]
fn try_all(room: &Room, clone: &Checkout, base: &str, run: impl Fn(&str) -> crate::kit::Run) -> usize {
    let mut failures = 0;
    for (line, subject) in verbs() {
        let ran = run(&line).0;
        assert!([0, 1, 8].contains(&ran.code), "{ran}");
        let code = ran.json()["error"]["code"].clone();
        failures += usize::from(ran.code != 0);
        if let Some(subject) = subject {
            let landed = room.commits_since(base).iter().filter(|commit| commit.subject == subject).count();
            let wanted: &[usize] = match ran.code {
                0 => &[1],
                _ if code == "undecided" => &[0, 1],
                _ => &[0],
            };
            assert!(wanted.contains(&landed), "{landed} commits after {ran}");
        }
        assert_ne!(code, "remote-unreachable", "the remote is there: {ran}");
    }
    let status = clone.git("--no-optional-locks status --porcelain=v1 --untracked-files=all");
    assert_eq!(status, "", "the user's files are as they were");
    failures
}

/// With room again, everything goes on from where it is, once each.
#[track_caller]
fn goes_on(room: &Room, clone: &Checkout, base: &str) {
    clone.ok("sync");
    for (line, subject) in verbs() {
        clone.ok(&line);
        if let Some(subject) = subject {
            let landed = room.commits_since(base).iter().filter(|commit| commit.subject == subject).count();
            assert_eq!(landed, 1, "{line}");
        }
    }
    clone.ok("check");
    assert_eq!(clone.ok("sync")["provisional"], json!([]));
    assert_sound(clone, &clone.dir.join(".git/squad/board.git"));
    assert_sound(clone, &clone.dir.join(".git"));
    assert_sound(clone, &room.remote());
}

#[test]
fn on_a_full_disk_nothing_is_half_done_and_nothing_untrue_is_told() {
    // So much is left: nothing, too little for the fetch, for the objects, for the ref, and nearly enough.
    let mut failures = 0;
    for kib in [0, 4, 12, 24, 48, 96] {
        let room = board();
        let Some(_disk) = Mount::small(&room.path().join("small"), 4096) else {
            skip("a small disk cannot be mounted here");
            return;
        };
        let clone = room.clone_with("small/scout", "remote.git");
        clone.ok("list");
        room.put(&[("src/main.txt", Some("so that there is something to fetch\n"))]);
        let base = room.head();
        let ballast = room.path().join("small/ballast");
        fill(&ballast, kib);
        failures += try_all(&room, &clone, &base, |line| clone.json(line));
        std::fs::remove_file(ballast).unwrap();
        goes_on(&room, &clone, &base);
    }
    assert!(failures > 0, "a disk without room let everything through");
}

/// Fills a disk with a file until only so many KiB are left.
fn fill(ballast: &std::path::Path, kib: u64) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(kib * 1024)).unwrap();
}

#[test]
fn with_every_file_limited_to_a_few_bytes_nothing_untrue_is_told() {
    let room = board();
    let clone = room.clone_as("scout");
    clone.ok("list");
    room.put(&[("src/main.txt", Some("so that there is something to fetch\n"))]);
    let base = room.head();
    assert!(try_all(&room, &clone, &base, |line| clone.without_room(line)) > 0, "nothing failed");
    goes_on(&room, &clone, &base);
}

#[test]
fn where_the_git_folder_cannot_be_written_to_it_is_named_and_nothing_is_done() {
    use std::os::unix::fs::PermissionsExt as _;
    let room = board();
    let clone = room.clone_as("scout");
    clone.ok("list");
    let base = room.head();
    let folder = clone.dir.join(".git");
    let read_only = if rustix::process::geteuid().is_root() {
        // Permissions do not bind root; a mount does.
        let Some(mount) = Mount::read_only(&folder) else {
            skip("a folder cannot be mounted read-only here");
            return;
        };
        Some(mount)
    } else {
        set_modes(&folder, |mode| mode & !0o222);
        None
    };
    let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let failures = try_all(&room, &clone, &base, |line| clone.json(line));
        assert!(failures >= 2, "claim and complete cannot work");
        let error = clone.refused("claim t-free --agent scout", 1, "internal");
        assert!(error["message"].as_str().unwrap().contains(".git/squad"), "it names the place: {error}");
        assert!(error["hint"].as_str().unwrap().contains("allow writing"), "{error}");
    }));
    if read_only.is_none() {
        set_modes(&folder, |mode| mode | 0o200);
    }
    drop(read_only);
    tried.unwrap();
    goes_on(&room, &clone, &base);

    fn set_modes(folder: &std::path::Path, change: impl Fn(u32) -> u32) {
        for entry in walkdir::WalkDir::new(folder).contents_first(false) {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(change(mode))).unwrap();
        }
    }
}

/// A disk that loses what it was given: the board is the remote's, so a private copy with holes is only a reason to
/// fetch again.
#[test]
fn a_private_copy_that_lost_an_object_is_fetched_anew() {
    let room = board();
    let clone = room.clone_as("scout");
    clone.ok("list");
    let store = clone.dir.join(".git/squad/board.git");
    let pack = clone.dir.join("packs");
    std::fs::rename(store.join("objects/pack"), &pack).expect("the store has packs");
    std::fs::create_dir(store.join("objects/pack")).expect("a folder");
    for path in std::fs::read_dir(pack).expect("it is a folder").flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|ending| ending == "pack") {
            let mut unpack = clone.command("git");
            unpack.arg("--git-dir").arg(&store).args(["unpack-objects", "-q"]);
            unpack.stdin(std::fs::File::open(path).expect("it is a file"));
            assert!(unpack.status().expect("git starts").success());
        }
    }
    let lost = room.git(&format!("--git-dir {} rev-parse main:squad/tasks/json/t-free.json", room.remote().display()));
    std::fs::remove_file(store.join("objects").join(&lost[..2]).join(&lost[2..])).expect("it was there");

    let told = clone.json("show t-free").0;
    assert!(told.code != 0, "{told}");
    clone.ok("claim t-free --agent scout");
    assert_eq!(room.task("t-free")["claim"]["agent"], "scout");
    assert_sound(&clone, &store);
}
