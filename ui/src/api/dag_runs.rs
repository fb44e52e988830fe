//! `/dags/{dag_id}/dagRuns`: starting, listing, showing and cancelling runs.

use super::body::Body;
use super::error::ApiError;
use super::listing::Asked;
use super::path::Path;
use super::query::{Pairs, unless_wildcard};
use super::{dags, listing, shapes};
use crate::access::ApiActor;
use crate::{AppState, openapi};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use esteira_core::ids::is_valid_run_id;
use esteira_core::states::{RunState, TriggeredBy};
use esteira_runtime::{Actor, TriggerRequest};
use esteira_store::{RunColumn, RunRow};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The run of this name; 404 when there is none.
pub(super) async fn find(state: &AppState, dag_id: &str, run_id: &str) -> Result<RunRow, ApiError> {
    let run = state.handle.reader().run(dag_id, run_id).await?;
    run.ok_or_else(|| ApiError::not_found(format!("DAG \"{dag_id}\" has no run \"{run_id}\"")))
}

/// `POST /dags/{dag_id}/dagRuns`: starts a run. Answers 200, as Airflow does.
pub(super) async fn trigger(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    ApiActor(actor): ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let request = request(&dag_id, actor, body)?;
    let run = state.handle.trigger(request).await?;
    answer(&state, &run).await
}

fn request(dag_id: &str, actor: Actor, mut body: Body) -> Result<TriggerRequest, ApiError> {
    let run_id = body.text("dag_run_id");
    if let Some(run_id) = run_id.as_ref().filter(|run_id| !is_valid_run_id(run_id)) {
        let message = "String should match pattern '^[A-Za-z0-9_.~:+-]+$'";
        body.fault("dag_run_id", "string_pattern_mismatch", message, json!(run_id));
    }
    let (start, end) = (body.instant("data_interval_start"), body.instant("data_interval_end"));
    if start.is_some() != end.is_some() {
        let message =
            "Either both data_interval_start and data_interval_end must be provided or both must be None";
        body.fault("data_interval_start", "value_error", message, Value::Null);
    }
    let request = TriggerRequest {
        run_id: run_id.map(Into::into),
        logical_date: body.instant("logical_date"),
        data_interval: start.zip(end),
        conf: body.object("conf").unwrap_or_default(),
        note: body.text("note"),
        ..TriggerRequest::manual(dag_id, actor)
    };
    body.unsupported("run_after");
    body.unsupported("partition_key");
    body.end()?;
    Ok(request)
}

/// `GET /dags/{dag_id or ~}/dagRuns`, in the order of their creation unless `order_by` says otherwise.
pub(super) async fn list(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let mut asked = listing::runs(&pairs)?;
    if let Some(dag_id) = unless_wildcard(&dag_id) {
        dags::find(&state, &dag_id).await?;
        asked.listing.any_of.push((RunColumn::DagId, vec![Some(dag_id)]));
    }
    listed(&state, &asked).await
}

/// `POST /dags/~/dagRuns/list`: the same, asked for in a body.
pub(super) async fn batch(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    listing::only_wildcard("dag_id", &dag_id)?;
    let pairs = listing::pairs_of_body(body.whole(), &openapi::runs::list_runs())?;
    listed(&state, &listing::runs(&pairs)?).await
}

async fn listed(state: &AppState, asked: &Asked<RunColumn>) -> Result<Json<Value>, ApiError> {
    let part = asked.part(state).await?;
    let mut shapes = Vec::new();
    for run in &part.rows {
        shapes.push(shape(run, state.versions.of(run.version_id).await?.created_at));
    }
    Ok(Json(part.answer("dag_runs", shapes)))
}

/// `GET /dags/{dag_id}/dagRuns/{run_id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let run = find(&state, &dag_id, &run_id).await?;
    answer(&state, &run).await
}

/// The run that is called `list`, whose address is that of the batch list.
pub(super) async fn called_list(
    state: State<AppState>,
    Path(dag_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    one(state, Path((dag_id, "list".to_owned()))).await
}

/// `PATCH /dags/{dag_id}/dagRuns/{run_id}`: `state: failed` cancels a run that is under way; one that is over is marked.
pub(super) async fn patch(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<Json<Value>, ApiError> {
    let wanted = body.text("state");
    let parsed = wanted.as_deref().and_then(RunState::from_label).filter(|state| state.is_terminal());
    if wanted.is_some() && parsed.is_none() {
        let message = "a run can be set to success or failed; to run it again, clear it";
        body.fault("state", "value_error", message, json!(wanted));
    }
    body.unsupported("note");
    body.end()?;
    let run = find(&state, &dag_id, &run_id).await?;
    let (dag, name) = (dag_id.as_str().into(), run_id.as_str().into());
    match parsed {
        Some(RunState::Failed) if !run.state.is_terminal() => state.handle.cancel(dag, name, actor).await?,
        Some(wanted) if wanted != run.state => state.handle.mark_run(dag, name, wanted, actor).await?,
        _ => {}
    }
    let run = find(&state, &dag_id, &run_id).await?;
    answer(&state, &run).await
}

/// `DELETE /dags/{dag_id}/dagRuns/{run_id}`: a run that is not under way, with its values and logs.
pub(super) async fn delete(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    ApiActor(actor): ApiActor,
) -> Result<StatusCode, ApiError> {
    state.handle.delete_run(dag_id.into(), run_id.into(), actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn answer(state: &AppState, run: &RunRow) -> Result<Json<Value>, ApiError> {
    Ok(Json(shape(run, state.versions.of(run.version_id).await?.created_at)))
}

fn shape(run: &RunRow, version_created: Option<Timestamp>) -> Value {
    let dag_id = run.dag_id.as_str();
    // Airflow's clients refuse a way that Airflow does not have.
    let triggered_by = (run.triggered_by != TriggeredBy::Engine).then(|| run.triggered_by.as_str());
    json!({
        "dag_run_id": run.run_id,
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "state": run.state,
        "run_type": run.run_type,
        "triggered_by": triggered_by,
        "triggering_user_name": run.triggering_user,
        "logical_date": shapes::maybe(run.logical_date),
        "data_interval_start": shapes::maybe(run.data_interval_start),
        "data_interval_end": shapes::maybe(run.data_interval_end),
        "run_after": shapes::instant(run.run_after),
        "queued_at": shapes::instant(run.queued_at),
        "start_date": shapes::maybe(run.started_at),
        "end_date": shapes::maybe(run.ended_at),
        "duration": shapes::seconds(run.started_at, run.ended_at),
        "last_scheduling_decision": null,
        "conf": run.conf,
        "note": run.note,
        "dag_versions": [shapes::version(dag_id, run.version_number, version_created)],
        "bundle_version": null,
        "partition_key": null,
    })
}
