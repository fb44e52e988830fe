//! The methods of Python's strings, dictionaries and dates that Airflow's templates call most.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Value, ValueKind, from_args};
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
    let instant: Timestamp = text.parse().map_err(|_| unknown("strftime"))?;
    let zoned = instant.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &zoned)
        .map(Value::from)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime: {error}")))
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
