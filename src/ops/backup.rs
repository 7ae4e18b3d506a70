//! `backup`: a name for the board as it is, on the remote; and the way back to it.
//!
//! A name is given once and never moves. Bringing a backup back is an operation like every other: one commit on top of
//! the history, decided where it lands. What this file owns is what has to be here before it can be.

use serde::Serialize;
use serde_json::json;

use super::act::{Done, offline};
use super::failure::Failure;
use super::session::{Freshness, Session, View};
use super::signing::sign;
use crate::board::backup::{NamedVersion, is_backup_name};
use crate::board::layout::stem_of;
use crate::board::store::AccessFault;
use crate::board::{Oid, PushOutcome};
use crate::model::board::Board;
use crate::model::code::ErrorCode;
use crate::model::config::BoardConfig;
use crate::model::id::{Millis, TaskId};
use crate::model::operation::{Action, Verb};
use crate::model::time::rfc3339;

/// How many commits are looked through for a configuration that can be read.
const LOOK_BACK: usize = 1000;

/// How many names a failure lists.
const NAMED: usize = 10;

/// How many names of one second are tried.
const SAME_SECOND: usize = 100;

/// A named version of the board.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// The version.
    pub commit: String,
    /// When the version came about; nothing where its commit is not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// The ref on the remote.
    #[serde(rename = "ref")]
    pub reference: String,
}

impl From<NamedVersion> for Backup {
    fn from(named: NamedVersion) -> Self {
        let NamedVersion { name, commit, at_ms, reference } = named;
        Self { name, commit: commit.to_string(), at: at_ms.map(Millis), reference }
    }
}

/// What came of making a backup.
#[derive(Debug)]
pub struct Kept {
    /// The backup.
    pub backup: Backup,
    /// Why nothing was done, where nothing was.
    pub unchanged: Option<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// What came of bringing a backup back.
#[derive(Debug)]
pub struct Restored {
    /// The backup.
    pub backup: Backup,
    /// The receipt, and what every verb that writes answers.
    pub done: Done,
    /// The tasks whose files are what they were again, or go on from there.
    pub restored: Vec<TaskId>,
    /// The tasks that are newer than the backup, and stay as they are.
    pub kept: Vec<TaskId>,
}

/// Gives the board as it is now a name on the remote; without one, the present instant is its name.
///
/// # Errors
/// [`Failure`] `invalid` where the name is no name, or names another version already.
pub fn make(session: &Session, name: Option<&str>) -> Result<Kept, Failure> {
    if session.options.offline {
        return Err(offline("backup"));
    }
    if let Some(bad) = name.filter(|name| !is_backup_name(name)) {
        return Err(Failure::new(ErrorCode::Invalid, format!("a backup cannot be called {bad:?}"))
            .why("a name is letters, digits, dots, dashes and underscores, and begins with a letter or digit")
            .hint("leave the name out to get one from the date and time"));
    }
    session.agree_to_push()?;
    let view = session.newest(Freshness::Now)?.or_fault()?;
    look_in_its_namespace(session, &view);
    let mut warnings = Vec::new();
    let broken = view.snapshot.all_live()?.invalid.len();
    if broken > 0 {
        warnings.push(format!("{broken} files of the board cannot be used, and are no better in the backup"));
    }
    let known = session.board.backups(Some(session.limits.network))?;
    let stamp = stamp(session.now());
    let mut tries = (1..=SAME_SECOND).map(|nth| match (name, nth) {
        (Some(name), _) => name.to_owned(),
        (None, 1) => stamp.clone(),
        (None, nth) => format!("{stamp}-{nth}"),
    });
    let free = |name: &String| known.iter().all(|known| known.name != *name || known.commit == view.head);
    let name = if name.is_some() { tries.next() } else { tries.find(free) }.unwrap_or(stamp);
    let reference = session.board.backup_ref(&name).ok_or_else(no_room)?;
    let at_ms = known.iter().find(|known| known.commit == view.head).and_then(|known| known.at_ms);
    let at_ms = at_ms.or(committed_at(session, view.head)?);
    let backup = Backup::from(NamedVersion { name, commit: view.head, at_ms, reference });
    if let Some(taken) = known.iter().find(|known| known.name == backup.name) {
        return already(taken, backup, view.head, warnings);
    }
    if session.options.dry_run {
        return Ok(Kept { backup, unchanged: None, warnings });
    }
    let outcome = session.board.push_backup(&backup.reference, view.head, session.limits.network)?;
    let told = match outcome {
        PushOutcome::Landed => None,
        PushOutcome::Rejected { reason, .. } | PushOutcome::Blocked { reason, .. } => Some((true, reason)),
        PushOutcome::Unknown { reason } => Some((false, reason)),
    };
    // The copies here follow; and where the remote has not said so, only it can tell what became of it.
    let there = session.board.backups(Some(session.limits.network));
    let Some((refused, reason)) = told else { return Ok(Kept { backup, unchanged: None, warnings }) };
    match there.ok().and_then(|there| there.into_iter().find(|there| there.name == backup.name)) {
        Some(taken) if !refused && taken.commit == view.head => Ok(Kept { backup, unchanged: None, warnings }),
        Some(taken) => already(&taken, backup, view.head, warnings),
        None if refused => Err(Failure::new(ErrorCode::RemoteRefused, "the remote does not take backups")
            .why(reason)
            .hint("set `refs.namespace` in squad/squad.json to one that it takes, such as refs/heads/zz-squad")),
        None => Err(Failure::new(ErrorCode::Undecided, format!("whether {} was kept is not known", backup.name))
            .why(reason)
            .hint("`squad backup list` shows whether it was; run the command again if not")),
    }
}

fn already(taken: &NamedVersion, backup: Backup, head: Oid, warnings: Vec<String>) -> Result<Kept, Failure> {
    if taken.commit == head {
        let unchanged = Some(format!("{} names this version already", backup.name));
        return Ok(Kept { backup, unchanged, warnings });
    }
    Err(Failure::new(ErrorCode::Invalid, format!("the name {} is taken", backup.name))
        .why(format!("it names {}, and a backup never moves", taken.commit.short()))
        .hint("choose another name, or leave it out to get one from the date and time")
        .with("backup", json!(Backup::from(taken.clone()))))
}

/// Returns the backups by name: those of the remote, or with `--offline` those known here; and why they may be out of
/// date, where the remote did not answer.
///
/// # Errors
/// [`Failure`] where there is no board.
pub fn list(session: &Session) -> Result<(Vec<Backup>, Option<String>), Failure> {
    let view = session.newest(Freshness::Due)?;
    look_in_its_namespace(session, &view);
    let ask = (!session.options.offline && view.degraded.is_none()).then_some(session.limits.network);
    match session.board.backups(ask) {
        Ok(found) => Ok((found.into_iter().map(Backup::from).collect(), view.degraded)),
        Err(AccessFault::Fetch(fault)) if ask.is_some() => {
            let known = session.board.backups(None)?;
            Ok((known.into_iter().map(Backup::from).collect(), Some(fault.to_string())))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Brings the board back to a backup, by one commit on top of its history.
///
/// # Errors
/// [`Failure`] `not-found` where there is no backup of that name, with those that there are.
pub fn restore(session: &Session, name: &str) -> Result<Restored, Failure> {
    let dry_run = session.options.dry_run;
    if session.options.offline && !dry_run {
        return Err(offline(Verb::BackupRestore.command()));
    }
    session.agree_to_push()?;
    let view = session.newest(Freshness::Now)?;
    let view = if dry_run { view } else { view.or_fault()? };
    let config = look_in_its_namespace(session, &view);
    let ask = (!session.options.offline && view.degraded.is_none()).then_some(session.limits.network);
    let known = session.board.backups(ask)?;
    let Some(backup) = known.iter().find(|known| known.name == name).cloned() else { return Err(unknown(name, known)) };
    let here = session.board.reach_back(backup.commit, view.head, ask)?;
    if !here && session.board.objects().is_shallow() {
        return Err(Failure::new(ErrorCode::RemoteUnreachable, format!("the history back to {name} is not here"))
            .why("what has happened since the backup is kept, and has to be known for that")
            .hint("run it again with the remote in reach"));
    }
    let config =
        config.ok_or_else(|| Failure::new(ErrorCode::Invalid, "no version of squad/squad.json can be used"))?;
    let actor = session.actor_name(&config)?;
    let action = Action::BackupRestore { name: name.to_owned(), commit: backup.commit.to_string() };
    let mut operation = session.operation(Some(view.head), actor, None, action)?;
    if !dry_run {
        operation = sign(operation, &config, &session.board.settings, session.board.place.run_dir())?;
    }
    let done = session.publish(&operation)?;
    let then = session.board.snapshot(Some(backup.commit))?;
    let (mut restored, mut after) = (Vec::new(), view.snapshot.clone());
    if let Some(preview) = &done.preview {
        let ids = preview.files.iter().filter_map(|(path, _)| stem_of(path).and_then(|stem| TaskId::new(stem).ok()));
        restored.extend(ids);
        restored.sort();
        restored.dedup();
    } else if let Some(commit) = done.receipt.as_ref().and_then(|receipt| receipt.commit.parse::<Oid>().ok()) {
        let parents = session.board.objects().read_commit(commit).map_err(AccessFault::from)?.parents;
        after = session.board.snapshot(Some(commit))?;
        restored.extend(after.differing(&session.board.snapshot(parents.first().copied())?)?);
    }
    let then = then.ids()?;
    let kept = after.ids()?.into_iter().filter(|id| !then.contains(id)).collect();
    Ok(Restored { backup: backup.into(), done, restored, kept })
}

fn unknown(name: &str, known: Vec<NamedVersion>) -> Failure {
    let names: Vec<String> = known.into_iter().map(|known| known.name).collect();
    let hint = match names.as_slice() {
        [] => "there is none yet; `squad backup` makes one".to_owned(),
        names if names.len() <= NAMED => format!("there are: {}", names.join(", ")),
        names => format!("the newest are: {}; `squad backup list` shows all", names[names.len() - NAMED..].join(", ")),
    };
    Failure::new(ErrorCode::NotFound, format!("no backup {}", name.escape_debug()))
        .why("no ref of that name is on the remote")
        .hint(hint)
        .with("what", "backup")
        .with("name", name)
        .with("backups", names)
}

/// Tells the board where its refs are, and returns the configuration that says so: the board's own or, where that cannot
/// be read any more, the last one that could.
fn look_in_its_namespace(session: &Session, view: &View) -> Option<BoardConfig> {
    let mut config = view.snapshot.config().ok().flatten().cloned();
    let mut left = LOOK_BACK;
    if config.is_none() {
        let ask = (!session.options.offline).then_some(session.limits.network);
        let looked = session.board.commits(view.head, ask, |commit| {
            left -= 1;
            let there = session.board.snapshot(Some(commit.oid)).ok();
            config = there.and_then(|there| there.config().ok().flatten().cloned());
            config.is_none() && left > 0
        });
        // What cannot be read is what is being looked past.
        drop(looked);
    }
    if let Some(config) = &config {
        session.board.set_namespace(&config.refs.namespace);
    }
    config
}

fn committed_at(session: &Session, commit: Oid) -> Result<Option<i64>, Failure> {
    let commit = session.board.objects().read_commit(commit).map_err(AccessFault::from)?;
    Ok(Some(commit.committer.at_seconds * 1000))
}

fn no_room() -> Failure {
    Failure::new(ErrorCode::Invalid, "there is no room for backups beside the board")
        .why("refs.namespace and the board's branch would be in each other's way")
        .hint("set `refs.namespace` in squad/squad.json to another, such as refs/squad")
}

/// Returns the instant as a name: `2026-11-28T030405Z`.
fn stamp(now: Millis) -> String {
    let text = rfc3339(now);
    let seconds = text.split('.').next().unwrap_or(&text).trim_end_matches('Z');
    seconds.chars().filter(|c| *c != ':').chain(['Z']).collect()
}
