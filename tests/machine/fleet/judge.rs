//! What was told, held against what happened.

use std::collections::{BTreeMap, HashMap};

use squad::board::files::Files as _;
use squad::board::render::{Overlay, files_of};
use squad::model::board::Decision;
use squad::model::decide::decide;
use squad::model::id::OpId;
use squad::model::transition::is_fenced;
use squad::ops::publish::REMOTE_REFUSED;

use super::play::Shown;
use super::world::{Told, World};

/// Holds the history against what everybody was told.
pub(super) fn judge(world: &World, shown: &mut Shown) -> Result<(), String> {
    let mut line = world.line(world.tip);
    line.reverse();
    let mut times: HashMap<OpId, (usize, usize)> = HashMap::new();
    let mut depth_of: HashMap<OpId, usize> = HashMap::new();
    for pair in line.windows(2) {
        let (before, version) = (pair[0], &world.versions[pair[1]]);
        for (operation, refused) in &version.entries {
            let times = times.entry(operation.id).or_default();
            match refused {
                None => {
                    times.0 += 1;
                    depth_of.insert(operation.id, version.depth);
                    let snapshot = world.snapshot(before);
                    let decision = decide(&snapshot, operation).map_err(|e| e.to_string())?;
                    let seen = operation.basis.head.as_deref().and_then(|h| h.parse().ok()).expect("a version");
                    if is_fenced(operation.verb()) && world.epoch(seen, operation) != world.epoch(before, operation) {
                        return Err(format!("{} was carried out under a claim that was over", operation.id));
                    }
                    let Decision::Applied(changes) = decision else {
                        return Err(format!(
                            "{} was carried out where it was not possible: {decision:?}",
                            operation.id
                        ));
                    };
                    let mut files = world.versions[before].files.clone();
                    files.apply(&files_of(&snapshot, &changes).map_err(|e| e.to_string())?);
                    if !same(&files, &version.files) {
                        return Err(format!("the version that carries out {} is not what follows", operation.id));
                    }
                }
                // What its own clone has taken back need not be impossible.
                Some(code) if code == REMOTE_REFUSED => times.1 += 1,
                Some(_) => {
                    times.1 += 1;
                    let decision = decide(&world.snapshot(pair[1]), operation).map_err(|e| e.to_string())?;
                    if matches!(decision, Decision::Applied(_)) {
                        return Err(format!("{} is refused on a board that allows it", operation.id));
                    }
                }
            }
        }
    }
    for (id, (done, refused)) in &times {
        if *done > 1 || (*done == 1 && *refused > 0) {
            return Err(format!("{id} was carried out {done} times and refused {refused} times"));
        }
    }
    let mut requests: HashMap<u64, usize> = HashMap::new();
    for case in &world.cases {
        let id = case.operation.id;
        *requests.entry(case.request).or_default() += times.get(&id).map_or(0, |(done, _)| *done);
        if requests[&case.request] > 1 {
            return Err(format!("{id}: what was asked for once happened twice"));
        }
        let (done, _) = times.get(&id).copied().unwrap_or_default();
        match case.told {
            Some(Told::Happened) if done != 1 => return Err(format!("{id} was acknowledged and is not there")),
            Some(Told::DidNot) if done != 0 => return Err(format!("{id} was told not to have happened, and did")),
            _ => {}
        }
        match case.told {
            Some(Told::Happened) => {
                shown.happened += 1;
                shown.most_pushes = shown.most_pushes.max(case.pushes);
                shown.pushes += case.pushes;
                shown.helped += usize::from(case.pushes > 0 && depth_of[&id] < case.ended);
            }
            Some(Told::DidNot) => shown.refused += 1,
            Some(Told::NotKnown) | None => shown.undecided += 1,
        }
    }
    // What was acknowledged before something else was asked for stands before it.
    for early in world.cases.iter().filter(|c| c.told == Some(Told::Happened)) {
        for late in world.cases.iter().filter(|c| c.told == Some(Told::Happened) && c.begun > early.ended) {
            if depth_of[&late.operation.id] <= depth_of[&early.operation.id] {
                return Err(format!("{} stands before {}, which came first", late.operation.id, early.operation.id));
            }
        }
    }
    Ok(())
}

pub(super) fn same(a: &Overlay, b: &Overlay) -> bool {
    let all = |files: &Overlay| {
        let mut found = BTreeMap::new();
        for folder in ["squad", "squad/tasks/json", ".claude"] {
            for entry in files.list(folder).expect("it is in memory") {
                let path = format!("{folder}/{}", entry.name);
                found.extend(files.get(&path).map(|bytes| (path.clone(), bytes.to_vec())));
            }
        }
        found
    };
    all(a) == all(b)
}
