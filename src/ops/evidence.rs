//! Evidence: from what was typed to what can be checked again.
//!
//! Owns how a revision, a path or a command becomes a record with its digest. A path never leaves the repository.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::session::Session;
use crate::model::code::ErrorCode;
use crate::model::locks::normalise;
use crate::model::task::EvidenceBody;
use crate::model::text::one_line_fault;
use crate::model::vocabulary::EvidenceKind;
use crate::runner::command::{Finished, run_shell};

/// Evidence as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Pieces that are named: kind and value.
    pub named: Vec<(EvidenceKind, String)>,
    /// Commands to run.
    pub commands: Vec<String>,
}

/// Returns the evidence, with what it names looked up and its commands run.
///
/// `show` is handed the output of the commands as it comes.
///
/// # Errors
/// [`Failure`] when something that is named is not there, or a command does not succeed.
pub fn gather(session: &Session, wanted: &Wanted, show: &mut dyn FnMut(&[u8])) -> Result<Vec<EvidenceBody>, Failure> {
    let mut found = Vec::new();
    for (kind, value) in &wanted.named {
        found.push(named(session, *kind, value)?);
    }
    for command in &wanted.commands {
        found.push(run(session, command, show)?);
    }
    Ok(found)
}

fn named(session: &Session, kind: EvidenceKind, value: &str) -> Result<EvidenceBody, Failure> {
    if let Some(bad) = one_line_fault(value) {
        return Err(Failure::new(ErrorCode::Invalid, format!("evidence {kind} holds the character {bad:?}"))
            .hint("write it on one line, without control characters"));
    }
    Ok(match kind {
        EvidenceKind::Commit => EvidenceBody::Commit { rev: value.to_owned(), oid: commit(session, value)? },
        EvidenceKind::Diff => {
            let (from, to) = value.split_once("..").unwrap_or((value, "HEAD"));
            let to = to.trim_start_matches('.');
            EvidenceBody::Diff { range: value.to_owned(), from: commit(session, from)?, to: commit(session, to)? }
        }
        EvidenceKind::Url => EvidenceBody::Url { url: url(value)? },
        EvidenceKind::File | EvidenceKind::Log | EvidenceKind::Screenshot => {
            let (path, sha256, bytes) = file(session, value)?;
            match kind {
                EvidenceKind::Log => EvidenceBody::Log { path, sha256, bytes },
                EvidenceKind::Screenshot => EvidenceBody::Screenshot { path, sha256, bytes },
                _ => EvidenceBody::File { path, sha256, bytes },
            }
        }
        EvidenceKind::Command => {
            return Err(
                Failure::new(ErrorCode::Invalid, "evidence of a command is made by running it").hint("use `--run CMD`")
            );
        }
    })
}

fn commit(session: &Session, revision: &str) -> Result<String, Failure> {
    match session.board.user_commit(revision)? {
        Some(oid) => Ok(oid.to_string()),
        None => Err(Failure::new(ErrorCode::NotFound, format!("no commit {revision}"))
            .hint("name a commit of this repository, for example HEAD")),
    }
}

fn url(value: &str) -> Result<String, Failure> {
    let known = ["https://", "http://"].iter().any(|scheme| value.len() > scheme.len() && value.starts_with(scheme));
    if known && !value.contains(char::is_whitespace) {
        return Ok(value.to_owned());
    }
    Err(Failure::new(ErrorCode::Invalid, format!("{value:?} is no web address"))
        .hint("write it in full, for example url:https://example.org/build/7"))
}

fn file(session: &Session, value: &str) -> Result<(String, String, u64), Failure> {
    let path = normalise(value, false).map_err(|bad| {
        Failure::new(ErrorCode::Invalid, bad.to_string()).hint("name a file within the repository, from its root")
    })?;
    if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(Failure::new(ErrorCode::Invalid, format!("{path} belongs to git itself"))
            .hint("name a file of the work, from the root of the repository"));
    }
    let root = session.board.place.worktree.as_deref().ok_or_else(|| {
        Failure::new(ErrorCode::NotFound, format!("no file {path}"))
            .why("a bare repository has no files")
            .hint("run it in a worktree")
    })?;
    let (sha256, bytes) = digest_of(root, &path).map_err(|why| {
        Failure::new(ErrorCode::NotFound, format!("cannot use {path} as evidence"))
            .why(why)
            .hint("name an ordinary file within the repository, from its root")
    })?;
    Ok((path, sha256, bytes))
}

/// Returns the SHA-256 and the size of an ordinary file below a root, following no link.
///
/// # Errors
/// Why it cannot be read, as the end of a sentence.
pub fn digest_of(root: &Path, path: &str) -> Result<(String, u64), String> {
    let mut real = root.to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    for (i, part) in parts.iter().enumerate() {
        real.push(part);
        let meta = fs::symlink_metadata(&real).map_err(|e| e.to_string())?;
        if meta.file_type().is_symlink() {
            return Err("a part of the path is a link".to_owned());
        }
        if i + 1 == parts.len() && !meta.is_file() {
            return Err("it is no ordinary file".to_owned());
        }
    }
    let mut file = File::open(&real).map_err(|e| e.to_string())?;
    let mut hash = Sha256::new();
    let mut buffer = [0u8; 64 * 1024];
    let mut bytes = 0u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hex(&hash.finalize()), bytes)),
            Ok(n) => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
            Err(e) => return Err(e.to_string()),
        }
    }
}

/// Returns the SHA-256 of bytes.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn run(session: &Session, command: &str, show: &mut dyn FnMut(&[u8])) -> Result<EvidenceBody, Failure> {
    let dir = session.board.place.run_dir().to_owned();
    let mut hash = Sha256::new();
    let mut bytes = 0u64;
    let Finished { argv, code, signal } = run_shell(command, &dir, &mut |output| {
        hash.update(output);
        bytes += output.len() as u64;
        show(output);
    })
    .map_err(|e| Failure::new(ErrorCode::Internal, format!("cannot run {command}")).caused_by(&e))?;
    let Some(exit_code) = code.filter(|code| *code == 0) else {
        let how = match (code, signal) {
            (Some(code), _) => format!("it ended with exit code {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it did not end by itself".to_owned(),
        };
        return Err(Failure::new(ErrorCode::EvidenceMissing, format!("`{command}` did not succeed"))
            .why(how)
            .hint("mend it and hand in again; what fails is no proof")
            .with("exitCode", code));
    };
    let head = session.board.user_commit("HEAD")?;
    let dirty = session.board.is_dirty()?;
    let sha256 = hex(&hash.finalize());
    Ok(EvidenceBody::Command { argv, exit_code, sha256, bytes, commit: head.map(|oid| oid.to_string()), dirty })
}
