//! A JSON document as it stands in a file: key order and number spelling kept, anything doubtful refused.
//!
//! Owns strict reading ([`Json::parse`]) and the map from a JSON pointer to a line. Must not know what a task is.
//! The reading itself is `serde_json`'s; this file adds the limits, the duplicate keys and the place of a fault.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::quick;
use crate::model::id::SAFE_INTEGER;
use crate::model::ordered::{IndexMap, with_capacity};

/// Largest file in bytes: a thousand times a usual task, small enough that a board of hostile files stays in memory.
pub const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting: squad's own files need 6; every JSON reader in use takes 64.
pub const MAX_DEPTH: usize = 64;

/// A JSON value with the spelling of its numbers and the order of its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is spelled: `1.0`, `1e2` and `100` are three spellings.
    Number(Box<str>),
    /// A string, its escapes resolved.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in the order of the file.
    Object(IndexMap<String, Json>),
}

/// What is wrong with a text that should be a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// More than [`MAX_BYTES`].
    TooLarge,
    /// A byte order mark in front.
    Bom,
    /// Bytes that are no UTF-8.
    InvalidUtf8,
    /// Not JSON.
    Syntax,
    /// Something after the end of the document.
    TrailingData,
    /// A key that stands twice in one object.
    DuplicateKey,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// An escape that is half of a surrogate pair, so no character.
    LoneSurrogate,
}

impl FaultKind {
    /// Returns the violation code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Bom => "bom",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Syntax => "invalid-json",
            Self::TrailingData => "trailing-data",
            Self::DuplicateKey => "duplicate-key",
            Self::TooDeep => "too-deep",
            Self::LoneSurrogate => "lone-surrogate",
        }
    }
}

/// Why a text is no document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// JSON pointer of the value with the fault; empty where the fault is the document's.
    pub pointer: String,
    /// Line, from 1, where known.
    pub line: Option<u32>,
    /// Column in bytes, from 1, where known.
    pub column: Option<u32>,
    /// The rest of the sentence: the parser's words, or the key.
    detail: String,
}

impl ParseFault {
    /// Returns what is wrong as a short sentence without the place.
    pub fn what(&self) -> String {
        match self.kind {
            FaultKind::TooLarge => format!("the file is larger than {} KiB", MAX_BYTES / 1024),
            FaultKind::Bom => "the file begins with a byte order mark".to_owned(),
            FaultKind::InvalidUtf8 => "the file is not UTF-8".to_owned(),
            FaultKind::Syntax => format!("the file is not JSON: {}", self.detail),
            FaultKind::TrailingData => "something follows the end of the document".to_owned(),
            FaultKind::DuplicateKey => format!("the key {} stands twice in one object", self.detail),
            FaultKind::TooDeep => format!("values are nested deeper than {MAX_DEPTH}"),
            FaultKind::LoneSurrogate => "a string holds half of a surrogate pair".to_owned(),
        }
    }
}

impl fmt::Display for ParseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, " (line {line}, column {column})"),
            (Some(line), None) => write!(f, " (line {line})"),
            _ => Ok(()),
        }
    }
}
impl std::error::Error for ParseFault {}

impl Json {
    /// Returns the document that these bytes are.
    ///
    /// # Errors
    /// [`ParseFault`] for the first thing that is wrong; nothing larger than the limit is looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseFault> {
        Self::parse_up_to(bytes, MAX_BYTES)
    }

    /// Reads a document of at most so many bytes: for what holds several files' worth.
    ///
    /// # Errors
    /// As [`Json::parse`].
    pub fn parse_up_to(bytes: &[u8], max: usize) -> Result<Self, ParseFault> {
        let at_start =
            |kind| ParseFault { kind, pointer: String::new(), line: Some(1), column: Some(1), detail: String::new() };
        if bytes.len() > max {
            return Err(ParseFault { line: None, column: None, ..at_start(FaultKind::TooLarge) });
        }
        if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            return Err(at_start(FaultKind::Bom));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let (line, column) = place(bytes, error.valid_up_to());
            ParseFault { line: Some(line), column: Some(column), ..at_start(FaultKind::InvalidUtf8) }
        })?;
        quick::document(text).map_or_else(|| Self::parse_slowly(text), Ok)
    }

    /// Reads a text of which the short way has told nothing.
    pub(super) fn parse_slowly(text: &str) -> Result<Self, ParseFault> {
        let mut reader = serde_json::Deserializer::from_str(text);
        // The first pass looks at the syntax of the whole text, without recursion; what follows can rely on it.
        let raw = <&RawValue>::deserialize(&mut reader).map_err(|error| syntax(FaultKind::Syntax, &error))?;
        reader.end().map_err(|error| syntax(FaultKind::TrailingData, &error))?;
        Builder { text, path: Vec::new() }.build(raw)
    }

    /// Tells whether what is written of the document, in so many bytes, is within the limits of reading.
    pub(super) fn is_read_back(&self, bytes: usize) -> bool {
        fn is_within(value: &Json, levels: usize) -> bool {
            match value {
                Json::Array(items) => levels > 0 && items.iter().all(|item| is_within(item, levels - 1)),
                Json::Object(members) => levels > 0 && members.values().all(|member| is_within(member, levels - 1)),
                _ => true,
            }
        }
        bytes <= MAX_BYTES && is_within(self, MAX_DEPTH)
    }

    /// Returns the member of that name, where this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// Returns the value that an RFC 6901 pointer names.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        segments(pointer)?.iter().try_fold(self, |value, segment| match value {
            Self::Object(members) => members.get(segment),
            Self::Array(items) => items.get(index(segment)?),
            _ => None,
        })
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Returns the members of an object.
    pub fn as_object(&self) -> Option<&IndexMap<String, Self>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// Returns the items of an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// Returns the integer that a number is, however it is spelled, within ±(2^53 - 1).
    pub fn as_integer(&self) -> Option<i64> {
        if let Self::Number(spelling) = self { integer(spelling) } else { None }
    }

    /// Returns the word for the type: `string`, `number`, …
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Returns the value as `serde_json` has it.
    ///
    /// An integer is one however it is spelled, as JSON Schema has it. A number beyond the range of a double
    /// becomes the largest double of its sign, so that a schema's bounds refuse it instead of a reader.
    pub fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(spelling) => number_value(spelling),
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(members) => Value::Object(members.iter().map(|(k, v)| (k.clone(), v.to_value())).collect()),
        }
    }

    /// Tells whether two values mean the same: numbers by value, objects without regard to order.
    pub fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => same_number(a, b),
            (Self::Array(a), Self::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.means(b)),
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|v| value.means(v)))
            }
            _ => self == other,
        }
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(b),
            Value::Number(number) => Self::Number(number.to_string().into()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(members.into_iter().map(|(k, v)| (k, v.into())).collect()),
        }
    }
}

impl Serialize for Json {
    /// Writes numbers as they are spelled; only `serde_json`'s writers can do that.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => s.serialize_unit(),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Number(spelling) => RawValue::from_string(spelling.clone().into())
                .map_err(serde::ser::Error::custom)
                .and_then(|raw| raw.serialize(s)),
            Self::String(text) => s.serialize_str(text),
            Self::Array(items) => s.collect_seq(items),
            Self::Object(members) => s.collect_map(members),
        }
    }
}

/// Returns the number as `serde_json` has it; see [`Json::to_value`].
fn number_value(spelling: &str) -> serde_json::Value {
    if let Some(n) = integer(spelling) {
        return n.into();
    }
    if let Ok(n) = spelling.parse::<u64>() {
        return n.into();
    }
    let double: f64 = spelling.parse().unwrap_or(f64::MAX);
    // Clamped, a number out of range is still a number, and too large for any bound that a schema states.
    serde_json::Number::from_f64(double.clamp(f64::MIN, f64::MAX)).map_or(serde_json::Value::Null, Into::into)
}

/// Returns the integer within ±(2^53 - 1) that a spelling means.
#[expect(clippy::cast_possible_truncation, reason = "range and fraction are checked first")]
#[expect(clippy::cast_precision_loss, reason = "the bound is exact as a double")]
fn integer(spelling: &str) -> Option<i64> {
    if let Ok(n) = spelling.parse::<i64>() {
        return (-SAFE_INTEGER..=SAFE_INTEGER).contains(&n).then_some(n);
    }
    // A plain spelling that does not fit is no safe integer; one with a fraction or an exponent may be.
    let double: f64 = spelling.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')).then(|| spelling.parse().ok())??;
    (double.fract() == 0.0 && double.abs() <= SAFE_INTEGER as f64).then_some(double as i64)
}

/// Tells whether two spellings are the same number: exactly for integers, as doubles for the rest.
pub(crate) fn same_number(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
    }
}

/// Returns the fault that the parser found, at its place.
fn syntax(kind: FaultKind, error: &serde_json::Error) -> ParseFault {
    let words = error.to_string();
    let detail = words.rsplit_once(" at line ").map_or(words.as_str(), |(before, _)| before).to_owned();
    ParseFault {
        kind,
        pointer: String::new(),
        line: u32::try_from(error.line()).ok(),
        column: u32::try_from(error.column().max(1)).ok(),
        detail,
    }
}

/// Returns line and column, from 1, of a byte.
fn place(bytes: &[u8], offset: usize) -> (u32, u32) {
    let before = &bytes[..offset.min(bytes.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// Builds the document from raw pieces and knows the way to the piece at hand.
struct Builder<'t> {
    text: &'t str,
    path: Vec<String>,
}

/// The members of an object, unread.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        d.deserialize_map(Collect)
    }
}

impl<'t> Builder<'t> {
    fn fault(&self, kind: FaultKind, raw: &RawValue, detail: String) -> ParseFault {
        // A raw value borrowed from the text lies inside it, so the distance of the two is its offset.
        let offset = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let (line, column) = place(self.text.as_bytes(), offset);
        let pointer = self.path.iter().fold(String::new(), |pointer, segment| join(&pointer, segment));
        ParseFault { kind, pointer, line: Some(line), column: Some(column), detail }
    }

    fn build(&mut self, raw: &'t RawValue) -> Result<Json, ParseFault> {
        let text = raw.get();
        // The syntax has passed already: what can still fail to read is an escape that names no character.
        let lone = |this: &Self| this.fault(FaultKind::LoneSurrogate, raw, String::new());
        match text.as_bytes().first() {
            Some(b'{') => {
                self.check_depth(raw)?;
                let Members(pairs) = serde_json::from_str(text).map_err(|_| lone(self))?;
                let mut members = with_capacity(pairs.len());
                for (key, value) in pairs {
                    self.path.push(key);
                    let built = self.build(value)?;
                    let key = self.path.pop().expect("pushed above");
                    if members.contains_key(&key) {
                        let detail = format!("{:?}", key.chars().take(60).collect::<String>());
                        self.path.push(key);
                        return Err(self.fault(FaultKind::DuplicateKey, value, detail));
                    }
                    members.insert(key, built);
                }
                Ok(Json::Object(members))
            }
            Some(b'[') => {
                self.check_depth(raw)?;
                let raws: Vec<&'t RawValue> = serde_json::from_str(text).map_err(|_| lone(self))?;
                let mut items = Vec::with_capacity(raws.len());
                for (i, item) in raws.into_iter().enumerate() {
                    self.path.push(i.to_string());
                    items.push(self.build(item)?);
                    self.path.pop();
                }
                Ok(Json::Array(items))
            }
            Some(b'"') => serde_json::from_str(text).map(Json::String).map_err(|_| lone(self)),
            Some(b't') => Ok(Json::Bool(true)),
            Some(b'f') => Ok(Json::Bool(false)),
            Some(b'n') => Ok(Json::Null),
            _ => Ok(Json::Number(text.into())),
        }
    }

    fn check_depth(&self, raw: &RawValue) -> Result<(), ParseFault> {
        // The document itself is level 1, and the path to it is empty.
        if self.path.len() < MAX_DEPTH { Ok(()) } else { Err(self.fault(FaultKind::TooDeep, raw, String::new())) }
    }
}

/// Returns the pointer of a member of the value at `pointer`.
pub fn join(pointer: &str, segment: &str) -> String {
    format!("{pointer}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// Returns the parts of a pointer, unescaped, or `None` where it is none.
fn segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    Some(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// Returns the array index that a segment spells.
fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || (!segment.starts_with('0') && segment.bytes().all(|b| b.is_ascii_digit()));
    plain.then(|| segment.parse().ok())?
}

/// Returns the line, from 1, on which the value at `pointer` stands: that of its key for a member of an object.
///
/// Where the document has no such value, the line of the nearest value around it; `None` where the text is no
/// document.
pub fn line_of(text: &str, pointer: &str) -> Option<u32> {
    let wanted = segments(pointer)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut here = <&RawValue>::deserialize(&mut reader).ok()?.get();
    let offset_in_text = |part: &str| (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let mut offset = offset_in_text(here);
    for segment in &wanted {
        let next = match here.as_bytes().first() {
            Some(b'{') => serde_json::from_str::<Members<'_>>(here)
                .ok()
                .and_then(|Members(pairs)| pairs.into_iter().find(|(key, _)| key == segment))
                .map(|(_, value)| value.get()),
            Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(here)
                .ok()
                .zip(index(segment))
                .and_then(|(items, i)| items.get(i).map(|item| item.get())),
            _ => None,
        };
        let Some(value) = next else { break };
        here = value;
        offset = offset_in_text(value);
    }
    Some(place(text.as_bytes(), offset).0)
}
