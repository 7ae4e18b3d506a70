//! The publish loop: an operation goes in, the truth about it comes out.
//!
//! Owns the one place that retries. It decides on a head that the remote has confirmed, pushes with a lease on that
//! head, and on rejection fetches and decides again: old bytes are never applied twice. What landed is told apart
//! from what did not only by what the remote says; when the remote does not say, the history is searched for the
//! operation's id.
//!
//! Knows the board through [`Shared`] alone, so that it runs against a real remote and against a simulated one alike.

use std::time::Duration;

use crate::board::render::FileChange;
use crate::board::store::AccessFault;
use crate::model::board::{BoardFault, Changeset, Decided, Decision, Unchanged};
use crate::model::operation::Operation;
use crate::model::refusal::Refusal;
use crate::schema::Violation;

/// Pause after the first lost race; doubled with each, up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Rejections in a row with an unmoved board before the remote is believed to mean it: a lock that another push
/// holds for a moment looks the same.
const REFUSALS_BEFORE_GIVING_UP: u32 = 4;

/// The board as the loop sees it: one remote ref, and what hangs on it.
pub trait Shared {
    /// A version of the board.
    type Head: Clone + PartialEq + std::fmt::Debug;

    /// Returns the head that was confirmed last, where it is recent enough to build on without asking again.
    fn recent(&mut self) -> Option<Self::Head>;

    /// Asks the remote for its head.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be reached, or its history does not follow from what was seen before.
    fn fetch(&mut self) -> Result<Self::Head, Trouble>;

    /// Decides on that version of the board.
    ///
    /// # Errors
    /// [`Trouble`] when the board cannot be read.
    fn decide(&mut self, head: &Self::Head, operation: &Operation) -> Result<Decision, Trouble>;

    /// Builds the version that follows from a changeset. The same changeset on the same head may give the same
    /// version as before; it need not.
    ///
    /// # Errors
    /// [`Trouble::Invalid`] when the result would break the rules of the board.
    fn build(
        &mut self,
        head: &Self::Head,
        operation: &Operation,
        changes: &Changeset,
    ) -> Result<Built<Self::Head>, Trouble>;

    /// Moves the remote's ref from one version to the next, if it is still at the former.
    fn push(&mut self, from: &Self::Head, to: &Self::Head) -> Pushed;

    /// Returns what became of an operation, as far as the history up to a head tells.
    ///
    /// # Errors
    /// [`Trouble`] when the history cannot be read.
    fn decided(&mut self, head: &Self::Head, operation: &Operation) -> Result<Option<Decided>, Trouble>;

    /// Records that the operation may be on its way, durably, before its first push.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be recorded; nothing is pushed then.
    fn note_started(&mut self, operation: &Operation) -> Result<(), Trouble>;

    /// Tells whether the operation is written down as one that may be on its way.
    fn is_open(&self, operation: &Operation) -> bool;

    /// Records a head that the remote has confirmed.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be recorded.
    fn confirm(&mut self, head: &Self::Head) -> Result<(), Trouble>;

    /// Records that nothing more is to be done about the operation.
    fn note_settled(&mut self, operation: &Operation);

    /// Returns how long the loop has been running.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn pause(&mut self, time: Duration);

    /// Returns a random number from 0 up to and without 1.
    fn chance(&mut self) -> f64;
}

/// A version that has been built and not yet pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Built<H> {
    /// The version.
    pub head: H,
    /// The files that it writes and removes.
    pub files: Vec<FileChange>,
}

/// What the remote said to a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It moved the ref.
    Landed,
    /// It did not move the ref.
    Rejected {
        /// Why, in its words.
        reason: String,
        /// Whether it says so on principle (a hook, a protected branch) and not because the ref had moved.
        on_principle: bool,
    },
    /// There is no remote, and somebody's checkout would be overwritten.
    InTheWay {
        /// The worktree.
        worktree: String,
        /// Why.
        reason: String,
    },
    /// It did not say.
    Unknown {
        /// What happened instead.
        reason: String,
    },
}

/// What kept the loop from an answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The remote cannot be reached.
    #[error("the remote cannot be reached: {0}")]
    Unreachable(String),
    /// The remote said no, on principle.
    #[error("the remote refuses the push: {0}")]
    RemoteRefuses(String),
    /// Whether it happened is not known.
    #[error("it is not known whether operation {id} happened: {reason}")]
    Undecided {
        /// The operation.
        id: String,
        /// What kept it from being known.
        reason: String,
    },
    /// Too many others were faster for too long.
    #[error("no push got through in {} s; {pushes} were tried", after.as_secs())]
    Contended {
        /// How long it was tried.
        after: Duration,
        /// How often.
        pushes: u32,
    },
    /// The remote's history does not follow from what this clone has seen.
    #[error("the board was rewritten: {new} does not follow from {old}")]
    Rewound {
        /// The head that this clone had confirmed.
        old: String,
        /// The head that the remote has now.
        new: String,
    },
    /// Somebody's checkout is in the way, where the repository has no remote.
    #[error("the checkout in {worktree} is in the way: {reason}")]
    CheckoutInTheWay {
        /// The worktree.
        worktree: String,
        /// Why.
        reason: String,
    },
    /// The board cannot be read.
    #[error(transparent)]
    Board(#[from] BoardFault),
    /// The result would break the rules of the board.
    #[error("the result would break the rules of the board")]
    Invalid(Vec<Violation>),
    /// There is no access to the board, or this clone's own state fails.
    #[error(transparent)]
    Access(AccessFault),
}

/// The truth about an operation.
#[derive(Debug)]
pub enum Outcome<H> {
    /// It is on the board as the remote has it.
    Published(Box<Published<H>>),
    /// What it asked for was already so.
    Unchanged(Unchanged),
    /// It may not happen, judged on a head that the remote has confirmed.
    Refused(Refusal),
    /// An earlier try had been decided already.
    Settled(Decided),
}

/// An operation that is on the board.
#[derive(Debug)]
pub struct Published<H> {
    /// The version that holds it.
    pub head: H,
    /// What it changed.
    pub changes: Changeset,
    /// The files that it wrote and removed.
    pub files: Vec<FileChange>,
    /// How many pushes it took.
    pub pushes: u32,
}

/// What is known of the pushes so far.
#[derive(Debug, Clone)]
struct InFlight<H> {
    from: H,
    to: H,
    files: Vec<FileChange>,
    changes: Changeset,
    reason: String,
}

/// Publishes an operation: returns when the remote has it, or when it is certain that it will not happen.
///
/// # Errors
/// [`Trouble`]. Only after [`Trouble::Undecided`] may the operation still happen.
pub fn publish<S: Shared>(shared: &mut S, operation: &Operation, limit: Duration) -> Result<Outcome<S::Head>, Trouble> {
    // An operation that an earlier process wrote down may have been pushed by it.
    let taken_up = shared.is_open(operation);
    let mut run = Run { shared, operation, limit, pushes: 0, refusals: 0, in_flight: None };
    let outcome = match run.go() {
        Err(trouble) if run.may_still_happen(taken_up, &trouble) => Err(run.undecided(&trouble)),
        outcome => outcome,
    };
    if !matches!(outcome, Err(Trouble::Undecided { .. })) {
        run.shared.note_settled(operation);
    }
    outcome
}

struct Run<'a, S: Shared> {
    shared: &'a mut S,
    operation: &'a Operation,
    limit: Duration,
    pushes: u32,
    refusals: u32,
    /// A push whose outcome the remote has not told. It stays here until the board is seen to have left the version
    /// that the push started from: until then it may still arrive.
    in_flight: Option<InFlight<S::Head>>,
}

impl<S: Shared> Run<'_, S> {
    fn go(&mut self) -> Result<Outcome<S::Head>, Trouble> {
        // A head that was confirmed a moment ago is good enough to build on: the lease catches it if it is not. It
        // is not good enough to say no.
        if let Some(head) = self.shared.recent()
            && let Decision::Applied(changes) = self.shared.decide(&head, self.operation)?
            && let Some(outcome) = self.try_push(&head, *changes)?
        {
            return Ok(outcome);
        }
        loop {
            let head = match self.shared.fetch() {
                Ok(head) => head,
                Err(trouble) => self.wait_out(trouble)?,
            };
            if let Some(outcome) = self.settle_in_flight(&head)? {
                return Ok(outcome);
            }
            if let Some(outcome) = self.on(&head)? {
                return Ok(outcome);
            }
            if self.shared.elapsed() >= self.limit {
                return Err(Trouble::Contended { after: self.limit, pushes: self.pushes });
            }
        }
    }

    /// A remote that cannot be reached is a final answer only while nothing of ours may be on its way.
    fn wait_out(&mut self, trouble: Trouble) -> Result<S::Head, Trouble> {
        if self.in_flight.is_none() || !matches!(trouble, Trouble::Unreachable(_)) {
            return Err(trouble);
        }
        while self.shared.elapsed() < self.limit {
            self.back_off();
            if let Ok(head) = self.shared.fetch() {
                return Ok(head);
            }
        }
        Err(trouble)
    }

    /// Tells whether a push of this operation, by this process or an earlier one, may land after we have given up.
    ///
    /// A board that cannot be decided on, or a result that breaks its rules, is final where nothing of ours is known
    /// to be on its way: a push that is would have been decided on that same version, with the same result.
    fn may_still_happen(&self, taken_up: bool, trouble: &Trouble) -> bool {
        let certain = matches!(trouble, Trouble::Board(_) | Trouble::Invalid(_));
        self.in_flight.is_some() || (taken_up && !certain)
    }

    fn undecided(&self, trouble: &Trouble) -> Trouble {
        let reason = match &self.in_flight {
            Some(flight) => flight.reason.clone(),
            None => trouble.to_string(),
        };
        Trouble::Undecided { id: self.operation.id.to_string(), reason }
    }

    /// Finds out what became of a push whose outcome was not told.
    fn settle_in_flight(&mut self, head: &S::Head) -> Result<Option<Outcome<S::Head>>, Trouble> {
        let Some(flight) = &self.in_flight else { return Ok(None) };
        if *head == flight.from {
            // It may still arrive. Sending the very same version again is sound: whichever of the two comes first
            // moves the ref, and the other finds that it has moved.
            return self.send(flight.clone());
        }
        // The ref has left the value that the push expects, so the push can no longer land: it has, or never will.
        let landed = self.shared.decided(head, self.operation)?.is_some_and(|d| d.refused.is_none());
        let flight = self.in_flight.take().expect("it was looked at a moment ago");
        Ok(landed.then(|| self.published(flight.to, flight.changes, flight.files)))
    }

    /// Decides on a head that the remote has just confirmed, and pushes what comes out.
    fn on(&mut self, head: &S::Head) -> Result<Option<Outcome<S::Head>>, Trouble> {
        match self.shared.decide(head, self.operation)? {
            Decision::Applied(changes) => self.try_push(head, *changes),
            Decision::Unchanged(unchanged) => Ok(Some(Outcome::Unchanged(unchanged))),
            Decision::Refused(refusal) => Ok(Some(Outcome::Refused(refusal))),
            Decision::AlreadyDecided(decided) => Ok(Some(Outcome::Settled(decided))),
        }
    }

    fn try_push(&mut self, head: &S::Head, changes: Changeset) -> Result<Option<Outcome<S::Head>>, Trouble> {
        let built = self.shared.build(head, self.operation, &changes)?;
        if self.pushes == 0 {
            self.shared.note_started(self.operation)?;
        }
        let (from, to, files) = (head.clone(), built.head, built.files);
        self.send(InFlight { from, to, files, changes, reason: String::new() })
    }

    fn send(&mut self, mut flight: InFlight<S::Head>) -> Result<Option<Outcome<S::Head>>, Trouble> {
        self.pushes += 1;
        match self.shared.push(&flight.from, &flight.to) {
            Pushed::Landed => {
                // What landed has landed, whether this clone can write that down or not; a fetch will tell it again.
                let _ = self.shared.confirm(&flight.to);
                Ok(Some(self.published(flight.to, flight.changes, flight.files)))
            }
            // An earlier push of the same version may still be on its way: `in_flight` stays as it is.
            Pushed::Rejected { reason, on_principle } => {
                self.rejected(&flight.from, reason, on_principle)?;
                Ok(None)
            }
            Pushed::InTheWay { worktree, reason } => Err(Trouble::CheckoutInTheWay { worktree, reason }),
            Pushed::Unknown { reason } => {
                flight.reason = reason;
                self.in_flight = Some(flight);
                self.back_off();
                Ok(None)
            }
        }
    }

    fn rejected(&mut self, from: &S::Head, reason: String, on_principle: bool) -> Result<(), Trouble> {
        if !on_principle {
            self.refusals = 0;
            self.back_off();
            return Ok(());
        }
        // The remote's own words do not tell a hook from a lock that is held for a moment; an unmoved board does.
        self.refusals += 1;
        let unmoved = self.shared.fetch().is_ok_and(|head| head == *from);
        if unmoved && self.refusals >= REFUSALS_BEFORE_GIVING_UP {
            return Err(Trouble::RemoteRefuses(reason));
        }
        self.back_off();
        Ok(())
    }

    fn published(&self, head: S::Head, changes: Changeset, files: Vec<FileChange>) -> Outcome<S::Head> {
        Outcome::Published(Box::new(Published { head, changes, files, pushes: self.pushes }))
    }

    /// Waits for a random part of a pause that doubles with every push, so that those who collided once part.
    fn back_off(&mut self) {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.pushes.min(6));
        let pause = doubled.min(PAUSE_MAX).mul_f64(self.shared.chance());
        let left = self.limit.saturating_sub(self.shared.elapsed());
        self.shared.pause(pause.min(left));
    }
}
