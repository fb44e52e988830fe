//! What one turn of the loop collects: what is to be made durable, and what is to be done afterwards.

use super::to_micros;
use crate::command::Actor;
use crate::executor::AttemptPlace;
use crate::logs::LogKey;
use esteira_core::dag::TaskIndex;
use esteira_core::ids::DagId;
use esteira_core::ids::RunId;
use esteira_core::instant;
use esteira_core::run::{Change, InstanceKey, Run, TaskChange};
use esteira_operator::{AfterCommit, Trigger};
use esteira_store::{Batch, InstancesGone, NewAnswer, NewEvent, NewQuestion, RunKey, Subject};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashSet};

/// The instant of a turn.
pub(super) fn now() -> Timestamp {
    to_micros(Timestamp::now())
}

/// Something to be done once the turn is durable.
pub(super) enum Act {
    StartAttempt { place: AttemptPlace, try_number: u32 },
    Expand { run_key: RunKey, task: TaskIndex },
    Watch { place: AttemptPlace, trigger: Trigger },
    Notify(i64),
    RemoveLogs(String, String),
    KillAttempt { place: AttemptPlace, try_number: u32 },
    AfterCommit(AfterCommit, LogKey),
    Reply(Box<dyn FnOnce() + Send>),
}

/// What one turn collects.
pub(super) struct Turn {
    pub(super) now: Timestamp,
    pub(super) batch: Batch,
    pub(super) acts: Vec<Act>,
    /// Runs and instances whose rows have changed; written once, as they stand at the end of the turn.
    pub(super) touched_runs: BTreeSet<RunKey>,
    pub(super) touched_instances: HashSet<AttemptPlace>,
    pub(super) dags_changed: bool,
    /// Instances that have succeeded in this turn, whose outlets are not told of yet.
    pub(super) outlets: Vec<AttemptPlace>,
    /// Runs that have ended in this turn and whose room is not used yet.
    pub(super) ended_runs: Vec<(DagId, RunKey)>,
    /// DAGs that a run was removed of, which may be the one that a later run waits for.
    pub(super) dags_with_runs_gone: BTreeSet<DagId>,
}

impl Turn {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            batch: Batch::default(),
            acts: Vec::new(),
            touched_runs: BTreeSet::new(),
            touched_instances: HashSet::new(),
            dags_changed: false,
            outlets: Vec::new(),
            ended_runs: Vec::new(),
            dags_with_runs_gone: BTreeSet::new(),
        }
    }

    /// An event that is not about a run.
    pub(super) fn event(&mut self, name: &'static str, dag_id: Option<&DagId>, actor: &Actor, body: String) {
        self.batch.events.push(NewEvent {
            at: self.now,
            name,
            subject: Subject { dag_id: dag_id.cloned(), ..Subject::default() },
            try_number: 0,
            actor: actor.name.clone(),
            via: actor.via,
            body,
        });
    }

    /// An event about a run as a whole that is no change of its state machine: its creation.
    pub(super) fn run_event(
        &mut self,
        name: &'static str,
        dag_id: &DagId,
        run: (RunKey, RunId),
        actor: &Actor,
        body: String,
    ) {
        self.batch.events.push(NewEvent {
            at: self.now,
            name,
            subject: Subject { dag_id: Some(dag_id.clone()), run: Some(run), task: None },
            try_number: 0,
            actor: actor.name.clone(),
            via: actor.via,
            body,
        });
    }

    /// Marks the rows that a change of an instance changes.
    fn touch(&mut self, run_key: RunKey, run: &Run, instance: InstanceKey, change: &Change) {
        let Change::Task { change, .. } = change else { return };
        let gone = |mapped| InstancesGone { run_key, task: instance.task, mapped };
        match change {
            TaskChange::Expanded { count } => {
                self.batch.instances_gone.push(gone(false));
                let keys = (0..*count as i32).map(|map_index| InstanceKey { task: instance.task, map_index });
                self.touched_instances.extend(keys.map(|key| (run_key, key)));
            }
            TaskChange::Folded => {
                self.batch.instances_gone.push(gone(true));
                self.touched_instances.extend(run.keys_of(instance.task).map(|key| (run_key, key)));
            }
            _ => {
                self.touched_instances.insert((run_key, instance));
            }
        }
        self.questions(run_key, run, instance, change);
    }

    /// What an attempt asks people, and what they answer, for lists.
    fn questions(&mut self, run_key: RunKey, run: &Run, instance: InstanceKey, change: &TaskChange) {
        let (task_id, map_index) = (run.dag().task(instance.task).task_id.clone(), instance.map_index);
        match change {
            TaskChange::Rescheduled { try_number, wait } => {
                let Some(question) = wait.question.as_deref().cloned() else { return };
                let due_at = Some(wait.until).filter(|until| *until < instant::LAST);
                let (try_number, created_at) = (*try_number, self.now);
                self.batch.questions.push(NewQuestion {
                    run_key,
                    task_id,
                    map_index,
                    try_number,
                    question,
                    created_at,
                    due_at,
                });
            }
            TaskChange::Answered { try_number, answer } => {
                let (try_number, answer) = (*try_number, answer.clone());
                self.batch.answers.push(NewAnswer { run_key, task_id, map_index, try_number, answer });
            }
            _ => {}
        }
    }

    /// The changes of a run, as events, with their rows marked for writing.
    pub(super) fn changes(
        &mut self,
        run_key: RunKey,
        run_id: &RunId,
        run: &Run,
        changes: &[Change],
        actor: &Actor,
    ) {
        for change in changes {
            let task = match change {
                Change::Task { instance, .. } => {
                    self.touch(run_key, run, *instance, change);
                    if matches!(change, Change::Task { change: TaskChange::Cleared, .. }) {
                        self.batch.xcoms_gone.push((run_key, *instance));
                    }
                    Some((*instance, run.dag().task(instance.task).task_id.clone()))
                }
                _ => {
                    self.touched_runs.insert(run_key);
                    None
                }
            };
            self.batch.events.push(NewEvent {
                at: self.now,
                name: change.event_name(),
                subject: Subject {
                    dag_id: Some(run.dag().dag_id.clone()),
                    run: Some((run_key, run_id.clone())),
                    task,
                },
                try_number: change.try_number().unwrap_or(0),
                actor: actor.name.clone(),
                via: actor.via,
                body: change.body(),
            });
        }
    }
}
