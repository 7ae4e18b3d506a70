//! What strangers may write, fed to the code that reads it: one body for each kind of input.
//!
//! Owns the laws that hold whatever the bytes are; a body panics where one does not, and only then. The bytes come
//! from `tests/fuzz.rs`, with the corpus in `tests/fuzz-corpus`, and from the fuzzer in `fuzz/`. No verb calls this.
//!
//! A body that takes several documents takes them with a line of two per cent signs between them.

use std::collections::BTreeMap;

use crate::board::difference::tasks_that_differ;
use crate::board::files::{Entry, EntryKind, Files, ReadError};
use crate::board::layout::{CONFIG, LIVE_DIR, task_stem};
use crate::board::render::files_of;
use crate::board::snapshot::Snapshot;
use crate::model::board::Decision;
use crate::model::config::{Agent, BoardConfig, DEFAULT_LOCKS_FILE};
use crate::model::decide::decide;
use crate::model::id::{AgentName, Millis, OpId};
use crate::model::locks::{Pattern, normalise};
use crate::model::operation::{Action, Basis, Operation};
use crate::model::ordered::IndexMap;
use crate::model::outbox;
use crate::model::vocabulary::{AgentKind, Role};
use crate::review::check::{BoardFile, CheckOptions, FileKind, FileRole, check};
use crate::review::judge::{Change, RosterBy, Verdict, judge};
use crate::review::merge::{Merged, merge};
use crate::review::rules::rule;
use crate::review::secrets::secrets_in;
use crate::schema::canonical::{write, write_line};
use crate::schema::foreign::{self, Rules};
use crate::schema::{Json, Violation, load_task, look_at_task, render_task, validate_coordination, validate_task};

/// A body: it takes what a stranger wrote, and panics where a law is broken.
pub type Body = fn(&[u8]);

/// Every body, by the name of its corpus.
pub const BODIES: &[(&str, Body)] = &[
    ("task", task),
    ("outbox", outbox),
    ("merge", merging),
    ("review", reviewing),
    ("globs", globs),
    ("import", importing),
];

/// Where a task of the bodies has its file.
const TASK: &str = "squad/tasks/json/t-1.json";

/// What stands between two documents.
const BETWEEN: &str = "\n%%\n";

/// A file as a task: what was read is written so that it is read as the same again, and what nobody changed stays.
///
/// # Panics
/// Where a law is broken.
pub fn task(bytes: &[u8]) {
    let document = Json::parse(bytes);
    if let Ok(document) = &document {
        for text in [write(document), write_line(document)] {
            assert_eq!(Json::parse(text.as_bytes()).as_ref(), Ok(document), "a document says the same once written");
        }
    }
    let look = look_at_task(TASK, bytes);
    let lines = u32::try_from(bytes.split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX);
    for violation in &look.violations {
        assert!(violation.line.is_none_or(|line| (1..=lines).contains(&line)), "{violation:?} is in the file");
    }
    let Some(task) = look.typed else {
        assert!(look.violations.iter().any(Violation::is_error), "what is refused is refused for a reason");
        return;
    };
    let document = document.expect("a task is a document");
    // However it was read, in one go or with every rule looked at, the verdict is the same.
    let refused = |violations: &[Violation]| violations.iter().any(Violation::is_error);
    assert_eq!(refused(&validate_task(TASK, &document)), refused(&look.violations), "both readers agree");
    let extra = IndexMap::default();
    let kept = render_task(Some(bytes), &task, &extra).expect("it is a document");
    assert_eq!(read(&kept).as_ref(), Some(&task), "laid over its file, a task is the same");
    assert_eq!(render_task(Some(&kept), &task, &extra).as_deref(), Ok(&kept[..]), "and stays so");
    let before = document.as_object().expect("a task is an object");
    let after = Json::parse(&kept).expect("it was read");
    for key in before.keys().filter(|key| !crate::schema::compile::knows_task_field(key)) {
        assert_eq!(after.get(key), before.get(key), "{key:?} is not squad's to change");
    }
    if !refused(&look.violations) {
        let fresh = render_task(None, &task, &extra).expect("nothing is read");
        assert_eq!(read(&fresh).as_ref(), Some(&task), "the canonical form says the same");
        assert_eq!(render_task(Some(&fresh), &task, &extra).as_deref(), Ok(&fresh[..]), "and is canonical");
    }
}

fn read(bytes: &[u8]) -> Option<crate::model::task::Task> {
    look_at_task(TASK, bytes).typed
}

/// A text as an outbox: what is taken of it is whole and within the limits, and written again it is the same.
///
/// # Panics
/// Where a law is broken.
pub fn outbox(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = outbox::read(text) else { return };
    assert!(read.operations.len() <= outbox::MAX_OPERATIONS && text.len() <= outbox::MAX_BYTES);
    let again = outbox::write(&read.clone, read.sequence, &read.operations);
    let room: usize = read.operations.iter().map(outbox::room_for).sum();
    assert!(again.ends_with('\n') && again.len() > room, "the operations take the room that they say");
    let whole = outbox::Outbox { fault: None, ..read };
    assert_eq!(outbox::read(&again), Ok(whole), "what was taken is an outbox");
}

/// Three documents as base, ours and theirs: what comes out is whole where all that went in was, and a side that
/// alone has changed wins byte for byte.
///
/// # Panics
/// Where a law is broken.
pub fn merging(bytes: &[u8]) {
    let parts = parts(bytes);
    let part = |n: usize| parts.get(n).copied().unwrap_or_default();
    let (base, ours, theirs) = (part(0), part(1), part(2));
    let stem = || "t-1".to_owned();
    for role in [FileRole::Live { stem: stem() }, FileRole::Archived { stem: stem() }, FileRole::Locks] {
        let run = |base, ours, theirs| merge(TASK, &role, base, ours, theirs);
        for base in [Some(base).filter(|base| !base.is_empty()), None] {
            let merged = run(base, ours, theirs);
            assert_eq!(run(base, ours, theirs), merged, "the same question has the same answer");
            if let Ok(Merged { bytes, lost }) = &merged {
                assert!(lost.iter().all(|lost| !lost.to_string().is_empty()));
                assert_whole(&role, bytes);
            }
        }
        for side in [ours, theirs] {
            let taken = |merged: Option<Merged>| merged.is_none_or(|merged| merged.bytes == side);
            let same = run(Some(base), side, side).ok();
            let is_readable = run(None, side, side).is_ok();
            assert!(is_readable || same.is_none(), "nothing broken becomes whole");
            assert!(taken(same), "both are the same");
            assert!(
                taken(run(Some(base), side, base).ok()) && taken(run(Some(base), base, side).ok()),
                "one has changed"
            );
        }
    }
}

fn assert_whole(role: &FileRole, bytes: &[u8]) {
    let document = Json::parse(bytes).expect("what was merged is a document");
    let violations = if *role == FileRole::Locks {
        validate_coordination(TASK, &document)
    } else {
        load_task(TASK, bytes).expect("what was merged is a task");
        validate_task(TASK, &document)
    };
    assert!(!violations.iter().any(Violation::is_error), "what was merged keeps to the schema: {violations:?}");
}

/// Configuration, two tasks and the locks file before a change, and the same after it, as a hook sees them; a
/// document that is empty is a file that is not there.
///
/// # Panics
/// Where a law is broken.
pub fn reviewing(bytes: &[u8]) {
    let parts = parts(bytes);
    let (before, after) = parts.split_at(parts.len().div_ceil(2).min(FILES.len()));
    let (before, after) = (&files(before), &files(after));
    let (old, new) = (board(before), board(after));
    let scout = AgentName::new("scout").expect("it is a name");
    let makers = [
        (None, RosterBy::Unknown),
        (Some(vec![scout.clone()]), RosterBy::Members(vec![scout])),
        (Some(Vec::new()), RosterBy::Members(Vec::new())),
    ];
    for (actors, roster_by) in makers {
        let run = |before: &Snapshot, after: &Snapshot| {
            let tasks = tasks_that_differ(before, after).expect("what is in memory can be listed");
            let (actors, roster_by) = (actors.clone(), roster_by.clone());
            let change = Change {
                before,
                after,
                tasks: &tasks,
                others: &[],
                config_path: CONFIG,
                actors,
                roster_by,
                made_at: None,
            };
            judge(&change).expect("what is in memory can be read")
        };
        let judgement = run(&old, &new);
        assert!(judgement.violations.is_sorted(), "in the order of reports");
        for violation in &judgement.violations {
            assert!(rule(violation.code).is_some(), "{} has a rule", violation.code);
        }
        let worst = judgement.changes.iter().map(|change| change.verdict).max().unwrap_or(Verdict::Pass);
        assert!(worst <= Verdict::on(&judgement.violations), "no task is worse than the whole");
        for same in [&old, &new] {
            let nothing = run(same, same);
            assert!(nothing.changes.is_empty() && nothing.violations.is_empty(), "no change, nothing to say");
        }
        let texts: Vec<&str> = parts.iter().filter_map(|part| std::str::from_utf8(part).ok()).collect();
        for secret in texts.iter().flat_map(|text| secrets_in(text)).map(|(_, secret)| secret) {
            let told = judgement.violations.iter().filter(|v| v.code == "secret");
            assert!(told.into_iter().all(|v| !v.message.contains(secret)), "a secret is told to nobody");
        }
    }
    for side in [before, after] {
        let files = side.iter().map(|(path, bytes)| BoardFile {
            path: path.clone(),
            role: role_of(path),
            kind: FileKind::Ordinary,
            content: Ok(bytes.clone()),
        });
        let options = CheckOptions { config_path: CONFIG.to_owned(), locks_path: DEFAULT_LOCKS_FILE.to_owned() };
        let report = check(files, &options);
        assert!(report.checked == side.len() && report.violations.is_sorted());
        for violation in &report.violations {
            assert!(rule(violation.code).is_some(), "{} has a rule", violation.code);
        }
    }
}

fn role_of(path: &str) -> FileRole {
    match path {
        CONFIG => FileRole::Config,
        DEFAULT_LOCKS_FILE => FileRole::Locks,
        task => FileRole::Live { stem: task_stem(task.rsplit('/').next().unwrap_or(task)).unwrap_or(task).to_owned() },
    }
}

/// The files of a small board, in the order of the documents.
const FILES: [&str; 4] = [CONFIG, TASK, "squad/tasks/json/t-2.json", DEFAULT_LOCKS_FILE];

fn files(parts: &[&[u8]]) -> BTreeMap<String, Vec<u8>> {
    let there = FILES.iter().zip(parts).filter(|(_, part)| !part.is_empty());
    there.map(|(path, part)| ((*path).to_owned(), part.to_vec())).collect()
}

fn board(files: &BTreeMap<String, Vec<u8>>) -> Snapshot {
    Snapshot::new(Box::new(InMemory(files.clone())))
}

/// Files that are nowhere but here.
struct InMemory(BTreeMap<String, Vec<u8>>);

impl Files for InMemory {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError> {
        let within = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        let files = within.filter(|name| !name.contains('/'));
        Ok(files.map(|name| Entry { name: name.to_owned(), kind: EntryKind::File, id: None }).collect())
    }

    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        let kind = match (self.0.contains_key(path), path == LIVE_DIR) {
            (true, _) => EntryKind::File,
            (_, true) => EntryKind::Folder,
            _ => return Ok(None),
        };
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        Ok(Some(Entry { name, kind, id: None }))
    }

    fn read(&self, path: &str, _: &Entry) -> Result<Vec<u8>, ReadError> {
        self.0.get(path).cloned().ok_or_else(|| format!("there is no {path}").into())
    }
}

/// Two lines as entries of `files[]`: whether they overlap is the same from both sides, and proved by a path.
///
/// # Panics
/// Where a law is broken.
pub fn globs(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, text));
    for ignore_case in [false, true] {
        let strict = [one, other].map(|text| Pattern::new(text, ignore_case).ok());
        let lenient = [one, other].map(|text| Pattern::lenient(text, ignore_case));
        let is_strict = strict.iter().all(Option::is_some);
        // What needs no leniency is read the same with it.
        let pair = if is_strict { strict } else { lenient };
        let [Some(a), Some(b)] = &pair else { continue };
        let witnesses = [a.overlap_witness(b), b.overlap_witness(a)];
        for (overlaps, witness) in [a.overlaps(b), b.overlaps(a)].iter().zip(&witnesses) {
            assert!(*overlaps == witness.is_some() && *overlaps == witnesses[0].is_some(), "{a:?} and {b:?}");
        }
        if !is_strict {
            continue;
        }
        for witness in witnesses.into_iter().flatten() {
            assert!(a.covers(&witness) && b.covers(&witness), "{witness:?} is in {a:?} and in {b:?}");
            // A name that Windows reads as a drive: no entry can spell it, and elsewhere a glob can meet such a file.
            let is_drive = witness.as_bytes().get(1) == Some(&b':');
            assert!(is_drive || normalise(&witness, ignore_case).as_ref() == Ok(&witness), "{witness:?} is a path");
        }
    }
}

/// A file of another board: what is taken over is whole by every rule, and an import that is written down reads the same.
///
/// # Panics
/// Where a law is broken.
pub fn importing(bytes: &[u8]) {
    let Ok(document) = Json::parse(bytes) else { return };
    let name = |text: &str| AgentName::new(text).expect("it is a name");
    let owner = Agent::new(name("olga"), Role::Owner, AgentKind::Human);
    let scout = Agent::new(name("scout"), Role::Executor, AgentKind::Agent);
    let config = BoardConfig::new("main", vec![owner, scout]);
    let now = Millis(1_795_230_851_000);
    let names = BTreeMap::from([("nobody".to_owned(), None)]);
    let rules = Rules { label: "a file".to_owned(), dialect: None, words: BTreeMap::new(), names, now };
    let reading = match foreign::read(document.to_value(), &rules) {
        Ok(reading) => reading,
        Err(problems) => return assert!(!problems.is_empty(), "what is refused is refused for a reason"),
    };
    let operation = Operation {
        id: OpId::from_parts(now, [7; 10]),
        action: Action::Import { tasks: reading.tasks.into() },
        task: None,
        actor: name("olga"),
        basis: Basis::default(),
        at: now,
        signature: None,
    };
    let again = serde_json::from_str(&operation.canonical());
    assert_eq!(again.ok().as_ref(), Some(&operation), "an import that is written down says the same");
    let text = serde_json::to_vec(&config).expect("a configuration is plain");
    let empty = board(&BTreeMap::from([(CONFIG.to_owned(), text)]));
    let Ok(Decision::Applied(changes)) = decide(&empty, &operation) else { return };
    for file in files_of(&empty, &changes).expect("what was decided keeps the rules") {
        let content = file.content.expect("nothing is taken away");
        let task = load_task(&file.path, &content).expect("it is a task").0;
        let newborn = task.state_history.len() == 1 || task.state_history[1].trigger.as_deref() == Some("import");
        assert!(newborn && task.created_at <= task.updated_at, "it is where it came from: {task:?}");
    }
}

fn parts(bytes: &[u8]) -> Vec<&[u8]> {
    let between = BETWEEN.as_bytes();
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(between.len()).position(|window| window == between) {
        // The line end before the line belongs to the document.
        parts.push(&rest[..=at]);
        rest = &rest[at + between.len()..];
    }
    parts.push(rest);
    parts.iter().map(|part| if *part == b"\n" { &[][..] } else { *part }).collect()
}
