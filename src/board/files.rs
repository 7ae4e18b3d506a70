//! The files of one version of the board, wherever they are: in a commit, in the index, in a folder, in memory.
//!
//! Owns the one interface that a snapshot reads through. Knows paths and bytes, not tasks.

use std::error::Error;

use super::Oid;

/// Largest file that is read, in bytes: what is larger is no task, and reading it could exhaust the machine.
pub const MAX_FILE: u64 = 1024 * 1024;

/// A failure to read, in the words of whatever was read.
pub type ReadError = Box<dyn Error + Send + Sync>;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The last part of the path.
    pub name: String,
    /// What sort of thing it is.
    pub kind: EntryKind,
    /// An id of its content that never means another content, where there is one.
    pub id: Option<Oid>,
}

/// What sort of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// An ordinary file.
    File,
    /// A file that may be executed.
    Executable,
    /// A link: never followed.
    Link,
    /// A folder.
    Folder,
    /// Another repository.
    Submodule,
}

/// One version of the files.
pub trait Files {
    /// Returns what is in a folder, in the order of the names; nothing where there is no such folder. The empty path is the
    /// top of a commit or of a folder.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError>;

    /// Returns what stands at a path.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError>;

    /// Returns the content of the file at a path.
    ///
    /// # Errors
    /// [`ReadError`] when it is not there, is larger than [`MAX_FILE`], or cannot be read.
    fn read(&self, path: &str, entry: &Entry) -> Result<Vec<u8>, ReadError>;
}

/// A file larger than [`MAX_FILE`].
#[derive(Debug, thiserror::Error)]
#[error("it has {size} bytes, more than the {MAX_FILE} that a file of the board may have")]
pub struct TooLarge {
    /// Its size in bytes.
    pub size: u64,
}
