//! Named steps at which a test may kill the process, as a machine that fails would.
//!
//! Builds for use hold none of this: there a step is nothing.

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
}

impl Step {
    /// Every step, in the order of a publish.
    pub const ALL: &'static [(Self, &'static str)] = &[
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
}

#[cfg(debug_assertions)]
static ARMED: std::sync::OnceLock<Step> = std::sync::OnceLock::new();

/// Makes the process die at a step; a name that no step has changes nothing.
#[cfg(debug_assertions)]
pub fn arm(name: &str) {
    if let Some((step, _)) = Step::ALL.iter().find(|(_, known)| *known == name) {
        let _ = ARMED.set(*step);
    }
}

/// Dies here, where a test has asked for it: at once, with nothing cleaned up.
#[cfg(all(debug_assertions, unix))]
pub fn reach(step: Step) {
    if ARMED.get() == Some(&step) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Does nothing.
#[cfg(not(all(debug_assertions, unix)))]
pub fn reach(_: Step) {}
