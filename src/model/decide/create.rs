//! Deciding `new`: tasks that are to be made.
//!
//! Owns what a new task is filled with, and that nothing it refers to is missing.

use std::collections::BTreeMap;

use super::{Decider, arrows, named, refused, tidy_files};
use crate::model::board::{BoardFault, Changeset, Decision, Place, ReceiptFacts, TaskChange};
use crate::model::config::Agent;
use crate::model::graph::cycle_from;
use crate::model::id::{AgentName, Epoch, Millis, TaskId};
use crate::model::operation::{NewTask, Verb};
use crate::model::ordered::IndexMap;
use crate::model::refusal::Refusal;
use crate::model::task::{Block, HistoryEntry, Subtask, Task};
use crate::model::vocabulary::{Priority, Status, SubtaskStatus};

impl Decider<'_> {
    pub(super) fn new_tasks(&self, actor: &Agent, wanted: &[NewTask]) -> Result<Decision, BoardFault> {
        if wanted.is_empty() {
            return Ok(refused(Refusal::MissingField {
                verb: Verb::New,
                field: "tasks",
                why: "there is no task to make".to_owned(),
                hint: "give a title, or `--from` a file with at least one task".to_owned(),
            }));
        }
        let mut made: IndexMap<TaskId, TaskChange> = IndexMap::default();
        let mut folded: BTreeMap<String, TaskId> = BTreeMap::new();
        for (i, new) in wanted.iter().enumerate() {
            let change = match self.new_task(actor, new, i)? {
                Ok(change) => change,
                Err(refusal) => return Ok(refused(refusal)),
            };
            let id = change.task.id.clone();
            let twin = match folded.get(&id.folded()) {
                Some(twin) => Some(twin.clone()),
                None => self.board.twin(&id)?,
            };
            if let Some(twin) = twin {
                return Ok(refused(Refusal::IdTaken { id, twin }));
            }
            folded.insert(id.folded(), id.clone());
            made.insert(id, change);
        }
        if let Some((_, missing)) = self.dangling(&made)?.into_iter().next() {
            return Ok(refused(Refusal::NotFound { what: "task", name: missing.to_string() }));
        }
        if let Some(refusal) = circle(&made)? {
            return Ok(refused(refusal));
        }
        let changes = Changeset {
            receipt: ReceiptFacts {
                tasks: named(made.keys()),
                from: None,
                to: Some(Status::Backlog),
                epoch: Some(Epoch(0)),
            },
            tasks: made.into_values().collect(),
            ..Changeset::default()
        };
        self.finish(changes, false)
    }

    pub(super) fn new_task(
        &self,
        actor: &Agent,
        new: &NewTask,
        i: usize,
    ) -> Result<Result<TaskChange, Refusal>, BoardFault> {
        let operation = self.operation;
        if new.title.trim().is_empty() {
            return Ok(Err(Refusal::MissingField {
                verb: Verb::New,
                field: "title",
                why: "a task needs one line that says what is to be done".to_owned(),
                hint: "give the title as the first argument".to_owned(),
            }));
        }
        let id = match operation.id_of_new(i, new) {
            Ok(id) => id,
            Err(bad) => {
                return Ok(Err(Refusal::Invalid {
                    message: bad.to_string(),
                    pointer: format!("/args/tasks/{i}/id"),
                    hint: "leave the id out to get one".to_owned(),
                }));
            }
        };
        let members =
            new.assigned.iter().chain(&new.participants).chain(new.subtasks.iter().filter_map(|s| s.assigned.as_ref()));
        for name in members {
            if self.config.agent(name).is_none() {
                return Ok(Err(Refusal::NotFound { what: "agent", name: name.to_string() }));
            }
        }
        let files = match tidy_files(&new.files, &format!("/args/tasks/{i}/files"), self.config.locks.ignore_case) {
            Ok(files) => files,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let at = operation.at;
        let mut task = blank_task(id, new.title.clone(), at);
        task.description.clone_from(&new.description);
        task.priority = new.priority.unwrap_or(Priority::Medium);
        task.assigned = new.assigned.as_ref().map(lower);
        task.category = new.category;
        task.tags.clone_from(&new.tags);
        task.participants = new.participants.iter().map(lower).collect();
        task.parent.clone_from(&new.parent);
        task.depends_on.clone_from(&new.depends_on);
        task.files = files;
        task.due = new.due;
        task.acceptance.clone_from(&new.acceptance);
        task.effects.clone_from(&new.effects);
        task.position = new.position;
        task.source.clone_from(&new.source);
        task.created_by = Some(actor.name.clone());
        for (n, sub) in new.subtasks.iter().enumerate() {
            let nth = u32::try_from(n).unwrap_or(u32::MAX);
            task.subtasks.push(Subtask {
                id: format!("sub-{}-{}", at.0, operation.id.suffix(nth, 4)),
                title: sub.title.clone(),
                status: SubtaskStatus::Backlog,
                assigned: sub.assigned.as_ref().map(lower),
                assignee: None,
                delegated_by: sub.assigned.as_ref().map(|_| actor.name.clone()),
                delegated_at: sub.assigned.as_ref().map(|_| at),
            });
        }
        task.state_history.push(HistoryEntry {
            state: Status::Backlog,
            timestamp: at,
            actor: actor.name.clone(),
            trigger: Some(Verb::New.as_str().to_owned()),
            op: Some(operation.id),
            reason: None,
            completion: None,
        });
        Ok(Ok(TaskChange { before: None, after: Place::Live, task, extra: new.extra.clone() }))
    }

    /// Returns which new task names which other that is neither on the board nor among them.
    pub(super) fn dangling(&self, made: &IndexMap<TaskId, TaskChange>) -> Result<Vec<(TaskId, TaskId)>, BoardFault> {
        let mut dangling = Vec::new();
        for (by, change) in made {
            let block: &[TaskId] = match &change.task.block {
                Some(Block::Dependency { on }) => on,
                Some(Block::Conflict { holder, .. }) => std::slice::from_ref(holder),
                _ => &[],
            };
            for id in change.task.parent.iter().chain(&change.task.depends_on).chain(block) {
                if !made.contains_key(id) && self.board.task(id)?.is_none() {
                    dangling.push((by.clone(), id.clone()));
                }
            }
        }
        Ok(dangling)
    }
}

/// Refuses new tasks of which one waits for itself in the end. What is on the board cannot wait for what is only being
/// made.
pub(super) fn circle(made: &IndexMap<TaskId, TaskChange>) -> Result<Option<Refusal>, BoardFault> {
    let waits_for = |id: &TaskId| made.get(id).map(|change| change.task.depends_on.clone()).unwrap_or_default();
    let cycle = cycle_from(made.keys(), |id| Ok::<_, BoardFault>(waits_for(id)))?;
    Ok(cycle.map(|cycle| Refusal::Invalid {
        message: format!("tasks wait in a circle: {}", arrows(&cycle)),
        pointer: "/args/tasks".to_owned(),
        hint: "take one `dependsOn` out".to_owned(),
    }))
}

fn blank_task(id: TaskId, title: String, at: Millis) -> Task {
    Task {
        schema_version: None,
        id,
        title,
        description: None,
        status: Status::Backlog,
        priority: Priority::Medium,
        assigned: None,
        category: None,
        tags: Vec::new(),
        participants: Vec::new(),
        parent: None,
        depends_on: Vec::new(),
        files: Vec::new(),
        due: None,
        acceptance: Vec::new(),
        effects: None,
        position: None,
        source: None,
        epoch: Epoch(0),
        claim: None,
        attempt: 0,
        recoveries: 0,
        backoff_level: 0,
        last_error: None,
        retry_at: None,
        block: None,
        blocked_by: None,
        blocked_at: None,
        subtasks: Vec::new(),
        progress: None,
        deliverable: None,
        evidence: Vec::new(),
        submitted_by: None,
        submitted_at: None,
        review_round: 0,
        approvals: Vec::new(),
        verified_by: None,
        verified_at: None,
        completed_by: None,
        completed_at: None,
        completion_request: None,
        emergency_override: None,
        archived_reason: None,
        created_by: None,
        created_at: at,
        updated_at: at,
        chat: Vec::new(),
        state_history: Vec::new(),
    }
}

fn lower(name: &AgentName) -> AgentName {
    AgentName::new(name.as_str()).unwrap_or_else(|_| name.clone())
}
