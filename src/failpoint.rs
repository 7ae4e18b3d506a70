//! Named steps at which a test may kill the process, as a machine that fails would, or have it stand still.
//!
//! Builds for use hold none of this: there a step is nothing.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicUsize, Ordering};

/// A step between two others that must both survive a death between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The operation is in the queue, and nobody has taken it up.
    Queued,
    /// The remote has been asked; nothing is decided.
    Fetched,
    /// The new commits are stored, and nothing refers to them.
    Sealed,
    /// It is written down what the next push may make known.
    Remembered,
    /// The push has been answered, and nothing of it is recorded.
    Pushed,
    /// The new head is recorded as confirmed, and the checkout has not followed.
    Confirmed,
    /// The checkout has followed, and no answer is written.
    Followed,
    /// Answers are written, and the queue still holds the operations.
    Answered,
    /// All is done but the telling.
    Struck,
    /// A run: the task is begun on the board, and nothing here shows it.
    Taken,
    /// A run: signs of life are given, and nothing is started.
    Shown,
    /// A run: it is on record that a command is about to start.
    Announced,
    /// A run: the command has started, and its process is not on record.
    Started,
    /// A run: its process is on record.
    Recorded,
    /// A run: the command has ended, and nothing of that is written.
    Ended,
    /// A run: what came of it is on the board, and its files are here still.
    Closed,
    /// A run: its worktree is gone, and its record is not.
    Removed,
}

impl Step {
    /// The steps of a publish, in their order.
    pub const PUBLISH: &'static [(Self, &'static str)] = &[
        (Self::Queued, "queued"),
        (Self::Fetched, "fetched"),
        (Self::Sealed, "sealed"),
        (Self::Remembered, "remembered"),
        (Self::Pushed, "pushed"),
        (Self::Confirmed, "confirmed"),
        (Self::Followed, "followed"),
        (Self::Answered, "answered"),
        (Self::Struck, "struck"),
    ];

    /// The steps of a run, in their order. Between them are those of several publishes.
    pub const RUN: &'static [(Self, &'static str)] = &[
        (Self::Taken, "taken"),
        (Self::Shown, "shown"),
        (Self::Announced, "announced"),
        (Self::Started, "started"),
        (Self::Recorded, "recorded"),
        (Self::Ended, "ended"),
        (Self::Closed, "closed"),
        (Self::Removed, "removed"),
    ];
}

#[cfg(debug_assertions)]
static ARMED: std::sync::OnceLock<Armed> = std::sync::OnceLock::new();

#[cfg(debug_assertions)]
struct Armed {
    step: Step,
    /// Whether the process dies there, and does not stand still.
    dies: bool,
    /// How often it has still to come past it before it dies.
    left: AtomicUsize,
}

/// Makes the process die at a step, by name, or with `name:n` when it comes past it for the n-th time; or stand still
/// there each time, with `stop:name`. A name that no step has changes nothing.
#[cfg(debug_assertions)]
pub fn arm(what: &str) {
    let (what, dies) = what.strip_prefix("stop:").map_or((what, true), |what| (what, false));
    let (name, time) = what.split_once(':').unwrap_or((what, "1"));
    let step = Step::PUBLISH.iter().chain(Step::RUN).find(|(_, known)| *known == name);
    if let (Some((step, _)), Ok(time)) = (step, time.parse()) {
        let _ = ARMED.set(Armed { step: *step, dies, left: AtomicUsize::new(time) });
    }
}

/// Dies here, where a test has asked for it: at once, with nothing cleaned up. Or stands still until it is told to go on.
#[cfg(all(debug_assertions, unix))]
pub fn reach(step: Step) {
    let due = |armed: &&Armed| armed.step == step && (!armed.dies || armed.left.fetch_sub(1, Ordering::Relaxed) == 1);
    if let Some(armed) = ARMED.get().filter(due) {
        let signal = if armed.dies { rustix::process::Signal::KILL } else { rustix::process::Signal::STOP };
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
}

/// Does nothing.
#[cfg(not(all(debug_assertions, unix)))]
pub fn reach(_: Step) {}
