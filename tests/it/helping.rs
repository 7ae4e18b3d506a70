//! Announce and help on real git: what one clone has announced, another carries out; what nobody may, nobody does.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::kit::{Checkout, Room, hand_task, words};

fn room() -> Room {
    Room::with_tasks(&[hand_task("t-1", json!({})), hand_task("t-2", json!({})), hand_task("t-3", json!({}))])
}

/// A clone that has published before, so that it announces.
fn announcing(room: &Room, name: &str) -> Checkout {
    let clone = room.clone_as(name);
    clone.ok(&format!("comment t-3 'I am {name}' --agent {name}"));
    clone
}

/// Lets the board refuse one push, and the outboxes none.
fn refuse_the_board_once(room: &Room) {
    room.hook("update", "[ \"$1\" = refs/heads/main ] || exit 0\nmkdir refused 2>/dev/null && exit 1\nexit 0");
}

/// Lets a clone announce, and die before it can do more.
fn announce_and_die(room: &Room, clone: &Checkout, line: &str) {
    refuse_the_board_once(room);
    let ran = clone.squad_with(&words(line), b"", &[("SQUAD_FAIL_POINT", "pushed")]).0;
    assert_eq!(ran.code, -1, "{ran}");
    assert!(room.remote().join("refused").is_dir(), "the push came to the remote");
}

/// Puts a text where a clone would announce.
fn plant(room: &Room, clone: &str, text: &str) {
    let file = room.path().join("planted");
    std::fs::write(&file, text).expect("a file");
    let who = "-c user.name=hand -c user.email=hand@example.test";
    let tree = room.git("hash-object -t tree -w --stdin");
    let commit = room.git(&format!("{who} commit-tree {tree} -F {}", file.display()));
    room.git(&format!("update-ref refs/squad/outbox/{clone} {commit}"));
}

/// Returns how many clones have announced anything on the remote.
fn outboxes(room: &Room) -> usize {
    room.refs().lines().filter(|line| line.starts_with("refs/squad/outbox/")).count()
}

fn operation(room: &Room, id: &str, actor: &str, verb: &str, args: &Value) -> String {
    let head = room.head();
    json!({"id": id, "verb": verb, "args": args, "task": "t-1", "actor": actor,
        "basis": {"head": head, "epoch": 0}, "at": 1_795_000_000_000_i64})
    .to_string()
}

#[test]
fn what_a_dead_process_has_announced_another_clone_carries_out() {
    let room = room();
    let (scout, aria) = (announcing(&room, "scout"), announcing(&room, "aria"));
    let base = room.head();
    announce_and_die(&room, &scout, "claim t-1 --agent scout --plan p");
    assert_eq!(room.task("t-1")["status"], "backlog");
    aria.ok("claim t-2 --agent aria");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout", "aria's push has carried it along");
    let answer = scout.ok("claim t-1 --agent scout --plan p");
    let claims = room.claims_of("t-1", &base);
    assert_eq!(claims.len(), 1, "{claims:#?}");
    assert_eq!(answer["receipt"]["commit"], claims[0].oid.as_str(), "and its owner finds the receipt");
    assert_eq!(aria.ok("audit")["violations"], json!([]));
}

#[test]
fn what_brings_a_backup_back_is_carried_out_by_others_who_fetch_the_history_that_they_lack() {
    for (depth, commits) in [("", 0), ("--depth=1 ", 0), ("--depth=1 ", 1100)] {
        let room = room();
        let olga = announcing(&room, "olga");
        olga.ok("backup early");
        olga.ok("edit t-1 --title 'Moved on'");
        room.put_code(commits);
        let helpers = ["aria", "vault"].map(|name| {
            let clone = room.clone_with(name, &format!("{depth}{}", room.remote_url()));
            clone.ok(&format!("comment t-3 'I am {name}' --agent {name}"));
            clone
        });
        let (base, title) = (room.head(), room.task("t-1")["title"].clone());
        announce_and_die(&room, &olga, "backup restore early");
        helpers[0].ok("claim t-2 --agent aria");
        assert_ne!(room.task("t-1")["title"], title, "{depth}{commits}");
        helpers[1].ok("claim t-3 --agent vault");
        let answer = olga.ok("backup restore early");
        let restores = room.commits_since(&base).into_iter().filter(|c| c.subject.starts_with("squad(backup-restore)"));
        let restores: Vec<_> = restores.map(|commit| commit.oid).collect();
        assert_eq!(restores, [answer["receipt"]["commit"].as_str().unwrap()], "once");
        assert!(!room.git("log --format=%B main").contains("Squad-Refused"), "nobody has said no to it");
        for clone in helpers.iter().chain([&olga]) {
            assert_eq!(clone.ok("audit")["violations"], json!([]));
        }
    }
}

#[test]
fn an_announced_claim_that_lost_is_refused_with_winner_and_commit() {
    let room = room();
    let (scout, aria) = (announcing(&room, "scout"), announcing(&room, "aria"));
    announce_and_die(&room, &scout, "claim t-1 --agent scout --plan p");
    // Somebody who knows nothing of outboxes takes the task by hand.
    let mut task = room.task("t-1");
    task["status"] = json!("in-progress");
    task["assigned"] = json!("vault");
    task["epoch"] = json!(1);
    task["claim"] = json!({"agent": "vault", "epoch": 1, "at": crate::kit::now_ms(), "leaseSeconds": 900});
    room.put_tasks(&[task]);
    aria.ok("claim t-2 --agent aria");
    let error = scout.refused("claim t-1 --agent scout --plan p", 6, "lost-race");
    assert_eq!(error["holder"], "vault", "{error}");
    assert_eq!(room.task("t-1")["claim"]["agent"], "vault");
    assert_eq!(scout.ok("status")["provisional"], json!([]));
}

#[test]
fn a_refusal_that_a_later_board_could_lift_stands_on_the_board_before_it_is_told() {
    let room = Room::with_tasks(&[
        hand_task("t-1", json!({"files": ["src/core"]})),
        hand_task("t-2", json!({"files": ["src/core"]})),
        hand_task("t-3", json!({})),
    ]);
    let (scout, aria) = (announcing(&room, "scout"), announcing(&room, "aria"));
    announce_and_die(&room, &scout, "claim t-1 --agent scout --plan p");
    // The path is taken by hand, so that nobody has helped yet.
    let mut task = room.task("t-2");
    task["status"] = json!("in-progress");
    task["assigned"] = json!("vault");
    room.put_tasks(&[task]);
    let error = scout.refused("claim t-1 --agent scout --plan p", 7, "path-locked");
    assert_eq!(error["conflicts"][0]["task"], "t-2", "{error}");
    let witness = room.git("log -1 --format=%B main");
    assert!(witness.contains("Squad-Refused: ") && witness.contains(" path-locked"), "{witness}");
    // The path is free again, and scout's outbox may still hold the claim: nobody makes it now.
    let mut task = room.task("t-2");
    task["status"] = json!("backlog");
    room.put_tasks(&[task]);
    aria.ok("comment t-3 hello --agent aria");
    assert_eq!(room.task("t-1")["status"], "backlog", "what was told not to happen does not happen");
}

#[test]
fn announcements_that_are_malformed_foreign_or_too_much_stop_nobody() {
    let room = room();
    let aria = announcing(&room, "aria");
    let good = operation(&room, "01ARYZ6S410000000000000001", "scout", "comment", &json!({"text": "planted"}));
    let texts: Vec<(&str, String)> = vec![
        ("garbage", "hello".to_owned()),
        ("empty", "squad outbox empty 1\n\n".to_owned()),
        ("half", "squad outbox half 1\n\n{\"id\":".to_owned()),
        ("newer", format!("squad outbox newer 1\n\n{}\n", good.replace("\"comment\"", "\"teleport\""))),
        (
            "stranger",
            format!("squad outbox stranger 1\n\n{}\n", good.replace("scout", "mallory").replace("0001", "0002")),
        ),
        ("elsewhere", format!("squad outbox elsewhere 1\n\n{}\n", good.replace(&room.head(), &"0".repeat(40)))),
        ("huge", format!("squad outbox huge 1\n\n{}", "x".repeat(300 * 1024))),
        ("many", format!("squad outbox many 1\n\n{}", format!("{good}\n").repeat(40))),
    ];
    for (name, text) in &texts {
        plant(&room, name, text);
    }
    let blob = room.git("hash-object -w HEAD");
    room.git(&format!("update-ref refs/squad/outbox/blob {blob}"));
    for n in 0..3 {
        let answer = aria.ok(&format!("comment t-2 'still here {n}' --agent aria"));
        assert_eq!(answer["pushes"], 1, "{answer}");
    }
    assert_eq!(room.task("t-1")["chat"], json!([]), "nothing of it was carried out");
    plant(&room, "lawful", &format!("squad outbox lawful 1\n\n{good}\n"));
    aria.ok("comment t-2 'and now' --agent aria");
    assert_eq!(room.task("t-1")["chat"][0]["content"], "planted", "what is lawful is");
    aria.ok("comment t-2 'once more' --agent aria");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1), "once");
    aria.ok("check");
}

#[test]
fn an_operation_of_somebody_who_may_not_is_never_carried_out() {
    let room = room();
    let aria = announcing(&room, "aria");
    let cancel = operation(&room, "01ARYZ6S410000000000000003", "scout", "cancel", &json!({"reason": "mine"}));
    plant(&room, "eager", &format!("squad outbox eager 1\n\n{cancel}\n"));
    aria.ok("comment t-2 hello --agent aria");
    assert_eq!(room.task("t-1")["status"], "backlog");
    let witness = room.git("log -1 --format=%B main");
    assert!(witness.contains("Squad-Refused: 01ARYZ6S410000000000000003 not-permitted"), "{witness}");
    assert_eq!(aria.ok("audit")["violations"], json!([]));
    let log = aria.ok("log --failed");
    let refused = &log["refusals"][0];
    assert_eq!((&refused["op"], &refused["code"]), (&json!("01ARYZ6S410000000000000003"), &json!("not-permitted")));
    assert_eq!((&refused["commit"], &log["receipts"]), (&json!(room.head()), &json!([])));
    let text = aria.squad("log --failed").ok().stdout;
    assert!(text.contains("01ARYZ6S410000000000000003 refused: not-permitted"), "{text}");
}

#[test]
fn a_recovery_that_is_carried_out_for_another_is_counted_and_tells_nobody_here() {
    let room = room();
    let aria = announcing(&room, "aria");
    aria.ok("claim t-1 --agent scout");
    let args = json!({"trigger": "unstarted", "seen": "no sign of life"});
    let recover = operation(&room, "01ARYZ6S410000000000000004", "knox", "recover", &args);
    let recover = recover.replace("\"epoch\":0", "\"epoch\":1");
    plant(&room, "eager", &format!("squad outbox eager 1\n\n{recover}\n"));
    aria.git("config squad.notify 'cat > told'");
    aria.ok("comment t-2 hello --agent aria");
    assert_eq!(room.task("t-1")["status"], "backlog");
    assert!(!aria.dir.join("told").exists(), "whoever made the change tells of it");
    let log = aria.ok("log --failed");
    let found = &log["receipts"][0];
    assert_eq!((&found["verb"], &found["trigger"]), (&json!("recover"), &json!("unstarted")), "{log}");
    assert_eq!(found["error"], "no sign of life");
    let stats = aria.ok("stats");
    assert_eq!((&stats["disconnects"], &stats["recoveries"]["unstarted"]), (&json!(1), &json!(1)), "{stats}");
    assert_eq!(stats["running"], 0, "{stats}");
}

#[test]
fn an_operation_that_the_remote_will_not_have_is_taken_back_and_is_in_nobody_s_way() {
    let room = room();
    let (scout, aria) = (announcing(&room, "scout"), announcing(&room, "aria"));
    // A remote that looks into the files, as one that searches for secrets does.
    room.hook(
        "update",
        "[ \"$1\" = refs/heads/main ] || exit 0\ngit diff \"$2\" \"$3\" | grep -q '^+.*hunter2' && { echo 'a secret' >&2; exit 1; }\nexit 0",
    );
    let error = scout.refused("comment t-1 'the password is hunter2' --agent scout", 8, "remote-refused");
    assert!(error.to_string().contains("a secret"), "{error}");
    let witness = room.git("log -1 --format=%B main");
    assert!(witness.contains(" remote-refused"), "{witness}");
    assert_eq!(scout.ok("status")["provisional"], json!([]));
    let answer = aria.ok("comment t-2 hello --agent aria");
    assert_eq!(answer["pushes"], 1, "nobody stumbles over it: {answer}");
    std::fs::remove_file(room.remote().join("hooks/update")).expect("the hook");
    aria.ok("comment t-2 'and again' --agent aria");
    assert_eq!(room.task("t-1")["chat"], json!([]), "and it does not come back");
}

#[test]
fn outboxes_go_where_the_board_says() {
    let room = room();
    let before = outboxes(&room);
    room.configure(|config| config["refs"] = json!({"namespace": "refs/heads/zz-squad"}));
    let (scout, aria) = (announcing(&room, "scout"), announcing(&room, "aria"));
    scout.ok("comment t-1 one --agent scout");
    let refs = room.refs();
    assert!(refs.contains("refs/heads/zz-squad/outbox/"), "{refs}");
    assert_eq!(outboxes(&room), before, "and nowhere else: {refs}");
    announce_and_die(&room, &scout, "claim t-1 --agent scout --plan p");
    aria.ok("claim t-2 --agent aria");
    assert_eq!(room.task("t-1")["claim"]["agent"], "scout", "and help comes from there");
}

#[test]
fn a_remote_that_takes_no_outboxes_is_asked_once_and_works_all_the_same() {
    let room = room();
    room.hook(
        "update",
        "case \"$1\" in refs/heads/*) exit 0 ;; *) echo x >> asked; echo 'branches only' >&2; exit 1 ;; esac",
    );
    let clone = announcing(&room, "scout");
    for n in 0..3 {
        clone.ok(&format!("comment t-1 'number {n}' --agent scout"));
    }
    let asked = std::fs::read_to_string(room.remote().join("asked")).unwrap_or_default().lines().count();
    assert_eq!(asked, 1, "it is remembered");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_copied_clone_is_another_clone_and_publishes_nothing_of_the_original() {
    let room = room();
    let before = outboxes(&room);
    let scout = announcing(&room, "scout");
    scout.ok("comment t-3 'announced' --agent scout");
    scout.ok("comment t-1 'queued in the original' --agent scout --offline --queue");
    let copy = scout.dir.parent().expect("a parent").join("copy");
    let done = std::process::Command::new("cp").arg("-a").arg(&scout.dir).arg(&copy).status().expect("cp runs");
    assert!(done.success());
    let copy = scout.below("../copy");
    copy.ok("comment t-2 'from the copy' --agent aria");
    copy.ok("comment t-2 'and again' --agent aria");
    assert_eq!(room.task("t-1")["chat"], json!([]), "what the original has queued is the original's");
    scout.ok("sync");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1));
    assert_eq!(outboxes(&room), before + 2, "{}", room.refs());
}

/// Puts so many commits on the board, each made by hand.
fn many_commits(room: &Room, count: usize) {
    let mut stream = String::new();
    for n in 0..count {
        use std::fmt::Write as _;
        let text = format!("{n}\n");
        let from = if n == 0 { "from refs/heads/main^0\n" } else { "" };
        let _ = write!(
            stream,
            "commit refs/heads/main\ncommitter Hand <hand@example.test> {} +0000\ndata 2\nx\n{from}M 100644 inline log.txt\ndata {}\n{text}\n",
            1_795_300_000 + n,
            text.len()
        );
    }
    stream.push_str("done\n");
    room.import(&stream);
}

#[test]
fn a_clone_that_slept_while_thousands_of_commits_landed_settles_what_it_had_queued() {
    let room = room();
    let scout = announcing(&room, "scout");
    scout.ok("comment t-1 'before I slept' --agent scout --offline --queue");
    many_commits(&room, 9_000);
    let synced = scout.ok("sync");
    assert_eq!(synced["published"].as_array().map(Vec::len), Some(1), "{synced}");
    assert_eq!(room.task("t-1")["chat"][0]["content"], "before I slept");
    scout.ok("claim t-1 --agent scout --plan p");
}

#[test]
fn what_was_asked_for_ten_thousand_commits_ago_is_not_done_any_more() {
    let room = room();
    let scout = announcing(&room, "scout");
    scout.ok("comment t-1 'before I slept' --agent scout --offline --queue");
    many_commits(&room, 10_001);
    let synced = scout.ok("sync");
    assert_eq!(synced["lost"].as_array().map(Vec::len), Some(1), "{synced}");
    assert_eq!(synced["lost"][0]["error"]["code"], "stale-epoch", "{synced}");
    assert_eq!(room.task("t-1")["chat"], json!([]));
    assert_eq!(scout.ok("status")["provisional"], json!([]));
}

#[test]
fn clocks_that_are_years_off_change_no_decision() {
    let room = room();
    let clone = announcing(&room, "scout");
    let base = room.head();
    // Both tasks were last changed far in the future and in the past.
    let (mut late, mut early) = (room.task("t-1"), room.task("t-2"));
    late["updatedAt"] = json!(4_102_444_800_000_i64);
    early["updatedAt"] = json!(1_000);
    early["createdAt"] = json!(1_000);
    room.put_tasks(&[late, early]);
    let by_hand = room.head();
    let aria = room.clone_as("aria");
    clone.ok("claim t-1 --agent scout --plan p");
    aria.refused("claim t-1 --agent aria", 6, "lost-race");
    aria.ok("claim t-2 --agent aria");
    assert_eq!(room.claims_of("t-1", &base).len(), 1);
    assert_eq!(aria.ok(&format!("audit --since {by_hand}"))["violations"], json!([]));
}
