//! SQL databases: SQLite, PostgreSQL, MySQL and MariaDB; the embedded one is a SQLite file in the home.

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod instants;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use crate::service::{Endpoint, ServiceError, ServiceErrorKind, connection_fault};
use esteira_operator::Connection;
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

/// One statement with the values of its parameters, in order.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// SQL.
    pub sql: &'a str,
    /// Null, true or false, numbers, texts; lists and mappings go as JSON text.
    pub parameters: &'a [Value],
}

/// What a statement gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The rows by the names of their columns; none for a statement that gives none.
    pub rows: Option<Vec<Map<String, Value>>>,
    /// How many rows it has changed, or given.
    pub rows_affected: u64,
    /// Whether there were more rows than were asked for.
    pub is_cut: bool,
}

/// The connections to one database. They are made when they are first used.
pub struct Database {
    engine: Engine,
    faults: Faults,
}

enum Engine {
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
}

/// Connections to one database at the same time.
const CONNECTIONS_MAX: u32 = 8;

/// How long a connection may take, or a writer of SQLite wait for another.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs statements one after another on one transaction of a pool. A macro, since the types of each engine are its own.
macro_rules! run_statements {
    ($pool:expr, $statements:expr, $rows_max:expr, $bind:path, $cell:path) => {{
        use futures::TryStreamExt as _;
        use sqlx::{Column as _, Either, Executor as _, Row as _, Statement as _};
        let mut transaction = $pool.begin().await?;
        let mut answers = Vec::with_capacity($statements.len());
        for statement in $statements {
            let sql = sqlx::AssertSqlSafe(statement.sql.to_owned());
            let prepared = (&mut *transaction).prepare(sqlx::SqlSafeStr::into_sql_str(sql)).await?;
            let gives_rows = !prepared.columns().is_empty();
            // The types that the database has found for the placeholders, where it finds any.
            let kinds: Vec<String> = match prepared.parameters() {
                Some(Either::Left(kinds)) => {
                    kinds.iter().map(|kind| sqlx::TypeInfo::name(kind).to_owned()).collect()
                }
                _ => Vec::new(),
            };
            let mut query = prepared.query();
            for (place, value) in statement.parameters.iter().enumerate() {
                let kind = kinds.get(place).map(String::as_str);
                query =
                    $bind(query, value, kind).map_err(|fitting| $crate::database::unfit(place, &fitting))?;
            }
            let mut answer = $crate::database::Answer::default();
            if gives_rows {
                let mut rows = Vec::new();
                let mut stream = query.fetch(&mut *transaction);
                while let Some(row) = stream.try_next().await? {
                    if rows.len() >= $rows_max {
                        answer.is_cut = true;
                        break;
                    }
                    let mut fields = serde_json::Map::new();
                    for (place, column) in row.columns().iter().enumerate() {
                        fields.insert(column.name().to_owned(), $cell(&row, place)?);
                    }
                    rows.push(fields);
                }
                drop(stream);
                answer.rows_affected = rows.len() as u64;
                answer.rows = Some(rows);
            } else {
                answer.rows_affected = query.execute(&mut *transaction).await?.rows_affected();
            }
            answers.push(answer);
        }
        transaction.commit().await?;
        Ok(answers)
    }};
}
pub(crate) use run_statements;

impl Database {
    /// A database for this connection; nothing is connected to yet. `embedded` is the file of the twin.
    pub(crate) fn open(
        connection: &Connection,
        embedded: &Path,
        patience: Option<Duration>,
    ) -> Result<Self, ServiceError> {
        let fault = |message: &str| connection_fault("The database", &connection.id, message);
        let timeout = patience.unwrap_or(ACQUIRE_TIMEOUT);
        match connection.url.scheme() {
            Connection::EMBEDDED => Ok(Self::sqlite(embedded, timeout)),
            "sqlite" => {
                let path = sqlite::path_of(&connection.url)
                    .ok_or_else(|| fault("names no file: sqlite:///path/to/file.db"))?;
                Ok(Self::sqlite(&path, timeout))
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                let endpoint = Endpoint::new(connection, "PostgreSQL", 5432, patience)?;
                let pool = postgres::open(connection, timeout).map_err(|message| fault(&message))?;
                Ok(Self { engine: Engine::Postgres(pool), faults: Faults::Endpoint(endpoint) })
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => {
                let endpoint = Endpoint::new(connection, "MySQL", 3306, patience)?;
                let pool = mysql::open(connection, timeout).map_err(|message| fault(&message))?;
                Ok(Self { engine: Engine::MySql(pool), faults: Faults::Endpoint(endpoint) })
            }
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => {
                Err(fault("needs the \"postgres\" feature, which this Esteira was built without"))
            }
            #[cfg(not(feature = "mysql"))]
            "mysql" | "mariadb" => {
                Err(fault("needs the \"mysql\" feature, which this Esteira was built without"))
            }
            other => Err(fault(&format!(
                "has a URL that begins with {other}:, and should begin with sqlite:, postgres:// or mysql://, or be embedded:"
            ))),
        }
    }

    fn sqlite(path: &Path, timeout: Duration) -> Self {
        let faults = Faults::File(path.display().to_string());
        Self { engine: Engine::Sqlite(sqlite::open(path, timeout)), faults }
    }

    /// Runs statements in turn, all in one transaction; at most `rows_max` rows of each are read.
    pub async fn run(
        &self,
        statements: &[Statement<'_>],
        rows_max: usize,
    ) -> Result<Vec<Answer>, ServiceError> {
        if let Faults::Endpoint(endpoint) = &self.faults {
            endpoint.patiently(|| endpoint.reach()).await?;
        }
        self.run_once(statements, rows_max).await
    }

    async fn run_once(
        &self,
        statements: &[Statement<'_>],
        rows_max: usize,
    ) -> Result<Vec<Answer>, ServiceError> {
        let ran = match &self.engine {
            Engine::Sqlite(pool) => sqlite::run(pool, statements, rows_max).await,
            #[cfg(feature = "postgres")]
            Engine::Postgres(pool) => postgres::run(pool, statements, rows_max).await,
            #[cfg(feature = "mysql")]
            Engine::MySql(pool) => mysql::run(pool, statements, rows_max).await,
        };
        ran.map_err(|error| self.faults.fault(error))
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), ServiceError> {
        let statement = [Statement { sql: "select 1", parameters: &[] }];
        let ask = self.run_once(&statement, 1);
        match &self.faults {
            Faults::File(_) => ask.await.map(drop),
            Faults::Endpoint(endpoint) => {
                let reach_and_ask = async {
                    endpoint.reach().await?;
                    ask.await.map(drop)
                };
                endpoint.promptly(reach_and_ask).await
            }
        }
    }
}

/// How the faults of a database are told: by its address, or by its file.
enum Faults {
    File(String),
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(dead_code, reason = "only they have an address")
    )]
    Endpoint(Endpoint),
}

impl Faults {
    fn fault(&self, error: sqlx::Error) -> ServiceError {
        let (kind, message) = explain(&error);
        match self {
            Self::Endpoint(endpoint) => endpoint.error(kind, message),
            Self::File(address) => {
                ServiceError { service: "SQLite", address: address.clone(), kind, message }
            }
        }
    }
}

fn explain(error: &sqlx::Error) -> (ServiceErrorKind, String) {
    match error {
        sqlx::Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            // PostgreSQL's class 28, MySQL's 1044, 1045 and 1698 by their SQL state.
            let is_denied = code.starts_with("28");
            let kind = if is_denied { ServiceErrorKind::Denied } else { ServiceErrorKind::Rejected };
            (kind, format!("refused the statement: {}", said.message()))
        }
        sqlx::Error::Io(error) => (ServiceErrorKind::Unavailable, format!("broke the connection: {error}")),
        sqlx::Error::PoolTimedOut => (ServiceErrorKind::Unavailable, "has no connection free".to_owned()),
        sqlx::Error::Tls(error) => {
            (ServiceErrorKind::Misconfigured, format!("does not speak TLS as it should: {error}"))
        }
        sqlx::Error::ColumnDecode { source, .. } | sqlx::Error::Encode(source) => {
            (ServiceErrorKind::Rejected, source.to_string())
        }
        other => (ServiceErrorKind::Faulty, format!("failed: {other}")),
    }
}

/// A column whose type has no JSON.
pub(crate) fn unreadable(column: &str, kind: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: format!(
            "gives the column \"{column}\" as {kind}, which has no form in JSON: cast it to text"
        )
        .into(),
    }
}

/// A parameter that does not fit its placeholder: what fits is "an instant such as …".
pub(crate) fn unfit(place: usize, fitting: &str) -> sqlx::Error {
    sqlx::Error::Encode(
        format!("takes {fitting} as parameter {}, and was given something else", place + 1).into(),
    )
}

/// A text that a database takes for a value that is no single one.
pub(crate) fn json_text(value: &Value) -> String {
    value.to_string()
}

/// A number: whole where it is, otherwise a float; null for what JSON has no number for.
pub(crate) fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// A fixed-point number as its digits, without zeros at the end: JSON's numbers would lose some.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn decimal(number: &sqlx::types::BigDecimal) -> Value {
    number.normalized().to_plain_string().into()
}

/// Bytes as text where they are text, in base 64 otherwise.
pub(crate) fn bytes(bytes: Vec<u8>) -> Value {
    use base64::Engine as _;
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => base64::engine::general_purpose::STANDARD.encode(error.as_bytes()).into(),
    }
}
