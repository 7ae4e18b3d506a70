//! `review` and the hook: a change of the board, judged before it is made or merged.
//!
//! Owns what a change is compared with and who is taken to have made it; the judgement itself is `review`'s.

use std::collections::HashSet;
use std::path::Path;

use super::check::{check_snapshot, unreadable};
use super::failure::Failure;
use super::restored::{self, Look};
use super::session::named;
use crate::board::difference::{live_tasks_at, others_that_differ, tasks_that_differ};
use crate::board::layout::{CONFIG, ROOT};
use crate::board::range::{NoRange, Range};
use crate::board::render::Overlay;
use crate::board::repository::Repository;
use crate::board::snapshot::Snapshot;
use crate::board::{CommitInfo, Oid, amends};
use crate::model::board::{Board, BoardFault};
use crate::model::code::ErrorCode;
use crate::model::config::{Agent, BoardConfig, address_of};
use crate::model::id::{AgentName, Millis, in_command};
use crate::model::locks::{LocksFile, Pattern};
use crate::model::vocabulary::{IdentityPolicy, LockMode, LockPolicy};
use crate::review::check::{BoardFile, FileKind, FileRole, check_apart};
use crate::review::judge::{Change, Judgement, Pair, RosterBy, TaskChange, Verdict, Version, judge, moved};
use crate::review::lost::lost;
use crate::runner::process::lines_above;
use crate::schema::Violation;

/// What became of a review.
#[derive(Debug, Clone, Default)]
pub struct Reviewed {
    /// Where the change begins: a commit.
    pub base: String,
    /// Where it ends: a commit; nothing for what is only staged.
    pub head: Option<String>,
    /// How many commits it has.
    pub commits: usize,
    /// Every task that it touches, by id.
    pub changes: Vec<TaskChange>,
    /// Everything that is wrong or odd about it.
    pub violations: Vec<Violation>,
}

impl Reviewed {
    /// Returns how the whole change is judged.
    pub fn verdict(&self) -> Verdict {
        Verdict::on(&self.violations)
    }
}

/// Judges what a branch changes on the board: all of it at once, from where it parted from its base. `verb` is who asks.
///
/// # Errors
/// [`Failure`] where there is no such range, or it cannot be read; what is wrong with the change is in the result.
pub fn review(repository: &Repository, range: &str, verb: &str) -> Result<Reviewed, Failure> {
    let (base, head) = ends(range, verb)?;
    let range = repository.range(base, head)?.map_err(|fault| no_range(&fault, base, head))?;
    let mut reviewed = Reviewed {
        base: range.base.to_string(),
        head: Some(range.head.to_string()),
        commits: range.commits.len(),
        ..Reviewed::default()
    };
    let before = repository.board_at(&range, range.base)?;
    let by = usable(&before).map_or_else(By::nobody, |config| By::authors(config, &range.commits));
    let Judgement { changes, violations } = judged_over(repository, &range, &by)?;
    (reviewed.changes, reviewed.violations) = (changes, violations);
    Ok(reviewed)
}

/// Judges what is staged for the next commit of the user, and whether it touches what another agent holds. `index` is
/// the file that a hook was given, `agent` who is said to make the commit, `now` when.
///
/// # Errors
/// [`Failure`] where the index or the repository cannot be read; what is wrong with the change is in the result.
pub fn review_staged(
    repository: &Repository,
    index: Option<&Path>,
    agent: Option<&AgentName>,
    now: Millis,
) -> Result<Reviewed, Failure> {
    // Git tells its hook nothing of that, but its own command line does; the nearest one is who asks.
    let amends = || lines_above().find_map(|line| amends(&line)).unwrap_or(false);
    let staged = repository.staged_change(index, index.is_some() && amends())?;
    let mut reviewed = Reviewed::default();
    let parent = staged.before.first();
    let config = parent.and_then(usable);
    let settings = repository.settings()?;
    let actor = config.and_then(|config| named(agent, &settings, config).ok());
    let locks = parent.map(Snapshot::locks_path);
    // A link in the place of its folder hides the locks file as well.
    let hides = |path: &str| {
        let rest = locks.as_ref().and_then(|locks| locks.strip_prefix(path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let on_board = |path: &String| path.split('/').next() == Some(ROOT) || hides(path);
    let of_board: Vec<&String> = staged.paths.iter().filter(|path| on_board(path)).collect();
    if !of_board.is_empty() {
        let by = By::one(actor.as_ref(), config, Some(now));
        let judged = match staged.before.as_slice() {
            [parent] => apart(parent, &staged.after, &of_board, &by)?,
            // A merge is judged by what is new in it: what one of its parents has was judged there.
            _ => None,
        };
        let judged = judged.map_or_else(|| compared(&staged.before, &staged.parted, &staged.after, &by), Ok);
        let Judgement { changes, violations } = judged?;
        (reviewed.changes, reviewed.violations) = (changes, violations);
    }
    // What a merge brings was judged where it was made.
    let elsewhere: Vec<&String> = staged.own.iter().filter(|path| !on_board(path)).collect();
    if elsewhere.is_empty() {
        return Ok(reviewed);
    }
    // What is held now, as far as this clone has seen the board, be it on a branch of its own.
    if let Some(board) = repository.newest_beside(&staged)?
        && let Some(config) = usable(&board)
        && config.policy.locks != LockPolicy::Off
    {
        let actor = named(agent, &settings, config).ok();
        reviewed.violations.extend(held_by_others(&board, config, actor.as_ref(), &elsewhere)?);
    }
    Ok(reviewed)
}

fn ends<'a>(range: &'a str, verb: &str) -> Result<(&'a str, &'a str), Failure> {
    let (base, head) = match range.split_once("...").or_else(|| range.split_once("..")) {
        Some((base, head)) => (base, if head.is_empty() { "HEAD" } else { head }),
        None => (range, "HEAD"),
    };
    // Nothing that git could read as an option.
    if base.is_empty() || base.starts_with('-') || head.starts_with('-') {
        return Err(Failure::new(ErrorCode::Usage, format!("{range:?} is no range of commits"))
            .hint(format!("for example `squad {verb} origin/main..HEAD`")));
    }
    Ok((base, head))
}

/// What helps where the history that is here does not reach far enough.
pub(super) const FETCH_MORE: &str = "fetch more of the history; in a workflow, check out with `fetch-depth: 0`";

fn no_range(fault: &NoRange, base: &str, head: &str) -> Failure {
    match fault {
        NoRange::Unknown(revision) => Failure::new(ErrorCode::NotFound, format!("no commit {revision}"))
            .hint("fetch it first; in a workflow, check out with the whole history (`fetch-depth: 0`)"),
        NoRange::Apart => Failure::new(ErrorCode::NotFound, format!("{base} and {head} have no commit in common here"))
            .why("the clone may be shallow, and end before the commit where the two part")
            .hint(FETCH_MORE),
    }
}

fn usable(board: &Snapshot) -> Option<&BoardConfig> {
    board.config().ok().flatten()
}

/// Who makes a change, and when.
#[derive(Debug, Clone)]
pub(super) struct By {
    actors: Option<Vec<AgentName>>,
    roster: RosterBy,
    made_at: Option<Millis>,
}

impl By {
    /// Nobody is known, and nobody has to be.
    fn nobody() -> Self {
        Self { actors: None, roster: RosterBy::Unknown, made_at: None }
    }

    /// Whoever commits here; the roster is nobody's to change who is not known. Names are taken at their word from
    /// somebody unknown where the board does that everywhere.
    fn one(actor: Option<&AgentName>, config: Option<&BoardConfig>, now: Option<Millis>) -> Self {
        let names: Vec<AgentName> = actor.into_iter().cloned().collect();
        let at_their_word = config.is_none_or(|config| config.policy.identity == IdentityPolicy::Name);
        let actors = (!names.is_empty() || !at_their_word).then(|| names.clone());
        Self { actors, roster: RosterBy::Members(names), made_at: now }
    }

    /// The authors of commits, as far as the roster knows their addresses. Names in the change are held against them
    /// only where the board asks for more than a name.
    pub(super) fn authors(config: &BoardConfig, commits: &[CommitInfo]) -> Self {
        let mut names: Vec<AgentName> = Vec::new();
        for commit in commits {
            if let Some(name) = member_of(config, &commit.author.email)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        let at_their_word = config.policy.identity == IdentityPolicy::Name;
        let roster =
            if at_their_word && names.is_empty() { RosterBy::Unknown } else { RosterBy::Members(names.clone()) };
        let made_at = commits.iter().map(|commit| Millis(commit.committer.at_seconds.saturating_mul(1000))).max();
        Self { actors: (!at_their_word).then_some(names), roster, made_at }
    }
}

/// Returns the member that git knows by an e-mail address.
pub(super) fn member_of(config: &BoardConfig, email: &str) -> Option<AgentName> {
    let is = |agent: &&Agent| match &agent.email {
        Some(known) => known.eq_ignore_ascii_case(email),
        None => email.eq_ignore_ascii_case(&address_of(&agent.name)),
    };
    config.agents.iter().find(is).map(|agent| agent.name.clone())
}

/// Judges a range as a whole, from one end to the other, but for what a restored backup has changed: that no step explains.
fn judged_over(repository: &Repository, range: &Range, by: &By) -> Result<Judgement, Failure> {
    let at = |commit: Oid| -> Result<Snapshot, Failure> { Ok(repository.board_at(range, commit)?) };
    let judge = |from: Oid, to: Oid| compared(&[at(from)?], &[], &at(to)?, by);
    let whole = judge(range.base, range.head)?;
    if whole.violations.is_empty() {
        return Ok(whole);
    }
    let restores = restored::genuine(repository, range)?;
    if restores.is_empty() {
        return Ok(whole);
    }
    let standing = |commit: Oid| Ok(check_snapshot(&at(commit)?)?.violations.iter().map(identity).collect());
    Look { range, judge: &judge, standing: &standing }.between(range.base, range.head, &restores)
}

/// Compares a version of the board with those that it is made on. Of a merge, `parted` says for each of them what it and
/// another one have parted from, where they have anything in common.
pub(super) fn compared(
    before: &[Snapshot],
    parted: &[Option<Snapshot>],
    after: &Snapshot,
    by: &By,
) -> Result<Judgement, Failure> {
    let nothing = [Snapshot::new(Box::new(Overlay::default()))];
    let before = if before.is_empty() { &nothing } else { before };
    let tasks_of = before.iter().map(|side| tasks(side, after)).collect::<Result<Vec<_>, Failure>>()?;
    let others_of = before.iter().map(|side| others(side, after)).collect::<Result<Vec<_>, Failure>>()?;
    // What one side of a merge has was judged there: new is what none of them has.
    let (new_tasks, new_others) = (in_all(&tasks_of), in_all(&others_of));
    let mut judgements = Vec::with_capacity(before.len());
    for (nth, side) in before.iter().enumerate() {
        let of = |pairs: &[Pair], new: &HashSet<String>| -> Vec<Pair> {
            pairs.iter().filter(|pair| new.contains(&pair.stem)).cloned().collect()
        };
        let (tasks, others) = (of(&tasks_of[nth], &new_tasks), of(&others_of[nth], &new_others));
        judgements.push(judged(side, after, &tasks, &others, by)?);
    }
    let mut judgements = judgements.into_iter();
    let mut judgement = judgements.next().unwrap_or_default();
    // And wrong is what is wrong beside each: a message that is foreign to one side may be the other's.
    for other in judgements {
        let place = |violation: &Violation| (violation.code, violation.file.clone(), violation.pointer.clone());
        let wrong: HashSet<_> = other.violations.iter().map(place).collect();
        judgement.violations.retain(|violation| wrong.contains(&place(violation)));
    }
    for (nth, parted) in parted.iter().enumerate() {
        let (tasks, others) = (&tasks_of[nth], &others_of[nth]);
        left_out(tasks, parted.as_ref(), &mut judgement.violations)?;
        // What a side changed since they parted, and the merge has as it was before, it undoes.
        let Some(parted) = parted else { continue };
        let undone = |here: &[Pair], since: &[Pair]| -> Vec<Pair> {
            let since = stems(since);
            here.iter().filter(|pair| !since.contains(pair.stem.as_str())).cloned().collect()
        };
        let tasks = undone(tasks, &self::tasks(parted, after)?);
        let others = undone(others, &self::others(parted, after)?);
        if !tasks.is_empty() || !others.is_empty() {
            judgement.violations.append(&mut judged(&before[nth], after, &tasks, &others, by)?.violations);
        }
    }
    Ok(finished(judgement))
}

fn stems(pairs: &[Pair]) -> HashSet<&str> {
    pairs.iter().map(|pair| pair.stem.as_str()).collect()
}

/// Returns the stems that are in every list.
fn in_all(lists: &[Vec<Pair>]) -> HashSet<String> {
    let sets: Vec<HashSet<&str>> = lists.iter().map(|list| stems(list)).collect();
    let Some((first, rest)) = sets.split_first() else { return HashSet::new() };
    let everywhere = first.iter().filter(|stem| rest.iter().all(|set| set.contains(*stem)));
    everywhere.map(|stem| (*stem).to_owned()).collect()
}

/// Finds what a merge leaves out of one of its sides.
fn left_out(tasks: &[Pair], parted: Option<&Snapshot>, found: &mut Vec<Violation>) -> Result<(), Failure> {
    let read = |version: &Option<Version>| version.as_ref().and_then(Version::task);
    for pair in moved(tasks) {
        // A file that cannot be read is told by itself.
        let (Some(side), after) = (read(&pair.before), read(&pair.after)) else { continue };
        if after.is_none() && pair.after.is_some() {
            continue;
        }
        let base = match parted.map(|parted| parted.task(&side.id)).transpose() {
            Ok(base) => base.flatten().map(|placed| placed.task),
            Err(BoardFault::Unreadable(error)) => return Err(unreadable(error)),
            Err(_) => continue,
        };
        let path = pair.after.as_ref().or(pair.before.as_ref()).map_or("", |version| &version.path);
        lost(base.as_ref(), &side, after.as_ref(), path, found);
    }
    Ok(())
}

fn tasks(before: &Snapshot, after: &Snapshot) -> Result<Vec<Pair>, Failure> {
    tasks_that_differ(before, after).map_err(unreadable)
}

fn others(before: &Snapshot, after: &Snapshot) -> Result<Vec<Pair>, Failure> {
    others_that_differ(before, after).map_err(unreadable)
}

fn judged(before: &Snapshot, after: &Snapshot, tasks: &[Pair], others: &[Pair], by: &By) -> Result<Judgement, Failure> {
    let (actors, roster_by) = (by.actors.clone(), by.roster.clone());
    let made_at = by.made_at;
    let change = Change { before, after, tasks, others, config_path: CONFIG, actors, roster_by, made_at };
    let mut judgement = judge(&change)?;
    if has_board(after)? || has_board(before)? {
        let mut found = check_snapshot(after)?.violations;
        // What was wrong before is not this change's; mostly nothing is.
        if !found.is_empty() {
            let known: HashSet<_> = check_snapshot(before)?.violations.iter().map(identity).collect();
            found.retain(|v| !known.contains(&identity(v)));
        }
        judgement.violations.append(&mut found);
        if !has_board(after)? {
            let message = "the configuration of the board is gone, and with it the roster";
            let hint = "bring the file back from the history";
            judgement.violations.push(Violation::error("roster-change", CONFIG, "", message, hint));
        }
    }
    Ok(finished(judgement))
}

/// Judges a change of which these are all paths, without a look at the rest of the board; nothing where the rest could
/// make a difference. Whoever commits waits for this: of a large board all else is what takes the time.
fn apart(before: &Snapshot, after: &Snapshot, paths: &[&String], by: &By) -> Result<Option<Judgement>, Failure> {
    let (Some(roster), Some(pairs)) = (usable(after), live_tasks_at(before, after, paths).map_err(unreadable)?) else {
        return Ok(None);
    };
    let files = |side: fn(&Pair) -> &Option<Version>| -> Vec<BoardFile> {
        pairs.iter().filter_map(|pair| file_of(pair, side(pair))).collect()
    };
    let (was, is) = (files(|pair| &pair.before), files(|pair| &pair.after));
    let Some((was, mut is)) = check_apart(&was, &is, roster) else { return Ok(None) };
    is.locate(|path| {
        pairs.iter().filter_map(|pair| pair.after.as_ref()).find(|v| v.path == path).map(|v| v.bytes.clone())
    });
    let change = Change {
        before,
        after,
        tasks: &pairs,
        others: &[],
        config_path: CONFIG,
        actors: by.actors.clone(),
        roster_by: by.roster.clone(),
        made_at: by.made_at,
    };
    let mut judgement = judge(&change)?;
    let known: HashSet<_> = was.violations.iter().map(identity).collect();
    judgement.violations.extend(is.violations.into_iter().filter(|v| !known.contains(&identity(v))));
    Ok(Some(finished(judgement)))
}

/// Returns a task's file as it is checked.
fn file_of(pair: &Pair, version: &Option<Version>) -> Option<BoardFile> {
    let Version { path, bytes } = version.clone()?;
    let role = FileRole::Live { stem: pair.stem.clone() };
    Some(BoardFile { path, role, kind: FileKind::Ordinary, content: Ok(bytes) })
}

/// Says of each task how it is judged, now that everything is known that is wrong.
pub(super) fn finished(mut judgement: Judgement) -> Judgement {
    for change in &mut judgement.changes {
        change.verdict = Verdict::on(judgement.violations.iter().filter(|v| v.file == change.file));
    }
    judgement.violations.sort();
    judgement.violations.dedup();
    judgement
}

fn has_board(snapshot: &Snapshot) -> Result<bool, Failure> {
    Ok(snapshot.files().find(CONFIG).map_err(unreadable)?.is_some())
}

/// What makes two violations the same one in two versions: lines move.
pub(super) type Identity = (&'static str, String, String, String);

/// Returns what makes a violation the same one in another version.
pub(super) fn identity(violation: &Violation) -> Identity {
    (violation.code, violation.file.clone(), violation.pointer.clone(), violation.message.clone())
}

/// Finds paths that the work of somebody else holds, by the locks file: it says what the tasks say, in a few lines. Who is
/// not known may be the holder, and is only told.
fn held_by_others(
    board: &Snapshot,
    config: &BoardConfig,
    actor: Option<&AgentName>,
    paths: &[&String],
) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    let locks = board.locks()?;
    let LocksFile::Ours(locks) = &*locks else { return Ok(found) };
    for work in locks.current_work.values() {
        let Some(holder) = work.agent.as_ref().filter(|agent| Some(*agent) != actor && work.mode == LockMode::Hard)
        else {
            continue;
        };
        for lock in &work.files {
            let Some(pattern) = Pattern::lenient(lock, config.locks.ignore_case) else { continue };
            let Some(path) = paths.iter().find(|path| pattern.covers(path)) else { continue };
            let message = format!("{holder} holds {} for {}", lock.escape_debug(), work.task_id);
            let (task, whom) = (&work.task_id, in_command(holder.as_str()));
            let hint = format!("leave the file out of the commit, or ask: `squad comment {task} \"@{whom} …\"`");
            let violation = Violation::error("path-locked", path.as_str(), "", message, hint);
            let is_told = config.policy.locks == LockPolicy::Warn || actor.is_none();
            found.push(if is_told { violation.warning() } else { violation });
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
