//! `sync`: fetch the board, let the checkout follow, and settle what is still open.

use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::publish::Answer;
use super::publisher::publish_all;
use super::session::Session;
use super::turn::Turn;
use crate::board::Follow;
use crate::model::code::ErrorCode;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::Verb;

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

/// Fetches the board and settles every operation of this clone whose outcome is open.
///
/// # Errors
/// [`Failure`] when the remote cannot be reached.
pub fn sync(session: &Session) -> Result<Synced, Failure> {
    if session.options.offline {
        return Err(Failure::new(ErrorCode::RemoteUnreachable, "cannot sync offline")
            .why("--offline forbids to ask the remote")
            .hint("leave --offline out"));
    }
    let before = session.board.head()?;
    let mut head = session.board.fetch(session.limits.network)?;
    let mut synced = Synced {
        head: String::new(),
        fetched: session.board.commits_between(before, head)?,
        published: Vec::new(),
        lost: Vec::new(),
        provisional: Vec::new(),
        warnings: Vec::new(),
    };
    settle(session, &mut synced)?;
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
    let turn = Turn::wait_for(session)?;
    let led = publish_all(session)?;
    for operation in &waiting {
        let answer = led.answers.iter().find(|(id, _)| *id == operation.id).map(|(_, answer)| answer.clone());
        // Another process may have been faster.
        let answer = answer.or_else(|| session.queue().answer_to(operation.id));
        let mut settled = Settled {
            op: operation.id,
            verb: operation.verb(),
            task: operation.task.clone(),
            commit: None,
            error: None,
        };
        let Some(answer) = answer else {
            synced.provisional.push(settled);
            continue;
        };
        let open = matches!(&answer, Answer::Failed(failure) if failure.code == ErrorCode::Undecided);
        let result = session.done(operation, answer, &[]);
        if !open {
            session.forget_when_told(operation.id);
        }
        match result {
            Ok(done) => {
                settled.commit = done.receipt.map(|r| r.commit);
                synced.published.push(settled);
            }
            Err(failure) => {
                settled.error = Some(json!({"code": failure.code, "message": failure.message}));
                if open { synced.provisional.push(settled) } else { synced.lost.push(settled) }
            }
        }
    }
    synced.warnings.extend(turn.warning);
    Ok(())
}
