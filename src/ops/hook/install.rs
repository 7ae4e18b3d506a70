//! Puts squad's hook where git runs it, and takes it out again without a trace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::survey::{Script, Survey, has_lines};
use super::{EVENT, Hook, How, MERGE, NAME, block};
use crate::board::repository::{Configured, Repository};
use crate::board::store::{write_whole, write_with_mode};
use crate::model::code::ErrorCode;
use crate::ops::act::difference;
use crate::ops::doctor::State;
use crate::ops::failure::Failure;

/// What a file is, or would be, changed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: String,
    /// The difference, as `diff -u` shows it; for git's configuration the command that makes it.
    pub diff: String,
}

/// What came of putting the hook in or taking it out.
#[derive(Debug)]
pub struct Changed {
    /// The hooks, as they are now; on a dry run as they are still.
    pub hooks: Vec<Hook>,
    /// What was changed; nothing where all was as it should be.
    pub changes: Vec<Change>,
}

/// Puts squad's hook in: into git's configuration where git runs hooks from there, else as lines into the hook script.
/// Where somebody else owns the hooks nothing is touched, and the hook that comes back says what to write by hand.
/// `program` is the squad that the hook is to ask.
///
/// # Errors
/// [`Failure`] in a bare repository, and where something cannot be read or written.
pub fn install(repository: &Repository, program: Option<&Path>, dry_run: bool) -> Result<Changed, Failure> {
    if repository.place.is_bare() {
        let path = repository.place.common_dir.display().to_string();
        return Err(Failure::new(ErrorCode::NotFound, format!("{path} is a bare repository"))
            .why("no commit is made in one, so git runs no pre-commit hook there")
            .hint("run `squad hook install` in a clone or a worktree"));
    }
    let survey = Survey::of(repository, EVENT)?;
    let lines = match &survey.script {
        Script::Shell(bytes) if block::find(bytes).is_some() => Some(bytes),
        _ => None,
    };
    let mut changes = Vec::new();
    let mut is_script = false;
    let by_hand = survey.asking().into_iter().find(|hook| hook.how == How::ByHand);
    if let Some(old) = lines {
        is_script = true;
        changes.extend(rewrite(&survey.file, old, Some(&block::with_lines(old, program)), dry_run)?);
    } else if by_hand.as_ref().is_some_and(|hook| hook.state == State::Ok) {
        // Somebody has seen to it.
    } else if survey.runs_configured {
        changes.extend(configure(&survey, program, dry_run)?);
    } else if by_hand.is_some() {
        // Somebody means to, and is told what is the matter with it.
    } else if let Some(hook) = survey.by_hand() {
        return Ok(Changed { hooks: vec![hook], changes });
    } else {
        is_script = true;
        let (old, new) = match &survey.script {
            Script::Shell(old) => (old.as_slice(), block::with_lines(old, program)),
            _ => (&[][..], block::new_script(program)),
        };
        changes.extend(rewrite(&survey.file, old, Some(&new), dry_run)?);
    }
    if is_script {
        changes.extend(before_merges(repository, program, dry_run)?);
    }
    let note = note_of(repository);
    if !dry_run && note.parent().is_some_and(Path::is_dir) {
        // Without the note a hook that goes missing is merely not missed.
        let _ = write_whole(&note, b"");
    }
    Ok(Changed { hooks: super::status(repository)?, changes })
}

/// Puts squad's lines where `git merge` looks, unless what stands there is somebody else's to change, or asks already.
fn before_merges(repository: &Repository, program: Option<&Path>, dry_run: bool) -> Result<Option<Change>, Failure> {
    let survey = Survey::of(repository, MERGE)?;
    if survey.hands_on() || survey.asking().iter().any(|hook| hook.how == How::ByHand) {
        return Ok(None);
    }
    let (old, new) = match &survey.script {
        Script::Shell(old) => (old.as_slice(), block::with_lines(old, program)),
        Script::None => (&[][..], block::new_script(program)),
        Script::Other { .. } => return Ok(None),
    };
    rewrite(&survey.file, old, Some(&new), dry_run)
}

/// Tells whether a hook was put in here and has not been taken out again by squad.
pub fn was_installed(repository: &Repository) -> bool {
    note_of(repository).exists()
}

/// Where this clone notes, with its own state, that it wants the hook.
fn note_of(repository: &Repository) -> PathBuf {
    repository.place.common_dir.join("squad").join("hooked")
}

/// Takes out what [`install`] has put in, wherever that was. What somebody wrote by hand stays.
///
/// # Errors
/// [`Failure`] where something cannot be read or written.
pub fn uninstall(repository: &Repository, dry_run: bool) -> Result<Changed, Failure> {
    let survey = Survey::of(repository, EVENT)?;
    let merges = Survey::of(repository, MERGE)?;
    let mut changes = Vec::new();
    if repository.forget_hook(NAME, dry_run)? {
        let diff = format!("git config --local --remove-section hook.{NAME}\n");
        changes.push(Change { path: survey.config_file.display().to_string(), diff });
    }
    let files = [Some(&survey.file), survey.passed_over.as_ref(), Some(&merges.file), merges.passed_over.as_ref()];
    for file in files.into_iter().flatten().filter(|file| has_lines(file)) {
        let old = fs::read(file).map_err(|error| failed("read", file, &error))?;
        changes.extend(rewrite(file, &old, block::without_lines(&old).as_deref(), dry_run)?);
    }
    if !dry_run {
        let _ = fs::remove_file(note_of(repository));
    }
    Ok(Changed { hooks: super::status(repository)?, changes })
}

fn configure(survey: &Survey<'_>, program: Option<&Path>, dry_run: bool) -> Result<Option<Change>, Failure> {
    let command = block::one_line(program);
    // One for all repositories is the user's own.
    let for_merges = survey.repository.configured_hook(NAME, MERGE)?.is_some();
    let is_there = |hook: &Configured| (hook.command == command && for_merges) || !hook.is_local;
    if survey.configured.as_ref().is_some_and(is_there) {
        return Ok(None);
    }
    if !dry_run {
        survey.repository.configure_hook(NAME, &[MERGE, EVENT], &command)?;
    }
    let quoted = command.replace('\'', r"'\''");
    let events: String = [MERGE, EVENT].map(|event| format!("git config --add hook.{NAME}.event {event}\n")).concat();
    let diff = format!("git config hook.{NAME}.command '{quoted}'\n{events}");
    Ok(Some(Change { path: survey.config_file.display().to_string(), diff }))
}

/// Gives a hook script another content, or removes it where it is to have none.
fn rewrite(file: &Path, old: &[u8], new: Option<&[u8]>, dry_run: bool) -> Result<Option<Change>, Failure> {
    if new == Some(old) {
        return Ok(None);
    }
    if !dry_run {
        match new {
            Some(new) => write_script(file, new).map_err(|error| failed("write", file, &error))?,
            None => fs::remove_file(file).map_err(|error| failed("remove", file, &error))?,
        }
    }
    let diff =
        difference(old, new.unwrap_or_default(), &format!("hooks/{}", file.file_name().unwrap_or_default().display()));
    Ok(Some(Change { path: file.display().to_string(), diff }))
}

/// Writes a script whole: git runs the old one or the new one, and never a part. One that is there keeps its mode.
fn write_script(file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    write_with_mode(file, bytes, program_permissions())
}

#[cfg(unix)]
fn program_permissions() -> Option<fs::Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

#[cfg(not(unix))]
fn program_permissions() -> Option<fs::Permissions> {
    None
}

fn failed(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(ErrorCode::Internal, format!("cannot {what} the hook {}", file.display()))
        .caused_by(error)
        .hint("allow writing there: a sandbox may keep the git folder read-only, or the disk is full")
}
