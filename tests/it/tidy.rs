//! Guards the rooms: who may call whom, and which file alone may print, ask the time or start a process.
//!
//! Reads `src/` as text. A finding names the file, the line and the rule.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A room and the rooms that it may name. A room that is not listed here has no rule yet, and that is a finding.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("schema", &["model"]),
    ("review", &["model", "schema"]),
    ("git", &[]),
    // An instant is a type of the model; asking for the present one is not.
    ("clock", &["model"]),
    ("runner", &[]),
    // Where a test may kill the process; nothing in builds for use.
    ("failpoint", &[]),
    ("board", &["git", "model", "schema", "review"]),
    ("ops", &["board", "runner", "clock", "failpoint", "model", "schema", "review"]),
    // Bodies for a fuzzer; no other room names it.
    ("fuzz", &["board", "model", "schema", "review"]),
    ("hook", &["ops", "board", "review", "schema", "model"]),
    ("web", &["ops", "board", "review", "schema", "model"]),
    ("mcp", &["ops", "board", "review", "schema", "model"]),
    // The command line starts the other surfaces; beyond that it is one of them.
    ("cli", &["ops", "board", "review", "schema", "model", "clock", "failpoint", "hook", "web", "mcp"]),
];

/// What only some files may do: the words that give it away, where they may stand, and why.
struct Reserved {
    words: &'static [&'static str],
    within: &'static [&'static str],
    why: &'static str,
}

const RESERVED: &[Reserved] = &[
    Reserved { words: &["git2"], within: &["src/git/"], why: "only the room `git` names git2" },
    Reserved {
        words: &["Command::new"],
        within: &["src/git/", "src/runner/"],
        why: "only `git` and `runner` start processes",
    },
    Reserved {
        words: &["println!", "eprintln!", "print!", "eprint!", "io::stdout", "io::stderr", "dbg!"],
        within: &["src/cli/", "src/main.rs"],
        why: "only `cli` prints",
    },
    Reserved {
        words: &["process::exit", "env::args"],
        within: &["src/cli/", "src/main.rs"],
        why: "only `cli` exits and reads arguments",
    },
    Reserved {
        words: &["std::env", "env::var"],
        // What git's own variables say is for the room that starts git.
        within: &["src/cli/", "src/main.rs", "src/git/"],
        why: "only `cli` reads the environment",
    },
    Reserved {
        words: &["SystemTime::now", "Utc::now", "Local::now"],
        within: &["src/clock.rs"],
        why: "only `clock` asks what time it is",
    },
    Reserved {
        words: &["Instant::now"],
        within: &["src/clock.rs", "src/git/", "src/ops/publish", "src/ops/turn.rs", "src/runner/"],
        why: "only what has a deadline measures one",
    },
];

/// Rooms that give the same answer to the same question, whatever machine they run on.
const PURE: &[&str] = &["src/model/", "src/schema/", "src/review/"];

/// What a pure room does not know.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::net",
    "git2",
    "SystemTime",
    "Instant::",
    "Utc::now",
    "getrandom",
    "tempfile",
    "walkdir",
];

/// Longest file that is still one thing.
const MAX_LINES: usize = 700;

/// Tells whether two lines open a module of unit tests; one that is declared here and written elsewhere does not.
fn is_test_module(attribute: &str, line: &str) -> bool {
    attribute == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{')
}

/// Tells whether a file below `src/` holds nothing but unit tests, which may do what tests do.
fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.contains("/tests/") || matches!(name, "tests.rs" | "testkit.rs") || name.ends_with("_tests.rs")
}

/// Returns the code of a file: its lines with their numbers, without comments and without unit tests.
fn code(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<_> = text.lines().enumerate().map(|(i, line)| (i + 1, line)).collect();
    let tests = lines.windows(2).position(|pair| is_test_module(pair[0].1, pair[1].1));
    let end = tests.unwrap_or(lines.len());
    let bare = |line: &str| match line.find("//") {
        Some(at) if at == 0 || line[..at].ends_with(char::is_whitespace) => at,
        _ => line.len(),
    };
    lines[..end].iter().map(|&(number, line)| (number, &line[..bare(line)])).collect()
}

/// Tells whether a word stands in a line as a word of its own, not as the end of a longer one.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Returns the rooms that a line names through `crate::`.
fn rooms_in(line: &str) -> impl Iterator<Item = &str> {
    let end = |path: &str| path.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(path.len());
    let after = line.match_indices("crate::").map(|(at, found)| &line[at + found.len()..]);
    after.map(move |path| &path[..end(path)])
}

/// Returns what is wrong with one file of `src/`, named by its path from the top.
fn findings(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |line: usize, why: &str| found.push(format!("{path}:{line}: {why}"));
    if !text.starts_with("//! ") {
        say(1, "a file opens with what it owns (`//! …`)");
    }
    let count = text.lines().count();
    if count > MAX_LINES {
        say(MAX_LINES, &format!("{count} lines are more than one thing"));
    }
    let within = path.strip_prefix("src/").expect("a path below src");
    let room = within.split(['/', '.']).next().unwrap_or_default();
    let may = ROOMS.iter().find(|(name, _)| *name == room).map(|(_, may)| *may);
    if may.is_none() && !matches!(room, "lib" | "main") {
        say(1, "a room without a rule: say in tests/it/tidy.rs whom it may call");
    }
    for (number, line) in code(text) {
        if names(line, "crate::{") {
            say(number, "one room per `use`, so that this test and a reader see it");
        }
        for named in rooms_in(line) {
            let is_room = ROOMS.iter().any(|(name, _)| *name == named);
            if let Some(may) = may
                && is_room
                && named != room
                && !may.contains(&named)
            {
                say(number, &format!("`{room}` does not know `{named}`"));
            }
        }
        for Reserved { words, within, why } in RESERVED {
            if within.iter().any(|place| path.starts_with(place)) {
                continue;
            }
            for word in words.iter().filter(|word| names(line, word)) {
                say(number, &format!("`{word}`: {why}"));
            }
        }
        if PURE.iter().any(|place| path.starts_with(place)) {
            for word in IMPURE.iter().filter(|word| names(line, word)) {
                say(number, &format!("`{word}` in a pure room"));
            }
        }
    }
    found
}

/// Returns the files below a folder that end with one of these, as paths from the top and texts.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = top.join(folder);
    if !root.exists() {
        return Vec::new();
    }
    let walk = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(|entry| entry.expect("it can be read"));
    let paths: Vec<PathBuf> =
        walk.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect();
    let wanted = |path: &Path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending));
    let named = |path: PathBuf| {
        let name = path.strip_prefix(top).expect("it lies below").to_string_lossy().replace('\\', "/");
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        // Some fixtures are broken on purpose.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (name, text)
    };
    paths.into_iter().filter(|path| wanted(path)).map(named).collect()
}

#[track_caller]
fn assert_none(found: &[String]) {
    let mut list = String::new();
    for finding in found {
        writeln!(list, "  {finding}").expect("a string takes it");
    }
    assert!(found.is_empty(), "{} findings:\n{list}", found.len());
}

#[test]
fn every_room_keeps_to_its_rules() {
    let sources = files("src", &[".rs"]);
    assert!(sources.len() > 5, "the source is there");
    let judged = sources.iter().filter(|(path, _)| !is_test_file(path));
    let found: Vec<_> = judged.flat_map(|(path, text)| findings(path, text)).collect();
    assert_none(&found);
}

#[test]
fn every_test_and_bench_says_what_it_is_about() {
    let sources = [files("tests/it", &[".rs"]), files("benches", &[".rs"])].concat();
    let found: Vec<_> =
        sources.iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path.clone()).collect();
    assert_none(&found);
}

#[test]
fn nothing_names_a_place_that_only_one_machine_has() {
    let endings = &[".rs", ".md", ".toml", ".json", ".yml", ".yaml", "/run", "justfile"];
    let folders = ["src", "tests", "benches", "docs", "schema", "hooks", ".ci"];
    let mut texts: Vec<_> = folders.iter().flat_map(|folder| files(folder, endings)).collect();
    for name in
        ["Cargo.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "TASK-SCHEMA.md", "justfile", "deny.toml"]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if let Ok(text) = std::fs::read_to_string(path) {
            texts.push((name.to_owned(), text));
        }
    }
    // Put together here, so that this file does not find itself.
    let places = [["sha", "red/"].concat(), ["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let mut found = Vec::new();
    for (path, text) in &texts {
        for (i, line) in text.lines().enumerate() {
            let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-./~]}".contains(c));
            for place in &places {
                if line.match_indices(place).any(|(at, _)| begins(at)) {
                    found.push(format!("{path}:{}: names {place}", i + 1));
                }
            }
        }
    }
    assert_none(&found);
}

#[test]
fn the_rules_find_what_breaks_them() {
    for (path, line, rule) in [
        ("src/model/a.rs", "use std::fs;", "`std::fs` in a pure room"),
        ("src/model/a.rs", "use crate::git::Oid;", "`model` does not know `git`"),
        ("src/model/a.rs", "let now = chrono::Utc::now();", "only `clock` asks what time it is"),
        ("src/review/a.rs", "use crate::{board, model};", "one room per `use`"),
        ("src/git/a.rs", "fn f(t: &crate::model::task::Task) {}", "`git` does not know `model`"),
        ("src/ops/a.rs", "use git2::Oid;", "only the room `git` names git2"),
        ("src/ops/a.rs", "println!(\"x\");", "only `cli` prints"),
        ("src/board/a.rs", "let home = std::env::var(\"HOME\");", "only `cli` reads the environment"),
        ("src/ops/a.rs", "std::process::exit(1);", "only `cli` exits"),
        ("src/model/a.rs", "#[cfg(test)]\nmod tests;\nuse std::fs;", "`std::fs` in a pure room"),
        ("src/board/a.rs", "Command::new(\"git\");", "only `git` and `runner` start processes"),
        ("src/cli/a.rs", "use crate::git::Repo;", "`cli` does not know `git`"),
        ("src/hook/a.rs", "use crate::cli::Ui;", "`hook` does not know `cli`"),
        ("src/board/a.rs", "let t = Instant::now();", "only what has a deadline"),
        ("src/attic/a.rs", "", "a room without a rule"),
    ] {
        let found = findings(path, &format!("//! A file.\n{line}\n"));
        assert!(found.iter().any(|finding| finding.contains(rule)), "{line:?}: {found:?}");
    }
    assert!(!findings("src/model/a.rs", "fn f() {}\n").is_empty(), "a file without a heading");
    assert!(!findings("src/model/a.rs", &format!("//! A file.\n{}", "\n".repeat(MAX_LINES))).is_empty(), "a long file");
}

#[test]
fn the_rules_leave_comments_unit_tests_and_longer_words_alone() {
    for text in [
        "//! A file.\n// unlike std::fs this is pure\n",
        "//! A file.\nfn my_println() {}\n",
        "//! A file.\nuse super::id::OpId; use crate::model::task;\n",
        "//! A file.\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n",
    ] {
        assert_none(&findings("src/model/a.rs", text));
    }
}
