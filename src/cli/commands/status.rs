//! `status`

use serde_json::json;

use super::provisional::{self, with_provisional};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Line, STRONG, short};
use crate::ops::failure::Failure;
use crate::ops::look::counts;
use crate::ops::session::Freshness;

pub(in crate::cli) fn run(cx: &mut Context<'_>) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    super::warn_invalid(cx, &view)?;
    let counts = counts(&view)?;
    let waiting = session.provisional();
    let branch = session.board.branch();
    let remote = session.board.remote_name();
    let answer = Answer::new("status")
        .with("board", json!({"branch": branch, "remote": remote}))
        .with("head", view.head.to_string())
        .with("ahead", waiting.len())
        .with("counts", json!(counts));
    let answer = super::with_cause(with_provisional(answer, &waiting), view.degraded.as_deref());
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
        provisional::print(ui, &waiting);
    });
    Ok(0)
}
