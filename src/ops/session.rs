//! One command's view of the world: where it stands, who acts, what time it is.
//!
//! Owns how the board is looked at and how an operation is made; what becomes of it is in `act`.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::consent::Consent;
use super::degraded::can_read_on;
use super::failure::Failure;
use super::limits::Limits;
use super::made::Made;
use super::queue::Queue;
use crate::board::Oid;
use crate::board::snapshot::Snapshot;
use crate::board::store::{AccessFault, BoardStore, write_whole};
use crate::board::{Git, Identity, Settings, Watcher};
use crate::clock::Clock;
use crate::model::board::{Board, Placed};
use crate::model::code::ErrorCode;
use crate::model::config::{Agent, BoardConfig};
use crate::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
use crate::model::operation::{Action, Basis, Operation, Verb};
use crate::model::refusal::Refusal;
use crate::model::task::Task;
use crate::model::vocabulary::AgentKind;

/// Longest wait for one answer of the remote, where git's settings name no other.
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
    /// Whether any damage of the board refuses to write.
    pub strict: bool,
    /// Whether to keep what nothing can refuse in this clone, where the remote is out of reach or the board is broken.
    pub queue: bool,
    /// The remote to publish to, where it is said.
    pub remote: Option<String>,
    /// Whether this clone's user agrees to a push, where they are to be asked.
    pub consent: Consent,
    /// Who is told while the remote is talked to.
    pub watcher: Watcher,
}

/// One command's view of the world.
pub struct Session {
    /// This clone's access to the board.
    pub board: Rc<BoardStore>,
    /// The clock.
    pub clock: Rc<dyn Clock>,
    /// What the command line says.
    pub options: Options,
    /// How long the remote is waited for.
    pub limits: Limits,
    /// The head that this command has fetched to build on, and not built on yet.
    pub fetched: Cell<Option<Oid>>,
    /// Operations whose answers this command has in hand: they leave the queue when it has told them.
    told: RefCell<Vec<OpId>>,
    /// Whether the remote was found out of reach: whoever only wants more than they need does not ask it again.
    pub(super) gone: Cell<bool>,
    /// The id of the next operation, where it was told ahead.
    told_ahead: Cell<Option<OpId>>,
    /// The version that was looked at last: a command asks for the same one again and again.
    seen: RefCell<Option<(Oid, Snapshot)>>,
}

/// How fresh the board must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As fresh as the board's settings ask for.
    Due,
    /// Fetched now.
    Now,
    /// Fetched now, for building on it: what other clones have announced comes with it.
    ToBuildOn,
    /// As [`Freshness::ToBuildOn`], and everybody's signs of life with it.
    WithSigns,
    /// As another process of this clone has just seen it.
    Seen,
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
    pub(super) fault: Option<Failure>,
    /// Whether that is because the board's configuration is broken.
    pub(super) is_broken: bool,
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

    pub(super) fn placed(&self, id: &TaskId) -> Result<Placed, Failure> {
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

/// Returns the name of who acts: the one that was said, else the one of the settings, else the person of the roster
/// whose e-mail is git's.
///
/// # Errors
/// [`Failure`] `unknown-agent` when nobody is named.
pub(super) fn named(
    agent: Option<&AgentName>,
    settings: &Settings,
    config: &BoardConfig,
) -> Result<AgentName, Failure> {
    let named = match agent {
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

impl Drop for Session {
    fn drop(&mut self) {
        for id in self.told.take() {
            self.queue().remove(id);
        }
    }
}

impl Session {
    /// Finds the repository and the board's remote.
    ///
    /// # Errors
    /// [`Failure`] where there is no usable repository.
    pub fn open(options: Options, clock: Rc<dyn Clock>) -> Result<Self, Failure> {
        let git = Git::new().watched_by(options.watcher.clone());
        let board = BoardStore::open(git, &options.dir, options.remote.as_deref())?;
        let limits = Limits::read(|key| board.settings.get(key))?;
        board.recall_branch();
        Ok(Self {
            board: Rc::new(board),
            clock,
            options,
            limits,
            fetched: Cell::new(None),
            told: RefCell::default(),
            gone: Cell::new(false),
            told_ahead: Cell::new(None),
            seen: RefCell::new(None),
        })
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
        let view = self.newest(freshness)?;
        self.usable(view)
    }

    /// Returns the board with what is looked for. That it is not there is told only by a board that was fetched now: it may
    /// have come a moment ago.
    ///
    /// # Errors
    /// As [`Session::view`], and as the look.
    pub fn view_with(
        &self,
        freshness: Freshness,
        is_there: impl FnOnce(&View) -> Result<bool, Failure>,
    ) -> Result<View, Failure> {
        let view = self.view(freshness)?;
        let may_be_old = freshness == Freshness::Due && !self.options.offline;
        if may_be_old && !is_there(&view)? { self.view(Freshness::Now) } else { Ok(view) }
    }

    /// Returns the board with whoever acts in its roster.
    ///
    /// # Errors
    /// As [`Session::view`].
    pub fn view_of_member(&self, freshness: Freshness) -> Result<View, Failure> {
        self.view_with(freshness, |view| Ok(self.actor(view.config()?).is_ok()))
    }

    /// Returns the board, whether its configuration can be used or not: for whoever looks for what is wrong with it.
    ///
    /// # Errors
    /// As [`Session::view`].
    pub fn newest(&self, freshness: Freshness) -> Result<View, Failure> {
        let known = self.board.head()?.filter(|_| self.board.branch().is_some());
        if self.options.offline {
            let head = match known {
                Some(head) => head,
                None => self.board.recall()?,
            };
            return self.view_at(head);
        }
        if let Some(head) = known
            && (freshness == Freshness::Seen || freshness == Freshness::Due && self.is_fresh(head))
        {
            return Ok(View { degraded: self.board.last_trouble(), ..self.view_at(head)? });
        }
        let fetched = match freshness {
            Freshness::ToBuildOn => {
                self.set_namespace(known);
                self.board.fetch_all(self.limits.network)
            }
            Freshness::WithSigns => {
                // Where those refs are is known once the board is.
                let here = known.map_or_else(|| self.board.fetch(self.limits.network), Ok);
                here.and_then(|head| {
                    self.set_namespace(Some(head));
                    self.board.fetch_signs(self.limits.network)
                })
            }
            _ => self.board.fetch(self.limits.network),
        };
        match (fetched, known) {
            (Ok(head), _) => {
                if matches!(freshness, Freshness::ToBuildOn | Freshness::WithSigns) {
                    self.fetched.set(Some(head));
                }
                self.view_at(head)
            }
            (Err(fault), Some(head)) if can_read_on(&fault) => {
                self.gone.set(true);
                let view = self.view_at(head)?.after(fault);
                self.board.note_trouble(view.degraded.as_deref().unwrap_or_default());
                Ok(view)
            }
            (Err(fault), _) => Err(fault.into()),
        }
    }

    /// Tells the board where its refs are, by the configuration that was seen last.
    fn set_namespace(&self, head: Option<Oid>) {
        if let Some(head) = head
            && let Ok(snapshot) = self.snapshot(Some(head))
            && let Ok(Some(config)) = snapshot.config()
        {
            self.board.set_namespace(&config.refs.namespace);
        }
    }

    fn is_fresh(&self, head: Oid) -> bool {
        let seconds = self.snapshot(Some(head)).ok().and_then(|s| Some(s.config().ok()??.timing.fetch_seconds));
        let limit = Duration::from_secs(seconds.unwrap_or(0));
        self.board.fetched_ago().is_some_and(|ago| ago < limit)
    }

    fn view_at(&self, head: Oid) -> Result<View, Failure> {
        Ok(View { snapshot: self.snapshot(Some(head))?, head, degraded: None, fault: None, is_broken: false })
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
        named(self.options.agent.as_ref(), &self.board.settings, config)
    }

    /// Makes an operation. An earlier one that asks for the same and whose outcome is not known is taken up again,
    /// with its id: it may have happened. To begin with a task is asked for anew.
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
        // Of all processes of one name the board lets one begin. What it has told one that is dead is no leave for the next.
        if !matches!(action, Action::Start {})
            && let Some(earlier) = self.queue().find(&action, id.as_ref(), &actor)
        {
            return Ok(earlier);
        }
        let at = self.now();
        let epoch = task.map(|task| self.named_epoch(task, &actor, action.verb()));
        let id_made = match self.told_ahead.take() {
            Some(id) => id,
            None => self.token()?,
        };
        if !self.options.dry_run {
            self.made().note(id_made);
        }
        Ok(Operation {
            id: id_made,
            action,
            task: id,
            actor,
            basis: Basis { head: head.map(|h| h.to_string()), epoch },
            at,
            signature: None,
        })
    }

    /// Returns the id that the next operation of this session will have, so that it can be asked after even where this
    /// process dies of making it.
    ///
    /// # Errors
    /// [`Failure`] when the machine has no randomness.
    pub(super) fn id_ahead(&self) -> Result<OpId, Failure> {
        let id = self.token()?;
        self.told_ahead.set(Some(id));
        Ok(id)
    }

    /// Returns an id that no other has, and that sorts by its time.
    ///
    /// # Errors
    /// [`Failure`] when the machine has no randomness.
    pub(super) fn token(&self) -> Result<OpId, Failure> {
        let mut random = [0u8; 10];
        getrandom::fill(&mut random)
            .map_err(|e| Failure::new(ErrorCode::Internal, format!("the machine gives no random numbers: {e}")))?;
        Ok(OpId::from_parts(self.now(), random))
    }

    /// Returns who publishes: the person or agent whose git this is.
    pub(super) fn committer(&self) -> Identity {
        Identity {
            name: self.board.settings.get("user.name").unwrap_or("squad").to_owned(),
            email: self.board.settings.get("user.email").unwrap_or("squad@squad.invalid").to_owned(),
            at_ms: self.now().0,
        }
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
    pub(super) fn remember_claims(&self, actor: &AgentName, tasks: &[Task]) {
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

    /// Returns the note of the operations that were made in this clone.
    pub(super) fn made(&self) -> Made {
        Made::new(self.board.state_dir().join("made"))
    }

    /// Takes an operation out of the queue once this command is over: whoever dies before it has told the answer can be
    /// asked again, and does not do it again.
    pub(super) fn forget_when_told(&self, id: OpId) {
        self.told.borrow_mut().push(id);
    }

    /// Returns the operations of this clone that nobody has decided yet.
    pub fn queue(&self) -> Queue {
        Queue::new(self.board.state_dir())
    }
}
