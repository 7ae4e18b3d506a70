//! `block`: from what was typed to the obstacle that it means.

use std::time::Duration;

use super::failure::Failure;
use super::missing;
use super::session::View;
use crate::model::board::Board;
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, Millis, TaskId};
use crate::model::locks::{Pattern, conflicts};
use crate::model::operation::Action;
use crate::model::task::Block;
use crate::model::vocabulary::BlockKind;

/// What stands in the way, as it was typed.
#[derive(Debug, Clone, Default)]
pub struct Obstacle {
    /// Which sort.
    pub kind: Option<BlockKind>,
    /// Why, for a person.
    pub reason: String,
    /// What is needed.
    pub needs: Vec<String>,
    /// The question.
    pub question: String,
    /// The answers to choose from.
    pub options: Vec<String>,
    /// How long to wait.
    pub retry_after: Option<Duration>,
    /// Tasks to wait for.
    pub on: Vec<TaskId>,
    /// Paths that are held.
    pub paths: Vec<String>,
    /// Who holds them: a task or an agent.
    pub holder: Option<String>,
}

/// Returns the action that blocks a task on an obstacle.
///
/// # Errors
/// [`Failure`] `missing-field` when the kind needs something that was not given.
pub fn action(view: &View, now: Millis, obstacle: Obstacle) -> Result<Action, Failure> {
    let Some(kind) = obstacle.kind else {
        return Err(missing(
            "block",
            "kind",
            "it must be said what stands in the way",
            "add `--kind human|external|dependency|conflict`",
        ));
    };
    let block = match kind {
        BlockKind::Human => {
            Block::Human { needs: obstacle.needs, question: obstacle.question, options: obstacle.options }
        }
        BlockKind::External => {
            let Some(wait) = obstacle.retry_after else {
                return Err(missing(
                    "block",
                    "retryAt",
                    "it must be said when to try again",
                    "add `--retry-after DUR`, for example `--retry-after 15m`",
                ));
            };
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Block::External { retry_at: now.plus_ms(ms), backoff_level: 0 }
        }
        BlockKind::Dependency => Block::Dependency { on: obstacle.on },
        BlockKind::Conflict => {
            let holder = holder(view, obstacle.holder.as_deref(), &obstacle.paths)?;
            Block::Conflict { paths: obstacle.paths, holder }
        }
        BlockKind::Failure => Block::Failure {},
    };
    Ok(Action::Block { reason: obstacle.reason, block })
}

/// Returns the task that holds the paths: the one that was named, the one that the named agent holds them with, or
/// whichever holds them.
fn holder(view: &View, named: Option<&str>, paths: &[String]) -> Result<TaskId, Failure> {
    if let Some(id) = named.and_then(|n| TaskId::new(n).ok())
        && view.snapshot.place(&id)?.is_some()
    {
        return Ok(id);
    }
    let config = view.config()?;
    let agent = named.map(|n| AgentName::new(n).map_err(|bad| Failure::new(ErrorCode::Invalid, bad.to_string())));
    let agent = agent.transpose()?;
    if let Some(agent) = &agent
        && config.agent(agent).is_none()
    {
        return Err(Failure::new(ErrorCode::NotFound, format!("{agent} is neither a task nor an agent"))
            .hint("`squad lock list` shows who holds which paths"));
    }
    let fold = config.locks.ignore_case;
    let mine: Vec<Pattern> = paths.iter().filter_map(|p| Pattern::new(p, fold).ok()).collect();
    let found = conflicts(&mine, None, view.snapshot.live()?.iter().map(|card| &**card), fold);
    let matching = found.into_iter().find(|c| agent.is_none() || c.agent == agent);
    matching.map(|c| c.task).ok_or_else(|| {
        missing(
            "block",
            "holder",
            "no task holds those paths now",
            "name it with `--holder T`; `squad lock list` shows the locks",
        )
    })
}
