//! `sync`

use serde_json::{Value, json};

use super::answers::short;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, GOOD, Line, WARN, plural};
use crate::ops::failure::Failure;
use crate::ops::sync::{Settled, sync};

pub(in crate::cli) fn run(cx: &mut Context<'_>) -> Result<u8, Failure> {
    let session = cx.session()?;
    let synced = sync(&session)?;
    for warning in &synced.warnings {
        cx.ui.warn(warning);
    }
    let mut answer = Answer::new("sync");
    if let Value::Object(body) = json!(synced) {
        answer.body = body;
    }
    cx.ui.answer(&answer, |ui| {
        ui.line(format!("head {}, {}", short(&synced.head), plural(synced.fetched, "new commit")));
        let about = |s: &Settled| match &s.task {
            Some(task) => format!(" {} {task}", s.verb.command()),
            None => format!(" {}", s.verb.command()),
        };
        for s in &synced.published {
            ui.line(Line::new().styled(GOOD, "published").text(&about(s)));
        }
        for s in &synced.lost {
            ui.line(Line::new().styled(BAD, "lost").text(&about(s)).text(&reason(s)));
        }
        for s in &synced.provisional {
            ui.line(Line::new().styled(WARN, "still open").text(&about(s)).text(&reason(s)));
        }
    });
    Ok(0)
}

fn reason(settled: &Settled) -> String {
    let message = settled.error.as_ref().and_then(|e| e.get("message")).and_then(Value::as_str);
    message.map(|m| format!(": {m}")).unwrap_or_default()
}
