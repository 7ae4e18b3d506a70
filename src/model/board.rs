//! What a decision reads and what it yields.
//!
//! [`Board`] is the reading side: one version of the board, whatever it comes from. [`Changeset`] is the writing
//! side: what is to be different. Neither knows of files or commits.

use std::rc::Rc;

use super::card::Card;
use super::config::BoardConfig;
use super::earlier::{Earlier, Returned};
use super::id::{Epoch, OpId, TaskId};
use super::locks::{Coordination, LocksFile};
use super::refusal::Refusal;
use super::task::Task;
use super::time::month;
use super::vocabulary::Status;
use crate::model::ordered::IndexMap;

/// One version of the board.
///
/// Reading is lazy: a decision asks only for what it needs.
pub trait Board {
    /// Returns the configuration, or `None` where there is no board yet.
    ///
    /// # Errors
    /// [`BoardFault`] when the file is there and cannot be used.
    fn config(&self) -> Result<Option<&BoardConfig>, BoardFault>;

    /// Returns the task of that id, live or archived.
    ///
    /// # Errors
    /// [`BoardFault`] when its file is there and cannot be used.
    fn task(&self, id: &TaskId) -> Result<Option<Placed>, BoardFault>;

    /// Returns the card of every live task that can be read; broken files are left out.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board itself cannot be read.
    fn live(&self) -> Result<&[Card], BoardFault>;

    /// Returns the id on the board, live or archived, that folds to the same lower case.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board itself cannot be read.
    fn twin(&self, id: &TaskId) -> Result<Option<TaskId>, BoardFault>;

    /// Returns the locks file as it stands.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board itself cannot be read.
    fn locks(&self) -> Result<Rc<LocksFile>, BoardFault>;

    /// Returns what became of an operation that this version of the board has already decided.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the history cannot be read.
    fn decided(&self, id: &OpId) -> Result<Option<Decided>, BoardFault>;

    /// Returns an earlier version of this board, by its commit, and what has become of its tasks since; nothing where
    /// it is no version of this board.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the history from there to here is not known: then nobody can tell.
    fn earlier(&self, _version: &str) -> Result<Option<Earlier>, BoardFault> {
        Err(BoardFault::Unreadable("its history is not here".into()))
    }
}

/// Why the board could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BoardFault {
    /// A file that the operation touches is broken.
    #[error("{file} is broken: {message}")]
    Broken {
        /// The path within the repository.
        file: String,
        /// Where in the file, as a JSON pointer.
        pointer: String,
        /// What is wrong.
        message: String,
    },
    /// A file that the operation touches is of a newer version than this build can write.
    #[error("{file} has schemaVersion {found}; this build of squad writes version {known}")]
    Newer {
        /// The path within the repository.
        file: String,
        /// Its version.
        found: u64,
        /// The newest version that this build knows.
        known: u64,
    },
    /// The board itself cannot be read.
    #[error("the board cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A task and where its file is.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The folder that the file is in.
    pub place: Place,
    /// The task.
    pub task: Task,
}

impl Changeset {
    /// Returns the configuration that it brings.
    pub fn new_config(&self) -> Option<&BoardConfig> {
        self.config.as_ref().or_else(|| self.returned.as_ref()?.config.as_ref())
    }
}

/// The folder of a task's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// With the tasks that are worked on.
    Live,
    /// Put away, by month (`2026-11`).
    Archived(String),
}

impl Place {
    /// Returns where a task belongs, and under which month it is put away.
    pub fn of(task: &Task) -> Self {
        if task.status == Status::Archived { Self::Archived(month(task.updated_at)) } else { Self::Live }
    }
}

/// What an operation does to a board.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It changes the board.
    Applied(Box<Changeset>),
    /// What it asks for is already so.
    Unchanged(Unchanged),
    /// This very operation has been decided before.
    AlreadyDecided(Decided),
    /// It may not happen.
    Refused(Refusal),
}

/// What is to be different on the board.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changeset {
    /// Tasks that are new, changed or moved.
    pub tasks: Vec<TaskChange>,
    /// The new configuration.
    pub config: Option<BoardConfig>,
    /// The new locks file.
    pub locks: Option<Coordination>,
    /// What comes back from an earlier version.
    pub returned: Option<Returned>,
    /// Whether the board is being made, with the files around it.
    pub founding: bool,
    /// What the receipt says.
    pub receipt: ReceiptFacts,
    /// What the actor should know though it was no reason to refuse.
    pub warnings: Vec<String>,
}

/// One task that is new, changed or moved.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskChange {
    /// Where its file was; `None` for a new task.
    pub before: Option<Place>,
    /// Where its file goes.
    pub after: Place,
    /// The task as it is to be.
    pub task: Task,
    /// Fields of a new task that squad does not know.
    pub extra: IndexMap<String, serde_json::Value>,
}

/// What the receipt of a change says beyond the operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptFacts {
    /// The tasks that the change is about, at most a handful; a mass operation names none.
    pub tasks: Vec<TaskId>,
    /// The status before; absent for new tasks and changes of the board itself.
    pub from: Option<Status>,
    /// The status after.
    pub to: Option<Status>,
    /// The fencing number after.
    pub epoch: Option<Epoch>,
}

/// What is already as it was asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Unchanged {
    /// The task, where it is about one.
    pub task: Option<Box<Task>>,
    /// What is already so, as a sentence without its end.
    pub why: String,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The commit that says so.
    pub commit: String,
    /// The code of the refusal, where it was refused.
    pub refused: Option<String>,
}
