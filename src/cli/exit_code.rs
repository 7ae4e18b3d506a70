//! Exit codes: what a script may rely on without reading a word of the output.
//!
//! Owns the map from error codes. `squad hook` never ends with [`USAGE`] for a fault of its own, because coding
//! agents read 2 from a hook as "block this edit"; that is the hook's business.

use crate::model::code::ErrorCode;

/// Done, or nothing to do.
pub const OK: u8 = 0;
/// A bug, or reading or writing failed.
pub const INTERNAL: u8 = 1;
/// Wrong usage: an unknown verb or flag, a missing argument.
pub const USAGE: u8 = 2;
/// No such task, agent, ref or board.
pub const NOT_FOUND: u8 = 3;
/// A value, a file or the board breaks the schema or a rule of integrity; nothing was written.
pub const INVALID: u8 = 4;
/// A rule of the state machine refuses it.
pub const REFUSED: u8 = 5;
/// Somebody else holds the task.
pub const HELD: u8 = 6;
/// A file-path lock is in the way.
pub const LOCKED: u8 = 7;
/// The remote has not confirmed it.
pub const UNCONFIRMED: u8 = 8;
/// This actor may not do that.
pub const NOT_PERMITTED: u8 = 9;

/// Returns the exit code of a failure.
pub const fn of(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Internal => INTERNAL,
        ErrorCode::Usage => USAGE,
        ErrorCode::NotFound => NOT_FOUND,
        ErrorCode::Invalid => INVALID,
        ErrorCode::IllegalTransition
        | ErrorCode::MissingField
        | ErrorCode::DependencyOpen
        | ErrorCode::EvidenceMissing
        | ErrorCode::LimitReached => REFUSED,
        ErrorCode::LostRace | ErrorCode::StaleEpoch | ErrorCode::NotHolder => HELD,
        ErrorCode::PathLocked => LOCKED,
        ErrorCode::RemoteUnreachable | ErrorCode::RemoteRefused | ErrorCode::Undecided => UNCONFIRMED,
        ErrorCode::NotPermitted | ErrorCode::UnknownAgent => NOT_PERMITTED,
    }
}

impl ErrorCode {
    /// Returns the exit code that a command ends with.
    pub const fn exit(self) -> u8 {
        of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_string_ends_with_the_documented_exit_code() {
        let table: &[(u8, &[&str])] = &[
            (1, &["internal"]),
            (2, &["usage"]),
            (3, &["not-found"]),
            (4, &["invalid"]),
            (5, &["illegal-transition", "missing-field", "dependency-open", "evidence-missing", "limit-reached"]),
            (6, &["lost-race", "stale-epoch", "not-holder"]),
            (7, &["path-locked"]),
            (8, &["remote-unreachable", "remote-refused", "undecided"]),
            (9, &["not-permitted", "unknown-agent"]),
        ];
        let documented: Vec<_> = table.iter().flat_map(|(exit, codes)| codes.iter().map(|c| (*c, *exit))).collect();
        let mapped: Vec<_> = ErrorCode::ALL.iter().map(|c| (c.as_str(), c.exit())).collect();
        assert_eq!(mapped, documented);
    }
}
