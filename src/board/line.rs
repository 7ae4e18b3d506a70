//! A line of changes on top of a head, in the making: versions of the board that nobody has seen yet.
//!
//! Owns how changes follow on each other, and their commits. Each change is decided on the version before it; commits
//! are made at the end, since the last one bears witness to what was refused.

use std::collections::HashMap;
use std::rc::Rc;

use super::commits::{Source, TreeFiles};
use super::receipt;
use super::render::{FileChange, RenderFault, rendered};
use super::snapshot::Snapshot;
use super::store::AccessFault;
use crate::git::{Identity, Oid, Store};
use crate::model::board::{Board, Changeset, Decided};
use crate::model::config::address_of;
use crate::model::id::OpId;
use crate::model::operation::Operation;

/// A line of changes.
pub struct Line {
    store: Rc<Store>,
    base: Option<Oid>,
    tree: Option<Oid>,
    /// The board at the end of the line, but for the last change.
    board: Option<Snapshot>,
    /// The last change, which the board follows when it is asked for: nobody asks for it behind the end.
    last: Option<(Oid, Changeset)>,
    decided: HashMap<OpId, Decided>,
    steps: Vec<Step>,
}

struct Step {
    op: OpId,
    tree: Oid,
    author: Identity,
    message: String,
}

/// A line whose commits are stored.
pub struct Made {
    /// The last commit; the base where there is none.
    pub head: Oid,
    /// Which commit carries out which operation.
    pub commits: Vec<(OpId, Oid)>,
}

/// Why a change cannot follow.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// It cannot become files, or not lawful ones.
    #[error(transparent)]
    Render(#[from] RenderFault),
    /// It cannot be stored.
    #[error(transparent)]
    Access(#[from] AccessFault),
}

impl Line {
    /// Begins a line on a version of the board.
    pub(super) fn new(store: Rc<Store>, base: Option<Oid>, tree: Option<Oid>, board: Snapshot) -> Self {
        Self { store, base, tree, board: Some(board), last: None, decided: HashMap::new(), steps: Vec::new() }
    }

    /// Returns the board at the end of the line.
    pub fn board(&mut self) -> &Snapshot {
        if let Some((tree, changes)) = self.last.take() {
            let files = TreeFiles::new(Source::Store(self.store.clone()), Some(tree));
            let before = self.board.take().expect("it is put back below");
            let after = before.succeeded_by(Box::new(files), &changes);
            self.board = Some(after.with_decided(self.decided.clone()));
        }
        self.board.as_ref().expect("it is only taken above")
    }

    /// Adds a change to the end; where that fails, the line stays as it is. Returns the files that it writes.
    ///
    /// # Errors
    /// [`LineFault`].
    pub fn add(&mut self, operation: &Operation, changes: Changeset) -> Result<Vec<FileChange>, LineFault> {
        let files = rendered(self.board(), &changes)?;
        let mut edits = Vec::with_capacity(files.len());
        for file in &files {
            let blob = file.change.content.as_deref().map(|bytes| self.store.write_blob(bytes)).transpose();
            let blob = blob.map_err(AccessFault::from)?;
            if let (Some(blob), Some(read)) = (blob, &file.read) {
                self.board().keep(blob, read.clone());
            }
            edits.push((file.change.path.clone(), blob));
        }
        let tree = self.store.edit_tree(self.tree, &edits).map_err(AccessFault::from)?;
        let step = Step {
            op: operation.id,
            tree,
            author: author(operation, self.board(), &changes),
            message: receipt::message(operation, &changes.receipt),
        };
        self.tree = Some(tree);
        // Carried out by a commit that has no name yet, which nobody asks for.
        self.decided.insert(operation.id, Decided { commit: String::new(), refused: None });
        self.last = Some((tree, changes));
        self.steps.push(step);
        Ok(files.into_iter().map(|file| file.change).collect())
    }

    /// Stores the commits. The last one, an empty one where there is none, bears witness to these refusals.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where the store cannot be written.
    pub fn seal(mut self, committer: &Identity, refused: &[(OpId, String)]) -> Result<Made, AccessFault> {
        if self.steps.is_empty() && !refused.is_empty() {
            let tree = match self.tree {
                Some(tree) => tree,
                None => self.store.edit_tree(None, &[])?,
            };
            let op = refused[0].0;
            self.steps.push(Step { op, tree, author: committer.clone(), message: receipt::refusal(refused.len()) });
        }
        let last = self.steps.len().saturating_sub(1);
        let (mut parent, mut commits) = (self.base, Vec::new());
        for (n, step) in self.steps.into_iter().enumerate() {
            let witness = if n == last { receipt::with_refusals(step.message, refused) } else { step.message };
            let parents: Vec<Oid> = parent.into_iter().collect();
            let commit = self.store.commit(&parents, step.tree, &step.author, committer, &witness)?;
            commits.push((step.op, commit));
            parent = Some(commit);
        }
        let head = parent.ok_or_else(|| AccessFault::NoBoard { looked_at: Vec::new() })?;
        Ok(Made { head, commits })
    }
}

/// The author is who acts, by the roster's address for them.
fn author(operation: &Operation, board: &Snapshot, changes: &Changeset) -> Identity {
    let config = changes.new_config().or_else(|| board.config().ok().flatten());
    let email = config.and_then(|c| c.agent(&operation.actor)).and_then(|a| a.email.clone());
    Identity {
        name: operation.actor.as_str().to_owned(),
        email: email.unwrap_or_else(|| address_of(&operation.actor)),
        at_ms: operation.at.0,
    }
}
