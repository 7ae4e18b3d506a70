//! The one JSON object that a command answers with.

use serde::Serialize;
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
    /// More keys of this verb, as the inside of an object that is text already.
    text: String,
}

impl Answer {
    /// Returns an answer without keys.
    pub fn new(command: &'static str) -> Self {
        Self { command, body: Map::new(), text: String::new() }
    }

    /// Returns the answer that these keys are. They become text at once: of a large board, as values they would take
    /// many times as much memory. They are of squad's own making, and none is called as a key of the envelope is.
    pub fn of(command: &'static str, keys: &impl Serialize) -> Self {
        let text = serde_json::to_string(keys).expect("an answer holds nothing that JSON cannot");
        let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        Self { text: inside.expect("the keys are an object's").to_owned(), ..Self::new(command) }
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
        if self.text.is_empty() {
            return one_line(&Value::Object(object));
        }
        let mut json = Value::Object(object).to_string();
        json.truncate(json.len() - 1);
        json.push(',');
        json.push_str(&self.text);
        json.push('}');
        escape_json(json)
    }
}

/// Returns the value on one line, safe to look at in a terminal.
pub(crate) fn one_line(value: &Value) -> String {
    escape_json(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_text_already_stand_behind_the_envelope() {
        let answer = Answer::of("scan", &json!({"agent": "a\nb\u{9b}", "tasks": []})).with("more", 1);
        insta::assert_snapshot!(answer.to_json(), @r#"{"v":1,"ok":true,"command":"scan","more":1,"agent":"a\nb\u009b","tasks":[]}"#);
    }

    #[test]
    fn an_answer_is_one_line_that_begins_with_its_envelope() {
        let answer = Answer::new("show").with("task", json!({"title": "a\nb\u{9b}"})).with("ok", false).with("v", 7);
        insta::assert_snapshot!(answer.to_json(), @r#"{"v":1,"ok":true,"command":"show","task":{"title":"a\nb\u009b"}}"#);
    }
}
