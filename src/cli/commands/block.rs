//! `block`

use super::answers;
use crate::cli::args::BlockArgs;
use crate::cli::run::Context;
use crate::model::operation::Verb;
use crate::ops::block::{Obstacle, action};
use crate::ops::failure::Failure;

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
    let now = session.now();
    let done = session.act_on(Some(&args.task), Verb::Block, |view| action(view, now, obstacle.clone()))?;
    Ok(answers::done(cx, "block", &done, Vec::new()))
}
