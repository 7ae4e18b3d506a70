//! Tests of objects, trees and history, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use super::super::testkit::{Kit, child, someone};
use super::super::{Change, Store, staged_entries};
use super::*;

fn listing(store: &Store, tree: Oid) -> Vec<String> {
    let changes = store.diff_trees(None, Some(tree)).unwrap();
    changes.into_iter().map(|change| change.path).collect()
}

#[test]
fn trees_are_edited_by_path_and_empty_folders_go() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let blob = store.write_blob(b"x").unwrap();
    let set = |path: &str| (path.to_owned(), Some(blob));
    let remove = |path: &str| (path.to_owned(), None);
    let tree = store.edit_tree(None, &[set("a/b/c"), set("a/b.txt"), set("top"), set("a/b/d")]).unwrap();
    assert_eq!(listing(&store, tree), ["a/b.txt", "a/b/c", "a/b/d", "top"]);
    assert_eq!(store.lookup(tree, "a/b/c").unwrap().unwrap().kind(), EntryKind::File);
    assert_eq!(store.lookup(tree, "a/b").unwrap().unwrap().kind(), EntryKind::Folder);
    for absent in ["a/x", "top/x", "", "a/", "a\0b"] {
        assert_eq!(store.lookup(tree, absent).unwrap(), None, "{absent:?}");
    }
    let tree = store.edit_tree(Some(tree), &[remove("a/b/c"), remove("a/b/d"), remove("nope/x"), set("z")]).unwrap();
    assert_eq!(listing(&store, tree), ["a/b.txt", "top", "z"]);
    assert_eq!(store.lookup(tree, "a/b").unwrap(), None);
    let empty = store.edit_tree(Some(tree), &[remove("a/b.txt"), remove("top"), remove("z")]).unwrap();
    assert_eq!(*store.tree_entries(empty).unwrap(), []);
    // A file gives way to a folder only where the same change removes it.
    let swapped = store.edit_tree(Some(tree), &[remove("top"), set("top/inner")]).unwrap();
    assert_eq!(listing(&store, swapped), ["a/b.txt", "top/inner", "z"]);
    for bad in ["", "/a", "a//b", "a/", "../x", "a/./b", ".git/config", "a/.GIT/x", "top/inner", "a", "a\0b"] {
        assert!(store.edit_tree(Some(tree), &[set(bad)]).is_err(), "{bad:?}");
    }
    assert_eq!(listing(&store, store.edit_tree(Some(tree), &[remove("a")]).unwrap()), ["a/b.txt", "top", "z"]);
}

#[test]
fn what_differs_between_two_trees_is_what_differs_between_their_files() {
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let blobs = [store.write_blob(b"0").unwrap(), store.write_blob(b"1").unwrap()];
    let paths = prop::sample::select(vec!["a", "a.b", "a0", "b/a", "b/b", "b/c/d", "b-c", "c", "d/e", "d/f", "e"]);
    let files = || prop::collection::btree_map(paths.clone(), 0..2_usize, 0..9);
    let built = |files: &BTreeMap<&str, usize>| {
        let files: Vec<_> = files.iter().map(|(path, n)| ((*path).to_owned(), Some(blobs[*n]))).collect();
        store.edit_tree(None, &files).unwrap()
    };
    proptest!(|(before in files(), after in files())| {
        let found = store.diff_trees(Some(built(&before)), Some(built(&after))).unwrap();
        let found: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.old.map(|old| old.1), c.new.map(|new| new.1))).collect();
        let all: BTreeMap<&str, ()> = before.keys().chain(after.keys()).map(|path| (*path, ())).collect();
        let blob = |files: &BTreeMap<&str, usize>, path: &str| files.get(path).map(|n| blobs[*n]);
        let expected: Vec<_> = all.keys().map(|path| (*path, blob(&before, path), blob(&after, path)))
            .filter(|(_, old, new)| old != new).collect();
        prop_assert_eq!(found, expected);
    });
}

#[test]
fn git_agrees_with_a_tree_of_ten_thousand_files_after_one_edit() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let blob = store.write_blob(b"{}").unwrap();
    let files: Vec<_> = (0..10_000).map(|n| (format!("squad/tasks/json/t{n}.json"), Some(blob))).collect();
    let base = store.edit_tree(None, &files).unwrap();
    let other = store.write_blob(b"{\"x\":1}").unwrap();
    let begun = std::time::Instant::now();
    let tree = store.edit_tree(Some(base), &[("squad/tasks/json/t77.json".to_owned(), Some(other))]).unwrap();
    let edited = begun.elapsed();
    let changes = store.diff_trees(Some(base), Some(tree)).unwrap();
    assert!(edited.as_secs() < 2, "{edited:?}");
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].path.as_str(), changes[0].change), ("squad/tasks/json/t77.json", Change::Modified));
    store.harden().unwrap();
    let by_git = kit.run(store.path(), &["diff-tree", "-r", "--name-status", &base.to_string(), &tree.to_string()]);
    assert_eq!(by_git, "M\tsquad/tasks/json/t77.json");
}

#[test]
fn differences_are_those_that_git_sees() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let (x, y) = (store.write_blob(b"x").unwrap(), store.write_blob(b"y").unwrap());
    let tree = |files: &[(&str, Oid)]| {
        let files: Vec<_> = files.iter().map(|(path, blob)| ((*path).to_owned(), Some(*blob))).collect();
        store.edit_tree(None, &files).unwrap()
    };
    let old = tree(&[("a", x), ("b/one", x), ("b/two", x), ("c.d", x), ("c/e", x), ("f", x), ("same/x", x)]);
    let new = tree(&[("a/now/folder", x), ("b/one", y), ("c", x), ("c.d", x), ("g/h", x), ("same/x", x)]);
    store.harden().unwrap();
    for (from, to) in [(old, new), (new, old), (old, old)] {
        let ours: Vec<String> = store
            .diff_trees(Some(from), Some(to))
            .unwrap()
            .into_iter()
            .map(|change| {
                let letter = match change.change {
                    Change::Added => 'A',
                    Change::Modified => 'M',
                    Change::Deleted => 'D',
                };
                format!("{letter}\t{}", change.path)
            })
            .collect();
        let by_git = kit.run(
            store.path(),
            &["diff-tree", "-r", "--no-renames", "--name-status", &from.to_string(), &to.to_string()],
        );
        let mut by_git: Vec<&str> = by_git.lines().collect();
        by_git.sort_by_key(|line| line[2..].to_owned());
        assert_eq!(ours, by_git);
    }
}

#[test]
fn blobs_are_measured_before_they_are_read() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let blob = store.write_blob(&[b'x'; 1000]).unwrap();
    assert_eq!(Objects::hash_blob(&[b'x'; 1000]), blob);
    assert_eq!(store.read_blob(blob, 1000).unwrap().len(), 1000);
    assert!(matches!(store.read_blob(blob, 999), Err(GitError::TooLarge { size: 1000, max: 999, .. })));
    let tree = store.edit_tree(None, &[("x".to_owned(), Some(blob))]).unwrap();
    assert!(matches!(store.read_blob(tree, 1000), Err(GitError::WrongKind { expected: "blob", .. })));
    assert!(matches!(store.tree_entries(blob), Err(GitError::WrongKind { expected: "tree", .. })));
    assert!(matches!(store.read_commit(blob), Err(GitError::WrongKind { expected: "commit", .. })));
    let gone = Objects::hash_blob(b"never written");
    assert!(matches!(store.read_blob(gone, 9), Err(GitError::Missing { .. })));
    assert!(matches!(store.tree_entries(gone), Err(GitError::Missing { .. })));
    assert!(matches!(store.read_commit(gone), Err(GitError::Missing { .. })));
}

#[test]
fn commits_are_the_same_everywhere_and_read_back_as_written() {
    let kit = Kit::new();
    let (one, two) = (kit.store(&kit.repo("one")), kit.store(&kit.repo("two")));
    let write = |store: &Store| {
        let first = child(store, None, "a", "1");
        let tree = store.read_commit(first).unwrap().tree;
        let author = Identity {
            name: "Aria <x>\nSquad-Op: forged".to_owned(),
            email: "a@b".to_owned(),
            at_ms: 1_700_000_000_999,
        };
        let nobody = Identity { name: " <> ".to_owned(), email: String::new(), at_ms: -1 };
        store.commit(&[first], tree, &author, &nobody, "subject\n\nSquad-Op: 1\n").unwrap()
    };
    let oid = write(&one);
    assert_eq!(oid, write(&two));
    let info = one.read_commit(oid).unwrap();
    assert_eq!((info.author.name.as_str(), info.author.email.as_str()), ("Aria xSquad-Op: forged", "a@b"));
    assert_eq!((info.author.at_seconds, info.committer.at_seconds), (1_700_000_000, 0));
    assert_eq!((info.committer.name.as_str(), info.committer.email.as_str()), ("unknown", "unknown"));
    assert_eq!(info.message, "subject\n\nSquad-Op: 1\n");
    assert_eq!((info.parents.len(), info.cut_off), (1, false));
}

#[test]
fn walks_cover_all_parents_children_first_and_hide_what_is_known() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let at = |parents: &[Oid], seconds: i64, name: &str| {
        let tree = store.edit_tree(None, &[]).unwrap();
        let who = someone(seconds * 1000);
        store.commit(parents, tree, &who, &who, name).unwrap()
    };
    // Clocks disagree: the merge is older than what it merges, and the root younger than all.
    let root = at(&[], 900_000, "root");
    let left = at(&[root], 200, "left");
    let right = at(&[root], 300, "right");
    let merge = at(&[left, right], 100, "merge");
    let top = at(&[merge], 400, "top");
    let names = |hide: Option<Oid>| -> Vec<String> {
        store.walk(top, hide).unwrap().into_iter().map(|info| info.message).collect()
    };
    assert_eq!(names(None), ["top", "merge", "right", "left", "root"]);
    assert_eq!(names(Some(left)), ["top", "merge", "right"]);
    assert_eq!(names(Some(right)), ["top", "merge", "left"]);
    assert_eq!(names(Some(merge)), ["top"]);
    assert_eq!(names(Some(top)), Vec::<String>::new());
    for (ancestor, descendant, expected) in
        [(root, top, true), (left, top, true), (top, top, true), (top, root, false), (left, right, false)]
    {
        assert_eq!(store.is_ancestor(ancestor, descendant).unwrap(), expected);
    }
    let recent: Vec<_> = store.recent(top).unwrap().take(2).map(|info| info.unwrap().message).collect();
    assert_eq!(recent, ["top", "merge"]);
}

#[test]
fn a_hole_in_history_is_an_error_unless_a_shallow_boundary_explains_it() {
    let kit = Kit::new();
    let store = kit.store(&kit.repo("repo"));
    let first = child(&store, None, "x", "1");
    let second = child(&store, Some(first), "x", "2");
    let third = child(&store, Some(second), "x", "3");
    kit.loosen(&store);
    let file = first.to_string();
    std::fs::remove_file(store.path().join("objects").join(&file[..2]).join(&file[2..])).unwrap();
    let store = Store::open(store.path()).unwrap();
    assert!(matches!(store.walk(third, None), Err(GitError::Missing { oid }) if oid == first));
    assert!(matches!(store.recent(third).unwrap().last(), Some(Err(GitError::Missing { .. }))));
    std::fs::write(store.path().join("shallow"), format!("{second}\n")).unwrap();
    assert_eq!(store.walk(third, None).unwrap().len(), 2);
    assert_eq!(store.read_commit(second).unwrap().parents, [first], "what the commit states is still told");
    assert!(!store.is_ancestor(first, third).unwrap());
}

#[test]
fn the_users_repository_and_index_are_read_in_every_format() {
    for (name, clone, setup) in [
        ("plain", &[][..], &[][..]),
        ("reftable", &["--ref-format=reftable"], &[]),
        ("split index", &[], &["update-index", "--split-index"]),
        ("sparse index", &["--sparse"], &["sparse-checkout", "set", "--cone", "--sparse-index", "squad"]),
        ("index version 4", &[], &["update-index", "--index-version", "4"]),
    ] {
        let kit = Kit::new();
        kit.remote();
        let dir = kit.clone("clone", clone);
        if !setup.is_empty() {
            kit.run(&dir, setup);
        }
        kit.write(&dir, "squad/staged.json", "{\"staged\":1}");
        kit.write(&dir, "squad/announced.json", "{}");
        kit.run(&dir, &["add", "squad/staged.json"]);
        if name == "plain" {
            kit.run(&dir, &["add", "--intent-to-add", "squad/announced.json"]);
        }
        let place = kit.place(&dir);
        let objects = Objects::of_place(&place).unwrap();
        let head = objects.resolve(&place, &kit.git, "HEAD").unwrap().unwrap();
        assert_eq!(head, kit.rev(&dir, "HEAD"), "{name}");
        assert_eq!(objects.resolve(&place, &kit.git, "main~1").unwrap(), Some(kit.rev(&dir, "HEAD~1")), "{name}");
        for bad in ["nope", "HEAD:squad", "--all", "main~99"] {
            assert_eq!(objects.resolve(&place, &kit.git, bad).unwrap(), None, "{name}: {bad}");
        }
        let tree = objects.read_commit(head).unwrap().tree;
        assert_eq!(objects.tree_entries(tree).unwrap().len(), 2, "{name}");

        let staged = staged_entries(&place, &kit.git, None).unwrap();
        let paths: Vec<_> = staged.iter().map(|entry| std::str::from_utf8(&entry.path).unwrap()).collect();
        assert_eq!(paths, ["squad/staged.json", "squad/tasks/json/a.json", "src/code.txt"], "{name}");
        assert_eq!(objects.read_blob(staged[0].oid, 100).unwrap(), b"{\"staged\":1}", "{name}");
        assert!(staged.iter().all(|entry| (entry.mode, entry.stage) == (MODE_FILE, 0)), "{name}");
    }
}

#[test]
fn another_index_is_read_where_a_hook_names_one_and_a_broken_one_is_named() {
    let kit = Kit::new();
    kit.remote();
    let dir = kit.clone("clone", &[]);
    let place = kit.place(&dir);
    std::fs::copy(dir.join(".git/index"), dir.join(".git/next-index")).unwrap();
    kit.run(&dir, &["rm", "-q", "--cached", "src/code.txt"]);
    assert_eq!(staged_entries(&place, &kit.git, None).unwrap().len(), 1);
    assert_eq!(staged_entries(&place, &kit.git, Some(Path::new(".git/next-index"))).unwrap().len(), 2);
    assert_eq!(staged_entries(&place, &kit.git, Some(Path::new(".git/none"))).unwrap(), []);
    std::fs::write(dir.join(".git/next-index"), "nonsense").unwrap();
    let error = staged_entries(&place, &kit.git, Some(Path::new(".git/next-index"))).unwrap_err();
    assert!(matches!(&error, GitError::UnreadableIndex { path, .. } if path.ends_with("next-index")), "{error:?}");
}
