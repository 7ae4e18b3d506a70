//! The publish loop: operations go in, the truth about each comes out.
//!
//! Owns the one place that retries. Whoever leads publishes for the whole clone, and carries along what other clones
//! have announced: one push a round moves the board and this clone's outbox together. Every decision is made on a head
//! that the remote has confirmed, and every push names that head as the value that it replaces. What landed is told
//! from what did not only by what the remote says; when it does not say, the history is searched for the operation.
//!
//! The protocol, with its proof, is told in `docs/concurrency.md`.

mod answer;
mod round;
mod shared;

use std::time::Duration;

pub use answer::{Answer, Trouble};
pub use round::{MAX_AGE, REMOTE_REFUSED, UNCHANGED};
pub use shared::{Announced, Draft, Entry, Exposure, Moved, Pushed, Sealed, Shared, Standing};

use crate::model::id::OpId;
use crate::model::operation::Operation;
use round::{Carried, Round, Scope, plan, waiting};

/// Pause after the first lost race where nobody helps; doubled with each, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Refusals on principle, with an unmoved board, after which only this clone's own operations are tried, and after
/// which only one. A lock that another push holds for a moment looks the same, so the first means nothing.
const OWN_AFTER: u32 = 2;
const ONE_AFTER: u32 = 3;

/// Refusals on principle, with an unmoved board, after which the remote is believed to mean it.
const REFUSALS_BEFORE_GIVING_UP: u32 = 4;

/// Whose answers the leader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That of one operation; whatever else is certain by then is told as well.
    One(OpId),
    /// Those of everything in the queue.
    All,
}

/// Publishes this clone's queue until what is wanted is known. Returns the answers that came out, in their order.
///
/// # Errors
/// [`Trouble`] when what is wanted is not known. Only after [`Trouble::Undecided`] may it still happen; it stays in the
/// queue then, and after any other trouble it is taken out.
pub fn lead<S: Shared>(shared: &mut S, wanted: Wanted, limit: Duration) -> Result<Vec<(OpId, Answer)>, Trouble> {
    let mut leader = Leader {
        shared,
        wanted,
        limit,
        mine: Vec::new(),
        answers: Vec::new(),
        scope: Scope::All,
        refusals: 0,
        pushes: 0,
        rejected: false,
        beaten: 0,
        round_trip: PAUSE_MIN,
    };
    match leader.run() {
        Ok(()) => Ok(leader.answers),
        Err(trouble) => Err(leader.give_up(trouble)),
    }
}

struct Leader<'a, S: Shared> {
    shared: &'a mut S,
    wanted: Wanted,
    limit: Duration,
    /// The queue, as far as it has no answers.
    mine: Vec<Carried<S::Head>>,
    answers: Vec<(OpId, Answer)>,
    scope: Scope,
    /// Refusals on principle in a row, with an unmoved board.
    refusals: u32,
    pushes: u32,
    /// Whether another clone's landing has beaten any push.
    rejected: bool,
    /// Pushes that announced something, and that another clone's landing has beaten, since the last that landed.
    beaten: u32,
    /// How long a fetch and a push take.
    round_trip: Duration,
}

/// What comes after a push.
enum Next<H> {
    /// Look what has become of it.
    Fetch,
    /// The same, after a refusal on principle of a push that began at this head.
    Refused(H, String),
}

impl<S: Shared> Leader<'_, S> {
    fn run(&mut self) -> Result<(), Trouble> {
        self.load()?;
        let mut next = Next::Fetch;
        // A head that was confirmed before this began is good enough to build on: the lease catches it if it is not.
        // It is not good enough to say no. While anything may be on its way, nothing is built without a look first.
        if !self.mine.iter().any(Carried::is_exposed)
            && let Some(head) = self.shared.recent()
        {
            match self.on(&head)? {
                Some(after) => next = after,
                None if self.is_done() => return Ok(()),
                None => {}
            }
        }
        loop {
            if self.is_done() {
                return Ok(());
            }
            if self.shared.elapsed() >= self.limit {
                return Err(Trouble::Contended { after: self.limit, pushes: self.pushes });
            }
            self.mine.iter_mut().for_each(|carried| carried.fresh = true);
            let head = self.fetch()?;
            self.note_refusal(next, &head)?;
            self.load()?;
            let head = self.wait_to_be_helped(head)?;
            next = match self.on(&head)? {
                Some(after) => after,
                None => Next::Fetch,
            };
        }
    }

    /// Takes up what has come into the queue.
    fn load(&mut self) -> Result<(), Trouble> {
        let entries = self.shared.entries()?;
        // What has left the queue was answered by another process.
        self.mine.retain(|carried| entries.iter().any(|e| e.operation.id == carried.entry.operation.id));
        for entry in entries {
            let known = self.mine.iter().any(|carried| carried.entry.operation.id == entry.operation.id);
            let answered = self.answers.iter().any(|(id, _)| *id == entry.operation.id);
            if !known && !answered {
                self.mine.push(Carried { entry, fresh: false, pushes: 0 });
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        match self.wanted {
            Wanted::One(id) => self.answers.iter().any(|(answered, _)| *answered == id),
            Wanted::All => self.mine.is_empty(),
        }
    }

    /// A remote that cannot be reached is a final answer only while nothing of ours may be known to others.
    fn fetch(&mut self) -> Result<S::Head, Trouble> {
        let begun = self.shared.elapsed();
        loop {
            match self.shared.fetch() {
                Ok(head) => {
                    self.round_trip = self.shared.elapsed().saturating_sub(begun);
                    return Ok(head);
                }
                Err(trouble @ Trouble::Unreachable(_))
                    if self.wants_exposed() && self.shared.elapsed() < self.limit =>
                {
                    self.back_off();
                    if self.shared.elapsed() >= self.limit {
                        return Err(trouble);
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn wants_exposed(&self) -> bool {
        self.mine.iter().any(|carried| self.is_wanted(carried) && carried.is_exposed())
    }

    fn is_wanted(&self, carried: &Carried<S::Head>) -> bool {
        match self.wanted {
            Wanted::One(id) => carried.entry.operation.id == id,
            Wanted::All => true,
        }
    }

    /// After the first push that was beaten, everybody who was beaten with us knows what we have announced and would
    /// carry it along, and so would we theirs. One of us is enough: the others give it the time of a round. Whoever
    /// waits here loses nothing, since each push that lands meanwhile has been built by somebody who has read our
    /// outbox.
    fn wait_to_be_helped(&mut self, head: S::Head) -> Result<S::Head, Trouble> {
        if self.beaten != 1 || !self.mine.iter().any(|c| matches!(c.entry.exposure, Exposure::Announced)) {
            return Ok(head);
        }
        for carried in &self.mine {
            if self.shared.standing(&head, &carried.entry.operation)? != Standing::Open {
                return Ok(head);
            }
        }
        let others = self.shared.announced();
        let waiting = waiting(self.shared, &head, &others)?;
        if rank(&self.shared.name(), &waiting, &head) == 0 {
            return Ok(head);
        }
        let pause = self.round_trip.mul_f64(1.5 + 0.5 * self.shared.chance());
        self.shared.pause(pause.min(PAUSE_MAX).min(self.limit.saturating_sub(self.shared.elapsed())));
        self.beaten += 1;
        self.fetch()
    }

    fn look(&mut self, head: &S::Head) -> Result<Round<S::Draft>, Trouble> {
        // A push without an answer is over once the board has left the head that it began at: it has landed, and then
        // the history says so, or it never will.
        for carried in &mut self.mine {
            if matches!(&carried.entry.exposure, Exposure::Sent(from) if from != head) {
                carried.entry.exposure = Exposure::None;
            }
        }
        let others = self.shared.announced();
        plan(self.shared, head, &self.mine, &others, self.scope)
    }

    /// Decides on a head, tells what is certain, and pushes the rest. Nothing is returned where nothing was pushed.
    fn on(&mut self, head: &S::Head) -> Result<Option<Next<S::Head>>, Trouble> {
        let mut round = self.look(head)?;
        for (id, answer) in std::mem::take(&mut round.told) {
            self.tell(id, answer);
        }
        self.settle_stuck(std::mem::take(&mut round.stuck))?;
        if self.is_done() || round.is_idle() {
            return Ok(None);
        }
        self.push(head, round).map(Some)
    }

    fn tell(&mut self, id: OpId, answer: Answer) {
        self.mine.retain(|carried| carried.entry.operation.id != id);
        self.shared.answer(id, &answer);
        self.answers.push((id, answer));
    }

    /// A board that cannot be decided on, or a result that would break its rules, is an answer where nobody else can
    /// come to another one.
    fn settle_stuck(&mut self, stuck: Vec<(OpId, Trouble)>) -> Result<(), Trouble> {
        for (id, trouble) in stuck {
            let Some(carried) = self.mine.iter().find(|c| c.entry.operation.id == id) else { continue };
            let wanted = self.wanted == Wanted::One(id);
            match (carried.is_exposed() || !carried.fresh, wanted) {
                (false, false) => self.tell(id, Answer::Failed(trouble.into())),
                (_, true) if carried.fresh => return Err(trouble),
                // Its own process will hear of it, or a later round decides it.
                _ => {
                    if self.wanted == Wanted::All && carried.fresh {
                        let undecided = Trouble::Undecided { id: id.to_string(), reason: trouble.to_string() };
                        self.mine.retain(|c| c.entry.operation.id != id);
                        self.answers.push((id, Answer::Failed(undecided.into())));
                    }
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, head: &S::Head, round: Round<S::Draft>) -> Result<Next<S::Head>, Trouble> {
        let Round { draft, carried, refused: witnessed, .. } = round;
        let sealed = self.shared.seal(draft, &witnessed)?;
        let announces = self.shared.announces(self.rejected);
        let held = |id: OpId| {
            carried.iter().any(|(taken, _)| *taken == id) || witnessed.iter().any(|(refused, _)| *refused == id)
        };
        let outbox: Vec<Operation> = self
            .mine
            .iter()
            .filter(|c| held(c.entry.operation.id) || c.entry.exposure == Exposure::Announced)
            .map(|c| c.entry.operation.clone())
            .collect();
        let before: Vec<(OpId, Exposure<S::Head>)> = self.exposures();
        for mine in self.mine.iter_mut().filter(|c| held(c.entry.operation.id)) {
            mine.pushes += 1;
            mine.entry.exposure = match (&mine.entry.exposure, announces) {
                (Exposure::Announced, _) | (_, true) => Exposure::Announced,
                (_, false) => Exposure::Sent(head.clone()),
            };
        }
        self.shared.remember(&self.exposures())?;
        self.pushes += 1;
        let begun = self.shared.elapsed();
        let pushed = self.shared.push(head, &sealed.head, announces.then_some(&outbox[..]));
        let pushed = pushed.inspect_err(|_| self.restore(&before))?;
        self.round_trip += self.shared.elapsed().saturating_sub(begun);
        if let Some(Moved::Rejected { reason, on_principle: true }) = &pushed.outbox
            && pushed.board == Moved::Landed
        {
            self.shared.outbox_was_refused(reason);
        }
        let kept_out = matches!(pushed.outbox, None | Some(Moved::Rejected { .. } | Moved::InTheWay { .. }));
        let refused = |leader: &mut Self| {
            if kept_out {
                leader.restore(&before);
            }
        };
        match pushed.board {
            Moved::Landed => {
                self.landed(&sealed, carried, witnessed);
                Ok(Next::Fetch)
            }
            Moved::Rejected { reason, on_principle } => {
                refused(self);
                if on_principle {
                    return Ok(Next::Refused(head.clone(), reason));
                }
                self.rejected = true;
                self.lost_to_another();
                Ok(Next::Fetch)
            }
            Moved::InTheWay { worktree, reason } => {
                refused(self);
                Err(Trouble::CheckoutInTheWay { worktree, reason })
            }
            Moved::Unknown { .. } => {
                self.back_off();
                Ok(Next::Fetch)
            }
        }
    }

    /// Whoever has announced will be helped; whoever has not had better not meet the same others again.
    fn lost_to_another(&mut self) {
        if self.mine.iter().any(|c| c.entry.exposure == Exposure::Announced) {
            self.beaten += 1;
        } else {
            self.back_off();
        }
    }

    fn exposures(&self) -> Vec<(OpId, Exposure<S::Head>)> {
        self.mine.iter().map(|c| (c.entry.operation.id, c.entry.exposure.clone())).collect()
    }

    /// Takes back what was assumed of a push that the remote has refused altogether.
    fn restore(&mut self, before: &[(OpId, Exposure<S::Head>)]) {
        for carried in &mut self.mine {
            if let Some((_, exposure)) = before.iter().find(|(id, _)| *id == carried.entry.operation.id) {
                carried.entry.exposure = exposure.clone();
            }
        }
    }

    fn landed(&mut self, sealed: &Sealed<S::Head>, carried: Vec<(OpId, Vec<String>)>, refused: Vec<(OpId, String)>) {
        // What landed has landed, whether this clone can write that down or not; a fetch will tell it again.
        self.shared.confirm(&sealed.head);
        self.refusals = 0;
        self.beaten = 0;
        for (id, warnings) in carried {
            let pushes = self.pushes_of(id);
            let commit = sealed.commits.iter().find(|(op, _)| *op == id).map_or(&sealed.last, |(_, commit)| commit);
            self.tell(id, Answer::Published { commit: commit.clone(), pushes, warnings });
        }
        for (id, code) in refused {
            if self.mine.iter().any(|c| c.entry.operation.id == id) {
                let pushes = self.pushes_of(id);
                self.tell(id, Answer::Settled { commit: sealed.last.clone(), refused: Some(code), pushes });
            }
        }
    }

    fn pushes_of(&self, id: OpId) -> u32 {
        self.mine.iter().find(|c| c.entry.operation.id == id).map_or(0, |c| c.pushes)
    }

    /// The remote's own words do not tell a hook from a lock that is held for a moment; an unmoved board does. One
    /// operation that the remote will not have must not block all others.
    fn note_refusal(&mut self, next: Next<S::Head>, head: &S::Head) -> Result<(), Trouble> {
        let Next::Refused(from, reason) = next else { return Ok(()) };
        if from != *head {
            self.refusals = 0;
            self.rejected = true;
            self.lost_to_another();
            return Ok(());
        }
        self.refusals += 1;
        if self.refusals >= OWN_AFTER {
            self.scope = self.scope.max(Scope::Own);
        }
        if self.refusals >= ONE_AFTER
            && let Some(first) = self.mine.iter().find(|carried| self.is_wanted(carried))
        {
            self.scope = Scope::One(first.entry.operation.id);
        }
        if self.refusals >= REFUSALS_BEFORE_GIVING_UP {
            return self.refused_for_good(head, reason);
        }
        self.back_off();
        Ok(())
    }

    fn refused_for_good(&mut self, head: &S::Head, reason: String) -> Result<(), Trouble> {
        let Scope::One(id) = self.scope else { return Err(Trouble::RemoteRefuses(reason)) };
        let exposed = self.mine.iter().any(|c| c.entry.operation.id == id && c.is_exposed());
        let withdrawn = !exposed || self.withdraw(head, id)?;
        if self.wanted == Wanted::One(id) {
            // What is not exposed any more may be told not to happen.
            return Err(Trouble::RemoteRefuses(reason));
        }
        // The others of the queue may well be acceptable.
        self.refusals = ONE_AFTER - 1;
        self.scope = Scope::Own;
        if withdrawn {
            self.tell(id, Answer::Failed(Trouble::RemoteRefuses(reason).into()));
        } else {
            let undecided = Trouble::Undecided { id: id.to_string(), reason };
            self.mine.retain(|c| c.entry.operation.id != id);
            self.answers.push((id, Answer::Failed(undecided.into())));
        }
        Ok(())
    }

    /// An operation that the remote will have from nobody would stay in the outbox, and spoil the pushes of all who
    /// help. Its own clone takes it back, by a witness on the board that nobody carries it out any more. Tells whether
    /// that was possible: the remote may refuse every change of the board.
    fn withdraw(&mut self, head: &S::Head, id: OpId) -> Result<bool, Trouble> {
        let draft = self.shared.draft(head)?;
        let sealed = self.shared.seal(draft, &[(id, REMOTE_REFUSED.to_owned())])?;
        let left: Vec<Operation> = self
            .mine
            .iter()
            .filter(|c| c.entry.operation.id != id && c.entry.exposure == Exposure::Announced)
            .map(|c| c.entry.operation.clone())
            .collect();
        let pushed = self.shared.push(head, &sealed.head, Some(&left))?;
        if pushed.board != Moved::Landed {
            return Ok(false);
        }
        self.shared.confirm(&sealed.head);
        for carried in self.mine.iter_mut().filter(|c| c.entry.operation.id == id) {
            carried.entry.exposure = Exposure::None;
        }
        Ok(true)
    }

    /// Ends without an answer: what others may know of may still happen, and stays in the queue.
    fn give_up(&mut self, trouble: Trouble) -> Trouble {
        let Wanted::One(id) = self.wanted else { return trouble };
        let exposed = self.mine.iter().any(|c| c.entry.operation.id == id && c.is_exposed());
        if exposed {
            return Trouble::Undecided { id: id.to_string(), reason: trouble.to_string() };
        }
        if !exposed {
            self.shared.answer(id, &Answer::Dropped);
        }
        trouble
    }

    /// Waits for a random part of a pause that doubles with every push, so that those who collided once part.
    fn back_off(&mut self) {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.pushes.min(6));
        let pause = doubled.min(PAUSE_MAX).mul_f64(self.shared.chance());
        let left = self.limit.saturating_sub(self.shared.elapsed());
        self.shared.pause(pause.min(left));
    }
}

/// Returns the place of a clone among those that wait at a head: another order at each head, the same for everybody.
fn rank<H: std::fmt::Debug>(name: &str, waiting: &[String], head: &H) -> usize {
    let place = |clone: &str| fnv(format!("{clone} {head:?}").as_bytes());
    let own = place(name);
    waiting.iter().filter(|clone| *clone != name && place(clone) < own).count()
}

/// A small hash: FNV-1a, by Fowler, Noll and Vo.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
