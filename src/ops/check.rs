//! `check`: the files of a board against the schema and the rules.
//!
//! Owns which files are looked at, wherever they are; what is wrong with them is `review`'s to say.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::dangling::missing_paths;
use super::failure::Failure;
use super::look::evidence_faults;
use super::session::{Freshness, Session};
use crate::board::Oid;
use crate::board::files::{Entry, EntryKind, Files, ReadError, TooLarge};
use crate::board::folder::Folder;
use crate::board::layout::{ARCHIVE_DIR, CONFIG, LIVE_DIR, task_stem};
use crate::board::snapshot::{Snapshot, kind_of};
use crate::model::board::Board;
use crate::model::card::Card;
use crate::model::code::ErrorCode;
use crate::review::check::{
    BoardFile, CheckOptions, CleanFile, FileFault, FileKind, FileRole, Report, check, check_with, not_a_folder,
};
use crate::schema::Violation;

/// What is to be checked.
#[derive(Debug, Clone)]
pub enum Subject {
    /// The board, as the remote has it.
    Board,
    /// What is staged for the user's next commit; the index is another than usual where a hook was given one.
    Staged {
        /// The index file.
        index: Option<PathBuf>,
    },
    /// The board at a commit.
    At(String),
    /// A folder, or one file of tasks.
    Path(PathBuf),
}

/// Checks the files of a board; `stale` is told why what was checked may be out of date.
///
/// # Errors
/// [`Failure`] when they cannot be read at all; what is wrong with them is in the report.
pub fn check_files(
    session: impl FnOnce() -> Result<Session, Failure>,
    subject: &Subject,
    stale: &mut Option<String>,
) -> Result<Report, Failure> {
    let snapshot = match subject {
        Subject::Path(path) if path.is_file() => return one_file(path),
        Subject::Path(path) if !path.exists() => {
            return Err(Failure::new(ErrorCode::NotFound, format!("there is nothing at {}", path.display()))
                .hint("name a folder that holds a board, or a task's file"));
        }
        Subject::Path(path) => Snapshot::new(Box::new(Folder::new(path))),
        Subject::Staged { index } => session()?.board.staged(index.as_deref())?,
        Subject::At(revision) => super::look::snapshot_at(&session()?, revision)?,
        Subject::Board => {
            let session = session()?;
            // A verdict on the board is one on the board as it is now.
            let view = session.newest(Freshness::Now)?;
            stale.clone_from(&view.degraded);
            let evidence = stale_evidence(&session, &view.snapshot)?;
            let mut report = check_snapshot(&view.snapshot)?;
            name_culprits(&session, view.head, &mut report)?;
            report.violations.extend(evidence);
            return with_missing_paths(report, &view.snapshot);
        }
    };
    if !matches!(subject, Subject::Path(_)) && snapshot.files().find(CONFIG).map_err(unreadable)?.is_none() {
        return Err(crate::model::refusal::Refusal::NotFound { what: "board", name: "here".to_owned() }.into());
    }
    let report = check_snapshot(&snapshot)?;
    match subject {
        // The index that is handed in holds the board's files, and not the work.
        Subject::Staged { .. } => Ok(report),
        _ => with_missing_paths(report, &snapshot),
    }
}

fn with_missing_paths(mut report: Report, snapshot: &Snapshot) -> Result<Report, Failure> {
    report.violations.extend(missing_paths(snapshot)?);
    report.locate(|path| {
        let entry = snapshot.files().find(path).ok()??;
        snapshot.files().read(path, &entry).ok()
    });
    Ok(report)
}

/// Most files whose history is looked through: each takes a look at every commit since.
const CULPRITS_MAX: usize = 20;

/// Names the commit that brought each broken file as it is.
fn name_culprits(session: &Session, head: Oid, report: &mut Report) -> Result<(), Failure> {
    let mut files: Vec<String> = report.violations.iter().filter(|v| v.is_error()).map(|v| v.file.clone()).collect();
    files.dedup();
    for file in files.iter().take(CULPRITS_MAX) {
        let Some(commit) = session.board.last_change(head, file)? else { continue };
        let commit = commit.to_string();
        for violation in report.violations.iter_mut().filter(|v| v.file == *file) {
            violation.commit = Some(commit.as_str().into());
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn unreadable(error: ReadError) -> Failure {
    Failure::new(ErrorCode::Internal, "the board cannot be read").caused_by(error.as_ref())
}

/// Checks every file of a board, each read once.
///
/// # Errors
/// [`Failure`] when a folder cannot be listed.
pub fn check_snapshot(snapshot: &Snapshot) -> Result<Report, Failure> {
    let files = snapshot.files();
    // A broken configuration is a violation; where the locks file is then stands in its default place.
    let locks_path = snapshot.locks_path();
    let mut wanted: Vec<(String, FileRole, Entry)> = Vec::new();
    if let Some(entry) = files.find(CONFIG).map_err(unreadable)? {
        wanted.push((CONFIG.to_owned(), FileRole::Config, entry));
    }
    let clean = clean_cards(snapshot)?;
    let is_clean: HashSet<&str> = clean.iter().map(|(_, _, card)| card.id.as_str()).collect();
    let mut looked_at: Vec<(String, Oid)> = Vec::new();
    for entry in files.list(LIVE_DIR).map_err(unreadable)? {
        if let Some(stem) = task_stem(&entry.name).filter(|stem| !is_clean.contains(stem)) {
            let path = format!("{LIVE_DIR}/{}", entry.name);
            looked_at.extend(entry.id.filter(|_| entry.kind == EntryKind::File).map(|id| (path.clone(), id)));
            wanted.push((path, FileRole::Live { stem: stem.to_owned() }, entry));
        }
    }
    let mut astray = Vec::new();
    for month in files.list(ARCHIVE_DIR).map_err(unreadable)? {
        let folder = format!("{ARCHIVE_DIR}/{}", month.name);
        if month.kind != EntryKind::Folder {
            astray.extend(task_stem(&month.name).map(|_| out_of_place(&folder)));
            if is_month(&month.name) {
                astray.extend(not_a_folder(&folder, kind_of(month.kind), "no task of that month can be put away"));
            }
            continue;
        }
        astray.extend((!is_month(&month.name)).then(|| no_month(&folder)));
        for entry in files.list(&folder).map_err(unreadable)? {
            if let Some(stem) = task_stem(&entry.name) {
                let stem = stem.to_owned();
                wanted.push((format!("{folder}/{}", entry.name), FileRole::Archived { stem }, entry));
            }
        }
    }
    for (end, _) in locks_path.match_indices('/') {
        let Some(entry) = files.find(&locks_path[..end]).map_err(unreadable)? else { break };
        let so = "the locks file cannot be written";
        astray.extend(not_a_folder(&locks_path[..end], kind_of(entry.kind), so));
    }
    if let Some(entry) = files.find(&locks_path).map_err(unreadable)? {
        wanted.push((locks_path.clone(), FileRole::Locks, entry));
    }
    let found = wanted.into_iter().map(|(path, role, entry)| read(files, path, role, &entry));
    let options = CheckOptions { config_path: CONFIG.to_owned(), locks_path };
    let known = clean.iter().map(|(path, stem, card)| CleanFile { path, stem, card });
    let mut report = check_with(found, known, &options);
    if let Some(index) = snapshot.index() {
        let faulty: HashSet<&str> = report.violations.iter().map(|violation| violation.file.as_str()).collect();
        looked_at.retain(|(path, _)| !faulty.contains(path.as_str()));
        index.mark_clean(&looked_at.into_iter().map(|(_, file)| file).collect::<Vec<_>>());
    }
    report.violations.extend(snapshot.misplaced().map_err(unreadable)?);
    report.violations.extend(astray);
    report.violations.sort();
    report.locate(|path| {
        let entry = files.find(path).ok()??;
        files.read(path, &entry).ok()
    });
    Ok(report)
}

/// Tells whether a folder of the archive is named as squad names them: `YYYY-MM`.
fn is_month(name: &str) -> bool {
    let is_number = |text: &str, len: usize| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    name.split_once('-')
        .is_some_and(|(year, month)| is_number(year, 4) && is_number(month, 2) && ("01"..="12").contains(&month))
}

fn out_of_place(path: &str) -> Violation {
    let message = "the file lies beside the folders of the months, where no task is looked for";
    let hint = format!("move it to {ARCHIVE_DIR}/YYYY-MM/, by the month in which it was put away");
    Violation::error("archive-place", path, "", message, hint)
}

fn no_month(folder: &str) -> Violation {
    let message = "the archive has a folder for each month, and this is named as none";
    let hint = format!("move its tasks to {ARCHIVE_DIR}/YYYY-MM/, by the month in which each was put away");
    Violation::error("archive-month", folder, "", message, hint).warning()
}

/// Returns the live tasks whose files were found to break no rule of their own, and that name nobody outside the roster:
/// with path, stem and card.
fn clean_cards(snapshot: &Snapshot) -> Result<Vec<(String, String, &Card)>, Failure> {
    let (Some(index), Ok(Some(config))) = (snapshot.index(), snapshot.config()) else { return Ok(Vec::new()) };
    let roster: HashSet<String> = config.agents.iter().map(|agent| agent.name.folded()).collect();
    // What a look at the whole board has read is known from then on.
    let live = snapshot.all_live()?;
    let by_id: HashMap<&str, &Card> = live.tasks.iter().map(|card| (card.id.as_str(), card)).collect();
    let mut clean = Vec::new();
    for entry in snapshot.files().list(LIVE_DIR).map_err(unreadable)? {
        let (Some(stem), Some(file), EntryKind::File) = (task_stem(&entry.name), entry.id, entry.kind) else {
            continue;
        };
        let Some(card) = by_id.get(stem).filter(|_| index.is_clean(file)) else { continue };
        if card.names().all(|name| roster.contains(&name.folded())) {
            clean.push((format!("{LIVE_DIR}/{}", entry.name), stem.to_owned(), *card));
        }
    }
    Ok(clean)
}

fn read(files: &dyn Files, path: String, role: FileRole, entry: &Entry) -> BoardFile {
    let kind = kind_of(entry.kind);
    let content = match kind {
        FileKind::Ordinary => files.read(&path, entry).map_err(|error| match error.downcast_ref::<TooLarge>() {
            Some(large) => FileFault::TooLarge { bytes: large.size },
            None => FileFault::Unreadable { why: error.to_string() },
        }),
        _ => Ok(Vec::new()),
    };
    BoardFile { path, role, kind, content }
}

/// Checks one task's file by itself: the rules between files need the others.
fn one_file(path: &Path) -> Result<Report, Failure> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = task_stem(&name).unwrap_or(&name).to_owned();
    let folder = Folder::new(path.parent().unwrap_or(Path::new(".")));
    let role = FileRole::Live { stem };
    let entry = folder.find(&name).map_err(unreadable)?;
    let entry = entry.ok_or_else(|| Failure::new(ErrorCode::NotFound, format!("no file {name}")))?;
    let file = read(&folder, name.clone(), role, &entry);
    let options = CheckOptions { config_path: String::new(), locks_path: String::new() };
    let mut report = check([file], &options);
    // By itself a file has no board around it that could lack anything.
    report.violations.retain(|v| v.file == name);
    Ok(report)
}

/// Returns the evidence of the board's tasks that is no longer what it was, as far as it is in this worktree.
pub(super) fn stale_evidence(session: &Session, snapshot: &Snapshot) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for card in snapshot.live()?.iter().filter(|card| card.has_files) {
        let Some(task) = snapshot.glance(&card.id)? else { continue };
        for fault in evidence_faults(session, snapshot, &task) {
            let violation = Violation::error(
                "evidence-changed",
                crate::board::layout::task_path(&task.id, &crate::model::board::Place::Live),
                "/evidence",
                fault,
                "hand in again with evidence of the file as it is, if the change is meant",
            );
            found.push(violation.warning());
        }
    }
    Ok(found)
}
