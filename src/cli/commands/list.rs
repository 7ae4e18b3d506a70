//! `list`

use serde_json::Value;

use super::provisional::{self, mark, with_provisional};
use crate::cli::args::ListArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Cell, DIM, STRONG, Table, plural};
use crate::ops::failure::Failure;
use crate::ops::look::{Filter, archived, list};
use crate::ops::session::Freshness;

/// Rows that text shows unless told otherwise: an agent pays for every one.
const DEFAULT_ROWS: usize = 20;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &ListArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    super::warn_invalid(cx, &view)?;
    let filter = Filter {
        status: args.status.clone(),
        assigned: args.assigned.clone(),
        priority: args.priority,
        tag: args.tag.clone(),
        text: args.text.clone(),
        all: args.all,
    };
    let put_away = archived(&view, &filter)?;
    let tasks = list(&view, &put_away, &filter)?;
    let total = tasks.len();
    let limit = args.limit.unwrap_or(if cx.ui.is_json() { usize::MAX } else { DEFAULT_ROWS });
    let mut rows: Vec<Value> = Vec::new();
    if cx.ui.is_json() {
        for task in tasks.iter().take(limit) {
            rows.extend(crate::ops::session::document(&view.snapshot, &task.id)?);
        }
    }
    let waiting = session.provisional();
    let answer = with_provisional(Answer::new("list").with("tasks", rows).with("total", total), &waiting);
    let answer = super::with_cause(answer, view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| {
        let mut table = Table::new(&[40, 11, 8, 20, 60]);
        for task in tasks.iter().take(limit) {
            table.row([
                Cell::styled(STRONG, task.id.as_str()),
                task.status.as_str().into(),
                task.priority.as_str().into(),
                Cell::styled(
                    DIM,
                    task.holder().or(task.assigned.as_ref()).map(ToString::to_string).unwrap_or_default(),
                ),
                format!("{}{}", mark(&waiting, &task.id), task.title).into(),
            ]);
        }
        ui.table(&table);
        if total > limit {
            ui.line(format!("{} more; `--limit N` shows them", plural(total - limit, "task")));
        } else if total == 0 {
            ui.line("no tasks");
        }
        provisional::print(ui, &waiting);
    });
    Ok(0)
}
