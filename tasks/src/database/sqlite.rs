//! SQLite: a file.

use super::{Answer, CONNECTIONS_MAX, Statement, bytes, float, json_text, run_statements, unreadable};
use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow};
use sqlx::{Column, Row, Sqlite, SqlitePool, TypeInfo, ValueRef};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

pub(super) fn open(path: &Path, timeout: Duration) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .busy_timeout(timeout);
    SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(timeout)
        .connect_lazy_with(options)
}

/// The file of `sqlite:///absolute/path`, `sqlite://relative/path` or `sqlite:path`.
pub(super) fn path_of(url: &Url) -> Option<PathBuf> {
    let text = url.as_str().strip_prefix("sqlite:")?;
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = text.strip_prefix("//").unwrap_or(text);
    let path = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    (!path.is_empty()).then(|| PathBuf::from(path.as_ref()))
}

pub(super) async fn run(
    pool: &SqlitePool,
    statements: &[Statement<'_>],
    rows_max: usize,
) -> Result<Vec<Answer>, sqlx::Error> {
    run_statements!(pool, statements, rows_max, bind, cell)
}

fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: &Value,
    _: Option<&str>,
) -> Result<Query<'q, Sqlite, SqliteArguments>, String> {
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

/// SQLite's values have types, whatever their columns say.
fn cell(row: &SqliteRow, place: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(place)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "INTEGER" => row.try_get_unchecked::<i64, _>(place)?.into(),
        "BOOLEAN" => row.try_get_unchecked::<bool, _>(place)?.into(),
        "REAL" => float(row.try_get_unchecked::<f64, _>(place)?),
        "TEXT" | "DATE" | "TIME" | "DATETIME" => row.try_get_unchecked::<String, _>(place)?.into(),
        "BLOB" => bytes(row.try_get_unchecked::<Vec<u8>, _>(place)?),
        _ => return Err(unreadable(row.columns()[place].name(), &kind)),
    })
}
