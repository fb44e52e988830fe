//! Who waits for whom. petgraph finds cycles; what comes out are plain lists of [`TaskIndex`], so that
//! no node index of petgraph leaves this file.

use super::TaskIndex;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The edges of a DAG, both ways, and an order in which every task comes after its upstreams.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    upstream: Vec<Vec<TaskIndex>>,
    downstream: Vec<Vec<TaskIndex>>,
    #[serde(skip)]
    order: Vec<TaskIndex>,
}

/// Tasks that wait for each other: each for the one before it, the first for the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<TaskIndex>);

impl Graph {
    /// Builds the graph from each task's direct upstreams (each once), or names every cycle.
    pub fn new(upstream: Vec<Vec<TaskIndex>>) -> Result<Self, Vec<Cycle>> {
        let mut graph: DiGraph<(), (), u32> = DiGraph::with_capacity(upstream.len(), upstream.len());
        for _ in &upstream {
            graph.add_node(());
        }
        let mut downstream = vec![Vec::new(); upstream.len()];
        for (task, waits_for) in upstream.iter().enumerate() {
            for source in waits_for {
                graph.add_edge(NodeIndex::new(source.get()), NodeIndex::new(task), ());
                downstream[source.get()].push(TaskIndex(task as u32));
            }
        }
        match in_order(&upstream, &downstream) {
            Some(order) => Ok(Self { upstream, downstream, order }),
            None => Err(cycles(&graph, &upstream)),
        }
    }

    /// The tasks that `task` waits for.
    pub fn upstream(&self, task: TaskIndex) -> &[TaskIndex] {
        &self.upstream[task.get()]
    }

    /// The tasks that wait for `task`.
    pub fn downstream(&self, task: TaskIndex) -> &[TaskIndex] {
        &self.downstream[task.get()]
    }

    /// All tasks, each after its upstreams.
    pub fn order(&self) -> &[TaskIndex] {
        &self.order
    }

    /// The tasks that nobody waits for; they decide how a run ends.
    pub fn leaves(&self) -> impl Iterator<Item = TaskIndex> + '_ {
        self.downstream
            .iter()
            .enumerate()
            .filter(|(_, tasks)| tasks.is_empty())
            .map(|(task, _)| TaskIndex(task as u32))
    }
}

/// All tasks, each after its upstreams, and otherwise as in the file: so tasks that could start at the same time start in
/// the order in which they are written. None when there is a cycle.
fn in_order(upstream: &[Vec<TaskIndex>], downstream: &[Vec<TaskIndex>]) -> Option<Vec<TaskIndex>> {
    let mut missing: Vec<usize> = upstream.iter().map(Vec::len).collect();
    let free = (0..upstream.len() as u32).map(TaskIndex).filter(|task| missing[task.get()] == 0);
    let mut free: BinaryHeap<Reverse<TaskIndex>> = free.map(Reverse).collect();
    let mut order = Vec::with_capacity(upstream.len());
    while let Some(Reverse(task)) = free.pop() {
        order.push(task);
        for after in &downstream[task.get()] {
            missing[after.get()] -= 1;
            if missing[after.get()] == 0 {
                free.push(Reverse(*after));
            }
        }
    }
    (order.len() == upstream.len()).then_some(order)
}

/// One cycle for each knot of tasks, as a walk along the edges.
fn cycles(graph: &DiGraph<(), (), u32>, upstream: &[Vec<TaskIndex>]) -> Vec<Cycle> {
    // Not Tarjan's: petgraph's recurses, and a cycle of ten thousand tasks would overflow the stack.
    let knots = kosaraju_scc(graph);
    let mut found: Vec<Cycle> = knots
        .into_iter()
        .map(|knot| knot.into_iter().map(|node| TaskIndex(node.index() as u32)).collect::<Vec<_>>())
        .filter(|knot| knot.len() > 1 || upstream[knot[0].get()].contains(&knot[0]))
        .map(|knot| walk(&knot, upstream))
        .collect();
    found.sort_by_key(|cycle| cycle.0.iter().min().copied());
    found
}

/// Follows upstreams inside `knot` until a task comes round again, and returns that round in the order of execution.
fn walk(knot: &[TaskIndex], upstream: &[Vec<TaskIndex>]) -> Cycle {
    let inside: HashSet<TaskIndex> = knot.iter().copied().collect();
    let mut here = knot.iter().min().copied().unwrap_or(knot[0]);
    let mut path = Vec::new();
    let mut places = HashMap::new();
    while !places.contains_key(&here) {
        places.insert(here, path.len());
        path.push(here);
        here = upstream[here.get()].iter().copied().find(|task| inside.contains(task)).unwrap_or(here);
    }
    let mut round = path.split_off(places[&here]);
    round.reverse();
    let first = round.iter().enumerate().min_by_key(|(_, task)| **task).map_or(0, |(place, _)| place);
    round.rotate_left(first);
    Cycle(round)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(tasks: &[u32]) -> Vec<TaskIndex> {
        tasks.iter().copied().map(TaskIndex).collect()
    }

    #[test]
    fn order_puts_upstreams_first_and_leaves_are_found() {
        let graph = Graph::new(vec![indices(&[2]), indices(&[0]), vec![], indices(&[0, 1])]).unwrap();
        assert_eq!(graph.order(), indices(&[2, 0, 1, 3]));
        assert_eq!(graph.leaves().collect::<Vec<_>>(), indices(&[3]));
        assert_eq!(graph.downstream(TaskIndex(0)), indices(&[1, 3]));
    }

    #[test]
    fn every_cycle_is_named_in_the_order_of_execution() {
        let cycles =
            Graph::new(vec![indices(&[2]), indices(&[0]), indices(&[1]), indices(&[3]), vec![]]).unwrap_err();
        assert_eq!(cycles, [Cycle(indices(&[0, 1, 2])), Cycle(indices(&[3]))]);
    }
}
