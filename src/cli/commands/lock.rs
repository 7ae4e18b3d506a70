//! `lock check`, `lock list`

use serde_json::json;

use crate::cli::args::LockCommand;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, Cell, DIM, Line, STRONG, Table, age};
use crate::model::board::Board;
use crate::model::code::ErrorCode;
use crate::model::id::Millis;
use crate::model::locks::{Conflict, derive};
use crate::model::query::lock_conflicts;
use crate::ops::failure::Failure;
use crate::ops::session::{Freshness, View};

pub(in crate::cli) fn run(cx: &mut Context<'_>, name: &'static str, command: LockCommand) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    let now = session.now();
    match command {
        LockCommand::Check(args) => check(cx, name, &view, &args.paths, session.options.agent.as_ref(), now),
        LockCommand::List => list(cx, name, &view, now),
    }
}

/// Exits with 7 where somebody else holds one of the paths, so that a script can ask before it edits.
fn check(
    cx: &mut Context<'_>,
    name: &'static str,
    view: &View,
    paths: &[String],
    me: Option<&crate::model::id::AgentName>,
    now: Millis,
) -> Result<u8, Failure> {
    let fold = view.config()?.locks.ignore_case;
    let found = lock_conflicts(paths, view.snapshot.live()?, fold).map_err(|(path, why)| {
        Failure::new(ErrorCode::Invalid, format!("{path} is no path to check"))
            .why(why)
            .hint("name paths within the repository, or globs")
    })?;
    let conflicts: Vec<&Conflict> = found.iter().filter(|c| me.is_none() || c.agent.as_ref() != me).collect();
    if let Some(first) = conflicts.iter().find(|c| c.is_hard()) {
        let whom = first.agent.as_ref().map_or("somebody".to_owned(), ToString::to_string);
        return Err(Failure::new(ErrorCode::PathLocked, format!("{} is held by {}", first.path, first.task))
            .why(format!("{whom} has held {} for {}", first.lock, age(now, first.since)))
            .hint(format!("`squad comment {} …` reaches the holder", first.task))
            .retryable(true)
            .with("conflicts", json!(conflicts)));
    }
    let answer = super::with_cause(Answer::new(name).with("conflicts", json!(conflicts)), view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| {
        for c in &conflicts {
            ui.line(Line::new().styled(DIM, "advisory: ").text(&format!("{} is named by {}", c.lock, c.task)));
        }
        if conflicts.is_empty() {
            ui.line("free");
        }
    });
    Ok(0)
}

fn list(cx: &mut Context<'_>, name: &'static str, view: &View, now: Millis) -> Result<u8, Failure> {
    let locks = derive(view.snapshot.live()?.iter().map(|card| &**card));
    let rows: Vec<_> = locks
        .values()
        .map(|w| {
            let mut row = json!({"task": w.task_id, "files": w.files, "since": w.since, "mode": w.mode});
            if let Some(agent) = &w.agent {
                row["agent"] = json!(agent);
            }
            row
        })
        .collect();
    let answer = super::with_cause(Answer::new(name).with("locks", rows), view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| {
        let mut table = Table::new(&[40, 20, 8, 5, 100]);
        for work in locks.values() {
            let style = if work.mode == crate::model::vocabulary::LockMode::Hard { BAD } else { DIM };
            table.row([
                Cell::styled(STRONG, work.task_id.as_str()),
                work.agent.as_ref().map(ToString::to_string).unwrap_or_default().into(),
                Cell::styled(style, work.mode.as_str()),
                age(now, work.since).into(),
                work.files.join(" ").into(),
            ]);
        }
        if table.is_empty() { ui.line("no locks") } else { ui.table(&table) }
    });
    Ok(0)
}
