//! A claim over HTTP, with a server that fails: whatever squad answers is true, then and later.
//!
//! Exit 0 is a claim on the board, once. A refusal is none, now or ever. `undecided` is settled by the same verb and by
//! `sync`, once or not at all.
#![cfg(unix)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::{Checkout, Fault, HttpServer, On, Ran, Room, hand_task};

/// Longer than the clone waits for an answer, and shorter than it goes on trying.
const TOO_LONG: Duration = Duration::from_millis(3_500);

/// A board behind a server, and a clone that loses patience soon.
fn served() -> (Room, HttpServer, Checkout) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let server = HttpServer::of(&room);
    let clone = impatient(&room, &server, "scout");
    (room, server, clone)
}

fn impatient(room: &Room, server: &HttpServer, name: &str) -> Checkout {
    let clone = room.clone_with(name, &server.url());
    clone.git("config squad.networkSeconds 2");
    clone.git("config squad.publishSeconds 6");
    clone.ok("list");
    clone
}

/// Holds an answer to a claim against the board, lets what is open be settled by `settle`, and looks again.
#[track_caller]
fn judge(room: &Room, server: &HttpServer, clone: &Checkout, base: &str, ran: &Ran, settle: &str) {
    let claims = || room.claims_of("t-1", base);
    let answer = ran.json();
    let code = answer["error"]["code"].as_str().unwrap_or_default().to_owned();
    // What is late has arrived after this.
    server.heal();
    let wanted: &[usize] = match (ran.code, code.as_str()) {
        (0, _) => {
            assert_eq!(answer["receipt"]["commit"], claims()[0].oid.as_str(), "{ran}");
            &[1]
        }
        (8, "undecided") => &[0, 1],
        (5..=8, _) => &[0],
        _ => panic!("no answer for such a time: {ran}"),
    };
    assert!(wanted.contains(&claims().len()), "{} claims after {ran}", claims().len());
    if code == "undecided" {
        let settled = clone.ok(settle);
        let open = &settled["provisional"];
        assert!(open.is_null() || *open == json!([]), "nothing stays open: {settled}");
        let told = !settle.starts_with("sync") || settled["published"].as_array().is_some_and(|done| done.len() == 1);
        assert_eq!(claims().len(), usize::from(told), "{settled}");
    }
    let before = claims().len();
    assert_eq!(clone.ok("sync")["provisional"], json!([]));
    clone.ok("list");
    assert_eq!(claims().len(), before, "what was settled stays so");
    clone.ok("claim t-1 --agent scout");
    assert_eq!(claims().len(), 1, "and the claim can be made, once");
    clone.ok("check");
    room.git("fsck --strict --no-dangling --no-progress");
}

/// Runs a claim of which so many pushes meet a fault, once for each way to settle it.
#[track_caller]
fn claim_through(fault: Fault, times: usize) -> Vec<i32> {
    let both = ["claim t-1 --agent scout", "sync"];
    let run = |settle: &str| {
        let (room, server, clone) = served();
        let base = room.head();
        server.fail(On::Push, fault, times);
        let ran = clone.json("claim t-1 --agent scout").0;
        assert!(server.struck() > 0, "{fault:?} did not happen");
        judge(&room, &server, &clone, &base, &ran, settle);
        ran.code
    };
    std::thread::scope(|scope| {
        let runs = both.map(|settle| scope.spawn(move || run(settle)));
        runs.into_iter().map(|run| run.join().expect("the claim was judged")).collect()
    })
}

#[test]
fn a_claim_over_http_is_a_claim() {
    let (room, _server, clone) = served();
    let base = room.head();
    clone.ok("claim t-1 --agent scout");
    assert_eq!(room.claims_of("t-1", &base).len(), 1);
}

#[test]
fn a_connection_that_is_dropped_once_costs_nothing() {
    for fault in [Fault::DropAtOnce, Fault::DropBefore, Fault::DropAfter, Fault::DropMidAnswer] {
        assert_eq!(claim_through(fault, 1), [0, 0], "{fault:?}");
    }
}

#[test]
fn a_server_that_fails_once_costs_nothing() {
    for fault in [Fault::UnavailableBefore, Fault::TimeoutAfter, Fault::NoStatus, Fault::RefusedThoughDone] {
        assert_eq!(claim_through(fault, 1), [0, 0], "{fault:?}");
    }
}

#[test]
fn a_well_formed_answer_that_is_cut_short_does_not_hang() {
    for fault in [Fault::Truncated, Fault::TruncatedChunks] {
        assert_eq!(claim_through(fault, 1), [0, 0], "{fault:?}");
    }
}

#[test]
fn an_answer_that_comes_too_late_is_found_on_the_board() {
    for fault in [Fault::DelayBefore(TOO_LONG), Fault::DelayAfter(TOO_LONG)] {
        assert_eq!(claim_through(fault, 1), [0, 0], "{fault:?}");
    }
}

#[test]
fn a_slow_answer_is_waited_for() {
    for fault in [Fault::DelayBefore(Duration::from_millis(600)), Fault::DelayAfter(Duration::from_millis(600))] {
        assert_eq!(claim_through(fault, 1), [0, 0], "{fault:?}");
    }
}

#[test]
fn where_no_push_ever_comes_through_nothing_is_claimed_that_is_told_otherwise() {
    for fault in [Fault::DropAtOnce, Fault::DropBefore, Fault::UnavailableBefore] {
        assert_eq!(claim_through(fault, usize::MAX), [8, 8], "{fault:?}");
    }
}

#[test]
fn where_every_answer_is_lost_the_claim_is_found_on_the_board() {
    for fault in [
        Fault::DropAfter,
        Fault::DropMidAnswer,
        Fault::TimeoutAfter,
        Fault::Truncated,
        Fault::NoStatus,
        Fault::RefusedThoughDone,
        Fault::DelayAfter(TOO_LONG),
    ] {
        assert_eq!(claim_through(fault, usize::MAX), [0, 0], "{fault:?}");
    }
}

#[test]
fn a_push_that_arrives_after_everybody_gave_up_is_settled() {
    let codes = claim_through(Fault::DelayBefore(Duration::from_secs(9)), usize::MAX);
    assert!(codes.iter().all(|code| [0, 8].contains(code)), "{codes:?}");
}

#[test]
fn a_server_that_goes_away_after_the_push_leaves_it_undecided_until_it_is_back() {
    for fault in [Fault::DropAfter, Fault::DropBefore] {
        let (room, server, clone) = served();
        let base = room.head();
        // One fetch of the claim's own comes before the push; from then on nobody answers.
        server.fail(On::Push, fault, 1);
        let ran = std::thread::scope(|scope| {
            let claim = scope.spawn(|| clone.json("claim t-1 --agent scout").0);
            while server.struck() == 0 && !claim.is_finished() {
                std::thread::sleep(Duration::from_millis(2));
            }
            server.fail(On::Fetch, Fault::UnavailableBefore, usize::MAX);
            claim.join().expect("it ends")
        });
        let landed = room.claims_of("t-1", &base).len();
        assert_eq!(landed == 1, fault.is_served(), "{fault:?}: {ran}");
        judge(&room, &server, &clone, &base, &ran, "sync");
    }
}

#[test]
fn a_fetch_that_fails_is_a_remote_out_of_reach() {
    for fault in [Fault::DropAtOnce, Fault::UnavailableBefore, Fault::DelayBefore(TOO_LONG)] {
        let (room, server, clone) = served();
        let base = room.head();
        server.fail(On::Fetch, fault, usize::MAX);
        let error = clone.refused("claim t-1 --agent scout", 8, "remote-unreachable");
        assert_eq!(error["retryable"], true, "{error}");
        server.heal();
        assert_eq!(room.claims_of("t-1", &base).len(), 0, "{fault:?}");
        clone.ok("claim t-1 --agent scout");
    }
}

#[test]
fn of_two_claims_through_a_server_that_loses_answers_one_wins_and_the_other_is_told() {
    for fault in [Fault::DropAfter, Fault::DropBefore, Fault::Truncated] {
        let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
        let server = HttpServer::of(&room);
        let base = room.head();
        let clones = ["aria", "vault"].map(|name| (name, impatient(&room, &server, name)));
        server.fail(On::Push, fault, 1);
        let runs = crate::kit::race(2, |i| clones[i].1.json(&format!("claim t-1 --agent {}", clones[i].0)).0);
        server.heal();
        let claims = room.claims_of("t-1", &base);
        assert_eq!(claims.len(), 1, "{fault:?}: {claims:#?}");
        for (ran, (name, _)) in runs.iter().zip(&clones) {
            let holds = claims[0].trailer("Squad-Actor") == *name;
            let error: &Value = &ran.json()["error"]["code"];
            let truthful = match ran.code {
                0 => holds,
                6 => !holds,
                8 => *error == "undecided" || !holds,
                _ => false,
            };
            assert!(truthful, "{fault:?}, {name}: {ran}");
        }
        for (_, clone) in &clones {
            assert_eq!(clone.ok("sync")["provisional"], json!([]));
            clone.ok("check");
        }
        assert_eq!(room.claims_of("t-1", &base).len(), 1, "{fault:?}");
    }
}
