//! Which of the scheduled task instances may start now, and why the others wait.
//!
//! An instance needs a slot of the engine, slots of its pool, and room below the limits of its run and its task. Among
//! those that could start:
//!
//! 1. DAGs take turns; a DAG whose next instance has a higher `priority_weight` goes before the others, and among equals
//!    the one whose last turn is longest ago.
//! 2. Inside a DAG, backfills come last; then the weight by the task's rule counts (Airflow's order), then who came first.
//! 3. An instance that needs more slots of its pool than are free keeps them for itself: nobody behind it takes a slot of
//!    that pool, or it would wait for ever.
//!
//! Instances of a DAG that wait for exactly the same things form a class, so that the cost of a decision grows with the
//! number of classes and not with the number of instances.

mod reason;
mod weights;

pub use reason::Reason;
pub use weights::{WeightRule, weights};

use crate::ids::{DagId, TaskId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// What an instance needs in order to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its DAG.
    pub dag_id: DagId,
    /// Its task.
    pub task_id: TaskId,
    /// Its run, by number.
    pub run: i64,
    /// Whether the run is part of a backfill.
    pub is_backfill: bool,
    /// The pool that it takes slots of.
    pub pool: String,
    /// How many.
    pub pool_slots: u32,
    /// The task's own `priority_weight`.
    pub priority_weight: i64,
    /// The weight by the task's rule.
    pub weight: i64,
    /// How many instances of the run may hold a slot.
    pub max_active_tasks: u32,
    /// How many instances of the task may, over all runs.
    pub max_active_tis_per_dag: Option<u32>,
    /// How many instances of the task may in this run.
    pub max_active_tis_per_dagrun: Option<u32>,
}

/// What all instances of a class wait for. The order is of no meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    is_backfill: bool,
    run: i64,
    pool: String,
    pool_slots: u32,
    priority_weight: i64,
    /// The task, where it has a limit of its own.
    limited_task: Option<TaskId>,
}

/// Where an instance stands among those of its class: by weight, then by arrival.
type Place<K> = (Reverse<i64>, u64, K);

/// The instances of one DAG that wait. It stays when none does: a DAG that comes back must not have the first turn.
#[derive(Clone, Debug)]
struct Party<K> {
    /// The number of its last turn; 0 if it never had one.
    last_turn: u64,
    classes: BTreeMap<Class, BTreeSet<Place<K>>>,
}

/// Where a class stands among all: smaller is sooner.
type Order = (Reverse<i64>, u64, bool, Reverse<i64>, u64);

/// How many hold a slot, by what limits them.
#[derive(Clone, Debug, Default)]
struct Counts {
    of_pool: HashMap<String, u32>,
    of_run: HashMap<i64, u32>,
    of_task: HashMap<(DagId, TaskId), u32>,
    of_task_in_run: HashMap<(i64, TaskId), u32>,
}

/// Instances that wait for a slot, and those that hold one. `K` names an instance across runs.
#[derive(Clone, Debug)]
pub struct Admission<K> {
    slots: usize,
    pools: HashMap<String, u32>,
    parties: HashMap<DagId, Party<K>>,
    waiting: HashMap<K, (Claim, u64)>,
    holding: HashMap<K, Claim>,
    counts: Counts,
    arrivals: u64,
    turns: u64,
}

impl<K: Clone + Eq + Hash + Ord> Admission<K> {
    /// An engine with so many slots, and no pool.
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            pools: HashMap::new(),
            parties: HashMap::new(),
            waiting: HashMap::new(),
            holding: HashMap::new(),
            counts: Counts::default(),
            arrivals: 0,
            turns: 0,
        }
    }

    /// The pool has so many slots from now on; without a number there is no such pool. Who holds slots keeps them.
    pub fn set_pool(&mut self, name: &str, slots: Option<u32>) {
        match slots {
            Some(slots) => self.pools.insert(name.to_owned(), slots),
            None => self.pools.remove(name),
        };
    }

    /// The instance waits for a slot.
    pub fn enqueue(&mut self, key: K, claim: Claim) {
        if self.waiting.contains_key(&key) {
            return;
        }
        self.arrivals += 1;
        let place = (Reverse(claim.weight), self.arrivals, key.clone());
        let party = self.parties.entry(claim.dag_id.clone());
        let party = party.or_insert_with(|| Party { last_turn: 0, classes: BTreeMap::new() });
        party.classes.entry(class_of(&claim)).or_default().insert(place);
        self.waiting.insert(key, (claim, self.arrivals));
    }

    /// The instance waits no more.
    pub fn dequeue(&mut self, key: &K) {
        let Some((claim, arrival)) = self.waiting.remove(key) else { return };
        let Some(party) = self.parties.get_mut(&claim.dag_id) else { return };
        let class = class_of(&claim);
        if let Some(places) = party.classes.get_mut(&class) {
            places.remove(&(Reverse(claim.weight), arrival, key.clone()));
            if places.is_empty() {
                party.classes.remove(&class);
            }
        }
    }

    /// The next instance that starts, with its slots taken; none when nothing that waits may start now.
    pub fn admit(&mut self) -> Option<K> {
        if self.holding.len() >= self.slots || self.waiting.is_empty() {
            return None;
        }
        let key = self.next()?;
        let (claim, _) = self.waiting.get(&key).cloned()?;
        self.dequeue(&key);
        self.turns += 1;
        let turn = self.turns;
        if let Some(party) = self.parties.get_mut(&claim.dag_id) {
            party.last_turn = turn;
        }
        self.counts.add(&claim, 1);
        self.holding.insert(key.clone(), claim);
        Some(key)
    }

    fn next(&self) -> Option<K> {
        let mut fitting: Vec<(Order, &str, &K)> = Vec::new();
        // The first in each pool that needs more slots than are free.
        let mut reserved: HashMap<&str, Order> = HashMap::new();
        for party in self.parties.values() {
            for (order, claim, key) in self.heads(party) {
                match self.obstacle(claim) {
                    None => fitting.push((order, claim.pool.as_str(), key)),
                    Some(Reason::PoolIsFull { .. }) => {
                        let first = reserved.entry(claim.pool.as_str()).or_insert(order);
                        *first = order.min(*first);
                    }
                    Some(_) => {}
                }
            }
        }
        let is_free = |order: &Order, pool: &str| reserved.get(pool).is_none_or(|first| order < first);
        let free = fitting.into_iter().filter(|(order, pool, _)| is_free(order, pool));
        free.min_by_key(|(order, _, _)| *order).map(|(_, _, key)| key.clone())
    }

    /// The first of each class of a DAG, with its place among all.
    fn heads<'a>(&'a self, party: &'a Party<K>) -> impl Iterator<Item = (Order, &'a Claim, &'a K)> {
        let first_of =
            |(class, places): (&'a Class, &'a BTreeSet<Place<K>>)| places.first().map(|place| (class, place));
        let rank = |(class, place): &(&Class, &Place<K>)| (class.is_backfill, place.0, place.1);
        let leader = party.classes.iter().filter_map(first_of).min_by_key(rank);
        let urgency = Reverse(leader.map_or(0, |(class, _)| class.priority_weight));
        party.classes.iter().filter_map(first_of).filter_map(move |(class, place)| {
            let (claim, _) = self.waiting.get(&place.2)?;
            Some(((urgency, party.last_turn, class.is_backfill, place.0, place.1), claim, &place.2))
        })
    }

    /// What keeps an instance from starting besides the turn of others and the slots of the engine.
    fn obstacle(&self, claim: &Claim) -> Option<Reason> {
        let counts = &self.counts;
        let task = (claim.dag_id.clone(), claim.task_id.clone());
        let task_in_run = (claim.run, claim.task_id.clone());
        let count = |found: Option<&u32>| found.copied().unwrap_or(0);
        if let Some(max) = claim.max_active_tis_per_dagrun
            && count(counts.of_task_in_run.get(&task_in_run)) >= max
        {
            return Some(Reason::TaskIsFullInRun { max });
        }
        if let Some(max) = claim.max_active_tis_per_dag
            && count(counts.of_task.get(&task)) >= max
        {
            return Some(Reason::TaskIsFull { max });
        }
        if count(counts.of_run.get(&claim.run)) >= claim.max_active_tasks {
            return Some(Reason::RunIsFull { max: claim.max_active_tasks });
        }
        let pool = claim.pool.clone();
        let Some(slots) = self.pools.get(&claim.pool).copied() else {
            return Some(Reason::NoSuchPool { pool });
        };
        let needed = claim.pool_slots;
        if needed > slots {
            return Some(Reason::PoolIsTooSmall { pool, slots, needed });
        }
        let free = slots.saturating_sub(count(counts.of_pool.get(&claim.pool)));
        (needed > free).then_some(Reason::PoolIsFull { pool, slots, free, needed })
    }

    /// Why an instance that waits does not start; none for one that does not wait.
    pub fn why(&self, key: &K) -> Option<Reason> {
        let (claim, _) = self.waiting.get(key)?;
        if let Some(obstacle) = self.obstacle(claim) {
            return Some(obstacle);
        }
        if self.holding.len() >= self.slots {
            return Some(Reason::EngineIsFull { slots: self.slots });
        }
        Some(Reason::NotItsTurn { pool: claim.pool.clone() })
    }

    /// The instance's attempt ended.
    pub fn free(&mut self, key: &K) {
        if let Some(claim) = self.holding.remove(key) {
            self.counts.add(&claim, -1);
        }
    }

    /// How many wait for a slot.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many hold a slot.
    pub fn holding(&self) -> usize {
        self.holding.len()
    }

    /// How many slots the engine has.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Those that hold slots of a pool, at most so many, each with how many slots.
    pub fn holders(&self, pool: &str, most: usize) -> Vec<(K, u32)> {
        let of_pool = self.holding.iter().filter(|(_, claim)| claim.pool == pool);
        let mut found: Vec<(K, u32)> = of_pool.map(|(key, claim)| (key.clone(), claim.pool_slots)).collect();
        found.sort();
        found.truncate(most);
        found
    }

    /// Those that wait for slots of a pool, who came first first, at most so many, each with how many slots.
    pub fn waiters(&self, pool: &str, most: usize) -> Vec<(K, u32)> {
        let of_pool = self.waiting.iter().filter(|(_, (claim, _))| claim.pool == pool);
        let mut found: Vec<(u64, &K, u32)> =
            of_pool.map(|(key, (claim, arrival))| (*arrival, key, claim.pool_slots)).collect();
        found.sort();
        found.into_iter().take(most).map(|(_, key, slots)| (key.clone(), slots)).collect()
    }

    /// How many slots of a pool are held, and how many are waited for.
    pub fn use_of_pool(&self, name: &str) -> (u32, u32) {
        let held = self.counts.of_pool.get(name).copied().unwrap_or(0);
        let wanted = self.waiting.values().filter(|(claim, _)| claim.pool == name);
        (held, wanted.map(|(claim, _)| claim.pool_slots).sum())
    }
}

fn class_of(claim: &Claim) -> Class {
    let is_limited = claim.max_active_tis_per_dag.is_some() || claim.max_active_tis_per_dagrun.is_some();
    Class {
        is_backfill: claim.is_backfill,
        run: claim.run,
        pool: claim.pool.clone(),
        pool_slots: claim.pool_slots,
        priority_weight: claim.priority_weight,
        limited_task: is_limited.then(|| claim.task_id.clone()),
    }
}

impl Counts {
    fn add(&mut self, claim: &Claim, by: i32) {
        change(&mut self.of_pool, claim.pool.clone(), by.saturating_mul(claim.pool_slots as i32));
        change(&mut self.of_run, claim.run, by);
        change(&mut self.of_task, (claim.dag_id.clone(), claim.task_id.clone()), by);
        change(&mut self.of_task_in_run, (claim.run, claim.task_id.clone()), by);
    }
}

/// Counts up or down; what nobody holds is not kept.
fn change<T: Eq + Hash>(counts: &mut HashMap<T, u32>, of: T, by: i32) {
    let count = counts.get(&of).copied().unwrap_or(0).saturating_add_signed(by);
    match count {
        0 => counts.remove(&of),
        count => counts.insert(of, count),
    };
}

#[cfg(test)]
mod tests;
