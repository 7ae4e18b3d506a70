//! Arguments of the verbs that tell what is true: state, history, locks, checks, and squad's own papers.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::value::{ReportFormat, Shell, word};
use crate::cli::when::duration;
use crate::model::id::{AgentName, TaskId};

/// Arguments of `sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct SyncArgs {
    /// Take a board that was rewritten on the remote as it is now; the old head is kept under a backup ref
    #[arg(long)]
    pub accept_rewind: bool,
}

/// Arguments of `log`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct LogArgs {
    /// Task to show the receipts of; all tasks unless given
    pub task: Option<TaskId>,
    /// Only receipts of this agent: the `--agent` of the command line, never that of the environment.
    #[arg(skip)]
    pub by: Option<AgentName>,
    /// Receipts of everybody, whatever --agent says
    #[arg(long)]
    pub all: bool,
    /// Only failed runs, claims that were taken back, and refusals
    #[arg(long)]
    pub failed: bool,
    /// At most so many, newest first
    #[arg(short = 'n', value_name = "N")]
    pub limit: Option<usize>,
    /// Go on and print new ones as they land
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `activity`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ActivityArgs {
    /// At most so many, newest first
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Arguments of `stats`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct StatsArgs {
    /// Only what happened in this stretch of time before now
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub since: Option<Duration>,
}

/// Arguments of `check`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct CheckArgs {
    /// Folder or task file to check; the board unless given
    #[arg(value_name = "PATH", conflicts_with_all = ["staged", "at"])]
    pub path: Option<PathBuf>,
    /// Check what is staged for the next commit
    #[arg(long, conflicts_with = "at")]
    pub staged: bool,
    /// Check the board at this commit
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,
}

/// Arguments of `review`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ReviewArgs {
    /// Commits to judge: from where HEAD parted from BASE; HEAD is what is checked out unless given
    #[arg(value_name = "BASE..HEAD")]
    pub range: String,
    /// How to write the verdict
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = word(ReportFormat::ALL, ReportFormat::as_str))]
    pub format: ReportFormat,
}

/// Arguments of `audit`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AuditArgs {
    /// Only what was done to this task
    pub task: Option<TaskId>,
    /// Only commits after this one
    #[arg(long, value_name = "REV")]
    pub since: Option<String>,
}

/// Arguments of `diff`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DiffArgs {
    /// Commits to compare: from where B parted from A; what is staged unless given
    #[arg(value_name = "A..B")]
    pub range: Option<String>,
    /// Print this task file as text for people, as git does with each side of a difference
    #[arg(long, value_name = "FILE", conflicts_with = "range")]
    pub textconv: Option<PathBuf>,
}

/// Arguments of `merge-driver`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct MergeDriverArgs {
    /// What both sides were made of, git's %O
    pub base: PathBuf,
    /// What is merged into, git's %A; the result is written here
    pub ours: PathBuf,
    /// What is merged, git's %B
    pub theirs: PathBuf,
    /// Path in the repository that these are versions of, git's %P
    pub path: String,
}

/// Arguments of `schema`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SchemaArgs {
    /// Schema to print; their names unless given
    pub name: Option<String>,
}

/// What `lock` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum LockCommand {
    /// Tell who holds these paths
    #[command(after_help = "Example:\n  squad lock check src/login.rs")]
    Check(LockCheckArgs),
    /// List the paths that are held
    #[command(after_help = "Example:\n  squad lock list --json")]
    List,
}

/// Arguments of `lock check`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct LockCheckArgs {
    /// Paths and globs, from the root of the repository
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

/// Arguments of `completions`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct CompletionsArgs {
    /// Shell to complete in
    #[arg(value_parser = word(Shell::ALL, Shell::as_str))]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ManArgs {
    /// Write one page for each verb into this folder instead of printing the first
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
