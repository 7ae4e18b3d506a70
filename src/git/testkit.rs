//! Real repositories in a temporary folder, apart from the settings of whoever runs the tests.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::{Fetched, Git, Identity, Mirror, Oid, Place, Remote, Settings, Store};

/// Long enough for a loaded machine; no test waits for it.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Kit {
    dir: tempfile::TempDir,
    pub git: Git,
}

impl Kit {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("global"),
            "[user]\n\tname = Tester\n\temail = t@example.com\n[init]\n\tdefaultBranch = main\n",
        )
        .unwrap();
        let git = Git::new()
            .env("GIT_CONFIG_GLOBAL", dir.path().join("global"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", dir.path());
        Self { dir, git }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// Runs the user's git as a user would, and returns what came of it.
    pub fn try_git(&self, dir: &Path, args: &[&str]) -> Output {
        let mut command = Command::new("git");
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("GIT_")) {
            command.env_remove(key);
        }
        command
            .current_dir(dir)
            .args(args)
            .env("GIT_CONFIG_GLOBAL", self.dir.path().join("global"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.dir.path())
            .output()
            .unwrap()
    }

    /// Runs the user's git, which must succeed, and returns its output without the line end.
    pub fn run(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.try_git(dir, args);
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Makes a bare remote whose branch `main` holds one task and some code, in two commits.
    pub fn remote(&self) -> PathBuf {
        let seed = self.repo("seed");
        self.write(&seed, "squad/tasks/json/a.json", "{}\n");
        self.run(&seed, &["add", "."]);
        self.run(&seed, &["commit", "-qm", "seed"]);
        self.write(&seed, "src/code.txt", "code\n");
        self.run(&seed, &["add", "."]);
        self.run(&seed, &["commit", "-qm", "code"]);
        self.run(&self.path(""), &["clone", "-q", "--bare", "seed", "remote.git"]);
        self.path("remote.git")
    }

    pub fn repo(&self, name: &str) -> PathBuf {
        self.run(&self.path(""), &["init", "-q", name]);
        self.path(name)
    }

    pub fn clone(&self, name: &str, options: &[&str]) -> PathBuf {
        let url = format!("file://{}", self.path("remote.git").display());
        let args = [&["clone", "-q"], options, &[url.as_str(), name]].concat();
        self.run(&self.path(""), &args);
        self.path(name)
    }

    pub fn write(&self, dir: &Path, name: &str, content: &str) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn script(&self, path: &Path, body: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn place(&self, dir: &Path) -> Place {
        Place::find(dir, &self.git).unwrap()
    }

    pub fn store(&self, dir: &Path) -> Store {
        Store::open_or_create(&self.place(dir).common_dir).unwrap()
    }

    pub fn settings(&self, dir: &Path) -> Settings {
        Settings::load(&self.place(dir), &self.git).unwrap()
    }

    pub fn origin(&self, dir: &Path) -> Remote {
        Remote::named("origin", &self.place(dir), &self.settings(dir), &self.git).unwrap()
    }

    pub fn own(&self, dir: &Path) -> Remote {
        Remote::own(&self.place(dir), &self.settings(dir), &self.git)
    }

    /// Hardens a store and takes its packs apart, for a test that is about single objects.
    pub fn loosen(&self, store: &Store) {
        store.harden().unwrap();
        let packs = store.path().join("objects/pack");
        let aside = self.path("packs");
        fs::rename(&packs, &aside).unwrap();
        fs::create_dir(packs).unwrap();
        for path in fs::read_dir(aside).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|ending| ending == "pack") {
                let mut command = Command::new("git");
                command.current_dir(store.path()).args(["unpack-objects", "-q"]).stdin(fs::File::open(path).unwrap());
                assert!(command.status().unwrap().success());
            }
        }
    }

    pub fn rev(&self, dir: &Path, revision: &str) -> Oid {
        self.run(dir, &["rev-parse", revision]).parse().unwrap()
    }
}

pub(super) fn someone(at_ms: i64) -> Identity {
    Identity { name: "aria".to_owned(), email: "aria@squad.invalid".to_owned(), at_ms }
}

/// Makes a commit on `base` that gives `path` this content; the time follows the base's.
pub(super) fn child(store: &Store, base: Option<Oid>, path: &str, content: &str) -> Oid {
    let base_info = base.map(|base| store.read_commit(base).unwrap());
    let at_ms = base_info.as_ref().map_or(1_700_000_000, |info| info.committer.at_seconds + 1) * 1000;
    let blob = store.write_blob(content.as_bytes()).unwrap();
    let tree = store.edit_tree(base_info.map(|info| info.tree), &[(path.to_owned(), Some(blob))]).unwrap();
    let parents: Vec<Oid> = base.into_iter().collect();
    store.commit(&parents, tree, &someone(at_ms), &someone(at_ms), &format!("set {path}\n")).unwrap()
}

pub fn head_of(fetched: Fetched) -> Oid {
    match fetched {
        Fetched::Head { head, .. } => head,
        Fetched::NoBranch => panic!("the branch is there"),
    }
}

/// Fetches `main` into the clone's store, confirms it, and returns it.
pub fn synced(kit: &Kit, dir: &Path) -> (Store, Remote, Oid) {
    let (store, remote) = (kit.store(dir), kit.origin(dir));
    let Fetched::Head { head, before } = remote.fetch(&store, "main", &[], LIMIT).unwrap() else {
        panic!("main is there")
    };
    assert_eq!(store.advance_tip(head, before).unwrap(), Ok(head));
    (store, remote, head)
}

pub fn main_at(kit: &Kit) -> Oid {
    kit.rev(&kit.path("remote.git"), "refs/heads/main")
}

pub fn outboxes() -> Mirror {
    Mirror { theirs: "refs/squad/outbox/".to_owned(), ours: "refs/squad/outboxes/".to_owned() }
}
