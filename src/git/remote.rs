//! The remote that holds the board: fetched from and pushed to by the user's own git, from the private store.
//!
//! Owns the commands, their flags and what their results mean. Knows refs and object ids, never what they hold. What
//! a push did is told by its porcelain lines and never by an exit code or a message; where they are silent, the
//! outcome is unknown and only a fetch can settle it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::{Place, Settings, branch_under_repair, ref_value};
use super::porcelain::{Said, parse_push, said};
use super::store::{LANDING, Store, scratch_ref};
use super::subprocess::{End, Finished, Git, Invocation, sanitise};
use super::users::Users;
use super::{GitError, Oid, is_branch_name, is_remote_name};

/// The value that a ref must have for a move to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It must not be there.
    Absent,
    /// It must be there with this value.
    Exactly(Oid),
    /// Whatever it has; never for the board.
    Any,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("nothing"),
            Self::Exactly(oid) => oid.fmt(f),
            Self::Any => f.write_str("anything"),
        }
    }
}

/// A ref to move at the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Full name, such as `refs/heads/board`.
    pub name: String,
    /// The new value: an object of the store.
    pub new: Oid,
    /// The value that it replaces.
    pub expected: Expected,
}

/// Who refused a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectedBy {
    /// Our own git: the remote's ref had another value than expected.
    Lease,
    /// The remote: a hook, a protected branch, a permission, or a ref that moved meanwhile. Final only where a fetch
    /// shows the ref unmoved.
    Remote,
}

/// What a push did to one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The remote has accepted it.
    Landed,
    /// The remote has not, and will not.
    Rejected {
        /// By whom.
        by: RejectedBy,
        /// In git's words, safe for a terminal.
        reason: String,
    },
    /// There is no remote, and landing would overwrite the user's work in the worktree that has the branch.
    Blocked {
        /// That worktree.
        worktree: PathBuf,
        /// In git's words, safe for a terminal.
        reason: String,
    },
    /// It may have landed, or may still: fetch and look.
    Unknown {
        /// What was seen instead of an answer.
        reason: String,
    },
}

/// Where the board is published.
#[derive(Debug, Clone)]
pub struct Remote {
    name: Option<String>,
    users: Users,
    worktree_config: bool,
}

impl Remote {
    /// Returns a remote of the user's configuration.
    ///
    /// # Errors
    /// [`GitError::BadName`], or [`GitError::UnknownRemote`]: git would take an unknown name for a path.
    pub fn named(name: &str, place: &Place, settings: &Settings, git: &Git) -> Result<Self, GitError> {
        if !is_remote_name(name) {
            return Err(GitError::BadName { what: "name of a remote", text: name.to_owned() });
        }
        if !settings.remotes().iter().any(|(known, _)| known == name) {
            return Err(GitError::UnknownRemote { name: name.to_owned() });
        }
        Ok(Self { name: Some(name.to_owned()), ..Self::own(place, settings, git) })
    }

    /// Returns the user's own repository as the remote, for where there is no other.
    pub fn own(place: &Place, settings: &Settings, git: &Git) -> Self {
        let worktree_config = settings.get_bool("extensions.worktreeConfig").unwrap_or(false);
        Self { name: None, users: Users::new(place, settings, git), worktree_config }
    }

    /// Returns the name of the remote; nothing where it is the user's own repository.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn users(&self) -> &Users {
        &self.users
    }

    /// Begins a command in the store that talks to the remote with the user's settings for it.
    pub(super) fn network(&self, what: &'static str, store: &Store, limit: Duration) -> Invocation<'_> {
        let place = &self.users.place;
        let mut command = self.users.git.command(what).dir(place.run_dir()).git_dir(store.path()).limit(limit);
        command = command.to_remote();
        if let Some(name) = &self.name {
            // Credentials, proxies, addresses. What describes that repository instead of the remote is undone below.
            command = command.config("include.path", place.common_dir.join("config"));
            if self.worktree_config {
                let own = place.git_dir.join("config.worktree");
                if own.exists() {
                    command = command.config("include.path", own);
                }
            }
            command = command
                .config(&format!("remote.{name}.promisor"), "false")
                .config(&format!("remote.{name}.partialclonefilter"), "")
                .config(&format!("remote.{name}.mirror"), "false");
        }
        command
            .config("core.bare", "true")
            .config("core.hooksPath", store.no_hooks())
            .config("core.fsmonitor", "false")
            // The refs that git moves in the store are scratch, or copies of the remote's; what arrives is what counts.
            .config("core.fsync", "objects")
            .config("core.logAllRefUpdates", "false")
            .config("core.filesRefLockTimeout", "2000")
            .config("core.packedRefsTimeout", "5000")
            .config("fetch.fsckObjects", "true")
            .config("fetch.writeCommitGraph", "false")
            .config("fetch.recurseSubmodules", "false")
            .config("submodule.recurse", "false")
            .config("gc.auto", "0")
            .config("maintenance.auto", "false")
            .config("protocol.ext.allow", "never")
            .config("push.gpgSign", "false")
            .config("push.pushOption", "")
    }

    /// Returns what git is to call the remote.
    pub(super) fn address(&self) -> PathBuf {
        self.name.as_ref().map_or_else(|| self.users.place.common_dir.clone(), PathBuf::from)
    }

    /// Returns the user's own repository.
    pub(super) fn without_name(self) -> Self {
        Self { name: None, ..self }
    }

    /// Pushes the board: one ref, moved from the value that `new` was built on.
    ///
    /// # Errors
    /// [`GitError::BadName`], or [`GitError::NotStarted`] where git never ran. All else is an outcome.
    pub fn push(
        &self,
        store: &Store,
        branch: &str,
        new: Oid,
        expected: Expected,
        limit: Duration,
    ) -> Result<PushOutcome, GitError> {
        let update = Update { name: format!("refs/heads/{branch}"), new, expected };
        let mut outcomes = self.push_refs(store, &[update], limit, &|_| {})?;
        Ok(outcomes.pop().expect("one outcome for each update"))
    }

    /// Pushes several refs in one go, each with its own expected value and its own outcome: not atomic.
    ///
    /// `started` is told the process group of the child, for whoever comes after a crash. A push that ran into
    /// `limit` may still land.
    ///
    /// # Errors
    /// As [`Remote::push`].
    pub fn push_refs(
        &self,
        store: &Store,
        updates: &[Update],
        limit: Duration,
        started: &dyn Fn(u32),
    ) -> Result<Vec<PushOutcome>, GitError> {
        for update in updates {
            let branch = update.name.strip_prefix("refs/heads/");
            if !git2::Reference::is_valid_name(&update.name) || branch.is_some_and(|branch| !is_branch_name(branch)) {
                return Err(GitError::BadName { what: "ref", text: update.name.clone() });
            }
        }
        store.harden()?;
        if self.name.is_none() {
            return updates.iter().map(|update| self.land(store, update)).collect();
        }
        let mut command = self.network("push", store, limit).on_start(started).verb().args([
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--no-signed",
            "--no-force-if-includes",
            "--recurse-submodules=no",
        ]);
        for Update { name, expected, .. } in updates {
            // With an expected value and no `+` the remote's compare-and-swap is on exactly that value.
            match expected {
                Expected::Absent => command = command.arg(format!("--force-with-lease={name}:")),
                Expected::Exactly(old) => command = command.arg(format!("--force-with-lease={name}:{old}")),
                Expected::Any => {}
            }
        }
        command = command.arg("--").arg(self.address());
        for Update { name, new, expected } in updates {
            let force = if *expected == Expected::Any { "+" } else { "" };
            command = command.arg(format!("{force}{new}:{name}"));
        }
        let finished = command.run()?;
        let lines = parse_push(&finished.stdout);
        let said: Vec<Said> = updates.iter().map(|update| said(&lines, &update.name)).collect();
        // A push of which the remote has refused one ref, and has reported on each, ends with 1: that is an answer.
        let refused_one = said.iter().any(|said| matches!(said, Said::RefusedHere(_) | Said::RefusedThere(_)));
        let told_all = said.iter().all(|said| !matches!(said, Said::Nothing(_)));
        let answered = finished.success() || (finished.end == End::Exited(1) && refused_one && told_all);
        Ok(said.into_iter().map(|said| outcome(&finished, answered, said)).collect())
    }

    /// Lands one ref in the user's own repository, without its hooks.
    fn land(&self, store: &Store, update: &Update) -> Result<PushOutcome, GitError> {
        let users = &self.users;
        let no_hooks = store.no_hooks();
        let branch = update.name.strip_prefix("refs/heads/");
        let mut homes = Vec::new();
        if let Some(branch) = branch {
            for worktree in users.place.worktrees(&users.git)? {
                if branch_under_repair(&worktree.git_dir).as_deref() == Some(branch) {
                    let reason = format!("a rebase or bisection of {branch} is under way there");
                    return Ok(PushOutcome::Blocked { worktree: worktree.path, reason });
                }
                if worktree.branch.as_deref() == Some(branch) {
                    homes.push(worktree.path);
                }
            }
        }
        let source = scratch_ref(LANDING);
        store.ref_set(&source, update.new, Expected::Any)?;
        let copied = users.copy_from(store.path(), &no_hooks, &source);
        store.ref_delete(&source, Expected::Any)?;
        let copied = copied?;
        if !copied.success() {
            return Ok(PushOutcome::Rejected { by: RejectedBy::Remote, reason: copied.reason() });
        }
        let finished = match &homes[..] {
            [] => users.move_ref(&no_hooks, &update.name, update.new, update.expected)?,
            [home] => {
                let found = ref_value(&users.place, &users.git, &update.name)?;
                if !matches_expected(found, update.expected) {
                    return Ok(PushOutcome::Rejected { by: RejectedBy::Lease, reason: moved(found, update.expected) });
                }
                users.fast_forward(home, &no_hooks, update.new)?
            }
            [first, ..] => {
                let reason = format!("{} is checked out in {} worktrees", update.name, homes.len());
                return Ok(PushOutcome::Blocked { worktree: first.clone(), reason });
            }
        };
        self.landing_outcome(update, homes.first().map(PathBuf::as_path), &no_hooks, &finished)
    }

    /// Tells what a landing did by what the ref is afterwards: it is ours to read.
    fn landing_outcome(
        &self,
        update: &Update,
        home: Option<&Path>,
        no_hooks: &Path,
        finished: &Finished,
    ) -> Result<PushOutcome, GitError> {
        let found = ref_value(&self.users.place, &self.users.git, &update.name)?;
        if found == Some(update.new) || finished.success() {
            sync_ref_dir(&self.users.place.common_dir, &update.name);
            return Ok(PushOutcome::Landed);
        }
        Ok(match (finished.end, home) {
            (End::Exited(_), _) if !matches_expected(found, update.expected) => {
                PushOutcome::Rejected { by: RejectedBy::Lease, reason: moved(found, update.expected) }
            }
            (End::Exited(_), Some(home)) => {
                if let Expected::Exactly(old) = update.expected {
                    // As when a checkout follows: git may have written files and index, and then not the branch.
                    let _ = self.users.go_back(home, no_hooks, update.new, old)?;
                }
                PushOutcome::Blocked { worktree: home.to_owned(), reason: finished.reason() }
            }
            (End::Exited(_), None) => PushOutcome::Rejected { by: RejectedBy::Remote, reason: finished.reason() },
            _ => PushOutcome::Unknown { reason: finished.reason() },
        })
    }
}

/// A success line counts only in a push that was answered; a refusal counts always; all else is unknown. Measured:
/// neither code nor message tells a push that landed from one that did not.
fn outcome(finished: &Finished, answered: bool, said: Said) -> PushOutcome {
    match said {
        Said::RefusedHere(reason) => PushOutcome::Rejected { by: RejectedBy::Lease, reason },
        Said::RefusedThere(reason) => {
            PushOutcome::Rejected { by: RejectedBy::Remote, reason: with_remarks(finished, reason) }
        }
        Said::Done if answered => PushOutcome::Landed,
        Said::Done => PushOutcome::Unknown { reason: finished.reason() },
        Said::Nothing(silence) if finished.success() => PushOutcome::Unknown { reason: silence },
        Said::Nothing(_) => PushOutcome::Unknown { reason: finished.reason() },
    }
}

/// Adds what the remote itself said: a hook's own words tell more than that it declined.
fn with_remarks(finished: &Finished, reason: String) -> String {
    let remarks: Vec<String> = finished
        .stderr
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"remote:"))
        .map(sanitise)
        .filter(|line| !line.is_empty())
        .collect();
    if remarks.is_empty() { reason } else { format!("{reason}: {}", remarks.join("; ")) }
}

fn matches_expected(found: Option<Oid>, expected: Expected) -> bool {
    match expected {
        Expected::Any => true,
        Expected::Absent => found.is_none(),
        Expected::Exactly(oid) => found == Some(oid),
    }
}

fn moved(found: Option<Oid>, expected: Expected) -> String {
    let found = found.map_or_else(|| "nothing".to_owned(), |oid| oid.to_string());
    format!("the branch is at {found}, expected {expected}")
}

/// git syncs the ref's file but not its folder, so a power failure could undo a move that we have told of.
fn sync_ref_dir(common_dir: &Path, name: &str) {
    // Refs that are no files have no such folder, and a failed sync leaves what git itself would have left.
    if let Some(folder) = common_dir.join(name).parent()
        && let Ok(folder) = fs::File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

#[cfg(all(test, unix))]
#[path = "remote_tests.rs"]
mod tests;
