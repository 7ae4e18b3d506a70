//! What differs between trees, as paths and as objects.
//!
//! Reads only the folders that differ; no blob is read.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::rc::Rc;

use super::history::effective_parents;
use super::objects::{CommitInfo, EntryKind, MODE_FILE, Objects};
use super::pack::Fresh;
use super::trees::{Slice, Tree, position, tree_order};
use super::{GitError, Oid};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// Its content or mode is another.
    Modified,
    /// It is gone.
    Deleted,
}

/// A path that differs between two trees. Renames are a deletion and an addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPath {
    /// The path from the root, with what is not UTF-8 replaced.
    pub path: String,
    /// What happened.
    pub change: Change,
    /// Mode and object before, where it was there.
    pub old: Option<(u32, Oid)>,
    /// Mode and object after, where it is there.
    pub new: Option<(u32, Oid)>,
}

impl ChangedPath {
    /// Tells whether what is there after, if anything, is an ordinary file: the only sort that squad writes.
    pub fn is_ordinary(&self) -> bool {
        self.new.is_none_or(|(mode, _)| mode == MODE_FILE)
    }
}

/// Objects to bring into another repository.
pub(super) struct Parcel<'a> {
    /// Where they come from.
    pub store: &'a Objects,
    /// Which they are.
    pub objects: Vec<Oid>,
}

impl Parcel<'_> {
    /// Returns them as a pack.
    ///
    /// # Errors
    /// [`GitError::Library`] where one cannot be read.
    pub fn pack(&self) -> Result<Vec<u8>, GitError> {
        let fail = || GitError::library("pack objects");
        let mut builder = self.store.repo.packbuilder().map_err(fail())?;
        builder.set_threads(1);
        for oid in &self.objects {
            builder.insert_object(oid.raw(), None).map_err(fail())?;
        }
        let mut pack = git2::Buf::new();
        builder.write_buf(&mut pack).map_err(fail())?;
        Ok(pack.to_vec())
    }
}

impl Objects {
    /// Returns the paths that differ between two trees, sorted; nothing stands for the empty tree.
    ///
    /// # Errors
    /// [`GitError::Missing`] where a folder that differs is not here.
    pub fn diff_trees(&self, old: Option<Oid>, new: Option<Oid>) -> Result<Vec<ChangedPath>, GitError> {
        let mut changes = Vec::new();
        self.diff_below(old, new, "", &mut changes)?;
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// Returns everything that `head` reaches and `base` does not; everything, where there is no base.
    ///
    /// # Errors
    /// [`GitError::Missing`] where history has a hole.
    pub(super) fn parcel(&self, head: Oid, base: Option<Oid>) -> Result<Parcel<'_>, GitError> {
        let fresh = self.new_in(self.walk(head, base)?.iter().rev())?;
        Ok(Parcel { store: self, objects: fresh.into_iter().map(|object| object.oid).collect() })
    }

    /// Returns everything that these commits have and their first parents do not, each with what stood in its place
    /// before, and what a tree or commit names before it.
    ///
    /// # Errors
    /// [`GitError::Missing`] where history has a hole.
    pub(super) fn new_in<'a>(&self, commits: impl Iterator<Item = &'a CommitInfo>) -> Result<Vec<Fresh>, GitError> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for commit in commits {
            let parent = effective_parents(commit).first().map(|parent| self.read_commit(*parent)).transpose()?;
            self.new_below(parent.map(|parent| parent.tree), commit.tree, &mut found, &mut seen)?;
            found.push(Fresh { oid: commit.oid, base: None });
        }
        Ok(found)
    }

    /// Collects the trees and blobs of `new` that `old` does not have at the same place.
    fn new_below(
        &self,
        old: Option<Oid>,
        new: Oid,
        found: &mut Vec<Fresh>,
        seen: &mut HashSet<Oid>,
    ) -> Result<(), GitError> {
        if old == Some(new) || !seen.insert(new) {
            return Ok(());
        }
        let before = old.map_or_else(|| Ok(Rc::default()), |oid| self.tree_entries(oid))?;
        for entry in &*self.tree_entries(new)? {
            let before = position(&before, &entry.name).map(|at| &before[at]);
            if before.is_some_and(|before| before.oid == entry.oid) {
                continue;
            }
            let before = before.filter(|before| before.kind() == entry.kind()).map(|before| before.oid);
            match entry.kind() {
                EntryKind::Folder => self.new_below(before, entry.oid, found, seen)?,
                EntryKind::Submodule => {}
                _ if seen.insert(entry.oid) => found.push(Fresh { oid: entry.oid, base: before }),
                _ => {}
            }
        }
        found.push(Fresh { oid: new, base: old });
        Ok(())
    }

    fn diff_below(
        &self,
        old: Option<Oid>,
        new: Option<Oid>,
        prefix: &str,
        changes: &mut Vec<ChangedPath>,
    ) -> Result<(), GitError> {
        if old == new {
            return Ok(());
        }
        let read = |oid: Option<Oid>| oid.map(|oid| self.tree(oid)).transpose();
        let (old, new) = (read(old)?, read(new)?);
        let (mut left, mut right) = (0, 0);
        loop {
            if let (Some(old), Some(new)) = (&old, &new) {
                // Most entries are the same.
                let alike = old.alike(left, new, right);
                (left, right) = (left + alike, right + alike);
            }
            // Both sides are in git's order, so equal entries meet; a folder and a file of one name do not.
            let (before, after) = (entry_of(old.as_deref(), left), entry_of(new.as_deref(), right));
            let order = match (before, after) {
                (None, None) => return Ok(()),
                (_, None) => Ordering::Less,
                (None, _) => Ordering::Greater,
                (Some(before), Some(after)) => tree_order(before, after),
            };
            let before = before.filter(|_| order != Ordering::Greater);
            let after = after.filter(|_| order != Ordering::Less);
            left += usize::from(before.is_some());
            right += usize::from(after.is_some());
            let Some(either) = before.or(after) else { return Ok(()) };
            let value = |entry: Slice<'_>| (entry.mode, entry.oid());
            let (from, to) = (before.map(value), after.map(value));
            if from == to {
                // The same mode, spelled otherwise.
                continue;
            }
            let path = format!("{prefix}{}", String::from_utf8_lossy(either.name));
            if either.to_entry().kind() == EntryKind::Folder {
                let oid = |value: Option<(u32, Oid)>| value.map(|(_, oid)| oid);
                self.diff_below(oid(from), oid(to), &format!("{path}/"), changes)?;
                continue;
            }
            let change = match (from.is_some(), to.is_some()) {
                (false, _) => Change::Added,
                (true, false) => Change::Deleted,
                (true, true) => Change::Modified,
            };
            changes.push(ChangedPath { path, change, old: from, new: to });
        }
    }
}

/// Returns the entry at a place in a tree; nothing where there is none or no tree.
fn entry_of(tree: Option<&Tree>, at: usize) -> Option<Slice<'_>> {
    tree.and_then(|tree| tree.get(at))
}
