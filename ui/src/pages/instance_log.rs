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
use esteira_operator::Level;
use esteira_runtime::logs::{LogKey, LogLine, LogSearch, LogWindow, Logs, PAGE_BYTES_MAX};
use futures::stream;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// How many lines the page shows before its script has taken over; of a longer log, the end.
const SHOWN_LINES: usize = 200;

/// How much of a log is read for them.
const SHOWN_BYTES_MAX: u64 = 256 * 1024;

/// So much may be read to number the lines of the first page; of a log that has grown by more, its script asks later.
const COUNTED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How many lines an answer has at most.
const LINES_MAX: u64 = 1_000;

/// How many letters of a line are shown.
const LETTERS_MAX: usize = 20_000;

/// How long a request for more lines waits for them.
const PATIENCE: Duration = Duration::from_secs(20);

/// The log as the page shows it at first.
pub(super) struct LogView {
    pub(super) lines: Vec<ShownLine>,
    /// Whether the attempt still runs.
    pub(super) is_open: bool,
    /// How large the log is.
    pub(super) size: String,
    /// How many lines it has, when that is known.
    pub(super) total: Option<u64>,
    /// The number of the line that the address names.
    pub(super) at: Option<u64>,
    /// The number of the line around which the page before this one is, for whoever has no scripts.
    pub(super) before: Option<u64>,
    /// The same of the page after this one.
    pub(super) after: Option<u64>,
}

/// A line as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownLine {
    /// Its number, from 1 on, when it is known.
    pub(super) number: Option<u64>,
    /// When it was written, in milliseconds of Unix time.
    pub(super) at: i64,
    pub(super) clock: String,
    pub(super) exact: String,
    pub(super) level: String,
    pub(super) source: String,
    pub(super) text: String,
    /// How many letters more it has.
    pub(super) more: u64,
}

impl ShownLine {
    fn new(line: LogLine, number: Option<u64>) -> Self {
        let cut = line.event.char_indices().nth(LETTERS_MAX).map(|(place, _)| place);
        let (mut text, mut more) = (line.event, 0u64);
        if let Some(cut) = cut {
            more = text[cut..].chars().count() as u64;
            text.truncate(cut);
        }
        Self {
            number: number.map(|number| number + 1),
            at: line.timestamp.as_millisecond(),
            clock: clock(line.timestamp),
            exact: exact(line.timestamp),
            level: line.level,
            source: line.source,
            text,
            more,
        }
    }
}

/// Reads what the page shows at first: the lines around the one that is wanted (counted from 1), else the end.
pub(super) async fn view(logs: &Logs, key: LogKey, at: Option<u64>) -> Result<LogView, PageError> {
    let is_open = logs.watch(&key).is_some();
    let bytes = logs.size(&key).unwrap_or(0);
    let page = SHOWN_LINES as u64;
    let logs = logs.clone();
    let (lines, total) = blocking(move || match at {
        Some(line) => {
            let first = line.saturating_sub(1 + page / 2);
            let window = logs.window(&key, first, page, PAGE_BYTES_MAX)?;
            Ok((numbered(window.lines), Some(window.total)))
        }
        None => tail(&logs, &key, bytes),
    })
    .await?;
    let first = lines.first().and_then(|line| line.number);
    let last = lines.last().and_then(|line| line.number);
    Ok(LogView {
        before: first.filter(|number| *number > 1).map(|number| number.saturating_sub(page / 2).max(1)),
        after: last
            .filter(|number| total.is_some_and(|total| *number < total))
            .map(|number| number + page / 2),
        lines,
        is_open,
        size: size(bytes),
        total,
        at,
    })
}

/// The last lines, numbered if that is cheap to know, and how many there are in all.
fn tail(logs: &Logs, key: &LogKey, bytes: u64) -> io::Result<(Vec<ShownLine>, Option<u64>)> {
    if let Some(total) = logs.count(key, COUNTED_BYTES_MAX)? {
        let page = SHOWN_LINES as u64;
        let window = logs.window(key, total.saturating_sub(page), page, PAGE_BYTES_MAX)?;
        return Ok((numbered(window.lines), Some(total)));
    }
    let start = bytes.saturating_sub(SHOWN_BYTES_MAX);
    let mut lines = logs.read(key, start, SHOWN_BYTES_MAX)?.lines;
    // The first line was cut in its middle.
    let cut = usize::from(start > 0).max(lines.len().saturating_sub(SHOWN_LINES));
    lines.drain(..cut.min(lines.len()));
    Ok((lines.into_iter().map(|line| ShownLine::new(line, None)).collect(), None))
}

fn numbered(lines: Vec<(u64, LogLine)>) -> Vec<ShownLine> {
    lines.into_iter().map(|(number, line)| ShownLine::new(line, Some(number))).collect()
}

/// Reads files where that holds up nobody else.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PageError> {
    tokio::task::spawn_blocking(read).await.map_err(PageError::internal)?.map_err(PageError::internal)
}

/// Which attempt is meant, and which of its lines.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default = "unmapped")]
    map_index: i32,
    #[serde(rename = "try")]
    try_number: u32,
    /// The first line, counted from 0.
    #[serde(default)]
    from: u64,
    #[serde(default)]
    count: u64,
    /// Lines by their numbers instead, with commas between: `3,14,15`.
    #[serde(default)]
    lines: String,
    /// Whether to wait for lines that are not there yet.
    #[serde(default)]
    wait: bool,
    /// For a search: what lines hold, and the least of their levels.
    #[serde(default)]
    q: String,
    #[serde(default)]
    level: String,
}

fn unmapped() -> i32 {
    -1
}

/// Lines, and how many there are in all.
#[derive(Debug, Serialize)]
struct Window {
    lines: Vec<ShownLine>,
    total: u64,
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

/// The lines from a number on, or those with some numbers; when there are none yet and the attempt runs, may wait a while
/// for them.
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
    let mut window = window(logs, &key, &wanted).await?;
    if let (true, true, Some(mut watcher)) = (wanted.wait, window.lines.is_empty(), watcher) {
        let end = shutdown.map(|Extension(Shutdown(token))| token).unwrap_or_default();
        tokio::select! {
            _ = watcher.changed() => {}
            () = tokio::time::sleep(PATIENCE) => {}
            () = end.cancelled() => {}
        }
        window = self::window(logs, &key, &wanted).await?;
    }
    let is_open = logs.watch(&key).is_some();
    Ok(Json(Window { lines: numbered(window.lines), total: window.total, is_open }).into_response())
}

async fn window(logs: &Logs, key: &LogKey, wanted: &Wanted) -> Result<LogWindow, PageError> {
    let (logs, key, from, count) = (logs.clone(), key.clone(), wanted.from, wanted.count.min(LINES_MAX));
    let mut numbers: Vec<u64> = wanted.lines.split(',').filter_map(|number| number.parse().ok()).collect();
    numbers.truncate(LINES_MAX as usize);
    blocking(move || match numbers.is_empty() {
        true => logs.window(&key, from, count, PAGE_BYTES_MAX),
        false => logs.pick(&key, &numbers, PAGE_BYTES_MAX),
    })
    .await
}

/// What a search found.
#[derive(Debug, Serialize)]
struct Hits {
    /// The numbers of lines, counted from 0.
    lines: Vec<u64>,
    next: u64,
    is_at_end: bool,
}

/// The lines that hold a text or are of a level, from a line on. It goes through a bounded part, and says how far it came.
pub(crate) async fn search(
    State(state): State<AppState>,
    Path(address): Path<Address>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, PageError> {
    check(&state, &address, &wanted).await?;
    let level = LEVELS.into_iter().find(|level| level.as_str() == wanted.level);
    let search = LogSearch { text: wanted.q.clone(), level, from: wanted.from };
    let (logs, key) = (state.handle.logs().clone(), key(address, &wanted));
    let found = blocking(move || logs.search(&key, &search)).await?;
    Ok(Json(Hits { lines: found.lines, next: found.next, is_at_end: found.is_at_end }).into_response())
}

const LEVELS: [Level; 4] = [Level::Debug, Level::Info, Level::Warning, Level::Error];

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
pub(super) fn ascii(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "_-.".contains(letter) { letter } else { '_' })
        .collect()
}
