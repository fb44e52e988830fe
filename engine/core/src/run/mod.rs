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

pub use apply::IllegalChange;
pub use change::{AttemptError, AttemptErrorKind, Change, InstanceKey, TaskChange};
pub use decide::{Decision, Effect, Input, LOSSES_MAX, Outcome};

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
    cancel_requested: bool,
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

    fn add(&mut self, state: TaskInstanceState) {
        match state {
            TaskInstanceState::Success => self.success += 1,
            TaskInstanceState::Failed => self.failed += 1,
            TaskInstanceState::UpstreamFailed => self.upstream_failed += 1,
            TaskInstanceState::Skipped => self.skipped += 1,
            TaskInstanceState::Removed => self.removed += 1,
            _ => {}
        }
    }
}

impl Run {
    /// A run that has just been created: queued, nothing looked at.
    pub fn new(dag: Arc<Dag>) -> Self {
        let instances = vec![Instance::default(); dag.tasks.len()];
        Self {
            unfinished: instances.len(),
            dag,
            state: RunState::Queued,
            started_at: None,
            ended_at: None,
            cancel_requested: false,
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

    /// Whether somebody asked for it to end.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel_requested
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
