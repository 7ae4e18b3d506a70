//! Reading on when something is in the way: the board as it was last seen, and why it may be out of date.
//!
//! Owns which trouble a reader can live with. Whoever writes gets the failure itself.

use super::failure::Failure;
use super::session::{Session, View};
use crate::board::FetchFault;
use crate::board::store::AccessFault;
use crate::model::board::BoardFault;
use crate::model::code::ErrorCode;

/// Tells whether there is something to show all the same, where this clone has seen the board before.
pub(super) fn can_read_on(fault: &AccessFault) -> bool {
    matches!(fault, AccessFault::Fetch(_) | AccessFault::Rewound(_) | AccessFault::NoBranch { .. })
}

fn in_one_line(failure: &Failure) -> String {
    match &failure.why {
        Some(why) => format!("{}: {why}", failure.message),
        None => failure.message.clone(),
    }
}

impl View {
    /// Says that this is what was last seen, and why there is nothing newer.
    pub(super) fn after(self, fault: AccessFault) -> Self {
        // That nothing was changed is no news to a reader.
        let unreachable = matches!(&fault, AccessFault::Fetch(fault) if !matches!(fault, FetchFault::Local(_)));
        let said = unreachable.then(|| fault.to_string());
        let failure = Failure::from(fault);
        Self { degraded: Some(said.unwrap_or_else(|| in_one_line(&failure))), fault: Some(failure), ..self }
    }

    /// Returns the board only as the remote has it now.
    ///
    /// # Errors
    /// The [`Failure`] that was put aside for reading.
    pub(super) fn or_fault(self) -> Result<Self, Failure> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self),
        }
    }

    /// Refuses to build on what is not the board as the remote has it, unless the remote is merely out of reach.
    ///
    /// # Errors
    /// The [`Failure`] that was put aside for reading.
    pub(super) fn must_be_true(&self) -> Result<(), Failure> {
        match &self.fault {
            Some(fault) if fault.code != ErrorCode::RemoteUnreachable => Err(fault.clone()),
            _ => Ok(()),
        }
    }
}

impl Session {
    /// Returns the view itself, or, where its configuration is broken, the last version before whose was not.
    ///
    /// # Errors
    /// [`Failure`] when the history cannot be read.
    pub(super) fn usable(&self, view: View) -> Result<View, Failure> {
        let Err(fault @ BoardFault::Broken { .. }) = view.snapshot.require_config().map(drop) else { return Ok(view) };
        let Some(head) = self.board.last_usable(view.head)? else { return Ok(view) };
        let failure = Failure::from(fault);
        let degraded = format!("{}; this is the board of commit {}", in_one_line(&failure), head.short());
        Ok(View {
            snapshot: self.snapshot(Some(head))?,
            head,
            degraded: Some(degraded),
            fault: Some(failure),
            is_broken: true,
        })
    }
}
