//! The pure core: what a task is, what may happen to it, and what an operation does to a board.
//!
//! Knows no git, file, clock, environment or thread; time comes in as an argument. Same inputs, same output.

pub mod apply;
pub mod board;
pub mod card;
pub mod cause;
pub mod code;
pub mod config;
pub mod decide;
pub mod earlier;
pub mod graph;
pub mod id;
pub mod imported;
pub mod locks;
pub mod notice;
pub mod operation;
pub mod ordered;
pub mod outbox;
pub mod presence;
pub mod query;
pub mod refusal;
pub mod requirement;
pub mod schedule;
pub mod task;
pub mod text;
pub mod time;
pub mod transition;
pub mod vocabulary;
