//! `schema`, `completions`, `man`: squad's own papers.

use std::fs;

use serde_json::{Value, json};

use crate::cli::args::{CompletionsArgs, ManArgs, SchemaArgs};
use crate::cli::run::Context;
use crate::cli::ui::Answer;
use crate::cli::{completions as shells, man as manual};
use crate::model::code::ErrorCode;
use crate::ops::failure::Failure;
use crate::schema::compile::{names, text};

pub(in crate::cli) fn schema(cx: &mut Context<'_>, args: &SchemaArgs) -> Result<u8, Failure> {
    let Some(name) = &args.name else {
        let answer = Answer::new("schema").with("schemas", names());
        cx.ui.answer(&answer, |ui| names().iter().for_each(|name| ui.line(*name)));
        return Ok(0);
    };
    let Some(text) = text(name) else {
        return Err(Failure::new(ErrorCode::NotFound, format!("no schema {name}"))
            .why(format!("there are {}", names().join(", ")))
            .hint("`squad schema` lists them"));
    };
    let value: Value = serde_json::from_str(text).expect("a shipped schema is JSON");
    let answer = Answer::new("schema").with("schema", value);
    cx.ui.answer(&answer, |ui| ui.verbatim(text));
    Ok(0)
}

pub(in crate::cli) fn completions(cx: &mut Context<'_>, args: &CompletionsArgs) -> Result<u8, Failure> {
    let script = shells::script(args.shell);
    let answer = Answer::new("completions").with("shell", args.shell.as_str()).with("script", script.as_str());
    cx.ui.answer(&answer, |ui| ui.verbatim(&script));
    Ok(0)
}

#[expect(clippy::disallowed_methods, reason = "pages are written where the user says; nobody reads them meanwhile")]
pub(in crate::cli) fn man(cx: &mut Context<'_>, args: &ManArgs) -> Result<u8, Failure> {
    let pages = manual::pages();
    let Some(dir) = &args.dir else {
        let first = pages.first().map(|p| p.text.clone()).unwrap_or_default();
        let answer = Answer::new("man").with("page", first.as_str());
        cx.ui.answer(&answer, |ui| ui.verbatim(&first));
        return Ok(0);
    };
    let dir = cx.dir()?.join(dir);
    let failed = |e: std::io::Error| {
        Failure::new(ErrorCode::Internal, format!("cannot write the pages to {}", dir.display())).caused_by(&e)
    };
    fs::create_dir_all(&dir).map_err(failed)?;
    for page in &pages {
        fs::write(dir.join(&page.file_name), &page.text).map_err(failed)?;
    }
    let files: Vec<&str> = pages.iter().map(|p| p.file_name.as_str()).collect();
    let answer = Answer::new("man").with("files", json!(files));
    cx.ui.answer(&answer, |ui| ui.line(format!("wrote {} pages to {}", pages.len(), dir.display())));
    Ok(0)
}
