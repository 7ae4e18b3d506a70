//! Where the user stands: which repository, which worktree, which branch, and what git is set to.
//!
//! libgit2 answers where it can, in a fraction of a millisecond; where it declines (reftable, unknown extensions, an
//! owner that only git's environment trusts) the user's `git` is asked. Reads only, but for [`Settings::set_local`].

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Repository, RepositoryOpenFlags};

use super::subprocess::{Finished, Git};
use super::{GitError, Oid};

/// What `HEAD` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// A branch, by its short name; it may have no commit yet.
    Branch(String),
    /// A commit.
    Detached,
}

/// How a repository stores its refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefFormat {
    /// A file per ref, and `packed-refs`.
    Files,
    /// The reftable format, which libgit2 does not read.
    Reftable,
}

/// A repository as seen from one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder that all worktrees of the repository share.
    pub common_dir: PathBuf,
    /// The folder of this worktree's own state: `HEAD`, the index.
    pub git_dir: PathBuf,
    /// The root of this worktree; nothing in a bare repository.
    pub worktree: Option<PathBuf>,
    /// What `HEAD` of this worktree names.
    pub head: Head,
    /// How refs are stored.
    pub ref_format: RefFormat,
    /// Whether history is cut off somewhere.
    pub shallow: bool,
}

/// A worktree of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// Its root folder.
    pub path: PathBuf,
    /// The folder of its own state.
    pub git_dir: PathBuf,
    /// The branch that is checked out there, by its short name.
    pub branch: Option<String>,
}

impl Place {
    /// Finds the repository that `start` is in. `GIT_DIR` and its kin are not looked at.
    ///
    /// # Errors
    /// [`GitError::NotARepository`], [`GitError::UntrustedOwner`], [`GitError::UnsupportedObjectFormat`], or what git
    /// says about a repository that it cannot open.
    pub fn find(start: &Path, git: &Git) -> Result<Self, GitError> {
        let start = start.canonicalize().map_err(GitError::io("look at", start))?;
        let start = if start.is_dir() { start.as_path() } else { start.parent().unwrap_or(&start) };
        match Repository::open_ext(start, RepositoryOpenFlags::empty(), &[] as &[&Path]) {
            Ok(repo) => Self::from_library(&repo),
            Err(error) if error.code() == ErrorCode::NotFound => {
                Err(GitError::NotARepository { path: start.to_owned() })
            }
            // libgit2 does not see `safe.directory` in git's environment, so git has the last word.
            Err(error) => Self::from_git(start, git).map_err(|second| match second {
                GitError::Command { reason, .. } if error.code() == ErrorCode::Owner => {
                    GitError::UntrustedOwner { path: start.to_owned(), reason }
                }
                other => other,
            }),
        }
    }

    /// Tells whether the repository has no worktree of its own here.
    pub fn is_bare(&self) -> bool {
        self.worktree.is_none()
    }

    /// Returns the folder to run git in: relative addresses of remotes start at the worktree's root.
    pub fn run_dir(&self) -> &Path {
        self.worktree.as_deref().unwrap_or(&self.common_dir)
    }

    fn from_library(repo: &Repository) -> Result<Self, GitError> {
        let git_dir = tidy(repo.path());
        let head = match fs::read_to_string(git_dir.join("HEAD")) {
            Ok(text) => head_of(text.trim()),
            Err(source) => return Err(GitError::Io { what: "read", path: git_dir.join("HEAD"), source }),
        };
        Ok(Self {
            common_dir: tidy(repo.commondir()),
            worktree: repo.workdir().map(tidy),
            head,
            ref_format: RefFormat::Files,
            shallow: repo.is_shallow(),
            git_dir,
        })
    }

    fn from_git(start: &Path, git: &Git) -> Result<Self, GitError> {
        let ask = |args: &[&str]| git.command("rev-parse").dir(start).verb().args(args).run();
        let finished =
            ask(&["--absolute-git-dir", "--git-common-dir", "--show-object-format", "--is-shallow-repository"])?;
        let text = text_of(finished)?;
        let lines: Vec<&str> = text.lines().collect();
        let [git_dir, common_dir, format, shallow] = lines[..] else {
            return Err(GitError::Command { what: "rev-parse", reason: format!("unexpected output {text:?}") });
        };
        if format != "sha1" {
            return Err(GitError::UnsupportedObjectFormat { path: start.to_owned(), format: format.to_owned() });
        }
        // Relative answers are relative to where git ran.
        let common_dir = start.join(common_dir);
        let common_dir = common_dir.canonicalize().map_err(GitError::io("look at", &common_dir))?;
        let toplevel = ask(&["--show-toplevel"])?;
        let worktree = if toplevel.success() { Some(PathBuf::from(text_of(toplevel)?.trim_end())) } else { None };
        let symbolic = git.command("symbolic-ref").dir(start).verb().args(["--quiet", "HEAD"]).run()?;
        let head = if symbolic.success() {
            head_of(&format!("ref: {}", text_of(symbolic)?.trim_end()))
        } else {
            Head::Detached
        };
        let ref_format = if common_dir.join("reftable").is_dir() { RefFormat::Reftable } else { RefFormat::Files };
        Ok(Self {
            common_dir,
            git_dir: tidy(Path::new(git_dir)),
            worktree,
            head,
            ref_format,
            shallow: shallow == "true",
        })
    }

    /// Returns every worktree of the repository, the main one first; a bare repository itself is none.
    ///
    /// # Errors
    /// Whatever reading the administrative files, or asking git where refs are no files, runs into.
    pub fn worktrees(&self, git: &Git) -> Result<Vec<Worktree>, GitError> {
        match self.ref_format {
            RefFormat::Files => self.worktrees_from_files(),
            RefFormat::Reftable => self.worktrees_from_git(git),
        }
    }

    /// Reads `HEAD` and `worktrees/*/{HEAD,gitdir}`: every claim asks this, so it must not cost a process.
    ///
    /// Source: gitrepository-layout(5).
    fn worktrees_from_files(&self) -> Result<Vec<Worktree>, GitError> {
        let mut found = Vec::new();
        if let Ok(repo) = Repository::open_ext(&self.common_dir, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])
            && let Some(path) = repo.workdir()
        {
            found.push(Worktree {
                path: tidy(path),
                git_dir: self.common_dir.clone(),
                branch: branch_in(&self.common_dir),
            });
        }
        let linked = self.common_dir.join("worktrees");
        let entries = match fs::read_dir(&linked) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            Err(source) => return Err(GitError::Io { what: "list", path: linked, source }),
        };
        for entry in entries {
            let git_dir = entry.map_err(GitError::io("list", &linked))?.path();
            // An entry without these files is half made or half removed, and no worktree.
            let Ok(link) = fs::read_to_string(git_dir.join("gitdir")) else { continue };
            let link = git_dir.join(link.trim_end_matches('\n'));
            let Some(path) = link.parent().and_then(|path| path.canonicalize().ok()) else { continue };
            let branch = branch_in(&git_dir);
            found.push(Worktree { path, git_dir, branch });
        }
        // Folders are listed in no order; false sorts first, and that is the main worktree.
        found.sort_by_key(|worktree| (worktree.git_dir != self.common_dir, worktree.path.clone()));
        Ok(found)
    }

    fn worktrees_from_git(&self, git: &Git) -> Result<Vec<Worktree>, GitError> {
        let output = git.command("worktree").git_dir(&self.common_dir).verb().args(["list", "--porcelain"]).output()?;
        let text = String::from_utf8_lossy(&output);
        let mut found = Vec::new();
        for record in text.split("\n\n") {
            let value = |key: &str| record.lines().find_map(|line| line.strip_prefix(key));
            let bare = record.lines().any(|line| line == "bare");
            let Some(path) = value("worktree ").filter(|_| !bare).map(PathBuf::from) else { continue };
            let branch = value("branch ").and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
            let Ok(link) = Repository::discover_path(&path, &[] as &[&Path]) else { continue };
            found.push(Worktree { path, git_dir: tidy(&link), branch });
        }
        Ok(found)
    }
}

/// Returns the branch that a rebase or a bisection in the worktree with this state has taken the place of.
///
/// `HEAD` is detached meanwhile, but git will move that branch when it is done.
pub(super) fn branch_under_repair(git_dir: &Path) -> Option<String> {
    ["rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"].iter().find_map(|file| {
        let text = fs::read_to_string(git_dir.join(file)).ok()?;
        let name = text.trim_end();
        Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned())
    })
}

fn branch_in(git_dir: &Path) -> Option<String> {
    match head_of(fs::read_to_string(git_dir.join("HEAD")).ok()?.trim()) {
        Head::Branch(name) => Some(name),
        Head::Detached => None,
    }
}

fn head_of(text: &str) -> Head {
    text.strip_prefix("ref:")
        .and_then(|name| name.trim().strip_prefix("refs/heads/"))
        .map_or(Head::Detached, |name| Head::Branch(name.to_owned()))
}

/// Drops the trailing slash that libgit2 puts after folders.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

fn text_of(finished: Finished) -> Result<String, GitError> {
    if finished.success() {
        Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
    } else {
        Err(finished.into_error())
    }
}

/// The user's git configuration, read once.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Section and variable in lower case, the subsection as it is spelled; values in the order of their files.
    values: BTreeMap<String, Vec<String>>,
}

/// Variables that change which configuration git reads, and which libgit2 does not look at.
const CONFIG_ENV: [&str; 5] =
    ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"];

impl Settings {
    /// Reads all settings that hold at `place`.
    ///
    /// # Errors
    /// What git says about a configuration that it cannot read.
    pub fn load(place: &Place, git: &Git) -> Result<Self, GitError> {
        let env_counts = git.has_env() || CONFIG_ENV.iter().any(|key| env::var_os(key).is_some());
        if !env_counts
            && place.ref_format == RefFormat::Files
            && let Ok(settings) = Self::from_library(place)
        {
            return Ok(settings);
        }
        let asked = Self::from_git(place, git);
        match asked {
            // Without git, or with one that says what nobody can read, there is still a board to look at; what the
            // environment alone says is then not known.
            Err(_) if place.ref_format == RefFormat::Files => Self::from_library(place).or(asked),
            asked => asked,
        }
    }

    fn from_git(place: &Place, git: &Git) -> Result<Self, GitError> {
        let output = git
            .command("config")
            .dir(place.run_dir())
            .git_dir(&place.git_dir)
            .verb()
            .args(["--list", "-z", "--includes"])
            .output()?;
        let mut settings = Self::default();
        for entry in output.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let entry = String::from_utf8_lossy(entry);
            // A variable without "=" is a boolean that is on.
            let (key, value) = entry.split_once('\n').unwrap_or((&entry, "true"));
            if !is_key(key) {
                let reason = format!("{:?} is no setting", key.chars().take(80).collect::<String>());
                return Err(GitError::Command { what: "config", reason });
            }
            settings.add(key, value);
        }
        Ok(settings)
    }

    fn from_library(place: &Place) -> Result<Self, git2::Error> {
        let repo = Repository::open_ext(&place.git_dir, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])?;
        let config = repo.config()?.snapshot()?;
        let mut settings = Self::default();
        config.entries(None)?.for_each(|entry| {
            let key = String::from_utf8_lossy(entry.name_bytes());
            let value = if entry.has_value() { String::from_utf8_lossy(entry.value_bytes()) } else { "true".into() };
            settings.add(&key, &value);
        })?;
        Ok(settings)
    }

    fn add(&mut self, key: &str, value: &str) {
        self.values.entry(folded(key)).or_default().push(value.to_owned());
    }

    /// Returns the value that counts: the last one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).last().map(String::as_str)
    }

    /// Returns all values of a variable that may have several.
    pub fn all(&self, key: &str) -> &[String] {
        self.values.get(&folded(key)).map_or(&[], Vec::as_slice)
    }

    /// Returns a boolean, by git's spellings; nothing where the value is no boolean.
    pub fn get_bool(&self, key: &str) -> Option<bool> {
        match self.get(key)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" | "" => Some(false),
            _ => None,
        }
    }

    /// Returns the configured remotes by name, each with its address as it is written.
    pub fn remotes(&self) -> Vec<(String, String)> {
        let urls = |suffix: &str| {
            self.values
                .iter()
                .filter_map(move |(key, values)| {
                    let name = key.strip_prefix("remote.")?.strip_suffix(suffix)?.to_owned();
                    Some((name, values.last()?.clone()))
                })
                .collect::<BTreeMap<_, _>>()
        };
        let mut remotes = urls(".pushurl");
        remotes.extend(urls(".url"));
        remotes.into_iter().collect()
    }

    /// Returns the names of subsections below `section` that set `variable`.
    pub(super) fn subsections<'a>(&'a self, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.keys().filter_map(move |key| key.strip_prefix(section)?.strip_prefix('.')?.rsplit_once('.'))
    }

    /// Writes a setting into the repository's own configuration, through git, and returns the settings with it.
    ///
    /// # Errors
    /// What git says, for one where another process holds the file.
    pub fn set_local(&mut self, place: &Place, git: &Git, key: &str, value: &str) -> Result<(), GitError> {
        git.command("config")
            .dir(place.run_dir())
            .git_dir(&place.common_dir)
            .verb()
            .args(["--local", "--replace-all", "--", key, value])
            .output()?;
        self.values.insert(folded(key), vec![value.to_owned()]);
        Ok(())
    }

    /// Adds a value to a setting of the repository's own configuration that may have several, through git.
    ///
    /// # Errors
    /// What git says, for one where another process holds the file.
    pub fn add_local(&mut self, place: &Place, git: &Git, key: &str, value: &str) -> Result<(), GitError> {
        git.command("config")
            .dir(place.run_dir())
            .git_dir(&place.common_dir)
            .verb()
            .args(["--local", "--add", "--", key, value])
            .output()?;
        self.add(key, value);
        Ok(())
    }

    /// Takes a whole section out of the repository's own configuration, through git, unless it is only to be looked for.
    /// Tells whether it was there.
    ///
    /// # Errors
    /// What git says, for one where another process holds the file.
    pub fn forget_local(place: &Place, git: &Git, section: &str, only_look: bool) -> Result<bool, GitError> {
        let own = || git.command("config").dir(place.run_dir()).git_dir(&place.common_dir).verb().arg("--local");
        let listed = own().args(["--name-only", "-z", "--list"]).output()?;
        let inside = format!("{section}.");
        let is_inside = |key: &[u8]| key.starts_with(inside.as_bytes());
        if !listed.split(|byte| *byte == 0).any(is_inside) {
            return Ok(false);
        }
        if !only_look {
            own().args(["--remove-section", section]).output()?;
        }
        Ok(true)
    }
}

/// Tells whether git could have named a setting so: a section, perhaps a subsection of any text, and a variable.
fn is_key(key: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    match (key.split_once('.'), key.rsplit_once('.')) {
        (Some((section, _)), Some((_, variable))) => plain(section) && plain(variable),
        _ => false,
    }
}

/// Folds what git compares without regard to case: section and variable, not the subsection between them.
fn folded(key: &str) -> String {
    match (key.find('.'), key.rfind('.')) {
        (Some(first), Some(last)) if first < last => {
            format!("{}{}{}", key[..first].to_ascii_lowercase(), &key[first..last], key[last..].to_ascii_lowercase())
        }
        _ => key.to_ascii_lowercase(),
    }
}

/// Returns the value of a branch of the user's repository.
///
/// # Errors
/// What git says about a repository that it cannot read.
pub fn branch_tip(place: &Place, git: &Git, branch: &str) -> Result<Option<Oid>, GitError> {
    ref_value(place, git, &format!("refs/heads/{branch}"))
}

/// Returns the value of a ref of the user's repository, by its full name.
///
/// # Errors
/// What git says about a repository that it cannot read.
pub fn ref_value(place: &Place, git: &Git, name: &str) -> Result<Option<Oid>, GitError> {
    if place.ref_format == RefFormat::Files
        && let Ok(repo) = Repository::open_ext(&place.common_dir, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])
    {
        return match repo.refname_to_id(name) {
            Ok(oid) => Ok(Some(oid.into())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::library("read a branch")(error)),
        };
    }
    let finished =
        git.command("rev-parse").git_dir(&place.common_dir).verb().args(["--verify", "--quiet", name]).run()?;
    if !finished.success() {
        return Ok(None);
    }
    String::from_utf8_lossy(&finished.stdout).trim().parse().map(Some)
}

#[cfg(all(test, unix))]
#[path = "place_tests.rs"]
mod tests;
