//! The files of a folder of the file system.
//!
//! Follows no link: a board from elsewhere must not make squad read what lies outside.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::files::{Entry, EntryKind, Files, MAX_FILE, ReadError, TooLarge};

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Returns the files below a folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the path on the file system, or `None` where a part of it is a link: nothing beyond one is read.
    fn real(&self, path: &str) -> Option<PathBuf> {
        let mut real = self.root.clone();
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let (last, above) = match parts.split_last() {
            Some((last, above)) => (Some(last), above),
            None => (None, &parts[..]),
        };
        for part in above {
            real.push(part);
            if fs::symlink_metadata(&real).is_ok_and(|m| m.file_type().is_symlink()) {
                return None;
            }
        }
        real.extend(last);
        Some(real)
    }

    fn entry(name: String, path: &Path) -> Result<Option<Entry>, ReadError> {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let kind = if meta.file_type().is_symlink() {
            EntryKind::Link
        } else if meta.is_dir() {
            EntryKind::Folder
        } else if is_executable(&meta) {
            EntryKind::Executable
        } else {
            EntryKind::File
        };
        Ok(Some(Entry { name, kind, id: None }))
    }
}

#[cfg(unix)]
fn is_executable(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}

impl Files for Folder {
    fn list(&self, folder: &str) -> Result<Vec<Entry>, ReadError> {
        let Some(real) = self.real(&format!("{folder}/.")) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for item in walkdir::WalkDir::new(real).min_depth(1).max_depth(1).follow_links(false).sort_by_file_name() {
            let item = match item {
                Ok(item) => item,
                Err(e) if e.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => break,
                Err(e) => return Err(e.into()),
            };
            let name = item.file_name().to_string_lossy().into_owned();
            found.extend(Self::entry(name, item.path())?);
        }
        Ok(found)
    }

    fn find(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        match self.real(path) {
            Some(real) => Self::entry(name, &real),
            None => Ok(None),
        }
    }

    fn read(&self, path: &str, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let real = match entry.kind {
            EntryKind::File | EntryKind::Executable => self.real(path).ok_or("a part of the path is a link")?,
            _ => return Err("it is no ordinary file".into()),
        };
        let file = fs::File::open(real)?;
        let size = file.metadata()?.len();
        if size > MAX_FILE {
            return Err(TooLarge { size }.into());
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
