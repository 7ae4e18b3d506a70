//! Boards as other systems write them, and what is read of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::id::TaskId;
use crate::model::imported::Standing;
use crate::model::task::Block;
use crate::model::vocabulary::{ArchivedReason, Priority, Status};

const NOW: Millis = Millis(1_795_230_851_000);

fn rules() -> Rules {
    Rules { label: "board.json".to_owned(), dialect: None, words: BTreeMap::new(), names: BTreeMap::new(), now: NOW }
}

#[expect(clippy::needless_pass_by_value, reason = "a value written where it is used reads best")]
fn one(task: Value) -> (ImportedTask, Vec<String>) {
    let mut reading = read(json!([task]), &rules()).expect("a task");
    (reading.tasks.remove(0), reading.notes.into_iter().map(|(_, note)| note).collect())
}

fn name(text: &str) -> AgentName {
    AgentName::new(text).expect("a name")
}

#[test]
fn every_word_of_the_three_families_becomes_the_status_of_the_table() {
    let with = |status: &str| {
        one(json!({"id": "t", "title": "Mend", "status": status, "assignee_ids": ["scout"], "depends_on": ["o"]})).0
    };
    for (words, status) in [
        (&["inbox", "NEW", "pending", "queued", "Backlog"][..], Status::Backlog),
        (&["in_progress", "IN_PROGRESS", "acknowledged", "in-progress"], Status::InProgress),
        (&["review", "pending verification", "pending_user_review"], Status::Review),
        (&["blocked", "FAILED", "WAITING_HUMAN", "WAITING_EXTERNAL", "waiting-dependency"], Status::Blocked),
        (&["done", "DONE", "completed"], Status::Completed),
        (&["trash", "closed", "archived"], Status::Archived),
    ] {
        for word in words {
            let is = with(word).stands.map_or(Status::Backlog, |standing| standing.status());
            assert_eq!(is, status, "{word}");
        }
    }
    assert_eq!(with("acknowledged").stands, Some(Standing::InProgress { started: false }));
    assert_eq!(with("in_progress").stands, Some(Standing::InProgress { started: true }));
}

#[test]
fn a_task_keeps_what_it_says() {
    let (imported, notes) = one(json!({
        "id": "mc-7", "title": "Mend the lamp", "description": "In the hall.\r\nTwice.", "status": "done",
        "assignee_ids": ["scout"], "priority": "urgent", "created_at": "2026-02-03T10:00:00Z",
        "due_date": "2026-12-24", "tags": ["hall", ""], "depends_on": ["mc-6"], "completed_at": 1_770_200_000,
        "result": "out/lamp.md", "updated_at": null, "retry_count": 0, "deep": {"n": 1.5},
    }));
    let task = &imported.task;
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(task.id.as_ref().map(TaskId::as_str), Some("mc-7"));
    assert_eq!((task.title.as_str(), task.description.as_deref()), ("Mend the lamp", Some("In the hall.\nTwice.")));
    assert_eq!((task.priority, task.assigned.clone()), (Some(Priority::Critical), Some(name("scout"))));
    assert_eq!((task.due, imported.created_at), (Some(Millis(1_798_070_400_000)), Some(Millis(1_770_112_800_000))));
    assert_eq!((task.tags.clone(), task.depends_on.len()), (vec!["hall".to_owned()], 1));
    assert_eq!(task.source.as_deref(), Some("board.json#mc-7"));
    let (at, deliverable) = (Some(Millis(1_770_200_000_000)), Some("out/lamp.md".to_owned()));
    assert_eq!(imported.stands, Some(Standing::Completed { at, deliverable }));
    // What is null there says nothing; what has no place here stays.
    assert_eq!(task.extra[KEPT], json!({"fields": {"retry_count": 0, "deep": {"n": 1.5}}}));
}

#[test]
fn of_several_assignees_the_first_has_it_and_the_others_take_part_which_is_told() {
    let (imported, notes) = one(json!({"title": "Mend", "assignee_ids": ["aria", "scout", "Vault", "scout"]}));
    assert_eq!(imported.task.assigned, Some(name("aria")));
    assert_eq!(imported.task.participants, [name("scout"), name("vault")]);
    assert_eq!(notes, ["several were assigned: here it is aria's, with scout, vault taking part"]);
    assert_eq!(imported.task.extra[KEPT]["note"], notes[0].as_str());
}

#[test]
fn tasks_are_found_in_an_array_in_a_list_by_name_and_under_their_ids() {
    let titles = |document: Value| {
        let reading = read(document, &rules()).expect("tasks");
        let ids = reading.tasks.iter().map(|t| t.task.id.as_ref().map_or("-", TaskId::as_str).to_owned());
        (ids.collect::<Vec<_>>(), reading.left)
    };
    assert_eq!(titles(json!([{"id": 7, "title": "a"}, {"title": "b"}])).0, ["7", "-"]);
    assert_eq!(titles(json!({"id": "a", "title": "a"})).0, ["a"]);
    assert_eq!(titles(json!({"tasks": [{"id": "a", "title": "a"}]})).0, ["a"]);
    let lanes = json!({"version": 3, "lanes": {"human": ["b"]}, "tasks": {"b": {"title": "b"}, "a": {"title": "a"}}});
    assert_eq!(titles(lanes), (vec!["b".to_owned(), "a".to_owned()], vec!["version".to_owned(), "lanes".to_owned()]));
}

#[test]
fn a_person_is_asked_what_the_task_says_and_a_failure_keeps_its_words() {
    let blocked = |task: Value| match one(task) {
        (ImportedTask { stands: Some(Standing::Blocked { reason, block, error }), .. }, notes) => {
            (reason, block, error, notes)
        }
        other => panic!("{other:?} is not blocked"),
    };
    let human = json!({"title": "t", "status": "WAITING_HUMAN", "needs": ["a colour"], "question": "Which?", "options": ["red", "blue"]});
    let (_, block, _, notes) = blocked(human);
    let options = vec!["red".to_owned(), "blue".to_owned()];
    assert_eq!(block, Block::Human { needs: vec!["a colour".to_owned()], question: "Which?".to_owned(), options });
    assert_eq!(notes, Vec::<String>::new());
    let (_, block, _, notes) = blocked(json!({"title": "t", "status": "WAITING_HUMAN"}));
    assert!(matches!(block, Block::Human { needs, options, .. } if needs.len() == 1 && options.len() == 2));
    assert_eq!(notes, ["a person is waited for, and what they are asked is not said"]);
    let (reason, block, error, _) =
        blocked(json!({"title": "t", "status": "blocked", "last_error": "no answer in 30 s"}));
    assert_eq!(
        (reason.as_str(), block, error.as_deref()),
        ("no answer in 30 s", Block::Failure {}, Some("no answer in 30 s"))
    );
    let (_, block, ..) = blocked(json!({"title": "t", "status": "WAITING_EXTERNAL"}));
    assert_eq!(block, Block::External { retry_at: NOW.plus_seconds(900), backoff_level: 0 });
}

#[test]
fn what_means_less_here_is_told() {
    let deep = (0..62).fold(json!(1), |value, _| json!([value]));
    for (task, note) in [
        (json!({"title": "t", "status": "in_progress"}), "by nobody who is named"),
        (json!({"title": "t", "priority": "5"}), "its priority there is \"5\"; here it is medium"),
        (json!({"title": "t", "due": "soon"}), "due \"soon\" is no instant"),
        (json!({"id": "a b/c", "title": "t"}), "its id there is \"a b/c\""),
        (json!({"id": "…", "title": "t"}), "which no task can have here"),
        (json!({"title": "t\u{202E}x"}), "characters that one line cannot have"),
        (json!({"title": "t", "x": deep}), "x is nested too deep for a task and kept as text"),
        (
            json!({"title": "t", "status": "WAITING_HUMAN", "question": "?", "needs": ["a", "b", "c", "d", "e"]}),
            "it also needs d, e",
        ),
        (
            json!({"title": "t", "status": "WAITING_HUMAN", "question": "?", "options": ["a", "b", "c"]}),
            "it offers a, b, c",
        ),
        (json!({"title": "t", "parent": ["a", "b"]}), "not of b"),
        (json!({"title": "t", "depends_on": ["…"]}), "it names \"…\""),
    ] {
        let (_, notes) = one(task.clone());
        assert!(notes.len() == 1 && notes[0].contains(note), "{task}: {notes:?}");
    }
    assert_eq!(
        one(json!({"title": "t", "status": "trash", "completed_at": 1})).0.stands,
        Some(Standing::Archived { reason: ArchivedReason::Done })
    );
}

#[test]
fn words_and_names_of_a_board_are_what_the_user_says_they_are() {
    let mut rules = rules();
    rules.words.insert("onhold".to_owned(), Phase::WaitingExternal);
    rules.names.insert("turing".to_owned(), Some(name("scout")));
    rules.names.insert("jarvis the 2nd".to_owned(), None);
    let board = json!([{"title": "t", "status": "On Hold", "assignee_ids": ["Jarvis the 2nd", "Turing", "scout"]}]);
    let reading = read(board, &rules).expect("a task");
    assert_eq!(reading.tasks[0].task.assigned, Some(name("scout")));
    assert_eq!(reading.tasks[0].stands.as_ref().map(Standing::status), Some(Status::Blocked));
    assert_eq!(reading.notes.len(), 1, "who was nobody here is told: {:?}", reading.notes);
    rules.dialect = Some(Dialect::Queue);
    let unknown = read(json!([{"title": "t", "status": "inbox"}]), &rules).expect_err("no word of that family");
    assert_eq!(unknown[0].message, "what the status \"inbox\" means is not known");
}

#[test]
fn what_only_the_user_can_decide_is_told_all_at_once_by_its_place() {
    let board = json!({"tasks": [
        {"id": "A", "title": "a", "status": "wip"},
        {"id": "a", "title": "b", "assignees": ["two words"]},
        {"id": "c"},
        {"id": "d", "title": "d", "state": "ready"},
    ]});
    let problems = read(board, &rules()).expect_err("problems");
    let places: Vec<_> = problems.iter().map(|p| (p.pointer.as_str(), p.message.split(' ').next().unwrap())).collect();
    assert_eq!(
        places,
        [
            ("/tasks/1/id", "a"),
            ("/tasks/0/status", "what"),
            ("/tasks/1", "agent"),
            ("/tasks/2", "there"),
            ("/tasks/3/status", "the")
        ]
    );
    assert!(problems.iter().all(|p| !p.hint.is_empty()));
    for (document, pointer) in [
        (json!(7), ""),
        (json!({"lanes": []}), ""),
        (json!({"tasks": 7}), "/tasks"),
        (json!({"tasks": {"a/b": 7}}), "/tasks/a~1b"),
    ] {
        let problems = read(document.clone(), &rules()).expect_err("no tasks");
        assert_eq!(problems[0].pointer, pointer, "{document}");
    }
}

/// A task as some system may write it: fields that are looked for, of any kind.
fn foreign_task() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("done")),
        Just(json!("WAITING_HUMAN")),
        Just(json!("in_progress")),
        Just(json!("2026-02-30T25:00:00")),
    ];
    let value = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    let key = prop::sample::select(vec![
        "id",
        "title",
        "status",
        "description",
        "assignee_ids",
        "priority",
        "created_at",
        "due",
        "tags",
        "depends_on",
        "parent",
        "needs",
        "options",
        "question",
        "last_error",
        "result",
        "x",
    ]);
    prop::collection::vec((key, value), 0..8)
        .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

proptest! {
    #[test]
    fn whatever_a_file_holds_is_read_whole_or_told(tasks in prop::collection::vec(foreign_task(), 0..4)) {
        match read(json!(tasks.clone()), &rules()) {
            Err(problems) => prop_assert!(!problems.is_empty()),
            Ok(reading) => {
                prop_assert_eq!(reading.tasks.len(), tasks.len());
                for (imported, there) in reading.tasks.iter().zip(&tasks) {
                    prop_assert!(!imported.task.title.is_empty());
                    // A field that is looked for by nobody is kept as it is, where it says anything.
                    let kept = imported.task.extra.get(KEPT).and_then(|kept| kept.pointer("/fields/x"));
                    match there.get("x") {
                        Some(x @ (Value::Bool(_) | Value::Number(_))) => prop_assert_eq!(kept, Some(x)),
                        Some(Value::Null) | None => prop_assert_eq!(kept, None),
                        Some(_) => {}
                    }
                }
            }
        }
    }
}
