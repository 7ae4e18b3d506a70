//! What the wakes of this clone have said: one log for each agent, and the one before it.

use std::fs;

use super::super::session::Session;

/// Largest log that is written on, in bytes.
const LOG_MAX: u64 = 1 << 20;

/// Puts away the logs that have grown too large. Whoever writes to one now ends it; the next wake begins another.
pub fn put_away(session: &Session) {
    let entries = fs::read_dir(super::log_folder(session)).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "log")) {
        if fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() > LOG_MAX) {
            // What cannot be put away now can be at the next wake.
            let _ = fs::rename(&path, path.with_extension("log.1"));
        }
    }
}
