//! Runs that are kept, with real processes: how they end, what is kept of their words, and that nobody is left.
//!
//! The shim is the binary. What a test needs to be killed is a process of its own (`stand_in.rs`).
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "these tests start processes and write files")]

mod deaths;
mod endings;
mod kit;
#[expect(dead_code, reason = "only the small disk is of use here")]
#[path = "../it/kit/mount.rs"]
mod mount;
mod output;
mod signals;
mod stand_in;
mod surroundings;
