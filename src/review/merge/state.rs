//! Where a task stands after two sides have moved it: one move after the other where the state machine has such a way.
//!
//! Owns which fields go together, and the order of the two moves. Asks `model::transition` for the edges, and decides
//! nothing anew: who was allowed what was decided on each side.

use std::str::FromStr;

use super::Side;
use super::lists::{HISTORY, only_in};
use super::task::Version;
use super::value::{Members, Three, same};
use crate::model::operation::Verb;
use crate::model::task::{HistoryEntry, Task};
use crate::model::transition::{Edge, To, Who, edges_from};
use crate::model::vocabulary::{Phase, Status};
use crate::schema::Json;
use crate::schema::canonical::write_line;

/// Where the task stands: these come from one side, all of them.
pub(super) const STANDING: &[&str] = &["status", "claim", "block", "blockedBy", "blockedAt", "archivedReason"];

/// What moves leave behind.
pub(super) const TRACES: &[&str] = &[
    "attempt",
    "recoveries",
    "backoffLevel",
    "lastError",
    "retryAt",
    "deliverable",
    "submittedBy",
    "submittedAt",
    "reviewRound",
    "verifiedBy",
    "verifiedAt",
    "completedBy",
    "completedAt",
    "completionRequest",
    "emergencyOverride",
];

/// The fencing number: counted, not chosen.
pub(super) const EPOCH: &str = "epoch";

/// Tells whether a field is part of the state.
pub(super) fn is_state(key: &str) -> bool {
    key == EPOCH || STANDING.contains(&key) || TRACES.contains(&key)
}

/// How the moves of the two sides stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Both say the same.
    Agreed,
    /// One side has moved the task, or knows of all that the other did.
    Only(Side),
    /// This side's move, then the other's.
    Then {
        /// Whose move comes first.
        first: Side,
        /// Whether a value that the second replaces is lost: it is where no history tells of it.
        by_hand: bool,
    },
    /// Neither move is legal after the other.
    Clash,
}

/// What one side did to the state.
pub(super) struct Moves<'a> {
    version: &'a Version<'a>,
    /// Entries of the history that the other side does not have.
    pub(super) new: Vec<&'a HistoryEntry>,
    /// The same, as the file has them.
    text: Vec<String>,
    /// Whether anything of the state is not as it was.
    moved: bool,
    /// Whether the task stands where it stood.
    stands: bool,
    /// Whether the history has anything new, be it known to the other side or not.
    has_history: bool,
    /// The task before.
    before: Option<&'a Task>,
}

impl<'a> Moves<'a> {
    pub(super) fn of(base: Option<&'a Version<'a>>, side: &'a Version<'a>, other: &Version<'_>) -> Self {
        let key = "stateHistory";
        let new = only_in(&HISTORY, side.members.get(key), other.members.get(key));
        let none = Members::default();
        let before = base.map_or(&none, |base| base.members);
        let changed = |key: &str| !same(before.get(key), side.members.get(key));
        Self {
            version: side,
            text: new.iter().map(|(_, entry)| write_line(entry)).collect(),
            moved: !new.is_empty() || side.members.keys().chain(before.keys()).any(|key| is_state(key) && changed(key)),
            new: new.into_iter().filter_map(|(at, _)| side.task.state_history.get(at)).collect(),
            stands: base.is_some() && !changed(EPOCH) && !STANDING.iter().any(|key| changed(key)),
            has_history: !only_in(&HISTORY, side.members.get(key), before.get(key)).is_empty(),
            before: base.map(|base| base.task),
        }
    }

    /// Tells whether the task has been somewhere else since, even if it has come back.
    pub(super) fn left(&self) -> bool {
        let mut states =
            self.before.map(|before| before.status).into_iter().chain(self.new.iter().map(|entry| entry.state));
        let first = states.next();
        !self.stands || states.any(|state| Some(state) != first)
    }

    /// Tells whether the moves have cleared the approvals of an earlier hand-in.
    pub(super) fn cleared_approvals(&self) -> bool {
        let clears = [Verb::Submit, Verb::Reject, Verb::Reopen].map(Verb::as_str);
        let is_one = |entry: &HistoryEntry| entry.trigger.as_deref().is_some_and(|trigger| clears.contains(&trigger));
        self.new.iter().any(|entry| is_one(entry) && !self.answers_a_request(entry))
    }

    /// Tells a rejection that ends a request from one that ends a review: the task stays where it is.
    fn answers_a_request(&self, entry: &HistoryEntry) -> bool {
        let history = &self.version.task.state_history;
        let at = history.iter().position(|known| std::ptr::eq(known, entry));
        let former = at.and_then(|at| at.checked_sub(1)).map(|before| history[before].state);
        let from = former.or(self.before.map(|before| before.status));
        entry.trigger.as_deref() == Some(Verb::Reject.as_str()) && from == Some(entry.state)
    }

    /// Tells whether these moves are legal after those of the other side.
    fn may_follow(&self, other: &Self) -> bool {
        if other.new.is_empty() && other.stands {
            return true;
        }
        let mut phases = vec![other.version.task.phase()];
        let mut has_left = false;
        for entry in &self.new {
            let Some(verb) = entry.trigger.as_deref().and_then(|trigger| Verb::from_str(trigger).ok()) else {
                return false;
            };
            let may = |who: &[Who]| has_left || !self.is_about_a_claim(who, verb, entry) || self.claim_is_left(other);
            let stays = phases.iter().copied().filter(|phase| phase.status() == entry.state).collect::<Vec<_>>();
            let edges = phases.iter().flat_map(|phase| edges_from(*phase).map(move |edge| (*phase, edge)));
            let ends_request = self.answers_a_request(entry);
            let fits =
                |edge: &Edge| edge.verb == verb && (verb != Verb::Reject || ends_request == (edge.to == To::Same));
            let legal: Vec<_> = edges.filter(|(_, edge)| fits(edge) && may(edge.who)).collect();
            // What has begun by itself is begun once more.
            let is_begun = verb == Verb::Start && phases.contains(&Phase::Working) && may(&[Who::Claimant]);
            let enters = legal.iter().any(|(_, edge)| leads_to(edge.to, verb, entry.state));
            has_left |= enters;
            phases = if enters {
                Phase::ALL.iter().copied().filter(|phase| phase.status() == entry.state).collect()
            } else if is_begun || legal.iter().any(|(phase, _)| stays.contains(phase)) {
                stays
            } else {
                return false;
            };
        }
        !self.new.is_empty()
    }

    /// Tells whether a move is one of the holder, or says that the holder has gone: legal under that claim alone.
    fn is_about_a_claim(&self, who: &[Who], verb: Verb, entry: &HistoryEntry) -> bool {
        let is_holder = self.before.and_then(Task::holder) == Some(&entry.actor);
        verb == Verb::Recover || who == [Who::Claimant] || who.contains(&Who::Claimant) && is_holder
    }

    /// Tells whether the other side has left the claim of before as it was.
    fn claim_is_left(&self, other: &Self) -> bool {
        let now = other.version.task;
        self.before.is_some_and(|before| before.epoch == now.epoch && before.holder() == now.holder())
    }

    /// By what the later of two moves is known where either could be it.
    fn when(&self) -> (i64, &[String]) {
        (self.new.last().map_or(self.version.task.updated_at, |entry| entry.timestamp).0, &self.text)
    }
}

/// Tells whether an edge leads to that status. Where a failure and a restored task go depends on the task.
fn leads_to(to: To, verb: Verb, status: Status) -> bool {
    match to {
        To::Status(to) => to == status || verb == Verb::Fail && status == Status::Blocked,
        To::Former => true,
        // What one operation made and moved can follow nothing that another side did.
        To::Same | To::Foreign => false,
    }
}

/// Finds out how the moves of two sides stand to each other. Where either could be the second, the later is, but what the
/// board has (`only_ours`) always comes first: its history only grows. `agrees` tells whether both have the same in a field.
pub(super) fn order(
    agrees: impl Fn(&'static str) -> bool,
    ours: &Moves<'_>,
    theirs: &Moves<'_>,
    later: Side,
    only_ours: bool,
) -> Order {
    let agree = STANDING.iter().chain(TRACES).chain([&EPOCH]).all(|key| agrees(key));
    let knows_all = |of: &Moves<'_>| of.new.is_empty() && of.has_history;
    match (ours.moved, theirs.moved) {
        _ if agree => Order::Agreed,
        (true, false) => Order::Only(Side::Ours),
        (false, true) => Order::Only(Side::Theirs),
        _ if knows_all(theirs) && !ours.new.is_empty() => Order::Only(Side::Ours),
        _ if knows_all(ours) && !theirs.new.is_empty() => Order::Only(Side::Theirs),
        _ if only_ours && theirs.may_follow(ours) => Order::Then { first: Side::Ours, by_hand: theirs.new.is_empty() },
        _ if only_ours => Order::Clash,
        _ => match (theirs.may_follow(ours), ours.may_follow(theirs)) {
            (true, true) => {
                let first = match (ours.new.is_empty(), theirs.new.is_empty()) {
                    (true, true) => later.other(),
                    (true, false) => Side::Ours,
                    (false, true) => Side::Theirs,
                    _ if ours.when() < theirs.when() => Side::Ours,
                    _ => Side::Theirs,
                };
                Order::Then { first, by_hand: ours.new.is_empty() && theirs.new.is_empty() }
            }
            (true, false) => Order::Then { first: Side::Ours, by_hand: theirs.new.is_empty() },
            (false, true) => Order::Then { first: Side::Theirs, by_hand: ours.new.is_empty() },
            (false, false) => Order::Clash,
        },
    }
}

/// Returns the fencing number of a task that both have moved, one after the other.
///
/// Every rise counts: a number that was given away on one side never names a claim of the other.
pub(super) fn epoch_after(base: u64, first: &Version<'_>, second: &Version<'_>, has_claim: bool) -> u64 {
    let rises = second.task.epoch.0.saturating_sub(base);
    let ended = first.task.claim.is_some() && !has_claim && rises == 0;
    first.task.epoch.0.saturating_add(rises).saturating_add(u64::from(ended))
}

/// Returns the fencing number of a task that both have moved, of which the board keeps its own move.
pub(super) fn epoch_of_clash(base: u64, ours: &Version<'_>, theirs: &Version<'_>) -> u64 {
    let (ours, theirs) = (ours.task.epoch.0, theirs.task.epoch.0);
    if theirs > base { ours.max(theirs).saturating_add(1) } else { ours }
}

/// Returns the claim under another fencing number.
pub(super) fn with_epoch(claim: Json, epoch: u64) -> Json {
    let spelled = Json::Number(epoch.to_string().into());
    match claim {
        Json::Object(mut members) if !same(members.get(EPOCH), Some(&spelled)) => {
            members.insert(EPOCH.to_owned(), spelled);
            Json::Object(members)
        }
        other => other,
    }
}

/// Returns the values of a key on both sides and before.
pub(super) fn three<'a>(
    key: &str,
    base: Option<&'a Version<'a>>,
    ours: &'a Version<'a>,
    theirs: &'a Version<'a>,
) -> Three<'a> {
    Three::at(key, base.map(|base| base.members), ours.members, theirs.members)
}
