//! The pack that grows: each time it is written anew with what is new at its end, and the one before goes.
//!
//! A folder of ten thousand tasks is a third of a megabyte, however it is deflated, and a change of one task changes
//! it; so what is written must be the difference, and a pack must hold what its differences are to. Whoever has the
//! former pack open keeps it. Whoever looks for an object and misses it lists the packs anew, and finds the longer one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::super::store::{is_older, sync_dir};
use super::super::{GitError, Oid};
use super::file::{Finished, Kind, Pack, names_in};

/// A pack with that many objects is left as it is, and a new one begins: over a hundred publishes.
const OBJECTS_MAX: usize = 1000;

/// So is one of that many bytes: it is written whole each time.
const SIZE_MAX: usize = 4 << 20;

/// A heap of objects larger than this becomes several packs: offsets have four bytes here.
const SPLIT: usize = 256 << 20;

/// Most deltas in a row. Each costs a copy of the object on reading; with too few, those on the first tree grow long.
const DEPTH_MAX: usize = 8;

/// A tree from this size on is worth looking for another that it may be like.
const TREE_LARGE: usize = 4 << 10;

/// Size of the index of a pack of some two hundred objects: about as many as git would have stored one by one.
const INDEX_SMALL: u64 = 7000;

/// The file of the store that names the pack that grows.
const NOTE: &str = "rolling";

/// An object that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Fresh {
    pub oid: Oid,
    /// What stood at the same place before, which it is probably like.
    pub base: Option<Oid>,
}

/// What an object is, and its bytes.
pub(in super::super) type Raw = (Kind, Rc<[u8]>);

/// Whether the pack that grows is taken, or left to whoever is at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mode {
    /// It grows. Nobody else should do so at the same time: nothing would be lost, but the pack would double.
    Grow,
    /// A pack by itself.
    Apart,
}

/// Writes objects to the disk, all of them in a pack, and returns its name; they are durable when this returns. `read`
/// gives an object, new or old.
///
/// # Errors
/// [`GitError::Io`] where the disk refuses, or what `read` says.
pub(in super::super) fn write(
    store: &Path,
    fresh: &[Fresh],
    mode: Mode,
    read: &dyn Fn(Oid) -> Result<Raw, GitError>,
) -> Result<Oid, GitError> {
    let former = if mode == Mode::Grow { load(store) } else { None };
    let (former, mut pack) = former.map_or_else(|| (None, Pack::new()), |(name, pack)| (Some(name), pack));
    for object in fresh {
        if pack.holds(object.oid) {
            continue;
        }
        if pack.size() > SPLIT {
            put(store, &std::mem::replace(&mut pack, Pack::new()).finish())?;
        }
        let (kind, bytes) = read(object.oid)?;
        // A base that cannot be read is no base; the object itself is what counts. A delta has the kind of its base.
        let base = base_for(&pack, object, kind, bytes.len()).and_then(|base| Some((base, read(base).ok()?)));
        let base = base.as_ref().filter(|(_, old)| old.0 == kind).map(|(oid, old)| (*oid, &*old.1));
        pack.append(object.oid, kind, &bytes, base);
    }
    let finished = pack.finish();
    put(store, &finished)?;
    if mode == Mode::Grow {
        note(store, finished.name);
    }
    if let Some(former) = former.filter(|former| *former != finished.name) {
        remove(&path(store, former, "idx"));
    }
    Ok(finished.name)
}

/// Returns the object of the pack that an object is to be the difference to.
fn base_for(pack: &Pack, object: &Fresh, kind: Kind, size: usize) -> Option<Oid> {
    match object.base.filter(|base| pack.holds(*base)) {
        Some(base) if pack.depth(base) < DEPTH_MAX => Some(base),
        Some(base) => pack.root(base),
        None if kind == Kind::Tree && size >= TREE_LARGE => pack.tree_like(size),
        None => None,
    }
}

/// A small pack of git's own making.
pub(in super::super) struct Small {
    index: PathBuf,
    /// What is in it.
    pub objects: Vec<Oid>,
}

impl Small {
    /// Removes it: nothing that is in it is needed.
    pub fn remove(self) {
        remove(&self.index);
    }

    /// Removes it, now that all that is in it is in the pack of this name. That may be the very same one: a process
    /// that dies between writing the pack that grows and noting it leaves a pack that the next one writes again.
    pub fn give_way_to(self, store: &Path, grown: Oid) {
        if self.index != path(store, grown, "idx") {
            remove(&self.index);
        }
    }
}

/// Removes a pack by its index, which goes first, as with git: a pack without one is nothing to a reader.
fn remove(index: &Path) {
    let _ = fs::remove_file(index);
    for ending in ["pack", "rev"] {
        let _ = fs::remove_file(index.with_extension(ending));
    }
}

/// Returns the small pack that holds an object and that nobody wants kept, other than the one that grows.
pub(in super::super) fn small_with(store: &Path, oid: Oid) -> Option<Small> {
    let grows = noted(store).map(|name| path(store, name, "idx"));
    let small = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() <= INDEX_SMALL);
    let indices = listed(&store.join("objects/pack")).filter(|path| path.extension().is_some_and(|e| e == "idx"));
    indices.filter(|path| Some(path) != grows.as_ref() && small(path)).find_map(|index| {
        let objects = names_in(&fs::read(&index).ok()?)?;
        let free = objects.contains(&oid) && !index.with_extension("keep").exists();
        free.then_some(Small { index, objects })
    })
}

/// Returns the pack that grows, if it is there and whole and has room.
fn load(store: &Path) -> Option<(Oid, Pack)> {
    let name = noted(store)?;
    let pack = Pack::parse(fs::read(path(store, name, "pack")).ok()?, &fs::read(path(store, name, "idx")).ok()?)?;
    (pack.len() < OBJECTS_MAX && pack.size() < SIZE_MAX).then_some((name, pack))
}

fn noted(store: &Path) -> Option<Oid> {
    fs::read_to_string(store.join(NOTE)).ok()?.trim().parse().ok()
}

/// Notes which pack grows. Where that is lost, a new one begins.
fn note(store: &Path, name: Oid) {
    let written = tempfile::NamedTempFile::with_prefix_in(".tmp-rolling-", store).and_then(|mut file| {
        file.write_all(name.to_string().as_bytes())?;
        file.persist(store.join(NOTE)).map_err(|error| error.error)
    });
    drop(written);
}

fn path(store: &Path, name: Oid, ending: &str) -> PathBuf {
    store.join(format!("objects/pack/pack-{name}.{ending}"))
}

/// Puts a pack in its place, for ever. Its index comes last, since that is what a reader goes by.
fn put(store: &Path, finished: &Finished) -> Result<(), GitError> {
    let folder = store.join("objects/pack");
    fs::create_dir_all(&folder).map_err(GitError::io("make", &folder))?;
    let pack = aside(&folder, "tmp_pack_", &finished.pack)?;
    let index = aside(&folder, "tmp_idx_", &finished.index)?;
    for (file, ending) in [(pack, "pack"), (index, "idx")] {
        let path = path(store, finished.name, ending);
        file.persist(&path).map_err(|error| GitError::Io { what: "write", path, source: error.error })?;
    }
    sync_dir(&folder);
    Ok(())
}

/// Writes a file under a name that git's own cleaning knows for a leftover.
fn aside(folder: &Path, prefix: &str, bytes: &[u8]) -> Result<tempfile::NamedTempFile, GitError> {
    let fail = || GitError::io("write a pack in", folder);
    let mut file = tempfile::NamedTempFile::with_prefix_in(prefix, folder).map_err(fail())?;
    file.write_all(bytes).map_err(fail())?;
    file.as_file().sync_all().map_err(fail())?;
    Ok(file)
}

/// Removes what a process left behind that died while it wrote objects: files and folders under git's names for what
/// is not finished, and packs without an index.
pub(in super::super) fn sweep(store: &Path, age: Duration) {
    let objects = store.join("objects");
    for path in listed(&objects).filter(|path| begins(path, "tmp_objdir-") && is_older(path, age)) {
        let _ = fs::remove_dir_all(path);
    }
    for path in listed(&store.join("objects/pack")).filter(|path| is_older(path, age)) {
        let halved = path.extension().is_some_and(|ending| ending == "pack") && !path.with_extension("idx").exists();
        if halved || begins(&path, "tmp_") {
            let _ = fs::remove_file(path);
        }
    }
    for path in listed(store).filter(|path| begins(path, ".tmp-") && is_older(path, age)) {
        let _ = fs::remove_file(path);
    }
}

fn listed(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn begins(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}
