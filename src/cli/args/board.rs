//! Arguments of the verbs that shape the board: making, showing, changing and putting away tasks.
//!
//! A field that the state machine asks for is optional here: its absence is refused by the same rule on every
//! surface (`missing-field`), not by the parser.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::value::{EffectWord, Input, NameIs, Template, Text, WordIs, position, word};
use super::{Queueing, Writing};
use crate::cli::when::{When, duration};
use crate::model::id::{AgentName, OpId, TaskId};
use crate::model::vocabulary::{AgentKind, Dialect, Domain, Effect, Priority, Role, Status, SubtaskStatus};

/// Arguments of `init`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct InitArgs {
    /// Branch that the board lives on; the one that is checked out unless given
    #[arg(long, value_name = "B")]
    pub branch: Option<String>,
    /// Remote that the board is published to; origin or the only one unless given
    #[arg(long, value_name = "R")]
    pub remote: Option<String>,
    /// Roster and settings to begin with
    #[arg(long, default_value = "minimal", value_parser = word(Template::ALL, Template::as_str))]
    pub template: Template,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `agents`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AgentsArgs {
    /// What to do; without it the roster is listed.
    #[command(subcommand)]
    pub command: Option<AgentsCommand>,
}

/// What `agents` can do to the roster.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum AgentsCommand {
    /// Enter a member in the roster
    #[command(after_help = "Example:\n  squad agents add scout --role executor --domain dev")]
    Add(AgentsAddArgs),
    /// Strike a member from the roster
    #[command(after_help = "Example:\n  squad agents remove scout")]
    Remove(AgentsRemoveArgs),
    /// Print what agents should know of this board, as Markdown for AGENTS.md
    #[command(after_help = "Example:\n  squad agents guide >> AGENTS.md")]
    Guide,
}

/// Arguments of `agents add`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AgentsAddArgs {
    /// Name of the member
    pub name: AgentName,
    /// What the member may do
    #[arg(long, value_parser = word(Role::ALL, Role::as_str))]
    pub role: Role,
    /// What sort of member it is
    #[arg(long, default_value = "agent", value_parser = word(AgentKind::ALL, AgentKind::as_str))]
    pub kind: AgentKind,
    /// Part of the work that the member takes or decides on
    #[arg(long, value_parser = word(Domain::ALL, Domain::as_str))]
    pub domain: Option<Domain>,
    /// E-mail that git knows the member by
    #[arg(long, value_name = "E")]
    pub email: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `agents remove`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AgentsRemoveArgs {
    /// Name of the member
    pub name: AgentName,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// What `new --from` takes from the file instead.
const NEW_FIELDS: [&str; 15] = [
    "title",
    "from_event",
    "id",
    "description",
    "priority",
    "assigned",
    "category",
    "file",
    "depends_on",
    "participant",
    "tag",
    "due",
    "acceptance",
    "parent",
    "effect",
];

/// Arguments of `new`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct NewArgs {
    /// One line that says what is to be done
    #[arg(required_unless_present = "from")]
    pub title: Option<String>,
    /// Read one task or an array of tasks from a JSON file, or from stdin with -; one commit for all
    #[arg(long, value_name = "FILE", conflicts_with_all = NEW_FIELDS)]
    pub from: Option<Input>,
    /// Operation that it follows from, as the log names it: becomes its source, and is told on that task
    #[arg(long, value_name = "OP", conflicts_with = "queue")]
    pub from_event: Option<OpId>,
    /// Id of the task; made from the time unless given
    #[arg(long, value_name = "ID")]
    pub id: Option<TaskId>,
    /// The whole of it, as text
    #[arg(long, value_name = "D")]
    pub description: Option<String>,
    /// How soon it wants doing; medium unless given
    #[arg(long, value_parser = word(Priority::ALL, Priority::as_str))]
    pub priority: Option<Priority>,
    /// Whose task it is
    #[arg(long, value_name = "A")]
    pub assigned: Option<AgentName>,
    /// Domain that it belongs to
    #[arg(long, value_parser = word(Domain::ALL, Domain::as_str))]
    pub category: Option<Domain>,
    /// Path or glob that the work touches; may be repeated
    #[arg(long, value_name = "PATH")]
    pub file: Vec<String>,
    /// Task that must be completed first; may be repeated
    #[arg(long, value_name = "T")]
    pub depends_on: Vec<TaskId>,
    /// Who takes part; may be repeated
    #[arg(long, value_name = "A")]
    pub participant: Vec<AgentName>,
    /// Label; may be repeated
    #[arg(long, value_name = "X")]
    pub tag: Vec<String>,
    /// When it should be done: RFC 3339, a date, or a duration from now
    #[arg(long, value_name = "WHEN")]
    pub due: Option<When>,
    /// What must be true when it is done; may be repeated
    #[arg(long, value_name = "S")]
    pub acceptance: Vec<String>,
    /// Task that this one is a part of
    #[arg(long, value_name = "T")]
    pub parent: Option<TaskId>,
    /// What it does to the world outside its worktree, or none; may be repeated
    #[arg(long, value_name = "E", value_parser = word(EffectWord::ALL, EffectWord::as_str))]
    pub effect: Vec<EffectWord>,
    /// What verbs take that nothing can refuse later.
    #[command(flatten)]
    pub queueing: Queueing,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

impl NewArgs {
    /// Returns the effects: `None` where nothing was said, an empty list where it was said that there are none.
    pub fn effects(&self) -> Option<Vec<Effect>> {
        let known = |word: &EffectWord| match word {
            EffectWord::Browser => Some(Effect::Browser),
            EffectWord::Send => Some(Effect::Send),
            EffectWord::Destructive => Some(Effect::Destructive),
            EffectWord::Persist => Some(Effect::Persist),
            EffectWord::None => None,
        };
        (!self.effect.is_empty()).then(|| self.effect.iter().filter_map(known).collect())
    }
}

/// Arguments of `import`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ImportArgs {
    /// JSON file with the tasks, or - for stdin; one commit for all
    pub file: Input,
    /// Family of words that the other board uses for where a task stands; whichever knows the word unless given
    #[arg(long, value_parser = word(Dialect::ALL, Dialect::as_str))]
    pub vocab: Option<Dialect>,
    /// What a word of the other board means here, as a phase: pending, working, review, failed, …; may be repeated
    #[arg(long, value_name = "WORD=PHASE")]
    pub status: Vec<WordIs>,
    /// Who somebody of the other board is here, or nobody where NEW is empty; may be repeated
    #[arg(long = "as", value_name = "OLD=NEW")]
    pub names: Vec<NameIs>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `show`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ShowArgs {
    /// Task to show
    pub task: TaskId,
    /// Print this field only
    #[arg(long, value_name = "F")]
    pub field: Option<String>,
    /// Show it as it was at this commit of the board
    #[arg(long, value_name = "REV")]
    pub at: Option<String>,
}

/// Arguments of `list`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ListArgs {
    /// Only tasks with this status; may be repeated
    #[arg(long, value_parser = word(Status::ALL, Status::as_str))]
    pub status: Vec<Status>,
    /// Only tasks of this agent
    #[arg(long, value_name = "A")]
    pub assigned: Option<AgentName>,
    /// Only tasks with this priority
    #[arg(long, value_parser = word(Priority::ALL, Priority::as_str))]
    pub priority: Option<Priority>,
    /// Only tasks with this label
    #[arg(long, value_name = "X")]
    pub tag: Option<String>,
    /// Only tasks that hold this text
    #[arg(long, value_name = "Q")]
    pub text: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Completed and archived tasks as well
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `edit`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct EditArgs {
    /// Task to change
    pub task: TaskId,
    /// New title
    #[arg(long, value_name = "TITLE")]
    pub title: Option<String>,
    /// New description
    #[arg(long, value_name = "D")]
    pub description: Option<String>,
    /// New priority
    #[arg(long, value_parser = word(Priority::ALL, Priority::as_str))]
    pub priority: Option<Priority>,
    /// New domain
    #[arg(long, value_parser = word(Domain::ALL, Domain::as_str))]
    pub category: Option<Domain>,
    /// Label to add; may be repeated
    #[arg(long, value_name = "X")]
    pub tag: Vec<String>,
    /// Label to strike; may be repeated
    #[arg(long, value_name = "X")]
    pub untag: Vec<String>,
    /// New due date: RFC 3339, a date, or a duration from now
    #[arg(long, value_name = "WHEN")]
    pub due: Option<When>,
    /// New place in its column: lower is higher
    #[arg(long, value_name = "N", value_parser = position, allow_negative_numbers = true)]
    pub position: Option<f64>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `assign`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct AssignArgs {
    /// Task to give away
    pub task: TaskId,
    /// Whom to give it to
    #[arg(value_name = "NAME")]
    pub to: AgentName,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `comment`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct CommentArgs {
    /// Task to speak about
    pub task: TaskId,
    /// What to say, or - to read it from stdin
    #[arg(allow_hyphen_values = true)]
    pub text: Text,
    /// Further task to say the same on, in the same commit; may be repeated
    #[arg(long, value_name = "T")]
    pub also: Vec<TaskId>,
    /// What verbs take that nothing can refuse later.
    #[command(flatten)]
    pub queueing: Queueing,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `progress`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ProgressArgs {
    /// Task that is being worked on
    pub task: TaskId,
    /// What is being done
    #[arg(long, value_name = "S")]
    pub step: Option<String>,
    /// How much is done, 0 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub pct: Option<u8>,
    /// What verbs take that nothing can refuse later.
    #[command(flatten)]
    pub queueing: Queueing,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// What `subtask` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum SubtaskCommand {
    /// Add a part to a task
    #[command(after_help = "Example:\n  squad subtask add mc-042 \"Write the test\" --assigned scout")]
    Add(SubtaskAddArgs),
    /// Move a part
    #[command(after_help = "Example:\n  squad subtask set mc-042 sub-1 complete --comment \"All green\"")]
    Set(SubtaskSetArgs),
    /// Give a part to somebody
    #[command(after_help = "Example:\n  squad subtask assign mc-042 sub-1 scout")]
    Assign(SubtaskAssignArgs),
}

/// Arguments of `subtask add`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SubtaskAddArgs {
    /// Task that the part belongs to
    pub task: TaskId,
    /// One line that says what is to be done
    pub title: String,
    /// Whose part it is
    #[arg(long, value_name = "A")]
    pub assigned: Option<AgentName>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `subtask set`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SubtaskSetArgs {
    /// Task that the part belongs to
    pub task: TaskId,
    /// Id of the part
    #[arg(value_name = "SUB")]
    pub subtask: String,
    /// Where it stands now
    #[arg(value_parser = word(SubtaskStatus::ALL, SubtaskStatus::as_str))]
    pub status: SubtaskStatus,
    /// What to say about it
    #[arg(long, value_name = "C")]
    pub comment: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `subtask assign`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct SubtaskAssignArgs {
    /// Task that the part belongs to
    pub task: TaskId,
    /// Id of the part
    #[arg(value_name = "SUB")]
    pub subtask: String,
    /// Whom to give it to
    #[arg(value_name = "NAME")]
    pub to: AgentName,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// What `files` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum FilesCommand {
    /// Name paths that the work touches
    #[command(after_help = "Example:\n  squad files add mc-042 src/login.rs 'src/session/**'")]
    Add(FilesArgs),
    /// Strike paths that the work does not touch
    #[command(after_help = "Example:\n  squad files remove mc-042 src/login.rs")]
    Remove(FilesArgs),
}

/// Arguments of `files add` and `files remove`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct FilesArgs {
    /// Task whose paths they are
    pub task: TaskId,
    /// Paths and globs, from the root of the repository
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// What `dep` can do.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum DepCommand {
    /// Make a task wait for another
    #[command(after_help = "Example:\n  squad dep add mc-042 mc-041")]
    Add(DepArgs),
    /// Stop a task from waiting for another
    #[command(after_help = "Example:\n  squad dep remove mc-042 mc-041")]
    Remove(DepArgs),
    /// Show what waits for what
    #[command(after_help = "Example:\n  squad dep tree mc-042")]
    Tree(DepTreeArgs),
}

/// Arguments of `dep add` and `dep remove`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DepArgs {
    /// Task that waits
    pub task: TaskId,
    /// Task that must be completed first
    pub on: TaskId,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `dep tree`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DepTreeArgs {
    /// Task to begin with; all tasks unless given
    pub task: Option<TaskId>,
}

/// Arguments of `archive`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ArchiveArgs {
    /// Completed task to put away
    #[arg(required_unless_present = "older_than", conflicts_with = "older_than")]
    pub task: Option<TaskId>,
    /// Put away every task that was completed longer ago than this
    #[arg(long, value_name = "DUR", value_parser = duration)]
    pub older_than: Option<Duration>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of the verbs that want a reason: `restart`, `restore`, `cancel`, `reopen`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct ReasonArgs {
    /// Task that it is about
    pub task: TaskId,
    /// Why
    #[arg(long, value_name = "R")]
    pub reason: Option<String>,
    /// What every writing verb takes.
    #[command(flatten)]
    pub writing: Writing,
}

/// Arguments of `demo`.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct DemoArgs {
    /// Folder to make the board in; a temporary one unless given
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
