//! The one way to change the board: an operation, decided on one version of it.
//!
//! [`decide`] is pure: the same board and the same operation give the same answer on every machine, whoever asks.
//! It is asked by the verbs, again after every rejected push, and by whoever checks the history.

mod back;
mod create;
mod finality;
mod import;
mod roster;

pub use finality::is_final;

use super::apply::apply;
use super::board::{Board, BoardFault, Changeset, Decision, Place, Placed, ReceiptFacts, TaskChange, Unchanged};
use super::config::{Agent, BoardConfig};
use super::graph::cycle_from;
use super::id::TaskId;
use super::locks::{LocksFile, Pattern, derive, derive_beside, path, updated};
use super::operation::{Action, FieldChange, Operation, RecoverTrigger, Verb};
use super::refusal::Refusal;
use super::requirement::{Context, check};
use super::task::{SCHEMA_VERSION, Task};
use super::transition::{Authority, authorize};
use super::vocabulary::Phase;
use crate::model::ordered::IndexMap;

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
        return roster::init(board, operation, branch, agents, gate.as_ref());
    }
    if let Action::BackupRestore { name, commit } = &operation.action {
        return back::restore(board, operation, name, commit);
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
        (Action::Import { tasks }, _) => decider.import(actor, tasks),
        (Action::Archive { tasks }, _) => decider.archive(actor, tasks),
        (Action::Comment { also, .. }, Some(placed)) if !also.is_empty() => decider.comment(actor, placed, also),
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
        match self.step(actor, placed)? {
            Ok((changes, lock_change)) => self.finish(changes, lock_change),
            Err(decision) => Ok(decision),
        }
    }

    /// Returns the change of one task, and whether it changes what the locks file says; else what is decided instead.
    fn step(&self, actor: &Agent, placed: &Placed) -> Result<Result<(Changeset, bool), Decision>, BoardFault> {
        let task = &placed.task;
        writable(task)?;
        let operation = match self.tidied()? {
            Ok(operation) => operation,
            Err(refusal) => return Ok(Err(refused(refusal))),
        };
        let permit = match authorize(task, &operation, actor) {
            Ok(Authority::Granted(permit)) => permit,
            Ok(Authority::Repeat) => return Ok(Err(self.unchanged(task))),
            Err(refusal) => return Ok(Err(refused(refusal))),
        };
        if let Some(refusal) = self.details(task, &operation)? {
            return Ok(Err(refused(refusal)));
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
            Err(refusal) => return Ok(Err(refused(refusal))),
        };
        let after = apply(task, permit.edge, &operation, actor, self.config, &findings);
        if same_but_for_time(task, &after) {
            return Ok(Err(self.unchanged(task)));
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
            extra: IndexMap::default(),
        });
        Ok(Ok((changes, lock_change)))
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
        let cycle = cycle_from([&task.id], |id| {
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

    /// Says the same on several tasks, or on none of them.
    fn comment(&self, actor: &Agent, first: Placed, also: &[TaskId]) -> Result<Decision, BoardFault> {
        let mut placed = vec![first];
        for id in also {
            if placed.iter().any(|known| known.task.id.folded() == id.folded()) {
                continue;
            }
            match self.board.task(id)? {
                Some(other) => placed.push(other),
                None => return Ok(refused(Refusal::NotFound { what: "task", name: id.to_string() })),
            }
        }
        if placed.len() > NAMED_IN_RECEIPT {
            return Ok(refused(Refusal::Invalid {
                message: format!("the same cannot be said on more than {NAMED_IN_RECEIPT} tasks at once"),
                pointer: "/args/also".to_owned(),
                hint: "say it on fewer".to_owned(),
            }));
        }
        let mut all = Changeset::default();
        let mut lock_change = false;
        for one in &placed {
            let (changes, locks) = match self.step(actor, one)? {
                Ok(step) => step,
                Err(decision) => return Ok(decision),
            };
            all.receipt.tasks.extend(changes.receipt.tasks);
            all.tasks.extend(changes.tasks);
            all.warnings.extend(changes.warnings);
            lock_change |= locks;
        }
        self.finish(all, lock_change)
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
                extra: IndexMap::default(),
            });
        }
        if changes.tasks.is_empty() {
            let why = "there is nothing to put away".to_owned();
            return Ok(Decision::Unchanged(Unchanged { task: last.map(Box::new), why }));
        }
        changes.receipt.tasks = named(changes.tasks.iter().map(|c| &c.task.id));
        self.finish(changes, lock_change)
    }

    /// Adds the locks file, where the change of tasks changes it.
    fn finish(&self, mut changes: Changeset, lock_change: bool) -> Result<Decision, BoardFault> {
        if lock_change {
            let old = self.board.locks()?;
            match &*old {
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
            let kept = kept.map(|card| &**card);
            let moved = changes.tasks.iter().filter(|c| c.after == Place::Live).map(|c| &c.task);
            let work = derive_beside(&old, kept.chain(moved));
            changes.locks = updated(&old, work, self.operation.at);
        }
        Ok(Decision::Applied(Box::new(changes)))
    }
}

/// Returns the tasks that a receipt names.
fn named<'a>(ids: impl ExactSizeIterator<Item = &'a TaskId>) -> Vec<TaskId> {
    if ids.len() <= NAMED_IN_RECEIPT { ids.cloned().collect() } else { Vec::new() }
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
    // Most steps are told by their entry at once.
    if before.state_history.len() != after.state_history.len() {
        return false;
    }
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
