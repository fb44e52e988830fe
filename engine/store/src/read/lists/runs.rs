//! What lists of runs are narrowed down and ordered by.

use super::Column;
use crate::error::StoreError;
use crate::read::runs::{RUN_COLUMNS, run_row};
use crate::rows::RunRow;
use sqlx::sqlite::SqliteRow;

/// Of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunColumn {
    /// In the order of creation.
    Key,
    /// The DAG.
    DagId,
    /// The run's name.
    RunId,
    /// Its state.
    State,
    /// What kind of run it is.
    RunType,
    /// Who asked for it.
    TriggeringUser,
    /// The number of its DAG version.
    Version,
    /// The instant that it stands for.
    LogicalDate,
    /// When it might begin.
    RunAfter,
    /// When it was created.
    QueuedAt,
    /// When it began.
    StartedAt,
    /// When it ended.
    EndedAt,
    /// How long it took, in microseconds.
    Duration,
    /// What its trigger said, as JSON text.
    Conf,
}

impl Column for RunColumn {
    type Row = RunRow;
    const ROWS: &'static str = RUN_COLUMNS;
    const TABLES: (&'static str, &'static str) = ("dag_run", "JOIN dag_version USING (version_id)");
    const KEY: &'static [&'static str] = &["run_key"];

    fn expressions(self) -> &'static [&'static str] {
        match self {
            Self::Key => &["run_key"],
            Self::DagId => &["dag_run.dag_id"],
            Self::RunId => &["run_id"],
            Self::State => &["state"],
            Self::RunType => &["run_type"],
            Self::TriggeringUser => &["triggering_user"],
            Self::Version => &["version_number"],
            Self::LogicalDate => &["logical_date"],
            Self::RunAfter => &["run_after"],
            Self::QueuedAt => &["queued_at"],
            Self::StartedAt => &["started_at"],
            Self::EndedAt => &["ended_at"],
            Self::Duration => &["(ended_at - started_at)"],
            Self::Conf => &["conf"],
        }
    }

    fn is_nullable(self) -> bool {
        matches!(self, Self::LogicalDate | Self::StartedAt | Self::EndedAt | Self::Duration)
    }

    fn is_elsewhere(self) -> bool {
        self == Self::Version
    }

    fn read(row: &SqliteRow) -> Result<RunRow, StoreError> {
        run_row(row)
    }
}
