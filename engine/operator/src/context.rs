//! What an attempt is told about itself, and how it speaks.

use crate::door::EngineDoor;
use serde_json::Value;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What one attempt is told about itself, and how it speaks to the person who watches it.
#[derive(Clone)]
pub struct TaskContext {
    /// The DAG's name.
    pub dag_id: String,
    /// The run's name.
    pub run_id: String,
    /// The task's name.
    pub task_id: String,
    /// The instance's place among the task's mapped instances; -1 when it is not mapped.
    pub map_index: i32,
    /// Which attempt this is, from 1.
    pub try_number: u32,
    /// The run's logical date (RFC 3339, UTC), where it has one.
    pub logical_date: Option<String>,
    /// Whether no later run of its schedule is due yet; a run that no schedule started is always the latest.
    pub is_latest: bool,
    /// The run's params: the DAG's defaults with the trigger's conf over them.
    pub params: Value,
    /// The whole template context as JSON (`ds`, `ts`, `dag_run`, `params`, `ti`…), for child processes.
    pub variables: Arc<Value>,
    /// A name that marks everything this attempt starts: the engine's id and the attempt's. Children carry it in
    /// their environment as `ESTEIRA_ATTEMPT`, so that those of a dead engine can be found and ended.
    pub attempt_mark: String,
    /// The largest value that the attempt may push under one key, in bytes of JSON text.
    pub xcom_size_max: usize,
    /// What the attempt wanted to be told after its wait, when it has waited ([`crate::Waiting::state`]).
    pub resumed: Option<Value>,
    /// When the attempt began; before its waits, if it has waited.
    pub started_at: jiff::Timestamp,
    /// A number that no other attempt of the instance has, but for one that was lost with its engine before this one.
    pub ask_number: u32,
    /// The way back to the engine.
    pub engine: Arc<dyn EngineDoor>,
    /// Fires when the attempt is to end: a cancel, a time-out or the engine's shutdown.
    pub cancel: CancellationToken,
    /// Where lines and progress go.
    pub reporter: Arc<dyn TaskReporter>,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks closely.
    Debug,
    /// What is going on.
    Info,
    /// Something a person may want to look at.
    Warning,
    /// Why it failed.
    Error,
}

impl Level {
    /// The level's name as logs show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many are done.
    pub done: u64,
    /// How many there will be, where that is known.
    pub total: Option<u64>,
    /// What is counted: "sent", "consumed".
    pub unit: &'static str,
}

/// Where an attempt's lines and progress go. Implementations mask secrets and never block for long.
pub trait TaskReporter: Send + Sync {
    /// One line of the attempt's log. `source` says who spoke: "task", "stdout", "stderr".
    fn line(&self, level: Level, source: &str, text: &str);

    /// How far the attempt has come; shown live and not kept.
    fn progress(&self, progress: Progress);
}

impl TaskContext {
    /// A line on what is going on.
    pub fn info(&self, text: impl AsRef<str>) {
        self.reporter.line(Level::Info, "task", text.as_ref());
    }

    /// A line that a person may want to look at.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.reporter.line(Level::Warning, "task", text.as_ref());
    }

    /// A line on why it failed.
    pub fn error(&self, text: impl AsRef<str>) {
        self.reporter.line(Level::Error, "task", text.as_ref());
    }

    /// How far it has come.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &'static str) {
        self.reporter.progress(Progress { done, total, unit });
    }
}
