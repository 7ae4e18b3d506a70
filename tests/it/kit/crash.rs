//! Runs that are killed at a chosen system call, by strace, and what is left of them.
//!
//! strace counts the calls of each process by itself: a blow at the third `rename` hits whoever first makes its third.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::room::Checkout;
use super::run::Ran;

/// The calls at which a run is killed, each with the others of its kind; `?` is for those that a machine lacks.
pub const CALLS: &[&str] = &[
    "?rename,?renameat,?renameat2",
    "fsync,fdatasync",
    "write,pwrite64,writev",
    "execve",
    "?unlink,unlinkat",
    "?open,openat",
    "?mkdir,mkdirat",
    "clone,?clone3,?fork,?vfork",
];

/// How often the log of strace is looked at.
const POLL: Duration = Duration::from_millis(1);

/// Longest that a run may take: one that hangs is a failure, not a long test.
const LONGEST: Duration = Duration::from_secs(120);

/// The variable that marks every process of a run, whatever it becomes and whoever starts it.
const MARK: &str = "SQUAD_TEST_RUN";

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Whoever is hit, and every process of the run at once: as when a sandbox is torn down.
    Tree,
    /// squad alone; the git that it has started lives on, and nobody waits for it.
    SquadAlone,
    /// Whoever is hit, squad or one of its gits; the others go on.
    WhoeverItHits,
}

/// One kill: at the `when`-th call of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blow {
    /// The kind of call, from [`CALLS`].
    pub call: &'static str,
    /// Which of them, from 1.
    pub when: usize,
    /// Who dies.
    pub whom: Whom,
}

/// A run that was to be killed.
pub struct Struck {
    /// Whether anybody was.
    pub hit: bool,
    /// What squad said; `None` where it was killed itself.
    pub ran: Option<Ran>,
}

impl Checkout {
    /// Runs squad with `--json`, and kills as the blow says.
    pub fn struck(&self, strace: &Path, line: &str, blow: &Blow) -> Struck {
        let Blow { call, when, whom } = blow;
        let inject = format!("inject={call}:signal=SIGKILL:when={when}");
        let (log, ran) = self.traced(strace, line, *whom, &["-e", &format!("trace={call}"), "-e", &inject]);
        let ran = ran.filter(|ran| ran.code >= 0);
        Struck { hit: log.contains("killed by SIGKILL"), ran }
    }

    /// Returns how many calls of a kind that process of a run makes which makes the most.
    pub fn calls(&self, strace: &Path, line: &str, call: &str, whom: Whom) -> usize {
        let (log, _) = self.traced(strace, line, whom, &["-e", &format!("trace={call}")]);
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for entered in log.lines().filter_map(|line| line.split_once('(')).map(|(before, _)| before) {
            // `123 openat` where processes are followed; a call that is resumed has been counted.
            if !entered.contains("resumed") {
                *counts.entry(entered).or_default() += 1;
            }
        }
        counts.into_values().max().unwrap_or(0)
    }

    /// Returns what every process of a run syncs to the disk, one path a line.
    pub fn syncs(&self, strace: &Path, line: &str) -> String {
        let (log, ran) = self.traced(strace, line, Whom::WhoeverItHits, &["-y", "-e", "trace=fsync,fdatasync"]);
        let ran = ran.expect("nobody kills it");
        assert_eq!(ran.code, 0, "{ran}");
        let paths = log.lines().filter_map(|line| line.split_once('<')?.1.split_once('>')).map(|(path, _)| path);
        paths.collect::<Vec<_>>().join("\n")
    }

    fn traced(&self, strace: &Path, line: &str, whom: Whom, options: &[&str]) -> (String, Option<Ran>) {
        let mark = fresh_mark();
        let log = self.dir.parent().expect("a clone has a room").join(format!("strace-{mark}"));
        let mut command = self.command(strace);
        if whom != Whom::SquadAlone {
            // Not with --seccomp-bpf: strace 6.1 then never kills.
            command.arg("-f");
        }
        command.args(["-e", "signal=KILL", "-o"]).arg(&log).args(options);
        command.arg(env!("CARGO_BIN_EXE_squad")).args(super::words(line)).arg("--json").env(MARK, &mark);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("strace starts");
        let begun = Instant::now();
        let (mut felled, mut late) = (false, false);
        while child.try_wait().expect("it is ours").is_none() {
            if whom == Whom::Tree && !felled && was_hit(&log) {
                end_everything(&mark, None);
                felled = true;
            }
            if begun.elapsed() > LONGEST {
                end_everything(&mark, None);
                late = true;
            }
            std::thread::sleep(POLL);
        }
        let output = child.wait_with_output().expect("it ends");
        let text = std::fs::read_to_string(&log).expect("strace writes its log");
        assert!(!late, "`squad {line}` took more than {} s:\n{text}", LONGEST.as_secs());
        assert!(!text.is_empty() || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let _ = std::fs::remove_file(log);
        // strace ends as what it traces has ended.
        let ran = output.status.code().map(|_| self.run_of(format!("squad {line} (traced)"), &output).0);
        (text, ran)
    }

    /// Starts squad with `--json` in a process group of its own, every process of it under this mark.
    pub fn start_marked(&self, line: &str, mark: &str) -> std::process::Child {
        use std::os::unix::process::CommandExt as _;
        let mut command = self.command(env!("CARGO_BIN_EXE_squad"));
        command.args(super::words(line)).arg("--json").env(MARK, mark).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("squad starts")
    }
}

/// Returns a mark that no other run has.
pub fn fresh_mark() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn was_hit(log: &Path) -> bool {
    std::fs::read_to_string(log).is_ok_and(|text| text.contains("killed by SIGKILL"))
}

/// Returns the living processes of a run, strace left out: it ends with those that it traces.
fn processes_of(mark: &str) -> Vec<i32> {
    let wanted = format!("{MARK}={mark}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("this is Linux").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        let marked = environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes());
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if marked && name.trim() != "strace" {
            found.push(pid);
        }
    }
    found
}

/// Kills every process of a run, until none is left; those that work in the remote live on where they stand for another
/// machine: a lock that one of them leaves there keeps everybody out.
pub fn end_everything(mark: &str, elsewhere: Option<&Path>) {
    let is_elsewhere = |pid: &i32| {
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
        elsewhere.is_some_and(|remote| cwd.is_ok_and(|cwd| cwd.starts_with(remote)))
    };
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let living: Vec<_> = processes_of(mark).into_iter().filter(|pid| !is_elsewhere(pid)).collect();
        if living.is_empty() || Instant::now() > until {
            return;
        }
        for pid in living.into_iter().filter_map(Pid::from_raw) {
            // One that has ended meanwhile is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(POLL);
    }
}

/// Removes the lock files of git below a folder, as whoever keeps it would once no git runs there, and returns them.
/// What squad keeps for itself is left alone: it has to mend that on its own.
pub fn clear_locks(folder: &Path) -> Vec<String> {
    let mut cleared = Vec::new();
    let walk = walkdir::WalkDir::new(folder).into_iter().filter_entry(|entry| entry.file_name() != "squad");
    for entry in walk.flatten() {
        if entry.path().extension().is_some_and(|end| end == "lock") && std::fs::remove_file(entry.path()).is_ok() {
            let within = entry.path().strip_prefix(folder).expect("it lies below");
            cleared.push(within.display().to_string());
        }
    }
    cleared
}

/// Waits until no process of a git is left in a room, so that a lock file is one that nobody holds.
pub fn wait_for_orphans(room: &Path) {
    let wanted = format!("HOME={}", room.join("home").display());
    let until = Instant::now() + LONGEST;
    loop {
        let entries = std::fs::read_dir("/proc").expect("this is Linux").flatten();
        let mut environments = entries.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
        if !environments.any(|all| all.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes())) {
            return;
        }
        assert!(Instant::now() < until, "a process of the room does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns what `git fsck --strict` has against a repository.
pub fn soundness(checkout: &Checkout, git_dir: &Path) -> Result<(), String> {
    let mut command: Command = checkout.command("git");
    command.arg("--git-dir").arg(git_dir).args(["fsck", "--strict", "--no-dangling", "--no-progress"]);
    let output = command.output().expect("git starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let sound = output.status.success() && !said.contains("missing");
    if sound { Ok(()) } else { Err(format!("{}: {said}", git_dir.display())) }
}

/// Holds a repository against `git fsck --strict`.
#[track_caller]
pub fn assert_sound(checkout: &Checkout, git_dir: &Path) {
    soundness(checkout, git_dir).unwrap_or_else(|said| panic!("{said}"));
}
