//! `run` with several tasks in hand: at once, in slices, within the limits of agent and machine.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task};
use crate::running::{DONE, begin, interrupt, lives, outcomes, run, until, worktrees};

/// Lets a command work until it is asked to yield, twice; the third time it is done.
const THREE_SLICES: &str = r#"
echo "$SQUAD_TASK" >> "$TURNS"; cat "$SQUAD_BRIEF" > "$TURNS.brief"
echo more >> work
if [ "$(wc -l < work)" -ge 3 ]; then rm work; printf '{"outcome":"done","summary":"did it","deliverable":"x"}' > "$SQUAD_RESULT"; exit; fi
while [ ! -e "$SQUAD_YIELD_FILE" ]; do sleep 0.02; done
printf '{"outcome":"yielded","summary":"a third"}' > "$SQUAD_RESULT""#;

fn answer(runner: Child) -> Value {
    let output = runner.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The command finds where it notes its turns.
fn noting(clone: &Checkout, script: &str) -> String {
    format!("TURNS={}\n{script}", clone.dir.join("turns").display())
}

fn turns(clone: &Checkout) -> Vec<String> {
    clone.read("turns").lines().map(str::to_owned).collect()
}

fn tasks(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| hand_task(name, json!({}))).collect()
}

#[test]
fn a_quick_task_ends_while_a_slow_one_runs_and_each_has_a_process_of_its_own() {
    let room = Room::with_tasks(&[hand_task("a-slow", json!({"priority": "high"})), hand_task("b-quick", json!({}))]);
    let clone = room.clone_as("olga");
    let here = clone.dir.display();
    let script = format!(
        r#"echo $SQUAD_TASK $$ >> {here}/pids
while [ $SQUAD_TASK = a-slow ] && [ ! -e {here}/go ]; do sleep 0.02; done
{DONE}"#
    );
    let runner = begin(&clone, "--until-idle --limit 2", &script);
    until("the quick one is done", || room.task("b-quick")["status"] == "completed");
    assert_eq!(room.task("a-slow")["status"], "in-progress");
    clone.write("go", "");
    let answer = answer(runner);
    assert_eq!(outcomes(&answer), ["completed", "completed"], "{answer}");
    let pids: BTreeMap<_, _> = clone
        .read("pids")
        .lines()
        .map(|l| l.rsplit_once(' ').unwrap())
        .map(|(t, p)| (p.to_owned(), t.to_owned()))
        .collect();
    assert_eq!(pids.len(), 2, "{pids:?}");
    assert_eq!(worktrees(&clone), 1);
}

#[test]
fn one_sign_of_life_names_every_task_that_is_in_hand() {
    let room = Room::with_tasks(&tasks(&["a", "b"]));
    let clone = room.clone_as("olga");
    let runner = begin(
        &clone,
        "--until-idle --limit 2",
        &format!("while [ ! -e {}/go ]; do sleep 0.02; done; {DONE}", clone.dir.display()),
    );
    let scout = || {
        let answer = clone.ok("agents");
        let agents = answer["agents"].as_array().unwrap().clone();
        agents.into_iter().find(|agent| agent["name"] == "scout").unwrap()
    };
    let files = || {
        std::fs::read_dir(clone.dir.join(".git/squad/presence/scout")).map_or(0, |files| {
            files
                .flatten()
                .filter(|f| {
                    std::fs::read_to_string(f.path())
                        .is_ok_and(|text| text.contains(r#""task":"a""#) && text.contains(r#""task":"b""#))
                })
                .count()
        })
    };
    until("both are in hand", || files() == 1);
    assert_eq!(scout()["state"], "working");
    clone.write("go", "");
    assert_eq!(outcomes(&answer(runner)), ["completed", "completed"]);
    until("nobody says to be there", || {
        std::fs::read_dir(clone.dir.join(".git/squad/presence/scout")).map_or(0, Iterator::count) == 0
    });
}

#[test]
fn a_task_whose_slice_is_over_lets_another_have_its_turn_and_goes_on_where_it_was() {
    let room = Room::with_tasks(&[hand_task("a-long", json!({"priority": "high"})), hand_task("b-other", json!({}))]);
    let clone = room.clone_as("olga");
    let script = noting(
        &clone,
        &format!(r#"if [ $SQUAD_TASK = b-other ]; then echo b-other >> "$TURNS"; {DONE}; exit; fi{THREE_SLICES}"#),
    );
    let answer = run(&clone, "--until-idle --slice 1s", &script);
    assert_eq!(turns(&clone), ["a-long", "b-other", "a-long", "a-long"]);
    assert_eq!(outcomes(&answer), ["yielded", "completed", "yielded", "completed"], "{answer}");
    let brief: Value = serde_json::from_str(&clone.read("turns.brief")).unwrap();
    assert_eq!((&brief["before"]["slices"], &brief["before"]["summary"]), (&json!(2), &json!("a third")), "{brief}");
    assert!(brief["before"]["spentMs"].as_u64().unwrap() >= 2000, "{brief}");
    let task = room.task("a-long");
    assert_eq!((&task["status"], &task["completedBy"]), (&json!("completed"), &json!("scout")), "{task}");
    let log = clone.ok("log a-long");
    let verbs: Vec<_> =
        log["receipts"].as_array().unwrap().iter().map(|r| r["verb"].as_str().unwrap().to_owned()).collect();
    let count = |verb: &str| verbs.iter().filter(|v| *v == verb).count();
    assert_eq!((count("claim"), count("progress")), (1, 2), "one claim, and each slice renews its lease: {verbs:?}");
    assert_eq!(worktrees(&clone), 1, "nothing is left");
}

#[test]
fn the_next_process_of_the_agent_goes_on_with_what_the_last_one_has_left() {
    let room = Room::with_tasks(&tasks(&["a", "b"]));
    let clone = room.clone_as("olga");
    let script = noting(&clone, THREE_SLICES);
    for outcome in ["yielded", "yielded", "completed"] {
        let answer = run(&clone, "--once --slice 1s", &script);
        assert_eq!(
            (outcomes(&answer), &answer["results"][0]["task"]),
            (vec![outcome.to_owned()], &json!("a")),
            "{answer}"
        );
    }
    assert_eq!(turns(&clone), ["a", "a", "a"]);
}

#[test]
fn all_slices_of_a_task_have_one_time_and_nobody_yields_unasked() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let asked =
        r#"while [ ! -e "$SQUAD_YIELD_FILE" ]; do sleep 0.02; done; echo '{"outcome":"yielded"}' > "$SQUAD_RESULT""#;
    let answer = run(&clone, "--until-idle --slice 1s --timeout 2s", asked);
    assert_eq!(outcomes(&answer), ["yielded", "failed"], "{answer}");
    assert_eq!(answer["results"][1]["cause"], "timeout", "{answer}");
    let room = Room::with_tasks(&tasks(&["a"]));
    let answer = run(&room.clone_as("olga"), "--once", r#"echo '{"outcome":"yielded"}' > "$SQUAD_RESULT""#);
    assert_eq!(outcomes(&answer), ["failed"], "{answer}");
    assert!(answer["results"][0]["error"].as_str().unwrap().contains("nobody had asked"), "{answer}");
}

#[test]
fn what_was_to_go_on_is_given_back_where_somebody_ends_the_runner() {
    let room = Room::with_tasks(&tasks(&["a", "b"]));
    let clone = room.clone_as("olga");
    let script = noting(
        &clone,
        &format!(r#"if [ $SQUAD_TASK = b ]; then echo b >> "$TURNS"; sleep 1; {DONE}; exit; fi{THREE_SLICES}"#),
    );
    let runner = begin(&clone, "--until-idle --slice 1s", &script);
    until("the other has its turn", || clone.dir.join("turns").exists() && turns(&clone).len() == 2);
    interrupt(&runner);
    let answer = answer(runner);
    assert_eq!(outcomes(&answer), ["yielded", "completed", "released"], "{answer}");
    let kept = answer["results"][2]["worktree"].as_str().expect("its work is nowhere else");
    assert!(kept.contains("worktrees/a-1"), "{kept}");
    let task = room.task("a");
    assert_eq!((&task["status"], &task["claim"]), (&json!("backlog"), &Value::Null), "{task}");
}

#[test]
fn a_machine_runs_no_more_commands_at_once_than_its_user_allows() {
    let room = Room::with_tasks(&tasks(&["a", "b", "c"]));
    let (one, other) = (room.clone_as("olga"), room.clone_as("knox"));
    for clone in [&one, &other] {
        clone.git("config squad.maxRuns 1");
    }
    let slow = format!("touch {}/runs; while [ ! -e {0}/go ]; do sleep 0.02; done; {DONE}", one.dir.display());
    let runner = begin(&one, "--until-idle --limit 3", &slow);
    until("one runs", || one.dir.join("runs").exists());
    let ran = other.squad_args(&["run", "--once", "--agent", "knox", "--json", "--", "false"]).ok();
    assert_eq!(ran.json()["results"], json!([]), "the machine is busy: {}", ran.stderr);
    assert!(ran.stderr.contains("squad.maxRuns"), "{}", ran.stderr);
    let mut waiting = other.command(env!("CARGO_BIN_EXE_squad"));
    waiting.args(["run", "--until-idle", "--agent", "knox", "--", "false"]).stdin(Stdio::null()).stderr(Stdio::piped());
    let waiting = waiting.stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(7));
    interrupt(&waiting);
    let said = String::from_utf8(waiting.wait_with_output().unwrap().stderr).unwrap();
    assert_eq!(said.matches("squad.maxRuns").count(), 1, "it waits, and says so once: {said}");
    let working = || one.ok("list --status in-progress")["total"].as_u64();
    assert_eq!(working(), Some(1));
    one.write("go", "");
    assert_eq!(outcomes(&answer(runner)), ["completed"; 3]);
    other.git("config squad.maxRuns none");
    other.refused("run --once --agent knox -- true", 4, "invalid");
}

#[test]
fn an_agent_runs_no_more_at_once_than_the_board_lets_it_hold() {
    let room = Room::with_tasks(&tasks(&["a", "b", "c"]));
    room.configure(|config| config["limits"] = json!({"claimsPerAgent": 2}));
    let clone = room.clone_as("olga");
    let here = clone.dir.display();
    let script = format!("echo x >> {here}/begun; while [ ! -e {here}/go ]; do sleep 0.02; done; {DONE}");
    let runner = begin(&clone, "--until-idle --limit 3", &script);
    until("two run", || clone.dir.join("begun").exists() && clone.read("begun").lines().count() == 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(clone.read("begun").lines().count(), 2);
    clone.write("go", "");
    assert_eq!(outcomes(&answer(runner)), ["completed"; 3]);
}

#[test]
fn a_runner_that_is_told_no_end_waits_for_tasks_and_outlasts_a_remote_that_is_away() {
    let room = Room::with_tasks(&[]);
    let clone = room.clone_as("olga");
    let mut runner = begin(&clone, "", DONE);
    let state = || clone.ok("agents").to_string();
    until("it waits", || state().contains("waiting"));
    room.put_tasks(&tasks(&["a"]));
    until("what comes is done", || room.task("a")["status"] == "completed");
    room.lose_remote();
    std::thread::sleep(Duration::from_secs(2));
    assert!(runner.try_wait().unwrap().is_none(), "it does not give up");
    room.regain_remote();
    room.put_tasks(&tasks(&["b"]));
    until("what comes later is done as well", || room.task("b")["status"] == "completed");
    interrupt(&runner);
    assert_eq!(outcomes(&answer(runner)), ["completed", "completed"]);
}

#[test]
fn what_begins_is_told_with_task_agent_and_log() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let ran = clone.squad_args(&["run", "--once", "--agent", "scout", "--", "sh", "-c", DONE]).ok();
    let line = ran.stderr.lines().find(|line| line.contains("begun")).expect("it is told");
    assert!(line.contains("a  begun by scout") && line.contains("squad/logs/scout/a-1-"), "{line}");
    assert_eq!(ran.stdout, "a  completed\n");
}

#[test]
fn work_that_was_done_counts_though_its_command_left_processes_behind() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let script = format!("setsid sleep 600 & echo $! > {}/pid; {DONE}", clone.dir.display());
    let answer = run(&clone, "--once", &script);
    assert_eq!(
        (outcomes(&answer), &answer["results"][0]["leaked"]),
        (vec!["completed".to_owned()], &json!(1)),
        "{answer}"
    );
    assert!(!lives(&clone.read("pid")), "they have ended");
}

#[test]
fn the_worktrees_of_runs_go_where_this_clone_wants_them() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let place = room.path().join("elsewhere");
    clone.git(&format!("config squad.worktrees {}", place.display()));
    let script = format!("pwd > {}/dir; {DONE}", clone.dir.display());
    assert_eq!(outcomes(&run(&clone, "--once", &script)), ["completed"]);
    assert_eq!(clone.read("dir").trim(), place.join("a-1").display().to_string());
    assert_eq!((std::fs::read_dir(&place).unwrap().count(), worktrees(&clone)), (0, 1), "nothing is left");
}

#[test]
fn a_result_that_wants_a_review_is_handed_in_for_one() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let answer =
        run(&clone, "--once", r#"echo '{"outcome":"review","summary":"look","deliverable":"x"}' > "$SQUAD_RESULT""#);
    assert_eq!(outcomes(&answer), ["review"], "{answer}");
    assert_eq!(room.task("a")["status"], "review");
}

#[test]
fn a_command_whose_task_was_taken_away_is_ended_and_writes_nothing() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let here = clone.dir.display();
    let runner = begin(&clone, "--once", &format!("echo $$ > {here}/pid; sleep 600; {DONE}"));
    until("it runs", || clone.dir.join("pid").exists());
    room.clone_as("knox").ok("release a --note mine --agent scout");
    let answer = answer(runner);
    assert_eq!(outcomes(&answer), ["lost"], "{answer}");
    let task = room.task("a");
    assert_eq!((&task["status"], &task["attempt"]), (&json!("backlog"), &Value::Null), "{task}");
}

#[test]
fn after_a_kill_between_two_slices_the_next_run_is_told_of_the_last_progress() {
    let room = Room::with_tasks(&tasks(&["a"]));
    let clone = room.clone_as("olga");
    let script = noting(&clone, THREE_SLICES);
    let mut runner = begin(&clone, "--until-idle --slice 1s", &script);
    until("the second slice runs", || clone.dir.join("turns").exists() && turns(&clone).len() == 2);
    runner.kill().unwrap();
    runner.wait().unwrap();
    let told = format!("cat > {}/told; {DONE}", clone.dir.display());
    let answer = run(&clone, "--until-idle", &told);
    assert_eq!(outcomes(&answer), ["completed"], "{answer}");
    let brief: Value = serde_json::from_str(&clone.read("told")).unwrap();
    assert_eq!(brief["task"]["progress"]["step"], "a third", "{brief}");
    assert_eq!(brief["before"], Value::Null, "it is a claim of its own: {brief}");
    let left = |folder: &str| std::fs::read_dir(clone.dir.join(folder)).map_or(0, Iterator::count);
    assert_eq!((left(".git/squad/runs/locks"), left(".git/squad/runs")), (0, 1), "no record is left");
}
