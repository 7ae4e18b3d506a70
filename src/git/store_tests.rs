//! Tests of the private store, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::fs;
use std::sync::Barrier;
use std::time::SystemTime;

use super::super::testkit::{Kit, child};
use super::*;

#[test]
fn eight_threads_make_one_store_and_all_write_into_it() {
    let kit = Kit::new();
    let common = kit.repo("repo").join(".git");
    let barrier = Barrier::new(8);
    let blobs: Vec<Oid> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (barrier, common) = (&barrier, &common);
                scope.spawn(move || {
                    barrier.wait();
                    let store = Store::open_or_create(common).unwrap();
                    let blob = store.write_blob(format!("{n}").as_bytes()).unwrap();
                    store.harden().unwrap();
                    blob
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let store = Store::open_or_create(&common).unwrap();
    assert!(blobs.iter().all(|blob| store.contains(*blob)));
    let left: Vec<_> = fs::read_dir(common.join("squad")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["board.git"], "nothing half-made is left");
}

/// Security row 17.
#[test]
#[cfg(unix)]
fn nobody_else_may_look_into_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    for path in [store.path(), store.path().parent().unwrap()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700, "{}", path.display());
    }
}

#[test]
fn git_sees_a_sound_bare_repository_that_keeps_to_itself() {
    let kit = Kit::new();
    let repo = kit.repo("repo");
    let store = kit.store(&repo);
    let config = |key: &str| kit.run(store.path(), &["config", key]);
    assert_eq!(config("core.bare"), "true");
    assert_eq!(config("core.fsync"), "committed");
    assert_eq!(config("fetch.fsckObjects"), "true");
    assert_eq!((config("gc.auto"), config("maintenance.auto")), ("0".to_owned(), "false".to_owned()));
    assert!(!store.path().join("objects/info/alternates").exists());
    assert_eq!(fs::read_dir(store.no_hooks()).unwrap().count(), 0);
    assert_eq!(kit.run(&repo, &["status", "--porcelain"]), "");
    let complaints = kit.try_git(store.path(), &["fsck"]).stderr;
    assert!(!String::from_utf8_lossy(&complaints).contains("warning"), "{}", String::from_utf8_lossy(&complaints));
}

#[test]
fn a_damaged_store_is_made_anew_and_a_sound_one_is_kept() {
    type Damage = fn(&Store);
    let empty_newest_objects: Damage = |store| {
        // What a power failure leaves of files that were never synced.
        for file in fs::read_dir(store.path().join("objects/pack")).unwrap() {
            let path = file.unwrap().path();
            fs::remove_file(&path).unwrap();
            fs::write(&path, "").unwrap();
        }
    };
    let cases: [(&str, bool, Damage); 8] = [
        ("sound", true, |_| {}),
        ("no configuration", false, |store| fs::remove_file(store.path().join("config")).unwrap()),
        ("other configuration", true, |store| {
            fs::write(store.path().join("config"), "[core]\n\tfsync = none\n").unwrap();
        }),
        ("no HEAD", false, |store| fs::remove_file(store.path().join("HEAD")).unwrap()),
        ("no objects", false, |store| fs::remove_dir_all(store.path().join("objects")).unwrap()),
        ("empty objects", false, empty_newest_objects),
        ("garbled tip", false, |store| fs::write(store.path().join(TIP), "garbage").unwrap()),
        ("a file in its place", false, |store| {
            fs::remove_dir_all(store.path()).unwrap();
            fs::write(store.path(), "").unwrap();
        }),
    ];
    for (name, kept, damage) in cases {
        let kit = Kit::new();
        let repo = kit.repo("repo");
        let store = kit.store(&repo);
        let tip = child(&store, None, "squad/t", "x");
        store.ref_set(TIP, tip, Expected::Absent).unwrap();
        damage(&store);
        drop(store);
        let store = kit.store(&repo);
        assert_eq!(store.tip().unwrap(), kept.then_some(tip), "{name}");
        assert_eq!(kit.run(store.path(), &["config", "core.fsync"]), "committed", "{name}");
        let new = child(&store, None, "squad/t", "y");
        store.ref_set(TIP, new, Expected::Any).unwrap();
        let squad = fs::read_dir(repo.join(".git/squad")).unwrap();
        assert_eq!(squad.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["board.git"], "{name}");
    }
}

#[test]
fn a_ref_moves_only_from_its_expected_value() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let (a, b) = (child(&store, None, "x", "a"), child(&store, None, "x", "b"));
    let name = "refs/squad/out";
    let found = |result: Result<(), GitError>| match result {
        Err(GitError::RefMoved { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found(store.ref_set(name, a, Expected::Exactly(b))), None);
    store.ref_set(name, a, Expected::Absent).unwrap();
    assert_eq!(found(store.ref_set(name, b, Expected::Absent)), Some(a));
    assert_eq!(found(store.ref_set(name, b, Expected::Exactly(b))), Some(a));
    store.ref_set(name, b, Expected::Exactly(a)).unwrap();
    assert_eq!(found(store.ref_delete(name, Expected::Exactly(a))), Some(b));
    store.ref_delete(name, Expected::Exactly(b)).unwrap();
    store.ref_delete(name, Expected::Exactly(b)).unwrap();
    assert_eq!(store.ref_get(name).unwrap(), None);
    store.ref_set(name, a, Expected::Any).unwrap();
    kit.run(store.path(), &["pack-refs", "--all"]);
    assert_eq!(store.refs_below("refs/squad/").unwrap(), [(name.to_owned(), a)]);
    store.ref_set(name, b, Expected::Exactly(a)).unwrap();
    assert_eq!(store.ref_get(name).unwrap(), Some(b));
}

#[test]
fn of_many_that_move_a_ref_from_one_value_one_wins_each_time() {
    let kit = Kit::new();
    let repo = kit.repo("repo");
    let store = kit.store(&repo);
    let start = child(&store, None, "x", "start");
    let candidates: Vec<Oid> = (0..8).map(|n| child(&store, None, "x", &n.to_string())).collect();
    store.harden().unwrap();
    for expected in [Expected::Absent, Expected::Exactly(start)] {
        store.ref_delete(TIP, Expected::Any).unwrap();
        if expected != Expected::Absent {
            store.ref_set(TIP, start, Expected::Absent).unwrap();
        }
        let barrier = Barrier::new(candidates.len());
        let wins: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = candidates
                .iter()
                .map(|new| {
                    let (barrier, path) = (&barrier, store.path());
                    scope.spawn(move || {
                        let store = Store::open(path).unwrap();
                        barrier.wait();
                        match store.ref_set(TIP, *new, expected) {
                            Ok(()) => 1,
                            Err(GitError::RefMoved { .. }) => 0,
                            Err(error) => panic!("{error:?}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(wins, 1, "{expected:?}");
    }
}

#[test]
fn the_confirmed_head_only_moves_forward() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let first = child(&store, None, "x", "1");
    let second = child(&store, Some(first), "x", "2");
    let third = child(&store, Some(second), "x", "3");
    let fork = child(&store, Some(first), "x", "fork");
    assert_eq!(store.advance_tip(second, None).unwrap(), Ok(second));
    assert_eq!(store.advance_tip(second, Some(second)).unwrap(), Ok(second));
    // The remote went back to an older head: nobody here has moved the tip since the fetch began.
    assert_eq!(store.advance_tip(first, Some(second)).unwrap(), Err(Rewound { old: second, new: first }));
    // An older answer that arrives late, after another process has recorded a newer one.
    assert_eq!(store.advance_tip(first, None).unwrap(), Ok(second));
    assert_eq!(store.advance_tip(fork, None).unwrap(), Err(Rewound { old: second, new: fork }));
    assert_eq!(store.advance_tip(third, Some(second)).unwrap(), Ok(third));
    assert_eq!(store.tip().unwrap(), Some(third));
}

#[test]
fn only_stale_lock_files_are_swept() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let lock = store.path().join("refs/squad/tip.lock");
    fs::write(&lock, "").unwrap();
    assert_eq!(store.sweep_locks(Duration::from_secs(600)).unwrap(), Vec::<PathBuf>::new());
    // Somebody who lives is at it.
    let gate = store.gate("refs.gate", Instant::now()).unwrap().unwrap();
    let error = store.ref_set(TIP, child(&store, None, "x", "x"), Expected::Any).unwrap_err();
    assert!(matches!(error, GitError::Library { .. }), "{error:?}");
    drop(gate);
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(old).unwrap();
    assert_eq!(store.sweep_locks(Duration::from_secs(600)).unwrap(), [lock]);
    store.ref_set(TIP, child(&store, None, "x", "x"), Expected::Any).unwrap();
    store.maintain(&kit.git).unwrap();
    assert!(store.tip().unwrap().is_some());
}

#[test]
fn a_ref_that_a_killed_process_had_locked_can_be_moved_and_removed() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let oid = child(&store, None, "x", "x");
    let lock = store.path().join("refs/squad/tip.lock");
    let begun = Instant::now();
    fs::write(&lock, "").unwrap();
    store.ref_set(TIP, oid, Expected::Absent).unwrap();
    fs::write(&lock, "").unwrap();
    store.ref_delete(TIP, Expected::Exactly(oid)).unwrap();
    assert!(!lock.exists() && store.tip().unwrap().is_none());
    assert!(begun.elapsed() < LOCK_PATIENCE, "nobody has to wait for the dead");
}

#[test]
fn scratch_refs_of_the_dead_are_swept_and_those_of_the_living_stay() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let oid = child(&store, None, "x", "x");
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let (gone, mine) = (format!("{INCOMING}/{}-0", dead.id()), scratch_ref(LANDING));
    for name in [&gone, &mine] {
        store.ref_set(name, oid, Expected::Absent).unwrap();
    }
    assert_eq!(store.sweep_scratch_refs().unwrap(), [gone]);
    assert_eq!(store.refs_below("refs/squad/").unwrap(), [(mine, oid)]);
}
