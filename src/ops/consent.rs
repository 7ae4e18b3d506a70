//! Whether this clone may push: `git config squad.push auto|ask|never`.
//!
//! Owns the setting. Asking a person is the surface's business, which brings along how.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::failure::Failure;
use super::session::Session;
use crate::model::code::ErrorCode;

/// The setting.
const SETTING: &str = "squad.push";

/// Asks a person; nothing where nobody is there to be asked.
type Ask = dyn Fn(&str) -> Option<bool>;

/// Whether the user agrees to a push, where they are to be asked. Asked once for each command.
#[derive(Clone, Default)]
pub struct Consent {
    /// Whether the command line has said yes.
    pub given: bool,
    ask: Option<Rc<Ask>>,
    answer: Rc<Cell<Option<bool>>>,
}

impl Consent {
    /// Returns a consent that is given already, or asked for.
    pub fn new(given: bool, ask: impl Fn(&str) -> Option<bool> + 'static) -> Self {
        Self { given, ask: Some(Rc::new(ask)), answer: Rc::default() }
    }

    fn asked(&self, question: &str) -> Option<bool> {
        if self.given {
            return Some(true);
        }
        if self.answer.get().is_none() {
            self.answer.set(self.ask.as_ref().and_then(|ask| ask(question)));
        }
        self.answer.get()
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consent").field("given", &self.given).field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl Session {
    /// Makes sure that this command may push, before anything is written; what is only tried needs nobody's leave.
    ///
    /// # Errors
    /// [`Failure`] `not-permitted` where the setting or a person says no, `invalid` where the setting says neither.
    pub fn agree_to_push(&self) -> Result<(), Failure> {
        if self.options.dry_run {
            return Ok(());
        }
        let remote = self.board.remote_name().unwrap_or("this repository");
        match self.board.settings.get(SETTING) {
            None | Some("auto") => Ok(()),
            Some("never") => Err(refused(remote, "git config squad.push is never")
                .hint("`git config squad.push ask` or `auto` allows it; `--dry-run` shows what would be pushed")),
            Some("ask") => {
                match self.options.consent.asked(&format!("push this change of the board to {remote}?")) {
                    Some(true) => Ok(()),
                    Some(false) => Err(refused(remote, "git config squad.push is ask, and the answer was no")
                        .hint("nothing was written")),
                    None => Err(refused(remote, "git config squad.push is ask, and there is no terminal to ask on")
                        .hint("`--yes` says yes beforehand; `git config squad.push auto` never asks")),
                }
            }
            Some(other) => Err(Failure::new(ErrorCode::Invalid, format!("git config {SETTING} cannot be {other:?}"))
                .why("expected one of: auto, ask, never")
                .hint("`git config squad.push auto` is what counts without the setting")
                .with("setting", SETTING)),
        }
    }
}

fn refused(remote: &str, why: &str) -> Failure {
    Failure::new(ErrorCode::NotPermitted, format!("this clone does not push to {remote}; nothing was written"))
        .why(why)
        .with("setting", SETTING)
}
