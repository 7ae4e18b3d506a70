//! This clone's access to the board: where it is published, its private store, and how versions come and go.
//!
//! Owns discovery of the board's branch, fetching with its descent check, building a version from files, and reading
//! receipts. What is to change is decided elsewhere.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::commits::{IndexFiles, Source, TreeFiles};
use super::earlier::History;
use super::exchange::DEEPEN_BY;
use super::files::Files;
use super::index::Index;
use super::layout::{CONFIG, pathspecs};
use super::receipt::{self, Receipt};
use super::snapshot::Snapshot;
use crate::git::{
    CommitInfo, FetchFault, Fetched, Follow, Git, GitError, Head, Objects, Oid, PathSet, Place, Remote, Rewound,
    Settings, Store, branch_tip, follow, staged_entries,
};
use crate::model::board::Changeset;

/// Where the board is looked for when nothing says where it is, after the remote's own branch.
pub const SEPARATE_BRANCH: &str = "squad";

/// Between two looks at what the private store has gathered.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// A lock file of git in the private store that is older than this belongs to no living process: every git of ours
/// is ended long before.
const STALE_LOCK: Duration = Duration::from_secs(600);

/// Loose objects beyond this are packed: git's own threshold.
const LOOSE_MAX: usize = 6700;

/// Packs beyond this are joined: a reader may have to look into each of them. git's own threshold.
const PACKS_MAX: usize = 50;

/// How many commits are looked at for the one that changed a file.
const LOOK_BACK: usize = 1000;

/// Why this clone has no access to a board.
#[derive(Debug, thiserror::Error)]
pub enum AccessFault {
    /// git, or the repository, is not usable.
    #[error(transparent)]
    Git(#[from] GitError),
    /// There are several remotes and nothing says which.
    #[error("there are {} remotes and none is called origin: {}", names.len(), names.join(", "))]
    WhichRemote {
        /// Their names.
        names: Vec<String>,
    },
    /// There is no board on any branch where one could be.
    #[error("there is no board on {}", looked_at.join(" or "))]
    NoBoard {
        /// The branches that were looked at.
        looked_at: Vec<String>,
    },
    /// The remote has no such branch.
    #[error("{remote} has no branch {branch}")]
    NoBranch {
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
    },
    /// The remote did not give an answer.
    #[error(transparent)]
    Fetch(#[from] FetchFault),
    /// The board's history does not follow from what was seen.
    #[error(transparent)]
    Rewound(#[from] Rewound),
    /// The remote may not be asked, and nothing has been fetched before.
    #[error("nothing of the board has been fetched yet, and --offline forbids to ask the remote")]
    OfflineAndEmpty,
    /// A file or folder of this clone's own state cannot be used.
    #[error("cannot {what} {path}")]
    State {
        /// What was being done.
        what: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// What it takes to open the access to a board that is open already.
#[derive(Clone)]
pub struct Opening {
    place: Place,
    git: Git,
    settings: Settings,
    path: PathBuf,
    remote: Remote,
    namespace: String,
    branch: Option<String>,
}

impl Opening {
    /// Opens it. What is read by it is not kept for the next command.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where the private store cannot be read.
    pub fn open(self) -> Result<BoardStore, AccessFault> {
        let Self { place, git, settings, path, remote, namespace, branch } = self;
        let store = Rc::new(Store::open(&path)?);
        let (namespace, branch) = (RefCell::new(namespace), RefCell::new(branch));
        Ok(BoardStore { place, git, settings, store, remote, namespace, index: None, branch })
    }
}

/// This clone's access to the board.
pub struct BoardStore {
    /// Where the user stands.
    pub place: Place,
    /// How git is run.
    pub git: Git,
    /// The user's git configuration.
    pub settings: Settings,
    pub(super) store: Rc<Store>,
    pub(super) remote: Remote,
    pub(super) namespace: RefCell<String>,
    /// What is known of files that were read before; nothing where what is read here is of no use to others.
    index: Option<Rc<Index>>,
    branch: RefCell<Option<String>>,
}

impl BoardStore {
    /// Finds the repository around a folder and opens its private store. Does not look for the board yet.
    ///
    /// # Errors
    /// [`AccessFault`] where there is no usable repository, or it is not clear which remote is meant.
    pub fn open(git: Git, start: &Path, remote: Option<&str>) -> Result<Self, AccessFault> {
        let place = Place::find(start, &git)?;
        let settings = Settings::load(&place, &git)?;
        let remote = match choose_remote(&settings, remote)? {
            Some(name) => Remote::named(&name, &place, &settings, &git)?,
            None => Remote::own(&place, &settings, &git),
        };
        let store = Rc::new(Store::open_or_create(&place.common_dir)?);
        let branch = settings.get("squad.branch").map(str::to_owned);
        let namespace = RefCell::new("refs/squad".to_owned());
        let index = Rc::new(Index::at(place.common_dir.join("squad").join("index")));
        Ok(Self { place, git, settings, store, remote, namespace, index: Some(index), branch: RefCell::new(branch) })
    }

    /// Returns what it takes to open the same once more, in another thread.
    pub fn opening(&self) -> Opening {
        Opening {
            place: self.place.clone(),
            git: self.git.clone(),
            settings: self.settings.clone(),
            path: self.store.path().to_owned(),
            remote: self.remote.clone(),
            namespace: self.namespace.borrow().clone(),
            branch: self.branch(),
        }
    }

    /// Returns the folder of this clone's own state.
    pub fn state_dir(&self) -> PathBuf {
        self.place.common_dir.join("squad")
    }

    /// Returns the remote's name; `None` where the user's own repository is the remote.
    pub fn remote_name(&self) -> Option<&str> {
        self.remote.name()
    }

    /// Returns the board's branch, where it is known.
    pub fn branch(&self) -> Option<String> {
        self.branch.borrow().clone()
    }

    /// Says which branch the board is on.
    pub fn set_branch(&self, branch: &str) {
        *self.branch.borrow_mut() = Some(branch.to_owned());
    }

    /// Returns the private store, to be shared.
    pub fn store(&self) -> Rc<Store> {
        self.store.clone()
    }

    /// Returns the objects of the private store.
    pub fn objects(&self) -> &Store {
        &self.store
    }

    /// Returns the head that was confirmed last.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the store cannot be read.
    pub fn head(&self) -> Result<Option<Oid>, AccessFault> {
        Ok(self.store.tip()?)
    }

    /// Asks the remote for its head, and records it.
    ///
    /// # Errors
    /// [`AccessFault`]; nothing is recorded then.
    pub fn fetch(&self, limit: Duration) -> Result<Oid, AccessFault> {
        let Some(branch) = self.branch() else { return self.discover(limit) };
        match self.remote.fetch(&self.store, &branch, &[], limit)? {
            Fetched::Head { head, before } => {
                let head = self.store.advance_tip(head, before)??;
                self.note_fetched();
                Ok(head)
            }
            Fetched::NoBranch => Err(AccessFault::NoBranch { remote: self.remote_label(), branch }),
        }
    }

    /// Takes the board from what the user's own git has fetched, for a clone that may not ask the remote.
    ///
    /// # Errors
    /// [`AccessFault::OfflineAndEmpty`] where git has not fetched it either.
    pub fn recall(&self) -> Result<Oid, AccessFault> {
        let known = self.branch();
        let mut candidates: Vec<String> = known.into_iter().collect();
        if candidates.is_empty() {
            candidates.extend(self.checked_out_branch());
            candidates.extend(["main", "master", SEPARATE_BRANCH].map(str::to_owned));
        }
        for branch in &candidates {
            let Some(head) = self.remote.remembered(&self.store, branch)? else { continue };
            let tree = self.store.read_commit(head)?.tree;
            if self.store.lookup(tree, CONFIG)?.is_some() {
                let head = self.store.advance_tip(head, None)??;
                self.set_branch(branch);
                return Ok(head);
            }
        }
        Err(AccessFault::OfflineAndEmpty)
    }

    /// Returns the remote's head of a branch without recording it; `None` where it has no such branch.
    ///
    /// # Errors
    /// [`AccessFault::Fetch`].
    pub fn look(&self, branch: &str, limit: Duration) -> Result<Option<Oid>, AccessFault> {
        match self.remote.fetch(&self.store, branch, &[], limit)? {
            Fetched::Head { head, .. } => Ok(Some(head)),
            Fetched::NoBranch => Ok(None),
        }
    }

    /// Records a head that the remote has confirmed.
    ///
    /// # Errors
    /// [`AccessFault::Rewound`] where it does not follow from the one that is recorded.
    pub fn confirm(&self, head: Oid) -> Result<(), AccessFault> {
        // Another process may have seen a later head by now, which is no rewind: no head is named as the one before.
        self.store.advance_tip(head, None)??;
        self.note_fetched();
        Ok(())
    }

    pub(super) fn remote_label(&self) -> String {
        self.remote.name().unwrap_or("this repository").to_owned()
    }

    /// Looks for the board where it can be: on the remote's own branch, then on one that is only for the board.
    fn discover(&self, limit: Duration) -> Result<Oid, AccessFault> {
        let own = match self.remote.name() {
            Some(_) => self.remote.default_branch(&self.store, limit)?,
            None => self.checked_out_branch(),
        };
        let mut candidates: Vec<String> = own.into_iter().collect();
        if !candidates.iter().any(|c| c == SEPARATE_BRANCH) {
            candidates.push(SEPARATE_BRANCH.to_owned());
        }
        for branch in &candidates {
            if let Fetched::Head { head, before } = self.remote.fetch(&self.store, branch, &[], limit)? {
                let tree = self.store.read_commit(head)?.tree;
                if self.store.lookup(tree, CONFIG)?.is_some() {
                    let head = self.store.advance_tip(head, before)??;
                    self.set_branch(branch);
                    self.remember_branch(branch);
                    self.note_fetched();
                    return Ok(head);
                }
            }
        }
        Err(AccessFault::NoBoard { looked_at: candidates })
    }

    /// Returns the branch that is checked out where the user stands, else in the main worktree.
    pub fn checked_out_branch(&self) -> Option<String> {
        match &self.place.head {
            Head::Branch(branch) => Some(branch.clone()),
            Head::Detached => {
                let worktrees = self.place.worktrees(&self.git).ok()?;
                worktrees.into_iter().find_map(|w| w.branch)
            }
        }
    }

    /// Keeps the branch that was found, so that the next command need not look again. Losing it costs one look.
    fn remember_branch(&self, branch: &str) {
        let _ = write_whole(&self.state_dir().join("branch"), branch.as_bytes());
    }

    /// Reads which branch was found before, without asking the remote.
    pub fn recall_branch(&self) {
        if self.branch().is_none()
            && let Ok(branch) = fs::read_to_string(self.state_dir().join("branch"))
            && crate::git::is_branch_name(branch.trim())
        {
            self.set_branch(branch.trim());
        }
    }

    pub(super) fn note_fetched(&self) {
        let _ = write_whole(&self.state_dir().join("fetched"), b"");
    }

    /// Notes that the remote was asked and what came of it, so that what is read next tells the same without asking again.
    pub fn note_trouble(&self, cause: &str) {
        let _ = write_whole(&self.state_dir().join("fetched"), cause.as_bytes());
    }

    /// Returns what was in the way when the remote was asked last; nothing where it answered.
    pub fn last_trouble(&self) -> Option<String> {
        fs::read_to_string(self.state_dir().join("fetched")).ok().filter(|cause| !cause.is_empty())
    }

    /// Keeps the private store small and free of what dead processes left behind. The caller holds the publish lock.
    /// Does nothing most of the time; what fails is tried again another time.
    pub fn keep_house(&self) {
        let note = self.state_dir().join("tidied");
        let recent = fs::metadata(&note).and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
        if recent.is_some_and(|ago| ago < TIDY_EVERY) {
            return;
        }
        let _ = write_whole(&note, b"");
        let _ = self.store.sweep_locks(STALE_LOCK);
        let _ = self.store.sweep_scratch_refs();
        sweep_temporary(&self.state_dir());
        sweep_temporary(&self.state_dir().join("queue"));
        self.store.sweep_packs(STALE_LOCK);
        if self.store.loose_objects() > LOOSE_MAX || self.store.packs() > PACKS_MAX {
            let _ = self.store.maintain(&self.git);
        }
    }

    /// Returns how long ago the remote was last asked; `None` where that is not known.
    pub fn fetched_ago(&self) -> Option<Duration> {
        let modified = fs::metadata(self.state_dir().join("fetched")).and_then(|m| m.modified()).ok()?;
        modified.elapsed().ok()
    }

    /// Returns the board at a version; no version is an empty board.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the version cannot be read.
    pub fn snapshot(&self, head: Option<Oid>) -> Result<Snapshot, AccessFault> {
        let tree = head.map(|head| self.store.read_commit(head)).transpose()?.map(|commit| commit.tree);
        let board = self.indexed(Box::new(TreeFiles::new(Source::Store(self.store.clone()), tree)));
        Ok(match head {
            Some(head) => board.with_history(History { source: Source::Store(self.store.clone()), head }),
            None => board,
        })
    }

    /// Returns the board of a commit that makes these changes to a version of it, and nothing else.
    pub fn succeed(&self, before: Snapshot, commit: &CommitInfo, changes: &Changeset) -> Snapshot {
        let source = Source::Store(self.store.clone());
        let after = before.succeeded_by(Box::new(TreeFiles::new(source.clone(), Some(commit.tree))), changes);
        after.with_history(History { source, head: commit.oid })
    }

    /// Returns what the user's index would make of the board; `index` is the file that a hook was given.
    ///
    /// # Errors
    /// [`AccessFault::Git`] with the reason, where the index or the repository is of a kind that cannot be read.
    pub fn staged(&self, index: Option<&Path>) -> Result<Snapshot, AccessFault> {
        let staged = staged_entries(&self.place, &self.git, index)?;
        let objects = Rc::new(Objects::of_place(&self.place)?);
        Ok(self.indexed(Box::new(IndexFiles::new(objects, staged))))
    }

    /// Returns a version of the board that knows what was read before.
    fn indexed(&self, files: Box<dyn Files>) -> Snapshot {
        let board = Snapshot::new(files);
        match &self.index {
            Some(index) => board.with_index(index.clone()),
            None => board,
        }
    }

    /// Returns the commit that a revision names: of the board, else of the user's repository.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the repository cannot be read.
    pub fn resolve(&self, revision: &str) -> Result<Option<(Source, Oid)>, AccessFault> {
        if let Ok(oid) = revision.parse::<Oid>()
            && self.store.contains(oid)
        {
            return Ok(Some((Source::Store(self.store.clone()), oid)));
        }
        let objects = Objects::of_place(&self.place)?;
        if let Some(oid) = objects.resolve(&self.place, &self.git, revision)? {
            return Ok(Some((Source::User(Rc::new(objects)), oid)));
        }
        Ok(self.abbreviated(revision)?.map(|oid| (Source::Store(self.store.clone()), oid)))
    }

    /// Looks for a commit of the board that begins with these digits.
    fn abbreviated(&self, revision: &str) -> Result<Option<Oid>, AccessFault> {
        let plausible = revision.len() >= 4 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(head) = self.store.tip()?.filter(|_| plausible) else { return Ok(None) };
        let revision = revision.to_ascii_lowercase();
        for commit in self.store.recent(head)? {
            let oid = commit?.oid;
            if oid.to_string().starts_with(&revision) {
                return Ok(Some(oid));
            }
        }
        Ok(None)
    }

    /// Returns the board at a commit.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when it cannot be read.
    pub fn snapshot_of(&self, source: Source, commit: Oid) -> Result<Snapshot, AccessFault> {
        let Source::User(objects) = source else { return self.snapshot(Some(commit)) };
        let tree = objects.read_commit(commit)?.tree;
        Ok(self.indexed(Box::new(TreeFiles::new(Source::User(objects), Some(tree)))))
    }

    /// Lets the user's checkout follow to a head, where that touches nothing of theirs.
    ///
    /// # Errors
    /// [`AccessFault::Git`] where git could not be run at all.
    pub fn follow(&self, head: Oid, locks_file: &str) -> Result<Follow, AccessFault> {
        let Some(branch) = self.branch() else { return Ok(Follow::NotCheckedOut) };
        let board = PathSet::new(pathspecs(locks_file));
        Ok(follow(&self.remote, &self.settings, &self.store, &branch, head, &board)?)
    }

    /// Gives every receipt reachable from a head to `take`, newest first, until it says stop. Fetches older history
    /// as it is needed, where `limit` allows to ask the remote.
    ///
    /// # Errors
    /// [`AccessFault`] when the history cannot be read or fetched.
    pub fn receipts(
        &self,
        head: Oid,
        limit: Option<Duration>,
        mut take: impl FnMut(Receipt) -> bool,
    ) -> Result<(), AccessFault> {
        self.commits(head, limit, |commit| {
            let receipt = receipt::parse(&commit.oid.to_string(), &commit.message);
            // The board begins with the commit that made it; what lies before is none of ours.
            receipt.is_none_or(&mut take) && !receipt::is_founding(&commit.message)
        })
    }

    /// Tells whether a board was made at one of these commits or before, as far as that history is here.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the history cannot be read.
    pub fn has_founding_before(&self, commits: &[Oid]) -> Result<bool, AccessFault> {
        for commit in commits.iter().filter(|commit| self.store.contains(**commit)) {
            for commit in self.store.recent(*commit)? {
                if receipt::is_founding(&commit?.message) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Gives every commit reachable from a head to `take`, newest first, until it says stop. Fetches older history as
    /// it is needed, where `limit` allows to ask the remote; what cannot be fetched is left out.
    ///
    /// # Errors
    /// [`AccessFault`] when the history cannot be read.
    pub fn commits(
        &self,
        head: Oid,
        limit: Option<Duration>,
        mut take: impl FnMut(&CommitInfo) -> bool,
    ) -> Result<(), AccessFault> {
        let mut seen: BTreeSet<Oid> = BTreeSet::new();
        let mut by = Some(DEEPEN_BY);
        loop {
            let mut cut_off = false;
            let before = seen.len();
            for commit in self.store.recent(head)? {
                let commit = commit?;
                cut_off |= commit.cut_off;
                if seen.insert(commit.oid) && !take(&commit) {
                    return Ok(());
                }
            }
            let (Some(limit), Some(branch), true) = (limit, self.branch(), cut_off) else { return Ok(()) };
            // Where commits are dated before their parents, git may bring none of those that were asked for by number.
            let brought_nothing = seen.len() == before;
            if brought_nothing && by.take().is_none() || self.remote.deepen(&self.store, &branch, by, limit).is_err() {
                return Ok(());
            }
        }
    }

    /// Returns the commit that a revision of the user's own repository names.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the repository cannot be read.
    pub fn user_commit(&self, revision: &str) -> Result<Option<Oid>, AccessFault> {
        Ok(Objects::of_place(&self.place)?.resolve(&self.place, &self.git, revision)?)
    }

    /// Tells whether tracked files of this worktree differ from the commit that is checked out.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when git cannot say.
    pub fn is_dirty(&self) -> Result<bool, AccessFault> {
        if self.place.is_bare() {
            return Ok(false);
        }
        let status = self.git.command("status").dir(self.place.run_dir()).config("core.fsmonitor", "false");
        let output = status.verb().args(["--porcelain", "-z", "--untracked-files=no"]).output()?;
        Ok(!output.is_empty())
    }

    /// Tells whether the branch is checked out where the user stands.
    pub fn is_checked_out_here(&self, branch: &str) -> bool {
        matches!(&self.place.head, Head::Branch(b) if b == branch)
    }

    /// Tells whether the user's own branch of that name has commits.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the repository cannot be read.
    pub fn has_local_commits(&self, branch: &str) -> Result<bool, AccessFault> {
        Ok(branch_tip(&self.place, &self.git, branch)?.is_some())
    }

    /// Writes a setting into the repository's own configuration, unless it is there already.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when git cannot write it.
    pub fn configure(&self, key: &str, value: &str) -> Result<(), AccessFault> {
        if self.settings.get(key) != Some(value) {
            self.settings.clone().set_local(&self.place, &self.git, key, value)?;
        }
        Ok(())
    }

    /// Returns the newest commit, among the last thousand, that gave a file the content that it has at a head.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the history cannot be read.
    pub fn last_change(&self, head: Oid, path: &str) -> Result<Option<Oid>, AccessFault> {
        let blob = |tree| -> Result<Option<Oid>, GitError> { Ok(self.store.lookup(tree, path)?.map(|e| e.oid)) };
        let Some(now) = blob(self.store.read_commit(head)?.tree)? else { return Ok(None) };
        let mut newest = None;
        for commit in self.store.recent(head)?.take(LOOK_BACK) {
            let commit = commit?;
            if blob(commit.tree)? != Some(now) {
                break;
            }
            newest = Some(commit.oid);
            if commit.cut_off {
                // Older history is not here, so this commit may only have kept it.
                return Ok(None);
            }
        }
        Ok(newest)
    }

    /// Returns how many commits a head has beyond another.
    ///
    /// # Errors
    /// [`AccessFault::Git`] when the history cannot be read.
    pub fn commits_between(&self, old: Option<Oid>, head: Oid) -> Result<usize, AccessFault> {
        if old == Some(head) {
            return Ok(0);
        }
        Ok(self.store.walk(head, old)?.len())
    }
}

/// Returns the name of the remote that the board is published to; `None` where the repository has none.
fn choose_remote(settings: &Settings, wanted: Option<&str>) -> Result<Option<String>, AccessFault> {
    if let Some(name) = wanted.or_else(|| settings.get("squad.remote")) {
        return Ok((!name.is_empty() && name != ".").then(|| name.to_owned()));
    }
    let names: Vec<String> = settings.remotes().into_iter().map(|(name, _)| name).collect();
    match names.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        many if many.iter().any(|name| name == "origin") => Ok(Some("origin".to_owned())),
        _ => Err(AccessFault::WhichRemote { names }),
    }
}

/// Tells whether a branch may have that name.
pub fn is_branch_name(name: &str) -> bool {
    crate::git::is_branch_name(name)
}

/// Removes what a process was writing when it died. The names are those of `tempfile`.
fn sweep_temporary(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let old = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
        let is_temporary = entry.file_name().to_string_lossy().starts_with(".tmp");
        if is_temporary && old.is_some_and(|old| old > STALE_LOCK) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file so that a reader finds the old content or the new one, and never a part.
///
/// # Errors
/// Whatever the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Writes a file of the user's in the same way, synced. One that is there keeps its mode, a new one gets the one given.
///
/// # Errors
/// Whatever the file system says; the old file is as it was then.
pub fn write_with_mode(path: &Path, bytes: &[u8], mode: Option<fs::Permissions>) -> std::io::Result<()> {
    use std::io::Write;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    if let Some(mode) = fs::metadata(path).ok().map(|meta| meta.permissions()).or(mode) {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
