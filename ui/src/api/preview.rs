//! `GET /api/dags/{dag_id}/preview`: what the schedule of a DAG will start. An addition of ours, so not under `/api/v2`.

use super::error::ApiError;
use super::path::Path;
use super::query::Pairs;
use crate::AppState;
use axum::Json;
use axum::extract::State;
use esteira_runtime::{PREVIEW_MAX, preview};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How many runs are listed when nobody says how many.
const COUNT_DEFAULT: usize = 10;

/// `from` (RFC 3339; now if not given) and `count` (10 if not given, 1,000 at the most).
pub(super) async fn runs(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    query: Pairs,
) -> Result<Json<Value>, ApiError> {
    let message = "Input should be a valid datetime or date";
    let from = query.parsed("from", "datetime_from_date_parsing", message)?.unwrap_or_else(Timestamp::now);
    let count = query.integer("count")?.unwrap_or(COUNT_DEFAULT).min(PREVIEW_MAX);
    let loaded = state
        .handle
        .dag(&dag_id)
        .ok_or_else(|| ApiError::not_found(format!("The Dag with ID: `{dag_id}` was not found")))?;
    let last = state.handle.reader().last_scheduled(&dag_id).await?;
    Ok(Json(json!({
        "dag_id": dag_id,
        "schedule": loaded.dag.schedule.describe(),
        "is_paused": loaded.is_paused,
        "from": from,
        "runs": preview(&loaded.dag, last, from, count),
    })))
}
