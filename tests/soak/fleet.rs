//! A fleet at work: eight agents in three clones do hundreds of tasks, while runners are killed and the remote goes away.
//!
//! `SQUAD_FLEET_TASKS` says how many tasks (24 with every test run), `SQUAD_SEED` repeats the choices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::hosts::{End, Fate, Host, SOON, Work};
use crate::kit::{Dice, Room, hand_task};
use crate::laws::{State, leftovers, of_the_board, state, tasks, try_tasks};
use crate::ledger::Ledger;

const TASKS: usize = 24;
const AGENTS: usize = 8;
const CLONES: usize = 3;

/// Runs in all before a task that fails is blocked. The first retry comes after a minute, so that the small fleet has none.
const ATTEMPTS: usize = 2;
const SMALL: usize = 100;

/// Of a hundred runners so many meet their fate, in a large fleet at some time until then.
const KILLED: usize = 70;
const LATEST: Duration = Duration::from_secs(25);

/// Longest time that the whole may take for one task.
const EACH: Duration = Duration::from_secs(20);
const AT_LEAST: Duration = Duration::from_secs(400);

/// Longest that the remote is away, in milliseconds; a lease is longer.
const LONGEST_OUTAGE_MS: usize = 6_000;

/// What is counted.
#[derive(Default)]
struct Counts {
    runners: AtomicUsize,
    unreachable: AtomicUsize,
    outages: AtomicUsize,
    fates: Mutex<BTreeMap<String, usize>>,
}

fn way(dice: &mut Dice) -> Vec<String> {
    let pause = format!("0.{}", dice.below(5));
    let ways: &[&str] = match dice.below(20) {
        0 => &["fail"],
        1 => &["fail", "ok"],
        2 => &["block"],
        3 => &["wait", "ok"],
        4 => &["self"],
        5 => &["stubborn"],
        6 => &["child", "ok"],
        _ => &["ok"],
    };
    ways.iter().map(|way| format!("{way} {pause}")).collect()
}

/// Takes the remote away and brings it back, until it is over.
fn take_the_remote_away(room: &Room, over: &AtomicBool, counts: &Counts, mut dice: Dice) {
    // Each other time it is there and takes nothing.
    let mut refuses = false;
    let mut pause = Duration::from_secs(2);
    while !over.load(Ordering::Relaxed) {
        let next = Instant::now() + pause;
        pause = Duration::from_secs(8 + dice.below(12) as u64);
        while Instant::now() < next {
            if over.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let outage = Duration::from_millis(500 + dice.below(LONGEST_OUTAGE_MS) as u64);
        if refuses {
            room.hook("pre-receive", &format!("{COUNT}\necho not now; exit 1"));
            thread::sleep(outage);
            room.hook("pre-receive", COUNT);
        } else {
            room.lose_remote();
            thread::sleep(outage);
            room.regain_remote();
        }
        counts.outages.fetch_add(1, Ordering::Relaxed);
        refuses = !refuses;
    }
}

/// Counts the pushes of the board, and of anything.
const COUNT: &str = "board=; while read -r _ _ ref; do [ \"$ref\" = refs/heads/main ] && board=x; done
echo x >> pushes; [ -z \"$board\" ] || echo x >> board-pushes";

#[test]
fn a_fleet_brings_every_task_to_an_end_whoever_is_killed_and_whatever_the_remote_does() {
    let size = std::env::var("SQUAD_FLEET_TASKS").map_or(TASKS, |n| n.parse().expect("SQUAD_FLEET_TASKS is a number"));
    let mut dice = Dice::of_this_run("fleet");
    let room = Room::board();
    let agents: Vec<String> = (0..AGENTS).map(|n| format!("agent-{n}")).collect();
    room.configure(|config| {
        for agent in &agents {
            config["agents"].as_array_mut().unwrap().push(json!({"name": agent, "role": "executor", "kind": "agent"}));
        }
        let attempts = if size < SMALL { 1 } else { ATTEMPTS };
        config["limits"] = json!({"claimsPerAgent": 100, "attempts": attempts});
        config["timing"] = json!({"leaseSeconds": 40, "graceSeconds": 10, "unstartedSeconds": 40, "fetchSeconds": 1,
            "beatSeconds": 2, "remoteBeatSeconds": 5});
    });
    let work = Work::new(&room);
    let ids: Vec<String> = (0..size).map(|n| format!("t-{n:03}")).collect();
    ids.iter().for_each(|id| work.plan(id, &way(&mut dice)));
    room.put_tasks(&ids.iter().map(|id| hand_task(id, json!({}))).collect::<Vec<_>>());
    room.hook("pre-receive", COUNT);
    let hosts: Vec<Host> = (0..CLONES).map(|n| Host::new(&room, &format!("host-{n}"))).collect();
    let base = room.head();
    let latest = if size < SMALL { SOON } else { LATEST };
    let (counts, over, begun) = (Counts::default(), AtomicBool::new(false), Instant::now());
    let until = begun + (EACH * u32::try_from(size).unwrap()).max(AT_LEAST);
    thread::scope(|scope| {
        let (room, work, hosts, counts, over, ids) = (&room, &work, &hosts, &counts, &over, &ids);
        let at = dice.part(AGENTS);
        let weather = scope.spawn(move || take_the_remote_away(room, over, counts, at));
        for (n, agent) in agents.iter().enumerate() {
            let mut dice = dice.part(n);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) && Instant::now() < until {
                    let fate = match dice.below(100) {
                        at if at >= KILLED => Fate::Lives,
                        at => {
                            [Fate::Killed, Fate::Killed, Fate::ShimKilled, Fate::BothKilled, Fate::Terminated][at % 5]
                        }
                    };
                    let end = hosts[n % CLONES].run(work, agent, "--until-idle", (fate, latest), &mut dice);
                    let (ran, fine) = note(counts, &end.expect("no host dies here"));
                    if let Some(why) = fine {
                        over.store(true, Ordering::Relaxed);
                        panic!("{agent}: {why}");
                    }
                    if !ran {
                        thread::sleep(Duration::from_millis(500 + dice.below(1000) as u64));
                    }
                }
            });
        }
        // Nobody is there who could tell: the board is looked at as long as it is there.
        while !over.load(Ordering::Relaxed) && Instant::now() < until && !weather.is_finished() {
            thread::sleep(Duration::from_secs(2));
            let is_over = |now: Vec<_>| now.iter().all(|task| matches!(state(task), State::Completed | State::Blocked));
            if try_tasks(room, ids).is_ok_and(is_over) {
                over.store(true, Ordering::Relaxed);
            }
        }
        over.store(true, Ordering::Relaxed);
        weather.join().expect("the weather holds");
    });
    let wall = begun.elapsed();
    // A last tick of each host, as the user's timer would have it.
    for (host, agent) in hosts.iter().zip(&agents) {
        let end = host.run(&work, agent, "--until-idle", (Fate::Lives, SOON), &mut dice).expect("it lives");
        assert_eq!(note(&counts, &end), (false, None));
    }
    let ledger = Ledger::read(&work.ledger);
    let mut found = of_the_board(&room, &base, &ledger);
    found.extend(leftovers(&room, &hosts));
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for task in tasks(&room, &ids) {
        let state = state(&task);
        *states.entry(format!("{state:?}")).or_default() += 1;
        if !matches!(state, State::Completed | State::Blocked) || !task["claim"].is_null() {
            found.push(format!("at the end: {task}"));
        }
    }
    report(&room, &base, &ledger, &counts, wall, &states);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let kills = counts.fates.lock().unwrap().iter().filter(|(fate, _)| *fate != "Lives").count();
    assert!(kills > 0 && counts.outages.load(Ordering::Relaxed) > 0, "too quiet to prove anything");
}

/// Notes how a runner has ended: whether it has done anything, and what is wrong.
fn note(counts: &Counts, end: &End) -> (bool, Option<String>) {
    counts.runners.fetch_add(1, Ordering::Relaxed);
    *counts.fates.lock().unwrap().entry(format!("{:?}", end.met)).or_default() += 1;
    let answer: serde_json::Value = serde_json::from_slice(&end.output.stdout).unwrap_or_default();
    // That the remote is away ends a runner, and the next one goes on.
    let unreachable = end.output.status.code() == Some(8);
    counts.unreachable.fetch_add(usize::from(unreachable), Ordering::Relaxed);
    let ran = answer["results"].as_array().is_some_and(|results| !results.is_empty());
    let why = (!end.is_fine() && !unreachable).then(|| {
        let said = String::from_utf8_lossy(&end.output.stdout).into_owned();
        format!(
            "ended with {:?} after {:?}: {said}{}",
            end.output.status,
            end.met,
            String::from_utf8_lossy(&end.output.stderr)
        )
    });
    (ran, why)
}

#[expect(clippy::cast_precision_loss, reason = "a mean of counts")]
fn report(room: &Room, base: &str, ledger: &Ledger, counts: &Counts, wall: Duration, states: &BTreeMap<String, usize>) {
    let lines = |name: &str| std::fs::read_to_string(room.remote().join(name)).unwrap_or_default().lines().count();
    let commits = room.commits_since(base);
    let mut verbs: BTreeMap<&str, usize> = BTreeMap::new();
    let mut operations = BTreeSet::new();
    for commit in &commits {
        let verb = commit.subject.strip_prefix("squad(").and_then(|rest| rest.split(')').next());
        *verbs.entry(verb.unwrap_or("by hand")).or_default() += 1;
        operations.insert(commit.trailer("Squad-Op"));
    }
    let (board, all) = (lines("board-pushes"), lines("pushes"));
    room.git("gc --quiet --prune=now");
    let size: u64 = walkdir::WalkDir::new(room.remote())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len()))
        .sum();
    eprintln!(
        "fleet: {} s, {} executions, {} runners ({:?}; {} found no remote), {} outages, tasks {states:?}, \
         {} commits {verbs:?}, {board} pushes of the board ({:.2} a receipt), {all} pushes in all, {} KiB after gc",
        wall.as_secs(),
        ledger.executions(),
        counts.runners.load(Ordering::Relaxed),
        counts.fates.lock().unwrap(),
        counts.unreachable.load(Ordering::Relaxed),
        counts.outages.load(Ordering::Relaxed),
        commits.len(),
        board as f64 / operations.len().max(1) as f64,
        size / 1024,
    );
}
