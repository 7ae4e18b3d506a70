//! From built to durable: objects are built in memory, and written as one pack before anything refers to them.
//!
//! Owns when that happens and who takes turns at it. What a pack is, `pack` knows. What was built and never hardened
//! vanishes with the process, as if it had never been.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::{ObjectType, Odb, OdbLookupFlags, Repository};

use super::history::effective_parents;
use super::objects::{Objects, missing_or};
use super::pack::{self, Fresh, Kind, Mode, Raw, object_name};
use super::store::Store;
use super::{GitError, Oid};

/// In front of whatever is on the disk.
const MEMORY_FIRST: i32 = 1000;

/// How much may stay in memory after it is on the disk, in bytes: what has just been published is often read at once.
const KEPT: usize = 4 * 1024 * 1024;

/// How long another process may be at the pack that grows before a pack is made beside it. It takes milliseconds.
const TURN_PATIENCE: Duration = Duration::from_secs(2);

/// What is built and not on the disk yet.
pub(super) struct Memory {
    folder: PathBuf,
    drafts: RefCell<Vec<Fresh>>,
    /// What is in memory, in bytes.
    weight: Cell<usize>,
    /// Whether what is in memory is on the disk as well.
    hardened: Cell<bool>,
}

impl Memory {
    /// Lets a repository keep in memory what is written from now on. Nothing where libgit2 cannot be told where its
    /// objects are; they are then written one by one.
    pub fn begin(repo: &Repository, folder: &Path) -> Result<Option<Self>, GitError> {
        if folder.to_str().is_none() {
            return Ok(None);
        }
        let memory = Self {
            folder: folder.to_owned(),
            drafts: RefCell::default(),
            weight: Cell::new(0),
            hardened: Cell::new(false),
        };
        memory.renew(repo)?;
        Ok(Some(memory))
    }

    /// Begins with nothing in memory, and with the packs that are there now: libgit2 keeps those open that are gone.
    fn renew(&self, repo: &Repository) -> Result<(), GitError> {
        let renewed = Odb::new().and_then(|odb| {
            odb.add_disk_alternate(&self.folder.to_string_lossy())?;
            odb.add_new_mempack_backend(MEMORY_FIRST)?;
            repo.set_odb(&odb)
        });
        renewed.map_err(GitError::library("open the object store"))?;
        self.weight.set(0);
        self.hardened.set(false);
        Ok(())
    }
}

impl From<Kind> for ObjectType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Commit => Self::Commit,
            Kind::Tree => Self::Tree,
            Kind::Blob => Self::Blob,
        }
    }
}

impl Objects {
    /// Stores an object and returns its name. `base` is what stood in its place before.
    pub(super) fn write(&self, kind: Kind, bytes: &[u8], base: Option<Oid>) -> Result<Oid, GitError> {
        let fail = || GitError::library("write an object");
        let Some(memory) = &self.memory else {
            return self.odb()?.write(kind.into(), bytes).map(Oid::from).map_err(fail());
        };
        let oid = object_name(kind, bytes);
        // Packs that came a moment ago are not looked for: an object that is in two packs does no harm.
        if self.odb()?.exists_ext(oid.raw(), OdbLookupFlags::NO_REFRESH) {
            return Ok(oid);
        }
        if memory.hardened.get() {
            memory.renew(&self.repo)?;
        }
        let oid = self.odb()?.write(kind.into(), bytes).map(Oid::from).map_err(fail())?;
        memory.drafts.borrow_mut().push(Fresh { oid, base });
        memory.weight.set(memory.weight.get() + bytes.len());
        Ok(oid)
    }

    /// Notes what a new object takes the place of, where that turns out later than the object.
    pub(super) fn succeeds(&self, new: Oid, old: Oid) {
        let Some(memory) = &self.memory else { return };
        if let Some(draft) = memory.drafts.borrow_mut().iter_mut().rfind(|draft| draft.oid == new) {
            draft.base.get_or_insert(old);
        }
    }

    /// Returns an object as it is stored.
    pub(super) fn raw(&self, oid: Oid) -> Result<Raw, GitError> {
        if let Some(tree) = self.known_tree(oid) {
            return Ok((Kind::Tree, tree.bytes.clone()));
        }
        let odb = self.odb()?;
        let object = odb.read(oid.raw()).map_err(|error| missing_or(oid, "read an object", error))?;
        let kind = match object.kind() {
            ObjectType::Commit => Kind::Commit,
            ObjectType::Tree => Kind::Tree,
            ObjectType::Blob => Kind::Blob,
            _ => return Err(GitError::WrongKind { oid, expected: "commit, tree or blob" }),
        };
        Ok((kind, object.data().into()))
    }
}

impl Store {
    /// Writes everything that was built since the last time, as one pack; it is durable when this returns.
    ///
    /// # Errors
    /// [`GitError::Io`] where the disk refuses; what was built is then still in memory.
    pub fn harden(&self) -> Result<(), GitError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let drafts = memory.drafts.take();
        if drafts.is_empty() {
            return Ok(());
        }
        let turn = self.turn();
        let mode = if turn.is_some() { Mode::Grow } else { Mode::Apart };
        let written = pack::write(self.path(), &drafts, mode, &|oid| self.raw(oid));
        match &written {
            Ok(_) => memory.hardened.set(true),
            Err(_) => memory.drafts.replace(drafts).clear(),
        }
        if written.is_ok() && memory.weight.get() > KEPT {
            // Where this fails, the next write tries it again.
            let _ = memory.renew(&self.repo);
        }
        written.map(drop)
    }

    /// Takes the small pack that a head has just arrived in into the pack that grows: there each version of a large
    /// folder is a difference, while git puts a whole one into every pack. Does nothing where there is no such pack.
    ///
    /// # Errors
    /// [`GitError`] where something cannot be read or written; nothing is lost then.
    pub(super) fn gather(&self, head: Oid) -> Result<(), GitError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        // Whoever has the turn now may gather the same.
        let Some(_turn) = self.turn() else { return Ok(()) };
        let Some(small) = pack::small_with(self.path(), head) else { return Ok(()) };
        let mut left: HashSet<Oid> = small.objects.iter().copied().collect();
        let (mut commits, mut next) = (Vec::new(), Some(head));
        while let Some(oid) = next.filter(|oid| left.contains(oid)) {
            let commit = match self.read_commit(oid) {
                Err(GitError::WrongKind { .. }) => break,
                commit => commit?,
            };
            next = effective_parents(&commit).first().copied();
            commits.push(commit);
        }
        let mut fresh = self.new_in(commits.iter().rev())?;
        fresh.retain(|object| left.remove(&object.oid));
        // What the walk did not meet is what git has added for its own differences.
        fresh.splice(0..0, left.into_iter().map(|oid| Fresh { oid, base: None }));
        let grown = pack::write(self.path(), &fresh, Mode::Grow, &|oid| self.raw(oid))?;
        small.give_way_to(self.path(), grown);
        if memory.drafts.borrow().is_empty() {
            memory.renew(&self.repo)?;
        }
        Ok(())
    }

    /// Waits for the turn at the pack that grows.
    pub(super) fn turn(&self) -> Option<fs::File> {
        self.gate("pack.gate", Instant::now() + TURN_PATIENCE).unwrap_or(None)
    }
}

#[cfg(all(test, unix))]
#[path = "harden_tests.rs"]
mod tests;
