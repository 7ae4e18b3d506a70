//! Giving signs of life: a file here at each beat, and a value on the remote now and then.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::super::failure::Failure;
use super::super::session::{Freshness, Session};
use super::super::wake::acknowledge;
use super::here::{self, Beginning, Record};
use crate::board::presence::{Posted, Slot};
use crate::board::store::{AccessFault, write_whole};
use crate::model::config::Timing;
use crate::model::id::{AgentName, OpId};
use crate::model::presence::{Beat, Doing, Held, is_superseded};
use crate::runner::process::{Process, boot};

/// The file of beats that no process of squad stands for.
const BY_HAND: &str = "by-hand";

/// How long the remote may take to hear that an agent goes: whoever goes does not wait.
const GOODBYE: Duration = Duration::from_secs(5);

/// Whether a process may go on beating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Ours,
    /// A newer process of the same agent has taken its place.
    Superseded,
}

/// The signs of life that one process gives for an agent. Dropped, it takes the one on this host back.
pub struct Beacon<'a> {
    session: &'a Session,
    timing: Timing,
    beat: Beat,
    file: Option<PathBuf>,
    process: Option<Process>,
    /// When the remote was told last, on the steady clock.
    told: Option<Duration>,
    gone: bool,
}

impl<'a> Beacon<'a> {
    /// Begins to give signs of life for an agent, by this process.
    ///
    /// # Errors
    /// [`Failure`] when the machine has no randomness.
    pub fn new(session: &'a Session, agent: &AgentName, timing: &Timing) -> Result<Self, Failure> {
        let token = session.token()?;
        let file = here::file(session, agent, token.as_str());
        Ok(Self::with(session, agent, timing, token, file, Some(Process::own())))
    }

    /// Gives signs of life for an agent that is another process, and says so itself.
    ///
    /// # Errors
    /// [`Failure`] when the machine has no randomness.
    pub fn by_hand(session: &'a Session, agent: &AgentName, timing: &Timing) -> Result<Self, Failure> {
        let file = here::file(session, agent, BY_HAND);
        let former = file.as_ref().and_then(|file| fs::read(file).ok());
        let former: Option<Record> = former.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let token = match &former {
            Some(record) => record.beat.token,
            None => session.token()?,
        };
        let mut beacon = Self::with(session, agent, timing, token, file, None);
        beacon.beat.sequence = former.map_or(0, |record| record.beat.sequence);
        // It goes with a goodbye, or with time, and not with this process.
        beacon.gone = true;
        Ok(beacon)
    }

    fn with(
        session: &'a Session,
        agent: &AgentName,
        timing: &Timing,
        token: OpId,
        file: Option<PathBuf>,
        process: Option<Process>,
    ) -> Self {
        let at = session.now();
        let beat = Beat {
            agent: agent.clone(),
            token,
            doing: Doing::Waiting,
            sequence: 0,
            at,
            ready_until: at,
            tasks: Vec::new(),
        };
        Self { session, timing: timing.clone(), beat, file, process, told: None, gone: false }
    }

    /// Returns the last beat.
    pub fn beat(&self) -> &Beat {
        &self.beat
    }

    /// Gives a sign of life on this host.
    ///
    /// # Errors
    /// [`Failure`] when this clone's state cannot be written.
    pub fn give(&mut self, doing: Doing, tasks: &[Held]) -> Result<Standing, Failure> {
        self.beat.tasks = tasks.to_vec();
        self.write(doing, None)
    }

    /// Gives a sign of life of a process that is about to begin something, besides what it works on.
    ///
    /// # Errors
    /// As [`Beacon::give`].
    pub(in crate::ops) fn give_before(&mut self, beginning: Beginning) -> Result<(), Failure> {
        self.write(Doing::Working, Some(beginning)).map(drop)
    }

    fn write(&mut self, doing: Doing, beginning: Option<Beginning>) -> Result<Standing, Failure> {
        let at = self.session.now();
        self.beat.doing = doing;
        self.beat.sequence += 1;
        self.beat.at = at;
        self.beat.ready_until = at.plus_seconds(2 * self.timing.beat_seconds);
        let Some(file) = &self.file else { return Ok(Standing::Ours) };
        let steady = self.session.clock.steady();
        let record = Record {
            beat: self.beat.clone(),
            boot: boot(),
            steady_ms: u64::try_from(steady.as_millis()).unwrap_or(u64::MAX),
            process: self.process.clone(),
            beginning,
        };
        let written = here::write(file, &record);
        written.map_err(|source| AccessFault::State { what: "write the sign of life", path: file.clone(), source })?;
        let others = here::read(self.session, steady, |_| false);
        let living = others.iter().filter(|o| o.lives == Some(true) && o.beat.agent == self.beat.agent);
        let superseded = doing == Doing::Waiting && is_superseded(self.beat.token, living.map(|other| &other.beat));
        Ok(if superseded { Standing::Superseded } else { Standing::Ours })
    }

    /// Tells the remote, where that is due; `None` where it was not, or the remote did not take it.
    ///
    /// # Errors
    /// [`Failure`] when the private store cannot be written.
    pub fn tell_remote(&mut self) -> Result<Option<Standing>, Failure> {
        let now = self.session.clock.steady();
        let every = Duration::from_secs(self.timing.remote_beat_seconds);
        if self.session.options.offline || self.told.is_some_and(|told| now.saturating_sub(told) < every) {
            return Ok(None);
        }
        let told = self.put_up(self.session.limits.network)?;
        if told.is_some() {
            self.told = Some(now);
        }
        Ok(told)
    }

    /// As [`Beacon::tell_remote`], for one process after another, with a look at what the remote has for this agent.
    ///
    /// # Errors
    /// As [`Beacon::tell_remote`].
    pub fn tell_remote_by_note(&mut self) -> Result<(), Failure> {
        let Some(note) = self.file.as_ref().map(|file| file.with_extension("told")) else { return Ok(()) };
        let text = format!("{} {}", boot(), self.session.clock.steady().as_secs());
        let every = self.timing.remote_beat_seconds;
        if let Ok(former) = fs::read_to_string(&note)
            && let (Some((boot, then)), Some((same, now))) = (former.split_once(' '), text.split_once(' '))
            && boot == same
            && let (Ok(then), Ok(now)) = (then.parse::<u64>(), now.parse::<u64>())
            && now.saturating_sub(then) < every
        {
            return Ok(());
        }
        // What others have put there since is replaced knowingly, and a request for this agent comes with it. Where the
        // remote does not answer, so will the push not.
        let _ = self.session.view(Freshness::WithSigns);
        acknowledge(self.session, &self.beat.agent)?;
        if self.tell_remote()?.is_some() {
            // Losing the note costs one push.
            let _ = write_whole(&note, text.as_bytes());
        }
        Ok(())
    }

    fn put_up(&self, limit: Duration) -> Result<Option<Standing>, Failure> {
        let board = &self.session.board;
        let text = serde_json::to_string(&self.beat).expect("a beat is JSON");
        let by = self.session.committer();
        // Twice at most: another process of the agent may have beaten since.
        for _ in 0..2 {
            let over = board.value_for(Slot::Presence, &self.beat.agent)?;
            let former: Option<Beat> = over.as_ref().and_then(|(text, _)| serde_json::from_str(text).ok());
            if self.beat.doing == Doing::Waiting && is_superseded(self.beat.token, &former) {
                return Ok(Some(Standing::Superseded));
            }
            match board.put_up(Slot::Presence, &self.beat.agent, &text, over.map(|(_, oid)| oid), &by, limit)? {
                Posted::Up => return Ok(Some(Standing::Ours)),
                Posted::Another => {}
                Posted::Not(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Takes the signs of life back: here at once, and from the remote where it has heard of them.
    pub fn leave(mut self) {
        self.take_back();
        if self.told.is_some() && !self.session.options.offline {
            self.beat.doing = Doing::Left;
            self.beat.tasks.clear();
            self.beat.sequence += 1;
            let _ = self.put_up(GOODBYE);
        }
    }

    /// Takes back what an agent that is another process has given by hand.
    pub fn leave_by_hand(mut self) {
        let note = self.file.as_ref().map(|file| file.with_extension("told"));
        let told = note.as_ref().is_some_and(|note| note.exists());
        if let Some(note) = note {
            let _ = fs::remove_file(note);
        }
        self.told = told.then_some(Duration::ZERO);
        self.gone = false;
        self.leave();
    }

    fn take_back(&mut self) {
        if let Some(file) = self.file.take().filter(|_| !self.gone) {
            let _ = fs::remove_file(file);
        }
        self.gone = true;
    }
}

impl Drop for Beacon<'_> {
    fn drop(&mut self) {
        self.take_back();
    }
}
