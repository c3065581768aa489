//! Import cycles.

use std::collections::BTreeSet;

/// Returns the nodes from 0 to `count` that are part of a cycle of `edges`, including nodes with an edge to themselves.
///
/// This is Tarjan's algorithm without recursion, because a hostile package controls the depth of imports.
pub(crate) fn of(count: usize, edges: &dyn Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    // The order in which nodes were reached, and for each node the earliest open node that is reachable from it.
    let mut order: Vec<Option<usize>> = vec![None; count];
    let mut lowest: Vec<usize> = vec![0; count];
    let mut is_open = vec![false; count];
    let mut open: Vec<usize> = Vec::new();
    let mut next = 0;
    for root in 0..count {
        if order.get(root).is_none_or(Option::is_some) {
            continue;
        }
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut entered = Some(root);
        loop {
            if let Some(node) = entered.take() {
                set(&mut order, node, Some(next));
                set(&mut lowest, node, next);
                set(&mut is_open, node, true);
                open.push(node);
                next += 1;
                path.push((node, edges(node)));
            }
            let Some((node, targets)) = path.last_mut() else {
                break;
            };
            let node = *node;
            if let Some(target) = targets.pop() {
                if target == node {
                    found.insert(node);
                }
                match order.get(target).copied().flatten() {
                    None if target < count => entered = Some(target),
                    Some(reached) if is_open.get(target) == Some(&true) => lower(&mut lowest, node, reached),
                    _ => {}
                }
                continue;
            }
            path.pop();
            let low = lowest.get(node).copied().unwrap_or_default();
            if let Some((parent, _)) = path.last() {
                lower(&mut lowest, *parent, low);
            }
            if order.get(node).copied().flatten() == Some(low) {
                let at = open.iter().rposition(|open| *open == node).unwrap_or_default();
                let component = open.split_off(at);
                for member in &component {
                    set(&mut is_open, *member, false);
                }
                if component.len() > 1 {
                    found.extend(component);
                }
            }
        }
    }
    found
}

fn set<T>(list: &mut [T], index: usize, value: T) {
    if let Some(place) = list.get_mut(index) {
        *place = value;
    }
}

fn lower(list: &mut [usize], index: usize, value: usize) {
    if let Some(place) = list.get_mut(index) {
        *place = value.min(*place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles() {
        let table: &[(&[&[usize]], &[usize])] = &[
            (&[&[]], &[]),
            (&[&[0]], &[0]),
            (&[&[1, 2], &[2], &[]], &[]),
            (&[&[1], &[0]], &[0, 1]),
            (&[&[1], &[2, 3], &[1], &[]], &[1, 2]),
            (&[&[1, 4], &[2], &[3], &[1], &[5], &[4, 0]], &[0, 1, 2, 3, 4, 5]),
            (&[&[], &[0, 2], &[0, 3], &[1, 0]], &[1, 2, 3]),
        ];
        for (edges, expected) in table {
            let found = of(edges.len(), &|node| edges[node].to_vec());
            assert_eq!(found.into_iter().collect::<Vec<_>>(), *expected, "{edges:?}");
        }
        // The maximum number of modules in a graph.
        let chain = of(100_000, &|node| vec![(node + 1) % 100_000]);
        assert_eq!(chain.len(), 100_000);
    }
}
