//! The use cases: what a person or an agent wants from the board, from intent to receipt.
//!
//! Joins the board, the clock and the publish loop. Never prints, exits or reads arguments: surfaces do.

pub mod failure;
mod faults;
pub mod pending;
pub mod publish;
pub mod publisher;
pub mod session;
