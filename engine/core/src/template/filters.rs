//! Airflow's filters (`ds`, `ts` and their like), `fromjson`, and the `macros` object.

use super::facts::{DS, DS_NODASH, TS_NODASH, TS_NODASH_WITH_TZ, format_utc, iso};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use minijinja::value::{Object, Value, from_args};
use minijinja::{Environment, Error, ErrorKind, State};
use std::sync::Arc;

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("ds", |text: &str| instant(text).map(|at| format_utc(at, DS)));
    environment.add_filter("ds_nodash", |text: &str| instant(text).map(|at| format_utc(at, DS_NODASH)));
    environment.add_filter("ts", |text: &str| instant(text).map(iso));
    environment.add_filter("ts_nodash", |text: &str| instant(text).map(|at| format_utc(at, TS_NODASH)));
    environment.add_filter("ts_nodash_with_tz", |text: &str| {
        instant(text).map(|at| format_utc(at, TS_NODASH_WITH_TZ))
    });
    environment.add_filter("fromjson", from_json);
    environment.add_global("macros", Value::from_object(Macros));
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// An instant as the templates see it, or a date.
fn instant(text: &str) -> Result<Timestamp, Error> {
    let civil = || text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(DateTime::from));
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| civil()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))
        .ok_or_else(|| invalid(format!("{text:?} is no date")))
}

fn from_json(text: &str) -> Result<Value, Error> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("fromjson: the text is no JSON: {error}")))?;
    Ok(super::convert::from_json(&value))
}

/// `macros`: Airflow's helpers, as far as they need nothing but their arguments.
#[derive(Debug)]
struct Macros;

impl Object for Macros {
    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "ds_add" => from_args(arguments).and_then(|(date, days)| ds_add(date, days)).map(Value::from),
            "ds_format" => {
                from_args(arguments).and_then(|(date, from, to)| ds_format(date, from, to)).map(Value::from)
            }
            _ => Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("macros has no {method}; it has ds_add, ds_format"),
            )),
        }
    }
}

fn ds_add(date: &str, days: i64) -> Result<String, Error> {
    let parsed: Date = date.parse().map_err(|_| invalid(format!("ds_add: {date:?} is no date")))?;
    let moved = Span::new().try_days(days).and_then(|span| parsed.checked_add(span));
    moved
        .map(|date| date.to_string())
        .map_err(|_| invalid(format!("ds_add: {days} days is out of the calendar")))
}

fn ds_format(date: &str, from: &str, to: &str) -> Result<String, Error> {
    let broken_down = jiff::fmt::strtime::parse(from, date)
        .map_err(|error| invalid(format!("ds_format: {date:?} does not fit {from:?}: {error}")))?;
    let day = broken_down.to_datetime().or_else(|_| broken_down.to_date().map(DateTime::from));
    let day = day.map_err(|error| invalid(format!("ds_format: {error}")))?;
    jiff::fmt::strtime::format(to, day).map_err(|error| invalid(format!("ds_format: {error}")))
}
