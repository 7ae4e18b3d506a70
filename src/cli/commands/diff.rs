//! `diff`

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::args::DiffArgs;
use crate::cli::report::text;
use crate::cli::run::Context;
use crate::cli::task_text::task_text;
use crate::cli::ui::Answer;
use crate::model::code::ErrorCode;
use crate::ops::failure::Failure;
use crate::ops::hook::find_repository;
use crate::ops::review::{review, review_staged};

/// Most of a file that is shown: what a file of the board may weigh, sixteen times.
const SHOWN_MAX: u64 = 16 * 1024 * 1024;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &DiffArgs) -> Result<u8, Failure> {
    match &args.textconv {
        Some(file) => as_text(cx, file),
        None => between(cx, args.range.as_deref()),
    }
}

/// Tells what happened to each task. What is wrong with it is told as well, and is `review`'s to refuse.
fn between(cx: &mut Context<'_>, range: Option<&str>) -> Result<u8, Failure> {
    let repository = find_repository(&cx.dir()?)?;
    let reviewed = match range {
        Some(range) => review(&repository, range, "diff")?,
        None => {
            let index = std::env::var_os("GIT_INDEX_FILE").map(PathBuf::from);
            review_staged(&repository, index.as_deref(), cx.globals.agent.as_ref(), cx.clock.now())?
        }
    };
    let answer = Answer::new("diff")
        .with("changes", json!(reviewed.changes))
        .with("violations", json!(reviewed.violations))
        .with("verdict", json!(reviewed.verdict()));
    cx.ui.answer(&answer, |ui| {
        text::changes(ui, &reviewed.changes);
        text::told(&reviewed.violations, ui.verbosity() > 0, "-v").into_iter().for_each(|line| ui.line(line));
        if reviewed.changes.is_empty() {
            ui.line(if range.is_some() { "no task differs" } else { "no task differs in what is staged" });
        }
    });
    Ok(0)
}

fn as_text(cx: &mut Context<'_>, file: &Path) -> Result<u8, Failure> {
    let path = cx.dir()?.join(file);
    let failed = |error: std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { ErrorCode::NotFound } else { ErrorCode::Internal };
        Failure::new(code, format!("cannot read {}", file.display()))
            .caused_by(&error)
            .hint("name a task's file; without --textconv, `squad diff` shows what is staged")
    };
    let mut bytes = Vec::new();
    File::open(&path).map_err(failed)?.take(SHOWN_MAX).read_to_end(&mut bytes).map_err(failed)?;
    let text = task_text(&bytes);
    cx.ui.answer(&Answer::new("diff").with("text", text.as_str()), |ui| ui.verbatim(&text));
    Ok(0)
}
