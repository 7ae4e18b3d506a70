//! Who belongs to a run: whoever descends from one of its processes, and whoever carries its tag.
//!
//! Read from `/proc`; where there is none, nobody is found, and the process group is all there is. A signal goes to the
//! process that was found or to nobody, never to the next one with its id.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::process::{Process, Stat};
use super::spec::{Identity, TAG};

/// How long to wait before looking again who is left; nobody tells us of the end of what is not our child.
pub(super) const STEP: Duration = Duration::from_millis(40);

/// How often whoever is left is killed. One that outlives this waits for its disk, or forks faster than it can be read.
pub(super) const ROUNDS: usize = 50;

/// One process, as it was when it was looked at.
pub(super) struct Member {
    /// Its id.
    pub(super) pid: u32,
    /// What the system told.
    pub(super) stat: Stat,
}

/// Returns every process of this machine that can be seen.
fn everyone() -> Vec<Member> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some(Member { pid, stat: Stat::of(pid)? })).collect()
}

/// Returns whoever descends from these processes, without them.
fn descend(from: &[u32], mut others: Vec<Member>) -> Vec<Member> {
    let mut family = from.to_vec();
    let mut found: Vec<Member> = Vec::new();
    loop {
        let (children, rest) = others.into_iter().partition(|other| family.contains(&other.stat.parent));
        let children: Vec<Member> = children;
        if children.is_empty() {
            return found;
        }
        family = children.iter().map(|child| child.pid).collect();
        found.extend(children.into_iter().filter(|child| !from.contains(&child.pid)));
        others = rest;
    }
}

/// Returns whoever descends from these processes or carries the tag, without them and without who asks.
pub(super) fn members(from: &[u32], tag: &str) -> Vec<Member> {
    let own = std::process::id();
    let (tagged, others): (Vec<_>, Vec<_>) = everyone().into_iter().partition(|member| carries(member.pid, tag));
    let roots: Vec<u32> = from.iter().copied().chain(tagged.iter().map(|member| member.pid)).collect();
    let mut found = descend(&roots, others);
    found.extend(tagged);
    found.retain(|member| member.pid != own && !from.contains(&member.pid));
    found
}

/// Tells whether a process has the tag in the environment that it was started with. Of others' processes nobody knows.
fn carries(pid: u32, tag: &str) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|&byte| byte == 0).any(|variable| {
        let value = variable.strip_prefix(TAG.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        value.is_some_and(|value| OsStr::from_bytes(value) == tag)
    })
}

/// Returns the ids of those that still do something.
pub(super) fn living(members: &[Member]) -> Vec<u32> {
    let mut pids: Vec<u32> = members.iter().filter(|member| !member.stat.ended).map(|member| member.pid).collect();
    pids.sort_unstable();
    pids
}

/// Returns the id in the type that signals take.
pub(super) fn id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Sends a signal to the process with this id that began then, if it is still there.
#[cfg(target_os = "linux")]
pub(super) fn signal(pid: u32, start: &str, signal: Signal) {
    use rustix::process::{PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};
    let Some(id) = id(pid) else { return };
    let handle = pidfd_open(id, PidfdFlags::empty());
    // Looked at again once we hold it: from here on the handle is of no other.
    if Stat::of(pid).is_none_or(|stat| stat.start != start) {
        return;
    }
    // It may have ended meanwhile, which is what we want.
    let _ = match handle {
        Ok(handle) => pidfd_send_signal(&handle, signal),
        // Before Linux 5.3 there are no handles.
        Err(rustix::io::Errno::NOSYS) => kill_process(id, signal),
        Err(_) => Ok(()),
    };
}

/// Where the system does not tell one process from the next with its id, none is signalled by it.
#[cfg(not(target_os = "linux"))]
pub(super) fn signal(_pid: u32, _start: &str, _signal: Signal) {}

/// Sends a signal to each of them.
pub(super) fn signal_each<'a>(members: impl IntoIterator<Item = &'a Member>, with: Signal) {
    for member in members {
        signal(member.pid, &member.stat.start, with);
    }
}

/// Returns what the system tells of a process on record. Where it is not there any more the id may be a stranger's, and
/// so its children and its group. One that nobody has waited for still has its id.
fn there(process: &Process) -> Option<Stat> {
    Stat::of(process.pid).filter(|stat| stat.start == process.start)
}

/// Tells whether a process on record still does something, and it is certain that it is that one.
pub(super) fn runs(process: &Process) -> bool {
    there(process).is_some_and(|stat| !stat.ended)
}

/// Returns whoever belongs to a run, without its shim: the command, its group, whoever descends from it or from the
/// shim, and whoever carries the tag.
pub(super) fn of_run(run: &Identity) -> Vec<Member> {
    let shim = there(&run.shim).map(|_| run.shim.pid);
    let command = there(&run.command).map(|stat| Member { pid: run.command.pid, stat });
    let roots: Vec<u32> = shim.into_iter().chain(command.iter().map(|command| command.pid)).collect();
    let mut found = members(&roots, &run.tag);
    found.retain(|member| member.pid != run.shim.pid);
    if let Some(command) = command {
        let known: Vec<u32> = found.iter().map(|member| member.pid).collect();
        let group = everyone().into_iter().filter(|other| other.stat.group == command.pid);
        found.extend(group.filter(|other| other.pid != command.pid && !known.contains(&other.pid)));
        found.push(command);
    }
    found
}

/// Ends whoever belongs to a run, first by asking, and then its shim. Returns whoever is left.
pub(super) fn end(run: &Identity, grace: Duration) -> Vec<u32> {
    let found = of_run(run);
    if !living(&found).is_empty() && !grace.is_zero() {
        signal_each(&found, Signal::TERM);
        signal_each(&found, Signal::CONT);
        let until = Instant::now() + grace;
        while Instant::now() < until && !living(&of_run(run)).is_empty() {
            thread::sleep(STEP);
        }
    }
    for _ in 0..ROUNDS {
        let found = of_run(run);
        if !living(&found).is_empty() {
            signal_each(&found, Signal::KILL);
        } else if runs(&run.shim) {
            // The last: as long as it is there, whoever descends from it is found.
            signal(run.shim.pid, &run.shim.start, Signal::KILL);
        } else {
            return Vec::new();
        }
        thread::sleep(STEP);
    }
    let mut left = living(&of_run(run));
    left.extend(runs(&run.shim).then_some(run.shim.pid));
    left
}
