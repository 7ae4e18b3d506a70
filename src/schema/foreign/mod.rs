//! Boards of another kind: one JSON file with all tasks, read as tasks of this board.
//!
//! Owns where such a file keeps its tasks, and that nothing of a task is dropped: what has no place here stays under
//! [`KEPT`], with what is told of its change of meaning. What the words mean is `model::vocabulary`'s; whether the
//! tasks may come is decided behind `ops`.

mod fields;
mod item;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::model::id::{AgentName, Millis};
use crate::model::imported::ImportedTask;
use crate::model::vocabulary::{Dialect, Phase};

/// Where a task keeps what the board that it comes from had and this one has no place for.
pub const KEPT: &str = "imported";

/// How a file is to be read.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What the file is called in what is told about its tasks.
    pub label: String,
    /// The family of words that it uses; absent means whichever knows the word.
    pub dialect: Option<Dialect>,
    /// What words of its own mean, by their plain spelling ([`crate::model::vocabulary::plain`]).
    pub words: BTreeMap<String, Phase>,
    /// What its names are here, in lower case; nothing for nobody.
    pub names: BTreeMap<String, Option<AgentName>>,
    /// The present.
    pub now: Millis,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The tasks, in the order of the file.
    pub tasks: Vec<ImportedTask>,
    /// What changed its meaning on the way, by task: its id, or its title where the file gives it none.
    pub notes: Vec<(String, String)>,
    /// Fields that have no place here and are kept with the tasks.
    pub kept: BTreeSet<String>,
    /// Parts of the file that are no tasks.
    pub left: Vec<String>,
}

/// Something that only the user can decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong, as a sentence without its end.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Reads a file of tasks.
///
/// # Errors
/// Every [`Problem`] of the file, at least one.
pub fn read(document: Value, rules: &Rules) -> Result<Reading, Vec<Problem>> {
    let mut reading = Reading::default();
    let items = items(document, &mut reading.left).map_err(|problem| vec![problem])?;
    let ids = item::ids(&items);
    let mut problems = item::twins(&items, &ids);
    for (item, id) in items.into_iter().zip(&ids) {
        item::read(item, id.as_ref(), rules, &mut reading, &mut problems);
    }
    if problems.is_empty() { Ok(reading) } else { Err(problems) }
}

/// One task of the file, as it stands there.
pub(super) struct Item {
    /// Where it is.
    pointer: String,
    /// The key that it stands under, where tasks stand under keys.
    key: Option<String>,
    /// What it has.
    map: Map<String, Value>,
}

/// Returns the tasks of a file: those of an array, of an object's `tasks` as an array or by id, or the one that it is.
fn items(document: Value, left: &mut Vec<String>) -> Result<Vec<Item>, Problem> {
    let no_tasks = |pointer: &str, what: &str| Problem {
        pointer: pointer.to_owned(),
        message: format!("{what} where tasks are looked for"),
        hint: "a file of tasks is an array of objects, or an object whose `tasks` is one, by position or by id"
            .to_owned(),
    };
    let (base, tasks) = match document {
        Value::Object(map) if map.contains_key("title") => ("", Value::Array(vec![Value::Object(map)])),
        Value::Object(mut map) => match map.shift_remove("tasks") {
            Some(tasks) => {
                left.extend(map.into_iter().map(|(key, _)| key));
                ("/tasks", tasks)
            }
            None => return Err(no_tasks("", "there is an object without `tasks`")),
        },
        other => ("", other),
    };
    let entries: Vec<(String, Option<String>, Value)> = match tasks {
        Value::Array(items) => items.into_iter().enumerate().map(|(i, item)| (i.to_string(), None, item)).collect(),
        Value::Object(map) => map.into_iter().map(|(key, item)| (escaped(&key), Some(key), item)).collect(),
        _ => return Err(no_tasks(base, "there is neither an array nor an object")),
    };
    let entries = entries.into_iter().map(|(token, key, item)| match item {
        Value::Object(map) => Ok(Item { pointer: format!("{base}/{token}"), key, map }),
        _ => Err(no_tasks(&format!("{base}/{token}"), "there is no object")),
    });
    entries.collect()
}

/// Returns a key as a token of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
