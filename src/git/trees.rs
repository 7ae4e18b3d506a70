//! Trees as bytes: read into entries, written from entries, edited by paths.
//!
//! Done here and not by libgit2, which sorts a folder of ten thousand files anew for each change of one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::objects::{Entry, EntryKind, MODE_FILE, MODE_TREE, Objects};
use super::pack::Kind;
use super::{GitError, Oid};

/// A tree, read.
pub(super) struct Tree {
    /// As it is stored.
    pub bytes: Rc<[u8]>,
    /// The same, in the same order.
    pub entries: Rc<[Entry]>,
}

impl Tree {
    /// Reads a tree; nothing where git would call it broken.
    pub fn parse(bytes: Rc<[u8]>) -> Option<Self> {
        let mut entries = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ')?;
            let mode = u32::from_str_radix(std::str::from_utf8(&rest[..space]).ok()?, 8).ok()?;
            let ends = space + 1 + rest[space + 1..].iter().position(|byte| *byte == 0)?;
            let name = &rest[space + 1..ends];
            let oid = Oid::from_bytes(rest.get(ends + 1..ends + 21)?)?;
            if name.is_empty() || mode > u32::from(u16::MAX) {
                return None;
            }
            entries.push(Entry { name: name.to_vec(), mode, oid });
            rest = &rest[ends + 21..];
        }
        Some(Self { entries: entries.into(), bytes })
    }

    fn of(entries: Vec<Entry>) -> Self {
        let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + 28).sum());
        for entry in &entries {
            bytes.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
            bytes.extend_from_slice(&entry.name);
            bytes.push(0);
            bytes.extend_from_slice(entry.oid.as_bytes());
        }
        Self { bytes: bytes.into(), entries: entries.into() }
    }
}

/// Compares entries as trees are sorted: a folder's name counts as if it ended in a slash.
pub(super) fn tree_order(a: &Entry, b: &Entry) -> Ordering {
    let key = |entry: &Entry| (entry.mode == MODE_TREE).then_some(b'/');
    a.name.iter().copied().chain(key(a)).cmp(b.name.iter().copied().chain(key(b)))
}

/// Finds where an entry stands among those of a tree, which are in git's order.
pub(super) fn position(entries: &[Entry], name: &[u8]) -> Option<usize> {
    let sorted_as = |entry: &Entry, wanted: &mut dyn Iterator<Item = u8>| {
        let slash = (entry.mode == MODE_TREE).then_some(b'/');
        entry.name.iter().copied().chain(slash).cmp(wanted)
    };
    let as_file = entries.binary_search_by(|entry| sorted_as(entry, &mut name.iter().copied()));
    let as_folder = || entries.binary_search_by(|entry| sorted_as(entry, &mut name.iter().copied().chain([b'/'])));
    as_file.or_else(|_| as_folder()).ok().filter(|at| entries[*at].name == name)
}

impl Objects {
    /// Returns the tree that `base` becomes when each path is set to its blob, as an ordinary file, or removed.
    ///
    /// Folders come and go with their files. Only the trees on the way to a change are read and written. Removing a
    /// path that is not there changes nothing.
    ///
    /// # Errors
    /// [`GitError::BadName`] for a path that git would not store, or that runs through a file.
    pub fn edit_tree(&self, base: Option<Oid>, changes: &[(String, Option<Oid>)]) -> Result<Oid, GitError> {
        let mut sorted = BTreeMap::new();
        for (path, blob) in changes {
            let parts: Vec<&str> = path.split('/').collect();
            let refused = |part: &&str| {
                matches!(*part, "" | "." | "..") || part.eq_ignore_ascii_case(".git") || part.contains('\0')
            };
            if parts.iter().any(refused) {
                return Err(GitError::BadName { what: "path in a tree", text: path.clone() });
            }
            sorted.insert(parts, *blob);
        }
        let changes: Vec<(&[&str], Option<Oid>)> = sorted.iter().map(|(parts, blob)| (&parts[..], *blob)).collect();
        match self.edited(base, &changes)? {
            Some(tree) => Ok(tree),
            None => self.write_tree(Vec::new(), None),
        }
    }

    /// Edits one level; nothing means that the folder is empty now. Changes are sorted, so that those of one folder
    /// are neighbours.
    fn edited(&self, base: Option<Oid>, changes: &[(&[&str], Option<Oid>)]) -> Result<Option<Oid>, GitError> {
        let old = base.map_or_else(|| Ok(Rc::default()), |base| self.tree_entries(base))?;
        let mut entries = old.to_vec();
        let (mut gone, mut come) = (HashSet::new(), Vec::new());
        for folder in changes.chunk_by(|a, b| a.0[0] == b.0[0]) {
            let name = folder[0].0[0].as_bytes();
            let at = position(&old, name);
            let here = at.map(|at| &old[at]);
            let Some(new) = self.replacement(here, folder)? else { continue };
            match (at, new) {
                (Some(at), Some((oid, mode))) if (old[at].mode == MODE_TREE) == (mode == MODE_TREE) => {
                    self.succeeds(oid, old[at].oid);
                    entries[at] = Entry { oid, mode, ..entries[at].clone() };
                }
                (at, new) => {
                    gone.extend(at.map(|_| name));
                    come.extend(new.map(|(oid, mode)| Entry { name: name.to_vec(), mode, oid }));
                }
            }
        }
        if !gone.is_empty() {
            entries.retain(|entry| !gone.contains(&entry.name[..]));
        }
        if !come.is_empty() {
            entries.append(&mut come);
            entries.sort_by(tree_order);
        }
        if entries.is_empty() { Ok(None) } else { self.write_tree(entries, base).map(Some) }
    }

    /// Returns what an entry becomes, with its mode; nothing inside where it goes, nothing at all where it stays.
    fn replacement(
        &self,
        old: Option<&Entry>,
        folder: &[(&[&str], Option<Oid>)],
    ) -> Result<Option<Option<(Oid, u32)>>, GitError> {
        let (direct, below): (Vec<_>, Vec<_>) = folder.iter().partition(|(parts, _)| parts.len() == 1);
        let through_file = old.is_some_and(|entry| entry.kind() != EntryKind::Folder);
        let adds_below = below.iter().any(|(_, blob)| blob.is_some());
        let sets_here = direct.iter().any(|(_, blob)| blob.is_some());
        let over_folder = old.is_some() && !through_file;
        if (sets_here && (adds_below || over_folder)) || (adds_below && through_file && direct.is_empty()) {
            return Err(GitError::BadName { what: "path in a tree", text: folder[0].0.join("/") });
        }
        Ok(Some(match direct.first() {
            Some((_, Some(blob))) => Some((*blob, MODE_FILE)),
            // Removing a path removes a file, never a whole folder.
            Some((_, None)) if !over_folder && below.is_empty() => None,
            None if through_file => return Ok(None),
            _ => {
                let below: Vec<_> = below.iter().map(|(parts, blob)| (&parts[1..], *blob)).collect();
                let inner = old.filter(|_| over_folder).map(|entry| entry.oid);
                self.edited(inner, &below)?.map(|tree| (tree, MODE_TREE))
            }
        }))
    }

    fn write_tree(&self, entries: Vec<Entry>, base: Option<Oid>) -> Result<Oid, GitError> {
        let tree = Tree::of(entries);
        let oid = self.write(Kind::Tree, &tree.bytes, base)?;
        self.keep_tree(oid, tree);
        Ok(oid)
    }
}
