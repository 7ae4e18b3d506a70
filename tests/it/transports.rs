//! The races of `races`, over what a remote is reached by: HTTP, git's own protocol, ssh.
#![cfg(unix)]

use serde_json::json;

use crate::kit::{Checkout, HttpServer, Room, Server, hand_task, race};

const CLONES: usize = 8;

/// A board with eight tasks of their own, and one that everybody wants.
fn contested() -> Room {
    let room = Room::board();
    room.configure(|config| {
        for i in 0..CLONES {
            let agent = json!({"name": format!("agent-{i}"), "role": "executor", "kind": "agent"});
            config["agents"].as_array_mut().unwrap().push(agent);
        }
    });
    let own = (0..CLONES).map(|i| hand_task(&format!("t-{i}"), json!({"files": [format!("src/part-{i}")]})));
    let tasks: Vec<_> = own.chain([hand_task("wanted", json!({}))]).collect();
    room.put_tasks(&tasks);
    room
}

/// Eight clones each claim their own task at once, then all of them the same one.
fn race_over(room: &Room, clone_args: &str) {
    let clones: Vec<Checkout> = (0..CLONES).map(|i| room.clone_with(&format!("clone-{i}"), clone_args)).collect();
    // What is raced for here is the truth, not the time: a busy machine may take long.
    for clone in &clones {
        clone.git("config squad.publishSeconds 600");
    }
    let base = room.head();
    race(CLONES, |i| clones[i].ok(&format!("claim t-{i} --agent agent-{i}")));
    for i in 0..CLONES {
        let claims = room.claims_of(&format!("t-{i}"), &base);
        assert_eq!(claims.len(), 1, "t-{i}: {claims:#?}");
        assert_eq!(claims[0].trailer("Squad-Actor"), format!("agent-{i}"));
    }
    let runs = race(CLONES, |i| clones[i].json(&format!("claim wanted --agent agent-{i}")).0);
    let claims = room.claims_of("wanted", &base);
    assert_eq!(claims.len(), 1, "{claims:#?}");
    for (i, ran) in runs.iter().enumerate() {
        let holds = claims[0].trailer("Squad-Actor") == format!("agent-{i}");
        assert_eq!(ran.code, if holds { 0 } else { 6 }, "clone {i}: {ran}");
        if !holds {
            assert_eq!(ran.json()["error"]["commit"], claims[0].oid.as_str(), "{ran}");
        }
    }
    assert_eq!(room.git(&format!("log --merges --format=%H {base}..main")), "", "the board is one line");
    for clone in &clones {
        assert_eq!(clone.ok("sync")["provisional"], json!([]));
    }
    clones[0].ok("check");
    room.git("fsck --strict --no-dangling --no-progress");
}

#[test]
fn eight_clones_race_over_http() {
    let room = contested();
    let server = HttpServer::of(&room);
    race_over(&room, &server.url());
}

#[test]
fn eight_clones_race_over_git_s_own_protocol() {
    let room = contested();
    let server = Server::git_daemon(&room);
    race_over(&room, &server.clone_args());
}

#[test]
fn eight_clones_race_over_ssh() {
    let room = contested();
    let Some(server) = Server::sshd(&room) else { return };
    race_over(&room, &server.clone_args());
}
