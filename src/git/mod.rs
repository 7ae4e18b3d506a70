//! The only room that names git2 or starts `git`: places, refs, objects, trees, remotes, processes.
//!
//! Knows nothing of tasks. Reading happens in process through libgit2; whatever crosses the network or changes the
//! user's own branches, index and files is the user's own `git`, so that credentials, proxies, formats and locks are
//! theirs.

pub mod diff;
mod error;
pub mod fetch;
pub mod follow;
mod harden;
pub mod history;
pub mod hooks;
pub mod keys;
mod listing;
pub mod objects;
mod oid;
mod pack;
pub mod place;
pub mod porcelain;
pub mod probe;
pub mod remote;
mod retry;
mod rewind;
pub mod staged;
pub mod store;
pub mod subprocess;
#[cfg(all(test, unix))]
mod testkit;
mod trees;
mod users;
mod value;
mod watch;
mod worktrees;

pub use diff::{Change, ChangedPath};
pub use error::GitError;
pub use fetch::{FetchFault, Fetched, Mirror};
pub use follow::{Follow, PathSet, follow};
pub use objects::{CommitInfo, Entry, EntryKind, Identity, Objects, Signed};
pub use oid::Oid;
pub use place::{Head, Place, RefFormat, Settings, Worktree, branch_tip};
pub use porcelain::{PushLine, parse_push};
pub use remote::{Expected, PushOutcome, RejectedBy, Remote, Update};
pub use staged::{StagedEntry, staged_against, staged_entries};
pub use store::{Rewound, Store};
pub use subprocess::{Git, end_orphans};
pub use watch::{Slow, Watch, Watcher};

/// Tells whether `name` may be a branch, by git's own rules, and cannot be read as an option.
///
/// Source: git-check-ref-format(1), `--branch`.
pub fn is_branch_name(name: &str) -> bool {
    !name.starts_with('-')
        && name != "HEAD"
        && name != "@"
        && git2::Reference::is_valid_name(&format!("refs/heads/{name}"))
}

/// Tells whether `name` may be the name of a configured remote, and cannot be read as an option or a path.
///
/// A name with `=` is refused although git takes it: `-c` could not override its settings.
pub fn is_remote_name(name: &str) -> bool {
    !name.starts_with('-') && !name.contains('=') && git2::Reference::is_valid_name(&format!("refs/remotes/{name}/x"))
}
