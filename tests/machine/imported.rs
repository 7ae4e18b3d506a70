//! Tasks of other boards: where they come to stand, who may bring them, and that what they leave in the files is what
//! every gate accepts.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use squad::model::board::{Board, Decision};
use squad::model::id::Millis;
use squad::model::imported::{ImportedTask, Standing};
use squad::model::operation::Action;
use squad::model::refusal::Refusal;
use squad::model::task::Block;
use squad::model::vocabulary::{Phase, Status};
use squad::schema::foreign::{Rules, read};

use crate::sim::{BEGIN, Sim, id, judged, name, whole};

fn rules() -> Rules {
    let names = ["mira", "scout"].map(|here| (here.to_owned(), Some(name(here))));
    let label = "board.json".to_owned();
    Rules { label, dialect: None, words: BTreeMap::new(), names: BTreeMap::from(names), now: Millis(BEGIN) }
}

fn tasks(document: Value) -> Arc<[ImportedTask]> {
    read(document, &rules()).expect("tasks").tasks.into()
}

/// One task for each word that stands for something else.
fn board() -> Value {
    json!([
        {"id": "new", "title": "a", "status": "NEW", "created_at": "2026-01-01T00:00:00Z"},
        {"id": "held", "title": "b", "status": "acknowledged", "assignee_ids": ["scout"]},
        {"id": "begun", "title": "c", "status": "in_progress", "assignee_ids": ["scout", "vault"], "x": 1},
        {"id": "asked", "title": "d", "status": "WAITING_HUMAN", "assignee_ids": ["scout"]},
        {"id": "away", "title": "e", "status": "WAITING_EXTERNAL", "assignee_ids": ["scout"]},
        {"id": "waits", "title": "f", "status": "waiting-dependency", "depends_on": ["new"]},
        {"id": "broke", "title": "g", "status": "FAILED", "last_error": "no answer", "assignee_ids": ["scout"]},
        {"id": "shown", "title": "h", "status": "review", "assignee_ids": ["scout"], "result": "a page"},
        {"id": "done", "title": "i", "status": "done", "completed_at": "2026-02-01", "created_at": "2026-01-01"},
        {"id": "gone", "title": "j", "status": "trash"},
    ])
}

fn imported(by: &str) -> Sim {
    let mut sim = Sim::new();
    sim.must(by, None, Action::Import { tasks: tasks(board()) });
    sim
}

#[test]
fn each_task_stands_where_it_stood_and_every_gate_accepts_that() {
    let before = Sim::new();
    let mut sim = before.copy();
    sim.must("chip", None, Action::Import { tasks: tasks(board()) });
    let phases = [
        ("new", Phase::Pending),
        ("held", Phase::Claimed),
        ("begun", Phase::Working),
        ("asked", Phase::WaitingHuman),
        ("away", Phase::WaitingExternal),
        ("waits", Phase::WaitingDependency),
        ("broke", Phase::Failed),
        ("shown", Phase::Review),
        ("done", Phase::Completed),
        ("gone", Phase::Archived),
    ];
    for (task, phase) in phases {
        let task = sim.task(task);
        assert_eq!(task.phase(), phase, "{}", task.id);
        let verbs: Vec<_> = task.state_history.iter().filter_map(|entry| entry.trigger.as_deref()).collect();
        assert_eq!(verbs, if phase == Phase::Pending { vec!["new"] } else { vec!["new", "import"] });
        assert!(!task.participants.contains(&name("chip")), "who takes a board over has no hand in {}", task.id);
    }
    assert_eq!(sim.task("begun").holder(), Some(&name("scout")));
    assert_eq!(sim.task("begun").participants, [name("vault")]);
    assert_eq!(sim.task("done").completed_at, Some(Millis(1_769_904_000_000)));
    assert_eq!(sim.task("new").created_at, Millis(1_767_225_600_000));
    assert_eq!(sim.task("broke").last_error.map(|error| error.message).as_deref(), Some("no answer"));
    let errors = |found: Vec<squad::schema::Violation>| -> Vec<_> {
        found.into_iter().filter(squad::schema::Violation::is_error).collect()
    };
    assert_eq!(errors(sim.check().violations), []);
    assert_eq!(errors(judged(&before.snapshot(), &sim.snapshot(), Some("chip"))), []);
}

#[test]
fn what_was_taken_over_goes_on_as_if_it_had_begun_here() {
    let mut sim = imported("olga");
    sim.must("scout", Some("begun"), Action::Complete(whole()));
    sim.must("scout", Some("held"), Action::Start {});
    sim.must("scout", Some("asked"), Action::Unblock { comment: "yes".to_owned() });
    sim.must("olga", Some("broke"), Action::Restart { reason: "the key is renewed".to_owned() });
    sim.must("mira", Some("shown"), Action::Complete(whole()));
    sim.must("olga", Some("done"), Action::Reopen { reason: "it does not hold".to_owned() });
    sim.must("olga", Some("gone"), Action::Restore { reason: None });
    for (task, status) in [
        ("begun", Status::Completed),
        ("held", Status::InProgress),
        ("asked", Status::InProgress),
        ("broke", Status::Backlog),
        ("shown", Status::Completed),
        ("done", Status::Backlog),
        ("gone", Status::Backlog),
    ] {
        assert_eq!(sim.task(task).status, status, "{task}");
    }
    // A branch that brings all of that at once is read back step by step.
    let found = judged(&Sim::new().snapshot(), &sim.snapshot(), None);
    let errors: Vec<_> = found.iter().filter(|violation| violation.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn only_who_hands_out_work_may_say_that_a_task_has_been_worked_on_elsewhere() {
    let mut sim = Sim::new();
    let waiting = json!([{"id": "t", "title": "t", "status": "inbox"}]);
    sim.must("scout", None, Action::Import { tasks: tasks(waiting) });
    for status in ["in_progress", "review", "done", "blocked", "trash"] {
        let task = json!([{"id": "u", "title": "t", "status": status, "assignee_ids": ["scout"]}]);
        let operation = sim.operation("scout", None, Action::Import { tasks: tasks(task) });
        let decision = sim.decide(&operation);
        assert!(matches!(decision, Decision::Refused(Refusal::NotPermitted { .. })), "{status}: {decision:?}");
    }
}

#[test]
fn no_task_that_is_here_already_can_be_moved_by_an_import() {
    let mut sim = Sim::new();
    sim.make("olga", "t", |_| {});
    let before = sim.copy();
    // Over the verb: the id is taken.
    let theirs = json!([{"id": "t", "title": "t", "status": "done"}]);
    let operation = sim.operation("olga", None, Action::Import { tasks: tasks(theirs) });
    assert!(matches!(sim.decide(&operation), Decision::Refused(Refusal::IdTaken { .. })));
    // By hand: nothing in the history of a task that was made by another operation is an import.
    let mut forged = sim.task("t");
    let mut entry = forged.state_history[0].clone();
    (entry.state, entry.trigger, entry.op) = (Status::Completed, Some("import".to_owned()), Some(operation.id));
    forged.state_history.push(entry);
    (forged.status, forged.completed_by) = (Status::Completed, Some(name("olga")));
    forged.completed_at = Some(forged.updated_at);
    sim.lay(&forged);
    let found = judged(&before.snapshot(), &sim.snapshot(), Some("olga"));
    assert!(found.iter().any(|v| v.code == "illegal-transition"), "{found:#?}");
}

#[test]
fn the_same_file_again_brings_only_what_is_not_here_yet() {
    let mut sim = imported("olga");
    let operation = sim.operation("olga", None, Action::Import { tasks: tasks(board()) });
    assert!(matches!(sim.decide(&operation), Decision::Unchanged(_)));
    sim.must("scout", Some("begun"), Action::Complete(whole()));
    let mut more = board();
    more.as_array_mut().unwrap().push(json!({"id": "late", "title": "k", "depends_on": ["begun"]}));
    let changes = sim.must("olga", None, Action::Import { tasks: tasks(more) });
    let made: Vec<_> = changes.tasks.iter().map(|change| change.task.id.clone()).collect();
    assert_eq!((made, changes.warnings.len()), (vec![id("late")], 1));
    assert_eq!(sim.task("begun").status, Status::Completed, "what is here is left as it is");
}

#[test]
fn ids_are_in_lower_case_here_and_whoever_names_one_still_finds_it() {
    let mut sim = Sim::new();
    let theirs = json!([
        {"id": "MC-1", "title": "a", "status": "waiting-dependency", "depends_on": ["MC-2"]},
        {"id": "MC-2", "title": "b", "parent": "Mc 3"},
        {"id": "MC 3", "title": "c"},
    ]);
    sim.must("olga", None, Action::Import { tasks: tasks(theirs) });
    assert_eq!(sim.task("mc-1").depends_on, [id("mc-2")]);
    assert_eq!(sim.task("mc-1").block, Some(Block::Dependency { on: vec![id("mc-2")] }));
    assert_eq!(sim.task("mc-2").parent, Some(id("mc-3")));
}

#[test]
fn names_and_ids_that_lead_nowhere_are_refused_with_both_ends() {
    let mut sim = Sim::new();
    let mut refused = |document: Value| {
        let operation = sim.operation("olga", None, Action::Import { tasks: tasks(document) });
        match sim.decide(&operation) {
            Decision::Refused(refusal) => (refusal.message(), refusal.hint().unwrap_or_default()),
            other => panic!("{other:?}"),
        }
    };
    let (message, hint) = refused(json!([
        {"id": "a", "title": "a", "assignee_ids": ["turing", "scout"]}, {"id": "b", "title": "b", "assignee_ids": ["dexter"]},
    ]));
    assert_eq!(message, "not in the roster: dexter, turing");
    assert!(hint.contains("--as dexter="), "{hint}");
    let (message, _) =
        refused(json!([{"id": "a", "title": "a", "depends_on": ["z"]}, {"id": "b", "title": "b", "parent": "y"}]));
    assert_eq!(message, "a names z, b names y: no such task, neither in the file nor on the board");
    let (message, _) = refused(
        json!([{"id": "a", "title": "a", "depends_on": ["b"]}, {"id": "b", "title": "b", "depends_on": ["a"]}]),
    );
    assert!(message.contains("circle"), "{message}");
    let (message, _) = refused(json!([]));
    assert!(message.contains("import"), "{message}");
}

#[test]
fn an_operation_that_nobody_could_have_typed_brings_no_locks_and_no_reference_to_nothing() {
    let mut sim = Sim::new();
    let mut refused = |spoil: &dyn Fn(&mut ImportedTask)| {
        let mut task =
            tasks(json!([{"id": "t", "title": "t", "status": "in_progress", "assignee_ids": ["scout"]}])).to_vec();
        spoil(&mut task[0]);
        let operation = sim.operation("olga", None, Action::Import { tasks: task.into() });
        match sim.decide(&operation) {
            Decision::Refused(refusal) => refusal.message(),
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(&|one| one.task.files.push("src".to_owned())).contains("paths cannot be taken over"));
    let blocked = |block: Block| Some(Standing::Blocked { reason: "r".to_owned(), block, error: None });
    for block in [
        Block::Dependency { on: vec![id("nowhere")] },
        Block::Conflict { paths: vec!["src".to_owned()], holder: id("nowhere") },
    ] {
        assert!(refused(&|one| one.stands = blocked(block.clone())).contains("t names nowhere"));
    }
}

/// A task as some system may write it: the fields that are looked for, with values of every kind.
fn foreign_task() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "inbox",
        "in_progress",
        "done",
        "blocked",
        "WAITING_HUMAN",
        "WAITING_EXTERNAL",
        "review",
        "trash",
        "closed",
        "scout",
        "mira",
        "2026-02-03",
        "2026-02-30T25:00:00",
        "urgent",
        "t-1",
        "t-2",
    ]);
    let leaf = prop_oneof![
        4 => word.prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    let key = prop::sample::select(vec![
        "status",
        "description",
        "assignee_ids",
        "priority",
        "created_at",
        "completed_at",
        "due",
        "tags",
        "depends_on",
        "needs",
        "options",
        "question",
        "last_error",
        "blocked_reason",
        "result",
        "x",
        "imported",
    ]);
    let fields = prop::collection::vec((key, value), 0..8);
    (fields, "[a-z]{1,4}", ".{1,9}").prop_map(|(fields, id, title)| {
        let mut map: serde_json::Map<String, Value> = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        map.extend([("id".to_owned(), id.into()), ("title".to_owned(), title.into())]);
        Value::Object(map)
    })
}

proptest! {
    /// `Sim` writes the files by the schema, so that what the schema would refuse ends the test.
    #[test]
    fn whatever_is_taken_over_passes_every_gate(foreign in prop::collection::vec(foreign_task(), 1..4)) {
        let Ok(reading) = read(json!(foreign), &rules()) else { return Ok(()) };
        let before = Sim::new();
        let mut sim = before.copy();
        let operation = sim.operation("olga", None, Action::Import { tasks: reading.tasks.into() });
        if let Decision::Applied(changes) = sim.publish(&operation) {
            prop_assert_eq!(changes.tasks.len(), foreign.len());
            prop_assert!(!sim.check().has_errors(), "{:#?}", sim.check().violations);
            let found = judged(&before.snapshot(), &sim.snapshot(), Some("olga"));
            prop_assert!(found.iter().all(|violation| !violation.is_error()), "{found:#?}");
            // The operation says the same once it was written down and read.
            let again = serde_json::from_str(&operation.canonical()).expect("it reads back");
            prop_assert_eq!(&operation, &again);
            prop_assert!(sim.snapshot().live().is_ok());
        }
    }
}
