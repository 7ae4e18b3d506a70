//! Objects of one repository: blobs, trees, commits.
//!
//! Owns reading and writing by object name. Knows no branch and no remote. Walks over commits are in `history`, edits
//! of trees in `trees`, differences in `diff`, and how what was built becomes durable in `harden`.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Once;

use git2::{ErrorCode, ObjectType, Repository, RepositoryOpenFlags};

use super::harden::Memory;
use super::pack::{Kind, object_name};
use super::place::{Place, RefFormat};
use super::subprocess::Git;
use super::trees::{Slice, Tree};
use super::{GitError, Oid};

/// Mode of an ordinary file, the only one that squad writes.
pub const MODE_FILE: u32 = 0o100_644;

pub(super) const MODE_TREE: u32 = 0o040_000;

/// How many trees are kept as they were read: those on the way to a file of the board, at two versions of it.
const TREES_KEPT: usize = 12;

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

/// The objects of one repository.
pub struct Objects {
    pub(super) repo: Repository,
    shallow_file: PathBuf,
    /// The trees that were read last, newest in front. The library keeps none, and reading a
    /// folder of ten thousand files anew for each path in it costs more than all else that a command does.
    trees: RefCell<VecDeque<(Oid, Rc<Tree>)>>,
    /// What is built and not yet on the disk, where building happens in memory.
    pub(super) memory: Option<Memory>,
}

impl Objects {
    pub(super) fn new(repo: Repository, common_dir: &Path) -> Self {
        relax_library();
        Self { repo, shallow_file: common_dir.join("shallow"), trees: RefCell::default(), memory: None }
    }

    /// Objects that are built in memory, until they are hardened.
    pub(super) fn with_memory(repo: Repository, common_dir: &Path) -> Result<Self, GitError> {
        let memory = Memory::begin(&repo, &common_dir.join("objects"))?;
        Ok(Self { memory, ..Self::new(repo, common_dir) })
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

    pub(super) fn odb(&self) -> Result<git2::Odb<'_>, GitError> {
        self.repo.odb().map_err(GitError::library("open the object store"))
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
        let odb = self.odb()?;
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

    /// Returns the size of an object in bytes, without reading it.
    ///
    /// # Errors
    /// [`GitError::Missing`].
    pub fn size_of(&self, oid: Oid) -> Result<u64, GitError> {
        let odb = self.repo.odb().map_err(GitError::library("open the object store"))?;
        let (size, _) = odb.read_header(oid.raw()).map_err(|error| missing_or(oid, "read an object", error))?;
        Ok(size as u64)
    }

    /// Returns the entries of a tree in git's order.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::WrongKind`].
    pub fn tree_entries(&self, tree: Oid) -> Result<Rc<[Entry]>, GitError> {
        self.tree(tree).map(|tree| tree.entries().clone())
    }

    /// Returns the entry at `path` below `tree`, if there is one.
    ///
    /// # Errors
    /// [`GitError::Missing`] where a folder on the way is not here.
    pub fn lookup(&self, tree: Oid, path: &str) -> Result<Option<Entry>, GitError> {
        let mut here = tree;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let tree = self.tree(here)?;
            match tree.find(part.as_bytes()).map(Slice::to_entry) {
                Some(entry) if parts.peek().is_none() => return Ok(Some(entry)),
                Some(entry) if entry.kind() == EntryKind::Folder => here = entry.oid,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Returns a tree, read once for as long as it is asked for.
    pub(super) fn tree(&self, oid: Oid) -> Result<Rc<Tree>, GitError> {
        if let Some(tree) = self.known_tree(oid) {
            return Ok(tree);
        }
        let odb = self.odb()?;
        let object = odb.read(oid.raw()).map_err(|error| missing_or(oid, "read a tree", error))?;
        if object.kind() != ObjectType::Tree {
            return Err(GitError::WrongKind { oid, expected: "tree" });
        }
        let bytes: Rc<[u8]> = object.data().into();
        let known = self.trees.borrow().iter().find_map(|(_, known)| known.but_for_one(&bytes));
        let tree = known.or_else(|| Tree::parse(bytes)).ok_or(GitError::Broken { oid, expected: "tree" })?;
        Ok(self.keep_tree(oid, tree))
    }

    pub(super) fn known_tree(&self, oid: Oid) -> Option<Rc<Tree>> {
        self.trees.borrow().iter().find(|(known, _)| *known == oid).map(|(_, tree)| tree.clone())
    }

    pub(super) fn keep_tree(&self, oid: Oid, tree: Tree) -> Rc<Tree> {
        let (mut trees, tree) = (self.trees.borrow_mut(), Rc::new(tree));
        trees.truncate(TREES_KEPT - 1);
        trees.push_front((oid, tree.clone()));
        tree
    }

    /// Stores a blob and returns its name.
    ///
    /// # Errors
    /// [`GitError::Library`] where the disk refuses.
    pub fn write_blob(&self, content: &[u8]) -> Result<Oid, GitError> {
        self.write(Kind::Blob, content, None)
    }

    /// Returns the name that a blob with this content has, without storing it.
    pub fn hash_blob(content: &[u8]) -> Oid {
        object_name(Kind::Blob, content)
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
        let tree = self.repo.find_tree(tree.raw()).map_err(|error| missing_or(tree, "read a tree", error))?;
        let parents = parents
            .iter()
            .map(|oid| self.repo.find_commit(oid.raw()).map_err(|error| missing_or(*oid, "read a commit", error)))
            .collect::<Result<Vec<_>, _>>()?;
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        let (author, committer) = (signature(author)?, signature(committer)?);
        let bytes = self
            .repo
            .commit_create_buffer(&author, &committer, message, &tree, &parents)
            .map_err(GitError::library("write a commit"))?;
        self.write(Kind::Commit, &bytes, None)
    }

    /// Reads a commit.
    ///
    /// # Errors
    /// [`GitError::Missing`], [`GitError::WrongKind`].
    pub fn read_commit(&self, oid: Oid) -> Result<CommitInfo, GitError> {
        self.commit_info(oid, &self.boundary())
    }

    /// Returns the tree of a commit.
    ///
    /// # Errors
    /// As [`Objects::read_commit`].
    pub fn tree_of(&self, commit: Oid) -> Result<Oid, GitError> {
        Ok(self.find_commit(commit)?.tree_id().into())
    }

    fn find_commit(&self, oid: Oid) -> Result<git2::Commit<'_>, GitError> {
        self.repo.find_commit(oid.raw()).map_err(|error| {
            let header = self.repo.odb().and_then(|odb| odb.read_header(oid.raw()));
            match header {
                Ok((_, kind)) if kind != ObjectType::Commit => GitError::WrongKind { oid, expected: "commit" },
                _ => missing_or(oid, "read a commit", error),
            }
        })
    }

    pub(super) fn commit_info(&self, oid: Oid, boundary: &HashSet<Oid>) -> Result<CommitInfo, GitError> {
        let commit = self.find_commit(oid)?;
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
    pub(super) fn boundary(&self) -> HashSet<Oid> {
        let text = fs::read_to_string(&self.shallow_file).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// Tells whether history is cut off somewhere.
    pub fn is_shallow(&self) -> bool {
        fs::metadata(&self.shallow_file).is_ok_and(|file| file.len() > 0)
    }
}

/// Reads the parents from the commit itself: libgit2 hides those beyond a shallow boundary that it read at opening.
fn stated_parents(header: &[u8]) -> Vec<Oid> {
    header
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"parent "))
        .filter_map(|hex| std::str::from_utf8(hex).ok()?.trim().parse().ok())
        .collect()
}

pub(super) fn signature(who: &Identity) -> Result<git2::Signature<'static>, GitError> {
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

pub(super) fn missing_or(oid: Oid, what: &'static str, error: git2::Error) -> GitError {
    if error.code() == ErrorCode::NotFound { GitError::Missing { oid } } else { GitError::library(what)(error) }
}

/// Turns off the second hashing of every object on reading, since what came in was hashed by git as it arrived, and the
/// library's own cache of objects: what is read again is kept as what it means, and a history is gone through once.
fn relax_library() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        git2::opts::strict_hash_verification(false);
        git2::opts::enable_caching(false);
    });
}

#[cfg(all(test, unix))]
#[path = "objects_tests.rs"]
mod tests;
