//! `wake`: asks that an agent be started, at most once however many ask.
//!
//! The request is a value on the remote, which only who finds none may put there. Whoever starts as that agent answers
//! it, and then there may be another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::presence::seen_for;
use super::session::{Freshness, Session};
use crate::board::presence::{Posted, Slot};
use crate::model::code::ErrorCode;
use crate::model::config::Agent;
use crate::model::id::{AgentName, Millis, OpId};
use crate::model::notice;
use crate::model::refusal::Refusal;
use crate::model::vocabulary::AgentKind;

/// A request that an agent be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its id.
    pub id: OpId,
    /// Who is to be started.
    pub agent: AgentName,
    /// Who asks.
    pub by: AgentName,
    /// When, for people.
    pub at: Millis,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the agent has started since.
    #[serde(default)]
    pub answered: bool,
}

/// What came of asking.
#[derive(Debug, Clone, Serialize)]
pub struct Woken {
    /// The request that stands.
    pub request: Request,
    /// Whether it stood there before.
    pub skipped: bool,
    /// What the actor should know though it was no reason to fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Asks that an agent be started.
///
/// # Errors
/// [`Failure`] `not-found` for a name outside the roster; where the remote cannot be asked or takes no such request.
pub fn wake(session: &Session, agent: &AgentName, reason: Option<&str>) -> Result<Woken, Failure> {
    if session.options.offline {
        return Err(Failure::new(ErrorCode::RemoteUnreachable, "cannot wake anybody offline")
            .why("the request stands on the remote, and --offline forbids to ask it")
            .hint("leave --offline out"));
    }
    let view = session.view(Freshness::WithSigns)?.or_fault()?;
    let config = view.config()?;
    let by = session.actor(config)?.name.clone();
    let agent = config.agent(agent).ok_or_else(|| Refusal::NotFound { what: "agent", name: agent.to_string() })?;
    let patience = Duration::from_secs(config.timing.wake_minutes * 60);
    wake_on(session, agent, by, reason, patience)
}

/// The same, after the remote was asked. A request that nobody has answered for longer than `patience` is made anew.
///
/// # Errors
/// As [`wake`].
pub(super) fn wake_on(
    session: &Session,
    agent: &Agent,
    by: AgentName,
    reason: Option<&str>,
    patience: Duration,
) -> Result<Woken, Failure> {
    let mut woken = put_up(session, &agent.name, by, reason, patience)?;
    // A program that is managed looks for its requests; whoever is not must be told by somebody.
    if agent.kind != AgentKind::Managed && !woken.skipped && !session.options.dry_run {
        let request = &woken.request;
        let notice = notice::wake(&request.agent, &request.by, request.at, request.reason.as_deref());
        woken.warnings = session.notify(vec![notice]);
    }
    Ok(woken)
}

fn put_up(
    session: &Session,
    agent: &AgentName,
    by: AgentName,
    reason: Option<&str>,
    patience: Duration,
) -> Result<Woken, Failure> {
    let request = Request {
        id: session.token()?,
        agent: agent.clone(),
        by,
        at: session.now(),
        reason: reason.map(str::to_owned),
        answered: false,
    };
    let board = &session.board;
    // Twice at most: whoever finds that another was faster has nothing left to ask for.
    for _ in 0..2 {
        let standing = board.value_for(Slot::Wake, agent)?;
        let former = standing.as_ref().and_then(|(text, _)| serde_json::from_str::<Request>(text).ok());
        if let (Some(former), Some((_, oid))) = (&former, &standing)
            && !former.answered
            && seen_for(session, &format!("wake {}", agent.folded()), *oid) <= patience
        {
            return Ok(Woken { request: former.clone(), skipped: true, warnings: Vec::new() });
        }
        if session.options.dry_run {
            return Ok(Woken { request, skipped: false, warnings: Vec::new() });
        }
        session.agree_to_push()?;
        let text = serde_json::to_string(&request).expect("a request is JSON");
        let over = standing.map(|(_, oid)| oid);
        match board.put_up(Slot::Wake, agent, &text, over, &session.committer(), session.limits.network)? {
            Posted::Up => return Ok(Woken { request, skipped: false, warnings: Vec::new() }),
            Posted::Another => {}
            Posted::Not(why) => {
                return Err(Failure::new(ErrorCode::RemoteRefused, format!("{agent} could not be asked for"))
                    .why(why)
                    .hint("`squad doctor` says whether the remote takes such refs"));
            }
        }
    }
    Err(Failure::new(ErrorCode::LostRace, format!("{agent} is being asked for by others all the time"))
        .hint("run it again")
        .retryable(true))
}

/// Returns the request that waits for an agent, as the last fetch saw it.
///
/// # Errors
/// [`Failure`] when the private store cannot be read.
pub fn pending(session: &Session, agent: &AgentName) -> Result<Option<Request>, Failure> {
    let standing = session.board.value_for(Slot::Wake, agent)?;
    let request = standing.and_then(|(text, _)| serde_json::from_str::<Request>(&text).ok());
    Ok(request.filter(|request| !request.answered && request.agent == *agent))
}

/// Answers the request that waits for an agent: it has started. One that cannot be answered now is answered another
/// time, or runs out.
///
/// # Errors
/// [`Failure`] when the private store cannot be read.
pub(super) fn acknowledge(session: &Session, agent: &AgentName) -> Result<(), Failure> {
    let Some(request) = pending(session, agent)?.filter(|_| !session.options.offline) else { return Ok(()) };
    let board = &session.board;
    let over = board.value_for(Slot::Wake, agent)?.map(|(_, oid)| oid);
    let text = serde_json::to_string(&Request { answered: true, ..request }).expect("a request is JSON");
    board.put_up(Slot::Wake, agent, &text, over, &session.committer(), session.limits.network)?;
    Ok(())
}
