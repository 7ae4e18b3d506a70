//! The loop of a dispatcher: it begins what may begin, has an eye on what runs, and closes what has ended.
//!
//! One thread does it all. What takes long (a command, its output, its end) is with the runner's own.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::super::failure::Failure;
use super::super::presence::sweep;
use super::super::recover::recover;
use super::super::session::{Freshness, View};
use super::super::wait::{Asked as Awaited, Ended as WaitEnded, wait_with};
use super::child::{Child, Hold};
use super::close::{AGAIN, TRIES, close, give_back};
use super::over::{self, Unwritten, is_of_the_remote};
use super::parked::{self, Before, Last, Left, Parked, Turn, turn};
use super::pick::Taken;
use super::signs::Signs;
use super::slots::Slot;
use super::{Dispatcher, Heard, Outcome, Ran, Until, end_what_is_left, room};
use crate::failpoint::{Step, reach};
use crate::model::id::{AgentName, TaskId};
use crate::model::presence::Held;
use crate::runner::Stop;

/// How often what runs is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

type Told<'t> = dyn FnMut(Heard<'_>) + 't;

/// What a dispatcher has in hand.
pub(super) struct Crew<'a> {
    by: &'a Dispatcher<'a>,
    agent: AgentName,
    signs: Signs<'a>,
    /// How long a look at the remote is good for.
    fetch_every: Duration,
    children: Vec<Child>,
    /// Runs that are over, and what came of them is to be written.
    over: Vec<Unwritten>,
    parked: VecDeque<Parked>,
    /// Tasks that are left alone until there is nothing else: others have them, or they were given back.
    lost: BTreeSet<TaskId>,
    last: Option<Last>,
    results: Vec<Ran>,
    /// What ends this dispatcher once what runs has ended.
    trouble: Option<Failure>,
    /// When nothing was found to begin, on the steady clock.
    nothing_at: Option<Duration>,
    /// Whether it was looked after what others have left.
    is_tidy: bool,
    /// Whether it was told that the remote is away.
    is_away: bool,
    /// Whether it was told that the machine runs as many as it may.
    is_full: bool,
}

/// What came of an attempt to begin something.
enum Begun {
    /// A command runs.
    Yes,
    /// There is nothing to begin.
    Nothing,
    /// As many run on this machine as may.
    Full,
}

impl<'a> Crew<'a> {
    pub fn new(by: &'a Dispatcher<'a>) -> Result<Self, Failure> {
        let view = by.home.view_of_member(Freshness::Due)?;
        let config = view.config()?;
        let agent = by.home.actor(config)?.name.clone();
        by.home.board.set_namespace(&config.refs.namespace);
        Ok(Self {
            by,
            signs: Signs::new(by.home, agent.clone(), config.timing.clone()),
            agent,
            fetch_every: Duration::from_secs(config.timing.fetch_seconds),
            children: Vec::new(),
            over: Vec::new(),
            parked: VecDeque::new(),
            lost: BTreeSet::new(),
            last: None,
            results: Vec::new(),
            trouble: None,
            nothing_at: None,
            is_tidy: false,
            is_away: false,
            is_full: false,
        })
    }

    /// Works until there is no more to do, or somebody asks it to end; returns what came of each run.
    pub fn work(mut self, told: &mut Told<'_>) -> Result<Vec<Ran>, Failure> {
        loop {
            let begun = if self.may_begin() { self.begin(told) } else { Ok(Begun::Nothing) };
            match begun {
                Ok(Begun::Yes) => continue,
                Ok(Begun::Nothing) if self.is_busy() => {}
                Ok(Begun::Nothing) => {
                    if self.by.asked.until != Until::Stopped || self.is_draining() || !self.wait()? {
                        break;
                    }
                    self.lost.clear();
                    self.is_tidy = false;
                    continue;
                }
                Ok(Begun::Full) if self.is_busy() => {}
                Ok(Begun::Full) => {
                    if !std::mem::replace(&mut self.is_full, true) {
                        told(Heard::Full);
                    }
                    if self.by.asked.until == Until::Once {
                        break;
                    }
                    self.by.ears.wait(AGAIN);
                    continue;
                }
                // Whoever runs on and on waits for a remote that is out of reach, and those whose commands run as well.
                Err(failure) if failure.retryable && self.outlasts_the_remote() => {
                    self.tell_away(&failure, told);
                    self.nothing_at = Some(self.by.home.clock.steady());
                    if !self.is_busy() {
                        self.by.ears.wait(AGAIN);
                        continue;
                    }
                }
                Err(failure) => self.give_up(failure),
            }
            self.follow(told);
        }
        self.give_back_parked(told);
        // Dead processes may have been about to begin what was done meanwhile.
        let _ = self.by.home.view(Freshness::Seen).and_then(|view| sweep(self.by.home, &view));
        self.trouble.map_or(Ok(self.results), Err)
    }

    fn outlasts_the_remote(&self) -> bool {
        self.by.asked.until == Until::Stopped || self.is_busy()
    }

    /// Tells whether something runs, or is to be written.
    fn is_busy(&self) -> bool {
        !self.children.is_empty() || !self.over.is_empty()
    }

    /// Tells whether nothing more is begun.
    fn is_draining(&self) -> bool {
        self.trouble.is_some() || self.by.ears.count() > 0
    }

    /// Tells whether something may begin now.
    fn may_begin(&self) -> bool {
        let once = self.by.asked.until == Until::Once && self.last.is_some();
        if once || self.is_draining() || self.children.len() >= self.by.asked.limit {
            return false;
        }
        // While others run, a look that has found nothing is good for a while.
        let now = self.by.home.clock.steady();
        let looked = self.nothing_at.is_some_and(|at| now.saturating_sub(at) < self.fetch_every);
        !self.is_busy() || !looked
    }

    /// Ends what dead runners have left running, takes back what they held, and finds what is to go on.
    fn tidy(&mut self) -> Result<(), Failure> {
        let session = self.by.session()?;
        // Also where the remote does not answer, and nothing can be taken back.
        end_what_is_left(&session)?;
        recover(&session)?;
        let view = session.view(Freshness::Seen)?;
        self.over.extend(over::left(&session, &view, &self.agent)?);
        self.parked.extend(parked::left(&session, &view, &self.agent)?);
        self.is_tidy = true;
        Ok(())
    }

    /// Begins the task whose turn it is.
    fn begin(&mut self, told: &mut Told<'_>) -> Result<Begun, Failure> {
        if !self.is_tidy {
            self.tidy()?;
            // What was done before comes first.
            if !self.over.is_empty() {
                return Ok(Begun::Nothing);
            }
        }
        let Some(slot) = self.by.slots.take()? else {
            self.nothing_at = Some(self.by.home.clock.steady());
            return Ok(Begun::Full);
        };
        let oldest = self.parked.front().map(|parked| &parked.left.hold.task);
        if turn(self.last.as_ref(), oldest) == Turn::New
            && let Some(taken) = self.pick()?
        {
            return self.start(taken, Before::default(), slot, told);
        }
        while let Some(parked) = self.parked.pop_front() {
            let view = match self.by.home.view(Freshness::Now).and_then(View::or_fault) {
                Ok(view) => view,
                Err(failure) => {
                    self.parked.push_front(parked);
                    return Err(failure);
                }
            };
            match view.task(&parked.left.hold.task) {
                Ok((task, document)) if parked.left.hold.is_of(&task) => {
                    let Parked { left, mine } = parked;
                    return self.start(Taken { task, document, mine }, left.before, slot, told);
                }
                _ => self.let_go(parked, Outcome::Lost, told),
            }
        }
        if let Some(taken) = self.pick()? {
            return self.start(taken, Before::default(), slot, told);
        }
        self.nothing_at = Some(self.by.home.clock.steady());
        Ok(Begun::Nothing)
    }

    fn pick(&mut self) -> Result<Option<Taken>, Failure> {
        let picked = self.by.pick(&mut self.lost, &mut self.signs);
        if !matches!(picked, Ok(Some(_))) {
            // What was announced is not begun.
            let _ = self.signs.show(&self.held());
        }
        picked
    }

    fn start(&mut self, taken: Taken, before: Before, slot: Slot, told: &mut Told<'_>) -> Result<Begun, Failure> {
        reach(Step::Taken);
        let mut held = self.held();
        held.push(Held { task: taken.task.id.clone(), epoch: taken.task.epoch });
        (self.is_away, self.is_full) = (false, false);
        self.signs.show(&held)?;
        reach(Step::Shown);
        self.last = Some(Last { task: taken.task.id.clone(), went_on: before.slices > 0 });
        let task = taken.task.clone();
        match Child::start(self.by, taken, before, slot) {
            Ok(child) => {
                told(Heard::Begun { task: &task, log: &child.log });
                self.children.push(child);
                Ok(Begun::Yes)
            }
            Err(failure) => {
                let _ = self.signs.show(&self.held());
                Err(failure)
            }
        }
    }

    /// Returns every claim that is in hand.
    fn held(&self) -> Vec<Held> {
        let running = self.children.iter().map(|child| &child.hold);
        let over = self.over.iter().map(|run| &run.over.hold);
        let parked = self.parked.iter().map(|parked| &parked.left.hold);
        running.chain(over).chain(parked).map(Hold::held).collect()
    }

    /// Looks after what runs, for a moment: what has ended is closed, what was lost is stopped, signs of life are given.
    fn follow(&mut self, told: &mut Told<'_>) {
        if self.by.ears.wait(LOOK_EVERY) > 1 {
            self.children.iter_mut().for_each(|child| child.stop(Stop::Asked));
        }
        let now = self.by.home.clock.steady();
        let mut at = 0;
        while at < self.children.len() {
            match self.children[at].look(now) {
                None => at += 1,
                Some(ended) => {
                    reach(Step::Ended);
                    let child = self.children.swap_remove(at);
                    self.nothing_at = None;
                    self.over.push(child.over(self.by, ended));
                }
            }
        }
        self.write(told);
        if self.signs.tend(&self.held()) {
            let home = self.by.home;
            self.children.iter_mut().filter(|child| child.hold.is_lost(home)).for_each(|c| c.stop(Stop::LeaseLost));
        }
    }

    /// Writes what is over and due. What the remote does not take is noted, and tried again: for as long as this process
    /// is there anyway, else for a minute; the next process of the agent has it then.
    fn write(&mut self, told: &mut Told<'_>) {
        let now = self.by.home.clock.steady();
        let (due, later) = std::mem::take(&mut self.over).into_iter().partition(|run| run.due <= now);
        self.over = later;
        let due: Vec<Unwritten> = due;
        for mut run in due {
            match close(self.by, &run.over) {
                Ok(written) => {
                    let (ran, parked) = written.finish(self.by, run);
                    self.is_away = false;
                    self.parked.extend(parked);
                    self.heed(ran, told);
                }
                Err(failure) if is_of_the_remote(&failure) => {
                    self.tell_away(&failure, told);
                    if run.tries == 0
                        && let Err(failure) = run.over.note(self.by.home)
                    {
                        self.give_up(failure);
                    }
                    run.tries += 1;
                    run.due = self.by.home.clock.steady() + AGAIN;
                    let waits = self.by.asked.until == Until::Stopped && !self.is_draining();
                    if waits || run.tries < TRIES && self.by.ears.count() < 2 {
                        self.over.push(run);
                    } else {
                        self.give_up(failure);
                    }
                }
                Err(failure) => self.give_up(failure),
            }
            // What is in the way of a sign of life is no reason to end anything.
            let _ = self.signs.show(&self.held());
        }
    }

    /// Says once that the remote is away.
    fn tell_away(&mut self, failure: &Failure, told: &mut Told<'_>) {
        if !std::mem::replace(&mut self.is_away, true) {
            told(Heard::Unreachable(failure));
        }
    }

    /// Ends this dispatcher with a failure once what runs has ended; the first one counts.
    fn give_up(&mut self, failure: Failure) {
        self.trouble.get_or_insert(failure);
    }

    fn heed(&mut self, ran: Ran, told: &mut Told<'_>) {
        if matches!(ran.outcome, Outcome::Lost | Outcome::Released) {
            self.lost.insert(ran.task.clone());
        }
        told(Heard::Over(&ran));
        self.results.push(ran);
    }

    /// Waits for a task; tells whether there is one.
    fn wait(&self) -> Result<bool, Failure> {
        let session = self.by.session()?;
        let waited = wait_with(&session, &Awaited::default(), &self.by.ears)?;
        Ok(waited.ended == WaitEnded::Found)
    }

    /// Gives back what would have gone on, where somebody has asked this process to end: nobody knows when the next one
    /// begins. Without that, the next one goes on.
    fn give_back_parked(&mut self, told: &mut Told<'_>) {
        if !self.is_draining() {
            return;
        }
        while let Some(parked) = self.parked.pop_front() {
            match give_back(self.by, &parked.left.hold, "the runner was stopped between two slices") {
                Ok(true) => self.let_go(parked, Outcome::Released, told),
                Ok(false) => self.let_go(parked, Outcome::Lost, told),
                Err(failure) => self.give_up(failure),
            }
        }
        let _ = self.signs.show(&[]);
    }

    /// Forgets a task that does not go on; its worktree stays where it holds work.
    fn let_go(&mut self, parked: Parked, outcome: Outcome, told: &mut Told<'_>) {
        let (home, Left { hold, before, attempt, log }) = (self.by.home, parked.left);
        let worktree = room::worktree(home, &hold.task, hold.epoch);
        let kept = !home.board.remove_worktree(&worktree).unwrap_or(false);
        Parked::forget(home, &hold);
        let ran = Ran {
            task: hold.task,
            outcome,
            exit_code: None,
            signal: None,
            duration_ms: before.spent_ms,
            attempt,
            log,
            leaked: 0,
            error: None,
            cause: None,
            worktree: kept.then_some(worktree),
        };
        self.heed(ran, told);
    }
}
