//! The probe that has the hook do its work: a commit that must not be, and what becomes of it.
//!
//! Nothing is committed, staged or written: the hook is handed an index that is not there, which is a commit that takes the
//! whole board away. Of a hook that somebody else has written into, only squad's lines are run.

use std::time::Duration;

use super::Probe;
use crate::board::layout::CONFIG;
use crate::board::repository::{Repository, find_program, notifying_environment};
use crate::ops::failure::Failure;
use crate::ops::hook::{Installed, installed, was_installed};
use crate::ops::session::Session;
use crate::runner::command::{Call, Ran, run_together};

const NAME: &str = "hook-run";

/// Longest time that the hook may take: it lets a commit pass by itself before that.
const LIMIT: Duration = Duration::from_secs(30);

/// The exit code of a refusal.
const REFUSED: i32 = 4;

/// Has the hook that squad put in judge a commit that takes the board away.
pub(super) fn hook(session: &Session) -> Probe {
    tried(session).unwrap_or_else(|failure| Probe::of(NAME, &failure))
}

fn tried(session: &Session) -> Result<Probe, Failure> {
    let repository = Repository::of(&session.board);
    let Some(hook) = installed(&repository)? else {
        return Ok(match was_installed(&repository) {
            true => Probe::skipped(NAME, "git runs no hook that squad has put in"),
            false => Probe::ok(NAME, "squad has put no hook in here, so there is none to try"),
        });
    };
    let nowhere = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Ok(Probe::unavailable(NAME, format!("there is no folder to try it in: {error}"))),
    };
    let index = nowhere.path().join("index");
    let staged = repository.staged_change(Some(&index), false)?;
    let has_board = staged.before.first().is_some_and(|board| board.files().find(CONFIG).is_ok_and(|at| at.is_some()));
    if !has_board {
        return Ok(Probe::skipped(NAME, "there is no board in what is checked out, so it has nothing to refuse"));
    }
    let (program, args) = match hook {
        Installed::Script(file) => (file, Vec::new()),
        Installed::Lines(lines) => match find_program("sh") {
            Some(shell) => (shell, vec!["-c".to_owned(), lines]),
            None => return Ok(Probe::unavailable(NAME, "there is no sh on PATH to run it")),
        },
    };
    let mut env = notifying_environment();
    env.push(("GIT_INDEX_FILE".into(), index.into()));
    let dir = session.board.place.run_dir().to_owned();
    let call = Call { program, args, dir, env, stdin: Vec::new() };
    let ran = match run_together(&[call], LIMIT).map(|mut ran| ran.pop()) {
        Ok(Some(ran)) => ran,
        Ok(None) => return Ok(Probe::unavailable(NAME, "it did not run")),
        Err(error) => return Ok(passes(&format!("it cannot be run: {error}"))),
    };
    Ok(match ran.code {
        Some(REFUSED) => Probe::ok(NAME, "tried: it refuses a commit that takes the board away"),
        Some(0) => passes(&format!("it lets a commit pass that takes the board away{}", said(&ran))),
        Some(code) => passes(&format!("it ends with {code}, and with no verdict{}", said(&ran))),
        None => passes("it was killed"),
    })
}

fn passes(detail: &str) -> Probe {
    Probe::failed(NAME, format!("tried: {detail}"))
        .fix("`squad hook install` with the squad that is to be asked; `squad doctor` tries it again")
}

/// Returns the last thing that a command said.
pub(super) fn said(ran: &Ran) -> String {
    let text = String::from_utf8_lossy(&ran.stderr);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.map(|line| format!(": {}", line.trim().chars().take(200).collect::<String>())).unwrap_or_default()
}
