//! The user's staged index, read: what the next commit would hold.
//!
//! Never writes it. libgit2 reads ordinary indexes; sparse, split and future ones are left to `git ls-files`.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntryExtendedFlag};

use super::objects::{Entry, EntryKind, Objects};
use super::place::Place;
use super::subprocess::Git;
use super::{GitError, Oid};

/// A path in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedEntry {
    /// The path from the root, as bytes that need not be UTF-8.
    pub path: Vec<u8>,
    /// Its mode, as in a tree.
    pub mode: u32,
    /// The blob.
    pub oid: Oid,
    /// 0, or 1 to 3 for the sides of an unresolved merge.
    pub stage: u8,
}

impl StagedEntry {
    /// Returns it as the entry of a tree whose name is the whole path.
    pub fn as_entry(&self) -> Entry {
        Entry { name: self.path.clone(), mode: self.mode, oid: self.oid }
    }
}

/// Returns the entries of an index, sorted by path. `index` is the file that a hook was given, for git may build a
/// partial commit in another than `<git dir>/index`. One that another repository's hook has left in the environment
/// is not looked at.
///
/// Paths that are only announced (`git add --intent-to-add`) are left out: the commit will not hold them.
///
/// # Errors
/// [`GitError::UnreadableIndex`] with both libgit2's and git's reason.
pub fn staged_entries(place: &Place, git: &Git, index: Option<&Path>) -> Result<Vec<StagedEntry>, GitError> {
    let given = index.map(|index| place.run_dir().join(index)).filter(|index| is_of(place, index));
    let path = given.unwrap_or_else(|| place.git_dir.join("index"));
    if !path.exists() {
        return Ok(Vec::new());
    }
    match Index::open(&path) {
        Ok(index) => Ok(entries_of(&index)),
        Err(library) => entries_from_git(place, git, &path).map_err(|by_git| GitError::UnreadableIndex {
            path: path.clone(),
            reason: format!("{}; {by_git}", library.message()),
        }),
    }
}

/// Tells whether an index may be of this worktree: it is in no git folder but its own.
fn is_of(place: &Place, index: &Path) -> bool {
    let Some(folder) = index.parent().and_then(|folder| folder.canonicalize().ok()) else { return true };
    let is_own = || place.git_dir.canonicalize().is_ok_and(|own| own == folder);
    !folder.join("HEAD").is_file() || is_own()
}

/// Returns the paths at which what is staged is not what a tree has, sorted; paths of an unresolved merge among them.
///
/// # Errors
/// [`GitError::Missing`] where a part of the tree is not here.
pub fn staged_against(objects: &Objects, tree: Option<Oid>, staged: &[StagedEntry]) -> Result<Vec<Vec<u8>>, GitError> {
    let mut comparison = Comparison { objects, left: staged, changed: Vec::new() };
    if let Some(tree) = tree {
        comparison.folder(tree, b"")?;
    }
    let Comparison { left, mut changed, .. } = comparison;
    changed.extend(left.iter().map(|entry| entry.path.clone()));
    changed.sort();
    changed.dedup();
    Ok(changed)
}

/// A walk along a tree and the index at once: both are in the order of the whole paths, so neither has to be looked
/// anything up in.
struct Comparison<'a> {
    objects: &'a Objects,
    /// What of the index lies behind the walk.
    left: &'a [StagedEntry],
    changed: Vec<Vec<u8>>,
}

impl Comparison<'_> {
    fn folder(&mut self, folder: Oid, prefix: &[u8]) -> Result<(), GitError> {
        for entry in self.objects.tree_entries(folder)?.iter() {
            if entry.kind() == EntryKind::Folder {
                self.folder(entry.oid, &[prefix, entry.name.as_slice(), b"/".as_slice()].concat())?;
                continue;
            }
            let order = |staged: &StagedEntry| match staged.path.split_at_checked(prefix.len()) {
                Some((head, rest)) => head.cmp(prefix).then_with(|| rest.cmp(entry.name.as_slice())),
                None => staged.path.as_slice().cmp(prefix),
            };
            let new = self.left.iter().take_while(|staged| order(staged) == Ordering::Less).count();
            self.changed.extend(self.left[..new].iter().map(|staged| staged.path.clone()));
            self.left = &self.left[new..];
            let here = self.left.iter().take_while(|staged| order(staged) == Ordering::Equal).count();
            let is_same = |staged: &StagedEntry| (staged.stage, staged.mode, staged.oid) == (0, entry.mode, entry.oid);
            if here != 1 || !is_same(&self.left[0]) {
                self.changed.push([prefix, entry.name.as_slice()].concat());
            }
            self.left = &self.left[here..];
        }
        Ok(())
    }
}

fn entries_of(index: &Index) -> Vec<StagedEntry> {
    index
        .iter()
        .filter(|entry| entry.flags_extended & IndexEntryExtendedFlag::INTENT_TO_ADD.bits() == 0)
        .map(|entry| StagedEntry {
            stage: stage_of(entry.flags),
            path: entry.path,
            mode: entry.mode,
            oid: entry.id.into(),
        })
        .collect()
}

/// Source: gitformat-index(5): bits 12 and 13 of the flags.
fn stage_of(flags: u16) -> u8 {
    u8::try_from((flags >> 12) & 3).expect("two bits fit")
}

fn entries_from_git(place: &Place, git: &Git, path: &PathBuf) -> Result<Vec<StagedEntry>, GitError> {
    let output = git
        .command("ls-files")
        .dir(place.run_dir())
        .git_dir(&place.git_dir)
        .config("core.fsmonitor", "false")
        .env("GIT_INDEX_FILE", path)
        .verb()
        .args(["--stage", "-z", "--full-name"])
        .output()?;
    output.split(|byte| *byte == 0).filter(|line| !line.is_empty()).map(parse_line).collect()
}

/// Reads `<mode> <object> <stage>\t<path>`.
fn parse_line(line: &[u8]) -> Result<StagedEntry, GitError> {
    let parsed = || {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let mut fields = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
        let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
        let oid = fields.next()?.parse().ok()?;
        let stage = fields.next()?.parse().ok()?;
        Some(StagedEntry { path: line[tab + 1..].to_vec(), mode, oid, stage })
    };
    parsed().ok_or_else(|| GitError::Command { what: "ls-files", reason: "unexpected output".to_owned() })
}
