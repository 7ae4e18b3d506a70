//! `audit`: the history of the board is its own witness.
//!
//! Each commit of squad carries the operation that it carries out. Whoever has the history can decide that operation
//! again on the commit before, and must come to the very same files: so no server, log or clock has to be believed.
//! The history is read from the commit that made the board, and each commit once.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use super::again::{Again, author_fault, decide_again};
use super::check::{stale_evidence, unreadable};
use super::failure::Failure;
use super::review::{By, compared};
use super::session::{Freshness, Session};
use super::signing::Signers;
use crate::board::layout::{self, stem_of};
use crate::board::range::parted_from;
use crate::board::receipt;
use crate::board::snapshot::Snapshot;
use crate::board::store::{AccessFault, BoardStore, Opening};
use crate::board::{CommitInfo, Oid};
use crate::model::board::{Board, Changeset};
use crate::model::code::ErrorCode;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Action, Operation, Verb};
use crate::model::vocabulary::IdentityPolicy;
use crate::schema::Violation;

/// Most threads that decide at once: each holds a board of its own.
const MOST_THREADS: usize = 4;

/// How many commits are worth a further thread, which has to read the board once. In a debug build few are, so that tests
/// share them out.
const WORTH_A_THREAD: usize = if cfg!(debug_assertions) { 4 } else { 500 };

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
    // A verdict on the board is one on the board as it is now.
    let view = session.view(Freshness::Now)?;
    let since = since.map(|revision| start(session, revision)).transpose()?;
    let ask = (!session.options.offline).then_some(session.limits.network);
    let mut line: Vec<Entry> = Vec::new();
    let (mut whole, mut end) = (false, None);
    session.board.commits(view.head, ask, |commit| {
        // What made the board was decided on the commit before it, which has to be here as well, and is not looked at.
        whole = Some(commit.oid) == since || line.last().is_some_and(made_it);
        if whole {
            end = Some(commit.oid);
        } else {
            line.push((commit.clone(), receipt::operation(&commit.message)));
            whole = commit.parents.is_empty();
        }
        !whole
    })?;
    if !whole {
        return Err(not_all_here());
    }
    // Clocks say in which order commits are met. Behind a merge one that claims to be old may not have been met yet.
    if !is_one_line(&line) {
        let all = session.board.objects().walk(view.head, end).map_err(AccessFault::from)?;
        let entry = |commit: CommitInfo| {
            let operation = receipt::operation(&commit.message);
            (commit, operation)
        };
        line = all.into_iter().map(entry).collect();
    }
    let commits = line.len();
    let mut ledger = Ledger { task, done: HashMap::new(), refused: HashSet::new(), operations: 0, found: Vec::new() };
    let mut is_first = true;
    for (at, (founding, _)) in line.iter().rev().enumerate().filter(|(_, entry)| made_it(entry)) {
        if !std::mem::take(&mut is_first) || session.board.has_founding_before(&founding.parents)? {
            let message = "it makes a board where there had been one: who did that took the roster over";
            ledger.report(at, Rank::Entry, founding, "not-in-line", message);
        }
    }
    let oldest_first = line.into_iter().rev().enumerate();
    let due: Vec<Due> = oldest_first.filter_map(|(at, (commit, said))| ledger.enter(at, commit, said)).collect();
    let mut found = ledger.found;
    found.extend(decided(&session.board, task, ask, &due)?.into_iter().flatten());
    // Each part has its own order already, and a commit is in one part only.
    found.sort_by_key(|finding| (finding.at, finding.rank));
    let mut told_of_signers = false;
    // That no key is trusted here is wrong once, and not with each commit.
    found.retain(|finding| !finding.is_about_keys || !std::mem::replace(&mut told_of_signers, true));
    let mut violations: Vec<Violation> = found.into_iter().map(|finding| finding.violation).collect();
    // No commit tells of what has become of a file that was proof: the worktree does.
    let stale = stale_evidence(session, &view.snapshot)?.into_iter();
    violations.extend(stale.filter(|v| task.is_none_or(|task| stem_of(&v.file) == Some(task.as_str()))));
    Ok(Audited { commits, operations: ledger.operations, violations })
}

/// A commit, and the operation that it says it carries out.
type Entry = (CommitInfo, Option<Operation>);

/// Tells whether a commit has made the board.
fn made_it((_, operation): &Entry) -> bool {
    operation.as_ref().is_some_and(Operation::is_founding)
}

/// Tells whether each commit, newest first, is the only parent of the one before it.
fn is_one_line(line: &[Entry]) -> bool {
    line.windows(2).all(|pair| pair[0].0.parents == [pair[1].0.oid])
}

/// Decides what is due, in as many threads as are worth their while: each part of the history begins with the board that
/// the part before it ends with, as the history has it, so none has to wait for another.
///
/// Boards of the past are read without the index, which is there for the next command and the board of now.
fn decided(
    board: &BoardStore,
    task: Option<&TaskId>,
    ask: Option<Duration>,
    due: &[Due],
) -> Result<Vec<Vec<Finding>>, Failure> {
    let all = |opening: Opening, part| Auditor::new(&opening.open()?, task, ask).all(part);
    let all = &all;
    let mut parts = shared_out(due, threads(due.len())).into_iter();
    let first = parts.next().unwrap_or_default();
    let done: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = parts
            .map(|part| {
                let opening = board.opening();
                scope.spawn(move || all(opening, part))
            })
            .collect();
        let mut done = vec![all(board.opening(), first)];
        done.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))));
        done
    });
    // Of several failures, the one that comes first in the history.
    done.into_iter().collect()
}

/// Cuts a history, oldest part first, so that each thread has about as much to do. From its beginning a board grows: it
/// is taken that its last commit costs twice what the first does, as on the board of the benches.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "any cut will do"
)]
fn shared_out(due: &[Due], threads: usize) -> Vec<&[Due]> {
    let is_growing = due.first().and_then(|due| due.operation.as_ref()).is_some_and(Operation::is_founding);
    let cut = |n: usize| {
        let share = n as f64 / threads as f64;
        let place = if is_growing { (1.0 + 3.0 * share).sqrt() - 1.0 } else { share };
        (place * due.len() as f64) as usize
    };
    // The last cut is at 1 exactly: the root of 4 is.
    (0..threads).map(|n| &due[cut(n)..cut(n + 1)]).collect()
}

/// Returns how many threads so many commits are shared out to.
fn threads(commits: usize) -> usize {
    let here = thread::available_parallelism().map_or(1, NonZero::get);
    here.min(MOST_THREADS).min(1 + commits / WORTH_A_THREAD)
}

fn not_all_here() -> Failure {
    Failure::new(ErrorCode::RemoteUnreachable, "the history of the board is not all here")
        .why("it is cut off before the commit that made the board, or before the one that was named")
        .hint("run it again with the remote in reach, or name a later commit with `--since`")
}

fn start(session: &Session, revision: &str) -> Result<Oid, Failure> {
    let found = session.board.resolve(revision)?;
    found.map(|(_, commit)| commit).ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, format!("no commit {revision}"))
            .hint("`squad log` lists the commits of the board")
    })
}

/// Something that is wrong, and where that is told.
struct Finding {
    /// The place of its commit in the history.
    at: usize,
    rank: Rank,
    /// Whether it is that nobody's key is known here.
    is_about_keys: bool,
    violation: Violation,
}

/// The order of what is wrong with one commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What the messages before it contradict.
    Entry,
    /// What is decided otherwise.
    Decision,
    /// What it says of the operations of others.
    Refusal,
}

impl Finding {
    fn new(at: usize, rank: Rank, commit: &CommitInfo, code: &'static str, file: &str, message: &str) -> Self {
        let name = commit.oid.to_string();
        let hint = format!("`git show {name}` shows it; `squad log` says what was asked for");
        let mut violation = Violation::error(code, file, "", message, hint);
        violation.commit = Some(name.into());
        Self { at, rank, is_about_keys: false, violation }
    }
}

/// A commit that is to be decided again.
struct Due {
    at: usize,
    commit: CommitInfo,
    /// What it carries out; nothing where somebody made it by hand.
    operation: Option<Operation>,
}

/// What the messages of the history say, one after the other.
struct Ledger<'a> {
    task: Option<&'a TaskId>,
    /// Which commit carries out which operation.
    done: HashMap<OpId, String>,
    refused: HashSet<OpId>,
    operations: usize,
    found: Vec<Finding>,
}

impl Ledger<'_> {
    /// Enters a commit with the operation that it carries, and returns what is to be decided of it.
    fn enter(&mut self, at: usize, commit: CommitInfo, operation: Option<Operation>) -> Option<Due> {
        let marks = receipt::marks(&commit.message);
        let is_due = match &operation {
            Some(operation) if marks.op == Some(operation.id) => self.carries_out(at, &commit, operation),
            Some(_) => {
                let message = "its Squad-Op is not the id of the operation that it carries";
                self.report(at, Rank::Entry, &commit, "forged-receipt", message);
                false
            }
            None => {
                if marks.op.is_some() {
                    let message = "it has the Squad-Op of a receipt, and carries no operation";
                    self.report(at, Rank::Entry, &commit, "forged-receipt", message);
                }
                true
            }
        };
        for (id, code) in marks.refused {
            if let Some(earlier) = self.done.get(&id) {
                let message = format!("it says that operation {id} was refused ({code}); {earlier} carries it out");
                self.report(at, Rank::Refusal, &commit, "refused-after-done", &message);
            }
            self.refused.insert(id);
        }
        is_due.then_some(Due { at, commit, operation })
    }

    /// Tells whether the commit of an operation is to be decided again.
    fn carries_out(&mut self, at: usize, commit: &CommitInfo, operation: &Operation) -> bool {
        self.operations += 1;
        let id = operation.id;
        if let Some(earlier) = self.done.insert(id, commit.oid.to_string()) {
            let message = format!("operation {id} was carried out before, by {earlier}");
            self.report(at, Rank::Entry, commit, "done-twice", &message);
            return false;
        }
        if self.refused.contains(&id) {
            let message = format!("operation {id} had been refused before");
            self.report(at, Rank::Entry, commit, "done-after-refusal", &message);
        }
        self.task.is_none_or(|task| operation.tasks().contains(task))
    }

    fn report(&mut self, at: usize, rank: Rank, commit: &CommitInfo, code: &'static str, message: &str) {
        self.found.push(Finding::new(at, rank, commit, code, "", message));
    }
}

/// Decides a part of the history.
struct Auditor<'a> {
    board: &'a BoardStore,
    task: Option<&'a TaskId>,
    /// How long the remote may be asked for what is not here; nothing where it may not.
    ask: Option<Duration>,
    /// The board of a commit that was found to be what its operation makes: what was read for it serves the next one.
    known: Option<(Oid, Snapshot)>,
    /// The board of the last commit that was made by hand.
    seen: Option<(Oid, Snapshot)>,
    /// Whose keys this clone trusts.
    signers: Option<Signers>,
    /// The place of the commit that is looked at.
    at: usize,
    found: Vec<Finding>,
}

impl<'a> Auditor<'a> {
    fn new(board: &'a BoardStore, task: Option<&'a TaskId>, ask: Option<Duration>) -> Self {
        let signers = Signers::of(&board.settings);
        Self { board, task, ask, known: None, seen: None, signers, at: 0, found: Vec::new() }
    }

    fn all(mut self, due: &[Due]) -> Result<Vec<Finding>, Failure> {
        for Due { at, commit, operation } in due {
            self.at = *at;
            match operation {
                Some(operation) => self.carried_out_as_decided(commit, operation)?,
                None => self.made_by_hand(commit)?,
            }
        }
        Ok(self.found)
    }

    /// A commit that carries no operation keeps the rules as well: it is judged as a pull request is.
    fn made_by_hand(&mut self, commit: &CommitInfo) -> Result<(), Failure> {
        let parents = &commit.parents;
        if parents.is_empty() {
            return Ok(());
        }
        let store = self.board.objects();
        // Where the history ended when the commit was read, more of it may have been fetched since.
        if commit.cut_off && store.read_commit(commit.oid).map_err(AccessFault::from)?.cut_off {
            return Err(not_all_here());
        }
        let sides = parents.iter().map(|parent| self.seen_at(*parent)).collect::<Result<Vec<_>, _>>()?;
        let after = self.seen_at(commit.oid)?;
        let locks = sides[0].locks_path();
        let parts = |snapshot: &Snapshot| -> Result<_, Failure> {
            let find = |path| snapshot.files().find(path).map_err(unreadable);
            Ok((find(layout::ROOT)?, find(&locks)?))
        };
        let now = parts(&after)?;
        let same = sides.iter().map(|side| Ok(parts(side)? == now)).collect::<Result<Vec<_>, Failure>>()?;
        if same.iter().all(|same| *same) {
            if let ([parent], Some((known, board))) = (parents.as_slice(), self.known.take()) {
                // The board is none of its business, and stays what it was.
                self.known =
                    (known == *parent).then(|| (commit.oid, self.board.succeed(board, commit, &Changeset::default())));
            }
            return Ok(());
        }
        let Some(by) = sides[0].config().ok().flatten().map(|config| By::authors(config, std::slice::from_ref(commit)))
        else {
            return Ok(());
        };
        let bases = parted_from(store, parents)?.into_iter();
        let bases = bases.map(|base| base.map(|base| self.board.snapshot(Some(base))).transpose());
        let bases = bases.collect::<Result<Vec<_>, _>>()?;
        let judged = compared(&sides, &bases, &after, &by)?;
        let about = |file: &str| self.task.is_none_or(|task| stem_of(file) == Some(task.as_str()));
        for mut violation in judged.violations.into_iter().filter(|v| about(&v.file)) {
            violation.commit = Some(commit.oid.to_string().into());
            self.found.push(Finding { at: self.at, rank: Rank::Decision, is_about_keys: false, violation });
        }
        Ok(())
    }

    fn carried_out_as_decided(&mut self, commit: &CommitInfo, operation: &Operation) -> Result<(), Failure> {
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
        let before = self.board_at(parent)?;
        let (board, signers) = (self.board, self.signers.as_ref());
        if let Ok(Some(config)) = before.config()
            && let Some(fault) = author_fault(commit, operation, config, signers, board.place.run_dir())
        {
            let is_about_keys = config.policy.identity == IdentityPolicy::Signature && signers.is_none();
            let finding = Finding::new(self.at, Rank::Decision, commit, fault.code, &fault.file, &fault.message);
            self.found.push(Finding { is_about_keys, ..finding });
        }
        if let (Action::BackupRestore { commit, .. }, Some(parent)) = (&operation.action, parent)
            && let Ok(version) = commit.parse::<Oid>()
            && !board.reach_back(version, parent, self.ask)?
            && board.objects().is_shallow()
        {
            return Err(not_all_here());
        }
        match decide_again(board.objects(), &before, commit, operation)? {
            Again::Same(changes) => self.known = Some((commit.oid, board.succeed(before, commit, &changes))),
            Again::Before => {}
            Again::Faults(faults) => {
                faults.iter().for_each(|fault| self.report_file(commit, fault.code, &fault.file, &fault.message));
            }
        }
        Ok(())
    }

    /// Returns the board of a commit.
    fn board_at(&mut self, commit: Option<Oid>) -> Result<Snapshot, Failure> {
        match self.known.take_if(|(known, _)| Some(*known) == commit) {
            Some((_, board)) => Ok(board),
            None => Ok(self.board.snapshot(commit)?),
        }
    }

    /// Returns the board of a commit for a look at it; what comes next often has it once more.
    fn seen_at(&mut self, commit: Oid) -> Result<Snapshot, Failure> {
        if let Some((_, seen)) = self.seen.as_ref().filter(|(seen, _)| *seen == commit) {
            return Ok(seen.clone());
        }
        let board = self.board.snapshot(Some(commit))?;
        self.seen = Some((commit, board.clone()));
        Ok(board)
    }

    fn report(&mut self, commit: &CommitInfo, code: &'static str, message: &str) {
        self.report_file(commit, code, "", message);
    }

    fn report_file(&mut self, commit: &CommitInfo, code: &'static str, file: &str, message: &str) {
        self.found.push(Finding::new(self.at, Rank::Decision, commit, code, file, message));
    }
}
