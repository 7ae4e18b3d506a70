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
#![expect(clippy::print_stderr, reason = "a test that depends on chance, or is skipped, says so")]

mod kit;

mod action;
mod audit;
mod backup;
#[path = "../../benches/board/mod.rs"]
mod board;
mod board_verbs;
mod chaos;
mod clocks;
mod corpus;
mod crash;
mod demo;
mod disconnects;
mod disk;
mod doctor;
mod dry_run;
mod errors;
mod evidence;
mod fail_points;
mod fleet_guide;
mod harness;
mod heartbeat;
mod helping;
mod hooks;
mod hostile;
mod hostile_histories;
mod http;
mod import;
mod init;
mod life;
mod life_cycle;
mod locks;
mod memory;
mod merging;
mod notify;
mod offline;
mod places;
mod power;
mod provisional;
mod push_policy;
mod races;
mod readme;
mod refusals;
mod remotes;
mod retry;
mod review;
mod rewind;
#[cfg(target_os = "linux")]
mod run_deaths;
#[cfg(target_os = "linux")]
mod running;
mod safe_mode;
mod scan;
mod schedule;
mod secrecy;
mod selftest;
mod status;
mod taken_over;
mod terminal;
mod threats;
mod tidy;
mod transports;
mod truth;
#[cfg(target_os = "linux")]
mod turns;
mod unknown_fields;
#[cfg(target_os = "linux")]
mod unwritten;
