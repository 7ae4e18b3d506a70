//! The publish loop's hands: the real board, remote, clock and disk behind [`Shared`].

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::pending::make_private;
use super::publish::{Built, Pushed, Shared, Trouble};
use super::session::Session;
use crate::board::receipt;
use crate::board::render::{RenderFault, files_of};
use crate::board::snapshot::Snapshot;
use crate::board::store::AccessFault;
use crate::board::{FetchFault, Identity, Oid, PushOutcome, RejectedBy};
use crate::model::board::{Board, Changeset, Decided, Decision};
use crate::model::decide::decide;
use crate::model::id::OpId;
use crate::model::operation::Operation;

/// Longest wait for another process of this clone to finish publishing. After that both go on: correctness rests on
/// the lease, the lock only saves wasted pushes.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// How often a busy lock is looked at.
const LOCK_POLL: Duration = Duration::from_millis(5);

/// The real board behind the publish loop.
pub struct Publisher<'a> {
    session: &'a Session,
    founding: bool,
    begun: Instant,
    /// The last version that was decided on: building needs the same files.
    snapshot: Option<(Option<Oid>, Snapshot)>,
    /// Held for as long as this lives; the kernel frees it should the process die.
    _lock: Option<File>,
}

impl<'a> Publisher<'a> {
    /// Waits for its turn among the processes of this clone.
    ///
    /// # Errors
    /// [`Failure`] when this clone's own state cannot be written.
    pub fn new(session: &'a Session, founding: bool) -> Result<Self, Failure> {
        let lock = take_turn(session)?;
        Ok(Self { session, founding, begun: Instant::now(), snapshot: None, _lock: lock })
    }

    fn snapshot(&mut self, head: Option<Oid>, operation: &Operation) -> Result<Snapshot, Trouble> {
        if let Some((known, snapshot)) = &self.snapshot
            && *known == head
        {
            return Ok(snapshot.clone());
        }
        let board = &self.session.board;
        let decided = match head {
            Some(head) => board.decided(head, basis(operation)).map_err(trouble)?,
            None => HashMap::<OpId, Decided>::new(),
        };
        let snapshot = self.session.snapshot(head).map_err(trouble)?.with_decided(decided);
        self.snapshot = Some((head, snapshot.clone()));
        Ok(snapshot)
    }

    /// The committer is who publishes: the person or agent whose git this is.
    fn committer(&self) -> Identity {
        let settings = &self.session.board.settings;
        Identity {
            name: settings.get("user.name").unwrap_or("squad").to_owned(),
            email: settings.get("user.email").unwrap_or("squad@squad.invalid").to_owned(),
            at_ms: self.session.now().0,
        }
    }
}

fn basis(operation: &Operation) -> Option<Oid> {
    operation.basis.head.as_deref().and_then(|head| head.parse().ok())
}

/// The author is who acts, by the roster's address for them.
fn author(operation: &Operation, snapshot: &Snapshot, changes: &Changeset) -> Identity {
    let config = changes.config.as_ref().or_else(|| snapshot.config().ok().flatten());
    let email = config.and_then(|c| c.agent(&operation.actor)).and_then(|a| a.email.clone());
    Identity {
        name: operation.actor.as_str().to_owned(),
        email: email.unwrap_or_else(|| format!("{}@squad.invalid", operation.actor)),
        at_ms: operation.at.0,
    }
}

fn trouble(fault: AccessFault) -> Trouble {
    match fault {
        AccessFault::Fetch(FetchFault::Local(error)) => Trouble::Access(error.into()),
        AccessFault::Fetch(fault) => Trouble::Unreachable(fault.to_string()),
        AccessFault::Rewound(rewound) => {
            Trouble::Rewound { old: rewound.old.to_string(), new: rewound.new.to_string() }
        }
        other => Trouble::Access(other),
    }
}

fn take_turn(session: &Session) -> Result<Option<File>, Failure> {
    let folder = session.board.state_dir();
    let path = folder.join("publish.lock");
    let failed = |what: &'static str| {
        let path = path.clone();
        move |source| AccessFault::State { what, path, source }
    };
    make_private(&folder).map_err(failed("make the folder of"))?;
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed("open the publish lock"))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => {
                session.board.keep_house();
                return Ok(Some(file));
            }
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_POLL),
            Err(TryLockError::WouldBlock) => return Ok(None),
            // A file system without locks: the lease alone decides.
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

impl Shared for Publisher<'_> {
    type Head = Option<Oid>;

    fn recent(&mut self) -> Option<Option<Oid>> {
        if self.founding {
            return None;
        }
        // Only a head that this very command has fetched: with one of an earlier command, a remote that has gone since
        // would make the first push unknown instead of not having happened.
        let fetched = self.session.fetched.take()?;
        // While this process waited for its turn, others of this clone have landed: what they have recorded since was
        // confirmed to them. Building on the older head would be a push for nothing.
        Some(self.session.board.head().ok().flatten().or(Some(fetched)))
    }

    fn fetch(&mut self) -> Result<Option<Oid>, Trouble> {
        let board = &self.session.board;
        if !self.founding {
            return board.fetch(self.session.limits.network).map(Some).map_err(trouble);
        }
        let branch = board.branch().unwrap_or_default();
        board.look(&branch, self.session.limits.network).map_err(trouble)
    }

    fn decide(&mut self, head: &Option<Oid>, operation: &Operation) -> Result<Decision, Trouble> {
        let snapshot = self.snapshot(*head, operation)?;
        Ok(decide(&snapshot, operation)?)
    }

    fn build(
        &mut self,
        head: &Option<Oid>,
        operation: &Operation,
        changes: &Changeset,
    ) -> Result<Built<Option<Oid>>, Trouble> {
        let snapshot = self.snapshot(*head, operation)?;
        let files = files_of(&snapshot, changes).map_err(|fault| match fault {
            RenderFault::Board(fault) => Trouble::Board(fault),
            RenderFault::Invalid(violations) => Trouble::Invalid(violations),
        })?;
        let author = author(operation, &snapshot, changes);
        let message = receipt::message(operation, &changes.receipt);
        let commit = self.session.board.build(*head, &files, &author, &self.committer(), &message).map_err(trouble)?;
        Ok(Built { head: Some(commit), files })
    }

    fn push(&mut self, from: &Option<Oid>, to: &Option<Oid>) -> Pushed {
        let to = to.expect("what is pushed has a commit");
        match self.session.board.push(*from, to, self.session.limits.network) {
            Ok(PushOutcome::Landed) => Pushed::Landed,
            Ok(PushOutcome::Rejected { by, reason }) => {
                Pushed::Rejected { reason, on_principle: by == RejectedBy::Remote }
            }
            Ok(PushOutcome::Blocked { worktree, reason }) => {
                Pushed::InTheWay { worktree: worktree.display().to_string(), reason }
            }
            Ok(PushOutcome::Unknown { reason }) => Pushed::Unknown { reason },
            Err(fault) => Pushed::Unknown { reason: fault.to_string() },
        }
    }

    fn decided(&mut self, head: &Option<Oid>, operation: &Operation) -> Result<Option<Decided>, Trouble> {
        let snapshot = self.snapshot(*head, operation)?;
        Ok(Board::decided(&snapshot, &operation.id)?)
    }

    fn note_started(&mut self, operation: &Operation) -> Result<(), Trouble> {
        let pending = self.session.pending();
        let path = self.session.board.state_dir().join("queue");
        pending
            .add(operation)
            .map_err(|source| Trouble::Access(AccessFault::State { what: "write the queue", path, source }))
    }

    fn is_open(&self, operation: &Operation) -> bool {
        self.session.pending().has(operation.id)
    }

    fn confirm(&mut self, head: &Option<Oid>) -> Result<(), Trouble> {
        match head {
            Some(head) => self.session.board.confirm(*head).map_err(trouble),
            None => Ok(()),
        }
    }

    fn note_settled(&mut self, operation: &Operation) {
        self.session.pending().remove(operation.id);
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn chance(&mut self) -> f64 {
        // Without randomness the pauses are merely alike.
        let bits = getrandom::u64().unwrap_or(1 << 63);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}
