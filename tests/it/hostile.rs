//! Input that means harm: task files pushed by hand and tasks given to `new`, and what reaches a terminal.

use serde_json::{Value, json};

use crate::kit::{Room, errors, hand_task, violations};

/// Pushes one file by hand and asserts that `check` fails with that file, and that the rest of the board works.
#[track_caller]
fn check_refuses(name: &str, bytes: &[u8]) -> Value {
    let room = Room::with_tasks(&[hand_task("good", json!({"assigned": "scout"}))]);
    let path = format!("squad/tasks/json/{name}");
    room.put(&[(&path, Some(bytes))]);
    let clone = room.clone_with("olga", "--no-checkout remote.git");
    let ran = clone.json("check").exits(4);
    let found = violations(&ran.json());
    let violation = found.iter().find(|violation| violation["file"] == path.as_str());
    let violation = violation.unwrap_or_else(|| panic!("{path} is not named: {ran}")).clone();
    assert!(violation["code"].as_str().is_some_and(|code| !code.is_empty()), "{violation}");
    assert!(violation["message"].as_str().is_some_and(|message| !message.is_empty()), "{violation}");
    clone.ok("claim good --agent scout");
    assert_eq!(room.task("good")["status"], "in-progress", "one broken file stops only what touches it");
    violation
}

fn text(task: &Value) -> String {
    serde_json::to_string_pretty(task).unwrap() + "\n"
}

#[test]
fn broken_files_are_named_with_a_code_and_stop_only_themselves() {
    let good = text(&hand_task("bad", json!({})));
    let mut invalid_utf8 = good.clone().into_bytes();
    let at = good.find("Work").unwrap();
    invalid_utf8[at] = 0xFF;
    let two_mib = text(&hand_task("bad", json!({"description": "x".repeat(2 << 20)})));
    let deep = good.replacen('{', &format!("{{\"deep\": {}{},", "[".repeat(200), "]".repeat(200)), 1);
    for (what, bytes) in [
        ("duplicate keys", good.replacen('{', "{\"title\": \"first\",", 1).into_bytes()),
        ("invalid UTF-8", invalid_utf8),
        ("two MiB", two_mib.into_bytes()),
        ("200 levels", deep.into_bytes()),
        ("a byte order mark", format!("\u{feff}{good}").into_bytes()),
        ("trailing data", format!("{good}{good}").into_bytes()),
        ("half a file", good.as_bytes()[..good.len() / 2].to_vec()),
        ("an empty file", Vec::new()),
        ("a list", b"[]\n".to_vec()),
        ("a lone surrogate", good.replace("Work", "\\ud800").into_bytes()),
    ] {
        let violation = check_refuses("bad.json", &bytes);
        assert!(violation["message"].is_string(), "{what}: {violation}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_pointer() {
    for (pointer, fields) in [
        ("/status", json!({"status": "doing"})),
        ("/priority", json!({"priority": "urgent"})),
        ("/updatedAt", json!({"updatedAt": "yesterday", "createdAt": 1})),
        ("/title", json!({"title": 7})),
        ("/subtasks/0/status", json!({"subtasks": [{"id": "sub-1", "title": "s", "status": "done"}]})),
        ("/chat/0", json!({"chat": [{"id": "msg-1", "author": "olga", "timestamp": 1}]})),
    ] {
        let violation = check_refuses("bad.json", text(&hand_task("bad", fields)).as_bytes());
        let found = violation["pointer"].as_str().unwrap_or_default();
        assert!(found.starts_with(pointer), "{pointer}: {violation}");
    }
}

#[test]
fn an_id_that_is_not_the_file_s_name_is_named() {
    check_refuses("bad.json", text(&hand_task("other", json!({}))).as_bytes());
}

#[test]
fn ids_that_no_file_may_have_are_named() {
    for name in ["-x", ".hidden", "CON", "a b", "end.", "a:b"] {
        check_refuses(&format!("{name}.json"), text(&hand_task(name, json!({}))).as_bytes());
    }
}

#[test]
fn two_ids_that_differ_only_in_case_are_named() {
    let room = Room::with_tasks(&[hand_task("Twin", json!({})), hand_task("twin", json!({}))]);
    let ran = room.clone_with("olga", "--bare remote.git").json("check").exits(4);
    assert!(
        violations(&ran.json()).iter().any(|violation| violation.to_string().to_lowercase().contains("twin")),
        "{ran}"
    );
}

#[test]
fn references_to_nothing_are_named() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"dependsOn": ["gone"]})),
        hand_task("t-2", json!({"parent": "gone-too"})),
    ]);
    let ran = room.clone_as("olga").json("check").exits(4);
    for (file, target) in [("squad/tasks/json/t-1.json", "gone"), ("squad/tasks/json/t-2.json", "gone-too")] {
        let found = violations(&ran.json());
        let named = found.iter().find(|violation| violation["file"] == file);
        assert!(named.is_some_and(|violation| violation.to_string().contains(target)), "{file}: {ran}");
    }
}

#[test]
fn a_task_file_that_is_a_link_is_never_followed() {
    let room = Room::with_tasks(&[hand_task("good", json!({}))]);
    let blob = room.git("rev-parse main:squad/tasks/json/good.json");
    let scratch = room.clone_as("hand");
    for (mode, name) in [("120000", "link"), ("100755", "run")] {
        scratch.git(&format!("update-index --add --cacheinfo {mode},{blob},squad/tasks/json/{name}.json"));
    }
    scratch.git("commit --quiet -m 'by hand'");
    scratch.git("push --quiet origin main");
    let clone = room.clone_with("olga", "--no-checkout remote.git");
    let ran = clone.json("check").exits(4);
    let found = violations(&ran.json());
    for name in ["link", "run"] {
        let file = format!("squad/tasks/json/{name}.json");
        assert!(found.iter().any(|violation| violation["file"] == file.as_str()), "{file}: {ran}");
    }
    assert_eq!(crate::kit::ids(&clone.ok("list")["tasks"]), ["good"]);
}

#[test]
fn new_refuses_what_check_would_refuse_and_writes_nothing() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    let before = room.refs();
    for (what, input) in [
        ("a path", json!({"id": "../x", "title": "t"}).to_string()),
        ("a folder", json!({"id": "a/b", "title": "t"}).to_string()),
        ("a backslash", json!({"id": "a\\b", "title": "t"}).to_string()),
        ("an option", json!({"id": "-x", "title": "t"}).to_string()),
        ("a device", json!({"id": "CON", "title": "t"}).to_string()),
        ("a NUL", json!({"id": "a\u{0}b", "title": "t"}).to_string()),
        ("no title", json!({"id": "x"}).to_string()),
        ("an empty title", json!({"id": "x", "title": ""}).to_string()),
        ("an escape in the title", json!({"id": "x", "title": "a\u{1b}[2Jb"}).to_string()),
        ("a line break in the title", json!({"id": "x", "title": "a\nSquad-Op: b"}).to_string()),
        ("a bidi override in the title", json!({"id": "x", "title": "a\u{202e}b"}).to_string()),
        ("duplicate keys", r#"{"id": "x", "title": "a", "title": "b"}"#.to_owned()),
        ("twins in one input", json!([{"id": "x", "title": "a"}, {"id": "X", "title": "b"}]).to_string()),
        ("a wrong priority", json!({"id": "x", "title": "a", "priority": "urgent"}).to_string()),
        ("half of it", "{\"id\": \"x\",".to_owned()),
        (
            "200 levels",
            format!("{{\"id\": \"x\", \"title\": \"t\", \"deep\": {}{}}}", "[".repeat(200), "]".repeat(200)),
        ),
        ("one bad of two", json!([{"id": "x", "title": "a"}, {"id": "y"}]).to_string()),
        ("a dependency on nothing", json!({"id": "x", "title": "a", "dependsOn": ["nowhere"]}).to_string()),
        ("a path out of the repository", json!({"id": "x", "title": "a", "files": ["../../etc/passwd"]}).to_string()),
        ("more than a MiB", json!({"id": "x", "title": "a", "description": "y".repeat(2 << 20)}).to_string()),
    ] {
        let ran = clone.squad_with(&["new", "--from", "-", "--json"], input.as_bytes(), &[]).0;
        assert!(matches!(ran.code, 3..=5), "{what}: {ran}");
        assert_eq!(ran.json()["ok"], false, "{what}");
        assert_eq!(room.refs(), before, "{what}");
    }
    let ran = clone.squad_with(&["new", "--from", "-", "--json"], b"{\"id\": \"x\", \"title\": \"a\xff\"}", &[]).0;
    assert!(matches!(ran.code, 2..=4), "invalid UTF-8: {ran}");
    for id in ["../x", "CON", "a/b", ""] {
        let ran = clone.json(&format!("new title --id '{id}'")).0;
        assert!(matches!(ran.code, 2 | 4), "{id:?}: {ran}");
    }
    assert_eq!(room.refs(), before);
}

/// Everything that moves a cursor, changes a colour or turns text around.
fn harmless(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    })
}

#[test]
fn escapes_in_a_pushed_task_do_not_reach_the_terminal() {
    let evil = "before\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\rafter";
    let at = crate::kit::hours_ago(30);
    let room = Room::with_tasks(&[hand_task(
        "evil",
        json!({
            "title": evil, "description": evil, "assigned": "scout", "status": "blocked", "blockedBy": evil,
            "blockedAt": at, "updatedAt": at, "tags": [evil], "files": ["src/a"],
            "chat": [{"id": "msg-1", "author": "knox", "content": format!("@scout {evil}"), "timestamp": at}],
        }),
    )]);
    let clone = room.clone_as("olga");
    for line in [
        "scan --agent scout",
        "scan --agent hex",
        "show evil",
        "list",
        "list --all",
        "check",
        "status",
        "log",
        "activity",
        "dep tree",
    ] {
        let ran = clone.squad(line).0;
        assert!(harmless(&ran.stdout), "`{line}`: {:?}", ran.stdout);
        assert!(harmless(&ran.stderr), "`{line}`: {:?}", ran.stderr);
    }
    let shown = clone.ok("show evil");
    assert_eq!(shown["task"]["title"], evil, "JSON carries the text as it is");
}

#[test]
fn a_line_break_in_a_value_cannot_begin_a_trailer() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    let before = room.head();
    clone
        .squad_args(&[
            "comment",
            "t-1",
            "hello\n\nSquad-Op: 00000000000000000000000000\nSquad-Actor: mallory",
            "--json",
        ])
        .ok();
    let commits = room.commits_since(&before);
    assert_eq!(commits.len(), 1);
    assert_eq!(commits[0].trailer("Squad-Actor"), "olga");
    assert_ne!(commits[0].trailer("Squad-Op"), "00000000000000000000000000");
}

#[test]
fn arguments_that_look_like_options_of_git_are_only_text() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    for line in ["show t-1 --at=--output=pwned", "check --at=--output=pwned", "review '--output=pwned..HEAD'"] {
        let ran = clone.json(line).0;
        assert_ne!(ran.code, 0, "{ran}");
    }
    assert!(!clone.dir.join("pwned").exists());
    assert!(!room.remote().join("pwned").exists());
}

#[test]
fn a_lock_file_that_a_killed_squad_left_behind_stops_nobody() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("sync");
    room.put(&[("src/main.txt", Some("two\n"))]);
    // A kill in the middle of a ref's move leaves this; nothing names its owner.
    let lock = ".git/squad/board.git/refs/squad/tip.lock";
    clone.write(lock, "");
    clone.ok("sync");
    clone.write(lock, "");
    clone.ok("claim t-1");
    clone.ok("check");
    assert!(!clone.dir.join(lock).exists());
}

#[test]
fn a_task_folder_that_is_no_folder_is_named_by_everybody_who_looks() {
    for folder in ["squad/tasks", "squad/tasks/json"] {
        let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
        let clone = room.clone_as("olga");
        room.put(&[("squad/tasks/json/t-1.json", None::<&str>), (folder, Some("nothing"))]);
        let error = clone.refused("check", 4, "invalid");
        let found: Vec<_> = errors(&json!({"violations": error["violations"]}));
        assert_eq!((&found[0]["code"], &found[0]["file"]), (&json!("not-a-folder"), &json!(folder)), "{error}");
        let scanned = clone.ok("scan --agent scout");
        assert_eq!(scanned["invalid"][0]["file"], folder, "{scanned}");
        for verb in ["list", "status"] {
            let ran = clone.squad(verb).ok();
            assert!(ran.stderr.contains(folder), "an empty board is not all there is to say: {ran}");
        }
    }
}

#[test]
fn a_folder_that_a_verb_will_need_and_that_is_none_is_found_before_it_fails() {
    for place in [".claude", "squad/tasks/archived/2026-11"] {
        let room = Room::with_tasks(&[
            hand_task("t-1", json!({"files": ["src"]})),
            hand_task("t-2", json!({"files": ["docs"]})),
        ]);
        let clone = room.clone_as("olga");
        clone.ok("claim t-1");
        clone.git("pull --quiet");
        clone.git("checkout --quiet -b change");
        clone.git(&format!("rm -r --quiet --ignore-unmatch {place}"));
        clone.write("blob", "elsewhere");
        let link = clone.git("hash-object -w blob");
        clone.git(&format!("update-index --add --cacheinfo 120000,{link},{place}"));
        let names_it = |error: &Value| {
            let found = errors(&json!({"violations": error["violations"]}));
            found.iter().any(|v| v["code"] == "not-a-folder" && v["file"] == place)
        };
        for verb in ["check --staged", "hook pre-commit"] {
            let error = clone.refused(verb, 4, "invalid");
            assert!(names_it(&error), "{verb}: {error}");
        }
        clone.git("commit --quiet --no-verify -m link");
        let error = clone.refused("review main..change", 4, "invalid");
        assert!(names_it(&error), "{error}");
        clone.git("push --quiet origin change:main");
        if place == ".claude" {
            let ran = clone.squad("claim t-2").0;
            assert!(ran.stderr.contains("`squad check` names"), "{ran}");
        }
    }
}

#[test]
fn a_broken_task_is_never_left_out_of_a_list_in_silence() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    room.put(&[("squad/tasks/json/broken.json", Some("{"))]);
    let clone = room.clone_as("olga");
    for verb in ["list", "status"] {
        let ran = clone.squad(verb).ok();
        assert!(ran.stderr.contains("squad/tasks/json/broken.json"), "{ran}");
    }
}

#[test]
fn locks_are_never_written_where_the_configuration_may_not_put_them() {
    for place in [
        "../../x",
        "/etc/passwd",
        ".git/config",
        ".GIT/hooks/x",
        "a\nb",
        "",
        "squad/tasks/json/new.json",
        "Squad/squad.json",
        ".gitmodules",
        "docs/.gitattributes",
    ] {
        let room = Room::with_tasks(&[hand_task("t-1", json!({"files": ["src"]}))]);
        room.configure(|config| config["locks"] = json!({"file": place}));
        let clone = room.clone_as("olga");
        let before = room.refs();
        let error = clone.refused("claim t-1", 4, "invalid");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("squad/squad.json") && message.contains("/locks/file"), "{place:?}: {error}");
        assert!(error["hint"].is_string() && error["why"].is_string(), "{place:?}: {error}");
        let error = clone.refused("check", 4, "invalid");
        assert!(error["violations"].as_array().unwrap().iter().any(|v| v["pointer"] == "/locks/file"), "{error}");
        assert_eq!(room.refs(), before, "{place:?}");
    }
}
