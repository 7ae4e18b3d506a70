//! t
use std::time::Instant;
use stateright::{Checker, Model};
use crate::protocol::Protocol;
use crate::scenarios::*;
use crate::state::Budget;
fn run(name: &str, model: Protocol) {
    let t = Instant::now();
    let c = model.checker().timeout(std::time::Duration::from_secs(60)).spawn_bfs().join();
    println!("{name}: {} states, {} unique, depth {}, {:?} done {}", c.state_count(), c.unique_state_count(), c.max_depth(), t.elapsed(), c.is_done());
    for (n, p) in c.discoveries() { println!("!! {name}: {n}\n{:?}\n", p.into_actions()); }
}
#[test]
fn try_all() {
    let n = NOTHING_FAILS;
    for (m, f) in [("rivals", rivals as fn(Budget)->Protocol), ("same", twice_the_same), ("cc", claim_and_comment), ("old", old_epoch), ("zombie", zombie), ("paths", same_paths), ("2x2", two_by_two), ("three", three), ("sameid", same_id), ("onemany", one_against_many), ("four", four)] {
        run(m, f(n));
    }
}
