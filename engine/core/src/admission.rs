//! Which of the scheduled task instances may start now: a queue in the order of arrival and a number of slots.
//!
//! Slots are counted from what holds them, never up and down on their own, so that none can leak.

use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;

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

/// Instances that wait for a slot, and those that hold one. `K` names an instance across runs.
#[derive(Clone, Debug)]
pub struct Admission<K> {
    slots: usize,
    waiting: VecDeque<K>,
    is_waiting: HashSet<K>,
    holding: HashSet<K>,
}

impl<K: Clone + Eq + Hash> Admission<K> {
    /// An empty queue before this many slots.
    pub fn new(slots: usize) -> Self {
        Self { slots, waiting: VecDeque::new(), is_waiting: HashSet::new(), holding: HashSet::new() }
    }

    /// The instance waits for a slot, behind those that wait already.
    pub fn enqueue(&mut self, key: K) {
        if self.is_waiting.insert(key.clone()) {
            self.waiting.push_back(key);
        }
    }

    /// The instance waits no more.
    pub fn dequeue(&mut self, key: &K) {
        // Its place in the queue stays and is passed over by `admit`: finding it would cost a search.
        self.is_waiting.remove(key);
    }

    /// The next instance, with its slot taken; none when all slots are held or nothing waits.
    pub fn admit(&mut self) -> Option<K> {
        while self.holding.len() < self.slots {
            let key = self.waiting.pop_front()?;
            if self.is_waiting.remove(&key) {
                self.holding.insert(key.clone());
                return Some(key);
            }
        }
        None
    }

    /// The instance's attempt ended.
    pub fn free(&mut self, key: &K) {
        self.holding.remove(key);
    }

    /// How many wait for a slot.
    pub fn waiting(&self) -> usize {
        self.is_waiting.len()
    }

    /// How many hold a slot.
    pub fn holding(&self) -> usize {
        self.holding.len()
    }

    /// How many slots there are.
    pub fn slots(&self) -> usize {
        self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_within_the_slots() {
        let mut admission = Admission::new(2);
        for key in ["a", "b", "c", "d", "b"] {
            admission.enqueue(key);
        }
        assert_eq!((admission.admit(), admission.admit(), admission.admit()), (Some("a"), Some("b"), None));
        admission.dequeue(&"c");
        admission.free(&"a");
        assert_eq!((admission.admit(), admission.waiting(), admission.holding()), (Some("d"), 0, 2));
    }

    #[test]
    fn an_instance_that_left_and_came_back_starts_once() {
        let mut admission = Admission::new(9);
        admission.enqueue(1);
        admission.dequeue(&1);
        admission.enqueue(1);
        assert_eq!((admission.admit(), admission.admit()), (Some(1), None));
    }
}
