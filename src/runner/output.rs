//! What a run says: its beginning and its end in a file and in memory, and the length and digest of all of it.
//!
//! Owns the file, its size, and how many of its kind a folder keeps. Whatever the disk does, output is taken and counted.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The ending of the names of logs. Other files of the folder are left alone.
const ENDING: &str = "log";

/// How much output is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLimits {
    /// Bytes from the beginning.
    pub head: usize,
    /// Bytes from the end.
    pub tail: usize,
    /// Most logs in the folder; the oldest go first.
    pub logs: usize,
    /// Most bytes of all logs in the folder when a run begins; the oldest go first.
    pub folder: u64,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self { head: 64 << 10, tail: 192 << 10, logs: 200, folder: 64 << 20 }
    }
}

/// What is kept of a run's output: standard output and standard error in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Bytes in all.
    pub total: u64,
    /// SHA-256 of all of them, in hex.
    pub sha256: String,
    /// The first of them.
    pub head: Vec<u8>,
    /// The last of those that came after the head.
    pub tail: Vec<u8>,
    /// The file: the head, a line that tells how much is left out, the tail.
    pub file: PathBuf,
    /// Whether the file lacks anything, because there was too much or the disk did not take it.
    pub truncated: bool,
    /// What the disk said, where the file is not even what it should be.
    pub fault: Option<String>,
}

impl Kept {
    /// Returns what is kept of a run that did not begin.
    pub(super) fn nothing(file: PathBuf) -> Self {
        let sha256 = hex(&Sha256::digest([]));
        Self { total: 0, sha256, head: Vec::new(), tail: Vec::new(), file, truncated: false, fault: None }
    }

    /// Returns how many bytes lie between the head and the tail.
    pub fn left_out(&self) -> u64 {
        self.total - as_count(self.head.len()) - as_count(self.tail.len())
    }
}

/// Output as it comes.
///
/// The file is the head and whatever has come since, until that is twice the tail: then it is cut to its last half. So
/// it is bounded at any time, and whoever reads it after a crash finds the beginning and the end.
pub(super) struct Capture {
    path: PathBuf,
    /// `None` once the disk has refused something.
    file: Option<File>,
    fault: Option<String>,
    limits: OutputLimits,
    head: Vec<u8>,
    /// What stands behind the head in the file.
    recent: Vec<u8>,
    total: u64,
    hash: Sha256,
    sealed: bool,
}

impl Capture {
    /// Makes the folder and the file, and room for it.
    ///
    /// # Errors
    /// When the file is there already, or cannot be made.
    pub(super) fn create(path: &Path, limits: &OutputLimits) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            closed_folder(folder)?;
            make_room(folder, limits)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        // Says to others who make room that it is being written. A file system without locks loses only that.
        let _ = file.try_lock();
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
            fault: None,
            limits: limits.clone(),
            head: Vec::new(),
            recent: Vec::new(),
            total: 0,
            hash: Sha256::new(),
            sealed: false,
        })
    }

    /// Takes what has come.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if self.sealed {
            return;
        }
        self.total += as_count(bytes.len());
        self.hash.update(bytes);
        self.write(|file| file.write_all(bytes));
        let (first, rest) = bytes.split_at(bytes.len().min(self.limits.head - self.head.len()));
        self.head.extend_from_slice(first);
        self.recent.extend_from_slice(rest);
        if self.recent.len() > 2 * self.limits.tail {
            self.shorten();
            let (from, recent) = (as_count(self.head.len()), std::mem::take(&mut self.recent));
            self.write(|file| overwrite(file, from, &[&recent]));
            self.recent = recent;
        }
    }

    /// Returns at most so many of the last bytes.
    pub(super) fn last(&self, max: usize) -> Vec<u8> {
        let recent = &self.recent[self.recent.len().saturating_sub(max)..];
        // Only while nothing is left out between the two.
        let whole = as_count(self.head.len() + self.recent.len()) == self.total;
        let more = if whole { (max - recent.len()).min(self.head.len()) } else { 0 };
        [&self.head[self.head.len() - more..], recent].concat()
    }

    /// Ends it: what comes from here on is not of the run any more.
    pub(super) fn seal(&mut self) -> Kept {
        self.sealed = true;
        self.shorten();
        let left_out = self.total - as_count(self.head.len()) - as_count(self.recent.len());
        let note = if left_out == 0 { String::new() } else { format!("\n[squad: {left_out} bytes left out]\n") };
        if left_out > 0 || self.fault.is_some() {
            // All of it, also where the disk refused before: by now there may be room.
            let file = self.file.take().or_else(|| OpenOptions::new().write(true).open(&self.path).ok());
            if let Some(mut file) = file {
                match overwrite(&mut file, 0, &[&self.head, note.as_bytes(), &self.recent]) {
                    Ok(()) => self.fault = None,
                    Err(error) => self.fault = Some(error.to_string()),
                }
            }
        }
        self.file = None;
        Kept {
            total: self.total,
            sha256: hex(&std::mem::take(&mut self.hash).finalize()),
            head: std::mem::take(&mut self.head),
            tail: std::mem::take(&mut self.recent),
            file: self.path.clone(),
            truncated: left_out > 0 || self.fault.is_some(),
            fault: self.fault.take(),
        }
    }

    fn shorten(&mut self) {
        let beyond = self.recent.len().saturating_sub(self.limits.tail);
        self.recent.drain(..beyond);
    }

    fn write(&mut self, with: impl FnOnce(&mut File) -> io::Result<()>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = with(file) {
            self.fault = Some(error.to_string());
            self.file = None;
        }
    }
}

/// Makes these the end of a file, from an offset on.
fn overwrite(file: &mut File, from: u64, parts: &[&[u8]]) -> io::Result<()> {
    // Cut first: on a full disk the room that this frees is what is written to next.
    file.set_len(from)?;
    file.seek(SeekFrom::Start(from))?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

fn as_count(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits into 64 bits")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes it");
        out
    })
}

fn closed_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Removes the oldest logs of a folder until one more has room. Those that somebody writes to stay.
fn make_room(folder: &Path, limits: &OutputLimits) -> io::Result<()> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder)? {
        // What goes away meanwhile needs no room.
        let Ok(entry) = entry else { continue };
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        if about.is_file() && path.extension().is_some_and(|ending| ending == ENDING) {
            logs.push((about.modified().ok(), path, about.len()));
        }
    }
    logs.sort();
    let mut count = logs.len();
    let mut bytes: u64 = logs.iter().map(|(_, _, length)| length).sum();
    for (_, path, length) in logs {
        if count < limits.logs && bytes <= limits.folder {
            break;
        }
        let idle = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if idle && fs::remove_file(&path).is_ok() {
            count -= 1;
            bytes -= length;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(head: usize, tail: usize) -> OutputLimits {
        OutputLimits { head, tail, ..OutputLimits::default() }
    }

    fn log(dir: &tempfile::TempDir) -> PathBuf {
        dir.path().join("runs").join("a.log")
    }

    #[test]
    fn whatever_the_pieces_the_beginning_and_the_end_are_kept_and_all_is_counted() {
        let all: Vec<u8> = (0..5000u32).map(|n| u8::try_from(n % 251).expect("it is small")).collect();
        for (head, tail) in [(0, 0), (0, 10), (10, 0), (7, 100), (64, 1000), (4000, 999), (4000, 1000), (9000, 5)] {
            for piece in [1, 3, 64, 999, 5000] {
                let dir = tempfile::tempdir().expect("a folder");
                let mut capture = Capture::create(&log(&dir), &limits(head, tail)).expect("a log");
                for bytes in all.chunks(piece) {
                    capture.take(bytes);
                    let length = usize::try_from(fs::metadata(log(&dir)).expect("a file").len()).expect("it is small");
                    assert!(length <= head + 2 * tail, "{length} bytes with {head}, {tail}");
                }
                let kept = capture.seal();
                let context = format!("{head}, {tail}, {piece}");
                let first = head.min(5000);
                let last = tail.min(5000 - first);
                assert_eq!(kept.head, all[..first], "{context}");
                assert_eq!(kept.tail, all[5000 - last..], "{context}");
                assert_eq!((kept.total, &kept.sha256), (5000, &hex(&Sha256::digest(&all))), "{context}");
                let left_out = 5000 - first - last;
                assert_eq!((kept.left_out(), kept.truncated), (as_count(left_out), left_out > 0), "{context}");
                let note = if left_out > 0 { format!("\n[squad: {left_out} bytes left out]\n") } else { String::new() };
                let wanted = [&kept.head[..], note.as_bytes(), &kept.tail].concat();
                assert!(fs::read(log(&dir)).expect("a file") == wanted, "{context}");
            }
        }
    }

    #[test]
    fn the_last_bytes_are_those_that_came_last() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut capture = Capture::create(&log(&dir), &limits(4, 4)).expect("a log");
        capture.take(b"abcdef");
        assert_eq!(capture.last(3), b"def");
        assert_eq!(capture.last(5), b"bcdef");
        assert_eq!(capture.last(99), b"abcdef");
        capture.take(b"ghijklmnop");
        assert_eq!(capture.last(99), b"mnop", "what came before it is not known any more");
    }

    #[test]
    fn a_log_that_is_there_is_not_written_over() {
        let dir = tempfile::tempdir().expect("a folder");
        Capture::create(&log(&dir), &limits(9, 9)).expect("a log").take(b"first");
        let error = Capture::create(&log(&dir), &limits(9, 9)).err().expect("it is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(log(&dir)).expect("a file"), b"first");
    }

    #[cfg(unix)]
    #[test]
    fn others_can_neither_read_a_log_nor_list_its_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        Capture::create(&log(&dir), &limits(9, 9)).expect("a log");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&log(&dir)), mode(&dir.path().join("runs"))), (0o600, 0o700));
    }

    /// Returns which of the logs `0.log` to `5.log`, from old to new and of 100 bytes each, are left beside a new one.
    fn left_after(limits: &OutputLimits, written: &[usize]) -> Vec<usize> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |n: usize| dir.path().join(format!("{n}.log"));
        let mut held = Vec::new();
        for n in 0..6 {
            let mut file = File::create(path(n)).expect("a file");
            file.write_all(&[0; 100]).expect("room");
            let age = std::time::Duration::from_secs(u64::try_from(n).expect("it is small"));
            file.set_modified(std::time::UNIX_EPOCH + age).expect("a file has a time");
            if written.contains(&n) {
                file.try_lock().expect("nobody else has it");
                held.push(file);
            }
        }
        File::create(dir.path().join("other.txt")).expect("a file");
        Capture::create(&dir.path().join("new.log"), limits).expect("a log");
        assert!(dir.path().join("other.txt").exists() && dir.path().join("new.log").exists());
        (0..6).filter(|&n| path(n).exists()).collect()
    }

    #[test]
    fn the_oldest_logs_make_room_unless_somebody_writes_to_them() {
        let of = |logs, folder| OutputLimits { logs, folder, ..OutputLimits::default() };
        assert_eq!(left_after(&of(7, 600), &[]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(left_after(&of(3, 600), &[]), [4, 5]);
        assert_eq!(left_after(&of(7, 250), &[]), [4, 5]);
        assert_eq!(left_after(&of(3, 600), &[0, 2]), [0, 2]);
        assert_eq!(left_after(&of(0, 0), &[]), [0usize; 0]);
    }
}
