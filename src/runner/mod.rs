//! Commands that squad runs for somebody: how they start, what they say, how they end.
//!
//! Knows nothing of tasks.

pub mod command;
pub mod process;
