//! The short way to a document that has nothing to report, and to the value of one.
//!
//! Strict reading ([`Json::parse`]) keeps every spelling and the place of every fault; most files of a board need
//! neither. What is read here is what strict reading would give; on the least doubt nothing is.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::document::{Json, MAX_BYTES, MAX_DEPTH};
use super::keys::{Keys, Shape};
use crate::model::id::SAFE_INTEGER;
use crate::model::ordered::with_capacity;
use crate::model::text;

/// Returns the value of the document, as [`Json::to_value`] has it; `None` where the document has a fault, or a number
/// that is no plain integer within ±(2^53 - 1).
pub(super) fn value(bytes: &[u8]) -> Option<Value> {
    if bytes.len() > MAX_BYTES {
        return None;
    }
    read(std::str::from_utf8(bytes).ok()?)
}

/// Returns the document that a text is; `None` where it has a fault, or a number that is no integer of 64 bits.
pub(super) fn document(text: &str) -> Option<Json> {
    read(text)
}

fn read<T: Made>(text: &str) -> Option<T> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let made = Strict { depth: 0, makes: PhantomData }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(made)
}

/// What is made of a text.
trait Made: Sized {
    const NULL: Self;
    fn bool(v: bool) -> Self;
    /// Nothing where there is doubt about how it would be read.
    fn integer(v: i64) -> Option<Self>;
    fn text(v: String) -> Self;
    fn list(items: Vec<Self>) -> Self;
    /// Nothing where a key stands twice.
    fn members(members: Vec<(String, Self)>) -> Option<Self>;
}

impl Made for Value {
    const NULL: Self = Self::Null;
    fn bool(v: bool) -> Self {
        Self::Bool(v)
    }
    fn integer(v: i64) -> Option<Self> {
        (-SAFE_INTEGER..=SAFE_INTEGER).contains(&v).then(|| v.into())
    }
    fn text(v: String) -> Self {
        Self::String(v)
    }
    fn list(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
    fn members(members: Vec<(String, Self)>) -> Option<Self> {
        let mut map = Map::with_capacity(members.len());
        let are_new = members.into_iter().all(|(key, value)| map.insert(key, value).is_none());
        are_new.then_some(Self::Object(map))
    }
}

impl Made for Json {
    const NULL: Self = Self::Null;
    fn bool(v: bool) -> Self {
        Self::Bool(v)
    }
    fn integer(v: i64) -> Option<Self> {
        Some(Self::Number(v.to_string().into()))
    }
    fn text(v: String) -> Self {
        Self::String(v)
    }
    fn list(mut items: Vec<Self>) -> Self {
        // A document is kept, and most lists are shorter than the first room that one is given.
        items.shrink_to_fit();
        Self::Array(items)
    }
    fn members(members: Vec<(String, Self)>) -> Option<Self> {
        let mut map = with_capacity(members.len());
        let are_new = members.into_iter().all(|(key, value)| map.insert(key, value).is_none());
        are_new.then_some(Self::Object(map))
    }
}

/// Tells whether the value holds nothing that is odd but not wrong: no key that squad does not know, no direction
/// mark in a text.
pub(super) fn is_usual(value: &Value, keys: &Keys) -> bool {
    let Value::Object(members) = value else { return true };
    members.iter().all(|(name, member)| match keys.own.get(name) {
        Some(key) => is_usual_in(member, &key.shape),
        None => keys.foreign.contains_key(name),
    })
}

fn is_usual_in(value: &Value, shape: &Shape) -> bool {
    match (shape, value) {
        (Shape::Object(keys), _) => is_usual(value, keys),
        (Shape::Map(members), Value::Object(map)) => map.values().all(|member| is_usual_in(member, members)),
        (Shape::Array(items), Value::Array(list)) => list.iter().all(|item| is_usual_in(item, items)),
        (Shape::Text, Value::String(content)) => text::direction_mark(content).is_none(),
        _ => true,
    }
}

/// Reads one value below that many objects and arrays.
struct Strict<T> {
    depth: usize,
    makes: PhantomData<T>,
}

impl<T> Clone for Strict<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Strict<T> {}

impl<T> Strict<T> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth < MAX_DEPTH { Ok(Self { depth: self.depth + 1, ..self }) } else { Err(E::custom("too deep")) }
    }
}

impl<'de, T: Made> DeserializeSeed<'de> for Strict<T> {
    type Value = T;
    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<T, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de, T: Made> Visitor<'de> for Strict<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::NULL)
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<T, E> {
        Ok(T::bool(v))
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<T, E> {
        T::integer(v).ok_or_else(|| E::custom("large"))
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<T, E> {
        i64::try_from(v).map_err(E::custom).and_then(|v| self.visit_i64(v))
    }
    fn visit_str<E: Error>(self, v: &str) -> Result<T, E> {
        Ok(T::text(v.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(T::list(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            members.push((key, map.next_value_seed(inner)?));
        }
        T::members(members).ok_or_else(|| A::Error::custom("a key that stands twice"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whatever_strict_reading_refuses_is_refused() {
        for text in [
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"\\u0061\":1}",
            "{} x",
            "\"\\ud800\"",
            "\u{feff}{}",
            "1.5",
            "3.0",
            "1e2",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551616",
            "",
            "{\"a\":",
            "{\"\\ud800\":1}",
        ] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
            assert!(document(text).is_none_or(|d| Ok(d) == Json::parse_slowly(text)), "{text}");
        }
        assert_eq!(value(b"\"\xFF\""), None);
        let nested = |n: usize| ["[".repeat(n), "]".repeat(n)].concat();
        for n in [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 1000] {
            let is_read = Json::parse_slowly(&nested(n)).is_ok();
            assert_eq!(
                (value(nested(n).as_bytes()).is_some(), document(&nested(n)).is_some()),
                (is_read, is_read),
                "{n}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_read_the_short_way_is_what_strict_reading_gives(
            text in r#"(\{"a":|\[|"|[ab]|\\u00e9|\\ud83d|\\ude00|1|-|0|,|:|\}|\]|"b"|null|true| |\n|1\.0){0,12}"#,
        ) {
            let slow = Json::parse_slowly(&text);
            if let Some(quick) = value(text.as_bytes()) {
                prop_assert_eq!(Some(quick), slow.as_ref().ok().map(Json::to_value));
            }
            if let Some(quick) = document(&text) {
                prop_assert_eq!(Ok(quick), slow);
            }
        }
    }
}
