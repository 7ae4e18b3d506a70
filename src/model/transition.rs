//! The state machine: which verb leads from where to where, and who may use it.
//!
//! The table [`EDGES`] is the machine. Every surface asks [`authorize`] and nobody else; what an edge needs is in
//! `requirement`, what it does in `apply`.

use super::config::Agent;
use super::operation::{Action, FieldChange, Operation, Verb};
use super::refusal::Refusal;
use super::task::Task;
use super::vocabulary::{Phase, Role, Status};

/// One row of the machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    /// Its name in the documentation.
    pub id: &'static str,
    /// What triggers it.
    pub verb: Verb,
    /// Where it starts.
    pub from: &'static [Phase],
    /// Where it leads.
    pub to: To,
    /// Who may use it.
    pub who: &'static [Who],
    /// What it needs, in the order in which it is looked for.
    pub needs: &'static [Need],
}

/// Where an edge leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// To a status.
    Status(Status),
    /// Nowhere else.
    Same,
    /// To the status that the task had before it was put away.
    Former,
    /// To the status that it had on the board which it comes from.
    Foreign,
}

/// Who may use an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody in the roster.
    Anyone,
    /// The holder.
    Claimant,
    /// Whose task it is.
    Assignee,
    /// An executor who takes tasks of its category, while it is nobody's.
    Candidate,
    /// Who made it.
    Creator,
    /// Whose subtask it is.
    SubtaskOwner,
    /// A manager of its domain.
    Manager,
    /// The chief.
    Chief,
    /// The owner.
    Owner,
    /// Anybody who did not do the work.
    Reviewer,
    /// A manager who did not do the work.
    ManagerReviewer,
    /// The chief, if they did not do the work.
    ChiefReviewer,
    /// The owner, if they did not do the work.
    OwnerReviewer,
    /// Anybody who neither did the work nor asked for the verdict.
    NotRequester,
    /// Anybody, where the board itself shows that it is time.
    System,
}

impl Who {
    /// Returns the word for messages.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Anyone => "anyone in the roster",
            Self::Claimant => "the holder",
            Self::Assignee => "the assignee",
            Self::Candidate => "an executor of its category while it is unassigned",
            Self::Creator => "whoever made it",
            Self::SubtaskOwner => "whose subtask it is",
            Self::Manager => "a manager of its domain",
            Self::Chief => "the chief",
            Self::Owner => "the owner",
            Self::Reviewer => "a reviewer who did not do the work",
            Self::ManagerReviewer => "a manager of its domain who did not do the work",
            Self::ChiefReviewer => "the chief, not having done the work",
            Self::OwnerReviewer => "the owner, not having done the work",
            Self::NotRequester => "anyone who neither did the work nor asked",
            Self::System => "anyone once it is due",
        }
    }

    /// Tells whether the actor is one of those, for this task.
    fn admits(self, task: &Task, actor: &Agent, action: &Action) -> bool {
        let name = &actor.name;
        let did_the_work = task.submitted_by.as_ref().or(task.assigned.as_ref()) == Some(name);
        match self {
            Self::Anyone | Self::System => true,
            Self::Claimant => task.holder() == Some(name),
            Self::Assignee => task.is_assigned_to(name),
            Self::Candidate => actor.role == Role::Executor && task.assigned.is_none() && actor.takes(task),
            Self::Creator => task.created_by.as_ref() == Some(name),
            Self::SubtaskOwner => match action {
                Action::SubtaskSet { subtask, .. } => {
                    task.subtasks.iter().any(|s| s.id == *subtask && s.owner() == Some(name))
                }
                _ => false,
            },
            Self::Manager => actor.role == Role::Manager && actor.manages(task),
            Self::Chief => actor.role == Role::Chief,
            Self::Owner => actor.role == Role::Owner,
            Self::Reviewer => !did_the_work,
            Self::ManagerReviewer => !did_the_work && Self::Manager.admits(task, actor, action),
            Self::ChiefReviewer => !did_the_work && actor.role == Role::Chief,
            Self::OwnerReviewer => !did_the_work && actor.role == Role::Owner,
            Self::NotRequester => !did_the_work && task.completion_request.as_ref().is_none_or(|r| r.by != *name),
        }
    }
}

/// What an edge needs beyond the right actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A plan, where the policy asks for one.
    Plan,
    /// A text or reason that is not blank.
    Text,
    /// The fields of the kind of block, within their bounds.
    BlockFields,
    /// At least one thing that is missing.
    MissingList,
    /// A deliverable, given or already there.
    Deliverable,
    /// A summary.
    Summary,
    /// Evidence newer than the last claim.
    Evidence,
    /// No open subtask, or a reason why that is fine.
    SubtasksDone,
    /// An open request for a verdict.
    Request,
    /// That no review is needed, or that it has been passed.
    ReviewPassed,
    /// Every dependency completed.
    DependenciesDone,
    /// That the instant before which nothing may happen has passed.
    RetryDue,
    /// Fewer claims than the limit.
    UnderLimit,
    /// That the assignee is in the roster.
    AssigneeKnown,
    /// Paths that no other task holds hard.
    LocksFree,
    /// For an actor who is here only because it is due: that it is due.
    DueForSystem,
}

use Phase as P;
use Status as S;
use To::{Foreign, Former, Same};
use Who as W;

const IN_PROGRESS: &[Phase] = &[P::Claimed, P::Working];
const OPEN: &[Phase] = &[
    P::Pending,
    P::Claimed,
    P::Working,
    P::Review,
    P::Ready,
    P::WaitingHuman,
    P::WaitingExternal,
    P::WaitingDependency,
    P::WaitingConflict,
    P::Failed,
];
const NOT_ARCHIVED: &[Phase] = &[
    P::Pending,
    P::Claimed,
    P::Working,
    P::Review,
    P::Ready,
    P::WaitingHuman,
    P::WaitingExternal,
    P::WaitingDependency,
    P::WaitingConflict,
    P::Failed,
    P::Completed,
];
const REQUESTABLE: &[Phase] =
    &[P::Pending, P::Ready, P::WaitingHuman, P::WaitingExternal, P::WaitingDependency, P::WaitingConflict, P::Failed];
/// Wherever somebody may ask for a verdict and no review gives one.
const REQUEST_DENIABLE: &[Phase] = &[
    P::Pending,
    P::Claimed,
    P::Working,
    P::Ready,
    P::WaitingHuman,
    P::WaitingExternal,
    P::WaitingDependency,
    P::WaitingConflict,
    P::Failed,
];
const CLAIM_NEEDS: &[Need] = &[Need::Plan, Need::DependenciesDone, Need::RetryDue, Need::UnderLimit, Need::LocksFree];
const HAND_IN: &[Need] = &[Need::Deliverable, Need::Summary, Need::Evidence, Need::SubtasksDone];
const BOSSES: &[Who] = &[W::Manager, W::Chief, W::Owner];
const CLAIMANTS: &[Who] = &[W::Assignee, W::Candidate, W::Manager, W::Chief, W::Owner];
const SHAPERS: &[Who] = &[W::Claimant, W::Assignee, W::Creator, W::Manager, W::Chief, W::Owner];

/// The machine. `new` (T01) has no task to start from and is decided by itself.
#[rustfmt::skip]
pub static EDGES: &[Edge] = &[
    Edge { id: "T02", verb: Verb::Claim, from: &[P::Pending], to: To::Status(S::InProgress), who: CLAIMANTS, needs: CLAIM_NEEDS },
    Edge { id: "T03", verb: Verb::Claim, from: &[P::Ready], to: To::Status(S::InProgress), who: CLAIMANTS, needs: CLAIM_NEEDS },
    Edge { id: "T04", verb: Verb::Start, from: &[P::Claimed], to: Same, who: &[W::Claimant], needs: &[] },
    Edge { id: "T05", verb: Verb::Progress, from: IN_PROGRESS, to: Same, who: &[W::Claimant], needs: &[Need::Text] },
    Edge { id: "T05", verb: Verb::Comment, from: NOT_ARCHIVED, to: Same, who: &[W::Anyone], needs: &[Need::Text] },
    Edge { id: "T05", verb: Verb::SubtaskAdd, from: IN_PROGRESS, to: Same, who: &[W::Claimant, W::Manager, W::Chief, W::Owner], needs: &[Need::Text, Need::AssigneeKnown] },
    Edge { id: "T05", verb: Verb::SubtaskSet, from: IN_PROGRESS, to: Same, who: &[W::Claimant, W::SubtaskOwner, W::Manager, W::Chief, W::Owner], needs: &[] },
    Edge { id: "T05", verb: Verb::SubtaskAssign, from: IN_PROGRESS, to: Same, who: &[W::Claimant, W::Manager, W::Chief, W::Owner], needs: &[Need::AssigneeKnown] },
    Edge { id: "T05", verb: Verb::FilesAdd, from: IN_PROGRESS, to: Same, who: &[W::Claimant], needs: &[Need::LocksFree] },
    Edge { id: "T05", verb: Verb::FilesRemove, from: IN_PROGRESS, to: Same, who: &[W::Claimant], needs: &[] },
    Edge { id: "T06", verb: Verb::Block, from: IN_PROGRESS, to: To::Status(S::Blocked), who: &[W::Claimant, W::Manager, W::Chief], needs: &[Need::Text, Need::BlockFields] },
    Edge { id: "T07", verb: Verb::Block, from: &[P::Review], to: To::Status(S::Blocked), who: &[W::Reviewer, W::Assignee, W::Manager, W::Chief], needs: &[Need::Text, Need::BlockFields] },
    Edge { id: "T08", verb: Verb::Unblock, from: &[P::WaitingHuman, P::WaitingConflict], to: To::Status(S::InProgress), who: &[W::Assignee, W::Manager, W::Chief, W::Owner], needs: &[Need::Text, Need::LocksFree] },
    Edge { id: "T08", verb: Verb::Unblock, from: &[P::WaitingDependency], to: To::Status(S::InProgress), who: &[W::Assignee, W::Manager, W::Chief, W::Owner, W::System], needs: &[Need::Text, Need::DueForSystem, Need::LocksFree] },
    Edge { id: "T09", verb: Verb::Submit, from: IN_PROGRESS, to: To::Status(S::Review), who: &[W::Claimant], needs: HAND_IN },
    Edge { id: "T10", verb: Verb::Reject, from: &[P::Review], to: To::Status(S::InProgress), who: &[W::Reviewer, W::Manager, W::Owner], needs: &[Need::MissingList, Need::LocksFree] },
    Edge { id: "T11", verb: Verb::Approve, from: &[P::Review], to: To::Status(S::Ready), who: &[W::ManagerReviewer, W::ChiefReviewer, W::OwnerReviewer], needs: &[] },
    Edge { id: "T12", verb: Verb::Complete, from: &[P::Ready], to: To::Status(S::Completed), who: &[W::Assignee, W::Manager, W::Owner], needs: HAND_IN },
    Edge { id: "T13", verb: Verb::Complete, from: IN_PROGRESS, to: To::Status(S::Completed), who: &[W::Claimant], needs: &[Need::ReviewPassed, Need::Deliverable, Need::Summary, Need::Evidence, Need::SubtasksDone] },
    Edge { id: "T14", verb: Verb::Complete, from: &[P::Review], to: To::Status(S::Completed), who: &[W::Reviewer], needs: &[Need::Deliverable, Need::Evidence] },
    Edge { id: "T14", verb: Verb::Verify, from: &[P::Review], to: To::Status(S::Completed), who: &[W::Reviewer], needs: &[Need::Deliverable, Need::Evidence] },
    Edge { id: "T15", verb: Verb::Archive, from: &[P::Completed], to: To::Status(S::Archived), who: BOSSES, needs: &[] },
    Edge { id: "T16", verb: Verb::Cancel, from: OPEN, to: To::Status(S::Archived), who: BOSSES, needs: &[Need::Text] },
    Edge { id: "T17", verb: Verb::Recover, from: &[P::Claimed], to: To::Status(S::Backlog), who: &[W::Manager, W::System], needs: &[Need::Text] },
    Edge { id: "T18", verb: Verb::Recover, from: &[P::Working], to: To::Status(S::Backlog), who: &[W::Manager, W::System], needs: &[Need::Text] },
    Edge { id: "T19", verb: Verb::Fail, from: IN_PROGRESS, to: To::Status(S::Backlog), who: &[W::Claimant], needs: &[Need::Text] },
    Edge { id: "T21", verb: Verb::Restart, from: &[P::Failed], to: To::Status(S::Backlog), who: BOSSES, needs: &[Need::Text] },
    Edge { id: "T22", verb: Verb::Retry, from: &[P::WaitingExternal], to: To::Status(S::InProgress), who: &[W::Assignee, W::Manager, W::System], needs: &[Need::DueForSystem, Need::LocksFree] },
    Edge { id: "T23", verb: Verb::Release, from: IN_PROGRESS, to: To::Status(S::Backlog), who: &[W::Claimant, W::Manager], needs: &[Need::Text] },
    Edge { id: "T24", verb: Verb::Assign, from: &[P::Pending], to: Same, who: BOSSES, needs: &[Need::AssigneeKnown] },
    Edge { id: "T24", verb: Verb::Edit, from: OPEN, to: Same, who: SHAPERS, needs: &[] },
    Edge { id: "T24", verb: Verb::DepAdd, from: OPEN, to: Same, who: SHAPERS, needs: &[] },
    Edge { id: "T24", verb: Verb::DepRemove, from: OPEN, to: Same, who: SHAPERS, needs: &[] },
    Edge { id: "T25", verb: Verb::Reopen, from: &[P::Completed], to: To::Status(S::Backlog), who: BOSSES, needs: &[Need::Text] },
    Edge { id: "T26", verb: Verb::Restore, from: &[P::Archived], to: Former, who: BOSSES, needs: &[Need::LocksFree] },
    Edge { id: "T27", verb: Verb::RequestComplete, from: OPEN, to: Same, who: &[W::Anyone], needs: &[] },
    Edge { id: "T28", verb: Verb::Override, from: NOT_ARCHIVED, to: Same, who: &[W::Owner], needs: &[Need::Text] },
    Edge { id: "T29", verb: Verb::Verify, from: REQUESTABLE, to: To::Status(S::Completed), who: &[W::NotRequester], needs: &[Need::Request, Need::Deliverable, Need::Evidence] },
    Edge { id: IMPORTED, verb: Verb::Import, from: &[P::Pending], to: Foreign, who: BOSSES, needs: &[] },
    Edge { id: ANSWERED, verb: Verb::Reject, from: REQUEST_DENIABLE, to: Same, who: &[W::NotRequester], needs: &[Need::MissingList] },
];

/// What is asked for outside a review is told to be missing: the request ends, and the task stays where it is.
pub const ANSWERED: &str = "T30";

/// A task of another board comes to stand where it stood there: in the operation that makes it, and never again.
pub const IMPORTED: &str = "T31";

/// The last failure allowed leads elsewhere than the others: T20 instead of T19.
pub const EXHAUSTED: &str = "T20";

/// Returns the edges from a phase, in the order of the table.
pub fn edges_from(phase: Phase) -> impl Iterator<Item = &'static Edge> {
    EDGES.iter().filter(move |edge| edge.from.contains(&phase))
}

/// Returns the verbs that a task in a phase can be moved by, each once.
pub fn legal_verbs(phase: Phase) -> Vec<Verb> {
    let mut verbs = Vec::new();
    for edge in edges_from(phase).filter(|edge| edge.id != IMPORTED) {
        if !verbs.contains(&edge.verb) {
            verbs.push(edge.verb);
        }
    }
    verbs
}

/// How an actor came to be allowed an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// The edge.
    pub edge: &'static Edge,
    /// Whether only because the board shows that it is due.
    pub only_as_system: bool,
}

/// What is known about an operation before its details are looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Authority {
    /// The edge exists and the actor may use it.
    Granted(Permit),
    /// The same has been done before, by the same actor.
    Repeat,
}

/// Tells whether the actor may take this edge of this task.
///
/// Looks for refusals in a fixed order, so that every surface gives the same one: holder and epoch, edge, role.
///
/// # Errors
/// The first [`Refusal`] in that order.
pub fn authorize(task: &Task, operation: &Operation, actor: &Agent) -> Result<Authority, Refusal> {
    let verb = operation.verb();
    if is_repeat(task, operation) {
        return Ok(Authority::Repeat);
    }
    let phase = task.phase();
    let is_open = |edge: &Edge| match edge.id {
        // Where nobody has asked for a verdict there is nothing to answer, and no edge.
        ANSWERED => task.completion_request.is_some(),
        IMPORTED => is_just_made(task, operation),
        _ => true,
    };
    let edge = edges_from(phase).find(|edge| edge.verb == verb && is_open(edge));
    check_holder(task, operation, actor, edge)?;
    check_epoch(task, operation)?;
    let Some(edge) = edge else {
        let legal = legal_verbs(phase).into_iter().filter(|legal| *legal != verb).collect();
        return Err(Refusal::IllegalTransition { task: task.id.clone(), from: phase, verb, legal });
    };
    let admitted: Vec<Who> = edge.who.iter().copied().filter(|w| w.admits(task, actor, &operation.action)).collect();
    let may = !admitted.is_empty() && may_change_these_fields(task, actor, &operation.action);
    if !may {
        return Err(Refusal::NotPermitted {
            verb,
            task: Some(task.id.clone()),
            actor: actor.name.clone(),
            role: actor.role,
            who: if admitted.is_empty() { edge.who.to_vec() } else { BOSSES.to_vec() },
        });
    }
    Ok(Authority::Granted(Permit { edge, only_as_system: admitted == [Who::System] }))
}

/// Tells whether this very operation made the task, and nothing has happened to it since.
fn is_just_made(task: &Task, operation: &Operation) -> bool {
    matches!(task.state_history.as_slice(), [made] if made.op == Some(operation.id))
}

/// Tells whether a verb's decision depends on who holds the task, so that the epoch it names must be current.
///
/// What anybody may add at any time (a comment, a label, a dependency, a request) is not fenced.
pub const fn is_fenced(verb: Verb) -> bool {
    !matches!(
        verb,
        Verb::Comment
            | Verb::Edit
            | Verb::DepAdd
            | Verb::DepRemove
            | Verb::RequestComplete
            | Verb::Override
            | Verb::Init
            | Verb::AgentsAdd
            | Verb::AgentsRemove
            | Verb::New
            | Verb::Import
            | Verb::Archive
    )
}

fn check_holder(task: &Task, operation: &Operation, actor: &Agent, edge: Option<&Edge>) -> Result<(), Refusal> {
    let Some(holder) = task.holder().filter(|holder| **holder != actor.name) else { return Ok(()) };
    let at = task.held_since().unwrap_or(task.updated_at);
    let verb = operation.verb();
    if verb == Verb::Claim {
        return Err(Refusal::LostRace { task: task.id.clone(), holder: holder.clone(), at });
    }
    let claimants_only = edge.is_some_and(|edge| {
        edge.who.contains(&Who::Claimant)
            && !edge.who.iter().any(|w| *w != Who::Claimant && w.admits(task, actor, &operation.action))
    });
    // Verbs of a holder whose edge starts elsewhere: a holder that was overtaken hears who has the task now.
    let was_claimants = edge.is_none() && verb == Verb::Start;
    if claimants_only && is_fenced(verb) || was_claimants {
        return Err(Refusal::NotHolder { task: task.id.clone(), verb, holder: holder.clone(), at });
    }
    Ok(())
}

fn check_epoch(task: &Task, operation: &Operation) -> Result<(), Refusal> {
    match operation.basis.epoch {
        Some(named) if named != task.epoch && is_fenced(operation.verb()) => Err(Refusal::StaleEpoch {
            task: task.id.clone(),
            named,
            current: task.epoch,
            holder: task.holder().cloned(),
            status: task.status,
        }),
        _ => Ok(()),
    }
}

/// Priority and category decide who gets which work, so only those who hand out work may set them.
fn may_change_these_fields(task: &Task, actor: &Agent, action: &Action) -> bool {
    let Action::Edit { changes } = action else { return true };
    let triage = changes.iter().any(|c| matches!(c, FieldChange::Priority { .. } | FieldChange::Category { .. }));
    !triage || BOSSES.iter().any(|w| w.admits(task, actor, action))
}

/// Tells whether the same actor has just done the same.
fn is_repeat(task: &Task, operation: &Operation) -> bool {
    let actor = &operation.actor;
    let last = |verb: Verb, status: Status| {
        task.status == status
            && task.state_history.last().is_some_and(|entry| {
                entry.state == status && entry.actor == *actor && entry.trigger.as_deref() == Some(verb.as_str())
            })
    };
    match &operation.action {
        Action::Claim { .. } => task.holder() == Some(actor),
        Action::Start {} => task.phase() == Phase::Working && task.holder() == Some(actor),
        Action::Block { reason, block } => {
            last(Verb::Block, Status::Blocked)
                && task.blocked_by.as_deref() == Some(reason.as_str())
                && task.block.as_ref().is_some_and(|b| b.kind() == block.kind())
        }
        Action::Release { .. } => last(Verb::Release, Status::Backlog),
        Action::Submit(_) => last(Verb::Submit, Status::Review),
        Action::Complete(_) => task.status == Status::Completed && last(Verb::Complete, Status::Completed),
        Action::Verify { .. } => last(Verb::Verify, Status::Completed),
        Action::Unblock { .. } => last(Verb::Unblock, Status::InProgress),
        Action::Retry {} => last(Verb::Retry, Status::InProgress),
        // Whoever asks again after a rejection is answered again.
        Action::Reject { .. } => task.completion_request.is_none() && last(Verb::Reject, task.status),
        // In review the gate is asked again: others may have spoken since, or the owner may have lifted it.
        Action::Approve {} => task.status == Status::Ready && task.approvals.iter().any(|a| a.by == *actor),
        Action::Restart { .. } => last(Verb::Restart, Status::Backlog),
        Action::Reopen { .. } => last(Verb::Reopen, Status::Backlog),
        Action::Cancel { .. } => last(Verb::Cancel, Status::Archived),
        Action::Archive { .. } => last(Verb::Archive, Status::Archived),
        Action::Assign { to } => task.status == Status::Backlog && task.is_assigned_to(to),
        Action::RequestComplete { .. } => {
            task.status.is_open() && task.completion_request.as_ref().is_some_and(|r| r.by == *actor)
        }
        _ => false,
    }
}
