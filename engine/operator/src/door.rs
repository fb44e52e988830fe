//! The door from an attempt back to the engine: runs of other DAGs, asked for and looked at.

use crate::TaskError;
use async_trait::async_trait;
use esteira_core::states::{RunState, TaskInstanceState};
use jiff::Timestamp;
use serde_json::{Map, Value};

/// A run of another DAG that an attempt asks for.
#[derive(Clone, Debug)]
pub struct RunAsked {
    /// The DAG.
    pub dag_id: String,
    /// The run's name. A run of this name that the same task asked for before is as good as a new one.
    pub run_id: String,
    /// The instant it stands for.
    pub logical_date: Option<Timestamp>,
    /// Params and anything else its tasks may read.
    pub conf: Map<String, Value>,
    /// What its page says about it.
    pub note: Option<String>,
    /// Whether it is cancelled when the run that asks for it is.
    pub is_cancelled_with_parent: bool,
}

/// A run of another DAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRun {
    /// Its name.
    pub run_id: String,
    /// Its state.
    pub state: RunState,
}

/// What an attempt may ask of the engine.
#[async_trait]
pub trait EngineDoor: Send + Sync {
    /// Asks for a run; it is durable when this returns.
    async fn trigger(&self, asked: RunAsked) -> Result<(), TaskError>;

    /// The run of this name, if there is one.
    async fn run(&self, dag_id: &str, run_id: &str) -> Result<Option<FoundRun>, TaskError>;

    /// The newest run that stands for this instant, if there is one.
    async fn run_at(&self, dag_id: &str, logical_date: Timestamp) -> Result<Option<FoundRun>, TaskError>;

    /// The states of a task's instances in a run; nothing when the run has no such task.
    async fn task_states(
        &self,
        dag_id: &str,
        run_id: &str,
        task_id: &str,
    ) -> Result<Vec<Option<TaskInstanceState>>, TaskError>;

    /// Whether there is such a DAG.
    fn has_dag(&self, dag_id: &str) -> bool;
}

/// A door that leads nowhere: for attempts outside of an engine.
#[derive(Clone, Copy, Debug)]
pub struct NoEngine;

#[async_trait]
impl EngineDoor for NoEngine {
    async fn trigger(&self, _asked: RunAsked) -> Result<(), TaskError> {
        Err(TaskError::fatal("there is no engine that could start a run"))
    }

    async fn run(&self, _dag_id: &str, _run_id: &str) -> Result<Option<FoundRun>, TaskError> {
        Ok(None)
    }

    async fn run_at(&self, _dag_id: &str, _logical_date: Timestamp) -> Result<Option<FoundRun>, TaskError> {
        Ok(None)
    }

    async fn task_states(
        &self,
        _dag_id: &str,
        _run_id: &str,
        _task_id: &str,
    ) -> Result<Vec<Option<TaskInstanceState>>, TaskError> {
        Ok(Vec::new())
    }

    fn has_dag(&self, _dag_id: &str) -> bool {
        false
    }
}
