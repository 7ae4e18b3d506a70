//! The use cases: what a person or an agent wants from the board, from intent to receipt.
//!
//! Joins the board, the clock and the publish loop. Never prints, exits or reads arguments: surfaces do.

pub mod evidence;
pub mod failure;
mod faults;
pub mod init;
pub mod pending;
pub mod publish;
pub mod publisher;
pub mod session;
