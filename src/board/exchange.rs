//! What goes to the remote and comes from it for publishing: the board and the outboxes, each with its own refs.
//!
//! Owns the names of those refs. An outbox is a commit without parents and files whose message is its text: one small
//! object, which every host takes and nobody's history holds.

use std::time::Duration;

use super::line::Line;
use super::store::{AccessFault, BoardStore};
use crate::git::{Expected, Fetched, Identity, Mirror, Oid, PushOutcome, Update};
use crate::model::outbox::{self, Outbox, OutboxFault};

/// Where the outboxes of the remote stand in the store.
const OUTBOXES: &str = "refs/squad/outboxes/";

/// How many commits are fetched at a time when older history is wanted.
pub(super) const DEEPEN_BY: u32 = 1000;

/// The outbox of a clone, to be pushed.
pub struct Post {
    /// The commit that holds it.
    pub commit: Oid,
    /// The ref on the remote.
    name: String,
    /// The value that it replaces.
    before: Option<Oid>,
}

impl BoardStore {
    /// Says where on the remote squad keeps refs of its own, by the board's configuration.
    pub fn set_namespace(&self, namespace: &str) {
        *self.namespace.borrow_mut() = namespace.trim_end_matches('/').to_owned();
    }

    /// Returns the outboxes as refs; nothing where the namespace and the board would be in each other's way.
    pub(super) fn mirror(&self) -> Option<Mirror> {
        self.mirror_of("outbox", OUTBOXES)
    }

    /// Returns a sort of refs on the remote, and where their copies are kept here.
    pub(super) fn mirror_of(&self, sort: &str, ours: &str) -> Option<Mirror> {
        Some(Mirror { theirs: self.beside_the_board(sort)?, ours: ours.to_owned() })
    }

    /// Returns the prefix of a sort of refs on the remote; nothing where the board would be in its way.
    pub(super) fn beside_the_board(&self, sort: &str) -> Option<String> {
        let theirs = format!("{}/{sort}/", self.namespace.borrow());
        let board = format!("refs/heads/{}", self.branch()?);
        let apart = !theirs.starts_with(&format!("{board}/")) && !board.starts_with(&theirs);
        let lawful = theirs.starts_with("refs/") && crate::git::is_branch_name(&format!("{theirs}x"));
        (apart && lawful).then_some(theirs)
    }

    /// Asks the remote for the head of the board and, after that, for the outboxes; records the head.
    ///
    /// # Errors
    /// [`AccessFault`]; no head is recorded then.
    pub fn fetch_all(&self, limit: Duration) -> Result<Oid, AccessFault> {
        self.fetch_beside(self.mirror().as_slice(), limit)
    }

    /// Asks the remote for the head of the board and, after that, for other refs; records the head.
    pub(super) fn fetch_beside(&self, mirrors: &[Mirror], limit: Duration) -> Result<Oid, AccessFault> {
        let Some(branch) = self.branch() else { return self.fetch(limit) };
        match self.remote.fetch(&self.store, &branch, mirrors, limit)? {
            Fetched::Head { head, before } => {
                let head = self.store.advance_tip(head, before)??;
                self.note_fetched();
                Ok(head)
            }
            Fetched::NoBranch => Err(AccessFault::NoBranch { remote: self.remote_label(), branch }),
        }
    }

    /// Returns the outboxes as the last fetch saw them: the clone and the commit of each.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be read.
    pub fn outboxes(&self) -> Result<Vec<(String, Oid)>, AccessFault> {
        let refs = self.store.refs_below(OUTBOXES)?;
        Ok(refs.into_iter().map(|(name, oid)| (name[OUTBOXES.len()..].to_owned(), oid)).collect())
    }

    /// Returns what an outbox says.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be read; the inner fault where what is there is no outbox.
    pub fn read_outbox(&self, commit: Oid) -> Result<Result<Outbox, OutboxFault>, AccessFault> {
        let bytes = self.store.size_of(commit)?;
        // The commit has a few lines besides the text.
        if bytes > outbox::MAX_BYTES as u64 + 4096 {
            return Ok(Err(OutboxFault::TooLarge { bytes }));
        }
        match self.store.read_commit(commit) {
            Ok(commit) => Ok(outbox::read(&commit.message)),
            Err(crate::git::GitError::WrongKind { .. }) => Ok(Err(OutboxFault::NoTitle)),
            Err(error) => Err(error.into()),
        }
    }

    /// Stores the outbox of a clone; nothing where there is no room for outboxes on the remote.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be written.
    pub fn post(
        &self,
        clone: &str,
        operations: &[crate::model::operation::Operation],
        by: &Identity,
    ) -> Result<Option<Post>, AccessFault> {
        let Some(mirror) = self.mirror() else { return Ok(None) };
        let before = self.store.ref_get(&format!("{OUTBOXES}{clone}"))?;
        let last = match before {
            Some(before) => self.read_outbox(before)?.map_or(0, |outbox| outbox.sequence),
            None => 0,
        };
        let text = outbox::write(clone, last + 1, operations);
        let empty = self.store.edit_tree(None, &[])?;
        let commit = self.store.commit(&[], empty, by, by, &text)?;
        Ok(Some(Post { commit, name: format!("{}{clone}", mirror.theirs), before }))
    }

    /// Pushes a version of the board, if the remote still has the one that it was built on, and beside it an outbox.
    /// `started` is told the process group of the git that does it.
    ///
    /// # Errors
    /// [`AccessFault`] where nothing was sent.
    pub fn push(
        &self,
        from: Option<Oid>,
        to: Oid,
        post: Option<&Post>,
        limit: Duration,
        started: &dyn Fn(u32),
    ) -> Result<(PushOutcome, Option<PushOutcome>), AccessFault> {
        let branch = self.branch().ok_or_else(|| AccessFault::NoBoard { looked_at: Vec::new() })?;
        let expected = |oid: Option<Oid>| oid.map_or(Expected::Absent, Expected::Exactly);
        let mut updates = vec![Update { name: format!("refs/heads/{branch}"), new: to, expected: expected(from) }];
        updates.extend(post.map(|post| Update {
            name: post.name.clone(),
            new: post.commit,
            expected: expected(post.before),
        }));
        // What a ref is to name, here or there, is on the disk first.
        self.store.harden()?;
        let mut outcomes = self.remote.push_refs(&self.store, &updates, limit, started)?.into_iter();
        let board = outcomes.next().expect("one outcome for each update");
        // What this replaces, the next push learns from the fetch that it begins with.
        Ok((board, outcomes.next()))
    }

    /// Fetches older history, for an operation that was made before what is here. Tells whether any came.
    pub fn deepen(&self, limit: Duration) -> bool {
        let Some(branch) = self.branch() else { return false };
        self.store.is_shallow() && self.remote.deepen(&self.store, &branch, Some(DEEPEN_BY), limit).is_ok()
    }

    /// Begins a line of changes on a version of the board; no version is an empty board.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the version cannot be read.
    pub fn line(&self, base: Option<Oid>, board: super::snapshot::Snapshot) -> Result<Line, AccessFault> {
        let tree = base.map(|head| self.store.read_commit(head)).transpose()?.map(|commit| commit.tree);
        Ok(Line::new(self.store.clone(), base, tree, board))
    }
}
