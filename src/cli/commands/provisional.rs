//! What waits in this clone, beside what is on the board: marked, and never told as if it had happened.

use serde_json::json;

use crate::cli::ui::{Answer, Line, Ui, WARN};
use crate::model::id::TaskId;
use crate::ops::provisional::Provisional;

/// How many are named in the one line of text.
const NAMED: usize = 5;

/// Adds them to an answer.
pub(super) fn with_provisional(answer: Answer, waiting: &[Provisional]) -> Answer {
    answer.with("provisional", json!(waiting))
}

/// Returns what stands before the title of a task that something waits for: nothing where nothing does.
pub(super) fn mark(waiting: &[Provisional], task: &TaskId) -> String {
    let mut verbs: Vec<&str> =
        waiting.iter().filter(|p| p.task.as_ref() == Some(task)).map(|p| p.verb.command()).collect();
    verbs.dedup();
    if verbs.is_empty() { String::new() } else { format!("[provisional: {}] ", verbs.join(", ")) }
}

/// Says in one line what waits.
pub(super) fn print(ui: &mut Ui, waiting: &[Provisional]) {
    if waiting.is_empty() {
        return;
    }
    let about = |p: &Provisional| match &p.task {
        Some(task) => format!("{} {task}", p.verb.command()),
        None => p.verb.command().to_owned(),
    };
    let mut named: Vec<String> = waiting.iter().take(NAMED).map(about).collect();
    if waiting.len() > NAMED {
        named.push(format!("{} more", waiting.len() - NAMED));
    }
    let text = format!(" {}; not on the board before `squad sync`", named.join(", "));
    ui.line(Line::new().styled(WARN, "provisional:").text(&text));
}
