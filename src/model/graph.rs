//! What waits for what.
//!
//! Owns the search for cycles. An edge leads from a task to one that it depends on, or to its parent.

use std::collections::BTreeMap;

use super::id::TaskId;

/// Returns a cycle that can be reached from any of `starts`, as the ids along it with the first one repeated at the end.
///
/// `next` gives the ids that an id waits for; it is asked at most once per id. An error of `next` ends the search.
///
/// # Errors
/// Whatever `next` returns.
pub fn cycle_from<'a, E>(
    starts: impl IntoIterator<Item = &'a TaskId>,
    mut next: impl FnMut(&TaskId) -> Result<Vec<TaskId>, E>,
) -> Result<Option<Vec<TaskId>>, E> {
    // Depth-first with an explicit path: a chain of a hundred thousand tasks must not overflow the stack.
    let mut done: BTreeMap<TaskId, bool> = BTreeMap::new();
    for start in starts {
        if done.contains_key(start) {
            continue;
        }
        let mut path: Vec<(TaskId, Vec<TaskId>)> = vec![(start.clone(), next(start)?)];
        done.insert(start.clone(), false);
        while let Some((_, waiting)) = path.last_mut() {
            let Some(id) = waiting.pop() else {
                if let Some((id, _)) = path.pop() {
                    done.insert(id, true);
                }
                continue;
            };
            match done.get(&id) {
                Some(true) => {}
                Some(false) => {
                    let from = path.iter().position(|(p, _)| *p == id).unwrap_or(0);
                    let mut cycle: Vec<TaskId> = path[from..].iter().map(|(p, _)| p.clone()).collect();
                    cycle.push(id);
                    return Ok(Some(cycle));
                }
                None => {
                    done.insert(id.clone(), false);
                    let waiting = next(&id)?;
                    path.push((id, waiting));
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn id(n: usize) -> TaskId {
        TaskId::new(&format!("t{n}")).expect("an id")
    }

    fn find(edges: &BTreeMap<TaskId, Vec<TaskId>>, start: &TaskId) -> Option<Vec<TaskId>> {
        let Ok(cycle) = cycle_from([start], |i| Ok::<_, Infallible>(edges.get(i).cloned().unwrap_or_default()));
        cycle
    }

    #[test]
    fn a_task_that_waits_for_itself_is_a_cycle() {
        let edges = BTreeMap::from([(id(1), vec![id(1)])]);
        assert_eq!(find(&edges, &id(1)), Some(vec![id(1), id(1)]));
    }

    #[test]
    fn two_ways_to_the_same_task_are_no_cycle() {
        let edges = BTreeMap::from([(id(1), vec![id(2), id(3)]), (id(2), vec![id(4)]), (id(3), vec![id(4)])]);
        assert_eq!(find(&edges, &id(1)), None);
    }

    #[test]
    fn a_search_from_everywhere_asks_about_each_once_and_finds_what_one_of_them_would() {
        let mut edges: BTreeMap<_, _> = (0..1_000).map(|n| (id(n), vec![id(n + 1)])).collect();
        let starts: Vec<_> = (0..1_000).rev().map(id).collect();
        let search = |edges: &BTreeMap<TaskId, Vec<TaskId>>| {
            let mut asked = 0;
            let Ok(cycle) = cycle_from(&starts, |i| {
                asked += 1;
                Ok::<_, Infallible>(edges.get(i).cloned().unwrap_or_default())
            });
            (cycle, asked)
        };
        assert_eq!(search(&edges), (None, 1_001));
        edges.insert(id(700), vec![id(698)]);
        assert_eq!(search(&edges).0, Some(vec![id(700), id(698), id(699), id(700)]));
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_tasks_is_walked() {
        let edges: BTreeMap<_, _> = (0..100_000).map(|n| (id(n), vec![id(n + 1)])).collect();
        assert_eq!(find(&edges, &id(0)), None);
    }

    proptest! {
        #[test]
        fn a_cycle_that_is_found_is_one_and_edges_that_only_lead_up_have_none(
            pairs in prop::collection::vec((0usize..8, 0usize..8), 0..20),
        ) {
            let mut edges: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
            for (a, b) in &pairs {
                edges.entry(id(*a)).or_default().push(id(*b));
            }
            for start in 0..8 {
                if let Some(cycle) = find(&edges, &id(start)) {
                    prop_assert_eq!(cycle.first(), cycle.last());
                    for step in cycle.windows(2) {
                        prop_assert!(edges[&step[0]].contains(&step[1]));
                    }
                }
                let upward: BTreeMap<TaskId, Vec<TaskId>> = edges
                    .iter()
                    .map(|(a, bs)| (a.clone(), bs.iter().filter(|b| *b > a).cloned().collect()))
                    .collect();
                prop_assert_eq!(find(&upward, &id(start)), None);
            }
        }
    }
}
