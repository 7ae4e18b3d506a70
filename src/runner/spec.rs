//! What is to be run, and how long it may.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ended::{Ended, Outcome};
use super::output::{Kept, OutputLimits};
use super::process::{self, Process};

/// The variable that carries [`Spec::tag`] to every process of a run that keeps its environment.
pub const TAG: &str = "SQUAD_RUN";

/// The variable that names the file which appears when a run is asked to yield ([`super::Running::ask_to_yield`]).
pub const YIELD_FILE: &str = "SQUAD_YIELD_FILE";

/// Shortest tag: a short one is soon used twice, and what carries it is ended.
pub(super) const MIN_TAG: usize = 8;

/// A command with everything it is given.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program that keeps the run together: squad itself, which answers to [`super::shim::VERB`].
    pub shim: PathBuf,
    /// The program, looked for in the `PATH` of `env` unless it has a `/`, and its arguments.
    pub argv: Vec<OsString>,
    /// The folder it runs in.
    pub dir: PathBuf,
    /// Its whole environment: nothing is inherited, and [`TAG`] and [`YIELD_FILE`] are all that is added.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads, of any size.
    pub stdin: Vec<u8>,
    /// Where its output goes. The file must not be there yet; its folder is made, closed to others.
    pub log: PathBuf,
    /// How much of the output is kept.
    pub limits: OutputLimits,
    /// How long it may run.
    pub timeout: Duration,
    /// How long it may take to end once it is asked to.
    pub grace: Duration,
    /// A name that no other run has or will have: letters, digits and `-`, at least eight of them.
    pub tag: String,
}

impl Spec {
    /// Returns the file that asks the run to yield. It lies beside the log.
    pub fn yield_file(&self) -> PathBuf {
        self.log.with_extension("yield")
    }
}

/// By what a run is found again, also by another process and after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The process that keeps it together.
    pub shim: Process,
    /// The process of its command, whose id is also that of its process group.
    pub command: Process,
    /// Its tag.
    pub tag: String,
}

impl Identity {
    /// Returns that of a run that is about to begin: of its processes no more is known than that they carry the tag.
    pub fn to_come(tag: &str) -> Self {
        // No process has this id, and a process without a time of start is taken for nobody's.
        let nobody = Process { boot: process::boot(), pid: 0, start: String::new() };
        Self { shim: nobody.clone(), command: nobody, tag: tag.to_owned() }
    }
}

/// A command that did not begin.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct NotStarted {
    what: String,
    source: io::Error,
    log: PathBuf,
}

impl NotStarted {
    pub(super) fn new(spec: &Spec, what: impl Into<String>, source: io::Error) -> Self {
        Self { what: what.into(), source, log: spec.log.clone() }
    }

    /// Returns what was in the way.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Returns it as the end of a run, for those who write down ends.
    pub fn into_ended(self) -> Ended {
        let why = format!("{self}: {}", self.source);
        Ended {
            outcome: Outcome::NotStarted { why },
            exit_code: None,
            signal: None,
            core: false,
            timed_out: false,
            duration: Duration::ZERO,
            usage: None,
            output: Kept::nothing(self.log),
            leaked: Vec::new(),
            left: Vec::new(),
        }
    }
}
