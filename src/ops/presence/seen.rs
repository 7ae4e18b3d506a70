//! When this clone first saw what it sees: ages by its own clock, kept from one command to the next.
//!
//! Nothing that another machine's clock says enters here. A restart of the machine, or a lost file, begins anew, and
//! then everybody has the longer to give a sign.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::session::Session;
use crate::board::Oid;
use crate::board::store::write_whole;
use crate::model::id::{AgentName, Epoch, OpId, TaskId};
use crate::runner::process::boot;

/// Something, and when it was first seen, in milliseconds of the steady clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sight<T> {
    value: T,
    at: u64,
}

/// What was seen, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    boot: String,
    head: Option<String>,
    beats: BTreeMap<String, Sight<String>>,
    things: BTreeMap<String, Sight<String>>,
    acts: BTreeMap<String, Sight<OpId>>,
    claims: BTreeMap<TaskId, Sight<u64>>,
    /// When the remote has last answered somebody who asked for signs of life, in milliseconds of the steady clock.
    answered: u64,
    /// Whether it was asked since, in vain.
    silent: bool,
    #[serde(skip)]
    lock: Lock,
}

/// Held while the file is read and written: two observers at once would undo each other's first sights.
#[derive(Debug, Default)]
struct Lock(#[expect(dead_code, reason = "held for its lock, which goes with it")] Option<File>);

impl Clone for Lock {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl PartialEq for Lock {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lock {}

fn file(session: &Session) -> PathBuf {
    session.board.state_dir().join("seen.json")
}

fn sight<K: Ord, T: PartialEq>(sights: &mut BTreeMap<K, Sight<T>>, key: K, value: T, now: Duration) -> Duration {
    let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    match sights.get(&key) {
        Some(sight) if sight.value == value => Duration::from_millis(sight.at),
        _ => {
            sights.insert(key, Sight { value, at });
            now
        }
    }
}

impl Seen {
    /// Reads what was seen before, in this run of the machine.
    pub fn load(session: &Session) -> Self {
        let file = file(session);
        let lock =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(file.with_extension("lock")).ok();
        // A file system without locks: then a sight may be lost, and somebody has longer.
        let lock = Lock(lock.filter(|lock| lock.lock().is_ok()));
        let seen: Option<Self> = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let boot = boot();
        match seen.filter(|seen| seen.boot == boot) {
            Some(seen) => Self { lock, ..seen },
            None => Self { boot, lock, ..Self::default() },
        }
    }

    /// Keeps what was seen. Where that fails, everybody has longer.
    pub fn save(&self, session: &Session) {
        if let Ok(bytes) = serde_json::to_vec(self) {
            let _ = write_whole(&file(session), &bytes);
        }
    }

    /// Notes that the remote was asked for signs of life, and did not answer.
    pub fn note_silence(&mut self) {
        self.silent = true;
    }

    /// Notes that it has answered. While it did not, nobody elsewhere could give a sign: that time counts for nobody.
    pub fn note_answer(&mut self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        if std::mem::take(&mut self.silent) {
            let away = now.saturating_sub(self.answered);
            let later = |at: &mut u64| *at = at.saturating_add(away).min(now);
            self.beats.values_mut().for_each(|sight| later(&mut sight.at));
            self.acts.values_mut().for_each(|sight| later(&mut sight.at));
            self.claims.values_mut().for_each(|sight| later(&mut sight.at));
        }
        self.answered = now;
    }

    /// Returns the head up to which the history was looked through.
    pub fn head(&self) -> Option<String> {
        self.head.clone()
    }

    /// Notes up to which head the history was looked through.
    pub fn set_head(&mut self, head: Oid) {
        self.head = Some(head.to_string());
    }

    /// Notes a beat, and returns since when it is this one.
    pub fn beat(&mut self, agent: &AgentName, beat: Oid, now: Duration) -> Duration {
        sight(&mut self.beats, agent.folded(), beat.to_string(), now)
    }

    /// Notes what stands somewhere, and returns since when it is this.
    pub fn thing(&mut self, what: &str, value: Oid, now: Duration) -> Duration {
        sight(&mut self.things, what.to_owned(), value.to_string(), now)
    }

    /// Notes an agent's newest operation.
    pub fn act(&mut self, agent: &AgentName, op: OpId, now: Duration) {
        sight(&mut self.acts, agent.folded(), op, now);
    }

    /// Returns since when each agent's newest operation is the one that it is.
    pub fn acts(&self) -> Vec<(AgentName, Duration)> {
        let act = |(name, sight): (&String, &Sight<OpId>)| {
            Some((AgentName::new(name).ok()?, Duration::from_millis(sight.at)))
        };
        self.acts.iter().filter_map(act).collect()
    }

    /// Notes a claim, and returns since when it is this one.
    pub fn claim(&mut self, task: &TaskId, epoch: Epoch, now: Duration) -> Duration {
        sight(&mut self.claims, task.clone(), epoch.0, now)
    }

    /// Forgets the claims that are over.
    pub fn forget_claims_but(&mut self, holds: impl Fn(&TaskId, Epoch) -> bool) {
        self.claims.retain(|task, sight| holds(task, Epoch(sight.value)));
    }
}
