//! squad: a task board that lives in a git repository.
pub mod git;
pub mod model;
