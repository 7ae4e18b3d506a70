//! Probes of this machine and this clone: nothing here asks the remote.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::session::Session;
use super::{Probe, State};
use crate::board::probe::RefFormat;
use crate::board::repository::Repository;
use crate::board::{GitError, Oid};
use crate::model::id::Millis;
use crate::ops::hook::{EVENT, status, was_installed};

/// Longest time that looking through the private store may take.
const STORE_LIMIT: Duration = Duration::from_secs(30);

/// Age in milliseconds at which an operation has waited for too long.
const TOO_LONG: u64 = 24 * 60 * 60 * 1000;

/// How many names a detail lists.
const NAMED: usize = 3;

/// Returns a few names, and how many there are beyond.
pub(super) fn listed(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED { format!("{first} and {} more", names.len() - NAMED) } else { first }
}

pub(super) fn repository(session: &Session) -> Probe {
    let place = &session.board.place;
    let shown = place.worktree.as_ref().unwrap_or(&place.common_dir).display();
    match place.ref_format {
        RefFormat::Files => Probe::ok("repository", shown.to_string()),
        RefFormat::Reftable => Probe::warning(
            "repository",
            format!("{shown} keeps its refs as reftables: every command asks git a few times more, and is slower"),
        ),
    }
}

pub(super) fn state(session: &Session) -> Probe {
    let folder = session.board.state_dir();
    match try_to_write(&folder) {
        Ok(()) => Probe::ok("state", format!("{} can be written", folder.display())),
        Err(error) => {
            let detail = format!("{} cannot be written: {error}", folder.display());
            let fix = way_out_of_a_sandbox(&detail).unwrap_or("make room there, or allow writing");
            Probe::failed("state", detail).fix(fix)
        }
    }
}

/// What opens a sandbox that keeps the git folder read-only, where that is what the system says. Reading verbs do
/// without.
pub(super) fn way_out_of_a_sandbox(detail: &str) -> Option<&'static str> {
    let words = ["Read-only file system", "Operation not permitted", "Permission denied"];
    words.iter().any(|word| detail.contains(word)).then_some(
        "let squad write into the git folder: in Claude Code `\"sandbox\": {\"excludedCommands\": [\"squad *\"]}` in \
         .claude/settings.json; in Codex approve the command, or run it with full access; elsewhere mount the folder so \
         that it can be written",
    )
}

/// What every command needs: a file that is written, synced, renamed, locked and removed.
fn try_to_write(folder: &Path) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, &[0; 4096])?;
    file.as_file().sync_all()?;
    file.as_file().try_lock().or_else(|error| match error {
        fs::TryLockError::WouldBlock => Ok(()),
        fs::TryLockError::Error(error) => Err(error),
    })?;
    let to = file.path().with_extension("renamed");
    let file = file.persist(&to).map_err(|error| error.error)?;
    drop(file);
    fs::remove_file(to)
}

pub(super) fn storage(session: &Session) -> Probe {
    let folder = &session.board.place.common_dir;
    match over_the_network(folder) {
        None => Probe::unavailable("storage", "this system does not tell what sort of disk it is"),
        Some(None) => Probe::ok("storage", "a disk of this machine"),
        Some(Some(kind)) => Probe::warning(
            "storage",
            format!("{} is on a network file system ({kind}), where locks and renames may not hold", folder.display()),
        )
        .fix("keep one clone for each machine, on a disk of its own"),
    }
}

/// Returns the name of the network file system that holds a folder; the inner nothing is a local one.
#[cfg(target_os = "linux")]
fn over_the_network(folder: &Path) -> Option<Option<&'static str>> {
    // Source: statfs(2).
    const KINDS: [(u32, &str); 8] = [
        (0x6969, "nfs"),
        (0x517b, "smb"),
        (0xff53_4d42, "cifs"),
        (0xfe53_4d42, "smb2"),
        (0x0102_1997, "9p"),
        (0x00c3_6400, "ceph"),
        (0x5346_414f, "afs"),
        (0x6573_5546, "fuse"),
    ];
    let found = rustix::fs::statfs(folder).ok()?.f_type;
    // The field is as wide as a word and its sign means nothing.
    let magic = (found as u64 & u64::from(u32::MAX)) as u32;
    Some(KINDS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name))
}

#[cfg(not(target_os = "linux"))]
fn over_the_network(_: &Path) -> Option<Option<&'static str>> {
    None
}

pub(super) fn store(session: &Session) -> Probe {
    let path = session.board.state_dir().join("board.git");
    let set_aside = || {
        format!(
            "rename {} and run `squad sync`: the board is fetched anew, and what waits is not in there",
            path.display()
        )
    };
    match session.board.store_complaints(STORE_LIMIT) {
        Ok(None) => Probe::ok("store", "every object of the private store is whole"),
        Ok(Some(complaint)) => Probe::failed("store", format!("git finds fault with it: {complaint}")).fix(set_aside()),
        Err(error @ GitError::TimedOut { .. }) => Probe::unavailable("store", error.to_string()),
        Err(error) => Probe::of("store", &error.into()),
    }
}

/// The index is made of files that begin with its name; what cannot be read is no loss, but a sign of a sick disk.
pub(super) fn index(session: &Session) -> Probe {
    let folder = session.board.state_dir();
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let files: Vec<PathBuf> =
        entries.filter(|e| e.file_name().to_string_lossy().starts_with("index")).map(|e| e.path()).collect();
    for file in &files {
        if let Err(error) = read_through(file) {
            return Probe::failed("index", format!("{} cannot be read: {error}", file.display()))
                .fix("rename it: it is made again from the board");
        }
    }
    if files.is_empty() { Probe::ok("index", "none yet") } else { Probe::ok("index", "it can be read") }
}

fn read_through(path: &Path) -> std::io::Result<()> {
    let mut file = fs::File::open(path)?;
    let mut chunk = vec![0; 1 << 16];
    while file.read(&mut chunk)? > 0 {}
    Ok(())
}

pub(super) fn queue(session: &Session) -> Probe {
    let folder = session.board.state_dir().join("queue");
    let broken = session.queue().unreadable();
    if !broken.is_empty() {
        return Probe::failed(
            "queue",
            format!("no operation can be read from {} in {}", listed(&broken), folder.display()),
        )
        .fix("move it out of that folder and look at it: what it asked for has to be asked for again");
    }
    let waiting = session.queue().entries();
    if waiting.is_empty() {
        return Probe::ok("queue", "nothing waits");
    }
    let now = session.now();
    let oldest = waiting.iter().map(|entry| now.since(entry.operation.at)).max().unwrap_or(0);
    let behind = waiting.iter().filter(|entry| !entry.owner.is_alive()).count();
    let mut detail = format!("{} waiting for the remote", waiting.len());
    if behind > 0 {
        detail += &format!(", {behind} of them left by a process that has ended");
    }
    if oldest > TOO_LONG {
        detail += &format!("; the oldest since {}", crate::model::time::rfc3339(Millis(now.0 - oldest as i64)));
        return Probe::failed("queue", detail).fix("`squad sync` settles them");
    }
    Probe::warning("queue", detail).fix("`squad sync` settles them")
}

pub(super) fn push(session: &Session) -> Probe {
    match session.board.settings.get("squad.push") {
        None | Some("auto") => Probe::ok("push", "this clone pushes without asking"),
        Some("ask") => Probe::ok("push", "this clone asks before it pushes"),
        Some("never") => Probe::warning("push", "this clone never pushes: every writing verb is refused")
            .fix("`git config squad.push auto` allows it"),
        Some(other) => Probe::failed("push", format!("git config squad.push cannot be {other:?}"))
            .fix("`git config squad.push auto`, or ask, or never"),
    }
}

/// Where the board's files are, as this clone knows it.
fn locks_path(session: &Session) -> String {
    let head = session.board.head().ok().flatten();
    session.snapshot(head).map(|snapshot| snapshot.locks_path()).unwrap_or_default()
}

pub(super) fn worktree(session: &Session) -> Probe {
    if session.board.place.is_bare() {
        return Probe::skipped("worktree", "there is none");
    }
    match session.board.uncommitted(&locks_path(session)) {
        Err(error) => Probe::unavailable("worktree", error.to_string()),
        Ok(files) if files.is_empty() => Probe::ok("worktree", "no file of the board is changed by hand"),
        Ok(files) => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            Probe::warning("worktree", format!("changed and not committed: {}", listed(&names)))
                .fix("`git diff` shows them; while they are there the checkout does not follow the board")
        }
    }
}

pub(super) fn unpushed(session: &Session) -> Probe {
    if session.board.remote_name().is_none() {
        return Probe::skipped("unpushed", "this repository is its own remote");
    }
    if session.board.place.is_bare() {
        return Probe::skipped("unpushed", "there is no worktree");
    }
    match session.board.unpushed(&locks_path(session)) {
        Err(error) => Probe::unavailable("unpushed", error.to_string()),
        Ok(commits) if commits.is_empty() => Probe::ok("unpushed", "no commit of yours waits with files of the board"),
        Ok(commits) => {
            let names: Vec<String> = commits.iter().map(Oid::short).collect();
            Probe::warning("unpushed", format!("commits that touch the board and no remote has: {}", listed(&names)))
                .fix("`git log -p` shows them; push them, or nobody else will ever see what they say")
        }
    }
}

/// What asks squad before a commit, as `hook status` tells it; that none does is no fault, unless one was put in here.
pub(super) fn hook(session: &Session) -> Probe {
    let repository = Repository::of(&session.board);
    let hooks = match status(&repository) {
        Ok(hooks) => hooks,
        Err(failure) => return Probe::of("hook", &failure),
    };
    let (hooks, of_merges): (Vec<_>, Vec<_>) = hooks.into_iter().partition(|hook| hook.event == EVENT);
    // One that works is enough; else the first says what is the matter.
    let Some(hook) = hooks.iter().find(|hook| hook.state == State::Ok).or(hooks.first()) else {
        return Probe::skipped("hook", "there is none");
    };
    let detail = format!("{}: {}", hook.path, hook.detail);
    if hook.state == State::Failed && was_installed(&repository) {
        let fix = hook.fix.clone().unwrap_or_else(|| "`squad hook install` puts it in again".to_owned());
        return Probe::failed("hook", format!("the hook that was installed here is not run: {detail}")).fix(fix);
    }
    if hook.state != State::Ok && was_installed(&repository) {
        return Probe::failed("hook", format!("the hook that was installed here is gone: {detail}"))
            .fix("`squad hook install` puts it in again; `squad hook uninstall` says that it is not wanted");
    }
    if hook.state == State::Ok
        && let Some(merges) = of_merges.first().filter(|_| of_merges.iter().all(|hook| hook.state != State::Ok))
    {
        let probe = Probe::warning("hook", format!("{detail}; {}: {}", merges.path, merges.detail));
        return Probe { fix: merges.fix.clone(), ..probe };
    }
    let probe = if hook.state == State::Failed { Probe::warning("hook", detail) } else { Probe::ok("hook", detail) };
    Probe { fix: hook.fix.clone(), ..probe }
}
