//! Tests of how git is started, bounded and ended, with real git.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail loudly, and makes its own files and processes"
)]
use std::time::Instant;

use super::super::testkit::Kit;
use super::*;

/// A stand-in for git that runs a script of ours.
fn stand_in(kit: &Kit, body: &str) -> Git {
    let path = kit.path("stand-in");
    kit.script(&path, body);
    Git::with_program(path)
}

#[test]
fn output_of_both_streams_and_the_exit_code_are_kept() {
    let kit = Kit::new();
    let git = stand_in(&kit, "echo out; echo err >&2; exit 3");
    let finished = git.command("x").verb().run().unwrap();
    assert_eq!(
        (finished.end, &finished.stdout[..], &finished.stderr[..]),
        (End::Exited(3), &b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(finished.reason(), "err");
}

#[test]
fn a_flood_on_both_streams_neither_blocks_nor_grows_without_bound() {
    let kit = Kit::new();
    let git = stand_in(&kit, "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero; exit 0");
    let finished = git.command("x").verb().run().unwrap();
    assert_eq!((finished.end, finished.stdout.len(), finished.stderr.len()), (End::Exited(0), 3_000_000, MAX_STDERR));
    let git = stand_in(&kit, "head -c 100000000 /dev/zero");
    assert_eq!(git.command("x").verb().run().unwrap().stdout.len(), MAX_OUTPUT);
}

#[test]
fn at_the_limit_the_whole_group_is_ended_even_if_it_ignores_being_asked() {
    let kit = Kit::new();
    let alive = kit.path("alive");
    let git = stand_in(
        &kit,
        &format!(
            "trap '' TERM\n(trap '' TERM; while :; do date +%N > {0}; sleep 0.05; done) &\nsleep 60 & wait; wait; wait",
            alive.display()
        ),
    );
    let begun = Instant::now();
    let finished = git.command("x").verb().limit(Duration::from_millis(300)).run().unwrap();
    assert_eq!(finished.end, End::TimedOut);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let before = std::fs::read(&alive).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(std::fs::read(&alive).unwrap(), before, "a grandchild survived");
}

#[test]
fn a_git_that_is_asked_to_end_may_clean_up_first() {
    let kit = Kit::new();
    let lock = kit.path("lock");
    let git = stand_in(&kit, &format!("touch {0}; trap 'rm {0}; exit 1' TERM; sleep 60 & wait", lock.display()));
    let finished = git.command("x").verb().limit(Duration::from_millis(500)).run().unwrap();
    assert_eq!(finished.end, End::TimedOut);
    assert!(!lock.exists());
}

#[test]
fn a_daemon_that_keeps_the_pipe_open_does_not_hold_us_up() {
    let kit = Kit::new();
    let git = stand_in(&kit, "echo done; sleep 20 & exit 0");
    let begun = Instant::now();
    let finished = git.command("x").verb().run().unwrap();
    assert_eq!((finished.end, &finished.stdout[..]), (End::Exited(0), &b"done\n"[..]));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn death_by_a_signal_is_told_apart() {
    let kit = Kit::new();
    let git = stand_in(&kit, "kill -KILL $$");
    assert_eq!(git.command("x").verb().run().unwrap().end, End::Signalled);
}

#[test]
fn the_child_hears_who_it_is_before_it_ends() {
    let kit = Kit::new();
    let git = stand_in(&kit, "echo $$");
    let told = std::cell::Cell::new(0);
    let finished = git.command("x").on_start(|pid| told.set(pid)).verb().run().unwrap();
    assert_eq!(String::from_utf8(finished.stdout).unwrap().trim(), told.get().to_string());
}

#[test]
fn a_missing_program_is_named() {
    let error = Git::with_program("no-such-git").command("x").verb().run().unwrap_err();
    assert_eq!(error.to_string(), "cannot start no-such-git");
    assert!(error.hint().contains("PATH"));
}

/// Security row 8: a hook's environment must not make us write elsewhere.
#[test]
fn what_a_hook_leaves_in_the_environment_is_cleared_and_the_users_settings_stay() {
    let listed = Command::new("git").args(["rev-parse", "--local-env-vars"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let kept = ["GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"];
    for name in listed.lines().filter(|name| !kept.contains(name)) {
        assert!(CLEARED.contains(&name), "{name} would leak");
    }
    let git = Git::new();
    let invocation = git.command("x");
    let removed: Vec<_> =
        invocation.command.get_envs().filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect();
    for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH"] {
        assert!(removed.contains(&OsStr::new(name)), "{name}");
    }
    for name in ["GIT_CONFIG_GLOBAL", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_CONFIG_COUNT"] {
        assert!(!removed.contains(&OsStr::new(name)), "{name}");
    }
}

#[test]
fn the_users_own_list_of_protocols_can_only_narrow_ours() {
    assert_eq!(allowed_protocols(None), "file:git:http:https:ssh");
    assert_eq!(allowed_protocols(Some("https:ext")), "https");
    assert_eq!(allowed_protocols(Some("ext")), "none");
}

/// Security row 21.
#[test]
fn a_servers_words_cannot_steer_the_terminal() {
    let hostile = "remote: \u{1b}]0;pwned\u{7}\u{202e}txt\u{200b}\r\nfatal: no\u{9b}31m\n";
    let safe = sanitise(hostile.as_bytes());
    assert_eq!(safe, "remote: \\u{1b}]0;pwned\\u{7}\\u{202e}txt\\u{200b}; fatal: no\\u{9b}31m");
    assert!(sanitise(&[b'x'; 100_000]).len() < 2_100);
    assert_eq!(sanitise(b"a\xffb"), "a\u{fffd}b");
}

#[test]
fn passwords_in_addresses_are_not_repeated() {
    for (said, shown) in [
        ("fatal: unable to access 'https://me:secret@host/x': no", "fatal: unable to access 'https://host/x': no"),
        ("https://token@host and ssh://git@other/x@y", "https://host and ssh://other/x@y"),
        ("see https://host/a@b", "see https://host/a@b"),
        ("mail me@host", "mail me@host"),
    ] {
        assert_eq!(sanitise(said.as_bytes()), shown);
    }
}

#[test]
fn input_reaches_the_child_and_a_child_that_ignores_it_is_no_fault() {
    let kit = Kit::new();
    let git = stand_in(&kit, "wc -c");
    let finished = git.command("x").verb().input(vec![b'x'; 1_000_000]).run().unwrap();
    assert_eq!(String::from_utf8(finished.stdout).unwrap().trim(), "1000000");
    let git = stand_in(&kit, "exec sleep 0");
    assert!(git.command("x").verb().input(vec![b'x'; 1_000_000]).run().unwrap().success());
}
