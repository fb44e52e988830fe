//! `/monitor/health` and `/version`.

use super::shapes::instant;
use crate::AppState;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Whether the parts of the engine do their work. The database is asked; the loop beats while it answers.
pub(super) async fn health(State(state): State<AppState>) -> Json<Value> {
    let database = match state.handle.reader().event_count().await {
        Ok(_) => "healthy",
        Err(_) => "unhealthy",
    };
    let beat = instant(Timestamp::now());
    Json(json!({
        "metadatabase": { "status": database },
        "scheduler": { "status": "healthy", "latest_scheduler_heartbeat": beat },
        "triggerer": { "status": null, "latest_triggerer_heartbeat": null },
        "dag_processor": { "status": "healthy", "latest_dag_processor_heartbeat": beat },
        "started_at": instant(state.handle.started_at()),
    }))
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "git_version": null }))
}
