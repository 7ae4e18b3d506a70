//! What a task's new version holds that the machine did not put there.
//!
//! Owns which fields the machine sets by itself and which anybody may write who has a hand in the task. What only grows
//! (chat, history, evidence) is looked at here as well.

use std::collections::HashSet;

use serde_json::Value;

use super::judge::World;
use super::replay::{Replay, operation};
use crate::model::config::Agent;
use crate::model::id::{AgentName, Millis, in_command};
use crate::model::operation::{Action, FieldChange, Verb};
use crate::model::task::{Subtask, Task};
use crate::model::time::rfc3339;
use crate::model::transition::{Authority, authorize};
use crate::model::vocabulary::Gate;
use crate::schema::Violation;

/// What an instant of the machine is replaced by before two versions are compared: a hand may take a moment longer.
const SOME_TIME: &str = "some time";

/// Fields that only the machine sets, and what of them is an instant.
const AUTOMATIC: &[(&str, &[&str])] = &[
    ("status", &[]),
    ("epoch", &[]),
    ("claim", &["at", "startedAt", "leaseSeconds"]),
    ("attempt", &[]),
    ("recoveries", &[]),
    ("backoffLevel", &[]),
    ("lastError", &["at"]),
    ("retryAt", &[""]),
    ("block", &["retryAt"]),
    ("blockedBy", &[]),
    ("blockedAt", &[""]),
    ("deliverable", &[]),
    ("submittedBy", &[]),
    ("submittedAt", &[""]),
    ("reviewRound", &[]),
    ("approvals", &["at"]),
    ("verifiedBy", &[]),
    ("verifiedAt", &[""]),
    ("completedBy", &[]),
    ("completedAt", &[""]),
    ("completionRequest", &["at"]),
    ("emergencyOverride", &["timestamp"]),
    ("archivedReason", &[]),
    ("createdBy", &[]),
    ("createdAt", &[]),
];

/// Finds automatic fields that are not what the machine would have made of them.
pub(super) fn automatic(state: &Task, before: &Task, after: &Task, path: &str, found: &mut Vec<Violation>) {
    let (expected, is) = (value_of(state), value_of(after));
    let no_step = after.state_history.len() == before.state_history.len();
    for (field, instants) in AUTOMATIC {
        let instants = match (no_step, *field) {
            (false, _) => *instants,
            // Where no step was taken, no instant is set but that of the first sign of work.
            (true, "claim") => &["startedAt"],
            (true, _) => &[],
        };
        let (should, has) = (expected.get(field), is.get(field));
        if timeless(should, instants) == timeless(has, instants) || has.is_none() && is_used_up(field, state, after) {
            continue;
        }
        let message = match (should, has) {
            (None, Some(_)) => format!("nothing that the history tells sets `{field}`"),
            (Some(_), None) => format!("`{field}` is gone, and nothing that the history tells removes it"),
            _ => format!("by what the history tells, `{field}` is {}", short(should)),
        };
        let hint = match should {
            Some(value) => format!("set it to {}, or use the verb: squad sets it by itself", short(Some(value))),
            None => "take it out: squad sets it by itself".to_owned(),
        };
        found.push(Violation::error("automatic-field", path, format!("/{field}"), message, hint));
    }
    // An instant of the machine lies between the two versions.
    let set: [(&str, Option<Millis>, Option<Millis>); 4] = [
        ("blockedAt", before.blocked_at, after.blocked_at),
        ("submittedAt", before.submitted_at, after.submitted_at),
        ("verifiedAt", before.verified_at, after.verified_at),
        ("completedAt", before.completed_at, after.completed_at),
    ];
    for (field, old, new) in set {
        if let Some(at) = new.filter(|at| Some(*at) != old && (*at < before.updated_at || *at > after.updated_at)) {
            let message = format!(
                "{} lies outside the change, which came after {} and by {}",
                rfc3339(at),
                rfc3339(before.updated_at),
                rfc3339(after.updated_at)
            );
            let hint = "squad sets it to the instant of the step: leave it to the verb";
            found.push(Violation::error("automatic-field", path, format!("/{field}"), message, hint));
        }
    }
}

/// Whoever takes a path that another task holds uses a lifted gate up, and leaves no entry.
fn is_used_up(field: &str, state: &Task, after: &Task) -> bool {
    let lifted = state.emergency_override.as_ref().and_then(|lifted| lifted.gate);
    field == "emergencyOverride"
        && lifted == Some(Gate::Locks)
        && after.files.iter().any(|path| !state.files.contains(path))
}

fn value_of(task: &Task) -> Value {
    serde_json::to_value(task).unwrap_or_default()
}

/// Returns the value without the instants in it.
fn timeless(value: Option<&Value>, instants: &[&str]) -> Option<Value> {
    let mut value = value?.clone();
    let is_one = instants == [""];
    if is_one {
        return Some(SOME_TIME.into());
    }
    let items: Vec<&mut Value> = match &mut value {
        Value::Array(items) => items.iter_mut().collect(),
        other => vec![other],
    };
    for map in items.into_iter().filter_map(Value::as_object_mut) {
        map.retain(|key, _| !instants.contains(&key.as_str()));
    }
    Some(value)
}

fn short(value: Option<&Value>) -> String {
    let text = value.map(Value::to_string).unwrap_or_default();
    match text.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// Finds what should only grow and did not.
pub(super) fn shrunk(before: &Task, after: &Task, path: &str, found: &mut Vec<Violation>) {
    for (i, entry) in before.state_history.iter().enumerate() {
        if after.state_history.get(i) != Some(entry) {
            let message = format!("entry {i} of the history is gone or another: {} {}", entry.actor, entry.state);
            let hint = "put it back as it was: the history only grows";
            found.push(Violation::error("history-rewritten", path, "/stateHistory", message, hint));
            break;
        }
    }
    let mut rest = after.chat.iter();
    for message in &before.chat {
        if rest.any(|m| m == message) {
            continue;
        }
        let what = match after.chat.iter().find(|m| m.id == message.id) {
            Some(other) if other != message => "is another",
            Some(_) => "stands elsewhere",
            None => "is gone",
        };
        let text = format!("the message {} of {} {what}", message.id, message.author);
        let hint = "put it back as it was: the chat only grows; `squad comment` adds to it";
        found.push(Violation::error("chat-rewritten", path, "/chat", text, hint));
        break;
    }
    for evidence in &before.evidence {
        if !after.evidence.contains(evidence) {
            let message = format!("the evidence {} of {} is gone or another", evidence.id, evidence.by);
            let hint = "put it back as it was: what was handed in stays";
            found.push(Violation::error("evidence-rewritten", path, "/evidence", message, hint));
            break;
        }
    }
    if after.updated_at < before.updated_at {
        let message = format!("`updatedAt` falls from {} to {}", rfc3339(before.updated_at), rfc3339(after.updated_at));
        let hint = "it never falls: set it to the instant of the change";
        found.push(Violation::error("time-fell", path, "/updatedAt", message, hint));
    }
}

/// How far the clocks of two machines may be apart.
const CLOCK_SKEW_MS: u64 = 24 * 3_600_000;

/// Finds a task that was last changed after the change was made: whatever comes next would be dated as late.
pub(super) fn ahead(world: &World<'_>, before: Option<&Task>, after: &Task, path: &str, found: &mut Vec<Violation>) {
    let Some(made_at) = world.made_at else { return };
    let is_new = before.is_none_or(|before| before.updated_at < after.updated_at);
    if is_new && after.updated_at.since(made_at) > CLOCK_SKEW_MS {
        let message =
            format!("`updatedAt` is {}, and the change was made at {}", rfc3339(after.updated_at), rfc3339(made_at));
        let hint = "set it to the instant of the change, in milliseconds: whatever comes next is dated no earlier";
        found.push(Violation::error("time-ahead", path, "/updatedAt", message, hint));
    }
}

/// Finds entries, messages and proof in the name of somebody else than whoever makes the change.
pub(super) fn names(world: &World<'_>, before: Option<&Task>, after: &Task, path: &str, found: &mut Vec<Violation>) {
    let Some(actors) = &world.actors else { return };
    let known = before.map_or(0, |task| task.state_history.len());
    let old: HashSet<&str> = before.iter().flat_map(|t| t.chat.iter().map(|m| m.id.as_str())).collect();
    let is = |name: &AgentName| actors.contains(name);
    let entries = after.state_history.iter().enumerate().skip(known);
    let forged = entries
        .filter(|(_, entry)| !is(&entry.actor))
        .map(|(i, entry)| (format!("/stateHistory/{i}/actor"), &entry.actor, "an entry of the history"));
    // An id that stands a second time is no way to say something in another name.
    let mut once: HashSet<&str> = HashSet::new();
    let said = after.chat.iter().enumerate();
    let said = said.filter(|(_, m)| (!once.insert(&m.id) || !old.contains(m.id.as_str())) && !is(&m.author));
    let said = said.map(|(i, m)| (format!("/chat/{i}/author"), &m.author, "a message"));
    let progress = after.progress.as_ref().filter(|now| before.and_then(|task| task.progress.as_ref()) != Some(*now));
    let progress = progress.filter(|now| !is(&now.by)).map(|now| ("/progress/by".to_owned(), &now.by, "progress"));
    for (pointer, name, what) in forged.chain(said).chain(progress).take(3) {
        let who = actors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let who = if who.is_empty() { "somebody who is in no roster".to_owned() } else { who };
        let message = format!("{what} in the name of {name}, in a change by {who}");
        let hint = format!("use your own name; `squad --agent {}` is theirs to say", in_command(name.as_str()));
        found.push(Violation::error("foreign-actor", path, pointer, message, hint));
    }
}

/// Finds evidence that no step of the history has handed in, an id that stands a second time among it.
pub(super) fn proof(handed_in: &HashSet<&str>, after: &Task, path: &str, found: &mut Vec<Violation>) {
    let mut once: HashSet<&str> = HashSet::new();
    for (i, evidence) in after.evidence.iter().enumerate() {
        if once.insert(&evidence.id) && handed_in.contains(evidence.id.as_str()) {
            continue;
        }
        let message = format!("the evidence {} was handed in by no step of the history", evidence.id);
        let hint = "bring it with `squad submit` or `squad complete`";
        found.push(Violation::error("automatic-field", path, format!("/evidence/{i}"), message, hint));
    }
}

/// Finds changes that need no entry in the history, by somebody who may not make them.
pub(super) fn shapes(
    world: &World<'_>,
    replay: &Replay,
    before: &Task,
    after: &Task,
    path: &str,
    found: &mut Vec<Violation>,
) {
    for part in &before.subtasks {
        let what = match after.subtasks.iter().find(|now| now.id == part.id) {
            None => "is gone",
            Some(now) if now.title != part.title => "is another",
            Some(_) => continue,
        };
        let message = format!("the subtask {} {what}", part.id);
        let hint = "put it back as it was; `squad subtask set` says what has become of it";
        found.push(Violation::error("subtask-rewritten", path, "/subtasks", message, hint));
    }
    for name in before.participants.iter().filter(|name| !after.participants.contains(name)) {
        let message = format!("{name} is no longer among the participants");
        let hint = "put the name back: whoever has had a hand in a task stays in it";
        found.push(Violation::error("participant-removed", path, "/participants", message, hint));
    }
    let changes = changes(before, after, replay);
    for (pointer, action) in changes {
        if let Some(violation) = world.may_not(replay, before, after, &action).map(|(verb, who, why)| {
            let message = format!("{who} may not {} here: {why}", verb.command());
            let hint = "take the change back, or let somebody make it who may";
            Violation::error("not-permitted", path, pointer, message, hint)
        }) {
            found.push(violation);
        }
    }
}

/// Returns the changes that need no entry, each as the action that makes it.
fn changes(before: &Task, after: &Task, replay: &Replay) -> Vec<(&'static str, Action)> {
    let state = replay.state();
    let mut changes: Vec<(&'static str, Action)> = Vec::new();
    let mut edit = |pointer, change: FieldChange| changes.push((pointer, Action::Edit { changes: vec![change] }));
    if before.title != after.title {
        edit("/title", FieldChange::Title { from: before.title.clone(), to: after.title.clone() });
    }
    if before.description != after.description {
        edit(
            "/description",
            FieldChange::Description { from: before.description.clone(), to: after.description.clone() },
        );
    }
    if before.priority != after.priority {
        edit("/priority", FieldChange::Priority { from: before.priority, to: after.priority });
    }
    if before.category != after.category {
        edit("/category", FieldChange::Category { from: before.category, to: after.category });
    }
    if before.due != after.due {
        edit("/due", FieldChange::Due { from: before.due, to: after.due });
    }
    if before.position != after.position {
        edit("/position", FieldChange::Position { from: before.position, to: after.position });
    }
    let described: [(&'static str, bool); 6] = [
        ("/tags", before.tags != after.tags),
        ("/acceptance", before.acceptance != after.acceptance),
        ("/effects", before.effects != after.effects),
        ("/parent", before.parent != after.parent),
        ("/source", before.source != after.source),
        ("/schemaVersion", before.schema_version != after.schema_version),
    ];
    for (pointer, _) in described.into_iter().filter(|(_, differs)| *differs) {
        edit(pointer, FieldChange::Tags { add: Vec::new(), remove: Vec::new() });
    }
    changes.extend(replay.assigned.iter().map(|to| ("/assigned", Action::Assign { to: to.clone() })));
    if state.assigned != after.assigned
        && let Some(to) = after.assigned.clone().or_else(|| before.assigned.clone())
    {
        changes.push(("/assigned", Action::Assign { to }));
    }
    for on in after.depends_on.iter().filter(|on| !before.depends_on.contains(on)) {
        changes.push(("/dependsOn", Action::DepAdd { on: on.clone() }));
    }
    for on in before.depends_on.iter().filter(|on| !after.depends_on.contains(on)) {
        changes.push(("/dependsOn", Action::DepRemove { on: on.clone() }));
    }
    let paths =
        |from: &Task, to: &Task| to.files.iter().filter(|f| !from.files.contains(f)).cloned().collect::<Vec<_>>();
    let (added, removed) = (paths(before, after), paths(after, before));
    if !added.is_empty() {
        changes.push(("/files", Action::FilesAdd { paths: added }));
    }
    if !removed.is_empty() {
        changes.push(("/files", Action::FilesRemove { paths: removed }));
    }
    changes.extend(subtasks(before, after).map(|action| ("/subtasks", action)));
    // Work begins in no entry of the history, and only its holder begins it.
    let begun = |task: &Task| task.claim.as_ref().map(|claim| claim.started_at);
    let no_step = before.state_history.len() == after.state_history.len();
    if no_step && begun(before).is_some() && begun(after).is_some() && begun(before) != begun(after) {
        changes.push(("/claim/startedAt", Action::Start {}));
    }
    if before.progress != after.progress
        && let Some(progress) = &after.progress
    {
        changes.push(("/progress", Action::Progress { step: progress.step.clone(), percent: progress.percent }));
    }
    changes
}

fn subtasks<'a>(before: &'a Task, after: &'a Task) -> impl Iterator<Item = Action> + 'a {
    let same = |a: &Subtask| before.subtasks.iter().find(|b| b.id == a.id).cloned();
    after.subtasks.iter().filter_map(move |now| match same(now) {
        None => Some(Action::SubtaskAdd { title: now.title.clone(), assigned: now.owner().cloned() }),
        Some(old) if old.status != now.status => {
            Some(Action::SubtaskSet { subtask: now.id.clone(), status: now.status, comment: None })
        }
        Some(old) if old.owner() != now.owner() => {
            let to = now.owner().or(old.owner()).cloned()?;
            Some(Action::SubtaskAssign { subtask: now.id.clone(), to })
        }
        Some(_) => None,
    })
}

/// Tells at which station an action was open to a member, if at any.
pub(super) fn is_open_to(replay: &Replay, after: &Task, action: &Action, member: &Agent) -> bool {
    replay.stations.iter().any(|station| {
        // A part that was only added on the way is there for whoever sets it.
        let mut station = station.clone();
        let is_known = |part: &&Subtask| station.subtasks.iter().any(|known| known.id == part.id);
        let added: Vec<Subtask> = after.subtasks.iter().filter(|part| !is_known(part)).cloned().collect();
        station.subtasks.extend(added);
        let operation = operation(None, action.clone(), &station, &member.name, after.updated_at);
        matches!(authorize(&station, &operation, member), Ok(Authority::Granted(_) | Authority::Repeat))
    })
}

/// Returns everybody who may have had a hand in a change that names who acted; nobody where it names no one. Whoever made
/// the task, is its assignee or has taken part before leaves no name when they act again.
pub(super) fn who_may_have_acted(before: &Task, after: &Task) -> Vec<AgentName> {
    let mut names = who_acted(before, after);
    if !names.is_empty() {
        let known = before.created_by.iter().chain(&before.assigned).chain(&after.assigned);
        names.extend(known.chain(&before.participants).cloned());
    }
    names
}

/// Returns everybody whose name the change itself gives as having acted.
fn who_acted(before: &Task, after: &Task) -> Vec<AgentName> {
    let known = before.state_history.len();
    let mut names: Vec<AgentName> = after.state_history.iter().skip(known).map(|e| e.actor.clone()).collect();
    let old: HashSet<&str> = before.chat.iter().map(|m| m.id.as_str()).collect();
    names.extend(after.chat.iter().filter(|m| !old.contains(m.id.as_str())).map(|m| m.author.clone()));
    if before.progress != after.progress {
        names.extend(after.progress.iter().map(|progress| progress.by.clone()));
    }
    names.extend(after.subtasks.iter().filter_map(|s| s.delegated_by.clone()));
    names.extend(after.participants.iter().filter(|name| !before.participants.contains(name)).cloned());
    names
}

/// Returns the verb of an action, and why it is refused at the last station.
pub(super) fn refusal_of(replay: &Replay, action: &Action, member: &Agent) -> (Verb, String) {
    let verb = action.verb();
    let station = replay.state();
    let operation = operation(None, action.clone(), station, &member.name, station.updated_at);
    let why = match authorize(station, &operation, member) {
        Err(refusal) => refusal.why().unwrap_or_else(|| refusal.message()),
        Ok(_) => "not at that time".to_owned(),
    };
    (verb, why)
}
