//! The state machine as a whole, driven through the library: every verb in every phase by every sort of actor, whole
//! lives of tasks, and random ones.

#![expect(clippy::print_stderr, reason = "a simulation says what it has seen")]

mod dice;
mod fleet;
mod imported;
mod judged;
mod life;
mod matrix;
mod random;
mod sim;
