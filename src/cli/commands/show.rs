//! `show`

use serde_json::{Value, json};

use super::provisional::{self, mark, with_provisional};
use crate::cli::args::ShowArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, DIM, Line, STRONG, Ui, age, rfc3339, short};
use crate::model::code::ErrorCode;
use crate::model::id::Millis;
use crate::model::task::Task;
use crate::ops::failure::Failure;
use crate::ops::look::{Shown, show};
use crate::schema::foreign::KEPT;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &ShowArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let shown = show(&session, &args.task, args.at.as_deref())?;
    super::blocked(cx, shown.degraded.as_deref());
    for note in &shown.evidence_faults {
        cx.ui.warn(note);
    }
    let phase = shown.task.phase();
    if let Some(field) = &args.field {
        let value = field_of(&shown, field)?;
        let answer = Answer::new("show").with("field", field.as_str()).with("value", value.clone());
        cx.ui.answer(&answer, |ui| match &value {
            Value::String(text) => ui.block("", text),
            Value::Null => {}
            other => ui.line(other.to_string()),
        });
        return Ok(0);
    }
    let answer = Answer::new("show")
        .with("task", shown.document.clone())
        .with("phase", phase.as_str())
        .with("progress", shown.progress())
        .with("receipts", json!(shown.receipts))
        .with("evidenceFaults", shown.evidence_faults.clone());
    // A task of the past has nothing to wait for.
    let mut waiting = if args.at.is_none() { session.provisional() } else { Vec::new() };
    waiting.retain(|p| p.task.as_ref() == Some(&shown.task.id));
    let answer = super::with_cause(with_provisional(answer, &waiting), shown.degraded.as_deref());
    let now = session.now();
    cx.ui.answer(&answer, |ui| {
        print(ui, &shown, now, &mark(&waiting, &shown.task.id));
        provisional::print(ui, &waiting);
    });
    Ok(0)
}

fn field_of(shown: &Shown, field: &str) -> Result<Value, Failure> {
    if field == "phase" {
        return Ok(json!(shown.task.phase()));
    }
    if let Some(value) = shown.document.get(field) {
        return Ok(value.clone());
    }
    // A field that the task could have and has not is empty, not unknown.
    if crate::schema::compile::knows_task_field(field) {
        return Ok(Value::Null);
    }
    Err(Failure::new(ErrorCode::NotFound, format!("{} has no field {field}", shown.task.id))
        .hint("`squad schema task` lists the fields"))
}

fn print(ui: &mut Ui, shown: &Shown, now: Millis, mark: &str) {
    let task = &shown.task;
    ui.line(Line::new().styled(STRONG, task.id.as_str()).text("  ").text(mark).text(&task.title));
    let mut state = format!("{} ({})  {}", task.status, task.phase(), task.priority);
    if let Some(category) = task.category {
        state += &format!("  {category}");
    }
    ui.line(state);
    let mut fact = |label: &str, value: String| {
        if !value.is_empty() {
            ui.line(Line::new().styled(DIM, &format!("{label}: ")).text(&value));
        }
    };
    fact("assigned", task.assigned.as_ref().map(ToString::to_string).unwrap_or_default());
    if let Some(holder) = task.holder() {
        let since = task.held_since().unwrap_or(task.updated_at);
        fact("held by", format!("{holder} for {}, epoch {}", age(now, since), task.epoch));
    }
    fact("blocked by", task.blocked_by.clone().unwrap_or_default());
    fact("due", task.due.map(rfc3339).unwrap_or_default());
    fact("waits for", join(&task.depends_on));
    fact("part of", task.parent.as_ref().map(ToString::to_string).unwrap_or_default());
    fact("files", task.files.join(" "));
    fact("tags", task.tags.join(" "));
    fact("participants", join(&task.participants));
    fact("acceptance", task.acceptance.join("; "));
    let lost = shown.document.pointer(&format!("/{KEPT}/note")).and_then(Value::as_str);
    fact("imported", lost.unwrap_or_default().to_owned());
    fact("deliverable", task.deliverable.clone().unwrap_or_default());
    if let Some(p) = &task.progress {
        let percent = p.percent.map(|n| format!("{n} % ")).unwrap_or_default();
        fact("progress", format!("{percent}{}", p.step.clone().unwrap_or_default()));
    }
    if let Some(description) = &task.description {
        ui.line("");
        ui.block("  ", description);
    }
    print_parts(ui, task, now);
    if !shown.receipts.is_empty() {
        ui.line("");
        for r in &shown.receipts {
            ui.line(Line::new().styled(DIM, short(&r.commit)).text(&format!(
                "  {}  {} by {}",
                rfc3339(r.at),
                r.verb.command(),
                r.actor
            )));
        }
    }
}

fn print_parts(ui: &mut Ui, task: &Task, now: Millis) {
    for sub in &task.subtasks {
        let owner = sub.owner().map(|o| format!("  {o}")).unwrap_or_default();
        ui.line(Line::new().text(&format!("  [{}] {}  ", sub.status, sub.id)).text(&sub.title).text(&owner));
    }
    for e in &task.evidence {
        ui.line(
            Line::new().text(&format!("  evidence {}  ", e.what.kind())).text(&crate::ops::look::describe(&e.what)),
        );
    }
    for m in &task.chat {
        ui.line(Line::new().styled(DIM, &format!("  {} {} ago", m.author, age(now, m.timestamp))));
        ui.block("    ", &m.content);
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
