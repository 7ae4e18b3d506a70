//! The pure core: what a task is, what may happen to it, and what an operation does to a board.
//!
//! Knows no git, file, clock, environment or thread; time comes in as an argument. Same inputs, same output.

pub mod code;
pub mod config;
pub mod id;
pub mod operation;
pub mod task;
pub mod vocabulary;
