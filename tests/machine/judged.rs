//! What is changed by hand between two versions of a board is found, whatever the board went through before.

use serde_json::{Value, json};

use squad::model::config::ApprovalGate;
use squad::model::operation::Action;
use squad::model::task::{Block, Message, Task};
use squad::model::vocabulary::{Cause, Gate, Status};
use squad::schema::Violation;

use crate::sim::{Sim, id, judged, whole};

/// Returns a board at every station of a long life of `t-1`.
fn stations() -> Vec<Sim> {
    let mut sim = Sim::new();
    sim.make("mira", "t-1", |new| new.files = vec!["docs/**".to_owned()]);
    let text = |text: &str| text.to_owned();
    let later = squad::model::id::Millis(sim.now + 36_000_000);
    let steps: Vec<(&str, Action)> = vec![
        ("scout", Action::Claim { plan: Some(text("read")) }),
        ("scout", Action::Start {}),
        ("scout", Action::Block { reason: text("away"), block: Block::External { retry_at: later, backoff_level: 0 } }),
        ("scout", Action::Retry {}),
        ("scout", Action::Fail { error: text("no"), cause: Cause::Network, process: None }),
        ("scout", Action::RequestComplete { note: Some(text("look")) }),
        ("mira", Action::Verify { comment: None, hand_in: whole() }),
        ("mira", Action::Reopen { reason: text("it broke") }),
        ("scout", Action::Claim { plan: None }),
        ("scout", Action::Submit(whole())),
        ("mira", Action::Approve {}),
        ("scout", Action::Complete(whole())),
        ("mira", Action::Archive { tasks: vec![id("t-1")] }),
    ];
    let mut stations = vec![sim.copy()];
    for (actor, action) in steps {
        if matches!(action, Action::Claim { .. }) {
            sim.now += 3_600_000;
        }
        let task = if matches!(action, Action::Archive { .. }) { None } else { Some("t-1") };
        sim.must(actor, task, action);
        stations.push(sim.copy());
    }
    stations
}

/// Values that nothing of the board has.
fn lies() -> Vec<(&'static str, Value)> {
    let at = crate::sim::BEGIN + 7;
    vec![
        ("status", json!("review")),
        ("epoch", json!(77)),
        ("claim", json!({"agent": "vault", "epoch": 1, "at": at, "leaseSeconds": 900})),
        ("attempt", json!(2)),
        ("recoveries", json!(5)),
        ("backoffLevel", json!(9)),
        ("lastError", json!({"cause": "memory", "message": "none", "at": at})),
        ("block", json!({"kind": "failure"})),
        ("blockedBy", json!("the weather")),
        ("blockedAt", json!(at)),
        ("deliverable", json!("another page")),
        ("submittedBy", json!("pia")),
        ("submittedAt", json!(at)),
        ("reviewRound", json!(4)),
        ("approvals", json!([{"by": "olga", "role": "owner", "at": at}])),
        ("verifiedBy", json!("pia")),
        ("verifiedAt", json!(at)),
        ("completedBy", json!("pia")),
        ("completedAt", json!(at)),
        ("completionRequest", json!({"by": "pia", "at": at})),
        ("emergencyOverride", json!({"authorizedBy": "olga", "gate": "review", "reason": "x", "timestamp": at})),
        ("createdBy", json!("pia")),
        ("createdAt", json!(at)),
        ("chat", json!([])),
        ("stateHistory", json!([])),
        (
            "evidence",
            json!([{"id": "ev-x", "kind": "url", "url": "https://example.org", "by": "pia", "at": at, "epoch": 1}]),
        ),
    ]
}

#[test]
fn no_field_that_the_machine_sets_can_be_set_by_hand() {
    let mut found = 0;
    for sim in stations() {
        let before = sim.snapshot();
        let task = serde_json::to_value(sim.task("t-1")).expect("it is plain");
        for (field, lie) in lies() {
            // What says the same is no lie.
            let is = task.get(field);
            if is == Some(&lie) || (is.is_none() && lie == json!([])) {
                continue;
            }
            let mut forged = task.clone();
            forged[field] = lie.clone();
            // A claim that begins where there is none of that task's, and so on: it must still be a task.
            let Ok(forged) = serde_json::from_value::<Task>(forged) else { panic!("{field} is no field like that") };
            let mut after = sim.copy();
            after.lay_at(&forged, &sim);
            let told = judged(&before, &after.snapshot(), None);
            let errors = told.iter().filter(|v| v.is_error()).count();
            assert!(errors > 0, "{field} = {lie} on a task that is {} passes", sim.task("t-1").status);
            found += 1;
        }
    }
    assert!(found > 300, "{found}");
}

#[test]
fn what_a_hand_may_write_passes() {
    for sim in stations() {
        let before = sim.snapshot();
        let mut task = sim.task("t-1");
        task.updated_at = squad::model::id::Millis(task.updated_at.0 + 1000);
        task.chat.push(squad::model::task::Message {
            id: "msg-by-hand".to_owned(),
            author: crate::sim::name("mira"),
            content: "a word".to_owned(),
            timestamp: task.updated_at,
        });
        if task.status.is_open() {
            task.title = "a better title".to_owned();
            task.tags.push("seen".to_owned());
        }
        let mut after = sim.copy();
        after.lay_at(&task, &sim);
        assert_eq!(judged(&before, &after.snapshot(), Some("mira")), vec![], "{}", task.status);
    }
}

/// Judges everything that happens to `t-1` as one change, as where a branch was squashed.
fn squashed(prepare: &[(&str, &str, Action)], steps: &[(&str, &str, Action)]) -> Vec<String> {
    let mut sim = Sim::new();
    for task in ["t-1", "t-2"] {
        sim.make("mira", task, |_| {});
    }
    let go = |sim: &mut Sim, steps: &[(&str, &str, Action)]| {
        for (actor, task, action) in steps {
            sim.must(actor, Some(task), action.clone());
        }
    };
    go(&mut sim, prepare);
    let before = sim.snapshot();
    go(&mut sim, steps);
    judged(&before, &sim.snapshot(), None).into_iter().map(|v| format!("{}: {}", v.pointer, v.message)).collect()
}

#[test]
fn what_later_steps_have_written_over_is_read_as_what_it_can_have_been() {
    let text = |text: &str| text.to_owned();
    let claim = || Action::Claim { plan: None };
    let take = |path: &str| Action::FilesAdd { paths: vec![text(path)] };
    let block = |block| Action::Block { reason: text("r"), block };
    let question = || Block::Human { needs: vec![text("n")], question: text("q"), options: vec![text("a"), text("b")] };
    let unblock = || Action::Unblock { comment: text("c") };
    let lift = |gate| Action::Override { gate, reason: text("r") };
    let soon = squad::model::id::Millis(crate::sim::BEGIN + 3_600_000);
    let nothing: Vec<String> = Vec::new();

    // An unblock that met a lock which is gone again.
    let steps = [
        ("scout", "t-1", claim()),
        ("scout", "t-1", take("src")),
        ("scout", "t-1", block(question())),
        ("vault", "t-2", claim()),
        ("vault", "t-2", take("src")),
        ("mira", "t-1", unblock()),
        ("vault", "t-2", Action::Release { note: text("n"), unassign: true }),
        ("mira", "t-1", unblock()),
    ];
    assert_eq!(squashed(&[], &steps), nothing);

    // A gate that was lifted and has been used up: by a step, and by what leaves no entry.
    let held = [("vault", "t-2", claim()), ("vault", "t-2", take("src"))];
    let steps = [("scout", "t-1", claim()), ("olga", "t-1", lift(Gate::Locks)), ("scout", "t-1", take("src/a"))];
    assert_eq!(squashed(&held, &steps), nothing);
    let steps = [
        ("olga", "t-1", Action::DepAdd { on: id("t-2") }),
        ("olga", "t-1", lift(Gate::Dependency)),
        ("scout", "t-1", claim()),
        ("olga", "t-1", Action::DepRemove { on: id("t-2") }),
    ];
    assert_eq!(squashed(&[], &steps), nothing);

    // Blocked by something outside, and given up in that state.
    let outside = Block::External { retry_at: soon, backoff_level: 0 };
    let steps = [
        ("scout", "t-1", claim()),
        ("scout", "t-1", block(outside)),
        ("mira", "t-1", Action::Cancel { reason: text("r") }),
    ];
    assert_eq!(squashed(&[], &steps), nothing);

    // What no reading explains is found all the same, at the first entry that none of them reaches beyond.
    let steps = [("scout", "t-1", claim()), ("scout", "t-1", Action::Submit(whole()))];
    let mut sim = Sim::new();
    sim.make("mira", "t-1", |_| {});
    let before = sim.snapshot();
    for (actor, task, action) in steps {
        sim.must(actor, Some(task), action);
    }
    let mut task = sim.task("t-1");
    task.state_history[2].trigger = Some(text("block"));
    task.state_history[2].state = Status::Review;
    sim.lay(&task);
    let told = judged(&before, &sim.snapshot(), None);
    assert!(told.iter().any(|v| v.is_error() && v.pointer == "/stateHistory/2"), "{told:?}");
}

#[test]
fn who_has_only_written_by_the_time_of_a_step_counts_for_its_gate_and_nobody_later() {
    let gate = ApprovalGate { min_participants: 4, ..ApprovalGate::default() };
    let mut sim = Sim::with_gate(Some(gate));
    sim.make("mira", "t-1", |_| {});
    let before = sim.snapshot();
    let comment = || Action::Comment { text: "a word".to_owned(), also: Vec::new() };
    sim.must("scout", Some("t-1"), Action::Claim { plan: None });
    sim.must("scout", Some("t-1"), Action::Submit(whole()));
    // Three have had a hand in it when mira approves, and a fourth speaks too late for that.
    sim.must("vault", Some("t-1"), comment());
    sim.must("mira", Some("t-1"), Action::Approve {});
    sim.must("olga", Some("t-1"), comment());
    assert_eq!(sim.task("t-1").status, Status::Review);
    assert_eq!(judged(&before, &sim.snapshot(), None), vec![]);
    sim.must("chip", Some("t-1"), Action::Approve {});
    assert_eq!(sim.task("t-1").status, Status::Ready);
    assert_eq!(judged(&before, &sim.snapshot(), None), vec![]);
}

/// Tells what is found where somebody changes `t-1` by hand after these steps, in the same change.
fn forged(prepare: &[(&str, &str, Action)], steps: &[(&str, &str, Action)], forge: impl Fn(&mut Task)) -> Vec<String> {
    let gate = ApprovalGate { min_participants: 4, ..ApprovalGate::default() };
    let mut sim = Sim::with_gate(Some(gate));
    for task in ["t-1", "t-2"] {
        sim.make("mira", task, |_| {});
    }
    for (actor, task, action) in prepare {
        sim.must(actor, Some(task), action.clone());
    }
    let before = sim.snapshot();
    for (actor, task, action) in steps {
        sim.must(actor, Some(task), action.clone());
    }
    let mut task = sim.task("t-1");
    forge(&mut task);
    sim.lay(&task);
    let told = judged(&before, &sim.snapshot(), None);
    told.into_iter().filter(Violation::is_error).map(|v| v.code.to_owned()).collect()
}

#[test]
fn what_no_order_of_operations_leads_to_is_no_reading() {
    let claim = || Action::Claim { plan: None };
    // A lifted gate without which there was no way is used up.
    let prepare = [
        ("olga", "t-1", Action::DepAdd { on: id("t-2") }),
        ("olga", "t-1", Action::Override { gate: Gate::Dependency, reason: "r".to_owned() }),
    ];
    let mut sim = Sim::new();
    sim.make("mira", "t-1", |_| {});
    sim.must("olga", Some("t-1"), prepare[1].2.clone());
    let lifted = sim.task("t-1").emergency_override;
    assert!(lifted.is_some());
    assert_eq!(forged(&prepare, &[("scout", "t-1", claim())], |_| {}), Vec::<String>::new());
    let keep = |task: &mut Task| task.emergency_override.clone_from(&lifted);
    assert_eq!(forged(&prepare, &[("scout", "t-1", claim())], keep), ["automatic-field"]);

    // Whoever is in no roster, or has spoken before there was anything to speak of, has had no hand in it.
    let review = [("scout", "t-1", claim()), ("scout", "t-1", Action::Submit(whole()))];
    let approve = [
        ("vault", "t-1", Action::Comment { text: "w".to_owned(), also: Vec::new() }),
        ("mira", "t-1", Action::Approve {}),
    ];
    for (author, earlier) in [("ghost", 0), ("olga", 3_600_000_000)] {
        let speak = |task: &mut Task| {
            let at = task.state_history.last().expect("an entry").timestamp;
            let timestamp = squad::model::id::Millis(at.0 - earlier);
            let (id, author) = ("msg-x".to_owned(), crate::sim::name(author));
            task.chat.push(Message { id, author, content: "w".to_owned(), timestamp });
            task.state_history.last_mut().expect("an entry").state = Status::Ready;
            task.status = Status::Ready;
        };
        assert!(forged(&review, &approve, speak).contains(&"illegal-transition".to_owned()), "{author}");
    }

    // What is taken back is told, and told as it was.
    let done = [
        ("scout", "t-1", claim()),
        ("scout", "t-1", Action::Submit(whole())),
        ("mira", "t-1", Action::Verify { comment: None, hand_in: whole() }),
    ];
    let reopen = [("mira", "t-1", Action::Reopen { reason: "r".to_owned() })];
    assert_eq!(forged(&done, &reopen, |_| {}), Vec::<String>::new());
    let last = |task: &mut Task| task.state_history.last_mut().and_then(|entry| entry.completion.take());
    assert_eq!(forged(&done, &reopen, |task| drop(last(task))), ["illegal-transition"]);
    let another = |task: &mut Task| {
        let mut completion = last(task).expect("it was completed");
        completion.completed_by = Some(crate::sim::name("vault"));
        task.state_history.last_mut().expect("an entry").completion = Some(completion);
    };
    assert_eq!(forged(&done, &reopen, another), ["illegal-transition"]);
}
