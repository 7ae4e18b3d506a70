//! The binary against real git, from the outside: a bare remote and real clones in a temporary folder.
//!
//! One file per group of verbs or subject. The harness is `kit`. Nothing here calls into the crate, so these tests
//! hold whatever the rooms inside look like; only `tidy` reads the source, to guard the rooms themselves.

#![expect(
    clippy::unwrap_used,
    clippy::needless_pass_by_value,
    reason = "a test that panics has failed, and a value written where it is used reads best"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the harness starts the binary and git, writes files and asks what time it is"
)]

mod kit;

mod board_verbs;
mod demo;
mod doctor;
mod dry_run;
mod errors;
mod evidence;
mod harness;
mod hostile;
mod init;
mod life_cycle;
mod locks;
mod memory;
mod offline;
mod places;
mod provisional;
mod push_policy;
mod races;
mod readme;
mod refusals;
mod remotes;
mod retry;
mod rewind;
mod safe_mode;
mod scan;
mod status;
mod terminal;
mod tidy;
mod truth;
mod unknown_fields;
