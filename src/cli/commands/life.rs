//! `beat`, `wait`, `recover`, `heartbeat`, `wake`

use serde_json::{Value, json};

use super::answers;
use super::scan::{self, DEFAULT_ROWS};
use crate::cli::args::{BeatArgs, HeartbeatArgs, RecoverArgs, WaitArgs, WakeArgs};
use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, DIM, GOOD, Line, STRONG, WARN, rfc3339, short};
use crate::ops::beat::beat as give;
use crate::ops::doctor::State;
use crate::ops::failure::Failure;
use crate::ops::heartbeat::{Wanted, heartbeat as tick};
use crate::ops::recover::recover as bring_back;
use crate::ops::wait::{Asked, Ended, wait as wait_for};
use crate::ops::wake::wake as ask_for;

pub(in crate::cli) fn beat(cx: &mut Context<'_>, args: &BeatArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let given = give(&session, args.leave)?;
    cx.ui.answer(&Answer::of("beat", &given), |ui| {
        let mut line = Line::new().styled(STRONG, given.agent.as_str()).text(" ").text(given.state.as_str());
        if let Some(until) = given.ready_until {
            line = line.text(" until ").text(&rfc3339(until));
        }
        ui.line(line);
    });
    Ok(0)
}

pub(in crate::cli) fn wait(cx: &mut Context<'_>, args: WaitArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let asked = Asked { timeout: args.timeout, claim: args.claim, plan: args.plan };
    let waited = wait_for(&session, &asked)?;
    if let Some(done) = &waited.done {
        let epoch = done.task().map_or(Value::Null, |task| json!(task.epoch));
        return Ok(answers::done(cx, "wait", done, vec![("ended", json!(waited.ended)), ("epoch", epoch)]));
    }
    let document = waited.task.as_ref().map(|(_, document)| document.clone());
    let answer = Answer::new("wait").with("task", json!(document)).with("ended", json!(waited.ended));
    cx.ui.answer(&answer, |ui| match (&waited.task, waited.ended) {
        (Some((task, _)), _) => ui.line(Line::new().styled(STRONG, task.id.as_str()).text("  ").text(&task.title)),
        (None, Ended::Superseded) => ui.line("a newer process of this agent waits"),
        (None, _) => ui.line("HEARTBEAT_OK"),
    });
    Ok(0)
}

pub(in crate::cli) fn recover(cx: &mut Context<'_>, args: &RecoverArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let recoveries = bring_back(&session)?;
    for failed in recoveries.failed.iter().chain(&recoveries.warnings) {
        cx.ui.warn(failed);
    }
    let mut answer = Answer::of("recover", &recoveries);
    if args.writing.dry_run {
        answer = answer.with("dryRun", true);
    }
    cx.ui.answer(&answer, |ui| {
        for r in &recoveries.recovered {
            let whose = r.agent.as_ref().map(|agent| format!(" of {agent}")).unwrap_or_default();
            let text = format!("{whose}: {}", r.seen);
            let mut line = Line::new().styled(STRONG, r.task.as_str()).text("  ").styled(GOOD, r.trigger).text(&text);
            if let Some(commit) = &r.commit {
                line = line.styled(DIM, &format!("  commit {}", short(commit)));
            }
            ui.line(line);
        }
        if recoveries.recovered.is_empty() {
            ui.line("nothing to recover");
        }
    });
    Ok(0)
}

pub(in crate::cli) fn heartbeat(cx: &mut Context<'_>, args: &HeartbeatArgs) -> Result<u8, Failure> {
    let mut session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let limit = args.limit.or((!cx.ui.is_json()).then_some(DEFAULT_ROWS));
    let tick = tick(&mut session, Wanted { budget: args.budget, limit })?;
    super::blocked(cx, tick.scanned.cause.as_deref());
    for warning in &tick.warnings {
        cx.ui.warn(warning);
    }
    let mut answer = Answer::of("heartbeat", &tick);
    if args.writing.dry_run {
        answer = answer.with("dryRun", true);
    }
    let now = session.now();
    cx.ui.answer(&answer, |ui| {
        for (name, check) in tick.checks.iter().filter(|(_, check)| check.state == State::Failed) {
            ui.line(Line::new().styled(BAD, "failed ").text(&format!("{name}: {}", check.detail)));
        }
        for event in &tick.events {
            ui.line(Line::new().styled(WARN, event.event).text(" ").text(&event.sentence));
        }
        for task in &tick.requests {
            ui.line(Line::new().styled(WARN, "verdict asked for ").text(task.as_str()));
        }
        scan::print(ui, &tick.scanned, now, true);
    });
    Ok(0)
}

pub(in crate::cli) fn wake(cx: &mut Context<'_>, args: &WakeArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let woken = ask_for(&session, &args.name, args.reason.as_deref())?;
    for warning in &woken.warnings {
        cx.ui.warn(warning);
    }
    let mut answer = Answer::of("wake", &woken);
    if args.writing.dry_run {
        answer = answer.with("dryRun", true);
    }
    cx.ui.answer(&answer, |ui| {
        let line = Line::new().styled(STRONG, woken.request.agent.as_str());
        ui.line(if woken.skipped {
            let since = format!(" by {} at {}", woken.request.by, rfc3339(woken.request.at));
            line.text(" has been asked for already").styled(WARN, &since)
        } else {
            line.text(" is asked for")
        });
    });
    Ok(0)
}
