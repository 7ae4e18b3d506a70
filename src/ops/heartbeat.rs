//! `heartbeat`: one tick of the control loop, from one fetch and with one push at most.
//!
//! Owns the order (is the board whole, who is there, what comes back, what is to do, and only then whatever else is
//! looked at now and then) and the time that all of it may take. Each step is another verb's.

mod beside;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::check::check_snapshot;
use super::doctor::{self, State};
use super::failure::Failure;
use super::presence::{Beacon, Lookout, held_by};
use super::recover::{Recovered, Recoveries, recover_on};
use super::scan::{Asked, HeartbeatState, Scanned, scan_on};
use super::schedule::put_away_logs;
use super::session::{Freshness, Session, View};
use super::wake::{Woken, acknowledge, pending, wake_on};
use crate::model::board::Board;
use crate::model::config::{Agent, BoardConfig};
use crate::model::id::{AgentName, Millis, TaskId};
use crate::model::presence::{AgentState, Doing};
use crate::model::query::{self, Standing};
use crate::model::vocabulary::AgentKind;

/// How often the whole board is checked, schema and all.
const DEEP_EVERY: Duration = Duration::from_secs(6 * 3600);

/// How often this clone is looked at for work of the user's that nobody else can see.
const HYGIENE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// What a tick is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Longest time, in place of the board's `budgetSeconds`.
    pub budget: Option<Duration>,
    /// At most so many tasks.
    pub limit: Option<usize>,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What came of it.
    pub state: State,
    /// When.
    pub at: Millis,
    /// What was found, or why nothing was looked at.
    pub detail: String,
}

/// Something that somebody should know of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// What sort: `recovered`, `unattended`, `wake`.
    pub event: &'static str,
    /// The task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// In one sentence, after the task in brackets.
    pub sentence: String,
}

/// What came of a tick.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tick {
    /// What a scan tells; its status says that there is work as well where a check has failed.
    #[serde(flatten)]
    pub scanned: Scanned,
    /// What was looked at, by name.
    pub checks: BTreeMap<&'static str, Check>,
    /// What was brought back into motion.
    pub recovered: Vec<Recovered>,
    /// What somebody should know of.
    pub events: Vec<Event>,
    /// Tasks that wait for a verdict which this agent may give.
    pub requests: Vec<TaskId>,
    /// What the actor should know though it was no reason to fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// Does one tick.
///
/// # Errors
/// [`Failure`] when nothing of the board was ever seen, or nobody is named to act. A remote that is out of reach and a
/// board that is broken are no failure: then nothing is written, and only tasks that leave the world alone are listed.
pub fn heartbeat(session: &mut Session, wanted: Wanted) -> Result<Tick, Failure> {
    let begun = session.clock.steady();
    if let Some(budget) = wanted.budget {
        session.limits.network = session.limits.network.min(budget / 2).max(Duration::from_secs(1));
    }
    let session = &*session;
    put_away_logs(session);
    let view = session.view(Freshness::WithSigns)?;
    let config = view.config()?.clone();
    let agent = session.actor(&config)?.clone();
    let budget = wanted.budget.unwrap_or(Duration::from_secs(config.timing.budget_seconds));
    let mut ticking = Ticking {
        session,
        agent: &agent,
        config: &config,
        begun,
        budget,
        checks: BTreeMap::new(),
        events: Vec::new(),
        warnings: Vec::new(),
        pushed: false,
    };
    let safe = ticking.look_at_the_board(&view);
    let lookout = Lookout::of(session, &view, !safe && !session.options.offline)?;
    ticking.look_who_is_there(&lookout, &view)?;
    let recovered = ticking.recover(safe, &view, &lookout);
    // What was brought back is on the board now.
    let view = if recovered.is_empty() { view } else { session.view(Freshness::Seen)? };
    let mut scanned = scan_on(session, &view, Asked { safe, limit: wanted.limit, since_last: true, fresh: false })?;
    let requests = requests(&view, &agent)?;
    ticking.ask_for_the_missing(safe, &view, &lookout)?;
    ticking.give_a_sign(safe, &view)?;
    ticking.look_now_and_then(&view);
    let failed = ticking.checks.values().any(|check| check.state == State::Failed);
    if failed || !recovered.is_empty() || !requests.is_empty() {
        scanned.status = "WORK";
    }
    let elapsed = session.clock.steady().saturating_sub(begun);
    Ok(Tick {
        scanned,
        checks: ticking.checks,
        recovered,
        events: ticking.events,
        requests,
        warnings: ticking.warnings,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

struct Ticking<'a> {
    session: &'a Session,
    agent: &'a Agent,
    config: &'a BoardConfig,
    begun: Duration,
    budget: Duration,
    checks: BTreeMap<&'static str, Check>,
    events: Vec<Event>,
    warnings: Vec<String>,
    /// Whether this tick has had its push.
    pushed: bool,
}

impl Ticking<'_> {
    fn say(&mut self, name: &'static str, state: State, detail: impl Into<String>) {
        let at = self.session.now();
        self.checks.insert(name, Check { state, at, detail: detail.into() });
    }

    /// Looks whether the board is as the remote has it, and can be built on. Where not, nothing is written.
    fn look_at_the_board(&mut self, view: &View) -> bool {
        match &view.degraded {
            Some(cause) => self.say("board", State::Failed, cause.clone()),
            None if self.session.options.offline => {
                self.say("board", State::Unavailable, "--offline forbids to ask the remote");
            }
            None => self.say("board", State::Ok, format!("as the remote has it, at {}", view.head.short())),
        }
        view.degraded.is_some() || self.session.options.offline
    }

    fn look_who_is_there(&mut self, lookout: &Lookout, view: &View) -> Result<(), Failure> {
        let mut found: BTreeMap<&'static str, usize> = BTreeMap::new();
        for agent in self.config.agents.iter().filter(|agent| agent.kind != AgentKind::Human) {
            *found.entry(lookout.state_of(agent, view)?.0.as_str()).or_default() += 1;
        }
        let unknown = found.contains_key(AgentState::Unknown.as_str());
        let said: Vec<String> = found.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let state = if unknown { State::Unavailable } else { State::Ok };
        self.say("presence", state, if said.is_empty() { "no agents".to_owned() } else { said.join(", ") });
        Ok(())
    }

    fn recover(&mut self, safe: bool, view: &View, lookout: &Lookout) -> Vec<Recovered> {
        if safe {
            self.say("recovery", State::Skipped, "nothing is taken from anybody while the board cannot be trusted");
            return Vec::new();
        }
        match recover_on(self.session, view, lookout) {
            Err(failure) => {
                self.say("recovery", State::Failed, failure.message);
                Vec::new()
            }
            Ok(Recoveries { recovered, failed, warnings }) => {
                self.warnings.extend(warnings);
                self.pushed |= !recovered.is_empty();
                let detail = format!("{} brought back", recovered.len());
                match failed.is_empty() {
                    true => self.say("recovery", State::Ok, detail),
                    false => self.say("recovery", State::Failed, failed.join("; ")),
                }
                self.events.extend(recovered.iter().map(|one| Event {
                    event: "recovered",
                    task: Some(one.task.clone()),
                    agent: one.agent.clone(),
                    sentence: format!("[{}] {}: {}", one.task, one.trigger, one.seen),
                }));
                recovered
            }
        }
    }

    /// Asks for an agent that squad may have started and that is not there for work of its own; of others it is told.
    fn ask_for_the_missing(&mut self, safe: bool, view: &View, lookout: &Lookout) -> Result<(), Failure> {
        let now = self.session.now();
        let patience = Duration::from_secs(self.config.timing.wake_minutes * 60);
        for task in view.snapshot.live()? {
            let Some(Standing { assigned: Some(name), .. }) = query::unattended(task, self.config, now) else {
                continue;
            };
            let Some(agent) = self.config.agent(&name) else { continue };
            if lookout.state_of(agent, view)?.0 != AgentState::Gone {
                continue;
            }
            let managed = agent.kind == AgentKind::Managed;
            if !managed {
                let sentence = format!("[{}] is {name}'s, who is not there", task.id);
                let (event, task) = ("unattended", Some(task.id.clone()));
                self.events.push(Event { event, task, agent: Some(name.clone()), sentence });
            }
            if safe || self.pushed || pending(self.session, &name)?.is_some() {
                continue;
            }
            let reason = format!("{} waits in the backlog", task.id);
            match wake_on(self.session, agent, self.agent.name.clone(), Some(&reason), patience) {
                Err(failure) => self.say("wake", State::Failed, failure.message),
                Ok(Woken { skipped: true, .. }) => {}
                Ok(Woken { warnings, .. }) => {
                    self.pushed = true;
                    self.warnings.extend(warnings);
                    if managed {
                        let sentence = format!("[{}] {name} is asked for: {reason}", task.id);
                        let task = Some(task.id.clone());
                        self.events.push(Event { event: "wake", task, agent: Some(name), sentence });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whoever ticks lives: for this host at once, for others where there is a push left.
    fn give_a_sign(&mut self, safe: bool, view: &View) -> Result<(), Failure> {
        if self.session.options.dry_run {
            return Ok(());
        }
        if !safe && !self.pushed && pending(self.session, &self.agent.name)?.is_some() {
            acknowledge(self.session, &self.agent.name)?;
            self.pushed = true;
        }
        let held = held_by(view, &self.agent.name)?;
        if held.is_empty() {
            return Ok(());
        }
        let mut beacon = Beacon::by_hand(self.session, &self.agent.name, &self.config.timing)?;
        beacon.give(Doing::Working, &held)?;
        if !safe && !self.pushed {
            beacon.tell_remote()?;
            self.pushed = true;
        }
        Ok(())
    }

    /// What is looked at now and then, for as long as there is time.
    fn look_now_and_then(&mut self, view: &View) {
        let mut state = HeartbeatState::load(self.session, &self.agent.name);
        self.now_and_then(&mut state, "files", DEEP_EVERY, |_| match check_snapshot(&view.snapshot) {
            Err(failure) => (State::Unavailable, failure.message),
            Ok(report) if report.has_errors() => {
                let errors = report.violations.iter().filter(|v| v.is_error()).count();
                (State::Failed, format!("{errors} of what is wrong refuses files; `squad check` tells them"))
            }
            Ok(report) => (State::Ok, format!("{} files keep the rules", report.checked)),
        });
        self.now_and_then(&mut state, "hygiene", HYGIENE_EVERY, doctor::hygiene);
        self.look_beside();
        if !self.session.options.dry_run {
            state.save();
        }
    }

    /// What this clone's settings name beside the board. It is a look at a few files, and stops nothing.
    fn look_beside(&mut self) {
        if let Some((state, detail)) = beside::expected(self.session) {
            if state == State::Failed {
                self.warnings.push(format!("{}: {detail}", beside::EXPECTED));
            }
            self.say("expectFile", state, detail);
        }
        let (state, detail) = beside::ledger(self.session, &self.agent.name);
        self.say("ledger", state, detail);
    }

    fn now_and_then(
        &mut self,
        state: &mut HeartbeatState,
        name: &'static str,
        every: Duration,
        look: impl FnOnce(&Session) -> (State, String),
    ) {
        let now = self.session.now();
        let ago = state.checked_at(name).map(|at| Duration::from_millis(now.since(at)));
        if let Some(ago) = ago.filter(|ago| *ago < every) {
            let detail = format!("looked at {} min ago, every {} h", ago.as_secs() / 60, every.as_secs() / 3600);
            return self.say(name, State::Skipped, detail);
        }
        let used = self.session.clock.steady().saturating_sub(self.begun);
        if used >= self.budget {
            let detail = format!("the {} s of a tick were used up", self.budget.as_secs());
            return self.say(name, State::Skipped, detail);
        }
        let (found, detail) = look(self.session);
        state.note_check(name, now);
        self.say(name, found, detail);
    }
}

/// Returns the tasks that wait for a verdict which this agent may give: somebody who neither asked nor did the work.
fn requests(view: &View, agent: &Agent) -> Result<Vec<TaskId>, Failure> {
    let mut found = Vec::new();
    for task in view.snapshot.live()? {
        let Some(by) = task.completion_request.as_ref().map(|request| &request.by) else { continue };
        if *by != agent.name && !task.is_assigned_to(&agent.name) {
            found.push(task.id.clone());
        }
    }
    Ok(found)
}
