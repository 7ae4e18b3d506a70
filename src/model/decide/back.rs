//! Deciding what comes back from an earlier version of the board.
//!
//! The history only grows: what is brought back is one more change. A file that was merely damaged is again what it
//! was, byte for byte. A task that has moved on since gets its content back and keeps what was said and done, and its
//! epoch rises above every one that it ever had, so that whoever holds it by now is fenced.

use super::refused;
use crate::model::board::{Board, BoardFault, Changeset, Decision, Place, Placed, Unchanged};
use crate::model::config::Agent;
use crate::model::decide::{named, same_but_for_time};
use crate::model::earlier::{Departure, Earlier, Later, Returned, ReturnedTask};
use crate::model::id::{Epoch, Millis};
use crate::model::locks::{Coordination, LocksFile, derive_beside, updated};
use crate::model::operation::Operation;
use crate::model::refusal::Refusal;
use crate::model::requirement::may_change_roster;
use crate::model::task::{HistoryEntry, Message, Task};
use crate::model::transition::Who;

/// Decides bringing back the version of a backup.
pub(super) fn restore(
    board: &dyn Board,
    operation: &Operation,
    name: &str,
    version: &str,
) -> Result<Decision, BoardFault> {
    let now = match board.config() {
        Ok(config) => config,
        Err(BoardFault::Broken { .. }) => None,
        Err(fault) => return Err(fault),
    };
    let Some(earlier) = board.earlier(version)? else {
        return Ok(refused(Refusal::NotFound { what: "backup", name: name.to_owned() }));
    };
    // A board without a roster that can be used has nobody to ask: the one that it had says who may.
    let Some(config) = now.or(earlier.config.as_ref()) else {
        return Ok(refused(Refusal::NotFound { what: "board", name: "here".to_owned() }));
    };
    let Some(actor) = config.agent(&operation.actor) else {
        return Ok(refused(Refusal::UnknownAgent { name: operation.actor.clone() }));
    };
    if let Some(refusal) = may_not(operation, actor) {
        return Ok(refused(refusal));
    }
    let tasks: Vec<(ReturnedTask, &Departure)> =
        earlier.tasks.iter().filter_map(|departed| Some((returned(departed, operation, name)?, departed))).collect();
    let mut changes = Changeset::default();
    let locks = locks(board, &earlier, &tasks, operation)?;
    let verbatim = matches!(locks, Some(LocksChange::AsTheyWere));
    if let Some(LocksChange::Anew(new)) = locks {
        changes.locks = Some(*new);
    }
    let config = if now.is_none() { earlier.config.clone() } else { None };
    if tasks.is_empty() && config.is_none() && !verbatim && changes.locks.is_none() {
        let why = format!("every task of {name} is as it was then");
        return Ok(Decision::Unchanged(Unchanged { task: None, why }));
    }
    changes.receipt.tasks = named(tasks.iter().map(|(task, _)| &task.id));
    let tasks = tasks.into_iter().map(|(task, _)| task).collect();
    changes.returned = Some(Returned { version: version.to_owned(), tasks, config, locks: verbatim });
    Ok(Decision::Applied(Box::new(changes)))
}

/// Bringing back what was, undoes what everybody has done since: that is for those who may change the roster.
fn may_not(operation: &Operation, actor: &Agent) -> Option<Refusal> {
    (!may_change_roster(actor.role)).then(|| Refusal::NotPermitted {
        verb: operation.verb(),
        task: None,
        actor: actor.name.clone(),
        role: actor.role,
        who: vec![Who::Chief, Who::Owner],
    })
}

/// Returns what comes back of a task; nothing where it has, and nothing has happened to it since.
fn returned(departed: &Departure, operation: &Operation, name: &str) -> Option<ReturnedTask> {
    let Placed { place, task: then } = &departed.then;
    let since: Vec<&Later> = departed.since.iter().collect();
    let task = mended(then, &since, operation, name);
    let to = task.as_ref().map_or_else(|| place.clone(), Place::of);
    if departed.now == [to.clone()] && task.as_ref().is_some_and(|task| stands(departed, &since, task, operation, name))
    {
        return None;
    }
    let gone = departed.now.iter().filter(|now| **now != to).cloned().collect();
    Some(ReturnedTask { id: then.id.clone(), from: place.clone(), to, gone, task })
}

/// Tells whether what lies there is already what would come of bringing the task back. The step of its history that says
/// so is then there, and another one would say nothing new and fence whoever has begun since.
fn stands(departed: &Departure, since: &[&Later], restored: &Task, operation: &Operation, name: &str) -> bool {
    let Some(now) = departed.written_over.as_ref().filter(|now| newest(since) <= Some(now.updated_at)) else {
        return false;
    };
    if same_but_for_time(now, restored) {
        return true;
    }
    let before: Vec<&Later> = since.iter().copied().filter(|later| later.task != *now).collect();
    let Some(mut once) = mended(&departed.then.task, &before, operation, name) else { return false };
    match (once.state_history.last_mut(), now.state_history.last()) {
        (Some(made), Some(found)) if made.trigger == found.trigger => *made = found.clone(),
        _ => return false,
    }
    same_but_for_time(now, &once)
}

/// Returns when an operation has changed the task last.
fn newest(since: &[&Later]) -> Option<Millis> {
    since.iter().filter(|later| later.by_operation).map(|later| later.task.updated_at).max()
}

/// Returns the task as it is to be; nothing where only damage was done, and its file is to be what it was.
fn mended(then: &Task, since: &[&Later], operation: &Operation, name: &str) -> Option<Task> {
    // What does not go on from the history that was there has not come from the machine.
    let moved = |later: &&&Later| later.task.epoch > then.epoch || goes_on(then, &later.task);
    let has_moved = since.iter().any(|later| moved(&later));
    let mut task = then.clone();
    for later in since.iter().filter(|later| has_moved || later.by_operation) {
        add_messages(&mut task.chat, &later.task.chat);
    }
    // Readers tell old from new by the time of the change, which therefore never falls.
    if !has_moved && task.chat == then.chat && newest(since) <= Some(then.updated_at) {
        return None;
    }
    let at = since.iter().map(|later| later.task.updated_at).max().unwrap_or_default().max(operation.at);
    task.updated_at = at.max(then.updated_at);
    if !has_moved {
        return Some(task);
    }
    for later in since.iter().filter(moved) {
        for entry in &later.task.state_history {
            if !task.state_history.contains(entry) {
                task.state_history.push(entry.clone());
            }
        }
    }
    task.epoch = since.iter().map(|later| later.task.epoch).fold(then.epoch, Epoch::max).next();
    if let Some(claim) = &mut task.claim {
        claim.epoch = task.epoch;
    }
    task.state_history.push(HistoryEntry {
        state: task.status,
        timestamp: task.updated_at,
        actor: operation.actor.clone(),
        trigger: Some(operation.verb().as_str().to_owned()),
        op: Some(operation.id),
        reason: Some(format!("from the backup {name}")),
        completion: None,
    });
    Some(task)
}

/// Tells whether a history begins with all of what was there, and says more.
fn goes_on(then: &Task, later: &Task) -> bool {
    later.state_history.len() > then.state_history.len() && later.state_history.starts_with(&then.state_history)
}

fn add_messages(chat: &mut Vec<Message>, more: &[Message]) {
    for message in more {
        if chat.iter().all(|known| known.id != message.id) {
            chat.push(message.clone());
        }
    }
}

/// What becomes of the locks file.
enum LocksChange {
    /// It is again what it was.
    AsTheyWere,
    /// It is written anew.
    Anew(Box<Coordination>),
}

/// The locks follow from the tasks, as always. Where they come to what the file said then, and nobody has written
/// anything else into it since, it is again that file.
fn locks(
    board: &dyn Board,
    earlier: &Earlier,
    tasks: &[(ReturnedTask, &Departure)],
    operation: &Operation,
) -> Result<Option<LocksChange>, BoardFault> {
    let comes_back = |card: &crate::model::card::Card| tasks.iter().any(|(task, _)| task.id == card.id);
    let kept = board.live()?.iter().filter(|card| !comes_back(card)).map(|card| &**card);
    let back = tasks.iter().filter(|(task, _)| task.to == Place::Live);
    let back = back.map(|(task, departed)| task.task.as_ref().unwrap_or(&departed.then.task));
    let (then, now) = &earlier.locks;
    let work = derive_beside(now, kept.chain(back));
    let as_it_was = match (&**then, &**now) {
        (LocksFile::Ours(then), LocksFile::Absent | LocksFile::Broken { .. }) => then.current_work == work,
        (LocksFile::Ours(then), LocksFile::Ours(now)) => {
            then.current_work == work && now.current_work != work && said_the_same(then, now)
        }
        _ => false,
    };
    if as_it_was {
        return Ok(Some(LocksChange::AsTheyWere));
    }
    Ok(updated(now, work, operation.at).map(|new| LocksChange::Anew(Box::new(new))))
}

/// Tells whether two locks files differ at most in what squad writes.
fn said_the_same(then: &Coordination, now: &Coordination) -> bool {
    then.shared_resources == now.shared_resources && then.notes == now.notes && then.extra == now.extra
}
