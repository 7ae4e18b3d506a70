//! Which process is which: an id that no later process can be mistaken for.
//!
//! A process id alone is given to strangers after a while, and after a restart of the machine at once.

use std::fs;

use serde::{Deserialize, Serialize};

/// One process of one run of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Which run of the machine; empty where the system does not say.
    pub boot: String,
    /// Its process id.
    pub pid: u32,
    /// When it began, in the system's own count; empty where the system does not say.
    pub start: String,
}

impl Process {
    /// Returns the process that asks.
    pub fn own() -> Self {
        Self::with_id(std::process::id())
    }

    /// Returns the process that has this id now.
    pub fn with_id(pid: u32) -> Self {
        Self { boot: boot(), pid, start: start_of(pid).unwrap_or_default() }
    }

    /// Tells whether the process is still there. Where the system does not tell two processes with one id apart, any
    /// process with that id counts: then a stranger keeps it alive for a while, which loses nothing.
    pub fn is_alive(&self) -> bool {
        if !self.is_of_this_boot() {
            return false;
        }
        match start_of(self.pid) {
            Some(start) => self.start.is_empty() || self.start == start,
            None => self.start.is_empty() && has_process(self.pid),
        }
    }

    /// Tells whether the machine still runs as it did then; after a restart none of its processes is left.
    pub fn is_of_this_boot(&self) -> bool {
        self.boot == boot()
    }
}

/// Returns which run of the machine this is; empty where the system does not say.
///
/// Source: random(4), `/proc/sys/kernel/random/boot_id`.
pub fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn start_of(pid: u32) -> Option<String> {
    // A process that has ended and not been waited for does nothing any more.
    Stat::of(pid).filter(|stat| !stat.ended).map(|stat| stat.start)
}

/// What the system tells of a process.
pub(super) struct Stat {
    /// Its parent.
    pub(super) parent: u32,
    /// Its process group.
    pub(super) group: u32,
    /// When it began.
    pub(super) start: String,
    /// Whether it has ended, and only nobody has waited for it yet.
    pub(super) ended: bool,
}

impl Stat {
    /// Source: proc_pid_stat(5). The name in field 2 may hold anything, so the fields are counted behind its end.
    pub(super) fn of(pid: u32) -> Option<Self> {
        // As bytes, since the name need not be text.
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let name_ends = bytes.windows(2).rposition(|pair| pair == b") ")?;
        let text = std::str::from_utf8(&bytes[name_ends + 2..]).ok()?;
        let mut fields = text.split(' ');
        let state = fields.next()?;
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let start = fields.nth(16)?.to_owned();
        Some(Self { parent, group, start, ended: matches!(state, "Z" | "X") })
    }
}

/// How far above a process the others are looked at: shells and managers may lie between.
const ABOVE: usize = 16;

/// Returns the command lines of the processes above this one, the nearest first, as far as the system shows them.
///
/// Source: proc(5), `/proc/PID/cmdline`.
pub fn lines_above() -> impl Iterator<Item = Vec<String>> {
    let above = |pid: &u32| Stat::of(*pid).map(|stat| stat.parent);
    let line = |pid: u32| {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(String::from_utf8_lossy(&bytes).split_terminator('\0').map(str::to_owned).collect())
    };
    std::iter::successors(above(&std::process::id()), above).take(ABOVE).map_while(line)
}

#[cfg(unix)]
fn has_process(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn has_process(_pid: u32) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_and_its_successor_is_another() {
        let own = Process::own();
        assert!(own.is_alive() && !own.start.is_empty());
        let successor = Process { start: "1".to_owned(), ..own.clone() };
        assert!(!successor.is_alive(), "another process has had this id");
        let before = Process { boot: "another".to_owned(), ..own };
        assert!(!before.is_alive(), "the machine has been started anew");
    }

    #[test]
    fn the_name_of_a_process_cannot_hide_its_start() {
        assert!(start_of(std::process::id()).is_some_and(|start| start.bytes().all(|b| b.is_ascii_digit())));
        assert_eq!(start_of(u32::MAX), None);
    }
}
