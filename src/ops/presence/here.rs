//! Beats of processes on this host: one file for each process, in the clone's state.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::queue::make_private;
use super::super::session::Session;
use crate::board::store::write_whole;
use crate::model::id::{AgentName, OpId};
use crate::model::presence::{Beat, Held, Here};
use crate::runner::process::{Process, boot};

/// A beat as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// The beat.
    pub beat: Beat,
    /// Which run of the machine.
    pub boot: String,
    /// When, on the machine's steady clock, in milliseconds.
    pub steady_ms: u64,
    /// The process that beats, and whose end is the end; nothing where it was given by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// What it is about to work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beginning: Option<Beginning>,
}

/// A claim that a process asks the board to begin work under. Whether it has, only the board knows: of several processes
/// of one agent it lets one begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ops) struct Beginning {
    /// The claim.
    pub held: Held,
    /// The operation that asks.
    pub op: OpId,
}

fn folder(session: &Session) -> PathBuf {
    session.board.state_dir().join("presence")
}

/// Returns the file of one process of an agent. A name that can be no file has none.
pub(super) fn file(session: &Session, agent: &AgentName, which: &str) -> Option<PathBuf> {
    let name = agent.folded();
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    plain.then(|| folder(session).join(name).join(format!("{which}.json")))
}

/// Writes a beat.
pub(super) fn write(file: &Path, record: &Record) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        make_private(folder)?;
    }
    write_whole(file, &serde_json::to_vec(record)?)
}

/// Returns every beat of this run of the machine, each with its age. A dead process has worked on what it was about to
/// begin where that `happened`.
pub(super) fn read(session: &Session, now: Duration, happened: impl Fn(&Beginning) -> bool) -> Vec<Here> {
    let boot = boot();
    let of_this_run = records(session).into_iter().map(|(_, record)| record).filter(|record| record.boot == boot);
    let here = of_this_run.map(|record| {
        let lives = record.process.as_ref().map(Process::is_alive);
        let begun = record.beginning.filter(|beginning| lives == Some(false) && happened(beginning));
        let mut beat = record.beat;
        beat.tasks.extend(begun.map(|beginning| beginning.held));
        Here { age: now.saturating_sub(Duration::from_millis(record.steady_ms)), lives, beat }
    });
    here.collect()
}

/// Removes the beats of processes that have ended and work under no claim that `holds`, and those of former runs of the
/// machine.
pub(super) fn sweep(session: &Session, holds: impl Fn(&Held) -> bool) {
    let boot = boot();
    for (file, record) in records(session) {
        let ended = record.process.as_ref().is_some_and(|process| !process.is_alive());
        let mut held = record.beat.tasks.iter().chain(record.beginning.iter().map(|beginning| &beginning.held));
        if record.boot != boot || ended && !held.any(&holds) {
            let _ = fs::remove_file(file);
        }
    }
}

fn records(session: &Session) -> Vec<(PathBuf, Record)> {
    let folders = fs::read_dir(folder(session)).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let record = |file: fs::DirEntry| {
        let record: Record = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
        Some((file.path(), record))
    };
    files.filter_map(record).collect()
}
