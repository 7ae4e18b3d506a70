//! Objects of one repository: blobs, trees, commits, and the walks over them.
//!
//! Owns reading and writing by object name. Knows no branch and no remote; a commit beyond the boundary of a shallow
//! clone ends a walk instead of failing it.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use git2::{ErrorCode, ObjectType, Repository, RepositoryOpenFlags};

use super::place::{Place, RefFormat};
use super::subprocess::Git;
use super::{GitError, Oid};

/// Mode of an ordinary file, the only one that squad writes.
pub const MODE_FILE: u32 = 0o100_644;

const MODE_TREE: u32 = 0o040_000;

/// How far two machines' clocks may disagree before [`Objects::walk`] shows a commit that the hidden side also reaches.
const CLOCK_SKEW_SECONDS: i64 = 86_400;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file with mode 100644.
    File,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link.
    Link,
    /// A folder.
    Folder,
    /// A commit of another repository.
    Submodule,
    /// A mode that git does not write.
    Other,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name as the tree spells it: bytes that need not be UTF-8.
    pub name: Vec<u8>,
    /// Its mode as the tree spells it.
    pub mode: u32,
    /// What it names.
    pub oid: Oid,
}

impl Entry {
    /// Returns what the entry is.
    pub fn kind(&self) -> EntryKind {
        match self.mode {
            MODE_FILE => EntryKind::File,
            0o100_755 => EntryKind::Executable,
            0o120_000 => EntryKind::Link,
            MODE_TREE => EntryKind::Folder,
            0o160_000 => EntryKind::Submodule,
            _ => EntryKind::Other,
        }
    }

    /// Returns the name, where it is UTF-8.
    pub fn name_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.name).ok()
    }
}

/// Who made a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name; `<`, `>` and line ends are dropped on writing, as git does.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Unix time in milliseconds; git keeps the seconds, and none before 1970.
    pub at_ms: i64,
}

/// A person as a commit names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Name, with what is not UTF-8 replaced.
    pub name: String,
    /// E-mail address, with what is not UTF-8 replaced.
    pub email: String,
    /// Unix time in seconds.
    pub at_seconds: i64,
}

/// A commit, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its name.
    pub oid: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents as it states them, even where history is cut off here.
    pub parents: Vec<Oid>,
    /// Whether the parents are beyond the boundary of a shallow clone.
    pub cut_off: bool,
    /// Who wrote it.
    pub author: Signed,
    /// Who made the commit.
    pub committer: Signed,
    /// The message, with what is not UTF-8 replaced.
    pub message: String,
}

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

/// The objects of one repository.
pub struct Objects {
    pub(super) repo: Repository,
    shallow_file: PathBuf,
}

impl Objects {
    pub(super) fn new(repo: Repository, common_dir: &Path) -> Self {
        relax_library();
        Self { repo, shallow_file: common_dir.join("shallow") }
    }

    /// Opens the user's own repository for reading.
    ///
    /// libgit2 refuses reftable; the objects behind it are ordinary, so they are then read without the refs.
    ///
    /// # Errors
    /// [`GitError::Library`] with libgit2's reason.
    pub fn of_place(place: &Place) -> Result<Self, GitError> {
        let repo = match place.ref_format {
            RefFormat::Files => Repository::open_ext(&place.git_dir, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path]),
            RefFormat::Reftable => git2::Odb::new().and_then(|odb| {
                odb.add_disk_alternate(&place.common_dir.join("objects").to_string_lossy())?;
                Repository::from_odb(odb)
            }),
        };
        Ok(Self::new(repo.map_err(GitError::library("open the repository"))?, &place.common_dir))
    }

    /// Returns the commit that a revision of the user's repository names, in any of git's notations.
    ///
    /// # Errors
    /// [`GitError::Library`] or what git says, other than that there is no such commit.
    pub fn resolve(&self, place: &Place, git: &Git, revision: &str) -> Result<Option<Oid>, GitError> {
        if place.ref_format == RefFormat::Files {
            return match self.repo.revparse_single(revision).and_then(|object| object.peel_to_commit()) {
                Ok(commit) => Ok(Some(commit.id().into())),
                Err(error)
                    if matches!(
                        error.code(),
                        ErrorCode::NotFound
                            | ErrorCode::InvalidSpec
                            | ErrorCode::UnbornBranch
                            | ErrorCode::Ambiguous
                            | ErrorCode::Peel
                    ) =>
                {
                    Ok(None)
                }
                Err(error) => Err(GitError::library("resolve a revision")(error)),
            };
        }
        let finished = git
            .command("rev-parse")
            .dir(place.run_dir())
            .git_dir(&place.git_dir)
            .verb()
            .args(["--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])
            .run()?;
        if !finished.success() {
            return Ok(None);
        }
        String::from_utf8_lossy(&finished.stdout).trim().parse().map(Some)
    }

    /// Tells whether an object is here.
    pub fn contains(&self, oid: Oid) -> bool {
        self.repo.odb().is_ok_and(|odb| odb.exists(oid.raw()))
    }

    /// Returns the content of a blob of at most `max` bytes; the size is known before the content is read.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::WrongKind`] or [`GitError::TooLarge`].
    pub fn read_blob(&self, oid: Oid, max: u64) -> Result<Vec<u8>, GitError> {
        let odb = self.repo.odb().map_err(GitError::library("open the object store"))?;
        let (size, kind) = odb.read_header(oid.raw()).map_err(|error| missing_or(oid, "read a blob", error))?;
        if kind != ObjectType::Blob {
            return Err(GitError::WrongKind { oid, expected: "blob" });
        }
        if size as u64 > max {
            return Err(GitError::TooLarge { oid, size: size as u64, max });
        }
        let object = odb.read(oid.raw()).map_err(|error| missing_or(oid, "read a blob", error))?;
        Ok(object.data().to_vec())
    }

    /// Returns the entries of a tree in git's order.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::WrongKind`].
    pub fn tree_entries(&self, tree: Oid) -> Result<Vec<Entry>, GitError> {
        let tree = self.tree(tree)?;
        Ok(tree
            .iter()
            .map(|entry| Entry {
                name: entry.name_bytes().to_vec(),
                mode: mode_of(entry.filemode_raw()),
                oid: entry.id().into(),
            })
            .collect())
    }

    /// Returns the entry at `path` below `tree`, if there is one.
    ///
    /// # Errors
    /// [`GitError::Missing`] where a folder on the way is not here.
    pub fn lookup(&self, tree: Oid, path: &str) -> Result<Option<Entry>, GitError> {
        // No tree has such a name, and libgit2's C strings cannot carry it.
        if path.contains('\0') {
            return Ok(None);
        }
        let mut here = tree;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let entry = {
                let tree = self.tree(here)?;
                tree.get_name_bytes(part.as_bytes()).map(|entry| Entry {
                    name: entry.name_bytes().to_vec(),
                    mode: mode_of(entry.filemode_raw()),
                    oid: entry.id().into(),
                })
            };
            match entry {
                Some(entry) if parts.peek().is_none() => return Ok(Some(entry)),
                Some(entry) if entry.kind() == EntryKind::Folder => here = entry.oid,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn tree(&self, oid: Oid) -> Result<git2::Tree<'_>, GitError> {
        self.repo.find_tree(oid.raw()).map_err(|error| {
            let odb = self.repo.odb().and_then(|odb| odb.read_header(oid.raw()));
            match odb {
                Ok((_, kind)) if kind != ObjectType::Tree => GitError::WrongKind { oid, expected: "tree" },
                _ => missing_or(oid, "read a tree", error),
            }
        })
    }

    /// Stores a blob and returns its name.
    ///
    /// # Errors
    /// [`GitError::Library`] where the disk refuses.
    pub fn write_blob(&self, content: &[u8]) -> Result<Oid, GitError> {
        self.repo.blob(content).map(Oid::from).map_err(GitError::library("write a blob"))
    }

    /// Returns the name that a blob with this content has, without storing it.
    ///
    /// # Errors
    /// [`GitError::Library`] never in practice: hashing memory does not fail.
    pub fn hash_blob(content: &[u8]) -> Result<Oid, GitError> {
        git2::Oid::hash_object(ObjectType::Blob, content).map(Oid::from).map_err(GitError::library("hash a blob"))
    }

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
            None => {
                let empty = self.repo.treebuilder(None).and_then(|builder| builder.write());
                empty.map(Oid::from).map_err(GitError::library("write a tree"))
            }
        }
    }

    /// Edits one level; nothing means that the folder is empty now. Changes are sorted, so that those of one folder
    /// are neighbours.
    fn edited(&self, base: Option<Oid>, changes: &[(&[&str], Option<Oid>)]) -> Result<Option<Oid>, GitError> {
        let fail = GitError::library;
        let base = base.map(|oid| self.tree(oid)).transpose()?;
        let mut builder = self.repo.treebuilder(base.as_ref()).map_err(fail("edit a tree"))?;
        for folder in changes.chunk_by(|a, b| a.0[0] == b.0[0]) {
            let name = folder[0].0[0];
            let old = base.as_ref().and_then(|tree| tree.get_name_bytes(name.as_bytes()));
            let (direct, below): (Vec<_>, Vec<_>) = folder.iter().partition(|(parts, _)| parts.len() == 1);
            let through_file = old.as_ref().is_some_and(|entry| entry.kind() != Some(ObjectType::Tree));
            let adds_below = below.iter().any(|(_, blob)| blob.is_some());
            let sets_here = direct.iter().any(|(_, blob)| blob.is_some());
            let over_folder = old.is_some() && !through_file;
            if (sets_here && (adds_below || over_folder)) || (adds_below && through_file && direct.is_empty()) {
                return Err(GitError::BadName { what: "path in a tree", text: folder[0].0.join("/") });
            }
            let new = match direct.first() {
                Some((_, Some(blob))) => Some((*blob, MODE_FILE)),
                // Removing a path removes a file, never a whole folder.
                Some((_, None)) if !over_folder && below.is_empty() => None,
                None if through_file => continue,
                _ => {
                    let below: Vec<_> = below.iter().map(|(parts, blob)| (&parts[1..], *blob)).collect();
                    let inner = old.as_ref().filter(|_| over_folder).map(|entry| entry.id().into());
                    self.edited(inner, &below)?.map(|tree| (tree, MODE_TREE))
                }
            };
            match new {
                Some((oid, mode)) => {
                    builder.insert(name, oid.raw(), mode.cast_signed()).map_err(fail("edit a tree"))?;
                }
                None if old.is_some() => builder.remove(name).map_err(fail("edit a tree"))?,
                None => {}
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        builder.write().map(|oid| Some(oid.into())).map_err(fail("write a tree"))
    }

    /// Stores a commit and returns its name. No ref moves; the same arguments give the same commit everywhere.
    ///
    /// # Errors
    /// [`GitError::Missing`] for a parent or tree that is not here.
    pub fn commit(
        &self,
        parents: &[Oid],
        tree: Oid,
        author: &Identity,
        committer: &Identity,
        message: &str,
    ) -> Result<Oid, GitError> {
        let tree = self.tree(tree)?;
        let parents = parents
            .iter()
            .map(|oid| self.repo.find_commit(oid.raw()).map_err(|error| missing_or(*oid, "read a commit", error)))
            .collect::<Result<Vec<_>, _>>()?;
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        let (author, committer) = (signature(author)?, signature(committer)?);
        self.repo
            .commit(None, &author, &committer, message, &tree, &parents)
            .map(Oid::from)
            .map_err(GitError::library("write a commit"))
    }

    /// Reads a commit.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::WrongKind`].
    pub fn read_commit(&self, oid: Oid) -> Result<CommitInfo, GitError> {
        self.commit_info(oid, &self.boundary())
    }

    fn commit_info(&self, oid: Oid, boundary: &HashSet<Oid>) -> Result<CommitInfo, GitError> {
        let commit = self.repo.find_commit(oid.raw()).map_err(|error| {
            let header = self.repo.odb().and_then(|odb| odb.read_header(oid.raw()));
            match header {
                Ok((_, kind)) if kind != ObjectType::Commit => GitError::WrongKind { oid, expected: "commit" },
                _ => missing_or(oid, "read a commit", error),
            }
        })?;
        let signed = |who: git2::Signature<'_>| Signed {
            name: String::from_utf8_lossy(who.name_bytes()).into_owned(),
            email: String::from_utf8_lossy(who.email_bytes()).into_owned(),
            at_seconds: who.when().seconds(),
        };
        Ok(CommitInfo {
            oid,
            tree: commit.tree_id().into(),
            parents: stated_parents(commit.raw_header_bytes()),
            cut_off: boundary.contains(&oid),
            author: signed(commit.author()),
            committer: signed(commit.committer()),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
        })
    }

    /// Returns the commits at which a shallow clone ends. Read anew each time: a fetch by a child moves it.
    fn boundary(&self) -> HashSet<Oid> {
        let text = fs::read_to_string(&self.shallow_file).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// Tells whether history is cut off somewhere.
    pub fn is_shallow(&self) -> bool {
        fs::metadata(&self.shallow_file).is_ok_and(|file| file.len() > 0)
    }

    /// Tells whether `descendant` reaches `ancestor` over any parents; a commit reaches itself.
    ///
    /// # Errors
    /// [`GitError::Missing`] where history has a hole that no shallow boundary explains.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool, GitError> {
        let mut walk = self.recent(descendant)?;
        // Newest first finds a linear history's ancestor at once; the whole history is read only to say no.
        while let Some(commit) = walk.next().transpose()? {
            if commit.oid == ancestor {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the commits reachable from `head` one by one, newest first by commit time, reading no more than asked.
    ///
    /// # Errors
    /// [`GitError::Missing`] when `head` is not here.
    pub fn recent(&self, head: Oid) -> Result<Recent<'_>, GitError> {
        let mut walk = Recent {
            objects: self,
            boundary: self.boundary(),
            queue: BinaryHeap::new(),
            waiting: HashMap::new(),
            seen: HashSet::new(),
            order: 0,
            failed: None,
        };
        walk.push(head)?;
        Ok(walk)
    }

    /// Returns the commits reachable from `head` but not from `hide`, over all parents: every commit before its
    /// parents, newest first among equals.
    ///
    /// Never leaves one out. A hidden commit whose clock was off by more than a day may be among them.
    ///
    /// # Errors
    /// [`GitError::Missing`] when `head` or `hide` is not here, or history has a hole.
    pub fn walk(&self, head: Oid, hide: Option<Oid>) -> Result<Vec<CommitInfo>, GitError> {
        let boundary = self.boundary();
        let mut commits: HashMap<Oid, CommitInfo> = HashMap::new();
        let mut hidden: HashSet<Oid> = HashSet::new();
        let mut queue: BinaryHeap<(i64, Oid)> = BinaryHeap::new();
        let mut wanted: BTreeSet<(i64, Oid)> = BTreeSet::new();
        for (oid, is_hidden) in [(Some(head), false), (hide, true)] {
            let Some(oid) = oid else { continue };
            if is_hidden {
                hidden.insert(oid);
            }
            let info = self.commit_info(oid, &boundary)?;
            queue.push((info.committer.at_seconds, oid));
            commits.insert(oid, info);
        }
        wanted.insert((commits[&head].committer.at_seconds, head));
        let mut shown: HashSet<Oid> = HashSet::new();
        let mut oldest = i64::MAX;
        while let Some((at, oid)) = queue.pop() {
            let is_hidden = hidden.contains(&oid);
            wanted.remove(&(at, oid));
            if is_hidden {
                shown.remove(&oid);
            } else {
                shown.insert(oid);
                oldest = oldest.min(at);
            }
            // Only hidden commits are left, and all are clearly older than anything that will be shown.
            if is_hidden && wanted.is_empty() && at < oldest.saturating_sub(CLOCK_SKEW_SECONDS) {
                break;
            }
            for parent in effective_parents(&commits[&oid]).to_vec() {
                let newly_hidden = is_hidden && hidden.insert(parent);
                let known = commits.contains_key(&parent);
                if !known {
                    let info = self.commit_info(parent, &boundary)?;
                    commits.insert(parent, info);
                }
                let key = (commits[&parent].committer.at_seconds, parent);
                if newly_hidden {
                    wanted.remove(&key);
                }
                if !known && !is_hidden {
                    wanted.insert(key);
                }
                if !known || newly_hidden {
                    queue.push(key);
                }
            }
        }
        shown.retain(|oid| !hidden.contains(oid));
        Ok(in_order(commits, &shown))
    }

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

    /// Returns a pack of everything that `head` reaches and `base` does not.
    ///
    /// # Errors
    /// [`GitError::Missing`] where history has a hole.
    pub(super) fn pack(&self, head: Oid, base: Oid) -> Result<Vec<u8>, GitError> {
        let fail = || GitError::library("pack objects");
        let mut builder = self.repo.packbuilder().map_err(fail())?;
        builder.set_threads(1);
        let mut packed = HashSet::new();
        for commit in self.walk(head, Some(base))? {
            packed.insert(commit.oid);
            let parent = effective_parents(&commit).first().map(|parent| self.read_commit(*parent)).transpose()?;
            self.new_objects(parent.map(|parent| parent.tree), commit.tree, &mut packed)?;
        }
        for oid in packed {
            builder.insert_object(oid.raw(), None).map_err(fail())?;
        }
        let mut pack = git2::Buf::new();
        builder.write_buf(&mut pack).map_err(fail())?;
        Ok(pack.to_vec())
    }

    /// Collects the trees and blobs of `new` that `old` does not have at the same place.
    fn new_objects(&self, old: Option<Oid>, new: Oid, found: &mut HashSet<Oid>) -> Result<(), GitError> {
        if old == Some(new) || !found.insert(new) {
            return Ok(());
        }
        let old = old.map(|oid| self.tree(oid)).transpose()?;
        for entry in self.tree(new)?.iter() {
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

/// Commits in the order of their times, read as they are asked for.
///
/// A commit that is known to be a parent of one not yet given waits for it, so a linear history comes out right
/// whatever its clocks said.
pub struct Recent<'a> {
    objects: &'a Objects,
    boundary: HashSet<Oid>,
    queue: BinaryHeap<(i64, Reverse<u64>, Oid)>,
    waiting: HashMap<Oid, CommitInfo>,
    seen: HashSet<Oid>,
    order: u64,
    failed: Option<GitError>,
}

impl Recent<'_> {
    fn push(&mut self, oid: Oid) -> Result<(), GitError> {
        if self.seen.insert(oid) {
            let info = self.objects.commit_info(oid, &self.boundary)?;
            self.order += 1;
            self.queue.push((info.committer.at_seconds, Reverse(self.order), oid));
            self.waiting.insert(oid, info);
        }
        Ok(())
    }
}

impl Iterator for Recent<'_> {
    type Item = Result<CommitInfo, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.queue.clear();
            return Some(Err(error));
        }
        let (_, _, oid) = self.queue.pop()?;
        let info = self.waiting.remove(&oid)?;
        for parent in effective_parents(&info).to_vec() {
            if let Err(error) = self.push(parent) {
                self.failed.get_or_insert(error);
            }
        }
        Some(Ok(info))
    }
}

/// Orders commits: children before parents, then newest first.
fn in_order(mut commits: HashMap<Oid, CommitInfo>, shown: &HashSet<Oid>) -> Vec<CommitInfo> {
    let mut children: HashMap<Oid, usize> = HashMap::new();
    for oid in shown {
        for parent in effective_parents(&commits[oid]) {
            *children.entry(*parent).or_default() += 1;
        }
    }
    let mut ready: BinaryHeap<(i64, Oid)> = shown
        .iter()
        .filter(|oid| !children.contains_key(*oid))
        .map(|oid| (commits[oid].committer.at_seconds, *oid))
        .collect();
    let mut ordered = Vec::with_capacity(shown.len());
    while let Some((_, oid)) = ready.pop() {
        let Some(info) = commits.remove(&oid) else { continue };
        for parent in effective_parents(&info) {
            if let Some(left) = children.get_mut(parent) {
                *left -= 1;
                if *left == 0 && shown.contains(parent) {
                    ready.push((commits[parent].committer.at_seconds, *parent));
                }
            }
        }
        ordered.push(info);
    }
    ordered
}

fn effective_parents(info: &CommitInfo) -> &[Oid] {
    if info.cut_off { &[] } else { &info.parents }
}

/// Reads the parents from the commit itself: libgit2 hides those beyond a shallow boundary that it read at opening.
fn stated_parents(header: &[u8]) -> Vec<Oid> {
    header
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"parent "))
        .filter_map(|hex| std::str::from_utf8(hex).ok()?.trim().parse().ok())
        .collect()
}

fn mode_of(raw: i32) -> u32 {
    raw.cast_unsigned()
}

fn signature(who: &Identity) -> Result<git2::Signature<'static>, GitError> {
    let clean = |text: &str, fallback: &str| {
        let text: String = text.chars().filter(|c| !matches!(c, '<' | '>' | '\n' | '\r' | '\0')).collect();
        // git drops these from both ends, and refuses a name that has nothing else.
        if text.trim_matches(|c: char| c <= ' ' || ".,:;\"\\'".contains(c)).is_empty() {
            fallback.to_owned()
        } else {
            text
        }
    };
    let time = git2::Time::new(who.at_ms.max(0) / 1000, 0);
    git2::Signature::new(&clean(&who.name, "unknown"), &clean(&who.email, "unknown"), &time)
        .map_err(GitError::library("name who made a commit"))
}

fn missing_or(oid: Oid, what: &'static str, error: git2::Error) -> GitError {
    if error.code() == ErrorCode::NotFound { GitError::Missing { oid } } else { GitError::library(what)(error) }
}

/// Turns off the second hashing of every object on reading: what came in was hashed by git as it arrived.
fn relax_library() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| git2::opts::strict_hash_verification(false));
}

#[cfg(all(test, unix))]
#[path = "objects_tests.rs"]
mod tests;
