//! The verdict on a change: two versions of a board, and what a reviewer should know about what lies between.
//!
//! Owns what is judged of a change and what is said of each task. What is wrong within one version is `check`'s; both
//! are asked by whoever calls this, since a change can also leave a board broken that every step was allowed on.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use super::check::set_lines;
use super::replay::{Replay, newborn, replay};
use super::secrets;
use super::unexplained::{ahead, is_open_to, names, refusal_of, shapes, shrunk, who_may_have_acted};
use crate::model::board::{Board, BoardFault};
use crate::model::config::{Agent, BoardConfig};
use crate::model::id::{AgentName, Millis, TaskId, in_command};
use crate::model::locks::LocksFile;
use crate::model::operation::{Action, Verb};
use crate::model::requirement::{is_done, may_change_roster};
use crate::model::task::Task;
use crate::model::vocabulary::{Role, Status};
use crate::schema::{Json, Severity, Violation, look_at_task};

/// A task's file in one version of the board.
#[derive(Debug, Clone)]
pub struct Version {
    /// The path within the repository.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Version {
    /// Returns the task, where the file can be read as one.
    pub fn task(&self) -> Option<Task> {
        look_at_task(&self.path, &self.bytes).typed
    }
}

/// A file of the board before and after a change.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The stem of a task's file, the path of another one.
    pub stem: String,
    /// Before; nothing where it is new.
    pub before: Option<Version>,
    /// After; nothing where it is gone.
    pub after: Option<Version>,
}

/// A change of a board.
pub struct Change<'a> {
    /// The board before.
    pub before: &'a dyn Board,
    /// The board after.
    pub after: &'a dyn Board,
    /// Every task whose file differs.
    pub tasks: &'a [Pair],
    /// Every other file of the board that differs: the configuration and the locks.
    pub others: &'a [Pair],
    /// Where the configuration is.
    pub config_path: &'a str,
    /// Who makes the change, where that is known: nobody else's name may stand in it.
    pub actors: Option<Vec<AgentName>>,
    /// Whose change of the roster and the settings it would be.
    pub roster_by: RosterBy,
    /// When it was made, where that is known: nothing in it has happened later.
    pub made_at: Option<Millis>,
}

/// Whose a change of the roster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterBy {
    /// One of these makes it.
    Members(Vec<AgentName>),
    /// Nobody in the roster is known to make it, and the board takes names at their word.
    Unknown,
}

/// What is to be said of a change.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Every task that it touches, by id.
    pub changes: Vec<TaskChange>,
    /// Everything that is wrong or odd.
    pub violations: Vec<Violation>,
}

/// What is to be said of one task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskChange {
    /// The task.
    pub task: String,
    /// The file that stands for it.
    pub file: String,
    /// The title, of the newest version that has one.
    pub title: String,
    /// Where it stood; nothing for a new task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// Where it stands; nothing where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Status>,
    /// Who moved it, in the order of their first step.
    pub actors: Vec<AgentName>,
    /// The steps that the history tells.
    pub steps: Vec<Step>,
    /// How many messages were added.
    pub chat: usize,
    /// Which evidence was added, as kinds.
    pub evidence: Vec<String>,
    /// What else differs.
    pub fields: Vec<Field>,
    /// How it is judged.
    pub verdict: Verdict,
}

/// One step that the history of a task tells.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// By which verb; nothing where the entry does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// By whom.
    pub actor: AgentName,
    /// Where it led.
    pub to: Status,
}

/// A field that differs.
#[derive(Debug, Clone, Serialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value before; nothing where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// Its value after; nothing where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// How a change is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong with it.
    Pass,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Fail,
}

impl Verdict {
    /// Returns the verdict on these violations.
    pub fn on<'a>(violations: impl IntoIterator<Item = &'a Violation>) -> Self {
        let worst = violations.into_iter().map(|v| match v.severity {
            Severity::Error => Self::Fail,
            Severity::Warning => Self::Warn,
        });
        worst.max().unwrap_or(Self::Pass)
    }
}

/// What a step is judged by: the boards around it, and who makes the change.
pub(super) struct World<'a> {
    before: &'a dyn Board,
    after: &'a dyn Board,
    before_config: &'a BoardConfig,
    after_config: &'a BoardConfig,
    pub(super) actors: Option<Vec<AgentName>>,
    pub(super) made_at: Option<Millis>,
}

impl<'a> World<'a> {
    /// Returns a member of the roster before the change, or of the one after it.
    pub(super) fn member(&self, name: &AgentName) -> Option<&'a Agent> {
        self.before_config.agent(name).or_else(|| self.after_config.agent(name))
    }

    /// Returns the boards by one of which a step must be allowed: what it needed may have come with the same change.
    pub(super) fn boards(&self) -> [(&'a dyn Board, &'a BoardConfig); 2] {
        [(self.before, self.before_config), (self.after, self.after_config)]
    }

    /// Returns a task that is done by one of the boards, if there is one.
    pub(super) fn any_done(&self, but: &TaskId) -> Result<Option<TaskId>, BoardFault> {
        for (board, _) in self.boards() {
            if let Some(done) = board.live()?.iter().find(|card| card.id != *but && is_done(card)) {
                return Ok(Some(done.id.clone()));
            }
        }
        Ok(None)
    }

    /// Returns who may not do what, and why; nothing where somebody of those who make the change may.
    pub(super) fn may_not(
        &self,
        replay: &Replay,
        before: &Task,
        after: &Task,
        action: &Action,
    ) -> Option<(Verb, String, String)> {
        let names = self.actors.clone().unwrap_or_else(|| who_may_have_acted(before, after));
        let members: Vec<&Agent> = names.iter().filter_map(|name| self.member(name)).collect();
        let first = match members.first() {
            Some(first) => *first,
            // Nobody is known to have made the change: there is nobody to be refused.
            None if self.actors.is_none() => return None,
            None => {
                let who = names.first().map_or_else(|| "whoever makes this change".to_owned(), ToString::to_string);
                return Some((action.verb(), who, "they are not in the roster".to_owned()));
            }
        };
        if members.iter().any(|member| is_open_to(replay, after, action, member)) {
            return None;
        }
        let (verb, why) = refusal_of(replay, action, first);
        Some((verb, first.name.to_string(), why))
    }
}

/// Judges a change of a board.
///
/// # Errors
/// [`BoardFault`] where one of the two versions cannot be read; a file that is broken is no reason.
pub fn judge(change: &Change<'_>) -> Result<Judgement, BoardFault> {
    let mut judgement = Judgement::default();
    let before_config = usable(change.before)?;
    let after_config = usable(change.after)?;
    if let (Some(before), Some(after)) = (before_config, after_config) {
        roster(change, before, after, &mut judgement.violations);
    }
    let world = match (before_config, after_config) {
        (Some(before), after) => Some((before, after.unwrap_or(before))),
        // A configuration that is mended does not let through what comes with it: only whose it was is not known.
        (None, Some(after)) if change.before.config().is_err() => {
            let message = "the configuration could not be read before: whose board it was, nothing says here";
            let hint = "compare it with the last version that could be: `git log -p -- squad/squad.json`";
            let odd = Violation::error("roster-change", change.config_path, "/agents", message, hint).warning();
            judgement.violations.push(odd);
            Some((after, after))
        }
        (None, _) => None,
    };
    let world = world.map(|(before_config, after_config)| World {
        before: change.before,
        after: change.after,
        before_config,
        after_config,
        actors: change.actors.clone(),
        made_at: change.made_at,
    });
    let moved = moved(change.tasks);
    for pair in &moved {
        let mut found = Vec::new();
        let told = one(world.as_ref(), pair, &mut found)?;
        if let Some(after) = &pair.after {
            set_lines(&mut found, std::str::from_utf8(&after.bytes).unwrap_or_default());
        }
        if let Some(told) = told {
            judgement.changes.push(TaskChange { verdict: Verdict::on(&found), ..told });
        }
        judgement.violations.append(&mut found);
    }
    for pair in change.others {
        let Some(after) = &pair.after else { continue };
        let mut found = Vec::new();
        secrets::look(&after.path, &after.bytes, pair.before.as_ref().map(|v| v.bytes.as_slice()), &mut found);
        let is = |version: &Version, kind: fn(&LocksFile) -> bool| kind(&LocksFile::read(Some(&version.bytes)));
        let was_ours = || pair.before.as_ref().is_some_and(|was| is(was, |file| matches!(file, LocksFile::Ours(_))));
        let is_foreign = || is(after, |file| matches!(file, LocksFile::Foreign { .. }));
        if after.path != change.config_path && was_ours() && is_foreign() {
            let message = "the file was squad's own, and is not any more: nobody would be told of a lock";
            let hint = format!("take the change back: `git checkout HEAD -- {}`", after.path);
            found.push(Violation::error("locks-foreign", &after.path, "", message, hint));
        }
        set_lines(&mut found, std::str::from_utf8(&after.bytes).unwrap_or_default());
        judgement.violations.append(&mut found);
    }
    judgement.changes.sort_by(|a, b| a.task.cmp(&b.task));
    judgement.violations.sort();
    judgement.violations.dedup();
    Ok(judgement)
}

/// A configuration that is broken is `check`'s to report.
fn usable(board: &dyn Board) -> Result<Option<&BoardConfig>, BoardFault> {
    match board.config() {
        Ok(config) => Ok(config),
        Err(fault @ BoardFault::Unreadable(_)) => Err(fault),
        Err(_) => Ok(None),
    }
}

/// Joins what was one file and is another: a task that was put away or brought back.
pub fn moved(pairs: &[Pair]) -> Vec<Pair> {
    let mut by_stem: HashMap<&str, Pair> = HashMap::new();
    let mut order = Vec::new();
    for pair in pairs {
        match by_stem.get_mut(pair.stem.as_str()) {
            None => {
                order.push(pair.stem.as_str());
                by_stem.insert(&pair.stem, pair.clone());
            }
            Some(known) => {
                known.before = known.before.take().or_else(|| pair.before.clone());
                known.after = known.after.take().or_else(|| pair.after.clone());
            }
        }
    }
    order.into_iter().filter_map(|stem| by_stem.remove(stem)).collect()
}

fn one(world: Option<&World<'_>>, pair: &Pair, found: &mut Vec<Violation>) -> Result<Option<TaskChange>, BoardFault> {
    let read = |version: &Option<Version>| version.as_ref().and_then(Version::task);
    let (before, after) = (read(&pair.before), read(&pair.after));
    let file = pair.after.as_ref().or(pair.before.as_ref()).map(|v| v.path.clone()).unwrap_or_default();
    if let Some(version) = &pair.after {
        secrets::look(&version.path, &version.bytes, pair.before.as_ref().map(|v| v.bytes.as_slice()), found);
    }
    let Some(new) = &after else {
        if pair.after.is_none() {
            let message = format!("the file of {} is gone", pair.stem.escape_debug());
            let hint = format!("bring it back; `squad cancel {} --reason R` puts a task away", in_command(&pair.stem));
            found.push(Violation::error("task-deleted", &file, "", message, hint));
        }
        let told = before.as_ref().map(|old| tell(pair, Some(old), None, &file));
        return Ok(told);
    };
    if let Some(world) = world {
        let path = &file;
        // Of a file that could not be read before, nothing can be told but that it can be now.
        let was_broken = pair.before.is_some() && before.is_none();
        names(world, before.as_ref(), new, path, found);
        if !was_broken {
            let old = before.clone().unwrap_or_else(|| newborn(new));
            shrunk(&old, new, path, found);
            ahead(world, before.as_ref(), new, path, found);
            if !found.iter().any(|v| v.code == "history-rewritten") {
                match replay(world, &old, new, path, found) {
                    Ok(replay) if before.is_some() => shapes(world, &replay, &old, new, path, found),
                    Ok(_) => made_by(world, new, path, found),
                    Err(fault @ BoardFault::Unreadable(_)) => return Err(fault),
                    // Another task on which a step depends: its file is refused by itself, and this one with it.
                    Err(fault) => {
                        let message = format!("whether its history is allowed cannot be judged: {fault}");
                        let hint = "mend that file first";
                        found.push(Violation::error("unreadable", path, "/stateHistory", message, hint));
                    }
                }
            }
        }
    }
    Ok(Some(tell(pair, before.as_ref(), Some(new), &file)))
}

/// A new task names who made it, where anybody does.
fn made_by(world: &World<'_>, task: &Task, path: &str, found: &mut Vec<Violation>) {
    let (Some(by), Some(actors)) = (&task.created_by, &world.actors) else { return };
    if !actors.contains(by) {
        let message = format!("the task says that {by} made it, and they do not make this change");
        found.push(Violation::error("foreign-actor", path, "/createdBy", message, "name yourself there"));
    }
}

fn tell(pair: &Pair, before: Option<&Task>, after: Option<&Task>, file: &str) -> TaskChange {
    let known = before.map_or(0, |task| task.state_history.len());
    let entries = after.map(|task| task.state_history.get(known..).unwrap_or_default()).unwrap_or_default();
    let steps: Vec<Step> = entries
        .iter()
        .map(|entry| Step { verb: entry.trigger.clone(), actor: entry.actor.clone(), to: entry.state })
        .collect();
    let mut actors: Vec<AgentName> = Vec::new();
    for step in &steps {
        if !actors.contains(&step.actor) {
            actors.push(step.actor.clone());
        }
    }
    let (chat, evidence) = match (before, after) {
        (before, Some(after)) => {
            let said = |id: &str| before.is_some_and(|b| b.chat.iter().any(|m| m.id == id));
            let shown = |id: &str| before.is_some_and(|b| b.evidence.iter().any(|e| e.id == id));
            let chat = after.chat.iter().filter(|m| !said(&m.id)).count();
            let evidence = after.evidence.iter().filter(|e| !shown(&e.id));
            (chat, evidence.map(|e| e.what.kind().to_string()).collect())
        }
        _ => (0, Vec::new()),
    };
    TaskChange {
        task: pair.stem.clone(),
        file: file.to_owned(),
        title: after.or(before).map(|task| task.title.clone()).unwrap_or_default(),
        from: before.map(|task| task.status),
        to: after.map(|task| task.status),
        actors,
        steps,
        chat,
        evidence,
        fields: fields(pair),
        verdict: Verdict::Pass,
    }
}

/// What is told in other words, or changes with every step.
const TOLD: &[&str] = &["status", "chat", "stateHistory", "evidence", "updatedAt", "participants", "epoch", "claim"];

/// Returns the fields that differ, those that squad does not know among them.
fn fields(pair: &Pair) -> Vec<Field> {
    let read = |version: &Option<Version>| {
        let document = version.as_ref().and_then(|v| Json::parse(&v.bytes).ok());
        match document.map(|document| document.to_value()) {
            Some(Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        }
    };
    if pair.before.is_none() || pair.after.is_none() {
        return Vec::new();
    }
    let (before, after) = (read(&pair.before), read(&pair.after));
    let mut names: Vec<&String> =
        before.keys().chain(after.keys()).filter(|name| !TOLD.contains(&name.as_str())).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differing
        .map(|name| Field { name: name.clone(), from: before.get(name).cloned(), to: after.get(name).cloned() })
        .collect()
}

/// Who changes the configuration must be allowed to by the roster that was there before.
fn roster(change: &Change<'_>, before: &BoardConfig, after: &BoardConfig, found: &mut Vec<Violation>) {
    if before == after {
        return;
    }
    let (what, changes) =
        if before.agents == after.agents { ("the settings", "change") } else { ("the roster", "changes") };
    let RosterBy::Members(actors) = &change.roster_by else {
        let message = format!("{what} of the board {changes}, and nobody in the roster is known to make this change");
        // Where it is known who may, it is known that this is none of them.
        let known = |agent: &Agent| may_change_roster(agent.role) && agent.email.is_some();
        found.push(if before.agents.iter().any(known) {
            let hint = "let the owner or the chief make it, under the address that the roster has of them";
            Violation::error("roster-change", change.config_path, "/agents", message, hint)
        } else {
            let hint = "enter the addresses that git knows the owner and the chief by: `squad agents add --email`";
            Violation::error("roster-change", change.config_path, "/agents", message, hint).warning()
        });
        return;
    };
    let roles: Vec<Role> = actors.iter().filter_map(|name| before.agent(name)).map(|agent| agent.role).collect();
    let who = actors.first().map_or_else(|| "whoever makes this change".to_owned(), ToString::to_string);
    let mut refuse = |message: String| {
        let hint = "let the owner or the chief make it: `squad agents` shows who that is";
        found.push(Violation::error("roster-change", change.config_path, "/agents", message, hint));
    };
    if !roles.iter().any(|role| may_change_roster(*role)) {
        refuse(format!("{who} may not change {what} of the board"));
        return;
    }
    let owners = |config: &BoardConfig| -> Vec<AgentName> {
        let mut names: Vec<_> =
            config.agents.iter().filter(|a| a.role == Role::Owner).map(|a| a.name.clone()).collect();
        names.sort();
        names
    };
    if owners(before) != owners(after) && !roles.contains(&Role::Owner) {
        refuse(format!("only an owner makes or unmakes an owner, and {who} is none"));
    }
}
