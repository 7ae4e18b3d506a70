//! Arguments of `hook`, whose subcommands are run by people and, for one, by git.

use clap::{Args, Subcommand};

use super::Writing;

/// What `hook` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum HookCommand {
    /// Make git ask squad before each commit
    #[command(after_help = "Examples:\n  squad hook install\n  squad hook install --dry-run")]
    Install(HookArgs),
    /// Take out what install has put in
    #[command(after_help = "Example:\n  squad hook uninstall")]
    Uninstall(HookArgs),
    /// Tell whether git asks squad, and how
    #[command(after_help = "Example:\n  squad hook status --json")]
    Status,
    /// Judge what is staged, as git asks before a commit; 4 refuses it
    #[command(after_help = "Example:\n  squad hook pre-commit")]
    PreCommit,
}

/// Arguments of `hook install` and `hook uninstall`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct HookArgs {
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}
