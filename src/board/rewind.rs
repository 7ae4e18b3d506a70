//! A board that was rewritten on the remote: what went with it, and taking the new head on.
//!
//! Whether to do so is a person's decision and made elsewhere. Nothing is deleted here.

use std::collections::HashSet;

use super::receipt;
use super::store::{AccessFault, BoardStore};
use crate::git::{Oid, Rewound};
use crate::model::id::OpId;
use crate::model::operation::Operation;

/// What stands on the old head and not on the new one.
#[derive(Debug, Default)]
pub struct Gone {
    /// How many commits.
    pub commits: usize,
    /// Whether there were more, of which this clone knows nothing: its history is cut off.
    pub more: bool,
    /// The operations that stood only there, oldest first, each with its commit.
    pub operations: Vec<(Oid, Operation)>,
}

impl BoardStore {
    /// Returns what is lost with the old head.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when either history cannot be read.
    pub fn gone(&self, rewound: &Rewound) -> Result<Gone, AccessFault> {
        let store = self.objects();
        let kept = store.walk(rewound.new, Some(rewound.old))?;
        // Who rewrote the board may have carried some operations over.
        let survived: HashSet<OpId> = kept.iter().filter_map(|commit| receipt::marks(&commit.message).op).collect();
        let mut gone = Gone::default();
        for commit in store.walk(rewound.old, Some(rewound.new))? {
            gone.commits += 1;
            if commit.cut_off {
                for parent in &commit.parents {
                    gone.more |= !store.contains(*parent) || !store.is_ancestor(*parent, rewound.new)?;
                }
            }
            if let Some(operation) = receipt::operation(&commit.message)
                && !survived.contains(&operation.id)
            {
                gone.operations.push((commit.oid, operation));
            }
        }
        gone.operations.reverse();
        Ok(gone)
    }

    /// Keeps the old head under a backup ref of the private store, and returns the ref's name.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the ref cannot be written.
    pub fn keep_backup(&self, head: Oid, stamp: &str) -> Result<String, AccessFault> {
        Ok(self.objects().keep_backup(head, stamp)?)
    }

    /// Takes the remote's head as the confirmed one.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where another process has confirmed something else meanwhile.
    pub fn accept_rewind(&self, rewound: &Rewound) -> Result<(), AccessFault> {
        self.objects().accept_rewind(rewound)?;
        self.note_fetched();
        Ok(())
    }

    /// Returns every operation that stands in the history of a version, as far as it is here.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the history cannot be read.
    pub fn operations_in(&self, head: Oid) -> Result<HashSet<OpId>, AccessFault> {
        let commits = self.objects().walk(head, None)?;
        Ok(commits.iter().filter_map(|commit| receipt::marks(&commit.message).op).collect())
    }

    /// Tells whether a version belongs to the history of another, as far as it is here.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the history cannot be read.
    pub fn is_part_of(&self, version: Oid, head: Oid) -> Result<bool, AccessFault> {
        Ok(self.objects().contains(version) && self.objects().is_ancestor(version, head)?)
    }
}
