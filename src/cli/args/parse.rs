//! From argv to types, and from a misunderstanding to a failure that a person and a program can use.
//!
//! clap decides what was typed; which exit code that means is decided here: a value that a flag does not take is
//! `invalid` (4), everything else `usage` (2).

use std::error::Error as _;
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::num::ParseIntError;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::help::{command, short, unlisted};
use super::{Cli, Command, Typed};
use crate::cli::exit_code;
use crate::cli::ui::{Ui, Voice};
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, Epoch};
use crate::ops::failure::Failure;

/// What to do about a value that looks like a flag.
const DASH: &str = "a value that begins with a dash is written --flag=VALUE";

/// Why there is no command to run.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseStop {
    /// Help or the version was asked for: text for stdout, with styles, and exit code 0.
    Text {
        /// The text, which squad made itself.
        text: String,
        /// How to speak, as far as it could be told.
        voice: Voice,
    },
    /// The command line was not understood.
    Failure {
        /// What was not understood.
        failure: Box<Failure>,
        /// The verb, where one was recognized.
        command: Option<&'static str>,
        /// How to speak, as far as it could be told.
        voice: Voice,
    },
}

impl ParseStop {
    /// Returns how to speak, as far as it could be told.
    pub const fn voice(&self) -> Voice {
        match self {
            Self::Text { voice, .. } | Self::Failure { voice, .. } => *voice,
        }
    }

    /// Tells it, and returns the exit code to end with.
    pub fn tell(&self, ui: &mut Ui) -> u8 {
        match self {
            Self::Text { text, .. } => {
                ui.verbatim(text);
                exit_code::OK
            }
            Self::Failure { failure, command, .. } => {
                ui.failure(*command, failure);
                failure.code.exit()
            }
        }
    }
}

/// Reads a command line, program name first, with `SQUAD_AGENT` and `SQUAD_EPOCH` of this process.
///
/// # Errors
/// [`ParseStop`] where there is nothing to run: help, version, or a command line that makes no sense.
pub fn parse(argv: impl Iterator<Item = OsString>) -> Result<Cli, ParseStop> {
    parse_with(argv, |name| std::env::var_os(name))
}

/// Reads a command line with these variables; an empty variable is an absent one.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    argv: impl Iterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Cli, ParseStop> {
    let argv: Vec<OsString> = argv.collect();
    // Nobody takes it apart again: that costs a third of what building it does, at every start.
    let mut cmd = ManuallyDrop::new(unlisted());
    let voice = voice_of(&argv);
    let typed = cmd
        .try_get_matches_from_mut(&argv)
        .and_then(|matches| Typed::from_arg_matches(&matches))
        .map_err(|error| stop(&cmd, &argv, voice, &error))?;
    let Typed { mut globals, command } = typed;
    let Some(mut command) = command else {
        return Err(without_verb(voice));
    };
    let refuse = |failure| ParseStop::Failure { failure: Box::new(failure), command: Some(command.name()), voice };
    // The agent of the command line is the one whose log is wanted; that of the environment only says who asks.
    let by = globals.agent.clone();
    if matches!(command, Command::Hook(_)) {
        // Nobody acts: a hook is asked for everybody who commits, whatever their environment says.
        return Ok(Cli { globals, command });
    }
    globals.agent =
        globals.agent.map_or_else(|| variable(&env, "SQUAD_AGENT", AgentName::new), |a| Ok(Some(a))).map_err(refuse)?;
    globals.epoch =
        globals.epoch.map_or_else(|| variable(&env, "SQUAD_EPOCH", epoch), |e| Ok(Some(e))).map_err(refuse)?;
    if let Command::Log(log) = &mut command {
        log.by = by;
    }
    Ok(Cli { globals, command })
}

/// Reads a fencing number.
pub(super) fn epoch(text: &str) -> Result<Epoch, ParseIntError> {
    text.parse().map(Epoch)
}

fn variable<T, E: std::error::Error>(
    env: &impl Fn(&str) -> Option<OsString>,
    name: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    let Some(value) = env(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let bad = |why: String| {
        Failure::new(ErrorCode::Invalid, format!("{name} in the environment cannot be used"))
            .why(why)
            .hint(format!("unset {name}, or set it to a value that fits"))
            .with("variable", name)
    };
    let text = value.to_str().ok_or_else(|| bad("it is not UTF-8".to_owned()))?;
    read(text).map(Some).map_err(|error| bad(error.to_string()))
}

/// `squad` alone: help for a person, a failure for a program, which cannot have meant that.
fn without_verb(voice: Voice) -> ParseStop {
    if voice.json {
        let failure = Failure::new(ErrorCode::Usage, "no verb is given").hint("`squad --help` lists every verb");
        ParseStop::Failure { failure: Box::new(failure), command: None, voice }
    } else {
        ParseStop::Text { text: short(), voice }
    }
}

/// Finds out how to speak where parsing failed, by looking for the flags by hand.
fn voice_of(argv: &[OsString]) -> Voice {
    let has = |flag: &str| argv.iter().skip(1).take_while(|a| *a != "--").any(|a| a == flag);
    Voice { json: has("--json"), no_color: has("--no-color"), ..Voice::default() }
}

fn stop(cmd: &clap::Command, argv: &[OsString], voice: Voice, error: &clap::Error) -> ParseStop {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let listed =
            if error.kind() == ErrorKind::DisplayHelp { command().try_get_matches_from(argv).err() } else { None };
        let text = listed.as_ref().unwrap_or(error).render().ansi().to_string();
        // Either was asked for by name, so it is text even under --json.
        return ParseStop::Text { text, voice: Voice { json: false, ..voice } };
    }
    let path = verb_path(cmd, argv);
    let mut failure = Box::new(failure_of(cmd, &path, error));
    // Coding agents read 2 from a hook as "block this edit": a hook of another version must not lock them out. Nor is
    // what was not understood a verdict, which ends with 4.
    if matches!(failure.code, ErrorCode::Usage | ErrorCode::Invalid)
        && first_word(argv).is_some_and(|word| word == "hook")
    {
        failure.code = ErrorCode::Internal;
    }
    ParseStop::Failure { failure, command: spelled(&path.join(" ")), voice }
}

/// Returns the verbs that the command line begins with, as far as they exist.
fn verb_path<'a>(cmd: &'a clap::Command, argv: &[OsString]) -> Vec<&'a str> {
    let mut path = Vec::new();
    let mut here = cmd;
    for word in plain_words(argv) {
        let Some(next) = here.find_subcommand(word) else { break };
        path.push(next.get_name());
        here = next;
    }
    path
}

fn first_word(argv: &[OsString]) -> Option<&OsString> {
    plain_words(argv).next()
}

/// Returns the words that are neither flags nor the values of global flags.
fn plain_words(argv: &[OsString]) -> impl Iterator<Item = &OsString> {
    let takes_value = |flag: &OsString| flag == "-C" || flag == "--agent" || flag == "--epoch";
    let mut words = argv.iter().skip(1);
    std::iter::from_fn(move || {
        loop {
            let word = words.next()?;
            if takes_value(word) {
                words.next();
            } else if !word.as_encoded_bytes().starts_with(b"-") {
                return Some(word);
            }
        }
    })
}

/// Returns the name of a command in the form that lives as long as the program.
fn spelled(path: &str) -> Option<&'static str> {
    super::NAMES.iter().find(|name| **name == path).copied()
}

fn failure_of(cmd: &clap::Command, path: &[&str], error: &clap::Error) -> Failure {
    let squad = [&["squad"], path].concat().join(" ");
    let context = |kind| error.get(kind).map(listed).unwrap_or_default();
    let one = |kind| context(kind).into_iter().next().unwrap_or_default();
    let see_help = format!("`{squad} --help` shows what it takes");
    match error.kind() {
        ErrorKind::ValueValidation => {
            bad_value(&one(ContextKind::InvalidArg), &one(ContextKind::InvalidValue), error).hint(see_help)
        }
        ErrorKind::InvalidUtf8 => Failure::new(ErrorCode::Invalid, "an argument is not UTF-8").hint(see_help),
        ErrorKind::InvalidSubcommand => {
            let word = one(ContextKind::InvalidSubcommand);
            let suggested = did_you_mean(&context(ContextKind::SuggestedSubcommand), &squad);
            Failure::new(ErrorCode::Usage, format!("`{squad}` has no verb {word:?}"))
                .hint(suggested.unwrap_or_else(|| format!("`{squad} --help` lists every verb")))
        }
        ErrorKind::UnknownArgument => {
            let arg = one(ContextKind::InvalidArg);
            // A text such as "- one" is taken for flags where a value was meant; no flag of squad holds a blank.
            let hint = if arg.starts_with('-') && arg.contains(char::is_whitespace) {
                DASH.to_owned()
            } else {
                did_you_mean(&context(ContextKind::SuggestedArg), &squad).unwrap_or(see_help)
            };
            unknown_argument(&squad, &arg).hint(hint)
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = context(ContextKind::InvalidArg).join(", ");
            Failure::new(ErrorCode::Usage, format!("`{squad}` needs {missing}")).hint(see_help)
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let here = path.iter().fold(cmd, |here, verb| here.find_subcommand(verb).unwrap_or(here));
            let verbs: Vec<_> = here.get_subcommands().map(clap::Command::get_name).collect();
            Failure::new(ErrorCode::Usage, format!("`{squad}` needs one of: {}", verbs.join(", "))).hint(see_help)
        }
        // clap calls a flag whose value is missing one with an invalid value; every value that is there is ours to judge.
        ErrorKind::InvalidValue => {
            Failure::new(ErrorCode::Usage, format!("{} needs a value", one(ContextKind::InvalidArg))).hint(DASH)
        }
        ErrorKind::ArgumentConflict => {
            let (this, others) = (one(ContextKind::InvalidArg), context(ContextKind::PriorArg).join(", "));
            let message = if others.is_empty() || others == this {
                format!("{this} is given twice")
            } else {
                format!("{this} cannot be given together with {others}")
            };
            Failure::new(ErrorCode::Usage, message).hint(see_help)
        }
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or("the command line makes no sense");
            Failure::new(ErrorCode::Usage, first.trim_start_matches("error: ")).hint(see_help)
        }
    }
}

fn bad_value(arg: &str, value: &str, error: &clap::Error) -> Failure {
    let flag = arg.split([' ', '=']).next().unwrap_or(arg);
    let failure = Failure::new(ErrorCode::Invalid, format!("{flag} cannot be {value:?}"));
    let failure = match error.source() {
        Some(source) => failure.caused_by(source),
        None => failure,
    };
    failure.with("argument", flag).with("value", value)
}

fn unknown_argument(squad: &str, arg: &str) -> Failure {
    if arg.starts_with('-') {
        Failure::new(ErrorCode::Usage, format!("`{squad}` has no flag {arg:?}"))
    } else {
        Failure::new(ErrorCode::Usage, format!("`{squad}` takes no further argument {arg:?}"))
    }
}

fn did_you_mean(suggested: &[String], squad: &str) -> Option<String> {
    let all: Vec<_> = suggested.iter().map(|s| format!("`{squad} {s}`")).collect();
    (!all.is_empty()).then(|| format!("did you mean {}?", all.join(" or ")))
}

fn listed(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(one) => vec![one.clone()],
        ContextValue::Strings(many) => many.clone(),
        ContextValue::StyledStrs(many) => many.iter().map(ToString::to_string).collect(),
        ContextValue::StyledStr(one) => vec![one.to_string()],
        _ => Vec::new(),
    }
}
