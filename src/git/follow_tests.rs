//! Tests of a checkout that follows, or is left alone, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::testkit::{Kit, LIMIT, child};
use super::super::{Expected, Fetched, PushOutcome};
use super::*;

const TASK: &str = "squad/tasks/json/a.json";

fn board() -> PathSet {
    PathSet::new(["squad", ".claude/coordination.json"])
}

/// Lands a change of `path` through the clone's store, as a claim does, and returns the new head.
fn landed(kit: &Kit, dir: &Path, path: &str, content: &str) -> Oid {
    let (store, remote) = (kit.store(dir), kit.origin(dir));
    let Fetched::Head { head, before } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else {
        panic!("main is there")
    };
    store.advance_tip(head, before).unwrap().unwrap();
    let new = child(&store, Some(head), path, content);
    assert_eq!(remote.push(&store, "main", new, Expected::Exactly(head), LIMIT).unwrap(), PushOutcome::Landed);
    assert_eq!(store.advance_tip(new, Some(head)).unwrap(), Ok(new));
    new
}

fn followed(kit: &Kit, dir: &Path, head: Oid) -> Follow {
    follow(&kit.origin(dir), &kit.settings(dir), &kit.store(dir), "main", head, &board()).unwrap()
}

fn status(kit: &Kit, dir: &Path) -> String {
    kit.run(dir, &["status", "--porcelain", "--branch", "--untracked-files=all"])
}

fn cloned(kit: &Kit, options: &[&str]) -> PathBuf {
    kit.remote();
    kit.clone("clone", options)
}

#[test]
fn a_clean_checkout_follows_with_its_remote_tracking_ref() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let head = landed(&kit, &dir, TASK, "claimed\n");
    assert_eq!(followed(&kit, &dir, head), Follow::Followed);
    assert_eq!((kit.rev(&dir, "main"), kit.rev(&dir, "origin/main")), (head, head));
    assert_eq!(fs::read_to_string(dir.join(TASK)).unwrap(), "claimed\n");
    assert_eq!(status(&kit, &dir), "## main...origin/main");
    assert!(!dir.join(".git/FETCH_HEAD").exists());
    assert_eq!(kit.run(&dir, &["for-each-ref", "--format=%(refname)", "refs/squad"]), "");
    assert_eq!(followed(&kit, &dir, head), Follow::Followed, "again is no change");
}

#[test]
fn many_objects_come_as_one_pack_that_nothing_keeps_any_more_and_few_come_one_by_one() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let count = |what: &str| {
        let counted = kit.run(&dir, &["count-objects", "-v"]);
        let line = counted.lines().find_map(|line| line.strip_prefix(&format!("{what}: "))).map(str::parse::<usize>);
        line.unwrap().unwrap()
    };
    let (loose, packs) = (count("count"), count("packs"));
    let few = (0..10).fold(None, |_, n| Some(landed(&kit, &dir, TASK, &format!("{n}\n")))).unwrap();
    assert_eq!(followed(&kit, &dir, few), Follow::Followed);
    assert_eq!(count("packs"), packs);
    let single = count("count");
    assert!(single > loose + 40, "{loose} to {single}");
    // Each commit brings six: a file, the four trees above it, and itself.
    let many = (0..20).fold(None, |_, n| Some(landed(&kit, &dir, TASK, &format!("more {n}\n")))).unwrap();
    assert_eq!(followed(&kit, &dir, many), Follow::Followed);
    assert_eq!((count("packs"), count("count")), (packs + 1, single));
    let kept = fs::read_dir(dir.join(".git/objects/pack")).unwrap().flatten();
    assert!(kept.into_iter().all(|entry| entry.path().extension().is_none_or(|end| end != "keep")));
    kit.run(&dir, &["gc", "--quiet", "--prune=now"]);
    assert_eq!((kit.rev(&dir, "main"), fs::read_to_string(dir.join(TASK)).unwrap().as_str()), (many, "more 19\n"));
    kit.run(&dir, &["fsck", "--strict"]);
}

#[test]
fn a_head_that_is_not_the_recorded_one_is_followed_too() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let first = landed(&kit, &dir, TASK, "1\n");
    let second = landed(&kit, &dir, TASK, "2\n");
    assert_eq!(followed(&kit, &dir, first), Follow::Followed);
    assert_eq!(kit.rev(&dir, "main"), first);
    assert_eq!(followed(&kit, &dir, second), Follow::Followed);
    assert_eq!(kit.store(&dir).refs_below("refs/squad/landing/").unwrap(), []);
}

/// Nothing of the user's moves: neither files, nor index, nor branch, and the reason is named.
fn is_left(name: &str, spoil: impl Fn(&Kit, &Path), because: &str) {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    kit.run(&dir, &["config", "merge.autoStash", "true"]);
    spoil(&kit, &dir);
    let before = (kit.rev(&dir, "HEAD"), kit.run(&dir, &["status", "--porcelain", "--ignored"]));
    let files = kit.run(&dir, &["diff", "HEAD"]);
    let head = landed(&kit, &dir, TASK, "claimed\n");
    match followed(&kit, &dir, head) {
        Follow::Left { why } => assert!(why.contains(because), "{name}: {why}"),
        other => panic!("{name}: {other:?}"),
    }
    assert_eq!((kit.rev(&dir, "HEAD"), kit.run(&dir, &["status", "--porcelain", "--ignored"])), before, "{name}");
    assert_eq!(kit.run(&dir, &["diff", "HEAD"]), files, "{name}");
    assert_eq!(kit.rev(&dir, "origin/main"), head, "{name}: the remote-tracking ref follows nevertheless");
}

#[test]
fn a_checkout_with_work_in_the_board_is_left() {
    is_left("changed", |kit, dir| kit.write(dir, TASK, "mine\n"), TASK);
    is_left(
        "staged",
        |kit, dir| {
            kit.write(dir, TASK, "mine\n");
            kit.run(dir, &["add", TASK]);
        },
        TASK,
    );
    is_left("untracked", |kit, dir| kit.write(dir, "squad/tasks/json/new.json", "mine\n"), "new.json");
    is_left(
        "deleted",
        |kit, dir| {
            kit.run(dir, &["rm", "-q", TASK]);
        },
        TASK,
    );
}

#[test]
fn a_merge_that_fails_at_its_last_step_leaves_nothing_behind() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    fs::write(dir.join("staged.txt"), "mine\n").unwrap();
    kit.run(&dir, &["add", "staged.txt"]);
    let (before, at) = (kit.run(&dir, &["status", "--porcelain"]), kit.rev(&dir, "HEAD"));
    let first = landed(&kit, &dir, TASK, "claimed\n");
    // Somebody is at the branch; the index and the files are written before git notices.
    let lock = dir.join(".git/HEAD.lock");
    fs::write(&lock, "").unwrap();
    assert!(matches!(followed(&kit, &dir, first), Follow::Left { .. }));
    assert_eq!((kit.run(&dir, &["status", "--porcelain"]), kit.rev(&dir, "HEAD")), (before, at));
    fs::remove_file(&lock).unwrap();
    let second = landed(&kit, &dir, TASK, "done\n");
    assert_eq!(followed(&kit, &dir, second), Follow::Followed);
    assert_eq!(fs::read_to_string(dir.join(TASK)).unwrap(), "done\n");
}

#[test]
fn a_garbage_collection_beside_it_takes_nothing_away() {
    // `gc.pid` is git's own note of a collection at work; what nothing refers to when that began is taken away when it
    // ends, here in the very moment in which the ref is moved.
    for noted in [true, false] {
        let kit = Kit::new();
        // Where refs are no files, git moves them, and the moment is ours to choose.
        let dir = cloned(&kit, &["--ref-format=reftable"]);
        // A commit of the user's: only the remote-tracking ref can follow.
        kit.run(&dir, &["commit", "--allow-empty", "-m", "mine"]);
        let head = landed(&kit, &dir, TASK, "claimed\n");
        let note = dir.join(".git/gc.pid");
        if noted {
            fs::write(&note, "1 elsewhere").unwrap();
            // One of a squad that was killed, and one of somebody else.
            for (name, text) in [("pack-1.keep", "squad\n"), ("pack-2.keep", "mine\n")] {
                let path = dir.join(".git/objects/pack").join(name);
                fs::write(&path, text).unwrap();
                let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
                fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
            }
        }
        kit.script(
            &kit.path("pruning-git"),
            "case \" $* \" in *\" update-ref \"*) rm -f .git/gc.pid gc.pid; git prune --expire=now ;; esac\nexec git \"$@\"",
        );
        // Between storing and moving, and what refers to nothing goes; then git moves the ref unasked.
        kit.script(
            &kit.path("late-git"),
            "git \"$@\"; code=$?; case \" $* \" in *\" update-ref \"*) cd ..; \
             for o in $(git rev-list --objects HEAD..origin/main | cut -c1-40); do \
             rm -f .git/objects/${o%??????????????????????????????????????}/${o#??}; done ;; esac; exit $code",
        );
        let program = if noted { "pruning-git" } else { "late-git" };
        let git = super::super::Git::with_program(kit.path(program))
            .env("GIT_CONFIG_GLOBAL", kit.path("global"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let settings = kit.settings(&dir);
        let remote = Remote::named("origin", &kit.place(&dir), &settings, &git).unwrap();
        let result = follow(&remote, &settings, &kit.store(&dir), "main", head, &board()).unwrap();
        assert!(matches!(result, Follow::Left { .. }), "{result:?}");
        assert_eq!(kit.rev(&dir, "origin/main"), head, "noted: {noted}");
        kit.run(&dir, &["fsck", "--connectivity-only"]);
        assert_eq!(kit.run(&dir, &["show", &format!("origin/main:{TASK}")]), "claimed", "noted: {noted}");
        let packs = fs::read_dir(dir.join(".git/objects/pack")).unwrap().flatten().map(|entry| entry.path());
        let kept: Vec<_> = packs.filter(|path| path.extension().is_some_and(|e| e == "keep")).collect();
        assert_eq!(kept, if noted { vec![dir.join(".git/objects/pack/pack-2.keep")] } else { vec![] });
    }
}

#[test]
fn what_a_garbage_collection_took_before_the_branch_moved_is_brought_again() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let base = kit.rev(&dir, "main");
    let head = landed(&kit, &dir, TASK, "claimed\n");
    // A collection that began before the objects came takes them just after the branch has moved to them.
    kit.script(
        &kit.path("late-git"),
        &format!(
            "git \"$@\"; code=$?; case \" $* \" in *\" merge \"*) \
             for o in $(git rev-list --objects {base}..main | cut -c1-40); do \
             rm -f .git/objects/${{o%??????????????????????????????????????}}/${{o#??}}; done ;; esac; exit $code"
        ),
    );
    let git = super::super::Git::with_program(kit.path("late-git"))
        .env("GIT_CONFIG_GLOBAL", kit.path("global"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let settings = kit.settings(&dir);
    let remote = Remote::named("origin", &kit.place(&dir), &settings, &git).unwrap();
    let result = follow(&remote, &settings, &kit.store(&dir), "main", head, &board()).unwrap();
    assert_eq!(result, Follow::Followed);
    assert_eq!((kit.rev(&dir, "main"), kit.rev(&dir, "origin/main")), (head, head));
    let (fan, rest) = (head.to_string()[..2].to_owned(), head.to_string()[2..].to_owned());
    assert!(!dir.join(".git/objects").join(fan).join(rest).exists(), "the script did its part");
    kit.run(&dir, &["fsck", "--connectivity-only"]);
    assert_eq!(status(&kit, &dir), "## main...origin/main");
}

#[test]
fn a_branch_with_commits_of_its_own_or_under_rebase_is_left() {
    is_left(
        "unpushed",
        |kit, dir| {
            kit.write(dir, "src/code.txt", "mine\n");
            kit.run(dir, &["commit", "-qam", "mine"]);
        },
        "does not hold",
    );
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    assert!(!kit.try_git(&dir, &["rebase", "--exec", "false", "HEAD~1"]).status.success());
    let head = landed(&kit, &dir, TASK, "claimed\n");
    let before = kit.rev(&dir, "main");
    assert_eq!(followed(&kit, &dir, head), Follow::NotCheckedOut);
    assert_eq!(kit.rev(&dir, "main"), before);
}

#[test]
fn an_ignored_file_in_the_way_is_not_overwritten() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    kit.write(&dir, ".git/info/exclude", "new.json\n");
    kit.write(&dir, "squad/tasks/json/new.json", "mine\n");
    let head = landed(&kit, &dir, "squad/tasks/json/new.json", "board\n");
    assert!(matches!(followed(&kit, &dir, head), Follow::Left { why } if why.contains("new.json")));
    assert_eq!(fs::read_to_string(dir.join("squad/tasks/json/new.json")).unwrap(), "mine\n");
}

#[test]
fn work_elsewhere_is_untouched_while_the_checkout_follows() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    kit.write(&dir, "src/code.txt", "edited\n");
    kit.write(&dir, "src/staged.txt", "staged\n");
    kit.run(&dir, &["add", "src/staged.txt"]);
    kit.write(&dir, "src/staged.txt", "staged, then edited\n");
    kit.write(&dir, "notes.txt", "untracked\n");
    let before = (status(&kit, &dir), kit.run(&dir, &["diff"]), kit.run(&dir, &["diff", "--cached"]));
    let head = landed(&kit, &dir, TASK, "claimed\n");
    assert_eq!(followed(&kit, &dir, head), Follow::Followed);
    assert_eq!((status(&kit, &dir), kit.run(&dir, &["diff"]), kit.run(&dir, &["diff", "--cached"])), before);
}

#[test]
fn commits_that_touch_more_than_the_board_are_left_to_the_user() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let base = kit.rev(&dir, "main");
    landed(&kit, &dir, "src/code.txt", "somebody's code\n");
    let head = landed(&kit, &dir, TASK, "claimed\n");
    let expected = "the new commits also change src/code.txt".to_owned();
    assert_eq!(followed(&kit, &dir, head), Follow::Left { why: expected });
    assert_eq!((kit.rev(&dir, "main"), kit.rev(&dir, "origin/main")), (base, head));
}

#[test]
fn another_branch_checked_out_costs_nothing_and_changes_nothing() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    kit.run(&dir, &["switch", "-q", "-c", "side"]);
    let before = kit.run(&dir, &["for-each-ref"]);
    let head = landed(&kit, &dir, TASK, "claimed\n");
    assert_eq!(followed(&kit, &dir, head), Follow::NotCheckedOut);
    assert_eq!(kit.run(&dir, &["for-each-ref"]), before);
}

#[test]
fn the_linked_worktree_that_has_the_branch_follows() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    kit.run(&dir, &["switch", "-q", "-c", "side"]);
    kit.run(&dir, &["worktree", "add", "-q", "../linked", "main"]);
    let head = landed(&kit, &dir, TASK, "claimed\n");
    assert_eq!(followed(&kit, &dir, head), Follow::Followed);
    let linked = kit.path("linked");
    assert_eq!(kit.rev(&linked, "HEAD"), head);
    assert_eq!(status(&kit, &linked), "## main...origin/main");
    assert_eq!(status(&kit, &dir), "## side");
}

#[test]
fn a_worktree_of_a_bare_clone_follows() {
    let kit = Kit::new();
    let bare = cloned(&kit, &["--bare"]);
    kit.run(&bare, &["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    kit.run(&bare, &["worktree", "add", "-q", "../tree", "main"]);
    let tree = kit.path("tree");
    let head = landed(&kit, &tree, TASK, "claimed\n");
    assert_eq!(followed(&kit, &tree, head), Follow::Followed);
    assert_eq!(kit.place(&tree).common_dir, bare);
    assert_eq!((kit.rev(&tree, "HEAD"), status(&kit, &tree)), (head, "## main".to_owned()));
}

#[test]
fn partial_shallow_reftable_and_single_branch_clones_follow_and_stay_what_they_are() {
    for (name, options) in [
        ("partial", &["--filter=blob:none"][..]),
        ("shallow", &["--depth=1"]),
        ("reftable", &["--ref-format=reftable"]),
        ("single", &["--single-branch"]),
        ("sparse", &["--sparse"]),
    ] {
        let kit = Kit::new();
        let bare = kit.remote();
        kit.run(&bare, &["config", "uploadpack.allowFilter", "true"]);
        let dir = kit.clone("clone", options);
        if name == "sparse" {
            kit.run(&dir, &["sparse-checkout", "set", "--cone", "--sparse-index", "squad"]);
        }
        let shallow = fs::read(dir.join(".git/shallow")).ok();
        let config = fs::read(dir.join(".git/config")).unwrap();
        for n in 0..3 {
            let head = landed(&kit, &dir, TASK, &format!("{n}\n"));
            assert_eq!(followed(&kit, &dir, head), Follow::Followed, "{name}");
            assert_eq!((kit.rev(&dir, "main"), kit.rev(&dir, "origin/main")), (head, head), "{name}");
        }
        assert_eq!(status(&kit, &dir), "## main...origin/main", "{name}");
        assert_eq!(fs::read(dir.join(".git/shallow")).ok(), shallow, "{name}");
        assert_eq!(fs::read(dir.join(".git/config")).unwrap(), config, "{name}");
        kit.run(&dir, &["fsck", "--connectivity-only"]);
        kit.run(&dir, &["pull", "-q"]);
    }
}

#[test]
fn a_whole_clone_that_is_behind_the_stores_boundary_does_not_become_shallow() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let other = kit.clone("other", &[]);
    let base = kit.rev(&dir, "main");
    landed(&kit, &other, TASK, "1\n");
    // This store is made now, and its history begins after what the checkout is at.
    let head = landed(&kit, &dir, TASK, "2\n");
    assert!(matches!(followed(&kit, &dir, head), Follow::Left { .. }));
    assert_eq!((kit.rev(&dir, "main"), dir.join(".git/shallow").exists()), (base, false));
    kit.run(&dir, &["pull", "-q"]);
    let head = landed(&kit, &dir, TASK, "3\n");
    assert_eq!(followed(&kit, &dir, head), Follow::Followed);
    assert!(!dir.join(".git/shallow").exists());
}

#[test]
fn tracking_refs_come_from_the_users_own_refspecs() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    let table: [(&[&str], Option<&str>); 7] = [
        (&["+refs/heads/*:refs/remotes/origin/*"], Some("refs/remotes/origin/main")),
        (&["+refs/heads/main:refs/remotes/up/stream"], Some("refs/remotes/up/stream")),
        (&["+refs/heads/rel/*:refs/remotes/origin/rel/*"], None),
        (&["+refs/*:refs/*"], None),
        (&["+refs/heads/*:refs/remotes/origin/*", "^refs/heads/main"], None),
        (&["refs/heads/main"], None),
        (&[], None),
    ];
    for (specs, expected) in table {
        kit.try_git(&dir, &["config", "--unset-all", "remote.origin.fetch"]);
        for spec in specs {
            kit.run(&dir, &["config", "--add", "remote.origin.fetch", spec]);
        }
        assert_eq!(tracking_ref(&kit.settings(&dir), "origin", "main").as_deref(), expected, "{specs:?}");
    }
}

#[test]
fn a_set_of_paths_holds_folders_and_files_but_not_their_namesakes() {
    let board = board();
    for (path, inside) in [
        ("squad", true),
        ("squad/squad.json", true),
        ("squad2/x", false),
        (".claude/coordination.json", true),
        (".claude/coordination.json.bak", false),
        (".claude", false),
        ("", false),
    ] {
        assert_eq!(board.contains(path), inside, "{path:?}");
    }
}

/// The price of a follow: two short processes of the user's git, however many files the board has.
#[test]
fn following_starts_two_gits() {
    let kit = Kit::new();
    let dir = cloned(&kit, &[]);
    kit.run(&dir, &["config", "user.name", "Tester"]);
    kit.run(&dir, &["config", "user.email", "t@example.com"]);
    let head = landed(&kit, &dir, TASK, "claimed\n");
    let log = kit.path("started");
    kit.script(&kit.path("counting-git"), &format!("echo \"$@\" >> {}\nexec git \"$@\"", log.display()));
    let counting = super::super::Git::with_program(kit.path("counting-git"))
        .env("GIT_CONFIG_GLOBAL", kit.path("global"))
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let settings = kit.settings(&dir);
    let remote = Remote::named("origin", &kit.place(&dir), &settings, &counting).unwrap();
    let begun = Instant::now();
    let result = follow(&remote, &settings, &kit.store(&dir), "main", head, &board()).unwrap();
    assert_eq!(result, Follow::Followed, "after {:?}", begun.elapsed());
    assert_eq!(fs::read_to_string(log).unwrap().lines().count(), 2);
    let moved = kit.run(&dir, &["reflog", "show", "--format=%gn %gs", "origin/main"]);
    assert_eq!(moved.lines().next(), Some("Tester squad"));
}

#[test]
fn what_only_git_heeds_is_left_to_git() {
    for (key, value) in [("core.sharedRepository", "group"), ("core.fsync", "all")] {
        let kit = Kit::new();
        let dir = cloned(&kit, &[]);
        kit.run(&dir, &["config", key, value]);
        let head = landed(&kit, &dir, TASK, "claimed\n");
        let log = kit.path("started");
        kit.script(&kit.path("counting-git"), &format!("echo \"$@\" >> {}\nexec git \"$@\"", log.display()));
        let counting = super::super::Git::with_program(kit.path("counting-git"))
            .env("GIT_CONFIG_GLOBAL", kit.path("global"))
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let settings = kit.settings(&dir);
        let remote = Remote::named("origin", &kit.place(&dir), &settings, &counting).unwrap();
        let result = follow(&remote, &settings, &kit.store(&dir), "main", head, &board()).unwrap();
        assert_eq!(result, Follow::Followed, "{key}");
        let started = fs::read_to_string(log).unwrap();
        assert!(started.contains(" unpack-objects ") && started.contains(" update-ref "), "{key}: {started}");
    }
}
