//! `selftest`: the whole life of a board with the user's own git and its settings, which leaves nothing anywhere.

use serde_json::{Value, json};

use crate::kit::{Room, hand_task};

fn leftovers(room: &Room) -> usize {
    std::fs::read_dir(room.path().join("tmp")).unwrap().count()
}

#[test]
fn a_life_cycle_passes_and_leaves_nothing_on_the_real_board_or_the_disk() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
    let clone = room.clone_as("olga");
    let before = (room.refs(), clone.git("for-each-ref"), clone.status());
    let answer = clone.ok("selftest");
    let checks = answer["checks"].as_array().unwrap();
    assert!(checks.len() >= 11 && checks.iter().all(|check| check["ok"] == true), "{checks:#?}");
    let steps = answer["steps"].as_array().unwrap();
    let ran = |verb: &str| steps.iter().any(|step| step["command"].as_str().unwrap().starts_with(verb));
    for verb in ["init", "new", "claim", "block", "submit", "approve", "complete", "check", "audit", "doctor"] {
        assert!(ran(verb), "{verb}");
    }
    assert_eq!((room.refs(), clone.git("for-each-ref"), clone.status()), before);
    assert_eq!(leftovers(&room), 0);
}

#[test]
fn settings_of_the_user_are_in_force_and_those_that_others_live_with_are_in_nobodys_way() {
    let room = Room::empty();
    let place = room.at("home");
    let config = room.path().join("users.gitconfig");
    let text = "[user]\n\tname = Ümit\n\temail = u@example.test\n\tuseConfigOnly = true\n[commit]\n\tgpgSign = true\n\
                [init]\n\tdefaultBranch = other\n[core]\n\thooksPath = /nonexistent\n\tautocrlf = true\n\
                [safe]\n\tbareRepository = all\n[push]\n\tdefault = nothing\n[fetch]\n\tprune = true\n\
                [protocol \"file\"]\n\tallow = never\n[squad]\n\tpush = ask\n\tagent = somebody\n";
    std::fs::write(&config, text).unwrap();
    let env = [
        ("GIT_CONFIG_GLOBAL", config.to_str().unwrap()),
        ("GIT_DIR", "/nonexistent"),
        ("SQUAD_AGENT", "mallory"),
        ("SQUAD_EPOCH", "99"),
    ];
    let ran = place.squad_with(&["selftest", "--json"], b"", &env).ok();
    assert_eq!(ran.json()["ok"], true);
    let shown = place.squad_with(&["selftest"], b"", &env).ok();
    assert!(shown.stdout.contains("one holder") && !shown.stdout.contains("BROKEN"), "{shown}");
    assert_eq!(leftovers(&room), 0);
}

#[test]
fn a_setting_that_is_in_the_way_is_found_with_what_to_do_and_nothing_is_left() {
    let room = Room::empty();
    let place = room.at("home");
    let config = room.path().join("users.gitconfig");
    for (text, says) in [
        ("[user]\n\tname = u\n\temail = u@example.test\n[squad]\n\tpush = never\n", "squad.push"),
        ("[user\n\tname = u\n", "bad config"),
    ] {
        std::fs::write(&config, text).unwrap();
        let env = [("GIT_CONFIG_GLOBAL", config.to_str().unwrap())];
        let error: Value = place.squad_with(&["selftest", "--json"], b"", &env).fails(4, "invalid");
        assert!(error["why"].as_str().unwrap().contains(says), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("squad demo"), "{error}");
        assert_eq!(leftovers(&room), 0);
    }
}
