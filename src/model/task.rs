//! One task, as the board knows it.
//!
//! Owns the fields that squad reads and writes and their order on disk. Fields that it does not know stay in the
//! file: writing lays a [`Task`] over the document it was read from (`schema::canonical`).

use serde::{Deserialize, Serialize};

use super::id::{AgentName, Epoch, Millis, OpId, TaskId};
use super::vocabulary::{
    ArchivedReason, BlockKind, Cause, Domain, Effect, EvidenceKind, Gate, Phase, Priority, Role, Status, SubtaskStatus,
};

/// The newest `schemaVersion` that this build can write.
pub const SCHEMA_VERSION: u64 = 1;

/// A task. The order of the fields is the order in which new keys are written. What few tasks have is boxed: a board of
/// ten thousand is held in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Version of the file's shape; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u64>,
    /// The id, equal to the stem of the file.
    pub id: TaskId,
    /// One line that says what is to be done.
    pub title: String,
    /// The whole of it, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// How soon it wants doing.
    pub priority: Priority,
    /// Whose task it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<AgentName>,
    /// The domain it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Domain>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Who has had a hand in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<AgentName>,
    /// The task that this one is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// Tasks that must be completed before this one may be claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<TaskId>,
    /// Paths and globs that the work touches; locked while somebody holds the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// When it should be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Millis>,
    /// What must be true when it is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
    /// What it does to the world; absent means unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Vec<Effect>>,
    /// Place in its column: lower is higher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<f64>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The fencing number.
    #[serde(default)]
    pub epoch: Epoch,
    /// Who holds it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Runs that failed so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// Claims that were taken back so far.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recoveries: u32,
    /// How often in a row somebody outside was in the way.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub backoff_level: u32,
    /// The last thing that went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Box<LastError>>,
    /// Not to be claimed before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Millis>,
    /// Why it cannot go on, for squad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// Why it cannot go on, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// Since when it cannot go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_at: Option<Millis>,
    /// Parts that can be given away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtasks: Vec<Subtask>,
    /// How far the holder has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What came out, as text or a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliverable: Option<String>,
    /// Proof of the work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Who handed it in for review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<AgentName>,
    /// When it was handed in for review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Millis>,
    /// How often a reviewer sent it back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub review_round: u32,
    /// Who approved this hand-in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Who verified the completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<AgentName>,
    /// When the completion was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Millis>,
    /// Who completed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<AgentName>,
    /// When it was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Millis>,
    /// Somebody says it is done and asks for a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_request: Option<Box<CompletionRequest>>,
    /// A gate that the owner has lifted for the next edge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_override: Option<Box<Override>>,
    /// Why it was put away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_reason: Option<ArchivedReason>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<AgentName>,
    /// When it was made.
    pub created_at: Millis,
    /// When it was last changed; never falls.
    pub updated_at: Millis,
    /// What was said, in order; only grows.
    #[serde(default)]
    pub chat: Vec<Message>,
    /// What happened, in order; only grows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub state_history: Vec<HistoryEntry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Task {
    /// Returns who holds the task: the claim's agent, or for hand-made data without a claim the assignee.
    pub fn holder(&self) -> Option<&AgentName> {
        match (&self.claim, self.status) {
            (Some(claim), _) => Some(&claim.agent),
            (None, Status::InProgress) => self.assigned.as_ref(),
            (None, _) => None,
        }
    }

    /// Returns since when the holder has it; for hand-made data the last change.
    pub fn held_since(&self) -> Option<Millis> {
        match (&self.claim, self.status) {
            (Some(claim), _) => Some(claim.at),
            (None, Status::InProgress) => Some(self.entered_at()),
            (None, _) => None,
        }
    }

    /// Returns the kind of the block; hand-made data without a `block` waits for a person.
    pub fn block_kind(&self) -> Option<BlockKind> {
        (self.status == Status::Blocked).then(|| self.block.as_ref().map_or(BlockKind::Human, Block::kind))
    }

    /// Returns where the task stands in full.
    pub fn phase(&self) -> Phase {
        match self.status {
            Status::Backlog => Phase::Pending,
            Status::InProgress => match &self.claim {
                Some(claim) if claim.started_at.is_none() => Phase::Claimed,
                _ => Phase::Working,
            },
            Status::Blocked => match self.block_kind() {
                Some(BlockKind::External) => Phase::WaitingExternal,
                Some(BlockKind::Dependency) => Phase::WaitingDependency,
                Some(BlockKind::Conflict) => Phase::WaitingConflict,
                Some(BlockKind::Failure) => Phase::Failed,
                Some(BlockKind::Human) | None => Phase::WaitingHuman,
            },
            Status::Review => Phase::Review,
            Status::Ready => Phase::Ready,
            Status::Completed => Phase::Completed,
            Status::Archived => Phase::Archived,
        }
    }

    /// Returns when the task came into its status: the last entry of its history that changed the state, else
    /// the last change.
    pub fn entered_at(&self) -> Millis {
        let mut entered = None;
        for (i, entry) in self.state_history.iter().enumerate().rev() {
            if entry.state != self.status {
                break;
            }
            entered = Some(entry.timestamp);
            if i == 0 {
                break;
            }
        }
        entered.unwrap_or(if self.status == Status::Backlog { self.created_at } else { self.updated_at })
    }

    /// Returns when the newest claim began, whether it has ended or not.
    pub fn last_claim_at(&self) -> Option<Millis> {
        if let Some(claim) = &self.claim {
            return Some(claim.at);
        }
        let begun = self.state_history.iter().enumerate().rev().find(|(i, entry)| {
            entry.state == Status::InProgress && (*i == 0 || self.state_history[i - 1].state != Status::InProgress)
        });
        begun.map(|(_, entry)| entry.timestamp)
    }

    /// Returns the subtasks that are not complete.
    pub fn open_subtasks(&self) -> impl Iterator<Item = &Subtask> {
        self.subtasks.iter().filter(|s| s.status != SubtaskStatus::Complete)
    }

    /// Tells whether the agent is the assignee.
    pub fn is_assigned_to(&self, agent: &AgentName) -> bool {
        self.assigned.as_ref() == Some(agent)
    }
}

/// Who holds a task, since when, and for how long without a sign of life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The holder.
    pub agent: AgentName,
    /// The fencing number of this claim; every later write of the holder names it.
    pub epoch: Epoch,
    /// When it was claimed.
    pub at: Millis,
    /// When the work began; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
    /// How long the lease runs after a sign of life, in seconds.
    pub lease_seconds: u64,
}

/// Why a blocked task cannot go on, each kind with what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Block {
    /// A person must answer.
    Human {
        /// One to three things that are needed.
        needs: Vec<String>,
        /// One direct question.
        question: String,
        /// Exactly two answers to choose from.
        options: Vec<String>,
    },
    /// Somebody outside must recover: a rate limit, a vendor.
    External {
        /// Not to be tried again before this instant.
        retry_at: Millis,
        /// How often in a row this happened; each time doubles the wait.
        #[serde(default)]
        backoff_level: u32,
    },
    /// Other tasks must be completed first.
    Dependency {
        /// Those tasks.
        on: Vec<TaskId>,
    },
    /// Another task holds paths that this one needs.
    Conflict {
        /// Those paths.
        paths: Vec<String>,
        /// The task that holds them.
        holder: TaskId,
    },
    /// It failed too often.
    Failure {},
}

impl Block {
    /// Returns the kind.
    pub const fn kind(&self) -> BlockKind {
        match self {
            Self::Human { .. } => BlockKind::Human,
            Self::External { .. } => BlockKind::External,
            Self::Dependency { .. } => BlockKind::Dependency,
            Self::Conflict { .. } => BlockKind::Conflict,
            Self::Failure {} => BlockKind::Failure,
        }
    }
}

/// What went wrong in the last run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    /// Which sort of thing.
    pub cause: Cause,
    /// The error's own words.
    pub message: String,
    /// When.
    pub at: Millis,
    /// How its process ended, where a runner has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessEnd>,
}

/// How the process of a run ended, and what it said: of the words themselves the board has the digest alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessEnd {
    /// What it exited with, if it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The SHA-256 of all that it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_sha256: Option<String>,
    /// How long that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// A part of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subtask {
    /// Its id within the task.
    pub id: String,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub status: SubtaskStatus,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<AgentName>,
    /// Whose it is, as some boards spell it; read, never made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<AgentName>,
    /// Who gave it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<AgentName>,
    /// When it was given away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_at: Option<Millis>,
}

impl Subtask {
    /// Returns whose subtask it is, in either spelling.
    pub fn owner(&self) -> Option<&AgentName> {
        self.assigned.as_ref().or(self.assignee.as_ref())
    }
}

/// How far the holder has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How much is done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Who says so.
    pub by: AgentName,
    /// When.
    pub at: Millis,
}

/// One piece of proof.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its id within the task.
    pub id: String,
    /// What it is.
    #[serde(flatten)]
    pub what: EvidenceBody,
    /// Who brought it.
    pub by: AgentName,
    /// When.
    pub at: Millis,
    /// Under which claim.
    pub epoch: Epoch,
}

/// What a piece of evidence is, each kind with what proves it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum EvidenceBody {
    /// The difference of two commits.
    Diff {
        /// What was typed: `A..B`.
        range: String,
        /// The commit that the left side named.
        from: String,
        /// The commit that the right side named.
        to: String,
    },
    /// A command that squad ran itself.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Its exit code.
        exit_code: i32,
        /// SHA-256 of its output, standard output and standard error in the order they came.
        sha256: String,
        /// How many bytes it put out.
        bytes: u64,
        /// The commit that was checked out when it ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// Whether the worktree differed from that commit.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dirty: bool,
    },
    /// A picture.
    Screenshot {
        /// Path within the repository.
        path: String,
        /// SHA-256 of the file.
        sha256: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A log.
    Log {
        /// Path within the repository.
        path: String,
        /// SHA-256 of the file.
        sha256: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A file.
    File {
        /// Path within the repository.
        path: String,
        /// SHA-256 of the file.
        sha256: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A commit.
    Commit {
        /// What was typed.
        rev: String,
        /// The commit that it named.
        oid: String,
    },
    /// A page.
    Url {
        /// Where it is.
        url: String,
    },
}

impl EvidenceBody {
    /// Returns the kind.
    pub const fn kind(&self) -> EvidenceKind {
        match self {
            Self::Diff { .. } => EvidenceKind::Diff,
            Self::Command { .. } => EvidenceKind::Command,
            Self::Screenshot { .. } => EvidenceKind::Screenshot,
            Self::Log { .. } => EvidenceKind::Log,
            Self::File { .. } => EvidenceKind::File,
            Self::Commit { .. } => EvidenceKind::Commit,
            Self::Url { .. } => EvidenceKind::Url,
        }
    }
}

/// One approval of a hand-in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Who approved.
    pub by: AgentName,
    /// In which role.
    pub role: Role,
    /// When.
    pub at: Millis,
}

/// Somebody says that the work is done and asks for a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// Who asks.
    pub by: AgentName,
    /// When.
    pub at: Millis,
    /// What they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A gate that the owner has lifted, for one edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// The owner who lifted it.
    pub authorized_by: AgentName,
    /// Which gate; absent on boards made before gates had names, and then it lifts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Why.
    pub reason: String,
    /// When.
    pub timestamp: Millis,
    /// The state that was skipped, on boards made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypassed_state: Option<Status>,
}

/// One message of the chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub author: AgentName,
    /// What they wrote.
    pub content: String,
    /// When.
    pub timestamp: Millis,
}

/// One thing that happened to the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The state that it led to.
    pub state: Status,
    /// When.
    pub timestamp: Millis,
    /// Who did it.
    pub actor: AgentName,
    /// By which verb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// By which operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
    /// Why, where the verb asks for a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a reopened task had been completed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<Box<Completion>>,
}

/// What a reopened task had been completed with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// Who completed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<AgentName>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Millis>,
    /// Who verified it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<AgentName>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Millis>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliverable: Option<String>,
}
