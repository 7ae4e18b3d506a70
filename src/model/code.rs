//! The stable names of everything that can go wrong.
//!
//! Owns the spelling that scripts and agents match on. Which exit code a name has is the command line's business.

use super::vocabulary::words;

words! {
    /// Why a command did not do what it was asked.
    ErrorCode, "error code" {
        /// A bug, or the machine failed.
        Internal = "internal",
        /// The command line makes no sense.
        Usage = "usage",
        /// A task, agent, ref or board is not there.
        NotFound = "not-found",
        /// Something breaks the schema or the integrity rules.
        Invalid = "invalid",
        /// The state machine has no such edge from here.
        IllegalTransition = "illegal-transition",
        /// The edge needs something that was not given.
        MissingField = "missing-field",
        /// Something must be finished first.
        DependencyOpen = "dependency-open",
        /// Nothing proves the work.
        EvidenceMissing = "evidence-missing",
        /// A limit of the board is in the way.
        LimitReached = "limit-reached",
        /// Somebody else was first.
        LostRace = "lost-race",
        /// The claim that was named is over.
        StaleEpoch = "stale-epoch",
        /// Somebody else holds the task.
        NotHolder = "not-holder",
        /// A path lock is in the way.
        PathLocked = "path-locked",
        /// The remote could not be reached; nothing changed.
        RemoteUnreachable = "remote-unreachable",
        /// The remote said no; nothing changed.
        RemoteRefused = "remote-refused",
        /// Whether it happened is not known yet.
        Undecided = "undecided",
        /// The actor may not do that.
        NotPermitted = "not-permitted",
        /// The actor is not in the roster.
        UnknownAgent = "unknown-agent",
    }
}
