//! Tests of every kind of place, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use super::super::testkit::Kit;
use super::*;

#[test]
fn an_ordinary_repository_is_found_from_its_root_a_folder_in_it_and_its_git_dir() {
    let kit = Kit::new();
    let repo = kit.repo("repo");
    kit.write(&repo, "deep/er/x", "x");
    for start in [repo.clone(), repo.join("deep/er"), repo.join("deep/er/x"), repo.join(".git")] {
        let place = kit.place(&start);
        let expected = Place {
            common_dir: repo.join(".git"),
            git_dir: repo.join(".git"),
            worktree: Some(repo.clone()),
            head: Head::Branch("main".to_owned()),
            ref_format: RefFormat::Files,
            shallow: false,
        };
        assert_eq!(place, expected, "from {}", start.display());
    }
}

#[test]
fn a_linked_worktree_shares_the_common_dir_and_has_its_own_head() {
    let kit = Kit::new();
    kit.remote();
    let repo = kit.clone("repo", &[]);
    kit.run(&repo, &["worktree", "add", "-q", "-b", "side", "../linked"]);
    kit.run(&repo, &["worktree", "add", "-q", "--detach", "inside/detached"]);
    let linked = kit.place(&kit.path("linked"));
    assert_eq!(linked.common_dir, repo.join(".git"));
    assert_eq!(linked.git_dir, repo.join(".git/worktrees/linked"));
    assert_eq!(
        (linked.worktree.clone(), linked.head.clone()),
        (Some(kit.path("linked")), Head::Branch("side".to_owned()))
    );
    let nested = kit.place(&repo.join("inside/detached/src"));
    assert_eq!((nested.worktree, nested.head), (Some(repo.join("inside/detached")), Head::Detached));

    let listed = |place: &Place| {
        place.worktrees(&kit.git).unwrap().into_iter().map(|tree| (tree.path, tree.branch)).collect::<Vec<_>>()
    };
    let expected = vec![
        (repo.clone(), Some("main".to_owned())),
        (kit.path("linked"), Some("side".to_owned())),
        (repo.join("inside/detached"), None),
    ];
    assert_eq!(listed(&linked), expected);
    assert_eq!(linked.worktrees_from_git(&kit.git).unwrap().len(), 3);
    std::fs::remove_dir_all(kit.path("linked")).unwrap();
    assert_eq!(listed(&kit.place(&repo)), [expected[0].clone(), expected[2].clone()]);
}

#[test]
fn a_bare_repository_has_no_worktree() {
    let kit = Kit::new();
    let place = kit.place(&kit.remote());
    assert!(place.is_bare());
    assert_eq!(place.run_dir(), kit.path("remote.git"));
    assert_eq!(place.worktrees(&kit.git).unwrap(), []);
}

#[test]
fn a_separate_git_dir_and_a_submodule_are_found() {
    let kit = Kit::new();
    let remote = kit.remote();
    kit.run(&kit.path(""), &["init", "-q", "--separate-git-dir", "elsewhere", "work"]);
    let place = kit.place(&kit.path("work"));
    assert_eq!((place.common_dir.clone(), place.worktree.clone()), (kit.path("elsewhere"), Some(kit.path("work"))));

    let outer = kit.repo("outer");
    let url = remote.display().to_string();
    kit.run(&outer, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "sub"]);
    let place = kit.place(&outer.join("sub/src"));
    assert_eq!(place.common_dir, outer.join(".git/modules/sub"));
    assert_eq!(place.worktree, Some(outer.join("sub")));
    let trees = place.worktrees(&kit.git).unwrap();
    assert_eq!((trees.len(), &trees[0].path), (1, &outer.join("sub")));
}

#[test]
fn a_shallow_clone_says_so_and_a_reftable_clone_is_read_through_git() {
    let kit = Kit::new();
    kit.remote();
    assert!(
        kit.place(&kit.clone("shallow", &["--depth=1"])).shallow
            || kit.run(&kit.path("shallow"), &["rev-list", "--count", "HEAD"]) == "1"
    );
    let repo = kit.clone("reftable", &["--ref-format=reftable"]);
    let place = kit.place(&repo.join("src"));
    let expected = Place {
        common_dir: repo.join(".git"),
        git_dir: repo.join(".git"),
        worktree: Some(repo.clone()),
        head: Head::Branch("main".to_owned()),
        ref_format: RefFormat::Reftable,
        shallow: false,
    };
    assert_eq!(place, expected);
    kit.run(&repo, &["worktree", "add", "-q", "-b", "side", "../linked"]);
    let trees = place.worktrees(&kit.git).unwrap();
    assert_eq!(trees[1].git_dir, repo.join(".git/worktrees/linked"));
    assert_eq!(trees.iter().map(|tree| tree.branch.as_deref()).collect::<Vec<_>>(), [Some("main"), Some("side")]);
    assert_eq!(branch_tip(&place, &kit.git, "main").unwrap(), Some(kit.rev(&repo, "HEAD")));
    assert_eq!(branch_tip(&place, &kit.git, "nope").unwrap(), None);
    assert!(kit.settings(&repo).get("remote.origin.url").is_some());
}

#[test]
fn what_cannot_be_used_is_named() {
    let kit = Kit::new();
    std::fs::create_dir(kit.path("plain")).unwrap();
    let error = Place::find(&kit.path("plain"), &kit.git).unwrap_err();
    assert!(matches!(error, GitError::NotARepository { .. }), "{error:?}");
    kit.run(&kit.path(""), &["init", "-q", "--object-format=sha256", "new"]);
    let error = Place::find(&kit.path("new"), &kit.git).unwrap_err();
    assert!(matches!(&error, GitError::UnsupportedObjectFormat { format, .. } if format == "sha256"), "{error:?}");
    let odd = kit.repo("odd");
    kit.run(&odd, &["config", "core.repositoryFormatVersion", "1"]);
    kit.run(&odd, &["config", "extensions.fromTheFuture", "1"]);
    let error = Place::find(&odd, &kit.git).unwrap_err();
    assert!(error.to_string().contains("fromthefuture"), "{error}");
}

/// Security row 7: the ownership rule holds for libgit2 and git alike.
#[test]
fn a_repository_of_somebody_else_is_refused_until_it_is_trusted() {
    let kit = Kit::new();
    let repo = kit.repo("theirs");
    if !rustix::process::geteuid().is_root() {
        return; // only root can give a folder away
    }
    for path in [repo.clone(), repo.join(".git")] {
        std::os::unix::fs::chown(path, Some(12_345), Some(12_345)).unwrap();
    }
    let error = Place::find(&repo, &kit.git).unwrap_err();
    assert!(matches!(error, GitError::UntrustedOwner { .. }), "{error:?}");
    assert!(error.hint().contains("safe.directory"));
    kit.run(&kit.path(""), &["config", "--global", "safe.directory", &repo.display().to_string()]);
    assert_eq!(kit.place(&repo).worktree, Some(repo));
}

#[test]
fn settings_read_the_same_through_libgit2_and_git() {
    let kit = Kit::new();
    kit.remote();
    let repo = kit.clone("repo", &[]);
    kit.run(&repo, &["config", "squad.Branch", "Board"]);
    kit.run(&repo, &["config", "--add", "remote.Up.Stream.url", "ssh://host/x"]);
    kit.run(&repo, &["config", "user.email", "me@example.com"]);
    std::fs::write(
        repo.join(".git/config"),
        std::fs::read_to_string(repo.join(".git/config")).unwrap() + "[squad]\n\tflag\n",
    )
    .unwrap();
    let place = kit.place(&repo);
    let by_git = Settings::load(&place, &kit.git).unwrap();
    let by_library = Settings::from_library(&place).unwrap();
    for settings in [&by_git, &by_library] {
        assert_eq!(settings.get("SQUAD.branch"), Some("Board"));
        assert_eq!(settings.get("user.email"), Some("me@example.com"));
        assert_eq!(settings.get_bool("squad.flag"), Some(true));
        assert_eq!(settings.get("remote.up.stream.url"), None, "a subsection keeps its case");
        let remotes: Vec<_> = settings.remotes().into_iter().map(|(name, _)| name).collect();
        assert_eq!(remotes, ["Up.Stream", "origin"]);
        assert_eq!(settings.all("remote.origin.fetch"), ["+refs/heads/*:refs/remotes/origin/*"]);
    }
    assert_eq!(by_git.get("user.name"), Some("Tester"));
    let mut settings = by_git;
    settings.set_local(&place, &kit.git, "squad.remote", "-odd value").unwrap();
    assert_eq!(settings.get("squad.remote"), Some("-odd value"));
    assert_eq!(kit.run(&repo, &["config", "squad.remote"]), "-odd value");
}

#[test]
fn names_that_git_would_read_as_something_else_are_refused() {
    use super::super::{is_branch_name, is_remote_name};
    for good in ["main", "squad", "feature/x", "a.b"] {
        assert!(is_branch_name(good) && is_remote_name(good), "{good}");
    }
    for bad in ["", "-x", "--upload-pack=x", "a b", "a..b", "a:b", "x.lock", "/x", "x/", "HEAD", "a\nb", "a~1", "*"] {
        assert!(!is_branch_name(bad), "{bad:?}");
    }
    for bad in ["", "-x", "--upload-pack=x", "ext::sh -c x", "a:b", "../x", "/tmp/x", "https://host/x", "a=b"] {
        assert!(!is_remote_name(bad), "{bad:?}");
    }
}
