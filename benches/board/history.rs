//! A long history of a board for measuring: operations that squad's own core decides, each in a commit with its receipt.
//!
//! Owns what realistic work looks like: tasks are claimed, begun, spoken of and given back, over and over.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::path::Path;
use std::rc::Rc;

use squad::board::files::{Entry, Files, ReadError};
use squad::board::receipt;
use squad::board::render::{FileChange, Overlay, files_of};
use squad::board::snapshot::Snapshot;
use squad::model::board::{Board as _, Decision};
use squad::model::decide::decide;
use squad::model::id::{AgentName, Millis, OpId, TaskId};
use squad::model::operation::{Action, Basis, Operation};

use super::{EXECUTORS, Import, NOW, Shape, files, id, task};

/// The files of the newest version. No older one is read again.
#[derive(Clone)]
struct Newest(Rc<RefCell<Overlay>>);

impl Files for Newest {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError> {
        self.0.borrow().list(folder)
    }

    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        self.0.borrow().find(path)
    }

    fn read(&self, path: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        self.0.borrow().read(path, entry)
    }
}

/// Puts so many commits of work on the `main` of a remote that holds a board of that shape and nothing else.
///
/// # Errors
/// Whatever stops git or the pipe to it.
pub fn write(remote: &Path, shape: Shape, commits: usize) -> io::Result<()> {
    let mut import = Import::into(remote)?;
    let newest = Newest(Rc::new(RefCell::new(Overlay::new(files(shape)))));
    let mut board = Snapshot::new(Box::new(newest.clone()));
    let mut from = "from refs/heads/main^0\n";
    let free: Vec<usize> = (0..shape.tasks).filter(|n| task(shape, *n)["status"] == "backlog").collect();
    let mut done = 0;
    for round in 1.. {
        for n in &free {
            let task = task(shape, *n);
            let by = task["assigned"].as_str().unwrap_or(EXECUTORS[n % EXECUTORS.len()]).to_owned();
            for action in work(round) {
                let at = NOW + i64::try_from(done).expect("it is small") * 60_000;
                let operation = operation(&board, &id(*n), &by, action, at);
                let changes = match decide(&board, &operation) {
                    Ok(Decision::Applied(changes)) => changes,
                    other => panic!("{operation:?}: {other:?}"),
                };
                let files = files_of(&board, &changes).expect("it can be written");
                let message = receipt::message(&operation, &changes.receipt);
                commit(&mut import, at, &message, std::mem::take(&mut from), &files)?;
                newest.0.borrow_mut().apply(&files);
                board = board.succeeded_by(Box::new(newest.clone()), &changes);
                done += 1;
                if done == commits {
                    return import.end();
                }
            }
        }
    }
    unreachable!("there is always a next round")
}

/// One claim of a task, from its beginning to its end.
fn work(round: u64) -> [Action; 5] {
    [
        Action::Claim { plan: None },
        Action::Start {},
        Action::Comment { text: format!("looked at it in round {round}"), also: Vec::new() },
        Action::Progress { step: Some(format!("round {round}")), percent: Some(50) },
        Action::Release { note: "half of it is done".to_owned(), unassign: false },
    ]
}

fn operation(board: &Snapshot, task: &str, by: &str, action: Action, at: i64) -> Operation {
    let task = task.parse::<TaskId>().expect("it is an id");
    let epoch = board.task(&task).expect("a board").map(|placed| placed.task.epoch);
    let mut random = [0; 10];
    random[..8].copy_from_slice(&at.to_be_bytes());
    Operation {
        id: OpId::from_parts(Millis(at), random),
        action,
        task: Some(task),
        actor: by.parse::<AgentName>().expect("it is a name"),
        basis: Basis { head: None, epoch },
        at: Millis(at),
        signature: None,
    }
}

fn commit(import: &mut Import, at: i64, message: &str, from: &str, files: &[FileChange]) -> io::Result<()> {
    let out = &mut import.out;
    writeln!(out, "commit refs/heads/main\ncommitter Olga <olga@example.test> {} +0000", at / 1000)?;
    write!(out, "data {}\n{message}\n{from}", message.len())?;
    for file in files {
        match &file.content {
            Some(bytes) => import.put(&file.path, bytes)?,
            None => writeln!(import.out, "D {}", file.path)?,
        }
    }
    Ok(())
}
