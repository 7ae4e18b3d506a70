//! What has to be so after the play: what everybody was told, held against the history and the files of the remote.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{LOCKED, LOST, Play, Receipt, Step, TASKS, World, receipt};
use crate::model::operation::Verb;
use crate::ops::failure::Failure;

/// Something that has to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What, as a sentence.
    pub name: &'static str,
    /// Whether it is.
    pub ok: bool,
    /// What was found instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// Holds the steps against the remote; returns its receipts too.
pub(super) fn judge(play: &Play) -> Result<(Vec<Receipt>, Vec<Check>), Failure> {
    let (receipts, line) = history(play)?;
    let steps: Vec<&Step> = play.steps().collect();
    let mut checks = vec![
        check("every step ended as the rules say", &foreseen(&steps)),
        check("one holder: of those who raced for a task one won", &one_winner(&steps)),
        check("one holder: no claim has the fencing number of another", &fenced(&receipts)),
        check("who lost was told the holder, the time and the commit", &told(&steps, &receipts)),
        check("who met a lock was told the task that holds it", &told_of_lock(&steps)),
        check("a receipt for each acknowledged change, and none besides", &acknowledged(&steps, &receipts)),
        check("the history is one line", &line),
        check("no lost update: each task is as it was last acknowledged", &kept(play, &steps)),
    ];
    if play.world == World::Users {
        checks.extend([
            check("`check` finds nothing wrong with the board", &complaints(&steps, "check")),
            check("`audit` finds every change of the history as it was decided", &complaints(&steps, "audit")),
            check("`doctor` finds nothing broken on this machine", &complaints(&steps, "doctor")),
        ]);
    }
    Ok((receipts, checks))
}

fn check(name: &'static str, faults: &[String]) -> Check {
    let found = (!faults.is_empty()).then(|| faults.join("; "));
    Check { name, ok: found.is_none(), found }
}

/// Returns the receipts of the remote, oldest first, and what keeps its history from being one line.
fn history(play: &Play) -> Result<(Vec<Receipt>, Vec<String>), Failure> {
    let format = "--format=%H%x1f%P%x1f%B%x1e";
    let log = play.git("log", &play.remote(), &["--reverse", "--topo-order", format, "main"])?;
    let log = String::from_utf8_lossy(&log);
    let (mut receipts, mut forks, mut last) = (Vec::new(), Vec::new(), "");
    for record in log.split('\u{1e}').map(str::trim_start).filter(|record| !record.is_empty()) {
        let mut fields = record.splitn(3, '\u{1f}');
        let mut field = || fields.next().unwrap_or_default();
        let (commit, parents, message) = (field(), field(), field());
        if parents != last {
            forks.push(format!("{commit} follows {parents:?}, not {last:?}"));
        }
        last = commit;
        receipts.extend(receipt::parse(commit, message));
    }
    Ok((receipts, forks))
}

fn foreseen(steps: &[&Step]) -> Vec<String> {
    steps
        .iter()
        .filter(|step| !step.is_foreseen())
        .map(|step| format!("`{}` by {} ended with {:?}: {}", step.command, step.agent, step.exit, step.summary))
        .collect()
}

/// Returns what one of those who judge has found.
fn complaints(steps: &[&Step], gate: &str) -> Vec<String> {
    let asked: Vec<_> = steps.iter().filter(|step| step.command == gate).collect();
    if asked.is_empty() {
        return vec![format!("`{gate}` was not asked")];
    }
    asked.iter().filter(|step| !step.succeeded()).map(|step| step.summary.clone()).collect()
}

/// Returns those who took part in the race; its steps are the ones that the script leaves open.
fn racers<'a>(steps: &'a [&Step]) -> impl Iterator<Item = &'a Step> {
    steps.iter().copied().filter(|step| step.expected.is_none())
}

fn one_winner(steps: &[&Step]) -> Vec<String> {
    let ends: Vec<Option<i32>> = racers(steps).map(|step| step.exit).collect();
    let count = |code| ends.iter().filter(|end| **end == Some(code)).count();
    let one = count(0) == 1 && count(LOST) == ends.len() - 1;
    if one { Vec::new() } else { vec![format!("the race ended with {ends:?}")] }
}

fn fenced(receipts: &[Receipt]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let claims = receipts.iter().filter(|receipt| receipt.verb == Verb::Claim);
    claims
        .filter_map(|claim| {
            let key = (claim.task.as_ref()?, claim.epoch?);
            let former = seen.insert(key, &claim.commit)?;
            Some(format!("{former} and {} both claim {} with epoch {}", claim.commit, key.0, key.1))
        })
        .collect()
}

fn told(steps: &[&Step], receipts: &[Receipt]) -> Vec<String> {
    let winning = racers(steps).find(|step| step.succeeded()).and_then(|step| step.commit.as_deref());
    let Some(winning) = receipts.iter().find(|receipt| Some(receipt.commit.as_str()) == winning) else {
        return vec!["the remote has no receipt of the winner".to_owned()];
    };
    racers(steps)
        .filter(|step| !step.succeeded())
        .filter(|step| {
            let error = &step.answer["error"];
            error["holder"] != winning.actor.as_str()
                || error["at"].as_i64() != Some(winning.at.0)
                || error["commit"] != winning.commit.as_str()
        })
        .map(|step| format!("{} was told {}", step.agent, step.answer["error"]))
        .collect()
}

fn told_of_lock(steps: &[&Step]) -> Vec<String> {
    let locked: Vec<_> = steps.iter().filter(|step| step.exit == Some(LOCKED)).collect();
    if locked.is_empty() {
        return vec!["nobody met a lock".to_owned()];
    }
    let untold = locked.iter().filter(|step| step.answer["error"]["conflicts"][0]["task"] != TASKS[0].0);
    untold.map(|step| format!("{} was told {}", step.agent, step.answer["error"])).collect()
}

fn acknowledged(steps: &[&Step], receipts: &[Receipt]) -> Vec<String> {
    let told: Vec<&str> =
        steps.iter().filter(|step| step.changed()).map(|step| step.commit.as_deref().unwrap_or("no commit")).collect();
    let there: BTreeSet<&str> = receipts.iter().map(|receipt| receipt.commit.as_str()).collect();
    let once: BTreeSet<&str> = told.iter().copied().collect();
    let mut faults: Vec<String> = once.symmetric_difference(&there).map(|odd| format!("{odd} stands alone")).collect();
    if told.len() != receipts.len() {
        faults.push(format!("{} acknowledged, {} receipts", told.len(), receipts.len()));
    }
    faults
}

fn kept(play: &Play, steps: &[&Step]) -> Vec<String> {
    let mut last: BTreeMap<&str, &Value> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.changed()) {
        let many = step.answer["tasks"].as_array().into_iter().flatten();
        for task in many.chain([&step.answer["task"]]) {
            if let Some(id) = task["id"].as_str() {
                last.insert(id, task);
            }
        }
    }
    let mut faults = Vec::new();
    for (id, ..) in TASKS {
        let Ok(file) = play.git("show", &play.remote(), &[&format!("main:squad/tasks/json/{id}.json")]) else {
            faults.push(format!("{id} is not on the board"));
            continue;
        };
        let there: Value = serde_json::from_slice(&file).unwrap_or_default();
        if last.get(id).is_none_or(|told| **told != there) {
            faults.push(format!("{id} is not as it was last acknowledged"));
        }
    }
    faults
}
