//! What callbacks tell of: which of a run's changes call which.
//!
//! As in Airflow, what a person did calls nobody: a cancelled run and what was ended with it, a mark, a clear. Nor does an
//! instance that is skipped by its trigger rule or by a branch; one that skips itself does.

use super::stop::stop_reason;
use super::{AttemptErrorKind, Change, Instance, InstanceKey, LOSSES_MAX, Run, StopCause, TaskChange};
use crate::dag::{Callback, CallbackKind};
use crate::states::{RunState, TaskInstanceState};
use crate::template::iso;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Callbacks whose time has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// What they tell of.
    pub kind: CallbackKind,
    /// Whether they tell of a task; of the run otherwise.
    pub is_of_task: bool,
    /// Whose they are; all are to be run.
    pub callbacks: &'a [Callback],
    /// The task instance that their templates see: the one that they tell of. For a run that has failed, the first that
    /// has; otherwise the last that has ended, or the first of the DAG.
    pub instance: InstanceKey,
    /// What their templates see besides ([`CallbackKind::variables`]): an object.
    pub variables: Value,
}

impl Run {
    /// The callbacks that these changes call, which have just been decided, at `now`, and are applied.
    pub fn calls(&self, changes: &[Change], now: Timestamp) -> Vec<Call<'_>> {
        changes.iter().filter_map(|change| self.call(change, now)).collect()
    }

    fn call(&self, change: &Change, now: Timestamp) -> Option<Call<'_>> {
        match change {
            Change::Task { instance, change } => self.call_of_task(*instance, change, now),
            Change::RunEnded { state } => self.call_of_run(*state),
            Change::DeadlineMissed { deadline, at } => {
                let missed = self.dag.deadlines.get(*deadline as usize)?;
                let variables = json!({ "deadline": {
                    "deadline_time": iso(*at),
                    "reference": missed.reference,
                    "interval": crate::spec::duration::display(missed.interval),
                }});
                let callbacks = missed.callbacks.as_slice();
                let instance = self.instance_of_run(RunState::Failed);
                Some(self.called(CallbackKind::Deadline, false, callbacks, instance, variables))
            }
            _ => None,
        }
    }

    fn call_of_task(&self, key: InstanceKey, change: &TaskChange, now: Timestamp) -> Option<Call<'_>> {
        let callbacks = &self.dag.tasks.get(key.task.get())?.callbacks;
        if callbacks.is_empty() {
            return None;
        }
        let (kind, variables) = self.told_by(key, change, now)?;
        Some(self.called(kind, true, callbacks.get(&kind)?, key, variables))
    }

    fn told_by(
        &self,
        key: InstanceKey,
        change: &TaskChange,
        now: Timestamp,
    ) -> Option<(CallbackKind, Value)> {
        let exception = |message: &str| json!({ "exception": message });
        Some(match change {
            // One that goes on after a wait began before.
            TaskChange::Started { .. } if self.instance(key).started_at == Some(now) => {
                (CallbackKind::OnExecute, json!({}))
            }
            TaskChange::Succeeded { .. } => (CallbackKind::OnSuccess, json!({})),
            TaskChange::Failed { error, .. } if error.kind == AttemptErrorKind::Cancelled => return None,
            TaskChange::Failed { error, retry_at: Some(_), .. } => {
                (CallbackKind::OnRetry, exception(&error.message))
            }
            TaskChange::Failed { error, .. } | TaskChange::ExpansionFailed { error } => {
                (CallbackKind::OnFailure, exception(&error.message))
            }
            TaskChange::Lost { again: true, .. } => (CallbackKind::OnRetry, exception(LOST)),
            // Fewer losses than there may be: it was ended with its run.
            TaskChange::Lost { .. } if self.instance(key).losses > LOSSES_MAX => {
                (CallbackKind::OnFailure, exception(LOST))
            }
            TaskChange::Skipped { reason } if self.has_skipped_itself(key, reason) => {
                (CallbackKind::OnSkipped, json!({ "reason": reason }))
            }
            _ => return None,
        })
    }

    /// Whether an instance was skipped by its own attempt, and not by a rule, a branch or the end of its run.
    fn has_skipped_itself(&self, key: InstanceKey, reason: &str) -> bool {
        let is_stopped = self.stop.is_some_and(|cause| stop_reason(cause) == reason);
        self.instance(key).started_at.is_some() && !is_stopped
    }

    fn call_of_run(&self, state: RunState) -> Option<Call<'_>> {
        let kind = match state {
            RunState::Success => CallbackKind::OnSuccess,
            _ => CallbackKind::OnFailure,
        };
        let callbacks = self.dag.callbacks.get(&kind)?;
        // Airflow's words.
        let reason = match self.stop {
            Some(StopCause::Cancelled) => return None,
            Some(StopCause::TimedOut) => "timed_out",
            Some(StopCause::FailFast) => "task_failure",
            None if state == RunState::Failed => "task_failure",
            None => "success",
        };
        let (instance, variables) = (self.instance_of_run(state), json!({ "reason": reason }));
        Some(self.called(kind, false, callbacks, instance, variables))
    }

    /// With what every callback sees: how the instance and the run stand.
    fn called<'a>(
        &'a self,
        kind: CallbackKind,
        is_of_task: bool,
        callbacks: &'a [Callback],
        instance: InstanceKey,
        mut variables: Value,
    ) -> Call<'a> {
        let instant = |at: Option<Timestamp>| at.map(iso);
        let live = self.instance(instance);
        let lasted = |(begin, end): (Timestamp, Timestamp)| end.duration_since(begin).as_secs_f64();
        variables["ti"] = json!({
            "state": live.state,
            "start_date": instant(live.started_at),
            "end_date": instant(live.ended_at),
            "duration": live.started_at.zip(live.ended_at).map(lasted),
        });
        variables["dag_run"] = json!({ "state": self.state, "end_date": instant(self.ended_at) });
        Call { kind, is_of_task, callbacks, instance, variables }
    }

    /// The instance that stands for a run that has ended like this.
    fn instance_of_run(&self, state: RunState) -> InstanceKey {
        let ended = || self.instances().filter(|(_, live)| live.ended_at.is_some());
        let has_failed = |live: &Instance| live.state == Some(TaskInstanceState::Failed);
        let first_failed =
            || ended().filter(|(_, live)| has_failed(live)).min_by_key(|(key, live)| (live.ended_at, *key));
        let failed = if state == RunState::Failed { first_failed() } else { None };
        let found = failed.or_else(|| ended().max_by_key(|(key, live)| (live.ended_at, *key)));
        let first = || InstanceKey::unmapped(crate::dag::TaskIndex(0));
        found.map_or_else(first, |(key, _)| key)
    }
}

/// What is said of an attempt that went away with the engine.
const LOST: &str = "the attempt was lost: the engine or the machine that ran it went away";
