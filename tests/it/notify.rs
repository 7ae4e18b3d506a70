//! Commands of the clone that are told what concerns others: what they get, and that nothing of them does harm.
#![cfg(unix)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task};

const ASK: &str =
    "--kind human --reason 'which oil' --need 'the oil' --question 'Which oil?' --option olive --option whale";

/// Makes a command of the clone that stores what it is told, a line each.
fn store(clone: &Checkout) -> impl Fn() -> Vec<Value> + use<> {
    let file = clone.dir.with_file_name("told");
    clone.git(&format!("config --add squad.notify 'cat >> {}'", file.display()));
    move || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a notice is JSON on one line")).collect()
    }
}

/// Returns a board with two tasks of scout's, `t-1` claimed, `t-2` critical and claimed.
fn claimed() -> (Room, Checkout) {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "category": "dev"})),
        hand_task("t-2", json!({"assigned": "scout", "category": "marketing", "priority": "critical"})),
    ]);
    let clone = room.clone_as("scout");
    for id in ["t-1", "t-2"] {
        clone.ok(&format!("claim {id} --agent scout"));
    }
    (room, clone)
}

#[test]
fn a_block_is_told_to_the_manager_of_the_domain_with_question_and_answers() {
    let (_room, clone) = claimed();
    let told = store(&clone);
    let answer = clone.ok(&format!("block t-1 --agent scout {ASK}"));
    assert_eq!(answer.get("warnings"), None, "{answer}");
    let [notice] = &told()[..] else { panic!("one notice: {:?}", told()) };
    assert_eq!((&notice["v"], &notice["event"], &notice["task"]), (&json!(1), &json!("blocked"), &json!("t-1")));
    assert_eq!(notice["to"], json!(["knox"]));
    assert_eq!(notice["sentence"], "[t-1] Work on t-1: blocked by scout: which oil – Which oil? (olive / whale)");
    assert_eq!(notice["question"], "Which oil?");
    assert_eq!((&notice["options"], &notice["needs"]), (&json!(["olive", "whale"]), &json!(["the oil"])));
    assert_eq!((&notice["commit"], &notice["actor"]), (&answer["receipt"]["commit"], &json!("scout")));
}

#[test]
fn what_is_critical_goes_to_those_above_as_well() {
    let (_room, clone) = claimed();
    let told = store(&clone);
    clone.ok(&format!("block t-2 --agent scout {ASK}"));
    clone.ok("new 'Put out the fire' --id t-3 --priority critical --assigned aria --category dev --agent knox");
    clone.ok("new 'Sweep' --id t-4 --assigned aria --agent knox");
    clone.ok("new 'Whose?' --id t-5 --priority critical --agent knox");
    let rows: Vec<_> = told().iter().map(|n| (n["event"].clone(), n["task"].clone(), n["to"].clone())).collect();
    assert_eq!(
        rows,
        [
            (json!("blocked"), json!("t-2"), json!(["hex", "olga", "sterling"])),
            (json!("critical"), json!("t-3"), json!(["aria", "hex", "olga"])),
        ]
    );
}

#[test]
fn failures_and_requests_for_a_verdict_are_told_with_their_words() {
    let (room, clone) = claimed();
    room.configure(|config| config["limits"] = json!({"attempts": 1}));
    let told = store(&clone);
    clone.ok("fail t-1 --agent scout --cause memory --error 'out of memory'");
    clone.ok("request-complete t-2 --agent scout --note 'it burns'");
    let notices = told();
    let words: Vec<_> = notices.iter().map(|n| n["sentence"].as_str().unwrap()).collect();
    assert_eq!(words[0], "[t-1] Work on t-1: failed too often, last by memory: out of memory");
    assert_eq!((&notices[0]["event"], &notices[0]["kind"]), (&json!("blocked"), &json!("failure")));
    assert_eq!((&notices[0]["cause"], &notices[0]["error"]), (&json!("memory"), &json!("out of memory")));
    assert_eq!(words[1], "[t-2] Work on t-2: scout says it is done and asks for a verdict: it burns");
    assert_eq!(notices[1]["event"], "completion-request");
}

#[test]
fn a_command_that_hangs_is_ended_and_the_change_stands() {
    let (room, clone) = claimed();
    clone.git("config squad.notify 'sleep 600'");
    clone.git("config squad.notifySeconds 1");
    let begun = Instant::now();
    let ran = clone.json(&format!("block t-1 --agent scout {ASK}")).ok();
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(room.task("t-1")["status"], "blocked");
    let said = "1 notice not delivered: the command of git config squad.notify was ended after 1 s";
    assert_eq!(ran.json()["warnings"], json!([said]), "{ran}");
}

#[test]
fn a_command_that_fails_is_told_of_and_keeps_nothing_from_the_others() {
    let (room, clone) = claimed();
    clone.git("config --add squad.notify 'echo no line >&2; exit 3'");
    let told = store(&clone);
    let ran = clone.squad(&format!("block t-1 --agent scout {ASK}")).ok();
    let said = "1 notice not delivered: the command of git config squad.notify failed with exit code 3: no line";
    assert!(ran.stderr.contains(said), "{ran}");
    assert_eq!((told().len(), &room.task("t-1")["status"]), (1, &json!("blocked")));
}

#[test]
fn a_dry_run_and_a_refusal_tell_nobody() {
    let (_room, clone) = claimed();
    let told = store(&clone);
    clone.ok(&format!("block t-1 --agent scout {ASK} --dry-run"));
    clone.json(&format!("block t-1 --agent scout {}", ASK.replace("--option whale", ""))).fails(5, "missing-field");
    clone.ok("comment t-1 'nobody needs to know' --agent scout");
    assert_eq!(told(), Vec::<Value>::new());
}

#[test]
fn a_hostile_title_is_data_and_no_part_of_a_command() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    let told = store(&clone);
    let title = "'; touch pwned; $(touch pwned) `touch pwned` \" | touch pwned #";
    clone.squad_args(&["new", title, "--id", "t-1", "--priority", "critical", "--assigned", "scout"]).ok();
    assert_eq!(told()[0]["title"], title);
    let pwned = [&clone.dir, &room.path().to_owned()].map(|dir| dir.join("pwned").exists());
    assert_eq!(pwned, [false, false]);
}

#[test]
fn a_command_that_was_pushed_with_the_board_is_not_run() {
    let (room, clone) = claimed();
    let mark = room.path().join("pwned");
    let line = format!("touch {}", mark.display());
    room.configure(|config| {
        config["notify"] = json!([line]);
        config["squad.notify"] = json!(line);
    });
    room.put(&[(".gitconfig", Some(format!("[squad]\n\tnotify = {line}\n")))]);
    clone.git("pull --quiet");
    // The key that squad does not know may make it say so, but runs nothing.
    clone.squad(&format!("block t-1 --agent scout {ASK}")).ok();
    assert_eq!(room.task("t-1")["status"], "blocked");
    assert!(!mark.exists(), "a pushed command was run");
}

#[test]
fn what_waited_for_the_remote_is_told_once_it_is_there() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    clone.ok("status");
    let told = store(&clone);
    clone.ok("new 'Put out the fire' --id t-1 --priority critical --assigned aria --queue --offline");
    assert_eq!(told(), Vec::<Value>::new(), "nothing has happened yet");
    clone.ok("sync");
    assert_eq!(told().iter().map(|n| n["event"].clone()).collect::<Vec<_>>(), [json!("critical")]);
    clone.ok("sync");
    assert_eq!(told().len(), 1);
}
