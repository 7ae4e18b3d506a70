//! Which operations were made in this clone: a note that outlives their publication.
//!
//! The history tells who acted, never from which clone; after a rewind that is the question. An id that is missing
//! here means that its operation is only told of and not published again, so nothing hangs on the note's durability.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::board::store::write_whole;
use crate::model::id::OpId;

/// Size in bytes at which the older half is forgotten: about 4,800 operations.
const LONGEST: u64 = 128 * 1024;

/// The note.
pub(super) struct Made {
    file: PathBuf,
}

impl Made {
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Adds an operation.
    pub fn note(&self, id: OpId) {
        let _ = self.file.parent().map(fs::create_dir_all);
        let file = OpenOptions::new().create(true).append(true).open(&self.file);
        // One write of less than a page: two processes at once do not mix their lines.
        let _ = file.and_then(|mut file| file.write_all(format!("{id}\n").as_bytes()));
        if fs::metadata(&self.file).is_ok_and(|file| file.len() > LONGEST) {
            self.forget_half();
        }
    }

    fn forget_half(&self) {
        let Ok(text) = fs::read_to_string(&self.file) else { return };
        let lines: Vec<&str> = text.lines().collect();
        let newer = lines[lines.len() / 2..].join("\n") + "\n";
        let _ = write_whole(&self.file, newer.as_bytes());
    }

    /// Returns the operations that are known to have been made here.
    pub fn all(&self) -> HashSet<OpId> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Millis;

    fn id(n: u32) -> OpId {
        let mut random = [0; 10];
        random[..4].copy_from_slice(&n.to_be_bytes());
        OpId::from_parts(Millis(1_700_000_000_000), random)
    }

    #[test]
    fn what_was_made_is_known_and_the_oldest_is_forgotten_before_the_note_grows_large() {
        let dir = tempfile::tempdir().expect("a folder");
        let made = Made::new(dir.path().join("squad").join("made"));
        assert!(made.all().is_empty());
        for n in 0..6000 {
            made.note(id(n));
        }
        let all = made.all();
        assert!(all.contains(&id(5999)) && !all.contains(&id(0)), "{} are known", all.len());
        assert!(fs::metadata(&made.file).expect("a file").len() <= LONGEST);
    }
}
