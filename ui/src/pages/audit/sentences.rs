//! What an event says, as a sentence without its subject: "maria" — "cancelled the run". Who it was and what it is about stand
//! beside it.

use crate::show::{Mark, count};
use crate::{t, t1, tm, tn};
use esteira_core::states::TaskInstanceState;
use esteira_store::EventRow;
use serde_json::Value;

/// The sentence of an event, or of so many that are the same but for their task instances.
pub(super) fn sentence(event: &EventRow, body: &Value, times: u64) -> String {
    let (subject, _) = event.name.split_once('.').unwrap_or((&event.name, ""));
    let said = match subject {
        "run" => of_run(event, body),
        "task" | "xcom" => of_task(event, body, times),
        "dag" | "webhook" | "engine" => of_dag(event, body),
        "backfill" | "asset" | "alert" | "notification" => of_things(event, body),
        "variable" | "connection" | "pool" => of_shared(event, body),
        _ => of_access(event, body),
    };
    // A version that comes after this one may know of more.
    said.unwrap_or_else(|| event.name.clone())
}

/// A text in a body; empty where there is none.
fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_default()
}

fn number(body: &Value, field: &str) -> String {
    count(body[field].as_u64().unwrap_or_default())
}

/// The word for a state.
fn state(body: &Value) -> &'static str {
    Mark::of_instance(TaskInstanceState::from_label(text(body, "state"))).word()
}

fn of_run(event: &EventRow, body: &Value) -> Option<String> {
    Some(match event.name.as_str() {
        "run.created" => match text(body, "run_type") {
            "manual" => t("triggered the run").to_owned(),
            "scheduled" => t("created the run, which was due").to_owned(),
            "backfill" => t("created the run, for a backfill").to_owned(),
            "asset_triggered" => t("created the run, for updates of assets").to_owned(),
            _ => t("created the run").to_owned(),
        },
        "run.queued" => t("queued the run again").to_owned(),
        "run.started" => t("started the run").to_owned(),
        "run.ended" => t1("the run has ended: {}", state(body)),
        "run.marked" => t1("marked the run: {}", state(body)),
        "run.cancel_requested" => t("cancelled the run").to_owned(),
        "run.stop_requested" if text(body, "cause") == "fail_fast" => {
            t("stopped the run, since a task has failed").to_owned()
        }
        "run.stop_requested" => t("stopped the run, since it took too long").to_owned(),
        "run.deadline_missed" => t("the run has missed a deadline").to_owned(),
        "run.deleted" => t("deleted the run").to_owned(),
        "run.version_changed" => t1("moved the run to version {}", number(body, "version_number")),
        _ => return None,
    })
}

fn of_task(event: &EventRow, body: &Value, times: u64) -> Option<String> {
    let attempt = event.try_number;
    let fault = || body["error"]["message"].as_str().unwrap_or_default();
    Some(match event.name.as_str() {
        "task.scheduled" => tn(times, "scheduled the task instance", "scheduled {} task instances"),
        "task.started" => t1("attempt {} has begun", attempt),
        "task.succeeded" => t1("attempt {} has succeeded", attempt),
        "task.failed" if body["retry_at"].is_null() => tm("attempt {} has failed: {}", &[&attempt, &fault()]),
        "task.failed" => tm("attempt {} has failed, and there is another: {}", &[&attempt, &fault()]),
        "task.lost" => t1("attempt {} was lost with the engine that ran it", attempt),
        "task.interrupted" => t1("attempt {} was interrupted by the end of the engine", attempt),
        "task.skipped" => match times {
            1 => t1("skipped: {}", text(body, "reason")),
            times => tm("skipped {} task instances: {}", &[&count(times), &text(body, "reason")]),
        },
        "task.upstream_failed" => {
            tn(times, "a task before it has failed", "a task before {} task instances has failed")
        }
        "task.cleared" => tn(times, "cleared the task instance", "cleared {} task instances"),
        "task.marked" => match times {
            1 => t1("marked the task instance: {}", state(body)),
            times => tm("marked {} task instances: {}", &[&count(times), &state(body)]),
        },
        "task.interrupting" => t("told the attempt to end").to_owned(),
        "task.rescheduled" => t1("waits: {}", body["wait"]["reason"].as_str().unwrap_or_default()),
        "task.answered" => t1("answered: {}", options(body)),
        "task.expanded" => t1("expanded the task into {} instances", number(body, "count")),
        "task.expansion_failed" => t1("the task could not be expanded: {}", fault()),
        "task.folded" => t("took the instances of the mapped task away").to_owned(),
        "xcom.set" => t1("gave the task instance the XCom {}", text(body, "key")),
        _ => return None,
    })
}

/// What was chosen in an answer.
fn options(body: &Value) -> String {
    let chosen = body["answer"]["chosen_options"].as_array().into_iter().flatten();
    chosen.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn of_dag(event: &EventRow, body: &Value) -> Option<String> {
    let reason = text(body, "reason");
    Some(match event.name.as_str() {
        "dag.version_added" => {
            tm("found version {} in {}", &[&number(body, "version_number"), &text(body, "file")])
        }
        "dag.import_error" => tm("found {} faults in {}", &[&number(body, "faults"), &text(body, "file")]),
        "dag.removed" => t1("the file {} is gone", text(body, "file")),
        "dag.paused" if reason.is_empty() => t("paused the DAG").to_owned(),
        "dag.paused" => t1("paused the DAG: {}", reason),
        "dag.unpaused" => t("unpaused the DAG").to_owned(),
        "dag.schedule_skipped" if reason.is_empty() => {
            t1("did not start the run {}, which was due", text(body, "run_id"))
        }
        "dag.schedule_skipped" => {
            tm("did not start the run {}, which was due: {}", &[&text(body, "run_id"), &reason])
        }
        "dag.schedule_failed" => t1("could not start the run that was due: {}", text(body, "error")),
        "dag.deleted" => t1("deleted the DAG, with {} runs", number(body, "runs")),
        "webhook.set" => t("gave the DAG's webhook a new secret").to_owned(),
        "webhook.removed" => t("took the DAG's webhook away").to_owned(),
        "engine.started" => t("the engine has started").to_owned(),
        "engine.stopped" => t("the engine has stopped").to_owned(),
        _ => return None,
    })
}

fn of_things(event: &EventRow, body: &Value) -> Option<String> {
    let backfill = number(body, "backfill_id");
    let (kind, operator) = (text(body, "callback"), text(body, "operator"));
    Some(match event.name.as_str() {
        "backfill.created" => t1("created the backfill {}", backfill),
        "backfill.paused" => t1("paused the backfill {}", backfill),
        "backfill.unpaused" => t1("unpaused the backfill {}", backfill),
        "backfill.cancelled" => t1("cancelled the backfill {}", backfill),
        "backfill.completed" => t1("the backfill {} is complete", backfill),
        "backfill.run_failed" => {
            tm("the backfill {} could not start a run: {}", &[&backfill, &text(body, "error")])
        }
        "asset.updated" => t1("updated the asset {}", text(body, "uri")),
        "alert.acknowledged" => t1("acknowledged the alert {}", text(body, "message_id")),
        "alert.reopened" => t1("took the acknowledgement of the alert {} back", text(body, "message_id")),
        "alert.taken" => tm("took {} alerts out of {}", &[&number(body, "count"), &text(body, "queue")]),
        "notification.sent" => tm("the callback {} has run: {}", &[&kind, &operator]),
        "notification.failed" => tm("the callback {} has failed: {}", &[&kind, &operator]),
        _ => return None,
    })
}

fn of_shared(event: &EventRow, body: &Value) -> Option<String> {
    let is_change = !body["before"].is_null();
    let (key, id, name) = (text(body, "key"), text(body, "connection_id"), text(body, "name"));
    Some(match event.name.as_str() {
        "variable.set" if is_change => t1("changed the variable {}", key),
        "variable.set" => t1("set the variable {}", key),
        "variable.removed" => t1("removed the variable {}", key),
        "variable.sealed_anew" => t1("sealed the variable {} with a new key", key),
        "connection.set" if is_change => t1("changed the connection {}", id),
        "connection.set" => t1("set the connection {}", id),
        "connection.removed" => t1("removed the connection {}", id),
        "connection.sealed_anew" => t1("sealed the connection {} with a new key", id),
        "pool.set" if is_change => t1("changed the pool {}", name),
        "pool.set" => t1("set the pool {}", name),
        "pool.removed" => t1("removed the pool {}", name),
        _ => return None,
    })
}

fn of_access(event: &EventRow, body: &Value) -> Option<String> {
    let (name, user, label) = (text(body, "name"), text(body, "user"), text(body, "label"));
    Some(match event.name.as_str() {
        "user.created" => tm("made the user {}: {}", &[&name, &text(body, "role")]),
        "user.changed" if body["has_new_password"] == true => t1("gave the user {} a new password", name),
        "user.changed" => t1("changed the user {}", name),
        "user.removed" => t1("removed the user {}", name),
        "session.started" => t("signed in").to_owned(),
        "session.ended" => t("signed out").to_owned(),
        "token.created" => tm("made the token {} for {}", &[&label, &user]),
        "token.revoked" => tm("revoked the token {} of {}", &[&label, &user]),
        "access.refused" => tm("was refused {}: {}", &[&text(body, "what"), &text(body, "reason")]),
        _ => return None,
    })
}
