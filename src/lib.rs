//! squad: a task board that lives in a git repository.
pub mod board;
pub mod clock;
pub mod model;
pub mod review;
pub mod schema;
