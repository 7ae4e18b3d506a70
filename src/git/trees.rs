//! Trees as bytes: read into entries, written from entries, edited by paths.
//!
//! Done here and not by libgit2, which sorts a folder of ten thousand files anew for each change of one.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::objects::{Entry, EntryKind, MODE_FILE, MODE_TREE, Objects};
use super::pack::{Kind, common_front};
use super::{GitError, Oid};

/// Bytes of an oid.
const OID: usize = 20;

/// A tree, read.
pub(super) struct Tree {
    /// As it is stored.
    pub bytes: Rc<[u8]>,
    /// Where its entries are in the bytes.
    places: Vec<Place>,
    /// The same, each on its own: for those who want all of them.
    entries: OnceCell<Rc<[Entry]>>,
}

/// Where an entry is in the bytes of a tree.
#[derive(Clone, Copy)]
struct Place {
    mode: u32,
    /// Where its name begins.
    name: u32,
    /// Where its name ends and its oid follows.
    ends: u32,
}

impl Place {
    /// Returns where the next entry begins.
    fn behind(self) -> usize {
        self.ends as usize + 1 + OID
    }
}

/// An entry as it stands in the bytes of a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice<'a> {
    pub name: &'a [u8],
    pub mode: u32,
    oid: &'a [u8],
}

impl Entry {
    fn slice(&self) -> Slice<'_> {
        Slice { name: &self.name, mode: self.mode, oid: self.oid.as_bytes() }
    }
}

impl Slice<'_> {
    /// Returns what the entry names.
    pub fn oid(&self) -> Oid {
        Oid::from_bytes(self.oid).expect("a place has the bytes of an oid behind it")
    }

    /// Returns the entry on its own.
    pub fn to_entry(self) -> Entry {
        Entry { name: self.name.to_vec(), mode: self.mode, oid: self.oid() }
    }
}

impl Tree {
    /// Reads a tree; nothing where git would call it broken.
    pub fn parse(bytes: Rc<[u8]>) -> Option<Self> {
        // An entry of a board has a name of a dozen letters.
        let mut places = Vec::with_capacity(bytes.len() / 40);
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let space = rest.iter().position(|byte| *byte == b' ')?;
            let mode = u32::from_str_radix(std::str::from_utf8(&rest[..space]).ok()?, 8).ok()?;
            let ends = space + 1 + rest[space + 1..].iter().position(|byte| *byte == 0)?;
            if ends == space + 1 || mode > u32::from(u16::MAX) || rest.len() < ends + 1 + OID {
                return None;
            }
            let place = |within: usize| u32::try_from(at + within).ok();
            places.push(Place { mode, name: place(space + 1)?, ends: place(ends)? });
            at += ends + 1 + OID;
        }
        Some(Self { bytes, places, entries: OnceCell::new() })
    }

    /// Returns the tree of these bytes where they differ from this one's in what one entry names: what else there is to
    /// read in them has been read then.
    pub fn but_for_one(&self, bytes: &Rc<[u8]>) -> Option<Self> {
        if self.bytes.len() != bytes.len() {
            return None;
        }
        let front = common_front(&self.bytes, bytes);
        let at = self.whole_within(0, front);
        let ends = self.places.get(at)?.ends as usize;
        let behind = self.begin(at + 1);
        let is_oid = front > ends && self.bytes[behind..] == bytes[behind..];
        is_oid.then(|| Self { bytes: bytes.clone(), places: self.places.clone(), entries: OnceCell::new() })
    }

    /// Returns how many entries from these places on are the same in both, one behind the other.
    pub fn alike(&self, from: usize, other: &Self, other_from: usize) -> usize {
        let shared = common_front(&self.bytes[self.begin(from)..], &other.bytes[other.begin(other_from)..]);
        self.whole_within(from, self.begin(from) + shared) - from
    }

    /// Returns where an entry begins; behind the last one, where the tree ends.
    fn begin(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|before| self.places.get(before)).map_or(0, |before| before.behind())
    }

    /// Returns the place of the first entry, from one on, that is not whole within so many bytes of the tree.
    fn whole_within(&self, from: usize, bytes: usize) -> usize {
        from + self.places.get(from..).map_or(0, |rest| rest.partition_point(|place| place.behind() <= bytes))
    }

    /// Returns how many entries it has.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns the entry at a place among them.
    pub fn get(&self, at: usize) -> Option<Slice<'_>> {
        let Place { mode, name, ends } = *self.places.get(at)?;
        let (name, ends) = (name as usize, ends as usize);
        Some(Slice { name: &self.bytes[name..ends], mode, oid: &self.bytes[ends + 1..=ends + OID] })
    }

    /// Returns the entry of that name.
    pub fn find(&self, name: &[u8]) -> Option<Slice<'_>> {
        let sought = |mode: u32| {
            let wanted = Slice { name, mode, oid: &[] };
            let at = self.places.binary_search_by(|place| {
                let name = &self.bytes[place.name as usize..place.ends as usize];
                tree_order(Slice { name, mode: place.mode, oid: &[] }, wanted)
            });
            at.ok().and_then(|at| self.get(at)).filter(|found| found.name == name)
        };
        sought(MODE_FILE).or_else(|| sought(MODE_TREE))
    }

    /// Returns all entries.
    pub fn entries(&self) -> &Rc<[Entry]> {
        self.entries.get_or_init(|| (0..self.len()).filter_map(|at| self.get(at)).map(Slice::to_entry).collect())
    }

    fn of(entries: Vec<Entry>) -> Self {
        let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + 28).sum());
        let mut places = Vec::with_capacity(entries.len());
        let here = |bytes: &[u8]| u32::try_from(bytes.len()).expect("git takes no tree of that size");
        for entry in &entries {
            bytes.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
            let name = here(&bytes);
            bytes.extend_from_slice(&entry.name);
            places.push(Place { mode: entry.mode, name, ends: here(&bytes) });
            bytes.push(0);
            bytes.extend_from_slice(entry.oid.as_bytes());
        }
        Self { bytes: bytes.into(), places, entries: OnceCell::from(Rc::from(entries)) }
    }
}

/// Compares entries as trees are sorted: a folder's name counts as if it ended in a slash.
pub(super) fn tree_order(a: Slice<'_>, b: Slice<'_>) -> Ordering {
    let shared = a.name.len().min(b.name.len());
    let next = |entry: Slice<'_>| {
        let slash = (entry.mode == MODE_TREE).then_some(b'/');
        entry.name.get(shared).copied().or(slash)
    };
    // Behind what both have, the one has its end and the other may go on: with a slash where it is a folder.
    let ends = || next(a).cmp(&next(b)).then_with(|| a.name.len().cmp(&b.name.len()));
    a.name[..shared].cmp(&b.name[..shared]).then_with(ends)
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
            entries.sort_by(|a, b| tree_order(a.slice(), b.slice()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns the bytes of a tree with some of these names, some of which are folders, each with one of three oids.
    fn some_tree() -> impl Strategy<Value = Vec<u8>> {
        let names = prop::sample::select(vec!["a", "a.b", "a0", "ab", "b", "c", "d", "e", "f"]);
        prop::collection::btree_map(names, (prop::bool::ANY, 0..3_u8), 0..9).prop_map(|named| {
            let oid = |n: u8| Oid::from_bytes(&[n; OID]).expect("an oid");
            let mode = |is_folder: bool| if is_folder { MODE_TREE } else { MODE_FILE };
            let entry =
                |(name, (is_folder, n)): (&str, _)| Entry { name: name.into(), mode: mode(is_folder), oid: oid(n) };
            let mut entries: Vec<Entry> = named.into_iter().map(entry).collect();
            entries.sort_by(|a, b| tree_order(a.slice(), b.slice()));
            Tree::of(entries).bytes.to_vec()
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_over_from_another_tree_is_what_reading_gives(
            one in some_tree(),
            other in some_tree(),
            at in any::<prop::sample::Index>(),
        ) {
            let read = |bytes: &[u8]| Tree::parse(bytes.into()).expect("a tree");
            let (one, other) = (read(&one), read(&other));
            if let Some(taken_over) = one.but_for_one(&other.bytes) {
                prop_assert_eq!(taken_over.entries(), other.entries());
            }
            if one.len() > 0 {
                let mut entries = one.entries().to_vec();
                let changed = at.index(entries.len());
                entries[changed].oid = Oid::from_bytes(&[9; OID]).expect("an oid");
                let third = Tree::of(entries);
                let taken_over = one.but_for_one(&third.bytes).expect("one entry names something else");
                prop_assert_eq!(taken_over.entries(), third.entries());
                prop_assert_eq!(one.alike(0, &third, 0), changed);
            }
            for entry in one.entries().iter() {
                prop_assert_eq!(one.find(&entry.name).map(Slice::to_entry), Some(entry.clone()));
            }
            for (left, right) in [(0, 0), (one.len().min(1), 0), (0, other.len().min(2)), (one.len(), other.len())] {
                let pairs = one.entries()[left..].iter().zip(&other.entries()[right..]);
                prop_assert_eq!(one.alike(left, &other, right), pairs.take_while(|(a, b)| a == b).count());
            }
        }
    }
}
