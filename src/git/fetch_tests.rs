//! Tests of fetching from real remotes, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::sync::Barrier;

use super::super::remote::PushOutcome;
use super::super::store::TIP;
use super::super::testkit::{Kit, LIMIT, child, head_of, main_at, outboxes, synced};
use super::*;

/// The refs of single writers, as they are kept in the store.
#[test]
fn a_board_whose_name_comes_after_its_mirror_is_asked_for_first_all_the_same() {
    let kit = Kit::new();
    let bare = kit.remote();
    let dir = kit.clone("clone", &[]);
    let (store, remote) = (kit.store(&dir), kit.origin(&dir));
    let value = kit.rev(&bare, "main");
    kit.run(&bare, &["update-ref", "refs/heads/a-squad/outbox/c1", &value.to_string()]);
    let mirror = Mirror { theirs: "refs/heads/a-squad/outbox/".to_owned(), ..outboxes() };
    assert_eq!(head_of(remote.fetch(&store, "main", std::slice::from_ref(&mirror), LIMIT).unwrap()), value);
    assert_eq!(store.refs_below("refs/squad/outboxes/").unwrap(), [("refs/squad/outboxes/c1".to_owned(), value)]);
}

#[test]
fn a_missing_branch_an_empty_repository_and_a_gone_remote_are_told_apart() {
    let kit = Kit::new();
    let bare = kit.remote();
    let dir = kit.clone("clone", &[]);
    let (store, remote) = (kit.store(&dir), kit.origin(&dir));
    assert_eq!(remote.fetch(&store, "nope", &[], LIMIT).unwrap(), Fetched::NoBranch);
    // The name is the tail of another branch's, which a pattern would match.
    kit.run(&bare, &["update-ref", "refs/heads/x/refs/heads/nope", "refs/heads/main"]);
    assert_eq!(remote.fetch(&store, "nope", &[], LIMIT).unwrap(), Fetched::NoBranch);

    kit.run(&kit.path(""), &["init", "-q", "--bare", "empty.git"]);
    kit.run(&dir, &["remote", "add", "empty", "../empty.git"]);
    let empty = Remote::named("empty", &kit.place(&dir), &kit.settings(&dir), &kit.git).unwrap();
    assert_eq!(empty.fetch(&store, "main", &[], LIMIT).unwrap(), Fetched::NoBranch);

    fs::rename(&bare, kit.path("moved.git")).unwrap();
    let fault = remote.fetch(&store, "main", &[], LIMIT).unwrap_err();
    assert!(matches!(fault, FetchFault::Unreachable { .. }), "{fault:?}");
}

#[test]
fn a_remote_that_never_answers_is_given_up_at_the_limit() {
    let kit = Kit::new();
    kit.remote();
    let dir = kit.clone("clone", &[]);
    kit.script(&kit.path("hang"), "sleep 600");
    kit.run(&dir, &["remote", "set-url", "origin", "ssh://nowhere.invalid/x"]);
    kit.run(&dir, &["config", "core.sshCommand", &kit.path("hang").display().to_string()]);
    let begun = Instant::now();
    let fault = kit.origin(&dir).fetch(&kit.store(&dir), "main", &[], Duration::from_millis(500)).unwrap_err();
    assert!(matches!(fault, FetchFault::TimedOut { .. }), "{fault:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_board_that_was_rewritten_is_noticed_and_the_confirmed_head_stays() {
    let kit = Kit::new();
    let bare = kit.remote();
    let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
    kit.run(&kit.path("seed"), &["commit", "-q", "--amend", "-m", "rewritten"]);
    kit.run(&kit.path("seed"), &["push", "-q", "--force", &bare.display().to_string(), "main"]);
    let Fetched::Head { head, before } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else {
        panic!("main is there")
    };
    assert_eq!(store.advance_tip(head, before).unwrap(), Err(super::super::Rewound { old: base, new: head }));
    assert_eq!(store.tip().unwrap(), Some(base));
}

#[test]
fn eight_first_fetches_at_once_into_one_store_all_arrive() {
    let kit = Kit::new();
    kit.remote();
    let dir = kit.clone("clone", &[]);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                let (store, remote) = (kit.store(&dir), kit.origin(&dir));
                let Fetched::Head { head, before } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else {
                    panic!("main is there")
                };
                assert_eq!(store.advance_tip(head, before).unwrap(), Ok(main_at(&kit)));
            });
        }
    });
    assert_eq!(kit.store(&dir).refs_below("refs/squad/").unwrap(), [(TIP.to_owned(), main_at(&kit))]);
}

#[test]
fn a_first_fetch_waits_while_another_changes_the_depth() {
    let kit = Kit::new();
    kit.remote();
    let dir = kit.clone("clone", &[]);
    let (store, remote) = (kit.store(&dir), kit.origin(&dir));
    let lock = store.path().join("shallow.lock");
    let gate = store.depth_gate(Instant::now()).unwrap().unwrap();
    fs::write(&lock, "").unwrap();
    let fault = remote.fetch(&store, "main", &[], Duration::from_millis(100)).unwrap_err();
    assert!(matches!(fault, FetchFault::TimedOut { .. }), "{fault:?}");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            fs::remove_file(&lock).unwrap();
            drop(gate);
        });
        assert_eq!(head_of(remote.fetch(&store, "main", &[], LIMIT).unwrap()), main_at(&kit));
    });
}

#[test]
fn history_is_shallow_at_first_and_deepened_on_demand() {
    let kit = Kit::new();
    let bare = kit.remote();
    for n in 0..5 {
        kit.write(&kit.path("seed"), "src/code.txt", &format!("{n}\n"));
        kit.run(&kit.path("seed"), &["commit", "-qam", "more"]);
    }
    kit.run(&kit.path("seed"), &["push", "-q", &bare.display().to_string(), "main"]);
    let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
    let length = |store: &Store| store.walk(base, None).unwrap().len();
    assert!(store.is_shallow() && length(&store) == 1);
    assert!(store.read_commit(base).unwrap().cut_off);
    // A shallow store pushes and follows as well as a whole one.
    let new = child(&store, Some(base), "squad/t", "x");
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
    remote.deepen(&store, "main", Some(2), LIMIT).unwrap();
    assert_eq!(length(&store), 3);
    remote.deepen(&store, "main", None, LIMIT).unwrap();
    assert_eq!((store.is_shallow(), length(&store)), (false, 7));
    remote.deepen(&store, "main", None, LIMIT).unwrap();
    assert!(store.is_ancestor(kit.rev(&bare, "main~7"), new).unwrap());
}

/// A partial clone lacks the board's blobs; the private store must not inherit that.
#[test]
fn the_store_of_a_partial_clone_holds_every_blob() {
    let kit = Kit::new();
    let bare = kit.remote();
    kit.run(&bare, &["config", "uploadpack.allowFilter", "true"]);
    let dir = kit.clone("clone", &["--filter=blob:none", "--no-checkout"]);
    let (store, _, head) = synced(&kit, &dir);
    let tree = store.read_commit(head).unwrap().tree;
    for path in ["squad/tasks/json/a.json", "src/code.txt"] {
        let entry = store.lookup(tree, path).unwrap().unwrap();
        store.read_blob(entry.oid, 100).unwrap();
    }
    assert_eq!(kit.run(store.path(), &["fsck", "--connectivity-only"]), "");
}

#[test]
fn what_a_killed_git_left_locked_is_in_nobodys_way() {
    let kit = Kit::new();
    let bare = kit.remote();
    let (store, remote, head) = synced(&kit, &kit.clone("clone", &[]));
    kit.run(&bare, &["update-ref", "refs/squad/outbox/one", &head.to_string()]);
    fs::create_dir_all(store.path().join("refs/squad/outboxes")).unwrap();
    fs::write(store.path().join("refs/squad/outboxes/one.lock"), "").unwrap();
    let begun = Instant::now();
    remote.fetch(&store, "main", &[outboxes()], LIMIT).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "git has waited for a lock that nobody holds");
    assert_eq!(store.refs_below("refs/squad/outboxes/").unwrap(), [("refs/squad/outboxes/one".to_owned(), head)]);
    // The same for the first fetch of all, which changes the depth.
    let other = kit.store(&kit.clone("other", &[]));
    fs::write(other.path().join("shallow.lock"), "").unwrap();
    assert_eq!(head_of(kit.origin(&kit.path("other")).fetch(&other, "main", &[], LIMIT).unwrap()), head);
}

#[test]
fn a_store_with_holes_is_told_from_a_bad_remote_and_made_anew() {
    let kit = Kit::new();
    let bare = kit.remote();
    let dir = kit.clone("clone", &[]);
    let (store, remote, base) = synced(&kit, &dir);
    let new = child(&store, Some(base), "squad/t", "x");
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
    // The remote has an outbox of which the store knows the name only.
    let lost = kit.rev(&bare, "main~2");
    let named = store.path().join("refs/squad/outboxes/lost");
    fs::create_dir_all(named.parent().unwrap()).unwrap();
    fs::write(&named, format!("{lost}\n")).unwrap();
    assert!(!store.contains(lost));
    kit.run(&bare, &["update-ref", "refs/heads/main", "main~1"]);
    let next = child(&store, Some(base), "squad/u", "y");
    let elsewhere = kit.clone("elsewhere", &[]);
    kit.run(&elsewhere, &["commit", "-q", "--allow-empty", "-m", "on"]);
    kit.run(&elsewhere, &["push", "-q", "origin", "HEAD:main"]);
    assert_ne!(main_at(&kit), next);
    let fault = remote.fetch(&store, "main", &[], LIMIT).unwrap_err();
    assert!(matches!(fault, FetchFault::Local(GitError::Holed { .. })), "{fault:?}");
    let (anew, remote, head) = synced(&kit, &dir);
    assert_eq!(head, main_at(&kit));
    assert!(anew.refs_below("refs/squad/outboxes/").unwrap().is_empty());
    remote.fetch(&anew, "main", &[outboxes()], LIMIT).unwrap();
    kit.run(anew.path(), &["fsck", "--strict"]);
}
