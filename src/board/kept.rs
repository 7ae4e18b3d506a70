//! What has been read of files in this process, for whoever comes by the same content again.
//!
//! Told by the ids of blobs, which never mean another content: so whatever is found here is what reading would give, and
//! what was written need not be read once more as what the next change is made on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Oid;
use crate::model::id::TaskId;
use crate::model::task::Task;
use crate::schema::{Json, LocksText};

/// How many bytes of tasks' files are kept before the oldest are let go, and at most as many again: a thousand usual
/// tasks, which are worked on again and again.
const TEXT_KEPT: usize = 4 << 20;

/// Most tasks of one change that are kept: of a whole board at once most would not be needed again.
pub(super) const KEPT_OF_A_CHANGE: usize = 128;

/// A task's file, which has passed the schema.
pub struct TaskText {
    /// The text.
    pub bytes: Arc<Vec<u8>>,
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
    tasks: RefCell<Tasks>,
    locks: RefCell<Option<(Oid, Rc<LocksText>)>>,
}

/// The newest version that was seen of each task.
#[derive(Default)]
struct Tasks {
    /// Those that were asked for since the others became `older`, and how long their texts are together.
    recent: HashMap<TaskId, (Oid, Rc<TaskText>)>,
    size: usize,
    /// Those before them: gone when there are too many recent ones once more.
    older: HashMap<TaskId, (Oid, Rc<TaskText>)>,
}

impl Kept {
    /// Keeps what a file says.
    pub fn keep(&self, file: Oid, read: Read) {
        match read {
            Read::Locks(locks) => *self.locks.borrow_mut() = Some((file, locks)),
            Read::Task(task) => self.tasks.borrow_mut().keep(file, task),
        }
    }

    /// Returns what a file says of a task, where it is the version of it that was seen last.
    pub fn task(&self, id: &TaskId, file: Oid) -> Option<Rc<TaskText>> {
        self.tasks.borrow_mut().get(id, file)
    }

    /// Returns what a locks file says.
    pub fn locks(&self, file: Oid) -> Option<Rc<LocksText>> {
        let locks = self.locks.borrow();
        locks.as_ref().filter(|(known, _)| *known == file).map(|(_, locks)| locks.clone())
    }
}

impl Tasks {
    fn keep(&mut self, file: Oid, task: Rc<TaskText>) {
        let id = task.task.id.clone();
        self.older.remove(&id);
        self.size += task.bytes.len();
        if let Some((_, before)) = self.recent.insert(id, (file, task)) {
            self.size -= before.bytes.len();
        }
        if self.size > TEXT_KEPT {
            (self.older, self.size) = (std::mem::take(&mut self.recent), 0);
        }
    }

    fn get(&mut self, id: &TaskId, file: Oid) -> Option<Rc<TaskText>> {
        if let Some((older, task)) = self.older.remove(id) {
            self.keep(older, task);
        }
        let known = self.recent.get(id).or_else(|| self.older.get(id));
        known.filter(|(known, _)| *known == file).map(|(_, task)| task.clone())
    }
}
