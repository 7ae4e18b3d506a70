//! What the remote does with a push, and what the network does to it.

use crate::line::{Entry, Line};
use crate::protocol::{Protocol, Seeded};
use crate::state::{Outbox, Part, Push, State};

impl Protocol {
    /// Moves the board if the lease holds.
    pub fn deliver_board(&self, state: &mut State, at: usize) {
        let push = state.pushes[at];
        let holds = push.base == state.board || self.has(Seeded::NoLease);
        state.pushes[at].board = if holds { Part::Landed } else { Part::Beaten };
        if !holds {
            return;
        }
        state.rewound |= !push.tip.descends_from(state.board);
        state.board = push.tip;
        if self.has(Seeded::NoLookUp) || self.has(Seeded::NoLease) {
            return;
        }
        for op in 0..u8::try_from(self.world.plan.len()).expect("few") {
            let owner = usize::from(self.world.plan[usize::from(op)].clone);
            if state.outboxes[owner].ops.has(op) && self.is_open(state, op) {
                let made = &mut state.ops[usize::from(op)];
                made.missed = (made.missed + 1).min(2);
            }
        }
    }

    /// Replaces the outbox if the lease holds.
    pub fn deliver_outbox(&self, state: &mut State, at: usize) {
        let push = state.pushes[at];
        let outbox = &mut state.outboxes[usize::from(push.clone)];
        let holds = outbox.sequence == push.expect;
        state.pushes[at].outbox = if holds { Part::Landed } else { Part::Beaten };
        if holds {
            *outbox = Outbox { sequence: push.expect + 1, ops: push.ops };
        }
    }

    /// Sorts what is on its way, and forgets what can change nothing any more: a board never comes back to a base
    /// that it has left, nor an outbox to a value that was replaced.
    pub fn tidy(&self, state: &mut State) {
        let (board, outboxes) = (state.board, state.outboxes);
        let lease_binds = !self.has(Seeded::NoLease);
        state.pushes.retain(|push| {
            let board_may_move = push.board == Part::Pending && (push.base == board || !lease_binds);
            let outbox = &outboxes[usize::from(push.clone)];
            let outbox_may_move = push.outbox == Part::Pending && push.expect == outbox.sequence;
            push.awaited || board_may_move || outbox_may_move
        });
        state.pushes.sort_unstable();
    }

    /// Commits something by hand.
    pub fn commit_by_hand(&self, state: &mut State) {
        if state.board.len() < Line::CAPACITY {
            state.board = state.board.then(Entry::Foreign);
        }
    }

    pub fn is_answered(push: &Push) -> bool {
        push.awaited && push.board != Part::Pending && push.outbox != Part::Pending
    }
}
