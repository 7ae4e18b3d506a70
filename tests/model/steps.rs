//! Every step that may come next, and what it makes of a state.

use stateright::{Model, Property};

use crate::line::MOST;
use crate::protocol::{Protocol, Seeded};
use crate::state::{CLONES, CloneState, Made, Ops, Outbox, Part, State, Told};

/// A step. Pushes are named by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Make {
        op: u8,
    },
    FetchBoard {
        clone: u8,
    },
    FetchOutboxes {
        clone: u8,
    },
    FetchBoth {
        clone: u8,
    },
    Push {
        clone: u8,
    },
    /// A second leader of the clone pushes.
    PushBeside {
        clone: u8,
    },
    /// The operations are marked as pushed, and no push follows.
    DieMarked {
        clone: u8,
    },
    /// The board is fetched and results are written, and the queue is left as it was.
    DieSettled {
        clone: u8,
    },
    Die {
        clone: u8,
    },
    BoardMoves {
        push: usize,
    },
    OutboxMoves {
        push: usize,
    },
    BothMove {
        push: usize,
    },
    BoardRefused {
        push: usize,
    },
    OutboxRefused {
        push: usize,
    },
    Arrives {
        push: usize,
    },
    TimeOut {
        clone: u8,
    },
    Doubled {
        push: usize,
    },
    ByHand,
}

impl Protocol {
    /// Whoever was told may act on it.
    fn may_make(&self, state: &State, op: u8) -> bool {
        let planned = &self.world.plan[usize::from(op)];
        let in_turn = (0..op)
            .all(|o| self.world.plan[usize::from(o)].clone != planned.clone || state.ops[usize::from(o)].is_made);
        let waited = planned.after.is_none_or(|o| state.ops[usize::from(o)].told == Told::Done);
        in_turn && waited && !state.ops[usize::from(op)].is_made
    }

    fn may_fetch(&self, state: &State, clone: u8) -> bool {
        let me = &state.clones[usize::from(clone)];
        if me.waits {
            return false;
        }
        if me.queue.is_empty() {
            let more = self.world.plan.iter().zip(&state.ops).any(|(p, made)| p.clone == clone && !made.is_made);
            return self.scans && more && me.head != state.board;
        }
        me.must_fetch || !me.queue.without(me.fresh).is_empty()
    }

    fn fetch_board(&self, state: &mut State, clone: u8) {
        let board = state.board;
        let me = &mut state.clones[usize::from(clone)];
        me.must_fetch = false;
        me.fresh = me.queue;
        if !self.has(Seeded::OutboxesFirst) && !self.has(Seeded::OutboxesOnce) {
            me.read = None;
        }
        // A remote refusal that a moved board explains is no reason to leave others alone.
        if me.head != board {
            me.refusals = 0;
        }
        self.confirm(state, clone, board);
    }

    fn fetch_outboxes(&self, state: &mut State, clone: u8) {
        let mut read = Ops::default();
        for outbox in &state.outboxes {
            read = read.and(outbox.ops);
        }
        let seen = state.outboxes[usize::from(clone)].sequence;
        let me = &mut state.clones[usize::from(clone)];
        me.read = Some(read);
        me.seen = seen;
    }

    fn clone_steps(&self, state: &State, clone: u8, steps: &mut Vec<Step>) {
        let me: &CloneState = &state.clones[usize::from(clone)];
        let reads_next = !me.waits && me.read.is_none() && !me.queue.is_empty();
        let fetches_next = self.may_fetch(state, clone);
        if self.one_fetch {
            if fetches_next || reads_next {
                steps.push(Step::FetchBoth { clone });
            }
        } else if self.has(Seeded::OutboxesFirst) {
            if reads_next {
                steps.push(Step::FetchOutboxes { clone });
            } else if fetches_next {
                steps.push(Step::FetchBoard { clone });
            }
        } else {
            if fetches_next {
                steps.push(Step::FetchBoard { clone });
            }
            if reads_next && !me.must_fetch {
                steps.push(Step::FetchOutboxes { clone });
            }
        }
        if self.may_push(state, clone) {
            steps.push(Step::Push { clone });
            if self.has(Seeded::TwoLeaders) && state.left.duplicates > 0 {
                steps.push(Step::PushBeside { clone });
            }
            if state.left.crashes > 0 {
                steps.push(Step::DieMarked { clone });
            }
        }
        if me.waits && state.left.timeouts > 0 {
            steps.push(Step::TimeOut { clone });
        }
        if state.left.crashes > 0 && !me.queue.is_empty() {
            steps.push(Step::Die { clone });
            if fetches_next {
                steps.push(Step::DieSettled { clone });
            }
        }
    }

    fn push_steps(&self, state: &State, steps: &mut Vec<Step>) {
        for (at, push) in state.pushes.iter().enumerate() {
            let (board, outbox) = (push.board == Part::Pending, push.outbox == Part::Pending);
            if self.two_moves || board != outbox {
                if board {
                    steps.push(Step::BoardMoves { push: at });
                }
                if outbox {
                    steps.push(Step::OutboxMoves { push: at });
                }
            } else if board {
                steps.push(Step::BothMove { push: at });
            }
            if state.left.refusals > 0 && push.awaited {
                if board {
                    steps.push(Step::BoardRefused { push: at });
                }
                if outbox {
                    steps.push(Step::OutboxRefused { push: at });
                }
            }
            if state.left.duplicates > 0 && board && outbox {
                steps.push(Step::Doubled { push: at });
            }
            if Self::is_answered(push) {
                steps.push(Step::Arrives { push: at });
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut first = State {
            board: crate::line::Line::default(),
            outboxes: [Outbox::default(); CLONES],
            clones: [CloneState::default(); CLONES],
            ops: [Made::default(); MOST],
            pushes: Vec::new(),
            left: self.left,
            rewound: false,
            outdated: false,
        };
        if self.made_first {
            let all = 0..u8::try_from(self.world.plan.len()).expect("few");
            all.filter(|op| self.world.plan[usize::from(*op)].after.is_none()).for_each(|op| self.make(&mut first, op));
        }
        vec![first]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for op in 0..u8::try_from(self.world.plan.len()).expect("few") {
            if self.may_make(state, op) {
                steps.push(Step::Make { op });
            }
        }
        for clone in 0..self.clones {
            self.clone_steps(state, clone, steps);
        }
        self.push_steps(state, steps);
        if state.left.foreign > 0 {
            steps.push(Step::ByHand);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Make { op } => self.make(&mut state, op),
            Step::FetchBoard { clone } => self.fetch_board(&mut state, clone),
            Step::FetchOutboxes { clone } => self.fetch_outboxes(&mut state, clone),
            Step::FetchBoth { clone } => {
                self.fetch_board(&mut state, clone);
                if !state.clones[usize::from(clone)].queue.is_empty() {
                    self.fetch_outboxes(&mut state, clone);
                }
            }
            Step::Push { clone } => self.push(&mut state, clone),
            Step::PushBeside { clone } => {
                state.left.duplicates -= 1;
                self.push_beside(&mut state, clone);
            }
            Step::DieMarked { clone } => {
                state.left.crashes -= 1;
                let me = &mut state.clones[usize::from(clone)];
                me.pushed = me.pushed.and(me.queue);
                self.crash(&mut state, clone);
            }
            Step::DieSettled { clone } => {
                state.left.crashes -= 1;
                let before = state.clones[usize::from(clone)];
                self.fetch_board(&mut state, clone);
                let me = &mut state.clones[usize::from(clone)];
                (me.queue, me.pushed) = (before.queue, before.pushed);
                self.crash(&mut state, clone);
            }
            Step::Die { clone } => {
                state.left.crashes -= 1;
                self.crash(&mut state, clone);
            }
            Step::BoardMoves { push } => self.deliver_board(&mut state, push),
            Step::OutboxMoves { push } => self.deliver_outbox(&mut state, push),
            Step::BothMove { push } => {
                self.deliver_outbox(&mut state, push);
                self.deliver_board(&mut state, push);
            }
            Step::BoardRefused { push } => {
                state.left.refusals -= 1;
                state.pushes[push].board = Part::Refused;
            }
            Step::OutboxRefused { push } => {
                state.left.refusals -= 1;
                state.pushes[push].outbox = Part::Refused;
            }
            Step::Arrives { push } => {
                let push = state.pushes.remove(push);
                self.answer(&mut state, &push);
            }
            Step::TimeOut { clone } => {
                state.left.timeouts -= 1;
                self.time_out(&mut state, clone);
            }
            Step::Doubled { push } => {
                state.left.duplicates -= 1;
                let double = crate::state::Push { awaited: false, ..state.pushes[push] };
                state.pushes.push(double);
            }
            Step::ByHand => {
                state.left.foreign -= 1;
                self.commit_by_hand(&mut state);
            }
        }
        self.tidy(&mut state);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        (self.asks)()
    }

    /// Without the looking for ids a board never ends.
    fn within_boundary(&self, state: &State) -> bool {
        state.board.len() < 10
    }
}
