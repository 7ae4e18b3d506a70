//! The shipped schemas, and what they say of a document.
//!
//! The one file that names `jsonschema`. Its errors become [`Violation`]s in plain sentences. A schema is compiled
//! when it is first asked for; reading the command line must not cost that.

use std::sync::OnceLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonTypeSet, Validator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::canonical;
use super::document::{Json, ParseFault, join, line_of};
use super::keys::{Keys, Known, Shape};
use super::quick;
use super::violation::{Severity, Violation};
use crate::model::config::BoardConfig;
use crate::model::task::{SCHEMA_VERSION, Task};
use crate::model::text;

/// Longest quotation of a value in a message, in characters.
const QUOTE_MAX: usize = 60;

/// Most violations told of one file: nobody reads more, and a hostile file has one for every second byte.
const LISTED_MAX: usize = 50;

/// The code of a file that a newer squad has written.
pub const NEWER_SCHEMA: &str = "newer-schema";

/// One schema that ships with squad.
struct Shipped {
    name: &'static str,
    text: &'static str,
    value: OnceLock<Value>,
    validator: OnceLock<Validator>,
}

impl Shipped {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, value: OnceLock::new(), validator: OnceLock::new() }
    }

    fn value(&self) -> &Value {
        self.value
            .get_or_init(|| serde_json::from_str(self.text).expect("a test proves each shipped schema to be JSON"))
    }

    fn validator(&self) -> &Validator {
        self.validator
            .get_or_init(|| jsonschema::draft202012::new(self.value()).expect("a test compiles each shipped schema"))
    }
}

/// Every shipped schema, by name.
static SHIPPED: [Shipped; 4] = [
    Shipped::new("answer", include_str!("../../schema/answer.schema.json")),
    Shipped::new("board", include_str!("../../schema/board.schema.json")),
    Shipped::new("coordination", include_str!("../../schema/coordination.schema.json")),
    Shipped::new("task", include_str!("../../schema/task.schema.json")),
];

fn shipped(name: &str) -> Option<&'static Shipped> {
    SHIPPED.iter().find(|schema| schema.name == name)
}

/// Returns the names of the shipped schemas, sorted.
pub fn names() -> Vec<&'static str> {
    SHIPPED.iter().map(|schema| schema.name).collect()
}

/// Returns the text of a shipped schema.
pub fn text(name: &str) -> Option<&'static str> {
    shipped(name).map(|schema| schema.text)
}

/// Returns a shipped schema as a value; its name is one of [`names`].
pub(crate) fn value(name: &str) -> &'static Value {
    shipped(name).expect("callers name a shipped schema").value()
}

/// Tells whether a task may have a field of that name by the schema.
pub fn knows_task_field(name: &str) -> bool {
    Known::Task.keys().own.contains_key(name)
}

/// Returns what a task file breaks and what in it is odd, in the order of reports.
pub fn validate_task(file: &str, document: &Json) -> Vec<Violation> {
    validate_known(file, document, Known::Task, None)
}

/// Returns the same for the board's configuration.
pub fn validate_board(file: &str, document: &Json) -> Vec<Violation> {
    validate_known(file, document, Known::Board, None)
}

/// Returns the same for the locks file.
pub fn validate_coordination(file: &str, document: &Json) -> Vec<Violation> {
    validate_known(file, document, Known::Coordination, None)
}

/// Returns what a document breaks of the shipped schema of that name; `None` where there is no such schema.
pub fn validate(name: &str, file: &str, document: &Json) -> Option<Vec<Violation>> {
    let known = [Known::Task, Known::Board, Known::Coordination].into_iter().find(|known| known.schema() == name);
    match known {
        Some(known) => Some(validate_known(file, document, known, None)),
        None => shipped(name).map(|schema| placed(schema_violations(schema, file, document), document, None)),
    }
}

/// Returns the task that these bytes are, and the document that it was read from.
///
/// A file of a newer version is read as far as this build understands it; writing it is what
/// [`validate_task`] refuses.
///
/// # Errors
/// Every violation that keeps the bytes from being a task, in the order of reports.
pub fn load_task(file: &str, bytes: &[u8]) -> Result<(Task, Json), Vec<Violation>> {
    load(file, bytes, Known::Task)
}

/// Returns the board's configuration that these bytes are, and the document that it was read from.
///
/// # Errors
/// As [`load_task`].
pub fn load_board(file: &str, bytes: &[u8]) -> Result<(BoardConfig, Json), Vec<Violation>> {
    load(file, bytes, Known::Board)
}

/// Returns the task that a document is which squad has put together and written as these bytes, as [`load_task`] would
/// from the bytes. That a text says what its document does is a law of writing, and is not tried again each time.
///
/// # Errors
/// As [`load_task`].
pub fn load_written_task(file: &str, bytes: &[u8], document: &Json) -> Result<Task, Vec<Violation>> {
    debug_assert_eq!(Json::parse(bytes).as_ref().ok(), Some(document).filter(|d| d.is_read_back(bytes.len())));
    let value = document.is_read_back(bytes.len()).then(|| document.to_value());
    let task = value.filter(|v| is_lawful(v, Known::Task)).and_then(|value| serde_json::from_value(value).ok());
    task.map_or_else(|| load_task(file, bytes).map(|(task, _)| task), Ok)
}

fn load<T: DeserializeOwned>(file: &str, bytes: &[u8], known: Known) -> Result<(T, Json), Vec<Violation>> {
    let document = Json::parse(bytes).map_err(|fault| vec![parse_violation(file, &fault)])?;
    let schema = shipped(known.schema()).expect("each known file has a schema");
    let newer = newer_schema(file, &document);
    let value = document.to_value();
    if newer.is_none() && !schema.validator().is_valid(&value) {
        let text = std::str::from_utf8(bytes).ok();
        let mut errors = validate_known(file, &document, known, text);
        errors.retain(Violation::is_error);
        return Err(errors);
    }
    // Numbers are read through the document: it has each to the last bit, and 3.0 as the integer that it is.
    match serde_path_to_error::deserialize(value) {
        Ok(typed) => Ok((typed, document)),
        Err(error) => {
            let typed = type_violation(file, &document, &error.path().to_string(), &error.inner().to_string());
            Err(placed(vec![newer.unwrap_or(typed)], &document, std::str::from_utf8(bytes).ok()))
        }
    }
}

/// What a look at one file gives: what it is, as far as it is anything, and everything that is wrong or odd.
#[derive(Debug)]
pub struct Look<T> {
    /// The typed value; `None` when the bytes are none.
    pub typed: Option<T>,
    /// Errors and warnings with their lines, in the order of reports.
    pub violations: Vec<Violation>,
}

/// Returns what a task file is and everything that is wrong or odd about it, from one reading.
pub fn look_at_task(file: &str, bytes: &[u8]) -> Look<Task> {
    look(file, bytes, Known::Task)
}

/// Returns the same for the board's configuration.
pub fn look_at_board(file: &str, bytes: &[u8]) -> Look<BoardConfig> {
    look(file, bytes, Known::Board)
}

fn look<T: DeserializeOwned>(file: &str, bytes: &[u8], known: Known) -> Look<T> {
    if let Some(typed) = without_fault(bytes, known) {
        return Look { typed: Some(typed), violations: Vec::new() };
    }
    let document = match Json::parse(bytes) {
        Ok(document) => document,
        Err(fault) => return Look { typed: None, violations: vec![parse_violation(file, &fault)] },
    };
    let text = std::str::from_utf8(bytes).ok();
    let violations = validate_known(file, &document, known, text);
    if violations.iter().any(|v| v.is_error() && v.code != NEWER_SCHEMA) {
        return Look { typed: None, violations };
    }
    match serde_path_to_error::deserialize(document.to_value()) {
        Ok(typed) => Look { typed: Some(typed), violations },
        // Of a newer file, all that can be said is that it is newer.
        Err(_) if violations.iter().any(Violation::is_error) => Look { typed: None, violations },
        Err(error) => {
            let typed = type_violation(file, &document, &error.path().to_string(), &error.inner().to_string());
            let all = violations.into_iter().chain([typed]).collect();
            Look { typed: None, violations: placed(all, &document, text) }
        }
    }
}

/// Returns what the bytes are where nothing at all is to be said about them.
fn without_fault<T: DeserializeOwned>(bytes: &[u8], known: Known) -> Option<T> {
    let value = quick::value(bytes).filter(|value| is_lawful(value, known) && quick::is_usual(value, known.keys()))?;
    T::deserialize(value).ok()
}

/// Tells whether a value is of this version, and keeps the schema.
fn is_lawful(value: &Value, known: Known) -> bool {
    let is_newer = value.get("schemaVersion").is_some_and(|v| v.as_u64().is_none_or(|v| v > SCHEMA_VERSION));
    let validator = shipped(known.schema()).expect("each known file has a schema").validator();
    !is_newer && validator.is_valid(value)
}

/// Returns the violation that a text which is no document makes.
pub fn parse_violation(file: &str, fault: &ParseFault) -> Violation {
    let hint = match fault.kind.code() {
        "too-large" => "move long texts into files of the repository and name their paths",
        "bom" => "save the file as UTF-8 without a byte order mark",
        "invalid-utf8" => "save the file as UTF-8",
        "duplicate-key" => "keep one of the two and remove the other",
        "too-deep" => "flatten the value",
        "lone-surrogate" => "write the character itself instead of its escapes",
        _ => "correct the file, or take the last good version from its history",
    };
    Violation::error(fault.kind.code(), file, &fault.pointer, fault.what(), hint).at_line(fault.line)
}

/// Returns all violations of a document that squad has a type for.
fn validate_known(file: &str, document: &Json, known: Known, text: Option<&str>) -> Vec<Violation> {
    let schema = shipped(known.schema()).expect("each known file has a schema");
    if let Some(newer) = newer_schema(file, document) {
        // What else an older schema finds in a newer file says nothing about that file.
        return placed(vec![newer], document, text);
    }
    let mut found = schema_violations(schema, file, document);
    let mut walk = Walk { file, found: &mut found };
    walk.object(document, known.keys(), "");
    placed(found, document, text)
}

/// Returns the violation of a file that a newer squad has written.
fn newer_schema(file: &str, document: &Json) -> Option<Violation> {
    let version = document.get("schemaVersion")?.as_integer().and_then(|v| u64::try_from(v).ok())?;
    (version > SCHEMA_VERSION).then(|| {
        Violation::error(
            NEWER_SCHEMA,
            file,
            "/schemaVersion",
            format!("the file has version {version}, this squad writes version {SCHEMA_VERSION}"),
            "update squad to change this file; reading goes on",
        )
    })
}

/// Sorts, takes out doubles, keeps the list short and sets lines that are not known yet.
fn placed(mut found: Vec<Violation>, document: &Json, text: Option<&str>) -> Vec<Violation> {
    if found.is_empty() {
        return found;
    }
    found.sort_by(|a, b| a.severity.cmp(&b.severity).then_with(|| a.cmp(b)));
    found.dedup();
    if found.len() > LISTED_MAX {
        let severity = found[LISTED_MAX].severity;
        let more = Violation::error(
            "more",
            found[0].file.as_str(),
            "",
            format!("the file has more than the {LISTED_MAX} violations listed"),
            "correct these and check again",
        );
        found.truncate(LISTED_MAX);
        found.push(Violation { severity, ..more });
    }
    let canonical = text.is_none().then(|| canonical::write(document));
    let text = text.or(canonical.as_deref()).unwrap_or_default();
    for violation in found.iter_mut().filter(|violation| violation.line.is_none()) {
        violation.line = line_of(text, &violation.pointer);
    }
    found.sort();
    found
}

/// Returns what the schema itself finds.
fn schema_violations(schema: &Shipped, file: &str, document: &Json) -> Vec<Violation> {
    let instance = document.to_value();
    let errors = schema.validator().iter_errors(&instance);
    let mut found: Vec<Violation> = errors
        // One key can break two rules; twice as many as are listed are enough to know that there are more.
        .take(2 * LISTED_MAX + 2)
        .map(|error| {
            let pointer = error.instance_path().as_str();
            // The value as the file has it: a number out of range has another spelling in the instance.
            let value = document.pointer(pointer).unwrap_or(document);
            let rule = Rule::of(schema.value(), error.schema_path().as_str());
            let (code, message, hint) = sentence(error.kind(), &rule, value);
            Violation::error(code, file, pointer, message, hint)
        })
        .collect();
    found.sort();
    // A name that breaks its form breaks one rule, although the schema needs two keywords for it.
    found.dedup_by(|a, b| a.code == b.code && a.pointer == b.pointer && a.message == b.message);
    found
}

/// Where in the schema a rule stands.
struct Rule<'s> {
    /// Name of the definition, where it stands in one.
    definition: &'s str,
    /// The definition's own words for a value that keeps it.
    description: Option<&'s str>,
}

impl<'s> Rule<'s> {
    /// Returns the rule at a schema path that ends with a keyword.
    fn of(schema: &'s Value, path: &'s str) -> Self {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let definition = parent.strip_prefix("/$defs/").map_or("", |rest| rest.split('/').next().unwrap_or(rest));
        let node = schema.pointer(parent);
        Self { definition, description: node.and_then(|node| node.get("description")).and_then(Value::as_str) }
    }
}

/// Returns code, message and hint of one schema error.
fn sentence(kind: &ValidationErrorKind, rule: &Rule<'_>, value: &Json) -> (&'static str, String, String) {
    let found = quote(value);
    let correct = "correct the value".to_owned();
    match kind {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let what = match value.get("kind").and_then(Json::as_str) {
                Some(kind) => format!("the key {name:?} is missing, which kind {kind:?} needs"),
                None => format!("the key {name:?} is missing"),
            };
            ("missing-field", what, format!("add {name:?}"))
        }
        ValidationErrorKind::Type { kind } => {
            let fraction = matches!(value, Json::Number(_)) && types(kind).contains("integer");
            let what = if fraction { "is no integer" } else { "is of the wrong type" };
            ("wrong-type", format!("{found} {what}; expected {}", types(kind)), correct)
        }
        ValidationErrorKind::Enum { options } => {
            let words: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            ("unknown-word", format!("{found} is none of {}", words.join(", ")), "use one of these words".to_owned())
        }
        ValidationErrorKind::Constant { expected_value } => {
            ("wrong-value", format!("{found} is not {expected_value}"), format!("write {expected_value}"))
        }
        ValidationErrorKind::Minimum { limit } | ValidationErrorKind::ExclusiveMinimum { limit } => {
            ("out-of-range", format!("{found} is less than {limit}"), correct)
        }
        ValidationErrorKind::Maximum { limit } | ValidationErrorKind::ExclusiveMaximum { limit } => {
            ("out-of-range", format!("{found} is more than {limit}"), correct)
        }
        ValidationErrorKind::MinLength { limit: 1 } => {
            ("wrong-length", "the text is empty".to_owned(), "write something".to_owned())
        }
        ValidationErrorKind::MinLength { limit } => {
            ("wrong-length", format!("{found} has fewer than {limit} characters"), correct)
        }
        ValidationErrorKind::MaxLength { limit } => {
            ("wrong-length", format!("{found} has more than {limit} characters"), "shorten it".to_owned())
        }
        ValidationErrorKind::MinItems { limit } => {
            let have = value.as_array().map_or(0, <[Json]>::len);
            ("wrong-count", format!("the list has {have} of at least {limit} items"), "add what is missing".to_owned())
        }
        ValidationErrorKind::MaxItems { limit } => {
            let have = value.as_array().map_or(0, <[Json]>::len);
            (
                "wrong-count",
                format!("the list has {have} of at most {limit} items"),
                "keep the most important".to_owned(),
            )
        }
        ValidationErrorKind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default();
            let rule = "a task id has letters, digits, '.', '_' and '-', and begins with a letter or a digit";
            ("bad-id", format!("the key {} is no task id", quote_text(name)), rule.to_owned())
        }
        ValidationErrorKind::Pattern { .. } | ValidationErrorKind::Not { .. } => misshapen(rule, value),
        other => ("schema", format!("{found} breaks the rule {:?} of the schema", other.keyword()), correct),
    }
}

/// Returns code, message and hint of a text that breaks the form of its definition.
fn misshapen(rule: &Rule<'_>, value: &Json) -> (&'static str, String, String) {
    let content = value.as_str().unwrap_or_default();
    let several_lines = matches!(rule.definition, "text" | "filledText");
    let character = if several_lines { text::multi_line_fault(content) } else { text::one_line_fault(content) };
    if let Some(character) = character {
        let what = format!("the text holds the character U+{:04X}", u32::from(character));
        let form = if several_lines { "newline and tab are the only controls here" } else { "it must be one line" };
        return ("control-character", what, format!("remove the character; {form}"));
    }
    let code = if rule.definition == "taskId" { "bad-id" } else { "bad-form" };
    let form = rule.description.map_or_else(|| "correct the value".to_owned(), |form| format!("expected {form}"));
    (code, format!("{} does not have the form that is needed here", quote(value)), form)
}

/// Returns the violation of a document that keeps the schema but not a type.
fn type_violation(file: &str, document: &Json, path: &str, words: &str) -> Violation {
    // The way to the value has dots; where such a pointer names nothing, the document is what is wrong.
    let steps = path.replace('[', ".").replace(']', "");
    let pointer =
        steps.split('.').filter(|step| !step.is_empty() && *step != "?").fold(String::new(), |p, s| join(&p, s));
    let pointer = if document.pointer(&pointer).is_some() { pointer } else { String::new() };
    // A type's own words may quote the value.
    let words: String = words.chars().take(200).map(|c| if text::is_plain(c) { c } else { ' ' }).collect();
    Violation::error("wrong-value", file, pointer, words, "correct the value")
}

/// Returns the types that a schema names, for a sentence.
fn types(kind: &TypeKind) -> String {
    let set = match kind {
        TypeKind::Single(single) => JsonTypeSet::from(*single),
        TypeKind::Multiple(several) => *several,
    };
    set.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
}

/// Returns the value for a sentence: short, on one line, nothing in it that a terminal obeys.
fn quote(value: &Json) -> String {
    match value {
        Json::Object(_) => "an object".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::String(text) => quote_text(text),
        Json::Number(spelling) if spelling.len() > QUOTE_MAX => format!("{}…", &spelling[..QUOTE_MAX]),
        other => canonical::write_line(other),
    }
}

fn quote_text(text: &str) -> String {
    let short: String = text.chars().take(QUOTE_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    // `escape_debug` leaves letters of every script and escapes what has no shape of its own.
    format!("\"{}{more}\"", short.escape_debug())
}

/// Looks at every value for what is odd but not wrong.
struct Walk<'a> {
    file: &'a str,
    found: &'a mut Vec<Violation>,
}

impl Walk<'_> {
    /// Tells whether more has been found than will be listed.
    fn is_full(&self) -> bool {
        self.found.len() > 3 * LISTED_MAX
    }

    fn object(&mut self, value: &Json, keys: &Keys, pointer: &str) {
        for (name, member) in value.as_object().into_iter().flatten() {
            if self.is_full() {
                return;
            }
            let below = join(pointer, name);
            match keys.own.get(name) {
                Some(key) => self.value(member, &key.shape, &below),
                None if keys.foreign.contains_key(name) => {}
                None => {
                    let message = format!("squad does not know the key {}", quote_text(name));
                    let hint = "nothing to do if it is meant; squad keeps it";
                    self.found.push(Violation::error("unknown-field", self.file, below, message, hint).warning());
                }
            }
        }
    }

    fn value(&mut self, value: &Json, shape: &Shape, pointer: &str) {
        if self.is_full() {
            return;
        }
        match (shape, value) {
            (Shape::Object(keys), _) => self.object(value, keys, pointer),
            (Shape::Map(members), Json::Object(map)) => {
                for (name, member) in map {
                    self.value(member, members, &join(pointer, name));
                }
            }
            (Shape::Array(items), Json::Array(list)) => {
                for (i, item) in list.iter().enumerate() {
                    self.value(item, items, &join(pointer, &i.to_string()));
                }
            }
            (Shape::Text, Json::String(content)) => {
                if let Some(mark) = text::direction_mark(content) {
                    let message = format!("the text holds the direction mark U+{:04X}", u32::from(mark));
                    let hint = "remove it unless the text needs it: it can make text read otherwise than it is";
                    let violation = Violation::error("direction-mark", self.file, pointer, message, hint);
                    self.found.push(Violation { severity: Severity::Warning, ..violation });
                }
            }
            _ => {}
        }
    }
}
