//! What follows from an input: changes to make durable, and effects to carry out afterwards.

use super::stop::stop_reason;
use super::{
    Afterwards, Answer, AttemptError, Change, Facts, Follow, IllegalChange, InstanceKey, Look, Past, Run,
    StopCause, TaskChange, Verdict, Wait,
};
use crate::dag::{TaskIndex, reachable};
use crate::instant;
use crate::states::{RunState, TaskInstanceState};
use jiff::Timestamp;

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
    /// It is known what a mapped task is to be expanded over: how many instances that gives, or why it cannot be had.
    Expanded {
        /// The task that asked by [`Effect::Expand`].
        task: TaskIndex,
        /// How many.
        count: Result<u32, AttemptError>,
    },
    /// The time for another attempt has come.
    RetryDue {
        /// Whose.
        instance: InstanceKey,
    },
    /// What an attempt waits for without a slot may have come.
    GoOn {
        /// Whose.
        instance: InstanceKey,
    },
    /// Somebody answers what an attempt asked. It fits the question.
    Answer {
        /// Whose.
        instance: InstanceKey,
        /// What.
        answer: Answer,
    },
    /// What the run before says of a task that depends on it: nothing that it may run, otherwise why it has to wait.
    Past {
        /// The task that asked by [`Effect::AskPast`].
        task: TaskIndex,
        /// Why it has to wait, in one sentence.
        reason: Option<String>,
    },
    /// The time that the run may take is over.
    TimedOut,
    /// A deadline of the run has passed.
    DeadlinePassed {
        /// Its place in the DAG.
        deadline: u32,
        /// When it was.
        at: Timestamp,
    },
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
    /// It waits, and holds no slot meanwhile.
    Waits(Wait),
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
    /// Find out what this mapped task is to be expanded over, and come back with [`Input::Expanded`].
    Expand {
        /// Which one.
        task: TaskIndex,
    },
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
    /// Come back with [`Input::GoOn`] at that time, or when the run that is waited for has ended.
    ArmWait {
        /// Whose.
        instance: InstanceKey,
        /// What it waits for.
        wait: Wait,
    },
    /// Find out what the run before says of this task, and come back with [`Input::Past`] whenever that changes.
    AskPast {
        /// Which task.
        task: TaskIndex,
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
            Input::Expanded { task, count } => step.expanded(task, count)?,
            Input::RetryDue { instance } => step.retry_due(instance)?,
            Input::GoOn { instance } => step.go_on(instance)?,
            Input::Answer { instance, answer } => step.answer(instance, answer)?,
            Input::Past { task, reason } => step.past(task, reason),
            Input::TimedOut => step.time_out()?,
            Input::DeadlinePassed { deadline, at } => step.miss_deadline(deadline, at)?,
            Input::Clear { instances } => step.clear(&instances)?,
            Input::Mark { instances, state } => step.mark(&instances, state)?,
            Input::MarkRun { state } => step.mark_run(state)?,
        }
        step.settle()?;
        step.end_if_finished()?;
        Ok(step.decision)
    }

    /// What is still to be done for a run that was replayed: its waiting instances, its retry timers and what is to be
    /// expanded. Attempts that were running are the caller's to report as lost.
    pub fn pending_effects(&mut self) -> Vec<Effect> {
        // A replay leaves behind what was looked at then.
        self.looks.clear();
        let pending = |(instance, live): (InstanceKey, &super::Instance)| match (live.state, live.retry_at) {
            (Some(TaskInstanceState::Scheduled), _) => Some(Effect::Enqueue { instance }),
            (Some(TaskInstanceState::UpForRetry), Some(at)) => Some(Effect::ArmRetry { instance, at }),
            (Some(TaskInstanceState::UpForReschedule | TaskInstanceState::AwaitingInput), _) => {
                live.wait.clone().map(|wait| {
                    // What was looked at is not known any more: the attempt has to say it again.
                    let until = if wait.is_watched { Timestamp::UNIX_EPOCH } else { wait.until };
                    Effect::ArmWait { instance, wait: Wait { until, ..wait } }
                })
            }
            _ => None,
        };
        let is_under_way = self.state == RunState::Running;
        let timeout = self.times_out_at().filter(|_| is_under_way && self.stop.is_none());
        let timeout = timeout.map(|at| Effect::ArmTimeout { at });
        let mut effects: Vec<Effect> = self.instances().filter_map(pending).chain(timeout).collect();
        for task in self.dag.indices().filter(|_| is_under_way) {
            let may_run =
                |run: &Self, key| run.instance(key).state.is_none() && run.verdict(key) == Verdict::Run;
            if self.depends_on_past(task)
                && self.tasks[task.get()].past == Past::Unknown
                && self.keys_of(task).any(|key| may_run(self, key))
            {
                self.tasks[task.get()].past = Past::Asked;
                effects.push(Effect::AskPast { task });
                continue;
            }
            let whole = InstanceKey::unmapped(task);
            let asks = self.is_to_be_expanded(task)
                && self.instance(whole).state.is_none()
                && self.verdict(whole) == Verdict::Run;
            let together = self.expanded_with(task);
            if asks && together.iter().all(|other| !self.tasks[other.get()].is_expanding) {
                self.tasks[task.get()].is_expanding = true;
                effects.push(Effect::Expand { task });
            }
        }
        effects
    }

    /// What the trigger rule and the setups say of an instance that has no state yet.
    pub fn verdict(&self, key: InstanceKey) -> Verdict {
        let task = key.task;
        let (live, instance) = (&self.tasks[task.get()], self.instance(key));
        if live.passed_over > 0 || instance.passed_over > 0 {
            return Verdict::Skip;
        }
        match self.setups_verdict(key) {
            Verdict::Run => {}
            other => return other,
        }
        if live.needed == (0, 0) {
            return Verdict::Run;
        }
        let shared = Facts::new(live.shared, live.needed.0);
        let mut facts = shared.and(Facts::new(instance.upstream, live.needed.1));
        let between = self.dag.scopes.between(task).len() as u32;
        facts.all_done &= live.between_done + instance.between_done >= between;
        self.dag.task(task).trigger_rule.verdict(facts, self.direct_setups(key))
    }

    /// Whether the task looks at the run before.
    pub(super) fn depends_on_past(&self, task: TaskIndex) -> bool {
        let task = self.dag.task(task);
        task.depends_on_past || task.wait_for_downstream
    }

    /// Whether the setups that the task stands under, and that are no direct upstreams of it, have succeeded.
    fn setups_verdict(&self, key: InstanceKey) -> Verdict {
        let setups = self.dag.scopes.setups_of(key.task);
        let direct = self.dag.graph.upstream(key.task);
        let states =
            setups.iter().filter(|setup| !direct.contains(setup)).map(|setup| self.state_seen(*setup, key));
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
    fn direct_setups(&self, key: InstanceKey) -> Option<Facts> {
        if !self.dag.task(key.task).is_teardown {
            return None;
        }
        let upstream = self.dag.graph.upstream(key.task).iter();
        let setups: Vec<_> = upstream.filter(|task| self.dag.task(**task).is_setup).collect();
        let mut ended = super::Upstreams::default();
        for state in setups.iter().filter_map(|setup| self.state_seen(**setup, key)) {
            ended.counts.count(state, 1);
            ended.tasks_done += u32::from(state.is_terminal());
        }
        (!setups.is_empty()).then(|| Facts::new(ended, setups.len() as u32))
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
            self.consider_task(self.run.dag.graph.order()[place])?;
        }
        Ok(())
    }

    fn miss_deadline(&mut self, deadline: u32, at: Timestamp) -> Result<(), IllegalChange> {
        if self.run.open_deadlines().any(|open| open == deadline) {
            self.change(Change::DeadlineMissed { deadline, at })?;
        }
        Ok(())
    }

    fn go_on(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        let waits = self.run.has_instance(instance)
            && matches!(
                self.run.instance(instance).state,
                Some(TaskInstanceState::UpForReschedule | TaskInstanceState::AwaitingInput)
            );
        if waits { self.schedule(instance) } else { Ok(()) }
    }

    fn answer(&mut self, instance: InstanceKey, answer: Answer) -> Result<(), IllegalChange> {
        let is_asked = self.run.has_instance(instance)
            && self.run.instance(instance).state == Some(TaskInstanceState::AwaitingInput);
        if !is_asked {
            return Ok(());
        }
        let try_number = self.run.instance(instance).try_number;
        self.task(instance, TaskChange::Answered { try_number, answer })?;
        self.schedule(instance)
    }

    /// Keeps what the run before says, and decides about the task anew.
    fn past(&mut self, task: TaskIndex, reason: Option<String>) {
        let past = reason.map_or(Past::Allows, Past::Forbids);
        if self.run.tasks[task.get()].past != past {
            self.run.tasks[task.get()].past = past;
            self.run.looks.push(Look::Task(task));
        }
    }

    fn start_attempt(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        let live = self.run.instance(instance);
        if live.state != Some(TaskInstanceState::Scheduled) {
            return Ok(());
        }
        let try_number = live.next_try_number();
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
            Some(Afterwards::Clear | Afterwards::ClearTask) => {
                self.task(instance, TaskChange::Cleared)?;
                self.skip_stopped(instance)?;
                return self.fold_cleared(instance.task);
            }
            Some(Afterwards::Mark(state)) => return self.task(instance, TaskChange::Marked { state }),
            None => {}
        }
        let change = self.change_for(instance, try_number, outcome);
        self.task(instance, change.clone())?;
        match change {
            TaskChange::Failed { retry_at: Some(at), .. } => self.effect(Effect::ArmRetry { instance, at }),
            TaskChange::Rescheduled { wait, .. } => self.effect(Effect::ArmWait { instance, wait }),
            TaskChange::Lost { again: true, .. } | TaskChange::Interrupted { .. } => {
                self.effect(Effect::Enqueue { instance })
            }
            TaskChange::Succeeded { follow: Some(Follow::NothingAfter), .. } => {
                self.skip_all_after(instance)?;
            }
            _ => {}
        }
        self.fail_fast(instance)
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
            Outcome::Waits(_) if self.is_stopped(instance) => self.loss(instance, try_number),
            Outcome::Waits(wait) => TaskChange::Rescheduled { try_number, wait },
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
        match self.run.stop.filter(|_| !self.is_spared(instance)) {
            Some(cause) => self.task(instance, TaskChange::Skipped { reason: stop_reason(cause).to_owned() }),
            None => Ok(()),
        }
    }

    /// Short circuit: whatever their rules say, tasks after this one that have not begun are skipped; in its own mapped
    /// group, the instances with its map index.
    fn skip_all_after(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
        let graph = &self.run.dag.graph;
        let reason = format!("\"{}\" short-circuited the run", self.run.dag.task(instance.task).task_id);
        for task in reachable([instance.task], |task| graph.downstream(task)) {
            let is_one_by_one = instance.map_index >= 0 && self.run.is_one_by_one(instance.task, task);
            let keys: Vec<_> = self.run.keys_of(task).collect();
            for after in keys.into_iter().filter(|key| !is_one_by_one || key.map_index == instance.map_index)
            {
                if self.run.instance(after).state.is_none() && !self.is_spared(after) {
                    self.task(after, TaskChange::Skipped { reason: reason.clone() })?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn fail_fast(&mut self, instance: InstanceKey) -> Result<(), IllegalChange> {
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
        let seed = seed(&self.run.dag.dag_id, task.task_id.as_str(), &self.run.run_id, instance.map_index);
        let retry_at = may_retry.then(|| instant::later(self.now, task.retry.delay(failures, &seed)));
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

    /// Decides anew what may have changed, until nothing more follows.
    pub(super) fn settle(&mut self) -> Result<(), IllegalChange> {
        while !self.run.looks.is_empty() {
            for look in std::mem::take(&mut self.run.looks) {
                match look {
                    Look::Task(task) => self.consider_task(task)?,
                    Look::One(key) => self.consider(key)?,
                }
            }
        }
        Ok(())
    }

    fn consider_task(&mut self, task: TaskIndex) -> Result<(), IllegalChange> {
        for key in self.run.keys_of(task) {
            self.consider(key)?;
        }
        Ok(())
    }

    /// Asks the trigger rule of an instance that has no state yet.
    fn consider(&mut self, key: InstanceKey) -> Result<(), IllegalChange> {
        let is_open = self.run.state == RunState::Running
            && self.run.has_instance(key)
            && self.run.instance(key).state.is_none()
            && !self.run.is_folding(key.task);
        if !is_open {
            return Ok(());
        }
        if let Some(count) = self.run.expansion_of_others(key.task) {
            return self.task(key, TaskChange::Expanded { count });
        }
        match self.run.verdict(key) {
            Verdict::Wait => Ok(()),
            Verdict::Run if !self.past_allows(key.task) => Ok(()),
            Verdict::Run if self.run.is_to_be_expanded(key.task) => {
                self.ask_to_expand(key.task);
                Ok(())
            }
            Verdict::Run => self.schedule(key),
            Verdict::UpstreamFailed => self.task(key, TaskChange::UpstreamFailed),
            Verdict::Skip => self.task(key, TaskChange::Skipped { reason: self.skip_reason(key) }),
        }
    }

    /// Whether the run before allows a task to run; asks if that is not known.
    fn past_allows(&mut self, task: TaskIndex) -> bool {
        if !self.run.depends_on_past(task) {
            return true;
        }
        match self.run.tasks[task.get()].past {
            Past::Allows => true,
            Past::Asked | Past::Forbids(_) => false,
            Past::Unknown => {
                self.run.tasks[task.get()].past = Past::Asked;
                self.effect(Effect::AskPast { task });
                false
            }
        }
    }

    fn skip_reason(&self, instance: InstanceKey) -> String {
        let passed_over = self.run.tasks[instance.task.get()].passed_over;
        if passed_over > 0 || self.run.instance(instance).passed_over > 0 {
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

/// What differs between any two instances, for what must differ between them.
fn seed(dag_id: &crate::ids::DagId, task_id: &str, run_id: &str, map_index: i32) -> String {
    if map_index < 0 {
        format!("{dag_id}#{task_id}#{run_id}")
    } else {
        format!("{dag_id}#{task_id}#{run_id}#{map_index}")
    }
}
