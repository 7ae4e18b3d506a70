//! One round: what to push on a head, and what can be told before anything is pushed.
//!
//! Owns the order in which operations are taken, and when a no may be told. Decides through `decide` alone.

use super::answer::{Answer, Trouble};
use super::shared::{Announced, Draft, Entry, Exposure, Shared, Standing};
use crate::model::board::{Decided, Decision};
use crate::model::code::ErrorCode;
use crate::model::decide::{decide, is_final};
use crate::model::id::OpId;
use crate::model::operation::{Operation, Verb};
use crate::model::outbox;
use crate::ops::failure::Failure;

/// The code that bears witness to an operation that found nothing to do.
pub const UNCHANGED: &str = "unchanged";

/// The code that bears witness to an operation that its clone has taken back, since the remote will not have it.
pub const REMOTE_REFUSED: &str = "remote-refused";

/// How many commits after the head that an operation was made on it is still looked for, and may still happen.
pub const MAX_AGE: usize = 10_000;

/// Whose operations a round takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of this clone: somebody else's may be what the remote refuses.
    Own,
    /// One: another of this clone's may be what the remote refuses.
    One(OpId),
}

/// An operation of this clone, and what the loop knows of it.
#[derive(Debug, Clone)]
pub struct Carried<H> {
    /// The operation, and who may know of it.
    pub entry: Entry<H>,
    /// Whether a no may be told: the remote has confirmed the head after the operation was made.
    pub fresh: bool,
    /// How many pushes have held it.
    pub pushes: u32,
}

impl<H> Carried<H> {
    fn id(&self) -> OpId {
        self.entry.operation.id
    }

    pub(super) fn is_exposed(&self) -> bool {
        !matches!(self.entry.exposure, Exposure::None)
    }
}

/// What a round came to.
pub struct Round<D> {
    /// The version to push, with whatever it carries.
    pub draft: D,
    /// Operations of this clone that it carries out, with what their actors should know.
    pub carried: Vec<(OpId, Vec<String>)>,
    /// Refusals that it bears witness to, this clone's own among them.
    pub refused: Vec<(OpId, String)>,
    /// How many operations of others it carries out.
    pub helped: usize,
    /// What is certain without a push.
    pub told: Vec<(OpId, Answer)>,
    /// What keeps an operation from being decided on this head.
    pub stuck: Vec<(OpId, Trouble)>,
}

impl<D> Round<D> {
    /// Tells whether there is nothing to push.
    pub fn is_idle(&self) -> bool {
        self.carried.is_empty() && self.refused.is_empty()
    }
}

/// How an operation of this clone stands on the head itself, before anything is put on top.
enum OnHead {
    Applies,
    No { answer: Answer, last: bool },
    Cannot(Trouble),
}

/// Decides what can be decided on a head, in order: this clone's operations, then those that others have announced,
/// each outbox from its front.
///
/// # Errors
/// [`Trouble`] when the head or its history cannot be read.
pub fn plan<S: Shared>(
    shared: &mut S,
    head: &S::Head,
    mine: &[Carried<S::Head>],
    others: &[Announced],
    scope: Scope,
) -> Result<Round<S::Draft>, Trouble> {
    let draft = shared.draft(head)?;
    let mut planner = Planner {
        shared,
        head,
        round: Round {
            draft,
            carried: Vec::new(),
            refused: Vec::new(),
            helped: 0,
            told: Vec::new(),
            stuck: Vec::new(),
        },
        on_head: Vec::new(),
        held: Vec::new(),
        others_held: Vec::new(),
    };
    let open = planner.take_stock(mine)?;
    planner.take_mine(&open, scope);
    if scope == Scope::All {
        planner.take_others(others)?;
    }
    planner.take_what_has_become_possible();
    planner.judge(&open)?;
    Ok(planner.round)
}

/// Returns the clones that have announced something that a head does not decide.
///
/// # Errors
/// [`Trouble`] when its history cannot be read.
pub fn waiting<S: Shared>(shared: &mut S, head: &S::Head, others: &[Announced]) -> Result<Vec<String>, Trouble> {
    let mut waiting = Vec::new();
    for announced in others {
        for operation in &announced.operations {
            if shared.standing(head, operation)? == Standing::Open {
                waiting.push(announced.clone.clone());
                break;
            }
        }
    }
    Ok(waiting)
}

struct Planner<'a, S: Shared> {
    shared: &'a mut S,
    head: &'a S::Head,
    round: Round<S::Draft>,
    on_head: Vec<(OpId, OnHead)>,
    /// Operations of this clone that the line, as far as it goes, does not allow.
    held: Vec<Operation>,
    /// The same of others.
    others_held: Vec<Operation>,
}

impl<S: Shared> Planner<'_, S> {
    /// Answers what the history answers, and looks how the rest stands on the head itself. Returns what is open.
    fn take_stock<'c>(&mut self, mine: &'c [Carried<S::Head>]) -> Result<Vec<&'c Carried<S::Head>>, Trouble> {
        let (mut open, mut room) = (Vec::new(), outbox::MAX_BYTES - 256);
        for carried in mine {
            let operation = &carried.entry.operation;
            let id = operation.id;
            match self.shared.standing(self.head, operation)? {
                Standing::Decided(decided) => {
                    let Decided { commit, refused } = decided;
                    self.round.told.push((id, Answer::Settled { commit, refused, pushes: carried.pushes }));
                    continue;
                }
                Standing::Open => {}
                // It was asked of a newer head than this one, or of another history: a head that was fetched since tells.
                Standing::Elsewhere if !carried.fresh => continue,
                Standing::Elsewhere => {
                    self.round.told.push((id, Answer::Failed(out_of_line(operation))));
                    continue;
                }
                Standing::TooOld => {
                    self.round.told.push((id, Answer::Failed(too_old(operation))));
                    continue;
                }
            }
            if carried.entry.orphan && !carried.is_exposed() && is_for_its_process(operation.verb()) {
                self.round.told.push((id, Answer::Dropped));
                continue;
            }
            // What an outbox cannot hold cannot be announced, and waits for the next round.
            let needed = outbox::room_for(operation);
            if open.len() == outbox::MAX_OPERATIONS || (needed > room && !open.is_empty()) {
                break;
            }
            room = room.saturating_sub(needed);
            let stands = self.stands_on_head(operation);
            self.on_head.push((id, stands));
            open.push(carried);
        }
        Ok(open)
    }

    fn stands_on_head(&mut self, operation: &Operation) -> OnHead {
        let board = self.round.draft.board();
        let decision = match decide(board, operation) {
            Ok(decision) => decision,
            Err(fault) => return OnHead::Cannot(fault.into()),
        };
        let last = is_final(board, operation, &decision).unwrap_or(false);
        match no(&decision) {
            Some(answer) => OnHead::No { answer, last },
            None => OnHead::Applies,
        }
    }

    fn take_mine(&mut self, open: &[&Carried<S::Head>], scope: Scope) {
        for carried in open {
            let operation = &carried.entry.operation;
            if matches!(scope, Scope::One(id) if id != operation.id) {
                continue;
            }
            match self.try_add(operation) {
                Taken::Added(warnings) => self.round.carried.push((operation.id, warnings)),
                Taken::Held => self.held.push(operation.clone()),
                Taken::Cannot(trouble) => self.round.stuck.push((operation.id, trouble)),
            }
        }
    }

    fn take_others(&mut self, others: &[Announced]) -> Result<(), Trouble> {
        for announced in others {
            for operation in &announced.operations {
                match self.shared.standing(self.head, operation)? {
                    Standing::Decided(_) | Standing::TooOld => continue,
                    Standing::Open => {}
                    // What this clone cannot judge, and what comes after it, is for others to judge.
                    Standing::Elsewhere => break,
                }
                match self.try_add(operation) {
                    Taken::Added(_) => self.round.helped += 1,
                    Taken::Held => self.others_held.push(operation.clone()),
                    Taken::Cannot(_) => break,
                }
            }
        }
        Ok(())
    }

    /// What was not possible at its place in the order may be possible after what came behind it.
    fn take_what_has_become_possible(&mut self) {
        loop {
            let before = self.held.len() + self.others_held.len();
            for operation in std::mem::take(&mut self.held) {
                match self.try_add(&operation) {
                    Taken::Added(warnings) => self.round.carried.push((operation.id, warnings)),
                    Taken::Held => self.held.push(operation),
                    Taken::Cannot(trouble) => self.round.stuck.push((operation.id, trouble)),
                }
            }
            for operation in std::mem::take(&mut self.others_held) {
                match self.try_add(&operation) {
                    Taken::Added(_) => self.round.helped += 1,
                    Taken::Held => self.others_held.push(operation),
                    Taken::Cannot(_) => {}
                }
            }
            if self.held.len() + self.others_held.len() == before {
                return;
            }
        }
    }

    fn try_add(&mut self, operation: &Operation) -> Taken {
        let decision = match decide(self.round.draft.board(), operation) {
            Ok(decision) => decision,
            Err(fault) => return Taken::Cannot(fault.into()),
        };
        match decision {
            Decision::Applied(mut changes) => {
                let warnings = std::mem::take(&mut changes.warnings);
                match self.round.draft.add(operation, *changes) {
                    Ok(()) => Taken::Added(warnings),
                    Err(trouble) => Taken::Cannot(trouble),
                }
            }
            // Announced twice, or carried already.
            Decision::AlreadyDecided(_) => Taken::Added(Vec::new()),
            Decision::Refused(_) | Decision::Unchanged(_) => Taken::Held,
        }
    }

    /// Tells each no that may be told, and puts down on the board each that must stand there first.
    fn judge(&mut self, open: &[&Carried<S::Head>]) -> Result<(), Trouble> {
        for operation in std::mem::take(&mut self.held) {
            let id = operation.id;
            let carried = open.iter().find(|c| c.id() == id).expect("what is held was open");
            let at = self.on_head.iter().position(|(known, _)| *known == id).expect("what was open was looked at");
            let (_, on_head) = self.on_head.swap_remove(at);
            match on_head {
                // Only what stands before it in this very round is in its way: the next round tells.
                OnHead::Applies if !carried.is_exposed() => {}
                OnHead::No { answer, last } if carried.fresh && (last || !carried.is_exposed()) => {
                    self.round.told.push((id, answer));
                }
                OnHead::No { .. } if !carried.is_exposed() => {}
                OnHead::Cannot(trouble) => self.round.stuck.push((id, trouble)),
                OnHead::Applies | OnHead::No { .. } => self.witness(&operation)?,
            }
        }
        for operation in std::mem::take(&mut self.others_held) {
            self.witness(&operation)?;
        }
        Ok(())
    }

    /// Puts a no on the board that somebody else might still see as a yes.
    fn witness(&mut self, operation: &Operation) -> Result<(), Trouble> {
        let board = self.round.draft.board();
        let decision = decide(board, operation)?;
        if is_final(board, operation, &decision)? {
            return Ok(());
        }
        let code = match &decision {
            Decision::Refused(refusal) => refusal.code().as_str(),
            Decision::Unchanged(_) => UNCHANGED,
            Decision::Applied(_) | Decision::AlreadyDecided(_) => return Ok(()),
        };
        self.round.refused.push((operation.id, code.to_owned()));
        Ok(())
    }
}

enum Taken {
    Added(Vec<String>),
    Held,
    Cannot(Trouble),
}

fn no(decision: &Decision) -> Option<Answer> {
    match decision {
        Decision::Refused(refusal) => Some(Answer::Failed(Failure::from(refusal.clone()))),
        Decision::Unchanged(unchanged) => Some(Answer::Unchanged {
            why: unchanged.why.clone(),
            task: unchanged.task.as_ref().map(|task| task.id.clone()),
        }),
        Decision::Applied(_) | Decision::AlreadyDecided(_) => None,
    }
}

/// Tells whether a verb takes something for the process that runs it: nobody wants it once that process is gone.
const fn is_for_its_process(verb: Verb) -> bool {
    matches!(verb, Verb::Claim | Verb::FilesAdd | Verb::Recover)
}

fn out_of_line(operation: &Operation) -> Failure {
    Failure::new(
        ErrorCode::Invalid,
        format!("cannot {}: the board it was asked of is gone", operation.verb().command()),
    )
    .why("the history of the board was rewritten since")
    .hint("look at the board as it is now, and run the command again if it is still wanted")
    .with("op", operation.id.as_str())
}

fn too_old(operation: &Operation) -> Failure {
    Failure::new(ErrorCode::StaleEpoch, format!("cannot {}: it was asked too long ago", operation.verb().command()))
        .why(format!("more than {MAX_AGE} changes have been made since"))
        .hint("look at the board as it is now, and run the command again if it is still wanted")
        .with("op", operation.id.as_str())
}
