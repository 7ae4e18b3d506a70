//! What several verbs answer alike: a changed task with its receipt.

use serde_json::{Value, json};

use crate::cli::run::Context;
use crate::cli::ui::{Answer, DIM, GOOD, Line, STRONG, Ui, WARN, short};
use crate::model::task::Task;
use crate::ops::act::{Done, Preview};

/// Tells what a writing verb did: one line as text, the task with its receipt as JSON.
pub(super) fn done(cx: &mut Context<'_>, command: &'static str, done: &Done, more: Vec<(&str, Value)>) -> u8 {
    for warning in &done.warnings {
        cx.ui.warn(warning);
    }
    let mut answer = Answer::new(command);
    if let Some(document) = done.document.as_ref() {
        answer = answer.with("task", document.clone());
    }
    if let Some(task) = done.task() {
        answer = answer.with("phase", task.phase().as_str());
    }
    for (key, value) in more {
        answer = answer.with(key, value);
    }
    answer = with_outcome(answer, done);
    cx.ui.answer(&answer, |ui| {
        if let Some(preview) = &done.preview {
            return print_preview(ui, preview);
        }
        if let Some(op) = done.provisional {
            let about = done.task().map(|t| format!(" on {}", t.id)).unwrap_or_default();
            return ui.line(
                Line::new().styled(WARN, "provisional").text(&format!("{about}: kept here as {op} until `squad sync`")),
            );
        }
        match (&done.unchanged, done.task()) {
            (Some(why), _) => ui.line(Line::new().text("nothing to do: ").text(why)),
            (None, Some(task)) => ui.line(task_line(task, done)),
            (None, None) => ui.line(receipt_line(Line::new(), done)),
        }
    });
    0
}

/// Prints what would be committed.
pub(super) fn print_preview(ui: &mut Ui, preview: &Preview) {
    ui.line(Line::new().styled(DIM, "would commit: ").text(&preview.subject));
    for (_, difference) in &preview.files {
        ui.block("", difference);
    }
}

/// Adds what every writing verb answers: the receipt, or why there is none.
pub(super) fn with_outcome(mut answer: Answer, done: &Done) -> Answer {
    answer = answer.with("receipt", json!(done.receipt));
    if let Some(preview) = &done.preview {
        let files: Vec<Value> = preview.files.iter().map(|(path, diff)| json!({"path": path, "diff": diff})).collect();
        answer = answer.with("subject", preview.subject.as_str()).with("files", files);
    }
    if let Some(op) = done.provisional {
        answer = answer.with("provisional", true).with("op", op.as_str());
    }
    if done.dry_run {
        answer = answer.with("dryRun", true);
    }
    if let Some(why) = &done.unchanged {
        answer = answer.with("unchanged", why.as_str());
    }
    if !done.warnings.is_empty() {
        answer = answer.with("warnings", done.warnings.clone());
    }
    answer.with("pushes", done.pushes)
}

fn task_line(task: &Task, done: &Done) -> Line {
    let status = done.receipt.as_ref().and_then(|r| r.from).filter(|from| *from != task.status);
    let mut line = Line::new().styled(STRONG, task.id.as_str()).text("  ");
    if let Some(from) = status {
        line = line.text(from.as_str()).text(" → ");
    }
    line = line.styled(GOOD, task.status.as_str());
    if let Some(holder) = task.holder() {
        line = line.text(&format!("  held by {holder}, epoch {}", task.epoch));
    }
    receipt_line(line.text("  "), done)
}

fn receipt_line(line: Line, done: &Done) -> Line {
    match &done.receipt {
        Some(receipt) => line.styled(DIM, &format!("commit {}", short(&receipt.commit))),
        None => line,
    }
}
