//! What `run` promises when whoever runs is killed: no task is executed twice, and in the end nobody and nothing is left.
//!
//! Fleets of real processes in real clones do tasks by commands that fail, hang, fork and ignore signals, and are killed
//! at random. The laws are held against what has really run, which the commands write down themselves (`work.sh`).
//! `SQUAD_SEED` repeats the choices of a run, not its timing.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    reason = "these tests start processes, write files, panic where they fail, and say what they have seen"
)]

mod fleet;
mod hosts;
#[expect(dead_code, unused_imports, reason = "the harness is shared with the tests of the verbs, which use all of it")]
#[path = "../it/kit/mod.rs"]
mod kit;
mod laws;
mod ledger;
mod twice;
