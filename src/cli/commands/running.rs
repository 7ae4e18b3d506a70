//! `run`

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::state_home;
use crate::cli::args::RunArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, GOOD, Line, STRONG, WARN, plural};
use crate::model::code::ErrorCode;
use crate::ops::failure::Failure;
use crate::ops::run::{Asked, Heard, Outcome, Ran, Until, run as dispatch};

/// What a command needs to find its programs, its user's settings and keys; everything else is named in `squad.env`.
const NEEDED: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "SHELL", "SSH_AUTH_SOCK"];

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: RunArgs) -> Result<u8, Failure> {
    let shim = std::env::current_exe()
        .map_err(|e| Failure::new(ErrorCode::Internal, "squad does not find itself").caused_by(&e))?;
    let named = cx.session()?.board.settings.all("squad.env").to_vec();
    let passed = |name: &OsString| {
        let name = name.to_str();
        name.is_some_and(|n| NEEDED.contains(&n) || n.starts_with("LC_") || named.iter().any(|named| named == n))
    };
    let until = match (args.once, args.until_idle) {
        (true, _) => Until::Once,
        (_, true) => Until::Idle,
        _ => Until::Stopped,
    };
    let env = std::env::vars_os().filter(|(name, _)| passed(name)).collect();
    let options = cx.options()?;
    let asked = Asked {
        command: from_here(args.command, &options.dir),
        until,
        timeout: args.timeout,
        slice: args.slice,
        limit: usize::from(args.limit),
        slots: state_home().map(|state| state.join("squad")),
        shim,
        env,
    };
    let clock = cx.clock.clone();
    let json = cx.globals.json;
    let ui = &mut *cx.ui;
    let results = dispatch(&options, &clock, &asked, &mut |heard| match heard {
        Heard::Begun { task, log } if !json => {
            let by = task.holder().map_or(String::new(), |agent| format!(" by {agent}"));
            let line =
                Line::new().styled(STRONG, task.id.as_str()).text("  begun").text(&by).text(": ").text(&task.title);
            ui.note(line.text("  log ").text(&log.display().to_string()));
        }
        Heard::Over(ran) if !json => {
            ui.line(line(ran));
            ui.flush();
        }
        Heard::Begun { .. } | Heard::Over(_) => {}
        Heard::Full => ui.warn("as many commands run on this machine as squad.maxRuns allows"),
        Heard::Unreachable(failure) => ui.warn(&format!("{}; it is asked again", failure.message)),
    })?;
    cx.ui.answer(&Answer::new("run").with("results", json!(results)), |ui| {
        if results.is_empty() {
            ui.line("HEARTBEAT_OK");
        }
    });
    Ok(0)
}

/// A program that is named by a path is meant from where the command was typed, and runs in a worktree.
fn from_here(mut command: Vec<OsString>, dir: &Path) -> Vec<OsString> {
    if let Some(program) = command.first_mut() {
        let path = Path::new(program);
        let there = dir.join(path);
        if path.components().count() > 1
            && there.is_file()
            && let Ok(there) = std::path::absolute(there)
        {
            *program = there.into_os_string();
        }
    }
    command
}

fn line(ran: &Ran) -> Line {
    let style =
        if matches!(ran.outcome, Outcome::Completed | Outcome::Review | Outcome::Yielded) { GOOD } else { WARN };
    let line = Line::new().styled(STRONG, ran.task.as_str()).text("  ").styled(style, ran.outcome.as_str());
    let error = ran.error.as_deref().and_then(|error| error.lines().next()).map(|error| format!(": {error}"));
    let kept = ran.worktree.as_ref().map(|path| format!("  work kept in {}", path.display()));
    let leaked = (ran.leaked > 0).then(|| format!("  {} left behind, ended", plural(ran.leaked, "process")));
    let line = line.text(&leaked.unwrap_or_default());
    line.text(&error.unwrap_or_default()).text(&kept.unwrap_or_default())
}
