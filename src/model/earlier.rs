//! An earlier version of the board, and what has become of its tasks since.
//!
//! Owns what bringing a version back is decided on. Where versions are kept, and how they are read, is not known here.

use std::rc::Rc;

use super::board::{Place, Placed};
use super::config::BoardConfig;
use super::id::TaskId;
use super::locks::LocksFile;
use super::task::Task;

/// An earlier version of the board, seen from a later one.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// Its configuration; nothing where it had none that can be used.
    pub config: Option<BoardConfig>,
    /// The locks file as it was, and as it is.
    pub locks: (Rc<LocksFile>, Rc<LocksFile>),
    /// Each of its tasks whose file is another now, or gone, or elsewhere; by id.
    pub tasks: Vec<Departure>,
}

/// A task whose file is not what it was.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The task as it was, and where.
    pub then: Placed,
    /// Every folder in which a file of its name lies now.
    pub now: Vec<Place>,
    /// The task that lies there now, where its one file is the file of then with that task written over it: whatever else
    /// the file says is as it was.
    pub written_over: Option<Task>,
    /// Every version of it that can be read and that came after, oldest first. One that is damaged is not among them.
    pub since: Vec<Later>,
}

/// A later version of a task.
#[derive(Debug, Clone)]
pub struct Later {
    /// The task.
    pub task: Task,
    /// Whether an operation left it so, and not somebody's hand.
    pub by_operation: bool,
}

/// Files that an earlier version of the board had, brought back.
#[derive(Debug, Clone, PartialEq)]
pub struct Returned {
    /// The version.
    pub version: String,
    /// The tasks.
    pub tasks: Vec<ReturnedTask>,
    /// The configuration, where its file comes back as it was.
    pub config: Option<BoardConfig>,
    /// Whether the locks file comes back as it was.
    pub locks: bool,
}

/// A task that is brought back.
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnedTask {
    /// The task.
    pub id: TaskId,
    /// Where its file was in that version.
    pub from: Place,
    /// Where its file goes.
    pub to: Place,
    /// Other places where a file of its name lies, and goes.
    pub gone: Vec<Place>,
    /// What is written over the fields that the file had then; nothing where it comes back byte for byte.
    pub task: Option<Task>,
}
