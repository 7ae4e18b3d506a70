//! Arguments of `backup`: making one, listing them, and the way back to one.

use clap::{Args, Subcommand};

use super::Writing;

/// Arguments of `backup`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BackupArgs {
    /// What to do; without it a backup is made.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// Name of the backup; the date and time in UTC unless given
    pub name: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// What else `backup` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum BackupCommand {
    /// List the backups
    #[command(after_help = "Example:\n  squad backup list --json")]
    List,
    /// Bring the board back to a backup, by one commit on top of its history
    #[command(
        after_help = "What was only damaged is again as it was, byte for byte. A task that has moved on since gets its\ncontent back, keeps what was said and done, and is fenced by a new epoch. A newer task stays.\n\nExamples:\n  squad backup restore before-migration --dry-run\n  squad backup restore before-migration"
    )]
    Restore(BackupRestoreArgs),
}

/// Arguments of `backup restore`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct BackupRestoreArgs {
    /// Name of the backup
    pub name: String,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}
