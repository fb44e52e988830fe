//! All runs at a glance, for the pages that people open first: where in time they stand, how they went hour by hour, how each
//! DAG's last one is, and what made a run fail.

use super::runs::{RUN_COLUMNS, run_row};
use super::{Reader, instant, label};
use crate::error::StoreError;
use crate::rows::{RunKey, RunRow};
use esteira_core::run::AttemptError;
use esteira_core::states::RunState;
use jiff::Timestamp;
use sqlx::Row;
use std::collections::HashMap;

/// The task instance that failed first in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    /// The task's name.
    pub task_id: String,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// Why; none where there was no attempt, or it says nothing.
    pub message: Option<String>,
}

const HOUR: i64 = 3_600_000_000;
const QUARTER: i64 = HOUR / 4;

impl Reader {
    /// The first run that was made at this instant or after it. Runs are numbered in the order in which they are made, so
    /// that some twenty looks find it, all in one statement; where the clock was set back it may be off by what was made
    /// meanwhile.
    pub async fn first_run_since(&self, at: Timestamp) -> Result<Option<RunKey>, StoreError> {
        // Numbers of runs that were deleted are not there: the next one stands for them.
        let query = "WITH RECURSIVE look (low, high, found) AS ( \
             SELECT (SELECT min(run_key) FROM dag_run), (SELECT max(run_key) FROM dag_run), NULL \
             UNION ALL \
             SELECT iif(queued_at >= ?1, low, run_key + 1), iif(queued_at >= ?1, low + (high - low) / 2 - 1, high), \
             iif(queued_at >= ?1, run_key, found) FROM look CROSS JOIN dag_run ON run_key = (SELECT next.run_key \
             FROM dag_run AS next WHERE next.run_key >= low + (high - low) / 2 ORDER BY next.run_key LIMIT 1) \
             WHERE low <= high) \
             SELECT found FROM look WHERE low > high";
        let found: Option<Option<RunKey>> =
            sqlx::query_scalar(query).bind(at.as_microsecond()).fetch_optional(&self.pool).await?;
        Ok(found.flatten())
    }

    /// How many runs were made in each hour since this instant, by their state: the hours are counted from 0, and those
    /// without a run are left out.
    pub async fn runs_by_hour(&self, since: Timestamp) -> Result<Vec<(usize, RunState, u64)>, StoreError> {
        let Some(first) = self.first_run_since(since).await? else { return Ok(Vec::new()) };
        let query = "SELECT max(queued_at - ?1, 0) / ?2 AS hour, state, count(*) FROM dag_run \
             WHERE run_key >= ?3 GROUP BY hour, state ORDER BY hour, state";
        let query = sqlx::query(query).bind(since.as_microsecond()).bind(HOUR).bind(first);
        let rows = query.fetch_all(&self.pool).await?;
        let part = |row: &sqlx::sqlite::SqliteRow| {
            let hour = usize::try_from(row.get::<i64, _>(0)).unwrap_or_default();
            Ok((hour, label(row.get(1), RunState::from_label)?, row.get::<i64, _>(2).unsigned_abs()))
        };
        rows.iter().map(part).collect()
    }

    /// How many runs of a DAG were made in each quarter of an hour from `from` on and before `until`, by their state. The days
    /// of every time zone are made of such quarters; those without a run are left out.
    pub async fn runs_by_quarter(
        &self,
        dag_id: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Timestamp, RunState, u64)>, StoreError> {
        let Some(first) = self.first_run_since(from).await? else { return Ok(Vec::new()) };
        let end = self.first_run_since(until).await?.unwrap_or(RunKey::MAX);
        let query = "SELECT queued_at / ?1 AS quarter, state, count(*) FROM dag_run INDEXED BY dag_run_by_dag \
             WHERE dag_id = ?2 AND run_key >= ?3 AND run_key < ?4 GROUP BY quarter, state ORDER BY quarter, state";
        let query = sqlx::query(query).bind(QUARTER).bind(dag_id).bind(first).bind(end);
        let part = |row: &sqlx::sqlite::SqliteRow| {
            let at = instant(row.get::<i64, _>(0) * QUARTER)?;
            Ok((at, label(row.get(1), RunState::from_label)?, row.get::<i64, _>(2).unsigned_abs()))
        };
        query.fetch_all(&self.pool).await?.iter().map(part).collect()
    }

    /// The state of each DAG's newest run; DAGs that never ran are left out.
    pub async fn last_states(&self) -> Result<HashMap<String, RunState>, StoreError> {
        let query = "SELECT dag_id, (SELECT state FROM dag_run WHERE dag_run.dag_id = dag.dag_id \
             ORDER BY run_key DESC LIMIT 1) FROM dag";
        let mut states = HashMap::new();
        for row in sqlx::query(query).fetch_all(&self.pool).await? {
            if let Some(state) = row.get::<Option<String>, _>(1) {
                states.insert(row.get(0), label(&state, RunState::from_label)?);
            }
        }
        Ok(states)
    }

    /// The newest runs of these DAGs, newest first, at most `per_dag` of each: for the strips on the list of DAGs.
    pub async fn latest_runs_of(
        &self,
        dag_ids: &[&str],
        per_dag: u32,
    ) -> Result<HashMap<String, Vec<RunRow>>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{RUN_COLUMNS} WHERE run_key IN (SELECT newest.run_key FROM json_each(?2) AS named CROSS JOIN dag_run AS newest \
             ON newest.dag_id = named.value AND newest.run_key >= coalesce((SELECT run_key FROM dag_run AS place \
             WHERE place.dag_id = named.value ORDER BY run_key DESC LIMIT 1 OFFSET ?1 - 1), 0)) ORDER BY run_key DESC"
        ));
        let names = serde_json::json!(dag_ids).to_string();
        let rows = sqlx::query(query).bind(per_dag).bind(names).fetch_all(&self.pool).await?;
        let mut by_dag: HashMap<String, Vec<RunRow>> = HashMap::new();
        for row in &rows {
            let run = run_row(row)?;
            by_dag.entry(run.dag_id.to_string()).or_default().push(run);
        }
        Ok(by_dag)
    }

    /// What failed first in a run, if anything did.
    pub async fn first_failure(&self, run_key: RunKey) -> Result<Option<FirstFailure>, StoreError> {
        let query = "SELECT task_id, map_index, (SELECT error FROM attempt WHERE attempt.run_key = task_instance.run_key \
             AND attempt.task_index = task_instance.task_index AND attempt.map_index = task_instance.map_index \
             ORDER BY attempt.try_number DESC LIMIT 1) FROM task_instance \
             WHERE run_key = ?1 AND state = 'failed' ORDER BY ended_at, task_index, map_index LIMIT 1";
        let Some(row) = sqlx::query(query).bind(run_key).fetch_optional(&self.pool).await? else {
            return Ok(None);
        };
        let error: Option<String> = row.get(2);
        let error = error.and_then(|text| serde_json::from_str::<AttemptError>(&text).ok());
        Ok(Some(FirstFailure {
            task_id: row.get(0),
            map_index: row.get(1),
            message: error.map(|error| error.message).filter(|message| !message.is_empty()),
        }))
    }
}
