//! `init`

use serde_json::json;

use super::answers;
use crate::cli::args::{InitArgs, Template as Named};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Line, STRONG};
use crate::ops::failure::Failure;
use crate::ops::init::{Template, init};

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &InitArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| {
        o.dry_run = args.writing.dry_run;
        o.remote.clone_from(&args.remote);
    })?;
    let template = match args.template {
        Named::Minimal => Template::Minimal,
        Named::MissionControl => Template::MissionControl,
    };
    let made = init(&session, args.branch.as_deref(), template)?;
    for warning in &made.done.warnings {
        cx.ui.warn(warning);
    }
    let answer = Answer::new("init")
        .with("board", json!({"branch": made.branch, "remote": made.remote}))
        .with("created", made.created.clone());
    let answer = answers::with_outcome(answer, &made.done);
    cx.ui.answer(&answer, |ui| {
        let place = match &made.remote {
            Some(remote) => format!("{} of {remote}", made.branch),
            None => format!("{} of this repository (no remote)", made.branch),
        };
        if let Some(preview) = &made.done.preview {
            answers::print_preview(ui, preview);
        } else if made.done.unchanged.is_some() {
            ui.line(Line::new().text("the board is on ").styled(STRONG, &place));
        } else {
            ui.line(Line::new().text("made a board on ").styled(STRONG, &place));
            for path in &made.created {
                ui.line(format!("  {path}"));
            }
            ui.line("next: `squad agents add NAME --role executor`, `squad new TITLE`, `squad hook install`");
        }
    });
    Ok(0)
}
