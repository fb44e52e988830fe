//! PostgreSQL.

use super::{
    Answer, CONNECTIONS_MAX, Statement, bytes, decimal, float, instants, json_text, run_statements,
    unreadable,
};
use esteira_operator::Connection;
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::types::time::{Date, OffsetDateTime, PrimitiveDateTime, Time};
use sqlx::types::{BigDecimal, Uuid};
use sqlx::{Column, Decode, PgPool, Postgres, Row, Type, TypeInfo, ValueRef};
use std::str::FromStr;
use std::time::Duration;

/// A pool for this connection. The error does not repeat the URL, which holds the password.
pub(super) fn open(connection: &Connection, timeout: Duration) -> Result<PgPool, String> {
    let mut url = connection.url.clone();
    // What is Esteira's own, and not the driver's.
    let options: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "timeout")
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(options);
    let options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| "has a URL that PostgreSQL's driver does not take".to_owned())?
        .application_name("esteira");
    Ok(PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(timeout)
        .connect_lazy_with(options))
}

pub(super) async fn run(
    pool: &PgPool,
    statements: &[Statement<'_>],
    rows_max: usize,
) -> Result<Vec<Answer>, sqlx::Error> {
    run_statements!(pool, statements, rows_max, bind, cell)
}

type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// Gives a placeholder its value as the type that PostgreSQL has found for it. The error says which it is.
fn bind<'q>(query: Bound<'q>, value: &Value, kind: Option<&str>) -> Result<Bound<'q>, String> {
    let text = match value {
        Value::Null => return Ok(bind_null(query, kind)),
        Value::String(text) => text.clone(),
        other => json_text(other),
    };
    Ok(match kind.unwrap_or("TEXT") {
        "BOOL" => query.bind(value.as_bool().or_else(|| text.parse().ok()).ok_or("true or false")?),
        "INT2" => query.bind(text.parse::<i16>().map_err(|_| "a small whole number")?),
        "INT4" => query.bind(text.parse::<i32>().map_err(|_| "a whole number of 32 bits")?),
        "INT8" => query.bind(text.parse::<i64>().map_err(|_| "a whole number")?),
        "FLOAT4" => query.bind(text.parse::<f32>().map_err(|_| "a number")?),
        "FLOAT8" => query.bind(text.parse::<f64>().map_err(|_| "a number")?),
        "NUMERIC" => query.bind(text.parse::<BigDecimal>().map_err(|_| "a number")?),
        "JSON" | "JSONB" => query.bind(value.clone()),
        "UUID" => query.bind(text.parse::<Uuid>().map_err(|_| "a UUID")?),
        "DATE" => query.bind(instants::date(&text).ok_or("a date such as 2026-01-31")?),
        "TIME" => query.bind(instants::time_of_day(&text).ok_or("a time such as 09:30")?),
        "TIMESTAMP" => query.bind(instants::read_local(&text).ok_or("a time such as 2026-01-31T09:30:00")?),
        "TIMESTAMPTZ" => {
            query.bind(instants::read_utc(&text).ok_or("an instant such as 2026-01-31T09:30:00Z")?)
        }
        "BYTEA" => query.bind(text.into_bytes()),
        "TEXT[]" | "VARCHAR[]" => query.bind(list(value, |item| item.as_str().map(str::to_owned))?),
        "INT8[]" => query.bind(list(value, Value::as_i64)?),
        "INT4[]" => {
            query.bind(list(value, |item| item.as_i64().and_then(|number| i32::try_from(number).ok()))?)
        }
        "FLOAT8[]" => query.bind(list(value, Value::as_f64)?),
        "BOOL[]" => query.bind(list(value, Value::as_bool)?),
        _ => query.bind(text),
    })
}

fn bind_null<'q>(query: Bound<'q>, kind: Option<&str>) -> Bound<'q> {
    // The bytes of a null are the same for every type; the type goes with them all the same.
    match kind {
        Some("INT4") => query.bind(None::<i32>),
        Some("INT8") => query.bind(None::<i64>),
        _ => query.bind(None::<String>),
    }
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<Option<T>>, String> {
    let items = value.as_array().ok_or("a list")?;
    let read = |item: &Value| if item.is_null() { Some(None) } else { read(item).map(Some) };
    items.iter().map(read).collect::<Option<Vec<_>>>().ok_or_else(|| "a list of other values".to_owned())
}

/// A value of the row, read as a type of the driver.
fn read<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    place: usize,
) -> Result<T, sqlx::Error> {
    row.try_get::<T, _>(place)
}

fn cell(row: &PgRow, place: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(place)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let text = |text: String| Value::String(text);
    Ok(match kind.as_str() {
        "BOOL" => read::<bool>(row, place)?.into(),
        "INT2" => read::<i16>(row, place)?.into(),
        "INT4" => read::<i32>(row, place)?.into(),
        "INT8" => read::<i64>(row, place)?.into(),
        "FLOAT4" => float(f64::from(read::<f32>(row, place)?)),
        "FLOAT8" => float(read::<f64>(row, place)?),
        "NUMERIC" => decimal(&read::<BigDecimal>(row, place)?),
        "TEXT" | "VARCHAR" | "CHAR" | "BPCHAR" | "NAME" | "UNKNOWN" | "CITEXT" => {
            text(read::<String>(row, place)?)
        }
        "JSON" | "JSONB" => read::<Value>(row, place)?,
        "UUID" => text(read::<Uuid>(row, place)?.to_string()),
        "DATE" => text(read::<Date>(row, place)?.to_string()),
        "TIME" => text(read::<Time>(row, place)?.to_string()),
        "TIMESTAMP" => text(instants::local(read::<PrimitiveDateTime>(row, place)?)),
        "TIMESTAMPTZ" => text(instants::utc(read::<OffsetDateTime>(row, place)?)),
        "BYTEA" => bytes(read::<Vec<u8>>(row, place)?),
        "TEXT[]" | "VARCHAR[]" => read::<Vec<Option<String>>>(row, place)?.into(),
        "INT4[]" => read::<Vec<Option<i32>>>(row, place)?.into(),
        "INT8[]" => read::<Vec<Option<i64>>>(row, place)?.into(),
        "FLOAT8[]" => read::<Vec<Option<f64>>>(row, place)?.into(),
        "BOOL[]" => read::<Vec<Option<bool>>>(row, place)?.into(),
        "VOID" => Value::Null,
        // Enumerations and others that are sent as text.
        _ => match row.try_get_unchecked::<String, _>(place) {
            Ok(value) if !value.contains('\0') => text(value),
            _ => return Err(unreadable(row.columns()[place].name(), &kind)),
        },
    })
}
