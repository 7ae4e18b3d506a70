//! What an agent finds when it comes back to its work: the file that it remembers things in, and what it holds.
//!
//! Both are looked up and never kept: the file is the agent's, the claims are the board's.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::card::Card;
use crate::model::id::{AgentName, Epoch, Millis, TaskId};

/// What an agent comes back to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Context {
    /// Its working memory; nothing where it has none.
    pub working: Option<WorkingMemory>,
    /// What it holds, by id.
    pub current: Vec<Current>,
}

/// The file that an agent remembers things in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkingMemory {
    /// Its path, within the folder that squad was run in.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// A task that an agent holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Current {
    /// The task.
    pub task: TaskId,
    /// Its fencing number.
    pub epoch: Epoch,
    /// Since when it is held.
    pub at: Millis,
    /// Since when it is worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Millis>,
}

impl Context {
    /// Returns what an agent comes back to, of a board with these live tasks, in this folder.
    pub(super) fn of(root: &Path, agent: &AgentName, live: &[Card]) -> Self {
        let held = live.iter().filter_map(|card| Some((card, card.claim.as_ref()?)));
        let current = held.filter(|(_, claim)| claim.agent == *agent).map(|(card, claim)| Current {
            task: card.id.clone(),
            epoch: claim.epoch,
            at: claim.at,
            started_at: claim.started_at,
        });
        Self { working: working_memory(root, agent), current: current.collect() }
    }
}

/// Returns the file that an agent remembers things in, where it has one in this folder.
pub(super) fn working_memory(root: &Path, agent: &AgentName) -> Option<WorkingMemory> {
    // A name that a hand has put into the roster is no way out of the folder.
    let name = agent.as_str();
    let plain = !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    let path = Path::new("memory").join(name).join("WORKING.md");
    let found = fs::metadata(root.join(&path)).ok().filter(|meta| plain && meta.is_file())?;
    Some(WorkingMemory { path, bytes: found.len() })
}
