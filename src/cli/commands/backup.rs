//! `backup`, `backup list`, `backup restore`

use serde_json::json;

use super::answers;
use crate::cli::args::{BackupArgs, BackupCommand};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Cell, DIM, GOOD, Line, STRONG, Table, WARN, plural, short};
use crate::model::id::TaskId;
use crate::model::time::rfc3339;
use crate::ops::backup;
use crate::ops::failure::Failure;

/// How many ids a line lists.
const NAMED: usize = 5;

pub(in crate::cli) fn run(cx: &mut Context<'_>, name: &'static str, args: BackupArgs) -> Result<u8, Failure> {
    match args.command {
        None => make(cx, name, args.name.as_deref(), args.writing.dry_run),
        Some(BackupCommand::List) => list(cx, name),
        Some(BackupCommand::Restore(args)) => restore(cx, name, &args.name, args.writing.dry_run),
    }
}

fn make(cx: &mut Context<'_>, name: &'static str, wanted: Option<&str>, dry_run: bool) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = dry_run)?;
    let kept = backup::make(&session, wanted)?;
    for warning in &kept.warnings {
        cx.ui.warn(warning);
    }
    let mut answer = Answer::new(name).with("backup", json!(kept.backup));
    if dry_run {
        answer = answer.with("dryRun", true);
    }
    if let Some(why) = &kept.unchanged {
        answer = answer.with("unchanged", why.as_str());
    }
    if !kept.warnings.is_empty() {
        answer = answer.with("warnings", kept.warnings.clone());
    }
    cx.ui.answer(&answer, |ui| {
        if let Some(why) = &kept.unchanged {
            return ui.line(Line::new().text("nothing to do: ").text(why));
        }
        let line = if dry_run { Line::new().styled(DIM, "would keep ") } else { Line::new().styled(GOOD, "kept ") };
        let commit = short(&kept.backup.commit);
        ui.line(line.styled(STRONG, &kept.backup.name).styled(DIM, &format!("  commit {commit}")));
    });
    Ok(0)
}

fn list(cx: &mut Context<'_>, name: &'static str) -> Result<u8, Failure> {
    let session = cx.session()?;
    let (backups, cause) = backup::list(&session)?;
    super::blocked(cx, cause.as_deref());
    let answer = super::with_cause(Answer::new(name).with("backups", json!(backups)), cause.as_deref());
    cx.ui.answer(&answer, |ui| {
        let mut table = Table::new(&[100, 30, 12]);
        for backup in &backups {
            table.row([
                Cell::styled(STRONG, &backup.name),
                backup.at.map(rfc3339).unwrap_or_default().into(),
                Cell::styled(DIM, short(&backup.commit)),
            ]);
        }
        if table.is_empty() { ui.line("no backups") } else { ui.table(&table) }
    });
    Ok(0)
}

fn restore(cx: &mut Context<'_>, name: &'static str, wanted: &str, dry_run: bool) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = dry_run)?;
    let back = backup::restore(&session, wanted)?;
    let done = &back.done;
    for warning in &done.warnings {
        cx.ui.warn(warning);
    }
    let answer = Answer::new(name)
        .with("backup", json!(back.backup))
        .with("restored", json!(back.restored))
        .with("kept", json!(back.kept));
    cx.ui.answer(&answers::with_outcome(answer, done), |ui| {
        if let Some(why) = &done.unchanged {
            ui.line(Line::new().text("nothing to do: ").text(why));
        } else if let Some(preview) = &done.preview {
            answers::print_preview(ui, preview);
        } else {
            let commit = done.receipt.as_ref().map_or("", |receipt| short(&receipt.commit));
            let what = format!("{} from {}", plural(back.restored.len(), "task"), back.backup.name);
            ui.line(Line::new().styled(GOOD, "restored ").text(&what).styled(DIM, &format!("  commit {commit}")));
        }
        if !back.kept.is_empty() {
            let first: Vec<&str> = back.kept.iter().take(NAMED).map(TaskId::as_str).collect();
            let more = back.kept.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = format!("{}{more}", first.join(", "));
            ui.line(Line::new().styled(WARN, "newer, and left as they are: ").text(&what));
        }
    });
    Ok(0)
}
