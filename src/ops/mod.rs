//! The use cases: what a person or an agent wants from the board, from intent to receipt.
//!
//! Joins the board, the clock and the publish loop. Never prints, exits or reads arguments: surfaces do.

pub mod act;
mod again;
pub mod audit;
pub mod backup;
pub mod beat;
pub mod block;
pub mod check;
pub mod claim;
pub mod consent;
pub mod context;
mod dangling;
mod degraded;
pub mod demo;
pub mod doctor;
mod ears;
pub mod evidence;
pub mod failure;
mod faults;
pub mod heartbeat;
pub mod hook;
pub mod import;
pub mod init;
mod integrity;
pub mod limits;
pub mod look;
mod made;
pub mod make;
pub mod merge;
pub mod notify;
pub mod presence;
pub mod provisional;
pub mod publish;
pub mod publisher;
pub mod queue;
pub mod recover;
mod restored;
pub mod review;
pub mod rewind;
pub mod run;
pub mod scan;
pub mod schedule;
mod secrecy;
pub mod session;
mod signing;
pub mod sync;
pub mod turn;
pub mod wait;
pub mod wake;

use crate::model::code::ErrorCode;
use failure::Failure;

/// Returns the failure of a verb that lacks something, in the words of the rules.
pub fn missing(verb: &str, field: &str, why: &str, hint: &str) -> Failure {
    Failure::new(ErrorCode::MissingField, format!("{verb} needs {field}"))
        .why(why)
        .hint(hint)
        .with("action", verb)
        .with("field", field)
}
