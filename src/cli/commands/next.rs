//! `next`

use serde_json::{Value, json};

use super::provisional::{self, mark, with_provisional};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Line, STRONG};
use crate::ops::claim::next;
use crate::ops::failure::Failure;
use crate::ops::session::{Freshness, document};

pub(in crate::cli) fn run(cx: &mut Context<'_>) -> Result<u8, Failure> {
    let session = cx.session()?;
    let found = next(&session, Freshness::Due)?;
    super::blocked(cx, found.degraded.as_deref());
    let skipped: Vec<Value> = found
        .skipped
        .iter()
        .map(|s| json!({"id": s.id, "code": s.refusal.code(), "reason": reason(&s.refusal)}))
        .collect();
    let task = match &found.task {
        Some(task) => document(&session.view(Freshness::Due)?.snapshot, &task.id)?.unwrap_or(Value::Null),
        None => Value::Null,
    };
    let waiting = session.provisional();
    let answer = with_provisional(Answer::new("next").with("task", task).with("skipped", skipped), &waiting);
    let answer = super::with_cause(answer, found.degraded.as_deref());
    for s in &found.skipped {
        cx.ui.detail(1, format!("not {}: {}", s.id, reason(&s.refusal)));
    }
    cx.ui.answer(&answer, |ui| {
        match &found.task {
            Some(task) => ui.line(Line::new().styled(STRONG, task.id.as_str()).text(&format!(
                "  {}  {}  {}{}",
                task.status,
                task.priority,
                mark(&waiting, &task.id),
                task.title
            ))),
            None => ui.line("nothing to claim"),
        }
        provisional::print(ui, &waiting);
    });
    Ok(0)
}

fn reason(refusal: &crate::model::refusal::Refusal) -> String {
    match refusal.why() {
        Some(why) => format!("{}: {why}", refusal.message()),
        None => refusal.message(),
    }
}
