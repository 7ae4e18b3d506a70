//! Which clone this is: a name that no other clone has, for what this one announces.
//!
//! A folder that is copied is another clone, although everything in it says otherwise. So the name is bound to the
//! machine and to the folder's place on its disk, and a copy takes a new one.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::store::write_whole;

/// The name of a clone, and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bound {
    id: String,
    machine: String,
    folder: String,
}

/// What belongs to a clone and not to a copy of it.
const OWN: [&str; 3] = ["queue", "results", "out.json"];

/// Letters of a name: those that a ref may hold on any file system.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Returns the name of the clone with this state folder; makes one for a new clone.
///
/// A copy gets a name of its own and an empty queue: what the original has queued is the original's to publish. What
/// was copied is kept beside it, in `of-<name>`.
///
/// # Errors
/// Whatever the file system says.
pub fn clone_name(state_dir: &Path) -> io::Result<String> {
    let file = state_dir.join("clone.json");
    let here = (machine(), folder(state_dir)?);
    let known: Option<Bound> = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(bound) = &known {
        if (&bound.machine, &bound.folder) == (&here.0, &here.1) && is_name(&bound.id) {
            return Ok(bound.id.clone());
        }
        set_aside(state_dir, &bound.id)?;
    }
    let mut random = [0u8; 10];
    getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
    let id: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    let bound = Bound { id: id.clone(), machine: here.0, folder: here.1 };
    write_whole(&file, &serde_json::to_vec(&bound)?)?;
    Ok(id)
}

/// Tells whether a text may be the name of a clone.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn set_aside(state_dir: &Path, id: &str) -> io::Result<()> {
    let aside = state_dir.join(if is_name(id) { format!("of-{id}") } else { "of-unknown".to_owned() });
    for name in OWN {
        let from = state_dir.join(name);
        if from.exists() {
            fs::create_dir_all(&aside)?;
            // What an earlier copy has left there is older, and nobody's.
            let to = aside.join(name);
            let _ = fs::remove_dir_all(&to);
            fs::rename(from, to)?;
        }
    }
    Ok(())
}

/// Source: machine-id(5); else the name of the host.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
    read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/hostname")).unwrap_or_default()
}

/// A folder that is moved stays what it is; one that is copied becomes another.
#[cfg(unix)]
fn folder(path: &Path) -> io::Result<String> {
    use std::os::unix::fs::MetadataExt as _;
    let folder = fs::metadata(path)?;
    Ok(format!("{}:{}", folder.dev(), folder.ino()))
}

#[cfg(not(unix))]
fn folder(path: &Path) -> io::Result<String> {
    Ok(path.canonicalize()?.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(from: &Path, to: &Path) {
        for entry in walkdir::WalkDir::new(from).into_iter().flatten() {
            let target = to.join(entry.path().strip_prefix(from).expect("it lies below"));
            if entry.file_type().is_dir() {
                fs::create_dir_all(target).expect("a folder");
            } else {
                fs::copy(entry.path(), target).expect("a copy");
            }
        }
    }

    #[test]
    fn a_clone_keeps_its_name_and_a_copy_takes_another_and_leaves_the_queue() {
        let root = tempfile::tempdir().expect("a folder");
        let (original, moved, copied) = (root.path().join("a"), root.path().join("b"), root.path().join("c"));
        fs::create_dir_all(original.join("queue")).expect("a folder");
        write_whole(&original.join("queue/1-x.json"), b"{}").expect("a file");
        let name = clone_name(&original).expect("a name");
        assert!(is_name(&name), "{name}");
        assert_eq!(clone_name(&original).expect("a name"), name);
        copy(&original, &copied);
        fs::rename(&original, &moved).expect("a move");
        assert_eq!(clone_name(&moved).expect("a name"), name, "a folder that is moved is the same clone");
        let other = clone_name(&copied).expect("a name");
        assert_ne!(other, name);
        assert!(!copied.join("queue").exists() && moved.join("queue/1-x.json").exists());
        assert!(copied.join(format!("of-{name}/queue/1-x.json")).exists(), "nothing is thrown away");
        assert_eq!(clone_name(&copied).expect("a name"), other);
    }
}
