//! `run`: a command does one task after the other, each in a worktree and a process tree of its own.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, minutes_ago, race, strings};

/// A command that hands its task in as done.
pub const DONE: &str =
    r#"echo working; printf '{"outcome":"done","summary":"did it","deliverable":"x"}' > "$SQUAD_RESULT""#;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(clone: &Checkout, flags: &str, script: &str) -> Value {
    let mut args: Vec<&str> = vec!["run"];
    args.extend(flags.split_whitespace());
    args.extend(["--agent", "scout", "--json", "--", "sh", "-c", script]);
    clone.squad_args(&args).ok().json()
}

pub fn begin(clone: &Checkout, flags: &str, script: &str) -> Child {
    let mut command = clone.command(env!("CARGO_BIN_EXE_squad"));
    command.arg("run").args(flags.split_whitespace()).args(["--agent", "scout", "--json", "--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("squad starts")
}

#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

pub fn outcomes(answer: &Value) -> Vec<String> {
    let results = answer["results"].as_array().expect("results");
    results.iter().map(|ran| ran["outcome"].as_str().expect("an outcome").to_owned()).collect()
}

pub fn worktrees(clone: &Checkout) -> usize {
    clone.git("worktree list --porcelain").lines().filter(|line| line.starts_with("worktree ")).count()
}

#[test]
fn a_command_that_leaves_a_result_completes_its_task_with_proof() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let answer = run(&clone, "--once", DONE);
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    let ran = &answer["results"][0];
    assert_eq!(
        (&ran["task"], &ran["exitCode"], &ran["signal"], &ran["attempt"]),
        (&json!("t-1"), &json!(0), &json!(null), &json!(1))
    );
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["completedBy"]), (&json!("completed"), &json!("scout")), "{task}");
    let proof = &task["evidence"][0];
    assert_eq!((&proof["kind"], &proof["exitCode"]), (&json!("command"), &json!(0)), "{task}");
    assert_eq!(worktrees(&clone), 1, "its worktree held nothing and is gone");
    assert_eq!(clone.squad("run --once --agent scout -- false").ok().stdout, "HEARTBEAT_OK\n");
}

#[test]
fn without_a_result_or_with_one_that_makes_no_sense_the_run_has_failed() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let answer = run(&clone, "--once", "true");
    assert_eq!(outcomes(&answer), ["failed"], "{answer}");
    assert!(room.task("t-1")["lastError"]["message"].as_str().unwrap().contains("no result"), "{answer}");
    let room = Room::with_tasks(&[hand_task("t-2", json!({}))]);
    let answer = run(&room.clone_as("olga"), "--once", r#"echo '{"outcome":"fine"}' > "$SQUAD_RESULT""#);
    assert_eq!(outcomes(&answer), ["failed"], "{answer}");
    assert_eq!(room.task("t-2")["status"], "backlog");
    for said in [r#""error":"""#, r#""error":"'$(head -c 200000 /dev/zero | tr "\0" x)'""#, r#""error":"a\u001bb""#] {
        let room = Room::with_tasks(&[hand_task("t-3", json!({}))]);
        let script = format!(r#"echo '{{"outcome":"failed",{said}}}' > "$SQUAD_RESULT""#);
        let answer = run(&room.clone_as("olga"), "--once", &script);
        assert_eq!(outcomes(&answer), ["failed"], "{said}: {answer}");
        let message = room.task("t-3")["lastError"]["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty() && message.len() <= 2000 && !message.contains('\u{1b}'), "{said}: {message}");
    }
}

#[test]
fn a_task_that_fails_three_times_is_blocked_with_its_error() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let script = "echo cannot read plan.md: No such file or directory; exit 3";
    for attempt in 1..=3 {
        let answer = run(&clone, "--once", script);
        assert_eq!(answer["results"][0]["attempt"], attempt, "{answer}");
        assert_eq!(answer["results"][0]["exitCode"], 3, "{answer}");
        let task = room.task("t-1");
        assert_eq!(task["lastError"]["cause"], "missing-file", "{task}");
        assert_eq!(task["status"], if attempt < 3 { "backlog" } else { "blocked" }, "{task}");
        if attempt < 3 {
            // The pause between two attempts is over.
            let mut task = task;
            task["retryAt"] = json!(minutes_ago(1));
            room.put_tasks(&[task]);
        }
    }
    let task = room.task("t-1");
    assert_eq!(task["block"]["kind"], "failure", "{task}");
    assert!(task["blockedBy"].as_str().unwrap().contains("plan.md"), "{task}");
    assert!(task["lastError"]["message"].as_str().unwrap().contains("plan.md"), "{task}");
}

#[test]
fn a_command_that_does_not_end_in_time_is_ended_though_it_ignores_term() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let pid = clone.dir.join("pid");
    let script = format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done", pid.display());
    let answer = run(&clone, "--once --timeout 1s", &script);
    assert_eq!((&answer["results"][0]["cause"], &outcomes(&answer)[0][..]), (&json!("timeout"), "failed"), "{answer}");
    assert!(!lives(&std::fs::read_to_string(pid).unwrap()));
    assert_eq!(room.task("t-1")["lastError"]["cause"], "timeout");
}

#[test]
fn a_task_that_waits_for_a_person_is_blocked_and_the_next_one_is_done() {
    let room = Room::with_tasks(&[hand_task("a-ask", json!({"priority": "high"})), hand_task("b-do", json!({}))]);
    let clone = room.clone_as("olga");
    let script = format!(
        r#"if [ "$SQUAD_TASK" = a-ask ]; then echo '{{"outcome":"blocked","block":{{"kind":"human","reason":"two ways","needs":["a decision"],"question":"Which?","options":["one","two"]}}}}' > "$SQUAD_RESULT"; else {DONE}; fi"#
    );
    let answer = run(&clone, "--until-idle", &script);
    assert_eq!(outcomes(&answer), ["blocked", "completed"], "{answer}");
    let task = room.task("a-ask");
    assert_eq!((&task["block"]["kind"], &task["block"]["question"]), (&json!("human"), &json!("Which?")), "{task}");
    assert_eq!(strings(&task["block"]["options"]), ["one", "two"]);
}

#[test]
fn the_command_is_told_of_task_agent_and_memory_and_of_no_secret() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"description": "all of it", "acceptance": ["it works"]}))]);
    let clone = room.clone_as("olga");
    clone.write("memory/scout/WORKING.md", "remember this\n");
    clone.git("config squad.env WANTED");
    let out = clone.dir.join("out");
    let script = format!("cat > {0}; cmp {0} \"$SQUAD_BRIEF\" && env > {0}.env; pwd > {0}.dir; {DONE}", out.display());
    let args = ["run", "--once", "--agent", "scout", "--", "sh", "-c", &script];
    clone.squad_with(&args, b"", &[("SECRET_KEY", "hidden"), ("WANTED", "yes")]).ok();
    let brief: Value = serde_json::from_str(&clone.read("out")).unwrap();
    assert_eq!((&brief["task"]["id"], &brief["task"]["description"]), (&json!("t-1"), &json!("all of it")), "{brief}");
    assert_eq!(
        (&brief["agent"]["name"], &brief["workingMemory"]["content"]),
        (&json!("scout"), &json!("remember this\n"))
    );
    assert!(brief["notice"].as_str().unwrap().contains("data"), "{brief}");
    let env = clone.read("out.env");
    let has = |line: &str| env.lines().any(|l| l.starts_with(line));
    for name in [
        "SQUAD_TASK=t-1",
        "SQUAD_AGENT=scout",
        "SQUAD_EPOCH=1",
        "SQUAD_RUN=",
        "SQUAD_YIELD_FILE=",
        "SQUAD_REPO=",
        "WANTED=yes",
        "PATH=",
    ] {
        assert!(has(name), "{name}: {env}");
    }
    assert!(!env.contains("hidden"), "{env}");
    assert!(clone.read("out.dir").contains("worktrees/t-1-1"), "it works in a worktree of its own");
}

#[test]
fn a_worktree_with_work_in_it_is_kept_and_named() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({}))]);
    let clone = room.clone_as("olga");
    let script = format!(
        r#"if [ "$SQUAD_TASK" = t-1 ]; then echo new > file; else echo new > f && git add f && git -c user.name=a -c user.email=a@b.invalid commit -q -m f; fi; {DONE}"#
    );
    let answer = run(&clone, "--until-idle", &script);
    assert_eq!(outcomes(&answer), ["completed", "completed"], "{answer}");
    for (ran, file) in [(0, "file"), (1, "f")] {
        let kept = answer["results"][ran]["worktree"]
            .as_str()
            .expect("it is named")
            .replace("[ROOT]", &room.path().display().to_string());
        assert_eq!(std::fs::read_to_string(PathBuf::from(kept).join(file)).unwrap(), "new\n");
    }
    assert_eq!(clone.status(), "", "the caller's worktree is as it was");
}

#[test]
fn a_runner_that_is_killed_leaves_nobody_and_its_task_is_run_once_more() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let (pids, starts) = (clone.dir.join("pids"), clone.dir.join("starts"));
    let script = format!("echo x >> {}; echo $$ > {}; sleep 600", starts.display(), pids.display());
    let mut runner = begin(&clone, "--until-idle", &script);
    until("the command runs", || pids.exists() && std::fs::read_to_string(&pids).unwrap().ends_with('\n'));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let pid = std::fs::read_to_string(&pids).unwrap();
    until("nobody is left", || !lives(&pid));
    let recovered = clone.ok("recover --agent olga");
    assert_eq!(recovered["recovered"][0]["task"], "t-1", "{recovered}");
    assert_eq!(room.task("t-1")["status"], "backlog");
    let answer = run(&clone, "--until-idle", &format!("echo x >> {}; {DONE}", starts.display()));
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    assert_eq!(clone.read("starts"), "x\nx\n", "once before, once after");
}

#[test]
fn the_next_run_takes_back_what_a_killed_one_held() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let pids = clone.dir.join("pids");
    let mut runner = begin(&clone, "--once", &format!("echo $$ > {}; sleep 600", pids.display()));
    until("the command runs", || pids.exists() && std::fs::read_to_string(&pids).unwrap().ends_with('\n'));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let answer = run(&clone, "--once", DONE);
    assert!(!lives(&std::fs::read_to_string(&pids).unwrap()));
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    assert_nothing_is_left(&clone);
}

/// Holds that nothing of a run is in the clone, worktrees without work among it.
#[track_caller]
fn assert_nothing_is_left(clone: &Checkout) {
    assert_eq!(clone.git("worktree list").lines().count(), 1);
    let files = |within: &str| {
        let entries = std::fs::read_dir(clone.dir.join(".git/squad").join(within)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().display().to_string()).filter(|name| name != "locks").collect::<Vec<_>>()
    };
    assert_eq!((files("runs"), files("worktrees")), (vec![], vec![]));
}

#[test]
fn a_worktree_that_was_half_made_when_its_runner_was_killed_is_cleared_away() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let pids = clone.dir.join("pids");
    let mut runner = begin(&clone, "--once", &format!("echo $$ > {}; sleep 600", pids.display()));
    until("the command runs", || pids.exists());
    runner.kill().unwrap();
    runner.wait().unwrap();
    // As git leaves it that is killed: locked, and without most of its files.
    let record = clone.dir.join(".git/squad/runs/t-1-1.json");
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&record).unwrap()).unwrap();
    kept["ready"] = json!(false);
    std::fs::write(&record, kept.to_string()).unwrap();
    clone.git("worktree lock .git/squad/worktrees/t-1-1");
    std::fs::remove_file(clone.dir.join(".git/squad/worktrees/t-1-1/.git")).unwrap();
    // A moment earlier, and git can read nothing of any worktree.
    std::fs::write(clone.dir.join(".git/worktrees/t-1-1/commondir"), "").unwrap();
    assert_eq!(outcomes(&run(&clone, "--once", DONE)), ["completed"]);
    assert_nothing_is_left(&clone);
}

#[test]
fn what_a_dead_process_was_told_is_no_leave_to_begin() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    // It has begun on the board, and perhaps elsewhere, and nobody has taken its answer away.
    let died = clone.squad_with(&["start", "t-1", "--agent", "scout"], b"", &[("SQUAD_FAIL_POINT", "pushed")]).0;
    assert_eq!(died.code, -1, "{died}");
    let answer = run(&clone, "--once", DONE);
    assert_eq!(outcomes(&answer), [""; 0], "{answer}");
    assert_eq!(room.task("t-1")["epoch"], 1);
}

#[test]
fn a_task_is_not_given_back_while_anybody_of_its_run_lives() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let pids = clone.dir.join("pids");
    // It needs to be killed, and the shim waits for as long as it may before it does that.
    let script = format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done", pids.display());
    let mut runner = begin(&clone, "--once", &script);
    until("the command runs", || pids.exists() && std::fs::read_to_string(&pids).unwrap().ends_with('\n'));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let pid = std::fs::read_to_string(&pids).unwrap();
    assert!(lives(&pid), "it ignores TERM");
    // Two at once: the second does not do behind the back of the first what that is not ready for.
    race(2, |_| {
        clone.ok("recover --agent olga");
        assert!(room.task("t-1")["status"] == "in-progress" || !lives(&pid));
    });
    assert_eq!(room.task("t-1")["status"], "backlog");
}

#[test]
fn ten_runners_of_one_clone_run_each_of_six_tasks_once() {
    let tasks: Vec<_> = (0..6).map(|n| hand_task(&format!("t-{n}"), json!({}))).collect();
    let room = Room::with_tasks(&tasks);
    room.configure(|config| config["limits"] = json!({"claimsPerAgent": 100}));
    let clone = room.clone_as("olga");
    let starts = clone.dir.join("starts");
    let script = format!("echo $SQUAD_TASK >> {}; sleep 0.2; {DONE}", starts.display());
    race(10, |_| run(&clone, "--until-idle", &script));
    let mut started: Vec<String> = clone.read("starts").lines().map(str::to_owned).collect();
    started.sort();
    assert_eq!(started, ["t-0", "t-1", "t-2", "t-3", "t-4", "t-5"]);
    for n in 0..6 {
        assert_eq!(room.task(&format!("t-{n}"))["status"], "completed");
    }
}

#[test]
fn many_runners_of_one_clone_that_begin_at_once_are_in_nobodys_way() {
    let tasks: Vec<_> = (0..8).map(|n| hand_task(&format!("t-{n}"), json!({}))).collect();
    let room = Room::with_tasks(&tasks);
    room.configure(|config| config["limits"] = json!({"claimsPerAgent": 100}));
    let clone = room.clone_as("olga");
    for answer in race(8, |_| run(&clone, "--once", DONE)) {
        assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    }
    assert_nothing_is_left(&clone);
}

#[test]
fn the_first_interrupt_lets_the_task_end_and_the_second_gives_it_back() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({}))]);
    let clone = room.clone_as("olga");
    let pids = clone.dir.join("pids");
    let wait = format!("echo $$ > {}; sleep 1; {DONE}", pids.display());
    let runner = begin(&clone, "--until-idle", &wait);
    until("the command runs", || pids.exists());
    interrupt(&runner);
    let answer: Value = serde_json::from_slice(&runner.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(outcomes(&answer), ["completed"], "one ended, none begun: {answer}");
    std::fs::remove_file(&pids).unwrap();
    let runner = begin(&clone, "--until-idle", &format!("echo $$ > {}; sleep 600", pids.display()));
    until("the command runs", || pids.exists());
    interrupt(&runner);
    std::thread::sleep(Duration::from_millis(300));
    interrupt(&runner);
    let answer: Value = serde_json::from_slice(&runner.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(outcomes(&answer), ["released"], "{answer}");
    let task = room.task("t-2");
    assert_eq!((&task["status"], &task["claim"]), (&json!("backlog"), &Value::Null), "{task}");
}

pub fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

#[test]
fn a_command_that_moves_its_task_by_itself_is_left_the_last_word() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let script = format!(
        "{} complete t-1 --deliverable x --summary y --evidence url:https://example.test && exit 1",
        env!("CARGO_BIN_EXE_squad")
    );
    let answer = run(&clone, "--once", &script);
    assert_eq!(outcomes(&answer), ["settled"], "{answer}");
    assert_eq!(room.task("t-1")["status"], "completed");
}

#[test]
fn without_a_command_nothing_is_claimed_and_the_board_cannot_name_one() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    room.configure(|config| config["runner"] = json!("touch pwned"));
    let clone = room.clone_as("olga");
    let before = room.head();
    let error = clone.refused("run --once --agent scout", 5, "missing-field");
    assert!(error["hint"].as_str().unwrap().contains("git config squad.runner"), "{error}");
    assert_eq!(room.head(), before);
    clone.git(r#"config squad.runner 'exit 7'"#);
    assert_eq!(clone.ok("run --once --agent scout")["results"][0]["exitCode"], 7);
}

#[test]
fn a_command_that_does_not_start_costs_the_task_nothing() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.refused("run --once --agent scout -- ./is-not-there", 4, "invalid");
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["attempt"]), (&json!("backlog"), &Value::Null), "{task}");
}
