//! What has really run, as the commands themselves wrote it down, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// `begin`, `end`, `yield` (its slice is over), `child` (a process in a session of its own has begun), `meets` (somebody
    /// of an earlier run lives) or `lost` (a slice does not find what the last one has left).
    what: String,
    task: String,
    epoch: u64,
    rest: String,
}

/// What has run, in the order in which it happened.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Vec<Line>,
}

impl Ledger {
    /// Reads what the commands have appended.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("half a line: {line:?}")).to_owned();
            let (what, task, epoch, rest) = (word(), word(), word(), word());
            let epoch = epoch.parse().unwrap_or_else(|_| panic!("no epoch: {line:?}"));
            Line { what, task, epoch, rest }
        };
        Self { lines: text.lines().map(line).collect() }
    }

    /// Returns how many executions have begun.
    pub fn executions(&self) -> usize {
        self.lines.iter().filter(|line| line.what == "begin").count()
    }

    /// Returns how many of them have yielded.
    pub fn yields(&self) -> usize {
        self.lines.iter().filter(|line| line.what == "yield").count()
    }

    /// Returns how often a task was begun.
    pub fn executions_of(&self, task: &str) -> usize {
        self.lines.iter().filter(|line| line.what == "begin" && line.task == task).count()
    }

    /// Returns what has begun: task and epoch.
    pub fn begun(&self) -> BTreeSet<(String, u64)> {
        let begun = self.lines.iter().filter(|line| line.what == "begin");
        begun.map(|line| (line.task.clone(), line.epoch)).collect()
    }

    /// Returns what speaks against it that no task is executed twice.
    pub fn breaches(&self) -> Vec<String> {
        let mut found = Vec::new();
        // What each claim's newest line is.
        let mut begun: BTreeMap<(&str, u64), &str> = BTreeMap::new();
        let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
        for Line { what, task, epoch, rest } in &self.lines {
            let newest = newest.entry(task).or_insert(*epoch);
            if *epoch < *newest {
                found.push(format!("{task} under epoch {epoch}: {what} after a run under epoch {newest} had begun"));
            }
            *newest = (*newest).max(*epoch);
            let before = begun.insert((task, *epoch), what);
            match what.as_str() {
                // Slices of one execution follow each other.
                "begin" if before.is_some_and(|before| before != "yield") => {
                    found.push(format!("{task} was executed twice under epoch {epoch}"));
                }
                "lost" => found.push(format!("{task} under epoch {epoch} has lost what its last slice had left")),
                "meets" => {
                    found.push(format!("{task} under epoch {epoch} met a living process of another run ({rest})"));
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_executed_twice_or_overlaps_is_found() {
        let breaches = |lines: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), lines).unwrap();
            Ledger::read(file.path()).breaches()
        };
        let good = "begin t-1 1 10 5 1.0\nend t-1 1 10 5 1.5\nbegin t-1 3 11 6 2.0\nbegin t-2 1 12 7 2.1\nend t-1 3 11 6 2.2\n";
        assert_eq!(breaches(good), [""; 0]);
        assert!(breaches("begin t-1 1 10 5 1.0\nbegin t-1 1 11 6 1.5\n")[0].contains("twice under epoch 1"));
        let slices = "begin t-1 1 10 5 1.0\nyield t-1 1 10 5 1.5\nbegin t-1 1 11 6 2.0\n";
        assert_eq!(breaches(slices), [""; 0]);
        let twice = format!("{slices}begin t-1 1 12 7 2.1\n");
        assert!(breaches(&twice)[0].contains("twice under epoch 1"));
        assert!(breaches(&format!("{slices}lost t-1 1 11 6 2.1\n"))[0].contains("has lost"));
        assert!(
            breaches("begin t-1 1 10 5 1.0\nbegin t-1 3 11 6 1.5\nend t-1 1 10 5 2.0\n")[0].contains("after a run")
        );
        assert!(breaches("begin t-1 3 11 6 1.5\nmeets t-1 3 10 1 1.5\n")[0].contains("met a living process"));
    }
}
