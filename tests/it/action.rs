//! The GitHub action: `action.yml` is read and its steps are run as a runner would run them, on real pull requests.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::kit::{Checkout, Ran, Room, hand_task};

/// What a run of the action left behind.
struct Action {
    ran: Ran,
    summary: String,
    outputs: String,
}

impl Action {
    fn verdict(&self) -> &str {
        self.outputs.lines().last().unwrap_or_default()
    }

    /// Returns the lines that the runner obeys: nothing between `stop-commands` and its token.
    fn commands(&self) -> Vec<&str> {
        let mut stopped: Option<String> = None;
        let mut obeyed = Vec::new();
        for line in self.ran.stdout.lines().chain(self.ran.stderr.lines()) {
            if let Some(end) = &stopped {
                if line.trim() == end {
                    stopped = None;
                }
            } else if let Some(token) = line.strip_prefix("::stop-commands::") {
                assert_eq!(token.len(), 32, "a token that nobody can guess: {line}");
                stopped = Some(format!("::{token}::"));
            } else if line.trim_start().starts_with("::") || line.contains("##[") {
                obeyed.push(line);
            }
        }
        assert!(stopped.is_none(), "the runner obeys again at the end: {}", self.ran);
        obeyed
    }
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A line of the file: how far it is indented, and what it says.
fn lines() -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(top().join("action.yml")).unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| (line.len() - line.trim_start().len(), line.trim().to_owned())).collect()
}

/// Returns the lines below a key, up to the next one that is not indented further.
fn below(lines: &[(usize, String)], key: &str) -> Vec<(usize, String)> {
    let at = lines.iter().position(|(_, line)| line == key).unwrap_or_else(|| panic!("no {key} in action.yml"));
    lines[at + 1..].iter().take_while(|(indent, _)| *indent > lines[at].0).cloned().collect()
}

/// Returns the default of each input.
fn inputs() -> BTreeMap<String, String> {
    let lines = below(&lines(), "inputs:");
    let names = lines.iter().filter(|(indent, _)| *indent == 2).map(|(_, line)| line.clone());
    let default = |name: String| {
        let keys = below(&lines, &name);
        let default = keys.iter().find_map(|(_, line)| line.strip_prefix("default: ")).expect("a default").to_owned();
        (name.trim_end_matches(':').to_owned(), default.trim_matches('"').to_owned())
    };
    names.map(default).collect()
}

/// Returns the environment of the one step, as expressions, and its script.
fn step() -> (BTreeMap<String, String>, String) {
    let steps = below(&lines(), "steps:");
    assert_eq!(steps.iter().filter(|(_, line)| line.starts_with("- ")).count(), 1, "one step: {steps:?}");
    assert!(steps.iter().any(|(_, line)| line == "shell: bash"), "{steps:?}");
    let env = below(&steps, "env:").into_iter().map(|(_, line)| {
        let (key, value) = line.split_once(": ").expect("a key and a value");
        (key.to_owned(), value.to_owned())
    });
    let script: String = below(&steps, "run: |").into_iter().map(|(_, line)| line + "\n").collect();
    (env.collect(), script)
}

/// Runs the action in a checkout, with these inputs for those that have another value than their default.
fn run(clone: &Checkout, with: &[(&str, &str)]) -> Action {
    let (env, script) = step();
    let place = clone.below("..");
    let (summary, outputs, file) =
        (place.dir.join("summary.md"), place.dir.join("outputs.txt"), place.dir.join("step.sh"));
    for (path, text) in [(&summary, ""), (&outputs, ""), (&file, script.as_str())] {
        std::fs::write(path, text).unwrap();
    }
    // As a runner does for `shell: bash`.
    let mut command = clone.command("bash");
    command.args(["--noprofile", "--norc", "-e", "-o", "pipefail"]).arg(&file);
    for (key, expression) in env {
        let name = expression.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}"));
        let name = name.unwrap_or_else(|| panic!("{expression} is no input"));
        let given = with.iter().rev().find(|(input, _)| *input == name).map(|(_, value)| (*value).to_owned());
        command.env(key, given.unwrap_or_else(|| inputs()[name].clone()));
    }
    command.env("GITHUB_ACTION_PATH", top()).env("GITHUB_WORKSPACE", &clone.dir);
    command.env("GITHUB_STEP_SUMMARY", &summary).env("GITHUB_OUTPUT", &outputs).env("RUNNER_TEMP", &place.dir);
    let output = command.stdin(Stdio::null()).output().expect("bash starts");
    let ran = clone.run_of("the action".to_owned(), &output).0;
    let read = |path: &Path| std::fs::read_to_string(path).expect("it was made");
    let left = std::fs::read_dir(&place.dir).unwrap().flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("squad-review.")).count();
    assert_eq!(left, 0, "nothing is left behind: {ran}");
    Action { ran, summary: read(&summary), outputs: read(&outputs) }
}

/// Like [`run`], from where the branch parted from `main`, with the binary under test.
fn judge(clone: &Checkout, with: &[(&str, &str)]) -> Action {
    run(clone, &[&[("squad", env!("CARGO_BIN_EXE_squad")), ("base", "origin/main")], with].concat())
}

/// A room with a board and a clone in which a branch is checked out, with the binary in nobody's way.
fn pull_request(branch: &str) -> (Room, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"priority": "low"}))]);
    let clone = room.clone_as("olga");
    clone.git(&format!("checkout --quiet -b '{branch}'"));
    (room, clone)
}

/// Commits a change of the task that is made by hand.
fn by_hand(clone: &Checkout, subject: &str, change: impl FnOnce(&mut Value)) {
    let path = "squad/tasks/json/t-1.json";
    let mut task: Value = serde_json::from_str(&clone.read(path)).unwrap();
    task["updatedAt"] = json!(task["updatedAt"].as_i64().unwrap() + 1000);
    change(&mut task);
    clone.write(path, serde_json::to_string_pretty(&task).unwrap() + "\n");
    clone.git("add --all");
    clone.git(&format!("commit --quiet --no-verify -m '{subject}'"));
}

#[test]
fn a_good_pull_request_passes_with_a_summary_and_a_verdict() {
    let (_room, clone) = pull_request("change");
    by_hand(&clone, "better", |task| task["title"] = json!("Better"));
    let action = judge(&clone, &[]);
    assert_eq!((action.ran.code, action.verdict()), (0, "verdict=pass"), "{}", action.ran);
    assert!(action.summary.contains("✅ passes") && action.summary.contains("| t-1 | Better |"), "{}", action.summary);
    assert!(action.commands().is_empty(), "{}", action.ran);
    assert_eq!(clone.status(), "", "the workspace is as it was");
}

#[test]
fn a_warning_passes_and_is_told_as_one() {
    let (_room, clone) = pull_request("change");
    by_hand(&clone, "a name that nobody has", |task| task["assigned"] = json!("nobody"));
    let action = judge(&clone, &[]);
    assert_eq!((action.ran.code, action.verdict()), (0, "verdict=warn"), "{}", action.ran);
    assert!(action.commands().iter().any(|line| line.starts_with("::warning file=squad/tasks/json/t-1.json,line=")));
}

#[test]
fn a_bad_pull_request_fails_after_every_format_was_written() {
    let (_room, clone) = pull_request("change");
    by_hand(&clone, "a lie", |task| task["status"] = json!("review"));
    let action = judge(&clone, &[("sarif-file", "out/squad.sarif")]);
    assert_eq!((action.ran.code, action.verdict()), (4, "verdict=fail"), "{}", action.ran);
    assert!(action.summary.contains("❌ fails") && action.summary.contains("unrecorded-transition"));
    let commands = action.commands();
    assert!(commands[0].starts_with("::error file=squad/tasks/json/t-1.json,line="), "{commands:?}");
    let sarif: Value = serde_json::from_str(&clone.read("out/squad.sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(action.ran.stdout.contains("caused by: the change breaks the rules of the board"), "{}", action.ran);
}

#[test]
fn what_is_not_asked_for_is_not_written() {
    let (_room, clone) = pull_request("change");
    by_hand(&clone, "a lie", |task| task["status"] = json!("review"));
    let action = judge(&clone, &[("summary", "false"), ("annotations", "false")]);
    assert_eq!((action.ran.code, action.verdict()), (4, "verdict=fail"), "{}", action.ran);
    assert_eq!((action.summary.as_str(), action.commands()), ("", vec![]), "{}", action.ran);
    let action = judge(&clone, &[("summary", "perhaps")]);
    assert_eq!((action.ran.code, action.verdict()), (2, "verdict=fail"), "{}", action.ran);
}

#[test]
fn texts_and_names_of_strangers_run_nothing_and_forge_nothing() {
    let (_room, clone) = pull_request("$(touch${IFS}ran)`touch${IFS}ran`;touch${IFS}ran");
    let hostile = "$(touch ran) `touch ran` ::error::forged ##[error]forged %0A::error::forged <img src=x>";
    by_hand(&clone, "$(touch ran) ::error::forged", |task| {
        task["title"] = json!(hostile);
        task["parent"] = json!("no-such-task");
        task["k\n::error::forged\n##[error]forged"] = json!({"verdict": "pass\n::error::forged"});
        task["verdict"] = json!("pass");
    });
    let branch = clone.git("branch --show-current");
    let action = judge(&clone, &[("head", &branch)]);
    assert_eq!((action.ran.code, action.outputs.as_str()), (4, "verdict=fail\n"), "{}", action.ran);
    let own = |line: &&str| line.starts_with("::error file=squad/") || line.starts_with("::warning file=squad/");
    assert!(action.commands().iter().all(own), "{}", action.ran);
    let outside: String = action.summary.split("```").step_by(2).collect();
    assert!(!outside.contains("<img") && !outside.contains("`touch"), "{}", action.summary);
    // What the workflow itself is given may be as bad.
    for (input, code) in [("base", 3), ("head", 3), ("summary", 2), ("annotations", 2), ("squad", 127)] {
        let forged = "x\n::error::forged\nverdict=pass\n$(touch ran)`touch ran`\";touch ran;'";
        let action = judge(&clone, &[(input, forged)]);
        assert_eq!((action.ran.code, action.outputs.as_str()), (code, "verdict=fail\n"), "{input}: {}", action.ran);
        let commands = action.commands();
        assert!(commands.len() == 1 && commands[0].starts_with("::error title=squad::"), "{input}: {commands:?}");
        assert!(!action.summary.contains("\n::error") && !action.summary.contains("\nverdict"), "{}", action.summary);
    }
    for option in ["--help", "-h", "--upload-pack=x"] {
        let action = judge(&clone, &[("base", option)]);
        assert_eq!((action.ran.code, action.verdict()), (2, "verdict=fail"), "{option}: {}", action.ran);
    }
    assert_eq!(clone.status(), "", "nothing of it ran");
}

#[test]
fn a_link_in_the_place_of_the_sarif_file_is_not_followed() {
    let (room, clone) = pull_request("change");
    let victim = room.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, clone.dir.join("squad.sarif")).unwrap();
    clone.git("add squad.sarif");
    by_hand(&clone, "with a link", |task| task["title"] = json!("Better"));
    let action = judge(&clone, &[("sarif-file", "squad.sarif")]);
    assert_eq!(action.ran.code, 0, "{}", action.ran);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
    assert!(clone.read("squad.sarif").contains("2.1.0"));

    // Nor is one in the place of a folder on the way there.
    std::fs::create_dir(room.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(room.path().join("elsewhere"), clone.dir.join("out")).unwrap();
    for named in ["out/squad.sarif".to_owned(), format!("{}/out/deep/squad.sarif", clone.dir.display())] {
        let action = judge(&clone, &[("sarif-file", &named)]);
        assert_eq!((action.ran.code, action.verdict()), (2, "verdict=fail"), "{}", action.ran);
        assert!(action.commands().iter().any(|line| line.contains("folder out on the way")), "{}", action.ran);
    }
    assert_eq!(std::fs::read_dir(room.path().join("elsewhere")).unwrap().count(), 0);
    let action = judge(&clone, &[("sarif-file", "reports/new/squad.sarif")]);
    assert_eq!(action.ran.code, 0, "{}", action.ran);
    assert!(clone.read("reports/new/squad.sarif").contains("2.1.0"));
}

#[test]
fn a_shallow_clone_is_told_to_fetch_the_whole_history() {
    let (room, clone) = pull_request("change");
    by_hand(&clone, "better", |task| task["title"] = json!("Better"));
    clone.git("push --quiet origin change");
    let base = room.head();
    let shallow = room.clone_with("shallow", &format!("--depth 1 --branch change {}", room.remote_url()));
    let action = judge(&shallow, &[("base", &base)]);
    assert_eq!((action.ran.code, action.verdict()), (3, "verdict=fail"), "{}", action.ran);
    let told = action.commands();
    assert!(told.len() == 1 && told[0].contains("fetch-depth: 0"), "{told:?}");
    assert!(action.summary.contains("not judged") && action.summary.contains("fetch-depth: 0"), "{}", action.summary);
}

#[test]
fn a_branch_that_was_just_made_has_no_base() {
    let (_room, clone) = pull_request("change");
    for base in ["", "0000000000000000000000000000000000000000"] {
        let action = judge(&clone, &[("base", base)]);
        assert_eq!((action.ran.code, action.verdict()), (2, "verdict=fail"), "{}", action.ran);
        assert!(action.commands()[0].contains("set the input `base`"), "{}", action.ran);
    }
}

#[test]
fn squad_is_the_one_on_the_path_or_built_away_from_the_workspace() {
    let (room, clone) = pull_request("change");
    by_hand(&clone, "better", |task| task["title"] = json!("Better"));
    let bin = room.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in ["bash", "mktemp", "rm", "head", "cat", "od", "tr", "wc", "dirname", "sed", "git"] {
        let found = crate::kit::find_program(program).unwrap_or_else(|| panic!("no {program}"));
        std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
    }
    let script = "PATH=$1; shift; exec bash -e \"$0\"";
    let run = |expected: i32, told: &str| {
        let mut command = clone.command("bash");
        command.args(["-c", script]).arg(top().join("hooks/review-pull-request")).arg(&bin);
        command.env("INPUT_BASE", "origin/main").env("RUNNER_TEMP", room.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let ran = clone.run_of("the script".to_owned(), &output).exits(expected);
        assert!(ran.stdout.contains(told), "{ran}");
    };
    run(3, "::error title=squad::there is neither squad nor cargo on PATH");
    // One that says where it was started, and builds in no time.
    let cargo = bin.join("cargo");
    let built = "pwd >\"$RUNNER_TEMP/built-in\"\nfor target; do :; done\nmkdir -p \"$target/release\"\n";
    let link = format!("ln -s '{}' \"$target/release/squad\"\n", env!("CARGO_BIN_EXE_squad"));
    std::fs::write(&cargo, format!("#!/bin/sh\n{built}{link}")).unwrap();
    std::fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for program in ["ln", "mkdir"] {
        std::os::unix::fs::symlink(crate::kit::find_program(program).unwrap(), bin.join(program)).unwrap();
    }
    run(0, "1 task touched");
    let built_in = std::fs::read_to_string(room.path().join("built-in")).unwrap();
    assert_eq!(Path::new(built_in.trim_end()), top().canonicalize().unwrap(), "cargo never runs in the workspace");
    std::fs::remove_file(&cargo).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_squad"), bin.join("squad")).unwrap();
    run(0, "1 task touched");
}

#[test]
fn nothing_from_outside_is_a_part_of_the_script() {
    let (env, script) = step();
    assert!(!script.contains("${{") && script.starts_with("set -euo pipefail\n"), "{script}");
    assert!(env.keys().all(|key| key.starts_with("INPUT_")), "{env:?}");
    assert_eq!(env.len(), inputs().len(), "each input reaches the script");
    let base = &inputs()["base"];
    assert_eq!(base, "${{ github.event.pull_request.base.sha || github.event.before }}");
    let workflow = std::fs::read_to_string(top().join("docs/examples/review.yml")).unwrap();
    let said: Vec<&str> = workflow.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for line in ["on: pull_request", "  contents: read", "          fetch-depth: 0"] {
        assert!(said.contains(&line), "{line}");
    }
    assert!(said.iter().all(|line| !line.contains("write") && !line.contains("pull_request_target")), "{said:?}");
}
