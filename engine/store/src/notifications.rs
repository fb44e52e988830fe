//! Callbacks that are to be run, or were.

use crate::error::StoreError;
use crate::read::{Reader, instant, json, label, optional_instant};
use crate::rows::RunKey;
use esteira_core::dag::{Callback, CallbackKind};
use esteira_core::ids::TaskId;
use esteira_core::states::{NotificationState, TaskInstanceState};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

/// A callback that is to be run, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationRow {
    /// From [`crate::Writer::next_notification_id`].
    pub notification_id: i64,
    /// The run that it tells of, or whose task.
    pub run_key: RunKey,
    /// Whether it tells of that task; of the run otherwise.
    pub is_of_task: bool,
    /// The task that its templates see.
    pub task_id: TaskId,
    /// Which of its mapped instances, or -1.
    pub map_index: i32,
    /// The number of that instance's attempt, or 0.
    pub try_number: u32,
    /// What it tells of.
    pub kind: CallbackKind,
    /// What is run.
    pub callback: Callback,
    /// What its templates see besides: an object.
    pub variables: Value,
    /// Whether it is still to be run.
    pub state: NotificationState,
    /// How often it was tried in vain.
    pub failures: u32,
    /// When it is tried next.
    pub due_at: Timestamp,
    /// When what it tells of happened.
    pub created_at: Timestamp,
    /// When it had succeeded, or failed for good.
    pub ended_at: Option<Timestamp>,
    /// Why the last try failed, without secrets.
    pub error: Option<String>,
}

impl NotificationRow {
    /// How it stands, in the words for task instances: queued, up for retry, success or failed.
    pub fn stands(&self) -> TaskInstanceState {
        match self.state {
            NotificationState::Pending if self.failures == 0 => TaskInstanceState::Queued,
            NotificationState::Pending => TaskInstanceState::UpForRetry,
            NotificationState::Success => TaskInstanceState::Success,
            NotificationState::Failed => TaskInstanceState::Failed,
        }
    }

    /// What it tells of: the task instance (`task`, `task[2]`), or `run`.
    pub fn about(&self) -> String {
        match (self.is_of_task, self.map_index) {
            (false, _) => "run".to_owned(),
            (true, -1) => self.task_id.to_string(),
            (true, map_index) => format!("{}[{map_index}]", self.task_id),
        }
    }
}

const COLUMNS: &str = "SELECT notification_id, run_key, is_of_task, task_id, map_index, try_number, kind, callback, variables, state, \
     failures, due_at, created_at, ended_at, error FROM notification";

impl Reader {
    /// Those that are still to be run, oldest first.
    pub async fn pending_notifications(&self) -> Result<Vec<NotificationRow>, StoreError> {
        let query =
            sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE state = 'pending' ORDER BY notification_id"));
        sqlx::query(query).fetch_all(&self.pool).await?.iter().map(row).collect()
    }

    /// Those of a run, oldest first; a thousand at most.
    pub async fn notifications_of_run(&self, run_key: RunKey) -> Result<Vec<NotificationRow>, StoreError> {
        let query =
            sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE run_key = ?1 ORDER BY notification_id LIMIT 1000"));
        sqlx::query(query).bind(run_key).fetch_all(&self.pool).await?.iter().map(row).collect()
    }

    /// The notifications of a task instance, oldest first.
    pub async fn notifications_of_instance(
        &self,
        run_key: RunKey,
        task_id: &str,
        map_index: i32,
    ) -> Result<Vec<NotificationRow>, StoreError> {
        let query = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE run_key = ?1 AND is_of_task AND task_id = ?2 AND map_index = ?3 \
             ORDER BY notification_id LIMIT 1000"
        ));
        let rows =
            sqlx::query(query).bind(run_key).bind(task_id).bind(map_index).fetch_all(&self.pool).await?;
        rows.iter().map(row).collect()
    }
}

fn row(row: &SqliteRow) -> Result<NotificationRow, StoreError> {
    let callback = serde_json::from_value(json(row.get(7))?);
    Ok(NotificationRow {
        notification_id: row.get(0),
        run_key: row.get(1),
        is_of_task: row.get(2),
        task_id: row.get::<String, _>(3).into(),
        map_index: row.get(4),
        try_number: row.get(5),
        kind: label(row.get(6), CallbackKind::from_label)?,
        callback: callback.map_err(|error| StoreError::Corrupt(error.to_string()))?,
        variables: json(row.get(8))?,
        state: label(row.get(9), NotificationState::from_label)?,
        failures: row.get(10),
        due_at: instant(row.get(11))?,
        created_at: instant(row.get(12))?,
        ended_at: optional_instant(row.get(13))?,
        error: row.get(14),
    })
}

pub(crate) async fn upsert(
    connection: &mut SqliteConnection,
    notification: &NotificationRow,
) -> Result<(), StoreError> {
    let callback = serde_json::to_string(&notification.callback)
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query(
        "INSERT OR REPLACE INTO notification (notification_id, run_key, is_of_task, task_id, map_index, try_number, kind, callback, \
         variables, state, failures, due_at, created_at, ended_at, error) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .bind(notification.notification_id)
    .bind(notification.run_key)
    .bind(notification.is_of_task)
    .bind(notification.task_id.as_str())
    .bind(notification.map_index)
    .bind(notification.try_number)
    .bind(notification.kind.as_str())
    .bind(callback)
    .bind(notification.variables.to_string())
    .bind(notification.state.as_str())
    .bind(notification.failures)
    .bind(notification.due_at.as_microsecond())
    .bind(notification.created_at.as_microsecond())
    .bind(notification.ended_at.map(Timestamp::as_microsecond))
    .bind(&notification.error)
    .execute(connection)
    .await?;
    Ok(())
}
