//! Whose turn it is to publish: one process of a clone leads, and carries the operations of all.
//!
//! Owns the publish lock and the wait for it. Correctness never rests on the lock: the lease of each push decides. It
//! spares the others a fetch and a push each.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::publish::Answer;
use super::queue::make_private;
use super::session::Session;
use crate::board::store::AccessFault;
use crate::model::id::OpId;

/// How often an answer, or a free lock, is looked for.
const POLL: Duration = Duration::from_millis(3);

/// The right to publish for this clone, or, without the lock, for oneself.
#[derive(Debug)]
pub struct Turn {
    /// The lock, which the system takes from a process that dies.
    lock: Option<File>,
    /// What the user should know about how it came to be: that another process was passed over.
    pub warning: Option<String>,
}

impl Turn {
    /// Tells whether another process may publish for this clone at the same time. Then each carries its own operation
    /// only: two that carry one operation could tell two truths about it.
    pub fn is_shared(&self) -> bool {
        self.lock.is_none()
    }

    /// Tells whether the process that was passed over may have this process's operation in hand.
    pub fn may_be_carried(&self) -> bool {
        self.warning.is_some()
    }
}

/// What came first.
#[derive(Debug)]
pub enum Came {
    /// The turn.
    Turn(Turn),
    /// The answer, by whoever led.
    Answer(Answer),
}

impl Turn {
    /// Takes the turn, unless another process has it.
    ///
    /// # Errors
    /// [`Failure`] when this clone's own state cannot be written.
    pub fn take(session: &Session) -> Result<Option<Self>, Failure> {
        let mut file = open(session)?;
        match file.try_lock() {
            Ok(()) => {
                // For whoever waits in vain.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                session.board.keep_house();
                session.queue().sweep();
                Ok(Some(Self { lock: Some(file), warning: None }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            // A file system without locks: the lease alone decides.
            Err(TryLockError::Error(_)) => Ok(Some(Self { lock: None, warning: None })),
        }
    }

    /// Waits for the turn or for the answer to an operation that is in the queue, whichever comes first.
    ///
    /// # Errors
    /// [`Failure`] when this clone's own state cannot be read.
    pub fn wait(session: &Session, id: OpId) -> Result<Came, Failure> {
        Self::wait_unless(session, || session.queue().answer_to(id))
    }

    /// Waits for the turn.
    ///
    /// # Errors
    /// [`Failure`] when this clone's own state cannot be written.
    pub fn wait_for(session: &Session) -> Result<Self, Failure> {
        match Self::wait_unless(session, || None)? {
            Came::Turn(turn) => Ok(turn),
            Came::Answer(_) => unreachable!("BUG: an answer to no question"),
        }
    }

    fn wait_unless(session: &Session, answer: impl Fn() -> Option<Answer>) -> Result<Came, Failure> {
        let begun = Instant::now();
        loop {
            if let Some(answer) = answer() {
                return Ok(Came::Answer(answer));
            }
            if let Some(turn) = Self::take(session)? {
                // It may have been answered between the two looks.
                return Ok(match answer() {
                    Some(answer) => Came::Answer(answer),
                    None => Came::Turn(turn),
                });
            }
            if begun.elapsed() >= session.limits.turn {
                let holder = fs::read_to_string(lock_file(session)).unwrap_or_default();
                let warning = format!(
                    "process {} has held the turn to publish for {} s and was passed over; if it is stopped, end it",
                    holder.trim(),
                    session.limits.turn.as_secs()
                );
                return Ok(Came::Turn(Self { lock: None, warning: Some(warning) }));
            }
            thread::sleep(POLL);
        }
    }
}

fn lock_file(session: &Session) -> std::path::PathBuf {
    session.board.state_dir().join("publish.lock")
}

fn open(session: &Session) -> Result<File, Failure> {
    let path = lock_file(session);
    let failed = |what: &'static str| {
        let path = path.clone();
        move |source| AccessFault::State { what, path, source }
    };
    make_private(&session.board.state_dir()).map_err(failed("make the folder of"))?;
    let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    Ok(opened.map_err(failed("open the publish lock"))?)
}
