//! The locks file of two sides: what either has changed, by the task.
//!
//! The file follows from the tasks, and is written anew with every claim and release; but the tasks are not at hand
//! where one file is merged. Where both sides have changed the entry of one task, ours stays, as it does of the task.

use super::value::{Change, Members, Three, Weighing, same};
use super::{Lost, Side};
use crate::schema::Json;
use crate::schema::canonical::write;

/// Merges two versions of the locks file.
pub(super) fn merge(base: Option<&Json>, ours: &Json, theirs: &Json) -> (Json, Vec<Lost>) {
    let text =
        |side: &Json| (side.get("lastUpdated").and_then(Json::as_str).unwrap_or_default().to_owned(), write(side));
    let winner = if text(ours) > text(theirs) { Side::Ours } else { Side::Theirs };
    let mut weighing = Weighing { winner, lost: Vec::new() };
    let none = Members::default();
    let [ours, theirs] = [ours, theirs].map(|side| side.as_object().unwrap_or(&none));
    let members =
        weighing.members("", base.and_then(Json::as_object), ours, theirs, |weighing, pointer, three| match pointer {
            "/lastUpdated" => three.of(winner).cloned(),
            "/currentWork" => work(weighing, pointer, three),
            _ => weighing.value(pointer, three),
        });
    (Json::Object(members), weighing.lost)
}

fn work(weighing: &mut Weighing, pointer: &str, three: Three<'_>) -> Option<Json> {
    let none = Members::default();
    let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(|work| work.and_then(Json::as_object));
    let mut entries = weighing.members(pointer, base, ours.unwrap_or(&none), theirs.unwrap_or(&none), entry);
    entries.sort_unstable_keys();
    Some(Json::Object(entries))
}

fn entry(weighing: &mut Weighing, pointer: &str, three: Three<'_>) -> Option<Json> {
    match (three.change(), three.ours, three.theirs) {
        (Change::Both, Some(Json::Object(ours)), Some(Json::Object(theirs))) => {
            let base = three.base.and_then(Json::as_object);
            Some(Json::Object(weighing.members(pointer, base, ours, theirs, part)))
        }
        // A task that one side has freed and of which the other has only named other paths is free.
        (Change::Both, Some(now), None) | (Change::Both, None, Some(now)) => {
            let mode = |entry: Option<&Json>| entry.and_then(|entry| entry.get("mode")).cloned();
            let was_moved = !same(mode(three.base).as_ref(), mode(Some(now)).as_ref());
            let gone = if three.ours.is_none() { Side::Theirs } else { Side::Ours };
            let loser = if was_moved { Side::Theirs } else { gone };
            weighing.lose(pointer, loser, three);
            three.of(loser.other()).cloned()
        }
        _ => weighing.value(pointer, three),
    }
}

fn part(weighing: &mut Weighing, pointer: &str, three: Three<'_>) -> Option<Json> {
    if pointer.ends_with("/files") {
        return weighing.texts(pointer, three);
    }
    if three.change() == Change::Both {
        weighing.lose(pointer, Side::Theirs, three);
        return three.ours.cloned();
    }
    weighing.value(pointer, three)
}
