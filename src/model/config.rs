//! The board's configuration and roster: `squad/squad.json`.
//!
//! Owns the defaults of every setting. Commands to run are never part of it: a push must not be able to make
//! another machine execute something.

use serde::{Deserialize, Serialize};

use super::id::AgentName;
use super::task::Task;
use super::vocabulary::{AgentKind, Domain, IdentityPolicy, LockPolicy, PlanPolicy, ReviewPolicy, Role};

/// Where the locks file is kept unless the board says otherwise.
pub const DEFAULT_LOCKS_FILE: &str = ".claude/coordination.json";

/// The board's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BoardConfig {
    /// Version of the file's shape.
    pub schema_version: u64,
    /// Where the board lives.
    pub board: BoardPlace,
    /// The roster.
    pub agents: Vec<Agent>,
    /// What is asked of an operation.
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// How much of what.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How long what takes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timing: Timing,
    /// The locks file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub locks: Locks,
    /// Refs on the remote other than the board.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refs: Refs,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl BoardConfig {
    /// Returns the configuration of a board with one branch and this roster.
    pub fn new(branch: &str, agents: Vec<Agent>) -> Self {
        Self {
            schema_version: super::task::SCHEMA_VERSION,
            board: BoardPlace { branch: branch.to_owned() },
            agents,
            policy: Policy::default(),
            limits: Limits::default(),
            timing: Timing::default(),
            locks: Locks::default(),
            refs: Refs::default(),
        }
    }

    /// Returns the member of that name.
    pub fn agent(&self, name: &AgentName) -> Option<&Agent> {
        self.agents.iter().find(|a| a.name == *name)
    }
}

/// Where the board lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardPlace {
    /// The branch, without `refs/heads/`.
    pub branch: String,
}

/// A member of the roster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// The name, unique without regard to case.
    pub name: AgentName,
    /// What they may do.
    pub role: Role,
    /// What sort of member.
    #[serde(default = "default_kind")]
    pub kind: AgentKind,
    /// The part of the work that a manager decides on, or an executor takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// The e-mail that git knows them by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Categories of unassigned tasks that an executor takes; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<Domain>>,
    /// Anything that a runner should be told: personality, tools, specialty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<serde_json::Value>,
}

/// Returns the address under which commits name a member who has none.
pub fn address_of(name: &AgentName) -> String {
    format!("{name}@squad.invalid")
}

fn default_kind() -> AgentKind {
    AgentKind::Agent
}

impl Agent {
    /// Returns a member with nothing but a name, a role and a kind.
    pub fn new(name: AgentName, role: Role, kind: AgentKind) -> Self {
        Self { name, role, kind, domain: None, email: None, categories: None, profile: None }
    }

    /// Tells whether an unassigned task is of a kind that this member takes.
    pub fn takes(&self, task: &Task) -> bool {
        let Some(category) = task.category else { return true };
        match (&self.categories, self.domain) {
            (Some(categories), _) => categories.iter().any(|c| c.meets(category)),
            (None, Some(domain)) => domain.meets(category),
            (None, None) => true,
        }
    }

    /// Tells whether this member, as a manager, decides on the task.
    pub fn manages(&self, task: &Task) -> bool {
        match (self.domain, task.category) {
            (Some(domain), Some(category)) => domain.meets(category),
            _ => true,
        }
    }
}

/// What is asked of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    /// Whether a task must pass a reviewer.
    pub review: ReviewPolicy,
    /// What makes a task in review ready.
    pub gate: ApprovalGate,
    /// Whether a claim must come with a plan.
    pub plan: PlanPolicy,
    /// What a path lock does to a claim.
    pub locks: LockPolicy,
    /// What proves an actor's name.
    pub identity: IdentityPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            review: ReviewPolicy::Optional,
            gate: ApprovalGate::default(),
            plan: PlanPolicy::Optional,
            locks: LockPolicy::Enforce,
            identity: IdentityPolicy::Name,
        }
    }
}

/// What makes a task in review ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalGate {
    /// How many different members must approve.
    pub approvals: u32,
    /// The roles whose approval counts.
    pub roles: Vec<Role>,
    /// How many different members must have written, acted or approved.
    pub min_participants: u32,
    /// Whether each of `roles` must be among those who approved.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub every_role: bool,
}

impl Default for ApprovalGate {
    fn default() -> Self {
        Self {
            approvals: 1,
            roles: vec![Role::Manager, Role::Chief, Role::Owner],
            min_participants: 0,
            every_role: false,
        }
    }
}

/// How much of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Tasks that one agent may hold at once.
    pub claims_per_agent: u32,
    /// Runs in all before a failing task is blocked.
    pub attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { claims_per_agent: 3, attempts: 3 }
    }
}

/// How long what takes. Every default is here and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timing {
    /// A holder's lease after a sign of life.
    pub lease_seconds: u64,
    /// Waited on top of a lease before anything is taken back.
    pub grace_seconds: u64,
    /// A claim that was never started may be taken back after this.
    pub unstarted_seconds: u64,
    /// A task in the backlog that nobody took is unattended after this.
    pub unattended_seconds: u64,
    /// A head fetched less than this ago is fresh enough for reading.
    pub fetch_seconds: u64,
    /// Between two beats on one host.
    pub beat_seconds: u64,
    /// Between two beats across hosts.
    pub remote_beat_seconds: u64,
    /// A tick of the control loop takes no longer.
    pub budget_seconds: u64,
    /// A run takes no longer.
    pub run_timeout_seconds: u64,
    /// A slice of a run.
    pub slice_seconds: u64,
    /// Between two scheduled starts.
    pub wake_minutes: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_seconds: 900,
            grace_seconds: 60,
            unstarted_seconds: 120,
            unattended_seconds: 300,
            fetch_seconds: 15,
            beat_seconds: 30,
            remote_beat_seconds: 300,
            budget_seconds: 90,
            run_timeout_seconds: 1800,
            slice_seconds: 300,
            wake_minutes: 15,
        }
    }
}

/// The locks file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Locks {
    /// Its path within the repository.
    pub file: String,
    /// Whether paths that differ only in case are the same file.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

impl Default for Locks {
    fn default() -> Self {
        Self { file: DEFAULT_LOCKS_FILE.to_owned(), ignore_case: false }
    }
}

/// Refs on the remote other than the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refs {
    /// The folder of refs for announcements and beats.
    pub namespace: String,
}

impl Default for Refs {
    fn default() -> Self {
        Self { namespace: "refs/squad".to_owned() }
    }
}
