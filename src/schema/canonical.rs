//! Writing: one spelling for every document, and a typed value laid over the document it came from.
//!
//! Owns what a rewrite may change: the keys that squad knows and whose value differs, nothing else. Unknown keys,
//! the file's order of keys and its spelling of numbers stay. The layout is that of
//! `JSON.stringify(document, null, 2)` with a final newline, which is what boards made by hand use.

use serde::Serialize;
use serde_json::Value;

use super::document::{Json, ParseFault, same_number};
use super::keys::{Keys, Known, Shape};
use super::typed::typed;
use crate::model::ordered::{IndexMap, with_capacity};
use crate::model::task::Task;

/// Returns the document as text: two spaces, `\n`, a final newline.
pub fn write(document: &Json) -> String {
    String::from_utf8(written(document)).expect("what is put together of texts is text")
}

/// Returns the same as bytes.
fn written(document: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(&mut out, document, 0);
    out.push(b'\n');
    // Files of a whole board may wait for their commit, each with as much room again as it has grown by.
    out.shrink_to_fit();
    out
}

/// Returns the document on one line.
pub fn write_line(document: &Json) -> String {
    serde_json::to_string(document).expect("a document holds nothing that JSON cannot")
}

pub(super) fn write_value(out: &mut Vec<u8>, value: &Json, level: usize) {
    match value {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Json::Number(spelling) => out.extend_from_slice(spelling.as_bytes()),
        Json::String(text) => write_string(out, text),
        Json::Array(items) => write_list(out, *b"[]", items, level, |out, item| write_value(out, item, level + 1)),
        Json::Object(members) => write_list(out, *b"{}", members, level, |out, (key, value)| {
            write_string(out, key);
            out.extend_from_slice(b": ");
            write_value(out, value, level + 1);
        }),
    }
}

pub(super) fn write_list<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl IntoIterator<Item = T>,
    level: usize,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    let indent = |out: &mut Vec<u8>, level: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * level, b' ');
    };
    out.push(open);
    let mut first = true;
    for item in items {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        indent(out, level + 1);
        write(out, item);
    }
    if !first {
        indent(out, level);
    }
    out.push(close);
}

pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string is always JSON");
}

/// Returns the task as bytes to store, laid over the file it was read from.
///
/// `extra` are the unknown fields of a task that has no file yet; they follow the known ones.
///
/// # Errors
/// [`ParseFault`] when `original` is no document.
pub fn render_task(
    original: Option<&[u8]>,
    task: &Task,
    extra: &IndexMap<String, Value>,
) -> Result<Vec<u8>, ParseFault> {
    let document = original.map(Json::parse).transpose()?;
    Ok(lay_task(original.zip(document.as_ref()), task, extra).0)
}

/// Returns the same, and the document that it is, where the file that it was read from has been read: its bytes, and the
/// document that they are.
pub fn lay_task(original: Option<(&[u8], &Json)>, task: &Task, extra: &IndexMap<String, Value>) -> (Vec<u8>, Json) {
    let mut new = typed(task);
    if let Json::Object(members) = &mut new {
        for (key, value) in extra {
            if !members.contains_key(key) {
                members.insert(key.clone(), value.clone().into());
            }
        }
    }
    finish(original, new, Known::Task)
}

/// Returns the value as bytes to store, laid over the file it was read from.
///
/// # Errors
/// [`ParseFault`] when `original` is no document.
pub fn render<T: Serialize>(original: Option<&[u8]>, value: &T, known: Known) -> Result<Vec<u8>, ParseFault> {
    let document = original.map(Json::parse).transpose()?;
    Ok(finish(original.zip(document.as_ref()), typed(value), known).0)
}

fn finish(original: Option<(&[u8], &Json)>, new: Json, known: Known) -> (Vec<u8>, Json) {
    let laid = overlay(original.map(|(_, old)| old), new, known);
    let bytes = match original {
        // Where nothing changes, a file that was laid out by hand stays as it is.
        Some((bytes, old)) if laid == *old => bytes.to_vec(),
        _ => written(&laid),
    };
    (bytes, laid)
}

/// Lays a freshly serialised value over the document it was read from.
///
/// Of the old document stay: unknown keys at every level, the order of keys, the spelling of numbers that are the
/// same, and whether a key with its default value is written. Known keys that the new value lacks go. New keys
/// stand after the nearest known key before them in schema order. Items of arrays are matched by `id` or `name`,
/// else by what they say.
pub fn overlay(original: Option<&Json>, new: Json, known: Known) -> Json {
    match (original, new) {
        (Some(Json::Object(old)), Json::Object(new)) => Json::Object(lay_object(old, new, known.keys())),
        (_, new) => new,
    }
}

pub(super) fn lay(old: &Json, new: Json, shape: &Shape) -> Json {
    if is_spelled_like(old, &new) {
        // Most of a file stays what it is.
        return new;
    }
    match (old, new) {
        (Json::Number(a), Json::Number(b)) => Json::Number(if same_number(a, &b) { a.clone() } else { b }),
        (Json::Array(old), Json::Array(new)) => {
            let items = if let Shape::Array(items) = shape { items } else { &Shape::Whole };
            Json::Array(lay_array(old, new, items))
        }
        (Json::Object(old), Json::Object(new)) => Json::Object(match shape {
            Shape::Object(keys) => lay_object(old, new, keys),
            Shape::Map(members) => lay_map(old, new, members),
            _ => lay_map(old, new, &Shape::Whole),
        }),
        (_, new) => new,
    }
}

/// Tells whether two values are written alike: equal, with their keys in the same order.
fn is_spelled_like(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_spelled_like(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|((a, one), (b, other))| a == b && is_spelled_like(one, other))
        }
        _ => one == other,
    }
}

/// Lays over an object whose keys are all data: the new value has every key that shall stay.
fn lay_map(old: &IndexMap<String, Json>, mut new: IndexMap<String, Json>, members: &Shape) -> IndexMap<String, Json> {
    let mut laid = with_capacity(new.len());
    for (key, before) in old {
        if let Some(after) = new.shift_remove(key) {
            laid.insert(key.clone(), lay(before, after, members));
        }
    }
    laid.extend(new);
    laid
}

fn lay_object(old: &IndexMap<String, Json>, mut new: IndexMap<String, Json>, keys: &Keys) -> IndexMap<String, Json> {
    if old.len() == new.len() && old.keys().eq(new.keys()) {
        for ((name, before), after) in old.iter().zip(new.values_mut()) {
            let shape = keys.own.get(name).map_or(&Shape::Whole, |key| &key.shape);
            *after = lay(before, std::mem::replace(after, Json::Null), shape);
        }
        return new;
    }
    let mut laid = with_capacity(new.len().max(old.len()));
    for (name, before) in old {
        let kept = match (keys.own.get(name), new.shift_remove(name)) {
            (Some(key), Some(after)) => Some(lay(before, after, &key.shape)),
            (None, after) => Some(after.map_or_else(|| before.clone(), |after| lay(before, after, &Shape::Whole))),
            (Some(key), None) => key.default.as_ref().and_then(|default| {
                // The type leaves out what has its default: where the file spelled that out, it stays spelled out.
                let spelled = lay(before, default.clone(), &key.shape);
                (spelled == *before || holds_unknown(&spelled, &key.shape)).then_some(spelled)
            }),
        };
        if let Some(value) = kept {
            laid.insert(name.clone(), value);
        }
    }
    for (at, (name, key)) in keys.own.iter().enumerate() {
        let Some(value) = new.shift_remove(name) else { continue };
        if key.default.as_ref().is_some_and(|default| default.means(&value)) {
            continue;
        }
        let before = keys.own.keys().take(at).rev().find_map(|known| laid.get_index_of(known));
        // Nothing known stands before it: the front, but behind the line by which editors find the schema.
        let front = usize::from(laid.get_index(0).is_some_and(|(first, _)| first == "$schema"));
        laid.shift_insert(before.map_or(front, |i| i + 1), name.clone(), value);
    }
    let silent = |name: &str, value: &Json| {
        keys.foreign.get(name).and_then(Option::as_ref).is_some_and(|default| default.means(value))
    };
    laid.extend(new.into_iter().filter(|(name, value)| !silent(name, value)));
    laid
}

/// Tells whether an object holds a key that squad does not know, here or below.
fn holds_unknown(value: &Json, shape: &Shape) -> bool {
    match (value, shape) {
        (Json::Object(members), Shape::Object(keys)) => {
            members.iter().any(|(name, value)| keys.own.get(name).is_none_or(|key| holds_unknown(value, &key.shape)))
        }
        _ => false,
    }
}

fn lay_array(old: &[Json], new: Vec<Json>, items: &Shape) -> Vec<Json> {
    let mut by_name: IndexMap<&str, usize> = IndexMap::default();
    for (i, item) in old.iter().enumerate() {
        if let Some(name) = identity(item) {
            by_name.entry(name).or_insert(i);
        }
    }
    let mut next = 0;
    let mut laid = Vec::with_capacity(new.len());
    for (i, item) in new.into_iter().enumerate() {
        // The place first: a list that only grows then costs one look per item.
        let same_place = old.get(i).filter(|before| identity(before) == identity(&item));
        let named = |item: &Json| identity(item).and_then(|name| by_name.get(name)).and_then(|&at| old.get(at));
        let before = if identity(&item).is_some() {
            same_place.or_else(|| named(&item))
        } else {
            // Without a name, an item is one of the old ones where it says the same. Its place alone proves nothing:
            // the approval of one must not pass on to another what a tool noted about it.
            let says = |before: &Json| is_spelled_like(before, &item) || lay(before, item.clone(), items) == *before;
            let found = old.iter().enumerate().skip(next).find(|(_, before)| says(before));
            found.map(|(at, before)| {
                next = at + 1;
                before
            })
        };
        laid.push(match before {
            Some(before) => lay(before, item, items),
            None => item,
        });
    }
    laid
}

/// Returns what an item is called, where it is called something.
fn identity(item: &Json) -> Option<&str> {
    item.get("id").or_else(|| item.get("name")).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{AgentName, Millis};
    use crate::model::task::Message;
    use crate::schema::compile::load_task;

    /// A task as somebody made it by hand: unknown keys at every level, odd numbers, its own order of keys.
    const BY_HAND: &str = r#"{
  "$schema": "../../schema/task.schema.json",
  "x-first": [1.0, {"deep": 1e2}],
  "title": "Fix it",
  "id": "mc-042",
  "status": "in-progress",
  "priority": "high",
  "updatedAt": 1.7e12,
  "createdAt": 1700000000000.0,
  "position": 99.50,
  "tags": [],
  "assigned": "Scout",
  "subtasks": [
    {"x": -0, "id": "sub-001", "title": "a", "status": "backlog", "assignee": "Aria"},
    {"id": "sub-002", "status": "active", "y": null, "title": "b"}
  ],
  "chat": [{"id": "m1", "mood": "☀", "author": "Aria", "content": "hi\nthere", "timestamp": 1}],
  "stateHistory": [{"state": "backlog", "timestamp": 1, "actor": "aria", "why": {"n": 99999999999999999999}}],
  "x-last": {}
}"#;

    fn by_hand() -> (Task, Json) {
        load_task("mc-042.json", BY_HAND.as_bytes()).expect("a task")
    }

    #[test]
    fn a_task_laid_over_its_own_file_changes_nothing() {
        let (task, document) = by_hand();
        assert_eq!(overlay(Some(&document), typed(&task), Known::Task), document);
        let bytes = render_task(Some(BY_HAND.as_bytes()), &task, &IndexMap::default()).expect("rendered");
        assert_eq!(String::from_utf8(bytes).expect("text"), BY_HAND);
    }

    #[test]
    fn a_comment_changes_chat_and_the_time_of_change_alone() {
        let (mut task, document) = by_hand();
        let message = Message {
            id: "m2".to_owned(),
            author: AgentName::new("scout").expect("a name"),
            content: "done soon".to_owned(),
            timestamp: Millis(1_700_000_000_500),
        };
        task.chat.push(message);
        task.updated_at = Millis(1_700_000_000_500);
        let laid = overlay(Some(&document), typed(&task), Known::Task);
        let (Json::Object(old), Json::Object(new)) = (&document, &laid) else { panic!("objects") };
        let changed: Vec<&str> = new.iter().filter(|(k, v)| old.get(*k) != Some(v)).map(|(k, _)| k.as_str()).collect();
        assert_eq!(changed, ["updatedAt", "chat"]);
        assert_eq!(old.keys().collect::<Vec<_>>(), new.keys().collect::<Vec<_>>());
        assert_eq!(laid.pointer("/chat/0/mood"), Some(&Json::String("☀".to_owned())));
    }

    #[test]
    fn a_new_key_stands_behind_its_neighbour_and_never_in_front_of_the_editors_line() {
        let (mut task, document) = by_hand();
        task.schema_version = Some(1);
        task.description = Some("why".to_owned());
        task.attempt = 2;
        let laid = overlay(Some(&document), typed(&task), Known::Task);
        let keys: Vec<&str> = laid.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys[..5], ["$schema", "schemaVersion", "x-first", "title", "description"]);
        assert_eq!(
            keys.iter().position(|k| *k == "attempt"),
            keys.iter().position(|k| *k == "position").map(|i| i + 1)
        );
    }

    #[test]
    fn the_history_keeps_what_others_noted_in_it_when_it_grows() {
        let (mut task, document) = by_hand();
        task.state_history.push(task.state_history[0].clone());
        task.state_history[1].timestamp = Millis(2);
        let laid = overlay(Some(&document), typed(&task), Known::Task);
        assert_eq!(laid.pointer("/stateHistory/0"), document.pointer("/stateHistory/0"));
        assert_eq!(laid.pointer("/stateHistory/1/why"), None);
    }

    #[test]
    fn what_was_noted_about_one_approval_does_not_pass_to_the_next() {
        let text = r#"{"id":"a","title":"x","status":"review","priority":"low","createdAt":1,"updatedAt":1,
            "approvals":[{"by":"hex","role":"chief","at":1,"mood":"sure"}]}"#;
        let (mut task, document) = load_task("a", text.as_bytes()).expect("a task");
        task.approvals[0].by = AgentName::new("knox").expect("a name");
        let laid = overlay(Some(&document), typed(&task), Known::Task);
        assert_eq!(laid.pointer("/approvals/0/mood"), None);
        task.approvals.clear();
        assert_eq!(overlay(Some(&document), typed(&task), Known::Task).get("approvals"), None);
    }
}
