//! Arguments of `schedule`: what wakes the agents, and how it gets into the user's timer and out again.

use clap::{Args, Subcommand};

use super::Writing;
use super::value::word;
use crate::model::id::AgentName;
use crate::ops::schedule::Format;

/// What `schedule` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum ScheduleCommand {
    /// Print what install would put in
    #[command(after_help = "Examples:\n  squad schedule print\n  squad schedule print --format systemd --only scout")]
    Print(SchedulePlanArgs),
    /// Wake the agents of the roster by the user's timer, each at minutes of its own
    #[command(
        after_help = "Nothing is put in while `squad doctor` finds a fault. What was there before is kept in the clone's state folder.\n\nExamples:\n  squad schedule install --dry-run\n  squad schedule install --only scout --run"
    )]
    Install(ScheduleInstallArgs),
    /// Take out what install has put in
    #[command(after_help = "Example:\n  squad schedule uninstall --dry-run")]
    Uninstall(ScheduleUninstallArgs),
    /// Tell what is installed for this clone, and whether it is as it should be
    #[command(after_help = "Example:\n  squad schedule status --json")]
    Status,
}

/// What a schedule is to be.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SchedulePlanArgs {
    /// What keeps the time; what fits the machine unless given
    #[arg(long, value_parser = word(Format::ALL, Format::as_str))]
    pub format: Option<Format>,
    /// Agent to wake, instead of all; may be repeated
    #[arg(long, value_name = "NAME")]
    pub only: Vec<AgentName>,
    /// Start a run at each wake, instead of a heartbeat
    #[arg(long)]
    pub run: bool,
}

/// Arguments of `schedule install`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ScheduleInstallArgs {
    /// What the schedule is to be.
    #[command(flatten)]
    pub plan: SchedulePlanArgs,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `schedule uninstall`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ScheduleUninstallArgs {
    /// What kept the time; whatever it was unless given
    #[arg(long, value_parser = word(Format::ALL, Format::as_str))]
    pub format: Option<Format>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}
