//! Probes of the remote and of the board that is on it.

use std::collections::BTreeMap;

use super::super::check::check_snapshot;
use super::super::failure::Failure;
use super::super::session::Session;
use super::super::signing::{Signers, sign};
use super::Probe;
use super::here::listed;
use crate::board::FetchFault;
use crate::board::probe::Announced;
use crate::board::store::AccessFault;
use crate::model::board::Board;
use crate::model::config::BoardConfig;
use crate::model::id::OpId;
use crate::model::operation::{Action, Basis, Operation};
use crate::model::outbox::{self, MAX_BYTES};
use crate::model::vocabulary::{IdentityPolicy, Status};

/// How far in milliseconds the newest commit may lie in the future.
const SKEW: i64 = 5 * 60 * 1000;

/// A day, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

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
    match session.board.fetch(session.limits.network) {
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
    let snapshot = session.board.head().map(|head| head.map(|head| session.snapshot(Some(head))));
    let Ok(Some(Ok(snapshot))) = snapshot else {
        return Probe::skipped("identity", "there is no board to ask for its roster");
    };
    let Ok(config) = snapshot.require_config() else {
        return Probe::skipped("identity", "the roster cannot be read");
    };
    match session.actor(config) {
        Ok(agent) if config.policy.identity == IdentityPolicy::Email && agent.email.is_none() => {
            let detail = format!("the board goes by addresses, and the roster has none for {}", agent.name);
            Probe::failed("identity", detail)
                .fix("let the owner enter it as `email` in squad/squad.json: else no audit can tell who acted")
        }
        Ok(agent) => Probe::ok("identity", format!("{} acts, as {}", agent.name, agent.role)),
        Err(failure) => Probe::of("identity", &failure),
    }
}

/// No task is left alone for ever: each status has an age without news at which somebody should look.
pub(super) fn stale(session: &Session) -> Probe {
    let snapshot = session.board.head().ok().flatten().and_then(|head| session.snapshot(Some(head)).ok());
    let Some(snapshot) = snapshot else { return Probe::skipped("stale", "nothing of the board has been fetched yet") };
    let tasks = match snapshot.live() {
        Ok(tasks) => tasks,
        Err(fault) => return Probe::of("stale", &fault.into()),
    };
    let now = session.now();
    let mut old: Vec<(u64, String)> = Vec::new();
    for task in tasks {
        let age = now.since(task.updated_at);
        if longest_silence(task.status).is_some_and(|longest| age > longest) {
            let told = format!("{} ({}, {} days without news)", task.id, task.status, age / DAY);
            old.push((age, told));
        }
    }
    if old.is_empty() {
        return Probe::ok("stale", "no task has been without news for too long");
    }
    old.sort_by(|a, b| b.cmp(a));
    let names: Vec<String> = old.into_iter().map(|(_, told)| told).collect();
    Probe::warning("stale", listed(&names))
        .fix("`squad show` says who has it: `squad comment` asks, `squad block` or `squad release` tells how it stands")
}

/// Returns the age without news, in milliseconds, at which a task of this status is stale; nothing where it may rest.
const fn longest_silence(status: Status) -> Option<u64> {
    match status {
        Status::InProgress => Some(DAY),
        Status::Ready | Status::Review => Some(3 * DAY),
        Status::Blocked => Some(7 * DAY),
        Status::Backlog => Some(90 * DAY),
        Status::Completed | Status::Archived => None,
    }
}

/// Whether what this clone signs can be verified, where the board asks for signatures: a text is signed and verified.
pub(super) fn signing(session: &Session) -> Probe {
    let snapshot = session.board.head().ok().flatten().and_then(|head| session.snapshot(Some(head)).ok());
    let Some(Ok(config)) = snapshot.as_ref().map(|snapshot| snapshot.require_config()) else {
        return Probe::skipped("signing", "there is no roster to sign for");
    };
    if config.policy.identity != IdentityPolicy::Signature {
        return Probe::ok("signing", "the board asks for no signatures");
    }
    let Ok(actor) = session.actor(config) else { return Probe::skipped("signing", "nobody is known to act") };
    let action = Action::Comment { text: "a text that the doctor signs".to_owned(), also: Vec::new() };
    let (dir, settings) = (session.board.place.run_dir(), &session.board.settings);
    let operation = Operation {
        id: OpId::from_parts(session.now(), [0; 10]),
        action,
        task: None,
        actor: actor.name.clone(),
        basis: Basis::default(),
        at: session.now(),
        signature: None,
    };
    let signed = match sign(operation, config, settings, dir) {
        Ok(signed) => signed,
        Err(failure) => return Probe::of("signing", &failure),
    };
    let Some(signers) = Signers::of(settings) else {
        return Probe::warning(
            "signing",
            format!("{} can sign, and this clone trusts no keys to verify by", actor.name),
        )
        .fix("`git config squad.allowedSigners FILE` names the file of keys");
    };
    match signers.verify(&signed, actor, dir) {
        Ok(()) => Probe::ok("signing", format!("{} signs, and the signature is theirs", actor.name)),
        Err(why) => Probe::failed("signing", why)
            .fix("correct the file that `git config squad.allowedSigners` names, or the key of `squad.signingKey`"),
    }
}

/// Whether the remote lets this clone push, as far as a push that is only tried can tell: no hook is run for it.
pub(super) fn access(session: &Session, asked: &Asked) -> Probe {
    match asked {
        Asked::Not => return Probe::skipped("access", "--offline forbids to ask the remote"),
        Asked::Silent(_) => return Probe::skipped("access", "the remote does not answer"),
        Asked::Answered | Asked::NoBoard(_) => {}
    }
    if session.board.remote_name().is_none() {
        return Probe::ok("access", "this repository is its own remote");
    }
    let Ok(Some(head)) = session.board.head() else {
        return Probe::skipped("access", "nothing of the board has been fetched yet");
    };
    let snapshot = session.snapshot(Some(head)).ok();
    if let Some(config) = snapshot.as_ref().and_then(|snapshot| snapshot.config().ok().flatten()) {
        session.board.set_namespace(&config.refs.namespace);
    }
    match session.board.may_push(head, session.limits.network) {
        Ok(Ok(())) => Probe::ok("access", "the remote takes pushes of this clone, as far as a trial tells"),
        Ok(Err(why)) => Probe::failed("access", format!("the remote takes no push of this clone: {why}")).fix(
            "`git push --dry-run` shows the same; allow this user to write there, or set another address for pushes",
        ),
        Err(fault) => Probe::unavailable("access", fault.to_string()),
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
    let found = match session.board.letters(&namespace, MAX_BYTES + SLACK, session.limits.network) {
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
        Announced::TooLarge { size } => return Err(format!("it has {size} bytes, more than {MAX_BYTES}")),
        Announced::Text(text) => text,
    };
    let outbox = outbox::read(text).map_err(|fault| fault.to_string())?;
    if !name.ends_with(&format!("/{}", outbox.clone)) {
        return Err(format!("it says to be that of {}", outbox.clone));
    }
    if let Some(fault) = &outbox.fault {
        return Err(fault.to_string());
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
