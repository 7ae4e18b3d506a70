//! What a run has come to: the result file that its command leaves, and what that means for the task.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::super::block::Obstacle;
use crate::model::cause::{Exit, cause_of};
use crate::model::id::TaskId;
use crate::model::vocabulary::{BlockKind, Cause, EvidenceKind};
use crate::review::secrets::masked;
use crate::runner::{Ended, Outcome};

/// Largest result that is read, in bytes.
const MAX_RESULT: u64 = 256 * 1024;

/// Most characters of the last words that become the error of a task.
const MAX_ERROR: usize = 2000;

/// What a command says that it has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    /// The task is done.
    Done,
    /// It is done and wants a review.
    Review,
    /// It cannot go on.
    Blocked,
    /// It did not work.
    Failed,
    /// It was asked to let others have a turn, and goes on later.
    Yielded,
}

/// What a command leaves in its result file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Left {
    outcome: Said,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    deliverable: Option<String>,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    block: Option<LeftBlock>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct LeftBlock {
    kind: Option<BlockKind>,
    reason: String,
    needs: Vec<String>,
    question: String,
    options: Vec<String>,
    /// In seconds.
    retry_after: Option<u64>,
    on: Vec<TaskId>,
}

/// What is to become of the task.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is handed in, for review where that is asked for.
    Done { review: bool, summary: Option<String>, deliverable: Option<String>, evidence: Vec<(EvidenceKind, String)> },
    /// It cannot go on.
    Blocked(Obstacle),
    /// It failed.
    Failed { error: String, cause: Cause },
    /// It goes on later.
    Yielded { summary: Option<String> },
    /// Nothing: it was stopped.
    Stopped,
}

/// Returns what a run has come to.
pub(super) fn verdict(ended: &Ended, result: &Path, asked_to_yield: bool) -> Verdict {
    match of_end(ended, result) {
        Verdict::Yielded { .. } if !asked_to_yield => {
            unknown("its result says yielded, and nobody had asked it to (SQUAD_YIELD_FILE is there once it is asked)")
        }
        verdict => verdict,
    }
}

fn of_end(ended: &Ended, result: &Path) -> Verdict {
    let last = last_words(ended);
    let exit = Exit { timed_out: ended.timed_out, code: ended.exit_code, signal: ended.signal };
    let how = match &ended.outcome {
        Outcome::LeaseLost | Outcome::Stopped => return Verdict::Stopped,
        // What it has left running has ended by now, and its work is what it was.
        Outcome::Passed | Outcome::Leaked => return by_result(result),
        Outcome::Failed { code } => {
            // What it says of itself goes before what its last words look like.
            if let Ok(Some(left)) = read(result)
                && left.outcome == Said::Failed
            {
                return of(left);
            }
            format!("exit code {code}")
        }
        Outcome::Signalled { signal } => format!("ended by signal {signal}"),
        Outcome::TimedOut => format!("timeout: not done after {} s", ended.duration.as_secs()),
        Outcome::NotStarted { why } => why.clone(),
    };
    let error = if last.is_empty() { how } else { format!("{how}\n{last}") };
    Verdict::Failed { error, cause: cause_of(exit, &last) }
}

fn by_result(result: &Path) -> Verdict {
    match read(result) {
        Ok(Some(left)) => of(left),
        Ok(None) => unknown(
            "it exited with 0 and left no result: nothing shows that the task is done (SQUAD_RESULT names the file to write)",
        ),
        Err(why) => unknown(&format!("it exited with 0, and its result cannot be used: {why}")),
    }
}

fn unknown(error: &str) -> Verdict {
    Verdict::Failed { error: error.to_owned(), cause: Cause::Unknown }
}

/// Reads the result; nothing where there is none. The command can write anything there.
fn read(path: &Path) -> Result<Option<Left>, String> {
    // A pipe or a device would be read for ever.
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(meta) if !meta.is_file() => return Err("it is no ordinary file".to_owned()),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_RESULT + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_RESULT {
        return Err(format!("it has more than {MAX_RESULT} bytes"));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string())
}

fn of(left: Left) -> Verdict {
    match left.outcome {
        Said::Done | Said::Review => {
            let mut evidence = Vec::new();
            for piece in &left.evidence {
                let parts =
                    piece.split_once(':').and_then(|(kind, value)| Some((kind.parse().ok()?, value.to_owned())));
                let Some(named) = parts else {
                    return unknown(&format!("its result names the evidence {piece:?}, which is no KIND:VALUE"));
                };
                evidence.push(named);
            }
            let review = left.outcome == Said::Review;
            Verdict::Done { review, summary: left.summary, deliverable: left.deliverable, evidence }
        }
        Said::Blocked => {
            let Some(block) = left.block else { return unknown("its result says blocked, and not by what (block)") };
            Verdict::Blocked(Obstacle {
                kind: block.kind,
                reason: block.reason,
                needs: block.needs,
                question: block.question,
                options: block.options,
                retry_after: block.retry_after.map(std::time::Duration::from_secs),
                on: block.on,
                ..Obstacle::default()
            })
        }
        Said::Yielded => {
            // One step of the task's progress is one line.
            let line = left.summary.as_deref().and_then(|text| text.trim().lines().next()).map(plain);
            Verdict::Yielded { summary: line.filter(|line| !line.is_empty()) }
        }
        Said::Failed => {
            let error = left.error.or(left.summary).map(|error| plain(&error)).filter(|error| !error.is_empty());
            let error = error.unwrap_or_else(|| "its result says failed, and not why".to_owned());
            let cause = cause_of(Exit::default(), &error);
            Verdict::Failed { error, cause }
        }
    }
}

fn last_words(ended: &Ended) -> String {
    let output = if ended.output.tail.is_empty() { &ended.output.head } else { &ended.output.tail };
    plain(&String::from_utf8_lossy(output))
}

/// Returns the end of a text as it may stand on the board: without control characters and secrets, and not too long.
fn plain(text: &str) -> String {
    let text = &masked(text.trim());
    let from = text.char_indices().rev().nth(MAX_ERROR - 1).map_or(0, |(at, _)| at);
    // A message of the board holds no control characters but line ends.
    text[from..].chars().filter(|c| !c.is_control() || *c == '\n').collect()
}
