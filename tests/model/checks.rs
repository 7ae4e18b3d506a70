//! The protocol as it is: nothing that must hold ever fails.
//!
//! The bounds are small enough for every run of the tests; `SQUAD_MODEL=full` adds those that take minutes. Each
//! run prints its bounds and how many states it visited (`--nocapture`).

use std::time::Instant;

use stateright::{Checker, Model};

use crate::properties;
use crate::protocol::Protocol;
use crate::scenarios::{
    NOTHING_FAILS, claim_and_comment, four, late_claim, old_epoch, one_against_many, rivals, same_id, same_paths,
    three, twice_the_same, two_by_two, zombie,
};
use crate::state::Budget;

#[expect(clippy::print_stdout, reason = "what was visited is for whoever runs the tests")]
pub fn say(line: &str) {
    println!("{line}");
}

/// Says what a run has visited, as a row of the table in `docs/concurrency.md`.
pub fn report(name: &str, checker: &impl Checker<Protocol>, since: Instant) {
    let left = checker.model().left;
    let words = [
        ("timeouts", left.timeouts),
        ("deaths", left.crashes),
        ("doubled", left.duplicates),
        ("refused", left.refusals),
        ("by hand", left.foreign),
    ];
    let faults: Vec<_> = words.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{word} {n}")).collect();
    say(&format!(
        "| {name} | {} | {} | {} | {} | {:.1} s |",
        if faults.is_empty() { "none".to_owned() } else { faults.join(", ") },
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        since.elapsed().as_secs_f32(),
    ));
}

/// Visits every state, and asserts that all of it was visited and nothing found.
fn holds(name: &str, model: Protocol) {
    let since = Instant::now();
    let checker = model.checker().spawn_bfs().join();
    report(name, &checker, since);
    checker.assert_properties();
}

fn is_full() -> bool {
    std::env::var("SQUAD_MODEL").is_ok_and(|bounds| bounds == "full")
}

fn faults(timeouts: u8, crashes: u8, duplicates: u8) -> Budget {
    Budget { timeouts, crashes, duplicates, ..NOTHING_FAILS }
}

#[test]
fn one_of_two_rivals_wins_whatever_is_lost_and_whoever_dies() {
    holds("two claims of one task", rivals(faults(2, 2, 0)));
    holds("two claims of one task", rivals(faults(1, 1, 1)));
    holds("two claims of one task, two moves", rivals(faults(1, 1, 0)).with_two_moves());
    if is_full() {
        holds("two claims of one task", rivals(faults(3, 3, 1)));
        holds("two claims of one task, two moves", rivals(faults(2, 2, 1)).with_two_moves());
    }
}

#[test]
fn the_same_claim_from_two_machines_is_one_claim() {
    holds("one agent claims twice", twice_the_same(faults(1, 1, 1)));
    if is_full() {
        holds("one agent claims twice", twice_the_same(faults(2, 2, 1)));
    }
}

#[test]
fn a_claim_and_a_comment_both_land() {
    holds("claim and comment", claim_and_comment(faults(1, 1, 1)));
    if is_full() {
        holds("claim and comment", claim_and_comment(faults(2, 2, 1)));
    }
}

#[test]
fn a_claim_under_an_old_epoch_is_out() {
    holds("claim, release, old claim", old_epoch(faults(1, 1, 1)));
    holds("claim, release, old claim", old_epoch(Budget { foreign: 1, ..NOTHING_FAILS }));
    if is_full() {
        holds("claim, release, old claim", old_epoch(Budget { foreign: 1, ..faults(1, 1, 0) }));
    }
}

#[test]
fn a_release_of_an_earlier_claim_leaves_the_later_one_alone() {
    holds("late release", zombie(faults(1, 0, 0)));
    holds("late release", zombie(faults(0, 1, 0)));
    if is_full() {
        holds("late release", zombie(faults(2, 1, 1)));
    }
}

#[test]
fn a_conditional_refusal_stands() {
    holds("claims of the same paths", same_paths(faults(1, 1, 0)));
    holds("claims of the same paths, two moves", same_paths(faults(1, 0, 0)).with_two_moves());
    holds("claims of the same paths, late", late_claim(NOTHING_FAILS).with_scans());
    if is_full() {
        holds("claims of the same paths", same_paths(faults(2, 2, 0)));
        holds("claims of the same paths, two moves", same_paths(faults(1, 1, 1)).with_two_moves());
    }
}

#[test]
fn an_id_that_is_taken_is_refused_for_good() {
    holds("two new tasks of one id", same_id(faults(1, 1, 1)));
}

#[test]
fn two_clones_with_two_operations_each_keep_their_order() {
    holds("2 clones × 2", two_by_two(faults(1, 0, 0)));
    holds("2 clones × 2, made first", two_by_two(faults(1, 1, 1)).with_all_made_first());
    if is_full() {
        holds("2 clones × 2", two_by_two(faults(1, 1, 0)));
    }
}

#[test]
fn three_clones_get_their_answers() {
    holds("3 clones × 1, with scans", three(NOTHING_FAILS).with_scans());
    holds("3 clones × 1, made first", three(faults(1, 0, 0)).with_all_made_first());
    holds("3 clones × 1, one fetch", three(faults(1, 0, 0)).with_one_fetch());
    if is_full() {
        holds("3 clones × 1", three(faults(1, 0, 0)));
        holds("3 clones × 1", three(faults(0, 1, 0)));
    }
}

#[test]
fn three_pushes_are_enough_among_four() {
    holds("4 clones × 1, made first, one fetch", four(NOTHING_FAILS).with_all_made_first().with_one_fetch());
    holds("1 against 3 in a row, two moves", one_against_many(NOTHING_FAILS).with_two_moves());
    holds("1 against 3 in a row", one_against_many(faults(1, 0, 0)));
    holds("1 against 3 in a row", one_against_many(Budget { foreign: 1, ..NOTHING_FAILS }));
    if is_full() {
        holds("4 clones × 1", four(NOTHING_FAILS));
    }
}

#[test]
fn one_stray_refusal_costs_nobody_the_bound_if_the_whole_chain_is_tried_again() {
    holds("1 against 3 in a row, alone at the second", one_against_many(refused_once()).alone_after(2));
    holds("2 clones × 2, alone at the second", two_by_two(refused_once()).alone_after(2));
}

pub fn refused_once() -> Budget {
    Budget { refusals: 1, ..NOTHING_FAILS }
}

#[test]
fn what_the_protocol_is_for_does_happen() {
    let mut found = std::collections::BTreeSet::new();
    for model in [one_against_many(NOTHING_FAILS), same_paths(faults(0, 1, 0))] {
        let model = Protocol { asks: properties::reached, ..model };
        found.extend(model.checker().spawn_bfs().join().discoveries().into_keys());
    }
    for property in properties::reached() {
        assert!(found.contains(property.name), "never: {}", property.name);
    }
}
