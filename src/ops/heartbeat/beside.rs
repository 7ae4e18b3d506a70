//! Files beside the board that a tick looks at, because this clone's settings name them: what others make every day, and
//! a ledger of commitments.
//!
//! Nothing of a board can name one, nothing is written to them, and none is ever said to have been looked at that was not.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;

use super::super::doctor::State;
use super::super::session::Session;
use crate::model::id::AgentName;

/// A file that somebody else makes: `PATH`, or `PATH 26h`. It may be set more than once.
pub(super) const EXPECTED: &str = "squad.expectFile";

/// The ledger of commitments: one JSON object a line.
const LEDGER: &str = "squad.ledger";

/// How old a file that is made every day may be: a day, and an hour in which the next one is made.
const FRESH_HOURS: u64 = 25;

/// Largest ledger that is read, in bytes: a line is a few hundred.
const MAX_LEDGER: u64 = 4 * 1024 * 1024;

/// Looks whether each file that others make is there and fresh; nothing where none is named.
pub(super) fn expected(session: &Session) -> Option<(State, String)> {
    let named: Vec<&String> =
        session.board.settings.all(EXPECTED).iter().filter(|value| !value.trim().is_empty()).collect();
    if named.is_empty() {
        return None;
    }
    let wrong: Vec<String> = named.iter().filter_map(|value| fault(session, value)).collect();
    Some(match wrong.is_empty() {
        true => (State::Ok, format!("{} there and fresh", named.len())),
        false => (State::Failed, wrong.join("; ")),
    })
}

/// Returns what is wrong with one of them.
fn fault(session: &Session, value: &str) -> Option<String> {
    let (path, hours) = with_hours(value);
    let found = match fs::metadata(place(session, path)) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(format!("{path} is not there")),
        Err(error) => return Some(format!("{path} cannot be looked at: {error}")),
    };
    if found.is_file() && found.len() == 0 {
        return Some(format!("{path} is empty"));
    }
    let made = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let now = Duration::from_millis(u64::try_from(session.now().0).unwrap_or(0));
    let age = now.saturating_sub(made).as_secs() / 3600;
    (age >= hours).then(|| format!("{path} is {age} h old, more than {hours} h"))
}

/// Splits a setting into the path and how many hours old the file may be.
fn with_hours(value: &str) -> (&str, u64) {
    let value = value.trim();
    let split = value.rsplit_once(' ').and_then(|(path, age)| Some((path, age.strip_suffix('h')?.parse().ok()?)));
    split.map_or((value, FRESH_HOURS), |(path, hours)| (path.trim(), hours))
}

fn place(session: &Session, path: &str) -> PathBuf {
    session.board.place.run_dir().join(path)
}

/// A line of a ledger, as far as it is read.
#[derive(Deserialize)]
struct Commitment {
    id: String,
    status: String,
    #[serde(default)]
    owner: Option<String>,
}

/// Counts the open commitments of the ledger, where there is one.
pub(super) fn ledger(session: &Session, agent: &AgentName) -> (State, String) {
    let Some(path) = session.board.settings.get(LEDGER).filter(|path| !path.trim().is_empty()) else {
        return (State::Unavailable, format!("no ledger is named; `git config {LEDGER} FILE` names one"));
    };
    let text = match read(&place(session, path)) {
        Ok(text) => text,
        Err(error) => return (State::Unavailable, format!("{path}: {error}")),
    };
    // The last line about a commitment is how it stands.
    let mut latest: BTreeMap<String, Commitment> = BTreeMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str::<Commitment>(line) {
            Ok(commitment) => latest.insert(commitment.id.clone(), commitment),
            Err(error) => return (State::Failed, format!("{path}, line {}: {error}", at + 1)),
        };
    }
    let open: Vec<_> = latest.values().filter(|one| one.status != "complete").collect();
    let name = agent.folded();
    let own = open.iter().filter(|one| one.owner.as_ref().is_some_and(|owner| owner.to_lowercase() == name)).count();
    (State::Ok, format!("{} of {} commitments open, {own} of them {agent}'s", open.len(), latest.len()))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // A pipe would be read for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no ordinary file"));
    }
    File::open(path)?.take(MAX_LEDGER + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MAX_LEDGER {
        true => Err(std::io::Error::other(format!("it has more than {MAX_LEDGER} bytes"))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_setting_is_an_age_only_where_it_reads_like_one() {
        assert_eq!(with_hours("memory/backlog.md"), ("memory/backlog.md", 25));
        assert_eq!(with_hours(" memory/backlog.md  3h "), ("memory/backlog.md", 3));
        assert_eq!(with_hours("my notes/to do"), ("my notes/to do", 25));
        assert_eq!(with_hours("a 3 h"), ("a 3 h", 25));
    }
}
