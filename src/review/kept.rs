//! What the rules between files need of a task, and those of them that are about ids.
//!
//! Owns what is remembered of a file after its content is gone: a few hundred bytes for a usual task.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::cycles::cycles;
use crate::model::card::Card;
use crate::model::id::{AgentName, TaskId};
use crate::model::locks::{Work, derive};
use crate::model::task::{Block, Task};
use crate::schema::Violation;

/// What is kept of a task's file.
#[derive(Debug)]
pub(super) struct Kept {
    /// The path of the file.
    pub(super) path: String,
    /// The stem of its name: the id, as far as anything else on the board is concerned.
    pub(super) stem: String,
    /// Whether it stands in the archive.
    pub(super) archived: bool,
    /// Whether it could be read as a task.
    pub(super) is_read: bool,
    /// What it refers to.
    pub(super) depends_on: Vec<TaskId>,
    /// What it is a part of.
    pub(super) parent: Option<TaskId>,
    /// Tasks that its block names, each with its pointer.
    pub(super) blocked_on: Vec<(String, TaskId)>,
    /// Members that a task that is worked on names, each once with the pointer of the first place; where the roster
    /// was known when the task was read, only those that are not in it.
    pub(super) names: Vec<(String, AgentName)>,
    /// Its entry in the locks file.
    pub(super) work: Option<Arc<Work>>,
}

impl Kept {
    /// Returns what is known of a file that has not been read.
    pub(super) fn unread(path: &str, stem: &str, archived: bool) -> Self {
        Self {
            path: path.to_owned(),
            stem: stem.to_owned(),
            archived,
            is_read: false,
            depends_on: Vec::new(),
            parent: None,
            blocked_on: Vec::new(),
            names: Vec::new(),
            work: None,
        }
    }

    /// Returns what is needed of a live task that names nobody outside the roster.
    pub(super) fn clean(path: &str, stem: &str, card: &Card) -> Self {
        let mut kept = Self::unread(path, stem, false);
        kept.is_read = true;
        kept.work = derive(std::iter::once(&**card)).into_values().next();
        kept.references(card);
        kept
    }

    /// Keeps what is needed of the task.
    pub(super) fn read(&mut self, task: &Task, roster: Option<&HashSet<String>>) {
        self.is_read = true;
        if !self.archived {
            self.names = names(task, roster);
            self.work = derive(std::iter::once(task)).into_values().next();
        }
        self.references(task);
    }

    /// Tells whether the rules between files see the same of a task in two versions of its file. Names are looked at one
    /// task at a time.
    pub(super) fn is_same_to_others(&self, other: &Self) -> bool {
        let Self { path, stem, archived, is_read, depends_on, parent, blocked_on, names: _, work } = self;
        (*is_read && other.is_read)
            && (path, stem, archived) == (&other.path, &other.stem, &other.archived)
            && (depends_on, parent, blocked_on) == (&other.depends_on, &other.parent, &other.blocked_on)
            && *work == other.work
    }

    fn references(&mut self, task: &Task) {
        self.blocked_on = match &task.block {
            Some(Block::Dependency { on }) => {
                on.iter().enumerate().map(|(i, id)| (format!("/block/on/{i}"), id.clone())).collect()
            }
            Some(Block::Conflict { holder, .. }) => vec![("/block/holder".to_owned(), holder.clone())],
            _ => Vec::new(),
        };
        self.depends_on.clone_from(&task.depends_on);
        self.parent.clone_from(&task.parent);
    }
}

/// Returns everybody whom the task names and whom the roster, where it is known, does not.
fn names(task: &Task, roster: Option<&HashSet<String>>) -> Vec<(String, AgentName)> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    let mut add = |name: &AgentName, pointer: &dyn Fn() -> String| {
        let folded = name.folded();
        if !roster.is_some_and(|roster| roster.contains(&folded)) && seen.insert(folded) {
            names.push((pointer(), name.clone()));
        }
    };
    if let Some(name) = &task.assigned {
        add(name, &|| "/assigned".to_owned());
    }
    if let Some(claim) = &task.claim {
        add(&claim.agent, &|| "/claim/agent".to_owned());
    }
    for (i, name) in task.participants.iter().enumerate() {
        add(name, &|| format!("/participants/{i}"));
    }
    for (i, subtask) in task.subtasks.iter().enumerate() {
        let spelled = if subtask.assigned.is_some() { "assigned" } else { "assignee" };
        if let Some(name) = subtask.owner() {
            add(name, &|| format!("/subtasks/{i}/{spelled}"));
        }
    }
    for (i, message) in task.chat.iter().enumerate() {
        add(&message.author, &|| format!("/chat/{i}/author"));
    }
    names
}

/// Which ids there are.
pub(super) struct Names<'a> {
    /// The first file of each stem, as an index into the tasks.
    by_stem: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    /// Returns the ids of these tasks, which stand in the order in which they count.
    pub(super) fn of(tasks: &'a [Kept]) -> Self {
        let mut by_stem = HashMap::with_capacity(tasks.len());
        for (i, task) in tasks.iter().enumerate() {
            by_stem.entry(task.stem.as_str()).or_insert(i);
        }
        Self { by_stem }
    }

    /// Finds ids that stand twice, and those that are one file where case does not matter.
    pub(super) fn twins(&self, tasks: &[Kept], found: &mut Vec<Violation>) {
        let mut by_folded: HashMap<String, usize> = HashMap::with_capacity(tasks.len());
        for (i, task) in tasks.iter().enumerate() {
            let first = self.by_stem.get(task.stem.as_str()).copied().unwrap_or(i);
            if first != i {
                let message = format!("the id is taken by {}", quote(&tasks[first].path));
                let hint = "keep one of the two files: compare their `updatedAt`, and remove the older one";
                found.push(Violation::error("duplicate-id", &task.path, "/id", message, hint));
                continue;
            }
            let twin = *by_folded.entry(task.stem.to_ascii_lowercase()).or_insert(i);
            if twin != i {
                let message = format!("the id differs from that of {} only in case", quote(&tasks[twin].path));
                let hint = "give one of the two another id: on some systems they are the same file";
                found.push(Violation::error("case-twin", &task.path, "/id", message, hint));
            }
        }
    }

    /// Finds references to tasks that are not there.
    pub(super) fn references(&self, tasks: &[Kept], found: &mut Vec<Violation>) {
        for task in tasks {
            let depends = task.depends_on.iter().enumerate().map(|(i, id)| (format!("/dependsOn/{i}"), id));
            let parent = task.parent.iter().map(|id| ("/parent".to_owned(), id));
            let blocked = task.blocked_on.iter().map(|(pointer, id)| (pointer.clone(), id));
            for (pointer, id) in depends.chain(parent).chain(blocked) {
                if !self.by_stem.contains_key(id.as_str()) {
                    let message = format!("{} refers to {id}, which is not on the board", quote(&task.stem));
                    let hint = format!("take {id} out, or bring its file back from the history");
                    found.push(Violation::error("dangling-reference", &task.path, pointer, message, hint));
                }
            }
        }
    }

    /// Finds tasks that wait for themselves, and tasks that are parts of themselves.
    pub(super) fn circles(&self, tasks: &[Kept], found: &mut Vec<Violation>) {
        let index = |id: &TaskId| self.by_stem.get(id.as_str()).copied();
        let dependencies: Vec<Vec<usize>> =
            tasks.iter().map(|task| task.depends_on.iter().filter_map(index).collect()).collect();
        for cycle in cycles(&dependencies) {
            let task = &tasks[cycle.nodes[0]];
            let next = cycle.nodes.get(1).or(cycle.nodes.first()).map(|n| tasks[*n].stem.as_str());
            let at = task.depends_on.iter().position(|id| Some(id.as_str()) == next).unwrap_or_default();
            let message = format!("tasks wait in a circle: {}", arrows(tasks, &cycle.nodes, cycle.len));
            let hint = "`squad dep remove` takes out the one that is not needed";
            found.push(Violation::error("cycle", &task.path, format!("/dependsOn/{at}"), message, hint));
        }
        let parents: Vec<Vec<usize>> =
            tasks.iter().map(|task| task.parent.iter().filter_map(index).collect()).collect();
        for cycle in cycles(&parents) {
            let message = format!("tasks are parts of each other: {}", arrows(tasks, &cycle.nodes, cycle.len));
            let hint = "take `parent` out of the one that is no part of another";
            found.push(Violation::error("cycle", &tasks[cycle.nodes[0]].path, "/parent", message, hint));
        }
    }
}

fn arrows(tasks: &[Kept], nodes: &[usize], len: usize) -> String {
    let mut names: Vec<String> = nodes.iter().map(|n| quote(&tasks[*n].stem)).collect();
    if len > nodes.len() {
        names.push(format!("{} more", len - nodes.len()));
    }
    names.push(names[0].clone());
    names.join(" → ")
}

/// Returns a name for the middle of a sentence: short, and without what a terminal obeys.
pub(super) fn quote(name: &str) -> String {
    name.chars().take(200).collect::<String>().escape_debug().to_string()
}
