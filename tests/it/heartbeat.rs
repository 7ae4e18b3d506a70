//! `heartbeat`: one tick, from one fetch and with one push at most.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Room, hand_task, hours_ago, ids};

#[test]
fn a_tick_with_nothing_to_do_says_so_and_pushes_nothing() {
    let room = Room::with_tasks(&[]);
    let clone = room.clone_as("scout");
    let pushes = room.count_pushes();
    let tick = clone.ok("heartbeat --agent scout");
    assert_eq!(tick["status"], "HEARTBEAT_OK", "{tick}");
    let states: Vec<(&str, &Value)> =
        ["board", "presence", "recovery", "files", "hygiene"].map(|name| (name, &tick["checks"][name]["state"])).into();
    assert!(states.iter().all(|(_, state)| **state == "ok"), "{states:?}");
    assert_eq!(pushes(), 0);
    assert_eq!(clone.squad("heartbeat --agent scout").ok().last_line(), "HEARTBEAT_OK");
}

#[test]
fn a_tick_brings_back_what_it_can_with_one_push_and_lists_it_at_once() {
    let external = json!({"kind": "external", "retryAt": 1, "backoffLevel": 0});
    let room = Room::with_tasks(&[
        hand_task("gone", json!({"assigned": "aria"})),
        hand_task("limited", json!({"status": "blocked", "assigned": "scout", "block": external})),
    ]);
    room.configure(|config| config["timing"] = json!({"unstartedSeconds": 1}));
    let clone = room.clone_as("scout");
    clone.ok("claim gone --agent aria");
    clone.ok("recover --agent hex --dry-run");
    thread::sleep(Duration::from_millis(2100));
    let pushes = room.count_pushes();
    let tick = clone.ok("heartbeat --agent scout");
    let mut brought = ids(&tick["recovered"]);
    brought.sort();
    assert_eq!(brought, ["gone", "limited"], "{tick}");
    assert_eq!(pushes(), 1);
    assert_eq!((&room.task("gone")["status"], &room.task("gone")["assigned"]), (&json!("backlog"), &json!("aria")));
    let listed: Vec<_> = tick["tasks"].as_array().expect("a list").iter().map(|t| (&t["id"], &t["status"])).collect();
    assert!(listed.contains(&(&json!("limited"), &json!("in-progress"))), "{tick}");
    assert!(tick["events"][0]["sentence"].as_str().expect("a sentence").starts_with("[gone] "), "{tick}");
    assert_eq!(clone.ok("heartbeat --agent scout")["recovered"], json!([]));
}

#[test]
fn without_the_remote_a_tick_writes_nothing_and_lists_what_leaves_the_world_alone() {
    let external = json!({"kind": "external", "retryAt": 1, "backoffLevel": 0});
    let room = Room::with_tasks(&[
        hand_task("quiet", json!({"assigned": "scout", "effects": []})),
        hand_task("loud", json!({"assigned": "scout", "effects": ["send"]})),
        hand_task("unsaid", json!({"assigned": "scout"})),
        hand_task("limited", json!({"status": "blocked", "assigned": "aria", "effects": [], "block": external})),
    ]);
    let clone = room.clone_as("scout");
    clone.ok("scan --agent scout");
    let head = room.head();
    room.lose_remote();
    let ran = clone.squad("heartbeat --agent scout --budget 10s --json").ok();
    let tick = ran.json();
    assert_eq!(ids(&tick["tasks"]), ["quiet"], "{tick}");
    assert_eq!((&tick["degraded"], &tick["checks"]["recovery"]["state"]), (&json!(true), &json!("skipped")));
    assert_eq!((&tick["checks"]["board"]["state"], &tick["status"]), (&json!("failed"), &json!("WORK")));
    assert_eq!(tick["checks"]["presence"]["state"], "unavailable", "nobody is said to be gone");
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("BLOCKER: ")).count(), 1, "{}", ran.stderr);
    room.regain_remote();
    assert_eq!(room.head(), head);
}

#[test]
fn slow_checks_take_turns_and_what_others_keep_beside_them_stays() {
    let room = Room::with_tasks(&[]);
    let clone = room.clone_as("scout");
    clone.write("memory/heartbeat-state.json", r#"{"mine": [1], "lastChecks": {"email": 7}}"#);
    assert_eq!(clone.ok("heartbeat --agent scout")["checks"]["files"]["state"], "ok");
    let second = clone.ok("heartbeat --agent scout");
    assert_eq!(second["checks"]["files"]["state"], "skipped", "{second}");
    assert!(second["checks"]["files"]["detail"].as_str().expect("words").contains("every 6 h"), "{second}");
    let mut state: Value = serde_json::from_str(&clone.read("memory/heartbeat-state.json")).expect("JSON");
    assert_eq!((&state["mine"], &state["lastChecks"]["email"]), (&json!([1]), &json!(7)), "{state}");
    state["lastChecks"]["files"] = json!(hours_ago(7));
    clone.write("memory/heartbeat-state.json", state.to_string());
    assert_eq!(clone.ok("heartbeat --agent scout")["checks"]["files"]["state"], "ok");
}

#[test]
fn what_there_is_no_time_for_is_named_and_the_tasks_are_listed_all_the_same() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let tick = room.clone_as("scout").ok("heartbeat --agent scout --budget 0s");
    assert_eq!(ids(&tick["tasks"]), ["t-1"]);
    for name in ["files", "hygiene"] {
        assert_eq!(tick["checks"][name]["state"], "skipped", "{tick}");
        assert!(tick["checks"][name]["detail"].as_str().expect("words").contains("used up"), "{tick}");
    }
}

#[test]
fn damage_on_the_board_is_found_by_the_deep_check_and_is_no_health() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"dependsOn": ["nowhere"]}))]);
    let clone = room.clone_as("scout");
    let tick = clone.ok("heartbeat --agent scout");
    assert_eq!((&tick["checks"]["files"]["state"], &tick["status"]), (&json!("failed"), &json!("WORK")), "{tick}");
}

#[test]
fn for_work_of_who_is_not_there_squad_asks_once_where_it_may_start_them() {
    let old = hours_ago(1);
    let room = Room::with_tasks(&[
        hand_task("theirs", json!({"assigned": "aria", "createdAt": old, "updatedAt": old})),
        hand_task("managed", json!({"assigned": "vault", "createdAt": old, "updatedAt": old})),
    ]);
    room.configure(|config| {
        for agent in config["agents"].as_array_mut().expect("a roster") {
            if agent["name"] == "vault" {
                agent["kind"] = json!("managed");
            }
        }
    });
    let (scout, knox) = (room.clone_as("scout"), room.clone_as("knox"));
    let tick = scout.ok("heartbeat --agent scout");
    let events: Vec<_> =
        tick["events"].as_array().expect("a list").iter().map(|e| (&e["event"], &e["agent"])).collect();
    assert!(events.contains(&(&json!("unattended"), &json!("aria"))), "{tick}");
    // One push a tick: what the first had none left for, the next does.
    let more = scout.ok("heartbeat --agent scout");
    let all: Vec<&Value> = [&tick, &more].into_iter().flat_map(|t| t["events"].as_array().expect("a list")).collect();
    let wakes = all.iter().filter(|e| e["event"] == "wake" && e["agent"] == "vault").count();
    assert_eq!(wakes, 1, "{tick} {more}");
    let again = knox.ok("heartbeat --agent knox");
    let woken = again["events"].as_array().expect("a list").iter().filter(|e| e["event"] == "wake").count();
    assert_eq!(woken, 0, "it was asked for already: {again}");
    // It has come, and somebody may ask again another time.
    room.clone_as("vault").ok("beat --agent vault");
    assert_eq!(knox.ok("wake vault --agent knox")["skipped"], false);
}

#[test]
fn who_may_give_a_verdict_is_told_and_who_asked_is_not() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "aria"}))]);
    let clone = room.clone_as("olga");
    clone.ok("request-complete t-1 --agent olga");
    assert_eq!(clone.ok("heartbeat --agent knox")["requests"], json!(["t-1"]));
    for who in ["olga", "aria"] {
        assert_eq!(clone.ok(&format!("heartbeat --agent {who}"))["requests"], json!([]), "{who}");
    }
}

#[test]
fn a_file_that_others_make_every_day_is_missed_where_it_is_not_there_empty_or_old() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    assert_eq!(clone.ok("heartbeat --agent scout")["checks"]["expectFile"], Value::Null, "none is named");
    clone.git("config --add squad.expectFile memory/backlog.md");
    let found = || {
        let ran = clone.squad("heartbeat --agent scout --json").ok();
        let tick = ran.json();
        assert_eq!(ids(&tick["tasks"]), ["t-1"], "it stops nothing: {tick}");
        let check = &tick["checks"]["expectFile"];
        let warned = tick["warnings"].to_string().contains("squad.expectFile");
        assert_eq!(warned, check["state"] == "failed", "{tick}");
        (check["state"].as_str().unwrap().to_owned(), check["detail"].as_str().unwrap().to_owned())
    };
    let fails = |words: &str| {
        let (state, detail) = found();
        assert!(state == "failed" && detail.contains(words), "{state}: {detail}");
    };
    fails("memory/backlog.md is not there");
    clone.write("memory/backlog.md", "");
    fails("memory/backlog.md is empty");
    clone.write("memory/backlog.md", "1. this\n");
    assert_eq!(found().0, "ok");
    let made = |hours: u64| {
        let file = fs::File::options().write(true).open(clone.dir.join("memory/backlog.md")).expect("it is there");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(hours * 3600 - 60)).expect("a time");
    };
    made(25);
    assert_eq!(found().0, "ok");
    made(26);
    fails("25 h old");
    clone.git("config squad.expectFile 'memory/backlog.md 72h'");
    assert_eq!(found().0, "ok");
    clone.git("config --add squad.expectFile brief.md");
    fails("brief.md is not there");
}

#[test]
fn a_ledger_that_was_not_read_is_unavailable_and_never_ok() {
    let room = Room::with_tasks(&[]);
    let clone = room.clone_as("scout");
    let found = || {
        let tick = clone.ok("heartbeat --agent scout");
        let check = &tick["checks"]["ledger"];
        (
            check["state"].as_str().unwrap().to_owned(),
            check["detail"].as_str().unwrap().to_owned(),
            tick["status"].clone(),
        )
    };
    assert_eq!(found().0, "unavailable", "none is named");
    clone.git("config squad.ledger memory/ledger.jsonl");
    let (state, detail, status) = found();
    assert_eq!((state.as_str(), status), ("unavailable", json!("HEARTBEAT_OK")), "{detail}");
    clone.write(
        "memory/ledger.jsonl",
        "{\"id\":\"WL-1\",\"status\":\"open\",\"owner\":\"Scout\",\"description\":\"d\"}\n\
         {\"id\":\"WL-2\",\"status\":\"blocked\",\"owner\":\"aria\"}\n\n{\"id\":\"WL-3\",\"status\":\"open\"}\n\
         {\"id\":\"WL-3\",\"status\":\"complete\"}\n",
    );
    let (state, detail, _) = found();
    assert_eq!((state.as_str(), detail.as_str()), ("ok", "2 of 3 commitments open, 1 of them scout's"));
    clone.write("memory/ledger.jsonl", "{\"id\":\"WL-1\",\"status\":\"open\"}\nnonsense\n");
    let (state, detail, status) = found();
    assert_eq!((state.as_str(), status), ("failed", json!("WORK")), "{detail}");
    assert!(detail.contains("line 2"), "{detail}");
}
