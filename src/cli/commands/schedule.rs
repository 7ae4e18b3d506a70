//! `schedule print`, `schedule install`, `schedule uninstall`, `schedule status`

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::state_home;
use crate::cli::args::{ScheduleCommand, SchedulePlanArgs};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, Cell, DIM, GOOD, HINT, Line, Table, Ui, WARN, plural};
use crate::model::code::ErrorCode;
use crate::model::id::AgentName;
use crate::ops::failure::Failure;
use crate::ops::schedule::{Changed, Entry, Format, Machine, Standing, Wanted, install, plan, status, uninstall};

/// What the programs that own timers are told of the environment: who the user is, and where their session listens.
const NEEDED: &[&str] = &["PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "TMPDIR"];

pub(in crate::cli) fn run(cx: &mut Context<'_>, name: &'static str, command: ScheduleCommand) -> Result<u8, Failure> {
    match command {
        ScheduleCommand::Print(args) => print(cx, name, args),
        ScheduleCommand::Install(args) => {
            let dry_run = args.writing.dry_run;
            let session = cx.session_with(|o| o.dry_run = dry_run)?;
            let changed = install(&session, &machine()?, &wanted(args.plan))?;
            tell(cx, name, &changed, dry_run, |ui| {
                if changed.changes.is_empty() {
                    ui.line("already installed, nothing to do");
                } else {
                    let what = plural(changed.entries.len(), "entry");
                    ui.line(Line::new().styled(GOOD, "installed ").text(&what));
                }
                for entry in &changed.entries {
                    ui.line(Line::new().text("  ").text(&when(entry)));
                }
            });
            Ok(0)
        }
        ScheduleCommand::Uninstall(args) => {
            let dry_run = args.writing.dry_run;
            let session = cx.session_with(|o| o.dry_run = dry_run)?;
            let changed = uninstall(&session, &machine()?, args.format)?;
            tell(cx, name, &changed, dry_run, |ui| {
                for change in &changed.changes {
                    ui.line(Line::new().text("taken out of ").text(&change.path));
                }
                if changed.changes.is_empty() {
                    ui.line("not installed, nothing to do");
                }
            });
            Ok(0)
        }
        ScheduleCommand::Status => tell_status(cx, name),
    }
}

fn machine() -> Result<Machine, Failure> {
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(ErrorCode::Internal, "cannot tell where this program is").caused_by(&e))?;
    let absolute = |key: &str| std::env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("HOME");
    Ok(Machine {
        program,
        env: NEEDED
            .iter()
            .filter_map(|key| Some((OsString::from(key), std::env::var_os(key)?)))
            // What these programs say is read, and so has to be in words that are known.
            .chain([("LC_ALL".into(), "C".into())])
            .collect(),
        config_home: absolute("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config"))),
        home,
        state_home: state_home(),
    })
}

fn wanted(args: SchedulePlanArgs) -> Wanted {
    Wanted { format: args.format, only: args.only, run: args.run }
}

fn print(cx: &mut Context<'_>, name: &'static str, args: SchedulePlanArgs) -> Result<u8, Failure> {
    let schedule = plan(&cx.session()?, &machine()?, &wanted(args))?;
    for warning in &schedule.warnings {
        cx.ui.warn(warning);
    }
    let texts: Vec<Value> = schedule.texts.iter().map(|(path, text)| json!({"path": path, "text": text})).collect();
    let answer = Answer::new(name)
        .with("timer", json!(schedule.format))
        .with("everyMinutes", schedule.every_minutes)
        .with("entries", json!(schedule.entries))
        .with("texts", texts);
    cx.ui.answer(&with_warnings(answer, &schedule.warnings), |ui| {
        for (path, text) in &schedule.texts {
            if schedule.format != Format::Crontab {
                ui.line(Line::new().styled(DIM, &format!("# {path}")));
            }
            ui.block("", text);
        }
    });
    Ok(0)
}

fn tell(cx: &mut Context<'_>, name: &'static str, changed: &Changed, dry_run: bool, text: impl FnOnce(&mut Ui)) {
    for warning in &changed.warnings {
        cx.ui.warn(warning);
    }
    let mut answer = Answer::new(name)
        .with("entries", json!(changed.entries))
        .with("changed", !changed.changes.is_empty() && !dry_run);
    if dry_run {
        let files: Vec<Value> = changed.changes.iter().map(|c| json!({"path": c.path, "diff": c.diff})).collect();
        answer = answer.with("dryRun", true).with("files", files);
    }
    if let Some(former) = &changed.former {
        answer = answer.with("former", former.as_str());
    }
    if !changed.by_hand.is_empty() {
        answer = answer.with("byHand", changed.by_hand.clone());
    }
    cx.ui.answer(&with_warnings(answer, &changed.warnings), |ui| {
        if dry_run && !changed.changes.is_empty() {
            for change in &changed.changes {
                ui.line(Line::new().styled(DIM, "would change: ").text(&change.path));
                ui.block("", &change.diff);
            }
            return;
        }
        text(ui);
        if let Some(former) = &changed.former {
            ui.line(Line::new().styled(DIM, "what was there before: ").text(former));
        }
        for command in &changed.by_hand {
            ui.line(Line::new().styled(HINT, "left to run: ").text(command));
        }
    });
}

fn tell_status(cx: &mut Context<'_>, name: &'static str) -> Result<u8, Failure> {
    let installed = status(&cx.session()?, &machine()?)?;
    for warning in &installed.warnings {
        cx.ui.warn(warning);
    }
    let drift = installed.entries.iter().any(|entry| entry.state != Some(Standing::Ok));
    let answer = Answer::new(name)
        .with("entries", json!(installed.entries))
        .with("notScheduled", json!(installed.not_scheduled))
        .with("drift", drift);
    cx.ui.answer(&with_warnings(answer, &installed.warnings), |ui| {
        let mut table = Table::new(&[8, 8, 160]);
        for entry in &installed.entries {
            let standing = entry.state.unwrap_or(Standing::Ok);
            let style = match standing {
                Standing::Ok => GOOD,
                Standing::Changed => WARN,
                Standing::Extra => BAD,
            };
            let state = Cell::styled(style, standing.as_str());
            table.row([state, entry.format.as_str().into(), when(entry).into()]);
        }
        ui.table(&table);
        if installed.entries.is_empty() {
            ui.line("nothing is installed for this clone");
        }
        if drift {
            let line = "`squad schedule install` puts in what the roster and the settings ask for now";
            ui.line(Line::new().styled(HINT, line));
        }
        if !installed.entries.is_empty() && !installed.not_scheduled.is_empty() {
            let names: Vec<&str> = installed.not_scheduled.iter().map(AgentName::as_str).collect();
            ui.line(Line::new().styled(DIM, "not woken from here: ").text(&names.join(", ")));
        }
    });
    Ok(0)
}

fn with_warnings(answer: Answer, warnings: &[String]) -> Answer {
    if warnings.is_empty() { answer } else { answer.with("warnings", warnings) }
}

/// Tells an entry in one line: who, at which minutes of which hours.
fn when(entry: &Entry) -> String {
    let list = |numbers: &[u8]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let hours = if entry.hours.is_empty() { String::new() } else { format!(" of the hours {}", list(&entry.hours)) };
    let agent = entry.agent.as_deref().unwrap_or("nobody");
    format!("{agent} at the minutes {}{hours}", list(&entry.minutes))
}
