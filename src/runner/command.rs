//! One command, run to its end with its output handed on as it comes.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

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
///
/// # Errors
/// When the shell cannot be started or its output not be read.
#[expect(clippy::disallowed_methods, reason = "this is the file that starts commands other than git")]
pub fn run_shell(line: &str, dir: &Path, take: &mut dyn FnMut(&[u8])) -> io::Result<Finished> {
    let argv: Vec<String> = if cfg!(windows) { vec!["cmd", "/C", line] } else { vec!["sh", "-c", line] }
        .into_iter()
        .map(str::to_owned)
        .collect();
    let (mut reader, writer) = io::pipe()?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(dir).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The parent's ends of the pipe live in `command`; while they are open, the reader never sees the end.
    drop(command);
    let mut buffer = [0u8; 16 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => take(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let status = child.wait()?;
    Ok(Finished { argv, code: status.code(), signal: signal_of(status) })
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

    #[test]
    fn a_command_that_a_signal_ends_has_no_exit_code() {
        let finished = run_shell("kill -9 $$", Path::new("/"), &mut |_| {}).expect("a shell");
        assert_eq!((finished.code, finished.signal), (None, Some(9)));
    }
}
