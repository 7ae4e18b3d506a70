//! Many clones, played by the production publish loop over a remote in memory that loses, delays, duplicates and
//! refuses, with processes that die in the middle. Every run is made from its seed alone.
//!
//! Each process is a thread, and one runs at a time: whenever it speaks to the remote or waits, a scheduler decides by
//! the seed who goes on, who dies and what arrives. At the end the history is held against what everybody was told.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use squad::board::files::Files as _;
use squad::board::render::{Overlay, files_of};
use squad::board::snapshot::Snapshot;
use squad::model::board::{Board, Changeset, Decided, Decision};
use squad::model::decide::decide;
use squad::model::id::{Epoch, Millis, OpId};
use squad::model::operation::{Action, Basis, Operation};
use squad::model::transition::is_fenced;
use squad::ops::publish::{
    Announced, Answer, Draft, Entry, Exposure, Moved, Pushed, Sealed, Shared, Standing, Trouble, Wanted, lead,
};

use crate::dice::Dice;
use crate::sim::{self, Sim};

/// What one operation may take, in simulated time.
const LIMITS: [Duration; 4] =
    [Duration::from_millis(60), Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(20)];

const TASKS: u64 = 4;

/// What is left out, to see that it is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
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
pub struct Setting {
    pub clones: usize,
    /// Operations of each clone.
    pub operations: usize,
    /// One step in so many goes wrong; nothing ever for none.
    pub faults: Option<u64>,
    /// Whether two processes of a clone may lead at once, as where the lock does not hold.
    pub twins: bool,
    /// Whether each clone has a task of its own.
    pub apart: bool,
    pub bug: Option<Bug>,
}

struct Version {
    files: Overlay,
    /// What this version decides: carried out, or refused with a code.
    entries: Vec<(Operation, Option<String>)>,
    parent: Option<usize>,
    depth: usize,
}

#[derive(Clone)]
struct Flight {
    from: usize,
    to: usize,
    clone: String,
    outbox: Option<(u64, u64, Vec<Operation>)>,
}

#[derive(Default)]
struct CloneState {
    queue: Vec<Stored>,
    /// The sequence of the outbox that this clone has seen last.
    seen: u64,
}

#[derive(Clone)]
struct Stored {
    operation: Operation,
    exposure: Exposure<usize>,
    alive: bool,
}

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Happened,
    DidNot,
    NotKnown,
}

struct Case {
    operation: Operation,
    /// What its caller wanted; one who asks again wants the same.
    request: u64,
    told: Option<Told>,
    pushes: u32,
    /// How deep the board was when it was made, and when it was told.
    begun: usize,
    ended: usize,
}

struct World {
    setting: Setting,
    versions: Vec<Version>,
    tip: usize,
    outboxes: BTreeMap<String, (u64, Vec<Operation>)>,
    on_the_way: Vec<Flight>,
    clones: Vec<CloneState>,
    cases: Vec<Case>,
    /// What each process is about.
    about: HashMap<usize, OpId>,
    /// What died with a process, by clone: its caller asks again.
    cut_short: Vec<(usize, OpId)>,
    requests: u64,
    dice: Dice,
    clock: Duration,
    now: i64,
    made: u64,
    calm: bool,
}

impl World {
    fn new(seed: u64, setting: Setting) -> Self {
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

    fn goes_wrong(&mut self, seldom: u64) -> bool {
        match self.setting.faults {
            Some(faults) if !self.calm => self.dice.one_in(faults * seldom),
            _ => false,
        }
    }

    fn line(&self, head: usize) -> Vec<usize> {
        let mut line = vec![head];
        while let Some(parent) = self.versions[*line.last().expect("it has one")].parent {
            line.push(parent);
        }
        line
    }

    fn decided(&self, head: usize) -> HashMap<OpId, Decided> {
        let mut decided = HashMap::new();
        for version in self.line(head) {
            for (operation, refused) in &self.versions[version].entries {
                decided.insert(operation.id, Decided { commit: version.to_string(), refused: refused.clone() });
            }
        }
        decided
    }

    fn snapshot(&self, head: usize) -> Snapshot {
        Snapshot::new(Box::new(self.versions[head].files.clone()))
    }

    fn epoch(&self, version: usize, operation: &Operation) -> Option<Epoch> {
        let task = operation.task.as_ref()?;
        self.snapshot(version).task(task).expect("it can be read").map(|placed| placed.task.epoch)
    }

    /// The remote's compare-and-swap of the board.
    fn arrive(&mut self, flight: &Flight) -> bool {
        let moves = self.tip == flight.from || self.setting.bug == Some(Bug::Lease);
        if moves {
            self.tip = flight.to;
        }
        moves
    }

    fn post(&mut self, flight: &Flight) -> Option<bool> {
        let (before, after, operations) = flight.outbox.clone()?;
        let there = self.outboxes.get(&flight.clone).map_or(0, |(sequence, _)| *sequence);
        if there != before {
            return Some(false);
        }
        self.outboxes.insert(flight.clone.clone(), (after, operations));
        Some(true)
    }

    /// What arrives between two steps of anybody.
    fn meanwhile(&mut self) {
        if !self.on_the_way.is_empty() && self.dice.one_in(3) {
            let at = self.dice.roll() as usize % self.on_the_way.len();
            let flight =
                if self.dice.one_in(4) { self.on_the_way[at].clone() } else { self.on_the_way.swap_remove(at) };
            self.arrive(&flight);
            self.post(&flight);
        }
    }

    fn operation(&mut self, clone: usize, n: usize) -> Operation {
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
                _ => Action::Comment { text: "hello".to_owned() },
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
        }
    }
}

impl World {
    fn new_request(&mut self, clone: usize, n: usize) -> Operation {
        let operation = self.operation(clone, n);
        self.requests += 1;
        let begun = self.versions[self.tip].depth;
        let request = self.requests;
        self.cases.push(Case { operation: operation.clone(), request, told: None, pushes: 0, begun, ended: 0 });
        operation
    }

    /// The same request again: with the same operation where the clone has kept it, else with a new one.
    fn asked_again(&mut self, clone: usize) -> Option<Operation> {
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

/// Who may run.
struct Stage {
    world: Mutex<World>,
    turn: Mutex<Turn>,
    moved: Condvar,
}

#[derive(Default)]
struct Turn {
    /// The process that runs now.
    on: Option<usize>,
    /// Processes that wait for their turn.
    waiting: Vec<usize>,
    doomed: Vec<usize>,
    ended: usize,
    begun: usize,
}

/// What a process dies of.
struct Killed;

impl Stage {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives up the turn and waits for the next one.
    fn step(&self, process: usize) {
        let mut turn = self.turn();
        if turn.on == Some(process) {
            turn.on = None;
        }
        turn.waiting.push(process);
        self.moved.notify_all();
        while turn.on != Some(process) {
            turn = self.moved.wait(turn).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if turn.doomed.contains(&process) {
            drop(turn);
            resume_unwind(Box::new(Killed));
        }
    }

    fn leave(&self, process: usize) {
        let mut turn = self.turn();
        turn.on = None;
        turn.ended += 1;
        turn.doomed.retain(|doomed| *doomed != process);
        self.moved.notify_all();
    }
}

/// One process of a clone, as the publish loop sees the world.
struct Process {
    stage: Arc<Stage>,
    process: usize,
    clone: usize,
    /// Whether it leads without the lock, and so only for itself.
    alone: bool,
    own: Option<Operation>,
    others: Vec<Announced>,
    begun: Duration,
    answered: Vec<OpId>,
}

impl Process {
    fn name(clone: usize) -> String {
        format!("clone-{clone}")
    }

    fn take(&self, time: u64) {
        self.stage.world().clock += Duration::from_millis(time);
        self.stage.step(self.process);
    }
}

pub struct Changes {
    files: Overlay,
    board: Snapshot,
    base: usize,
    steps: Vec<(Operation, Overlay)>,
    decided: HashMap<OpId, Decided>,
}

impl Draft for Changes {
    fn board(&self) -> &dyn Board {
        &self.board
    }

    fn add(&mut self, operation: &Operation, changes: &Changeset) -> Result<(), Trouble> {
        let files = files_of(&self.board, changes).expect("what was decided keeps the rules");
        self.files.apply(&files);
        self.decided.insert(operation.id, Decided { commit: "c".to_owned(), refused: None });
        self.board = Snapshot::new(Box::new(self.files.clone())).with_decided(self.decided.clone());
        self.steps.push((operation.clone(), self.files.clone()));
        Ok(())
    }
}

impl Shared for Process {
    type Head = usize;
    type Draft = Changes;

    fn recent(&mut self) -> Option<usize> {
        None
    }

    fn fetch(&mut self) -> Result<usize, Trouble> {
        self.take(20);
        let head = {
            let mut world = self.stage.world();
            world.meanwhile();
            if world.goes_wrong(2) {
                return Err(Trouble::Unreachable("the line is dead".to_owned()));
            }
            world.tip
        };
        // Others may come between the two looks.
        self.take(1);
        let mut world = self.stage.world();
        let own = Self::name(self.clone);
        world.clones[self.clone].seen = world.outboxes.get(&own).map_or(0, |(sequence, _)| *sequence);
        let others = world.outboxes.iter().filter(|(clone, _)| **clone != own);
        self.others = others
            .map(|(clone, (_, operations))| Announced { clone: clone.clone(), operations: operations.clone() })
            .collect();
        if world.setting.bug == Some(Bug::Help) {
            self.others.clear();
        }
        Ok(head)
    }

    fn entries(&mut self) -> Result<Vec<Entry<usize>>, Trouble> {
        let world = self.stage.world();
        let entry = |stored: &Stored| Entry {
            operation: stored.operation.clone(),
            exposure: stored.exposure.clone(),
            orphan: !stored.alive,
        };
        let mut entries: Vec<_> = world.clones[self.clone].queue.iter().map(entry).collect();
        if self.alone {
            entries.retain(|e| self.own.as_ref().is_some_and(|own| own.id == e.operation.id));
        }
        if let Some(own) = &self.own
            && !entries.iter().any(|e| e.operation.id == own.id)
        {
            entries.push(Entry { operation: own.clone(), exposure: Exposure::None, orphan: false });
        }
        entries.retain(|e| !self.answered.contains(&e.operation.id));
        Ok(entries)
    }

    fn announced(&mut self) -> Vec<Announced> {
        self.others.clone()
    }

    fn standing(&mut self, head: &usize, operation: &Operation) -> Result<Standing, Trouble> {
        let world = self.stage.world();
        if world.setting.bug == Some(Bug::LookUp) {
            return Ok(Standing::Open);
        }
        let basis: usize = operation.basis.head.as_deref().and_then(|h| h.parse().ok()).expect("it names a version");
        if !world.line(*head).contains(&basis) {
            return Ok(Standing::Elsewhere);
        }
        Ok(world.decided(*head).remove(&operation.id).map_or(Standing::Open, Standing::Decided))
    }

    fn draft(&mut self, head: &usize) -> Result<Changes, Trouble> {
        let world = self.stage.world();
        let decided = HashMap::new();
        let files = world.versions[*head].files.clone();
        Ok(Changes { board: world.snapshot(*head), files, base: *head, steps: Vec::new(), decided })
    }

    fn seal(&mut self, draft: Changes, refused: &[(OpId, String)]) -> Result<Sealed<usize>, Trouble> {
        let mut world = self.stage.world();
        let mut head = draft.base;
        let mut commits = Vec::new();
        let known = |world: &World, id: OpId| {
            let announced = self.others.iter().flat_map(|o| &o.operations);
            let queued = world.clones[self.clone].queue.iter().map(|s| &s.operation);
            announced.chain(queued).chain(&self.own).find(|o| o.id == id).cloned().expect("it came from somewhere")
        };
        let mut witness: Vec<_> = refused.iter().map(|(id, code)| (known(&world, *id), Some(code.clone()))).collect();
        if world.setting.bug == Some(Bug::Record) {
            witness.clear();
        }
        let count = draft.steps.len();
        let mut steps: Vec<(Overlay, Vec<_>)> =
            draft.steps.into_iter().map(|(operation, files)| (files, vec![(operation, None)])).collect();
        if count == 0 {
            steps.push((draft.files, Vec::new()));
        }
        steps.last_mut().expect("there is one").1.append(&mut witness);
        for (files, entries) in steps {
            let depth = world.versions[head].depth + 1;
            let ids: Vec<OpId> = entries.iter().filter(|(_, r)| r.is_none()).map(|(o, _)| o.id).collect();
            world.versions.push(Version { files, entries, parent: Some(head), depth });
            head = world.versions.len() - 1;
            commits.extend(ids.into_iter().map(|id| (id, head.to_string())));
        }
        Ok(Sealed { head, commits, last: head.to_string() })
    }

    fn announces(&self, _: bool) -> bool {
        true
    }

    fn remember(&mut self, exposed: &[(OpId, Exposure<usize>)]) -> Result<(), Trouble> {
        let mut world = self.stage.world();
        if world.setting.bug == Some(Bug::Sync) {
            return Ok(());
        }
        for (id, exposure) in exposed {
            let own = self.own.clone().filter(|own| own.id == *id);
            let queue = &mut world.clones[self.clone].queue;
            match queue.iter_mut().find(|s| s.operation.id == *id) {
                Some(stored) => stored.exposure = exposure.clone(),
                None => {
                    queue.extend(own.map(|operation| Stored { operation, exposure: exposure.clone(), alive: true }));
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, from: &usize, to: &usize, outbox: Option<&[Operation]>) -> Pushed {
        self.take(20);
        let name = Self::name(self.clone);
        let (flight, lost, late, silent, principle) = {
            let mut world = self.stage.world();
            world.meanwhile();
            let seen = world.clones[self.clone].seen;
            let outbox =
                outbox.map(|operations| (seen, world.made * 1000 + world.versions.len() as u64, operations.to_vec()));
            let flight = Flight { from: *from, to: *to, clone: name, outbox };
            (flight, world.goes_wrong(3), world.goes_wrong(3), world.goes_wrong(3), world.goes_wrong(4))
        };
        let unknown = || Pushed {
            board: Moved::Unknown { reason: "the line went dead".to_owned() },
            outbox: Some(Moved::Unknown { reason: "the line went dead".to_owned() }),
        };
        if lost {
            return unknown();
        }
        if late {
            self.stage.world().on_the_way.push(flight);
            return unknown();
        }
        let no = |on_principle| Moved::Rejected { reason: "no".to_owned(), on_principle };
        if principle {
            let outbox = self.stage.world().post(&flight);
            return Pushed { board: no(true), outbox: outbox.map(|o| if o { Moved::Landed } else { no(false) }) };
        }
        let board = self.stage.world().arrive(&flight);
        // A push that is not atomic: others may come between its two refs, and its server may die there.
        self.take(1);
        if self.stage.world().goes_wrong(6) {
            return unknown();
        }
        let outbox = self.stage.world().post(&flight);
        if silent {
            return unknown();
        }
        let told = |moved| if moved { Moved::Landed } else { no(false) };
        Pushed { board: told(board), outbox: outbox.map(told) }
    }

    fn confirm(&mut self, _: &usize) {
        // A process may die after its push and before it tells anybody.
        self.take(1);
    }

    fn outbox_was_refused(&mut self, _: &str) {}

    fn answer(&mut self, id: OpId, answer: &Answer) {
        self.answered.push(id);
        let mut world = self.stage.world();
        world.clones[self.clone].queue.retain(|s| s.operation.id != id);
        let ended = world.versions[world.tip].depth;
        let own = self.own.as_ref().is_some_and(|own| own.id == id);
        if let Some(case) = world.cases.iter_mut().find(|case| case.operation.id == id)
            && (own || case.told.is_none() || case.told == Some(Told::NotKnown))
        {
            (case.told, case.pushes, case.ended) = (Some(told(answer)), pushes(answer), ended);
        }
    }

    fn name(&self) -> String {
        Self::name(self.clone)
    }

    fn elapsed(&self) -> Duration {
        self.stage.world().clock.saturating_sub(self.begun)
    }

    fn pause(&mut self, time: Duration) {
        // Time passes for everybody.
        let part = time / u32::try_from(self.stage.world().setting.clones).unwrap_or(1);
        self.stage.world().clock += part;
        self.stage.step(self.process);
    }

    fn chance(&mut self) -> f64 {
        (self.stage.world().dice.roll() % 1000) as f64 / 1000.0
    }
}

fn told(answer: &Answer) -> Told {
    match answer {
        Answer::Published { .. } | Answer::Settled { refused: None, .. } => Told::Happened,
        Answer::Failed(failure) if failure.code.as_str() == "undecided" => Told::NotKnown,
        _ => Told::DidNot,
    }
}

fn pushes(answer: &Answer) -> u32 {
    match answer {
        Answer::Published { pushes, .. } | Answer::Settled { pushes, .. } => *pushes,
        _ => 0,
    }
}

/// The life of one process: it asks for its operations one after the other; first for what another of its clone has
/// died over.
fn live(stage: &Arc<Stage>, process: usize, clone: usize, todo: std::ops::Range<usize>) {
    stage.step(process);
    let mut todo: Vec<Option<usize>> = todo.map(Some).collect();
    if stage.world().cut_short.iter().any(|(of, _)| *of == clone) {
        todo.insert(0, None);
    }
    for n in todo {
        let (operation, limit) = {
            let mut world = stage.world();
            let operation = match n {
                Some(n) => world.new_request(clone, n),
                None => match world.asked_again(clone) {
                    Some(operation) => operation,
                    None => continue,
                },
            };
            world.about.insert(process, operation.id);
            let limit = match world.setting.faults {
                Some(_) => LIMITS[world.dice.roll() as usize % LIMITS.len()],
                None => Duration::from_secs(1_000_000),
            };
            (operation, limit)
        };
        publish(stage, process, clone, Some(operation), limit);
        stage.step(process);
    }
}

fn publish(stage: &Arc<Stage>, process: usize, clone: usize, own: Option<Operation>, limit: Duration) {
    let wanted = own.as_ref().map_or(Wanted::All, |own| Wanted::One(own.id));
    let begun = stage.world().clock;
    let alone = clone == 0 && own.is_some() && stage.world().setting.twins;
    let mut hands = Process {
        stage: stage.clone(),
        process,
        clone,
        alone,
        own: own.clone(),
        others: Vec::new(),
        begun,
        answered: Vec::new(),
    };
    let result = lead(&mut hands, wanted, limit);
    let mut world = stage.world();
    let ended = world.versions[world.tip].depth;
    if let (Err(trouble), Some(own)) = (result, own) {
        let told = match trouble {
            Trouble::Undecided { .. } => Told::NotKnown,
            _ => Told::DidNot,
        };
        let case = world.cases.iter_mut().find(|case| case.operation.id == own.id).expect("it was asked for");
        (case.told, case.ended) = (Some(told), ended);
        // Its process is done with it.
        if let Some(stored) = world.clones[clone].queue.iter_mut().find(|s| s.operation.id == own.id) {
            stored.alive = false;
        }
    }
}

/// What a run has shown.
#[derive(Debug, Default)]
pub struct Shown {
    pub happened: usize,
    pub refused: usize,
    pub undecided: usize,
    pub killed: usize,
    pub helped: usize,
    pub most_pushes: u32,
    pub pushes: u32,
}

/// Plays one run.
///
/// # Errors
/// What of the protocol's promises did not hold.
pub fn play(seed: u64, setting: Setting) -> Result<Shown, String> {
    let stage =
        Arc::new(Stage { world: Mutex::new(World::new(seed, setting)), turn: Mutex::default(), moved: Condvar::new() });
    let mut shown = Shown::default();
    let mut threads = Vec::new();
    let begin = |process: usize, clone: usize, todo: std::ops::Range<usize>| {
        let stage = stage.clone();
        stage.turn().begun += 1;
        thread::spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| live(&stage, process, clone, todo)));
            stage.leave(process);
            match result {
                Err(panic) if panic.downcast_ref::<Killed>().is_none() => Err(panic),
                _ => Ok(()),
            }
        })
    };
    let mut running: BTreeMap<usize, usize> = BTreeMap::new();
    for clone in 0..setting.clones {
        threads.push(begin(clone, clone, 0..setting.operations));
        running.insert(clone, clone);
    }
    let mut next = setting.clones;
    if setting.twins {
        threads.push(begin(next, 0, 0..setting.operations));
        running.insert(next, 0);
        next += 1;
    }
    // Every process that lives waits for its turn before another is given it.
    loop {
        let mut turn = stage.turn();
        while turn.on.is_some() || turn.waiting.len() + turn.ended < turn.begun {
            turn = stage.moved.wait(turn).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        if turn.waiting.is_empty() {
            break;
        }
        turn.waiting.sort_unstable();
        let (at, dies) = {
            let mut world = stage.world();
            let at = world.dice.roll() as usize % turn.waiting.len();
            (at, world.goes_wrong(12))
        };
        let process = turn.waiting.remove(at);
        turn.on = Some(process);
        if dies {
            turn.doomed.push(process);
            shown.killed += 1;
            let clone = running[&process];
            let mut world = stage.world();
            let about = world.about.get(&process).copied();
            if let Some(case) = world.cases.iter().find(|case| Some(case.operation.id) == about && case.told.is_none())
            {
                let id = case.operation.id;
                world.cut_short.push((clone, id));
                if let Some(stored) = world.clones[clone].queue.iter_mut().find(|s| s.operation.id == id) {
                    stored.alive = false;
                }
            }
            drop(world);
            if next < setting.clones * 4 {
                drop(turn);
                threads.push(begin(next, clone, 0..2));
                running.insert(next, clone);
                next += 1;
                turn = stage.turn();
            }
        }
        drop(turn);
        stage.moved.notify_all();
    }
    for thread in threads {
        if let Err(panic) = thread.join().expect("panics are caught") {
            let why = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned());
            return Err(format!("a process stopped: {why}"));
        }
    }
    settle(&stage, next, setting)?;
    judge(&stage.world(), &mut shown)?;
    Ok(shown)
}

/// Everything that is still on its way arrives, and every clone settles its queue.
fn settle(stage: &Arc<Stage>, first: usize, setting: Setting) -> Result<(), String> {
    {
        let mut world = stage.world();
        world.calm = true;
        while let Some(flight) = world.on_the_way.pop() {
            world.arrive(&flight);
            world.post(&flight);
        }
    }
    for clone in 0..setting.clones {
        let process = first + clone;
        let stage = stage.clone();
        let done = thread::spawn({
            let stage = stage.clone();
            move || {
                stage.turn().on = Some(process);
                // Alone on the stage: each step goes on at once.
                publish(&stage, process, clone, None, Duration::from_secs(3600));
                stage.turn().on = None;
            }
        });
        while !done.is_finished() {
            let mut turn = stage.turn();
            if turn.waiting.contains(&process) {
                turn.waiting.clear();
                turn.on = Some(process);
                stage.moved.notify_all();
            }
            drop(turn);
            thread::yield_now();
        }
        done.join().map_err(|_| "a process stopped while it settled its queue".to_owned())?;
        let left = stage.world().clones[clone].queue.len();
        if left > 0 {
            return Err(format!("{left} operations of clone {clone} are open although nothing is in the way"));
        }
    }
    Ok(())
}

/// Holds the history against what everybody was told.
fn judge(world: &World, shown: &mut Shown) -> Result<(), String> {
    let mut line = world.line(world.tip);
    line.reverse();
    let mut times: HashMap<OpId, (usize, usize)> = HashMap::new();
    let mut depth_of: HashMap<OpId, usize> = HashMap::new();
    for pair in line.windows(2) {
        let (before, version) = (pair[0], &world.versions[pair[1]]);
        for (operation, refused) in &version.entries {
            let times = times.entry(operation.id).or_default();
            match refused {
                None => {
                    times.0 += 1;
                    depth_of.insert(operation.id, version.depth);
                    let snapshot = world.snapshot(before);
                    let decision = decide(&snapshot, operation).map_err(|e| e.to_string())?;
                    let seen = operation.basis.head.as_deref().and_then(|h| h.parse().ok()).expect("a version");
                    if is_fenced(operation.verb()) && world.epoch(seen, operation) != world.epoch(before, operation) {
                        return Err(format!("{} was carried out under a claim that was over", operation.id));
                    }
                    let Decision::Applied(changes) = decision else {
                        return Err(format!(
                            "{} was carried out where it was not possible: {decision:?}",
                            operation.id
                        ));
                    };
                    let mut files = world.versions[before].files.clone();
                    files.apply(&files_of(&snapshot, &changes).map_err(|e| e.to_string())?);
                    if !same(&files, &version.files) {
                        return Err(format!("the version that carries out {} is not what follows", operation.id));
                    }
                }
                Some(_) => {
                    times.1 += 1;
                    let decision = decide(&world.snapshot(pair[1]), operation).map_err(|e| e.to_string())?;
                    if matches!(decision, Decision::Applied(_)) {
                        return Err(format!("{} is refused on a board that allows it", operation.id));
                    }
                }
            }
        }
    }
    for (id, (done, refused)) in &times {
        if *done > 1 || (*done == 1 && *refused > 0) {
            return Err(format!("{id} was carried out {done} times and refused {refused} times"));
        }
    }
    let mut requests: HashMap<u64, usize> = HashMap::new();
    for case in &world.cases {
        let id = case.operation.id;
        *requests.entry(case.request).or_default() += times.get(&id).map_or(0, |(done, _)| *done);
        if requests[&case.request] > 1 {
            return Err(format!("{id}: what was asked for once happened twice"));
        }
        let (done, _) = times.get(&id).copied().unwrap_or_default();
        match case.told {
            Some(Told::Happened) if done != 1 => return Err(format!("{id} was acknowledged and is not there")),
            Some(Told::DidNot) if done != 0 => return Err(format!("{id} was told not to have happened, and did")),
            _ => {}
        }
        match case.told {
            Some(Told::Happened) => {
                shown.happened += 1;
                shown.most_pushes = shown.most_pushes.max(case.pushes);
                shown.pushes += case.pushes;
                shown.helped += usize::from(case.pushes > 0 && depth_of[&id] < case.ended);
            }
            Some(Told::DidNot) => shown.refused += 1,
            Some(Told::NotKnown) | None => shown.undecided += 1,
        }
    }
    // What was acknowledged before something else was asked for stands before it.
    for early in world.cases.iter().filter(|c| c.told == Some(Told::Happened)) {
        for late in world.cases.iter().filter(|c| c.told == Some(Told::Happened) && c.begun > early.ended) {
            if depth_of[&late.operation.id] <= depth_of[&early.operation.id] {
                return Err(format!("{} stands before {}, which came first", late.operation.id, early.operation.id));
            }
        }
    }
    Ok(())
}

fn same(a: &Overlay, b: &Overlay) -> bool {
    let all = |files: &Overlay| {
        let mut found = BTreeMap::new();
        for folder in ["squad", "squad/tasks/json", ".claude"] {
            for entry in files.list(folder).expect("it is in memory") {
                let path = format!("{folder}/{}", entry.name);
                found.extend(files.get(&path).map(|bytes| (path.clone(), bytes.to_vec())));
            }
        }
        found
    };
    all(a) == all(b)
}

fn seeds(count: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    match number("SQUAD_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SQUAD_SEEDS").unwrap_or(count)).collect(),
    }
}

fn settings() -> [Setting; 4] {
    let base = Setting { clones: 3, operations: 4, faults: Some(3), twins: false, apart: false, bug: None };
    [
        base,
        Setting { twins: true, clones: 2, ..base },
        Setting { clones: 5, operations: 3, faults: Some(8), ..base },
        Setting { apart: true, clones: 4, operations: 3, faults: Some(5), ..base },
    ]
}

#[test]
fn every_answer_is_true_whatever_the_line_does_and_whoever_dies() {
    let mut all = Shown::default();
    let seeds = seeds(300);
    for seed in &seeds {
        let setting = settings()[*seed as usize % 4];
        let shown = play(*seed, setting).unwrap_or_else(|why| {
            panic!("seed {seed}: {why}\nagain: SQUAD_SEED={seed} cargo test --test machine fleet\n{setting:?}")
        });
        all.happened += shown.happened;
        all.refused += shown.refused;
        all.undecided += shown.undecided;
        all.killed += shown.killed;
        all.helped += shown.helped;
    }
    // A simulation in which nothing ever goes wrong would prove nothing.
    if seeds.len() >= 300 {
        assert!(all.happened > 500 && all.refused > 100 && all.undecided > 50, "{all:?}");
        assert!(all.killed > 50 && all.helped > 20, "{all:?}");
    }
    eprintln!("{} seeds: {all:?}", seeds.len());
}

#[test]
fn no_operation_takes_more_than_three_pushes_however_many_clones_there_are() {
    for clones in [2, 4, 8, 16] {
        let most = most_pushes(clones, if clones > 8 { 4 } else { 12 }, None);
        assert!(most <= 3, "{clones} clones: {most} pushes");
    }
}

#[test]
fn without_help_the_number_of_pushes_grows_with_the_number_of_clones() {
    assert!(most_pushes(8, 12, Some(Bug::Help)) > 3);
}

/// Returns how many pushes any claim of a task of its own has taken, with nothing going wrong.
fn most_pushes(clones: usize, count: u64, bug: Option<Bug>) -> u32 {
    let (mut most, mut pushes, mut done) = (0, 0, 0);
    for seed in seeds(count) {
        let setting = Setting { clones, operations: 3, faults: None, twins: false, apart: true, bug };
        let shown = play(seed, setting).unwrap_or_else(|why| panic!("{clones} clones, seed {seed}: {why}"));
        assert_eq!(shown.happened, clones * 3, "{clones} clones, seed {seed}: {shown:?}");
        most = most.max(shown.most_pushes);
        pushes += shown.pushes;
        done += shown.happened;
    }
    eprintln!("{clones} clones: at most {most} pushes, {:.2} on average", f64::from(pushes) / done as f64);
    most
}

/// Tells whether any seed shows that something is missing.
#[track_caller]
fn is_missed(bug: Bug) {
    let found = (0..400).find_map(|seed| {
        let setting = Setting { bug: Some(bug), ..settings()[seed as usize % 4] };
        play(seed, setting).err().map(|why| (seed, why))
    });
    match found {
        Some((seed, why)) => eprintln!("without {bug:?}: seed {seed}: {why}"),
        None => panic!("{bug:?} is not missed"),
    }
}

#[test]
fn without_the_lease_an_update_is_lost() {
    is_missed(Bug::Lease);
}

#[test]
fn without_the_look_for_its_id_an_operation_happens_twice() {
    is_missed(Bug::LookUp);
}

#[test]
fn without_an_epoch_a_change_is_made_under_a_claim_that_is_over() {
    is_missed(Bug::Epoch);
}

#[test]
fn without_a_witness_a_refused_operation_may_happen_all_the_same() {
    is_missed(Bug::Record);
}

#[test]
fn without_a_durable_note_what_was_announced_is_told_not_to_happen() {
    is_missed(Bug::Sync);
}
