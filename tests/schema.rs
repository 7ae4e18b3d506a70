//! The contract of the files: folders of valid and invalid documents, the schemas against the types and against a
//! second validator, and the tables of `TASK-SCHEMA.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use squad::model::code::ErrorCode;
use squad::model::config::{ApprovalGate, Limits, Locks, Policy, Refs, Timing};
use squad::model::id::{Millis, TaskId};
use squad::model::locks::{Coordination, LocksFile};
use squad::model::ordered::IndexMap;
use squad::model::query::Why;
use squad::model::text;
use squad::model::vocabulary::{
    AgentKind, ArchivedReason, BlockKind, Cause, Domain, Effect, EvidenceKind, Gate, IdentityPolicy, LockMode,
    LockPolicy, Phase, PlanPolicy, Priority, ReviewPolicy, Role, Status, SubtaskStatus,
};
use squad::schema::canonical::write;
use squad::schema::compile::{self, parse_violation};
use squad::schema::document::{MAX_BYTES, MAX_DEPTH, line_of};
use squad::schema::typed::typed;
use squad::schema::{
    Json, Known, Violation, load_board, load_task, overlay, render, render_task, validate, validate_coordination,
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn json_files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/schema").join(folder);
    let mut found: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| (stem(&path), fs::read(&path).expect("a file")))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{} holds no case", folder.display());
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned()
}

/// The schema that a case is about, by the first word of its name.
fn schema_of(case: &str) -> &'static str {
    ["board", "coordination", "answer"].into_iter().find(|name| case.split('-').next() == Some(name)).unwrap_or("task")
}

fn check(case: &str, bytes: &[u8]) -> Vec<Violation> {
    match Json::parse(bytes) {
        Ok(document) => validate(schema_of(case), case, &document).expect("a shipped schema"),
        Err(fault) => vec![parse_violation(case, &fault)],
    }
}

fn value_of(name: &str) -> Value {
    serde_json::from_str(compile::text(name).expect("a shipped schema")).expect("JSON")
}

#[test]
fn valid_documents_break_nothing() {
    for (case, bytes) in json_files("valid") {
        let errors: Vec<_> = check(&case, &bytes).into_iter().filter(Violation::is_error).collect();
        assert!(errors.is_empty(), "{case}: {errors:#?}");
        match schema_of(&case) {
            "task" => drop(load_task(&case, &bytes).expect("a task")),
            "board" => drop(load_board(&case, &bytes).expect("a board")),
            _ => {}
        }
    }
}

#[test]
fn invalid_documents_break_exactly_what_they_are_said_to() {
    let cases = json_files("invalid");
    for (case, bytes) in &cases {
        let expect = root().join("tests/schema/invalid").join(format!("{case}.expect"));
        let expect = fs::read_to_string(&expect).unwrap_or_else(|error| panic!("{case}.expect: {error}"));
        let mut expect: Vec<String> = expect.lines().map(str::to_owned).collect();
        let violations = check(case, bytes);
        let mut found: Vec<String> =
            violations.iter().map(|v| format!("{} {}", v.code, v.pointer).trim_end().to_owned()).collect();
        expect.sort();
        found.sort();
        assert_eq!(found, expect, "{case}: {violations:#?}");
        assert!(violations.iter().any(Violation::is_error), "{case} has nothing but warnings");
        let loads = load_task(case, bytes).is_ok();
        assert!(schema_of(case) != "task" || !loads, "{case} was loaded");
    }
    let said = fs::read_dir(root().join("tests/schema/invalid")).expect("the folder is there").count();
    assert_eq!(said, 2 * cases.len(), "each invalid document has what is expected of it next to it");
}

#[test]
fn a_violation_is_one_short_sentence_with_a_next_step_and_holds_nothing_a_terminal_obeys() {
    for (case, bytes) in json_files("invalid") {
        for violation in check(&case, &bytes) {
            for words in [violation.message.as_str(), &violation.hint] {
                assert!(!words.is_empty() && words.len() < 300, "{case}: {words}");
                assert_eq!(text::one_line_fault(words), None, "{case}: {words:?}");
            }
            assert!(violation.code == "too-large" || violation.line.is_some(), "{case}: no line in {violation:?}");
            let code = violation.code;
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{code}");
        }
    }
}

#[test]
fn a_giant_file_is_refused_before_it_is_read() {
    let fault = Json::parse(&vec![b'['; MAX_BYTES + 1]).expect_err("too large");
    assert_eq!(fault.kind.code(), "too-large");
    // As large as may be, and as deep as a hostile hand could make it: an answer, not a stack that runs out.
    let fault = Json::parse(&vec![b'['; MAX_BYTES]).expect_err("not JSON");
    assert_eq!(fault.kind.code(), "invalid-json");
    let deep = [vec![b'['; MAX_BYTES / 2], vec![b']'; MAX_BYTES / 2]].concat();
    let fault = Json::parse(&deep).expect_err("too deep");
    assert_eq!((fault.kind.code(), fault.pointer), ("too-deep", "/0".repeat(MAX_DEPTH)));
    let keys: String = (0..60_000).map(|i| format!("\"{i:x}\":0,")).collect();
    assert!(Json::parse(format!("{{{keys}\"end\":0}}").as_bytes()).is_ok(), "many keys are no fault");
}

#[test]
fn a_file_full_of_faults_gets_a_short_answer_that_says_there_is_more() {
    let head = r#""id":"a","status":"backlog","priority":"low","createdAt":1,"updatedAt":1"#;
    let unknown: String = (0..60_000).map(|i| format!(",\"x{i}\":0")).collect();
    let numbers = vec!["0"; 200_000].join(",");
    for (text, error) in [
        (format!("{{{head}{unknown}}}"), "missing-field"),
        (format!("{{{head},\"title\":\"x\",\"tags\":[{numbers}]}}"), "wrong-type"),
    ] {
        let found = check("a", text.as_bytes());
        assert!(found.len() <= 51, "{} violations", found.len());
        assert!(found.iter().any(|v| v.code == error), "no error was dropped for a warning");
        let more = found.iter().find(|v| v.code == "more").expect("it says so");
        assert_eq!(more.is_error(), error == "wrong-type");
    }
}

#[test]
fn a_newer_file_is_read_as_far_as_it_is_understood_and_not_written() {
    let known =
        br#"{"schemaVersion":2,"id":"a","title":"x","status":"backlog","priority":"low","createdAt":1,"updatedAt":1}"#;
    let (task, document) = load_task("a", known).expect("nothing in it is unknown");
    assert_eq!(task.schema_version, Some(2));
    // A rule of this version says nothing about a file of the next.
    let looser = String::from_utf8_lossy(known).replace("\"x\"", "\"\"");
    assert_eq!(load_task("a", looser.as_bytes()).expect("a title may be empty one day").0.title, "");
    let codes: Vec<_> = validate("task", "a", &document).expect("a schema").iter().map(|v| v.code).collect();
    assert_eq!(codes, ["newer-schema"]);
    let unknown =
        br#"{"schemaVersion":2,"id":"a","title":"x","status":"dreaming","priority":"low","createdAt":1,"updatedAt":1}"#;
    let refused = load_task("a", unknown).expect_err("an unknown status");
    assert_eq!(refused.iter().map(|v| v.code).collect::<Vec<_>>(), ["newer-schema"]);
}

#[test]
fn unknown_keys_are_a_warning_each_at_its_place() {
    let (_, bytes) =
        json_files("valid").into_iter().find(|(case, _)| case == "unknown-keys-everywhere").expect("a case");
    let found = check("unknown-keys-everywhere", &bytes);
    let places: BTreeSet<_> = found.iter().map(|v| (v.code, v.pointer.as_str())).collect();
    let expect = [
        "/approvals/0/x",
        "/block/x",
        "/chat/0/replyTo",
        "/claim/host",
        "/completionRequest/x",
        "/emergencyOverride/x",
        "/evidence/0/x",
        "/lastError/process/x",
        "/lastError/x",
        "/progress/x",
        "/stateHistory/0/x",
        "/subtasks/0/x",
        "/x-a",
        "/x-z",
    ];
    assert_eq!(places, expect.map(|pointer| ("unknown-field", pointer)).into_iter().collect());
}

#[test]
fn the_shipped_schemas_keep_the_meta_schema_and_name_no_host() {
    for name in compile::names() {
        let schema = value_of(name);
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$id"], format!("urn:squad:schema:v1:{name}"));
        let text = compile::text(name).expect("a shipped schema");
        for word in ["unevaluatedProperties", "$dynamicRef", "\"format\"", "\"additionalProperties\": false"] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
        // Written like any other file of a board.
        let document = Json::parse(text.as_bytes()).expect("a document");
        assert!(text.ends_with("}\n") && !text.contains('\t') && document.as_object().is_some(), "{name}");
    }
    let files = fs::read_dir(root().join("schema")).expect("the folder is there").count();
    assert_eq!(files, compile::names().len(), "each file of schema/ ships");
}

/// The second opinion: another implementation of the same standard.
struct SecondOpinion {
    schemas: boon::Schemas,
    index: BTreeMap<&'static str, boon::SchemaIndex>,
}

impl SecondOpinion {
    fn new() -> Self {
        let (mut schemas, mut index) = (boon::Schemas::new(), BTreeMap::new());
        for name in compile::names() {
            let mut compiler = boon::Compiler::new();
            let place = format!("urn:squad:schema:v1:{name}");
            compiler.add_resource(&place, value_of(name)).expect("a schema");
            index.insert(name, compiler.compile(&place, &mut schemas).expect("a valid schema"));
        }
        Self { schemas, index }
    }

    fn holds(&self, name: &str, document: &Json) -> bool {
        self.schemas.validate(&document.to_value(), self.index[name]).is_ok()
    }
}

#[test]
fn a_second_validator_agrees_on_every_case() {
    let second = SecondOpinion::new();
    let mut compared = 0;
    for folder in ["valid", "invalid"] {
        for (case, bytes) in json_files(folder) {
            let Ok(document) = Json::parse(&bytes) else { continue };
            let found = validate(schema_of(&case), &case, &document).expect("a schema");
            if found.iter().any(|v| v.code == "newer-schema") {
                continue;
            }
            let ours = !found.iter().any(Violation::is_error);
            assert_eq!(ours, second.holds(schema_of(&case), &document), "{case}: {found:#?}");
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} cases were compared");
}

#[test]
fn the_words_of_the_schemas_are_the_words_of_the_code() {
    fn same<T: Copy>(schema: &str, pointers: &[&str], all: &[T], word: impl Fn(T) -> &'static str) {
        let document = value_of(schema);
        let code: Vec<&str> = all.iter().map(|&w| word(w)).collect();
        for pointer in pointers {
            let words =
                document.pointer(&format!("{pointer}/enum")).unwrap_or_else(|| panic!("{schema}: no {pointer}"));
            let words: Vec<&str> = words.as_array().expect("words").iter().filter_map(Value::as_str).collect();
            assert_eq!(words, code, "{schema}: {pointer}");
        }
    }
    macro_rules! same {
        ($schema:literal, $type:ty, $($pointer:literal),+) => { same($schema, &[$($pointer),+], <$type>::ALL, <$type>::as_str) };
    }
    same!("task", Status, "/$defs/status");
    same!("task", Priority, "/properties/priority");
    same!("task", Domain, "/properties/category");
    same!("task", Effect, "/properties/effects/items");
    same!("task", ArchivedReason, "/properties/archivedReason");
    same!("task", Cause, "/$defs/lastError/properties/cause");
    same!("task", BlockKind, "/$defs/block/properties/kind");
    same!("task", SubtaskStatus, "/$defs/subtask/properties/status");
    same!("task", EvidenceKind, "/$defs/evidence/properties/kind");
    same!("task", Role, "/$defs/approval/properties/role");
    same!("task", Gate, "/$defs/override/properties/gate");
    same!("board", Role, "/$defs/role");
    same!("board", Domain, "/$defs/domain");
    same!("board", AgentKind, "/$defs/member/properties/kind");
    same!("board", ReviewPolicy, "/$defs/policy/properties/review");
    same!("board", PlanPolicy, "/$defs/policy/properties/plan");
    same!("board", LockPolicy, "/$defs/policy/properties/locks");
    same!("board", IdentityPolicy, "/$defs/policy/properties/identity");
    same!("coordination", LockMode, "/$defs/work/properties/mode");
    same!("answer", Status, "/$defs/status");
    same!("answer", Priority, "/$defs/priority");
    same!("answer", Role, "/$defs/roster/properties/agents/items/properties/role");
    same!("answer", Phase, "/$defs/shown/properties/phase");
    same!("answer", LockMode, "/$defs/lock/properties/mode", "/$defs/conflict/properties/mode");
    same!("answer", ErrorCode, "/$defs/error/properties/code");
    same!("answer", Why, "/$defs/scanned/properties/tasks/items/properties/why/items");
}

/// Collects, for each object of a schema, the keys that a typed value writes, and checks their order.
fn collect_keys(root: &Value, schema: &Value, at: &str, value: &Json, seen: &mut BTreeMap<String, BTreeSet<String>>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = reference.trim_start_matches('#');
        return collect_keys(root, root.pointer(pointer).expect("a definition"), pointer, value, seen);
    }
    match value {
        Json::Object(members) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            let order: Vec<_> = members.keys().map(|k| properties.keys().position(|p| p == k)).collect();
            assert!(order.is_sorted() && !order.contains(&None), "{at}: {:?} is not in schema order", members.keys());
            for (key, member) in members {
                seen.entry(at.to_owned()).or_default().insert(key.clone());
                collect_keys(root, &properties[key], &format!("{at}/{key}"), member, seen);
            }
        }
        Json::Array(items) => {
            for item in items {
                collect_keys(root, schema.get("items").expect("items"), at, item, seen);
            }
        }
        _ => {}
    }
}

#[test]
fn the_types_write_each_key_of_the_schemas_in_their_order_and_no_other() {
    for name in ["task", "board"] {
        let schema = value_of(name);
        let mut seen = BTreeMap::new();
        for (case, bytes) in json_files("valid").into_iter().filter(|(case, _)| schema_of(case) == name) {
            let value = match name {
                "task" => typed(&load_task(&case, &bytes).expect("a task").0),
                _ => typed(&load_board(&case, &bytes).expect("a board").0),
            };
            collect_keys(&schema, &schema, "", &value, &mut seen);
        }
        for (at, keys) in &seen {
            let properties = schema.pointer(at).and_then(|s| s.get("properties")).and_then(Value::as_object);
            let expect: BTreeSet<String> = properties
                .expect("an object")
                .keys()
                .filter(|k| !matches!(k.as_str(), "$schema" | "imported"))
                .cloned()
                .collect();
            assert_eq!(*keys, expect, "{name}{at}");
        }
        let objects = schema["$defs"].as_object().expect("definitions").values().filter(|d| d["type"] == "object");
        assert_eq!(seen.len(), objects.count() + 1, "every object of {name} occurs in a valid case");
    }
}

#[test]
fn a_key_with_a_default_means_the_same_when_it_is_absent() {
    let minimal = br#"{"id":"a","title":"x","status":"backlog","priority":"low","createdAt":1,"updatedAt":1}"#;
    let (task, document) = load_task("a", minimal).expect("a task");
    let mut defaults = 0;
    for (key, schema) in value_of("task")["properties"].as_object().expect("properties") {
        let Some(default) = schema.get("default") else { continue };
        let Json::Object(mut members) = document.clone() else { panic!("an object") };
        members.insert(key.clone(), default.clone().into());
        let spelled = Json::Object(members);
        let (same, _) = load_task("a", write(&spelled).as_bytes()).expect("a task");
        assert_eq!(same, task, "{key}");
        // … and whether it is spelled out is the file's own business.
        assert_eq!(overlay(Some(&spelled), typed(&task), Known::Task), spelled, "{key}");
        assert_eq!(overlay(Some(&document), typed(&same), Known::Task), document, "{key}");
        defaults += 1;
    }
    assert!(defaults > 10, "only {defaults} defaults");
}

#[test]
fn the_defaults_of_the_board_are_those_of_the_code() {
    let schema = value_of("board");
    let groups = [
        ("policy", "policy", serde_json::to_value(Policy::default())),
        ("limits", "limits", serde_json::to_value(Limits::default())),
        ("timing", "timing", serde_json::to_value(Timing::default())),
        ("locks", "locks", serde_json::to_value(Locks::default())),
        ("refs", "refs", serde_json::to_value(Refs::default())),
        ("policy/default/gate", "gate", serde_json::to_value(ApprovalGate::default())),
    ];
    for (group, definition, code) in groups {
        let code = code.expect("JSON");
        let whole =
            schema.pointer(&format!("/properties/{group}/default")).or(schema.pointer(&format!("/properties/{group}")));
        assert_eq!(whole, Some(&code), "{group}");
        for (key, property) in schema["$defs"][definition]["properties"].as_object().expect("properties") {
            // A default that the type leaves out is `false`.
            assert_eq!(property["default"], *code.get(key).unwrap_or(&Value::Bool(false)), "{definition}.{key}");
        }
    }
}

#[test]
fn the_characters_that_the_schemas_refuse_are_those_that_the_code_refuses() {
    let second = SecondOpinion::new();
    for c in (0..=0xFFFF_u32).filter_map(char::from_u32).chain(['\u{1F600}', '\u{E0041}', '\u{10FFFF}']) {
        // Two opinions on every character would take long; the second one sees those that matter and their neighbours.
        let near = |c: char| {
            [-1, 0, 1]
                .iter()
                .filter_map(|d| {
                    char::from_u32(c as u32).and_then(|c| char::from_u32((c as u32).wrapping_add_signed(*d)))
                })
                .any(|c| text::one_line_fault(&c.to_string()).is_some())
        };
        if !near(c) && u32::from(c) % 64 != 0 {
            continue;
        }
        let mut task =
            serde_json::json!({"id":"a","title":"x","status":"backlog","priority":"low","createdAt":1,"updatedAt":1});
        task["title"] = Value::String(format!("a{c}b"));
        let line = Json::from(task.clone());
        task["title"] = "x".into();
        task["description"] = Value::String(format!("a{c}b"));
        let lines = Json::from(task);
        for (document, fault) in
            [(&line, text::one_line_fault(&c.to_string())), (&lines, text::multi_line_fault(&c.to_string()))]
        {
            let found = validate("task", "a", document).expect("a schema");
            let codes: Vec<_> = found.iter().filter(|v| v.is_error()).map(|v| v.code).collect();
            let expect: &[&str] = if fault.is_some() { &["control-character"] } else { &[] };
            assert_eq!(codes, expect, "U+{:04X}", u32::from(c));
            assert_eq!(second.holds("task", document), fault.is_none(), "U+{:04X}", u32::from(c));
        }
    }
}

#[test]
fn a_pointer_leads_to_its_line_in_any_layout() {
    let text = "{\n  \"a/b\": [\n    1,\n    {\n      \"~\": 2\n    }\n  ],\n  \"c\": 3\n}\n";
    for (pointer, line) in
        [("", 1), ("/a~1b", 2), ("/a~1b/0", 3), ("/a~1b/1/~0", 5), ("/c", 8), ("/nowhere/x", 1), ("/a~1b/7", 2)]
    {
        assert_eq!(line_of(text, pointer), Some(line), "{pointer}");
    }
    assert_eq!(line_of("{\"a\":\r\n [1]}", "/a/0"), Some(2));
    assert_eq!(line_of("{", ""), None);
    assert_eq!(line_of("{}", "a"), None);
}

#[test]
fn every_valid_file_laid_over_itself_stays_byte_for_byte() {
    for (case, bytes) in json_files("valid") {
        let again = match schema_of(&case) {
            "task" => {
                let (task, _) = load_task(&case, &bytes).expect("a task");
                render_task(Some(&bytes), &task, &IndexMap::default())
            }
            "board" => {
                let (board, _) = load_board(&case, &bytes).expect("a board");
                render(Some(&bytes), &board, Known::Board)
            }
            _ => continue,
        };
        assert_eq!(again.expect("rendered"), bytes, "{case}");
    }
}

#[test]
fn a_board_keeps_what_it_says_when_one_setting_changes() {
    let before = br#"{"schemaVersion":1,"note":"ours","board":{"branch":"main"},"policy":{"review":"optional","x":1},"agents":[{"name":"Ryan","role":"owner","pet":"cat"},{"name":"hex","role":"chief"}]}"#;
    let (mut board, _) = load_board("squad.json", before).expect("a board");
    board.agents.remove(0);
    board.limits.claims_per_agent = 1;
    board.policy.review = squad::model::vocabulary::ReviewPolicy::Required;
    let after = render(Some(before), &board, Known::Board).expect("rendered");
    let expect = serde_json::json!({"schemaVersion":1,"note":"ours","board":{"branch":"main"},"policy":{"review":"required","x":1},"limits":{"claimsPerAgent":1,"attempts":3},"agents":[{"name":"hex","role":"chief"}]});
    let after: Value = serde_json::from_slice(&after).expect("JSON");
    assert_eq!(after, expect);
    // Back at the default, the group stays for the sake of what squad does not know in it.
    board.policy = Policy::default();
    let bytes = write(&Json::from(after.clone()));
    let back: Value =
        serde_json::from_slice(&render(Some(bytes.as_bytes()), &board, Known::Board).expect("rendered")).expect("JSON");
    assert_eq!(back["policy"], serde_json::json!({"review": "optional", "x": 1}));
    // `limits` is new: it stands behind `policy`, its nearest known neighbour.
    let order: Vec<_> = after.as_object().expect("an object").keys().collect();
    assert_eq!(order, ["schemaVersion", "note", "board", "policy", "limits", "agents"]);
}

#[test]
fn the_locks_file_keeps_what_is_not_squads() {
    let before = br#"{"version":"1.0","lastUpdated":"2026-02-01T10:00:00Z","currentWork":{
        "b":{"taskId":"b","files":[],"since":1.0,"mood":"?"},
        "a":{"taskId":"a","files":[],"since":1},
        "c":{"taskId":"c","files":[],"since":2,"pin":1.50}},
        "sharedResources":{"port":8080.0},"x":1e2}"#;
    let LocksFile::Ours(mut locks) = LocksFile::read(Some(before)) else { panic!("a locks file") };
    assert_eq!(
        String::from_utf8(render(Some(before), &locks, Known::Coordination).expect("rendered"))
            .expect("text")
            .as_bytes(),
        before
    );
    locks.last_updated = "2026-02-01T11:00:00Z".to_owned();
    locks.current_work.shift_remove(&TaskId::new("a").expect("an id"));
    let held = locks.current_work.get_mut(&TaskId::new("c").expect("an id")).expect("held");
    Arc::make_mut(held).mode = LockMode::Advisory;
    let after = render(Some(before), &locks, Known::Coordination).expect("rendered");
    let expect = r#"{
  "version": "1.0",
  "lastUpdated": "2026-02-01T11:00:00Z",
  "currentWork": {
    "b": {
      "taskId": "b",
      "files": [],
      "since": 1.0,
      "mood": "?"
    },
    "c": {
      "taskId": "c",
      "files": [],
      "since": 2,
      "mode": "advisory",
      "pin": 1.50
    }
  },
  "sharedResources": {
    "port": 8080.0
  },
  "x": 1e2
}
"#;
    assert_eq!(String::from_utf8(after).expect("text"), expect);
}

#[test]
fn a_new_locks_file_has_every_key_and_keeps_the_schema() {
    let locks = Coordination::new(IndexMap::default(), Millis(0));
    let bytes = render(None, &locks, Known::Coordination).expect("rendered");
    let document = Json::parse(&bytes).expect("a document");
    assert_eq!(validate_coordination("locks", &document), []);
    let keys: Vec<_> = document.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["version", "lastUpdated", "currentWork", "sharedResources", "notes"]);
    assert_eq!(locks.to_text().into_bytes(), bytes);
}

#[test]
fn a_new_task_is_written_in_schema_order_with_its_unknown_fields_behind() {
    let (task, _) = load_task(
        "a",
        br#"{"updatedAt":2,"createdAt":1,"priority":"low","status":"backlog","title":"x","id":"a","position":3.0}"#,
    )
    .expect("a task");
    let extra = IndexMap::from_iter([
        ("beads".to_owned(), serde_json::json!({"id": 7})),
        ("title".to_owned(), "not this".into()),
    ]);
    let bytes = render_task(None, &task, &extra).expect("rendered");
    let expect = "{\n  \"id\": \"a\",\n  \"title\": \"x\",\n  \"status\": \"backlog\",\n  \"priority\": \"low\",\n  \"position\": 3,\n  \"epoch\": 0,\n  \"createdAt\": 1,\n  \"updatedAt\": 2,\n  \"chat\": [],\n  \"beads\": {\n    \"id\": 7\n  }\n}\n";
    assert_eq!(String::from_utf8(bytes).expect("text"), expect);
}

// ---- properties ----------------------------------------------------------------------------------------------

fn any_number() -> impl Strategy<Value = Json> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?",
        prop::sample::select(vec!["-0", "1.0", "1e2", "99999999999999999999", "1e400", "9007199254740993"])
            .prop_map(str::to_owned),
    ]
    .prop_map(|s| Json::Number(s.into()))
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any_number(),
        any::<String>().prop_map(Json::String),
        prop::sample::select(vec!["", "id", "human", "blocked", "backlog", "aria", "a\u{202e}b", "a\nb", "con"])
            .prop_map(|s| Json::String(s.to_owned())),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key =
            prop_oneof![any::<String>(), prop::sample::select(vec!["id", "name", "kind", "x"]).prop_map(str::to_owned)];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((key, inner), 0..6).prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

/// Every place in a document, as pointers.
fn places(value: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Json::Array(items) => (0..items.len()).for_each(|i| places(&items[i], &format!("{at}/{i}"), found)),
        Json::Object(members) => {
            members.iter().for_each(|(k, v)| places(v, &squad::schema::document::join(at, k), found));
        }
        _ => {}
    }
}

/// Returns the document with what `change` makes of the value at a pointer.
fn changed(value: &Json, at: &str, pointer: &str, change: &mut dyn FnMut(&Json) -> Json) -> Json {
    if at == pointer {
        return change(value);
    }
    match value {
        Json::Array(items) => Json::Array(
            items.iter().enumerate().map(|(i, v)| changed(v, &format!("{at}/{i}"), pointer, change)).collect(),
        ),
        Json::Object(members) => Json::Object(
            members
                .iter()
                .map(|(k, v)| (k.clone(), changed(v, &squad::schema::document::join(at, k), pointer, change)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Task files: a valid case with values replaced and unknown keys put in, at any place.
fn any_task_file() -> impl Strategy<Value = Json> {
    let cases: Vec<Json> = json_files("valid")
        .into_iter()
        .filter(|(case, _)| schema_of(case) == "task" && case != "depth-64")
        .map(|(_, bytes)| Json::parse(&bytes).expect("a document"))
        .collect();
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[a-z]{1,3}", any_json(), 0..4u8);
    (prop::sample::select(cases), prop::collection::vec(edit, 0..6)).prop_map(|(mut document, edits)| {
        for (place, slot, key, value, how) in edits {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            let pointer = place.get(&all).clone();
            document = changed(&document, "", &pointer, &mut |old| match (old, how) {
                // Mostly an unknown key, at any slot of an object: such a file is still a task.
                (Json::Object(members), 0..=2) => {
                    let mut members = members.clone();
                    members.shift_remove(&format!("x-{key}"));
                    members.shift_insert(slot.index(members.len() + 1), format!("x-{key}"), value.clone());
                    Json::Object(members)
                }
                (Json::Number(spelling), 0..=2) if !spelling.contains(['.', 'e', 'E']) => {
                    Json::Number(format!("{spelling}.0").into())
                }
                (_, 3) => value.clone(),
                (old, _) => old.clone(),
            });
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writing_and_reading_gives_the_same_document(document in any_json()) {
        let text = write(&document);
        prop_assert_eq!(&Json::parse(text.as_bytes()).expect("a document"), &document);
        prop_assert_eq!(write(&Json::parse(text.as_bytes()).expect("a document")), text);
        let line = squad::schema::canonical::write_line(&document);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(Json::parse(line.as_bytes()).expect("a document"), document);
    }

    #[test]
    fn a_pointer_leads_to_the_line_that_holds_its_value(document in any_json()) {
        let text = write(&document);
        let lines: Vec<&str> = text.lines().collect();
        let mut all = Vec::new();
        places(&document, "", &mut all);
        for pointer in all {
            let line = lines[line_of(&text, &pointer).expect("a line") as usize - 1];
            let value = document.pointer(&pointer).expect("a value");
            let begins = match value {
                Json::Array(items) if !items.is_empty() => "[".to_owned(),
                Json::Object(members) if !members.is_empty() => "{".to_owned(),
                whole => squad::schema::canonical::write_line(whole),
            };
            prop_assert!(line.trim_end_matches(',').ends_with(&begins), "{}: {}", pointer, line);
        }
    }

    #[test]
    fn reading_takes_no_text_that_the_parser_of_the_trade_refuses(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "[\\[\\]{}\",:0-9eE.+\\-tfn \\\\u]{0,40}") {
        for candidate in [bytes.as_slice(), text.as_bytes()] {
            let ours = Json::parse(candidate).is_ok();
            // Out of its range it refuses numbers that are well formed; nothing else may differ here.
            let theirs = serde_json::from_slice::<Value>(candidate);
            let range = matches!(&theirs, Err(e) if e.to_string().contains("number out of range"));
            let twice = matches!(Json::parse(candidate), Err(f) if f.kind.code() == "duplicate-key");
            prop_assert!(ours == theirs.is_ok() || range || twice, "{:?}", String::from_utf8_lossy(candidate));
        }
    }

    #[test]
    fn a_task_laid_over_its_own_file_changes_nothing(document in any_task_file()) {
        let text = write(&document);
        let errors: Vec<_> = validate("task", "t", &document).expect("a schema").into_iter().filter(Violation::is_error).collect();
        match load_task("t", text.as_bytes()) {
            Ok((task, read)) => {
                prop_assert!(errors.iter().all(|v| v.code == "newer-schema"), "{:?}", errors);
                prop_assert_eq!(&read, &document);
                prop_assert_eq!(&overlay(Some(&document), typed(&task), Known::Task), &document);
                // What was laid over is read back as the same task.
                let again = render_task(Some(text.as_bytes()), &task, &IndexMap::default()).expect("rendered");
                prop_assert_eq!(load_task("t", &again).expect("a task").0, task);
            }
            Err(found) => prop_assert_eq!(found, errors),
        }
    }

    #[test]
    fn a_second_validator_agrees_on_random_files(document in any_task_file()) {
        thread_local!(static SECOND: SecondOpinion = SecondOpinion::new());
        let found = validate("task", "t", &document).expect("a schema");
        if !found.iter().any(|v| v.code == "newer-schema") {
            let theirs = SECOND.with(|second| second.holds("task", &document));
            prop_assert_eq!(!found.iter().any(Violation::is_error), theirs, "{:?}", found);
        }
    }

    #[test]
    fn one_task_laid_over_the_file_of_another_is_read_as_that_task(old in any_task_file(), new in any_task_file()) {
        let (old, new) = (write(&old), write(&new));
        let (Ok(_), Ok((task, _))) = (load_task("old", old.as_bytes()), load_task("new", new.as_bytes())) else { return Ok(()) };
        let laid = render_task(Some(old.as_bytes()), &task, &IndexMap::default()).expect("rendered");
        prop_assert_eq!(load_task("laid", &laid).expect("a task").0, task);
    }
}

// ---- the contract in prose -------------------------------------------------------------------------------------

/// Returns the words for the type of a value, for a cell of a table.
fn type_words(root: &Value, schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let definition = root.pointer(reference.trim_start_matches('#')).expect("a definition");
        let title = definition["title"].as_str().expect("a title").to_lowercase();
        // Objects and forms have a section and a row of their own; a set of words is short enough to stand here.
        return match definition.get("enum") {
            Some(_) => type_words(root, &serde_json::json!({"enum": definition["enum"]})),
            None if definition["type"] == "object" => format!("[{title}](#{})", title.replace(' ', "-")),
            None => title,
        };
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = words.iter().map(|w| format!("`{}`", w.as_str().expect("a word"))).collect();
        return words.join(", ");
    }
    if let Some(items) = schema.get("items") {
        let words = type_words(root, items);
        let plural = if words.starts_with(['`', '[']) { "" } else { "s" };
        return format!("list of {words}{plural}");
    }
    if let Some(members) = schema.get("additionalProperties").filter(|m| m.is_object()) {
        return format!("object of {}", type_words(root, members));
    }
    let bounds = match (schema.get("minimum").and_then(Value::as_i64), schema.get("maximum").and_then(Value::as_i64)) {
        (Some(0), Some(max)) => format!(" from 0 to {max}"),
        (Some(min), None) => format!(" from {min}"),
        _ => String::new(),
    };
    format!("{}{bounds}", schema.get("type").and_then(Value::as_str).unwrap_or("anything"))
}

/// Returns the table of an object's keys.
fn table(root: &Value, object: &Value) -> String {
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rows = "| key | type | meaning |\n|---|---|---|\n".to_owned();
    for (key, schema) in object["properties"].as_object().expect("properties") {
        let needed = if required.contains(&key.as_str()) { "**Required.** " } else { "" };
        let absent = match schema.get("default") {
            Some(default) if default.is_object() && schema.get("$ref").is_some() => String::new(),
            Some(default) => format!(" Absent means `{default}`."),
            None => String::new(),
        };
        let meaning = schema["description"].as_str().expect("a description");
        rows += &format!("| `{key}` | {} | {needed}{meaning}{absent} |\n", type_words(root, schema));
    }
    rows
}

/// Returns the table of the named forms of text and number.
fn forms(root: &Value) -> String {
    let mut rows = "| form | meaning |\n|---|---|\n".to_owned();
    for definition in root["$defs"].as_object().expect("definitions").values() {
        if definition["type"] != "object" && definition.get("enum").is_none() {
            let (title, form) = (definition["title"].as_str(), definition["description"].as_str());
            rows += &format!("| {} | {} |\n", title.expect("a title").to_lowercase(), form.expect("a form"));
        }
    }
    rows
}

#[test]
fn the_tables_of_the_contract_are_those_of_the_schemas() {
    let path = root().join("TASK-SCHEMA.md");
    let text = fs::read_to_string(&path).expect("the contract").replace("\r\n", "\n");
    let (mut fresh, mut inside, mut drawn) = (String::new(), false, BTreeSet::new());
    for line in text.lines() {
        let marker = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        if marker == Some("end") {
            inside = false;
        }
        if !inside {
            fresh += line;
            fresh.push('\n');
        }
        let words: Vec<&str> = marker.unwrap_or_default().split(' ').collect();
        let lines = match words.as_slice() {
            ["table", name] => table(&value_of(name), &value_of(name)),
            ["table", name, definition] => table(&value_of(name), &value_of(name)["$defs"][definition]),
            ["forms", name] => forms(&value_of(name)),
            _ => continue,
        };
        drawn.insert(words.join(" "));
        fresh += &lines;
        inside = true;
    }
    for name in ["task", "board", "coordination"] {
        for (definition, schema) in value_of(name)["$defs"].as_object().expect("definitions") {
            let told = schema["type"] != "object" || drawn.contains(&format!("table {name} {definition}"));
            assert!(told, "TASK-SCHEMA.md has no table of {name} {definition}");
        }
        assert!(drawn.contains(&format!("table {name}")) && drawn.contains(&format!("forms {name}")), "{name}");
    }
    if std::env::var_os("SQUAD_BLESS").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a person asked for it, and looks at the difference")]
        fs::write(&path, &fresh).expect("written");
    } else {
        assert_eq!(text, fresh, "TASK-SCHEMA.md is old; run this test with SQUAD_BLESS=1");
    }
}

#[test]
fn the_contract_names_every_code_and_its_example_is_a_task() {
    let text = fs::read_to_string(root().join("TASK-SCHEMA.md")).expect("the contract");
    let mut codes = BTreeSet::from(["too-large", "more"]);
    for folder in ["valid", "invalid"] {
        for (case, bytes) in json_files(folder) {
            codes.extend(check(&case, &bytes).into_iter().map(|violation| violation.code));
        }
    }
    let section = text.split("## Violations").nth(1).expect("a section");
    let told = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).map(|(code, _)| code);
    let told: BTreeSet<&str> = told.collect();
    let missing: Vec<_> = codes.iter().filter(|code| !told.contains(**code)).collect();
    assert!(missing.is_empty(), "TASK-SCHEMA.md does not name {missing:?}");
    let example = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let (task, document) = load_task("mc-042", example.as_bytes()).expect("a task");
    assert_eq!(task.id.as_str(), "mc-042");
    assert_eq!(validate("task", "mc-042", &document), Some(Vec::new()));
}
