//! Who is in whose way: the entries of one task against the locks of all others.
//!
//! Owns the order of the answer, not what follows from it: a hard lock refuses a claim or only warns as the board's
//! policy says.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::Serialize;

use super::coordination::{Work, mode_of};
use super::path;
use super::pattern::{Head, Pattern};
use crate::model::id::{AgentName, Millis, TaskId};
use crate::model::task::Task;
use crate::model::vocabulary::LockMode;

/// An entry of mine and an entry of another task that have a path in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// My entry, as it is spelled.
    pub path: String,
    /// The other task.
    pub task: TaskId,
    /// Who holds it, or for a task that nobody holds whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Since when.
    pub since: Millis,
    /// The other task's entry, as it is spelled.
    pub lock: String,
    /// How strong its lock is.
    pub mode: LockMode,
}

impl Conflict {
    /// Tells whether the lock is in the way of a claim.
    pub fn is_hard(&self) -> bool {
        self.mode == LockMode::Hard
    }
}

/// Returns every lock of the tasks that overlaps one of my entries: hard locks first, then by task, in the order
/// of the entries.
///
/// `except` is my own task. `mine` must have been read with the same `ignore_case`. An entry of another task that
/// squad would refuse counts as the path that it spells ([`Pattern::lenient`]). Only entries whose beginning fits
/// one of mine are compared in full, so a board of thousands of tasks costs little more than reading its paths.
pub fn conflicts<'a>(
    mine: &[Pattern],
    except: Option<&TaskId>,
    tasks: impl Iterator<Item = &'a Task>,
    ignore_case: bool,
) -> Vec<Conflict> {
    let mut found: Vec<Conflict> = Vec::new();
    if mine.is_empty() {
        return found;
    }
    for task in tasks.filter(|task| Some(&task.id) != except) {
        let Some(mode) = mode_of(task.status) else { continue };
        let locks: Vec<Pattern> = task.files.iter().filter_map(|lock| near(lock, mine, ignore_case)).collect();
        if locks.is_empty() {
            continue;
        }
        let work = Work::of(task, mode);
        for path in mine {
            found.extend(locks.iter().filter(|lock| path.overlaps(lock)).map(|lock| Conflict {
                path: path.as_str().to_owned(),
                task: task.id.clone(),
                agent: work.agent.clone(),
                since: work.since,
                lock: lock.as_str().to_owned(),
                mode,
            }));
        }
    }
    // The sort is stable, so that the entries keep their order within a task.
    found.sort_by(|a, b| (a.mode, &a.task).cmp(&(b.mode, &b.task)));
    found
}

/// Most entries that [`overlaps_among`] looks at in pairs; a board of ten thousand claims in different folders needs
/// hardly one.
const MOST_PAIRS: usize = 2_000_000;

/// Most pairs of globs that it compares in full, and most overlaps that it returns.
const MOST_SEARCHES: usize = 5_000;

/// Two tasks that have locks on the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overlap {
    /// The one: its place in what was asked about, and the place of the entry in its files.
    pub first: (usize, usize),
    /// The other, which comes later in what was asked about.
    pub second: (usize, usize),
}

/// What [`overlaps_among`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlaps {
    /// One overlap for each two tasks that have any, in the order of what was asked about.
    pub found: Vec<Overlap>,
    /// Whether that is all of them; false where there were too many to compare.
    pub is_all: bool,
}

/// Returns which of the locks overlap each other.
///
/// Only entries of which one begins like the other are compared, and of those no more than a bounded number: a board
/// made to keep squad busy gets an incomplete answer and not an endless one.
pub fn overlaps_among(works: &[&Work], ignore_case: bool) -> Overlaps {
    struct Entry<'a> {
        at: (usize, usize),
        lock: &'a str,
        head: Head<'static>,
        pattern: OnceCell<Option<Pattern>>,
    }
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (i, work) in works.iter().enumerate() {
        for (n, lock) in work.files.iter().enumerate() {
            let (head, pattern) = match path::normal(lock) {
                Ok(normal) => (Head::of(&normal, ignore_case).kept(), OnceCell::new()),
                Err(_) => match Pattern::lenient(lock, ignore_case) {
                    Some(pattern) => (pattern.head().clone(), OnceCell::from(Some(pattern))),
                    None => continue,
                },
            };
            entries.push(Entry { at: (i, n), lock, head, pattern });
        }
    }
    // Whatever begins like an entry follows it in this order, without anything else in between.
    entries.sort_by(|a, b| (a.head.text(), a.at).cmp(&(b.head.text(), b.at)));
    let mut found: BTreeMap<(usize, usize), Overlap> = BTreeMap::new();
    let (mut pairs, mut searches) = (0, 0);
    for (n, a) in entries.iter().enumerate() {
        let rest = entries[n + 1..].iter().take_while(|b| b.head.text().starts_with(a.head.text()));
        for b in rest {
            pairs += 1;
            if pairs > MOST_PAIRS {
                return Overlaps { found: found.into_values().collect(), is_all: false };
            }
            let (first, second) = if a.at < b.at { (a, b) } else { (b, a) };
            let tasks = (first.at.0, second.at.0);
            if tasks.0 == tasks.1 || !a.head.meets(&b.head) || found.contains_key(&tasks) {
                continue;
            }
            searches += 1;
            if searches > MOST_SEARCHES {
                return Overlaps { found: found.into_values().collect(), is_all: false };
            }
            let pattern = |e: &'_ Entry<'_>| e.pattern.get_or_init(|| Pattern::lenient(e.lock, ignore_case)).is_some();
            if pattern(a)
                && pattern(b)
                && let (Some(Some(a)), Some(Some(b))) = (a.pattern.get(), b.pattern.get())
                && a.overlaps(b)
            {
                found.insert(tasks, Overlap { first: first.at, second: second.at });
            }
        }
    }
    Overlaps { found: found.into_values().collect(), is_all: true }
}

/// Reads a lock, unless its beginning already tells that none of mine overlaps it.
fn near(lock: &str, mine: &[Pattern], ignore_case: bool) -> Option<Pattern> {
    if let Ok(normal) = path::normal(lock) {
        let head = Head::of(&normal, ignore_case);
        if !mine.iter().any(|path| path.head().meets(&head)) {
            return None;
        }
    }
    Pattern::lenient(lock, ignore_case)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::locks::coordination::tests::task;
    use serde_json::json;

    fn patterns(entries: &[&str], ignore_case: bool) -> Vec<Pattern> {
        entries.iter().map(|entry| Pattern::new(entry, ignore_case).expect("a pattern")).collect()
    }

    fn against(entries: &[&str], tasks: &[Task]) -> Vec<Conflict> {
        conflicts(&patterns(entries, false), None, tasks.iter(), false)
    }

    #[test]
    fn every_spelling_of_a_path_meets_its_lock() {
        for (mine, lock, ignore_case, conflict) in [
            ("src/a", "src/a/b.rs", false, true),
            ("src/a/b.rs", "src/a", false, true),
            ("src/a", "src/ab", false, false),
            ("src/a", "./src/a", false, true),
            ("./src/a", "src/a", false, true),
            ("src/a", "src\\a\\b.rs", false, true),
            ("src\\a", "src/a", false, true),
            ("src/a", "src//a", false, true),
            ("src/a", "src/a/", false, true),
            ("src/a/", "src/a", false, true),
            ("src/a", "SRC/A", false, false),
            ("src/a", "SRC/A", true, true),
            ("src/*.rs", "SRC/a.RS", true, true),
            ("src/**", "src/a", false, true),
            ("src/*.rs", "**/a*", false, true),
            ("src/*.rs", "src/*.ts", false, false),
            // Who shares the work out by extension is in nobody's way.
            ("src/*.rs", "**/*.ts", false, false),
            ("src/*", "**/*.ts", false, true),
        ] {
            let tasks = [task("in-progress", "t-1", &[lock])];
            let found = conflicts(&patterns(&[mine], ignore_case), None, tasks.iter(), ignore_case);
            assert_eq!(found.len(), usize::from(conflict), "{mine} and {lock}, ignoring case: {ignore_case}");
        }
    }

    #[test]
    fn a_conflict_names_both_entries_and_the_holder() {
        let found = against(&["docs", "./src/a"], &[task("in-progress", "t-1", &["x", "src\\*"])]);
        assert_eq!(
            serde_json::to_value(&found).expect("it is plain"),
            json!([{"path": "./src/a", "task": "t-1", "agent": "scout", "since": 5000, "lock": "src\\*", "mode": "hard"}])
        );
    }

    #[test]
    fn only_tasks_in_work_lock_and_hard_locks_come_first() {
        let tasks = [
            task("review", "t-1", &["src"]),
            task("blocked", "t-2", &["src"]),
            task("in-progress", "t-9", &["src"]),
            task("in-progress", "t-3", &["src/a", "src/b"]),
            task("backlog", "t-4", &["src"]),
            task("ready", "t-5", &["src"]),
            task("completed", "t-6", &["src"]),
            task("archived", "t-7", &["src"]),
        ];
        let found = against(&["src"], &tasks);
        let rows: Vec<_> = found.iter().map(|c| (c.task.as_str(), c.lock.as_str(), c.is_hard())).collect();
        assert_eq!(
            rows,
            [
                ("t-3", "src/a", true),
                ("t-3", "src/b", true),
                ("t-9", "src", true),
                ("t-1", "src", false),
                ("t-2", "src", false)
            ]
        );
    }

    #[test]
    fn a_task_is_not_in_its_own_way() {
        let mine = TaskId::new("t-1").expect("an id");
        let tasks = [task("in-progress", "t-1", &["src"])];
        assert!(conflicts(&patterns(&["src"], false), Some(&mine), tasks.iter(), false).is_empty());
        assert_eq!(conflicts(&patterns(&["src"], false), None, tasks.iter(), false).len(), 1);
    }

    #[test]
    fn entries_that_squad_would_refuse_still_lock_the_path_that_they_spell() {
        for (lock, mine) in [("/src/a", "src/a/b"), ("src/[id", "src/?id"), ("lib/../src", "src/a"), (".", "src/a")] {
            assert_eq!(against(&[mine], &[task("in-progress", "t-1", &[lock])]).len(), 1, "{lock} and {mine}");
        }
        assert!(against(&["src/a"], &[task("in-progress", "t-1", &["", "\n", "src/[b", "../lib"])]).is_empty());
    }

    #[test]
    fn the_locks_in_the_way_are_found_among_ten_thousand_tasks() {
        let tasks: Vec<Task> = (0..10_000)
            .map(|n| {
                let folder = format!("crates/c{n}");
                let glob = format!("{folder}/tests/**/*.rs");
                task("in-progress", &format!("t-{n}"), &[&folder, &glob, "docs/*.md"])
            })
            .collect();
        let begun = std::time::Instant::now();
        let found = against(&["crates/c7/src/*.rs", "crates/c77/tests/x", "docs/a.txt"], &tasks);
        let locks: Vec<_> = found.iter().map(|c| c.lock.as_str()).collect();
        assert_eq!(locks, ["crates/c7", "crates/c77", "crates/c77/tests/**/*.rs"]);
        // Takes well under a second without optimisation.
        assert!(begun.elapsed().as_secs() < 20, "it took {:?}", begun.elapsed());
    }

    fn among(files: &[&[&str]]) -> Vec<((usize, usize), (usize, usize))> {
        let works: Vec<Work> =
            files.iter().map(|files| Work::of(&task("in-progress", "t-1", files), LockMode::Hard)).collect();
        let overlaps = overlaps_among(&works.iter().collect::<Vec<_>>(), false);
        assert!(overlaps.is_all);
        overlaps.found.iter().map(|overlap| (overlap.first, overlap.second)).collect()
    }

    #[test]
    fn overlaps_among_tasks_are_found_once_for_each_two_of_them() {
        assert_eq!(
            among(&[&["a", "src/x"], &["b", "src"], &["src/*.rs", "src/x/y"]]),
            [((0, 1), (1, 1)), ((0, 1), (2, 1)), ((1, 1), (2, 0)),]
        );
        assert_eq!(among(&[&["src", "src/a"], &["srcs"], &["", "../x"], &["./lib"], &["lib\\a"]]), [((3, 0), (4, 0))]);
    }

    proptest::proptest! {
        #[test]
        fn overlaps_among_tasks_are_those_of_each_two_of_them(
            files in proptest::collection::vec(proptest::collection::vec(
                proptest::sample::select(vec!["a", "a/b", "ab", "a*", "*", "**/b", "b/*.c", "a/*.c", "{a,b}/c", "/a", ""]), 0..3), 0..6),
        ) {
            let files: Vec<&[&str]> = files.iter().map(Vec::as_slice).collect();
            let found: Vec<(usize, usize)> = among(&files).iter().map(|(a, b)| (a.0, b.0)).collect();
            let read = |files: &[&str]| files.iter().filter_map(|f| Pattern::lenient(f, false)).collect::<Vec<_>>();
            let mut expected = Vec::new();
            for a in 0..files.len() {
                for b in a + 1..files.len() {
                    if read(files[a]).iter().any(|x| read(files[b]).iter().any(|y| x.overlaps(y))) {
                        expected.push((a, b));
                    }
                }
            }
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
