//! The methods of Python's strings, dictionaries and dates that Airflow's templates call most.

use super::macros::TimeDelta;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, Zoned};
use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};

/// Called by the engine for a method that a value does not have by itself.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => of_text(state, value, method, arguments),
        ValueKind::Map => of_map(state, value, method, arguments),
        _ => Err(unknown(method)),
    }
}

fn unknown(method: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("the value has no method {method}"))
}

/// Most are filters of the engine under another name; a filter accounts for the work it does.
fn of_text(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let text = value.as_str().unwrap_or_default();
    let filter = match method {
        "upper" | "lower" | "title" | "replace" | "split" => method,
        "strip" => "trim",
        "startswith" => return from_args(arguments).map(|(start,): (&str,)| text.starts_with(start).into()),
        "endswith" => return from_args(arguments).map(|(end,): (&str,)| text.ends_with(end).into()),
        "isoformat" => return Ok(value.clone()),
        "strftime" | "format" => return from_args(arguments).and_then(|(format,)| strftime(text, format)),
        "add" | "subtract" => {
            return from_args(arguments).and_then(|(length, by)| moved(text, method, length, by));
        }
        "in_timezone" | "in_tz" => return from_args(arguments).and_then(|(zone,)| in_zone(text, zone)),
        "timestamp" => {
            let instant: Option<Timestamp> = text.parse().ok();
            return instant
                .map(|at| Value::from(at.as_nanosecond() as f64 / 1e9))
                .ok_or_else(|| unknown(method));
        }
        _ => return Err(unknown(method)),
    };
    let all: Vec<Value> = std::iter::once(value.clone()).chain(arguments.iter().cloned()).collect();
    state.apply_filter(filter, &all)
}

/// Dates are strings here; one that is a date formats like one.
fn strftime(text: &str, format: &str) -> Result<Value, Error> {
    let zoned = zoned(text).ok_or_else(|| unknown("strftime"))?;
    jiff::fmt::strtime::format(format, &zoned)
        .map(Value::from)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime: {error}")))
}

/// An instant with the offset that it is written with: [`in_zone`] may have given it another than UTC's.
fn zoned(text: &str) -> Option<Zoned> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
    Some(text.parse::<Timestamp>().ok()?.to_zoned(TimeZone::fixed(offset)))
}

/// `add(days=1, hours=2)` and `subtract`, as Airflow's dates (pendulum) have them; or with a `macros.timedelta`.
fn moved(text: &str, method: &str, length: Option<Value>, by: Kwargs) -> Result<Value, Error> {
    let invalid = |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, format!("{method}: {error}"));
    let zoned = zoned(text).ok_or_else(|| unknown(method))?;
    let mut span = Span::new();
    for (name, set) in UNITS {
        let count: i64 = by.get::<Option<i64>>(name)?.unwrap_or(0);
        span = set(span, count).map_err(invalid)?;
    }
    by.assert_all_used()?;
    let length = length
        .map(|value| value.downcast_object_ref::<TimeDelta>().map(|length| length.0))
        .map(|length| length.ok_or_else(|| unknown(method)))
        .transpose()?
        .unwrap_or_default();
    let moved = if method == "add" {
        zoned.checked_add(span).and_then(|at| at.checked_add(length))
    } else {
        zoned.checked_sub(span).and_then(|at| at.checked_sub(length))
    };
    moved.map(|at| Value::from(iso_with_offset(&at))).map_err(invalid)
}

type SetUnit = fn(Span, i64) -> Result<Span, jiff::Error>;

const UNITS: [(&str, SetUnit); 7] = [
    ("years", |span, count| span.try_years(count)),
    ("months", |span, count| span.try_months(count)),
    ("weeks", |span, count| span.try_weeks(count)),
    ("days", |span, count| span.try_days(count)),
    ("hours", |span, count| span.try_hours(count)),
    ("minutes", |span, count| span.try_minutes(count)),
    ("seconds", |span, count| span.try_seconds(count)),
];

/// The instant as the clocks of a zone show it: `2026-01-31T10:00:00+01:00`.
fn in_zone(text: &str, zone: &str) -> Result<Value, Error> {
    let instant: Timestamp = text.parse().map_err(|_| unknown("in_timezone"))?;
    let zone = TimeZone::get(zone)
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("{zone:?} is no time zone")))?;
    Ok(iso_with_offset(&instant.to_zoned(zone)).into())
}

fn iso_with_offset(at: &Zoned) -> String {
    let has_microseconds = at.subsec_nanosecond() / 1_000 != 0;
    at.strftime(if has_microseconds { "%Y-%m-%dT%H:%M:%S.%6f%:z" } else { "%Y-%m-%dT%H:%M:%S%:z" })
        .to_string()
}

fn of_map(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    match method {
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(arguments)?;
            let found = value.get_item(&key)?;
            Ok(if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found })
        }
        "items" => state.apply_filter("items", std::slice::from_ref(value)),
        "keys" => Ok(value.try_iter()?.collect()),
        "values" => {
            let keys: Vec<Value> = value.try_iter()?.collect();
            keys.iter().map(|key| value.get_item(key)).collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        _ => Err(unknown(method)),
    }
}
