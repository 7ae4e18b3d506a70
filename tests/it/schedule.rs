//! `schedule`: the user's timer wakes each agent at minutes of its own, and nobody else's lines are touched.
//!
//! The `crontab` and the `systemctl` here are scripts that keep a file and a list: those of the machine are left alone.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::kit::{Checkout, Ran, Room, hand_task, race, strings, words};

/// As crontab(1) of cronie behaves, over a file in the home folder.
const CRONTAB: &str = r#"#!/bin/sh
case "$1" in
-l) [ -e "$HOME/crontab" ] || { echo "no crontab for somebody" >&2; exit 1; }; cat "$HOME/crontab" ;;
-r) rm "$HOME/crontab" ;;
-) echo x >>"$HOME/writes"; cat >"$HOME/new" && mv "$HOME/new" "$HOME/crontab" ;;
*) exit 2 ;;
esac
"#;

/// Lines of somebody else, as people write them.
const ALIEN: &str = "# mine\nMAILTO=\"\"\n5 4 * * sun  backup --to '/var/b' && date +\\%F >>/tmp/x\t\n@reboot  start\n";

struct Stage {
    room: Room,
    clone: Checkout,
    path: String,
}

impl Stage {
    fn new() -> Self {
        Self::with_clone("olga")
    }

    fn with_clone(folder: &str) -> Self {
        let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "scout"}))]);
        room.clone_with("olga", "remote.git");
        let from = room.path().join("olga");
        let clone = room.at(folder);
        if clone.dir != from {
            std::fs::rename(&from, &clone.dir).unwrap();
        }
        let bin = room.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let systemctl =
            "#!/bin/sh\n[ ! -e \"$HOME/no-bus\" ] || { echo no bus >&2; exit 1; }\necho \"$@\" >>\"$HOME/systemctl\"\n";
        for (name, script) in [("crontab", CRONTAB), ("systemctl", systemctl)] {
            std::fs::write(bin.join(name), script).unwrap();
            std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Self { room, clone, path }
    }

    fn run(&self, line: &str) -> Ran {
        self.clone.squad_with(&words(&format!("schedule {line} --json")), b"", &[("PATH", &self.path)]).0
    }

    #[track_caller]
    fn ok(&self, line: &str) -> Value {
        let ran = self.run(line);
        assert_eq!(ran.code, 0, "{ran}");
        ran.json()
    }

    #[track_caller]
    fn refused(&self, line: &str, exit: i32) -> Value {
        let ran = self.run(line);
        assert_eq!(ran.code, exit, "{ran}");
        ran.json()["error"].clone()
    }

    fn home(&self, name: &str) -> PathBuf {
        self.room.path().join("home").join(name)
    }

    fn crontab(&self) -> Option<String> {
        std::fs::read_to_string(self.home("crontab")).ok()
    }

    fn set_crontab(&self, text: &str) {
        std::fs::write(self.home("crontab"), text).unwrap();
    }

    fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.clone.dir.join(".git/squad/schedule")).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn states(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    answer["entries"].as_array().unwrap().iter().map(|e| (text(&e["agent"]), text(&e["state"]))).collect()
}

#[test]
fn each_agent_of_the_roster_is_woken_four_times_an_hour_at_minutes_of_its_own() {
    let stage = Stage::new();
    let answer = stage.ok("print");
    let entries = answer["entries"].as_array().unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry["agent"].as_str().unwrap()).collect();
    assert_eq!(names, ["scout", "aria", "vault", "knox", "sterling", "hex"], "and the person is not woken");
    let all: Vec<u64> =
        entries.iter().flat_map(|entry| entry["minutes"].as_array().unwrap()).map(|m| m.as_u64().unwrap()).collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (24, 24), "{all:?}");
    let text = stage.clone.squad_with(&words("schedule print"), b"", &[("PATH", &stage.path)]).ok().stdout;
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 6, "{text}");
    assert_eq!(stage.crontab(), None, "and nothing is installed");
    let one = stage.ok("print --only ARIA --run");
    assert_eq!(one["entries"][0]["minutes"], json!([2, 17, 32, 47]), "the same minutes as among all");
    assert!(one["entries"][0]["line"].as_str().unwrap().contains(" run --once --agent aria "), "{one}");
    stage.refused("print --only nobody", 9);
    stage.refused("print --only olga", 4);
}

#[test]
fn five_hundred_tasks_add_no_entry() {
    let stage = Stage::new();
    let before = stage.ok("print")["entries"].clone();
    let tasks: Vec<Value> = (0..500).map(|n| hand_task(&format!("many-{n}"), json!({"assigned": "scout"}))).collect();
    stage.room.put_tasks(&tasks);
    stage.clone.ok("sync");
    assert_eq!(stage.ok("print")["entries"], before);
}

#[test]
fn the_interval_is_that_of_the_board() {
    let stage = Stage::new();
    stage.room.configure(|config| config["timing"] = json!({"wakeMinutes": 30}));
    stage.clone.ok("sync");
    assert_eq!(stage.ok("print")["entries"][0]["minutes"], json!([0, 30]));
    stage.room.configure(|config| config["timing"] = json!({"wakeMinutes": 3}));
    stage.clone.ok("sync");
    let crowded = stage.ok("print");
    assert!(strings(&crowded["warnings"])[0].contains("more agents than minutes"), "{crowded}");
}

#[test]
fn foreign_lines_are_the_same_bytes_after_install_again_and_after_uninstall() {
    for alien in [ALIEN, ALIEN.trim_end(), "", "\n\n", "# squad: begin other\n1 * * * * x\n# squad: end other\n"] {
        let stage = Stage::new();
        stage.set_crontab(alien);
        let first = stage.ok("install");
        assert_eq!(first["changed"], true);
        let installed = stage.crontab().unwrap();
        assert!(installed.starts_with(alien), "{installed}");
        let ours = installed.strip_prefix(alien).unwrap().trim_start_matches('\n');
        assert_eq!((ours.lines().count(), ours.matches("heartbeat --agent").count()), (8, 6), "{ours}");
        let former = first["former"].as_str().unwrap().replace("[ROOT]", &stage.room.path().display().to_string());
        assert_eq!(std::fs::read_to_string(former).unwrap(), alien, "what was there is kept");

        assert_eq!(stage.ok("install")["changed"], false);
        assert_eq!(stage.crontab().as_deref(), Some(installed.as_str()));
        assert_eq!(std::fs::read_to_string(stage.home("writes")).unwrap(), "x\n", "not even written again");

        assert_eq!(stage.ok("uninstall --dry-run")["changed"], false);
        assert_eq!(stage.crontab().as_deref(), Some(installed.as_str()));
        assert_eq!(stage.ok("uninstall")["changed"], true);
        assert_eq!(stage.crontab().as_deref(), Some(alien));
        assert_eq!(stage.ok("uninstall")["changed"], false);
    }
}

#[test]
fn where_there_was_no_crontab_there_is_none_after() {
    let stage = Stage::new();
    stage.ok("install");
    assert!(stage.crontab().is_some());
    assert_eq!(stage.kept().len(), 1);
    stage.ok("uninstall");
    assert_eq!(stage.crontab(), None);
}

#[test]
fn what_somebody_adds_meanwhile_stays_where_it_is() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    stage.ok("install");
    let grown = format!("0 0 * * * before\n{}7 7 * * * after\n", stage.crontab().unwrap());
    stage.set_crontab(&grown);
    stage.ok("install --only scout");
    let text = stage.crontab().unwrap();
    assert!(text.starts_with(&format!("0 0 * * * before\n{ALIEN}# squad: begin ")), "{text}");
    assert!(text.ends_with("\n7 7 * * * after\n") && text.matches("--agent").count() == 1, "{text}");
    stage.ok("uninstall");
    assert_eq!(stage.crontab().unwrap(), format!("0 0 * * * before\n{ALIEN}7 7 * * * after\n"));
}

#[test]
fn two_clones_have_a_block_each() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    stage.ok("install --only scout");
    let first = stage.crontab().unwrap();
    let other = Stage { clone: stage.room.clone_as("aria"), path: stage.path.clone(), room: stage.room };
    other.clone.git("config squad.agent aria");
    other.ok("install --only aria");
    assert!(other.crontab().unwrap().starts_with(&first));
    assert_eq!(states(&other.ok("status")), [("aria".to_owned(), "ok".to_owned())], "each sees its own");
    other.ok("uninstall");
    assert_eq!(other.crontab().unwrap(), first);
}

#[test]
fn clones_that_install_at_once_lose_nothing_of_each_other() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    // Long enough for another to come between what was read and what is written.
    let slow = CRONTAB.replace("-) ", "-) sleep 0.5; ");
    std::fs::write(stage.room.path().join("bin/crontab"), slow).unwrap();
    let clones = ["aria", "vault", "knox"].map(|name| {
        let clone = stage.room.clone_as(name);
        clone.git(&format!("config squad.agent {name}"));
        clone
    });
    race(clones.len(), |n| {
        let line = words("schedule install --only scout --json");
        clones[n].squad_with(&line, b"", &[("PATH", &stage.path)]).ok();
    });
    let crontab = stage.crontab().unwrap();
    assert!(crontab.starts_with(ALIEN), "{crontab}");
    for clone in &clones {
        let path = clone.dir.display().to_string();
        assert_eq!(crontab.lines().filter(|line| line.contains(&path)).count(), 1, "{crontab}");
    }
}

#[test]
fn a_log_of_wakes_that_has_grown_too_large_is_put_away() {
    let stage = Stage::new();
    let log = |name: &str| stage.clone.dir.join(".git/squad/log").join(name);
    stage.clone.write(".git/squad/log/scout.log", vec![b'x'; (1 << 20) + 1]);
    stage.clone.write(".git/squad/log/aria.log", "short");
    stage.clone.ok("heartbeat --agent olga");
    assert!(!log("scout.log").exists() && log("scout.log.1").exists());
    assert!(log("aria.log").exists(), "one that is small goes on");
}

#[test]
fn while_doctor_fails_nothing_is_installed() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    stage.room.put(&[("squad/squad.json", Some("{ broken"))]);
    for line in ["install", "install --dry-run", "install --format systemd"] {
        let error = stage.refused(line, 4);
        assert!(error["why"].as_str().unwrap().contains("board"), "{error}");
        assert!(error["checks"].as_array().unwrap().iter().any(|check| check["state"] == "failed"), "{error}");
    }
    assert_eq!(stage.crontab().as_deref(), Some(ALIEN));
    assert_eq!((stage.kept(), stage.home(".config").exists()), (Vec::new(), false));
}

#[test]
fn a_dry_run_shows_the_lines_and_touches_nothing() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    let answer = stage.ok("install --dry-run");
    let diff = answer["files"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("\n+# squad: begin ") && !diff.contains("\n-"), "{diff}");
    assert_eq!((stage.crontab().as_deref(), stage.kept().len()), (Some(ALIEN), 0));
}

#[test]
fn status_lists_the_lines_of_this_clone_alone_and_what_has_changed_since() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    let none = stage.ok("status");
    assert!(states(&none).is_empty() && none["drift"] == false && none["notScheduled"].as_array().unwrap().len() == 6);
    stage.ok("install");
    let all = stage.ok("status");
    assert_eq!(states(&all).len(), 6);
    assert!(states(&all).iter().all(|(_, state)| state == "ok") && all["drift"] == false, "{all}");
    let text = stage.crontab().unwrap();
    let moved = text.replacen("\n0,15,30,45 * * * * cd", "\n1,2 * * * * cd", 1);
    stage.set_crontab(&moved.replacen("# squad: end", "9 9 * * * evil\n# squad: end", 1));
    let drifted = stage.ok("status");
    assert_eq!((&states(&drifted)[0].1, &states(&drifted)[1].1), (&"changed".to_owned(), &"ok".to_owned()));
    assert_eq!(states(&drifted)[6], ("-".to_owned(), "extra".to_owned()), "{drifted}");
    assert_eq!((&drifted["entries"][0]["minutes"], &drifted["drift"]), (&json!([1, 2]), &json!(true)));
    stage.ok("install");
    assert_eq!(stage.crontab().unwrap(), text, "and install puts it right");
    stage.clone.ok("agents remove vault");
    let left = stage.ok("status");
    assert_eq!(states(&left)[2], ("vault".to_owned(), "extra".to_owned()), "{left}");
}

#[test]
fn damaged_marks_are_left_to_their_owner() {
    let stage = Stage::new();
    stage.ok("install");
    let text = stage.crontab().unwrap();
    let end = text.lines().last().unwrap().to_owned();
    stage.set_crontab(&text.replace(&end, ""));
    let before = stage.crontab();
    for line in ["install", "uninstall", "status"] {
        let error = stage.refused(line, 4);
        assert!(error["message"].as_str().unwrap().contains("damaged"), "{error}");
    }
    assert_eq!(stage.crontab(), before);
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let stage = Stage::new();
    stage.set_crontab(ALIEN);
    std::fs::write(stage.room.path().join("bin/crontab"), "#!/bin/sh\necho you may not use this program >&2\nexit 1\n")
        .unwrap();
    let error = stage.refused("install", 1);
    assert!(error["why"].as_str().unwrap().contains("may not"), "{error}");
    assert_eq!(strings(&stage.ok("status")["warnings"]).len(), 1);
    assert_eq!(stage.crontab().as_deref(), Some(ALIEN));
}

/// The line is run as cron runs it, in a clone whose name tries to be more than one.
#[test]
fn a_line_does_in_the_clone_what_it_says_whatever_the_clone_is_called() {
    let stage = Stage::with_clone("it's 100% $(touch evil) \"x\"; touch evil #");
    let line = stage.run("print --only scout").json()["entries"][0]["line"].as_str().unwrap().to_owned();
    let line = line.replace("[ROOT]", &stage.room.path().canonicalize().unwrap().display().to_string());
    let command = line.splitn(6, ' ').nth(5).unwrap().replace("\\%", "%").replace("heartbeat", "scan");
    let mut shell = stage.clone.command("sh");
    let output = shell.arg("-c").arg(&command).current_dir("/").output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{command}: {output:?}");
    let log = stage.clone.read(".git/squad/log/scout.log");
    assert!(log.contains("t-1"), "{log}");
    let evil = walkdir::WalkDir::new(stage.room.path()).into_iter().flatten().find(|e| e.file_name() == "evil");
    assert!(evil.is_none(), "{evil:?}");
}

#[test]
fn systemd_gets_a_service_and_a_timer_for_each_and_loses_them_again() {
    let stage = Stage::new();
    let answer = stage.ok("install --format systemd --only scout --only aria");
    assert_eq!((answer["changed"].as_bool(), answer["byHand"].is_null()), (Some(true), true), "{answer}");
    let folder = stage.home(".config/systemd/user");
    std::fs::write(folder.join("squad-other.timer"), "theirs").unwrap();
    let names = || {
        let entries = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        entries.filter(|name| name != "squad-other.timer").collect::<BTreeSet<_>>()
    };
    assert_eq!(names().len(), 4);
    let timer = names().into_iter().find(|name| name.ends_with("-aria.timer")).unwrap();
    let text = std::fs::read_to_string(folder.join(&timer)).unwrap();
    assert!(text.contains("\nOnCalendar=*-*-* *:02,17,32,47:00\n") && text.contains("\nPersistent=true\n"), "{text}");
    let asked = std::fs::read_to_string(stage.home("systemctl")).unwrap();
    assert!(asked.starts_with("--user daemon-reload\n--user enable ") && asked.contains(&timer), "{asked}");
    assert_eq!(stage.ok("install --format systemd --only scout --only aria")["changed"], false);
    assert_eq!(states(&stage.ok("status")).len(), 2);
    std::fs::write(folder.join(&timer), text.replace("02,", "03,")).unwrap();
    let drifted = stage.ok("status");
    assert_eq!(states(&drifted)[0], ("aria".to_owned(), "changed".to_owned()), "{drifted}");
    stage.ok("uninstall");
    assert_eq!(names(), BTreeSet::new());
    assert_eq!(std::fs::read_to_string(folder.join("squad-other.timer")).unwrap(), "theirs");
    assert!(std::fs::read_to_string(stage.home("systemctl")).unwrap().contains("--user disable --now "));
    assert_eq!(stage.crontab(), None);
}

#[test]
fn where_systemd_cannot_be_asked_it_is_told_what_to_run() {
    let stage = Stage::new();
    std::fs::write(stage.home("no-bus"), "").unwrap();
    let answer = stage.ok("install --format systemd --only scout");
    let by_hand = strings(&answer["byHand"]);
    assert_eq!((by_hand.len(), by_hand[0].as_str()), (3, "systemctl --user daemon-reload"), "{answer}");
    let launchd = stage.ok("install --format launchd --only scout");
    assert!(strings(&launchd["byHand"])[0].starts_with("launchctl bootstrap gui/"), "{launchd}");
    assert_eq!(std::fs::read_dir(stage.home("Library/LaunchAgents")).unwrap().count(), 1);
    stage.ok("uninstall --format launchd");
    assert_eq!(std::fs::read_dir(stage.home("Library/LaunchAgents")).unwrap().count(), 0);
}
