//! Tasks from elsewhere: from a file, one or an array of them, and from something that happened on the board.

use serde_json::Value;

use super::act::Done;
use super::failure::Failure;
use super::session::{Freshness, Session};
use crate::board::receipt::Receipt;
use crate::model::code::ErrorCode;
use crate::model::id::{AgentName, OpId};
use crate::model::operation::{Action, NewTask};

/// Returns the receipt of an operation that a new task is to follow from.
///
/// # Errors
/// [`Failure`] `not-found` where the history that can be read has no such operation.
pub fn event(session: &Session, op: OpId) -> Result<Receipt, Failure> {
    let head = session.view(Freshness::Now)?.head;
    let ask = (!session.options.offline && !session.gone.get()).then_some(session.limits.network);
    let mut found = None;
    session.board.receipts(head, ask, |receipt| {
        if receipt.op == op {
            found = Some(receipt);
        }
        found.is_none()
    })?;
    found.ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, format!("no operation {op} on the board"))
            .hint("`squad log --json` names the operations")
            .with("op", op.as_str())
    })
}

/// Says on the task that an event was about which task follows from it. That this fails undoes nothing: the new task
/// is there, and names the event.
pub fn link_back(session: &Session, event: &Receipt, done: &mut Done) {
    let (Some(from), Some(made)) = (&event.task, done.task().filter(|_| !done.dry_run && done.unchanged.is_none()))
    else {
        return;
    };
    let text = format!("{} follows from this {} ({})", made.id, event.verb.command(), event.op);
    match session.act(Some(from), &Action::Comment { text, also: Vec::new() }) {
        Ok(comment) => done.warnings.extend(comment.warnings),
        Err(failure) => done.warnings.push(format!("{from} does not name {} yet: {}", made.id, failure.message)),
    }
}

/// Fields of a task that only the board sets: a file that is to become new tasks cannot bring them.
const SET_BY_THE_BOARD: &[&str] = &[
    "status",
    "epoch",
    "claim",
    "createdAt",
    "createdBy",
    "updatedAt",
    "stateHistory",
    "chat",
    "evidence",
    "approvals",
    "completedAt",
    "completedBy",
    "verifiedAt",
    "verifiedBy",
    "submittedAt",
    "submittedBy",
    "blockedAt",
    "blockedBy",
    "block",
    "attempt",
    "recoveries",
    "backoffLevel",
    "lastError",
    "retryAt",
    "progress",
    "deliverable",
    "reviewRound",
    "completionRequest",
    "emergencyOverride",
    "archivedReason",
];

/// Returns the tasks that a JSON text describes. Unknown fields are kept.
///
/// # Errors
/// [`Failure`] `invalid` with a JSON pointer to what is wrong.
pub fn tasks_from_json(text: &str) -> Result<Vec<NewTask>, Failure> {
    let invalid = |pointer: &str, why: String| {
        Failure::new(ErrorCode::Invalid, format!("the tasks cannot be read{}", at(pointer)))
            .why(why)
            .hint("give one task or an array of tasks, each an object with at least a title; `squad schema task` has the fields")
            .with("pointer", pointer)
    };
    let document = crate::schema::Json::parse_up_to(text.as_bytes(), MAX_BYTES)
        .map_err(|fault| invalid(&fault.pointer, fault.what()))?;
    let (items, many) = match document.to_value() {
        Value::Array(items) => (items, true),
        one => (vec![one], false),
    };
    let mut tasks = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        let base = if many { format!("/{i}") } else { String::new() };
        if let Value::Object(map) = &item
            && let Some(field) = SET_BY_THE_BOARD.iter().find(|f| map.contains_key(**f))
        {
            return Err(invalid(
                &format!("{base}/{field}"),
                format!("{field} is set by the board, not by whoever makes a task"),
            ));
        }
        let task: NewTask = serde_path_to_error::deserialize(item).map_err(|e| {
            let path = e.path().to_string().replace(['.', '['], "/").replace(']', "");
            let pointer = if path == "/" || path.is_empty() { base.clone() } else { format!("{base}/{path}") };
            invalid(&pointer, e.inner().to_string())
        })?;
        let names = task.assigned.iter().chain(&task.participants);
        for name in names {
            AgentName::new(name.as_str()).map_err(|bad| invalid(&base, bad.to_string()))?;
        }
        tasks.push(task);
    }
    Ok(tasks)
}

/// Largest file of tasks, in bytes: thousands of them.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Returns a place as the end of a sentence; nothing for the whole of a document.
pub(super) fn at(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!(" at {pointer}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_or_several_are_read_with_what_squad_does_not_know() {
        let tasks = tasks_from_json(r#"[{"title":"a","x":{"y":1}},{"title":"b","files":["src"]}]"#).expect("two tasks");
        assert_eq!(tasks[0].extra["x"]["y"], 1);
        assert_eq!(tasks[1].files, ["src"]);
        assert_eq!(tasks_from_json(r#"{"title":"a"}"#).expect("a task").len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        for (text, pointer) in [
            (r#"[{"title":"a"},{"title":"b","priority":"urgent"}]"#, "/1/priority"),
            (r#"{"title":"a","dependsOn":["../x"]}"#, "/dependsOn/0"),
            (r#"{"title":"a","status":"completed"}"#, "/status"),
            (r#"{"title":"a","title":"b"}"#, "/title"),
            (r#"{"title":7}"#, "/title"),
        ] {
            let failure = tasks_from_json(text).expect_err(text);
            assert_eq!(failure.data["pointer"], pointer, "{text}");
        }
    }
}
