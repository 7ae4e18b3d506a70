//! Everything at once: several processes in several clones, killed at random, while git tidies up under their feet.
//!
//! At the end, what was acknowledged is on the board once, what was refused is not, and every repository is sound.
//! `SQUAD_CHAOS_SECONDS` sets how long, `SQUAD_SEED` repeats the choices (not the timing).
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{
    Checkout, Dice, HttpServer, Room, assert_sound, end_everything, fresh_mark, hand_task, wait_for_orphans,
};

const CLONES: usize = 3;
const PROCESSES: usize = 3;
const TASKS: usize = 60;
const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

/// Longest that a killed run is left alone first. A whole claim takes about as long.
const LATEST_KILL_MS: usize = 1_500;

/// Of a hundred runs, so many are killed with all their processes, and so many others alone.
const TREES: usize = 20;
const ALONE: usize = 20;

/// What somebody tried, and what came of it.
#[derive(Debug)]
struct Deed {
    verb: &'static str,
    task: String,
    agent: String,
    text: String,
    end: End,
}

#[derive(Debug)]
enum End {
    /// Told as done, by this operation.
    Acknowledged(String),
    /// Told as not done, for good.
    Refused,
    /// Not known: killed, or `undecided`.
    Open,
}

struct Worker<'a> {
    clone: &'a Checkout,
    agent: String,
    dice: Dice,
    held: Vec<String>,
    said: usize,
}

impl Worker<'_> {
    fn act(&mut self) -> Deed {
        let task = format!("t-{}", self.dice.below(TASKS));
        let (verb, task) = match self.dice.below(10) {
            0..5 => ("claim", task),
            5..8 => ("comment", task),
            _ => match self.held.pop() {
                Some(held) => ("complete", held),
                None => ("claim", task),
            },
        };
        self.said += 1;
        let text = format!("{} says {}", self.agent, self.said);
        let line = match verb {
            "claim" => format!("claim {task} --agent {}", self.agent),
            "comment" => format!("comment {task} '{text}' --agent {}", self.agent),
            _ => format!("complete {task} --agent {} {HAND_IN}", self.agent),
        };
        let end = self.run(&line);
        if verb == "claim" && matches!(end, End::Acknowledged(_)) {
            self.held.push(task.clone());
        }
        Deed { verb, task, agent: self.agent.clone(), text, end }
    }

    fn run(&mut self, line: &str) -> End {
        let mark = fresh_mark();
        let child = self.clone.start_marked(line, &mark);
        let fate = self.dice.below(100);
        if fate < TREES + ALONE {
            let delay = Duration::from_millis(self.dice.below(LATEST_KILL_MS) as u64);
            kill_after(child, delay, (fate < TREES).then_some(&*mark), self.clone, line)
        } else {
            judge(child, self.clone, line)
        }
    }
}

/// Kills a run after a while, with all its processes where they are marked; one that was faster is judged.
fn kill_after(mut child: Child, delay: Duration, tree: Option<&str>, clone: &Checkout, line: &str) -> End {
    let until = Instant::now() + delay;
    while Instant::now() < until {
        if child.try_wait().expect("it is ours").is_some() {
            return judge(child, clone, line);
        }
        thread::sleep(Duration::from_millis(2));
    }
    // It is not reaped yet, so its id is still its own.
    let _ = child.kill();
    if let Some(mark) = tree {
        end_everything(mark, None);
    }
    // It may have ended, and answered, just before.
    judge(child, clone, line)
}

fn judge(child: Child, clone: &Checkout, line: &str) -> End {
    let output = child.wait_with_output().expect("it ends");
    if output.status.code().is_none() {
        return End::Open;
    }
    let ran = clone.run_of(format!("squad {line}"), &output).0;
    let answer = ran.json();
    match (ran.code, answer["error"]["code"].as_str().unwrap_or_default()) {
        (0, _) => match answer["receipt"]["op"].as_str() {
            Some(op) => End::Acknowledged(op.to_owned()),
            None => panic!("a success without a receipt: {ran}"),
        },
        (8, "undecided") => End::Open,
        (5..=8, _) => End::Refused,
        _ => panic!("no answer for a time like this: {ran}"),
    }
}

/// Runs git again and again until it is over. It may meet a process that is in its way, which is the point.
fn keep_running(over: &AtomicBool, lines: &[&str], git: impl Fn(&str)) {
    while !over.load(Ordering::Relaxed) {
        for line in lines {
            git(line);
            thread::sleep(Duration::from_millis(150));
        }
    }
}

#[test]
fn in_chaos_whatever_is_acknowledged_is_on_the_board_once_and_nothing_refused_is() {
    let seconds = std::env::var("SQUAD_CHAOS_SECONDS").map_or(12, |n| n.parse().expect("a number of seconds"));
    let dice = Dice::of_this_run("chaos");
    let room = Room::board();
    room.configure(|config| {
        for i in 0..CLONES * PROCESSES {
            let agent = json!({"name": format!("agent-{i}"), "role": "executor", "kind": "agent"});
            config["agents"].as_array_mut().unwrap().push(agent);
        }
        config["limits"] = json!({"claimsPerAgent": 100_000});
    });
    let tasks: Vec<_> = (0..TASKS).map(|n| hand_task(&format!("t-{n}"), json!({}))).collect();
    room.put_tasks(&tasks);
    let base = room.head();
    // The server is another machine: what dies with a client is on the client's side.
    let server = HttpServer::of(&room);
    let clones: Vec<_> = (0..CLONES).map(|i| room.clone_with(&format!("clone-{i}"), &server.url())).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    let over = AtomicBool::new(false);
    let deeds: Vec<Deed> = thread::scope(|scope| {
        for clone in &clones {
            let over = &over;
            scope.spawn(move || keep_running(over, &["gc --prune=now --quiet"], |line| drop(clone.try_git(line))));
        }
        let remote = room.at("remote.git");
        scope.spawn({
            let over = &over;
            move || keep_running(over, &["pack-refs --all", "gc --quiet"], |line| drop(remote.try_git(line)))
        });
        let workers: Vec<_> = (0..CLONES * PROCESSES)
            .map(|i| {
                let (clone, dice) = (&clones[i % CLONES], dice.part(i));
                scope.spawn(move || {
                    let mut worker = Worker { clone, agent: format!("agent-{i}"), dice, held: Vec::new(), said: 0 };
                    let mut deeds = Vec::new();
                    while Instant::now() < until {
                        deeds.push(worker.act());
                    }
                    deeds
                })
            })
            .collect();
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        // Before anything can fail: the loops would go on for ever.
        over.store(true, Ordering::Relaxed);
        ended.into_iter().flat_map(|deeds| deeds.expect("a worker failed")).collect()
    });
    server.heal();
    wait_for_orphans(room.path());
    for clone in &clones {
        assert_eq!(clone.ok("sync")["provisional"], json!([]), "nothing stays open");
        clone.ok("check");
        for repository in [".git", ".git/squad/board.git"] {
            assert_sound(clone, &clone.dir.join(repository));
        }
    }
    assert_sound(&clones[0], &room.remote());
    compare(&room, &base, &deeds);
}

/// Holds what was told against the board.
fn compare(room: &Room, base: &str, deeds: &[Deed]) {
    let mut by_operation: BTreeMap<String, usize> = BTreeMap::new();
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    for commit in room.commits_since(base) {
        *by_operation.entry(commit.trailer("Squad-Op").to_owned()).or_default() += 1;
        *subjects.entry(commit.subject).or_default() += 1;
    }
    let twice: Vec<_> = by_operation.iter().filter(|(op, times)| !op.is_empty() && **times > 1).collect();
    assert!(twice.is_empty(), "made more than once: {twice:?}");
    let said = all_that_is_said(room);
    let mut possible = BTreeSet::new();
    for deed in deeds.iter().filter(|deed| !matches!(deed.end, End::Refused)) {
        possible.insert((deed.verb, &*deed.task, &*deed.agent));
    }
    let (mut acknowledged, mut refused, mut open) = (0, 0, 0);
    for deed in deeds {
        let subject = format!("squad({}): {} by {}", deed.verb, deed.task, deed.agent);
        let times_said = said.get(&deed.text).copied().unwrap_or(0);
        match &deed.end {
            End::Acknowledged(op) => {
                acknowledged += 1;
                assert_eq!(by_operation.get(op), Some(&1), "lost: {deed:?}");
                assert!(deed.verb != "comment" || times_said == 1, "said {times_said} times: {deed:?}");
            }
            End::Refused => {
                refused += 1;
                assert_eq!(times_said, 0, "refused, and there: {deed:?}");
                let tried_otherwise = possible.contains(&(deed.verb, &*deed.task, &*deed.agent));
                assert!(tried_otherwise || !subjects.contains_key(&subject), "refused, and there: {deed:?}");
            }
            End::Open => {
                open += 1;
                assert!(times_said <= 1, "said {times_said} times: {deed:?}");
            }
        }
    }
    for (subject, times) in subjects.iter().filter(|(subject, _)| subject.starts_with("squad(claim)")) {
        assert_eq!(*times, 1, "{subject}: nobody gives a task back here");
    }
    eprintln!("chaos: {acknowledged} acknowledged, {refused} refused, {open} open");
    assert!(acknowledged > 0 && open > 0, "too quiet to prove anything: {acknowledged} and {open}");
}

/// Returns every comment on the board, with how often it is there.
fn all_that_is_said(room: &Room) -> BTreeMap<String, usize> {
    let mut said = BTreeMap::new();
    for n in 0..TASKS {
        let task = room.task(&format!("t-{n}"));
        for message in task["chat"].as_array().into_iter().flatten() {
            if let Some(text) = message["content"].as_str() {
                *said.entry(text.to_owned()).or_default() += 1;
            }
        }
        assert!(task["claim"].is_null() || matches!(task["claim"]["agent"], Value::String(_)), "{task}");
    }
    said
}
