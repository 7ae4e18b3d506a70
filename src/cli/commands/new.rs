//! `new`

use serde_json::{Value, json};

use super::answers;
use crate::cli::args::NewArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, DIM, Line, STRONG, plural, short};
use crate::model::operation::{Action, NewTask};
use crate::ops::failure::Failure;
use crate::ops::make::{event, link_back, tasks_from_json};

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: NewArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| {
        o.dry_run = args.writing.dry_run;
        o.queue = args.queueing.queue;
    })?;
    let effects = args.effects();
    let many = args.from.is_some();
    let event = args.from_event.map(|op| event(&session, op)).transpose()?;
    let tasks = match &args.from {
        Some(input) => tasks_from_json(&input.read(&cx.dir()?, std::io::stdin())?)?,
        None => vec![NewTask {
            id: args.id,
            title: args.title.unwrap_or_default(),
            description: args.description,
            priority: args.priority,
            assigned: args.assigned,
            category: args.category,
            tags: args.tag,
            participants: args.participant,
            parent: args.parent,
            depends_on: args.depends_on,
            files: args.file,
            due: args.due.map(|due| due.resolve(session.now())),
            acceptance: args.acceptance,
            effects,
            source: event.as_ref().map(|event| event.op.to_string()),
            ..NewTask::default()
        }],
    };
    let mut done = session.act(None, &Action::New { tasks })?;
    if let Some(event) = &event {
        link_back(&session, event, &mut done);
    }
    if !many {
        return Ok(answers::done(cx, "new", &done, Vec::new()));
    }
    let ids: Vec<Value> = done.tasks.iter().map(|t| json!({"id": t.id})).collect();
    let answer = answers::with_outcome(Answer::new("new").with("tasks", ids), &done);
    cx.ui.answer(&answer, |ui| {
        for task in &done.tasks {
            ui.line(Line::new().styled(STRONG, task.id.as_str()).text("  ").text(&task.title));
        }
        let verb = if done.preview.is_some() { "would make" } else { "made" };
        let commit = done.receipt.as_ref().map_or("", |r| short(&r.commit));
        ui.line(Line::new().text(&format!("{verb} {}  ", plural(done.tasks.len(), "task"))).styled(DIM, commit));
    });
    Ok(0)
}
