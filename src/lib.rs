//! squad: a task board that lives in a git repository.
pub mod cli;
pub mod model;
pub mod ops;
