//! The world of a fleet: the remote, what is on its way to it, and what each clone keeps on its disk.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use squad::board::render::Overlay;
use squad::board::snapshot::Snapshot;
use squad::model::board::{Board, Decided};
use squad::model::id::{Epoch, Millis, OpId};
use squad::model::operation::{Action, Basis, Operation};
use squad::ops::publish::Exposure;

use crate::dice::Dice;
use crate::sim::{self, Sim};

/// What one operation may take, in simulated time.
pub(super) const LIMITS: [Duration; 4] =
    [Duration::from_millis(60), Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(20)];

pub(super) const TASKS: u64 = 4;

/// What is left out, to see that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// The lease: the remote moves the board whatever it has.
    Lease,
    /// The look for the ids of operations.
    LookUp,
    /// The epochs that operations name.
    Epoch,
    /// The witness of a refusal on the board.
    Record,
    /// What is to survive the death of a process.
    Sync,
    /// The carrying of what others have announced.
    Help,
}

/// How a run is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) clones: usize,
    /// Operations of each clone.
    pub(super) operations: usize,
    /// One step in so many goes wrong; nothing ever for none.
    pub(super) faults: Option<u64>,
    /// Whether two processes of a clone may lead at once, as where the lock does not hold.
    pub(super) twins: bool,
    /// Whether each clone has a task of its own.
    pub(super) apart: bool,
    pub(super) bug: Option<Bug>,
}

pub(super) struct Version {
    pub(super) files: Overlay,
    /// What this version decides: carried out, or refused with a code.
    pub(super) entries: Vec<(Operation, Option<String>)>,
    pub(super) parent: Option<usize>,
    pub(super) depth: usize,
}

#[derive(Clone)]
pub(super) struct Flight {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) clone: String,
    pub(super) outbox: Option<(u64, u64, Vec<Operation>)>,
}

#[derive(Default)]
pub(super) struct CloneState {
    pub(super) queue: Vec<Stored>,
    /// The sequence of the outbox that this clone has seen last.
    pub(super) seen: u64,
}

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) operation: Operation,
    pub(super) exposure: Exposure<usize>,
    pub(super) alive: bool,
}

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Happened,
    DidNot,
    NotKnown,
}

pub(super) struct Case {
    pub(super) operation: Operation,
    /// What its caller wanted; one who asks again wants the same.
    pub(super) request: u64,
    pub(super) told: Option<Told>,
    pub(super) pushes: u32,
    /// How deep the board was when it was made, and when it was told.
    pub(super) begun: usize,
    pub(super) ended: usize,
}

pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) versions: Vec<Version>,
    pub(super) tip: usize,
    pub(super) outboxes: BTreeMap<String, (u64, Vec<Operation>)>,
    pub(super) on_the_way: Vec<Flight>,
    pub(super) clones: Vec<CloneState>,
    pub(super) cases: Vec<Case>,
    /// What each process is about.
    pub(super) about: HashMap<usize, OpId>,
    /// What died with a process, by clone: its caller asks again.
    pub(super) cut_short: Vec<(usize, OpId)>,
    pub(super) requests: u64,
    pub(super) dice: Dice,
    pub(super) clock: Duration,
    pub(super) now: i64,
    pub(super) made: u64,
    pub(super) calm: bool,
}

impl World {
    pub(super) fn new(seed: u64, setting: Setting) -> Self {
        let mut sim = Sim::new();
        let tasks = if setting.apart { setting.clones * setting.operations } else { TASKS as usize };
        for n in 0..tasks {
            // Some are in each other's way: a claim that is refused for that may be allowed a moment later.
            let files = if setting.apart { Vec::new() } else { vec![format!("src/part-{}", n / 2)] };
            sim.make("olga", &format!("t-{n}"), |task| task.files = files);
        }
        let mut agents = Vec::new();
        for n in 0..setting.clones {
            agents.push(sim::name(&format!("agent-{n}")));
        }
        sim.enter(&agents);
        let first = Version { files: sim.files.clone(), entries: Vec::new(), parent: None, depth: 0 };
        Self {
            setting,
            versions: vec![first],
            tip: 0,
            outboxes: BTreeMap::new(),
            on_the_way: Vec::new(),
            clones: (0..setting.clones).map(|_| CloneState::default()).collect(),
            cases: Vec::new(),
            about: HashMap::new(),
            cut_short: Vec::new(),
            requests: 0,
            dice: Dice(seed),
            clock: Duration::ZERO,
            now: sim.now,
            made: 0,
            calm: false,
        }
    }

    pub(super) fn goes_wrong(&mut self, seldom: u64) -> bool {
        match self.setting.faults {
            Some(faults) if !self.calm => self.dice.one_in(faults * seldom),
            _ => false,
        }
    }

    pub(super) fn line(&self, head: usize) -> Vec<usize> {
        let mut line = vec![head];
        while let Some(parent) = self.versions[*line.last().expect("it has one")].parent {
            line.push(parent);
        }
        line
    }

    pub(super) fn decided(&self, head: usize) -> HashMap<OpId, Decided> {
        let mut decided = HashMap::new();
        for version in self.line(head) {
            for (operation, refused) in &self.versions[version].entries {
                decided.insert(operation.id, Decided { commit: version.to_string(), refused: refused.clone() });
            }
        }
        decided
    }

    pub(super) fn snapshot(&self, head: usize) -> Snapshot {
        Snapshot::new(Box::new(self.versions[head].files.clone()))
    }

    pub(super) fn epoch(&self, version: usize, operation: &Operation) -> Option<Epoch> {
        let task = operation.task.as_ref()?;
        self.snapshot(version).task(task).expect("it can be read").map(|placed| placed.task.epoch)
    }

    /// The remote's compare-and-swap of the board.
    pub(super) fn arrive(&mut self, flight: &Flight) -> bool {
        let moves = self.tip == flight.from || self.setting.bug == Some(Bug::Lease);
        if moves {
            self.tip = flight.to;
        }
        moves
    }

    pub(super) fn post(&mut self, flight: &Flight) -> Option<bool> {
        let (before, after, operations) = flight.outbox.clone()?;
        let there = self.outboxes.get(&flight.clone).map_or(0, |(sequence, _)| *sequence);
        if there != before {
            return Some(false);
        }
        self.outboxes.insert(flight.clone.clone(), (after, operations));
        Some(true)
    }

    /// What arrives between two steps of anybody.
    pub(super) fn meanwhile(&mut self) {
        if !self.on_the_way.is_empty() && self.dice.one_in(3) {
            let at = self.dice.roll() as usize % self.on_the_way.len();
            let flight =
                if self.dice.one_in(4) { self.on_the_way[at].clone() } else { self.on_the_way.swap_remove(at) };
            self.arrive(&flight);
            self.post(&flight);
        }
    }

    pub(super) fn operation(&mut self, clone: usize, n: usize) -> Operation {
        self.made += 1;
        self.now += 1000;
        let mut random = [0u8; 10];
        random[2..].copy_from_slice(&self.made.to_be_bytes());
        let (task, action) = if self.setting.apart {
            let task = sim::id(&format!("t-{}", clone * self.setting.operations + n));
            (task, Action::Claim { plan: Some("try".to_owned()) })
        } else {
            let task = sim::id(&format!("t-{}", self.dice.roll() % TASKS));
            let action = match self.dice.roll() % 6 {
                0..=2 => Action::Claim { plan: Some("try".to_owned()) },
                3 => Action::Release { note: "not now".to_owned(), unassign: true },
                4 => Action::Progress { step: Some("on".to_owned()), percent: None },
                _ => Action::Comment { text: "hello".to_owned(), also: Vec::new() },
            };
            (task, action)
        };
        // Somebody who has not looked for a while has seen an older board.
        let line = self.line(self.tip);
        let seen = line[if self.dice.one_in(3) { self.dice.roll() as usize % line.len() } else { 0 }];
        let epoch = self.snapshot(seen).task(&task).expect("it can be read").map(|p| p.task.epoch);
        Operation {
            id: OpId::from_parts(Millis(self.now), random),
            action,
            task: Some(task),
            actor: sim::name(&format!("agent-{clone}")),
            basis: Basis {
                head: Some(seen.to_string()),
                epoch: epoch.filter(|_| self.setting.bug != Some(Bug::Epoch)),
            },
            at: Millis(self.now),
            signature: None,
        }
    }
}

impl World {
    pub(super) fn new_request(&mut self, clone: usize, n: usize) -> Operation {
        let operation = self.operation(clone, n);
        self.requests += 1;
        let begun = self.versions[self.tip].depth;
        let request = self.requests;
        self.cases.push(Case { operation: operation.clone(), request, told: None, pushes: 0, begun, ended: 0 });
        operation
    }

    /// The same request again: with the same operation where the clone has kept it, else with a new one.
    pub(super) fn asked_again(&mut self, clone: usize) -> Option<Operation> {
        let at = self.cut_short.iter().position(|(of, _)| *of == clone)?;
        let (_, id) = self.cut_short.swap_remove(at);
        if let Some(kept) = self.clones[clone].queue.iter_mut().find(|s| s.operation.id == id) {
            kept.alive = true;
            return Some(kept.operation.clone());
        }
        let earlier = self.cases.iter().find(|case| case.operation.id == id).expect("it was asked for");
        let (request, action, task) =
            (earlier.request, earlier.operation.action.clone(), earlier.operation.task.clone());
        let epoch = task.as_ref().and_then(|t| self.snapshot(self.tip).task(t).expect("it can be read"));
        let mut operation = self.operation(clone, 0);
        operation.action = action;
        operation.task = task;
        operation.basis = Basis { head: Some(self.tip.to_string()), epoch: epoch.map(|placed| placed.task.epoch) };
        let begun = self.versions[self.tip].depth;
        self.cases.push(Case { operation: operation.clone(), request, told: None, pushes: 0, begun, ended: 0 });
        Some(operation)
    }
}
