//! Changes of a board, judged as a reviewer would: in a pull request, before a commit, in the history.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task};

/// A board with an owner, a manager and two executors, each with an address of their own, and two tasks.
fn board() -> (Room, Checkout) {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout", "files": ["src/**"]})),
        hand_task("t-2", json!({"priority": "low"})),
    ]);
    let clone = room.clone_as("olga");
    clone.ok("list");
    (room, clone)
}

fn document(clone: &Checkout, task: &str) -> Value {
    serde_json::from_str(&clone.read(&format!("squad/tasks/json/{task}.json"))).expect("it is JSON")
}

/// Changes a task's file by hand.
fn by_hand(clone: &Checkout, task: &str, change: impl FnOnce(&mut Value)) {
    let mut task_file = document(clone, task);
    change(&mut task_file);
    let text = serde_json::to_string_pretty(&task_file).expect("it is plain") + "\n";
    clone.write(&format!("squad/tasks/json/{task}.json"), text);
}

fn commit(clone: &Checkout, subject: &str) {
    clone.git("add --all");
    clone.git(&format!("commit --quiet --no-verify -m '{subject}'"));
}

fn codes(answer: &Value) -> Vec<&str> {
    let violations = answer["violations"].as_array().expect("there is a list");
    violations.iter().filter(|v| v["severity"] == "error").map(|v| v["code"].as_str().expect("a word")).collect()
}

fn later(task: &Value, ms: i64) -> i64 {
    task["updatedAt"].as_i64().expect("an instant") + ms
}

#[test]
fn what_squad_did_itself_passes_and_is_told_in_one_line_a_task() {
    let (room, clone) = board();
    clone.ok("claim t-1 --agent scout --plan 'read it'");
    clone.ok("complete t-1 --agent scout --deliverable d --summary s --evidence url:https://example.test");
    clone.ok("edit t-2 --agent olga --title 'Another title'");
    clone.git("pull --quiet");
    let first = room.commits_since("").last().map(|c| c.oid.clone()).unwrap_or_default();
    let answer = clone.ok(&format!("review {}..HEAD", clone.git("rev-parse HEAD~3")));
    assert_eq!((&answer["verdict"], codes(&answer)), (&json!("pass"), vec![]), "{answer} {first}");
    let told = &answer["changes"][0];
    assert_eq!((&told["task"], &told["from"], &told["to"]), (&json!("t-1"), &json!("backlog"), &json!("completed")));
    let steps: Vec<&str> = told["steps"].as_array().unwrap().iter().map(|s| s["verb"].as_str().unwrap()).collect();
    assert_eq!(steps, ["claim", "complete"]);
    assert_eq!((&told["actors"], &told["chat"], &told["evidence"]), (&json!(["scout"]), &json!(2), &json!(["url"])));
    assert_eq!(answer["changes"][1]["fields"][0]["name"], "title", "{answer}");
    let text = clone.squad("review HEAD~3..HEAD").ok().stdout;
    assert!(
        text.contains("pass t-1  backlog → completed; claim by scout, complete by scout; evidence: url; 2 messages"),
        "{text}"
    );
}

#[test]
fn each_lie_in_a_pull_request_is_found_by_its_rule() {
    type Lie = (&'static str, &'static str, fn(&Checkout));
    let lies: &[Lie] = &[
        ("unrecorded-transition", "a status without a history", |clone| {
            by_hand(clone, "t-2", |t| t["status"] = json!("review"));
        }),
        ("illegal-transition", "a step that there is not", |clone| {
            by_hand(clone, "t-2", |t| {
                let at = later(t, 1000);
                t["status"] = json!("review");
                t["updatedAt"] = json!(at);
                t["stateHistory"] =
                    json!([{"state": "review", "timestamp": at, "actor": "scout", "trigger": "submit"}]);
            });
        }),
        ("automatic-field", "an epoch by hand", |clone| by_hand(clone, "t-2", |t| t["epoch"] = json!(7))),
        ("automatic-field", "a completion by nobody", |clone| {
            by_hand(clone, "t-2", |t| t["completedBy"] = json!("scout"));
        }),
        ("task-deleted", "a task that is gone", |clone| {
            clone.git("rm --quiet squad/tasks/json/t-2.json");
        }),
        ("time-fell", "a time that goes back", |clone| by_hand(clone, "t-2", |t| t["updatedAt"] = json!(later(t, -1)))),
        ("secret", "a token", |clone| {
            by_hand(clone, "t-2", |t| t["description"] = json!("use ghp_Zz9Qk3Lm8Vn2Bx7Rt5Yw1Pd6Hs4Jf0Gc"));
        }),
        ("locks-stale", "a lock that nobody holds", |clone| {
            let file = ".claude/coordination.json";
            let mut locks: Value = serde_json::from_str(&clone.read(file)).expect("it is JSON");
            locks["currentWork"]["t-2"] =
                json!({"taskId": "t-2", "files": ["src"], "agent": "vault", "since": 1, "mode": "hard"});
            clone.write(file, serde_json::to_string_pretty(&locks).expect("it is plain") + "\n");
        }),
        ("dangling-reference", "a task that is not there", |clone| {
            by_hand(clone, "t-2", |t| t["dependsOn"] = json!(["nobody-knows"]));
        }),
    ];
    for (code, what, lie) in lies {
        let (_room, clone) = board();
        clone.git("checkout --quiet -b change");
        lie(&clone);
        commit(&clone, what);
        let error = clone.refused("review main..change", 4, "invalid");
        assert!(codes(&error).contains(code), "{what}: {error}");
        assert_eq!(error["verdict"], "fail", "{error}");
    }
}

#[test]
fn what_was_said_and_what_happened_only_grows() {
    let (_room, clone) = board();
    clone.ok("claim t-1 --agent scout --plan 'read it'");
    clone.git("pull --quiet");
    for (field, code) in [("chat", "chat-rewritten"), ("stateHistory", "history-rewritten")] {
        clone.git("checkout --quiet -B change main");
        by_hand(&clone, "t-1", |t| t[field] = json!([]));
        commit(&clone, code);
        let error = clone.refused("review main..change", 4, "invalid");
        assert!(codes(&error).contains(&code), "{error}");
    }
}

#[test]
fn where_the_board_asks_for_an_address_nobody_writes_in_another_name() {
    let (room, clone) = board();
    room.configure(|config| {
        config["policy"] = json!({"identity": "email"});
        for agent in config["agents"].as_array_mut().expect("a roster") {
            agent["email"] = json!(format!("{}@example.test", agent["name"].as_str().expect("a name")));
        }
    });
    clone.git("pull --quiet");
    clone.git("checkout --quiet -b change");
    clone.git("config user.email scout@example.test");
    by_hand(&clone, "t-2", |t| {
        let at = later(t, 1000);
        t["updatedAt"] = json!(at);
        t["chat"] = json!([{"id": "msg-1", "author": "olga", "content": "I allow it", "timestamp": at}]);
    });
    commit(&clone, "in another name");
    let error = clone.refused("review main..change", 4, "invalid");
    assert_eq!(codes(&error), ["foreign-actor"], "{error}");
}

#[test]
fn the_roster_is_judged_by_the_roster_before() {
    for (who, passes) in [("scout", false), ("olga", true)] {
        let (room, clone) = board();
        room.configure(|config| {
            for agent in config["agents"].as_array_mut().expect("a roster") {
                agent["email"] = json!(format!("{}@example.test", agent["name"].as_str().expect("a name")));
            }
        });
        clone.git("pull --quiet");
        clone.git("checkout --quiet -b change");
        clone.git(&format!("config user.email {who}@example.test"));
        let mut config: Value = serde_json::from_str(&clone.read("squad/squad.json")).expect("it is JSON");
        config["agents"]
            .as_array_mut()
            .expect("a roster")
            .push(json!({"name": "eve", "role": "owner", "kind": "human"}));
        clone.write("squad/squad.json", serde_json::to_string_pretty(&config).expect("it is plain") + "\n");
        commit(&clone, "promotion");
        let ran = clone.json("review main..change").0;
        assert_eq!(ran.code, if passes { 0 } else { 4 }, "{ran}");
        assert_eq!(ran.stdout.contains("roster-change"), !passes, "{ran}");
    }
}

#[test]
fn a_branch_is_judged_from_where_it_parted_and_squashed_as_well() {
    let (_room, clone) = board();
    clone.git("checkout --quiet -b change");
    by_hand(&clone, "t-2", |t| {
        t["title"] = json!("Better");
        t["updatedAt"] = json!(later(t, 1000));
        t["participants"] = json!(["olga"]);
    });
    commit(&clone, "better");
    // The board goes on, and what it does is not the branch's.
    clone.git("checkout --quiet main");
    clone.ok("claim t-1 --agent scout");
    clone.ok("complete t-1 --agent scout --deliverable d --summary s --evidence url:https://example.test");
    clone.git("pull --quiet");
    let answer = clone.ok("review main..change");
    assert_eq!(crate::kit::ids(&answer["changes"]), ["t-2"]);
    // All that happened on the board, as one commit on a branch from before.
    clone.git("checkout --quiet -b squashed main~2");
    clone.git("merge --quiet --squash main");
    commit(&clone, "squashed");
    let answer = clone.ok("review main~2..squashed");
    assert_eq!((codes(&answer), &answer["verdict"]), (vec![], &json!("pass")), "{answer}");
}

/// Squashes all that happened since a commit into one on a branch, and returns what a review says of it.
fn squashed(clone: &Checkout, since: &str) -> Value {
    clone.git("pull --quiet");
    clone.git(&format!("checkout --quiet -B squashed {since}"));
    clone.git("merge --quiet --squash main");
    commit(clone, "squashed");
    let ran = clone.json(&format!("review {since}..squashed")).0;
    clone.git("checkout --quiet main");
    ran.json()
}

#[test]
fn whom_a_task_was_assigned_to_between_two_steps_is_no_riddle_once_all_is_squashed() {
    let complete = |who: &str| {
        format!("complete t-1 --agent {who} --deliverable d --summary s --evidence url:https://example.test")
    };
    let reopen = || "reopen t-1 --agent olga --reason 'not yet'".to_owned();
    let assign = |to: &str| format!("assign t-1 {to} --agent olga");
    let claim = |who: &str| format!("claim t-1 --agent {who}");
    let ways: Vec<Vec<String>> = vec![
        // It went to somebody else in between, and is again whose it was.
        [
            [claim("scout"), complete("scout"), reopen(), assign("vault")],
            [claim("vault"), complete("vault"), reopen(), assign("scout")],
        ]
        .concat(),
        // The last word is an assignment, by whoever made the task and left no other name on it.
        vec![claim("scout"), "release t-1 --agent scout --note later".to_owned(), assign("vault")],
        vec![assign("vault"), claim("vault"), complete("vault"), reopen(), assign("scout"), claim("scout")],
        vec![claim("scout"), "release t-1 --agent scout --note later".to_owned(), assign("vault"), claim("vault")],
    ];
    for way in &ways {
        for made_by in ["olga", "knox"] {
            let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout", "createdBy": made_by}))]);
            let clone = room.clone_as("olga");
            let before = clone.git("rev-parse HEAD");
            for line in way {
                clone.ok(line);
            }
            let answer = squashed(&clone, &before);
            assert_eq!((&answer["ok"], &answer["verdict"]), (&json!(true), &json!("pass")), "{way:?}: {answer}");
        }
    }
}

#[test]
fn nobody_takes_a_task_by_saying_that_it_was_assigned_to_them() {
    let (_room, clone) = board();
    by_hand(&clone, "t-1", |t| {
        let at = later(t, 1000);
        t["status"] = json!("in-progress");
        t["assigned"] = json!("vault");
        t["epoch"] = json!(1);
        t["claim"] = json!({"agent": "vault", "epoch": 1, "at": at, "leaseSeconds": 900});
        t["updatedAt"] = json!(at);
        t["participants"] = json!(["vault"]);
        t["stateHistory"] = json!([{"state": "in-progress", "timestamp": at, "actor": "vault", "trigger": "claim"}]);
    });
    clone.git("add squad");
    for (who, passes) in [("vault", false), ("olga", true)] {
        let ran = clone.json(&format!("hook pre-commit --agent {who}")).0;
        let answer = ran.json();
        let found = if answer["ok"] == true { answer } else { answer["error"].clone() };
        assert_eq!(codes(&found).contains(&"not-permitted"), !passes, "{who}: {found}");
    }
}

#[test]
fn every_format_is_safe_with_hostile_texts() {
    let (_room, clone) = board();
    clone.git("checkout --quiet -b change");
    let hostile = "x|y <img src=x> `b` [l](http://e) @all ::error::no %0A # h";
    by_hand(&clone, "t-2", |t| {
        t["title"] = json!(hostile);
        t["updatedAt"] = json!(later(t, 1000));
        t["parent"] = json!("no-such-task");
        t["weird\n::warning::k"] = json!("\u{1b}[2J\u{202e}");
        // A code that has no end is taken out together with all that follows.
        t["a\u{1b}]0;\u{9b}\u{202e}"] = json!(1);
    });
    commit(&clone, "hostile");
    let markdown = clone.squad("review main..change --format markdown").exits(4).stdout;
    let outside: String = markdown.split("```").step_by(2).collect();
    assert!(!outside.contains("<img") && !outside.contains("@all") && !outside.contains("[l]("), "{markdown}");
    assert!(!markdown.contains('\u{1b}') && !markdown.contains('\u{202e}'), "{markdown:?}");
    let github = clone.squad("review main..change --format github").exits(4).stdout;
    assert!(
        github.lines().all(|line| ["::error ", "::warning ", "::notice "].iter().any(|k| line.starts_with(k))),
        "{github}"
    );
    let all = clone.refused("review main..change", 4, "invalid")["violations"].as_array().map_or(0, Vec::len);
    assert_eq!(github.lines().filter(|line| !line.starts_with("::notice ")).count(), all, "{github}");
    let sarif = clone.squad("review main..change --format sarif").exits(4).stdout;
    assert!(
        ![&github, &sarif].iter().any(|text| text.contains(['\u{1b}', '\u{9b}', '\u{202e}'])),
        "{github:?} {sarif:?}"
    );
    let sarif: Value = serde_json::from_str(&sarif).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert!(results.iter().any(|r| r["ruleId"] == "dangling-reference"), "{sarif}");
    assert!(results.iter().all(|r| r["ruleIndex"].is_u64()), "each result has its rule: {sarif}");
    let text = clone.squad("review main..change").exits(4).stdout;
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
}

#[test]
fn what_a_hint_gives_to_run_has_nothing_of_a_file_but_names() {
    let (room, clone) = board();
    room.put(&[("squad/tasks/json/$(id).json", Some("{}"))]);
    clone.git("pull --quiet");
    clone.git("checkout --quiet -b change");
    clone.git("rm --quiet 'squad/tasks/json/$(id).json'");
    by_hand(&clone, "t-2", |t| {
        let at = later(t, 1000);
        t["stateHistory"] = json!([{"state": "in-progress", "timestamp": at, "actor": "$(id)", "trigger": "claim"}]);
        t["updatedAt"] = json!(at);
    });
    commit(&clone, "hostile");
    let error = clone.refused("review main..change", 4, "invalid");
    let hints: Vec<&str> = error["violations"].as_array().expect("a list").iter().map(words).collect();
    for command in ["`squad cancel NAME --reason R`", "`squad agents add NAME --role executor`"] {
        assert!(hints.iter().any(|hint| hint.contains(command)), "{error}");
    }
    assert!(!hints.iter().any(|hint| hint.contains("$(id)")), "{error}");
}

fn words(violation: &Value) -> &str {
    violation["hint"].as_str().unwrap_or_default()
}

#[test]
fn a_commit_of_what_another_agent_holds_is_refused_and_the_holders_own_is_not() {
    let (_room, clone) = board();
    clone.ok("claim t-1 --agent scout");
    clone.write("src/a.rs", "fn main() {}\n");
    clone.write("other.txt", "free\n");
    clone.git("add src other.txt");
    let error = clone.refused("hook pre-commit --agent aria", 4, "invalid");
    assert_eq!(codes(&error), ["path-locked"], "{error}");
    assert_eq!(error["violations"][0]["file"], "src/a.rs");
    clone.ok("hook pre-commit --agent scout");
    clone.git("rm --quiet --cached src/a.rs");
    clone.ok("hook pre-commit --agent aria");
}

#[test]
fn what_a_merge_brings_was_judged_where_it_was_made() {
    let (room, clone) = board();
    clone.git("checkout --quiet -b work");
    clone.write("code.txt", "new\n");
    clone.git("add code.txt");
    clone.git("commit --quiet -m work");
    // The board goes on: by others, and in ways that whoever merges could not.
    room.at("olga").ok("claim t-1 --agent scout");
    clone.git("fetch --quiet origin");
    clone.git("merge --quiet --no-commit --no-ff origin/main");
    clone.ok("hook pre-commit --agent aria");
    by_hand(&clone, "t-2", |t| t["status"] = json!("completed"));
    clone.git("add squad");
    let error = clone.refused("hook pre-commit --agent aria", 4, "invalid");
    assert!(codes(&error).contains(&"unrecorded-transition"), "a merge can smuggle nothing in: {error}");
}

#[test]
fn a_broken_file_that_a_step_depends_on_is_a_violation_and_no_end_of_the_review() {
    let (_room, clone) = board();
    clone.ok("dep add t-2 t-1 --agent olga");
    clone.git("pull --quiet");
    clone.git("checkout --quiet -b change");
    clone.write("squad/tasks/json/t-1.json", "null\n");
    by_hand(&clone, "t-2", |t| {
        let at = later(t, 1000);
        t["updatedAt"] = json!(at);
        t["stateHistory"] = json!([{"state": "in-progress", "timestamp": at, "actor": "scout", "trigger": "claim"}]);
    });
    commit(&clone, "broken");
    let error = clone.refused("review main..change", 4, "invalid");
    assert_eq!(error["verdict"], "fail", "{error}");
    let found = crate::kit::errors(&error);
    for (file, code) in [("t-1", "wrong-type"), ("t-2", "unreadable")] {
        let file = json!(format!("squad/tasks/json/{file}.json"));
        assert!(found.iter().any(|v| v["file"] == file && v["code"] == code), "{code} of {file}: {error}");
    }
    let github = clone.squad("review main..change --format github").exits(4).stdout;
    assert!(github.lines().count() >= 2, "{github}");
}

#[test]
fn json_is_json_however_it_is_asked_for() {
    let (_room, clone) = board();
    for (branch, status, code) in [("good", "backlog", 0), ("bad", "review", 4)] {
        clone.git(&format!("checkout --quiet -b {branch} main"));
        by_hand(&clone, "t-2", |t| {
            t["status"] = json!(status);
            t["updatedAt"] = json!(later(t, 1000));
        });
        commit(&clone, branch);
        let one = clone.squad(&format!("review main..{branch} --format json")).exits(code).json();
        let other = clone.json(&format!("review main..{branch}")).exits(code).json();
        assert_eq!(one, other);
    }
}

#[test]
fn a_range_that_is_not_here_says_what_to_fetch() {
    let (_room, clone) = board();
    let error = clone.refused("review no-such-branch..HEAD", 3, "not-found");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("fetch-depth: 0")), "{error}");
    clone.refused("review --format text -- --upload-pack=x..HEAD", 2, "usage");
    clone.git("checkout --quiet --orphan apart");
    clone.git("commit --quiet --no-verify --allow-empty -m apart");
    clone.refused("review main..apart", 3, "not-found");
}

#[test]
fn a_commit_by_hand_in_the_history_is_judged_by_the_same_rules() {
    let (room, clone) = board();
    clone.ok("audit");
    let mut task = room.task("t-2");
    task["status"] = json!("completed");
    let text = serde_json::to_string_pretty(&task).expect("it is plain") + "\n";
    room.put(&[("squad/tasks/json/t-2.json", Some(text))]);
    let bad = room.head();
    let error = clone.refused("audit", 4, "invalid");
    assert!(codes(&error).contains(&"unrecorded-transition"), "{error}");
    let first = &error["violations"][0];
    assert_eq!(first["commit"], bad, "the first bad commit is named: {error}");
    // What came before it is none of its business.
    clone.ok(&format!("audit --since {bad}"));
}

#[test]
fn the_page_about_the_rules_is_made_from_the_code_and_names_every_rule() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("docs/rules.md");
    let fresh = squad::review::rules::page();
    if std::env::var_os("SQUAD_BLESS").is_some() {
        std::fs::write(&path, &fresh).expect("the page is ours");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(page, fresh, "docs/rules.md is old; run this test with SQUAD_BLESS=1");
    // Whatever the code calls a violation has a rule.
    let call = codes_in();
    for entry in walkdir::WalkDir::new(root.join("src")).into_iter().flatten() {
        if entry.path().extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(entry.path()).expect("it is source");
        for code in call(&source) {
            assert!(squad::review::rules::rule(&code).is_some(), "{code} of {} has no rule", entry.path().display());
        }
    }
}

/// Returns what finds the first argument of each `Violation::error(` in a source.
fn codes_in() -> impl Fn(&str) -> Vec<String> {
    |source: &str| {
        let calls = source.split("Violation::error(").skip(1);
        let first = calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        first.filter(|code| *code != "x" && *code != "code").map(str::to_owned).collect()
    }
}
