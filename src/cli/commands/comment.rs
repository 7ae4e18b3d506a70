//! `comment`

use super::answers;
use crate::cli::args::CommentArgs;
use crate::cli::run::Context;
use crate::model::operation::Action;
use crate::ops::failure::Failure;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &CommentArgs) -> Result<u8, Failure> {
    let text = args.text.read(std::io::stdin())?;
    let session = cx.session_with(|o| {
        o.dry_run = args.writing.dry_run;
        o.queue = args.queueing.queue;
    })?;
    let done = session.act(Some(&args.task), &Action::Comment { text, also: args.also.clone() })?;
    Ok(answers::done(cx, "comment", &done, Vec::new()))
}
