//! Evidence: what each kind records, what squad runs itself, and what it finds when proof has changed.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, violations};

/// Makes a board on which scout holds `t-1`, with a clone at its head.
fn held() -> (Room, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    room.put(&[("report.txt", Some("all green\n")), ("run.log", Some("ok\n")), ("shot.png", Some("\u{89}PNG\n"))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    (room, clone)
}

fn complete(clone: &Checkout, with: &str) -> Value {
    clone.ok(&format!("complete t-1 --agent scout --deliverable x --summary y {with}"))
}

/// SHA-256 of `all green\n`.
const ALL_GREEN: &str = "1eef57a46547bb733838e27741c428a371e0c7d37124c9dec3e7fad74b03f01d";

#[test]
fn a_command_that_squad_runs_is_recorded_with_its_words_exit_output_and_commit() {
    let (room, clone) = held();
    let head = clone.git("rev-parse HEAD");
    let answer = complete(&clone, "--run 'git --version'");
    let task = room.task("t-1");
    let evidence = &task["evidence"][0];
    assert_eq!(evidence["kind"], "command");
    let argv = crate::kit::strings(&evidence["argv"]).join(" ");
    assert!(argv.contains("git --version"), "{evidence}");
    assert_eq!(evidence["exitCode"], 0);
    assert_eq!(evidence["sha256"].as_str().map(str::len), Some(64), "{evidence}");
    assert_eq!(evidence["bytes"].as_u64(), Some(u64::try_from(clone.git("--version").len()).unwrap() + 1));
    assert_eq!(evidence["commit"], head.as_str());
    assert_eq!(evidence["by"], "scout");
    assert_eq!(evidence["epoch"], 1);
    assert_eq!(answer["evidence"][0]["id"], evidence["id"]);
}

#[test]
fn a_command_that_runs_over_changed_files_says_so() {
    let (room, clone) = held();
    clone.write("src/main.txt", "changed\n");
    complete(&clone, "--run 'git --version'");
    assert_eq!(room.task("t-1")["evidence"][0]["dirty"], true);
}

#[test]
fn a_command_that_fails_refuses_the_completion() {
    let (room, clone) = held();
    let before = room.refs();
    let line = "complete t-1 --agent scout --deliverable x --summary y --run 'git rev-parse --verify no-such-ref'";
    let ran = clone.json(line).exits(5);
    assert!(ran.stdout.contains("no-such-ref"), "it names the command: {ran}");
    assert_eq!(room.refs(), before);
    assert_eq!(room.task("t-1")["status"], "in-progress");
}

#[test]
fn a_command_that_does_not_exist_refuses_the_completion() {
    let (room, clone) = held();
    let before = room.refs();
    let ran = clone.json("complete t-1 --agent scout --deliverable x --summary y --run no-such-program-anywhere").0;
    assert_ne!(ran.code, 0, "{ran}");
    assert_eq!(room.refs(), before);
}

#[cfg(unix)]
#[test]
fn a_command_that_leaves_something_running_is_not_waited_for() {
    let (room, clone) = held();
    let begun = std::time::Instant::now();
    complete(&clone, "--run 'echo ready; sleep 60 & exit 0'");
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(room.task("t-1")["evidence"][0]["bytes"], 6, "what it said is there");
}

#[test]
fn files_carry_their_digest_and_size() {
    let (room, clone) = held();
    complete(&clone, "--evidence file:report.txt --evidence log:run.log --evidence screenshot:shot.png");
    let task = room.task("t-1");
    let evidence = task["evidence"].as_array().unwrap();
    let kinds: Vec<_> = evidence.iter().map(|piece| piece["kind"].clone()).collect();
    assert_eq!(kinds, ["file", "log", "screenshot"]);
    assert_eq!(evidence[0]["path"], "report.txt");
    assert_eq!(evidence[0]["sha256"], ALL_GREEN);
    assert_eq!(evidence[0]["bytes"], 10);
}

#[test]
fn commits_and_differences_are_recorded_by_what_they_named() {
    let (room, clone) = held();
    let (head, parent) = (clone.git("rev-parse HEAD"), clone.git("rev-parse HEAD~1"));
    complete(&clone, "--evidence commit:HEAD --evidence diff:HEAD~1..HEAD --evidence url:https://example.test/pr/1");
    let task = room.task("t-1");
    assert_eq!(task["evidence"][0]["rev"], "HEAD");
    assert_eq!(task["evidence"][0]["oid"], head.as_str());
    assert_eq!(task["evidence"][1]["from"], parent.as_str());
    assert_eq!(task["evidence"][1]["to"], head.as_str());
    assert_eq!(task["evidence"][2]["url"], "https://example.test/pr/1");
}

#[test]
fn evidence_that_is_not_there_or_outside_is_refused() {
    let (room, clone) = held();
    room.at("home").write("secret.txt", "outside\n");
    let before = room.refs();
    for evidence in [
        "file:../home/secret.txt",
        "file:/etc/hostname",
        "file:src/../../home/secret.txt",
        "file:.git/config",
        "file:src",
        "file:nowhere.txt",
        "log:nowhere.log",
        "commit:no-such-rev",
        "diff:HEAD..no-such-rev",
        "url:javascript:alert(1)",
        "commit:--output=x",
        "file:",
        "none",
    ] {
        let line = ["complete", "t-1", "--agent", "scout", "--deliverable", "x", "--summary", "y", "--json"];
        let mut line: Vec<_> = line.map(str::to_owned).into();
        line.push(format!("--evidence={evidence}"));
        let ran = clone.squad_args(&line).0;
        assert!(matches!(ran.code, 2..=5), "{evidence}: {ran}");
        assert!(!ran.stdout.contains("outside\n"), "{evidence}: {ran}");
        assert_eq!(room.refs(), before, "{evidence}");
    }
    assert!(!clone.dir.join("x").exists());
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_repository_is_no_evidence() {
    let (room, clone) = held();
    room.at("home").write("secret.txt", "outside\n");
    std::os::unix::fs::symlink(room.path().join("home/secret.txt"), clone.dir.join("link.txt")).unwrap();
    let before = room.refs();
    let ran = clone.json("complete t-1 --agent scout --deliverable x --summary y --evidence file:link.txt").0;
    assert_ne!(ran.code, 0, "{ran}");
    assert_eq!(room.refs(), before);
}

#[test]
fn nobody_confirms_work_whose_proof_is_gone_or_another() {
    let (room, clone) = held();
    clone.ok("submit t-1 --agent scout --deliverable d --summary s --evidence file:report.txt");
    let report = clone.read("report.txt");
    for (state, change) in [("is not here", None), ("is no longer what it was", Some("all red\n"))] {
        room.put(&[("report.txt", change)]);
        let _ = std::fs::remove_file(clone.dir.join("report.txt"));
        let error = clone.refused("verify t-1 --agent aria", 4, "invalid");
        assert!(error["why"].as_str().is_some_and(|why| why.contains("report.txt") && why.contains(state)), "{error}");
        assert_eq!(room.task("t-1")["status"], "review");
    }
    room.put(&[("report.txt", Some(report))]);
    clone.ok("verify t-1 --agent aria");
    assert_eq!(room.task("t-1")["status"], "completed");
}

#[test]
fn check_finds_evidence_that_has_changed_since() {
    let (room, clone) = held();
    complete(&clone, "--evidence file:report.txt");
    clone.ok("check");
    assert_eq!(clone.ok("show t-1")["evidenceFaults"], serde_json::json!([]));
    room.put(&[("report.txt", Some("all red\n"))]);
    let ran = clone.json("check").0;
    let found = violations(&ran.json());
    assert!(found.iter().any(|violation| violation.to_string().contains("report.txt")), "{ran}");
    let shown = clone.ok("show t-1");
    assert!(shown["evidenceFaults"].to_string().contains("report.txt"), "show tells it too: {shown}");
}

#[test]
fn open_subtasks_refuse_a_completion_unless_a_reason_is_given() {
    let (room, clone) = held();
    clone.ok("subtask add t-1 'write the docs' --agent scout");
    let hand_in = "--deliverable x --summary y --evidence url:https://example.test";
    let before = room.refs();
    let ran = clone.json(&format!("complete t-1 --agent scout {hand_in}")).exits(5);
    assert!(ran.stdout.contains("write the docs") || ran.stdout.contains("sub-"), "it names what is open: {ran}");
    assert_eq!(room.refs(), before);
    clone.ok(&format!("complete t-1 --agent scout {hand_in} --open-ok 'docs are another task'"));
}
