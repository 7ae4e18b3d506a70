//! The publish protocol of `docs/concurrency.md`, in every state that it can get into within given bounds.
//!
//! A state holds what the remote has, what each clone has on disk and in memory, what is on its way, and what was
//! told. Steps are taken in every order, with pushes that are lost, late, doubled or half done, and clones that die.
//! What a board says to an operation is asked of the production code (`world.rs`), so the model has no second
//! opinion of what a claim is. `checks.rs` holds the protocol against `properties.rs`; `seeded.rs` leaves out one
//! rule at a time and wants to see a property fail.

mod checks;
mod line;
mod network;
mod properties;
mod protocol;
mod scenarios;
mod seeded;
#[path = "../machine/sim.rs"]
#[expect(dead_code, reason = "the simulator is shared with the tests of the state machine, which use all of it")]
mod sim;
mod state;
mod steps;
mod world;
