//! Clocks that are years off, and jump: a library between squad and the system tells every process another time of day.
//! How long something takes is measured by a clock that nobody can set, and that one is left alone.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, errors, hand_task, need, now_ms, race, words};

const YEAR: i64 = 31_557_600;

/// Adds `OFF_BY` seconds to the time of day, wherever a program asks the C library for it.
const LIAR: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long off(void) { const char *by = getenv("OFF_BY"); return by ? atol(by) : 0; }
int clock_gettime(clockid_t id, struct timespec *at) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, at);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += off();
    return failed;
}
time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out) *out = at.tv_sec;
    return at.tv_sec;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    out->tv_sec = at.tv_sec;
    out->tv_usec = at.tv_nsec / 1000;
    return 0;
}
"#;

/// Makes the library; nothing where there is no compiler.
fn liar(room: &Room) -> Option<PathBuf> {
    let cc = need("cc")?;
    let (source, library) = (room.path().join("liar.c"), room.path().join("liar.so"));
    std::fs::write(&source, LIAR).expect("a file");
    let mut make = std::process::Command::new(cc);
    make.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(make.status().expect("cc runs").success());
    Some(library)
}

/// A clone on a machine whose clock is so many years off: at the first command, the second, and so on.
struct Elsewhere<'a> {
    clone: &'a Checkout,
    library: &'a str,
    years: std::iter::Cycle<std::iter::Copied<std::slice::Iter<'a, i64>>>,
}

impl<'a> Elsewhere<'a> {
    fn new(clone: &'a Checkout, library: &'a str, years: &'a [i64]) -> Self {
        Self { clone, library, years: years.iter().copied().cycle() }
    }

    fn run(&mut self, line: &str) -> crate::kit::Run {
        let off = (self.years.next().expect("it goes round") * YEAR).to_string();
        let mut args = words(line);
        args.push("--json".to_owned());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.clone.squad_with(&args, b"", &[("LD_PRELOAD", self.library), ("OFF_BY", &off)])
    }

    fn ok(&mut self, line: &str) -> Value {
        self.run(line).ok().json()
    }
}

/// Plays a claim that is worked on, goes silent and is taken back.
fn play(holders: &[i64], observers: &[i64]) {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    room.configure(|config| {
        config["timing"] = json!({"unstartedSeconds": 1, "leaseSeconds": 4, "graceSeconds": 0, "fetchSeconds": 0,
            "beatSeconds": 1, "remoteBeatSeconds": 1});
    });
    let Some(library) = liar(&room) else { return };
    let library = library.to_str().expect("a path");
    let (here, there) = (room.clone_as("scout"), room.clone_as("olga"));
    let mut holder = Elsewhere::new(&here, library, holders);
    let mut observer = Elsewhere::new(&there, library, observers);
    let at = format!("holder {holders:?}, observer {observers:?}");

    let given = holder.ok("beat --agent scout")["readyUntil"].as_i64().expect("an instant");
    let off = (given - now_ms()) / 1000 / YEAR;
    assert!((off - holders[0]).abs() <= 1, "the clock lies by {off} years and not by {}", holders[0]);
    holder.ok("claim t-1 --agent scout");
    holder.ok("start t-1 --agent scout");
    // For longer than the lease, and whatever the calendar says meanwhile.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        let beaten = Instant::now();
        holder.ok("beat --agent scout");
        let recovered = observer.ok("recover --agent olga")["recovered"].clone();
        // A machine that is so busy that a beat was late in truth proves nothing.
        if beaten.elapsed() < Duration::from_secs(3) {
            assert_eq!(recovered, json!([]), "{at}: nothing is taken from who lives");
        }
        let agents = observer.ok("agents");
        let scout = agents["agents"].as_array().expect("a list").iter().find(|a| a["name"] == "scout").cloned();
        assert_ne!(scout.expect("a member")["state"], "gone", "{at}");
    }
    // Silence counts from where it was seen to begin, and from nowhere else.
    let silent = Instant::now();
    let mut recovered = json!([]);
    while recovered == json!([]) {
        assert!(silent.elapsed() < Duration::from_secs(60), "{at}: never taken back");
        recovered = observer.ok("recover --agent olga")["recovered"].clone();
    }
    assert!(silent.elapsed() >= Duration::from_secs(3), "{at}: taken back after {:?}", silent.elapsed());
    assert_eq!((&recovered[0]["task"], &recovered[0]["trigger"]), (&json!("t-1"), &json!("orphaned")), "{at}");
    holder.run("progress t-1 --pct 5 --agent scout").fails(6, "stale-epoch");
    let audit = observer.ok("audit");
    assert_eq!(errors(&audit), Vec::<Value>::new(), "{at}: {audit}");
    let check = observer.ok("check");
    assert_eq!(errors(&check), Vec::<Value>::new(), "{at}: {check}");
}

#[test]
fn clocks_that_are_years_off_or_jump_decide_nothing() {
    let stories: [(&[i64], &[i64]); 4] =
        [(&[10], &[0]), (&[-10], &[10]), (&[0], &[0, 20, -20]), (&[10, -10], &[-5, 5])];
    race(stories.len(), |n| play(stories[n].0, stories[n].1));
}
