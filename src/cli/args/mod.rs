//! What was typed, as types: every verb with its arguments, and the global flags.
//!
//! Owns names, help and the order of verbs. A value is checked here as far as its own text goes; whether a task
//! exists or may do that is decided behind `ops`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod backup;
mod board;
mod help;
mod hook;
mod life;
mod parse;
mod schedule;
#[cfg(test)]
mod tests;
mod truth;
mod value;
mod work;

pub use backup::{BackupArgs, BackupCommand, BackupRestoreArgs};
pub use board::*;
pub use help::{COMMON, GROUPS, command};
pub use hook::{HookArgs, HookCommand};
pub use life::{BeatArgs, HeartbeatArgs, RecoverArgs, RunArgs, WaitArgs, WakeArgs};
pub use parse::{ParseStop, parse, parse_with};
pub use schedule::{ScheduleCommand, ScheduleInstallArgs, SchedulePlanArgs, ScheduleUninstallArgs};
pub use truth::*;
pub use value::{
    BadEvidence, BadPair, BadPosition, EffectWord, EvidenceArg, Input, NameIs, ReportFormat, Shell, Template, Text,
    WordIs,
};
pub use work::*;

use crate::model::id::{AgentName, Epoch};

/// A command line that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Cli {
    /// The flags that every verb takes.
    pub globals: Globals,
    /// The verb with its arguments.
    pub command: Command,
}

/// A command line as clap reads it: the verb may be missing.
#[derive(Debug, Parser)]
#[command(
    name = "squad",
    version,
    about = "Keep the tasks of a team of agents as files in git",
    disable_help_subcommand = true
)]
struct Typed {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The flags that every verb takes.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Act as this member of the roster [env: SQUAD_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    pub agent: Option<AgentName>,
    /// Act under the claim with this fencing number [env: SQUAD_EPOCH]
    #[arg(long, global = true, value_name = "N", value_parser = parse::epoch, allow_negative_numbers = true)]
    pub epoch: Option<Epoch>,
    /// Answer with one JSON object
    #[arg(long, global = true)]
    pub json: bool,
    /// Run as if started in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Do not reach for the remote
    #[arg(long, global = true)]
    pub offline: bool,
    /// Write nothing while anything on the board is damaged
    #[arg(long, global = true)]
    pub strict: bool,
    /// Agree to a push beforehand, where `git config squad.push` is ask
    #[arg(long, global = true)]
    pub yes: bool,
    /// Print data and failures only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print without colour [env: NO_COLOR]
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// What every writing verb takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Writing {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What the verbs take that nothing can refuse later: `comment`, `progress`, `new`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Queueing {
    /// Keep it in this clone, provisional until `squad sync`, where the remote is out of reach or the board broken
    #[arg(long)]
    pub queue: bool,
}

/// A verb with its arguments.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum Command {
    /// Make a board in this repository, or join the one it has
    #[command(after_help = "Examples:\n  squad init\n  squad init --branch squad --template mission-control")]
    Init(InitArgs),
    /// List or change the roster
    #[command(after_help = "Examples:\n  squad agents\n  squad agents add scout --role executor")]
    Agents(AgentsArgs),
    /// Make a task
    #[command(
        after_help = "Examples:\n  squad new \"Fix the login\" --priority high --assigned scout --file src/login.rs\n  squad new --from tasks.json"
    )]
    New(NewArgs),
    /// Take over the tasks of another board, each where it stands there
    #[command(
        after_help = "The file is an array of tasks, or an object whose `tasks` are some, by position or by id. Fields that have no place here are kept with each task; what changes its meaning is told.\n\nExamples:\n  squad import tasks.json --dry-run\n  squad import tasks.json --as turing=scout --as jarvis= --status wip=working"
    )]
    Import(ImportArgs),
    /// Show a task
    #[command(after_help = "Examples:\n  squad show mc-042\n  squad show mc-042 --field status")]
    Show(ShowArgs),
    /// List tasks
    #[command(after_help = "Example:\n  squad list --status blocked --status review --assigned scout")]
    List(ListArgs),
    /// Change fields of a task
    #[command(after_help = "Example:\n  squad edit mc-042 --priority critical --tag login --due 2d")]
    Edit(EditArgs),
    /// Give a task to somebody
    #[command(after_help = "Example:\n  squad assign mc-042 scout")]
    Assign(AssignArgs),
    /// Say something about a task
    #[command(
        after_help = "Examples:\n  squad comment mc-042 \"@aria the token expires too early\"\n  squad comment mc-042 - --json"
    )]
    Comment(CommentArgs),
    /// Say how far the work has come
    #[command(after_help = "Example:\n  squad progress mc-042 --step \"Writing the test\" --pct 40")]
    Progress(ProgressArgs),
    /// Add, move or give away the parts of a task
    #[command(subcommand, after_help = "Example:\n  squad subtask add mc-042 \"Write the test\"")]
    Subtask(SubtaskCommand),
    /// Name the paths that a task touches
    #[command(subcommand, after_help = "Example:\n  squad files add mc-042 src/login.rs")]
    Files(FilesCommand),
    /// Say which task waits for which
    #[command(subcommand, after_help = "Example:\n  squad dep add mc-042 mc-041")]
    Dep(DepCommand),
    /// Put completed tasks away
    #[command(after_help = "Examples:\n  squad archive mc-042\n  squad archive --older-than 30d")]
    Archive(ArchiveArgs),
    /// Bring an archived task back
    #[command(after_help = "Example:\n  squad restore mc-042 --reason \"The fix did not hold\"")]
    Restore(ReasonArgs),
    /// Give a task up
    #[command(after_help = "Example:\n  squad cancel mc-042 --reason \"The page is gone\"")]
    Cancel(ReasonArgs),
    /// Take a completion back
    #[command(after_help = "Example:\n  squad reopen mc-042 --reason \"Fails on the second login\"")]
    Reopen(ReasonArgs),

    /// Look what there is to do
    #[command(after_help = "Examples:\n  squad scan --agent scout\n  squad scan --agent scout --since-last --json")]
    Scan(ScanArgs),
    /// Show the best task that this agent may claim
    #[command(after_help = "Example:\n  squad next --agent scout -v")]
    Next,
    /// Take a task
    #[command(
        after_help = "Examples:\n  squad claim mc-042 --agent scout --plan \"Renew the token before it expires\"\n  squad claim --next --agent scout"
    )]
    Claim(ClaimArgs),
    /// Begin the work on a claimed task
    #[command(after_help = "Example:\n  squad start mc-042 --agent scout")]
    Start(TaskArgs),
    /// Say that a task cannot go on
    #[command(
        after_help = "Examples:\n  squad block mc-042 --kind human --reason \"Two designs are possible\" --need \"a decision\" --question \"Which one?\" --option first --option second\n  squad block mc-042 --kind external --reason \"Rate limit\" --retry-after 15m"
    )]
    Block(BlockArgs),
    /// Say that a task can go on
    #[command(after_help = "Example:\n  squad unblock mc-042 --comment \"Take the first design\"")]
    Unblock(UnblockArgs),
    /// Hand in for review
    #[command(
        after_help = "Example:\n  squad submit mc-042 --deliverable src/login.rs --summary \"Token is renewed in time\" --evidence commit:HEAD"
    )]
    Submit(DeliverArgs),
    /// Send a task back to work, or refuse a request for a verdict
    #[command(after_help = "Example:\n  squad reject mc-042 --missing \"a test for the second login\"")]
    Reject(RejectArgs),
    /// Approve a task in review
    #[command(after_help = "Example:\n  squad approve mc-042 --agent aria")]
    Approve(TaskArgs),
    /// Hand in as done, with proof
    #[command(
        after_help = "Example:\n  squad complete mc-042 --deliverable src/login.rs --summary \"Token is renewed in time\" --evidence commit:HEAD --run \"cargo test login\""
    )]
    Complete(DeliverArgs),
    /// Confirm that a task is done
    #[command(after_help = "Example:\n  squad verify mc-042 --comment \"Logged in twice\"")]
    Verify(VerifyArgs),
    /// Say that a run failed
    #[command(after_help = "Example:\n  squad fail mc-042 --error \"no answer in 30 s\" --cause timeout")]
    Fail(FailArgs),
    /// Try again after something outside was in the way
    #[command(after_help = "Example:\n  squad retry mc-042")]
    Retry(TaskArgs),
    /// Start over after too many failures
    #[command(after_help = "Example:\n  squad restart mc-042 --reason \"The key is renewed\"")]
    Restart(ReasonArgs),
    /// Give a task back
    #[command(after_help = "Example:\n  squad release mc-042 --note \"Test is written, fix is not\"")]
    Release(ReleaseArgs),
    /// Say that a task is done and ask for a verdict
    #[command(after_help = "Example:\n  squad request-complete mc-042 --note \"Done by hand on the server\"")]
    RequestComplete(RequestCompleteArgs),
    /// Lift a gate for the next step of a task
    #[command(
        after_help = "Example:\n  squad override mc-042 --gate approval --reason \"Outage, both approvers are asleep\""
    )]
    Override(OverrideArgs),

    /// Fetch the board and settle what is still open
    #[command(after_help = "Examples:\n  squad sync --json\n  squad sync --accept-rewind")]
    Sync(SyncArgs),
    /// Show where the board stands
    #[command(after_help = "Example:\n  squad status")]
    Status,
    /// Show receipts: who did what, in which commit
    #[command(after_help = "Examples:\n  squad log mc-042\n  squad log --agent scout -n 20")]
    Log(LogArgs),
    /// Show what happened last, on all tasks
    #[command(after_help = "Example:\n  squad activity --limit 20")]
    Activity(ActivityArgs),
    /// Count: throughput, times, successes
    #[command(after_help = "Example:\n  squad stats --since 7d")]
    Stats(StatsArgs),
    /// Show what happened to each task between two commits, or in what is staged
    #[command(
        after_help = "Examples:\n  squad diff\n  squad diff HEAD~5..HEAD\n  squad diff --textconv squad/tasks/json/mc-042.json"
    )]
    Diff(DiffArgs),
    /// Check files against the schema and the rules of the board
    #[command(after_help = "Examples:\n  squad check\n  squad check --staged")]
    Check(CheckArgs),
    /// Judge what a branch changes on the board
    #[command(after_help = "Examples:\n  squad review origin/main..HEAD\n  squad review origin/main --format markdown")]
    Review(ReviewArgs),
    /// Decide the history of the board again, commit by commit
    #[command(after_help = "Examples:\n  squad audit\n  squad audit mc-042 --since HEAD~20")]
    Audit(AuditArgs),
    /// Give the board as it is a name to come back to
    #[command(
        after_help = "Examples:\n  squad backup\n  squad backup before-migration\n  squad backup list\n  squad backup restore before-migration --dry-run"
    )]
    Backup(BackupArgs),
    /// Look at everything that squad leans on
    #[command(after_help = "Example:\n  squad doctor")]
    Doctor,
    /// Print the schema of a file or an answer
    #[command(after_help = "Example:\n  squad schema task")]
    Schema(SchemaArgs),

    /// Tell who holds which paths
    #[command(subcommand, after_help = "Example:\n  squad lock check src/login.rs")]
    Lock(LockCommand),
    /// Give a sign of life, or say goodbye
    #[command(after_help = "Examples:\n  squad beat --agent scout\n  squad beat --leave --agent scout")]
    Beat(BeatArgs),
    /// Wait until there is a task that this agent may take
    #[command(
        after_help = "Examples:\n  squad wait --claim --agent scout\n  squad wait --timeout 10m --agent scout --json"
    )]
    Wait(WaitArgs),
    /// Take back what somebody holds who is gone
    #[command(after_help = "Examples:\n  squad recover\n  squad recover --dry-run --json")]
    Recover(RecoverArgs),
    /// Do one tick of the control loop
    #[command(
        after_help = "Examples:\n  squad heartbeat --agent scout\n  squad heartbeat --agent scout --budget 30s --json"
    )]
    Heartbeat(HeartbeatArgs),
    /// Ask that an agent be started, once however many ask
    #[command(after_help = "Example:\n  squad wake scout --reason \"Three tasks are waiting\"")]
    Wake(WakeArgs),
    /// Have a command do one task after the other
    #[command(
        after_help = "The command is the one after --, else that of `git config squad.runner`. It finds the task in the file SQUAD_BRIEF and leaves its result in SQUAD_RESULT.\n\nExamples:\n  squad run --until-idle --agent scout -- ./work-on-task\n  squad run --once --agent scout"
    )]
    Run(RunArgs),

    /// Wake the agents of the roster by cron, systemd or launchd
    #[command(subcommand, after_help = "Examples:\n  squad schedule print\n  squad schedule install --dry-run")]
    Schedule(ScheduleCommand),

    /// Make git ask squad before each commit
    #[command(subcommand, after_help = "Examples:\n  squad hook install\n  squad hook status")]
    Hook(HookCommand),
    /// Play a small board through in a temporary folder
    #[command(after_help = "Example:\n  squad demo")]
    Demo(DemoArgs),
    /// Play a small board through with your own git and its settings
    #[command(after_help = "Example:\n  squad selftest")]
    Selftest,
    /// Merge two versions of a task file, for git
    #[command(
        after_help = "Git runs it once `squad init` has named it in the clone's configuration:\n\nExample:\n  squad merge-driver base.json ours.json theirs.json squad/tasks/json/mc-042.json"
    )]
    MergeDriver(MergeDriverArgs),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  squad completions zsh > ~/.zfunc/_squad")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each verb
    #[command(after_help = "Examples:\n  squad man\n  squad man --dir target/man")]
    Man(ManArgs),
}

impl Command {
    /// Returns the verb as it is typed, with its second word where it has one: `claim`, `subtask add`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Agents(AgentsArgs { command: None }) => "agents",
            Self::Agents(AgentsArgs { command: Some(AgentsCommand::Add(_)) }) => "agents add",
            Self::Agents(AgentsArgs { command: Some(AgentsCommand::Remove(_)) }) => "agents remove",
            Self::Agents(AgentsArgs { command: Some(AgentsCommand::Guide) }) => "agents guide",
            Self::New(_) => "new",
            Self::Import(_) => "import",
            Self::Show(_) => "show",
            Self::List(_) => "list",
            Self::Edit(_) => "edit",
            Self::Assign(_) => "assign",
            Self::Comment(_) => "comment",
            Self::Progress(_) => "progress",
            Self::Subtask(SubtaskCommand::Add(_)) => "subtask add",
            Self::Subtask(SubtaskCommand::Set(_)) => "subtask set",
            Self::Subtask(SubtaskCommand::Assign(_)) => "subtask assign",
            Self::Files(FilesCommand::Add(_)) => "files add",
            Self::Files(FilesCommand::Remove(_)) => "files remove",
            Self::Dep(DepCommand::Add(_)) => "dep add",
            Self::Dep(DepCommand::Remove(_)) => "dep remove",
            Self::Dep(DepCommand::Tree(_)) => "dep tree",
            Self::Archive(_) => "archive",
            Self::Restore(_) => "restore",
            Self::Cancel(_) => "cancel",
            Self::Reopen(_) => "reopen",
            Self::Scan(_) => "scan",
            Self::Next => "next",
            Self::Claim(_) => "claim",
            Self::Start(_) => "start",
            Self::Block(_) => "block",
            Self::Unblock(_) => "unblock",
            Self::Submit(_) => "submit",
            Self::Reject(_) => "reject",
            Self::Approve(_) => "approve",
            Self::Complete(_) => "complete",
            Self::Verify(_) => "verify",
            Self::Fail(_) => "fail",
            Self::Retry(_) => "retry",
            Self::Restart(_) => "restart",
            Self::Release(_) => "release",
            Self::RequestComplete(_) => "request-complete",
            Self::Override(_) => "override",
            Self::Sync(_) => "sync",
            Self::Status => "status",
            Self::Log(_) => "log",
            Self::Activity(_) => "activity",
            Self::Stats(_) => "stats",
            Self::Diff(_) => "diff",
            Self::Check(_) => "check",
            Self::Review(_) => "review",
            Self::Audit(_) => "audit",
            Self::Backup(BackupArgs { command: None, .. }) => "backup",
            Self::Backup(BackupArgs { command: Some(BackupCommand::List), .. }) => "backup list",
            Self::Backup(BackupArgs { command: Some(BackupCommand::Restore(_)), .. }) => "backup restore",
            Self::Doctor => "doctor",
            Self::Schema(_) => "schema",
            Self::Lock(LockCommand::Check(_)) => "lock check",
            Self::Lock(LockCommand::List) => "lock list",
            Self::Beat(_) => "beat",
            Self::Wait(_) => "wait",
            Self::Recover(_) => "recover",
            Self::Heartbeat(_) => "heartbeat",
            Self::Wake(_) => "wake",
            Self::Schedule(ScheduleCommand::Print(_)) => "schedule print",
            Self::Schedule(ScheduleCommand::Install(_)) => "schedule install",
            Self::Schedule(ScheduleCommand::Uninstall(_)) => "schedule uninstall",
            Self::Schedule(ScheduleCommand::Status) => "schedule status",
            Self::Run(_) => "run",
            Self::Hook(HookCommand::Install(_)) => "hook install",
            Self::Hook(HookCommand::Uninstall(_)) => "hook uninstall",
            Self::Hook(HookCommand::Status) => "hook status",
            Self::Hook(HookCommand::PreCommit) => "hook pre-commit",
            Self::Demo(_) => "demo",
            Self::Selftest => "selftest",
            Self::MergeDriver(_) => "merge-driver",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

/// Every name that [`Command::name`] returns.
pub(crate) const NAMES: &[&str] = &[
    "init",
    "agents",
    "agents add",
    "agents remove",
    "agents guide",
    "new",
    "import",
    "show",
    "list",
    "edit",
    "assign",
    "comment",
    "progress",
    "subtask add",
    "subtask set",
    "subtask assign",
    "files add",
    "files remove",
    "dep add",
    "dep remove",
    "dep tree",
    "archive",
    "restore",
    "cancel",
    "reopen",
    "scan",
    "next",
    "claim",
    "start",
    "block",
    "unblock",
    "submit",
    "reject",
    "approve",
    "complete",
    "verify",
    "fail",
    "retry",
    "restart",
    "release",
    "request-complete",
    "override",
    "sync",
    "status",
    "log",
    "activity",
    "stats",
    "diff",
    "check",
    "review",
    "audit",
    "backup",
    "backup list",
    "backup restore",
    "doctor",
    "schema",
    "lock check",
    "lock list",
    "beat",
    "wait",
    "recover",
    "heartbeat",
    "wake",
    "schedule print",
    "schedule install",
    "schedule uninstall",
    "schedule status",
    "run",
    "hook install",
    "hook uninstall",
    "hook status",
    "hook pre-commit",
    "demo",
    "selftest",
    "merge-driver",
    "completions",
    "man",
];
