//! The files of a commit, and of the index.
//!
//! Reads through git objects only: nothing is checked out.

use std::collections::BTreeMap;
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
    entries: BTreeMap<String, Entry>,
}

impl IndexFiles {
    /// Returns the files of these entries. Paths of an unresolved merge are left out: they have no one content.
    pub fn new(objects: Rc<Objects>, staged: &[StagedEntry]) -> Self {
        let ordinary = staged.iter().filter(|e| e.stage == 0);
        let entries = ordinary.filter_map(|staged| {
            let path = staged.path_str()?.to_owned();
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            let entry = entry_of(name.as_bytes(), &staged.as_entry());
            Some((path, entry))
        });
        Self { objects, entries: entries.collect() }
    }
}

impl Files for IndexFiles {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError> {
        let prefix = format!("{folder}/");
        let mut found: Vec<Entry> = Vec::new();
        for (path, entry) in self.entries.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            match rest.split_once('/') {
                None => found.push(entry.clone()),
                Some((name, _)) if found.last().is_none_or(|last| last.name != name) => {
                    found.push(Entry { name: name.to_owned(), kind: EntryKind::Folder, id: None });
                }
                Some(_) => {}
            }
        }
        Ok(found)
    }

    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        Ok(self.entries.get(path).cloned())
    }

    fn read(&self, _: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        read_blob(&self.objects, entry)
    }
}
