//! `sync`

use serde_json::{Value, json};

use crate::cli::args::SyncArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, GOOD, Line, Ui, WARN, plural, short};
use crate::ops::failure::Failure;
use crate::ops::rewind::Rewind;
use crate::ops::sync::{Settled, sync};

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: SyncArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let synced = sync(&session, args.accept_rewind)?;
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
        if let Some(rewind) = &synced.rewind {
            print_rewind(ui, rewind);
        }
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

/// Tells what the board has lost: of this clone's own operations more follows, those of others are told here only.
fn print_rewind(ui: &mut Ui, rewind: &Rewind) {
    let least = if rewind.more { "at least " } else { "" };
    let count = plural(rewind.commits, "commit");
    ui.line(Line::new().styled(WARN, "rewound").text(&format!(" {least}{count} lost; kept as {}", rewind.backup)));
    for undone in &rewind.operations {
        let task = undone.task.as_ref().map(|task| format!(" {task}")).unwrap_or_default();
        let whose = if undone.own { ", of this clone" } else { "" };
        let text = format!(" {}{task} by {}  {}{whose}", undone.verb.command(), undone.actor, short(&undone.commit));
        ui.line(Line::new().styled(WARN, "undone").text(&text));
    }
}

fn reason(settled: &Settled) -> String {
    let message = settled.error.as_ref().and_then(|e| e.get("message")).and_then(Value::as_str);
    message.map(|m| format!(": {m}")).unwrap_or_default()
}
