//! Branches that touch the same tasks: what real git makes of them with squad's drivers, and without.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, errors, hand_task, hours_ago, strings};

/// Runs git with squad on its PATH, and tells whether it succeeded and what it said on both streams.
fn git_with_squad(clone: &Checkout, line: &str) -> (bool, String) {
    let squad = std::path::Path::new(env!("CARGO_BIN_EXE_squad")).parent().unwrap().to_owned();
    let mut path = vec![squad];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut command = Command::new("git");
    clone.prepare(&mut command);
    command.env("PATH", std::env::join_paths(path).unwrap()).args(crate::kit::words(line)).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// A clone that knows the drivers, and one of a copy of the remote: whatever the two do, neither sees of the other.
struct Apart {
    room: Room,
    one: Checkout,
    other: Checkout,
}

impl Apart {
    fn with(tasks: &[Value]) -> Self {
        let room = Room::with_tasks(tasks);
        room.git("clone --quiet --bare . ../copy.git");
        let one = room.clone_as("olga");
        one.ok("init");
        one.git("pull --quiet");
        let other = room.clone_with("pia", "copy.git");
        other.ok("list");
        Self { room, one, other }
    }

    /// Changes the file of a task in both clones by hand, and commits it.
    fn edit(&self, id: &str, one: impl FnOnce(&mut Value), other: impl FnOnce(&mut Value)) {
        edit(&self.one, id, one);
        edit(&self.other, id, other);
    }

    /// Merges what the other has into the one, and tells whether that went well and what git said.
    fn merge(&self) -> (bool, String) {
        self.one.git("fetch --quiet ../copy.git main");
        let copy = format!("fetch --quiet {} HEAD", self.other.dir.display());
        self.one.git(&copy);
        git_with_squad(&self.one, "merge --no-edit FETCH_HEAD")
    }

    #[track_caller]
    fn merged(&self) -> String {
        let (ok, said) = self.merge();
        assert!(ok, "{said}");
        assert_eq!(self.one.status(), "", "{said}");
        assert_eq!(errors(&self.one.ok("check --at HEAD")), Vec::<Value>::new());
        said
    }

    fn task(&self, id: &str) -> Value {
        serde_json::from_str(&self.one.read(&path(id))).unwrap()
    }
}

fn path(id: &str) -> String {
    format!("squad/tasks/json/{id}.json")
}

fn edit(clone: &Checkout, id: &str, change: impl FnOnce(&mut Value)) {
    let mut task: Value = serde_json::from_str(&clone.read(&path(id))).unwrap();
    change(&mut task);
    clone.write(&path(id), serde_json::to_string_pretty(&task).unwrap() + "\n");
    clone.git("commit --quiet --all -m edit");
}

fn say(id: &str, at: i64) -> Value {
    json!({"id": id, "author": "scout", "content": format!("I am {id}"), "timestamp": at})
}

#[track_caller]
fn assert_no_markers(clone: &Checkout, id: &str) {
    let text = clone.read(&path(id));
    assert!(!["<<<<<<<", "=======", ">>>>>>>"].iter().any(|marker| text.contains(marker)), "{text}");
}

#[test]
fn different_fields_merge_cleanly_with_the_driver_and_without_it() {
    for driver in [true, false] {
        let apart = Apart::with(&[hand_task("t-1", json!({"assigned": "scout", "tags": ["a"], "x-own": {"n": 1}}))]);
        if !driver {
            apart.one.git("config --remove-section merge.squad");
        }
        apart.edit("t-1", |task| task["title"] = json!("Other"), |task| task["tags"] = json!(["a", "b"]));
        apart.merged();
        let task = apart.task("t-1");
        assert_eq!(
            (&task["title"], &task["tags"], &task["x-own"]),
            (&json!("Other"), &json!(["a", "b"]), &json!({"n": 1}))
        );
    }
}

#[test]
fn messages_at_the_same_place_are_both_kept() {
    let task = || hand_task("t-1", json!({"chat": [say("first", hours_ago(1))]}));
    let add = |id: &'static str, minutes: i64| {
        move |task: &mut Value| {
            let at = crate::kit::minutes_ago(minutes);
            task["chat"].as_array_mut().unwrap().push(say(id, at));
            task["updatedAt"] = json!(at);
        }
    };
    let apart = Apart::with(&[task()]);
    apart.edit("t-1", add("late", 10), add("early", 20));
    let said = apart.merged();
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(crate::kit::ids(&apart.task("t-1")["chat"]), ["first", "early", "late"]);

    // It is the driver that does it.
    let apart = Apart::with(&[task()]);
    apart.one.git("config --remove-section merge.squad");
    apart.edit("t-1", add("late", 10), add("early", 20));
    assert!(!apart.merge().0);
}

#[test]
fn what_two_boards_did_apart_becomes_one_board_with_its_locks() {
    let apart = Apart::with(&[
        hand_task("t-1", json!({"assigned": "scout", "files": ["src/a"]})),
        hand_task("t-2", json!({"assigned": "aria", "files": ["src/b"]})),
        hand_task("t-3", json!({"assigned": "scout", "files": ["src/c"]})),
        // Git finds a file that has moved by how much of it has stayed.
        hand_task("done", json!({"status": "completed", "assigned": "scout", "description": "all of it\n".repeat(40)})),
    ]);
    apart.one.ok("comment t-1 'from one' --agent hex");
    apart.one.ok("claim t-2 --agent aria");
    apart.one.ok("edit t-3 --tag one");
    apart.one.ok("archive done");
    apart.other.ok("claim t-1 --agent scout");
    apart.other.ok("comment t-2 'from other' --agent hex");
    apart.other.ok("edit t-3 --tag other --priority critical --agent hex");
    apart.other.ok("comment done 'well done' --agent hex");
    apart.one.git("pull --quiet");
    apart.other.git("pull --quiet");
    let said = apart.merged();
    assert!(!said.contains("warning"), "{said}");
    let (first, second, third) = (apart.task("t-1"), apart.task("t-2"), apart.task("t-3"));
    assert_eq!((&first["status"], &first["chat"][0]["content"]), (&json!("in-progress"), &json!("from one")));
    assert_eq!((&second["status"], &second["chat"][0]["content"]), (&json!("in-progress"), &json!("from other")));
    assert_eq!(
        (strings(&third["tags"]), &third["priority"]),
        (vec!["one".to_owned(), "other".to_owned()], &json!("critical"))
    );
    let locks: Value = serde_json::from_str(&apart.one.read(".claude/coordination.json")).unwrap();
    assert_eq!(locks["currentWork"].as_object().unwrap().keys().collect::<Vec<_>>(), ["t-1", "t-2"]);
    let archived = apart.one.git("ls-files squad/tasks/archived");
    let done: Value = serde_json::from_str(&apart.one.read(&archived)).unwrap();
    assert_eq!((&done["status"], &done["chat"][0]["content"]), (&json!("archived"), &json!("well done")));
    // The merge can be published, and the board goes on from it.
    apart.one.git("push --quiet origin HEAD:main");
    apart.one.ok("claim t-3 --agent scout");
    assert_eq!(apart.room.task("t-3")["status"], "in-progress");
}

#[test]
fn moves_that_can_follow_each_other_both_happen() {
    let apart = Apart::with(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    apart.one.ok("request-complete t-1 --note 'I think so' --agent hex");
    apart.other.ok("claim t-1 --agent scout");
    let said = apart.merged();
    assert!(!said.contains("warning"), "{said}");
    let task = apart.task("t-1");
    assert_eq!((&task["claim"]["agent"], &task["completionRequest"]["by"]), (&json!("scout"), &json!("hex")));
    let triggers: Vec<_> =
        task["stateHistory"].as_array().unwrap().iter().map(|entry| entry["trigger"].clone()).collect();
    assert_eq!(triggers, ["request-complete", "claim"]);
}

#[test]
fn of_two_claims_the_one_on_the_board_stays_and_git_shows_the_other() {
    let apart = Apart::with(&[hand_task("t-1", json!({"assigned": "scout", "files": ["src/a"]}))]);
    apart.one.ok("claim t-1 --plan 'mine' --agent scout");
    apart.other.ok("claim t-1 --plan 'no, mine' --agent hex");
    let said = apart.merged();
    assert!(
        said.contains("warning: squad/tasks/json/t-1.json: /claim of theirs was ") && said.contains("\"hex\""),
        "{said}"
    );
    assert!(said.contains(".claude/coordination.json follows from the tasks"), "{said}");
    let task = apart.task("t-1");
    assert_eq!((&task["claim"]["agent"], &task["assigned"]), (&json!("scout"), &json!("scout")));
    assert_eq!((&task["epoch"], &task["claim"]["epoch"]), (&json!(2), &json!(2)));
    let said: Vec<_> = task["chat"].as_array().unwrap().iter().map(|message| message["content"].clone()).collect();
    assert_eq!(said, ["mine", "no, mine"]);
}

#[test]
fn what_is_no_task_is_a_conflict_and_ours_stays_as_it_was() {
    let apart = Apart::with(&[hand_task("t-1", json!({}))]);
    edit(&apart.one, "t-1", |task| task["title"] = json!("Ours"));
    let ours = apart.one.read(&path("t-1"));
    apart.other.write(&path("t-1"), "{\"id\": \"t-1\", \"title\": \n");
    apart.other.git("commit --quiet --all -m broken");
    let (ok, said) = apart.merge();
    assert!(!ok && said.contains("CONFLICT"), "{said}");
    assert!(said.contains("error: squad/tasks/json/t-1.json is not merged"), "{said}");
    assert!(said.contains("caused by: theirs: the file is not JSON") && said.contains("hint: "), "{said}");
    assert_eq!(apart.one.read(&path("t-1")), ours);
    assert_eq!(apart.one.git("ls-files --unmerged").lines().count(), 3, "git has all three versions");
}

#[test]
fn without_the_program_a_merge_is_a_conflict_without_markers() {
    let apart = Apart::with(&[hand_task("t-1", json!({}))]);
    apart.one.git("config merge.squad.driver 'no-such-squad merge-driver %O %A %B %P'");
    apart.edit("t-1", |task| task["title"] = json!("Ours"), |task| task["title"] = json!("Theirs"));
    let (ok, said) = apart.merge();
    assert!(!ok && said.contains("CONFLICT"), "{said}");
    assert_no_markers(&apart.one, "t-1");
    assert_eq!(apart.task("t-1")["title"], "Ours");
}

#[test]
fn the_driver_answers_by_its_exit_code_and_in_json() {
    let room = Room::empty();
    let here = room.at("home");
    let task = |title: &str, at: i64| {
        serde_json::to_string_pretty(&hand_task("t-1", json!({"title": title, "updatedAt": at, "createdAt": 1})))
            .unwrap()
    };
    here.write("base", task("Base", 1));
    here.write("ours", task("Ours", 2));
    here.write("theirs", task("Theirs", 3));
    here.write("empty", "");
    let answer = here.ok("merge-driver base ours theirs squad/tasks/json/t-1.json");
    assert_eq!(answer["lost"], json!([{"pointer": "/title", "side": "ours", "value": "Ours", "kept": "Theirs"}]));
    assert_eq!(serde_json::from_str::<Value>(&here.read("ours")).unwrap()["title"], "Theirs");
    here.ok("merge-driver empty ours theirs squad/tasks/json/t-1.json");

    here.write("newer", task("Newer", 4).replacen('{', "{\"schemaVersion\": 2,", 1));
    let before = here.read("ours");
    for theirs in ["newer", "empty", "missing"] {
        let ran = here.json(&format!("merge-driver base ours {theirs} squad/tasks/json/t-1.json")).exits(1);
        assert_eq!(ran.json()["ok"], false, "{ran}");
        assert_eq!(here.read("ours"), before, "{ran}");
    }
    assert_eq!(here.git("--version").split(' ').next(), Some("git"));
    let left: Vec<_> = std::fs::read_dir(&here.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(".squad")), "{left:?}");
}

#[test]
fn a_change_of_a_task_is_shown_as_text_by_plain_git() {
    let apart = Apart::with(&[hand_task("t-1", json!({"assigned": "scout", "x-own": "a\u{202e}b"}))]);
    apart.one.ok("claim t-1 --plan 'Read it first' --agent scout");
    let (ok, log) = git_with_squad(&apart.one, "log -p -1 -- squad/tasks/json");
    assert!(ok, "{log}");
    for line in
        ["-status: backlog", "+status: in-progress", "+holder: scout", "+    | Read it first", "+claim:", "+  epoch: 1"]
    {
        assert!(log.lines().any(|shown| shown == line), "{line} in:\n{log}");
    }
    let shown = log.split_once("\ndiff --git ").unwrap().1;
    assert!(!shown.contains('"'), "no JSON is left:\n{shown}");

    edit(&apart.one, "t-1", |task| task["x-own"] = json!("a\u{202e}c"));
    apart.one.write(&path("t-1"), "no\u{1b}[2J task");
    let (ok, diff) = git_with_squad(&apart.one, "diff");
    assert!(ok && diff.contains("-x-own: a\\u{202e}c") && diff.contains("+no\\u{1b}[2J task"), "{diff}");
    let ran = apart.one.squad("diff --textconv squad/tasks/json/t-1.json").ok();
    assert_eq!(ran.stdout, "no\\u{1b}[2J task");
    apart.one.refused("diff --textconv nothing.json", 3, "not-found");
    let error = apart.one.refused("diff ..HEAD", 2, "usage");
    assert!(error["hint"].as_str().unwrap().contains("`squad diff origin/main..HEAD`"), "{error}");
}

#[test]
fn init_sets_up_the_drivers_of_a_clone_once_and_leaves_those_of_others_alone() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    clone.git("config diff.squad.textconv cat");
    let head = room.head();
    clone.ok("init");
    clone.ok("init");
    assert_eq!(room.head(), head);
    assert_eq!(clone.git("config --get-all merge.squad.driver"), "squad merge-driver %O %A %B %P");
    assert_eq!(clone.git("config --get-all diff.squad.textconv"), "cat");
    assert_eq!(clone.git("config --get-all diff.squad.cachetextconv"), "false");
    for file in ["squad/tasks/json/t-1.json", "squad/tasks/archived/2026-11/t-1.json"] {
        let attributes = clone.git(&format!("check-attr merge diff -- {file}"));
        assert_eq!(attributes, format!("{file}: merge: squad\n{file}: diff: squad"));
    }
}

#[test]
fn a_board_from_before_the_drivers_stays_as_it_is_and_is_as_true() {
    let room = Room::code();
    let clone = room.clone_as("olga");
    clone.ok("init");
    let old = "# squad: begin\nsquad/** text eol=lf\n.claude/coordination.json text eol=lf\n# squad: end\n";
    clone.write(".gitattributes", old);
    clone.git("commit --quiet --all --amend --no-edit");
    clone.git("push --quiet --force origin main");
    let head = room.head();
    let pia = room.clone_as("pia");
    pia.ok("init");
    assert_eq!(room.head(), head);
    assert_eq!(errors(&pia.ok("audit")), Vec::<Value>::new());
    pia.write(".gitattributes", old.replace("eol=lf", "eol=crlf"));
    pia.git("commit --quiet --all --amend --no-edit");
    pia.git("push --quiet --force origin main");
    let found = room.clone_as("quin").refused("audit", 4, "invalid");
    assert_eq!(crate::kit::violations(&found)[0]["code"], "other-content");
}
