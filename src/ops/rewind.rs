//! `sync --accept-rewind`: a person has decided that a rewritten board is the board.
//!
//! Owns the order of steps. The old head is kept first, so that nothing is lost that was here; then this clone's own
//! lost operations are written to the queue; the new head is taken last. Killed in between, the same command does it
//! again.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::failure::Failure;
use super::session::Session;
use crate::board::rewind::Gone;
use crate::board::snapshot::Snapshot;
use crate::board::store::AccessFault;
use crate::board::{Oid, Rewound};
use crate::model::board::Board;
use crate::model::id::{AgentName, Epoch, OpId, TaskId};
use crate::model::operation::{Basis, Operation, Verb};
use crate::model::time::rfc3339;
use crate::runner::process::Process;

/// A rewind that was accepted.
#[derive(Debug, Clone, Serialize)]
pub struct Rewind {
    /// Where the old head is kept: a ref of this clone's private store.
    pub backup: String,
    /// The head that this clone had confirmed.
    pub old: String,
    /// The head that the remote has now.
    pub new: String,
    /// How many commits the old head had beyond the new one.
    pub commits: usize,
    /// Whether there were still more, of which this clone knows nothing.
    pub more: bool,
    /// The operations that stood only in those commits, oldest first.
    pub operations: Vec<Undone>,
}

/// An operation that is no longer on the board.
#[derive(Debug, Clone, Serialize)]
pub struct Undone {
    /// The operation.
    pub op: OpId,
    /// What it did.
    pub verb: Verb,
    /// The task that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Who did it.
    pub actor: AgentName,
    /// The commit that carried it out, still in this clone's private store.
    pub commit: String,
    /// Whether it was made in this clone, which then tries it again.
    pub own: bool,
}

/// Takes the remote's head as the confirmed one.
///
/// # Errors
/// [`Failure`]; whatever of the steps was taken before is harmless and done again the next time.
pub(super) fn accept(session: &Session, rewound: &Rewound) -> Result<Rewind, Failure> {
    let board = &session.board;
    let gone = board.gone(rewound)?;
    let backup = board.keep_backup(rewound.old, &stamp(session))?;
    let own = session.made().all();
    let rewind = describe(rewound, backup, &gone, &own);
    for (_, operation) in gone.operations.into_iter().filter(|(_, operation)| own.contains(&operation.id)) {
        requeue(session, operation, rewound.new)?;
    }
    let waiting = session.queue().operations();
    if !waiting.is_empty() {
        let there = board.operations_in(rewound.new)?;
        for operation in waiting.into_iter().filter(|operation| !there.contains(&operation.id)) {
            let basis = operation.basis.head.as_deref().and_then(|head| head.parse().ok());
            // What it was based on is no part of the board any more: from there nobody can tell what became of it.
            if basis.is_some_and(|basis| !board.is_part_of(basis, rewound.new).unwrap_or(false)) {
                requeue(session, operation, rewound.new)?;
            }
        }
    }
    board.accept_rewind(rewound)?;
    forget_claims(session, &session.snapshot(Some(rewound.new))?);
    Ok(rewind)
}

fn describe(rewound: &Rewound, backup: String, gone: &Gone, own: &std::collections::HashSet<OpId>) -> Rewind {
    let undone = |(commit, operation): &(Oid, Operation)| Undone {
        op: operation.id,
        verb: operation.verb(),
        task: operation.task.clone(),
        actor: operation.actor.clone(),
        commit: commit.to_string(),
        own: own.contains(&operation.id),
    };
    Rewind {
        backup,
        old: rewound.old.to_string(),
        new: rewound.new.to_string(),
        commits: gone.commits,
        more: gone.more,
        operations: gone.operations.iter().map(undone).collect(),
    }
}

/// Returns the present instant in letters and digits that a ref may have: `20261121T031411Z`.
fn stamp(session: &Session) -> String {
    let text = rfc3339(session.now());
    let seconds = text.split('.').next().unwrap_or(&text);
    seconds.chars().filter(char::is_ascii_alphanumeric).chain(['Z']).collect()
}

/// Writes an operation to the queue as one that is based on the new head. It keeps its id: the commit that had carried
/// it out is no part of the board any more, and should it come back, the id is found.
fn requeue(session: &Session, operation: Operation, new: Oid) -> Result<(), Failure> {
    let basis = Basis { head: Some(new.to_string()), ..operation.basis };
    let path = session.board.state_dir().join("queue");
    let queue = session.queue();
    queue.remove(operation.id);
    queue
        .add(&Operation { basis, ..operation }, &Process::own())
        .map_err(|source| AccessFault::State { what: "write the queue", path, source }.into())
}

/// Forgets the claims that worktrees of this clone had won on the old line and that the new one does not know: the
/// next verb there would name an epoch that does not exist yet.
fn forget_claims(session: &Session, board: &Snapshot) {
    let common = &session.board.place.common_dir;
    let linked = fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten().map(|entry| entry.path());
    for git_dir in linked.chain([common.clone()]) {
        let notes = fs::read_dir(git_dir.join("squad").join("claims")).into_iter().flatten().flatten();
        for note in notes.map(|entry| entry.path()) {
            if !is_known(&note, board) {
                let _ = fs::remove_file(note);
            }
        }
    }
}

fn is_known(note: &Path, board: &Snapshot) -> bool {
    let name = note.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let task = name.split('@').next().and_then(|id| TaskId::new(id).ok());
    let noted = fs::read_to_string(note).ok().and_then(|text| text.trim().parse().ok()).map(Epoch);
    let now = task.and_then(|id| board.task(&id).ok().flatten()).map(|placed| placed.task.epoch);
    noted.zip(now).is_some_and(|(noted, now)| noted <= now)
}
