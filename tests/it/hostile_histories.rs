//! Histories that somebody has rewritten: `audit` names the first commit that is not what it says.
//!
//! Everything is done with git as an attacker would, in a clone of their own, and pushed by force. Who comes new has
//! nothing but the history; who has seen the old one refuses the new one before any audit.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task};

const T1: &str = "squad/tasks/json/t-1.json";
const T2: &str = "squad/tasks/json/t-2.json";

/// A board on which six operations have happened, a clone that has seen them, and one of whoever rewrites them.
struct Story {
    room: Room,
    seen: Checkout,
    hand: Checkout,
    /// The commit before the first operation.
    base: String,
    /// The commits of the operations, oldest first.
    commits: Vec<String>,
}

/// Where in the story what happens.
const CLAIM: usize = 0;
const COMMENT: usize = 1;
const PROGRESS: usize = 2;
const RELEASE: usize = 3;
const NEW: usize = 4;
const EDIT: usize = 5;

impl Story {
    fn new() -> Self {
        static TOLD: OnceLock<Room> = OnceLock::new();
        Self::of(TOLD.get_or_init(|| Self::tell(&Self::blank())).copy())
    }

    /// Returns a board on which nothing has happened.
    fn blank() -> Room {
        Room::with_tasks(&[hand_task("t-1", json!({"files": ["src/a"]})), hand_task("t-2", json!({}))])
    }

    /// Lets the operations happen on a board.
    fn tell(room: &Room) -> Room {
        room.git(&format!("update-ref refs/keep/base {}", room.head()));
        let seen = room.clone_as("olga");
        for line in [
            "claim t-1 --agent scout --plan first",
            "comment t-2 hello --agent aria",
            "progress t-1 --step cutting --pct 40 --agent scout",
            "release t-1 --note later --agent scout",
            "new 'One more' --id t-3 --agent olga",
            "edit t-2 --title 'Another title' --agent olga",
        ] {
            seen.ok(line);
        }
        drop(room.clone_as("mallory"));
        room.copy()
    }

    fn of(room: Room) -> Self {
        let (seen, hand) = (room.at("olga"), room.at("mallory"));
        let base = room.git("rev-parse refs/keep/base");
        let commits = hand.git(&format!("rev-list --reverse {base}..HEAD")).lines().map(str::to_owned).collect();
        Self { room, seen, hand, base, commits }
    }

    /// Goes back to where these operations have happened and none after them.
    fn back_to(&self, operations: usize) {
        let to = operations.checked_sub(1).map_or(&self.base, |last| &self.commits[last]);
        self.hand.git(&format!("reset --quiet --hard {to}"));
    }

    /// Carries out commits once more, with their messages and authors.
    fn again(&self, operations: impl IntoIterator<Item = usize>) {
        for operation in operations {
            self.hand.git(&format!("cherry-pick --keep-redundant-commits {}", self.commits[operation]));
        }
    }

    fn message(&self, operation: usize) -> String {
        self.hand.git(&format!("log -1 --format=%B {}", self.commits[operation]))
    }

    /// Changes a task's file here.
    fn change(&self, path: &str, key: &str, value: Value) {
        let mut task: Value = serde_json::from_str(&self.hand.read(path)).expect("it is JSON");
        task[key] = value;
        self.hand.write(path, serde_json::to_string_pretty(&task).expect("it is plain") + "\n");
    }

    /// Puts what is in the worktree into the last commit, under this message or the one that it has.
    fn amend(&self, message: Option<&str>) {
        self.hand.git("add --all");
        match message {
            Some(message) => {
                std::fs::write(self.room.path().join("message"), message).expect("a file");
                self.hand.git("commit --quiet --amend --allow-empty --no-verify --cleanup=verbatim -F ../message");
            }
            None => drop(self.hand.git("commit --quiet --amend --no-edit --no-verify --cleanup=verbatim")),
        }
    }

    /// Pushes by force, and asks somebody who comes new.
    fn audit(&self) -> (i32, Vec<(usize, String)>) {
        self.hand.git("push --quiet --force origin HEAD:main");
        let now: Vec<String> =
            self.hand.git(&format!("rev-list --reverse {}..HEAD", self.base)).lines().map(str::to_owned).collect();
        let ran = self.room.clone_as("judge").json("audit").0;
        let answer = ran.json();
        let violations = [&answer["violations"], &answer["error"]["violations"]].into_iter().find_map(Value::as_array);
        let place = |violation: &Value| {
            let commit = violation["commit"].as_str().unwrap_or_else(|| panic!("a commit is named: {ran}"));
            let at = now.iter().position(|oid| oid == commit).unwrap_or_else(|| panic!("one that is there: {ran}"));
            (at, violation["code"].as_str().expect("a word").to_owned())
        };
        (ran.code, violations.expect("violations").iter().filter(|v| v["severity"] == "error").map(place).collect())
    }
}

/// Asserts that the first bad commit is this one, and that these rules say so of it; returns what is said of others.
#[track_caller]
fn first_bad(story: &Story, at: usize, codes: &[&str]) -> Vec<(usize, String)> {
    let (exit, found) = story.audit();
    assert_eq!(exit, 4, "{found:?}");
    assert_eq!(found.first().map(|(at, _)| *at), Some(at), "the first bad commit comes first: {found:?}");
    assert!(found.is_sorted_by_key(|(at, _)| *at), "oldest first: {found:?}");
    let of_it: BTreeSet<&str> = found.iter().filter(|(n, _)| *n == at).map(|(_, code)| code.as_str()).collect();
    assert_eq!(of_it, codes.iter().copied().collect(), "{found:?}");
    found.into_iter().filter(|(n, _)| *n != at).collect()
}

/// Asserts that a clone that has seen the history before does nothing more on this one.
#[track_caller]
fn is_refused_by_who_has_seen_it(story: &Story) {
    for line in ["comment t-2 hello --agent aria", "claim t-2 --agent aria"] {
        let error = story.seen.refused(line, 4, "invalid");
        assert!(error["message"].as_str().is_some_and(|m| m.contains("rewritten")), "{line}: {error}");
    }
    story.seen.refused("sync", 4, "invalid");
}

#[test]
fn a_history_that_is_copied_commit_by_commit_still_decides_itself() {
    let story = Story::new();
    story.back_to(0);
    story.hand.git("commit --quiet --allow-empty -m 'Nothing of the board'");
    story.again(CLAIM..=EDIT);
    assert_eq!(story.audit(), (0, vec![]));
    is_refused_by_who_has_seen_it(&story);
}

#[test]
fn an_amended_commit_is_named_and_what_follows_from_it_is_not() {
    for (path, key, value, code) in [
        (T1, "progress", json!({"step": "done", "percent": 100, "by": "scout", "at": 1}), "other-content"),
        (T1, "priority", json!("critical"), "other-content"),
        (T2, "priority", json!("critical"), "beyond-operation"),
        ("src/main.txt", "", json!(null), "beyond-operation"),
    ] {
        let story = Story::new();
        story.back_to(PROGRESS + 1);
        match key {
            "" => story.hand.write(path, "two\n"),
            _ => story.change(path, key, value),
        }
        story.amend(None);
        story.again([NEW]);
        let others = first_bad(&story, PROGRESS, &[code]);
        assert!(others.is_empty(), "{others:?}");
        is_refused_by_who_has_seen_it(&story);
    }
}

#[test]
fn a_file_that_a_commit_also_makes_executable_or_a_link_is_named() {
    let make_executable = |story: &Story| drop(story.hand.git(&format!("update-index --chmod=+x {T1}")));
    let make_link = |story: &Story| {
        let blob = story.hand.git(&format!("rev-parse HEAD:{T1}"));
        story.hand.git(&format!("update-index --cacheinfo 120000,{blob},{T1}"));
    };
    for spoil in [&make_executable as &dyn Fn(&Story), &make_link] {
        let story = Story::new();
        story.back_to(PROGRESS + 1);
        spoil(&story);
        story.hand.git("commit --quiet --amend --no-edit --no-verify --cleanup=verbatim");
        first_bad(&story, PROGRESS, &["other-content"]);
        is_refused_by_who_has_seen_it(&story);
    }
}

#[test]
fn a_file_taken_out_of_a_commit_is_missed() {
    let story = Story::new();
    story.back_to(NEW + 1);
    story.hand.git("rm --quiet squad/tasks/json/t-3.json");
    story.amend(Some(&story.message(NEW)));
    story.again([EDIT]);
    first_bad(&story, NEW, &["other-content"]);
    is_refused_by_who_has_seen_it(&story);
}

#[test]
fn a_message_that_says_something_else_is_named() {
    let story = Story::new();
    let old = story.message(CLAIM);
    let op = line_of(&old, "Squad-Op: ");
    let other = line_of(&story.message(COMMENT), "Squad-Op: ");
    let changes: &[(&str, &str, &str)] = &[
        ("squad(claim): t-1 by scout", "squad(claim): t-1 by olga", "forged-receipt"),
        ("Squad-Actor: scout", "Squad-Actor: olga", "forged-receipt"),
        ("Squad-From: backlog", "Squad-From: ready", "forged-receipt"),
        ("Squad-To: in-progress", "Squad-To: completed", "forged-receipt"),
        ("Squad-Epoch: 1", "Squad-Epoch: 9", "forged-receipt"),
        ("Squad-Task: t-1", "Squad-Task: t-2", "forged-receipt"),
        (&op, &other, "forged-receipt"),
        ("\"actor\":\"scout\"", "\"actor\":\"vault\"", "other-content"),
        ("\"plan\":\"first\"", "\"plan\":\"second\"", "other-content"),
    ];
    for (from, to, code) in changes {
        assert!(old.contains(from), "{from} in {old}");
        let story = Story::new();
        let old = story.message(CLAIM);
        // The ids of operations are other ones in each story.
        let (from, to) = match from.starts_with("Squad-Op: ") {
            true => (line_of(&old, "Squad-Op: "), line_of(&story.message(COMMENT), "Squad-Op: ")),
            false => ((*from).to_owned(), (*to).to_owned()),
        };
        story.back_to(CLAIM + 1);
        story.amend(Some(&old.replacen(&from, &to, 1)));
        story.again(COMMENT..=EDIT);
        let (exit, found) = story.audit();
        assert_eq!(exit, 4, "{to}: {found:?}");
        assert_eq!(found[0].0, CLAIM, "{to}: {found:?}");
        assert!(found.iter().any(|(at, found)| (*at, found.as_str()) == (CLAIM, *code)), "{to}: {found:?}");
        is_refused_by_who_has_seen_it(&story);
    }
}

fn line_of(message: &str, key: &str) -> String {
    message.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key} in {message}")).to_owned()
}

#[test]
fn a_message_without_its_operation_leaves_a_change_by_hand_which_keeps_the_rules() {
    // What squad has done keeps them; so only the words are lost, and nobody is accused.
    let story = Story::new();
    story.back_to(CLAIM + 1);
    story.amend(Some("claimed\n"));
    story.again(COMMENT..=EDIT);
    assert_eq!(story.audit(), (0, vec![]));
    is_refused_by_who_has_seen_it(&story);
    // With anything slipped in that they forbid, it is named.
    let story = Story::new();
    story.back_to(CLAIM + 1);
    story.change(T2, "epoch", json!(7));
    story.amend(Some("claimed\n"));
    first_bad(&story, CLAIM, &["automatic-field"]);
}

#[test]
fn two_operations_in_one_commit_are_named() {
    // Under the message of the first, of the second, and of both.
    for which in 0..3 {
        let story = Story::new();
        story.back_to(COMMENT + 1);
        story.hand.git(&format!("reset --quiet --soft {}", story.base));
        let (first, second) = (story.message(CLAIM), story.message(COMMENT));
        let message = [first.clone(), second.clone(), format!("{first}\n{second}")][which].clone();
        std::fs::write(story.room.path().join("message"), message).expect("a file");
        story.hand.git("commit --quiet --no-verify --cleanup=verbatim -F ../message");
        story.again(PROGRESS..=EDIT);
        let (exit, found) = story.audit();
        assert_eq!((exit, found[0].0), (4, CLAIM), "{which}: {found:?}");
        assert!(found.iter().any(|(_, code)| code == "beyond-operation"), "{which}: {found:?}");
        is_refused_by_who_has_seen_it(&story);
    }
}

#[test]
fn operations_in_another_order_are_named_where_they_need_each_other() {
    let story = Story::new();
    // Before the claim nobody could give anything back.
    let trees = [RELEASE, CLAIM].map(|of| story.hand.git(&format!("rev-parse {}^{{tree}}", story.commits[of])));
    story.back_to(0);
    for (tree, of) in trees.iter().zip([RELEASE, CLAIM]) {
        std::fs::write(story.room.path().join("message"), story.message(of)).expect("a file");
        let commit = story.hand.git(&format!("commit-tree {tree} -p HEAD -F ../message"));
        story.hand.git(&format!("reset --quiet --hard {commit}"));
    }
    first_bad(&story, 0, &["not-allowed"]);
    is_refused_by_who_has_seen_it(&story);
}

#[test]
fn a_commit_by_hand_past_the_hook_is_named() {
    let story = Story::new();
    story.hand.ok("hook install");
    story.change(T1, "status", json!("completed"));
    story.hand.git("add squad");
    assert!(story.hand.try_git("commit --quiet -m done").is_err(), "the hook refuses it");
    story.hand.git("commit --quiet --no-verify -m done");
    first_bad(&story, EDIT + 1, &["history-status", "unrecorded-transition"]);
}

#[test]
fn where_addresses_count_an_operation_in_another_name_is_named() {
    let room = Story::blank();
    room.configure(|config| config["policy"] = json!({"identity": "email"}));
    let story = Story::of(Story::tell(&room));
    assert_eq!(story.audit(), (0, vec![]), "squad names the actor as the author");
    std::fs::remove_dir_all(story.room.path().join("judge")).expect("it was made");
    for author in ["aria <aria@squad.invalid>", "scout <mallory@example.test>"] {
        story.back_to(PROGRESS + 1);
        story.hand.git(&format!("commit --quiet --amend --no-edit --no-verify --author '{author}'"));
        story.again(RELEASE..=EDIT);
        first_bad(&story, PROGRESS, &["foreign-actor"]);
        std::fs::remove_dir_all(story.room.path().join("judge")).expect("it was made");
    }
    is_refused_by_who_has_seen_it(&story);
}

#[test]
fn an_operation_that_is_carried_out_again_is_named() {
    // Later, with nothing left to change; and at once, with its words said twice.
    let story = Story::new();
    std::fs::write(story.room.path().join("message"), story.message(COMMENT)).expect("a file");
    story.hand.git("commit --quiet --allow-empty --no-verify --cleanup=verbatim -F ../message");
    first_bad(&story, EDIT + 1, &["done-twice"]);

    let story = Story::new();
    std::fs::write(story.room.path().join("message"), story.message(COMMENT)).expect("a file");
    story.back_to(COMMENT + 1);
    let mut task: Value = serde_json::from_str(&story.hand.read(T2)).expect("it is JSON");
    let said = task["chat"][0].clone();
    task["chat"].as_array_mut().expect("a chat").push(said);
    story.hand.write(T2, serde_json::to_string_pretty(&task).expect("it is plain") + "\n");
    story.hand.git("commit --quiet --all --no-verify --cleanup=verbatim -F ../message");
    story.again(PROGRESS..=NEW);
    first_bad(&story, COMMENT + 1, &["done-twice"]);
    is_refused_by_who_has_seen_it(&story);
}

#[test]
fn a_commit_that_is_dropped_is_missed_by_the_next_that_needs_it() {
    let story = Story::new();
    story.back_to(0);
    // The claim is gone; what aria said needs none of it.
    story.again([COMMENT]);
    let tree = story.hand.git(&format!("rev-parse {}^{{tree}}", story.commits[PROGRESS]));
    std::fs::write(story.room.path().join("message"), story.message(PROGRESS)).expect("a file");
    let commit = story.hand.git(&format!("commit-tree {tree} -p HEAD -F ../message"));
    story.hand.git(&format!("reset --quiet --hard {commit}"));
    story.again(RELEASE..=EDIT);
    first_bad(&story, 1, &["not-allowed"]);
    is_refused_by_who_has_seen_it(&story);
}

#[test]
fn commits_dropped_from_the_end_are_missed_by_whoever_has_seen_them() {
    let story = Story::new();
    story.back_to(PROGRESS + 1);
    assert_eq!(story.audit(), (0, vec![]), "what is left is a history like any other");
    is_refused_by_who_has_seen_it(&story);
}
