//! `/eventLogs`: the audit history.

use super::error::ApiError;
use super::path::{self, Path};
use super::query::Pairs;
use super::{listing, shapes};
use crate::AppState;
use axum::Json;
use axum::extract::State;
use esteira_store::{EventFilter, EventRow};
use serde_json::{Value, json};

/// `GET /eventLogs`, newest first unless `order_by` says otherwise.
pub(super) async fn list(State(state): State<AppState>, pairs: Pairs) -> Result<Json<Value>, ApiError> {
    Ok(Json(listing::events(&pairs)?.part(&state).await?.shaped("event_logs", shape)))
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
