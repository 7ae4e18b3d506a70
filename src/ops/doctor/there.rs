//! Probes of the remote and of the board that is on it.

use std::collections::BTreeMap;

use super::super::check::check_snapshot;
use super::super::failure::Failure;
use super::super::session::{NETWORK_LIMIT, Session};
use super::Probe;
use super::here::listed;
use crate::board::FetchFault;
use crate::board::probe::Announced;
use crate::board::store::AccessFault;
use crate::model::board::Board;
use crate::model::config::BoardConfig;
use crate::model::outbox::{LARGEST, Outbox};

/// How far in milliseconds the newest commit may lie in the future.
const SKEW: i64 = 5 * 60 * 1000;

/// What came of asking the remote for the board.
pub(super) enum Asked {
    /// It may not be asked.
    Not,
    /// It has the board.
    Answered,
    /// It answers, and something is wrong with the board there.
    NoBoard(Failure),
    /// It does not answer.
    Silent(Failure),
}

pub(super) fn ask(session: &Session) -> Asked {
    if session.options.offline {
        return Asked::Not;
    }
    match session.board.fetch(NETWORK_LIMIT) {
        Ok(_) => Asked::Answered,
        Err(
            fault @ (AccessFault::Rewound(_)
            | AccessFault::NoBranch { .. }
            | AccessFault::NoBoard { .. }
            | AccessFault::WhichRemote { .. }),
        ) => Asked::NoBoard(fault.into()),
        Err(fault) => Asked::Silent(fault.into()),
    }
}

pub(super) fn remote(session: &Session, asked: &Asked) -> Probe {
    let name = session.board.remote_name().unwrap_or("this repository");
    match asked {
        Asked::Not => Probe::skipped("remote", "--offline forbids to ask it"),
        Asked::Answered | Asked::NoBoard(_) => Probe::ok("remote", format!("{name} answers")),
        Asked::Silent(failure) => Probe::of("remote", failure),
    }
}

pub(super) fn board(session: &Session, asked: &Asked) -> Probe {
    if let Asked::NoBoard(failure) = asked {
        return Probe::of("board", failure);
    }
    let head = match session.board.head() {
        Ok(Some(head)) => head,
        Ok(None) => return Probe::skipped("board", "nothing of it has been fetched yet"),
        Err(fault) => return Probe::of("board", &fault.into()),
    };
    let report = match session.snapshot(Some(head)).map_err(Failure::from).and_then(|s| check_snapshot(&s)) {
        Ok(report) => report,
        Err(failure) => return Probe::of("board", &failure),
    };
    let errors: Vec<String> = report.violations.iter().filter(|v| v.is_error()).map(|v| v.file.clone()).collect();
    if !errors.is_empty() {
        let mut files = errors;
        files.dedup();
        return Probe::failed("board", format!("what is wrong is in {}", listed(&files)))
            .fix("`squad check` says what, and how to correct it");
    }
    let branch = session.board.branch().unwrap_or_default();
    Probe::ok("board", format!("{branch} at {}, {} files, nothing wrong", head.short(), report.checked))
}

pub(super) fn identity(session: &Session) -> Probe {
    let head = session.board.head().ok().flatten();
    let Some(snapshot) = head.and_then(|head| session.snapshot(Some(head)).ok()) else {
        return Probe::skipped("identity", "there is no board to ask for its roster");
    };
    let Ok(config) = snapshot.require_config() else {
        return Probe::skipped("identity", "the roster cannot be read");
    };
    match session.actor(config) {
        Ok(agent) => Probe::ok("identity", format!("{} acts, as {}", agent.name, agent.role)),
        Err(failure) => Probe::of("identity", &failure),
    }
}

pub(super) fn outboxes(session: &Session, asked: &Asked) -> Probe {
    match asked {
        Asked::Not => return Probe::skipped("outboxes", "--offline forbids to ask the remote"),
        Asked::Silent(_) => return Probe::skipped("outboxes", "the remote does not answer"),
        Asked::Answered | Asked::NoBoard(_) => {}
    }
    let snapshot = session.board.head().ok().flatten().and_then(|head| session.snapshot(Some(head)).ok());
    let config = snapshot.as_ref().and_then(|snapshot| snapshot.config().ok().flatten());
    let namespace = config.map_or_else(|| "refs/squad".to_owned(), |config| config.refs.namespace.clone());
    let found = match session.board.outboxes(&namespace, LARGEST + SLACK, NETWORK_LIMIT) {
        Ok(found) => found,
        Err(FetchFault::Failed { reason }) => {
            return Probe::failed("outboxes", format!("they cannot be fetched: {reason}")).fix(
                "`git ls-remote` lists them; whoever owns the clone that a ref is named after has to write it anew",
            );
        }
        Err(fault) => return Probe::unavailable("outboxes", fault.to_string()),
    };
    let mut faults: BTreeMap<String, String> = BTreeMap::new();
    let mut waiting = 0;
    for (name, letter) in &found {
        match judge(name, letter, config) {
            Ok(count) => waiting += count,
            Err(fault) => drop(faults.insert(name.clone(), fault)),
        }
    }
    if faults.is_empty() {
        return Probe::ok("outboxes", format!("{} on the remote, {waiting} operations announced", found.len()));
    }
    let told: Vec<String> = faults.iter().map(|(name, fault)| format!("{name}: {fault}")).collect();
    Probe::failed("outboxes", told.join("; "))
        .fix("each is left out until the clone that it is named after writes it anew; a newer squad reads what a newer one wrote")
}

/// What a commit has besides its message: tree, parents, names.
const SLACK: usize = 4096;

/// Returns how many operations an outbox announces, or what is wrong with it.
fn judge(name: &str, letter: &Announced, config: Option<&BoardConfig>) -> Result<usize, String> {
    let text = match letter {
        Announced::NoCommit => return Err("it is no commit".to_owned()),
        Announced::TooLarge { size } => return Err(format!("it has {size} bytes, more than {LARGEST}")),
        Announced::Text(text) => text,
    };
    let outbox = Outbox::parse(text).map_err(|fault| fault.to_string())?;
    if !name.ends_with(&format!("/{}", outbox.clone)) {
        return Err(format!("it says to be that of {}", outbox.clone));
    }
    if let Some(beyond) = &outbox.beyond {
        return Err(format!("operation {} is of a newer squad: {}", beyond.place, beyond.verb));
    }
    let strangers = outbox
        .operations
        .iter()
        .filter(|operation| config.is_some_and(|config| config.agent(&operation.actor).is_none()));
    let strangers: Vec<String> = strangers.map(|operation| operation.actor.to_string()).collect();
    if !strangers.is_empty() {
        return Err(format!("not in the roster: {}", listed(&strangers)));
    }
    Ok(outbox.operations.len())
}

pub(super) fn clock(session: &Session) -> Probe {
    let at = match session.board.head().and_then(|head| head.map(|head| session.board.committed_at(head)).transpose()) {
        Ok(Some(at)) => at,
        Ok(None) => return Probe::skipped("clock", "there is no commit to hold it against"),
        Err(fault) => return Probe::of("clock", &fault.into()),
    };
    let ahead = at.saturating_sub(session.now().0);
    if ahead > SKEW {
        return Probe::warning("clock", format!("the newest commit of the board is {} min in the future", ahead / 60_000))
            .fix("set this machine's clock, or that of whoever made the commit; nothing is decided by it, but times will look odd");
    }
    Probe::ok("clock", "not behind the newest commit of the board")
}
