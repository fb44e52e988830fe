//! `/api/alerts`: what waits in the queue of alerts. Looking leaves the queue as it is; taking is a request of its
//! own.

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

/// Takes the first alerts out of the queue, one unless told otherwise, and answers with them and with how many are
/// left.
pub(super) async fn take(
    State(data): State<DataState>,
    OriginalUri(uri): OriginalUri,
) -> Result<Json<Value>, DataError> {
    let limit = Query::parse(uri.query(), &["limit"])?.limit()?.unwrap_or(1);
    let queue = data.queue().await?;
    let messages = queue.take(&data.settings.alert_queue, limit).await.map_err(DataError::Setup)?;
    // They are out of the queue by now: that the count fails must not lose them.
    let waiting = queue.count(&data.settings.alert_queue).await.ok();
    Ok(Json(json!({"alerts": documents(&messages), "waiting": waiting})))
}

fn list(messages: &[QueueMessage], waiting: u64) -> Value {
    json!({"alerts": documents(messages), "waiting": waiting})
}

fn documents(messages: &[QueueMessage]) -> Vec<Value> {
    messages.iter().map(document).collect()
}

/// A message's JSON document; its text where it is none.
pub(crate) fn document(message: &QueueMessage) -> Value {
    serde_json::from_slice(&message.body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&message.body).into_owned()))
}
