//! The last version of the board that can be used, for when the newest one cannot.

use super::layout::CONFIG;
use super::store::{AccessFault, BoardStore};
use crate::git::Oid;

/// How many versions are looked at: a board that has been broken for longer is one that nobody misses.
const LOOK_BACK: usize = 1000;

impl BoardStore {
    /// Returns the newest version before `head` whose configuration can be read.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the history cannot be read.
    pub fn last_usable(&self, head: Oid) -> Result<Option<Oid>, AccessFault> {
        let store = self.objects();
        let mut judged = None;
        for commit in store.recent(head)?.take(LOOK_BACK) {
            let commit = commit?;
            let config = store.lookup(commit.tree, CONFIG)?.map(|entry| entry.oid);
            // The same file again is as broken as it was.
            if config.is_none() || judged == config {
                continue;
            }
            judged = config;
            if self.snapshot(Some(commit.oid))?.require_config().is_ok() {
                return Ok(Some(commit.oid));
            }
        }
        Ok(None)
    }
}
