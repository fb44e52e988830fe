//! A layered layout: each node stands right of everything it waits for (longest path), nodes of a layer are ordered
//! so that few edges cross (barycentres, swept to and fro), and then moved towards their neighbours.
//!
//! Edges over more than one layer pass through a waypoint in each layer between, which takes part in the order like
//! a node, so that edges do not run through nodes.

/// How often the order is improved; it settles long before.
const SWEEPS: usize = 12;

/// How often positions are improved.
const MOVES: usize = 24;

/// Rows are rounded to one in so many: what stands almost in a line is drawn in one, and its edge straight.
const ROW_STEPS: f64 = 8.0;

/// Waypoints need less room than nodes.
const WAYPOINT_ROOM: f64 = 0.45;

/// Where everything stands, in units of one layer across and one row down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Layer and row of each node.
    pub(crate) places: Vec<(usize, f64)>,
    /// Each edge with the rows at which it passes the layers between its ends.
    pub(crate) edges: Vec<Edge>,
    /// How many layers there are.
    pub(crate) layers: usize,
    /// How many rows there are, from 0 to the last row's.
    pub(crate) height: f64,
}

/// An edge from a node to one that waits for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) waypoints: Vec<f64>,
}

/// Lays out the nodes `0..upstream.len()`; `upstream` says for whom each waits, and holds no cycle.
pub(crate) fn layout(upstream: &[Vec<usize>]) -> Layout {
    let layer_of = longest_paths(upstream);
    let mut work = Work::new(upstream, &layer_of);
    work.order();
    work.place();
    work.into_layout(upstream.len(), &layer_of)
}

/// The length of the longest path to each node (Kahn's algorithm).
fn longest_paths(upstream: &[Vec<usize>]) -> Vec<usize> {
    let mut downstream = vec![Vec::new(); upstream.len()];
    for (node, sources) in upstream.iter().enumerate() {
        sources.iter().for_each(|&source| downstream[source].push(node));
    }
    let mut waits_for: Vec<usize> = upstream.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..upstream.len()).filter(|&node| waits_for[node] == 0).collect();
    let mut layer = vec![0; upstream.len()];
    while let Some(node) = ready.pop() {
        for &next in &downstream[node] {
            layer[next] = layer[next].max(layer[node] + 1);
            waits_for[next] -= 1;
            if waits_for[next] == 0 {
                ready.push(next);
            }
        }
    }
    layer
}

/// Nodes and waypoints while they are ordered. Waypoints come after the nodes in all lists.
struct Work {
    layers: Vec<Vec<usize>>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    row: Vec<f64>,
    room: Vec<f64>,
    edges: Vec<(usize, usize, Vec<usize>)>,
}

impl Work {
    fn new(upstream: &[Vec<usize>], layer_of: &[usize]) -> Self {
        let nodes = upstream.len();
        let depth = layer_of.iter().max().map_or(0, |last| last + 1);
        let mut work = Self {
            layers: vec![Vec::new(); depth],
            left: vec![Vec::new(); nodes],
            right: vec![Vec::new(); nodes],
            row: vec![0.0; nodes],
            room: vec![1.0; nodes],
            edges: Vec::new(),
        };
        for (node, layer) in layer_of.iter().enumerate() {
            work.layers[*layer].push(node);
        }
        for (to, sources) in upstream.iter().enumerate() {
            for &from in sources {
                work.add_edge(from, to, layer_of[from] + 1..layer_of[to]);
            }
        }
        work
    }

    fn add_edge(&mut self, from: usize, to: usize, between: std::ops::Range<usize>) {
        let mut last = from;
        let mut waypoints = Vec::with_capacity(between.len());
        for layer in between {
            let waypoint = self.row.len();
            self.row.push(0.0);
            self.room.push(WAYPOINT_ROOM);
            self.left.push(vec![last]);
            self.right.push(Vec::new());
            self.right[last].push(waypoint);
            self.layers[layer].push(waypoint);
            waypoints.push(waypoint);
            last = waypoint;
        }
        self.right[last].push(to);
        self.left[to].push(last);
        self.edges.push((from, to, waypoints));
    }

    /// Orders each layer by the mean place of its neighbours, sweeping right and left, and keeps the best order.
    fn order(&mut self) {
        self.number_rows();
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            if best.0 == 0 {
                break;
            }
            let rightwards = sweep % 2 == 0;
            let depth = self.layers.len();
            for step in 0..depth {
                self.order_layer(if rightwards { step } else { depth - 1 - step }, rightwards);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
        self.number_rows();
    }

    fn order_layer(&mut self, layer: usize, rightwards: bool) {
        let neighbours = if rightwards { &self.left } else { &self.right };
        let mut keyed: Vec<(f64, usize)> = self.layers[layer]
            .iter()
            .map(|&node| (mean(&neighbours[node], &self.row).unwrap_or(self.row[node]), node))
            .collect();
        keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.layers[layer] = keyed.into_iter().map(|(_, node)| node).collect();
        for (place, &node) in self.layers[layer].iter().enumerate() {
            self.row[node] = place as f64;
        }
    }

    fn number_rows(&mut self) {
        for layer in &self.layers {
            for (place, &node) in layer.iter().enumerate() {
                self.row[node] = place as f64;
            }
        }
    }

    /// How many pairs of edges cross: inversions of the right ends, counted in a Fenwick tree.
    fn crossings(&self) -> usize {
        let mut total = 0;
        for pair in self.layers.windows(2) {
            let mut tree = vec![0_usize; pair[1].len() + 1];
            let mut seen = 0;
            for &node in &pair[0] {
                let mut ends: Vec<usize> =
                    self.right[node].iter().map(|&end| self.row[end] as usize).collect();
                ends.sort_unstable();
                for &end in &ends {
                    total += seen - prefix_sum(&tree, end + 1);
                }
                for &end in &ends {
                    add(&mut tree, end + 1);
                    seen += 1;
                }
            }
        }
        total
    }

    /// Moves nodes towards the mean of their neighbours, in the order found, with enough room between them.
    fn place(&mut self) {
        for layer in 0..self.layers.len() {
            let wanted: Vec<f64> = self.layers[layer].iter().map(|&node| self.row[node]).collect();
            self.settle(layer, &wanted);
        }
        let depth = self.layers.len();
        for step in 0..MOVES {
            for index in 0..depth {
                let layer = if step % 2 == 0 { index } else { depth - 1 - index };
                let wanted: Vec<f64> = self.layers[layer].iter().map(|&node| self.wanted_row(node)).collect();
                self.settle(layer, &wanted);
            }
        }
    }

    fn wanted_row(&self, node: usize) -> f64 {
        let around: Vec<f64> = [&self.left[node], &self.right[node]]
            .into_iter()
            .filter_map(|side| mean(side, &self.row))
            .collect();
        if around.is_empty() { self.row[node] } else { around.iter().sum::<f64>() / around.len() as f64 }
    }

    /// The rows nearest to `wanted` that keep the order and the room: isotonic regression (pool adjacent violators).
    fn settle(&mut self, layer: usize, wanted: &[f64]) {
        let nodes = &self.layers[layer];
        let mut offsets = Vec::with_capacity(nodes.len());
        let mut offset = 0.0;
        for (place, &node) in nodes.iter().enumerate() {
            if place > 0 {
                offset += (self.room[nodes[place - 1]] + self.room[node]) / 2.0;
            }
            offsets.push(offset);
        }
        let mut blocks: Vec<(f64, usize)> = Vec::new();
        for (want, offset) in wanted.iter().zip(&offsets) {
            let mut block = (want - offset, 1);
            while let Some(&(sum, size)) = blocks.last() {
                if sum / size as f64 <= block.0 / block.1 as f64 {
                    break;
                }
                block = (block.0 + sum, block.1 + size);
                blocks.pop();
            }
            blocks.push(block);
        }
        let levels = blocks.iter().flat_map(|&(sum, size)| std::iter::repeat_n(sum / size as f64, size));
        for ((&node, level), offset) in nodes.iter().zip(levels).zip(&offsets) {
            self.row[node] = level + offset;
        }
    }

    fn into_layout(mut self, nodes: usize, layer_of: &[usize]) -> Layout {
        let top = self.row.iter().copied().fold(f64::INFINITY, f64::min);
        for row in &mut self.row {
            *row = ((*row - top) * ROW_STEPS).round() / ROW_STEPS;
        }
        let places = (0..nodes).map(|node| (layer_of[node], self.row[node])).collect();
        let rows = &self.row;
        let edges = self.edges.iter().map(|(from, to, waypoints)| Edge {
            from: *from,
            to: *to,
            waypoints: waypoints.iter().map(|&waypoint| rows[waypoint]).collect(),
        });
        let height = self.row.iter().copied().fold(0.0, f64::max);
        Layout { places, edges: edges.collect(), layers: self.layers.len(), height }
    }
}

fn mean(nodes: &[usize], rows: &[f64]) -> Option<f64> {
    (!nodes.is_empty()).then(|| nodes.iter().map(|&node| rows[node]).sum::<f64>() / nodes.len() as f64)
}

fn prefix_sum(tree: &[usize], mut place: usize) -> usize {
    let mut sum = 0;
    while place > 0 {
        sum += tree[place];
        place &= place - 1;
    }
    sum
}

fn add(tree: &mut [usize], mut place: usize) {
    while place < tree.len() {
        tree[place] += 1;
        place += place & place.wrapping_neg();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes of a layer never stand closer than a row apart, and every edge goes right.
    fn check(upstream: &[Vec<usize>]) -> Layout {
        let layout = layout(upstream);
        for (one, place) in layout.places.iter().enumerate() {
            for other in &layout.places[one + 1..] {
                assert!(place.0 != other.0 || (place.1 - other.1).abs() > 0.999, "{place:?} {other:?}");
            }
        }
        for edge in &layout.edges {
            let (from, to) = (layout.places[edge.from].0, layout.places[edge.to].0);
            assert_eq!(to - from, edge.waypoints.len() + 1);
        }
        layout
    }

    #[test]
    fn a_fork_is_symmetric() {
        let layout = check(&[vec![], vec![0], vec![1], vec![1]]);
        assert_eq!(layout.places.iter().map(|place| place.0).collect::<Vec<_>>(), [0, 1, 2, 2]);
        let middle = (layout.places[2].1 + layout.places[3].1) / 2.0;
        assert!((layout.places[1].1 - middle).abs() < 0.01 && (layout.places[0].1 - middle).abs() < 0.01);
    }

    #[test]
    fn what_stands_in_a_line_is_drawn_in_one() {
        // 0 goes to two chains of two, which come together in a chain of three.
        let layout = check(&[vec![], vec![0], vec![1], vec![0], vec![3], vec![2, 4], vec![5], vec![6]]);
        let row = |node: usize| layout.places[node].1;
        assert_eq!((row(1), row(3)), (row(2), row(4)));
        assert_eq!((row(5), row(6)), (row(6), row(7)));
        assert_eq!(row(0), row(5));
    }

    #[test]
    fn a_crossing_that_need_not_be_is_undone() {
        // 0 -> 3 and 1 -> 2: in the order of the file these cross.
        let layout = check(&[vec![], vec![], vec![1], vec![0]]);
        let rows: Vec<f64> = layout.places.iter().map(|place| place.1).collect();
        assert_eq!(rows[0] < rows[1], rows[3] < rows[2]);
    }

    #[test]
    fn a_long_edge_keeps_away_from_the_nodes_between() {
        let layout = check(&[vec![], vec![0], vec![1], vec![0, 2]]);
        let long = layout.edges.iter().find(|edge| edge.waypoints.len() == 2).unwrap();
        assert!((long.waypoints[0] - layout.places[1].1).abs() > 0.5);
    }

    #[test]
    fn a_chain_of_thousands_and_a_wide_fan_are_no_trouble() {
        let chain: Vec<Vec<usize>> =
            (0..5000_usize).map(|node| node.checked_sub(1).into_iter().collect()).rev().collect();
        let reversed: Vec<Vec<usize>> =
            chain.iter().map(|sources| sources.iter().map(|&source| 4999 - source).collect()).collect();
        assert_eq!(layout(&reversed).layers, 5000);
        let mut fan: Vec<Vec<usize>> =
            (0..300).map(|node| if node == 0 { vec![] } else { vec![0] }).collect();
        fan.push((1..300).collect());
        assert_eq!(check(&fan).layers, 3);
        assert_eq!(layout(&[]).layers, 0);
    }
}
