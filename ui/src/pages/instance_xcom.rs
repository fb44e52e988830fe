//! What an instance pushed: shown as JSON, abridged where it is long, and raw.

use super::instance_log::ascii;
use crate::AppState;
use crate::error_pages::PageError;
use crate::json_tree::JsonTree;
use crate::links;
use crate::show::{Instant, size};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use esteira_store::{RunRow, TaskInstanceRow};
use jiff::Timestamp;
use serde::Deserialize;

/// A value up to this size is shown on the page.
const READ_BYTES_MAX: u64 = 2_000_000;

/// A value as the page shows it.
pub(crate) struct XcomView {
    pub(crate) key: String,
    pub(crate) size: String,
    pub(crate) at: Instant,
    /// Where the value is as it is.
    pub(crate) raw: String,
    pub(crate) download: String,
    /// None where it is too large for a page.
    pub(crate) tree: Option<JsonTree>,
}

/// The values of an instance.
pub(super) async fn views(
    state: &AppState,
    run: &RunRow,
    instance: &TaskInstanceRow,
) -> Result<Vec<XcomView>, PageError> {
    let reader = state.handle.reader();
    let task_id = instance.task_id.as_str();
    let rows = reader.xcoms(run.run_key, Some(task_id)).await?;
    let mut views = Vec::new();
    for row in rows.into_iter().filter(|row| row.map_index == instance.map_index) {
        let value = match row.size {
            0..=READ_BYTES_MAX => reader.xcom_value(run.run_key, task_id, row.map_index, &row.key).await?,
            _ => None,
        };
        let value = value.map(|value| state.handle.vault().masker().mask_json(value));
        let path = links::instance(run.dag_id.as_str(), run.run_id.as_str(), task_id, -1);
        let path = format!("{path}/xcom/{}", links::escaped(&row.key));
        let map_index = if row.map_index < 0 { String::new() } else { row.map_index.to_string() };
        views.push(XcomView {
            raw: links::with_query(&path, &[("map_index", &map_index)]),
            download: links::with_query(&path, &[("map_index", &map_index), ("download", "true")]),
            tree: value.map(JsonTree::new),
            size: size(row.size),
            at: Instant::new(row.at, Timestamp::now()),
            key: row.key,
        });
    }
    Ok(views)
}

/// Which instance is meant.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    map_index: Option<i32>,
    /// As a file to keep.
    #[serde(default)]
    download: bool,
}

/// A value as JSON.
pub(crate) async fn raw(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id, key)): Path<(String, String, String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    let run = super::run::find(&state, &dag_id, &run_id).await?;
    let map_index = wanted.map_index.unwrap_or(-1);
    let value = state.handle.reader().xcom_value(run.run_key, &task_id, map_index, &key).await?;
    let missing =
        || PageError::not_found(format!("task \"{task_id}\" pushed no value \"{key}\" in run \"{run_id}\""));
    let value = state.handle.vault().masker().mask_json(value.ok_or_else(missing)?);
    if !wanted.download {
        return Ok(Json(value).into_response());
    }
    let name = format!("attachment; filename=\"{}-{}.json\"", ascii(&task_id), ascii(&key));
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(value)).into_response())
}
