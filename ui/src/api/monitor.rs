//! `/monitor/health` and `/version`.

use super::shapes::instant;
use crate::AppState;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// How long the loop may take to answer before it counts as stuck.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the parts of the engine do their work: the database is asked, and so is the loop, which schedules runs and
/// takes in DAG files. A part that does not answer has no heartbeat.
pub(super) async fn health(State(state): State<AppState>) -> Json<Value> {
    let status = |is_healthy: bool| if is_healthy { "healthy" } else { "unhealthy" };
    let database = state.handle.reader().event_count().await.is_ok();
    let engine = state.handle.is_alive(PATIENCE).await;
    let beat = engine.then(|| instant(Timestamp::now()));
    Json(json!({
        "metadatabase": { "status": status(database) },
        "scheduler": { "status": status(engine), "latest_scheduler_heartbeat": beat },
        "triggerer": { "status": null, "latest_triggerer_heartbeat": null },
        "dag_processor": { "status": status(engine), "latest_dag_processor_heartbeat": beat },
        "started_at": instant(state.handle.started_at()),
    }))
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "git_version": null }))
}
