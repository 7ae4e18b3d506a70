//! `beat`: one sign of life of an agent that works or waits outside squad.

use serde::Serialize;

use super::failure::Failure;
use super::presence::{Beacon, held_by};
use super::session::{Freshness, Session};
use crate::model::id::{AgentName, Millis};
use crate::model::presence::Doing;

/// A sign of life that was given.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// Whose.
    pub agent: AgentName,
    /// What it does, by the claims that it holds.
    pub state: Doing,
    /// When the next is due.
    pub ready_until: Option<Millis>,
}

/// Gives a sign of life for whoever acts: working where they hold a claim, else waiting; or says goodbye.
///
/// It reaches other hosts through the remote at most every `remoteBeatSeconds`. A remote that is out of reach is no
/// failure: whoever is on this host sees it.
///
/// # Errors
/// [`Failure`] when nobody is named to act, or this clone's state cannot be written.
pub fn beat(session: &Session, leave: bool) -> Result<Given, Failure> {
    let view = session.view_of_member(Freshness::Due)?;
    let config = view.config()?;
    let agent = session.actor(config)?.name.clone();
    session.board.set_namespace(&config.refs.namespace);
    let mut beacon = Beacon::by_hand(session, &agent, &config.timing)?;
    if leave {
        beacon.leave_by_hand();
        return Ok(Given { agent, state: Doing::Left, ready_until: None });
    }
    let held = held_by(&view, &agent)?;
    let state = if held.is_empty() { Doing::Waiting } else { Doing::Working };
    beacon.give(state, &held)?;
    beacon.tell_remote_by_note()?;
    Ok(Given { agent, state, ready_until: Some(beacon.beat().ready_until) })
}
