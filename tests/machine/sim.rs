//! A board in memory on which operations are decided and written as files.

use std::collections::HashMap;

use squad::board::difference::tasks_that_differ;
use squad::board::files::Files;
use squad::board::layout::{ARCHIVE_DIR, CONFIG, LIVE_DIR};
use squad::board::render::{FileChange, Overlay, files_of};
use squad::board::snapshot::Snapshot;
use squad::model::board::{Board, Changeset, Decided, Decision, Place};
use squad::model::config::{Agent, ApprovalGate, DEFAULT_LOCKS_FILE};
use squad::model::decide::decide;
use squad::model::id::{AgentName, Epoch, Millis, OpId, TaskId};
use squad::model::operation::{Action, Basis, HandIn, NewTask, Operation};
use squad::model::task::{EvidenceBody, Task};
use squad::model::vocabulary::{AgentKind, Domain, Role};
use squad::review::judge::{Change, RosterBy, judge};
use squad::review::{BoardFile, CheckOptions, FileKind, FileRole, Report, check};
use squad::schema::Violation;

/// When every board begins.
pub const BEGIN: i64 = 1_795_230_851_000;

pub struct Sim {
    pub files: Overlay,
    decided: HashMap<OpId, Decided>,
    /// The instant of the next operation.
    pub now: i64,
    made: u8,
}

pub fn name(text: &str) -> AgentName {
    AgentName::new(text).expect("a name")
}

pub fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("an id")
}

/// The roster: an owner, a chief, a manager for each domain, executors of each domain.
pub fn roster() -> Vec<Agent> {
    let member = |who: &str, role, domain| {
        let mut agent = Agent::new(name(who), role, AgentKind::Agent);
        agent.domain = domain;
        agent
    };
    vec![
        member("olga", Role::Owner, None),
        member("chip", Role::Chief, None),
        member("mira", Role::Manager, Some(Domain::Dev)),
        member("mark", Role::Manager, Some(Domain::Marketing)),
        member("scout", Role::Executor, Some(Domain::Dev)),
        member("vault", Role::Executor, Some(Domain::Dev)),
        member("pia", Role::Executor, Some(Domain::Marketing)),
    ]
}

/// A hand-in that lacks nothing.
pub fn whole() -> HandIn {
    HandIn {
        deliverable: Some("a page".to_owned()),
        summary: Some("wrote the page".to_owned()),
        evidence: vec![EvidenceBody::Url { url: "https://example.org/page".to_owned() }],
        open_ok: None,
    }
}

impl Sim {
    /// Returns a board of the roster, made by an operation.
    pub fn new() -> Self {
        Self::with_gate(None)
    }

    /// Returns one whose reviews are passed by other rules.
    pub fn with_gate(gate: Option<ApprovalGate>) -> Self {
        let mut sim = Self { files: Overlay::default(), decided: HashMap::new(), now: BEGIN, made: 0 };
        sim.must("olga", None, Action::Init { branch: "squad".to_owned(), agents: roster(), gate });
        sim
    }

    /// Returns the board as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Box::new(self.files.clone())).with_decided(self.decided.clone())
    }

    pub fn task(&self, task: &str) -> Task {
        self.snapshot().task(&id(task)).expect("it can be read").expect("it is there").task
    }

    /// Returns an operation that was never made before, by somebody who has seen the board as it is.
    pub fn operation(&mut self, actor: &str, task: Option<&str>, action: Action) -> Operation {
        self.now += 1000;
        self.made = self.made.wrapping_add(1);
        let mut random = [0; 10];
        // Of two operations of one instant no two ids are the same: what they make is numbered from here.
        random[8] = self.made;
        let epoch = task.and_then(|t| self.snapshot().task(&id(t)).expect("it can be read")).map(|p| p.task.epoch);
        Operation {
            id: OpId::from_parts(Millis(self.now), random),
            action,
            task: task.map(id),
            actor: name(actor),
            basis: Basis { head: None, epoch: epoch.filter(|e| *e != Epoch(u64::MAX)) },
            at: Millis(self.now),
            signature: None,
        }
    }

    pub fn decide(&self, operation: &Operation) -> Decision {
        decide(&self.snapshot(), operation).expect("the board can be read")
    }

    /// Decides the operation and writes what it changes.
    pub fn publish(&mut self, operation: &Operation) -> Decision {
        let decision = self.decide(operation);
        if let Decision::Applied(changes) = &decision {
            self.write(changes);
            self.decided.insert(operation.id, Decided { commit: "c".to_owned(), refused: None });
        }
        decision
    }

    fn write(&mut self, changes: &Changeset) {
        let before = self.snapshot();
        before.live().expect("it can be read");
        let files = files_of(&before, changes).expect("what was decided keeps the rules");
        self.files.apply(&files);
        // What is carried over from version to version is what would be read anew.
        let after = before.succeeded_by(Box::new(self.files.clone()), changes);
        assert_eq!(after.live().expect("it is known"), self.snapshot().live().expect("it can be read"));
        assert_eq!(after.config().expect("it is known"), self.snapshot().config().expect("it can be read"));
    }

    /// Does what must be possible.
    pub fn must(&mut self, actor: &str, task: Option<&str>, action: Action) -> Changeset {
        let verb = action.verb();
        let operation = self.operation(actor, task, action);
        match self.publish(&operation) {
            Decision::Applied(changes) => *changes,
            other => panic!("{actor} {verb}: {other:?}"),
        }
    }

    /// Enters executors in the roster.
    pub fn enter(&mut self, names: &[AgentName]) {
        for name in names {
            let agent = Agent::new(name.clone(), Role::Executor, AgentKind::Agent);
            self.must("olga", None, Action::AgentsAdd { agent });
        }
    }

    /// Makes a task of development with this id.
    pub fn make(&mut self, actor: &str, task: &str, fill: impl FnOnce(&mut NewTask)) {
        let mut new = NewTask { id: Some(id(task)), title: format!("make {task}"), ..NewTask::default() };
        new.category = Some(Domain::Dev);
        fill(&mut new);
        self.must(actor, None, Action::New { tasks: vec![new] });
    }

    /// Puts the task's file as it is given in the place of the old one, past every rule.
    pub fn lay(&mut self, task: &Task) {
        let path = squad::board::layout::task_path(&task.id, &Place::of(task));
        let bytes = serde_json::to_vec(task).expect("a task is plain");
        self.files.apply(&[FileChange { path, content: Some(bytes.into()) }]);
    }

    /// Returns the same board once more.
    pub fn copy(&self) -> Self {
        Self { files: self.files.clone(), decided: self.decided.clone(), now: self.now, made: self.made }
    }

    /// Puts a task's file where the board of `there` has it, whatever the task says of itself.
    pub fn lay_at(&mut self, task: &Task, there: &Self) {
        let place = there.snapshot().task(&task.id).expect("it can be read").expect("it is there").place;
        let path = squad::board::layout::task_path(&task.id, &place);
        let bytes = serde_json::to_vec(task).expect("a task is plain");
        self.files.apply(&[FileChange { path, content: Some(bytes.into()) }]);
    }

    /// Checks the files of the board.
    pub fn check(&self) -> Report {
        let mut found = Vec::new();
        let mut add = |path: String, role| {
            if let Some(bytes) = self.files.get(&path) {
                found.push(BoardFile { path, role, kind: FileKind::Ordinary, content: Ok(bytes.to_vec()) });
            }
        };
        add(CONFIG.to_owned(), FileRole::Config);
        add(DEFAULT_LOCKS_FILE.to_owned(), FileRole::Locks);
        let stem = |name: &str| name.strip_suffix(".json").expect("only tasks are here").to_owned();
        for entry in self.files.list(LIVE_DIR).expect("it is in memory") {
            add(format!("{LIVE_DIR}/{}", entry.name), FileRole::Live { stem: stem(&entry.name) });
        }
        for month in self.files.list(ARCHIVE_DIR).expect("it is in memory") {
            let folder = format!("{ARCHIVE_DIR}/{}", month.name);
            for entry in self.files.list(&folder).expect("it is in memory") {
                add(format!("{folder}/{}", entry.name), FileRole::Archived { stem: stem(&entry.name) });
            }
        }
        let options = CheckOptions { config_path: CONFIG.to_owned(), locks_path: DEFAULT_LOCKS_FILE.to_owned() };
        check(found, &options)
    }
}

/// Returns what a reviewer has against the change from one version to another.
pub fn judged(before: &Snapshot, after: &Snapshot, actor: Option<&str>) -> Vec<Violation> {
    let tasks = tasks_that_differ(before, after).expect("they are in memory");
    let actors = actor.map(|actor| vec![name(actor)]);
    let roster_by = actors.clone().map_or(RosterBy::Unknown, RosterBy::Members);
    let change =
        Change { before, after, tasks: &tasks, others: &[], config_path: CONFIG, actors, roster_by, made_at: None };
    judge(&change).expect("they are in memory").violations
}
