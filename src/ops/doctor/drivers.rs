//! The probes that have git's drivers of this clone do their work: what git would run, on a task that is nobody's.
//!
//! Whether a command names squad says little: it may name one that is not there, or hand it the versions in another order.
//! Nothing of the user's is written; the files lie in a folder of their own, which goes with the probe.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::super::init::{Driver, MERGE_DRIVER, TEXTCONV};
use super::super::schedule::quoted;
use super::super::session::Session;
use super::Probe;
use super::tried::said;
use crate::board::layout::LIVE_DIR;
use crate::board::repository::{find_program, notifying_environment};
use crate::board::store::write_whole;
use crate::runner::command::{Call, Ran, run_together};

/// Longest time that a command may take: git itself would wait for ever.
const LIMIT: Duration = Duration::from_secs(20);

/// Most characters of a command that a detail shows.
const SHOWN: usize = 200;

/// The task that is merged and shown.
const TASK: &str = "doctor";

/// What one side says, and the other.
const OURS: &str = "said on our side";
const THEIRS: &str = "said on the other side";

/// What git would run, and where nothing can be told of it.
enum Tried {
    /// It does what it is for.
    Works,
    /// It runs, and does something else.
    Else(String),
    /// git fails with it.
    Fails(String),
}

/// Has the merge driver merge two versions of a task, each with a message that the other lacks.
pub(super) fn merge_driver(session: &Session) -> Probe {
    let name = "merge-driver";
    let Some(command) = session.board.settings.get(MERGE_DRIVER.key) else {
        return Probe::warning(name, "git merges tasks of this clone line by line: no driver is set up")
            .fix(format!("{} lets it merge them by their fields, or `squad init`", set(MERGE_DRIVER)));
    };
    let fix = format!("{} lets git merge tasks by their fields", set(MERGE_DRIVER));
    if let Some(probe) = without_program(name, MERGE_DRIVER, command) {
        return probe;
    }
    match merged(session, command) {
        Ok(Tried::Works) => Probe::ok(name, "tried: git asks squad to merge tasks"),
        Ok(Tried::Else(seen) | Tried::Fails(seen)) => Probe::failed(
            name,
            format!("tried: `{}` {seen}", shown(command)),
        )
        .fix(with_init(MERGE_DRIVER, command, fix)),
        Err(why) => Probe::unavailable(name, why),
    }
}

/// Has a task shown as text.
pub(super) fn textconv(session: &Session) -> Probe {
    let name = "textconv";
    let fix = format!("{} lets it show them as text", set(TEXTCONV));
    let Some(command) = session.board.settings.get(TEXTCONV.key) else {
        return Probe::ok(name, "git shows changes of tasks as JSON").fix(fix);
    };
    if let Some(probe) = without_program(name, TEXTCONV, command) {
        return probe;
    }
    match as_text(session, command) {
        Ok(Tried::Works) => Probe::ok(name, "tried: git asks squad to show changes of tasks"),
        // Somebody may like to see them in another way.
        Ok(Tried::Else(seen)) => Probe::warning(name, format!("tried: `{}` {seen}", shown(command))).fix(fix),
        Ok(Tried::Fails(seen)) => {
            let detail = format!("tried: `{}` {seen}; `git log -p` and `git diff` fail with it", shown(command));
            Probe::failed(name, detail).fix(with_init(TEXTCONV, command, fix))
        }
        Err(why) => Probe::unavailable(name, why),
    }
}

fn set(Driver { key, command }: Driver) -> String {
    format!("`git config {key} \"{command}\"`")
}

/// A setting that is as `init` makes it is not what is wrong; that no squad is on PATH is the finding of another probe.
fn without_program(name: &'static str, driver: Driver, command: &str) -> Option<Probe> {
    (command == driver.command && find_program("squad").is_none()).then(|| {
        Probe::warning(name, format!("git runs `{command}`, and no squad is on PATH"))
            .fix("put the folder of this program on PATH")
    })
}

fn with_init(driver: Driver, command: &str, fix: String) -> String {
    if driver.mended(command).is_some() { fix + ", or `squad init`" } else { fix }
}

fn merged(session: &Session, command: &str) -> Result<Tried, String> {
    let folder = folder()?;
    let file = |name: &str, said: &[&str]| write(folder.path(), name, said);
    let base = file("base", &[])?;
    let ours = file("ours", &[OURS])?;
    let theirs = file("theirs", &[THEIRS])?;
    let line = filled(command, |placeholder| match placeholder {
        '%' => Some("%".to_owned()),
        'O' => Some(quoted(&base)),
        'A' => Some(quoted(&ours)),
        'B' => Some(quoted(&theirs)),
        'P' => Some(quoted(&format!("{LIVE_DIR}/{TASK}.json"))),
        'L' => Some("7".to_owned()),
        'S' | 'X' | 'Y' => Some(quoted(TASK)),
        _ => None,
    });
    let ran = match run(session, vec!["-c".to_owned(), line])? {
        Ok(ran) => ran,
        Err(error) => return Ok(Tried::Fails(error.to_string())),
    };
    let result = std::fs::read_to_string(&ours).unwrap_or_default();
    let lacks = [(OURS, "ours"), (THEIRS, "theirs")].into_iter().find(|(message, _)| !result.contains(message));
    Ok(match (ran.code, lacks) {
        (Some(0), None) => Tried::Works,
        (Some(0), Some((_, side))) => Tried::Else(format!("ends with 0, and leaves out what only {side} says")),
        _ => Tried::Fails(ended(&ran)),
    })
}

fn as_text(session: &Session, command: &str) -> Result<Tried, String> {
    let folder = folder()?;
    let file = write(folder.path(), "task", &[OURS])?;
    // As git hands on an argument. Source: run-command.c of git, prepare_shell_cmd.
    let line = format!("{command} \"$@\"");
    let ran = match run(session, vec!["-c".to_owned(), line, command.to_owned(), file])? {
        Ok(ran) => ran,
        Err(error) => return Ok(Tried::Fails(error.to_string())),
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    let has = |wanted: &str| text.lines().any(|line| line == wanted);
    Ok(match ran.code {
        Some(0) if has(&format!("title: {TASK}")) && has(&format!("    | {OURS}")) => Tried::Works,
        Some(0) if text.trim().is_empty() => Tried::Fails("shows nothing of a task".to_owned()),
        Some(0) => Tried::Else("does not show a task as squad does".to_owned()),
        _ => Tried::Fails(ended(&ran)),
    })
}

fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|error| format!("there is no folder to try it in: {error}"))
}

/// Writes a version of the task with these messages, and returns where.
fn write(folder: &Path, name: &str, said: &[&str]) -> Result<String, String> {
    let path = folder.join(name);
    let message = |text: &&str| json!({"id": text, "author": TASK, "content": text, "timestamp": 1});
    let task = json!({
        "id": TASK, "title": TASK, "status": "backlog", "priority": "medium", "createdAt": 1, "updatedAt": 1,
        "chat": said.iter().map(message).collect::<Vec<_>>(),
    });
    write_whole(&path, format!("{task:#}\n").as_bytes())
        .map_err(|error| format!("it cannot be tried: {}: {error}", folder.display()))?;
    path.into_os_string().into_string().map_err(|path| format!("no command can be told {}", path.display()))
}

/// Returns the command with what git puts in for its placeholders; one that is unknown stays.
fn filled(command: &str, value: impl Fn(char) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::new(), command);
    while let Some((before, after)) = rest.split_once('%') {
        out += before;
        let mut chars = after.chars();
        match chars.next().and_then(&value) {
            Some(value) => {
                out += &value;
                rest = chars.as_str();
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out + rest
}

/// Runs a line as git does; the inner error is one that git would have as well.
fn run(session: &Session, args: Vec<String>) -> Result<io::Result<Ran>, String> {
    let Some(program) = find_program("sh") else { return Err("there is no sh on PATH to run it".to_owned()) };
    let dir = session.board.place.run_dir().to_owned();
    let call = Call { program, args, dir, env: notifying_environment(), stdin: Vec::new() };
    match run_together(&[call], LIMIT).map(|mut ran| ran.pop()) {
        Ok(Some(ran)) => Ok(Ok(ran)),
        Ok(None) => Err("it did not run".to_owned()),
        Err(error) => Ok(Err(error)),
    }
}

fn ended(ran: &Ran) -> String {
    match ran.code {
        Some(code) => format!("ends with {code}{}", said(ran)),
        None => "was killed".to_owned(),
    }
}

fn shown(command: &str) -> String {
    let cut: String = command.chars().take(SHOWN).collect();
    if cut.len() < command.len() { cut + "…" } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_as_git_does() {
        let value =
            |c: char| matches!(c, 'O' | '%').then(|| if c == '%' { "%".to_owned() } else { quoted("/tmp/a b") });
        assert_eq!(filled("x %O %%O %Z 100%", value), "x '/tmp/a b' %O %Z 100%");
        assert_eq!(quoted("/tmp/a_b-1"), "/tmp/a_b-1");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
