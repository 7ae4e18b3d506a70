//! What a clone does: the rules of `docs/concurrency.md`, each in one place.

use crate::line::{Entry, Line};
use crate::state::{CloneState, Made, Ops, Part, Push, State, Told};
use crate::world::{Verdict, World};

/// A rule that is left out, to see that its absence is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeded {
    /// The remote takes a push whatever its board has become.
    NoLease,
    /// Nobody looks for the ids of operations.
    NoLookUp,
    /// Epochs are not compared.
    NoFence,
    /// A conditional refusal of an announced operation is told without being written down.
    NoRecord,
    /// Outboxes are read before the board.
    OutboxesFirst,
    /// Outboxes are read once and kept.
    OutboxesOnce,
    /// Nobody helps.
    NoHelp,
    /// An operation is marked as pushed when the answer comes, not before the push.
    MarkedLate,
    /// Nothing keeps a second process of the clone from leading too.
    TwoLeaders,
    /// The claim of a dead owner is dropped, pushed or not.
    PushedDropped,
    /// What was told is not looked at when the queue is taken up again.
    ResultForgotten,
    /// A refusal is told on the head that happened to be there.
    OldHead,
    /// What the remote refuses to take from me is told as refused, though others have heard of it.
    RemoteRefusalTold,
}

/// One protocol in one world.
pub struct Protocol {
    pub world: World,
    pub clones: u8,
    pub left: crate::state::Budget,
    pub seeded: Option<Seeded>,
    /// After so many refusals in a row, with the board unmoved, a clone pushes its own operations only.
    pub alone_after: u8,
    /// Board and outboxes are read in one step.
    pub one_fetch: bool,
    /// The remote moves the two refs of a push at different moments.
    pub two_moves: bool,
    /// Whatever waits for nobody is made before anything else happens.
    pub made_first: bool,
    /// A clone without operations may look at the board at any time.
    pub scans: bool,
    /// What is asked of every state.
    pub asks: fn() -> Vec<stateright::Property<Protocol>>,
}

impl Protocol {
    pub fn has(&self, seeded: Seeded) -> bool {
        self.seeded == Some(seeded)
    }

    /// Returns what a board says to an operation, as the clones find out.
    pub fn verdict(&self, state: &State, line: Line, op: u8) -> Verdict {
        let epoch = state.ops[usize::from(op)].epoch.filter(|_| !self.has(Seeded::NoFence));
        if self.has(Seeded::NoLookUp) {
            return self.world.fresh_verdict(line, op, epoch);
        }
        self.world.verdict(line, op, epoch)
    }

    /// Makes an operation: it is in the queue, durably, and knows the head and the epoch that its author saw.
    pub fn make(&self, state: &mut State, op: u8) {
        let planned = &self.world.plan[usize::from(op)];
        let head = state.clones[usize::from(planned.clone)].head;
        let epoch = planned.epoch.or_else(|| {
            let fenced = squad::model::transition::is_fenced(planned.action.verb());
            fenced.then(|| self.world.standing(head, op).0)
        });
        let since = u8::try_from(state.board.len()).expect("a line is short");
        state.ops[usize::from(op)] = Made { is_made: true, basis: head, epoch, since, ..Made::default() };
        state.clones[usize::from(planned.clone)].queue.add(op);
    }

    /// Takes a head that the remote has confirmed, and tells what is certain on it.
    pub fn confirm(&self, state: &mut State, clone: u8, head: Line) {
        state.clones[usize::from(clone)].head = head;
        self.settle(state, clone, None);
    }

    /// Tells everybody whose operation is settled on the confirmed head. `landed` are the commits that the remote
    /// has just taken, which need no looking for.
    pub fn settle(&self, state: &mut State, clone: u8, landed: Option<(Line, Line)>) {
        let me = state.clones[usize::from(clone)];
        let mut earlier_is_open = false;
        for op in me.queue.iter() {
            let known = landed.and_then(|(base, tip)| {
                tip.entries().skip(base.len()).find(|e| matches!(e, Entry::Applied(o) | Entry::Declined(o) if *o == op))
            });
            let verdict = known.map_or_else(|| self.verdict(state, me.head, op), Verdict::Decided);
            // A refusal counts only on a head that was confirmed after the operation was made.
            let is_fresh = me.fresh.has(op) || self.has(Seeded::OldHead);
            let told = match verdict {
                Verdict::Decided(Entry::Applied(_)) => Told::Done,
                Verdict::Decided(_) => Told::Refused,
                Verdict::Final if is_fresh => Told::Refused,
                // Nobody else can know of it, and nothing of mine comes before it.
                Verdict::Conditional if is_fresh && !me.pushed.has(op) && !earlier_is_open => Told::Refused,
                Verdict::Conditional if is_fresh && self.has(Seeded::NoRecord) => Told::Refused,
                _ => {
                    earlier_is_open = true;
                    continue;
                }
            };
            self.tell(state, clone, op, told);
        }
    }

    fn tell(&self, state: &mut State, clone: u8, op: u8, told: Told) {
        let me = &mut state.clones[usize::from(clone)];
        me.queue.remove(op);
        me.pushed.remove(op);
        me.fresh.remove(op);
        let head = me.head;
        let made = &mut state.ops[usize::from(op)];
        // Told once; whoever tells it again is caught by what the board says.
        if made.told == Told::Nothing {
            made.told = told;
        }
        if told == Told::Done && self.world.is_claim(op) {
            made.won = Some(self.world.standing(head, op).0);
        }
        state.outdated |= told == Told::Refused && head.len() < usize::from(made.since);
    }

    /// Returns the chain that a clone would push: its queue, then what the others have announced.
    pub fn chain(&self, state: &State, clone: u8) -> Line {
        let me = &state.clones[usize::from(clone)];
        let mut tip = me.head;
        for op in me.queue.iter() {
            self.add(state, &mut tip, op);
        }
        let announced = me.read.unwrap_or_default();
        for other in (0..self.clones).filter(|other| *other != clone) {
            if me.refusals >= self.alone_after || self.has(Seeded::NoHelp) {
                break;
            }
            for op in announced.iter().filter(|op| self.world.plan[usize::from(*op)].clone == other) {
                // Its author has seen more of the board than I have.
                if !me.head.descends_from(state.ops[usize::from(op)].basis) {
                    break;
                }
                self.add(state, &mut tip, op);
            }
        }
        tip
    }

    fn add(&self, state: &State, tip: &mut Line, op: u8) {
        let entry = match self.verdict(state, *tip, op) {
            Verdict::Applied => Entry::Applied(op),
            Verdict::Conditional if !self.has(Seeded::NoRecord) => Entry::Declined(op),
            Verdict::Conditional | Verdict::Final | Verdict::Decided(_) => return,
        };
        if tip.len() < Line::CAPACITY {
            *tip = tip.then(entry);
        }
    }

    /// Tells whether everything of a clone's queue may be pushed or told on the head that it has.
    ///
    /// What is refused on a head that is older than the operation itself wants a look first, not a push.
    pub fn may_push(&self, state: &State, clone: u8) -> bool {
        let me = &state.clones[usize::from(clone)];
        if me.waits || me.must_fetch || me.read.is_none() || me.queue.is_empty() {
            return false;
        }
        let mut tip = me.head;
        for op in me.queue.iter() {
            let before = tip;
            self.add(state, &mut tip, op);
            let is_applied = tip != before && tip.last() == Some(Entry::Applied(op));
            if !is_applied && !me.fresh.has(op) && !me.pushed.has(op) {
                return false;
            }
        }
        tip != me.head
    }

    /// Sends one push: the chain, and an outbox that names all that is open here.
    pub fn push(&self, state: &mut State, clone: u8) {
        let tip = self.chain(state, clone);
        let me = &mut state.clones[usize::from(clone)];
        if !self.has(Seeded::MarkedLate) {
            me.pushed = me.pushed.and(me.queue);
        }
        me.waits = true;
        let push = Push {
            clone,
            base: me.head,
            tip,
            expect: me.seen,
            ops: me.queue,
            board: Part::Pending,
            outbox: Part::Pending,
            awaited: true,
        };
        state.pushes.push(push);
    }

    /// Builds what a second leader of the clone has decided on, and marks and sends whenever it comes to it: by then
    /// the first may have refused an operation that it found unmarked.
    pub fn push_beside(&self, state: &mut State, clone: u8) {
        let before = state.clones[usize::from(clone)];
        self.push(state, clone);
        state.clones[usize::from(clone)] = before;
        if let Some(push) = state.pushes.last_mut() {
            push.awaited = false;
        }
    }

    /// Takes the answer to a push.
    pub fn answer(&self, state: &mut State, push: &Push) {
        let clone = usize::from(push.clone);
        self.judge_answer(state, push);
        let me = &mut state.clones[clone];
        me.waits = false;
        me.pushed = me.pushed.and(push.ops);
        if push.outbox == Part::Landed {
            me.seen = push.expect + 1;
        }
        me.refusals = if push.board == Part::Refused { me.refusals + 1 } else { 0 };
        self.look_again(me);
        if push.board == Part::Landed {
            me.fresh = push.ops;
            me.head = push.tip;
            self.settle(state, push.clone, Some((push.base, push.tip)));
        }
        if push.board == Part::Refused && self.has(Seeded::RemoteRefusalTold) {
            push.ops.iter().for_each(|op| self.tell(state, push.clone, op, Told::Refused));
        }
    }

    /// After every answer, and every silence: the board, then the outboxes.
    fn look_again(&self, me: &mut CloneState) {
        me.must_fetch = true;
        me.fresh = Ops::default();
        if !self.has(Seeded::OutboxesOnce) {
            me.read = None;
        }
    }

    /// Stops waiting. What became of the push is unknown.
    pub fn time_out(&self, state: &mut State, clone: u8) {
        let me = &mut state.clones[usize::from(clone)];
        me.waits = false;
        self.look_again(me);
        for push in state.pushes.iter_mut().filter(|push| push.clone == clone) {
            push.awaited = false;
        }
    }

    /// Kills every process of a clone. The next one to start finds the disk as it was left.
    pub fn crash(&self, state: &mut State, clone: u8) {
        self.time_out(state, clone);
        let me = &mut state.clones[usize::from(clone)];
        me.read = None;
        me.seen = 0;
        me.refusals = 0;
        for op in me.queue.iter() {
            let made = &mut state.ops[usize::from(op)];
            let is_told = made.told != Told::Nothing && !self.has(Seeded::ResultForgotten);
            // Its owner is dead, and nobody has heard of it: a claim that nobody wants any more.
            let is_unheard = !me.pushed.has(op) || self.has(Seeded::PushedDropped);
            let is_dropped = self.world.is_claim(op) && is_unheard && made.told == Told::Nothing;
            if is_dropped {
                made.told = Told::Dropped;
            }
            if is_told || is_dropped {
                me.queue.remove(op);
                me.pushed.remove(op);
            }
        }
    }

    /// Counts an answered push that announced its operations and that another's landing beat.
    fn judge_answer(&self, state: &mut State, push: &Push) {
        let moved_by_clones = state.board.entries().skip(push.base.len()).any(|entry| entry != Entry::Foreign);
        if push.board == Part::Beaten && push.outbox == Part::Landed && moved_by_clones {
            for op in push.ops.iter() {
                let made = &mut state.ops[usize::from(op)];
                made.beaten = (made.beaten + 1).min(4);
            }
        }
    }

    /// Tells whether an operation is open as far as the remote's board says.
    pub fn is_open(&self, state: &State, op: u8) -> bool {
        let made = &state.ops[usize::from(op)];
        made.is_made
            && matches!(self.world.verdict(state.board, op, made.epoch), Verdict::Applied | Verdict::Conditional)
    }
}
