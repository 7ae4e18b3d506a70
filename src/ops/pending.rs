//! Operations of this clone whose outcome is not known.
//!
//! Owns the queue folder. An operation is written there, durably, before its first push, and removed once it is
//! known what became of it: a process that dies in between leaves a note of what may have happened.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::model::id::{AgentName, OpId, TaskId};
use crate::model::operation::{Action, Operation};

/// The operations whose outcome is not known.
#[derive(Debug, Clone)]
pub struct Pending {
    folder: PathBuf,
}

impl Pending {
    /// Returns the queue in a folder, which need not be there yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self, id: OpId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Writes an operation down. It is on the disk when this returns.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn add(&self, operation: &Operation) -> io::Result<()> {
        make_private(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(operation.canonical().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.file(operation.id)).map_err(|e| e.error)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Tells whether an operation is there.
    pub fn has(&self, id: OpId) -> bool {
        self.file(id).exists()
    }

    /// Removes an operation; one that is not there is no failure.
    pub fn remove(&self, id: OpId) {
        // What stays behind is looked up again by `sync`, found on the board, and removed then.
        let _ = fs::remove_file(self.file(id));
    }

    /// Returns every operation, oldest first. A file that is none is left alone.
    pub fn all(&self) -> Vec<Operation> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut found: Vec<Operation> = entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|e| e == "json"))
            .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
            .collect();
        found.sort_by_key(|operation: &Operation| operation.id);
        found
    }

    /// Returns an operation that asks for the same.
    pub fn find(&self, action: &Action, task: Option<&TaskId>, actor: &AgentName) -> Option<Operation> {
        self.all().into_iter().find(|o| o.action == *action && o.task.as_ref() == task && o.actor == *actor)
    }
}

/// Makes a folder that nobody else may look into.
///
/// # Errors
/// Whatever the file system says.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}
