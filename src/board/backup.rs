//! Backups of the board: names for versions of it, kept as refs of the remote beside the outboxes.
//!
//! Owns where they are, and that none is ever moved. A backup costs nothing: the version is in the board's history, and
//! the ref only gives it a name. The private store keeps a copy of each name, for when the remote is out of reach.

use std::collections::BTreeSet;
use std::time::Duration;

use super::commits::Source;
use super::earlier::History;
use super::exchange::DEEPEN_BY;
use super::store::{AccessFault, BoardStore};
use crate::git::{Expected, Oid, PushOutcome, Update};

/// Where the names stand in the store.
const OURS: &str = "refs/squad/backups/";

/// Longest name of a backup, in bytes.
const NAME_MAX: usize = 100;

/// A version of the board that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVersion {
    /// The name.
    pub name: String,
    /// The version.
    pub commit: Oid,
    /// When the version came about, in milliseconds; nothing where its commit is not here.
    pub at_ms: Option<i64>,
    /// The ref on the remote.
    pub reference: String,
}

/// Tells whether a backup may have that name: letters, digits, dots, dashes and underscores, such that git and every file
/// system take it.
pub fn is_backup_name(name: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let ends = name.bytes().next().zip(name.bytes().last());
    name.len() <= NAME_MAX
        && name.bytes().all(usual)
        && ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last != b'.')
        && !name.contains("..")
        && !name.to_ascii_lowercase().ends_with(".lock")
}

impl BoardStore {
    /// Returns the prefix of the refs on the remote; nothing where the namespace and the board would be in each other's
    /// way.
    fn backups_there(&self) -> Option<String> {
        self.beside_the_board("backups")
    }

    /// Returns the ref that a backup of that name has on the remote.
    pub fn backup_ref(&self, name: &str) -> Option<String> {
        Some(format!("{}{name}", self.backups_there()?))
    }

    /// Returns the backups by name: those of the remote where `limit` allows to ask it, else those known here.
    ///
    /// # Errors
    /// [`AccessFault`] when the remote gives no answer, or the store cannot be read.
    pub fn backups(&self, limit: Option<Duration>) -> Result<Vec<NamedVersion>, AccessFault> {
        let Some(theirs) = self.backups_there() else { return Ok(Vec::new()) };
        let found = match limit {
            None => self
                .store
                .refs_below(OURS)?
                .into_iter()
                .map(|(name, oid)| (name[OURS.len()..].to_owned(), oid))
                .collect(),
            Some(limit) => {
                let listed = self.remote.list(&self.store, &theirs, limit)?;
                let found: Vec<(String, Oid)> =
                    listed.into_iter().map(|(name, oid)| (name[theirs.len()..].to_owned(), oid)).collect();
                if found.iter().any(|(_, commit)| !self.store.contains(*commit)) {
                    // Of an older version than the history that is here. Without it there is no date to tell.
                    self.deepen(limit);
                }
                self.keep_names(&found)?;
                found
            }
        };
        let named = |(name, commit): (String, Oid)| {
            let at_ms = self.store.read_commit(commit).ok().map(|commit| commit.committer.at_seconds * 1000);
            NamedVersion { reference: format!("{theirs}{name}"), name, commit, at_ms }
        };
        Ok(found.into_iter().filter(|(name, _)| is_backup_name(name)).map(named).collect())
    }

    /// Keeps the names in the store as the remote has them, as far as their versions are here.
    fn keep_names(&self, there: &[(String, Oid)]) -> Result<(), AccessFault> {
        let names: BTreeSet<&str> = there.iter().map(|(name, _)| name.as_str()).collect();
        for (known, _) in self.store.refs_below(OURS)? {
            if !names.contains(&known[OURS.len()..]) {
                self.store.ref_delete(&known, Expected::Any)?;
            }
        }
        for (name, commit) in there.iter().filter(|(name, commit)| is_backup_name(name) && self.store.contains(*commit))
        {
            let ours = format!("{OURS}{name}");
            if self.store.ref_get(&ours)? != Some(*commit) {
                self.store.ref_set(&ours, *commit, Expected::Any)?;
            }
        }
        Ok(())
    }

    /// Gives a version a name on the remote, which must not have that name yet.
    ///
    /// # Errors
    /// [`AccessFault`] where nothing was sent.
    pub fn push_backup(&self, reference: &str, commit: Oid, limit: Duration) -> Result<PushOutcome, AccessFault> {
        let update = Update { name: reference.to_owned(), new: commit, expected: Expected::Absent };
        let mut outcomes = self.remote.push_refs(&self.store, &[update], limit, &|_| {})?;
        Ok(outcomes.pop().expect("one outcome for each update"))
    }

    /// Sees to it that the history from a version to a head is here; fetches it where `limit` allows to ask the remote.
    /// Tells whether it is: where it is not, either the remote was not to be had, or it is no version of this board.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be read.
    pub fn reach_back(&self, commit: Oid, head: Oid, limit: Option<Duration>) -> Result<bool, AccessFault> {
        let history = History { source: Source::Store(self.store.clone()), head };
        // A little more first, which is enough for most; then all there is.
        for by in [Some(DEEPEN_BY), None] {
            if history.holds(commit)? || !self.store.is_shallow() {
                break;
            }
            let (Some(limit), Some(branch)) = (limit, self.branch()) else { break };
            if self.remote.deepen(&self.store, &branch, by, limit).is_err() {
                break;
            }
        }
        Ok(history.holds(commit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_git_and_every_file_system_take() {
        for good in ["2026-11-28T030405Z", "before-migration", "v1.2_final", "a"] {
            assert!(is_backup_name(good), "{good}");
        }
        let long = "a".repeat(NAME_MAX + 1);
        for bad in ["", ".a", "-a", "a.", "a..b", "a/b", "a b", "a:b", "a~1", "a.LOCK", "ä", "a\n", "@{", &long] {
            assert!(!is_backup_name(bad), "{bad:?}");
        }
    }
}
