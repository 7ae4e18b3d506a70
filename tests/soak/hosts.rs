//! Hosts: clones of one remote in which runners are started, killed, and lost all at once.

use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::kit::{Checkout, Dice, Room, end_everything, fresh_mark};

/// Longest that no command may begin or end while a runner runs. One that is longer at nothing hangs.
const HANG: Duration = Duration::from_secs(300);

/// By when a runner of a few tasks meets its fate.
pub const SOON: Duration = Duration::from_secs(4);

/// How often a runner is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How long a command may run before it is ended.
pub const TIMEOUT: &str = "3s";

/// The variable that marks every process of a host.
const MARK: &str = "SQUAD_TEST_RUN";

/// What the runners are told to run.
pub struct Work {
    script: PathBuf,
    plans: PathBuf,
    /// What the commands write down.
    pub ledger: PathBuf,
}

impl Work {
    /// Makes it in a room.
    pub fn new(room: &Room) -> Self {
        let at = |name: &str| room.path().join(name);
        let work = Self { script: at("work.sh"), plans: at("plans"), ledger: at("ledger") };
        std::fs::write(&work.script, include_str!("work.sh")).unwrap();
        std::fs::create_dir(&work.plans).unwrap();
        std::fs::write(&work.ledger, "").unwrap();
        work
    }

    fn written(&self) -> u64 {
        std::fs::metadata(&self.ledger).map_or(0, |meta| meta.len())
    }

    /// Says how the runs of a task behave: a line for each, the last one for all further ones.
    pub fn plan(&self, task: &str, lines: &[String]) {
        std::fs::write(self.plans.join(task), lines.join("\n") + "\n").unwrap();
    }
}

/// One clone, standing for a host.
pub struct Host {
    pub clone: Checkout,
    mark: String,
    remote: PathBuf,
    dead: Mutex<bool>,
}

/// What happens to a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Lives,
    /// It is killed.
    Killed,
    /// What keeps its command together is.
    ShimKilled,
    /// Both at once.
    BothKilled,
    /// It is asked to end after what it does.
    Interrupted,
    /// It is asked so twice.
    InterruptedTwice,
    /// It is asked by TERM.
    Terminated,
    /// Every process of the host ends at once.
    HostDies,
}

/// How a runner has ended.
pub struct End {
    pub output: Output,
    /// What was done to it in time.
    pub met: Fate,
    /// Whether a command had begun by then. Before, it may not be listening to signals yet.
    pub at_work: bool,
}

impl End {
    /// Tells whether it has ended as it should after what was done to it.
    pub fn is_fine(&self) -> bool {
        use Fate::{BothKilled, HostDies, Interrupted, InterruptedTwice, Killed, Lives, ShimKilled, Terminated};
        match (self.output.status.code(), self.met) {
            (Some(0), _) | (_, HostDies) | (None, Killed | BothKilled) => true,
            (None, Interrupted | InterruptedTwice | Terminated) => !self.at_work,
            // Without what keeps it together a command cannot begin.
            (Some(4), ShimKilled | BothKilled) => true,
            (_, Lives | Interrupted | InterruptedTwice | Terminated | Killed | ShimKilled | BothKilled) => false,
        }
    }
}

impl Host {
    pub fn new(room: &Room, name: &str) -> Self {
        let clone = room.clone_as(name);
        // Commands carry the mark as well.
        clone.git(&format!("config squad.env {MARK}"));
        Self { clone, mark: fresh_mark(), remote: room.remote(), dead: Mutex::new(false) }
    }

    /// Tells whether it has died.
    pub fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap()
    }

    /// Has it come back.
    pub fn revive(&self) {
        *self.dead.lock().unwrap() = false;
    }

    fn start(&self, work: &Work, agent: &str, flags: &str) -> Option<Child> {
        let dead = self.dead.lock().unwrap();
        if *dead {
            return None;
        }
        let mut command = self.clone.command(env!("CARGO_BIN_EXE_squad"));
        command.arg("run").args(flags.split_whitespace()).args([
            "--agent",
            agent,
            "--timeout",
            TIMEOUT,
            "--json",
            "--",
        ]);
        command.arg("sh").args([&work.script, &work.ledger, &work.plans]).arg(env!("CARGO_BIN_EXE_squad"));
        command.env(MARK, &self.mark).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Some(command.spawn().expect("squad starts"))
    }

    /// Has a runner do tasks, and lets its fate happen at some time until `latest`, or a while after its first command has
    /// begun. Nothing where the host is dead.
    pub fn run(
        &self,
        work: &Work,
        agent: &str,
        flags: &str,
        (fate, latest): (Fate, Duration),
        dice: &mut Dice,
    ) -> Option<End> {
        let mut child = self.start(work, agent, flags)?;
        let (mut met, mut at_work) = (Fate::Lives, false);
        if fate != Fate::Lives {
            let by_time = Instant::now() + latest.mul_f64(dice.below(1000) as f64 / 1000.0);
            let after_begin = Duration::from_millis(dice.below(1200) as u64);
            let waits_for_a_command = latest <= SOON && dice.below(3) > 0;
            let mut begun = None;
            let due = loop {
                if child.try_wait().expect("it is ours").is_some() {
                    break false;
                }
                if waits_for_a_command && begun.is_none() && !shims_of(child.id()).is_empty() {
                    begun = Some(Instant::now());
                }
                match (waits_for_a_command, begun) {
                    (true, Some(begun)) if begun.elapsed() >= after_begin => break true,
                    (false, _) if Instant::now() >= by_time => break true,
                    _ => thread::sleep(LOOK),
                }
            };
            if due {
                self.happen(fate, child.id());
                (met, at_work) = (fate, begun.is_some());
            }
        }
        let (mut written, mut since) = (work.written(), Instant::now());
        while child.try_wait().expect("it is ours").is_none() {
            let now = work.written();
            if now != written {
                (written, since) = (now, Instant::now());
            }
            if since.elapsed() > HANG {
                let stack = std::fs::read_to_string(format!("/proc/{}/stack", child.id())).unwrap_or_default();
                end_everything(&self.mark, None);
                panic!("a runner of {agent} hangs, after {met:?}\n{stack}");
            }
            thread::sleep(LOOK);
        }
        Some(End { output: child.wait_with_output().expect("it ends"), met, at_work })
    }

    fn happen(&self, fate: Fate, runner: u32) {
        match fate {
            Fate::Lives => {}
            Fate::Killed => send(runner, Signal::KILL),
            Fate::ShimKilled => shims_of(runner).into_iter().for_each(|shim| send(shim, Signal::KILL)),
            Fate::BothKilled => {
                let shims = shims_of(runner);
                send(runner, Signal::KILL);
                shims.into_iter().for_each(|shim| send(shim, Signal::KILL));
            }
            Fate::Interrupted => send(runner, Signal::INT),
            Fate::InterruptedTwice => {
                send(runner, Signal::INT);
                thread::sleep(Duration::from_millis(200));
                send(runner, Signal::INT);
            }
            Fate::Terminated => send(runner, Signal::TERM),
            Fate::HostDies => {
                let mut dead = self.dead.lock().unwrap();
                *dead = true;
                end_everything(&self.mark, Some(&self.remote));
            }
        }
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    // It may have ended.
    let _ = kill_process(pid, signal);
}

/// Returns the processes that keep a runner's commands together.
fn shims_of(runner: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("this is Linux").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_shim = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parent == Some(runner)
            && std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(6).any(|w| w == b"__shim"))
    };
    pids.filter(is_shim).collect()
}
