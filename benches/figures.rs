//! Measures squad against floors of the same machine, in the same run, and prints a Markdown table of ratios.
//!
//! A shared machine is noisy and no two are alike, so a time alone says nothing: each row names the least that any
//! program would have to do for the same answer, measures both in turns, and compares their medians.
//! `--sizes 1000,10000` sets the sizes, `--rounds N` how often each is measured, `--into FILE` puts the tables into a
//! document between its two marks, `--only start`, `boards`, `history` or `races` leaves the others out; `SQUAD_BIN`
//! names another binary.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a program of its own, for the terminal: it starts processes, reads the clock, and stops when one fails"
)]

mod board;
mod race;

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::MetadataExt as _;
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
    into: Option<PathBuf>,
    only: Option<String>,
}

impl Plan {
    fn from_args() -> Option<Self> {
        let squad = std::env::var_os("SQUAD_BIN").map_or_else(|| env!("CARGO_BIN_EXE_squad").into(), PathBuf::from);
        let mut plan = Self { sizes: vec![1_000, 5_000, 10_000], rounds: 7, squad, into: None, only: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // Cargo says this to every bench.
                "--bench" => {}
                "--sizes" => plan.sizes = args.next()?.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?,
                "--rounds" => plan.rounds = args.next()?.parse().ok().filter(|n| *n > 0)?,
                "--into" => plan.into = Some(args.next()?.into()),
                "--only" => plan.only = args.next(),
                _ => return None,
            }
        }
        Some(plan)
    }

    fn has(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}

/// The tables, as Markdown.
#[derive(Default)]
struct Report {
    timed: String,
    counted: String,
}

impl Report {
    /// Adds a time beside that of its floor; without a target the row only informs.
    fn time(&mut self, what: &str, floor: &str, (least, squad): (Duration, Duration), target: Option<f64>) {
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        let ratio = squad.as_secs_f64() / least.as_secs_f64();
        let (target, verdict) = match target {
            Some(target) if ratio <= target => (format!("≤ {target}"), "met"),
            Some(target) => (format!("≤ {target}"), "**missed**"),
            None => ("–".to_owned(), ""),
        };
        let (least, squad) = (ms(least), ms(squad));
        writeln!(self.timed, "| {what} | {floor} | {least:.1} | {squad:.1} | {ratio:.2} | {target} | {verdict} |")
            .unwrap();
        eprintln!("{what}: {squad:.1} ms, {ratio:.2} of {least:.1} ms ({floor})");
    }

    /// Adds what is no time; `at_most` says whether the target is a ceiling, else it is the least that will do.
    fn count(&mut self, what: &str, value: f64, unit: &str, target: Option<(bool, f64)>) {
        let (target, verdict) = match target {
            Some((at_most, target)) => {
                let met = if at_most { value <= target } else { value >= target };
                let sign = if at_most { '≤' } else { '≥' };
                (format!("{sign} {target} {unit}"), if met { "met" } else { "**missed**" })
            }
            None => ("–".to_owned(), ""),
        };
        let value = if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
        writeln!(self.counted, "| {what} | {value} {unit} | {target} | {verdict} |").unwrap();
        eprintln!("{what}: {value} {unit}");
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

/// git's own settings for what squad makes durable.
const DURABLE: [&str; 4] = ["-c", "core.fsync=committed", "-c", "core.fsyncMethod=fsync"];

/// How many claims the store grows by before its growth is taken.
const GROWTH_CLAIMS: usize = 50;

/// A board of one size: its remote, a clone for squad, and a clone that only git touches.
struct Bed {
    root: TempDir,
    shape: Shape,
    squad: PathBuf,
    /// The transport of a line on which each call takes longer, where there is one.
    line: Option<PathBuf>,
}

impl Bed {
    fn new(plan: &Plan, tasks: usize) -> Self {
        let root = TempDir::new().unwrap();
        let bed = Self { root, shape: Shape { tasks, seed: 1 }, squad: plan.squad.clone(), line: None };
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
        // A home without settings, instead of the variables that tell git to read none: squad then asks git itself.
        command.env("HOME", self.root.path());
        if let Some(line) = &self.line {
            command.env("GIT_SSH_COMMAND", line).env("GIT_SSH_VARIANT", "simple").env("CALLS", race::calls_of(dir));
        }
        command
    }

    /// Runs squad in one of the clones and returns its words; a failure or silence stops the measurement, since both
    /// are fast.
    fn squad(&self, name: &str, args: &[&str]) -> String {
        let mut command = self.clean(&self.squad, &self.at(name));
        let output = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "squad {}: {}\n{said}", args.join(" "), output.status);
        assert!(!output.stdout.is_empty(), "squad {} says nothing", args.join(" "));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Claims a task and returns how many pushes that took.
    fn claim(&self, name: &str, agent: &str, task: &str) -> u64 {
        let answer = self.squad(name, &["claim", task, "--agent", agent, "--plan", "measure", "--json"]);
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["pushes"].as_u64().unwrap()
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
        let git = |args: &[&str]| run(self.git(&plain).args(DURABLE).args(args)).unwrap();
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

    /// Writes `count` new files, commits them in one commit and pushes that. Returns how long it took.
    fn write_many(&self, round: usize, count: usize) -> Duration {
        let plain = self.at("plain");
        let git = |args: &[&str]| run(self.git(&plain).args(DURABLE).args(args)).unwrap();
        git(&["fetch", "--quiet", "origin"]);
        git(&["reset", "--quiet", "--hard", "origin/main"]);
        std::fs::create_dir_all(plain.join("many")).unwrap();
        let start = Instant::now();
        for n in 0..count {
            let text = board::text(&board::task(Shape { seed: 2, ..self.shape }, round * count + n));
            std::fs::write(plain.join(format!("many/{round}-{n}.json")), text).unwrap();
        }
        git(&["add", "many"]);
        git(&["commit", "--quiet", "-m", "floor"]);
        git(&["push", "--quiet", "origin", "main"]);
        start.elapsed()
    }

    /// Returns how many commits the remote has.
    fn commits(&self) -> usize {
        let output = self.git(&self.remote()).args(["rev-list", "--count", "main"]).stdout(Stdio::piped()).output();
        String::from_utf8_lossy(&output.unwrap().stdout).trim().parse().unwrap()
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

/// Returns the bytes that the files below a folder take on the disk.
fn bytes_in(folder: &Path) -> u64 {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.map(|file| file.metadata().unwrap().blocks() * 512).sum()
}

fn measure_start(plan: &Plan, report: &mut Report) {
    let root = TempDir::new().unwrap();
    let empty = empty_program(root.path());
    let times = both(
        plan.rounds * 9,
        |_| run(&mut Command::new(&empty)).unwrap(),
        |_| run(Command::new(&plan.squad).arg("--version")).unwrap(),
    );
    report.time("`squad --version`", "an empty program", times, Some(2.5));
}

/// How much of reading every file a scan of an unchanged board may take.
fn unchanged_target(tasks: usize) -> f64 {
    match tasks {
        ..=1_000 => 0.6,
        1_001..=10_000 => 0.2,
        _ => 0.15,
    }
}

fn measure_reading(plan: &Plan, bed: &Bed, report: &mut Report) {
    let tasks = bed.shape.tasks;
    let n = thousands(tasks);
    let files = "read and parse every file";
    let scan = ["scan", "--agent", "scout", "--offline"];

    bed.squad("clone", &["scan", "--agent", "scout", "--fresh"]);
    let index = bed.at("clone/.git/squad/index");
    let first = (0..plan.rounds).map(|_| {
        std::fs::remove_file(&index).unwrap();
        both(1, |_| bed.parse_from_objects(), |_| drop(bed.squad("clone", &scan)))
    });
    report.time(&format!("first `scan`, {n}"), "read every object and parse", medians(first.collect()), Some(1.5));
    let parse = |_| bed.read_and_parse();
    let unchanged = both(plan.rounds, parse, |_| drop(bed.squad("clone", &scan)));
    report.time(&format!("`scan`, nothing changed, {n}"), files, unchanged, Some(unchanged_target(tasks)));

    let listed = both(plan.rounds, parse, |_| drop(bed.squad("clone", &["list", "--status", "ready", "--offline"])));
    report.time(&format!("`list --status ready`, {n}"), files, listed, None);
    let checked = both(plan.rounds, parse, |_| drop(bed.squad("clone", &["check", "--offline"])));
    report.time(&format!("`check` of the whole board, {n}"), files, checked, Some(3.0));

    let few = tasks.min(20);
    let changed = (0..plan.rounds).map(|round| {
        board::touch(&bed.remote(), bed.shape, few, round).unwrap();
        bed.squad("clone", &["sync"]);
        both(1, parse, |_| drop(bed.squad("clone", &scan)))
    });
    report.time(&format!("`scan` after {few} tasks changed, {n}"), files, medians(changed.collect()), Some(0.3));

    let mut command = bed.clean(&plan.squad, &bed.at("clone"));
    if let Some(mib) = peak_mib({
        command.args(scan);
        command
    }) {
        let limit = if tasks <= 10_000 { 40.0 } else { 250.0 };
        report.count(&format!("peak memory of `scan`, {n}"), mib, "MiB", Some((true, limit)));
    }
    let ten = bed.squad("clone", &["scan", "--agent", "scout", "--offline", "--limit", "10"]);
    // The line that says how many more there are is none of the ten.
    let rows: usize = ten.lines().take(10).map(|line| line.len() + 1).sum();
    if tasks == plan.sizes[0] {
        report.count("output of `scan`, ten tasks", rows as f64, "bytes", Some((true, 1200.0)));
    }
}

fn measure_writing(plan: &Plan, bed: &Bed, report: &mut Report) {
    let tasks = bed.shape.tasks;
    let n = thousands(tasks);
    let floor = "fetch, commit, push, fsync";
    let mut free = bed.claimable().into_iter();

    let claims = free.by_ref().take(plan.rounds).enumerate().map(|(round, id)| {
        let floor = bed.fetch_commit_push(round);
        bed.squad("clone", &["sync"]);
        let start = Instant::now();
        bed.claim("clone", "scout", &id);
        (floor, start.elapsed())
    });
    let target = if tasks <= 1_000 { 1.4 } else { 2.0 };
    let claims = medians(claims.collect());
    report.time(&format!("`claim`, nobody else, {n}"), floor, claims, Some(target));

    // A clone whose worktree stands elsewhere: nothing has to follow.
    run(bed.git(&bed.clone_to("aside")).args(["checkout", "--quiet", "--detach"])).unwrap();
    bed.squad("aside", &["sync"]);
    let store = bed.at("aside/.git/squad/board.git/objects");
    let before = bytes_in(&store);
    let aside = free.by_ref().take(plan.rounds).enumerate().map(|(round, id)| {
        let floor = bed.fetch_commit_push(plan.rounds + round);
        bed.squad("aside", &["sync"]);
        let start = Instant::now();
        bed.claim("aside", "scout", &id);
        (floor, start.elapsed())
    });
    let aside = medians(aside.collect());
    report.time(&format!("same, the branch is not checked out, {n}"), floor, aside, None);
    // A pack begins with a whole folder and a whole file of locks, which the next hundred publishes share: a few rounds
    // would show nothing else.
    let more: Vec<String> = free.by_ref().take(GROWTH_CLAIMS).collect();
    for id in &more {
        bed.claim("aside", "scout", id);
    }
    // Each round fetched the floor's commit as well, which holds a task, three folders and no locks.
    let grown = (bytes_in(&store) - before) as f64 / 1024.0 / (2 * plan.rounds + more.len()) as f64;
    let target = (tasks == 10_000).then_some((true, 24.0));
    report.count(&format!("growth of the store per commit, {n}"), grown, "KiB", target);

    let new = |n| serde_json::json!({"title": format!("new {n}"), "files": [format!("new/{n}")]});
    let new: Vec<_> = (0..1000).map(new).collect();
    let file = bed.at("new.json");
    std::fs::write(&file, board::text(&serde_json::json!(new))).unwrap();
    let file = file.to_str().unwrap();
    let rounds = plan.rounds.min(3);
    let made = (0..rounds).map(|round| {
        let floor = bed.write_many(round, 1000);
        bed.squad("aside", &["sync"]);
        let start = Instant::now();
        bed.squad("aside", &["new", "--from", file, "--agent", "olga"]);
        (floor, start.elapsed())
    });
    let made = medians(made.collect());
    report.time(&format!("`new --from`, 1,000 tasks onto {n}"), "1,000 blobs, commit, push", made, Some(1.5));
}

/// A whole board of another kind at once.
fn measure_import(plan: &Plan, bed: &Bed, report: &mut Report) {
    const TASKS: usize = 10_000;
    let statuses = ["inbox", "in_progress", "done", "blocked", "review", "trash"];
    let imported = (0..plan.rounds.min(3)).map(|round| {
        let task = |n: usize| {
            serde_json::json!({
                "id": format!("theirs-{round}-{n}"), "title": format!("Task {n}"), "description": "A few words. ".repeat(20),
                "status": statuses[n % statuses.len()], "assignee_ids": ["scout"], "priority": "high",
                "created_at": "2026-02-03T10:00:00Z", "updated_at": "2026-02-04T10:00:00Z", "tags": ["a", "b"],
            })
        };
        let file = bed.at(&format!("theirs-{round}.json"));
        std::fs::write(&file, serde_json::json!((0..TASKS).map(task).collect::<Vec<_>>()).to_string()).unwrap();
        let floor = bed.write_many(1000 + round, TASKS);
        bed.squad("aside", &["sync"]);
        let mut command = bed.clean(&plan.squad, &bed.at("aside"));
        command.arg("import").arg(file).args(["--agent", "olga", "--json"]).stdout(std::process::Stdio::null());
        let start = Instant::now();
        let peak = peak_mib(command);
        ((floor, start.elapsed()), peak)
    });
    let (times, peaks): (Vec<_>, Vec<_>) = imported.unzip();
    report.time("`import`, 10,000 tasks", "10,000 blobs, commit, push", medians(times), None);
    if let Some(peak) = peaks.into_iter().flatten().reduce(f64::max) {
        report.count("peak memory of `import`, 10,000 tasks", peak, "MiB", Some((true, 200.0)));
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

/// Returns how busy the machine was in the last five minutes: ratios hold on a busy one, rates suffer. Linux only.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').nth(1).unwrap_or("unknown").to_owned()
}

const BEGIN: &str = "<!-- figures: begin -->\n";
const END: &str = "<!-- figures: end -->\n";

/// How many commits the history has whose audit is measured.
const HISTORY: usize = 10_000;

/// The history of a board at work.
fn measure_history(plan: &Plan, report: &mut Report) {
    let bed = Bed::new(plan, 1_000);
    board::history::write(&bed.remote(), bed.shape, HISTORY - bed.commits()).unwrap();
    bed.clone_to("history");
    let commits = bed.commits();
    let floor = |_| run(bed.git(&bed.remote()).args(["log", "--raw", "--no-abbrev", "main"])).unwrap();
    // The first one fetches as well.
    bed.squad("history", &["audit"]);
    let audited = both(plan.rounds, floor, |_| drop(bed.squad("history", &["audit"])));
    report.time(&format!("`audit`, {commits} commits, 1,000"), "git log --raw", audited, Some(2.0));
}

/// The gate before a commit.
fn measure_gates(plan: &Plan, bed: &Bed, report: &mut Report) {
    let tasks = bed.shape.tasks;
    let n = thousands(tasks);
    let clone = bed.clone_to("gates");
    bed.squad("gates", &["check"]);
    let files = std::fs::read_dir(clone.join("squad/tasks/json")).unwrap().flatten();
    let file = files.map(|entry| entry.path()).min().unwrap();
    let mut task: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    task["title"] = "another title".into();
    std::fs::write(&file, board::text(&task)).unwrap();
    run(bed.git(&clone).args(["add", "squad"])).unwrap();
    let floor = |_| run(bed.git(&clone).args(["diff", "--cached", "--name-only"])).unwrap();
    let judged = both(plan.rounds, floor, |_| drop(bed.squad("gates", &["hook", "pre-commit", "--json"])));
    report.time(
        &format!("`hook pre-commit`, one task staged, {n}"),
        "git diff --cached --name-only",
        judged,
        Some(6.0),
    );
}

fn main() {
    let Some(plan) = Plan::from_args() else {
        eprintln!("usage: figures [--sizes N,N…] [--rounds N] [--into FILE] [--only PART]");
        return;
    };
    let mut report = Report::default();
    if plan.has("start") {
        measure_start(&plan, &mut report);
    }
    for &tasks in plan.sizes.iter().filter(|_| plan.has("boards")) {
        let bed = Bed::new(&plan, tasks);
        measure_reading(&plan, &bed, &mut report);
        measure_writing(&plan, &bed, &mut report);
        measure_gates(&plan, &bed, &mut report);
        // Last, since the board is another one after it.
        if tasks == plan.sizes[0] {
            measure_import(&plan, &bed, &mut report);
        }
    }
    if plan.has("history") {
        measure_history(&plan, &mut report);
    }
    if plan.has("races") {
        race::measure(&plan, &mut report);
    }
    let text = format!(
        "Measured on {} with {} cores, {} {}, {}, squad {}; load average at the end {}. Each time is the median of {} runs, and so is that of its \
         floor; the two were measured in turns.\n\n\
         | what | floor | floor, ms | squad, ms | ratio | target | |\n|---|---|---:|---:|---:|---:|---|\n{}\n\
         | what | measured | target | |\n|---|---:|---:|---|\n{}",
        chrono::Utc::now().format("%Y-%m-%d"),
        std::thread::available_parallelism().map_or(0, usize::from),
        std::env::consts::OS,
        std::env::consts::ARCH,
        said("git", "--version"),
        env!("CARGO_PKG_VERSION"),
        load_average(),
        plan.rounds,
        report.timed,
        report.counted,
    );
    let Some(into) = &plan.into else {
        println!("{text}");
        return;
    };
    let old = std::fs::read_to_string(into).unwrap();
    let (before, rest) = old.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    std::fs::write(into, format!("{before}{BEGIN}{text}{END}{after}")).unwrap();
}
