//! What programs that sign, or tell others, are told of the user's environment, and where the paths of git's configuration lead.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What ssh-keygen is told: where to find keys, and whom to ask for a passphrase.
const TOLD: &[&str] = &["HOME", "PATH", "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "TMPDIR"];

/// Returns the environment of a program that signs: nothing but what it needs.
pub fn signing_environment() -> Vec<(OsString, OsString)> {
    TOLD.iter().filter_map(|key| Some((OsString::from(key), env::var_os(key)?))).collect()
}

/// What a command that tells others is told: where programs, the user and their desktop are. No token, and nothing of
/// git's: whatever such a command needs beyond that stands in files of the user.
const NOTIFIED: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "SYSTEMROOT",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
];

/// Returns the environment of a command that tells others.
pub fn notifying_environment() -> Vec<(OsString, OsString)> {
    NOTIFIED.iter().filter_map(|key| Some((OsString::from(key), env::var_os(key)?))).collect()
}

/// Returns a path of git's configuration: `~/` is the home of whoever runs this.
pub fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}
