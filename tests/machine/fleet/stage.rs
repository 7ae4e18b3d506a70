//! The stage: processes are threads, and one of them runs at a time.

use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard};

use super::world::World;

/// Who may run.
pub(super) struct Stage {
    pub(super) world: Mutex<World>,
    pub(super) turn: Mutex<Turn>,
    pub(super) moved: Condvar,
}

#[derive(Default)]
pub(super) struct Turn {
    /// The process that runs now.
    pub(super) on: Option<usize>,
    /// Processes that wait for their turn.
    pub(super) waiting: Vec<usize>,
    pub(super) doomed: Vec<usize>,
    pub(super) ended: usize,
    pub(super) begun: usize,
}

/// What a process dies of.
pub(super) struct Killed;

impl Stage {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives up the turn and waits for the next one.
    pub(super) fn step(&self, process: usize) {
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

    pub(super) fn leave(&self, process: usize) {
        let mut turn = self.turn();
        turn.on = None;
        turn.ended += 1;
        turn.doomed.retain(|doomed| *doomed != process);
        self.moved.notify_all();
    }
}
