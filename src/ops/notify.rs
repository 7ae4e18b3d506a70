//! Telling others what concerns them, by commands that this clone's own git configuration names.
//!
//! Owns when they run and what becomes of a failure: a warning, never more. What is told is data on standard input; no
//! word of the board is part of a command line, and no file that a push can change names a command.

use super::act::Done;
use super::session::Session;
use crate::board::repository::notifying_environment;
use crate::board::snapshot::Snapshot;
use crate::model::board::Board;
use crate::model::notice::{Notice, notice};
use crate::model::operation::Operation;
use crate::runner::tell::{End, Time, tell};

/// The setting that names a command; it may be set more than once.
const KEY: &str = "squad.notify";

/// Returns what an operation that has landed has to tell others.
pub(super) fn notices_of(session: &Session, operation: &Operation, done: &Done, snapshot: &Snapshot) -> Vec<Notice> {
    if commands(session).next().is_none() {
        return Vec::new();
    }
    // Without a roster there is nobody to tell.
    let Ok(Some(config)) = snapshot.config() else { return Vec::new() };
    let receipt = done.receipt.as_ref();
    let before = receipt.and_then(|receipt| receipt.from);
    let commit = receipt.map(|receipt| receipt.commit.clone());
    let found = done.tasks.iter().filter_map(|task| notice(operation, before, task, config));
    found.map(|notice| Notice { commit: commit.clone(), ..notice }).collect()
}

/// Returns the commands. An empty one takes back those before it, as git has it in its own lists.
fn commands(session: &Session) -> impl Iterator<Item = &str> {
    let all = session.board.settings.all(KEY);
    let from = all.iter().rposition(|command| command.trim().is_empty()).map_or(0, |at| at + 1);
    all[from..].iter().map(String::as_str)
}

impl Session {
    /// Tells others, and returns what the actor should know of it. A command that fails is not asked again, and all of
    /// them together have no more than the time of [`super::limits::Limits::notify`].
    pub(super) fn notify(&self, notices: Vec<Notice>) -> Vec<String> {
        let mut warnings = Vec::new();
        if notices.is_empty() || self.options.dry_run {
            return warnings;
        }
        let time = Time::of(self.limits.notify);
        let env = notifying_environment();
        let mut waiting: Vec<&str> = commands(self).collect();
        let total = notices.len();
        for (told, notice) in notices.into_iter().enumerate() {
            let text = serde_json::to_string(&notice).expect("a notice is JSON") + "\n";
            waiting.retain(|command| {
                let how = match tell(command, self.board.place.run_dir(), &env, &text, time) {
                    Ok(End::Well) => return true,
                    Ok(End::TimedOut) => format!("was ended after {} s", self.limits.notify.as_secs()),
                    Ok(End::Badly(code, words)) => {
                        let how = code.map_or("was killed".to_owned(), |code| format!("failed with exit code {code}"));
                        if words.is_empty() { how } else { format!("{how}: {words}") }
                    }
                    Err(error) => format!("could not be started: {error}"),
                };
                let untold = total - told;
                let s = if untold == 1 { "" } else { "s" };
                warnings.push(format!("{untold} notice{s} not delivered: the command of git config {KEY} {how}"));
                false
            });
        }
        warnings
    }
}
