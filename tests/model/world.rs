//! The real boards behind the lines, and the real decisions on them.
//!
//! A state of the model holds lines only. What a line means is asked here: the board of a line is made by
//! `squad::model::decide::decide` and written by `squad::board::render`, once for each line, and so is each verdict.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use squad::board::render::{FileChange, Overlay, files_of};
use squad::board::snapshot::Snapshot;
use squad::model::board::{Board, Decided, Decision};
use squad::model::decide::decide;
use squad::model::id::{Epoch, Millis, OpId};
use squad::model::operation::{Action, Basis, NewTask, Operation};
use squad::model::refusal::Refusal;
use squad::model::transition::is_fenced;

use crate::line::{Entry, Line};
use crate::sim::{BEGIN, Sim, id, name};

/// An operation that somebody is going to make.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The clone that it is made in.
    pub clone: u8,
    pub actor: &'static str,
    pub task: &'static str,
    pub action: Action,
    /// The epoch that it names; else the one of the head that the clone has then.
    pub epoch: Option<u8>,
    /// An operation whose answer its author waits for first.
    pub after: Option<u8>,
}

/// What a board says to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Applied,
    /// It is refused or would change nothing; a later board may say something else.
    Conditional,
    /// It is refused, here and on every board that follows.
    Final,
    /// The line has it already, carried out or declined.
    Decided(Entry),
}

type Question = (Line, u8, Option<u8>);

/// What a line says of a task: its epoch and its holder.
type Standing = (u8, Option<String>);

pub struct World {
    first: Overlay,
    pub plan: Vec<Planned>,
    boards: Mutex<HashMap<Line, Arc<Overlay>>>,
    verdicts: Mutex<HashMap<Question, Verdict>>,
    standings: Mutex<HashMap<(Line, u8), Standing>>,
}

impl World {
    /// Returns a world whose board begins with these tasks, each with the paths that it works on.
    pub fn new(tasks: &[(&str, &[&str])], plan: Vec<Planned>) -> Self {
        let mut sim = Sim::new();
        for (task, paths) in tasks {
            sim.make("olga", task, |new: &mut NewTask| new.files = paths.iter().map(|p| (*p).to_owned()).collect());
        }
        Self {
            first: sim.files,
            plan,
            boards: Mutex::default(),
            verdicts: Mutex::default(),
            standings: Mutex::default(),
        }
    }

    /// Returns the operation as it is decided, with the epoch that it names.
    fn operation(&self, op: u8, epoch: Option<u8>) -> Operation {
        let planned = &self.plan[usize::from(op)];
        let at = Millis(BEGIN + 3_600_000 + i64::from(op) * 1000);
        Operation {
            id: op_id(op),
            action: planned.action.clone(),
            task: (!matches!(planned.action, Action::New { .. })).then(|| id(planned.task)),
            actor: name(planned.actor),
            basis: Basis { head: None, epoch: epoch.map(|e| Epoch(u64::from(e))) },
            at,
            signature: None,
        }
    }

    /// Returns the files of the board at the end of a line.
    fn board(&self, line: Line) -> Arc<Overlay> {
        let Some(parent) = line.parent() else { return Arc::new(self.first.clone()) };
        if let Some(known) = self.boards.lock().expect("nobody panicked").get(&line) {
            return Arc::clone(known);
        }
        let before = self.board(parent);
        let mut files = Overlay::clone(&before);
        match line.last() {
            // An epoch permits a change and leaves no trace in it, so one board serves every epoch named.
            Some(Entry::Applied(op)) => {
                let snapshot = Snapshot::new(Box::new(Overlay::clone(&before)));
                match decide(&snapshot, &self.operation(op, None)).expect("the board can be read") {
                    Decision::Applied(changes) => {
                        files.apply(&files_of(&snapshot, &changes).expect("what was decided keeps the rules"));
                    }
                    other => panic!("BUG: {line:?} was built, and its last is {other:?}"),
                }
            }
            Some(Entry::Foreign) => {
                let content = Some(format!("by hand, after {}\n", parent.len()).into_bytes().into());
                files.apply(&[FileChange { path: "README.md".to_owned(), content }]);
            }
            Some(Entry::Declined(_)) | None => {}
        }
        let files = Arc::new(files);
        self.boards.lock().expect("nobody panicked").insert(line, Arc::clone(&files));
        files
    }

    /// Returns what the board of a line says to an operation that names this epoch.
    pub fn verdict(&self, line: Line, op: u8, epoch: Option<u8>) -> Verdict {
        match line.outcome(op) {
            Some(entry) => Verdict::Decided(entry),
            None => self.fresh_verdict(line, op, epoch),
        }
    }

    /// Returns what the board of a line would say to an operation whose id nobody looks for.
    pub fn fresh_verdict(&self, line: Line, op: u8, epoch: Option<u8>) -> Verdict {
        let question = (line, op, epoch);
        if let Some(known) = self.verdicts.lock().expect("nobody panicked").get(&question) {
            return *known;
        }
        let mut decided = HashMap::new();
        for entry in line.entries() {
            let (Entry::Applied(other) | Entry::Declined(other)) = entry else { continue };
            if other != op {
                let refused = matches!(entry, Entry::Declined(_)).then(|| "declined".to_owned());
                decided.insert(op_id(other), Decided { commit: "c".to_owned(), refused });
            }
        }
        let snapshot = Snapshot::new(Box::new(Overlay::clone(&self.board(line)))).with_decided(decided);
        let operation = self.operation(op, epoch);
        let verdict = match decide(&snapshot, &operation).expect("the board can be read") {
            Decision::Applied(_) => Verdict::Applied,
            Decision::AlreadyDecided(_) => unreachable!("BUG: its id was left out"),
            Decision::Refused(Refusal::IdTaken { .. }) => Verdict::Final,
            Decision::Refused(_) if self.is_past(line, op, epoch) => Verdict::Final,
            Decision::Refused(_) | Decision::Unchanged(_) => Verdict::Conditional,
        };
        self.verdicts.lock().expect("nobody panicked").insert(question, verdict);
        verdict
    }

    /// Tells whether the epoch that a fenced operation names is over.
    pub fn is_past(&self, line: Line, op: u8, epoch: Option<u8>) -> bool {
        let fenced = is_fenced(self.plan[usize::from(op)].action.verb());
        fenced && epoch.is_some_and(|named| self.standing(line, op).0 > named)
    }

    /// Returns the epoch and the holder of an operation's task.
    pub fn standing(&self, line: Line, op: u8) -> Standing {
        if let Some(known) = self.standings.lock().expect("nobody panicked").get(&(line, op)) {
            return known.clone();
        }
        let snapshot = Snapshot::new(Box::new(Overlay::clone(&self.board(line))));
        let placed = snapshot.task(&id(self.plan[usize::from(op)].task)).expect("it can be read");
        let standing = placed.map_or((0, None), |placed| {
            let epoch = u8::try_from(placed.task.epoch.0).expect("few claims are made here");
            (epoch, placed.task.holder().map(ToString::to_string))
        });
        self.standings.lock().expect("nobody panicked").insert((line, op), standing.clone());
        standing
    }

    /// Tells whether an operation takes a task.
    pub fn is_claim(&self, op: u8) -> bool {
        matches!(self.plan[usize::from(op)].action, Action::Claim { .. })
    }
}

fn op_id(op: u8) -> OpId {
    OpId::from_parts(Millis(BEGIN + 3_600_000 + i64::from(op) * 1000), [op + 1; 10])
}
