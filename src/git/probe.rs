//! Looking for what is wrong: questions that only somebody who examines a clone asks. Nothing here changes anything of
//! the user's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::ObjectType;

use super::fetch::{FetchFault, Mirror};
use super::remote::Remote;
use super::subprocess::{End, Git};
use super::{Expected, GitError, Oid, Store};

/// Most commits of the user's that are counted.
const MOST_COMMITS: usize = 100;

/// Returns what git says of its version: `git version 2.47.3`.
///
/// # Errors
/// [`GitError::NotStarted`], or what git says.
pub fn version(git: &Git) -> Result<String, GitError> {
    let output = git.command("version").verb().output()?;
    Ok(super::subprocess::sanitise(&output))
}

/// Returns the first two numbers of what git says of its version.
pub fn version_numbers(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A message at the remote, as far as it may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// The message of a commit.
    Text(String),
    /// The ref names something that is no commit.
    NoCommit,
    /// The commit is larger than the caller reads.
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
}

impl Store {
    /// Lets git look at every object and how they hang together. What is returned is what it complains of.
    ///
    /// # Errors
    /// [`GitError::TimedOut`] where that takes longer than it may, [`GitError::NotStarted`].
    pub fn complaints(&self, git: &Git, limit: Duration) -> Result<Option<String>, GitError> {
        let command = git.command("fsck").git_dir(self.path()).limit(limit).verb();
        let finished = command.args(["--no-dangling", "--no-progress", "--no-reflogs"]).run()?;
        match finished.end {
            End::Exited(0) => Ok(None),
            End::TimedOut => Err(finished.into_error()),
            _ => Ok(Some(finished.reason())),
        }
    }

    /// Returns the message of a commit of at most `max` bytes; the size is known before it is read.
    fn letter(&self, oid: Oid, max: usize) -> Result<Letter, GitError> {
        let failed = || GitError::library("read a message");
        let odb = self.repo.odb().map_err(failed())?;
        match odb.read_header(oid.raw()).map_err(failed())? {
            (_, kind) if kind != ObjectType::Commit => Ok(Letter::NoCommit),
            (size, _) if size > max => Ok(Letter::TooLarge { size }),
            _ => Ok(Letter::Text(self.read_commit(oid)?.message)),
        }
    }
}

impl Remote {
    /// Returns the messages of all commits that the remote has refs to below a prefix, which ends in a slash, each with
    /// the full name of its ref.
    ///
    /// # Errors
    /// [`FetchFault`].
    pub fn letters(
        &self,
        store: &Store,
        prefix: &str,
        max: usize,
        limit: Duration,
    ) -> Result<Vec<(String, Letter)>, FetchFault> {
        let ours = super::store::scratch_ref("refs/squad/incoming") + "/";
        let mirror = Mirror { theirs: prefix.to_owned(), ours: ours.clone() };
        let fetched = self.fetch_mirror(store, &mirror, limit)?;
        let mut letters = Vec::new();
        for (name, oid) in &fetched {
            let theirs = format!("{prefix}{}", name.strip_prefix(&ours).unwrap_or(name));
            letters.push((theirs, store.letter(*oid, max)?));
            store.ref_delete(name, Expected::Any)?;
        }
        Ok(letters)
    }

    /// Lets git try a push of a commit to a ref. Nothing is sent; what the remote refuses before it is sent
    /// anything is the inner error.
    ///
    /// # Errors
    /// [`GitError::TimedOut`], [`GitError::NotStarted`].
    pub fn may_push(
        &self,
        store: &Store,
        commit: Oid,
        name: &str,
        limit: Duration,
    ) -> Result<Result<(), String>, GitError> {
        let push = self.network("push", store, limit).verb();
        let push =
            push.args(["--dry-run", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]);
        let push = push.arg("--").arg(self.address()).arg(format!("{commit}:{name}"));
        let finished = push.run()?;
        match finished.end {
            End::Exited(0) => Ok(Ok(())),
            End::TimedOut => Err(finished.into_error()),
            _ => Ok(Err(finished.reason())),
        }
    }

    /// Returns what is changed, staged or untracked at or below these paths of a worktree.
    ///
    /// # Errors
    /// What git says.
    pub fn changes_in(&self, store: &Store, worktree: &Path, paths: &[String]) -> Result<Vec<PathBuf>, GitError> {
        self.users().dirt(worktree, &store.no_hooks(), paths)
    }

    /// Returns commits of the branch that is checked out in a worktree which touch these paths and which no remote is
    /// known to have, newest first; nothing where there is no commit yet.
    ///
    /// # Errors
    /// What git says.
    pub fn unpushed_in(&self, store: &Store, worktree: &Path, paths: &[String]) -> Result<Vec<Oid>, GitError> {
        let users = self.users();
        let head = users.in_worktree("rev-parse", worktree, &store.no_hooks()).verb();
        if !head.args(["--verify", "--quiet", "HEAD^{commit}"]).run()?.success() {
            return Ok(Vec::new());
        }
        let list = users.in_worktree("rev-list", worktree, &store.no_hooks()).global("--literal-pathspecs").verb();
        let list = list.arg(format!("--max-count={MOST_COMMITS}")).args(["HEAD", "--not", "--remotes", "--"]);
        let output = list.args(paths).output()?;
        String::from_utf8_lossy(&output).lines().map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_any_git_says() {
        assert_eq!(version_numbers("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version_numbers("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(version_numbers("git version 2.45.windows.1"), Some((2, 45)));
        assert_eq!(version_numbers("I am not git"), None);
    }
}
