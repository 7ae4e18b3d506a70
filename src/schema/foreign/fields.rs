//! The fields of one foreign task, taken out one after the other: what is left in the end had no place.

use serde_json::{Map, Value};

use super::values::lines;

/// What is still to be read of a task.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn new(map: Map<String, Value>) -> Self {
        let says_something = |value: &Value| match value {
            Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        };
        Self(map.into_iter().filter(|(_, value)| says_something(value)).collect())
    }

    /// Takes the first of these fields out that can be read. One that is there in another form stays.
    pub(super) fn take<T>(&mut self, names: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let (name, found) = names.iter().find_map(|name| Some((*name, read(self.0.get(name.to_owned())?)?)))?;
        self.0.shift_remove(name);
        Some(found)
    }

    /// Takes a text out as it stands.
    pub(super) fn as_it_stands(&mut self, names: &[&str]) -> Option<String> {
        self.take(names, text)
    }

    /// Takes a text out, one line or several, that can stand in a file of the board.
    pub(super) fn text(&mut self, names: &[&str]) -> Option<String> {
        self.take(names, |value| Some(lines(&text(value)?)).filter(|text| !text.trim().is_empty()))
    }

    /// Takes a list of texts out: an array of them, or a single one. What says nothing is not among them.
    pub(super) fn list(&mut self, names: &[&str]) -> Vec<String> {
        let read = |value: &Value| match value {
            Value::Array(items) => items.iter().map(text).collect::<Option<Vec<_>>>(),
            one => Some(vec![text(one)?]),
        };
        let texts = self.take(names, read).unwrap_or_default();
        texts.iter().map(|text| lines(text)).filter(|text| !text.trim().is_empty()).collect()
    }

    /// Returns the first of these fields that is still there, with its value as it stands.
    pub(super) fn left(&self, names: &[&str]) -> Option<(String, String)> {
        names.iter().find_map(|name| Some(((*name).to_owned(), self.0.get(*name)?.to_string())))
    }

    /// Returns what had no place, without the room that the others took.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.0.into_iter().collect()
    }
}

/// Returns a text, or a number as one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
