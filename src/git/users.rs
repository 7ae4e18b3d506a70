//! Commands in the user's own repository, with everything switched off that would run somebody's code or touch more
//! than asked: hooks, filters, file-system monitors, maintenance.
//!
//! Objects and remote-tracking refs are written in process where the repository is of the plainest kind, as every
//! publish needs them and a process costs more than the writing; otherwise, and in doubt, by git.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use git2::{ReferenceType, Repository, RepositoryOpenFlags};

use super::diff::Parcel;
use super::place::{Place, RefFormat, Settings};
use super::store::Store;
use super::subprocess::{Finished, Git, Invocation};
use super::{Expected, GitError, Oid};

/// Pauses while another process holds the user's index: together about one and a half seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_millis(800);

/// How long git believes that the process of its note `gc.pid` is at work. Source: git-gc(1), builtin/gc.c.
const GC_NOTE_LIFE: Duration = Duration::from_secs(12 * 3600);

/// What stands in a file that keeps a pack of ours.
const KEEP: &str = "squad";

/// How long a pack may have to be kept at most: bringing one in takes a fraction of a second.
const KEEP_LIFE: Duration = Duration::from_secs(600);

/// From how many objects on git itself stores what it fetches as a pack. Source: git-config(1), `fetch.unpackLimit`.
const UNPACK_LIMIT: usize = 100;

/// Settings on how files are written that libgit2 does not know, or knows by other values.
const ONLY_GIT_HEEDS: [&str; 5] =
    ["core.sharedRepository", "core.fsync", "core.fsyncMethod", "core.fsyncObjectFiles", "core.createObject"];

/// How objects were stored.
#[must_use]
pub(super) enum Stored {
    /// One by one.
    Loose,
    /// As a pack, with the file that keeps it.
    Kept(Option<PathBuf>),
}

/// How to run git in the user's repository.
#[derive(Debug, Clone)]
pub(super) struct Users {
    pub git: Git,
    pub place: Place,
    filters: Vec<String>,
    /// Whether libgit2 may write what git would: refs are files, and nothing is set that only git heeds.
    plain: bool,
}

impl Users {
    pub fn new(place: &Place, settings: &Settings, git: &Git) -> Self {
        // A filter may be a command; the board's files pass through none.
        let filters: BTreeSet<&str> = settings.subsections("filter").map(|(name, _)| name).collect();
        let filters = filters.into_iter().map(str::to_owned).collect();
        let plain = place.ref_format == RefFormat::Files
            && ONLY_GIT_HEEDS.iter().all(|key| settings.get(key).is_none())
            && place.common_dir.to_str().is_some();
        Self { git: git.clone(), place: place.clone(), filters, plain }
    }

    /// Begins a command on the repository as a whole.
    pub fn command(&self, what: &'static str, no_hooks: &Path) -> Invocation<'_> {
        let command = self.git.command(what).dir(&self.place.common_dir).git_dir(&self.place.common_dir);
        self.quieted(command, no_hooks)
    }

    /// Begins a command in one worktree.
    pub fn in_worktree(&self, what: &'static str, worktree: &Path, no_hooks: &Path) -> Invocation<'_> {
        self.quieted(self.git.command(what).dir(worktree), no_hooks)
    }

    fn quieted<'a>(&self, mut command: Invocation<'a>, no_hooks: &Path) -> Invocation<'a> {
        command = command
            .config("core.hooksPath", no_hooks)
            .config("core.fsmonitor", "false")
            .config("submodule.recurse", "false")
            .config("fetch.recurseSubmodules", "false")
            .config("fetch.writeCommitGraph", "false")
            .config("gc.auto", "0")
            .config("maintenance.auto", "false")
            .config("protocol.ext.allow", "never")
            // By itself git syncs no single objects: a power failure then leaves the user's branch, which we have
            // moved, at a commit that is an empty file.
            .config("core.fsync", "committed")
            // The default of 100 ms loses against a busy neighbour.
            .config("core.filesRefLockTimeout", "2000")
            .config("core.packedRefsTimeout", "5000");
        for name in &self.filters {
            for variable in ["clean", "smudge", "process"] {
                command = command.config(&format!("filter.{name}.{variable}"), "");
            }
            command = command.config(&format!("filter.{name}.required"), "false");
        }
        command
    }

    /// Copies what `source`, a ref of the store, reaches into the user's repository. The shallow boundary of the store
    /// never becomes the user's.
    pub fn copy_from(&self, store: &Path, no_hooks: &Path, source: &str) -> Result<Finished, GitError> {
        self.command("fetch", no_hooks)
            .verb()
            .args(["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules"])
            .args(["--no-prune", "--refmap=", "--"])
            .arg(store)
            .arg(source)
            .run()
    }

    /// Stores objects, which nothing refers to yet; [`Users::secure`] follows once something does. A fraction of the
    /// price of a fetch, for who knows that nothing else is missing.
    ///
    /// `gc --prune=now` takes away what nothing refers to, also what came while it ran. While one is at work they are
    /// stored as a pack that it must keep; otherwise one by one, since a pack for each command would pile up, unless they
    /// are so many that a pack is what git would make of them.
    pub fn bring(&self, store: &Store, parcel: &Parcel<'_>) -> Result<(Option<Finished>, Stored), GitError> {
        let no_hooks = &store.no_hooks();
        if !self.gc_at_work() && parcel.objects.len() < UNPACK_LIMIT {
            if self.plain && self.bring_in_process(store, parcel).is_ok() {
                return Ok((None, Stored::Loose));
            }
            let command = self.command("unpack-objects", no_hooks).verb().arg("-q");
            return Ok((Some(command.input(parcel.pack()?).run()?), Stored::Loose));
        }
        let kept = self.index_pack(no_hooks, parcel, &[&format!("--keep={KEEP}")])?;
        let name = String::from_utf8_lossy(&kept.stdout);
        let name = name.trim().rsplit('\t').next().filter(|name| name.bytes().all(|b| b.is_ascii_hexdigit()));
        let keep = name.map(|name| self.place.common_dir.join(format!("objects/pack/pack-{name}.keep")));
        Ok((Some(kept), Stored::Kept(keep)))
    }

    /// Stores objects without a process, each on the disk when this returns: a branch will be moved to them. What is
    /// there already is only made younger, as git does.
    fn bring_in_process(&self, store: &Store, parcel: &Parcel<'_>) -> Result<(), GitError> {
        let fail = || GitError::library("store an object");
        let repo = self.library()?;
        // Before anything else is asked of it: the object store looks up its settings once.
        let settings =
            repo.config().and_then(|mut config| config.add_file(&store.library_config(), git2::ConfigLevel::App, true));
        settings.map_err(fail())?;
        let odb = repo.odb().map_err(fail())?;
        for oid in &parcel.objects {
            let (kind, bytes) = parcel.store.raw(*oid)?;
            odb.write(kind.into(), &bytes).map_err(fail())?;
        }
        Ok(())
    }

    fn library(&self) -> Result<Repository, GitError> {
        Repository::open_ext(&self.place.common_dir, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])
            .map_err(GitError::library("open the repository"))
    }

    /// Makes sure that what was stored is still there, now that something refers to it: from here on no collection
    /// that begins will touch it, but one that began before may have, or still will.
    pub fn secure(&self, no_hooks: &Path, parcel: &Parcel<'_>, stored: Stored) -> Result<(), GitError> {
        match stored {
            Stored::Kept(keep) => {
                let _ = keep.map(fs::remove_file);
                self.sweep_keeps();
            }
            Stored::Loose if self.gc_at_work() || !parcel.objects.iter().all(|oid| self.is_loose(*oid)) => {
                // A collection deletes single objects, and the packs that were there when it began.
                // Where it fails, `git fetch` brings the same.
                let _ = self.index_pack(no_hooks, parcel, &[])?;
            }
            Stored::Loose => {}
        }
        Ok(())
    }

    /// Removes the files that kept a pack for a squad that was killed, or whose git failed halfway.
    fn sweep_keeps(&self) {
        let Ok(entries) = fs::read_dir(self.place.common_dir.join("objects/pack")) else { return };
        for path in
            entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "keep"))
        {
            let modified = fs::metadata(&path).and_then(|file| file.modified());
            let old = modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KEEP_LIFE));
            if old && fs::read(&path).is_ok_and(|text| text.trim_ascii() == KEEP.as_bytes()) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn index_pack(&self, no_hooks: &Path, parcel: &Parcel<'_>, options: &[&str]) -> Result<Finished, GitError> {
        let command = self.command("index-pack", no_hooks).verb().arg("--stdin").args(options);
        command.input(parcel.pack()?).run()
    }

    /// Tells whether a `git gc` runs here; like git, believes no note of one that is older than half a day.
    fn gc_at_work(&self) -> bool {
        let note = fs::metadata(self.place.common_dir.join("gc.pid")).and_then(|note| note.modified());
        note.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < GC_NOTE_LIFE))
    }

    fn is_loose(&self, oid: Oid) -> bool {
        let name = oid.to_string();
        self.place.common_dir.join("objects").join(&name[..2]).join(&name[2..]).exists()
    }

    /// Lets a remote-tracking ref follow. Where somebody else's fetch was faster, that is as good.
    pub fn track(&self, no_hooks: &Path, name: &str, new: Oid, old: Option<Oid>) -> Result<(), GitError> {
        if self.plain && self.track_in_process(name, new, old).is_ok() {
            return Ok(());
        }
        // A lock that another process holds, or a ref of a kind that is git's to judge.
        self.move_ref(no_hooks, name, new, old.map_or(Expected::Absent, Expected::Exactly)).map(drop)
    }

    fn track_in_process(&self, name: &str, new: Oid, old: Option<Oid>) -> Result<(), git2::Error> {
        let repo = self.library().map_err(|error| git2::Error::from_str(&error.to_string()))?;
        if let Ok(reference) = repo.find_reference(name)
            && reference.kind() != Some(ReferenceType::Direct)
        {
            return Err(git2::Error::from_str("a symbolic ref is git's to follow"));
        }
        // Whoever moves a ref is named in its log; libgit2 does not look wherever git finds a name.
        repo.signature()?;
        let old = old.map_or(git2::Oid::ZERO_SHA1, Oid::raw);
        repo.reference_matching(name, new.raw(), true, old, "squad").map(drop)
    }

    /// Moves a ref from the expected value.
    pub fn move_ref(&self, no_hooks: &Path, name: &str, new: Oid, expected: Expected) -> Result<Finished, GitError> {
        let command = self.command("update-ref", no_hooks).verb().args(["--no-deref", "-m", "squad", "--"]);
        let command = command.arg(name).arg(new.to_string());
        match expected {
            Expected::Absent => command.arg(git2::Oid::ZERO_SHA1.to_string()),
            Expected::Exactly(old) => command.arg(old.to_string()),
            Expected::Any => command,
        }
        .run()
    }

    /// Lets a worktree, and the branch that is checked out there, follow to a commit that descends from it. Fails
    /// without a change where that would overwrite anything of the user's.
    pub fn fast_forward(&self, worktree: &Path, no_hooks: &Path, to: Oid) -> Result<Finished, GitError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let finished = self
                .in_worktree("merge", worktree, no_hooks)
                .config("merge.verifySignatures", "false")
                .verb()
                // An ignored file in the way is still somebody's file.
                .args(["--ff-only", "--quiet", "--no-stat", "--no-autostash", "--no-overwrite-ignore"])
                .arg(to.to_string())
                .run()?;
            // git never waits for the index, and an agent may well run `git status` or `git commit` right now.
            if finished.success() || pause > LAST_PAUSE || !finished.reason().contains("index.lock") {
                return Ok(finished);
            }
            thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Takes a worktree back from a commit that was checked out to the one that its branch is at. Whatever is the
    /// user's stays, and where the two cannot be told apart nothing changes.
    pub fn go_back(&self, worktree: &Path, no_hooks: &Path, from: Oid, to: Oid) -> Result<Finished, GitError> {
        let command = self.in_worktree("read-tree", worktree, no_hooks).verb().args(["-m", "-u"]);
        command.arg(from.to_string()).arg(to.to_string()).run()
    }

    /// Returns what is changed, staged or untracked at or below these paths of a worktree, as git's status lists it.
    pub fn dirt(&self, worktree: &Path, no_hooks: &Path, paths: &[String]) -> Result<Vec<PathBuf>, GitError> {
        let output = self
            .in_worktree("status", worktree, no_hooks)
            .global("--literal-pathspecs")
            .verb()
            .args(["--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all", "--"])
            .args(paths)
            .output()?;
        // `XY path` each; with renames off no entry has a second path.
        let entries = output.split(|byte| *byte == 0).filter(|entry| entry.len() > 3);
        Ok(entries.map(|entry| PathBuf::from(String::from_utf8_lossy(&entry[3..]).into_owned())).collect())
    }
}
