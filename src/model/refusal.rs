//! Answers that say no.
//!
//! A refusal is not an error: it is what a caller plans for. It says what was refused, why, and what to do next,
//! each as a part of its own, so that every surface can show all three.

use serde_json::{Map, Value, json};

use super::code::ErrorCode;
use super::id::{AgentName, Epoch, Millis, TaskId, in_command};
use super::locks::Conflict;
use super::operation::Verb;
use super::time::rfc3339;
use super::transition::Who;
use super::vocabulary::{Phase, Role, Status};

/// Why an operation was refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Something that was named is not on the board.
    NotFound {
        /// `task`, `agent`, `subtask`, `board`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The actor is not in the roster.
    UnknownAgent {
        /// The actor.
        name: AgentName,
    },
    /// Somebody else holds the task that was to be claimed.
    LostRace {
        /// The task.
        task: TaskId,
        /// Who holds it.
        holder: AgentName,
        /// Since when.
        at: Millis,
    },
    /// Somebody else has changed the field that was to be changed.
    Changed {
        /// The task.
        task: TaskId,
        /// The field.
        field: &'static str,
        /// What it was thought to hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// The verb is the holder's, and somebody else holds the task.
    NotHolder {
        /// The task.
        task: TaskId,
        /// What was to be done.
        verb: Verb,
        /// Who holds it.
        holder: AgentName,
        /// Since when.
        at: Millis,
    },
    /// The claim that the operation names is over.
    StaleEpoch {
        /// The task.
        task: TaskId,
        /// The epoch that was named.
        named: Epoch,
        /// The epoch that the task has.
        current: Epoch,
        /// Who holds it now.
        holder: Option<AgentName>,
        /// Where it stands now.
        status: Status,
    },
    /// The state machine has no such edge from here.
    IllegalTransition {
        /// The task.
        task: TaskId,
        /// Where it stands.
        from: Phase,
        /// What was to be done.
        verb: Verb,
        /// Every verb that has an edge from here.
        legal: Vec<Verb>,
    },
    /// The actor may not do that.
    NotPermitted {
        /// What was to be done.
        verb: Verb,
        /// To which task.
        task: Option<TaskId>,
        /// By whom.
        actor: AgentName,
        /// In which role.
        role: Role,
        /// Who may.
        who: Vec<Who>,
    },
    /// The edge needs something that was not given, or not so.
    MissingField {
        /// What was to be done.
        verb: Verb,
        /// The field, as it is called on disk.
        field: &'static str,
        /// What it must be.
        why: String,
        /// How to give it.
        hint: String,
    },
    /// Nothing proves the work.
    EvidenceMissing {
        /// The task.
        task: TaskId,
        /// When the claim began that the evidence must be newer than.
        since: Option<Millis>,
    },
    /// Something must be finished first.
    DependencyOpen {
        /// The task.
        task: TaskId,
        /// What was to be done.
        verb: Verb,
        /// `task` or `subtask`.
        what: &'static str,
        /// What is open.
        open: Vec<String>,
    },
    /// A limit of the board is in the way.
    LimitReached {
        /// The task.
        task: TaskId,
        /// Which limit, and how it stands.
        why: String,
        /// What would help.
        hint: String,
        /// The tasks that fill it.
        held: Vec<TaskId>,
        /// Whether waiting helps.
        retryable: bool,
    },
    /// A path lock is in the way.
    PathLocked {
        /// The task.
        task: TaskId,
        /// The locks.
        conflicts: Vec<Conflict>,
    },
    /// The id of a new task is taken.
    IdTaken {
        /// The id that was asked for.
        id: TaskId,
        /// The id on the board, which is the same but perhaps for case.
        twin: TaskId,
    },
    /// What is asked for makes no sense on this board.
    Invalid {
        /// What is wrong, as a sentence without its end.
        message: String,
        /// Where, as a JSON pointer into the operation's arguments.
        pointer: String,
        /// What to do.
        hint: String,
    },
}

impl Refusal {
    /// Returns the stable name.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::UnknownAgent { .. } => ErrorCode::UnknownAgent,
            Self::LostRace { .. } | Self::Changed { .. } => ErrorCode::LostRace,
            Self::NotHolder { .. } => ErrorCode::NotHolder,
            Self::StaleEpoch { .. } => ErrorCode::StaleEpoch,
            Self::IllegalTransition { .. } => ErrorCode::IllegalTransition,
            Self::NotPermitted { .. } => ErrorCode::NotPermitted,
            Self::MissingField { .. } => ErrorCode::MissingField,
            Self::EvidenceMissing { .. } => ErrorCode::EvidenceMissing,
            Self::DependencyOpen { .. } => ErrorCode::DependencyOpen,
            Self::LimitReached { .. } => ErrorCode::LimitReached,
            Self::PathLocked { .. } => ErrorCode::PathLocked,
            Self::IdTaken { .. } | Self::Invalid { .. } => ErrorCode::Invalid,
        }
    }

    /// Tells whether the same command may succeed a little later without anybody changing it.
    pub fn retryable(&self) -> bool {
        match self {
            Self::PathLocked { .. } | Self::DependencyOpen { what: "task", .. } => true,
            Self::LimitReached { retryable, .. } => *retryable,
            _ => false,
        }
    }

    /// Returns what was refused: one clause, with the id.
    pub fn message(&self) -> String {
        match self {
            Self::NotFound { what, name } => format!("no {what} {name}"),
            Self::UnknownAgent { name } => format!("{name} is not in the roster"),
            Self::LostRace { task, holder, .. } => format!("cannot claim {task}: already held by {holder}"),
            Self::Changed { task, field, .. } => format!("cannot edit {task}: its {field} has changed"),
            Self::NotHolder { task, verb, holder, .. } => format!("cannot {verb} {task}: {holder} holds it"),
            Self::StaleEpoch { task, named, current, .. } => {
                format!("{task} has moved on: it is at epoch {current}, this names epoch {named}")
            }
            Self::IllegalTransition { task, from, verb, .. } => {
                format!("cannot {verb} {task}: it is {}", describe(*from))
            }
            Self::NotPermitted { verb, task, actor, .. } => match task {
                Some(task) => format!("{actor} may not {verb} {task}"),
                None => format!("{actor} may not {verb}"),
            },
            Self::MissingField { verb, field, .. } => format!("cannot {} without {field}", verb.command()),
            Self::EvidenceMissing { task, .. } => format!("nothing proves the work on {task}"),
            Self::DependencyOpen { task, verb, open, what } => {
                let s = if open.len() == 1 { "" } else { "s" };
                format!("cannot {verb} {task}: it waits for {} {what}{s}", open.len())
            }
            Self::LimitReached { task, .. } => format!("cannot claim {task} now"),
            Self::PathLocked { task, conflicts } => {
                let first = conflicts.first().map(|c| format!("{} is held by {}", c.lock, c.task)).unwrap_or_default();
                match conflicts.len() {
                    0 | 1 => format!("cannot take the locks of {task}: {first}"),
                    n => format!("cannot take the locks of {task}: {first}, and {} more", n - 1),
                }
            }
            Self::IdTaken { id, .. } => format!("cannot make {id}: the id is taken"),
            Self::Invalid { message, .. } => message.clone(),
        }
    }

    /// Returns why, as one clause.
    pub fn why(&self) -> Option<String> {
        match self {
            Self::LostRace { at, .. } | Self::NotHolder { at, .. } => Some(format!("held since {}", rfc3339(*at))),
            Self::Changed { expected, found, .. } => Some(format!("expected {expected}, found {found}")),
            Self::StaleEpoch { holder, status, .. } => Some(match holder {
                Some(holder) => format!("the claim of that epoch is over; {holder} holds the task now"),
                None => format!("the claim of that epoch is over; the task is {status} now"),
            }),
            Self::IllegalTransition { legal, .. } => Some(if legal.is_empty() {
                "nothing is possible from there".to_owned()
            } else {
                format!("possible from there: {}", join(legal))
            }),
            Self::NotPermitted { role, who, .. } => {
                Some(format!("the role is {role}; this is for {}", join_or(who.iter().map(|w| w.describe()))))
            }
            Self::MissingField { why, .. } | Self::LimitReached { why, .. } => Some(why.clone()),
            Self::EvidenceMissing { since, .. } => Some(match since {
                Some(at) => format!("no evidence is newer than the claim of {}", rfc3339(*at)),
                None => "there is no evidence".to_owned(),
            }),
            Self::PathLocked { conflicts, .. } => conflicts.first().map(|c| match &c.agent {
                Some(agent) => format!("{agent} has held {} since {}", c.lock, rfc3339(c.since)),
                None => format!("{} has been held since {}", c.lock, rfc3339(c.since)),
            }),
            Self::IdTaken { id, twin } if id == twin => {
                Some("ids are unique, those of archived tasks included".to_owned())
            }
            Self::IdTaken { twin, .. } => Some(format!("{twin} differs from it only in case")),
            Self::DependencyOpen { open, .. } => Some(format!("open: {}", open.join(", "))),
            Self::UnknownAgent { .. } => Some("only members of the roster act on the board".to_owned()),
            Self::NotFound { what: "task", .. } => Some("no task file has that id, live or archived".to_owned()),
            Self::NotFound { what: "agent", .. } => Some("the roster has no such name".to_owned()),
            Self::NotFound { what: "backup", .. } => Some("what it names is no part of the board's history".to_owned()),
            Self::NotFound { .. } | Self::Invalid { .. } => None,
        }
    }

    /// Returns what to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { what: "agent", .. } => "`squad agents` lists the roster".to_owned(),
            Self::NotFound { what: "board", .. } => "`squad init` makes one".to_owned(),
            Self::NotFound { what: "backup", .. } => "`squad backup list` shows them".to_owned(),
            Self::NotFound { what: "subtask", .. } => "`squad show` lists the subtasks".to_owned(),
            Self::NotFound { .. } => "`squad list --all` shows every task".to_owned(),
            Self::UnknownAgent { name } => {
                format!(
                    "`squad agents` lists the roster; its owner or chief can `squad agents add {} --role executor`",
                    in_command(name.as_str())
                )
            }
            Self::LostRace { task, .. } => format!("`squad next` picks another; `squad show {task}` shows the holder"),
            Self::Changed { task, .. } => format!("look at `squad show {task}`, then edit again"),
            Self::NotHolder { task, holder, .. } => {
                let whom = in_command(holder.as_str());
                format!("`squad comment {task} \"@{whom} …\"` reaches the holder; `squad next` picks another task")
            }
            Self::StaleEpoch { task, .. } => {
                format!("stop working on it; `squad show {task}` shows who has it, `squad next` picks another")
            }
            Self::IllegalTransition { task, from: Phase::Pending, verb: Verb::Complete, .. } => format!(
                "claim it first (`squad claim {task}`), or for work done elsewhere `squad request-complete {task}` and let another member `squad verify {task}`"
            ),
            Self::IllegalTransition { task, legal, .. } => match legal.first() {
                Some(verb) => format!("for example `squad {} {task}`", verb.command()),
                None => format!("`squad show {task}` shows its history"),
            },
            Self::NotPermitted { .. } => "`squad agents` shows who has which role".to_owned(),
            Self::MissingField { hint, .. } | Self::LimitReached { hint, .. } | Self::Invalid { hint, .. } => {
                hint.clone()
            }
            Self::IdTaken { twin, .. } => {
                format!("`squad show {twin}` shows what has it; leave `--id` out to get a free one")
            }
            Self::EvidenceMissing { .. } => {
                "add `--evidence KIND:VALUE`, or `--run CMD` to let squad run a command and record it".to_owned()
            }
            Self::DependencyOpen { what: "subtask", .. } => {
                "finish them with `squad subtask set`, or say `--open-ok REASON`".to_owned()
            }
            Self::DependencyOpen { task, .. } => {
                format!("`squad dep tree {task}` shows what it waits for; `squad next` picks another")
            }
            Self::PathLocked { task, conflicts } => match conflicts.first() {
                Some(c) => format!(
                    "`squad next` picks a task with free paths; `squad comment {task} \"{}…\" --also {}` asks on both tasks",
                    c.agent.as_ref().map(|agent| format!("@{} ", in_command(agent.as_str()))).unwrap_or_default(),
                    c.task
                ),
                None => "`squad lock list` shows every lock".to_owned(),
            },
        })
    }

    /// Returns the facts, by the keys that scripts read.
    pub fn data(&self) -> Map<String, Value> {
        let value = match self {
            Self::NotFound { what, name } => json!({"what": what, "name": name}),
            Self::UnknownAgent { name } => json!({"agent": name}),
            Self::LostRace { task, holder, at } => json!({"task": task, "holder": holder, "at": at}),
            Self::Changed { task, field, expected, found } => {
                json!({"task": task, "field": field, "expected": expected, "found": found})
            }
            Self::NotHolder { task, holder, at, .. } => json!({"task": task, "holder": holder, "at": at}),
            Self::StaleEpoch { task, named, current, holder, status } => {
                json!({"task": task, "named": named, "epoch": current, "holder": holder, "status": status})
            }
            Self::IllegalTransition { task, from, verb, legal } => json!({
                "task": task, "from": from.status(), "phase": from, "action": verb,
                "legal": legal.iter().map(|v| v.as_str()).collect::<Vec<_>>(),
            }),
            Self::NotPermitted { verb, task, actor, role, who } => json!({
                "task": task, "action": verb, "agent": actor, "role": role,
                "who": who.iter().map(|w| w.describe()).collect::<Vec<_>>(),
            }),
            Self::MissingField { verb, field, .. } => json!({"action": verb, "field": field}),
            Self::EvidenceMissing { task, since } => json!({"task": task, "since": since}),
            Self::DependencyOpen { task, what, open, .. } => json!({"task": task, "what": what, "open": open}),
            Self::LimitReached { task, held, .. } => json!({"task": task, "held": held}),
            Self::PathLocked { task, conflicts } => json!({"task": task, "conflicts": conflicts}),
            Self::IdTaken { id, .. } => json!({"task": id}),
            Self::Invalid { pointer, .. } => json!({"pointer": pointer}),
        };
        match value {
            Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            _ => Map::new(),
        }
    }
}

/// Says where a task stands, for the middle of a sentence.
fn describe(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "in the backlog",
        Phase::Claimed => "in progress, claimed but not started",
        Phase::Working => "in progress",
        Phase::Review => "in review",
        Phase::Ready => "ready",
        Phase::WaitingHuman => "blocked, waiting for a person",
        Phase::WaitingExternal => "blocked, waiting for somebody outside",
        Phase::WaitingDependency => "blocked, waiting for other tasks",
        Phase::WaitingConflict => "blocked, waiting for paths",
        Phase::Failed => "blocked, failed too often",
        Phase::Completed => "completed",
        Phase::Archived => "archived",
    }
}

fn join(verbs: &[Verb]) -> String {
    verbs.iter().map(|v| v.command()).collect::<Vec<_>>().join(", ")
}

fn join_or<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    match words.as_slice() {
        [] => "nobody".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_command_of_its_own_stands_in_no_command() {
        let name = AgentName::as_found("$(id)");
        let task = TaskId::new("t-1").unwrap();
        let conflict = Conflict {
            path: "src".to_owned(),
            lock: "src".to_owned(),
            task: task.clone(),
            agent: Some(name.clone()),
            since: Millis(0),
            mode: crate::model::vocabulary::LockMode::Hard,
        };
        for refusal in [
            Refusal::UnknownAgent { name: name.clone() },
            Refusal::NotHolder { task: task.clone(), verb: Verb::Start, holder: name, at: Millis(0) },
            Refusal::PathLocked { task, conflicts: vec![conflict] },
        ] {
            let hint = refusal.hint().unwrap();
            assert!(hint.contains("NAME") && !hint.contains("$("), "{hint}");
        }
    }
}
