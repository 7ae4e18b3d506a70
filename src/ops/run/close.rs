//! What came of a run is written: handed in with its proof, blocked, failed, given back, or left to go on later.

use std::time::Duration;

use super::super::block;
use super::super::evidence::{Wanted, gather};
use super::super::failure::Failure;
use super::super::session::{Options, Session, View};
use super::child::Hold;
use super::over::{Over, Unwritten, is_of_the_remote};
use super::parked::Parked;
use super::room::Room;
use super::verdict::{Verdict, verdict};
use super::{Dispatcher, Outcome, Ran};
use crate::failpoint::{Step, reach};
use crate::model::code::ErrorCode;
use crate::model::operation::{Action, HandIn, Verb};
use crate::model::task::{EvidenceBody, ProcessEnd};
use crate::model::vocabulary::{Cause, EvidenceKind, ReviewPolicy, Status};
use crate::review::secrets::masked;
use crate::runner::{self, Ended};

/// How often the remote is tried while it is away, by a process that has nothing else to do.
pub(super) const TRIES: u32 = 20;

/// How long to wait before the remote, or a slot of this machine, is asked for again.
pub(super) const AGAIN: Duration = Duration::from_secs(3);

/// What was written of a run.
pub(super) struct Written {
    ran: Ran,
    room: Room,
    summary: Option<String>,
}

/// Writes what came of a run, if the task is still its own.
pub(super) fn close(by: &Dispatcher<'_>, over: &Over) -> Result<Written, Failure> {
    let (room, ended) = (over.room(by.home)?, &over.ended);
    let mut ran = Ran {
        task: over.hold.task.clone(),
        outcome: Outcome::Failed,
        exit_code: ended.exit_code,
        signal: ended.signal,
        duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
        attempt: over.attempt,
        log: room.log.clone(),
        leaked: ended.leaked.len(),
        error: None,
        cause: None,
        worktree: None,
    };
    let mut verdict = verdict(ended, &room.result(), over.asked_to_yield);
    let spent = over.before.spent() + ended.duration;
    if matches!(verdict, Verdict::Yielded { .. }) && spent >= over.longest {
        let error = format!("timeout: not done after {} s in {} slices", spent.as_secs(), over.before.slices + 1);
        verdict = Verdict::Failed { error, cause: Cause::Timeout };
    }
    let summary = match &verdict {
        Verdict::Yielded { summary } => summary.clone(),
        _ => None,
    };
    conclude(by, over, &room, verdict, &mut ran)?;
    Ok(Written { ran, room, summary })
}

impl Written {
    /// Clears a run away; returns its task as well where it goes on later.
    pub fn finish(self, by: &Dispatcher<'_>, run: Unwritten) -> (Ran, Option<Parked>) {
        reach(Step::Closed);
        let (session, Unwritten { over, mine, .. }) = (by.home, run);
        let Self { mut ran, room, summary } = self;
        // The record goes last: what a death leaves in between is found by it.
        if ran.outcome == Outcome::Yielded {
            let parked = over.park(room.log.clone(), mine, summary);
            // Without the note this process goes on with it all the same; only the next one would not.
            let _ = parked.note(session);
            room.clear();
            return (ran, Some(parked));
        }
        Parked::forget(session, &over.hold);
        // A worktree that cannot be looked at may hold anything.
        if !session.board.remove_worktree(&room.worktree).unwrap_or(false) {
            ran.worktree = Some(room.worktree.clone());
        }
        reach(Step::Removed);
        room.clear();
        (ran, None)
    }
}

fn conclude(by: &Dispatcher<'_>, over: &Over, room: &Room, mut verdict: Verdict, ran: &mut Ran) -> Result<(), Failure> {
    let hold = &over.hold;
    if matches!(verdict, Verdict::Stopped) {
        ran.outcome = match over.ended.outcome {
            runner::Outcome::LeaseLost => Outcome::Lost,
            _ if release(by, hold, "the run was stopped before its end")? => Outcome::Released,
            _ => Outcome::Lost,
        };
        return Ok(());
    }
    // Twice at most: what cannot be handed in as the command wants it has failed, and says so.
    loop {
        if let Verdict::Failed { error, .. } = &mut verdict {
            // It may quote anything that the command has left.
            *error = masked(error);
        }
        let (outcome, failed) = match &verdict {
            Verdict::Failed { error, cause } => {
                (ran.error, ran.cause) = (Some(error.clone()), Some(*cause));
                (Outcome::Failed, true)
            }
            Verdict::Blocked(_) => (Outcome::Blocked, false),
            Verdict::Done { .. } => (Outcome::Completed, false),
            Verdict::Yielded { .. } => (Outcome::Yielded, false),
            Verdict::Stopped => return Ok(()),
        };
        ran.outcome = match write(by, over, room, &verdict) {
            Ok(Wrote::Done(status)) => match (outcome, status) {
                (Outcome::Completed, Status::Review | Status::Ready) => Outcome::Review,
                (Outcome::Failed, Status::Blocked) => Outcome::Blocked,
                (outcome, _) => outcome,
            },
            Ok(Wrote::Settled) => Outcome::Settled,
            Ok(Wrote::Lost) => Outcome::Lost,
            Err(failure) if failed || is_of_the_remote(&failure) || failure.code == ErrorCode::Internal => {
                return Err(failure);
            }
            Err(failure) => {
                let why = failure.why.map_or(String::new(), |why| format!(": {why}"));
                let error = format!("its result was refused: {}{why}", failure.message);
                verdict = Verdict::Failed { error, cause: Cause::Unknown };
                continue;
            }
        };
        return Ok(());
    }
}

enum Wrote {
    /// It was written; the task stands there now.
    Done(Status),
    /// The command has moved the task by itself.
    Settled,
    /// The task is no longer this run's.
    Lost,
}

fn write(by: &Dispatcher<'_>, over: &Over, room: &Room, verdict: &Verdict) -> Result<Wrote, Failure> {
    let evidence = match verdict {
        Verdict::Done { evidence, .. } => proof(by, over, room, evidence)?,
        _ => Vec::new(),
    };
    act(by, &over.hold, |session, view| {
        Ok(match verdict {
            Verdict::Done { review, summary, deliverable, .. } => {
                let hand_in = HandIn {
                    deliverable: deliverable.clone(),
                    summary: summary.clone(),
                    evidence: evidence.clone(),
                    open_ok: None,
                };
                let reviewed = *review || view.config()?.policy.review == ReviewPolicy::Required;
                if reviewed { Action::Submit(hand_in) } else { Action::Complete(hand_in) }
            }
            Verdict::Blocked(obstacle) => block::action(view, session.now(), obstacle.clone())?,
            Verdict::Failed { error, cause } => {
                Action::Fail { error: error.clone(), cause: *cause, process: Some(process_of(&over.ended)) }
            }
            Verdict::Yielded { summary } => {
                let usual = || format!("slice {} is over", over.before.slices + 1);
                Action::Progress { step: Some(summary.clone().unwrap_or_else(usual)), percent: None }
            }
            Verdict::Stopped => unreachable!("BUG: a run that was stopped writes nothing"),
        })
    })
}

/// Returns the proof of a run: what its result names, looked up in its worktree, and the run itself.
fn proof(
    by: &Dispatcher<'_>,
    over: &Over,
    room: &Room,
    named: &[(EvidenceKind, String)],
) -> Result<Vec<EvidenceBody>, Failure> {
    let options = Options { dir: room.worktree.clone(), ..by.options.clone() };
    let there = Session::open(options, by.clock.clone())?;
    let wanted = Wanted { named: named.to_vec(), commands: Vec::new() };
    let mut evidence = gather(&there, &wanted, &mut |_| {})?;
    evidence.push(EvidenceBody::Command {
        argv: over.argv.iter().map(|word| masked(word)).collect(),
        exit_code: 0,
        sha256: over.ended.output.sha256.clone(),
        bytes: over.ended.output.total,
        commit: there.board.user_commit("HEAD")?.map(|oid| oid.to_string()),
        dirty: there.board.is_dirty()?,
    });
    Ok(evidence)
}

/// Returns how the process of a run ended, as the board is told.
fn process_of(ended: &Ended) -> ProcessEnd {
    let Ended { exit_code, signal, output, .. } = ended;
    let (output_sha256, output_bytes) = (Some(output.sha256.clone()), Some(output.total));
    ProcessEnd { exit_code: *exit_code, signal: *signal, output_sha256, output_bytes }
}

/// Gives the task back, as long as the remote is only out of reach; tells whether it was still this run's.
pub(super) fn give_back(by: &Dispatcher<'_>, hold: &Hold, note: &str) -> Result<bool, Failure> {
    let mut tries = 0;
    loop {
        match release(by, hold, note) {
            Err(failure) if failure.retryable && tries < TRIES => {
                tries += 1;
                by.ears.wait(AGAIN);
            }
            released => return released,
        }
    }
}

fn release(by: &Dispatcher<'_>, hold: &Hold, note: &str) -> Result<bool, Failure> {
    let note: String = note.chars().filter(|c| !c.is_control()).collect();
    let wrote = act(by, hold, |_, _| Ok(Action::Release { note: note.clone(), unassign: false }))?;
    Ok(matches!(wrote, Wrote::Done(_)))
}

/// Carries out an action under the claim of a run, in a session of its own.
fn act(
    by: &Dispatcher<'_>,
    hold: &Hold,
    make: impl Fn(&Session, &View) -> Result<Action, Failure>,
) -> Result<Wrote, Failure> {
    let session = Session::open(Options { epoch: Some(hold.epoch), ..by.options.clone() }, by.clock.clone())?;
    let gone = std::cell::Cell::new(None);
    let done = session.act_on(Some(&hold.task), Verb::Fail, |view| {
        let task = view.task(&hold.task)?.0;
        if !hold.is_of(&task) {
            let moved = matches!(task.status, Status::Completed | Status::Review | Status::Ready | Status::Blocked);
            gone.set(Some(moved));
            return Err(Failure::new(ErrorCode::StaleEpoch, format!("{} is no longer this run's", hold.task)));
        }
        gone.set(None);
        make(&session, view)
    });
    match done {
        Ok(done) => Ok(Wrote::Done(done.task().map_or(Status::InProgress, |task| task.status))),
        Err(_) if gone.get() == Some(true) => Ok(Wrote::Settled),
        Err(_) if gone.get() == Some(false) => Ok(Wrote::Lost),
        Err(failure) if matches!(failure.code, ErrorCode::StaleEpoch | ErrorCode::NotHolder) => Ok(Wrote::Lost),
        Err(failure) => Err(failure),
    }
}
