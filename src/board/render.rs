//! A changeset as files: what is written, and proof that it may be.
//!
//! Owns the step from decided types to bytes. Every file that comes out is within the limits of reading and has passed
//! the schema: what would be broken never reaches the board.

use std::rc::Rc;
use std::sync::Arc;

use super::files::{EntryKind, Files};
use super::kept::{KEPT_OF_A_CHANGE, Read, TaskText};
use super::layout::{
    ARCHIVE_DIR, ATTRIBUTES, CONFIG, LIVE_DIR, TASKS_DIR, attributes_with_block, attributes_with_first_block, task_path,
};
use super::snapshot::{Snapshot, strict, strict_written};
use crate::model::board::{Board, BoardFault, Changeset, TaskChange};
use crate::model::earlier::Returned;
use crate::model::locks::LocksFile;
use crate::model::ordered::IndexMap;
use crate::schema::{Known, LocksText, Violation, lay_task, load_board, render, render_task};

/// A file of a changeset, with what it says as the rules read it.
pub struct Rendered {
    /// The file.
    pub change: FileChange,
    /// What it says, where that is of use to the next change.
    pub read: Option<Read>,
}

/// One file that is written or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The path within the repository.
    pub path: String,
    /// The new content; `None` removes the file.
    pub content: Option<Arc<Vec<u8>>>,
}

/// Why a changeset cannot become files.
#[derive(Debug, thiserror::Error)]
pub enum RenderFault {
    /// The board cannot be read.
    #[error(transparent)]
    Board(#[from] BoardFault),
    /// The result would break the rules of the board.
    #[error("the result would break the rules of the board")]
    Invalid(Vec<Violation>),
}

/// Returns the files that a changeset writes and removes.
///
/// # Errors
/// [`RenderFault::Invalid`] when a file that comes out would break its schema; nothing has been written then.
pub fn files_of(snapshot: &Snapshot, changes: &Changeset) -> Result<Vec<FileChange>, RenderFault> {
    Ok(rendered(snapshot, changes)?.into_iter().map(|file| file.change).collect())
}

/// Returns the same, each with what it says: for whoever goes on from there.
///
/// # Errors
/// As [`files_of`].
pub fn rendered(snapshot: &Snapshot, changes: &Changeset) -> Result<Vec<Rendered>, RenderFault> {
    let mut files = Vec::new();
    let is_kept = changes.tasks.len() <= KEPT_OF_A_CHANGE;
    for change in &changes.tasks {
        task_files(snapshot, change, is_kept, &mut files)?;
    }
    if let Some(config) = &changes.config {
        let bytes = over(snapshot, CONFIG, |old| render(old, config, Known::Board))?;
        load_board(CONFIG, &bytes).map_err(errors_only)?;
        files.push(Rendered::written(CONFIG, bytes));
    }
    let locks_path = changes.new_config().map_or_else(|| snapshot.locks_path(), |c| c.locks.file.clone());
    if let Some(returned) = &changes.returned {
        returned_files(snapshot, returned, &locks_path, &mut files)?;
    }
    if let Some(locks) = &changes.locks {
        let old = snapshot.locks_text(&locks_path)?;
        // What comes back from an earlier version may come back over a file that is damaged.
        let old = old.filter(|old| changes.returned.is_none() || old.is_document());
        let new = LocksText::laid(&locks_path, old.as_deref(), locks).map_err(RenderFault::Invalid)?;
        let file = Rendered::written(&locks_path, new.bytes().clone());
        files.push(Rendered { read: Some(Read::Locks(Rc::new(new))), ..file });
    }
    if changes.founding {
        let is_foreign = matches!(*snapshot.locks()?, LocksFile::Foreign { .. });
        let new = attributes_with_block(attributes(snapshot)?.as_deref(), &locks_path, is_foreign);
        files.push(Rendered::written(ATTRIBUTES, new.into_bytes()));
    }
    Ok(files)
}

/// Returns what a changeset that makes a board has written as `.gitattributes` before squad had drivers of its own: as
/// good as what it writes now.
///
/// # Errors
/// [`BoardFault`] when the file of before cannot be read.
pub fn first_attributes(snapshot: &Snapshot, changes: &Changeset) -> Result<Option<FileChange>, BoardFault> {
    let Some(config) = changes.config.as_ref().filter(|_| changes.founding) else { return Ok(None) };
    let new = attributes_with_first_block(attributes(snapshot)?.as_deref(), &config.locks.file);
    Ok(Some(FileChange { path: ATTRIBUTES.to_owned(), content: Some(Arc::new(new.into_bytes())) }))
}

fn attributes(snapshot: &Snapshot) -> Result<Option<String>, BoardFault> {
    Ok(read(snapshot.files(), ATTRIBUTES)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn task_files(
    snapshot: &Snapshot,
    change: &TaskChange,
    is_kept: bool,
    files: &mut Vec<Rendered>,
) -> Result<(), RenderFault> {
    let id = &change.task.id;
    let old = match &change.before {
        Some(place) => snapshot.task_text(id, place)?,
        None => None,
    };
    let path = task_path(id, &change.after);
    let (bytes, document) =
        lay_task(old.as_deref().map(|old| (&old.bytes[..], &old.document)), &change.task, &change.extra);
    let task = strict_written(&path, id.as_str(), &bytes, &document).map_err(errors_only)?;
    if let Some(before) = change.before.as_ref().filter(|before| **before != change.after) {
        files.push(Rendered::removed(task_path(id, before)));
    }
    let bytes = Arc::new(bytes);
    let read = is_kept.then(|| Read::Task(Rc::new(TaskText { bytes: bytes.clone(), document, task })));
    files.push(Rendered { read, ..Rendered::written(&path, bytes) });
    Ok(())
}

/// Brings back files of an earlier version: as they were, or with what has happened since written over them.
fn returned_files(
    snapshot: &Snapshot,
    returned: &Returned,
    locks_path: &str,
    files: &mut Vec<Rendered>,
) -> Result<(), RenderFault> {
    let lost = || BoardFault::Unreadable("the version that comes back is no version of this board".into());
    let (then, _) = snapshot.version(&returned.version)?.ok_or_else(lost)?;
    // What stands where a folder of the board should goes first.
    for folder in [TASKS_DIR, LIVE_DIR, ARCHIVE_DIR] {
        let here = snapshot.files().find(folder).map_err(BoardFault::Unreadable)?;
        if here.is_some_and(|here| here.kind != EntryKind::Folder) {
            files.push(Rendered::removed(folder.to_owned()));
        }
    }
    for task in &returned.tasks {
        let was = then.task_bytes(&task.id, &task.from)?.ok_or_else(lost)?;
        let path = task_path(&task.id, &task.to);
        let bytes = match &task.task {
            None => was,
            Some(task) => render_task(Some(&was), task, &IndexMap::default())
                .map_err(|fault| RenderFault::Invalid(vec![crate::schema::compile::parse_violation(&path, &fault)]))?,
        };
        strict(&path, task.id.as_str(), &bytes).map_err(errors_only)?;
        files.extend(task.gone.iter().map(|place| Rendered::removed(task_path(&task.id, place))));
        files.push(Rendered::written(&path, bytes));
    }
    for (comes_back, path) in [(returned.config.is_some(), CONFIG), (returned.locks, locks_path)] {
        if comes_back {
            let content = read(then.files(), path)?.ok_or_else(lost)?;
            files.push(Rendered::written(path, content));
        }
    }
    Ok(())
}

fn over(
    snapshot: &Snapshot,
    path: &str,
    render: impl FnOnce(Option<&[u8]>) -> Result<Vec<u8>, crate::schema::ParseFault>,
) -> Result<Vec<u8>, RenderFault> {
    let old = read(snapshot.files(), path)?;
    render(old.as_deref())
        .map_err(|fault| RenderFault::Invalid(vec![crate::schema::compile::parse_violation(path, &fault)]))
}

fn read(files: &dyn Files, path: &str) -> Result<Option<Vec<u8>>, BoardFault> {
    match files.find(path).map_err(BoardFault::Unreadable)? {
        Some(entry) => files.read(path, &entry).map(Some).map_err(BoardFault::Unreadable),
        None => Ok(None),
    }
}

fn errors_only(violations: Vec<Violation>) -> RenderFault {
    RenderFault::Invalid(violations.into_iter().filter(Violation::is_error).collect())
}

impl Rendered {
    fn written(path: &str, bytes: impl Into<Arc<Vec<u8>>>) -> Self {
        Self { change: FileChange { path: path.to_owned(), content: Some(bytes.into()) }, read: None }
    }

    fn removed(path: String) -> Self {
        Self { change: FileChange { path, content: None }, read: None }
    }
}

/// Files in memory, for tests and for looking at a changeset before it is published.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    files: IndexMap<String, Vec<u8>>,
}

impl Overlay {
    /// Returns the files of these paths.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        Self { files: files.into_iter().collect() }
    }

    /// Writes and removes files.
    pub fn apply(&mut self, changes: &[FileChange]) {
        for change in changes {
            match &change.content {
                Some(bytes) => {
                    self.files.insert(change.path.clone(), bytes.to_vec());
                }
                None => {
                    self.files.shift_remove(&change.path);
                }
            }
        }
    }

    /// Returns the content at a path.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }
}

impl Files for Overlay {
    fn list(&self, folder: &str) -> Result<Vec<super::files::Entry>, super::files::ReadError> {
        use super::files::{Entry, EntryKind};
        let prefix = format!("{folder}/");
        let mut found: IndexMap<String, EntryKind> = IndexMap::default();
        for path in self.files.keys() {
            if let Some(rest) = path.strip_prefix(&prefix) {
                match rest.split_once('/') {
                    Some((name, _)) => found.insert(name.to_owned(), EntryKind::Folder),
                    None => found.insert(rest.to_owned(), EntryKind::File),
                };
            }
        }
        found.sort_keys();
        Ok(found.into_iter().map(|(name, kind)| Entry { name, kind, id: None }).collect())
    }

    fn find(&self, path: &str) -> Result<Option<super::files::Entry>, super::files::ReadError> {
        use super::files::{Entry, EntryKind};
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let known = self.files.contains_key(path);
        Ok(known.then_some(Entry { name, kind: EntryKind::File, id: None }))
    }

    fn read(&self, path: &str, _: &super::files::Entry) -> Result<Vec<u8>, super::files::ReadError> {
        self.files.get(path).cloned().ok_or_else(|| "it is not there".into())
    }
}
