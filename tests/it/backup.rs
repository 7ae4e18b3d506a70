//! `backup`: a name for the board as it is, and the way back to it, by one more commit.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, ids, strings};

/// A board with tasks `t-0` to `t-11`, one of them claimed, and a clone of it.
fn board() -> (Room, Checkout) {
    let tasks: Vec<Value> = (0..12)
        .map(|n| hand_task(&format!("t-{n}"), json!({"assigned": "scout", "files": [format!("src/{n}")]})))
        .collect();
    let room = Room::with_tasks(&tasks);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("comment t-2 first --agent aria");
    (room, clone)
}

fn file(id: &str) -> String {
    format!("squad/tasks/json/{id}.json")
}

/// Changes the task's file by hand, into something that can still be read.
fn by_hand(room: &Room, id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut task = room.task(id);
    change(&mut task);
    serde_json::to_string_pretty(&task).unwrap() + "\n"
}

fn commits(room: &Room) -> usize {
    room.git("rev-list --count main").parse().unwrap()
}

fn tree(room: &Room) -> String {
    room.git("rev-parse main^{tree}")
}

/// Returns the commits that an audit finds fault with.
fn blamed(clone: &Checkout) -> Vec<String> {
    let ran = clone.json("audit");
    let answer = ran.0.json();
    let violations = if answer["ok"] == true { &answer["violations"] } else { &answer["error"]["violations"] };
    let mut blamed: Vec<String> =
        violations.as_array().unwrap().iter().map(|v| v["commit"].as_str().unwrap_or_default().to_owned()).collect();
    blamed.sort();
    blamed.dedup();
    blamed
}

#[test]
fn ten_damaged_files_are_again_what_they_were_by_one_commit_that_audits_clean() {
    let (room, clone) = board();
    let (before, head) = (tree(&room), room.head());
    let made = clone.ok("backup before-migration");
    assert_eq!(
        (&made["backup"]["commit"], &made["backup"]["ref"]),
        (&json!(head), &json!("refs/squad/backups/before-migration"))
    );
    assert_eq!(room.git("rev-parse refs/squad/backups/before-migration"), head);
    let half = room.task_text("t-4")[..100].to_owned();
    let damage: Vec<(String, Option<String>)> = vec![
        (file("t-0"), None),
        (file("t-1"), Some("not JSON".to_owned())),
        (file("t-2"), Some(by_hand(&room, "t-2", |task| task["chat"] = json!([])))),
        (file("t-3"), Some(by_hand(&room, "t-3", |task| task["status"] = json!("completed")))),
        (file("t-4"), Some(half)),
        (file("t-5"), Some(by_hand(&room, "t-5", |task| task["id"] = json!("t-6")))),
        (file("t-6"), Some(by_hand(&room, "t-6", |task| task["priority"] = json!("whatever")))),
        (file("t-7"), Some(by_hand(&room, "t-7", |task| task["title"] = json!("vandalised")))),
        (file("t-8"), Some("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n".to_owned())),
        (".claude/coordination.json".to_owned(), Some("{".to_owned())),
    ];
    room.put(&damage);
    let (count, bad) = (commits(&room), room.head());
    let plan = clone.ok("backup restore before-migration --dry-run");
    assert_eq!((plan["dryRun"].clone(), plan["files"].as_array().map(Vec::len)), (json!(true), Some(10)), "{plan}");
    assert_eq!(room.head(), bad);
    let answer = clone.ok("backup restore before-migration");
    assert_eq!(tree(&room), before, "{answer}");
    assert_eq!(commits(&room), count + 1);
    assert_eq!(room.git("rev-parse main~1"), bad, "the history goes on from the damage");
    assert_eq!(answer["restored"].as_array().map(Vec::len), Some(9));
    assert_eq!(answer["kept"], json!([]));
    assert_eq!(answer["receipt"]["commit"], room.head());
    let commit = &room.commits_since(&bad)[0];
    assert_eq!(commit.subject, "squad(backup-restore): board by olga");
    assert_eq!(commit.trailer("Squad-Actor"), "olga");
    assert_eq!(blamed(&clone), std::slice::from_ref(&bad), "only the commit that did the damage");
    let shallow = room.clone_with("shallow", &format!("--depth=1 file://{}", room.remote().display()));
    assert_eq!(blamed(&shallow), [bad]);
    let again = clone.ok("backup restore before-migration");
    assert!(again["unchanged"].is_string(), "{again}");
    assert_eq!(commits(&room), count + 1);
}

#[test]
fn a_folder_of_the_board_that_somebody_has_replaced_comes_back_with_all_that_was_in_it() {
    let (room, clone) = board();
    let before = tree(&room);
    clone.ok("backup whole");
    room.import(&format!(
        "commit refs/heads/main\ncommitter x <x@example.test> 1795230000 +0000\ndata 4\nbad\n\nfrom {}\n\
         D squad/tasks/json\nM 120000 inline squad/tasks/json\ndata 4\n/etc\nM 100755 inline squad/squad.json\ndata 1\n{{\ndone\n",
        room.head()
    ));
    clone.ok("backup restore whole --agent olga");
    assert_eq!(tree(&room), before);
    assert_eq!(clone.ok("check")["violations"], json!([]));
}

#[test]
fn a_task_that_has_moved_on_keeps_what_was_said_and_its_old_holder_is_fenced() {
    let (room, clone) = board();
    let scout = room.clone_as("scout-host");
    clone.ok("backup early");
    let was = room.task("t-3");
    scout.ok("claim t-3 --agent scout");
    scout.ok("comment t-3 'half of it is done' --agent scout");
    let moved = room.task("t-3");
    let answer = clone.ok("backup restore early");
    assert_eq!(ids(&json!([{"id": answer["restored"][0]}])), ["t-3"]);
    let now = room.task("t-3");
    assert_eq!((&now["status"], &now["title"]), (&was["status"], &was["title"]));
    assert!(now["claim"].is_null() && now["epoch"].as_u64() > moved["epoch"].as_u64(), "{now}");
    assert_eq!(now["chat"], moved["chat"]);
    let (history, old) = (now["stateHistory"].as_array().unwrap(), moved["stateHistory"].as_array().unwrap());
    assert_eq!((&history[..old.len()], history.len()), (&old[..], old.len() + 1));
    assert_eq!(history[old.len()]["trigger"], "backup-restore");
    scout.refused("progress t-3 --pct 50 --agent scout", 6, "stale-epoch");
    assert_eq!(blamed(&clone), Vec::<String>::new());
    assert_eq!(clone.ok("check")["violations"], json!([]));
    scout.ok("claim t-3 --agent scout");
}

/// Returns what a review of these commits finds wrong, as rules.
fn found(clone: &Checkout, range: &str) -> Vec<String> {
    let answer = clone.json(&format!("review {range}")).0.json();
    let answer = if answer["ok"] == true { answer } else { answer["error"].clone() };
    let errors = answer["violations"].as_array().unwrap().iter().filter(|v| v["severity"] == "error");
    errors.map(|v| v["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_review_across_a_restored_backup_blames_what_was_done_by_hand_and_not_the_way_back() {
    let (room, clone) = board();
    clone.git("pull --quiet");
    let base = clone.git("rev-parse HEAD");
    clone.ok("edit t-2 --title 'Before the backup'");
    clone.ok("backup early");
    // What is kept has moved on, what is damaged is healed.
    clone.ok("claim t-3 --agent scout");
    clone.ok("comment t-3 'half of it is done' --agent scout");
    let damaged = by_hand(&room, "t-4", |task| task["status"] = json!("completed"));
    room.put(&[(file("t-4"), Some(damaged))]);
    clone.ok("backup restore early");
    clone.ok("claim t-5 --agent scout");
    // A second one, back to before the first.
    clone.ok("backup restore early");
    clone.ok("edit t-2 --title 'After both'");
    clone.git("pull --quiet");
    assert_eq!(found(&clone, &format!("{base}..HEAD")), Vec::<String>::new());
    assert_eq!(found(&clone, "HEAD~1..HEAD"), Vec::<String>::new());
    let answer = clone.ok(&format!("review {base}..HEAD"));
    assert_eq!(answer["verdict"], "pass", "{answer}");
    assert!(ids(&answer["changes"]).contains(&"t-3".to_owned()), "{answer}");

    // What a hand does after it, to the very file that came back, is found as ever.
    clone.git("checkout --quiet -b change");
    let broken = by_hand(&room, "t-3", |task| task["epoch"] = json!(99));
    clone.write(&file("t-3"), broken);
    clone.git("commit --quiet --no-verify --all --message later");
    assert_eq!(found(&clone, &format!("{base}..change")), ["automatic-field"]);
}

#[test]
fn a_review_that_lacks_what_was_brought_back_asks_for_more_history_and_blames_nobody() {
    let (room, clone) = board();
    clone.ok("backup early");
    clone.ok("claim t-3 --agent scout");
    clone.ok("backup restore early");
    let shallow = room.clone_with("shallow", &format!("--depth=2 {}", room.remote_url()));
    let error = shallow.refused("review HEAD~1..HEAD", 3, "not-found");
    assert!(error["hint"].as_str().unwrap().contains("fetch-depth: 0"), "{error}");
    shallow.git("fetch --quiet --unshallow");
    assert_eq!(found(&shallow, "HEAD~1..HEAD"), Vec::<String>::new());
}

#[test]
fn what_only_says_that_it_restored_a_backup_is_what_it_was_without_that_word() {
    let (room, clone) = board();
    clone.git("pull --quiet");
    clone.ok("backup early");
    clone.ok("claim t-3 --agent scout");
    clone.git("pull --quiet");
    let base = clone.git("rev-parse HEAD");
    clone.ok("backup restore early");
    clone.git("pull --quiet");
    let message = clone.git("log -1 --format=%B");
    assert_eq!(found(&clone, &format!("{base}..HEAD")), Vec::<String>::new());
    // The same message over more than the operation does, and over something else.
    let commit = |name: &str, message: &str| {
        clone.write("message", message);
        clone.git("add squad .claude");
        clone.git("commit --quiet --no-verify --file message");
        assert!(!found(&clone, &format!("{base}..HEAD")).is_empty(), "{name}");
    };
    clone.git(&format!("checkout --quiet -B more {base}"));
    clone.git("checkout --quiet main -- squad .claude");
    clone.write(&file("t-6"), by_hand(&room, "t-6", |task| task["epoch"] = json!(7)));
    commit("more", &message);
    clone.git(&format!("checkout --quiet -B other {base}"));
    clone.git("checkout --quiet main -- squad .claude");
    clone.write(&file("t-3"), by_hand(&room, "t-3", |task| task["title"] = json!("slipped in")));
    commit("other", &message);
    // By somebody who may not go back, or without an operation at all.
    clone.git(&format!("checkout --quiet -B lesser {base}"));
    clone.git("checkout --quiet main -- squad .claude");
    commit("lesser", &message.replace("olga", "scout"));
    clone.git(&format!("checkout --quiet -B mute {base}"));
    clone.git("checkout --quiet main -- squad .claude");
    commit("mute", "back to early");
}

#[test]
fn a_claim_that_comes_back_is_of_a_new_epoch_so_that_nobody_acts_under_the_old_one() {
    let (room, clone) = board();
    clone.ok("backup held");
    clone.ok("release t-1 --note later --agent scout");
    clone.ok("backup restore held");
    let task = room.task("t-1");
    assert_eq!(task["claim"]["agent"], "scout");
    assert_eq!(task["claim"]["epoch"], task["epoch"]);
    clone.refused("start t-1 --agent scout --epoch 1", 6, "stale-epoch");
    clone.ok("claim t-1 --agent scout");
    clone.ok("start t-1 --agent scout");
    assert_eq!(room.locks()["currentWork"]["t-1"]["agent"], "scout");
}

#[test]
fn damage_does_not_hide_how_far_a_task_had_come() {
    let (room, clone) = board();
    clone.ok("backup early");
    clone.ok("claim t-4 --agent scout");
    let epoch = room.task("t-4")["epoch"].as_u64();
    room.put(&[(file("t-4"), None::<&str>)]);
    clone.ok("backup restore early");
    let task = room.task("t-4");
    assert!(task["epoch"].as_u64() > epoch, "no epoch is given twice: {task}");
    assert_eq!(task["stateHistory"].as_array().unwrap().last().unwrap()["trigger"], "backup-restore");
}

#[test]
fn what_was_only_said_since_stays_and_fences_nobody() {
    let (room, clone) = board();
    clone.ok("backup early");
    let epoch = room.task("t-1")["epoch"].clone();
    clone.ok("comment t-1 'mind the gap' --agent aria");
    clone.ok("backup restore early");
    let task = room.task("t-1");
    assert_eq!((&task["epoch"], &task["chat"][0]["content"]), (&epoch, &json!("mind the gap")));
    clone.ok("start t-1 --agent scout");
}

#[test]
fn the_time_of_a_change_never_falls_and_what_has_come_back_does_not_come_again() {
    let (room, clone) = board();
    let was = room.task("t-6");
    clone.ok("backup early");
    clone.ok("edit t-6 --title Other");
    clone.ok("comment t-2 'mind the gap' --agent aria");
    clone.ok("claim t-3 --agent scout");
    clone.ok("release t-1 --note later --agent scout");
    let edited = room.task("t-6");
    let answer = clone.ok("backup restore early");
    assert_eq!(strings(&answer["restored"]), ["t-1", "t-3", "t-6"], "{answer}");
    let now = room.task("t-6");
    assert_eq!(now["title"], was["title"]);
    assert!(now["updatedAt"].as_i64() >= edited["updatedAt"].as_i64(), "{now}");
    let (head, count) = (room.head(), commits(&room));
    let again = clone.ok("backup restore early");
    assert!(again["unchanged"].is_string(), "{again}");
    assert_eq!((room.head(), commits(&room)), (head, count));
    assert_eq!(blamed(&clone), Vec::<String>::new());
    assert_eq!(clone.ok("check")["violations"], json!([]));
    // What has happened since is taken back, and nothing else; also where only a field is not as it was that squad does
    // not know.
    clone.ok("start t-1 --agent scout");
    room.put(&[(file("t-6"), Some(by_hand(&room, "t-6", |task| task["x-own"] = json!(1))))]);
    assert_eq!(strings(&clone.ok("backup restore early")["restored"]), ["t-1", "t-6"]);
    assert!(room.task("t-6")["x-own"].is_null());
    assert!(clone.ok("backup restore early")["unchanged"].is_string());
}

#[test]
fn a_task_that_is_newer_than_the_backup_is_kept_and_named() {
    let (room, clone) = board();
    clone.ok("backup early");
    clone.ok("new Later --id newer");
    let newer = room.task_text("newer");
    room.put(&[(file("t-5"), None::<&str>)]);
    let answer = clone.ok("backup restore early");
    assert_eq!(strings(&answer["kept"]), ["newer"]);
    assert_eq!(strings(&answer["restored"]), ["t-5"]);
    assert_eq!(room.task_text("newer"), newer);
    let text = clone.squad("backup restore early").ok();
    assert!(text.stdout.contains("newer"), "{text}");
}

#[test]
fn a_task_that_was_put_away_since_is_back_where_it_was_and_only_there() {
    let room = Room::with_tasks(&[hand_task("done", json!({"status": "completed", "assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.ok("backup early");
    clone.ok("archive done");
    // The hand that made the task wrote no history for it.
    let as_before = blamed(&clone);
    let away = room.git("ls-tree -r --name-only main squad/tasks/archived");
    assert!(away.contains("done.json"), "{away}");
    clone.ok("backup restore early");
    assert_eq!(room.git("ls-tree -r --name-only main squad/tasks/archived"), "");
    assert_eq!(room.task("done")["status"], "completed");
    assert_eq!(blamed(&clone), as_before);
}

#[test]
fn a_backup_never_moves_and_two_of_one_day_have_two_names() {
    let (room, clone) = board();
    let first = clone.ok("backup")["backup"].clone();
    let name = first["name"].as_str().unwrap();
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T000000Z");
    let given = clone.ok("backup nightly");
    assert!(clone.ok("backup nightly")["unchanged"].is_string());
    // As fast as they come, most of these fall into one second.
    let mut names = vec![name.to_owned()];
    for n in 0..3 {
        clone.ok(&format!("comment t-2 more-{n} --agent aria"));
        names.push(clone.ok("backup")["backup"]["name"].as_str().unwrap().to_owned());
    }
    let refused = clone.refused("backup nightly", 4, "invalid");
    assert_eq!(refused["backup"]["commit"], given["backup"]["commit"], "{refused}");
    assert_eq!(room.git("rev-parse refs/squad/backups/nightly"), given["backup"]["commit"].as_str().unwrap());
    names.push("nightly".to_owned());
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
    let listed = clone.ok("backup list");
    let found: Vec<&str> = listed["backups"].as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
    assert_eq!(found, names);
    assert!(listed["backups"].as_array().unwrap().iter().all(|backup| backup["at"].is_i64()), "{listed}");
    for bad in ["../x", "a/b", "-x", "x.lock"] {
        assert_eq!(clone.squad_args(&["backup", "--json", "--", bad]).0.code, 4, "{bad}");
    }
}

#[test]
fn of_two_clones_that_give_one_name_at_once_one_is_told_that_it_is_taken() {
    let (room, clone) = board();
    let other = room.clone_as("pia");
    other.ok("list");
    room.hook("pre-receive", "while read old new ref; do case $ref in */backups/*) [ -e taken ] || { touch taken; env -u GIT_QUARANTINE_PATH git update-ref refs/squad/backups/same main~1; } ;; esac; done");
    let refused = other.refused("backup same", 4, "invalid");
    assert_eq!(refused["backup"]["commit"], room.git("rev-parse main~1"), "{refused}");
    assert_eq!(room.git("rev-parse refs/squad/backups/same"), room.git("rev-parse main~1"));
    drop(clone);
}

#[test]
fn a_backup_that_is_not_there_is_told_with_those_that_are_and_only_chiefs_go_back() {
    let (room, clone) = board();
    clone.ok("backup one");
    clone.ok("backup two");
    let refused = clone.refused("backup restore three", 3, "not-found");
    assert!(refused["hint"].as_str().unwrap().contains("one, two"), "{refused}");
    room.put(&[(file("t-5"), None::<&str>)]);
    let head = room.head();
    clone.refused("backup restore one --agent scout", 9, "not-permitted");
    clone.refused("backup restore one --agent nobody", 9, "unknown-agent");
    assert_eq!(room.head(), head);
}

#[test]
fn a_ref_to_what_was_never_on_the_board_brings_nothing_onto_it() {
    let (room, clone) = board();
    room.put_on("refs/heads/alien", &[("squad/squad.json", Some("{}"))]);
    room.git("update-ref refs/squad/backups/alien refs/heads/alien");
    let head = room.head();
    let refused = clone.refused("backup restore alien", 3, "not-found");
    assert!(refused["why"].as_str().unwrap().contains("history"), "{refused}");
    assert_eq!(room.head(), head);
}

#[test]
fn backups_are_where_the_namespace_of_the_board_says() {
    let (room, clone) = board();
    room.configure(|config| config["refs"] = json!({"namespace": "refs/heads/zz-squad"}));
    let before = tree(&room);
    assert_eq!(clone.ok("backup here")["backup"]["ref"], "refs/heads/zz-squad/backups/here");
    // Even where the configuration that says so is what was damaged.
    room.put(&[("squad/squad.json", Some("{")), (&file("t-1"), None)]);
    let other = room.clone_as("pia");
    assert_eq!(other.ok("backup list")["backups"][0]["name"], "here");
    other.ok("backup restore here --agent olga");
    assert_eq!(tree(&room), before);
}

#[test]
fn a_repository_without_remote_keeps_its_backups_itself() {
    let room = Room::code();
    let clone = room.clone_as("olga");
    clone.git("remote remove origin");
    clone.ok("init");
    clone.ok("new First --id t-1");
    let before = clone.git("rev-parse HEAD^{tree}");
    clone.ok("backup mine");
    assert_eq!(clone.git("rev-parse refs/squad/backups/mine"), clone.git("rev-parse HEAD"));
    clone.write(&file("t-1"), "broken");
    clone.git("commit --quiet --all --message damage");
    clone.ok("backup restore mine");
    assert_eq!(clone.git("rev-parse HEAD^{tree}"), before);
    assert_eq!(clone.git("status --porcelain"), "");
}

#[test]
fn offline_the_backups_that_are_known_are_listed_and_nothing_is_brought_back() {
    let (room, clone) = board();
    clone.ok("backup known");
    room.lose_remote();
    assert_eq!(clone.ok("backup list --offline")["backups"][0]["name"], "known");
    let listed = clone.ok("backup list");
    assert_eq!((&listed["backups"][0]["name"], &listed["degraded"]), (&json!("known"), &json!(true)));
    clone.refused("backup restore known --offline", 8, "remote-unreachable");
    clone.refused("backup restore known", 8, "remote-unreachable");
    clone.refused("backup other --offline", 8, "remote-unreachable");
    clone.ok("backup restore known --dry-run --offline");
}
