//! The JSON Schema of DAG files, where an editor can load it from.

use crate::AppState;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

pub(crate) fn router() -> Router<AppState> {
    Router::new().route("/schema/dag.json", get(schema))
}

async fn schema(State(state): State<AppState>) -> impl IntoResponse {
    let schema = esteira_core::spec::json_schema(state.registry.as_ref());
    let head = [(header::CONTENT_TYPE, "application/schema+json"), (header::CACHE_CONTROL, "no-cache")];
    (head, schema.to_string())
}
