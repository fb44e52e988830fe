//! `empty`: does nothing, for a place where branches meet (Airflow's `EmptyOperator`).

use async_trait::async_trait;
use esteira_operator::{Operator, Signature, TaskContext, TaskError, TaskOutput};
use serde_json::Value;

/// Does nothing, and succeeds.
pub(crate) struct Empty;

#[async_trait]
impl Operator for Empty {
    fn signature(&self) -> Signature {
        Signature {
            name: "empty",
            summary: "Does nothing: a place where branches meet.",
            arguments: Vec::new(),
        }
    }

    async fn execute(&self, _context: &TaskContext, _arguments: Value) -> Result<TaskOutput, TaskError> {
        Ok(TaskOutput::none())
    }
}
