//! `GET /api/dags/{dag_id}/dagRuns/{run_id}/waiting`: why each task instance of a run that has not ended is not running.
//! An addition of ours, so not under `/api/v2`.

use super::error::ApiError;
use super::path::Path;
use crate::AppState;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(super) async fn list(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let waiting = state.handle.why_waiting(dag_id.as_str().into(), run_id.as_str().into()).await?;
    let shapes: Vec<Value> = waiting
        .iter()
        .map(|instance| {
            json!({ "task_id": instance.task_id, "map_index": instance.map_index, "reason": instance.reason })
        })
        .collect();
    let total = shapes.len();
    Ok(Json(json!({ "dag_id": dag_id, "dag_run_id": run_id, "waiting": shapes, "total_entries": total })))
}
