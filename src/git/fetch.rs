//! Fetching: the head of the board and what is beside it come into the private store.
//!
//! Owns how often a remote is asked, and what it means when git says nothing clear. What a fetch brought is told by the
//! refs and never by a message.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::remote::{Expected, Remote};
use super::retry::Attempts;
use super::store::{INCOMING, Store, scratch_ref};
use super::subprocess::{End, Finished, sanitise};
use super::{GitError, Oid, is_branch_name};

/// Attempts of a fetch that fails though the remote answers: two that run at once may meet at git's own locks.
const FETCH_ATTEMPTS: u32 = 4;

/// Longest time that copying from the user's own repository may take.
const REMEMBER_LIMIT: Duration = Duration::from_secs(60);

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

/// What is asked of the remote.
#[derive(Clone, Copy)]
struct Ask<'a> {
    /// Which refs go where.
    specs: &'a [String],
    options: &'a [&'a str],
    /// Held by git as well, for as long as it lives.
    gate: Option<&'a fs::File>,
}

impl Remote {
    /// Brings the head of a branch into the store as the user's own repository remembers it from its last fetch,
    /// without asking the remote. `None` where it remembers nothing, or not all of it.
    ///
    /// # Errors
    /// [`GitError::NotStarted`] and the like.
    pub fn remembered(&self, store: &Store, branch: &str) -> Result<Option<Oid>, GitError> {
        let Some(name) = self.name() else { return Ok(None) };
        if !is_branch_name(branch) {
            return Ok(None);
        }
        let incoming = scratch_ref(INCOMING);
        let spec = format!("+refs/remotes/{name}/{branch}:{incoming}");
        let own = self.clone().without_name();
        let ask = Ask { specs: &[spec], options: &["--depth=1"], gate: None };
        let finished = own.run_fetch(store, ask, REMEMBER_LIMIT)?;
        let head = if finished.success() { store.ref_get(&incoming)? } else { None };
        store.ref_delete(&incoming, Expected::Any)?;
        Ok(head)
    }

    /// Returns the branch that the remote calls its own, as this clone remembers it, else as the remote says.
    ///
    /// # Errors
    /// [`FetchFault`] where the remote has to be asked and does not answer.
    pub fn default_branch(&self, store: &Store, limit: Duration) -> Result<Option<String>, FetchFault> {
        let Some(name) = self.name() else { return Ok(None) };
        let remembered = self
            .users()
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

    fn run_fetch(&self, store: &Store, ask: Ask<'_>, limit: Duration) -> Result<Finished, GitError> {
        let mut command = self.network("fetch", store, limit).config("pack.writeReverseIndex", "false");
        if let Some(gate) = ask.gate {
            command = command.holding(gate)?;
        }
        command
            .verb()
            .args(["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules"])
            .args(["--no-show-forced-updates", "--refmap=", "--update-shallow"])
            .args(ask.options)
            .arg("--")
            .arg(self.address())
            .args(ask.specs)
            .run()
    }

    /// Fetches the head of a branch into the store; the first time without its history.
    ///
    /// With mirrors, the refs below their prefixes come with it, as the remote had them after it had that head: git reads
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
        mirrors: &[Mirror],
        limit: Duration,
    ) -> Result<Fetched, FetchFault> {
        let before = store.tip()?;
        let deadline = Instant::now() + limit;
        let board = format!("refs/heads/{branch}");
        let (with, after): (Vec<&Mirror>, Vec<&Mirror>) = mirrors.iter().partition(|mirror| board < mirror.theirs);
        let fetched = if before.is_some() {
            self.fetch_branch(store, branch, before, &with, &[], None, limit)?
        } else {
            self.gated(store, limit, |gate, left| {
                // Whoever had the gate before may have brought the boundary already.
                let depth: &[&str] = if store.is_shallow() { &[] } else { &["--depth=1"] };
                self.fetch_branch(store, branch, before, &with, depth, Some(gate), left)
            })?
        };
        for mirror in after {
            let left = deadline.saturating_duration_since(Instant::now());
            self.fetch_mirror(store, mirror, left)?;
        }
        Ok(fetched)
    }

    /// Fetches the refs of a mirror alone, and returns them by their names in the store.
    ///
    /// # Errors
    /// [`FetchFault`].
    pub fn fetch_mirror(
        &self,
        store: &Store,
        mirror: &Mirror,
        limit: Duration,
    ) -> Result<Vec<(String, Oid)>, FetchFault> {
        let gate = store.mirror_gate([&*mirror.ours]);
        let ask = Ask { specs: &[mirror.spec()], options: &["--no-prune"], gate: gate.as_ref() };
        self.settled_fetch(store, ask, None, limit)?;
        Ok(store.refs_below(&mirror.ours)?)
    }

    /// Fetches `by` more commits of the history that a shallow store lacks; all of it where `by` is nothing.
    ///
    /// # Errors
    /// [`FetchFault`].
    pub fn deepen(&self, store: &Store, branch: &str, by: Option<u32>, limit: Duration) -> Result<Fetched, FetchFault> {
        let before = store.tip()?;
        let option = by.map_or_else(|| "--unshallow".to_owned(), |by| format!("--deepen={by}"));
        self.gated(store, limit, |gate, left| {
            let options: &[&str] = if store.is_shallow() { &[&option] } else { &[] };
            self.fetch_branch(store, branch, before, &[], options, Some(gate), left)
        })
    }

    fn gated(
        &self,
        store: &Store,
        limit: Duration,
        fetch: impl FnOnce(&fs::File, Duration) -> Result<Fetched, FetchFault>,
    ) -> Result<Fetched, FetchFault> {
        let deadline = Instant::now() + limit;
        let gate = store.depth_gate(deadline)?.ok_or(FetchFault::TimedOut { limit })?;
        let fetched = fetch(&gate, deadline.saturating_duration_since(Instant::now()));
        drop(gate);
        fetched
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of one question")]
    fn fetch_branch(
        &self,
        store: &Store,
        branch: &str,
        before: Option<Oid>,
        mirrors: &[&Mirror],
        options: &[&str],
        gate: Option<&fs::File>,
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
        specs.extend(mirrors.iter().map(|mirror| mirror.spec()));
        let own_gate = if mirrors.is_empty() { None } else { store.mirror_gate(mirrors.iter().map(|m| &*m.ours)) };
        let ask = Ask { specs: &specs, options: &options, gate: gate.or(own_gate.as_ref()) };
        let fetched = self.settled_fetch(store, ask, Some(&theirs), limit)?;
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
        ask: Ask<'_>,
        wanted: Option<&str>,
        limit: Duration,
    ) -> Result<bool, FetchFault> {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(20);
        let mut attempt = 1;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let finished = self.run_fetch(store, ask, left)?;
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
                // A full or read-only disk is no fault of the remote's, and neither is a store with holes.
                store.probe()?;
                store.look_for_holes(&self.users().git)?;
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

#[cfg(all(test, unix))]
#[path = "fetch_tests.rs"]
mod tests;
