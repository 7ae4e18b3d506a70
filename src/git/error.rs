//! What can go wrong with git, sorted by what a caller does about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::Oid;

/// A failure of this room.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository at or above this path.
    #[error("{path} is not inside a git repository")]
    NotARepository {
        /// Where the search began.
        path: PathBuf,
    },
    /// The repository belongs to somebody else, and `safe.directory` does not name it.
    #[error("git does not trust the owner of {path}: {reason}")]
    UntrustedOwner {
        /// Where the search began.
        path: PathBuf,
        /// What git or libgit2 said.
        reason: String,
    },
    /// The repository names its objects in a way that squad does not read.
    #[error("{path} uses the object format {format}, only sha1 is supported")]
    UnsupportedObjectFormat {
        /// The repository.
        path: PathBuf,
        /// `sha256`, or whatever git calls it.
        format: String,
    },
    /// The staged index cannot be read.
    #[error("cannot read the staged index {path}: {reason}")]
    UnreadableIndex {
        /// The index file.
        path: PathBuf,
        /// Why, in the words of libgit2 and git.
        reason: String,
    },
    /// The `git` program did not start.
    #[error("cannot start {program}")]
    NotStarted {
        /// The program that was looked for.
        program: String,
        /// Why the system refused.
        #[source]
        source: io::Error,
    },
    /// A git command failed.
    #[error("git {what} failed: {reason}")]
    Command {
        /// The subcommand.
        what: &'static str,
        /// Its last words, made safe for a terminal.
        reason: String,
    },
    /// A git command ran out of time and was ended.
    #[error("git {what} did not answer within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The subcommand.
        what: &'static str,
        /// The wall-clock limit that it had.
        limit: Duration,
    },
    /// libgit2 refused or failed.
    #[error("cannot {what}")]
    Library {
        /// What was being done.
        what: &'static str,
        /// libgit2's own words.
        #[source]
        source: git2::Error,
    },
    /// A file or folder of ours cannot be made, read or moved.
    #[error("cannot {what} {path}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An object is not here: pruned, never fetched, or beyond the boundary of a shallow clone.
    #[error("object {oid} is missing")]
    Missing {
        /// Its name.
        oid: Oid,
    },
    /// The private store lacks objects that it should have; it is made anew when it is opened next.
    #[error("the private copy of the board, {path}, has holes")]
    Holed {
        /// The store.
        path: PathBuf,
    },
    /// An object is of another kind than asked for.
    #[error("object {oid} is not a {expected}")]
    WrongKind {
        /// Its name.
        oid: Oid,
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// An object is not what its kind must be.
    #[error("object {oid} is no whole {expected}")]
    Broken {
        /// Its name.
        oid: Oid,
        /// Its kind.
        expected: &'static str,
    },
    /// A blob is larger than the caller accepts.
    #[error("object {oid} has {size} bytes, more than the limit of {max}")]
    TooLarge {
        /// Its name.
        oid: Oid,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// A ref does not have the value that the caller built on.
    #[error("ref {name} is at {}, expected {expected}", found.map_or_else(|| "nothing".to_owned(), |oid| oid.to_string()))]
    RefMoved {
        /// Full name of the ref.
        name: String,
        /// What the caller expected, in words.
        expected: String,
        /// What is there now.
        found: Option<Oid>,
    },
    /// A name breaks git's rules or could be read as an option.
    #[error("{text:?} is not a valid {what}")]
    BadName {
        /// What was being named.
        what: &'static str,
        /// The text as it was given.
        text: String,
    },
    /// The name of a remote that the configuration does not know.
    #[error("there is no remote {name:?}")]
    UnknownRemote {
        /// The name as it was given.
        name: String,
    },
}

impl GitError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::UntrustedOwner { path, .. } => {
                return format!("if you trust it: git config --global --add safe.directory {}", path.display());
            }
            Self::NotARepository { .. } => "`git init`, or change to a folder inside a repository",
            Self::UnsupportedObjectFormat { .. } => "keep the board in a repository whose object format is sha1",
            Self::UnreadableIndex { .. } => "`git status` says what is wrong with it; `squad check` needs no index",
            Self::NotStarted { .. } => "install git 2.41 or newer and put it on PATH",
            Self::TimedOut { .. } => "see whether `git fetch` gets an answer, then run the command again",
            Self::BadName { what: "path in a tree", .. } => "`squad check` names what stands where a folder should",
            Self::BadName { .. } => "`git check-ref-format --branch NAME` tells which names git takes",
            Self::UnknownRemote { .. } => "`git remote` lists the remotes; `git config squad.remote NAME` chooses one",
            Self::TooLarge { .. } => "make the file smaller; `squad check` names every file that is too large",
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "a sandbox may keep the repository's git folder read-only: allow writing there"
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    "make room there, then run the command again"
                }
                _ => "see that you own it and may write there, and that the disk has room",
            },
            Self::Holed { .. } => "run the command again: it fetches a new copy",
            Self::Command { .. }
            | Self::Library { .. }
            | Self::Missing { .. }
            | Self::WrongKind { .. }
            | Self::Broken { .. }
            | Self::RefMoved { .. } => "run it again; if it stays, `git fsck` tells whether the repository is whole",
        };
        text.to_owned()
    }

    pub(super) fn library(what: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Library { what, source }
    }

    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
