//! What must hold once a fleet is done: every task has come to something, the history is sound, and nothing is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hosts::Host;
use crate::kit::{Room, now_ms};
use crate::ledger::Ledger;

/// How long what was told to end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What has become of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Completed,
    /// By somebody who has to do something, with a reason.
    Blocked,
    /// It may be tried again, later.
    Later,
    /// Something is still to be done with it.
    Open,
}

/// Returns the tasks as the remote has them.
#[track_caller]
pub fn tasks(room: &Room, ids: &[String]) -> Vec<Value> {
    try_tasks(room, ids).unwrap_or_else(|e| panic!("{e}"))
}

/// The same of a remote that may be away.
pub fn try_tasks(room: &Room, ids: &[String]) -> Result<Vec<Value>, String> {
    let named: Vec<String> = ids.iter().map(|id| format!("refs/heads/main:squad/tasks/json/{id}.json")).collect();
    let text = room.at(".").try_git(&format!("--git-dir=remote.git show {}", named.join(" ")))?;
    Ok(serde_json::Deserializer::from_str(&text).into_iter().map(|task| task.expect("a task is JSON")).collect())
}

/// Returns what has become of a task.
pub fn state(task: &Value) -> State {
    let blocked_with_a_reason = task["blockedBy"].as_str().is_some_and(|reason| !reason.is_empty());
    match task["status"].as_str().unwrap() {
        "completed" => State::Completed,
        "blocked" if task["block"]["kind"] != "external" && blocked_with_a_reason => State::Blocked,
        "backlog" if task["retryAt"].as_i64().is_some_and(|at| at > now_ms()) => State::Later,
        _ => State::Open,
    }
}

/// Returns what is wrong with the board and its history, held against what has run.
pub fn of_the_board(room: &Room, base: &str, ledger: &Ledger) -> Vec<String> {
    let mut found = ledger.breaches();
    let judge = room.clone_as("judge");
    for verb in ["check", "audit"] {
        let ran = judge.json(verb).0;
        if ran.code != 0 {
            found.push(format!("{ran}"));
        }
    }
    let (mut started, mut completed) = (BTreeSet::new(), BTreeSet::new());
    for commit in room.commits_since(base) {
        let task = commit.trailer("Squad-Task").to_owned();
        let verb = commit.subject.strip_prefix("squad(").and_then(|rest| rest.split(')').next()).unwrap_or_default();
        let epoch = commit.trailer("Squad-Epoch").parse().ok();
        match (verb, epoch) {
            ("claim", _) if completed.contains(&task) => found.push(format!("{task} was claimed after its completion")),
            ("start", Some(epoch)) => drop(started.insert((task, epoch))),
            ("complete", _) => drop(completed.insert(task)),
            _ => {}
        }
    }
    let unfounded: Vec<_> = ledger.begun().into_iter().filter(|begun| !started.contains(begun)).collect();
    if !unfounded.is_empty() {
        found.push(format!("executed, and never begun on the board under this epoch: {unfounded:?}"));
    }
    found
}

/// Returns what is left of the runs in a room that is done.
pub fn leftovers(room: &Room, hosts: &[Host]) -> Vec<String> {
    let mut found = Vec::new();
    let until = Instant::now() + PATIENCE;
    let mut left = processes_of(room);
    while !left.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        left = processes_of(room);
    }
    found.extend(left.into_iter().map(|process| format!("still runs: {process}")));
    for host in hosts {
        let state = host.clone.dir.join(".git/squad");
        let name = host.clone.dir.file_name().unwrap().display().to_string();
        // What somebody has asked for who is dead waits for whoever publishes next, or for this.
        let synced = host.clone.json("sync").0;
        if synced.code != 0 || synced.json()["provisional"] != serde_json::json!([]) {
            found.push(format!("{name}: {synced}"));
        }
        for (folder, what) in [("runs", "of a run"), ("presence", "a sign of life"), ("queue", "an operation")] {
            for file in files(&state.join(folder)) {
                let path = state.join(folder).join(&file);
                if file
                    .rsplit_once('-')
                    .is_some_and(|(_, id)| folder == "queue" && state.join("results").join(id).exists())
                {
                    // Answered, and kept for a day for whoever asks the same again, since who asked is dead.
                } else if !file.starts_with("locks/") {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    found.push(format!("{name}: {what} is left: {folder}/{file}: {text:.300}"));
                } else if is_locked(&path) {
                    found.push(format!("{name}: {file} is locked"));
                }
            }
        }
        if is_locked(&state.join("publish.lock")) {
            found.push(format!("{name}: somebody has the turn"));
        }
        for entry in std::fs::read_dir(state.join("worktrees")).into_iter().flatten().flatten() {
            let within = host.clone.below(&format!(".git/squad/worktrees/{}", entry.file_name().display()));
            match within.try_git("status --porcelain --untracked-files=all") {
                Ok(changed) if changed.is_empty() => {
                    found.push(format!("{name}: a worktree without work is left: {}", entry.file_name().display()));
                }
                Ok(_) => {}
                Err(error) => found.push(format!("{name}: a broken worktree is left: {error}")),
            }
        }
        for line in host.clone.git("worktree list --porcelain").lines() {
            if let Some(path) = line.strip_prefix("worktree ")
                && !Path::new(path).exists()
            {
                found.push(format!("{name}: git knows of a worktree that is not there: {path}"));
            }
        }
    }
    found
}

/// Returns the paths of the files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    // What was being written is swept after a while.
    let whole = walk.filter(|entry| !entry.file_name().to_string_lossy().starts_with(".tmp"));
    whole.map(|entry| entry.path().strip_prefix(folder).unwrap().display().to_string()).collect()
}

fn is_locked(path: &Path) -> bool {
    std::fs::File::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// Returns the living processes of a room that belong to a run, or are squad or a git of it.
fn processes_of(room: &Room) -> Vec<String> {
    let wanted = format!("HOME={}", room.path().join("home").display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("this is Linux").flatten() {
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            found.push(format!("{} {line}", entry.file_name().display()));
        }
    }
    found
}
