//! One version of the board, read from files.
//!
//! Owns how files become tasks. Reads only what is asked for, and each file at most once for each way of asking: a
//! look at all tasks parses the fields that squad knows; a task that is to be changed is read strictly, against the
//! schema. A broken file stops only what touches it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use super::Oid;
use super::earlier::History;
use super::files::{Entry, EntryKind, Files, MAX_FILE, ReadError};
use super::index::Index;
use super::kept::{Kept, Read, TaskText};
use super::layout::{ARCHIVE_DIR, CONFIG, LIVE_DIR, TASKS_DIR, task_path, task_stem};
use crate::model::board::{Board, BoardFault, Changeset, Decided, Place, Placed, TaskChange};
use crate::model::card::Card;
use crate::model::config::{BoardConfig, DEFAULT_LOCKS_FILE};
use crate::model::earlier::Earlier;
use crate::model::id::{OpId, TaskId};
use crate::model::locks::{LocksFile, normalise};
use crate::model::task::{SCHEMA_VERSION, Task};
use crate::review::{self, FileKind, id_mismatch};
use crate::schema::{Json, LocksText, Violation, load_board, load_task, load_written_task};

/// From so many files on, a second thread parses what the first has read.
const WORTH_A_THREAD: usize = 256;

/// How many files are handed over at once, and how many times that may wait: a megabyte or so.
const HANDED_OVER: usize = 64;
const WAITING: usize = 8;

/// One version of the board. A clone shares what has been read.
#[derive(Clone)]
pub struct Snapshot {
    read: Rc<Reading>,
    decided: HashMap<OpId, Decided>,
    /// The commits that it comes from, where it comes from commits.
    history: Option<History>,
}

/// The files, and what has been made of them so far.
struct Reading {
    files: Box<dyn Files>,
    /// What is known of files that were read before.
    index: Option<Rc<Index>>,
    /// What was read of this version and of those that it follows.
    kept: Rc<Kept>,
    config: OnceCell<Option<BoardConfig>>,
    live: OnceCell<Live>,
    archive: OnceCell<BTreeMap<TaskId, Archived>>,
    names: OnceCell<HashMap<String, TaskId>>,
}

/// Where an archived task is.
struct Archived {
    month: String,
    entry: Entry,
}

/// Every live task, and what could not be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// The cards of tasks, by id.
    pub tasks: Vec<Card>,
    /// What is wrong with the files that are not among them.
    pub invalid: Vec<Violation>,
}

impl Snapshot {
    /// Returns the board in these files.
    pub fn new(files: Box<dyn Files>) -> Self {
        let read = Reading {
            files,
            index: None,
            kept: Rc::default(),
            config: OnceCell::new(),
            live: OnceCell::new(),
            archive: OnceCell::new(),
            names: OnceCell::new(),
        };
        Self { read: Rc::new(read), decided: HashMap::new(), history: None }
    }

    /// Returns the same board, read with the help of an index.
    #[must_use]
    pub fn with_index(mut self, index: Rc<Index>) -> Self {
        if let Some(read) = Rc::get_mut(&mut self.read) {
            read.index = Some(index);
        }
        self
    }

    /// Returns the same board, knowing the commits that it comes from.
    #[must_use]
    pub(super) fn with_history(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }

    /// Returns the commits that the board comes from.
    pub(super) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Returns the index that the board is read with.
    pub fn index(&self) -> Option<&Index> {
        self.read.index.as_deref()
    }

    /// Returns the same board, knowing what became of these operations.
    #[must_use]
    pub fn with_decided(mut self, decided: HashMap<OpId, Decided>) -> Self {
        self.decided = decided;
        self
    }

    /// Returns the version that follows when changes have become these files: what has been read of this one is carried
    /// over, and nothing but the changed tasks is looked at.
    #[must_use]
    pub fn succeeded_by(self, files: Box<dyn Files>, changes: &Changeset) -> Self {
        let moved = changes.tasks.iter().any(|change| change.before.as_ref() != Some(&change.after));
        let Self { read, decided, history } = self;
        let kept = read.kept.clone();
        if changes.returned.is_some() {
            // Whole files have come back: there is little that could be carried over.
            let index = read.index.clone();
            let after = Self { decided, history, ..Self::new(files) };
            return match index {
                Some(index) => after.with_index(index),
                None => after,
            };
        }
        let (config, live, archive, names, index) = match Rc::try_unwrap(read) {
            Ok(read) => (read.config, read.live, read.archive, read.names, read.index),
            Err(read) => {
                let live = read.live.get().cloned().map_or_else(OnceCell::new, OnceCell::from);
                (read.config.clone(), live, OnceCell::new(), OnceCell::new(), read.index.clone())
            }
        };
        let live = match live.into_inner() {
            Some(mut live) => {
                changes.tasks.iter().for_each(|change| live.replace(change));
                OnceCell::from(live)
            }
            None => OnceCell::new(),
        };
        let read = Reading {
            files,
            index,
            kept,
            config: changes.new_config().cloned().map_or(config, |config| OnceCell::from(Some(config))),
            live,
            archive: if moved { OnceCell::new() } else { archive },
            names: if moved { OnceCell::new() } else { names },
        };
        Self { read: Rc::new(read), decided, history }
    }

    /// Returns the files that the board is read from.
    pub fn files(&self) -> &dyn Files {
        self.read.files.as_ref()
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

    /// Returns what is wrong with live tasks, as far as the board has been looked at.
    pub fn known_damage(&self) -> &[Violation] {
        self.read.live.get().map_or(&[], |live| &live.invalid)
    }

    /// Returns every live task and what could not be read, read once.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the folder cannot be read.
    pub fn all_live(&self) -> Result<&Live, BoardFault> {
        if let Some(live) = self.read.live.get() {
            return Ok(live);
        }
        let misplaced = self.misplaced().map_err(BoardFault::Unreadable)?;
        let folder = self.files().find(LIVE_DIR).map_err(BoardFault::Unreadable)?.and_then(|folder| folder.id);
        let mut live = match (self.index(), folder) {
            (Some(index), tree) => match tree.and_then(|tree| index.folder(tree)) {
                Some(cards) => Live { tasks: cards, invalid: Vec::new() },
                None => self.read_with(index, tree)?,
            },
            _ => self.read_all(&self.live_entries()?),
        };
        live.invalid.splice(0..0, misplaced);
        live.tasks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(self.read.live.get_or_init(|| live))
    }

    fn live_entries(&self) -> Result<Vec<Entry>, BoardFault> {
        let mut entries = self.files().list(LIVE_DIR).map_err(BoardFault::Unreadable)?;
        entries.retain(|entry| task_stem(&entry.name).is_some());
        Ok(entries)
    }

    /// Reads the files that the index does not know, and tells it, where they are those of a folder that has an id.
    fn read_with(&self, index: &Index, tree: Option<Oid>) -> Result<Live, BoardFault> {
        let entries = self.live_entries()?;
        let (mut cards, mut ids) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        let mut unknown = Vec::new();
        let files: Vec<Option<Oid>> = entries.iter().map(|entry| entry.id).collect();
        for (entry, known) in entries.iter().zip(index.cards(&files)) {
            // A file that may not be there, or not under that name, is no task whatever it holds.
            let usual = |card: &Card| entry.kind == EntryKind::File && task_stem(&entry.name) == Some(card.id.as_str());
            match (entry.id, known.filter(usual)) {
                (Some(id), Some(card)) => {
                    ids.push(id);
                    cards.push(card);
                }
                _ => unknown.push(entry.clone()),
            }
        }
        let Live { tasks: mut read, invalid } = self.read_all(&unknown);
        let mut by_name: HashMap<&str, Option<Oid>> = HashMap::with_capacity(unknown.len());
        for entry in &unknown {
            // A folder that has a name twice does not tell which of the two a card is of.
            by_name.entry(task_stem(&entry.name).unwrap_or_default()).and_modify(|id| *id = None).or_insert(entry.id);
        }
        let id_of = |card: &Card| by_name.get(card.id.as_str()).copied().flatten();
        // What has no id is of no use to the next command, and stands at the end.
        read.sort_by_key(|card| id_of(card).is_none());
        ids.extend(read.iter().map_while(id_of));
        cards.append(&mut read);
        let live = Live { tasks: cards, invalid };
        let known: Vec<(Oid, &Card)> = ids.into_iter().zip(&live.tasks).collect();
        match tree {
            Some(tree) => index.keep(tree, &known, live.invalid.is_empty()),
            // What is staged has no tree, but reading all of it before each commit costs more than to keep it.
            None if unknown.len() >= WORTH_A_THREAD => index.keep_files(&known),
            None => {}
        }
        Ok(live)
    }

    /// Reads files of tasks: the one thread what they hold, the other what that means.
    fn read_all(&self, entries: &[Entry]) -> Live {
        let fetched = |entry: &Entry| {
            let path = format!("{LIVE_DIR}/{}", entry.name);
            let bytes = self.bytes(&path, entry);
            Fetched { path, bytes }
        };
        let count = entries.len();
        let mut live = Live::default();
        if entries.len() < WORTH_A_THREAD {
            live.add(entries.iter().map(fetched));
            return live;
        }
        thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel::<Vec<Fetched>>(WAITING);
            let parser = scope.spawn(move || {
                // A list that grows by copying would hold half as much again.
                let mut live = Live { tasks: Vec::with_capacity(count), ..Live::default() };
                receive.into_iter().for_each(|files| live.add(files.into_iter()));
                live
            });
            for entries in entries.chunks(HANDED_OVER) {
                if send.send(entries.iter().map(fetched).collect()).is_err() {
                    break;
                }
            }
            drop(send);
            parser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Returns what stands where a folder of the board should: it hides every task that was there.
    ///
    /// # Errors
    /// [`ReadError`] when the board cannot be read.
    pub fn misplaced(&self) -> Result<Vec<Violation>, ReadError> {
        let mut found = Vec::new();
        for folder in [TASKS_DIR, LIVE_DIR, ARCHIVE_DIR] {
            let Some(entry) = self.files().find(folder)? else { continue };
            found.extend(review::not_a_folder(folder, kind_of(entry.kind), "no task can be read"));
        }
        Ok(found)
    }

    /// Returns what stands where a locks file should.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board itself cannot be read.
    pub(super) fn locks_at(&self, path: &str) -> Result<Rc<LocksFile>, BoardFault> {
        let Some(entry) = self.files().find(path).map_err(BoardFault::Unreadable)? else {
            return Ok(Rc::new(LocksFile::read(None)));
        };
        let read = match not_ordinary(path, entry.kind) {
            Some(violation) => Err(violation),
            None => self.locks_of(path, &entry).map_err(|error| unreadable(path, &error)),
        };
        Ok(match read {
            Ok(text) => text.file().clone(),
            Err(violation) => {
                Rc::new(LocksFile::Broken { why: violation.message, kept: crate::model::ordered::IndexMap::default() })
            }
        })
    }

    /// Returns the text in the place of a locks file, whatever sort of file it is.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when it cannot be read.
    pub(super) fn locks_text(&self, path: &str) -> Result<Option<Rc<LocksText>>, BoardFault> {
        let entry = self.files().find(path).map_err(BoardFault::Unreadable)?;
        entry.map(|entry| self.locks_of(path, &entry)).transpose().map_err(BoardFault::Unreadable)
    }

    fn locks_of(&self, path: &str, entry: &Entry) -> Result<Rc<LocksText>, ReadError> {
        if let Some(known) = entry.id.and_then(|id| self.read.kept.locks(id)) {
            return Ok(known);
        }
        let text = Rc::new(LocksText::read(self.files().read(path, entry)?));
        if let Some(id) = entry.id {
            self.keep(id, Read::Locks(text.clone()));
        }
        Ok(text)
    }

    /// Keeps what a file says whose content has that id, for this version and those that follow it.
    pub fn keep(&self, file: Oid, read: Read) {
        self.read.kept.keep(file, read);
    }

    /// Returns a task's file, read against the schema.
    ///
    /// # Errors
    /// [`BoardFault`] when it is there and cannot be used.
    pub(super) fn task_text(&self, id: &TaskId, place: &Place) -> Result<Option<Rc<TaskText>>, BoardFault> {
        let path = task_path(id, place);
        let Some(entry) = self.files().find(&path).map_err(BoardFault::Unreadable)? else { return Ok(None) };
        let known = entry.id.and_then(|file| self.read.kept.task(id, file));
        if let Some(known) = known.filter(|_| entry.kind == EntryKind::File) {
            return Ok(Some(known));
        }
        let bytes = self.bytes(&path, &entry).map_err(|v| broken(&[*v]))?;
        let (task, document) = strict(&path, id.as_str(), &bytes).map_err(|violations| broken(&violations))?;
        let text = Rc::new(TaskText { bytes: bytes.into(), document, task });
        if let Some(file) = entry.id {
            self.keep(file, Read::Task(text.clone()));
        }
        Ok(Some(text))
    }

    /// Returns the content of a board file that must be an ordinary one.
    ///
    /// # Errors
    /// The violation that says why it cannot be used.
    pub fn bytes(&self, path: &str, entry: &Entry) -> Result<Vec<u8>, Box<Violation>> {
        if let Some(violation) = not_ordinary(path, entry.kind) {
            return Err(Box::new(violation));
        }
        self.files().read(path, entry).map_err(|e| Box::new(unreadable(path, &e)))
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
        for (id, Archived { month, entry }) in self.archived()? {
            let path = task_path(id, &Place::Archived(month.clone()));
            let bytes = self.bytes(&path, entry);
            tasks.extend(quick(&Fetched { path, bytes }));
        }
        Ok(tasks)
    }

    /// Returns a task that may be archived, as a look at many tasks reads it: without the schema.
    ///
    /// # Errors
    /// [`BoardFault`] when its file is there and nothing can be made of it.
    pub fn glance(&self, id: &TaskId) -> Result<Option<Task>, BoardFault> {
        let Some(place) = self.place(id)? else { return Ok(None) };
        let path = task_path(id, &place);
        let Some(entry) = self.files().find(&path).map_err(BoardFault::Unreadable)? else { return Ok(None) };
        let bytes = self.bytes(&path, &entry);
        quick(&Fetched { path, bytes }).map(Some).map_err(|violations| broken(&violations))
    }

    /// Returns where every archived task is, by its id.
    fn archived(&self) -> Result<&BTreeMap<TaskId, Archived>, BoardFault> {
        if let Some(archive) = self.read.archive.get() {
            return Ok(archive);
        }
        let mut archive = BTreeMap::new();
        for month in self.files().list(ARCHIVE_DIR).map_err(BoardFault::Unreadable)? {
            if month.kind != EntryKind::Folder {
                continue;
            }
            let folder = format!("{ARCHIVE_DIR}/{}", month.name);
            for entry in self.files().list(&folder).map_err(BoardFault::Unreadable)? {
                if let Some(id) = task_stem(&entry.name).and_then(|stem| TaskId::new(stem).ok()) {
                    archive.insert(id, Archived { month: month.name.clone(), entry });
                }
            }
        }
        Ok(self.read.archive.get_or_init(|| archive))
    }

    /// Returns every id on the board by its lower case; of two that differ in case only, the live one, else the first.
    fn names(&self) -> Result<&HashMap<String, TaskId>, BoardFault> {
        if let Some(names) = self.read.names.get() {
            return Ok(names);
        }
        let mut names = HashMap::new();
        for entry in self.files().list(LIVE_DIR).map_err(BoardFault::Unreadable)? {
            if let Some(id) = task_stem(&entry.name).and_then(|stem| TaskId::new(stem).ok()) {
                names.entry(id.folded()).or_insert(id);
            }
        }
        for id in self.archived()?.keys() {
            names.entry(id.folded()).or_insert_with(|| id.clone());
        }
        Ok(self.read.names.get_or_init(|| names))
    }

    /// Returns where the task's file is.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board cannot be read.
    pub fn place(&self, id: &TaskId) -> Result<Option<Place>, BoardFault> {
        if self.files().find(&task_path(id, &Place::Live)).map_err(BoardFault::Unreadable)?.is_some() {
            return Ok(Some(Place::Live));
        }
        Ok(self.archived()?.get(id).map(|archived| Place::Archived(archived.month.clone())))
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
        let Some(entry) = self.files().find(&path).map_err(BoardFault::Unreadable)? else { return Ok(None) };
        self.bytes(&path, &entry).map(Some).map_err(|v| broken(&[*v]))
    }
}

/// A file of the board as it was read: its content, or why there is none.
struct Fetched {
    path: String,
    bytes: Result<Vec<u8>, Box<Violation>>,
}

impl Live {
    /// Puts the task of a change where it belongs among the others.
    fn replace(&mut self, change: &TaskChange) {
        let id = &change.task.id;
        let at = self.tasks.binary_search_by(|card| card.id.cmp(id));
        match (at, &change.after) {
            (Ok(at), Place::Live) => self.tasks[at] = Card::of(change.task.clone()),
            (Err(at), Place::Live) => self.tasks.insert(at, Card::of(change.task.clone())),
            (Ok(at), Place::Archived(_)) => drop(self.tasks.remove(at)),
            (Err(_), Place::Archived(_)) => {}
        }
    }

    fn add(&mut self, files: impl Iterator<Item = Fetched>) {
        for file in files {
            match quick(&file) {
                Ok(task) => self.tasks.push(Card::of(task)),
                Err(mut violations) => self.invalid.append(&mut violations),
            }
        }
    }
}

/// Reads the fields that squad knows; on any doubt reads strictly, to say what is wrong.
fn quick(file: &Fetched) -> Result<Task, Vec<Violation>> {
    let bytes = file.bytes.as_ref().map_err(|v| vec![v.as_ref().clone()])?;
    let stem = file.path.rsplit('/').next().and_then(task_stem).unwrap_or_default();
    match serde_json::from_slice::<Task>(bytes) {
        Ok(task) if task.id.as_str() == stem => Ok(task),
        _ => strict(&file.path, stem, bytes).map(|(task, _)| task),
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

/// Returns the same of a file that squad has put together: the document that its bytes are.
///
/// # Errors
/// What is wrong with it.
pub(super) fn strict_written(path: &str, stem: &str, bytes: &[u8], document: &Json) -> Result<Task, Vec<Violation>> {
    let task = load_written_task(path, bytes, document)?;
    id_mismatch(path, stem, &task).map_or(Ok(task), |violation| Err(vec![violation]))
}

/// Returns what is wrong with the kind of a board file.
pub fn not_ordinary(path: &str, kind: EntryKind) -> Option<Violation> {
    review::check::not_ordinary(path, kind_of(kind))
}

/// Returns what a rule calls a kind of entry.
pub fn kind_of(kind: EntryKind) -> FileKind {
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
        if let Some(config) = self.read.config.get() {
            return Ok(config.as_ref());
        }
        let config = match self.files().find(CONFIG).map_err(BoardFault::Unreadable)? {
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
        Ok(self.read.config.get_or_init(|| config).as_ref())
    }

    fn task(&self, id: &TaskId) -> Result<Option<Placed>, BoardFault> {
        let Some(place) = self.place(id)? else { return Ok(None) };
        Ok(self.task_text(id, &place)?.map(|text| Placed { place, task: text.task.clone() }))
    }

    fn live(&self) -> Result<&[Card], BoardFault> {
        Ok(&self.all_live()?.tasks)
    }

    fn twin(&self, id: &TaskId) -> Result<Option<TaskId>, BoardFault> {
        Ok(self.names()?.get(&id.folded()).cloned())
    }

    fn locks(&self) -> Result<Rc<LocksFile>, BoardFault> {
        self.locks_at(&self.locks_path())
    }

    fn decided(&self, id: &OpId) -> Result<Option<Decided>, BoardFault> {
        Ok(self.decided.get(id).cloned())
    }

    fn earlier(&self, version: &str) -> Result<Option<Earlier>, BoardFault> {
        self.look_back(version)
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
