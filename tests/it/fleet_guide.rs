//! `docs/running-a-fleet.md`: what the page tells a new user to paste is pasted, from its top to its bottom.
//!
//! The agents on the `PATH` are stand-ins: they take the flags of the page and no others, and refuse what the real ones
//! refuse.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::kit::Room;

/// Reads an order as an agent does, and does what it says for the task that it finds in there.
const WORK: &str = r#"order=$(cat)
case $order in *'"workingMemory"'*) ;; *) echo "no brief on standard input" >&2; exit 64 ;; esac
for id in explain check; do
  case $order in *"\"id\": \"$id\""*) task=$id ;; esac
done
echo "about $task" > "$task.md"
echo '{"outcome":"done","summary":"'"$1"' has done it","deliverable":"'"$task.md"'"}' > result.json
"#;

/// Writes below no path that has `.git` in it, as Claude Code does not without being asked.
const CLAUDE: &str = r#"[ "$1 $2 $3 $4 $5" = "-p --permission-mode acceptEdits --allowedTools Bash(./check.sh)" ] || exit 64
case $(pwd -P) in */.git/*) echo "may not write to $(pwd -P)" >&2; exit 1 ;; esac
set -- claude
"#;

/// Has no way to git: it is stopped where it tries.
const CODEX: &str = r#"[ "$*" = "exec --sandbox workspace-write -" ] || exit 64
git() { echo "Read-only file system" >&2; exit 1; }
set -- codex
"#;

const NO_CRONTAB: &str = r#"echo "no crontab for somebody" >&2; exit 1
"#;

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/running-a-fleet.md")).expect("the page")
}

/// Returns the blocks of the page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let open = format!("\n```{language}\n");
    let parts = page.split(open.as_str()).skip(1);
    parts.map(|part| part.split_once("\n```").expect("a block ends").0.to_owned()).collect()
}

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}")).expect("a program");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn what_the_page_on_fleets_says_to_paste_works_from_top_to_bottom() {
    let room = Room::empty();
    let (home, bin) = (room.path().join("home"), room.path().join("bin"));
    std::fs::create_dir(&bin).unwrap();
    program(&bin, "claude", &format!("{CLAUDE}{WORK}"));
    program(&bin, "codex", &format!("{CODEX}{WORK}"));
    program(&bin, "crontab", NO_CRONTAB);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_squad"), bin.join("squad")).unwrap();
    std::fs::write(home.join(".gitconfig"), "[user]\n\tname = Ada\n\temail = ada@example.test\n").unwrap();
    let blocks = blocks(&page(), "sh");
    assert!(blocks.len() > 15, "{} blocks", blocks.len());

    let shell = room.at("home");
    let mut command = shell.command("sh");
    command.args(["-eu", "-c", &blocks.join("\n")]).env_remove("GIT_CONFIG_GLOBAL").stdin(Stdio::null());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let output = command.env("PATH", path).output().expect("sh starts");
    let said = format!("{}\n---\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}: {said}", output.status);

    // Nothing of all that has been done in name only.
    let app = room.at("home/fleet/app");
    app.ok("sync");
    let tasks = app.ok("list --all --limit 100");
    let tasks = tasks["tasks"].as_array().expect("tasks").clone();
    let open: Vec<&Value> = tasks.iter().filter(|task| task["status"] != "completed").map(|task| &task["id"]).collect();
    assert_eq!(open, [&json!("taste")], "{said}");
    for id in ["greet", "page-3", "explain", "check", "second"] {
        let show = app.ok(&format!("show {id}"));
        let proof = show["task"]["evidence"].as_array().expect("a proof").clone();
        assert!(proof.iter().any(|p| p["kind"] == "command" && p["exitCode"] == 0), "{show}");
        let branches = app.git(&format!("ls-remote --heads origin task/{id}-1"));
        assert!(!branches.is_empty(), "the work on {id} is on the remote: {said}");
    }
    let explained = app.ok("show explain");
    assert_eq!(explained["task"]["chat"].as_array().unwrap().last().unwrap()["content"], "claude has done it");
    let notices = shell.read("fleet/notices.jsonl");
    let notice: Value = serde_json::from_str(notices.lines().next().expect("a notice")).expect("JSON");
    assert_eq!((&notice["event"], &notice["task"]), (&json!("blocked"), &json!("taste")), "{notices}");
    assert!(said.contains("nothing wrong"), "the audit finds nothing: {said}");
    assert_eq!(app.git("worktree list --porcelain").matches("worktree ").count(), 2, "the clone and scout's: {said}");
}

#[test]
fn the_settings_on_the_page_on_fleets_can_be_read_and_its_links_lead_somewhere() {
    let page = page();
    let settings = blocks(&page, "json");
    assert_eq!(settings.len(), 1);
    let settings: Value = serde_json::from_str(&settings[0]).expect("it is JSON");
    for event in settings["hooks"].as_object().expect("hooks").values() {
        let hook = &event[0]["hooks"][0];
        assert!(hook["command"].as_str().unwrap().ends_with("|| true"), "exit 2 would stop the agent: {hook}");
    }
    for link in page.split("](").skip(1).map(|rest| rest.split_once(')').expect("a link ends").0) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(link);
        assert!(path.exists(), "{link}");
    }
}
