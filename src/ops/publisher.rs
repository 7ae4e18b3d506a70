//! The publish loop's hands: the real board, remote, clock and disk behind [`Shared`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::publish::{
    Announced, Answer, Draft, Entry, Exposure, MAX_AGE, Moved, Pushed, Sealed, Shared, Standing, Trouble, Wanted, lead,
};
use super::queue::{Known, Queue, Queued};
use super::session::Session;
use super::turn::Turn;
use crate::board::clone::{clone_name, is_name};
use crate::board::line::{Line, LineFault};
use crate::board::past::{Past, Reach};
use crate::board::render::{FileChange, RenderFault};
use crate::board::store::{AccessFault, write_whole};
use crate::board::{FetchFault, Follow, Oid, PushOutcome, RejectedBy, Slow, Watcher, end_orphans};
use crate::failpoint::{Step, reach};
use crate::model::board::{Board, Changeset};
use crate::model::id::OpId;
use crate::model::operation::{Action, Operation, Verb};
use crate::runner::process::Process;

/// How long a remote that has refused an outbox is not offered another.
const REFUSAL_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The real board behind the publish loop. Whoever makes one has the turn.
pub struct Publisher<'a> {
    session: &'a Session,
    queue: Queue,
    /// Whether the board is being made.
    founding: bool,
    /// Whether it carries no operation but its own.
    alone: bool,
    begun: Instant,
    name: String,
    /// The operation that this process has come with, which need not be in the queue.
    own: Option<Queued>,
    /// The queue by operation, as it was read last.
    queued: HashMap<OpId, Queued>,
    /// What has been answered: it leaves what is written down as known to others at the end.
    answered: Vec<OpId>,
    past: Option<Past>,
    /// Whether older history was fetched to find what an operation was made on, which is done once.
    deepened: bool,
    /// Whether history was fetched to find what an operation goes back to, which is done once: what it was made on may
    /// have had to be found first.
    reached_back: bool,
    others: Vec<(Oid, Announced)>,
    settled: SettledOutboxes,
    /// Whether the remote takes outboxes, as far as this clone knows. One whose push of a board has never been accepted
    /// announces nothing all the same: where the remote lets nobody push, nothing shall be known to others that its
    /// owner was told did not happen.
    takes_outboxes: bool,
    files: BTreeMap<OpId, Vec<FileChange>>,
    /// Why the checkout has not followed what landed.
    left: Option<String>,
}

/// What came of publishing.
pub struct Led {
    /// The answers, in their order.
    pub answers: Vec<(OpId, Answer)>,
    /// The files that the operations have written, where this process has carried them out.
    pub files: BTreeMap<OpId, Vec<FileChange>>,
}

/// Publishes an operation and, with the lock, whatever else is in the queue.
///
/// # Errors
/// [`Trouble`] when it is not known what became of it.
pub fn publish(session: &Session, turn: &Turn, operation: &Operation) -> Result<Led, Trouble> {
    let founding = operation.verb() == Verb::Init;
    let mut publisher = Publisher::new(session, founding, founding || turn.is_shared())?;
    let queue = &publisher.queue;
    let known = queue.entries().into_iter().find(|entry| entry.operation.id == operation.id);
    let entry = known.unwrap_or_else(|| Queued {
        order: queue.next_order(),
        operation: operation.clone(),
        owner: Process::own(),
        known: Known::Nobody,
    });
    // Whoever was passed over may yet announce it.
    let known = if turn.may_be_carried() { Known::Announced } else { entry.known };
    publisher.own = Some(Queued { owner: Process::own(), known, ..entry });
    publisher.lead(Wanted::One(operation.id))
}

/// Publishes everything in the queue.
///
/// # Errors
/// [`Trouble`] when the remote cannot be asked.
pub fn publish_all(session: &Session) -> Result<Led, Trouble> {
    Publisher::new(session, false, false)?.lead(Wanted::All)
}

impl<'a> Publisher<'a> {
    fn new(session: &'a Session, founding: bool, alone: bool) -> Result<Self, Trouble> {
        let folder = session.board.state_dir();
        let name = clone_name(&folder).map_err(state("name this clone in", &folder))?;
        let settled = SettledOutboxes::load(folder.join("outboxes"));
        let mut publisher = Self {
            session,
            queue: session.queue(),
            founding,
            alone,
            begun: Instant::now(),
            name,
            own: None,
            queued: HashMap::new(),
            answered: Vec::new(),
            past: None,
            deepened: false,
            reached_back: false,
            others: Vec::new(),
            settled,
            takes_outboxes: false,
            files: BTreeMap::new(),
            left: None,
        };
        if !alone {
            publisher.end_what_a_dead_leader_left();
        }
        publisher.takes_outboxes = !founding && session.board.remote_name().is_some() && !publisher.was_refused();
        Ok(publisher)
    }

    fn lead(mut self, wanted: Wanted) -> Result<Led, Trouble> {
        let limit = self.session.limits.publish;
        let result = lead(&mut self, wanted, limit);
        reach(Step::Answered);
        let own = self.own.as_ref().map(|own| own.operation.id);
        // Its own leaves the queue when it has been told.
        self.answered.retain(|id| Some(*id) != own);
        self.queue.strike_out(&self.answered);
        reach(Step::Struck);
        self.note_settled();
        let mut answers = result?;
        if answers.iter().any(|(_, answer)| matches!(answer, Answer::Settled { refused: None, .. })) {
            // Carried out by somebody else, to whom this clone's announcements are as good as its pushes. The checkout
            // follows what was fetched.
            self.note_landed();
            if let Ok(Some(head)) = self.session.board.head() {
                self.follow(head);
            }
        }
        if let Some(why) = &self.left {
            for (_, answer) in &mut answers {
                if let Answer::Published { warnings, .. } = answer {
                    warnings.push(checkout_left(why));
                }
            }
        }
        Ok(Led { answers, files: self.files })
    }

    /// Remembers the outboxes in which nothing is left to decide.
    fn note_settled(&mut self) {
        let Some(past) = &self.past else { return };
        for (commit, announced) in &self.others {
            if announced.operations.iter().all(|operation| past.decided(operation.id).is_some()) {
                self.settled.add(*commit);
            }
        }
        if let Ok(there) = self.session.board.outboxes() {
            self.settled.keep(&there.into_iter().map(|(_, commit)| commit).collect::<Vec<_>>());
        }
    }

    fn state_file(&self, name: &str) -> PathBuf {
        self.session.board.state_dir().join(name)
    }

    /// A git that outlives its squad would be in the way of the next one at git's own locks. Its push harms nothing.
    fn end_what_a_dead_leader_left(&self) {
        let file = self.state_file("push.json");
        let Ok(bytes) = fs::read(&file) else { return };
        if let Ok(process) = serde_json::from_slice::<Process>(&bytes)
            && process.is_alive()
        {
            end_orphans(process.pid);
        }
        let _ = fs::remove_file(file);
    }

    /// Tells whether the remote has refused an outbox not long ago.
    fn was_refused(&self) -> bool {
        let refused = fs::metadata(self.state_file("outbox-refused")).and_then(|m| m.modified());
        refused.is_ok_and(|at| at.elapsed().is_ok_and(|ago| ago < REFUSAL_LIFE))
    }

    /// Notes that what this clone has wanted has come onto the board before.
    fn note_landed(&self) {
        let file = self.state_file("landed");
        if !file.exists() {
            let _ = write_whole(&file, b"");
        }
    }

    fn follow(&mut self, head: Oid) {
        let Ok(snapshot) = self.session.snapshot(Some(head)) else { return };
        self.left = match self.session.board.follow(head, &snapshot.locks_path()) {
            Ok(Follow::NotCheckedOut | Follow::Followed) => None,
            Ok(Follow::Left { why }) => Some(why),
            Err(fault) => Some(fault.to_string()),
        };
    }

    fn read_announcements(&mut self) -> Result<(), AccessFault> {
        let board = &self.session.board;
        self.others.clear();
        for (clone, commit) in board.outboxes()? {
            if clone == self.name || !is_name(&clone) || self.settled.holds(commit) {
                continue;
            }
            match board.read_outbox(commit)? {
                Ok(outbox) => self.others.push((commit, Announced { clone, operations: outbox.operations })),
                // Of no use to anybody until it is replaced; `doctor` names it.
                Err(_) => self.settled.add(commit),
            }
        }
        Ok(())
    }

    /// An operation that goes back to an earlier version can be decided where the history from there is. Where it cannot
    /// be fetched, the operation is left to others.
    fn bring_what_it_goes_back_to(&mut self, head: Oid, operation: &Operation) -> Result<(), AccessFault> {
        let Action::BackupRestore { commit, .. } = &operation.action else { return Ok(()) };
        let Ok(commit) = commit.parse::<Oid>() else { return Ok(()) };
        let board = &self.session.board;
        if !self.reached_back && self.is_worth_a_fetch(operation) && !board.reach_back(commit, head, None)? {
            self.reached_back = true;
            board.reach_back(commit, head, Some(self.session.limits.network))?;
        }
        Ok(())
    }

    /// Tells how an operation stands that was made on an earlier head than this one.
    fn standing_since(&mut self, basis: Oid, head: Oid, operation: &Operation) -> Result<Standing, Trouble> {
        let store = self.session.board.objects();
        let mut past = self.past.take().filter(|past| past.head == head).unwrap_or_else(|| Past::of(head));
        let mut reach = past.reach(store, basis, MAX_AGE).map_err(|e| trouble(e.into()))?;
        if reach == Reach::Elsewhere && !self.deepened && self.is_worth_a_fetch(operation) {
            self.deepened = true;
            if self.session.board.deepen(self.session.limits.network) {
                past = Past::of(head);
                reach = past.reach(store, basis, MAX_AGE).map_err(|e| trouble(e.into()))?;
            }
        }
        let standing = match (past.decided(operation.id), reach) {
            (Some(decided), _) => Standing::Decided(decided.clone()),
            (None, Reach::Known) => Standing::Open,
            (None, Reach::Elsewhere) => Standing::Elsewhere,
            (None, Reach::TooFar) => Standing::TooOld,
        };
        self.past = Some(past);
        Ok(standing)
    }

    /// Tells whether history is worth fetching for an operation: it is not so old that others have settled it long ago.
    fn is_worth_a_fetch(&self, operation: &Operation) -> bool {
        let mine = self.queued.contains_key(&operation.id);
        let age = self.session.now().since(operation.at);
        mine || age < REFUSAL_LIFE.as_millis().try_into().unwrap_or(u64::MAX)
    }
}

/// Says that the user's checkout is not where the board is.
fn checkout_left(why: &str) -> String {
    format!("published; your checkout was left as it is: {why}")
}

fn state(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Trouble {
    let path = path.to_owned();
    move |source| Trouble::Access(AccessFault::State { what, path, source })
}

fn trouble(fault: AccessFault) -> Trouble {
    match fault {
        AccessFault::Fetch(FetchFault::Local(error)) => Trouble::Access(error.into()),
        AccessFault::Fetch(fault) => Trouble::Unreachable(fault.to_string()),
        AccessFault::Rewound(rewound) => {
            Trouble::Rewound { old: rewound.old.to_string(), new: rewound.new.to_string() }
        }
        other => Trouble::Access(other),
    }
}

fn moved(outcome: PushOutcome) -> Moved {
    match outcome {
        PushOutcome::Landed => Moved::Landed,
        PushOutcome::Rejected { by, reason } => Moved::Rejected { reason, on_principle: by == RejectedBy::Remote },
        PushOutcome::Blocked { worktree, reason } => {
            Moved::InTheWay { worktree: worktree.display().to_string(), reason }
        }
        PushOutcome::Unknown { reason } => Moved::Unknown { reason },
    }
}

impl Shared for Publisher<'_> {
    type Head = Option<Oid>;
    type Draft = Changes;

    fn recent(&mut self) -> Option<Option<Oid>> {
        let head = self.session.fetched.take().filter(|_| !self.founding)?;
        reach(Step::Fetched);
        self.read_announcements().ok()?;
        Some(Some(head))
    }

    fn fetch(&mut self) -> Result<Option<Oid>, Trouble> {
        let board = &self.session.board;
        if self.founding {
            let branch = board.branch().unwrap_or_default();
            return board.look(&branch, self.session.limits.network).map_err(trouble);
        }
        let head = board.fetch_all(self.session.limits.network).map_err(trouble)?;
        reach(Step::Fetched);
        self.read_announcements().map_err(trouble)?;
        Ok(Some(head))
    }

    fn entries(&mut self) -> Result<Vec<Entry<Option<Oid>>>, Trouble> {
        let mut found = self.queue.entries();
        if self.alone {
            let own = self.own.as_ref().map(|own| own.operation.id);
            found.retain(|entry| Some(entry.operation.id) == own);
        }
        if let Some(own) = &self.own {
            match found.iter_mut().find(|entry| entry.operation.id == own.operation.id) {
                Some(entry) => *entry = Queued { order: entry.order, ..own.clone() },
                None => found.push(own.clone()),
            }
        }
        found.retain(|entry| !self.answered.contains(&entry.operation.id));
        self.queued = found.iter().map(|entry| (entry.operation.id, entry.clone())).collect();
        let entry = |queued: Queued| Entry {
            exposure: match queued.known {
                Known::Nobody => Exposure::None,
                Known::Sent(head) => Exposure::Sent(head.parse().ok()),
                Known::Announced => Exposure::Announced,
            },
            orphan: !queued.owner.is_alive(),
            operation: queued.operation,
        };
        Ok(found.into_iter().map(entry).collect())
    }

    fn announced(&mut self) -> Vec<Announced> {
        self.others.iter().map(|(_, announced)| announced.clone()).collect()
    }

    fn standing(&mut self, head: &Option<Oid>, operation: &Operation) -> Result<Standing, Trouble> {
        let Some(head) = *head else { return Ok(Standing::Open) };
        let basis = operation.basis.head.as_deref().and_then(|head| head.parse::<Oid>().ok());
        if operation.verb() == Verb::Init {
            return Ok(Standing::Open);
        }
        let Some(basis) = basis else { return Ok(Standing::Elsewhere) };
        let standing = if basis == head { Standing::Open } else { self.standing_since(basis, head, operation)? };
        if standing == Standing::Open {
            self.bring_what_it_goes_back_to(head, operation).map_err(trouble)?;
        }
        Ok(standing)
    }

    fn draft(&mut self, head: &Option<Oid>) -> Result<Changes, Trouble> {
        let snapshot = self.session.snapshot(*head).map_err(trouble)?;
        Ok(Changes {
            line: self.session.board.line(*head, snapshot).map_err(trouble)?,
            files: BTreeMap::new(),
            watcher: self.session.options.watcher.clone(),
        })
    }

    fn seal(&mut self, draft: Changes, refused: &[(OpId, String)]) -> Result<Sealed<Option<Oid>>, Trouble> {
        let made = draft.line.seal(&self.session.committer(), refused).map_err(trouble)?;
        reach(Step::Sealed);
        let wanted = self.own.as_ref().map(|own| own.operation.id);
        self.files.extend(draft.files.into_iter().filter(|(id, _)| Some(*id) == wanted));
        Ok(Sealed {
            head: Some(made.head),
            commits: made.commits.iter().map(|(id, commit)| (*id, commit.to_string())).collect(),
            last: made.head.to_string(),
        })
    }

    fn announces(&self, contended: bool) -> bool {
        self.takes_outboxes && (contended || self.state_file("landed").exists())
    }

    fn remember(&mut self, exposed: &[(OpId, Exposure<Option<Oid>>)]) -> Result<(), Trouble> {
        let mut out: Vec<Queued> = Vec::new();
        for (id, exposure) in exposed {
            let known = match exposure {
                Exposure::None => continue,
                Exposure::Sent(head) => Known::Sent(head.map(|head| head.to_string()).unwrap_or_default()),
                Exposure::Announced => Known::Announced,
            };
            out.extend(self.queued.get(id).map(|queued| Queued { known, ..queued.clone() }));
        }
        let alone = self.own.as_ref().map(|own| own.operation.id).filter(|_| self.alone);
        self.queue.write_out(&out, alone).map_err(state("write the queue in", &self.session.board.state_dir()))
    }

    fn push(&mut self, from: &Option<Oid>, to: &Option<Oid>, outbox: Option<&[Operation]>) -> Result<Pushed, Trouble> {
        let board = &self.session.board;
        let post = match outbox {
            Some(operations) => board.post(&self.name, operations, &self.session.committer()).map_err(trouble)?,
            None => None,
        };
        let file = self.state_file("push.json");
        let note = |pid| {
            let text = serde_json::to_vec(&Process::with_id(pid)).unwrap_or_default();
            let _ = write_whole(&file, &text);
        };
        let to = to.expect("what is pushed has a commit");
        reach(Step::Remembered);
        let outcome = board.push(*from, to, post.as_ref(), self.session.limits.network, &note);
        reach(Step::Pushed);
        let _ = fs::remove_file(&file);
        let (board, outbox) = outcome.map_err(trouble)?;
        Ok(Pushed { board: moved(board), outbox: outbox.map(moved) })
    }

    fn confirm(&mut self, head: &Option<Oid>) {
        let Some(head) = *head else { return };
        // A later head may have been recorded meanwhile; the fetch before the next push tells.
        let _ = self.session.board.confirm(head);
        self.note_landed();
        reach(Step::Confirmed);
        self.follow(head);
        reach(Step::Followed);
    }

    fn outbox_was_refused(&mut self, reason: &str) {
        self.takes_outboxes = false;
        let _ = write_whole(&self.state_file("outbox-refused"), reason.as_bytes());
    }

    fn answer(&mut self, id: OpId, answer: &Answer) {
        self.answered.push(id);
        let own = self.own.as_ref().is_some_and(|own| own.operation.id == id);
        let queued = self.queued.get(&id);
        // Whoever has come with it has the answer in hand, and nobody waits for what nobody wants.
        if own || *answer == Answer::Dropped || queued.is_none() {
            return;
        }
        let mut answer = answer.clone();
        if let (Answer::Published { warnings, .. }, Some(why)) = (&mut answer, &self.left) {
            warnings.push(checkout_left(why));
        }
        if let Some(queued) = queued
            && self.queue.answer(&queued.operation, &answer).is_err()
        {
            self.answered.retain(|known| *known != id);
        }
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn pause(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn chance(&mut self) -> f64 {
        // Without randomness the pauses are merely alike.
        let bits = getrandom::u64().unwrap_or(1 << 63);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A line of changes, with the files that each writes.
pub struct Changes {
    line: Line,
    files: BTreeMap<OpId, Vec<FileChange>>,
    /// Who is told where there are many to write.
    watcher: Watcher,
}

impl Draft for Changes {
    fn board(&mut self) -> &dyn Board {
        self.line.board()
    }

    fn add(&mut self, operation: &Operation, changes: Changeset) -> Result<(), Trouble> {
        let _watched = self.watcher.begin(Slow::Here("writing the tasks"));
        let files = self.line.add(operation, changes).map_err(|fault| match fault {
            LineFault::Render(RenderFault::Board(fault)) => Trouble::Board(fault),
            LineFault::Render(RenderFault::Invalid(violations)) => Trouble::Invalid(violations),
            LineFault::Access(fault) => trouble(fault),
        })?;
        self.files.insert(operation.id, files);
        Ok(())
    }
}

/// Outboxes in which nothing is left to decide, by their commits: they cost nothing until they are replaced.
struct SettledOutboxes {
    file: PathBuf,
    known: HashSet<String>,
    changed: bool,
}

impl SettledOutboxes {
    fn load(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap_or_default();
        Self { file, known: text.lines().map(str::to_owned).collect(), changed: false }
    }

    fn holds(&self, commit: Oid) -> bool {
        self.known.contains(&commit.to_string())
    }

    fn add(&mut self, commit: Oid) {
        self.changed |= self.known.insert(commit.to_string());
    }

    /// Writes down those that are still there. Losing it costs one more look.
    fn keep(&mut self, there: &[Oid]) {
        self.known.retain(|known| there.iter().any(|commit| commit.to_string() == *known));
        if self.changed {
            let lines: Vec<&str> = self.known.iter().map(String::as_str).collect();
            let _ = write_whole(&self.file, lines.join("\n").as_bytes());
        }
    }
}
