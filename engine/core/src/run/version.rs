//! A run that is over goes on with another version of its DAG.
//!
//! Tasks are the same by name. One that both versions have keeps its instances; one that is new has run never; one that
//! is gone keeps what it was, as removed, in case a later version has it again (Airflow's rule). What was counted on
//! the way is counted anew, for the edges of the new version.

use super::{Instance, InstanceKey, Run, TaskState};
use crate::dag::{Dag, TaskIndex};
use crate::ids::TaskId;
use crate::states::TaskInstanceState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A task that an earlier version of the DAG had, and the version of the run has not.
#[derive(Clone, Debug)]
pub(super) struct RemovedTask {
    task_id: TaskId,
    /// What it was; only the state of its instances is another.
    was: TaskState,
}

/// What a new version does to the numbers of a run's tasks. A task's number is its place in the DAG; those that are gone
/// come after all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionMove {
    /// The old and the new number of every task that the run knew.
    pub numbers: Vec<(u32, u32)>,
    /// The tasks that begin anew: the version has them as another kind of task (mapped, or in another mapped group), or
    /// has them again. Their numbers are the new ones.
    pub anew: Vec<TaskIndex>,
    /// The tasks that no version of the run had before.
    pub added: Vec<TaskIndex>,
    /// The tasks that are gone, by their new numbers.
    pub removed: Vec<TaskIndex>,
}

/// What is known of a task from before.
struct Before {
    number: u32,
    was: TaskState,
    /// Whether it was in the version before, and as the same kind of task as in the next one.
    is_alike: bool,
}

impl Run {
    /// Goes on with another version of the DAG. None, and nothing changes, when the run is not over: what is under way
    /// ends on the version that it began with.
    pub fn change_version(&mut self, dag: Arc<Dag>) -> Option<VersionMove> {
        if !self.state.is_terminal() {
            return None;
        }
        let mut fresh = Self::new(dag, Arc::clone(&self.run_id));
        (fresh.state, fresh.stop) = (self.state, self.stop);
        fresh.has_been_over = true;
        (fresh.started_at, fresh.ended_at) = (self.started_at, self.ended_at);
        let old = std::mem::replace(self, fresh);
        let mut found = old.tasks_by_name(&self.dag);
        let mut plan = VersionMove::default();
        let mut kept = Vec::new();
        for task in self.dag.indices() {
            let Some(before) = found.remove(&self.dag.task(task).task_id) else {
                plan.added.push(task);
                continue;
            };
            plan.numbers.push((before.number, task.0));
            self.keep_numbers(task, &before.was);
            if before.is_alike {
                kept.push((task, before.was));
            } else {
                plan.anew.push(task);
            }
        }
        self.keep(kept);
        let mut gone: Vec<(TaskId, Before)> = found.into_iter().collect();
        gone.sort_by_key(|(_, before)| before.number);
        for (task_id, Before { number, was, .. }) in gone {
            let index = TaskIndex((self.dag.tasks.len() + self.removed.len()) as u32);
            plan.numbers.push((number, index.0));
            plan.removed.push(index);
            self.removed.push(RemovedTask::new(task_id, was));
        }
        Some(plan)
    }

    /// The instances of tasks that only earlier versions of the DAG had, by their numbers.
    pub fn removed_instances(&self) -> impl Iterator<Item = (InstanceKey, &TaskId, &Instance)> {
        self.removed.iter().zip(self.dag.tasks.len() as u32..).flat_map(|(task, number)| {
            let key = move |map_index| InstanceKey { task: TaskIndex(number), map_index };
            let instances = task.was.instances();
            instances.map(move |(map_index, instance)| (key(map_index), &task.task_id, instance))
        })
    }

    /// All tasks that the run knows, by name.
    fn tasks_by_name(self, next: &Dag) -> BTreeMap<TaskId, Before> {
        let dag = self.dag;
        let is_alike = |task| {
            let other = next.index_of(dag.task(task).task_id.as_str());
            other.is_some_and(|other| mapping_of(&dag, task) == mapping_of(next, other))
        };
        let present = dag.indices().zip(self.tasks).map(|(task, was)| {
            let before = Before { number: task.0, was, is_alike: is_alike(task) };
            (dag.task(task).task_id.clone(), before)
        });
        let removed = (dag.tasks.len() as u32..)
            .zip(self.removed)
            .map(|(number, task)| (task.task_id, Before { number, was: task.was, is_alike: false }));
        present.chain(removed).collect()
    }

    /// The next attempts of a task go on from the numbers that it had.
    fn keep_numbers(&mut self, task: TaskIndex, was: &TaskState) {
        let numbered = |was: &Instance| Instance { try_number: was.try_number, ..Instance::default() };
        let live = &mut self.tasks[task.get()];
        live.whole.try_number = was.whole.try_number;
        live.mapped = was.mapped.iter().map(numbered).collect();
    }

    /// Gives tasks their instances back, and counts for those after them how they ended.
    fn keep(&mut self, kept: Vec<(TaskIndex, TaskState)>) {
        for (task, was) in &kept {
            if let Some(count) = was.count {
                self.expand(*task, count);
            }
        }
        for (task, was) in &kept {
            for (map_index, instance) in was.instances() {
                self.keep_instance(InstanceKey { task: *task, map_index }, instance);
            }
        }
    }

    fn keep_instance(&mut self, key: InstanceKey, was: &Instance) {
        let live = self.instance_mut(key);
        let Instance { upstream, between_done, passed_over, .. } = *live;
        *live = Instance { upstream, between_done, passed_over, follow: None, ..was.clone() };
        if let Some(state) = was.state.filter(|state| state.is_terminal()) {
            let crosses = self.count_open(key.task, -1);
            self.tell_downstream(key, state, 1, crosses);
        }
        self.follow(key, was.follow.clone());
    }
}

impl RemovedTask {
    fn new(task_id: TaskId, mut was: TaskState) -> Self {
        was.whole.state = Some(TaskInstanceState::Removed);
        was.mapped.iter_mut().for_each(|instance| instance.state = Some(TaskInstanceState::Removed));
        Self { task_id, was }
    }
}

impl TaskState {
    /// The instances that it has at the moment, by map index.
    fn instances(&self) -> impl Iterator<Item = (i32, &Instance)> {
        let whole = self.count.is_none().then_some((-1, &self.whole));
        let count = self.count.unwrap_or(0) as usize;
        whole.into_iter().chain((0..).zip(self.mapped.iter().take(count)))
    }
}

/// Whether a task is mapped, and the name of the mapped group that it is in.
fn mapping_of(dag: &Dag, task: TaskIndex) -> (bool, Option<&str>) {
    let group = dag.mapped_group(task).map(|group| dag.groups[group.get()].group_id.as_str());
    (dag.task(task).mapping.is_some(), group)
}
