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
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        if words.first().is_some_and(|program| *program == b"git" || program.ends_with(b"/git"))
            && words.contains(&b"commit".as_slice())
        {
            let options = words.iter().take_while(|word| **word != b"--");
            return options.into_iter().any(|word| word.len() >= b"--am".len() && b"--amend".starts_with(word));
        }
    }
    false
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
