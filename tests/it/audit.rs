//! `audit`: the history decides itself again, and what was not decided is found.

use serde_json::{Value, json};

use crate::board;
use crate::kit::{Checkout, Room, hand_task};

fn codes(answer: &Value) -> Vec<String> {
    let violations = answer["violations"].as_array().expect("violations");
    violations.iter().map(|v| v["code"].as_str().expect("a code").to_owned()).collect()
}

/// A board on which something has happened, and a clone of it.
fn worked_on() -> (Room, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"files": ["src/a"]})), hand_task("t-2", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout --plan first");
    clone.ok("comment t-2 hello --agent aria");
    clone.ok("release t-1 --note later --agent scout");
    clone.ok("new 'One more' --id t-3 --agent olga");
    (room, clone)
}

/// Puts a commit on the board with another one's message, and other files.
fn forge(room: &Room, message_of: &str, files: &[(&str, Option<&str>)]) {
    let message = room.git(&format!("log -1 --format=%B {message_of}"));
    room.put(files);
    let tree = room.git("rev-parse main^{tree}");
    let parent = room.git("rev-parse main~1");
    let who = "-c user.name=hand -c user.email=hand@example.test";
    std::fs::write(room.path().join("message"), message).expect("a file");
    let file = room.path().join("message");
    let commit = room.git(&format!("{who} commit-tree {tree} -p {parent} -F {}", file.display()));
    room.git(&format!("update-ref refs/heads/main {commit}"));
}

#[test]
fn a_history_that_was_made_by_squad_decides_itself_again() {
    let (_room, clone) = worked_on();
    let audited = clone.ok("audit");
    assert_eq!(audited["violations"], json!([]), "{audited}");
    let receipts = clone.ok("log --all")["receipts"].as_array().map(Vec::len);
    assert_eq!(audited["operations"].as_u64().map(|n| n as usize), receipts, "{audited}");
    let of_one = clone.ok("audit t-1");
    assert_eq!(of_one["violations"], json!([]), "{of_one}");
    let text = clone.squad("audit").ok();
    assert!(text.stdout.contains("decided again, nothing wrong"), "{text}");
}

#[test]
fn a_board_audits_the_same_from_a_bare_and_from_a_shallow_clone() {
    let (room, clone) = worked_on();
    let whole = clone.ok("audit");
    for options in ["--bare remote.git", "--depth=1 file://[ROOT]/remote.git"] {
        let options = options.replace("[ROOT]", &room.path().display().to_string());
        let other = room.clone_with(&format!("other-{}", options.len()), &options);
        assert_eq!(other.ok("audit")["operations"], whole["operations"], "{options}");
    }
}

#[test]
fn what_was_read_for_one_commit_serves_the_next_also_past_commits_of_code_and_by_hand() {
    let room = Room::empty();
    std::fs::remove_dir_all(room.remote()).expect("an empty remote");
    let shape = board::Shape { tasks: 20, seed: 1 };
    board::write(&room.remote(), shape).expect("a board");
    board::history::write(&room.remote(), shape, 200).expect("a history");
    let clone = room.clone_as("olga");
    assert_eq!(clone.ok("audit")["operations"], 200);
    room.put_code(2);
    clone.ok("comment mc-000001 'after the code' --agent scout");
    let mut task = room.task("mc-000001");
    task["title"] = json!("another title");
    room.put_tasks(&[task]);
    clone.ok("comment mc-000001 'after the title' --agent scout");
    let audited = clone.ok("audit");
    assert_eq!((&audited["operations"], &audited["violations"]), (&json!(202), &json!([])), "{audited}");
}

/// Puts other bytes in the place of the first ones like them behind a mark in a stream.
fn alter(stream: &mut String, mark: &str, from: &str, to: &str) {
    assert_eq!(from.len(), to.len(), "the stream counts bytes");
    let behind = stream.find(mark).expect("the mark");
    let at = behind + stream[behind..].find(from).expect("what is altered");
    stream.replace_range(at..at + from.len(), to);
}

#[test]
fn a_long_history_is_judged_as_one_however_many_judge_it() {
    let room = Room::empty();
    std::fs::remove_dir_all(room.remote()).expect("an empty remote");
    let shape = board::Shape { tasks: 20, seed: 1 };
    board::write(&room.remote(), shape).expect("a board");
    board::history::write(&room.remote(), shape, 1_200).expect("a history");
    let mut stream = room.git("fast-export main") + "\ndone\n";
    // Twice a comment that nobody wrote, early and late; between them the same locks, not as squad writes them.
    for round in [2, 12] {
        let said = format!("looked at it in round {round}\"");
        alter(&mut stream, &said, &said, &said.replace("looked", "LOOKED"));
    }
    alter(&mut stream, "looked at it in round 7\"", "  \"version\": \"1.0\"", "\"version\"  : \"1.0\"");
    room.git("update-ref -d refs/heads/main");
    room.import(&stream);
    let all: Vec<String> = room.git("rev-list --reverse main").lines().map(str::to_owned).collect();
    let messages = room.git("log --reverse --format=%B%x1e main");
    let place = |round: u32| {
        let said = format!("looked at it in round {round}\"");
        messages.split('\u{1e}').position(|message| message.contains(&said)).expect("it is in the history")
    };
    let audited = room.clone_as("olga").refused("audit", 4, "invalid");
    let told: Vec<(usize, &str, bool)> = audited["violations"]
        .as_array()
        .expect("violations")
        .iter()
        .map(|v| {
            let commit = all.iter().position(|commit| v["commit"] == **commit).expect("it is in the history");
            let is_locks = v["file"].as_str().is_some_and(|file| file.ends_with("coordination.json"));
            (commit, v["code"].as_str().expect("a code"), is_locks)
        })
        .collect();
    // Whoever goes on from what was altered makes something else of it than the history has, but for the locks: they
    // say what they should, and are written anew with the next claim.
    let expected: Vec<_> =
        [(place(2), false), (place(2) + 1, false), (place(7) + 2, true), (place(12), false), (place(12) + 1, false)]
            .map(|(commit, is_locks)| (commit, "other-content", is_locks))
            .to_vec();
    assert_eq!(told, expected, "{audited}");
}

#[test]
fn a_long_history_whose_clocks_run_backwards_is_fetched_to_its_beginning() {
    let (room, _) = worked_on();
    room.put_code(1_100);
    let shallow = room.clone_with("shallow", &format!("--depth=1 {}", room.remote_url()));
    let audited = shallow.ok("audit");
    assert!(audited["commits"].as_u64() > Some(1_100) && audited["operations"].as_u64() > Some(0), "{audited}");
}

#[test]
fn a_commit_by_hand_at_the_head_is_found_by_whoever_comes_new() {
    let (room, _) = worked_on();
    let task = room.file("squad/tasks/json/t-2.json").expect("a task").replace("backlog", "completed");
    room.put(&[("squad/tasks/json/t-2.json", Some(task))]);
    let bad = room.head();
    // The first commit that a new clone fetches is the last one, without the one before.
    let error = room.clone_with("judge", "--bare remote.git").refused("audit", 4, "invalid");
    assert!(codes(&error).contains(&"unrecorded-transition".to_owned()), "{error}");
    assert_eq!(error["violations"][0]["commit"], bad, "{error}");
}

#[test]
fn a_clone_that_came_when_the_board_was_made_has_the_commit_before_as_well() {
    let room = Room::code();
    let olga = room.clone_as("olga");
    olga.ok("init");
    // What it fetches ends at the commit that made the board.
    let early = room.clone_as("early");
    early.ok("list");
    olga.ok("agents add scout --role executor");
    early.ok("sync");
    assert_eq!(early.ok("audit")["operations"], 2);
}

#[test]
fn since_leaves_out_what_came_before() {
    let (room, clone) = worked_on();
    let base = room.head();
    clone.ok("comment t-2 again --agent aria");
    let audited = clone.ok(&format!("audit --since {base}"));
    assert_eq!((audited["commits"].clone(), audited["operations"].clone()), (json!(1), json!(1)), "{audited}");
}

#[test]
fn a_commit_that_does_more_than_its_operation_is_found() {
    let (room, clone) = worked_on();
    clone.ok("claim t-2 --agent aria --plan now");
    let tip = room.head();
    let task = room.file("squad/tasks/json/t-1.json").expect("a task").replace("backlog", "completed");
    let tree = "squad/tasks/json/t-1.json";
    room.put(&[(tree, Some(task))]);
    let forged = room.git("rev-parse main^{tree}");
    let message = room.git(&format!("log -1 --format=%B {tip}"));
    std::fs::write(room.path().join("message"), message).expect("a file");
    let who = "-c user.name=hand -c user.email=hand@example.test";
    let file = room.path().join("message");
    let commit = room.git(&format!("{who} commit-tree {forged} -p {tip}~1 -F {}", file.display()));
    room.git(&format!("update-ref refs/heads/main {commit}"));
    let error = room.clone_as("judge").json("audit").exits(4).json()["error"].clone();
    assert_eq!(codes(&error), ["beyond-operation"], "{error}");
    assert_eq!(error["violations"][0]["commit"], commit.as_str(), "{error}");
    assert_eq!(error["violations"][0]["file"], tree, "{error}");
}

#[test]
fn an_operation_that_is_carried_out_again_is_found() {
    let (room, clone) = worked_on();
    let comment = clone.ok("comment t-2 twice --agent aria")["receipt"]["commit"].as_str().expect("it").to_owned();
    let more = room.file("squad/tasks/json/t-2.json").expect("a task").replace("twice", "twice, and more");
    forge(&room, &comment, &[("squad/tasks/json/t-2.json", Some(&more))]);
    let error = room.clone_as("judge").json("audit").exits(4).json()["error"].clone();
    assert_eq!(codes(&error), ["done-twice"], "{error}");
}

#[test]
fn a_change_that_its_actor_could_not_make_is_found() {
    let (room, clone) = worked_on();
    let claim = clone.ok("claim t-2 --agent aria --plan mine")["receipt"]["commit"].as_str().expect("it").to_owned();
    let message = room.git(&format!("log -1 --format=%B {claim}"));
    // The same words of somebody who is not in the roster.
    std::fs::write(room.path().join("message"), message.replace("\"aria\"", "\"mallory\"")).expect("a file");
    let who = "-c user.name=hand -c user.email=hand@example.test";
    let file = room.path().join("message");
    let commit = room.git(&format!("{who} commit-tree {claim}^{{tree}} -p {claim}~1 -F {}", file.display()));
    room.git(&format!("update-ref refs/heads/main {commit}"));
    let error = room.clone_as("judge").json("audit").exits(4).json()["error"].clone();
    assert_eq!(codes(&error), ["not-allowed"], "{error}");
}

/// Where the board asks for signatures, a name is worth as much as the key.
#[test]
fn signatures_are_made_and_hold_for_the_key_of_the_actor_alone() {
    if crate::kit::need("ssh-keygen").is_none() {
        return;
    }
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    room.configure(|config| config["policy"] = json!({"identity": "signature"}));
    let clone = room.clone_as("scout");
    let error = clone.refused("claim t-1 --agent scout", 9, "not-permitted");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("squad.signingKey")), "{error}");
    for key in ["scout", "other"] {
        let mut made = clone.command("ssh-keygen");
        made.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(room.path().join(format!("{key}-key")));
        assert!(made.status().expect("it starts").success());
    }
    clone.git(&format!("config squad.signingKey {}", room.path().join("scout-key").display()));
    let before = room.head();
    clone.ok("claim t-1 --agent scout");
    let message = &room.commits_since(&before)[0];
    assert!(message.trailer("Squad-Operation").contains("\"signature\":\""), "it travels with the operation");

    let told = clone.refused(&format!("audit --since {before}"), 4, "invalid");
    assert_eq!(told["violations"][0]["code"], "unverified", "without known keys nothing is verified: {told}");
    let allowed = |key: &str| {
        let public = std::fs::read_to_string(room.path().join(format!("{key}-key.pub"))).expect("the key");
        let file = room.path().join("allowed");
        std::fs::write(&file, format!("scout namespaces=\"squad-op\" {public}")).expect("a file");
        clone.git(&format!("config squad.allowedSigners {}", file.display()));
    };
    allowed("scout");
    clone.ok(&format!("audit --since {before}"));
    allowed("other");
    let told = clone.refused(&format!("audit --since {before}"), 4, "invalid");
    assert_eq!(told["violations"][0]["code"], "unverified", "{told}");
    // Signed by one, in the name of another.
    allowed("scout");
    clone.git(&format!("config squad.signingKey {}", room.path().join("other-key").display()));
    let begun = room.head();
    clone.ok("comment t-1 'by whom?' --agent scout");
    let told = clone.refused(&format!("audit --since {begun}"), 4, "invalid");
    assert_eq!(told["violations"][0]["code"], "unverified", "{told}");
}

#[test]
fn proof_that_is_no_longer_what_it_was_is_told() {
    let (_room, clone) = worked_on();
    clone.write("proof.txt", "passed\n");
    clone.ok("claim t-2 --agent aria --plan first");
    clone.ok("complete t-2 --agent aria --deliverable done --summary done --evidence file:proof.txt");
    assert_eq!(clone.ok("audit")["violations"], json!([]));
    clone.write("proof.txt", "failed\n");
    let audited = clone.ok("audit");
    assert_eq!(codes(&audited), ["evidence-changed"], "{audited}");
    assert_eq!(clone.ok("audit t-1")["violations"], json!([]));
    let text = clone.squad("audit").ok();
    assert!(text.stdout.contains("no error, 1 warning"), "{text}");
}
