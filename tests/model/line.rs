//! A board as the sequence of what was decided on it: the part of a history that the protocol looks at.

use std::fmt;

/// Most operations of a scenario.
pub const MOST: usize = 6;

/// What one commit of the board says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// An operation was carried out.
    Applied(u8),
    /// An operation was refused, or found to be done already, and that was written down.
    Declined(u8),
    /// Somebody committed by hand.
    Foreign,
}

/// A sequence of entries. Two heads are the same head if their lines are equal: what is confirmed is a line of the
/// remote, and the remote has each line only once.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line(u64);

const BITS: usize = 4;
const FOREIGN: u64 = 15;

impl Line {
    /// How many entries fit.
    pub const CAPACITY: usize = 16;

    fn code(self, at: usize) -> u64 {
        (self.0 >> (BITS * at)) & 15
    }

    /// Returns how many commits there are.
    pub fn len(self) -> usize {
        (0..Self::CAPACITY).find(|at| self.code(*at) == 0).unwrap_or(Self::CAPACITY)
    }

    /// Returns the same line with one commit more.
    #[must_use]
    pub fn then(self, entry: Entry) -> Self {
        let code = match entry {
            Entry::Applied(op) => u64::from(op) + 1,
            Entry::Declined(op) => u64::from(op) + 8,
            Entry::Foreign => FOREIGN,
        };
        Self(self.0 | code << (BITS * self.len()))
    }

    /// Returns the entries, first to last.
    pub fn entries(self) -> impl Iterator<Item = Entry> {
        (0..self.len()).map(move |at| match self.code(at) {
            FOREIGN => Entry::Foreign,
            code if code >= 8 => Entry::Declined(u8::try_from(code - 8).expect("four bits")),
            code => Entry::Applied(u8::try_from(code - 1).expect("four bits")),
        })
    }

    /// Tells whether the line begins with the whole of another.
    pub fn descends_from(self, older: Self) -> bool {
        let bits = BITS * older.len();
        bits == 64 || self.0 & ((1 << bits) - 1) == older.0
    }

    /// Returns the line without its last commit.
    pub fn parent(self) -> Option<Self> {
        let last = self.len().checked_sub(1)?;
        Some(Self(self.0 & ((1 << (BITS * last)) - 1)))
    }

    /// Returns the last entry.
    pub fn last(self) -> Option<Entry> {
        self.entries().last()
    }

    /// Returns what became of an operation.
    pub fn outcome(self, op: u8) -> Option<Entry> {
        self.entries().find(|entry| matches!(entry, Entry::Applied(o) | Entry::Declined(o) if *o == op))
    }

    /// Returns how often an operation was carried out.
    pub fn times_applied(self, op: u8) -> usize {
        self.entries().filter(|entry| *entry == Entry::Applied(op)).count()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for entry in self.entries() {
            match entry {
                Entry::Applied(op) => write!(f, " +{op}")?,
                Entry::Declined(op) => write!(f, " -{op}")?,
                Entry::Foreign => write!(f, " x")?,
            }
        }
        f.write_str(" ]")
    }
}
