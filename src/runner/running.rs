//! A run from its start to its end, as squad sees it: what it says is drained, what becomes of it is noted.
//!
//! Threads do that, so that a caller who is busy elsewhere holds nobody up. The shim keeps the time and ends the
//! processes; only where it cannot, because it was killed or stopped, they are ended from here.

use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::ended::{Ended, Outcome, Stop, Usage};
use super::output::Capture;
use super::process::Process;
use super::report::{KILL, Report, STOP, Told};
use super::spec::{Identity, MIN_TAG, NotStarted, Spec, TAG, YIELD_FILE};
use super::{shim, tree};

/// Longest wait for a command to begin: it is executed at once, but a machine may be out of breath.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for what has started no command to be gone itself.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait for the rest of the output once everybody is gone who could have written it. Who holds the pipe
/// still is none of the run's.
const LINGER: Duration = Duration::from_millis(500);

/// How much longer than it should a shim may take before it is no longer relied on: it may have been stopped.
const BACKSTOP: Duration = Duration::from_secs(10);

/// Longest time that is added to an instant; one that is told to wait for ever comes back to wait on.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Bytes that are read at once: as many as a pipe holds.
const CHUNK: usize = 64 << 10;

/// Starts a command, and returns once it runs.
///
/// # Errors
/// [`NotStarted`] when it cannot be executed, or its log not be made.
pub fn start(mut spec: Spec) -> Result<Running, NotStarted> {
    let invalid = |what: &str| NotStarted::new(&spec, what, io::ErrorKind::InvalidInput.into());
    let named = |tag: &str| tag.len() >= MIN_TAG && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !named(&spec.tag) {
        return Err(invalid("tell a run by this tag"));
    }
    let Some(program) = spec.argv.first().map(|program| program.to_string_lossy().into_owned()) else {
        return Err(invalid("run nothing"));
    };
    let log = spec.log.display().to_string();
    let capture = Capture::create(&spec.log, &spec.limits);
    let capture = capture.map_err(|e| NotStarted::new(&spec, format!("write the log {log}"), e))?;
    if let Err(error) = std::fs::read_dir(&spec.dir) {
        return Err(NotStarted::new(&spec, format!("work in {}", spec.dir.display()), error));
    }
    let mut launched = launch(&spec).map_err(|e| NotStarted::new(&spec, "start what keeps a run together", e))?;
    let capture = Arc::new(Mutex::new(capture));
    let (sender, events) = mpsc::channel();
    let followed = (|| {
        let (enough, until) = io::pipe()?;
        let line = launched.line.try_clone()?;
        drain(launched.output, enough, Arc::clone(&capture), sender.clone());
        attend(line, launched.child, sender);
        Ok(until)
    })();
    let enough = followed.map_err(|e| NotStarted::new(&spec, "follow a run", e))?;
    let stdin = std::mem::take(&mut spec.stdin);
    // A thread of its own, which a command that does not read cannot make us wait for. One that ends early says why
    // by itself.
    thread::spawn(move || drop(launched.input.write_all(&stdin)));

    let until = Instant::now() + START_LIMIT;
    let (mut drained, mut gone) = (false, false);
    let begun = loop {
        match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Event::Said(Report::Started(command))) => break Ok(command),
            Ok(Event::Said(Report::NotStarted { errno })) => break Err(io::Error::from_raw_os_error(errno)),
            Ok(Event::Gone(_)) => {
                gone = true;
                break Err(io::ErrorKind::BrokenPipe.into());
            }
            // What says nothing is through at once.
            Ok(Event::Drained) => drained = true,
            Ok(Event::Said(_)) => {}
            Err(_) => break Err(io::ErrorKind::TimedOut.into()),
        }
    };
    let command = match begun {
        Ok(command) => command,
        Err(error) => {
            // A shim that is there still ends with the line, and where nothing has started nobody is to be left.
            let _ = launched.line.shutdown(Shutdown::Both);
            let until = Instant::now() + LEAVES_WITHIN;
            while !gone {
                let left = until.saturating_duration_since(Instant::now());
                gone = matches!(events.recv_timeout(left), Ok(Event::Gone(_)) | Err(_));
            }
            return Err(NotStarted::new(&spec, format!("run {program}"), error));
        }
    };
    let identity = Identity { shim: Process::with_id(launched.shim), command, tag: spec.tag.clone() };
    let due = Instant::now() + LONGEST.min(spec.timeout) + LONGEST.min(spec.grace) + BACKSTOP;
    Ok(Running {
        identity,
        line: launched.line,
        events,
        capture,
        enough: Some(enough),
        yield_file: launched.yield_file,
        grace: LONGEST.min(spec.grace),
        begun: Instant::now(),
        due,
        stop: None,
        exit: None,
        drained,
        ended: None,
    })
}

/// A shim and what it hangs on.
struct Launched {
    child: Child,
    shim: u32,
    line: UnixStream,
    output: PipeReader,
    input: io::PipeWriter,
    yield_file: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "this is the room that starts commands other than git")]
fn launch(spec: &Spec) -> io::Result<Launched> {
    let yield_file = std::path::absolute(spec.yield_file())?;
    // What lies there is of another run, and would make this one yield at once.
    match std::fs::remove_file(&yield_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (line, theirs) = UnixStream::pair()?;
    let (output, output_end) = io::pipe()?;
    let (input_end, input) = io::pipe()?;
    let mut command = Command::new(&spec.shim);
    command.args(shim::arguments(spec.timeout, spec.grace, &spec.tag)).args(&spec.argv).current_dir(&spec.dir);
    command.env_clear().envs(spec.env.iter().map(|(key, value)| (key, value)));
    command.env(TAG, &spec.tag).env(YIELD_FILE, &yield_file);
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).stdout(output_end).stderr(input_end);
    // The other ends go with `command`: whoever holds one here would never see it close.
    let child = command.spawn()?;
    Ok(Launched { shim: child.id(), child, line, output, input, yield_file })
}

enum Event {
    Said(Report),
    /// All output is there.
    Drained,
    /// The shim has ended.
    Gone(Option<ExitStatus>),
}

/// Takes the output, until it ends or until it is enough.
fn drain(mut output: PipeReader, enough: PipeReader, capture: Arc<Mutex<Capture>>, events: Sender<Event>) {
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            let mut watched = [PollFd::new(&output, PollFlags::IN), PollFd::new(&enough, PollFlags::IN)];
            let interrupted = poll(&mut watched, None).is_err();
            let stop = !watched[1].revents().is_empty();
            if interrupted {
                continue;
            }
            if stop {
                return;
            }
            match output.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => capture.lock().unwrap_or_else(PoisonError::into_inner).take(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // Nobody listens where the run was given up.
        let _ = events.send(Event::Drained);
    });
}

/// Listens to the shim until it ends, and waits for it.
fn attend(line: UnixStream, mut shim: Child, events: Sender<Event>) {
    thread::spawn(move || {
        for text in BufReader::new(line).lines().map_while(Result::ok) {
            if let Ok(report) = serde_json::from_str(&text) {
                let _ = events.send(Event::Said(report));
            }
        }
        let _ = events.send(Event::Gone(shim.wait().ok()));
    });
}

/// How the command ended.
#[derive(Debug, Clone, Copy, Default)]
struct Exit {
    code: Option<i32>,
    signal: Option<i32>,
    core: bool,
    after: Duration,
}

/// What became of the processes.
#[derive(Default)]
struct Rest {
    told: Option<Told>,
    leaked: Vec<u32>,
    left: Vec<u32>,
    usage: Option<Usage>,
}

/// A command that runs, with everything it starts. Dropped before its end it is ended as if its runner had died.
#[must_use]
pub struct Running {
    identity: Identity,
    line: UnixStream,
    events: Receiver<Event>,
    capture: Arc<Mutex<Capture>>,
    /// Closed once no more output is wanted.
    enough: Option<io::PipeWriter>,
    yield_file: PathBuf,
    grace: Duration,
    begun: Instant,
    /// When the shim must have ended the run.
    due: Instant,
    stop: Option<Stop>,
    exit: Option<Exit>,
    drained: bool,
    ended: Option<Ended>,
}

impl Running {
    /// Returns by what the run is found again.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the end of the run, if it has ended.
    pub fn poll(&mut self) -> Option<Ended> {
        self.wait_until(Instant::now())
    }

    /// Waits for the end of the run, until that instant.
    pub fn wait_until(&mut self, until: Instant) -> Option<Ended> {
        while self.ended.is_none() {
            let now = Instant::now();
            match self.events.recv_timeout(until.min(self.due).saturating_duration_since(now)) {
                Ok(event) => self.hear(event),
                Err(_) if now >= self.due => self.take_over(None),
                Err(_) if now >= until => return None,
                Err(_) => {}
            }
        }
        self.ended.clone()
    }

    /// Returns at most so many of the last bytes of its output so far.
    pub fn output_tail(&self, max: usize) -> Vec<u8> {
        match &self.ended {
            Some(Ended { output, .. }) => output.tail[output.tail.len().saturating_sub(max)..].to_vec(),
            None => self.capture.lock().unwrap_or_else(PoisonError::into_inner).last(max),
        }
    }

    /// Asks the command to put its work away and end, by making the file that [`YIELD_FILE`] names, with the reason in
    /// it. Whether it does is its own affair.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn ask_to_yield(&self, reason: &str) -> io::Result<()> {
        let folder = self.yield_file.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(file, "{reason}")?;
        file.persist(&self.yield_file)?;
        Ok(())
    }

    /// Begins to end the run: TERM, then CONT, after the grace KILL. The first reason counts. Returns at once; the end
    /// comes as every end does.
    pub fn stop(&mut self, why: Stop) {
        if self.stop.is_none() && self.ended.is_none() {
            self.stop = Some(why);
            self.tell(STOP);
            self.due = self.due.min(Instant::now() + self.grace + BACKSTOP);
        }
    }

    /// Cuts short the grace of a run that was told to stop.
    pub fn kill(&mut self) {
        self.stop(Stop::Asked);
        self.tell(KILL);
        self.due = self.due.min(Instant::now() + BACKSTOP);
    }

    fn tell(&mut self, what: u8) {
        // A shim that hears nothing has ended or is dealt with when it is due.
        let _ = self.line.write_all(&[what]);
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Said(Report::Exited { code, signal, core, after }) => {
                self.exit = Some(Exit { code, signal, core, after });
                self.due = self.due.min(Instant::now() + self.grace + BACKSTOP);
            }
            Event::Said(Report::Over { told, leaked, left, usage }) => {
                self.finish(Rest { told, leaked, left, usage: Some(usage) }, None);
            }
            Event::Said(Report::Started(_) | Report::NotStarted { .. }) => {}
            Event::Drained => self.drained = true,
            Event::Gone(status) => self.take_over(status),
        }
    }

    /// Ends the run in the place of a shim that has ended too early, or does not do what it should.
    fn take_over(&mut self, status: Option<ExitStatus>) {
        let left = tree::end(&self.identity, Duration::ZERO);
        let late = status.is_none() && self.stop.is_none() && self.exit.is_none();
        self.finish(Rest { told: late.then_some(Told::Time), left, ..Rest::default() }, status);
    }

    fn finish(&mut self, rest: Rest, shim: Option<ExitStatus>) {
        // The output first, for a while; then the shim, which has nothing left to do and goes at once.
        let (begun, mut gone) = (Instant::now(), shim.is_some());
        while !(self.drained && gone) {
            let patience = if gone || begun.elapsed() < LINGER { LINGER } else { BACKSTOP };
            match self.events.recv_timeout((begun + patience).saturating_duration_since(Instant::now())) {
                Ok(Event::Drained) => self.drained = true,
                Ok(Event::Gone(_)) => gone = true,
                Ok(Event::Said(_)) => {}
                Err(_) if gone || begun.elapsed() >= BACKSTOP => break,
                Err(_) => {}
            }
        }
        self.enough = None;
        let output = self.capture.lock().unwrap_or_else(PoisonError::into_inner).seal();
        let _ = std::fs::remove_file(&self.yield_file);
        let exit = self.exit.unwrap_or_else(|| Exit { after: self.begun.elapsed(), ..Exit::default() });
        self.ended = Some(Ended {
            outcome: self.outcome(exit, &rest, shim),
            exit_code: exit.code,
            signal: exit.signal,
            core: exit.core,
            timed_out: rest.told == Some(Told::Time),
            duration: exit.after,
            usage: rest.usage,
            output,
            leaked: rest.leaked,
            left: rest.left,
        });
    }

    fn outcome(&self, exit: Exit, rest: &Rest, shim: Option<ExitStatus>) -> Outcome {
        match (rest.told, self.stop, exit) {
            (Some(Told::Time), ..) => Outcome::TimedOut,
            // Ended by itself before anybody told it to.
            (None, _, Exit { code: Some(0), .. }) if self.drained && rest.leaked.is_empty() => Outcome::Passed,
            (None, _, Exit { code: Some(0), .. }) => Outcome::Leaked,
            (None, _, Exit { code: Some(code), .. }) => Outcome::Failed { code },
            (None, _, Exit { signal: Some(signal), .. }) => Outcome::Signalled { signal },
            (_, Some(Stop::LeaseLost), _) => Outcome::LeaseLost,
            (_, Some(Stop::Asked), _) | (Some(_), None, _) => Outcome::Stopped,
            (None, None, _) => Outcome::Signalled { signal: shim.and_then(|status| status.signal()).unwrap_or(0) },
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The thread that listens holds the line as well, so that dropping ours does not close it.
        let _ = self.line.shutdown(Shutdown::Both);
    }
}
