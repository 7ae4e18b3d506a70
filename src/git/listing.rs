//! What a remote has, by name, without fetching any of it.

use std::time::{Duration, Instant};

use super::Oid;
use super::fetch::FetchFault;
use super::remote::Remote;
use super::retry::Attempts;
use super::store::Store;
use super::subprocess::End;

impl Remote {
    /// Returns the refs of the remote below a prefix, which ends in a slash, by name.
    ///
    /// # Errors
    /// [`FetchFault`] where it gives no answer, or one that is no list.
    pub fn list(&self, store: &Store, prefix: &str, limit: Duration) -> Result<Vec<(String, Oid)>, FetchFault> {
        let deadline = Instant::now() + limit;
        let mut attempts = Attempts::after_the_first(deadline);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = self.network("ls-remote", store, left).verb().args(["--quiet", "--refs", "--"]);
            let finished = asked.arg(self.address()).arg(format!("{prefix}*")).run()?;
            match finished.end {
                End::Exited(0) => return read(&finished.stdout, prefix),
                End::TimedOut => return Err(FetchFault::TimedOut { limit }),
                _ if attempts.another() => {}
                _ => return Err(FetchFault::Unreachable { reason: finished.reason() }),
            }
        }
    }
}

/// Reads the list. A pattern of git also matches the tail of longer names.
fn read(output: &[u8], prefix: &str) -> Result<Vec<(String, Oid)>, FetchFault> {
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(output).lines() {
        let entry = line.split_once('\t').and_then(|(oid, name)| Some((name.to_owned(), oid.parse::<Oid>().ok()?)));
        let Some((name, oid)) = entry else {
            let reason = format!("git ls-remote answered what is no list of refs: {}", line.escape_debug());
            return Err(FetchFault::Failed { reason });
        };
        if name.starts_with(prefix) {
            found.push((name, oid));
        }
    }
    found.sort();
    Ok(found)
}
