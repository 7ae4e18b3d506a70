//! Ends what a run has left whose runner and shim are both gone, as after the machine's memory ran out.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::spec::Identity;
use super::tree;

/// How much longer than the grace a shim may take that ends its run by itself.
const MARGIN: Duration = Duration::from_secs(5);

/// What was found of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// The processes that have been ended.
    pub ended: Vec<u32>,
    /// The processes that could not be ended.
    pub left: Vec<u32>,
}

/// Ends the processes of a run that is on record and that nobody runs any more; the caller knows that its runner is gone.
///
/// A process is of the run if it is the one on record (same run of the machine, same id, same time of its start), if it
/// descends from such a one, or if it carries the run's tag. Nobody else is touched, whatever id they were given.
pub fn end_orphan(run: &Identity, grace: Duration) -> Orphans {
    if !run.shim.is_of_this_boot() {
        return Orphans::default();
    }
    let mut found = tree::living(&tree::of_run(run));
    found.extend(tree::runs(&run.shim).then_some(run.shim.pid));
    if tree::runs(&run.shim) {
        // It ends the run by itself, as it does when its runner dies, and knows best who belongs to it.
        tree::signal(run.shim.pid, &run.shim.start, Signal::TERM);
        tree::signal(run.shim.pid, &run.shim.start, Signal::CONT);
        let until = Instant::now() + grace + MARGIN;
        while tree::runs(&run.shim) && Instant::now() < until {
            thread::sleep(tree::STEP);
        }
    }
    // A shim that is not on record yet is asked with all others, and has to be left its time as well.
    let left = tree::end(run, if run.shim.pid == 0 { grace + MARGIN } else { grace });
    found.retain(|pid| !left.contains(pid));
    Orphans { ended: found, left }
}
