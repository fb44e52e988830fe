//! The `{{ }}` language: Jinja's, with Airflow's names, over JSON values.
//!
//! Nothing here reads a clock, a file or a database: what a template may see is in its [`Context`], and what others keep
//! (values of other tasks, variables, connections, earlier runs) comes through a [`TemplateSource`]. A template is bounded in work (fuel) and in output.

mod convert;
mod environment;
mod facts;
mod filters;
mod inspect;
mod macros;
mod mapped_list;
mod methods;
mod render;
mod stored;
mod task_instance;

pub(crate) use facts::iso;
pub use facts::{RunFacts, context_variables};
pub(crate) use inspect::{Mention, MentionKind, exists, inspect};
pub use render::{OUTPUT_SIZE_MAX, render};

use jiff::Timestamp;
use std::sync::Arc;

/// Where templates find what is kept elsewhere: `ti.xcom_pull`, `var`, `conn`, and the run before.
pub trait TemplateSource {
    /// The value under `key` of the instance of `task_id` in this run; `map_index` is `None` for a task that is not
    /// mapped. `None` when there is no such value. The error is one sentence.
    fn pull(
        &self,
        task_id: &str,
        key: &str,
        map_index: Option<i32>,
    ) -> Result<Option<serde_json::Value>, String>;

    /// The values under `key` of all instances of a mapped task, to be read as they are needed; `None` for a task that
    /// is not mapped. The error is one sentence.
    fn pull_all(&self, task_id: &str, key: &str) -> Result<Option<Arc<dyn MappedValues>>, String> {
        let _ = (task_id, key);
        Ok(None)
    }

    /// The value of a variable, if there is one. The error is one sentence.
    fn variable(&self, key: &str) -> Result<Option<String>, String> {
        let _ = key;
        Ok(None)
    }

    /// A connection in Airflow's fields, if there is one. The error is one sentence.
    fn connection(&self, id: &str) -> Result<Option<serde_json::Value>, String> {
        let _ = id;
        Ok(None)
    }

    /// The time at this moment, for `macros.datetime.now()`; none where templates must not see it.
    fn now(&self) -> Option<Timestamp> {
        None
    }

    /// Some random bytes, for `macros.uuid.uuid4()`; none where there is no chance.
    fn random(&self) -> Option<[u8; 16]> {
        None
    }

    /// The last run of the DAG before this one that succeeded, if there is one.
    fn previous_success(&self) -> Result<Option<PreviousRun>, String> {
        Ok(None)
    }
}

/// An earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousRun {
    /// The start and the end of the data that it is about.
    pub data_interval: Option<(Timestamp, Timestamp)>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// The values that the instances of a mapped task left behind, in the order of the instances.
pub trait MappedValues: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Some of them, from the place `from` on. The error is one sentence.
    fn page(&self, from: usize, count: usize) -> Result<Vec<serde_json::Value>, String>;
}

/// What a template may see.
#[derive(Clone)]
pub struct Context {
    /// The names, as [`context_variables`] makes them: an object.
    pub variables: serde_json::Value,
    /// What is kept elsewhere.
    pub source: Arc<dyn TemplateSource + Send + Sync>,
}

/// A template that could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct TemplateError {
    /// Where it stands: `with.records` or `with.headers[2]`.
    pub path: String,
    /// What went wrong: one sentence.
    pub message: String,
}

/// Whether a string is a template and not plain text.
pub fn contains_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The names that every template may use.
pub(crate) const VARIABLES: [&str; 26] = [
    "ds",
    "ds_nodash",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "logical_date",
    "data_interval_start",
    "data_interval_end",
    "run_id",
    "params",
    "dag",
    "dag_run",
    "task",
    "ti",
    "task_instance",
    "triggering_asset_events",
    "outlets",
    "try_number",
    "expanded_ti_count",
    "task_instance_key_str",
    "prev_data_interval_start_success",
    "prev_data_interval_end_success",
    "prev_start_date_success",
    "prev_end_date_success",
    "conn",
    "var",
];
