//! One run: processes live and die, everything arrives, every queue is settled, and the history is judged.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use squad::model::operation::Operation;
use squad::ops::publish::{Trouble, Wanted, lead};

use super::hands::Process;
use super::judge::judge;
use super::stage::{Killed, Stage};
use super::world::{LIMITS, Setting, Told, World};

/// The life of one process: it asks for its operations one after the other; first for what another of its clone has
/// died over.
pub(super) fn live(stage: &Arc<Stage>, process: usize, clone: usize, todo: std::ops::Range<usize>) {
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

pub(super) fn publish(stage: &Arc<Stage>, process: usize, clone: usize, own: Option<Operation>, limit: Duration) {
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
pub(super) struct Shown {
    pub(super) happened: usize,
    pub(super) refused: usize,
    pub(super) undecided: usize,
    pub(super) killed: usize,
    pub(super) helped: usize,
    pub(super) most_pushes: u32,
    pub(super) pushes: u32,
}

/// Plays one run.
///
/// # Errors
/// What of the protocol's promises did not hold.
pub(super) fn play(seed: u64, setting: Setting) -> Result<Shown, String> {
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
pub(super) fn settle(stage: &Arc<Stage>, first: usize, setting: Setting) -> Result<(), String> {
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
