//! Tests of fetching and pushing against real remotes, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::time::Instant;

use super::super::fetch::{FetchFault, Fetched};
use super::super::testkit::{Kit, LIMIT, child, head_of, main_at, outboxes, synced};
use super::*;

#[test]
fn a_push_from_the_expected_value_lands_and_is_fetched_back() {
    let kit = Kit::new();
    kit.remote();
    let dir = kit.clone("clone", &[]);
    let (store, remote, base) = synced(&kit, &dir);
    assert_eq!(base, main_at(&kit));
    let new = child(&store, Some(base), "squad/tasks/json/b.json", "{}\n");
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
    assert_eq!(main_at(&kit), new);
    assert_eq!(head_of(remote.fetch(&store, "main", &[], LIMIT).unwrap()), new);
    assert_eq!(store.refs_below("refs/squad/incoming/").unwrap(), [], "the scratch ref is gone");
    // The same push once more is no second change.
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(new), LIMIT).unwrap(), PushOutcome::Landed);
    // The user's repository has noticed nothing.
    assert_eq!(kit.rev(&dir, "origin/main"), base);
    assert!(!dir.join(".git/FETCH_HEAD").exists());
    assert_eq!(kit.run(&dir, &["status", "--porcelain"]), "");
}

#[test]
fn of_two_pushes_from_one_base_the_second_is_rejected() {
    let kit = Kit::new();
    kit.remote();
    let (ours, our_remote, base) = synced(&kit, &kit.clone("ours", &[]));
    let (theirs, their_remote, _) = synced(&kit, &kit.clone("theirs", &[]));
    let first = child(&theirs, Some(base), "squad/t", "theirs");
    assert_eq!(their_remote.push(&theirs, "main", first, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
    let second = child(&ours, Some(base), "squad/t", "ours");
    let outcome = our_remote.push(&ours, "main", second, Expected::Exactly(base), LIMIT).unwrap();
    assert!(matches!(&outcome, PushOutcome::Rejected { by: RejectedBy::Lease, .. }), "{outcome:?}");
    assert_eq!(main_at(&kit), first);
}

#[test]
fn a_push_that_loses_after_the_remote_was_read_is_rejected_by_the_remote() {
    let kit = Kit::new();
    let bare = kit.remote();
    let (store, remote, base) = synced(&kit, &kit.clone("ours", &[]));
    let (theirs, their_remote, _) = synced(&kit, &kit.clone("theirs", &[]));
    let winner = child(&theirs, Some(base), "squad/t", "theirs");
    let landed = their_remote.push(&theirs, "aside", winner, Expected::Absent, LIMIT).unwrap();
    assert_eq!(landed, PushOutcome::Landed);
    // The hook runs between the comparison on our side and the one under the remote's lock.
    let body = format!("unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY\ngit update-ref refs/heads/main {winner}");
    kit.script(&bare.join("hooks/pre-receive"), &body);
    let loser = child(&store, Some(base), "squad/t", "ours");
    let outcome = remote.push(&store, "main", loser, Expected::Exactly(base), LIMIT).unwrap();
    assert!(matches!(&outcome, PushOutcome::Rejected { by: RejectedBy::Remote, .. }), "{outcome:?}");
    assert_eq!(main_at(&kit), winner);
}

/// Security row 21: what the hook prints reaches no terminal raw.
#[test]
fn a_declining_hook_is_a_rejection_by_the_remote() {
    let kit = Kit::new();
    let bare = kit.remote();
    let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
    kit.script(&bare.join("hooks/pre-receive"), "printf '\\033[2Jno\\n' >&2; exit 1");
    let new = child(&store, Some(base), "squad/t", "x");
    match remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap() {
        PushOutcome::Rejected { by: RejectedBy::Remote, reason } => {
            assert!(reason.contains("pre-receive hook declined"), "{reason}");
            assert!(!reason.contains('\u{1b}'), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(main_at(&kit), base);
}

#[test]
fn a_server_that_dies_before_or_after_the_move_leaves_the_outcome_unknown() {
    for (phase, lands) in [("prepared", false), ("committed", true)] {
        let kit = Kit::new();
        let bare = kit.remote();
        let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
        kit.script(
            &bare.join("hooks/reference-transaction"),
            &format!("[ \"$1\" = {phase} ] && kill -9 $PPID\nexit 0"),
        );
        let new = child(&store, Some(base), "squad/t", "x");
        let outcome = remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap();
        assert!(matches!(outcome, PushOutcome::Unknown { .. }), "{phase}: {outcome:?}");
        assert_eq!(main_at(&kit) == new, lands, "{phase}");
    }
}

#[test]
fn a_push_that_hangs_is_ended_and_its_outcome_is_unknown_landed_or_not() {
    for (hook, lands) in [("pre-receive", false), ("post-receive", true)] {
        let kit = Kit::new();
        let bare = kit.remote();
        let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
        kit.script(&bare.join("hooks").join(hook), "sleep 600");
        let new = child(&store, Some(base), "squad/t", "x");
        let begun = Instant::now();
        let outcome = remote.push(&store, "main", new, Expected::Exactly(base), Duration::from_secs(2)).unwrap();
        assert!(matches!(&outcome, PushOutcome::Unknown { reason } if reason.contains("within 2 s")), "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(main_at(&kit) == new, lands, "{hook}");
    }
}

#[test]
fn several_refs_are_pushed_at_once_each_from_its_own_value() {
    let kit = Kit::new();
    let bare = kit.remote();
    let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
    let board = child(&store, Some(base), "squad/t", "x");
    let first = child(&store, None, "operations", "1");
    let outbox = "refs/squad/outbox/c1".to_owned();
    let updates = [
        Update { name: "refs/heads/main".to_owned(), new: board, expected: Expected::Exactly(base) },
        Update { name: outbox.clone(), new: first, expected: Expected::Absent },
    ];
    let told = std::cell::Cell::new(0);
    let outcomes = remote.push_refs(&store, &updates, LIMIT, &|pid| told.set(pid)).unwrap();
    assert_eq!(outcomes, [PushOutcome::Landed, PushOutcome::Landed]);
    assert_ne!(told.get(), 0);
    // A lost board does not keep the announcement back; the outbox replaces its value without descent.
    let (late, second) = (child(&store, Some(base), "squad/t", "late"), child(&store, None, "operations", "2"));
    let updates = [
        Update { name: "refs/heads/main".to_owned(), new: late, expected: Expected::Exactly(base) },
        Update { name: outbox.clone(), new: second, expected: Expected::Exactly(first) },
    ];
    let outcomes = remote.push_refs(&store, &updates, LIMIT, &|_| {}).unwrap();
    assert!(matches!(outcomes[0], PushOutcome::Rejected { by: RejectedBy::Lease, .. }), "{outcomes:?}");
    assert_eq!(kit.rev(&bare, &outbox), second);
    assert_eq!(main_at(&kit), board);

    assert_eq!(head_of(remote.fetch(&store, "main", &[outboxes()], LIMIT).unwrap()), board);
    let mirrored = [("refs/squad/outboxes/c1".to_owned(), second)];
    assert_eq!(store.refs_below("refs/squad/outboxes/").unwrap(), mirrored);
}

#[test]
fn a_remote_that_was_rewound_below_the_base_is_not_pushed_over() {
    let kit = Kit::new();
    let bare = kit.remote();
    let (store, remote, base) = synced(&kit, &kit.clone("clone", &[]));
    kit.run(&bare, &["update-ref", "refs/heads/main", "main~1"]);
    let rewound = main_at(&kit);
    // To git alone this would be an ordinary step forward.
    let new = child(&store, Some(base), "squad/t", "x");
    let outcome = remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap();
    assert!(matches!(outcome, PushOutcome::Rejected { by: RejectedBy::Lease, .. }), "{outcome:?}");
    assert_eq!(main_at(&kit), rewound);
}

#[test]
fn the_users_settings_for_the_remote_hold_wherever_they_stand() {
    let kit = Kit::new();
    let bare = kit.remote();
    // An address relative to the worktree, one rewritten by insteadOf, one that only this worktree's settings know.
    for (name, setup) in [
        ("relative", vec![vec!["remote", "set-url", "origin", "../remote.git"]]),
        (
            "instead",
            vec![
                vec!["remote", "set-url", "origin", "short:remote.git"],
                vec!["config", "url.file:///.insteadOf", "nope"],
            ],
        ),
        ("perworktree", vec![vec!["config", "extensions.worktreeConfig", "true"]]),
        (
            "mirror",
            vec![
                vec!["config", "remote.origin.mirror", "true"],
                vec!["config", "push.followTags", "true"],
                vec!["config", "fetch.prune", "true"],
            ],
        ),
    ] {
        let dir = kit.clone(name, &[]);
        for args in &setup {
            kit.run(&dir, args);
        }
        if name == "instead" {
            let base = format!("file://{}/", kit.path("").display());
            kit.run(&dir, &["config", &format!("url.{base}.insteadOf"), "short:"]);
        }
        if name == "perworktree" {
            kit.run(&dir, &["remote", "set-url", "origin", "file:///nowhere"]);
            kit.run(&dir, &["config", "--unset", "remote.origin.url"]);
            kit.run(&dir, &["config", "--worktree", "remote.origin.url", &bare.display().to_string()]);
        }
        let inside = dir.join("src");
        let (store, remote, base) = synced(&kit, &inside);
        let new = child(&store, Some(base), "squad/t", name);
        assert_eq!(
            remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(),
            PushOutcome::Landed,
            "{name}"
        );
    }
    let refs = kit.run(&bare, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, "refs/heads/main", "nothing else was pushed or pruned");
}

#[test]
fn it_works_from_a_linked_worktree_a_submodule_a_reftable_clone_and_a_bare_clone() {
    let kit = Kit::new();
    let bare = kit.remote();
    let main = kit.clone("main", &[]);
    kit.run(&main, &["worktree", "add", "-q", "--detach", "../linked"]);
    let outer = kit.repo("outer");
    let url = bare.display().to_string();
    kit.run(&outer, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    kit.clone("reftable", &["--ref-format=reftable"]);
    kit.clone("bare", &["--bare"]);
    for place in ["linked", "outer/sub", "reftable", "bare"] {
        let (store, remote, base) = synced(&kit, &kit.path(place));
        let new = child(&store, Some(base), "squad/t", place);
        assert_eq!(
            remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(),
            PushOutcome::Landed,
            "{place}"
        );
        assert_eq!(main_at(&kit), new, "{place}");
    }
}

/// Security row 6.
#[test]
fn names_and_addresses_that_would_run_something_do_not() {
    let kit = Kit::new();
    kit.remote();
    let dir = kit.clone("clone", &[]);
    let canary = kit.path("canary");
    let (place, store) = (kit.place(&dir), kit.store(&dir));
    kit.run(&dir, &["config", "remote.evil.url", &format!("ext::sh -c touch% {}", canary.display())]);
    kit.run(&dir, &["config", "remote.flag.url", &format!("--upload-pack=touch {}", canary.display())]);
    kit.run(&dir, &["config", "remote.host.url", &format!("ssh://-oProxyCommand=touch {}/x", canary.display())]);
    kit.run(&dir, &["config", "remote.helper.vcs", "evil"]);
    kit.run(&dir, &["config", "remote.helper.url", "x"]);
    kit.run(&dir, &["config", "protocol.ext.allow", "always"]);
    let settings = kit.settings(&dir);
    for name in ["evil", "flag", "host", "helper"] {
        let remote = Remote::named(name, &place, &settings, &kit.git).unwrap();
        let fault = remote.fetch(&store, "main", &[], LIMIT).unwrap_err();
        assert!(matches!(fault, FetchFault::Unreachable { .. }), "{name}: {fault:?}");
    }
    assert!(matches!(Remote::named("-x", &place, &settings, &kit.git), Err(GitError::BadName { .. })));
    assert!(matches!(Remote::named("src", &place, &settings, &kit.git), Err(GitError::UnknownRemote { .. })));
    let remote = kit.origin(&dir);
    assert!(matches!(
        remote.fetch(&store, "--upload-pack=x", &[], LIMIT),
        Err(FetchFault::Local(GitError::BadName { .. }))
    ));
    let new = child(&store, None, "x", "x");
    assert!(matches!(remote.push(&store, "-x", new, Expected::Absent, LIMIT), Err(GitError::BadName { .. })));
    assert!(!canary.exists());
}

/// Makes a repository without a remote, whose board branch is `main`, and confirms its head.
fn alone(kit: &Kit, dir: &Path) -> (Store, Remote, Oid) {
    let (store, remote) = (kit.store(dir), kit.own(dir));
    let Fetched::Head { head, before } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else {
        panic!("main is there")
    };
    store.advance_tip(head, before).unwrap().unwrap();
    (store, remote, head)
}

fn seeded(kit: &Kit) -> PathBuf {
    kit.remote();
    kit.path("seed")
}

#[test]
fn without_a_remote_a_checked_out_board_lands_in_its_worktree() {
    let kit = Kit::new();
    let dir = seeded(&kit);
    kit.write(&dir, "src/code.txt", "being edited\n");
    kit.write(&dir, "new.txt", "staged\n");
    kit.run(&dir, &["add", "new.txt"]);
    let before = kit.run(&dir, &["status", "--porcelain"]);
    let (store, remote, base) = alone(&kit, &dir);
    let new = child(&store, Some(base), "squad/tasks/json/b.json", "{}\n");
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
    assert_eq!(kit.rev(&dir, "main"), new);
    assert!(dir.join("squad/tasks/json/b.json").exists());
    assert_eq!(kit.run(&dir, &["status", "--porcelain"]), before);
    assert!(!dir.join(".git/shallow").exists(), "the store's boundary stays in the store");
    assert_eq!(kit.run(&dir, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    assert_eq!(store.refs_below("refs/squad/landing/").unwrap(), []);
    // From a base that is no longer the head nothing lands.
    let late = child(&store, Some(base), "squad/t", "late");
    let outcome = remote.push(&store, "main", late, Expected::Exactly(base), LIMIT).unwrap();
    assert!(matches!(outcome, PushOutcome::Rejected { by: RejectedBy::Lease, .. }), "{outcome:?}");
    assert_eq!(kit.rev(&dir, "main"), new);
}

#[test]
fn without_a_remote_work_in_the_way_blocks_the_landing_and_stays() {
    type Spoil = fn(&Kit, &Path);
    let cases: [(&str, Spoil); 4] = [
        ("changed", |kit, dir| kit.write(dir, "squad/tasks/json/a.json", "mine\n")),
        ("staged", |kit, dir| {
            kit.write(dir, "squad/tasks/json/a.json", "mine\n");
            kit.run(dir, &["add", "."]);
        }),
        ("untracked", |kit, dir| kit.write(dir, "squad/tasks/json/b.json", "mine\n")),
        ("ignored", |kit, dir| {
            kit.write(dir, ".git/info/exclude", "b.json\n");
            kit.write(dir, "squad/tasks/json/b.json", "mine\n");
        }),
    ];
    for (name, spoil) in cases {
        let kit = Kit::new();
        let dir = seeded(&kit);
        kit.run(&dir, &["config", "merge.autoStash", "true"]);
        let (store, remote, base) = alone(&kit, &dir);
        spoil(&kit, &dir);
        let before = kit.run(&dir, &["status", "--porcelain", "--ignored"]);
        let mut new = child(&store, Some(base), "squad/tasks/json/a.json", "board\n");
        new = child(&store, Some(new), "squad/tasks/json/b.json", "board\n");
        match remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap() {
            PushOutcome::Blocked { worktree, reason } => {
                assert_eq!(worktree, dir, "{name}");
                assert!(reason.contains("squad/tasks/json/"), "{name}: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(kit.rev(&dir, "main"), base, "{name}");
        assert_eq!(kit.run(&dir, &["status", "--porcelain", "--ignored"]), before, "{name}");
    }
}

#[test]
fn without_a_remote_a_branch_that_nobody_has_checked_out_moves_from_its_expected_value() {
    let kit = Kit::new();
    let dir = seeded(&kit);
    for (place, refs) in [
        (kit.path("remote.git"), "files"),
        (kit.clone("reftable", &["--ref-format=reftable"]), "reftable"),
        (dir, "files"),
    ] {
        if place != kit.path("remote.git") {
            kit.run(&place, &["switch", "-q", "-c", "side"]);
        }
        let (store, remote, base) = alone(&kit, &place);
        let new = child(&store, Some(base), "squad/t", "x");
        assert_eq!(
            remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(),
            PushOutcome::Landed,
            "{refs}"
        );
        assert_eq!(kit.rev(&place, "main"), new);
        let late = child(&store, Some(base), "squad/t", "late");
        for expected in [Expected::Exactly(base), Expected::Absent] {
            let outcome = remote.push(&store, "main", late, expected, LIMIT).unwrap();
            assert!(matches!(outcome, PushOutcome::Rejected { by: RejectedBy::Lease, .. }), "{outcome:?}");
        }
        assert_eq!(remote.push(&store, "squad", new, Expected::Absent, LIMIT).unwrap(), PushOutcome::Landed);
        let outbox = Update { name: "refs/squad/outbox/c1".to_owned(), new: base, expected: Expected::Absent };
        assert_eq!(remote.push_refs(&store, &[outbox], LIMIT, &|_| {}).unwrap(), [PushOutcome::Landed]);
        assert_eq!(head_of(remote.fetch(&store, "main", &[outboxes()], LIMIT).unwrap()), new);
        let mirrored = [("refs/squad/outboxes/c1".to_owned(), base)];
        assert_eq!(store.refs_below("refs/squad/outboxes/").unwrap(), mirrored);
    }
}

#[test]
fn without_a_remote_and_without_a_commit_the_first_board_lands() {
    let kit = Kit::new();
    let dir = kit.repo("fresh");
    kit.write(&dir, "staged.txt", "mine\n");
    kit.run(&dir, &["add", "staged.txt"]);
    let (store, remote) = (kit.store(&dir), kit.own(&dir));
    assert_eq!(remote.fetch(&store, "main", &[], LIMIT).unwrap(), Fetched::NoBranch);
    let new = child(&store, None, "squad/squad.json", "{}\n");
    assert_eq!(remote.push(&store, "main", new, Expected::Absent, LIMIT).unwrap(), PushOutcome::Landed);
    assert_eq!(kit.rev(&dir, "HEAD"), new);
    assert_eq!(kit.run(&dir, &["status", "--porcelain"]), "A  staged.txt");
    assert!(dir.join("squad/squad.json").exists());
}

#[test]
fn without_a_remote_a_board_in_a_linked_worktree_or_under_rebase_is_treated_with_care() {
    let kit = Kit::new();
    let dir = seeded(&kit);
    kit.run(&dir, &["switch", "-q", "-c", "side"]);
    kit.run(&dir, &["worktree", "add", "-q", "../board", "main"]);
    let (store, remote, base) = alone(&kit, &dir);
    let new = child(&store, Some(base), "squad/t", "x");
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
    assert_eq!(kit.run(&kit.path("board"), &["status", "--porcelain"]), "");
    assert!(kit.path("board/squad/t").exists());

    // A rebase that stops detaches HEAD, and will move the branch when it is done.
    let stopped = kit.try_git(&kit.path("board"), &["rebase", "--exec", "false", "HEAD~1"]);
    assert!(!stopped.status.success());
    let next = child(&store, Some(new), "squad/t", "y");
    let outcome = remote.push(&store, "main", next, Expected::Exactly(new), LIMIT).unwrap();
    assert!(matches!(&outcome, PushOutcome::Blocked { worktree, .. } if *worktree == kit.path("board")), "{outcome:?}");
    assert_eq!(kit.rev(&dir, "main"), new);
}

#[test]
fn without_a_remote_a_busy_index_is_waited_for_and_a_stale_lock_is_named() {
    let kit = Kit::new();
    let dir = seeded(&kit);
    let (store, remote, base) = alone(&kit, &dir);
    let lock = dir.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let new = child(&store, Some(base), "squad/t", "x");
    let outcome = remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap();
    assert!(matches!(&outcome, PushOutcome::Blocked { reason, .. } if reason.contains("index.lock")), "{outcome:?}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            fs::remove_file(&lock).unwrap();
        });
        let outcome = remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap();
        assert_eq!(outcome, PushOutcome::Landed);
    });
}

/// Security row 7: every setting that runs something is a tripwire; none may fire.
#[test]
fn no_hook_filter_monitor_or_alias_of_the_user_runs_on_reading_pushing_or_landing() {
    let kit = Kit::new();
    let bare = kit.remote();
    for (name, alone) in [("clone", false), ("alone", true)] {
        let dir = kit.clone(name, &[]);
        let canary = kit.path(&format!("{name}-canary"));
        let trip = kit.path(&format!("{name}-trip"));
        kit.script(&trip, &format!("echo \"$0 $*\" >> {}; cat; exit 0", canary.display()));
        let trip = trip.display().to_string();
        for hook in [
            "pre-push",
            "post-merge",
            "post-checkout",
            "reference-transaction",
            "pre-commit",
            "update",
            "post-index-change",
            "pre-auto-gc",
            "fsmonitor-watchman",
        ] {
            kit.script(&dir.join(".git/hooks").join(hook), &format!("echo {hook} >> {}", canary.display()));
        }
        if !alone {
            // Such a setting would reach the store along with the rest of the user's.
            fs::rename(dir.join(".git/hooks"), kit.path("shared-hooks")).unwrap();
            kit.run(&dir, &["config", "core.hooksPath", &kit.path("shared-hooks").display().to_string()]);
        }
        kit.write(&dir, ".git/info/attributes", "* filter=trip diff=trip merge=trip\n");
        for key in [
            "core.fsmonitor",
            "core.sshCommand",
            "core.editor",
            "core.pager",
            "core.askPass",
            "diff.external",
            "diff.trip.textconv",
            "diff.trip.command",
            "merge.trip.driver",
            "filter.trip.clean",
            "filter.trip.smudge",
            "gpg.program",
            "credential.helper",
            "core.alternateRefsCommand",
            "core.gitProxy",
            "sequence.editor",
            "uploadpack.packObjectsHook",
        ] {
            kit.run(&dir, &["config", key, &trip]);
        }
        for verb in ["fetch", "push", "status", "merge", "rev-parse", "config", "ls-remote", "update-ref"] {
            kit.run(&dir, &["config", &format!("alias.{verb}"), &format!("!{trip}")]);
        }
        // What setting all this up has run is not ours.
        let _ = fs::remove_file(&canary);
        let place = kit.place(&dir);
        let settings = kit.settings(&dir);
        let remote = if alone { Remote::own(&place, &settings, &kit.git) } else { kit.origin(&dir) };
        let store = kit.store(&dir);
        let Fetched::Head { head: base, before } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else {
            panic!("main is there")
        };
        store.advance_tip(base, before).unwrap().unwrap();
        let new = child(&store, Some(base), "squad/t", "x\n");
        assert_eq!(remote.push(&store, "main", new, Expected::Exactly(base), LIMIT).unwrap(), PushOutcome::Landed);
        let board = super::super::PathSet::new(["squad"]);
        let followed = super::super::follow(&remote, &settings, &store, "main", new, &board).unwrap();
        assert_eq!(followed, super::super::Follow::Followed, "{name}");
        place.worktrees(&kit.git).unwrap();
        super::super::staged_entries(&place, &kit.git, None).unwrap();
        let objects = super::super::Objects::of_place(&place).unwrap();
        objects.resolve(&place, &kit.git, "HEAD").unwrap().unwrap();
        assert_eq!(fs::read_to_string(&canary).unwrap_or_default(), "", "{name}");
        assert_eq!(fs::read_to_string(dir.join("squad/t")).unwrap(), "x\n");
    }
    assert!(bare.exists());
}

#[test]
fn a_landing_that_fails_at_its_last_step_leaves_nothing_behind() {
    let kit = Kit::new();
    let dir = kit.repo("alone");
    kit.run(&dir, &["commit", "--allow-empty", "-m", "first"]);
    let status = kit.run(&dir, &["status", "--porcelain"]);
    let (store, remote) = (kit.store(&dir), kit.own(&dir));
    let Fetched::Head { head, .. } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else { panic!("main is there") };
    let new = child(&store, Some(head), "squad/t", "x\n");
    let lock = dir.join(".git/HEAD.lock");
    fs::write(&lock, "").unwrap();
    let outcome = remote.push(&store, "main", new, Expected::Exactly(head), LIMIT).unwrap();
    assert!(matches!(outcome, PushOutcome::Blocked { .. }), "{outcome:?}");
    assert_eq!(kit.run(&dir, &["status", "--porcelain"]), status);
    fs::remove_file(&lock).unwrap();
    let outcome = remote.push(&store, "main", new, Expected::Exactly(head), LIMIT).unwrap();
    assert_eq!(outcome, PushOutcome::Landed);
}
