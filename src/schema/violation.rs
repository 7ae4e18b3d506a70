//! What is wrong with a file, as data: code, place, sentence, next step.
//!
//! Owns the shape that every check of files answers in; the text, JSON, Markdown and SARIF forms are made from it
//! elsewhere.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// Worth knowing; nothing is refused.
    Warning,
}

impl Severity {
    /// Returns the word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong with one file.
///
/// The order is that of reports: by file, place in the file, code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Path of the file within the repository.
    pub file: String,
    /// Line of the value, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// JSON pointer of the value; empty for the whole document.
    pub pointer: String,
    /// A stable word for the rule, such as `missing-field`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do next, in one sentence. Boxed: a violation is often the error of a result, which should stay small.
    pub hint: Box<str>,
    /// The commit that brought it, where that was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Box<str>>,
}

impl Violation {
    /// Returns an error without a line.
    pub fn error(
        code: &'static str,
        file: impl Into<String>,
        pointer: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<Box<str>>,
    ) -> Self {
        Self {
            file: file.into(),
            line: None,
            pointer: pointer.into(),
            code,
            severity: Severity::Error,
            message: message.into(),
            commit: None,
            hint: hint.into(),
        }
    }

    /// Returns the same as a warning.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Returns the same with a line.
    #[must_use]
    pub fn at_line(self, line: Option<u32>) -> Self {
        Self { line, ..self }
    }

    /// Tells whether the file is refused for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
