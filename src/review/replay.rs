//! A change of one task, read as what the machine did: each new entry of its history is one operation, and is decided again.
//!
//! Owns how an operation is recovered from what it left in the file. Whether it may happen and what it does are
//! asked of `model`, so nothing of the machine is said a second time here.

use std::collections::HashSet;

use super::judge::World;
use super::unexplained;
use crate::model::apply::apply;
use crate::model::board::BoardFault;
use crate::model::config::Agent;
use crate::model::id::{AgentName, Millis, OpId, in_command};
use crate::model::imported::{ImportedTask, Standing};
use crate::model::locks::Conflict;
use crate::model::operation::{Action, Basis, HandIn, NewTask, Operation, RecoverTrigger, Verb};
use crate::model::refusal::Refusal;
use crate::model::requirement::{Context, Findings, check};
use crate::model::task::{Block, Evidence, HistoryEntry, Override, Task};
use crate::model::transition::{Authority, To, authorize, edges_from, legal_verbs};
use crate::model::vocabulary::{ArchivedReason, Cause, Gate, LockMode, Status};
use crate::schema::Violation;

/// What open subtasks that are left open become in the chat.
const OPEN_OK: &str = "Open subtasks are left as they are: ";

/// What a rejection becomes in the chat.
const MISSING: &str = "Missing: ";

/// How a task came from one version to another.
#[derive(Debug)]
pub(super) struct Replay {
    /// The task as the machine leaves it, after the entries that could be followed.
    pub state: Task,
    /// The task before the first entry, and after each.
    pub stations: Vec<Task>,
    /// Whether every entry was followed.
    pub whole: bool,
    /// Which evidence of the new version was handed in.
    pub handed_in: HashSet<String>,
    /// To whom it must have been assigned between two entries, since the later one could not be without.
    pub assigned: Vec<AgentName>,
}

/// Follows the new entries of a task's history.
///
/// # Errors
/// [`BoardFault`] where the board cannot be read, or the file of another task that a step depends on is broken.
pub(super) fn replay(
    world: &World<'_>,
    before: &Task,
    after: &Task,
    path: &str,
    found: &mut Vec<Violation>,
) -> Result<Replay, BoardFault> {
    let known = before.state_history.len();
    let mut reader = Reader {
        world,
        after,
        spoken: after
            .chat
            .iter()
            .filter(|m| before.chat.iter().all(|old| old.id != m.id))
            .map(|m| m.id.as_str())
            .collect(),
        replay: Replay {
            state: before.clone(),
            stations: vec![before.clone()],
            whole: true,
            handed_in: before.evidence.iter().map(|e| e.id.clone()).collect(),
            assigned: Vec::new(),
        },
        gate_unknown: false,
        shaped: false,
    };
    for (i, entry) in after.state_history.iter().enumerate().skip(known) {
        let pointer = format!("/stateHistory/{i}");
        if let Err(violation) = reader.follow(i, entry)? {
            found.push(violation.into_violation(path, &pointer));
            reader.replay.whole = false;
            break;
        }
    }
    let mut replay = reader.replay;
    if replay.whole && replay.state.status != after.status && after.state_history.len() == known {
        let (task, from) = (before.id.clone(), before.phase());
        let verbs = legal_to(before, after.status);
        let verb = verbs.first().copied().unwrap_or(Verb::Complete);
        let hint = if verbs.is_empty() || (verb, after.status) == (Verb::Verify, Status::Completed) {
            let refusal = Refusal::IllegalTransition { task, from, verb: Verb::Complete, legal: legal_verbs(from) };
            refusal.hint().unwrap_or_default()
        } else {
            format!("take it back and say `squad {} {task}`", verb.command())
        };
        let message =
            format!("the status goes from {} to {} without an entry in the history", before.status, after.status);
        found.push(Violation::error("unrecorded-transition", path, "/status", message, hint));
        replay.whole = false;
    }
    if replay.whole {
        unexplained::automatic(&replay.state, before, after, path, found);
    }
    Ok(replay)
}

/// Returns the verbs that lead from where a task is to a status.
fn legal_to(task: &Task, status: Status) -> Vec<Verb> {
    let mut verbs: Vec<Verb> =
        edges_from(task.phase()).filter(|e| e.to == To::Status(status)).map(|e| e.verb).collect();
    verbs.dedup();
    verbs
}

/// Why an entry cannot be followed.
enum Broken {
    Refused { verb: Verb, actor: AgentName, refusal: Box<Refusal> },
    Says { code: &'static str, message: String, hint: String },
}

impl Broken {
    fn into_violation(self, path: &str, pointer: &str) -> Violation {
        match self {
            Self::Refused { verb, actor, refusal } => {
                let why = refusal.why().map(|why| format!(": {why}")).unwrap_or_default();
                let message = format!("the {} by {actor} would be refused: {}{why}", verb.command(), refusal.message());
                let hint = refusal.hint().unwrap_or_else(|| "take the change back, and use the verb itself".to_owned());
                Violation::error(refusal.code().as_str(), path, pointer, message, hint)
            }
            Self::Says { code, message, hint } => Violation::error(code, path, pointer, message, hint),
        }
    }
}

struct Reader<'a> {
    world: &'a World<'a>,
    after: &'a Task,
    /// New messages that no operation has said yet.
    spoken: HashSet<&'a str>,
    replay: Replay,
    /// Whether a gate was lifted of which nothing is left in the file.
    gate_unknown: bool,
    /// Whether what needs no entry (what it waits for, which paths it holds) has been taken from the new version.
    shaped: bool,
}

impl<'a> Reader<'a> {
    fn follow(&mut self, at: usize, entry: &HistoryEntry) -> Result<Result<(), Broken>, BoardFault> {
        let Some(actor) = self.world.member(&entry.actor) else {
            return Ok(Err(Broken::Says {
                code: "unknown-actor",
                message: format!("{} is in no roster and cannot have moved the task", entry.actor),
                hint: format!(
                    "`squad agents add {} --role executor`, or correct the name",
                    in_command(entry.actor.as_str())
                ),
            }));
        };
        let verbs = match &entry.trigger {
            Some(trigger) => match trigger.parse::<Verb>() {
                Ok(verb) => vec![verb],
                Err(_) => {
                    return Ok(Err(Broken::Says {
                        code: "illegal-transition",
                        message: format!("no verb is called {:?}", trigger.chars().take(80).collect::<String>()),
                        hint: "a trigger is the verb that was used, such as `claim`".to_owned(),
                    }));
                }
            },
            // Written by hand, as boards did before they knew verbs: whatever leads there.
            None => legal_to(&self.replay.state, entry.state),
        };
        let mut first = None;
        for verb in &verbs {
            let (spoken, handed_in) = (self.spoken.clone(), self.replay.handed_in.clone());
            let Some(action) = self.action(*verb, at, entry) else { continue };
            match self.take(&action, at, entry, actor)? {
                Ok(()) => return Ok(Ok(())),
                Err(stop) => {
                    first.get_or_insert((*verb, stop));
                    (self.spoken, self.replay.handed_in) = (spoken, handed_in);
                }
            }
        }
        Ok(Err(match first {
            Some((verb, Stop::Refused(refusal))) => Broken::Refused { verb, actor: entry.actor.clone(), refusal },
            Some((verb, Stop::Leads(to))) => Broken::Says {
                code: "illegal-transition",
                message: format!(
                    "the {} by {} leads to {to}, and the entry says {}",
                    verb.command(),
                    entry.actor,
                    entry.state
                ),
                hint: format!("write {to}, or take the entry out and use the verb itself"),
            },
            None => {
                let phase = self.replay.state.phase();
                let legal: Vec<&str> = legal_verbs(phase).into_iter().map(Verb::command).collect();
                Broken::Says {
                    code: "illegal-transition",
                    message: match &entry.trigger {
                        Some(trigger) => format!("{trigger} leaves no entry in the history of a task that is {phase}"),
                        None => format!("nothing leads from {phase} to {}", entry.state),
                    },
                    hint: format!("from {phase} there are: {}", legal.join(", ")),
                }
            }
        }))
    }

    /// Takes the step, if it may be taken by what the board was before, by what it is after, or between the two.
    fn take(
        &mut self,
        action: &Action,
        at: usize,
        entry: &HistoryEntry,
        actor: &Agent,
    ) -> Result<Result<(), Stop>, BoardFault> {
        let operation = operation(entry.op, action.clone(), &self.replay.state, &entry.actor, entry.timestamp);
        let mut first = None;
        for (to, shaped) in self.readings(at, &entry.actor) {
            let mut state = self.replay.state.clone();
            if shaped {
                shape(&mut state, self.after);
            }
            if to.is_some() {
                state.assigned.clone_from(&to);
            }
            let mut tries = vec![state.clone()];
            if self.gate_unknown {
                tries.extend(Gate::ALL.iter().map(|gate| lifted(&state, *gate, entry)));
            }
            for state in &tries {
                match self.step(state, &operation, entry, actor)? {
                    Ok(next) => {
                        self.gate_unknown &= state.emergency_override.is_none();
                        if let Action::Override { .. } = action {
                            let consumed = self.after.emergency_override.is_none();
                            self.gate_unknown |= consumed;
                        }
                        self.shaped = shaped;
                        self.replay.assigned.extend(to);
                        self.replay.stations.push(next.clone());
                        self.replay.state = next;
                        return Ok(Ok(()));
                    }
                    Err(stop) => {
                        first.get_or_insert(stop);
                    }
                }
            }
        }
        Ok(Err(first.expect("it was tried at least once")))
    }

    /// Returns what may have happened before a step without an entry of its own, the least first: whom the task was
    /// assigned to, and whether it was given the shape that it has now. Where it was free again later, it may have been
    /// assigned more than once, and whoever takes the step may have been the assignee as well as whoever is in the end.
    fn readings(&self, at: usize, actor: &AgentName) -> Vec<(Option<AgentName>, bool)> {
        let mut assigned = vec![None];
        let is_free_later = !self.is_last(at, |entry| entry.state == Status::Backlog);
        for name in self.after.assigned.iter().chain(is_free_later.then_some(actor)) {
            let to = Some(name.clone());
            if self.replay.state.assigned != to && !assigned.contains(&to) {
                assigned.push(to);
            }
        }
        let shapes = if self.shaped { vec![true] } else { vec![false, true] };
        assigned.iter().flat_map(|to| shapes.iter().map(|shaped| (to.clone(), *shaped))).collect()
    }

    fn step(
        &self,
        state: &Task,
        operation: &Operation,
        entry: &HistoryEntry,
        actor: &Agent,
    ) -> Result<Result<Task, Stop>, BoardFault> {
        let permit = match authorize(state, operation, actor) {
            Ok(Authority::Granted(permit)) => permit,
            // The same again leaves no entry; one by hand is refused for what it says.
            Ok(Authority::Repeat) => {
                let (from, verb) = (state.phase(), operation.verb());
                let task = state.id.clone();
                return Ok(Err(Stop::refused(Refusal::IllegalTransition {
                    task,
                    from,
                    verb,
                    legal: legal_verbs(from),
                })));
            }
            Err(refusal) => return Ok(Err(Stop::refused(refusal))),
        };
        let mut refused = None;
        let mut broken = None;
        for (board, config) in self.world.boards() {
            let cx = Context { board, config, actor, operation, at: operation.at.max(state.updated_at) };
            let findings = match check(state, permit, &cx) {
                Ok(Ok(findings)) => self.findings(findings, entry),
                Err(fault @ BoardFault::Unreadable(_)) => return Err(fault),
                // The other board may have the file that is needed whole.
                Err(fault) => {
                    broken.get_or_insert(fault);
                    continue;
                }
                Ok(Err(refusal)) => {
                    refused.get_or_insert(Stop::refused(refusal));
                    continue;
                }
            };
            let next = apply(state, permit.edge, operation, actor, config, &findings);
            if next.status == entry.state {
                return Ok(Ok(next));
            }
            refused.get_or_insert(Stop::Leads(next.status));
        }
        match (broken, refused) {
            (Some(fault), _) => Err(fault),
            (None, refused) => Ok(Err(refused.expect("there is at least one board"))),
        }
    }

    /// Whether an unblock met a lock is told by where it led: the locks of that moment may be gone.
    fn findings(&self, mut findings: Findings, entry: &HistoryEntry) -> Findings {
        match (&self.after.block, entry.state) {
            (Some(Block::Conflict { paths, holder }), Status::Blocked) if findings.conflict.is_empty() => {
                let in_the_way = |path: &String| Conflict {
                    path: path.clone(),
                    task: holder.clone(),
                    agent: None,
                    since: entry.timestamp,
                    lock: path.clone(),
                    mode: LockMode::Hard,
                };
                findings.conflict = paths.iter().map(in_the_way).collect();
            }
            (_, Status::InProgress) => findings.conflict.clear(),
            _ => {}
        }
        findings
    }

    /// Recovers what was done from what it left. Nothing for a verb that leaves no entry.
    fn action(&mut self, verb: Verb, at: usize, entry: &HistoryEntry) -> Option<Action> {
        let after = self.after;
        let reason = || entry.reason.clone().unwrap_or_default();
        Some(match verb {
            Verb::Claim => Action::Claim { plan: self.said_then(entry) },
            Verb::Start => Action::Start {},
            Verb::Block => {
                let left = after.status == Status::Blocked
                    && self.is_last(at, |e| {
                        e.state == Status::Blocked && matches!(e.trigger.as_deref(), Some("block" | "fail" | "unblock"))
                    });
                match (&after.block, &after.blocked_by) {
                    (Some(block), said) if left => {
                        Action::Block { reason: said.clone().unwrap_or_default(), block: recovered(block, entry) }
                    }
                    (None, said) if left => Action::Block {
                        reason: said.clone().unwrap_or_default(),
                        block: Block::Human { needs: Vec::new(), question: String::new(), options: Vec::new() },
                    },
                    _ => Action::Block { reason: "it went on".to_owned(), block: self.forgotten_block(at, entry) },
                }
            }
            Verb::Unblock => Action::Unblock { comment: self.said(entry).unwrap_or_default() },
            Verb::Retry => Action::Retry {},
            Verb::Release => {
                Action::Release { note: self.said(entry).unwrap_or_default(), unassign: self.unassigns(at) }
            }
            Verb::Submit => Action::Submit(self.hand_in(entry)),
            Verb::Complete => Action::Complete(self.hand_in(entry)),
            Verb::Verify => Action::Verify { comment: None, hand_in: self.hand_in(entry) },
            Verb::Reject => {
                let said = self.said(entry).unwrap_or_default();
                let listed = said.strip_prefix(MISSING).unwrap_or(&said);
                Action::Reject { missing: listed.split("; ").filter(|m| !m.is_empty()).map(str::to_owned).collect() }
            }
            Verb::Approve => Action::Approve {},
            Verb::Fail => match &after.last_error {
                Some(error) if self.is_last(at, |e| e.trigger.as_deref() == Some("fail")) => {
                    Action::Fail { error: error.message.clone(), cause: error.cause, process: error.process.clone() }
                }
                Some(_) => Action::Fail { error: "it failed again".to_owned(), cause: Cause::Unknown, process: None },
                None => Action::Fail { error: String::new(), cause: Cause::Unknown, process: None },
            },
            Verb::Restart => Action::Restart { reason: reason() },
            Verb::Recover => {
                let begun = self.replay.state.claim.as_ref().is_none_or(|claim| claim.started_at.is_some());
                let trigger = if begun { RecoverTrigger::Orphaned } else { RecoverTrigger::Unstarted };
                Action::Recover { trigger, seen: reason() }
            }
            Verb::Archive => Action::Archive { tasks: vec![after.id.clone()] },
            Verb::Cancel => Action::Cancel { reason: reason() },
            Verb::Restore => Action::Restore { reason: entry.reason.clone() },
            Verb::Reopen => Action::Reopen { reason: reason() },
            Verb::RequestComplete => {
                let note = after.completion_request.as_ref().and_then(|request| request.note.clone());
                Action::RequestComplete { note }
            }
            Verb::Override => {
                let gate = after.emergency_override.as_ref().and_then(|lifted| lifted.gate).unwrap_or(Gate::Review);
                Action::Override { gate, reason: reason() }
            }
            Verb::Import => {
                let (task, stands) = (NewTask::default(), Some(self.foreign_standing(at, entry)?));
                Action::Import { tasks: [ImportedTask { task, created_at: None, stands }].into() }
            }
            _ => return None,
        })
    }

    /// Tells whether no later entry is of that kind.
    fn is_last(&self, at: usize, kind: impl Fn(&HistoryEntry) -> bool) -> bool {
        !self.after.state_history.iter().skip(at + 1).any(kind)
    }

    /// Returns what a step itself said: by the operation that it names, else by actor and time.
    fn said_then(&mut self, entry: &HistoryEntry) -> Option<String> {
        let mut mine =
            self.after.chat.iter().filter(|m| m.author == entry.actor && self.spoken.contains(m.id.as_str()));
        // Of several its first words come first.
        let said = mine.find(|m| entry.op.map_or(m.timestamp == entry.timestamp, |op| is_of(&m.id, op)))?;
        self.spoken.remove(said.id.as_str());
        Some(said.content.clone())
    }

    /// Returns what an actor said with a step that asks for words: its own, else the first that no step has said.
    fn said(&mut self, entry: &HistoryEntry) -> Option<String> {
        if let Some(said) = self.said_then(entry) {
            return Some(said);
        }
        let mut chat = self.after.chat.iter();
        let said = chat.find(|m| m.author == entry.actor && self.spoken.contains(m.id.as_str()))?;
        self.spoken.remove(said.id.as_str());
        Some(said.content.clone())
    }

    fn hand_in(&mut self, entry: &HistoryEntry) -> HandIn {
        let after = self.after;
        let fresh: Vec<_> =
            after.evidence.iter().filter(|e| e.by == entry.actor && !self.replay.handed_in.contains(&e.id)).collect();
        let its_own = |e: &&&Evidence| match entry.op {
            Some(op) => is_of(&e.id, op),
            None => e.at == entry.timestamp,
        };
        let at_once: Vec<_> = fresh.iter().filter(its_own).copied().collect();
        let evidence = if at_once.is_empty() { fresh } else { at_once };
        self.replay.handed_in.extend(evidence.iter().map(|e| e.id.clone()));
        let mut summary = self.said(entry);
        let open_ok = summary.as_deref().and_then(|said| said.strip_prefix(OPEN_OK)).map(str::to_owned);
        if open_ok.is_some() {
            summary = self.said(entry);
        }
        HandIn {
            deliverable: after.deliverable.clone().or_else(|| self.taken_back(entry)),
            summary,
            evidence: evidence.into_iter().map(|e| e.what.clone()).collect(),
            open_ok,
        }
    }

    /// Returns the deliverable of a completion that was taken back later.
    fn taken_back(&self, entry: &HistoryEntry) -> Option<String> {
        let later = self.after.state_history.iter().skip_while(|e| *e != entry);
        later.filter_map(|e| e.completion.as_ref()?.deliverable.clone()).next()
    }

    /// Returns a block of which nothing is left but how it ended, and how often it was something outside.
    fn forgotten_block(&self, at: usize, entry: &HistoryEntry) -> Block {
        // A task that is blocked is not in review: a rejection there answers a request.
        let stays = ["request-complete", "override", "reject"];
        let mut later = self.after.state_history.iter().skip(at + 1).filter_map(|e| e.trigger.as_deref());
        let next = later.find(|trigger| !stays.contains(trigger));
        let outside = match next {
            Some("retry") => true,
            Some("unblock") => false,
            Some("restart") => return Block::Failure {},
            _ => self.after.backoff_level > self.replay.state.backoff_level,
        };
        if outside {
            return Block::External { retry_at: entry.timestamp.plus_ms(1), backoff_level: 0 };
        }
        let options = vec!["yes".to_owned(), "no".to_owned()];
        Block::Human { needs: vec!["an answer".to_owned()], question: "may it go on?".to_owned(), options }
    }

    /// Returns where a task stood on the board that it comes from, as far as what came later has left it.
    /// Nothing for where an import leads nowhere: the backlog, and ready, which is for members of this board to bring about.
    fn foreign_standing(&self, at: usize, entry: &HistoryEntry) -> Option<Standing> {
        let after = self.after;
        let stays = self.is_last(at, |later| later.state != entry.state);
        Some(match entry.state {
            Status::InProgress => {
                let begins_later = !self.is_last(at, |later| later.trigger.as_deref() == Some(Verb::Start.as_str()));
                let never_began = after.claim.as_ref().is_some_and(|claim| stays && claim.started_at.is_none());
                Standing::InProgress { started: !begins_later && !never_began }
            }
            Status::Review => Standing::Review { deliverable: after.deliverable.clone() },
            Status::Blocked => {
                let block = after.block.as_ref().filter(|_| stays);
                let never_failed = self.is_last(at, |later| later.trigger.as_deref() == Some(Verb::Fail.as_str()));
                Standing::Blocked {
                    reason: after.blocked_by.clone().filter(|_| stays).unwrap_or_default(),
                    block: block.map_or_else(|| self.forgotten_block(at, entry), |block| recovered(block, entry)),
                    error: after.last_error.as_ref().filter(|_| never_failed).map(|error| error.message.clone()),
                }
            }
            Status::Completed => Standing::Completed {
                at: after.completed_at,
                deliverable: after.deliverable.clone().or_else(|| self.taken_back(entry)),
            },
            Status::Archived => {
                Standing::Archived { reason: after.archived_reason.unwrap_or(ArchivedReason::Cancelled) }
            }
            Status::Ready | Status::Backlog => return None,
        })
    }

    /// Tells whether a task was nobody's after it was given back: whoever claimed it next could only do so then.
    fn unassigns(&self, at: usize) -> bool {
        let later = self.after.state_history.iter().skip(at + 1);
        let claim = later.into_iter().find(|e| e.trigger.as_deref() == Some(Verb::Claim.as_str()));
        match claim {
            Some(claim) => self.replay.state.assigned.as_ref() != Some(&claim.actor),
            None => self.after.assigned.is_none(),
        }
    }
}

/// Most things that one operation makes an id for in one list.
const MADE_MAX: u32 = 40;

/// Tells whether an id was made by an operation.
fn is_of(id: &str, op: OpId) -> bool {
    let mut parts = id.splitn(3, '-').skip(1);
    let (Some(time), Some(suffix)) = (parts.next(), parts.next()) else { return false };
    time.parse() == Ok(op.time().0) && (0..MADE_MAX).any(|nth| op.suffix(nth, suffix.len()) == suffix)
}

enum Stop {
    Refused(Box<Refusal>),
    Leads(Status),
}

impl Stop {
    fn refused(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
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

/// Returns the operation that an action by somebody would have been at an instant, under the claim that there is.
pub(super) fn operation(id: Option<OpId>, action: Action, task: &Task, actor: &AgentName, at: Millis) -> Operation {
    Operation {
        id: id.unwrap_or_else(|| OpId::from_parts(at, [0; 10])),
        action,
        task: Some(task.id.clone()),
        actor: actor.clone(),
        basis: Basis { head: None, epoch: Some(task.epoch) },
        at,
        signature: None,
    }
}

fn lifted(state: &Task, gate: Gate, entry: &HistoryEntry) -> Task {
    let lifted = Override {
        authorized_by: entry.actor.clone(),
        gate: Some(gate),
        reason: String::new(),
        timestamp: entry.timestamp,
        bypassed_state: None,
    };
    Task { emergency_override: Some(Box::new(lifted)), ..state.clone() }
}

/// Takes from the new version what changes without an entry in the history. Who may do so is looked at apart.
fn shape(state: &mut Task, after: &Task) {
    state.category = after.category;
    state.depends_on.clone_from(&after.depends_on);
    state.files.clone_from(&after.files);
    state.subtasks.clone_from(&after.subtasks);
    if let (Some(claim), Some(new)) = (&mut state.claim, &after.claim)
        && claim.epoch == new.epoch
    {
        claim.started_at = new.started_at;
    }
}

/// Returns the task as the machine would have made it: before anything happened to it.
pub(super) fn newborn(after: &Task) -> Task {
    let mut task = after.clone();
    let first = task.state_history.first();
    let made =
        first.filter(|e| e.trigger.as_deref().is_none_or(|t| t == Verb::New.as_str()) && e.state == Status::Backlog);
    let entries = usize::from(made.is_some());
    task.state_history.truncate(entries);
    task.status = Status::Backlog;
    task.epoch = crate::model::id::Epoch(0);
    task.updated_at = task.created_at;
    (task.attempt, task.recoveries, task.backoff_level, task.review_round) = (0, 0, 0, 0);
    (task.claim, task.last_error, task.retry_at) = (None, None, None);
    (task.block, task.blocked_by, task.blocked_at) = (None, None, None);
    (task.deliverable, task.progress) = (None, None);
    (task.submitted_by, task.submitted_at, task.verified_by, task.verified_at) = (None, None, None, None);
    (task.completed_by, task.completed_at) = (None, None);
    (task.completion_request, task.emergency_override, task.archived_reason) = (None, None, None);
    task.evidence.clear();
    task.approvals.clear();
    task.chat.clear();
    task
}
