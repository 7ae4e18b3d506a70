//! A card: what questions over the whole board need of one task.
//!
//! A board of ten thousand tasks is looked at by every command. Most of a task is its story: description, chat,
//! evidence, history. A card is the task without it, and with what its story answers: who was called and has not
//! answered. It is kept for each file that has been read once, so that the next command need not read it again.

use std::collections::BTreeSet;
use std::ops::Deref;

use super::id::AgentName;
use super::task::{EvidenceBody, HistoryEntry, Message, Task};
use super::vocabulary::Status;

/// A task without its story.
///
/// It can be asked everything that a task can be asked but for `description`, `acceptance`, `deliverable`, `chat`,
/// `evidence` and the earlier `state_history`, which are empty. Whoever changes a task reads the task itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    lean: Task,
    /// Calls in its chat that have not been answered; nothing where so many are called that they are only counted when
    /// somebody asks.
    pub calls: Option<Vec<Call>>,
    /// Who has spoken in its chat, each once, in the order of their last words.
    pub speakers: Vec<AgentName>,
    /// Whether its evidence or its deliverable names files.
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
        for message in std::mem::take(&mut task.chat).into_iter().rev() {
            if !speakers.contains(&message.author) {
                speakers.push(message.author);
            }
        }
        speakers.reverse();
        let names_file = |evidence: &super::task::Evidence| {
            matches!(
                evidence.what,
                EvidenceBody::File { .. } | EvidenceBody::Log { .. } | EvidenceBody::Screenshot { .. }
            )
        };
        let delivers_file = task.deliverable.as_deref().is_some_and(|d| d.starts_with("file:"));
        let has_files = delivers_file || task.evidence.iter().any(names_file);
        keep_turning_points(&mut task);
        for subtask in &mut task.subtasks {
            (subtask.delegated_by, subtask.delegated_at) = (None, None);
        }
        task.description = None;
        task.acceptance = Vec::new();
        task.deliverable = None;
        task.evidence = Vec::new();
        task.approvals = Vec::new();
        task.last_error = None;
        task.progress = None;
        Self::from_parts(task, calls, speakers, has_files)
    }

    /// Returns the card that these are the parts of.
    pub fn from_parts(lean: Task, calls: Option<Vec<Call>>, speakers: Vec<AgentName>, has_files: bool) -> Self {
        Self { lean, calls, speakers, has_files }
    }

    /// Returns the calls of an agent that it has not answered; nothing where only the task itself tells.
    pub fn calls_of(&self, agent: &AgentName) -> Option<Vec<Call>> {
        let calls = self.calls.as_ref()?.iter();
        Some(calls.filter(|call| call.name.eq_ignore_ascii_case(agent.as_str())).cloned().collect())
    }

    /// Returns who has spoken last.
    pub fn last_speaker(&self) -> Option<&AgentName> {
        self.speakers.last()
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

/// Leaves of the history what tells since when the newest claim is, and since when the task has its status: each the
/// first of a stretch of entries with one state.
fn keep_turning_points(task: &mut Task) {
    let history = &task.state_history;
    let begins = |i: usize| i == 0 || history[i - 1].state != history[i].state;
    let entered = (0..history.len()).rev().find(|i| begins(*i));
    let claimed = (0..history.len()).rev().find(|i| history[*i].state == Status::InProgress && begins(*i));
    let kept: BTreeSet<usize> = entered.into_iter().chain(claimed).collect();
    let bare = |i: usize| HistoryEntry { op: None, reason: None, completion: None, ..history[i].clone() };
    task.state_history = kept.into_iter().map(bare).collect();
}

/// Most names that a card keeps the calls of. A chat that calls more is made to keep squad busy.
const NAMES_MAX: usize = 64;

/// Returns the calls of everybody who can be called.
fn open_calls(task: &Task) -> Option<Vec<Call>> {
    let mut called = BTreeSet::new();
    for name in task.chat.iter().flat_map(|message| called_in(&message.content)) {
        called.insert(name);
        if called.len() > NAMES_MAX {
            return None;
        }
    }
    let agents = called.iter().filter_map(|name| AgentName::new(name).ok());
    Some(agents.flat_map(|agent| calls_to(task, &agent)).collect())
}

/// Returns the calls of an agent that were followed by no word or deed of theirs on the task.
pub fn calls_to(task: &Task, agent: &AgentName) -> Vec<Call> {
    let name = agent.folded();
    let open = unheard(task, agent).filter(|m| called_in(&m.content).any(|n| n == name));
    open.map(|m| call(&name, m)).collect()
}

/// Returns the last word on the task, where it was somebody else's and no deed of the agent has followed it.
pub fn last_word_to(task: &Task, agent: &AgentName) -> Option<Call> {
    unheard(task, agent).last().map(|m| call(&agent.folded(), m))
}

/// Returns the messages that were followed by no word or deed of an agent.
fn unheard<'a>(task: &'a Task, agent: &AgentName) -> impl Iterator<Item = &'a Message> + use<'a> {
    let answered = task.chat.iter().rposition(|m| m.author == *agent).map_or(0, |i| i + 1);
    let acted = task.state_history.iter().rev().find(|h| h.actor == *agent).map(|h| h.timestamp);
    task.chat[answered..].iter().filter(move |m| acted.is_none_or(|at| m.timestamp > at))
}

fn call(name: &str, message: &Message) -> Call {
    Call {
        name: name.to_owned(),
        message: message.id.clone(),
        author: message.author.clone(),
        content: message.content.clone(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_history(status: &str, states: &[&str]) -> Task {
        let history: Vec<_> =
            (1..).zip(states).map(|(n, s)| json!({"state": s, "timestamp": n, "actor": "ada"})).collect();
        serde_json::from_value(json!({
            "id": "t", "title": "t", "status": status, "priority": "low", "createdAt": 100, "updatedAt": 200,
            "stateHistory": history,
        }))
        .expect("a task")
    }

    #[test]
    fn a_card_answers_since_when_as_its_task_does() {
        let (b, p, w, r) = ("backlog", "in-progress", "blocked", "review");
        for (status, states) in [
            (b, vec![]),
            (b, vec![b]),
            (p, vec![b, p]),
            (p, vec![p, p, p]),
            (w, vec![b, p, p, w]),
            (w, vec![p, w, w]),
            (r, vec![p, w, p, r, r]),
            (b, vec![p, b, p, b, b]),
            (p, vec![p, b]),
            ("completed", vec![b, p, r, "completed"]),
        ] {
            let task = with_history(status, &states);
            let card = Card::of(task.clone());
            assert_eq!(card.entered_at(), task.entered_at(), "{status} {states:?}");
            assert_eq!(card.last_claim_at(), task.last_claim_at(), "{status} {states:?}");
            assert_eq!(card.held_since(), task.held_since(), "{status} {states:?}");
        }
    }

    #[test]
    fn a_chat_that_calls_thousands_costs_no_more_than_it_has() {
        let mut task = with_history("backlog", &[]);
        let names: Vec<String> = (0..5000).map(|n| format!("@agent-{n}")).collect();
        task.chat = serde_json::from_value(json!([
            {"id": "m1", "author": "ada", "content": names.join(" "), "timestamp": 1},
        ]))
        .expect("a chat");
        let agent = AgentName::new("agent-77").expect("a name");
        assert_eq!(Card::of(task.clone()).calls_of(&agent), None);
        assert_eq!(calls_to(&task, &agent).len(), 1, "whoever asks is told all the same");
    }

    #[test]
    fn a_call_is_a_name_of_its_own() {
        for (text, called) in [
            ("@ada look", vec!["ada"]),
            ("look, @Ada.", vec!["ada"]),
            ("@ada.b and @c-d", vec!["ada.b", "c-d"]),
            ("mail ada@example.org", vec![]),
            ("@ nobody, @@ada", vec!["ada"]),
            ("a.@ada", vec![]),
            ("(@ada)", vec!["ada"]),
        ] {
            assert_eq!(called_in(text).collect::<Vec<_>>(), called, "{text}");
        }
    }
}
