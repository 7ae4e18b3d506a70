//! Single values of two sides: what either has changed is taken; where both have, who changed the file later.

use std::collections::HashMap;

use super::{Lost, Side};
use crate::model::ordered::IndexMap;
use crate::schema::Json;
use crate::schema::document::join;

/// The members of an object.
pub(super) type Members = IndexMap<String, Json>;

/// Which of two sides has changed a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Both have the same now.
    Agreed,
    /// This side alone.
    By(Side),
    /// Both, and to different values.
    Both,
}

/// A value of the three versions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Three<'a> {
    pub(super) base: Option<&'a Json>,
    pub(super) ours: Option<&'a Json>,
    pub(super) theirs: Option<&'a Json>,
}

impl<'a> Three<'a> {
    /// Returns the values of one key of three objects.
    pub(super) fn at(key: &str, base: Option<&'a Members>, ours: &'a Members, theirs: &'a Members) -> Self {
        Self { base: base.and_then(|base| base.get(key)), ours: ours.get(key), theirs: theirs.get(key) }
    }

    /// Returns the value of one side.
    pub(super) fn of(&self, side: Side) -> Option<&'a Json> {
        side.of(self.ours, self.theirs)
    }

    /// Tells whether a side has changed the value.
    pub(super) fn changed_by(&self, side: Side) -> bool {
        !same(self.base, self.of(side))
    }

    /// Tells who has changed the value.
    pub(super) fn change(&self) -> Change {
        if same(self.ours, self.theirs) {
            Change::Agreed
        } else if !self.changed_by(Side::Ours) {
            Change::By(Side::Theirs)
        } else if !self.changed_by(Side::Theirs) {
            Change::By(Side::Ours)
        } else {
            Change::Both
        }
    }
}

/// Tells whether two values, or the absence of both, mean the same.
pub(super) fn same(a: Option<&Json>, b: Option<&Json>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.means(b),
        (None, None) => true,
        _ => false,
    }
}

/// Who wins where both have changed the same, and what was lost so far.
pub(super) struct Weighing {
    pub(super) winner: Side,
    pub(super) lost: Vec<Lost>,
}

impl Weighing {
    /// Merges one value. Objects that both have changed are merged by their members.
    pub(super) fn value(&mut self, pointer: &str, three: Three<'_>) -> Option<Json> {
        match three.change() {
            Change::Agreed => three.ours.cloned(),
            Change::By(side) => three.of(side).cloned(),
            Change::Both => match (three.ours, three.theirs) {
                (Some(Json::Object(ours)), Some(Json::Object(theirs))) => {
                    let base = three.base.and_then(Json::as_object);
                    Some(Json::Object(self.members(pointer, base, ours, theirs, Self::value)))
                }
                _ => self.whole(pointer, three),
            },
        }
    }

    /// Merges one value that is one thing, whatever it is made of.
    pub(super) fn whole(&mut self, pointer: &str, three: Three<'_>) -> Option<Json> {
        let side = match three.change() {
            Change::Agreed => return three.ours.cloned(),
            Change::By(side) => side,
            Change::Both => {
                self.lose(pointer, self.winner.other(), three);
                self.winner
            }
        };
        three.of(side).cloned()
    }

    /// Notes that the value of a side is not kept, and the one of the other is.
    pub(super) fn lose(&mut self, pointer: &str, side: Side, three: Three<'_>) {
        let (value, kept) = (three.of(side).cloned(), three.of(side.other()).cloned());
        self.lost.push(Lost { pointer: pointer.to_owned(), side, value, kept });
    }

    /// Merges two objects member by member, in the order of [`keys_of_both`].
    pub(super) fn members(
        &mut self,
        pointer: &str,
        base: Option<&Members>,
        ours: &Members,
        theirs: &Members,
        mut merge: impl FnMut(&mut Self, &str, Three<'_>) -> Option<Json>,
    ) -> Members {
        let mut merged = Members::default();
        for key in keys_of_both(ours, theirs) {
            if let Some(value) = merge(self, &join(pointer, key), Three::at(key, base, ours, theirs)) {
                merged.insert(key.to_owned(), value);
            }
        }
        merged
    }
}

/// Returns the keys of both: ours in their order, and those that only theirs has behind the one that they follow there.
pub(super) fn keys_of_both<'a>(ours: &'a Members, theirs: &'a Members) -> Vec<&'a str> {
    let mut behind: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
    let mut last = None;
    for key in theirs.keys().map(String::as_str) {
        if ours.contains_key(key) {
            last = Some(key);
        } else {
            behind.entry(last).or_default().push(key);
        }
    }
    let mut keys = behind.remove(&None).unwrap_or_default();
    for key in ours.keys().map(String::as_str) {
        keys.push(key);
        keys.extend(behind.remove(&Some(key)).unwrap_or_default());
    }
    keys
}
