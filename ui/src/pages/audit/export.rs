//! The history as a file, with the page's filters: JSON Lines, or CSV for spreadsheets. It is sent as it is read, so that its
//! length is of no matter.

use super::filter::{FilterError, Wanted};
use crate::AppState;
use crate::error_pages::PageError;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use esteira_store::{EventColumn, EventRow, Listing, StoreError};
use futures::stream;
use serde::Deserialize;
use serde_json::json;

/// How many events are read at once.
const PART_LENGTH: u32 = 1_000;

/// How the file is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Jsonl,
    Csv,
}

/// What is asked for besides the filters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    format: Format,
}

pub(crate) async fn export(
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
    Query(Asked { format }): Query<Asked>,
) -> Result<Response, PageError> {
    let listing = wanted.listing(&state, PART_LENGTH).await.map_err(|error| match error {
        FilterError::Said(fault) => PageError::bad_request(fault),
        FilterError::Page(error) => error,
    })?;
    let (kind, disposition, head) = match format {
        Format::Jsonl => ("application/jsonl", "attachment; filename=\"audit.jsonl\"", ""),
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit.csv\"", CSV_HEAD),
    };
    let parts = stream::try_unfold((state, Some(listing), head), move |(state, listing, head)| async move {
        let Some(listing) = listing else { return Ok::<_, StoreError>(None) };
        let (text, next) = part(&state, listing, format, head).await?;
        Ok(Some((Bytes::from(text), (state, next, ""))))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

/// A part of the file, and what the next one reads.
async fn part(
    state: &AppState,
    mut listing: Listing<EventColumn>,
    format: Format,
    head: &str,
) -> Result<(String, Option<Listing<EventColumn>>), StoreError> {
    let list = state.handle.reader().list(&listing).await?;
    let mut text = head.to_owned();
    for event in &list.rows {
        match format {
            Format::Jsonl => text.push_str(&line(event)),
            Format::Csv => text.push_str(&row(event)),
        }
    }
    listing.place = list.next;
    let has_more = listing.place.is_some();
    Ok((text, has_more.then_some(listing)))
}

/// An event as a line of JSON. The body is the object that it is.
fn line(event: &EventRow) -> String {
    let body: serde_json::Value = match event.body.as_str() {
        "" => serde_json::Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    };
    let line = json!({
        "seq": event.seq,
        "at": event.at.to_string(),
        "event": event.name,
        "dag_id": event.dag_id,
        "run_id": event.run_id,
        "task_id": event.task_id,
        "map_index": event.map_index,
        "try_number": event.try_number,
        "actor": event.actor,
        "via": event.via,
        "body": body,
        "hash": event.hash,
    });
    format!("{line}\n")
}

const CSV_HEAD: &str = "seq,at,event,dag_id,run_id,task_id,map_index,try_number,actor,via,body,hash\r\n";

/// An event as a row of CSV (RFC 4180).
fn row(event: &EventRow) -> String {
    let fields = [
        event.seq.to_string(),
        event.at.to_string(),
        cell(&event.name),
        cell(&event.dag_id),
        cell(&event.run_id),
        cell(&event.task_id),
        event.map_index.to_string(),
        event.try_number.to_string(),
        cell(&event.actor),
        cell(&event.via),
        cell(&event.body),
        event.hash.clone(),
    ];
    format!("{}\r\n", fields.join(","))
}

/// A text as a cell: in quotes where it must be, and never one that a spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@SUM(A1,A2)"), "\"'@SUM(A1,A2)\"");
    }
}
