//! The one JSON object that a command answers with.

use serde_json::{Map, Value, json};

use super::escape::escape_json;

/// Version of the shape of every answer; it rises only when a key goes or changes its meaning.
pub const ANSWER_VERSION: u64 = 1;

/// What a command answers under `--json`; the text form is a rendering of the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The verb, as [`Command::name`](crate::cli::args::Command::name) has it.
    pub command: &'static str,
    /// The keys of this verb.
    pub body: Map<String, Value>,
}

impl Answer {
    /// Returns an answer without keys.
    pub fn new(command: &'static str) -> Self {
        Self { command, body: Map::new() }
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.body.insert(key.to_owned(), value.into());
        self
    }

    /// Returns the answer as JSON on one line.
    pub fn to_json(&self) -> String {
        let mut object = Map::from_iter([
            ("v".to_owned(), json!(ANSWER_VERSION)),
            ("ok".to_owned(), json!(true)),
            ("command".to_owned(), json!(self.command)),
        ]);
        for (key, value) in &self.body {
            // The envelope wins: a body must not be able to say that a failure went well.
            object.entry(key.clone()).or_insert_with(|| value.clone());
        }
        one_line(&Value::Object(object))
    }
}

/// Returns the value on one line, safe to look at in a terminal.
pub(crate) fn one_line(value: &Value) -> String {
    escape_json(&value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_that_begins_with_its_envelope() {
        let answer = Answer::new("show").with("task", json!({"title": "a\nb\u{9b}"})).with("ok", false).with("v", 7);
        insta::assert_snapshot!(answer.to_json(), @r#"{"v":1,"ok":true,"command":"show","task":{"title":"a\nb\u009b"}}"#);
    }
}
