//! What must hold in every state, and what must be seen to happen in some.

use stateright::{Model, Property};

use crate::line::Entry;
use crate::protocol::Protocol;
use crate::state::{State, Told};
use crate::world::Verdict;

pub const ONE_HOLDER: &str = "one holder for each task and epoch";
pub const ONCE: &str = "no operation is carried out twice";
pub const NEVER_AFTER_NO: &str = "no operation is carried out after it was told refused";
pub const DONE_IS_THERE: &str = "what was told as done is on the board";
pub const ONE_LINE: &str = "the board is one line, and no landed commit is lost";
pub const FENCED: &str = "nothing is carried out under an epoch that is over";
pub const WITNESS: &str = "each commit is what its parent's board says";
pub const TIMELY: &str = "a refusal is told of a board that was there since the operation was made";
pub const BOUND: &str = "an operation is decided after three beaten pushes that announced it";
pub const SECOND: &str = "the second landing after an announcement decides it";
pub const ANSWERED: &str = "where nothing can happen any more, everybody was told";

pub const TWICE_BEATEN: &str = "an operation is open after two beaten pushes";
pub const THRICE_BEATEN: &str = "an operation is decided by others after three beaten pushes";
pub const MISSED: &str = "one landing after an announcement leaves it open";
pub const WRITTEN_DOWN: &str = "a conditional refusal is written down";
pub const FINAL: &str = "a refusal is told that stands nowhere";
pub const DROPPED: &str = "the claim of a dead owner is dropped";

/// Everything but the bound.
pub const SAFETY: &[&str] =
    &[ONE_HOLDER, ONCE, NEVER_AFTER_NO, DONE_IS_THERE, ONE_LINE, FENCED, WITNESS, TIMELY, ANSWERED];

pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_HOLDER, one_holder),
        Property::always(ONCE, once),
        Property::always(NEVER_AFTER_NO, never_after_no),
        Property::always(DONE_IS_THERE, done_is_there),
        Property::always(ONE_LINE, |_, state: &State| !state.rewound),
        Property::always(FENCED, fenced),
        Property::always(WITNESS, witness),
        Property::always(TIMELY, |_, state: &State| !state.outdated),
        Property::always(BOUND, bound),
        Property::always(SECOND, |_, state: &State| state.ops.iter().all(|op| op.missed < 2)),
        Property::always(ANSWERED, answered),
    ]
}

/// Returns what must happen somewhere: a model in which it never does would prove nothing.
pub fn reached() -> Vec<Property<Protocol>> {
    vec![
        Property::sometimes(TWICE_BEATEN, |m, s: &State| ops(m).any(|op| beaten(s, op) == 2 && m.is_open(s, op))),
        Property::sometimes(THRICE_BEATEN, |m, s: &State| ops(m).any(|op| beaten(s, op) == 3 && !m.is_open(s, op))),
        Property::sometimes(MISSED, |m, s: &State| ops(m).any(|op| s.ops[usize::from(op)].missed == 1)),
        Property::sometimes(WRITTEN_DOWN, |_, s: &State| s.board.entries().any(|e| matches!(e, Entry::Declined(_)))),
        Property::sometimes(FINAL, |m, s: &State| {
            ops(m).any(|op| s.ops[usize::from(op)].told == Told::Refused && s.board.outcome(op).is_none())
        }),
        Property::sometimes(DROPPED, |_, s: &State| s.ops.iter().any(|op| op.told == Told::Dropped)),
    ]
}

fn beaten(state: &State, op: u8) -> u8 {
    state.ops[usize::from(op)].beaten
}

fn ops(model: &Protocol) -> impl Iterator<Item = u8> + Clone {
    0..u8::try_from(model.world.plan.len()).expect("few")
}

/// Of the claims that were told as won, no two are of the same task and epoch with different holders, and each
/// epoch of the board has the holder that was told.
fn one_holder(model: &Protocol, state: &State) -> bool {
    let plan = &model.world.plan;
    let won = ops(model).filter_map(|op| Some((op, state.ops[usize::from(op)].won?)));
    won.clone().all(|(a, epoch)| {
        let (mine, of_mine) = (plan[usize::from(a)].actor, plan[usize::from(a)].task);
        let unique = won.clone().all(|(b, other)| {
            let planned = &plan[usize::from(b)];
            planned.task != of_mine || other != epoch || planned.actor == mine
        });
        let (now, holder) = model.world.standing(state.board, a);
        unique && (now != epoch || holder.as_deref().is_none_or(|holder| holder == mine))
    })
}

fn once(model: &Protocol, state: &State) -> bool {
    ops(model).all(|op| state.board.times_applied(op) < 2)
}

fn never_after_no(model: &Protocol, state: &State) -> bool {
    ops(model).all(|op| {
        !matches!(state.ops[usize::from(op)].told, Told::Refused | Told::Dropped) || state.board.times_applied(op) == 0
    })
}

fn done_is_there(model: &Protocol, state: &State) -> bool {
    ops(model).all(|op| state.ops[usize::from(op)].told != Told::Done || state.board.times_applied(op) > 0)
}

/// Judged on the epochs that the operations name, whatever the clones make of them.
fn fenced(model: &Protocol, state: &State) -> bool {
    prefixes(state).all(|(line, entry)| match entry {
        Entry::Applied(op) => !model.world.is_past(line, op, state.ops[usize::from(op)].epoch),
        _ => true,
    })
}

/// What `audit` finds: each commit is decided again on its parent.
fn witness(model: &Protocol, state: &State) -> bool {
    prefixes(state).all(|(line, entry)| {
        let verdict = |op: u8| model.world.verdict(line, op, state.ops[usize::from(op)].epoch);
        match entry {
            Entry::Applied(op) => verdict(op) == Verdict::Applied,
            Entry::Declined(op) => verdict(op) == Verdict::Conditional,
            Entry::Foreign => true,
        }
    })
}

/// Returns each entry of the board with the line that it was decided on.
fn prefixes(state: &State) -> impl Iterator<Item = (crate::line::Line, Entry)> {
    let mut line = crate::line::Line::default();
    state.board.entries().map(move |entry| {
        let before = line;
        line = line.then(entry);
        (before, entry)
    })
}

fn bound(model: &Protocol, state: &State) -> bool {
    ops(model).all(|op| state.ops[usize::from(op)].beaten < 3 || !model.is_open(state, op))
}

fn answered(model: &Protocol, state: &State) -> bool {
    let owes = ops(model).any(|op| {
        let made = &state.ops[usize::from(op)];
        made.is_made && made.told == Told::Nothing
    });
    // Cheap signs first: somebody at work has a step.
    if !owes || state.clones.iter().any(|c| c.waits) {
        return true;
    }
    let mut steps = Vec::new();
    model.actions(state, &mut steps);
    !steps.is_empty()
}
