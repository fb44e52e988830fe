//! `/dags/{dag_id}/dagRuns/{run_id}/taskInstances`: the task instances of runs, and their attempts.

use super::body::Body;
use super::error::ApiError;
use super::listing::Asked;
use super::path::Path;
use super::query::{Pairs, unless_wildcard};
use super::{dag_runs, listing, shapes};
use crate::versions::Version;
use crate::{AppState, openapi};
use axum::Json;
use axum::extract::State;
use esteira_core::dag::DEFAULT_POOL;
use esteira_core::ids::TaskId;
use esteira_runtime::AffectedInstance;
use esteira_store::{AttemptKey, AttemptRow, InstanceColumn, RunKey, RunRow, TaskInstanceRow};
use serde_json::{Value, json};
use std::collections::HashMap;

/// An instance with its run.
pub(super) struct Found {
    pub(super) run: RunRow,
    pub(super) instance: TaskInstanceRow,
}

/// The instance that the address and `?map_index=` name; 404 when there is none.
pub(super) async fn find(
    state: &AppState,
    (dag_id, run_id, task_id): (&str, &str, &str),
    pairs: &Pairs,
) -> Result<Found, ApiError> {
    let run = dag_runs::find(state, dag_id, run_id).await?;
    let map_index = pairs.integer("map_index")?.unwrap_or(-1);
    let instance = state.handle.reader().instance(run.run_key, task_id, map_index).await?;
    let missing = || {
        ApiError::not_found(format!("run \"{run_id}\" has no task \"{task_id}\" with map index {map_index}"))
    };
    Ok(Found { run, instance: instance.ok_or_else(missing)? })
}

/// `GET …/taskInstances`, in the order of the DAG's file unless `order_by` says otherwise; `~` stands for any DAG or any
/// run.
pub(super) async fn list(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let mut asked = listing::instances(&pairs)?;
    if let (Some(dag_id), Some(run_id)) = (unless_wildcard(&dag_id), unless_wildcard(&run_id)) {
        dag_runs::find(&state, &dag_id, &run_id).await?;
    }
    let names = [(InstanceColumn::DagId, dag_id), (InstanceColumn::RunId, run_id)];
    for (column, name) in names {
        asked.listing.any_of.extend(unless_wildcard(&name).map(|name| (column, vec![Some(name)])));
    }
    listed(&state, &asked).await
}

/// `POST /dags/~/dagRuns/~/taskInstances/list`: the same, asked for in a body.
pub(super) async fn batch(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    listing::only_wildcard("dag_id", &dag_id)?;
    listing::only_wildcard("dag_run_id", &run_id)?;
    let pairs = listing::pairs_of_body(body.whole(), &openapi::runs::list_instances())?;
    listed(&state, &listing::instances(&pairs)?).await
}

pub(super) async fn listed(state: &AppState, asked: &Asked<InstanceColumn>) -> Result<Json<Value>, ApiError> {
    let part = asked.part(state).await?;
    let mut keys: Vec<RunKey> = part.rows.iter().map(|instance| instance.run_key).collect();
    keys.dedup();
    let runs = state.handle.reader().runs_by_key(&keys).await?;
    let runs: HashMap<RunKey, &RunRow> = runs.iter().map(|run| (run.run_key, run)).collect();
    let mut shapes = Vec::new();
    for instance in &part.rows {
        // One that is missing was removed since the list was read.
        let Some(run) = runs.get(&instance.run_key) else { continue };
        let version = state.versions.of(run.version_id).await?;
        shapes.push(shape(run, instance, &version));
    }
    Ok(Json(part.answer("task_instances", shapes)))
}

/// These instances of a run, as they are before something is done to them.
pub(super) async fn shapes_before(
    state: &AppState,
    run: &RunRow,
    instances: &[AffectedInstance],
) -> Result<Vec<Value>, ApiError> {
    let rows = state.handle.reader().instances(run.run_key).await?;
    let rows: HashMap<_, _> = rows.iter().map(|row| ((row.task_id.as_str(), row.map_index), row)).collect();
    let version = state.versions.of(run.version_id).await?;
    let shape_of =
        |instance: &AffectedInstance| match rows.get(&(instance.task_id.as_str(), instance.map_index)) {
            Some(row) => shape(run, row, &version),
            None => shape(run, &new_row(run, instance), &version),
        };
    Ok(instances.iter().map(shape_of).collect())
}

/// An instance that the newest version of the DAG would have, and the run has not yet.
fn new_row(run: &RunRow, instance: &AffectedInstance) -> TaskInstanceRow {
    TaskInstanceRow {
        run_key: run.run_key,
        dag_id: run.dag_id.clone(),
        run_id: run.run_id.clone(),
        task_index: u32::MAX,
        task_id: instance.task_id.clone(),
        map_index: instance.map_index,
        state: instance.state,
        try_number: 0,
        scheduled_at: None,
        started_at: None,
        ended_at: None,
        retry_at: None,
        label: None,
    }
}

/// One instance; null when it is gone.
pub(super) async fn shape_of(
    state: &AppState,
    run_key: RunKey,
    task_id: &TaskId,
    map_index: i32,
) -> Result<Value, ApiError> {
    let reader = state.handle.reader();
    let (run, instance) =
        (reader.run_by_key(run_key).await?, reader.instance(run_key, task_id.as_str(), map_index).await?);
    let (Some(run), Some(instance)) = (run, instance) else { return Ok(Value::Null) };
    let version = state.versions.of(run.version_id).await?;
    Ok(shape(&run, &instance, &version))
}

/// The task that is called `list`, whose address is that of the batch list.
pub(super) async fn called_list(
    state: State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    one(state, Path((dag_id, run_id, "list".to_owned())), pairs).await
}

/// `GET …/taskInstances/{task_id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let Found { run, instance } = find(&state, (&dag_id, &run_id, &task_id), &pairs).await?;
    let version = state.versions.of(run.version_id).await?;
    let mut shape = shape(&run, &instance, &version);
    let attempts = attempts(&state, &instance).await?;
    let arguments = attempts.into_iter().rev().find_map(|attempt| attempt.arguments);
    shape["rendered_fields"] = arguments.unwrap_or_else(|| json!({}));
    Ok(Json(shape))
}

/// `GET …/taskInstances/{task_id}/tries`: the attempts that ended, and the one that runs.
pub(super) async fn tries(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let Found { run, instance } = find(&state, (&dag_id, &run_id, &task_id), &pairs).await?;
    let version = state.versions.of(run.version_id).await?;
    let whole = shape(&run, &instance, &version);
    let attempts = attempts(&state, &instance).await?;
    let mut tries: Vec<Value> = attempts.iter().map(|attempt| as_try(&whole, attempt)).collect();
    if instance.try_number > attempts.last().map_or(0, |attempt| attempt.try_number) {
        tries.push(whole);
    }
    let total = tries.len();
    Ok(Json(json!({ "task_instances": tries, "total_entries": total })))
}

/// `GET …/taskInstances/{task_id}/tries/{try_number}`: one of its attempts.
pub(super) async fn one_try(
    state: State<AppState>,
    Path((dag_id, run_id, task_id, number)): Path<(String, String, String, u32)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let missing = || ApiError::not_found(format!("the task \"{task_id}\" has no attempt {number}"));
    let Json(mut all) = tries(state, Path((dag_id, run_id, task_id.clone())), pairs).await?;
    let list = all["task_instances"].as_array_mut().map(std::mem::take).unwrap_or_default();
    list.into_iter().find(|it| it["try_number"] == number).map(Json).ok_or_else(missing)
}

async fn attempts(state: &AppState, instance: &TaskInstanceRow) -> Result<Vec<AttemptRow>, ApiError> {
    let TaskInstanceRow { run_key, task_index, map_index, .. } = *instance;
    Ok(state.handle.reader().attempts(AttemptKey { run_key, task_index, map_index }).await?)
}

/// An attempt: the instance with the attempt's own numbers and times.
fn as_try(whole: &Value, attempt: &AttemptRow) -> Value {
    let mut shape = whole.clone();
    // Airflow knows none of these words.
    let state = match attempt.outcome.as_str() {
        "lost" | "interrupted" | "cleared" | "marked" => "failed",
        other => other,
    };
    shape["try_number"] = json!(attempt.try_number);
    shape["state"] = json!(state);
    shape["start_date"] = json!(shapes::instant(attempt.started_at));
    shape["end_date"] = json!(shapes::instant(attempt.ended_at));
    shape["duration"] = shapes::seconds(Some(attempt.started_at), Some(attempt.ended_at));
    shape["error"] = json!(attempt.error);
    shape
}

fn shape(run: &RunRow, instance: &TaskInstanceRow, version: &Version) -> Value {
    let task = version.tasks.get(instance.task_index as usize);
    let (dag_id, run_id, task_id) = (run.dag_id.as_str(), run.run_id.as_str(), instance.task_id.as_str());
    let operator = task.map(|task| &*task.operator);
    json!({
        "id": shapes::uuid(&[dag_id, run_id, task_id, &instance.map_index.to_string()]),
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "dag_run_id": run_id,
        "task_id": task_id,
        "task_display_name": task_id,
        "map_index": instance.map_index,
        "rendered_map_index": instance.label,
        "state": instance.state,
        "try_number": instance.try_number,
        "max_tries": task.map_or(0, |task| task.retries),
        "logical_date": shapes::maybe(run.logical_date),
        "run_after": shapes::instant(run.run_after),
        "scheduled_when": shapes::maybe(instance.scheduled_at),
        "queued_when": shapes::maybe(instance.scheduled_at),
        "start_date": shapes::maybe(instance.started_at),
        "end_date": shapes::maybe(instance.ended_at),
        "duration": shapes::seconds(instance.started_at, instance.ended_at),
        "operator": operator,
        "operator_name": operator,
        "pool": task.map_or(DEFAULT_POOL, |task| &task.pool),
        "pool_slots": task.map_or(1, |task| task.pool_slots),
        "queue": null,
        "priority_weight": task.map_or(1, |task| task.priority_weight),
        "hostname": null,
        "unixname": null,
        "pid": null,
        "executor": null,
        "executor_config": "{}",
        "note": null,
        "rendered_fields": {},
        "trigger": null,
        "triggerer_job": null,
        "dag_version": shapes::version(dag_id, run.version_number, version.created_at),
    })
}
