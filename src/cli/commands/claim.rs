//! `claim`

use serde_json::{Value, json};

use super::answers;
use crate::cli::args::ClaimArgs;
use crate::cli::run::Context;
use crate::model::operation::Action;
use crate::ops::claim::claim_next;
use crate::ops::failure::Failure;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: ClaimArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let done = match &args.task {
        Some(task) => session.act(Some(task), &Action::Claim { plan: args.plan })?,
        None => claim_next(&session, args.plan.as_deref())?,
    };
    let task = done.task();
    let locks = task.map(|t| t.files.clone()).unwrap_or_default();
    let epoch = task.map_or(Value::Null, |t| json!(t.epoch));
    Ok(answers::done(cx, "claim", &done, vec![("epoch", epoch), ("locks", json!(locks))]))
}
