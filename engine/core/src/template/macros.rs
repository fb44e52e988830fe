//! `macros`: Airflow's helpers for dates, lengths of time, JSON, YAML, identifiers and chance.
//!
//! Dates are texts here, so Python's `logical_date + macros.timedelta(days=1)` is written
//! `logical_date.add(macros.timedelta(days=1))`, or `logical_date.add(days=1)`.

use super::facts::iso;
use super::filters::{instant, invalid};
use super::{TemplateSource, convert};
use crate::spec;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

type Source = Arc<dyn TemplateSource + Send + Sync>;

/// `macros`, for one rendering.
pub(super) struct Macros {
    source: Source,
}

/// The names in `macros`, for messages.
const NAMES: &str = "datetime, timedelta, time, dateutil, json, yaml, uuid, random, ds_add, ds_format, \
     datetime_diff_for_humans";

impl Macros {
    pub(super) fn value(source: &Source) -> Value {
        Value::from_object(Self { source: Arc::clone(source) })
    }

    fn module(&self, kind: Kind) -> Value {
        Value::from_object(Module { kind, source: Arc::clone(&self.source) })
    }
}

impl fmt::Debug for Macros {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("macros")
    }
}

impl Object for Macros {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let kind = match key.as_str()? {
            "datetime" => Kind::Datetime,
            "time" => Kind::Time,
            "dateutil" => Kind::Dateutil,
            "json" => Kind::Json,
            "yaml" => Kind::Yaml,
            "uuid" => Kind::Uuid,
            _ => return None,
        };
        Some(self.module(kind))
    }

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
            "datetime_diff_for_humans" => {
                let (date, since): (&str, Option<&str>) = from_args(arguments)?;
                let now = || now(&self.source, "macros.datetime_diff_for_humans");
                let other = since.map_or_else(now, instant)?;
                Ok(difference(instant(date)?, other, since.is_some()).into())
            }
            "timedelta" => {
                let (days, length): (Option<f64>, Kwargs) = from_args(arguments)?;
                TimeDelta::new(days, &length).map(Value::from_object)
            }
            "datetime" => {
                let (year, month, day, rest): (i16, i8, i8, minijinja::value::Rest<i8>) =
                    from_args(arguments)?;
                let part = |place: usize| rest.get(place).copied().unwrap_or(0);
                let at = DateTime::new(year, month, day, part(0), part(1), part(2), 0);
                at.map(in_utc).map_err(|error| invalid(format!("datetime: {error}")))?
            }
            "random" => chance(&self.source).map(|bytes| {
                // 53 bits, as many as a number between 0 and 1 has.
                let number = bytes[..8].iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
                Value::from((number >> 11) as f64 / (1_u64 << 53) as f64)
            }),
            _ => Err(unknown("macros", method, NAMES)),
        }
    }
}

/// What is named in `macros`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Datetime,
    Time,
    Dateutil,
    DateutilParser,
    Json,
    Yaml,
    Uuid,
}

struct Module {
    kind: Kind,
    source: Source,
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.kind, formatter)
    }
}

impl Object for Module {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let is_parser = self.kind == Kind::Dateutil && key.as_str() == Some("parser");
        is_parser.then(|| {
            Value::from_object(Self { kind: Kind::DateutilParser, source: Arc::clone(&self.source) })
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match (self.kind, method) {
            (Kind::Datetime, "now" | "utcnow" | "today") => {
                let _: (Option<Value>,) = from_args(arguments)?;
                now(&self.source, "macros.datetime.now").map(|at| iso(at).into())
            }
            (Kind::Datetime, "strptime") => {
                from_args(arguments).and_then(|(text, format)| strptime(text, format))
            }
            (Kind::Datetime, "fromisoformat") | (Kind::DateutilParser, "parse") => {
                from_args(arguments).and_then(|(text,)| instant(text)).map(|at| iso(at).into())
            }
            (Kind::Datetime, _) => {
                Err(unknown("macros.datetime", method, "now, utcnow, strptime, fromisoformat"))
            }
            (Kind::Time, "time") => {
                now(&self.source, "macros.time.time").map(|at| Value::from(at.as_nanosecond() as f64 / 1e9))
            }
            (Kind::Time, _) => Err(unknown("macros.time", method, "time")),
            (Kind::Dateutil | Kind::DateutilParser, _) => {
                Err(unknown("macros.dateutil", method, "parser.parse"))
            }
            (Kind::Json, "loads") => from_args(arguments).and_then(|(text,)| super::filters::from_json(text)),
            (Kind::Json, "dumps") => from_args(arguments).and_then(|(value,)| dumps(&value)),
            (Kind::Json, _) => Err(unknown("macros.json", method, "loads, dumps")),
            (Kind::Yaml, "safe_load") => from_args(arguments).and_then(|(text,)| load_yaml(text)),
            (Kind::Yaml, _) => Err(unknown("macros.yaml", method, "safe_load")),
            (Kind::Uuid, "uuid4") => chance(&self.source).map(|bytes| uuid4(bytes).into()),
            (Kind::Uuid, _) => Err(unknown("macros.uuid", method, "uuid4")),
        }
    }
}

fn unknown(what: &str, method: &str, names: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{what} has no {method}; it has {names}"))
}

fn now(source: &Source, name: &str) -> Result<Timestamp, Error> {
    source.now().ok_or_else(|| invalid(format!("{name}: the time is not known here")))
}

fn chance(source: &Source) -> Result<[u8; 16], Error> {
    source.random().ok_or_else(|| invalid("there is no chance here"))
}

/// RFC 9562's random UUID.
fn uuid4(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn ds_add(date: &str, days: i64) -> Result<String, Error> {
    let parsed: Date = date.parse().map_err(|_| invalid(format!("ds_add: {date:?} is no date")))?;
    let moved = Span::new().try_days(days).and_then(|span| parsed.checked_add(span));
    moved
        .map(|date| date.to_string())
        .map_err(|_| invalid(format!("ds_add: {days} days is out of the calendar")))
}

fn ds_format(date: &str, from: &str, to: &str) -> Result<String, Error> {
    let day = broken_down("ds_format", date, from)?;
    jiff::fmt::strtime::format(to, day).map_err(|error| invalid(format!("ds_format: {error}")))
}

fn strptime(text: &str, format: &str) -> Result<Value, Error> {
    in_utc(broken_down("strptime", text, format)?)
}

fn broken_down(name: &str, text: &str, format: &str) -> Result<DateTime, Error> {
    let read = jiff::fmt::strtime::parse(format, text)
        .map_err(|error| invalid(format!("{name}: {text:?} does not fit {format:?}: {error}")))?;
    let at = read.to_datetime().or_else(|_| read.to_date().map(DateTime::from));
    at.map_err(|error| invalid(format!("{name}: {error}")))
}

fn in_utc(at: DateTime) -> Result<Value, Error> {
    let zoned = at.to_zoned(TimeZone::UTC).map_err(|error| invalid(error.to_string()))?;
    Ok(iso(zoned.timestamp()).into())
}

fn dumps(value: &Value) -> Result<Value, Error> {
    convert::to_json(value, super::OUTPUT_SIZE_MAX).map(|json| json.to_string().into()).map_err(invalid)
}

fn load_yaml(text: &str) -> Result<Value, Error> {
    let read = spec::to_json(spec::Source { name: "yaml", text });
    read.map(|value| convert::from_json(&value)).ok_or_else(|| invalid("safe_load: the text is no YAML"))
}

/// How far `at` is from another instant, as people say it (pendulum's words): `2 days ago`, or, beside an instant that is
/// given, `2 days before`.
fn difference(at: Timestamp, other: Timestamp, is_given: bool) -> String {
    let length = other.duration_since(at);
    let is_past = !length.is_negative();
    let seconds = length.as_secs().unsigned_abs();
    let units = [
        ("year", 31_536_000),
        ("month", 2_592_000),
        ("week", 604_800),
        ("day", 86_400),
        ("hour", 3_600),
        ("minute", 60),
    ];
    let found = units.into_iter().find(|(_, length)| seconds >= *length);
    let amount = match found {
        Some((unit, length)) => (seconds / length, unit),
        None => (seconds, "second"),
    };
    let amount = match amount {
        (1, unit) => format!("1 {unit}"),
        (count, unit) if found.is_some() || count > 9 => format!("{count} {unit}s"),
        _ => "a few seconds".to_owned(),
    };
    match (is_given, is_past) {
        (true, true) => format!("{amount} before"),
        (true, false) => format!("{amount} after"),
        (false, true) => format!("{amount} ago"),
        (false, false) => format!("in {amount}"),
    }
}

/// Python's `timedelta`.
#[derive(Clone, Copy)]
pub(super) struct TimeDelta(pub(super) SignedDuration);

impl TimeDelta {
    fn new(days: Option<f64>, length: &Kwargs) -> Result<Self, Error> {
        let mut seconds = days.unwrap_or(0.0) * 86_400.0;
        for (unit, factor) in [
            ("weeks", 604_800.0),
            ("days", 86_400.0),
            ("hours", 3_600.0),
            ("minutes", 60.0),
            ("seconds", 1.0),
            ("milliseconds", 1e-3),
            ("microseconds", 1e-6),
        ] {
            seconds += length.get::<Option<f64>>(unit)?.unwrap_or(0.0) * factor;
        }
        length.assert_all_used()?;
        SignedDuration::try_from_secs_f64(seconds)
            .map(Self)
            .map_err(|error| invalid(format!("timedelta: {error}")))
    }

    /// Whole days and the seconds of the day, as Python keeps them: the days may be negative, the seconds not.
    fn parts(self) -> (i64, i64) {
        (self.0.as_secs().div_euclid(86_400), self.0.as_secs().rem_euclid(86_400))
    }
}

impl fmt::Debug for TimeDelta {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = self.parts();
        if days != 0 {
            write!(formatter, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(formatter, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl Object for TimeDelta {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (days, seconds) = self.parts();
        match key.as_str()? {
            "days" => Some(days.into()),
            "seconds" => Some(seconds.into()),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _arguments: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "total_seconds" => Ok(self.0.as_secs_f64().into()),
            _ => Err(unknown("a timedelta", method, "total_seconds, days, seconds")),
        }
    }
}
