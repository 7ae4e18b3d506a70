//! A remote that cannot be reached is asked again, a few times and not for long.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use serde_json::json;

use crate::kit::{Checkout, Room, hand_task, ids};

/// Returns a clone whose remote is served by a program that fails so many times first, and writes down when it was
/// asked.
fn served_by_one_that_fails(room: &Room, times: usize) -> Checkout {
    let clone = room.clone_as("scout");
    clone.ok("list");
    let script = room.path().join("serve");
    let asked = room.path().join("asked");
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\ndate +%s%N >> {asked}\n[ \"$(wc -l < {asked})\" -gt {times} ] || exit 1\nexec git upload-pack \"$@\"\n",
            asked = asked.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    clone.git(&format!("config remote.origin.uploadpack {}", script.display()));
    clone
}

fn asked(room: &Room) -> Vec<i128> {
    let text = std::fs::read_to_string(room.path().join("asked")).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_remote_that_fails_three_times_is_reached_at_the_fourth_after_pauses_that_grow() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = served_by_one_that_fails(&room, 3);
    room.put_tasks(&[hand_task("t-2", json!({"assigned": "scout"}))]);
    let scan = clone.ok("scan --agent scout --fresh");
    assert_eq!((&scan["degraded"], ids(&scan["tasks"]).len()), (&json!(false), 2));
    let asked = asked(&room);
    let pauses: Vec<_> = asked.windows(2).take(3).map(|pair| pair[1] - pair[0]).collect();
    // What a program needs to start comes on top of each pause: hence a little room.
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0] + 20_000_000), "{pauses:?}");
    assert!(asked.len() <= 5, "{asked:?}");
}

#[test]
fn a_claim_comes_through_as_well() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = served_by_one_that_fails(&room, 3);
    clone.ok("claim t-1 --agent scout");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout");
}

#[test]
fn a_dead_remote_is_told_soon_and_never_asked_where_it_may_not_be() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = served_by_one_that_fails(&room, usize::MAX >> 1);
    let begun = Instant::now();
    clone.refused("claim t-1 --agent scout", 8, "remote-unreachable");
    assert_eq!(asked(&room).len(), 4);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    clone.ok("scan --agent scout --offline");
    clone.refused("claim t-1 --agent scout --offline", 8, "remote-unreachable");
    assert_eq!(asked(&room).len(), 4);
}
