//! What has been read of files in this process, for whoever comes by the same content again.
//!
//! Keyed by the ids of blobs, which never mean another content: so whatever is found here is what reading would give, and
//! what was written and read back need not be read once more as what the next change is made on.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::Oid;
use crate::model::task::Task;
use crate::schema::{Json, LocksText};

/// How many tasks are kept: a few megabytes, and more than are worked on at once on most boards.
pub(super) const TASKS_KEPT: usize = 128;

/// A task's file, which has passed the schema.
pub struct TaskText {
    /// The text.
    pub bytes: Vec<u8>,
    /// The same, as a document.
    pub document: Json,
    /// The same, as a task.
    pub task: Task,
}

/// A file that was read.
#[derive(Clone)]
pub enum Read {
    /// A task.
    Task(Rc<TaskText>),
    /// The locks.
    Locks(Rc<LocksText>),
}

/// The files that were read last.
#[derive(Default)]
pub(super) struct Kept {
    /// The newest in front.
    tasks: RefCell<VecDeque<(Oid, Rc<TaskText>)>>,
    locks: RefCell<Option<(Oid, Rc<LocksText>)>>,
}

impl Kept {
    /// Keeps what a file says.
    pub fn keep(&self, file: Oid, read: Read) {
        match read {
            Read::Locks(locks) => *self.locks.borrow_mut() = Some((file, locks)),
            Read::Task(task) => {
                let mut tasks = self.tasks.borrow_mut();
                tasks.truncate(TASKS_KEPT - 1);
                tasks.push_front((file, task));
            }
        }
    }

    /// Returns the task that a file is.
    pub fn task(&self, file: Oid) -> Option<Rc<TaskText>> {
        let tasks = self.tasks.borrow();
        tasks.iter().find(|(known, _)| *known == file).map(|(_, task)| task.clone())
    }

    /// Returns what a locks file says.
    pub fn locks(&self, file: Oid) -> Option<Rc<LocksText>> {
        let locks = self.locks.borrow();
        locks.as_ref().filter(|(known, _)| *known == file).map(|(_, locks)| locks.clone())
    }
}
