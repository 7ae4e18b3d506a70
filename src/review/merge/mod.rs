//! Two versions of one file of the board, made of the same third one, become one: the merge that git asks for.
//!
//! Owns what is kept of both sides: a task is merged field by field, its state as one move after the other, its locks
//! by the task. What cannot be kept is reported, never dropped in silence, and what cannot be judged is refused. The
//! rules of the state are in `state`, those of single values in `value` and `lists`.
//!
//! Where operations have moved a task on one side only, that side is what the board has: its move comes first, and stays where
//! the other is not legal after it. Otherwise which side is called *ours* matters in three cases, and in no other: where both
//! sides moved a task and neither move is legal after the other, ours stays; where both changed the entry of one task in the locks
//! file; and keys that only theirs has are put among ours.

mod lists;
mod locks;
mod state;
mod task;
mod value;

use std::fmt;

use super::check::FileRole;
use super::within;
use crate::model::locks::LocksFile;
use crate::model::task::Task;
use crate::schema::canonical::write;
use crate::schema::compile::parse_violation;
use crate::schema::{Json, Violation, load_task, validate_coordination, validate_task};

/// One of the two sides of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What is merged into: for git `%A`.
    Ours,
    /// What is merged: for git `%B`.
    Theirs,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }

    const fn of<T: Copy>(self, ours: T, theirs: T) -> T {
        match self {
            Self::Ours => ours,
            Self::Theirs => theirs,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.of("ours", "theirs"))
    }
}

/// A value of one side that the result does not have.
#[derive(Debug, Clone, PartialEq)]
pub struct Lost {
    /// JSON pointer to where it stood.
    pub pointer: String,
    /// Whose it was.
    pub side: Side,
    /// The value; nothing where that side had taken it out.
    pub value: Option<Json>,
    /// What stands there now; nothing where nothing does.
    pub kept: Option<Json>,
}

/// Longest value that a message quotes, in characters; the whole of it is in the commit that was merged.
const QUOTED: usize = 200;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |value: &Option<Json>| match value {
            None => "nothing".to_owned(),
            Some(value) => {
                let text = crate::schema::canonical::write_line(value);
                let cut: String = text.chars().take(QUOTED).collect();
                if cut.len() < text.len() { cut + "…" } else { cut }
            }
        };
        write!(f, "{} of {} was {}; it is {} now", self.pointer, self.side, quote(&self.value), quote(&self.kept))
    }
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The file.
    pub bytes: Vec<u8>,
    /// What is not in it.
    pub lost: Vec<Lost>,
}

/// Why two versions were not merged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unmergeable {
    /// One of the three versions is no file that squad can judge.
    #[error("{version}: {}", violation.message)]
    Broken {
        /// Which version: `base`, `ours` or `theirs`.
        version: &'static str,
        /// What is wrong with it.
        violation: Box<Violation>,
    },
    /// The versions are of different tasks.
    #[error("ours is {ours} and theirs is {theirs}")]
    OtherTask {
        /// The id of ours.
        ours: String,
        /// The id of theirs.
        theirs: String,
    },
    /// What would come out breaks a rule that neither side breaks.
    #[error("merged, {}", violation.message)]
    Breaks {
        /// The rule.
        violation: Box<Violation>,
    },
}

/// Merges two versions of a file; `base` is what both were made of, where they have something in common.
///
/// Where one side has not changed the file the result is the other, byte for byte.
///
/// # Errors
/// [`Unmergeable`]: a version cannot be read, is too large or newer than this squad, or no rule of the board would hold
/// for what comes out. A person has to decide then.
pub fn merge(
    path: &str,
    role: &FileRole,
    base: Option<&[u8]>,
    ours: &[u8],
    theirs: &[u8],
) -> Result<Merged, Unmergeable> {
    match role {
        FileRole::Live { .. } => merge_tasks(path, false, base, ours, theirs),
        FileRole::Archived { .. } => merge_tasks(path, true, base, ours, theirs),
        FileRole::Config | FileRole::Locks => merge_locks(path, base, ours, theirs),
    }
}

/// Returns the side that alone has changed the file, or either where both are the same.
fn only_change<'a>(base: Option<&[u8]>, ours: &'a [u8], theirs: &'a [u8]) -> Option<&'a [u8]> {
    if ours == theirs || base == Some(theirs) { Some(ours) } else { (base == Some(ours)).then_some(theirs) }
}

fn merge_tasks(
    path: &str,
    archived: bool,
    base: Option<&[u8]>,
    ours: &[u8],
    theirs: &[u8],
) -> Result<Merged, Unmergeable> {
    let read = |version, bytes| read_task(path, version, bytes);
    let before = base.map(|bytes| read("base", bytes)).transpose()?;
    let (our_task, our_document) = read("ours", ours)?;
    let (their_task, their_document) = read("theirs", theirs)?;
    if our_task.id != their_task.id {
        let (ours, theirs) = (our_task.id.to_string(), their_task.id.to_string());
        return Err(Unmergeable::OtherTask { ours, theirs });
    }
    if let Some(one) = only_change(base, ours, theirs) {
        return Ok(Merged { bytes: one.to_vec(), lost: Vec::new() });
    }
    let version = |(task, document)| task::Version::new(task, document);
    let (document, lost) = task::merge(
        before.as_ref().map(|(task, document)| version((task, document))).as_ref(),
        &version((&our_task, &our_document)),
        &version((&their_task, &their_document)),
    );
    let bytes = spelled(&document, &[(&our_document, ours), (&their_document, theirs)]);
    let refuse = |violation: Violation| Unmergeable::Breaks { violation: Box::new(violation) };
    let (task, _) = load_task(path, &bytes).map_err(|mut found| refuse(found.remove(0)))?;
    let broken = |task: &Task| {
        let mut found = Vec::new();
        within::rules(path, task, archived, &mut found);
        found.retain(Violation::is_error);
        found
    };
    let (of_ours, of_theirs) = (broken(&our_task), broken(&their_task));
    let known = |violation: &Violation| {
        let has = |found: &[Violation]| found.iter().any(|one| one.code == violation.code);
        // One side has put the task away and the other has not: git has chosen one of the two places for the result.
        if violation.code == "wrong-folder" {
            has(&of_ours) && has(&of_theirs)
        } else {
            has(&of_ours) || has(&of_theirs)
        }
    };
    match broken(&task).into_iter().find(|violation| !known(violation)) {
        Some(violation) => Err(refuse(violation)),
        None => Ok(Merged { bytes, lost }),
    }
}

fn read_task(path: &str, version: &'static str, bytes: &[u8]) -> Result<(Task, Json), Unmergeable> {
    let broken = |violation| Unmergeable::Broken { version, violation: Box::new(violation) };
    let (task, document) = load_task(path, bytes).map_err(|mut found| broken(found.remove(0)))?;
    // A newer file can be read, but what its fields mean together is not known.
    match validate_task(path, &document).into_iter().find(Violation::is_error) {
        Some(violation) => Err(broken(violation)),
        None => Ok((task, document)),
    }
}

fn merge_locks(path: &str, base: Option<&[u8]>, ours: &[u8], theirs: &[u8]) -> Result<Merged, Unmergeable> {
    let read = |version, bytes| read_locks(path, version, bytes);
    let before = base.map(|bytes| read("base", bytes)).transpose()?;
    let (our_document, their_document) = (read("ours", ours)?, read("theirs", theirs)?);
    if let Some(one) = only_change(base, ours, theirs) {
        return Ok(Merged { bytes: one.to_vec(), lost: Vec::new() });
    }
    let (document, lost) = locks::merge(before.as_ref(), &our_document, &their_document);
    let bytes = spelled(&document, &[(&our_document, ours), (&their_document, theirs)]);
    match read_locks(path, "merged", &bytes) {
        Ok(_) => Ok(Merged { bytes, lost }),
        Err(Unmergeable::Broken { violation, .. }) => Err(Unmergeable::Breaks { violation }),
        Err(other) => Err(other),
    }
}

fn read_locks(path: &str, version: &'static str, bytes: &[u8]) -> Result<Json, Unmergeable> {
    let broken = |violation| Unmergeable::Broken { version, violation: Box::new(violation) };
    let document = Json::parse(bytes).map_err(|fault| broken(parse_violation(path, &fault)))?;
    if let Some(violation) = validate_coordination(path, &document).into_iter().find(Violation::is_error) {
        return Err(broken(violation));
    }
    let why = match LocksFile::read(Some(bytes)) {
        LocksFile::Ours(_) => return Ok(document),
        LocksFile::Foreign { looks_like } => format!("the file is not squad's: {looks_like}"),
        LocksFile::Broken { why, .. } => why,
        LocksFile::Absent => "the file is empty".to_owned(),
    };
    Err(broken(Violation::error("locks-foreign", path, "", why, "merge it by hand")))
}

/// Returns the bytes of a document: those of a side that says the same, so that a layout by hand stays.
fn spelled(document: &Json, sides: &[(&Json, &[u8])]) -> Vec<u8> {
    match sides.iter().find(|(side, _)| *side == document) {
        Some((_, bytes)) => bytes.to_vec(),
        None => write(document).into_bytes(),
    }
}

#[cfg(test)]
#[path = "../merge_tests.rs"]
mod tests;
