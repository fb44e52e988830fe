//! What lists of events are narrowed down and ordered by.

use super::Column;
use crate::error::StoreError;
use crate::read::events::{EVENT_COLUMNS, event_row};
use crate::rows::EventRow;
use sqlx::sqlite::SqliteRow;

/// Who does most of what happens.
const ENGINE: &str = "engine";

/// Of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventColumn {
    /// Its number: in the order of happening.
    Seq,
    /// When it happened.
    At,
    /// What happened.
    Name,
    /// The run's number.
    RunKey,
    /// The DAG, or empty.
    DagId,
    /// The run's name, or empty.
    RunId,
    /// The task, or empty.
    TaskId,
    /// The place among mapped instances, or -1.
    MapIndex,
    /// The attempt's number, or 0.
    TryNumber,
    /// Who did it.
    Actor,
    /// By what way they came.
    Via,
    /// What else there is to say, as JSON text.
    Body,
}

impl Column for EventColumn {
    type Row = EventRow;
    const ROWS: &'static str = EVENT_COLUMNS;
    const TABLES: (&'static str, &'static str) = ("event", "");
    const KEY: &'static [&'static str] = &["seq"];
    /// None is ever removed.
    const COUNT_OF_ALL: Option<&'static str> = Some("SELECT coalesce(max(seq), 0) FROM event");

    fn expressions(self) -> &'static [&'static str] {
        match self {
            Self::Seq => &["seq"],
            Self::At => &["at"],
            Self::Name => &["name"],
            Self::RunKey => &["run_key"],
            Self::DagId => &["dag_id"],
            Self::RunId => &["run_id"],
            Self::TaskId => &["task_id"],
            Self::MapIndex => &["map_index"],
            Self::TryNumber => &["try_number"],
            Self::Actor => &["actor"],
            Self::Via => &["via"],
            Self::Body => &["body"],
        }
    }

    fn is_nullable(self) -> bool {
        self == Self::RunKey
    }

    fn is_elsewhere(self) -> bool {
        false
    }

    fn read(row: &SqliteRow) -> Result<EventRow, StoreError> {
        event_row(row)
    }

    /// What people did is a small part of the history, with an index of its own.
    fn implied_by(self, value: &str) -> Option<&'static str> {
        (self == Self::Actor && value != ENGINE).then_some("actor <> 'engine'")
    }
}
