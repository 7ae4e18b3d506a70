//! What differs between two versions of the board, file by file.
//!
//! Owns which files of a board can differ; what the difference means is `review`'s to say.

use super::files::{Entry, EntryKind, Files, ReadError};
use super::layout::{ARCHIVE_DIR, CONFIG, LIVE_DIR, task_stem};
use super::snapshot::Snapshot;
use crate::review::judge::{Pair, Version};

/// Returns every task whose file differs between two versions, by path.
///
/// # Errors
/// [`ReadError`] where one of them cannot be listed; a file that cannot be read has no bytes.
pub fn tasks_that_differ(before: &Snapshot, after: &Snapshot) -> Result<Vec<Pair>, ReadError> {
    let mut pairs = Vec::new();
    let mut folders = vec![LIVE_DIR.to_owned()];
    let mut months: Vec<String> = Vec::new();
    for snapshot in [before, after] {
        for entry in snapshot.files().list(ARCHIVE_DIR)? {
            if entry.kind == EntryKind::Folder {
                months.push(format!("{ARCHIVE_DIR}/{}", entry.name));
            }
        }
    }
    months.sort();
    months.dedup();
    folders.append(&mut months);
    for folder in folders {
        if let (Some(old), Some(new)) = (before.files().find(&folder)?, after.files().find(&folder)?)
            && old.id.is_some()
            && old.id == new.id
        {
            continue;
        }
        in_folder(before.files(), after.files(), &folder, &mut pairs)?;
    }
    Ok(pairs)
}

/// Returns the tasks at these paths in two versions; nothing where any of them is something else than the ordinary file of
/// a live task in both.
///
/// # Errors
/// [`ReadError`] where one of them cannot be listed; a file that cannot be read has no bytes.
pub fn live_tasks_at(before: &Snapshot, after: &Snapshot, paths: &[&String]) -> Result<Option<Vec<Pair>>, ReadError> {
    let mut pairs = Vec::new();
    for path in paths {
        let name = path.strip_prefix(LIVE_DIR).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
        let Some(stem) = task_stem(name).filter(|stem| !stem.contains('/')) else { return Ok(None) };
        let side = |snapshot: &Snapshot| -> Result<Option<Version>, ReadError> {
            let entry = snapshot.files().find(path)?.filter(|entry| entry.kind == EntryKind::File);
            Ok(entry.map(|entry| version(snapshot.files(), (*path).clone(), &entry)))
        };
        let (Some(before), Some(after)) = (side(before)?, side(after)?) else { return Ok(None) };
        pairs.push(Pair { stem: stem.to_owned(), before: Some(before), after: Some(after) });
    }
    Ok(Some(pairs))
}

fn in_folder(before: &dyn Files, after: &dyn Files, folder: &str, pairs: &mut Vec<Pair>) -> Result<(), ReadError> {
    let (old, new) = (tasks_of(before, folder)?, tasks_of(after, folder)?);
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        // Both are in the order of the names.
        let (left, right) = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(a), Some(b)) if a.name == b.name => (old.next(), new.next()),
            (Some(a), Some(b)) if a.name > b.name => (None, new.next()),
            (Some(_), _) => (old.next(), None),
            (None, Some(_)) => (None, new.next()),
        };
        let is_same = match (&left, &right) {
            (Some(a), Some(b)) => a.id.is_some() && a.id == b.id && a.kind == b.kind,
            _ => false,
        };
        if is_same {
            continue;
        }
        let version = |files: &dyn Files, entry: Option<Entry>| {
            let entry = entry?;
            Some(version(files, format!("{folder}/{}", entry.name), &entry))
        };
        let name = left.as_ref().or(right.as_ref()).map(|entry| entry.name.clone()).unwrap_or_default();
        let stem = task_stem(&name).unwrap_or(&name).to_owned();
        let (before, after) = (version(before, left), version(after, right));
        let is_same = matches!((&before, &after), (Some(a), Some(b)) if a.bytes == b.bytes);
        if !is_same {
            pairs.push(Pair { stem, before, after });
        }
    }
}

/// Returns what differs of the board's other files: the configuration, and the locks where they are now.
///
/// # Errors
/// [`ReadError`] where one of the two versions cannot be read; a file that cannot be read has no bytes.
pub fn others_that_differ(before: &Snapshot, after: &Snapshot) -> Result<Vec<Pair>, ReadError> {
    let mut pairs = Vec::new();
    for path in [CONFIG.to_owned(), after.locks_path()] {
        let found = |snapshot: &Snapshot| -> Result<Option<Version>, ReadError> {
            let entry = snapshot.files().find(&path)?;
            Ok(entry.map(|entry| version(snapshot.files(), path.clone(), &entry)))
        };
        let (before, after) = (found(before)?, found(after)?);
        if before.as_ref().map(|v| &v.bytes) != after.as_ref().map(|v| &v.bytes) {
            pairs.push(Pair { stem: path, before, after });
        }
    }
    Ok(pairs)
}

fn version(files: &dyn Files, path: String, entry: &Entry) -> Version {
    let is_file = entry.kind == EntryKind::File;
    let bytes = if is_file { files.read(&path, entry).unwrap_or_default() } else { Vec::new() };
    Version { path, bytes }
}

fn tasks_of(files: &dyn Files, folder: &str) -> Result<Vec<Entry>, ReadError> {
    let mut entries = files.list(folder)?;
    entries.retain(|entry| task_stem(&entry.name).is_some());
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
