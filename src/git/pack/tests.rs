//! Tests of packs against git and libgit2: what they read is what was put in.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::testkit::Kit;
use super::super::{GitError, Oid};
use super::file::Pack;
use super::*;

/// Objects that exist only in a test.
#[derive(Default)]
struct Made {
    objects: HashMap<Oid, (Kind, Rc<[u8]>)>,
    fresh: Vec<Fresh>,
}

impl Made {
    fn add(&mut self, kind: Kind, bytes: &[u8], base: Option<Oid>) -> Oid {
        let oid = object_name(kind, bytes);
        self.objects.insert(oid, (kind, bytes.into()));
        self.fresh.push(Fresh { oid, base });
        oid
    }

    /// Writes what is new since the last time.
    fn write(&mut self, store: &Path, mode: Mode) {
        let fresh = std::mem::take(&mut self.fresh);
        let read = |oid: Oid| self.objects.get(&oid).cloned().ok_or(GitError::Missing { oid });
        write(store, &fresh, mode, &read).unwrap();
    }

    /// Reads every object through libgit2.
    fn assert_read(&self, store: &Path) {
        let repo = git2::Repository::open_bare(store).unwrap();
        let odb = repo.odb().unwrap();
        for (oid, (_, bytes)) in &self.objects {
            assert_eq!(odb.read(oid.raw()).unwrap().data(), &**bytes, "{oid}");
        }
    }
}

/// Makes a tree of so many files; `n` is which version of the last one it has.
fn tree(files: usize, n: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in 0..files {
        let version = if file == n % files { n + 1 } else { 0 };
        let blob = object_name(Kind::Blob, format!("{file} {version}").as_bytes());
        bytes.extend_from_slice(format!("100644 task-{file:05}.json\0").as_bytes());
        bytes.extend_from_slice(blob.as_bytes());
    }
    bytes
}

fn packs(store: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(store.join("objects/pack")).unwrap().flatten().map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "pack")).collect()
}

fn bare(kit: &Kit) -> std::path::PathBuf {
    kit.run(&kit.path(""), &["init", "-q", "--bare", "store.git"]);
    kit.path("store.git")
}

#[test]
fn git_takes_a_pack_that_has_grown_with_every_kind_of_entry() {
    let kit = Kit::new();
    let store = bare(&kit);
    let mut made = Made::default();
    let mut before = None;
    for n in 0..30 {
        before = Some(made.add(Kind::Tree, &tree(500, n), before));
        made.add(Kind::Blob, format!("blob {n}\n").repeat(n * 40).as_bytes(), None);
        made.write(&store, Mode::Grow);
        let [pack] = &packs(&store)[..] else { panic!("the former pack is gone: {:?}", packs(&store)) };
        let index = pack.with_extension("idx");
        kit.run(&store, &["verify-pack", index.to_str().unwrap()]);
    }
    made.assert_read(&store);
    let pack = packs(&store).remove(0);
    // git makes the very same index of it.
    let again = kit.path("again.idx");
    kit.run(&store, &["index-pack", "-o", again.to_str().unwrap(), pack.to_str().unwrap()]);
    assert!(fs::read(again).unwrap() == fs::read(pack.with_extension("idx")).unwrap());
    let list = kit.run(&store, &["verify-pack", "-v", pack.with_extension("idx").to_str().unwrap()]);
    let depth = |line: &str| line.split_whitespace().nth(5)?.parse::<usize>().ok();
    let deepest = list.lines().filter(|line| line.contains(" tree ")).filter_map(depth).max();
    assert_eq!(deepest, Some(8), "chains are short");
    let whole = list.lines().filter(|line| line.contains(" tree ") && depth(line).is_none()).count();
    assert_eq!(whole, 1, "one tree is whole, all others are differences");
}

#[test]
fn a_full_pack_is_left_and_a_new_one_begins() {
    let kit = Kit::new();
    let store = bare(&kit);
    let mut made = Made::default();
    for n in 0..1_000 {
        made.add(Kind::Blob, format!("a{n}").as_bytes(), None);
    }
    made.write(&store, Mode::Grow);
    made.add(Kind::Blob, b"b", None);
    made.write(&store, Mode::Grow);
    made.add(Kind::Blob, b"c", None);
    made.write(&store, Mode::Grow);
    assert_eq!(packs(&store).len(), 2);
    made.add(Kind::Blob, b"d", None);
    made.write(&store, Mode::Apart);
    assert_eq!(packs(&store).len(), 3);
    made.assert_read(&store);
}

#[test]
fn a_damaged_pack_does_not_grow() {
    for (ending, at) in [("pack", 40), ("idx", 1090), ("pack", 9), ("idx", 0)] {
        let kit = Kit::new();
        let store = bare(&kit);
        let mut made = Made::default();
        made.add(Kind::Blob, &b"first ".repeat(50), None);
        made.write(&store, Mode::Grow);
        let path = packs(&store).remove(0).with_extension(ending);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 0x55;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let mut made = Made::default();
        made.add(Kind::Blob, b"second", None);
        made.write(&store, Mode::Grow);
        assert_eq!(packs(&store).len(), 2, "{ending} {at}");
        made.assert_read(&store);
    }
}

/// A process that dies between two steps leaves the files of the steps before it.
#[test]
fn wherever_a_write_ends_the_next_one_goes_on() {
    type Undo = fn(&Path, &[(std::path::PathBuf, Vec<u8>)]);
    let remove = |store: &Path, ending: &str| {
        let path = packs(store).remove(0).with_extension(ending);
        fs::remove_file(path).unwrap();
    };
    let restore: Undo = |_, former| {
        for (path, bytes) in former {
            fs::write(path, bytes).unwrap();
        }
    };
    for (after, has) in [("pack", "former, half"), ("index", "former, note"), ("note", "both"), ("all", "new")] {
        let kit = Kit::new();
        let store = bare(&kit);
        let mut made = Made::default();
        let base = made.add(Kind::Tree, &tree(200, 0), None);
        made.write(&store, Mode::Grow);
        let first = packs(&store).remove(0);
        let kept = [first.clone(), first.with_extension("idx"), store.join("rolling")];
        let former: Vec<_> = kept.iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        let next = made.add(Kind::Tree, &tree(200, 1), Some(base));
        made.write(&store, Mode::Grow);
        match after {
            "pack" => {
                remove(&store, "idx");
                restore(&store, &former);
            }
            "index" => restore(&store, &former),
            "note" => restore(&store, &former[..2]),
            _ => {}
        }
        made.add(Kind::Tree, &tree(200, 2), Some(next));
        // Whoever died is run again, with the same object and one more.
        made.fresh.insert(0, Fresh { oid: next, base: Some(base) });
        made.write(&store, Mode::Grow);
        made.assert_read(&store);
        sweep(&store, Duration::ZERO);
        made.assert_read(&store);
        for pack in packs(&store) {
            kit.run(&store, &["verify-pack", pack.with_extension("idx").to_str().unwrap()]);
        }
        assert!(packs(&store).len() <= 2, "{after}: {has}");
    }
}

#[test]
fn leftovers_go_when_they_are_old_and_nothing_else_does() {
    let kit = Kit::new();
    let store = bare(&kit);
    let mut made = Made::default();
    made.add(Kind::Blob, b"kept", None);
    made.write(&store, Mode::Grow);
    let folder = store.join("objects/pack");
    let halved = format!("pack-{}.pack", "1".repeat(40));
    for name in ["tmp_pack_AbCdEf", "tmp_idx_AbCdEf", &halved] {
        fs::write(folder.join(name), "x").unwrap();
    }
    fs::create_dir(store.join("objects/tmp_objdir-bulk-fsync-AbCdEf")).unwrap();
    sweep(&store, Duration::from_secs(600));
    assert!(folder.join("tmp_pack_AbCdEf").exists() && folder.join(&halved).exists());
    sweep(&store, Duration::ZERO);
    assert!(!folder.join("tmp_pack_AbCdEf").exists() && !folder.join("tmp_idx_AbCdEf").exists());
    assert!(!folder.join(&halved).exists() && !store.join("objects/tmp_objdir-bulk-fsync-AbCdEf").exists());
    made.assert_read(&store);
}

/// Two versions of something: pieces of one are kept, dropped, turned and joined by others.
fn versions() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..300_usize).prop_map(|(byte, n)| vec![byte; n]),
    ];
    let edits = proptest::collection::vec((0..4_u8, proptest::collection::vec(any::<u8>(), 0..40)), 12);
    (proptest::collection::vec(piece, 0..12), edits, any::<bool>()).prop_map(|(pieces, edits, long)| {
        let old = pieces.concat();
        let mut new = Vec::new();
        for (piece, (what, bytes)) in pieces.iter().zip(edits) {
            match what {
                0 => new.extend(piece),
                1 => new.extend(bytes),
                2 => new.extend(piece.iter().rev()),
                _ => new.extend([&bytes[..], piece].concat()),
            }
        }
        // Longer than one instruction can copy.
        if long { (old.repeat(60), new.repeat(60)) } else { (old, new) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_goes_in_comes_out_through_libgit2((old, new) in versions()) {
        let dir = tempfile::tempdir().unwrap();
        git2::Repository::init_bare(dir.path()).unwrap();
        let mut made = Made::default();
        let base = made.add(Kind::Blob, &old, None);
        made.write(dir.path(), Mode::Grow);
        made.add(Kind::Blob, &new, Some(base));
        made.add(Kind::Commit, &new, None);
        made.write(dir.path(), Mode::Grow);
        made.assert_read(dir.path());
    }

    #[test]
    fn no_bytes_pass_for_a_pack_unless_they_are_one(at in 0..1200_usize, bits in 1..=255_u8) {
        let mut pack = Pack::new();
        pack.append(object_name(Kind::Blob, b"x"), Kind::Blob, b"x", None);
        let finished = pack.finish();
        let (mut pack, mut index) = (finished.pack, finished.index);
        prop_assert!(Pack::parse(pack.clone(), &index).is_some());
        let of = at % (pack.len() + index.len());
        if of < pack.len() { pack[of] ^= bits } else { index[of - pack.len()] ^= bits }
        prop_assert!(Pack::parse(pack, &index).is_none());
    }
}
