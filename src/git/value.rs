//! Values: texts that a ref holds until the next one replaces them, outside every history.
//!
//! Owns how they are stored: as commits without parents and files, which every host takes, each an object by itself, so
//! that it can go when it is replaced. Nothing ever grows by them. They need not outlive a power failure.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use git2::Repository;

use super::objects::signature;
use super::pack;
use super::store::is_older;
use super::{CommitInfo, Expected, GitError, Identity, Oid, Store};

/// Where the store notes which values were replaced, each as a file with its name.
const REPLACED: &str = "replaced";

/// The tree without files, which every value has. Source: `git hash-object -t tree /dev/null`.
const NO_FILES: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// How long a value is kept after it was replaced: a fetch that began before may yet let a ref hold it, and lasts no
/// longer.
const KEPT_FOR: Duration = Duration::from_secs(600);

fn is_value(commit: &CommitInfo) -> bool {
    commit.parents.is_empty() && commit.tree.to_string() == NO_FILES
}

impl Store {
    /// Stores a value and returns its name. No ref holds it yet.
    ///
    /// # Errors
    /// [`GitError::Library`] where the store cannot be written.
    pub fn write_value(&self, text: &str, by: &Identity) -> Result<Oid, GitError> {
        // A handle of its own: what the store's builds waits in memory, to be packed with the rest.
        let fail = || GitError::library("write a value");
        let repo = Repository::open_bare(self.path()).map_err(fail())?;
        let empty = repo.treebuilder(None).and_then(|tree| tree.write()).map_err(fail())?;
        let tree = repo.find_tree(empty).map_err(fail())?;
        let by = signature(by)?;
        repo.commit(None, &by, &by, text, &tree, &[]).map(Oid::from).map_err(fail())
    }

    /// Returns a value.
    ///
    /// # Errors
    /// [`GitError::Missing`] where it was replaced and has gone, [`GitError::WrongKind`] or [`GitError::TooLarge`]
    /// where it is none.
    pub fn read_value(&self, oid: Oid, max: u64) -> Result<String, GitError> {
        let size = self.size_of(oid)?;
        if size > max {
            return Err(GitError::TooLarge { oid, size, max });
        }
        Ok(self.read_commit(oid)?.message)
    }

    /// Lets a ref of the store hold a value; the one that it held goes in time.
    ///
    /// # Errors
    /// [`GitError::Library`] where the ref cannot be moved.
    pub fn hold_value(&self, name: &str, new: Oid) -> Result<(), GitError> {
        let former = self.ref_get(name)?;
        self.ref_set(name, new, Expected::Any)?;
        if let Some(former) = former.filter(|former| *former != new) {
            self.forget_value(former);
        }
        Ok(())
    }

    /// Notes that a value is not needed any more, and removes those of which that was noted long ago. Where it cannot be
    /// noted, the value stays until git collects it.
    pub fn forget_value(&self, oid: Oid) {
        let replaced = self.path().join(REPLACED);
        if fs::create_dir_all(&replaced).is_ok() {
            let _ = fs::File::create(replaced.join(oid.to_string()));
        }
        let old = fs::read_dir(&replaced).into_iter().flatten().flatten().map(|entry| entry.path());
        let old: Vec<PathBuf> = old.filter(|note| is_older(note, KEPT_FOR)).collect();
        let Some(refs) = (if old.is_empty() { None } else { self.refs_below("refs/").ok() }) else { return };
        let held: HashSet<Oid> = refs.into_iter().map(|(_, oid)| oid).collect();
        for note in old {
            let oid = note.file_name().and_then(|name| name.to_str()?.parse::<Oid>().ok());
            if let Some(oid) = oid.filter(|oid| !held.contains(oid)) {
                self.remove_value(oid, &held);
            }
            let _ = fs::remove_file(note);
        }
    }

    fn remove_value(&self, oid: Oid, held: &HashSet<Oid>) {
        let name = oid.to_string();
        let _ = fs::remove_file(self.path().join("objects").join(&name[..2]).join(&name[2..]));
        // What a fetch has brought lies in a pack, which goes once nothing in it is needed: nothing but values, that is,
        // and none that a ref holds.
        let unneeded = |oid: &Oid| !held.contains(oid) && self.read_commit(*oid).is_ok_and(|c| is_value(&c));
        if let Some(small) = pack::small_with(self.path(), oid)
            && small.objects.iter().all(unneeded)
        {
            small.remove();
        }
    }
}
