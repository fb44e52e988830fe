//! Reading: pages, lists, recovery and the audit check.

mod counts;
mod dags;
mod events;
mod grid;
mod instances;
mod lists;
mod overview;
mod reach;
mod runs;

pub use events::EventFilter;
pub use grid::GridCell;
pub use instances::{AttemptKey, TaskStateRow};
pub use lists::{
    AssetEventColumn, Bound, Column, Counting, EventColumn, InstanceColumn, List, Listing, Pattern, Place,
    QuestionColumn, RunColumn,
};
pub use overview::FirstFailure;
pub use reach::Searched;
pub use runs::{RunFilter, RunSnapshot, RunStats};

use crate::error::StoreError;
use counts::Counts;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::SqlitePool;
use std::sync::Arc;

/// A page of rows, newest first.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// A few connections that only read. Cloning shares them.
#[derive(Clone)]
pub struct Reader {
    pub(crate) pool: SqlitePool,
    counts: Counts<u64>,
    stats: Counts<Arc<RunStats>>,
}

impl Reader {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self { pool, counts: Counts::default(), stats: Counts::default() }
    }
}

pub(crate) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(crate) fn optional_instant(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(instant).transpose()
}

pub(crate) fn json(text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn optional_json(text: Option<&str>) -> Result<Option<Value>, StoreError> {
    text.map(json).transpose()
}

pub(crate) fn label<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    read(text).ok_or_else(|| StoreError::Corrupt(format!("\"{text}\" is no known label")))
}

/// Turns `limit + 1` fetched rows into a page.
fn page<T>(mut rows: Vec<T>, limit: u32) -> Page<T> {
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Page { rows, has_more }
}
