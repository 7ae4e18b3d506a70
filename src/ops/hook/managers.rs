//! Programs that own the hooks of a repository, and what to write in their files by hand.
//!
//! squad touches none of these files: they are the team's, and most of them are committed.

use std::path::{Path, PathBuf};

/// Who owns the hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// Its name, as its users know it.
    pub name: &'static str,
    /// The file that says what is run.
    pub file: PathBuf,
    /// What to write in it.
    pub snippet: &'static str,
}

/// The setting that names a folder of hooks, as if it were a program.
pub const HOOKS_PATH: &str = "core.hooksPath";

/// What a shell script says: its own fate follows that of the check.
pub const SHELL: &str = "squad hook pre-commit || exit $?\n";

/// The same where there is no script yet.
const NEW_SHELL: &str = "#!/bin/sh\nsquad hook pre-commit || exit $?\n";

const HUSKY: &str = "squad hook pre-commit\n";

const LEFTHOOK: &str = "\
pre-commit:
  commands:
    squad:
      run: squad hook pre-commit
";

const PRE_COMMIT: &str = r"
repos:
  - repo: local
    hooks:
      - id: squad-check
        name: squad check
        entry: squad hook pre-commit
        language: system
        pass_filenames: false
        always_run: true
        require_serial: true
";

const HK: &str = r#"
hooks {
  ["pre-commit"] {
    steps {
      ["squad"] { check = "squad hook pre-commit" }
    }
  }
}
"#;

/// Files that tell which program runs the hooks.
const FILES: [(&str, &str, &str); 8] = [
    ("lefthook.yml", "lefthook", LEFTHOOK),
    (".lefthook.yml", "lefthook", LEFTHOOK),
    ("lefthook.yaml", "lefthook", LEFTHOOK),
    (".lefthook.yaml", "lefthook", LEFTHOOK),
    (".pre-commit-config.yaml", "pre-commit", PRE_COMMIT),
    (".pre-commit-config.yml", "pre-commit", PRE_COMMIT),
    ("hk.pkl", "hk", HK),
    (".config/hk.pkl", "hk", HK),
];

/// Finds who owns the hooks of a worktree; `elsewhere` is the folder that `core.hooksPath` names, where that is not
/// git's own.
pub fn find(worktree: &Path, elsewhere: Option<&Path>) -> Option<Manager> {
    let husky = worktree.join(".husky");
    if elsewhere.map_or_else(|| husky.is_dir(), |folder| folder.starts_with(&husky)) {
        return Some(Manager { name: "husky", file: husky.join("pre-commit"), snippet: HUSKY });
    }
    if let Some(folder) = elsewhere {
        let file = folder.join("pre-commit");
        let snippet = if file.exists() { SHELL } else { NEW_SHELL };
        return Some(Manager { name: HOOKS_PATH, file, snippet });
    }
    FILES.iter().find_map(|(file, name, snippet)| {
        let file = worktree.join(file);
        file.is_file().then(|| Manager { name, file, snippet: snippet.trim_start() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pre_commit_program_asks_squad_of_every_commit() {
        for text in [PRE_COMMIT, include_str!("../../../.pre-commit-hooks.yaml")] {
            let says = |line: &str| text.lines().any(|found| found.trim() == line);
            assert!(says("always_run: true") && says("pass_filenames: false") && !text.contains(" files: "), "{text}");
        }
    }
}
