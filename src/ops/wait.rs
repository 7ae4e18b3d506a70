//! `wait`: until there is a task that this agent may take.
//!
//! Owns how soon a change is noticed, how often the remote is asked, and how those who wait share what comes. Which
//! task is the best is the model's to say.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::act::Done;
use super::claim::{is_lost, next_but};
use super::ears::Ears;
use super::failure::Failure;
use super::presence::{Beacon, Standing};
use super::queue::make_private;
use super::session::{Freshness, Session};
use super::wake::acknowledge;
use crate::board::Oid;
use crate::model::config::Timing;
use crate::model::id::TaskId;
use crate::model::operation::Action;
use crate::model::presence::Doing;
use crate::model::task::Task;
use crate::model::vocabulary::words;
use crate::runner::process::Process;

/// How often this clone's board is looked at: a change that another process has made is seen within two of these.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How soon the remote is asked again after something has changed; each time that nothing has, half as much longer, up
/// to `fetchSeconds`.
const POLL_MIN: Duration = Duration::from_secs(1);

/// Something may become free by the clock alone: a pause that ends.
const LOOK_ANEW: Duration = Duration::from_secs(5);

/// How long a task that was handed to somebody is handed to nobody else, unless it comes back to them.
const HANDED: Duration = Duration::from_secs(5);

/// Whoever starts a program often closes its standard input at once, and means nothing by it. After this long, its end
/// is the end of somebody.
const STDIN_SETTLES: Duration = Duration::from_millis(500);

words! {
    /// How a wait ended.
    Ended, "end of a wait" {
        /// With a task.
        Found = "found",
        /// With the time.
        TimedOut = "timed-out",
        /// Because somebody asked it to.
        Stopped = "stopped",
        /// Because a newer process of the same agent waits.
        Superseded = "superseded",
    }
}

/// What came of a wait.
#[derive(Debug)]
pub struct Waited {
    /// How it ended.
    pub ended: Ended,
    /// The task, with its file.
    pub task: Option<(Task, serde_json::Value)>,
    /// The claim, where it was to be claimed.
    pub done: Option<Done>,
}

/// What is waited for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Longest time; for ever where there is none.
    pub timeout: Option<Duration>,
    /// Whether to take the task in the same step.
    pub claim: bool,
    /// What the claimant means to do.
    pub plan: Option<String>,
}

/// Waits. A signal ends it, and so does the end of whoever holds the other end of standard input.
///
/// # Errors
/// [`Failure`] when there is no board, or nobody is named to act. A remote that is out of reach is waited for.
pub fn wait(session: &Session, asked: &Asked) -> Result<Waited, Failure> {
    wait_with(session, asked, &Ears::open()?)
}

/// The same, for whoever listens already.
///
/// # Errors
/// As [`wait`].
pub(super) fn wait_with(session: &Session, asked: &Asked, ears: &Ears) -> Result<Waited, Failure> {
    let view = session.view_of_member(Freshness::Due)?;
    let config = view.config()?;
    let (agent, timing) = (session.actor(config)?.name.clone(), config.timing.clone());
    let mut beacon = Beacon::new(session, &agent, &timing)?;
    let mut standing = beacon.give(Doing::Waiting, &[])?;
    let mut waiter = Waiter::new(session, asked, timing);
    let waited = loop {
        if standing == Standing::Superseded {
            break Waited { ended: Ended::Superseded, task: None, done: None };
        }
        if let Some(found) = waiter.look()? {
            break found;
        }
        if waiter.is_over() {
            break Waited { ended: Ended::TimedOut, task: None, done: None };
        }
        if waiter.turn_of_beat() {
            standing = beacon.give(Doing::Waiting, &[])?;
            if let Some(there) = beacon.tell_remote()? {
                standing = there;
            }
            acknowledge(session, &agent)?;
            continue;
        }
        if waiter.turn_to_watch_stdin() {
            ears.watch_stdin();
        }
        waiter.poll();
        if ears.wait(LOOK_EVERY) > 0 {
            break Waited { ended: Ended::Stopped, task: None, done: None };
        }
    };
    // Whoever was superseded says no goodbye: the agent is still there.
    if waited.ended == Ended::Superseded {
        drop(beacon);
    } else {
        beacon.leave();
    }
    Ok(waited)
}

struct Waiter<'a> {
    session: &'a Session,
    asked: &'a Asked,
    timing: Timing,
    begun: Duration,
    /// The head that was looked at last, and when.
    looked: Option<(Oid, Duration)>,
    /// Tasks that could not be had, with the head at which that was so.
    refused: BTreeMap<TaskId, Oid>,
    beaten: Option<Duration>,
    watches_stdin: bool,
    polled: Duration,
    interval: Duration,
}

impl<'a> Waiter<'a> {
    fn new(session: &'a Session, asked: &'a Asked, timing: Timing) -> Self {
        let begun = session.clock.steady();
        Self {
            session,
            asked,
            timing,
            begun,
            looked: None,
            refused: BTreeMap::new(),
            beaten: None,
            watches_stdin: false,
            polled: begun,
            interval: POLL_MIN,
        }
    }

    fn now(&self) -> Duration {
        self.session.clock.steady()
    }

    fn is_over(&self) -> bool {
        self.asked.timeout.is_some_and(|timeout| self.now().saturating_sub(self.begun) >= timeout)
    }

    /// Tells, once, when the end of standard input begins to mean something.
    fn turn_to_watch_stdin(&mut self) -> bool {
        let due = !self.watches_stdin && self.now().saturating_sub(self.begun) >= STDIN_SETTLES;
        self.watches_stdin |= due;
        due
    }

    /// Tells whether a beat is due, and begins the time until the next.
    fn turn_of_beat(&mut self) -> bool {
        let now = self.now();
        let every = Duration::from_secs(self.timing.beat_seconds);
        let late = self.beaten.map(|at| now.saturating_sub(at + every));
        let due = self.beaten.is_none_or(|at| now >= at + every);
        if due {
            // The next is due an interval after this one was, however late it came; after a longer halt it begins anew.
            self.beaten = Some(now.saturating_sub(late.filter(|late| *late < every).unwrap_or_default()));
        }
        due
    }

    /// Asks the remote, where that is due and no other process of this clone has just done so.
    fn poll(&mut self) {
        let now = self.now();
        if self.session.options.offline || now.saturating_sub(self.polled) < self.interval {
            return;
        }
        self.polled = now;
        let longest = Duration::from_secs(self.timing.fetch_seconds).max(POLL_MIN);
        let shared = self.session.board.fetched_ago().is_some_and(|ago| ago < self.interval);
        if !shared {
            let before = self.session.board.head().ok().flatten();
            // What is in the way is in the way of the next look as well; whoever waits goes on waiting.
            let _ = self.session.view(Freshness::WithSigns);
            if self.session.board.head().ok().flatten() != before {
                self.interval = POLL_MIN;
                return;
            }
        }
        self.interval = jittered((self.interval + self.interval / 2).min(longest), now);
    }

    /// Looks for a task, where the board is another than at the last look, or that is long ago.
    fn look(&mut self) -> Result<Option<Waited>, Failure> {
        let Some(head) = self.session.board.head()? else { return Ok(None) };
        let now = self.now();
        let same = self.looked.is_some_and(|(seen, at)| seen == head && now.saturating_sub(at) < LOOK_ANEW);
        if same {
            return Ok(None);
        }
        self.looked = Some((head, now));
        self.refused.retain(|_, at| *at == head);
        let mut reserved = None;
        let found = next_but(self.session, Freshness::Seen, |task| {
            if self.refused.contains_key(task) {
                return true;
            }
            reserved = Reservation::take(self.session, task);
            reserved.is_none()
        })?;
        let Some(id) = found.task.map(|card| card.id.clone()) else { return Ok(None) };
        if !self.asked.claim {
            let view = self.session.view(Freshness::Seen)?;
            let Some(reservation) = reserved else { return Ok(None) };
            reservation.leave();
            return Ok(Some(Waited { ended: Ended::Found, task: Some(view.task(&id)?), done: None }));
        }
        match self.session.act(Some(&id), &Action::Claim { plan: self.asked.plan.clone() }) {
            Ok(done) => {
                let task = done.tasks.first().cloned().zip(done.document.clone());
                Ok(Some(Waited { ended: Ended::Found, task, done: Some(done) }))
            }
            Err(failure) if is_lost(&failure) || failure.retryable => {
                self.refused.insert(id, head);
                self.looked = None;
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Spreads those that wait: from three quarters of a duration to all of it.
fn jittered(duration: Duration, now: Duration) -> Duration {
    let part = now.subsec_nanos() % 1000;
    duration * 3 / 4 + duration / 4 * part / 1000
}

/// A task that one process of this clone is about to take, so that the others look for another.
struct Reservation {
    file: Option<PathBuf>,
}

impl Reservation {
    /// Reserves a task; nothing where another process has it.
    fn take(session: &Session, task: &TaskId) -> Option<Self> {
        let folder = session.board.state_dir().join("taking");
        let file = folder.join(task.as_str());
        // Where nothing can be reserved, whoever is slower loses a race.
        let unreserved = Some(Self { file: None });
        if make_private(&folder).is_err() {
            return unreserved;
        }
        for _ in 0..2 {
            match OpenOptions::new().write(true).create_new(true).open(&file) {
                Ok(mut made) => {
                    let text = serde_json::to_vec(&Process::own()).unwrap_or_default();
                    let _ = made.write_all(&text);
                    return Some(Self { file: Some(file) });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    if is_standing(&file) {
                        return None;
                    }
                    let _ = fs::remove_file(&file);
                }
                Err(_) => return unreserved,
            }
        }
        None
    }

    /// Lets it stand for a moment after this process has ended: it is on its way to whoever asked.
    fn leave(mut self) {
        self.file = None;
    }
}

/// Tells whether a reservation holds: its process lives, or was there a moment ago.
fn is_standing(file: &std::path::Path) -> bool {
    let age = fs::metadata(file).and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
    let owner: Option<Process> = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    owner.is_some_and(|process| process.is_alive()) || age.is_some_and(|age| age < HANDED)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}
