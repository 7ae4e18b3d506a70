//! Values: texts that a ref holds until the next one replaces them, outside every history.
//!
//! Owns how they are stored: as commits without parents and files, which every host takes, each an object by itself, so
//! that it can go when it is replaced. Nothing ever grows by them. They need not outlive a power failure.

use std::fs;
use std::path::PathBuf;

use git2::Repository;

use super::objects::signature;
use super::{Expected, GitError, Identity, Oid, Store};

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

    /// Lets a ref of the store hold a value; the one that it held goes.
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

    /// Removes a value that no ref holds any more. One that git has put into a pack stays until that is collected.
    pub fn forget_value(&self, oid: Oid) {
        let name = oid.to_string();
        let file: PathBuf = self.path().join("objects").join(&name[..2]).join(&name[2..]);
        let _ = fs::remove_file(file);
    }
}
