//! Paths that tasks name and the tree does not have.
//!
//! Owns which tasks are asked, and of which trees it can be said. A path of a task that is yet to be done may be yet to be
//! made, so only what was handed in is looked at; a board on a branch of its own has no work beside it to look for.

use super::check::unreadable;
use super::failure::Failure;
use crate::board::files::{Entry, EntryKind, Files};
use crate::board::layout::{ATTRIBUTES, ROOT, task_path};
use crate::board::snapshot::Snapshot;
use crate::model::board::Place;
use crate::model::locks::{Pattern, path};
use crate::model::vocabulary::Status;
use crate::schema::Violation;

/// How a deliverable names a file of the repository.
const FILE: &str = "file:";

/// Returns what was handed in and names a path that is not in the tree.
///
/// # Errors
/// [`Failure`] where the board cannot be read.
pub(super) fn missing_paths(snapshot: &Snapshot) -> Result<Vec<Violation>, Failure> {
    let files = snapshot.files();
    let mut found = Vec::new();
    if !holds_work(snapshot)? {
        return Ok(found);
    }
    let handed_in = |status: Status| matches!(status, Status::Review | Status::Completed);
    for card in snapshot.all_live()?.tasks.iter().filter(|card| handed_in(card.status)) {
        let mut named: Vec<(String, String)> =
            card.files.iter().enumerate().map(|(i, file)| (format!("/files/{i}"), file.clone())).collect();
        if card.has_files {
            let task = snapshot.glance(&card.id)?;
            let deliverable = task.and_then(|task| Some(task.deliverable?.strip_prefix(FILE)?.trim().to_owned()));
            named.extend(deliverable.map(|file| ("/deliverable".to_owned(), file)));
        }
        for (pointer, name) in named {
            if is_missing(files, &name) {
                let violation = Violation::error(
                    "missing-path",
                    task_path(&card.id, &Place::Live),
                    pointer,
                    format!("{} is not in this tree", name.escape_debug()),
                    "correct the path in the task's file; leave it where the work removed the file, or is not merged yet",
                );
                found.push(violation.warning());
            }
        }
    }
    Ok(found)
}

/// Tells whether the tree has anything beside the board.
fn holds_work(snapshot: &Snapshot) -> Result<bool, Failure> {
    let locks = snapshot.locks_path();
    let own = [ROOT, ATTRIBUTES, locks.split('/').next().unwrap_or(&locks)];
    Ok(snapshot.files().list("").map_err(unreadable)?.iter().any(|entry| !own.contains(&entry.name.as_str())))
}

/// Tells whether a plain path leads nowhere. What lies behind a link or in another repository nobody can tell from here,
/// and what is no path is another rule's.
fn is_missing(files: &dyn Files, name: &str) -> bool {
    let is_plain = Pattern::new(name, false).is_ok_and(|pattern| pattern.is_plain());
    let Some(path) = path::normalise(name, false).ok().filter(|_| is_plain) else { return false };
    if !matches!(files.find(&path), Ok(None)) {
        return false;
    }
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    let is_opaque = |entry: Entry| matches!(entry.kind, EntryKind::Link | EntryKind::Submodule);
    !above.filter_map(|folder| files.find(folder).ok().flatten()).any(is_opaque)
}
