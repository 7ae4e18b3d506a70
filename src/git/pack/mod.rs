//! Packs as git stores them: what goes into one, its index, and the pack that grows with every publish.
//!
//! Knows object names and bytes; no repository, no ref. Reading is libgit2's and git's.
//!
//! Source: gitformat-pack(5).

mod delta;
mod file;
mod rolling;

pub(super) use delta::common_front;
pub(super) use file::{Kind, object_name};
pub(super) use rolling::{Fresh, Mode, Raw, small_with, sweep, write};

#[cfg(all(test, unix))]
mod tests;
