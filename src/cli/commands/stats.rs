//! `stats`

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::args::StatsArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Line, age};
use crate::model::id::Millis;
use crate::ops::failure::Failure;
use crate::ops::look::stats;
use crate::ops::session::Freshness;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &StatsArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    let since = args.since.map(|d| {
        let ms = i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Millis(session.now().0.saturating_sub(ms))
    });
    let found = stats(&session, &view, since)?;
    let mut answer = Answer::new("stats");
    if let Value::Object(body) = json!(found) {
        answer.body = body;
    }
    let answer = super::with_cause(answer, view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| {
        for (status, n) in &found.counts {
            ui.line(format!("{status:<12} {n}"));
        }
        let span = |ms: Option<u64>| {
            ms.map_or("–".to_owned(), |ms| age(Millis(i64::try_from(ms).unwrap_or(i64::MAX)), Millis(0)))
        };
        ui.line(Line::new().text(&format!("completed    {}", found.throughput)));
        ui.line(format!("lead time    {} (median)", span(found.lead_time)));
        ui.line(format!("cycle time   {} (median)", span(found.cycle_time)));
        ui.line(found.success_rate.map_or("success      –".to_owned(), |r| format!("success      {:.0} %", r * 100.0)));
        ui.line(format!("running      {}", found.running));
        ui.line(format!(
            "failed runs  {} ({} timed out, {} tried again)",
            found.failed, found.timed_out, found.retries
        ));
        let listed = |counts: &BTreeMap<&str, usize>| {
            let some: Vec<String> =
                counts.iter().filter(|(_, n)| **n > 0).map(|(word, n)| format!("{word} {n}")).collect();
            if some.is_empty() { "–".to_owned() } else { some.join(", ") }
        };
        ui.line(format!("blocked by   {}", listed(&found.blocked)));
        ui.line(format!("recoveries   {}", listed(&found.recoveries)));
        ui.line(format!("disconnects  {}", found.disconnects));
    });
    Ok(0)
}
