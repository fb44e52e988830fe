//! What follows from an input: changes to make durable, and effects to carry out afterwards.

use super::{AttemptError, AttemptErrorKind, Change, IllegalChange, InstanceKey, Run, TaskChange};
use crate::dag::TaskIndex;
use crate::states::{RunState, TaskInstanceState};
use jiff::{SignedDuration, Timestamp};

/// How often an instance's attempt may be lost with the engine before the instance fails.
pub const LOSSES_MAX: u32 = 3;

/// What happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The run may begin.
    Start,
    /// Somebody asks for it to end.
    Cancel,
    /// There is a slot for a scheduled instance.
    StartAttempt {
        /// Which one.
        instance: InstanceKey,
    },
    /// An attempt ended.
    Report {
        /// Whose.
        instance: InstanceKey,
        /// Which attempt; a report of an attempt that is no longer current is dropped.
        try_number: u32,
        /// How it ended.
        outcome: Outcome,
    },
    /// The time for another attempt has come.
    RetryDue {
        /// Whose.
        instance: InstanceKey,
    },
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has a result.
    Success,
    /// There was nothing to do.
    Skipped {
        /// Why, in one sentence.
        reason: String,
    },
    /// It has none.
    Failed(AttemptError),
    /// It went away with the engine that ran it.
    Lost,
    /// It was ended because the engine was told to stop.
    Interrupted,
}

/// What is to be done once the changes are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The instance waits for a slot.
    Enqueue {
        /// Which one.
        instance: InstanceKey,
    },
    /// The instance waits for a slot no more.
    Dequeue {
        /// Which one.
        instance: InstanceKey,
    },
    /// Start this attempt.
    StartAttempt {
        /// Whose.
        instance: InstanceKey,
        /// Its number.
        try_number: u32,
    },
    /// End this attempt; it will report.
    KillAttempt {
        /// Whose.
        instance: InstanceKey,
        /// Its number.
        try_number: u32,
    },
    /// Come back with [`Input::RetryDue`] at that time.
    ArmRetry {
        /// Whose.
        instance: InstanceKey,
        /// When.
        at: Timestamp,
    },
    /// An attempt no longer holds its slot.
    FreeSlot {
        /// Whose.
        instance: InstanceKey,
    },
}

/// What follows from an input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// To be made durable, in this order, before any effect. They are applied already.
    pub changes: Vec<Change>,
    /// To be carried out once the changes are durable.
    pub effects: Vec<Effect>,
}

impl Run {
    /// Decides what follows from `input` and applies it. An input that no longer fits (a stale report, a timer for
    /// an instance that was cancelled) gives an empty decision.
    ///
    /// # Errors
    /// Only for a bug in this file: a decision that the legality table forbids.
    pub fn decide(&mut self, input: Input, now: Timestamp) -> Result<Decision, IllegalChange> {
        let mut step = Step { run: self, decision: Decision::default(), now };
        match input {
            Input::Start => step.start()?,
            Input::Cancel => step.cancel()?,
            Input::StartAttempt { instance } => step.start_attempt(instance)?,
            Input::Report { instance, try_number, outcome } => step.report(instance, try_number, outcome)?,
            Input::RetryDue { instance } => step.retry_due(instance)?,
        }
        step.end_if_finished()?;
        Ok(step.decision)
    }

    /// What is still to be done for a run that was replayed: its waiting instances and its retry timers. Attempts
    /// that were running are the caller's to report as lost.
    pub fn pending_effects(&self) -> Vec<Effect> {
        let pending = |(instance, live): (InstanceKey, &super::Instance)| match (live.state, live.retry_at) {
            (Some(TaskInstanceState::Scheduled), _) => Some(Effect::Enqueue { instance }),
            (Some(TaskInstanceState::UpForRetry), Some(at)) => Some(Effect::ArmRetry { instance, at }),
            _ => None,
        };
        self.instances().filter_map(pending).collect()
    }
}

/// A decision in the making.
struct Step<'a> {
    run: &'a mut Run,
    decision: Decision,
    now: Timestamp,
}

impl Step<'_> {
    fn start(&mut self) -> Result<(), IllegalChange> {
        if self.run.state != RunState::Queued {
            return Ok(());
        }
        self.change(Change::RunStarted)?;
        for task in self.run.dag.indices() {
            self.consider(task)?;
        }
        Ok(())
    }

    /// Cancel: what has not begun is skipped, what runs is told to end and fails when it has (Airflow's rule).
    fn cancel(&mut self) -> Result<(), IllegalChange> {
        if self.run.state.is_terminal() || self.run.cancel_requested {
            return Ok(());
        }
        self.change(Change::CancelRequested)?;
        let keys: Vec<_> =
            self.run.instances().map(|(key, live)| (key, live.state, live.try_number)).collect();
        for (instance, state, try_number) in keys {
            match state {
                Some(TaskInstanceState::Running) => self.effect(Effect::KillAttempt { instance, try_number }),
                Some(state) if state.is_terminal() => {}
                _ => {
                    self.effect(Effect::Dequeue { instance });
                    self.task(instance, TaskChange::Skipped { reason: "the run was cancelled".to_owned() })?;
                }
            }
        }
        Ok(())
    }

    fn start_attempt(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        let live = self.run.instance(instance);
        if live.state != Some(TaskInstanceState::Scheduled) {
            return Ok(());
        }
        let try_number = live.try_number + 1;
        self.task(instance, TaskChange::Started { try_number })?;
        self.effect(Effect::StartAttempt { instance, try_number });
        Ok(())
    }

    fn report(
        &mut self,
        instance: InstanceKey,
        try_number: u32,
        outcome: Outcome,
    ) -> Result<(), IllegalChange> {
        let live = self.run.instance(instance);
        if live.state != Some(TaskInstanceState::Running) || live.try_number != try_number {
            return Ok(());
        }
        self.effect(Effect::FreeSlot { instance });
        let change = match outcome {
            Outcome::Success => TaskChange::Succeeded { try_number },
            Outcome::Skipped { reason } => TaskChange::Skipped { reason },
            Outcome::Failed(error) => self.failure(instance, try_number, error),
            Outcome::Lost => self.loss(instance, try_number),
            // A cancelled run has nothing to go on with.
            Outcome::Interrupted if self.run.cancel_requested => self.loss(instance, try_number),
            Outcome::Interrupted => TaskChange::Interrupted { try_number },
        };
        self.task(instance, change.clone())?;
        match change {
            TaskChange::Failed { retry_at: Some(at), .. } => self.effect(Effect::ArmRetry { instance, at }),
            TaskChange::Lost { again: true, .. } | TaskChange::Interrupted { .. } => {
                self.effect(Effect::Enqueue { instance })
            }
            _ => self.spread(instance.task)?,
        }
        Ok(())
    }

    fn failure(&self, instance: InstanceKey, try_number: u32, error: AttemptError) -> TaskChange {
        let task = self.run.dag.task(instance.task);
        let may_retry = matches!(error.kind, AttemptErrorKind::Failed | AttemptErrorKind::TimedOut)
            && !self.run.cancel_requested
            && self.run.instance(instance).failures < task.retries;
        // A delay beyond the end of time is a delay to the end of time.
        let delay = SignedDuration::try_from(task.retry_delay).unwrap_or(SignedDuration::MAX);
        let retry_at = may_retry.then(|| self.now.checked_add(delay).unwrap_or(Timestamp::MAX));
        TaskChange::Failed { try_number, error, retry_at }
    }

    fn loss(&self, instance: InstanceKey, try_number: u32) -> TaskChange {
        let again = self.run.instance(instance).losses < LOSSES_MAX && !self.run.cancel_requested;
        TaskChange::Lost { try_number, again }
    }

    fn retry_due(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        let live = self.run.instance(instance);
        let is_due = live.retry_at.is_some_and(|at| at <= self.now);
        if live.state == Some(TaskInstanceState::UpForRetry) && is_due {
            self.schedule(instance)?;
        }
        Ok(())
    }

    /// Looks at every task that waits for `task`, and on from those that will not run.
    fn spread(&mut self, task: TaskIndex) -> Result<(), IllegalChange> {
        let mut ended = vec![task];
        while let Some(task) = ended.pop() {
            for place in 0..self.run.dag.graph.downstream(task).len() {
                let downstream = self.run.dag.graph.downstream(task)[place];
                if self.consider(downstream)? {
                    ended.push(downstream);
                }
            }
        }
        Ok(())
    }

    /// Asks the trigger rule of a task that has no state yet; says whether the task ended by it.
    fn consider(&mut self, task: TaskIndex) -> Result<bool, IllegalChange> {
        let instance = InstanceKey::unmapped(task);
        if self.run.instance(instance).state.is_some() {
            return Ok(false);
        }
        let needed = self.run.dag.graph.upstream(task).len() as u32;
        match all_success(self.run.instance(instance).upstream, needed) {
            Verdict::Wait => Ok(false),
            Verdict::Run => self.schedule(instance).map(|()| false),
            Verdict::UpstreamFailed => self.task(instance, TaskChange::UpstreamFailed).map(|()| true),
            Verdict::Skip => {
                let reason = "an upstream task was skipped".to_owned();
                self.task(instance, TaskChange::Skipped { reason }).map(|()| true)
            }
        }
    }

    fn schedule(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        self.task(instance, TaskChange::Scheduled)?;
        self.effect(Effect::Enqueue { instance });
        Ok(())
    }

    fn end_if_finished(&mut self) -> Result<(), IllegalChange> {
        if self.run.may_end() { self.change(Change::RunEnded { state: self.run.outcome() }) } else { Ok(()) }
    }

    fn task(&mut self, instance: InstanceKey, change: TaskChange) -> Result<(), IllegalChange> {
        self.change(Change::Task { instance, change })
    }

    fn change(&mut self, change: Change) -> Result<(), IllegalChange> {
        self.run.apply(&change, self.now)?;
        self.decision.changes.push(change);
        Ok(())
    }

    fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }
}

/// What a trigger rule says of a task that has not run.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Wait,
    Run,
    Skip,
    UpstreamFailed,
}

/// The rule `all_success` over the direct upstreams (AIRFLOW: `S+R == N` runs; a failure decides at once; else a
/// skip does).
fn all_success(upstream: super::UpstreamCounts, needed: u32) -> Verdict {
    if upstream.failed + upstream.upstream_failed > 0 {
        Verdict::UpstreamFailed
    } else if upstream.skipped > 0 {
        Verdict::Skip
    } else if upstream.success + upstream.removed == needed {
        Verdict::Run
    } else {
        Verdict::Wait
    }
}
