//! Which keys squad knows in each object of its files, in schema order.
//!
//! Read out of the embedded schemas, so that there is one list. What a key's absence means (`default`) and whether
//! its text is of one line or of several is read out of them as well.

use std::sync::OnceLock;

use serde_json::Value;

use super::compile;
use super::document::Json;
use crate::model::ordered::IndexMap;

/// A file that squad reads into a type of its own and writes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A task.
    Task,
    /// The board's configuration.
    Board,
    /// The locks file.
    Coordination,
}

impl Known {
    /// Returns the name of its schema.
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Board => "board",
            Self::Coordination => "coordination",
        }
    }

    /// Returns the keys of the document.
    pub(crate) fn keys(self) -> &'static Keys {
        static TREES: [OnceLock<Keys>; 3] = [const { OnceLock::new() }; 3];
        TREES[self as usize].get_or_init(|| {
            let schema = compile::value(self.schema());
            match shape_of(schema, schema) {
                Shape::Object(keys) => keys,
                _ => unreachable!("BUG: a shipped schema describes no object"),
            }
        })
    }
}

/// The known keys of one object, in schema order.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The keys that the typed value has.
    pub(crate) own: IndexMap<String, Key>,
    /// Keys that the schema describes and that are never squad's, with what their absence means: kept when the typed
    /// value lacks them.
    pub(crate) foreign: IndexMap<String, Option<Json>>,
}

/// What the schema says of one key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) shape: Shape,
    /// What its absence means.
    pub(crate) default: Option<Json>,
}

/// What sort of value stands there.
#[derive(Debug)]
pub(crate) enum Shape {
    /// An object with known keys.
    Object(Keys),
    /// An object whose keys are data.
    Map(Box<Shape>),
    /// An array of such values.
    Array(Box<Shape>),
    /// Text that may have several lines.
    Text,
    /// Anything else: squad knows all of it or nothing.
    Whole,
}

/// Tells whether a key that the schema describes is for editors or for the users of the board, or comes from another one.
fn is_foreign(key: &str) -> bool {
    matches!(key, "$schema" | "sharedResources" | "notes" | "imported")
}

/// Returns the shape that a schema describes. Schemas of files are not recursive, so this ends.
fn shape_of(root: &Value, schema: &Value) -> Shape {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        if matches!(reference, "#/$defs/text" | "#/$defs/filledText") {
            return Shape::Text;
        }
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Shape::Whole, |target| shape_of(root, target));
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let (foreign, own): (Vec<_>, Vec<_>) = properties.iter().partition(|(key, _)| is_foreign(key));
        let default = |schema: &Value| schema.get("default").cloned().map(Json::from);
        let own = own
            .into_iter()
            .map(|(key, schema)| (key.clone(), Key { shape: shape_of(root, schema), default: default(schema) }));
        let foreign = foreign.into_iter().map(|(key, schema)| (key.clone(), default(schema)));
        return Shape::Object(Keys { own: own.collect(), foreign: foreign.collect() });
    }
    if let Some(items) = schema.get("items") {
        return Shape::Array(Box::new(shape_of(root, items)));
    }
    match schema.get("additionalProperties") {
        Some(members @ Value::Object(_)) => Shape::Map(Box::new(shape_of(root, members))),
        _ => Shape::Whole,
    }
}
