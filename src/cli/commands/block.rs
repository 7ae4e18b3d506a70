//! `block`

use super::answers;
use crate::cli::args::BlockArgs;
use crate::cli::run::Context;
use crate::ops::block::{Obstacle, action};
use crate::ops::failure::Failure;
use crate::ops::session::Freshness;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: BlockArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let obstacle = Obstacle {
        kind: args.kind,
        reason: args.reason.unwrap_or_default(),
        needs: args.need,
        question: args.question.unwrap_or_default(),
        options: args.option,
        retry_after: args.retry_after,
        on: args.on,
        paths: args.path,
        holder: args.holder,
    };
    let action = action(&session.view(Freshness::Due)?, session.now(), obstacle)?;
    let done = session.act(Some(&args.task), action)?;
    Ok(answers::done(cx, "block", &done, Vec::new()))
}
