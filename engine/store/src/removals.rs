//! Runs and DAGs that are removed. The history keeps their events.

use crate::error::StoreError;
use crate::rows::RunKey;
use esteira_core::ids::DagId;
use sqlx::SqliteConnection;

/// What belongs to a run, its own row last. Runs that its tasks have started go on naming it: so the history says.
const OF_RUN: [&str; 8] = [
    "DELETE FROM notification WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM hitl_detail WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM asset_use WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM expansion WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM xcom WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM attempt WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM task_instance WHERE run_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM dag_run WHERE run_key IN (SELECT value FROM json_each(?1))",
];

pub(crate) async fn remove_runs(
    connection: &mut SqliteConnection,
    runs: &[RunKey],
) -> Result<(), StoreError> {
    if runs.is_empty() {
        return Ok(());
    }
    let keys = serde_json::json!(runs).to_string();
    for statement in OF_RUN {
        sqlx::query(statement).bind(&keys).execute(&mut *connection).await?;
    }
    Ok(())
}

pub(crate) async fn remove_dag(connection: &mut SqliteConnection, dag_id: &DagId) -> Result<(), StoreError> {
    for statement in ["DELETE FROM webhook WHERE dag_id = ?1", "DELETE FROM dag WHERE dag_id = ?1"] {
        sqlx::query(statement).bind(dag_id.as_str()).execute(&mut *connection).await?;
    }
    Ok(())
}
