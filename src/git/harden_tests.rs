//! Tests of what is built in memory and hardened into packs, with real git beside it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::fetch::Fetched;
use super::super::remote::Expected;
use super::super::store::TIP;
use super::super::testkit::{Kit, LIMIT, child};
use super::*;

const TASKS: usize = 2_000;

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = walk(folder).into_iter();
    all.filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

fn size(store: &Store) -> u64 {
    walk(&store.path().join("objects")).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

fn loose(store: &Store) -> usize {
    let objects = store.path().join("objects");
    let in_fan = |path: &PathBuf| path.parent().and_then(Path::file_name).is_some_and(|name| name.len() == 2);
    walk(&objects).iter().filter(|path| in_fan(path)).count()
}

fn task(n: usize) -> String {
    format!("squad/tasks/json/task-{n:06}.json")
}

/// Makes a board of many tasks and lets the tip stand there.
fn board(store: &Store, tasks: usize) -> Oid {
    let changes: Vec<_> = (0..tasks)
        .map(|n| (task(n), Some(store.write_blob(format!("{{\"n\": {n}}}\n").as_bytes()).unwrap())))
        .collect();
    let tree = store.edit_tree(None, &changes).unwrap();
    let who = super::super::testkit::someone(1_700_000_000_000);
    let head = store.commit(&[], tree, &who, &who, "board\n").unwrap();
    store.ref_set(TIP, head, Expected::Absent).unwrap();
    head
}

#[test]
fn what_is_built_is_read_at_once_and_is_on_the_disk_when_a_ref_names_it() {
    let kit = Kit::new();
    let dir = kit.repo("work");
    let store = kit.store(&dir);
    let head = child(&store, None, "a.json", "1\n");
    assert_eq!(store.read_commit(head).unwrap().message, "set a.json\n");
    assert!(!kit.store(&dir).contains(head), "it is nowhere but in memory");
    store.ref_set(TIP, head, Expected::Absent).unwrap();
    assert!(kit.store(&dir).contains(head));
    assert_eq!((files(store.path(), "pack").len(), loose(&store)), (1, 0));
    kit.run(store.path(), &["fsck", "--strict"]);
    store.harden().unwrap();
    assert_eq!(files(store.path(), "pack").len(), 1, "nothing new is no new pack");
    child(&store, Some(head), "a.json", "never hardened\n");
    drop(store);
    assert_eq!(files(kit.store(&dir).path(), "pack").len(), 1);
}

#[test]
fn a_publish_adds_the_difference_and_not_the_folder() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("work"));
    let mut head = board(&store, TASKS);
    // The first change writes the folder once.
    head = child(&store, Some(head), &task(0), "changed\n");
    store.harden().unwrap();
    let before = size(&store);
    for n in 1..100 {
        head = child(&store, Some(head), &task(n * 17 % TASKS), &format!("changed {n}\n"));
        store.harden().unwrap();
    }
    store.ref_set(TIP, head, Expected::Any).unwrap();
    let each = (size(&store) - before) / 99;
    assert!(each < 2_000, "{each} bytes for each publish, of a folder that takes {}", TASKS * 25);
    assert_eq!(files(store.path(), "pack").len(), 2);
    kit.run(store.path(), &["fsck", "--strict"]);
    assert_eq!(kit.run(store.path(), &["rev-list", "--count", TIP]), "101");
}

#[test]
fn several_versions_before_one_hardening_are_one_pack() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("work"));
    let mut head = board(&store, TASKS);
    for n in 0..20 {
        head = child(&store, Some(head), &task(n), &format!("changed {n}\n"));
    }
    store.ref_set(TIP, head, Expected::Any).unwrap();
    assert_eq!(files(store.path(), "pack").len(), 2);
    kit.run(store.path(), &["fsck", "--strict"]);
    // A store that lives on does not keep what it has hardened.
    let next = child(&store, Some(head), &task(1), "again\n");
    assert_eq!(store.lookup(store.read_commit(next).unwrap().tree, &task(3)).unwrap().unwrap().oid, {
        let tree = store.read_commit(head).unwrap().tree;
        store.lookup(tree, &task(3)).unwrap().unwrap().oid
    });
}

#[test]
fn the_same_object_built_twice_is_written_once() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("work"));
    let head = board(&store, 3);
    let before = size(&store);
    let blob = store.write_blob(b"{\"n\": 1}\n").unwrap();
    assert_eq!(store.lookup(store.read_commit(head).unwrap().tree, &task(1)).unwrap().unwrap().oid, blob);
    store.harden().unwrap();
    assert_eq!(size(&store), before);
}

/// Whoever reads while packs come and go finds everything: a process that lists the packs once and lives on, one that
/// begins anew each time, and git.
#[test]
fn readers_beside_a_loop_of_publishes_miss_nothing() {
    let kit = Kit::new();
    let dir = kit.repo("work");
    let store = kit.store(&dir);
    let first = board(&store, 300);
    let done = AtomicBool::new(false);
    let (dir, kit, done) = (&dir, &kit, &done);
    let path = store.path().to_owned();
    let path = &path;
    thread::scope(|scope| {
        let reader = |fresh: bool| {
            move || {
                let mut store = kit.store(dir);
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) {
                    if fresh {
                        store = kit.store(dir);
                    }
                    let tip = store.tip().unwrap().unwrap();
                    let tree = store.read_commit(tip).unwrap().tree;
                    let entry = store.lookup(tree, &task(7)).unwrap().unwrap();
                    store.read_blob(entry.oid, 1_000).unwrap();
                    assert!(store.is_ancestor(first, tip).unwrap());
                    reads += 1;
                }
                reads
            }
        };
        let by_git = move || {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                kit.run(path, &["cat-file", "-p", &format!("{TIP}:{}", task(7))]);
                kit.run(path, &["rev-list", "--objects", "--quiet", TIP]);
                reads += 1;
            }
            reads
        };
        let readers = [scope.spawn(reader(false)), scope.spawn(reader(true)), scope.spawn(by_git)];
        let mut head = first;
        for n in 0..250 {
            head = child(&store, Some(head), &task(n % 10), &format!("changed {n}\n"));
            store.ref_set(TIP, head, Expected::Any).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 3);
        }
    });
    kit.run(path, &["fsck", "--strict"]);
}

#[test]
fn many_that_harden_at_once_lose_nothing() {
    let kit = Kit::new();
    let dir = kit.repo("work");
    let base = board(&kit.store(&dir), 300);
    let (dir, kit) = (&dir, &kit);
    let heads: Vec<Oid> = thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|who| {
                scope.spawn(move || {
                    let store = kit.store(dir);
                    let mut head = base;
                    for n in 0..15 {
                        head = child(&store, Some(head), &task(who), &format!("{who} {n}\n"));
                        store.harden().unwrap();
                    }
                    let name = format!("refs/squad/{who}");
                    store.ref_set(&name, head, Expected::Absent).unwrap();
                    head
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let store = kit.store(dir);
    assert!(heads.iter().all(|head| store.is_ancestor(base, *head).unwrap()));
    kit.run(store.path(), &["fsck", "--strict"]);
    assert!(files(store.path(), "pack").len() <= 2, "they took turns at one pack");
}

#[test]
fn what_git_fetched_one_by_one_is_gathered_into_the_pack() {
    let kit = Kit::new();
    kit.remote();
    let (dir, other) = (kit.clone("clone", &[]), kit.clone("other", &[]));
    let (store, theirs) = (kit.store(&dir), kit.store(&other));
    let Fetched::Head { head, before } = kit.origin(&other).fetch(&theirs, "main", &[], LIMIT).unwrap() else {
        panic!()
    };
    theirs.advance_tip(head, before).unwrap().unwrap();
    let changes: Vec<_> =
        (0..TASKS).map(|n| (task(n), Some(theirs.write_blob(format!("{n}\n").as_bytes()).unwrap()))).collect();
    let tree = theirs.edit_tree(Some(theirs.read_commit(head).unwrap().tree), &changes).unwrap();
    let who = super::super::testkit::someone(1_700_000_000_000);
    let mut last = theirs.commit(&[head], tree, &who, &who, "many\n").unwrap();
    kit.origin(&other).push(&theirs, "main", last, Expected::Exactly(head), LIMIT).unwrap();
    let fetch = || kit.origin(&dir).fetch(&store, "main", &[], LIMIT).unwrap();
    let Fetched::Head { head, before } = fetch() else { panic!() };
    store.advance_tip(head, before).unwrap().unwrap();
    let mut sizes = vec![size(&store)];
    for n in 0..6 {
        let next = child(&theirs, Some(last), &task(n), &format!("changed {n}\n"));
        kit.origin(&other).push(&theirs, "main", next, Expected::Exactly(last), LIMIT).unwrap();
        last = next;
        let Fetched::Head { head, before } = fetch() else { panic!() };
        assert_eq!(store.advance_tip(head, before).unwrap(), Ok(last));
        assert_eq!(loose(&store), 0, "what came is in the pack");
        sizes.push(size(&store));
    }
    assert!(sizes[1] - sizes[0] > 40_000, "the folder comes whole once: {sizes:?}");
    assert!(sizes[6] - sizes[1] < 10_000, "then as differences: {sizes:?}");
    kit.run(store.path(), &["fsck", "--strict"]);
    assert_eq!(store.tip().unwrap(), Some(last));
}

#[test]
fn packs_that_are_joined_leave_nothing_out() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("work"));
    let mut head = board(&store, 20);
    for n in 0..5 {
        head = child(&store, Some(head), &task(n), &format!("changed {n}\n"));
        store.ref_set(TIP, head, Expected::Any).unwrap();
        store.maintain(&kit.git).unwrap();
    }
    assert!(store.packs() <= 2, "{}", store.packs());
    let next = child(&store, Some(head), &task(0), "and on\n");
    store.ref_set(TIP, next, Expected::Any).unwrap();
    assert_eq!(kit.store(&kit.path("work")).tip().unwrap(), Some(next));
    kit.run(store.path(), &["fsck", "--strict"]);
}

/// A process that dies between writing the pack that grows and noting it leaves both the former pack and the new one. To
/// gather the new one into the former gives the new one again, and it must not be taken for what has become needless.
#[test]
fn a_grown_pack_that_nobody_noted_is_not_lost_when_it_is_gathered() {
    let kit = Kit::new();
    let dir = kit.repo("work");
    let (path, head) = {
        let store = kit.store(&dir);
        let base = board(&store, 3);
        let former: Vec<_> = files(store.path(), "pack")
            .into_iter()
            .chain(files(store.path(), "idx"))
            .chain([store.path().join("rolling")])
            .collect();
        let former: Vec<_> = former.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
        let head = child(&store, Some(base), &task(0), "changed\n");
        store.ref_set(TIP, head, Expected::Any).unwrap();
        for (bytes, path) in former {
            fs::write(path, bytes).unwrap();
        }
        (store.path().to_owned(), head)
    };
    assert_eq!(files(&path, "pack").len(), 2, "the former one and the new one");
    kit.store(&dir).gather(head).unwrap();
    assert!(kit.store(&dir).contains(head));
    assert_eq!(files(&path, "pack").len(), 1);
    kit.run(&path, &["fsck", "--strict"]);
}

#[test]
fn what_weighs_much_leaves_memory_once_it_is_on_the_disk() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("work"));
    let in_memory = || store.memory.as_ref().unwrap().weight.get();
    let light = store.write_blob(b"light").unwrap();
    store.harden().unwrap();
    assert_eq!(in_memory(), 5, "it is read at once, as a rule");
    let heavy = store.write_blob(&vec![b'x'; KEPT + 1]).unwrap();
    assert_eq!(in_memory(), KEPT + 1, "until it is hardened; what was before has left");
    store.harden().unwrap();
    assert_eq!(in_memory(), 0);
    assert_eq!(store.read_blob(light, u64::MAX).unwrap(), b"light");
    assert_eq!(store.read_blob(heavy, u64::MAX).unwrap().len(), KEPT + 1);
}
