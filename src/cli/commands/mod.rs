//! One file per verb: typed arguments in, an answer out.

pub(super) mod agents;
pub(super) mod answers;
pub(super) mod archive;
pub(super) mod block;
pub(super) mod check;
pub(super) mod claim;
pub(super) mod comment;
pub(super) mod deliver;
pub(super) mod demo;
pub(super) mod dep_tree;
pub(super) mod edit;
pub(super) mod init;
pub(super) mod list;
pub(super) mod lock;
pub(super) mod log;
pub(super) mod new;
pub(super) mod next;
pub(super) mod papers;
pub(super) mod scan;
pub(super) mod show;
pub(super) mod stats;
pub(super) mod status;
pub(super) mod step;
pub(super) mod sync;

use super::run::Context;
use crate::ops::session::View;

/// Says that what follows may be out of date.
fn warn_degraded(cx: &mut Context<'_>, view: &View) {
    if let Some(why) = &view.degraded {
        cx.ui.warn(&format!("this may be out of date: {why}"));
    }
}
