//! A card: what questions over the whole board need of one task.
//!
//! A board of ten thousand tasks is looked at by every command. Most of a task is its story: description, chat,
//! evidence, history. A card is the task without it, and with what its story answers: who was called and has not
//! answered. It is kept for each file that has been read once, so that the next command need not read it again.

use std::collections::BTreeSet;
use std::ops::Deref;

use super::id::AgentName;
use super::task::{EvidenceBody, Task};

/// A task without its story.
///
/// It can be asked everything that a task can be asked but for `description`, `acceptance`, `deliverable`, `chat`,
/// `evidence` and the earlier `state_history`, which are empty. Whoever changes a task reads the task itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    lean: Task,
    /// Calls in its chat that have not been answered.
    pub calls: Vec<Call>,
    /// Who has spoken in its chat, each once.
    pub speakers: Vec<AgentName>,
    /// Whether its evidence names files.
    pub has_files: bool,
}

/// Somebody was called, and has neither spoken nor done anything since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who, in lower case.
    pub name: String,
    /// The message that calls.
    pub message: String,
    /// Who wrote it.
    pub author: AgentName,
    /// What they wrote.
    pub content: String,
}

impl Card {
    /// Returns the card of a task.
    pub fn of(mut task: Task) -> Self {
        let calls = open_calls(&task);
        let mut speakers: Vec<AgentName> = Vec::new();
        for message in std::mem::take(&mut task.chat) {
            if !speakers.contains(&message.author) {
                speakers.push(message.author);
            }
        }
        let names_file = |evidence: &super::task::Evidence| {
            matches!(
                evidence.what,
                EvidenceBody::File { .. } | EvidenceBody::Log { .. } | EvidenceBody::Screenshot { .. }
            )
        };
        let has_files = task.evidence.iter().any(names_file);
        keep_entry_of_status(&mut task);
        task.description = None;
        task.acceptance = Vec::new();
        task.deliverable = None;
        task.evidence = Vec::new();
        task.approvals = Vec::new();
        task.last_error = None;
        task.progress = None;
        task.completion_request = None;
        Self::from_parts(task, calls, speakers, has_files)
    }

    /// Returns the card that these are the parts of.
    pub fn from_parts(lean: Task, calls: Vec<Call>, speakers: Vec<AgentName>, has_files: bool) -> Self {
        Self { lean, calls, speakers, has_files }
    }

    /// Returns the calls of an agent that it has not answered.
    pub fn calls_of<'a>(&'a self, agent: &AgentName) -> impl Iterator<Item = &'a Call> + use<'a> {
        let name = agent.folded();
        self.calls.iter().filter(move |call| call.name == name)
    }

    /// Returns everybody whom the task names.
    pub fn names(&self) -> impl Iterator<Item = &AgentName> {
        let task = &self.lean;
        task.assigned
            .iter()
            .chain(task.claim.iter().map(|claim| &claim.agent))
            .chain(&task.participants)
            .chain(task.subtasks.iter().filter_map(super::task::Subtask::owner))
            .chain(&self.speakers)
    }
}

impl Deref for Card {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.lean
    }
}

/// Leaves of the history what tells since when the task has its status.
fn keep_entry_of_status(task: &mut Task) {
    let status = task.status;
    let stays = task.state_history.iter().rev().take_while(|entry| entry.state == status).count();
    task.state_history = match stays {
        0 => Vec::new(),
        _ => vec![task.state_history.swap_remove(task.state_history.len() - stays)],
    };
}

/// Returns the calls of everybody who can be called, each with the messages that were followed by no word or deed of
/// theirs on the task.
fn open_calls(task: &Task) -> Vec<Call> {
    let mut calls = Vec::new();
    if !task.chat.iter().any(|message| message.content.contains('@')) {
        return calls;
    }
    let called: BTreeSet<String> = task.chat.iter().flat_map(|message| called_in(&message.content)).collect();
    for name in called {
        let Ok(agent) = AgentName::new(&name) else { continue };
        let answered = task.chat.iter().rposition(|m| m.author == agent).map_or(0, |i| i + 1);
        let acted = task.state_history.iter().rev().find(|h| h.actor == agent).map(|h| h.timestamp);
        let open = task.chat[answered..]
            .iter()
            .filter(|m| acted.is_none_or(|at| m.timestamp > at) && called_in(&m.content).any(|n| n == name));
        calls.extend(open.map(|m| Call {
            name: name.clone(),
            message: m.id.clone(),
            author: m.author.clone(),
            content: m.content.clone(),
        }));
    }
    calls
}

/// Returns the names that a text calls, in lower case: `@name`, not as part of a longer name or an address. A dot ends
/// a sentence unless a name goes on behind it.
pub fn called_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices('@').filter_map(move |(at, _)| {
        if text[..at].chars().next_back().is_some_and(|c| part_of_name(c) || c == '.') {
            return None;
        }
        let rest = &text[at + 1..];
        let mut end = 0;
        let mut chars = rest.char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            let goes_on = c == '.' && chars.peek().is_some_and(|(_, next)| part_of_name(*next));
            if !part_of_name(c) && !goes_on {
                break;
            }
            end = i + 1;
        }
        (end > 0).then(|| rest[..end].to_ascii_lowercase())
    })
}
