//! Kills at single system calls: whatever is cut off, the next command goes on, and every change is made once.
//!
//! `SQUAD_CRASH=all` strikes at every call of every kind, which takes long, and `SQUAD_CRASH=rename` at every call of
//! that kind; without it, a few are chosen by `SQUAD_SEED`.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kit::{
    Blow, CALLS, Checkout, Dice, Room, Whom, assert_sound, clear_locks, hand_task, need, wait_for_orphans,
};

/// How many blows a test strikes where not all are asked for.
const SAMPLE: usize = 3;

/// So many misses in a row mean that a run makes no more calls of that kind: it makes a few more or less each time.
const MISSES: usize = 2;

const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

/// Returns the kinds of call of which every one is to be struck; none, where a few blows are enough.
fn wanted_calls() -> Vec<&'static str> {
    let Ok(wanted) = std::env::var("SQUAD_CRASH") else { return Vec::new() };
    let calls: Vec<_> = CALLS.iter().copied().filter(|call| wanted == "all" || call.contains(&wanted)).collect();
    assert!(!calls.is_empty(), "SQUAD_CRASH={wanted} is no kind of call; these are: {CALLS:?}");
    calls
}

/// A board, a clone of it, and a user in that clone who is in the middle of something.
struct Scene {
    room: Room,
    clone: Checkout,
    base: String,
    before: UsersWork,
    tasks: usize,
}

/// What is the user's, and must be as it was.
#[derive(Debug, PartialEq)]
struct UsersWork {
    staged: String,
    entries: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl UsersWork {
    fn of(clone: &Checkout) -> Self {
        let outside = ". ':!squad' ':!.claude' ':!.gitattributes'";
        let walk = walkdir::WalkDir::new(&clone.dir).into_iter().filter_entry(|entry| {
            !matches!(entry.file_name().to_str(), Some(".git" | "squad" | ".claude" | ".gitattributes"))
        });
        let files = walk.flatten().filter(|entry| entry.file_type().is_file()).map(|entry| {
            let bytes = std::fs::read(entry.path()).expect("it can be read");
            (entry.into_path(), bytes)
        });
        Self {
            staged: clone.git("diff --cached --name-only"),
            entries: clone.git(&format!("ls-files --stage -- {outside}")),
            files: files.collect(),
        }
    }
}

impl Scene {
    fn new() -> Self {
        let room = Room::board();
        room.configure(|config| config["limits"] = json!({"claimsPerAgent": 100_000}));
        let clone = room.clone_as("scout");
        clone.git("config squad.networkSeconds 10");
        clone.git("config squad.publishSeconds 20");
        clone.ok("list");
        clone.write("src/main.txt", "staged\n");
        clone.git("add src/main.txt");
        clone.write("src/main.txt", "staged, then changed\n");
        clone.write("README.md", "not staged\n");
        clone.write("notes.txt", "not tracked\n");
        let (base, before) = (room.head(), UsersWork::of(&clone));
        Self { room, clone, base, before, tasks: 0 }
    }

    /// Puts one more task on the board, by hand, and returns its name.
    fn task(&mut self) -> String {
        self.tasks += 1;
        let task = format!("t-{}", self.tasks);
        self.room.put_tasks(&[hand_task(&task, json!({"assigned": "scout"}))]);
        task
    }

    /// Returns the commits of a verb about a task.
    fn done(&self, verb: &str, task: &str) -> usize {
        let subject = format!("squad({verb}): {task} by ");
        self.room.commits_since(&self.base).iter().filter(|commit| commit.subject.starts_with(&subject)).count()
    }

    /// Strikes one run of a verb, and holds everything that a crash must not harm against what is there.
    #[track_caller]
    fn survives(&mut self, strace: &Path, verb: &str, blow: &Blow) -> bool {
        let task = self.task();
        let line = match verb {
            "claim" => format!("claim {task} --agent scout"),
            "complete" => {
                self.clone.ok(&format!("claim {task} --agent scout"));
                format!("complete {task} --agent scout {HAND_IN}")
            }
            other => panic!("no blow is meant for {other}"),
        };
        let struck = self.clone.struck(strace, &line, blow);
        let at = format!("{blow:?} at `{line}`");
        if let Some(ran) = &struck.ran {
            let told = ran.json();
            let landed = self.done(verb, &task);
            let truthful = ran.code != 0 || landed == 1;
            assert!(truthful, "{at}: {landed} commits after {ran}");
            let final_no = ran.code != 0 && told["error"]["code"] != "undecided" && ran.code != 1;
            assert!(!final_no || landed == 0, "{at}: {landed} commits after {ran}");
        }
        // A git that lives on meets the next commands.
        if blow.whom != Whom::SquadAlone {
            wait_for_orphans(self.room.path());
            clear_locks(&self.room.remote());
        }
        self.clone.json("list").0.assert_code(0, &at);
        let again = self.clone.json(&line).0;
        again.assert_code(0, &at);
        wait_for_orphans(self.room.path());
        assert_eq!(self.done(verb, &task), 1, "{at}: then {again}");
        self.clone.json("check").0.assert_code(0, &at);
        let synced = self.clone.json("sync").0;
        synced.assert_code(0, &at);
        assert_eq!(synced.json()["provisional"], json!([]), "{at}: {synced}");
        assert_eq!(self.done(verb, &task), 1, "{at}: then {synced}");
        self.is_sound(&at);
        struck.hit
    }

    #[track_caller]
    fn is_sound(&self, at: &str) {
        let git_dir = self.clone.dir.join(".git");
        for repository in [self.room.remote(), git_dir.join("squad/board.git"), git_dir.clone()] {
            assert_sound(&self.clone, &repository);
        }
        // What a killed git leaves locked in the user's own repository is theirs to remove; nobody is hindered by it
        // but git itself, which says so.
        for lock in clear_locks(&git_dir) {
            eprintln!("left locked: {lock} ({at})");
        }
        assert_eq!(UsersWork::of(&self.clone), self.before, "{at}: the user's work");
    }
}

/// Strikes runs of a verb: at all calls, or at a few.
fn strike(verb: &str, whom: Whom) {
    let Some(strace) = need("strace") else { return };
    let calls = wanted_calls();
    if !calls.is_empty() {
        let mut hits = 0;
        for call in calls {
            let (mut scene, mut when, mut misses) = (Scene::new(), 0, 0);
            while misses < MISSES {
                when += 1;
                let hit = scene.survives(&strace, verb, &Blow { call, when, whom });
                misses = if hit { 0 } else { misses + 1 };
                hits += usize::from(hit);
            }
            eprintln!("{verb}, {whom:?}: {call}: {} kills survived", when - misses);
        }
        assert!(hits > 0, "nobody was ever hit");
        return;
    }
    let mut dice = Dice::of_this_run(&format!("{verb}, {whom:?}"));
    let mut scene = Scene::new();
    let mut hits = 0;
    // The calls of two runs differ by a few, so a blow may go past: then there is another one.
    for n in 0..4 * SAMPLE {
        if n >= SAMPLE && hits > 0 {
            break;
        }
        let call = *dice.pick(CALLS);
        let task = scene.task();
        let most = scene.clone.calls(&strace, &format!("claim {task} --agent scout"), call, whom);
        let when = 1 + dice.below(most.max(1));
        let blow = Blow { call, when, whom };
        eprintln!("{blow:?} of {most}");
        hits += usize::from(scene.survives(&strace, verb, &blow));
    }
    assert!(hits > 0, "nobody was hit");
}

#[test]
fn a_claim_that_is_torn_down_with_all_its_processes_is_made_once() {
    strike("claim", Whom::Tree);
}

#[test]
fn a_claim_whose_squad_is_killed_while_its_git_lives_on_is_made_once() {
    strike("claim", Whom::SquadAlone);
}

#[test]
fn a_claim_that_loses_one_of_its_processes_is_made_once() {
    strike("claim", Whom::WhoeverItHits);
}

#[test]
fn a_completion_that_is_torn_down_with_all_its_processes_is_made_once() {
    strike("complete", Whom::Tree);
}

#[test]
fn a_completion_whose_squad_is_killed_while_its_git_lives_on_is_made_once() {
    strike("complete", Whom::SquadAlone);
}

/// Returns what an agent is shown, without what depends on the time of day.
fn shown(scan: &Value) -> Value {
    let mut shown = scan.clone();
    for volatile in ["board", "fetchedAt", "at", "ms", "ageSeconds"] {
        if let Some(map) = shown.as_object_mut() {
            map.remove(volatile);
        }
    }
    shown
}

#[test]
fn a_scan_that_is_killed_changes_no_answer() {
    let Some(strace) = need("strace") else { return };
    let calls = wanted_calls();
    let mut dice = Dice::of_this_run("scan");
    let mut scene = Scene::new();
    for i in 0..6 {
        scene.task();
        scene.room.clone_as(&format!("other-{i}"));
    }
    let blow_at = |scene: &mut Scene, call, when, whom| {
        scene.task();
        let wanted = shown(&scene.room.at("other-0").ok("scan --agent scout --fresh"));
        let blow = Blow { call, when, whom };
        let struck = scene.clone.struck(&strace, "scan --agent scout --fresh", &blow);
        if let Some(ran) = struck.ran.filter(|ran| ran.code == 0).filter(|ran| ran.json()["degraded"] != true) {
            assert_eq!(shown(&ran.json()), wanted, "{blow:?}: {ran}");
        }
        for line in ["scan --agent scout --fresh", "scan --agent scout --offline"] {
            assert_eq!(shown(&scene.clone.ok(line)), wanted, "{blow:?}, then `{line}`");
        }
        wait_for_orphans(scene.room.path());
        scene.is_sound(&format!("{blow:?} at a scan"));
        struck.hit
    };
    let mut hits = 0;
    if !calls.is_empty() {
        for whom in [Whom::Tree, Whom::SquadAlone] {
            for call in &calls {
                let (mut when, mut misses) = (0, 0);
                while misses < MISSES {
                    when += 1;
                    let hit = blow_at(&mut scene, call, when, whom);
                    misses = if hit { 0 } else { misses + 1 };
                    hits += usize::from(hit);
                }
            }
        }
    } else {
        for _ in 0..SAMPLE {
            let (call, whom) = (*dice.pick(CALLS), *dice.pick(&[Whom::Tree, Whom::SquadAlone, Whom::WhoeverItHits]));
            let most = scene.clone.calls(&strace, "scan --agent scout --fresh", call, whom);
            hits += usize::from(blow_at(&mut scene, call, 1 + dice.below(most.max(1)), whom));
        }
    }
    assert!(hits > 0, "nobody was hit");
}

#[test]
fn what_the_user_s_branch_is_moved_to_is_on_the_disk_first() {
    let Some(strace) = need("strace") else { return };
    let mut scene = Scene::new();
    let task = scene.task();
    let synced = scene.clone.syncs(&strace, &format!("claim {task} --agent scout"));
    assert_eq!(scene.clone.git("rev-parse HEAD"), scene.room.head(), "the checkout has followed");
    let new = scene.clone.git("rev-list --objects --no-object-names HEAD~1..HEAD").lines().count();
    let theirs = format!("{}/.git/objects/", scene.clone.dir.display());
    let objects = synced.lines().filter(|path| path.starts_with(&theirs)).count();
    assert!(objects >= new, "{objects} synced of {new} new objects:\n{synced}");
}

/// What a git holds locked is not taken from it because its squad was killed.
#[test]
fn whoever_comes_after_a_kill_waits_for_the_git_that_lives_on() {
    use std::os::unix::fs::PermissionsExt as _;

    let room = Room::board();
    let clone = room.clone_as("scout");
    clone.git("config squad.networkSeconds 2");
    let (begun, over) = (room.path().join("begun"), room.path().join("over"));
    let slow = clone.dir.join("bin/git");
    // The first fetch of all waits until it is told to go on.
    let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.02; done", begun.display(), over.display());
    let path = std::env::var("PATH").expect("there is a PATH");
    let script = format!("case \"$*\" in *--depth=1*) {wait} ;; esac\nPATH='{path}' exec git \"$@\"");
    clone.write("bin/git", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).expect("it is ours");

    let mut squad = clone.command(env!("CARGO_BIN_EXE_squad"));
    squad.arg("list").env("PATH", format!("{}:{path}", clone.dir.join("bin").display()));
    let mut squad = squad.stdout(std::process::Stdio::null()).spawn().expect("squad starts");
    while !begun.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    squad.kill().expect("it is ours");
    squad.wait().expect("it is ours");
    let lock = clone.dir.join(".git/squad/board.git/shallow.lock");
    std::fs::write(&lock, "").expect("the store is there");
    clone.refused("list", 8, "remote-unreachable");
    assert!(lock.exists(), "the git that has it lives");

    std::fs::write(&over, "").expect("a file");
    wait_for_orphans(room.path());
    clone.ok("list");
    assert!(!lock.exists());
}
