//! `doctor`: looks at everything that squad leans on, and says what is wrong and what to do about it.
//!
//! Owns which probes there are and their order. Each really tries what it tells of. Nothing is mended here, and no fix
//! destroys anything.

use std::rc::Rc;

use serde::Serialize;

use super::failure::Failure;
use super::session::{Options, Session};
use crate::board::Git;
use crate::board::probe::{git_version, version_numbers};
use crate::clock::Clock;
use crate::model::vocabulary::words;

mod around;
mod drivers;
mod here;
mod there;
mod tried;

words! {
    /// What came of a probe.
    State, "state" {
        /// As it should be.
        Ok = "ok",
        /// Not as it should be.
        Failed = "failed",
        /// Not looked at, for a reason.
        Skipped = "skipped",
        /// It could not be found out.
        Unavailable = "unavailable",
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// What.
    pub name: &'static str,
    /// What came of it.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// Whether it wants attention though it did not fail.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Probe {
    fn new(name: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self { name, state, detail: detail.into(), warning: false, fix: None }
    }

    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, State::Ok, detail)
    }

    /// As it should be, but worth a look.
    fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { warning: true, ..Self::ok(name, detail) }
    }

    fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, State::Failed, detail)
    }

    fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, State::Skipped, why)
    }

    fn unavailable(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, State::Unavailable, why)
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// What a failure says, as a probe that has failed.
    fn of(name: &'static str, failure: &Failure) -> Self {
        let detail = match &failure.why {
            Some(why) => format!("{}: {why}", failure.message),
            None => failure.message.clone(),
        };
        Self { fix: failure.hint.clone(), ..Self::failed(name, detail) }
    }
}

/// Looks at everything, in the order in which one thing stands on another.
pub fn examine(options: Options, clock: Rc<dyn Clock>) -> Vec<Probe> {
    let mut probes = vec![git()];
    let session = match Session::open(options, clock) {
        Ok(session) => session,
        Err(failure) => {
            let probe = Probe::of("repository", &failure);
            probes.push(match here::way_out_of_a_sandbox(&probe.detail) {
                Some(fix) => probe.fix(fix),
                None => probe,
            });
            return probes;
        }
    };
    probes.push(here::repository(&session));
    probes.push(around::clone(&session));
    probes.push(around::git_locks(&session));
    probes.push(here::state(&session));
    probes.push(around::disk(&session));
    probes.push(here::storage(&session));
    probes.push(here::store(&session));
    probes.push(here::index(&session));
    probes.push(here::queue(&session));
    let asked = there::ask(&session);
    probes.push(there::remote(&session, &asked));
    probes.push(there::board(&session, &asked));
    probes.push(there::stale(&session));
    probes.push(around::attributes(&session));
    probes.push(there::identity(&session));
    probes.push(there::signing(&session));
    probes.push(there::access(&session, &asked));
    probes.push(there::outboxes(&session, &asked));
    probes.push(there::clock(&session));
    probes.push(here::push(&session));
    probes.push(around::exclude(&session));
    probes.push(here::worktree(&session));
    probes.push(here::unpushed(&session));
    probes.push(here::hook(&session));
    probes.push(tried::hook(&session));
    probes.push(drivers::merge_driver(&session));
    probes.push(drivers::textconv(&session));
    probes.push(around::program(&session));
    probes
}

/// Looks for work of the user's in this clone that nobody else can see.
pub(super) fn hygiene(session: &Session) -> (State, String) {
    let probes = [here::worktree(session), here::unpushed(session)];
    let worst = probes.iter().find(|probe| probe.state == State::Unavailable);
    let wanting: Vec<String> = probes.iter().filter(|probe| probe.warning).map(|probe| probe.detail.clone()).collect();
    match worst {
        Some(probe) => (State::Unavailable, probe.detail.clone()),
        None if wanting.is_empty() => (State::Ok, "nothing of the board waits here alone".to_owned()),
        None => (State::Failed, wanting.join("; ")),
    }
}

/// The oldest git that squad works with.
const OLDEST_GIT: (u32, u32) = (2, 41);

fn git() -> Probe {
    let found = match git_version(&Git::new()) {
        Ok(found) => found,
        Err(error) => return Probe::of("git", &error.into()),
    };
    let fix = format!("install git {}.{} or newer and put it on PATH", OLDEST_GIT.0, OLDEST_GIT.1);
    match version_numbers(&found) {
        None => Probe::failed("git", format!("git answers what nobody can read: {found}")).fix(fix),
        Some(version) if version < OLDEST_GIT => Probe::failed("git", format!("{found} is too old")).fix(fix),
        Some(_) => Probe::ok("git", found),
    }
}
