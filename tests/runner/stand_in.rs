//! A process that does what squad would do, for tests that need one to kill or to signal.
//!
//! It is this test program again, with the one test that is ignored and a role in its environment.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use squad::runner::signal::Interrupts;
use squad::runner::{Identity, start};

use crate::kit::{Room, until};

const ROLE: &str = "SQUAD_TEST_ROLE";
const ROOM: &str = "SQUAD_TEST_ROOM";
const TAG: &str = "SQUAD_TEST_TAG";
const SCRIPT: &str = "SQUAD_TEST_SCRIPT";

/// A process in a role.
pub struct StandIn(pub Child);

impl StandIn {
    /// Starts one: `run` runs a script, `count` counts its interrupts.
    pub fn new(room: &Room, role: &str, script: &str) -> Self {
        Self::behind("exec \"$0\" \"$@\"", room, role, script)
    }

    /// Starts one by a shell that makes its surroundings.
    pub fn behind(shell: &str, room: &Room, role: &str, script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", shell]).arg(std::env::current_exe().expect("this test"));
        command.args(["--exact", "stand_in::acts_as_it_is_told", "--ignored", "--nocapture", "--test-threads", "1"]);
        command.envs([(ROLE, role), (TAG, &room.tag), (SCRIPT, script)]).env(ROOM, room.path(""));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().expect("it starts"))
    }

    pub fn wait(&mut self) {
        assert!(self.0.wait().expect("it was started").success());
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the run of a stand-in, once it is on record.
#[track_caller]
pub fn identity(room: &Room) -> Identity {
    until("the run is on record", || room.path("identity").exists());
    serde_json::from_slice(&std::fs::read(room.path("identity")).expect("a file")).expect("an identity")
}

fn put(path: &Path, text: &str) {
    let half = path.with_extension("half");
    std::fs::File::create(&half).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
    std::fs::rename(half, path).expect("a file");
}

#[test]
#[ignore = "what other tests start"]
fn acts_as_it_is_told() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let var = |name| std::env::var(name).expect("it is told");
    let dir = std::path::PathBuf::from(var(ROOM));
    if role == "run" {
        let room = Room::at(&dir, &var(TAG));
        let mut running = start(room.spec(&var(SCRIPT))).expect("it starts");
        put(&dir.join("identity"), &serde_json::to_string(running.identity()).expect("it is plain"));
        while running.wait_until(Instant::now() + Duration::from_secs(600)).is_none() {}
        put(&dir.join("ended"), "");
    } else {
        let interrupts = Interrupts::install().expect("handlers");
        if role == "count and watch" {
            interrupts.watch_stdin_closed();
        }
        put(&dir.join("count"), "0");
        while interrupts.count() < 2 {
            put(&dir.join("count"), &interrupts.wait(Duration::from_secs(60)).to_string());
        }
    }
}
