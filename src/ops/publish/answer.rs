//! What the publish loop says of an operation: an answer, or what kept it from one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::board::store::AccessFault;
use crate::model::board::BoardFault;
use crate::model::id::TaskId;
use crate::ops::failure::Failure;
use crate::schema::Violation;

/// The truth about an operation. It can be written down for a process that waits for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is on the board as the remote has it.
    Published {
        /// The commit that carries it out.
        commit: String,
        /// How many pushes of this clone have held it.
        pushes: u32,
        /// What the actor should know though it was no reason to refuse.
        warnings: Vec<String>,
    },
    /// What it asked for was already so, on a board that the remote has confirmed.
    Unchanged {
        /// What is already so.
        why: String,
        /// The task that it is about.
        task: Option<TaskId>,
    },
    /// The board's history says what became of it.
    Settled {
        /// The commit that says so.
        commit: String,
        /// The code of the refusal, where it was refused.
        refused: Option<String>,
        /// How many pushes of this clone have held it.
        pushes: u32,
    },
    /// It may not happen, and will not.
    Failed(Failure),
    /// It was never pushed, and who asked for it is gone: nobody wants it any more.
    Dropped,
}

/// What kept the loop from an answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The remote cannot be reached.
    #[error("the remote cannot be reached: {0}")]
    Unreachable(String),
    /// The remote said no, on principle.
    #[error("the remote refuses the push: {0}")]
    RemoteRefuses(String),
    /// Whether it happened is not known.
    #[error("it is not known whether operation {id} happened: {reason}")]
    Undecided {
        /// The operation.
        id: String,
        /// What kept it from being known.
        reason: String,
    },
    /// Too many others were faster for too long.
    #[error("no push got through in {} s; {pushes} were tried", after.as_secs())]
    Contended {
        /// How long it was tried.
        after: Duration,
        /// How often.
        pushes: u32,
    },
    /// The remote's history does not follow from what this clone has seen.
    #[error("the board was rewritten: {new} does not follow from {old}")]
    Rewound {
        /// The head that this clone had confirmed.
        old: String,
        /// The head that the remote has now.
        new: String,
    },
    /// Somebody's checkout is in the way, where the repository has no remote.
    #[error("the checkout in {worktree} is in the way: {reason}")]
    CheckoutInTheWay {
        /// The worktree.
        worktree: String,
        /// Why.
        reason: String,
    },
    /// The board cannot be read.
    #[error(transparent)]
    Board(#[from] BoardFault),
    /// The result would break the rules of the board.
    #[error("the result would break the rules of the board")]
    Invalid(Vec<Violation>),
    /// There is no access to the board, or this clone's own state fails.
    #[error(transparent)]
    Access(AccessFault),
}
