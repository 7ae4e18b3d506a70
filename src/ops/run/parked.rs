//! Tasks whose slice is over: they are held, their worktrees stand, and each goes on when another has had its turn.
//!
//! What stands of one in this clone's state lets the next process of this agent go on with it.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::super::session::{Session, View};
use super::child::Hold;
use super::room::{self, Mine, Room};
use crate::model::id::{AgentName, TaskId};

/// What earlier slices of a run have come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Before {
    /// How many there were.
    pub slices: u32,
    /// How long they ran, in milliseconds.
    pub spent_ms: u64,
    /// What the last of them had to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl Before {
    /// Returns how long they ran.
    pub fn spent(&self) -> Duration {
        Duration::from_millis(self.spent_ms)
    }
}

/// What is left of a slice that is over: what the next one, of this process or another, has to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Left {
    pub hold: Hold,
    pub before: Before,
    /// Which run of the task it is.
    pub attempt: u32,
    /// The output of the last slice.
    pub log: PathBuf,
}

/// A task that goes on later.
pub(super) struct Parked {
    pub left: Left,
    pub mine: Mine,
}

impl Parked {
    /// Notes it for the next process of its agent.
    pub fn note(&self, session: &Session) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(&self.left).expect("a note is JSON");
        Room::write(&room::parked(session, &self.left.hold.task, self.left.hold.epoch), &bytes)
    }

    /// Forgets the note.
    pub fn forget(session: &Session, hold: &Hold) {
        let _ = fs::remove_file(room::parked(session, &hold.task, hold.epoch));
    }
}

/// Returns what earlier processes of an agent have left to go on with. What the board has given to somebody else since is
/// forgotten, whosever it was.
///
/// # Errors
/// [`Failure`] when the board, or the rights of this clone, cannot be read.
pub(super) fn left(session: &Session, view: &View, agent: &AgentName) -> Result<VecDeque<Parked>, Failure> {
    let mut left = VecDeque::new();
    for noted in room::notes::<Left>(session, room::PARKED) {
        let hold = &noted.hold;
        // Whoever has the right to it goes on with it.
        let Some(mine) = room::take(session, &hold.task)? else { continue };
        if !hold.stands(view)? {
            let _ = session.board.remove_worktree(&room::worktree(session, &hold.task, hold.epoch));
            Parked::forget(session, hold);
        } else if hold.agent == *agent {
            left.push_back(Parked { left: noted, mine });
        }
    }
    Ok(left)
}

/// What was begun last.
pub(super) struct Last {
    pub task: TaskId,
    /// Whether it went on, and was not new.
    pub went_on: bool,
}

/// Tells whether a slice is over.
pub(super) fn is_over(ran: Duration, slice: Duration) -> bool {
    ran >= slice
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A task that was not begun yet, where there is one.
    New,
    /// The one that has waited longest to go on.
    Parked,
}

/// Returns whose turn it is: what goes on and what is new take turns, and nothing goes on right after itself where
/// there is anything else.
pub(super) fn turn(last: Option<&Last>, oldest: Option<&TaskId>) -> Turn {
    match (last, oldest) {
        (_, None) => Turn::New,
        (Some(last), Some(oldest)) if last.went_on || last.task == *oldest => Turn::New,
        (_, Some(_)) => Turn::Parked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TaskId {
        text.parse().unwrap()
    }

    fn last(task: &str, went_on: bool) -> Last {
        Last { task: id(task), went_on }
    }

    #[test]
    fn a_slice_is_over_after_its_time_and_no_sooner() {
        let slice = Duration::from_secs(crate::model::config::Timing::default().slice_seconds);
        assert_eq!(slice, Duration::from_secs(300));
        assert!(!is_over(slice.saturating_sub(Duration::from_millis(1)), slice));
        assert!(is_over(slice, slice));
    }

    #[test]
    fn what_an_earlier_process_has_left_goes_on_first() {
        assert_eq!(turn(None, Some(&id("a"))), Turn::Parked);
        assert_eq!(turn(None, None), Turn::New);
    }

    #[test]
    fn a_task_that_yields_lets_a_new_one_begin_before_it_goes_on() {
        assert_eq!(turn(Some(&last("a", false)), Some(&id("a"))), Turn::New);
        assert_eq!(turn(Some(&last("b", false)), Some(&id("a"))), Turn::Parked);
    }

    #[test]
    fn those_that_go_on_never_keep_a_new_one_waiting_for_more_than_one_turn() {
        assert_eq!(turn(Some(&last("a", true)), Some(&id("b"))), Turn::New);
        assert_eq!(turn(Some(&last("a", true)), Some(&id("a"))), Turn::New);
        assert_eq!(turn(Some(&last("c", false)), Some(&id("b"))), Turn::Parked);
    }
}
