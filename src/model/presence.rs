//! Who is there: signs of life, what they add up to, and when work is taken back from somebody who is gone.
//!
//! Pure, and without any clock: every age comes in as the observer has measured it, on a clock of its own. The times
//! that stand in a beat are for people, and decide nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::Timing;
use super::id::{AgentName, Epoch, Millis, OpId, TaskId};
use super::operation::RecoverTrigger;
use super::task::Task;
use super::vocabulary::{Phase, words};

/// Largest beat that is read, in bytes: one with a hundred tasks has a quarter of it.
pub const MAX_BEAT_BYTES: u64 = 64 * 1024;

/// How many beats may be missed before an agent is no longer taken to be there.
const MISSED_BEATS: u32 = 2;

words! {
    /// What an agent that gives signs of life is doing.
    Doing, "doing" {
        /// Waiting for a task.
        Waiting = "waiting",
        /// Working on one.
        Working = "working",
        /// It has said that it goes.
        Left = "left",
    }
}

words! {
    /// Whether an agent is there, as far as this observer can tell.
    AgentState, "state of an agent" {
        /// There, and waiting for a task.
        Waiting = "waiting",
        /// There, and at work.
        Working = "working",
        /// Overdue: no sign of life for longer than expected, and not for long enough to be gone.
        Stale = "stale",
        /// Not there.
        Gone = "gone",
        /// It could not be found out.
        Unknown = "unknown",
    }
}

/// A claim that an agent works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The task.
    pub task: TaskId,
    /// Its fencing number.
    pub epoch: Epoch,
}

/// One sign of life, as it stands in a file on the agent's host or in a ref on the remote. Each differs from the one
/// before, so that whoever sees it change knows that the agent lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beat {
    /// Whose.
    pub agent: AgentName,
    /// Which of its processes: a newer one of them supersedes an older.
    pub token: OpId,
    /// What it does.
    pub doing: Doing,
    /// How many beats this process has given; only rises.
    pub sequence: u64,
    /// When, by the agent's clock; for people.
    pub at: Millis,
    /// Until when the next is due, by the agent's clock; for people.
    pub ready_until: Millis,
    /// What it works on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Held>,
}

/// What a process on the observer's own host has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The beat.
    pub beat: Beat,
    /// How old it is; one host has one clock.
    pub age: Duration,
    /// Whether its process still lives; unknown where it was given by hand.
    pub lives: Option<bool>,
}

/// What has come from elsewhere, through the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// The beat.
    pub beat: Beat,
    /// For how long the observer has seen it unchanged.
    pub unchanged: Duration,
}

/// Everything that an observer knows about an agent's life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// Of processes on this host.
    pub here: Vec<Here>,
    /// Through the remote.
    pub there: Option<There>,
    /// How long ago the observer first saw the agent's newest operation on the board.
    pub acted: Option<Duration>,
    /// Whether the remote was asked, and answered.
    pub asked: bool,
}

/// Returns how long a beat on one host holds.
fn beat_life(timing: &Timing) -> Duration {
    Duration::from_secs(timing.beat_seconds) * MISSED_BEATS
}

/// Returns how long a beat through the remote holds.
fn remote_beat_life(timing: &Timing) -> Duration {
    Duration::from_secs(timing.remote_beat_seconds + timing.grace_seconds)
}

impl Signs {
    /// Returns what the agent does, where a beat of its own says so that is not overdue.
    pub fn fresh(&self, timing: &Timing) -> Option<Doing> {
        let here = self.here.iter().filter(|here| here.lives != Some(false) && here.age <= beat_life(timing));
        let there = self.there.iter().filter(|there| there.unchanged <= remote_beat_life(timing));
        // At work in one process and waiting in another is at work.
        let doing = here.map(|here| &here.beat).chain(there.map(|there| &there.beat)).map(|beat| beat.doing);
        doing.filter(|doing| *doing != Doing::Left).max_by_key(|doing| *doing == Doing::Working)
    }

    /// Returns how long there has been no sign of life; `None` where there never was one.
    pub fn silence(&self) -> Option<Duration> {
        let here = self.here.iter().map(|here| here.age);
        let there = self.there.iter().filter(|there| there.beat.doing != Doing::Left).map(|there| there.unchanged);
        here.chain(there).chain(self.acted).min()
    }

    /// Returns until when the agent has said to be there; for people.
    pub fn ready_until(&self) -> Option<Millis> {
        let here = self.here.iter().filter(|here| here.lives != Some(false)).map(|here| &here.beat);
        let there = self.there.iter().map(|there| &there.beat);
        let beats = here.chain(there).filter(|beat| beat.doing != Doing::Left);
        beats.map(|beat| beat.ready_until).max()
    }

    /// Tells whether the process that worked on a claim was seen to have ended, with no other that works on it.
    fn saw_the_end_of(&self, task: &TaskId, epoch: Epoch) -> bool {
        let works_on = |here: &&Here| here.beat.tasks.iter().any(|held| held.task == *task && held.epoch == epoch);
        let mut dead = false;
        for here in self.here.iter().filter(works_on) {
            match here.lives {
                Some(false) => dead = true,
                _ => return false,
            }
        }
        dead
    }

    /// Returns what the agent's signs of life add up to. `lease` is that of the claim it holds, where it holds one: an
    /// operation on the board counts for as long.
    pub fn state(&self, lease: Option<Duration>, timing: &Timing) -> AgentState {
        match self.fresh(timing) {
            Some(Doing::Working) => return AgentState::Working,
            Some(Doing::Waiting) => return AgentState::Waiting,
            Some(Doing::Left) | None => {}
        }
        let usual = Duration::from_secs(timing.lease_seconds);
        let grace = Duration::from_secs(timing.grace_seconds);
        if lease.is_some_and(|lease| self.acted.is_some_and(|acted| acted <= lease)) {
            return AgentState::Working;
        }
        let overdue = self.here.iter().any(|here| here.lives != Some(false) && here.age <= usual + grace)
            || self.there.iter().any(|t| t.beat.doing != Doing::Left && t.unchanged <= usual + grace)
            || lease.is_some_and(|lease| self.acted.is_some_and(|acted| acted <= lease + grace));
        match (overdue, self.asked) {
            (true, _) => AgentState::Stale,
            (false, true) => AgentState::Gone,
            (false, false) => AgentState::Unknown,
        }
    }
}

/// A reason to take a task back from its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The edge.
    pub trigger: RecoverTrigger,
    /// What was observed, in words.
    pub seen: String,
}

/// Returns why a task is to be taken back from its holder, if it is. `held` is for how long the observer has seen this
/// very claim.
///
/// An end that was seen acts at once. Silence acts only where the remote was asked, and only on somebody who gives no
/// sign of life: a claim that was never started after `unstartedSeconds`, work after its lease and the grace.
pub fn recovery(task: &Task, signs: &Signs, held: Duration, timing: &Timing) -> Option<Recovery> {
    let claim = task.claim.as_ref()?;
    let phase = task.phase();
    let trigger = match phase {
        Phase::Claimed => RecoverTrigger::Unstarted,
        Phase::Working => RecoverTrigger::Orphaned,
        _ => return None,
    };
    let agent = &claim.agent;
    if signs.saw_the_end_of(&task.id, claim.epoch) {
        return Some(Recovery { trigger, seen: format!("the process of {agent} that worked on it has ended") });
    }
    if !signs.asked || signs.fresh(timing).is_some() {
        return None;
    }
    let silence = signs.silence().map_or(held, |silence| silence.min(held));
    let limit = match trigger {
        RecoverTrigger::Unstarted => Duration::from_secs(timing.unstarted_seconds),
        RecoverTrigger::Orphaned => Duration::from_secs(claim.lease_seconds + timing.grace_seconds),
    };
    (silence > limit).then(|| Recovery {
        trigger,
        seen: format!("no sign of life of {agent} for {} s, more than {} s", silence.as_secs(), limit.as_secs()),
    })
}

/// Tells whether a process that waits has been superseded: a newer one of the same agent waits as well.
pub fn is_superseded<'a>(own: OpId, others: impl IntoIterator<Item = &'a Beat>) -> bool {
    others.into_iter().any(|beat| beat.doing == Doing::Waiting && beat.token > own)
}

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
