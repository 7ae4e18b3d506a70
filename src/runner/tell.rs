//! Commands that are told something: a text on their standard input, a little time, and no more.
//!
//! Owns the limit. A command is a group of processes of its own, so that whatever it started ends with it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether a command has ended: at first, and at most.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// How long to wait for the last words of a command that has ended: what it left behind may hold the pipe for ever.
const LINGER: Duration = Duration::from_millis(200);

/// Most bytes of its words that are kept; the rest is read and dropped, so that it never blocks.
const MAX_WORDS: usize = 4096;

/// Until when commands may run.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    until: Instant,
}

impl Time {
    /// Returns a stretch of time that begins now.
    pub fn of(limit: Duration) -> Self {
        Self { until: Instant::now() + limit }
    }

    fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, well.
    Well,
    /// By itself, badly: its exit code, unless a signal ended it, and the last line that it wrote to standard error.
    Badly(Option<i32>, String),
    /// By us, since its time was over.
    TimedOut,
}

/// Hands a text to a command line of the system's shell, and waits for its end or for the end of its time.
///
/// What it writes to standard output is dropped: it has nobody to speak to.
///
/// # Errors
/// When the shell cannot be started.
#[expect(clippy::disallowed_methods, reason = "this room starts commands other than git")]
pub fn tell(line: &str, dir: &Path, env: &[(OsString, OsString)], text: &str, time: Time) -> io::Result<End> {
    if time.left().is_zero() {
        return Ok(End::TimedOut);
    }
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.args([flag, line]).current_dir(dir).env_clear().envs(env.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    own_group(&mut command);
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        let text = text.to_owned();
        // A text may be longer than a pipe, and a command may end without reading it.
        thread::spawn(move || drop(pipe.write_all(text.as_bytes())));
    }
    let (sender, words) = mpsc::channel();
    if let Some(mut pipe) = child.stderr.take() {
        thread::spawn(move || {
            let mut kept = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                kept.extend_from_slice(&buffer[..n]);
                let over = kept.len().saturating_sub(MAX_WORDS);
                kept.drain(..over);
                if sender.send(kept.clone()).is_err() {
                    return;
                }
            }
        });
    }
    let Some(status) = wait(&mut child, time)? else {
        end(&mut child);
        return Ok(End::TimedOut);
    };
    if status.success() {
        return Ok(End::Well);
    }
    let linger = Time::of(LINGER);
    let mut last = Vec::new();
    while let Ok(newer) = words.recv_timeout(linger.left()) {
        last = newer;
    }
    Ok(End::Badly(status.code(), last_line(&last)))
}

fn last_line(words: &[u8]) -> String {
    String::from_utf8_lossy(words).lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// Returns how a child ended, or `None` when it has not in time.
fn wait(child: &mut Child, time: Time) -> io::Result<Option<ExitStatus>> {
    let mut pause = POLL.0;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = time.left();
        if left.is_zero() {
            return Ok(None);
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(POLL.1);
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

/// Ends a child that runs, and all of its group. It was not waited for, so the id of the group is still its own.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // A failure to signal means that nobody is left in the group.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(line: &str, text: &str, limit: Duration) -> End {
        let env = [("PATH".into(), "/usr/bin:/bin".into())];
        tell(line, Path::new("/"), &env, text, Time::of(limit)).expect("a shell")
    }

    #[test]
    fn a_text_of_any_length_arrives_and_nothing_else_is_known() {
        let text = "x".repeat(300_000);
        assert_eq!(run("test $(wc -c) = 300000 && test -z \"$HOME\"", &text, Duration::from_secs(20)), End::Well);
        assert_eq!(run("exit 0", &text, Duration::from_secs(20)), End::Well, "whoever does not read does no harm");
    }

    #[test]
    fn a_failure_comes_with_the_words_of_the_command() {
        let end = run("echo first >&2; echo no line >&2; exit 3", "", Duration::from_secs(20));
        assert_eq!(end, End::Badly(Some(3), "no line".to_owned()));
        assert_eq!(run("kill -9 $$", "", Duration::from_secs(20)), End::Badly(None, String::new()));
    }

    #[test]
    fn what_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("late");
        let begun = Instant::now();
        let line = format!("(sleep 2; echo late > '{}') & sleep 60", file.display());
        assert_eq!(run(&line, "", Duration::from_millis(300)), End::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        thread::sleep(Duration::from_millis(2500));
        assert!(!file.exists(), "a child of the command has lived on");
    }
}
