//! squad: a task board that lives in a git repository.
pub mod model;
pub mod schema;
