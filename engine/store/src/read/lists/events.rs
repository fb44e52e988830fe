//! What lists of events are narrowed down and ordered by.

use super::Column;
use crate::error::StoreError;
use crate::read::events::{EVENT_COLUMNS, event_row};
use crate::rows::EventRow;
use sqlx::sqlite::SqliteRow;

/// Who does most of what happens.
const ENGINE: &str = "engine";

/// The names that every run and every task brings. All others have an index, in which these are left out.
const USUAL_NAMES: [&str; 8] = [
    "task.scheduled",
    "task.started",
    "task.succeeded",
    "run.created",
    "run.queued",
    "run.started",
    "run.ended",
    "xcom.set",
];

/// What is so of all events that the index by name has.
pub(in crate::read) const HAS_RARE_NAME: &str = "name NOT IN ('task.scheduled', 'task.started', 'task.succeeded', 'run.created', \
     'run.queued', 'run.started', 'run.ended', 'xcom.set')";

/// Whether no event of every run or task has a name that begins so.
pub(in crate::read) fn is_rare(beginning: &str) -> bool {
    !USUAL_NAMES.iter().any(|usual| usual.starts_with(beginning))
}

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

    /// What people did is a small part of the history, with an index of its own; so is what happens seldom.
    fn implied_by(self, value: &str) -> Option<&'static str> {
        match self {
            Self::Actor => (value != ENGINE).then_some("actor <> 'engine'"),
            Self::Name => (!USUAL_NAMES.contains(&value)).then_some(HAS_RARE_NAME),
            _ => None,
        }
    }

    /// A DAG may have millions of events, of which those with a rare name are few.
    fn yields_to(self, other: Self, value: &str) -> bool {
        self == Self::DagId && other == Self::Name && other.implied_by(value).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_by_name_leaves_out_what_is_usual() {
        let quoted: Vec<String> = USUAL_NAMES.iter().map(|name| format!("'{name}'")).collect();
        assert_eq!(HAS_RARE_NAME, format!("name NOT IN ({})", quoted.join(", ")));
        assert!(is_rare("task.failed") && is_rare("task.started.twice") && is_rare("pool."));
        assert!(!is_rare("task.") && !is_rare("") && !is_rare("run.ended"));
    }
}
