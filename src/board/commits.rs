//! The files of a commit, and of the index.
//!
//! Reads through git objects only: nothing is checked out.

use std::rc::Rc;

use super::files::{Entry, EntryKind, Files, MAX_FILE, ReadError, TooLarge};
use crate::git::{self, GitError, Objects, Oid, StagedEntry, Store};

/// Where objects are read from.
#[derive(Clone)]
pub enum Source {
    /// The private store.
    Store(Rc<Store>),
    /// The user's own repository.
    User(Rc<Objects>),
}

impl Source {
    /// Returns the objects.
    pub fn objects(&self) -> &Objects {
        match self {
            Self::Store(store) => store,
            Self::User(objects) => objects,
        }
    }
}

/// The files of a tree; no tree has no files.
pub struct TreeFiles {
    source: Source,
    tree: Option<Oid>,
}

impl TreeFiles {
    /// Returns the files of a tree.
    pub fn new(source: Source, tree: Option<Oid>) -> Self {
        Self { source, tree }
    }

    /// Reads something of the tree. A version of the board that the private store has, it has whole: what is missing
    /// there was lost, and the store is to be made anew.
    fn read_from<T>(&self, read: impl FnOnce(&Objects) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let read = read(self.source.objects());
        if let (Err(error), Source::Store(store)) = (&read, &self.source)
            && let Some(GitError::Missing { .. }) = error.downcast_ref()
        {
            store.condemn();
        }
        read
    }
}

fn kind_of(kind: git::EntryKind) -> EntryKind {
    match kind {
        git::EntryKind::File => EntryKind::File,
        git::EntryKind::Folder => EntryKind::Folder,
        git::EntryKind::Link => EntryKind::Link,
        git::EntryKind::Submodule => EntryKind::Submodule,
        // A mode that git does not write is no more ordinary than the executable bit.
        git::EntryKind::Executable | git::EntryKind::Other => EntryKind::Executable,
    }
}

fn entry_of(name: &[u8], entry: &git::Entry) -> Entry {
    Entry { name: String::from_utf8_lossy(name).into_owned(), kind: kind_of(entry.kind()), id: Some(entry.oid) }
}

fn read_blob(objects: &Objects, entry: &Entry) -> Result<Vec<u8>, ReadError> {
    let id = entry.id.ok_or("a folder of the index has no content")?;
    match objects.read_blob(id, MAX_FILE) {
        Ok(bytes) => Ok(bytes),
        Err(GitError::TooLarge { size, .. }) => Err(TooLarge { size }.into()),
        Err(error) => Err(error.into()),
    }
}

impl Files for TreeFiles {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError> {
        let Some(tree) = self.tree else { return Ok(Vec::new()) };
        let entries = |objects: &Objects, tree| -> Result<Vec<Entry>, ReadError> {
            Ok(objects.tree_entries(tree)?.iter().map(|e| entry_of(&e.name, e)).collect())
        };
        if folder.is_empty() {
            return self.read_from(|objects| entries(objects, tree));
        }
        self.read_from(|objects| match objects.lookup(tree, folder)? {
            Some(entry) if entry.kind() == git::EntryKind::Folder => entries(objects, entry.oid),
            _ => Ok(Vec::new()),
        })
    }

    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        let Some(tree) = self.tree else { return Ok(None) };
        let name = path.rsplit('/').next().unwrap_or(path);
        self.read_from(|objects| Ok(objects.lookup(tree, path)?.map(|entry| entry_of(name.as_bytes(), &entry))))
    }

    fn read(&self, _: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        self.read_from(|objects| read_blob(objects, entry))
    }
}

/// The files of the index: what the next commit of the user would hold.
pub struct IndexFiles {
    objects: Rc<Objects>,
    /// Those that have one content, in the order of the paths.
    staged: Vec<StagedEntry>,
}

impl IndexFiles {
    /// Returns the files of these entries. Paths of an unresolved merge are left out: they have no one content.
    pub fn new(objects: Rc<Objects>, mut staged: Vec<StagedEntry>) -> Self {
        staged.retain(|entry| entry.stage == 0);
        if !staged.is_sorted_by(|a, b| a.path <= b.path) {
            staged.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Self { objects, staged }
    }

    /// Returns what is staged from a path on.
    fn from(&self, path: &str) -> &[StagedEntry] {
        &self.staged[self.staged.partition_point(|entry| entry.path.as_slice() < path.as_bytes())..]
    }
}

impl Files for IndexFiles {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError> {
        let prefix = format!("{folder}/");
        let mut found: Vec<Entry> = Vec::new();
        for staged in self.from(&prefix) {
            let Some(rest) = staged.path.strip_prefix(prefix.as_bytes()) else { break };
            match rest.iter().position(|byte| *byte == b'/') {
                None => found.push(entry_of(rest, &staged.as_entry())),
                Some(end) => {
                    let name = String::from_utf8_lossy(&rest[..end]);
                    if found.last().is_none_or(|last| last.name != name) {
                        found.push(Entry { name: name.into_owned(), kind: EntryKind::Folder, id: None });
                    }
                }
            }
        }
        Ok(found)
    }

    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let found = self.from(path).first().filter(|staged| staged.path == path.as_bytes());
        Ok(found.map(|staged| entry_of(name.as_bytes(), &staged.as_entry())))
    }

    fn read(&self, _: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        read_blob(&self.objects, entry)
    }
}
