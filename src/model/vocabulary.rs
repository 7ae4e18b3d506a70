//! The closed sets of words: status, priority, role, kinds of block, causes, gates.
//!
//! Owns their spelling on disk, their order, and the map to the words of other boards. The same lists stand in
//! `schema/*.schema.json`; a test proves them equal.

/// A text that is none of the words of a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}; one of: {}", .allowed.join(", "))]
pub struct UnknownWord {
    /// The set: `status`, `priority`, …
    pub what: &'static str,
    /// The text as it was given.
    pub text: String,
    /// Every word of the set, in order.
    pub allowed: Vec<&'static str>,
}

/// Defines an enum whose variants are words, with `ALL`, `as_str`, `Display`, `FromStr` and serde.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$vmeta])* #[doc = concat!("`", $word, "`")] #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word of the set, in its order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the word as it stands on disk.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.pad(self.as_str()) }
        }
        impl ::std::str::FromStr for $name {
            type Err = $crate::model::vocabulary::UnknownWord;
            fn from_str(s: &str) -> Result<Self, $crate::model::vocabulary::UnknownWord> {
                match s {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::model::vocabulary::UnknownWord {
                        what: $what,
                        text: s.chars().take(60).collect(),
                        allowed: vec![$($word),+],
                    }),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Where a task stands. The order is that of `scan`.
    Status, "status" {
        /// Cannot go on without something.
        Blocked = "blocked",
        /// Somebody holds it.
        InProgress = "in-progress",
        /// Handed in, waiting for a reviewer.
        Review = "review",
        /// Approved.
        Ready = "ready",
        /// Waiting to be claimed.
        Backlog = "backlog",
        /// Done.
        Completed = "completed",
        /// Put away.
        Archived = "archived",
    }
}

impl Status {
    /// Tells whether work on the task is still to come.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Completed | Self::Archived)
    }

    /// Tells whether the task's `files[]` stand in the locks file.
    pub const fn holds_locks(self) -> bool {
        matches!(self, Self::InProgress | Self::Blocked | Self::Review)
    }
}

words! {
    /// How soon a task wants doing, most urgent first.
    Priority, "priority" { Critical = "critical", High = "high", Medium = "medium", Low = "low" }
}

impl Priority {
    /// Returns the next more urgent priority; critical stays critical.
    pub const fn raised(self) -> Self {
        match self {
            Self::Critical | Self::High => Self::Critical,
            Self::Medium => Self::High,
            Self::Low => Self::Medium,
        }
    }
}

words! {
    /// What a member of the roster may do.
    Role, "role" { Executor = "executor", Manager = "manager", Chief = "chief", Owner = "owner" }
}

words! {
    /// What sort of member: a program, a person, or a program that squad may start.
    AgentKind, "kind of agent" { Agent = "agent", Human = "human", Managed = "managed" }
}

words! {
    /// The part of the work that a task or a manager belongs to.
    Domain, "domain" { Dev = "dev", Marketing = "marketing", Both = "both" }
}

impl Domain {
    /// Tells whether the two have anything in common.
    pub fn meets(self, other: Self) -> bool {
        self == other || self == Self::Both || other == Self::Both
    }
}

words! {
    /// Where a subtask stands.
    SubtaskStatus, "subtask status" { Backlog = "backlog", Active = "active", Complete = "complete" }
}

words! {
    /// Why a task is blocked.
    BlockKind, "kind of block" {
        Human = "human", External = "external", Dependency = "dependency", Conflict = "conflict", Failure = "failure",
    }
}

words! {
    /// What went wrong in a run.
    Cause, "cause" {
        Timeout = "timeout", MissingFile = "missing-file", Network = "network", Memory = "memory",
        Permission = "permission", RateLimit = "rate-limit", Unknown = "unknown",
    }
}

words! {
    /// What a task does to the world outside its worktree.
    Effect, "effect" { Browser = "browser", Send = "send", Destructive = "destructive", Persist = "persist" }
}

words! {
    /// A check that the owner may lift once.
    Gate, "gate" {
        Approval = "approval", Review = "review", Locks = "locks", Dependency = "dependency", Limit = "limit",
    }
}

words! {
    /// A kind of evidence.
    EvidenceKind, "kind of evidence" {
        Diff = "diff", Command = "command", Screenshot = "screenshot", Log = "log", Commit = "commit", Url = "url",
        File = "file",
    }
}

words! {
    /// Whether a task must pass a reviewer.
    ReviewPolicy, "review policy" { Required = "required", Optional = "optional", None = "none" }
}

words! {
    /// Whether a claim must come with a plan.
    PlanPolicy, "plan policy" { Required = "required", Optional = "optional" }
}

words! {
    /// What a path lock does to a claim.
    LockPolicy, "lock policy" { Enforce = "enforce", Warn = "warn", Off = "off" }
}

words! {
    /// What proves an actor's name.
    IdentityPolicy, "identity policy" { Name = "name", Email = "email", Signature = "signature" }
}

words! {
    /// Why a task was put away.
    ArchivedReason, "archived reason" { Done = "done", Cancelled = "cancelled", Duplicate = "duplicate" }
}

words! {
    /// How strong a lock is.
    LockMode, "lock mode" {
        /// In the way of a claim.
        Hard = "hard",
        /// Worth knowing.
        Advisory = "advisory",
    }
}

words! {
    /// Where a task stands, with what its status does not tell: has the holder begun, what is it blocked on.
    Phase, "phase" {
        Pending = "pending",
        Claimed = "claimed",
        Working = "working",
        Review = "review",
        Ready = "ready",
        WaitingHuman = "waiting-human",
        WaitingExternal = "waiting-external",
        WaitingDependency = "waiting-dependency",
        WaitingConflict = "waiting-conflict",
        Failed = "failed",
        Completed = "completed",
        Archived = "archived",
    }
}

words! {
    /// A family of words that other boards use for the same states.
    Dialect, "dialect" {
        /// `inbox`, `in_progress`, `done`.
        Inbox = "inbox",
        /// `NEW`, `IN_PROGRESS`, `WAITING_HUMAN`, `DONE`.
        Lanes = "lanes",
        /// `pending`, `acknowledged`, `in_progress`, `pending_user_review`.
        Queue = "queue",
    }
}

impl Phase {
    /// Returns the status that the phase belongs to.
    pub const fn status(self) -> Status {
        match self {
            Self::Pending => Status::Backlog,
            Self::Claimed | Self::Working => Status::InProgress,
            Self::Review => Status::Review,
            Self::Ready => Status::Ready,
            Self::WaitingHuman
            | Self::WaitingExternal
            | Self::WaitingDependency
            | Self::WaitingConflict
            | Self::Failed => Status::Blocked,
            Self::Completed => Status::Completed,
            Self::Archived => Status::Archived,
        }
    }

    /// Returns the kind of block that the phase stands for.
    pub const fn block_kind(self) -> Option<BlockKind> {
        match self {
            Self::WaitingHuman => Some(BlockKind::Human),
            Self::WaitingExternal => Some(BlockKind::External),
            Self::WaitingDependency => Some(BlockKind::Dependency),
            Self::WaitingConflict => Some(BlockKind::Conflict),
            Self::Failed => Some(BlockKind::Failure),
            _ => None,
        }
    }

    /// Returns the word of another board for this phase, or `None` where it has none.
    ///
    /// Where a dialect has one word for several phases, that word reads back ([`Phase::from_dialect`]) as the
    /// first of them, which has the same status.
    pub const fn in_dialect(self, dialect: Dialect) -> Option<&'static str> {
        let (inbox, lanes, queue) = match self {
            Self::Pending => (Some("inbox"), Some("NEW"), Some("pending")),
            Self::Claimed => (None, None, Some("acknowledged")),
            Self::Working => (Some("in_progress"), Some("IN_PROGRESS"), Some("in_progress")),
            Self::Review => (Some("review"), Some("pending verification"), Some("pending_user_review")),
            Self::Ready | Self::WaitingDependency | Self::WaitingConflict => (None, None, None),
            Self::Failed => (Some("blocked"), Some("FAILED"), None),
            Self::WaitingHuman => (None, Some("WAITING_HUMAN"), None),
            Self::WaitingExternal => (None, Some("WAITING_EXTERNAL"), None),
            Self::Completed => (Some("done"), Some("DONE"), Some("completed")),
            Self::Archived => (None, Some("trash"), Some("closed")),
        };
        match dialect {
            Dialect::Inbox => inbox,
            Dialect::Lanes => lanes,
            Dialect::Queue => queue,
        }
    }

    /// Returns the phase that a word means on whatever board: one of the dialects, or this one. No word means one thing in
    /// one of them and something else in another.
    pub fn from_any(word: &str) -> Option<Self> {
        let wanted = plain(word);
        let foreign = Dialect::ALL.iter().find_map(|dialect| Self::from_dialect(*dialect, word));
        foreign.or_else(|| Self::ALL.iter().copied().find(|phase| plain(phase.as_str()) == wanted)).or_else(|| {
            match Status::ALL.iter().find(|status| plain(status.as_str()) == wanted)? {
                Status::Backlog => Some(Self::Pending),
                Status::InProgress => Some(Self::Working),
                Status::Blocked => Some(Self::Failed),
                Status::Review => Some(Self::Review),
                Status::Ready => Some(Self::Ready),
                Status::Completed => Some(Self::Completed),
                Status::Archived => Some(Self::Archived),
            }
        })
    }

    /// Returns the phase that another board's word means; case, `_`, `-` and blanks do not matter.
    pub fn from_dialect(dialect: Dialect, word: &str) -> Option<Self> {
        let wanted = plain(word);
        if dialect == Dialect::Queue && wanted == "queued" {
            return Some(Self::Pending);
        }
        Self::ALL.iter().copied().find(|phase| phase.in_dialect(dialect).is_some_and(|w| plain(w) == wanted))
    }
}

/// Returns a word without what boards spell differently.
pub fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_board_comes_back_with_the_same_status_and_kind() {
        for &dialect in Dialect::ALL {
            for &phase in Phase::ALL {
                let Some(word) = phase.in_dialect(dialect) else { continue };
                let back = Phase::from_dialect(dialect, word).expect("the word is known");
                assert_eq!(back.status(), phase.status(), "{dialect}: {word}");
                assert_eq!(back.block_kind(), phase.block_kind(), "{dialect}: {word}");
            }
        }
    }

    #[test]
    fn a_word_means_the_same_wherever_it_is_used() {
        for &phase in Phase::ALL {
            let foreign = Dialect::ALL.iter().filter_map(|dialect| phase.in_dialect(*dialect));
            for word in foreign.chain([phase.as_str(), phase.status().as_str()]) {
                let found = Phase::from_any(word).expect("the word is known");
                assert_eq!(found.status(), phase.status(), "{word}");
            }
            assert_eq!(Phase::from_any(phase.as_str()), Some(phase));
        }
        assert_eq!(Phase::from_any("Trash"), Some(Phase::Archived));
        assert_eq!(Phase::from_any("on hold"), None);
    }

    #[test]
    fn an_unknown_word_names_the_words_that_there_are() {
        let error = "urgent".parse::<Priority>().expect_err("not a priority");
        assert_eq!(error.to_string(), "\"urgent\" is not a priority; one of: critical, high, medium, low");
    }
}
