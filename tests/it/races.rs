//! Many clones at once, on a barrier: one holder each time, and nobody loses an update.
//!
//! `SQUAD_RACE_ROUNDS` sets the rounds of each race, `SQUAD_RACE_CLONES` how many race; the runs of the night use 200 rounds
//! of eight, and fewer of up to sixty-four.

#![cfg(unix)]

use serde_json::json;

use crate::kit::{Checkout, Room, hand_task, ids, race, race_clones, race_rounds};

/// Makes the clones that race: eight, unless more are asked for.
fn eight(room: &Room) -> Vec<Checkout> {
    (0..race_clones()).map(|i| room.clone_as(&format!("clone-{i}"))).collect()
}

/// Enters an executor in the roster for each clone, by hand.
fn eight_agents(room: &Room) {
    room.configure(|config| {
        for i in 0..race_clones().max(32) {
            let agent = json!({"name": format!("agent-{i}"), "role": "executor", "kind": "agent"});
            config["agents"].as_array_mut().unwrap().push(agent);
        }
        config["limits"] = json!({"claimsPerAgent": 100_000});
    });
}

#[test]
fn of_eight_clones_that_claim_one_task_exactly_one_wins() {
    let room = Room::board();
    eight_agents(&room);
    let rounds = race_rounds();
    let tasks: Vec<_> = (0..rounds).map(|round| hand_task(&format!("t-{round}"), json!({}))).collect();
    room.put_tasks(&tasks);
    let base = room.head();
    let clones = eight(&room);
    for round in 0..rounds {
        let task = format!("t-{round}");
        let runs = race(clones.len(), |i| clones[i].json(&format!("claim {task} --agent agent-{i}")).0);
        let winners: Vec<_> = (0..clones.len()).filter(|&i| runs[i].code == 0).collect();
        assert_eq!(winners.len(), 1, "round {round}: {:#?}", runs.iter().map(ToString::to_string).collect::<Vec<_>>());
        let winner = format!("agent-{}", winners[0]);
        let claims = room.claims_of(&task, &base);
        assert_eq!(claims.len(), 1, "round {round}: {claims:#?}");
        assert_eq!(claims[0].trailer("Squad-Actor"), winner);
        assert_eq!(room.task(&task)["claim"]["agent"], winner.as_str());
        for (i, ran) in runs.iter().enumerate().filter(|(i, _)| *i != winners[0]) {
            assert_eq!(ran.code, 6, "round {round}, clone {i}: {ran}");
            let answer = ran.json();
            assert_eq!(answer["error"]["code"], "lost-race", "{ran}");
            assert_eq!(answer["error"]["holder"], winner.as_str(), "{ran}");
            assert_eq!(answer["error"]["commit"], claims[0].oid.as_str(), "{ran}");
        }
    }
    is_its_own_witness(&clones[0], &[]);
}

/// Decides the whole history again, and looks for each acknowledged operation in it, in the order of the answers that
/// were had before others were asked for.
#[track_caller]
fn is_its_own_witness(clone: &Checkout, rounds: &[Vec<String>]) {
    clone.ok("sync");
    let audited = clone.ok("audit");
    assert_eq!(audited["violations"], json!([]), "{audited}");
    let log = clone.ok("log --all");
    let order: Vec<&str> =
        log["receipts"].as_array().unwrap().iter().rev().map(|r| r["commit"].as_str().unwrap()).collect();
    let at = |commit: &String| {
        let found: Vec<_> = (0..order.len()).filter(|&i| order[i] == commit).collect();
        assert_eq!(found.len(), 1, "{commit} stands in the history once");
        found[0]
    };
    for pair in rounds.windows(2) {
        let (before, after): (Vec<_>, Vec<_>) = (pair[0].iter().map(at).collect(), pair[1].iter().map(at).collect());
        assert!(before.iter().max() < after.iter().min(), "what was acknowledged first stands first");
    }
}

/// Returns the commit of an answer.
fn commit_of(answer: &serde_json::Value) -> String {
    answer["receipt"]["commit"].as_str().expect("a receipt").to_owned()
}

#[test]
fn eight_clones_that_claim_different_tasks_all_win() {
    let room = Room::board();
    eight_agents(&room);
    let clones = eight(&room);
    let many = clones.len();
    // Every round makes as many commits as there are clones, so a few rounds contend as much as many of the race above.
    let rounds = race_rounds().div_ceil(4).max(2);
    let tasks: Vec<_> =
        (0..rounds * many).map(|n| hand_task(&format!("t-{n}"), json!({"files": [format!("src/part-{n}")]}))).collect();
    room.put_tasks(&tasks);
    let base = room.head();
    let (mut commits, mut pushes) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let answers = race(many, |i| clones[i].ok(&format!("claim t-{} --agent agent-{i}", round * many + i)));
        // The first push of a clone announces nothing: it may be one that the remote lets nobody make.
        let most = if round == 0 { 4 } else { 3 };
        for (i, answer) in answers.iter().enumerate() {
            assert_eq!(answer["task"]["claim"]["agent"], format!("agent-{i}"), "{answer}");
            let took = answer["pushes"].as_u64().expect("a number");
            assert!((1..=most).contains(&took), "{took} pushes: {answer}");
            pushes.push(took);
        }
        commits.push(answers.iter().map(commit_of).collect());
    }
    let mean = pushes.iter().sum::<u64>() as f64 / pushes.len() as f64;
    eprintln!("{many} clones: {mean:.2} pushes a claim, at most {:?}", pushes.iter().max());
    is_its_own_witness(&clones[0], &commits);
    let claims =
        room.commits_since(&base).into_iter().filter(|commit| commit.subject.starts_with("squad(claim)")).count();
    assert_eq!(claims, rounds * many, "one commit each, none lost, none twice");
    let locks = room.locks();
    let held = locks["currentWork"].as_object().map(serde_json::Map::len);
    assert_eq!(held, Some(rounds * many), "and every lock is there");
    assert_eq!(room.git(&format!("log --merges --format=%H {base}..main")), "", "the board is one line");
}

#[test]
fn eight_processes_in_one_clone_all_win_their_own_task() {
    let room = Room::board();
    eight_agents(&room);
    let tasks: Vec<_> = (0..8).map(|n| hand_task(&format!("t-{n}"), json!({}))).collect();
    room.put_tasks(&tasks);
    let clone = room.clone_as("shared");
    race(8, |i| clone.ok(&format!("claim t-{i} --agent agent-{i}")));
    is_its_own_witness(&clone, &[]);
    for n in 0..8 {
        assert_eq!(room.task(&format!("t-{n}"))["claim"]["agent"], format!("agent-{n}"));
    }
    assert_eq!(clone.status(), "", "the worktree has followed or stayed, never half");
}

#[test]
fn many_processes_in_several_worktrees_of_one_clone_make_few_pushes_and_all_win() {
    let room = Room::board();
    eight_agents(&room);
    let many = if race_clones() > 8 { 32 } else { 12 };
    let tasks: Vec<_> = (0..many).map(|n| hand_task(&format!("t-{n}"), json!({}))).collect();
    room.put_tasks(&tasks);
    let clone = room.clone_as("shared");
    let places: Vec<Checkout> = (0..4)
        .map(|n| {
            clone.git(&format!("worktree add --quiet --detach ../tree-{n}"));
            clone.below(&format!("../tree-{n}"))
        })
        .collect();
    clone.ok("comment t-0 'the first of this clone' --agent agent-0");
    let pushes = room.count_pushes();
    let answers = race(many, |i| places[i % 4].ok(&format!("claim t-{i} --agent agent-{i}")));
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer["task"]["claim"]["agent"], format!("agent-{i}"), "{answer}");
        assert_eq!(answer["pushes"], 1, "nobody else pushes: {answer}");
    }
    let made = pushes();
    assert!(made < many, "{made} pushes for {many} claims: whoever leads carries the others");
    is_its_own_witness(&clone, &[answers.iter().map(commit_of).collect()]);
}

#[test]
fn eight_processes_in_one_clone_that_claim_one_task_have_one_winner() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    eight_agents(&room);
    let base = room.head();
    let clone = room.clone_as("shared");
    let codes: Vec<_> = race(8, |i| clone.json(&format!("claim t-1 --agent agent-{i}")).0.code);
    assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|&&code| code == 6).count(), 7, "{codes:?}");
    assert_eq!(room.claims_of("t-1", &base).len(), 1);
}

#[test]
fn claims_of_overlapping_paths_at_once_leave_one_lock() {
    let room = Room::board();
    eight_agents(&room);
    let tasks: Vec<_> = (0..8).map(|n| hand_task(&format!("t-{n}"), json!({"files": ["src/core"]}))).collect();
    room.put_tasks(&tasks);
    let clones = eight(&room);
    let codes: Vec<_> = race(8, |i| clones[i].json(&format!("claim t-{i} --agent agent-{i}")).0.code);
    assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|&&code| code == 7).count(), 7, "{codes:?}");
    assert_eq!(room.locks()["currentWork"].as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn comments_at_once_on_one_task_are_all_kept() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    eight_agents(&room);
    let clones = eight(&room);
    race(8, |i| clones[i].ok(&format!("comment t-1 'from {i}' --agent agent-{i}")));
    is_its_own_witness(&clones[0], &[]);
    let task = room.task("t-1");
    let mut said: Vec<_> = task["chat"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect();
    said.sort();
    assert_eq!(said, (0..8).map(|i| format!("from {i}")).collect::<Vec<_>>());
    let mut message_ids = ids(&task["chat"]);
    message_ids.sort();
    message_ids.dedup();
    assert_eq!(message_ids.len(), 8, "each with an id of its own");
}

#[test]
fn a_push_by_hand_between_reading_and_publishing_is_kept() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    eight_agents(&room);
    let clones = eight(&room);
    race(8, |i| {
        if i == 7 {
            room.put(&[("src/main.txt", Some("two\n"))]);
        } else {
            clones[i].ok(&format!("comment t-1 'from {i}' --agent agent-{i}"));
        }
    });
    let chat = room.task("t-1")["chat"].as_array().unwrap().len();
    assert!(room.file("src/main.txt").as_deref() == Some("two\n") && chat == 7, "{chat} comments");
}
