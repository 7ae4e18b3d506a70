//! Notices: what of a landed change concerns somebody who did not make it.
//!
//! Owns which change is an event, whom it is told to, and its words. A notice is data for a program; how it gets there
//! is not known here.

use serde::Serialize;

use super::config::{Agent, BoardConfig};
use super::id::{AgentName, Millis, TaskId};
use super::operation::{Action, FieldChange, Operation, RecoverTrigger};
use super::task::{Block, ProcessEnd, Task};
use super::text::is_plain;
use super::vocabulary::{BlockKind, Cause, Priority, Role, Status, words};

/// Most characters of a sentence: it is for a line on a telephone.
const MAX_SENTENCE: usize = 300;

words! {
    /// What happened that somebody should know.
    Event, "event" {
        /// A task cannot go on.
        Blocked = "blocked",
        /// A critical task has become somebody's.
        Critical = "critical",
        /// A task was claimed and never begun.
        Stale = "stale",
        /// A claim was taken back from a holder that gave no sign of life.
        LostLease = "lost-lease",
        /// Somebody says that a task is done and asks for a verdict.
        CompletionRequest = "completion-request",
        /// A run failed, and is tried again.
        Failed = "failed",
        /// An agent is to be started.
        Wake = "wake",
    }
}

/// One thing that somebody should know.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// Version of the shape.
    pub v: u32,
    /// What happened.
    pub event: Event,
    /// The task; absent where an agent is to be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// All of it in one line, with the task in front.
    pub sentence: String,
    /// Whom it is told to.
    pub to: Vec<AgentName>,
    /// Who made the change.
    pub actor: AgentName,
    /// When.
    pub at: Millis,
    /// The sort of block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<BlockKind>,
    /// What a person is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The answers to choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What is needed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Which sort of thing went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The error's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the process of a failed run ended.
    #[serde(flatten)]
    pub process: Option<ProcessEnd>,
    /// The commit that made the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Returns the notice of a change that has landed: the operation, a task that it changed as it is now, and where that
/// stood before. Most changes are nobody's business, and have none.
pub fn notice(operation: &Operation, before: Option<Status>, task: &Task, config: &BoardConfig) -> Option<Notice> {
    let (event, words) = event(operation, before, task)?;
    let mut notice = Notice {
        v: 1,
        event,
        task: Some(task.id.clone()),
        title: Some(task.title.clone()),
        sentence: sentence(Some(&task.id), &words),
        to: recipients(event, &operation.actor, task, config),
        actor: operation.actor.clone(),
        at: operation.at,
        kind: None,
        question: None,
        options: Vec::new(),
        needs: Vec::new(),
        cause: None,
        error: None,
        process: None,
        commit: None,
    };
    if event == Event::Blocked {
        notice.kind = task.block_kind();
        if let Some(Block::Human { needs, question, options }) = &task.block {
            notice.question = Some(question.clone());
            notice.options.clone_from(options);
            notice.needs.clone_from(needs);
        }
    }
    if let Action::Fail { error, cause, process } = &operation.action {
        notice.process.clone_from(process);
        notice.cause = Some(*cause);
        notice.error = Some(error.clone());
    }
    Some(notice)
}

/// Returns the notice that an agent which nobody can start from here is asked for.
pub fn wake(agent: &AgentName, by: &AgentName, at: Millis, reason: Option<&str>) -> Notice {
    let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Notice {
        v: 1,
        event: Event::Wake,
        task: None,
        title: None,
        sentence: sentence(None, &format!("{by} asks {agent} to start{why}")),
        to: vec![agent.clone()],
        actor: by.clone(),
        at,
        kind: None,
        question: None,
        options: Vec::new(),
        needs: Vec::new(),
        cause: None,
        error: None,
        process: None,
        commit: None,
    }
}

/// Returns what happened, and how it is said.
fn event(operation: &Operation, before: Option<Status>, task: &Task) -> Option<(Event, String)> {
    let (actor, title) = (&operation.actor, &task.title);
    let is_now_blocked = task.status == Status::Blocked && before != Some(Status::Blocked);
    let is_urgent = task.priority == Priority::Critical && task.status.is_open();
    match &operation.action {
        Action::Block { reason, block } if is_now_blocked => {
            let asks = match block {
                Block::Human { question, options, .. } => format!(" – {question} ({})", options.join(" / ")),
                _ => String::new(),
            };
            Some((Event::Blocked, format!("{title}: blocked by {actor}: {reason}{asks}")))
        }
        Action::Fail { error, cause, .. } if is_now_blocked => {
            Some((Event::Blocked, format!("{title}: failed too often, last by {cause}: {error}")))
        }
        Action::Fail { error, cause, .. } => {
            Some((Event::Failed, format!("{title}: a run failed by {cause}: {error}")))
        }
        Action::RequestComplete { note } => {
            let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            Some((Event::CompletionRequest, format!("{title}: {actor} says it is done and asks for a verdict{note}")))
        }
        Action::Recover { trigger: RecoverTrigger::Unstarted, seen } => {
            Some((Event::Stale, format!("{title}: claimed and never begun: {seen}")))
        }
        Action::Recover { trigger: RecoverTrigger::Orphaned, seen } => {
            Some((Event::LostLease, format!("{title}: taken back: {seen}")))
        }
        action if is_urgent && may_bring_urgency(action) => {
            let assigned = task.assigned.as_ref()?;
            Some((Event::Critical, format!("{title}: critical, and {assigned}'s now")))
        }
        _ => None,
    }
}

/// Tells whether an action can have made a task critical, or given it to somebody.
fn may_bring_urgency(action: &Action) -> bool {
    match action {
        Action::New { .. } | Action::Assign { .. } => true,
        Action::Edit { changes } => {
            changes.iter().any(|change| matches!(change, FieldChange::Priority { to: Priority::Critical, .. }))
        }
        _ => false,
    }
}

/// Returns whom a notice goes to: whoever decides on the task, for a critical one those above as well, and whom it was
/// taken from or given to. Who made the change knows of it already.
fn recipients(event: Event, actor: &AgentName, task: &Task, config: &BoardConfig) -> Vec<AgentName> {
    let of = |wanted: &dyn Fn(&Agent) -> bool| -> Vec<AgentName> {
        config.agents.iter().filter(|agent| wanted(agent)).map(|agent| agent.name.clone()).collect()
    };
    let above = || of(&|agent| matches!(agent.role, Role::Chief | Role::Owner));
    let concerned = task.assigned.iter().filter(|_| matches!(event, Event::Critical | Event::Stale | Event::LostLease));
    let mut to: Vec<AgentName> = concerned.cloned().collect();
    let managers = of(&|agent| agent.role == Role::Manager && agent.manages(task));
    // Where nobody manages such tasks, those above do.
    if task.priority == Priority::Critical || managers.is_empty() {
        to.extend(above());
    }
    to.extend(managers);
    to.sort();
    to.dedup();
    if to.iter().any(|name| name != actor) {
        to.retain(|name| name != actor);
    }
    to
}

/// Returns one line that can be shown anywhere: no character of it moves a cursor or hides another.
fn sentence(task: Option<&TaskId>, words: &str) -> String {
    let plain: String = words.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    let line = match task {
        Some(task) => format!("[{task}] {plain}"),
        None => plain,
    };
    match line.char_indices().nth(MAX_SENTENCE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{Epoch, OpId};
    use crate::model::operation::Basis;
    use crate::model::vocabulary::{AgentKind, Domain};

    fn name(text: &str) -> AgentName {
        AgentName::new(text).expect("a name")
    }

    fn config() -> BoardConfig {
        let member = |text: &str, role| Agent::new(name(text), role, AgentKind::Agent);
        let of = |text: &str, domain| Agent { domain: Some(domain), ..member(text, Role::Manager) };
        BoardConfig::new(
            "main",
            vec![
                member("olga", Role::Owner),
                member("hex", Role::Chief),
                of("knox", Domain::Dev),
                of("sterling", Domain::Marketing),
                member("scout", Role::Executor),
            ],
        )
    }

    #[expect(clippy::needless_pass_by_value, reason = "a value written where it is used reads best")]
    fn task(fields: serde_json::Value) -> Task {
        let mut task = serde_json::json!({
            "id": "t-1", "title": "Mend", "status": "backlog", "priority": "medium", "category": "dev",
            "assigned": "scout", "createdAt": 1, "updatedAt": 1,
        });
        let map = task.as_object_mut().expect("an object");
        map.extend(fields.as_object().expect("an object").clone());
        serde_json::from_value(task).expect("a task")
    }

    fn by(actor: &str, action: Action) -> Operation {
        Operation {
            id: OpId::from_parts(Millis(5), [1; 10]),
            action,
            task: Some(TaskId::new("t-1").expect("an id")),
            actor: name(actor),
            basis: Basis { head: None, epoch: Some(Epoch(1)) },
            at: Millis(5),
            signature: None,
        }
    }

    fn told(operation: &Operation, before: Status, task: &Task) -> Option<(Event, Vec<String>)> {
        let notice = notice(operation, Some(before), task, &config())?;
        Some((notice.event, notice.to.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn each_event_goes_to_whom_it_concerns_and_to_no_other() {
        use serde_json::json;
        let blocked = task(json!({"status": "blocked", "block": {"kind": "failure"}}));
        let urgent = task(json!({"status": "blocked", "priority": "critical"}));
        let block = || Action::Block { reason: "r".to_owned(), block: Block::Failure {} };
        let fail = || Action::Fail { error: "e".to_owned(), cause: Cause::Memory, process: None };
        let back = task(json!({}));
        let critical = task(json!({"priority": "critical"}));
        let recover = |trigger| Action::Recover { trigger, seen: "gone".to_owned() };
        let raised =
            Action::Edit { changes: vec![FieldChange::Priority { from: Priority::Low, to: Priority::Critical }] };
        for (actor, action, before, after, event, to) in [
            ("scout", block(), Status::InProgress, &blocked, Event::Blocked, &["knox"][..]),
            ("scout", block(), Status::InProgress, &urgent, Event::Blocked, &["hex", "knox", "olga"]),
            ("scout", fail(), Status::InProgress, &blocked, Event::Blocked, &["knox"]),
            ("scout", fail(), Status::InProgress, &back, Event::Failed, &["knox"]),
            (
                "scout",
                Action::RequestComplete { note: None },
                Status::Backlog,
                &back,
                Event::CompletionRequest,
                &["knox"],
            ),
            ("knox", recover(RecoverTrigger::Orphaned), Status::InProgress, &back, Event::LostLease, &["scout"]),
            ("hex", recover(RecoverTrigger::Unstarted), Status::InProgress, &back, Event::Stale, &["knox", "scout"]),
            (
                "hex",
                Action::Assign { to: name("scout") },
                Status::Backlog,
                &critical,
                Event::Critical,
                &["knox", "olga", "scout"],
            ),
            ("olga", raised, Status::Backlog, &critical, Event::Critical, &["hex", "knox", "scout"]),
        ] {
            let to = to.iter().map(|name| (*name).to_owned()).collect();
            let operation = by(actor, action);
            assert_eq!(told(&operation, before, after), Some((event, to)), "{operation:?}");
        }
    }

    #[test]
    fn what_concerns_nobody_else_is_not_told() {
        use serde_json::json;
        let critical = task(json!({"priority": "critical"}));
        let nobody = Task { assigned: None, ..critical.clone() };
        let stays = task(json!({"status": "blocked"}));
        let retitled = Action::Edit { changes: vec![FieldChange::Title { from: "a".to_owned(), to: "b".to_owned() }] };
        let comment = Action::Comment { text: "x".to_owned(), also: Vec::new() };
        let block = Action::Block { reason: "r".to_owned(), block: Block::Failure {} };
        for (action, before, after) in [
            (retitled, Status::Backlog, &critical),
            (comment, Status::Backlog, &critical),
            (Action::New { tasks: Vec::new() }, Status::Backlog, &nobody),
            (Action::Assign { to: name("scout") }, Status::Backlog, &task(json!({}))),
            (block, Status::Blocked, &stays),
        ] {
            let operation = by("scout", action);
            assert_eq!(told(&operation, before, after), None, "{operation:?}");
        }
    }

    #[test]
    fn a_sentence_is_one_short_line_with_the_task_in_front() {
        let hostile = task(serde_json::json!({"title": "a\u{1b}[31m\nb\u{202e}", "status": "blocked"}));
        let block = Action::Block { reason: "x".repeat(1000), block: Block::Failure {} };
        let told = notice(&by("scout", block), Some(Status::InProgress), &hostile, &config()).expect("an event");
        assert!(told.sentence.starts_with("[t-1] a [31m b : blocked by scout: xxx"), "{}", told.sentence);
        assert_eq!(told.sentence.chars().count(), MAX_SENTENCE + 1);
        assert_eq!(told.sentence.chars().find(|c| !is_plain(*c)), None);
    }

    #[test]
    fn where_nobody_manages_such_tasks_those_above_are_told() {
        let mut config = config();
        config.agents.retain(|agent| agent.role != Role::Manager);
        let blocked = task(serde_json::json!({"status": "blocked"}));
        let block = Action::Block { reason: "r".to_owned(), block: Block::Failure {} };
        let told = notice(&by("olga", block), Some(Status::InProgress), &blocked, &config).expect("an event");
        assert_eq!(told.to, [name("hex")], "the one who did it knows");
    }
}
