//! The harness itself: a test is worth no more than what it looks through.

use crate::kit::{Room, answer_schema, race};

#[test]
fn commits_by_hand_at_once_are_all_kept() {
    let room = Room::code();
    let base = room.head();
    race(8, |i| room.put(&[(format!("file-{i}"), Some(format!("{i}\n")))]));
    assert_eq!(room.commits_since(&base).len(), 8);
    for i in 0..8 {
        assert_eq!(room.file(&format!("file-{i}")), Some(format!("{i}\n")));
    }
}

#[test]
fn a_commit_is_read_with_its_author_subject_and_trailers() {
    let room = Room::code();
    let base = room.head();
    let clone = room.clone_as("olga");
    let message = "squad(claim): t-1 by scout\n\nSome text: not a trailer.\n\nSquad-Op: 01J\nSquad-Operation: {\"a\": \"b: c\"}\n";
    clone.git(&format!("commit --quiet --allow-empty --author 'scout <scout@squad.invalid>' -m '{message}'"));
    clone.git("commit --quiet --allow-empty -m 'no trailers here'");
    clone.git("push --quiet origin main");
    let commits = room.commits_since(&base);
    assert_eq!(commits.len(), 2, "{commits:#?}");
    assert_eq!(commits[0].author, "scout <scout@squad.invalid>");
    assert_eq!(commits[0].subject, "squad(claim): t-1 by scout");
    assert_eq!(commits[0].trailer("Squad-Op"), "01J");
    assert_eq!(commits[0].trailer("Squad-Operation"), "{\"a\": \"b: c\"}");
    assert_eq!(commits[0].trailer("Squad-Task"), "");
    assert_eq!(commits[1].oid, room.head());
    assert_eq!(room.claims_of("t-1", &base).len(), 1);
    assert_eq!(room.claims_of("t", &base).len(), 0, "an id is matched whole");
}

#[test]
fn every_shape_of_clone_can_be_made() {
    let room = Room::code();
    room.put(&[("src/main.txt", Some("two\n"))]);
    room.git("config uploadpack.allowFilter true");
    let shallow = room.clone_with("shallow", &format!("--depth 1 {}", room.remote_url()));
    assert_eq!(shallow.git("rev-parse --is-shallow-repository"), "true");
    let partial = room.clone_with("partial", &format!("--filter=blob:none --no-checkout {}", room.remote_url()));
    assert!(partial.git("rev-list --objects --missing=print main").contains('?'), "blobs are missing");
    let reftable = room.clone_with("reftable", "--ref-format=reftable remote.git");
    assert_eq!(reftable.git("rev-parse --show-ref-format"), "reftable");
    assert_eq!(room.clone_with("bare.git", "--bare remote.git").git("rev-parse --is-bare-repository"), "true");
}

#[test]
fn nothing_of_the_machine_s_configuration_gets_in() {
    let room = Room::code();
    let clone = room.clone_as("olga");
    assert_eq!(clone.git("config user.name"), "olga");
    let origins = clone.git("config --list --show-origin");
    assert!(origins.lines().all(|line| line.starts_with("file:.git/config")), "{origins}");
    assert_eq!(clone.status(), "");
}

#[test]
fn what_is_there_and_what_is_not_are_told_apart() {
    let room = Room::code();
    assert_eq!(room.file("README.md").as_deref(), Some("code\n"));
    assert_eq!(room.file("nowhere"), None);
    room.put(&[("README.md", None::<&str>), ("a b/\u{fc}.txt", Some("x"))]);
    assert_eq!(room.file("README.md"), None);
    assert_eq!(room.git("ls-tree -r --name-only -z main").split('\0').next(), Some("a b/\u{fc}.txt"));
    let empty = Room::empty();
    assert_eq!(empty.refs(), "");
    assert!(empty.clone_as("olga").try_git("rev-parse HEAD").is_err());
}

#[test]
fn there_is_a_schema_that_every_answer_is_held_to() {
    let text = std::fs::read_to_string(answer_schema()).expect("the schema of answers is shipped");
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["properties"]["v"]["const"], 1);
}
