//! Locks on paths: which task has which part of the repository, and who is in whose way.
//!
//! Owns what an entry of `files[]` covers, when two entries overlap, and the locks file. A lock is never stored for
//! its own sake: the file is a view of the tasks. Whether a conflict forbids anything is decided elsewhere.

mod automaton;
mod charset;
pub mod conflict;
pub mod coordination;
mod glob;
pub mod path;
pub mod pattern;

pub use conflict::{Conflict, Overlap, Overlaps, conflicts, overlaps_among};
pub use coordination::{Coordination, LocksFile, Work, derive, derive_beside, updated};
pub use path::{BadPath, normalise};
pub use pattern::{BadPattern, Pattern};
