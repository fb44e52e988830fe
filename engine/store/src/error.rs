//! What can go wrong between the engine and its database, for the person who reads it.

use std::path::PathBuf;

/// The database could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be opened.
    #[error("the database {} cannot be opened: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// It was made by a newer Esteira, or its migration failed.
    #[error("the database {} cannot be brought to this version of Esteira: {source}", path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// The disk is full: nothing of the batch was kept, nothing that was kept before is lost.
    #[error("the disk is full: the database cannot grow; free some space, and the engine goes on by itself")]
    DiskFull,
    /// Another process holds the database: a backup, a shell. Nothing of the batch was kept.
    #[error("the database is held by another process; the engine goes on when it is let go")]
    Busy,
    /// So much is asked that a question could not even be put.
    #[error("the database is asked for more than it can answer; try again in a moment")]
    Overloaded,
    /// A statement failed.
    #[error("the database failed: {0}")]
    Sql(sqlx::Error),
    /// A row holds what no version of Esteira writes.
    #[error("the database holds a row that cannot be read: {0}")]
    Corrupt(String),
}

/// SQLite's primary result codes for a database that is held, and for a full disk.
const SQLITE_BUSY: i64 = 5;
const SQLITE_LOCKED: i64 = 6;
const SQLITE_FULL: i64 = 13;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|fault| fault.code())
            .and_then(|code| code.parse::<i64>().ok());
        match code {
            Some(code) if code & 0xff == SQLITE_FULL => Self::DiskFull,
            Some(code) if matches!(code & 0xff, SQLITE_BUSY | SQLITE_LOCKED) => Self::Busy,
            _ if matches!(error, sqlx::Error::PoolTimedOut) => Self::Overloaded,
            _ => Self::Sql(error),
        }
    }
}
