//! What becomes of a task whose command, or whose runner, dies: real processes, real signals, and a watch.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, ids};

/// Longest that anything here may take before it counts as hanging.
const HANG: Duration = Duration::from_secs(60);

/// How soon after a death the board knows of it.
const SOON: Duration = Duration::from_secs(2);

/// A command that notes its process id and hands its task in.
const DONE: &str = r#"echo $$ > "$SQUAD_REPO/pid-$SQUAD_TASK"; echo working on $SQUAD_TASK; printf '{"outcome":"done","summary":"did it","deliverable":"x"}' > "$SQUAD_RESULT""#;

/// A command that notes its process id and never ends.
const FOREVER: &str = r#"echo $$ > "$SQUAD_REPO/pid-$SQUAD_TASK"; while :; do sleep 0.05; done"#;

fn begin(clone: &Checkout, flags: &str, script: &str) -> Child {
    let mut command = clone.command(env!("CARGO_BIN_EXE_squad"));
    command.arg("run").args(flags.split_whitespace()).args(["--agent", "scout", "--json", "--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("squad starts")
}

fn answer(runner: Child) -> Value {
    let output = runner.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no answer: {output:?}"))
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + HANG;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the process id that a command has noted, once it has.
fn pid_of(clone: &Checkout, task: &str) -> String {
    let file = clone.dir.join(format!("pid-{task}"));
    until("the command runs", || fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')));
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn kill(signal: &str, pid: &str) {
    let sent = std::process::Command::new("kill").args([signal, pid]).status().expect("kill runs");
    assert!(sent.success());
}

/// Tells whether a number stands anywhere in an answer.
fn names(answer: &Value, number: &str) -> bool {
    match answer {
        Value::Array(list) => list.iter().any(|one| names(one, number)),
        Value::Object(object) => object.values().any(|one| names(one, number)),
        Value::String(text) => text == number,
        other => other.as_u64().is_some_and(|n| number.parse() == Ok(n)),
    }
}

fn member<'a>(agents: &'a Value, name: &str) -> &'a Value {
    agents["agents"].as_array().expect("a list").iter().find(|agent| agent["name"] == name).expect("a member")
}

fn digest(clone: &Checkout, file: &str) -> String {
    let said = clone.command("sha256sum").arg(file).output().expect("sha256sum runs").stdout;
    String::from_utf8(said).expect("text").split_whitespace().next().expect("a digest").to_owned()
}

/// Returns the failed receipts of a task, newest first.
fn failures(clone: &Checkout, task: &str) -> Vec<Value> {
    let log = clone.ok("log --failed");
    let receipts = log["receipts"].as_array().expect("receipts");
    receipts.iter().filter(|receipt| receipt["task"] == task).cloned().collect()
}

#[test]
fn a_command_that_is_killed_has_lost_its_claim_two_seconds_later() {
    let room = Room::with_tasks(&[1, 2, 3].map(|n| hand_task(&format!("t-{n}"), json!({}))));
    let clone = room.clone_as("olga");
    let mut took = Vec::new();
    for task in ["t-1", "t-2", "t-3"] {
        let runner = begin(&clone, "--once", FOREVER);
        let pid = pid_of(&clone, task);
        until("its agent is seen at work", || member(&clone.ok("agents"), "scout")["state"] == "working");
        assert_eq!(ids(&member(&clone.ok("agents"), "scout")["claims"]), [task]);
        let killed = Instant::now();
        kill("-KILL", &pid);
        until("the board knows", || room.task(task)["claim"].is_null());
        took.push(killed.elapsed());
        let answer = answer(runner);
        let ran = &answer["results"][0];
        assert_eq!((&ran["outcome"], &ran["exitCode"], &ran["signal"]), (&json!("failed"), &Value::Null, &json!(9)));
        let after = room.task(task);
        assert_eq!((&after["status"], &after["assigned"]), (&json!("backlog"), &json!("scout")), "{after}");
        assert!(after["retryAt"].is_number(), "and is tried again after a pause: {after}");

        let agents = clone.ok("agents");
        let scout = member(&agents, "scout");
        assert_eq!((&scout["state"], &scout["claims"]), (&json!("gone"), &json!([])), "it shows that it has stopped");
        assert!(!names(&agents, &pid), "no process is named: {agents}");
        let text = clone.squad("agents").ok().stdout;
        assert!(text.lines().any(|line| line.starts_with("scout") && line.contains("gone")), "{text}");
        assert!(!lives(&pid));
        let signs = clone.dir.join(".git/squad/presence/scout");
        assert_eq!(fs::read_dir(signs).map_or(0, Iterator::count), 0, "its sign of life went with it");
    }
    // A machine that is busy with other things may be late once.
    let fastest = took.iter().min().expect("three were measured");
    assert!(*fastest <= SOON, "{took:?}");
    eprintln!("from the kill to the board: {took:?}");
    assert_eq!(clone.ok("stats")["failed"], 3);
}

#[test]
fn how_a_command_ended_is_told_by_the_answer_the_log_and_the_notice() {
    let room =
        Room::with_tasks(&[hand_task("by-signal", json!({"priority": "high"})), hand_task("by-code", json!({}))]);
    let clone = room.clone_as("olga");
    clone.git("config squad.notify 'cat >> notices'");
    let runner = begin(&clone, "--once", FOREVER);
    kill("-TERM", &pid_of(&clone, "by-signal"));
    let killed = answer(runner)["results"][0].clone();
    assert_eq!((&killed["exitCode"], &killed["signal"]), (&Value::Null, &json!(15)), "{killed}");
    let exited = answer(begin(&clone, "--once", "echo out of words; exit 7"))["results"][0].clone();
    assert_eq!((&exited["exitCode"], &exited["signal"]), (&json!(7), &Value::Null), "{exited}");
    let notices: Vec<Value> =
        clone.read("notices").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ends = [
        ("by-signal", "ended by signal 15", Value::Null, json!(15)),
        ("by-code", "exit code 7", json!(7), Value::Null),
    ];
    for (task, words, code, signal) in ends {
        let receipt = &failures(&clone, task)[0];
        assert_eq!(receipt["verb"], "fail", "{receipt}");
        assert!(receipt["error"].as_str().expect("words").contains(words), "{receipt}");
        let notice = notices.iter().find(|notice| notice["task"] == task).expect("somebody is told");
        assert_eq!(notice["event"], "failed", "{notice}");
        assert!(notice["error"].as_str().expect("words").contains(words), "{notice}");
        for told in [receipt, notice, &room.task(task)["lastError"]["process"]] {
            assert_eq!((&told["exitCode"], &told["signal"]), (&code, &signal), "{told}");
        }
        let log = if task == "by-code" { &exited["log"] } else { &killed["log"] };
        assert_eq!(receipt["outputSha256"], json!(digest(&clone, log.as_str().expect("a path"))), "{receipt}");
    }
    assert_eq!(clone.ok("stats")["disconnects"], 1, "one died, and the other said that it cannot");
}

#[test]
fn each_task_has_a_process_of_its_own_and_a_log_whose_digest_is_on_the_board() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({}))]);
    let clone = room.clone_as("olga");
    let answer = answer(begin(&clone, "--until-idle", DONE));
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 2, "{answer}");
    let pids = ["t-1", "t-2"].map(|task| pid_of(&clone, task));
    assert_ne!(pids[0], pids[1]);
    assert!(pids.iter().all(|pid| !lives(pid)));
    for ran in results {
        let task = ran["task"].as_str().expect("a task");
        let log = ran["log"].as_str().expect("a path").to_owned();
        let text = fs::read_to_string(&log).unwrap_or_else(|e| panic!("{log}: {e}"));
        assert_eq!(text, format!("working on {task}\n"));
        assert!(!log.contains("/tasks/"), "it is no part of the board: {log}");
        let proof = &room.task(task)["evidence"][0];
        let digest = digest(&clone, &log);
        assert_eq!((&proof["sha256"], &proof["bytes"]), (&json!(digest), &json!(text.len())), "{proof}");
    }
}

#[test]
fn every_task_that_is_handed_out_ends_in_an_outcome() {
    let mine = || json!({"assigned": "scout"});
    let tasks = [
        hand_task("a-done", mine()),
        hand_task("b-review", mine()),
        hand_task("c-asks", mine()),
        hand_task("d-fails", mine()),
        hand_task("e-silent", mine()),
        hand_task("f-dies", mine()),
        hand_task("g-by-itself", mine()),
        hand_task("h-waits", json!({"assigned": "scout", "dependsOn": ["c-asks"]})),
        hand_task("i-hers", json!({"assigned": "aria"})),
    ];
    let room = Room::with_tasks(&tasks);
    let clone = room.clone_as("olga");
    let scan = clone.ok("scan --agent scout");
    let rows = scan["tasks"].as_array().expect("tasks").iter();
    let mut handed: Vec<&str> =
        rows.filter(|row| row["runnable"] == true).map(|row| row["id"].as_str().expect("an id")).collect();
    handed.sort_unstable();
    let script = format!(
        r#"result() {{ printf '%s' "$1" > "$SQUAD_RESULT"; }}
case $SQUAD_TASK in
a-*) result '{{"outcome":"done","summary":"s","deliverable":"d"}}' ;;
b-*) result '{{"outcome":"review","summary":"s","deliverable":"d"}}' ;;
c-*) result '{{"outcome":"blocked","block":{{"kind":"human","reason":"r","needs":["n"],"question":"Which?","options":["a","b"]}}}}' ;;
d-*) exit 3 ;;
e-*) exit 0 ;;
f-*) kill -9 $$ ;;
g-*) {} complete "$SQUAD_TASK" --deliverable d --summary s --evidence url:https://example.test ;;
esac"#,
        env!("CARGO_BIN_EXE_squad")
    );
    let answer = answer(begin(&clone, "--until-idle", &script));
    let outcomes: Vec<(&str, &str)> = answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|ran| (ran["task"].as_str().expect("a task"), ran["outcome"].as_str().expect("an outcome, never null")))
        .collect();
    let wanted = [
        ("a-done", "completed"),
        ("b-review", "review"),
        ("c-asks", "blocked"),
        ("d-fails", "failed"),
        ("e-silent", "failed"),
        ("f-dies", "failed"),
        ("g-by-itself", "settled"),
    ];
    assert_eq!(outcomes, wanted, "{answer}");
    assert_eq!(handed, wanted.map(|(task, _)| task), "what the scan hands out is what was run");
    for (task, status) in
        [("a-done", "completed"), ("b-review", "review"), ("c-asks", "blocked"), ("f-dies", "backlog")]
    {
        assert_eq!(room.task(task)["status"], status, "{task}");
    }
    // What was not run says why.
    let next = clone.ok("next --agent scout");
    assert_eq!(next["task"], Value::Null, "{next}");
    let skipped: Vec<&str> =
        next["skipped"].as_array().expect("a list").iter().map(|s| s["id"].as_str().expect("an id")).collect();
    for task in ["d-fails", "e-silent", "f-dies", "h-waits"] {
        assert!(skipped.contains(&task), "{next}");
    }
}

#[test]
fn a_runner_that_is_killed_is_a_disconnect_and_its_claim_goes_with_the_next_look() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let mut runner = begin(&clone, "--once", FOREVER);
    let pid = pid_of(&clone, "t-1");
    assert_eq!(clone.ok("stats")["disconnects"], 0);
    let killed = Instant::now();
    runner.kill().expect("it is ours");
    runner.wait().expect("it is ours");
    until("nobody of the run is left", || !lives(&pid));
    assert!(killed.elapsed() <= SOON + Duration::from_secs(10), "{:?}", killed.elapsed());
    let tick = clone.ok("heartbeat --agent olga");
    assert_eq!(ids(&tick["recovered"]), ["t-1"], "{tick}");
    let event = &tick["events"][0];
    assert_eq!((&event["event"], &event["agent"]), (&json!("recovered"), &json!("scout")), "{tick}");
    assert!(room.task("t-1")["claim"].is_null());
    assert_eq!(clone.ok("stats")["disconnects"], 1);
    let receipt = &failures(&clone, "t-1")[0];
    assert_eq!(receipt["verb"], "recover", "{receipt}");
    assert!(receipt.to_string().contains("has ended"), "what was seen stands there: {receipt}");
}
