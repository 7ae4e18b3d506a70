//! A commit of squad, decided again: on its parent the operation that it carries must make the very same files.
//!
//! The one judgement for `audit`, which asks it of the whole history, and for `review`, which asks it of what no diff can
//! tell. Owns what such a commit can have wrong; which commits are asked about is for the callers.

use std::collections::BTreeMap;
use std::path::Path;

use super::failure::Failure;
use super::review::member_of;
use super::signing::Signers;
use crate::board::receipt;
use crate::board::render::{first_attributes, rendered};
use crate::board::snapshot::Snapshot;
use crate::board::store::AccessFault;
use crate::board::{CommitInfo, Objects, Oid};
use crate::model::board::{Changeset, Decision};
use crate::model::config::BoardConfig;
use crate::model::decide::decide;
use crate::model::operation::Operation;
use crate::model::vocabulary::IdentityPolicy;

/// Something that a commit of squad has wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The rule.
    pub code: &'static str,
    /// The file, where it is about one.
    pub file: String,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, file: String::new(), message: message.into() }
    }

    fn of_file(code: &'static str, file: &str, message: &str) -> Self {
        Self { code, file: file.to_owned(), message: message.to_owned() }
    }
}

/// Returns what is wrong with who stands behind an operation: where the board asks for more than a name, whoever wrote the
/// commit is the actor, or whoever signed the operation is. `signers` are those whom this clone trusts.
pub(super) fn author_fault(
    commit: &CommitInfo,
    operation: &Operation,
    config: &BoardConfig,
    signers: Option<&Signers>,
    dir: &Path,
) -> Option<Fault> {
    match config.policy.identity {
        IdentityPolicy::Name => None,
        IdentityPolicy::Email => {
            let author = member_of(config, &commit.author.email);
            (author.as_ref() != Some(&operation.actor)).then(|| {
                let who = author
                    .map_or_else(|| format!("<{}>, whom no member has", commit.author.email), |name| name.to_string());
                Fault::new("foreign-actor", format!("{} acts, and the author is {who}", operation.actor))
            })
        }
        IdentityPolicy::Signature => {
            let Some(signers) = signers else {
                let message =
                    "the board wants signatures, and this clone trusts no keys: `git config squad.allowedSigners FILE`";
                return Some(Fault::new("unverified", message));
            };
            let why = signers.verify(operation, config.agent(&operation.actor)?, dir).err()?;
            Some(Fault::new("unverified", format!("operation {} by {}: {why}", operation.id, operation.actor)))
        }
    }
}

/// What deciding a commit's operation once more has come to.
pub(super) enum Again {
    /// The commit is what the operation makes of its parent.
    Same(Box<Changeset>),
    /// The operation had been decided before.
    Before,
    /// Something about the commit is wrong.
    Faults(Vec<Fault>),
}

/// Decides a commit's operation once more and holds the commit against it; `before` is the board of its only parent.
///
/// # Errors
/// [`Failure`] where the objects cannot be read.
pub(super) fn decide_again(
    objects: &Objects,
    before: &Snapshot,
    commit: &CommitInfo,
    operation: &Operation,
) -> Result<Again, Failure> {
    let only = |code, message: String| Ok(Again::Faults(vec![Fault::new(code, message)]));
    let changes = match decide(before, operation) {
        Ok(Decision::Applied(changes)) => changes,
        Ok(Decision::Refused(refusal)) => return only("not-allowed", refusal.message()),
        Ok(Decision::Unchanged(unchanged)) => return only("not-allowed", unchanged.why),
        Ok(Decision::AlreadyDecided(_)) => return Ok(Again::Before),
        Err(fault) => return only("undecidable", fault.to_string()),
    };
    let mut found = Vec::new();
    if !receipt::is_of(&commit.message, operation, &changes.receipt) {
        found.push(Fault::new("forged-receipt", "its message does not say what the operation does"));
    }
    let made = rendered(before, &changes).and_then(|files| Ok((files, first_attributes(before, &changes)?)));
    let (files, first) = match made {
        Ok(made) => made,
        Err(fault) => {
            found.push(Fault::new("undecidable", fault.to_string()));
            return Ok(Again::Faults(found));
        }
    };
    // Most files can become one thing only.
    let mut wanted: BTreeMap<String, Vec<Option<Oid>>> = BTreeMap::new();
    let read = files.into_iter().map(|file| (file.change, file.read));
    for (file, read) in read.chain(first.map(|file| (file, None))) {
        let blob = file.content.as_ref().map(|content| Objects::hash_blob(content));
        if let (Some(blob), Some(read)) = (blob, read) {
            before.keep(blob, read);
        }
        wanted.entry(file.path).or_default().push(blob);
    }
    let tree = commit.parents.first().map(|parent| objects.tree_of(*parent)).transpose().map_err(AccessFault::from)?;
    for change in objects.diff_trees(tree, Some(commit.tree)).map_err(AccessFault::from)? {
        let now = change.new.map(|(_, blob)| blob);
        let fault = match wanted.remove(&change.path) {
            Some(blobs) if blobs.contains(&now) && change.is_ordinary() => continue,
            Some(blobs) if blobs.contains(&now) => {
                Fault::of_file("other-content", &change.path, "it is no ordinary file, and squad writes no other")
            }
            Some(_) => Fault::of_file("other-content", &change.path, "it is not what the operation makes"),
            None => Fault::of_file("beyond-operation", &change.path, "the operation does not touch it"),
        };
        found.push(fault);
    }
    for (path, blobs) in wanted {
        let there = objects.lookup(commit.tree, &path).map_err(AccessFault::from)?;
        if !blobs.contains(&there.map(|entry| entry.oid)) {
            found.push(Fault::of_file("other-content", &path, "what the operation makes of it is missing"));
        }
    }
    Ok(if found.is_empty() { Again::Same(changes) } else { Again::Faults(found) })
}
