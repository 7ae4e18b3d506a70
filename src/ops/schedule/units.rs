//! Files that a timer of the user's session reads: units of systemd, agents of launchd. All of a clone have its name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::crontab::stamp;
use crate::board::store::write_with_mode;
use crate::model::code::ErrorCode;
use crate::model::id::Millis;
use crate::ops::act::difference;
use crate::ops::failure::Failure;
use crate::ops::hook::Change;
use crate::ops::queue::make_private;

/// A file, by name and text.
pub(super) type Unit = (String, String);

/// What becomes of a file: its path, what it holds, and what it is to hold; nothing where it goes.
pub(super) type Rewrite = (PathBuf, Vec<u8>, Option<String>);

/// The files of a clone in a folder of the user's.
#[derive(Debug)]
pub(super) struct Folder {
    /// The folder.
    pub dir: PathBuf,
    /// What the names of all files of the clone begin with.
    pub prefix: String,
}

impl Folder {
    /// Returns the files that are there, by name.
    pub fn present(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed("list", &self.dir, &e)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| failed("list", &self.dir, &e))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with(&self.prefix) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                found.push((name, fs::read(entry.path()).map_err(|e| failed("read", &entry.path(), &e))?));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Returns what has to change so that these files are there, and no others of the clone.
    pub fn changes(&self, units: &[Unit]) -> Result<Vec<Rewrite>, Failure> {
        let present = self.present()?;
        let old = |name: &str| present.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.clone());
        let written = units.iter().filter_map(|(name, text)| {
            let old = old(name);
            (old.as_deref() != Some(text.as_bytes()))
                .then(|| (self.dir.join(name), old.unwrap_or_default(), Some(text.clone())))
        });
        let gone = present.iter().filter(|(name, _)| units.iter().all(|(wanted, _)| wanted != name));
        let gone = gone.map(|(name, bytes)| (self.dir.join(name), bytes.clone(), None));
        Ok(written.chain(gone).collect())
    }
}

/// Makes the changes, after what they replace has been kept.
pub(super) fn make(changes: &[Rewrite], kept: &Path, now: Millis) -> Result<(), Failure> {
    let kept = kept.join(stamp(now));
    for (path, old, _) in changes.iter().filter(|(_, old, _)| !old.is_empty()) {
        let name = path.file_name().unwrap_or_default();
        make_private(&kept)
            .and_then(|()| write_with_mode(&kept.join(name), old, None))
            .map_err(|e| failed("keep the former", path, &e))?;
    }
    for (path, _, new) in changes {
        match new {
            Some(text) => {
                let folder = path.parent().unwrap_or(Path::new("."));
                fs::create_dir_all(folder)
                    .and_then(|()| write_with_mode(path, text.as_bytes(), readable()))
                    .map_err(|e| failed("write", path, &e))?;
            }
            None => fs::remove_file(path).map_err(|e| failed("remove", path, &e))?,
        }
    }
    Ok(())
}

/// Tells the changes as differences.
pub(super) fn told(changes: &[Rewrite]) -> Vec<Change> {
    let one = |(path, old, new): &Rewrite| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let diff = difference(old, new.as_deref().unwrap_or_default().as_bytes(), &name);
        Change { path: path.display().to_string(), diff }
    };
    changes.iter().map(one).collect()
}

#[cfg(unix)]
fn readable() -> Option<fs::Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable() -> Option<fs::Permissions> {
    None
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(ErrorCode::Internal, format!("cannot {what} {}", path.display()))
        .caused_by(error)
        .hint("allow writing there, or choose another `--format`")
}
