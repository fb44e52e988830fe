//! `/api/sensors/series`: what charts draw of a period, sampled to their width, and what is told beside them.
//!
//! The lines reach half a period beyond each end, so that there is something to show at once while a period is moved;
//! sums are of the period itself. A chart asks again for what it shows, and gets it finer.

use super::Dashboard;
use super::period::{PARAMETERS, Period};
use super::reading::{QUANTITIES, Quantity, Reading};
use super::sampling::{self, Point};
use super::snapshot::Snapshot;
use crate::data_api::DataState;
use crate::data_api::error::DataError;
use crate::data_api::query::Query;
use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How many buckets there are in a period, unless it is asked for others, and what may be asked for.
const POINTS: i64 = 600;
const POINTS_LEAST: i64 = 50;
const POINTS_MOST: i64 = 4_000;

/// Above this many readings in a bucket a chart shows means besides, for the line has become a band.
const DENSE: usize = 4;

/// What a chart asks for.
struct Wanted {
    period: Period,
    points: i64,
    /// Places among the quantities.
    quantities: Vec<usize>,
}

impl Wanted {
    fn from_query(query: Option<&str>) -> Result<Self, DataError> {
        let [period, from, to] = PARAMETERS;
        let query = Query::parse(query, &[period, from, to, "points", "series"])?;
        let points = match query.get("points") {
            None => POINTS,
            Some(text) => {
                text.parse().ok().filter(|points| (POINTS_LEAST..=POINTS_MOST).contains(points)).ok_or_else(
                    || {
                        let hint = format!("points is a whole number from {POINTS_LEAST} to {POINTS_MOST}");
                        DataError::bad_request(format!("points cannot be {text:?}"), hint)
                    },
                )?
            }
        };
        let quantities = quantities(query.get("series"))?;
        Ok(Self { period: Period::from_query(&query, Period::All)?, points, quantities })
    }
}

/// The places of the quantities that a list names: `CO,NO2`; all, where there is none.
pub(crate) fn quantities(list: Option<&str>) -> Result<Vec<usize>, DataError> {
    let Some(list) = list else { return Ok((0..QUANTITIES.len()).collect()) };
    let place = |name: &str| {
        QUANTITIES.iter().position(|quantity| quantity.field == name).ok_or_else(|| {
            let known: Vec<&str> = QUANTITIES.iter().map(|quantity| quantity.field).collect();
            DataError::bad_request(
                format!("There is no series {name:?}"),
                format!("series are {}", known.join(", ")),
            )
        })
    };
    let mut places = list.split(',').map(|name| place(name.trim())).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    places.dedup();
    Ok(places)
}

/// Answers `/api/sensors/series`.
pub(super) async fn series(
    State(data): State<DataState>,
    Extension(dashboard): Extension<Arc<Dashboard>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, DataError> {
    let wanted = Wanted::from_query(uri.query())?;
    let snapshot = match dashboard.snapshots.get(&data).await {
        Ok(snapshot) => snapshot,
        // The page says beside its charts that they are of what was last read.
        Err(error) => dashboard.snapshots.last_known().ok_or(DataError::Setup(error))?,
    };
    // The address is the rest of what the answer depends on, and a browser keeps answers by their addresses.
    let tag = format!("W/\"{:016x}\"", snapshot.version);
    let head = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let body = document(&snapshot, &wanted).to_string();
    Ok((head, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn document(snapshot: &Snapshot, wanted: &Wanted) -> Value {
    let first = snapshot.readings.first().map_or(0, |reading| reading.time);
    let last = snapshot.last().map_or(0, |reading| reading.time);
    let (from, to) = wanted.period.bounds(snapshot);
    // An open end is that of the readings.
    let from = if from == i64::MIN { first } else { from };
    let to = if to == i64::MAX { last } else { to }.max(from);
    let length = (to - from).max(1);
    let inside = snapshot.between(from, to);
    let around = snapshot.around(from - length / 2, to + length / 2);
    let step = sampling::usual_step(if inside.len() > 2 { inside } else { around });
    let width = length / wanted.points;
    let is_dense = inside.len() > DENSE * wanted.points as usize;
    let fields: Map<String, Value> = wanted
        .quantities
        .iter()
        .map(|index| {
            let quantity = &QUANTITIES[*index];
            let line = sampling::line(around, *index, width, step);
            let means = if is_dense { sampling::means(around, *index) } else { Vec::new() };
            (quantity.field.to_owned(), field(quantity, inside, *index, &line, &means))
        })
        .collect();
    json!({
        "version": format!("{:016x}", snapshot.version),
        "first": first, "last": last, "from": from, "to": to,
        "step": step, "count": inside.len(), "is_dense": is_dense,
        "gaps": sampling::gaps(around, step, length),
        "fields": fields,
    })
}

fn field(quantity: &Quantity, inside: &[Reading], index: usize, line: &[Point], means: &[Point]) -> Value {
    let summary = sampling::summary(inside, index, quantity.limit);
    let hours: Vec<Value> = sampling::hours(inside, index)
        .iter()
        .map(|hour| json!([hour.count, rounded(hour.low), rounded(hour.median), rounded(hour.high)]))
        .collect();
    json!({
        "time": line.iter().map(|(time, _)| *time).collect::<Vec<_>>(),
        "value": line.iter().map(|(_, value)| number(*value)).collect::<Vec<_>>(),
        "means": means.iter().map(|(time, value)| json!([time, rounded(*value)])).collect::<Vec<_>>(),
        "count": summary.count, "low": summary.low, "median": rounded(summary.median), "high": summary.high,
        "over": summary.over,
        "hours": hours,
    })
}

/// A number without the `.0` of whole ones: answers are long lists of them.
fn number(value: Option<f64>) -> Value {
    match value {
        Some(value) if value.fract() == 0.0 && value.abs() < 9e15 => Value::from(value as i64),
        value => json!(value),
    }
}

/// What was calculated, with as many digits as mean something.
fn rounded(value: Option<f64>) -> Value {
    number(value.map(|value| (value * 10_000.0).round() / 10_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str) -> Result<Wanted, DataError> {
        Wanted::from_query(Some(query))
    }

    #[test]
    fn series_are_named_once_and_points_are_bounded() {
        assert_eq!(wanted("series=NO2,CO,NO2").unwrap().quantities, [0, 1]);
        assert_eq!(wanted("").unwrap().quantities.len(), 5);
        for bad in ["series=CO,Ozone", "points=0", "points=9999", "points=x", "pints=100"] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_drawn_reaches_beyond_and_what_is_told_does_not() {
        let hour = |hour: i64| Reading {
            time: hour * 3_600,
            values: [Some(if hour == 50 { 11.0 } else { 1.5 }), None, None, None, None],
        };
        let snapshot =
            Snapshot { readings: (0..100).map(hour).collect(), unreadable: 0, hashes: 0, version: 7 };
        let told = document(&snapshot, &wanted("from=144000&to=180000&series=CO").unwrap());
        assert_eq!(
            (&told["count"], &told["first"], &told["last"]),
            (&json!(11), &json!(0), &json!(99 * 3_600))
        );
        let co = &told["fields"]["CO"];
        assert_eq!((&co["high"], &co["over"], &co["count"]), (&json!(11.0), &json!(1), &json!(11)));
        let times = co["time"].as_array().unwrap();
        // From 5 hours before to 5 hours after, and one reading more on each side, to which the line goes.
        assert_eq!((&times[0], times.len()), (&json!(34 * 3_600), 23));
        let all = document(&snapshot, &wanted("points=50").unwrap());
        assert_eq!(
            (&all["from"], &all["to"], &all["is_dense"]),
            (&json!(0), &json!(99 * 3_600), &json!(false))
        );
        assert_eq!(document(&Snapshot::default(), &wanted("").unwrap())["fields"]["CO"]["time"], json!([]));
    }
}
