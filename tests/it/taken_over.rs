//! Ways round the gates that look like ordinary work with git: merges that go back, old dates, a second beginning, an id
//! that stands twice. Each is shown to the hook, to a review and to an audit.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::kit::{Checkout, Ran, Room, hand_task, words};

const T1: &str = "squad/tasks/json/t-1.json";
const CONFIG: &str = "squad/squad.json";

/// A board with three tasks, of which scout works on the first, and olga's clone with the hook in it.
fn board() -> (Room, Checkout) {
    let tasks = ["t-1", "t-2", "t-3"].map(|id| hand_task(id, json!({"files": [format!("src/{id}")]})));
    let room = Room::with_tasks(&tasks);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout --plan first");
    clone.ok("start t-1 --agent scout");
    clone.ok("comment t-1 'all mine' --agent scout");
    clone.git("pull -q");
    clone.squad("hook install").ok();
    (room, clone)
}

/// Runs git as an agent and returns what it said, whichever way it ended.
fn git_as(clone: &Checkout, agent: &str, line: &str) -> Ran {
    let squad = std::path::Path::new(env!("CARGO_BIN_EXE_squad")).parent().unwrap().to_owned();
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>();
    let path = std::env::join_paths(std::iter::once(squad).chain(path)).unwrap();
    let output = clone.command("git").args(words(line)).env("SQUAD_AGENT", agent).env("PATH", path).output().unwrap();
    clone.run_of(format!("git {line}"), &output).0
}

fn change(clone: &Checkout, path: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_str(&clone.read(path)).unwrap();
    change(&mut value);
    clone.write(path, serde_json::to_string_pretty(&value).unwrap() + "\n");
    clone.git(&format!("add {path}"));
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["violations"].as_array().into_iter().flatten().filter_map(|v| v["code"].as_str()).collect()
}

/// Asserts that the board's history is refused with this code, by whoever comes new.
#[track_caller]
fn audit_finds(room: &Room, code: &str) {
    let audited = room.clone_as("rigor").refused("audit", 4, "invalid");
    assert!(codes(&audited).contains(&code), "{code}: {audited}");
}

#[test]
fn two_who_wrote_on_one_task_are_merged_and_nobody_is_accused() {
    let (room, clone) = board();
    let branch = room.clone_as("aria");
    branch.squad("hook install").ok();
    branch.squad("init").ok();
    change(&branch, T1, |task| {
        let said = json!({"id": "by-hand", "author": "aria", "content": "seen", "timestamp": task["updatedAt"]});
        task["chat"].as_array_mut().unwrap().push(said);
    });
    assert_eq!(git_as(&branch, "aria", "commit -qm seen").code, 0);
    clone.ok("comment t-1 'still mine' --agent scout");
    branch.git("fetch -q");
    let merged = git_as(&branch, "aria", "merge origin/main -m both");
    assert_eq!(merged.code, 0, "{merged}");
    let chat = serde_json::from_str::<Value>(&branch.read(T1)).unwrap()["chat"].to_string();
    assert!(["all mine", "still mine", "seen"].iter().all(|said| chat.contains(said)), "{chat}");
    branch.ok("review origin/main..HEAD");
    branch.git("push -q");
    clone.ok("audit");
    // What neither side has is still looked at.
    change(&branch, T1, |task| {
        let said = json!({"id": "x", "author": "scout", "content": "I quit", "timestamp": task["updatedAt"]});
        task["chat"].as_array_mut().unwrap().push(said);
    });
    let forged = git_as(&branch, "aria", "commit -qm forged");
    assert!(forged.stderr.contains("foreign-actor"), "{forged}");
}

#[test]
fn what_an_operation_has_moved_stays_whichever_way_it_is_merged() {
    let (room, clone) = board();
    let branch = room.clone_as("aria");
    branch.squad("init").ok();
    change(&branch, "squad/tasks/json/t-2.json", |task| {
        task["status"] = json!("in-progress");
        task["assigned"] = json!("aria");
        task["epoch"] = json!(1);
        task["claim"] = json!({"agent": "aria", "epoch": 1, "at": task["updatedAt"], "leaseSeconds": 900});
        let entry =
            json!({"state": "in-progress", "timestamp": task["updatedAt"], "actor": "aria", "trigger": "claim"});
        task["stateHistory"] = json!([entry]);
    });
    branch.git("commit -qm mine");
    clone.ok("claim t-2 --agent scout --plan mine");
    let published = room.task("t-2");
    branch.git("fetch -q");
    let merged = git_as(&branch, "aria", "merge -q origin/main -m theirs");
    assert_eq!(merged.code, 0, "{merged}");
    assert!(merged.stderr.contains("of ours was"), "the branch is told what it loses: {merged}");
    let task: Value = serde_json::from_str(&branch.read("squad/tasks/json/t-2.json")).unwrap();
    assert_eq!((&task["assigned"], &task["claim"]["agent"]), (&json!("scout"), &json!("scout")), "{task}");
    assert_eq!(task["stateHistory"], published["stateHistory"], "{task}");
}

#[test]
fn a_merge_that_goes_back_to_an_older_board_is_found() {
    for (how, needs_commit) in
        [("merge -q -s ours -m old origin/main", false), ("merge -q --no-commit -s ours origin/main", true)]
    {
        let (room, clone) = board();
        let old = room.clone_as("aria");
        old.squad("hook install").ok();
        clone.ok("comment t-3 'acknowledged words' --agent scout");
        clone.ok("claim t-3 --agent scout --plan mine");
        old.write("code", "1\n");
        old.git("add code");
        assert_eq!(git_as(&old, "aria", "commit -qm code").code, 0);
        old.git("fetch -q");
        let mut merged = git_as(&old, "aria", how);
        if needs_commit {
            merged = git_as(&old, "aria", "commit -qm old");
        }
        assert_ne!(merged.code, 0, "{merged}");
        assert!(merged.stderr.contains("-rewritten"), "{merged}");
        old.git("reset -q --hard");
        old.git("-c core.hooksPath=/dev/null merge -q -s ours -m old origin/main");
        old.git("push -q");
        audit_finds(&room, "chat-rewritten");
    }
}

#[test]
fn a_change_of_settings_is_not_undone_by_a_merge() {
    let (room, clone) = board();
    let old = room.clone_as("aria");
    clone.ok("agents add nova --role executor --agent olga");
    old.write("code", "1\n");
    old.git("add code");
    old.git("commit -qm code");
    old.git("fetch -q");
    old.git("-c core.hooksPath=/dev/null merge -q -s ours -m old origin/main");
    old.git("push -q");
    audit_finds(&room, "roster-change");
}

#[test]
fn a_side_branch_that_claims_to_be_old_is_judged_with_the_rest() {
    let (room, clone) = board();
    clone.git("switch -qc side");
    change(&clone, T1, |task| task["chat"][0]["content"] = json!("I never said this"));
    let mut commit = clone.command("git");
    let commit = commit.args(words("commit -qnm side")).env("GIT_COMMITTER_DATE", "1970-01-02T00:00:00Z");
    assert!(commit.status().unwrap().success());
    clone.git("switch -q main");
    clone.git("-c core.hooksPath=/dev/null merge -q --no-ff -m merge side");
    clone.git("push -q");
    audit_finds(&room, "chat-rewritten");
}

#[test]
fn a_board_is_not_begun_anew_where_there_was_one() {
    let (room, clone) = board();
    let config = clone.read(CONFIG);
    clone.git("rm -q squad/squad.json");
    clone.git("commit -qnm oops");
    clone.git("push -q");
    let refused = clone.refused("init", 9, "not-permitted");
    assert!(refused["message"].as_str().unwrap().contains("had a board"), "{refused}");
    // Who does it all the same, with what squad itself would write, is found.
    let message = room.git("log --format=%B --grep=squad(init) --fixed-strings main");
    clone.write(CONFIG, config);
    clone.write("message", message);
    clone.git("add squad/squad.json");
    clone.git("commit -qn -F message");
    clone.git("push -q");
    audit_finds(&room, "not-in-line");
}

#[test]
fn a_repeated_id_says_nothing_in_another_name() {
    let (room, clone) = board();
    change(&clone, T1, |task| {
        let mut again = task["chat"][0].clone();
        again["content"] = json!("I quit");
        task["chat"].as_array_mut().unwrap().push(again);
    });
    let forged = git_as(&clone, "aria", "commit -qm forged");
    assert!(forged.code != 0 && forged.stderr.contains("foreign-actor"), "{forged}");
    clone.git("reset -q --hard");
    clone.ok("complete t-1 --agent scout --deliverable done --summary done --evidence url:https://example.test/1");
    clone.git("pull -q");
    change(&clone, T1, |task| {
        let mut again = task["evidence"][0].clone();
        again["at"] = json!(task["updatedAt"].as_i64().unwrap() + 50);
        task["evidence"].as_array_mut().unwrap().push(again);
    });
    let forged = git_as(&clone, "scout", "commit -qm forged");
    assert!(forged.code != 0 && forged.stderr.contains("automatic-field"), "{forged}");
    let new =
        json!([{"id": "ev-1", "kind": "url", "url": "https://example.test/2", "by": "olga", "at": 1, "epoch": 1}]);
    clone.git("reset -q --hard");
    clone.write("squad/tasks/json/t-9.json", hand_task("t-9", json!({"evidence": new})).to_string());
    clone.git("add squad");
    let forged = git_as(&clone, "aria", "commit -qm proof");
    assert!(forged.code != 0 && forged.stderr.contains("/evidence/0"), "{forged}");
    drop(room);
}

#[test]
fn a_part_of_a_task_does_not_vanish() {
    let (_room, clone) = board();
    clone.ok("subtask add t-1 'the hard part' --agent scout");
    clone.git("pull -q");
    for by_hand in [
        |task: &mut Value| task["subtasks"] = json!([]),
        |task: &mut Value| task["subtasks"][0]["title"] = json!("easy"),
    ] {
        change(&clone, T1, by_hand);
        let refused = git_as(&clone, "scout", "commit -qm easy");
        assert!(refused.code != 0 && refused.stderr.contains("subtask-rewritten"), "{refused}");
        clone.git("reset -q --hard");
    }
}

#[test]
fn nobody_begins_the_work_of_another() {
    let (_room, clone) = board();
    for (agent, is_open) in [("aria", false), ("scout", true)] {
        change(&clone, T1, |task| task["claim"]["startedAt"] = json!(task["updatedAt"].as_i64().unwrap() + 60_000));
        let committed = git_as(&clone, agent, "commit -qm begun");
        assert_eq!(committed.code == 0, is_open, "{committed}");
        assert_eq!(committed.stderr.contains("/claim/startedAt"), !is_open, "{committed}");
        clone.git("reset -q --hard");
    }
}

#[test]
fn the_locks_file_does_not_become_somebody_else_s() {
    let (_room, clone) = board();
    change(&clone, ".claude/coordination.json", |locks| {
        locks["version"] = json!("2.0");
        locks["currentWork"] = json!({});
    });
    let refused = git_as(&clone, "aria", "commit -qm free");
    assert!(refused.code != 0 && refused.stderr.contains("locks-foreign"), "{refused}");
}

#[test]
fn a_configuration_that_is_mended_lets_nothing_else_through() {
    let (room, clone) = board();
    let config = clone.read(CONFIG);
    room.put(&[(CONFIG, Some("{"))]);
    clone.git("pull -q");
    clone.git("switch -qc mended");
    clone.write(CONFIG, config);
    change(&clone, T1, |task| task["chat"][0]["content"] = json!("forged"));
    clone.git("add squad");
    clone.git("commit -qnm mended");
    let reviewed = clone.refused("review main..mended", 4, "invalid");
    assert!(codes(&reviewed).contains(&"chat-rewritten"), "{reviewed}");
}

#[test]
fn a_message_that_only_looks_like_a_receipt_is_found() {
    let (room, clone) = board();
    let message = room.git("log -1 --format=%B main");
    let without: String =
        message.lines().filter(|line| !line.starts_with("Squad-Operation")).map(|line| format!("{line}\n")).collect();
    change(&clone, T1, |task| task["tags"] = json!(["later"]));
    clone.write("message", without);
    clone.git("commit -qn -F message");
    clone.git("push -q");
    audit_finds(&room, "forged-receipt");
}

#[test]
fn an_owner_is_not_made_by_somebody_without_a_name() {
    let (room, clone) = board();
    room.configure(|config| config["agents"][0]["email"] = json!("olga@example.test"));
    clone.git("pull -q");
    clone.git("switch -qc mallory");
    change(&clone, CONFIG, |config| {
        let member = json!({"name": "mallory", "role": "owner", "kind": "human", "email": "m@evil.test"});
        config["agents"].as_array_mut().unwrap().push(member);
    });
    clone.git("-c user.name=mallory -c user.email=m@evil.test commit -qnm me");
    let reviewed = clone.refused("review main..mallory", 4, "invalid");
    assert!(codes(&reviewed).contains(&"roster-change"), "{reviewed}");
}

#[test]
fn what_others_hold_is_what_the_newest_board_says() {
    // A pull brings the work of the holder, which is none of the merging one's.
    let (room, clone) = board();
    let holder = room.clone_as("scout");
    holder.write("src/t-1", "work\n");
    holder.git("add src");
    holder.git("commit -qm work");
    holder.git("push -q");
    clone.write("other", "1\n");
    clone.git("add other");
    assert_eq!(git_as(&clone, "aria", "commit -qm other").code, 0);
    let pulled = git_as(&clone, "aria", "pull -q --no-rebase --no-edit");
    assert_eq!(pulled.code, 0, "{pulled}");
    // What came by a pull alone, and by no verb of squad, counts.
    holder.ok("release t-1 --note later --agent scout");
    clone.git("pull -q --no-rebase --no-edit");
    clone.write("src/t-1", "mine\n");
    clone.git("add src");
    let free = git_as(&clone, "aria", "commit -qm free");
    assert_eq!(free.code, 0, "{free}");
    // Who nobody knows is told, and may be the holder.
    clone.ok("claim t-2 --agent scout --plan mine");
    clone.write("src/t-2", "mine\n");
    clone.git("add src");
    let held = git_as(&clone, "aria", "commit -qm held");
    assert!(held.code != 0 && held.stderr.contains("path-locked"), "{held}");
    clone.git("config user.email nobody@example.test");
    let told = git_as(&clone, "", "commit -qm held");
    assert!(told.code == 0 && told.stderr.contains("path-locked"), "{told}");
}

#[test]
fn a_board_on_a_branch_of_its_own_guards_the_files_as_well() {
    let room = Room::code();
    let clone = room.clone_as("olga");
    clone.ok("init --branch squad");
    clone.ok("agents add scout --role executor --agent olga");
    clone.ok("agents add aria --role executor --agent olga");
    clone.ok("new 'A task' --id t-1 --file src/a --agent olga");
    clone.ok("claim t-1 --agent scout --plan mine");
    clone.squad("hook install").ok();
    clone.write("src/a", "mine\n");
    clone.git("add src");
    let held = git_as(&clone, "aria", "commit -qm held");
    assert!(held.code != 0 && held.stderr.contains("path-locked"), "{held}");
    assert_eq!(git_as(&clone, "scout", "commit -qm mine").code, 0);
}
