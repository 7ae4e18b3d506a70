//! The harness: a temporary folder with a bare remote and real clones, and the binary run in them.
//!
//! Owns the environment (nothing of the machine's git configuration gets in), the shape of a run, and the ways a
//! test looks at the remote. Knows the binary from the outside only: it never calls into the crate.

mod board;
mod crash;
#[cfg(target_os = "linux")]
mod dice;
#[cfg(unix)]
mod http;
mod mount;
mod room;
mod run;
mod serve;

pub use board::{hand_task, hours_ago, minutes_ago, now_ms, seconds_from_now};
#[cfg(target_os = "linux")]
pub use crash::{
    Blow, CALLS, Whom, assert_sound, clear_locks, end_everything, fresh_mark, soundness, wait_for_orphans,
};
#[cfg(target_os = "linux")]
pub use dice::Dice;
#[cfg(unix)]
pub use http::{Fault, HttpServer, On};
#[cfg(target_os = "linux")]
pub use mount::{Image, Mount};
pub use room::{Checkout, Commit, Room};
pub use run::{Ran, Run, answer_schema, settled, words};
#[cfg(unix)]
pub use serve::{Server, find_program};

use std::sync::Barrier;

use serde_json::Value;

/// Runs `n` closures at once: all of them wait at a barrier first. Returns what they gave, in their order.
pub fn race<T: Send>(n: usize, go: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(n);
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..n)
            .map(|i| {
                let (barrier, go) = (&barrier, &go);
                scope.spawn(move || {
                    barrier.wait();
                    go(i)
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().expect("a racer panicked")).collect()
    })
}

/// Returns a program that not every machine has. Where it is missing the test says so and ends; in CI, which sets
/// `SQUAD_NO_SKIP`, it fails.
#[cfg(unix)]
pub fn need(program: &str) -> Option<std::path::PathBuf> {
    let found = find_program(program);
    if found.is_none() {
        let strict = std::env::var("SQUAD_NO_SKIP").is_ok_and(|value| !value.is_empty());
        assert!(!strict, "nothing may be skipped here, but there is no {program} on this machine");
        skip(&format!("there is no {program} on this machine"));
    }
    found
}

/// Says that a test proves nothing here. For what no program can be installed for, such as a mount without the right
/// to it; a program that is missing is for [`need`].
#[cfg(unix)]
pub fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Returns how many rounds a race is run for: `SQUAD_RACE_ROUNDS`, else 20.
pub fn race_rounds() -> usize {
    std::env::var("SQUAD_RACE_ROUNDS").map_or(20, |n| n.parse().expect("SQUAD_RACE_ROUNDS is a number"))
}

/// Returns how many clones race: `SQUAD_RACE_CLONES`, else 8.
pub fn race_clones() -> usize {
    std::env::var("SQUAD_RACE_CLONES").map_or(8, |n| n.parse().expect("SQUAD_RACE_CLONES is a number"))
}

/// Returns the names in a JSON list, whether its members are names or objects that hold one as `id`, `task` or `verb`.
#[track_caller]
pub fn ids(list: &Value) -> Vec<String> {
    let members = list.as_array().unwrap_or_else(|| panic!("not a list: {list}"));
    let id_of = |member: &Value| {
        let id = [member, &member["id"], &member["task"], &member["verb"]].into_iter().find_map(Value::as_str);
        id.unwrap_or_else(|| panic!("no id in {member}")).to_owned()
    };
    members.iter().map(id_of).collect()
}

/// Returns the strings of a JSON list.
#[track_caller]
pub fn strings(list: &Value) -> Vec<String> {
    let members = list.as_array().unwrap_or_else(|| panic!("not a list: {list}"));
    members.iter().map(|s| s.as_str().unwrap_or_else(|| panic!("not a string: {s}")).to_owned()).collect()
}

/// Returns the violations of a `check`, `review` or `audit` object, whichever way it ended.
#[track_caller]
pub fn violations(answer: &Value) -> Vec<Value> {
    let list = [&answer["violations"], &answer["error"]["violations"]].into_iter().find_map(Value::as_array);
    list.unwrap_or_else(|| panic!("no violations in {answer}")).clone()
}

/// Returns those violations for which a file is refused.
#[track_caller]
pub fn errors(answer: &Value) -> Vec<Value> {
    violations(answer).into_iter().filter(|violation| violation["severity"] != "warning").collect()
}
