//! Taking on a head that does not follow from the confirmed one, once a person has said so.

use super::store::TIP;
use super::{Expected, GitError, Oid, Rewound, Store};

/// Where heads are kept that were given up, one ref each.
pub(super) const BACKUP: &str = "refs/squad/backup";

impl Store {
    /// Keeps the old head under a ref of its own, which it returns. `stamp` names the moment.
    ///
    /// # Errors
    /// [`GitError::Library`] where the ref cannot be written.
    pub fn keep_backup(&self, head: Oid, stamp: &str) -> Result<String, GitError> {
        let name = format!("{BACKUP}/{stamp}-{}", &head.to_string()[..10]);
        self.ref_set(&name, head, Expected::Any)?;
        Ok(name)
    }

    /// Takes the remote's head as the confirmed one though it does not follow from the one before.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] where another process has confirmed something else meanwhile.
    pub fn accept_rewind(&self, rewound: &Rewound) -> Result<(), GitError> {
        self.ref_set(TIP, rewound.new, Expected::Exactly(rewound.old))
    }
}
