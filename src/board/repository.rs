//! The user's repository by itself, whether or not it has a board or a remote: what is staged in it, and its hooks.
//!
//! Makes no private store and asks no remote, so that a hook leaves nothing behind where there is no board.

use std::path::Path;
use std::rc::Rc;

use super::files::Files;
use super::index::Index;
use super::snapshot::Snapshot;
use super::store::BoardStore;
use crate::git::hooks::{self, HooksFolder};
use crate::git::{Git, GitError, Place, Settings};

pub use crate::git::hooks::{CONFIGURED_SINCE, find_program, find_programs, is_program};
pub use crate::git::keys::{expanded, notifying_environment, signing_environment};

/// The user's repository.
pub struct Repository {
    /// Where the user stands.
    pub place: Place,
    /// How git is run.
    pub git: Git,
    /// What this clone has read before: one for all versions, since loading it is most of what a look costs.
    index: Rc<Index>,
}

/// A hook of git's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// The command line that git hands to a shell.
    pub command: String,
    /// The variable that switches it off, where one does.
    pub off_by: Option<String>,
    /// Whether the repository's own configuration has it, and not the user's.
    pub is_local: bool,
}

impl Repository {
    /// Finds the repository around a folder.
    ///
    /// # Errors
    /// [`GitError`], for one [`GitError::NotARepository`].
    pub fn find(git: Git, start: &Path) -> Result<Self, GitError> {
        Ok(Self::at_place(Place::find(start, &git)?, git))
    }

    /// Returns the repository that a board was opened in.
    pub fn of(board: &BoardStore) -> Self {
        Self::at_place(board.place.clone(), board.git.clone())
    }

    fn at_place(place: Place, git: Git) -> Self {
        let index = Rc::new(Index::at(place.common_dir.join("squad").join("index")));
        Self { place, git, index }
    }

    /// Returns a version of the board that knows what this clone has read before.
    pub(super) fn indexed(&self, files: Box<dyn Files>) -> Snapshot {
        Snapshot::new(files).with_index(self.index.clone())
    }

    /// Returns the folder that git looks for hooks in.
    ///
    /// # Errors
    /// [`GitError`] where the configuration cannot be read.
    pub fn hooks_folder(&self) -> Result<HooksFolder, GitError> {
        Ok(hooks::folder(&self.place, &self.settings()?, &self.git))
    }

    /// Tells whether this git runs hooks of its configuration.
    ///
    /// # Errors
    /// [`GitError`] where there is no git to ask.
    pub fn runs_configured_hooks(&self) -> Result<bool, GitError> {
        hooks::runs_configured(&self.git)
    }

    /// Returns the hook with this name and for this event in git's configuration.
    ///
    /// # Errors
    /// [`GitError`] where the configuration cannot be read.
    pub fn configured_hook(&self, name: &str, event: &str) -> Result<Option<Configured>, GitError> {
        let settings = self.settings()?;
        let key = |variable: &str| format!("hook.{name}.{variable}");
        let Some(command) = settings.get(&key("command")) else { return Ok(None) };
        if !settings.all(&key("event")).iter().any(|named| named == event) {
            return Ok(None);
        }
        let mut switches = [key("enabled"), format!("hook.{event}.enabled")].into_iter();
        Ok(Some(Configured {
            command: command.to_owned(),
            off_by: switches.find(|switch| settings.get_bool(switch) == Some(false)),
            is_local: self.forget_hook(name, true)?,
        }))
    }

    /// Writes a hook for these events into the repository's own configuration.
    ///
    /// # Errors
    /// [`GitError`] where it cannot be written.
    pub fn configure_hook(&self, name: &str, events: &[&str], command: &str) -> Result<(), GitError> {
        let mut settings = self.settings()?;
        // The events last: a hook without one is not run, so a kill in between leaves nothing that is half there.
        settings.set_local(&self.place, &self.git, &format!("hook.{name}.command"), command)?;
        let key = format!("hook.{name}.event");
        for (nth, event) in events.iter().enumerate() {
            match nth {
                0 => settings.set_local(&self.place, &self.git, &key, event)?,
                _ => settings.add_local(&self.place, &self.git, &key, event)?,
            }
        }
        Ok(())
    }

    /// Takes a hook out of the repository's own configuration, unless it is only to be looked for. Tells whether it was
    /// there.
    ///
    /// # Errors
    /// [`GitError`] where it cannot be written.
    pub fn forget_hook(&self, name: &str, only_look: bool) -> Result<bool, GitError> {
        Settings::forget_local(&self.place, &self.git, &format!("hook.{name}"), only_look)
    }

    /// Returns the user's git configuration.
    ///
    /// # Errors
    /// [`GitError`] where it cannot be read.
    pub fn settings(&self) -> Result<Settings, GitError> {
        Settings::load(&self.place, &self.git)
    }
}
