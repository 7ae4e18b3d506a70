//! squad: a task board that lives in a git repository.
pub mod clock;
pub mod model;
