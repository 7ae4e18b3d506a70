//! `init` and the roster: what they make, what they leave alone, and when they refuse.

use serde_json::json;

use crate::kit::{Room, hand_task, race, strings};

#[test]
fn init_makes_a_board_in_one_pushed_commit_with_its_caller_as_owner() {
    let room = Room::code();
    let before = room.head();
    let answer = room.clone_as("olga").ok("init");

    assert_eq!(answer["board"]["branch"], "main");
    assert_eq!(answer["board"]["remote"], "origin");
    assert!(strings(&answer["created"]).iter().any(|path| path == "squad/squad.json"), "{answer}");
    assert_eq!(room.commits_since(&before).len(), 1);
    let config: serde_json::Value = serde_json::from_str(&room.file("squad/squad.json").unwrap()).unwrap();
    assert_eq!(config["schemaVersion"], 1);
    assert_eq!(config["board"]["branch"], "main");
    let roster = config["agents"].as_array().unwrap();
    assert_eq!(roster.len(), 1, "{config}");
    assert_eq!(roster[0]["name"], "olga");
    assert_eq!(roster[0]["role"], "owner");
    assert_eq!(roster[0]["kind"], "human");
    assert_eq!(roster[0]["email"], "olga@example.test");
    assert!(room.file(".gitattributes").is_some());
    assert_eq!(room.file("README.md").as_deref(), Some("code\n"), "what was there stays");
}

#[test]
fn a_second_init_changes_nothing_and_succeeds() {
    let room = Room::code();
    let olga = room.clone_as("olga");
    olga.ok("init");
    let refs = room.head();
    let again = olga.ok("init");
    assert_eq!(strings(&again["created"]), Vec::<String>::new());
    assert_eq!(room.head(), refs);
    room.clone_as("pia").ok("init");
    assert_eq!(room.head(), refs, "nor does it from another clone");
}

#[test]
fn init_on_a_board_made_by_hand_touches_no_task_file_and_enters_its_names_as_executors() {
    let room = Room::code();
    room.put_tasks(&[
        hand_task("mc-001", json!({"assigned": "Scout", "zodiac": "hare"})),
        hand_task("mc-002", json!({"status": "in-progress", "assigned": "aria"})),
    ]);
    let before = room.head();
    room.clone_as("olga").ok("init");

    let touched = room.git(&format!("diff --name-only --diff-filter=MD {before} main"));
    assert_eq!(touched, "", "only new files");
    assert_eq!(room.git(&format!("diff --name-only {before} main -- squad/tasks")), "");
    let config: serde_json::Value = serde_json::from_str(&room.file("squad/squad.json").unwrap()).unwrap();
    let role = |name: &str| {
        let member = config["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name);
        member.unwrap_or_else(|| panic!("{name} is not in {config}"))["role"].clone()
    };
    assert_eq!(role("scout"), "executor");
    assert_eq!(role("aria"), "executor");
    assert_eq!(role("olga"), "owner");
}

#[test]
fn a_board_made_by_hand_can_be_worked_on_after_init_alone() {
    let room = Room::code();
    room.put_tasks(&[hand_task("mc-001", json!({"assigned": "scout"}))]);
    let olga = room.clone_as("olga");
    olga.ok("init");
    olga.ok("claim mc-001 --agent scout");
    assert_eq!(room.task("mc-001")["status"], "in-progress");
}

#[test]
fn two_inits_at_once_make_one_board() {
    let room = Room::code();
    let before = room.head();
    let clones = [room.clone_as("olga"), room.clone_as("pia")];
    let created: usize = race(2, |i| clones[i].ok("init")).iter().map(|answer| strings(&answer["created"]).len()).sum();
    assert!(created > 0, "one of them made it");
    let made: Vec<_> =
        room.git(&format!("log --format=%H {before}..main -- squad/squad.json")).lines().map(str::to_owned).collect();
    assert_eq!(made.len(), 1, "{made:?}");
}

#[test]
fn init_on_an_empty_remote_makes_the_branch() {
    let room = Room::empty();
    let olga = room.clone_as("olga");
    olga.ok("init");
    assert!(room.file("squad/squad.json").is_some());
    olga.ok("new 'First task' --id first");
    assert_eq!(room.task("first")["title"], "First task");
}

#[test]
fn init_refuses_where_only_the_local_branch_has_commits() {
    let room = Room::empty();
    let olga = room.clone_as("olga");
    olga.write("README.md", "not pushed\n");
    olga.git("add README.md");
    olga.git("commit --quiet -m start");
    let ran = olga.json("init").0;
    assert_ne!(ran.code, 0, "{ran}");
    let error = &ran.json()["error"];
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("--branch squad")), "{ran}");
    assert_eq!(room.refs(), "", "the user's commits are not published for them");
}

#[test]
fn init_with_a_branch_of_its_own_leaves_the_code_branch_alone() {
    let room = Room::code();
    let before = room.head();
    let olga = room.clone_as("olga");
    let answer = olga.ok("init --branch squad");
    assert_eq!(answer["board"]["branch"], "squad");
    assert_eq!(room.head(), before);
    assert!(room.file_at("refs/heads/squad", "squad/squad.json").is_some());
    assert!(room.file_at("refs/heads/squad", "src/main.txt").is_none(), "no code on the board's branch");
    assert_eq!(olga.status(), "");
    let pia = room.clone_as("pia");
    assert_eq!(pia.ok("list")["total"], 0, "a fresh clone finds the board by itself");
}

#[test]
fn init_writes_nothing_that_git_status_shows_but_the_board() {
    let room = Room::code();
    let olga = room.clone_as("olga");
    olga.ok("init");
    assert_eq!(olga.status(), "", "local state is excluded, the board has been followed");
    assert!(olga.dir.join("squad/squad.json").is_file());
}

#[test]
fn without_a_board_a_verb_says_so_and_how_to_make_one() {
    let room = Room::code();
    let error = room.clone_as("olga").refused("list", 3, "not-found");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("squad init")), "{error}");
}

#[test]
fn the_template_of_mission_control_brings_its_roster_and_gate() {
    let room = Room::code();
    room.clone_as("ryan").ok("init --template mission-control");
    let config: serde_json::Value = serde_json::from_str(&room.file("squad/squad.json").unwrap()).unwrap();
    let names: Vec<_> = config["agents"].as_array().unwrap().iter().map(|agent| agent["name"].clone()).collect();
    for name in ["ryan", "hex", "knox", "sterling", "scout", "aria", "vault"] {
        assert!(names.contains(&json!(name)), "{name} is not in {names:?}");
    }
    assert_eq!(config["policy"]["gate"]["minParticipants"], 4);
}

#[test]
fn an_unknown_template_is_refused_before_anything_happens() {
    let room = Room::code();
    let before = room.refs();
    room.clone_as("olga").refused("init --template everything", 4, "invalid");
    assert_eq!(room.refs(), before);
}

#[test]
fn the_roster_lists_everybody_with_their_role_and_their_claims() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let olga = room.clone_as("olga");
    olga.ok("claim t-1 --agent scout");
    let answer = olga.ok("agents");
    let agents = answer["agents"].as_array().unwrap();
    assert_eq!(agents.len(), 7, "{answer}");
    let scout = agents.iter().find(|agent| agent["name"] == "scout").unwrap();
    assert_eq!(scout["role"], "executor");
    assert_eq!(crate::kit::ids(&scout["claims"]), ["t-1"]);
    let hex = agents.iter().find(|agent| agent["name"] == "hex").unwrap();
    assert_eq!(hex["role"], "chief");
    assert_eq!(hex["claims"], json!([]));
}

#[test]
fn only_owner_and_chief_change_the_roster() {
    let room = Room::board();
    let olga = room.clone_as("olga");
    let before = room.head();
    olga.refused("agents add mallory --role owner --agent scout", 9, "not-permitted");
    olga.refused("agents add mallory --role executor --agent knox", 9, "not-permitted");
    assert_eq!(room.head(), before);
    olga.ok("agents add slate --role executor --domain marketing --agent hex");
    let answer = olga.ok("agents remove slate");
    assert!(answer["agents"].as_array().unwrap().iter().all(|agent| agent["name"] != "slate"), "{answer}");
    assert_eq!(room.commits_since(&before).len(), 2);
}

#[test]
fn a_role_that_does_not_exist_is_invalid() {
    let room = Room::board();
    room.clone_as("olga").refused("agents add slate --role wizard", 4, "invalid");
}

#[test]
fn the_text_for_agents_is_made_from_the_roster_and_nothing_in_it_becomes_markup() {
    let room = Room::board();
    let clone = room.clone_as("scout");
    let ran = clone.squad("agents guide").ok();
    let (text, table) = ran.stdout.split_once("| name |").unwrap();
    assert!(text.lines().count() < 15, "{ran}");
    for verb in ["scan", "claim", "complete", "block", "release", "comment"] {
        assert!(text.contains(&format!("`squad {verb} ")), "{verb}: {ran}");
    }
    assert!(text.contains("--agent NAME"), "{ran}");
    let rows: Vec<_> = table.lines().skip(2).collect();
    let listed = clone.ok("agents")["agents"].as_array().unwrap().len();
    assert_eq!(rows.len(), listed, "{ran}");
    assert!(rows.contains(&"| knox | manager | agent | dev |"), "{ran}");
    let answer = clone.ok("agents guide --agent scout");
    let own = answer["guide"].as_str().unwrap();
    assert!(own.contains("`squad scan --agent scout`") && !own.contains("NAME"), "{own}");

    let hostile = "x|y`z <img src=q> [a](b) @all";
    room.configure(|config| {
        config["policy"] = serde_json::json!({"review": "required"});
        config["agents"].as_array_mut().unwrap().push(serde_json::json!({"name": hostile, "role": "executor"}));
    });
    clone.ok("sync");
    let before = room.refs();
    let ran = clone.squad("agents guide --agent scout").ok();
    assert!(!ran.stdout.contains("<img") && !ran.stdout.contains("@all") && !ran.stdout.contains("[a]("), "{ran}");
    assert!(ran.stdout.contains("x&#124;y&#96;z"), "it is shown as what it is: {ran}");
    assert!(ran.stdout.contains("`squad submit T"), "where a review is required nobody is told to complete: {ran}");
    assert_eq!(room.refs(), before);
}
