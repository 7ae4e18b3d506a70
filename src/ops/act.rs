//! Carrying out an action: from what is wanted to what the remote has.
//!
//! Every writing verb goes through [`Session::act`]. Owns how the truth about an operation becomes a result.

use serde_json::Value;

use super::failure::Failure;
use super::publish::{Outcome, publish};
use super::publisher::{PUBLISH_LIMIT, Publisher};
use super::session::{Freshness, NETWORK_LIMIT, Session, View, document};
use crate::board::layout::task_path;
use crate::board::receipt::{self, Receipt};
use crate::board::render::{FileChange, files_of};
use crate::board::store::AccessFault;
use crate::board::{Follow, Oid};
use crate::model::board::{Board, Changeset, Decided, Decision, Place};
use crate::model::code::ErrorCode;
use crate::model::decide::decide;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Action, Operation, Verb};
use crate::model::refusal::Refusal;
use crate::model::task::Task;

/// What came of a writing verb.
#[derive(Debug, Default)]
pub struct Done {
    /// The tasks that were changed, as they are on the board now.
    pub tasks: Vec<Task>,
    /// The same tasks as their files have them.
    pub documents: Vec<Value>,
    /// The receipt; `None` where nothing was changed and no earlier one is known.
    pub receipt: Option<Receipt>,
    /// Why nothing was changed, where nothing was.
    pub unchanged: Option<String>,
    /// How many pushes it took.
    pub pushes: u32,
    /// What the actor should know though it was no reason to refuse.
    pub warnings: Vec<String>,
    /// The files that were written and removed.
    pub files: Vec<FileChange>,
    /// The operation, where it waits in this clone for the remote.
    pub provisional: Option<OpId>,
    /// Whether this was only tried.
    pub dry_run: bool,
    /// What would be written, for a dry run.
    pub preview: Option<Preview>,
}

impl Done {
    /// Returns the one task that it was about.
    pub fn task(&self) -> Option<&Task> {
        self.tasks.first()
    }
}

/// What a dry run shows.
#[derive(Debug)]
pub struct Preview {
    /// The subject of the commit.
    pub subject: String,
    /// The files, each with its difference as text.
    pub files: Vec<(String, String)>,
}

impl Session {
    /// Carries out an action on a task, or on the board.
    ///
    /// # Errors
    /// [`Failure`], which says why it did not happen; only with `undecided` it still may.
    pub fn act(&self, task: Option<&TaskId>, action: Action) -> Result<Done, Failure> {
        self.act_on(task, action.verb(), |_| Ok(action))
    }

    /// Carries out an action that is made from the board as it is now: one look serves what is asked for and what is
    /// decided.
    ///
    /// # Errors
    /// As [`Session::act`], or what `make` returns.
    pub fn act_on(
        &self,
        task: Option<&TaskId>,
        verb: Verb,
        make: impl FnOnce(&View) -> Result<Action, Failure>,
    ) -> Result<Done, Failure> {
        if self.options.offline && !self.options.dry_run && !self.options.queue {
            return Err(offline(verb));
        }
        self.agree_to_push()?;
        // The epoch that a verb names, where nothing else says which, must be one that the remote has now.
        let view = self.view(Freshness::Now)?;
        view.must_be_true()?;
        let action = make(&view)?;
        // Whether they are in the roster is decided with everything else: a task that is not there comes first.
        let actor = self.actor_name(view.config()?)?;
        let waits = self.options.queue && !self.options.dry_run && (self.options.offline || view.degraded.is_some());
        if let Some(fault) = view.fault.clone().filter(|_| !self.options.dry_run && !waits) {
            return Err(fault);
        }
        let known = task.map(|id| view.placed(id)).transpose()?.map(|placed| placed.task);
        let operation = self.operation(Some(view.head), actor, known.as_ref(), action)?;
        if waits { self.enqueue(&operation) } else { self.publish(&operation) }
    }

    /// Keeps an operation in this clone until `sync` can publish it. It must be one that would be accepted on the
    /// board as this clone knows it.
    fn enqueue(&self, operation: &Operation) -> Result<Done, Failure> {
        let done = self.preview(operation)?;
        if done.unchanged.is_none() {
            let path = self.board.state_dir().join("queue");
            self.pending().add(operation).map_err(|source| AccessFault::State {
                what: "write the queue",
                path,
                source,
            })?;
        }
        let provisional = done.unchanged.is_none().then_some(operation.id);
        Ok(Done { provisional, preview: None, ..done })
    }

    /// Publishes an operation, or shows what it would change.
    ///
    /// # Errors
    /// As [`Session::act`].
    pub fn publish(&self, operation: &Operation) -> Result<Done, Failure> {
        if self.options.dry_run {
            return Ok(Done { dry_run: true, ..self.preview(operation)? });
        }
        let mut publisher = Publisher::new(self, operation.verb() == Verb::Init)?;
        // The turn is kept until the checkout has followed: two that follow at once would be in each other's way.
        match publish(&mut publisher, operation, PUBLISH_LIMIT) {
            Ok(Outcome::Published(published)) => {
                let head = published.head.expect("what was published has a commit");
                self.published(operation, head, &published.changes, &published.files, published.pushes)
            }
            Ok(Outcome::Unchanged(unchanged)) => self.unchanged(operation, unchanged.task.map(|t| *t), unchanged.why),
            Ok(Outcome::Settled(decided)) => self.settled(operation, &decided),
            Ok(Outcome::Refused(refusal)) => Err(self.refused(refusal)),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn published(
        &self,
        operation: &Operation,
        head: Oid,
        changes: &Changeset,
        files: &[FileChange],
        pushes: u32,
    ) -> Result<Done, Failure> {
        let message = receipt::message(operation, &changes.receipt);
        let mut done = Done {
            receipt: receipt::parse(&head.to_string(), &message),
            pushes,
            warnings: changes.warnings.clone(),
            files: files.to_vec(),
            ..Done::default()
        };
        for change in &changes.tasks {
            done.documents.extend(written(files, &change.task.id, &change.after));
            done.tasks.push(change.task.clone());
        }
        self.remember_claims(&operation.actor, &done.tasks);
        let locks = changes.config.as_ref().map(|c| c.locks.file.clone());
        self.follow(head, locks, &mut done);
        Ok(done)
    }

    /// Lets the checkout of the board branch follow; where it may not, says so in one line.
    fn follow(&self, head: Oid, locks: Option<String>, done: &mut Done) {
        let locks = locks.unwrap_or_else(|| self.snapshot(Some(head)).map(|s| s.locks_path()).unwrap_or_default());
        let why = match self.board.follow(head, &locks) {
            Ok(Follow::NotCheckedOut | Follow::Followed) => return,
            Ok(Follow::Left { why }) => why,
            Err(fault) => fault.to_string(),
        };
        done.warnings.push(format!("published; your checkout was left as it is: {why}"));
    }

    fn unchanged(&self, operation: &Operation, task: Option<Task>, why: String) -> Result<Done, Failure> {
        let mut done = Done { unchanged: Some(why), ..Done::default() };
        if let Some(task) = task {
            self.remember_claims(&operation.actor, std::slice::from_ref(&task));
            done.receipt = self.last_receipt(&task.id, |_| true)?;
            if let Some(head) = self.board.head()? {
                done.documents.extend(document(&self.snapshot(Some(head))?, &task.id)?);
            }
            done.tasks.push(task);
        }
        Ok(done)
    }

    /// An earlier try of the same operation had come through, or had been refused.
    fn settled(&self, operation: &Operation, decided: &Decided) -> Result<Done, Failure> {
        if let Some(code) = &decided.refused {
            let code = code.parse().unwrap_or(ErrorCode::NotPermitted);
            return Err(Failure::new(code, format!("an earlier try of this {} was refused", operation.verb()))
                .with("op", operation.id.as_str())
                .with("commit", decided.commit.as_str()));
        }
        let Some((source, commit)) = self.board.resolve(&decided.commit)? else {
            return Err(Failure::new(ErrorCode::Internal, format!("commit {} is missing", decided.commit)));
        };
        let message = source.objects().read_commit(commit).map_err(AccessFault::from)?.message;
        let mut done = Done { receipt: receipt::parse(&decided.commit, &message), ..Done::default() };
        let snapshot = self.board.snapshot_of(source, commit)?;
        let named = done.receipt.iter().flat_map(|r| r.task.iter().chain(&r.tasks)).cloned().collect::<Vec<_>>();
        for id in named {
            done.documents.extend(document(&snapshot, &id)?);
            done.tasks.extend(snapshot.task(&id)?.map(|placed| placed.task));
        }
        self.remember_claims(&operation.actor, &done.tasks);
        if let Some(head) = self.board.head()? {
            self.follow(head, None, &mut done);
        }
        Ok(done)
    }

    /// Adds to a lost race which commit won it.
    fn refused(&self, refusal: Refusal) -> Failure {
        let winner = match &refusal {
            Refusal::LostRace { task, holder, .. } => self
                .last_receipt(task, |r| r.actor == *holder && r.verb == Verb::Claim)
                .ok()
                .flatten()
                .map(|r| r.commit),
            _ => None,
        };
        let failure = Failure::from(refusal);
        match winner {
            Some(commit) => failure.with("commit", commit),
            None => failure,
        }
    }

    /// Returns the newest receipt of a task that passes the test, among the history that is here.
    fn last_receipt(&self, task: &TaskId, test: impl Fn(&Receipt) -> bool) -> Result<Option<Receipt>, Failure> {
        let Some(head) = self.board.head()? else { return Ok(None) };
        let mut found = None;
        self.board.receipts(head, None, |receipt| {
            let about = receipt.task.as_ref() == Some(task) || receipt.tasks.contains(task);
            if about && test(&receipt) {
                found = Some(receipt);
            }
            found.is_none()
        })?;
        Ok(found)
    }

    /// Decides without publishing, and shows what would be written.
    fn preview(&self, operation: &Operation) -> Result<Done, Failure> {
        let head = match operation.verb() {
            Verb::Init => self.board.branch().map(|b| self.board.look(&b, NETWORK_LIMIT)).transpose()?.flatten(),
            // What this very operation was made on, so that both speak of the same board.
            _ => operation.basis.head.as_deref().and_then(|head| head.parse().ok()).or(self.board.head()?),
        };
        let snapshot = self.snapshot(head)?;
        match decide(&snapshot, operation)? {
            Decision::Applied(changes) => {
                let files = files_of(&snapshot, &changes)?;
                let message = receipt::message(operation, &changes.receipt);
                let mut done = Done { warnings: changes.warnings.clone(), ..Done::default() };
                let mut shown = Vec::new();
                for file in &files {
                    let old = match snapshot.files().find(&file.path).ok().flatten() {
                        Some(entry) => snapshot.files().read(&file.path, &entry).unwrap_or_default(),
                        None => Vec::new(),
                    };
                    let new = file.content.clone().unwrap_or_default();
                    shown.push((file.path.clone(), difference(&old, &new, &file.path)));
                }
                for change in &changes.tasks {
                    done.documents.extend(written(&files, &change.task.id, &change.after));
                    done.tasks.push(change.task.clone());
                }
                let subject = message.lines().next().unwrap_or_default().to_owned();
                done.preview = Some(Preview { subject, files: shown });
                Ok(done)
            }
            Decision::Unchanged(unchanged) => self.unchanged(operation, unchanged.task.map(|t| *t), unchanged.why),
            Decision::AlreadyDecided(decided) => self.settled(operation, &decided),
            Decision::Refused(refusal) => Err(self.refused(refusal)),
        }
    }
}

fn offline(verb: Verb) -> Failure {
    Failure::new(ErrorCode::RemoteUnreachable, format!("cannot {} offline", verb.command()))
        .why("a change counts only once the remote has it, and --offline forbids to ask the remote")
        .hint("leave --offline out")
}

fn written(files: &[FileChange], id: &TaskId, place: &Place) -> Option<Value> {
    let path = task_path(id, place);
    let content = files.iter().find(|f| f.path == path)?.content.as_deref()?;
    serde_json::from_slice(content).ok()
}

/// Returns the difference of two texts, as `diff -u` shows it.
fn difference(old: &[u8], new: &[u8], path: &str) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    similar::TextDiff::from_lines(old.as_ref(), new.as_ref())
        .unified_diff()
        .context_radius(2)
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}
