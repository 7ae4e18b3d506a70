//! `import`: the tasks of a board of another kind, from one JSON file.

use serde_json::json;

use super::act::Done;
use super::failure::Failure;
use super::make::{MAX_BYTES, at};
use super::session::Session;
use crate::model::code::ErrorCode;
use crate::model::operation::Action;
use crate::schema::Json;
use crate::schema::foreign::{Problem, Reading, Rules, read};

/// Problems that a failure spells out as text; its data has all of them.
const TOLD: usize = 5;

/// What was taken over.
#[derive(Debug)]
pub struct Imported {
    /// What the operation did.
    pub done: Done,
    /// What was read, without the tasks.
    pub reading: Reading,
}

/// Takes over the tasks that a JSON text has, in one commit. The text is let go of once it is read, before the tasks
/// weigh most.
///
/// # Errors
/// [`Failure`] `invalid` with everything in the text that only the user can decide, else as [`Session::act`].
pub fn import(session: &Session, text: String, rules: &Rules) -> Result<Imported, Failure> {
    let document = document(&text, &rules.label)?;
    drop(text);
    let mut reading = read(document, rules).map_err(|problems| undecided(&rules.label, &problems))?;
    let tasks = std::mem::take(&mut reading.tasks);
    let done = session.act(None, &Action::Import { tasks: tasks.into() })?;
    Ok(Imported { done, reading })
}

/// Reads the text as strictly as any file of a board.
fn document(text: &str, label: &str) -> Result<serde_json::Value, Failure> {
    // What other systems write may begin with the mark that squad's own files must not have.
    let bytes = text.strip_prefix('\u{FEFF}').unwrap_or(text).as_bytes();
    let document = Json::parse_up_to(bytes, MAX_BYTES).map_err(|fault| {
        Failure::new(ErrorCode::Invalid, format!("{label} cannot be read{}", at(&fault.pointer)))
            .why(fault.what())
            .hint("give one JSON document: an array of tasks, or an object whose `tasks` are some")
            .with("pointer", fault.pointer)
    })?;
    Ok(document.to_value())
}

/// Returns the failure that tells every problem once, with how many places have it.
fn undecided(label: &str, problems: &[Problem]) -> Failure {
    let mut told: Vec<(&str, usize)> = Vec::new();
    for problem in problems {
        match told.iter_mut().find(|(message, _)| *message == problem.message) {
            Some((_, times)) => *times += 1,
            None => told.push((&problem.message, 1)),
        }
    }
    let more = told.len().saturating_sub(TOLD);
    let mut why: Vec<String> = told
        .iter()
        .take(TOLD)
        .map(|(message, times)| if *times == 1 { (*message).to_owned() } else { format!("{message} ({times} times)") })
        .collect();
    if more > 0 {
        why.push(format!("{more} more, which `--json` has"));
    }
    let all: Vec<_> =
        problems.iter().map(|p| json!({"pointer": p.pointer, "message": p.message, "hint": p.hint})).collect();
    let first = &problems[0];
    Failure::new(ErrorCode::Invalid, format!("{label} cannot be taken over as it stands{}", at(&first.pointer)))
        .why(why.join("; "))
        .hint(first.hint.as_str())
        .with("pointer", first.pointer.as_str())
        .with("problems", all)
}
