//! Runs that end before their time: cancelled, too slow, or at their first failure.
//!
//! What has not begun is skipped, what runs is told to end. Teardowns are spared: they run as their rule allows, so
//! that what was set up is tidied up.

use super::decide::{Effect, Step};
use super::{IllegalChange, InstanceKey, Run, StopCause, TaskChange};
use crate::states::TaskInstanceState;
use jiff::{SignedDuration, Timestamp};

impl Run {
    /// When the run is too slow, if its DAG limits it.
    pub fn times_out_at(&self) -> Option<Timestamp> {
        let limit = SignedDuration::try_from(self.dag.dagrun_timeout?).unwrap_or(SignedDuration::MAX);
        // A limit beyond the end of time is no limit.
        self.started_at?.checked_add(limit).ok()
    }
}

impl Step<'_> {
    /// The time that the run may take is over.
    pub(super) fn time_out(&mut self) -> Result<(), IllegalChange> {
        if self.run.times_out_at().is_some_and(|at| at <= self.now) {
            self.stop(StopCause::TimedOut)
        } else {
            Ok(())
        }
    }

    /// Ends the run before its time. A run that is being stopped already goes on with that.
    pub(super) fn stop(&mut self, cause: StopCause) -> Result<(), IllegalChange> {
        if self.run.state.is_terminal() || self.run.stop.is_some() {
            return Ok(());
        }
        self.change(super::Change::StopRequested { cause })?;
        let keys: Vec<_> =
            self.run.instances().map(|(key, live)| (key, live.state, live.try_number)).collect();
        let reason = stop_reason(cause);
        let has_begun = self.run.started_at.is_some();
        for (instance, state, try_number) in keys {
            let is_spared = self.run.dag.task(instance.task).is_teardown && has_begun;
            match state {
                _ if is_spared => {}
                Some(TaskInstanceState::Running | TaskInstanceState::Restarting) => {
                    self.effect(Effect::KillAttempt { instance, try_number });
                }
                Some(state) if state.is_terminal() => {}
                _ => self.skip(instance, reason)?,
            }
        }
        self.consider_all()
    }

    /// Skips an instance that has not begun.
    pub(super) fn skip(&mut self, instance: InstanceKey, reason: &str) -> Result<(), IllegalChange> {
        self.effect(Effect::Dequeue { instance });
        self.task(instance, TaskChange::Skipped { reason: reason.to_owned() })
    }
}

/// Why what had not begun is skipped, and what ran was ended, in one sentence.
pub(super) fn stop_reason(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Cancelled => "the run was cancelled",
        StopCause::FailFast => "another task failed, and the DAG says fail_fast",
        StopCause::TimedOut => "the run took longer than its dagrun_timeout",
    }
}
