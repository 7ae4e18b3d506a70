//! The verbs that keep a board: new, list, show, edit, assign, comment, progress, subtask, files, dep, archive,
//! restore, cancel and reopen.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, hours_ago, ids, now_ms, strings};

const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

fn board() -> (Room, Checkout) {
    let room = Room::board();
    let clone = room.clone_as("olga");
    (room, clone)
}

#[test]
fn new_makes_a_task_in_the_backlog_and_prints_its_id() {
    let (room, clone) = board();
    let begun = now_ms();
    let answer = clone.ok("new 'Mend the lamp'");
    let id = answer["task"]["id"].as_str().unwrap();
    assert!(id.starts_with("task-"), "{id}");
    let task = room.task(id);
    assert_eq!(task["title"], "Mend the lamp");
    assert_eq!(task["status"], "backlog");
    assert_eq!(task["priority"], "medium");
    assert_eq!(task["createdBy"], "olga");
    assert_eq!(task["chat"], json!([]));
    assert_eq!(task["createdAt"], task["updatedAt"]);
    assert!(task["createdAt"].as_i64().is_some_and(|at| at >= begun && at <= now_ms()), "{task}");
    let text = clone.squad("new 'Another'").ok();
    assert!(text.stdout.contains("task-"), "text names the id too: {text}");
    assert!(room.task_text(id).ends_with("}\n"));
}

#[test]
fn new_takes_every_field() {
    let (room, clone) = board();
    clone.ok("new 'The whole' --id whole");
    clone.ok("new 'All of it' --id all --description 'long text' --priority critical --assigned Scout --category dev \
         --file src/a --file 'src/*.rs' --depends-on whole --participant aria --tag ui --tag lamp --due 2030-01-02 \
         --acceptance 'it burns' --parent whole --effect send");
    let task = room.task("all");
    assert_eq!(task["description"], "long text");
    assert_eq!(task["priority"], "critical");
    assert_eq!(task["assigned"], "scout", "names are written in lower case");
    assert_eq!(task["category"], "dev");
    assert_eq!(task["files"], json!(["src/a", "src/*.rs"]));
    assert_eq!(task["dependsOn"], json!(["whole"]));
    assert!(strings(&task["participants"]).contains(&"aria".to_owned()), "{task}");
    assert_eq!(task["tags"], json!(["ui", "lamp"]));
    let due = task["due"].as_i64().unwrap();
    assert!((1_893_542_400_000..1_893_628_800_000 + 1).contains(&due), "2030-01-02: {due}");
    assert_eq!(task["acceptance"], json!(["it burns"]));
    assert_eq!(task["parent"], "whole");
    assert_eq!(task["effects"], json!(["send"]));
}

#[test]
fn due_may_be_an_instant_or_a_time_from_now() {
    let (room, clone) = board();
    clone.ok("new a --id a --due 2030-01-02T03:04:05Z");
    assert_eq!(room.task("a")["due"], 1_893_553_445_000_i64);
    let now = now_ms();
    clone.ok("new b --id b --due 2h");
    let due = room.task("b")["due"].as_i64().unwrap();
    assert!((now + 7_200_000..now + 7_260_000).contains(&due), "{due}");
    clone.refused("new c --id c --due someday", 4, "invalid");
}

#[test]
fn an_id_is_taken_once() {
    let (room, clone) = board();
    clone.ok("new a --id same");
    let before = room.refs();
    let ran = clone.json("new b --id same").0;
    assert!(matches!(ran.code, 4 | 5), "{ran}");
    let ran = clone.json("new b --id SAME").0;
    assert!(matches!(ran.code, 4 | 5), "not even in another case: {ran}");
    assert_eq!(room.refs(), before);
    assert_eq!(room.task("same")["title"], "a");
}

#[test]
fn new_from_an_array_is_one_commit() {
    let (room, clone) = board();
    let before = room.head();
    let input: Vec<_> = (0..25)
        .map(|i| json!({"id": format!("t-{i:02}"), "title": format!("Task {i}"), "dependsOn": if i == 0 { vec![] } else { vec!["t-00"] }}))
        .collect();
    let ran = clone.squad_with(&["new", "--from", "-", "--json"], json!(input).to_string().as_bytes(), &[]).ok();
    assert_eq!(ids(&ran.json()["tasks"]).len(), 25, "{ran}");
    assert_eq!(room.commits_since(&before).len(), 1);
    assert_eq!(room.task("t-24")["dependsOn"], json!(["t-00"]));
    clone.write("one.json", json!({"title": "From a file"}).to_string());
    let answer = clone.ok("new --from one.json");
    let made = ids(if answer["tasks"].is_array() { &answer["tasks"] } else { &answer["task"] });
    assert_eq!(made.len(), 1, "{answer}");
    assert_eq!(room.task(&made[0])["title"], "From a file");
}

#[test]
fn list_filters_and_counts() {
    let room = Room::with_tasks(&[
        hand_task("a", json!({"assigned": "scout", "priority": "high", "tags": ["ui"], "title": "Mend the Lamp"})),
        hand_task("b", json!({"assigned": "aria", "priority": "low", "status": "in-progress"})),
        hand_task("c", json!({"status": "completed", "assigned": "scout"})),
        hand_task("d", json!({"assigned": "scout", "status": "review", "description": "another lamp"})),
    ]);
    let clone = room.clone_as("olga");
    let listed = |line: &str| {
        let mut listed = ids(&clone.ok(line)["tasks"]);
        listed.sort();
        listed
    };
    assert_eq!(listed("list --status backlog"), ["a"]);
    assert_eq!(listed("list --status backlog --status review"), ["a", "d"]);
    assert_eq!(listed("list --status completed"), ["c"]);
    assert_eq!(listed("list --assigned SCOUT --status backlog --status review"), ["a", "d"]);
    assert_eq!(listed("list --priority high"), ["a"]);
    assert_eq!(listed("list --tag ui"), ["a"]);
    assert_eq!(listed("list --text lamp"), ["a", "d"]);
    assert_eq!(listed("list --all"), ["a", "b", "c", "d"]);
    let limited = clone.ok("list --all --limit 2");
    assert_eq!(limited["tasks"].as_array().map(Vec::len), Some(2));
    assert_eq!(limited["total"], 4, "the total is of what matched");
}

#[test]
fn show_prints_a_field_as_one_word_and_the_past_on_request() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let before = room.head();
    clone.ok("claim t-1 --agent scout");
    assert_eq!(clone.squad("show t-1 --field status").ok().stdout, "in-progress\n");
    assert_eq!(clone.squad(&format!("show t-1 --field status --at {before}")).ok().stdout, "backlog\n");
    let answer = clone.ok("show t-1");
    assert_eq!(answer["task"]["claim"]["agent"], "scout");
    assert_eq!(answer["receipts"][0]["verb"], "claim");
    assert_eq!(answer["receipts"][0]["commit"], room.head());
}

#[test]
fn edit_changes_what_it_names_in_one_commit() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"tags": ["old", "kept"]}))]);
    let clone = room.clone_as("olga");
    let before = room.head();
    clone.ok(
        "edit t-1 --title 'New title' --description 'New text' --priority low --category marketing --tag new --untag old \
         --due 2030-01-02 --position 1.5",
    );
    assert_eq!(room.commits_since(&before).len(), 1);
    let task = room.task("t-1");
    assert_eq!(task["title"], "New title");
    assert_eq!(task["description"], "New text");
    assert_eq!(task["priority"], "low");
    assert_eq!(task["category"], "marketing");
    assert_eq!(task["tags"], json!(["kept", "new"]));
    assert_eq!(task["position"], 1.5);
}

#[test]
fn edits_of_different_fields_do_not_stand_in_each_other_s_way() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let (one, other) = (room.clone_as("olga"), room.clone_as("hex"));
    one.ok("show t-1");
    other.ok("edit t-1 --priority high --agent hex");
    one.ok("edit t-1 --title 'Mine'");
    let task = room.task("t-1");
    assert_eq!((&task["title"], &task["priority"]), (&json!("Mine"), &json!("high")));
}

#[test]
fn assign_gives_a_task_to_a_member() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("assign t-1 ARIA");
    assert_eq!(room.task("t-1")["assigned"], "aria");
    let ran = clone.json("claim t-1 --agent scout").0;
    assert_ne!(ran.code, 0, "it is aria's now: {ran}");
    clone.ok("claim t-1 --agent aria");
}

#[test]
fn an_edit_replaces_what_the_remote_has_now_and_not_what_was_seen_a_moment_ago() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let (first, second) = (room.clone_as("olga"), room.clone_as("second"));
    first.ok("show t-1");
    second.ok("edit t-1 --title Second --agent olga");
    first.ok("edit t-1 --title Third --agent olga");
    assert_eq!(room.task("t-1")["title"], "Third");
}

#[test]
fn one_comment_cannot_fill_the_task() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    let before = room.head();
    let long = "x".repeat(100 * 1024);
    let ran = clone.squad_with(&["comment", "t-1", "-", "--agent", "scout", "--json"], long.as_bytes(), &[]).exits(4);
    assert!(ran.stdout.contains("64 KiB"), "{ran}");
    assert_eq!(room.head(), before);
}

#[test]
fn comments_are_kept_in_order_and_may_come_from_standard_input() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("comment t-1 first");
    clone.squad_with(&["comment", "t-1", "-", "--json"], b"second\nin two lines\n", &[]).ok();
    clone.squad_with(&["comment", "t-1", "third", "--json"], b"", &[("SQUAD_AGENT", "aria")]).ok();
    let task = room.task("t-1");
    let chat: Vec<_> =
        task["chat"].as_array().unwrap().iter().map(|m| (m["author"].clone(), m["content"].clone())).collect();
    assert_eq!(chat[0], (json!("olga"), json!("first")));
    assert_eq!(chat[1].1.as_str().map(str::trim_end), Some("second\nin two lines"));
    assert_eq!(chat[2], (json!("aria"), json!("third")));
    let mut participants = strings(&task["participants"]);
    participants.sort();
    assert_eq!(participants, ["aria", "olga"], "who acts takes part");
    assert_eq!(task["status"], "backlog");
    clone.refused("comment t-1 ''", 5, "missing-field");
}

#[test]
fn progress_is_seen_on_the_task() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok("progress t-1 --step 'half way' --pct 50 --agent scout");
    let progress = room.task("t-1")["progress"].clone();
    assert_eq!(
        (&progress["step"], &progress["percent"], &progress["by"]),
        (&json!("half way"), &json!(50), &json!("scout"))
    );
    let ran = clone.json("progress t-1 --pct 101 --agent scout").0;
    assert!(matches!(ran.code, 2 | 4), "{ran}");
}

#[test]
fn subtasks_are_added_given_away_and_finished() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    let one = clone.ok("subtask add t-1 'cut the wick' --agent scout")["subtask"].clone();
    let two = clone.ok("subtask add t-1 'fill the oil' --assigned aria --agent scout")["subtask"].clone();
    let (one, two) = (one["id"].as_str().unwrap().to_owned(), two["id"].as_str().unwrap().to_owned());
    assert_ne!(one, two);
    clone.ok(&format!("subtask assign t-1 {one} vault --agent knox"));
    let before = room.head();
    clone.ok(&format!("subtask set t-1 {two} complete --comment 'it is full' --agent aria"));
    assert_eq!(room.commits_since(&before).len(), 1, "state and comment are one commit");
    let task = room.task("t-1");
    let find = |id: &str| task["subtasks"].as_array().unwrap().iter().find(|s| s["id"] == id).unwrap().clone();
    assert_eq!(find(&one)["assigned"], "vault");
    assert_eq!(find(&one)["delegatedBy"], "knox");
    assert!(find(&one)["delegatedAt"].is_i64());
    assert_eq!(find(&two)["status"], "complete");
    assert_eq!(task["chat"].as_array().unwrap().last().unwrap()["content"], "it is full");
    clone.refused("subtask set t-1 sub-none complete --agent scout", 3, "not-found");
}

#[test]
fn files_are_a_set() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout", "files": ["a"]}))]);
    let clone = room.clone_as("scout");
    clone.ok("claim t-1 --agent scout");
    clone.ok("files add t-1 b a c --agent scout");
    assert_eq!(room.task("t-1")["files"], json!(["a", "b", "c"]));
    clone.ok("files remove t-1 b --agent scout");
    assert_eq!(room.task("t-1")["files"], json!(["a", "c"]));
    let before = room.refs();
    for path in ["../x", "/etc/passwd", "a/../../x", ""] {
        let ran = clone.json(&format!("files add t-1 '{path}' --agent scout")).0;
        assert!(matches!(ran.code, 2 | 4 | 5), "{path:?}: {ran}");
    }
    assert_eq!(room.refs(), before);
}

#[test]
fn dependencies_have_no_circle() {
    let room = Room::with_tasks(&["a", "b", "c"].map(|id| hand_task(id, json!({}))));
    let clone = room.clone_as("olga");
    clone.ok("dep add a b");
    clone.ok("dep add b c");
    let before = room.refs();
    for line in ["dep add c a", "dep add a a", "dep add a nowhere"] {
        let ran = clone.json(line).0;
        assert!(matches!(ran.code, 3..=5), "{line}: {ran}");
    }
    assert_eq!(room.refs(), before);
    let tree = clone.squad("dep tree a").ok();
    let at = |id: &str| {
        tree.stdout.lines().position(|line| line.split_whitespace().any(|word| word.trim_end_matches(':') == id))
    };
    assert!(at("a") < at("b") && at("b") < at("c") && at("a").is_some(), "{tree}");
    clone.ok("dep remove b c");
    assert!(room.task("b").get("dependsOn").is_none_or(|on| on == &json!([])));
    clone.ok("dep add c a");
}

#[test]
fn a_circle_made_by_hand_is_found() {
    let room =
        Room::with_tasks(&[hand_task("a", json!({"dependsOn": ["b"]})), hand_task("b", json!({"dependsOn": ["a"]}))]);
    let ran = room.clone_as("olga").json("check").exits(4);
    assert!(ran.stdout.contains("cycle"), "{ran}");
}

#[test]
fn archive_moves_the_file_and_restore_brings_it_back() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.refused("archive t-1", 5, "illegal-transition");
    clone.ok("claim t-1 --agent scout");
    clone.ok(&format!("complete t-1 --agent scout {HAND_IN}"));
    clone.refused("archive t-1 --agent scout", 9, "not-permitted");
    let before = room.head();
    clone.ok("archive t-1");
    assert_eq!(room.commits_since(&before).len(), 1);
    assert!(room.file("squad/tasks/json/t-1.json").is_none());
    let archived = room.git("ls-tree -r --name-only main squad/tasks/archived");
    assert!(archived.starts_with("squad/tasks/archived/20") && archived.ends_with("/t-1.json"), "{archived}");
    let task: Value = serde_json::from_str(&room.file(&archived).unwrap()).unwrap();
    assert_eq!((&task["status"], &task["archivedReason"]), (&json!("archived"), &json!("done")));
    assert_eq!(clone.ok("show t-1")["task"]["status"], "archived", "it can still be read");
    let epoch = task["epoch"].as_u64().unwrap();

    clone.ok("restore t-1");
    let task = room.task("t-1");
    assert_eq!(task["status"], "completed", "the state before");
    assert_eq!(task["epoch"], epoch + 1);
    assert_eq!(room.git("ls-tree -r --name-only main squad/tasks/archived"), "");
    clone.ok("check");
}

#[test]
fn archive_older_than_takes_all_that_were_done_before() {
    let done = |id: &str, hours: i64| {
        hand_task(
            id,
            json!({"status": "completed", "assigned": "scout", "completedAt": hours_ago(hours), "updatedAt": hours_ago(hours)}),
        )
    };
    let room = Room::with_tasks(&[
        done("old", 24 * 8),
        done("older", 24 * 30),
        done("new", 24),
        hand_task("open", json!({"updatedAt": hours_ago(24 * 30)})),
    ]);
    let clone = room.clone_as("olga");
    let before = room.head();
    let answer = clone.ok("archive --older-than 7d");
    let mut archived = ids(&answer["tasks"]);
    archived.sort();
    assert_eq!(archived, ["old", "older"]);
    assert_eq!(room.commits_since(&before).len(), 1);
    let mut live = ids(&clone.ok("list --all")["tasks"]);
    live.retain(|id| room.file(&format!("squad/tasks/json/{id}.json")).is_some());
    live.sort();
    assert_eq!(live, ["new", "open"]);
}

#[test]
fn cancel_puts_an_open_task_away_with_its_claim_and_locks() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout", "files": ["src/a"]}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("cancel t-1 --reason 'not needed any more'");
    let path = room.git("ls-tree -r --name-only main squad/tasks/archived");
    let task: Value = serde_json::from_str(&room.file(&path).unwrap()).unwrap();
    assert_eq!(task["archivedReason"], "cancelled");
    assert!(task.get("claim").is_none(), "{task}");
    assert_eq!(room.locks()["currentWork"], json!({}));
    clone.refused("progress t-1 --pct 5 --agent scout", 6, "stale-epoch");
    clone.refused("progress t-1 --pct 5 --agent scout --epoch 2", 5, "illegal-transition");
    clone.ok("restore t-1");
    let task = room.task("t-1");
    assert_eq!((&task["status"], &task["claim"]["epoch"]), (&json!("in-progress"), &json!(3)), "{task}");
    assert!(task["claim"].get("startedAt").is_none(), "nobody has begun again: {task}");
}

#[test]
fn reopen_takes_a_completion_back_and_remembers_it() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok(&format!("complete t-1 --agent scout {HAND_IN}"));
    let epoch = room.task("t-1")["epoch"].as_u64().unwrap();
    clone.refused("reopen t-1 --reason 'it does not burn' --agent scout", 9, "not-permitted");
    clone.ok("reopen t-1 --reason 'it does not burn'");
    let task = room.task("t-1");
    assert_eq!(task["status"], "backlog");
    assert_eq!(task["epoch"], epoch + 1);
    for gone in ["completedAt", "completedBy", "deliverable"] {
        assert!(task.get(gone).is_none(), "{gone}: {task}");
    }
    let entry = task["stateHistory"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(entry["completion"]["completedBy"], "scout", "{entry}");
    assert_eq!(entry["completion"]["deliverable"], "x");
}

#[test]
fn the_chief_joins_a_discussion_and_sorts_what_comes_in() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "category": "marketing"})),
        hand_task("t-2", json!({})),
    ]);
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("comment t-1 'have you thought of whales?' --agent hex");
    let task = room.task("t-1");
    assert!(strings(&task["participants"]).contains(&"hex".to_owned()), "{task}");
    assert_eq!(task["claim"]["agent"], "scout", "a word is no claim");

    for (line, field, value) in [
        ("edit t-2 --priority critical", "priority", "critical"),
        ("edit t-2 --category dev", "category", "dev"),
        ("assign t-2 aria", "assigned", "aria"),
    ] {
        clone.refused(&format!("{line} --agent vault"), 9, "not-permitted");
        let before = room.head();
        clone.ok(&format!("{line} --agent hex"));
        assert_eq!(room.commits_since(&before).len(), 1, "{line}");
        assert_eq!(room.task("t-2")[field], value, "{line}");
    }
    clone.refused("edit t-2 --priority low --agent sterling", 9, "not-permitted");
    clone.ok("edit t-2 --priority high --agent knox");
}
