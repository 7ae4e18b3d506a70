//! Who is there, as this clone can tell: signs of life are given, gathered, and watched for change.
//!
//! Owns what stands of it in this clone's state. What it all adds up to is the model's.

mod beacon;
mod here;
mod seen;

use std::collections::BTreeMap;
use std::time::Duration;

pub use beacon::{Beacon, Standing};
pub(super) use here::Beginning;

use super::failure::Failure;
use super::session::{Session, View};
use crate::board::Oid;
use crate::model::board::Board;
use crate::model::config::Agent;
use crate::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
use crate::model::presence::{AgentState, Held, Signs, There};
use crate::model::task::Task;
use crate::model::vocabulary::AgentKind;
use seen::Seen;

/// How far back the history is looked through for what each agent did last, in commits.
const LOOK_BACK: usize = 1000;

/// What this clone knows about everybody's life.
#[derive(Debug, Default)]
pub struct Lookout {
    signs: BTreeMap<AgentName, Signs>,
    claims: BTreeMap<TaskId, (Epoch, Duration)>,
    asked: bool,
}

impl Lookout {
    /// Gathers what is known, and notes what is seen for the first time. `asked` tells whether the view was fetched, with
    /// the signs of life, from a remote that answered.
    ///
    /// # Errors
    /// [`Failure`] when the board or this clone's state cannot be read.
    pub fn of(session: &Session, view: &View, asked: bool) -> Result<Self, Failure> {
        let now = session.clock.steady();
        let mut seen = Seen::load(session);
        if asked {
            seen.note_answer(now);
        } else if view.degraded.is_some() {
            seen.note_silence();
        }
        let mut signs: BTreeMap<AgentName, Signs> = BTreeMap::new();
        let happened = |beginning: &Beginning| has_happened(session, view.head, beginning);
        for here in here::read(session, now, happened) {
            signs.entry(here.beat.agent.clone()).or_default().here.push(here);
        }
        for (beat, oid) in session.board.beats()? {
            let agent = beat.agent.clone();
            let unchanged = now.saturating_sub(seen.beat(&agent, oid, now));
            signs.entry(agent).or_default().there = Some(There { beat, unchanged });
        }
        for (agent, since) in acted(session, view.head, &mut seen, now)? {
            signs.entry(agent).or_default().acted = Some(now.saturating_sub(since));
        }
        let mut claims = BTreeMap::new();
        for task in view.snapshot.live()? {
            if let Some(claim) = &task.claim {
                let since = seen.claim(&task.id, claim.epoch, now);
                claims.insert(task.id.clone(), (claim.epoch, now.saturating_sub(since)));
            }
        }
        seen.forget_claims_but(|task, epoch| claims.get(task).is_some_and(|(held, _)| *held == epoch));
        seen.save(session);
        for signs in signs.values_mut() {
            signs.asked = asked;
        }
        Ok(Self { signs, claims, asked })
    }

    /// Returns what is known about an agent's life.
    pub fn signs_of(&self, agent: &AgentName) -> Signs {
        self.signs.get(agent).cloned().unwrap_or(Signs { asked: self.asked, ..Signs::default() })
    }

    /// Returns for how long the claim on a task has been seen.
    pub fn held_for(&self, task: &Task) -> Duration {
        match (self.claims.get(&task.id), &task.claim) {
            (Some((epoch, held)), Some(claim)) if *epoch == claim.epoch => *held,
            _ => Duration::ZERO,
        }
    }

    /// Returns whether a member is there, and until when it has said to be.
    pub fn state_of(&self, agent: &Agent, view: &View) -> Result<(AgentState, Option<Millis>), Failure> {
        let signs = self.signs_of(&agent.name);
        let held = view.snapshot.live()?.iter().filter_map(|task| task.claim.as_ref());
        let lease = held.filter(|claim| claim.agent == agent.name).map(|claim| claim.lease_seconds).max();
        let timing = &view.config()?.timing;
        let state = match signs.state(lease.map(Duration::from_secs), timing) {
            // A person gives no signs of life while at work: that there is none says nothing.
            AgentState::Gone | AgentState::Stale if agent.kind == AgentKind::Human => AgentState::Unknown,
            state => state,
        };
        Ok((state, signs.ready_until()))
    }
}

/// Notes that the remote was asked for signs of life, and did not answer.
pub(super) fn note_silence(session: &Session) {
    let mut seen = Seen::load(session);
    seen.note_silence();
    seen.save(session);
}

/// Tells whether an operation is on the board, as far back as is looked.
fn has_happened(session: &Session, head: Oid, beginning: &Beginning) -> bool {
    let mut left = LOOK_BACK;
    let mut found = false;
    let looked = session.board.receipts(head, None, |receipt| {
        left -= 1;
        found = receipt.op == beginning.op;
        !found && left > 0
    });
    looked.is_ok() && found
}

/// Returns since when each agent's newest operation has been seen: only what is newer than the last look is read.
fn acted(session: &Session, head: Oid, seen: &mut Seen, now: Duration) -> Result<Vec<(AgentName, Duration)>, Failure> {
    let known = seen.head();
    let mut newest: BTreeMap<AgentName, OpId> = BTreeMap::new();
    let mut left = LOOK_BACK;
    // Only what is here: a look around fetches no history.
    session.board.receipts(head, None, |receipt| {
        left -= 1;
        if known.as_deref() == Some(receipt.commit.as_str()) {
            return false;
        }
        newest.entry(receipt.actor).or_insert(receipt.op);
        left > 0
    })?;
    for (agent, op) in newest {
        seen.act(&agent, op, now);
    }
    seen.set_head(head);
    Ok(seen.acts())
}

/// Returns the claims that an agent holds on the board.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub(super) fn held_by(view: &View, agent: &AgentName) -> Result<Vec<Held>, Failure> {
    let claims = view.snapshot.live()?.iter().filter_map(|task| Some((task, task.claim.as_ref()?)));
    let held = claims.filter(|(_, claim)| claim.agent == *agent);
    Ok(held.map(|(task, claim)| Held { task: task.id.clone(), epoch: claim.epoch }).collect())
}

/// Returns for how long this clone has seen something that stands on the remote, from the first look on.
pub(super) fn seen_for(session: &Session, what: &str, value: Oid) -> Duration {
    let now = session.clock.steady();
    let mut seen = Seen::load(session);
    let since = seen.thing(what, value, now);
    seen.save(session);
    now.saturating_sub(since)
}

/// Removes what dead processes on this host have left, where nobody on the board works under their claims any more.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub fn sweep(session: &Session, view: &View) -> Result<(), Failure> {
    let tasks = view.snapshot.live()?;
    here::sweep(session, |held| {
        tasks.iter().any(|task| task.id == held.task && task.claim.as_ref().is_some_and(|c| c.epoch == held.epoch))
    });
    Ok(())
}
