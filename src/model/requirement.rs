//! What an edge needs beyond the right actor, checked against the board.
//!
//! Called by `decide` after `transition::authorize`. Fields come first, then dependencies and limits, then locks:
//! the order of the table's `needs`.

use super::board::{Board, BoardFault};
use super::config::{Agent, BoardConfig};
use super::id::{AgentName, Millis, TaskId};
use super::locks::{Conflict, Pattern, conflicts};
use super::operation::{Action, HandIn, Operation, Verb};
use super::refusal::Refusal;
use super::task::{Block, Task};
use super::time::rfc3339;
use super::transition::{Edge, Need, Permit};
use super::vocabulary::{BlockKind, Gate, LockPolicy, PlanPolicy, ReviewPolicy, Role, Status};

/// Longest text of one step, in bytes: a task's file has room for many of them.
const TEXT_MAX: usize = 64 * 1024;

/// Everything that a requirement may look at.
pub struct Context<'a> {
    /// The board.
    pub board: &'a dyn Board,
    /// Its configuration.
    pub config: &'a BoardConfig,
    /// Who acts.
    pub actor: &'a Agent,
    /// What they do.
    pub operation: &'a Operation,
    /// When: `operation.at`, but never before the task's last change.
    pub at: Millis,
}

/// What the checks found that was no reason to refuse.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// What the actor should know.
    pub warnings: Vec<String>,
    /// The lifted gate that was needed; it is used up.
    pub used: Option<Gate>,
    /// Locks in the way of an unblock, which then stays blocked on them.
    pub conflict: Vec<Conflict>,
}

/// Checks what the edge needs, in order; the first need that is not met refuses.
///
/// # Errors
/// [`BoardFault`] when the board cannot be read; the inner result is the refusal.
pub fn check(task: &Task, permit: Permit, cx: &Context<'_>) -> Result<Result<Findings, Refusal>, BoardFault> {
    let mut findings = Findings::default();
    for need in permit.edge.needs {
        if let Err(refusal) = one(*need, task, permit, cx, &mut findings)? {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(findings))
}

/// A check: the board could not be read, or it refuses, or it passes.
type Checked = Result<Result<(), Refusal>, BoardFault>;

fn one(need: Need, task: &Task, permit: Permit, cx: &Context<'_>, findings: &mut Findings) -> Checked {
    let verb = cx.operation.verb();
    match need {
        Need::Plan => Ok(plan(cx, findings)),
        Need::Text => Ok(text(verb, &cx.operation.action)),
        Need::BlockFields => block_fields(task, cx),
        Need::MissingList => Ok(missing_list(cx)),
        Need::Deliverable => Ok(deliverable(task, cx)),
        Need::Summary => Ok(summary(cx)),
        Need::Evidence => Ok(evidence(task, cx)),
        Need::SubtasksDone => Ok(subtasks_done(task, cx)),
        Need::Request => Ok(request(task, verb)),
        Need::ReviewPassed => Ok(review_passed(task, cx, findings)),
        Need::DependenciesDone => dependencies_done(task, cx, findings),
        Need::RetryDue => Ok(retry_due(task, cx)),
        Need::UnderLimit => under_limit(task, cx, findings),
        Need::AssigneeKnown => Ok(assignee_known(cx)),
        Need::LocksFree => locks_free(task, cx, findings),
        Need::DueForSystem if permit.only_as_system => due_for_system(task, permit, cx),
        Need::DueForSystem => Ok(Ok(())),
    }
}

fn missing(verb: Verb, field: &'static str, why: &str, hint: &str) -> Result<(), Refusal> {
    Err(Refusal::MissingField { verb, field, why: why.to_owned(), hint: hint.to_owned() })
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Tells whether the owner has lifted the gate for the next edge, and notes that it is used up.
fn lifted(task: &Task, gate: Gate, findings: &mut Findings) -> bool {
    let is = task.emergency_override.as_ref().is_some_and(|o| o.gate == Some(gate));
    if is {
        findings.used = Some(gate);
    }
    is
}

fn plan(cx: &Context<'_>, findings: &mut Findings) -> Result<(), Refusal> {
    let Action::Claim { plan } = &cx.operation.action else { return Ok(()) };
    if plan.as_deref().is_some_and(|p| !blank(p)) {
        return Ok(());
    }
    match cx.config.policy.plan {
        PlanPolicy::Required => {
            missing(Verb::Claim, "plan", "this board wants a plan with every claim", "add `--plan TEXT`")
        }
        PlanPolicy::Optional => {
            findings.warnings.push("claimed without a plan; `squad comment` can still say what you mean to do".into());
            Ok(())
        }
    }
}

fn text(verb: Verb, action: &Action) -> Result<(), Refusal> {
    let (given, field, hint) = match action {
        Action::Comment { text, .. } => (text.as_str(), "text", "give the text, or `-` to read it from standard input"),
        Action::Progress { step, percent } => {
            return match (step.as_deref(), percent) {
                (Some(step), _) if blank(step) => missing(verb, "step", "it is blank", "say what is being done"),
                (None, None) => {
                    missing(verb, "step", "there is nothing to record", "give `--step S`, `--pct N` or both")
                }
                (_, Some(percent)) if *percent > 100 => {
                    missing(verb, "percent", "it must be 0 to 100", "give `--pct N` with N from 0 to 100")
                }
                _ => Ok(()),
            };
        }
        Action::SubtaskAdd { title, .. } => (title.as_str(), "title", "give the subtask a title"),
        Action::Block { reason, .. } => (reason.as_str(), "blockedBy", "add `--reason R`: the sentence a person reads"),
        Action::Unblock { comment } => (comment.as_str(), "comment", "add `--comment C`: what has changed"),
        Action::Release { note, .. } => (note.as_str(), "note", "add `--note N`: what the next one should know"),
        Action::Fail { error, .. } => (error.as_str(), "error", "add `--error E`"),
        Action::Cancel { reason }
        | Action::Reopen { reason }
        | Action::Restart { reason }
        | Action::Override { reason, .. } => (reason.as_str(), "reason", "add `--reason R`"),
        Action::Recover { seen, .. } => (seen.as_str(), "seen", "say what was observed"),
        _ => return Ok(()),
    };
    if given.len() > TEXT_MAX {
        return Err(Refusal::Invalid {
            message: format!("{field} is longer than {} KiB", TEXT_MAX / 1024),
            pointer: format!("/args/{field}"),
            hint: "put the text into a file of the repository, and name its path here".to_owned(),
        });
    }
    if blank(given) { missing(verb, field, "it is blank", hint) } else { Ok(()) }
}

fn block_fields(task: &Task, cx: &Context<'_>) -> Checked {
    let Action::Block { block, .. } = &cx.operation.action else { return Ok(Ok(())) };
    let verb = Verb::Block;
    Ok(match block {
        Block::Human { needs, question, options } => {
            if !(1..=3).contains(&needs.len()) || needs.iter().any(|n| blank(n)) {
                missing(
                    verb,
                    "needs",
                    "a person must be told one to three things that are needed",
                    "give `--need N` one to three times",
                )
            } else if blank(question) {
                missing(verb, "question", "a person must be asked one direct question", "add `--question Q`")
            } else if options.len() != 2 || options.iter().any(|o| blank(o)) {
                missing(verb, "options", "the question must offer exactly two answers", "give `--option O` twice")
            } else {
                Ok(())
            }
        }
        Block::External { retry_at, .. } => {
            if *retry_at <= cx.operation.at {
                missing(
                    verb,
                    "retryAt",
                    "it must lie ahead",
                    "add `--retry-after DUR`, for example `--retry-after 15m`",
                )
            } else {
                Ok(())
            }
        }
        Block::Dependency { on } => {
            if on.is_empty() {
                missing(verb, "on", "at least one task must be named", "give `--on T`")
            } else {
                for id in on {
                    if *id == task.id {
                        return Ok(missing(verb, "on", "a task cannot wait for itself", "name another task"));
                    }
                    if cx.board.task(id)?.is_none() {
                        return Ok(Err(Refusal::NotFound { what: "task", name: id.to_string() }));
                    }
                }
                Ok(())
            }
        }
        Block::Conflict { paths, holder } => {
            if paths.is_empty() {
                missing(verb, "paths", "at least one path must be named", "give `--path P`")
            } else if cx.board.task(holder)?.is_none() {
                Err(Refusal::NotFound { what: "task", name: holder.to_string() })
            } else {
                Ok(())
            }
        }
        Block::Failure {} => missing(
            verb,
            "kind",
            "a failure is recorded by `fail`, which counts the attempts",
            "use `squad fail T --error E`, or another kind",
        ),
    })
}

fn missing_list(cx: &Context<'_>) -> Result<(), Refusal> {
    match &cx.operation.action {
        Action::Reject { missing: list } if list.is_empty() || list.iter().any(|m| blank(m)) => missing(
            Verb::Reject,
            "missing",
            "the author must be told what is missing",
            "give `--missing M` at least once",
        ),
        _ => Ok(()),
    }
}

/// Returns what is handed in, if the verb hands anything in.
pub fn hand_in(action: &Action) -> Option<&HandIn> {
    match action {
        Action::Submit(hand_in) | Action::Complete(hand_in) => Some(hand_in),
        Action::Verify { hand_in, .. } => Some(hand_in),
        _ => None,
    }
}

fn deliverable(task: &Task, cx: &Context<'_>) -> Result<(), Refusal> {
    let given = hand_in(&cx.operation.action).and_then(|h| h.deliverable.as_deref());
    if given.or(task.deliverable.as_deref()).is_some_and(|d| !blank(d)) {
        return Ok(());
    }
    missing(
        cx.operation.verb(),
        "deliverable",
        "it must say what came out",
        "add `--deliverable D`: a link or a sentence",
    )
}

fn summary(cx: &Context<'_>) -> Result<(), Refusal> {
    if hand_in(&cx.operation.action).and_then(|h| h.summary.as_deref()).is_some_and(|s| !blank(s)) {
        return Ok(());
    }
    missing(
        cx.operation.verb(),
        "summary",
        "it must say what was done",
        "add `--summary S`: it becomes the last message of the chat",
    )
}

fn evidence(task: &Task, cx: &Context<'_>) -> Result<(), Refusal> {
    let given = hand_in(&cx.operation.action).is_some_and(|h| !h.evidence.is_empty());
    let since = task.last_claim_at();
    let proven = |at: Millis| since.is_none_or(|since| at >= since);
    if given || task.evidence.iter().any(|e| proven(e.at)) {
        Ok(())
    } else {
        Err(Refusal::EvidenceMissing { task: task.id.clone(), since })
    }
}

fn subtasks_done(task: &Task, cx: &Context<'_>) -> Result<(), Refusal> {
    let open: Vec<String> = task.open_subtasks().map(|s| s.id.clone()).collect();
    let excused = hand_in(&cx.operation.action).and_then(|h| h.open_ok.as_deref()).is_some_and(|r| !blank(r));
    if open.is_empty() || excused {
        return Ok(());
    }
    Err(Refusal::DependencyOpen { task: task.id.clone(), verb: cx.operation.verb(), what: "subtask", open })
}

fn request(task: &Task, verb: Verb) -> Result<(), Refusal> {
    if task.completion_request.is_some() {
        return Ok(());
    }
    missing(
        verb,
        "completionRequest",
        "nobody has asked for a verdict on it",
        "whoever did the work says `squad request-complete T` first",
    )
}

fn review_passed(task: &Task, cx: &Context<'_>, findings: &mut Findings) -> Result<(), Refusal> {
    let needed = cx.config.policy.review == ReviewPolicy::Required;
    if !needed || gate_passed(task, cx.config) || lifted(task, Gate::Review, findings) {
        return Ok(());
    }
    Err(Refusal::IllegalTransition {
        task: task.id.clone(),
        from: task.phase(),
        verb: Verb::Complete,
        legal: super::transition::legal_verbs(task.phase()).into_iter().filter(|v| *v != Verb::Complete).collect(),
    })
}

/// Tells whether the approvals on the task satisfy the board's gate.
pub fn gate_passed(task: &Task, config: &BoardConfig) -> bool {
    let gate = &config.policy.gate;
    let counted: Vec<_> = task.approvals.iter().filter(|a| gate.roles.contains(&a.role)).collect();
    let enough = !counted.is_empty() && counted.len() >= gate.approvals as usize;
    let every_role = !gate.every_role || gate.roles.iter().all(|role| counted.iter().any(|a| a.role == *role));
    enough && every_role && hands(task).len() >= gate.min_participants as usize
}

/// Returns who really had a hand in the task: wrote, acted or approved. Being listed is not enough.
fn hands(task: &Task) -> Vec<&AgentName> {
    let mut names: Vec<&AgentName> = task
        .chat
        .iter()
        .map(|m| &m.author)
        .chain(task.state_history.iter().map(|h| &h.actor))
        .chain(task.approvals.iter().map(|a| &a.by))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn dependencies_done(task: &Task, cx: &Context<'_>, findings: &mut Findings) -> Checked {
    let open = open_among(&task.depends_on, cx.board)?;
    if open.is_empty() || lifted(task, Gate::Dependency, findings) {
        return Ok(Ok(()));
    }
    Ok(Err(Refusal::DependencyOpen {
        task: task.id.clone(),
        verb: cx.operation.verb(),
        what: "task",
        open: open.into_iter().map(ToString::to_string).collect(),
    }))
}

/// Returns those tasks that are not completed. A task that was put away as done counts as completed; one that was
/// given up does not, since what it should have brought is not there.
pub fn open_among<'a>(ids: &'a [TaskId], board: &dyn Board) -> Result<Vec<&'a TaskId>, BoardFault> {
    let mut open = Vec::new();
    for id in ids {
        let done = board.task(id)?.is_some_and(|placed| is_done(&placed.task));
        if !done {
            open.push(id);
        }
    }
    Ok(open)
}

/// Tells whether what waits for this task need wait no more: it is completed, or was put away as completed.
pub fn is_done(task: &Task) -> bool {
    match task.status {
        Status::Completed => true,
        Status::Archived => task.completed_at.is_some(),
        _ => false,
    }
}

fn retry_due(task: &Task, cx: &Context<'_>) -> Result<(), Refusal> {
    match task.retry_at {
        Some(due) if due > cx.operation.at => Err(Refusal::LimitReached {
            task: task.id.clone(),
            why: format!("its last run failed; it may be tried again from {}", rfc3339(due)),
            hint: "`squad next` picks another".to_owned(),
            held: Vec::new(),
            retryable: true,
        }),
        _ => Ok(()),
    }
}

fn under_limit(task: &Task, cx: &Context<'_>, findings: &mut Findings) -> Checked {
    let limit = cx.config.limits.claims_per_agent;
    let held: Vec<TaskId> = cx
        .board
        .live()?
        .iter()
        .filter(|other| other.status == Status::InProgress && other.holder() == Some(&cx.actor.name))
        .map(|other| other.id.clone())
        .collect();
    if held.len() < limit as usize || lifted(task, Gate::Limit, findings) {
        return Ok(Ok(()));
    }
    Ok(Err(Refusal::LimitReached {
        task: task.id.clone(),
        why: format!(
            "{} holds {} of {limit}: {}",
            cx.actor.name,
            held.len(),
            held.iter().map(TaskId::as_str).collect::<Vec<_>>().join(", ")
        ),
        hint: "finish or `squad release` one first".to_owned(),
        held,
        retryable: false,
    }))
}

fn assignee_known(cx: &Context<'_>) -> Result<(), Refusal> {
    let named = match &cx.operation.action {
        Action::Assign { to } | Action::SubtaskAssign { to, .. } => Some(to),
        Action::SubtaskAdd { assigned, .. } => assigned.as_ref(),
        _ => None,
    };
    match named {
        Some(name) if cx.config.agent(name).is_none() => {
            Err(Refusal::NotFound { what: "agent", name: name.to_string() })
        }
        _ => Ok(()),
    }
}

fn locks_free(task: &Task, cx: &Context<'_>, findings: &mut Findings) -> Checked {
    let wanted: &[String] = match &cx.operation.action {
        Action::FilesAdd { paths } => paths,
        // What was put away holds its locks again only if it comes back into somebody's hands.
        Action::Restore { .. } if super::apply::former_status(task) != Status::InProgress => &[],
        _ => &task.files,
    };
    if wanted.is_empty() || cx.config.policy.locks == LockPolicy::Off {
        return Ok(Ok(()));
    }
    let fold = cx.config.locks.ignore_case;
    let mut mine = Vec::with_capacity(wanted.len());
    for (i, path) in wanted.iter().enumerate() {
        match Pattern::new(path, fold) {
            Ok(pattern) => mine.push(pattern),
            Err(bad) => {
                return Ok(Err(Refusal::Invalid {
                    message: format!("files: {bad}"),
                    pointer: format!("/files/{i}"),
                    hint: "name paths within the repository, or globs".to_owned(),
                }));
            }
        }
    }
    let found = conflicts(&mine, Some(&task.id), cx.board.live()?.iter().map(|card| &**card), fold);
    let (hard, advisory): (Vec<Conflict>, Vec<Conflict>) =
        found.into_iter().partition(|c| c.mode == super::vocabulary::LockMode::Hard);
    for c in &advisory {
        findings.warnings.push(format!("{} is also named by {}, which is not being worked on now", c.lock, c.task));
    }
    if hard.is_empty() {
        return Ok(Ok(()));
    }
    if cx.config.policy.locks == LockPolicy::Warn {
        for c in &hard {
            findings.warnings.push(format!("{} is held by {}", c.lock, c.task));
        }
        return Ok(Ok(()));
    }
    if lifted(task, Gate::Locks, findings) {
        return Ok(Ok(()));
    }
    if stays_on_locks(task, cx.operation.verb()) {
        findings.conflict = hard;
        return Ok(Ok(()));
    }
    Ok(Err(Refusal::PathLocked { task: task.id.clone(), conflicts: hard }))
}

/// Tells whether a task that locks are in the way of stays blocked on them, and its verb is not refused.
pub fn stays_on_locks(task: &Task, verb: Verb) -> bool {
    verb == Verb::Unblock && task.block_kind() != Some(BlockKind::Conflict)
}

/// Tells whether an edge may use up a lifted gate because of what other tasks are at that moment.
pub fn may_use(edge: &Edge, gate: Gate) -> bool {
    edge.needs.iter().any(|need| match need {
        Need::DependenciesDone => gate == Gate::Dependency,
        Need::UnderLimit => gate == Gate::Limit,
        Need::LocksFree => gate == Gate::Locks,
        _ => false,
    })
}

fn due_for_system(task: &Task, permit: Permit, cx: &Context<'_>) -> Checked {
    let due = match &task.block {
        Some(Block::External { retry_at, .. }) => *retry_at <= cx.operation.at,
        Some(Block::Dependency { on }) => open_among(on, cx.board)?.is_empty(),
        _ => false,
    };
    if due {
        return Ok(Ok(()));
    }
    Ok(Err(Refusal::NotPermitted {
        verb: cx.operation.verb(),
        task: Some(task.id.clone()),
        actor: cx.actor.name.clone(),
        role: cx.actor.role,
        who: permit.edge.who.to_vec(),
    }))
}

/// Tells whether the role may change the roster.
pub const fn may_change_roster(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Chief)
}
