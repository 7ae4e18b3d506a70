//! `dep tree`

use serde_json::json;

use crate::cli::args::DepTreeArgs;
use crate::cli::run::Context;
use crate::cli::ui::{Answer, Line, STRONG, Ui};
use crate::ops::failure::Failure;
use crate::ops::look::{Tree, dependencies};
use crate::ops::session::Freshness;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &DepTreeArgs) -> Result<u8, Failure> {
    let session = cx.session()?;
    let view = session.view(Freshness::Due)?;
    super::warn_degraded(cx, &view);
    let trees = dependencies(&view, args.task.as_ref())?;
    let answer = super::with_cause(Answer::new("dep tree").with("tree", json!(trees)), view.degraded.as_deref());
    cx.ui.answer(&answer, |ui| {
        for tree in &trees {
            print(ui, tree, 0);
        }
        if trees.is_empty() {
            ui.line("no task waits for another");
        }
    });
    Ok(0)
}

fn print(ui: &mut Ui, tree: &Tree, depth: usize) {
    let status = tree.status.map_or("not there", |s| s.as_str());
    ui.line(Line::new().text(&"  ".repeat(depth)).styled(STRONG, tree.id.as_str()).text("  ").text(status));
    for below in &tree.depends_on {
        print(ui, below, depth + 1);
    }
}
