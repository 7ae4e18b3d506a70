//! `demo`: a whole board played through by the binary itself, which must hold everywhere and leave nothing behind.

use serde_json::Value;

use crate::kit::{Checkout, Room};

/// Makes a folder without any repository, with a temporary folder of its own.
fn nowhere() -> (Room, Checkout) {
    let room = Room::empty();
    let place = room.at("nowhere");
    std::fs::create_dir_all(&place.dir).unwrap();
    std::fs::create_dir_all(room.path().join("tmp")).unwrap();
    (room, place)
}

/// Returns what lies in the temporary folder that the binary is given.
fn leftovers(room: &Room) -> Vec<String> {
    let entries = std::fs::read_dir(room.path().join("tmp")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().unwrap_or_else(|| panic!("no {key} in {answer}"))
}

#[test]
fn every_check_of_the_demo_holds_and_nothing_is_left_behind() {
    let (room, place) = nowhere();
    let answer = place.ok("demo");
    let checks = list(&answer, "checks");
    assert!(checks.len() >= 5, "{checks:#?}");
    assert!(checks.iter().all(|check| check["ok"] == true && check["name"].is_string()), "{checks:#?}");
    assert_eq!(answer["kept"], false);
    assert_eq!(leftovers(&room), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(&place.dir).unwrap().count(), 0, "nothing where it was started either");
}

#[test]
fn the_demo_shows_a_race_a_lock_and_a_refusal_without_proof() {
    let (_room, place) = nowhere();
    let answer = place.ok("demo");
    let ends = |command: &str| -> Vec<i64> {
        let steps = list(&answer, "steps").iter();
        let named = steps.filter(|step| step["command"].as_str().unwrap().starts_with(command));
        named.map(|step| step["exit"].as_i64().unwrap()).collect()
    };
    let mut race = ends("claim login");
    race.sort_unstable();
    assert_eq!(race, [0, 6, 6]);
    assert_eq!(ends("claim session"), [7, 0], "held by a path at first, free after");
    assert_eq!(ends("complete login"), [5, 0], "no proof at first");
    for verb in ["block", "unblock", "submit", "reject", "approve"] {
        assert!(ends(verb).iter().all(|exit| *exit == 0) && !ends(verb).is_empty(), "{verb}: {:?}", ends(verb));
    }
}

#[test]
fn a_demo_in_a_folder_of_ones_own_stays_and_its_receipts_are_in_the_remote() {
    let (room, place) = nowhere();
    let answer = place.ok("demo played");
    assert_eq!(answer["kept"], true);
    let remote = place.below("played/remote.git");
    let there = remote.git("log --reverse --format=%H --grep=^Squad-Op: main");
    let told: Vec<&str> = list(&answer, "receipts").iter().map(|receipt| receipt["commit"].as_str().unwrap()).collect();
    assert_eq!(told, there.lines().collect::<Vec<_>>());
    assert_eq!(leftovers(&room), Vec::<String>::new());
    let again = place.json("demo played").fails(2, "usage");
    assert!(again["message"].as_str().unwrap().contains("not empty"), "{again}");
}

#[test]
fn the_demo_knows_nothing_of_the_users_identity_or_environment() {
    let (room, place) = nowhere();
    let config = room.path().join("hostile.gitconfig");
    let text = "[user]\n\tname = Mallory\n\temail = mallory@example.test\n\tuseConfigOnly = true\n\
                [commit]\n\tgpgSign = true\n[init]\n\tdefaultBranch = other\n[core]\n\thooksPath = /nonexistent\n\
                [url \"https://example.test/\"]\n\tinsteadOf = /\n";
    std::fs::write(&config, text).unwrap();
    let env = [
        ("GIT_CONFIG_GLOBAL", config.to_str().unwrap()),
        ("GIT_DIR", "/nonexistent"),
        ("GIT_AUTHOR_NAME", "Mallory"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "user.name"),
        ("GIT_CONFIG_VALUE_0", "Mallory"),
        ("SQUAD_AGENT", "mallory"),
        ("SQUAD_EPOCH", "99"),
    ];
    let ran = place.squad_with(&["demo", "played"], b"", &env).ok();
    assert!(!ran.stdout.contains("BROKEN"), "{ran}");
    let log = place.below("played/remote.git").git("log --format='%an %cn' main");
    assert!(!log.to_lowercase().contains("mallory"), "{log}");
}

#[test]
fn the_story_fits_on_a_page() {
    let (_room, place) = nowhere();
    let ran = place.squad("demo").ok();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!((25..=38).contains(&lines.len()), "{} lines: {ran}", lines.len());
    assert!(lines.iter().all(|line| line.chars().count() <= 140), "{ran}");
    assert!(!ran.stdout.contains("BROKEN") && ran.stdout.contains("lost update"), "{ran}");
    assert_eq!(ran.stderr, "");
}
