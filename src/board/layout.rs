//! Where the board's files are.
//!
//! Owns every path of the board. A path is built from a checked id and nothing else.

use crate::model::board::Place;
use crate::model::id::TaskId;

/// The configuration and roster.
pub const CONFIG: &str = "squad/squad.json";

/// The folder that holds all of the board but the locks file.
pub const ROOT: &str = "squad";

/// The folder of all tasks.
pub const TASKS_DIR: &str = "squad/tasks";

/// The folder of the tasks that are worked on.
pub const LIVE_DIR: &str = "squad/tasks/json";

/// The folder of the tasks that were put away; one folder a month below it.
pub const ARCHIVE_DIR: &str = "squad/tasks/archived";

/// Attributes for git; squad owns a block of it.
pub const ATTRIBUTES: &str = ".gitattributes";

/// Returns the path of a task's file.
pub fn task_path(id: &TaskId, place: &Place) -> String {
    match place {
        Place::Live => format!("{LIVE_DIR}/{id}.json"),
        Place::Archived(month) => format!("{ARCHIVE_DIR}/{month}/{id}.json"),
    }
}

/// Returns the stem of a task's file name, or `None` for a file that is no task.
pub fn task_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".json").filter(|stem| !stem.is_empty())
}

/// Returns the stem of the task that a path within the repository is the file of.
pub fn stem_of(path: &str) -> Option<&str> {
    let within = path.strip_prefix(LIVE_DIR).or_else(|| path.strip_prefix(ARCHIVE_DIR))?.strip_prefix('/')?;
    task_stem(within.rsplit('/').next()?)
}

/// Returns the folders and files that squad writes, as arguments for git.
pub fn pathspecs(locks_file: &str) -> Vec<String> {
    vec![CONFIG.to_owned(), LIVE_DIR.to_owned(), ARCHIVE_DIR.to_owned(), ATTRIBUTES.to_owned(), locks_file.to_owned()]
}

/// First line of squad's block in `.gitattributes`.
const BLOCK_BEGIN: &str = "# squad: begin";
/// Last line of squad's block in `.gitattributes`.
const BLOCK_END: &str = "# squad: end";

/// Returns `.gitattributes` with squad's block in it: added at the end, or replaced where it stands.
///
/// The drivers that it names are set up by each clone for itself; where they are not, git merges and compares as ever. A
/// locks file that is another tool's is not squad's to merge.
pub fn attributes_with_block(old: Option<&str>, locks_file: &str, locks_are_foreign: bool) -> String {
    let tasks = "merge=squad diff=squad";
    let locks = if locks_are_foreign { "" } else { " merge=squad" };
    let lines = [
        "squad/** text eol=lf\n",
        &format!("{LIVE_DIR}/*.json {tasks}\n{ARCHIVE_DIR}/*/*.json {tasks}\n"),
        &format!("{locks_file} text eol=lf{locks}\n"),
    ];
    with_block(old, &lines.concat())
}

/// Returns the same as the first boards have it, whose block named no drivers.
pub fn attributes_with_first_block(old: Option<&str>, locks_file: &str) -> String {
    with_block(old, &format!("squad/** text eol=lf\n{locks_file} text eol=lf\n"))
}

fn with_block(old: Option<&str>, lines: &str) -> String {
    let block = format!("{BLOCK_BEGIN}\n{lines}{BLOCK_END}\n");
    let Some(old) = old else { return block };
    if let (Some(from), Some(to)) = (old.find(BLOCK_BEGIN), old.find(BLOCK_END))
        && from < to
    {
        let rest = old[to + BLOCK_END.len()..].strip_prefix('\n').unwrap_or(&old[to + BLOCK_END.len()..]);
        return format!("{}{block}{rest}", &old[..from]);
    }
    let gap = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    format!("{old}{gap}{block}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_added_once_and_keeps_what_is_around_it() {
        let once = attributes_with_block(Some("*.png binary"), "locks.json", false);
        assert_eq!(
            once,
            "*.png binary\n# squad: begin\nsquad/** text eol=lf\nsquad/tasks/json/*.json merge=squad diff=squad\n\
             squad/tasks/archived/*/*.json merge=squad diff=squad\nlocks.json text eol=lf merge=squad\n# squad: end\n"
        );
        assert_eq!(attributes_with_block(Some(&once), "locks.json", false), once);
        let moved = attributes_with_block(Some(&format!("{once}*.jpg binary\n")), "other.json", false);
        assert!(moved.starts_with("*.png binary\n# squad: begin\n") && moved.ends_with("# squad: end\n*.jpg binary\n"));
        assert!(moved.contains("other.json text") && !moved.contains("locks.json"));
        assert_eq!(
            attributes_with_block(Some(&attributes_with_first_block(None, "a")), "a", true),
            attributes_with_block(None, "a", true)
        );
    }

    #[test]
    fn only_json_files_are_tasks() {
        assert_eq!(task_stem("a.json"), Some("a"));
        for other in [".json", "a.md", "a.json.bak", "json"] {
            assert_eq!(task_stem(other), None, "{other}");
        }
    }
}
