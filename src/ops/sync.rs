//! `sync`: fetch the board, let the checkout follow, and settle what is still open.

use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::publish::Answer;
use super::publisher::publish_all;
use super::rewind::{Rewind, accept};
use super::session::Session;
use super::turn::Turn;
use crate::board::Follow;
use crate::board::Oid;
use crate::board::store::AccessFault;
use crate::model::code::ErrorCode;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Operation, Verb};

/// What came of a `sync`.
#[derive(Debug, Clone, Serialize)]
pub struct Synced {
    /// The head that the remote confirmed.
    pub head: String,
    /// How many commits were new to this clone.
    pub fetched: usize,
    /// Operations that turned out to be on the board, or were brought there.
    pub published: Vec<Settled>,
    /// Operations that turned out not to happen, with the reason.
    pub lost: Vec<Settled>,
    /// Operations that are still open.
    pub provisional: Vec<Settled>,
    /// The rewind that was accepted, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewind: Option<Rewind>,
    /// What the user should know.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// An operation whose outcome was open.
#[derive(Debug, Clone, Serialize)]
pub struct Settled {
    /// The operation.
    pub op: OpId,
    /// What it does.
    pub verb: Verb,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The commit that carries it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Why it did not happen, or is still open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
}

/// Fetches the board and settles every operation of this clone whose outcome is open. With `accept_rewind` a board that
/// was rewritten is taken as it is now, and this clone's own operations that were lost with the old one are tried again.
///
/// # Errors
/// [`Failure`] when the remote cannot be reached, or the board was rewritten and nobody has accepted that.
pub fn sync(session: &Session, accept_rewind: bool) -> Result<Synced, Failure> {
    if session.options.offline {
        return Err(Failure::new(ErrorCode::RemoteUnreachable, "cannot sync offline")
            .why("--offline forbids to ask the remote")
            .hint("leave --offline out"));
    }
    let before = session.board.head()?;
    let (mut head, rewind) = match session.board.fetch(session.limits.network) {
        Err(AccessFault::Rewound(rewound)) if accept_rewind => (rewound.new, Some(accept(session, &rewound)?)),
        fetched => (fetched?, None),
    };
    let mut synced = Synced {
        head: String::new(),
        fetched: session.board.commits_between(before, head)?,
        published: Vec::new(),
        lost: Vec::new(),
        provisional: Vec::new(),
        rewind,
        warnings: Vec::new(),
    };
    match obstacle(session, head)? {
        None => settle(session, &mut synced)?,
        Some(failure) => {
            let waiting = session.queue().operations();
            synced.provisional.extend(waiting.iter().map(|operation| unsettled(operation, &failure)));
            synced.warnings.push(format!("what waits here was left to wait: {}", failure.message));
        }
    }
    head = session.board.head()?.unwrap_or(head);
    let locks = session.snapshot(Some(head))?.locks_path();
    if let Follow::Left { why } = session.board.follow(head, &locks)? {
        synced.warnings.push(format!("your checkout was left as it is: {why}"));
    }
    synced.head = head.to_string();
    Ok(synced)
}

/// Publishes what is in the queue, and tells what became of each.
fn settle(session: &Session, synced: &mut Synced) -> Result<(), Failure> {
    let waiting = session.queue().operations();
    if waiting.is_empty() {
        return Ok(());
    }
    let mut turn = Turn::wait_for(session)?;
    let mut landed = Vec::new();
    let led = publish_all(session)?;
    for operation in &waiting {
        let mut settled = Settled {
            op: operation.id,
            verb: operation.verb(),
            task: operation.task.clone(),
            commit: None,
            error: None,
        };
        let Some(answer) = session.answer_among(&led, operation.id) else {
            synced.provisional.push(settled);
            continue;
        };
        let open = matches!(&answer, Answer::Failed(failure) if failure.code == ErrorCode::Undecided);
        let result = session.done(operation, answer, &[]);
        if !open {
            session.forget_when_told(operation.id);
        }
        match result {
            Ok(mut done) => {
                settled.commit = done.receipt.take().map(|r| r.commit);
                synced.published.push(settled);
                landed.append(&mut done.notices);
            }
            Err(failure) => {
                settled.error = Some(json!({"code": failure.code, "message": failure.message}));
                if open { synced.provisional.push(settled) } else { synced.lost.push(settled) }
            }
        }
    }
    synced.warnings.extend(turn.warning.take());
    drop(turn);
    synced.warnings.extend(session.notify(landed));
    Ok(())
}

/// Returns why nothing that waits can be published now: on a board that cannot be used each of them would be refused
/// for good, and where the user lets nothing be pushed they wait on.
fn obstacle(session: &Session, head: Oid) -> Result<Option<Failure>, Failure> {
    if session.queue().operations().is_empty() {
        return Ok(None);
    }
    if let Err(fault) = session.snapshot(Some(head))?.require_config() {
        return Ok(Some(fault.into()));
    }
    match session.agree_to_push() {
        Err(failure) if failure.code == ErrorCode::NotPermitted => Ok(Some(failure)),
        agreed => agreed.map(|()| None),
    }
}

fn unsettled(operation: &Operation, failure: &Failure) -> Settled {
    Settled {
        op: operation.id,
        verb: operation.verb(),
        task: operation.task.clone(),
        commit: None,
        error: Some(json!({"code": failure.code, "message": failure.message})),
    }
}
