//! What lists of task instances are narrowed down and ordered by.

use super::Column;
use crate::error::StoreError;
use crate::read::instances::{INSTANCE_COLUMNS, instance_row};
use crate::rows::TaskInstanceRow;
use sqlx::sqlite::SqliteRow;

/// Of a task instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceColumn {
    /// In the order of the runs' creation and of the DAG's file.
    Key,
    /// The DAG.
    DagId,
    /// The run's name.
    RunId,
    /// The task.
    TaskId,
    /// The place among mapped instances, or -1.
    MapIndex,
    /// The name of a mapped instance.
    Label,
    /// Its state.
    State,
    /// The newest attempt's number.
    TryNumber,
    /// The instant that its run stands for.
    LogicalDate,
    /// When its run might begin.
    RunAfter,
    /// The number of its run's DAG version.
    Version,
    /// When the newest attempt was allowed to run.
    ScheduledAt,
    /// When the newest attempt began.
    StartedAt,
    /// When it ended.
    EndedAt,
    /// How long it took, in microseconds.
    Duration,
}

impl Column for InstanceColumn {
    type Row = TaskInstanceRow;
    const ROWS: &'static str = INSTANCE_COLUMNS;
    const TABLES: (&'static str, &'static str) = ("task_instance", "JOIN dag_run USING (run_key)");
    const KEY: &'static [&'static str] = &["run_key", "task_index", "map_index"];

    fn expressions(self) -> &'static [&'static str] {
        match self {
            Self::Key => &["run_key", "task_index"],
            Self::DagId => &["dag_id"],
            Self::RunId => &["run_id"],
            Self::TaskId => &["task_id"],
            Self::MapIndex => &["map_index"],
            Self::Label => &["label"],
            Self::State => &["task_instance.state"],
            Self::TryNumber => &["try_number"],
            Self::LogicalDate => &["logical_date"],
            Self::RunAfter => &["run_after"],
            Self::Version => {
                &["(SELECT version_number FROM dag_version WHERE version_id = dag_run.version_id)"]
            }
            Self::ScheduledAt => &["scheduled_at"],
            Self::StartedAt => &["task_instance.started_at"],
            Self::EndedAt => &["task_instance.ended_at"],
            Self::Duration => &["(task_instance.ended_at - task_instance.started_at)"],
        }
    }

    fn is_nullable(self) -> bool {
        use InstanceColumn as C;
        let is_always_there = matches!(
            self,
            C::Key | C::DagId | C::RunId | C::TaskId | C::MapIndex | C::TryNumber | C::RunAfter | C::Version
        );
        !is_always_there
    }

    fn is_elsewhere(self) -> bool {
        matches!(self, Self::DagId | Self::RunId | Self::LogicalDate | Self::RunAfter | Self::Version)
    }

    fn read(row: &SqliteRow) -> Result<TaskInstanceRow, StoreError> {
        instance_row(row)
    }
}
