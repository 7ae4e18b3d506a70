//! `demo`, `selftest`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::args::DemoArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, Cell, DIM, GOOD, Line, STRONG, Table, Ui, plural, short};
use crate::model::code::ErrorCode;
use crate::ops::demo::{Check, Scene, Stage, Step, Story, World, play};
use crate::ops::failure::Failure;

/// What programs need to start; nothing else of the environment reaches the players.
const NEEDED: &[&str] =
    &["PATH", "PATHEXT", "SystemRoot", "ComSpec", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &DemoArgs) -> Result<u8, Failure> {
    let program = program()?;
    let env = NEEDED.iter().filter_map(|key| Some((OsString::from(key), std::env::var_os(key)?))).collect();
    let dir = match &args.dir {
        Some(dir) => Some(cx.dir()?.join(dir)),
        None => None,
    };
    let story = play(Stage { world: World::Bare, program, env, dir })?;
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

fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|e| Failure::new(ErrorCode::Internal, "cannot tell where this program is").caused_by(&e))
}

/// What of the environment says where a repository is or who acts there: the play has both of its own.
fn is_of_a_place(key: &str) -> bool {
    const PLACES: &[&str] = &[
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
    ];
    PLACES.contains(&key) || key.starts_with("SQUAD_")
}

pub(in crate::cli) fn selftest(cx: &mut Context<'_>) -> Result<u8, Failure> {
    let env = std::env::vars_os().filter(|(key, _)| !key.to_str().is_some_and(is_of_a_place)).collect();
    let hint = "`squad demo` does the same without your git's settings: where that holds, one of `git config --list \
                --show-origin` is in the way; `squad doctor` looks at the rest";
    let story = play(Stage { world: World::Users, program: program()?, env, dir: None }).map_err(|failure| {
        Failure { code: ErrorCode::Invalid, hint: failure.hint.clone().or_else(|| Some(hint.to_owned())), ..failure }
    })?;
    for check in &story.checks {
        cx.ui.line(verdict(check));
    }
    let failed: Vec<&Check> = story.checks.iter().filter(|check| !check.ok).collect();
    if failed.is_empty() {
        let answer = Answer::new("selftest")
            .with("checks", json!(story.checks))
            .with("steps", json!(story.steps().collect::<Vec<_>>()));
        cx.ui.answer(&answer, |ui| ui.line(Line::new().styled(DIM, "nothing of it is left behind")));
        return Ok(0);
    }
    // The first step that went wrong is mostly why the others did.
    let step = story.steps().find(|step| !step.is_foreseen());
    let why = match step {
        Some(step) => format!("the first was `squad {}`: {}", step.command, step.summary),
        None => failed.iter().filter_map(|check| check.found.as_deref()).collect::<Vec<_>>().join("; "),
    };
    Err(Failure::new(ErrorCode::Invalid, format!("{} did not hold", plural(failed.len(), "check")))
        .why(why)
        .hint(hint)
        .with("checks", json!(story.checks))
        .with("steps", json!(story.steps().collect::<Vec<_>>())))
}

/// Tells a check in one line.
fn verdict(check: &Check) -> Line {
    let (style, word) = if check.ok { (GOOD, "ok") } else { (BAD, "BROKEN") };
    let line = Line::new().text("  ").styled(style, word).text("  ").text(check.name);
    match &check.found {
        Some(found) => line.text(": ").text(found),
        None => line,
    }
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
        ui.line(verdict(check));
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
