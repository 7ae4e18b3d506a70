//! The user's crontab, by the program that owns it; and its former states, kept beside the board.
//!
//! Source: crontab(1).

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Machine;
use super::block::{self, Damaged};
use crate::board::repository::find_program;
use crate::board::store::AccessFault;
use crate::model::code::ErrorCode;
use crate::model::id::Millis;
use crate::model::time::rfc3339;
use crate::ops::failure::Failure;
use crate::ops::queue::make_private;
use crate::runner::command::{Call, Ran, run_together};

/// Longest wait for `crontab` or `systemctl`.
const LIMIT: Duration = Duration::from_secs(30);

/// How many states of one second are kept.
const SAME_SECOND: usize = 100;

/// The endings of a kept crontab, and of one that was none.
const KEPT: &str = "crontab";
const NONE: &str = "no-crontab";

/// The user's crontab.
pub(super) struct Crontab<'a> {
    program: PathBuf,
    machine: &'a Machine,
}

impl<'a> Crontab<'a> {
    /// Returns the crontab, where there is a program for it.
    pub fn find(machine: &'a Machine) -> Option<Self> {
        find_program("crontab").map(|program| Self { program, machine })
    }

    /// Keeps every other squad of this user from it, until what is returned is dropped: what one reads and the other
    /// writes in between would be lost.
    pub fn lock(&self) -> Result<Option<File>, Failure> {
        let Some(folder) = self.machine.state_home.as_ref().map(|state| state.join("squad")) else { return Ok(None) };
        let path = folder.join("crontab.lock");
        let locked = make_private(&folder).and_then(|()| {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            file.lock()?;
            Ok(file)
        });
        locked.map(Some).map_err(|source| AccessFault::State { what: "lock the crontab with", path, source }.into())
    }

    /// Returns its text; nothing where the user has none.
    pub fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        let ran = self.run(&["-l"], Vec::new())?;
        if ran.code == Some(0) {
            return Ok(Some(ran.stdout));
        }
        let said = String::from_utf8_lossy(&ran.stderr).to_lowercase();
        if ran.stdout.is_empty() && said.contains("no crontab") {
            return Ok(None);
        }
        Err(refused("read", &ran))
    }

    /// Gives it a text, or takes it away.
    pub fn write(&self, text: Option<&[u8]>) -> Result<(), Failure> {
        let ran = match text {
            Some(text) => self.run(&["-"], text.to_vec())?,
            None => self.run(&["-r"], Vec::new())?,
        };
        if ran.code != Some(0) {
            return Err(refused("write", &ran));
        }
        if self.read()?.as_deref() != text {
            return Err(Failure::new(ErrorCode::Internal, "the crontab is not what was written")
                .why("another program may have changed it at the same moment")
                .hint("`squad schedule status` shows what is there; run the command again then"));
        }
        Ok(())
    }

    fn run(&self, args: &[&str], stdin: Vec<u8>) -> Result<Ran, Failure> {
        run(&self.program, args, stdin, self.machine)
    }
}

/// Runs a program of the user's session.
pub(super) fn run(program: &Path, args: &[&str], stdin: Vec<u8>, machine: &Machine) -> Result<Ran, Failure> {
    let call = Call {
        program: program.to_owned(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        dir: std::path::Path::new("/").to_owned(),
        env: machine.env.clone(),
        stdin,
    };
    let mut ran = run_together(&[call], LIMIT)
        .map_err(|e| Failure::new(ErrorCode::Internal, format!("cannot run {}", program.display())).caused_by(&e))?;
    Ok(ran.pop().expect("one call has one end"))
}

fn refused(what: &str, ran: &Ran) -> Failure {
    Failure::new(ErrorCode::Internal, format!("cannot {what} the crontab"))
        .why(last_words(ran))
        .hint("see that `crontab -l` works for this user; `--format systemd` needs no crontab")
}

/// Returns the last thing that a program said.
pub(super) fn last_words(ran: &Ran) -> String {
    let text = String::from_utf8_lossy(if ran.stderr.is_empty() { &ran.stdout } else { &ran.stderr });
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    line.map_or_else(|| format!("it ends with {:?} and says nothing", ran.code), |line| line.trim().to_owned())
}

/// Says that the marks of squad are not as it writes them.
pub(super) fn damaged(_: Damaged) -> Failure {
    Failure::new(ErrorCode::Invalid, "squad's lines in the crontab are damaged")
        .why("its mark at the beginning or at the end is missing, or stands there twice")
        .hint("`crontab -e` lets you put it right: one `# squad: begin` and one `# squad: end` for this clone")
}

/// Keeps what is to be replaced; returns the file.
pub(super) fn keep(folder: &Path, now: Millis, text: Option<&[u8]>) -> Result<PathBuf, Failure> {
    let failed = |e: &io::Error| {
        Failure::new(ErrorCode::Internal, format!("cannot keep the former crontab in {}", folder.display()))
            .caused_by(e)
            .hint("nothing was changed; allow writing there")
    };
    make_private(folder).map_err(|e| failed(&e))?;
    let ending = if text.is_some() { KEPT } else { NONE };
    for nth in 1..=SAME_SECOND {
        let path = folder.join(format!("{}-{nth:02}.{ending}", stamp(now)));
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.unwrap_or_default()).and_then(|()| file.sync_all()).map_err(|e| failed(&e))?;
                return Ok(path);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(failed(&e)),
        }
    }
    Err(failed(&io::ErrorKind::AlreadyExists.into()))
}

/// Returns the instant as a name: `2026-11-28T030405Z`.
pub(super) fn stamp(now: Millis) -> String {
    let text = rfc3339(now);
    let seconds = text.split('.').next().unwrap_or(&text).trim_end_matches('Z');
    seconds.chars().filter(|c| *c != ':').chain(['Z']).collect()
}

/// Returns the crontab as it was before the block came, where nothing else has changed since; else without the block.
pub(super) fn former(folder: &Path, id: &str, text: &[u8], place: &std::ops::Range<usize>) -> Option<Vec<u8>> {
    let mut kept: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    kept.sort();
    let lines = String::from_utf8_lossy(&text[place.clone()]).into_owned();
    for path in kept.iter().rev() {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let before = match ending {
            Some(KEPT) => fs::read(path).ok().map(Some),
            Some(NONE) => Some(None),
            _ => None,
        };
        let Some(before) = before else { continue };
        let bytes = before.as_deref().unwrap_or_default();
        let is_before = block::find(bytes, id) == Ok(None);
        if is_before && block::with_block(bytes, id, &lines).as_deref() == Ok(text) {
            return before;
        }
    }
    Some(block::without(text, place))
}
