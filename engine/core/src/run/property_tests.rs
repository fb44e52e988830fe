//! Random DAGs, random outcomes, random cancels and engine deaths, against the rules that must hold in each of them.
//!
//! - No attempt starts before every upstream has succeeded.
//! - Every run ends, and every attempt ends once.
//! - Replaying the changes gives the live state, at every step.
//! - What is to be done follows from the state alone: a restart loses no effect.

use super::tests::dag;
use super::*;
use crate::run::{AttemptError, AttemptErrorKind, Change, Effect, Input, LOSSES_MAX, Outcome, TaskChange};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a player does next: an index into what could be done, and how an attempt that ends ends.
#[derive(Clone, Debug)]
struct Move {
    pick: usize,
    outcome: Outcome,
    does_restart: bool,
    does_cancel: bool,
    is_stale: bool,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let error = |kind| Outcome::Failed(AttemptError { kind, message: "no".into(), hint: None });
    prop_oneof![
        6 => Just(Outcome::Success),
        2 => Just(error(AttemptErrorKind::Failed)),
        1 => Just(error(AttemptErrorKind::Fatal)),
        1 => Just(error(AttemptErrorKind::TimedOut)),
        1 => Just(Outcome::Skipped { reason: "nothing to do".into() }),
        2 => Just(Outcome::Lost),
        1 => Just(Outcome::Interrupted),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (any::<usize>(), outcomes(), 0..20_u8, 0..60_u8, 0..5_u8).prop_map(
        |(pick, outcome, restart, cancel, stale)| Move {
            pick,
            outcome,
            does_restart: restart == 0,
            does_cancel: cancel == 0,
            is_stale: stale == 0,
        },
    );
    proptest::collection::vec(one, 1..400)
}

/// For each task, some of the tasks before it: always acyclic.
fn dags() -> impl Strategy<Value = (Vec<Vec<u32>>, u32)> {
    let upstreams = (1..14_usize).prop_flat_map(|size| {
        (0..size)
            .map(|task| {
                proptest::collection::btree_set(0..task.max(1) as u32, 0..=task.min(3))
                    .prop_map(move |set| if task == 0 { Vec::new() } else { set.into_iter().collect() })
            })
            .collect::<Vec<_>>()
    });
    (upstreams, 0..3_u32)
}

/// A run, what is waiting to be done with it, and everything that was ever changed.
struct Player {
    dag: Arc<Dag>,
    run: Run,
    now: Timestamp,
    history: Vec<(Timestamp, Change)>,
    waiting: BTreeSet<InstanceKey>,
    running: BTreeMap<InstanceKey, u32>,
    retries: BTreeMap<InstanceKey, Timestamp>,
    ends: BTreeMap<(InstanceKey, u32), u32>,
}

impl Player {
    fn new(dag: Arc<Dag>) -> Self {
        let mut player = Self {
            run: Run::new(Arc::clone(&dag)),
            dag,
            now: Timestamp::UNIX_EPOCH,
            history: Vec::new(),
            waiting: BTreeSet::new(),
            running: BTreeMap::new(),
            retries: BTreeMap::new(),
            ends: BTreeMap::new(),
        };
        player.input(Input::Start);
        player
    }

    fn input(&mut self, input: Input) {
        let decision = self.run.decide(input, self.now).expect("no decision is illegal");
        for change in &decision.changes {
            self.check(change);
        }
        self.history.extend(decision.changes.into_iter().map(|change| (self.now, change)));
        for effect in decision.effects {
            self.carry_out(effect);
        }
    }

    fn check(&mut self, change: &Change) {
        let Change::Task { instance, change } = change else { return };
        match change {
            TaskChange::Started { .. } => {
                for upstream in self.dag.graph.upstream(instance.task) {
                    let state = self.run.instance(InstanceKey::unmapped(*upstream)).state;
                    assert_eq!(
                        state,
                        Some(TaskInstanceState::Success),
                        "a task started before its upstream allowed it"
                    );
                }
            }
            TaskChange::Succeeded { try_number }
            | TaskChange::Failed { try_number, .. }
            | TaskChange::Lost { try_number, .. }
            | TaskChange::Interrupted { try_number } => {
                *self.ends.entry((*instance, *try_number)).or_default() += 1;
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Enqueue { instance } => assert!(self.waiting.insert(instance), "queued twice"),
            Effect::Dequeue { instance } => {
                self.waiting.remove(&instance);
                self.retries.remove(&instance);
            }
            Effect::StartAttempt { instance, try_number } => {
                assert!(
                    self.running.insert(instance, try_number).is_none(),
                    "two attempts of one instance at once"
                );
            }
            Effect::KillAttempt { instance, try_number } => {
                assert_eq!(self.running.get(&instance), Some(&try_number))
            }
            Effect::FreeSlot { instance } => {
                assert!(self.running.remove(&instance).is_some(), "a slot freed twice")
            }
            Effect::ArmRetry { instance, at } => {
                self.retries.insert(instance, at);
            }
        }
    }

    /// The engine dies and comes back: everything in memory is made again from the history.
    fn restart(&mut self) {
        let replayed = replay(&self.dag, &self.history);
        assert_same(&replayed, &self.run);
        self.run = replayed;
        let (waiting, retries) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.retries));
        for effect in self.run.pending_effects() {
            self.carry_out(effect);
        }
        assert_eq!(
            (&self.waiting, &self.retries),
            (&waiting, &retries),
            "a restart lost or made up an effect"
        );
        for (instance, try_number) in self.running.clone() {
            self.input(Input::Report { instance, try_number, outcome: Outcome::Lost });
        }
    }

    fn play(&mut self, next: &Move) {
        if next.does_restart {
            self.restart();
        }
        if next.does_cancel {
            self.input(Input::Cancel);
        }
        if let Some((instance, at)) = self.retries.pop_first() {
            self.now = self.now.max(at);
            self.input(Input::RetryDue { instance });
        }
        let choices = self.waiting.len() + self.running.len();
        if choices == 0 {
            return;
        }
        let pick = next.pick % choices;
        if let Some(instance) = self.waiting.iter().nth(pick).copied() {
            self.waiting.remove(&instance);
            self.input(Input::StartAttempt { instance });
        } else if let Some((instance, try_number)) =
            self.running.iter().nth(pick - self.waiting.len()).map(|(a, b)| (*a, *b))
        {
            if next.is_stale {
                let before = self.history.len();
                self.input(Input::Report {
                    instance,
                    try_number: try_number + 1,
                    outcome: next.outcome.clone(),
                });
                assert_eq!(self.history.len(), before, "a report of another attempt counted");
            }
            self.input(Input::Report { instance, try_number, outcome: next.outcome.clone() });
        }
    }
}

fn replay(dag: &Arc<Dag>, history: &[(Timestamp, Change)]) -> Run {
    let mut run = Run::new(Arc::clone(dag));
    for (at, change) in history {
        run.apply(change, *at).expect("a stored change is legal");
    }
    run
}

fn assert_same(left: &Run, right: &Run) {
    assert_eq!(left.state(), right.state());
    assert_eq!((left.started_at(), left.ended_at()), (right.started_at(), right.ended_at()));
    assert_eq!(left.is_cancel_requested(), right.is_cancel_requested());
    assert!(left.instances().eq(right.instances()), "the replayed instances are not the live ones");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_for_any_dag_and_any_course_of_events((upstream, retries) in dags(), moves in moves()) {
        let slices: Vec<&[u32]> = upstream.iter().map(Vec::as_slice).collect();
        let mut player = Player::new(dag(&slices, retries));
        for next in &moves {
            player.play(next);
        }
        // Whatever has happened, from here everything succeeds: then the run must end in so many moves.
        let calm = Move { pick: 0, outcome: Outcome::Success, does_restart: false, does_cancel: false, is_stale: false };
        for _ in 0..upstream.len() * 2 * (retries + LOSSES_MAX + 2) as usize {
            player.play(&calm);
        }
        prop_assert!(player.run.state().is_terminal(), "the run did not end: {:?}", player.run);
        prop_assert!(player.waiting.is_empty() && player.running.is_empty() && player.retries.is_empty());
        prop_assert!(player.ends.values().all(|times| *times == 1), "an attempt ended twice");
        assert_same(&replay(&player.dag, &player.history), &player.run);
        for (_, live) in player.run.instances() {
            prop_assert!(live.state.is_some_and(TaskInstanceState::is_terminal));
            prop_assert!(live.failures <= retries + 1 && live.losses <= LOSSES_MAX + 1);
        }
    }
}
