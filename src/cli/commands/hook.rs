//! `hook install`, `hook uninstall`, `hook status`, `hook pre-commit`
//!
//! None of them ends with 2, which coding agents read from a hook as "block this".

use std::collections::BTreeSet;
use std::panic::{self, UnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::args::HookCommand;
use crate::cli::report::text::told;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, DIM, GOOD, HINT, Line, Ui, plural};
use crate::model::code::ErrorCode;
use crate::model::id::AgentName;
use crate::ops::doctor::State;
use crate::ops::failure::Failure;
use crate::ops::hook::{Changed, Hook, How, Told, find_repository, install, pre_commit, status, uninstall};

/// What a hook that must not fail says where it has.
const BUG: &str = "squad cannot judge this commit: it has a bug, and this commit has found it";

/// Longest that a commit is kept waiting.
const LONGEST: Duration = Duration::from_secs(20);

pub(in crate::cli) fn run(cx: &mut Context<'_>, name: &'static str, command: HookCommand) -> Result<u8, Failure> {
    let done = match command {
        HookCommand::Install(args) => put_in(cx, name, args.writing.dry_run),
        HookCommand::Uninstall(args) => take_out(cx, name, args.writing.dry_run),
        HookCommand::Status => tell_status(cx, name),
        HookCommand::PreCommit => judge(cx, name),
    };
    done.map_err(|failure| match failure.code {
        ErrorCode::Usage => Failure { code: ErrorCode::Internal, ..failure },
        _ => failure,
    })
}

fn put_in(cx: &mut Context<'_>, name: &'static str, dry_run: bool) -> Result<u8, Failure> {
    let repository = find_repository(&cx.dir()?)?;
    let program = std::env::current_exe().ok();
    let changed = install(&repository, program.as_deref(), dry_run)?;
    tell(cx, name, &changed, dry_run, |ui| {
        for hook in &changed.hooks {
            print(ui, hook);
            if let (Some(snippet), State::Skipped) = (hook.snippet, hook.state) {
                ui.line(format!("squad leaves that file to you; write into {}:", hook.path));
                ui.block("  ", snippet);
            }
        }
        if changed.changes.is_empty() && changed.hooks.iter().any(|hook| hook.state == State::Ok) {
            ui.line("already installed, nothing to do");
        }
    });
    Ok(0)
}

fn take_out(cx: &mut Context<'_>, name: &'static str, dry_run: bool) -> Result<u8, Failure> {
    let changed = uninstall(&find_repository(&cx.dir()?)?, dry_run)?;
    tell(cx, name, &changed, dry_run, |ui| {
        for change in &changed.changes {
            ui.line(Line::new().text("taken out of ").text(&change.path));
        }
        let by_hand: Vec<_> =
            changed.hooks.iter().filter(|hook| hook.how == How::ByHand && hook.state != State::Skipped).collect();
        for hook in &by_hand {
            ui.line(Line::new().text(&hook.path).text(" still asks squad: somebody wrote that, and it is theirs"));
        }
        if changed.changes.is_empty() && by_hand.is_empty() {
            ui.line("not installed, nothing to do");
        }
    });
    Ok(0)
}

fn tell_status(cx: &mut Context<'_>, name: &'static str) -> Result<u8, Failure> {
    let hooks = status(&find_repository(&cx.dir()?)?)?;
    cx.ui.answer(&Answer::new(name).with("hooks", json!(hooks)), |ui| hooks.iter().for_each(|hook| print(ui, hook)));
    Ok(0)
}

/// Answers what was changed, or would be.
fn tell(cx: &mut Context<'_>, name: &'static str, changed: &Changed, dry_run: bool, text: impl FnOnce(&mut Ui)) {
    let mut answer = Answer::new(name).with("hooks", json!(changed.hooks));
    let changes: Vec<Value> = changed.changes.iter().map(|c| json!({"path": c.path, "diff": c.diff})).collect();
    answer = answer.with("changed", !changed.changes.is_empty() && !dry_run);
    if dry_run {
        answer = answer.with("dryRun", true).with("files", changes);
    }
    cx.ui.answer(&answer, |ui| {
        if dry_run && !changed.changes.is_empty() {
            for change in &changed.changes {
                ui.line(Line::new().styled(DIM, "would change: ").text(&change.path));
                ui.block("", &change.diff);
            }
        } else {
            text(ui);
        }
    });
}

/// Prints one line for a hook: state, event, how, where, what.
fn print(ui: &mut Ui, hook: &Hook) {
    let style = match hook.state {
        State::Ok => GOOD,
        State::Failed => BAD,
        State::Skipped | State::Unavailable => DIM,
    };
    let line = Line::new().styled(style, &format!("{:<8}", hook.state.as_str()));
    let line = line.text(&format!("{}  {:<8} {}: {}", hook.event, hook.how.as_str(), hook.path, hook.detail));
    ui.line(match hook.fix.as_ref().filter(|_| hook.snippet.is_none() || hook.state == State::Failed) {
        Some(fix) => line.styled(HINT, " → ").text(fix),
        None => line,
    });
}

/// Says what is wrong with a commit, on standard error, since git shows that; of one that may be made, only whose files it
/// touches.
fn judge(cx: &mut Context<'_>, name: &'static str) -> Result<u8, Failure> {
    let dir = cx.dir()?;
    let path = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let given = Told { index: path("GIT_INDEX_FILE"), git_dir: path("GIT_DIR") };
    // A name that nobody can have is not taken: it must not be in the way of a commit that touches no board.
    let said = std::env::var("SQUAD_AGENT").ok().and_then(|name| AgentName::new(&name).ok());
    let agent = cx.globals.agent.clone().or(said);
    let now = cx.clock.now();
    let judged = in_time(move || guarded(move || pre_commit(&dir, &given, agent.as_ref(), now)));
    let Some(reviewed) = judged.transpose()? else {
        let late = format!("this commit was not judged: that took longer than {} s", LONGEST.as_secs());
        cx.ui.complain(&Line::new().styled(HINT, "squad: ").text(&late));
        return Ok(0);
    };
    let errors = reviewed.violations.iter().filter(|v| v.is_error()).count();
    if errors > 0 {
        // Whoever commits has said `git commit`, which takes another `-v`.
        for line in told(&reviewed.violations, cx.ui.verbosity() > 0, "squad hook pre-commit -v") {
            cx.ui.complain(&line);
        }
        let files: BTreeSet<&str> =
            reviewed.violations.iter().filter(|v| v.is_error()).map(|v| v.file.as_str()).collect();
        let counts = format!("{} in {}", plural(errors, "violation"), plural(files.len(), "file"));
        let message = format!("squad refuses this commit: {counts}");
        return Err(Failure::new(ErrorCode::Invalid, message)
            .hint("correct the files, `git add` them and commit again; each violation says how")
            .with("changes", json!(reviewed.changes))
            .with("violations", json!(reviewed.violations)));
    }
    let held: Vec<_> = reviewed.violations.iter().filter(|v| v.code == "path-locked").cloned().collect();
    for line in told(&held, true, "") {
        cx.ui.complain(&line);
    }
    let answer = Answer::new(name)
        .with("changes", json!(reviewed.changes))
        .with("violations", json!(reviewed.violations))
        .with("verdict", json!(reviewed.verdict()));
    cx.ui.answer(&answer, |_| {});
    Ok(0)
}

/// Waits for a verdict for so long; nothing after that. Whoever commits is never kept for longer: the pull request is
/// judged as well.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || drop(send.send(work())));
    receive.recv_timeout(LONGEST).ok()
}

/// Turns a panic into a failure of one line: whoever commits is to be told, and not to be shown our insides.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure> + UnwindSafe) -> Result<T, Failure> {
    let told = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done = panic::catch_unwind(work);
    panic::set_hook(told);
    done.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<&str>().copied();
        let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it says nothing");
        Err(Failure::new(ErrorCode::Internal, format!("{BUG}: {words}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_one_line_that_is_no_verdict() {
        let failure =
            guarded(|| -> Result<(), Failure> { panic!("nobody thought of {}", "this") }).expect_err("it panics");
        assert_eq!((failure.code, failure.why, failure.hint), (ErrorCode::Internal, None, None));
        assert_eq!(failure.message, format!("{BUG}: nobody thought of this"));
    }
}
