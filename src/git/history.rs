//! Walks over commits: newest first, children before parents, ancestry.
//!
//! Knows only what commits say of their parents. The boundary of a shallow clone ends a walk; any other hole fails it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use super::objects::{CommitInfo, Objects};
use super::{GitError, Oid};

/// How far two machines' clocks may disagree before [`Objects::walk`] shows a commit that the hidden side also reaches.
const CLOCK_SKEW_SECONDS: i64 = 86_400;

impl Objects {
    /// Tells whether `descendant` reaches `ancestor` over any parents; a commit reaches itself.
    ///
    /// # Errors
    /// [`GitError::Missing`] where history has a hole that no shallow boundary explains.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool, GitError> {
        let mut walk = self.recent(descendant)?;
        // Newest first finds a linear history's ancestor at once; the whole history is read only to say no.
        while let Some(commit) = walk.next().transpose()? {
            if commit.oid == ancestor {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the best commit that two have in common; nothing where they share none that is here.
    ///
    /// # Errors
    /// [`GitError::Library`] where history cannot be read.
    pub fn merge_base(&self, one: Oid, other: Oid) -> Result<Option<Oid>, GitError> {
        match self.repo.merge_base(one.raw(), other.raw()) {
            Ok(oid) => Ok(Some(oid.into())),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::library("look for what two commits have in common")(error)),
        }
    }

    /// Returns the commits reachable from `head` one by one, newest first by commit time, reading no more than asked.
    ///
    /// # Errors
    /// [`GitError::Missing`] when `head` is not here.
    pub fn recent(&self, head: Oid) -> Result<Recent<'_>, GitError> {
        let mut walk = Recent {
            objects: self,
            boundary: self.boundary(),
            queue: BinaryHeap::new(),
            waiting: HashMap::new(),
            seen: HashSet::new(),
            order: 0,
            failed: None,
        };
        walk.push(head)?;
        Ok(walk)
    }

    /// Returns the commits reachable from `head` but not from `hide`, over all parents: every commit before its
    /// parents, newest first among equals.
    ///
    /// Never leaves one out. A hidden commit whose clock was off by more than a day may be among them.
    ///
    /// # Errors
    /// [`GitError::Missing`] when `head` or `hide` is not here, or history has a hole.
    pub fn walk(&self, head: Oid, hide: Option<Oid>) -> Result<Vec<CommitInfo>, GitError> {
        let boundary = self.boundary();
        if let Some(line) = self.line(head, hide, &boundary)? {
            return Ok(line);
        }
        let mut commits: HashMap<Oid, CommitInfo> = HashMap::new();
        let mut hidden: HashSet<Oid> = HashSet::new();
        let mut queue: BinaryHeap<(i64, Oid)> = BinaryHeap::new();
        let mut wanted: BTreeSet<(i64, Oid)> = BTreeSet::new();
        for (oid, is_hidden) in [(Some(head), false), (hide, true)] {
            let Some(oid) = oid else { continue };
            if is_hidden {
                hidden.insert(oid);
            }
            let info = self.commit_info(oid, &boundary)?;
            queue.push((info.committer.at_seconds, oid));
            commits.insert(oid, info);
        }
        wanted.insert((commits[&head].committer.at_seconds, head));
        let mut shown: HashSet<Oid> = HashSet::new();
        let mut oldest = i64::MAX;
        while let Some((at, oid)) = queue.pop() {
            let is_hidden = hidden.contains(&oid);
            wanted.remove(&(at, oid));
            if is_hidden {
                shown.remove(&oid);
            } else {
                shown.insert(oid);
                oldest = oldest.min(at);
            }
            // Only hidden commits are left, and all are clearly older than anything that will be shown.
            if is_hidden && wanted.is_empty() && at < oldest.saturating_sub(CLOCK_SKEW_SECONDS) {
                break;
            }
            for parent in effective_parents(&commits[&oid]).to_vec() {
                let newly_hidden = is_hidden && hidden.insert(parent);
                let known = commits.contains_key(&parent);
                if !known {
                    let info = self.commit_info(parent, &boundary)?;
                    commits.insert(parent, info);
                }
                let key = (commits[&parent].committer.at_seconds, parent);
                if newly_hidden {
                    wanted.remove(&key);
                }
                if !known && !is_hidden {
                    wanted.insert(key);
                }
                if !known || newly_hidden {
                    queue.push(key);
                }
            }
        }
        shown.retain(|oid| !hidden.contains(oid));
        Ok(in_order(commits, &shown))
    }

    /// Returns the commits down to `hide` where they are one line of single parents, as a board's mostly are: then no
    /// clock has to be asked whether any more of the history is hidden.
    fn line(&self, head: Oid, hide: Option<Oid>, boundary: &HashSet<Oid>) -> Result<Option<Vec<CommitInfo>>, GitError> {
        let (mut commits, mut here) = (Vec::new(), head);
        while hide != Some(here) {
            let info = self.commit_info(here, boundary)?;
            let parent = match effective_parents(&info) {
                [] if hide.is_none() => None,
                [one] => Some(*one),
                _ => return Ok(None),
            };
            commits.push(info);
            match parent {
                Some(parent) => here = parent,
                None => break,
            }
        }
        Ok(Some(commits))
    }
}

/// Commits in the order of their times, read as they are asked for.
///
/// A commit that is known to be a parent of one not yet given waits for it, so a linear history comes out right
/// whatever its clocks said.
pub struct Recent<'a> {
    objects: &'a Objects,
    boundary: HashSet<Oid>,
    queue: BinaryHeap<(i64, Reverse<u64>, Oid)>,
    waiting: HashMap<Oid, CommitInfo>,
    seen: HashSet<Oid>,
    order: u64,
    failed: Option<GitError>,
}

impl Recent<'_> {
    fn push(&mut self, oid: Oid) -> Result<(), GitError> {
        if self.seen.insert(oid) {
            let info = self.objects.commit_info(oid, &self.boundary)?;
            self.order += 1;
            self.queue.push((info.committer.at_seconds, Reverse(self.order), oid));
            self.waiting.insert(oid, info);
        }
        Ok(())
    }
}

impl Iterator for Recent<'_> {
    type Item = Result<CommitInfo, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.queue.clear();
            return Some(Err(error));
        }
        let (_, _, oid) = self.queue.pop()?;
        let info = self.waiting.remove(&oid)?;
        for parent in effective_parents(&info).to_vec() {
            if let Err(error) = self.push(parent) {
                self.failed.get_or_insert(error);
            }
        }
        Some(Ok(info))
    }
}

/// Orders commits: children before parents, then newest first.
fn in_order(mut commits: HashMap<Oid, CommitInfo>, shown: &HashSet<Oid>) -> Vec<CommitInfo> {
    let mut children: HashMap<Oid, usize> = HashMap::new();
    for oid in shown {
        for parent in effective_parents(&commits[oid]) {
            *children.entry(*parent).or_default() += 1;
        }
    }
    let mut ready: BinaryHeap<(i64, Oid)> = shown
        .iter()
        .filter(|oid| !children.contains_key(*oid))
        .map(|oid| (commits[oid].committer.at_seconds, *oid))
        .collect();
    let mut ordered = Vec::with_capacity(shown.len());
    while let Some((_, oid)) = ready.pop() {
        let Some(info) = commits.remove(&oid) else { continue };
        for parent in effective_parents(&info) {
            if let Some(left) = children.get_mut(parent) {
                *left -= 1;
                if *left == 0 && shown.contains(parent) {
                    ready.push((commits[parent].committer.at_seconds, *parent));
                }
            }
        }
        ordered.push(info);
    }
    ordered
}

/// Returns the parents that are here: none at the boundary of a shallow clone.
pub(super) fn effective_parents(info: &CommitInfo) -> &[Oid] {
    if info.cut_off { &[] } else { &info.parents }
}
