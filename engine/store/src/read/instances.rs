//! Task instances, their attempts, and what they pushed.

use super::{Reader, instant, json, label, optional_instant, optional_json};
use crate::error::StoreError;
use crate::rows::{AttemptRow, RunKey, TaskInstanceRow, XcomRow};
use crate::xcom::decode;
use esteira_core::ids::TaskId;
use esteira_core::states::TaskInstanceState;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

pub(super) const INSTANCE_COLUMNS: &str = "SELECT run_key, dag_id, run_id, task_index, task_id, map_index, task_instance.state, \
     try_number, scheduled_at, task_instance.started_at, task_instance.ended_at, retry_at, label \
     FROM task_instance JOIN dag_run USING (run_key)";

/// Whose attempts, values or log are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttemptKey {
    /// The run's number.
    pub run_key: RunKey,
    /// The task's place in the DAG version.
    pub task_index: u32,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
}

/// How many instances of a task of a run are in a state, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStateRow {
    /// The task's place in the DAG version.
    pub task_index: u32,
    /// The task.
    pub task_id: TaskId,
    /// The state.
    pub state: Option<TaskInstanceState>,
    /// How many are in it.
    pub count: u64,
    /// The least map index among them: -1 where the task is not mapped.
    pub map_index: i32,
    /// The greatest number of an attempt among them.
    pub try_number: u32,
    /// When the first of them was allowed to run.
    pub scheduled_at: Option<Timestamp>,
    /// When the first of them began.
    pub started_at: Option<Timestamp>,
    /// When the last of them ended.
    pub ended_at: Option<Timestamp>,
    /// When the first of them is tried again.
    pub retry_at: Option<Timestamp>,
}

impl Reader {
    /// The tasks of a run by the states of their instances, in the order of the DAG's file: as many rows for a task with
    /// thousands of instances as they have states.
    pub async fn task_states(&self, run_key: RunKey) -> Result<Vec<TaskStateRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT task_index, task_id, state, count(*), min(map_index), max(try_number), min(scheduled_at), \
             min(started_at), max(ended_at), min(retry_at) FROM task_instance WHERE run_key = ?1 \
             GROUP BY task_index, state ORDER BY task_index, state",
        )
        .bind(run_key)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &SqliteRow| {
            let state: Option<String> = row.get(2);
            Ok(TaskStateRow {
                task_index: row.get(0),
                task_id: row.get::<String, _>(1).into(),
                state: state.map(|text| label(&text, TaskInstanceState::from_label)).transpose()?,
                count: row.get::<i64, _>(3).unsigned_abs(),
                map_index: row.get(4),
                try_number: row.get(5),
                scheduled_at: optional_instant(row.get(6))?,
                started_at: optional_instant(row.get(7))?,
                ended_at: optional_instant(row.get(8))?,
                retry_at: optional_instant(row.get(9))?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The instances of a run, in the order of the DAG's file.
    pub async fn instances(&self, run_key: RunKey) -> Result<Vec<TaskInstanceRow>, StoreError> {
        of_run(&mut *self.pool.acquire().await?, run_key).await
    }

    /// One instance.
    pub async fn instance(
        &self,
        run_key: RunKey,
        task_id: &str,
        map_index: i32,
    ) -> Result<Option<TaskInstanceRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{INSTANCE_COLUMNS} WHERE run_key = ?1 AND task_id = ?2 AND map_index = ?3"
        ));
        let row =
            sqlx::query(query).bind(run_key).bind(task_id).bind(map_index).fetch_optional(&self.pool).await?;
        row.as_ref().map(instance_row).transpose()
    }

    /// Whether a run has this task.
    pub async fn has_instances(&self, run_key: RunKey, task_id: &str) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM task_instance WHERE run_key = ?1 AND task_id = ?2)";
        Ok(sqlx::query_scalar(query).bind(run_key).bind(task_id).fetch_one(&self.pool).await?)
    }

    /// The attempts of an instance that have ended, oldest first.
    pub async fn attempts(&self, key: AttemptKey) -> Result<Vec<AttemptRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT try_number, outcome, started_at, ended_at, error, arguments FROM attempt \
             WHERE run_key = ?1 AND task_index = ?2 AND map_index = ?3 ORDER BY try_number",
        )
        .bind(key.run_key)
        .bind(key.task_index)
        .bind(key.map_index)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(attempt_row).collect()
    }

    /// What the instances of a run pushed, without the values; of one task if one is named.
    pub async fn xcoms(&self, run_key: RunKey, task_id: Option<&str>) -> Result<Vec<XcomRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT task_id, map_index, key, at, size FROM xcom JOIN task_instance USING (run_key, task_index, map_index) \
             WHERE run_key = ?1 AND (?2 IS NULL OR task_id = ?2) ORDER BY task_index, map_index, key",
        )
        .bind(run_key)
        .bind(task_id)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &SqliteRow| {
            Ok(XcomRow {
                task_id: row.get::<String, _>(0).into(),
                map_index: row.get(1),
                key: row.get(2),
                at: instant(row.get(3))?,
                size: row.get::<i64, _>(4).unsigned_abs(),
            })
        };
        rows.iter().map(read).collect()
    }

    /// A value that an instance pushed.
    pub async fn xcom_value(
        &self,
        run_key: RunKey,
        task_id: &str,
        map_index: i32,
        key: &str,
    ) -> Result<Option<Value>, StoreError> {
        let row = sqlx::query(
            "SELECT size, encoding, value FROM xcom JOIN task_instance USING (run_key, task_index, map_index) \
             WHERE run_key = ?1 AND task_id = ?2 AND map_index = ?3 AND key = ?4",
        )
        .bind(run_key)
        .bind(task_id)
        .bind(map_index)
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| decode(row.get(0), row.get(1), row.get(2)).map_err(StoreError::Corrupt)).transpose()
    }
}

/// The instances of a run, in the order of the DAG's file.
pub(super) async fn of_run(
    connection: &mut SqliteConnection,
    run_key: RunKey,
) -> Result<Vec<TaskInstanceRow>, StoreError> {
    let query =
        sqlx::AssertSqlSafe(format!("{INSTANCE_COLUMNS} WHERE run_key = ?1 ORDER BY task_index, map_index"));
    sqlx::query(query).bind(run_key).fetch_all(connection).await?.iter().map(instance_row).collect()
}

/// The attempts of a run that have ended, each with its instance, in the order of the DAG's file.
pub(super) async fn attempts_of_run(
    connection: &mut SqliteConnection,
    run_key: RunKey,
) -> Result<Vec<(AttemptKey, AttemptRow)>, StoreError> {
    let rows = sqlx::query(
        "SELECT try_number, outcome, started_at, ended_at, error, arguments, task_index, map_index FROM attempt \
         WHERE run_key = ?1 ORDER BY task_index, map_index, try_number",
    )
    .bind(run_key)
    .fetch_all(connection)
    .await?;
    let read = |row: &SqliteRow| {
        let key = AttemptKey { run_key, task_index: row.get(6), map_index: row.get(7) };
        Ok((key, attempt_row(row)?))
    };
    rows.iter().map(read).collect()
}

pub(super) fn instance_row(row: &SqliteRow) -> Result<TaskInstanceRow, StoreError> {
    let state: Option<String> = row.get(6);
    Ok(TaskInstanceRow {
        run_key: row.get(0),
        dag_id: row.get::<String, _>(1).into(),
        run_id: row.get::<String, _>(2).into(),
        task_index: row.get(3),
        task_id: row.get::<String, _>(4).into(),
        map_index: row.get(5),
        state: state.map(|text| label(&text, TaskInstanceState::from_label)).transpose()?,
        try_number: row.get(7),
        scheduled_at: optional_instant(row.get(8))?,
        started_at: optional_instant(row.get(9))?,
        ended_at: optional_instant(row.get(10))?,
        retry_at: optional_instant(row.get(11))?,
        label: row.get(12),
    })
}

fn attempt_row(row: &SqliteRow) -> Result<AttemptRow, StoreError> {
    let error = optional_json(row.get(4))?.map(serde_json::from_value).transpose();
    Ok(AttemptRow {
        try_number: row.get(0),
        outcome: row.get(1),
        started_at: instant(row.get(2))?,
        ended_at: instant(row.get(3))?,
        error: error.map_err(|fault| StoreError::Corrupt(fault.to_string()))?,
        arguments: row.get::<Option<String>, _>(5).as_deref().map(json).transpose()?,
    })
}
