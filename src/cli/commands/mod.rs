//! One file per verb: typed arguments in, an answer out.

pub(super) mod agents;
pub(super) mod answers;
pub(super) mod archive;
pub(super) mod audit;
pub(super) mod backup;
pub(super) mod block;
pub(super) mod check;
pub(super) mod claim;
pub(super) mod comment;
pub(super) mod deliver;
pub(super) mod demo;
pub(super) mod dep_tree;
pub(super) mod diff;
pub(super) mod doctor;
pub(super) mod edit;
pub(super) mod hook;
pub(super) mod import;
pub(super) mod init;
pub(super) mod life;
pub(super) mod list;
pub(super) mod lock;
pub(super) mod log;
pub(super) mod merge_driver;
pub(super) mod new;
pub(super) mod next;
pub(super) mod papers;
mod provisional;
pub(super) mod review;
pub(super) mod running;
pub(super) mod scan;
pub(super) mod schedule;
pub(super) mod show;
pub(super) mod stats;
pub(super) mod status;
pub(super) mod step;
pub(super) mod sync;

use std::path::PathBuf;

use super::run::Context;
use super::ui::{Answer, plural};
use crate::ops::failure::Failure;
use crate::ops::session::View;

/// Says that some of the board cannot be read, and so is not in what follows.
fn warn_invalid(cx: &mut Context<'_>, view: &View) -> Result<(), Failure> {
    let mut files: Vec<&str> = view.snapshot.all_live()?.invalid.iter().map(|v| v.file.as_str()).collect();
    files.dedup();
    if !files.is_empty() {
        let count = plural(files.len(), "broken file");
        cx.ui.warn(&format!("{count} left out: {}; `squad check` says what is wrong", listed(&files)));
    }
    Ok(())
}

/// Returns the first few, and how many there are beyond.
fn listed(files: &[&str]) -> String {
    const MOST: usize = 3;
    let first = files.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if files.len() > MOST { format!("{first} and {} more", files.len() - MOST) } else { first }
}

/// Says why what follows may be out of date.
fn warn_degraded(cx: &mut Context<'_>, view: &View) {
    blocked(cx, view.degraded.as_deref());
}

/// The same, for an answer that was made of the view.
fn blocked(cx: &mut Context<'_>, cause: Option<&str>) {
    if let Some(cause) = cause {
        cx.ui.blocker(cause);
    }
}

/// Adds whether an answer may be out of date, and why.
fn with_cause(answer: Answer, cause: Option<&str>) -> Answer {
    let answer = answer.with("degraded", cause.is_some());
    match cause {
        Some(cause) => answer.with("cause", cause),
        None => answer,
    }
}

/// Returns the folder of the user's state, which all clones share.
///
/// Source: XDG Base Directory Specification.
fn state_home() -> Option<PathBuf> {
    let absolute = |key: &str| std::env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))
}
