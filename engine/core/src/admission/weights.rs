//! What a task weighs among the tasks that wait: its own priority weight, and by its rule those of the tasks after it or
//! before it.
//!
//! Source: Airflow 3.3, `task/priority_strategy.py`: every other task counts once, however many ways lead to it.

use crate::dag::{Graph, TaskIndex};
use serde::{Deserialize, Serialize};
use std::fmt;

crate::states::labelled! {
    /// How the weights of other tasks count into a task's own.
    WeightRule {
        /// Its own and those of all tasks after it.
        Downstream = "downstream",
        /// Its own and those of all tasks before it.
        Upstream = "upstream",
        /// Its own only.
        Absolute = "absolute",
    }
}

/// How many tasks are looked for at the same time: the memory for 10,000 tasks is then 5 MB.
const BLOCK: usize = 4096;
const WORDS: usize = BLOCK / 64;

/// The weight of each task by its rule; `own` gives a task's own weight and its rule.
pub fn weights(graph: &Graph, own: &[(i64, WeightRule)]) -> Vec<i64> {
    let mut weights: Vec<i64> = own.iter().map(|(weight, _)| *weight).collect();
    let order = graph.order();
    let has = |rule: WeightRule| own.iter().any(|(_, of_task)| *of_task == rule);
    for first in (0..own.len()).step_by(BLOCK) {
        if has(WeightRule::Downstream) {
            let near_first = order.iter().rev().copied();
            add(&mut weights, own, first, WeightRule::Downstream, near_first, |task| graph.downstream(task));
        }
        if has(WeightRule::Upstream) {
            let near_first = order.iter().copied();
            add(&mut weights, own, first, WeightRule::Upstream, near_first, |task| graph.upstream(task));
        }
    }
    weights
}

/// Adds the weights of those tasks from `first` on, a block of them, that can be reached from each task of this rule.
/// Tasks come in such an order that those one step away have been looked at.
fn add<'g>(
    weights: &mut [i64],
    own: &[(i64, WeightRule)],
    first: usize,
    rule: WeightRule,
    near_first: impl Iterator<Item = TaskIndex>,
    next: impl Fn(TaskIndex) -> &'g [TaskIndex],
) {
    let mut reached = vec![[0_u64; WORDS]; own.len()];
    for task in near_first {
        let mut all = [0_u64; WORDS];
        for near in next(task) {
            for (word, more) in all.iter_mut().zip(&reached[near.get()]) {
                *word |= more;
            }
            if let Some(place) = near.get().checked_sub(first).filter(|place| *place < BLOCK) {
                all[place / 64] |= 1 << (place % 64);
            }
        }
        if own[task.get()].1 == rule {
            let sum: i64 = members(&all).map(|place| own[first + place].0).sum();
            weights[task.get()] = weights[task.get()].saturating_add(sum);
        }
        reached[task.get()] = all;
    }
}

fn members(words: &[u64; WORDS]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(place, word)| {
        let without_lowest = |rest: &u64| Some(rest & (rest - 1)).filter(|rest| *rest != 0);
        std::iter::successors(Some(*word).filter(|word| *word != 0), without_lowest)
            .map(move |rest| place * 64 + rest.trailing_zeros() as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::reachable;
    use proptest::prelude::*;

    #[test]
    fn each_rule_counts_what_it_says() {
        // 0 → 1 → 3, 0 → 2 → 3: the join counts once.
        let tasks = |upstream: &[u32]| upstream.iter().copied().map(TaskIndex).collect::<Vec<_>>();
        let graph = Graph::new(vec![tasks(&[]), tasks(&[0]), tasks(&[0]), tasks(&[1, 2])]).unwrap();
        let with = |rule| weights(&graph, &[(1, rule), (2, rule), (3, rule), (10, rule)]);
        assert_eq!(with(WeightRule::Downstream), [16, 12, 13, 10]);
        assert_eq!(with(WeightRule::Upstream), [1, 3, 4, 16]);
        assert_eq!(with(WeightRule::Absolute), [1, 2, 3, 10]);
    }

    proptest! {
        #[test]
        fn what_can_be_reached_counts_once(
            edges in prop::collection::vec((0..200_u32, 1..200_u32), 0..600),
            own in prop::collection::vec((-5..9_i64, 0..3_usize), 400),
        ) {
            // Beyond a block of tasks, so that blocks are put together.
            let size = BLOCK + 200;
            let mut upstream = vec![Vec::new(); size];
            for (from, step) in edges {
                // Spread over both blocks.
                let (from, to) = (from * 20, from * 20 + step);
                if (to as usize) < size && !upstream[to as usize].contains(&TaskIndex(from)) {
                    upstream[to as usize].push(TaskIndex(from));
                }
            }
            let graph = Graph::new(upstream).unwrap();
            let own: Vec<_> = (0..size).map(|task| {
                let (weight, rule) = own[task % own.len()];
                (weight, WeightRule::ALL[rule])
            }).collect();
            let found = weights(&graph, &own);
            for task in (0..size).step_by(7) {
                let index = TaskIndex(task as u32);
                let others = match own[task].1 {
                    WeightRule::Downstream => reachable([index], |task| graph.downstream(task)),
                    WeightRule::Upstream => reachable([index], |task| graph.upstream(task)),
                    WeightRule::Absolute => Default::default(),
                };
                let sum: i64 = own[task].0 + others.iter().map(|other| own[other.get()].0).sum::<i64>();
                prop_assert_eq!(found[task], sum);
            }
        }
    }
}
