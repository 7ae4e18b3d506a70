//! `status`

use serde_json::json;

use super::answers::short;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Line, STRONG, WARN, plural};
use crate::ops::failure::Failure;
use crate::ops::look::counts;
use crate::ops::session::Freshness;

pub(in crate::cli) fn run(cx: &mut Context<'_>) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_invalid(cx, &view)?;
    let counts = counts(&view)?;
    let open = session.queue().operations();
    let provisional: Vec<_> = open
        .iter()
        .map(|o| match &o.task {
            Some(task) => json!({"op": o.id, "verb": o.verb(), "task": task}),
            None => json!({"op": o.id, "verb": o.verb()}),
        })
        .collect();
    let branch = session.board.branch();
    let remote = session.board.remote_name();
    let mut answer = Answer::new("status")
        .with("board", json!({"branch": branch, "remote": remote}))
        .with("head", view.head.to_string())
        .with("ahead", open.len())
        .with("provisional", provisional)
        .with("counts", json!(counts))
        .with("degraded", view.degraded.is_some());
    if let Some(cause) = &view.degraded {
        answer = answer.with("cause", cause.as_str());
    }
    cx.ui.answer(&answer, |ui| {
        let place = format!("{} of {}", branch.as_deref().unwrap_or("?"), remote.unwrap_or("this repository"));
        ui.line(
            Line::new()
                .text("board on ")
                .styled(STRONG, &place)
                .text(&format!(", head {}", short(&view.head.to_string()))),
        );
        let words: Vec<String> =
            counts.iter().filter(|(_, n)| **n > 0).map(|(status, n)| format!("{n} {status}")).collect();
        ui.line(if words.is_empty() { "no tasks".to_owned() } else { words.join(", ") });
        if !open.is_empty() {
            ui.line(Line::new().styled(
                WARN,
                &format!("{} whose outcome is open; `squad sync` settles it", plural(open.len(), "operation")),
            ));
        }
        if let Some(why) = &view.degraded {
            ui.line(Line::new().styled(WARN, "may be out of date: ").text(why));
        }
    });
    Ok(0)
}
