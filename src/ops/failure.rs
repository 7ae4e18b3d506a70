//! A failure, as every surface shows it: what failed, why, and what to do next, each in a field of its own.
//!
//! Use cases make it, surfaces render it. It knows nothing of exit codes, colours or JSON envelopes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::code::ErrorCode;

/// Something did not work, told so that a person and a program both know what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Which sort of failure.
    pub code: ErrorCode,
    /// What failed, with the id or path: lower case, no final period.
    pub message: String,
    /// Why.
    pub why: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the same command may succeed when it is run again unchanged.
    pub retryable: bool,
    /// What else a program wants to know: `holder`, `conflicts`, `legal`, … Boxed, since every result carries the room.
    pub data: Box<Map<String, Value>>,
}

impl Failure {
    /// Returns a failure with nothing but its code and message; the code tells whether it is retryable.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            why: None,
            hint: None,
            retryable: code.is_retryable(),
            data: Box::default(),
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds the causes of an error, outermost first, joined by colons.
    #[must_use]
    pub fn caused_by(self, error: &dyn std::error::Error) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why.push_str(": ");
            why.push_str(&cause.to_string());
            source = cause.source();
        }
        self.why(why)
    }

    /// Adds the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says whether the same command may succeed when it is run again, where the code alone does not tell.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Adds something that a program wants to know.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_causes_becomes_the_reason() {
        let outer = std::io::Error::other(Failure::new(ErrorCode::Internal, "the disk is full"));
        assert_eq!(
            Failure::new(ErrorCode::Internal, "cannot write").caused_by(&outer).why.as_deref(),
            Some("the disk is full")
        );
    }

    #[test]
    fn only_an_open_outcome_and_a_dead_line_are_worth_the_same_command_again() {
        let retryable: Vec<_> = ErrorCode::ALL.iter().filter(|c| Failure::new(**c, "x").retryable).collect();
        assert_eq!(retryable, [&ErrorCode::RemoteUnreachable, &ErrorCode::Undecided]);
    }
}
