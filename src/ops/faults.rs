//! How the faults of the rooms below become failures: sorted once, here, into codes and next steps.

use std::error::Error;

use serde_json::json;

use super::failure::Failure;
use super::publish::Trouble;
use crate::board::render::RenderFault;
use crate::board::store::AccessFault;
use crate::board::{FetchFault, GitError};
use crate::model::board::BoardFault;
use crate::model::code::ErrorCode;
use crate::model::refusal::Refusal;
use crate::schema::Violation;

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Self::new(refusal.code(), refusal.message()).retryable(refusal.retryable());
        failure.why = refusal.why();
        failure.hint = refusal.hint();
        failure.data = Box::new(refusal.data());
        failure
    }
}

impl From<BoardFault> for Failure {
    fn from(fault: BoardFault) -> Self {
        match &fault {
            BoardFault::Broken { file, pointer, message } => {
                let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
                Self::new(ErrorCode::Invalid, format!("{file} is broken{place}"))
                    .why(message.clone())
                    .hint("`squad check` lists everything that is wrong; correct the file and push it, then try again")
                    .with("file", file.as_str())
                    .with("pointer", pointer.as_str())
            }
            BoardFault::Newer { file, found, known } => {
                Self::new(ErrorCode::Invalid, format!("{file} is of a newer version than this squad can write"))
                    .why(format!("it has schemaVersion {found}; this build writes {known}"))
                    .hint("use a newer squad")
                    .with("file", file.as_str())
                    .with("pointer", "/schemaVersion")
            }
            BoardFault::Unreadable(source) => {
                Self::new(ErrorCode::Internal, "the board cannot be read").caused_by(source.as_ref())
            }
        }
    }
}

impl From<RenderFault> for Failure {
    fn from(fault: RenderFault) -> Self {
        match fault {
            RenderFault::Board(fault) => fault.into(),
            RenderFault::Invalid(violations) => invalid(&violations),
        }
    }
}

/// Returns the failure that these violations are.
pub(super) fn invalid(violations: &[Violation]) -> Failure {
    let Some(first) = violations.first() else {
        return Failure::new(ErrorCode::Internal, "the result was refused without a reason");
    };
    let at = if first.pointer.is_empty() { String::new() } else { format!(" at {}", first.pointer) };
    Failure::new(ErrorCode::Invalid, format!("the result would break {}{at}; nothing was written", first.file))
        .why(first.message.clone())
        .hint(first.hint.clone())
        .with("file", first.file.as_str())
        .with("pointer", first.pointer.as_str())
        .with("violations", json!(violations))
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let code = match &error {
            GitError::NotARepository { .. } => ErrorCode::NotFound,
            GitError::UntrustedOwner { .. }
            | GitError::UnsupportedObjectFormat { .. }
            | GitError::UnreadableIndex { .. }
            | GitError::BadName { .. } => ErrorCode::Invalid,
            GitError::UnknownRemote { .. } => ErrorCode::NotFound,
            // Without git there is no way to the remote.
            GitError::TimedOut { .. } | GitError::NotStarted { .. } => ErrorCode::RemoteUnreachable,
            _ => ErrorCode::Internal,
        };
        let hint = error.hint();
        let retryable = matches!(error, GitError::TimedOut { .. } | GitError::Holed { .. } | GitError::Missing { .. });
        let failure = Self::new(code, error.to_string()).hint(hint).retryable(retryable);
        match error.source() {
            Some(source) => failure.caused_by(source),
            None => failure,
        }
    }
}

impl From<AccessFault> for Failure {
    fn from(fault: AccessFault) -> Self {
        match fault {
            AccessFault::Git(error) => error.into(),
            AccessFault::WhichRemote { names } => {
                Self::new(ErrorCode::Usage, "it is not clear which remote holds the board")
                    .why(format!("there are {}, and none is called origin", names.join(", ")))
                    .hint("`git config squad.remote NAME` says which; so does `squad init --remote NAME`")
                    .with("remotes", json!(names))
            }
            AccessFault::NoBoard { looked_at } => Self::new(ErrorCode::NotFound, "there is no board here")
                .why(format!("no squad/squad.json on {}", or_nothing(&looked_at)))
                .hint("`squad init` makes one; `git config squad.branch NAME` names another branch to look at")
                .with("branches", json!(looked_at)),
            AccessFault::NoBranch { remote, branch } => {
                Self::new(ErrorCode::NotFound, format!("{remote} has no branch {branch}, where the board should be"))
                    .hint("where it was deleted, ask for it to be pushed back: squad never makes it again by itself; `git config squad.branch NAME` names another")
                    .with("branch", branch)
            }
            AccessFault::Fetch(FetchFault::Local(error)) => error.into(),
            AccessFault::Fetch(fault) => unreachable(&fault.to_string()),
            AccessFault::Rewound(rewound) => self::rewound(&rewound.old.to_string(), &rewound.new.to_string()),
            AccessFault::OfflineAndEmpty => {
                Self::new(ErrorCode::RemoteUnreachable, "nothing of the board has been fetched yet")
                    .why("--offline forbids to ask the remote")
                    .hint("run `squad sync` once with the remote in reach")
            }
            AccessFault::State { what, path, source } => {
                let read_only = matches!(
                    source.kind(),
                    std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
                );
                let failure =
                    Self::new(ErrorCode::Internal, format!("cannot {what} {}", path.display())).why(source.to_string());
                failure.hint(if read_only {
                    "a sandbox may keep the repository's git folder read-only: allow writing there"
                } else {
                    "squad keeps its own state there: see that it is a folder, that you own it, and that the disk has room"
                })
            }
        }
    }
}

fn or_nothing(branches: &[String]) -> String {
    if branches.is_empty() { "any branch".to_owned() } else { branches.join(" or ") }
}

fn unreachable(reason: &str) -> Failure {
    Failure::new(ErrorCode::RemoteUnreachable, "the remote cannot be reached; nothing was changed")
        .why(reason)
        .hint("check the address and your access with `git fetch`, then run the command again")
}

fn rewound(old: &str, new: &str) -> Failure {
    Failure::new(
        ErrorCode::Invalid,
        "the board was rewritten on the remote; nothing is published until a person decides",
    )
    .why(format!("the remote is at {new}, which does not follow from {old}, the last head that this clone has seen"))
    .hint("ask whoever rewrote it; a person decides with `squad sync --accept-rewind`, which keeps the old head under a backup ref")
    .with("old", old)
    .with("new", new)
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreachable(reason) => unreachable(&reason),
            Trouble::RemoteRefuses(reason) => {
                Self::new(ErrorCode::RemoteRefused, "the remote refused the push; nothing was changed")
                    .why(reason)
                    .hint("a hook or a protected branch is in the way: `squad init --branch squad` puts the board on a branch of its own")
            }
            Trouble::Undecided { id, reason } => {
                Self::new(ErrorCode::Undecided, "it is not known yet whether that happened")
                    .why(reason)
                    .hint("run the same command again, or `squad sync`: both settle it, and neither does it twice")
                    .with("op", id)
            }
            Trouble::Contended { after, pushes } => {
                Self::new(ErrorCode::RemoteUnreachable, "others were faster every time; nothing was changed")
                    .why(format!("{pushes} pushes were rejected in {} s", after.as_secs()))
                    .hint("run the command again")
            }
            Trouble::Rewound { old, new } => self::rewound(&old, &new),
            Trouble::CheckoutInTheWay { worktree, reason } => {
                Self::new(ErrorCode::RemoteRefused, "a checkout of the board's branch is in the way; nothing was changed")
                    .why(format!("in {worktree}: {reason}"))
                    .hint("commit or set aside the changes there; or give the board a branch of its own with `squad init --branch squad`")
                    .with("worktree", worktree)
            }
            Trouble::Board(fault) => fault.into(),
            Trouble::Invalid(violations) => invalid(&violations),
            Trouble::Access(fault) => fault.into(),
        }
    }
}
