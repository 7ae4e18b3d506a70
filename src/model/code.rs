//! The codes that a failure carries, as text that programs may compare.
//!
//! Owns the closed set and its spelling. Which exit code a failure ends with is the command line's business.

use super::vocabulary::words;

words! {
    /// What sort of failure it was.
    ErrorCode, "error code" {
        /// A bug, or reading or writing failed.
        Internal = "internal",
        /// The command line could not be understood.
        Usage = "usage",
        /// No such task, agent, ref or board.
        NotFound = "not-found",
        /// A value, a file or the board breaks the schema or a rule of integrity; nothing was written.
        Invalid = "invalid",
        /// The state machine has no such edge from here.
        IllegalTransition = "illegal-transition",
        /// The edge asks for a field that was not given.
        MissingField = "missing-field",
        /// A task that this one waits for is not completed.
        DependencyOpen = "dependency-open",
        /// The completion brings no proof.
        EvidenceMissing = "evidence-missing",
        /// The agent holds as many tasks as it may.
        LimitReached = "limit-reached",
        /// Somebody else claimed the task first.
        LostRace = "lost-race",
        /// The claim that the epoch belongs to has ended.
        StaleEpoch = "stale-epoch",
        /// Somebody else holds the task, or nobody.
        NotHolder = "not-holder",
        /// Another task holds a path that this one needs.
        PathLocked = "path-locked",
        /// The remote could not be reached; nothing changed.
        RemoteUnreachable = "remote-unreachable",
        /// The remote said no; nothing changed.
        RemoteRefused = "remote-refused",
        /// Time ran out while the outcome was open; it may still happen.
        Undecided = "undecided",
        /// The actor's role does not allow it.
        NotPermitted = "not-permitted",
        /// The actor is not in the roster, or nobody said who acts.
        UnknownAgent = "unknown-agent",
    }
}

impl ErrorCode {
    /// Tells whether the same command, unchanged, may well succeed when it is run again.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::RemoteUnreachable | Self::Undecided)
    }
}
