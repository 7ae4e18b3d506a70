//! One command's view of the world: where it stands, who acts, what time it is.
//!
//! Owns how an operation is made and how the answer to it becomes a result. Every writing verb goes through
//! [`Session::act`].

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::failure::Failure;
use super::pending::Pending;
use super::publish::{Outcome, publish};
use super::publisher::{PUBLISH_LIMIT, Publisher};
use crate::board::layout::task_path;
use crate::board::receipt::{self, Receipt};
use crate::board::render::{FileChange, files_of};
use crate::board::snapshot::Snapshot;
use crate::board::store::{AccessFault, BoardStore, write_whole};
use crate::board::{Follow, Oid};
use crate::clock::Clock;
use crate::model::board::{Board, Changeset, Decided, Decision, Place, Placed};
use crate::model::code::ErrorCode;
use crate::model::config::{Agent, BoardConfig};
use crate::model::decide::decide;
use crate::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
use crate::model::operation::{Action, Basis, Operation, Verb};
use crate::model::refusal::Refusal;
use crate::model::task::Task;
use crate::model::vocabulary::AgentKind;

/// Longest wait for one answer of the remote.
pub const NETWORK_LIMIT: Duration = Duration::from_secs(30);

/// What the command line says about the whole command.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where to look for the repository.
    pub dir: PathBuf,
    /// Who acts, where it is said.
    pub agent: Option<AgentName>,
    /// Under which claim, where it is said.
    pub epoch: Option<Epoch>,
    /// Whether the remote may not be asked.
    pub offline: bool,
    /// Whether to show what would change and change nothing.
    pub dry_run: bool,
    /// Whether to keep what nothing can refuse in this clone, where the remote is out of reach.
    pub queue: bool,
    /// The remote to publish to, where it is said.
    pub remote: Option<String>,
}

/// One command's view of the world.
pub struct Session {
    /// This clone's access to the board.
    pub board: Rc<BoardStore>,
    /// The clock.
    pub clock: Rc<dyn Clock>,
    /// What the command line says.
    pub options: Options,
    /// The head that this command has fetched and not built on yet.
    pub fetched: Cell<Option<Oid>>,
    /// The version that was looked at last: a command asks for the same one again and again.
    seen: RefCell<Option<(Oid, Snapshot)>>,
}

/// How fresh the board must be for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As fresh as the board's settings ask for.
    Due,
    /// Fetched now.
    Now,
}

/// The board at one head.
pub struct View {
    /// The board.
    pub snapshot: Snapshot,
    /// The version.
    pub head: Oid,
    /// Why it may be out of date, where the remote should have been asked and did not answer.
    pub degraded: Option<String>,
    /// The same, for whoever cannot go on without.
    fault: Option<Failure>,
}

impl View {
    /// Returns the configuration.
    ///
    /// # Errors
    /// [`Failure`] when it is not there or broken.
    pub fn config(&self) -> Result<&BoardConfig, Failure> {
        Ok(self.snapshot.require_config()?)
    }

    /// Returns the task with its document.
    ///
    /// # Errors
    /// [`Failure`] `not-found`, or `invalid` where its file is broken.
    pub fn task(&self, id: &TaskId) -> Result<(Task, Value), Failure> {
        let task = self.placed(id)?.task;
        let document = document(&self.snapshot, id)?.ok_or_else(|| not_found(id))?;
        Ok((task, document))
    }

    fn placed(&self, id: &TaskId) -> Result<Placed, Failure> {
        self.snapshot.task(id)?.ok_or_else(|| not_found(id))
    }
}

fn not_found(task: &TaskId) -> Failure {
    Refusal::NotFound { what: "task", name: task.to_string() }.into()
}

/// Returns a task's file as a value.
///
/// # Errors
/// [`Failure`] when it cannot be read.
pub fn document(snapshot: &Snapshot, id: &TaskId) -> Result<Option<Value>, Failure> {
    let Some(place) = snapshot.place(id)? else { return Ok(None) };
    let bytes = snapshot.task_bytes(id, &place)?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

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
    /// Finds the repository and the board's remote.
    ///
    /// # Errors
    /// [`Failure`] where there is no usable repository.
    pub fn open(options: Options, clock: Rc<dyn Clock>) -> Result<Self, Failure> {
        let board = BoardStore::open(&options.dir, options.remote.as_deref())?;
        board.recall_branch();
        Ok(Self { board: Rc::new(board), clock, options, fetched: Cell::new(None), seen: RefCell::new(None) })
    }

    /// Returns now.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Returns the board as fresh as asked for; where the remote does not answer, as it was last seen.
    ///
    /// # Errors
    /// [`Failure`] where there is no board, or nothing of it was ever seen.
    pub fn view(&self, freshness: Freshness) -> Result<View, Failure> {
        let known = self.board.head()?.filter(|_| self.board.branch().is_some());
        if self.options.offline {
            let head = match known {
                Some(head) => head,
                None => self.board.recall()?,
            };
            return self.view_at(head);
        }
        if let Some(head) = known
            && freshness == Freshness::Due
            && self.is_fresh(head)
        {
            return self.view_at(head);
        }
        match (self.board.fetch(NETWORK_LIMIT), known) {
            (Ok(head), _) => {
                self.fetched.set(Some(head));
                self.view_at(head)
            }
            (Err(AccessFault::Fetch(fault)), Some(head)) => {
                let degraded = Some(fault.to_string());
                Ok(View { degraded, fault: Some(AccessFault::Fetch(fault).into()), ..self.view_at(head)? })
            }
            (Err(fault), _) => Err(fault.into()),
        }
    }

    fn is_fresh(&self, head: Oid) -> bool {
        let seconds = self.snapshot(Some(head)).ok().and_then(|s| Some(s.config().ok()??.timing.fetch_seconds));
        let limit = Duration::from_secs(seconds.unwrap_or(0));
        self.board.fetched_ago().is_some_and(|ago| ago < limit)
    }

    fn view_at(&self, head: Oid) -> Result<View, Failure> {
        Ok(View { snapshot: self.snapshot(Some(head))?, head, degraded: None, fault: None })
    }

    /// Returns the board at a version, with whatever this command has read of it before; no version is an empty board.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the version cannot be read.
    pub fn snapshot(&self, head: Option<Oid>) -> Result<Snapshot, AccessFault> {
        let Some(head) = head else { return self.board.snapshot(None) };
        if let Some((_, snapshot)) = self.seen.borrow().as_ref().filter(|(seen, _)| *seen == head) {
            return Ok(snapshot.clone());
        }
        let snapshot = self.board.snapshot(Some(head))?;
        *self.seen.borrow_mut() = Some((head, snapshot.clone()));
        Ok(snapshot)
    }

    /// Returns who acts.
    ///
    /// # Errors
    /// [`Failure`] `unknown-agent` when nobody is named, or somebody who is not in the roster.
    pub fn actor<'a>(&self, config: &'a BoardConfig) -> Result<&'a Agent, Failure> {
        let name = self.actor_name(config)?;
        config.agent(&name).ok_or_else(|| Refusal::UnknownAgent { name }.into())
    }

    /// Returns the name of who acts, whether it is in the roster or not.
    ///
    /// # Errors
    /// [`Failure`] `unknown-agent` when nobody is named.
    pub fn actor_name(&self, config: &BoardConfig) -> Result<AgentName, Failure> {
        let settings = &self.board.settings;
        let named = match &self.options.agent {
            Some(name) => Some(name.clone()),
            None => settings.get("squad.agent").map(AgentName::new).transpose().map_err(|bad| {
                Failure::new(ErrorCode::Invalid, format!("git config squad.agent: {bad}"))
                    .hint("`git config squad.agent NAME` sets another")
            })?,
        };
        if let Some(name) = named {
            return Ok(name);
        }
        let email = settings.get("user.email");
        let person = config.agents.iter().find(|agent| {
            agent.kind == AgentKind::Human
                && email.is_some_and(|email| agent.email.as_deref().is_some_and(|e| e.eq_ignore_ascii_case(email)))
        });
        person.map(|agent| agent.name.clone()).ok_or_else(|| {
            Failure::new(ErrorCode::UnknownAgent, "nobody is named to act")
                .why(match email {
                    Some(email) => format!("no person of the roster has git's user.email, {email}"),
                    None => "git has no user.email to go by".to_owned(),
                })
                .hint("say `--agent NAME`, or set SQUAD_AGENT or `git config squad.agent NAME`; `squad agents` lists the names")
        })
    }

    /// Makes an operation. An earlier one that asks for the same and whose outcome is not known is taken up again,
    /// with its id: it may have happened.
    ///
    /// # Errors
    /// [`Failure`] when this clone's own state cannot be read, or the machine has no randomness.
    pub fn operation(
        &self,
        head: Option<Oid>,
        actor: AgentName,
        task: Option<&Task>,
        action: Action,
    ) -> Result<Operation, Failure> {
        let id = task.map(|t| t.id.clone());
        if let Some(earlier) = self.pending().find(&action, id.as_ref(), &actor) {
            return Ok(earlier);
        }
        let at = self.now();
        let mut random = [0u8; 10];
        getrandom::fill(&mut random)
            .map_err(|e| Failure::new(ErrorCode::Internal, format!("the machine gives no random numbers: {e}")))?;
        let epoch = task.map(|task| self.named_epoch(task, &actor, action.verb()));
        Ok(Operation {
            id: OpId::from_parts(at, random),
            action,
            task: id,
            actor,
            basis: Basis { head: head.map(|h| h.to_string()), epoch },
            at,
        })
    }

    /// Returns which claim a verb of this worktree means: the one that was said, else the one that it won, else the
    /// current one.
    fn named_epoch(&self, task: &Task, actor: &AgentName, verb: Verb) -> Epoch {
        let won = || match verb {
            Verb::Claim => None,
            _ => fs::read_to_string(self.claim_file(&task.id, actor)).ok()?.trim().parse().ok().map(Epoch),
        };
        self.options.epoch.or_else(won).unwrap_or(task.epoch)
    }

    fn claim_file(&self, task: &TaskId, actor: &AgentName) -> PathBuf {
        self.board.place.git_dir.join("squad").join("claims").join(format!("{task}@{}", actor.folded()))
    }

    /// Remembers which claims this worktree has won, so that a later command of the same agent here names them.
    fn remember_claims(&self, actor: &AgentName, tasks: &[Task]) {
        for task in tasks {
            let file = self.claim_file(&task.id, actor);
            match task.claim.as_ref().filter(|c| c.agent == *actor) {
                // Losing the note costs nothing but the fence: the verb then names the current epoch.
                Some(claim) => {
                    let made = file.parent().map(fs::create_dir_all);
                    if made.is_some_and(|made| made.is_ok()) {
                        let _ = write_whole(&file, claim.epoch.to_string().as_bytes());
                    }
                }
                None => {
                    let _ = fs::remove_file(file);
                }
            }
        }
    }

    /// Returns the operations of this clone whose outcome is not known.
    pub fn pending(&self) -> Pending {
        Pending::new(self.board.state_dir().join("queue"))
    }

    /// Carries out an action on a task, or on the board.
    ///
    /// # Errors
    /// [`Failure`], which says why it did not happen; only with `undecided` it still may.
    pub fn act(&self, task: Option<&TaskId>, action: Action) -> Result<Done, Failure> {
        if self.options.offline && !self.options.dry_run && !self.options.queue {
            return Err(offline(action.verb()));
        }
        // The epoch that a verb names, where nothing else says which, must be one that the remote has now.
        let view = self.view(Freshness::Now)?;
        // Whether they are in the roster is decided with everything else: a task that is not there comes first.
        let actor = self.actor_name(view.config()?)?;
        if self.options.queue && !self.options.dry_run && (self.options.offline || view.degraded.is_some()) {
            return self.enqueue(&view, actor, task, action);
        }
        if let Some(fault) = view.fault.clone().filter(|_| !self.options.dry_run) {
            return Err(fault);
        }
        self.act_as(&view, actor, task, action)
    }

    /// Carries out an action of an actor that is known already, on a board that has been looked at.
    ///
    /// # Errors
    /// As [`Session::act`].
    pub fn act_as(
        &self,
        view: &View,
        actor: AgentName,
        task: Option<&TaskId>,
        action: Action,
    ) -> Result<Done, Failure> {
        if self.options.offline && !self.options.dry_run {
            return Err(offline(action.verb()));
        }
        let known = task.map(|id| view.placed(id)).transpose()?.map(|placed| placed.task);
        let operation = self.operation(Some(view.head), actor, known.as_ref(), action)?;
        self.publish(&operation)
    }

    /// Keeps an operation in this clone until `sync` can publish it. It must be one that would be accepted on the
    /// board as this clone knows it.
    fn enqueue(&self, view: &View, actor: AgentName, task: Option<&TaskId>, action: Action) -> Result<Done, Failure> {
        let known = task.map(|id| view.task(id)).transpose()?.map(|(task, _)| task);
        let operation = self.operation(Some(view.head), actor, known.as_ref(), action)?;
        let done = self.preview(&operation)?;
        if done.unchanged.is_none() {
            let path = self.board.state_dir().join("queue");
            self.pending().add(&operation).map_err(|source| AccessFault::State {
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
