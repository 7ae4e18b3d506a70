//! One pass over the files of a board.
//!
//! Owns what a file to check is, which rules look at it and what the report is. A file's content is dropped as soon
//! as its own rules have looked; what the rules between files need of it is in `kept`.

use std::collections::HashSet;

use super::kept::{Kept, Names};
use super::locks::{self, FoundLocks};
use super::within;
use crate::model::card::Card;
use crate::model::config::BoardConfig;
use crate::model::id::{AgentName, TaskId};
use crate::model::task::Task;
use crate::schema::document::{MAX_BYTES, line_of};
use crate::schema::{Violation, look_at_board, look_at_task};

/// One file of the board, as it was found.
#[derive(Debug, Clone)]
pub struct BoardFile {
    /// The path within the repository.
    pub path: String,
    /// What it is on the board.
    pub role: FileRole,
    /// What sort of thing stands at the path.
    pub kind: FileKind,
    /// Its bytes, or why there are none; not looked at where the kind is not [`FileKind::Ordinary`].
    pub content: Result<Vec<u8>, FileFault>,
}

/// What a file is on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileRole {
    /// The configuration and roster.
    Config,
    /// A task in the folder of those that are worked on.
    Live {
        /// The file's name without `.json`.
        stem: String,
    },
    /// A task that was put away.
    Archived {
        /// The file's name without `.json`.
        stem: String,
    },
    /// The locks file.
    Locks,
}

/// What sort of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// An ordinary file.
    Ordinary,
    /// A file that may be executed.
    Executable,
    /// A symbolic link.
    Link,
    /// A folder.
    Folder,
    /// Another repository.
    Submodule,
}

/// A task's file that is known to break no rule of its own.
#[derive(Debug, Clone, Copy)]
pub struct CleanFile<'a> {
    /// The path within the repository.
    pub path: &'a str,
    /// The file's name without `.json`.
    pub stem: &'a str,
    /// Its card.
    pub card: &'a Card,
}

/// Why a file has no content to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFault {
    /// It is larger than a file of the board may be, and was not read.
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
    },
    /// It could not be read.
    Unreadable {
        /// Why, in the reader's words.
        why: String,
    },
}

/// What the check must know that stands in none of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// Where the configuration is, or should be.
    pub config_path: String,
    /// Where the locks file is, or should be.
    pub locks_path: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that is wrong or odd, by file, place in the file and code.
    pub violations: Vec<Violation>,
    /// How many files were looked at.
    pub checked: usize,
}

impl Report {
    /// Tells whether any violation is an error.
    pub fn has_errors(&self) -> bool {
        self.violations.iter().any(Violation::is_error)
    }

    /// Sets the lines that are not known yet: those of the rules between files, whose content was not kept.
    ///
    /// `read` gives a file once more; it is asked once for each file that has such a violation. Where it gives
    /// nothing, the line stays unknown.
    pub fn locate(&mut self, mut read: impl FnMut(&str) -> Option<Vec<u8>>) {
        for of_one_file in self.violations.chunk_by_mut(|a, b| a.file == b.file) {
            if of_one_file.iter().all(|v| v.line.is_some()) {
                continue;
            }
            let bytes = read(&of_one_file[0].file);
            if let Some(text) = bytes.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()) {
                set_lines(of_one_file, text);
            }
        }
        self.violations.sort();
    }
}

/// Checks the files of a board, each handed in once; in any order, though with the configuration first less is kept.
///
/// What is larger than [`MAX_BYTES`] need not be handed in with its content: see [`FileFault::TooLarge`].
pub fn check(files: impl IntoIterator<Item = BoardFile>, options: &CheckOptions) -> Report {
    check_with(files, [], options)
}

/// Checks the files of a board, of which some live tasks are known to break no rule of their own: of those only the rules
/// between files are left.
pub fn check_with<'a>(
    files: impl IntoIterator<Item = BoardFile>,
    clean: impl IntoIterator<Item = CleanFile<'a>>,
    options: &CheckOptions,
) -> Report {
    let mut pass = Pass::default();
    for file in files {
        pass.look(&file);
    }
    for CleanFile { path, stem, card } in clean {
        pass.checked += 1;
        pass.tasks.push(Kept::clean(path, stem, card));
    }
    pass.finish(options)
}

/// Checks live tasks whose files changed and of which the rules between files see the same as before, so that these can
/// only find what they found before: what is left are the rules of each file. Nothing where they could see anything else;
/// then all of the board has to be looked at. `roster` is that of both versions, which have all other files in common.
pub fn check_apart(before: &[BoardFile], after: &[BoardFile], roster: &BoardConfig) -> Option<(Report, Report)> {
    let look = |files: &[BoardFile]| {
        let mut pass = Pass { roster: Some(folded(roster)), ..Pass::default() };
        files.iter().for_each(|file| pass.look(file));
        pass
    };
    let (before, after) = (look(before), look(after));
    let is_same = before.tasks.len() == after.tasks.len()
        && before.tasks.iter().zip(&after.tasks).all(|(before, after)| before.is_same_to_others(after));
    is_same.then(|| (before.finish_apart(), after.finish_apart()))
}

fn folded(config: &BoardConfig) -> HashSet<String> {
    config.agents.iter().map(|agent| agent.name.folded()).collect()
}

/// Returns the violation of a task whose id is not the stem of its file's name.
pub fn id_mismatch(path: &str, stem: &str, task: &Task) -> Option<Violation> {
    (task.id.as_str() != stem).then(|| {
        Violation::error(
            "id-mismatch",
            path,
            "/id",
            format!("the id is {} and the file is called {}.json", task.id, stem.escape_debug()),
            "rename the file or correct the id: they must be equal",
        )
    })
}

/// Returns the violation of a board file that is no ordinary one.
pub fn not_ordinary(path: &str, kind: FileKind) -> Option<Violation> {
    let what = match kind {
        FileKind::Ordinary => return None,
        FileKind::Executable => "may be executed",
        FileKind::Link => "is a symbolic link",
        FileKind::Folder => "is a folder",
        FileKind::Submodule => "is a submodule",
    };
    Some(Violation::error(
        "not-a-file",
        path,
        "",
        format!("it {what}; a file of the board must be an ordinary file (mode 100644)"),
        "replace it by an ordinary file",
    ))
}

/// Returns what is wrong with something that stands where a folder of the board should; `so` says what comes of it.
pub fn not_a_folder(path: &str, kind: FileKind, so: &str) -> Option<Violation> {
    let what = match kind {
        FileKind::Folder => return None,
        FileKind::Ordinary | FileKind::Executable => "is a file",
        FileKind::Link => "is a symbolic link",
        FileKind::Submodule => "is a submodule",
    };
    let message = format!("it {what} where a folder should be, so {so}");
    let hint = "bring the folder back from the history, or move away what is in its place";
    Some(Violation::error("not-a-folder", path, "", message, hint))
}

/// What has been seen so far.
#[derive(Default)]
struct Pass {
    violations: Vec<Violation>,
    checked: usize,
    config: Seen<BoardConfig>,
    roster: Option<HashSet<String>>,
    locks: FoundLocks,
    tasks: Vec<Kept>,
}

/// Whether a file of which there is one has been seen.
#[derive(Default)]
enum Seen<T> {
    #[default]
    No,
    /// Seen, and nothing could be made of it.
    Broken,
    Read(Box<T>),
}

impl Pass {
    fn look(&mut self, file: &BoardFile) {
        self.checked += 1;
        let bytes = match content(file) {
            Ok(bytes) => Some(bytes),
            Err(violation) => {
                self.violations.push(*violation);
                None
            }
        };
        match &file.role {
            FileRole::Config => self.config(&file.path, bytes),
            FileRole::Locks => {
                let (found, violations) = FoundLocks::read(&file.path, bytes);
                self.locks = found;
                self.violations.extend(violations);
            }
            FileRole::Live { stem } => self.task(&file.path, stem, false, bytes),
            FileRole::Archived { stem } => self.task(&file.path, stem, true, bytes),
        }
    }

    fn config(&mut self, path: &str, bytes: Option<&[u8]>) {
        self.config = Seen::Broken;
        let Some(bytes) = bytes else { return };
        let look = look_at_board(path, bytes);
        self.violations.extend(look.violations);
        let Some(config) = look.typed else { return };
        let mut twins = within::roster(path, &config);
        twins.extend(within::locks_place(path, &config));
        set_lines(&mut twins, std::str::from_utf8(bytes).unwrap_or_default());
        self.violations.extend(twins);
        self.roster = Some(folded(&config));
        self.config = Seen::Read(Box::new(config));
    }

    fn task(&mut self, path: &str, stem: &str, archived: bool, bytes: Option<&[u8]>) {
        let is_id = TaskId::new(stem);
        if let Err(bad) = &is_id {
            let message = format!("no task can have this file's name: {bad}");
            let hint = "give the task an id that may be one, and name the file after it";
            self.violations.push(Violation::error("bad-file-name", path, "", message, hint));
        }
        let mut kept = Kept::unread(path, stem, archived);
        if let Some(bytes) = bytes {
            let look = look_at_task(path, bytes);
            let is_newer = look.violations.iter().any(Violation::is_error);
            self.violations.extend(look.violations);
            if let Some(task) = look.typed {
                let mut found = Vec::new();
                if is_id.is_ok() {
                    found.extend(id_mismatch(path, stem, &task));
                }
                // What a newer squad means by its fields is not for this one to judge.
                if !is_newer {
                    within::rules(path, &task, archived, &mut found);
                }
                if !found.is_empty() {
                    set_lines(&mut found, std::str::from_utf8(bytes).unwrap_or_default());
                    self.violations.extend(found);
                }
                kept.read(&task, self.roster.as_ref());
            }
        }
        self.tasks.push(kept);
    }

    /// Ends a pass over tasks whose neighbours were not looked at.
    fn finish_apart(mut self) -> Report {
        if let Some(roster) = &self.roster {
            strangers(&self.tasks, roster, &mut self.violations);
        }
        self.violations.sort();
        Report { violations: self.violations, checked: self.checked }
    }

    fn finish(mut self, options: &CheckOptions) -> Report {
        // The live file of an id comes before its archived ones, whatever order the files came in.
        self.tasks.sort_by(|a, b| (a.archived, &a.path).cmp(&(b.archived, &b.path)));
        let names = Names::of(&self.tasks);
        names.twins(&self.tasks, &mut self.violations);
        names.references(&self.tasks, &mut self.violations);
        names.circles(&self.tasks, &mut self.violations);
        if let Some(roster) = &self.roster {
            strangers(&self.tasks, roster, &mut self.violations);
        }
        let config = match &self.config {
            Seen::Read(config) => Some(config.as_ref()),
            Seen::Broken => None,
            Seen::No => {
                let message = "there is no configuration, so nobody is in the roster";
                let hint = "`squad init` makes one, and enters everybody whom the tasks name";
                self.violations.push(Violation::error("no-config", &options.config_path, "", message, hint));
                None
            }
        };
        let on_a_board = !matches!(self.config, Seen::No);
        locks::compare(&self.tasks, &self.locks, on_a_board, &options.locks_path, &mut self.violations);
        locks::overlaps(&self.tasks, config, &mut self.violations);
        self.violations.sort();
        self.violations.dedup();
        Report { violations: self.violations, checked: self.checked }
    }
}

/// Returns the bytes of an ordinary file that could be read.
fn content(file: &BoardFile) -> Result<&[u8], Box<Violation>> {
    if let Some(violation) = not_ordinary(&file.path, file.kind) {
        return Err(Box::new(violation));
    }
    let violation = |fault: &FileFault| match fault {
        FileFault::TooLarge { bytes } => Violation::error(
            "too-large",
            &file.path,
            "",
            format!("the file has {bytes} bytes, more than the {MAX_BYTES} that a file of the board may have"),
            "move long texts into files of the repository and name their paths",
        ),
        FileFault::Unreadable { why } => Violation::error(
            "unreadable",
            &file.path,
            "",
            format!("the file cannot be read: {}", why.chars().take(300).collect::<String>().escape_debug()),
            "make the file readable, or take the last good version from its history",
        ),
    };
    file.content.as_deref().map_err(|fault| Box::new(violation(fault)))
}

/// Sets the lines that are not known yet.
pub(super) fn set_lines(violations: &mut [Violation], text: &str) {
    for violation in violations.iter_mut().filter(|v| v.line.is_none()) {
        violation.line = line_of(text, &violation.pointer);
    }
}

/// Names on tasks that are worked on, and in no roster. The archive is history: whoever left stays in it.
fn strangers(tasks: &[Kept], roster: &HashSet<String>, found: &mut Vec<Violation>) {
    for task in tasks {
        for (pointer, name) in task.names.iter().filter(|(_, name)| !roster.contains(&name.folded())) {
            found.push(stranger(&task.path, pointer, name));
        }
    }
}

fn stranger(path: &str, pointer: &str, name: &AgentName) -> Violation {
    let hint = match AgentName::new(name.as_str()) {
        Ok(name) => format!("`squad agents add {name} --role executor`, or correct the name"),
        Err(_) => "correct the name".to_owned(),
    };
    Violation::error("unknown-agent", path, pointer, format!("{name} is not in the roster"), hint).warning()
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
