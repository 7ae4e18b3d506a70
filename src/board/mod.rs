//! Joins git to the model: files and refs on one side, snapshots and changesets on the other.
//!
//! Knows where the board's files are and how they are read and written; decides nothing.

pub mod files;
pub mod folder;
pub mod layout;
pub mod receipt;
pub mod render;
pub mod snapshot;
