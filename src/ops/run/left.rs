//! What dead runners have left in this clone: processes, records, worktrees.

use std::collections::BTreeSet;

use super::super::ears::end_left;
use super::super::failure::Failure;
use super::super::session::Session;
use super::GRACE;
use super::room::{self, Room};
use crate::model::id::TaskId;

/// Ends what dead runners have left running, and clears it away; a worktree that holds work stays. Returns the tasks that
/// another process is at: it runs them, or ends what is left of them at this moment.
///
/// # Errors
/// [`Failure`] when this clone's state cannot be written.
pub(in crate::ops) fn end_what_is_left(session: &Session) -> Result<BTreeSet<TaskId>, Failure> {
    let mut busy = BTreeSet::new();
    for (file, record) in room::records(session) {
        let Some(_mine) = room::take(session, &record.task)? else {
            busy.insert(record.task);
            continue;
        };
        // Whoever had the right until now may have cleared it away.
        if !file.exists() {
            continue;
        }
        end_left(&record.run, GRACE);
        let room = Room::of(session, &record.agent, &record.task, record.epoch, &record.run.tag)?;
        // What it has come to is still to be written, and its worktree has the proof.
        if room.over().exists() {
            let _ = std::fs::remove_file(file);
            continue;
        }
        // Where git cannot look, there may be anything.
        let _ = match record.ready {
            true => session.board.remove_worktree(&room.worktree),
            false => session.board.discard_worktree(&room.worktree).map(|()| true),
        };
        room.clear();
    }
    Ok(busy)
}
