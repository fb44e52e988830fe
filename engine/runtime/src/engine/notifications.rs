//! The outbox: callbacks that changes call are written with them, sent once that is durable, and tried again until they
//! succeed or their policy ends. What they end in changes nothing but their own row.

use super::EngineError;
use super::live::LiveRun;
use super::main_loop::MainLoop;
use super::turn::{Act, Turn};
use crate::command::Actor;
use crate::expand;
use crate::notifier::Notification;
use crate::versions::Versions;
use esteira_core::instant;
use esteira_core::run::{AttemptError, AttemptErrorKind, Change, InstanceKey};
use esteira_core::states::NotificationState;
use esteira_store::{NewEvent, NotificationRow, RunKey, Subject};
use jiff::Timestamp;
use serde_json::json;
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};

/// Those that are still to be run.
#[derive(Default)]
pub(super) struct Outbox {
    pending: HashMap<i64, Notification>,
    due: BinaryHeap<Reverse<(Timestamp, i64)>>,
}

impl Outbox {
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Forgets what was to be told of a run that is gone.
    pub(super) fn forget_run(&mut self, run_key: RunKey) {
        self.pending.retain(|_, notification| notification.row.run_key != run_key);
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<i64> {
        self.due.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.due.pop().map(|Reverse((_, notification_id))| notification_id)
    }
}

impl MainLoop {
    /// Writes the callbacks that these changes call into the outbox.
    pub(super) fn call_back(&mut self, turn: &mut Turn, run_key: RunKey, changes: &[Change]) {
        let Some(live) = self.runs.get(run_key) else { return };
        for call in live.run.calls(changes, turn.now) {
            let dag = live.run.dag();
            let task = dag.task(call.instance.task);
            let expansion = live.expansions.get(&expand::owner(dag, call.instance.task));
            for callback in call.callbacks {
                let row = NotificationRow {
                    notification_id: self.writer.next_notification_id(),
                    run_key,
                    is_of_task: call.is_of_task,
                    task_id: task.task_id.clone(),
                    map_index: call.instance.map_index,
                    try_number: live.run.instance(call.instance).try_number,
                    kind: call.kind,
                    callback: callback.clone(),
                    variables: call.variables.clone(),
                    state: NotificationState::Pending,
                    failures: 0,
                    due_at: turn.now,
                    created_at: turn.now,
                    ended_at: None,
                    error: None,
                };
                turn.batch.notifications.push(row.clone());
                let notification_id = row.notification_id;
                let notification = Notification {
                    row,
                    dag: dag.clone(),
                    facts: live.facts.clone(),
                    instance: call.instance,
                    expansion: expansion.cloned(),
                };
                self.outbox.pending.insert(notification_id, notification);
                turn.acts.push(Act::Notify(notification_id));
            }
        }
    }

    /// Runs a callback once.
    pub(super) fn notify(&self, notification_id: i64) {
        if let Some(notification) = self.outbox.pending.get(&notification_id) {
            self.notifier.send(notification.clone());
        }
    }

    /// Tries those again whose time has come.
    pub(super) fn notify_due(&mut self, turn: &mut Turn) {
        while let Some(notification_id) = self.outbox.pop_due(turn.now) {
            turn.acts.push(Act::Notify(notification_id));
        }
    }

    /// A callback was run once.
    pub(super) fn notified(
        &mut self,
        turn: &mut Turn,
        notification_id: i64,
        result: Result<(), AttemptError>,
    ) {
        let Some(notification) = self.outbox.pending.get_mut(&notification_id) else { return };
        let row = &mut notification.row;
        let (state, error) = match result {
            Ok(()) => (NotificationState::Success, None),
            Err(error) => {
                let policy = &row.callback.retry;
                let again = policy.allows(&error, row.failures);
                let delay = policy.delay(row.failures, &format!("notification#{notification_id}"));
                row.due_at = instant::later(turn.now, delay);
                row.failures += 1;
                let state = if again { NotificationState::Pending } else { NotificationState::Failed };
                (state, Some(error))
            }
        };
        row.state = state;
        row.error = error.as_ref().map(|error| error.message.clone());
        row.ended_at = (state != NotificationState::Pending).then_some(turn.now);
        turn.batch.notifications.push(row.clone());
        turn.batch.events.push(told(turn.now, notification, error.as_ref()));
        if state == NotificationState::Pending {
            self.outbox.due.push(Reverse((notification.row.due_at, notification_id)));
        } else {
            self.outbox.pending.remove(&notification_id);
        }
    }

    /// Those that the last engine left, which are tried now or when they are due.
    pub(super) async fn load_notifications(&mut self, turn: &mut Turn) -> Result<(), EngineError> {
        let mut versions = Versions::default();
        let mut runs = HashMap::new();
        for row in self.reader.pending_notifications().await? {
            let live = match runs.entry(row.run_key) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => match self.reader.run_by_key(row.run_key).await? {
                    Some(run) => entry.insert(self.replayed(&run, &mut versions).await?),
                    None => entry.insert(None),
                },
            };
            // A run that this Esteira cannot read was told of when it was replayed.
            let Some(live) = live else { continue };
            let dag = live.run.dag();
            let Some(task) = dag.index_of(row.task_id.as_str()) else {
                give_up(turn, row, live);
                continue;
            };
            let notification = Notification {
                dag: dag.clone(),
                facts: live.facts.clone(),
                instance: InstanceKey { task, map_index: row.map_index },
                expansion: live.expansions.get(&expand::owner(dag, task)).cloned(),
                row,
            };
            self.outbox.due.push(Reverse((notification.row.due_at, notification.row.notification_id)));
            self.outbox.pending.insert(notification.row.notification_id, notification);
        }
        Ok(())
    }
}

/// Ends one whose task the run has no more: it has gone on with a version of its DAG without it.
fn give_up(turn: &mut Turn, mut row: NotificationRow, live: &LiveRun) {
    let message = format!(
        "the run has gone on with a version of its DAG in which there is no task \"{}\"",
        row.task_id
    );
    let error = AttemptError::new(AttemptErrorKind::Fatal, message);
    row.state = NotificationState::Failed;
    row.error = Some(error.message.clone());
    row.ended_at = Some(turn.now);
    let run = (row.run_key, (*live.facts.run_id).into());
    let body = body(&row, Some(&error));
    turn.run_event("notification.failed", &live.run.dag().dag_id, run, &Actor::engine(), body);
    turn.batch.notifications.push(row);
}

/// What the event of a try says.
fn body(row: &NotificationRow, error: Option<&AttemptError>) -> String {
    let mut body = json!({
        "notification_id": row.notification_id,
        "callback": row.kind,
        "operator": row.callback.operator,
    });
    if let Some(error) = error {
        body["error"] = json!(error);
        let retry_at = (row.state == NotificationState::Pending).then_some(row.due_at);
        body["retry_at"] = json!(retry_at.map(Timestamp::as_microsecond));
    }
    body.to_string()
}

/// The event of a try.
fn told(now: Timestamp, notification: &Notification, error: Option<&AttemptError>) -> NewEvent {
    let row = &notification.row;
    let actor = Actor::engine();
    let run_id = (*notification.facts.run_id).into();
    let is_of_task = row.is_of_task;
    NewEvent {
        at: now,
        name: if error.is_none() { "notification.sent" } else { "notification.failed" },
        subject: Subject {
            dag_id: Some(notification.dag.dag_id.clone()),
            run: Some((row.run_key, run_id)),
            task: is_of_task.then(|| (notification.instance, row.task_id.clone())),
        },
        try_number: if is_of_task { row.try_number } else { 0 },
        actor: actor.name.clone(),
        via: actor.via,
        body: body(row, error),
    }
}
