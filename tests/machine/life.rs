//! Whole lives of tasks: after every step the board that comes out is whole.

use squad::model::id::Millis;
use squad::model::operation::{Action, RecoverTrigger};
use squad::model::task::Block;
use squad::model::vocabulary::{Cause, Gate, Status, SubtaskStatus};

use crate::sim::{Sim, id, name, whole};

/// One step: who does what, and where the task is after it.
type Step = (&'static str, Action, Status);

fn human() -> Action {
    let block = Block::Human {
        needs: vec!["a key".to_owned()],
        question: "which?".to_owned(),
        options: vec!["a".to_owned(), "b".to_owned()],
    };
    Action::Block { reason: "no key".to_owned(), block }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn live(sim: &mut Sim, task: &str, steps: Vec<Step>) {
    for (n, (actor, action, status)) in steps.into_iter().enumerate() {
        let what = format!("step {n}: {actor} {}", action.verb());
        sim.must(actor, Some(task), action);
        assert_eq!(sim.task(task).status, status, "{what}");
        assert_eq!(sim.check().violations, [], "{what}");
    }
}

fn claim() -> Action {
    Action::Claim { plan: Some(text("write it")) }
}

#[test]
fn from_the_backlog_to_the_archive_and_back_the_board_stays_whole() {
    let mut sim = Sim::new();
    sim.make("mira", "t-1", |new| new.files = vec![text("docs/**"), text("src/*.rs")]);
    assert_eq!(sim.check().violations, []);
    let archive = Action::Archive { tasks: vec![id("t-1")] };
    live(
        &mut sim,
        "t-1",
        vec![
            ("scout", claim(), Status::InProgress),
            ("scout", human(), Status::Blocked),
            ("mira", Action::Unblock { comment: text("here is the key") }, Status::InProgress),
            ("scout", Action::Submit(whole()), Status::Review),
            ("vault", Action::Reject { missing: vec![text("a test")] }, Status::InProgress),
            ("scout", Action::Submit(whole()), Status::Review),
            ("mira", Action::Approve {}, Status::Ready),
            ("scout", Action::Complete(whole()), Status::Completed),
        ],
    );
    // `archive` names its tasks itself.
    sim.must("mira", None, archive);
    assert_eq!((sim.task("t-1").status, sim.check().violations), (Status::Archived, vec![]));
    live(
        &mut sim,
        "t-1",
        vec![
            ("mira", Action::Restore { reason: None }, Status::Completed),
            ("mira", Action::Reopen { reason: text("it broke") }, Status::Backlog),
        ],
    );
}

#[test]
fn every_other_verb_leaves_the_board_whole() {
    let mut sim = Sim::new();
    sim.make("vault", "t-1", |new| new.files = vec![text("src")]);
    sim.make("vault", "t-2", |_| {});
    let later = Millis(sim.now + 3_600_000);
    live(
        &mut sim,
        "t-1",
        vec![
            ("mira", Action::Assign { to: name("scout") }, Status::Backlog),
            ("vault", Action::DepAdd { on: id("t-2") }, Status::Backlog),
            ("vault", Action::DepRemove { on: id("t-2") }, Status::Backlog),
            ("scout", claim(), Status::InProgress),
            ("scout", Action::Start {}, Status::InProgress),
            ("scout", Action::Progress { step: Some(text("half")), percent: Some(50) }, Status::InProgress),
            ("pia", Action::Comment { text: text("well done"), also: Vec::new() }, Status::InProgress),
            ("scout", Action::SubtaskAdd { title: text("a part"), assigned: Some(name("vault")) }, Status::InProgress),
            ("scout", Action::FilesAdd { paths: vec![text("docs")] }, Status::InProgress),
            ("scout", Action::FilesRemove { paths: vec![text("src")] }, Status::InProgress),
        ],
    );
    let part = sim.task("t-1").subtasks[0].id.clone();
    let on = Block::Dependency { on: vec![id("t-2")] };
    let conflict = Block::Conflict { paths: vec![text("docs")], holder: id("t-2") };
    live(
        &mut sim,
        "t-1",
        vec![
            ("scout", Action::SubtaskAssign { subtask: part.clone(), to: name("pia") }, Status::InProgress),
            (
                "pia",
                Action::SubtaskSet { subtask: part, status: SubtaskStatus::Complete, comment: None },
                Status::InProgress,
            ),
            (
                "scout",
                Action::Block { reason: text("later"), block: Block::External { retry_at: later, backoff_level: 0 } },
                Status::Blocked,
            ),
            ("scout", Action::Retry {}, Status::InProgress),
            ("scout", Action::Block { reason: text("it waits"), block: on }, Status::Blocked),
            ("mira", Action::Unblock { comment: text("go on") }, Status::InProgress),
            ("scout", Action::Block { reason: text("held"), block: conflict }, Status::Blocked),
            ("mira", Action::Unblock { comment: text("free") }, Status::InProgress),
            ("scout", Action::Release { note: text("yours"), unassign: true }, Status::Backlog),
            ("scout", claim(), Status::InProgress),
            ("mira", Action::Recover { trigger: RecoverTrigger::Unstarted, seen: text("gone") }, Status::Backlog),
            ("scout", claim(), Status::InProgress),
            ("scout", Action::Fail { error: text("no"), cause: Cause::Network, process: None }, Status::Backlog),
        ],
    );
    for status in [Status::Backlog, Status::Blocked] {
        sim.now += 3_600_000;
        live(
            &mut sim,
            "t-1",
            vec![
                ("scout", claim(), Status::InProgress),
                ("scout", Action::Fail { error: text("no"), cause: Cause::Network, process: None }, status),
            ],
        );
    }
    live(
        &mut sim,
        "t-1",
        vec![
            ("mira", Action::Restart { reason: text("fixed") }, Status::Backlog),
            ("olga", Action::Override { gate: Gate::Locks, reason: text("urgent") }, Status::Backlog),
            ("scout", Action::RequestComplete { note: None }, Status::Backlog),
            ("mira", Action::Verify { comment: Some(text("seen")), hand_in: whole() }, Status::Completed),
            ("mira", Action::Reopen { reason: text("not yet") }, Status::Backlog),
            ("mira", Action::Cancel { reason: text("no longer") }, Status::Archived),
            ("mira", Action::Restore { reason: None }, Status::Backlog),
        ],
    );
}
