//! `scan`: everything that concerns an agent now, as one value that every surface renders.
//!
//! Writes nothing but the agent's own note of when it last looked.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::failure::Failure;
use super::provisional::Provisional;
use super::session::{Freshness, Session, View};
use crate::board::Oid;
use crate::board::store::write_whole;
use crate::model::card::{Card, calls_to, last_word_to};
use crate::model::config::Agent;
use crate::model::id::{AgentName, Millis, TaskId};
use crate::model::operation::Verb;
use crate::model::query::{self, Mention, Obligation, ScanQuery, Standing, Why};
use crate::model::requirement::is_done;
use crate::model::task::Task;
use crate::model::vocabulary::{Priority, Status};

/// What a scan is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Whether to tell what is new since the last scan.
    pub since_last: bool,
    /// Whether to leave out what touches the world.
    pub safe: bool,
    /// Whether to fetch however fresh the board is.
    pub fresh: bool,
    /// At most so many tasks.
    pub limit: Option<usize>,
}

/// Everything that concerns an agent now.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scanned {
    /// Who asked.
    pub agent: AgentName,
    /// `WORK`, or `HEARTBEAT_OK` where there is nothing to do.
    pub status: &'static str,
    /// Tasks, in the order in which they want attention.
    pub tasks: Vec<Row>,
    /// How many there are, however many are listed.
    pub total: usize,
    /// Unanswered calls, and last words of people.
    pub mentions: Vec<Mention>,
    /// For those who hand out work: blocked for more than a day.
    #[serde(rename = "blockedOver24h")]
    pub blocked_over_24h: Vec<Standing>,
    /// For those who hand out work: nobody has come.
    pub unattended: Vec<Standing>,
    /// Own tasks that are due soon.
    pub obligations: Vec<Obligation>,
    /// What the agent comes back to.
    pub context: Context,
    /// What happened last on the board, newest first; a few lines of `activity`.
    pub activity: Vec<Happened>,
    /// What this clone wants and the remote has not confirmed.
    pub provisional: Vec<Provisional>,
    /// Files that cannot be read as tasks.
    pub invalid: Vec<Invalid>,
    /// The version of the board.
    pub head: String,
    /// Whether the board may be out of date.
    pub degraded: bool,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// One task of a scan.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The id.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// How soon it wants doing, by its file.
    pub priority: Priority,
    /// The same, raised by one when it is due soon.
    pub effective_priority: Priority,
    /// When it was last changed.
    pub updated_at: Millis,
    /// Why it is shown.
    pub why: Vec<Why>,
    /// The agent's own parts of it.
    pub subtasks: Vec<String>,
    /// Whether the agent could work on it now.
    pub runnable: bool,
    /// Whether it has changed since the agent's last scan.
    pub new: bool,
}

/// One thing that happened, in as few words as possible: an agent pays for every one.
#[derive(Debug, Clone, Serialize)]
pub struct Happened {
    /// When.
    pub at: Millis,
    /// What.
    pub verb: Verb,
    /// To which task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// By whom.
    pub actor: AgentName,
}

/// How many of them a scan tells.
const ACTIVITY: usize = 10;

/// A file that cannot be read as a task.
#[derive(Debug, Clone, Serialize)]
pub struct Invalid {
    /// The path.
    pub file: String,
    /// The rule that it breaks.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

/// Returns everything that concerns the acting agent now.
///
/// # Errors
/// [`Failure`] when there is no board, or nobody is named to act.
pub fn scan(session: &Session, asked: Asked) -> Result<Scanned, Failure> {
    let view = session.view_of_member(if asked.fresh { Freshness::Now } else { Freshness::Due })?;
    scan_on(session, &view, asked)
}

/// The same, on a board that was looked at already.
///
/// # Errors
/// As [`scan`].
pub(super) fn scan_on(session: &Session, view: &View, asked: Asked) -> Result<Scanned, Failure> {
    let config = view.config()?;
    let agent: &Agent = session.actor(config)?;
    let now = session.now();
    let live = view.snapshot.all_live()?;
    let known: HashMap<&TaskId, Status> = live.tasks.iter().map(|task| (&task.id, task.status)).collect();
    // What is not among the live tasks may have been put away as done, which only its file tells.
    let has_ended = |id: &TaskId| match known.get(id) {
        Some(status) => *status == Status::Completed,
        None => view.snapshot.glance(id).ok().flatten().is_some_and(|task| is_done(&task)),
    };
    let waits = |task: &Task| !task.depends_on.iter().all(has_ended);
    let calls = |card: &Card| {
        let task = view.snapshot.glance(&card.id).ok().flatten();
        task.map(|task| calls_to(&task, &agent.name)).unwrap_or_default()
    };
    let last_word = |card: &Card| {
        let task = view.snapshot.glance(&card.id).ok().flatten()?;
        last_word_to(&task, &agent.name)
    };
    let query = ScanQuery { agent, config, now, safe: asked.safe, waits: &waits, calls: &calls, last_word: &last_word };
    let found = query::scan(&live.tasks, query);
    let mut last = HeartbeatState::load(session, &agent.name);
    let status = if found.has_work() { "WORK" } else { "HEARTBEAT_OK" };
    let total = found.hits.len();
    let hits = found.hits.iter().take(asked.limit.unwrap_or(usize::MAX));
    let tasks = hits
        .map(|hit| Row {
            id: hit.task.id.clone(),
            title: hit.task.title.clone(),
            status: hit.task.status,
            priority: hit.task.priority,
            effective_priority: hit.effective_priority,
            updated_at: hit.task.updated_at,
            why: hit.why.clone(),
            subtasks: hit.subtasks.iter().map(|s| (*s).to_owned()).collect(),
            runnable: hit.runnable,
            new: last.is_new(hit.task.updated_at),
        })
        .collect();
    let invalid = live.invalid.iter().map(|v| Invalid {
        file: v.file.clone(),
        code: v.code.to_owned(),
        message: v.message.clone(),
    });
    let scanned = Scanned {
        agent: agent.name.clone(),
        status,
        tasks,
        total,
        mentions: found.mentions,
        blocked_over_24h: found.blocked_over_24h,
        unattended: found.unattended,
        obligations: found.obligations,
        context: Context::of(session.board.place.run_dir(), &agent.name, &live.tasks),
        activity: activity(session, view.head)?,
        provisional: session.provisional(),
        invalid: invalid.collect(),
        head: view.head.to_string(),
        degraded: view.degraded.is_some(),
        cause: view.degraded.clone(),
    };
    if asked.since_last && !session.options.dry_run {
        last.note_scan(now, view.head);
        last.save();
    }
    Ok(scanned)
}

fn activity(session: &Session, head: Oid) -> Result<Vec<Happened>, Failure> {
    let mut found = Vec::new();
    // Only what is here: a look around fetches no history.
    session.board.receipts(head, None, |receipt| {
        found.push(Happened { at: receipt.at, verb: receipt.verb, task: receipt.task, actor: receipt.actor });
        found.len() < ACTIVITY
    })?;
    Ok(found)
}

/// When an agent last looked: `memory/heartbeat-state.json` in its worktree, with whatever else stands there.
pub(super) struct HeartbeatState {
    file: Option<PathBuf>,
    state: Map<String, Value>,
    agent: AgentName,
    at: Option<Millis>,
}

impl HeartbeatState {
    pub fn load(session: &Session, agent: &AgentName) -> Self {
        let file = session.board.place.worktree.as_ref().map(|root| root.join("memory").join("heartbeat-state.json"));
        let text = file.as_ref().and_then(|file| fs::read(file).ok());
        let state: Map<String, Value> = text.and_then(|t| serde_json::from_slice(&t).ok()).unwrap_or_default();
        let own = state.get("agents").and_then(|a| a.get(agent.folded())).and_then(|a| a.get("lastBoardScan"));
        let at = own.and_then(Value::as_i64).map(Millis);
        Self { file, state, agent: agent.clone(), at }
    }

    fn is_new(&self, updated: Millis) -> bool {
        self.at.is_none_or(|at| updated > at)
    }

    /// Returns when something was looked at last.
    pub fn checked_at(&self, what: &str) -> Option<Millis> {
        self.state.get("lastChecks")?.get(what)?.as_i64().map(Millis)
    }

    /// Notes that something was looked at.
    pub fn note_check(&mut self, what: &str, now: Millis) {
        let checks = self.state.entry("lastChecks").or_insert_with(|| json!({}));
        if let Value::Object(checks) = checks {
            checks.insert(what.to_owned(), json!(now));
        }
    }

    fn note_scan(&mut self, now: Millis, head: Oid) {
        self.state.insert("lastBoardScan".to_owned(), json!(now));
        self.note_check("tasks", now);
        let agents = self.state.entry("agents").or_insert_with(|| json!({}));
        if let Value::Object(agents) = agents {
            agents.insert(self.agent.folded(), json!({"lastBoardScan": now, "head": head.to_string()}));
        }
    }

    /// Keeps what it does not know. Losing the note costs nothing but that everything looks new.
    pub fn save(self) {
        let Some(file) = self.file else { return };
        let Ok(mut text) = serde_json::to_string_pretty(&Value::Object(self.state)) else { return };
        text.push('\n');
        if file.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok()) {
            let _ = write_whole(&file, text.as_bytes());
        }
    }
}
