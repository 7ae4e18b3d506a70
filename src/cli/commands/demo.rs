//! `demo`

use std::ffi::OsString;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::args::DemoArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, Cell, DIM, GOOD, Line, STRONG, Table, Ui, plural};
use crate::model::code::ErrorCode;
use crate::ops::demo::{Scene, Stage, Step, Story, play};
use crate::ops::failure::Failure;

/// What programs need to start; nothing else of the environment reaches the players.
const NEEDED: &[&str] =
    &["PATH", "PATHEXT", "SystemRoot", "ComSpec", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &DemoArgs) -> Result<u8, Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(ErrorCode::Internal, "cannot tell where this program is").caused_by(&e))?;
    let env = NEEDED.iter().filter_map(|key| Some((OsString::from(key), std::env::var_os(key)?))).collect();
    let dir = match &args.dir {
        Some(dir) => Some(cx.dir()?.join(dir)),
        None => None,
    };
    let story = play(Stage { program, env, dir })?;
    tell(cx.ui, &story);
    let broken: Vec<&str> = story.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    if broken.is_empty() {
        let answer = keys(&story).into_iter().fold(Answer::new("demo"), |answer, (key, value)| answer.with(key, value));
        cx.ui.answer(&answer, |_| {});
        return Ok(0);
    }
    let failure = Failure::new(ErrorCode::Internal, format!("{} did not hold", plural(broken.len(), "check")))
        .why(broken.join("; "))
        .hint(format!("{} holds what happened", story.dir.display()));
    Err(keys(&story).into_iter().fold(failure, |failure, (key, value)| failure.with(key, value)))
}

fn keys(story: &Story) -> [(&'static str, Value); 5] {
    [
        ("dir", json!(story.dir.display().to_string())),
        ("kept", json!(story.kept)),
        ("steps", json!(story.steps().collect::<Vec<_>>())),
        ("receipts", json!(story.receipts)),
        ("checks", json!(story.checks)),
    ]
}

fn tell(ui: &mut Ui, story: &Story) {
    for scene in &story.scenes {
        ui.line(Line::new().styled(STRONG, &scene.title));
        ui.table(&rows(scene));
    }
    let head = story.receipts.last().map_or("", |receipt| receipt.commit.as_str());
    ui.line(Line::new().styled(STRONG, "What everybody was told, held against the remote"));
    for check in &story.checks {
        let (style, word) = if check.ok { (GOOD, "ok") } else { (BAD, "BROKEN") };
        let line = Line::new().text("  ").styled(style, word).text("  ").text(check.name);
        ui.line(match &check.found {
            Some(found) => line.text(": ").text(found),
            None => line,
        });
    }
    ui.line(format!("{}, the last is {}", plural(story.receipts.len(), "receipt"), short(head)));
    ui.line(Line::new().styled(DIM, &whereabouts(story)));
}

fn whereabouts(story: &Story) -> String {
    if story.kept {
        return format!("look around: git -C {} log", remote(&story.dir));
    }
    "the folder is gone again; `squad demo DIR` keeps it".to_owned()
}

fn remote(dir: &Path) -> String {
    dir.join("remote.git").display().to_string()
}

fn rows(scene: &Scene) -> Table {
    let mut table = Table::new(&[10, 40, 12, 10, 104]);
    if scene.prologue {
        let who = scene.steps.first().map_or("", |step| step.agent);
        let mut verbs: Vec<&str> = scene.steps.iter().map(verb).collect();
        verbs.dedup();
        let done = scene.steps.iter().filter(|step| step.changed()).count();
        table.row([indented(who).into(), verbs.join(", ").into(), plural(done, "receipt").into()]);
        return table;
    }
    // Who only looks changes nothing, and is in the JSON.
    for step in scene.steps.iter().filter(|step| verb(step) != "sync") {
        let exit = step.exit.map_or_else(|| "?".to_owned(), |code| code.to_string());
        table.row([
            indented(step.agent).into(),
            words(step, 2).into(),
            Cell::styled(if step.succeeded() { GOOD } else { BAD }, exit),
            Cell::styled(DIM, step.commit.as_deref().map(short).unwrap_or_default()),
            step.summary.as_str().into(),
        ]);
    }
    table
}

fn indented(text: &str) -> String {
    format!("  {text}")
}

fn verb(step: &Step) -> &str {
    step.command.split(' ').next().unwrap_or_default()
}

fn words(step: &Step, n: usize) -> String {
    step.command.split(' ').take(n).collect::<Vec<_>>().join(" ")
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
