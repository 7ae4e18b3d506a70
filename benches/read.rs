//! Measures squad against floors of the same machine, in the same run, and prints a Markdown table of ratios.
//!
//! A shared machine is noisy and no two are alike, so a time alone says nothing: each row names the least that any
//! program would have to do for the same answer, measures both in turns, and compares their medians.
//! `--sizes 1000,10000` sets the sizes, `--rounds N` how often each is measured; `SQUAD_BIN` names another binary.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a program of its own, for the terminal: it starts processes, reads the clock, and stops when one fails"
)]

mod board;

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use board::{Shape, run};
use squad::model::task::Task;
use tempfile::TempDir;

/// What is measured with how much patience.
struct Plan {
    sizes: Vec<usize>,
    rounds: usize,
    squad: PathBuf,
}

impl Plan {
    fn from_args() -> Option<Self> {
        let squad = std::env::var_os("SQUAD_BIN").map_or_else(|| env!("CARGO_BIN_EXE_squad").into(), PathBuf::from);
        let mut plan = Self { sizes: vec![1_000, 10_000], rounds: 11, squad };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo says this to every bench.
                "--bench" => {}
                "--sizes" => plan.sizes = args.next()?.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?,
                "--rounds" => plan.rounds = args.next()?.parse().ok().filter(|n| *n > 0)?,
                _ => return None,
            }
        }
        Some(plan)
    }
}

/// One line of the table.
struct Row {
    what: String,
    floor: (&'static str, Duration),
    squad: Duration,
    target: f64,
}

impl Row {
    fn print(&self) {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let ratio = self.squad.as_secs_f64() / self.floor.1.as_secs_f64();
        let verdict = if ratio <= self.target { "met" } else { "**missed**" };
        let (what, (name, floor), squad, target) = (&self.what, self.floor, self.squad, self.target);
        println!("| {what} | {name} | {:.1} | {:.1} | {ratio:.2} | ≤ {target} | {verdict} |", ms(floor), ms(squad));
    }
}

/// Returns the medians of two things that are done in turns, so that noise meets both.
fn both(rounds: usize, mut floor: impl FnMut(usize), mut squad: impl FnMut(usize)) -> (Duration, Duration) {
    let time = |f: &mut dyn FnMut(usize), round: usize| {
        let start = Instant::now();
        f(round);
        start.elapsed()
    };
    medians((0..rounds).map(|round| (time(&mut floor, round), time(&mut squad, round))).collect())
}

/// A board of one size: its remote, a clone for squad, and a clone that only git touches.
struct Bed {
    root: TempDir,
    shape: Shape,
    squad: PathBuf,
}

impl Bed {
    fn new(plan: &Plan, tasks: usize) -> Self {
        let root = TempDir::new().unwrap();
        let bed = Self { root, shape: Shape { tasks, seed: 1 }, squad: plan.squad.clone() };
        board::write(&bed.remote(), bed.shape).unwrap();
        for setting in ["core.fsync=committed", "core.fsyncMethod=fsync", "gc.auto=0"] {
            let (key, value) = setting.split_once('=').unwrap();
            run(bed.git(&bed.remote()).args(["config", key, value])).unwrap();
        }
        for name in ["clone", "plain"] {
            bed.clone_to(name);
        }
        bed
    }

    fn remote(&self) -> PathBuf {
        self.root.path().join("remote.git")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn clone_to(&self, name: &str) -> PathBuf {
        let dir = self.at(name);
        run(self.git(self.root.path()).args(["clone", "--quiet", "remote.git", name])).unwrap();
        for setting in [("user.name", "olga"), ("user.email", "olga@example.test"), ("gc.auto", "0")] {
            run(self.git(&dir).args(["config", setting.0, setting.1])).unwrap();
        }
        dir
    }

    fn git(&self, dir: &Path) -> Command {
        self.clean("git".as_ref(), dir)
    }

    fn clean(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.root.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    /// Runs squad in one of the clones; a failure or silence stops the measurement, since both are fast.
    fn squad(&self, name: &str, args: &[&str]) {
        let mut command = self.clean(&self.squad, &self.at(name));
        let output = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "squad {}: {}\n{said}", args.join(" "), output.status);
        assert!(!output.stdout.is_empty(), "squad {} says nothing", args.join(" "));
    }

    /// Reads and parses every task file of the plain clone on one thread, into the fields that squad knows.
    fn read_and_parse(&self) {
        for entry in std::fs::read_dir(self.at("plain/squad/tasks/json")).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            black_box(serde_json::from_slice::<Task>(&bytes).unwrap());
        }
    }

    /// Reads and parses every task of the remote's object database on one thread, without checking hashes.
    fn parse_from_objects(&self) {
        git2::opts::strict_hash_verification(false);
        let repo = git2::Repository::open_bare(self.remote()).unwrap();
        let head = repo.revparse_single("main:squad/tasks/json").unwrap();
        for entry in head.as_tree().unwrap() {
            let blob = repo.find_blob(entry.id()).unwrap();
            black_box(serde_json::from_slice::<Task>(blob.content()).unwrap());
        }
    }

    /// Fetches nothing new, commits one change, pushes it and makes the remote's ref durable. Returns how long that
    /// took, without what makes the change.
    fn fetch_commit_push(&self, round: usize) -> Duration {
        let plain = self.at("plain");
        let git = |args: &[&str]| {
            let durable = ["-c", "core.fsync=committed", "-c", "core.fsyncMethod=fsync"];
            run(self.git(&plain).args(durable).args(args)).unwrap();
        };
        git(&["fetch", "--quiet", "origin"]);
        git(&["reset", "--quiet", "--hard", "origin/main"]);
        let path = plain.join(format!("squad/tasks/json/{}.json", board::id(self.shape.tasks - 1)));
        let mut task = board::task(self.shape, self.shape.tasks - 1);
        task["title"] = serde_json::json!(format!("floor {round}"));
        std::fs::write(path, board::text(&task)).unwrap();
        let start = Instant::now();
        git(&["fetch", "--quiet", "origin"]);
        git(&["commit", "--quiet", "--all", "-m", "floor"]);
        git(&["push", "--quiet", "origin", "main"]);
        File::open(self.remote().join("refs/heads")).unwrap().sync_all().unwrap();
        start.elapsed()
    }

    /// Returns the ids of tasks that scout may claim.
    fn claimable(&self) -> Vec<String> {
        let free = |task: &serde_json::Value| task["status"] == "backlog" && task.get("assigned").is_none();
        (0..self.shape.tasks)
            .map(|n| board::task(self.shape, n))
            .filter(free)
            .map(|task| task["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Compiles a program that does nothing.
fn empty_program(dir: &Path) -> PathBuf {
    let (source, program) = (dir.join("empty.rs"), dir.join("empty"));
    std::fs::write(&source, "fn main() {}\n").unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    run(Command::new(rustc).args(["-O", "-o"]).arg(&program).arg(source)).unwrap();
    program
}

/// Returns the most memory that a command had at once, in MiB, as the system counted it. Linux only.
fn peak_mib(mut command: Command) -> Option<f64> {
    let mut child = command.spawn().ok()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = None;
    while child.try_wait().ok()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = kib.map(|kib| kib / 1024.0).or(peak);
    }
    peak
}

fn thousands(n: usize) -> String {
    if n >= 1000 { format!("{},{:03}", n / 1000, n % 1000) } else { n.to_string() }
}

fn measure_start(plan: &Plan) {
    let root = TempDir::new().unwrap();
    let empty = empty_program(root.path());
    let (floor, squad) = both(
        plan.rounds * 9,
        |_| run(&mut Command::new(&empty)).unwrap(),
        |_| run(Command::new(&plan.squad).arg("--version")).unwrap(),
    );
    Row { what: "`squad --version`".to_owned(), floor: ("an empty program", floor), squad, target: 2.5 }.print();
}

fn measure_size(plan: &Plan, tasks: usize) {
    let bed = Bed::new(plan, tasks);
    let n = thousands(tasks);
    let files = "read and parse every file";
    let row = |what: String, name, (floor, squad), target| Row { what, floor: (name, floor), squad, target }.print();
    let parse = |_| bed.read_and_parse();

    bed.squad("clone", &["scan", "--agent", "scout", "--fresh"]);
    let unchanged = both(plan.rounds, parse, |_| bed.squad("clone", &["scan", "--agent", "scout", "--offline"]));
    let target = if tasks <= 1_000 {
        0.6
    } else if tasks <= 10_000 {
        0.2
    } else {
        0.15
    };
    row(format!("`scan`, nothing changed, {n}"), files, unchanged, target);

    let listed = both(plan.rounds, parse, |_| bed.squad("clone", &["list", "--status", "ready", "--offline"]));
    row(format!("`list --status ready`, {n}"), files, listed, target);

    let checked = both(plan.rounds, parse, |_| bed.squad("clone", &["check", "--offline"]));
    row(format!("`check` of the whole board, {n}"), files, checked, 3.0);

    for round in 0..plan.rounds {
        bed.clone_to(&format!("first-{round}"));
    }
    let first = both(
        plan.rounds,
        |_| bed.parse_from_objects(),
        |round| {
            bed.squad(&format!("first-{round}"), &["scan", "--agent", "scout", "--offline"]);
        },
    );
    row(format!("first `scan` of a clone, {n}"), "read every blob and parse", first, 1.5);

    let few = tasks.min(20);
    let before = |round| {
        board::touch(&bed.remote(), bed.shape, few, round).unwrap();
        bed.squad("clone", &["sync"]);
    };
    let mut changed: Vec<(Duration, Duration)> = Vec::new();
    for round in 0..plan.rounds {
        before(round);
        changed.push(both(1, parse, |_| bed.squad("clone", &["scan", "--agent", "scout", "--offline"])));
    }
    row(format!("`scan` after {few} tasks changed, {n}"), files, medians(changed), 0.3);

    let staged = bed.at("clone");
    let path = format!("squad/tasks/json/{}.json", board::id(0));
    let mut task = board::task(bed.shape, 0);
    task["description"] = serde_json::json!("staged");
    std::fs::write(staged.join(&path), board::text(&task)).unwrap();
    run(bed.git(&staged).args(["add", &path])).unwrap();
    let git_diff = |_| run(bed.git(&staged).args(["diff", "--cached", "--name-only"])).unwrap();
    // The hook may well refuse this change; it is its time that counts.
    let hook = |_| {
        bed.clean(&plan.squad, &staged).args(["hook", "pre-commit"]).status().unwrap();
    };
    row(
        format!("`hook pre-commit`, one staged task, {n}"),
        "`git diff --cached --name-only`",
        both(plan.rounds, git_diff, hook),
        6.0,
    );
    run(bed.git(&staged).args(["reset", "--quiet", "--hard"])).unwrap();

    let claims = bed.claimable().into_iter().take(plan.rounds).enumerate().map(|(round, id)| {
        let floor = bed.fetch_commit_push(round);
        bed.squad("clone", &["sync"]);
        let start = Instant::now();
        bed.squad("clone", &["claim", &id, "--agent", "scout"]);
        (floor, start.elapsed())
    });
    let target = if tasks <= 1_000 { 1.4 } else { 2.0 };
    row(format!("`claim`, nobody else, {n}"), "fetch, commit, push, fsync", medians(claims.collect()), target);

    let mut scan = bed.clean(&plan.squad, &bed.at("clone"));
    scan.args(["scan", "--agent", "scout", "--offline"]);
    if let Some(mib) = peak_mib(scan) {
        let limit = if tasks <= 10_000 { 40.0 } else { 250.0 };
        let verdict = if mib <= limit { "met" } else { "**missed**" };
        println!("| peak memory of `scan`, {n} | | | {mib:.0} MiB | | ≤ {limit:.0} MiB | {verdict} |");
    }
}

/// Returns the medians of pairs, each side by itself.
fn medians(pairs: Vec<(Duration, Duration)>) -> (Duration, Duration) {
    let middle = pairs.len() / 2;
    let (mut left, mut right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    left.sort();
    right.sort();
    (left[middle], right[middle])
}

fn said(program: &str, arg: &str) -> String {
    let output = Command::new(program).arg(arg).output();
    output.map_or_else(|_| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

fn main() {
    let Some(plan) = Plan::from_args() else {
        eprintln!("usage: read [--sizes N,N…] [--rounds N]");
        return;
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("# Performance\n");
    println!(
        "Measured on {} with {cores} cores, {} {}, {}, squad {}. Written by `just bench`.\n",
        chrono::Utc::now().format("%Y-%m-%d"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        said("git", "--version"),
        env!("CARGO_PKG_VERSION"),
    );
    println!("Each row compares the median of {} runs with that of its floor, both measured in turns.\n", plan.rounds);
    println!("| what | floor | floor, ms | squad, ms | ratio | target | |");
    println!("|---|---|---:|---:|---:|---:|---|");
    measure_start(&plan);
    for &tasks in &plan.sizes {
        measure_size(&plan, tasks);
    }
}
