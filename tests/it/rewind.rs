//! A board that was rewritten on the remote: everything stops, a person decides, and nothing is lost in silence.

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, ids};

/// A room with one task, and two clones that have seen it.
fn seen_by_two() -> (Room, Checkout, Checkout) {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"assigned": "scout"})),
        hand_task("t-2", json!({"assigned": "aria"})),
        hand_task("t-3", json!({})),
    ]);
    let (one, two) = (room.clone_as("scout"), room.clone_as("aria"));
    one.ok("list");
    two.ok("list");
    (room, one, two)
}

fn rewind_to(room: &Room, head: &str) {
    room.git(&format!("update-ref refs/heads/main {head}"));
}

fn tip(clone: &Checkout) -> String {
    clone.git("--git-dir=.git/squad/board.git rev-parse refs/squad/tip")
}

fn backups(clone: &Checkout) -> String {
    clone.git("--git-dir=.git/squad/board.git for-each-ref --format=%(refname)=%(objectname) refs/squad/backup")
}

/// Every verb that wants to change something is refused in the same words, and nothing moves.
#[track_caller]
fn stands_still(room: &Room, clone: &Checkout) {
    let before = (room.refs(), tip(clone));
    for line in ["comment t-1 hello", "claim t-2", "claim --next", "new later", "comment t-1 hello --queue"] {
        let error = clone.refused(&format!("{line} --agent aria"), 4, "invalid");
        assert!(error["message"].as_str().unwrap().contains("rewritten"), "{line}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("squad sync --accept-rewind"), "{line}: {error}");
    }
    clone.refused("sync", 4, "invalid");
    assert_eq!((room.refs(), tip(clone)), before);
    assert_eq!(backups(clone), "", "nobody has decided anything");
}

#[test]
fn after_a_rewind_to_an_older_commit_nothing_is_published_until_somebody_accepts_it() {
    let (room, one, _) = seen_by_two();
    let old = room.head();
    one.ok("claim t-1 --agent scout");
    rewind_to(&room, &old);
    stands_still(&room, &one);
}

#[test]
fn readers_go_on_with_the_board_as_it_was_last_confirmed() {
    let (room, one, _) = seen_by_two();
    let old = room.head();
    one.ok("claim t-1 --agent scout");
    let lost = room.head();
    rewind_to(&room, &old);
    for line in ["scan --agent scout --fresh", "list", "show t-1", "status", "next --agent aria"] {
        let answer = one.ok(line);
        assert_eq!(answer["degraded"], true, "{line}: {answer}");
        let cause = answer["cause"].as_str().unwrap();
        assert!(cause.contains("rewritten") && cause.contains(&lost) && cause.contains(&old), "{line}: {cause}");
    }
    assert_eq!(one.ok("show t-1")["task"]["claim"]["agent"], "scout");
}

#[test]
fn accepting_keeps_the_old_head_and_does_again_what_this_clone_had_done() {
    let (room, one, _) = seen_by_two();
    let old = room.head();
    one.ok("claim t-1 --agent scout");
    one.ok("progress t-1 --pct 30 --agent scout");
    one.ok("comment t-2 hello --agent scout");
    let lost = room.head();
    rewind_to(&room, &old);
    let answer = one.ok("sync --accept-rewind");
    let rewind = &answer["rewind"];
    assert_eq!((rewind["old"].as_str(), rewind["new"].as_str()), (Some(&*lost), Some(&*old)), "{answer}");
    assert_eq!((&rewind["commits"], &rewind["more"]), (&json!(3), &json!(false)));
    let undone: Vec<_> = rewind["operations"].as_array().unwrap().iter().map(|o| &o["verb"]).collect();
    assert_eq!(undone, ["claim", "progress", "comment"]);
    assert_eq!(rewind["operations"][0]["task"], "t-1");
    assert_eq!(rewind["operations"][0]["actor"], "scout");
    assert_eq!(rewind["operations"][0]["own"], true);
    let backup = rewind["backup"].as_str().unwrap();
    assert!(backup.starts_with("refs/squad/backup/20") && backup.ends_with(&lost[..10]), "{backup}");
    assert_eq!(backups(&one), format!("{backup}={lost}"));
    assert_eq!(ids(&answer["published"]), ["t-1", "t-1", "t-2"], "{answer}");
    assert_eq!((&answer["lost"], &answer["provisional"]), (&json!([]), &json!([])));
    let task = room.task("t-1");
    assert_eq!((&task["claim"]["agent"], &task["progress"]["percent"]), (&json!("scout"), &json!(30)));
    assert_eq!(room.claims_of("t-1", &old).len(), 1);
    // And life goes on, under the claim that was made again.
    one.ok("comment t-1 'on I go' --agent scout");
    assert_eq!(one.ok("sync")["rewind"], Value::Null);
}

#[test]
fn a_claim_that_was_overtaken_meanwhile_is_lost_and_said_to_be() {
    let (room, one, two) = seen_by_two();
    let old = room.head();
    one.ok("claim t-3 --agent scout");
    rewind_to(&room, &old);
    two.ok("claim t-3 --agent aria");
    let answer = one.ok("sync --accept-rewind");
    assert_eq!((&answer["published"], ids(&answer["lost"])), (&json!([]), vec!["t-3".to_owned()]), "{answer}");
    assert_eq!(answer["lost"][0]["error"]["code"], "lost-race");
    assert_eq!(room.task("t-3")["claim"]["agent"], "aria");
    assert_eq!(one.ok("status")["provisional"], json!([]), "it is not kept to happen later");
    one.refused("progress t-3 --pct 5 --agent scout", 6, "not-holder");
}

#[test]
fn what_others_did_is_named_and_left_to_them() {
    let (room, one, two) = seen_by_two();
    let old = room.head();
    two.ok("claim t-2 --agent aria");
    one.ok("comment t-1 mine --agent scout");
    rewind_to(&room, &old);
    let answer = one.ok("sync --accept-rewind");
    assert_eq!(ids(&answer["published"]), ["t-1"], "{answer}");
    let operations = answer["rewind"]["operations"].as_array().unwrap();
    assert_eq!((&operations[0]["verb"], &operations[0]["own"]), (&json!("claim"), &json!(false)));
    assert_eq!((&operations[1]["verb"], &operations[1]["own"]), (&json!("comment"), &json!(true)));
    assert_eq!(room.task("t-2")["status"], "backlog");
    // The other clone has its own copy of what it did, and its own decision to make.
    assert_eq!(ids(&two.ok("sync --accept-rewind")["published"]), ["t-2"]);
    assert_eq!(room.task("t-2")["claim"]["agent"], "aria");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1), "what came through was not done twice");
}

#[test]
fn a_clone_that_was_behind_sees_no_rewind_at_all() {
    let (room, one, two) = seen_by_two();
    let old = room.head();
    one.ok("comment t-1 lost --agent scout");
    rewind_to(&room, &old);
    two.ok("comment t-1 'what is going on' --agent aria");
    assert_eq!(two.ok("sync")["rewind"], Value::Null);
    stands_still(&room, &one);
}

#[test]
fn another_history_is_accepted_as_a_whole() {
    let (room, one, _) = seen_by_two();
    one.ok("comment t-1 mine --agent scout");
    let lost = room.head();
    let tree = room.git("rev-parse main~1^{tree}");
    let orphan = room.git(&format!("-c user.name=x -c user.email=x@example.test commit-tree -m restored {tree}"));
    rewind_to(&room, &orphan);
    stands_still(&room, &one);
    let answer = one.ok("sync --accept-rewind");
    assert_eq!(answer["rewind"]["old"], lost.as_str());
    let undone = answer["rewind"]["operations"].as_array().unwrap();
    assert_eq!((&undone.last().unwrap()["commit"], &undone.last().unwrap()["own"]), (&json!(lost), &json!(true)));
    assert!(ids(&answer["published"]).contains(&"t-1".to_owned()), "{answer}");
    assert_eq!(room.task("t-1")["chat"][0]["content"], "mine");
    room.git(&format!("merge-base --is-ancestor {orphan} main"));
}

#[test]
fn an_operation_that_was_carried_over_by_hand_is_neither_lost_nor_done_twice() {
    let (room, one, _) = seen_by_two();
    let old = room.head();
    one.ok("comment t-1 kept --agent scout");
    let kept = room.head();
    one.ok("comment t-1 dropped --agent scout");
    // Somebody rebuilds the board: the same change on a commit of another name.
    let message = room.git(&format!("log -1 --format=%B {kept}"));
    std::fs::write(room.path().join("message"), message).unwrap();
    let tree = room.git(&format!("rev-parse {kept}^{{tree}}"));
    let again = room.git(&format!(
        "-c user.name=x -c user.email=x@example.test commit-tree -p {old} -F {} {tree}",
        room.path().join("message").display()
    ));
    rewind_to(&room, &again);
    let answer = one.ok("sync --accept-rewind");
    let operations = answer["rewind"]["operations"].as_array().unwrap();
    assert_eq!((answer["rewind"]["commits"].as_u64(), operations.len()), (Some(2), 1), "{answer}");
    let chat = room.task("t-1")["chat"].clone();
    let said: Vec<_> = chat.as_array().unwrap().iter().map(|m| &m["content"]).collect();
    assert_eq!(said, ["kept", "dropped"]);
}

#[test]
fn what_was_queued_before_the_rewind_is_published_after_it() {
    let (room, one, _) = seen_by_two();
    let old = room.head();
    one.ok("comment t-1 'then' --agent scout");
    one.ok("comment t-1 'from the train' --agent scout --offline --queue");
    rewind_to(&room, &old);
    let answer = one.ok("sync --accept-rewind");
    assert_eq!(answer["published"].as_array().map(Vec::len), Some(2), "{answer}");
    let chat = room.task("t-1")["chat"].clone();
    let said: Vec<_> = chat.as_array().unwrap().iter().map(|m| &m["content"]).collect();
    assert_eq!(said, ["then", "from the train"]);
}

#[test]
fn accepting_where_nothing_was_rewritten_is_a_sync() {
    let (room, one, _) = seen_by_two();
    let answer = one.ok("sync --accept-rewind");
    assert_eq!((answer["head"].as_str(), &answer["rewind"]), (Some(&*room.head()), &Value::Null));
    assert_eq!(backups(&one), "");
}

#[test]
fn a_person_reads_what_was_lost() {
    let (room, one, _) = seen_by_two();
    let old = room.head();
    one.ok("comment t-1 mine --agent scout");
    rewind_to(&room, &old);
    let ran = one.squad("sync --accept-rewind").ok();
    assert!(ran.stdout.contains("rewound 1 commit lost; kept as refs/squad/backup/"), "{ran}");
    assert!(
        ran.stdout.contains("undone comment t-1 by scout") && ran.stdout.contains("published comment t-1"),
        "{ran}"
    );
}

#[test]
fn a_branch_that_was_deleted_is_told_and_never_made_again() {
    let (room, one, two) = seen_by_two();
    let last = room.head();
    room.git("update-ref -d refs/heads/main");
    for line in ["comment t-1 hello", "claim t-2", "new later", "init --agent olga", "init --branch main --agent olga"]
    {
        let error = one.refused(
            &format!("{line} --agent aria").replace("--agent olga --agent aria", "--agent olga"),
            3,
            "not-found",
        );
        assert!(error["hint"].as_str().unwrap().contains("pushed back"), "{line}: {error}");
    }
    one.refused("sync", 3, "not-found");
    one.refused("sync --accept-rewind", 3, "not-found");
    let scan = one.ok("scan --agent scout --fresh");
    assert_eq!((&scan["degraded"], ids(&scan["tasks"])), (&json!(true), vec!["t-1".to_owned()]));
    assert!(scan["cause"].as_str().unwrap().contains("no branch main"), "{scan}");
    assert!(!room.refs().contains("refs/heads/"), "nobody has made it again: {}", room.refs());
    // Pushed back as it was, everything goes on as if nothing had happened.
    rewind_to(&room, &last);
    two.ok("comment t-1 'there it is' --agent aria");
    one.ok("comment t-1 indeed --agent scout");
}

#[test]
fn a_branch_that_was_deleted_and_made_anew_is_a_rewind() {
    let (room, one, _) = seen_by_two();
    let tree = room.git("rev-parse main^{tree}");
    room.git("update-ref -d refs/heads/main");
    let orphan = room.git(&format!("-c user.name=x -c user.email=x@example.test commit-tree -m anew {tree}"));
    rewind_to(&room, &orphan);
    stands_still(&room, &one);
    one.ok("sync --accept-rewind");
    one.ok("comment t-1 hello --agent scout");
}

#[test]
fn where_the_new_head_holds_no_board_what_waits_goes_on_waiting() {
    let (room, one, _) = seen_by_two();
    one.ok("comment t-1 mine --agent scout");
    let lost = room.head();
    let tree = room.git("mktree --missing");
    let orphan = room.git(&format!("-c user.name=x -c user.email=x@example.test commit-tree -m empty {tree}"));
    rewind_to(&room, &orphan);
    let answer = one.ok("sync --accept-rewind");
    assert_eq!(answer["published"], json!([]));
    assert_eq!(answer["lost"], json!([]), "{answer}");
    assert!(!answer["provisional"].as_array().unwrap().is_empty(), "{answer}");
    // The board comes back: what waited finds itself there, and happens once.
    rewind_to(&room, &lost);
    let answer = one.ok("sync --accept-rewind");
    assert_eq!(answer["lost"], json!([]), "{answer}");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1));
    assert_eq!(room.head(), lost);
}
