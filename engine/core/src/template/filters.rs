//! Airflow's filters (`ds`, `ts` and their like), and `fromjson`.

use super::facts::{DS, DS_NODASH, TS_NODASH, TS_NODASH_WITH_TZ, format_utc, iso};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind};

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("ds", |text: &str| instant(text).map(|at| format_utc(at, DS)));
    environment.add_filter("ds_nodash", |text: &str| instant(text).map(|at| format_utc(at, DS_NODASH)));
    environment.add_filter("ts", |text: &str| instant(text).map(iso));
    environment.add_filter("ts_nodash", |text: &str| instant(text).map(|at| format_utc(at, TS_NODASH)));
    environment.add_filter("ts_nodash_with_tz", |text: &str| {
        instant(text).map(|at| format_utc(at, TS_NODASH_WITH_TZ))
    });
    environment.add_filter("fromjson", from_json);
}

/// A fault in one sentence.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// An instant as the templates see it, or a date.
pub(super) fn instant(text: &str) -> Result<Timestamp, Error> {
    let civil = || text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(DateTime::from));
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| civil()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))
        .ok_or_else(|| invalid(format!("{text:?} is no date")))
}

pub(super) fn from_json(text: &str) -> Result<Value, Error> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| invalid(format!("fromjson: the text is no JSON: {error}")))?;
    Ok(super::convert::from_json(&value))
}
