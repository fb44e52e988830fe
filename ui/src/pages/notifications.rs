//! Callbacks that tell of a run or of its task instances, as the pages of both show them.

use crate::links;
use crate::show::Mark;
use esteira_store::{NotificationRow, RunRow};

/// A callback that is to be run, or was.
pub(crate) struct Notification {
    pub(crate) callback: &'static str,
    pub(crate) about: String,
    /// The page of what it tells of.
    pub(crate) url: String,
    pub(crate) operator: String,
    pub(crate) mark: Mark,
    pub(crate) failures: u32,
    pub(crate) error: String,
}

/// How a callback is shown.
pub(super) fn notification(row: NotificationRow, run: &RunRow) -> Notification {
    let (dag_id, run_id) = (run.dag_id.as_str(), run.run_id.as_str());
    Notification {
        callback: row.kind.as_str(),
        about: row.about(),
        url: match row.is_of_task {
            true => links::instance(dag_id, run_id, row.task_id.as_str(), row.map_index),
            false => links::run(dag_id, run_id),
        },
        mark: Mark::of_instance(Some(row.stands())),
        operator: row.callback.operator,
        failures: row.failures,
        error: row.error.unwrap_or_default(),
    }
}
