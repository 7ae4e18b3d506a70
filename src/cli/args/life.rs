//! Arguments of the verbs that keep a fleet alive: signs of life, waiting, recovery, start requests.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::Writing;
use crate::cli::when::duration;
use crate::model::id::AgentName;

/// Arguments of `beat`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct BeatArgs {
    /// Say goodbye instead
    #[arg(long)]
    pub leave: bool,
}

/// Arguments of `wait`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct WaitArgs {
    /// Give up after this long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Take the task in the same step
    #[arg(long)]
    pub claim: bool,
    /// What the claimant means to do
    #[arg(long, value_name = "TEXT", requires = "claim")]
    pub plan: Option<String>,
}

/// Arguments of `recover`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct RecoverArgs {
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `heartbeat`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct HeartbeatArgs {
    /// Take no longer than this [default: the board's budgetSeconds]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub budget: Option<Duration>,
    /// At most so many tasks
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `wake`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct WakeArgs {
    /// Who is to be started
    pub name: AgentName,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `run`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct RunArgs {
    /// End after one task
    #[arg(long, conflicts_with = "until_idle")]
    pub once: bool,
    /// End when there is no task left that this agent may take
    #[arg(long)]
    pub until_idle: bool,
    /// After how long a command is asked to let others have a turn; sliceSeconds unless given
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub slice: Option<Duration>,
    /// Longest time for one task, over all slices; runTimeoutSeconds unless given
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How many tasks to run at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub limit: u8,
    /// Command that does a task; that of `git config squad.runner` unless given
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}
