//! `claim --next`: look for the best task and take it; where somebody is faster, look again.

use super::act::Done;
use super::failure::Failure;
use super::session::{Freshness, Session};
use crate::model::card::Card;
use crate::model::code::ErrorCode;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Action, Basis, Operation};
use crate::model::query::{self, Skipped};

/// How many tasks are tried before the board is called too busy.
const TRIES: u32 = 16;

/// What `next` found.
pub struct Next {
    /// The best task that the agent may claim now.
    pub task: Option<Card>,
    /// Tasks that would have come before it, and why they may not be claimed.
    pub skipped: Vec<Skipped>,
    /// Why the answer may be out of date.
    pub degraded: Option<String>,
}

/// Returns the best task that the agent may claim now.
///
/// # Errors
/// [`Failure`] when the board cannot be read, or nobody is named to act.
pub fn next(session: &Session, freshness: Freshness) -> Result<Next, Failure> {
    next_but(session, freshness, |_| false)
}

/// The same, of the tasks that `leave_out` does not name. It is asked about each that could be the answer, in order.
///
/// # Errors
/// As [`next`].
pub(super) fn next_but(
    session: &Session,
    freshness: Freshness,
    leave_out: impl FnMut(&TaskId) -> bool,
) -> Result<Next, Failure> {
    let view = session.view_of_member(freshness)?;
    let config = view.config()?;
    let actor = session.actor(config)?;
    let probe = Operation {
        id: OpId::from_parts(session.now(), [0; 10]),
        action: Action::Claim { plan: None },
        task: None,
        actor: actor.name.clone(),
        basis: Basis::default(),
        at: session.now(),
        signature: None,
    };
    let (task, skipped) = query::next(&view.snapshot, config, actor, &probe, leave_out)?;
    Ok(Next { task: task.cloned(), skipped, degraded: view.degraded })
}

/// Claims the best task that the agent may take.
///
/// # Errors
/// [`Failure`] `not-found` when there is none.
pub fn claim_next(session: &Session, plan: Option<&str>) -> Result<Done, Failure> {
    let mut freshness = Freshness::Due;
    for _ in 0..TRIES {
        let found = next(session, freshness)?;
        let Some(task) = found.task else {
            if freshness == Freshness::Due && !session.options.offline {
                freshness = Freshness::Now;
                continue;
            }
            return Err(nothing(&found.skipped));
        };
        match session.act(Some(&task.id), &Action::Claim { plan: plan.map(str::to_owned) }) {
            Err(failure) if is_lost(&failure) => freshness = Freshness::Now,
            other => return other,
        }
    }
    Err(Failure::new(ErrorCode::LostRace, "others were faster every time")
        .why(format!("{TRIES} tasks were tried"))
        .hint("run it again")
        .retryable(true))
}

/// Tells whether another task may well be free.
pub(super) fn is_lost(failure: &Failure) -> bool {
    use ErrorCode::{IllegalTransition, LostRace, NotPermitted, PathLocked, StaleEpoch};
    matches!(failure.code, LostRace | StaleEpoch | PathLocked | IllegalTransition | NotPermitted)
}

fn nothing(skipped: &[Skipped]) -> Failure {
    let failure = Failure::new(ErrorCode::NotFound, "there is no task that you may claim now");
    match skipped.first() {
        Some(first) => failure
            .why(format!("the first of {} that are not free: {}", skipped.len(), first.refusal.message()))
            .hint("`squad next -v` says why each is not free"),
        None => failure.hint("`squad scan` shows what else concerns you"),
    }
}
