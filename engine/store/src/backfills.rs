//! Backfills: runs over a range of the past.

use crate::error::StoreError;
use crate::read::{Reader, instant, json, label, optional_instant};
use esteira_core::backfill::{Range, Reprocess};
use esteira_core::ids::DagId;
use esteira_core::states::RunState;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// A backfill.
#[derive(Clone, Debug)]
pub struct BackfillRow {
    /// Its number.
    pub backfill_id: i64,
    /// The DAG.
    pub dag_id: DagId,
    /// Its dates.
    pub range: Range,
    /// Which dates that have a run already are run again.
    pub reprocess: Reprocess,
    /// How many of its runs are under way at the same time.
    pub max_active_runs: u32,
    /// The conf of its runs: an object.
    pub conf: Value,
    /// Whether it starts no runs for the time being.
    pub is_paused: bool,
    /// The logical date that was looked at last; none at the beginning.
    pub last_date: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the last of its runs was started, or it was cancelled.
    pub completed_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT backfill_id, dag_id, from_date, to_date, is_newest_first, reprocess, max_active_runs, conf, \
     is_paused, last_date, created_at, completed_at FROM backfill";

impl Reader {
    /// The backfills of a DAG, or of all, newest first.
    pub async fn backfills(&self, dag_id: Option<&str>) -> Result<Vec<BackfillRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE (?1 IS NULL OR dag_id = ?1) ORDER BY backfill_id DESC LIMIT 1000"
        ));
        sqlx::query(query).bind(dag_id).fetch_all(&self.pool).await?.iter().map(row).collect()
    }

    /// The backfill of this number.
    pub async fn backfill(&self, backfill_id: i64) -> Result<Option<BackfillRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE backfill_id = ?1"));
        let found = sqlx::query(query).bind(backfill_id).fetch_optional(&self.pool).await?;
        found.as_ref().map(row).transpose()
    }

    /// How many runs each backfill of a DAG has in each state; backfills without runs are left out.
    pub async fn backfill_runs(
        &self,
        dag_id: &str,
    ) -> Result<HashMap<i64, Vec<(RunState, u64)>>, StoreError> {
        let query = "SELECT backfill_id, state, count(*) FROM dag_run WHERE dag_id = ?1 AND backfill_id IS NOT NULL \
             GROUP BY backfill_id, state ORDER BY backfill_id, state";
        let mut by_backfill: HashMap<i64, Vec<(RunState, u64)>> = HashMap::new();
        for row in sqlx::query(query).bind(dag_id).fetch_all(&self.pool).await? {
            let part = (label(row.get(1), RunState::from_label)?, row.get::<i64, _>(2).unsigned_abs());
            by_backfill.entry(row.get(0)).or_default().push(part);
        }
        Ok(by_backfill)
    }
}

fn row(row: &SqliteRow) -> Result<BackfillRow, StoreError> {
    Ok(BackfillRow {
        backfill_id: row.get(0),
        dag_id: row.get::<String, _>(1).into(),
        range: Range { from: instant(row.get(2))?, to: instant(row.get(3))?, is_newest_first: row.get(4) },
        reprocess: label(row.get(5), Reprocess::from_label)?,
        max_active_runs: row.get(6),
        conf: json(row.get(7))?,
        is_paused: row.get(8),
        last_date: optional_instant(row.get(9))?,
        created_at: instant(row.get(10))?,
        completed_at: optional_instant(row.get(11))?,
    })
}

pub(crate) async fn upsert(
    connection: &mut SqliteConnection,
    backfill: &BackfillRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO backfill (backfill_id, dag_id, from_date, to_date, is_newest_first, reprocess, \
         max_active_runs, conf, is_paused, last_date, created_at, completed_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .bind(backfill.backfill_id)
    .bind(backfill.dag_id.as_str())
    .bind(backfill.range.from.as_microsecond())
    .bind(backfill.range.to.as_microsecond())
    .bind(backfill.range.is_newest_first)
    .bind(backfill.reprocess.as_str())
    .bind(backfill.max_active_runs)
    .bind(backfill.conf.to_string())
    .bind(backfill.is_paused)
    .bind(backfill.last_date.map(Timestamp::as_microsecond))
    .bind(backfill.created_at.as_microsecond())
    .bind(backfill.completed_at.map(Timestamp::as_microsecond))
    .execute(connection)
    .await?;
    Ok(())
}
