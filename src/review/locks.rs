//! The locks file against the tasks, and the tasks' locks against each other.
//!
//! Owns what is compared: whose the lock is, its paths, since when, how strong. What squad does not own in the file
//! is nobody's business here.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::kept::{Kept, quote};
use crate::model::config::BoardConfig;
use crate::model::locks::{LocksFile, Work, overlaps_among};
use crate::model::vocabulary::{LockMode, LockPolicy};
use crate::schema::compile::parse_violation;
use crate::schema::document::{join, line_of};
use crate::schema::{Json, Violation, validate_coordination};

/// What is to be done about every difference.
const HINT: &str = "the next claim, release or change of `files` writes the whole file anew";

/// What was found in the place of the locks file.
#[derive(Debug, Default)]
pub(super) enum FoundLocks {
    /// Nothing was handed in.
    #[default]
    Absent,
    /// Entries to compare, in the file at that path.
    Entries { path: String, entries: BTreeMap<String, Arc<Work>> },
    /// Something that has been reported already, or that is not squad's.
    NotToCompare,
}

impl FoundLocks {
    /// Reads the file; no bytes are a file that could not be read.
    pub(super) fn read(path: &str, bytes: Option<&[u8]>) -> (Self, Vec<Violation>) {
        let Some(bytes) = bytes else { return (Self::NotToCompare, Vec::new()) };
        let file = LocksFile::read(Some(bytes));
        if let LocksFile::Foreign { looks_like } = &file {
            let message = format!("the file is not squad's: {looks_like}");
            let hint = "name another file with `locks.file` in the board's configuration; squad leaves this one alone";
            return (Self::NotToCompare, vec![Violation::error("locks-foreign", path, "", message, hint).warning()]);
        }
        let mut violations = match Json::parse(bytes) {
            Ok(document) => validate_coordination(path, &document),
            Err(fault) => vec![parse_violation(path, &fault)],
        };
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        for violation in &mut violations {
            violation.line = line_of(text, &violation.pointer).or(violation.line);
        }
        match file {
            LocksFile::Ours(file) => {
                let entries = file.current_work.into_iter().map(|(id, work)| (id.to_string(), work)).collect();
                (Self::Entries { path: path.to_owned(), entries }, violations)
            }
            LocksFile::Broken { why, .. } if !violations.iter().any(Violation::is_error) => {
                violations.push(Violation::error("wrong-value", path, "/currentWork", why, HINT));
                (Self::NotToCompare, violations)
            }
            _ => (Self::NotToCompare, violations),
        }
    }
}

/// Finds every task whose locks the file does not tell as they are.
pub(super) fn compare(
    tasks: &[Kept],
    found_locks: &FoundLocks,
    on_a_board: bool,
    locks_path: &str,
    found: &mut Vec<Violation>,
) {
    let locks = || tasks.iter().filter_map(|task| task.work.as_ref());
    let (path, entries) = match found_locks {
        FoundLocks::NotToCompare => return,
        FoundLocks::Absent => {
            let count = locks().count();
            if count > 0 && on_a_board {
                let message = match count {
                    1 => "1 task holds paths and there is no locks file".to_owned(),
                    n => format!("{n} tasks hold paths and there is no locks file"),
                };
                found.push(Violation::error("locks-missing", locks_path, "", message, HINT));
            }
            return;
        }
        FoundLocks::Entries { path, entries } => (path, entries),
    };
    // What a file that cannot be read would lock is not known, so its entry is neither right nor wrong.
    let unknown: HashSet<&str> = tasks.iter().filter(|task| !task.is_read).map(|task| task.stem.as_str()).collect();
    let mut stale = |id: &str, message: String| {
        let pointer = if entries.contains_key(id) { join("/currentWork", id) } else { "/currentWork".to_owned() };
        found.push(Violation::error("locks-stale", path, pointer, message, HINT));
    };
    let mut held: HashSet<&str> = HashSet::new();
    for work in locks() {
        let id = work.task_id.as_str();
        held.insert(id);
        match entries.get(id) {
            None => stale(id, format!("{id} holds paths and is not in the file")),
            Some(entry) if entry != work => stale(id, difference(id, entry, work)),
            Some(_) => {}
        }
    }
    for id in entries.keys().filter(|id| !held.contains(id.as_str()) && !unknown.contains(id.as_str())) {
        stale(id, format!("{id} is in the file and holds no paths"));
    }
}

fn difference(id: &str, entry: &Work, work: &Work) -> String {
    let differs = [
        (entry.files != work.files, "files"),
        (entry.agent != work.agent, "agent"),
        (entry.since != work.since, "since"),
        (entry.mode != work.mode, "mode"),
    ];
    let keys: Vec<&str> = differs.iter().filter(|(differs, _)| *differs).map(|(_, key)| *key).collect();
    format!("the entry of {id} is not what the task says: {}", keys.join(", "))
}

/// Finds tasks that hold the same path hard.
pub(super) fn overlaps(tasks: &[Kept], config: Option<&BoardConfig>, found: &mut Vec<Violation>) {
    let Some(config) = config.filter(|config| config.policy.locks != LockPolicy::Off) else { return };
    let hard = tasks.iter().filter(|task| task.work.as_ref().is_some_and(|work| work.mode == LockMode::Hard));
    let hard: Vec<(&Kept, &Work)> = hard.filter_map(|task| task.work.as_deref().map(|work| (task, work))).collect();
    let works: Vec<&Work> = hard.iter().map(|(_, work)| *work).collect();
    let overlaps = overlaps_among(&works, config.locks.ignore_case);
    let hint = "one of the two should wait: `squad release` gives it back";
    for overlap in &overlaps.found {
        let ((first, a), (second, b)) = (hard[overlap.first.0], hard[overlap.second.0]);
        let message = format!(
            "{} holds {}, and {} holds {}: they have a path in common",
            second.stem,
            quote(&b.files[overlap.second.1]),
            first.stem,
            quote(&a.files[overlap.first.1]),
        );
        let pointer = format!("/files/{}", overlap.second.1);
        found.push(Violation::error("locks-overlap", &second.path, pointer, message, hint).warning());
    }
    if let Some((task, _)) = hard.last().filter(|_| !overlaps.is_all) {
        let message = "so many tasks hold overlapping paths that not all of them were compared";
        found.push(Violation::error("locks-overlap", &task.path, "/files", message, hint).warning());
    }
}
