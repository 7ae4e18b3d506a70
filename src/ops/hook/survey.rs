//! Looks at the hooks of a repository: what asks squad already, who owns the rest, and what could be put where.
//!
//! The one look for `hook status`, `hook install`, `hook uninstall` and `doctor`. Reads only.

use std::fs;
use std::path::{Path, PathBuf};

use super::managers::{self, Manager};
use super::{EVENT, Hook, How, MERGE, NAME, block};
use crate::board::Git;
use crate::board::repository::{CONFIGURED_SINCE, Configured, Repository, find_program, is_program};
use crate::ops::doctor::State;
use crate::ops::failure::Failure;

/// What a script says that hands a merge on to the hook before a commit.
const HANDS_ON: &str = "hooks/pre-commit";

/// What helps where a line for a shell would break the hook.
const AS_A_PROCESS: &str =
    "let it run `squad hook pre-commit` as a process, and end with that one's exit code where it is not 0";

/// What lies where git looks for the hook.
pub(super) enum Script {
    /// Nothing.
    None,
    /// A shell script that git runs, or any with squad's lines in it.
    Shell(Vec<u8>),
    /// Something that squad's lines cannot be put into, and why.
    Other {
        /// Its text, as far as it is one.
        text: String,
        /// Why not.
        why: String,
        /// Whether a line for a shell would do, written by hand.
        is_shell: bool,
    },
}

/// What was found.
pub(super) struct Survey<'a> {
    pub repository: &'a Repository,
    /// For which event.
    pub event: &'static str,
    /// Whether this git runs hooks of its configuration.
    pub runs_configured: bool,
    /// squad's hook in git's configuration.
    pub configured: Option<Configured>,
    /// The file that says so.
    pub config_file: PathBuf,
    /// Where git looks for the script.
    pub file: PathBuf,
    /// What lies there.
    pub script: Script,
    /// Where the script would be if `core.hooksPath` were not set; nothing where it is not.
    pub passed_over: Option<PathBuf>,
    /// Who owns the hooks.
    pub manager: Option<Manager>,
}

/// Finds the repository around a folder.
///
/// # Errors
/// [`Failure`] where there is none.
pub fn find_repository(dir: &Path) -> Result<Repository, Failure> {
    Ok(Repository::find(Git::new(), dir)?)
}

/// Returns the hooks of a repository that ask squad, or the one that could.
///
/// # Errors
/// [`Failure`] where the configuration or a hook cannot be read.
pub fn status(repository: &Repository) -> Result<Vec<Hook>, Failure> {
    let mut hooks = Survey::of(repository, EVENT)?.hooks();
    let merges = Survey::of(repository, MERGE)?;
    hooks.extend(match merges.asking() {
        // Whoever writes hooks by hand knows which.
        none if none.is_empty()
            && !merges.hands_on()
            && hooks.iter().any(|hook| hook.how != How::ByHand && hook.state == State::Ok) =>
        {
            vec![merges.possible()]
        }
        asking => asking,
    });
    Ok(hooks)
}

/// What squad put where git runs it, in a form that can be run without whatever else stands there.
pub(in crate::ops) enum Installed {
    /// A script in which there is nothing else.
    Script(PathBuf),
    /// Lines for a shell.
    Lines(String),
}

/// Returns what squad put there and git runs; nothing where it put nothing, or git does not run it.
///
/// # Errors
/// [`Failure`] where the configuration or a hook cannot be read.
pub(in crate::ops) fn installed(repository: &Repository) -> Result<Option<Installed>, Failure> {
    let survey = Survey::of(repository, EVENT)?;
    if let Some(hook) = survey.configured.as_ref().filter(|hook| survey.runs_configured && hook.off_by.is_none()) {
        return Ok(Some(Installed::Lines(hook.command.clone())));
    }
    let Script::Shell(bytes) = &survey.script else { return Ok(None) };
    let Some(range) = block::find(bytes).filter(|_| is_program(&survey.file)) else { return Ok(None) };
    Ok(Some(match block::without_lines(bytes) {
        None => Installed::Script(survey.file),
        Some(_) => Installed::Lines(String::from_utf8_lossy(&bytes[range]).into_owned()),
    }))
}

impl<'a> Survey<'a> {
    pub(super) fn of(repository: &'a Repository, event: &'static str) -> Result<Self, Failure> {
        let folder = repository.hooks_folder()?;
        let own = repository.place.common_dir.join("hooks").join(event);
        let file = folder.path.join(event);
        let elsewhere = (!folder.is_own).then_some(folder.path.as_path());
        let worktree = repository.place.worktree.as_deref();
        Ok(Self {
            // A git that does not say what it is runs the scripts that every git runs.
            runs_configured: repository.runs_configured_hooks().unwrap_or(false),
            configured: repository.configured_hook(NAME, event)?,
            config_file: repository.place.common_dir.join("config"),
            script: script(&file),
            // What a manager is asked for is told with the first event.
            manager: worktree.filter(|_| event == EVENT).and_then(|worktree| managers::find(worktree, elsewhere)),
            passed_over: (!folder.is_own).then_some(own),
            repository,
            event,
            file,
        })
    }

    /// Tells whether the script hands what it is asked on to the hook before a commit, as git's own sample does.
    pub(super) fn hands_on(&self) -> bool {
        match &self.script {
            Script::Shell(text) => block::find(text).is_none() && String::from_utf8_lossy(text).contains(HANDS_ON),
            _ => false,
        }
    }

    /// Returns the hooks that ask squad; where none does, the one that could, as `skipped`.
    pub(super) fn hooks(&self) -> Vec<Hook> {
        let mut hooks = self.asking();
        if hooks.is_empty() {
            hooks.push(self.possible());
        }
        hooks
    }

    /// Returns the hooks that ask squad, whether they do so with success or not.
    pub(super) fn asking(&self) -> Vec<Hook> {
        let configured = self.configured.as_ref().map(|hook| self.configured_hook(hook));
        let passed_over = self.passed_over.as_deref().filter(|file| has_lines(file)).map(|file| {
            let detail = format!("git looks for hooks in {}, so this one is not run", folder_of(&self.file));
            Hook::new(self.event, State::Failed, How::Block, file, detail).fix("`squad hook uninstall` takes it out")
        });
        configured.into_iter().chain(self.scripted_hook()).chain(passed_over).chain(self.managed_hook()).collect()
    }

    fn configured_hook(&self, hook: &Configured) -> Hook {
        let found = |state, detail: String| Hook::new(self.event, state, How::Config, &self.config_file, detail);
        if !self.runs_configured {
            let (major, minor) = CONFIGURED_SINCE;
            return found(State::Failed, format!("git before {major}.{minor} runs no hooks of its configuration"))
                .fix("`squad hook install` puts one where this git looks");
        }
        if let Some(switch) = &hook.off_by {
            return found(State::Failed, format!("{switch} switches it off"))
                .fix(format!("`git config --unset {switch}` switches it on"));
        }
        called(found, block::program_in(&hook.command))
    }

    fn scripted_hook(&self) -> Option<Hook> {
        let text;
        let (how, text, by_path) = match &self.script {
            Script::None => return None,
            Script::Shell(bytes) => match block::find(bytes) {
                Some(range) => {
                    text = String::from_utf8_lossy(&bytes[range]).into_owned();
                    (How::Block, text.as_str(), block::program_in(&text))
                }
                None => {
                    text = String::from_utf8_lossy(bytes).into_owned();
                    (How::ByHand, text.as_str(), None)
                }
            },
            Script::Other { text, .. } => (How::ByHand, text.as_str(), None),
        };
        let found = |state, detail: String| Hook::new(self.event, state, how, &self.file, detail);
        let is_shell = !matches!(self.script, Script::Other { is_shell: false, .. });
        let line = match how {
            How::Block => Some(text),
            _ if is_shell => block::asks_squad(text),
            _ => block::asks_squad(text).or_else(|| block::asks_as_process(text).then_some(text)),
        }?;
        if !is_program(&self.file) {
            let detail = "it asks squad, but git does not run it: it is not executable".to_owned();
            return Some(found(State::Failed, detail).fix(format!("`chmod +x {}`", self.file.display())));
        }
        if how == How::Block {
            return Some(called(found, by_path));
        }
        if !is_shell {
            return Some(if line.starts_with("squad ") {
                let detail = "a line for a shell stands in it, and it is no shell script: it does not ask squad";
                found(State::Failed, detail.to_owned()).fix(AS_A_PROCESS)
            } else {
                found(State::Ok, "it names squad, and only whoever wrote it knows whether it asks".to_owned())
            });
        }
        // What stands there by hand names its program in a word of its own, or in a way that only a shell can tell.
        let word = line.split_whitespace().find(|word| word.ends_with("squad"));
        Some(match word {
            Some("squad") => called(found, None),
            Some(path) if !path.contains(['$', '~', '"', '\'']) && !is_program(Path::new(path)) => {
                found(State::Failed, format!("it asks squad, but there is no program {path}"))
            }
            _ => found(State::Ok, "it asks squad".to_owned()),
        })
    }

    fn managed_hook(&self) -> Option<Hook> {
        let manager = self.manager.as_ref().filter(|manager| manager.file != self.file)?;
        let text = fs::read_to_string(&manager.file).ok()?;
        block::asks_squad(&text)?;
        let hook = |state, detail| Hook {
            manager: Some(manager.name),
            ..Hook::new(self.event, state, How::ByHand, &manager.file, format!("{} {detail}", manager.name))
        };
        // A manager puts a script of its own where git looks, or nobody asks it.
        if matches!(self.script, Script::None) && !self.runs_configured {
            let detail = "would ask squad, but git does not run it: it is not installed in this clone";
            return Some(hook(State::Failed, detail).fix(format!("install {} here, as its users do", manager.name)));
        }
        Some(hook(State::Ok, "asks squad"))
    }

    /// Returns the hook that could ask squad and does not yet.
    pub(super) fn possible(&self) -> Hook {
        let skipped = |how, path: &Path, detail: &str| Hook::new(self.event, State::Skipped, how, path, detail);
        if self.repository.place.is_bare() {
            return skipped(How::Block, &self.file, "no commit is made in a bare repository");
        }
        let install = "`squad hook install` makes git ask squad";
        let nobody = match self.event {
            MERGE => "no hook looks at what `git merge` commits",
            _ => "no hook looks at what is committed to the board by hand",
        };
        if self.runs_configured {
            return skipped(How::Config, &self.config_file, nobody).fix(install);
        }
        match self.by_hand() {
            Some(hook) => hook,
            None if matches!(self.script, Script::None) => skipped(How::Block, &self.file, nobody).fix(install),
            None => skipped(How::Block, &self.file, "the hook there does not ask squad").fix(install),
        }
    }

    /// Returns the hook that somebody has to write, where squad may not.
    pub(super) fn by_hand(&self) -> Option<Hook> {
        let by_hand = |file: &Path, detail: String, snippet| {
            let hook = Hook::new(self.event, State::Skipped, How::ByHand, file, detail);
            let fix = format!("write into {}: `squad hook install` prints what", file.display());
            Hook { snippet: Some(snippet), ..hook.fix(fix) }
        };
        if let Some(Manager { name, file, snippet }) = &self.manager {
            let folder = folder_of(file);
            let detail = match *name {
                managers::HOOKS_PATH if Path::new(&folder).exists() && !Path::new(&folder).is_dir() => {
                    let detail = format!("{name} names no folder, so git runs no hooks and does not ask squad");
                    let hook = Hook::new(self.event, State::Skipped, How::ByHand, file, detail);
                    return Some(Hook {
                        manager: Some(name),
                        ..hook.fix(format!("let {name} name a folder, or unset it"))
                    });
                }
                managers::HOOKS_PATH if !file.exists() => {
                    format!("{name} names that folder, and nothing there asks squad: an executable script would")
                }
                managers::HOOKS_PATH => {
                    let why = match &self.script {
                        Script::Other { why, .. } => format!(", and {why}"),
                        _ => String::new(),
                    };
                    format!("{name} names that folder, and the hook there does not ask squad{why}")
                }
                _ => format!("{name} runs the hooks here, and does not ask squad"),
            };
            if *name == managers::HOOKS_PATH && matches!(self.script, Script::Other { is_shell: false, .. }) {
                let hook = Hook::new(self.event, State::Skipped, How::ByHand, file, detail);
                return Some(Hook { manager: Some(name), ..hook.fix(AS_A_PROCESS) });
            }
            return Some(Hook { manager: Some(name), ..by_hand(file, detail, snippet) });
        }
        match &self.script {
            Script::Other { why, is_shell, .. } => {
                let detail = format!("the hook there does not ask squad, and {why}");
                Some(if *is_shell {
                    by_hand(&self.file, detail, managers::SHELL)
                } else {
                    Hook::new(self.event, State::Skipped, How::ByHand, &self.file, detail).fix(AS_A_PROCESS)
                })
            }
            _ => None,
        }
    }
}

/// Says whether the program that squad's lines call is there: the one they name, else the one that `PATH` finds.
fn called(found: impl Fn(State, String) -> Hook, named: Option<String>) -> Hook {
    let there = named.as_deref().map(PathBuf::from).filter(|path| is_program(path));
    match (there.or_else(|| find_program("squad")), named) {
        (Some(program), _) => found(State::Ok, format!("it asks squad, at {}", program.display())),
        (None, named) => {
            let named = named.map_or_else(|| "no ".to_owned(), |path| format!("neither {path} nor "));
            found(State::Failed, format!("it asks squad, but there is {named}squad on PATH"))
                .fix("`squad hook install` with the squad that is to be asked")
        }
    }
}

fn script(file: &Path) -> Script {
    let Ok(meta) = fs::symlink_metadata(file) else { return Script::None };
    let bytes = fs::read(file).unwrap_or_default();
    let is_shell = block::is_shell(&bytes);
    let other = |why: &str, is_shell| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Whoever writes into it by hand is to know that this alone does not help.
        let off = format!("is switched off: it is not executable until `chmod +x {}`", file.display());
        let why: Vec<&str> =
            [why, if is_program(file) { "" } else { &off }].into_iter().filter(|w| !w.is_empty()).collect();
        Script::Other { text, why: why.join(", and "), is_shell }
    };
    if meta.is_symlink() {
        return other("is a link to a file that may be the team's", is_shell);
    }
    if !meta.is_file() {
        return Script::Other { text: String::new(), why: "is no file".to_owned(), is_shell: true };
    }
    if block::find(&bytes).is_some() {
        return Script::Shell(bytes);
    }
    if !is_shell {
        return other("is no shell script", false);
    }
    if !is_program(file) {
        return other("", true);
    }
    Script::Shell(bytes)
}

pub(super) fn has_lines(file: &Path) -> bool {
    let is_file = fs::symlink_metadata(file).is_ok_and(|meta| meta.is_file());
    is_file && fs::read(file).is_ok_and(|bytes| block::find(&bytes).is_some())
}

fn folder_of(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}
