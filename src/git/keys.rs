//! What a program that signs is told of the user's environment, and where the paths of git's configuration lead.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What ssh-keygen is told: where to find keys, and whom to ask for a passphrase.
const TOLD: &[&str] = &["HOME", "PATH", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "TMPDIR"];

/// Returns the environment of a program that signs: nothing but what it needs.
pub fn signing_environment() -> Vec<(OsString, OsString)> {
    TOLD.iter().filter_map(|key| Some((OsString::from(key), env::var_os(key)?))).collect()
}

/// Returns a path of git's configuration: `~/` is the home of whoever runs this.
pub fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}
