//! `/backfills`: runs over a range of the past.

use super::body::Body;
use super::error::ApiError;
use super::ordered::{self, Column};
use super::path::{Path, number};
use super::query::Pairs;
use super::shapes;
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use esteira_core::backfill::{Range, Reprocess};
use esteira_runtime::{Actor, BackfillRequest};
use esteira_store::BackfillRow;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Airflow's default.
const MAX_ACTIVE_RUNS: u32 = 10;

/// What backfills can be ordered by.
const COLUMNS: [Column<BackfillRow>; 6] = [
    ("id", |one, other| one.backfill_id.cmp(&other.backfill_id)),
    ("dag_id", |one, other| one.dag_id.cmp(&other.dag_id)),
    ("from_date", |one, other| one.range.from.cmp(&other.range.from)),
    ("to_date", |one, other| one.range.to.cmp(&other.range.to)),
    ("created_at", |one, other| one.created_at.cmp(&other.created_at)),
    ("completed_at", |one, other| one.completed_at.cmp(&other.completed_at)),
];

/// `GET /backfills`, newest first unless `order_by` says otherwise; `dag_id` and `active` (not completed) are filters.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let mut rows = state.handle.reader().backfills(pairs.text("dag_id").as_deref()).await?;
    let active = pairs.boolean("active")?;
    rows.retain(|row| active.is_none_or(|active| row.completed_at.is_none() == active));
    ordered::order(&pairs, &mut rows, &COLUMNS)?;
    let part = pairs.window()?.page(rows, |row| row.backfill_id.to_string())?;
    Ok(Json(part.shaped("backfills", shape)))
}

/// `GET /backfills/{id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id = number("backfill_id", &id)?;
    let row = state.handle.reader().backfill(id).await?;
    Ok(Json(shape(&row.ok_or_else(|| ApiError::not_found(format!("there is no backfill {id}")))?)))
}

/// `POST /backfills`.
pub(super) async fn create(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let (row, _) = state.handle.create_backfill(request(body, actor, false)?).await?;
    Ok(Json(row.as_ref().map(shape).unwrap_or_default()))
}

/// `POST /backfills/dry_run`: which runs it would have.
pub(super) async fn dry_run(
    State(state): State<AppState>,
    ApiActor(actor): ApiActor,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let (_, planned) = state.handle.create_backfill(request(body, actor, true)?).await?;
    let runs: Vec<Value> = planned
        .iter()
        .filter(|run| run.is_to_run)
        .map(|run| {
            json!({
                "logical_date": shapes::instant(run.logical_date),
                "data_interval_start": shapes::instant(run.data_interval.0),
                "data_interval_end": shapes::instant(run.data_interval.1),
                "newest_state": run.newest,
            })
        })
        .collect();
    let (total, skipped) = (runs.len(), planned.len() - runs.len());
    Ok(Json(json!({ "backfills": runs, "total_entries": total, "skipped": skipped })))
}

/// `PUT /backfills/{id}/pause`.
pub(super) async fn pause(
    State(state): State<AppState>,
    Path(id): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<Json<Value>, ApiError> {
    let id = number("backfill_id", &id)?;
    Ok(Json(shape(&state.handle.set_backfill_paused(id, true, actor).await?)))
}

/// `PUT /backfills/{id}/unpause`.
pub(super) async fn unpause(
    State(state): State<AppState>,
    Path(id): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<Json<Value>, ApiError> {
    let id = number("backfill_id", &id)?;
    Ok(Json(shape(&state.handle.set_backfill_paused(id, false, actor).await?)))
}

/// `PUT /backfills/{id}/cancel`.
pub(super) async fn cancel(
    State(state): State<AppState>,
    Path(id): Path<String>,
    ApiActor(actor): ApiActor,
) -> Result<Json<Value>, ApiError> {
    let id = number("backfill_id", &id)?;
    Ok(Json(shape(&state.handle.cancel_backfill(id, actor).await?)))
}

fn request(mut body: Body, actor: Actor, dry_run: bool) -> Result<BackfillRequest, ApiError> {
    let dag_id = body.text("dag_id").unwrap_or_default();
    let (from, to) = (body.instant("from_date"), body.instant("to_date"));
    let given = [("dag_id", !dag_id.is_empty()), ("from_date", from.is_some()), ("to_date", to.is_some())];
    for (key, _) in given.iter().filter(|(_, is_given)| !is_given) {
        body.fault(key, "missing", "Field required", Value::Null);
    }
    let reprocess = body.text("reprocess_behavior");
    let reprocess = reprocess.map(|label| (Reprocess::from_label(&label), label));
    if let Some((None, label)) = &reprocess {
        let message = "Input should be 'failed', 'completed' or 'none'";
        body.fault("reprocess_behavior", "enum", message, json!(label));
    }
    let max_active_runs = body.integer("max_active_runs").unwrap_or(i64::from(MAX_ACTIVE_RUNS));
    let max_active_runs = u32::try_from(max_active_runs).ok().filter(|count| *count > 0);
    if max_active_runs.is_none() {
        body.fault("max_active_runs", "greater_than", "Input should be greater than 0", Value::Null);
    }
    let is_newest_first = body.boolean("run_backwards").unwrap_or(false);
    let conf = body.object("dag_run_conf").unwrap_or_default();
    body.unsupported_unless_false("run_on_latest_version");
    body.end()?;
    let instant = |at: Option<Timestamp>| at.unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(BackfillRequest {
        dag_id: dag_id.into(),
        range: Range { from: instant(from), to: instant(to), is_newest_first },
        reprocess: reprocess.and_then(|(reprocess, _)| reprocess).unwrap_or(Reprocess::None),
        max_active_runs: max_active_runs.unwrap_or(MAX_ACTIVE_RUNS),
        conf,
        dry_run,
        actor,
    })
}

fn shape(row: &BackfillRow) -> Value {
    json!({
        "id": row.backfill_id,
        "dag_id": row.dag_id,
        "dag_display_name": row.dag_id,
        "from_date": shapes::instant(row.range.from),
        "to_date": shapes::instant(row.range.to),
        "dag_run_conf": row.conf,
        "is_paused": row.is_paused,
        "reprocess_behavior": row.reprocess,
        "max_active_runs": row.max_active_runs,
        "run_backwards": row.range.is_newest_first,
        "created_at": shapes::instant(row.created_at),
        "updated_at": shapes::instant(row.completed_at.unwrap_or(row.created_at)),
        "completed_at": shapes::maybe(row.completed_at),
    })
}
