//! A folder for a run, what to run there, and who of it is left.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use squad::runner::{Ended, Running, Spec, TAG, start};

/// Longest wait for what happens at once on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder and a tag. At its end nobody of the run may be left.
pub struct Room {
    /// `None` where the folder is another process's.
    owned: Option<tempfile::TempDir>,
    dir: PathBuf,
    pub tag: String,
}

impl Room {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let tag = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().expect("a folder");
        Self { dir: dir.path().to_owned(), owned: Some(dir), tag }
    }

    /// Returns the room of the process that started this one.
    pub fn at(dir: &Path, tag: &str) -> Self {
        Self { owned: None, dir: dir.to_owned(), tag: tag.to_owned() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Returns a run of a shell script in this room.
    pub fn spec(&self, script: &str) -> Spec {
        Spec {
            shim: env!("CARGO_BIN_EXE_squad").into(),
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            dir: self.dir.clone(),
            env: vec![("PATH".into(), std::env::var_os("PATH").expect("a PATH"))],
            stdin: Vec::new(),
            log: self.path("logs/run.log"),
            limits: Default::default(),
            timeout: Duration::from_secs(600),
            grace: Duration::from_millis(300),
            tag: self.tag.clone(),
        }
    }

    /// Runs a script to its end.
    #[track_caller]
    pub fn run(&self, script: &str) -> Ended {
        self.end(self.spec(script))
    }

    #[track_caller]
    pub fn end(&self, spec: Spec) -> Ended {
        end(&mut start(spec).expect("it starts"))
    }

    /// Returns the processes that carry the tag.
    pub fn left(&self) -> Vec<u32> {
        tagged(&self.tag)
    }

    /// Returns the process whose id a script has written into a file.
    #[track_caller]
    pub fn pid_in(&self, name: &str) -> u32 {
        let path = self.path(name);
        let mut pid = None;
        until(&format!("a pid in {name}"), || {
            pid = std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'));
            pid.is_some()
        });
        pid.expect("it is there").trim().parse().expect("a pid")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.owned.is_none() {
            return;
        }
        if !std::thread::panicking() {
            assert_eq!(self.left(), [0u32; 0], "nobody is left of {}", self.tag);
        }
        for pid in self.left() {
            kill(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Waits for the end of a run.
#[track_caller]
pub fn end(running: &mut Running) -> Ended {
    running.wait_until(Instant::now() + PATIENCE).expect("it ends")
}

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn tagged(tag: &str) -> Vec<u32> {
    let wanted = format!("{TAG}={tag}");
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let carries = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    pids.filter(carries).collect()
}

/// Tells whether a process does anything still.
pub fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    let _ = rustix::process::kill_process(pid, signal);
}

/// Returns what a file has, as text.
#[track_caller]
pub fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned()
}

/// Returns all that a short run said.
pub fn said(ended: &Ended) -> String {
    String::from_utf8_lossy(&[&ended.output.head[..], &ended.output.tail].concat()).into_owned()
}
