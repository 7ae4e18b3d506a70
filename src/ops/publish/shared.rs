//! What the publish loop sees of the world, and what it can do to it.
//!
//! The loop knows the board through [`Shared`] alone, so that it runs against a real remote and against a simulated one
//! alike. Nothing here decides anything.

use std::time::Duration;

use super::answer::{Answer, Trouble};
use crate::model::board::{Board, Changeset, Decided};
use crate::model::id::OpId;
use crate::model::operation::Operation;

/// The board as one clone sees it, with the clone's own queue beside it.
pub trait Shared {
    /// A version of the board that the remote has, or may have.
    type Head: Clone + PartialEq + std::fmt::Debug;

    /// A version in the making.
    type Draft: Draft;

    /// Returns the head that this command has fetched, its outboxes after it, and not built on yet.
    fn recent(&mut self) -> Option<Self::Head>;

    /// Asks the remote for the head of the board, and after that for the outboxes.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be reached, or its history does not follow from what was seen before.
    fn fetch(&mut self) -> Result<Self::Head, Trouble>;

    /// Returns the operations of this clone that nobody has decided, in the order in which they were made.
    ///
    /// # Errors
    /// [`Trouble::Access`] when the queue cannot be read.
    fn entries(&mut self) -> Result<Vec<Entry<Self::Head>>, Trouble>;

    /// Returns what other clones have announced, as the last fetch saw it.
    fn announced(&mut self) -> Vec<Announced>;

    /// Returns what the history up to a head tells of an operation.
    ///
    /// # Errors
    /// [`Trouble`] when the history cannot be read.
    fn standing(&mut self, head: &Self::Head, operation: &Operation) -> Result<Standing, Trouble>;

    /// Begins a version on top of a head.
    ///
    /// # Errors
    /// [`Trouble`] when the head cannot be read.
    fn draft(&mut self, head: &Self::Head) -> Result<Self::Draft, Trouble>;

    /// Ends a version; its last commit, an empty one where there is none, bears witness to these refusals.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be stored.
    fn seal(&mut self, draft: Self::Draft, refused: &[(OpId, String)]) -> Result<Sealed<Self::Head>, Trouble>;

    /// Tells whether this clone announces: the remote takes outboxes, and is known to take boards, or others are known
    /// to push at the same time.
    fn announces(&self, contended: bool) -> bool;

    /// Writes down, durably, what the next push may make known to others.
    ///
    /// # Errors
    /// [`Trouble`] when it cannot be written; nothing is pushed then.
    fn remember(&mut self, exposed: &[(OpId, Exposure<Self::Head>)]) -> Result<(), Trouble>;

    /// Moves the remote's board from one head to the next, if it is still at the former, and replaces this clone's
    /// outbox. The two succeed or fail each by itself.
    ///
    /// # Errors
    /// [`Trouble`] where nothing was sent.
    fn push(&mut self, from: &Self::Head, to: &Self::Head, outbox: Option<&[Operation]>) -> Result<Pushed, Trouble>;

    /// Records a head that the remote has confirmed.
    fn confirm(&mut self, head: &Self::Head);

    /// Notes that the remote has refused an outbox on principle: no more is announced there.
    fn outbox_was_refused(&mut self, reason: &str);

    /// Hands an answer to whoever asked, durably, and takes the operation out of the queue.
    fn answer(&mut self, id: OpId, answer: &Answer);

    /// Returns the name of this clone among those who announce.
    fn name(&self) -> String;

    /// Returns how long the loop has been running.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn pause(&mut self, time: Duration);

    /// Returns a random number from 0 up to and without 1.
    fn chance(&mut self) -> f64;
}

/// A version of the board in the making: a line of changes on top of a head.
pub trait Draft {
    /// Returns the board as it is at the end of the line. Operations of the line count as decided.
    fn board(&mut self) -> &dyn Board;

    /// Adds a change to the end of the line; where that fails, the line stays as it is.
    ///
    /// # Errors
    /// [`Trouble::Invalid`] when the result would break the rules of the board.
    fn add(&mut self, operation: &Operation, changes: Changeset) -> Result<(), Trouble>;
}

/// A version that is ready to be pushed.
#[derive(Debug, Clone)]
pub struct Sealed<H> {
    /// The version.
    pub head: H,
    /// Which commit carries out which operation.
    pub commits: Vec<(OpId, String)>,
    /// The last commit, which bears witness to refusals.
    pub last: String,
}

/// One operation of this clone's queue.
#[derive(Debug, Clone)]
pub struct Entry<H> {
    /// The operation.
    pub operation: Operation,
    /// Who may know of it.
    pub exposure: Exposure<H>,
    /// Whether the process that asked for it is gone.
    pub orphan: bool,
}

/// Who, beyond this clone, may know of an operation and carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure<H> {
    /// Nobody.
    None,
    /// A push that has not been answered, from this head: while the board is there, it may still land.
    Sent(H),
    /// Every other clone: it may have stood in an outbox.
    Announced,
}

/// What another clone has announced.
#[derive(Debug, Clone)]
pub struct Announced {
    /// The clone.
    pub clone: String,
    /// Its operations, in its order.
    pub operations: Vec<Operation>,
}

/// What a history tells of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The history from where it was made up to here is known, and does not decide it.
    Open,
    /// It has been decided.
    Decided(Decided),
    /// The history does not hold the head that it was made on.
    Elsewhere,
    /// So much has happened since that nobody looks any more.
    TooOld,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// To the board.
    pub board: Moved,
    /// To the outbox, where there was one.
    pub outbox: Option<Moved>,
}

/// What a push did to one ref, by what the remote said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// It moved.
    Landed,
    /// It did not.
    Rejected {
        /// Why, in the remote's words.
        reason: String,
        /// Whether the remote says so on principle (a hook, a protected branch) and not because the ref had moved.
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
