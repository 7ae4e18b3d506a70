//! What damage of the board means for a verb that would write.
//!
//! Damage of what a verb touches refuses it by itself. Owns what becomes of damage elsewhere: a warning, or, where it is
//! asked for by `--strict`, a refusal.

use serde_json::json;

use super::check::check_snapshot;
use super::failure::Failure;
use super::session::{Session, View};
use crate::model::code::ErrorCode;
use crate::schema::Violation;

/// Most damaged files that one answer warns of.
const TOLD: usize = 3;

impl Session {
    /// Refuses to build on a board on which anything is damaged, where that was asked for.
    ///
    /// # Errors
    /// [`Failure`] `invalid`, with what is wrong.
    pub(super) fn must_be_whole(&self, view: &View) -> Result<(), Failure> {
        if !self.options.strict {
            return Ok(());
        }
        let mut report = check_snapshot(&view.snapshot)?;
        report.violations.retain(Violation::is_error);
        let Some(first) = report.violations.first() else { return Ok(()) };
        Err(Failure::new(ErrorCode::Invalid, "the board is damaged; nothing was written")
            .why(format!("{}: {}", first.file, first.message))
            .hint("`squad check` lists everything that is wrong; without --strict only damage of what a verb touches stops it")
            .with("violations", json!(report.violations)))
    }
}

impl View {
    /// Returns warnings of damaged tasks that whoever built on this board came across. Nothing is read for them: a verb
    /// that looks at one task alone says nothing of the others.
    pub(super) fn damage(&self) -> Vec<String> {
        let found = self.snapshot.known_damage();
        let mut told: Vec<String> =
            found.iter().take(TOLD).map(|v| format!("{} is damaged: {}", v.file, v.message)).collect();
        if found.len() > TOLD {
            told.push(format!("{} more damaged files; `squad check` lists them", found.len() - TOLD));
        }
        told
    }
}
