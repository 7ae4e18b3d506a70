//! Arguments of the verbs that move a task along: looking, claiming, handing in, judging.
//!
//! A field that the state machine asks for is optional here: its absence is refused by the same rule on every
//! surface (`missing-field`), not by the parser.

use std::time::Duration;

use clap::Args;

use super::Writing;
use super::value::{EvidenceArg, word};
use crate::cli::when::duration;
use crate::model::id::TaskId;
use crate::model::vocabulary::{BlockKind, Cause, Gate};

/// Arguments of a verb that needs nothing but its task: `start`, `retry`, `approve`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct TaskArgs {
    /// Task that it is about
    pub task: TaskId,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `scan`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ScanArgs {
    /// Mark what is new since this agent's last scan
    #[arg(long)]
    pub since_last: bool,
    /// Only tasks that are known to do nothing to the world
    #[arg(long)]
    pub safe: bool,
    /// Fetch first, however fresh the last fetch is
    #[arg(long, conflicts_with = "offline")]
    pub fresh: bool,
    /// At most so many tasks
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Arguments of `claim`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ClaimArgs {
    /// Task to claim
    #[arg(required_unless_present = "next", conflicts_with = "next")]
    pub task: Option<TaskId>,
    /// Claim the best task that this agent may take
    #[arg(long)]
    pub next: bool,
    /// What the claimant means to do
    #[arg(long, value_name = "TEXT")]
    pub plan: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `block`: as they were typed; which of them a kind needs is decided behind `ops`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct BlockArgs {
    /// Task that cannot go on
    pub task: TaskId,
    /// What stands in the way
    #[arg(long, value_parser = word(BlockKind::ALL, BlockKind::as_str))]
    pub kind: Option<BlockKind>,
    /// Why, in a sentence for a person
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// Thing that is needed, one to three; kind human
    #[arg(long, value_name = "N")]
    pub need: Vec<String>,
    /// One direct question; kind human
    #[arg(long, value_name = "Q")]
    pub question: Option<String>,
    /// Answer to choose from, exactly two; kind human
    #[arg(long, value_name = "O")]
    pub option: Vec<String>,
    /// How long to wait before another try; kind external
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub retry_after: Option<Duration>,
    /// Task that must be completed first; kind dependency, may be repeated
    #[arg(long, value_name = "T")]
    pub on: Vec<TaskId>,
    /// Path that is held; kind conflict, may be repeated
    #[arg(long, value_name = "P")]
    pub path: Vec<String>,
    /// Task or agent that holds the paths; kind conflict
    #[arg(long, value_name = "A")]
    pub holder: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `unblock`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct UnblockArgs {
    /// Task that can go on
    pub task: TaskId,
    /// What has changed
    #[arg(long, value_name = "C")]
    pub comment: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// What comes with work that is handed in.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct HandInArgs {
    /// What came out, as text or a link
    #[arg(long, value_name = "D")]
    pub deliverable: Option<String>,
    /// What was done, in a sentence or two
    #[arg(long, value_name = "S")]
    pub summary: Option<String>,
    /// Proof: commit:REV, file:PATH, url:URL, log:PATH, screenshot:PATH or diff:A..B; may be repeated
    #[arg(long, value_name = "KIND:VALUE")]
    pub evidence: Vec<EvidenceArg>,
    /// Command to run as proof; it must succeed; may be repeated
    #[arg(long, value_name = "CMD")]
    pub run: Vec<String>,
    /// Why open subtasks do not matter
    #[arg(long, value_name = "REASON")]
    pub open_ok: Option<String>,
}

/// Arguments of `submit` and `complete`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DeliverArgs {
    /// Task that is handed in
    pub task: TaskId,
    /// What comes with it.
    #[command(flatten)]
    pub hand_in: HandInArgs,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `reject`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct RejectArgs {
    /// Task to send back, or whose request to refuse
    pub task: TaskId,
    /// What is missing; may be repeated
    #[arg(long, value_name = "M")]
    pub missing: Vec<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `verify`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct VerifyArgs {
    /// Task that is done
    pub task: TaskId,
    /// What the verifier found
    #[arg(long, value_name = "C")]
    pub comment: Option<String>,
    /// What comes with it, for work that was done outside the board.
    #[command(flatten)]
    pub hand_in: HandInArgs,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `fail`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct FailArgs {
    /// Task whose run failed
    pub task: TaskId,
    /// The error's own words
    #[arg(long, value_name = "E")]
    pub error: Option<String>,
    /// Which sort of error; unknown unless given
    #[arg(long, value_parser = word(Cause::ALL, Cause::as_str))]
    pub cause: Option<Cause>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `release`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ReleaseArgs {
    /// Task to give back
    pub task: TaskId,
    /// What the next one should know
    #[arg(long, value_name = "N")]
    pub note: Option<String>,
    /// Leave it to whoever wants it
    #[arg(long)]
    pub unassign: bool,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `request-complete`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct RequestCompleteArgs {
    /// Task that is done
    pub task: TaskId,
    /// What the verifier should know
    #[arg(long, value_name = "N")]
    pub note: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `override`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct OverrideArgs {
    /// Task whose next edge it is
    pub task: TaskId,
    /// Gate to lift
    #[arg(long, value_parser = word(Gate::ALL, Gate::as_str))]
    pub gate: Option<Gate>,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}
