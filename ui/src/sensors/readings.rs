//! `/api/sensors/readings` and `/api/sensors/export`: the readings of a period, for charts and for other programs.

use super::Dashboard;
use super::period::{PARAMETERS, Period};
use super::reading::{QUANTITIES, Reading, time_iso};
use super::snapshot::Snapshot;
use crate::data_api::DataState;
use crate::data_api::error::DataError;
use crate::data_api::query::Query;
use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// The readings as columns: `{"time": […], "CO": […], …}`, seconds since 1970 and numbers, `null` where there is none.
pub(super) async fn columns(
    State(data): State<DataState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, DataError> {
    let query = Query::parse(uri.query(), &PARAMETERS)?;
    let period = Period::from_query(&query, Period::All)?;
    let snapshot = dashboard.snapshots.get(&data).await.map_err(DataError::Setup)?;
    let (from, to) = period.bounds(&snapshot);
    let tag = tag(&snapshot, from, to);
    // A tag that passed through a compressing proxy may have become a weak one.
    let is_known = |known: &str| known.trim().trim_start_matches("W/") == tag.trim_start_matches("W/");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let head = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if known.is_some_and(|known| known.split(',').any(is_known)) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let body = to_columns(snapshot.between(from, to));
    Ok((head, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Weak, because the answer may be compressed on its way.
fn tag(snapshot: &Snapshot, from: i64, to: i64) -> String {
    format!("W/\"{:016x}.{from:x}.{to:x}\"", snapshot.version)
}

fn to_columns(readings: &[Reading]) -> String {
    let mut text = String::with_capacity(readings.len() * 48 + 256);
    text.push_str("{\"time\":[");
    push_list(&mut text, readings.iter().map(|reading| Some(reading.time)));
    for (index, quantity) in QUANTITIES.iter().enumerate() {
        // Field names are plain words, so they need no escapes.
        let _ = write!(text, "],\"{}\":[", quantity.field);
        push_list(&mut text, readings.iter().map(|reading| reading.values[index]));
    }
    text.push_str("]}");
    text
}

/// Numbers with commas. Rust writes finite numbers as JSON does.
fn push_list<T: std::fmt::Display>(text: &mut String, values: impl Iterator<Item = Option<T>>) {
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        let _ = match value {
            Some(value) => write!(text, "{value}"),
            None => write!(text, "null"),
        };
    }
}

/// The readings of a period as a file: `format=csv` or `format=json`.
pub(super) async fn export(
    State(data): State<DataState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, DataError> {
    let [period, from, to] = PARAMETERS;
    let query = Query::parse(uri.query(), &["format", period, from, to])?;
    let period = Period::from_query(&query, Period::All)?;
    let format = query.get("format").unwrap_or("csv");
    let snapshot = dashboard.snapshots.get(&data).await.map_err(DataError::Setup)?;
    let (from, to) = period.bounds(&snapshot);
    let readings = snapshot.between(from, to);
    let (kind, body) = match format {
        "csv" => ("text/csv; charset=utf-8", to_csv(readings)),
        "json" => ("application/json", to_json(readings)),
        other => {
            let message = format!("There is no format {other:?}");
            return Err(DataError::bad_request(message, "format is csv or json"));
        }
    };
    let disposition = format!("attachment; filename=\"{}\"", file_name(readings, format));
    let head = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((head, body).into_response())
}

fn file_name(readings: &[Reading], format: &str) -> String {
    let day = |reading: &Reading| time_iso(reading.time)[..10].to_owned();
    match (readings.first(), readings.last()) {
        (Some(first), Some(last)) => format!("air-quality_{}_{}.{format}", day(first), day(last)),
        _ => format!("air-quality.{format}"),
    }
}

fn to_csv(readings: &[Reading]) -> String {
    let mut text = String::from("time");
    QUANTITIES.iter().for_each(|quantity| text.extend([",", quantity.field]));
    text.push('\n');
    for reading in readings {
        text.push_str(&time_iso(reading.time));
        for value in reading.values {
            text.push(',');
            if let Some(value) = value {
                let _ = write!(text, "{value}");
            }
        }
        text.push('\n');
    }
    text
}

fn to_json(readings: &[Reading]) -> String {
    let object = |reading: &Reading| {
        let mut object = Map::new();
        object.insert("time".to_owned(), Value::from(time_iso(reading.time)));
        for (quantity, value) in QUANTITIES.iter().zip(reading.values) {
            object.insert(quantity.field.to_owned(), json!(value));
        }
        Value::Object(object)
    };
    Value::Array(readings.iter().map(object).collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings() -> [Reading; 2] {
        [
            Reading { time: 1_078_941_600, values: [Some(2.6), Some(113.0), None, Some(48.9), Some(0.7578)] },
            Reading { time: 1_078_945_200, values: [Some(2.0), None, Some(-1.5), Some(1e21), Some(0.0)] },
        ]
    }

    #[test]
    fn columns_are_json() {
        let value: Value = serde_json::from_str(&to_columns(&readings())).unwrap();
        assert_eq!(value["time"], json!([1_078_941_600, 1_078_945_200]));
        assert_eq!(value["CO"], json!([2.6, 2]));
        assert_eq!(value["NO2"], json!([113, null]));
        assert_eq!(value["Temperature"], json!([null, -1.5]));
        assert_eq!(serde_json::from_str::<Value>(&to_columns(&[])).unwrap()["CO"], json!([]));
    }

    #[test]
    fn exports_are_csv_and_json() {
        assert_eq!(
            to_csv(&readings()[..1]),
            "time,CO,NO2,Temperature,Relative_Humidity,Absolute_Humidity\n2004-03-10T18:00:00,2.6,113,,48.9,0.7578\n"
        );
        assert_eq!(
            to_json(&readings()[..1]),
            "[{\"time\":\"2004-03-10T18:00:00\",\"CO\":2.6,\"NO2\":113.0,\"Temperature\":null,\
             \"Relative_Humidity\":48.9,\"Absolute_Humidity\":0.7578}]"
        );
        assert_eq!(file_name(&readings(), "csv"), "air-quality_2004-03-10_2004-03-10.csv");
    }
}
