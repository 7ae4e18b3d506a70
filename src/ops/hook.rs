//! Hooks of git that ask squad: what the one before a commit says, and how it gets there and away again.
//!
//! Owns what is judged and where a hook may be put. A hook of somebody else is never replaced, and a file of a hook
//! manager never touched. How squad's lines read is in `block`, who else may own the hooks in `managers`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::doctor::State;
use super::failure::Failure;
use super::review::{Reviewed, review_staged};
use crate::board::repository::Repository;
use crate::board::{Git, GitError};
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, Millis};
use crate::model::vocabulary::words;

mod block;
mod install;
mod managers;
mod survey;

pub use install::{Change, Changed, install, uninstall, was_installed};
pub(super) use survey::{Installed, installed};
pub use survey::{find_repository, status};

/// The event of git that squad has something to say about.
pub const EVENT: &str = "pre-commit";

/// The same for a commit that `git merge` makes by itself.
const MERGE: &str = "pre-merge-commit";

/// The name of squad's hook in git's configuration.
const NAME: &str = "squad";

words! {
    /// How a hook comes to ask squad.
    How, "way of a hook" {
        /// git runs it from its configuration.
        Config = "config",
        /// Lines between marks in a hook script.
        Block = "block",
        /// Somebody wrote it, or has to: squad does not touch that file.
        ByHand = "by-hand",
    }
}

/// A hook, as it is or as it could be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hook {
    /// The event.
    pub event: &'static str,
    /// Whether commits are judged: `skipped` where nobody has asked for it yet.
    pub state: State,
    /// How.
    pub how: How,
    /// The file that says so, or would.
    pub path: String,
    /// What was found, or done.
    pub detail: String,
    /// Who owns the hooks here, where that is not git itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<&'static str>,
    /// What to write into the file by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<&'static str>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Hook {
    fn new(event: &'static str, state: State, how: How, path: &Path, detail: impl Into<String>) -> Self {
        Self {
            event,
            state,
            how,
            path: path.display().to_string(),
            detail: detail.into(),
            manager: None,
            snippet: None,
            fix: None,
        }
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// What git tells a hook of where it runs.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The index that holds what is about to be committed.
    pub index: Option<PathBuf>,
    /// The folder of the repository, where that is known.
    pub git_dir: Option<PathBuf>,
}

/// Judges what is staged for the commit that is about to be made in a folder's repository, against what it is made on;
/// `agent` is who is said to commit, `now` when. Reads only, asks no remote, and has nothing to say where there is no board.
///
/// # Errors
/// [`Failure`] `internal` when it cannot be judged; what is wrong with it is in the result.
pub fn pre_commit(dir: &Path, told: &Told, agent: Option<&AgentName>, now: Millis) -> Result<Reviewed, Failure> {
    let judged = || -> Result<Reviewed, Failure> {
        let (found, index) = match (Repository::find(Git::new(), dir), &told.git_dir) {
            // A repository around the folder is the one, whatever another one's hook has left in the environment. Where
            // there is none, its folder is elsewhere, and only git knows where.
            (Err(GitError::NotARepository { .. }), Some(git_dir)) => {
                let index = told.index.as_ref().map(|index| dir.join(index));
                (Repository::find(Git::new(), &dir.join(git_dir)), index)
            }
            (found, _) => (found, told.index.clone()),
        };
        match found {
            Ok(repository) => review_staged(&repository, index.as_deref(), agent, now),
            // No board can be where squad does not work at all.
            Err(GitError::NotARepository { .. } | GitError::UnsupportedObjectFormat { .. }) => Ok(Reviewed::default()),
            Err(error) => Err(error.into()),
        }
    };
    judged().map_err(|failure| {
        // Only a verdict ends with its code: whoever runs a hook must not take a fault of squad's for one.
        let why = failure.why.map(|why| format!(": {why}")).unwrap_or_default();
        Failure::new(ErrorCode::Internal, format!("squad cannot judge this commit: {}{why}", failure.message))
    })
}
