//! The publish protocol, checked in every state that it can get into within bounds.
mod line;
mod network;
mod properties;
mod protocol;
mod scenarios;
mod state;
mod steps;
mod world;
#[path = "../machine/sim.rs"]
#[expect(dead_code, reason = "the simulator is shared with the tests of the state machine")]
mod sim;
mod checks;
