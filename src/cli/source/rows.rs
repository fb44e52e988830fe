//! From what a server answers, in Airflow's shapes, to the rows that a home's database gives.

use super::Fields;
use crate::cli::Failure;
use esteira_core::states::{RunState, RunType, TaskInstanceState, TriggeredBy};
use esteira_runtime::logs::LogLine;
use esteira_store::{AttemptRow, EventRow, RunRow, TaskInstanceRow, XcomRow};
use serde_json::Value;

/// Stands for the numbers that rows have in a database: a server does not tell them, and nothing that is printed has them.
const NO_KEY: i64 = 0;

pub(super) fn run(run: &Value) -> Result<RunRow, Failure> {
    let fields = Fields(run);
    Ok(RunRow {
        run_key: NO_KEY,
        dag_id: fields.text("dag_id")?.into(),
        run_id: fields.text("dag_run_id")?.into(),
        version_id: NO_KEY,
        version_number: Fields(&run["dag_versions"][0]).number("version_number")?,
        state: fields.label("state", RunState::from_label)?,
        run_type: fields.label("run_type", RunType::from_label)?,
        // Airflow has no word for what the engine starts by itself.
        triggered_by: match run["triggered_by"].is_null() {
            true => TriggeredBy::Engine,
            false => fields.label("triggered_by", TriggeredBy::from_label)?,
        },
        triggering_user: fields.text_or_empty("triggering_user_name"),
        logical_date: fields.some_instant("logical_date")?,
        data_interval_start: fields.some_instant("data_interval_start")?,
        data_interval_end: fields.some_instant("data_interval_end")?,
        run_after: fields.instant("run_after")?,
        queued_at: fields.instant("queued_at")?,
        started_at: fields.some_instant("start_date")?,
        ended_at: fields.some_instant("end_date")?,
        conf: run["conf"].clone(),
        note: run["note"].as_str().map(str::to_owned),
        parent_run_key: None,
        is_cancelled_with_parent: false,
        backfill_id: None,
    })
}

pub(super) fn instance(instance: &Value) -> Result<TaskInstanceRow, Failure> {
    let fields = Fields(instance);
    Ok(TaskInstanceRow {
        run_key: NO_KEY,
        dag_id: fields.text("dag_id")?.into(),
        run_id: fields.text("dag_run_id")?.into(),
        task_index: 0,
        task_id: fields.text("task_id")?.into(),
        map_index: fields.number("map_index")?,
        state: match instance["state"].is_null() {
            true => None,
            false => Some(fields.label("state", TaskInstanceState::from_label)?),
        },
        try_number: fields.number("try_number")?,
        scheduled_at: fields.some_instant("scheduled_when")?,
        started_at: fields.some_instant("start_date")?,
        ended_at: fields.some_instant("end_date")?,
        // Airflow's shape does not tell when the next attempt is due.
        retry_at: None,
        label: instance["rendered_map_index"].as_str().map(str::to_owned),
    })
}

/// An attempt that has ended. Airflow has one word for those that failed, were lost, interrupted, cleared or marked; only
/// the first have an error. The outcome of the others is empty.
pub(super) fn attempt(attempt: &Value) -> Result<AttemptRow, Failure> {
    let fields = Fields(attempt);
    let outcome = match fields.text("state")? {
        "failed" if attempt["error"].is_null() => "",
        outcome => outcome,
    };
    Ok(AttemptRow {
        try_number: fields.number("try_number")?,
        outcome: outcome.to_owned(),
        started_at: fields.instant("start_date")?,
        ended_at: fields.instant("end_date")?,
        error: serde_json::from_value(attempt["error"].clone()).ok(),
        arguments: None,
    })
}

pub(super) fn xcom(entry: &Value) -> Result<XcomRow, Failure> {
    let fields = Fields(entry);
    Ok(XcomRow {
        task_id: fields.text("task_id")?.into(),
        map_index: fields.number("map_index")?,
        key: fields.text("key")?.to_owned(),
        at: fields.instant("timestamp")?,
        size: fields.number("size")?,
    })
}

/// What an event is not about is null in Airflow's shape.
pub(super) fn event(event: &Value) -> Result<EventRow, Failure> {
    let fields = Fields(event);
    Ok(EventRow {
        seq: fields.number("event_log_id")?,
        at: fields.instant("when")?,
        name: fields.text("event")?.to_owned(),
        run_key: None,
        dag_id: fields.text_or_empty("dag_id"),
        run_id: fields.text_or_empty("run_id"),
        task_id: fields.text_or_empty("task_id"),
        task_index: None,
        map_index: fields.number("map_index").unwrap_or(-1),
        try_number: fields.number("try_number").unwrap_or(0),
        actor: fields.text("owner")?.to_owned(),
        via: fields.text("via")?.to_owned(),
        body: fields.text_or_empty("extra"),
        hash: fields.text("hash")?.to_owned(),
    })
}

pub(super) fn log_line(line: &Value) -> Result<LogLine, Failure> {
    let fields = Fields(line);
    Ok(LogLine {
        timestamp: fields.instant("timestamp")?,
        level: fields.text("level")?.to_owned(),
        source: fields.text("logger")?.to_owned(),
        event: fields.text("event")?.to_owned(),
    })
}
