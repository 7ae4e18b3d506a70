//! No task is executed twice: small fleets from a seed, killed at random, until the board is at rest.
//!
//! 30 seeds run with every test run; `SQUAD_SOAK_RUNS` asks for more, `SQUAD_SEED` plays one again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::hosts::{End, Fate, Host, SOON, Work};
use crate::kit::{Checkout, Dice, Room, hand_task, now_ms};
use crate::laws::{State, leftovers, of_the_board, state, tasks};
use crate::ledger::Ledger;

const RUNS: u64 = 30;

/// How many run at once: most of their time they wait.
const JOBS: usize = 5;

const AGENTS: [&str; 3] = ["scout", "aria", "vault"];

/// How a command may behave, each as often as it stands here; none of them is the end of its task for certain.
const WAYS: [&str; 22] = [
    "ok",
    "ok",
    "ok",
    "ok",
    "ok",
    "ok",
    "fail",
    "fail",
    "block",
    "wait",
    "self",
    "selfblock",
    "stubborn",
    "stubborn",
    "deaf",
    "child",
    "deafchild",
    "dirty",
    "slow",
    "slow",
    "slow",
    "slow",
];

/// What runners are told besides.
const FLAGS: [&str; 6] = [
    "--until-idle",
    "--until-idle --limit 3",
    "--until-idle --slice 1s",
    "--until-idle --limit 2 --slice 1s",
    "--once",
    "--once --slice 1s",
];

/// Longest that a fleet may take to come to rest once nobody is killed any more. It includes a lease.
const REST: Duration = Duration::from_secs(240);

/// What came of all runs.
#[derive(Debug, Default)]
struct Sums {
    executions: usize,
    yields: usize,
    runners: usize,
    fates: BTreeMap<String, usize>,
    states: BTreeMap<String, usize>,
}

/// One run: a fleet, and what it has done.
struct Fleet {
    room: Room,
    base: String,
    ids: Vec<String>,
    plans: Vec<usize>,
    hosts: Vec<Host>,
    desk: Checkout,
    work: Work,
    begun: Instant,
    log: Mutex<String>,
    sums: Mutex<Sums>,
}

impl Fleet {
    fn new(dice: &mut Dice) -> Self {
        let room = Room::board();
        // A failure is final at once, or waits for longer than a run of this test takes.
        let attempts = *dice.pick(&[1, 1, 2]);
        room.configure(|config| {
            config["limits"] = json!({"claimsPerAgent": 100, "attempts": attempts});
            config["timing"] = json!({"leaseSeconds": 15, "graceSeconds": 5, "unstartedSeconds": 15, "fetchSeconds": 1,
                "beatSeconds": 1, "remoteBeatSeconds": 3});
        });
        let ids: Vec<String> = (0..3 + dice.below(5)).map(|n| format!("t-{n}")).collect();
        room.put_tasks(&ids.iter().map(|id| hand_task(id, json!({}))).collect::<Vec<_>>());
        let work = Work::new(&room);
        let plans = ids.iter().map(|id| {
            let mut ways: Vec<String> = (0..1 + dice.below(3)).map(|_| way(dice)).collect();
            // What waits for something outside comes back by itself, and has to come to an end.
            if ways.last().is_some_and(|last| last.starts_with("wait")) {
                ways.push("ok 0.1".to_owned());
            }
            work.plan(id, &ways);
            ways.len()
        });
        let plans = plans.collect();
        let hosts = (0..1 + dice.below(3)).map(|n| Host::new(&room, &format!("host-{n}"))).collect();
        let (base, desk) = (room.head(), room.clone_as("olga"));
        let (log, sums) = (Mutex::default(), Mutex::default());
        Self { room, base, ids, plans, hosts, desk, work, begun: Instant::now(), log, sums }
    }

    fn say(&self, line: &str) {
        let at = self.begun.elapsed().as_millis();
        writeln!(self.log.lock().unwrap(), "{at:>7} {line}").unwrap();
    }

    /// Runners one after the other on one host, each with its fate.
    fn slot(&self, host: &Host, agent: &str, mut dice: Dice) {
        for _ in 0..1 + dice.below(3) {
            let flags = *dice.pick(&FLAGS);
            let mut fate = match dice.below(20) {
                0..6 => Fate::Lives,
                6..10 => Fate::Killed,
                10..12 => Fate::ShimKilled,
                12..15 => Fate::BothKilled,
                15 => Fate::Interrupted,
                16 => Fate::InterruptedTwice,
                17 => Fate::Terminated,
                _ => Fate::HostDies,
            };
            let is_last = self.hosts.last().is_some_and(|last| std::ptr::eq(last, host));
            if fate == Fate::HostDies && (self.hosts.len() == 1 || !is_last) {
                fate = Fate::BothKilled;
            }
            thread::sleep(Duration::from_millis(dice.below(500) as u64));
            if !self.run(host, agent, flags, fate, &mut dice) {
                return;
            }
        }
        // Whoever was killed is followed by one who lives: a host where nobody comes any more is one that is dead.
        self.run(host, agent, "--once", Fate::Lives, &mut dice);
    }

    fn run(&self, host: &Host, agent: &str, flags: &str, fate: Fate, dice: &mut Dice) -> bool {
        let name = host.clone.dir.file_name().unwrap().display().to_string();
        self.say(&format!("{name}: {agent} begins {flags}, to be {fate:?}"));
        let Some(end) = host.run(&self.work, agent, flags, (fate, SOON), dice) else { return false };
        let End { output, met, .. } = &end;
        let said = String::from_utf8_lossy(&output.stdout);
        let outcomes: Vec<String> = serde_json::from_str::<serde_json::Value>(&said)
            .ok()
            .and_then(|answer| answer["results"].as_array().cloned())
            .map(|all| all.iter().map(|ran| format!("{} {}", ran["task"], ran["outcome"])).collect())
            .unwrap_or_default();
        self.say(&format!("{name}: {agent} has ended, {met:?}, {:?}: {outcomes:?}", output.status.code()));
        let mut sums = self.sums.lock().unwrap();
        sums.runners += 1;
        *sums.fates.entry(format!("{met:?}")).or_default() += 1;
        drop(sums);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(end.is_fine() || host.is_dead(), "a runner has ended with {:?}: {said}\n{complaint}", output.status);
        true
    }

    /// Runs until the board is at rest: nobody is killed any more.
    fn drain(&self, dice: &mut Dice) {
        let until = Instant::now() + REST;
        let mut restarted = std::collections::BTreeSet::new();
        let mut turn = dice.below(100);
        loop {
            let now = tasks(&self.room, &self.ids);
            let ledger = Ledger::read(&self.work.ledger);
            for ((task, id), plans) in now.iter().zip(&self.ids).zip(&self.plans) {
                // A person looks at what has failed for good, and has it tried again.
                let goes_on = ledger.executions_of(id) < *plans && restarted.insert(id.clone());
                if task["block"]["kind"] == "failure" && goes_on {
                    self.desk.ok(&format!("restart {id} --agent hex --reason 'try it once more'"));
                }
            }
            let now = tasks(&self.room, &self.ids);
            let open: Vec<_> = now.iter().filter(|task| state(task) == State::Open).collect();
            if open.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "the board does not come to rest: {open:#?}");
            let living: Vec<&Host> = self.hosts.iter().filter(|host| !host.is_dead()).collect();
            let may_be_run = |task: &&&serde_json::Value| task["status"] == "backlog" || task["status"] == "blocked";
            if open.iter().any(|task| may_be_run(&task)) {
                for agent in AGENTS {
                    turn += 1;
                    self.run(living[turn % living.len()], agent, "--until-idle", Fate::Lives, dice);
                }
            } else {
                // Held by somebody who is gone. Each host sees the end of its own; of the others, silence.
                for host in &living {
                    host.clone.ok("recover --agent hex");
                }
                thread::sleep(Duration::from_millis(500));
            }
        }
    }

    fn judge(&self) -> Vec<String> {
        let ledger = Ledger::read(&self.work.ledger);
        let mut found = of_the_board(&self.room, &self.base, &ledger);
        found.extend(leftovers(&self.room, &self.hosts));
        let mut sums = self.sums.lock().unwrap();
        (sums.executions, sums.yields) = (ledger.executions(), ledger.yields());
        for task in tasks(&self.room, &self.ids) {
            let state = state(&task);
            // Its time may have come meanwhile.
            let state = if state == State::Open && task["retryAt"].is_i64() { State::Later } else { state };
            *sums.states.entry(format!("{state:?}")).or_default() += 1;
            if state == State::Open || !task["claim"].is_null() {
                found.push(format!("at the end: {task}"));
            }
        }
        found
    }

    fn story(&self) -> String {
        let log = self.room.git("log --reverse --format='%cI %s'");
        let ledger = std::fs::read_to_string(&self.work.ledger).unwrap_or_default();
        format!("--- runners\n{}--- ledger\n{ledger}--- board\n{log}\n", self.log.lock().unwrap())
    }
}

fn way(dice: &mut Dice) -> String {
    let way = *dice.pick(&WAYS);
    let tenths = if matches!(way, "stubborn" | "slow") { 5 + dice.below(20) } else { dice.below(12) };
    format!("{way} {}.{}", tenths / 10, tenths % 10)
}

/// Plays one seed.
fn play(seed: u64) -> Result<Sums, String> {
    let mut dice = Dice::seeded(seed);
    let fleet = Fleet::new(&mut dice);
    let done = catch_unwind(AssertUnwindSafe(|| {
        let slots: Vec<(usize, &str)> =
            (0..1 + dice.below(4)).map(|_| (dice.below(fleet.hosts.len()), *dice.pick(&AGENTS))).collect();
        thread::scope(|scope| {
            for (n, (host, agent)) in slots.into_iter().enumerate() {
                let (fleet, dice) = (&fleet, dice.part(n));
                scope.spawn(move || fleet.slot(&fleet.hosts[host], agent, dice));
            }
        });
        fleet.drain(&mut dice);
        // A host that has died comes back when all is done, and cleans up after itself.
        for host in fleet.hosts.iter().filter(|host| host.is_dead()) {
            host.revive();
            for agent in AGENTS {
                fleet.run(host, agent, "--until-idle", Fate::Lives, &mut dice);
            }
        }
        // Each once more: what was killed last is followed by a tick as well, and what yielded by its agent.
        for host in &fleet.hosts {
            for agent in AGENTS {
                fleet.run(host, agent, "--until-idle", Fate::Lives, &mut dice);
            }
        }
        fleet.judge()
    }));
    match done {
        Ok(found) if found.is_empty() => Ok(fleet.sums.into_inner().unwrap()),
        Ok(found) => Err(format!("{}\n{}", found.join("\n"), fleet.story())),
        Err(panicked) => {
            let why = panicked.downcast_ref::<String>().cloned();
            let why = why.or_else(|| panicked.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
            Err(format!("{why}\n{}", fleet.story()))
        }
    }
}

#[test]
fn whoever_is_killed_no_task_is_executed_twice_and_nothing_is_left() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let given = number("SQUAD_SEED");
    let first = given.unwrap_or_else(|| u64::try_from(now_ms()).unwrap());
    let runs = number("SQUAD_SOAK_RUNS").unwrap_or(if given.is_some() { 1 } else { RUNS });
    let jobs = number("SQUAD_SOAK_JOBS").map_or(JOBS, |n| usize::try_from(n).unwrap());
    let (next, failed, all) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::new(Sums::default()));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= runs || failed.lock().unwrap().len() >= 10 {
                        return;
                    }
                    let seed = first + n;
                    match play(seed) {
                        Ok(sums) => {
                            let all = &mut *all.lock().unwrap();
                            all.executions += sums.executions;
                            all.yields += sums.yields;
                            all.runners += sums.runners;
                            for (into, from) in [(&mut all.fates, sums.fates), (&mut all.states, sums.states)] {
                                from.into_iter().for_each(|(key, n)| *into.entry(key).or_default() += n);
                            }
                        }
                        Err(why) => {
                            eprintln!("SQUAD_SEED={seed} makes the same choices again. {why}");
                            failed.lock().unwrap().push(seed);
                        }
                    }
                    if n % 50 == 49 {
                        eprintln!("{} runs after {} s", n + 1, begun.elapsed().as_secs());
                    }
                }
            });
        }
    });
    let Sums { executions, yields, runners, fates, states } = all.into_inner().unwrap();
    let done = next.into_inner().min(runs);
    eprintln!(
        "soak: {done} runs from seed {first} in {} s: {executions} executions ({yields} yielded) by {runners} runners, {fates:?}, tasks {states:?}",
        begun.elapsed().as_secs()
    );
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} runs of {done} failed, see above: SQUAD_SEED={failed:?}", failed.len());
}
