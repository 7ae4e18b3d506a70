//! The remote that holds the board: fetched from and pushed to by the user's own git, from the private store.
//!
//! Owns the commands, their flags and what their results mean. Knows refs and object ids, never what they hold. What
//! a push did is told by its porcelain lines and never by an exit code or a message; where they are silent, the
//! outcome is unknown and only a fetch can settle it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::place::{Place, Settings, branch_under_repair, ref_value};
use super::porcelain::{Said, parse_push, said};
use super::retry::Attempts;
use super::store::{INCOMING, LANDING, Store, scratch_ref};
use super::subprocess::{End, Finished, Git, Invocation, sanitise};
use super::users::Users;
use super::{GitError, Oid, is_branch_name, is_remote_name};

/// Attempts of a fetch that fails though the remote answers: two that run at once may meet at git's own locks.
const FETCH_ATTEMPTS: u32 = 4;

/// Longest time that copying from the user's own repository may take.
const REMEMBER_LIMIT: Duration = Duration::from_secs(60);

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

/// Refs of the remote that are kept in the store under other names. Each has one writer, which replaces its value:
/// nothing is checked for descent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Their prefix on the remote; ends in a slash.
    pub theirs: String,
    /// Their prefix in the store; ends in a slash.
    pub ours: String,
}

impl Mirror {
    fn spec(&self) -> String {
        debug_assert!(self.theirs.ends_with('/') && self.ours.ends_with('/') && self.ours != self.theirs);
        format!("+{}*:{}*", self.theirs, self.ours)
    }
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

/// What a fetch found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// The branch, at this commit, whose objects are in the store now.
    Head {
        /// The remote's head.
        head: Oid,
        /// What the store had recorded as confirmed when the fetch began; for [`Store::advance_tip`].
        before: Option<Oid>,
    },
    /// The remote answers and has no such branch.
    NoBranch,
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The remote does not answer, or refuses to talk to us.
    #[error("the remote is out of reach: {reason}")]
    Unreachable {
        /// In git's words, safe for a terminal.
        reason: String,
    },
    /// The remote did not answer in time.
    #[error("the remote did not answer within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The wall-clock limit.
        limit: Duration,
    },
    /// The remote answers, but what it sent was refused or could not be stored.
    #[error("the fetch failed: {reason}")]
    Failed {
        /// In git's words, safe for a terminal.
        reason: String,
    },
    /// The store, or git itself, failed here.
    #[error(transparent)]
    Local(#[from] GitError),
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

    /// Brings the head of a branch into the store as the user's own repository remembers it from its last fetch,
    /// without asking the remote. `None` where it remembers nothing, or not all of it.
    ///
    /// # Errors
    /// [`GitError::NotStarted`] and the like.
    pub fn remembered(&self, store: &Store, branch: &str) -> Result<Option<Oid>, GitError> {
        let Some(name) = &self.name else { return Ok(None) };
        if !is_branch_name(branch) {
            return Ok(None);
        }
        let incoming = scratch_ref(INCOMING);
        let spec = format!("+refs/remotes/{name}/{branch}:{incoming}");
        let mut own = self.clone();
        own.name = None;
        let finished = own.run_fetch(store, &[spec], &["--depth=1"], REMEMBER_LIMIT)?;
        let head = if finished.success() { store.ref_get(&incoming)? } else { None };
        store.ref_delete(&incoming, Expected::Any)?;
        Ok(head)
    }

    /// Returns the branch that the remote calls its own, as this clone remembers it, else as the remote says.
    ///
    /// # Errors
    /// [`FetchFault`] where the remote has to be asked and does not answer.
    pub fn default_branch(&self, store: &Store, limit: Duration) -> Result<Option<String>, FetchFault> {
        let Some(name) = &self.name else { return Ok(None) };
        let remembered = self
            .users
            .command("symbolic-ref", &store.no_hooks())
            .verb()
            .args(["--quiet", &format!("refs/remotes/{name}/HEAD")])
            .run()?;
        let prefix = format!("refs/remotes/{name}/");
        let text = String::from_utf8_lossy(&remembered.stdout);
        if let Some(branch) = text.trim().strip_prefix(&prefix).filter(|_| remembered.success()) {
            return Ok(Some(branch.to_owned()));
        }
        let deadline = Instant::now() + limit;
        let mut attempts = Attempts::after_the_first(deadline);
        let finished = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = self.network("ls-remote", store, left).verb().args(["--quiet", "--symref", "--"]);
            let finished = asked.arg(self.address()).arg("HEAD").run()?;
            match finished.end {
                End::Exited(0) => break finished,
                End::TimedOut => return Err(FetchFault::TimedOut { limit }),
                _ if attempts.another() => {}
                _ => return Err(FetchFault::Unreachable { reason: finished.reason() }),
            }
        };
        let text = String::from_utf8_lossy(&finished.stdout);
        let named = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        Ok(named.map(str::to_owned))
    }

    pub(super) fn users(&self) -> &Users {
        &self.users
    }

    /// Begins a command in the store that talks to the remote with the user's settings for it.
    fn network(&self, what: &'static str, store: &Store, limit: Duration) -> Invocation<'_> {
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
    fn address(&self) -> PathBuf {
        self.name.as_ref().map_or_else(|| self.users.place.common_dir.clone(), PathBuf::from)
    }

    fn run_fetch(
        &self,
        store: &Store,
        specs: &[String],
        options: &[&str],
        limit: Duration,
    ) -> Result<Finished, GitError> {
        self.network("fetch", store, limit)
            .config("pack.writeReverseIndex", "false")
            .verb()
            .args(["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules"])
            .args(["--no-show-forced-updates", "--refmap=", "--update-shallow"])
            .args(options)
            .arg("--")
            .arg(self.address())
            .args(specs)
            .run()
    }

    /// Fetches the head of a branch into the store; the first time without its history.
    ///
    /// With a mirror, the refs below its prefix come with it, as the remote had them after it had that head: git reads
    /// the refs that it is asked for one prefix after the other, in the order of their names. Where that order is the
    /// wrong one, the remote is asked twice. Source: gitprotocol-v2(5), `ls-refs`; `ls-refs.c`.
    ///
    /// The confirmed head is not moved: the caller looks at the descent first ([`Store::advance_tip`]).
    ///
    /// # Errors
    /// [`FetchFault`]; nothing of the store has changed then, but for objects that nobody refers to.
    pub fn fetch(
        &self,
        store: &Store,
        branch: &str,
        mirror: Option<&Mirror>,
        limit: Duration,
    ) -> Result<Fetched, FetchFault> {
        let before = store.tip()?;
        let deadline = Instant::now() + limit;
        let in_order = mirror.is_some_and(|mirror| format!("refs/heads/{branch}") < mirror.theirs);
        let with = mirror.filter(|_| in_order);
        let fetched = if before.is_some() {
            self.fetch_branch(store, branch, before, with, &[], limit)?
        } else {
            self.gated(store, limit, |left| {
                // Whoever had the gate before may have brought the boundary already.
                let depth: &[&str] = if store.is_shallow() { &[] } else { &["--depth=1"] };
                self.fetch_branch(store, branch, before, with, depth, left)
            })?
        };
        if let (Some(mirror), false) = (mirror, in_order) {
            let left = deadline.saturating_duration_since(Instant::now());
            self.fetch_mirror(store, mirror, left)?;
        }
        Ok(fetched)
    }

    /// Fetches the refs of a mirror alone, and returns them by their names in the store.
    ///
    /// # Errors
    /// [`FetchFault`].
    pub(super) fn fetch_mirror(
        &self,
        store: &Store,
        mirror: &Mirror,
        limit: Duration,
    ) -> Result<Vec<(String, Oid)>, FetchFault> {
        self.settled_fetch(store, &[mirror.spec()], &["--no-prune"], None, limit)?;
        Ok(store.refs_below(&mirror.ours)?)
    }

    /// Fetches `by` more commits of the history that a shallow store lacks; all of it where `by` is nothing.
    ///
    /// # Errors
    /// [`FetchFault`].
    pub fn deepen(&self, store: &Store, branch: &str, by: Option<u32>, limit: Duration) -> Result<Fetched, FetchFault> {
        let before = store.tip()?;
        let option = by.map_or_else(|| "--unshallow".to_owned(), |by| format!("--deepen={by}"));
        self.gated(store, limit, |left| {
            let options: &[&str] = if store.is_shallow() { &[&option] } else { &[] };
            self.fetch_branch(store, branch, before, None, options, left)
        })
    }

    fn gated(
        &self,
        store: &Store,
        limit: Duration,
        fetch: impl FnOnce(Duration) -> Result<Fetched, FetchFault>,
    ) -> Result<Fetched, FetchFault> {
        let deadline = Instant::now() + limit;
        let gate = store.depth_gate(deadline)?.ok_or(FetchFault::TimedOut { limit })?;
        let fetched = fetch(deadline.saturating_duration_since(Instant::now()));
        drop(gate);
        fetched
    }

    fn fetch_branch(
        &self,
        store: &Store,
        branch: &str,
        before: Option<Oid>,
        mirror: Option<&Mirror>,
        options: &[&str],
        limit: Duration,
    ) -> Result<Fetched, FetchFault> {
        if !is_branch_name(branch) {
            return Err(GitError::BadName { what: "branch name", text: branch.to_owned() }.into());
        }
        let theirs = format!("refs/heads/{branch}");
        // A ref of its own for each fetch: several processes may fetch into one store at once.
        let incoming = scratch_ref(INCOMING);
        let options = [options, &["--no-prune"]].concat();
        let mut specs = vec![format!("+{theirs}:{incoming}")];
        specs.extend(mirror.map(Mirror::spec));
        let fetched = self.settled_fetch(store, &specs, &options, Some(&theirs), limit)?;
        if !fetched {
            return Ok(Fetched::NoBranch);
        }
        let head =
            store.ref_get(&incoming)?.ok_or(FetchFault::Failed { reason: "the branch did not arrive".to_owned() })?;
        if before != Some(head) {
            // It is here either way; where it cannot be gathered it takes more room.
            let _ = store.gather(head);
        }
        store.ref_delete(&incoming, Expected::Any)?;
        Ok(Fetched::Head { head, before })
    }

    /// Fetches until it is clear what became of it; false means that the remote answers and lacks the ref `wanted`.
    fn settled_fetch(
        &self,
        store: &Store,
        specs: &[String],
        options: &[&str],
        wanted: Option<&str>,
        limit: Duration,
    ) -> Result<bool, FetchFault> {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(20);
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let finished = self.run_fetch(store, specs, options, left)?;
            match finished.end {
                End::Exited(0) => return Ok(true),
                End::TimedOut => return Err(FetchFault::TimedOut { limit }),
                _ => {}
            }
            // The messages of a missing branch, a dead host and a held lock differ between versions and transports.
            if !self.has_ref(store, wanted, &finished, deadline, limit)? {
                return Ok(false);
            }
            if attempt == FETCH_ATTEMPTS || deadline.saturating_duration_since(Instant::now()) < pause {
                // A full or read-only disk is no fault of the remote's.
                store.probe()?;
                return Err(FetchFault::Failed { reason: finished.reason() });
            }
            thread::sleep(pause);
            pause *= 3;
            attempt += 1;
        }
    }

    /// Asks the remote, after a fetch that failed, whether it has a ref; without one, whether it answers. One that cannot
    /// be reached is asked again, the fetch counting as the first attempt.
    fn has_ref(
        &self,
        store: &Store,
        wanted: Option<&str>,
        fetch: &Finished,
        deadline: Instant,
        limit: Duration,
    ) -> Result<bool, FetchFault> {
        let mut attempts = Attempts::after_the_first(deadline);
        // That the ref is not there is an answer, and needs no pause. Should git say so in other words one day, it
        // merely costs one.
        let mut pause = !fetch.reason().contains("find remote ref");
        let listed = loop {
            if pause && !attempts.another() {
                return Err(FetchFault::Unreachable { reason: fetch.reason() });
            }
            pause = true;
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = self.network("ls-remote", store, left).verb().args(["--quiet", "--"]).arg(self.address());
            let finished = asked.arg(wanted.unwrap_or("HEAD")).run()?;
            match finished.end {
                End::Exited(0) => break refs_listed(&finished.stdout)?,
                End::TimedOut => return Err(FetchFault::TimedOut { limit }),
                _ => {}
            }
        };
        // A pattern also matches the tail of longer names.
        Ok(wanted.is_none_or(|wanted| listed.iter().any(|name| name == wanted)))
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

/// Returns the names in what `git ls-remote` lists.
///
/// # Errors
/// [`FetchFault::Failed`] where it is no such list: it then says nothing about what the remote has.
fn refs_listed(output: &[u8]) -> Result<Vec<String>, FetchFault> {
    let text = String::from_utf8_lossy(output);
    let name = |line: &str| {
        let (oid, name) = line.split_once('\t')?;
        oid.parse::<Oid>().is_ok().then(|| name.to_owned())
    };
    let names: Option<Vec<String>> = text.lines().map(name).collect();
    names.ok_or_else(|| FetchFault::Failed {
        reason: format!("git ls-remote answered what is no list of refs: {}", sanitise(output)),
    })
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
