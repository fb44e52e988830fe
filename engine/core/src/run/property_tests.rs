//! Random DAGs with random trigger rules, setups and teardowns; random outcomes, branches, cancels, clears, marks and
//! engine deaths; against the rules that must hold in each of them.
//!
//! - A task is scheduled, skipped or failed by its upstreams exactly when its trigger rule says so, as a slow reading
//!   of Airflow's table over all its upstreams finds it.
//! - What is counted as upstreams end, and end again, is what counting them anew gives.
//! - Every run ends, and every attempt ends once.
//! - Replaying the changes gives the live state, at every step.
//! - What is to be done follows from the state alone: a restart loses no effect.
//! - All of that holds too for a run that goes on with another version of its DAG, and back.

use super::tests::{SUCCESS, dag_in_groups};
use super::*;
use crate::dag::{Group, GroupIndex, Mapping, MappingKind};
use crate::ids::TaskId;
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
    rerun: Rerun,
}

/// What a person does to tasks on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rerun {
    None,
    Clear { only_failed: bool, downstream: bool },
    Mark(TaskInstanceState),
}

fn question() -> Question {
    Question { subject: "?".to_owned(), options: vec!["yes".to_owned()], ..Question::default() }
}

fn answer() -> Answer {
    Answer {
        chosen_options: vec!["yes".to_owned()],
        params_input: serde_json::Map::new(),
        responded_by: "ana".to_owned(),
        responded_at: Timestamp::UNIX_EPOCH,
    }
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let error = |kind| Outcome::Failed(AttemptError::new(kind, "no"));
    prop_oneof![
        6 => Just(SUCCESS),
        1 => Just(Outcome::Success { follow: Some(Follow::Nothing) }),
        1 => Just(Outcome::Success { follow: Some(Follow::NothingAfter) }),
        1 => proptest::collection::vec((0..14_u32).prop_map(|task| format!("task_{task}").into()), 0..3)
            .prop_map(|tasks| Outcome::Success { follow: Some(Follow::Only(tasks)) }),
        2 => Just(error(AttemptErrorKind::Failed)),
        1 => Just(error(AttemptErrorKind::Fatal)),
        1 => Just(error(AttemptErrorKind::TimedOut)),
        1 => Just(Outcome::Skipped { reason: "nothing to do".into() }),
        2 => Just(Outcome::Lost),
        1 => Just(Outcome::Interrupted),
        2 => Just(Outcome::Waits(Wait::until(Timestamp::UNIX_EPOCH, "for rain"))),
        1 => Just(Outcome::Waits(Wait {
            question: Some(Box::new(question())),
            ..Wait::until(Timestamp::UNIX_EPOCH, "for an answer")
        })),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let rerun = prop_oneof![
        40 => Just(Rerun::None),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(only_failed, downstream)| Rerun::Clear { only_failed, downstream }),
        1 => prop_oneof![
            Just(TaskInstanceState::Success),
            Just(TaskInstanceState::Failed),
            Just(TaskInstanceState::Skipped)
        ]
        .prop_map(Rerun::Mark),
    ];
    let one = (any::<usize>(), outcomes(), 0..20_u8, 0..60_u8, 0..5_u8, rerun).prop_map(
        |(pick, outcome, restart, cancel, stale, rerun)| Move {
            rerun,
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
fn dags() -> impl Strategy<Value = (Vec<Vec<u32>>, u32, Vec<Kind>)> {
    let kind =
        (0..TriggerRule::ALL.len(), 0..8_u8, 0..6_u8, 0..6_u8).prop_map(|(rule, role, mapping, past)| Kind {
            depends_on_past: past == 0,
            rule: TriggerRule::ALL[rule],
            is_mapped: mapping == 0,
            is_in_mapped_group: (1..3).contains(&mapping),
            is_setup: role == 0,
            is_teardown: role == 1,
        });
    let upstreams = (1..14_usize).prop_flat_map(|size| {
        (0..size)
            .map(|task| {
                proptest::collection::btree_set(0..task.max(1) as u32, 0..=task.min(3))
                    .prop_map(move |set| if task == 0 { Vec::new() } else { set.into_iter().collect() })
            })
            .collect::<Vec<_>>()
    });
    (upstreams, 0..3_u32, proptest::collection::vec(kind, 14))
}

/// What a task is.
#[derive(Clone, Copy, Debug)]
struct Kind {
    rule: TriggerRule,
    depends_on_past: bool,
    is_mapped: bool,
    is_in_mapped_group: bool,
    is_setup: bool,
    is_teardown: bool,
}

/// What a task's trigger rule says, read off Airflow's table by counting all its upstreams.
fn counted(run: &Run, key: InstanceKey) -> Verdict {
    let task = key.task;
    let dag = run.dag();
    let state = |task: &TaskIndex| seen(run, *task, key);
    let upstream = dag.graph.upstream(task);
    let before = instances_before(run, key);
    let of = |wanted: TaskInstanceState| before.iter().filter(|state| **state == Some(wanted)).count();
    let (s, f, u) = (
        of(TaskInstanceState::Success),
        of(TaskInstanceState::Failed),
        of(TaskInstanceState::UpstreamFailed),
    );
    let (k, n) = (of(TaskInstanceState::Skipped), before.len());
    let done = s + f + u + k;
    let pick = |rows: &[(bool, Verdict)]| {
        rows.iter().find(|(is_so, _)| *is_so).map_or(Verdict::Wait, |(_, verdict)| *verdict)
    };
    let (run_it, skip, fail) = (Verdict::Run, Verdict::Skip, Verdict::UpstreamFailed);
    match dag.task(task).trigger_rule {
        TriggerRule::AllSuccess => pick(&[(f + u > 0, fail), (k > 0, skip), (s == n, run_it)]),
        TriggerRule::AllFailed => pick(&[(s + k > 0, skip), (f + u == n, run_it)]),
        TriggerRule::AllDone => pick(&[(done == n, run_it)]),
        TriggerRule::AllDoneMinOneSuccess => {
            pick(&[(k > 0, skip), (done == n && s > 0, run_it), (done == n, fail)])
        }
        TriggerRule::OneSuccess => pick(&[(s > 0, run_it), (k == n, skip), (done == n, fail)]),
        TriggerRule::OneFailed => pick(&[(f + u > 0, run_it), (done == n, skip)]),
        TriggerRule::OneDone => pick(&[(s + f > 0, run_it), (done == n, skip)]),
        TriggerRule::NoneFailed => pick(&[(f + u > 0, fail), (s + k == n, run_it)]),
        TriggerRule::NoneFailedMinOneSuccess => {
            pick(&[(f + u > 0, fail), (k == n, skip), (s + k == n && s > 0, run_it)])
        }
        TriggerRule::NoneSkipped => pick(&[(k > 0, skip), (done == n, run_it)]),
        TriggerRule::AllSkipped => pick(&[(s + f + u > 0, skip), (k == n, run_it)]),
        TriggerRule::Always => run_it,
        TriggerRule::AllDoneSetupSuccess => {
            let setups: Vec<_> = upstream
                .iter()
                .filter(|other| dag.task(task).is_teardown && dag.task(**other).is_setup)
                .map(state)
                .collect();
            let are_over = setups.iter().all(|state| state.is_some_and(TaskInstanceState::is_terminal));
            let has =
                |wanted: fn(TaskInstanceState) -> bool| setups.iter().any(|state| state.is_some_and(wanted));
            let is_ruled_out =
                !setups.is_empty() && are_over && !has(|state| state == TaskInstanceState::Success);
            pick(&[
                (is_ruled_out && has(TaskInstanceState::is_failure), fail),
                (is_ruled_out, skip),
                (done == n && between_is_over(run, key), run_it),
            ])
        }
    }
}

/// The states of all instances that this one waits for: all of each task before it, but in its own mapped group only the
/// one with its own map index.
fn instances_before(run: &Run, key: InstanceKey) -> Vec<Option<TaskInstanceState>> {
    let dag = run.dag();
    let group = dag.mapped_group(key.task);
    let mut states = Vec::new();
    for task in dag.graph.upstream(key.task) {
        let is_one_by_one = group.is_some() && dag.mapped_group(*task) == group;
        let keys = run
            .keys_of(*task)
            .filter(|other| !is_one_by_one || other.map_index < 0 || other.map_index == key.map_index);
        states.extend(keys.map(|other| run.instance(other).state));
    }
    states
}

/// The state of another task for an instance: in its own mapped group, of the one with its own map index.
fn seen(run: &Run, other: TaskIndex, key: InstanceKey) -> Option<TaskInstanceState> {
    let group = run.dag().mapped_group(key.task);
    let is_beside = group.is_some() && run.dag().mapped_group(other) == group && key.map_index >= 0;
    if !is_beside {
        return run.task_state(other);
    }
    let mut states = run
        .keys_of(other)
        .filter(|beside| beside.map_index < 0 || beside.map_index == key.map_index)
        .map(|beside| run.instance(beside).state);
    states.next().flatten().filter(|state| state.is_terminal())
}

fn between_is_over(run: &Run, key: InstanceKey) -> bool {
    run.dag().scopes.between(key.task).iter().all(|other| seen(run, *other, key).is_some())
}

/// What the setups say that an instance stands under, without those directly before it.
fn counted_setups(run: &Run, key: InstanceKey) -> Verdict {
    let direct = run.dag().graph.upstream(key.task);
    let setups = run.dag().scopes.setups_of(key.task).iter().filter(|setup| !direct.contains(setup));
    let states: Vec<_> = setups.map(|setup| seen(run, *setup, key)).collect();
    let has = |wanted: fn(TaskInstanceState) -> bool| states.iter().flatten().any(|state| wanted(*state));
    if has(TaskInstanceState::is_failure) {
        Verdict::UpstreamFailed
    } else if has(|state| state == TaskInstanceState::Skipped) {
        Verdict::Skip
    } else if states.iter().all(Option::is_some) {
        Verdict::Run
    } else {
        Verdict::Wait
    }
}

/// What the history tells.
#[derive(Clone, Debug)]
enum Told {
    Change(Change),
    Version(Arc<Dag>),
}

/// A run, what is waiting to be done with it, and everything that was ever changed.
struct Player {
    /// The version that the run began with.
    first: Arc<Dag>,
    /// The version that it has now.
    dag: Arc<Dag>,
    run: Run,
    now: Timestamp,
    history: Vec<(Timestamp, Told)>,
    waiting: BTreeSet<InstanceKey>,
    running: BTreeMap<InstanceKey, u32>,
    retries: BTreeMap<InstanceKey, Timestamp>,
    waits: BTreeSet<InstanceKey>,
    /// The tasks that have asked what the run before says.
    pasts: BTreeSet<TaskIndex>,
    /// The mapped tasks that have asked what they are expanded over.
    asking: BTreeSet<TaskIndex>,
    ends: BTreeMap<(TaskId, i32, u32), u32>,
}

impl Player {
    fn new(dag: Arc<Dag>) -> Self {
        let mut player = Self {
            run: Run::new(Arc::clone(&dag), "r"),
            first: Arc::clone(&dag),
            dag,
            now: Timestamp::UNIX_EPOCH,
            history: Vec::new(),
            waiting: BTreeSet::new(),
            running: BTreeMap::new(),
            retries: BTreeMap::new(),
            asking: BTreeSet::new(),
            waits: BTreeSet::new(),
            pasts: BTreeSet::new(),
            ends: BTreeMap::new(),
        };
        player.input(Input::Start);
        player
    }

    fn input(&mut self, input: Input) {
        let before = self.run.clone();
        let decision = self.run.decide(input, self.now).expect("no decision is illegal");
        self.check_verdicts(before, &decision.changes);
        for change in &decision.changes {
            self.check(change);
        }
        self.history.extend(decision.changes.into_iter().map(|change| (self.now, Told::Change(change))));
        for effect in decision.effects {
            self.carry_out(effect);
        }
        self.check_counts();
    }

    /// Each change by a trigger rule is what the rule says of the upstreams as they are at that moment.
    fn check_verdicts(&self, mut run: Run, changes: &[Change]) {
        for change in changes {
            if let Change::Task { instance, change } = change
                && run.has_instance(*instance)
                && run.instance(*instance).state.is_none()
                && !self.dag.graph.upstream(instance.task).is_empty()
            {
                let counted = match counted_setups(&run, *instance) {
                    Verdict::Run => counted(&run, *instance),
                    other => other,
                };
                match change {
                    TaskChange::Scheduled => assert_eq!(counted, Verdict::Run, "{instance:?}"),
                    TaskChange::Expanded { .. } | TaskChange::ExpansionFailed { .. } => {}
                    TaskChange::Skipped { reason }
                        if reason.contains("rule") || reason.contains("upstream") =>
                    {
                        assert_eq!(counted, Verdict::Skip, "{instance:?}");
                    }
                    TaskChange::UpstreamFailed => {
                        assert_eq!(counted, Verdict::UpstreamFailed, "{instance:?}");
                    }
                    _ => {}
                }
            }
            run.apply(change, self.now).expect("a decided change is legal");
        }
    }

    /// What was counted on the way is what counting anew gives.
    fn check_counts(&self) {
        let mut unfinished = 0;
        for (key, live) in self.run.instances() {
            let state = live.state;
            unfinished += usize::from(!state.is_some_and(TaskInstanceState::is_terminal));
            let (shared, own) = (self.run.tasks[key.task.get()].shared, live.upstream);
            let mut anew = UpstreamCounts::default();
            for state in instances_before(&self.run, key).into_iter().flatten() {
                if state.is_terminal() {
                    anew.count(state, 1);
                }
            }
            let mut counted = shared.counts;
            for (state, count) in [
                (TaskInstanceState::Success, own.counts.success),
                (TaskInstanceState::Failed, own.counts.failed),
                (TaskInstanceState::UpstreamFailed, own.counts.upstream_failed),
                (TaskInstanceState::Skipped, own.counts.skipped),
            ] {
                counted.count(state, count as i32);
            }
            assert_eq!(counted, anew, "{key:?}");
            let between = self.run.dag().scopes.between(key.task).iter();
            let between_done = between.filter(|other| seen(&self.run, **other, key).is_some()).count() as u32;
            if key.map_index >= 0 || self.run.tasks[key.task.get()].mapped_group.is_none() {
                let counted = self.run.tasks[key.task.get()].between_done + live.between_done;
                assert_eq!(counted, between_done, "{key:?} between");
            }
            let is_asking = self.run.is_to_be_expanded(key.task);
            let is_settled =
                state.is_some() || self.run.state() != RunState::Running || self.run.is_folding(key.task);
            let is_past_asked = self.run.depends_on_past(key.task)
                && (self.pasts.contains(&key.task) || self.run.tasks[key.task.get()].past != Past::Allows);
            let is_asked = is_past_asked
                || is_asking
                    && self.run.expanded_with(key.task).iter().any(|task| self.asking.contains(task));
            assert!(
                is_settled || is_asked || self.run.verdict(key) == Verdict::Wait,
                "{key:?} was forgotten"
            );
        }
        assert_eq!(unfinished, self.run.unfinished);
    }

    fn check(&mut self, change: &Change) {
        let Change::Task { instance, change } = change else { return };
        match change {
            TaskChange::Succeeded { try_number, .. }
            | TaskChange::Failed { try_number, .. }
            | TaskChange::Lost { try_number, .. }
            | TaskChange::Interrupted { try_number } => {
                let task_id = self.dag.task(instance.task).task_id.clone();
                *self.ends.entry((task_id, instance.map_index, *try_number)).or_default() += 1;
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
                self.waits.remove(&instance);
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
            Effect::Expand { task } => {
                assert!(self.asking.insert(task), "asked twice");
            }
            Effect::ArmWait { instance, .. } => {
                assert!(self.waits.insert(instance));
            }
            Effect::AskPast { task } => {
                assert!(self.pasts.insert(task), "asked twice");
            }
            Effect::ArmTimeout { .. } => {}
        }
    }

    /// The engine dies and comes back: everything in memory is made again from the history.
    fn restart(&mut self) {
        let replayed = replay(&self.first, &self.history);
        assert_same(&replayed, &self.run);
        self.run = replayed;
        let (waiting, retries) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.retries));
        let asking = std::mem::take(&mut self.asking);
        let waits = std::mem::take(&mut self.waits);
        self.pasts.clear();
        for effect in self.run.pending_effects() {
            self.carry_out(effect);
        }
        assert_eq!(
            (&self.waiting, &self.retries, &self.waits),
            (&waiting, &retries, &waits),
            "a restart lost or made up an effect"
        );
        // Any task of a mapped group may ask for all of them.
        let owners = |asking: &BTreeSet<TaskIndex>| -> BTreeSet<_> {
            asking
                .iter()
                .filter(|task| self.run.is_to_be_expanded(**task))
                .map(|task| self.run.expanded_with(*task))
                .collect()
        };
        let needed = |asking: &BTreeSet<TaskIndex>| -> BTreeSet<_> {
            let waits = |task: &TaskIndex| {
                let whole = InstanceKey::unmapped(*task);
                let has_past = self.run.depends_on_past(*task);
                self.run.instance(whole).state.is_none()
                    && !has_past
                    && self.run.verdict(whole) == Verdict::Run
            };
            owners(asking).into_iter().filter(|tasks| tasks.iter().any(waits)).collect()
        };
        assert_eq!(owners(&self.asking), needed(&asking), "a restart forgot to ask, or asked in vain");
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
        let task = TaskIndex((next.pick % self.dag.tasks.len()) as u32);
        match next.rerun {
            Rerun::None => {}
            Rerun::Clear { only_failed, downstream } => {
                let selection = Selection {
                    tasks: vec![task],
                    upstream: next.is_stale,
                    downstream,
                    only_failed,
                    only_running: next.pick.is_multiple_of(7),
                    map_index: None,
                };
                let instances = self.run.select(&selection);
                // What is taken from a mapped task asks anew.
                if instances.len() > 1 {
                    self.asking.retain(|task| self.run.is_to_be_expanded(*task));
                }
                self.input(Input::Clear { instances });
            }
            Rerun::Mark(state) => {
                let instances = self.run.keys_of(task).skip(next.pick % 2).take(2).collect();
                self.input(Input::Mark { instances, state })
            }
        }
        if self.run.state() == RunState::Queued {
            self.input(Input::Start);
        }
        if let Some((instance, at)) = self.retries.pop_first() {
            self.now = self.now.max(at);
            self.input(Input::RetryDue { instance });
        }
        if let Some(task) = self.asking.iter().nth(next.pick % self.asking.len().max(1)).copied() {
            self.asking.remove(&task);
            let count = match next.pick % 9 {
                8 => Err(AttemptError::new(AttemptErrorKind::Fatal, "no list")),
                count => Ok((count % 4) as u32),
            };
            self.input(Input::Expanded { task, count });
        }
        if let Some(task) = self.pasts.iter().nth(next.pick % self.pasts.len().max(1)).copied() {
            // The run before forbids it for a while.
            let reason = (next.pick % 3 == 1).then(|| "the run before has failed".to_owned());
            if reason.is_none() {
                self.pasts.remove(&task);
            }
            self.input(Input::Past { task, reason });
        }
        if let Some(instance) = self.waits.iter().nth(next.pick % self.waits.len().max(1)).copied() {
            self.waits.remove(&instance);
            // A question may time out as well as be answered.
            let is_answered = !next.pick.is_multiple_of(3)
                && self.run.instance(instance).state == Some(TaskInstanceState::AwaitingInput);
            match is_answered {
                true => self.input(Input::Answer { instance, answer: answer() }),
                false => self.input(Input::GoOn { instance }),
            }
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

fn replay(dag: &Arc<Dag>, history: &[(Timestamp, Told)]) -> Run {
    let mut run = Run::new(Arc::clone(dag), "r");
    for (at, told) in history {
        match told {
            Told::Change(change) => run.apply(change, *at).expect("a stored change is legal"),
            Told::Version(dag) => drop(run.change_version(Arc::clone(dag)).expect("the run was over")),
        }
    }
    run
}

fn assert_same(left: &Run, right: &Run) {
    assert_eq!(left.state(), right.state());
    assert_eq!((left.started_at(), left.ended_at()), (right.started_at(), right.ended_at()));
    assert_eq!(left.stop_cause(), right.stop_cause());
    assert!(left.instances().eq(right.instances()), "the replayed instances are not the live ones");
    assert!(left.removed_instances().eq(right.removed_instances()));
    for (left, right) in left.tasks.iter().zip(&right.tasks) {
        assert_eq!((left.count, left.open, left.folding), (right.count, right.open, right.folding));
        assert_eq!((left.shared, left.between_done), (right.shared, right.between_done));
        assert_eq!((&left.whole, &left.mapped), (&right.whole, &right.mapped));
    }
}

/// A DAG with these tasks, of which some are in a mapped group; their names are counted from `first`.
fn dag_like((upstream, retries, kinds): &(Vec<Vec<u32>>, u32, Vec<Kind>), first: usize) -> Arc<Dag> {
    let slices: Vec<&[u32]> = upstream.iter().map(Vec::as_slice).collect();
    let mapping =
        || Some(Mapping { kind: MappingKind::Each, over: serde_json::Value::Null, has_templates: false });
    let group = Group { group_id: "g".to_owned(), tooltip: None, parent: None, mapping: mapping() };
    dag_in_groups(&slices, vec![group], |task| {
        let place: usize = task.task_id.as_str()[5..].parse().unwrap();
        task.task_id = format!("task_{}", first + place).into();
        task.retry.retries = *retries;
        task.trigger_rule = kinds[place].rule;
        task.is_setup = kinds[place].is_setup;
        task.is_teardown = kinds[place].is_teardown;
        task.depends_on_past = kinds[place].depends_on_past;
        task.mapping = mapping().filter(|_| kinds[place].is_mapped);
        task.group = Some(GroupIndex(0)).filter(|_| kinds[place].is_in_mapped_group);
        if task.is_teardown {
            task.trigger_rule = TriggerRule::AllDoneSetupSuccess;
        }
    })
}

impl Player {
    /// From here everything succeeds: then the run must end in so many moves.
    fn play_to_the_end(&mut self) {
        let calm = Move {
            pick: 0,
            outcome: SUCCESS,
            does_restart: false,
            does_cancel: false,
            is_stale: false,
            rerun: Rerun::None,
        };
        for _ in 0..self.dag.tasks.len() * 4 * 2 * (3 + LOSSES_MAX + 2) as usize {
            self.play(&calm);
        }
        assert!(self.run.state().is_terminal(), "the run did not end: {:?}", self.run);
        assert!(self.asking.is_empty() && self.waits.is_empty(), "asked, and never told");
        assert!(self.waiting.is_empty() && self.running.is_empty() && self.retries.is_empty());
        assert!(self.ends.values().all(|times| *times == 1), "an attempt ended twice");
        assert_same(&replay(&self.first, &self.history), &self.run);
        for (key, live) in self.run.instances() {
            assert!(live.state.is_some_and(TaskInstanceState::is_terminal));
            let retries = self.dag.task(key.task).retry.retries;
            // An instance that another version was kind to keeps its failures.
            assert!(live.failures <= retries.max(2) + 1 && live.losses <= LOSSES_MAX + 1);
        }
    }

    /// The run, which is over, goes on with another version.
    fn change_version(&mut self, dag: Arc<Dag>) {
        let numbers = |run: &Run| -> BTreeMap<(TaskId, i32), u32> {
            let present = run.instances().map(|(key, live)| {
                let task_id = run.dag().task(key.task).task_id.clone();
                ((task_id, key.map_index), live.try_number)
            });
            let removed = run.removed_instances().map(|(key, task_id, live)| {
                assert_eq!(live.state, Some(TaskInstanceState::Removed));
                ((task_id.clone(), key.map_index), live.try_number)
            });
            present.chain(removed).collect()
        };
        let (before, states) = (numbers(&self.run), self.run.clone());
        let plan = self.run.change_version(Arc::clone(&dag)).expect("the run is over");
        self.history.push((self.now, Told::Version(Arc::clone(&dag))));
        self.dag = dag;
        for ((task_id, map_index), try_number) in numbers(&self.run) {
            if let Some(was) = before.get(&(task_id.clone(), map_index)) {
                assert_eq!(try_number, *was, "{task_id} [{map_index}] counts its attempts anew");
            }
        }
        for (key, live) in self.run.instances() {
            let task_id = self.dag.task(key.task).task_id.as_str();
            let is_new = plan.anew.contains(&key.task) || plan.added.contains(&key.task);
            let was = states
                .dag()
                .index_of(task_id)
                .filter(|_| !is_new)
                .map(|task| states.instance(InstanceKey { task, ..key }).state);
            assert_eq!(live.state, was.flatten(), "{task_id}");
        }
        let new: BTreeSet<u32> = plan.numbers.iter().map(|(_, new)| *new).collect();
        assert_eq!(new.len(), plan.numbers.len(), "two tasks have one number");
        self.asking.clear();
        self.pasts.clear();
        self.check_counts();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_for_any_dag_and_any_course_of_events(shape in dags(), moves in moves()) {
        let mut player = Player::new(dag_like(&shape, 0));
        for next in &moves {
            player.play(next);
        }
        player.play_to_the_end();
    }

    #[test]
    fn the_rules_hold_for_a_run_that_goes_on_with_other_versions(
        shapes in proptest::collection::vec((dags(), 0..4_usize, moves(), any::<bool>(), any::<usize>()), 2..4)
    ) {
        let mut player = Player::new(dag_like(&shapes[0].0, shapes[0].1));
        for (place, (shape, first, moves, downstream, pick)) in shapes.iter().enumerate() {
            if place > 0 {
                player.change_version(dag_like(shape, *first));
                let tasks = vec![TaskIndex((pick % player.dag.tasks.len()) as u32)];
                let selection = Selection { tasks, downstream: *downstream, ..Selection::default() };
                let mut instances = player.run.select(&selection);
                instances.extend(player.run.instances().filter(|(_, live)| live.state.is_none()).map(|(key, _)| key));
                player.input(Input::Clear { instances });
            }
            for next in moves.iter().take(60) {
                player.play(next);
            }
            player.play_to_the_end();
        }
    }
}
