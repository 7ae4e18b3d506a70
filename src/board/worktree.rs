//! Worktrees for runs: made from what the user has checked out, in this clone's own state.

use std::fs::File;
use std::path::Path;

use super::store::{AccessFault, BoardStore};

impl BoardStore {
    /// Makes a worktree with the commit that is checked out where the user stands.
    ///
    /// # Errors
    /// [`AccessFault::Git`] with what git says.
    pub fn add_worktree(&self, path: &Path) -> Result<(), AccessFault> {
        let _alone = self.alone_with_worktrees();
        Ok(self.place.add_worktree(&self.git, path)?)
    }

    /// Removes such a worktree that was never worked in, however much of it was made.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when it cannot be removed.
    pub fn discard_worktree(&self, path: &Path) -> Result<(), AccessFault> {
        let _alone = self.alone_with_worktrees();
        Ok(self.place.discard_worktree(&self.git, path)?)
    }

    /// Removes such a worktree, unless that would lose work. Tells whether it was removed.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when git cannot look.
    pub fn remove_worktree(&self, path: &Path) -> Result<bool, AccessFault> {
        let _alone = self.alone_with_worktrees();
        Ok(self.place.remove_worktree(&self.git, path)?)
    }

    /// Waits until no other process of this clone makes or removes a worktree. git reads what it has noted of all of them,
    /// and fails at one that is half written. Where there are no locks, it may.
    fn alone_with_worktrees(&self) -> Option<File> {
        let lock = self.state_dir().join("worktrees.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(lock).ok()?;
        lock.lock().is_ok().then_some(lock)
    }
}
