//! A task of another board, as it is taken over: what it becomes here, and where it stood there.
//!
//! Owns which of our states a foreign task can arrive in. What the words of other boards mean is `vocabulary`'s, and how
//! their files are read is `schema::foreign`'s.

use serde::{Deserialize, Serialize};

use super::id::Millis;
use super::operation::NewTask;
use super::task::Block;
use super::vocabulary::{ArchivedReason, Status};

/// A task of another board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedTask {
    /// The task as any new one is made.
    pub task: NewTask,
    /// When it was made there; absent means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Millis>,
    /// Where it stood there; absent means that it waits to be claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands: Option<Standing>,
}

/// Where a task stood that did not wait to be claimed.
///
/// `ready` is not among them: approvals are given here, by members of this board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Standing {
    /// Its assignee has it.
    InProgress {
        /// Whether the work had begun.
        started: bool,
    },
    /// Handed in.
    Review {
        /// What came out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deliverable: Option<String>,
    },
    /// Something was in the way.
    Blocked {
        /// Why, for a person.
        reason: String,
        /// Why, for squad.
        block: Block,
        /// The error's own words, where a run had failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// Done.
    Completed {
        /// When it was done; absent means that nobody knows, and becomes now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Millis>,
        /// What came out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deliverable: Option<String>,
    },
    /// Put away.
    Archived {
        /// Why.
        reason: ArchivedReason,
    },
}

impl Standing {
    /// Returns the status that it is here.
    pub const fn status(&self) -> Status {
        match self {
            Self::InProgress { .. } => Status::InProgress,
            Self::Review { .. } => Status::Review,
            Self::Blocked { .. } => Status::Blocked,
            Self::Completed { .. } => Status::Completed,
            Self::Archived { .. } => Status::Archived,
        }
    }
}
