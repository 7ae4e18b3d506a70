//! `merge-driver`: merges one file of the board for git, in place.
//!
//! Needs no board and no network: git hands over three files and the path that they are versions of. Where they cannot
//! be merged, nothing is written, and the file that git shows as conflicting is ours as it was.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::board::layout::{ARCHIVE_DIR, stem_of};
use crate::board::store::write_with_mode;
use crate::model::code::ErrorCode;
use crate::review::{FileRole, Lost, Merged, Unmergeable, merge};
use crate::schema::document::MAX_BYTES;

/// The three versions, as git hands them over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// What both sides were made of; an empty file where there is nothing.
    pub base: PathBuf,
    /// What is merged into; the result is written here.
    pub ours: PathBuf,
    /// What is merged.
    pub theirs: PathBuf,
}

/// What came of a merge that went well.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedFile {
    /// What the result does not have.
    pub lost: Vec<Lost>,
    /// Whether the file follows from others, and will be written anew.
    pub is_derived: bool,
}

/// Merges the versions of the file at `path` of the repository into ours.
///
/// # Errors
/// [`Failure`] where they are not merged; ours is as it was then.
pub fn merge_files(versions: &Versions, path: &str) -> Result<MergedFile, Failure> {
    let (base, ours, theirs) = (read(&versions.base)?, read(&versions.ours)?, read(&versions.theirs)?);
    let base = (!base.is_empty()).then_some(base);
    let role = role(path);
    let Merged { bytes, lost } =
        merge(path, &role, base.as_deref(), &ours, &theirs).map_err(|why| refusal(path, &why))?;
    if bytes != ours {
        replace(&versions.ours, &bytes)?;
    }
    Ok(MergedFile { lost, is_derived: role == FileRole::Locks })
}

/// Returns what a file is on the board by its path.
fn role(path: &str) -> FileRole {
    match stem_of(path).map(str::to_owned) {
        Some(stem) if path.starts_with(ARCHIVE_DIR) => FileRole::Archived { stem },
        Some(stem) => FileRole::Live { stem },
        None => FileRole::Locks,
    }
}

fn refusal(path: &str, why: &Unmergeable) -> Failure {
    let failure = Failure::new(ErrorCode::Invalid, format!("{path} is not merged")).why(why.to_string());
    match why {
        Unmergeable::Broken { violation, .. } | Unmergeable::Breaks { violation } => {
            failure.with("violation", serde_json::json!(violation))
        }
        Unmergeable::OtherTask { .. } => failure,
    }
    .hint(format!(
        "the file is ours as it was, `git show :3:{path}` is the other; write what it shall be and `git add` it"
    ))
}

/// Reads a version, and no more of it than tells that it is too large.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { ErrorCode::NotFound } else { ErrorCode::Internal };
        Failure::new(code, format!("cannot read {}", path.display()))
            .caused_by(&error)
            .hint("git runs this: `git config merge.squad.driver` is the line that it runs")
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_with_mode(path, bytes, None).map_err(|error| {
        Failure::new(ErrorCode::Internal, format!("cannot write {}", path.display()))
            .caused_by(&error)
            .hint("nothing was changed; give it room or leave to write, and merge again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_follows_from_where_it_is() {
        let stem = |stem: &str| stem.to_owned();
        assert_eq!(role("squad/tasks/json/a.b.json"), FileRole::Live { stem: stem("a.b") });
        assert_eq!(role("squad/tasks/archived/2026-11/a.json"), FileRole::Archived { stem: stem("a") });
        for other in [".claude/coordination.json", "squad/tasks/json.json", "locks.json", "squad/tasks/json/"] {
            assert_eq!(role(other), FileRole::Locks, "{other}");
        }
    }
}
