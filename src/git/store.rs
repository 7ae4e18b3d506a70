//! The private bare repository, `<common dir>/squad/board.git`.
//!
//! Owns its making, its mending and its refs. Nothing in it is precious: what is missing or damaged is rebuilt from
//! the remote. It is apart from the user's object store because their `gc --prune=now`, their hooks, filters and
//! partial clones each broke a board that shared it.

use std::fs;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use git2::{ErrorCode, Repository};

use super::objects::Objects;
use super::pack;
use super::remote::Expected;
use super::subprocess::{End, Git};
use super::{GitError, Oid};

/// The last head of the board that the remote confirmed.
pub const TIP: &str = "refs/squad/tip";

/// Where heads stand while they are looked at, one ref per fetch.
pub(super) const INCOMING: &str = "refs/squad/incoming";

/// Where heads stand while they are copied into the user's repository.
pub(super) const LANDING: &str = "refs/squad/landing";

/// The file that condemns a store.
const CONDEMNED: &str = "condemned";

/// How long a ref may be locked by another process before that counts as a failure. libgit2 itself never waits.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Age at which a lock file of git is left over for sure: a git that outlives its squad ends at its own next step.
const ORPHAN_LIFE: Duration = Duration::from_secs(120);

/// Written whole, so that no process ever meets a half-configured store.
///
/// `fsync` is for git; libgit2 has [`LIBRARY_CONFIG`].
const CONFIG: &str = "[core]
\trepositoryformatversion = 0
\tbare = true
\tfilemode = false
\tfsync = committed
\tlogAllRefUpdates = false
\thooksPath = no-hooks
[gc]
\tauto = 0
[maintenance]
\tauto = false
[fetch]
\tfsckObjects = true
[transfer]
\tfsckObjects = true
";

/// What only libgit2 is told, in a file of its own since newer gits warn about it at every command: it then syncs
/// refs and their folders, and objects where it writes any.
const LIBRARY_CONFIG: &str = "[core]\n\tfsyncObjectFiles = true\n";

/// The remote's head does not follow from the one that this clone has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the board was rewritten: {new} does not follow from {old}")]
pub struct Rewound {
    /// The head that this clone had confirmed.
    pub old: Oid,
    /// The head that the remote has now.
    pub new: Oid,
}

/// The private store of one clone; it can be used as [`Objects`].
pub struct Store {
    objects: Objects,
    path: PathBuf,
}

impl Deref for Store {
    type Target = Objects;

    fn deref(&self) -> &Objects {
        &self.objects
    }
}

impl Store {
    /// Opens the store of the repository with this common dir; makes it where it is missing, and anew where it is
    /// damaged. Any number of processes may do so at once.
    ///
    /// # Errors
    /// [`GitError::Io`] or [`GitError::Library`] where the folder cannot be made.
    pub fn open_or_create(common_dir: &Path) -> Result<Self, GitError> {
        let home = common_dir.join("squad");
        let path = home.join("board.git");
        make_private_dir(&home)?;
        // Twice at most: once to meet what is there, once after it was moved aside.
        for _ in 0..2 {
            if !path.exists() {
                create(&home, &path)?;
            }
            match Self::open(&path) {
                Ok(store) => return Ok(store),
                Err(damage) if !is_damage(&damage) => return Err(damage),
                Err(_) => set_aside(&home, &path)?,
            }
        }
        create(&home, &path)?;
        Self::open(&path)
    }

    /// Opens an existing store, and looks whether its last confirmed head can be read.
    ///
    /// # Errors
    /// [`GitError::Library`], [`GitError::Io`] or [`GitError::Missing`] for a damaged one.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        let condemned = path.join(CONDEMNED).exists();
        if condemned || !path.join("HEAD").is_file() || !path.join("config").is_file() {
            let source = io::ErrorKind::NotFound.into();
            return Err(GitError::Io { what: "open the private store", path: path.to_owned(), source });
        }
        let library_config = path.join("config.libgit2");
        for (file, text) in [(path.join("config"), CONFIG), (library_config.clone(), LIBRARY_CONFIG)] {
            // An older squad's store, or a tampered one: settings here decide what survives a power failure.
            if fs::read_to_string(&file).ok().as_deref() != Some(text) {
                replace_file(&file, text.as_bytes())?;
            }
        }
        for folder in ["objects", "refs/squad", "no-hooks"] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(GitError::io("make", &folder))?;
        }
        let fail = || GitError::library("open the private store");
        let repo = Repository::open_bare(path).map_err(fail())?;
        // Before anything else is asked of it: objects and refs look up their settings once, when first used.
        repo.config()
            .and_then(|mut config| config.add_file(&library_config, git2::ConfigLevel::App, true))
            .map_err(fail())?;
        let store = Self { objects: Objects::with_memory(repo, path)?, path: path.to_owned() };
        if let Some(tip) = store.ref_get(TIP)? {
            let tree = store.read_commit(tip)?.tree;
            store.tree_entries(tree)?;
        }
        Ok(store)
    }

    /// Returns the folder of the store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the settings that make libgit2 sync what it writes.
    pub(super) fn library_config(&self) -> PathBuf {
        self.path.join("config.libgit2")
    }

    /// Returns an empty folder, for `core.hooksPath`.
    pub fn no_hooks(&self) -> PathBuf {
        self.path.join("no-hooks")
    }

    /// Finds out whether the store can be written to.
    ///
    /// # Errors
    /// [`GitError::Io`] with the reason, where it cannot.
    pub(super) fn probe(&self) -> Result<(), GitError> {
        let mut file = tempfile::NamedTempFile::new_in(&self.path).map_err(GitError::io("write to", &self.path))?;
        // Some systems give an empty file to a full disk.
        io::Write::write_all(&mut file, &[0; 4096]).map_err(GitError::io("write to", &self.path))?;
        file.as_file().sync_all().map_err(GitError::io("write to", &self.path))
    }

    /// Returns the last confirmed head of the board.
    ///
    /// # Errors
    /// [`GitError::Library`] where the ref cannot be read.
    pub fn tip(&self) -> Result<Option<Oid>, GitError> {
        self.ref_get(TIP)
    }

    /// Records a head that the remote has confirmed, and returns the head that is recorded then.
    ///
    /// `before` is the recorded head when the fetch began: where another process has recorded a later one since, an
    /// older answer is no rewind.
    ///
    /// # Errors
    /// The inner [`Rewound`] where the remote's head does not descend from the recorded one; nothing is changed then.
    pub fn advance_tip(&self, new: Oid, before: Option<Oid>) -> Result<Result<Oid, Rewound>, GitError> {
        loop {
            let old = self.tip()?;
            let expected = match old {
                None => Expected::Absent,
                Some(old) if old == new => return Ok(Ok(new)),
                Some(old) if self.is_ancestor(old, new)? => Expected::Exactly(old),
                Some(old) if before != Some(old) && self.is_ancestor(new, old)? => return Ok(Ok(old)),
                Some(old) => return Ok(Err(Rewound { old, new })),
            };
            match self.ref_set(TIP, new, expected) {
                Ok(()) => return Ok(Ok(new)),
                Err(GitError::RefMoved { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the value of a ref.
    ///
    /// # Errors
    /// [`GitError::Library`] where it cannot be read.
    pub fn ref_get(&self, name: &str) -> Result<Option<Oid>, GitError> {
        match self.objects.repo.refname_to_id(name) {
            Ok(oid) => Ok(Some(oid.into())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::library("read a ref")(error)),
        }
    }

    /// Returns the refs below a prefix that ends in a slash, sorted by name.
    ///
    /// # Errors
    /// [`GitError::Library`] where they cannot be read.
    pub fn refs_below(&self, prefix: &str) -> Result<Vec<(String, Oid)>, GitError> {
        let fail = || GitError::library("list refs");
        let mut found = Vec::new();
        for reference in self.objects.repo.references_glob(&format!("{prefix}*")).map_err(fail())? {
            let reference = reference.map_err(fail())?;
            if let (Ok(name), Some(oid)) = (reference.name(), reference.target()) {
                found.push((name.to_owned(), oid.into()));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Moves a ref from the expected value; it is on the disk when this returns, and so is everything that was built.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] where the ref has another value.
    pub fn ref_set(&self, name: &str, new: Oid, expected: Expected) -> Result<(), GitError> {
        self.harden()?;
        let zero = git2::Oid::ZERO_SHA1;
        let repo = &self.objects.repo;
        let set = || match expected {
            Expected::Any => repo.reference(name, new.raw(), true, ""),
            // The zero id is "not there" to the comparison, which happens under the ref's lock.
            Expected::Absent => repo.reference_matching(name, new.raw(), true, zero, ""),
            Expected::Exactly(old) => repo.reference_matching(name, new.raw(), true, old.raw(), ""),
        };
        match self.patiently(name, || set().map(drop))? {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.code(), ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists) => {
                let found = self.ref_get(name)?;
                if expected == Expected::Any {
                    return Err(GitError::library("move a ref")(error));
                }
                Err(GitError::RefMoved { name: name.to_owned(), expected: expected.to_string(), found })
            }
            Err(error) => Err(GitError::library("move a ref")(error)),
        }
    }

    /// Removes a ref that has the expected value; one that is not there is removed already.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] where the ref has another value.
    pub fn ref_delete(&self, name: &str, expected: Expected) -> Result<(), GitError> {
        let moved = |found| GitError::RefMoved { name: name.to_owned(), expected: expected.to_string(), found };
        let mut reference = match self.objects.repo.find_reference(name) {
            Ok(reference) => reference,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(()),
            Err(error) => return Err(GitError::library("read a ref")(error)),
        };
        let found = reference.target().map(Oid::from);
        match expected {
            Expected::Any => {}
            Expected::Exactly(oid) if found == Some(oid) => {}
            _ => return Err(moved(found)),
        }
        match self.patiently(name, || reference.delete())? {
            Ok(()) => Ok(()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
            Err(error) if error.code() == ErrorCode::Modified => Err(moved(self.ref_get(name)?)),
            Err(error) => Err(GitError::library("remove a ref")(error)),
        }
    }

    /// Waits for the right to change how deep the store is: git's own lock for that is held for a whole fetch, and
    /// whoever meets it fails at once. Nothing is returned at the deadline. Closing the file gives it back, once no git
    /// holds it either.
    pub(super) fn depth_gate(&self, deadline: Instant) -> Result<Option<fs::File>, GitError> {
        let gate = self.gate("depth.gate", deadline)?;
        if gate.is_some() {
            // Of a git that was killed: those that live hold the gate.
            self.remove_lock("shallow.lock", Duration::ZERO);
        }
        Ok(gate)
    }

    /// Takes the right to fetch refs that are kept below prefixes, if nobody has it, and removes what a killed git left
    /// locked there: git would wait for such a lock and fail, every time. Those that live hold the gate. Whoever does not
    /// get it may fetch all the same.
    pub(super) fn mirror_gate<'a>(&self, prefixes: impl IntoIterator<Item = &'a str>) -> Option<fs::File> {
        let gate = self.gate("mirror.gate", Instant::now()).unwrap_or(None)?;
        let folders = prefixes.into_iter().map(|prefix| fs::read_dir(self.path.join(prefix)));
        for entry in folders.into_iter().flatten().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "lock") {
                let _ = fs::remove_file(entry.path());
            }
        }
        Some(gate)
    }

    /// Looks whether everything is here that the refs name, and condemns the store where it is not.
    ///
    /// # Errors
    /// [`GitError::Holed`] where something is missing.
    pub(super) fn look_for_holes(&self, git: &Git) -> Result<(), GitError> {
        let walk = git.command("rev-list").git_dir(&self.path).verb();
        let finished = walk.args(["--objects", "--all", "--quiet"]).run()?;
        match finished.end {
            End::Exited(code) if code != 0 => {
                self.condemn();
                Err(GitError::Holed { path: self.path.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Says that something is missing here that should not be: whoever opens the store next makes it anew. Where that
    /// cannot be noted, the next one finds out by itself.
    pub fn condemn(&self) {
        let _ = fs::File::create(self.path.join(CONDEMNED));
    }

    /// Waits for a lock of our own, which the system takes from a process that dies. Nothing at the deadline.
    pub(super) fn gate(&self, name: &str, deadline: Instant) -> Result<Option<fs::File>, GitError> {
        let path = self.path.join(name);
        let fail = || GitError::io("lock", &path);
        let file = fs::File::options().create(true).read(true).append(true).open(&path).map_err(fail())?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error)) => return Err(fail()(error)),
            }
        }
    }

    /// Changes a ref behind a gate, and tries again while another process holds its lock.
    ///
    /// libgit2 leaves the ref's lock file behind where its process is killed, and nobody would ever remove it. Only
    /// libgit2, and only behind the gate, locks a ref that somebody else may want: so whatever lies there is a leftover.
    fn patiently(
        &self,
        name: &str,
        mut step: impl FnMut() -> Result<(), git2::Error>,
    ) -> Result<Result<(), git2::Error>, GitError> {
        let until = Instant::now() + LOCK_PATIENCE;
        // A file system without locks: the age of a lock file is all there is to go by.
        let gate = self.gate("refs.gate", until).unwrap_or(None);
        let mut pause = Duration::from_millis(1);
        loop {
            match step() {
                Err(error) if error.code() == ErrorCode::Locked && Instant::now() < until => {
                    self.remove_lock(
                        &format!("{name}.lock"),
                        if gate.is_some() { Duration::ZERO } else { ORPHAN_LIFE },
                    );
                    self.remove_lock("packed-refs.lock", ORPHAN_LIFE);
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                result => return Ok(result),
            }
        }
    }

    /// Removes a lock file that is at least that old. A failure shows where the lock is wanted.
    fn remove_lock(&self, within: &str, age: Duration) {
        let path = self.path.join(within);
        if age.is_zero() || is_older(&path, age) {
            let _ = fs::remove_file(path);
        }
    }

    /// Packs objects and drops unreachable ones older than two weeks. The caller holds the publish lock.
    ///
    /// # Errors
    /// What git says.
    pub fn maintain(&self, git: &Git) -> Result<(), GitError> {
        // Nobody begins to use a pack that is about to go, and nobody locks the refs that it packs.
        let _turn = self.turn();
        let _gate = self.gate("refs.gate", Instant::now() + LOCK_PATIENCE).unwrap_or(None);
        git.command("gc").git_dir(&self.path).verb().args(["--quiet", "--prune=2.weeks.ago"]).output().map(drop)
    }

    /// Removes files of objects that a dead process left unfinished, where they are older than `age`.
    pub fn sweep_packs(&self, age: Duration) {
        pack::sweep(&self.path, age);
    }

    /// Returns how many packs there are.
    pub fn packs(&self) -> usize {
        let files = fs::read_dir(self.path.join("objects/pack")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "idx")).count()
    }

    /// Returns about how many objects are not in a pack: one of the 256 folders is counted, as git itself does.
    pub fn loose_objects(&self) -> usize {
        let folder = self.path.join("objects").join("17");
        fs::read_dir(folder).map_or(0, Iterator::count) * 256
    }

    /// Removes the scratch refs of processes that died between making and removing them, and returns their names.
    ///
    /// # Errors
    /// [`GitError::Library`] where refs cannot be listed.
    pub fn sweep_scratch_refs(&self) -> Result<Vec<String>, GitError> {
        let mut swept = Vec::new();
        for prefix in [INCOMING, LANDING] {
            for (name, value) in self.refs_below(&format!("{prefix}/"))? {
                let owner = name[prefix.len() + 1..].split('-').next().and_then(|pid| pid.parse().ok());
                if owner.is_none_or(|pid| !may_live(pid)) {
                    self.ref_delete(&name, Expected::Exactly(value))?;
                    swept.push(name);
                }
            }
        }
        Ok(swept)
    }

    /// Removes lock files that are older than `age`, and returns them. The caller holds the publish lock, has ended
    /// any git of its own, and knows that no git of ours runs for that long.
    ///
    /// # Errors
    /// [`GitError::Io`] where a folder cannot be listed.
    pub fn sweep_locks(&self, age: Duration) -> Result<Vec<PathBuf>, GitError> {
        let mut swept = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(GitError::Io { what: "list", path: folder, source }),
            };
            for entry in entries.flatten() {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && path != self.path.join("objects") {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "lock")
                    && is_older(&path, age)
                    && fs::remove_file(&path).is_ok()
                {
                    swept.push(path);
                }
            }
        }
        Ok(swept)
    }
}

/// Returns a name below `prefix` that no other process or thread uses.
pub(super) fn scratch_ref(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}/{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Tells whether a process may have this id: one that was given to a stranger only keeps its ref for longer.
#[cfg(unix)]
fn may_live(pid: i32) -> bool {
    let pid = rustix::process::Pid::from_raw(pid);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn may_live(_pid: i32) -> bool {
    true
}

pub(super) fn is_older(path: &Path, age: Duration) -> bool {
    fs::symlink_metadata(path)
        .and_then(|file| file.modified())
        .ok()
        .and_then(|at| at.elapsed().ok())
        .is_some_and(|old| old > age)
}

/// Tells damage, which a new store mends, from trouble that a new one would meet again.
fn is_damage(error: &GitError) -> bool {
    match error {
        GitError::Io { source, .. } => matches!(
            source.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidData
        ),
        GitError::Library { source, .. } => source.code() != ErrorCode::Owner && source.code() != ErrorCode::Locked,
        GitError::Missing { .. } | GitError::WrongKind { .. } | GitError::Broken { .. } => true,
        _ => false,
    }
}

/// Builds a store aside and renames it into place; where another process was faster, theirs is used.
fn create(home: &Path, path: &Path) -> Result<(), GitError> {
    let aside =
        tempfile::Builder::new().prefix(".board-").tempdir_in(home).map_err(GitError::io("make a folder in", home))?;
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).no_reinit(true).external_template(false).initial_head("squad");
    Repository::init_opts(aside.path(), &options).map_err(GitError::library("make the private store"))?;
    for folder in ["refs/squad", "no-hooks"] {
        let folder = aside.path().join(folder);
        fs::create_dir_all(&folder).map_err(GitError::io("make", &folder))?;
    }
    replace_file(&aside.path().join("config"), CONFIG.as_bytes())?;
    replace_file(&aside.path().join("config.libgit2"), LIBRARY_CONFIG.as_bytes())?;
    // libgit2 has opened it to everybody.
    #[cfg(unix)]
    fs::set_permissions(aside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .map_err(GitError::io("close to others", aside.path()))?;
    match fs::rename(aside.path(), path) {
        Ok(()) => {
            // Nothing is left to clean up under the old name.
            let _ = aside.keep();
            sync_dir(home);
            Ok(())
        }
        Err(_) if path.join("HEAD").exists() => Ok(()),
        Err(source) => Err(GitError::Io { what: "make", path: path.to_owned(), source }),
    }
}

/// Moves a damaged store out of the way and removes it. Another process may have done so already.
fn set_aside(home: &Path, path: &Path) -> Result<(), GitError> {
    let grave = tempfile::Builder::new()
        .prefix(".damaged-")
        .tempdir_in(home)
        .map_err(GitError::io("make a folder in", home))?;
    match fs::rename(path, grave.path().join("board.git")) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(GitError::Io { what: "move aside", path: path.to_owned(), source }),
    }
}

/// Makes a folder that only its owner may enter, whatever the umask says.
fn make_private_dir(path: &Path) -> Result<(), GitError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(source) => Err(GitError::Io { what: "make", path: path.to_owned(), source }),
    }
}

fn replace_file(path: &Path, content: &[u8]) -> Result<(), GitError> {
    let folder = path.parent().expect("a file in the store has a folder");
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(GitError::io("write", path))?;
    io::Write::write_all(&mut file, content).map_err(GitError::io("write", path))?;
    file.as_file().sync_all().map_err(GitError::io("write", path))?;
    file.persist(path).map_err(|error| GitError::Io { what: "write", path: path.to_owned(), source: error.error })?;
    Ok(())
}

/// Makes a rename in this folder durable. A system that cannot sync a folder loses nothing precious here.
pub(super) fn sync_dir(path: &Path) {
    if let Ok(folder) = fs::File::open(path) {
        let _ = folder.sync_all();
    }
}

#[cfg(all(test, unix))]
#[path = "store_tests.rs"]
mod tests;
