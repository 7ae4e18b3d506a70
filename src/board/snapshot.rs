//! One version of the board, read from files.
//!
//! Owns how files become tasks. Reads only what is asked for, and each file at most once for each way of asking: a
//! look at all tasks parses the fields that squad knows; a task that is to be changed is read strictly, against the
//! schema. A broken file stops only what touches it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use super::files::{Entry, EntryKind, Files, MAX_FILE, ReadError};
use super::layout::{ARCHIVE_DIR, CONFIG, LIVE_DIR, TASKS_DIR, task_path, task_stem};
use crate::model::board::{Board, BoardFault, Decided, Place, Placed};
use crate::model::config::{BoardConfig, DEFAULT_LOCKS_FILE};
use crate::model::id::{OpId, TaskId};
use crate::model::locks::{LocksFile, normalise};
use crate::model::task::{SCHEMA_VERSION, Task};
use crate::review::{self, FileKind, id_mismatch};
use crate::schema::{Violation, load_board, load_task};

/// One version of the board.
pub struct Snapshot {
    files: Box<dyn Files>,
    config: OnceCell<Option<BoardConfig>>,
    live: OnceCell<Live>,
    archive: OnceCell<BTreeMap<TaskId, String>>,
    decided: HashMap<OpId, Decided>,
}

/// Every live task, and what could not be read.
#[derive(Debug, Default)]
pub struct Live {
    /// Tasks, by id.
    pub tasks: Vec<Task>,
    /// What is wrong with the files that are not among them.
    pub invalid: Vec<Violation>,
}

impl Snapshot {
    /// Returns the board in these files.
    pub fn new(files: Box<dyn Files>) -> Self {
        Self {
            files,
            config: OnceCell::new(),
            live: OnceCell::new(),
            archive: OnceCell::new(),
            decided: HashMap::new(),
        }
    }

    /// Returns the same board, knowing what became of these operations.
    #[must_use]
    pub fn with_decided(mut self, decided: HashMap<OpId, Decided>) -> Self {
        self.decided = decided;
        self
    }

    /// Returns the files that the board is read from.
    pub fn files(&self) -> &dyn Files {
        self.files.as_ref()
    }

    /// Returns the configuration.
    ///
    /// # Errors
    /// [`BoardFault`] when it is not there or cannot be used.
    pub fn require_config(&self) -> Result<&BoardConfig, BoardFault> {
        self.config()?.ok_or_else(|| BoardFault::Broken {
            file: CONFIG.to_owned(),
            pointer: String::new(),
            message: "it is not there".to_owned(),
        })
    }

    /// Returns where the locks file is.
    pub fn locks_path(&self) -> String {
        match self.config() {
            Ok(Some(config)) => config.locks.file.clone(),
            _ => DEFAULT_LOCKS_FILE.to_owned(),
        }
    }

    /// Returns every live task and what could not be read, read once.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the folder cannot be read.
    pub fn all_live(&self) -> Result<&Live, BoardFault> {
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        let mut live = Live { tasks: Vec::new(), invalid: self.misplaced().map_err(BoardFault::Unreadable)? };
        for entry in self.files.list(LIVE_DIR).map_err(BoardFault::Unreadable)? {
            let Some(stem) = task_stem(&entry.name) else { continue };
            let path = format!("{LIVE_DIR}/{}", entry.name);
            match self.quick(&path, stem, &entry) {
                Ok(task) => live.tasks.push(task),
                Err(mut violations) => live.invalid.append(&mut violations),
            }
        }
        live.tasks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(self.live.get_or_init(|| live))
    }

    /// Returns what stands where a folder of the board should: it hides every task that was there.
    ///
    /// # Errors
    /// [`ReadError`] when the board cannot be read.
    pub fn misplaced(&self) -> Result<Vec<Violation>, ReadError> {
        let mut found = Vec::new();
        for folder in [TASKS_DIR, LIVE_DIR, ARCHIVE_DIR] {
            let Some(entry) = self.files.find(folder)? else { continue };
            found.extend(review::not_a_folder(folder, kind_of(entry.kind)));
        }
        Ok(found)
    }

    /// Reads the fields that squad knows; on any doubt reads strictly, to say what is wrong.
    fn quick(&self, path: &str, stem: &str, entry: &Entry) -> Result<Task, Vec<Violation>> {
        let bytes = self.bytes(path, entry).map_err(|v| vec![*v])?;
        match serde_json::from_slice::<Task>(&bytes) {
            Ok(task) if task.id.as_str() == stem => Ok(task),
            _ => strict(path, stem, &bytes).map(|(task, _)| task),
        }
    }

    /// Returns the content of a board file that must be an ordinary one.
    ///
    /// # Errors
    /// The violation that says why it cannot be used.
    pub fn bytes(&self, path: &str, entry: &Entry) -> Result<Vec<u8>, Box<Violation>> {
        if let Some(violation) = not_ordinary(path, entry.kind) {
            return Err(Box::new(violation));
        }
        self.files.read(path, entry).map_err(|e| Box::new(unreadable(path, &e)))
    }

    /// Returns the ids of the archived tasks, in order.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board cannot be read.
    pub fn archived_ids(&self) -> Result<impl Iterator<Item = &TaskId>, BoardFault> {
        Ok(self.archived()?.keys())
    }

    /// Returns every archived task that can be read.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board cannot be read.
    pub fn all_archived(&self) -> Result<Vec<Task>, BoardFault> {
        let mut tasks = Vec::new();
        for (id, month) in self.archived()? {
            let path = task_path(id, &Place::Archived(month.clone()));
            if let Some(entry) = self.files.find(&path).map_err(BoardFault::Unreadable)? {
                tasks.extend(self.quick(&path, id.as_str(), &entry));
            }
        }
        Ok(tasks)
    }

    /// Returns where every archived task is, by its id.
    fn archived(&self) -> Result<&BTreeMap<TaskId, String>, BoardFault> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive);
        }
        let mut archive = BTreeMap::new();
        for month in self.files.list(ARCHIVE_DIR).map_err(BoardFault::Unreadable)? {
            if month.kind != EntryKind::Folder {
                continue;
            }
            let folder = format!("{ARCHIVE_DIR}/{}", month.name);
            for entry in self.files.list(&folder).map_err(BoardFault::Unreadable)? {
                if let Some(id) = task_stem(&entry.name).and_then(|stem| TaskId::new(stem).ok()) {
                    archive.insert(id, month.name.clone());
                }
            }
        }
        Ok(self.archive.get_or_init(|| archive))
    }

    /// Returns where the task's file is.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board cannot be read.
    pub fn place(&self, id: &TaskId) -> Result<Option<Place>, BoardFault> {
        if self.files.find(&task_path(id, &Place::Live)).map_err(BoardFault::Unreadable)?.is_some() {
            return Ok(Some(Place::Live));
        }
        Ok(self.archived()?.get(id).map(|month| Place::Archived(month.clone())))
    }

    /// Returns a task as far as it can be understood, with its document and what is wrong with it: for looking at
    /// what may not be worked with.
    ///
    /// # Errors
    /// [`BoardFault`] when nothing can be made of it.
    pub fn lenient(&self, id: &TaskId) -> Result<Option<(Task, serde_json::Value, Vec<String>)>, BoardFault> {
        let Some(place) = self.place(id)? else { return Ok(None) };
        let Some(bytes) = self.task_bytes(id, &place)? else { return Ok(None) };
        let path = task_path(id, &place);
        let (task, faults) = match strict(&path, id.as_str(), &bytes) {
            Ok((task, _)) => (task, Vec::new()),
            Err(violations) => match serde_json::from_slice(&bytes) {
                Ok(task) => (task, violations.iter().map(|v| format!("{path}{}: {}", v.pointer, v.message)).collect()),
                Err(_) => return Err(broken(&violations)),
            },
        };
        let document = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Some((task, document, faults)))
    }

    /// Returns the bytes of a task's file.
    ///
    /// # Errors
    /// [`BoardFault`] when it cannot be read.
    pub fn task_bytes(&self, id: &TaskId, place: &Place) -> Result<Option<Vec<u8>>, BoardFault> {
        let path = task_path(id, place);
        let Some(entry) = self.files.find(&path).map_err(BoardFault::Unreadable)? else { return Ok(None) };
        self.bytes(&path, &entry).map(Some).map_err(|v| broken(&[*v]))
    }
}

/// Reads a task's file against the schema.
///
/// # Errors
/// What is wrong with it.
pub fn strict(path: &str, stem: &str, bytes: &[u8]) -> Result<(Task, crate::schema::Json), Vec<Violation>> {
    let (task, document) = load_task(path, bytes)?;
    if let Some(violation) = id_mismatch(path, stem, &task) {
        return Err(vec![violation]);
    }
    Ok((task, document))
}

/// Returns what is wrong with the kind of a board file.
pub fn not_ordinary(path: &str, kind: EntryKind) -> Option<Violation> {
    review::check::not_ordinary(path, kind_of(kind))
}

fn kind_of(kind: EntryKind) -> FileKind {
    match kind {
        EntryKind::File => FileKind::Ordinary,
        EntryKind::Executable => FileKind::Executable,
        EntryKind::Link => FileKind::Link,
        EntryKind::Folder => FileKind::Folder,
        EntryKind::Submodule => FileKind::Submodule,
    }
}

fn unreadable(path: &str, error: &ReadError) -> Violation {
    let large = error.downcast_ref::<super::files::TooLarge>().is_some();
    if large {
        Violation::error(
            "too-large",
            path,
            "",
            error.to_string(),
            format!("keep it below {MAX_FILE} bytes; put long texts into files of their own and link them"),
        )
    } else {
        Violation::error(
            "unreadable",
            path,
            "",
            format!("it cannot be read: {error}"),
            "run `squad sync`, then try again",
        )
    }
}

fn broken(violations: &[Violation]) -> BoardFault {
    match violations.iter().find(|v| v.is_error()).or(violations.first()) {
        Some(v) => BoardFault::Broken { file: v.file.clone(), pointer: v.pointer.clone(), message: v.message.clone() },
        None => unreachable!("BUG: a file was refused without a reason"),
    }
}

impl Board for Snapshot {
    fn config(&self) -> Result<Option<&BoardConfig>, BoardFault> {
        if let Some(config) = self.config.get() {
            return Ok(config.as_ref());
        }
        let config = match self.files.find(CONFIG).map_err(BoardFault::Unreadable)? {
            None => None,
            Some(entry) => {
                let bytes = self.bytes(CONFIG, &entry).map_err(|v| broken(&[*v]))?;
                let config = match quick_config(&bytes) {
                    Some(config) => config,
                    None => load_board(CONFIG, &bytes).map_err(|v| broken(&v))?.0,
                };
                if let Some(violation) = review::locks_place(CONFIG, &config) {
                    return Err(broken(&[violation]));
                }
                Some(config)
            }
        };
        if let Some(found) = config.as_ref().map(|c| c.schema_version).filter(|v| *v > SCHEMA_VERSION) {
            return Err(BoardFault::Newer { file: CONFIG.to_owned(), found, known: SCHEMA_VERSION });
        }
        Ok(self.config.get_or_init(|| config).as_ref())
    }

    fn task(&self, id: &TaskId) -> Result<Option<Placed>, BoardFault> {
        let Some(place) = self.place(id)? else { return Ok(None) };
        let Some(bytes) = self.task_bytes(id, &place)? else { return Ok(None) };
        match strict(&task_path(id, &place), id.as_str(), &bytes) {
            Ok((task, _)) => Ok(Some(Placed { place, task })),
            Err(violations) => Err(broken(&violations)),
        }
    }

    fn live(&self) -> Result<&[Task], BoardFault> {
        Ok(&self.all_live()?.tasks)
    }

    fn twin(&self, id: &TaskId) -> Result<Option<TaskId>, BoardFault> {
        let folded = id.folded();
        for entry in self.files.list(LIVE_DIR).map_err(BoardFault::Unreadable)? {
            let known = task_stem(&entry.name).and_then(|stem| TaskId::new(stem).ok());
            if let Some(known) = known.filter(|known| known.folded() == folded) {
                return Ok(Some(known));
            }
        }
        Ok(self.archived()?.keys().find(|known| known.folded() == folded).cloned())
    }

    fn locks(&self) -> Result<LocksFile, BoardFault> {
        let path = self.locks_path();
        match self.files.find(&path).map_err(BoardFault::Unreadable)? {
            None => Ok(LocksFile::read(None)),
            Some(entry) => match self.bytes(&path, &entry) {
                Ok(bytes) => Ok(LocksFile::read(Some(&bytes))),
                Err(violation) => Ok(LocksFile::Broken { why: violation.message, kept: indexmap::IndexMap::new() }),
            },
        }
    }

    fn decided(&self, id: &OpId) -> Result<Option<Decided>, BoardFault> {
        Ok(self.decided.get(id).cloned())
    }
}

/// Reads the configuration without its schema, which costs more than everything else that a look at the board
/// needs. A file that the types accept, that names no member twice and whose locks have a place is used; any other is
/// read strictly.
fn quick_config(bytes: &[u8]) -> Option<BoardConfig> {
    let config: BoardConfig = serde_json::from_slice(bytes).ok()?;
    let mut names: Vec<String> = config.agents.iter().map(|a| a.name.folded()).collect();
    names.sort();
    let unique = names.windows(2).all(|pair| pair[0] != pair[1]);
    (unique && is_path(&config.locks.file)).then_some(config)
}

/// Tells whether a text is a path without any doubt: fewer are than the schema lets pass.
fn is_path(text: &str) -> bool {
    normalise(text, false).is_ok_and(|normal| normal == text) && !text.to_lowercase().split('/').any(|p| p == ".git")
}
