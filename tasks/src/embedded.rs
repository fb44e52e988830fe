//! The database that the embedded stream, cache and queue share: one SQLite file in Esteira's home.
//!
//! One connection writes and a few read. Every change is one transaction that is on disk (`synchronous=FULL`) before
//! the caller hears of it, as the real services promise. Several processes may have it open at once.

use crate::service::{ServiceError, ServiceErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// The file's name in the embedded home.
const FILE_NAME: &str = "embedded.db";

/// The layout below. A file of a later Esteira is left alone.
const LAYOUT_VERSION: i64 = 1;

/// How long a writer waits for one in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before a busy file is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// How many readers there may be at once; a reader never waits for the writer.
const READERS_MAX: u32 = 4;

const LAYOUT: &str = "
    create table if not exists topic (
        id integer primary key,
        name text not null unique,
        next_offset integer not null default 0
    ) strict;
    create table if not exists message (
        topic integer not null references topic (id),
        offset integer not null,
        key blob,
        payload blob not null,
        primary key (topic, offset)
    ) strict, without rowid;
    create table if not exists group_offset (
        topic integer not null references topic (id),
        group_name text not null,
        offset integer not null,
        primary key (topic, group_name)
    ) strict, without rowid;
    create table if not exists hash (
        key text primary key,
        fields text not null,
        expires_at integer
    ) strict, without rowid;
    create index if not exists hash_expires_at on hash (expires_at) where expires_at is not null;
    create table if not exists queue (
        id integer primary key,
        name text not null unique
    ) strict;
    create table if not exists queue_message (
        id integer primary key autoincrement,
        queue integer not null references queue (id),
        message_id text not null,
        content_type text not null,
        body blob not null
    ) strict;
    create index if not exists queue_message_queue on queue_message (queue, id);
";

/// The open database. Shared by the three twins that keep their data in it.
#[derive(Debug)]
pub(crate) struct EmbeddedDatabase {
    path: PathBuf,
    writer: SqlitePool,
    reader: SqlitePool,
    arrivals: watch::Sender<u64>,
}

impl EmbeddedDatabase {
    /// Opens the file in this folder; both are made if they are missing.
    pub(crate) async fn open(home: &Path) -> Result<Self, ServiceError> {
        let path = home.join(FILE_NAME);
        std::fs::create_dir_all(home)
            .map_err(|error| file_fault("Embedded store", home, &format!("could not be made: {error}")))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let fault = |error| database_fault("Embedded store", &path, &error);
        let writer = connect_writer(options).await.map_err(fault)?;
        prepare_layout(&writer, &path).await?;
        let reading = SqliteConnectOptions::new().filename(&path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let reader = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_lazy_with(reading);
        Ok(Self { path, writer, reader, arrivals: watch::Sender::new(0) })
    }

    /// Where to read from.
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// Begins a transaction that writes. It takes the write lock at once, so that two writers queue up instead of
    /// failing half-way.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("begin immediate").await
    }

    /// Tells waiting consumers of this process that messages have come.
    pub(crate) fn announce_arrival(&self) {
        self.arrivals.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What fires when messages have come from this process.
    pub(crate) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// A fault of the database, told as one of the service that it stands in for.
    pub(crate) fn fault(&self, service: &'static str, error: &sqlx::Error) -> ServiceError {
        database_fault(service, &self.path, error)
    }

    /// A name or value that the service does not take.
    pub(crate) fn rejected(&self, service: &'static str, message: String) -> ServiceError {
        ServiceError {
            service,
            address: self.path.display().to_string(),
            kind: ServiceErrorKind::Rejected,
            message,
        }
    }
}

/// Connects the one connection that writes. When several processes make the file at the same moment, SQLite refuses
/// the change to WAL to all but one at once, without the time-out that it grants everywhere else: so try again.
async fn connect_writer(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
}

/// Whether another process held the file: `SQLITE_BUSY`, 5, in the low byte of the code.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|fault| fault.code());
    code.and_then(|code| code.parse::<i64>().ok()).is_some_and(|code| code & 0xff == 5)
}

async fn prepare_layout(writer: &SqlitePool, path: &Path) -> Result<(), ServiceError> {
    let fault = |error| database_fault("Embedded store", path, &error);
    let mut transaction = writer.begin_with("begin immediate").await.map_err(fault)?;
    let version: i64 =
        sqlx::query_scalar("pragma user_version").fetch_one(&mut *transaction).await.map_err(fault)?;
    if version > LAYOUT_VERSION {
        return Err(file_fault("Embedded store", path, "was written by a later version of Esteira"));
    }
    if version < LAYOUT_VERSION {
        sqlx::raw_sql(LAYOUT).execute(&mut *transaction).await.map_err(fault)?;
        sqlx::raw_sql("pragma user_version = 1").execute(&mut *transaction).await.map_err(fault)?;
    }
    transaction.commit().await.map_err(fault)
}

fn database_fault(service: &'static str, path: &Path, error: &sqlx::Error) -> ServiceError {
    let message = match error {
        sqlx::Error::Database(error) => format!("could not do it: {}", error.message()),
        other => format!("could not do it: {other}"),
    };
    file_fault(service, path, &message)
}

/// A fault of a file or folder that an embedded service keeps its data in.
pub(crate) fn file_fault(service: &'static str, path: &Path, message: &str) -> ServiceError {
    let address = path.display().to_string();
    ServiceError { service, address, kind: ServiceErrorKind::Faulty, message: message.to_owned() }
}

/// Milliseconds since 1970, for times of expiry that must outlive the process.
pub(crate) fn now_milliseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
