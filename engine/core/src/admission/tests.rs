//! Slots by example, and random arrivals and ends against the limits that must always hold.

use super::*;
use proptest::prelude::*;

/// An instance of task `task` in run `run` of DAG `dag`.
fn claim(dag: &str, run: i64, task: &str) -> Claim {
    Claim {
        dag_id: dag.into(),
        task_id: task.into(),
        run,
        is_backfill: false,
        pool: "p".to_owned(),
        pool_slots: 1,
        priority_weight: 1,
        weight: 1,
        max_active_tasks: 16,
        max_active_tis_per_dag: None,
        max_active_tis_per_dagrun: None,
    }
}

fn admission(slots: usize, pool: u32) -> Admission<u32> {
    let mut admission = Admission::new(slots);
    admission.set_pool("p", Some(pool));
    admission
}

fn admit_all(admission: &mut Admission<u32>) -> Vec<u32> {
    std::iter::from_fn(|| admission.admit()).collect()
}

fn why(admission: &Admission<u32>, key: u32) -> String {
    admission.why(&key).unwrap().to_string()
}

#[test]
fn first_come_first_served_within_the_slots() {
    let mut admission = admission(2, 9);
    for key in [1, 2, 3, 4, 2] {
        admission.enqueue(key, claim("d", 1, "t"));
    }
    assert_eq!(admit_all(&mut admission), [1, 2]);
    assert_eq!(why(&admission, 3), "all 2 slots of the engine are in use (parallelism)");
    admission.dequeue(&3);
    admission.free(&1);
    assert_eq!((admission.admit(), admission.waiting(), admission.holding()), (Some(4), 0, 2));
}

#[test]
fn an_instance_that_left_and_came_back_starts_once() {
    let mut admission = admission(9, 9);
    admission.enqueue(1, claim("d", 1, "t"));
    admission.dequeue(&1);
    admission.enqueue(1, claim("d", 1, "t"));
    assert_eq!(admit_all(&mut admission), [1]);
    assert_eq!(admission.why(&1), None);
}

#[test]
fn dags_take_turns_however_many_instances_each_has() {
    let mut admission = admission(4, 99);
    for key in 0..10 {
        admission.enqueue(key, claim("large", 1, "t"));
    }
    admission.enqueue(100, claim("small", 2, "t"));
    admission.enqueue(101, claim("small", 2, "t"));
    assert_eq!(admit_all(&mut admission).iter().filter(|key| **key >= 100).count(), 2);
    // A DAG that comes while all slots are held waits for one slot only.
    admission.enqueue(200, claim("late", 3, "t"));
    admission.free(&0);
    assert_eq!(admission.admit(), Some(200));
}

#[test]
fn a_higher_priority_goes_before_turns_and_a_weight_by_rule_counts_inside_its_dag() {
    let mut admission = admission(1, 9);
    admission.enqueue(1, claim("a", 1, "heavy by its rule"));
    admission.enqueue(2, Claim { weight: 5, ..claim("a", 1, "t") });
    admission.enqueue(3, Claim { priority_weight: 7, weight: 7, ..claim("b", 2, "t") });
    let mut order = Vec::new();
    while let Some(key) = admission.admit() {
        order.push(key);
        admission.free(&key);
    }
    assert_eq!(order, [3, 2, 1]);
}

#[test]
fn backfills_come_after_the_other_runs_of_their_dag() {
    let mut admission = admission(1, 9);
    admission.enqueue(1, Claim { is_backfill: true, weight: 99, ..claim("d", 1, "t") });
    admission.enqueue(2, claim("d", 2, "t"));
    assert_eq!(admission.admit(), Some(2));
    admission.free(&2);
    assert_eq!(admission.admit(), Some(1));
}

#[test]
fn every_limit_is_kept_and_explained() {
    let mut admission = admission(99, 3);
    let limited = Claim { max_active_tis_per_dag: Some(2), ..claim("d", 1, "t") };
    for key in 1..=3 {
        admission.enqueue(key, Claim { run: i64::from(key), ..limited.clone() });
    }
    let in_run = Claim { max_active_tis_per_dagrun: Some(1), ..claim("e", 9, "u") };
    admission.enqueue(4, in_run.clone());
    admission.enqueue(5, in_run);
    admission.enqueue(6, Claim { max_active_tasks: 1, ..claim("e", 9, "other") });
    admission.enqueue(7, claim("f", 10, "t"));
    admission.enqueue(8, Claim { pool: "gone".to_owned(), ..claim("f", 10, "t") });
    admission.enqueue(9, Claim { pool_slots: 4, ..claim("f", 10, "t") });
    let started = admit_all(&mut admission);
    assert_eq!(started.len(), 3, "{started:?}");
    insta::assert_snapshot!(
        (1..=9)
            .filter_map(|key| Some(format!("{key}: {}", admission.why(&key)?)))
            .collect::<Vec<_>>()
            .join("\n"),
        @r#"
    2: all 3 slots of the pool "p" are in use
    3: all 3 slots of the pool "p" are in use
    5: 1 task instance of its task is running in this run, as many as max_active_tis_per_dagrun allows
    6: 1 task instance of its run is running, as many as max_active_tasks allows
    8: there is no pool "gone": make it with esteira pools set gone 8
    9: it needs 4 slots of the pool "p", which has 3: it can never start, unless the pool grows (esteira pools set p 4)
    "#
    );
    assert_eq!(admission.use_of_pool("p"), (3, 8));
}

#[test]
fn many_small_ones_do_not_starve_a_large_one() {
    let mut admission = admission(99, 3);
    for key in 0..3 {
        admission.enqueue(key, claim("small", 1, "t"));
    }
    admit_all(&mut admission);
    admission.enqueue(50, Claim { pool_slots: 3, ..claim("large", 2, "t") });
    for key in 3..30 {
        admission.enqueue(key, claim("small", 1, "t"));
    }
    for key in 0..2 {
        admission.free(&key);
        assert_eq!(admission.admit(), None, "a slot that is kept was given away");
    }
    assert_eq!(
        why(&admission, 50),
        "it needs 3 slots of the pool \"p\", and 2 of 3 are free; they are kept for it"
    );
    admission.free(&2);
    assert_eq!(admission.admit(), Some(50));
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue(u32, Claim),
    Dequeue(u32),
    Free(usize),
    Admit,
    Resize(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let claims = (0..4_u32, 0..3_i64, 0..2_u32, 1..4_u32, 0..3_i64, 0..4_u32, any::<bool>()).prop_map(
        |(dag, run, task, pool_slots, weight, limits, is_backfill)| Claim {
            pool_slots,
            is_backfill,
            priority_weight: weight,
            weight,
            pool: if limits == 3 { "q" } else { "p" }.to_owned(),
            max_active_tasks: 2 + limits,
            max_active_tis_per_dag: (limits == 1).then_some(2),
            max_active_tis_per_dagrun: (limits == 2).then_some(1),
            ..claim(&format!("dag_{dag}"), i64::from(dag) * 10 + run, &format!("task_{task}"))
        },
    );
    let step = prop_oneof![
        4 => (0..60_u32, claims).prop_map(|(key, claim)| Step::Enqueue(key, claim)),
        1 => (0..60_u32).prop_map(Step::Dequeue),
        3 => any::<usize>().prop_map(Step::Free),
        4 => Just(Step::Admit),
        1 => (0..6_u32).prop_map(Step::Resize),
    ];
    prop::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn no_limit_is_passed_and_nothing_waits_without_a_reason(steps in steps()) {
        let mut admission = admission(5, 4);
        admission.set_pool("q", Some(2));
        let mut held: BTreeMap<u32, Claim> = BTreeMap::new();
        let mut claims: BTreeMap<u32, Claim> = BTreeMap::new();
        for step in steps {
            match step {
                // The engine never asks twice for one that holds slots.
                Step::Enqueue(key, claim) if !held.contains_key(&key) => {
                    admission.enqueue(key, claim.clone());
                    claims.entry(key).or_insert(claim);
                }
                Step::Enqueue(..) => {}
                Step::Dequeue(key) => {
                    admission.dequeue(&key);
                    claims.remove(&key);
                }
                Step::Free(pick) => {
                    if let Some(key) = held.keys().nth(pick % held.len().max(1)).copied() {
                        admission.free(&key);
                        held.remove(&key);
                    }
                }
                Step::Resize(slots) => admission.set_pool("p", Some(slots)),
                Step::Admit => {
                    let before = held.clone();
                    if let Some(key) = admission.admit() {
                        let claim = claims.remove(&key).unwrap();
                        prop_assert!(room_for(&admission, &before, &claim), "{claim:?} was let in past a limit");
                        held.insert(key, claim);
                    } else {
                        // What could start does not only because somebody before it keeps the slots of its pool.
                        for (key, claim) in &claims {
                            let is_kept = matches!(admission.why(key), Some(Reason::NotItsTurn { .. }));
                            let somebody = |pool: &str| claims.iter().any(|(other, claim)| {
                                claim.pool == pool && matches!(admission.why(other), Some(Reason::PoolIsFull { .. }))
                            });
                            prop_assert!(!is_kept || somebody(&claim.pool), "{key} waits for nothing");
                        }
                    }
                }
            }
            prop_assert_eq!(admission.waiting(), claims.len());
            prop_assert_eq!(admission.holding(), held.len());
            for key in claims.keys() {
                prop_assert!(admission.why(key).is_some());
            }
        }
        // When all that run have ended, nothing is counted any more.
        for key in held.keys() {
            admission.free(key);
        }
        let counts = &admission.counts;
        prop_assert!(counts.of_pool.is_empty() && counts.of_run.is_empty());
        prop_assert!(counts.of_task.is_empty() && counts.of_task_in_run.is_empty());
    }
}

fn room_for(admission: &Admission<u32>, held: &BTreeMap<u32, Claim>, claim: &Claim) -> bool {
    let count =
        |is_like: &dyn Fn(&Claim) -> bool| held.values().filter(|other| is_like(other)).count() as u32;
    let of_pool: u32 =
        held.values().filter(|other| other.pool == claim.pool).map(|other| other.pool_slots).sum();
    let is_task = |other: &Claim| other.dag_id == claim.dag_id && other.task_id == claim.task_id;
    held.len() < 5
        && of_pool + claim.pool_slots <= admission.pools[&claim.pool]
        && count(&|other| other.run == claim.run) < claim.max_active_tasks
        && claim.max_active_tis_per_dag.is_none_or(|max| count(&is_task) < max)
        && claim
            .max_active_tis_per_dagrun
            .is_none_or(|max| count(&|other| is_task(other) && other.run == claim.run) < max)
}
