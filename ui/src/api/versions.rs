//! `/dags/{dag_id}/dagVersions` and `/dagSources/{dag_id}`: what a DAG's file said, and when.

use super::error::ApiError;
use super::ordered::{self, Column};
use super::path::{self, Path};
use super::query::Pairs;
use super::{dags, shapes};
use crate::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use esteira_store::VersionRow;
use serde_json::{Value, json};

/// What versions can be ordered by.
const COLUMNS: [Column<VersionRow>; 3] = [
    ("id", |one, other| one.version_number.cmp(&other.version_number)),
    ("version_number", |one, other| one.version_number.cmp(&other.version_number)),
    ("created_at", |one, other| one.created_at.cmp(&other.created_at)),
];

/// `GET /dags/{dag_id}/dagVersions`, with `version_number` as a filter.
pub(super) async fn list(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    dags::find(&state, &dag_id).await?;
    let mut versions = state.handle.reader().versions(&dag_id).await?;
    let number: Option<i64> = pairs.integer("version_number")?;
    versions.retain(|version| number.is_none_or(|number| version.version_number == number));
    ordered::order(&pairs, &mut versions, &COLUMNS)?;
    let part = pairs.window()?.page(versions, |version| version.version_number.to_string())?;
    Ok(Json(part.shaped("dag_versions", shape)))
}

pub(super) async fn one(
    State(state): State<AppState>,
    Path((dag_id, number)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let number = path::number("version_number", &number)?;
    Ok(Json(shape(&find(&state, &dag_id, number).await?)))
}

/// `GET /dagSources/{dag_id}`: the YAML, of the newest version or `?version_number=`; as text when `Accept` asks.
pub(super) async fn source(
    State(state): State<AppState>,
    Path(dag_id): Path<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let dag = dags::find(&state, &dag_id).await?;
    let number = pairs.integer("version_number")?.unwrap_or(dag.version_number);
    let version = find(&state, &dag_id, number).await?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.starts_with("text/plain") {
        return Ok(version.source.into_response());
    }
    let shape = json!({
        "dag_id": dag_id,
        "dag_display_name": dag_id,
        "version_number": number,
        "content": version.source,
    });
    Ok(Json(shape).into_response())
}

async fn find(state: &AppState, dag_id: &str, number: i64) -> Result<VersionRow, ApiError> {
    let version = state.handle.reader().version(dag_id, number).await?;
    version.ok_or_else(|| ApiError::not_found(format!("DAG \"{dag_id}\" has no version {number}")))
}

fn shape(version: &VersionRow) -> Value {
    let mut shape =
        shapes::version(version.dag_id.as_str(), version.version_number, Some(version.created_at));
    shape["source_hash"] = json!(version.source_hash);
    shape["file"] = json!(version.file);
    shape
}
