//! One test for each of the times that decide, just below and just above.

use super::*;
use crate::model::config::Timing;
use crate::model::task::Claim;
use crate::model::vocabulary::Status;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const A_BIT: Duration = Duration::from_millis(1);

fn name(text: &str) -> AgentName {
    AgentName::new(text).expect("a name")
}

fn token(n: u8) -> OpId {
    OpId::from_parts(Millis(1_700_000_000_000), [n; 10])
}

fn beat(doing: Doing) -> Beat {
    let tasks = vec![Held { task: TaskId::new("t").expect("an id"), epoch: Epoch(3) }];
    Beat {
        agent: name("scout"),
        token: token(1),
        doing,
        sequence: 1,
        // What a clock says that is years off.
        at: Millis(0),
        ready_until: Millis(30_000),
        tasks: if doing == Doing::Working { tasks } else { Vec::new() },
    }
}

fn here(doing: Doing, age: Duration, lives: Option<bool>) -> Signs {
    Signs { here: vec![Here { beat: beat(doing), age, lives }], asked: true, ..Signs::default() }
}

fn there(doing: Doing, unchanged: Duration) -> Signs {
    Signs { there: Some(There { beat: beat(doing), unchanged }), asked: true, ..Signs::default() }
}

fn acted(ago: Duration) -> Signs {
    Signs { acted: Some(ago), asked: true, ..Signs::default() }
}

fn silent() -> Signs {
    Signs { asked: true, ..Signs::default() }
}

/// Returns a task in the hands of scout.
fn task(started: bool) -> Task {
    let mut task: Task = serde_json::from_str(
        r#"{"id": "t", "title": "T", "status": "in-progress", "priority": "medium", "createdAt": 1, "updatedAt": 2,
            "chat": [], "assigned": "scout", "epoch": 3}"#,
    )
    .expect("a task");
    assert_eq!(task.status, Status::InProgress);
    task.claim = Some(Claim {
        agent: name("scout"),
        epoch: Epoch(3),
        at: Millis(1),
        started_at: started.then_some(Millis(2)),
        lease_seconds: 900,
    });
    task
}

#[test]
fn a_beat_on_this_host_holds_for_two_intervals() {
    let timing = Timing::default();
    assert_eq!(here(Doing::Waiting, s(60), Some(true)).state(None, &timing), AgentState::Waiting);
    assert_eq!(here(Doing::Waiting, s(60) + A_BIT, Some(true)).state(None, &timing), AgentState::Stale);
    assert_eq!(here(Doing::Working, s(60), None).state(None, &timing), AgentState::Working);
    let longer = Timing { beat_seconds: 31, ..timing };
    assert_eq!(here(Doing::Waiting, s(62), Some(true)).state(None, &longer), AgentState::Waiting);
}

#[test]
fn a_beat_from_elsewhere_holds_for_an_interval_and_the_grace() {
    let timing = Timing::default();
    assert_eq!(there(Doing::Waiting, s(360)).state(None, &timing), AgentState::Waiting);
    assert_eq!(there(Doing::Waiting, s(360) + A_BIT).state(None, &timing), AgentState::Stale);
    let longer = Timing { remote_beat_seconds: 301, ..timing };
    assert_eq!(there(Doing::Waiting, s(361)).state(None, &longer), AgentState::Waiting);
}

#[test]
fn who_is_silent_for_longer_than_a_lease_and_the_grace_is_gone() {
    let timing = Timing::default();
    assert_eq!(there(Doing::Waiting, s(960)).state(None, &timing), AgentState::Stale);
    assert_eq!(there(Doing::Waiting, s(960) + A_BIT).state(None, &timing), AgentState::Gone);
    assert_eq!(here(Doing::Working, s(960), Some(true)).state(None, &timing), AgentState::Stale);
    assert_eq!(here(Doing::Working, s(960) + A_BIT, Some(true)).state(None, &timing), AgentState::Gone);
}

#[test]
fn an_operation_of_who_holds_something_counts_for_its_lease() {
    let (timing, lease) = (Timing::default(), Some(s(900)));
    assert_eq!(acted(s(900)).state(lease, &timing), AgentState::Working);
    assert_eq!(acted(s(900) + A_BIT).state(lease, &timing), AgentState::Stale);
    assert_eq!(acted(s(960) + A_BIT).state(lease, &timing), AgentState::Gone);
    assert_eq!(acted(s(0)).state(None, &timing), AgentState::Gone, "who holds nothing is not there for having acted");
}

#[test]
fn a_process_that_has_ended_or_said_goodbye_is_gone_at_once() {
    let timing = Timing::default();
    assert_eq!(here(Doing::Working, s(0), Some(false)).state(None, &timing), AgentState::Gone);
    assert_eq!(there(Doing::Left, s(0)).state(None, &timing), AgentState::Gone);
}

#[test]
fn without_an_answer_of_the_remote_only_what_is_seen_here_is_known() {
    let timing = Timing::default();
    assert_eq!(Signs::default().state(None, &timing), AgentState::Unknown);
    assert_eq!(Signs { asked: false, ..there(Doing::Waiting, s(2000)) }.state(None, &timing), AgentState::Unknown);
    assert_eq!(
        Signs { asked: false, ..here(Doing::Waiting, s(1), Some(true)) }.state(None, &timing),
        AgentState::Waiting
    );
}

#[test]
fn a_claim_that_was_never_started_is_taken_back_after_its_time() {
    let timing = Timing::default();
    assert_eq!(recovery(&task(false), &silent(), s(119), &timing), None);
    assert_eq!(recovery(&task(false), &silent(), s(120), &timing), None);
    let found = recovery(&task(false), &silent(), s(121), &timing).expect("a recovery");
    assert_eq!(found.trigger, RecoverTrigger::Unstarted);
    assert!(found.seen.contains("scout for 121 s"), "{}", found.seen);
    let longer = Timing { unstarted_seconds: 121, ..timing };
    assert_eq!(recovery(&task(false), &silent(), s(121), &longer), None);
}

#[test]
fn work_is_taken_back_after_its_lease_and_the_grace() {
    let timing = Timing::default();
    assert_eq!(recovery(&task(true), &silent(), s(960), &timing), None);
    let found = recovery(&task(true), &silent(), s(960) + A_BIT, &timing).expect("a recovery");
    assert_eq!(found.trigger, RecoverTrigger::Orphaned);
    let graceful = Timing { grace_seconds: 61, ..timing };
    assert_eq!(recovery(&task(true), &silent(), s(961), &graceful), None);
    let mut leased = task(true);
    leased.claim.as_mut().expect("a claim").lease_seconds = 901;
    assert_eq!(recovery(&leased, &silent(), s(961), &Timing::default()), None, "the lease is the claim's own");
}

#[test]
fn nothing_is_taken_back_from_who_is_there() {
    let timing = Timing::default();
    for signs in
        [here(Doing::Waiting, s(60), Some(true)), here(Doing::Working, s(60), None), there(Doing::Working, s(360))]
    {
        assert_eq!(recovery(&task(true), &signs, s(100_000), &timing), None, "{signs:?}");
        assert_eq!(recovery(&task(false), &signs, s(100_000), &timing), None, "{signs:?}");
    }
    // It has just done something elsewhere on the board.
    assert_eq!(recovery(&task(true), &acted(s(960)), s(100_000), &timing), None);
    assert!(recovery(&task(true), &acted(s(961)), s(100_000), &timing).is_some());
}

#[test]
fn silence_says_nothing_while_the_remote_does_not_answer() {
    let timing = Timing::default();
    assert_eq!(recovery(&task(true), &Signs::default(), s(100_000), &timing), None);
}

#[test]
fn an_end_that_was_seen_acts_at_once_and_for_that_claim_alone() {
    let timing = Timing::default();
    let dead = Signs { asked: false, ..here(Doing::Working, s(0), Some(false)) };
    let found = recovery(&task(true), &dead, s(0), &timing).expect("a recovery");
    assert!(found.seen.contains("has ended"), "{}", found.seen);
    assert!(recovery(&task(false), &dead, s(0), &timing).is_some());

    let mut another = task(true);
    another.claim.as_mut().expect("a claim").epoch = Epoch(4);
    assert_eq!(recovery(&another, &dead, s(0), &timing), None, "it worked under a claim that is over");

    let mut both = dead.clone();
    both.here.push(Here { beat: beat(Doing::Working), age: s(1), lives: Some(true) });
    assert_eq!(recovery(&task(true), &both, s(0), &timing), None, "another process of it goes on");
}

#[test]
fn only_what_is_held_can_be_taken_back() {
    let timing = Timing::default();
    let mut by_hand = task(true);
    by_hand.claim = None;
    assert_eq!(recovery(&by_hand, &silent(), s(100_000), &timing), None);
    let mut blocked = task(true);
    blocked.status = Status::Blocked;
    assert_eq!(recovery(&blocked, &silent(), s(100_000), &timing), None);
}

#[test]
fn of_two_that_wait_the_newer_stays() {
    let (older, newer) = (beat(Doing::Waiting), Beat { token: token(2), ..beat(Doing::Waiting) });
    assert!(is_superseded(older.token, [&older, &newer]));
    assert!(!is_superseded(newer.token, [&older, &newer]));
    let working = Beat { token: token(3), ..beat(Doing::Working) };
    assert!(!is_superseded(newer.token, [&working]), "one that works is in nobody's way");
}

#[test]
fn a_beat_reads_back_as_it_was_written() {
    let beat = beat(Doing::Working);
    let text = serde_json::to_string(&beat).expect("JSON");
    assert_eq!(serde_json::from_str::<Beat>(&text).expect("a beat"), beat);
}
