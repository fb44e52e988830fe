//! What follows from an input: changes to make durable, and effects to carry out afterwards.

use super::stop::stop_reason;
use super::{
    Afterwards, AttemptError, Change, Facts, Follow, IllegalChange, InstanceKey, Run, StopCause, TaskChange,
    Verdict,
};
use crate::dag::{TaskIndex, reachable};
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
    /// The time that the run may take is over.
    TimedOut,
    /// Somebody wants these instances to run again.
    Clear {
        /// Which ones.
        instances: Vec<InstanceKey>,
    },
    /// Somebody gives these instances a state.
    Mark {
        /// Which ones.
        instances: Vec<InstanceKey>,
        /// Success, failed or skipped.
        state: TaskInstanceState,
    },
    /// Somebody gives a run that is over another end.
    MarkRun {
        /// Success or failed.
        state: RunState,
    },
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It has a result.
    Success {
        /// Which of the tasks after it go on, if it says so.
        follow: Option<Follow>,
    },
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
    /// Come back with [`Input::TimedOut`] at that time.
    ArmTimeout {
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
            Input::Cancel => step.stop(StopCause::Cancelled)?,
            Input::StartAttempt { instance } => step.start_attempt(instance)?,
            Input::Report { instance, try_number, outcome } => step.report(instance, try_number, outcome)?,
            Input::RetryDue { instance } => step.retry_due(instance)?,
            Input::TimedOut => step.time_out()?,
            Input::Clear { instances } => step.clear(&instances)?,
            Input::Mark { instances, state } => step.mark(&instances, state)?,
            Input::MarkRun { state } => step.mark_run(state)?,
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
        let timeout = self.times_out_at().filter(|_| self.state == RunState::Running && self.stop.is_none());
        let timeout = timeout.map(|at| Effect::ArmTimeout { at });
        self.instances().filter_map(pending).chain(timeout).collect()
    }

    /// What the trigger rule and the setups say of an instance that has no state yet.
    pub fn verdict(&self, task: TaskIndex) -> Verdict {
        let live = self.instance(InstanceKey::unmapped(task));
        if live.passed_over > 0 {
            return Verdict::Skip;
        }
        match self.setups_verdict(task) {
            Verdict::Run => {}
            other => return other,
        }
        let needed = self.dag.graph.upstream(task).len() as u32;
        let between = self.dag.scopes.between(task).len() as u32;
        if needed == 0 {
            return Verdict::Run;
        }
        let mut facts = Facts::new(live.upstream, needed);
        facts.all_done &= live.between_done >= between;
        self.dag.task(task).trigger_rule.verdict(facts, self.direct_setups(task))
    }

    /// Whether the setups that the task stands under, and that are no direct upstreams of it, have succeeded.
    fn setups_verdict(&self, task: TaskIndex) -> Verdict {
        let setups = self.dag.scopes.setups_of(task);
        let direct = self.dag.graph.upstream(task);
        let states = setups
            .iter()
            .filter(|setup| !direct.contains(setup))
            .map(|setup| self.instance(InstanceKey::unmapped(*setup)).state);
        let mut verdict = Verdict::Run;
        for state in states {
            match state {
                Some(TaskInstanceState::Success) => {}
                Some(state) if state.is_failure() => return Verdict::UpstreamFailed,
                Some(state) if state.is_terminal() => verdict = Verdict::Skip,
                _ if verdict == Verdict::Run => verdict = Verdict::Wait,
                _ => {}
            }
        }
        verdict
    }

    /// How the setups of a teardown ended so far; none when it has none, or is no teardown.
    fn direct_setups(&self, task: TaskIndex) -> Option<Facts> {
        if !self.dag.task(task).is_teardown {
            return None;
        }
        let upstream = self.dag.graph.upstream(task).iter();
        let setups: Vec<_> = upstream.filter(|task| self.dag.task(**task).is_setup).collect();
        let mut counts = super::UpstreamCounts::default();
        for setup in &setups {
            if let Some(state) = self.instance(InstanceKey::unmapped(**setup)).state {
                counts.count(state, 1);
            }
        }
        (!setups.is_empty()).then(|| Facts::new(counts, setups.len() as u32))
    }
}

/// A decision in the making.
pub(super) struct Step<'a> {
    pub(super) run: &'a mut Run,
    pub(super) decision: Decision,
    pub(super) now: Timestamp,
}

impl Step<'_> {
    fn start(&mut self) -> Result<(), IllegalChange> {
        if self.run.state != RunState::Queued {
            return Ok(());
        }
        self.change(Change::RunStarted)?;
        if let Some(at) = self.run.times_out_at() {
            self.effect(Effect::ArmTimeout { at });
        }
        self.consider_all()
    }

    /// Looks at every task that has no state, where the run is under way.
    pub(super) fn consider_all(&mut self) -> Result<(), IllegalChange> {
        if self.run.state != RunState::Running {
            return Ok(());
        }
        for place in 0..self.run.dag.graph.order().len() {
            self.consider(self.run.dag.graph.order()[place])?;
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
        let is_under_way =
            matches!(live.state, Some(TaskInstanceState::Running | TaskInstanceState::Restarting));
        if !is_under_way || live.try_number != try_number {
            return Ok(());
        }
        let afterwards = live.afterwards;
        self.effect(Effect::FreeSlot { instance });
        match afterwards {
            Some(Afterwards::Clear) => {
                self.task(instance, TaskChange::Cleared)?;
                self.skip_stopped(instance)?;
                return self.consider_all();
            }
            Some(Afterwards::Mark(state)) => {
                self.task(instance, TaskChange::Marked { state })?;
                return self.spread(instance.task);
            }
            None => {}
        }
        let change = self.change_for(instance, try_number, outcome);
        self.task(instance, change.clone())?;
        match change {
            TaskChange::Failed { retry_at: Some(at), .. } => self.effect(Effect::ArmRetry { instance, at }),
            TaskChange::Lost { again: true, .. } | TaskChange::Interrupted { .. } => {
                self.effect(Effect::Enqueue { instance })
            }
            TaskChange::Succeeded { follow: Some(Follow::NothingAfter), .. } => {
                self.skip_all_after(instance.task)?;
            }
            _ => {}
        }
        if !self.run.instance(instance).state.is_some_and(TaskInstanceState::is_terminal) {
            return Ok(());
        }
        self.fail_fast(instance)?;
        self.spread(instance.task)
    }

    /// What becomes of an instance whose attempt ended like this.
    fn change_for(&self, instance: InstanceKey, try_number: u32, outcome: Outcome) -> TaskChange {
        match outcome {
            Outcome::Success { follow } => TaskChange::Succeeded { try_number, follow },
            Outcome::Skipped { reason } => TaskChange::Skipped { reason },
            // What is still running when the run has taken too long is skipped (Airflow's rule).
            _ if self.run.stop == Some(StopCause::TimedOut) && !self.is_spared(instance) => {
                TaskChange::Skipped { reason: stop_reason(StopCause::TimedOut).to_owned() }
            }
            Outcome::Failed(error) => self.failure(instance, try_number, error),
            Outcome::Lost => self.loss(instance, try_number),
            // A run that is being stopped has nothing to go on with.
            Outcome::Interrupted if self.is_stopped(instance) => self.loss(instance, try_number),
            Outcome::Interrupted => TaskChange::Interrupted { try_number },
        }
    }

    fn is_spared(&self, instance: InstanceKey) -> bool {
        self.run.dag.task(instance.task).is_teardown
    }

    /// Whether the run is being stopped, and the instance with it.
    fn is_stopped(&self, instance: InstanceKey) -> bool {
        self.run.stop.is_some() && !self.is_spared(instance)
    }

    fn skip_stopped(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        if let Some(cause) = self.run.stop.filter(|_| !self.is_spared(instance)) {
            self.task(instance, TaskChange::Skipped { reason: stop_reason(cause).to_owned() })?;
        }
        Ok(())
    }

    /// Short circuit: whatever their rules say, tasks after this one that have not begun are skipped.
    fn skip_all_after(&mut self, task: TaskIndex) -> Result<(), IllegalChange> {
        let graph = &self.run.dag.graph;
        let reason = format!("\"{}\" short-circuited the run", self.run.dag.task(task).task_id);
        for after in reachable([task], |task| graph.downstream(task)) {
            let instance = InstanceKey::unmapped(after);
            if self.run.instance(instance).state.is_none() && !self.is_spared(instance) {
                self.task(instance, TaskChange::Skipped { reason: reason.clone() })?;
            }
        }
        self.consider_all()
    }

    fn fail_fast(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        let has_failed = self.run.instance(instance).state == Some(TaskInstanceState::Failed);
        if self.run.dag.fail_fast && has_failed && !self.is_spared(instance) {
            self.stop(StopCause::FailFast)?;
        }
        Ok(())
    }

    fn failure(&self, instance: InstanceKey, try_number: u32, error: AttemptError) -> TaskChange {
        let task = self.run.dag.task(instance.task);
        let failures = self.run.instance(instance).failures;
        let may_retry = !self.is_stopped(instance) && task.retry.allows(&error, failures);
        let seed = format!("{}#{}#{}", self.run.dag.dag_id, task.task_id, self.run.run_id);
        // A delay beyond the end of time is a delay to the end of time.
        let delay =
            SignedDuration::try_from(task.retry.delay(failures, &seed)).unwrap_or(SignedDuration::MAX);
        let retry_at = may_retry.then(|| self.now.checked_add(delay).unwrap_or(Timestamp::MAX));
        TaskChange::Failed { try_number, error, retry_at }
    }

    fn loss(&self, instance: InstanceKey, try_number: u32) -> TaskChange {
        let again = self.run.instance(instance).losses < LOSSES_MAX && !self.is_stopped(instance);
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
            let dag = std::sync::Arc::clone(&self.run.dag);
            let under: &[TaskIndex] = if dag.task(task).is_setup { dag.scopes.under(task) } else { &[] };
            for after in dag.graph.downstream(task).iter().chain(dag.scopes.waiting(task)).chain(under) {
                if self.consider(*after)? {
                    ended.push(*after);
                }
            }
        }
        Ok(())
    }

    /// Asks the trigger rule of a task that has no state yet; says whether the task ended by it.
    fn consider(&mut self, task: TaskIndex) -> Result<bool, IllegalChange> {
        let instance = InstanceKey::unmapped(task);
        if self.run.instance(instance).state.is_some() || self.run.state != RunState::Running {
            return Ok(false);
        }
        match self.run.verdict(task) {
            Verdict::Wait => Ok(false),
            Verdict::Run => self.schedule(instance).map(|()| false),
            Verdict::UpstreamFailed => self.task(instance, TaskChange::UpstreamFailed).map(|()| true),
            Verdict::Skip => {
                let reason = self.skip_reason(instance);
                self.task(instance, TaskChange::Skipped { reason }).map(|()| true)
            }
        }
    }

    fn skip_reason(&self, instance: InstanceKey) -> String {
        let live = self.run.instance(instance);
        if live.passed_over > 0 {
            return "a task before it branched another way".to_owned();
        }
        match self.run.dag.task(instance.task).trigger_rule {
            super::TriggerRule::AllSuccess => "an upstream task was skipped".to_owned(),
            rule => format!("its trigger rule {rule} was not met"),
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

    pub(super) fn task(&mut self, instance: InstanceKey, change: TaskChange) -> Result<(), IllegalChange> {
        self.change(Change::Task { instance, change })
    }

    pub(super) fn change(&mut self, change: Change) -> Result<(), IllegalChange> {
        self.run.apply(&change, self.now)?;
        self.decision.changes.push(change);
        Ok(())
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }
}
