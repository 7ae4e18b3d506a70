//! Values as they are typed, each read by the rule of its own type.
//!
//! A value that is not understood names the words that would be; it ends with exit code 4 (`invalid`).

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};

use crate::model::id::{AgentName, BadName};
use crate::model::vocabulary::{EvidenceKind, Phase, UnknownWord, words};

/// Reads a word of a closed set, and offers the set to help and completions.
#[derive(Debug, Clone)]
pub(super) struct Word<T: 'static> {
    all: &'static [T],
    as_str: fn(T) -> &'static str,
}

/// Returns the reader of a closed set.
pub(super) const fn word<T>(all: &'static [T], as_str: fn(T) -> &'static str) -> Word<T> {
    Word { all, as_str }
}

impl<T> TypedValueParser for Word<T>
where
    T: Copy + Send + Sync + FromStr<Err = UnknownWord> + 'static,
{
    type Value = T;

    fn parse_ref(&self, cmd: &clap::Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<T, clap::Error> {
        (|text: &str| text.parse::<T>()).parse_ref(cmd, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.all.iter().map(|word| PossibleValue::new((self.as_str)(*word)))))
    }
}

words! {
    /// What a new board begins with.
    Template, "template" {
        /// One owner, the default settings.
        Minimal = "minimal",
        /// A roster of ten agents with a gate of approvals.
        MissionControl = "mission-control",
    }
}

words! {
    /// How a verdict is written.
    ReportFormat, "format" {
        /// For a terminal.
        Text = "text",
        /// As `--json`.
        Json = "json",
        /// For the summary of a workflow step, or a comment.
        Markdown = "markdown",
        /// Annotations of a workflow run.
        Github = "github",
        /// For code scanning.
        Sarif = "sarif",
    }
}

words! {
    /// A shell that completions can be made for.
    Shell, "shell" { Bash = "bash", Elvish = "elvish", Fish = "fish", Powershell = "powershell", Zsh = "zsh" }
}

words! {
    /// An effect of a new task, or the word that it has none.
    EffectWord, "effect" {
        Browser = "browser", Send = "send", Destructive = "destructive", Persist = "persist",
        /// Nothing outside its worktree, which is more than not saying.
        None = "none",
    }
}

/// A text, or `-` for what stands on stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The text itself.
    Given(String),
    /// All of stdin.
    Stdin,
}

impl FromStr for Text {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdin } else { Self::Given(text.to_owned()) })
    }
}

/// A file to read, or `-` for stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The file, relative to where squad was started.
    File(PathBuf),
    /// Stdin.
    Stdin,
}

impl FromStr for Input {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) })
    }
}

/// What a word of another board means here: `WORD=PHASE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordIs {
    /// The word there.
    pub word: String,
    /// What it means.
    pub phase: Phase,
}

impl FromStr for WordIs {
    type Err = BadPair;

    fn from_str(text: &str) -> Result<Self, BadPair> {
        let (word, phase) = text.rsplit_once('=').filter(|(word, _)| !word.trim().is_empty()).ok_or(BadPair::NoWord)?;
        Ok(Self { word: word.to_owned(), phase: phase.parse()? })
    }
}

/// Who somebody of another board is here: `OLD=NEW`, or `OLD=` for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameIs {
    /// The name there.
    pub there: String,
    /// The name here.
    pub here: Option<AgentName>,
}

impl FromStr for NameIs {
    type Err = BadPair;

    fn from_str(text: &str) -> Result<Self, BadPair> {
        let (there, here) = text.rsplit_once('=').filter(|(there, _)| !there.is_empty()).ok_or(BadPair::NoName)?;
        let here = (!here.is_empty()).then(|| AgentName::new(here)).transpose()?;
        Ok(Self { there: there.to_owned(), here })
    }
}

/// A text that is no pair of something there and what it is here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPair {
    /// No word, or no equals sign.
    #[error("what a word means is WORD=PHASE, such as wip=working")]
    NoWord,
    /// No name, or no equals sign.
    #[error("who somebody is here is OLD=NEW, or OLD= for nobody")]
    NoName,
    /// Not one of the phases.
    #[error(transparent)]
    Phase(#[from] UnknownWord),
    /// Not a name that a member can have.
    #[error(transparent)]
    Name(#[from] BadName),
}

/// A piece of evidence as it was typed: `KIND:VALUE`. What it stands for is looked up later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceArg {
    /// What it is; never `command`, which squad makes by running one.
    pub kind: EvidenceKind,
    /// A revision, two revisions with `..` between, a path or an address.
    pub value: String,
}

/// A text that is no piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEvidence {
    /// No colon.
    #[error("evidence is KIND:VALUE, such as commit:HEAD; kinds: {KINDS}")]
    NoKind,
    /// Not one of the kinds.
    #[error("{text:?} is not a kind of evidence; one of: {KINDS}")]
    UnknownKind {
        /// What stood before the colon.
        text: String,
    },
    /// `command:`
    #[error("evidence of a command is made by running it: --run CMD")]
    Command,
    /// Nothing behind the colon.
    #[error("there is nothing behind {kind}:")]
    Empty {
        /// The kind.
        kind: EvidenceKind,
    },
    /// A difference with one end.
    #[error("a difference has two ends: diff:A..B")]
    OneEnd,
}

/// The kinds that can be typed, for messages.
const KINDS: &str = "commit, file, url, log, screenshot, diff";

impl FromStr for EvidenceArg {
    type Err = BadEvidence;

    fn from_str(text: &str) -> Result<Self, BadEvidence> {
        let (kind, value) = text.split_once(':').ok_or(BadEvidence::NoKind)?;
        let unknown = |_| BadEvidence::UnknownKind { text: kind.chars().take(60).collect() };
        let kind = EvidenceKind::from_str(kind).map_err(unknown)?;
        if value.trim().is_empty() {
            return Err(BadEvidence::Empty { kind });
        }
        let two_ends = || value.split_once("..").is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        match kind {
            EvidenceKind::Command => Err(BadEvidence::Command),
            EvidenceKind::Diff if !two_ends() => Err(BadEvidence::OneEnd),
            _ => Ok(Self { kind, value: value.to_owned() }),
        }
    }
}

impl fmt::Display for EvidenceArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// A number that is no place in a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a finite number")]
pub struct BadPosition(String);

/// Reads a place in a column: JSON has no word for infinity, so a position cannot be infinite.
pub(super) fn position(text: &str) -> Result<f64, BadPosition> {
    let bad = || BadPosition(text.chars().take(60).collect());
    text.parse::<f64>().ok().filter(|n| n.is_finite()).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_a_kind_and_a_value() {
        for (text, kind, value) in [
            ("commit:HEAD~1", EvidenceKind::Commit, "HEAD~1"),
            ("url:https://example.com/a:b", EvidenceKind::Url, "https://example.com/a:b"),
            ("diff:main..HEAD", EvidenceKind::Diff, "main..HEAD"),
            ("diff:main...HEAD", EvidenceKind::Diff, "main...HEAD"),
            ("file:out/report.md", EvidenceKind::File, "out/report.md"),
            ("log:run.log", EvidenceKind::Log, "run.log"),
            ("screenshot:shot.png", EvidenceKind::Screenshot, "shot.png"),
        ] {
            assert_eq!(text.parse(), Ok(EvidenceArg { kind, value: value.to_owned() }), "{text}");
        }
    }

    #[test]
    fn what_is_no_evidence_says_what_would_be() {
        let errors: Vec<_> = ["HEAD", "photo:a.png", "command:true", "file: ", "diff:main", "diff:..b"]
            .iter()
            .map(|text| format!("{text} -> {}", text.parse::<EvidenceArg>().expect_err(text)))
            .collect();
        insta::assert_snapshot!(errors.join("\n"), @r#"
        HEAD -> evidence is KIND:VALUE, such as commit:HEAD; kinds: commit, file, url, log, screenshot, diff
        photo:a.png -> "photo" is not a kind of evidence; one of: commit, file, url, log, screenshot, diff
        command:true -> evidence of a command is made by running it: --run CMD
        file:  -> there is nothing behind file:
        diff:main -> a difference has two ends: diff:A..B
        diff:..b -> a difference has two ends: diff:A..B
        "#);
    }

    #[test]
    fn the_kinds_named_in_messages_are_all_but_command() {
        let mut named: Vec<_> = KINDS.split(", ").chain(["command"]).collect();
        let mut known: Vec<_> = EvidenceKind::ALL.iter().map(|k| k.as_str()).collect();
        named.sort_unstable();
        known.sort_unstable();
        assert_eq!(named, known);
    }

    #[test]
    fn a_dash_is_stdin_and_a_place_is_finite() {
        assert_eq!("-".parse(), Ok(Text::Stdin));
        assert_eq!("- a".parse(), Ok(Text::Given("- a".to_owned())));
        assert_eq!("-".parse(), Ok(Input::Stdin));
        assert_eq!(position("-1.5"), Ok(-1.5));
        for bad in ["inf", "NaN", "x", ""] {
            assert!(position(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
