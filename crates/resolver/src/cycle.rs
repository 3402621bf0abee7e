//! The shortest cycle through a knot of modules that need each other.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use hoist_core::Module;
use petgraph::graph::{DiGraph, NodeIndex};

/// Searching from every node of a larger knot would take too long; from the first so many is enough
/// to tell a short cycle.
const STARTS: usize = 200;

/// The nodes of a shortest cycle inside a strongly connected component, from the one whose name
/// comes first.
pub(crate) fn shortest(graph: &DiGraph<&Module, ()>, knot: &[NodeIndex]) -> Vec<NodeIndex> {
    let inside: HashSet<NodeIndex> = knot.iter().copied().collect();
    let mut starts = knot.to_vec();
    starts.sort_by_key(|node| graph[*node].id.as_str());
    let found = starts
        .iter()
        .take(STARTS)
        .filter_map(|start| through(graph, &inside, *start))
        .min_by_key(Vec::len);
    let mut path = found.unwrap_or(starts);
    let first = (0..path.len())
        .min_by_key(|at| graph[path[*at]].id.as_str())
        .unwrap_or(0);
    path.rotate_left(first);
    path
}

/// The shortest way from `start` back to itself.
fn through(
    graph: &DiGraph<&Module, ()>,
    inside: &HashSet<NodeIndex>,
    start: NodeIndex,
) -> Option<Vec<NodeIndex>> {
    let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph
            .neighbors(node)
            .filter(|next| inside.contains(next))
            .collect();
        next.sort_by_key(|node| graph[*node].id.as_str());
        for next in next {
            if next == start {
                let mut path = vec![node];
                while let Some(before) = from.get(path.last()?) {
                    path.push(*before);
                }
                path.reverse();
                return Some(path);
            }
            if let Entry::Vacant(vacant) = from.entry(next) {
                vacant.insert(node);
                queue.push_back(next);
            }
        }
    }
    None
}
