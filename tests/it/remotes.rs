//! Remotes that refuse, are gone, or lose the line: squad says what is true and no more.
#![cfg(unix)]

use serde_json::json;

use crate::kit::{Checkout, Room, hand_task};

fn one_task() -> (Room, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("list");
    (room, clone)
}

/// Kills the git that serves a push once it has come to `phase` of moving the board, the first time only.
fn cut_the_line_at(room: &Room, phase: &str, signal: &str) {
    let script = format!(
        "[ \"$1\" = {phase} ] || exit 0\n\
         while read -r old new ref; do\n\
           [ \"$ref\" = refs/heads/main ] && mkdir cut 2>/dev/null && kill -s {signal} $PPID\n\
         done\n\
         exit 0"
    );
    room.hook("reference-transaction", &script);
}

#[test]
fn a_cut_line_looks_the_same_to_git_whether_the_push_landed_or_not() {
    for (phase, signal, lands) in [("committed", "KILL", true), ("prepared", "TERM", false)] {
        let room = Room::code();
        let clone = room.clone_as("hand");
        clone.write("src/main.txt", "two\n");
        clone.git("commit --quiet --all -m two");
        let mine = clone.git("rev-parse HEAD");
        cut_the_line_at(&room, phase, signal);
        clone.try_git("push origin main").expect_err("the line is cut");
        assert_eq!(room.head() == mine, lands, "{phase}");
        clone.git("push --quiet origin main");
        assert_eq!(room.head(), mine, "and only once");
    }
}

#[test]
fn a_claim_that_landed_before_the_line_was_cut_is_won_and_made_once() {
    let (room, clone) = one_task();
    let base = room.head();
    cut_the_line_at(&room, "committed", "KILL");
    let answer = clone.ok("claim t-1 --agent scout");
    assert!(room.remote().join("cut").is_dir(), "the line was cut");
    let claims = room.claims_of("t-1", &base);
    assert_eq!(claims.len(), 1, "{claims:#?}");
    assert_eq!(answer["receipt"]["commit"], claims[0].oid.as_str());
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
}

#[test]
fn a_claim_whose_line_was_cut_before_it_landed_is_tried_again() {
    let (room, clone) = one_task();
    let base = room.head();
    // TERM lets the server's git take its lock files away, as it does when a connection ends.
    cut_the_line_at(&room, "prepared", "TERM");
    clone.ok("claim t-1 --agent scout");
    assert!(room.remote().join("cut").is_dir(), "the line was cut");
    assert_eq!(room.claims_of("t-1", &base).len(), 1);
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
}

#[test]
fn a_remote_that_refuses_leaves_nothing_behind() {
    let (room, clone) = one_task();
    room.hook("pre-receive", "echo 'this board is closed today' >&2; exit 1");
    let before = room.refs();
    let local = (clone.status(), clone.git("rev-parse HEAD"), clone.git("for-each-ref"));
    let error = clone.refused("claim t-1 --agent scout", 8, "remote-refused");
    assert!(error.to_string().contains("this board is closed today"), "it passes on the reason: {error}");
    assert_eq!(room.refs(), before);
    assert_eq!((clone.status(), clone.git("rev-parse HEAD"), clone.git("for-each-ref")), local);

    std::fs::remove_file(room.remote().join("hooks/pre-receive")).unwrap();
    room.clone_as("aria").ok("comment t-1 hello --agent aria");
    let task = room.task("t-1");
    assert_eq!(task["status"], "backlog", "the refused claim does not come back later: {task}");
    clone.ok("claim t-1 --agent scout");
}

#[test]
fn a_failed_claim_never_says_a_word_of_success() {
    let (room, clone) = one_task();
    room.hook("pre-receive", "exit 1");
    let ran = clone.squad("claim t-1 --agent scout").exits(8);
    assert_eq!(ran.stdout, "", "{ran}");
    assert!(ran.stderr.starts_with("error: "), "{ran}");
}

#[test]
fn escapes_from_the_server_do_not_reach_the_terminal() {
    let (room, clone) = one_task();
    room.hook("pre-receive", "printf 'evil \\033[2J\\033]0;title\\007 text\\n' >&2; exit 1");
    let ran = clone.squad("claim t-1 --agent scout").exits(8);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains('\u{7}'), "{ran:?}");
    assert!(ran.stderr.contains("evil"), "{ran}");
}

#[test]
fn where_only_the_outbox_is_refused_squad_works_without_it() {
    let (room, clone) = one_task();
    room.hook("update", "case \"$1\" in refs/heads/main) exit 0 ;; *) echo 'branches only' >&2; exit 1 ;; esac");
    clone.ok("claim t-1 --agent scout");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
    clone.ok("comment t-1 'and again' --agent scout");
}

#[test]
fn with_the_remote_gone_no_old_board_says_no() {
    let room = Room::board();
    let clone = room.clone_as("scout");
    clone.ok("list");
    room.put_tasks(&[hand_task("t-new", json!({"assigned": "scout"}))]);
    room.lose_remote();
    for line in ["claim t-new --agent scout", "comment t-new hello --agent scout", "claim t-new --agent newcomer"] {
        clone.refused(line, 8, "remote-unreachable");
    }
}

#[test]
fn with_the_remote_gone_reading_works_and_a_claim_does_not() {
    let (room, clone) = one_task();
    room.lose_remote();

    let scan = clone.ok("scan --agent scout --fresh");
    assert_eq!(scan["degraded"], true, "{scan}");
    assert_eq!(crate::kit::ids(&scan["tasks"]), ["t-1"]);
    let error = clone.refused("claim t-1 --agent scout", 8, "remote-unreachable");
    assert_eq!(error["retryable"], true, "{error}");

    room.regain_remote();
    assert_eq!(room.task("t-1")["status"], "backlog", "nothing was kept to happen later");
    clone.ok("sync");
    assert_eq!(room.task("t-1")["status"], "backlog");
    clone.ok("claim t-1 --agent scout");
}

#[test]
fn a_comment_may_wait_for_the_remote_and_is_called_provisional_until_then() {
    let (room, clone) = one_task();
    room.lose_remote();
    clone.refused("comment t-1 'said offline' --agent scout", 8, "remote-unreachable");
    clone.ok("comment t-1 'said offline' --agent scout --queue");
    assert_eq!(clone.ok("status")["provisional"].as_array().map(Vec::len), Some(1));
    room.regain_remote();
    let answer = clone.ok("sync");
    assert_eq!(answer["published"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(answer["provisional"], json!([]));
    let chat = room.task("t-1")["chat"].clone();
    assert_eq!(chat.as_array().map(Vec::len), Some(1), "once, and the one that was not queued never: {chat}");
    assert_eq!(chat[0]["content"], "said offline");
}

#[test]
fn a_board_that_was_rewound_stops_everything_until_a_person_decides() {
    let (room, clone) = one_task();
    let old = room.head();
    clone.ok("claim t-1 --agent scout");
    room.git(&format!("update-ref refs/heads/main {old}"));
    room.put(&[("src/main.txt", Some("another history\n"))]);
    let before = room.refs();
    let ran = clone.json("comment t-1 hello --agent scout").0;
    assert_ne!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains("rewritten") || ran.stdout.contains("rewound"), "{ran}");
    assert!(!ran.stdout.contains("--force") && !ran.stdout.contains("reset --hard"), "no destructive advice: {ran}");
    assert_eq!(room.refs(), before);
}

#[test]
fn check_says_when_the_board_that_it_looked_at_may_be_out_of_date() {
    let (room, clone) = one_task();
    clone.ok("sync");
    assert_eq!(clone.squad("check").ok().stderr, "");
    room.lose_remote();
    let ran = clone.squad("check").ok();
    assert!(ran.stderr.starts_with("BLOCKER: the remote is out of reach"), "{ran}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_not_told_as_a_remote_out_of_reach() {
    let (room, clone) = one_task();
    clone.ok("sync");
    room.put(&[("src/main.txt", Some("two\n"))]);
    let before = room.refs();
    let error = clone.without_room("claim t-1 --agent scout").fails(1, "internal");
    let (message, why) = (error["message"].as_str().unwrap(), error["why"].as_str().unwrap_or_default());
    assert!(message.contains("squad/board.git") && why.contains("too large"), "{error}");
    assert_eq!((room.refs(), clone.status()), (before, String::new()));
    clone.ok("claim t-1 --agent scout");
}
