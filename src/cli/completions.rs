//! Completion scripts, made from the same description as the parser.

use clap_complete::{Generator, Shell as Generated};

use super::args::{Shell, command};

/// Returns the completion script of a shell.
pub fn script(shell: Shell) -> String {
    let generator = match shell {
        Shell::Bash => Generated::Bash,
        Shell::Elvish => Generated::Elvish,
        Shell::Fish => Generated::Fish,
        Shell::Powershell => Generated::PowerShell,
        Shell::Zsh => Generated::Zsh,
    };
    let mut cmd = command();
    cmd.set_bin_name("squad");
    cmd.build();
    let mut script = Vec::new();
    generator.generate(&cmd, &mut script);
    String::from_utf8(script).expect("verbs, flags and their help are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_knows_every_verb_and_the_words_of_closed_sets() {
        for &shell in Shell::ALL {
            let script = script(shell);
            for word in ["claim", "request-complete", "depends-on"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
            // The generators for Elvish and PowerShell offer verbs and flags only.
            let offers_values = !matches!(shell, Shell::Elvish | Shell::Powershell);
            assert_eq!(script.contains("rate-limit"), offers_values, "{shell}");
        }
    }
}
