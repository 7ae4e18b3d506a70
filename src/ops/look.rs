//! Questions that change nothing: what a task looks like, who is on the roster, what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::evidence::{digest, digest_of};
use super::failure::Failure;
use super::presence::Lookout;
use super::session::{Freshness, Session, View, document};
use crate::board::receipt::{Receipt, is_founding, marks};
use crate::board::snapshot::Snapshot;
use crate::model::board::Board;
use crate::model::card::Card;
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
use crate::model::operation::{RecoverTrigger, Verb};
use crate::model::presence::AgentState;
use crate::model::query::order;
use crate::model::refusal::Refusal;
use crate::model::task::{Evidence, EvidenceBody, Task};
use crate::model::vocabulary::{AgentKind, BlockKind, Cause, Domain, Priority, Role, Status, SubtaskStatus};

/// A task, with what is known around it.
pub struct Shown {
    /// The task.
    pub task: Task,
    /// Its file.
    pub document: Value,
    /// What happened to it, newest first.
    pub receipts: Vec<Receipt>,
    /// Evidence that is no longer what it was.
    pub evidence_faults: Vec<String>,
    /// Why this may be out of date.
    pub degraded: Option<String>,
}

impl Shown {
    /// Returns how far the task has come: subtasks that are complete, of all.
    pub fn progress(&self) -> Value {
        let total = self.task.subtasks.len();
        let done = self.task.subtasks.iter().filter(|s| s.status == SubtaskStatus::Complete).count();
        serde_json::json!({"done": done, "total": total})
    }
}

/// Returns a task as it is, or as it was at a commit.
///
/// # Errors
/// [`Failure`] `not-found`, or `invalid` where its file is broken.
pub fn show(session: &Session, id: &TaskId, at: Option<&str>) -> Result<Shown, Failure> {
    if let Some(revision) = at {
        let snapshot = snapshot_at(session, revision)?;
        let placed = snapshot.task(id)?;
        let found = placed.zip(document(&snapshot, id)?);
        let (placed, document) =
            found.ok_or_else(|| Refusal::NotFound { what: "task", name: format!("{id} at {revision}") })?;
        return Ok(Shown {
            task: placed.task,
            document,
            receipts: Vec::new(),
            evidence_faults: Vec::new(),
            degraded: None,
        });
    }
    let view = session.view_with(Freshness::Due, |view| Ok(view.snapshot.place(id)?.is_some()))?;
    let (task, document, faults) =
        view.snapshot.lenient(id)?.ok_or_else(|| Refusal::NotFound { what: "task", name: id.to_string() })?;
    let receipts =
        receipts(session, view.head, &LogFilter { task: Some(id.clone()), limit: Some(50), ..LogFilter::default() })?;
    let mut evidence_faults = evidence_faults(session, &view.snapshot, &task);
    evidence_faults.extend(faults);
    Ok(Shown { task, document, receipts, evidence_faults, degraded: view.degraded })
}

/// Returns the board at a commit of the board or of the user's repository.
///
/// # Errors
/// [`Failure`] `not-found` when nothing has that name.
pub fn snapshot_at(session: &Session, revision: &str) -> Result<Snapshot, Failure> {
    let Some((source, commit)) = session.board.resolve(revision)? else {
        return Err(Failure::new(ErrorCode::NotFound, format!("no commit {revision}"))
            .hint("`squad log` lists the commits of the board"));
    };
    Ok(session.board.snapshot_of(source, commit)?)
}

/// Returns which evidence of a task is no longer what it was, where that can be seen from here.
///
/// The board's own tree speaks first, for a board that shares its branch with the work; else the worktree.
pub fn evidence_faults(session: &Session, snapshot: &Snapshot, task: &Task) -> Vec<String> {
    // What is not in this tree says nothing: the worktree may stand elsewhere in history.
    let faults = files_of_evidence(session, snapshot, task).filter(|(_, _, _, now)| now.is_some());
    faults.filter_map(told).collect()
}

/// Refuses to confirm work whose proof cannot be looked at: a file that was handed in since the last claim and is not
/// here any more, or is another.
///
/// # Errors
/// [`Failure`] `invalid`, which names them.
pub fn evidence_holds(session: &Session, snapshot: &Snapshot, task: &Task) -> Result<(), Failure> {
    let since = task.last_claim_at();
    let fresh =
        files_of_evidence(session, snapshot, task).filter(|(evidence, ..)| since.is_none_or(|at| evidence.at >= at));
    let faults: Vec<String> = fresh.filter_map(told).collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Invalid, format!("the evidence of {} does not hold; nothing was written", task.id))
        .why(faults.join("; "))
        .hint(format!(
            "check out the work that was handed in; or `squad reject {} --missing M`, or bring other proof with `--evidence`",
            task.id
        ))
        .with("evidenceFaults", faults))
}

/// A piece of evidence that is a file: which, where, its digest then, and its digest now, where the file is here.
type Proof<'a> = (&'a Evidence, &'a str, &'a str, Option<String>);

fn files_of_evidence<'a>(
    session: &'a Session,
    snapshot: &'a Snapshot,
    task: &'a Task,
) -> impl Iterator<Item = Proof<'a>> {
    let now = |path: &str| match snapshot.files().find(path).ok().flatten() {
        Some(entry) => snapshot.files().read(path, &entry).ok().map(|bytes| digest(&bytes)),
        None => {
            let root = session.board.place.worktree.as_deref()?;
            digest_of(root, path).ok().map(|(digest, _)| digest)
        }
    };
    task.evidence.iter().filter_map(move |evidence| match &evidence.what {
        EvidenceBody::File { path, sha256, .. }
        | EvidenceBody::Log { path, sha256, .. }
        | EvidenceBody::Screenshot { path, sha256, .. } => Some((evidence, path.as_str(), sha256.as_str(), now(path))),
        _ => None,
    })
}

fn told((evidence, path, sha256, now): Proof<'_>) -> Option<String> {
    match now {
        None => Some(format!("evidence {}: {path} is not here", evidence.id)),
        Some(now) if now != sha256 => Some(format!("evidence {}: {path} is no longer what it was", evidence.id)),
        Some(_) => None,
    }
}

/// Returns what a piece of evidence is, in a few words.
pub fn describe(evidence: &EvidenceBody) -> String {
    match evidence {
        EvidenceBody::Diff { range, .. } => range.clone(),
        EvidenceBody::Command { argv, .. } => argv.last().cloned().unwrap_or_default(),
        EvidenceBody::Screenshot { path, .. } | EvidenceBody::Log { path, .. } | EvidenceBody::File { path, .. } => {
            path.clone()
        }
        EvidenceBody::Commit { rev, oid } => format!("{rev} ({})", oid.get(..10).unwrap_or(oid)),
        EvidenceBody::Url { url } => url.clone(),
    }
}

/// Which tasks are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only these; none means those that are open.
    pub status: Vec<Status>,
    /// Only this agent's.
    pub assigned: Option<AgentName>,
    /// Only this priority.
    pub priority: Option<Priority>,
    /// Only with this label.
    pub tag: Option<String>,
    /// Only with this text in title or description.
    pub text: Option<String>,
    /// Completed and archived ones as well.
    pub all: bool,
}

/// Returns the tasks that are wanted, in the order of `scan`.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub fn list(view: &View, filter: &Filter) -> Result<Vec<Card>, Failure> {
    let mut tasks: Vec<Card> = view.snapshot.live()?.to_vec();
    if filter.all || filter.status.contains(&Status::Archived) {
        tasks.extend(view.snapshot.all_archived()?.into_iter().map(Card::of));
    }
    let text = filter.text.as_ref().map(|t| t.to_lowercase());
    tasks.retain(|task| {
        let status = match filter.status.as_slice() {
            [] => filter.all || task.status.is_open(),
            some => some.contains(&task.status),
        };
        // A card has no description: the task itself is read where the title does not hold the text.
        let described = |text: &String| {
            let task = view.snapshot.glance(&task.id).ok().flatten();
            task.and_then(|task| task.description).is_some_and(|d| d.to_lowercase().contains(text))
        };
        let holds = |text: &String| task.title.to_lowercase().contains(text) || described(text);
        status
            && filter.assigned.as_ref().is_none_or(|a| task.is_assigned_to(a))
            && filter.priority.is_none_or(|p| task.priority == p)
            && filter.tag.as_ref().is_none_or(|t| task.tags.contains(t))
            && text.as_ref().is_none_or(holds)
    });
    tasks.sort_by(|a, b| order((a, a.priority), (b, b.priority)));
    Ok(tasks)
}

/// Returns the tasks that were completed longer ago than this.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub fn completed_before(view: &View, now: Millis, age: Duration) -> Result<Vec<TaskId>, Failure> {
    let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let old = view.snapshot.live()?.iter().filter(|task| {
        task.status == Status::Completed && now.since(task.completed_at.unwrap_or(task.updated_at)) >= ms
    });
    Ok(old.map(|t| t.id.clone()).collect())
}

/// A member of the roster, with what they hold.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The name.
    pub name: AgentName,
    /// What they may do.
    pub role: Role,
    /// What sort of member.
    pub kind: AgentKind,
    /// Their domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// Their e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether they are there, as far as can be told from here.
    pub state: AgentState,
    /// Until when they have said to be.
    pub ready_until: Option<Millis>,
    /// The tasks that they hold.
    pub claims: Vec<TaskId>,
}

/// Returns the roster, with who is there as this clone can tell. `asked` tells whether the view came with everybody's
/// signs of life ([`Freshness::WithSigns`]): without them nobody is known to be gone.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub fn members(session: &Session, view: &View, asked: bool) -> Result<Vec<Member>, Failure> {
    let asked = asked && view.degraded.is_none() && !session.options.offline;
    let lookout = Lookout::of(session, view, asked)?;
    let held: Vec<&Card> = view.snapshot.live()?.iter().filter(|t| t.status == Status::InProgress).collect();
    let member = |agent: &crate::model::config::Agent| -> Result<Member, Failure> {
        let mine: Vec<&&Card> = held.iter().filter(|t| t.holder() == Some(&agent.name)).collect();
        let (state, ready_until) = lookout.state_of(agent, view)?;
        Ok(Member {
            name: agent.name.clone(),
            role: agent.role,
            kind: agent.kind,
            domain: agent.domain,
            email: agent.email.clone(),
            state,
            ready_until,
            claims: mine.iter().map(|t| t.id.clone()).collect(),
        })
    };
    view.config()?.agents.iter().map(member).collect()
}

/// Which receipts are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Only of this task.
    pub task: Option<TaskId>,
    /// Only by this agent.
    pub agent: Option<AgentName>,
    /// Only failed runs and claims that were taken back.
    pub failed: bool,
    /// Only newer than this.
    pub since: Option<Millis>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl LogFilter {
    /// Tells whether a receipt is wanted.
    pub fn admits(&self, receipt: &Receipt) -> bool {
        let about = |id: &TaskId| receipt.task.as_ref() == Some(id) || receipt.tasks.contains(id);
        self.task.as_ref().is_none_or(about)
            && self.agent.as_ref().is_none_or(|a| receipt.actor == *a)
            && (!self.failed || matches!(receipt.verb, Verb::Fail | Verb::Recover))
            && self.since.is_none_or(|since| receipt.at >= since)
    }
}

/// Returns receipts, newest first.
///
/// # Errors
/// [`Failure`] when the history cannot be read.
pub fn receipts(session: &Session, head: crate::board::Oid, filter: &LogFilter) -> Result<Vec<Receipt>, Failure> {
    let mut found = Vec::new();
    let limit = filter.limit.unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(found);
    }
    let ask = (!session.options.offline && !session.gone.get()).then_some(session.limits.network);
    session.board.receipts(head, ask, |receipt| {
        if filter.admits(&receipt) {
            found.push(receipt);
        }
        found.len() < limit
    })?;
    Ok(found)
}

/// An operation that was refused when others were carried out: the board says so, and not what it wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The operation.
    pub op: OpId,
    /// Why, by its code.
    pub code: String,
    /// The commit that says so.
    pub commit: String,
    /// When the operation was made.
    pub at: Millis,
}

/// Returns the refusals that are on the board, newest first: those of operations which somebody else published, or
/// whose outcome was open.
///
/// # Errors
/// [`Failure`] when the history cannot be read.
pub fn refusals(session: &Session, head: crate::board::Oid, limit: Option<usize>) -> Result<Vec<Refused>, Failure> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut found: Vec<Refused> = Vec::new();
    let ask = (!session.options.offline && !session.gone.get()).then_some(session.limits.network);
    session.board.commits(head, ask, |commit| {
        for (op, code) in marks(&commit.message).refused {
            if found.len() < limit && found.iter().all(|known| known.op != op) {
                found.push(Refused { op, code, commit: commit.oid.to_string(), at: op.time() });
            }
        }
        found.len() < limit && !is_founding(&commit.message)
    })?;
    Ok(found)
}

/// What the history adds up to.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Tasks by status, as the board is now.
    pub counts: BTreeMap<&'static str, usize>,
    /// Tasks completed in the stretch of time.
    pub throughput: usize,
    /// Median milliseconds from making to completion, of those.
    pub lead_time: Option<u64>,
    /// Median milliseconds from the first claim to completion, of those.
    pub cycle_time: Option<u64>,
    /// Completions of all runs that ended, from 0 to 1.
    pub success_rate: Option<f64>,
    /// Runs that failed and are tried again.
    pub retries: usize,
    /// Claims that were taken back from a holder that was gone, and runs whose process a signal has ended.
    pub disconnects: usize,
    /// Tasks that were in progress at the end, by what happened to them.
    pub running: usize,
    /// Runs that failed.
    pub failed: usize,
    /// Those of them that took too long.
    pub timed_out: usize,
    /// How often tasks could not go on, by what was in the way.
    pub blocked: BTreeMap<&'static str, usize>,
    /// How often claims were taken back, by why.
    pub recoveries: BTreeMap<&'static str, usize>,
}

/// Returns what the history adds up to, from receipts alone.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub fn stats(session: &Session, view: &View, since: Option<Millis>) -> Result<Stats, Failure> {
    let mut stats = Stats { counts: counts(view)?, ..Stats::default() };
    stats.blocked = BlockKind::ALL.iter().map(|kind| (kind.as_str(), 0)).collect();
    stats.recoveries = RecoverTrigger::ALL.iter().map(|trigger| (trigger.as_str(), 0)).collect();
    // Everything is read: a task that was completed in the stretch may have been made long before it.
    let mut all = receipts(session, view.head, &LogFilter::default())?;
    all.reverse();
    let mut made: BTreeMap<TaskId, Millis> = BTreeMap::new();
    let mut claimed: BTreeMap<TaskId, Millis> = BTreeMap::new();
    let mut running: BTreeSet<TaskId> = BTreeSet::new();
    let (mut lead, mut cycle): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    for receipt in &all {
        let inside = since.is_none_or(|since| receipt.at >= since);
        for id in receipt.task.iter().chain(&receipt.tasks) {
            match receipt.verb {
                Verb::New => drop(made.insert(id.clone(), receipt.at)),
                Verb::Claim => drop(claimed.entry(id.clone()).or_insert(receipt.at)),
                _ => {}
            }
            if receipt.to == Some(Status::Completed) && receipt.from != receipt.to && inside {
                stats.throughput += 1;
                lead.extend(made.get(id).map(|at| receipt.at.since(*at)));
                cycle.extend(claimed.get(id).map(|at| receipt.at.since(*at)));
            }
        }
        if let (Some(id), Some(to)) = (&receipt.task, receipt.to) {
            if to == Status::InProgress {
                running.insert(id.clone())
            } else {
                running.remove(id)
            };
        }
        if !inside {
            continue;
        }
        let has_failed = receipt.verb == Verb::Fail;
        stats.failed += usize::from(has_failed);
        stats.retries += usize::from(has_failed && receipt.to != Some(Status::Blocked));
        stats.timed_out += usize::from(receipt.cause == Some(Cause::Timeout));
        // Whoever was at work is gone: its agent, or its process by a signal that nobody here has sent for the time.
        let died = receipt.process.as_ref().is_some_and(|process| process.signal.is_some());
        let died = died && receipt.cause != Some(Cause::Timeout);
        stats.disconnects += usize::from(receipt.verb == Verb::Recover || died);
        if let Some(kind) = receipt.block {
            *stats.blocked.entry(kind.as_str()).or_default() += 1;
        }
        if let Some(trigger) = receipt.trigger {
            *stats.recoveries.entry(trigger.as_str()).or_default() += 1;
        }
    }
    stats.running = running.len();
    let ended = stats.throughput + stats.failed;
    stats.success_rate = (ended > 0).then(|| stats.throughput as f64 / ended as f64);
    stats.lead_time = median(lead);
    stats.cycle_time = median(cycle);
    Ok(stats)
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Returns how many tasks have which status. Archived ones are counted by their files.
///
/// # Errors
/// [`Failure`] when the board cannot be read.
pub fn counts(view: &View) -> Result<BTreeMap<&'static str, usize>, Failure> {
    let mut counts: BTreeMap<&'static str, usize> = Status::ALL.iter().map(|s| (s.as_str(), 0)).collect();
    for task in view.snapshot.live()? {
        *counts.entry(task.status.as_str()).or_default() += 1;
    }
    *counts.entry(Status::Archived.as_str()).or_default() += view.snapshot.archived_ids()?.count();
    Ok(counts)
}

/// A task and what it waits for.
#[derive(Debug, Clone, Serialize)]
pub struct Tree {
    /// The task.
    pub id: TaskId,
    /// Where it stands; absent where there is no such task.
    pub status: Option<Status>,
    /// Its fencing number.
    pub epoch: Option<Epoch>,
    /// What it waits for.
    #[serde(rename = "dependsOn")]
    pub depends_on: Vec<Tree>,
}

/// Returns what waits for what: below one task, or for every task that waits for something.
///
/// # Errors
/// [`Failure`] `not-found` when there is no such task.
pub fn dependencies(view: &View, root: Option<&TaskId>) -> Result<Vec<Tree>, Failure> {
    let tasks: BTreeMap<&TaskId, &Card> = view.snapshot.live()?.iter().map(|t| (&t.id, t)).collect();
    let roots: Vec<TaskId> = match root {
        Some(id) => {
            view.task(id)?;
            vec![id.clone()]
        }
        None => tasks.values().filter(|t| !t.depends_on.is_empty()).map(|t| t.id.clone()).collect(),
    };
    roots.iter().map(|id| branch(view, &tasks, id, &mut Vec::new())).collect()
}

fn branch(
    view: &View,
    tasks: &BTreeMap<&TaskId, &Card>,
    id: &TaskId,
    above: &mut Vec<TaskId>,
) -> Result<Tree, Failure> {
    let task = match tasks.get(id) {
        Some(card) => Some((**card).clone()),
        None => view.snapshot.task(id)?.map(|placed| Card::of(placed.task)),
    };
    let mut tree = Tree {
        id: id.clone(),
        status: task.as_ref().map(|t| t.status),
        epoch: task.as_ref().map(|t| t.epoch),
        depends_on: Vec::new(),
    };
    // A circle on a board made by hand ends where it closes.
    if !above.contains(id) {
        above.push(id.clone());
        for on in task.iter().flat_map(|t| &t.depends_on) {
            tree.depends_on.push(branch(view, tasks, on, above)?);
        }
        above.pop();
    }
    Ok(tree)
}
