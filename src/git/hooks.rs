//! Hooks of the user's repository as git sees them: where it looks for them, whether it runs those of its
//! configuration, and what a hook finds when it calls a program.
//!
//! Reads only. Which hook is to be there, and what it says, is for the rooms above.

use std::env;
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

/// Tells whether this command line amends a commit; nothing where it is not git's.
///
/// Source: git-commit(1), builtin/commit.c.
pub fn amends(line: &[String]) -> Option<bool> {
    let (program, words) = line.split_first()?;
    (Path::new(program).file_name()? == "git").then(|| amended_by(words))
}

/// Tells whether these arguments of git amend a commit.
fn amended_by(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str);
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
        let line = |program: &str, words: &str| -> Vec<String> {
            std::iter::once(program).chain(words.split(' ')).map(str::to_owned).collect()
        };
        let amends = |words: &str| super::amends(&line("/usr/bin/git", words)).expect("it is git");
        assert_eq!(super::amends(&line("gitk", "commit --amend")), None);
        assert_eq!(super::amends(&[]), None);
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
