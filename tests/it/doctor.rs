//! `doctor`: each fault is put in, and found under its name with something to do about it.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use crate::kit::Mount;
use crate::kit::{Checkout, Room, hand_task, hours_ago, now_ms, words};

const DESTRUCTIVE: &[&str] = &[
    "--force",
    "--hard",
    "git clean",
    "git rm",
    "rm -",
    "update-ref -d",
    "branch -D",
    "stash",
    "--prune",
    "checkout --",
];

fn healthy() -> (Room, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.ok("list");
    clone.ok("init");
    (room, clone)
}

/// Runs the doctor and returns its checks, after seeing that the exit code is what they say.
#[track_caller]
fn examined(clone: &Checkout, env: &[(&str, &str)]) -> Vec<Value> {
    let ran = clone.squad_with(&words("doctor --json"), b"", env).0;
    let answer = ran.json();
    let failed = answer["ok"] == false;
    let checks = if failed { &answer["error"]["checks"] } else { &answer["checks"] };
    let checks = checks.as_array().unwrap_or_else(|| panic!("no checks: {ran}")).clone();
    assert_eq!(checks.iter().any(|check| check["state"] == "failed"), failed, "{ran}");
    assert_eq!(ran.code, if failed { 4 } else { 0 }, "{ran}");
    for fix in checks.iter().filter_map(|check| check["fix"].as_str()) {
        assert!(!DESTRUCTIVE.iter().any(|word| fix.contains(word)), "{fix}");
    }
    checks
}

#[track_caller]
fn check(checks: &[Value], name: &str) -> Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {checks:#?}")).clone()
}

/// Finds a check in that state whose detail says that, with a fix where it failed or warns.
#[track_caller]
fn found(clone: &Checkout, name: &str, state: &str, says: &str) -> Value {
    let check = check(&examined(clone, &[]), name);
    assert_eq!(check["state"], state, "{check}");
    assert!(check["detail"].as_str().unwrap().contains(says), "{check}");
    if state == "failed" {
        assert!(check["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{check}");
    }
    check
}

fn program(room: &Room, script: &str) -> String {
    let folder = room.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("git"), format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

/// Makes folders with a squad in each and returns a PATH that begins with them.
fn path_with_squads(room: &Room, folders: &[&str]) -> String {
    let folders: Vec<String> = folders.iter().map(|folder| room.path().join(folder).display().to_string()).collect();
    for folder in &folders {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_squad"), format!("{folder}/squad")).unwrap();
    }
    // The git of these tests is not always the one that the system has.
    let git = room.path().join("git-alone");
    if !git.exists() {
        std::fs::create_dir_all(&git).unwrap();
        std::os::unix::fs::symlink(crate::kit::need("git").unwrap(), git.join("git")).unwrap();
    }
    format!("{}:{}:/usr/bin:/bin", folders.join(":"), git.display())
}

#[test]
fn of_a_healthy_clone_nothing_is_said_but_that_all_is_well() {
    let (room, clone) = healthy();
    let path = path_with_squads(&room, &["bin"]);
    let checks = examined(&clone, &[("PATH", &path)]);
    for check in &checks {
        assert!(check["state"] == "ok" && check["warning"].is_null(), "{check}");
    }
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "git",
            "repository",
            "clone",
            "git-locks",
            "state",
            "disk",
            "storage",
            "store",
            "index",
            "queue",
            "remote",
            "board",
            "stale",
            "attributes",
            "identity",
            "signing",
            "access",
            "outboxes",
            "clock",
            "push",
            "exclude",
            "worktree",
            "unpushed",
            "hook",
            "hook-run",
            "merge-driver",
            "textconv",
            "program",
        ]
    );
    let ran = clone.squad("doctor").ok();
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (checks.len(), ""), "one line each: {ran}");
}

#[test]
fn a_git_that_is_missing_old_or_strange_is_named() {
    let (room, clone) = healthy();
    let old =
        program(&room, "[ \"$1\" = version ] && { echo 'git version 2.30.2'; exit 0; }; exec /usr/bin/git \"$@\"");
    let git = check(&examined(&clone, &[("PATH", &old)]), "git");
    assert!(git["state"] == "failed" && git["fix"].as_str().unwrap().contains("2.41"), "{git}");
    let strange = program(&room, "echo 'I am not git'");
    let git = check(&examined(&clone, &[("PATH", &strange)]), "git");
    assert!(git["state"] == "failed" && git["detail"].as_str().unwrap().contains("I am not git"), "{git}");
    let none = room.path().join("tmp").display().to_string();
    let checks = examined(&clone, &[("PATH", &none)]);
    assert_eq!(check(&checks, "git")["state"], "failed");
    assert_eq!(check(&checks, "remote")["state"], "failed");
}

#[test]
fn outside_of_a_repository_that_is_what_is_wrong() {
    let room = Room::empty();
    found(&room.at("home"), "repository", "failed", "not inside a git repository");
}

#[test]
fn a_remote_that_is_gone_and_one_that_may_not_be_asked_are_told_apart() {
    let (room, clone) = healthy();
    room.lose_remote();
    found(&clone, "remote", "failed", "out of reach");
    found(&clone, "board", "ok", "nothing wrong");
    let ran = clone.ok("doctor --offline");
    let checks = ran["checks"].as_array().unwrap();
    assert_eq!(check(checks, "remote")["state"], "skipped");
    assert_eq!(check(checks, "outboxes")["state"], "skipped");
}

#[test]
fn a_board_that_is_broken_rewritten_or_gone_is_told_with_what_to_do() {
    let (room, clone) = healthy();
    let whole = room.head();
    room.put(&[("squad/tasks/json/t-9.json", Some("{\"id\": \"t-9\", \"title\": 7}\n"))]);
    let board = found(&clone, "board", "failed", "squad/tasks/json/t-9.json");
    assert!(board["fix"].as_str().unwrap().contains("squad check"), "{board}");
    room.git(&format!("update-ref refs/heads/main {whole}"));
    let board = found(&clone, "board", "failed", "rewritten");
    assert!(board["fix"].as_str().unwrap().contains("squad sync --accept-rewind"), "{board}");
    assert_eq!(check(&examined(&clone, &[]), "remote")["state"], "ok", "it answers");
    room.git("update-ref -d refs/heads/main");
    found(&clone, "board", "failed", "no branch main");
}

#[test]
fn who_would_act_is_said_and_nobody_or_a_stranger_is_a_fault() {
    let (_room, clone) = healthy();
    found(&clone, "identity", "ok", "olga acts, as owner");
    clone.git("config squad.agent mallory");
    found(&clone, "identity", "failed", "mallory");
    clone.git("config --unset squad.agent");
    clone.git("config user.email nobody@example.test");
    found(&clone, "identity", "failed", "nobody@example.test");
}

#[test]
fn damage_in_the_private_store_is_found_and_mended_by_setting_it_aside() {
    let (_room, clone) = healthy();
    let store = clone.dir.join(".git/squad/board.git");
    let oid = clone.git("--git-dir=.git/squad/board.git rev-parse refs/squad/tip:squad/tasks/json/t-1.json");
    // Whether the fetch has kept it in a pack or not: the copy that lies there alone is damaged.
    let object = store.join("objects").join(&oid[..2]).join(&oid[2..]);
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    let _ = std::fs::remove_file(&object);
    std::fs::write(&object, "damaged").unwrap();
    let check = found(&clone, "store", "failed", &oid[2..10]);
    assert!(check["fix"].as_str().unwrap().contains("squad sync"), "{check}");
    // The advice is good.
    std::fs::rename(&store, clone.dir.join("aside")).unwrap();
    clone.ok("sync");
    found(&clone, "store", "ok", "whole");
}

#[test]
fn a_place_that_cannot_be_written_to_is_named() {
    let (_room, clone) = healthy();
    let ran = clone.without_room("doctor").exits(4);
    let checks = ran.json()["error"]["checks"].as_array().unwrap().clone();
    let state = check(&checks, "state");
    assert!(state["state"] == "failed" && state["detail"].as_str().unwrap().contains("squad"), "{state}");
}

#[test]
fn an_index_that_cannot_be_read_is_named() {
    let (_room, clone) = healthy();
    let index = clone.dir.join(".git/squad/index");
    let _ = std::fs::remove_file(&index);
    std::os::unix::fs::symlink("nowhere", &index).unwrap();
    found(&clone, "index", "failed", "index");
}

#[test]
fn what_waits_in_the_queue_is_counted_and_what_waits_for_too_long_is_a_fault() {
    let (_room, clone) = healthy();
    found(&clone, "queue", "ok", "nothing waits");
    clone.ok("comment t-1 hello --offline --queue");
    let queue = found(&clone, "queue", "ok", "1 waiting for the remote, 1 of them left by a process that has ended");
    assert!(queue["warning"] == true && queue["fix"].as_str().unwrap().contains("squad sync"), "{queue}");
    let folder = clone.dir.join(".git/squad/queue");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut entry: Value = serde_json::from_str(&text).unwrap();
    entry["operation"]["at"] = json!(now_ms() - 25 * 3_600_000);
    std::fs::write(&file, entry.to_string()).unwrap();
    found(&clone, "queue", "failed", "the oldest since 20");
    clone.ok("sync");
    found(&clone, "queue", "ok", "nothing waits");
    std::fs::write(folder.join("broken.json"), "{").unwrap();
    found(&clone, "queue", "failed", "broken.json");
}

/// Puts a commit with this message on the remote as the outbox of a clone.
fn announce(room: &Room, clone: &str, message: &str) {
    let file = room.path().join("message");
    std::fs::write(&file, message).unwrap();
    let tree = room.git("rev-parse main^{tree}");
    let id = "-c user.name=x -c user.email=x@example.test";
    let commit = room.git(&format!("{id} commit-tree -F {} {tree}", file.display()));
    room.git(&format!("update-ref refs/squad/outbox/{clone} {commit}"));
}

#[test]
fn every_outbox_of_the_remote_is_read_and_each_fault_is_named_with_its_ref() {
    let (room, clone) = healthy();
    let operation = |actor: &str, verb: &str| {
        json!({
            "id": "01ARYZ6S410000000000000000", "verb": verb, "args": {"text": "hello"}, "text": "hello", "task": "t-1",
            "actor": actor, "basis": {"head": room.head(), "epoch": 0}, "at": now_ms(),
        })
    };
    // What squad itself writes is the measure of what it reads.
    clone.ok("comment t-1 hello --offline --queue");
    let file = std::fs::read_dir(clone.dir.join(".git/squad/queue")).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(&file).unwrap();
    // An outbox has the operation to the letter; the entry around it is this clone's own.
    let real = text.split_once("\"operation\":").unwrap().1.split_once(",\"owner\"").unwrap().0.to_owned();
    announce(&room, "good", &format!("squad outbox good 3\n\n{real}\n"));
    announce(&room, "empty", "squad outbox empty 1\n\n");
    found(&clone, "outboxes", "ok", "3 on the remote, 2 operations announced");

    announce(&room, "subject", "hello\n");
    announce(&room, "broken", "squad outbox broken 1\n\nnot json\n");
    announce(&room, "many", &format!("squad outbox many 1\n\n{}", format!("{real}\n").repeat(33)));
    announce(&room, "large", &format!("squad outbox large 1\n\n{}\n", "x".repeat(300 * 1024)));
    announce(&room, "later", &format!("squad outbox later 1\n\n{}\n", operation("scout", "teleport")));
    announce(&room, "form", "squad outbox form 1 v2\n\n");
    announce(&room, "named", "squad outbox other 1\n\n");
    announce(&room, "stranger", &format!("squad outbox stranger 1\n\n{}\n", real.replace("\"olga\"", "\"mallory\"")));
    let blob = room.git("rev-parse main:README.md");
    room.git(&format!("update-ref refs/squad/outbox/blob {blob}"));
    let check = found(&clone, "outboxes", "failed", "refs/squad/outbox/subject: it does not begin as an outbox does");
    let detail = check["detail"].as_str().unwrap();
    for (name, fault) in [
        ("broken", "operation 1 cannot be read"),
        ("many", "33 operations, more than the 32"),
        ("large", "bytes, more than 262144"),
        ("later", "operation 1 cannot be read: unknown variant `teleport`"),
        ("form", "it does not begin as an outbox does"),
        ("named", "it says to be that of other"),
        ("stranger", "not in the roster: mallory"),
        ("blob", "it is no commit"),
    ] {
        let told = detail.split("; ").find(|part| part.starts_with(&format!("refs/squad/outbox/{name}: ")));
        assert!(told.is_some_and(|told| told.contains(fault)), "{name}: {detail}");
    }
    assert!(!detail.contains("outbox/good") && !detail.contains("outbox/empty"), "{detail}");
    let left = clone.git("--git-dir=.git/squad/board.git for-each-ref refs/squad/incoming");
    assert_eq!(left, "", "nothing of them is kept");
}

#[test]
fn what_is_changed_by_hand_and_what_was_never_pushed_is_shown() {
    let (_room, clone) = healthy();
    clone.git("pull --quiet");
    clone.write("src/main.txt", "not the board's\n");
    found(&clone, "worktree", "ok", "no file of the board");
    clone.write("squad/tasks/json/t-1.json", "{}\n");
    assert_eq!(found(&clone, "worktree", "ok", "squad/tasks/json/t-1.json")["warning"], true);
    found(&clone, "unpushed", "ok", "no commit of yours");
    clone.git("commit --quiet -m mine squad/tasks/json/t-1.json");
    let commit = clone.git("rev-parse HEAD");
    assert_eq!(found(&clone, "unpushed", "ok", &commit[..10])["warning"], true);
    clone.git("push --quiet origin main");
    found(&clone, "unpushed", "ok", "no commit of yours");
}

#[test]
fn a_hook_is_told_by_whether_it_asks_squad() {
    let (room, clone) = healthy();
    // Beside a git that runs hooks of its configuration, squad would not look at scripts.
    let path = clone.path_with_git("2.53.0");
    let hook = || check(&examined(&clone, &[("PATH", &path)]), "hook");
    let told = |says: &str, warning: Value| {
        let hook = hook();
        assert!(hook["state"] == "ok" && hook["detail"].as_str().unwrap().contains(says), "{hook}");
        assert_eq!(hook["warning"], warning, "{hook}");
        hook
    };
    assert!(told("no hook looks", Value::Null)["fix"].as_str().unwrap().contains("squad hook install"));
    let script = |mode: u32, text: String| {
        clone.write(".git/hooks/pre-commit", text);
        let path = clone.dir.join(".git/hooks/pre-commit");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let squad = room.path().join("squad");
    script(0o755, format!("#!/bin/sh\nexec {} check --staged --quiet\n", squad.display()));
    told("asks squad, but there is no program", json!(true));
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_squad"), &squad).unwrap();
    told("asks squad", Value::Null);
    script(0o644, "#!/bin/sh\nexec squad check --staged --quiet\n".to_owned());
    told("not executable", json!(true));
    clone.write("own/pre-commit", "#!/bin/sh\nexec true\n");
    clone.git("config core.hooksPath own");
    told("does not ask", Value::Null);
}

#[test]
fn a_hook_in_another_language_does_not_ask_because_the_text_is_in_it() {
    let (_room, clone) = healthy();
    let path = clone.path_with_git("2.53.0");
    let file = clone.dir.join(".git/hooks/pre-commit");
    let runs = "sys.exit(subprocess.run(['squad', 'hook', 'pre-commit']).returncode)";
    for (line, mode, warning, says) in [
        ("squad hook pre-commit || exit $?", 0o755, json!(true), "a line for a shell"),
        (runs, 0o644, json!(true), "not executable"),
        (runs, 0o755, Value::Null, "it names squad"),
    ] {
        clone.write(".git/hooks/pre-commit", format!("#!/usr/bin/env python3\nimport subprocess, sys\n{line}\n"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let hook = check(&examined(&clone, &[("PATH", &path)]), "hook");
        assert!(hook["warning"] == warning && hook["detail"].as_str().unwrap().contains(says), "{hook}");
        let helps = if mode == 0o644 { "`chmod +x " } else { "as a process" };
        assert!(warning.is_null() || hook["fix"].as_str().unwrap().contains(helps), "{hook}");
    }
}

#[test]
fn a_clone_whose_git_does_not_ask_squad_to_merge_is_told_how_it_would() {
    let (room, clone) = healthy();
    let path = path_with_squads(&room, &["bin"]);
    let check = || check(&examined(&clone, &[("PATH", &path)]), "merge-driver");
    assert_eq!(check()["detail"], "tried: git asks squad to merge tasks");
    for (driver, seen) in [
        ("cat %A", "leaves out what only theirs says"),
        ("squad-nonexist merge-driver %O %A %B %P", "ends with 127: "),
        ("squad merge-driver %O %A %B", "ends with "),
        ("squad merge-driver %A %O %B %P", "ends with 0, and leaves out what only theirs says"),
        ("sh -c \"exit 0\" merge-driver %O %A %B %P", "ends with 0, and leaves out what only theirs says"),
    ] {
        clone.git(&format!("config merge.squad.driver '{driver}'"));
        let check = check();
        assert_eq!(check["state"], "failed", "{driver}: {check}");
        assert!(check["detail"].as_str().unwrap().contains(seen), "{driver}: {check}");
        let fix = check["fix"].as_str().unwrap();
        assert!(fix.contains("`git config merge.squad.driver \"squad merge-driver %O %A %B %P\"`"), "{check}");
        assert_eq!(fix.contains("`squad init`"), driver.starts_with("squad merge-driver"), "{check}");
    }
    clone.git("config merge.squad.driver 'squad merge-driver %A %O %B'");
    clone.ok("init");
    assert_eq!(check()["state"], "ok");
    assert_eq!(found(&clone, "merge-driver", "ok", "no squad is on PATH")["warning"], true);
    let fresh = room.clone_as("pia");
    assert_eq!(found(&fresh, "merge-driver", "ok", "line by line")["warning"], true);
}

#[test]
fn a_textconv_with_which_git_cannot_show_a_change_is_found_by_running_it() {
    let (room, clone) = healthy();
    let path = path_with_squads(&room, &["bin"]);
    let check = || check(&examined(&clone, &[("PATH", &path)]), "textconv");
    assert_eq!(check()["detail"], "tried: git asks squad to show changes of tasks");
    for (command, state, seen) in [
        ("nonexist-cmd", "failed", "ends with 127: "),
        ("squad diff --textconf", "failed", "`git log -p` and `git diff` fail with it"),
        ("true", "failed", "shows nothing of a task"),
        ("cat", "ok", "does not show a task as squad does"),
    ] {
        clone.git(&format!("config diff.squad.textconv '{command}'"));
        let check = check();
        assert_eq!(check["state"], state, "{command}: {check}");
        assert!(check["detail"].as_str().unwrap().contains(seen), "{command}: {check}");
        assert!(check["fix"].as_str().unwrap().contains("`git config diff.squad.textconv \"squad diff"), "{check}");
    }
    clone.git("config --unset diff.squad.textconv");
    assert!(check()["detail"].as_str().unwrap().contains("as JSON"));
}

#[test]
fn a_clock_that_is_far_behind_the_board_is_a_warning() {
    let (room, clone) = healthy();
    found(&clone, "clock", "ok", "not behind");
    let file = room.path().join("commit");
    let (tree, parent) = (room.git("rev-parse main^{tree}"), room.head());
    let who = format!("x <x@example.test> {} +0000", now_ms() / 1000 + 3600);
    let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nfrom the future\n");
    std::fs::write(&file, text).unwrap();
    let commit = room.git(&format!("hash-object -w -t commit {}", file.display()));
    room.git(&format!("update-ref refs/heads/main {commit}"));
    let clock = found(&clone, "clock", "ok", "min in the future");
    assert!(clock["warning"] == true && clock["fix"].is_string(), "{clock}");
}

#[test]
fn the_push_setting_and_the_format_of_refs_are_looked_at() {
    let (room, clone) = healthy();
    clone.git("config squad.push never");
    assert_eq!(found(&clone, "push", "ok", "never pushes")["warning"], true);
    clone.git("config squad.push perhaps");
    found(&clone, "push", "failed", "perhaps");
    let reftable = room.clone_with("tables", "--ref-format=reftable remote.git");
    assert_eq!(found(&reftable, "repository", "ok", "reftables")["warning"], true);
}

#[test]
fn a_task_that_nobody_has_touched_for_three_days_is_stale() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"status": "in-progress", "assigned": "scout", "updatedAt": hours_ago(72)})),
        hand_task("t-2", json!({"status": "in-progress", "assigned": "aria"})),
        hand_task("t-3", json!({"status": "completed", "assigned": "aria", "updatedAt": hours_ago(9000)})),
    ]);
    let clone = room.clone_as("olga");
    let stale = found(&clone, "stale", "ok", "t-1 (in-progress, 3 days without news)");
    assert!(stale["warning"] == true && stale["fix"].is_string(), "{stale}");
    assert!(!stale["detail"].as_str().unwrap().contains("t-2") && !stale["detail"].as_str().unwrap().contains("t-3"));
    clone.ok("comment t-1 'still at it' --agent scout");
    assert_eq!(found(&clone, "stale", "ok", "no task")["warning"], Value::Null);
}

#[test]
fn a_lock_that_git_left_long_ago_is_named_with_its_age_and_holder_and_stays() {
    let (_room, clone) = healthy();
    clone.write(".git/index.lock", "");
    found(&clone, "git-locks", "ok", "no lock");
    let lock = clone.dir.join(".git/index.lock");
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3600)).unwrap();
    let told = found(&clone, "git-locks", "ok", "index.lock, 60 min old");
    if cfg!(target_os = "linux") {
        assert!(told["detail"].as_str().unwrap().contains(&format!("process {}", std::process::id())), "{told}");
        drop(file);
        found(&clone, "git-locks", "ok", "held open by no process");
    }
    assert!(told["warning"] == true && told["fix"].as_str().unwrap().contains("ls -l"), "{told}");
    assert!(lock.exists());
    std::fs::rename(&lock, clone.dir.join(".git/refs/heads/a, 'b $(id).lock")).unwrap();
    let fix = found(&clone, "git-locks", "ok", "60 min old")["fix"].to_string();
    assert!(fix.contains("`ls -l '") && fix.contains(r"/.git/refs/heads/a, '\\''b $(id).lock'`"), "{fix}");
}

#[test]
fn what_init_has_written_for_git_is_missed_when_it_is_gone() {
    let (room, clone) = healthy();
    clone.write(".git/info/exclude", "# mine\n");
    assert_eq!(found(&clone, "exclude", "ok", "does not name")["warning"], true);
    clone.ok("init");
    assert_eq!(found(&clone, "exclude", "ok", "stays out")["warning"], Value::Null);
    found(&clone, "attributes", "ok", "names the board's files");
    room.put(&[(".gitattributes", Some("*.png binary\n"))]);
    let gone = found(&clone, "attributes", "ok", "lacks the line `squad/** text eol=lf`");
    assert!(gone["warning"] == true && gone["fix"].is_string(), "{gone}");
}

#[test]
fn a_sparse_checkout_without_the_board_and_other_sorts_of_clones_are_told() {
    let (room, clone) = healthy();
    found(&clone, "clone", "ok", "whole");
    clone.git("sparse-checkout set src");
    assert_eq!(found(&clone, "clone", "ok", "leaves out squad/")["warning"], true);
    clone.git("sparse-checkout add squad");
    assert_eq!(found(&clone, "clone", "ok", "sparse")["warning"], Value::Null);
    room.git("config uploadpack.allowFilter true");
    let url = room.remote_url();
    let partial = room.clone_with("partial", &format!("--filter=blob:none --depth=1 {url}"));
    found(&partial, "clone", "ok", "shallow");
    found(&partial, "clone", "ok", "partial");
}

#[test]
fn a_remote_that_takes_no_push_is_found_without_pushing() {
    let (room, clone) = healthy();
    let before = room.refs();
    found(&clone, "access", "ok", "takes pushes");
    clone.git(&format!("config remote.origin.pushurl {}/nowhere.git", room.path().display()));
    found(&clone, "access", "failed", "takes no push");
    assert_eq!(room.refs(), before);
}

#[test]
fn of_several_squads_on_the_path_the_one_that_would_run_is_told() {
    let (room, clone) = healthy();
    let program = |path: &str| check(&examined(&clone, &[("PATH", path)]), "program");
    let none = program("/usr/bin:/bin");
    assert!(none["warning"] == true && none["detail"].as_str().unwrap().contains("no squad is on PATH"), "{none}");
    let two = program(&path_with_squads(&room, &["one", "two"]));
    assert!(two["warning"] == true && two["detail"].as_str().unwrap().contains("there are 2"), "{two}");
    std::fs::write(room.path().join("one/squad"), "#!/bin/sh\necho squad 0.0.1\n").unwrap();
    let path = format!("{0}/one:{0}/two:/usr/bin:/bin", room.path().display());
    let other = program(&path);
    assert!(other["warning"] == true && other["detail"].as_str().unwrap().contains("is squad 0.0.1"), "{other}");
    std::fs::write(room.path().join("one/squad"), "#!/bin/sh\nexit 9\n").unwrap();
    assert_eq!(program(&path)["state"], "failed");
    std::fs::write(room.path().join("one/squad"), "#!/bin/sh\nexec sleep 600\n").unwrap();
    let hangs = program(&path);
    assert!(hangs["state"] == "failed" && hangs["detail"].as_str().unwrap().contains("had not ended"), "{hangs}");
}

#[test]
fn where_signatures_count_a_text_is_signed_and_verified() {
    if crate::kit::need("ssh-keygen").is_none() {
        return;
    }
    let (room, clone) = healthy();
    found(&clone, "signing", "ok", "no signatures");
    room.configure(|config| config["policy"] = json!({"identity": "signature"}));
    found(&clone, "signing", "failed", "no key is named");
    let key = room.path().join("key");
    let keygen = crate::kit::need("ssh-keygen").unwrap();
    let made =
        std::process::Command::new(keygen).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    clone.git(&format!("config squad.signingKey {}", key.display()));
    assert_eq!(found(&clone, "signing", "ok", "trusts no keys")["warning"], true);
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    clone.write("allowed", format!("olga@example.test namespaces=\"squad-op\" {public}"));
    clone.git(&format!("config squad.allowedSigners {}", clone.dir.join("allowed").display()));
    found(&clone, "signing", "ok", "signs, and the signature is theirs");
    clone.write("nobody", "");
    clone.git(&format!("config squad.allowedSigners {}", clone.dir.join("nobody").display()));
    found(&clone, "signing", "failed", "not one of olga");
}

#[test]
fn where_addresses_count_a_member_without_one_is_told() {
    let (room, clone) = healthy();
    room.configure(|config| {
        config["policy"] = json!({"identity": "email"});
        for agent in config["agents"].as_array_mut().unwrap() {
            if agent["name"] == "scout" {
                agent.as_object_mut().unwrap().shift_remove("email");
            }
        }
    });
    clone.git("config squad.agent scout");
    found(&clone, "identity", "failed", "none for scout");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_nearly_full_and_one_that_is_read_only_are_told_with_a_way_out() {
    let (room, clone) = healthy();
    let state = clone.dir.join(".git/squad");
    let kept = room.path().join("kept");
    std::fs::create_dir_all(&kept).unwrap();
    let Some(read_only) = Mount::read_only(&clone.dir.join(".git")) else {
        return crate::kit::skip("this machine does not let tests mount a disk");
    };
    let checks = examined(&clone, &[]);
    let told: Vec<&Value> = checks.iter().filter(|check| check["state"] == "failed").collect();
    let fix = told.first().and_then(|check| check["fix"].as_str()).unwrap_or_default().to_owned();
    assert!(fix.contains("excludedCommands") && fix.contains("Codex"), "{checks:#?}");
    drop(read_only);
    std::fs::rename(&state, kept.join("squad")).unwrap();
    let small = Mount::small(&state, 8 * 1024).expect("the other mount worked");
    found(&clone, "disk", "failed", "MiB free");
    drop(small);
}

#[test]
fn a_hook_that_was_installed_and_is_gone_is_a_failure_until_it_is_back_or_not_wanted() {
    let (_room, clone) = healthy();
    let path = clone.path_with_git("2.53.0");
    let hook = || check(&examined(&clone, &[("PATH", &path)]), "hook");
    let run = |line: &str| assert_eq!(clone.squad_with(&words(line), b"", &[("PATH", &path)]).0.code, 0, "{line}");
    run("hook install");
    assert_eq!((&hook()["state"], &hook()["warning"]), (&json!("ok"), &Value::Null));
    std::fs::remove_file(clone.dir.join(".git/hooks/pre-commit")).unwrap();
    let gone = hook();
    assert!(gone["state"] == "failed" && gone["detail"].as_str().unwrap().contains("is gone"), "{gone}");
    run("hook install");
    assert_eq!(hook()["state"], "ok");
    run("hook uninstall");
    assert_eq!(hook()["state"], "ok");
}

#[test]
fn a_hook_is_tried_and_what_does_not_refuse_is_no_hook() {
    let (room, clone) = healthy();
    let path = clone.path_with_git("2.53.0");
    let probe = |name: &str| check(&examined(&clone, &[("PATH", &path)]), name);
    let is = |state: &str, says: &str| {
        let probe = probe("hook-run");
        assert!(probe["state"] == state && probe["detail"].as_str().unwrap().contains(says), "{probe}");
    };
    let hook = clone.dir.join(".git/hooks/pre-commit");
    let before = (clone.status(), clone.git("rev-parse HEAD"), std::fs::read(clone.dir.join(".git/index")).unwrap());
    is("ok", "none to try");
    assert_eq!(clone.squad_with(&words("hook install"), b"", &[("PATH", &path)]).0.code, 0);
    is("ok", "refuses a commit that takes the board away");
    // What the user has in the same script is not run for it.
    let lines = clone.read(".git/hooks/pre-commit");
    clone.write(".git/hooks/pre-commit", format!("{lines}touch {}/ran\n", room.path().display()));
    is("ok", "refuses a commit");
    assert!(!room.path().join("ran").exists());
    // A program of that name which judges nothing, and one that falls over.
    for (script, says) in
        [("exit 0", "lets a commit pass"), ("echo broken >&2; exit 1", "ends with 1, and with no verdict: broken")]
    {
        let fake = room.path().join("fake-squad");
        std::fs::write(&fake, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
        clone.write(".git/hooks/pre-commit", lines.replace(env!("CARGO_BIN_EXE_squad"), fake.to_str().unwrap()));
        is("failed", says);
        assert_eq!(probe("hook")["state"], "ok", "it looks as it should");
    }
    clone.write(".git/hooks/pre-commit", &lines);
    is("ok", "refuses a commit");
    // What `git merge` commits has a hook of its own, and can lose it.
    let merges = clone.dir.join(".git/hooks/pre-merge-commit");
    let kept = std::fs::read(&merges).unwrap();
    std::fs::remove_file(&merges).unwrap();
    let half = probe("hook");
    assert!(half["warning"] == true && half["detail"].as_str().unwrap().contains("`git merge` commits"), "{half}");
    std::fs::write(&merges, kept).unwrap();
    std::fs::set_permissions(&merges, std::fs::Permissions::from_mode(0o755)).unwrap();
    // It is there, and git does not run it: each reason has its own remedy.
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o644)).unwrap();
    let off = probe("hook");
    assert!(off["state"] == "failed" && off["detail"].as_str().unwrap().contains("not executable"), "{off}");
    assert!(off["fix"].as_str().unwrap().starts_with("`chmod +x "), "{off}");
    is("skipped", "no hook");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    clone.git("config core.hooksPath elsewhere");
    let shadowed = probe("hook");
    let detail = shadowed["detail"].as_str().unwrap();
    assert!(shadowed["state"] == "failed" && detail.contains("git looks for hooks in"), "{shadowed}");
    is("skipped", "no hook");
    clone.git("config --unset core.hooksPath");
    let after = (clone.status(), clone.git("rev-parse HEAD"), std::fs::read(clone.dir.join(".git/index")).unwrap());
    assert_eq!(after, before, "nothing was changed by trying");
    // Where the board is not what is checked out there is nothing that it could refuse.
    clone.git("checkout --quiet --orphan apart");
    clone.git("rm -r --quiet --cached .");
    clone.git("commit --quiet --no-verify --allow-empty -m apart");
    is("skipped", "no board in what is checked out");
}
