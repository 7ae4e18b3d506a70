//! Signs of life, waiting, recovery and start requests: real processes, real clones, real signals.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, now_ms};

/// Longest that anything here may take before it counts as hanging.
const HANG: Duration = Duration::from_secs(60);

/// Returns a board with these tasks, on which everything is due within a second or two.
fn hurried(tasks: &[Value]) -> Room {
    let room = Room::with_tasks(tasks);
    room.configure(|config| {
        config["timing"] = json!({"unstartedSeconds": 1, "leaseSeconds": 1, "graceSeconds": 0, "fetchSeconds": 1,
            "beatSeconds": 1, "remoteBeatSeconds": 1, "wakeMinutes": 15});
    });
    room
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < HANG, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A squad that goes on while the test does something.
struct Going {
    child: Child,
}

impl Going {
    fn start(clone: &Checkout, line: &str) -> Self {
        let mut command = clone.command(env!("CARGO_BIN_EXE_squad"));
        command.args(line.split(' ')).arg("--json");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().expect("squad starts") }
    }

    fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Returns its answer, once it has ended by itself.
    fn answer(mut self) -> Value {
        let begun = Instant::now();
        while self.child.try_wait().expect("it is ours").is_none() {
            assert!(begun.elapsed() < HANG, "it never ends");
            thread::sleep(Duration::from_millis(10));
        }
        let mut text = String::new();
        self.child.stdout.take().expect("it was piped").read_to_string(&mut text).expect("text");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no answer: {text:?}"))
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the files of an agent's signs of life in a clone.
fn signs(clone: &Checkout, agent: &str) -> Vec<PathBuf> {
    let folder = clone.dir.join(".git/squad/presence").join(agent);
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect()
}

fn state(clone: &Checkout, agent: &str) -> String {
    let agents = clone.ok("agents");
    let member = agents["agents"].as_array().expect("a list").iter().find(|a| a["name"] == agent);
    member.expect("a member")["state"].as_str().expect("a word").to_owned()
}

#[test]
fn a_beat_is_seen_on_this_host_and_on_others_until_the_goodbye() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let (here, there) = (room.clone_as("olga"), room.clone_as("knox"));
    assert_eq!(state(&here, "scout"), "gone");
    let head = room.head();
    let given = here.ok("beat --agent scout");
    assert_eq!(given["state"], "waiting");
    assert!(given["readyUntil"].as_i64().expect("an instant") > 0);
    assert_eq!((state(&here, "scout"), state(&there, "scout")), ("waiting".to_owned(), "waiting".to_owned()));
    here.ok("claim t-1 --agent scout");
    let claimed = room.head();
    assert_eq!(here.ok("beat --agent scout")["state"], "working");
    assert_eq!(state(&here, "scout"), "working");
    here.ok("beat --leave --agent scout");
    assert_eq!(signs(&here, "scout"), Vec::<PathBuf>::new());
    // Its claim on the board is a sign of life as well, for as long as its lease.
    assert_eq!(state(&there, "scout"), "working");
    assert_ne!(head, claimed);
    assert_eq!(room.head(), claimed, "no beat is a commit of the board");
}

#[test]
fn without_the_remote_nobody_is_said_to_be_gone() {
    let room = Room::with_tasks(&[]);
    let clone = room.clone_as("olga");
    clone.ok("agents");
    room.lose_remote();
    assert_eq!(state(&clone, "scout"), "unknown");
    room.regain_remote();
    assert_eq!(state(&clone, "scout"), "gone");
}

#[test]
fn beats_leave_nothing_behind_in_the_store() {
    let room = hurried(&[]);
    let (here, there) = (room.clone_as("olga"), room.clone_as("knox"));
    let objects = |clone: &Checkout| {
        let folders = fs::read_dir(clone.dir.join(".git/squad/board.git/objects")).expect("a store").flatten();
        folders.map(|folder| fs::read_dir(folder.path()).map_or(0, Iterator::count)).sum::<usize>()
    };
    let beat = || {
        let _ = fs::remove_file(here.dir.join(".git/squad/presence/scout/by-hand.told"));
        here.ok("beat --agent scout");
        there.ok("agents");
        // What was replaced is kept for as long as a fetch that is under way may still name it: let that be over.
        for clone in [&here, &there] {
            let notes = fs::read_dir(clone.dir.join(".git/squad/board.git/replaced")).into_iter().flatten().flatten();
            for note in notes {
                let note = fs::File::options().write(true).open(note.path()).expect("a note");
                note.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600)).expect("a time");
            }
        }
    };
    for _ in 0..4 {
        beat();
    }
    let before = (objects(&here), objects(&there));
    for _ in 0..10 {
        beat();
    }
    assert_eq!((objects(&here), objects(&there)), before);
    assert_eq!(room.git("for-each-ref --format=%(refname) refs/squad/presence").trim(), "refs/squad/presence/scout");
}

#[test]
fn a_wait_ends_with_a_task_that_appears_here_or_elsewhere() {
    let room = hurried(&[]);
    let (here, there) = (room.clone_as("scout"), room.clone_as("olga"));
    for (by, id) in [(&here, "near"), (&there, "far")] {
        let waiting = Going::start(&here, "wait --agent scout");
        until("it waits", || !signs(&here, "scout").is_empty());
        by.ok(&format!("new title --id {id} --assigned scout --agent olga"));
        let answer = waiting.answer();
        assert_eq!((&answer["ended"], &answer["task"]["id"]), (&json!("found"), &json!(id)), "{answer}");
        assert_eq!(signs(&here, "scout"), Vec::<PathBuf>::new(), "it has left");
        there.ok(&format!("cancel {id} --reason r --agent olga"));
        // What was handed to somebody a moment ago is handed to nobody else: this one is over.
        here.ok("sync");
    }
}

#[test]
fn a_wait_takes_the_task_in_the_same_step() {
    let room = hurried(&[]);
    let clone = room.clone_as("scout");
    let waiting = Going::start(&clone, "wait --claim --plan p --agent scout");
    until("it waits", || !signs(&clone, "scout").is_empty());
    clone.ok("new title --id t-1 --agent olga");
    let answer = waiting.answer();
    assert_eq!((&answer["task"]["id"], &answer["epoch"]), (&json!("t-1"), &json!(1)), "{answer}");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
    assert_eq!(room.task("t-1")["chat"][0]["content"], "p");
}

#[test]
fn a_wait_that_is_over_says_so() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "aria"}))]);
    let clone = room.clone_as("scout");
    let answer = clone.ok("wait --timeout 1s --agent scout");
    assert_eq!(answer["task"], Value::Null);
    let text = clone.squad_with(&["wait", "--timeout", "0s", "--agent", "scout"], b"", &[]).ok().stdout;
    assert_eq!(text.trim(), "HEARTBEAT_OK");
}

#[test]
fn who_waits_leaves_on_every_way_out() {
    let room = hurried(&[]);
    let clone = room.clone_as("scout");
    for way in ["-INT", "-TERM", "-HUP", "stdin"] {
        let mut waiting = Going::start(&clone, "wait --agent scout");
        until("it waits", || state(&clone, "scout") == "waiting");
        // The end of standard input means something once the program has settled.
        thread::sleep(Duration::from_secs(1));
        match way {
            "stdin" => drop(waiting.child.stdin.take()),
            signal => waiting.signal(signal),
        }
        assert_eq!(waiting.answer()["ended"], "stopped", "{way}");
        assert_eq!(signs(&clone, "scout"), Vec::<PathBuf>::new(), "{way}");
        assert_eq!(state(&clone, "scout"), "gone", "{way}");
    }
    let waiting = Going::start(&clone, "wait --agent scout");
    until("it waits", || state(&clone, "scout") == "waiting");
    waiting.signal("-KILL");
    until("its end is seen", || state(&clone, "scout") == "gone" || state(&clone, "scout") == "stale");
}

#[test]
fn who_waits_says_until_when_and_that_is_never_past() {
    let room = hurried(&[]);
    room.configure(|config| config["timing"]["beatSeconds"] = json!(2));
    let clone = room.clone_as("scout");
    let waiting = Going::start(&clone, "wait --agent scout");
    until("it waits", || signs(&clone, "scout").len() == 1);
    let file = signs(&clone, "scout").remove(0);
    let until_when = || {
        let record: Value = serde_json::from_slice(&fs::read(&file).expect("it is always there")).expect("and whole");
        record["beat"]["readyUntil"].as_i64().expect("a time")
    };
    let first = until_when();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(7) {
        assert!(until_when() >= now_ms(), "it is past");
        thread::sleep(Duration::from_millis(100));
    }
    let last = until_when();
    assert!(last > first + 4000, "it is renewed");
    waiting.signal("-KILL");
    thread::sleep(Duration::from_secs(3));
    assert!((last..last + 2500).contains(&until_when()), "and stays as it was");
}

#[test]
fn of_two_that_wait_as_one_agent_the_newer_stays() {
    let room = hurried(&[]);
    let clone = room.clone_as("scout");
    let older = Going::start(&clone, "wait --agent scout");
    until("it waits", || signs(&clone, "scout").len() == 1);
    thread::sleep(Duration::from_millis(20));
    let newer = Going::start(&clone, "wait --agent scout");
    assert_eq!(older.answer()["ended"], "superseded");
    until("the agent is still there", || state(&clone, "scout") == "waiting");
    newer.signal("-TERM");
    assert_eq!(newer.answer()["ended"], "stopped");
}

#[test]
fn many_that_wait_share_what_comes() {
    let room = hurried(&[]);
    let clone = room.clone_as("olga");
    let names = ["scout", "aria", "vault", "knox", "hex"];
    let waiting: Vec<_> =
        names.iter().map(|name| Going::start(&clone, &format!("wait --claim --agent {name}"))).collect();
    until("all wait", || names.iter().all(|name| !signs(&clone, name).is_empty()));
    let base = room.head();
    let tasks: Vec<Value> = (1..=5).map(|n| json!({"id": format!("t-{n}"), "title": "T"})).collect();
    clone.write("in.json", json!(tasks).to_string());
    clone.ok("new --from in.json --agent olga");
    let mut taken: Vec<String> =
        waiting.into_iter().map(|w| w.answer()["task"]["id"].as_str().expect("a task").to_owned()).collect();
    taken.sort();
    assert_eq!(taken, ["t-1", "t-2", "t-3", "t-4", "t-5"]);
    for id in taken {
        assert_eq!(room.claims_of(&id, &base).len(), 1);
    }
}

/// Recovers twice, with more than a second between: first sight, and a look back at it.
fn recovered_in_time(clone: &Checkout) -> Value {
    assert_eq!(clone.ok("recover --agent olga")["recovered"], json!([]), "nobody is gone at first sight");
    thread::sleep(Duration::from_millis(2100));
    clone.ok("recover --agent olga")["recovered"].clone()
}

#[test]
fn a_claim_that_was_never_started_and_work_without_a_sign_of_life_are_taken_back() {
    let room =
        hurried(&[hand_task("idle", json!({"assigned": "scout"})), hand_task("busy", json!({"assigned": "aria"}))]);
    let (scout, olga) = (room.clone_as("scout"), room.clone_as("olga"));
    scout.ok("claim idle --agent scout");
    scout.ok("claim busy --agent aria");
    scout.ok("start busy --agent aria");
    let recovered = recovered_in_time(&olga);
    let triggers: Vec<_> = recovered.as_array().expect("a list").iter().map(|r| (&r["task"], &r["trigger"])).collect();
    assert!(triggers.contains(&(&json!("idle"), &json!("unstarted"))), "{recovered}");
    assert!(triggers.contains(&(&json!("busy"), &json!("orphaned"))), "{recovered}");
    for (id, agent) in [("idle", "scout"), ("busy", "aria")] {
        let task = room.task(id);
        assert_eq!((&task["status"], &task["assigned"]), (&json!("backlog"), &json!(agent)));
        assert_eq!((&task["epoch"], &task["recoveries"], &task["claim"]), (&json!(2), &json!(1), &Value::Null));
    }
    // Who comes back is told that it is over.
    scout.refused("progress busy --pct 5 --agent aria", 6, "stale-epoch");
    let verdict = olga.ok("audit");
    assert_eq!(crate::kit::errors(&verdict), Vec::<Value>::new(), "{verdict}");
}

#[test]
fn nothing_is_taken_from_who_gives_signs_of_life_here_or_elsewhere() {
    let room =
        hurried(&[hand_task("near", json!({"assigned": "scout"})), hand_task("far", json!({"assigned": "aria"}))]);
    room.configure(|config| config["timing"]["remoteBeatSeconds"] = json!(60));
    let (olga, aria) = (room.clone_as("olga"), room.clone_as("aria"));
    olga.ok("claim near --agent scout");
    aria.ok("claim far --agent aria");
    aria.ok("beat --agent aria");
    olga.ok("recover --agent olga");
    thread::sleep(Duration::from_millis(2100));
    olga.ok("beat --agent scout");
    assert_eq!(olga.ok("recover --agent olga")["recovered"], json!([]));
}

#[test]
fn the_time_in_which_the_remote_did_not_answer_is_nobodys_silence() {
    let room = hurried(&[hand_task("t-1", json!({"assigned": "aria"}))]);
    room.configure(|config| config["timing"]["leaseSeconds"] = json!(8));
    let (olga, aria) = (room.clone_as("olga"), room.clone_as("aria"));
    aria.ok("claim t-1 --agent aria");
    aria.ok("start t-1 --agent aria");
    assert_eq!(olga.ok("recover --agent olga")["recovered"], json!([]));
    room.lose_remote();
    thread::sleep(Duration::from_millis(9000));
    olga.refused("recover --agent olga", 8, "remote-unreachable");
    room.regain_remote();
    // Before aria can have given a sign again.
    assert_eq!(olga.ok("recover --agent olga")["recovered"], json!([]));
    thread::sleep(Duration::from_millis(9000));
    assert_eq!(olga.ok("recover --agent olga")["recovered"][0]["task"], "t-1", "and as always after that");
}

#[test]
fn nothing_is_taken_from_a_person() {
    let room = hurried(&[hand_task("t-1", json!({}))]);
    let olga = room.clone_as("olga");
    olga.ok("claim t-1 --agent olga");
    assert_eq!(recovered_in_time(&olga), json!([]));
    assert_eq!(room.task("t-1")["claim"]["agent"], "olga");
    assert_eq!(state(&olga, "olga"), "unknown", "people give no signs of life");
}

#[test]
fn of_two_that_recover_at_once_one_does() {
    let room = hurried(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clones = [room.clone_as("olga"), room.clone_as("knox")];
    room.clone_as("scout").ok("claim t-1 --agent scout");
    let base = room.head();
    for clone in &clones {
        clone.ok("recover --agent olga");
    }
    thread::sleep(Duration::from_millis(2100));
    let barrier = Barrier::new(2);
    let found: Vec<Value> = thread::scope(|scope| {
        let run = |clone| {
            let barrier = &barrier;
            move || {
                barrier.wait();
                Checkout::ok(clone, "recover --agent olga")
            }
        };
        let runs: Vec<_> = clones.iter().map(|clone| scope.spawn(run(clone))).collect();
        runs.into_iter().map(|run| run.join().expect("it ends")).collect()
    });
    let recovered: usize = found.iter().map(|f| f["recovered"].as_array().expect("a list").len()).sum();
    assert_eq!(recovered, 1, "{found:?}");
    assert_eq!(room.task("t-1")["recoveries"], 1);
    let receipts = room.commits_since(&base);
    assert_eq!(receipts.iter().filter(|c| c.subject.starts_with("squad(recover)")).count(), 1);
}

#[test]
fn what_waited_for_something_outside_or_for_another_task_comes_back() {
    let external = json!({"kind": "external", "retryAt": 1, "backoffLevel": 0});
    let dependency = json!({"kind": "dependency", "on": ["first"]});
    let waits = json!({"kind": "dependency", "on": ["open"]});
    let room = hurried(&[
        hand_task("limited", json!({"status": "blocked", "assigned": "scout", "block": external})),
        hand_task("second", json!({"status": "blocked", "assigned": "aria", "block": dependency})),
        hand_task("third", json!({"status": "blocked", "assigned": "aria", "block": waits})),
        hand_task("first", json!({"status": "completed"})),
        hand_task("open", json!({})),
    ]);
    let clone = room.clone_as("olga");
    let recovered = clone.ok("recover --agent scout")["recovered"].clone();
    let mut triggers: Vec<_> =
        recovered.as_array().expect("a list").iter().map(|r| format!("{} {}", r["task"], r["trigger"])).collect();
    triggers.sort();
    assert_eq!(triggers, ["\"limited\" \"retry\"", "\"second\" \"dependency\""]);
    assert_eq!(room.task("second")["status"], "in-progress");
    assert_eq!(room.task("third")["status"], "blocked");
}

#[test]
fn however_many_ask_for_an_agent_it_is_asked_for_once() {
    let room = Room::with_tasks(&[]);
    let names = ["olga", "knox", "hex", "aria", "vault"];
    let clones: Vec<_> = names.iter().map(|name| (room.clone_as(name), *name)).collect();
    let barrier = Barrier::new(clones.len());
    let answers: Vec<Value> = thread::scope(|scope| {
        let ask = |(clone, name)| {
            let barrier = &barrier;
            move || {
                barrier.wait();
                Checkout::ok(clone, &format!("wake scout --reason work --agent {name}"))
            }
        };
        let runs: Vec<_> = clones.iter().map(|(clone, name)| scope.spawn(ask((clone, name)))).collect();
        runs.into_iter().map(|run| run.join().expect("it ends")).collect()
    });
    assert_eq!(answers.iter().filter(|a| a["skipped"] == false).count(), 1, "{answers:?}");
    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|a| a["request"]["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    // Once the agent has come there may be another.
    clones[0].0.ok("beat --agent scout");
    assert_eq!(clones[1].0.ok("wake scout --agent knox")["skipped"], false);
    clones[1].0.refused("wake nobody --agent knox", 3, "not-found");
}

#[test]
fn who_has_waited_for_long_claims_on_the_board_as_it_is_now_however_busy_the_clone_is() {
    let room = hurried(&[]);
    let clone = room.clone_as("olga");
    for round in 0..6 {
        let waiting = Going::start(&clone, "wait --claim --agent scout");
        until("it waits", || !signs(&clone, "scout").is_empty());
        // Long enough for it to have asked the remote by itself.
        thread::sleep(Duration::from_millis(1300));
        // Several processes publish at the moment at which the task appears.
        let id = format!("t-{round}");
        thread::scope(|scope| {
            scope.spawn(|| clone.ok(&format!("new title --id {id} --assigned scout --agent olga")));
            for n in 0..3 {
                let clone = &clone;
                scope
                    .spawn(move || clone.ok(&format!("new title --id other-{round}-{n} --assigned aria --agent knox")));
            }
        });
        let answer = waiting.answer();
        assert_eq!(answer["task"]["id"], json!(id), "{answer}");
        clone.ok(&format!("release {id} --note n --unassign --agent scout"));
        clone.ok(&format!("cancel {id} --reason r --agent olga"));
    }
}
