//! What lists of updates of assets are narrowed down and ordered by.

use super::Column;
use crate::assets::{AssetEventRow, EVENT_COLUMNS, event};
use crate::error::StoreError;
use sqlx::sqlite::SqliteRow;

/// Of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetEventColumn {
    /// Its number.
    Id,
    /// The asset's name.
    Uri,
    /// When it happened.
    At,
    /// The DAG whose task did it, or empty.
    DagId,
    /// The run whose task did it, or empty.
    RunId,
    /// The task that did it, or empty.
    TaskId,
    /// The task's mapped instance, or -1.
    MapIndex,
}

impl Column for AssetEventColumn {
    type Row = AssetEventRow;
    const ROWS: &'static str = EVENT_COLUMNS;
    const TABLES: (&'static str, &'static str) = ("asset_event", "");
    const KEY: &'static [&'static str] = &["asset_event_id"];

    fn expressions(self) -> &'static [&'static str] {
        match self {
            Self::Id => &["asset_event_id"],
            Self::Uri => &["uri"],
            Self::At => &["at"],
            Self::DagId => &["asset_event.dag_id"],
            Self::RunId => &["run_id"],
            Self::TaskId => &["task_id"],
            Self::MapIndex => &["map_index"],
        }
    }

    fn is_nullable(self) -> bool {
        false
    }

    fn is_elsewhere(self) -> bool {
        false
    }

    fn read(row: &SqliteRow) -> Result<AssetEventRow, StoreError> {
        event(row)
    }
}
