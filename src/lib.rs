//! squad: a task board that lives in a git repository.
pub mod board;
pub mod cli;
pub mod clock;
pub mod failpoint;
#[doc(hidden)]
pub mod fuzz;
pub mod git;
pub mod model;
pub mod ops;
pub mod review;
pub mod runner;
pub mod schema;
