//! `agents`, `agents add`, `agents remove`, `agents guide`

use serde_json::json;

use super::answers;
use crate::cli::args::AgentsCommand;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Cell, STRONG, Table};
use crate::model::code::ErrorCode;
use crate::model::config::Agent;
use crate::model::id::{AgentName, TaskId};
use crate::model::operation::Action;
use crate::ops::failure::Failure;
use crate::ops::look::members;
use crate::ops::session::{Freshness, Session};

pub(in crate::cli) fn run(
    cx: &mut Context<'_>,
    name: &'static str,
    command: Option<AgentsCommand>,
) -> Result<u8, Failure> {
    let (action, dry_run) = match command {
        None => {
            let session = cx.session()?;
            return list(cx, name, &session, None);
        }
        Some(AgentsCommand::Add(a)) => {
            let strict = AgentName::new(a.name.as_str()).map_err(|bad| {
                Failure::new(ErrorCode::Invalid, bad.to_string()).hint("choose a short name such as scout")
            })?;
            let agent = Agent { domain: a.domain, email: a.email, ..Agent::new(strict, a.role, a.kind) };
            (Action::AgentsAdd { agent }, a.writing.dry_run)
        }
        Some(AgentsCommand::Guide) => return guide(cx, name),
        Some(AgentsCommand::Remove(a)) => (Action::AgentsRemove { name: a.name }, a.writing.dry_run),
    };
    let session = cx.session_with(|o| o.dry_run = dry_run)?;
    let done = session.act(None, &action)?;
    list(cx, name, &session, Some(&done))
}

fn guide(cx: &mut Context<'_>, name: &'static str) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    let text = crate::cli::report::guide::guide(view.config()?, cx.globals.agent.as_ref());
    let answer = Answer::new(name).with("guide", text.as_str()).with("agents", json!(members(&session, &view, false)?));
    let answer = super::with_cause(answer, view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| text.lines().for_each(|line| ui.line(line)));
    Ok(0)
}

fn list(
    cx: &mut Context<'_>,
    name: &'static str,
    session: &Session,
    done: Option<&crate::ops::act::Done>,
) -> Result<u8, Failure> {
    let view = session.view(Freshness::WithSigns)?;
    super::warn_degraded(cx, &view);
    let members = members(session, &view, true)?;
    let mut answer = super::with_cause(Answer::new(name).with("agents", json!(members)), view.degraded.as_deref());
    if let Some(done) = done {
        answer = answers::with_outcome(answer, done);
    }
    let preview = done.and_then(|d| d.preview.as_ref());
    cx.ui.answer(&answer, |ui| {
        if let Some(preview) = preview {
            return answers::print_preview(ui, preview);
        }
        let mut table = Table::new(&[40, 12, 10, 10, 80]);
        for member in &members {
            let claims: Vec<&str> = member.claims.iter().map(TaskId::as_str).collect();
            table.row([
                Cell::styled(STRONG, member.name.as_str()),
                member.role.as_str().into(),
                member.domain.map_or("", |d| d.as_str()).into(),
                member.state.as_str().into(),
                claims.join(" ").into(),
            ]);
        }
        ui.table(&table);
    });
    Ok(0)
}
