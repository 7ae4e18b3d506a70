//! Many clones, played by the production publish loop over a remote in memory that loses, delays, duplicates and
//! refuses, with processes that die in the middle. Every run is made from its seed alone.
//!
//! Each process is a thread, and one runs at a time: whenever it speaks to the remote or waits, a scheduler decides by
//! the seed who goes on, who dies and what arrives. At the end the history is held against what everybody was told.

mod hands;
mod judge;
mod play;
mod stage;
mod world;

use play::{Shown, play};
use world::{Bug, Setting};

fn seeds(count: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    match number("SQUAD_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SQUAD_SEEDS").unwrap_or(count)).collect(),
    }
}

fn settings() -> [Setting; 4] {
    let base = Setting { clones: 3, operations: 4, faults: Some(3), twins: false, apart: false, bug: None };
    [
        base,
        Setting { twins: true, clones: 2, ..base },
        Setting { clones: 5, operations: 3, faults: Some(8), ..base },
        Setting { apart: true, clones: 4, operations: 3, faults: Some(5), ..base },
    ]
}

#[test]
fn every_answer_is_true_whatever_the_line_does_and_whoever_dies() {
    let mut all = Shown::default();
    let seeds = seeds(300);
    for seed in &seeds {
        let setting = settings()[*seed as usize % 4];
        let shown = play(*seed, setting).unwrap_or_else(|why| {
            panic!("seed {seed}: {why}\nagain: SQUAD_SEED={seed} cargo test --test machine fleet\n{setting:?}")
        });
        all.happened += shown.happened;
        all.refused += shown.refused;
        all.undecided += shown.undecided;
        all.killed += shown.killed;
        all.helped += shown.helped;
    }
    // A simulation in which nothing ever goes wrong would prove nothing.
    if seeds.len() >= 300 {
        assert!(all.happened > 500 && all.refused > 100 && all.undecided > 50, "{all:?}");
        assert!(all.killed > 50 && all.helped > 20, "{all:?}");
    }
    eprintln!("{} seeds: {all:?}", seeds.len());
}

#[test]
fn no_operation_takes_more_than_three_pushes_however_many_clones_there_are() {
    for clones in [2, 4, 8, 16] {
        let most = most_pushes(clones, if clones > 8 { 4 } else { 12 }, None);
        assert!(most <= 3, "{clones} clones: {most} pushes");
    }
}

#[test]
fn without_help_the_number_of_pushes_grows_with_the_number_of_clones() {
    assert!(most_pushes(8, 12, Some(Bug::Help)) > 3);
}

/// Returns how many pushes any claim of a task of its own has taken, with nothing going wrong.
fn most_pushes(clones: usize, count: u64, bug: Option<Bug>) -> u32 {
    let (mut most, mut pushes, mut done) = (0, 0, 0);
    for seed in seeds(count) {
        let setting = Setting { clones, operations: 3, faults: None, twins: false, apart: true, bug };
        let shown = play(seed, setting).unwrap_or_else(|why| panic!("{clones} clones, seed {seed}: {why}"));
        assert_eq!(shown.happened, clones * 3, "{clones} clones, seed {seed}: {shown:?}");
        most = most.max(shown.most_pushes);
        pushes += shown.pushes;
        done += shown.happened;
    }
    eprintln!("{clones} clones: at most {most} pushes, {:.2} on average", f64::from(pushes) / done as f64);
    most
}

/// Tells whether any seed shows that something is missing.
#[track_caller]
fn is_missed(bug: Bug) {
    let found = (0..400).find_map(|seed| {
        let setting = Setting { bug: Some(bug), ..settings()[seed as usize % 4] };
        play(seed, setting).err().map(|why| (seed, why))
    });
    match found {
        Some((seed, why)) => eprintln!("without {bug:?}: seed {seed}: {why}"),
        None => panic!("{bug:?} is not missed"),
    }
}

#[test]
fn without_the_lease_an_update_is_lost() {
    is_missed(Bug::Lease);
}

#[test]
fn without_the_look_for_its_id_an_operation_happens_twice() {
    is_missed(Bug::LookUp);
}

#[test]
fn without_an_epoch_a_change_is_made_under_a_claim_that_is_over() {
    is_missed(Bug::Epoch);
}

#[test]
fn without_a_witness_a_refused_operation_may_happen_all_the_same() {
    is_missed(Bug::Record);
}

#[test]
fn without_a_durable_note_what_was_announced_is_told_not_to_happen() {
    is_missed(Bug::Sync);
}
