//! The only place that starts `git`.
//!
//! Owns the child's environment, process group, time limit and output. Knows no ref, remote or board. A child never
//! prompts, never outlives its limit, and its words are made safe before anybody prints them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::GitError;
use super::watch::{Slow, Watcher};

/// Limit of a command that touches no network: generous, since a cold disk or a busy machine is no fault.
pub const LOCAL_LIMIT: Duration = Duration::from_secs(60);

/// How long an ended group may take to remove its lock files before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait for the rest of the output once git has exited: a daemon that it left behind may hold the pipe.
const LINGER: Duration = Duration::from_millis(500);

/// Most bytes of each output stream that are kept; the rest is read and dropped so that git never blocks.
const MAX_OUTPUT: usize = 64 << 20;

/// Most bytes of standard error that are kept.
const MAX_STDERR: usize = 64 << 10;

/// Most characters of git's words that go into a message.
const MAX_REASON: usize = 2_000;

/// Transports that a remote's address may name. `ext::` and other helpers run commands.
const PROTOCOLS: [&str; 5] = ["file", "git", "http", "https", "ssh"];

/// What a hook, an alias or a parent git leaves in the environment and would make ours work elsewhere.
///
/// Source: `git rev-parse --local-env-vars`, and the variables that change what output or a path means. The user's own
/// settings (`GIT_CONFIG_GLOBAL`, `GIT_CONFIG_COUNT`, `GIT_SSH*`, `GIT_ASKPASS`) stay.
const CLEARED: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_DIR",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL",
    "GIT_PUSH_OPTION_COUNT",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "LANGUAGE",
    "LC_MESSAGES",
];

/// Which `git` to start, and what to add to its environment.
#[derive(Debug, Clone)]
pub struct Git {
    program: OsString,
    env: Vec<(OsString, OsString)>,
    /// Whether `env` is all that a command gets.
    alone: bool,
    watcher: Watcher,
}

impl Default for Git {
    fn default() -> Self {
        Self::new()
    }
}

impl Git {
    /// Returns the `git` that `PATH` finds.
    pub fn new() -> Self {
        Self::with_program("git")
    }

    /// Returns a `git` at another place.
    pub fn with_program(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), env: Vec::new(), alone: false, watcher: Watcher::default() }
    }

    /// Returns the `git` that the `PATH` among these variables finds, in an environment of these and no others.
    pub fn alone_with(env: Vec<(OsString, OsString)>) -> Self {
        Self { program: "git".into(), env, alone: true, watcher: Watcher::default() }
    }

    /// Adds a variable to the environment of every command.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Returns who is told of what takes long.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// Tells `watcher` of every command that talks to the remote.
    #[must_use]
    pub fn watched_by(mut self, watcher: Watcher) -> Self {
        self.watcher = watcher;
        self
    }

    /// Tells whether the caller added variables of its own: what libgit2 reads may then differ from what git reads.
    pub(super) fn has_env(&self) -> bool {
        !self.env.is_empty()
    }

    /// Begins a command; `what` is the subcommand, and names it in errors.
    pub fn command(&self, what: &'static str) -> Invocation<'_> {
        #[expect(clippy::disallowed_methods, reason = "this is the file that starts git")]
        let mut command = Command::new(&self.program);
        let mut protocols = env::var("GIT_ALLOW_PROTOCOL").ok();
        if self.alone {
            command.env_clear();
            protocols = None;
        }
        for key in CLEARED {
            command.env_remove(key);
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_EDITOR", ":")
            .env("GIT_ALLOW_PROTOCOL", allowed_protocols(protocols.as_deref()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (key, value) in &self.env {
            command.env(key, value);
        }
        Invocation {
            git: self,
            what,
            command,
            named: false,
            limit: LOCAL_LIMIT,
            input: None,
            on_start: None,
            remote: false,
        }
    }
}

/// Returns the transports that both we and the user's own setting allow.
fn allowed_protocols(users: Option<&str>) -> String {
    let allowed: Vec<&str> = match users {
        None => PROTOCOLS.to_vec(),
        Some(users) => users.split(':').filter(|name| PROTOCOLS.contains(name)).collect(),
    };
    // An empty value would mean "no list given" to git, so name something that no transport is called.
    if allowed.is_empty() { "none".to_owned() } else { allowed.join(":") }
}

/// One command being put together: global options first, then [`Invocation::verb`], then its arguments.
pub struct Invocation<'a> {
    git: &'a Git,
    what: &'static str,
    command: Command,
    named: bool,
    limit: Duration,
    input: Option<Vec<u8>>,
    on_start: Option<Box<dyn FnOnce(u32) + 'a>>,
    remote: bool,
}

impl<'a> Invocation<'a> {
    /// Runs in this folder.
    #[must_use]
    pub fn dir(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Works on exactly this repository.
    #[must_use]
    pub fn git_dir(mut self, path: &Path) -> Self {
        debug_assert!(!self.named, "global options go before the subcommand");
        let mut flag = OsString::from("--git-dir=");
        flag.push(path);
        self.command.arg(flag);
        self
    }

    /// Adds a global option.
    #[must_use]
    pub fn global(mut self, option: &str) -> Self {
        debug_assert!(!self.named, "global options go before the subcommand");
        self.command.arg(option);
        self
    }

    /// Overrides a setting for this command only.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        debug_assert!(!self.named, "global options go before the subcommand");
        let mut setting = OsString::from(key);
        setting.push("=");
        setting.push(value);
        self.command.arg("-c").arg(setting);
        self
    }

    /// Ends the global options and names the subcommand.
    #[must_use]
    pub fn verb(mut self) -> Self {
        self.named = true;
        self.command.arg(self.what);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        debug_assert!(self.named, "arguments go after the subcommand");
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        debug_assert!(self.named, "arguments go after the subcommand");
        self.command.args(args);
        self
    }

    /// Adds a variable to the environment of this command.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Sets the wall-clock limit; [`LOCAL_LIMIT`] without.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Feeds these bytes to its standard input, which is empty without.
    #[must_use]
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = Some(bytes);
        self
    }

    /// Lets it and whatever it starts hold a locked file for as long as they live, also without us. It is their empty
    /// standard input.
    ///
    /// # Errors
    /// [`GitError::Io`] where the system has no more handles.
    pub(super) fn holding(mut self, lock: &std::fs::File) -> Result<Self, GitError> {
        self.command.stdin(lock.try_clone().map_err(GitError::io("hand on the lock of", "the private store"))?);
        Ok(self)
    }

    /// Is told the id of the child, which is also the id of its process group, as soon as it runs.
    #[must_use]
    pub fn on_start(mut self, told: impl FnOnce(u32) + 'a) -> Self {
        self.on_start = Some(Box::new(told));
        self
    }

    /// Says that it talks to the remote, which may take a while.
    #[must_use]
    pub fn to_remote(mut self) -> Self {
        self.remote = true;
        self
    }

    /// Runs it to its end, or ends it at the limit.
    ///
    /// # Errors
    /// [`GitError::NotStarted`] only; a command that ran has a [`Finished`], whatever came of it.
    pub fn run(mut self) -> Result<Finished, GitError> {
        let not_started =
            |source| GitError::NotStarted { program: self.git.program.to_string_lossy().into_owned(), source };
        own_group(&mut self.command);
        let _watched = self.remote.then(|| self.git.watcher.begin(Slow::Remote(self.what)));
        let mut child = self.command.spawn().map_err(not_started)?;
        if let (Some(bytes), Some(mut stdin)) = (self.input.take(), child.stdin.take()) {
            // A thread of its own, which a child that stops reading cannot make us wait for. A child that ends early
            // says why by itself.
            thread::spawn(move || drop(io::Write::write_all(&mut stdin, &bytes)));
        }
        if let Some(told) = self.on_start.take() {
            told(child.id());
        }
        let (end, stdout, stderr) = supervise(child, self.limit).map_err(not_started)?;
        Ok(Finished { what: self.what, limit: self.limit, end, stdout, stderr })
    }

    /// Runs it and returns its output, if it exits with 0.
    ///
    /// # Errors
    /// [`GitError::Command`] or [`GitError::TimedOut`] otherwise.
    pub fn output(self) -> Result<Vec<u8>, GitError> {
        let finished = self.run()?;
        if finished.success() { Ok(finished.stdout) } else { Err(finished.into_error()) }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that we did not send.
    Signalled,
    /// By us, at its limit. What it did before is unknown.
    TimedOut,
}

/// A command that has ended.
#[derive(Debug)]
#[must_use]
pub struct Finished {
    what: &'static str,
    limit: Duration,
    /// How it ended.
    pub end: End,
    /// What it wrote, up to a cap.
    pub stdout: Vec<u8>,
    /// What it complained about, up to a cap; raw, for [`Finished::reason`].
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Tells whether it exited with 0.
    pub fn success(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// Returns its complaint, safe for a terminal.
    pub fn reason(&self) -> String {
        let text = sanitise(&self.stderr);
        match self.end {
            End::TimedOut => format!("no answer within {} s", self.limit.as_secs_f32()),
            End::Signalled if text.is_empty() => "it was killed".to_owned(),
            End::Exited(code) if text.is_empty() => format!("exit code {code}"),
            _ => text,
        }
    }

    /// Returns the failure as an error.
    pub fn into_error(self) -> GitError {
        match self.end {
            End::TimedOut => GitError::TimedOut { what: self.what, limit: self.limit },
            _ => GitError::Command { what: self.what, reason: self.reason() },
        }
    }
}

/// Returns git's words as one line that a terminal shows as they are: control, bidirectional and invisible characters
/// are spelled out, line ends become `; `, credentials in addresses are left out, and the length is capped.
pub fn sanitise(bytes: &[u8]) -> String {
    let text = without_credentials(&String::from_utf8_lossy(bytes));
    let lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let mut out = String::new();
    for (n, line) in lines.enumerate() {
        if n > 0 {
            out.push_str("; ");
        }
        for c in line.chars() {
            if out.len() >= MAX_REASON {
                out.push('…');
                return out;
            }
            if is_unsafe(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
        }
    }
    out
}

/// Leaves out the `user:password@` of addresses; git itself does so in most of its messages only.
fn without_credentials(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("://");
        let host_ends = part.find(|c: char| c.is_whitespace() || "/'\"`".contains(c)).unwrap_or(part.len());
        let user_ends = part[..host_ends].rfind('@').map_or(0, |at| at + 1);
        out.push_str(&part[user_ends..]);
    }
    out
}

/// Tells whether a character could move the cursor, reorder or hide text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

enum Event {
    Exited,
    Drained,
}

/// Waits for the child while draining both streams, and ends its group at the limit.
fn supervise(mut child: Child, limit: Duration) -> io::Result<(End, Vec<u8>, Vec<u8>)> {
    let deadline = Instant::now() + limit;
    let (sender, events) = mpsc::channel();
    let stdout = drain(child.stdout.take(), MAX_OUTPUT, sender.clone());
    let stderr = drain(child.stderr.take(), MAX_STDERR, sender.clone());
    watch_exit(&child, sender);

    let (mut exited, mut drained, mut timed_out) = (false, 0, false);
    let mut until = deadline;
    while !(exited && drained == 2) {
        match events.recv_timeout(poll_step(until.saturating_duration_since(Instant::now()))) {
            Ok(Event::Exited) => {
                exited = true;
                until = Instant::now() + LINGER;
            }
            Ok(Event::Drained) => drained += 1,
            Err(RecvTimeoutError::Timeout) => {
                if !exited && has_exited(&mut child) {
                    exited = true;
                    until = Instant::now() + LINGER;
                } else if Instant::now() < until {
                    continue;
                } else if exited {
                    break;
                } else {
                    timed_out = true;
                    end_group(&mut child, &events);
                    break;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // Reaped only here: until then the id cannot name anybody else's group.
    let status = child.wait()?;
    let end = if timed_out { End::TimedOut } else { end_of(status) };
    Ok((end, taken(&stdout), taken(&stderr)))
}

fn end_of(status: ExitStatus) -> End {
    status.code().map_or(End::Signalled, End::Exited)
}

type Kept = Arc<Mutex<Vec<u8>>>;

fn taken(kept: &Kept) -> Vec<u8> {
    std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads a stream to its end in a thread of its own, keeping at most `max` bytes.
fn drain(stream: Option<impl Read + Send + 'static>, max: usize, events: Sender<Event>) -> Kept {
    let kept = Kept::default();
    let shared = Arc::clone(&kept);
    thread::spawn(move || {
        if let Some(mut stream) = stream {
            let mut chunk = [0; 16 << 10];
            loop {
                match stream.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => {
                        let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        let room = max.saturating_sub(kept.len()).min(n);
                        kept.extend_from_slice(&chunk[..room]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
        // The receiver is gone when a daemon held the pipe for longer than we waited.
        let _ = events.send(Event::Drained);
    });
    kept
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(unix)]
fn group_of(child: &Child) -> Option<rustix::process::Pid> {
    i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw)
}

/// Tells when the child has exited, without reaping it: while it is a zombie its group id stays ours to signal.
#[cfg(unix)]
fn watch_exit(child: &Child, events: Sender<Event>) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = group_of(child);
    thread::spawn(move || {
        if let Some(pid) = pid {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        }
        let _ = events.send(Event::Exited);
    });
}

#[cfg(unix)]
fn poll_step(left: Duration) -> Duration {
    left
}

#[cfg(unix)]
fn has_exited(_child: &mut Child) -> bool {
    false
}

/// TERM lets git remove its lock files; whatever is left of the group after the grace is killed.
#[cfg(unix)]
fn end_group(child: &mut Child, events: &mpsc::Receiver<Event>) {
    use rustix::process::{Signal, kill_process_group};
    let Some(group) = group_of(child) else { return };
    // A failure to signal means that nobody is left in the group.
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + GRACE;
    while let Ok(event) = events.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if matches!(event, Event::Exited) {
            break;
        }
    }
    let _ = kill_process_group(group, Signal::KILL);
}

/// Ends the process group of a git that outlived the squad that started it: first so that it removes its lock files,
/// after a while without asking. The caller knows that the group is still that one.
#[cfg(unix)]
pub fn end_orphans(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
    let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + GRACE;
    while test_kill_process_group(group).is_ok() {
        if Instant::now() >= until {
            let _ = kill_process_group(group, Signal::KILL);
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Where groups cannot be told apart, what a dead squad has left runs to its end; its push is a compare-and-swap.
#[cfg(not(unix))]
pub fn end_orphans(_id: u32) {}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

#[cfg(not(unix))]
fn watch_exit(_child: &Child, events: Sender<Event>) {
    // Kept open so that the loop below polls instead of seeing a closed channel.
    std::mem::forget(events);
}

#[cfg(not(unix))]
fn poll_step(left: Duration) -> Duration {
    left.min(Duration::from_millis(5))
}

#[cfg(not(unix))]
fn has_exited(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)))
}

#[cfg(not(unix))]
fn end_group(child: &mut Child, _events: &mpsc::Receiver<Event>) {
    let _ = child.kill();
    let _ = GRACE;
}

#[cfg(all(test, unix))]
#[path = "subprocess_tests.rs"]
mod tests;
