//! Rows as the rest of the product reads them.

use esteira_core::ids::{DagId, RunId, TaskId};
use esteira_core::run::AttemptError;
use esteira_core::states::{RunState, RunType, TaskInstanceState, TriggeredBy};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// The number of a run in this database.
pub type RunKey = i64;

/// The number of a DAG version in this database.
pub type VersionId = i64;

/// A DAG that was ever loaded.
#[derive(Clone, Debug, Serialize)]
pub struct DagRow {
    /// Its name.
    pub dag_id: DagId,
    /// The version that new runs take.
    pub version_id: VersionId,
    /// That version's number in the DAG, from 1.
    pub version_number: i64,
    /// The file it is read from.
    pub file: String,
    /// Whether its schedule starts no runs.
    pub is_paused: bool,
    /// Whether its file is gone.
    pub is_stale: bool,
    /// When its file was last read with a new content.
    pub loaded_at: Timestamp,
    /// The definition: [`esteira_core::dag::Dag`] as JSON text, for pages and lists. Few of those who read a thousand rows
    /// look into all, so each parses what it needs.
    pub definition: String,
}

/// A DAG that was ever loaded, without what its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagHead {
    /// Its name.
    pub dag_id: DagId,
    /// The file it is read from.
    pub file: String,
    /// Whether its schedule starts no runs.
    pub is_paused: bool,
    /// Whether its file is gone.
    pub is_stale: bool,
    /// When its file was last read with a new content.
    pub loaded_at: Timestamp,
}

/// One content that a DAG file had.
#[derive(Clone, Debug, Serialize)]
pub struct VersionRow {
    /// Its number in this database.
    pub version_id: VersionId,
    /// The DAG's name.
    pub dag_id: DagId,
    /// Its number in the DAG, from 1.
    pub version_number: i64,
    /// SHA-256 of the source, in hex.
    pub source_hash: String,
    /// The file it was read from.
    pub file: String,
    /// The YAML as it was.
    pub source: String,
    /// When it was first seen.
    pub created_at: Timestamp,
}

/// A file that does not make a DAG at the moment.
#[derive(Clone, Debug, Serialize)]
pub struct ImportErrorRow {
    /// The file.
    pub file: String,
    /// When that was found.
    pub at: Timestamp,
    /// The diagnostics: a list of [`esteira_core::spec::Diagnostic`] as JSON.
    pub diagnostics: Value,
}

/// A DAG run.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// Its number in this database, growing.
    pub run_key: RunKey,
    /// The DAG's name.
    pub dag_id: DagId,
    /// Its name in the DAG.
    pub run_id: RunId,
    /// The version it runs on.
    pub version_id: VersionId,
    /// That version's number in the DAG.
    pub version_number: i64,
    /// Its state.
    pub state: RunState,
    /// What kind of run it is.
    pub run_type: RunType,
    /// By what way it was asked for.
    pub triggered_by: TriggeredBy,
    /// Who asked for it.
    pub triggering_user: String,
    /// The instant it stands for, if it stands for one.
    pub logical_date: Option<Timestamp>,
    /// The start of the data it is about.
    pub data_interval_start: Option<Timestamp>,
    /// The end of the data it is about.
    pub data_interval_end: Option<Timestamp>,
    /// When it might begin.
    pub run_after: Timestamp,
    /// When it was created.
    pub queued_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What its trigger said.
    pub conf: Value,
    /// What a person wrote about it.
    pub note: Option<String>,
    /// The number of the run whose task asked for it.
    pub parent_run_key: Option<RunKey>,
    /// Whether a cancel of that run cancels it too.
    pub is_cancelled_with_parent: bool,
    /// The number of the backfill that it is part of.
    pub backfill_id: Option<i64>,
}

/// A task in a run.
#[derive(Clone, Debug, Serialize)]
pub struct TaskInstanceRow {
    /// The run's number in this database.
    pub run_key: RunKey,
    /// The DAG's name.
    pub dag_id: DagId,
    /// The run's name.
    pub run_id: RunId,
    /// The task's place in the DAG version.
    pub task_index: u32,
    /// The task's name.
    pub task_id: TaskId,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// Its state; none until its upstreams allow or forbid it.
    pub state: Option<TaskInstanceState>,
    /// The newest attempt's number; 0 before the first.
    pub try_number: u32,
    /// When the newest attempt was allowed to run.
    pub scheduled_at: Option<Timestamp>,
    /// When the newest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When the next attempt is due, while up for retry.
    pub retry_at: Option<Timestamp>,
    /// The name of a mapped instance, if its task gives them names.
    pub label: Option<String>,
}

/// An attempt that has ended.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub try_number: u32,
    /// How it ended: `success`, `failed`, `skipped`, `lost`.
    pub outcome: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it failed.
    pub error: Option<AttemptError>,
    /// Its arguments as rendered, abridged where they are long.
    pub arguments: Option<Value>,
}

/// A value that an instance pushed; [`crate::Reader::xcom_value`] reads the value itself.
#[derive(Clone, Debug, Serialize)]
pub struct XcomRow {
    /// The task's name.
    pub task_id: TaskId,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// Its key.
    pub key: String,
    /// When it was pushed.
    pub at: Timestamp,
    /// The length of its JSON text, in bytes.
    pub size: u64,
}

/// A row of the audit history.
#[derive(Clone, Debug, Serialize)]
pub struct EventRow {
    /// Its number, from 1 without gaps.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened: `run.created`, `task.started`…
    pub name: String,
    /// The run's number in this database, if it is about a run.
    pub run_key: Option<RunKey>,
    /// The DAG's name, or empty.
    pub dag_id: String,
    /// The run's name, or empty.
    pub run_id: String,
    /// The task's name, or empty.
    pub task_id: String,
    /// The task's place in the DAG version.
    pub task_index: Option<u32>,
    /// The place among mapped instances, or -1.
    pub map_index: i32,
    /// The attempt, or 0.
    pub try_number: u32,
    /// Who caused it.
    pub actor: String,
    /// By what way it was asked for.
    pub via: String,
    /// What it says beyond its name, as JSON text, or empty.
    pub body: String,
    /// Its hash in the chain, in hex.
    pub hash: String,
}
