//! Races for claims, beside what git does in a loop: many clones of one remote, and many processes in one clone.
//!
//! Owns the line that they have to the remote: none to speak of, or one on which each call takes longer.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{Bed, DURABLE, Plan, Report, board, medians, run};

/// Most calls of the network that a claim of its own may take.
const CALLS: f64 = 8.0;

/// Measures all races.
pub fn measure(plan: &Plan, report: &mut Report) {
    one_clone(plan, report, 16, 10, Duration::ZERO);
    one_clone(plan, report, 16, 10, Duration::from_millis(100));
    clones(plan, report, 8, 25, Duration::ZERO);
    clones(plan, report, 32, 3, Duration::ZERO);
    clones(plan, report, 8, 25, Duration::from_millis(300));
}

/// What one claim took.
struct Claim {
    time: Duration,
    pushes: u64,
    calls: usize,
}

/// Claims by `clones` clones at once, `each` different tasks by each, and the same by git alone.
fn clones(plan: &Plan, report: &mut Report, clones: usize, each: usize, delay: Duration) {
    let mut bed = Bed::new(plan, 1_000);
    let free = bed.claimable();
    assert!(free.len() >= clones * (1 + each), "the board has too few free tasks");
    let (first, free) = free.split_at(clones);
    for (n, task) in first.iter().enumerate() {
        let racer = format!("racer-{n}");
        bed.clone_to(&racer);
        // A clone at work: before the remote has accepted anything of it, a clone announces only what was beaten.
        bed.claim(&racer, board::EXECUTORS[n % 8], task);
        bed.clone_to(&format!("git-{n}"));
    }
    let names = (0..clones).flat_map(|n| [format!("racer-{n}"), format!("git-{n}")]);
    bed.lengthen(delay, names);
    let what = format!("{clones} clones × {each} claims{}", slowly(delay));

    let base = bed.commits();
    let begun = Instant::now();
    let mine = at_once(clones, |n| {
        let name = format!("racer-{n}");
        let ids = free[n * each..][..each].iter();
        ids.map(|id| bed.watched(&name, || bed.claim(&name, board::EXECUTORS[n % 8], id))).collect()
    });
    let squad = (clones * each) as f64 / begun.elapsed().as_secs_f64();
    assert_eq!(bed.commits() - base, clones * each, "a claim was lost");

    let begun = Instant::now();
    let theirs = at_once(clones, |n| {
        let name = format!("git-{n}");
        (0..each).map(|i| bed.watched(&name, || bed.commit_until_pushed(&name, n * each + i))).collect()
    });
    let git = (clones * each) as f64 / begun.elapsed().as_secs_f64();

    for (who, outcome, rate) in [("squad", &mine, squad), ("git in a loop", &theirs, git)] {
        let pushes = outcome.iter().map(|claim| claim.pushes);
        let ours = who == "squad";
        let mean = pushes.clone().sum::<u64>() as f64 / outcome.len() as f64;
        let most = pushes.max().unwrap_or_default() as f64;
        let mut times: Vec<Duration> = outcome.iter().map(|claim| claim.time).collect();
        times.sort();
        let (median, slowest) = (times[times.len() / 2].as_secs_f64(), times[times.len() - 1].as_secs_f64());
        report.count(&format!("{what}, {who}: claims per second"), rate, "/ s", None);
        report.count(&format!("{what}, {who}: pushes per claim, mean"), mean, "", ours.then_some((true, 2.5)));
        report.count(&format!("{what}, {who}: pushes per claim, most"), most, "", ours.then_some((true, 3.0)));
        report.count(&format!("{what}, {who}: slowest ÷ median"), slowest / median, "×", ours.then_some((true, 6.0)));
        if !delay.is_zero() {
            let calls = outcome.iter().map(|claim| claim.calls).max().unwrap_or_default() as f64;
            report.count(&format!("{what}, {who}: calls per claim, most"), calls, "", ours.then_some((true, CALLS)));
        }
    }
    let target = delay.is_zero().then_some((false, 6.0));
    report.count(&format!("{what}: squad ÷ git in a loop"), squad / git, "×", target);
}

/// Claims by many processes at once in one clone: beside one commit and push after the other, or, on a slow line,
/// beside as many that each push for themselves until it is accepted.
fn one_clone(plan: &Plan, report: &mut Report, processes: usize, each: usize, delay: Duration) {
    let mut bed = Bed::new(plan, 1_000);
    let free = bed.claimable();
    bed.squad("clone", &["sync"]);
    let what = format!("{processes} processes × {each} claims in one clone{}", slowly(delay));
    let all = (processes * each) as f64;
    let (floor, beside, target) = if delay.is_zero() {
        let floor = (0..plan.rounds).map(|round| (bed.fetch_commit_push(round), Duration::ZERO)).collect();
        (1.0 / medians(floor).0.as_secs_f64(), "one commit and push in turn", 4.0)
    } else {
        for n in 0..processes {
            bed.clone_to(&format!("git-{n}"));
        }
        let names = (0..processes).map(|n| format!("git-{n}")).chain(["clone".to_owned()]);
        bed.lengthen(delay, names);
        let begun = Instant::now();
        at_once(processes, |n| (0..each).map(|i| bed.commit_until_pushed(&format!("git-{n}"), n * each + i)).collect());
        (all / begun.elapsed().as_secs_f64(), "as many that push until it is accepted", 8.0)
    };
    let base = bed.commits();
    let begun = Instant::now();
    at_once(processes, |n| {
        free[n * each..][..each].iter().map(|id| bed.claim("clone", board::EXECUTORS[n % 8], id)).collect()
    });
    let squad = all / begun.elapsed().as_secs_f64();
    assert_eq!(bed.commits() - base, processes * each, "a claim was lost");
    report.count(&format!("{what}: claims per second"), squad, "/ s", None);
    report.count(&format!("{what}: against {beside}"), squad / floor, "×", Some((false, target)));
}

impl Bed {
    /// Lets these clones reach the remote by a transport that waits at each call, counts it, and then is as the other.
    fn lengthen(&mut self, delay: Duration, clones: impl Iterator<Item = String>) {
        if delay.is_zero() {
            return;
        }
        let line = self.at("line");
        let script =
            format!("#!/bin/sh\necho >> \"$CALLS\"\nsleep {}\nshift\nexec sh -c \"$*\"\n", delay.as_secs_f64());
        fs::write(&line, script).unwrap();
        fs::set_permissions(&line, fs::Permissions::from_mode(0o755)).unwrap();
        let url = format!("far:{}", self.remote().display());
        for name in clones {
            run(self.git(&self.at(&name)).args(["remote", "set-url", "origin", &url])).unwrap();
        }
        self.line = Some(line);
    }

    /// Takes the time of a claim, and counts its calls where the line does.
    fn watched(&self, clone: &str, claim: impl FnOnce() -> u64) -> Claim {
        let before = self.calls(clone);
        let start = Instant::now();
        let pushes = claim();
        Claim { time: start.elapsed(), pushes, calls: self.calls(clone) - before }
    }

    fn calls(&self, clone: &str) -> usize {
        fs::read_to_string(calls_of(&self.at(clone))).map_or(0, |text| text.lines().count())
    }

    /// Commits one file and pushes it as people do in a loop: after each refusal fetch, rebase, and push again; on a
    /// slow line not all at the same moment. Returns how many pushes it took.
    fn commit_until_pushed(&self, name: &str, n: usize) -> u64 {
        let dir = self.at(name);
        let git = |args: &[&str]| run(self.git(&dir).args(DURABLE).args(args));
        let path = dir.join(format!("squad/tasks/json/{}.json", board::id(n)));
        let mut task = board::task(self.shape, n);
        task["title"] = serde_json::json!("claimed");
        fs::write(path, board::text(&task)).unwrap();
        git(&["commit", "--quiet", "--all", "-m", "claim"]).unwrap();
        for pushes in 1.. {
            if git(&["push", "--quiet", "origin", "main"]).is_ok() {
                return pushes;
            }
            if self.line.is_some() {
                thread::sleep(Duration::from_millis((n as u64 * 37 + pushes * 53) % 100));
            }
            git(&["fetch", "--quiet", "origin"]).unwrap();
            git(&["rebase", "--quiet", "origin/main"]).unwrap();
        }
        unreachable!("it ends with a push that is accepted")
    }
}

/// Returns the file that has one line for each call that a clone has made.
pub fn calls_of(clone: &Path) -> PathBuf {
    clone.with_extension("calls")
}

fn slowly(delay: Duration) -> String {
    if delay.is_zero() { String::new() } else { format!(", {} ms more a call", delay.as_millis()) }
}

/// Runs so many at once and returns what all of them gave.
fn at_once<T: Send>(n: usize, go: impl Fn(usize) -> Vec<T> + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let go = &go;
        let racers: Vec<_> = (0..n).map(|i| scope.spawn(move || go(i))).collect();
        racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect()
    })
}
