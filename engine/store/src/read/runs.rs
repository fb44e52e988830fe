//! DAG runs.

use super::AttemptKey;
use super::{Page, Reader, instant, json, label, optional_instant, page};
use crate::error::StoreError;
use crate::rows::{AttemptRow, EventRow, RunKey, RunRow, TaskInstanceRow};
use esteira_core::states::{RunState, RunType, TriggeredBy};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How many runs of each DAG are in each state.
pub type RunStats = HashMap<String, Vec<(RunState, u64)>>;

pub(super) const RUN_COLUMNS: &str = "SELECT run_key, dag_run.dag_id, run_id, dag_run.version_id, version_number, state, run_type, \
     triggered_by, triggering_user, logical_date, data_interval_start, data_interval_end, run_after, queued_at, \
     started_at, ended_at, conf, note, parent_run_key, is_cancelled_with_parent, backfill_id FROM dag_run JOIN dag_version USING (version_id)";

/// Which runs to list. An empty filter lists all.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only of this DAG.
    pub dag_id: Option<String>,
    /// Only in these states.
    pub states: Vec<RunState>,
    /// Only older than this one.
    pub before: Option<RunKey>,
    /// Only of these types.
    pub run_types: Vec<RunType>,
    /// Only made at this instant or after it.
    pub made_from: Option<Timestamp>,
    /// Only made before this instant.
    pub made_until: Option<Timestamp>,
}

/// A run with its instances and all its events, as they stood at one instant.
#[derive(Clone, Debug)]
pub struct RunSnapshot {
    /// The run.
    pub run: RunRow,
    /// Its instances, in the order of the DAG's file.
    pub instances: Vec<TaskInstanceRow>,
    /// Its attempts that have ended, in the order of the DAG's file.
    pub attempts: Vec<(AttemptKey, AttemptRow)>,
    /// Its events, oldest first.
    pub events: Vec<EventRow>,
}

/// Writes a condition that a column is one of these labels, if there are any.
fn push_labels(query: &mut QueryBuilder<Sqlite>, column: &str, labels: impl Iterator<Item = &'static str>) {
    let labels: Vec<&str> = labels.collect();
    if labels.is_empty() {
        return;
    }
    query.push(format!(" AND {column} IN ("));
    let mut places = query.separated(", ");
    for label in labels {
        places.push_bind(label);
    }
    query.push(")");
}

impl Reader {
    /// Runs, newest first.
    pub async fn runs(&self, filter: &RunFilter, limit: u32) -> Result<Page<RunRow>, StoreError> {
        let mut query = QueryBuilder::new(RUN_COLUMNS);
        self.push_conditions(&mut query, filter).await?;
        if let Some(before) = filter.before {
            query.push(" AND run_key < ").push_bind(before);
        }
        query.push(" ORDER BY run_key DESC LIMIT ").push_bind(limit + 1);
        let rows = query.build().fetch_all(&self.pool).await?;
        Ok(page(rows.iter().map(run_row).collect::<Result<_, _>>()?, limit))
    }

    /// How many runs the filter finds (`before` does not count).
    pub async fn run_count(&self, filter: &RunFilter) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM dag_run");
        self.push_conditions(&mut query, filter).await?;
        let count: i64 = query.build_query_scalar().fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    /// As [`Reader::run_count`]; where counting takes long, as it was some seconds ago.
    pub async fn kept_run_count(&self, filter: &RunFilter) -> Result<u64, StoreError> {
        let (reader, filter) = (self.clone(), RunFilter { before: None, ..filter.clone() });
        let count = {
            let filter = filter.clone();
            async move || reader.run_count(&filter).await
        };
        self.counts.get(format!("runs {filter:?}"), count).await
    }

    /// Writes only the conditions that there are, so that the indices which fit are used.
    async fn push_conditions(
        &self,
        query: &mut QueryBuilder<Sqlite>,
        filter: &RunFilter,
    ) -> Result<(), StoreError> {
        query.push(" WHERE TRUE");
        if let Some(dag_id) = &filter.dag_id {
            query.push(" AND dag_run.dag_id = ").push_bind(dag_id.clone());
        }
        push_labels(query, "state", filter.states.iter().map(|state| state.as_str()));
        push_labels(query, "run_type", filter.run_types.iter().map(|kind| kind.as_str()));
        for (at, comparison) in
            [(filter.made_from, " AND run_key >= "), (filter.made_until, " AND run_key < ")]
        {
            let Some(at) = at else { continue };
            // No run is that new: none is after it, and all are before.
            let place = self.first_run_since(at).await?.unwrap_or(RunKey::MAX);
            query.push(comparison).push_bind(place);
        }
        Ok(())
    }

    /// How many runs of each DAG are in each state; where counting takes long, as it was some seconds ago.
    pub async fn run_stats(&self) -> Result<Arc<RunStats>, StoreError> {
        let reader = self.clone();
        self.stats.get(String::new(), async move || reader.counted_stats().await).await
    }

    async fn counted_stats(&self) -> Result<Arc<RunStats>, StoreError> {
        let rows = sqlx::query("SELECT dag_id, state, count(*) FROM dag_run GROUP BY dag_id, state");
        let mut stats = RunStats::new();
        for row in rows.fetch_all(&self.pool).await? {
            let count = row.get::<i64, _>(2).unsigned_abs();
            stats.entry(row.get(0)).or_default().push((label(row.get(1), RunState::from_label)?, count));
        }
        Ok(Arc::new(stats))
    }

    /// The runs of a DAG that stand for an instant between these two, themselves included; the earliest first.
    pub async fn runs_between(
        &self,
        dag_id: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Vec<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{RUN_COLUMNS} WHERE dag_run.dag_id = ?1 AND logical_date IS NOT NULL \
             AND (?2 IS NULL OR logical_date >= ?2) AND (?3 IS NULL OR logical_date <= ?3) ORDER BY logical_date, run_key"
        ));
        let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
        let rows =
            sqlx::query(query).bind(dag_id).bind(micros(from)).bind(micros(to)).fetch_all(&self.pool).await?;
        rows.iter().map(run_row).collect()
    }

    /// The newest run of a DAG that stands for this instant.
    pub async fn run_at(&self, dag_id: &str, at: Timestamp) -> Result<Option<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{RUN_COLUMNS} WHERE dag_run.dag_id = ?1 AND logical_date = ?2 ORDER BY run_key DESC LIMIT 1"
        ));
        let row =
            sqlx::query(query).bind(dag_id).bind(at.as_microsecond()).fetch_optional(&self.pool).await?;
        row.as_ref().map(run_row).transpose()
    }

    /// The run of a DAG that stands for the last instant before this one, of those that succeeded.
    pub async fn success_before(&self, dag_id: &str, at: Timestamp) -> Result<Option<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{RUN_COLUMNS} WHERE dag_run.dag_id = ?1 AND logical_date < ?2 AND state = 'success' \
             ORDER BY logical_date DESC, run_key DESC LIMIT 1"
        ));
        let row =
            sqlx::query(query).bind(dag_id).bind(at.as_microsecond()).fetch_optional(&self.pool).await?;
        row.as_ref().map(run_row).transpose()
    }

    /// How long the last successful runs of a DAG took that had ended by `until`; `count` at most.
    pub async fn runtimes(
        &self,
        dag_id: &str,
        until: Timestamp,
        count: u32,
    ) -> Result<Vec<Duration>, StoreError> {
        let rows = sqlx::query_scalar(
            "SELECT ended_at - started_at FROM dag_run WHERE dag_id = ?1 AND state = 'success' AND ended_at <= ?2 \
             AND started_at IS NOT NULL ORDER BY run_key DESC LIMIT ?3",
        );
        let rows: Vec<i64> =
            rows.bind(dag_id).bind(until.as_microsecond()).bind(count).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))).collect())
    }

    /// The run of a DAG that stands for the last instant before this one, but for those that are about to be removed.
    pub async fn run_before(
        &self,
        dag_id: &str,
        at: Timestamp,
        gone: &[RunKey],
    ) -> Result<Option<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{RUN_COLUMNS} WHERE dag_run.dag_id = ?1 AND logical_date < ?2 \
             AND run_key NOT IN (SELECT value FROM json_each(?3)) ORDER BY logical_date DESC, run_key DESC LIMIT 1"
        ));
        let query = sqlx::query(query).bind(dag_id).bind(at.as_microsecond());
        let row = query.bind(serde_json::json!(gone).to_string()).fetch_optional(&self.pool).await?;
        row.as_ref().map(run_row).transpose()
    }

    /// The run of this name.
    pub async fn run(&self, dag_id: &str, run_id: &str) -> Result<Option<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{RUN_COLUMNS} WHERE dag_run.dag_id = ?1 AND run_id = ?2"));
        let row = sqlx::query(query).bind(dag_id).bind(run_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(run_row).transpose()
    }

    /// The run with this number.
    pub async fn run_by_key(&self, run_key: RunKey) -> Result<Option<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!("{RUN_COLUMNS} WHERE run_key = ?1"));
        let row = sqlx::query(query).bind(run_key).fetch_optional(&self.pool).await?;
        row.as_ref().map(run_row).transpose()
    }

    /// The runs with these numbers, in no order.
    pub async fn runs_by_key(&self, run_keys: &[RunKey]) -> Result<Vec<RunRow>, StoreError> {
        let query =
            sqlx::AssertSqlSafe(format!("{RUN_COLUMNS} WHERE run_key IN (SELECT value FROM json_each(?1))"));
        let keys = serde_json::json!(run_keys).to_string();
        sqlx::query(query).bind(keys).fetch_all(&self.pool).await?.iter().map(run_row).collect()
    }

    /// Runs that are not over, oldest first: those a restart goes on with.
    pub async fn unfinished_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{RUN_COLUMNS} WHERE state IN ('queued', 'running') ORDER BY run_key"
        ));
        sqlx::query(query).fetch_all(&self.pool).await?.iter().map(run_row).collect()
    }

    /// A run with its instances and all its events, as they stood at one instant: what a replay is compared with.
    pub async fn run_snapshot(&self, run_key: RunKey) -> Result<Option<RunSnapshot>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let query = sqlx::AssertSqlSafe(format!("{RUN_COLUMNS} WHERE run_key = ?1"));
        let row = sqlx::query(query).bind(run_key).fetch_optional(&mut *transaction).await?;
        let Some(run) = row.as_ref().map(run_row).transpose()? else { return Ok(None) };
        let instances = super::instances::of_run(&mut transaction, run_key).await?;
        let events = super::events::of_run(&mut transaction, run_key).await?;
        let attempts = super::instances::attempts_of_run(&mut transaction, run_key).await?;
        Ok(Some(RunSnapshot { run, instances, attempts, events }))
    }

    /// A run that the history tells of, but not of its removal, and that has no row: its DAG and its name.
    pub async fn run_without_row(&self) -> Result<Option<(String, String)>, StoreError> {
        let query = "SELECT dag_id, run_id FROM event WHERE name = 'run.created' \
             AND run_key NOT IN (SELECT run_key FROM dag_run) \
             AND run_key NOT IN (SELECT run_key FROM event WHERE name = 'run.deleted') ORDER BY seq LIMIT 1";
        Ok(sqlx::query_as(query).fetch_optional(&self.pool).await?)
    }

    /// The numbers of the runs after `after`, oldest first.
    pub async fn run_keys_after(&self, after: RunKey, limit: u32) -> Result<Vec<RunKey>, StoreError> {
        let query = "SELECT run_key FROM dag_run WHERE run_key > ?1 ORDER BY run_key LIMIT ?2";
        Ok(sqlx::query_scalar(query).bind(after).bind(limit).fetch_all(&self.pool).await?)
    }

    /// How the runs of a DAG before `before` ended, newest first, at most `limit`; those that are not over are left out.
    pub async fn last_run_states(
        &self,
        dag_id: &str,
        before: RunKey,
        limit: u32,
    ) -> Result<Vec<RunState>, StoreError> {
        let labels: Vec<String> = sqlx::query_scalar(
            "SELECT state FROM dag_run WHERE dag_id = ?1 AND run_key < ?2 AND state IN ('success', 'failed') \
             ORDER BY run_key DESC LIMIT ?3",
        )
        .bind(dag_id)
        .bind(before)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        labels.iter().map(|text| label(text, RunState::from_label)).collect()
    }

    /// The newest logical date of a DAG's scheduled runs, from which catching up goes on.
    pub async fn last_scheduled(&self, dag_id: &str) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = sqlx::query_scalar(
            "SELECT max(run_after) FROM dag_run WHERE dag_id = ?1 AND run_type = 'scheduled'",
        )
        .bind(dag_id)
        .fetch_one(&self.pool)
        .await?;
        optional_instant(micros)
    }
}

pub(super) fn run_row(row: &SqliteRow) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        run_key: row.get(0),
        dag_id: row.get::<String, _>(1).into(),
        run_id: row.get::<String, _>(2).into(),
        version_id: row.get(3),
        version_number: row.get(4),
        state: label(row.get(5), RunState::from_label)?,
        run_type: label(row.get(6), RunType::from_label)?,
        triggered_by: label(row.get(7), TriggeredBy::from_label)?,
        triggering_user: row.get(8),
        logical_date: optional_instant(row.get(9))?,
        data_interval_start: optional_instant(row.get(10))?,
        data_interval_end: optional_instant(row.get(11))?,
        run_after: instant(row.get(12))?,
        queued_at: instant(row.get(13))?,
        started_at: optional_instant(row.get(14))?,
        ended_at: optional_instant(row.get(15))?,
        conf: json(row.get(16))?,
        note: row.get(17),
        parent_run_key: row.get(18),
        is_cancelled_with_parent: row.get(19),
        backfill_id: row.get(20),
    })
}
