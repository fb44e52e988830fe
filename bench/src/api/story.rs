//! A run of the past, told as the engine would have told it: the run's own state machine decides, with the times of
//! then, and what it decides becomes the same rows and events.

use anyhow::Result;
use esteira_core::ids::RunId;
use esteira_core::run::{
    AttemptError, AttemptErrorKind, Change, Effect, Input, InstanceKey, Outcome, Run, TaskChange,
};
use esteira_core::states::{RunType, TriggeredBy};
use esteira_runtime::{Actor, LoadedDag};
use esteira_store::{Batch, InstanceUpdate, NewAttempt, NewEvent, NewRun, RunKey, RunUpdate, Subject};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;

/// The time that the data of a run is about.
const INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// How a run goes.
#[derive(Clone, Copy)]
pub(super) enum Course {
    /// All its tasks succeed.
    Smooth,
    /// This task fails, and those after it do not run.
    FailsAt(usize),
    /// This task finds nothing to do, and those after it are skipped.
    EndsAt(usize),
}

/// A run that is being told.
pub(super) struct Story<'a> {
    loaded: &'a LoadedDag,
    run: Run,
    run_key: RunKey,
    run_id: RunId,
    course: Course,
    now: Timestamp,
    batch: &'a mut Batch,
}

impl<'a> Story<'a> {
    /// A run that began at this time.
    pub(super) fn new(
        loaded: &'a LoadedDag,
        run_key: RunKey,
        (began, course): (Timestamp, Course),
        batch: &'a mut Batch,
    ) -> Self {
        let run_id = RunId::from(format!("scheduled__{}", began.strftime("%Y-%m-%dT%H:%M:%S+00:00")));
        let run = Run::new(Arc::clone(&loaded.dag), run_id.as_str());
        Self { loaded, run, run_key, run_id, course, now: began, batch }
    }

    /// Tells it to its end.
    pub(super) fn tell(mut self) -> Result<()> {
        self.create();
        let mut effects = VecDeque::from(self.decide(Input::Start)?);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Enqueue { instance } => {
                    effects.extend(self.decide(Input::StartAttempt { instance })?);
                }
                Effect::StartAttempt { instance, try_number } => {
                    effects.extend(self.attempt(instance, try_number)?);
                }
                _ => {}
            }
        }
        self.write_rows();
        Ok(())
    }

    fn create(&mut self) {
        let interval = (self.now - INTERVAL, self.now);
        let micros = Timestamp::as_microsecond;
        // In the words of the engine, so that `esteira audit verify` finds nothing.
        let body = json!({
            "version_id": self.loaded.version_id,
            "version_number": self.loaded.version_number,
            "run_type": RunType::Scheduled,
            "triggered_by": TriggeredBy::Timetable,
            "triggering_user": "schedule",
            "logical_date": micros(self.now),
            "data_interval_start": micros(interval.0),
            "data_interval_end": micros(interval.1),
            "run_after": micros(self.now),
            "conf": {},
        });
        self.event("run.created", None, 0, (Actor::schedule(), body.to_string()));
        self.batch.new_runs.push(NewRun {
            run_key: self.run_key,
            dag_id: self.loaded.dag.dag_id.clone(),
            run_id: self.run_id.clone(),
            version_id: self.loaded.version_id,
            run_type: RunType::Scheduled,
            triggered_by: TriggeredBy::Timetable,
            triggering_user: "schedule".to_owned(),
            logical_date: Some(self.now),
            data_interval: Some(interval),
            run_after: self.now,
            queued_at: self.now,
            conf: "{}".to_owned(),
            note: None,
            parent_run_key: None,
            is_cancelled_with_parent: false,
            backfill_id: None,
        });
    }

    fn decide(&mut self, input: Input) -> Result<Vec<Effect>> {
        let decision = self.run.decide(input, self.now)?;
        for change in &decision.changes {
            let instance = match change {
                Change::Task { instance, .. } => Some(*instance),
                _ => None,
            };
            let told = (Actor::engine(), change.body());
            self.event(change.event_name(), instance, change.try_number().unwrap_or(0), told);
            if let Change::Task { instance, change } = change {
                self.end_of_attempt(*instance, change);
            }
        }
        Ok(decision.effects)
    }

    /// An attempt that takes some seconds, and how it ends.
    fn attempt(&mut self, instance: InstanceKey, try_number: u32) -> Result<Vec<Effect>> {
        let place = instance.task.get();
        let seconds = (self.run_key as usize + place * 13) % 9 + 1;
        self.now += SignedDuration::from_secs(seconds as i64);
        let outcome = match self.course {
            Course::FailsAt(task) if task == place => Outcome::Failed(AttemptError::new(
                AttemptErrorKind::Failed,
                "the far end closed the connection before the whole answer had come",
            )),
            Course::EndsAt(task) if task == place => {
                Outcome::Skipped { reason: "there was nothing new".to_owned() }
            }
            _ => Outcome::Success { follow: None },
        };
        self.decide(Input::Report { instance, try_number, outcome })
    }

    fn end_of_attempt(&mut self, instance: InstanceKey, change: &TaskChange) {
        let (outcome, error) = match change {
            TaskChange::Succeeded { .. } => ("success", None),
            TaskChange::Skipped { .. } => ("skipped", None),
            TaskChange::Failed { error, .. } => ("failed", serde_json::to_string(error).ok()),
            _ => return,
        };
        let live = self.run.instance(instance);
        // One that was skipped with those before it never began.
        let Some(started_at) = live.started_at else { return };
        self.batch.attempts.push(NewAttempt {
            run_key: self.run_key,
            instance,
            try_number: live.try_number,
            outcome,
            started_at,
            ended_at: self.now,
            error,
            arguments: Some("{}".to_owned()),
        });
    }

    fn event(
        &mut self,
        name: &'static str,
        instance: Option<InstanceKey>,
        try_number: u32,
        (actor, body): (Actor, String),
    ) {
        let dag = &self.loaded.dag;
        let task = instance.map(|instance| (instance, dag.task(instance.task).task_id.clone()));
        let run = Some((self.run_key, self.run_id.clone()));
        self.batch.events.push(NewEvent {
            at: self.now,
            name,
            subject: Subject { dag_id: Some(dag.dag_id.clone()), run, task },
            try_number,
            actor: actor.name,
            via: actor.via,
            body,
        });
    }

    /// The rows as they stand at the end.
    fn write_rows(self) {
        self.batch.runs.push(RunUpdate {
            run_key: self.run_key,
            state: self.run.state(),
            started_at: self.run.started_at(),
            ended_at: self.run.ended_at(),
        });
        self.batch.instances.extend(self.run.instances().map(|(instance, live)| InstanceUpdate {
            run_key: self.run_key,
            instance,
            task_id: self.loaded.dag.task(instance.task).task_id.clone(),
            live: live.clone(),
        }));
    }
}
