//! The state of the model: small, plain and hashable.

use crate::line::{Line, MOST};

/// A set of operations. The operations of a clone are numbered in the order in which they are made, and those of a
/// clone whose outbox sorts first come first, so a set is also a queue, an outbox and the order of helping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ops(u8);

impl Ops {
    pub fn has(self, op: u8) -> bool {
        self.0 & (1 << op) != 0
    }

    pub fn add(&mut self, op: u8) {
        self.0 |= 1 << op;
    }

    pub fn remove(&mut self, op: u8) {
        self.0 &= !(1 << op);
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..8).filter(move |op| self.has(*op))
    }
}

/// What the one who made an operation was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Told {
    #[default]
    Nothing,
    Done,
    /// Refused, or that there was nothing to do.
    Refused,
    /// Its owner died before it was ever pushed, and it was a claim: nobody is there to be told.
    Dropped,
}

/// An operation, once it is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Made {
    pub is_made: bool,
    /// The confirmed head that it was made on.
    pub basis: Line,
    pub epoch: Option<u8>,
    pub told: Told,
    /// For the judges only: the epoch of the claim that was told as won.
    pub won: Option<u8>,
    /// For the judges only: the length of the remote's board when it was made.
    pub since: u8,
    /// For the judges only: answered pushes that set its outbox and that a landing beat.
    pub beaten: u8,
    /// For the judges only: landings that left it undecided while its outbox named it.
    pub missed: u8,
}

/// One clone: what it has on disk, and what its leader has in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CloneState {
    /// Disk: the confirmed head that it last saw.
    pub head: Line,
    /// Disk: the queue.
    pub queue: Ops,
    /// Disk: whose first push may have begun.
    pub pushed: Ops,
    /// Memory: which of the queue were there when the head was asked for.
    pub fresh: Ops,
    /// Memory: the board must be fetched before anything is built.
    pub must_fetch: bool,
    /// Memory: the outboxes of all, if they were read for this head.
    pub read: Option<Ops>,
    /// Memory: the value of its own outbox that it last saw.
    pub seen: u8,
    /// Memory: how often in a row the remote said no though the board had not moved.
    pub refusals: u8,
    /// Memory: a push is under way.
    pub waits: bool,
}

/// A ref of an outbox on the remote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outbox {
    pub sequence: u8,
    pub ops: Ops,
}

/// What became of one ref of a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    #[default]
    Pending,
    Landed,
    /// Its lease did not hold.
    Beaten,
    /// Refused for another reason: a lock, a hook.
    Refused,
}

/// A push on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Push {
    pub clone: u8,
    pub base: Line,
    pub tip: Line,
    pub expect: u8,
    pub ops: Ops,
    pub board: Part,
    pub outbox: Part,
    /// Whether its sender still waits for the answer.
    pub awaited: bool,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Pushes whose answer does not come in time, whether they arrive or not.
    pub timeouts: u8,
    /// Deaths of all processes of a clone.
    pub crashes: u8,
    /// Pushes that arrive twice.
    pub duplicates: u8,
    /// Refs that the remote refuses for reasons of its own.
    pub refusals: u8,
    /// Commits by hand.
    pub foreign: u8,
}

pub const CLONES: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub board: Line,
    pub outboxes: [Outbox; CLONES],
    pub clones: [CloneState; CLONES],
    pub ops: [Made; MOST],
    /// Sorted, since a network has no order.
    pub pushes: Vec<Push>,
    pub left: Budget,
    /// For the judges only: the board was replaced by one that does not follow from it.
    pub rewound: bool,
    /// For the judges only: a refusal was told of a board that was over before the operation was made.
    pub outdated: bool,
}
