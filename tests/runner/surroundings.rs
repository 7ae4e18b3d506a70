//! What a command finds around it: nothing that was not meant for it.

use squad::runner::{TAG, YIELD_FILE, start};

use crate::kit::{Room, end, said, text, until};
use crate::stand_in::StandIn;

#[test]
fn the_environment_is_what_was_given_and_how_to_find_the_run() {
    let room = Room::new();
    let mut spec = room.spec("");
    spec.argv = vec!["env".into()];
    spec.env.push(("GIVEN".into(), "yes".into()));
    let file = spec.yield_file().display().to_string();
    let said = said(&room.end(spec));
    let mut lines: Vec<_> = said.lines().filter(|line| !line.starts_with("PATH=")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["GIVEN=yes", &format!("{TAG}={}", room.tag), &format!("{YIELD_FILE}={file}")]);
}

#[test]
fn a_command_leads_a_group_of_its_own_in_the_session_of_its_shim() {
    let room = Room::new();
    let mut running = start(room.spec("cat /proc/$$/stat")).expect("it starts");
    let (shim, command) = (running.identity().shim.pid, running.identity().command.pid);
    let said = said(&end(&mut running));
    let fields: Vec<_> = said.rsplit_once(") ").expect("a stat").1.split(' ').collect();
    assert_eq!(fields[1..4], [shim, command, shim].map(|pid| pid.to_string()), "parent, group, session");
}

/// Squad itself may have been started by who leaves handles open and signals ignored.
#[test]
fn a_command_inherits_neither_handles_nor_what_squad_was_told_to_ignore() {
    let room = Room::new();
    // The listing has a handle of its own, for the folder that it lists.
    let script = "ls /proc/self/fd; exec grep -E 'Sig(Ign|Blk)' /proc/self/status";
    let shell = "trap '' HUP INT QUIT USR1 USR2 ALRM XFSZ XCPU PIPE; exec 7</dev/null 9>&1; exec \"$0\" \"$@\"";
    let mut stand_in = StandIn::behind(shell, &room, "run", script);
    until("it has ended", || room.path("ended").exists());
    stand_in.wait();
    let said = text(&room.path("logs/run.log"));
    let (handles, signals) = said.split_once("Sig").expect("both");
    assert_eq!(handles, "0\n1\n2\n3\n", "{said}");
    for line in signals.lines() {
        let mask = u64::from_str_radix(line.rsplit('\t').next().expect("a mask"), 16).expect("a mask");
        // Those above are for programs among themselves, and some libraries keep a few to themselves.
        assert_eq!(mask & 0x7fff_ffff, 0, "{said}");
    }
}

#[test]
fn called_by_hand_the_shim_does_nothing() {
    let room = Room::new();
    let file = room.path("made");
    for args in [vec!["__shim"], vec!["__shim", "1000", "1000", "some-tag", "touch", file.to_str().expect("text")]] {
        let mut squad = std::process::Command::new(env!("CARGO_BIN_EXE_squad"));
        let output = squad.args(&args).output().expect("it starts");
        assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(2), 0, 0), "{args:?}");
    }
    assert!(!file.exists());
}
