//! One task of another board, read as one of this.
//!
//! Owns which of its fields means what, and what is told where a field means less here than there.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::{Item, KEPT, Problem, Reading, Rules, values};
use crate::model::id::{AgentName, Millis, TaskId};
use crate::model::imported::{ImportedTask, Standing};
use crate::model::operation::NewTask;
use crate::model::task::Block;
use crate::model::vocabulary::{ArchivedReason, Phase, Priority, plain};
use crate::schema::NOT_SECRET;
use crate::schema::document::MAX_DEPTH;

const IDS: &[&str] = &["id", "uuid"];

/// How long somebody outside is waited for who has named no time, in milliseconds: the first step of squad's own back-off.
const RETRY_MS: u64 = 15 * 60 * 1_000;

/// Most things that a person can be asked for.
const MOST_NEEDS: usize = 3;

/// How many objects stand around a field that is kept: the task, and two within it.
const KEPT_DEPTH: usize = 3;

/// Returns the id of each task on this board, in the order of the file; nothing where it has none.
pub(super) fn ids(items: &[Item]) -> Vec<Option<TaskId>> {
    items.iter().map(|item| values::id(&foreign_id(item)?)).collect()
}

fn foreign_id(item: &Item) -> Option<String> {
    let own = IDS.iter().find_map(|name| item.map.get(*name)).and_then(|value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    own.or_else(|| item.key.clone())
}

/// Finds ids that are the same here, whatever they are there.
pub(super) fn twins(items: &[Item], ids: &[Option<TaskId>]) -> Vec<Problem> {
    let mut known: HashMap<String, &str> = HashMap::new();
    let mut problems = Vec::new();
    for (item, id) in items.iter().zip(ids) {
        let Some(id) = id else { continue };
        if let Some(twin) = known.insert(id.folded(), &item.pointer) {
            problems.push(Problem {
                pointer: format!("{}/id", item.pointer),
                message: format!("{id} is the id of two tasks, the other at {twin}"),
                hint: "give one of them another id".to_owned(),
            });
        }
    }
    problems
}

/// Reads one task.
pub(super) fn read(item: Item, id: Option<&TaskId>, rules: &Rules, reading: &mut Reading, problems: &mut Vec<Problem>) {
    let named = foreign_id(&item);
    let mut reader =
        Reader { fields: Fields::new(item.map), rules, pointer: &item.pointer, notes: Vec::new(), problems };
    reader.fields.text(IDS);
    let imported = reader.task(id, named.as_deref());
    let (mut notes, mut rest) = (reader.notes, reader.fields.rest());
    let Some(mut imported) = imported else { return };
    let marks = rest.get(NOT_SECRET).and_then(Value::as_array);
    let are_marks = marks.is_some_and(|marks| marks.iter().all(Value::is_string));
    let not_secret = if are_marks { rest.remove(NOT_SECRET) } else { None };
    for (name, value) in &mut rest {
        if depth(value) > MAX_DEPTH - KEPT_DEPTH {
            notes.push(format!("{} is nested too deep for a task and kept as text", values::line(name)));
            *value = Value::String(value.to_string());
        }
    }
    let about = imported.task.id.as_ref().map_or_else(|| imported.task.title.clone(), ToString::to_string);
    // What is told quotes what the file says.
    let notes: Vec<String> = notes.iter().map(|note| values::line(note)).collect();
    let mut brought = Map::new();
    if !notes.is_empty() {
        brought.insert("note".to_owned(), notes.join("; ").into());
    }
    reading.notes.extend(notes.into_iter().map(|note| (about.clone(), note)));
    reading.kept.extend(rest.keys().cloned());
    if !rest.is_empty() {
        brought.insert("fields".to_owned(), Value::Object(rest));
    }
    if !brought.is_empty() {
        imported.task.extra.insert(KEPT.to_owned(), Value::Object(brought));
    }
    imported.task.extra.extend(not_secret.map(|marks| (NOT_SECRET.to_owned(), marks)));
    reading.tasks.push(imported);
}

/// Returns how deep the objects and arrays of a value are nested.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

struct Reader<'a> {
    fields: Fields,
    rules: &'a Rules,
    pointer: &'a str,
    /// What is told of this task.
    notes: Vec<String>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// Returns the task; nothing where only the user can decide what it is, which is put down.
    fn task(&mut self, id: Option<&TaskId>, named: Option<&str>) -> Option<ImportedTask> {
        let before = self.problems.len();
        match (id, named) {
            (Some(id), Some(named)) if !id.as_str().eq_ignore_ascii_case(named) => {
                self.notes.push(format!("its id there is {named:?}"));
            }
            (None, Some(named)) => self.notes.push(format!("its id there is {named:?}, which no task can have here")),
            _ => {}
        }
        let title = self.title();
        let phase = self.phase();
        let assignees =
            self.names(&["assignee_ids", "assigneeIds", "assignees", "assignee", "assigned_to", "assigned", "owner"]);
        let mut participants = self.names(&["participants"]);
        let mut assignees = assignees.into_iter();
        let assigned = assignees.next();
        let others: Vec<AgentName> = assignees.collect();
        if let Some(first) = assigned.as_ref().filter(|_| !others.is_empty()) {
            let names: Vec<&str> = others.iter().map(AgentName::as_str).collect();
            self.notes
                .push(format!("several were assigned: here it is {first}'s, with {} taking part", names.join(", ")));
        }
        for name in others {
            if !participants.contains(&name) {
                participants.push(name);
            }
        }
        let mut task = NewTask {
            id: id.cloned(),
            title: title.unwrap_or_default(),
            description: self.fields.text(&["description", "body", "details"]),
            priority: self.priority(),
            assigned,
            participants,
            tags: self.fields.list(&["tags", "labels"]).iter().map(|tag| values::line(tag)).collect(),
            due: self.instant(&["due_date", "dueDate", "due_at", "due", "deadline"]),
            acceptance: self.fields.list(&["acceptance", "acceptance_criteria"]),
            parent: self.parent(),
            depends_on: self.ids(&["depends_on", "dependsOn", "depends", "dependencies"]),
            source: named.map(|named| values::line(&format!("{}#{named}", self.rules.label))),
            ..NewTask::default()
        };
        task.tags.retain(|tag| !tag.is_empty());
        let created_at = self.instant(&["created_at", "createdAt", "created", "entry"]);
        let stands = phase.and_then(|phase| self.standing(phase, &task));
        (self.problems.len() == before).then_some(ImportedTask { task, created_at, stands })
    }

    fn problem(&mut self, field: &str, message: String, hint: &str) {
        let pointer = if field.is_empty() { self.pointer.to_owned() } else { format!("{}/{field}", self.pointer) };
        self.problems.push(Problem { pointer, message, hint: hint.to_owned() });
    }

    fn title(&mut self) -> Option<String> {
        let title = self.fields.as_it_stands(&["title", "name", "summary", "content"]);
        let line = title.as_deref().map(values::line).filter(|line| !line.is_empty());
        if line.is_none() {
            self.problem(
                "",
                "there is no title".to_owned(),
                "give the task a `title`: one line that says what is to be done",
            );
        }
        if line != title.as_deref().map(|title| title.trim().to_owned()) {
            self.notes.push("its title had characters that one line cannot have".to_owned());
        }
        line
    }

    fn priority(&mut self) -> Option<Priority> {
        let found = self.fields.take(&["priority"], |value| values::priority(value.as_str()?));
        if let Some((_, value)) = self.fields.left(&["priority"]) {
            self.notes.push(format!("its priority there is {value}; here it is medium"));
        }
        found
    }

    fn instant(&mut self, names: &[&str]) -> Option<Millis> {
        let found = self.fields.take(names, values::instant);
        if found.is_none()
            && let Some((name, value)) = self.fields.left(names)
        {
            self.notes.push(format!("{name} {value} is no instant that can be read"));
        }
        found
    }

    fn ids(&mut self, names: &[&str]) -> Vec<TaskId> {
        let mut ids = Vec::new();
        for named in self.fields.list(names) {
            match values::id(&named) {
                Some(id) => ids.push(id),
                None => self.notes.push(format!("it names {named:?}, which no task can be called")),
            }
        }
        ids
    }

    fn parent(&mut self) -> Option<TaskId> {
        let mut parents = self.ids(&["parent", "parent_id", "parentId"]).into_iter();
        let parent = parents.next();
        let others: Vec<String> = parents.map(|id| id.to_string()).collect();
        if !others.is_empty() {
            self.notes.push(format!("it is a part of several, and here of one: not of {}", others.join(", ")));
        }
        parent
    }

    /// Returns the names as they are here, each once.
    fn names(&mut self, fields: &[&str]) -> Vec<AgentName> {
        let mut names: Vec<AgentName> = Vec::new();
        for there in self.fields.list(fields) {
            let here = match self.rules.names.get(&there.to_lowercase()) {
                Some(Some(here)) => here.clone(),
                Some(None) => {
                    self.notes.push(format!("{} had to do with it there and is nobody here", values::line(&there)));
                    continue;
                }
                None => match AgentName::new(&there) {
                    Ok(here) => here,
                    Err(bad) => {
                        let hint = "`--as OLD=NEW` says who that is here, `--as OLD=` that it is nobody";
                        self.problem("", bad.to_string(), hint);
                        continue;
                    }
                },
            };
            if !names.contains(&here) {
                names.push(here);
            }
        }
        names
    }

    fn phase(&mut self) -> Option<Phase> {
        let word = self.fields.text(&["status", "state"])?;
        let own = self.rules.words.get(&plain(&word)).copied();
        let phase = own.or_else(|| match self.rules.dialect {
            Some(dialect) => Phase::from_dialect(dialect, &word),
            None => Phase::from_any(&word),
        });
        match phase {
            Some(Phase::Ready | Phase::WaitingConflict) => {
                let message = format!(
                    "the status {word:?} has no place here: only this board's members and locks bring it about"
                );
                self.problem(
                    "status",
                    message,
                    "say what it is to be: `--status WORD=PHASE`, for example `review` or `pending`",
                );
                None
            }
            Some(phase) => Some(phase),
            None => {
                let message = format!("what the status {word:?} means is not known");
                self.problem(
                    "status",
                    message,
                    "say what it means: `--status WORD=PHASE`, for example `--status wip=working`",
                );
                None
            }
        }
    }

    /// Returns where the task stood; nothing where it waits to be claimed.
    fn standing(&mut self, phase: Phase, task: &NewTask) -> Option<Standing> {
        Some(match phase {
            Phase::Pending => return None,
            Phase::Claimed | Phase::Working if task.assigned.is_none() => {
                self.notes
                    .push("it was being worked on, and by nobody who is named: it waits to be claimed".to_owned());
                return None;
            }
            Phase::Claimed | Phase::Working => Standing::InProgress { started: phase == Phase::Working },
            Phase::Review => Standing::Review { deliverable: self.deliverable() },
            Phase::Completed => Standing::Completed {
                at: self.instant(&["completed_at", "completedAt", "closed_at", "end"]),
                deliverable: self.deliverable(),
            },
            Phase::Archived => {
                let is_done = self.fields.left(&["completed_at", "completedAt"]).is_some();
                let reason = if is_done { ArchivedReason::Done } else { ArchivedReason::Cancelled };
                Standing::Archived { reason }
            }
            Phase::WaitingDependency if task.depends_on.is_empty() => {
                self.notes.push("it waited for a task that is not named: it waits to be claimed".to_owned());
                return None;
            }
            Phase::WaitingDependency => {
                let block = Block::Dependency { on: task.depends_on.clone() };
                Standing::Blocked { reason: self.reason("it waits for other tasks"), block, error: None }
            }
            Phase::WaitingExternal => {
                let named = self.instant(&["retry_at", "retryAt", "wait_until"]);
                let retry_at = named.unwrap_or_else(|| self.rules.now.plus_ms(RETRY_MS));
                let block = Block::External { retry_at, backoff_level: 0 };
                Standing::Blocked { reason: self.reason("it waits for somebody outside"), block, error: None }
            }
            Phase::WaitingHuman => {
                let block = self.question();
                Standing::Blocked { reason: self.reason("it waits for a person"), block, error: None }
            }
            Phase::Failed | Phase::Ready | Phase::WaitingConflict => {
                let error = self.fields.text(&["last_error", "lastError", "error"]);
                let reason = self.reason(error.as_deref().unwrap_or("it was blocked, and why is not said"));
                Standing::Blocked { reason, block: Block::Failure {}, error }
            }
        })
    }

    fn deliverable(&mut self) -> Option<String> {
        self.fields.text(&["deliverable", "result", "output"])
    }

    fn reason(&mut self, otherwise: &str) -> String {
        let said =
            self.fields.text(&["blocked_reason", "blockedReason", "blocked_by", "blockedBy", "blocker", "reason"]);
        said.unwrap_or_else(|| otherwise.to_owned())
    }

    /// Returns what a person is asked: what the task says, and where it says less than is needed here, the least that can
    /// be asked.
    fn question(&mut self) -> Block {
        let question = self.fields.text(&["question", "ask"]);
        if question.is_none() {
            self.notes.push("a person is waited for, and what they are asked is not said".to_owned());
        }
        let mut needs = self.fields.list(&["needs"]);
        if needs.len() > MOST_NEEDS {
            self.notes.push(format!("it also needs {}", needs.split_off(MOST_NEEDS).join(", ")));
        }
        if needs.is_empty() {
            needs.push("an answer".to_owned());
        }
        let mut options = self.fields.list(&["options"]);
        if options.len() != 2 {
            if !options.is_empty() {
                self.notes.push(format!("it offers {}, and two are to choose from: yes or no", options.join(", ")));
            }
            options = vec!["yes".to_owned(), "no".to_owned()];
        }
        Block::Human { needs, question: question.unwrap_or_else(|| "May it go on?".to_owned()), options }
    }
}
