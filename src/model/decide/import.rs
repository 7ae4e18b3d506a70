//! Deciding `import`: tasks of another board, each where it stood there.
//!
//! Owns what of another board is already here, and that nobody and nothing is named which is not.

use std::collections::BTreeSet;

use super::create::circle;
use super::{Decider, locks_differ, named, refused};
use crate::model::apply::apply;
use crate::model::board::{BoardFault, Changeset, Decision, Place, ReceiptFacts, TaskChange, Unchanged};
use crate::model::config::Agent;
use crate::model::id::{AgentName, TaskId, in_command};
use crate::model::imported::ImportedTask;
use crate::model::operation::{Action, Operation, Verb};
use crate::model::ordered::IndexMap;
use crate::model::refusal::Refusal;
use crate::model::requirement::Findings;
use crate::model::transition::{Authority, authorize};

/// Most names and pairs of ids that a refusal spells out.
const TOLD: usize = 10;

impl Decider<'_> {
    pub(super) fn import(&self, actor: &Agent, wanted: &[ImportedTask]) -> Result<Decision, BoardFault> {
        if wanted.is_empty() {
            return Ok(refused(Refusal::MissingField {
                verb: Verb::Import,
                field: "tasks",
                why: "there is no task to take over".to_owned(),
                hint: "name a file with at least one task".to_owned(),
            }));
        }
        if let Some(nth) = wanted.iter().position(|one| !one.task.files.is_empty()) {
            return Ok(refused(Refusal::Invalid {
                message: "paths cannot be taken over: whoever works on a task here names them, and has to get them"
                    .to_owned(),
                pointer: format!("/args/tasks/{nth}/task/files"),
                hint: "leave them out, and say `squad files add` once the task is claimed".to_owned(),
            }));
        }
        if let Some(refusal) = self.strangers(wanted) {
            return Ok(refused(refusal));
        }
        let mut made: IndexMap<TaskId, TaskChange> = IndexMap::default();
        let mut known = 0;
        let mut lock_change = false;
        for (nth, imported) in wanted.iter().enumerate() {
            let mut change = match self.new_task(actor, &imported.task, nth)? {
                Ok(change) => change,
                Err(refusal) => return Ok(refused(refusal)),
            };
            let id = change.task.id.clone();
            match self.board.twin(&id)? {
                Some(twin) if self.came_from(&twin, &change)? => {
                    known += 1;
                    continue;
                }
                Some(twin) => return Ok(refused(Refusal::IdTaken { id, twin })),
                None if made.contains_key(&id) => return Ok(refused(Refusal::IdTaken { twin: id.clone(), id })),
                None => {}
            }
            if let Err(refusal) = self.settle(actor, imported, &mut change) {
                return Ok(refused(refusal));
            }
            lock_change |= locks_differ(None, &change.task);
            made.insert(id, change);
        }
        if made.is_empty() {
            let why = "every task of it is on the board already".to_owned();
            return Ok(Decision::Unchanged(Unchanged { task: None, why }));
        }
        let dangling = self.dangling(&made)?;
        if !dangling.is_empty() {
            let pairs = dangling.iter().map(|(by, missing)| format!("{by} names {missing}"));
            return Ok(refused(Refusal::Invalid {
                message: format!("{}: no such task, neither in the file nor on the board", some(pairs)),
                pointer: "/args/tasks".to_owned(),
                hint: "correct the file, or take those references out of it".to_owned(),
            }));
        }
        if let Some(refusal) = circle(&made)? {
            return Ok(refused(refusal));
        }
        let mut changes = Changeset {
            receipt: ReceiptFacts { tasks: named(made.keys()), ..ReceiptFacts::default() },
            tasks: made.into_values().collect(),
            ..Changeset::default()
        };
        if known > 0 {
            changes.warnings.push(format!("{known} of them are on the board already and are left as they are"));
        }
        self.finish(changes, lock_change)
    }

    /// Refuses names that are in no roster, all of them at once: a task of nobody here would never be picked up.
    fn strangers(&self, wanted: &[ImportedTask]) -> Option<Refusal> {
        let names = wanted.iter().flat_map(|one| one.task.assigned.iter().chain(&one.task.participants));
        let strangers: BTreeSet<&str> =
            names.filter(|name| self.config.agent(name).is_none()).map(AgentName::as_str).collect();
        let first = strangers.first()?;
        Some(Refusal::Invalid {
            message: format!("not in the roster: {}", some(strangers.iter().map(ToString::to_string))),
            pointer: "/args/tasks".to_owned(),
            hint: match in_command(first) {
                name if name == *first => format!(
                    "`squad agents add {first} --role executor`, or `--as {first}=NAME` for one who is, `--as {first}=` \
                     for nobody"
                ),
                _ => "`--as FOUND=NAME` for one who is, `--as FOUND=` for nobody".to_owned(),
            },
        })
    }

    /// Tells whether a task on the board is this one, taken over before.
    fn came_from(&self, twin: &TaskId, change: &TaskChange) -> Result<bool, BoardFault> {
        let there = self.board.task(twin)?;
        Ok(change.task.source.is_some() && there.is_some_and(|placed| placed.task.source == change.task.source))
    }

    /// Takes a task that has just been made to where it stood.
    fn settle(&self, actor: &Agent, imported: &ImportedTask, change: &mut TaskChange) -> Result<(), Refusal> {
        let operation = self.operation;
        let task = &mut change.task;
        task.created_at = imported.created_at.unwrap_or(operation.at).min(operation.at);
        if imported.stands.is_none() {
            return Ok(());
        }
        let alone = Operation {
            id: operation.id,
            action: Action::Import { tasks: [imported.clone()].into() },
            task: None,
            actor: operation.actor.clone(),
            basis: operation.basis.clone(),
            at: operation.at,
            signature: None,
        };
        if let Authority::Granted(permit) = authorize(task, &alone, actor)? {
            *task = apply(task, permit.edge, &alone, actor, self.config, &Findings::default());
        }
        change.after = Place::of(task);
        Ok(())
    }
}

/// Returns the first few, and how many more there are.
fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(TOLD);
    let mut text = items.take(TOLD).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
