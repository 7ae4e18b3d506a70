//! Probes of what lies around the board: the user's repository, this machine's disk, the programs on its PATH.
//!
//! Everything here is looked at and left as it is: what is in the way may be somebody's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::init::EXCLUDE_BEGIN;
use super::super::schedule::quoted;
use super::super::session::Session;
use super::Probe;
use super::here::listed;
use crate::board::layout::{ATTRIBUTES, CONFIG, attributes_with_block, attributes_with_first_block};
use crate::board::repository::{find_programs, signing_environment};
use crate::model::board::Board;
use crate::model::locks::LocksFile;
use crate::runner::command::{Call, run_together};

/// Age from which a lock of git's belongs to nothing that is still at work: no command holds one for so long.
const OLD_LOCK: Duration = Duration::from_secs(600);

/// Free space in bytes below which the next commands will fail, and below which they soon may.
const NO_ROOM: u64 = 16 << 20;
const LITTLE_ROOM: u64 = 256 << 20;

/// Longest wait for a program to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(5);

/// What sort of clone it is: where the files of the board may be missing though the board is whole.
pub(super) fn clone(session: &Session) -> Probe {
    let settings = &session.board.settings;
    let mut sorts = Vec::new();
    let promised = |name: &str| settings.get_bool(&format!("remote.{name}.promisor")) == Some(true);
    if settings.get("extensions.partialClone").is_some() || session.board.remote_name().is_some_and(promised) {
        sorts.push("partial: what is missing git fetches when it is asked for, and squad keeps its own");
    }
    if session.board.place.common_dir.join("shallow").exists() {
        sorts.push("shallow: squad fetches what it needs of the history");
    }
    let sparse = settings.get_bool("core.sparseCheckout").unwrap_or(false);
    if sparse {
        sorts.push("sparse");
    }
    let here = session.board.branch().is_some_and(|branch| session.board.is_checked_out_here(&branch));
    let shown = session.board.place.worktree.as_ref().is_some_and(|worktree| worktree.join(CONFIG).exists());
    if sparse && here && !shown {
        return Probe::warning(
            "clone",
            "the sparse checkout leaves out squad/, so the board's files cannot be seen here",
        )
        .fix("`git sparse-checkout add squad` shows them; every verb works without");
    }
    Probe::ok("clone", if sorts.is_empty() { "whole".to_owned() } else { sorts.join("; ") })
}

/// Whether git merges and checks out the board's files as squad writes them.
pub(super) fn attributes(session: &Session) -> Probe {
    let name = "attributes";
    let head = session.board.head().ok().flatten();
    let Some(snapshot) = head.and_then(|head| session.snapshot(Some(head)).ok()) else {
        return Probe::skipped(name, "nothing of the board has been fetched yet");
    };
    let found = snapshot.files().find(ATTRIBUTES);
    let text = match found.map(|entry| entry.map(|entry| snapshot.files().read(ATTRIBUTES, &entry))) {
        Ok(None) => String::new(),
        Ok(Some(Ok(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(Some(Err(error))) | Err(error) => return Probe::unavailable(name, error.to_string()),
    };
    let locks = snapshot.locks_path();
    let foreign = snapshot.locks().is_ok_and(|locks| matches!(*locks, LocksFile::Foreign { .. }));
    // Whatever is around them, the lines have to be there.
    let lacks = |block: &str| {
        let mut lines = block.lines().filter(|line| !line.starts_with('#'));
        lines.find(|line| !text.lines().any(|known| known.trim() == *line)).map(str::to_owned)
    };
    match lacks(&attributes_with_block(None, &locks, foreign)) {
        None => Probe::ok(name, format!("{ATTRIBUTES} names the board's files")),
        Some(_) if lacks(&attributes_with_first_block(None, &locks)).is_none() => {
            Probe::ok(name, format!("{ATTRIBUTES} names the board's files, without squad's drivers"))
        }
        Some(line) => Probe::warning(name, format!("{ATTRIBUTES} on the board lacks the line `{line}`"))
            .fix("write it back and commit it: without it git may change line ends, and merges tasks line by line"),
    }
}

/// Whether what only this clone needs stays out of commits.
pub(super) fn exclude(session: &Session) -> Probe {
    let file = session.board.place.common_dir.join("info").join("exclude");
    match fs::read_to_string(&file) {
        Ok(text) if text.contains(EXCLUDE_BEGIN) => Probe::ok("exclude", "an agent's memory stays out of commits"),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Probe::unavailable("exclude", format!("{} cannot be read: {error}", file.display()))
        }
        _ => Probe::warning("exclude", format!("{} does not name an agent's memory", file.display()))
            .fix("`squad init` adds the lines, and changes nothing else"),
    }
}

/// Locks of git in the user's repository that nothing holds any more.
pub(super) fn git_locks(session: &Session) -> Probe {
    let place = &session.board.place;
    let mut files: Vec<PathBuf> = [&place.git_dir, &place.common_dir]
        .into_iter()
        .flat_map(|folder| {
            ["index", "HEAD", "config", "packed-refs", "shallow"].map(|of| folder.join(format!("{of}.lock")))
        })
        .collect();
    locks_below(&place.common_dir.join("refs").join("heads"), &mut files);
    files.sort();
    files.dedup();
    let old: Vec<(&PathBuf, String)> = files.iter().filter_map(|file| Some((file, told(file)?))).collect();
    let Some((first, _)) = old.first() else { return Probe::ok("git-locks", "git has left no lock behind") };
    let path = quoted(&first.display().to_string());
    let all: Vec<&str> = old.iter().map(|(_, told)| told.as_str()).collect();
    Probe::warning("git-locks", all.join("; "))
        .fix(format!("`ls -l {path}` shows it; where no git is at work here any more, move it out of the folder"))
}

fn locks_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            locks_below(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "lock") {
            files.push(path);
        }
    }
}

/// Says of a lock that is old how old it is, and who has it open.
fn told(file: &Path) -> Option<String> {
    let age = fs::metadata(file).ok()?.modified().ok()?.elapsed().ok().filter(|age| *age > OLD_LOCK)?;
    let who = match holder(file) {
        Some(Some(pid)) => format!("held open by process {pid}"),
        Some(None) => "held open by no process that can be seen".to_owned(),
        None => "by whom this system does not tell".to_owned(),
    };
    Some(format!("{}, {} min old, {who}", file.display(), age.as_secs() / 60))
}

/// Returns the process that has a file open; the inner nothing is none.
#[cfg(target_os = "linux")]
fn holder(file: &Path) -> Option<Option<String>> {
    let file = fs::canonicalize(file).ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbered =
        processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    for process in numbered {
        let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        if open.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target == file) {
            return Some(Some(process.file_name().to_string_lossy().into_owned()));
        }
    }
    Some(None)
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &Path) -> Option<Option<String>> {
    None
}

/// Whether there is room for what squad and git write.
pub(super) fn disk(session: &Session) -> Probe {
    let folder = session.board.state_dir();
    let Some(free) = free_bytes(&folder) else {
        return Probe::unavailable("disk", "this system does not tell how much is free");
    };
    let detail = format!("{} MiB free at {}", free >> 20, folder.display());
    let fix = "make room there: a change that cannot be written is refused, and none is half done";
    match free {
        0..NO_ROOM => Probe::failed("disk", detail).fix(fix),
        NO_ROOM..LITTLE_ROOM => Probe::warning("disk", detail).fix(fix),
        _ => Probe::ok("disk", detail),
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// Which squad a hook, a merge or another shell would run.
pub(super) fn program(session: &Session) -> Probe {
    let mut found: Vec<PathBuf> = Vec::new();
    for program in find_programs("squad") {
        let program = fs::canonicalize(&program).unwrap_or(program);
        if !found.contains(&program) {
            found.push(program);
        }
    }
    let own = concat!("squad ", env!("CARGO_PKG_VERSION"));
    let Some(first) = found.first() else {
        return Probe::warning("program", "no squad is on PATH, and git asks for one to merge and to show tasks")
            .fix("put the folder of this program on PATH");
    };
    let version = match version_of(first, session.board.place.run_dir()) {
        Ok(version) => version,
        Err(why) => {
            return Probe::failed("program", format!("{} is first on PATH and cannot be run: {why}", first.display()))
                .fix("put another squad before it on PATH, or mend it");
        }
    };
    if version != own {
        return Probe::warning(
            "program",
            format!("{} is first on PATH and is {version}; this is {own}", first.display()),
        )
        .fix("keep one version on PATH: an older one leaves what a newer one has announced undecided");
    }
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|program| program.display().to_string()).collect();
        return Probe::warning("program", format!("there are {} on PATH: {}", found.len(), listed(&names)))
            .fix("keep one of them on PATH, so that everybody runs the same");
    }
    Probe::ok("program", format!("{} is {version}", first.display()))
}

fn version_of(program: &Path, dir: &Path) -> Result<String, String> {
    let args = vec!["--version".to_owned()];
    let call =
        Call { program: program.to_owned(), args, dir: dir.to_owned(), env: signing_environment(), stdin: Vec::new() };
    let ran = run_together(&[call], VERSION_LIMIT).map_err(|error| error.to_string())?.pop().ok_or("it did not run")?;
    match ran.code {
        Some(0) => Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned()),
        Some(code) => Err(format!("it ends with {code}")),
        None => Err("a signal ends it".to_owned()),
    }
}
