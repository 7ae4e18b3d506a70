//! `audit`: the history of the board is its own witness.
//!
//! Each commit of squad carries the operation that it carries out. Whoever has the history can decide that operation
//! again on the commit before, and must come to the very same files: so no server, log or clock has to be believed.
//! The history is read from the commit that made the board, and each commit once.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::failure::Failure;
use super::session::{Freshness, Session};
use crate::board::commits::Source;
use crate::board::receipt;
use crate::board::render::files_of;
use crate::board::store::AccessFault;
use crate::board::{CommitInfo, Objects, Oid};
use crate::model::board::Decision;
use crate::model::code::ErrorCode;
use crate::model::decide::decide;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Operation, Verb};
use crate::schema::Violation;

/// What an audit found.
#[derive(Debug, Default)]
pub struct Audited {
    /// How many commits were looked at.
    pub commits: usize,
    /// How many of them carry out an operation.
    pub operations: usize,
    /// What is wrong, oldest commit first.
    pub violations: Vec<Violation>,
}

/// Decides the history of the board again, up to its head: of one task where one is named, and after a commit where one
/// is named.
///
/// # Errors
/// [`Failure`] when the history cannot be read, or is not all here and cannot be fetched.
pub fn audit(session: &Session, task: Option<&TaskId>, since: Option<&str>) -> Result<Audited, Failure> {
    let view = session.view(Freshness::Due)?;
    let since = since.map(|revision| start(session, revision)).transpose()?;
    let ask = (!session.options.offline).then_some(session.limits.network);
    let mut line: Vec<CommitInfo> = Vec::new();
    let mut whole = false;
    session.board.commits(view.head, ask, |commit| {
        // What made the board was decided on the commit before it, which has to be here as well, and is not looked at.
        whole = Some(commit.oid) == since || line.last().is_some_and(|last| receipt::is_founding(&last.message));
        if !whole {
            line.push(commit.clone());
            whole = commit.parents.is_empty();
        }
        !whole
    })?;
    if !whole {
        return Err(Failure::new(ErrorCode::RemoteUnreachable, "the history of the board is not all here")
            .why("it is cut off before the commit that made the board, or before the one that was named")
            .hint("run it again with the remote in reach, or name a later commit with `--since`"));
    }
    let mut auditor =
        Auditor { session, task, done: HashMap::new(), refused: HashSet::new(), found: Audited::default() };
    for commit in line.iter().rev() {
        auditor.look_at(commit)?;
    }
    Ok(auditor.found)
}

fn start(session: &Session, revision: &str) -> Result<Oid, Failure> {
    let found = session.board.resolve(revision)?;
    found.map(|(_, commit)| commit).ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, format!("no commit {revision}"))
            .hint("`squad log` lists the commits of the board")
    })
}

struct Auditor<'a> {
    session: &'a Session,
    task: Option<&'a TaskId>,
    /// Which commit carries out which operation.
    done: HashMap<OpId, String>,
    refused: HashSet<OpId>,
    found: Audited,
}

impl Auditor<'_> {
    fn look_at(&mut self, commit: &CommitInfo) -> Result<(), Failure> {
        self.found.commits += 1;
        let marks = receipt::marks(&commit.message);
        if let Some(operation) = receipt::operation(&commit.message) {
            if marks.op == Some(operation.id) {
                self.carried_out(commit, &operation)?;
            } else {
                self.report(commit, "forged-receipt", "its Squad-Op is not the id of the operation that it carries");
            }
        }
        for (id, code) in marks.refused {
            if let Some(earlier) = self.done.get(&id) {
                let message = format!("it says that operation {id} was refused ({code}); {earlier} carries it out");
                self.report(commit, "refused-after-done", &message);
            }
            self.refused.insert(id);
        }
        Ok(())
    }

    fn carried_out(&mut self, commit: &CommitInfo, operation: &Operation) -> Result<(), Failure> {
        self.found.operations += 1;
        let id = operation.id;
        if let Some(earlier) = self.done.insert(id, commit.oid.to_string()) {
            self.report(commit, "done-twice", &format!("operation {id} was carried out before, by {earlier}"));
            return Ok(());
        }
        if self.refused.contains(&id) {
            self.report(commit, "done-after-refusal", &format!("operation {id} had been refused before"));
        }
        let about = self.task.is_none_or(|task| operation.tasks().contains(task));
        if about { self.decide_again(commit, operation) } else { Ok(()) }
    }

    fn decide_again(&mut self, commit: &CommitInfo, operation: &Operation) -> Result<(), Failure> {
        let parent = match commit.parents.as_slice() {
            [] => None,
            [one] => Some(*one),
            _ => {
                self.report(commit, "not-in-line", "it carries out an operation and is a merge");
                return Ok(());
            }
        };
        if parent.is_none() && operation.verb() != Verb::Init {
            self.report(commit, "not-in-line", "it changes a board that nothing has made");
            return Ok(());
        }
        let before = self.session.snapshot(parent)?;
        let changes = match decide(&before, operation) {
            Ok(Decision::Applied(changes)) => changes,
            Ok(Decision::Refused(refusal)) => {
                self.report(commit, "not-allowed", &refusal.message());
                return Ok(());
            }
            Ok(Decision::Unchanged(unchanged)) => {
                self.report(commit, "not-allowed", &unchanged.why);
                return Ok(());
            }
            Ok(Decision::AlreadyDecided(_)) => return Ok(()),
            Err(fault) => {
                self.report(commit, "undecidable", &fault.to_string());
                return Ok(());
            }
        };
        let files = match files_of(&before, &changes) {
            Ok(files) => files,
            Err(fault) => {
                self.report(commit, "undecidable", &fault.to_string());
                return Ok(());
            }
        };
        let mut wanted: BTreeMap<String, Option<Oid>> = BTreeMap::new();
        for file in files {
            let blob = file.content.as_deref().map(Objects::hash_blob).transpose().map_err(AccessFault::from)?;
            wanted.insert(file.path, blob);
        }
        let store = self.session.board.objects();
        let tree = parent.map(|parent| store.read_commit(parent)).transpose().map_err(AccessFault::from)?;
        let changed = store.diff_trees(tree.map(|commit| commit.tree), Some(commit.tree)).map_err(AccessFault::from)?;
        for change in changed {
            let now = change.new.map(|(_, blob)| blob);
            match wanted.remove(&change.path) {
                Some(blob) if blob == now => {}
                Some(_) => {
                    self.report_file(commit, "other-content", &change.path, "it is not what the operation makes");
                }
                None => self.report_file(commit, "beyond-operation", &change.path, "the operation does not touch it"),
            }
        }
        for (path, blob) in wanted {
            let source = Source::Store(self.session.board.store());
            let there = source.objects().lookup(commit.tree, &path).map_err(AccessFault::from)?;
            if there.map(|entry| entry.oid) != blob {
                self.report_file(commit, "other-content", &path, "what the operation makes of it is missing");
            }
        }
        Ok(())
    }

    fn report(&mut self, commit: &CommitInfo, code: &'static str, message: &str) {
        self.report_file(commit, code, "", message);
    }

    fn report_file(&mut self, commit: &CommitInfo, code: &'static str, file: &str, message: &str) {
        let name = commit.oid.to_string();
        let hint = format!("`git show {name}` shows it; `squad log` says what was asked for");
        let mut violation = Violation::error(code, file, "", message, hint);
        violation.commit = Some(name.into());
        self.found.violations.push(violation);
    }
}
