//! What this clone wants and the remote has not confirmed: shown beside the board, never as a part of it.

use serde::Serialize;

use super::session::Session;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Action, Verb};

/// An operation that waits in this clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provisional {
    /// The operation.
    pub op: OpId,
    /// What it would do.
    pub verb: Verb,
    /// The task that it is about; of a new one the id that it would have, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

impl Session {
    /// Returns what waits in this clone, oldest first.
    pub fn provisional(&self) -> Vec<Provisional> {
        let waiting = self.queue().operations().into_iter().map(|operation| {
            let task = match &operation.action {
                Action::New { tasks } => tasks.first().and_then(|task| task.id.clone()),
                _ => operation.task.clone(),
            };
            Provisional { op: operation.id, verb: operation.verb(), task }
        });
        waiting.collect()
    }
}
