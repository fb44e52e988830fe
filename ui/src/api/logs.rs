//! `…/taskInstances/{task_id}/logs/{try_number}`: the lines of an attempt, page by page.

use super::error::ApiError;
use super::path::{self, Path};
use super::query::Pairs;
use super::shapes;
use super::task_instances::{self, Found};
use crate::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use esteira_runtime::logs::{LogKey, LogLine, LogPage, PAGE_BYTES_MAX};
use serde_json::{Value, json};

/// `content` holds the lines; `continuation_token`, passed as `?token=`, the place after them: null at the end of an
/// attempt that is over. Newline-delimited JSON when `Accept` asks for it, then the whole log.
pub(super) async fn read(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id, try_number)): Path<(String, String, String, String)>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let try_number: u32 = path::number("try_number", &try_number)?;
    let Found { instance, .. } = task_instances::find(&state, (&dag_id, &run_id, &task_id), &pairs).await?;
    if try_number == 0 || try_number > instance.try_number {
        return Err(ApiError::not_found(format!("task \"{task_id}\" has no attempt {try_number}")));
    }
    let key = LogKey { dag_id, run_id, task_id, map_index: instance.map_index, try_number };
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.starts_with("application/x-ndjson") {
        return whole(&state, key).await;
    }
    let offset = pairs.integer("token")?.unwrap_or(0);
    let is_open = state.handle.logs().watch(&key).is_some();
    let page = page(&state, &key, offset).await?;
    let is_over = page.is_at_end && !is_open;
    let answer = json!({
        "content": page.lines.iter().map(shape).collect::<Vec<_>>(),
        "continuation_token": (!is_over).then(|| page.next_offset.to_string()),
    });
    Ok(Json(answer).into_response())
}

async fn whole(state: &AppState, key: LogKey) -> Result<Response, ApiError> {
    let (mut text, mut offset) = (String::new(), 0);
    loop {
        let page = page(state, &key, offset).await?;
        for line in &page.lines {
            text.push_str(&shape(line).to_string());
            text.push('\n');
        }
        offset = page.next_offset;
        if page.is_at_end {
            return Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response());
        }
    }
}

async fn page(state: &AppState, key: &LogKey, offset: u64) -> Result<LogPage, ApiError> {
    let (logs, key) = (state.handle.logs().clone(), key.clone());
    let page = tokio::task::spawn_blocking(move || logs.read(&key, offset, PAGE_BYTES_MAX)).await;
    page.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

fn shape(line: &LogLine) -> Value {
    json!({
        "timestamp": shapes::instant(line.timestamp),
        "level": line.level,
        "logger": line.source,
        "event": line.event,
    })
}
