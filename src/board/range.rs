//! Two versions of the board that a change lies between, and who made it: in the user's own repository.
//!
//! Owns where a change begins: at the commit that both sides share, for a branch; at the parents, for what is staged.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use super::Oid;
use super::commits::{IndexFiles, Source, TreeFiles};
use super::earlier::History;
use super::repository::Repository;
use super::snapshot::Snapshot;
use super::store::AccessFault;
use crate::git::hooks::merged_heads;
use crate::git::{CommitInfo, Objects, Store, staged_against, staged_entries};

/// A line of commits of the user's repository.
pub struct Range {
    /// Where both sides part.
    pub base: Oid,
    /// The newest commit.
    pub head: Oid,
    /// What lies between, newest first.
    pub commits: Vec<CommitInfo>,
    objects: Rc<Objects>,
}

impl Range {
    /// Returns the objects that it is read from.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }
}

/// Why there is no such range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRange {
    /// A revision names no commit that is here.
    Unknown(String),
    /// The two have no commit in common that is here.
    Apart,
}

/// What is staged for the next commit, and what it is made on.
pub struct Staged {
    /// The board as the commit would have it.
    pub after: Snapshot,
    /// The board as its parents have it, the first one first; nothing before the first commit.
    pub before: Vec<Snapshot>,
    /// Of a merge, the board that each of them and another one have parted from, where they have anything in common.
    pub parted: Vec<Option<Snapshot>>,
    /// The parents.
    pub parents: Vec<Oid>,
    /// The paths that the commit would change beside any of its parents, of the board or not, in order.
    pub paths: Vec<String>,
    /// Those that it would change beside every parent.
    pub own: Vec<String>,
    objects: Rc<Objects>,
}

impl Repository {
    /// Returns the commits of `head` since it parted from `base`.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where the repository cannot be read; the inner result where there is no such range.
    pub fn range(&self, base: &str, head: &str) -> Result<Result<Range, NoRange>, AccessFault> {
        let objects = Rc::new(Objects::of_place(&self.place)?);
        let mut ends = Vec::new();
        for revision in [base, head] {
            match objects.resolve(&self.place, &self.git, revision)? {
                Some(oid) => ends.push(oid),
                None => return Ok(Err(NoRange::Unknown(revision.to_owned()))),
            }
        }
        let head = ends[1];
        let Some(base) = objects.merge_base(ends[0], head)? else { return Ok(Err(NoRange::Apart)) };
        let commits = objects.walk(head, Some(base))?;
        Ok(Ok(Range { base, head, commits, objects }))
    }

    /// Returns the board at a commit of a range, with the history that it comes from.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where it cannot be read.
    pub fn board_at(&self, range: &Range, commit: Oid) -> Result<Snapshot, AccessFault> {
        let source = Source::User(range.objects.clone());
        Ok(self.at(source.clone(), commit)?.with_history(History { source, head: commit }))
    }

    /// Returns what is staged; `index` is the file that a hook was given, `amends` whether the commit takes the place of the
    /// last one, and so is made on what that was made on.
    ///
    /// # Errors
    /// [`AccessFault::Git`] with the reason, where the index or the repository is of a kind that cannot be read.
    pub fn staged_change(&self, index: Option<&Path>, amends: bool) -> Result<Staged, AccessFault> {
        let entries = staged_entries(&self.place, &self.git, index)?;
        let objects = Rc::new(Objects::of_place(&self.place)?);
        let mut parents = Vec::new();
        let last = objects.resolve(&self.place, &self.git, "HEAD")?;
        let replaced = last.filter(|_| amends);
        let made_on = replaced.map(|last| objects.read_commit(last)).transpose()?.map(|commit| commit.parents);
        match made_on.filter(|parents| !parents.is_empty()) {
            Some(made_on) => parents.extend(made_on),
            None => parents.extend(last),
        }
        // A merge has more of them, one a line.
        let merged = fs::read_to_string(self.place.git_dir.join("MERGE_HEAD")).unwrap_or_default();
        parents.extend(merged.lines().filter_map(|line| line.trim().parse::<Oid>().ok()));
        if parents.len() == 1 {
            // Some other repository's merge may have left its own in the environment.
            parents.extend(merged_heads().into_iter().filter(|head| objects.contains(*head)));
            parents.dedup();
        }
        let beside = |parent: Option<Oid>| -> Result<Vec<String>, AccessFault> {
            let tree = parent.map(|head| objects.read_commit(head)).transpose()?.map(|commit| commit.tree);
            let paths = staged_against(&objects, tree, &entries)?;
            let mut paths: Vec<_> = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            // What is no text may have stood elsewhere.
            paths.sort_unstable();
            Ok(paths)
        };
        let mut paths = beside(parents.first().copied())?;
        let mut own = paths.clone();
        for merged in parents.iter().skip(1) {
            let mut theirs = beside(Some(*merged))?;
            own.retain(|path| theirs.binary_search(path).is_ok());
            paths.append(&mut theirs);
        }
        paths.sort_unstable();
        paths.dedup();
        if replaced.is_some() {
            // What the last commit changed of others' files was judged when it was made.
            let new = beside(last)?;
            own.retain(|path| new.binary_search(path).is_ok());
        }
        let at = |commit: Oid| self.at(Source::User(objects.clone()), commit);
        let before = parents.iter().map(|commit| at(*commit)).collect::<Result<Vec<_>, _>>()?;
        let parted = parted_from(&objects, &parents)?.into_iter().map(|base| base.map(at).transpose());
        let parted = parted.collect::<Result<Vec<_>, _>>()?;
        let after = self.indexed(Box::new(IndexFiles::new(objects.clone(), entries)));
        Ok(Staged { after, before, parted, parents, paths, own, objects })
    }

    /// Returns the newest board that is known beside a change: what this clone has seen last, whatever is checked out,
    /// or the parent that already has that; nothing before the first board.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where it cannot be read.
    pub fn newest_beside(&self, staged: &Staged) -> Result<Option<Snapshot>, AccessFault> {
        let path = self.place.common_dir.join("squad").join("board.git");
        // A store that is damaged is for a verb to mend.
        let Ok(store) = Store::open(&path) else { return Ok(staged.before.first().cloned()) };
        let Some(seen) = store.tip()? else { return Ok(staged.before.first().cloned()) };
        if staged.objects.contains(seen) {
            for (commit, board) in staged.parents.iter().zip(&staged.before) {
                // Who commits waits for this: to look where two part needs no walk to the beginning of the history.
                if staged.objects.merge_base(seen, *commit)? == Some(seen) {
                    return Ok(Some(board.clone()));
                }
            }
        }
        self.at(Source::Store(Rc::new(store)), seen).map(Some)
    }

    fn at(&self, source: Source, commit: Oid) -> Result<Snapshot, AccessFault> {
        let tree = source.objects().read_commit(commit)?.tree;
        Ok(self.indexed(Box::new(TreeFiles::new(source, Some(tree)))))
    }
}

/// Returns for each parent of a merge what it and another one have parted from; nothing for what is no merge.
pub fn parted_from(objects: &Objects, parents: &[Oid]) -> Result<Vec<Option<Oid>>, AccessFault> {
    if parents.len() < 2 {
        return Ok(Vec::new());
    }
    let beside = |nth: usize| if nth == 0 { parents[1] } else { parents[0] };
    let bases = parents.iter().enumerate().map(|(nth, parent)| objects.merge_base(*parent, beside(nth)));
    Ok(bases.collect::<Result<_, _>>()?)
}
