//! Hooks of the user's repository as git sees them: where it looks for them, whether it runs those of its
//! configuration, and what a hook finds when it calls a program.
//!
//! Reads only. Which hook is to be there, and what it says, is for the rooms above.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::place::{Place, Settings};
use super::probe::{version, version_numbers};
use super::subprocess::Git;
use super::{GitError, Oid};

/// The oldest git that runs hooks of its configuration (`hook.<name>.command`).
pub const CONFIGURED_SINCE: (u32, u32) = (2, 54);

/// The folder that git looks for hooks in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is the repository's own, and not one that `core.hooksPath` names.
    pub is_own: bool,
}

/// Returns the folder that git looks for hooks in; all worktrees of a repository share it.
pub fn folder(place: &Place, settings: &Settings, git: &Git) -> HooksFolder {
    let own = place.common_dir.join("hooks");
    let Some(named) = settings.get("core.hooksPath").filter(|path| !path.is_empty()) else {
        return HooksFolder { path: own, is_own: true };
    };
    // git knows what `~` and relative paths mean there; without git the plain reading has to do.
    let asked = git.command("rev-parse").dir(place.run_dir()).verb().args(["--git-path", "hooks"]).output();
    let told = asked.ok().and_then(|output| String::from_utf8(output).ok());
    let path = place.run_dir().join(told.as_deref().map_or(named, |told| told.trim_end_matches(['\n', '\r'])));
    let same = |a: &Path, b: &Path| a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    HooksFolder { is_own: same(&path, &own), path }
}

/// Returns the commits that `git merge` says it is merging: it asks its hook before it writes them down.
///
/// Source: git-merge(1), builtin/merge.c, the variables `GITHEAD_<commit>`.
pub fn merged_heads() -> Vec<Oid> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut heads: Vec<Oid> = names.filter_map(|name| name.strip_prefix("GITHEAD_")?.parse().ok()).collect();
    heads.sort_unstable();
    heads
}

/// How far above a hook the git that asks it is looked for: shells and managers of hooks may lie between.
const ABOVE: usize = 16;

/// Options of git that have a word of their own after them.
const GIT_VALUES: &[&str] = &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// Options of `git commit` that have one, but for short ones.
const COMMIT_VALUES: &[&str] = &[
    "--author",
    "--cleanup",
    "--date",
    "--file",
    "--fixup",
    "--message",
    "--pathspec-from-file",
    "--reedit-message",
    "--reuse-message",
    "--squash",
    "--template",
    "--trailer",
];

/// Tells whether the git that asks this hook amends: the commit then takes the place of the last one, and is made on
/// what that was made on. Git tells its hook nothing of it, but its own command line does, where the system shows that.
///
/// Source: git-commit(1), builtin/commit.c; proc(5), `/proc/PID/cmdline` and `/proc/PID/stat`.
pub fn is_amending() -> bool {
    let mut pid = std::process::id();
    for _ in 0..ABOVE {
        let Some(above) = parent_of(pid) else { return false };
        pid = above;
        let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
        let line = String::from_utf8_lossy(&line);
        let words: Vec<&str> = line.split('\0').collect();
        if Path::new(words[0]).file_name().is_some_and(|program| program == "git") {
            return amends(&words[1..]);
        }
    }
    false
}

/// Tells whether these arguments of git amend a commit.
fn amends(words: &[&str]) -> bool {
    let mut words = words.iter().copied();
    let verb = loop {
        match words.next() {
            Some(option) if GIT_VALUES.contains(&option) => {
                words.next();
            }
            Some(option) if option.starts_with('-') => {}
            verb => break verb,
        }
    };
    if verb != Some("commit") {
        return false;
    }
    let mut is = false;
    while let Some(word) = words.next() {
        match word {
            "--" => break,
            "--no-amend" => is = false,
            // Git takes the beginning of a long option for it.
            long if long.len() >= "--am".len() && "--amend".starts_with(long) => is = true,
            long if COMMIT_VALUES.contains(&long) => {
                words.next();
            }
            // Of several short ones in a word the last may have its value after it.
            short
                if short.starts_with('-') && !short.starts_with("--") && short.ends_with(['m', 'F', 'C', 'c', 't']) =>
            {
                words.next();
            }
            _ => {}
        }
    }
    is
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may hold blanks and brackets.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Tells whether this git runs hooks of its configuration.
///
/// # Errors
/// [`GitError`] where there is no git to ask.
pub fn runs_configured(git: &Git) -> Result<bool, GitError> {
    Ok(version_numbers(&version(git)?).is_some_and(|version| version >= CONFIGURED_SINCE))
}

/// Tells whether the system would start this file as a program.
#[cfg(unix)]
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Tells whether the system would start this file as a program.
#[cfg(not(unix))]
pub fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Returns the program that a hook finds under a name, by the `PATH` that it would inherit from here.
pub fn find_program(name: &str) -> Option<PathBuf> {
    find_programs(name).into_iter().next()
}

/// Returns every program of that name on the search path, in the order in which they are looked for.
pub fn find_programs(name: &str) -> Vec<PathBuf> {
    let search = env::var_os("PATH").unwrap_or_default();
    let named = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&search).map(|folder| folder.join(&named)).filter(|path| is_program(path)).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_a_command_line_that_amends_does() {
        let amends = |line: &str| super::amends(&line.split(' ').collect::<Vec<_>>());
        for line in
            ["commit --amend", "-C /x -c a.b=c commit -a --am --no-edit", "commit -am word --amend -- --no-amend"]
        {
            assert!(amends(line), "{line}");
        }
        for line in [
            "commit -m --amend",
            "commit -am --amend",
            "commit --message --amend",
            "commit --amend --no-amend",
            "commit -- --amend",
            "merge commit --amend",
            "-c commit --amend",
            "--amend",
            "",
        ] {
            assert!(!amends(line), "{line}");
        }
    }
}
