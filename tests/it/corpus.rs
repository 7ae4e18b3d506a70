//! A corpus of damaged boards: each kind of damage is found by every gate, by its own rule, and nothing else is said.
//!
//! `tests/corpus/<kind>/damage.json` says what is done to one board that real verbs have made, and which rules must find
//! it: `check` on the staged files, the hook before the commit, `review` of the branch, and, once it was pushed past the
//! hook, `check` and `audit` of the board. `tests/corpus/README.md` tells the format.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, OnceLock};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::kit::{Checkout, Room, words};

/// What is done to the board, and what must be said of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Damage {
    /// What an attacker or an accident has done, in a few words.
    #[serde(rename = "why")]
    _why: String,
    /// Whose name and address the commit has; the owner's where nothing is said.
    by: Option<String>,
    /// What the board is before: edits that are no damage.
    #[serde(default)]
    given: BTreeMap<String, Edit>,
    #[serde(default)]
    edit: BTreeMap<String, Edit>,
    #[serde(default)]
    write: BTreeMap<String, Value>,
    #[serde(default)]
    r#move: BTreeMap<String, String>,
    #[serde(default)]
    delete: Vec<String>,
    #[serde(default)]
    mode: BTreeMap<String, String>,
    expect: Expect,
}

/// A change of a JSON file by pointers.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Edit {
    set: BTreeMap<String, Value>,
    remove: Vec<String>,
}

/// The errors that each gate tells, as rules; what is not said is as the gate before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    check: BTreeSet<String>,
    review: BTreeSet<String>,
    hook: Option<BTreeSet<String>>,
    audit: Option<BTreeSet<String>>,
    /// What `check` of the whole board tells where it is not what it tells of the staged files.
    board: Option<BTreeSet<String>>,
    /// The warnings of `review`.
    #[serde(default)]
    warnings: BTreeSet<String>,
}

type Codes = BTreeSet<String>;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Returns every kind of damage with its name, in order.
fn damages() -> Vec<(String, Damage)> {
    let walk = walkdir::WalkDir::new(corpus()).min_depth(2).max_depth(2).sort_by_file_name();
    let files = walk.into_iter().map(|entry| entry.expect("it can be read")).filter(|e| e.file_name() == "damage.json");
    files
        .map(|file| {
            let kind = file.path().parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(file.path()).expect("it is text");
            let damage = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{kind}: {e}"));
            (kind, damage)
        })
        .collect()
}

/// The board that is damaged: a task of every status, all of it made by the verbs.
fn base() -> &'static Room {
    static BASE: OnceLock<Room> = OnceLock::new();
    BASE.get_or_init(|| {
        let room = Room::board();
        let clone = room.clone_as("olga");
        let proof = "--deliverable 'a lamp' --summary 'it burns' --evidence url:https://example.test/lamp";
        for line in [
            "new 'Mend the lamp' --id open --assigned scout --agent olga",
            "comment open 'when there is time' --agent aria",
            "new 'Trim the wick' --id held --assigned scout --file 'lamp/**' --agent olga",
            "new 'Fill the oil' --id later --depends-on held --parent open --agent olga",
            "new 'Buy glass' --id stuck --assigned aria --agent olga",
            "new 'Polish brass' --id shown --assigned aria --agent olga",
            "new 'Paint the foot' --id agreed --assigned vault --agent olga",
            "new 'Cut the shade' --id done --assigned vault --agent olga",
            "new 'Carry it away' --id away --agent olga",
            "claim held --plan 'scissors first' --agent scout",
            "start held --agent scout",
            "claim stuck --plan 'ask the shop' --agent aria",
            "block stuck --kind human --reason 'which glass' --need colour --question 'Which?' --option red --option blue --agent aria",
            "claim shown --plan cloth --agent aria",
            &format!("submit shown {proof} --agent aria"),
            "claim agreed --plan brush --agent vault",
            &format!("submit agreed {proof} --agent vault"),
            "approve agreed --agent knox",
            "claim done --plan knife --agent vault",
            &format!("complete done {proof} --agent vault"),
            "cancel away --reason 'nobody wants it' --agent olga",
        ] {
            clone.ok(line);
        }
        clone.git("pull --quiet");
        clone.ok("hook install");
        clone.ok("check --staged");
        clone.git("checkout --quiet -b change");
        // Few files are copied faster than many.
        for repository in [room.remote(), clone.dir.clone()] {
            clone.git(&format!("-C {} gc --quiet --prune=now", repository.display()));
        }
        room
    })
}

/// One copy of the board, damaged in one way.
struct Case {
    room: Room,
    clone: Checkout,
}

impl Case {
    fn new(damage: &Damage) -> Self {
        let room = base().copy();
        let clone = room.at("olga");
        if !damage.given.is_empty() {
            let edited = |(name, edit): (&String, &Edit)| {
                let path = path_of(&room, name);
                let text = room.file(&path).unwrap_or_else(|| panic!("no {path}"));
                (path, Some(edit.apply(&text)))
            };
            let files: Vec<_> = damage.given.iter().map(edited).collect();
            room.put(&files);
            clone.git("fetch --quiet origin main:main");
            clone.git("reset --quiet --hard main");
        }
        if let Some(by) = &damage.by {
            clone.git(&format!("config user.name {by}"));
            clone.git(&format!("config user.email {by}@squad.invalid"));
            clone.git(&format!("config squad.agent {by}"));
        }
        Self { room, clone }
    }

    fn path(&self, name: &str) -> String {
        path_of(&self.room, name)
    }

    /// Puts the damage into the index, where any path and any mode can stand that git knows.
    fn stage(&self, damage: &Damage) {
        let mut index = Vec::new();
        let mut put = |mode: &str, oid: &str, path: &str| {
            index.extend_from_slice(format!("{mode} {oid}\t{path}\0").as_bytes());
        };
        const NOTHING: &str = "0000000000000000000000000000000000000000";
        for name in &damage.delete {
            put("0", NOTHING, &self.path(name));
        }
        for (from, to) in &damage.r#move {
            let (from, to) = (self.path(from), self.path(to));
            put("0", NOTHING, &from);
            put("100644", &self.clone.git(&format!("rev-parse HEAD:{from}")), &to);
        }
        for (name, edit) in &damage.edit {
            let path = self.path(name);
            // A file that is moved as well is edited where it ends.
            let from =
                damage.r#move.iter().find(|(_, to)| *to == name).map_or_else(|| path.clone(), |m| self.path(m.0));
            let text = self.room.file(&from).unwrap_or_else(|| panic!("no {from}"));
            put(self.mode(damage, name), &self.blob(edit.apply(&text).as_bytes()), &path);
        }
        for (name, text) in &damage.write {
            put(self.mode(damage, name), &self.blob(&self.bytes(text)), &self.path(name));
        }
        let written = |name: &String| damage.edit.contains_key(name) || damage.write.contains_key(name);
        for (name, mode) in damage.mode.iter().filter(|(name, _)| !written(name)) {
            let path = self.path(name);
            let oid = match mode.as_str() {
                "160000" => self.clone.git("rev-parse HEAD"),
                _ => self.clone.git(&format!("rev-parse HEAD:{path}")),
            };
            put(mode, &oid, &path);
        }
        self.feed("-c core.protectNTFS=false update-index -z --replace --index-info", &index);
    }

    fn mode<'a>(&self, damage: &'a Damage, name: &str) -> &'a str {
        damage.mode.get(name).map_or("100644", String::as_str)
    }

    fn blob(&self, bytes: &[u8]) -> String {
        self.feed("hash-object -w --stdin", bytes)
    }

    fn feed(&self, line: &str, stdin: &[u8]) -> String {
        let mut command = self.clone.command("git");
        command.args(words(line)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("git starts");
        child.stdin.take().expect("it was piped").write_all(stdin).expect("git reads");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "git {line}");
        String::from_utf8(output.stdout).expect("an id").trim().to_owned()
    }

    /// Returns the bytes that a text of the corpus stands for.
    fn bytes(&self, text: &Value) -> Vec<u8> {
        match text {
            Value::String(text) => text.clone().into_bytes(),
            Value::Array(parts) => parts.iter().flat_map(|part| self.bytes(part)).collect(),
            Value::Object(map) => {
                if let Some(hex) = map.get("hex").and_then(Value::as_str) {
                    let digits: Vec<char> = hex.chars().collect();
                    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).expect("two digits");
                    digits.chunks(2).map(byte).collect()
                } else if let Some(name) = map.get("file").and_then(Value::as_str) {
                    let path = self.path(name);
                    let whole = self.room.file(&path).unwrap_or_else(|| panic!("no {path}"));
                    match map.get("replace").and_then(Value::as_array) {
                        Some(pair) => {
                            let (old, new) = (pair[0].as_str().expect("a text"), self.bytes(&pair[1]));
                            let (before, after) = whole.split_once(old).unwrap_or_else(|| panic!("no {old} in {path}"));
                            [before.as_bytes(), &new, after.as_bytes()].concat()
                        }
                        None => whole.into_bytes(),
                    }
                } else {
                    let repeat = map["repeat"].as_array().expect("what, and how often");
                    self.bytes(&repeat[0]).repeat(repeat[1].as_u64().expect("a number") as usize)
                }
            }
            other => panic!("no text: {other}"),
        }
    }
}

/// Returns the path that a name of the corpus stands for: a task's id, or a path of which the month of the archive is left
/// open.
fn path_of(room: &Room, name: &str) -> String {
    let archived = || room.git("ls-tree -r --name-only main squad/tasks/archived").lines().next().unwrap().to_owned();
    match name {
        "away" => archived(),
        _ if name.contains("[MONTH]") => {
            let path = archived();
            name.replace("[MONTH]", path.split('/').nth(3).expect("a month"))
        }
        _ if name.contains('/') || name == "squad" => name.to_owned(),
        _ => format!("squad/tasks/json/{name}.json"),
    }
}

impl Edit {
    fn apply(&self, text: &str) -> String {
        let mut document: Value = serde_json::from_str(text).expect("it is JSON");
        let before = document.clone();
        for pointer in &self.remove {
            let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
            match document.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}")) {
                Value::Object(map) => drop(map.shift_remove(last).unwrap_or_else(|| panic!("no {pointer}"))),
                Value::Array(list) => drop(list.remove(last.parse().expect("a place"))),
                other => panic!("{parent} is {other}"),
            }
        }
        for (pointer, value) in &self.set {
            let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
            let value = meant(value, &before);
            match document.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}")) {
                Value::Object(map) => drop(map.insert(last.replace("~1", "/").replace("~0", "~"), value)),
                Value::Array(list) if last == "-" => list.push(value),
                Value::Array(list) => list[last.parse::<usize>().expect("a place")] = value,
                other => panic!("{parent} is {other}"),
            }
        }
        serde_json::to_string_pretty(&document).expect("it is plain") + "\n"
    }
}

/// Returns the value that one of the corpus stands for: some of it can only be told of the file as it is.
fn meant(value: &Value, document: &Value) -> Value {
    let Value::Object(map) = value else {
        return match value {
            Value::Array(items) => items.iter().map(|item| meant(item, document)).collect(),
            other => other.clone(),
        };
    };
    if let Some(pointer) = map.get("of").and_then(Value::as_str) {
        let there = document.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
        return match map.get("plus").and_then(Value::as_i64) {
            Some(more) => json!(there.as_i64().expect("a number") + more),
            None => there.clone(),
        };
    }
    if let Some(Value::Array(parts)) = map.get("join") {
        // Scanners of other people would take some texts for what they are made to look like.
        return parts.iter().map(|part| part.as_str().expect("a text")).collect::<String>().into();
    }
    if let Some(Value::Array(repeat)) = map.get("repeat") {
        let text = repeat[0].as_str().expect("a text");
        return text.repeat(repeat[1].as_u64().expect("a number") as usize).into();
    }
    map.iter().map(|(key, item)| (key.clone(), meant(item, document))).collect::<serde_json::Map<_, _>>().into()
}

/// What one gate says.
struct Said {
    exit: i32,
    errors: Codes,
    warnings: Codes,
    /// The commits in which the errors are.
    commits: BTreeSet<String>,
    whole: String,
}

/// Asks a gate. Where it cannot judge at all, the code of its failure stands among the errors, after a `!`.
fn ask(clone: &Checkout, line: &str) -> Said {
    let ran = clone.json(line).0;
    let answer = ran.json();
    let list = [&answer["violations"], &answer["error"]["violations"]].into_iter().find_map(Value::as_array);
    let of = |severity: &str| -> Codes {
        let some = list.into_iter().flatten().filter(|violation| violation["severity"] == severity);
        some.map(|violation| violation["code"].as_str().expect("a word").to_owned()).collect()
    };
    let mut errors = of("error");
    if list.is_none()
        && let Some(code) = answer["error"]["code"].as_str()
    {
        errors.insert(format!("!{code}"));
    }
    let named = |violation: &Value| violation["commit"].as_str().map(str::to_owned);
    let bad = list.into_iter().flatten().filter(|violation| violation["severity"] == "error");
    let commits = bad.filter_map(named).collect();
    Said { exit: ran.code, errors, warnings: of("warning"), commits, whole: ran.to_string() }
}

/// Runs one kind of damage through every gate and returns what is not as it should be.
fn judge(damage: &Damage) -> Vec<String> {
    let mut wrong = Vec::new();
    let case = Case::new(damage);
    let (room, clone) = (&case.room, &case.clone);
    let expect = &damage.expect;
    let hook_expected = expect.hook.as_ref().unwrap_or(&expect.review);
    let audit_expected = expect.audit.as_ref().unwrap_or(&expect.review);
    let board_expected = expect.board.as_ref().unwrap_or(&expect.check);
    case.stage(damage);

    let mut hold = |gate: &str, said: &Said, expected: &Codes| {
        if said.errors != *expected {
            wrong.push(format!("{gate} says {:?}, not {expected:?}\n{}", said.errors, said.whole));
        } else if (said.exit == 0) != expected.is_empty() {
            wrong.push(format!("{gate} ends with {}\n{}", said.exit, said.whole));
        }
    };
    let check = ask(clone, "check --staged");
    hold("check --staged", &check, &expect.check);
    let hook = ask(clone, "hook pre-commit");
    hold("hook", &hook, hook_expected);

    let refused = clone.try_git("commit --quiet -m damage");
    let told =
        refused.as_ref().err().is_some_and(|said| hook_expected.iter().any(|c| said.contains(&format!("[{c}]"))));
    if refused.is_ok() {
        clone.git("reset --quiet --soft HEAD~1");
    }
    clone.git("commit --quiet --no-verify -m damage");
    let review = ask(clone, "review main..change");
    hold("review", &review, &expect.review);
    clone.git("push --quiet origin change:main");
    let judge = room.clone_with("judge", "--bare remote.git");
    // Whoever comes new has to find it at once, before anything else was fetched.
    let audit = ask(&judge, "audit");
    hold("audit", &audit, audit_expected);
    let board = ask(&judge, "check");
    hold("check of the board", &board, board_expected);

    if told == hook_expected.is_empty() {
        wrong.push(format!("git commit with the hook: {refused:?}"));
    }
    if review.warnings != expect.warnings {
        wrong.push(format!("review warns of {:?}, not {:?}", review.warnings, expect.warnings));
    }
    let bad = clone.git("rev-parse HEAD");
    if audit.commits.iter().any(|commit| *commit != bad) {
        wrong.push(format!("audit names other commits than the damaged one\n{}", audit.whole));
    }
    for (less, more, what) in [
        (&check, &review, "review does not tell what check tells"),
        (&review, &hook, "the hook does not tell what review tells"),
        (&review, &audit, "audit does not tell what review tells"),
    ] {
        // Where there is no board any more, there is nothing left to compare.
        let judged = [less, more].iter().all(|said| !said.errors.iter().any(|code| code.starts_with('!')));
        let missing: Vec<_> = less.errors.difference(&more.errors).collect();
        if judged && !missing.is_empty() {
            wrong.push(format!("{what}: {missing:?}"));
        }
    }
    wrong
}

/// Runs `go` on each of these, on as many threads as there are cores, and returns what it says in no order.
fn on_all_cores<T: Send, U: Send>(items: impl IntoIterator<Item = T>, go: impl Fn(T) -> U + Sync) -> Vec<U> {
    let queue = Mutex::new(items.into_iter().collect::<VecDeque<_>>());
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
    let next = || queue.lock().expect("nobody panics with it").pop_front();
    let work = || std::iter::from_fn(next).map(&go).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker panicked")).collect()
    })
}

#[test]
fn every_gate_finds_every_kind_of_damage_and_says_the_same() {
    let mut damages = damages();
    if let Ok(only) = std::env::var("SQUAD_CORPUS") {
        damages.retain(|(kind, _)| kind.contains(&only));
    } else {
        assert!(damages.len() >= 60, "the corpus is there");
    }
    base();
    let found = on_all_cores(damages, |(kind, damage)| {
        let judged = std::panic::catch_unwind(|| judge(&damage));
        judged
            .unwrap_or_else(|_| vec!["the test panicked".to_owned()])
            .into_iter()
            .map(|w| format!("{kind}: {w}"))
            .collect::<Vec<_>>()
    });
    let mut found: Vec<String> = found.into_iter().flatten().collect();
    found.sort();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

/// Rules that no change of a board's files can break: what they say is only true of a folder, or of a history;
/// and those that `tests/it/truth.rs` breaks.
const NOT_BY_DAMAGE: &[&str] = &[
    "unreadable",
    "evidence-changed",
    "stale-epoch",
    "not-found",
    "invalid",
    "unexplained",
    "wrong-value",
    "missing-path",
    "archive-month",
];

#[test]
fn every_rule_about_files_and_changes_has_a_kind_of_damage() {
    let rules = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md")).expect("the page");
    let before_history = rules.split("## The history").next().expect("there is a beginning");
    let codes = before_history.lines().filter_map(|line| line.strip_prefix("- **`")?.split('`').next());
    let mut known = Codes::new();
    for (_, damage) in damages() {
        let Expect { check, review, hook, audit, board, warnings } = damage.expect;
        known.extend([Some(check), Some(review), hook, audit, board, Some(warnings)].into_iter().flatten().flatten());
    }
    let missing: Vec<&str> = codes.filter(|code| !known.contains(*code) && !NOT_BY_DAMAGE.contains(code)).collect();
    assert!(missing.is_empty(), "no damage for {missing:?}");
}

#[test]
fn texts_that_are_no_secrets_raise_no_alarm() {
    let room = base().copy();
    let clone = room.at("olga");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus().join("clean")).expect("the clean corpus") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let texts: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("it is text")).expect("JSON");
        let texts = texts["texts"].as_array().expect("texts").clone();
        count += texts.len();
        let task = crate::kit::hand_task(&name, json!({ "acceptance": texts }));
        clone.write(&format!("squad/tasks/json/{name}.json"), serde_json::to_string_pretty(&task).unwrap() + "\n");
    }
    assert!(count >= 60, "there are many texts, not {count}");
    clone.git("add squad");
    clone.git("commit --quiet --no-verify -m clean");
    let said = ask(&clone, "review main..change");
    assert!(said.errors.is_empty(), "{}", said.whole);
}
