//! The contract of the files: strict reading, the schemas, canonical writing.
//!
//! Knows what a task file looks like, and the types that it becomes. Must not know of git, of paths of a repository
//! or of the rules between files. `jsonschema` is named in `compile` alone.

pub mod canonical;
pub mod compile;
pub mod document;
pub mod foreign;
mod keys;
pub mod locks;
mod quick;
pub mod typed;
pub mod violation;

/// The field of a task in which strings that only look like secrets stand, each by its mark.
pub const NOT_SECRET: &str = "notSecret";

pub use canonical::{lay_task, overlay, render, render_task};
pub use compile::{
    Look, load_board, load_task, load_written_task, look_at_board, look_at_task, validate, validate_board,
    validate_coordination, validate_task,
};
pub use document::{Json, ParseFault};
pub use keys::Known;
pub use locks::LocksText;
pub use violation::{Severity, Violation};
