//! What an edge does to a task.
//!
//! Called only after `transition::authorize` and `requirement::check` have agreed. Sets everything that the
//! system sets by itself: the instants, the history, the participants, the claim and its epoch.

use super::config::{Agent, BoardConfig};
use super::id::{AgentName, Millis};
use super::imported::{ImportedTask, Standing};
use super::operation::{Action, FieldChange, HandIn, Operation, Verb};
use super::requirement::{Findings, gate_passed};
use super::task::{
    Approval, Block, Claim, Completion, CompletionRequest, Evidence, HistoryEntry, LastError, Message, Override,
    Progress, Subtask, Task,
};
use super::transition::{ANSWERED, Edge};
use super::vocabulary::{ArchivedReason, Cause, Gate, Status, SubtaskStatus};

/// Wait before a failed task may be claimed again, doubled with every attempt.
pub const FAIL_BACKOFF_SECONDS: u64 = 60;

/// Highest doubling of a wait: 2^10 times is some ten days for a quarter of an hour.
pub const MAX_BACKOFF_LEVEL: u32 = 10;

/// Longest part of an error that becomes the sentence a person reads, in characters.
const BLOCKED_BY_CHARS: usize = 200;

/// Returns the task after the edge.
pub fn apply(
    task: &Task,
    edge: &Edge,
    operation: &Operation,
    actor: &Agent,
    config: &BoardConfig,
    findings: &Findings,
) -> Task {
    let mut step = Step::new(task.clone(), operation, config);
    if findings.used.is_some() {
        step.task.emergency_override = None;
    }
    step.run(edge, actor, findings);
    step.finish()
}

/// Returns the status that an archived task had before; the backlog where the history does not say.
pub fn former_status(task: &Task) -> Status {
    let former = task.state_history.iter().rev().map(|h| h.state).find(|s| *s != Status::Archived);
    match former {
        Some(Status::InProgress) if task.assigned.is_none() => Status::Backlog,
        Some(status) => status,
        None => Status::Backlog,
    }
}

/// One edge being taken.
struct Step<'a> {
    task: Task,
    operation: &'a Operation,
    config: &'a BoardConfig,
    /// When it happens, never before the task's last change.
    at: Millis,
    /// How many ids this operation has made.
    made: u32,
}

impl<'a> Step<'a> {
    fn new(task: Task, operation: &'a Operation, config: &'a BoardConfig) -> Self {
        let at = operation.at.max(task.updated_at);
        Self { task, operation, config, at, made: 0 }
    }

    fn finish(mut self) -> Task {
        self.task.updated_at = self.at;
        self.task
    }

    fn actor(&self) -> &AgentName {
        &self.operation.actor
    }

    /// Makes an id that every machine makes alike.
    fn id(&mut self, prefix: &str, len: usize) -> String {
        let nth = self.made;
        self.made += 1;
        format!("{prefix}-{}-{}", self.operation.at.0, self.operation.id.suffix(nth, len))
    }

    fn say(&mut self, content: &str) {
        let id = self.id("msg", 6);
        self.task.chat.push(Message {
            id,
            author: self.actor().clone(),
            content: content.to_owned(),
            timestamp: self.at,
        });
    }

    /// Records that something happened in the state that the task is in now.
    fn record(&mut self, reason: Option<&str>) {
        self.task.state_history.push(HistoryEntry {
            state: self.task.status,
            timestamp: self.at,
            actor: self.actor().clone(),
            trigger: Some(self.operation.verb().as_str().to_owned()),
            op: Some(self.operation.id),
            reason: reason.map(str::to_owned),
            completion: None,
        });
        // Whoever takes a whole board over has had no hand in its tasks.
        if self.operation.verb() != Verb::Import {
            self.join_in();
        }
    }

    fn enter(&mut self, status: Status, reason: Option<&str>) {
        self.task.status = status;
        self.record(reason);
    }

    fn join_in(&mut self) {
        if !self.task.participants.contains(self.actor()) {
            let actor = self.actor().clone();
            self.task.participants.push(actor);
        }
    }

    /// For what changes no state: who is in it by another field need not be listed.
    fn join_in_if_new(&mut self) {
        let actor = self.actor();
        let known = self.task.is_assigned_to(actor) || self.task.created_by.as_ref() == Some(actor);
        if !known {
            self.join_in();
        }
    }

    fn begin_claim(&mut self, agent: AgentName) {
        self.task.epoch = self.task.epoch.next();
        self.task.claim = Some(Claim {
            agent: agent.clone(),
            epoch: self.task.epoch,
            at: self.at,
            started_at: None,
            lease_seconds: self.config.timing.lease_seconds,
        });
        // The same name in another spelling stays as it is: it is somebody's own.
        if self.task.assigned.as_ref() != Some(&agent) {
            self.task.assigned = Some(agent);
        }
    }

    /// Gives the task back to whoever it was assigned to, else to the actor.
    fn begin_claim_of_assignee(&mut self) {
        let agent = self.task.assigned.clone().unwrap_or_else(|| self.actor().clone());
        self.begin_claim(agent);
    }

    fn end_claim(&mut self) {
        if self.task.claim.take().is_some() || self.task.status == Status::InProgress {
            self.task.epoch = self.task.epoch.next();
        }
    }

    /// Work of the holder begins with the first sign of it.
    fn begin_work(&mut self) {
        let at = self.at;
        let actor = self.operation.actor.clone();
        if let Some(claim) = self.task.claim.as_mut().filter(|c| c.agent == actor && c.started_at.is_none()) {
            claim.started_at = Some(at);
        }
    }

    fn clear_block(&mut self) {
        self.task.block = None;
        self.task.blocked_by = None;
        self.task.blocked_at = None;
    }

    fn hand_in(&mut self, hand_in: &HandIn) {
        if let Some(deliverable) = &hand_in.deliverable {
            self.task.deliverable = Some(deliverable.clone());
        }
        for what in &hand_in.evidence {
            let id = self.id("ev", 4);
            let evidence =
                Evidence { id, what: what.clone(), by: self.actor().clone(), at: self.at, epoch: self.task.epoch };
            self.task.evidence.push(evidence);
        }
        if let Some(reason) = &hand_in.open_ok {
            self.say(&format!("Open subtasks are left as they are: {reason}"));
        }
        if let Some(summary) = &hand_in.summary {
            self.say(summary);
        }
    }

    fn complete(&mut self, by: AgentName) {
        self.end_claim();
        self.clear_block();
        self.task.completed_by = Some(by);
        self.task.completed_at = Some(self.at);
        self.task.completion_request = None;
        self.task.backoff_level = 0;
        self.task.retry_at = None;
        self.enter(Status::Completed, None);
    }

    fn run(&mut self, edge: &Edge, actor: &Agent, findings: &Findings) {
        let operation = self.operation;
        match &operation.action {
            Action::Claim { plan } => {
                self.begin_claim(actor.name.clone());
                self.task.retry_at = None;
                if let Some(plan) = plan {
                    self.say(plan);
                }
                self.enter(Status::InProgress, None);
            }
            Action::Start {} => {
                self.begin_work();
                self.record(None);
            }
            Action::Block { reason, block } => self.block(reason, block),
            Action::Unblock { comment } => self.unblock(comment, findings),
            Action::Retry {} => {
                self.clear_block();
                self.begin_claim_of_assignee();
                self.enter(Status::InProgress, None);
            }
            Action::Release { note, unassign } => {
                self.end_claim();
                self.say(note);
                if *unassign {
                    self.task.assigned = None;
                }
                self.enter(Status::Backlog, None);
            }
            Action::Submit(hand_in) => {
                self.hand_in(hand_in);
                self.end_claim();
                self.task.submitted_by = Some(actor.name.clone());
                self.task.submitted_at = Some(self.at);
                self.task.approvals.clear();
                self.enter(Status::Review, None);
            }
            Action::Reject { missing } => {
                self.say(&format!("Missing: {}", missing.join("; ")));
                self.task.completion_request = None;
                if edge.id == ANSWERED {
                    self.record(None);
                    return;
                }
                self.task.review_round += 1;
                self.task.approvals.clear();
                self.task.submitted_by = None;
                self.task.submitted_at = None;
                self.begin_claim_of_assignee();
                self.enter(Status::InProgress, None);
            }
            Action::Approve {} => self.approve(actor),
            Action::Complete(hand_in) => {
                self.hand_in(hand_in);
                if edge.id == "T14" { self.verify(None) } else { self.complete(actor.name.clone()) }
            }
            Action::Verify { comment, hand_in } => {
                self.hand_in(hand_in);
                self.verify(comment.as_deref());
            }
            Action::Fail { error, cause, process } => {
                let (message, process) = (error.clone(), process.clone());
                self.fail(LastError { cause: *cause, message, at: self.at, process });
            }
            Action::Restart { reason } => {
                self.clear_block();
                self.task.attempt = 0;
                self.task.retry_at = None;
                self.enter(Status::Backlog, Some(reason));
            }
            Action::Recover { trigger, seen } => {
                self.end_claim();
                self.task.recoveries += 1;
                self.enter(Status::Backlog, Some(&format!("{trigger}: {seen}")));
            }
            Action::Archive { .. } => {
                self.task.archived_reason = Some(ArchivedReason::Done);
                self.enter(Status::Archived, None);
            }
            Action::Cancel { reason } => {
                self.end_claim();
                self.task.completion_request = None;
                self.task.archived_reason = Some(ArchivedReason::Cancelled);
                self.enter(Status::Archived, Some(reason));
            }
            Action::Restore { reason } => self.restore(reason.as_deref()),
            Action::Reopen { reason } => self.reopen(reason),
            Action::RequestComplete { note } => {
                self.task.completion_request =
                    Some(Box::new(CompletionRequest { by: actor.name.clone(), at: self.at, note: note.clone() }));
                self.record(None);
            }
            Action::Override { gate, reason } => {
                self.task.emergency_override = Some(Box::new(Override {
                    authorized_by: actor.name.clone(),
                    gate: Some(*gate),
                    reason: reason.clone(),
                    timestamp: self.at,
                    bypassed_state: None,
                }));
                self.record(Some(reason));
            }
            Action::Import { tasks } => self.import(tasks),
            _ => self.shape(),
        }
    }

    /// Takes the task to where it stood on the board that it comes from. Of an operation with several tasks each is
    /// moved by one that has it alone.
    fn import(&mut self, tasks: &[ImportedTask]) {
        let Some(standing) = tasks.first().and_then(|one| one.stands.as_ref()) else { return };
        let doer = self.task.assigned.clone().unwrap_or_else(|| self.actor().clone());
        match standing {
            Standing::InProgress { started } => {
                self.begin_claim(doer);
                if let Some(claim) = self.task.claim.as_mut().filter(|_| *started) {
                    claim.started_at = Some(self.at);
                }
            }
            Standing::Review { deliverable } => {
                self.task.deliverable.clone_from(deliverable);
                self.task.submitted_by = Some(doer);
                self.task.submitted_at = Some(self.at);
            }
            Standing::Blocked { reason, block, error } => {
                let error = error.clone().map(|message| LastError {
                    cause: Cause::Unknown,
                    message,
                    at: self.at,
                    process: None,
                });
                self.task.last_error = error.map(Box::new);
                return self.block(reason, block);
            }
            Standing::Completed { at, deliverable } => {
                self.task.deliverable.clone_from(deliverable);
                self.task.completed_by = Some(doer);
                self.task.completed_at = Some(at.unwrap_or(self.at).clamp(self.task.created_at, self.at));
            }
            Standing::Archived { reason } => self.task.archived_reason = Some(*reason),
        }
        self.enter(standing.status(), None);
    }

    /// What changes the task without changing its state.
    fn shape(&mut self) {
        let before = self.task.clone();
        self.reshape();
        if self.task == before {
            return;
        }
        let is_work = !matches!(self.operation.verb(), Verb::Assign | Verb::Edit | Verb::DepAdd | Verb::DepRemove);
        if is_work {
            self.begin_work();
        }
        self.join_in_if_new();
    }

    fn reshape(&mut self) {
        let operation = self.operation;
        match &operation.action {
            Action::Comment { text, .. } => self.say(text),
            Action::Progress { step, percent } => {
                self.task.progress =
                    Some(Progress { step: step.clone(), percent: *percent, by: operation.actor.clone(), at: self.at });
            }
            Action::SubtaskAdd { title, assigned } => {
                let id = self.id("sub", 4);
                let (by, at) = (operation.actor.clone(), self.at);
                self.task.subtasks.push(Subtask {
                    id,
                    title: title.clone(),
                    status: SubtaskStatus::Backlog,
                    delegated_by: assigned.as_ref().map(|_| by),
                    delegated_at: assigned.as_ref().map(|_| at),
                    assigned: assigned.clone(),
                    assignee: None,
                });
            }
            Action::SubtaskSet { subtask, status, comment } => {
                if let Some(sub) = self.task.subtasks.iter_mut().find(|s| s.id == *subtask) {
                    sub.status = *status;
                }
                if let Some(comment) = comment {
                    self.say(comment);
                }
            }
            Action::SubtaskAssign { subtask, to } => {
                let (by, at) = (operation.actor.clone(), self.at);
                if let Some(sub) = self.task.subtasks.iter_mut().find(|s| s.id == *subtask) {
                    sub.assigned = Some(to.clone());
                    sub.assignee = None;
                    sub.delegated_by = Some(by);
                    sub.delegated_at = Some(at);
                }
            }
            Action::FilesAdd { paths } => {
                for path in paths {
                    if !self.task.files.contains(path) {
                        self.task.files.push(path.clone());
                    }
                }
            }
            Action::FilesRemove { paths } => self.task.files.retain(|f| !paths.contains(f)),
            Action::DepAdd { on } if self.task.depends_on.contains(on) => {}
            Action::DepAdd { on } => self.task.depends_on.push(on.clone()),
            Action::DepRemove { on } => self.task.depends_on.retain(|d| d != on),
            Action::Assign { to } => self.task.assigned = Some(to.clone()),
            Action::Edit { changes } => changes.iter().for_each(|change| edit(&mut self.task, change)),
            _ => {}
        }
    }

    fn block(&mut self, reason: &str, block: &Block) {
        self.end_claim();
        self.task.blocked_by = Some(reason.to_owned());
        self.task.blocked_at = Some(self.at);
        self.task.block = Some(match block {
            Block::External { retry_at, .. } => {
                let level = self.task.backoff_level.min(MAX_BACKOFF_LEVEL);
                self.task.backoff_level = level + 1;
                let wait = retry_at.since(self.operation.at).saturating_mul(1 << level);
                Block::External { retry_at: self.at.plus_ms(wait), backoff_level: level }
            }
            other => other.clone(),
        });
        self.enter(Status::Blocked, None);
    }

    fn unblock(&mut self, comment: &str, findings: &Findings) {
        self.say(comment);
        if let Some(first) = findings.conflict.first() {
            let paths: Vec<String> = findings.conflict.iter().map(|c| c.path.clone()).collect();
            self.task.blocked_by = Some(format!("{} is held by {}", paths.join(", "), first.task));
            self.task.block = Some(Block::Conflict { paths, holder: first.task.clone() });
            self.record(None);
            return;
        }
        self.clear_block();
        self.begin_claim_of_assignee();
        self.enter(Status::InProgress, None);
    }

    fn approve(&mut self, actor: &Agent) {
        let again = self.task.approvals.iter().any(|a| a.by == actor.name);
        if !again {
            self.task.approvals.push(Approval { by: actor.name.clone(), role: actor.role, at: self.at });
        }
        let lifted = self.task.emergency_override.as_ref().is_some_and(|o| o.gate == Some(Gate::Approval));
        if gate_passed(&self.task, self.config) {
            self.enter(Status::Ready, None);
        } else if lifted {
            self.task.emergency_override = None;
            self.enter(Status::Ready, None);
        } else if !again {
            self.record(None);
        }
    }

    fn verify(&mut self, comment: Option<&str>) {
        if let Some(comment) = comment {
            self.say(comment);
        }
        let did_it = self.task.submitted_by.clone().or_else(|| self.task.assigned.clone());
        let asked = self.task.completion_request.as_ref().map(|r| r.by.clone());
        let by = did_it.or(asked).unwrap_or_else(|| self.actor().clone());
        self.task.verified_by = Some(self.actor().clone());
        self.task.verified_at = Some(self.at);
        self.complete(by);
    }

    fn fail(&mut self, error: LastError) {
        self.end_claim();
        let summary: String = error.message.chars().take(BLOCKED_BY_CHARS).collect();
        self.task.attempt += 1;
        self.task.last_error = Some(Box::new(error));
        if self.task.attempt >= self.config.limits.attempts {
            self.task.blocked_by = Some(summary);
            self.task.blocked_at = Some(self.at);
            self.task.block = Some(Block::Failure {});
            self.enter(Status::Blocked, None);
        } else {
            let level = (self.task.attempt - 1).min(MAX_BACKOFF_LEVEL);
            self.task.retry_at = Some(self.at.plus_seconds(FAIL_BACKOFF_SECONDS << level));
            self.enter(Status::Backlog, None);
        }
    }

    fn restore(&mut self, reason: Option<&str>) {
        let former = former_status(&self.task);
        self.task.archived_reason = None;
        if former == Status::InProgress {
            self.begin_claim_of_assignee();
        } else {
            self.task.epoch = self.task.epoch.next();
        }
        self.enter(former, reason);
    }

    fn reopen(&mut self, reason: &str) {
        let completion = Completion {
            completed_by: self.task.completed_by.take(),
            completed_at: self.task.completed_at.take(),
            verified_by: self.task.verified_by.take(),
            verified_at: self.task.verified_at.take(),
            deliverable: self.task.deliverable.take(),
        };
        self.task.submitted_by = None;
        self.task.submitted_at = None;
        self.task.approvals.clear();
        self.task.epoch = self.task.epoch.next();
        self.enter(Status::Backlog, Some(reason));
        if let Some(entry) = self.task.state_history.last_mut() {
            entry.completion = Some(Box::new(completion));
        }
    }
}

fn edit(task: &mut Task, change: &FieldChange) {
    match change {
        FieldChange::Title { to, .. } => task.title.clone_from(to),
        FieldChange::Description { to, .. } => task.description.clone_from(to),
        FieldChange::Priority { to, .. } => task.priority = *to,
        FieldChange::Category { to, .. } => task.category = *to,
        FieldChange::Due { to, .. } => task.due = *to,
        FieldChange::Position { to, .. } => task.position = *to,
        FieldChange::Tags { add, remove } => {
            task.tags.retain(|t| !remove.contains(t));
            for tag in add {
                if !task.tags.contains(tag) {
                    task.tags.push(tag.clone());
                }
            }
        }
    }
}
