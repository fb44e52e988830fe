//! `/eventLogs`: the audit history.

use super::error::ApiError;
use super::path::{self, Path};
use super::query::{Pairs, Window};
use super::{dag_runs, shapes};
use crate::AppState;
use axum::Json;
use axum::extract::State;
use esteira_store::{EventFilter, EventRow};
use serde_json::{Value, json};

/// Filtered lists are counted up to here.
const COUNTED_MAX: u32 = 10_000;

/// `GET /eventLogs`, newest first, with `dag_id`, `run_id` (together with `dag_id`), `task_id`, `event` and `owner` as
/// filters.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    let window = pairs.window()?;
    let dag_id = pairs.text("dag_id");
    let run_key = match (&dag_id, pairs.text("run_id")) {
        (_, None) => None,
        (Some(dag_id), Some(run_id)) => Some(dag_runs::find(&state, dag_id, &run_id).await?.run_key),
        (None, Some(_)) => return Err(ApiError::bad_request("run_id is only found together with dag_id")),
    };
    let filter = EventFilter {
        dag_id,
        run_key,
        task_id: pairs.text("task_id"),
        name: pairs.text("event"),
        actor: pairs.text("owner"),
        ..EventFilter::default()
    };
    let (rows, total) = rows(&state, &filter, window).await?;
    Ok(Json(json!({ "event_logs": rows.iter().map(shape).collect::<Vec<_>>(), "total_entries": total })))
}

async fn rows(
    state: &AppState,
    filter: &EventFilter,
    window: Window,
) -> Result<(Vec<EventRow>, u64), ApiError> {
    let reader = state.handle.reader();
    let EventFilter { dag_id, run_key, task_id, name, actor, .. } = filter;
    let is_all =
        dag_id.is_none() && run_key.is_none() && task_id.is_none() && name.is_none() && actor.is_none();
    if is_all {
        let rows = reader.events(filter, window.reach()).await?.rows;
        return Ok((window.cut(rows).collect(), reader.event_count().await?));
    }
    let rows = reader.events(filter, COUNTED_MAX.max(window.reach())).await?.rows;
    let total = rows.len() as u64;
    Ok((window.cut(rows).collect(), total))
}

/// `GET /eventLogs/{event_log_id}`.
pub(super) async fn one(
    State(state): State<AppState>,
    Path(seq): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let seq: i64 = path::number("event_log_id", &seq)?;
    let filter = EventFilter { before: seq.checked_add(1), ..EventFilter::default() };
    let found =
        state.handle.reader().events(&filter, 1).await?.rows.into_iter().find(|event| event.seq == seq);
    let event = found.ok_or_else(|| ApiError::not_found(format!("there is no event {seq}")))?;
    Ok(Json(shape(&event)))
}

fn shape(event: &EventRow) -> Value {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let try_number = (event.try_number > 0).then_some(event.try_number);
    json!({
        "event_log_id": event.seq,
        "when": shapes::instant(event.at),
        "event": event.name,
        "dag_id": named(&event.dag_id),
        "dag_display_name": named(&event.dag_id),
        "run_id": named(&event.run_id),
        "task_id": named(&event.task_id),
        "task_display_name": named(&event.task_id),
        "map_index": named(&event.task_id).map(|_| event.map_index),
        "try_number": try_number,
        "logical_date": null,
        "owner": event.actor,
        "via": event.via,
        "extra": named(&event.body),
        "hash": event.hash,
    })
}
