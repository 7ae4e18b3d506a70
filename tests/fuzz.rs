//! The bodies of `squad::fuzz`, on the committed corpus and on what comes of changing it at random.
//!
//! Owns how inputs are changed: bytes, lines, words of the formats, and single values of JSON documents, so that some
//! of what comes out is nearly right. `SQUAD_FUZZ_CASES` says how many cases each body gets; the fuzzer in `fuzz/`
//! goes further, and what it finds is put into the corpus.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use squad::fuzz::BODIES;

/// Cases of each body, unless `SQUAD_FUZZ_CASES` says otherwise: a few seconds without optimisation.
const CASES: u32 = 300;

/// Longest that one input may take: without optimisation the slowest take a fraction of a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Words that mean something in one of the formats, or to one of those who read it.
const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0000",
    "\\ud800",
    "\n",
    "\r",
    "\n\n",
    "\n%%\n",
    "null",
    "true",
    "-1",
    "1e400",
    "1.0",
    "9007199254740993",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[2J",
    "\"id\": \"t-1\",",
    "\"status\": \"completed\",",
    "\"schemaVersion\": 2,",
    "\"epoch\": 7,",
    "\"updatedAt\": 99,",
    "\"x\": {\"a\": [1.50]},",
    "squad outbox abc 1\n\n",
    "*",
    "**",
    "/",
    "../",
    "[a-z]",
    "[!",
    "{a,b}",
    "{,",
    "?",
    ".rs",
    "İ",
    "ghp_Zz9Qk3Lm8Vn2Bx7Rt5Yw1Pd6Hs4Jf0Gc",
    "password: ",
    "-----BEGIN PRIVATE KEY-----",
];

/// One change of an input.
#[derive(Debug, Clone)]
enum Edit {
    Byte(Index, u8),
    Cut(Index, usize),
    Word(Index, Index),
    /// A piece of another input of the corpus, over a piece of this one.
    Splice(Index, usize, Index, Index, usize),
    /// Another value for a value of one of the documents.
    Value(Index, Index, Value),
    /// A member of another document for one of the documents.
    Member(Index, Index, Index),
}

/// What a body is given; shown as text.
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(1e300),
            json!(9_007_199_254_740_991_u64),
            json!(""),
            json!(" "),
            json!([]),
            json!({}),
            json!("t-1"),
            json!("t-2"),
            json!("scout"),
            json!("SCOUT"),
            json!("nobody"),
            json!("backlog"),
            json!("in-progress"),
            json!("blocked"),
            json!("review"),
            json!("ready"),
            json!("completed"),
            json!("archived"),
            json!("claim"),
            json!("complete"),
            json!("owner"),
            json!("src/**"),
            json!(["src/*.rs", "src/a"]),
            json!("password=Zz9Qk3Lm8Vn2Bx7"),
            json!({"agent": "scout", "epoch": 1, "at": 5, "leaseSeconds": 900}),
            json!([{"id": "a", "author": "scout", "content": "c", "timestamp": 1}]),
            json!([{"state": "in-progress", "timestamp": 20, "actor": "scout", "trigger": "claim"}]),
        ]),
        any::<i64>().prop_map(|n| json!(n)),
        ".{0,12}".prop_map(|text| json!(text)),
    ]
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    prop_oneof![
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        1 => (at(), 1usize..80).prop_map(|(at, len)| Edit::Cut(at, len)),
        2 => (at(), at()).prop_map(|(at, word)| Edit::Word(at, word)),
        1 => (at(), 0usize..200, at(), at(), 1usize..200).prop_map(|(at, len, seed, from, n)| Edit::Splice(at, len, seed, from, n)),
        4 => (at(), at(), any_value()).prop_map(|(part, at, value)| Edit::Value(part, at, value)),
        3 => (at(), at(), at()).prop_map(|(part, seed, member)| Edit::Member(part, seed, member)),
    ]
}

/// Returns the pieces that may be documents, with what stands between them: lines, or what `%%` parts.
fn pieces(bytes: &[u8]) -> Option<(Vec<String>, &'static str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let between = if text.starts_with("squad outbox") { "\n" } else { "\n%%\n" };
    Some((text.split(between).map(str::to_owned).collect(), between))
}

/// Changes one of the documents, where it is one.
fn in_document(bytes: Vec<u8>, part: Index, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let Some((mut pieces, between)) = pieces(&bytes) else { return bytes };
    let at = part.index(pieces.len());
    let Ok(mut document) = serde_json::from_str::<Value>(&pieces[at]) else { return bytes };
    change(&mut document);
    pieces[at] = if between == "\n" { document.to_string() } else { format!("{document:#}\n") };
    pieces.join(between).into_bytes()
}

/// Returns the pointers of all values of a document.
fn pointers(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                pointers(item, &format!("{here}/{i}"), all);
            }
        }
        Value::Object(members) => {
            for (key, item) in members {
                pointers(item, &format!("{here}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        _ => {}
    }
}

fn apply(bytes: Vec<u8>, edit: Edit, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = bytes;
    let end = |bytes: &[u8], at: usize, len: usize| (at + len).min(bytes.len());
    match edit {
        Edit::Byte(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        Edit::Byte(_, byte) => bytes.push(byte),
        Edit::Cut(at, len) => {
            let at = at.index(bytes.len() + 1);
            bytes.drain(at..end(&bytes, at, len));
        }
        Edit::Word(at, word) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, WORDS[word.index(WORDS.len())].bytes());
        }
        Edit::Splice(at, len, seed, from, n) => {
            let other = &seeds[seed.index(seeds.len())];
            let (at, from) = (at.index(bytes.len() + 1), from.index(other.len() + 1));
            let piece = other[from..end(other, from, n)].to_vec();
            bytes.splice(at..end(&bytes, at, len), piece);
        }
        Edit::Value(part, at, value) => {
            return in_document(bytes, part, |document| {
                let mut all = Vec::new();
                pointers(document, "", &mut all);
                if let Some(place) = document.pointer_mut(&all[at.index(all.len())]) {
                    *place = value;
                }
            });
        }
        Edit::Member(part, seed, member) => {
            let Some((others, _)) = pieces(&seeds[seed.index(seeds.len())]) else { return bytes };
            let documents = others.iter().filter_map(|piece| serde_json::from_str(piece).ok());
            let members: Vec<(String, Value)> = documents.flat_map(|map: serde_json::Map<_, _>| map).collect();
            return in_document(bytes, part, |document| {
                if let (Value::Object(map), false) = (document, members.is_empty()) {
                    let (key, value) = members[member.index(members.len())].clone();
                    map.insert(key, value);
                }
            });
        }
    }
    bytes
}

fn folder(within: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(within)
}

/// Returns the files of a folder, in the order of their names.
fn files(within: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(within)).unwrap_or_else(|e| panic!("{within}: {e}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("it can be read"))).collect()
}

fn drive(name: &str, more_seeds: &[&str]) {
    let body = BODIES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no body {name}")).1;
    let timed = |bytes: &[u8], what: &dyn std::fmt::Debug| {
        let begun = Instant::now();
        body(bytes);
        assert!(begun.elapsed() < LIMIT, "{:?} for {what:?}", begun.elapsed());
    };
    let mut seeds: Vec<Vec<u8>> = vec![Vec::new()];
    for (path, bytes) in more_seeds.iter().flat_map(|within| files(within)).chain(files(&format!("fuzz-corpus/{name}")))
    {
        timed(&bytes, &path);
        seeds.push(bytes);
    }
    let cases = std::env::var("SQUAD_FUZZ_CASES").map_or(CASES, |n| n.parse().expect("SQUAD_FUZZ_CASES is a number"));
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let input = (any::<Index>(), prop::collection::vec(any_edit(), 0..8)).prop_map(|(seed, edits)| {
        let seed = seeds[seed.index(seeds.len())].clone();
        Input(edits.into_iter().fold(seed, |bytes, edit| apply(bytes, edit, &seeds)))
    });
    let ran = TestRunner::new(config).run(&input, |input| {
        let ended = std::panic::catch_unwind(|| timed(&input.0, &input));
        ended.map_err(|_| TestCaseError::fail("the body says what; what follows belongs into the corpus"))
    });
    if let Err(error) = ran {
        panic!("{name}: {error}");
    }
}

#[test]
fn a_task_that_was_read_is_written_as_it_was() {
    drive("task", &["schema/valid", "schema/invalid"]);
}

#[test]
fn whatever_an_outbox_holds_what_is_taken_of_it_is_whole() {
    drive("outbox", &[]);
}

#[test]
fn no_three_versions_make_a_merge_that_is_broken() {
    drive("merge", &[]);
}

#[test]
fn no_change_of_a_board_makes_the_judge_fall_over() {
    drive("review", &[]);
}

#[test]
fn an_overlap_of_any_two_locks_is_the_same_from_both_sides_and_proved() {
    drive("globs", &[]);
}

#[test]
fn whatever_a_board_of_another_kind_holds_what_is_taken_over_is_whole() {
    drive("import", &["schema/valid"]);
}

#[test]
fn every_body_has_a_corpus_and_a_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    for (name, _) in BODIES {
        assert!(!files(&format!("fuzz-corpus/{name}")).is_empty(), "{name}");
        let target = std::fs::read_to_string(targets.join(format!("{name}.rs"))).unwrap_or_default();
        assert!(target.contains("fuzz_target!"), "{name} has no target");
    }
}
