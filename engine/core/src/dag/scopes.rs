//! What follows from setups and teardowns: which setups a task stands under, what a teardown waits for beyond its
//! direct upstreams, and which tasks decide how a run ends.
//!
//! A setup and a teardown directly after it are a pair; the tasks between them (downstream of the one, upstream of
//! the other) are their scope. Source: Airflow 3.3, `get_upstreams_only_setups`, `_tis_for_dagrun_state`.

use super::{Graph, Task, TaskIndex};
use std::collections::BTreeSet;

/// The setup and teardown scopes of a DAG. Empty lists for a DAG without any, but for the deciding tasks.
#[derive(Clone, Debug, Default)]
pub struct Scopes {
    setups: Vec<Vec<TaskIndex>>,
    between: Vec<Vec<TaskIndex>>,
    waiting: Vec<Vec<TaskIndex>>,
    under: Vec<Vec<TaskIndex>>,
    deciding: Vec<TaskIndex>,
}

impl Scopes {
    /// Works them out.
    pub fn new(tasks: &[Task], graph: &Graph) -> Self {
        let size = tasks.len();
        let empty = || vec![Vec::new(); size];
        let mut scopes = Self {
            setups: empty(),
            between: empty(),
            waiting: empty(),
            under: empty(),
            deciding: deciding(tasks, graph),
        };
        let index = |place: usize| TaskIndex(place as u32);
        for setup in (0..size).map(index).filter(|setup| tasks[setup.get()].is_setup) {
            let after = reachable([setup], |task| graph.downstream(task));
            let teardowns: Vec<TaskIndex> = graph
                .downstream(setup)
                .iter()
                .copied()
                .filter(|task| tasks[task.get()].is_teardown)
                .collect();
            if teardowns.is_empty() {
                scopes.stand_under(setup, after.iter().copied(), tasks);
            }
            for teardown in teardowns {
                let before = reachable([teardown], |task| graph.upstream(task));
                scopes.stand_under(setup, after.intersection(&before).copied(), tasks);
                scopes.waits(teardown, after.intersection(&before).copied(), graph);
            }
        }
        scopes
    }

    /// The setups that must have succeeded before the task may run, besides what its trigger rule says. They may be
    /// direct upstreams of it too.
    pub fn setups_of(&self, task: TaskIndex) -> &[TaskIndex] {
        self.setups.get(task.get()).map_or(&[], Vec::as_slice)
    }

    /// The tasks that stand under this setup.
    pub fn under(&self, setup: TaskIndex) -> &[TaskIndex] {
        self.under.get(setup.get()).map_or(&[], Vec::as_slice)
    }

    /// The tasks that a teardown waits for though they are no direct upstreams of it.
    pub fn between(&self, teardown: TaskIndex) -> &[TaskIndex] {
        self.between.get(teardown.get()).map_or(&[], Vec::as_slice)
    }

    /// The teardowns that wait for the task though it is no direct upstream of theirs.
    pub fn waiting(&self, task: TaskIndex) -> &[TaskIndex] {
        self.waiting.get(task.get()).map_or(&[], Vec::as_slice)
    }

    /// The tasks whose ends decide how a run ends: the leaves, as if teardowns were not there, unless their failure is
    /// to fail the run.
    pub fn deciding(&self) -> &[TaskIndex] {
        &self.deciding
    }

    fn stand_under(&mut self, setup: TaskIndex, scope: impl Iterator<Item = TaskIndex>, tasks: &[Task]) {
        for task in scope.filter(|task| !tasks[task.get()].is_teardown) {
            if !self.setups[task.get()].contains(&setup) {
                self.setups[task.get()].push(setup);
                self.under[setup.get()].push(task);
            }
        }
    }

    fn waits(&mut self, teardown: TaskIndex, scope: impl Iterator<Item = TaskIndex>, graph: &Graph) {
        for task in scope.filter(|task| !graph.upstream(teardown).contains(task)) {
            if !self.between[teardown.get()].contains(&task) {
                self.between[teardown.get()].push(task);
                self.waiting[task.get()].push(teardown);
            }
        }
    }
}

fn deciding(tasks: &[Task], graph: &Graph) -> Vec<TaskIndex> {
    let is_ignored = |task: &Task| task.is_teardown && !task.on_failure_fail_dagrun;
    let indices = || (0..tasks.len()).map(|place| TaskIndex(place as u32));
    let counts = |task: &TaskIndex| {
        let downstream = graph.downstream(*task);
        !is_ignored(&tasks[task.get()]) && downstream.iter().all(|task| is_ignored(&tasks[task.get()]))
    };
    let deciding: Vec<TaskIndex> = indices().filter(counts).collect();
    // A DAG of nothing but teardowns is decided by its leaves.
    if deciding.is_empty() { graph.leaves().collect() } else { deciding }
}

/// All tasks that can be reached from these by such steps, in the order of the file.
pub(crate) fn reachable<'g>(
    starts: impl IntoIterator<Item = TaskIndex>,
    next: impl Fn(TaskIndex) -> &'g [TaskIndex],
) -> BTreeSet<TaskIndex> {
    let mut found = BTreeSet::new();
    let mut open: Vec<TaskIndex> = starts.into_iter().collect();
    while let Some(task) = open.pop() {
        open.extend(next(task).iter().copied().filter(|task| found.insert(*task)));
    }
    found
}
