//! After a push has landed: the user's checkout of the board branch follows, where that touches nothing of theirs.
//!
//! Owns the conditions and the few commands. Anything in doubt leaves the checkout as it is, and says why.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::diff::Parcel;
use super::place::{Settings, branch_tip, branch_under_repair, ref_value};
use super::remote::Remote;
use super::store::Store;
use super::users::{Stored, Users};
use super::watch::Slow;
use super::{GitError, Oid};

/// A set of paths from the root of a tree: each is a file, or a folder with all below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSet(Vec<String>);

impl PathSet {
    /// Returns the set of these files and folders, written without a slash at the end.
    pub fn new<S: Into<String>>(roots: impl IntoIterator<Item = S>) -> Self {
        Self(roots.into_iter().map(Into::into).collect())
    }

    /// Tells whether a path is one of the set or below one.
    pub fn contains(&self, path: &str) -> bool {
        self.0.iter().any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

/// What became of the user's checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// No worktree has the branch.
    NotCheckedOut,
    /// Every worktree that has the branch is at the new head.
    Followed,
    /// It was left as it is.
    Left {
        /// Why, as a sentence without capital and full stop.
        why: String,
    },
}

/// Lets every worktree that has `branch` follow to `head`, a confirmed head of the board in the store.
///
/// # Errors
/// [`GitError::NotStarted`] and the like; a checkout that cannot follow is an answer, not an error.
pub fn follow(
    remote: &Remote,
    settings: &Settings,
    store: &Store,
    branch: &str,
    head: Oid,
    board: &PathSet,
) -> Result<Follow, GitError> {
    let users = remote.users();
    let worktrees = users.place.worktrees(&users.git)?;
    let under_repair =
        worktrees.iter().any(|worktree| branch_under_repair(&worktree.git_dir).as_deref() == Some(branch));
    let homes: Vec<_> = worktrees
        .into_iter()
        .filter(|worktree| worktree.branch.as_deref() == Some(branch))
        .map(|worktree| worktree.path)
        .collect();
    if homes.is_empty() {
        return Ok(Follow::NotCheckedOut);
    }
    let local = branch_tip(&users.place, &users.git, branch)?;
    if local == Some(head) {
        return Ok(Follow::Followed);
    }
    let _watched = users.git.watcher().begin(Slow::Here("bringing the checkout along"));
    let no_hooks = store.no_hooks();
    let mut why = obstacle(store, branch, local, head, board)?;
    if under_repair {
        why = Some(format!("a rebase or bisection of {branch} is under way"));
    }
    if homes.len() > 1 && why.is_none() {
        why = Some(format!("{branch} is checked out in {} worktrees", homes.len()));
    }
    let tracking = tracking(remote, settings, store, branch, head)?;
    let known = local.filter(|_| why.is_none()).or(tracking.as_ref().and_then(|(_, old)| *old));
    let wanted = why.is_none() || tracking.as_ref().is_some_and(|(_, old)| old.is_some());
    // git looks through the worktree while the objects are stored: both take a while where the board is large.
    let (dirt, brought) = thread::scope(|scope| {
        let looking = why.is_none().then(|| scope.spawn(|| users.dirt(&homes[0], &no_hooks, &board.0)));
        let brought = wanted.then(|| bring(users, store, head, known)).transpose();
        let dirt = looking.map(|looking| looking.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (dirt, brought)
    });
    if let Some(path) = dirt.transpose()?.iter().flatten().next() {
        why = Some(format!("{} has changes in {}", path.display(), homes[0].display()));
    }
    let brought = match brought? {
        Some(Err(why)) => return Ok(Follow::Left { why }),
        Some(Ok(brought)) => Some(brought),
        None => None,
    };

    // The remote-tracking ref follows in any case: git itself would move it on the next fetch. Where nothing is known
    // of the remote yet, only a checkout that follows from nothing may begin it.
    if let Some((name, old)) = tracking.filter(|(_, old)| old.is_some() || (local.is_none() && why.is_none())) {
        users.track(&no_hooks, &name, head, old)?;
    }
    let result = match why {
        Some(why) => Follow::Left { why },
        None => moved(users, &homes[0], store, branch, local, head)?,
    };
    if let Some((parcel, stored)) = brought {
        users.secure(&no_hooks, &parcel, stored)?;
    }
    Ok(result)
}

/// Stores what is new of a head in the user's repository; why not, where git would not.
fn bring<'a>(
    users: &Users,
    store: &'a Store,
    head: Oid,
    known: Option<Oid>,
) -> Result<Result<(Parcel<'a>, Stored), String>, GitError> {
    let parcel = store.parcel(head, known)?;
    let (finished, stored) = users.bring(store, &parcel)?;
    Ok(match finished.filter(|finished| !finished.success()) {
        Some(failed) => Err(format!("git could not store the new commits: {}", failed.reason())),
        None => Ok((parcel, stored)),
    })
}

/// Lets a worktree follow, or leaves it as it was.
fn moved(
    users: &Users,
    home: &Path,
    store: &Store,
    branch: &str,
    local: Option<Oid>,
    head: Oid,
) -> Result<Follow, GitError> {
    let no_hooks = store.no_hooks();
    let merged = users.fast_forward(home, &no_hooks, head)?;
    if merged.success() {
        return Ok(Follow::Followed);
    }
    if let Some(local) = local
        && branch_tip(&users.place, &users.git, branch)? == Some(local)
    {
        // git writes files and index first, and the branch last. What it wrote would look like the user's own staged
        // work, for ever in the way of the next head, and go into their next commit.
        let _ = users.go_back(home, &no_hooks, head, local)?;
    }
    Ok(Follow::Left { why: format!("git did not let it: {}", merged.reason()) })
}

/// Returns the remote-tracking ref and its value, if it is to move forward to `head`.
fn tracking(
    remote: &Remote,
    settings: &Settings,
    store: &Store,
    branch: &str,
    head: Oid,
) -> Result<Option<(String, Option<Oid>)>, GitError> {
    let Some(name) = remote.name().and_then(|remote| tracking_ref(settings, remote, branch)) else { return Ok(None) };
    let users = remote.users();
    let Some(old) = ref_value(&users.place, &users.git, &name)? else { return Ok(Some((name, None))) };
    let forward = old != head && store.contains(old) && store.is_ancestor(old, head)?;
    Ok(forward.then_some((name, Some(old))))
}

/// Returns why the history itself forbids it.
fn obstacle(
    store: &Store,
    branch: &str,
    local: Option<Oid>,
    head: Oid,
    board: &PathSet,
) -> Result<Option<String>, GitError> {
    let Some(local) = local else {
        // A fresh clone of what was empty: everything is new to it, so everything must be the board's, and here.
        if store.is_shallow() {
            return Ok(Some(format!("{branch} has no commit here yet; `git pull` brings them")));
        }
        let new = store.read_commit(head)?.tree;
        let foreign = store.diff_trees(None, Some(new))?.into_iter().find(|change| !board.contains(&change.path));
        return Ok(
            foreign.map(|change| format!("{branch} has no commit here yet, and the remote's has {}", change.path))
        );
    };
    if !store.contains(local) || !store.is_ancestor(local, head)? {
        let cut_off = if store.is_shallow() { " as far as it was fetched" } else { "" };
        return Ok(Some(format!("{branch} is at {}, which the board's history{cut_off} does not hold", local.short())));
    }
    let (old, new) = (store.read_commit(local)?.tree, store.read_commit(head)?.tree);
    let foreign = store.diff_trees(Some(old), Some(new))?.into_iter().find(|change| !board.contains(&change.path));
    Ok(foreign.map(|change| format!("the new commits also change {}", change.path)))
}

/// Returns the ref that the user's refspecs keep a branch of the remote in.
///
/// Source: git-fetch(1), CONFIGURED REMOTE-TRACKING BRANCHES.
fn tracking_ref(settings: &Settings, remote: &str, branch: &str) -> Option<String> {
    let theirs = format!("refs/heads/{branch}");
    let specs = settings.all(&format!("remote.{remote}.fetch"));
    if specs.iter().filter_map(|spec| spec.strip_prefix('^')).any(|spec| mapped(spec, "*", &theirs).is_some()) {
        return None;
    }
    let ours = specs.iter().find_map(|spec| {
        let (from, to) = spec.trim_start_matches('+').split_once(':')?;
        mapped(from, to, &theirs)
    })?;
    // A mirror's refspec maps onto the branches themselves, which are not ours to move.
    (ours.starts_with("refs/remotes/") && git2::Reference::is_valid_name(&ours)).then_some(ours)
}

/// Maps a ref by one side of a refspec onto the other.
fn mapped(from: &str, to: &str, name: &str) -> Option<String> {
    match from.split_once('*') {
        None => (from == name).then(|| to.to_owned()),
        Some((before, after)) => {
            let middle = name.strip_prefix(before)?.strip_suffix(after)?;
            Some(to.replacen('*', middle, 1))
        }
    }
}

#[cfg(all(test, unix))]
#[path = "follow_tests.rs"]
mod tests;
