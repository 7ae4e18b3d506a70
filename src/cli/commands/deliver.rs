//! `submit`, `complete`, `verify`: work that is handed in, with proof.

use std::io::Write;

use serde_json::{Value, json};

use super::answers;
use crate::cli::args::{DeliverArgs, HandInArgs, VerifyArgs};
use crate::cli::run::Context;
use crate::cli::ui::escape_block;
use crate::model::operation::{Action, HandIn, Verb};
use crate::ops::act::Done;
use crate::ops::evidence::{Wanted, gather};
use crate::ops::failure::Failure;
use crate::ops::look::evidence_holds;
use crate::ops::session::Session;

/// What the work is handed in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Goal {
    /// For review.
    Review,
    /// As done.
    Done,
}

pub(in crate::cli) fn run(
    cx: &mut Context<'_>,
    name: &'static str,
    args: DeliverArgs,
    goal: Goal,
) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let hand_in = hand_in(&session, args.hand_in)?;
    let brought = hand_in.evidence.len();
    let action = match goal {
        Goal::Review => Action::Submit(hand_in),
        Goal::Done => Action::Complete(hand_in),
    };
    let done = session.act(Some(&args.task), &action)?;
    let evidence = evidence(&done, brought);
    Ok(answers::done(cx, name, &done, vec![("evidence", evidence)]))
}

pub(in crate::cli) fn verify(cx: &mut Context<'_>, args: VerifyArgs) -> Result<u8, Failure> {
    let session = cx.session_with(|o| o.dry_run = args.writing.dry_run)?;
    let hand_in = hand_in(&session, args.hand_in)?;
    let brought = hand_in.evidence.len();
    let done = session.act_on(Some(&args.task), Verb::Verify, |view| {
        // Whoever confirms has looked at it: at what is there now, unless they bring proof of their own.
        if hand_in.evidence.is_empty() {
            evidence_holds(&session, &view.snapshot, &view.task(&args.task)?.0)?;
        }
        Ok(Action::Verify { comment: args.comment.clone(), hand_in: hand_in.clone() })
    })?;
    let evidence = evidence(&done, brought);
    Ok(answers::done(cx, "verify", &done, vec![("evidence", evidence)]))
}

/// Returns the evidence that came with this hand-in: the last of the task's.
fn evidence(done: &Done, brought: usize) -> Value {
    let all = done.document.as_ref().and_then(|d| d.get("evidence")?.as_array());
    all.map_or_else(|| json!([]), |all| json!(all[all.len().saturating_sub(brought)..]))
}

fn hand_in(session: &Session, args: HandInArgs) -> Result<HandIn, Failure> {
    let wanted = Wanted { named: args.evidence.into_iter().map(|e| (e.kind, e.value)).collect(), commands: args.run };
    // What a command says goes to standard error as it comes: it is talk, the digest is the data.
    let mut show = |bytes: &[u8]| {
        let _ = std::io::stderr().write_all(escape_block(&String::from_utf8_lossy(bytes)).as_bytes());
    };
    let evidence = gather(session, &wanted, &mut show)?;
    Ok(HandIn { deliverable: args.deliverable, summary: args.summary, evidence, open_ok: args.open_ok })
}
