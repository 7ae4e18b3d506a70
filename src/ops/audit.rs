//! `audit`: the history of the board is its own witness.
//!
//! Each commit of squad carries the operation that it carries out. Whoever has the history can decide that operation
//! again on the commit before, and must come to the very same files: so no server, log or clock has to be believed.
//! The history is read from the commit that made the board, and each commit once.

use std::collections::{HashMap, HashSet};

use super::again::{Again, author_fault, decide_again};
use super::check::unreadable;
use super::failure::Failure;
use super::review::{By, compared};
use super::session::{Freshness, Session};
use super::signing::Signers;
use crate::board::layout::{self, stem_of};
use crate::board::receipt;
use crate::board::snapshot::Snapshot;
use crate::board::store::AccessFault;
use crate::board::{CommitInfo, Oid};
use crate::model::board::{Board, Changeset};
use crate::model::code::ErrorCode;
use crate::model::id::{OpId, TaskId};
use crate::model::operation::{Action, Operation, Verb};
use crate::model::vocabulary::IdentityPolicy;
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
    // A verdict on the board is one on the board as it is now.
    let view = session.view(Freshness::Now)?;
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
        return Err(not_all_here());
    }
    let mut auditor = Auditor {
        session,
        task,
        done: HashMap::new(),
        refused: HashSet::new(),
        known: None,
        signers: Signers::of(&session.board.settings),
        told_of_signers: false,
        found: Audited::default(),
    };
    for commit in line.iter().rev() {
        auditor.look_at(commit)?;
    }
    Ok(auditor.found)
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

struct Auditor<'a> {
    session: &'a Session,
    task: Option<&'a TaskId>,
    /// Which commit carries out which operation.
    done: HashMap<OpId, String>,
    refused: HashSet<OpId>,
    /// The board of a commit that was found to be what its operation makes: what was read for it serves the next one.
    known: Option<(Oid, Snapshot)>,
    /// Whose keys this clone trusts.
    signers: Option<Signers>,
    /// Whether it was said that nobody's key is known.
    told_of_signers: bool,
    found: Audited,
}

impl Auditor<'_> {
    fn look_at(&mut self, commit: &CommitInfo) -> Result<(), Failure> {
        self.found.commits += 1;
        let marks = receipt::marks(&commit.message);
        match receipt::operation(&commit.message) {
            Some(operation) if marks.op == Some(operation.id) => self.carried_out(commit, &operation)?,
            Some(_) => {
                self.report(commit, "forged-receipt", "its Squad-Op is not the id of the operation that it carries");
            }
            None => self.made_by_hand(commit)?,
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
        if about { self.carried_out_as_decided(commit, operation) } else { Ok(()) }
    }

    /// A commit that carries no operation keeps the rules as well: it is judged as a pull request is.
    fn made_by_hand(&mut self, commit: &CommitInfo) -> Result<(), Failure> {
        let parents = &commit.parents;
        if parents.is_empty() {
            return Ok(());
        }
        let store = self.session.board.objects();
        // Where the history ended when the commit was read, more of it may have been fetched since.
        if commit.cut_off && store.read_commit(commit.oid).map_err(AccessFault::from)?.cut_off {
            return Err(not_all_here());
        }
        let after = self.session.snapshot(Some(commit.oid))?;
        let sides = parents.iter().map(|parent| self.session.snapshot(Some(*parent))).collect::<Result<Vec<_>, _>>()?;
        let locks = sides[0].locks_path();
        let parts = |snapshot: &Snapshot| -> Result<_, Failure> {
            let find = |path| snapshot.files().find(path).map_err(unreadable);
            Ok((find(layout::ROOT)?, find(&locks)?))
        };
        let now = parts(&after)?;
        for side in &sides {
            // What one side of a merge has was judged there.
            if parts(side)? == now {
                if let ([parent], Some((known, board))) = (parents.as_slice(), self.known.take()) {
                    // The board is none of its business, and stays what it was.
                    self.known = (known == *parent)
                        .then(|| (commit.oid, self.session.board.succeed(board, commit, &Changeset::default())));
                }
                return Ok(());
            }
        }
        let Some(by) = sides[0].config().ok().flatten().map(|config| By::authors(config, std::slice::from_ref(commit)))
        else {
            return Ok(());
        };
        let judged = compared(&sides, &after, by)?;
        let about = |file: &str| self.task.is_none_or(|task| stem_of(file) == Some(task.as_str()));
        for mut violation in judged.violations.into_iter().filter(|v| about(&v.file)) {
            violation.commit = Some(commit.oid.to_string().into());
            self.found.violations.push(violation);
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
        let (session, signers) = (self.session, self.signers.as_ref());
        if let Ok(Some(config)) = before.config()
            && let Some(fault) = author_fault(commit, operation, config, signers, session.board.place.run_dir())
        {
            // That no key is trusted here is wrong once, and not with each commit.
            let is_about_keys = config.policy.identity == IdentityPolicy::Signature && signers.is_none();
            if !is_about_keys || !std::mem::replace(&mut self.told_of_signers, true) {
                self.report_file(commit, fault.code, &fault.file, &fault.message);
            }
        }
        if let (Action::BackupRestore { commit, .. }, Some(parent)) = (&operation.action, parent)
            && let Ok(version) = commit.parse::<Oid>()
        {
            let board = &self.session.board;
            let ask = (!self.session.options.offline).then_some(self.session.limits.network);
            if !board.reach_back(version, parent, ask)? && board.objects().is_shallow() {
                return Err(not_all_here());
            }
        }
        match decide_again(session.board.objects(), &before, commit, operation)? {
            Again::Same(changes) => self.known = Some((commit.oid, session.board.succeed(before, commit, &changes))),
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
            None => Ok(self.session.board.snapshot(commit)?),
        }
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
