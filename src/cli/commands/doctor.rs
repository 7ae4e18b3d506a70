//! `doctor`

use serde_json::json;

use crate::cli::run::Context;
use crate::cli::ui::{Answer, BAD, DIM, GOOD, HINT, Line, Ui, WARN, plural};
use crate::model::code::ErrorCode;
use crate::ops::doctor::{Probe, State, examine};
use crate::ops::failure::Failure;

pub(in crate::cli) fn run(cx: &mut Context<'_>) -> Result<u8, Failure> {
    let probes = examine(cx.options()?, cx.clock.clone());
    let failed: Vec<&str> = probes.iter().filter(|p| p.state == State::Failed).map(|p| p.name).collect();
    if !failed.is_empty() {
        if !cx.ui.is_json() {
            print(cx.ui, &probes);
        }
        let what = plural(failed.len(), "check");
        return Err(Failure::new(ErrorCode::Invalid, format!("{what} failed: {}", failed.join(", ")))
            .hint("each says what to do about it; run `squad doctor` again then")
            .with("checks", json!(probes)));
    }
    cx.ui.answer(&Answer::new("doctor").with("checks", json!(probes)), |ui| print(ui, &probes));
    Ok(0)
}

/// Prints one line for each, and what to do about those that want something done.
fn print(ui: &mut Ui, probes: &[Probe]) {
    for probe in probes {
        let (style, word) = match probe.state {
            State::Ok if probe.warning => (WARN, "warning"),
            State::Ok => (GOOD, "ok"),
            State::Failed => (BAD, "failed"),
            State::Skipped | State::Unavailable => (DIM, probe.state.as_str()),
        };
        let mut line = Line::new().styled(style, &format!("{word:<11} ")).text(&format!("{:<12} ", probe.name));
        line = line.text(&probe.detail);
        if let Some(fix) = probe.fix.as_ref().filter(|_| probe.warning || probe.state == State::Failed) {
            line = line.styled(HINT, " → ").text(fix);
        }
        ui.line(line);
    }
}
