//! Every verb in every phase by every sort of actor, with everything given that the verb needs.
//!
//! One line per phase and verb. A cell is the edge that is taken, or the code of the refusal:
//! `0` unchanged, `-` illegal transition, `p` not permitted, `h` not the holder, `l` lost race, `m` missing field,
//! `d` dependency open, `u` unknown agent, `?` anything else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use squad::model::board::{Changeset, Decision};
use squad::model::code::ErrorCode;
use squad::model::id::Millis;
use squad::model::operation::{Action, FieldChange, RecoverTrigger, Verb};
use squad::model::task::Block;
use squad::model::transition::edges_from;
use squad::model::vocabulary::{Cause, Gate, Phase, Priority, SubtaskStatus};

use crate::sim::{Sim, id, name, whole};

/// Every relation that an actor can have to the task: a letter, the actor, and how the task is made different for it.
///
/// The task is one of development, made by pia and given to scout, who works on it; vault has its subtask.
const RELATIONS: &[(char, &str, &str)] = &[
    ('H', "scout", "the holder, or whose it is where nobody holds it; who submitted it"),
    ('A', "scout", "the assignee while vault holds it; where nobody holds it, as H"),
    ('C', "pia", "who made it; of another category"),
    ('S', "vault", "whose subtask it is"),
    ('e', "finn", "an executor of its category, unrelated"),
    ('E', "finn", "the same while the task is nobody's"),
    ('f', "fay", "an executor of another category, unrelated"),
    ('F', "fay", "the same while the task is nobody's"),
    ('m', "mira", "the manager of its domain"),
    ('n', "mark", "a manager of another domain"),
    ('c', "chip", "the chief"),
    ('o', "olga", "the owner"),
    ('r', "rita", "an executor who asked for the verdict"),
    ('R', "mira", "the manager of its domain, who asked for the verdict"),
    ('v', "mira", "the manager of its domain, where rita asked for a verdict"),
    ('V', "fay", "an unrelated executor, where rita asked for a verdict"),
    ('w', "scout", "the holder or assignee, where rita asked for a verdict"),
    ('W', "mira", "the manager of its domain, who did the work"),
    ('x', "nobody", "not in the roster"),
];

fn text(text: &str) -> String {
    text.to_owned()
}

/// Every verb on a task, with everything that it needs.
fn actions(part: &str, phase: Phase) -> Vec<Action> {
    let trigger = if phase == Phase::Claimed { RecoverTrigger::Unstarted } else { RecoverTrigger::Orphaned };
    let human =
        Block::Human { needs: vec![text("a key")], question: text("which?"), options: vec![text("a"), text("b")] };
    vec![
        Action::Edit { changes: vec![FieldChange::Tags { add: vec![text("new")], remove: vec![] }] },
        Action::Edit { changes: vec![FieldChange::Priority { from: Priority::Medium, to: Priority::High }] },
        Action::Assign { to: name("finn") },
        Action::Comment { text: text("c"), also: Vec::new() },
        Action::Progress { step: Some(text("s")), percent: Some(1) },
        Action::SubtaskAdd { title: text("another"), assigned: None },
        Action::SubtaskSet { subtask: text(part), status: SubtaskStatus::Active, comment: None },
        Action::SubtaskAssign { subtask: text(part), to: name("finn") },
        Action::FilesAdd { paths: vec![text("new")] },
        Action::FilesRemove { paths: vec![text("old")] },
        Action::DepAdd { on: id("free") },
        Action::DepRemove { on: id("done") },
        Action::Claim { plan: Some(text("p")) },
        Action::Start {},
        Action::Block { reason: text("r"), block: human },
        Action::Unblock { comment: text("c") },
        Action::Retry {},
        Action::Release { note: text("n"), unassign: false },
        Action::Submit(open_ok()),
        Action::Reject { missing: vec![text("m")] },
        Action::Approve {},
        Action::Complete(open_ok()),
        Action::Verify { comment: None, hand_in: open_ok() },
        Action::RequestComplete { note: None },
        Action::Override { gate: Gate::Review, reason: text("r") },
        Action::Fail { error: text("e"), cause: Cause::Unknown, process: None },
        Action::Restart { reason: text("r") },
        Action::Recover { trigger, seen: text("s") },
        Action::Archive { tasks: vec![id("t")] },
        Action::Restore { reason: Some(text("r")) },
        Action::Cancel { reason: text("r") },
        Action::Reopen { reason: text("r") },
    ]
}

/// A hand-in that says why the open subtask does not matter.
fn open_ok() -> squad::model::operation::HandIn {
    squad::model::operation::HandIn { open_ok: Some(text("not needed")), ..whole() }
}

/// How the task differs for a relation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Variant {
    Usual,
    /// Vault holds it, though it is scout's.
    HeldByAnother,
    Unassigned,
    /// The manager of its domain did the work.
    WorkOfTheManager,
    /// A verdict was asked for, by that member.
    Requested(&'static str),
}

fn variant(letter: char) -> Variant {
    match letter {
        'A' => Variant::HeldByAnother,
        'E' | 'F' => Variant::Unassigned,
        'W' => Variant::WorkOfTheManager,
        'r' | 'v' | 'V' | 'w' => Variant::Requested("rita"),
        'R' => Variant::Requested("mira"),
        _ => Variant::Usual,
    }
}

/// Returns a board on which the task `t` is in that phase.
fn board(phase: Phase, variant: Variant) -> Sim {
    let mut sim = Sim::new();
    for (who, domain) in [("finn", "dev"), ("fay", "marketing"), ("rita", "dev")] {
        let mut agent = squad::model::config::Agent::new(
            name(who),
            squad::model::vocabulary::Role::Executor,
            squad::model::vocabulary::AgentKind::Agent,
        );
        agent.domain = Some(domain.parse().expect("a domain"));
        sim.must("olga", None, Action::AgentsAdd { agent });
    }
    let worker = if variant == Variant::WorkOfTheManager { "mira" } else { "scout" };
    for other in ["free", "done", "open"] {
        sim.make("pia", other, |_| {});
    }
    sim.must("vault", Some("done"), Action::Claim { plan: None });
    sim.must("vault", Some("done"), Action::Complete(whole()));
    sim.make("pia", "t", |new| {
        new.assigned = Some(name(worker));
        new.files = vec![text("old")];
        new.depends_on = vec![id("done")];
        new.subtasks = vec![squad::model::operation::NewSubtask { title: text("part"), assigned: Some(name("vault")) }];
    });
    reach(&mut sim, phase, worker);
    // What no verb leads to is laid into the task: a hand-made board may hold it all the same.
    let mut task = sim.task("t");
    match variant {
        Variant::HeldByAnother => {
            if let Some(claim) = &mut task.claim {
                claim.agent = name("vault");
            }
        }
        Variant::Unassigned => task.assigned = None,
        Variant::Requested(who) => {
            let at = task.updated_at;
            task.completion_request =
                Some(squad::model::task::CompletionRequest { by: name(who), at, note: None }.into());
        }
        Variant::Usual | Variant::WorkOfTheManager => {}
    }
    sim.lay(&task);
    sim
}

fn reach(sim: &mut Sim, phase: Phase, worker: &str) {
    let t = Some("t");
    let claim = |sim: &mut Sim| sim.must(worker, t, Action::Claim { plan: Some(text("p")) });
    let block = |sim: &mut Sim, block| sim.must(worker, t, Action::Block { reason: text("r"), block });
    if !matches!(phase, Phase::Pending) {
        claim(sim);
    }
    match phase {
        Phase::Pending | Phase::Claimed => {}
        Phase::Working => drop(sim.must(worker, t, Action::Start {})),
        Phase::Review => drop(sim.must(worker, t, Action::Submit(open_ok()))),
        Phase::Ready => {
            sim.must(worker, t, Action::Submit(open_ok()));
            sim.must("chip", t, Action::Approve {});
        }
        Phase::WaitingHuman => {
            let options = vec![text("a"), text("b")];
            block(sim, Block::Human { needs: vec![text("a key")], question: text("which?"), options });
        }
        Phase::WaitingExternal => {
            let retry_at = Millis(sim.now + 3_600_000);
            block(sim, Block::External { retry_at, backoff_level: 0 });
        }
        Phase::WaitingDependency => drop(block(sim, Block::Dependency { on: vec![id("open")] })),
        Phase::WaitingConflict => drop(block(sim, Block::Conflict { paths: vec![text("old")], holder: id("open") })),
        Phase::Failed => {
            for _ in 0..2 {
                sim.must(worker, t, Action::Fail { error: text("e"), cause: Cause::Unknown, process: None });
                sim.now += 3_600_000;
                claim(sim);
            }
            sim.must(worker, t, Action::Fail { error: text("e"), cause: Cause::Unknown, process: None });
        }
        Phase::Completed => drop(sim.must(worker, t, Action::Complete(open_ok()))),
        Phase::Archived => drop(sim.must("mira", t, Action::Cancel { reason: text("r") })),
    }
    assert_eq!(sim.task("t").phase(), phase);
}

fn cell(phase: Phase, verb: Verb, decision: &Decision) -> String {
    let refusal = match decision {
        Decision::Applied(changes) => return taken(phase, verb, changes),
        Decision::Unchanged(_) => return text("0"),
        Decision::AlreadyDecided(_) => panic!("each operation is new"),
        Decision::Refused(refusal) => refusal,
    };
    text(match refusal.code() {
        ErrorCode::IllegalTransition => "-",
        ErrorCode::NotPermitted => "p",
        ErrorCode::NotHolder => "h",
        ErrorCode::LostRace => "l",
        ErrorCode::MissingField => "m",
        ErrorCode::DependencyOpen => "d",
        ErrorCode::UnknownAgent => "u",
        _ => "?",
    })
}

/// Returns the edge and, where the status is another one, that status.
fn taken(phase: Phase, verb: Verb, changes: &Changeset) -> String {
    let edge = edges_from(phase).find(|edge| edge.verb == verb).expect("what was applied has an edge");
    let to = changes.tasks[0].task.phase();
    if to == phase { text(edge.id) } else { format!("{}>{to}", edge.id) }
}

#[test]
fn every_verb_in_every_phase_by_every_actor() {
    let mut table = String::new();
    for (letter, actor, what) in RELATIONS {
        writeln!(table, "{letter} {actor}: {what}").expect("a string takes all");
    }
    for &phase in Phase::ALL {
        writeln!(table, "\n{phase}").expect("a string takes all");
        let mut rows: Vec<Vec<(String, String)>> = Vec::new();
        let mut heads: Vec<String> = Vec::new();
        let mut boards: BTreeMap<Variant, Sim> = BTreeMap::new();
        for (letter, actor, _) in RELATIONS {
            let variant = variant(*letter);
            let sim = boards.entry(variant).or_insert_with(|| board(phase, variant));
            let part = sim.task("t").subtasks[0].id.clone();
            for (n, action) in actions(&part, phase).into_iter().enumerate() {
                let verb = action.verb();
                if rows.len() == n {
                    let triage = matches!(&action, Action::Edit { changes } if matches!(changes[0], FieldChange::Priority { .. }));
                    heads.push(format!("{verb}{}", if triage { " priority" } else { "" }));
                    rows.push(Vec::new());
                }
                let operation = sim.operation(actor, Some("t"), action);
                let found = cell(phase, verb, &sim.decide(&operation));
                match rows[n].iter_mut().find(|(cell, _)| *cell == found) {
                    Some((_, letters)) => letters.push(*letter),
                    None => rows[n].push((found, letter.to_string())),
                }
            }
        }
        for (head, mut row) in heads.iter().zip(rows) {
            row.sort_by_key(|(cell, _)| (!cell.starts_with('T'), cell.clone()));
            let cells: Vec<String> = row.iter().map(|(cell, letters)| format!("{cell}={letters}")).collect();
            writeln!(table, "  {head}: {}", cells.join(" ")).expect("a string takes all");
        }
    }
    insta::assert_snapshot!(table);
}
