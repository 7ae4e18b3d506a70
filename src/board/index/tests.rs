//! The index never changes an answer, whatever becomes of its file.

use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::model::task::Task;

fn task(json: &serde_json::Value) -> Task {
    serde_json::from_value(json.clone()).expect("a task")
}

/// A task in which everything that a card keeps is there.
fn full() -> Task {
    let text = include_str!("../../../tests/schema/valid/by-squad.json");
    serde_json::from_str(text).expect("a valid case is a task")
}

fn small(n: u32) -> Task {
    task(&serde_json::json!({
        "id": format!("t-{n}"), "title": format!("Work on {n}"), "status": "backlog", "priority": "low",
        "createdAt": n, "updatedAt": n, "participants": ["Ada", "scout"], "files": ["src/a", "src/*.rs"],
        "chat": [{"id": "m1", "author": "ada", "content": "@scout look, and @aria.x too.", "timestamp": 5}],
        "blockedBy": "nobody", "due": -5, "effects": ["send"], "position": 1.5,
    }))
}

fn id(n: u8) -> Oid {
    Oid::from_bytes(&[n; 20]).expect("twenty bytes")
}

fn index_of(tasks: &[Task]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("index");
    let index = Index::at(file.clone());
    let cards: Vec<Card> = tasks.iter().cloned().map(Card::of).collect();
    let records: Vec<(Oid, &Card)> = (1..).map(id).zip(&cards).collect();
    index.keep(id(200), &records, true);
    index.mark_clean(&[id(1)]);
    (folder, file)
}

#[test]
fn a_card_is_read_back_as_it_was_written() {
    for task in [full(), small(3)] {
        let card = Card::of(task);
        let mut w = Writer::default();
        codec::write(&mut w, &card);
        let mut r = Reader::new(&w.0);
        assert_eq!(codec::read(&mut r).expect("a card"), card);
        assert!(r.rest.is_empty(), "nothing is left over");
    }
}

#[test]
fn a_folder_that_is_known_is_given_whole_and_another_is_not() {
    let tasks = [small(1), full(), small(2)];
    let (_folder, file) = index_of(&tasks);
    let index = Index::at(file);
    let cards: Vec<Card> = tasks.iter().cloned().map(Card::of).collect();
    assert_eq!(index.folder(id(200)), Some(cards));
    assert_eq!(index.folder(id(201)), None);
    let known = index.cards(&[Some(id(9)), Some(id(1)), None, Some(id(2))]);
    let ids: Vec<_> = known.iter().map(|card| card.as_ref().map(|card| card.id.as_str())).collect();
    assert_eq!(ids, [None, Some("t-1"), None, Some(tasks[1].id.as_str())]);
    assert_eq!([1, 2, 9].map(|n| index.is_clean(id(n))), [true, false, false]);
}

#[test]
fn any_change_of_any_byte_makes_it_no_index() {
    let (_folder, file) = index_of(&[small(1)]);
    let whole = fs::read(&file).expect("it is there");
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut torn = whole.clone();
            torn[at] ^= 1 << bit;
            assert!(Loaded::read(torn).is_none(), "bit {bit} of byte {at}");
        }
        assert!(Loaded::read(whole[..at].to_vec()).is_none(), "cut off at {at}");
    }
    assert!(Loaded::read(whole).is_some());
}

#[test]
fn a_file_that_cannot_be_written_or_read_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let index = Rc::new(Index::at(folder.path().join("no/such/folder/index")));
    let card = Card::of(small(1));
    index.keep(id(200), &[(id(1), &card)], true);
    assert_eq!(index.cards(&[Some(id(1))]), [Some(Card::of(small(1)))], "it is known all the same");
}

proptest! {
    /// A record that passes for whole and is not gives some card or none, and never a panic.
    #[test]
    fn garbage_is_no_card(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = codec::read(&mut Reader::new(&bytes));
        let _ = Loaded::read(bytes);
    }

    #[test]
    fn numbers_are_read_back(numbers in proptest::collection::vec(any::<u64>(), 0..20)) {
        let mut w = Writer::default();
        numbers.iter().for_each(|n| w.number(*n));
        let mut r = Reader::new(&w.0);
        for n in numbers {
            prop_assert_eq!(r.number(), Some(n));
        }
    }
}
