//! `/api/alerts`: what waits in the queue of alerts. Looking leaves the queue as it is.

use super::DataState;
use super::error::DataError;
use super::query::Query;
use axum::Json;
use axum::extract::{OriginalUri, State};
use esteira_tasks::queue::QueueMessage;
use serde_json::{Value, json};

/// The first alert, or a list of the first.
pub(super) async fn look(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, DataError> {
    let limit = Query::parse(uri.query(), &["limit"])?.limit()?;
    let queue = data.queue().await?;
    let peeked = queue.peek(&data.settings.alert_queue, limit.unwrap_or(1)).await;
    let messages = peeked.map_err(DataError::Setup)?;
    if limit.is_some() {
        let waiting = queue.count(&data.settings.alert_queue).await.map_err(DataError::Setup)?;
        return Ok(Json(list(&messages, waiting)));
    }
    let first = messages.first().map_or_else(|| Value::from("No alerts in queue"), document);
    Ok(Json(json!({"alert": first})))
}

fn list(messages: &[QueueMessage], waiting: u64) -> Value {
    json!({"alerts": documents(messages), "waiting": waiting})
}

/// The document of each.
pub(crate) fn documents(messages: &[QueueMessage]) -> Vec<Value> {
    messages.iter().map(document).collect()
}

/// A message's JSON document; its text where it is none.
pub(crate) fn document(message: &QueueMessage) -> Value {
    serde_json::from_slice(&message.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&message.body).into_owned()))
}
