//! The help of squad as a whole: five common verbs first, then all of them by group.
//!
//! The lines are made from the verbs' own descriptions, so that they cannot drift apart.

use std::fmt::Write as _;

use anstyle::Style;
use clap::CommandFactory;
use clap::builder::StyledStr;

use super::Typed;

/// The verbs that most days need, in the order of a task's life.
pub const COMMON: &[&str] = &["new", "scan", "claim", "block", "complete"];

/// Every verb by group.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "Board",
        &[
            "init", "new", "import", "show", "list", "edit", "assign", "comment", "progress", "subtask", "files",
            "dep", "archive", "restore", "cancel", "reopen",
        ],
    ),
    (
        "Work",
        &[
            "scan",
            "next",
            "claim",
            "start",
            "block",
            "unblock",
            "submit",
            "reject",
            "approve",
            "complete",
            "verify",
            "fail",
            "retry",
            "restart",
            "release",
            "request-complete",
            "override",
        ],
    ),
    (
        "Truth",
        &[
            "sync", "status", "log", "activity", "stats", "diff", "check", "review", "audit", "backup", "doctor",
            "schema",
        ],
    ),
    ("Team", &["agents", "lock"]),
    ("Life", &["run", "wait", "beat", "recover", "heartbeat", "wake", "schedule"]),
    ("More", &["hook", "merge-driver", "completions", "man", "demo", "selftest"]),
];

/// The style of a heading, that of clap's own.
const HEADING: Style = Style::new().bold().underline();
/// The style of a verb.
const VERB: Style = Style::new().bold();

/// Returns the whole command line as clap describes it, with the verbs of its help in groups.
pub fn command() -> clap::Command {
    let unlisted = unlisted();
    let verbs = full(&unlisted);
    unlisted.before_help(verbs)
}

/// Returns the command line without that list, which only help needs.
pub(super) fn unlisted() -> clap::Command {
    Typed::command()
        .bin_name("squad")
        .subcommand_value_name("VERB")
        .help_template("{about}\n\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}")
}

/// Returns what `squad` alone prints: the common verbs and where the others are.
pub(super) fn short() -> String {
    let bare = Typed::command();
    let mut out = format!("{}\n\n", bare.get_about().map(StyledStr::ansi).expect("squad has a description"));
    push_verbs(&mut out, &bare, "Common verbs", COMMON);
    out.push_str("\n`squad --help` lists every verb, `squad VERB --help` shows its flags\n");
    out
}

fn full(bare: &clap::Command) -> StyledStr {
    let mut out = String::new();
    push_verbs(&mut out, bare, "Common", COMMON);
    for (group, verbs) in GROUPS {
        out.push('\n');
        push_verbs(&mut out, bare, group, verbs);
    }
    out.push_str("\n`squad VERB --help` shows the flags of a verb");
    out.into()
}

fn push_verbs(out: &mut String, bare: &clap::Command, heading: &str, verbs: &[&str]) {
    let _ = writeln!(out, "{HEADING}{heading}:{HEADING:#}"); // writing to a string cannot fail
    for verb in verbs {
        let about = bare.find_subcommand(verb).and_then(clap::Command::get_about).map(ToString::to_string);
        let _ = writeln!(out, "  {VERB}{verb:<16}{VERB:#}  {}", about.unwrap_or_default());
    }
}
