//! An operation: a change of the board, as data.
//!
//! Owns what each verb carries. An operation can be written down, carried to another machine and decided there:
//! nothing in it depends on who publishes it. Its canonical JSON stands in the commit that it made.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::Agent;
use super::id::{AgentName, BadName, Epoch, Millis, OpId, TaskId};
use super::imported::ImportedTask;
use super::ordered::IndexMap;
use super::task::{Block, EvidenceBody, ProcessEnd};
use super::vocabulary::{Cause, Domain, Effect, Gate, Priority, SubtaskStatus, words};

/// A change of the board, as data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id, unique for ever.
    pub id: OpId,
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
    /// The task that it is about; absent where it is about the board or about several tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Who does it.
    pub actor: AgentName,
    /// What the actor had seen.
    pub basis: Basis,
    /// When: the only time that a decision knows.
    pub at: Millis,
    /// An SSH signature of the actor over all the rest, where the board asks for one. No decision depends on it: which
    /// keys are whose is for whoever verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What the actor had seen when the operation was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// A head of the board that the remote had confirmed; absent where there was no board yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The fencing number of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

impl Operation {
    /// Returns the verb.
    pub const fn verb(&self) -> Verb {
        self.action.verb()
    }

    /// Tells whether it is the one that makes the board.
    pub fn is_founding(&self) -> bool {
        self.verb() == Verb::Init
    }

    /// Returns the ids of the tasks that it is about, as far as it names them; those of tasks that it makes among them.
    pub fn tasks(&self) -> Vec<TaskId> {
        match &self.action {
            Action::New { tasks } => {
                tasks.iter().enumerate().filter_map(|(nth, new)| self.id_of_new(nth, new).ok()).collect()
            }
            Action::Import { tasks } => {
                tasks.iter().enumerate().filter_map(|(nth, one)| self.id_of_new(nth, &one.task).ok()).collect()
            }
            Action::Archive { tasks } => tasks.clone(),
            Action::Comment { also, .. } => self.task.iter().chain(also).cloned().collect(),
            _ => self.task.iter().cloned().collect(),
        }
    }

    /// Returns the id of the nth task that it makes: the one that the task brings, in lower case, else one that comes
    /// from the operation.
    ///
    /// # Errors
    /// [`BadName`] where the task brings one that no task may have.
    pub fn id_of_new(&self, nth: usize, new: &NewTask) -> Result<TaskId, BadName> {
        let nth = u32::try_from(nth).unwrap_or(u32::MAX);
        match &new.id {
            Some(id) => TaskId::new(&id.folded()),
            None => TaskId::new(&format!("task-{}-{}", self.at.0, self.id.suffix(nth, 6))),
        }
    }

    /// Returns the operation as JSON on one line: the form that receipts carry.
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("an operation holds nothing that JSON cannot")
    }

    /// Returns what a signature covers: the same without the signature.
    pub fn signed_text(&self) -> String {
        Self { signature: None, ..self.clone() }.canonical()
    }
}

impl Verb {
    /// Returns how the verb is typed.
    pub const fn command(self) -> &'static str {
        match self {
            Self::AgentsAdd => "agents add",
            Self::AgentsRemove => "agents remove",
            Self::SubtaskAdd => "subtask add",
            Self::SubtaskSet => "subtask set",
            Self::SubtaskAssign => "subtask assign",
            Self::FilesAdd => "files add",
            Self::FilesRemove => "files remove",
            Self::DepAdd => "dep add",
            Self::DepRemove => "dep remove",
            Self::BackupRestore => "backup restore",
            other => other.as_str(),
        }
    }
}

words! {
    /// What an operation does, by the name that stands in receipts and histories.
    Verb, "verb" {
        Init = "init", AgentsAdd = "agents-add", AgentsRemove = "agents-remove",
        New = "new", Import = "import", Edit = "edit", Assign = "assign", Comment = "comment", Progress = "progress",
        SubtaskAdd = "subtask-add", SubtaskSet = "subtask-set", SubtaskAssign = "subtask-assign",
        FilesAdd = "files-add", FilesRemove = "files-remove", DepAdd = "dep-add", DepRemove = "dep-remove",
        Claim = "claim", Start = "start", Block = "block", Unblock = "unblock", Retry = "retry", Release = "release",
        Submit = "submit", Reject = "reject", Approve = "approve", Complete = "complete", Verify = "verify",
        RequestComplete = "request-complete", Override = "override", Fail = "fail", Restart = "restart",
        Recover = "recover", Archive = "archive", Restore = "restore", Cancel = "cancel", Reopen = "reopen",
        BackupRestore = "backup-restore",
    }
}

/// What to do, with everything that is needed to do it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "args", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Action {
    /// Make the board.
    Init {
        /// The branch it lives on.
        branch: String,
        /// Members to begin with; names found in tasks made by hand join as executors.
        agents: Vec<Agent>,
        /// The settings to begin with, where they differ from the defaults.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<super::config::ApprovalGate>,
    },
    /// Enter a member in the roster.
    AgentsAdd {
        /// The member.
        agent: Agent,
    },
    /// Strike a member from the roster.
    AgentsRemove {
        /// The member.
        name: AgentName,
    },
    /// Make tasks.
    New {
        /// The tasks.
        tasks: Vec<NewTask>,
    },
    /// Take over tasks of another board, each where it stands there.
    Import {
        /// The tasks: shared, since a whole board is large and an operation is handed on many times.
        tasks: Arc<[ImportedTask]>,
    },
    /// Change fields, each from a named value to another.
    Edit {
        /// The changes.
        changes: Vec<FieldChange>,
    },
    /// Give the task to somebody.
    Assign {
        /// Whom.
        to: AgentName,
    },
    /// Say something.
    Comment {
        /// What.
        text: String,
        /// Further tasks on which the same is said: what concerns two tasks is asked on both, or on none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<TaskId>,
    },
    /// Say how far the work has come.
    Progress {
        /// What is being done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// How much is done, 0 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
    },
    /// Add a part.
    SubtaskAdd {
        /// One line.
        title: String,
        /// Whose it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assigned: Option<AgentName>,
    },
    /// Move a part.
    SubtaskSet {
        /// Which part.
        subtask: String,
        /// Where to.
        status: SubtaskStatus,
        /// What to say about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// Give a part to somebody.
    SubtaskAssign {
        /// Which part.
        subtask: String,
        /// Whom.
        to: AgentName,
    },
    /// Name paths that the work touches.
    FilesAdd {
        /// The paths.
        paths: Vec<String>,
    },
    /// Strike paths that the work does not touch.
    FilesRemove {
        /// The paths.
        paths: Vec<String>,
    },
    /// Make the task wait for another.
    DepAdd {
        /// The other.
        on: TaskId,
    },
    /// Stop the task from waiting for another.
    DepRemove {
        /// The other.
        on: TaskId,
    },
    /// Take the task.
    Claim {
        /// What the claimant means to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<String>,
    },
    /// Begin the work.
    Start {},
    /// Say that the work cannot go on.
    Block {
        /// Why, for a person.
        reason: String,
        /// Why, for squad.
        block: Block,
    },
    /// Say that the work can go on.
    Unblock {
        /// What has changed.
        comment: String,
    },
    /// Try again after something outside was in the way.
    Retry {},
    /// Give the task back.
    Release {
        /// What the next one should know.
        note: String,
        /// Whether the task is nobody's after that.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unassign: bool,
    },
    /// Hand in for review.
    Submit(HandIn),
    /// Send back to work.
    Reject {
        /// What is missing.
        missing: Vec<String>,
    },
    /// Approve.
    Approve {},
    /// Hand in as done.
    Complete(HandIn),
    /// Confirm that it is done.
    Verify {
        /// What the verifier found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
        /// What is handed in with it, for work done outside the board.
        #[serde(default, skip_serializing_if = "HandIn::is_empty")]
        hand_in: HandIn,
    },
    /// Say that it is done and ask for a verdict.
    RequestComplete {
        /// What the verifier should know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Lift a gate for the next edge.
    Override {
        /// Which gate.
        gate: Gate,
        /// Why.
        reason: String,
    },
    /// Say that a run failed.
    Fail {
        /// The error's own words.
        error: String,
        /// Which sort of error.
        cause: Cause,
        /// How its process ended, where a runner has seen it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        process: Option<ProcessEnd>,
    },
    /// Start over after too many failures.
    Restart {
        /// Why it should work now.
        reason: String,
    },
    /// Take a claim back from a holder that is gone.
    Recover {
        /// Whether the work had begun.
        trigger: RecoverTrigger,
        /// What the observer saw.
        seen: String,
    },
    /// Put completed tasks away.
    Archive {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Bring back a task that was put away.
    Restore {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Give the task up.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Take a completion back.
    Reopen {
        /// Why.
        reason: String,
    },
    /// Bring back what an earlier version of the board had.
    BackupRestore {
        /// The backup's name.
        name: String,
        /// The version that it names: a commit in the history of the board.
        commit: String,
    },
}

impl Action {
    /// Returns the verb.
    pub const fn verb(&self) -> Verb {
        match self {
            Self::Init { .. } => Verb::Init,
            Self::AgentsAdd { .. } => Verb::AgentsAdd,
            Self::AgentsRemove { .. } => Verb::AgentsRemove,
            Self::New { .. } => Verb::New,
            Self::Import { .. } => Verb::Import,
            Self::Edit { .. } => Verb::Edit,
            Self::Assign { .. } => Verb::Assign,
            Self::Comment { .. } => Verb::Comment,
            Self::Progress { .. } => Verb::Progress,
            Self::SubtaskAdd { .. } => Verb::SubtaskAdd,
            Self::SubtaskSet { .. } => Verb::SubtaskSet,
            Self::SubtaskAssign { .. } => Verb::SubtaskAssign,
            Self::FilesAdd { .. } => Verb::FilesAdd,
            Self::FilesRemove { .. } => Verb::FilesRemove,
            Self::DepAdd { .. } => Verb::DepAdd,
            Self::DepRemove { .. } => Verb::DepRemove,
            Self::Claim { .. } => Verb::Claim,
            Self::Start {} => Verb::Start,
            Self::Block { .. } => Verb::Block,
            Self::Unblock { .. } => Verb::Unblock,
            Self::Retry {} => Verb::Retry,
            Self::Release { .. } => Verb::Release,
            Self::Submit(_) => Verb::Submit,
            Self::Reject { .. } => Verb::Reject,
            Self::Approve {} => Verb::Approve,
            Self::Complete(_) => Verb::Complete,
            Self::Verify { .. } => Verb::Verify,
            Self::RequestComplete { .. } => Verb::RequestComplete,
            Self::Override { .. } => Verb::Override,
            Self::Fail { .. } => Verb::Fail,
            Self::Restart { .. } => Verb::Restart,
            Self::Recover { .. } => Verb::Recover,
            Self::Archive { .. } => Verb::Archive,
            Self::Restore { .. } => Verb::Restore,
            Self::Cancel { .. } => Verb::Cancel,
            Self::Reopen { .. } => Verb::Reopen,
            Self::BackupRestore { .. } => Verb::BackupRestore,
        }
    }
}

words! {
    /// Why a claim is taken back.
    RecoverTrigger, "recover trigger" {
        /// Claimed, never started.
        Unstarted = "unstarted",
        /// Started, and the holder is gone.
        Orphaned = "orphaned",
    }
}

/// What comes with work that is handed in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HandIn {
    /// What came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliverable: Option<String>,
    /// What was done, in a sentence or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Proof.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceBody>,
    /// Why open subtasks do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ok: Option<String>,
}

impl HandIn {
    /// Tells whether nothing is handed in.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A task to be made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewTask {
    /// The id; absent means that the operation makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<TaskId>,
    /// One line.
    pub title: String,
    /// The whole of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How soon; absent means medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<AgentName>,
    /// The domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Domain>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who takes part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<AgentName>,
    /// The task that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TaskId>,
    /// What it touches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// When it should be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Millis>,
    /// What must be true when it is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    /// What it does to the world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<Vec<Effect>>,
    /// Place in its column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<f64>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtasks: Vec<NewSubtask>,
    /// Fields that squad does not know, kept as they came.
    #[serde(flatten)]
    pub extra: IndexMap<String, serde_json::Value>,
}

/// A part of a task to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewSubtask {
    /// One line.
    pub title: String,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<AgentName>,
}

/// A change of one field. It names the value that it replaces, so that it never overwrites what its author has
/// not seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "camelCase")]
pub enum FieldChange {
    /// The title.
    Title {
        /// The value to replace.
        from: String,
        /// The new value.
        to: String,
    },
    /// The description.
    Description {
        /// The value to replace.
        from: Option<String>,
        /// The new value.
        to: Option<String>,
    },
    /// The priority.
    Priority {
        /// The value to replace.
        from: Priority,
        /// The new value.
        to: Priority,
    },
    /// The category.
    Category {
        /// The value to replace.
        from: Option<Domain>,
        /// The new value.
        to: Option<Domain>,
    },
    /// The due date.
    Due {
        /// The value to replace.
        from: Option<Millis>,
        /// The new value.
        to: Option<Millis>,
    },
    /// The place in the column.
    Position {
        /// The value to replace.
        from: Option<f64>,
        /// The new value.
        to: Option<f64>,
    },
    /// Labels; a set, so nothing is overwritten.
    Tags {
        /// Labels to add.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        add: Vec<String>,
        /// Labels to strike.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<String>,
    },
}
