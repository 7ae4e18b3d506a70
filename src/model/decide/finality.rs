//! Whether an answer of no holds for ever.
//!
//! An operation that others may have seen can be decided by any of them, on another version of the board than ours.
//! A no that a later version could turn into a yes must therefore be put down on the board itself; one that nothing
//! can turn need not.

use crate::model::board::{Board, BoardFault, Decision};
use crate::model::operation::Operation;
use crate::model::refusal::Refusal;
use crate::model::transition::is_fenced;

/// Tells whether an operation that this version of the board refuses, or that finds nothing to do on it, will change
/// nothing on any later version either.
///
/// Two things only make it so. An epoch never falls, so what names one that is over stays out. A task is put away but
/// never deleted, so an id that is taken stays taken.
///
/// # Errors
/// [`BoardFault`] when the task cannot be read.
pub fn is_final(board: &dyn Board, operation: &Operation, decision: &Decision) -> Result<bool, BoardFault> {
    match decision {
        Decision::Applied(_) => Ok(false),
        Decision::AlreadyDecided(_) | Decision::Refused(Refusal::IdTaken { .. }) => Ok(true),
        Decision::Refused(_) | Decision::Unchanged(_) => {
            let (Some(id), Some(named)) = (&operation.task, operation.basis.epoch) else { return Ok(false) };
            if !is_fenced(operation.verb()) {
                return Ok(false);
            }
            Ok(board.task(id)?.is_some_and(|placed| placed.task.epoch > named))
        }
    }
}
