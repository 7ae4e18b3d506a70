//! When something is in the way: reading goes on and says why in one line, writing does not.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::kit::{Checkout, Room, hand_task, ids, words};

/// A way to be in the way: what it is called, how it is done, and the environment of commands from then on.
type Trigger = (&'static str, fn(&Room, &Checkout) -> Vec<(&'static str, String)>);

fn room() -> (Room, Checkout) {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "effects": []})),
        hand_task("t-2", json!({"assigned": "scout", "effects": ["send"]})),
        hand_task("t-3", json!({"assigned": "scout"})),
    ]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    (room, clone)
}

/// Makes a folder with a program called git in it, and returns the `PATH` that finds it first.
fn another_git(room: &Room, script: &str) -> Vec<(&'static str, String)> {
    let folder = room.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let git = folder.join("git");
    std::fs::write(&git, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    vec![("PATH", format!("{}:/usr/bin:/bin", folder.display()))]
}

fn no_git(room: &Room, _: &Checkout) -> Vec<(&'static str, String)> {
    vec![("PATH", room.path().join("tmp").display().to_string())]
}

fn no_remote(room: &Room, _: &Checkout) -> Vec<(&'static str, String)> {
    room.lose_remote();
    Vec::new()
}

fn a_broken_board(room: &Room, _: &Checkout) -> Vec<(&'static str, String)> {
    room.put(&[("squad/squad.json", Some("{\"schemaVersion\": 1,\n"))]);
    Vec::new()
}

fn a_board_without_its_file(room: &Room, _: &Checkout) -> Vec<(&'static str, String)> {
    room.put(&[("squad/squad.json", None::<&str>)]);
    Vec::new()
}

fn a_git_that_babbles(room: &Room, _: &Checkout) -> Vec<(&'static str, String)> {
    another_git(room, "echo 'I am not the git that you know'; exit 0")
}

fn a_git_that_babbles_and_fails(room: &Room, _: &Checkout) -> Vec<(&'static str, String)> {
    another_git(room, "case \"$*\" in *ls-remote*) echo 'no list'; exit 0 ;; esac; echo '???' >&2; exit 1")
}

const TRIGGERS: &[Trigger] = &[
    ("git is missing", no_git),
    ("the remote is gone", no_remote),
    ("the board is broken", a_broken_board),
    ("the board's file is gone", a_board_without_its_file),
    ("git says nonsense", a_git_that_babbles),
    ("git fails with nonsense", a_git_that_babbles_and_fails),
];

#[test]
fn whatever_is_in_the_way_reading_works_and_says_why_in_one_line_and_writing_does_not() {
    for (name, trigger) in TRIGGERS {
        let (room, clone) = room();
        let env = trigger(&room, &clone);
        let env: Vec<_> = env.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let run = |line: &str| clone.squad_with(&words(line), b"", &env);

        let ran = run("scan --agent scout --fresh --json").ok();
        let scan = ran.json();
        assert_eq!(scan["degraded"], true, "{name}: {ran}");
        assert!(scan["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{name}: {ran}");
        assert_eq!(ids(&scan["tasks"]).len(), 3, "{name}: {ran}");
        for line in ["scan --agent scout --fresh", "list", "show t-1", "status", "next --agent scout", "agents", "log"]
        {
            for line in [line.to_owned(), format!("{line} --json"), format!("{line} --quiet")] {
                let ran = run(&line).ok();
                assert_eq!(ran.stderr.lines().count(), 1, "{name}: {ran}");
                assert!(ran.stderr.starts_with("BLOCKER: "), "{name}: {ran}");
            }
        }
        for line in ["claim t-1 --agent scout", "comment t-1 hello --agent scout", "new later --agent scout"] {
            let ran = run(&format!("{line} --json")).0;
            assert!([4, 8].contains(&ran.code), "{name}: {ran}");
            assert!(!ran.stdout.contains("receipt"), "{name}: {ran}");
        }
        let agents = run("agents --json").ok().json();
        for agent in agents["agents"].as_array().unwrap() {
            assert_eq!(agent["state"], "unknown", "{name}: {agents}");
        }
        if room.lost_head().exists() {
            room.regain_remote();
        }
        assert_eq!(room.task("t-1")["status"], "backlog", "{name}");
    }
}

#[test]
fn a_scan_in_safe_mode_leaves_out_what_is_known_or_feared_to_touch_the_world() {
    let (room, clone) = room();
    no_remote(&room, &clone);
    let scan = clone.ok("scan --agent scout --safe --fresh");
    assert_eq!(ids(&scan["tasks"]), ["t-1"], "what says nothing of its effects is left out as well");
    assert_eq!(scan["degraded"], true);
}

#[test]
fn a_board_that_was_never_whole_is_a_failure() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    room.put(&[("squad/squad.json", Some("{\n"))]);
    let error = room.clone_as("scout").refused("scan --agent scout", 4, "invalid");
    assert_eq!(error["file"], "squad/squad.json");
}

#[test]
fn a_broken_board_is_shown_as_it_was_with_its_fault_and_its_commit() {
    let (room, clone) = room();
    let good = room.head();
    clone.ok("list");
    room.put(&[("squad/squad.json", Some("{\n"))]);
    room.put_tasks(&[hand_task("t-4", json!({"assigned": "scout"}))]);
    let scan = clone.ok("scan --agent scout --fresh");
    assert_eq!((scan["head"].as_str(), ids(&scan["tasks"]).len()), (Some(&*good), 3));
    let cause = scan["cause"].as_str().unwrap();
    assert!(cause.contains("squad/squad.json is broken") && cause.contains(&good[..10]), "{cause}");
    // Who looks for what is wrong is shown what is wrong.
    let error = clone.refused("check", 4, "invalid");
    assert_eq!(error["violations"][0]["file"], "squad/squad.json");
}

#[test]
fn what_nothing_can_refuse_waits_until_a_broken_board_is_whole() {
    for trigger in [a_broken_board, a_board_without_its_file] {
        let (room, clone) = room();
        let whole = room.file("squad/squad.json").unwrap();
        let good = room.head();
        trigger(&room, &clone);
        let broken = room.head();
        for line in ["comment t-1 hello", "progress t-1 --step sawing", "new 'An idea' --id idea"] {
            clone.json(&format!("{line} --agent scout")).exits(4);
        }
        // On the board as it was last whole this is nothing that could be refused, and that is no.
        clone.refused("progress t-1 --step sawing --agent scout --queue", 5, "illegal-transition");
        clone.refused("comment nope hello --agent scout --queue", 3, "not-found");
        for line in ["comment t-1 hello", "new 'An idea' --id idea"] {
            let answer = clone.ok(&format!("{line} --agent scout --queue"));
            assert_eq!(answer["provisional"], true, "{answer}");
        }
        let waits = |answer: &serde_json::Value| ids_of_tasks(&answer["provisional"]);
        let synced = clone.ok("sync");
        assert_eq!(waits(&synced).len(), 2, "a board that is still broken refuses nothing for good: {synced}");
        assert_eq!((room.head(), synced["lost"].clone()), (broken, json!([])));

        room.put(&[("squad/squad.json", Some(&whole))]);
        let synced = clone.ok("sync");
        assert_eq!((synced["published"].as_array().map(Vec::len), waits(&synced).len()), (Some(2), 0), "{synced}");
        assert_eq!(room.task("t-1")["chat"][0]["content"], "hello");
        assert_eq!(room.task("idea")["title"], "An idea");
        assert_eq!(room.commits_since(&good).len(), 4, "two by hand, and each change once");
        clone.ok(&format!("audit --since {}", room.head()));
    }
}

fn ids_of_tasks(settled: &serde_json::Value) -> Vec<serde_json::Value> {
    settled.as_array().unwrap().iter().map(|one| one["op"].clone()).collect()
}

#[test]
fn strict_writes_nothing_while_anything_on_the_board_is_damaged() {
    let (room, clone) = room();
    clone.ok("claim t-1 --agent scout --strict");
    clone.ok("release t-1 --note n --agent scout --strict");
    room.put(&[("squad/tasks/json/t-2.json", Some("{ broken"))]);
    let before = room.refs();
    for line in
        ["comment t-3 hello", "claim t-3", "new more --id t-9", "claim t-3 --dry-run", "comment t-3 hello --queue"]
    {
        let error = clone.refused(&format!("{line} --agent scout --strict"), 4, "invalid");
        assert!(error["why"].as_str().unwrap().contains("t-2.json"), "{line}: {error}");
        assert_eq!(error["violations"][0]["file"], "squad/tasks/json/t-2.json", "{line}: {error}");
    }
    assert_eq!(room.refs(), before);
    assert_eq!(clone.ok("status")["provisional"], json!([]));
    let answer = clone.ok("claim t-3 --agent scout");
    let warnings = crate::kit::strings(&answer["warnings"]).join("\n");
    assert!(warnings.contains("squad/tasks/json/t-2.json is damaged"), "elsewhere it is a warning: {answer}");
}
