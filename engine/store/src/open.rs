//! Opening the database: one connection that writes, a few that read.

use crate::error::StoreError;
use crate::read::Reader;
use crate::write::Writer;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// Connections that read at the same time.
const READERS_MAX: u32 = 4;

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging()
}

/// Opens the database for writing, makes it if it is missing, and brings it to this version. The caller holds the
/// home's lock: there is never a second writer.
pub async fn open_writer(path: &Path) -> Result<Writer, StoreError> {
    let mut connection = connect_writer(path).await?;
    sqlx::migrate!("../../migrations")
        .run(&mut connection)
        .await
        .map_err(|source| StoreError::Migrate { path: path.to_owned(), source })?;
    Writer::new(connection, path.to_owned()).await
}

/// The connection that writes, without a look at what is in the database.
pub(crate) async fn connect_writer(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs the log at every commit: what is acknowledged survives the loss of power.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .pragma("wal_autocheckpoint", "4000")
        .pragma("cache_size", "-8000")
        .connect()
        .await
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })
}

/// Opens an existing database for reading.
pub async fn open_reader(path: &Path) -> Result<Reader, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .min_connections(0)
        .idle_timeout(Duration::from_secs(60))
        .connect_with(options(path).read_only(true).pragma("cache_size", "-4000"))
        .await
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    Ok(Reader::new(pool))
}
