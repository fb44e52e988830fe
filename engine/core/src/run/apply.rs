//! How a change changes the state, and which changes are legal in which state: one table.

use super::{Afterwards, Change, Follow, Instance, InstanceKey, Run, TaskChange};
use crate::dag::{TaskIndex, reachable};
use crate::states::{RunState, TaskInstanceState};
use jiff::Timestamp;
use std::fmt;

/// A change that the state does not allow: a bug in the engine, or a history that somebody altered.
#[derive(Clone, Debug, PartialEq)]
pub struct IllegalChange {
    /// The change, boxed: errors travel by value through every step.
    pub change: Box<Change>,
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
            Change::StopRequested { cause } if !self.state.is_terminal() => self.stop = Some(*cause),
            Change::RunEnded { state } if self.may_end() && *state == self.outcome() => {
                self.state = *state;
                self.ended_at = Some(at);
            }
            Change::RunQueued if self.state.is_terminal() => {
                self.state = RunState::Queued;
                self.ended_at = None;
                self.stop = None;
            }
            Change::RunMarked { state } if self.state.is_terminal() && state.is_terminal() => {
                self.state = *state;
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

    /// Success or failed, as the deciding tasks and a stop decide it (Airflow's rule).
    pub(super) fn outcome(&self) -> RunState {
        let has_failed = |task: &TaskIndex| {
            self.instance(InstanceKey::unmapped(*task)).state.is_some_and(TaskInstanceState::is_failure)
        };
        if self.stop.is_some() || self.dag.scopes.deciding().iter().any(has_failed) {
            RunState::Failed
        } else {
            RunState::Success
        }
    }

    pub(super) fn may_end(&self) -> bool {
        // A run that is stopped while it is queued ends without having begun.
        let has_begun = self.state == RunState::Running;
        (has_begun || (self.state == RunState::Queued && self.stop.is_some())) && self.unfinished == 0
    }

    fn has(&self, key: InstanceKey) -> bool {
        key.map_index == -1 && key.task.get() < self.instances.len() && !self.state.is_terminal()
    }

    fn apply_to_instance(&mut self, key: InstanceKey, change: &TaskChange, at: Timestamp) -> Option<()> {
        let instance = self.instance_mut(key);
        let before = instance.state;
        let after = next_state(instance, change)?;
        instance.take_in(change, at);
        instance.state = after;
        let was_over = before.filter(|state| state.is_terminal());
        let is_over = after.filter(|state| state.is_terminal());
        if let Some(state) = was_over {
            self.unfinished += 1;
            self.tell_downstream(key, state, -1);
        }
        if was_over.is_some() && !matches!(change, TaskChange::Succeeded { .. }) {
            self.follow(key, None);
        }
        if let Some(state) = is_over {
            self.unfinished -= 1;
            self.tell_downstream(key, state, 1);
        }
        if let TaskChange::Succeeded { follow, .. } = change {
            self.follow(key, follow.clone());
        }
        Some(())
    }

    fn tell_downstream(&mut self, key: InstanceKey, state: TaskInstanceState, by: i32) {
        let dag = &self.dag;
        for task in dag.graph.downstream(key.task) {
            self.instances[task.get()].upstream.count(state, by);
        }
        for teardown in dag.scopes.waiting(key.task) {
            let done = &mut self.instances[teardown.get()].between_done;
            *done = done.saturating_add_signed(by);
        }
    }

    /// Keeps what an instance says of the tasks after it, instead of what it said before.
    fn follow(&mut self, key: InstanceKey, follow: Option<Follow>) {
        let before = std::mem::replace(&mut self.instance_mut(key).follow, follow.clone());
        for (said, by) in [(before, -1), (follow, 1)] {
            let Some(said) = said else { continue };
            for task in self.passed_over(key.task, &said) {
                let count = &mut self.instances[task.get()].passed_over;
                *count = count.saturating_add_signed(by);
            }
        }
    }

    /// The tasks directly after a branching one that do not go on. One that comes after a followed task too, a join,
    /// goes on (Airflow's `skip_all_except`); teardowns always do.
    fn passed_over(&self, task: TaskIndex, follow: &Follow) -> Vec<TaskIndex> {
        let graph = &self.dag.graph;
        let followed: Vec<TaskIndex> = match follow {
            Follow::Only(names) => names.iter().filter_map(|name| self.dag.index_of(name.as_str())).collect(),
            Follow::Nothing | Follow::NothingAfter => Vec::new(),
        };
        let after = reachable(followed.iter().copied(), |task| graph.downstream(task));
        let goes_on = |task: &TaskIndex| {
            followed.contains(task) || after.contains(task) || self.dag.task(*task).is_teardown
        };
        graph.downstream(task).iter().copied().filter(|task| !goes_on(task)).collect()
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
        IllegalChange { change: Box::new(change.clone()), met }
    }
}

impl Instance {
    /// The numbers and times that a change brings.
    fn take_in(&mut self, change: &TaskChange, at: Timestamp) {
        match change {
            TaskChange::Started { try_number } => {
                self.try_number = *try_number;
                self.started_at = Some(at);
                self.ended_at = None;
                return;
            }
            TaskChange::Scheduled => {
                self.retry_at = None;
                self.scheduled_at = Some(at);
                return;
            }
            TaskChange::Interrupting { afterwards } => {
                self.afterwards = Some(*afterwards);
                return;
            }
            TaskChange::Cleared => {
                (self.failures, self.losses) = (0, 0);
                (self.afterwards, self.retry_at) = (None, None);
                (self.scheduled_at, self.started_at, self.ended_at) = (None, None, None);
                return;
            }
            TaskChange::Failed { retry_at, .. } => {
                self.failures += 1;
                self.retry_at = *retry_at;
            }
            TaskChange::Lost { .. } => self.losses += 1,
            TaskChange::Marked { .. } | TaskChange::Skipped { .. } => {
                (self.afterwards, self.retry_at) = (None, None);
            }
            TaskChange::Succeeded { .. } | TaskChange::Interrupted { .. } | TaskChange::UpstreamFailed => {}
        }
        self.ended_at = Some(at);
    }
}

/// The legality table: the state that `change` leads to from this instance's state; none when it may not happen. The
/// state that it leads to may be "no state".
fn next_state(instance: &Instance, change: &TaskChange) -> Option<Option<TaskInstanceState>> {
    use TaskChange as C;
    use TaskInstanceState as S;
    let is_current = |number: &u32| *number == instance.try_number;
    let state = match (instance.state, change) {
        (None | Some(S::UpForRetry), C::Scheduled) => S::Scheduled,
        (Some(S::Scheduled), C::Started { try_number }) if *try_number == instance.try_number + 1 => {
            S::Running
        }
        (Some(S::Running), C::Succeeded { try_number, .. }) if is_current(try_number) => S::Success,
        (Some(S::Running), C::Failed { try_number, retry_at, .. }) if is_current(try_number) => {
            if retry_at.is_some() { S::UpForRetry } else { S::Failed }
        }
        (Some(S::Running), C::Lost { try_number, again }) if is_current(try_number) => {
            if *again {
                S::Scheduled
            } else {
                S::Failed
            }
        }
        (Some(S::Running), C::Interrupted { try_number }) if is_current(try_number) => S::Scheduled,
        (None | Some(S::Scheduled | S::UpForRetry | S::Running), C::Skipped { .. }) => S::Skipped,
        (None, C::UpstreamFailed) => S::UpstreamFailed,
        (Some(S::Running | S::Restarting), C::Interrupting { afterwards }) => match afterwards {
            Afterwards::Clear => S::Restarting,
            Afterwards::Mark(_) => S::Running,
        },
        // An attempt that is under way must end first: see Interrupting.
        (Some(S::Running), C::Cleared) => return None,
        (Some(_), C::Cleared) => return Some(None),
        (Some(S::Running), C::Marked { state }) if instance.afterwards != Some(Afterwards::Mark(*state)) => {
            return None;
        }
        (Some(S::Restarting), C::Marked { .. }) => return None,
        (_, C::Marked { state }) if state.is_terminal() => *state,
        _ => return None,
    };
    Some(Some(state))
}
