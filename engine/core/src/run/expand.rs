//! Mapped tasks: from one instance to as many as there is something to expand over, and back when they are cleared.

use super::decide::{Effect, Step};
use super::{AttemptError, IllegalChange, Instance, InstanceKey, Look, Run, TaskChange, Verdict};
use crate::dag::TaskIndex;
use crate::states::TaskInstanceState;
use std::collections::BTreeSet;

impl Run {
    /// A mapped task has so many instances from here on.
    pub(super) fn expand(&mut self, task: TaskIndex, count: u32) -> Option<()> {
        let live = &mut self.tasks[task.get()];
        if count == 0 || live.count.is_some() || live.whole.state.is_some() {
            return None;
        }
        if live.mapped.len() < count as usize {
            live.mapped.resize_with(count as usize, Instance::default);
        }
        for instance in &mut live.mapped {
            // What had ended without being expanded counts for every instance.
            let try_number = instance.try_number;
            let Instance { upstream, between_done, passed_over, .. } = live.whole;
            *instance = Instance { try_number, upstream, between_done, passed_over, ..Instance::default() };
        }
        live.count = Some(count);
        live.is_expanding = false;
        self.unfinished += count as usize - live.open;
        live.open = count as usize;
        self.count_upstreams_anew(task);
        self.looks.push(Look::Task(task));
        Some(())
    }

    /// Counts the instances of upstreams, and of what a teardown waits for, that were expanded before this task was.
    fn count_upstreams_anew(&mut self, task: TaskIndex) {
        let dag = std::sync::Arc::clone(&self.dag);
        for upstream in dag.graph.upstream(task) {
            self.count_beside(*upstream, task, |instance, state| {
                instance.upstream.counts.count(state, 1);
                instance.upstream.tasks_done += 1;
            });
        }
        for between in dag.scopes.between(task) {
            self.count_beside(*between, task, |instance, _| instance.between_done += 1);
        }
    }

    fn count_beside(
        &mut self,
        other: TaskIndex,
        task: TaskIndex,
        count: impl Fn(&mut Instance, TaskInstanceState),
    ) {
        if !self.is_one_by_one(other, task) || self.expanded_to(other).is_none() {
            return;
        }
        for key in self.keys_of(other) {
            let state = self.instance(key).state.filter(|state| state.is_terminal());
            let beside = self.tasks[task.get()].mapped.get_mut(key.map_index as usize);
            if let (Some(state), Some(instance)) = (state, beside) {
                count(instance, state);
            }
        }
    }

    /// A mapped task whose instances were all cleared has none until it is expanded again.
    pub(super) fn fold(&mut self, task: TaskIndex) -> Option<()> {
        let is_clear = self.keys_of(task).all(|key| self.instance(key).state.is_none());
        let live = &mut self.tasks[task.get()];
        if live.count.is_none() || live.folding > 0 || !is_clear {
            return None;
        }
        live.count = None;
        live.is_expanding = false;
        self.unfinished = self.unfinished + 1 - live.open;
        live.open = 1;
        Some(())
    }

    /// Whether the task gets its instances only when it is known what it is expanded over.
    pub(super) fn is_to_be_expanded(&self, task: TaskIndex) -> bool {
        let live = &self.tasks[task.get()];
        live.count.is_none() && (live.mapped_group.is_some() || self.dag.task(task).mapping.is_some())
    }

    /// Into how many instances the mapped group of a task is expanded, if it is and this task alone is not: it was
    /// cleared after it had ended without its instances.
    pub(super) fn expansion_of_others(&self, task: TaskIndex) -> Option<u32> {
        let live = &self.tasks[task.get()];
        if live.mapped_group.is_none() || live.count.is_some() {
            return None;
        }
        self.expanded_with(task).into_iter().find_map(|other| self.expanded_to(other))
    }

    /// Whether attempts of the task, or of those that are expanded with it, are being ended so that it can be expanded
    /// anew.
    pub(super) fn is_folding(&self, task: TaskIndex) -> bool {
        match self.tasks[task.get()].mapped_group {
            None => self.tasks[task.get()].folding > 0,
            group => self.tasks.iter().any(|other| other.mapped_group == group && other.folding > 0),
        }
    }
}

impl Step<'_> {
    /// Asks what a mapped task, and all of its mapped group, is to be expanded over.
    pub(super) fn ask_to_expand(&mut self, task: TaskIndex) {
        let together = self.run.expanded_with(task);
        if together.iter().all(|other| !self.run.tasks[other.get()].is_expanding) {
            self.run.tasks[task.get()].is_expanding = true;
            self.effect(Effect::Expand { task });
        }
    }

    /// It is known what a mapped task is to be expanded over.
    pub(super) fn expanded(
        &mut self,
        task: TaskIndex,
        count: Result<u32, AttemptError>,
    ) -> Result<(), IllegalChange> {
        let together = self.run.expanded_with(task);
        let was_asked = together.iter().any(|other| self.run.tasks[other.get()].is_expanding);
        together.iter().for_each(|other| self.run.tasks[other.get()].is_expanding = false);
        let waits = |step: &Self, task: &TaskIndex| {
            step.run.is_to_be_expanded(*task)
                && step.run.instance(InstanceKey::unmapped(*task)).state.is_none()
        };
        if !was_asked {
            return Ok(());
        }
        for other in together.into_iter().filter(|task| waits(self, task)).collect::<Vec<_>>() {
            let whole = InstanceKey::unmapped(other);
            match &count {
                Ok(0) => {
                    let reason = "there is nothing to expand it over: the list is empty".to_owned();
                    self.task(whole, TaskChange::Skipped { reason })?;
                }
                Ok(count) => self.task(whole, TaskChange::Expanded { count: *count })?,
                Err(error) if other == task || self.run.verdict(whole) == Verdict::Run => {
                    self.task(whole, TaskChange::ExpansionFailed { error: error.clone() })?;
                    self.fail_fast(whole)?;
                }
                // The others wait for these.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes the instances from mapped tasks that are wholly cleared.
    pub(super) fn fold_cleared(&mut self, task: TaskIndex) -> Result<(), IllegalChange> {
        if self.run.is_folding(task) {
            return Ok(());
        }
        for other in self.run.expanded_with(task) {
            let is_clear = self.run.keys_of(other).all(|key| self.run.instance(key).state.is_none());
            if self.run.expanded_to(other).is_some() && is_clear {
                self.task(InstanceKey::unmapped(other), TaskChange::Folded)?;
            }
            // Nothing was decided about it while attempts were being ended.
            self.run.looks.push(Look::Task(other));
        }
        Ok(())
    }

    /// Whether these instances are all that a mapped task, and those expanded with it, have.
    pub(super) fn are_all_of(&self, task: TaskIndex, instances: &BTreeSet<InstanceKey>) -> bool {
        let together = self.run.expanded_with(task);
        let is_expanded = together.iter().any(|other| self.run.expanded_to(*other).is_some());
        is_expanded
            && together.iter().flat_map(|other| self.run.keys_of(*other)).all(|key| instances.contains(&key))
    }
}
