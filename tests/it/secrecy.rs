//! What looks like a secret is stopped where it is said: nothing of it leaves the machine.

use serde_json::{Value, json};

use crate::kit::{Room, hand_task};
use crate::running::{outcomes, run};

/// Put together here, so that nothing that looks for leaks finds one in this file.
fn token() -> String {
    ["ghp_", "Zz9Qk3Lm8Vn2Bx7Rt5Yw1Pd6Hs4Jf0Gc"].concat()
}

fn room() -> Room {
    Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))])
}

#[test]
fn a_verb_that_would_push_what_looks_like_a_secret_is_refused_and_names_it_nowhere() {
    let room = room();
    let clone = room.clone_as("scout");
    let head = room.head();
    let token = token();
    for line in [
        format!("comment t-1 'the key is {token}' --agent scout"),
        format!("claim t-1 --plan 'call https://example.org/?token={token}' --agent scout"),
        format!("new 'Use {token}' --agent scout"),
        format!("edit t-1 --description 'use {token}' --agent scout"),
        format!("comment t-1 'the key is {token}' --agent scout --dry-run"),
        format!("comment t-1 'the key is {token}' --agent scout --queue"),
    ] {
        let ran = clone.json(&line);
        let error = ran.fails(4, "invalid");
        assert!(error["message"].as_str().unwrap().contains("a token of GitHub"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("notSecret"), "{error}");
        assert!(error["pointer"].as_str().unwrap().starts_with("/args/"), "{error}");
        assert!(!error.to_string().contains(&token), "{error}");
    }
    assert_eq!(room.head(), head);
    // Nor is anything announced to others, or kept for later.
    clone.git("fetch --quiet origin +refs/*:refs/seen/*");
    let objects = clone.git("cat-file --batch-all-objects --batch --unordered");
    assert!(objects.contains("t-1") && !objects.contains(&token), "{objects}");
    assert_eq!(clone.ok("sync --agent scout")["published"], json!([]));
}

#[test]
fn what_is_marked_as_no_secret_and_what_is_there_already_may_be_said() {
    let room = room();
    let clone = room.clone_as("scout");
    let line = format!("comment t-1 'the example is {}' --agent scout", token());
    let error = clone.refused(&line, 4, "invalid");
    let hint = error["hint"].as_str().unwrap();
    let mark = hint.split('"').nth(1).expect("a mark").to_owned();

    // As the hint says: by a commit of one's own, that the hook lets through.
    let file = "squad/tasks/json/t-1.json";
    let mut task: Value = room.task("t-1");
    task["notSecret"] = json!([mark]);
    clone.write(file, serde_json::to_string_pretty(&task).unwrap() + "\n");
    clone.git("commit --quiet --all --message mark");
    clone.git("push --quiet");
    clone.ok(&line);
    assert_eq!(clone.ok(&format!("audit --since {}~1", room.head()))["ok"], true);

    // A new task brings its mark with it, and so does one of another board.
    let task = json!({"title": "An example", "description": token(), "notSecret": [mark]});
    clone.write("task.json", task.to_string());
    clone.ok("new --from task.json --agent scout");
    let board = json!([{"title": "Another example", "description": token(), "notSecret": [mark]}]);
    clone.write("board.json", board.to_string());
    room.clone_as("olga").squad("agents --json").ok();
    let error = clone.json("import board.json --agent olga");
    let task = error.ok().json();
    assert_eq!(task["ok"], true);
    clone.git("pull --quiet");
    assert_eq!(clone.ok("check")["ok"], true);
    let marked = clone.git("grep -l notSecret HEAD -- squad/tasks/json");
    assert_eq!(marked.lines().count(), 3, "{marked}");
}

#[test]
fn what_a_command_prints_comes_to_the_board_without_the_secrets_in_it() {
    let room = room();
    let clone = room.clone_as("olga");
    let answer = run(&clone, "--once", &format!("echo 'error: login with {} failed' >&2; exit 3", token()));
    assert_eq!(outcomes(&answer), ["failed"], "{answer}");
    let task = room.task("t-1");
    let error = task["lastError"]["message"].as_str().unwrap();
    assert!(error.contains("login with [a token of GitHub] failed"), "{error}");

    // What it hands in is refused as anybody's would be, and the task fails with the reason.
    let room = self::room();
    let clone = room.clone_as("olga");
    let result = json!({"outcome": "done", "summary": format!("used {}", token()), "deliverable": "x"});
    let answer = run(&clone, "--once", &format!("echo '{result}' > \"$SQUAD_RESULT\""));
    assert_eq!(outcomes(&answer), ["failed"], "{answer}");
    assert!(!room.task("t-1").to_string().contains(&token()));
    assert!(answer.to_string().contains("looks like a token of GitHub"), "{answer}");
}
