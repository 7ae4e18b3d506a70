//! One task of two sides, field by field.

use super::lists::{APPROVALS, CHAT, EVIDENCE, HISTORY, SUBTASKS, has_all, one_after_the_other, without_those_of};
use super::state::{self, EPOCH, Moves, Order, STANDING, TRACES, epoch_after, epoch_of_clash, is_state, with_epoch};
use super::value::{Change, Members, Three, Weighing, keys_of_both};
use super::{Lost, Side};
use crate::model::task::Task;
use crate::schema::Json;
use crate::schema::canonical::write;
use crate::schema::document::join;

/// One version of a task: the document, and what squad reads in it.
pub(super) struct Version<'a> {
    pub(super) task: &'a Task,
    pub(super) members: &'a Members,
}

impl<'a> Version<'a> {
    pub(super) fn new(task: &'a Task, document: &'a Json) -> Self {
        Self { task, members: document.as_object().expect("a task is an object") }
    }
}

/// Merges two versions of a task. Where operations have moved it on one side only, that is what the board has, and takes
/// the place of ours: `git pull` merges the board into a branch, and a pull request the branch into the board.
pub(super) fn merge(base: Option<&Version<'_>>, ours: &Version<'_>, theirs: &Version<'_>) -> (Json, Vec<Lost>) {
    match (published(ours, theirs), published(theirs, ours)) {
        (false, true) => {
            let (document, lost) = merged(base, theirs, ours, true);
            (document, lost.into_iter().map(|lost| Lost { side: lost.side.other(), ..lost }).collect())
        }
        (here, there) => merged(base, ours, theirs, here && !there),
    }
}

/// Tells whether an operation has moved the task on one side, of which the other does not know.
fn published(side: &Version<'_>, other: &Version<'_>) -> bool {
    let known = &other.task.state_history;
    side.task.state_history.iter().any(|entry| entry.op.is_some() && !known.iter().any(|one| one.op == entry.op))
}

fn merged(base: Option<&Version<'_>>, ours: &Version<'_>, theirs: &Version<'_>, only_ours: bool) -> (Json, Vec<Lost>) {
    let later = later(ours, theirs);
    let (our_start, their_start) = (Started::of(ours, theirs), Started::of(theirs, ours));
    let (ours, theirs) = (our_start.version(ours), their_start.version(theirs));
    let merge = Merge {
        base,
        our_moves: Moves::of(base, &ours, &theirs),
        their_moves: Moves::of(base, &theirs, &ours),
        ours: &ours,
        theirs: &theirs,
        weighing: Weighing { winner: later, lost: Vec::new() },
        only_ours,
    };
    merge.run()
}

/// Who changed the task later; of two that changed it at once the one whose text is the greater.
fn later(ours: &Version<'_>, theirs: &Version<'_>) -> Side {
    let of = |version: &Version<'_>| (version.task.updated_at, write(&Json::Object(version.members.clone())));
    if of(ours) > of(theirs) { Side::Ours } else { Side::Theirs }
}

/// A version whose work began when it began on either side, where it did on both. Any sign of work begins it, in no entry
/// of the history: so two comments of the holder would look like two moves.
struct Started(Option<(Task, Members)>);

impl Started {
    fn of(version: &Version<'_>, other: &Version<'_>) -> Self {
        let (Some(claim), Some(there)) = (&version.task.claim, &other.task.claim) else { return Self(None) };
        let is_same = claim.epoch == there.epoch && claim.agent == there.agent && claim.at == there.at;
        let earlier = matches!((claim.started_at, there.started_at), (Some(here), Some(there)) if there < here);
        if !is_same || !earlier {
            return Self(None);
        }
        let (mut task, mut members) = (version.task.clone(), version.members.clone());
        if let Some(claim) = &mut task.claim {
            claim.started_at = there.started_at;
        }
        let key = "startedAt";
        let spelled = other.members.get("claim").and_then(|claim| claim.get(key)).cloned();
        if let (Some(Json::Object(claim)), Some(at)) = (members.get_mut("claim"), spelled) {
            claim.insert(key.to_owned(), at);
        }
        Self(Some((task, members)))
    }

    fn version<'a>(&'a self, plain: &Version<'a>) -> Version<'a> {
        match &self.0 {
            Some((task, members)) => Version { task, members },
            None => Version { task: plain.task, members: plain.members },
        }
    }
}

/// A merge at work.
struct Merge<'a> {
    base: Option<&'a Version<'a>>,
    ours: &'a Version<'a>,
    theirs: &'a Version<'a>,
    our_moves: Moves<'a>,
    their_moves: Moves<'a>,
    weighing: Weighing,
    /// Whether ours is what the board has, and theirs is not.
    only_ours: bool,
}

impl<'a> Merge<'a> {
    fn three(&self, key: &str) -> Three<'a> {
        state::three(key, self.base, self.ours, self.theirs)
    }

    fn moves(&self, side: Side) -> &Moves<'a> {
        match side {
            Side::Ours => &self.our_moves,
            Side::Theirs => &self.their_moves,
        }
    }

    fn version(&self, side: Side) -> &'a Version<'a> {
        side.of(self.ours, self.theirs)
    }

    fn run(mut self) -> (Json, Vec<Lost>) {
        let agree = |key| self.three(key).change() == Change::Agreed;
        let order = state::order(agree, &self.our_moves, &self.their_moves, self.weighing.winner, self.only_ours);
        let mut merged = Members::default();
        for key in keys_of_both(self.ours.members, self.theirs.members) {
            let pointer = join("", key);
            let three = self.three(key);
            let value = match key {
                EPOCH => three.of(Side::Ours).or(three.of(Side::Theirs)).cloned(),
                key if is_state(key) => self.state(key, &pointer, three, order),
                "assigned" => self.assigned(&pointer, three, order),
                "approvals" => self.approvals(&pointer, three, order),
                "stateHistory" => self.history(&pointer, three, order),
                "chat" => self.weighing.items(&pointer, &CHAT, three),
                "evidence" => self.weighing.items(&pointer, &EVIDENCE, three),
                "subtasks" => self.weighing.items(&pointer, &SUBTASKS, three),
                "tags" | "participants" | "dependsOn" | "files" | "acceptance" => self.weighing.texts(&pointer, three),
                // Without a list it is not known what the task does, which is not the same as nothing.
                "effects" if three.ours.is_some() && three.theirs.is_some() => self.weighing.texts(&pointer, three),
                "updatedAt" => three.of(self.weighing.winner).cloned(),
                "progress" | "effects" => self.weighing.whole(&pointer, three),
                _ => self.weighing.value(&pointer, three),
            };
            if let Some(value) = value {
                merged.insert(key.to_owned(), value);
            }
        }
        self.settle_claim(&mut merged, order);
        (Json::Object(merged), self.weighing.lost)
    }

    /// Merges one field of the state.
    fn state(&mut self, key: &str, pointer: &str, three: Three<'_>, order: Order) -> Option<Json> {
        let side = match order {
            Order::Agreed => Side::Ours,
            Order::Only(side) => side,
            Order::Then { first, by_hand } => {
                let second = first.other();
                let whole = STANDING.contains(&key) && self.moves(second).left();
                let side = if whole || three.changed_by(second) { second } else { first };
                if by_hand && three.change() == Change::Both {
                    self.weighing.lose(pointer, first, three);
                }
                side
            }
            Order::Clash => {
                if three.changed_by(Side::Theirs) && three.change() != Change::Agreed {
                    self.weighing.lose(pointer, Side::Theirs, three);
                }
                Side::Ours
            }
        };
        debug_assert!(STANDING.contains(&key) || TRACES.contains(&key), "{key} is no part of the state");
        three.of(side).cloned()
    }

    /// Merges whose task it is. Where somebody has taken it, it is theirs.
    fn assigned(&mut self, pointer: &str, three: Three<'_>, order: Order) -> Option<Json> {
        let side = match order {
            Order::Agreed => return self.weighing.whole(pointer, three),
            Order::Only(side) => side,
            Order::Then { first, .. } => first.other(),
            Order::Clash => Side::Ours,
        };
        let wanted = match order {
            Order::Clash => Side::Ours,
            _ if three.changed_by(side) => side,
            _ => side.other(),
        };
        if three.changed_by(wanted.other()) && three.change() != Change::Agreed {
            self.weighing.lose(pointer, wanted.other(), three);
        }
        three.of(wanted).cloned()
    }

    fn approvals(&mut self, pointer: &str, three: Three<'_>, order: Order) -> Option<Json> {
        let side = match order {
            Order::Agreed => None,
            Order::Clash => {
                if three.changed_by(Side::Theirs) && three.change() != Change::Agreed {
                    self.weighing.lose(pointer, Side::Theirs, three);
                }
                Some(Side::Ours)
            }
            Order::Only(side) => Some(side),
            Order::Then { first, .. } => Some(first.other()).filter(|second| self.moves(*second).cleared_approvals()),
        };
        // An approval without an entry in the history was written by hand, and is as good as one.
        let by_hand = side.is_some_and(|side| {
            matches!(order, Order::Only(_)) && three.changed_by(side.other()) && !self.moves(side).cleared_approvals()
        });
        match side {
            Some(side) if !by_hand => three.of(side).cloned(),
            _ => self.weighing.items(pointer, &APPROVALS, three),
        }
    }

    fn history(&mut self, pointer: &str, three: Three<'_>, order: Order) -> Option<Json> {
        match order {
            Order::Agreed => self.weighing.items(pointer, &HISTORY, three),
            Order::Only(side) if has_all(&HISTORY, three, side) => three.of(side).cloned(),
            Order::Only(side) => one_after_the_other(&HISTORY, three, side),
            Order::Then { first, .. } => one_after_the_other(&HISTORY, three, first),
            Order::Clash => {
                let (list, lost) = without_those_of(pointer, &HISTORY, three, Side::Theirs);
                self.weighing.lost.extend(lost);
                list
            }
        }
    }

    /// Gives the task the fencing number that follows from both moves, and its claim the same; the holder is whose it is.
    fn settle_claim(&mut self, merged: &mut Members, order: Order) {
        let base = self.base.map_or(0, |base| base.task.epoch.0);
        let has_claim = merged.contains_key("claim");
        let epoch = match order {
            Order::Agreed => None,
            Order::Only(side) => {
                match self.version(side).members.get(EPOCH) {
                    Some(epoch) => drop(merged.insert(EPOCH.to_owned(), epoch.clone())),
                    None => drop(merged.shift_remove(EPOCH)),
                }
                None
            }
            Order::Then { first, .. } => {
                Some(epoch_after(base, self.version(first), self.version(first.other()), has_claim))
            }
            Order::Clash => Some(epoch_of_clash(base, self.ours, self.theirs)),
        };
        if let Some(epoch) = epoch {
            let spelled = Json::Number(epoch.to_string().into());
            match merged.get_mut(EPOCH) {
                Some(now) if now.means(&spelled) => {}
                Some(now) => *now = spelled,
                None if epoch == 0 => {}
                None => drop(merged.insert(EPOCH.to_owned(), spelled)),
            }
            if let Some(claim) = merged.get_mut("claim") {
                *claim = with_epoch(std::mem::replace(claim, Json::Null), epoch);
            }
        }
        let holder = merged.get("claim").and_then(|claim| claim.get("agent")).cloned();
        let is_same = |a: &Json, b: &Json| match (a.as_str(), b.as_str()) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        };
        if let Some(holder) = holder
            && !merged.get("assigned").is_some_and(|assigned| is_same(assigned, &holder))
            && self.claim_is_agreed_with(&holder)
        {
            let value = merged.insert("assigned".to_owned(), holder.clone());
            let side = if self.three("assigned").changed_by(Side::Theirs) { Side::Theirs } else { Side::Ours };
            self.weighing.lost.push(Lost { pointer: "/assigned".to_owned(), side, value, kept: Some(holder) });
        }
    }

    /// Tells whether on the side where that agent holds the task it is also theirs: by hand it need not be.
    fn claim_is_agreed_with(&self, holder: &Json) -> bool {
        [self.ours, self.theirs].iter().any(|version| {
            let held = version.members.get("claim").and_then(|claim| claim.get("agent"));
            held == Some(holder)
                && version.task.claim.as_ref().map(|claim| &claim.agent) == version.task.assigned.as_ref()
        })
    }
}
