//! The one way to change the board: an operation, decided on one version of it.
//!
//! [`decide`] is pure: the same board and the same operation give the same answer on every machine, whoever asks.
//! It is asked by the verbs, again after every rejected push, and by whoever checks the history.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::apply::apply;
use super::board::{Board, BoardFault, Changeset, Decision, Place, Placed, ReceiptFacts, TaskChange, Unchanged};
use super::config::{Agent, ApprovalGate, BoardConfig};
use super::graph::cycle_from;
use super::id::{AgentName, Epoch, Millis, TaskId};
use super::locks::{Coordination, LocksFile, Pattern, derive, path, updated};
use super::operation::{Action, FieldChange, NewTask, Operation, RecoverTrigger, Verb};
use super::refusal::Refusal;
use super::requirement::{Context, check, may_change_roster};
use super::task::{HistoryEntry, SCHEMA_VERSION, Subtask, Task};
use super::transition::{Authority, Who, authorize};
use super::vocabulary::{AgentKind, Phase, Priority, Role, Status, SubtaskStatus};

/// Most tasks that a receipt names; a mass operation names none and carries them in its operation.
const NAMED_IN_RECEIPT: usize = 8;

/// Decides an operation on one version of the board.
///
/// # Errors
/// [`BoardFault`] when the board cannot be read, or a file that the operation touches is broken: that is no
/// refusal, since nobody has said no.
pub fn decide(board: &dyn Board, operation: &Operation) -> Result<Decision, BoardFault> {
    if let Some(decided) = board.decided(&operation.id)? {
        return Ok(Decision::AlreadyDecided(decided));
    }
    if let Action::Init { branch, agents, gate } = &operation.action {
        return init(board, operation, branch, agents, gate.as_ref());
    }
    let Some(config) = board.config()? else {
        return Ok(refused(Refusal::NotFound { what: "board", name: "here".to_owned() }));
    };
    let decider = Decider { board, config, operation };
    // What is asked about is looked for before who asks.
    let placed = match &operation.task {
        Some(id) => match board.task(id)? {
            Some(placed) => Some(placed),
            None => return Ok(refused(Refusal::NotFound { what: "task", name: id.to_string() })),
        },
        None => None,
    };
    let Some(actor) = config.agent(&operation.actor) else {
        return Ok(refused(Refusal::UnknownAgent { name: operation.actor.clone() }));
    };
    match (&operation.action, placed) {
        (Action::AgentsAdd { agent }, _) => Ok(decider.agents_add(actor, agent)),
        (Action::AgentsRemove { name }, _) => Ok(decider.agents_remove(actor, name)),
        (Action::New { tasks }, _) => decider.new_tasks(actor, tasks),
        (Action::Archive { tasks }, _) => decider.archive(actor, tasks),
        (_, Some(placed)) => decider.edge(actor, &placed),
        (action, None) => Ok(refused(Refusal::Invalid {
            message: format!("{} needs a task", action.verb().command()),
            pointer: "/task".to_owned(),
            hint: "name the task's id".to_owned(),
        })),
    }
}

fn refused(refusal: Refusal) -> Decision {
    Decision::Refused(refusal)
}

struct Decider<'a> {
    board: &'a dyn Board,
    config: &'a BoardConfig,
    operation: &'a Operation,
}

impl Decider<'_> {
    /// Takes one task along an edge.
    fn edge(&self, actor: &Agent, placed: &Placed) -> Result<Decision, BoardFault> {
        let task = &placed.task;
        writable(task)?;
        let operation = match self.tidied()? {
            Ok(operation) => operation,
            Err(refusal) => return Ok(refused(refusal)),
        };
        let permit = match authorize(task, &operation, actor) {
            Ok(Authority::Granted(permit)) => permit,
            Ok(Authority::Repeat) => return Ok(self.unchanged(task)),
            Err(refusal) => return Ok(refused(refusal)),
        };
        if let Some(refusal) = self.details(task, &operation)? {
            return Ok(refused(refusal));
        }
        let cx = Context {
            board: self.board,
            config: self.config,
            actor,
            operation: &operation,
            at: operation.at.max(task.updated_at),
        };
        let findings = match check(task, permit, &cx)? {
            Ok(findings) => findings,
            Err(refusal) => return Ok(refused(refusal)),
        };
        let after = apply(task, permit.edge, &operation, actor, self.config, &findings);
        if same_but_for_time(task, &after) {
            return Ok(self.unchanged(task));
        }
        let mut changes = Changeset {
            receipt: ReceiptFacts {
                tasks: vec![task.id.clone()],
                from: Some(task.status),
                to: Some(after.status),
                epoch: Some(after.epoch),
            },
            warnings: findings.warnings,
            ..Changeset::default()
        };
        let lock_change = locks_differ(Some(task), &after);
        changes.tasks.push(TaskChange {
            before: Some(placed.place.clone()),
            after: Place::of(&after),
            task: after,
            extra: IndexMap::new(),
        });
        self.finish(changes, lock_change)
    }

    /// Returns the operation with its paths in the form that the board keeps.
    fn tidied(&self) -> Result<Result<Operation, Refusal>, BoardFault> {
        let mut operation = self.operation.clone();
        if let Action::FilesAdd { paths } | Action::FilesRemove { paths } = &mut operation.action {
            if paths.is_empty() {
                return Ok(Err(Refusal::MissingField {
                    verb: self.operation.verb(),
                    field: "paths",
                    why: "there is nothing to do".to_owned(),
                    hint: "name at least one path".to_owned(),
                }));
            }
            match tidy_files(paths, "/args/paths", self.config.locks.ignore_case) {
                Ok(tidy) => *paths = tidy,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(operation))
    }

    /// Checks what an action names within the task.
    fn details(&self, task: &Task, operation: &Operation) -> Result<Option<Refusal>, BoardFault> {
        match &operation.action {
            Action::SubtaskSet { subtask, .. } | Action::SubtaskAssign { subtask, .. } => {
                let known = task.subtasks.iter().any(|s| s.id == *subtask);
                Ok((!known).then(|| Refusal::NotFound { what: "subtask", name: format!("{subtask} of {}", task.id) }))
            }
            Action::Edit { changes } if changes.is_empty() => Ok(Some(Refusal::MissingField {
                verb: Verb::Edit,
                field: "changes",
                why: "there is nothing to change".to_owned(),
                hint: "name a field, for example `--title TEXT`".to_owned(),
            })),
            Action::Edit { changes } => Ok(changes.iter().find_map(|change| changed_since(task, change))),
            Action::DepAdd { on } => self.new_dependency(task, on),
            Action::Recover { trigger, .. } => Ok(mistaken_recovery(task, *trigger)),
            _ => Ok(None),
        }
    }

    fn new_dependency(&self, task: &Task, on: &TaskId) -> Result<Option<Refusal>, BoardFault> {
        if self.board.task(on)?.is_none() {
            return Ok(Some(Refusal::NotFound { what: "task", name: on.to_string() }));
        }
        let cycle = cycle_from(&task.id, |id| {
            let mut next = self.waits_for(id)?;
            if *id == task.id {
                next.push(on.clone());
            }
            Ok::<_, BoardFault>(next)
        })?;
        Ok(cycle.map(|cycle| Refusal::Invalid {
            message: format!("{} cannot wait for {on}: {}", task.id, arrows(&cycle)),
            pointer: "/args/on".to_owned(),
            hint: format!("`squad dep tree {on}` shows what waits for what"),
        }))
    }

    fn waits_for(&self, id: &TaskId) -> Result<Vec<TaskId>, BoardFault> {
        Ok(self.board.task(id)?.map(|placed| placed.task.depends_on).unwrap_or_default())
    }

    fn unchanged(&self, task: &Task) -> Decision {
        let why = match self.operation.verb() {
            Verb::Claim => format!("{} already holds {}", self.operation.actor, task.id),
            _ => format!("{} is already {}", task.id, task.status),
        };
        Decision::Unchanged(Unchanged { task: Some(Box::new(task.clone())), why })
    }

    fn new_tasks(&self, actor: &Agent, wanted: &[NewTask]) -> Result<Decision, BoardFault> {
        if wanted.is_empty() {
            return Ok(refused(Refusal::MissingField {
                verb: Verb::New,
                field: "tasks",
                why: "there is no task to make".to_owned(),
                hint: "give a title, or `--from` a file with at least one task".to_owned(),
            }));
        }
        let mut made: IndexMap<TaskId, TaskChange> = IndexMap::new();
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
        if let Some(refusal) = self.new_references(&made)? {
            return Ok(refused(refusal));
        }
        let named = if made.len() <= NAMED_IN_RECEIPT { made.keys().cloned().collect() } else { Vec::new() };
        let changes = Changeset {
            receipt: ReceiptFacts { tasks: named, from: None, to: Some(Status::Backlog), epoch: Some(Epoch(0)) },
            tasks: made.into_values().collect(),
            ..Changeset::default()
        };
        self.finish(changes, false)
    }

    fn new_task(&self, actor: &Agent, new: &NewTask, i: usize) -> Result<Result<TaskChange, Refusal>, BoardFault> {
        let operation = self.operation;
        let nth = u32::try_from(i).unwrap_or(u32::MAX);
        if new.title.trim().is_empty() {
            return Ok(Err(Refusal::MissingField {
                verb: Verb::New,
                field: "title",
                why: "a task needs one line that says what is to be done".to_owned(),
                hint: "give the title as the first argument".to_owned(),
            }));
        }
        let id = match &new.id {
            Some(id) => TaskId::new(&id.folded()),
            None => TaskId::new(&format!("task-{}-{}", operation.at.0, operation.id.suffix(nth, 6))),
        };
        let id = match id {
            Ok(id) => id,
            Err(bad) => {
                return Ok(Err(Refusal::Invalid {
                    message: bad.to_string(),
                    pointer: format!("/args/tasks/{i}/id"),
                    hint: "leave the id out to get one".to_owned(),
                }));
            }
        };
        let named =
            new.assigned.iter().chain(&new.participants).chain(new.subtasks.iter().filter_map(|s| s.assigned.as_ref()));
        for name in named {
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

    /// Checks that what new tasks refer to is on the board or among them, and that nothing waits in a circle.
    fn new_references(&self, made: &IndexMap<TaskId, TaskChange>) -> Result<Option<Refusal>, BoardFault> {
        for change in made.values() {
            for id in change.task.parent.iter().chain(&change.task.depends_on) {
                if !made.contains_key(id) && self.board.task(id)?.is_none() {
                    return Ok(Some(Refusal::NotFound { what: "task", name: id.to_string() }));
                }
            }
        }
        for id in made.keys() {
            let cycle = cycle_from(id, |id| match made.get(id) {
                Some(change) => Ok::<_, BoardFault>(change.task.depends_on.clone()),
                // What is on the board cannot wait for what is only being made.
                None => Ok(Vec::new()),
            })?;
            if let Some(cycle) = cycle {
                return Ok(Some(Refusal::Invalid {
                    message: format!("tasks wait in a circle: {}", arrows(&cycle)),
                    pointer: "/args/tasks".to_owned(),
                    hint: "take one `dependsOn` out".to_owned(),
                }));
            }
        }
        Ok(None)
    }

    fn archive(&self, actor: &Agent, ids: &[TaskId]) -> Result<Decision, BoardFault> {
        let mut changes = Changeset::default();
        let mut lock_change = false;
        let mut last = None;
        for id in ids {
            let Some(placed) = self.board.task(id)? else {
                return Ok(refused(Refusal::NotFound { what: "task", name: id.to_string() }));
            };
            writable(&placed.task)?;
            let permit = match authorize(&placed.task, self.operation, actor) {
                Ok(Authority::Granted(permit)) => permit,
                Ok(Authority::Repeat) => {
                    last = Some(placed.task);
                    continue;
                }
                Err(refusal) => return Ok(refused(refusal)),
            };
            let after = apply(
                &placed.task,
                permit.edge,
                self.operation,
                actor,
                self.config,
                &super::requirement::Findings::default(),
            );
            lock_change |= locks_differ(Some(&placed.task), &after);
            changes.receipt = ReceiptFacts {
                tasks: Vec::new(),
                from: Some(placed.task.status),
                to: Some(after.status),
                epoch: Some(after.epoch),
            };
            changes.tasks.push(TaskChange {
                before: Some(placed.place),
                after: Place::of(&after),
                task: after,
                extra: IndexMap::new(),
            });
        }
        if changes.tasks.is_empty() {
            let why = "there is nothing to put away".to_owned();
            return Ok(Decision::Unchanged(Unchanged { task: last.map(Box::new), why }));
        }
        if changes.tasks.len() <= NAMED_IN_RECEIPT {
            changes.receipt.tasks = changes.tasks.iter().map(|c| c.task.id.clone()).collect();
        }
        self.finish(changes, lock_change)
    }

    fn agents_add(&self, actor: &Agent, agent: &Agent) -> Decision {
        if let Some(refusal) = self.may_not_change_roster(actor, agent.role) {
            return refused(refusal);
        }
        if let Some(known) = self.config.agent(&agent.name) {
            if known == agent {
                let why = format!("{} is already in the roster", agent.name);
                return Decision::Unchanged(Unchanged { task: None, why });
            }
            return refused(Refusal::Invalid {
                message: format!("{} is already in the roster as {}", agent.name, known.role),
                pointer: "/args/agent/name".to_owned(),
                hint: format!("`squad agents remove {}` first, or choose another name", agent.name),
            });
        }
        let mut config = self.config.clone();
        config.agents.push(agent.clone());
        config_change(config)
    }

    fn agents_remove(&self, actor: &Agent, name: &AgentName) -> Decision {
        let Some(known) = self.config.agent(name) else {
            return refused(Refusal::NotFound { what: "agent", name: name.to_string() });
        };
        if let Some(refusal) = self.may_not_change_roster(actor, known.role) {
            return refused(refusal);
        }
        let owners = self.config.agents.iter().filter(|a| a.role == Role::Owner).count();
        if known.role == Role::Owner && owners == 1 {
            return refused(Refusal::Invalid {
                message: format!("{name} is the only owner"),
                pointer: "/args/name".to_owned(),
                hint: "add another owner first: somebody must be able to change the roster".to_owned(),
            });
        }
        let mut config = self.config.clone();
        config.agents.retain(|a| a.name != *name);
        config_change(config)
    }

    /// Only the owner and the chief change the roster, and only an owner makes or unmakes an owner.
    fn may_not_change_roster(&self, actor: &Agent, role: Role) -> Option<Refusal> {
        let allowed = may_change_roster(actor.role) && (role != Role::Owner || actor.role == Role::Owner);
        (!allowed).then(|| Refusal::NotPermitted {
            verb: self.operation.verb(),
            task: None,
            actor: actor.name.clone(),
            role: actor.role,
            who: if role == Role::Owner { vec![Who::Owner] } else { vec![Who::Chief, Who::Owner] },
        })
    }

    /// Adds the locks file, where the change of tasks changes it.
    fn finish(&self, mut changes: Changeset, lock_change: bool) -> Result<Decision, BoardFault> {
        if lock_change {
            let old = self.board.locks()?;
            match &old {
                LocksFile::Broken { why, .. } => {
                    return Err(BoardFault::Broken {
                        file: self.config.locks.file.clone(),
                        pointer: String::new(),
                        message: why.clone(),
                    });
                }
                LocksFile::Foreign { looks_like } => changes.warnings.push(format!(
                    "{} is not squad's ({looks_like}) and is left alone; locks still hold among squad's users",
                    self.config.locks.file
                )),
                LocksFile::Absent | LocksFile::Ours(_) => {}
            }
            let kept = self.board.live()?.iter().filter(|t| !changes.tasks.iter().any(|c| c.task.id == t.id));
            let moved = changes.tasks.iter().filter(|c| c.after == Place::Live).map(|c| &c.task);
            let work = derive(kept.chain(moved));
            changes.locks = updated(&old, work, self.operation.at);
        }
        Ok(Decision::Applied(Box::new(changes)))
    }
}

fn config_change(config: BoardConfig) -> Decision {
    Decision::Applied(Box::new(Changeset { config: Some(config), ..Changeset::default() }))
}

fn init(
    board: &dyn Board,
    operation: &Operation,
    branch: &str,
    agents: &[Agent],
    gate: Option<&ApprovalGate>,
) -> Result<Decision, BoardFault> {
    if board.config()?.is_some() {
        return Ok(Decision::Unchanged(Unchanged { task: None, why: "there is a board already".to_owned() }));
    }
    let mut config = BoardConfig::new(branch, agents.to_vec());
    if let Some(gate) = gate {
        config.policy.gate = gate.clone();
    }
    let mut warnings = Vec::new();
    for task in board.live()? {
        let names = task
            .assigned
            .iter()
            .chain(&task.participants)
            .chain(task.claim.iter().map(|c| &c.agent))
            .chain(task.subtasks.iter().filter_map(Subtask::owner));
        for name in names {
            if config.agent(name).is_some() {
                continue;
            }
            match AgentName::new(name.as_str()) {
                Ok(name) => config.agents.push(Agent::new(name, Role::Executor, AgentKind::Agent)),
                Err(bad) => {
                    let warning = format!("{bad}; it is left out of the roster");
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
    }
    let old = board.locks()?;
    let work = derive(board.live()?.iter());
    let locks = match &old {
        LocksFile::Absent => Some(Coordination::new(work, operation.at)),
        LocksFile::Ours(_) => updated(&old, work, operation.at),
        LocksFile::Foreign { looks_like } => {
            warnings.push(format!("{} is not squad's ({looks_like}) and is left alone", config.locks.file));
            None
        }
        LocksFile::Broken { why, .. } => {
            warnings.push(format!("{} is broken and is left alone: {why}", config.locks.file));
            None
        }
    };
    let changes = Changeset { config: Some(config), locks, founding: true, warnings, ..Changeset::default() };
    Ok(Decision::Applied(Box::new(changes)))
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

/// A file of a newer version may hold what this build would damage.
fn writable(task: &Task) -> Result<(), BoardFault> {
    match task.schema_version {
        Some(found) if found > SCHEMA_VERSION => {
            Err(BoardFault::Newer { file: format!("{}.json", task.id), found, known: SCHEMA_VERSION })
        }
        _ => Ok(()),
    }
}

/// Returns the paths as the board keeps them, each once.
fn tidy_files(files: &[String], pointer: &str, ignore_case: bool) -> Result<Vec<String>, Refusal> {
    let mut tidy: Vec<String> = Vec::with_capacity(files.len());
    for (i, file) in files.iter().enumerate() {
        let bad = |why: String| Refusal::Invalid {
            message: why,
            pointer: format!("{pointer}/{i}"),
            hint: "name paths within the repository, or globs".to_owned(),
        };
        let normal = path::normalise(file, false).map_err(|e| bad(e.to_string()))?;
        Pattern::new(&normal, ignore_case).map_err(|e| bad(e.to_string()))?;
        if !tidy.contains(&normal) {
            tidy.push(normal);
        }
    }
    Ok(tidy)
}

/// Tells whether the step changes what the locks file says.
fn locks_differ(before: Option<&Task>, after: &Task) -> bool {
    derive(before.into_iter()) != derive(std::iter::once(after))
}

/// Tells whether nothing but the time of the change differs.
fn same_but_for_time(before: &Task, after: &Task) -> bool {
    let mut after = after.clone();
    after.updated_at = before.updated_at;
    *before == after
}

fn changed_since(task: &Task, change: &FieldChange) -> Option<Refusal> {
    fn differs<T: PartialEq + std::fmt::Debug>(task: &Task, field: &'static str, from: &T, now: &T) -> Option<Refusal> {
        (from != now).then(|| Refusal::Changed {
            task: task.id.clone(),
            field,
            expected: format!("{from:?}"),
            found: format!("{now:?}"),
        })
    }
    match change {
        FieldChange::Title { from, .. } => differs(task, "title", from, &task.title),
        FieldChange::Description { from, .. } => differs(task, "description", from, &task.description),
        FieldChange::Priority { from, .. } => differs(task, "priority", from, &task.priority),
        FieldChange::Category { from, .. } => differs(task, "category", from, &task.category),
        FieldChange::Due { from, .. } => differs(task, "due", from, &task.due),
        FieldChange::Position { from, .. } => differs(task, "position", from, &task.position),
        FieldChange::Tags { .. } => None,
    }
}

/// An observer who saw no start takes nothing back from a holder who has started since, nor the reverse.
fn mistaken_recovery(task: &Task, trigger: RecoverTrigger) -> Option<Refusal> {
    let fits = matches!(
        (trigger, task.phase()),
        (RecoverTrigger::Unstarted, Phase::Claimed) | (RecoverTrigger::Orphaned, Phase::Working)
    );
    (!fits).then(|| Refusal::Invalid {
        message: format!("{} is not {trigger}: it is {}", task.id, task.phase()),
        pointer: "/args/trigger".to_owned(),
        hint: format!("look again: `squad show {}`", task.id),
    })
}

fn arrows(cycle: &[TaskId]) -> String {
    cycle.iter().map(TaskId::as_str).collect::<Vec<_>>().join(" → ")
}
