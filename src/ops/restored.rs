//! Backups that were brought back within a range of commits: what a review makes of them.
//!
//! No step of a task's history leads back to an earlier version of it, so a diff across such a commit looks like a lie. The
//! commit itself tells whether it is one: `again` decides its operation anew. Owns which commits are so excused, and what
//! they excuse.

use std::collections::HashSet;

use super::again::{Again, author_fault, decide_again};
use super::failure::Failure;
use super::review::{FETCH_MORE, Identity, finished, identity};
use super::signing::Signers;
use crate::board::range::Range;
use crate::board::repository::Repository;
use crate::board::store::AccessFault;
use crate::board::{Oid, receipt};
use crate::model::board::Board;
use crate::model::code::ErrorCode;
use crate::model::operation::Action;
use crate::review::judge::Judgement;
use crate::schema::Violation;

/// A commit that brought a backup back, and is what its operation makes of its parent.
pub(super) struct Restored {
    commit: Oid,
    parent: Oid,
    /// What it brought back.
    version: Oid,
    /// The files that it changed.
    files: HashSet<String>,
}

/// Returns those of a range, oldest first.
///
/// # Errors
/// [`Failure`] where the objects cannot be read, or a shallow clone lacks what was brought back.
pub(super) fn genuine(repository: &Repository, range: &Range) -> Result<Vec<Restored>, Failure> {
    let objects = range.objects();
    let mut found: Vec<Restored> = Vec::new();
    let mut signers = None;
    for commit in range.commits.iter().rev() {
        let Some(operation) = receipt::operation(&commit.message) else { continue };
        let Action::BackupRestore { commit: version, .. } = &operation.action else { continue };
        let ([parent], Ok(version)) = (commit.parents.as_slice(), version.parse::<Oid>()) else { continue };
        if !objects.contains(version) && objects.is_shallow() {
            let what = format!("the version that {} says it brings back is not here", commit.oid.short());
            return Err(Failure::new(ErrorCode::NotFound, what)
                .why("the clone is shallow, and may end after that version")
                .hint(FETCH_MORE));
        }
        // One line leads from the beginning through each of them to the end, or no part of it can be judged apart.
        let from = found.last().map_or(range.base, |earlier| earlier.commit);
        let is_in_line = objects.is_ancestor(from, *parent).map_err(AccessFault::from)?;
        if !is_in_line || receipt::marks(&commit.message).op != Some(operation.id) {
            continue;
        }
        let before = repository.board_at(range, *parent)?;
        let Ok(Some(config)) = before.config() else { continue };
        let signers = match &mut signers {
            Some(known) => known,
            none => none.insert(Signers::of(&repository.settings()?)),
        };
        let dir = repository.place.run_dir();
        if author_fault(commit, &operation, config, signers.as_ref(), dir).is_some()
            || matches!(decide_again(objects, &before, commit, &operation)?, Again::Faults(_))
        {
            continue;
        }
        let tree = objects.read_commit(*parent).map_err(AccessFault::from)?.tree;
        let changed = objects.diff_trees(Some(tree), Some(commit.tree)).map_err(AccessFault::from)?;
        let files = changed.into_iter().map(|change| change.path).collect();
        found.push(Restored { commit: commit.oid, parent: *parent, version, files });
    }
    Ok(found)
}

/// How the commits of a range are looked at.
pub(super) struct Look<'a> {
    /// The range.
    pub range: &'a Range,
    /// Compares the board of two commits.
    pub judge: &'a dyn Fn(Oid, Oid) -> Result<Judgement, Failure>,
    /// Returns what the board of a commit has wrong by itself, whatever led there.
    pub standing: &'a dyn Fn(Oid) -> Result<HashSet<Identity>, Failure>,
}

impl Look<'_> {
    /// Returns the verdict on what lies between two commits, without what restored backups explain. Of a file that the
    /// last of them changed there stays what is wrong with it by itself, what was wrong before, of what was brought back
    /// as of what was kept, and what happened since.
    ///
    /// # Errors
    /// [`Failure`] where a part of it cannot be read.
    pub fn between(&self, base: Oid, head: Oid, restores: &[Restored]) -> Result<Judgement, Failure> {
        let Some((last, earlier)) = restores.split_last() else { return (self.judge)(base, head) };
        // The last one need not have changed again what an earlier one did, which explains its own files still.
        let whole = match earlier.iter().all(|one| one.files.is_subset(&last.files)) {
            true => (self.judge)(base, head)?,
            false => self.between(base, head, earlier)?,
        };
        let is_before = |one: Oid, other: Oid| self.range.objects().is_ancestor(one, other).map_err(AccessFault::from);
        let before = self.between(base, last.parent, earlier)?;
        let since = (self.judge)(last.commit, head)?;
        let brought = if is_before(base, last.version)? {
            let mut until = 0;
            while until < earlier.len() && is_before(earlier[until].commit, last.version)? {
                until += 1;
            }
            self.between(base, last.version, &earlier[..until])?
        } else {
            // It is a version from before the range, and none of its business.
            Judgement::default()
        };
        let is_theirs = |violation: &Violation| last.files.contains(&violation.file);
        let mut stays = (self.standing)(head)?;
        stays.extend(before.violations.iter().filter(|v| is_theirs(v)).map(identity));
        let mut judgement = whole;
        judgement.violations.retain(|v| !is_theirs(v) || stays.contains(&identity(v)));
        let more = since.violations.into_iter().chain(brought.violations);
        judgement.violations.extend(more.filter(is_theirs));
        Ok(finished(judgement))
    }
}
