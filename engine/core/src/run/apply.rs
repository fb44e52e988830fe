//! How a change changes the state, and which changes are legal in which state: one table.

use super::{Change, Instance, InstanceKey, Run, TaskChange};
use crate::states::{RunState, TaskInstanceState};
use jiff::Timestamp;
use std::fmt;

/// A change that the state does not allow: a bug in the engine, or a history that somebody altered.
#[derive(Clone, Debug, PartialEq)]
pub struct IllegalChange {
    /// The change.
    pub change: Change,
    /// The state that it met, in words.
    pub met: String,
}

impl fmt::Display for IllegalChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} cannot follow: {}", self.change.event_name(), self.met)
    }
}

impl std::error::Error for IllegalChange {}

impl Run {
    /// Carries out a change that happened at `at`, live or replayed. The only function that changes a run.
    pub fn apply(&mut self, change: &Change, at: Timestamp) -> Result<(), IllegalChange> {
        match change {
            Change::RunStarted if self.state == RunState::Queued => {
                self.state = RunState::Running;
                self.started_at = Some(at);
            }
            Change::CancelRequested if !self.state.is_terminal() => self.cancel_requested = true,
            Change::RunEnded { state } if self.may_end() && *state == self.outcome() => {
                self.state = *state;
                self.ended_at = Some(at);
            }
            Change::Task { instance, change: task_change } if self.has(*instance) => {
                return self
                    .apply_to_instance(*instance, task_change, at)
                    .ok_or_else(|| self.illegal(change));
            }
            _ => return Err(self.illegal(change)),
        }
        Ok(())
    }

    /// Success or failed, as the leaves and a cancel decide it (Airflow's rule).
    pub(super) fn outcome(&self) -> RunState {
        let leaf_failed = |task| {
            self.instance(InstanceKey::unmapped(task)).state.is_some_and(TaskInstanceState::is_failure)
        };
        if self.cancel_requested || self.dag.graph.leaves().any(leaf_failed) {
            RunState::Failed
        } else {
            RunState::Success
        }
    }

    pub(super) fn may_end(&self) -> bool {
        self.state == RunState::Running && self.unfinished == 0
    }

    fn has(&self, key: InstanceKey) -> bool {
        key.map_index == -1 && key.task.get() < self.instances.len() && self.state == RunState::Running
    }

    fn apply_to_instance(&mut self, key: InstanceKey, change: &TaskChange, at: Timestamp) -> Option<()> {
        let instance = self.instance_mut(key);
        let state = next_state(instance, change)?;
        match change {
            TaskChange::Started { try_number } => {
                instance.try_number = *try_number;
                instance.started_at = Some(at);
                instance.ended_at = None;
            }
            TaskChange::Failed { retry_at, .. } => {
                instance.failures += 1;
                instance.retry_at = *retry_at;
            }
            TaskChange::Lost { .. } => instance.losses += 1,
            TaskChange::Scheduled => {
                instance.retry_at = None;
                instance.scheduled_at = Some(at);
            }
            TaskChange::Succeeded { .. }
            | TaskChange::Interrupted { .. }
            | TaskChange::Skipped { .. }
            | TaskChange::UpstreamFailed => {}
        }
        instance.state = Some(state);
        if !matches!(change, TaskChange::Scheduled | TaskChange::Started { .. }) {
            instance.ended_at = Some(at);
        }
        if state.is_terminal() {
            instance.retry_at = None;
            self.unfinished -= 1;
            self.tell_downstream(key, state);
        }
        Some(())
    }

    fn tell_downstream(&mut self, key: InstanceKey, state: TaskInstanceState) {
        for task in self.dag.graph.downstream(key.task) {
            self.instances[task.get()].upstream.add(state);
        }
    }

    fn illegal(&self, change: &Change) -> IllegalChange {
        let met = match change {
            Change::Task { instance, .. } if instance.task.get() < self.instances.len() => {
                let met = self.instance(*instance);
                let state = met.state.map_or("no_status", TaskInstanceState::as_str);
                let task = &self.dag.task(instance.task).task_id;
                format!("task {task} is {state} in attempt {}, its run is {}", met.try_number, self.state)
            }
            _ => format!("the run is {} with {} unfinished task instances", self.state, self.unfinished),
        };
        IllegalChange { change: change.clone(), met }
    }
}

/// The legality table: the state that `change` leads to from this instance's state; none when it may not happen.
fn next_state(instance: &Instance, change: &TaskChange) -> Option<TaskInstanceState> {
    use TaskChange as C;
    use TaskInstanceState as S;
    let is_current = |number: &u32| *number == instance.try_number;
    match (instance.state, change) {
        (None | Some(S::UpForRetry), C::Scheduled) => Some(S::Scheduled),
        (Some(S::Scheduled), C::Started { try_number }) if *try_number == instance.try_number + 1 => {
            Some(S::Running)
        }
        (Some(S::Running), C::Succeeded { try_number }) if is_current(try_number) => Some(S::Success),
        (Some(S::Running), C::Failed { try_number, retry_at: Some(_), .. }) if is_current(try_number) => {
            Some(S::UpForRetry)
        }
        (Some(S::Running), C::Failed { try_number, retry_at: None, .. }) if is_current(try_number) => {
            Some(S::Failed)
        }
        (Some(S::Running), C::Lost { try_number, again: true }) if is_current(try_number) => {
            Some(S::Scheduled)
        }
        (Some(S::Running), C::Lost { try_number, again: false }) if is_current(try_number) => Some(S::Failed),
        (Some(S::Running), C::Interrupted { try_number }) if is_current(try_number) => Some(S::Scheduled),
        (None | Some(S::Scheduled | S::UpForRetry | S::Running), C::Skipped { .. }) => Some(S::Skipped),
        (None, C::UpstreamFailed) => Some(S::UpstreamFailed),
        _ => None,
    }
}
