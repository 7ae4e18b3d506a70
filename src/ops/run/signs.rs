//! The signs of life that a dispatcher gives for its agent while commands run, and its eye on the board meanwhile.

use std::time::Duration;

use super::super::failure::Failure;
use super::super::presence::{Beacon, Beginning};
use super::super::session::{Freshness, Session};
use crate::board::Oid;
use crate::model::config::Timing;
use crate::model::id::{AgentName, OpId};
use crate::model::presence::{Doing, Held};

/// How often it is looked at whether this clone has seen another board.
const GLANCE_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Signs<'a> {
    home: &'a Session,
    agent: AgentName,
    timing: Timing,
    /// While something is held.
    beacon: Option<Beacon<'a>>,
    beaten: Duration,
    glanced: Duration,
    seen: Option<Oid>,
}

impl<'a> Signs<'a> {
    pub fn new(home: &'a Session, agent: AgentName, timing: Timing) -> Self {
        let now = home.clock.steady();
        Self { home, agent, timing, beacon: None, beaten: now, glanced: now, seen: None }
    }

    /// Says at once what is held now; says goodbye where that is nothing.
    pub fn show(&mut self, held: &[Held]) -> Result<(), Failure> {
        if held.is_empty() {
            if let Some(beacon) = self.beacon.take() {
                beacon.leave();
            }
            return Ok(());
        }
        self.beaten = self.home.clock.steady();
        self.beacon()?.give(Doing::Working, held).map(drop)
    }

    /// Says what the board is about to be asked for leave to begin: should this process die of it, others here see by
    /// that who has begun.
    pub fn announce(&mut self, held: Held, op: OpId) -> Result<(), Failure> {
        self.beacon()?.give_before(Beginning { held, op })
    }

    fn beacon(&mut self) -> Result<&mut Beacon<'a>, Failure> {
        let beacon = match self.beacon.take() {
            Some(beacon) => beacon,
            None => Beacon::new(self.home, &self.agent, &self.timing)?,
        };
        Ok(self.beacon.insert(beacon))
    }

    /// Gives the signs of life that are due; tells whether the board is another than at the last look. What is in the
    /// way of a sign of life is no reason to end a run.
    pub fn tend(&mut self, held: &[Held]) -> bool {
        let now = self.home.clock.steady();
        let beat_due = now.saturating_sub(self.beaten) >= Duration::from_secs(self.timing.beat_seconds);
        if beat_due {
            self.beaten = now;
            if let Some(beacon) = &mut self.beacon {
                let _ = beacon.give(Doing::Working, held);
                let _ = beacon.tell_remote();
            }
            let _ = self.home.view(Freshness::Now);
        }
        if !beat_due && now.saturating_sub(self.glanced) < GLANCE_EVERY {
            return false;
        }
        self.glanced = now;
        let head = self.home.board.head().ok().flatten();
        let changed = head != self.seen;
        self.seen = head;
        changed
    }
}
