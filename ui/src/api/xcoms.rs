//! `…/taskInstances/{task_id}/xcomEntries`: what task instances pushed.

use super::body::Body;
use super::error::ApiError;
use super::ordered::{self, Column, Patterns};
use super::path::Path;
use super::query::{Pairs, unless_wildcard};
use super::{dag_runs, shapes};
use crate::AppState;
use crate::access::ApiActor;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use esteira_runtime::XcomRequest;
use esteira_store::{RunRow, XcomRow};
use serde_json::{Value, json};

/// What entries can be ordered by.
const COLUMNS: [Column<XcomRow>; 4] = [
    ("key", |one, other| one.key.cmp(&other.key)),
    ("task_id", |one, other| one.task_id.cmp(&other.task_id)),
    ("map_index", |one, other| one.map_index.cmp(&other.map_index)),
    ("timestamp", |one, other| one.at.cmp(&other.at)),
];

/// The entries, without their values; `~` stands for any task.
pub(super) async fn list(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let run = dag_runs::find(&state, &dag_id, &run_id).await?;
    let mut rows = state.handle.reader().xcoms(run.run_key, unless_wildcard(&task_id).as_deref()).await?;
    let pattern = Patterns::of(&pairs, &["xcom_key"])?;
    let map_index: Option<i32> = pairs.integer("map_index")?;
    let key = pairs.text("xcom_key");
    rows.retain(|row| {
        map_index.is_none_or(|map_index| row.map_index == map_index)
            && key.as_ref().is_none_or(|key| row.key == *key)
            && pattern.fits(&row.key)
    });
    ordered::order(&pairs, &mut rows, &COLUMNS)?;
    let part = pairs.window()?.page(rows, |row| format!("{} {} {}", row.task_id, row.map_index, row.key))?;
    Ok(Json(part.shaped("xcom_entries", |row| shape(&run, row))))
}

/// One entry with its value.
pub(super) async fn one(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id, key)): Path<(String, String, String, String)>,
    pairs: Pairs,
) -> Result<Json<Value>, ApiError> {
    let map_index = pairs.integer("map_index")?.unwrap_or(-1);
    let as_text = pairs.boolean("stringify")?.unwrap_or(false);
    with_value(&state, &dag_id, &run_id, &task_id, (map_index, &key), as_text).await.map(Json)
}

async fn with_value(
    state: &AppState,
    dag_id: &str,
    run_id: &str,
    task_id: &str,
    (map_index, key): (i32, &str),
    as_text: bool,
) -> Result<Value, ApiError> {
    let run = dag_runs::find(state, dag_id, run_id).await?;
    let reader = state.handle.reader();
    let rows = reader.xcoms(run.run_key, Some(task_id)).await?;
    let row = rows.iter().find(|row| row.key == key && row.map_index == map_index);
    let missing =
        || ApiError::not_found(format!("task \"{task_id}\" pushed no value \"{key}\" in run \"{run_id}\""));
    let row = row.ok_or_else(missing)?;
    let value = reader.xcom_value(run.run_key, task_id, map_index, key).await?;
    let value = value.map(|value| state.handle.vault().masker().mask_json(value));
    let mut shape = shape(&run, row);
    shape["value"] =
        if as_text { json!(value.unwrap_or_default().to_string()) } else { value.unwrap_or_default() };
    Ok(shape)
}

/// `POST …/xcomEntries`: a value that the instance has not pushed.
pub(super) async fn create(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    ApiActor(actor): ApiActor,
    mut body: Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let key = body.text("key");
    if key.as_deref().is_none_or(str::is_empty) {
        body.fault("key", "missing", "Field required", Value::Null);
    }
    let value = body.any("value").unwrap_or_default();
    let map_index = body.integer("map_index").unwrap_or(-1);
    // Airflow's body may repeat what the address says.
    for name in ["dag_id", "run_id", "task_id"] {
        body.any(name);
    }
    body.end()?;
    let (key, map_index) = (key.unwrap_or_default(), i32::try_from(map_index).unwrap_or(-1));
    let request = XcomRequest {
        dag_id: dag_id.as_str().into(),
        run_id: run_id.as_str().into(),
        task_id: task_id.as_str().into(),
        map_index,
        key: key.clone(),
        value,
        actor,
    };
    state.handle.set_xcom(request).await?;
    let shape = with_value(&state, &dag_id, &run_id, &task_id, (map_index, &key), false).await?;
    Ok((StatusCode::CREATED, Json(shape)))
}

fn shape(run: &RunRow, row: &XcomRow) -> Value {
    json!({
        "key": row.key,
        "timestamp": shapes::instant(row.at),
        "logical_date": shapes::maybe(run.logical_date),
        "run_after": shapes::instant(run.run_after),
        "map_index": row.map_index,
        "task_id": row.task_id,
        "task_display_name": row.task_id,
        "dag_id": run.dag_id,
        "dag_display_name": run.dag_id,
        "run_id": run.run_id,
        "size": row.size,
    })
}
