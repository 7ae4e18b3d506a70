//! `merge-driver`

use serde_json::json;

use crate::cli::args::MergeDriverArgs;
use crate::cli::run::Context;
use crate::cli::ui::Answer;
use crate::ops::failure::Failure;
use crate::ops::merge::{MergedFile, Versions, merge_files};
use crate::schema::Json;

/// What tells git that a person has to merge. Source: gitattributes(5), "Defining a custom merge driver".
const CONFLICT: u8 = 1;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: MergeDriverArgs) -> Result<u8, Failure> {
    let dir = cx.dir()?;
    let versions = Versions { base: dir.join(args.base), ours: dir.join(args.ours), theirs: dir.join(args.theirs) };
    let MergedFile { lost, is_derived } = match merge_files(&versions, &args.path) {
        Ok(merged) => merged,
        Err(failure) => {
            cx.ui.failure(Some("merge-driver"), &failure);
            return Ok(CONFLICT);
        }
    };
    for one in &lost {
        cx.ui.warn(&format!("{}: {one}", args.path));
    }
    if is_derived && !lost.is_empty() {
        cx.ui.note(format!("{} follows from the tasks: the next claim or release writes it anew", args.path));
    }
    let told: Vec<_> = lost
        .iter()
        .map(|one| {
            let value = |value: &Option<Json>| value.as_ref().map(Json::to_value);
            json!({"pointer": one.pointer, "side": one.side.to_string(), "value": value(&one.value), "kept": value(&one.kept)})
        })
        .collect();
    cx.ui.answer(&Answer::new("merge-driver").with("path", args.path.as_str()).with("lost", told), |_| {});
    Ok(0)
}
