//! `hook`: put in and taken out without a trace, beside whatever was there, and asked by real commits.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::kit::{Checkout, Ran, Room, Run, hand_task, need, words};

const SQUAD: &str = env!("CARGO_BIN_EXE_squad");
const HOOK: &str = ".git/hooks/pre-commit";
const TASK: &str = "squad/tasks/json/t-1.json";
const BROKEN: &str = "{\"id\": \"t-1\", \"title\": 7}\n";

/// A clone of a board with one task, at its head.
fn with_board() -> (Room, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    (room, clone)
}

fn mode(clone: &Checkout, within: &str) -> u32 {
    std::fs::metadata(clone.dir.join(within)).unwrap().permissions().mode() & 0o777
}

fn script(clone: &Checkout, within: &str, text: impl AsRef<[u8]>, mode: u32) {
    clone.write(within, text);
    std::fs::set_permissions(clone.dir.join(within), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs git here and returns what it said, whichever way it ended.
fn git(clone: &Checkout, line: &str, env: &[(&str, &str)]) -> Ran {
    let mut command = clone.command("git");
    let output = command.args(words(line)).envs(env.iter().copied()).output().unwrap();
    clone.run_of(format!("git {line}"), &output).0
}

/// The last git before those that run hooks of their configuration: what is put in there is lines in a script.
const OLD: &str = "2.53.0";

/// Runs a subcommand of `hook` beside such a git.
fn run(clone: &Checkout, line: &str) -> Run {
    clone.squad_with(&words(&format!("hook {line}")), b"", &[("PATH", &clone.path_with_git(OLD))])
}

#[track_caller]
fn told(clone: &Checkout, line: &str) -> Ran {
    run(clone, line).ok()
}

#[track_caller]
fn ask(clone: &Checkout, line: &str) -> Value {
    told(clone, &format!("{line} --json")).json()
}

/// Returns the only hook of an answer before a commit; the one before a merge, where there is one, is of the same kind.
#[track_caller]
fn only(answer: &Value) -> Value {
    let hooks = answer["hooks"].as_array().unwrap_or_else(|| panic!("no hooks: {answer}"));
    assert!(hooks.len() <= 2 && hooks[0]["event"] == "pre-commit", "{answer}");
    for other in &hooks[1..] {
        assert_eq!((&other["event"], &other["how"]), (&json!("pre-merge-commit"), &hooks[0]["how"]), "{answer}");
    }
    hooks[0].clone()
}

#[track_caller]
fn refused(clone: &Checkout, line: &str) -> String {
    let head = clone.git("rev-parse HEAD");
    let ran = git(clone, line, &[]);
    assert_ne!(ran.code, 0, "{ran}");
    assert_eq!(clone.git("rev-parse HEAD"), head, "{ran}");
    ran.stderr
}

#[track_caller]
fn accepted(clone: &Checkout, line: &str) -> String {
    let head = clone.git("rev-parse HEAD");
    let ran = git(clone, line, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_ne!(clone.git("rev-parse HEAD"), head, "{ran}");
    ran.stderr
}

/// Every file of the git folder that a hook could leave something in, with its bytes.
fn around(clone: &Checkout) -> Vec<(String, Vec<u8>)> {
    let folder = clone.dir.join(".git");
    let walk = walkdir::WalkDir::new(&folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap());
    let named = walk.filter(|entry| entry.file_type().is_file()).map(|entry| {
        let name = entry.path().strip_prefix(&folder).unwrap().display().to_string();
        (name, std::fs::read(entry.path()).unwrap())
    });
    named.filter(|(name, _)| name == "config" || name.starts_with("hooks/")).collect()
}

#[test]
fn a_commit_that_breaks_the_board_is_refused_with_the_rule_and_the_fix() {
    let (_room, clone) = with_board();
    let hook = only(&ask(&clone, "status"));
    assert_eq!((&hook["state"], &hook["how"]), (&json!("skipped"), &json!("block")), "{hook}");
    let answer = ask(&clone, "install");
    let hook = only(&answer);
    assert_eq!((&answer["changed"], &hook["state"], &hook["how"]), (&json!(true), &json!("ok"), &json!("block")));
    assert!(hook["path"].as_str().unwrap().ends_with(HOOK), "{hook}");
    let text = clone.read(HOOK);
    assert!(text.starts_with("#!/bin/sh\n# >>> squad >>>\n") && text.ends_with("# <<< squad <<<\n"), "{text}");
    assert_eq!(mode(&clone, HOOK), 0o755);

    clone.write(TASK, BROKEN);
    clone.git("add squad");
    let said = refused(&clone, "commit -m broken");
    assert!(said.contains(TASK) && said.contains("/title") && said.contains("[wrong-type]"), "{said}");
    assert!(said.contains("error: squad refuses this commit: 5 violations in 1 file\n"), "{said}");
    assert!(said.contains("hint: correct the files, `git add` them and commit again"), "{said}");
    accepted(&clone, "commit --quiet --no-verify -m broken");
    clone.git("checkout --quiet HEAD~1 -- squad");
    let said = accepted(&clone, "commit --quiet -m mended");
    assert_eq!(said, "", "a good commit is made in silence");
}

#[test]
fn installing_twice_is_installing_once() {
    let (_room, clone) = with_board();
    ask(&clone, "install");
    let text = clone.read(HOOK);
    let answer = ask(&clone, "install");
    assert_eq!((&answer["changed"], clone.read(HOOK)), (&json!(false), text));
    assert!(told(&clone, "install").stdout.contains("already"));
    let ran = told(&clone, "status");
    assert!(ran.stdout.starts_with("ok      pre-commit  block") && ran.stdout.lines().count() == 2, "{ran}");
    assert!(ran.stdout.contains("\nok      pre-merge-commit  block"), "{ran}");
}

#[test]
fn a_hook_that_is_there_is_kept_and_still_runs_and_still_refuses() {
    let (_room, clone) = with_board();
    let own =
        "#!/usr/bin/env bash\nset -eu\necho ran >> own-ran\n[ ! -e stop ] || { echo 'own says no' >&2; exit 9; }\n";
    script(&clone, HOOK, own, 0o700);
    ask(&clone, "install");
    let text = clone.read(HOOK);
    assert!(text.starts_with("#!/usr/bin/env bash\n# >>> squad >>>\n"), "{text}");
    assert!(text.ends_with(own.split_once('\n').unwrap().1), "{text}");
    assert_eq!(mode(&clone, HOOK), 0o700);

    clone.write("src/main.txt", "two\n");
    accepted(&clone, "commit --quiet -a -m code");
    assert_eq!(clone.read("own-ran"), "ran\n");
    clone.write("stop", "");
    clone.write("src/main.txt", "three\n");
    assert!(refused(&clone, "commit --quiet -a -m code").contains("own says no"));
    assert_eq!(clone.read("own-ran"), "ran\nran\n");
    std::fs::remove_file(clone.dir.join("stop")).unwrap();
    clone.write(TASK, BROKEN);
    assert!(refused(&clone, "commit --quiet -a -m broken").contains(TASK));
    assert_eq!(clone.read("own-ran"), "ran\nran\n", "squad's refusal is the first");
}

#[test]
fn uninstalling_leaves_no_trace() {
    for own in [
        None,
        Some(&b"#!/bin/sh\n"[..]),
        Some(b"#!/bin/sh"),
        Some(b"#!/bin/bash\n\xff no text\nexit 0"),
        Some(b"#! /usr/bin/env -S sh -e\r\nexit 0\r\n"),
    ] {
        let (_room, clone) = with_board();
        if let Some(own) = own {
            script(&clone, HOOK, own, 0o711);
        }
        let before = around(&clone);
        ask(&clone, "install");
        assert_ne!(around(&clone), before, "{own:?}");
        assert_eq!(only(&ask(&clone, "uninstall"))["state"], "skipped");
        assert_eq!(around(&clone), before, "{own:?}");
        assert_eq!(own.map(|_| mode(&clone, HOOK)), own.map(|_| 0o711));
        let again = ask(&clone, "uninstall");
        assert_eq!(again["changed"], false, "{again}");
    }
}

#[test]
fn what_somebody_wrote_into_a_hook_that_squad_made_stays() {
    let (_room, clone) = with_board();
    ask(&clone, "install");
    script(&clone, HOOK, clone.read(HOOK) + "make lint\n", 0o755);
    ask(&clone, "uninstall");
    assert_eq!(clone.read(HOOK), "#!/bin/sh\nmake lint\n");
}

#[test]
fn a_dry_run_shows_the_lines_and_writes_none() {
    let (_room, clone) = with_board();
    let before = around(&clone);
    let ran = told(&clone, "install --dry-run");
    assert!(ran.stdout.contains("would change: ") && ran.stdout.contains("+# >>> squad >>>"), "{ran}");
    assert_eq!(ask(&clone, "install --dry-run")["changed"], false);
    assert_eq!(around(&clone), before);
    ask(&clone, "install");
    let installed = around(&clone);
    let ran = told(&clone, "uninstall --dry-run");
    assert!(ran.stdout.contains("-# >>> squad >>>"), "{ran}");
    assert_eq!(around(&clone), installed);
}

#[test]
fn one_hook_is_enough_for_all_worktrees() {
    let (room, clone) = with_board();
    clone.git("worktree add --quiet -b feature ../linked");
    let linked = room.at("linked");
    let hook = only(&ask(&linked, "install"));
    assert!(hook["path"].as_str().unwrap().ends_with("/olga/.git/hooks/pre-commit"), "{hook}");
    for place in [&clone, &linked] {
        assert_eq!(only(&ask(place, "status"))["state"], "ok");
        place.write(TASK, BROKEN);
        assert!(refused(place, "commit --quiet -a -m broken").contains(TASK));
    }
    ask(&linked, "uninstall");
    assert!(!clone.dir.join(HOOK).exists());
}

#[test]
fn what_a_commit_would_hold_is_judged_and_not_what_lies_around() {
    let (_room, clone) = with_board();
    ask(&clone, "install");
    clone.write("src/main.txt", "two\n");
    clone.write(TASK, BROKEN);
    assert!(refused(&clone, "commit --quiet -a -m all").contains(TASK));
    // A commit of some paths has an index of its own, which git names to the hook.
    accepted(&clone, "commit --quiet -m code -- src/main.txt");
    clone.git("add squad");
    clone.write("src/main.txt", "three\n");
    accepted(&clone, "commit --quiet -m code src/main.txt");
    assert!(refused(&clone, &format!("commit --quiet -m task {TASK}")).contains(TASK));
    assert!(refused(&clone, "commit --quiet --amend --no-edit").contains(TASK));
    let below = clone.below("src");
    assert!(refused(&below, "commit --quiet -m below").contains(TASK));
}

#[test]
fn a_merge_that_git_commits_by_itself_is_judged_by_what_is_new_in_it() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({}))]);
    let clone = room.clone_as("olga");
    let before = around(&clone);
    ask(&clone, "install");
    assert_eq!(mode(&clone, ".git/hooks/pre-merge-commit"), 0o755);
    let waits = |branch: &str, task: &str, on: &str| {
        clone.git(&format!("checkout --quiet -b {branch} main"));
        let file = format!("squad/tasks/json/{task}.json");
        let text = clone.read(&file);
        let with = format!("\"chat\": [],\n  \"dependsOn\": [\"{on}\"]");
        assert!(text.contains("\"chat\": []"), "{text}");
        clone.write(&file, text.replace("\"chat\": []", &with));
        accepted(&clone, &format!("commit --quiet -a -m {branch}"));
    };
    waits("one", "t-1", "t-2");
    waits("two", "t-2", "t-1");
    // Each was allowed by itself; together they wait for each other.
    let said = refused(&clone, "merge --quiet --no-edit one");
    assert!(said.contains("wait in a circle") && said.contains("squad refuses this commit"), "{said}");
    clone.git("merge --abort");
    // What others did, and in other names, was judged where they did it.
    clone.git("checkout --quiet -b work main");
    clone.write("src/main.txt", "two\n");
    accepted(&clone, "commit --quiet -a -m code");
    room.at("olga").ok("claim t-1 --agent scout");
    clone.git("fetch --quiet origin");
    let ran = git(&clone, "merge --quiet --no-edit origin/main", &[("SQUAD_AGENT", "vault")]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
    ask(&clone, "uninstall");
    let config =
        |files: Vec<(String, Vec<u8>)>| files.into_iter().filter(|(name, _)| name != "config").collect::<Vec<_>>();
    assert_eq!(config(around(&clone)), config(before));
}

#[test]
fn a_hook_before_merges_that_hands_on_to_the_other_is_left_as_it_is() {
    let (_room, clone) = with_board();
    let sample = "#!/bin/sh\n. git-sh-setup\ntest -x \"$GIT_DIR/hooks/pre-commit\" &&\n        exec \"$GIT_DIR/hooks/pre-commit\"\n:\n";
    script(&clone, ".git/hooks/pre-merge-commit", sample, 0o755);
    let answer = ask(&clone, "install");
    assert_eq!((answer["hooks"].as_array().unwrap().len(), &answer["changed"]), (1, &json!(true)), "{answer}");
    assert_eq!(clone.read(".git/hooks/pre-merge-commit"), sample);
    ask(&clone, "uninstall");
    assert_eq!(clone.read(".git/hooks/pre-merge-commit"), sample);
}

#[test]
fn where_there_is_no_board_every_commit_passes_and_nothing_is_left_behind() {
    let room = Room::code();
    let clone = room.clone_as("olga");
    ask(&clone, "install");
    // Nothing tells which of them would hold a board, and none is there.
    for name in ["one", "two"] {
        clone.git(&format!("remote add {name} file:///nowhere"));
    }
    clone.git("remote remove origin");
    clone.write("src/main.txt", "two\n");
    assert_eq!(accepted(&clone, "commit --quiet -a -m code"), "");
    assert!(!clone.dir.join(".git/squad").exists());
    let fresh = room.at("fresh");
    std::fs::create_dir(&fresh.dir).unwrap();
    fresh.git("init --quiet");
    fresh.sign_as("olga");
    ask(&fresh, "install");
    fresh.git("commit --quiet --allow-empty -m first");
    room.at("home").squad("hook pre-commit").ok();
}

#[test]
fn a_squad_that_is_gone_lets_the_commit_pass_and_is_told() {
    let (room, clone) = with_board();
    let copy = room.path().join("it's a copy");
    // By a process of its own: a file that this one has open for writing cannot be run while another test forks.
    assert!(clone.command("cp").arg(SQUAD).arg(&copy).status().unwrap().success());
    let output = clone.command(&copy).args(["hook", "install"]).env("PATH", clone.path_with_git(OLD)).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    clone.write(TASK, BROKEN);
    assert!(refused(&clone, "commit --quiet -a -m broken").contains(TASK), "the copy is asked");
    std::fs::remove_file(&copy).unwrap();
    let hook = only(&ask(&clone, "status"));
    assert!(hook["state"] == "failed" && hook["detail"].as_str().unwrap().contains("it's a copy"), "{hook}");
    // Where there is one on PATH, that is asked.
    let bin = room.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(SQUAD, bin.join("squad")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let ran = git(&clone, "commit --quiet -a -m broken", &[("PATH", &path)]);
    assert!(ran.code != 0 && ran.stderr.contains(TASK), "{ran}");
    let said = accepted(&clone, "commit --quiet -a -m broken");
    assert!(said.contains("squad: the program is gone, so this commit was not checked"), "{said}");
    // Installing again writes this squad in.
    assert_eq!(only(&ask(&clone, "install"))["state"], "ok");
    assert_eq!(clone.read(HOOK).matches(">>> squad >>>").count(), 1);
}

#[test]
fn whoever_owns_the_hooks_is_left_alone_and_the_lines_for_them_are_printed() {
    for (file, text, setting, manager, snippet) in [
        (".husky/pre-commit", "npm test\n", "", "husky", "squad hook pre-commit\n"),
        (".husky/_/pre-commit", "husky\n", ".husky/_", "husky", "squad hook pre-commit\n"),
        ("lefthook.yml", "pre-push: {}\n", "", "lefthook", "run: squad hook pre-commit"),
        (".lefthook.yml", "pre-push: {}\n", "", "lefthook", "run: squad hook pre-commit"),
        (".pre-commit-config.yaml", "repos: []\n", "", "pre-commit", "entry: squad hook pre-commit"),
        ("hk.pkl", "hooks {}\n", "", "hk", "check = \"squad hook pre-commit\""),
        ("own/pre-commit", "#!/bin/sh\n", "own", "core.hooksPath", "squad hook pre-commit || exit $?\n"),
    ] {
        let (_room, clone) = with_board();
        script(&clone, file, text, 0o755);
        if !setting.is_empty() {
            clone.git(&format!("config core.hooksPath {setting}"));
        }
        let before = (around(&clone), clone.status());
        let answer = ask(&clone, "install");
        let hook = only(&answer);
        assert_eq!(answer["changed"], false, "{answer}");
        assert_eq!((&hook["state"], &hook["how"]), (&json!("skipped"), &json!("by-hand")), "{hook}");
        assert_eq!(hook["manager"], manager, "{hook}");
        assert!(hook["snippet"].as_str().unwrap().contains(snippet), "{hook}");
        let ran = told(&clone, "install");
        assert!(ran.stdout.contains(snippet.trim_end()), "{ran}");
        ask(&clone, "uninstall");
        assert_eq!((around(&clone), clone.status(), clone.read(file)), (before.0, before.1, text.to_owned()));
    }
}

#[test]
fn hooks_that_a_user_keeps_for_all_repositories_are_left_alone_too() {
    let (room, clone) = with_board();
    script(&room.at("home"), "hooks/pre-commit", "#!/bin/sh\n", 0o755);
    let config = room.path().join("home/gitconfig");
    std::fs::write(&config, "[core]\n\thooksPath = ~/hooks\n").unwrap();
    let path = clone.path_with_git(OLD);
    let env = [("GIT_CONFIG_GLOBAL", config.to_str().unwrap()), ("PATH", &path)];
    let ran = clone.squad_with(&["hook", "install", "--json"], b"", &env).ok();
    let hook = only(&ran.json());
    assert_eq!((&hook["manager"], &hook["path"]), (&json!("core.hooksPath"), &json!("[ROOT]/home/hooks/pre-commit")));
    script(&room.at("home"), "hooks/pre-commit", format!("#!/bin/sh\nexec {SQUAD} hook pre-commit\n"), 0o755);
    let ran = clone.squad_with(&["hook", "status", "--json"], b"", &env).ok();
    assert_eq!(only(&ran.json())["state"], "ok", "{ran}");
    // Nothing can be put into what is no folder.
    clone.git("config core.hooksPath /dev/null");
    let off = only(&ask(&clone, "install"));
    assert!(off["snippet"].is_null() && off["detail"].as_str().unwrap().contains("names no folder"), "{off}");
    clone.git("config core.hooksPath none-yet");
    let none = only(&ask(&clone, "install"));
    assert!(none["snippet"].as_str().unwrap().starts_with("#!/bin/sh\nsquad hook"), "{none}");
    // git's own folder, said in another way.
    clone.git("config core.hooksPath .git/hooks");
    assert_eq!(only(&ask(&clone, "install"))["how"], "block");
}

#[test]
fn a_manager_that_would_ask_squad_has_to_be_installed_itself() {
    let (_room, clone) = with_board();
    clone.write(".pre-commit-config.yaml", "# entry: squad hook pre-commit\n");
    assert_eq!(only(&ask(&clone, "status"))["state"], "skipped", "a comment asks nobody");
    clone.write(".pre-commit-config.yaml", "        entry: squad hook pre-commit\n");
    for verb in ["status", "install"] {
        let hook = only(&ask(&clone, verb));
        assert!(hook["state"] == "failed" && hook["fix"].as_str().unwrap().contains("install pre-commit"), "{hook}");
    }
    script(&clone, HOOK, "#!/usr/bin/env bash\nexec pre-commit hook-impl\n", 0o755);
    let hook = only(&ask(&clone, "install"));
    assert_eq!((&hook["state"], &hook["manager"]), (&json!("ok"), &json!("pre-commit")), "{hook}");
    assert!(!clone.read(HOOK).contains("squad"), "nothing is added to what asks already");
}

#[test]
fn a_hook_that_git_has_come_to_pass_over_is_told_and_taken_out() {
    let (_room, clone) = with_board();
    let before = around(&clone);
    ask(&clone, "install");
    clone.git("config core.hooksPath own");
    let hook = only(&ask(&clone, "status"));
    assert!(hook["state"] == "failed" && hook["path"].as_str().unwrap().ends_with(HOOK), "{hook}");
    assert_eq!(ask(&clone, "uninstall")["changed"], true);
    clone.git("config --unset core.hooksPath");
    assert_eq!(around(&clone), before);
}

#[test]
fn a_disk_without_room_leaves_the_hook_as_it_was() {
    let (_room, clone) = with_board();
    script(&clone, HOOK, "#!/bin/sh\nexit 0\n", 0o755);
    let before = around(&clone);
    // As on a disk without room: ignored, the signal of the limit turns into an error of the write.
    let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let path = clone.path_with_git(OLD);
    let mut command = clone.command("sh");
    let output = command.args(["-c", limited, SQUAD, "hook", "install", "--json"]).env("PATH", path).output().unwrap();
    let error = clone.run_of("squad hook install (no room)".to_owned(), &output).fails(1, "internal");
    assert!(error["message"].as_str().unwrap().contains("cannot write the hook"), "{error}");
    assert!(error["why"].is_string() && error["hint"].is_string(), "{error}");
    assert_eq!(around(&clone), before);
}

#[test]
fn what_is_no_shell_script_is_not_touched() {
    let (_room, clone) = with_board();
    for (text, mode, why) in [
        ("#!/usr/bin/env python3\nprint(1)\n", 0o755, "is no shell script"),
        ("\u{7f}ELF\n", 0o755, "is no shell script"),
        ("#!/bin/sh\nexit 1\n", 0o644, "not executable"),
    ] {
        script(&clone, HOOK, text, mode);
        let hook = only(&ask(&clone, "install"));
        assert!(hook["how"] == "by-hand" && hook["detail"].as_str().unwrap().contains(why), "{hook}");
        let fix = hook["fix"].as_str().unwrap();
        if why == "is no shell script" {
            assert!(hook["snippet"].is_null(), "a line for a shell would break it: {hook}");
            assert!(fix.contains("`squad hook pre-commit` as a process"), "{hook}");
            assert!(told(&clone, "install").stdout.contains("as a process"));
        } else {
            assert!(hook["snippet"].as_str().unwrap().contains("squad hook pre-commit"), "{hook}");
            assert!(told(&clone, "install").stdout.contains("`chmod +x "));
        }
        assert_eq!((clone.read(HOOK).as_str(), self::mode(&clone, HOOK)), (text, mode));
    }
    std::fs::rename(clone.dir.join(HOOK), clone.dir.join("team-hook")).unwrap();
    std::os::unix::fs::symlink("../../team-hook", clone.dir.join(HOOK)).unwrap();
    let hook = only(&ask(&clone, "install"));
    assert!(hook["how"] == "by-hand" && hook["detail"].as_str().unwrap().contains("link"), "{hook}");
    assert_eq!(clone.read("team-hook"), "#!/bin/sh\nexit 1\n");
}

#[test]
fn a_hook_that_asks_squad_already_is_enough() {
    let (_room, clone) = with_board();
    script(&clone, HOOK, format!("#!/bin/sh\nexec {SQUAD} check --staged --quiet\n"), 0o755);
    let before = around(&clone);
    let answer = ask(&clone, "install");
    let hook = only(&answer);
    assert_eq!((&hook["state"], &hook["how"]), (&json!("ok"), &json!("by-hand")), "{hook}");
    ask(&clone, "uninstall");
    assert_eq!(around(&clone), before);
    script(&clone, HOOK, "#!/bin/sh\nexec /nowhere/squad hook pre-commit\n", 0o755);
    assert_eq!(only(&ask(&clone, "status"))["state"], "failed");
}

#[test]
fn a_bare_repository_is_refused_since_nobody_commits_there() {
    let (room, _clone) = with_board();
    let bare = room.clone_with("bare", "--bare remote.git");
    let error = bare.refused("hook install", 3, "not-found");
    assert!(error["message"].as_str().unwrap().contains("bare") && error["hint"].is_string(), "{error}");
    assert_eq!(only(&ask(&bare, "status"))["state"], "skipped");
    ask(&bare, "uninstall");
}

#[test]
fn a_git_that_runs_hooks_of_its_configuration_is_given_one_there() {
    let (_room, clone) = with_board();
    let path = clone.path_with_git("2.54.0");
    let squad = |line: &str| {
        let args = words(&format!("hook {line} --json"));
        clone.squad_with(&args, b"", &[("PATH", &path)]).ok().json()
    };
    script(&clone, HOOK, "#!/bin/sh\n", 0o755);
    clone.write("lefthook.yml", "{}\n");
    let before = around(&clone);
    assert_eq!(squad("install --dry-run")["files"].as_array().unwrap().len(), 1);
    assert_eq!(around(&clone), before);
    let answer = squad("install");
    let hook = only(&answer);
    assert_eq!((&answer["changed"], &hook["state"], &hook["how"]), (&json!(true), &json!("ok"), &json!("config")));
    assert_eq!(clone.read(HOOK), "#!/bin/sh\n", "what is there is run beside it");
    assert_eq!(clone.git("config --get-all hook.squad.event"), "pre-merge-commit\npre-commit");
    assert_eq!(squad("install")["changed"], false);
    // git gives the command to a shell.
    let command = clone.git("config hook.squad.command");
    assert!(command.contains("squad hook pre-commit"), "{command}");
    let run = || clone.command("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(run().status.code(), Some(0));
    clone.write(TASK, BROKEN);
    clone.git("add squad");
    assert_eq!(run().status.code(), Some(4));
    if clone.git("version").as_str() >= "git version 2.54" {
        assert!(refused(&clone, "commit --quiet -m broken").contains(TASK), "this git is such a one");
    }
    for switch in ["hook.squad.enabled", "hook.pre-commit.enabled"] {
        clone.git(&format!("config {switch} false"));
        let hook = only(&squad("status"));
        assert!(hook["state"] == "failed" && hook["fix"].as_str().unwrap().contains(switch), "{hook}");
        clone.git(&format!("config --unset {switch}"));
    }
    // An older git on the same machine runs none of that, and is told so.
    assert_eq!(only(&ask(&clone, "status"))["state"], "failed");
    squad("uninstall");
    assert_eq!(around(&clone), before);
}

#[test]
fn what_the_hook_of_another_repository_left_in_the_environment_is_not_taken_for_ours() {
    let (room, clone) = with_board();
    let other = room.clone_as("other");
    let theirs = other.dir.join(".git");
    let index = theirs.join("index").display().to_string();
    let path = clone.path_with_git(OLD);
    let theirs = theirs.to_str().unwrap();
    let env = |index| [("GIT_DIR", theirs), ("GIT_INDEX_FILE", index), ("GIT_PREFIX", "squad/"), ("PATH", &*path)];
    other.write(TASK, BROKEN);
    other.git("add squad");
    for args in [["hook", "pre-commit"], ["check", "--staged"]] {
        clone.squad_with(&args, b"", &env(&index)).ok();
    }
    clone.write(TASK, BROKEN);
    clone.git("add squad");
    other.git("checkout --quiet HEAD -- squad");
    clone.squad_with(&["hook", "pre-commit"], b"", &env(&index)).exits(4);
    let before = around(&other);
    clone.squad_with(&["hook", "install"], b"", &env(&index)).ok();
    assert!(clone.dir.join(HOOK).exists());
    assert_eq!(around(&other), before);
    // An index that somebody made for one commit is theirs to choose.
    let scratch = room.path().join("scratch-index").display().to_string();
    std::fs::copy(&index, &scratch).unwrap();
    clone.squad_with(&["hook", "pre-commit"], b"", &[("GIT_INDEX_FILE", &scratch)]).ok();
}

#[test]
fn a_git_folder_that_lies_elsewhere_is_judged_like_any_other() {
    let (room, clone) = with_board();
    // Git leads there by a file in the worktree.
    clone.git("init --quiet --separate-git-dir ../apart.git");
    assert!(clone.dir.join(".git").is_file());
    let hook = only(&ask(&clone, "install"));
    assert!(hook["state"] == "ok" && hook["path"].as_str().unwrap().ends_with("/apart.git/hooks/pre-commit"), "{hook}");
    clone.write(TASK, BROKEN);
    assert!(refused(&clone, "commit --quiet -a -m broken").contains(TASK));
    // Nothing in the worktree leads there: only the environment does, by an absolute path or by another.
    std::fs::remove_file(clone.dir.join(".git")).unwrap();
    let apart = room.path().join("apart.git").display().to_string();
    for git_dir in [apart.as_str(), "../apart.git"] {
        let env = [("GIT_DIR", git_dir), ("GIT_WORK_TREE", ".")];
        let head = git(&clone, "rev-parse HEAD", &env).stdout;
        for line in ["commit --quiet -a -m broken", "commit --quiet -m broken squad"] {
            let ran = git(&clone, line, &env);
            assert!(ran.code != 0 && ran.stderr.contains(TASK), "{git_dir}: {ran}");
        }
        assert_eq!(git(&clone, "rev-parse HEAD", &env).stdout, head);
        clone.write("src/main.txt", format!("{git_dir}\n"));
        let ran = git(&clone, "commit --quiet -m code src/main.txt", &env);
        assert_eq!(ran.code, 0, "{git_dir}: {ran}");
    }
}

#[test]
fn a_fault_of_its_own_is_one_line_and_no_verdict() {
    let (_room, clone) = with_board();
    clone.write(".git/index", "no index at all");
    let ran = clone.squad("hook pre-commit").exits(1);
    assert!(
        ran.stderr.starts_with("error: squad cannot judge this commit: ") && ran.stderr.lines().count() == 1,
        "{ran}"
    );
    let ran = clone.json("hook pre-commit").fails(1, "internal");
    assert!(ran["message"].as_str().unwrap().contains("index"), "{ran}");
    for line in ["hook", "hook claude", "hook install --colour", "hook pre-commit --new-flag", "hook status --epoch x"]
    {
        let ran = clone.squad(line).0;
        assert_eq!(ran.code, 1, "{ran}");
    }
    let (_room, clone) = with_board();
    let env = [("SQUAD_AGENT", "no such name"), ("SQUAD_EPOCH", "x")];
    for verb in ["pre-commit", "status"] {
        clone.squad_with(&["hook", verb], b"", &env).ok();
    }
}

#[test]
fn of_many_violations_five_are_told_even_to_whoever_wants_no_talk() {
    let (_room, clone) = with_board();
    for n in 0..7 {
        clone.write(&format!("squad/tasks/json/b-{n}.json"), "{}\n");
    }
    let secret = json!({"description": "use ghp_Zz9Qk3Lm8Vn2Bx7Rt5Yw1Pd6Hs4Jf0Gc"});
    clone.write("squad/tasks/json/z.json", secret.to_string());
    clone.git("add squad");
    let ran = clone.squad("hook pre-commit --quiet").exits(4);
    assert_eq!((ran.stdout.as_str(), ran.stderr.matches("error squad/").count()), ("", 5), "{ran}");
    assert!(ran.stderr.starts_with("error squad/tasks/json/z.json"), "the last file has the worst: {ran}");
    assert!(ran.stderr.contains(" more; `squad hook pre-commit -v` shows them"), "{ran}");
    let error = clone.refused("hook pre-commit", 4, "invalid");
    assert!(error["violations"].as_array().unwrap().len() >= 7, "{error}");
}

#[test]
#[ignore = "needs pre-commit: `just pre-commit`"]
fn the_pre_commit_program_runs_the_hook_that_is_published() {
    let Some(program) = need("pre-commit") else { return };
    let (room, clone) = with_board();
    // The published hook is taken from a repository: this one's, as far as it matters here.
    let published = room.at("published");
    std::fs::create_dir(&published.dir).unwrap();
    published.git("init --quiet");
    published.sign_as("olga");
    let manifest = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/.pre-commit-hooks.yaml")).unwrap();
    published.write(".pre-commit-hooks.yaml", manifest);
    published.git("add .");
    published.git("commit --quiet -m hooks");
    let rev = published.git("rev-parse HEAD");
    let config =
        format!("repos:\n  - repo: {}\n    rev: {rev}\n    hooks:\n      - id: squad-check\n", published.dir.display());
    clone.write(".pre-commit-config.yaml", config);
    clone.git("add .pre-commit-config.yaml");

    let bin = room.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(SQUAD, bin.join("squad")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let run = |args: &[&str]| {
        let output = clone.command(&program).args(args).env("PATH", &path).output().unwrap();
        clone.run_of(format!("pre-commit {}", args.join(" ")), &output)
    };
    run(&["install"]).ok();
    let commit = |line: &str| git(&clone, line, &[("PATH", &path)]);
    let ran = commit("commit -m config");
    assert!(ran.code == 0 && ran.stderr.contains("Passed"), "what others hold may be in any commit: {ran}");
    clone.write(TASK, BROKEN);
    let ran = commit("commit -a -m broken");
    assert!(ran.code != 0 && ran.stderr.contains(TASK) && ran.stderr.contains("exit code: 4"), "{ran}");
    clone.write("src/main.txt", "two\n");
    let ran = commit("commit -m code src/main.txt");
    assert_eq!(ran.code, 0, "the broken task is not in it: {ran}");
    clone.write(TASK, clone.git(&format!("show HEAD:{TASK}")).replace("Work on", "More work on") + "\n");
    let ran = commit("commit -a -m mended");
    assert!(ran.code == 0 && ran.stderr.contains("Passed"), "{ran}");
    run(&["run", "--all-files"]).ok();
}

#[test]
fn what_the_hook_had_to_read_of_a_large_board_is_known_to_the_next_one() {
    let tasks: Vec<_> = (0..300).map(|n| hand_task(&format!("t-{n:03}"), json!({"assigned": "scout"}))).collect();
    let room = Room::with_tasks(&tasks);
    let clone = room.clone_as("scout");
    clone.ok("list");
    let index = clone.dir.join(".git/squad/index");
    let file = "squad/tasks/json/t-007.json";
    let good = clone.read(file);
    let staged = |text: &str| {
        clone.write(file, text);
        clone.git("add squad");
    };
    std::fs::remove_file(&index).unwrap();
    staged(&good.replace("Work on", "Rest from"));
    clone.ok("hook pre-commit --agent olga");
    assert!(!index.exists(), "what concerns no other task is judged without the others");
    let waits = good.replace("\"chat\": []", "\"chat\": [],\n  \"dependsOn\": [\"t-001\"]");
    for (text, code) in [(waits, 0), ("{ broken".to_owned(), 4)] {
        let _ = std::fs::remove_file(&index);
        staged(&text);
        let first = clone.json("hook pre-commit --agent olga").0;
        assert_eq!(first.code, code, "{first}");
        let kept = std::fs::read(&index).expect("it was read, and is kept");
        let again = clone.json("hook pre-commit --agent olga").0;
        assert_eq!((again.code, &again.stdout), (code, &first.stdout), "what is kept says the same");
        assert_eq!(std::fs::read(&index).unwrap(), kept, "and is not written again");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_is_no_text_is_no_file_of_the_board() {
    use std::os::unix::ffi::OsStrExt;
    let (_room, clone) = with_board();
    ask(&clone, "install");
    let name = std::ffi::OsStr::from_bytes(b"t-\xff.json");
    std::fs::copy(clone.dir.join(TASK), clone.dir.join(TASK).with_file_name(name)).unwrap();
    clone.git("add squad");
    let said = refused(&clone, "commit -m odd");
    assert!(said.contains("[bad-file-name]"), "{said}");
    accepted(&clone, "commit --quiet --no-verify -m odd");
    clone.git("push --quiet");
    for verb in ["review HEAD~1..HEAD", "check", "audit --since HEAD~1"] {
        let error = clone.refused(verb, 4, "invalid");
        assert!(error["violations"].to_string().contains("bad-file-name"), "{verb}: {error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_amended_commit_is_judged_as_what_takes_its_place() {
    let (_room, clone) = with_board();
    ask(&clone, "install");
    let as_it_was = clone.read(TASK);
    let say = |text: &str, id: &str| {
        let mut task: Value = serde_json::from_str(&clone.read(TASK)).unwrap();
        let at = task["updatedAt"].as_u64().unwrap() + 1;
        let message = json!({"id": id, "author": "olga", "content": text, "timestamp": at});
        task["chat"].as_array_mut().unwrap().push(message);
        task["updatedAt"] = json!(at);
        clone.write(TASK, serde_json::to_string_pretty(&task).unwrap() + "\n");
    };
    if !as_it_was.contains("\"chat\"") {
        clone.write(
            TASK,
            as_it_was.trim_end().strip_suffix('}').unwrap().trim_end().to_owned() + ",\n  \"chat\": []\n}\n",
        );
    }
    say("a word", "msg-1");
    accepted(&clone, "commit --quiet -a -m said");
    let first = clone.read(TASK);

    // A slip of the pen in what is only here, put right in the same commit, and a message taken out of it again.
    say("a secnod word", "msg-2");
    accepted(&clone, "commit --quiet -a -m second");
    clone.write(TASK, first.clone());
    say("a second word", "msg-2");
    assert!(refused(&clone, "commit --quiet -a -m other").contains("[chat-rewritten]"));
    accepted(&clone, "commit --quiet -a --amend --no-edit");
    clone.write(TASK, first);
    accepted(&clone, "commit --quiet -a --amend --allow-empty -m nothing");

    // What the commit before has said stays, whoever amends.
    clone.write(TASK, as_it_was);
    assert!(refused(&clone, "commit --quiet -a --amend --no-edit").contains("[chat-rewritten]"));
}
