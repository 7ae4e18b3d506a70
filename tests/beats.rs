//! Signs of life over long stretches of time: real clones, a real remote and the code of the verbs, on clocks that the
//! test winds.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and runs git as a user does"
)]

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use squad::clock::Clock;
use squad::model::config::Timing;
use squad::model::id::{AgentName, Millis};
use squad::model::presence::Doing;
use squad::ops::presence::{Beacon, Lookout};
use squad::ops::session::{Freshness, Options, Session};
use squad::ops::wait::{Asked, Ended, wait};

/// A temporary folder with a bare remote that holds a board, and clones of it.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new(agents: &[String]) -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        place.git(place.root.path(), "init --quiet --bare --template= -b main remote.git");
        let clone = place.clone_to("first");
        fs::write(clone.join("README.md"), "code\n").unwrap();
        place.git(&clone, "add README.md");
        place.git(&clone, "commit --quiet -m first");
        place.git(&clone, "push --quiet origin HEAD:main");
        place.run(&clone, env!("CARGO_BIN_EXE_squad"), &["init", "-q"]);
        for agent in agents {
            place.run(&clone, env!("CARGO_BIN_EXE_squad"), &["agents", "add", agent, "--role", "executor", "-q"]);
        }
        place
    }

    fn remote(&self) -> PathBuf {
        self.root.path().join("remote.git")
    }

    fn clone_to(&self, name: &str) -> PathBuf {
        self.git(self.root.path(), &format!("clone --quiet remote.git {name}"));
        let clone = self.root.path().join(name);
        self.git(&clone, "config user.name olga");
        self.git(&clone, "config user.email olga@example.test");
        clone
    }

    fn git(&self, dir: &Path, line: &str) -> String {
        self.run(dir, "git", &line.split(' ').collect::<Vec<_>>())
    }

    fn run(&self, dir: &Path, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.current_dir(dir).args(args).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", self.root.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn session(&self, dir: &Path, agent: &str, clock: &Rc<dyn Clock>) -> Session {
        let options =
            Options { dir: dir.to_owned(), agent: Some(AgentName::new(agent).unwrap()), ..Options::default() };
        Session::open(options, clock.clone()).unwrap()
    }
}

/// A clock that goes on by itself, a little at each look, and notes what it sees of an agent's beats meanwhile.
struct Watched {
    at: Cell<Duration>,
    signs: PathBuf,
    /// When each beat was first seen, by its number.
    beats: RefCell<Vec<(Duration, u64)>>,
}

impl Watched {
    /// More looks than one fit between two beats, however slow the machine is.
    const STEP: Duration = Duration::from_millis(400);
}

impl Clock for Watched {
    fn now(&self) -> Millis {
        Millis(1_800_000_000_000)
    }

    fn steady(&self) -> Duration {
        let at = self.at.get() + Self::STEP;
        self.at.set(at);
        let files = fs::read_dir(&self.signs).into_iter().flatten().flatten().map(|entry| entry.path());
        let json = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        for file in json {
            let Some(record) = fs::read(file).ok().and_then(|b| serde_json::from_slice::<Value>(&b).ok()) else {
                continue;
            };
            let sequence = record["beat"]["sequence"].as_u64().unwrap();
            let mut beats = self.beats.borrow_mut();
            if beats.last().is_none_or(|(_, last)| *last < sequence) {
                beats.push((at, sequence));
            }
        }
        at
    }
}

#[test]
fn who_waits_for_three_hundred_seconds_gives_ten_beats_after_the_first() {
    let place = Place::new(&["scout".to_owned()]);
    let dir = place.clone_to("scout");
    let signs = dir.join(".git/squad/presence/scout");
    let clock = Rc::new(Watched { at: Cell::new(Duration::from_secs(5000)), signs, beats: RefCell::default() });
    let begun = clock.at.get();
    let session = place.session(&dir, "scout", &(clock.clone() as Rc<dyn Clock>));
    let asked = Asked { timeout: Some(Duration::from_secs(315)), ..Asked::default() };
    let waited = wait(&session, &asked).unwrap();
    assert_eq!(waited.ended, Ended::TimedOut);
    let beats = clock.beats.borrow();
    let first = beats[0].0;
    assert!(first.saturating_sub(begun) < Duration::from_secs(15), "it is seen before it waits: {beats:?}");
    // What is given before the interval begins tells that it is there; after that there is one for each interval.
    let after: Vec<f64> = beats.iter().map(|(at, _)| (*at - first).as_secs_f64()).filter(|at| *at > 15.0).collect();
    let in_time = after.iter().filter(|at| **at < 315.0).count();
    assert_eq!(in_time, 10, "{after:?}");
    for (n, at) in after.iter().enumerate() {
        let due = 30.0 * (n + 1) as f64;
        assert!((at - due).abs() < 15.0, "the beats do not drift: {n} at {at}");
    }
}

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    loose: u64,
    packed: u64,
    kib: u64,
}

impl Held {
    fn by(place: &Place, dir: &Path) -> Self {
        let said = place.git(dir, "count-objects -v");
        let value = |key: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
            line.unwrap_or_else(|| panic!("{said}")).parse::<u64>().unwrap()
        };
        Self { loose: value("count"), packed: value("in-pack"), kib: value("size") + value("size-pack") }
    }

    fn objects(&self) -> u64 {
        self.loose + self.packed
    }
}

/// A clock that only the test moves.
struct Wound(Cell<Duration>);

impl Clock for Wound {
    fn now(&self) -> Millis {
        Millis(1_800_000_000_000 + i64::try_from(self.0.get().as_millis()).unwrap())
    }

    fn steady(&self) -> Duration {
        self.0.get()
    }
}

/// Lets time pass for what a store keeps a while longer: it goes by the age of files.
fn age(dir: &Path, by: Duration) {
    let notes = fs::read_dir(dir.join(".git/squad/board.git/replaced")).into_iter().flatten().flatten();
    for note in notes {
        let file = fs::File::options().write(true).open(note.path()).unwrap();
        let at = file.metadata().unwrap().modified().unwrap();
        file.set_modified(at - by).unwrap();
    }
}

/// Plays `beats` remote beats of each of 20 agents on four hosts, with somebody on another one who looks after each
/// round. Returns what remote, host and observer held after the first rounds, at the end, once the remote has collected
/// by itself, and once it has let go of what nothing names.
fn play(beats: u64) -> [(Held, Held, Held); 4] {
    let agents: Vec<String> = (0..20).map(|n| format!("agent-{n}")).collect();
    let place = Place::new(&agents);
    let hosts: Vec<PathBuf> = (0..4).map(|n| place.clone_to(&format!("host-{n}"))).collect();
    let observer = place.clone_to("observer");
    let wound = Rc::new(Wound(Cell::new(Duration::from_secs(1000))));
    let clock: Rc<dyn Clock> = wound.clone();
    let timing = Timing::default();
    let every = Duration::from_secs(timing.remote_beat_seconds);
    let sessions: Vec<Session> =
        agents.iter().enumerate().map(|(n, agent)| place.session(&hosts[n % 4], agent, &clock)).collect();
    let mut beacons: Vec<Beacon<'_>> = Vec::new();
    for (session, agent) in sessions.iter().zip(&agents) {
        session.view(Freshness::WithSigns).unwrap();
        let beacon = Beacon::new(session, &AgentName::new(agent).unwrap(), &timing).unwrap();
        beacons.push(beacon);
    }
    let held = || {
        let store = |dir: &Path| Held::by(&place, &dir.join(".git/squad/board.git"));
        (Held::by(&place, &place.remote()), store(&hosts[0]), store(&observer))
    };
    let board = place.git(&place.remote(), "rev-parse refs/heads/main");
    let settled = 4;
    let mut early = None;
    for round in 0..beats {
        for beacon in &mut beacons {
            beacon.give(Doing::Waiting, &[]).unwrap();
            let told = beacon.tell_remote().unwrap();
            assert!(told.is_some(), "the remote takes it, in round {round}");
        }
        let session = place.session(&observer, "agent-0", &clock);
        let view = session.view(Freshness::WithSigns).unwrap();
        let lookout = Lookout::of(&session, &view, true).unwrap();
        let config = view.config().unwrap();
        for member in config.agents.iter().filter(|member| agents.iter().any(|a| *a == member.name.as_str())) {
            let (state, _) = lookout.state_of(member, &view).unwrap();
            assert_eq!(state.as_str(), "waiting", "{} in round {round}", member.name);
        }
        wound.0.set(wound.0.get() + every);
        for dir in hosts.iter().chain([&observer]) {
            age(dir, every);
        }
        if round + 1 == settled {
            early = Some(held());
        }
    }
    let late = held();
    assert_eq!(place.git(&place.remote(), "rev-parse refs/heads/main"), board, "no beat is a commit of the board");
    let refs = place.git(&place.remote(), "for-each-ref --format=%(refname) refs/squad/presence");
    assert_eq!(refs.lines().count(), agents.len(), "one ref an agent, however often it beats");
    // As git does it by itself now and then, and as it does once two weeks are over.
    place.git(&place.remote(), "gc --quiet");
    let collected = held();
    place.git(&place.remote(), "gc --quiet --prune=now");
    [early.unwrap(), late, collected, held()]
}

fn assert_bounded(played: &[(Held, Held, Held); 4]) {
    let [early, late, collected, tidied] = played;
    // The hosts and the observer keep for ten minutes what was replaced, whatever the time.
    assert!(late.1.objects() <= early.1.objects() + 5, "a host grows: {early:?}, then {late:?}");
    assert!(late.2.objects() <= early.2.objects() + 20, "an observer grows: {early:?}, then {late:?}");
    assert!(collected.0.loose == 0 && collected.0.kib < late.0.kib, "{late:?}, then {collected:?}");
    // What the remote has been sent and nothing names goes with its own tidying: one value an agent is left.
    assert!(tidied.0.objects() < early.0.objects(), "the remote grows: {early:?}, then {tidied:?}");
}

#[test]
fn beats_of_twenty_agents_leave_every_repository_as_large_as_it_was() {
    assert_bounded(&play(8));
}

/// Prints what a day of it comes to. Run by hand: it makes 5,760 pushes.
#[test]
#[ignore = "takes minutes: `cargo test --test beats -- --ignored --nocapture`"]
fn a_whole_day_of_beats_of_twenty_agents_leaves_every_repository_as_large_as_it_was() {
    let begun = SystemTime::now();
    let played = play(288);
    for (when, (remote, host, observer)) in
        ["after 4 beats", "after 288", "remote collected", "remote pruned"].iter().zip(&played)
    {
        eprintln!("{when}: remote {remote:?}, host {host:?}, observer {observer:?}");
    }
    eprintln!("in {:?}", begun.elapsed().unwrap());
    assert_bounded(&played);
}
