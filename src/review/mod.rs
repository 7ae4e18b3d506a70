//! Whether a board is whole, and whether a change of it was allowed: the rules within its files, between them, and
//! between two versions; and how two versions of a file become one.
//!
//! Knows the model and the schema. Must not know of git, of folders or of how files are read: files are handed in,
//! each with the role that it plays on the board.

pub mod check;
mod cycles;
pub mod judge;
mod kept;
mod locks;
pub mod lost;
pub mod merge;
mod replay;
pub mod rules;
pub mod secrets;
mod unexplained;
mod within;

pub use check::{BoardFile, CheckOptions, FileFault, FileKind, FileRole, Report, check, id_mismatch, not_a_folder};
pub use merge::{Lost, Merged, Side, Unmergeable, merge};
pub use within::locks_place;
