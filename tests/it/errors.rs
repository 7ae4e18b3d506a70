//! Every failure as a person reads it: what failed, why, and what to do next, with the exit code of its kind.
//!
//! Each case runs the binary twice, for text and for JSON: the two must tell the same.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, answer_schema, hand_task, settled};

/// A failure: its code string, its exit code, and the command that runs into it.
type Case = (&'static str, i32, &'static str);

/// How a board comes to be on which these commands fail.
type Setting = (fn() -> (Room, Checkout), &'static [Case]);

/// Longest text of a failure, in characters: an agent pays for each.
const LONGEST: usize = 2_000;

/// Words of commands that destroy work; no failure may lead a reader to one.
const DESTRUCTIVE: &[&str] = &[
    "--force",
    "--hard",
    " -f ",
    "git clean",
    "git rm",
    "rm -",
    "branch -D",
    "stash drop",
    "checkout --",
    "--prune",
    "filter-",
];

fn board() -> (Room, Checkout) {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "files": ["src/a"]})),
        hand_task("t-2", json!({"files": ["src/a/b.rs"]})),
        hand_task("t-3", json!({"assigned": "aria", "dependsOn": ["t-1"]})),
    ]);
    let clone = room.clone_as("olga");
    (room, clone)
}

/// Scout holds `t-1` for the second time, and may hold no more than one.
fn claimed_again() -> (Room, Checkout) {
    let (room, clone) = board();
    room.put_tasks(&[hand_task("t-4", json!({"assigned": "scout"}))]);
    room.configure(|config| config["limits"] = json!({"claimsPerAgent": 1}));
    clone.ok("claim t-1 --agent scout");
    clone.ok("release t-1 --note again --agent scout");
    clone.ok("claim t-1 --agent scout");
    (room, clone)
}

fn a_closed_remote() -> (Room, Checkout) {
    let (room, clone) = board();
    room.hook("pre-receive", "echo 'this board is closed today' >&2; exit 1");
    (room, clone)
}

fn a_remote_that_is_gone() -> (Room, Checkout) {
    let (room, clone) = board();
    clone.ok("list");
    room.lose_remote();
    (room, clone)
}

/// The line dies after the push has arrived, and what is found afterwards is another history.
fn a_push_nobody_can_tell_of() -> (Room, Checkout) {
    let (room, clone) = board();
    clone.ok("list");
    let script = "[ \"$1\" = committed ] || exit 0\n\
                  mkdir cut 2>/dev/null || exit 0\n\
                  export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x\n\
                  git update-ref refs/heads/main \"$(git commit-tree -m other 'refs/heads/main^{tree}')\"\n\
                  kill -s KILL $PPID";
    room.hook("reference-transaction", script);
    (room, clone)
}

fn a_rewound_board() -> (Room, Checkout) {
    let (room, clone) = board();
    clone.ok("list");
    let orphan = room.git(
        "-c user.name=x -c user.email=x@example.test -c author.name=x commit-tree -m other refs/heads/main^{tree}",
    );
    room.git(&format!("update-ref refs/heads/main {orphan}"));
    (room, clone)
}

fn no_board() -> (Room, Checkout) {
    let room = Room::code();
    let clone = room.clone_as("olga");
    (room, clone)
}

fn a_broken_file() -> (Room, Checkout) {
    let (room, clone) = board();
    room.put(&[("squad/tasks/json/t-9.json", Some("{\"id\": \"t-9\", \"title\": 7}\n"))]);
    (room, clone)
}

/// Where the clone's own state should be, somebody has put a file.
fn no_place_for_the_state() -> (Room, Checkout) {
    let (room, clone) = board();
    clone.write(".git/squad", "in the way\n");
    (room, clone)
}

const SETTINGS: &[Setting] = &[
    (no_place_for_the_state, &[("internal", 1, "list")]),
    (no_board, &[("not-found", 3, "list")]),
    (
        board,
        &[
            ("usage", 2, "clam t-1"),
            ("usage", 2, "claim"),
            ("not-found", 3, "claim nope --agent scout"),
            ("not-found", 3, "assign t-1 mallory"),
            ("invalid", 4, "new X --priority urgent"),
            ("invalid", 4, "new X --id t-1"),
            ("invalid", 4, "new X --id ../x"),
            ("invalid", 4, "dep add t-1 t-3"),
            ("illegal-transition", 5, "approve t-1"),
            ("illegal-transition", 5, "complete t-1 --agent scout --deliverable x --summary y"),
            ("dependency-open", 5, "claim t-3 --agent aria"),
            ("remote-unreachable", 8, "claim t-1 --agent scout --offline"),
            ("not-permitted", 9, "cancel t-1 --reason x --agent scout"),
            ("unknown-agent", 9, "claim t-1 --agent mallory"),
        ],
    ),
    (
        claimed_again,
        &[
            ("missing-field", 5, "complete t-1 --agent scout --deliverable x --evidence url:https://example.test"),
            ("missing-field", 5, "block t-1 --kind human --reason r --agent scout"),
            ("evidence-missing", 5, "complete t-1 --agent scout --deliverable x --summary y"),
            ("limit-reached", 5, "claim t-4 --agent scout"),
            ("lost-race", 6, "claim t-1 --agent aria"),
            ("stale-epoch", 6, "progress t-1 --pct 5 --agent scout --epoch 1"),
            ("not-holder", 6, "start t-1 --agent aria"),
            ("path-locked", 7, "claim t-2 --agent aria"),
        ],
    ),
    (a_broken_file, &[("invalid", 4, "comment t-9 hello"), ("invalid", 4, "check")]),
    (a_rewound_board, &[("invalid", 4, "claim t-1 --agent scout")]),
    (a_remote_that_is_gone, &[("remote-unreachable", 8, "claim t-1 --agent scout")]),
    (a_closed_remote, &[("remote-refused", 8, "claim t-1 --agent scout")]),
    (a_push_nobody_can_tell_of, &[("undecided", 8, "claim t-1 --agent scout")]),
];

/// Returns what a test may compare: every ref of the remote, if it is there.
fn refs(room: &Room) -> Option<String> {
    (!room.lost_head().exists()).then(|| room.refs())
}

/// Returns a failure without its reason. That of a dead line is in the words of whichever process of git dies last.
fn without_why(text: &str) -> String {
    let lines = text.lines().map(|line| if line.starts_with("  caused by: ") { "  caused by: [GIT]" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_failure_says_what_why_and_what_next_as_text_and_as_json() {
    let mut told = String::new();
    for (board, cases) in SETTINGS {
        let (mut room, mut clone) = board();
        for (code, exit, line) in *cases {
            let before = refs(&room);
            let ran = clone.squad(line).exits(*exit);
            assert!(ran.stdout.is_empty() || *line == "check", "a failure has no data: {ran}");
            assert!(ran.stderr.starts_with("error: "), "{ran}");
            assert!(ran.stderr.lines().any(|line| line.starts_with("hint: ")), "what next? {ran}");
            assert!(ran.stderr.chars().count() + ran.stdout.chars().count() < LONGEST, "{ran}");
            for word in DESTRUCTIVE {
                assert!(!ran.stderr.contains(word), "{word:?} is no advice: {ran}");
            }
            if *code == "undecided" {
                // What became of it is another story; the same has to happen anew.
                (room, clone) = board();
            } else {
                assert_eq!(refs(&room), before, "`{line}` moved something");
            }
            let error = clone.refused(line, *exit, code);
            let text = if *code == "undecided" { without_why(&settled(&ran.stderr)) } else { settled(&ran.stderr) };
            for part in ["message", "why", "hint"] {
                let Some(said) = error[part].as_str() else { continue };
                let left_out = part == "why" && *code == "undecided";
                assert!(left_out || text.contains(&settled(said)), "`{line}`: {part} {said:?} is not in\n{text}");
            }
            let _ = writeln!(told, "$ squad {line}        # exit {exit}, {code}\n{text}\n");
        }
    }
    insta::assert_snapshot!("every_failure", told);
}

#[test]
fn every_code_of_the_contract_has_a_case() {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(answer_schema()).unwrap()).unwrap();
    let codes = schema["$defs"]["error"]["properties"]["code"]["enum"].as_array().unwrap();
    let codes: BTreeSet<_> = codes.iter().filter_map(Value::as_str).collect();
    assert_eq!(SETTINGS.iter().flat_map(|(_, cases)| *cases).map(|(code, ..)| *code).collect::<BTreeSet<_>>(), codes);
}

#[test]
fn a_failure_of_many_parts_is_still_short() {
    let files: Vec<String> = (0..300).map(|i| format!("src/a-rather-long-name-of-a-folder-{i:03}/file.rs")).collect();
    let dependencies: Vec<String> = (0..200).map(|i| format!("dependency-with-a-long-name-{i:03}")).collect();
    let mut tasks: Vec<_> = dependencies.iter().map(|id| hand_task(id, json!({}))).collect();
    tasks.push(hand_task("t-1", json!({"files": files})));
    tasks.push(hand_task("t-2", json!({"files": files})));
    tasks.push(hand_task("t-3", json!({"dependsOn": dependencies})));
    let room = Room::with_tasks(&tasks);
    room.put(&[("squad/tasks/json/bad.json", Some(broken(400)))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    let long = "x".repeat(5_000);
    for (line, exit) in [
        ("claim t-2 --agent aria".to_owned(), 7),
        ("claim t-3 --agent aria".to_owned(), 5),
        ("comment bad hello".to_owned(), 4),
        ("check".to_owned(), 4),
        (format!("show {long}"), 4),
        (format!("new X --priority {long}"), 4),
        (format!("{long} t-1"), 2),
        (format!("list --{long}"), 2),
        (format!("schema {long}"), 3),
        (format!("claim t-2 --agent {long}"), 4),
    ] {
        let ran = clone.squad(&line).0;
        let shown = &line[..line.len().min(40)];
        let size = ran.stdout.chars().count() + ran.stderr.chars().count();
        assert_eq!(ran.code, exit, "{shown}");
        assert!(size < LONGEST, "{shown}: {size} characters");
        assert_eq!(clone.json(&line).0.code, exit, "{shown}");
    }
    let all = clone.json("check").exits(4).json()["error"]["violations"].as_array().map_or(0, Vec::len);
    assert!(all > 20, "the JSON has them all: {all}");
    assert!(clone.squad("check -v").exits(4).stdout.lines().count() > all, "and so has the text when it is asked");
}

/// Returns a task with many faults.
fn broken(faults: usize) -> String {
    let chat: Vec<_> = (0..faults).map(|i| json!({"id": i, "author": 7, "content": null})).collect();
    let mut task = hand_task("bad", json!({}));
    task["chat"] = json!(chat);
    task.to_string()
}
