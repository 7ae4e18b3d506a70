//! `log`, `activity`

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::board::receipt::Receipt;
use crate::cli::args::{ActivityArgs, LogArgs};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, DIM, Line, STRONG, Ui, rfc3339, short};
use crate::model::operation::RecoverTrigger;
use crate::model::vocabulary::Cause;
use crate::ops::failure::Failure;
use crate::ops::look::{LogFilter, receipts, refusals};
use crate::ops::session::{Freshness, Session};

/// Rows that text shows unless told otherwise.
const DEFAULT_ROWS: usize = 20;

/// Rows of the activity unless told otherwise.
const ACTIVITY_ROWS: usize = 50;

/// Between two looks of `--follow`.
const POLL: Duration = Duration::from_secs(2);

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: LogArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let limit = args.limit.or((!cx.ui.is_json()).then_some(DEFAULT_ROWS));
    let agent = args.by.filter(|_| !args.all);
    let filter = LogFilter { task: args.task, agent, failed: args.failed, since: None, limit };
    answer(cx, "log", &session, &filter)?;
    if args.follow {
        follow(cx, &session, filter)?;
    }
    Ok(0)
}

pub(in crate::cli) fn activity(cx: &mut Context<'_>, args: &ActivityArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let limit = Some(args.limit.unwrap_or(ACTIVITY_ROWS));
    answer(cx, "activity", &session, &LogFilter { limit, ..LogFilter::default() })?;
    Ok(0)
}

fn answer(cx: &mut Context<'_>, name: &'static str, session: &Session, filter: &LogFilter) -> Result<(), Failure> {
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    let found = receipts(session, view.head, filter)?;
    let mut answer = Answer::new(name).with("receipts", json!(found));
    // Of an operation that was refused the board has only the id: no filter can be asked of it.
    let all = filter.failed && filter.task.is_none() && filter.agent.is_none();
    let refused = if all { refusals(session, view.head, filter.limit)? } else { Vec::new() };
    if filter.failed {
        answer = answer.with("refusals", json!(refused));
    }
    let answer = super::with_cause(answer, view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| {
        for receipt in &found {
            print(ui, receipt);
        }
        for refused in &refused {
            let at = rfc3339(refused.at);
            let line = Line::new().styled(DIM, &format!("{}  {at}  ", short(&refused.commit)));
            ui.line(line.text(&format!("{} refused: {}", refused.op, refused.code)));
        }
        if found.is_empty() && refused.is_empty() {
            ui.line("no receipts");
        }
    });
    Ok(())
}

/// Prints receipts as they land, oldest first, until the reader has gone or the process is ended.
fn follow(cx: &mut Context<'_>, session: &Session, mut filter: LogFilter) -> Result<(), Failure> {
    let mut last = session.view(Freshness::Due)?.head;
    filter.limit = None;
    loop {
        cx.ui.flush();
        thread::sleep(POLL);
        let head = session.view(Freshness::Now)?.head;
        if head == last {
            continue;
        }
        let known = last.to_string();
        let mut fresh: Vec<Receipt> = Vec::new();
        session.board.receipts(head, None, |receipt| {
            let more = receipt.commit != known;
            if more {
                fresh.push(receipt);
            }
            more
        })?;
        for receipt in fresh.iter().rev().filter(|r| filter.admits(r)) {
            if cx.ui.is_json() {
                cx.ui.answer(&Answer::new("log").with("receipts", json!([receipt])), |_| {});
            } else {
                print(cx.ui, receipt);
            }
        }
        last = head;
    }
}

fn print(ui: &mut Ui, receipt: &Receipt) {
    let about = match (&receipt.task, receipt.tasks.len()) {
        (Some(task), _) => task.to_string(),
        (None, 0) => "board".to_owned(),
        (None, n) => format!("{n} tasks"),
    };
    let step = match (receipt.from, receipt.to) {
        (Some(from), Some(to)) if from != to => format!("  {from} → {to}"),
        (None, Some(to)) => format!("  → {to}"),
        _ => String::new(),
    };
    let mut line = Line::new()
        .styled(DIM, &format!("{}  {}  ", short(&receipt.commit), rfc3339(receipt.at)))
        .styled(STRONG, &about)
        .text(&format!("  {} by {}{step}", receipt.verb.command(), receipt.actor));
    let sort = receipt.cause.map(Cause::as_str).or(receipt.trigger.map(RecoverTrigger::as_str));
    if let (Some(sort), Some(error)) = (sort, &receipt.error) {
        line = line.text(&format!("  {sort}: ")).text(error);
    }
    ui.line(line);
}
