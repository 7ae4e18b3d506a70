//! The command line: turns argv into typed intent, and answers into text or JSON.
//!
//! The only room that prints, reads argv and the environment, or knows exit codes. It has no rules of its own:
//! what may happen to a task is decided behind `ops`.

pub mod args;
mod commands;
pub mod completions;
pub mod error;
pub mod exit_code;
pub mod input;
pub mod man;
mod report;
mod run;
mod task_text;
mod terminal;
pub mod ui;
pub mod when;

pub use run::run;
