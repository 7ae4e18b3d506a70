//! Worktrees that squad makes for a run, and takes away once nothing in them would be lost.

use std::path::Path;

use super::{Git, GitError, Place};

impl Place {
    /// Makes a worktree at `path` with the commit that is checked out here, on no branch.
    ///
    /// # Errors
    /// What git says; for one where nothing was committed yet.
    pub fn add_worktree(&self, git: &Git, path: &Path) -> Result<(), GitError> {
        let add = git.command("worktree").dir(self.run_dir()).verb().args(["add", "--quiet", "--detach", "--force"]);
        add.arg("--").arg(path).arg("HEAD").output().map(drop)
    }

    /// Removes such a worktree, unless it holds work that is nowhere else: changed or new files, or commits that neither
    /// the remotes nor what is checked out here has. Tells whether it was removed.
    ///
    /// # Errors
    /// What git says when it cannot look.
    pub fn remove_worktree(&self, git: &Git, path: &Path) -> Result<bool, GitError> {
        let looked = git.command("status").dir(path).config("core.fsmonitor", "false").verb();
        let changed = looked.args(["--porcelain", "-z", "--untracked-files=all"]).output()?;
        if !changed.is_empty() {
            return Ok(false);
        }
        let head = git.command("rev-parse").dir(self.run_dir()).verb().args(["--verify", "HEAD"]).output()?;
        let head = String::from_utf8_lossy(&head).trim().to_owned();
        let ahead = git.command("rev-list").dir(path).verb();
        let ahead = ahead.args(["--max-count=1", "HEAD", "--not", &head, "--remotes"]).output()?;
        if !ahead.is_empty() {
            return Ok(false);
        }
        // Without --force git looks once more by itself.
        let removed = git.command("worktree").dir(self.run_dir()).verb().args(["remove", "--"]).arg(path).run()?;
        Ok(removed.success())
    }

    /// Removes such a worktree that nobody has worked in, however much of it was made before whoever made it died.
    ///
    /// # Errors
    /// What git says when it cannot start.
    pub fn discard_worktree(&self, git: &Git, path: &Path) -> Result<(), GitError> {
        // Twice forced: git locks what it has not finished.
        let remove = || {
            let remove =
                git.command("worktree").dir(self.run_dir()).verb().args(["remove", "--force", "--force", "--"]);
            remove.arg(path).run()
        };
        if !remove()?.success() {
            // It is not finished enough for git to know it as one.
            let _ = std::fs::remove_dir_all(path);
            if !remove()?.success() {
                self.forget_worktree(path);
            }
        }
        Ok(())
    }

    /// Removes what git has noted of a worktree, where git cannot read it, and then nothing of any worktree.
    fn forget_worktree(&self, path: &Path) {
        let Some(name) = path.file_name() else { return };
        let noted = self.common_dir.join("worktrees").join(name);
        let whose = std::fs::read_to_string(noted.join("gitdir")).unwrap_or_default();
        if whose.trim().is_empty() || Path::new(whose.trim()).parent() == Some(path) {
            let _ = std::fs::remove_dir_all(noted);
        }
    }
}
