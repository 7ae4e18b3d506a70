//! `import`

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers;
use crate::cli::args::{ImportArgs, Input};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, DIM, Line, STRONG, plural, short};
use crate::model::vocabulary::{Status, plain};
use crate::ops::failure::Failure;
use crate::ops::import::import;
use crate::schema::foreign::{KEPT, Rules};

/// What is told of tasks as text, unless `-v` asks for all.
const SHOWN: usize = 10;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: ImportArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let text = args.file.read(&cx.dir()?, std::io::stdin())?;
    let label = match &args.file {
        Input::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        Input::Stdin => "stdin".to_owned(),
    };
    let rules = Rules {
        label,
        dialect: args.vocab,
        words: args.status.into_iter().map(|is| (plain(&is.word), is.phase)).collect(),
        names: args.names.into_iter().map(|is| (is.there.to_lowercase(), is.here)).collect(),
        now: session.now(),
    };
    let imported = import(&session, text, &rules)?;
    let (done, reading) = (&imported.done, &imported.reading);
    for warning in &done.warnings {
        cx.ui.warn(warning);
    }
    let tasks: Vec<Value> = done.tasks.iter().map(|t| json!({"id": t.id, "status": t.status})).collect();
    let notes: Vec<Value> = reading.notes.iter().map(|(task, note)| json!({"task": task, "note": note})).collect();
    let answer = Answer::new("import")
        .with("tasks", tasks)
        .with("notes", notes)
        .with("kept", json!(reading.kept))
        .with("left", json!(reading.left));
    let answer = answers::with_outcome(answer, done);
    let shown = if cx.ui.verbosity() > 0 { reading.notes.len() } else { SHOWN };
    cx.ui.answer(&answer, |ui| {
        if let Some(why) = &done.unchanged {
            return ui.line(Line::new().text("nothing to do: ").text(why));
        }
        for (task, note) in reading.notes.iter().take(shown) {
            ui.line(Line::new().styled(STRONG, task).text(": ").text(note));
        }
        if reading.notes.len() > shown {
            ui.line(format!("{} more; `-v` shows them, `--json` has all", reading.notes.len() - shown));
        }
        if !reading.kept.is_empty() {
            let fields = reading.kept.iter().cloned().collect::<Vec<_>>().join(", ");
            ui.line(Line::new().text(&format!("kept with the tasks under `{KEPT}.fields`: {fields}")));
        }
        if !reading.left.is_empty() {
            ui.line(Line::new().text(&format!("left where it is, being no task: {}", reading.left.join(", "))));
        }
        let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
        done.tasks.iter().for_each(|task| *counts.entry(task.status).or_default() += 1);
        let counts = counts.iter().map(|(status, n)| format!("{n} {status}")).collect::<Vec<_>>().join(", ");
        let verb = if done.preview.is_some() { "would import" } else { "imported" };
        let commit = done.receipt.as_ref().map_or("", |receipt| short(&receipt.commit));
        let tasks = plural(done.tasks.len(), "task");
        ui.line(Line::new().text(&format!("{verb} {tasks}: {counts}  ")).styled(DIM, commit));
    });
    Ok(0)
}
