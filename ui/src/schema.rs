//! The JSON Schema of DAG files, where an editor can load it from.

use crate::AppState;
use crate::access::{Access, Routes};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

pub(crate) fn routes() -> Routes<AppState> {
    Routes::new().get("/schema/dag.json", Access::Public, schema)
}

async fn schema(State(state): State<AppState>) -> impl IntoResponse {
    let schema = esteira_core::spec::json_schema(state.registry.as_ref());
    let head = [(header::CONTENT_TYPE, "application/schema+json"), (header::CACHE_CONTROL, "no-cache")];
    (head, schema.to_string())
}
