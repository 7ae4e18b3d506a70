//! What the history up to a head decides.
//!
//! Owns the look-up of operations between the head that they were made on and a later one. Reads each commit once,
//! from the head down, and no further than it is asked.

use std::collections::{HashMap, HashSet};

use super::receipt;
use crate::git::{CommitInfo, GitError, Oid, Store};
use crate::model::board::Decided;
use crate::model::id::OpId;

/// What is known of a head's past.
pub struct Past {
    /// The head.
    pub head: Oid,
    /// Commits on the way down from the head, as long as each has one parent.
    line: HashSet<Oid>,
    /// Heads from which on everything is known, found in another way.
    reached: HashSet<Oid>,
    next: Option<Oid>,
    decided: HashMap<OpId, Decided>,
}

/// How far back a look has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the commit that was asked for.
    Known,
    /// The head's history, as far as it is here, does not hold that commit.
    Elsewhere,
    /// That commit is further back than anybody looks.
    TooFar,
}

impl Past {
    /// Returns a past of which nothing is known yet.
    pub fn of(head: Oid) -> Self {
        Self { head, line: HashSet::new(), reached: HashSet::new(), next: Some(head), decided: HashMap::new() }
    }

    /// Returns what became of an operation, as far as the past is known.
    pub fn decided(&self, id: OpId) -> Option<&Decided> {
        self.decided.get(&id)
    }

    /// Makes known what happened between a commit and the head, over all parents; at most `max` commits.
    ///
    /// # Errors
    /// [`GitError`] when the history cannot be read.
    pub fn reach(&mut self, store: &Store, base: Oid, max: usize) -> Result<Reach, GitError> {
        if base == self.head || self.line.contains(&base) || self.reached.contains(&base) {
            return Ok(Reach::Known);
        }
        // A board's history is mostly one line, and most operations were made a few commits ago.
        while let Some(here) = self.next {
            if self.line.len() >= max {
                return Ok(Reach::TooFar);
            }
            let commit = store.read_commit(here)?;
            let parent = match commit.parents.as_slice() {
                _ if commit.cut_off => None,
                [] => None,
                [one] => Some(*one),
                _ => break,
            };
            self.take(&commit);
            self.line.insert(here);
            self.next = parent;
            if here == base {
                return Ok(Reach::Known);
            }
        }
        if self.next.is_none() || !store.contains(base) || !store.is_ancestor(base, self.head)? {
            return Ok(Reach::Elsewhere);
        }
        let commits = store.walk(self.head, Some(base))?;
        if commits.len() > max {
            return Ok(Reach::TooFar);
        }
        commits.iter().for_each(|commit| self.take(commit));
        self.reached.insert(base);
        Ok(Reach::Known)
    }

    fn take(&mut self, commit: &CommitInfo) {
        let marks = receipt::marks(&commit.message);
        let name = commit.oid.to_string();
        if let Some(op) = marks.op {
            self.decided.insert(op, Decided { commit: name.clone(), refused: None });
        }
        for (op, code) in marks.refused {
            // What was carried out was carried out, whatever is said of it elsewhere.
            self.decided.entry(op).or_insert(Decided { commit: name.clone(), refused: Some(code) });
        }
    }
}
