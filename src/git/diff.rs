//! What differs between trees, as paths and as a pack of objects.
//!
//! Reads only the folders that differ; no blob is read.

use std::cmp::Ordering;
use std::collections::HashSet;

use git2::ObjectType;

use super::history::effective_parents;
use super::objects::{MODE_TREE, Objects, mode_of};
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

/// Objects to bring into another repository.
pub(super) struct Pack {
    /// The pack.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub objects: Vec<Oid>,
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

    /// Returns a pack of everything that `head` reaches and `base` does not; everything, where there is no base.
    ///
    /// # Errors
    /// [`GitError::Missing`] where history has a hole.
    pub(super) fn pack(&self, head: Oid, base: Option<Oid>) -> Result<Pack, GitError> {
        let fail = || GitError::library("pack objects");
        let mut builder = self.repo.packbuilder().map_err(fail())?;
        builder.set_threads(1);
        let mut packed = HashSet::new();
        for commit in self.walk(head, base)? {
            packed.insert(commit.oid);
            let parent = effective_parents(&commit).first().map(|parent| self.read_commit(*parent)).transpose()?;
            self.new_objects(parent.map(|parent| parent.tree), commit.tree, &mut packed)?;
        }
        for oid in &packed {
            builder.insert_object(oid.raw(), None).map_err(fail())?;
        }
        let mut pack = git2::Buf::new();
        builder.write_buf(&mut pack).map_err(fail())?;
        Ok(Pack { bytes: pack.to_vec(), objects: packed.into_iter().collect() })
    }

    /// Collects the trees and blobs of `new` that `old` does not have at the same place.
    fn new_objects(&self, old: Option<Oid>, new: Oid, found: &mut HashSet<Oid>) -> Result<(), GitError> {
        if old == Some(new) || !found.insert(new) {
            return Ok(());
        }
        let old = old.map(|oid| self.tree(oid)).transpose()?;
        for entry in &self.tree(new)? {
            let before = old.as_ref().and_then(|old| old.get_name_bytes(entry.name_bytes()));
            if before.as_ref().is_some_and(|before| before.id() == entry.id()) {
                continue;
            }
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let before = before.filter(|before| before.kind() == Some(ObjectType::Tree));
                    self.new_objects(before.map(|before| before.id().into()), entry.id().into(), found)?;
                }
                Some(ObjectType::Blob) => {
                    found.insert(entry.id().into());
                }
                _ => {}
            }
        }
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
        let (old, new) = (old.map(|oid| self.tree(oid)).transpose()?, new.map(|oid| self.tree(oid)).transpose()?);
        let (mut left, mut right) = (Side::of(old.as_ref()), Side::of(new.as_ref()));
        loop {
            // Both sides are in git's order, so equal entries meet; a folder and a file of one name do not.
            let (before, after) = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (before, None) => (before, None),
                (None, after) => (None, after),
                (Some(before), Some(after)) => match tree_order(&before, &after) {
                    Ordering::Less => (Some(before), None),
                    Ordering::Greater => (None, Some(after)),
                    Ordering::Equal => (Some(before), Some(after)),
                },
            };
            left.next += usize::from(before.is_some());
            right.next += usize::from(after.is_some());
            let Some(name) = before.as_ref().or(after.as_ref()).map(git2::TreeEntry::name_bytes) else { return Ok(()) };
            let value = |entry: &git2::TreeEntry<'_>| (mode_of(entry.filemode_raw()), Oid::from(entry.id()));
            let (from, to) = (before.as_ref().map(value), after.as_ref().map(value));
            if from == to {
                continue;
            }
            let path = format!("{prefix}{}", String::from_utf8_lossy(name));
            if before.as_ref().or(after.as_ref()).is_some_and(is_folder) {
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

/// A tree that is being stepped through.
struct Side<'a> {
    tree: Option<&'a git2::Tree<'a>>,
    next: usize,
}

impl<'a> Side<'a> {
    fn of(tree: Option<&'a git2::Tree<'a>>) -> Self {
        Self { tree, next: 0 }
    }

    fn peek(&self) -> Option<git2::TreeEntry<'a>> {
        self.tree?.get(self.next)
    }
}

fn is_folder(entry: &git2::TreeEntry<'_>) -> bool {
    mode_of(entry.filemode_raw()) == MODE_TREE
}

/// Compares entries as trees are sorted: a folder's name counts as if it ended in a slash.
fn tree_order(a: &git2::TreeEntry<'_>, b: &git2::TreeEntry<'_>) -> Ordering {
    let key = |entry: &git2::TreeEntry<'_>| is_folder(entry).then_some(b'/');
    a.name_bytes().iter().copied().chain(key(a)).cmp(b.name_bytes().iter().copied().chain(key(b)))
}
