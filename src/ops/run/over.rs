//! Runs that are over and not on the board yet: the remote was out of reach, or did not take it.
//!
//! What a long run has come to is not thrown away for that. It is tried again, and what stands of it in this clone's
//! state lets the next process of its agent write it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::super::session::{Session, View};
use super::child::Hold;
use super::parked::{Before, Left, Parked};
use super::room::{self, Mine, Room};
use crate::model::code::ErrorCode;
use crate::model::id::AgentName;
use crate::runner::Ended;

/// A run that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Over {
    pub hold: Hold,
    pub tag: String,
    /// What earlier slices have come to.
    pub before: Before,
    /// Which run of the task it was.
    pub attempt: u32,
    /// The command, for the proof.
    pub argv: Vec<String>,
    pub asked_to_yield: bool,
    /// Longest time of all slices.
    pub longest: Duration,
    pub ended: Ended,
}

impl Over {
    /// Returns where its files are.
    pub fn room(&self, session: &Session) -> Result<Room, Failure> {
        Room::of(session, &self.hold.agent, &self.hold.task, self.hold.epoch, &self.tag)
    }

    /// Notes it for the next process of its agent. Nobody of the run is left, so that its record is of no use.
    pub fn note(&self, session: &Session) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(self).expect("a run is JSON");
        let room = self.room(session)?;
        Room::write(&room.over(), &bytes)?;
        let _ = fs::remove_file(room.record());
        Ok(())
    }

    /// Returns the task as one that goes on later.
    pub fn park(self, log: PathBuf, mine: Mine, summary: Option<String>) -> Parked {
        let ran = u64::try_from(self.ended.duration.as_millis()).unwrap_or(u64::MAX);
        let before =
            Before { slices: self.before.slices + 1, spent_ms: self.before.spent_ms.saturating_add(ran), summary };
        Parked { left: Left { hold: self.hold, before, attempt: self.attempt, log }, mine }
    }
}

/// One that is to be written.
pub(super) struct Unwritten {
    pub over: Over,
    pub mine: Mine,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, on the steady clock.
    pub due: Duration,
}

/// Tells whether a failure is the remote's, and may be another one the next time.
pub(super) fn is_of_the_remote(failure: &Failure) -> bool {
    failure.retryable
        || matches!(failure.code, ErrorCode::RemoteUnreachable | ErrorCode::RemoteRefused | ErrorCode::Undecided)
}

/// Returns what earlier processes of an agent could not write. What the board has given to somebody else since is cleared
/// away, whosever it was.
///
/// # Errors
/// [`Failure`] when the board, or the rights of this clone, cannot be read.
pub(super) fn left(session: &Session, view: &View, agent: &AgentName) -> Result<Vec<Unwritten>, Failure> {
    let mut left = Vec::new();
    for over in room::notes::<Over>(session, room::OVER) {
        // Whoever has the right to it writes it.
        let Some(mine) = room::take(session, &over.hold.task)? else { continue };
        if !over.hold.stands(view)? {
            Parked::forget(session, &over.hold);
            let room = over.room(session)?;
            let _ = session.board.remove_worktree(&room.worktree);
            room.clear();
        } else if over.hold.agent == *agent {
            left.push(Unwritten { over, mine, tries: 0, due: Duration::ZERO });
        }
    }
    Ok(left)
}
