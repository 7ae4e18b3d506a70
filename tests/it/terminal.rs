//! What only a person at a terminal sees: a question before a push, and word that the remote takes its time.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::kit::{Checkout, Room, hand_task, words};

/// Runs squad with a terminal for standard input and error; types `answer` once a question stands there. Returns the
/// exit code, standard output and what stood on the terminal.
fn at_a_terminal(clone: &Checkout, line: &str, answer: Option<&str>) -> (i32, String, String) {
    at_a_terminal_with(clone, line, answer, None)
}

/// The same with another `PATH`.
fn at_a_terminal_with(clone: &Checkout, line: &str, answer: Option<&str>, path: Option<&str>) -> (i32, String, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_squad"));
    clone.prepare(&mut command);
    path.map(|path| command.env("PATH", path));
    command.args(words(line)).stdin(slave.try_clone().unwrap()).stderr(slave).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The slave's last holder is the child: its end is the end of what can be read.
    drop(command);
    let mut reader = File::from(master);
    let mut writer = reader.try_clone().unwrap();
    let (told, asked) = mpsc::channel();
    let seen = std::thread::spawn(move || {
        let (mut seen, mut chunk) = (Vec::new(), [0; 1024]);
        while let Ok(n @ 1..) = reader.read(&mut chunk) {
            seen.extend_from_slice(&chunk[..n]);
            if seen.windows(5).any(|five| five == b"[y/N]") {
                let _ = told.send(());
            }
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    if let Some(answer) = answer {
        asked.recv_timeout(Duration::from_secs(60)).expect("a question");
        writer.write_all(answer.as_bytes()).unwrap();
    }
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let code = child.wait().unwrap().code().unwrap_or(-1);
    drop(writer);
    (code, stdout, seen.join().unwrap())
}

#[test]
fn with_ask_a_person_is_asked_once_and_what_is_not_yes_is_no() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({}))]);
    let clone = room.clone_as("olga");
    clone.ok("list");
    clone.git("config squad.push ask");
    let before = room.refs();
    for no in ["n\n", "\n", "what?\n"] {
        let (code, stdout, seen) = at_a_terminal(&clone, "comment t-1 hello", Some(no));
        assert_eq!((code, stdout.as_str()), (9, ""), "{seen}");
        assert_eq!(seen.matches("push this change of the board to origin? [y/N]").count(), 1, "{seen}");
        assert_eq!(room.refs(), before);
    }
    let (code, _, seen) = at_a_terminal(&clone, "comment t-1 hello", Some("y\n"));
    assert_eq!(code, 0, "{seen}");
    assert_eq!(room.task("t-1")["chat"].as_array().map(Vec::len), Some(1));
    for line in ["comment t-1 again --yes", "list", "scan", "comment t-1 tried --dry-run"] {
        let (code, _, seen) = at_a_terminal(&clone, line, None);
        assert!(code == 0 && !seen.contains("[y/N]"), "{line}: {seen}");
    }
}

/// A clone whose remote takes a while to answer.
fn slow(room: &Room) -> Checkout {
    let clone = room.clone_as("olga");
    clone.ok("list");
    let script = room.path().join("serve");
    std::fs::write(&script, "#!/bin/sh\nsleep 2.5\nexec git upload-pack \"$@\"\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    clone.git(&format!("config remote.origin.uploadpack {}", script.display()));
    clone
}

#[test]
fn a_remote_that_takes_its_time_is_told_on_a_terminal_and_nothing_of_it_stays() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "olga"}))]);
    let clone = slow(&room);
    let (code, stdout, seen) = at_a_terminal(&clone, "scan --fresh", None);
    assert_eq!(code, 0, "{seen}");
    assert!(stdout.starts_with("t-1 "), "{stdout}");
    assert!(seen.contains("waiting for the remote (fetch, 1 s)") && seen.contains("2 s)"), "{seen:?}");
    assert!(seen.ends_with("\r\u{1b}[K") && !seen.contains('\n'), "{seen:?}");
}

#[test]
fn a_checkout_that_takes_its_time_is_told_as_what_it_is() {
    let room = Room::board();
    let clone = room.clone_as("olga");
    clone.write("tasks.json", r#"[{"id": "a", "title": "a", "status": "done"}]"#);
    let folder = room.path().join("slow");
    std::fs::create_dir(&folder).unwrap();
    let path = std::env::var("PATH").unwrap();
    let script =
        format!("#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *' merge '*) sleep 1.5 ;; esac\nexec git \"$@\"\n");
    std::fs::write(folder.join("git"), script).unwrap();
    std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{path}", folder.display());
    let (code, stdout, seen) = at_a_terminal_with(&clone, "import tasks.json", None, Some(&path));
    assert_eq!(code, 0, "{seen}");
    assert!(stdout.starts_with("imported 1 task: 1 completed"), "{stdout}");
    assert!(seen.contains("bringing the checkout along (1 s)"), "{seen:?}");
    assert!(seen.ends_with("\r\u{1b}[K") && !seen.contains('\n'), "{seen:?}");
}

#[test]
fn nothing_is_told_in_quiet_to_a_program_or_into_a_pipe() {
    let room = Room::with_tasks(&[hand_task("t-1", json!({"assigned": "olga"}))]);
    let clone = slow(&room);
    for line in ["scan --fresh --quiet", "scan --fresh --json"] {
        let (code, _, seen) = at_a_terminal(&clone, line, None);
        assert_eq!((code, seen.as_str()), (0, ""), "{line}");
    }
    assert_eq!(clone.squad("scan --fresh").ok().stderr, "");
}
