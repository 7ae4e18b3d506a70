//! The verbs that tell what happened and whether it is right: log, activity, stats, status, sync, check, diff,
//! review, audit and schema.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, answer_schema, errors, hand_task, hours_ago, violations};

const HAND_IN: &str = "--deliverable x --summary y --evidence url:https://example.test";

/// Makes a board on which scout has completed `t-1` and aria holds `t-2`.
fn busy() -> (Room, Checkout, String) {
    let room =
        Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({})), hand_task("t-3", json!({}))]);
    let base = room.head();
    let clone = room.clone_as("olga");
    clone.ok("claim t-1 --agent scout");
    clone.ok("claim t-2 --agent aria");
    clone.ok("start t-1 --agent scout");
    clone.ok("progress t-1 --pct 50 --agent scout");
    clone.ok(&format!("complete t-1 --agent scout {HAND_IN}"));
    (room, clone, base)
}

/// Returns one key of each receipt, oldest first.
#[track_caller]
fn column(answer: &Value, key: &str) -> Vec<String> {
    let mut receipts = answer["receipts"].as_array().unwrap_or_else(|| panic!("no receipts in {answer}")).clone();
    let at = |receipt: &Value| receipt["at"].to_string();
    if receipts.len() > 1 && at(&receipts[0]) > at(&receipts[receipts.len() - 1]) {
        receipts.reverse();
    }
    receipts
        .iter()
        .map(|receipt| receipt[key].as_str().unwrap_or_else(|| panic!("no {key} in {receipt}")).to_owned())
        .collect()
}

#[test]
fn the_log_of_a_task_is_its_receipts() {
    let (room, clone, base) = busy();
    let log = clone.ok("log t-1");
    assert_eq!(column(&log, "verb"), ["claim", "start", "progress", "complete"]);
    let commits: Vec<_> =
        room.commits_since(&base).into_iter().filter(|commit| commit.trailer("Squad-Task") == "t-1").collect();
    assert_eq!(column(&log, "commit"), commits.iter().map(|commit| commit.oid.clone()).collect::<Vec<_>>());
    assert_eq!(
        column(&log, "op"),
        commits.iter().map(|commit| commit.trailer("Squad-Op").to_owned()).collect::<Vec<_>>()
    );
    assert!(column(&log, "actor").iter().all(|actor| actor == "scout"));
    let claim = log["receipts"].as_array().unwrap().iter().find(|receipt| receipt["verb"] == "claim").unwrap();
    assert_eq!((&claim["from"], &claim["to"], &claim["epoch"]), (&json!("backlog"), &json!("in-progress"), &json!(1)));
}

#[test]
fn the_log_of_an_agent_is_what_it_did() {
    let (_room, clone, _base) = busy();
    assert_eq!(column(&clone.ok("log --agent aria"), "task"), ["t-2"]);
    assert_eq!(column(&clone.ok("log --all -n 2"), "verb"), ["progress", "complete"]);
}

#[test]
fn only_failed_attempts_are_in_the_log_of_failures() {
    let (_room, clone, _base) = busy();
    clone.ok("fail t-2 --agent aria --error 'out of oil' --cause memory");
    let log = clone.ok("log --failed");
    assert_eq!(column(&log, "verb"), ["fail"]);
    let failed = &log["receipts"][0];
    assert_eq!((&failed["cause"], &failed["error"]), (&json!("memory"), &json!("out of oil")));
    assert_eq!(log["refusals"], json!([]));
    let text = clone.squad("log --failed").ok().stdout;
    assert!(text.contains("memory: out of oil") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_task_that_follows_from_an_event_names_it_and_is_named() {
    let (room, clone, _base) = busy();
    let failed = clone.ok("fail t-2 --agent aria --error 'out of oil' --cause memory");
    let op = failed["receipt"]["op"].as_str().unwrap().to_owned();
    let line = format!("new 'Buy oil' --id t-9 --from-event {op} --agent knox");
    let before = room.head();
    clone.ok(&format!("{line} --dry-run"));
    assert_eq!(room.head(), before);
    let answer = clone.ok(&line);
    assert_eq!(answer["task"]["source"], op.as_str());
    let chat = room.task("t-2")["chat"].as_array().unwrap().clone();
    let last = chat.last().unwrap();
    assert_eq!(
        (&last["author"], &last["content"]),
        (&json!("knox"), &json!(format!("t-9 follows from this fail ({op})")))
    );
    assert_eq!(room.commits_since(&before).len(), 2, "one for each task");
    clone.json("new x --from-event 01ARYZ6S410000000000000000 --agent knox").fails(3, "not-found");
    assert_eq!(clone.ok("audit")["violations"], json!([]));
}

#[test]
fn a_log_that_follows_prints_a_new_receipt_within_one_poll() {
    use std::io::BufRead as _;
    let (_room, clone, _base) = busy();
    let mut command = clone.command(env!("CARGO_BIN_EXE_squad"));
    command.args(["log", "--all", "--follow", "--json"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    // One poll is two seconds; a machine that is busy may take as long again for everything else.
    let next = || -> Value {
        let line = lines.recv_timeout(std::time::Duration::from_secs(20)).expect("a line in time");
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(column(&next(), "verb").last().map(String::as_str), Some("complete"), "what there is comes first");
    let answer = clone.ok("comment t-3 hello --agent hex");
    let fresh = next();
    assert_eq!(fresh["receipts"].as_array().map(Vec::len), Some(1), "{fresh}");
    assert_eq!(fresh["receipts"][0]["commit"], answer["receipt"]["commit"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn stats_tell_what_was_in_the_way_and_what_is_running() {
    let room = Room::with_tasks(&["t-1", "t-2", "t-3"].map(|id| hand_task(id, json!({"assigned": "scout"}))));
    room.configure(|config| config["limits"] = json!({"attempts": 1}));
    let clone = room.clone_as("olga");
    let base = room.head();
    for id in ["t-1", "t-2", "t-3"] {
        clone.ok(&format!("claim {id} --agent scout"));
    }
    clone.ok("block t-1 --agent scout --kind dependency --reason 'the wick first' --on t-3");
    clone.ok("fail t-2 --agent scout --error 'no end' --cause timeout");
    let stats = clone.ok("stats --since 1d");
    let commits = room.commits_since(&base);
    let blocked = commits.iter().filter(|c| c.trailer("Squad-To") == "blocked").count();
    assert_eq!(blocked, 2);
    let words = json!({"human": 0, "external": 0, "dependency": 1, "conflict": 0, "failure": 1});
    assert_eq!(stats["blocked"], words, "{stats}");
    assert_eq!((&stats["running"], &stats["counts"]["in-progress"]), (&json!(1), &json!(1)), "{stats}");
    assert_eq!((&stats["failed"], &stats["timedOut"], &stats["retries"]), (&json!(1), &json!(1), &json!(0)), "{stats}");
    assert_eq!(stats["recoveries"], json!({"orphaned": 0, "unstarted": 0}), "{stats}");
    let text = clone.squad("stats").ok().stdout;
    assert!(text.contains("blocked by   dependency 1, failure 1"), "{text}");
}

#[test]
fn activity_comes_from_the_history_and_from_no_file() {
    let (room, clone, base) = busy();
    let activity = clone.ok("activity --limit 50");
    let commits: Vec<_> = room.commits_since(&base).into_iter().map(|commit| commit.oid).collect();
    let listed = column(&activity, "commit");
    assert!(listed.ends_with(&commits), "{activity}");
    assert_eq!(clone.ok("activity --limit 3")["receipts"].as_array().map(Vec::len), Some(3));
    let files = room.git("ls-tree -r --name-only main squad");
    assert!(files.lines().all(|path| path == "squad/squad.json" || path.starts_with("squad/tasks/")), "{files}");
}

#[test]
fn every_change_of_state_has_its_receipt() {
    let (room, clone, base) = busy();
    for id in ["t-1", "t-2"] {
        let changes = room.git(&format!("log --format=%H {base}..main -- squad/tasks/json/{id}.json")).lines().count();
        assert_eq!(clone.ok(&format!("log {id}"))["receipts"].as_array().map(Vec::len), Some(changes), "{id}");
    }
}

#[test]
fn stats_count_what_the_history_says() {
    let (_room, clone, _base) = busy();
    clone.ok("fail t-2 --agent aria --error 'out of oil' --cause unknown");
    let stats = clone.ok("stats --since 1d");
    assert_eq!(stats["counts"]["completed"], 1, "{stats}");
    assert_eq!(stats["counts"]["backlog"], 2, "{stats}");
    let total: u64 = stats["counts"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(total, 3, "as many as there are files: {stats}");
    for key in ["throughput", "leadTime", "cycleTime", "successRate", "retries", "disconnects"] {
        assert!(stats.get(key).is_some(), "no {key} in {stats}");
    }
    assert_eq!(stats["retries"], 1, "{stats}");
}

/// Returns the time of an operation and its verb, as a commit of the board has them.
fn operation(commit: &crate::kit::Commit) -> (i64, String) {
    let operation: Value = serde_json::from_str(commit.trailer("Squad-Operation")).unwrap();
    (operation["at"].as_i64().unwrap(), operation["verb"].as_str().unwrap().to_owned())
}

#[test]
fn stats_are_a_recount_of_the_commits() {
    let room = Room::board();
    let base = room.head();
    let clone = room.clone_as("olga");
    for id in ["t-1", "t-2", "t-3"] {
        clone.ok(&format!("new {id} --id {id} --assigned scout"));
    }
    clone.ok("claim t-1 --agent scout");
    clone.ok(&format!("complete t-1 --agent scout {HAND_IN}"));
    clone.ok("claim t-2 --agent scout");
    clone.ok("fail t-2 --agent scout --error 'out of oil' --cause unknown");
    clone.ok("claim t-3 --agent scout");
    clone.ok(&format!("submit t-3 --agent scout {HAND_IN}"));
    clone.ok("reject t-3 --agent knox --missing 'a glass'");
    clone.ok(&format!("submit t-3 --agent scout {HAND_IN}"));
    clone.ok("verify t-3 --agent aria");

    let commits = room.commits_since(&base);
    let of = |task: &str, verb: &str| {
        let mut found = commits.iter().filter(|c| c.trailer("Squad-Task") == task && operation(c).1 == verb);
        found.next().map(|c| operation(c).0)
    };
    let completions: Vec<_> = commits
        .iter()
        .filter(|c| c.trailer("Squad-To") == "completed" && c.trailer("Squad-From") != "completed")
        .map(|c| (c.trailer("Squad-Task"), operation(c).0))
        .collect();
    let failures = commits.iter().filter(|c| operation(c).1 == "fail").count();
    let median = |verb: &str| {
        let mut spans: Vec<_> = completions.iter().map(|(task, at)| at - of(task, verb).unwrap()).collect();
        spans.sort_unstable();
        spans[spans.len() / 2]
    };

    let stats = clone.ok("stats --since 7d");
    assert_eq!((completions.len(), failures), (2, 1));
    assert_eq!(stats["throughput"], completions.len(), "{stats}");
    assert_eq!(stats["retries"], failures, "{stats}");
    assert_eq!(stats["leadTime"], median("new"), "{stats}");
    assert_eq!(stats["cycleTime"], median("claim"), "{stats}");
    assert!(stats["successRate"].as_f64().is_some_and(|rate| (rate - 2.0 / 3.0).abs() < 1e-9), "{stats}");
    assert_eq!(stats["disconnects"], 0, "{stats}");
    let files = room.git("ls-tree --name-only main squad/tasks/json/").lines().count();
    let counted: u64 = stats["counts"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(usize::try_from(counted).unwrap(), files, "{stats}");
}

#[test]
fn status_says_where_the_board_is_and_what_is_on_it() {
    let (room, clone, _base) = busy();
    let status = clone.ok("status");
    assert_eq!(status["board"]["branch"], "main", "{status}");
    assert_eq!(status["head"], room.head());
    assert_eq!(status["ahead"], 0);
    assert_eq!(status["provisional"], json!([]));
    assert_eq!(status["degraded"], false);
    assert_eq!((&status["counts"]["completed"], &status["counts"]["in-progress"]), (&json!(1), &json!(1)));
}

#[test]
fn sync_brings_what_others_have_done() {
    let (room, clone, _base) = busy();
    let other = room.clone_as("hex");
    other.ok("comment t-3 hello --agent hex");
    let answer = clone.ok("sync");
    assert_eq!(answer["head"], room.head());
    assert_eq!((&answer["published"], &answer["lost"], &answer["provisional"]), (&json!([]), &json!([]), &json!([])));
    assert!(clone.read("squad/tasks/json/t-3.json").contains("hello"), "the worktree follows");
    assert_eq!(clone.status(), "");
}

#[test]
fn check_passes_a_board_that_squad_wrote() {
    let (_room, clone, _base) = busy();
    let answer = clone.ok("check");
    assert_eq!(errors(&answer).len(), 0, "{answer}");
    assert!(answer["checked"].as_u64().is_some_and(|n| n >= 3), "{answer}");
}

#[test]
fn check_judges_a_commit_of_the_past() {
    let (room, clone, base) = busy();
    room.put(&[("squad/tasks/json/t-9.json", Some("{}\n"))]);
    clone.ok("sync");
    clone.json("check").exits(4);
    clone.ok(&format!("check --at {base}"));
    clone.json("check --at no-such-rev").exits(3);
}

#[test]
fn check_judges_what_is_staged_and_not_what_lies_around() {
    let (_room, clone, _base) = busy();
    let good = clone.read("squad/tasks/json/t-3.json");
    clone.write("squad/tasks/json/t-3.json", "{ broken");
    clone.ok("check --staged");
    clone.git("add squad");
    let ran = clone.json("check --staged").exits(4);
    assert!(violations(&ran.json()).iter().any(|v| v["file"] == "squad/tasks/json/t-3.json"), "{ran}");
    clone.write("squad/tasks/json/t-3.json", good);
    clone.json("check --staged").exits(4);
    clone.git("add squad");
    clone.ok("check --staged");
}

#[cfg(unix)]
#[test]
fn the_hook_that_ships_refuses_a_commit_that_breaks_the_board_and_no_other() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_room, clone, _base) = busy();
    let shim = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/hooks/pre-commit")).unwrap();
    clone.write(".git/hooks/pre-commit", shim.replace("exec squad", concat!("exec ", env!("CARGO_BIN_EXE_squad"))));
    std::fs::set_permissions(clone.dir.join(".git/hooks/pre-commit"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let head = clone.git("rev-parse HEAD");
    clone.write("src/main.txt", "two\n");
    clone.write("squad/tasks/json/t-3.json", "{ broken");
    let said = clone.try_git("commit --quiet --all -m both").expect_err("a broken task is among it");
    assert!(said.contains("squad/tasks/json/t-3.json"), "{said}");
    assert_eq!(clone.git("rev-parse HEAD"), head);
    // A commit of some paths has an index of its own, which git names to the hook.
    clone.git("commit --quiet -m code -- src/main.txt");
    assert_ne!(clone.git("rev-parse HEAD"), head);
    assert!(clone.status().contains("t-3.json"), "what is not committed is left as it was");
}

#[test]
fn check_judges_a_folder() {
    let (_room, clone, _base) = busy();
    clone.ok("check .");
    clone.write("squad/tasks/json/t-3.json", "{ broken");
    let ran = clone.json("check .").exits(4);
    assert!(ran.stdout.contains("t-3.json"), "{ran}");
}

/// Returns file and pointer of every violation of one rule.
fn of_rule(answer: &Value, code: &str) -> Vec<String> {
    let found = violations(answer).into_iter().filter(|v| v["code"] == code);
    found.map(|v| format!("{} {}", v["file"].as_str().unwrap(), v["pointer"].as_str().unwrap())).collect()
}

#[test]
fn check_warns_of_paths_that_were_handed_in_and_are_not_there() {
    let done = |files: &Value, deliverable: &str| {
        json!({
            "status": "completed", "files": files, "deliverable": deliverable,
            "completedBy": "scout", "completedAt": hours_ago(1),
        })
    };
    let named = json!(["src", "src/main.txt", "src/gone.txt", "lib/*.rs", "README.md/x"]);
    let room = Room::with_tasks(&[
        hand_task("t-1", done(&named, "file:out/report.md")),
        hand_task("t-2", done(&json!(["./src//main.txt"]), "file:README.md")),
        hand_task("t-3", json!({"status": "review", "assigned": "scout", "files": ["src/gone.txt"]})),
        hand_task("t-4", json!({"assigned": "scout", "files": ["src/yet.txt"]})),
        hand_task("t-5", done(&json!([]), "the file: is there")),
    ]);
    let clone = room.clone_as("scout");
    let path = |id: &str, pointer: &str| format!("squad/tasks/json/{id}.json {pointer}");
    let wanted =
        [path("t-1", "/files/2"), path("t-1", "/files/4"), path("t-1", "/deliverable"), path("t-3", "/files/0")];
    for how in ["check", "check", "check --at HEAD", "check ."] {
        let answer = clone.json(how).0.json();
        assert_eq!(of_rule(&answer, "missing-path"), wanted, "{how}: {answer}");
        let found = violations(&answer);
        let ours: Vec<_> = found.iter().filter(|v| v["code"] == "missing-path").collect();
        assert!(ours.iter().all(|v| v["severity"] == "warning" && v["line"].is_u64()), "{answer}");
    }
    room.put(&[("src/gone.txt", Some("here\n")), ("out/report.md", Some("here\n"))]);
    assert_eq!(of_rule(&clone.json("check").0.json(), "missing-path"), [path("t-1", "/files/4")]);
}

#[test]
fn on_a_board_without_work_beside_it_no_path_is_missed() {
    let room = Room::empty();
    let clone = room.clone_as("olga");
    clone.ok("init --branch squad");
    let task = hand_task(
        "t-1",
        json!({
            "status": "completed", "files": ["src/gone.txt"], "completedBy": "olga", "completedAt": hours_ago(1),
        }),
    );
    room.put_on("refs/heads/squad", &[("squad/tasks/json/t-1.json", Some(task.to_string()))]);
    let answer = clone.json("check").0.json();
    clone.ok("show t-1");
    assert_eq!(of_rule(&answer, "missing-path"), Vec::<String>::new(), "{answer}");
    room.put_on("refs/heads/squad", &[("src/main.txt", Some("work\n"))]);
    let answer = clone.json("check").0.json();
    assert_eq!(of_rule(&answer, "missing-path").len(), 1, "with work beside it there is something to miss: {answer}");
}

#[test]
fn check_finds_what_was_put_away_where_nobody_looks_for_it() {
    let room = Room::board();
    let away = |id: &str| {
        hand_task(
            id,
            json!({
                "status": "archived", "archivedReason": "done", "completedBy": "scout", "completedAt": hours_ago(1),
            }),
        )
        .to_string()
    };
    room.put(&[
        ("squad/tasks/archived/t-1.json", Some(away("t-1"))),
        ("squad/tasks/archived/2026-13/t-2.json", Some(away("t-2"))),
        ("squad/tasks/archived/2026-12/t-3.json", Some(away("t-3"))),
        ("squad/tasks/archived/README.md", Some("by month\n".to_owned())),
    ]);
    let clone = room.clone_as("scout");
    for how in ["check", "check --at HEAD", "check --staged", "check ."] {
        let answer = clone.json(how).exits(4).json();
        assert_eq!(of_rule(&answer, "archive-place"), ["squad/tasks/archived/t-1.json "], "{how}: {answer}");
        assert_eq!(of_rule(&answer, "archive-month"), ["squad/tasks/archived/2026-13 "], "{how}: {answer}");
        assert_eq!(errors(&answer).len(), 1, "{how}: a task in an odd folder is found all the same: {answer}");
    }
    clone.ok("show t-2");
}

#[test]
fn check_names_the_commit_that_brought_the_damage() {
    let (room, clone, _base) = busy();
    room.put(&[("squad/tasks/json/t-9.json", Some("{}\n"))]);
    let culprit = room.head();
    room.put(&[("src/main.txt", Some("two\n"))]);
    let ran = clone.json("check").exits(4);
    assert!(ran.stdout.contains(&culprit[..7]), "{ran}");
}

#[test]
fn schema_prints_each_schema_and_the_board_holds_to_it() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"updatedAt": hours_ago(2)}))]);
    let clone = room.clone_as("olga");
    for name in ["task", "board"] {
        let printed: Value = serde_json::from_str(&clone.squad(&format!("schema {name}")).ok().stdout).unwrap();
        assert!(printed["$schema"].as_str().is_some_and(|s| s.contains("json-schema.org")), "{name}");
    }
    let text = clone.squad("schema").ok().stdout;
    assert!(text.contains("task") && text.contains("board"), "{text}");
    clone.json("schema nothing").exits(3);
    for name in text.split_whitespace() {
        let shipped = answer_schema().with_file_name(format!("{name}.schema.json"));
        let shipped = std::fs::read_to_string(shipped).unwrap();
        assert_eq!(clone.squad(&format!("schema {name}")).ok().stdout.trim_end(), shipped.trim_end(), "{name}");
    }

    let schema: Value = serde_json::from_str(&clone.squad("schema task").ok().stdout).unwrap();
    clone.ok("claim t-1 --agent scout");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("task.json", schema).unwrap();
    let compiled = compiler.compile("task.json", &mut schemas).unwrap();
    schemas.validate(&room.task("t-1"), compiled).expect("a second implementation agrees");
}

#[test]
fn a_scan_tells_in_few_words_what_happened_last() {
    let (_room, clone, _base) = busy();
    // It tells what of the history is here; `activity` brings it.
    let receipts = clone.ok("activity --limit 10")["receipts"].clone();
    let scan = clone.ok("scan --agent scout --fresh");
    let told = scan["activity"].as_array().expect("a list");
    assert_eq!(told.len(), receipts.as_array().map_or(0, Vec::len));
    for (short, whole) in told.iter().zip(receipts.as_array().expect("a list")) {
        assert_eq!((&short["verb"], &short["task"], &short["at"]), (&whole["verb"], &whole["task"], &whole["at"]));
    }
}

#[test]
fn quiet_leaves_nothing_but_the_answer() {
    let (_room, clone, _base) = busy();
    let ran = clone.json("scan --agent scout --quiet").0;
    assert_eq!(ran.stderr, "", "{ran}");
    assert_eq!(ran.json()["v"], 1);
}

#[test]
fn version_and_help_need_no_board() {
    let room = Room::empty();
    let home = room.at("home");
    assert_eq!(home.squad("--version").ok().stdout, format!("squad {}\n", env!("CARGO_PKG_VERSION")));
    let help = home.squad("--help").ok().stdout;
    for verb in ["init", "scan", "claim", "complete", "progress", "check", "log", "demo"] {
        assert!(help.lines().any(|line| line.split_whitespace().any(|word| word == verb)), "{verb} is not in the help");
    }
}
