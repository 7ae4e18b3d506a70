//! The process between squad and a command: it keeps all processes of a run together, and ends them.
//!
//! It is squad itself, called as `squad __shim`, in a session of its own. It hears of the end of its runner by the line
//! between them, of the end of its children by the system, and adopts whatever they leave behind where the system has
//! that (Linux). Everything it starts with is on its three standard handles: the line, the pipe for output, the pipe for
//! input; so nothing needs to be handed over that could leak.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group};
use signal_hook::consts::signal as number;

use super::ended::Usage;
use super::process::{Process, Stat};
use super::report::{KILL, Report, Told};
use super::tree::{self, Member};

/// The hidden verb that makes squad a shim.
pub const VERB: &str = "__shim";

/// How long what a command leaves behind may take to end by itself before it counts as left.
const LINGER: Duration = Duration::from_millis(500);

/// Longest grace for what a command has left behind when it ended: nobody waits for its result.
const LEFT_GRACE: Duration = Duration::from_secs(1);

/// As good as never.
const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Signals that whoever started squad may have told it to ignore, which a command would inherit. A handler of ours,
/// whatever it does, becomes the default when the command is executed.
const RESET: [i32; 12] = [
    number::SIGQUIT,
    number::SIGUSR1,
    number::SIGUSR2,
    number::SIGALRM,
    number::SIGTSTP,
    number::SIGTTIN,
    number::SIGTTOU,
    number::SIGWINCH,
    number::SIGURG,
    number::SIGIO,
    number::SIGXCPU,
    number::SIGXFSZ,
];

/// What a shim is told on its command line; the first two are milliseconds.
pub(super) fn arguments(timeout: Duration, grace: Duration, tag: &str) -> [OsString; 4] {
    let ms = |time: Duration| OsString::from(time.min(FOR_EVER).as_millis().to_string());
    [VERB.into(), ms(timeout), ms(grace), tag.into()]
}

/// Is the shim, where this command line says so: returns the exit code, or `None` for every other command line.
pub fn answer(argv: &[OsString]) -> Option<u8> {
    let [_, verb, rest @ ..] = argv else { return None };
    if verb != VERB {
        return None;
    }
    let kept = match rest {
        [timeout, grace, tag, command @ ..] if !command.is_empty() => keep(timeout, grace, tag, command),
        _ => None,
    };
    // Called by hand, it does nothing: 2 is for what was not meant so.
    Some(kept.unwrap_or(2))
}

fn keep(timeout: &OsString, grace: &OsString, tag: &OsString, command: &[OsString]) -> Option<u8> {
    let time = |text: &OsString| text.to_str()?.parse().ok().map(Duration::from_millis);
    let (timeout, grace, tag) = (time(timeout)?, time(grace)?, tag.to_str()?);
    let handles = Handles::take().ok()?;
    Some(match Shim::start(handles, grace, tag, command) {
        Ok(mut shim) => {
            shim.run(timeout);
            0
        }
        Err(_) => 1,
    })
}

/// What lay on the standard handles.
struct Handles {
    line: UnixStream,
    output: OwnedFd,
    input: OwnedFd,
}

impl Handles {
    /// Takes them away from where the command would find them, and sees to it that it finds nothing else.
    fn take() -> io::Result<Self> {
        let own = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 3);
        let line = UnixStream::from(own(rustix::stdio::stdin())?);
        // Fails on whatever is no socket.
        line.peer_addr()?;
        let (output, input) = (own(rustix::stdio::stdout())?, own(rustix::stdio::stderr())?);
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        rustix::stdio::dup2_stderr(&nothing)?;
        close_on_exec()?;
        Ok(Self { line, output, input })
    }
}

/// Keeps what squad has inherited, such as the pipes of a `make`, from whoever we start.
fn close_on_exec() -> io::Result<()> {
    for entry in fs::read_dir("/dev/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if fd > 2 {
            // SAFETY: this sets a flag of a handle and touches no memory; a number that is no handle is refused.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

struct Shim {
    /// The line to the runner; `None` once the runner is gone.
    line: Option<UnixStream>,
    /// Gets a byte for every signal that we wait for.
    wake: UnixStream,
    signalled: Arc<AtomicBool>,
    begun: Instant,
    group: Pid,
    grace: Duration,
    tag: String,
    /// Whether the command has ended.
    exited: bool,
    /// Whether we have no child any more: neither the command nor one that was adopted.
    childless: bool,
    told: Option<Told>,
    hurry: bool,
}

impl Shim {
    /// Starts the command.
    #[expect(clippy::disallowed_methods, reason = "this is what a run is kept by")]
    fn start(handles: Handles, grace: Duration, tag: &str, command: &[OsString]) -> io::Result<Self> {
        let Handles { mut line, output, input } = handles;
        // Fails where we lead a group already, which is as good.
        let _ = rustix::process::setsid();
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (wake, signalled) = watch_signals()?;
        // Whoever finds the record of a dead runner sees us by our tag, or we see here that it is dead: no command begins
        // after its run has been given up.
        if !is_open(&line)? {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut program = Command::new(&command[0]);
        program.args(&command[1..]).process_group(0);
        program.stdin(Stdio::from(input)).stdout(Stdio::from(output.try_clone()?)).stderr(Stdio::from(output));
        let child = match program.spawn() {
            Ok(child) => child,
            Err(error) => {
                say(&mut line, &Report::NotStarted { errno: error.raw_os_error().unwrap_or_default() })?;
                return Err(error);
            }
        };
        // With it go our ends of the pipes: from here on only the command and its own hold them.
        drop(program);
        let begun = Instant::now();
        let pid = child.id();
        // It may have ended already, but nobody has waited for it yet, so its id is still its own.
        let start = Stat::of(pid).map(|stat| stat.start).unwrap_or_default();
        let process = Process { start, ..Process::with_id(pid) };
        let mut shim = Self {
            line: Some(line),
            wake,
            signalled,
            begun,
            group: tree::id(pid).ok_or(io::ErrorKind::InvalidData)?,
            grace,
            tag: tag.to_owned(),
            exited: false,
            childless: false,
            told: None,
            hurry: false,
        };
        shim.say(&Report::Started(process));
        // What ended before we listened has woken nobody.
        shim.reap();
        Ok(shim)
    }

    /// Keeps the run until nobody of it is left.
    fn run(&mut self, timeout: Duration) {
        let deadline = self.begun + timeout.min(FOR_EVER);
        while !self.exited && self.told.is_none() {
            if Instant::now() >= deadline {
                self.told = Some(Told::Time);
            } else {
                self.listen(deadline);
            }
        }
        // Whoever was told to stop after it had ended was not stopped.
        let told = if self.exited { None } else { self.told };
        let (mut leaked, mut grace) = (Vec::new(), self.grace);
        if told.is_none() {
            self.wait_for_all(LINGER);
            leaked = tree::living(&self.members());
            grace = grace.min(LEFT_GRACE);
        }
        let left = self.end(grace);
        self.say(&Report::Over { told, leaked, left, usage: usage() });
    }

    /// TERM for all, and CONT for those that stand still and could not act on it; after the grace KILL, until nobody is
    /// left. Returns whoever is.
    fn end(&mut self, grace: Duration) -> Vec<u32> {
        if self.is_empty() {
            return Vec::new();
        }
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
        self.wait_for_all(grace);
        for _ in 0..tree::ROUNDS {
            if self.is_empty() {
                return Vec::new();
            }
            self.signal(Signal::KILL);
            self.listen(Instant::now() + tree::STEP);
        }
        tree::living(&self.members())
    }

    /// Waits until nobody is left, for at most so long, and not at all once the runner is in a hurry.
    fn wait_for_all(&mut self, longest: Duration) {
        let until = Instant::now() + longest.min(FOR_EVER);
        while !self.hurry && Instant::now() < until && !self.is_empty() {
            self.listen(until.min(Instant::now() + tree::STEP));
        }
    }

    fn members(&self) -> Vec<Member> {
        tree::members(&[std::process::id()], &self.tag)
    }

    #[cfg(target_os = "linux")]
    fn is_empty(&self) -> bool {
        // Who descends from us is our child before long, and reaped as such; only who carries the tag may be elsewhere.
        self.childless && tree::living(&self.members()).is_empty()
    }

    /// Where nobody is adopted, the group is what there is to ask.
    #[cfg(not(target_os = "linux"))]
    fn is_empty(&self) -> bool {
        self.childless && rustix::process::test_kill_process_group(self.group).is_err()
    }

    /// Signals everybody: the group at once, so that none of it forks in between, and whoever has left it.
    fn signal(&self, signal: Signal) {
        let members = self.members();
        let group = u32::try_from(self.group.as_raw_nonzero().get()).unwrap_or_default();
        // The id of a group without members may be given to another.
        if !cfg!(target_os = "linux") || members.iter().any(|member| member.stat.group == group) {
            let _ = kill_process_group(self.group, signal);
        }
        tree::signal_each(members.iter().filter(|member| member.stat.group != group), signal);
    }

    /// Waits until something happens, and takes note of it.
    fn listen(&mut self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        let mut watched = vec![PollFd::new(&self.wake, PollFlags::IN)];
        if let Some(line) = &self.line {
            watched.push(PollFd::new(line, PollFlags::IN));
        }
        // A signal may interrupt it; then the next round sees why.
        let _ = poll(&mut watched, timeout.as_ref());
        let heard = watched.get(1).is_some_and(|line| !line.revents().is_empty());
        if heard {
            self.hear();
        }
        let mut bytes = [0; 64];
        while self.wake.read(&mut bytes).is_ok_and(|n| n == bytes.len()) {}
        self.reap();
        if self.signalled.load(Ordering::Relaxed) {
            self.told.get_or_insert(Told::Signal);
        }
    }

    /// Takes what the runner says.
    fn hear(&mut self) {
        let Some(line) = &mut self.line else { return };
        let mut bytes = [0; 16];
        match line.read(&mut bytes) {
            Ok(n) if n > 0 => self.hurry |= bytes[..n].contains(&KILL),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            _ => self.line = None,
        }
        self.told.get_or_insert(Told::Runner);
    }

    /// Waits for whoever has ended.
    fn reap(&mut self) {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.group => {
                    self.exited = true;
                    self.say(&Report::Exited {
                        code: status.exit_status(),
                        signal: status.terminating_signal(),
                        // Source: wait(2), `WCOREDUMP`.
                        core: status.signaled() && status.as_raw() & 0x80 != 0,
                        after: self.begun.elapsed(),
                    });
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                other => {
                    self.childless = other.is_err();
                    return;
                }
            }
        }
    }

    fn say(&mut self, report: &Report) {
        // A runner that is gone hears nothing, and that it is gone is heard elsewhere.
        let _ = self.line.as_mut().map(|line| say(line, report));
    }
}

/// Tells whether somebody is at the other end still.
fn is_open(line: &UnixStream) -> io::Result<bool> {
    let mut watched = [PollFd::new(line, PollFlags::IN)];
    poll(&mut watched, Some(&Timespec::default()))?;
    Ok(!watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR))
}

fn say(line: &mut UnixStream, report: &Report) -> io::Result<()> {
    let mut text = serde_json::to_vec(report)?;
    text.push(b'\n');
    line.write_all(&text)
}

/// Returns a handle that wakes whoever polls it at every signal that means something, and whether one meant to end.
fn watch_signals() -> io::Result<(UnixStream, Arc<AtomicBool>)> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let end = Arc::new(AtomicBool::new(false));
    for signal in [number::SIGTERM, number::SIGINT, number::SIGHUP] {
        // First the flag: who is woken looks at it.
        signal_hook::flag::register(signal, Arc::clone(&end))?;
        signal_hook::low_level::pipe::register(signal, woken.try_clone()?)?;
    }
    signal_hook::low_level::pipe::register(number::SIGCHLD, woken)?;
    let nothing = Arc::new(AtomicBool::new(false));
    for signal in RESET {
        signal_hook::flag::register(signal, Arc::clone(&nothing))?;
    }
    Ok((wake, end))
}

/// Returns what the children that we have waited for took, and theirs.
fn usage() -> Usage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call writes one `rusage` through the pointer. It is made of integers, so all zeros are one as well.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default())
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or_default())
    };
    // In KiB, except on the systems of one maker.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let max_rss = u64::try_from(usage.ru_maxrss).unwrap_or_default() * unit;
    Usage { max_rss, user: time(usage.ru_utime), system: time(usage.ru_stime) }
}
