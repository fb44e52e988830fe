//! The log of an attempt: its lines for the page, as they come, and as a text file.

use crate::AppState;
use crate::error_pages::PageError;
use crate::live::Shutdown;
use crate::show::{clock, exact, size};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use esteira_runtime::logs::{LogKey, LogLine, LogPage, Logs, PAGE_BYTES_MAX};
use futures::stream;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// How much of a log a page shows at first; of a longer one it shows the end.
const SHOWN_BYTES_MAX: u64 = 512 * 1024;

/// How long a request for more lines waits for them.
const PATIENCE: Duration = Duration::from_secs(20);

/// The log as the page shows it at first.
pub(super) struct LogView {
    pub(super) lines: Vec<ShownLine>,
    pub(super) next_offset: u64,
    /// Whether the attempt still runs.
    pub(super) is_open: bool,
    /// The size of the whole log, when only its end is shown.
    pub(super) cut_from: Option<String>,
}

/// A line as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownLine {
    pub(super) clock: String,
    pub(super) exact: String,
    pub(super) level: String,
    pub(super) source: String,
    pub(super) text: String,
}

impl From<LogLine> for ShownLine {
    fn from(line: LogLine) -> Self {
        Self {
            clock: clock(line.timestamp),
            exact: exact(line.timestamp),
            level: line.level,
            source: line.source,
            text: line.event,
        }
    }
}

/// Reads what the page shows at first.
pub(super) async fn view(logs: &Logs, key: LogKey) -> Result<LogView, PageError> {
    let is_open = logs.watch(&key).is_some();
    let whole = logs.size(&key).unwrap_or(0);
    let start = whole.saturating_sub(SHOWN_BYTES_MAX);
    let mut page = read(logs, &key, start, SHOWN_BYTES_MAX).await?;
    if start > 0 && !page.lines.is_empty() {
        // The first line was cut in its middle.
        page.lines.remove(0);
    }
    Ok(LogView {
        lines: page.lines.into_iter().map(ShownLine::from).collect(),
        next_offset: page.next_offset,
        is_open,
        cut_from: (start > 0).then(|| size(whole)),
    })
}

async fn read(logs: &Logs, key: &LogKey, offset: u64, bytes: u64) -> Result<LogPage, PageError> {
    let (logs, key) = (logs.clone(), key.clone());
    let page = tokio::task::spawn_blocking(move || logs.read(&key, offset, bytes)).await;
    page.map_err(PageError::internal)?.map_err(PageError::internal)
}

/// Which attempt is meant, and from where on.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default = "unmapped")]
    map_index: i32,
    #[serde(rename = "try")]
    try_number: u32,
    #[serde(default)]
    offset: u64,
}

fn unmapped() -> i32 {
    -1
}

/// Lines after an offset.
#[derive(Debug, Serialize)]
struct More {
    lines: Vec<ShownLine>,
    next_offset: u64,
    is_at_end: bool,
    is_open: bool,
}

type Address = (String, String, String);

fn key((dag_id, run_id, task_id): Address, wanted: &Wanted) -> LogKey {
    LogKey { dag_id, run_id, task_id, map_index: wanted.map_index, try_number: wanted.try_number }
}

/// Makes sure that the address names an instance before it is used as a path of files.
async fn check(state: &AppState, address: &Address, wanted: &Wanted) -> Result<(), PageError> {
    let run = super::run::find(state, &address.0, &address.1).await?;
    let instance = state.handle.reader().instance(run.run_key, &address.2, wanted.map_index).await?;
    let missing = || PageError::not_found(format!("run \"{}\" has no task \"{}\"", address.1, address.2));
    instance.map(|_| ()).ok_or_else(missing)
}

/// The lines after an offset; when there are none yet and the attempt runs, waits a while for them.
pub(crate) async fn lines(
    State(state): State<AppState>,
    Path(address): Path<Address>,
    Query(wanted): Query<Wanted>,
    shutdown: Option<Extension<Shutdown>>,
) -> Result<Response, PageError> {
    check(&state, &address, &wanted).await?;
    let key = key(address, &wanted);
    let logs = state.handle.logs();
    let watcher = logs.watch(&key);
    let mut page = read(logs, &key, wanted.offset, PAGE_BYTES_MAX).await?;
    if let (true, Some(mut watcher)) = (page.lines.is_empty(), watcher) {
        let end = shutdown.map(|Extension(Shutdown(token))| token).unwrap_or_default();
        tokio::select! {
            _ = watcher.changed() => {}
            () = tokio::time::sleep(PATIENCE) => {}
            () = end.cancelled() => {}
        }
        page = read(logs, &key, wanted.offset, PAGE_BYTES_MAX).await?;
    }
    let more = More {
        lines: page.lines.into_iter().map(ShownLine::from).collect(),
        next_offset: page.next_offset,
        is_at_end: page.is_at_end,
        is_open: logs.watch(&key).is_some(),
    };
    Ok(Json(more).into_response())
}

/// The whole log as a text file.
pub(crate) async fn text(
    State(state): State<AppState>,
    Path(address): Path<Address>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    check(&state, &address, &wanted).await?;
    let key = key(address, &wanted);
    let name = format!("attachment; filename=\"{}-attempt-{}.txt\"", ascii(&key.task_id), key.try_number);
    let logs = state.handle.logs().clone();
    let pages = stream::try_unfold(Some(0), move |offset: Option<u64>| {
        let (logs, key) = (logs.clone(), key.clone());
        async move {
            let Some(offset) = offset else { return Ok::<_, io::Error>(None) };
            let page = tokio::task::spawn_blocking(move || logs.read(&key, offset, PAGE_BYTES_MAX)).await;
            let page = page.map_err(io::Error::other)??;
            let next = (!page.is_at_end).then_some(page.next_offset);
            Ok(Some((as_text(page.lines), next)))
        }
    });
    let head =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((head, Body::from_stream(pages)).into_response())
}

fn as_text(lines: Vec<LogLine>) -> Bytes {
    let mut text = String::new();
    for line in lines {
        text.push_str(&format!("{} {:<7} {}\n", line.timestamp, line.level.to_uppercase(), line.event));
    }
    Bytes::from(text)
}

/// A name that a header can hold.
fn ascii(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "_-.".contains(letter) { letter } else { '_' })
        .collect()
}
