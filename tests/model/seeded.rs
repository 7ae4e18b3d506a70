//! The protocol with one rule left out: a property fails, and it is the one that the rule is there for.
//!
//! Without these the states of `checks.rs` would say little: a model that cannot fail proves nothing.

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::checks::{refused_once, report, say};
use crate::properties::{
    BOUND, DONE_IS_THERE, FENCED, NEVER_AFTER_NO, ONCE, ONE_HOLDER, ONE_LINE, SAFETY, SECOND, TIMELY,
};
use crate::protocol::{Protocol, Seeded};
use crate::scenarios::{
    NOTHING_FAILS, claim_and_comment, late_claim, old_epoch, one_against_many, one_against_two, rivals, same_paths,
    zombie,
};
use crate::state::Budget;

fn left_out(model: &Protocol) -> String {
    model.seeded.map_or_else(|| "as it is".to_owned(), |rule| format!("seeded: {rule:?}"))
}

/// Looks until the property fails, and prints the shortest way there.
#[track_caller]
fn breaks(property: &'static str, model: Protocol) {
    let since = Instant::now();
    let what = left_out(&model);
    let checker = model.checker().finish_when(HasDiscoveries::AnyOf(BTreeSet::from([property]))).spawn_bfs().join();
    report(&what, &checker, since);
    let way = checker.discovery(property).unwrap_or_else(|| panic!("{what}: no state breaks {property:?}"));
    say(&format!("{property}:\n  {:?}", way.into_actions()));
}

/// Visits every state: the bound fails, and nothing else does.
#[track_caller]
fn breaks_only_the_bound(model: Protocol) {
    let since = Instant::now();
    let what = left_out(&model);
    let checker = model.checker().spawn_bfs().join();
    report(&what, &checker, since);
    checker.assert_any_discovery(BOUND);
    checker.assert_any_discovery(SECOND);
    SAFETY.iter().for_each(|property| checker.assert_no_discovery(property));
}

fn one_death() -> Budget {
    Budget { crashes: 1, ..NOTHING_FAILS }
}

#[test]
fn without_a_lease_two_hold_one_task() {
    breaks(ONE_HOLDER, rivals(NOTHING_FAILS).without(Seeded::NoLease));
    breaks(ONE_LINE, rivals(NOTHING_FAILS).without(Seeded::NoLease));
    breaks(DONE_IS_THERE, rivals(NOTHING_FAILS).without(Seeded::NoLease));
}

#[test]
fn without_a_look_for_the_id_an_operation_happens_twice() {
    let one_timeout = Budget { timeouts: 1, ..NOTHING_FAILS };
    breaks(ONCE, claim_and_comment(one_timeout).without(Seeded::NoLookUp));
    // An outbox that still names what has landed is enough.
    breaks(ONCE, claim_and_comment(NOTHING_FAILS).without(Seeded::NoLookUp));
}

#[test]
fn without_epochs_an_old_release_ends_a_new_claim() {
    breaks(FENCED, zombie(NOTHING_FAILS).without(Seeded::NoFence));
    breaks(FENCED, old_epoch(NOTHING_FAILS).without(Seeded::NoFence));
}

#[test]
fn a_conditional_refusal_that_is_not_written_down_is_undone_by_a_helper() {
    breaks(NEVER_AFTER_NO, same_paths(NOTHING_FAILS).without(Seeded::NoRecord));
}

#[test]
fn an_operation_that_is_marked_after_its_push_is_refused_and_happens() {
    breaks(NEVER_AFTER_NO, same_paths(one_death()).without(Seeded::MarkedLate));
}

#[test]
fn two_leaders_of_one_clone_refuse_and_announce_the_same_operation() {
    let one_beside = Budget { duplicates: 1, ..NOTHING_FAILS };
    breaks(NEVER_AFTER_NO, same_paths(one_beside).without(Seeded::TwoLeaders));
}

#[test]
fn a_claim_that_is_dropped_after_its_push_happens_all_the_same() {
    breaks(NEVER_AFTER_NO, rivals(one_death()).without(Seeded::PushedDropped));
}

#[test]
fn a_result_that_does_not_outlive_its_queue_entry_is_not_kept() {
    breaks(NEVER_AFTER_NO, same_paths(one_death()).without(Seeded::ResultForgotten));
}

#[test]
fn a_refusal_on_the_head_that_is_there_may_be_older_than_the_question() {
    breaks(TIMELY, late_claim(NOTHING_FAILS).without(Seeded::OldHead));
}

#[test]
fn what_the_remote_refuses_me_may_be_taken_from_a_helper() {
    breaks(NEVER_AFTER_NO, claim_and_comment(refused_once()).without(Seeded::RemoteRefusalTold));
}

#[test]
fn reading_outboxes_before_the_board_breaks_only_the_bound() {
    breaks_only_the_bound(one_against_two(NOTHING_FAILS).with_all_made_first().without(Seeded::OutboxesFirst));
}

#[test]
fn reading_outboxes_only_once_breaks_only_the_bound() {
    breaks_only_the_bound(one_against_many(NOTHING_FAILS).without(Seeded::OutboxesOnce));
}

#[test]
fn without_help_only_the_bound_breaks() {
    breaks_only_the_bound(one_against_many(NOTHING_FAILS).without(Seeded::NoHelp));
}

#[test]
fn a_clone_that_goes_on_alone_after_one_refusal_breaks_only_the_bound_of_others() {
    breaks_only_the_bound(one_against_many(refused_once()));
}
