//! Beats and requests between hosts: one ref for each agent on the remote, whose value is replaced each time.
//!
//! Owns the names of those refs and what stands in them. None of them is a part of the board, or grows it.

use std::time::Duration;

use super::store::{AccessFault, BoardStore};
use crate::git::{Expected, Identity, Mirror, Oid, PushOutcome, Update};
use crate::model::id::AgentName;
use crate::model::presence::{Beat, MAX_BEAT_BYTES};

/// Where the beats of the remote stand in the store.
const PRESENCES: &str = "refs/squad/presences/";

/// Where the requests to start an agent stand in the store.
const WAKES: &str = "refs/squad/wakes/";

/// Values that are kept on the remote for each agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Its last sign of life, by itself.
    Presence,
    /// A request that it be started, by whoever was first.
    Wake,
}

impl Slot {
    const ALL: [Self; 2] = [Self::Presence, Self::Wake];

    const fn theirs(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Wake => "wake",
        }
    }

    const fn ours(self) -> &'static str {
        match self {
            Self::Presence => PRESENCES,
            Self::Wake => WAKES,
        }
    }
}

/// What became of a value that was to be put up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// The remote has it.
    Up,
    /// Another stands there, and was left: the remote's value has been fetched.
    Another,
    /// The remote could not be asked, or refused, or there is no room for such refs: in words.
    Not(String),
}

impl BoardStore {
    fn values(&self, slot: Slot) -> Option<Mirror> {
        self.mirror_of(slot.theirs(), slot.ours())
    }

    /// Asks the remote for the head of the board and, after that, for the outboxes and the signs of life; records the
    /// head.
    ///
    /// # Errors
    /// [`AccessFault`]; no head is recorded then.
    pub fn fetch_signs(&self, limit: Duration) -> Result<Oid, AccessFault> {
        let mut mirrors: Vec<Mirror> = self.mirror().into_iter().collect();
        mirrors.extend(Slot::ALL.into_iter().filter_map(|slot| self.values(slot)));
        let before = self.held()?;
        let head = self.fetch_beside(&mirrors, limit)?;
        self.let_go(&before)?;
        Ok(head)
    }

    fn held(&self) -> Result<Vec<(String, Oid)>, AccessFault> {
        let mut held = self.store.refs_below(PRESENCES)?;
        held.extend(self.store.refs_below(WAKES)?);
        Ok(held)
    }

    /// Removes the values that a fetch has replaced.
    fn let_go(&self, before: &[(String, Oid)]) -> Result<(), AccessFault> {
        let now = self.held()?;
        for (_, oid) in before.iter().filter(|(name, oid)| !now.iter().any(|(n, o)| n == name && o == oid)) {
            self.store.forget_value(*oid);
        }
        Ok(())
    }

    /// Returns the beats as the last fetch saw them, each with a name that is another whenever it is another beat.
    /// What is no beat of the agent that its ref names is left out: anybody who may push can put anything there.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be read.
    pub fn beats(&self) -> Result<Vec<(Beat, Oid)>, AccessFault> {
        let refs = self.store.refs_below(PRESENCES)?;
        let beat = |(name, oid): (String, Oid)| {
            // One that is replaced at this moment is read the next time.
            let text = self.store.read_value(oid, MAX_BEAT_BYTES).ok()?;
            let beat: Beat = serde_json::from_str(&text).ok()?;
            (folder_name(&beat.agent)? == name[PRESENCES.len()..]).then_some((beat, oid))
        };
        Ok(refs.into_iter().filter_map(beat).collect())
    }

    /// Returns the text that stands for an agent, as the last fetch saw it.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be read.
    pub fn value_for(&self, slot: Slot, agent: &AgentName) -> Result<Option<(String, Oid)>, AccessFault> {
        let Some(name) = folder_name(agent) else { return Ok(None) };
        let Some(oid) = self.store.ref_get(&format!("{}{name}", slot.ours()))? else { return Ok(None) };
        Ok(self.store.read_value(oid, MAX_BEAT_BYTES).ok().map(|text| (text, oid)))
    }

    /// Puts a value up for an agent in place of the one that was seen last; `over` names another one that it may replace
    /// instead, or nothing where none may be there.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be written.
    pub fn put_up(
        &self,
        slot: Slot,
        agent: &AgentName,
        text: &str,
        over: Option<Oid>,
        by: &Identity,
        limit: Duration,
    ) -> Result<Posted, AccessFault> {
        let (Some(mirror), Some(name)) = (self.values(slot), folder_name(agent)) else {
            return Ok(Posted::Not(format!("there is no room for refs of {agent} on the remote")));
        };
        let new = self.store.write_value(text, by)?;
        let expected = over.map_or(Expected::Absent, Expected::Exactly);
        let update = Update { name: format!("{}{name}", mirror.theirs), new, expected };
        let outcome = self.remote.push_refs(&self.store, &[update], limit, &|_| {})?.pop();
        let posted = match outcome.expect("one outcome for each update") {
            PushOutcome::Landed => {
                self.store.hold_value(&format!("{}{name}", mirror.ours), new)?;
                return Ok(Posted::Up);
            }
            PushOutcome::Rejected { .. } => {
                let before = self.held()?;
                let found = self.remote.fetch_mirror(&self.store, &mirror, limit);
                self.let_go(&before)?;
                let moved = self.store.ref_get(&format!("{}{name}", mirror.ours))? != over;
                match found {
                    Ok(_) if moved => Posted::Another,
                    Ok(_) => Posted::Not("the remote refuses such refs".to_owned()),
                    Err(fault) => Posted::Not(fault.to_string()),
                }
            }
            PushOutcome::Blocked { reason, .. } | PushOutcome::Unknown { reason } => Posted::Not(reason),
        };
        self.store.forget_value(new);
        Ok(posted)
    }
}

/// Returns an agent's name as the last part of a ref; nothing where it cannot be one.
fn folder_name(agent: &AgentName) -> Option<String> {
    let name = agent.folded();
    (!name.contains('/') && crate::git::is_branch_name(&name)).then_some(name)
}
