//! Commands, run to their end: one with its output handed on as it comes, or several at once with it kept.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait, in all, for the rest of the output once the shell has ended: what it left running in the
/// background may hold the pipe for ever.
const LINGER: Duration = Duration::from_millis(500);

/// Most bytes that can still lie in the pipe once the shell has ended; what comes beyond is of the background.
const MAX_PIPE: usize = 1 << 20;

/// Between two looks at whether a program has ended.
const LOOK: Duration = Duration::from_millis(2);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// Runs a command line through the system's shell, in a folder, with nothing on its standard input.
///
/// Standard output and standard error go into one pipe, so that `take` sees them in the order in which they came.
/// The end of the shell is the end of the command: what it started in the background is neither ended nor waited for.
///
/// # Errors
/// When the shell cannot be started or its output not be read.
#[expect(clippy::disallowed_methods, reason = "this is the file that starts commands other than git")]
pub fn run_shell(line: &str, dir: &Path, take: &mut dyn FnMut(&[u8])) -> io::Result<Finished> {
    let argv: Vec<String> = if cfg!(windows) { vec!["cmd", "/C", line] } else { vec!["sh", "-c", line] }
        .into_iter()
        .map(str::to_owned)
        .collect();
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(dir).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn()?;
    // The parent's ends of the pipe live in `command`; while they are open, the reader never sees the end.
    drop(command);
    let status = follow(child, reader, take)?;
    Ok(Finished { argv, code: status.code(), signal: signal_of(status) })
}

enum Event {
    Output(Vec<u8>),
    Closed(io::Result<()>),
    Ended(io::Result<ExitStatus>),
}

/// Hands on what comes out of a child until it has ended and its output with it, or nearly so.
fn follow(mut child: Child, mut reader: io::PipeReader, take: &mut dyn FnMut(&[u8])) -> io::Result<ExitStatus> {
    // Without room of its own: a slow `take` holds up the command, as a terminal would, and nothing piles up.
    let (sender, events) = mpsc::sync_channel(0);
    let outputs = sender.clone();
    thread::spawn(move || {
        let mut buffer = [0u8; 16 * 1024];
        let closed = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(n) if outputs.send(Event::Output(buffer[..n].to_vec())).is_err() => return,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
        };
        // Nobody listens any more where the pipe was held for longer than we waited.
        let _ = outputs.send(Event::Closed(closed));
    });
    thread::spawn(move || {
        let _ = sender.send(Event::Ended(child.wait()));
    });

    let (mut status, mut closed, mut patience, mut late) = (None, false, LINGER, 0);
    loop {
        let begun = Instant::now();
        // Until the shell has ended there is no limit, and one of the two threads always has something to say.
        let event = match (status, closed) {
            (Some(status), true) => return Ok(status),
            (None, _) => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            (Some(_), false) => events.recv_timeout(patience),
        };
        if status.is_some() {
            patience = patience.saturating_sub(begun.elapsed());
        }
        match event {
            Ok(Event::Output(bytes)) => {
                take(&bytes);
                late += if status.is_some() { bytes.len() } else { 0 };
            }
            Ok(Event::Closed(how)) => {
                how?;
                closed = true;
            }
            Ok(Event::Ended(how)) => status = Some(how?),
            Err(RecvTimeoutError::Timeout) => closed = true,
            // Both threads have said all that they had to say, or one of them could not.
            Err(RecvTimeoutError::Disconnected) => return status.ok_or_else(|| io::ErrorKind::BrokenPipe.into()),
        }
        closed |= late > MAX_PIPE;
    }
}

/// A program to run, with everything it is given.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program, in full.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder it runs in.
    pub dir: PathBuf,
    /// Its whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads.
    pub stdin: Vec<u8>,
}

/// What a program wrote, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Runs programs at once, and returns what came of each, in their order. One that has not ended after `limit` is ended.
///
/// As of a command line, the end of the program is the end: what it left running may keep its output open.
///
/// # Errors
/// When one of them cannot be started or read, or was ended ([`io::ErrorKind::TimedOut`]); the others are waited for.
pub fn run_together(calls: &[Call], limit: Duration) -> io::Result<Vec<Ran>> {
    let begun = Instant::now();
    let children: Vec<io::Result<Started>> = calls.iter().map(start).collect();
    let ends: Vec<io::Result<Ran>> = children.into_iter().map(|started| end_of(started?, begun, limit)).collect();
    ends.into_iter().collect()
}

/// A program that runs, and what it writes: `true` is standard output. The sender of each stream goes with its end.
struct Started {
    child: Child,
    written: mpsc::Receiver<(bool, Vec<u8>)>,
}

#[expect(clippy::disallowed_methods, reason = "this is the file that starts commands other than git")]
fn start(call: &Call) -> io::Result<Started> {
    let mut child = Command::new(&call.program)
        .args(&call.args)
        .current_dir(&call.dir)
        .env_clear()
        .envs(call.env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        let stdin = call.stdin.clone();
        // A program that ends without reading is no failure of ours.
        thread::spawn(move || drop(pipe.write_all(&stdin)));
    }
    let (sender, written) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        hand_on(pipe, true, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        hand_on(pipe, false, sender);
    }
    Ok(Started { child, written })
}

/// Hands on what comes out of a pipe, for as long as somebody listens.
fn hand_on(mut pipe: impl Read + Send + 'static, is_stdout: bool, sender: mpsc::Sender<(bool, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = [0u8; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) if sender.send((is_stdout, buffer[..n].to_vec())).is_err() => return,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
}

fn end_of(Started { mut child, written }: Started, begun: Instant, limit: Duration) -> io::Result<Ran> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut is_open, mut ended) = (true, None);
    let status = loop {
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, at)) if !is_open || at.elapsed() >= LINGER => break status,
            Some(_) => {}
            None if begun.elapsed() >= limit => {
                // It may have ended by itself just now; then there is nobody to end.
                let _ = child.kill();
                child.wait()?;
                let why = format!("it had not ended after {} s, and was ended", limit.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            None => {}
        }
        if !is_open {
            thread::sleep(LOOK);
            continue;
        }
        match written.recv_timeout(LOOK) {
            Ok((true, bytes)) => stdout.extend(bytes),
            Ok((false, bytes)) => stderr.extend(bytes),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => is_open = false,
        }
    };
    Ok(Ran { code: status.code(), stdout, stderr })
}

#[cfg(unix)]
fn signal_of(status: std::process::ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    status.signal()
}

#[cfg(not(unix))]
fn signal_of(_: std::process::ExitStatus) -> Option<i32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn both_streams_arrive_in_the_order_in_which_they_were_written() {
        let mut output = Vec::new();
        let finished = run_shell("echo one; echo two >&2; echo three; exit 7", Path::new("/"), &mut |bytes| {
            output.extend_from_slice(bytes);
        })
        .expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output), "one\ntwo\nthree\n");
        assert_eq!((finished.code, finished.signal), (Some(7), None));
        assert_eq!(finished.argv[0], "sh");
    }

    /// A limit that nothing here reaches.
    const AMPLE: Duration = Duration::from_secs(60);

    /// Returns a call of the shell with an environment of one variable.
    fn shell(line: &str, stdin: &str) -> Call {
        Call {
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), line.to_owned()],
            dir: "/".into(),
            env: vec![("GIVEN".into(), "yes".into())],
            stdin: stdin.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_call_sees_what_it_is_given_and_nothing_else() {
        let line = "cat; echo $GIVEN${HOME-none}$PWD; echo oops >&2; exit 3";
        let ran = run_together(&[shell(line, "read\n")], AMPLE).expect("a shell").remove(0);
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "read\nyesnone/\n");
        assert_eq!((ran.code, ran.stderr.as_slice()), (Some(3), b"oops\n".as_slice()));
    }

    #[test]
    fn calls_run_at_once_and_answer_in_their_order() {
        // Each waits for the other: one after the other they would never end.
        let dir = tempfile::tempdir().expect("a folder");
        let meet = |own: &str, other: &str| {
            let mut call = shell(&format!(": > {own}; until [ -e {other} ]; do :; done; echo {own}"), "");
            call.dir = dir.path().to_owned();
            call
        };
        let ran = run_together(&[meet("a", "b"), meet("b", "a")], AMPLE).expect("shells");
        assert_eq!([&ran[0].stdout[..], &ran[1].stdout[..]], [b"a\n", b"b\n"]);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_and_the_others_are_heard() {
        let begun = Instant::now();
        let mut calls = [shell("exec sleep 60", ""), shell("echo heard; : > there", "")];
        let dir = tempfile::tempdir().expect("a folder");
        calls[1].dir = dir.path().to_owned();
        let error = run_together(&calls, Duration::from_millis(300)).expect_err("the first does not end");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert!(dir.path().join("there").exists());
    }

    #[test]
    fn a_program_reads_and_writes_more_than_a_pipe_holds() {
        let ran = run_together(&[shell("cat", &"x".repeat(1 << 20))], AMPLE).expect("a shell").remove(0);
        assert_eq!((ran.code, ran.stdout.len()), (Some(0), 1 << 20));
    }

    #[test]
    fn what_a_program_left_running_does_not_keep_its_answer() {
        let begun = Instant::now();
        let ran = run_together(&[shell("echo first; sleep 30 & exit 4", "")], AMPLE).expect("a shell").remove(0);
        assert_eq!((ran.code, ran.stdout.as_slice()), (Some(4), b"first\n".as_slice()));
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    }

    #[test]
    fn what_is_left_running_in_the_background_is_not_waited_for() {
        for background in ["sleep 30 &", "(while sleep 0.05; do echo more; done) &", "yes &"] {
            let begun = Instant::now();
            let mut output = Vec::new();
            // It ends with the test: as the last of its kind, by a pipe that nobody reads, or by itself.
            let line = format!("echo first; {background} sleep 0.1; exit 4");
            let mut take = |bytes: &[u8]| output.extend_from_slice(bytes);
            let finished = run_shell(&line, Path::new("/"), &mut take).expect("a shell");
            assert_eq!(finished.code, Some(4), "{background}");
            assert!(output.starts_with(b"first\n"), "{background}");
            assert!(begun.elapsed() < Duration::from_secs(15), "{background}: {:?}", begun.elapsed());
        }
    }

    #[test]
    fn a_reader_that_is_slow_loses_nothing() {
        let mut bytes = 0;
        let mut take = |output: &[u8]| {
            thread::sleep(Duration::from_millis(60));
            bytes += output.len();
        };
        run_shell("head -c 200000 /dev/zero", Path::new("/"), &mut take).expect("a shell");
        assert_eq!(bytes, 200_000);
    }

    #[test]
    fn a_command_that_a_signal_ends_has_no_exit_code() {
        let finished = run_shell("kill -9 $$", Path::new("/"), &mut |_| {}).expect("a shell");
        assert_eq!((finished.code, finished.signal), (None, Some(9)));
    }
}
