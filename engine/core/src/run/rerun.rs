//! Clearing and marking: task instances run again, or get the state that a person gives them.
//!
//! An attempt that is under way is told to end first; what was asked for happens once it has.

use super::decide::{Effect, Step};
use super::{Afterwards, Change, IllegalChange, InstanceKey, Run, TaskChange};
use crate::dag::{TaskIndex, reachable};
use crate::states::{RunState, TaskInstanceState};
use std::collections::BTreeSet;

/// Which instances of a run are to be cleared or marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The tasks to begin with; all tasks if empty.
    pub tasks: Vec<TaskIndex>,
    /// Of the tasks to begin with, only the instance with this map index, if given.
    pub map_index: Option<i32>,
    /// Also all tasks before them.
    pub upstream: bool,
    /// Also all tasks after them.
    pub downstream: bool,
    /// Of these, only the ones that failed or did not run because of a failure.
    pub only_failed: bool,
    /// Of these, only the ones that are running; with `only_failed`, those too.
    pub only_running: bool,
}

impl Selection {
    fn takes(&self, state: Option<TaskInstanceState>) -> bool {
        use TaskInstanceState::{Restarting, Running};
        (!self.only_failed && !self.only_running)
            || (self.only_failed && state.is_some_and(TaskInstanceState::is_failure))
            || (self.only_running && matches!(state, Some(Running | Restarting)))
    }
}

impl Run {
    /// The instances that a selection names, in the order of the file. Clearing a task clears the setups that it
    /// stands under, and their teardowns, too: what was tidied up must be set up again (Airflow's rule). In a mapped group
    /// these are the ones with its own map index.
    pub fn select(&self, selection: &Selection) -> Vec<InstanceKey> {
        let named = self.named(selection);
        let mut all: BTreeSet<InstanceKey> = named.iter().copied().collect();
        for key in named {
            for setup in self.dag.scopes.setups_of(key.task) {
                all.extend(self.keys_seen(*setup, key));
                let downstream = self.dag.graph.downstream(*setup).iter();
                let teardowns = downstream.filter(|task| self.dag.task(**task).is_teardown);
                all.extend(teardowns.flat_map(|teardown| self.keys_seen(*teardown, key)));
            }
        }
        all.into_iter().collect()
    }

    /// The instances of a task that this one has to do with: all, or in its own mapped group the one beside it.
    fn keys_seen(&self, other: TaskIndex, key: InstanceKey) -> impl Iterator<Item = InstanceKey> + use<> {
        let is_one_by_one = key.map_index >= 0 && self.is_one_by_one(other, key.task);
        let is_seen =
            move |seen: &InstanceKey| !is_one_by_one || seen.map_index < 0 || seen.map_index == key.map_index;
        self.keys_of(other).filter(is_seen)
    }

    /// The instances that a selection names, and no others, in the order of the file.
    pub fn named(&self, selection: &Selection) -> Vec<InstanceKey> {
        let is_wanted = |key: &InstanceKey| {
            let is_named = selection.tasks.contains(&key.task);
            let has_index =
                selection.map_index.is_none_or(|map_index| !is_named || key.map_index == map_index);
            has_index && selection.takes(self.instance(*key).state)
        };
        self.named_tasks(selection)
            .into_iter()
            .flat_map(|task| self.keys_of(task))
            .filter(is_wanted)
            .collect()
    }

    fn named_tasks(&self, selection: &Selection) -> BTreeSet<TaskIndex> {
        let graph = &self.dag.graph;
        let mut tasks: BTreeSet<TaskIndex> = if selection.tasks.is_empty() {
            self.dag.indices().collect()
        } else {
            selection.tasks.iter().copied().collect()
        };
        let starts: Vec<TaskIndex> = tasks.iter().copied().collect();
        if selection.upstream {
            tasks.extend(reachable(starts.iter().copied(), |task| graph.upstream(task)));
        }
        if selection.downstream {
            tasks.extend(reachable(starts.iter().copied(), |task| graph.downstream(task)));
        }
        tasks
    }

    /// Whether it has been told to end before its time and has not ended yet.
    pub fn is_being_stopped(&self) -> bool {
        self.stop.is_some() && !self.state.is_terminal()
    }
}

impl Step<'_> {
    /// The instances are as if they had never run. A run that was over goes on; one that is being stopped does not.
    pub(super) fn clear(&mut self, instances: &[InstanceKey]) -> Result<(), IllegalChange> {
        if instances.is_empty() || self.run.is_being_stopped() {
            return Ok(());
        }
        self.queue_again()?;
        let all: BTreeSet<InstanceKey> =
            instances.iter().copied().filter(|key| self.run.has_instance(*key)).collect();
        let tasks: BTreeSet<TaskIndex> = all.iter().map(|key| key.task).collect();
        let whole: BTreeSet<TaskIndex> =
            tasks.into_iter().filter(|task| self.are_all_of(*task, &all)).collect();
        for instance in &all {
            let afterwards =
                if whole.contains(&instance.task) { Afterwards::ClearTask } else { Afterwards::Clear };
            match self.run.instance(*instance).state {
                None => {}
                Some(TaskInstanceState::Running) => self.interrupt(*instance, afterwards)?,
                Some(TaskInstanceState::Restarting) => {}
                Some(_) => {
                    self.effect(Effect::Dequeue { instance: *instance });
                    self.task(*instance, TaskChange::Cleared)?;
                }
            }
        }
        for task in whole {
            self.fold_cleared(task)?;
        }
        self.consider_all()
    }

    /// The instances get this state. With success, those after them that failed or did not run for it are cleared, so
    /// that the run goes on from there (Airflow's rule).
    pub(super) fn mark(
        &mut self,
        instances: &[InstanceKey],
        state: TaskInstanceState,
    ) -> Result<(), IllegalChange> {
        let changed: Vec<InstanceKey> = instances
            .iter()
            .copied()
            .filter(|key| self.run.has_instance(*key) && self.run.instance(*key).state != Some(state))
            .collect();
        if changed.is_empty() || !state.is_terminal() {
            return Ok(());
        }
        self.queue_again()?;
        for instance in &changed {
            match self.run.instance(*instance).state {
                Some(TaskInstanceState::Running | TaskInstanceState::Restarting) => {
                    self.interrupt(*instance, Afterwards::Mark(state))?;
                }
                _ => {
                    self.effect(Effect::Dequeue { instance: *instance });
                    self.task(*instance, TaskChange::Marked { state })?;
                }
            }
        }
        if state == TaskInstanceState::Success {
            self.clear_failed_after(&changed)?;
        }
        self.consider_all()
    }

    fn clear_failed_after(&mut self, instances: &[InstanceKey]) -> Result<(), IllegalChange> {
        let graph = &self.run.dag.graph;
        let after = reachable(instances.iter().map(|key| key.task), |task| graph.downstream(task));
        let has_failed =
            |key: &InstanceKey| self.run.instance(*key).state.is_some_and(TaskInstanceState::is_failure);
        let failed: Vec<InstanceKey> =
            after.into_iter().flat_map(|task| self.run.keys_of(task)).filter(has_failed).collect();
        for key in failed.into_iter().filter(|key| !instances.contains(key)) {
            self.task(key, TaskChange::Cleared)?;
        }
        Ok(())
    }

    /// A run that is over gets another end, without a change to its instances.
    pub(super) fn mark_run(&mut self, state: RunState) -> Result<(), IllegalChange> {
        if self.run.state.is_terminal() && state.is_terminal() && self.run.state != state {
            self.change(Change::RunMarked { state })?;
        }
        Ok(())
    }

    fn queue_again(&mut self) -> Result<(), IllegalChange> {
        if self.run.state.is_terminal() { self.change(Change::RunQueued) } else { Ok(()) }
    }

    fn interrupt(&mut self, instance: InstanceKey, afterwards: Afterwards) -> Result<(), IllegalChange> {
        let try_number = self.run.instance(instance).try_number;
        self.effect(Effect::KillAttempt { instance, try_number });
        self.task(instance, TaskChange::Interrupting { afterwards })
    }
}
