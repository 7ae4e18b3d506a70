//! What a merge has let go of: what the board has said of a task on one side, and nothing says any more.
//!
//! A merge may take either side's fields. What was published it may not undo: a step that an operation has made, a
//! message, a proof. What both sides had parted from was let go of elsewhere, and judged there.

use crate::model::task::{Evidence, Message, Task};
use crate::schema::Violation;

/// Finds what stands in a side of a merge, and neither in what both sides parted from nor in what comes out of it.
pub fn lost(base: Option<&Task>, side: &Task, after: Option<&Task>, path: &str, found: &mut Vec<Violation>) {
    let kept: Vec<&Task> = base.into_iter().chain(after).collect();
    let step = side.state_history.iter().find(|entry| {
        entry.op.is_some() && !kept.iter().any(|task| task.state_history.iter().any(|known| known.op == entry.op))
    });
    if let Some(entry) = step {
        let message = format!("the merge leaves out a step that is on the board: {} {}", entry.actor, entry.state);
        let hint = "take the file from the side that has it: `git checkout --theirs` or `--ours`, then `git add`";
        found.push(Violation::error("history-rewritten", path, "/stateHistory", message, hint));
    }
    let said = |message: &&Message| !kept.iter().any(|task| task.chat.iter().any(|known| known.id == message.id));
    if let Some(message) = side.chat.iter().find(said) {
        let text = format!("the merge leaves out the message {} of {}", message.id, message.author);
        let hint = "put it back: the chat only grows";
        found.push(Violation::error("chat-rewritten", path, "/chat", text, hint));
    }
    let shown =
        |evidence: &&Evidence| !kept.iter().any(|task| task.evidence.iter().any(|known| known.id == evidence.id));
    if let Some(evidence) = side.evidence.iter().find(shown) {
        let message = format!("the merge leaves out the evidence {} of {}", evidence.id, evidence.by);
        let hint = "put it back: what was handed in stays";
        found.push(Violation::error("evidence-rewritten", path, "/evidence", message, hint));
    }
}
