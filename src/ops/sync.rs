//! `sync`: fetch the board, let the checkout follow, and settle what is still open.

use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::rewind::{Rewind, accept};
use super::session::{NETWORK_LIMIT, Session};
use crate::board::store::AccessFault;
use crate::board::{Follow, Oid};
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
    let (mut head, rewind) = match session.board.fetch(NETWORK_LIMIT) {
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
    let obstacle = obstacle(session, head)?;
    for operation in session.pending().all() {
        match &obstacle {
            None => synced.settle(session, &operation),
            Some(failure) => synced.provisional.push(unsettled(&operation, failure)),
        }
    }
    if let Some(failure) = obstacle.filter(|_| !synced.provisional.is_empty()) {
        synced.warnings.push(format!("what waits here was left to wait: {}", failure.message));
    }
    head = session.board.head()?.unwrap_or(head);
    let locks = session.snapshot(Some(head))?.locks_path();
    if let Follow::Left { why } = session.board.follow(head, &locks)? {
        synced.warnings.push(format!("your checkout was left as it is: {why}"));
    }
    synced.head = head.to_string();
    Ok(synced)
}

/// Returns why nothing that waits can be published now: on a board that cannot be used each of them would be refused
/// for good, and where the user lets nothing be pushed they wait on.
fn obstacle(session: &Session, head: Oid) -> Result<Option<Failure>, Failure> {
    if session.pending().all().is_empty() {
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

impl Synced {
    fn settle(&mut self, session: &Session, operation: &Operation) {
        match session.publish(operation) {
            Ok(done) => self.published.push(Settled {
                op: operation.id,
                verb: operation.verb(),
                task: operation.task.clone(),
                commit: done.receipt.map(|r| r.commit),
                error: None,
            }),
            Err(failure) => {
                let settled = unsettled(operation, &failure);
                if failure.code == ErrorCode::Undecided {
                    self.provisional.push(settled);
                } else {
                    self.lost.push(settled);
                }
            }
        }
    }
}
