//! What an entry of a history may have been: the operations that can have left it, the likeliest first.
//!
//! Owns how an operation is recovered from what it left in the file. What later steps have written over is guessed, and
//! every guess is an operation that the machine knows; which of them hold, the search over all entries tells.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::model::board::BoardFault;
use crate::model::id::{Millis, OpId};
use crate::model::imported::{ImportedTask, Standing};
use crate::model::operation::{Action, HandIn, NewTask, RecoverTrigger, Verb};
use crate::model::task::{Block, Evidence, HistoryEntry, Message, Task};
use crate::model::vocabulary::{ArchivedReason, Cause, Gate, Status};
use crate::review::judge::World;

/// What open subtasks that are left open become in the chat.
const OPEN_OK: &str = "Open subtasks are left as they are: ";

/// What a rejection becomes in the chat.
const MISSING: &str = "Missing: ";

/// What of a file no step has accounted for yet, and what some step has.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Account<'a> {
    /// New messages that no operation has said yet.
    pub unsaid: HashSet<&'a str>,
    /// Evidence that was there, or that a step has handed in.
    pub handed_in: HashSet<&'a str>,
}

/// The entry at a place of a task's history, in sight of what the task became.
pub(super) struct Entry<'a> {
    pub world: &'a World<'a>,
    /// The task after all of its entries.
    pub after: &'a Task,
    /// Messages and evidence that some step of the history has made, so that no other can have.
    pub made: Rc<HashSet<&'a str>>,
    pub at: usize,
    pub is: &'a HistoryEntry,
}

impl<'a> Entry<'a> {
    /// Returns what may have been done by a verb to a task, and takes from the account what it said and handed in.
    /// Nothing for a verb that leaves no entry.
    ///
    /// # Errors
    /// [`BoardFault`] where the board cannot be read.
    pub fn actions(&self, verb: Verb, state: &Task, account: &mut Account<'a>) -> Result<Vec<Action>, BoardFault> {
        let after = self.after;
        let reason = || self.is.reason.clone().unwrap_or_default();
        Ok(match verb {
            Verb::Block => return self.blocks(state),
            Verb::Override => self.overrides(),
            Verb::Release => {
                let (note, unassign) = (self.said(account).unwrap_or_default(), self.unassigns(state));
                let release = |unassign| Action::Release { note: note.clone(), unassign };
                vec![release(unassign), release(!unassign)]
            }
            Verb::Claim => vec![Action::Claim { plan: self.said_then(account) }],
            Verb::Start => vec![Action::Start {}],
            Verb::Unblock => vec![Action::Unblock { comment: self.said(account).unwrap_or_default() }],
            Verb::Retry => vec![Action::Retry {}],
            Verb::Submit => vec![Action::Submit(self.hand_in(account))],
            Verb::Complete => vec![Action::Complete(self.hand_in(account))],
            Verb::Verify => vec![Action::Verify { comment: None, hand_in: self.hand_in(account) }],
            Verb::Reject => {
                let said = self.said(account).unwrap_or_default();
                let listed = said.strip_prefix(MISSING).unwrap_or(&said);
                let missing = listed.split("; ").filter(|m| !m.is_empty()).map(str::to_owned).collect();
                vec![Action::Reject { missing }]
            }
            Verb::Approve => vec![Action::Approve {}],
            Verb::Fail => vec![self.failure()],
            Verb::Restart => vec![Action::Restart { reason: reason() }],
            Verb::Recover => {
                let begun = state.claim.as_ref().is_none_or(|claim| claim.started_at.is_some());
                let trigger = if begun { RecoverTrigger::Orphaned } else { RecoverTrigger::Unstarted };
                vec![Action::Recover { trigger, seen: reason() }]
            }
            Verb::Archive => vec![Action::Archive { tasks: vec![after.id.clone()] }],
            Verb::Cancel => vec![Action::Cancel { reason: reason() }],
            Verb::Restore => vec![Action::Restore { reason: self.is.reason.clone() }],
            Verb::Reopen => vec![Action::Reopen { reason: reason() }],
            Verb::RequestComplete => {
                let note = after.completion_request.as_ref().and_then(|request| request.note.clone());
                vec![Action::RequestComplete { note }]
            }
            Verb::Import => {
                let Some(stands) = self.foreign_standing(state) else { return Ok(Vec::new()) };
                let one = ImportedTask { task: NewTask::default(), created_at: None, stands: Some(stands) };
                vec![Action::Import { tasks: [one].into() }]
            }
            _ => Vec::new(),
        })
    }

    /// What came after this entry.
    fn later(&self) -> impl Iterator<Item = &'a HistoryEntry> + use<'a> {
        self.after.state_history.iter().skip(self.at + 1)
    }

    /// Tells whether no later entry is of that kind.
    pub fn is_last(&self, kind: impl Fn(&HistoryEntry) -> bool) -> bool {
        !self.later().any(kind)
    }

    fn is_of_verb(entry: &HistoryEntry, verb: Verb) -> bool {
        entry.trigger.as_deref() == Some(verb.as_str())
    }

    /// Returns the words that a step itself said: by the operation that it names, else by actor and time.
    fn said_then(&self, account: &mut Account<'a>) -> Option<String> {
        // Of several its first words come first.
        self.say(account, |message| {
            self.is.op.map_or(message.timestamp == self.is.timestamp, |op| is_of(&message.id, op))
        })
    }

    /// Returns what an actor said with a step that asks for words: its own, else the first that no step has said.
    fn said(&self, account: &mut Account<'a>) -> Option<String> {
        self.said_then(account).or_else(|| self.say(account, |message| !self.made.contains(message.id.as_str())))
    }

    fn say(&self, account: &mut Account<'a>, is: impl Fn(&Message) -> bool) -> Option<String> {
        let mut unsaid =
            self.after.chat.iter().filter(|m| m.author == self.is.actor && account.unsaid.contains(m.id.as_str()));
        let said = unsaid.find(|message| is(message))?;
        account.unsaid.remove(said.id.as_str());
        Some(said.content.clone())
    }

    fn hand_in(&self, account: &mut Account<'a>) -> HandIn {
        let after = self.after;
        let is_fresh = |e: &&Evidence| e.by == self.is.actor && !account.handed_in.contains(e.id.as_str());
        let fresh: Vec<&Evidence> = after.evidence.iter().filter(is_fresh).collect();
        let its_own = |e: &&Evidence| match self.is.op {
            Some(op) => is_of(&e.id, op),
            None => e.at == self.is.timestamp,
        };
        let (at_once, rest): (Vec<&Evidence>, Vec<&Evidence>) = fresh.into_iter().partition(its_own);
        let evidence = if at_once.is_empty() {
            rest.into_iter().filter(|e| !self.made.contains(e.id.as_str())).collect()
        } else {
            at_once
        };
        account.handed_in.extend(evidence.iter().map(|e| e.id.as_str()));
        let mut summary = self.said(account);
        let open_ok = summary.as_deref().and_then(|said| said.strip_prefix(OPEN_OK)).map(str::to_owned);
        if open_ok.is_some() {
            summary = self.said(account);
        }
        HandIn {
            deliverable: self.taken_back().or_else(|| after.deliverable.clone()),
            summary,
            evidence: evidence.into_iter().map(|e| e.what.clone()).collect(),
            open_ok,
        }
    }

    /// Returns the deliverable of a completion that was taken back later.
    fn taken_back(&self) -> Option<String> {
        self.later().find_map(|e| e.completion.as_ref()?.deliverable.clone())
    }

    fn failure(&self) -> Action {
        match &self.after.last_error {
            Some(error) if self.is_last(|e| Self::is_of_verb(e, Verb::Fail)) => {
                Action::Fail { error: error.message.clone(), cause: error.cause, process: error.process.clone() }
            }
            Some(_) => Action::Fail { error: "it failed again".to_owned(), cause: Cause::Unknown, process: None },
            None => Action::Fail { error: String::new(), cause: Cause::Unknown, process: None },
        }
    }

    /// The gate that is still lifted, where this lifted it last; otherwise any of them.
    fn overrides(&self) -> Vec<Action> {
        let known = self.after.emergency_override.as_ref().and_then(|lifted| lifted.gate);
        let known = known.filter(|_| self.is_last(|e| Self::is_of_verb(e, Verb::Override)));
        let lift = |gate| Action::Override { gate, reason: self.is.reason.clone().unwrap_or_default() };
        known.map_or_else(|| Gate::ALL.iter().copied().map(lift).collect(), |gate| vec![lift(gate)])
    }

    /// The block that is still there, where nothing can have brought another since; and whatever it may have been.
    fn blocks(&self, state: &Task) -> Result<Vec<Action>, BoardFault> {
        let blocks = |e: &HistoryEntry| {
            e.state == Status::Blocked && matches!(e.trigger.as_deref(), Some("block" | "fail" | "unblock"))
        };
        let after = self.after;
        let mut actions = Vec::new();
        if let Some(block) = after.block.as_ref().filter(|_| self.is_last(blocks)) {
            let reason = after.blocked_by.clone().unwrap_or_default();
            actions.push(Action::Block { reason, block: recovered(block, self.is) });
        }
        // A task that is blocked says why; one that says it no more has had a reason.
        if after.status == Status::Blocked && self.is_last(blocks) {
            if actions.is_empty() {
                let block = Block::Human { needs: Vec::new(), question: String::new(), options: Vec::new() };
                actions.push(Action::Block { reason: after.blocked_by.clone().unwrap_or_default(), block });
            }
            return Ok(actions);
        }
        let forgotten = |block| Action::Block { reason: "it went on".to_owned(), block };
        let guess = self.forgotten_block(state);
        let others = [self.outside(), a_question(), Block::Dependency { on: state.depends_on.clone() }];
        actions.push(forgotten(guess.clone()));
        actions.extend(others.into_iter().filter(|block| *block != guess).map(forgotten));
        // Anybody may end the wait for a task that is done, whichever it was.
        if self.next_move() == Some(Verb::Unblock.as_str())
            && let Some(done) = self.world.any_done(&after.id)?
        {
            actions.push(forgotten(Block::Dependency { on: vec![done] }));
        }
        Ok(actions)
    }

    /// What ended a block. A task that is blocked is not in review: a rejection there answers a request.
    fn next_move(&self) -> Option<&'a str> {
        let stays = ["request-complete", "override", "reject"];
        self.later().filter_map(|e| e.trigger.as_deref()).find(|trigger| !stays.contains(trigger))
    }

    /// Returns a block of which nothing is left but how it ended, and how often it was something outside.
    fn forgotten_block(&self, state: &Task) -> Block {
        let outside = match self.next_move() {
            Some("retry") => true,
            Some("unblock") => false,
            Some("restart") => return Block::Failure {},
            _ => self.after.backoff_level > state.backoff_level,
        };
        if outside { self.outside() } else { a_question() }
    }

    /// The least time that something outside can take.
    fn outside(&self) -> Block {
        Block::External { retry_at: self.is.timestamp.plus_ms(1), backoff_level: 0 }
    }

    /// Returns where a task stood on the board that it comes from, as far as what came later has left it.
    /// Nothing for where an import leads nowhere: the backlog, and ready, which is for members of this board to bring about.
    fn foreign_standing(&self, state: &Task) -> Option<Standing> {
        let after = self.after;
        let stays = self.is_last(|later| later.state != self.is.state);
        Some(match self.is.state {
            Status::InProgress => {
                let begins_later = !self.is_last(|later| Self::is_of_verb(later, Verb::Start));
                let never_began = after.claim.as_ref().is_some_and(|claim| stays && claim.started_at.is_none());
                Standing::InProgress { started: !begins_later && !never_began }
            }
            Status::Review => Standing::Review { deliverable: after.deliverable.clone() },
            Status::Blocked => {
                let block = after.block.as_ref().filter(|_| stays);
                let never_failed = self.is_last(|later| Self::is_of_verb(later, Verb::Fail));
                Standing::Blocked {
                    reason: after.blocked_by.clone().filter(|_| stays).unwrap_or_default(),
                    block: block.map_or_else(|| self.forgotten_block(state), |block| recovered(block, self.is)),
                    error: after.last_error.as_ref().filter(|_| never_failed).map(|error| error.message.clone()),
                }
            }
            Status::Completed => Standing::Completed {
                at: after.completed_at,
                deliverable: self.taken_back().or_else(|| after.deliverable.clone()),
            },
            Status::Archived => {
                Standing::Archived { reason: after.archived_reason.unwrap_or(ArchivedReason::Cancelled) }
            }
            Status::Ready | Status::Backlog => return None,
        })
    }

    /// Tells whether a task was nobody's after it was given back: whoever claimed it next could only do so then.
    fn unassigns(&self, state: &Task) -> bool {
        match self.later().find(|e| Self::is_of_verb(e, Verb::Claim)) {
            Some(claim) => state.assigned.as_ref() != Some(&claim.actor),
            None => self.after.assigned.is_none(),
        }
    }
}

fn a_question() -> Block {
    let options = vec!["yes".to_owned(), "no".to_owned()];
    Block::Human { needs: vec!["an answer".to_owned()], question: "may it go on?".to_owned(), options }
}

/// Most things that one operation makes an id for in one list.
const MADE_MAX: u32 = 40;

/// Tells whether an id was made by an operation.
fn is_of(id: &str, op: OpId) -> bool {
    let made = |(time, suffix)| time == op.time() && op.nth_of(suffix).is_some_and(|nth| nth < MADE_MAX);
    parts_of(id).is_some_and(made)
}

/// Returns the instant in an id that an operation has made, and what follows it.
fn parts_of(id: &str) -> Option<(Millis, &str)> {
    let mut parts = id.splitn(3, '-').skip(1);
    Some((Millis(parts.next()?.parse().ok()?), parts.next()?))
}

/// Returns which messages and which evidence of a task the steps of its history have made.
pub(super) fn made_by_steps(task: &Task) -> HashSet<&str> {
    let mut steps: HashMap<Millis, Vec<OpId>> = HashMap::new();
    for op in task.state_history.iter().filter_map(|entry| entry.op) {
        steps.entry(op.time()).or_default().push(op);
    }
    let ids = task.chat.iter().map(|m| m.id.as_str()).chain(task.evidence.iter().map(|e| e.id.as_str()));
    let is_made = |id: &str| {
        let ops = parts_of(id).and_then(|(time, _)| steps.get(&time));
        ops.is_some_and(|ops| ops.iter().any(|op| is_of(id, *op)))
    };
    ids.filter(|id| is_made(id)).collect()
}

/// The instant of an external block was moved by the back-off: what counts is that it lay ahead.
fn recovered(block: &Block, entry: &HistoryEntry) -> Block {
    match block {
        Block::External { retry_at, .. } if *retry_at > entry.timestamp => {
            Block::External { retry_at: entry.timestamp.plus_ms(1), backoff_level: 0 }
        }
        other => other.clone(),
    }
}
