//! Cards as bytes, for the index: compact, and fast to read back.
//!
//! Nothing here is trusted: whatever does not read back whole is no card, and its file is read again.

use crate::model::card::{Call, Card};
use crate::model::id::{AgentName, Epoch, Millis, TaskId};
use crate::model::task::{Claim, HistoryEntry, Subtask, Task};
use crate::model::vocabulary::{Domain, Effect, Priority, Status, SubtaskStatus};

/// Writes values one after the other.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    fn signed(&mut self, n: i64) {
        self.number((n.cast_unsigned() << 1) ^ (n >> 63).cast_unsigned());
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.0.push(0),
            Some(value) => {
                self.0.push(1);
                write(self, value);
            }
        }
    }

    fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(values.len() as u64);
        values.iter().for_each(|value| write(self, value));
    }

    /// Writes a word as its place in the list of its kind.
    fn word<T: PartialEq>(&mut self, all: &[T], word: &T) {
        self.0.push(all.iter().position(|w| w == word).and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX));
    }
}

/// Reads what a [`Writer`] wrote; nothing where it is not that.
pub struct Reader<'a> {
    /// What has not been read.
    pub rest: &'a [u8],
    /// Names that were read, to be shared: there are far fewer of them than places where they stand.
    names: Vec<AgentName>,
}

/// Most names that are kept to be shared.
const NAMES_SHARED: usize = 64;

impl<'a> Reader<'a> {
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest, names: Vec::new() }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub fn number(&mut self) -> Option<u64> {
        let (mut n, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(n);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let n = self.number()?;
        Some((n >> 1).cast_signed() ^ -((n & 1).cast_signed()))
    }

    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.bytes(len)?).ok()
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = usize::try_from(self.number()?).ok()?;
        // Each takes a byte at least, so a length that was tampered with asks for no memory.
        if len > self.rest.len() {
            return None;
        }
        let mut values = Vec::with_capacity(len);
        for _ in 0..len {
            values.push(read(self)?);
        }
        Some(values)
    }

    fn word<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()?)).copied()
    }

    fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    fn name(&mut self) -> Option<AgentName> {
        let text = self.text()?;
        if let Some(name) = self.names.iter().find(|name| name.as_str() == text) {
            return Some(name.clone());
        }
        let name = AgentName::as_found(text);
        if self.names.len() < NAMES_SHARED {
            self.names.push(name.clone());
        }
        Some(name)
    }

    fn id(&mut self) -> Option<TaskId> {
        TaskId::new(self.text()?).ok()
    }

    fn millis(&mut self) -> Option<Millis> {
        self.signed().map(Millis)
    }

    /// Reads a value that is rare enough to be kept as JSON.
    fn json<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        serde_json::from_str(self.text()?).ok()
    }
}

fn json<T: serde::Serialize>(w: &mut Writer, value: &T) {
    w.text(&serde_json::to_string(value).unwrap_or_default());
}

/// Writes a card.
pub fn write(w: &mut Writer, card: &Card) {
    let task: &Task = card;
    w.maybe(task.schema_version, Writer::number);
    w.text(task.id.as_str());
    w.text(&task.title);
    w.word(Status::ALL, &task.status);
    w.word(Priority::ALL, &task.priority);
    w.maybe(task.assigned.as_ref(), |w, name| w.text(name.as_str()));
    w.maybe(task.category, |w, domain| w.word(Domain::ALL, &domain));
    w.list(&task.tags, |w, tag| w.text(tag));
    w.list(&task.participants, |w, name| w.text(name.as_str()));
    w.maybe(task.parent.as_ref(), |w, id| w.text(id.as_str()));
    w.list(&task.depends_on, |w, id| w.text(id.as_str()));
    w.list(&task.files, |w, file| w.text(file));
    w.maybe(task.due, |w, at| w.signed(at.0));
    w.maybe(task.effects.as_ref(), |w, effects| w.list(effects, |w, effect| w.word(Effect::ALL, effect)));
    w.maybe(task.position, |w, position| w.text(&position.to_bits().to_string()));
    w.maybe(task.source.as_ref(), |w, source| w.text(source));
    w.number(task.epoch.0);
    w.maybe(task.claim.as_ref(), write_claim);
    w.number(u64::from(task.attempt));
    w.number(u64::from(task.recoveries));
    w.number(u64::from(task.backoff_level));
    w.number(u64::from(task.review_round));
    w.maybe(task.retry_at, |w, at| w.signed(at.0));
    w.maybe(task.block.as_ref(), json);
    w.maybe(task.blocked_by.as_ref(), |w, text| w.text(text));
    w.maybe(task.blocked_at, |w, at| w.signed(at.0));
    w.list(&task.subtasks, write_subtask);
    for name in [&task.submitted_by, &task.verified_by, &task.completed_by, &task.created_by] {
        w.maybe(name.as_ref(), |w, name| w.text(name.as_str()));
    }
    for at in [task.submitted_at, task.verified_at, task.completed_at] {
        w.maybe(at, |w, at| w.signed(at.0));
    }
    w.maybe(task.completion_request.as_ref(), json);
    w.maybe(task.emergency_override.as_ref(), json);
    w.maybe(task.archived_reason.as_ref(), json);
    w.signed(task.created_at.0);
    w.signed(task.updated_at.0);
    w.list(&task.state_history, |w, entry| {
        w.word(Status::ALL, &entry.state);
        w.signed(entry.timestamp.0);
        w.text(entry.actor.as_str());
        w.maybe(entry.trigger.as_ref(), |w, trigger| w.text(trigger));
    });
    w.maybe(card.calls.as_ref(), |w, calls| {
        w.list(calls, |w, call| {
            w.text(&call.name);
            w.text(&call.message);
            w.text(call.author.as_str());
            w.text(&call.content);
        });
    });
    w.list(&card.speakers, |w, name| w.text(name.as_str()));
    w.0.push(u8::from(card.has_files));
}

fn write_claim(w: &mut Writer, claim: &Claim) {
    w.text(claim.agent.as_str());
    w.number(claim.epoch.0);
    w.signed(claim.at.0);
    w.maybe(claim.started_at, |w, at| w.signed(at.0));
    w.number(claim.lease_seconds);
}

fn write_subtask(w: &mut Writer, subtask: &Subtask) {
    w.text(&subtask.id);
    w.text(&subtask.title);
    w.word(SubtaskStatus::ALL, &subtask.status);
    w.maybe(subtask.assigned.as_ref(), |w, name| w.text(name.as_str()));
    w.maybe(subtask.assignee.as_ref(), |w, name| w.text(name.as_str()));
}

/// Reads a card.
pub fn read(r: &mut Reader<'_>) -> Option<Card> {
    let task = Task {
        schema_version: r.maybe(Reader::number)?,
        id: r.id()?,
        title: r.string()?,
        description: None,
        status: r.word(Status::ALL)?,
        priority: r.word(Priority::ALL)?,
        assigned: r.maybe(Reader::name)?,
        category: r.maybe(|r| r.word(Domain::ALL))?,
        tags: r.list(Reader::string)?,
        participants: r.list(Reader::name)?,
        parent: r.maybe(Reader::id)?,
        depends_on: r.list(Reader::id)?,
        files: r.list(Reader::string)?,
        due: r.maybe(Reader::millis)?,
        acceptance: Vec::new(),
        effects: r.maybe(|r| r.list(|r| r.word(Effect::ALL)))?,
        position: r.maybe(|r| r.text()?.parse().ok().map(f64::from_bits))?,
        source: r.maybe(Reader::string)?,
        epoch: Epoch(r.number()?),
        claim: r.maybe(read_claim)?,
        attempt: u32::try_from(r.number()?).ok()?,
        recoveries: u32::try_from(r.number()?).ok()?,
        backoff_level: u32::try_from(r.number()?).ok()?,
        review_round: u32::try_from(r.number()?).ok()?,
        last_error: None,
        retry_at: r.maybe(Reader::millis)?,
        block: r.maybe(Reader::json)?,
        blocked_by: r.maybe(Reader::string)?,
        blocked_at: r.maybe(Reader::millis)?,
        subtasks: r.list(read_subtask)?,
        progress: None,
        deliverable: None,
        evidence: Vec::new(),
        submitted_by: r.maybe(Reader::name)?,
        verified_by: r.maybe(Reader::name)?,
        completed_by: r.maybe(Reader::name)?,
        created_by: r.maybe(Reader::name)?,
        submitted_at: r.maybe(Reader::millis)?,
        verified_at: r.maybe(Reader::millis)?,
        completed_at: r.maybe(Reader::millis)?,
        approvals: Vec::new(),
        completion_request: r.maybe(Reader::json)?,
        emergency_override: r.maybe(Reader::json)?,
        archived_reason: r.maybe(Reader::json)?,
        created_at: r.millis()?,
        updated_at: r.millis()?,
        chat: Vec::new(),
        state_history: r.list(read_entry)?,
    };
    let call = |r: &mut Reader<'_>| {
        Some(Call { name: r.string()?, message: r.string()?, author: r.name()?, content: r.string()? })
    };
    let calls = r.maybe(|r| r.list(call))?;
    let speakers = r.list(Reader::name)?;
    let has_files = match r.byte()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Card::from_parts(task, calls, speakers, has_files))
}

fn read_claim(r: &mut Reader<'_>) -> Option<Claim> {
    Some(Claim {
        agent: r.name()?,
        epoch: Epoch(r.number()?),
        at: r.millis()?,
        started_at: r.maybe(Reader::millis)?,
        lease_seconds: r.number()?,
    })
}

fn read_entry(r: &mut Reader<'_>) -> Option<HistoryEntry> {
    Some(HistoryEntry {
        state: r.word(Status::ALL)?,
        timestamp: r.millis()?,
        actor: r.name()?,
        trigger: r.maybe(Reader::string)?,
        op: None,
        reason: None,
        completion: None,
    })
}

fn read_subtask(r: &mut Reader<'_>) -> Option<Subtask> {
    Some(Subtask {
        id: r.string()?,
        title: r.string()?,
        status: r.word(SubtaskStatus::ALL)?,
        assigned: r.maybe(Reader::name)?,
        assignee: r.maybe(Reader::name)?,
        delegated_by: None,
        delegated_at: None,
    })
}
