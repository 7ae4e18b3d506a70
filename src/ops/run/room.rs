//! What stands of a run in this clone's state: who has the task, the record by which a run is found again, its files.

use std::fs::{self, File};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::super::queue::make_private;
use super::super::session::Session;
use crate::board::store::{AccessFault, write_whole};
use crate::model::id::{AgentName, Epoch, TaskId};
use crate::runner::Identity;

/// The setting that names another folder for worktrees.
const WORKTREES: &str = "squad.worktrees";

/// What the files of a run are told by.
const RECORD: &str = "json";
const BRIEF: &str = "brief";
const RESULT: &str = "result";
/// The file of a task that goes on later.
pub(super) const PARKED: &str = "parked";
/// The file of a run that is over and not on the board.
pub(super) const OVER: &str = "over";

/// A run on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub task: TaskId,
    pub agent: AgentName,
    pub epoch: Epoch,
    pub run: Identity,
    /// Whether its worktree was complete, and its command may have begun.
    #[serde(default)]
    pub ready: bool,
}

/// The right to run a task in this clone. The system takes it from a process that dies.
pub(super) struct Mine {
    lock: File,
    path: PathBuf,
}

impl Drop for Mine {
    fn drop(&mut self) {
        // While it is locked still: whoever has opened it meanwhile sees that it is no longer the file of that name.
        if is_at(&self.lock, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Tells whether a file is the one that has the name.
#[cfg(unix)]
fn is_at(file: &File, path: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |meta: fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().is_ok_and(|file| fs::metadata(path).is_ok_and(|named| place(file) == place(named)))
}

/// Where a file that is open has its name for as long.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &std::path::Path) -> bool {
    path.exists()
}

/// Where the files of one run are.
pub(super) struct Room {
    folder: PathBuf,
    stem: String,
    pub worktree: PathBuf,
    pub log: PathBuf,
}

fn folder(session: &Session) -> PathBuf {
    session.board.state_dir().join("runs")
}

fn failed(what: &'static str, path: PathBuf) -> impl FnOnce(std::io::Error) -> Failure {
    move |source| AccessFault::State { what, path, source }.into()
}

/// Takes the right to run a task; nothing where another process has it.
pub(super) fn take(session: &Session, task: &TaskId) -> Result<Option<Mine>, Failure> {
    let locks = folder(session).join("locks");
    let path = locks.join(task.folded());
    make_private(&locks).map_err(failed("make", locks))?;
    loop {
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = opened.map_err(failed("open", path.clone()))?;
        match lock.try_lock() {
            Ok(()) if is_at(&lock, &path) => return Ok(Some(Mine { lock, path })),
            // Whoever had it has removed it just now.
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            // Twice at once is worse than not at all.
            Err(fs::TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
        }
    }
}

/// Returns the runs on record, with their files.
pub(super) fn records(session: &Session) -> Vec<(PathBuf, Record)> {
    let records = with_extension(session, RECORD).into_iter();
    records.filter_map(|path| Some((path.clone(), serde_json::from_slice(&fs::read(path).ok()?).ok()?))).collect()
}

/// Returns the notes of one kind, as far as they can be read.
pub(super) fn notes<T: DeserializeOwned>(session: &Session, extension: &str) -> Vec<T> {
    let notes = with_extension(session, extension).into_iter();
    notes.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect()
}

/// Returns the files of runs of one kind.
fn with_extension(session: &Session, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(session)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

/// Returns the file that notes a task which goes on later.
pub(super) fn parked(session: &Session, task: &TaskId, epoch: Epoch) -> PathBuf {
    folder(session).join(format!("{}.{PARKED}", stem(task, epoch)))
}

/// Returns where the work under a claim is done: in the folder that git's settings name, from that of the call, else in
/// this clone's state.
pub(super) fn worktree(session: &Session, task: &TaskId, epoch: Epoch) -> PathBuf {
    let folder = match session.board.settings.get(WORKTREES).filter(|path| !path.is_empty()) {
        Some(path) => session.board.place.run_dir().join(path),
        None => session.board.state_dir().join("worktrees"),
    };
    folder.join(stem(task, epoch))
}

fn stem(task: &TaskId, epoch: Epoch) -> String {
    format!("{}-{epoch}", task.folded())
}

impl Room {
    /// Returns the room of a run; `tag` names this one of the runs under one claim.
    pub fn of(session: &Session, agent: &AgentName, task: &TaskId, epoch: Epoch, tag: &str) -> Result<Self, Failure> {
        let state = session.board.state_dir();
        let stem = stem(task, epoch);
        let name = agent.folded();
        let plain = !name.starts_with('.') && !name.contains(['/', '\\', '\0', ':']);
        let logs = state.join("logs").join(if plain { &name } else { "another" });
        let folder = folder(session);
        let worktree = worktree(session, task, epoch);
        for made in [Some(&*folder), worktree.parent()].into_iter().flatten() {
            make_private(made).map_err(failed("make", made.to_owned()))?;
        }
        let log = logs.join(format!("{stem}-{tag}.log"));
        Ok(Self { worktree, folder, stem, log })
    }

    /// Returns the file of the record.
    pub fn record(&self) -> PathBuf {
        self.folder.join(format!("{}.{RECORD}", self.stem))
    }

    /// Returns the file that notes a run which is over and not on the board.
    pub fn over(&self) -> PathBuf {
        self.folder.join(format!("{}.{OVER}", self.stem))
    }

    /// Returns the file that the command finds its task in.
    pub fn brief(&self) -> PathBuf {
        self.folder.join(format!("{}.{BRIEF}", self.stem))
    }

    /// Returns the file that the command leaves its result in.
    pub fn result(&self) -> PathBuf {
        self.folder.join(format!("{}.{RESULT}", self.stem))
    }

    /// Puts the run on record.
    pub fn keep(&self, record: &Record) -> Result<(), Failure> {
        Self::write(&self.record(), &serde_json::to_vec(record).expect("a record is JSON"))
    }

    /// Writes one of them.
    pub fn write(path: &std::path::Path, bytes: &[u8]) -> Result<(), Failure> {
        write_whole(path, bytes).map_err(failed("write", path.to_owned()))
    }

    /// Removes what is of no use once the run is over. Losing the removal costs a look at the next run.
    pub fn clear(&self) {
        // The record goes last: what else is left is found by it.
        for path in [self.over(), self.brief(), self.result(), self.log.with_extension("yield"), self.record()] {
            let _ = fs::remove_file(path);
        }
    }
}
