//! This clone's queue: operations that nobody has decided yet, and answers that nobody has read yet.
//!
//! Owns three things in the clone's state folder. `queue/` holds operations that wait for whoever leads, one file each;
//! `out.json` those that a push may have made known to others, written before that push; `results/` answers. An
//! operation is durable before anybody is told that it is kept, and it stays where it is until whoever asked for it
//! has the answer in hand: so an answer may be lost with the power, and is found again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::publish::Answer;
use crate::board::store::write_whole;
use crate::model::id::{AgentName, OpId, TaskId};
use crate::model::operation::{Action, Operation};
use crate::runner::process::Process;

/// How long an answer waits for somebody to read it.
const RESULT_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The queue of a clone.
#[derive(Debug, Clone)]
pub struct Queue {
    folder: PathBuf,
}

/// One operation as it stands in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Its place in the order in which operations were made.
    pub order: u64,
    /// The operation.
    pub operation: Operation,
    /// The process that asked for it, and reads its answer.
    pub owner: Process,
    /// Who may know of it.
    #[serde(default, skip_serializing_if = "Known::is_nobody")]
    pub known: Known,
}

/// Who, beyond this clone, may know of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Nobody.
    #[default]
    Nobody,
    /// The remote, by a push from this head whose outcome was not told.
    Sent(String),
    /// Every clone.
    Announced,
}

impl Known {
    fn is_nobody(&self) -> bool {
        *self == Self::Nobody
    }
}

/// An answer, with the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reply {
    operation: Operation,
    answer: Answer,
}

impl Queue {
    /// Returns the queue in a clone's state folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn waiting(&self) -> PathBuf {
        self.folder.join("queue")
    }

    fn results(&self) -> PathBuf {
        self.folder.join("results")
    }

    /// Returns the files that say what may be known to others: one of whoever leads, and one of each process that
    /// leads for itself alone.
    fn outs(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let folder = self.folder.clone();
        let is_out =
            |name: &String| name == "out.json" || name.strip_prefix("out-").is_some_and(|rest| rest.ends_with(".json"));
        names(&self.folder).filter(is_out).map(move |name| folder.join(name))
    }

    /// Adds an operation of a process. It is on the disk when this returns.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn add(&self, operation: &Operation, owner: &Process) -> io::Result<()> {
        let folder = self.waiting();
        make_private(&folder)?;
        let order = self.next_order();
        let entry = Queued { order, operation: operation.clone(), owner: owner.clone(), known: Known::Nobody };
        let text = serde_json::to_vec(&entry)?;
        write_durably(&folder.join(format!("{order:012}-{}.json", operation.id)), &text)
    }

    /// Returns a place behind everything that is in the queue.
    pub fn next_order(&self) -> u64 {
        let folder = self.waiting();
        let waiting = names(&folder).filter_map(|name| name.split('-').next()?.parse::<u64>().ok());
        let out = self.read_out().into_iter().map(|entry| entry.order);
        waiting.chain(out).max().map_or(1, |last| last + 1)
    }

    /// Returns every operation without an answer, in their order. A file that is none is left alone.
    pub fn entries(&self) -> Vec<Queued> {
        let answered: BTreeSet<String> = names(&self.results()).collect();
        let mut found = self.read_out();
        found.dedup_by_key(|entry| entry.operation.id);
        for name in names(&self.waiting()) {
            let Ok(bytes) = fs::read(self.waiting().join(&name)) else { continue };
            let Ok(entry) = serde_json::from_slice::<Queued>(&bytes) else { continue };
            if !found.iter().any(|known| known.operation.id == entry.operation.id) {
                found.push(entry);
            }
        }
        found.retain(|entry| !answered.contains(&result_name(entry.operation.id)));
        found.sort_by_key(|entry| (entry.order, entry.operation.id));
        found
    }

    /// Returns the names of files from which no operation can be read.
    pub fn unreadable(&self) -> Vec<String> {
        let is_broken = |name: &String| {
            let path = self.waiting().join(name);
            let read = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Queued>(&bytes).ok());
            // One that was settled a moment ago is gone, not broken.
            name.ends_with(".json") && read.is_none() && path.exists()
        };
        let mut broken: Vec<String> = names(&self.waiting()).filter(is_broken).collect();
        broken.sort();
        broken
    }

    /// Returns the operations without an answer.
    pub fn operations(&self) -> Vec<Operation> {
        self.entries().into_iter().map(|entry| entry.operation).collect()
    }

    fn read_out(&self) -> Vec<Queued> {
        self.outs().flat_map(|file| read_out_file(&file)).collect()
    }

    /// Replaces what is written down as known to others: by whoever leads, or by a process that leads for this
    /// operation alone. It is on the disk when this returns.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write_out(&self, entries: &[Queued], alone: Option<OpId>) -> io::Result<()> {
        make_private(&self.folder)?;
        let name = alone.map_or_else(|| "out.json".to_owned(), |id| format!("out-{id}.json"));
        let file = self.folder.join(name);
        if read_out_file(&file) == entries {
            return Ok(());
        }
        write_durably(&file, &serde_json::to_vec(entries)?)
    }

    /// Takes operations with an answer out of what is written down as known to others. What stays behind is found on
    /// the board, and answered again.
    pub fn strike_out(&self, answered: &[OpId]) {
        for file in self.outs() {
            let mut left = read_out_file(&file);
            let before = left.len();
            left.retain(|entry| !answered.contains(&entry.operation.id));
            if left.is_empty() {
                let _ = fs::remove_file(file);
            } else if left.len() < before
                && let Ok(text) = serde_json::to_vec(&left)
            {
                let _ = write_durably(&file, &text);
            }
        }
    }

    /// Hands an answer to the process that waits for it.
    ///
    /// # Errors
    /// Whatever the file system says; the operation stays in the queue then, and is answered again.
    pub fn answer(&self, operation: &Operation, answer: &Answer) -> io::Result<()> {
        make_private(&self.results())?;
        let result = Reply { operation: operation.clone(), answer: answer.clone() };
        write_whole(&self.results().join(result_name(operation.id)), &serde_json::to_vec(&result)?)
    }

    /// Returns the answer to an operation, where there is one.
    pub fn answer_to(&self, id: OpId) -> Option<Answer> {
        let bytes = fs::read(self.results().join(result_name(id))).ok()?;
        serde_json::from_slice::<Reply>(&bytes).ok().map(|result| result.answer)
    }

    /// Removes an operation whose answer is in hand, and the answer.
    pub fn remove(&self, id: OpId) {
        let ending = format!("-{id}.json");
        for name in names(&self.waiting()).filter(|name| name.ends_with(&ending)) {
            let _ = fs::remove_file(self.waiting().join(name));
        }
        if self.read_out().iter().any(|entry| entry.operation.id == id) {
            self.strike_out(&[id]);
        }
        let _ = fs::remove_file(self.results().join(result_name(id)));
    }

    /// Returns an operation that asks for the same, whose outcome nobody has been told.
    pub fn find(&self, action: &Action, task: Option<&TaskId>, actor: &AgentName) -> Option<Operation> {
        let same = |o: &Operation| o.action == *action && o.task.as_ref() == task && o.actor == *actor;
        let unread = names(&self.results()).filter_map(|name| {
            let bytes = fs::read(self.results().join(name)).ok()?;
            serde_json::from_slice::<Reply>(&bytes).ok().map(|result| result.operation)
        });
        // One whose process still waits for it is that process's own.
        let left = self.entries().into_iter().filter(|e| !e.owner.is_alive()).map(|e| e.operation);
        unread.chain(left).find(same)
    }

    /// Removes answers that nobody has come for, with their operations, and what a process was writing when it died.
    pub fn sweep(&self) {
        for name in names(&self.results()) {
            let path = self.results().join(&name);
            let old = fs::metadata(&path).and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
            if old.is_some_and(|old| old > RESULT_LIFE)
                && let Some(id) = name.strip_suffix(".json").and_then(|id| id.parse().ok())
            {
                self.remove(id);
            }
        }
    }
}

fn read_out_file(file: &Path) -> Vec<Queued> {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn result_name(id: OpId) -> String {
    format!("{id}.json")
}

fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !name.starts_with('.'))
}

/// Writes a file whole. It is on the disk, under its name, when this returns.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a file of the queue has a folder");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder that nobody else may look into.
///
/// # Errors
/// Whatever the file system says.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Millis;
    use crate::model::operation::Basis;

    fn comment(n: u8) -> Operation {
        Operation {
            id: OpId::from_parts(Millis(1_700_000_000_000 - i64::from(n)), [n; 10]),
            action: Action::Comment { text: format!("{n}"), also: Vec::new() },
            task: Some(TaskId::new("t-1").expect("an id")),
            actor: AgentName::new("scout").expect("a name"),
            basis: Basis::default(),
            at: Millis(1_700_000_000_000),
            signature: None,
        }
    }

    fn ids(queue: &Queue) -> Vec<OpId> {
        queue.entries().iter().map(|entry| entry.operation.id).collect()
    }

    #[test]
    fn operations_come_in_the_order_in_which_they_were_made_whatever_the_clock_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = Queue::new(folder.path().to_owned());
        let own = Process::own();
        for n in 1..=3 {
            queue.add(&comment(n), &own).expect("it is written");
        }
        assert_eq!(ids(&queue), [comment(1).id, comment(2).id, comment(3).id]);
        let mut known = queue.entries();
        known.truncate(1);
        known[0].known = Known::Announced;
        queue.write_out(&known, None).expect("it is written");
        assert_eq!(ids(&queue), [comment(1).id, comment(2).id, comment(3).id]);
        assert_eq!(queue.entries()[0].known, Known::Announced);
    }

    #[test]
    fn an_answer_takes_the_operation_out_of_the_queue_and_its_reader_takes_both_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = Queue::new(folder.path().to_owned());
        queue.add(&comment(1), &Process::own()).expect("it is written");
        assert_eq!(queue.answer_to(comment(1).id), None);
        queue.answer(&comment(1), &Answer::Dropped).expect("it is written");
        assert_eq!(ids(&queue), []);
        assert_eq!(queue.answer_to(comment(1).id), Some(Answer::Dropped));
        let same = queue.find(&comment(1).action, comment(1).task.as_ref(), &comment(1).actor);
        assert_eq!(same, Some(comment(1)), "whoever asks the same again gets that answer");
        queue.remove(comment(1).id);
        assert_eq!(queue.answer_to(comment(1).id), None);
        assert_eq!(fs::read_dir(folder.path().join("queue")).expect("a folder").count(), 0);
    }

    #[test]
    fn what_a_living_process_waits_for_is_not_taken_up_by_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = Queue::new(folder.path().to_owned());
        let find = || queue.find(&comment(1).action, comment(1).task.as_ref(), &comment(1).actor);
        queue.add(&comment(1), &Process::own()).expect("it is written");
        assert_eq!(find(), None);
        queue.remove(comment(1).id);
        queue.add(&comment(1), &Process { pid: u32::MAX, ..Process::own() }).expect("it is written");
        assert_eq!(find(), Some(comment(1)));
    }

    #[test]
    fn garbage_in_the_folders_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let queue = Queue::new(folder.path().to_owned());
        queue.add(&comment(1), &Process::own()).expect("it is written");
        for file in ["queue/x", "queue/000000000009-y.json", "results/z", "out.json"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write_whole(&path, b"{\"no").expect("a file");
        }
        assert_eq!(ids(&queue), [comment(1).id]);
        queue.write_out(&queue.entries(), None).expect("it is written");
        queue.strike_out(&[comment(1).id]);
        assert!(!folder.path().join("out.json").exists());
    }
}
