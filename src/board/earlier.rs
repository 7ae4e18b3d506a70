//! An earlier version of the board, read beside a later one.
//!
//! Owns what differs between the two, and what every task that differs was in between. Reads no more of the history
//! than lies between them. Where a part of it is not here, nothing is said at all: a guess would be another one on
//! another machine.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::commits::{Source, TreeFiles};
use super::files::{Entry, EntryKind, Files};
use super::layout::{ARCHIVE_DIR, LIVE_DIR, stem_of, task_path, task_stem};
use super::receipt;
use super::snapshot::{Snapshot, strict};
use crate::git::{CommitInfo, GitError, Oid};
use crate::model::board::{Board, BoardFault, Place};
use crate::model::config::BoardConfig;
use crate::model::earlier::{Departure, Earlier, Later};
use crate::model::id::TaskId;
use crate::model::ordered::IndexMap;
use crate::model::task::{SCHEMA_VERSION, Task};
use crate::schema::render_task;

/// The commits that a version of the board comes from.
#[derive(Clone)]
pub(super) struct History {
    /// Where they are.
    pub source: Source,
    /// The newest of them. What is decided on top of it and has no commit yet belongs to it all the same.
    pub head: Oid,
}

/// Whether a commit belongs to a history.
enum Kinship {
    /// It does.
    Ancestor,
    /// It does not.
    Stranger,
    /// A part of the history is not here.
    Unknown,
}

impl History {
    fn kinship(&self, commit: Oid) -> Result<Kinship, GitError> {
        let objects = self.source.objects();
        if objects.contains(commit) && objects.is_ancestor(commit, self.head)? {
            return Ok(Kinship::Ancestor);
        }
        Ok(if objects.is_shallow() { Kinship::Unknown } else { Kinship::Stranger })
    }

    /// Tells whether a commit belongs to it, and everything since is here.
    pub fn holds(&self, commit: Oid) -> Result<bool, GitError> {
        Ok(matches!(self.kinship(commit)?, Kinship::Ancestor) && self.after(commit)?.is_some())
    }

    /// Returns what lies between a commit and the head, oldest first; nothing where a part of it is not here.
    fn after(&self, commit: Oid) -> Result<Option<Vec<CommitInfo>>, GitError> {
        let mut commits = self.source.objects().walk(self.head, Some(commit))?;
        if commits.iter().any(|commit| commit.cut_off) {
            return Ok(None);
        }
        commits.reverse();
        Ok(Some(commits))
    }
}

impl Snapshot {
    /// Returns the board of an earlier commit of the same history; nothing where it is no version of this board.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] where that cannot be told.
    pub(super) fn version(&self, commit: &str) -> Result<Option<(Self, Oid)>, BoardFault> {
        let Some(history) = self.history() else { return Err(not_here()) };
        let Ok(commit) = commit.parse::<Oid>() else { return Ok(None) };
        match history.kinship(commit).map_err(unreadable)? {
            Kinship::Unknown => Err(not_here()),
            Kinship::Stranger => Ok(None),
            Kinship::Ancestor => Ok(Some((at(history, commit)?, commit))),
        }
    }

    /// Returns the ids of all task files, whether they can be read or not.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when the board cannot be read.
    pub fn ids(&self) -> Result<BTreeSet<TaskId>, BoardFault> {
        Ok(places(self.files())?.into_keys().collect())
    }

    /// Returns the ids of the tasks whose files are not what they are on another board, or not where.
    ///
    /// # Errors
    /// [`BoardFault::Unreadable`] when one of the two cannot be read.
    pub fn differing(&self, other: &Self) -> Result<BTreeSet<TaskId>, BoardFault> {
        let (here, there) = (places(self.files())?, places(other.files())?);
        let mut ids: BTreeSet<TaskId> = here.keys().chain(there.keys()).cloned().collect();
        ids.retain(|id| here.get(id) != there.get(id));
        Ok(ids)
    }

    /// Returns an earlier version, and what has become of its tasks.
    pub(super) fn look_back(&self, version: &str) -> Result<Option<Earlier>, BoardFault> {
        let Some((then, commit)) = self.version(version)? else { return Ok(None) };
        let history = self.history().ok_or_else(not_here)?;
        let config = usable(&then)?.cloned();
        let locks_path = match usable(self)? {
            Some(config) => config.locks.file.clone(),
            None => then.locks_path(),
        };
        let locks = (then.locks_at(&locks_path)?, self.locks_at(&locks_path)?);
        let (before, now) = (places(then.files())?, places(self.files())?);
        let mut departed = BTreeMap::new();
        for (id, there) in &before {
            let here = now.get(id).map(Vec::as_slice).unwrap_or_default();
            let [(place, entry)] = there.as_slice() else { continue };
            let same = |(at, found): &(Place, Entry)| at == place && found.id == entry.id && found.kind == entry.kind;
            if here.len() == 1 && here.iter().all(same) {
                continue;
            }
            // What was broken then is not brought back.
            let Ok(Some(was)) = then.task(id) else { continue };
            self.is_ours(id, here)?;
            let written_over = self.written_over(id, here, then.task_bytes(id, place)?.as_deref());
            let now = here.iter().map(|(place, _)| place.clone()).collect();
            departed.insert(id.clone(), Departure { then: was, now, written_over, since: Vec::new() });
        }
        if !departed.is_empty() {
            let commits = history.after(commit).map_err(unreadable)?.ok_or_else(not_here)?;
            self.follow_through(history, &commits, &mut departed).map_err(unreadable)?;
            self.add_what_has_no_commit(history, &now, &mut departed)?;
        }
        Ok(Some(Earlier { config, locks, tasks: departed.into_values().collect() }))
    }

    /// A file of a newer squad is no damage, and a folder in the place of a file is nothing that squad could take away.
    fn is_ours(&self, id: &TaskId, here: &[(Place, Entry)]) -> Result<(), BoardFault> {
        for (place, entry) in here {
            let file = task_path(id, place);
            if entry.kind == EntryKind::Folder {
                let message = "a folder stands where the task's file was".to_owned();
                return Err(BoardFault::Broken { file, pointer: String::new(), message });
            }
            let Ok(bytes) = self.bytes(&file, entry) else { continue };
            let version = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
            let version = version.and_then(|value| value.get("schemaVersion")?.as_u64());
            if let Some(found) = version.filter(|found| *found > SCHEMA_VERSION) {
                return Err(BoardFault::Newer { file, found, known: SCHEMA_VERSION });
            }
        }
        Ok(())
    }

    /// Returns the task of the one file here, where that is the file of before with the task written over it.
    fn written_over(&self, id: &TaskId, here: &[(Place, Entry)], before: Option<&[u8]>) -> Option<Task> {
        let [(place, _)] = here else { return None };
        let path = task_path(id, place);
        let task = readable(self.files(), id, &path)?;
        let bytes = self.task_bytes(id, place).ok()??;
        let same = render_task(before, &task, &IndexMap::default()).is_ok_and(|written| written == bytes);
        same.then_some(task)
    }

    /// Gathers what each task was in these commits.
    fn follow_through(
        &self,
        history: &History,
        commits: &[CommitInfo],
        departed: &mut BTreeMap<TaskId, Departure>,
    ) -> Result<(), GitError> {
        let objects = history.source.objects();
        let mut seen = HashSet::new();
        for commit in commits {
            let parent = commit.parents.first().map(|parent| objects.read_commit(*parent)).transpose()?;
            let by_operation = receipt::marks(&commit.message).op.is_some();
            let files = TreeFiles::new(history.source.clone(), Some(commit.tree));
            for change in objects.diff_trees(parent.map(|parent| parent.tree), Some(commit.tree))? {
                let Some((_, blob)) = change.new else { continue };
                let Some(id) = stem_of(&change.path).and_then(|stem| TaskId::new(stem).ok()) else { continue };
                let Some(departure) = departed.get_mut(&id) else { continue };
                if seen.insert((id.clone(), blob))
                    && let Some(task) = readable(&files, &id, &change.path)
                {
                    departure.since.push(Later { task, by_operation });
                }
            }
        }
        Ok(())
    }

    /// Adds what operations have made of the tasks that stand on top of the head and have no commit yet.
    fn add_what_has_no_commit(
        &self,
        history: &History,
        now: &HashMap<TaskId, Vec<(Place, Entry)>>,
        departed: &mut BTreeMap<TaskId, Departure>,
    ) -> Result<(), BoardFault> {
        let head = at(history, history.head)?;
        for (id, departure) in departed {
            for (place, entry) in now.get(id).into_iter().flatten() {
                let path = task_path(id, place);
                let there = head.files().find(&path).map_err(BoardFault::Unreadable)?;
                if there.is_none_or(|there| there.id != entry.id)
                    && let Some(task) = readable(self.files(), id, &path)
                {
                    departure.since.push(Later { task, by_operation: true });
                }
            }
        }
        Ok(())
    }
}

fn at(history: &History, commit: Oid) -> Result<Snapshot, BoardFault> {
    let tree = history.source.objects().read_commit(commit).map_err(unreadable)?.tree;
    Ok(Snapshot::new(Box::new(TreeFiles::new(history.source.clone(), Some(tree)))))
}

/// Returns the configuration where it can be used; one that is damaged is as good as none.
fn usable(board: &Snapshot) -> Result<Option<&BoardConfig>, BoardFault> {
    match board.config() {
        Ok(config) => Ok(config),
        Err(BoardFault::Broken { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Returns where each task's files are.
fn places(files: &dyn Files) -> Result<HashMap<TaskId, Vec<(Place, Entry)>>, BoardFault> {
    let mut found: HashMap<TaskId, Vec<(Place, Entry)>> = HashMap::new();
    let mut add = |folder: &str, place: &Place| -> Result<(), BoardFault> {
        for entry in files.list(folder).map_err(BoardFault::Unreadable)? {
            if let Some(id) = task_stem(&entry.name).and_then(|stem| TaskId::new(stem).ok()) {
                found.entry(id).or_default().push((place.clone(), entry));
            }
        }
        Ok(())
    };
    add(LIVE_DIR, &Place::Live)?;
    for month in files.list(ARCHIVE_DIR).map_err(BoardFault::Unreadable)? {
        if month.kind == EntryKind::Folder {
            add(&format!("{ARCHIVE_DIR}/{}", month.name), &Place::Archived(month.name.clone()))?;
        }
    }
    Ok(found)
}

fn readable(files: &dyn Files, id: &TaskId, path: &str) -> Option<Task> {
    let entry = files.find(path).ok()?.filter(|entry| entry.kind == EntryKind::File)?;
    let bytes = files.read(path, &entry).ok()?;
    strict(path, id.as_str(), &bytes).ok().map(|(task, _)| task)
}

fn unreadable(error: GitError) -> BoardFault {
    BoardFault::Unreadable(error.into())
}

fn not_here() -> BoardFault {
    BoardFault::Unreadable("the history back to that version is not all here".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::render::Overlay;
    use crate::model::decide::decide;
    use crate::model::operation::Operation;

    #[test]
    fn where_the_history_is_not_here_nobody_refuses_what_they_cannot_know() {
        let roster = r#"{"schemaVersion": 1, "board": {"branch": "main"}, "agents": [{"name": "olga", "role": "owner", "kind": "human"}]}"#;
        let files = Overlay::new([("squad/squad.json".to_owned(), roster.as_bytes().to_vec())]);
        let operation: Operation = serde_json::from_str(
            r#"{"id": "01JD0000000000000000000000", "verb": "backup-restore", "args": {"name": "early", "commit": "1111111111111111111111111111111111111111"},
                "actor": "olga", "basis": {}, "at": 1795230851000}"#,
        )
        .unwrap();
        let decided = decide(&Snapshot::new(Box::new(files)), &operation);
        assert!(matches!(decided, Err(BoardFault::Unreadable(_))), "{decided:?}");
    }
}
