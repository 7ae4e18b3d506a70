//! Carrying out an action: from what is wanted to what the remote has.
//!
//! Every writing verb goes through [`Session::act`]. Owns how the truth about an operation becomes a result.

use serde_json::Value;

use super::failure::Failure;
use super::notify::notices_of;
use super::publish::{Answer, Trouble, UNCHANGED};
use super::publisher::{Led, publish, publish_all};
use super::session::{Freshness, Session, View, document};
use super::signing::sign;
use super::turn::{Came, Turn};
use crate::board::layout::task_path;
use crate::board::receipt::{self, Receipt};
use crate::board::render::{FileChange, files_of};
use crate::board::snapshot::Snapshot;
use crate::board::store::AccessFault;
use crate::failpoint::{Step, reach};
use crate::model::board::{Board, Decision, Place};
use crate::model::code::ErrorCode;
use crate::model::decide::decide;
use crate::model::id::{OpId, TaskId};
use crate::model::notice::Notice;
use crate::model::operation::{Action, Operation, Verb};
use crate::model::task::Task;
use crate::runner::process::Process;

/// What came of a writing verb.
#[derive(Debug, Default)]
pub struct Done {
    /// The tasks that were changed, as they are on the board now.
    pub tasks: Vec<Task>,
    /// The first of them as its file has it.
    pub document: Option<Value>,
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
    /// What of it concerns others, and nobody has told them yet.
    pub(super) notices: Vec<Notice>,
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
    pub fn act(&self, task: Option<&TaskId>, action: &Action) -> Result<Done, Failure> {
        self.act_on(task, action.verb(), |_| Ok(action.clone()))
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
        make: impl Fn(&View) -> Result<Action, Failure>,
    ) -> Result<Done, Failure> {
        if self.options.offline && !self.options.dry_run && !self.options.queue {
            return Err(offline(verb.command()));
        }
        self.agree_to_push()?;
        if self.options.dry_run || self.options.queue || self.options.offline {
            return self.act_alone(task, make);
        }
        if let Some(turn) = Turn::take(self)? {
            // Not even a no can be told from a board that is not the one which the remote has now.
            let view = self.view(Freshness::ToBuildOn)?.or_fault()?;
            self.must_be_whole(&view)?;
            let operation = self.asked(&view, task, &make)?;
            let mut done = self.publish_in(turn, &operation)?;
            done.warnings.extend(view.damage());
            return Ok(done);
        }
        // Another process of this clone is publishing. What it knows of the board is a moment old at most, and it, or
        // whoever leads after it, takes this operation along. What this one has fetched before may be older than that,
        // and is nothing to build on any more.
        self.fetched.set(None);
        let seen = self.view(Freshness::Seen)?;
        seen.must_be_true()?;
        self.must_be_whole(&seen)?;
        let operation = self.asked(&seen, task, &make);
        let result = operation.and_then(|operation| self.queue_up(&operation));
        match result {
            // Made on what another process had seen, which may have been too old by a moment to be asked of.
            Err(failure) if may_come_of_age(verb, failure.code) && self.options.epoch.is_none() => {
                let operation = self.asked(&self.view(Freshness::Now)?.or_fault()?, task, &make)?;
                self.queue_up(&operation)
            }
            result => result,
        }
    }

    /// Shows what a change would do, or keeps it for later.
    fn act_alone(
        &self,
        task: Option<&TaskId>,
        make: impl Fn(&View) -> Result<Action, Failure>,
    ) -> Result<Done, Failure> {
        let view = self.view(Freshness::Now)?;
        let waits = self.options.queue && !self.options.dry_run && (self.options.offline || view.degraded.is_some());
        // What waits for the remote can wait for the board to be whole as well: it was made on a version that was.
        if !(waits && view.is_broken) {
            view.must_be_true()?;
        }
        let view = if self.options.dry_run || waits { view } else { view.or_fault()? };
        self.must_be_whole(&view)?;
        let operation = self.asked(&view, task, &make)?;
        let mut done = if waits { self.enqueue(&operation) } else { self.publish(&operation) }?;
        done.warnings.extend(view.damage());
        Ok(done)
    }

    /// Makes the operation that asks for an action.
    fn asked(
        &self,
        view: &View,
        task: Option<&TaskId>,
        make: impl Fn(&View) -> Result<Action, Failure>,
    ) -> Result<Operation, Failure> {
        let action = make(view)?;
        // Whether they are in the roster is decided with everything else: a task that is not there comes first.
        let config = view.config()?;
        let actor = self.actor_name(config)?;
        let known = task.map(|id| view.placed(id)).transpose()?.map(|placed| placed.task);
        view.must_keep_secrets(task, &action)?;
        let operation = self.operation(Some(view.head), actor, known.as_ref(), action)?;
        if self.options.dry_run {
            return Ok(operation);
        }
        sign(operation, config, &self.board.settings, self.board.place.run_dir())
    }

    /// Keeps an operation in this clone until `sync` can publish it. It must be one that would be accepted on the
    /// board as this clone knows it.
    fn enqueue(&self, operation: &Operation) -> Result<Done, Failure> {
        let done = self.preview(operation)?;
        if done.unchanged.is_none() {
            self.add_to_queue(operation)?;
        }
        let provisional = done.unchanged.is_none().then_some(operation.id);
        Ok(Done { provisional, preview: None, ..done })
    }

    fn add_to_queue(&self, operation: &Operation) -> Result<(), Failure> {
        let path = self.board.state_dir().join("queue");
        let added = self.queue().add(operation, &Process::own());
        added.map_err(|source| AccessFault::State { what: "write the queue", path, source })?;
        reach(Step::Queued);
        Ok(())
    }

    /// Publishes an operation, or shows what it would change.
    ///
    /// # Errors
    /// As [`Session::act`].
    pub fn publish(&self, operation: &Operation) -> Result<Done, Failure> {
        if self.options.dry_run {
            return Ok(Done { dry_run: true, ..self.preview(operation)? });
        }
        match Turn::take(self)? {
            Some(turn) => self.publish_in(turn, operation),
            None => self.queue_up(operation),
        }
    }

    /// Carries out several operations with as few pushes as they can be carried out with, each with a receipt of its
    /// own, and returns what came of each.
    ///
    /// # Errors
    /// [`Failure`] where it is not known what came of any.
    pub(super) fn publish_together(&self, operations: &[Operation]) -> Result<Vec<Result<Done, Failure>>, Failure> {
        if let [operation] = operations {
            return Ok(vec![self.publish(operation)]);
        }
        if self.options.dry_run {
            return Ok(operations.iter().map(|operation| self.publish(operation)).collect());
        }
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        for operation in operations {
            self.add_to_queue(operation)?;
        }
        let turn = Turn::wait_for(self)?;
        let led = publish_all(self)?;
        drop(turn);
        let one = |operation: &Operation| {
            let done = match self.answer_among(&led, operation.id) {
                Some(answer) => self.done(operation, answer, &[]),
                None => {
                    Err(Failure::new(ErrorCode::Undecided, format!("it is open whether {} happened", operation.id))
                        .hint("`squad sync` settles it"))
                }
            };
            if !matches!(&done, Err(failure) if failure.code == ErrorCode::Undecided) {
                self.forget_when_told(operation.id);
            }
            done
        };
        let mut all: Vec<Result<Done, Failure>> = operations.iter().map(one).collect();
        let notices = all.iter_mut().flatten().flat_map(|done| std::mem::take(&mut done.notices)).collect();
        let warnings = self.notify(notices);
        if let Some(first) = all.iter_mut().flatten().next() {
            first.warnings.extend(warnings);
        }
        Ok(all)
    }

    /// Returns what came of an operation, of all that was published at once.
    pub(super) fn answer_among(&self, led: &Led, id: OpId) -> Option<Answer> {
        let answer = led.answers.iter().find(|(led, _)| *led == id).map(|(_, answer)| answer.clone());
        // Another process may have been faster.
        answer.or_else(|| self.queue().answer_to(id))
    }

    /// Leaves an operation to whoever has the turn; where nobody has it any more, publishes it.
    fn queue_up(&self, operation: &Operation) -> Result<Done, Failure> {
        if self.queue().answer_to(operation.id).is_none() {
            self.add_to_queue(operation)?;
        }
        let result = match Turn::wait(self, operation.id)? {
            Came::Turn(turn) => return self.publish_in(turn, operation),
            Came::Answer(answer) => self.done(operation, answer, &[]),
        };
        self.forget_when_told(operation.id);
        result.map(|done| self.told_of(done))
    }

    /// Publishes an operation for as long as this process has the turn, which it keeps until the checkout has followed:
    /// two that follow at once would be in each other's way.
    fn publish_in(&self, mut turn: Turn, operation: &Operation) -> Result<Done, Failure> {
        let led = publish(self, &turn, operation);
        if !matches!(led, Err(Trouble::Undecided { .. })) {
            self.forget_when_told(operation.id);
        }
        let mut led = led?;
        let at = led.answers.iter().position(|(id, _)| *id == operation.id);
        let (_, answer) = led.answers.swap_remove(at.expect("whoever leads waits for its own answer"));
        let files = led.files.remove(&operation.id).unwrap_or_default();
        let mut done = self.done(operation, answer, &files)?;
        done.warnings.extend(turn.warning.take());
        // Nobody waits for their turn while others are told.
        drop(turn);
        Ok(self.told_of(done))
    }

    /// Tells others what concerns them of it.
    fn told_of(&self, mut done: Done) -> Done {
        let warnings = self.notify(std::mem::take(&mut done.notices));
        done.warnings.extend(warnings);
        done
    }

    /// Makes an answer into what the user is told.
    pub(super) fn done(&self, operation: &Operation, answer: Answer, files: &[FileChange]) -> Result<Done, Failure> {
        match answer {
            Answer::Published { commit, pushes, warnings } => {
                let mut done = self.carried_out(operation, &commit)?;
                done.warnings = warnings;
                done.pushes = pushes;
                done.files = files.to_vec();
                Ok(done)
            }
            Answer::Settled { commit, refused: None, pushes } => {
                Ok(Done { pushes, ..self.carried_out(operation, &commit)? })
            }
            Answer::Settled { commit, refused: Some(code), .. } => self.refused_by(operation, &commit, &code),
            Answer::Unchanged { why, task } => self.unchanged(operation, task.as_ref(), why),
            Answer::Failed(failure) => Err(self.refused(failure)),
            Answer::Dropped => Err(Failure::new(ErrorCode::Internal, "the operation was dropped").hint("run it again")),
        }
    }

    fn unchanged(&self, operation: &Operation, task: Option<&TaskId>, why: String) -> Result<Done, Failure> {
        let mut done = Done { unchanged: Some(why), ..Done::default() };
        if let (Some(id), Some(head)) = (task, self.board.head()?) {
            let snapshot = self.snapshot(Some(head))?;
            done.receipt = self.last_receipt(id, |_| true)?;
            done.document = document(&snapshot, id)?;
            done.tasks.extend(snapshot.task(id)?.map(|placed| placed.task));
            self.remember_claims(&operation.actor, &done.tasks);
        }
        Ok(done)
    }

    /// Reads what an operation has done from the commit that carries it out, whoever made it.
    fn carried_out(&self, operation: &Operation, commit: &str) -> Result<Done, Failure> {
        let (message, snapshot) = self.at_commit(commit)?;
        let mut done = Done { receipt: receipt::parse(commit, &message), ..Done::default() };
        drop(message);
        let named = done.receipt.iter().flat_map(|r| r.task.iter().chain(&r.tasks)).cloned().collect::<Vec<_>>();
        // An operation on many tasks may have found some of them as it would have left them.
        let is_mass = named.is_empty() && operation.task.is_none();
        let has_part = |task: &Task| task.state_history.iter().any(|entry| entry.op == Some(operation.id));
        for id in if named.is_empty() { operation.tasks() } else { named } {
            let task = snapshot.task(&id)?.map(|placed| placed.task);
            done.tasks.extend(task.filter(|task| !is_mass || has_part(task)));
        }
        done.document = done.task().map(|task| document(&snapshot, &task.id)).transpose()?.flatten();
        self.remember_claims(&operation.actor, &done.tasks);
        done.notices = notices_of(self, operation, &done, &snapshot);
        Ok(done)
    }

    /// The board says that the operation was refused, by a code; why can be told from that commit's own tree, on which
    /// it was judged.
    fn refused_by(&self, operation: &Operation, commit: &str, code: &str) -> Result<Done, Failure> {
        let (_, snapshot) = self.at_commit(commit)?;
        match decide(&snapshot, operation)? {
            Decision::Refused(refusal) => Err(self.refused(refusal.into())),
            Decision::Unchanged(unchanged) => {
                self.unchanged(operation, unchanged.task.map(|t| t.id).as_ref(), unchanged.why)
            }
            _ if code == UNCHANGED => {
                self.unchanged(operation, operation.task.as_ref(), "it was already so".to_owned())
            }
            // Judged by a squad whose rules are others.
            _ => {
                let code = code.parse().unwrap_or(ErrorCode::NotPermitted);
                let failure = Failure::new(code, format!("the {} was refused", operation.verb().command()));
                Err(failure.with("op", operation.id.as_str()).with("commit", commit))
            }
        }
    }

    fn at_commit(&self, commit: &str) -> Result<(String, Snapshot), Failure> {
        let Some((source, oid)) = self.board.resolve(commit)? else {
            return Err(Failure::new(ErrorCode::Internal, format!("commit {commit} is missing")));
        };
        let message = source.objects().read_commit(oid).map_err(AccessFault::from)?.message;
        Ok((message, self.board.snapshot_of(source, oid)?))
    }

    /// Adds to a lost race which commit won it.
    fn refused(&self, failure: Failure) -> Failure {
        if failure.code != ErrorCode::LostRace {
            return failure;
        }
        let named = |key: &str| failure.data.get(key).and_then(Value::as_str);
        let (Some(task), Some(holder)) = (named("task"), named("holder")) else { return failure };
        let Ok(task) = TaskId::new(task) else { return failure };
        let won = |r: &Receipt| r.actor.as_str() == holder && r.verb == Verb::Claim;
        let winner = self.last_receipt(&task, won).ok().flatten().map(|r| r.commit);
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
            Verb::Init => self.board.branch().map(|b| self.board.look(&b, self.limits.network)).transpose()?.flatten(),
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
                done.document = changes.tasks.first().and_then(|first| written(&files, &first.task.id, &first.after));
                done.tasks.extend(changes.tasks.into_iter().map(|change| change.task));
                let subject = message.lines().next().unwrap_or_default().to_owned();
                done.preview = Some(Preview { subject, files: shown });
                Ok(done)
            }
            Decision::Unchanged(unchanged) => {
                self.unchanged(operation, unchanged.task.map(|t| t.id).as_ref(), unchanged.why)
            }
            Decision::AlreadyDecided(decided) => self.carried_out(operation, &decided.commit),
            Decision::Refused(refusal) => Err(self.refused(refusal.into())),
        }
    }
}

/// Tells whether a refusal may come from having looked at the board a moment too early.
fn may_come_of_age(verb: Verb, code: ErrorCode) -> bool {
    match code {
        ErrorCode::StaleEpoch | ErrorCode::NotFound | ErrorCode::UnknownAgent => true,
        // Another claim was faster; another edit was perhaps only seen too late.
        ErrorCode::LostRace => verb == Verb::Edit,
        _ => false,
    }
}

pub(super) fn offline(verb: &str) -> Failure {
    Failure::new(ErrorCode::RemoteUnreachable, format!("cannot {verb} offline"))
        .why("a change counts only once the remote has it, and --offline forbids to ask the remote")
        .hint("leave --offline out")
}

fn written(files: &[FileChange], id: &TaskId, place: &Place) -> Option<Value> {
    let path = task_path(id, place);
    let content = files.iter().find(|f| f.path == path)?.content.as_deref()?;
    serde_json::from_slice(content).ok()
}

/// Returns the difference of two texts, as `diff -u` shows it.
pub(super) fn difference(old: &[u8], new: &[u8], path: &str) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    similar::TextDiff::from_lines(old.as_ref(), new.as_ref())
        .unified_diff()
        .context_radius(2)
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}
