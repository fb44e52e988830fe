//! The state machine of a DAG run.
//!
//! ```text
//!   Input ──▶ Run::decide ──▶ changes (made durable as events) + effects (carried out afterwards)
//!                 │
//!                 ▼
//!             Run::apply    the only way state changes; replaying the stored changes through it gives the
//!                           same state, which is how a restart recovers and how an audit checks
//! ```
//!
//! Time comes in as an argument, outcomes come in as [`Input`]s, and a report from an attempt that is no longer
//! current is dropped by its number.

mod apply;
mod change;
mod decide;
mod rerun;
mod retry;
mod stop;
mod trigger_rule;
mod why;

pub use apply::IllegalChange;
pub use change::{
    Afterwards, AttemptError, AttemptErrorKind, Change, Follow, InstanceKey, StopCause, TaskChange,
};
pub use decide::{Decision, Effect, Input, LOSSES_MAX, Outcome};
pub use rerun::Selection;
pub use retry::RETRY_DELAY_MAX;
pub use trigger_rule::{Facts, TriggerRule, Verdict};
pub use why::Why;

use crate::dag::{Dag, TaskIndex};
use crate::states::{RunState, TaskInstanceState};
use jiff::Timestamp;
use std::sync::Arc;

/// The live state of one run.
#[derive(Clone, Debug)]
pub struct Run {
    dag: Arc<Dag>,
    state: RunState,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    stop: Option<StopCause>,
    /// The run's name; it goes into what must differ between runs, such as the jitter of retries.
    run_id: Arc<str>,
    instances: Vec<Instance>,
    /// How many instances are not in a terminal state.
    unfinished: usize,
}

/// The live state of one task instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// None until its upstreams allow or forbid it.
    pub state: Option<TaskInstanceState>,
    /// The number of the newest attempt; 0 before the first.
    pub try_number: u32,
    /// Attempts that failed by the task's own fault, since it was last cleared.
    pub failures: u32,
    /// Attempts that were lost with the engine.
    pub losses: u32,
    /// When the next attempt is due, while up for retry.
    pub retry_at: Option<Timestamp>,
    /// When the newest attempt was allowed to run.
    pub scheduled_at: Option<Timestamp>,
    /// When the newest attempt began.
    pub started_at: Option<Timestamp>,
    /// When the newest attempt ended, or the instance without one.
    pub ended_at: Option<Timestamp>,
    /// How its direct upstreams ended so far.
    pub upstream: UpstreamCounts,
    /// How many of the tasks that a teardown waits for besides its direct upstreams have ended.
    pub between_done: u32,
    /// How many direct upstreams have branched past it.
    pub passed_over: u32,
    /// What it said about the tasks after it, when it succeeded.
    pub follow: Option<Follow>,
    /// What happens to it once its attempt, which was told to end, has ended.
    pub afterwards: Option<Afterwards>,
}

/// How the direct upstreams of an instance ended so far; each end adds one, so that a rule costs O(1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamCounts {
    /// Succeeded.
    pub success: u32,
    /// Failed.
    pub failed: u32,
    /// Not run because of their own upstreams.
    pub upstream_failed: u32,
    /// Skipped.
    pub skipped: u32,
    /// No longer in the DAG.
    pub removed: u32,
}

impl UpstreamCounts {
    /// How many have ended.
    pub fn done(self) -> u32 {
        self.success + self.failed + self.upstream_failed + self.skipped + self.removed
    }

    /// One more has ended in this state, or, with -1, one less.
    fn count(&mut self, state: TaskInstanceState, by: i32) {
        let count = match state {
            TaskInstanceState::Success => &mut self.success,
            TaskInstanceState::Failed => &mut self.failed,
            TaskInstanceState::UpstreamFailed => &mut self.upstream_failed,
            TaskInstanceState::Skipped => &mut self.skipped,
            TaskInstanceState::Removed => &mut self.removed,
            _ => return,
        };
        *count = count.saturating_add_signed(by);
    }
}

impl Run {
    /// A run that has just been created: queued, nothing looked at.
    pub fn new(dag: Arc<Dag>, run_id: impl Into<Arc<str>>) -> Self {
        let instances = vec![Instance::default(); dag.tasks.len()];
        Self {
            unfinished: instances.len(),
            dag,
            state: RunState::Queued,
            started_at: None,
            ended_at: None,
            stop: None,
            run_id: run_id.into(),
            instances,
        }
    }

    /// The DAG version it runs on.
    pub fn dag(&self) -> &Arc<Dag> {
        &self.dag
    }

    /// Its state.
    pub fn state(&self) -> RunState {
        self.state
    }

    /// When it began.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.started_at
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.ended_at
    }

    /// Why it is to end before its time, if it is.
    pub fn stop_cause(&self) -> Option<StopCause> {
        self.stop
    }

    /// The state of one instance.
    pub fn instance(&self, key: InstanceKey) -> &Instance {
        &self.instances[key.task.get()]
    }

    /// All instances with their keys, in the order of the file.
    pub fn instances(&self) -> impl Iterator<Item = (InstanceKey, &Instance)> {
        self.instances
            .iter()
            .enumerate()
            .map(|(place, instance)| (InstanceKey::unmapped(TaskIndex(place as u32)), instance))
    }

    fn instance_mut(&mut self, key: InstanceKey) -> &mut Instance {
        &mut self.instances[key.task.get()]
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
