//! Cycles of a graph of small numbers.
//!
//! Owns the search over a whole graph; the search from one task that a decision needs is in `model::graph`.

/// Most nodes that are named of one cycle.
const NAMED: usize = 12;

/// One cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cycle {
    /// The nodes along it, from the one that is reached first; at most [`NAMED`] of them.
    pub(super) nodes: Vec<usize>,
    /// How many nodes it has.
    pub(super) len: usize,
}

/// Returns cycles enough that taking one edge out of each leaves none, in an order that depends on the graph alone.
///
/// `next[n]` are the nodes that `n` leads to. Takes time in proportion to the graph.
pub(super) fn cycles(next: &[Vec<usize>]) -> Vec<Cycle> {
    const NEW: usize = usize::MAX;
    const DONE: usize = usize::MAX - 1;
    let mut found = Vec::new();
    // Depth-first with an explicit path; for a node on the path its place there, so that no chain is searched twice.
    let mut place = vec![NEW; next.len()];
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..next.len() {
        if place[start] != NEW {
            continue;
        }
        place[start] = 0;
        path.push((start, 0));
        while let Some((node, edge)) = path.last_mut() {
            let Some(&to) = next[*node].get(*edge) else {
                place[*node] = DONE;
                path.pop();
                continue;
            };
            *edge += 1;
            match place[to] {
                NEW => {
                    place[to] = path.len();
                    path.push((to, 0));
                }
                DONE => {}
                from => {
                    let nodes = path[from..].iter().take(NAMED).map(|(node, _)| *node).collect();
                    found.push(Cycle { nodes, len: path.len() - from });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(next: &[&[usize]]) -> Vec<Vec<usize>> {
        cycles(&next.iter().map(|n| n.to_vec()).collect::<Vec<_>>()).into_iter().map(|c| c.nodes).collect()
    }

    #[test]
    fn each_cycle_is_found_once() {
        assert_eq!(nodes(&[&[1], &[2], &[0], &[0], &[4]]), [vec![0, 1, 2], vec![4]]);
        assert_eq!(nodes(&[&[1, 2], &[3], &[3], &[]]), Vec::<Vec<usize>>::new());
        assert_eq!(nodes(&[&[1, 2], &[0], &[0]]), [vec![0, 1], vec![0, 2]]);
    }

    #[test]
    fn a_circle_of_a_hundred_thousand_is_one_cycle_and_few_of_it_are_named() {
        let next: Vec<Vec<usize>> = (0..100_000).map(|n| vec![(n + 1) % 100_000]).collect();
        let found = cycles(&next);
        assert_eq!((found.len(), found[0].len, found[0].nodes.len()), (1, 100_000, NAMED));
    }

    proptest! {
        #[test]
        fn what_is_found_is_a_cycle_and_without_the_closing_edges_there_is_none(
            pairs in prop::collection::vec((0usize..8, 0usize..8), 0..24),
        ) {
            let mut next = vec![Vec::new(); 8];
            for (from, to) in pairs {
                if !next[from].contains(&to) {
                    next[from].push(to);
                }
            }
            let found = cycles(&next);
            for cycle in &found {
                for step in cycle.nodes.windows(2) {
                    prop_assert!(next[step[0]].contains(&step[1]));
                }
                let (first, last) = (cycle.nodes[0], cycle.nodes[cycle.nodes.len() - 1]);
                prop_assert!(next[last].contains(&first));
            }
            for cycle in &found {
                let (first, last) = (cycle.nodes[0], cycle.nodes[cycle.nodes.len() - 1]);
                next[last].retain(|to| *to != first);
            }
            prop_assert_eq!(cycles(&next), vec![]);
        }
    }
}
