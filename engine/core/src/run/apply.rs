//! How a change changes the state, and which changes are legal in which state: one table.

use super::{Afterwards, Change, Facts, Follow, Instance, InstanceKey, Look, Run, TaskChange};
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
                self.has_been_over = true;
            }
            Change::DeadlineMissed { deadline, .. }
                if self.open_deadlines().any(|open| open == *deadline) =>
            {
                self.missed_deadlines.insert(*deadline);
            }
            Change::RunQueued if self.state.is_terminal() => {
                self.state = RunState::Queued;
                self.ended_at = None;
                self.stop = None;
            }
            Change::RunMarked { state } if self.state.is_terminal() && state.is_terminal() => {
                self.state = *state;
            }
            Change::Task { instance, change: task_change }
                if !self.state.is_terminal() && self.has_instance(*instance) =>
            {
                return self.apply_to_task(*instance, task_change, at).ok_or_else(|| self.illegal(change));
            }
            // It is the task that is folded, not one of its instances.
            Change::Task { instance, change: TaskChange::Folded }
                if instance.map_index == -1 && !self.state.is_terminal() =>
            {
                return self.fold(instance.task).ok_or_else(|| self.illegal(change));
            }
            _ => return Err(self.illegal(change)),
        }
        Ok(())
    }

    /// Success or failed, as the deciding tasks and a stop decide it (Airflow's rule).
    pub(super) fn outcome(&self) -> RunState {
        let has_failed = |task: &TaskIndex| self.task_state(*task).is_some_and(TaskInstanceState::is_failure);
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

    fn apply_to_task(&mut self, key: InstanceKey, change: &TaskChange, at: Timestamp) -> Option<()> {
        match change {
            TaskChange::Expanded { count } => self.expand(key.task, *count),
            _ => self.apply_to_instance(key, change, at),
        }
    }

    fn apply_to_instance(&mut self, key: InstanceKey, change: &TaskChange, at: Timestamp) -> Option<()> {
        let instance = self.instance_mut(key);
        let (before, waited_to_fold) = (instance.state, instance.afterwards == Some(Afterwards::ClearTask));
        let after = next_state(instance, change)?;
        instance.take_in(change, at);
        instance.state = after;
        let folds = instance.afterwards == Some(Afterwards::ClearTask);
        let task = &mut self.tasks[key.task.get()];
        task.folding = task.folding + u32::from(folds) - u32::from(waited_to_fold);
        let was_over = before.filter(|state| state.is_terminal());
        let is_over = after.filter(|state| state.is_terminal());
        if let Some(state) = was_over {
            let crosses = self.count_open(key.task, 1);
            self.tell_downstream(key, state, -1, crosses);
        }
        if was_over.is_some() && !matches!(change, TaskChange::Succeeded { .. }) {
            self.follow(key, None);
        }
        if let Some(state) = is_over {
            let crosses = self.count_open(key.task, -1);
            self.tell_downstream(key, state, 1, crosses);
        }
        if let TaskChange::Succeeded { follow, .. } = change {
            self.follow(key, follow.clone());
        }
        if after.is_none() {
            self.looks.push(Look::One(key));
        }
        Some(())
    }

    /// One more instance of a task has not ended, or one less; says whether the task as a whole has ended by that, or
    /// is open again.
    pub(super) fn count_open(&mut self, task: TaskIndex, by: isize) -> bool {
        self.unfinished = self.unfinished.saturating_add_signed(by);
        let open = &mut self.tasks[task.get()].open;
        let before = *open;
        *open = open.saturating_add_signed(by);
        (before == 0) != (*open == 0)
    }

    pub(super) fn tell_downstream(
        &mut self,
        key: InstanceKey,
        state: TaskInstanceState,
        by: i32,
        crosses: bool,
    ) {
        let dag = std::sync::Arc::clone(&self.dag);
        for after in dag.graph.downstream(key.task) {
            if self.is_one_by_one(key.task, *after) {
                self.tell_one_by_one(key, *after, state, by);
                continue;
            }
            let live = &mut self.tasks[after.get()];
            let before = Facts::new(live.shared, live.needed.0);
            live.shared.counts.count(state, by);
            if crosses {
                live.shared.tasks_done = live.shared.tasks_done.saturating_add_signed(by);
            }
            // Nothing follows from one more that succeeded, where one had.
            if Facts::new(live.shared, live.needed.0) != before {
                self.looks.push(Look::Task(*after));
            }
        }
        for teardown in dag.scopes.waiting(key.task) {
            if self.is_one_by_one(key.task, *teardown) {
                self.tell_beside(key, *teardown, |instance| {
                    instance.between_done = instance.between_done.saturating_add_signed(by);
                });
            } else if crosses {
                let done = &mut self.tasks[teardown.get()].between_done;
                *done = done.saturating_add_signed(by);
                self.looks.push(Look::Task(*teardown));
            }
        }
        if dag.task(key.task).is_setup {
            for after in dag.scopes.under(key.task).iter().chain(dag.graph.downstream(key.task)) {
                if self.is_one_by_one(key.task, *after) {
                    self.tell_beside(key, *after, |_| {});
                } else if crosses {
                    self.looks.push(Look::Task(*after));
                }
            }
        }
    }

    fn tell_one_by_one(&mut self, key: InstanceKey, after: TaskIndex, state: TaskInstanceState, by: i32) {
        self.tell_beside(key, after, |instance| {
            instance.upstream.counts.count(state, by);
            instance.upstream.tasks_done = instance.upstream.tasks_done.saturating_add_signed(by);
        });
    }

    /// Tells the instance with the same map index of a task in the same mapped group.
    fn tell_beside(&mut self, key: InstanceKey, task: TaskIndex, tell: impl Fn(&mut Instance)) {
        let live = &mut self.tasks[task.get()];
        if let Ok(map_index) = usize::try_from(key.map_index) {
            live.mapped.get_mut(map_index).into_iter().for_each(tell);
            self.looks.push(Look::One(InstanceKey { task, map_index: key.map_index }));
        } else {
            // What is told of ended without ever being expanded: that holds for every instance.
            tell(&mut live.whole);
            live.mapped.iter_mut().for_each(tell);
            self.looks.push(Look::Task(task));
        }
    }

    /// Keeps what an instance says of the tasks after it, instead of what it said before.
    pub(super) fn follow(&mut self, key: InstanceKey, follow: Option<Follow>) {
        let before = std::mem::replace(&mut self.instance_mut(key).follow, follow.clone());
        for (said, by) in [(before, -1), (follow, 1)] {
            let Some(said) = said else { continue };
            for task in self.passed_over(key.task, &said) {
                let is_one_by_one = self.is_one_by_one(key.task, task);
                let live = &mut self.tasks[task.get()];
                let count = match usize::try_from(key.map_index).ok().filter(|_| is_one_by_one) {
                    Some(map_index) => match live.mapped.get_mut(map_index) {
                        Some(instance) => &mut instance.passed_over,
                        None => continue,
                    },
                    None => &mut live.passed_over,
                };
                *count = count.saturating_add_signed(by);
                self.looks.push(Look::Task(task));
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
            Change::Task { instance, .. } if self.has_instance(*instance) => {
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
    /// The number of the attempt that starts next: one that waited without a slot goes on under its own.
    pub(super) fn next_try_number(&self) -> u32 {
        if self.goes_on { self.try_number } else { self.try_number + 1 }
    }

    /// The numbers and times that a change brings.
    fn take_in(&mut self, change: &TaskChange, at: Timestamp) {
        match change {
            TaskChange::Started { try_number } => {
                // An attempt that goes on after a wait began when it began.
                if !self.goes_on {
                    self.started_at = Some(at);
                }
                self.goes_on = false;
                self.try_number = *try_number;
                self.ended_at = None;
                return;
            }
            TaskChange::Rescheduled { wait, .. } => {
                self.wait = Some(wait.clone());
                self.goes_on = true;
                return;
            }
            TaskChange::Answered { answer, .. } => {
                if let Some(wait) = &mut self.wait {
                    wait.answer = Some(Box::new(answer.clone()));
                }
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
                (self.afterwards, self.retry_at, self.wait) = (None, None, None);
                self.goes_on = false;
                (self.scheduled_at, self.started_at, self.ended_at) = (None, None, None);
                return;
            }
            TaskChange::Failed { retry_at, .. } => {
                self.wait = None;
                self.failures += 1;
                self.retry_at = *retry_at;
            }
            TaskChange::Lost { .. } => self.losses += 1,
            TaskChange::Marked { .. } | TaskChange::Skipped { .. } => {
                (self.afterwards, self.retry_at, self.wait) = (None, None, None);
                self.goes_on = false;
            }
            TaskChange::Succeeded { .. } => self.wait = None,
            TaskChange::Interrupted { .. }
            | TaskChange::UpstreamFailed
            | TaskChange::ExpansionFailed { .. }
            | TaskChange::Expanded { .. }
            | TaskChange::Folded => {}
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
        (None | Some(S::UpForRetry | S::UpForReschedule | S::AwaitingInput), C::Scheduled) => S::Scheduled,
        (Some(S::Scheduled), C::Started { try_number }) if *try_number == instance.next_try_number() => {
            S::Running
        }
        (Some(S::Running), C::Rescheduled { try_number, wait }) if is_current(try_number) => {
            if wait.question.is_some() { S::AwaitingInput } else { S::UpForReschedule }
        }
        (Some(S::AwaitingInput), C::Answered { try_number, .. }) if is_current(try_number) => {
            S::AwaitingInput
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
        (
            None | Some(S::Scheduled | S::UpForRetry | S::UpForReschedule | S::AwaitingInput | S::Running),
            C::Skipped { .. },
        ) => S::Skipped,
        (None, C::UpstreamFailed) => S::UpstreamFailed,
        (None, C::ExpansionFailed { .. }) => S::Failed,
        (Some(S::Running | S::Restarting), C::Interrupting { afterwards }) => match afterwards {
            Afterwards::Clear | Afterwards::ClearTask => S::Restarting,
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
