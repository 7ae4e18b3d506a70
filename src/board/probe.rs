//! Questions about a clone that only an examination asks, joined to where the board is.

use std::path::PathBuf;
use std::time::Duration;

use super::layout::pathspecs;
use super::store::{AccessFault, BoardStore};
use crate::git::probe::{self, Letter};
use crate::git::{FetchFault, Git, GitError, Oid};

pub use crate::git::RefFormat;
pub use crate::git::probe::version_numbers;

/// Returns what git says of its version.
///
/// # Errors
/// [`GitError`] where there is none.
pub fn git_version(git: &Git) -> Result<String, GitError> {
    probe::version(git)
}

/// An outbox at the remote, as far as it may be read.
pub type Announced = Letter;

impl BoardStore {
    /// Returns what git complains of in the private store; nothing where that is sound.
    ///
    /// # Errors
    /// [`GitError::TimedOut`] where looking takes longer than it may.
    pub fn store_complaints(&self, limit: Duration) -> Result<Option<String>, GitError> {
        self.objects().complaints(&self.git, limit)
    }

    /// Returns every outbox of the remote by the name of its ref, none read that is larger than `max` bytes.
    ///
    /// # Errors
    /// [`FetchFault`].
    pub fn letters(
        &self,
        namespace: &str,
        max: usize,
        limit: Duration,
    ) -> Result<Vec<(String, Announced)>, FetchFault> {
        self.remote.letters(self.objects(), &format!("{namespace}/outbox/"), max, limit)
    }

    /// Tries a push beside the board without making it: the board itself may move meanwhile. The inner error is what the remote, or git, says
    /// against it.
    ///
    /// # Errors
    /// [`GitError`] where git could not be run, or gave no answer in time.
    pub fn may_push(&self, head: Oid, limit: Duration) -> Result<Result<(), String>, GitError> {
        let Some(outboxes) = self.beside_the_board("outbox") else { return Ok(Ok(())) };
        self.remote.may_push(self.objects(), head, &format!("{outboxes}trial"), limit)
    }

    /// Returns the board's files that are changed in the worktree where the user stands.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn uncommitted(&self, locks_file: &str) -> Result<Vec<PathBuf>, GitError> {
        let Some(worktree) = &self.place.worktree else { return Ok(Vec::new()) };
        self.remote.changes_in(self.objects(), worktree, &pathspecs(locks_file))
    }

    /// Returns the user's own commits there that touch the board's files and that no remote is known to have.
    ///
    /// # Errors
    /// [`GitError`].
    pub fn unpushed(&self, locks_file: &str) -> Result<Vec<Oid>, GitError> {
        let Some(worktree) = &self.place.worktree else { return Ok(Vec::new()) };
        self.remote.unpushed_in(self.objects(), worktree, &pathspecs(locks_file))
    }

    /// Returns the instant of a commit in Unix milliseconds, by the clock of whoever made it.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where it cannot be read.
    pub fn committed_at(&self, commit: Oid) -> Result<i64, AccessFault> {
        Ok(self.objects().read_commit(commit)?.committer.at_seconds.saturating_mul(1000))
    }
}
