//! Joins git to the model: files and refs on one side, snapshots and changesets on the other.
//!
//! Knows where the board's files are and how they are read and written; decides nothing.

// What git answers goes on as it is: the rooms above see it as the board's answer, and never ask git themselves.
pub use crate::git::hooks::amends;
pub use crate::git::{
    CommitInfo, FetchFault, Follow, Git, GitError, Identity, Objects, Oid, PushOutcome, RejectedBy, Rewound, Settings,
    Slow, Watch, Watcher, end_orphans,
};

mod back;
pub mod backup;
pub mod clone;
pub mod commits;
pub mod difference;
mod earlier;
pub mod exchange;
pub mod files;
pub mod folder;
pub mod index;
mod kept;
pub mod layout;
pub mod line;
pub mod past;
pub mod presence;
pub mod probe;
pub mod range;
pub mod receipt;
pub mod render;
pub mod repository;
pub mod rewind;
pub mod snapshot;
pub mod store;
mod worktree;
