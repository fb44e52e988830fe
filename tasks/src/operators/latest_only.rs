//! `latest_only`: skips what is directly after it in a scheduled run that is not the latest, so that a catch-up or a
//! backfill does not repeat what matters once (Airflow's `LatestOnlyOperator`).

use async_trait::async_trait;
use esteira_operator::{Follow, Operator, Signature, TaskContext, TaskError, TaskOutput};
use serde_json::Value;

/// Lets only the latest run go on.
pub(crate) struct LatestOnly;

#[async_trait]
impl Operator for LatestOnly {
    fn signature(&self) -> Signature {
        Signature {
            name: "latest_only",
            summary: "Skips what is directly after it in a scheduled run that is not the latest.",
            arguments: Vec::new(),
        }
    }

    async fn execute(&self, context: &TaskContext, _arguments: Value) -> Result<TaskOutput, TaskError> {
        if context.is_latest {
            return Ok(TaskOutput::none());
        }
        context.info("a later run of this DAG is due already: what is directly after this task is skipped");
        Ok(TaskOutput::none().following(Follow::Nothing))
    }
}
