//! `scan`

use super::provisional::{self, mark};
use crate::cli::args::ScanArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, Cell, DIM, Line, STRONG, Table, Ui, WARN, age, plural, rfc3339};
use crate::model::id::Millis;
use crate::model::query::Standing;
use crate::ops::failure::Failure;
use crate::ops::scan::{Asked, Scanned, scan};

/// Rows that text shows unless told otherwise: an agent pays for every one.
pub(super) const DEFAULT_ROWS: usize = 20;

/// Rows of each list behind the tasks.
const SIDE_ROWS: usize = 5;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &ScanArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let limit = args.limit.or((!cx.ui.is_json()).then_some(DEFAULT_ROWS));
    let asked = Asked { since_last: args.since_last, safe: args.safe, fresh: args.fresh, limit };
    let scanned = scan(&session, asked)?;
    super::blocked(cx, scanned.cause.as_deref());
    let answer = Answer::of("scan", &scanned);
    let now = session.now();
    cx.ui.answer(&answer, |ui| print(ui, &scanned, now, args.since_last));
    Ok(0)
}

pub(super) fn print(ui: &mut Ui, scanned: &Scanned, now: Millis, mark_new: bool) {
    let mut table = Table::new(&[32, 11, 8, 3, 12, 40]);
    for row in &scanned.tasks {
        let why = row.why.first().map_or("", |w| w.as_str());
        table.row([
            Cell::styled(STRONG, row.id.as_str()),
            row.status.as_str().into(),
            row.effective_priority.as_str().into(),
            if mark_new && row.new { "new" } else { "" }.into(),
            Cell::styled(DIM, why),
            format!("{}{}", mark(&scanned.provisional, &row.id), row.title).into(),
        ]);
    }
    ui.table(&table);
    if scanned.total > scanned.tasks.len() {
        ui.line(format!("{} more; `--limit N` shows them", plural(scanned.total - scanned.tasks.len(), "task")));
    }
    for m in scanned.mentions.iter().take(SIDE_ROWS) {
        let why = Line::new().styled(WARN, m.why.as_str());
        ui.line(why.text(&format!(" {} by {}: ", m.task, m.author)).text(&m.content));
    }
    for o in &scanned.obligations {
        let word = if o.overdue { "overdue " } else { "due " };
        ui.line(Line::new().styled(WARN, word).text(&format!("{} {}", o.task, rfc3339(o.due))));
    }
    standing(ui, "blocked over 24 h", &scanned.blocked_over_24h, now);
    standing(ui, "unattended", &scanned.unattended, now);
    for i in scanned.invalid.iter().take(SIDE_ROWS) {
        ui.line(Line::new().styled(BAD, "invalid ").text(&format!("{}: {}", i.file, i.message)));
    }
    provisional::print(ui, &scanned.provisional);
    if scanned.status == "HEARTBEAT_OK" {
        ui.line("HEARTBEAT_OK");
    }
}

fn standing(ui: &mut Ui, label: &str, list: &[Standing], now: Millis) {
    for s in list.iter().take(SIDE_ROWS) {
        let whom = s.assigned.as_ref().map(|a| format!(" ({a})")).unwrap_or_default();
        let why = s.blocked_by.as_ref().map(|b| format!(": {b}")).unwrap_or_default();
        ui.line(Line::new().styled(WARN, label).text(&format!(" {}{whom} {}{why}", s.task, age(now, s.since))));
    }
    if list.len() > SIDE_ROWS {
        ui.line(format!("{label}: {} more", list.len() - SIDE_ROWS));
    }
}
