//! How an attempt fails, in words for the person who reads them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an attempt did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// What follows from it.
    pub kind: TaskErrorKind,
    /// What happened and where: file, line, service, address. Never a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code of the process that failed, for `retry_on`.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The class of the error, for `retry_on`: `ValueError`, `http_503`.
    #[serde(default)]
    pub class: Option<String>,
}

/// What follows from a [`TaskError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskErrorKind {
    /// The attempt failed; another may succeed.
    Failed,
    /// Another attempt would fail the same way, so there is none (Airflow's `AirflowFailException`).
    Fatal,
    /// The task does not need to run (Airflow's `AirflowSkipException`).
    Skipped,
    /// It was told to stop, and did.
    Cancelled,
    /// It took longer than its `execution_timeout`.
    TimedOut,
}

impl TaskError {
    /// A failure that another attempt may not meet.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(TaskErrorKind::Failed, message)
    }

    /// A failure that every attempt would meet.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(TaskErrorKind::Fatal, message)
    }

    /// The task does not need to run.
    pub fn skipped(message: impl Into<String>) -> Self {
        Self::new(TaskErrorKind::Skipped, message)
    }

    /// It was told to stop.
    pub fn cancelled() -> Self {
        Self::new(TaskErrorKind::Cancelled, "cancelled")
    }

    /// An error of this kind.
    pub fn new(kind: TaskErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, exit_code: None, class: None }
    }

    /// The exit code of the process that failed.
    #[must_use]
    pub fn exit_code(mut self, code: i32) -> Self {
        self.exit_code = Some(code);
        self
    }

    /// The class of the error, by which a task may be tried again or not.
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// What to do about it, in one sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TaskError {}
