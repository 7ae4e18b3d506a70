//! The search for a way to read all new entries of a history.
//!
//! Owns which readings are tried, in which order, and how many. A file does not keep everything that led to it (what an
//! earlier block waited for, which gate was lifted), so an entry can be read in several ways, and only later ones tell
//! which was right. The likeliest comes first: a change that verbs made one by one is read without a second try.

use std::collections::HashSet;
use std::rc::Rc;
use std::vec;

use super::actions::{Account, Entry, made_by_steps};
use super::broken::{Broken, Stop};
use super::{legal_to, operation};
use crate::model::apply::apply;
use crate::model::board::BoardFault;
use crate::model::config::{Agent, BoardConfig};
use crate::model::id::{AgentName, TaskId};
use crate::model::locks::Conflict;
use crate::model::operation::{Action, Operation, Verb};
use crate::model::refusal::Refusal;
use crate::model::requirement::{Context, Findings, check, may_use, stays_on_locks};
use crate::model::task::{Block, HistoryEntry, Message, Task};
use crate::model::transition::{Authority, Edge, authorize, legal_verbs};
use crate::model::vocabulary::{LockMode, LockPolicy, Status};
use crate::review::judge::World;
use crate::review::unexplained;
use crate::schema::Violation;

/// How many readings of single entries are tried after the first one that led nowhere.
const TRIES_MAX: usize = 400;

/// What was found: the readings of the entries as far as they can be followed.
pub(super) struct Found {
    /// The task before the first entry, and after each; without its history and chat.
    pub stations: Vec<Task>,
    /// To whom it must have been assigned on the way.
    pub assigned: Vec<AgentName>,
    /// Why the first entry that cannot be followed cannot; else what the readings leave unexplained.
    pub violations: Vec<Violation>,
}

/// One way to read all entries up to some place.
#[derive(PartialEq)]
struct Reading<'a> {
    /// The task, without its history and chat: those are what the new version has up to there.
    state: Task,
    account: Rc<Account<'a>>,
    /// To whom it must have been assigned before the last entry, since that could not be without.
    assigned: Option<AgentName>,
    /// Whether what needs no entry (what it waits for, which paths it holds) has been taken from the new version.
    shaped: bool,
}

/// One way in which the next entry may have come about.
struct Try<'a> {
    verb: Verb,
    action: Action,
    account: Rc<Account<'a>>,
    to: Option<AgentName>,
    shaped: bool,
}

/// A place on the way: a reading, and what is still to be tried from there.
struct Place<'a> {
    reading: Reading<'a>,
    tries: vec::IntoIter<Try<'a>>,
    /// Where the last try led.
    next: vec::IntoIter<Reading<'a>>,
    /// Why the first try led nowhere.
    stop: Option<Broken>,
    /// What the reading leaves unexplained, once there is no further entry.
    unexplained: Vec<Violation>,
}

/// The search of one task's new entries.
pub(super) struct Search<'a> {
    world: &'a World<'a>,
    before: &'a Task,
    after: &'a Task,
    path: &'a str,
    /// Messages that were there before.
    known: HashSet<&'a str>,
    made: Rc<HashSet<&'a str>>,
    way: Vec<Place<'a>>,
    /// Readings from which every way led nowhere, by how many entries they are of.
    dead: Vec<Vec<Reading<'a>>>,
    best: Option<Found>,
}

impl<'a> Search<'a> {
    /// Returns a search of what lies between two versions of a task.
    pub fn new(world: &'a World<'a>, before: &'a Task, after: &'a Task, path: &'a str) -> Self {
        let steps = after.state_history.len().saturating_sub(before.state_history.len());
        let dead = std::iter::repeat_with(Vec::new).take(steps + 1).collect();
        let made = Rc::new(made_by_steps(after));
        let known = before.chat.iter().map(|m| m.id.as_str()).collect();
        Self { world, before, after, path, known, made, way: Vec::with_capacity(steps + 1), dead, best: None }
    }

    /// Returns the first reading that explains everything; else the one that explains most.
    ///
    /// # Errors
    /// [`BoardFault`] where the board cannot be read, or the file of another task that a step depends on is broken.
    pub fn run(mut self) -> Result<Found, BoardFault> {
        let new = |id: &&str| !self.known.contains(id);
        self.go_to(Reading {
            state: bare(self.before.clone()),
            account: Rc::new(Account {
                unsaid: self.after.chat.iter().map(|m| m.id.as_str()).filter(new).collect(),
                handed_in: self.before.evidence.iter().map(|e| e.id.as_str()).collect(),
            }),
            assigned: None,
            shaped: false,
        })?;
        let mut tries = 0;
        while let Some(here) = self.way.last_mut() {
            if let Some(next) = here.next.next() {
                if !self.dead[self.way.len()].contains(&next) {
                    self.go_to(next)?;
                }
            } else if let Some(one) = here.tries.next() {
                tries += usize::from(self.best.is_some());
                if tries > TRIES_MAX {
                    break;
                }
                self.follow(one)?;
            } else {
                let is_explained = here.unexplained.is_empty();
                if is_explained && self.is_at_the_end() {
                    return Ok(self.found());
                }
                // To go back costs as well, where a long way has nothing more to try.
                tries += usize::from(self.best.is_some());
                if tries > TRIES_MAX {
                    break;
                }
                if self.best.as_ref().is_none_or(|best| self.is_better_than(best)) {
                    self.best = Some(self.found());
                }
                let here = self.way.pop().expect("the loop is at a place");
                self.dead[self.way.len()].push(here.reading);
            }
        }
        Ok(self.best.expect("the first way has an end"))
    }

    /// Tells whether the way so far explains more than another.
    fn is_better_than(&self, other: &Found) -> bool {
        let unexplained = |place: &Place<'_>| usize::from(place.stop.is_some()) + place.unexplained.len();
        let here = self.way.last().map_or(0, unexplained);
        let (mine, others) = (self.way.len(), other.stations.len());
        mine > others || mine == others && here < other.violations.len()
    }

    /// Tells whether every entry has been followed.
    fn is_at_the_end(&self) -> bool {
        self.way.len() == self.dead.len()
    }

    /// What the way so far explains.
    fn found(&self) -> Found {
        let here = self.way.last().expect("a search is somewhere");
        let pointer = format!("/stateHistory/{}", self.before.state_history.len() + self.way.len() - 1);
        let stopped = here.stop.as_ref().map(|stop| stop.violation(self.path, &pointer));
        Found {
            stations: self.way.iter().map(|place| place.reading.state.clone()).collect(),
            assigned: self.way.iter().filter_map(|place| place.reading.assigned.clone()).collect(),
            violations: stopped.into_iter().chain(here.unexplained.iter().cloned()).collect(),
        }
    }

    fn go_to(&mut self, reading: Reading<'a>) -> Result<(), BoardFault> {
        let (before, after) = (self.before, self.after);
        let (mut tries, mut stop, mut unexplained) = (Vec::new(), None, Vec::new());
        match self.entry(self.way.len()) {
            Some(entry) => match tries_of(&entry, &reading)? {
                Ok(several) => tries = several,
                Err(broken) => stop = Some(broken),
            },
            None => {
                unexplained::automatic(&reading.state, before, after, self.path, &mut unexplained);
                unexplained::proof(&reading.account.handed_in, after, self.path, &mut unexplained);
            }
        }
        self.way.push(Place { reading, tries: tries.into_iter(), next: Vec::new().into_iter(), stop, unexplained });
        Ok(())
    }

    /// Returns the entry that follows after so many.
    fn entry(&self, steps: usize) -> Option<Entry<'a>> {
        let at = self.before.state_history.len() + steps;
        let is = self.after.state_history.get(at)?;
        Some(Entry { world: self.world, after: self.after, made: self.made.clone(), at, is })
    }

    /// Takes the step, if it may be taken by what the board was before, by what it is after, or between the two.
    fn follow(&mut self, one: Try<'a>) -> Result<(), BoardFault> {
        let entry = self.entry(self.way.len() - 1).expect("only an entry has something to try");
        let here = self.way.last_mut().expect("a search is somewhere");
        let actor = self.world.member(&entry.is.actor).expect("nothing is tried for who is in no roster");
        let mut state = here.reading.state.clone();
        state.state_history = entry.after.state_history[..entry.at].to_vec();
        // Who has only written by then counts for some gates; what a stranger has slipped in does not.
        let then = self.before.updated_at..=entry.is.timestamp;
        let written = |m: &&Message| {
            self.known.contains(m.id.as_str()) || then.contains(&m.timestamp) && self.world.member(&m.author).is_some()
        };
        state.chat = entry.after.chat.iter().filter(written).cloned().collect();
        if one.shaped {
            shape(&mut state, self.after);
        }
        if one.to.is_some() {
            state.assigned.clone_from(&one.to);
        }
        let operation = operation(entry.is.op, one.action, &state, &entry.is.actor, entry.is.timestamp);
        let stepped = match step(&entry, &state, &operation, actor) {
            // A guess led to a file that is broken: that says nothing of the others.
            Err(BoardFault::Broken { .. } | BoardFault::Newer { .. }) if self.best.is_some() => return Ok(()),
            stepped => stepped?,
        };
        match stepped {
            Ok(states) => {
                let read = |state| Reading {
                    state,
                    account: one.account.clone(),
                    assigned: one.to.clone(),
                    shaped: one.shaped,
                };
                here.next = states.into_iter().map(read).collect::<Vec<_>>().into_iter();
            }
            Err(stop) => {
                here.stop.get_or_insert(Broken::at(stop, one.verb, entry.is));
            }
        }
        Ok(())
    }
}

/// Returns everything that may have led to an entry, the likeliest first.
fn tries_of<'a>(entry: &Entry<'a>, reading: &Reading<'a>) -> Result<Result<Vec<Try<'a>>, Broken>, BoardFault> {
    let actor = &entry.is.actor;
    if entry.world.member(actor).is_none() {
        return Ok(Err(Broken::unknown_actor(actor)));
    }
    let verbs = match &entry.is.trigger {
        Some(trigger) => match trigger.parse::<Verb>() {
            Ok(verb) => vec![verb],
            Err(_) => return Ok(Err(Broken::unknown_verb(trigger))),
        },
        // Written by hand, as boards did before they knew verbs: whatever leads there.
        None => legal_to(&reading.state, entry.is.state),
    };
    let mut tries = Vec::new();
    for verb in verbs {
        let mut account = (*reading.account).clone();
        let actions = entry.actions(verb, &reading.state, &mut account)?;
        // Most steps say nothing: what was left before them is left after.
        let account = if account == *reading.account { reading.account.clone() } else { Rc::new(account) };
        for action in actions {
            tries.extend(shapes(entry, reading).into_iter().map(|(to, shaped)| Try {
                verb,
                action: action.clone(),
                account: account.clone(),
                to,
                shaped,
            }));
        }
    }
    Ok(if tries.is_empty() { Err(Broken::no_way(reading.state.phase(), entry.is)) } else { Ok(tries) })
}

/// Returns what may have happened before a step without an entry of its own, the least first: whom the task was
/// assigned to, and whether it was given the shape that it has now. Where it was free again later, it may have been
/// assigned more than once, and whoever takes the step may have been the assignee as well as whoever is in the end.
fn shapes(entry: &Entry<'_>, reading: &Reading<'_>) -> Vec<(Option<AgentName>, bool)> {
    let mut assigned = vec![None];
    let is_free_later = !entry.is_last(|later| later.state == Status::Backlog);
    for name in entry.after.assigned.iter().chain(is_free_later.then_some(&entry.is.actor)) {
        let to = Some(name.clone());
        if reading.state.assigned != to && !assigned.contains(&to) {
            assigned.push(to);
        }
    }
    let shapes: &[bool] = if reading.shaped { &[true] } else { &[false, true] };
    assigned.iter().flat_map(|to| shapes.iter().map(|shaped| (to.clone(), *shaped))).collect()
}

/// Returns a task without what only grows: of a long history every station would hold all that came before it.
fn bare(mut task: Task) -> Task {
    (task.state_history, task.chat) = (Vec::new(), Vec::new());
    task
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

/// Returns where an operation may have led a task, the likeliest first.
fn step(
    entry: &Entry<'_>,
    state: &Task,
    operation: &Operation,
    actor: &Agent,
) -> Result<Result<Vec<Task>, Stop>, BoardFault> {
    let permit = match authorize(state, operation, actor) {
        Ok(Authority::Granted(permit)) => permit,
        // The same again leaves no entry; one by hand is refused for what it says.
        Ok(Authority::Repeat) => {
            let (task, from, verb) = (state.id.clone(), state.phase(), operation.verb());
            return Ok(Err(Stop::refused(Refusal::IllegalTransition { task, from, verb, legal: legal_verbs(from) })));
        }
        Err(refusal) => return Ok(Err(Stop::refused(refusal))),
    };
    let mut states: Vec<Task> = Vec::new();
    let mut refused = None;
    let mut broken = None;
    for (board, config) in entry.world.boards() {
        let cx = Context { board, config, actor, operation, at: operation.at.max(state.updated_at) };
        let findings = match check(state, permit, &cx) {
            Ok(Ok(findings)) => findings,
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
        for findings in then_or_now(entry, state, permit.edge, config, findings) {
            let next = apply(state, permit.edge, operation, actor, config, &findings);
            match Stop::unless_it_led_there(&next, entry.is) {
                Some(stop) => drop(refused.get_or_insert(stop)),
                None => {
                    let next = bare(next);
                    if !states.contains(&next) {
                        states.push(next);
                    }
                }
            }
        }
    }
    match (broken, refused) {
        _ if !states.is_empty() => Ok(Ok(states)),
        (Some(fault), _) => Err(fault),
        (None, refused) => Ok(Err(refused.expect("there is at least one board"))),
    }
}

/// Returns what a check may have found at the time of a step: other tasks, and the locks that they hold, may since have
/// come and gone.
fn then_or_now(entry: &Entry<'_>, state: &Task, edge: &Edge, config: &BoardConfig, now: Findings) -> Vec<Findings> {
    let mut several = vec![now];
    if let Some(gate) = state.emergency_override.as_ref().and_then(|lifted| lifted.gate)
        && several[0].used.is_none()
        && may_use(edge, gate)
    {
        // Only so, and not the other way: what is in the way by both boards was not got past without it.
        several.push(Findings { used: Some(gate), ..several[0].clone() });
    }
    if !stays_on_locks(state, edge.verb) {
        return several;
    }
    // Whether an unblock met a lock is told by where it led.
    if entry.is.state != Status::Blocked {
        several.iter_mut().for_each(|findings| findings.conflict.clear());
        return several;
    }
    let mut met: Vec<Vec<Conflict>> = Vec::new();
    if let Some(Block::Conflict { paths, holder }) = &entry.after.block {
        met.push(paths.iter().map(|path| in_the_way(path, holder, entry.is)).collect());
    }
    met.push(several[0].conflict.clone());
    if config.policy.locks == LockPolicy::Enforce {
        // The paths that it held then may be others than now: where this is still to be seen, it is not what is there.
        let path = state.files.first().map_or(".", String::as_str);
        met.push(vec![in_the_way(path, &state.id, entry.is)]);
    }
    met.retain(|conflict| !conflict.is_empty());
    if met.is_empty() {
        return several;
    }
    let with = |conflict: Vec<Conflict>| {
        several.iter().map(move |findings| Findings { conflict: conflict.clone(), ..findings.clone() })
    };
    met.into_iter().flat_map(with).collect()
}

fn in_the_way(path: &str, holder: &TaskId, entry: &HistoryEntry) -> Conflict {
    Conflict {
        path: path.to_owned(),
        task: holder.clone(),
        agent: None,
        since: entry.timestamp,
        lock: path.to_owned(),
        mode: LockMode::Hard,
    }
}
