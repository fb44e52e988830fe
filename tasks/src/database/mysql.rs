//! MySQL and MariaDB.

use super::{
    Answer, CONNECTIONS_MAX, Statement, bytes, decimal, float, json_text, run_statements, unreadable,
};
use esteira_operator::Connection;
use serde_json::Value;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions, MySqlRow};
use sqlx::query::Query;
use sqlx::types::BigDecimal;
use sqlx::types::time::{Date, OffsetDateTime, PrimitiveDateTime, Time};
use sqlx::{Column, MySql, MySqlPool, Row, TypeInfo, ValueRef};
use std::str::FromStr;
use std::time::Duration;

/// A pool for this connection. The error does not repeat the URL, which holds the password.
pub(super) fn open(connection: &Connection, timeout: Duration) -> Result<MySqlPool, String> {
    // The driver knows one name for both.
    let text = connection.url.as_str().replacen("mariadb:", "mysql:", 1);
    let options = MySqlConnectOptions::from_str(&text)
        .map_err(|_| "has a URL that MySQL's driver does not take".to_owned())?;
    Ok(MySqlPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(timeout)
        .connect_lazy_with(options))
}

pub(super) async fn run(
    pool: &MySqlPool,
    statements: &[Statement<'_>],
    rows_max: usize,
) -> Result<Vec<Answer>, sqlx::Error> {
    run_statements!(pool, statements, rows_max, bind, cell)
}

fn bind<'q>(
    query: Query<'q, MySql, MySqlArguments>,
    value: &Value,
    _: Option<&str>,
) -> Result<Query<'q, MySql, MySqlArguments>, String> {
    Ok(match value {
        Value::Null => query.bind(None::<String>),
        Value::Bool(value) => query.bind(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => query.bind(whole),
            None => query.bind(number.as_f64()),
        },
        Value::String(text) => query.bind(text.clone()),
        other => query.bind(json_text(other)),
    })
}

fn cell(row: &MySqlRow, place: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(place)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let text = |text: String| Value::String(text);
    Ok(match kind.as_str() {
        "BOOLEAN" => row.try_get::<bool, _>(place)?.into(),
        "TINYINT" | "SMALLINT" | "INT" | "MEDIUMINT" | "BIGINT" => {
            row.try_get_unchecked::<i64, _>(place)?.into()
        }
        "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "INT UNSIGNED" | "MEDIUMINT UNSIGNED"
        | "BIGINT UNSIGNED" | "YEAR" | "BIT" => row.try_get_unchecked::<u64, _>(place)?.into(),
        "FLOAT" => float(f64::from(row.try_get::<f32, _>(place)?)),
        "DOUBLE" => float(row.try_get::<f64, _>(place)?),
        "DECIMAL" => decimal(&row.try_get::<BigDecimal, _>(place)?),
        "DATE" => text(row.try_get::<Date, _>(place)?.to_string()),
        "TIME" => text(row.try_get::<Time, _>(place)?.to_string()),
        "DATETIME" => text(super::instants::local(row.try_get::<PrimitiveDateTime, _>(place)?)),
        "TIMESTAMP" => text(super::instants::utc(row.try_get::<OffsetDateTime, _>(place)?)),
        "JSON" => row.try_get::<Value, _>(place)?,
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" => {
            text(row.try_get_unchecked::<String, _>(place)?)
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            bytes(row.try_get_unchecked::<Vec<u8>, _>(place)?)
        }
        _ => return Err(unreadable(row.columns()[place].name(), &kind)),
    })
}
