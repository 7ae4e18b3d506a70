//! `diff`

use std::fs::File;
use std::io::Read as _;

use crate::cli::args::DiffArgs;
use crate::cli::run::Context;
use crate::cli::task_text::task_text;
use crate::cli::ui::Answer;
use crate::model::code::ErrorCode;
use crate::ops::failure::Failure;

/// Most of a file that is shown: what a file of the board may weigh, sixteen times.
const SHOWN_MAX: u64 = 16 * 1024 * 1024;

pub(in crate::cli) fn run(cx: &mut Context<'_>, args: &DiffArgs) -> Result<u8, Failure> {
    let Some(file) = &args.textconv else {
        return Err(Failure::new(ErrorCode::Usage, "`squad diff` needs --textconv FILE"));
    };
    let path = cx.dir()?.join(file);
    let failed = |error: std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { ErrorCode::NotFound } else { ErrorCode::Internal };
        Failure::new(code, format!("cannot read {}", file.display())).caused_by(&error)
    };
    let mut bytes = Vec::new();
    File::open(&path).map_err(failed)?.take(SHOWN_MAX).read_to_end(&mut bytes).map_err(failed)?;
    let text = task_text(&bytes);
    cx.ui.answer(&Answer::new("diff").with("text", text.as_str()), |ui| ui.verbatim(&text));
    Ok(0)
}
