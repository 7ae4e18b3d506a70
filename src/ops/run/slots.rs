//! How many commands run at once on this machine, over all clones and agents: whoever runs one holds a slot.
//!
//! A slot is a locked file, and the system takes the lock from a process that dies.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use super::super::queue::make_private;
use super::super::session::Session;
use crate::board::store::AccessFault;
use crate::model::code::ErrorCode;

/// The setting that says how many.
const KEY: &str = "squad.maxRuns";

/// Most that can be asked for.
const MOST: usize = 1000;

/// The slots of this machine.
pub(super) struct Slots {
    folder: PathBuf,
    /// How many there are; nothing where they are not counted.
    count: Option<usize>,
}

/// The right to run one command.
pub(super) struct Slot {
    _lock: Option<File>,
}

impl Slots {
    /// Returns the slots that git's settings ask for. They lie in `folder`, else in this clone's state.
    ///
    /// # Errors
    /// [`Failure`] `invalid` for a value that is no such number.
    pub fn of(session: &Session, folder: Option<&Path>) -> Result<Self, Failure> {
        let count = match session.board.settings.get(KEY) {
            None => None,
            Some(text) => match text.parse() {
                Ok(count @ 1..=MOST) => Some(count),
                _ => {
                    let message = format!("git config {KEY}: {text:?} is no number of runs");
                    let failure = Failure::new(ErrorCode::Invalid, message);
                    return Err(failure
                        .why(format!("a whole number from 1 to {MOST} is one"))
                        .hint(format!("`git config --global {KEY} 4` allows four at once on this machine")));
                }
            },
        };
        let folder = folder.map_or_else(|| session.board.state_dir().join("slots"), Path::to_owned);
        Ok(Self { folder, count })
    }

    /// Takes a slot; nothing where all are taken.
    ///
    /// # Errors
    /// [`Failure`] when the slots cannot be looked at: too many at once is worse than none.
    pub fn take(&self) -> Result<Option<Slot>, Failure> {
        let Some(count) = self.count else { return Ok(Some(Slot { _lock: None })) };
        let failed =
            |what, path: PathBuf| move |source| -> Failure { AccessFault::State { what, path, source }.into() };
        make_private(&self.folder).map_err(failed("make", self.folder.clone()))?;
        for number in 1..=count {
            let path = self.folder.join(format!("run-{number}"));
            let opened = File::options().create(true).truncate(false).write(true).open(&path);
            let lock = opened.map_err(failed("open", path.clone()))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Some(Slot { _lock: Some(lock) })),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
            }
        }
        Ok(None)
    }
}
